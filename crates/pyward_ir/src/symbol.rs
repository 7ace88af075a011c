//! Interned strings, shared by all threads.

use std::fmt;
use std::hash::BuildHasherDefault;
use std::sync::LazyLock;

use dashmap::DashMap;
use rustc_hash::FxHasher;

/// An interned string: identifiers, attribute names and string constants.
///
/// Numbers are handed out in the order in which threads ask, so they differ from run to run: never sort by
/// a symbol's number and never let a hash map's order of symbols reach the output.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Symbol(u32);

type Table = DashMap<&'static str, u32, BuildHasherDefault<FxHasher>>;

static TEXTS: LazyLock<boxcar::Vec<&'static str>> = LazyLock::new(boxcar::Vec::new);
static TABLE: LazyLock<Table> = LazyLock::new(Table::default);

impl Symbol {
    /// The symbol of `text`. Interned text lives until the process ends.
    #[must_use]
    pub fn new(text: &str) -> Self {
        if let Some(found) = TABLE.get(text) {
            return Self(*found);
        }
        let kept: &'static str = Box::leak(text.into());
        let entry = TABLE
            .entry(kept)
            .or_insert_with(|| u32::try_from(TEXTS.push(kept)).unwrap_or(u32::MAX));
        Self(*entry)
    }

    /// The text behind the symbol.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        TEXTS.get(self.0 as usize).copied().unwrap_or("")
    }

    /// A number for use as an index or hash, good for this process only.
    #[must_use]
    pub fn index(self) -> u32 {
        self.0
    }
}

impl From<&str> for Symbol {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.as_str())
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Symbol;

    #[test]
    fn same_text_same_symbol() {
        assert_eq!(Symbol::new("a"), Symbol::new("a"));
        assert_ne!(Symbol::new("a"), Symbol::new("b"));
        assert_eq!(Symbol::new("näme").as_str(), "näme");
    }
}
