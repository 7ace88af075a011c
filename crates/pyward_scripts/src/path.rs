//! Paths of models, to be looked up by what a script writes.

use rustc_hash::FxHashMap;

/// What belongs to paths, by their last part (`innerHTML`, `write()`).
#[derive(Debug)]
pub(crate) struct Paths<T> {
    /// With what stands before the last part; none for `*`.
    by_last: FxHashMap<String, Vec<(Option<String>, T)>>,
}

impl<T> Default for Paths<T> {
    fn default() -> Self {
        Self {
            by_last: FxHashMap::default(),
        }
    }
}

impl<T> Paths<T> {
    pub(crate) fn add(&mut self, path: &str, what: T) {
        let (before, last) = path.rsplit_once('.').unwrap_or(("", path));
        let before = (before != "*").then(|| before.to_owned());
        let entries = self.by_last.entry(last.to_owned()).or_default();
        entries.push((before, what));
    }

    /// What belongs to the path of a last part and what stands before it, which is asked for only where it matters.
    /// Empty is a global name.
    pub(crate) fn get(&self, last: &str, before: impl FnOnce() -> Option<String>) -> Option<&T> {
        let entries = self.by_last.get(last)?;
        if let Some((_, what)) = entries.iter().find(|(wanted, _)| wanted.is_none()) {
            return Some(what);
        }
        let before = before()?;
        let fits = |wanted: &Option<String>| wanted.as_deref() == Some(before.as_str());
        Some(&entries.iter().find(|(wanted, _)| fits(wanted))?.1)
    }
}
