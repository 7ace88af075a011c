//! Regular expressions of models, compiled when first asked: a run needs few of them.

use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};

/// A regular expression that is compiled on first use.
#[derive(Debug)]
pub struct LazyRegex {
    text: String,
    is_case_insensitive: bool,
    compiled: OnceLock<Option<Regex>>,
}

impl LazyRegex {
    /// Of a text that the catalogue has found valid; `.` matches line ends too.
    #[must_use]
    pub fn new(text: &str, is_case_insensitive: bool) -> Self {
        Self {
            text: text.to_owned(),
            is_case_insensitive,
            compiled: OnceLock::new(),
        }
    }

    /// Whether it is found in a text. One that is not valid is found nowhere.
    pub fn is_match(&self, text: &str) -> bool {
        let regex = self.compiled.get_or_init(|| {
            RegexBuilder::new(&self.text)
                .case_insensitive(self.is_case_insensitive)
                .dot_matches_new_line(true)
                .build()
                .ok()
        });
        regex.as_ref().is_some_and(|r| r.is_match(text))
    }
}

#[cfg(test)]
mod tests {
    use super::LazyRegex;

    #[test]
    fn compiles_once_and_forgives() {
        let regex = LazyRegex::new("^a.b$", true);
        assert!(regex.is_match("A\nB"));
        assert!(!regex.is_match("ab"));
        assert!(!LazyRegex::new("(", false).is_match("("));
    }
}
