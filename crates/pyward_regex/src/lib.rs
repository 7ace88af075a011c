//! What a regular expression of Python's `re` module accepts, and whether it backtracks
//! catastrophically (CWE-1333).
//!
//! ```
//! use pyward_regex::{Method, Pattern, analyse};
//!
//! let found = analyse(r"^(a+)+$", false);
//! assert!(found.exponential.is_some());
//!
//! // Which texts does `re.match(r"[\w.-]+$", text)` let through?
//! let pattern = Pattern::new(r"[\w.-]+$", Default::default()).unwrap();
//! assert!(!pattern.admits(Method::Match, "/"));
//! assert!(pattern.admits(Method::Match, ".."));
//! assert!(pattern.admits(Method::Match, "\n"), "`$` also matches before a final newline");
//! ```
//!
//! A verdict on backtracking is reached in two steps. The position automaton is searched for
//! loops that one text can take in two ways, which gives a text to try; a matcher that counts
//! its steps then runs on that text at growing lengths, and only measured growth is reported.
//! Everything is bounded: the length and nesting of the pattern, the sizes of the automata, and
//! the number of steps.

mod ambiguity;
mod automaton;
mod confirm;
mod language;
mod matcher;
#[cfg(test)]
mod matcher_tests;
mod parse;
mod program;
mod set;

pub use parse::Error;
pub use set::CharSet;

use automaton::Automaton;

/// The flags of the `re` module that change what a pattern means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[allow(clippy::struct_excessive_bools)] // they are the flags of the module
pub struct Flags {
    /// `re.IGNORECASE`
    pub ignore_case: bool,
    /// `re.MULTILINE`
    pub multiline: bool,
    /// `re.DOTALL`
    pub dot_all: bool,
    /// `re.VERBOSE`
    pub verbose: bool,
    /// `re.ASCII`; also what a bytes pattern means
    pub ascii: bool,
}

impl Flags {
    /// From the value of a Python `re.RegexFlag`.
    #[must_use]
    pub fn from_bits(bits: u32) -> Self {
        Flags {
            ignore_case: bits & 2 != 0,
            multiline: bits & 8 != 0,
            dot_all: bits & 16 != 0,
            verbose: bits & 64 != 0,
            ascii: bits & 256 != 0,
        }
    }
}

/// How a pattern is applied to a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// `re.match`: at the start of the text, with anything after the match.
    Match,
    /// `re.fullmatch`: the whole text.
    FullMatch,
    /// `re.search`, and with it `findall`, `finditer`, `split` and `sub`: anywhere.
    Search,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 3] = [Method::Match, Method::FullMatch, Method::Search];
}

/// A text on which a pattern backtracks: `prefix`, `pump` repeated, `suffix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// What leads to the loop.
    pub prefix: String,
    /// What the loop can take in more than one way.
    pub pump: String,
    /// What makes the match fail.
    pub suffix: String,
    /// The degree of the polynomial that the number of steps follows (2: quadratic),
    /// as measured; `None` when it is exponential.
    pub degree: Option<u32>,
    /// The ways of applying the pattern that were measured to backtrack so on this text.
    pub methods: Vec<Method>,
}

impl Witness {
    /// The text with `count` repetitions.
    #[must_use]
    pub fn text(&self, count: usize) -> String {
        format!("{}{}{}", self.prefix, self.pump.repeat(count), self.suffix)
    }

    /// Whether the pattern backtracks so when it is applied by `method`.
    #[must_use]
    pub fn applies(&self, method: Method) -> bool {
        self.methods.contains(&method)
    }
}

/// What was found out about a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Analysis {
    /// A text on which the number of steps doubles with every repetition, or worse.
    pub exponential: Option<Witness>,
    /// A text on which it grows at least with the square. The witness that holds for `match`
    /// is preferred to one that holds for `search` only, where already `\s+$` is quadratic.
    pub polynomial: Option<Witness>,
    /// Whether every match begins at the start of the text.
    pub anchored_start: bool,
    /// Whether every match ends at the end of the text, or before a newline that ends it.
    pub anchored_end: bool,
    /// Whether it is `$` that anchors the end, which lets a final newline through.
    pub matches_newline_at_end: bool,
    /// Why the pattern is no pattern, or too large to be looked at.
    pub invalid: Option<Error>,
    /// Whether the pattern is too large for the search for backtracking.
    pub too_large: bool,
}

impl Analysis {
    /// The worst witness for a way of applying the pattern.
    #[must_use]
    pub fn witness(&self, method: Method) -> Option<&Witness> {
        [&self.exponential, &self.polynomial]
            .into_iter()
            .flatten()
            .find(|w| w.applies(method))
    }
}

/// Analyses a pattern written without flags other than VERBOSE.
#[must_use]
pub fn analyse(pattern: &str, verbose: bool) -> Analysis {
    analyse_with(
        pattern,
        Flags {
            verbose,
            ..Flags::default()
        },
    )
}

/// Analyses a pattern. Never panics; the time is bounded whatever the pattern.
#[must_use]
pub fn analyse_with(pattern: &str, flags: Flags) -> Analysis {
    match Pattern::new(pattern, flags) {
        Ok(pattern) => pattern.analyse(),
        Err(error) => Analysis {
            invalid: Some(error),
            ..Analysis::default()
        },
    }
}

/// The characters that a full match of a pattern (without flags) can hold; `None` for what is
/// no pattern.
#[must_use]
pub fn allowed_chars(pattern: &str) -> Option<CharSet> {
    Pattern::new(pattern, Flags::default())
        .ok()
        .map(|pattern| pattern.allowed_chars())
}

/// A parsed pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    tree: parse::Tree,
    automaton: Option<Automaton>,
}

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// When `re` would refuse the pattern too, or when it is too long or too deeply nested.
    pub fn new(pattern: &str, flags: Flags) -> Result<Self, Error> {
        let tree = parse::parse(pattern, flags)?;
        let automaton = program::unrolled(&tree.root, tree.groups)
            .as_ref()
            .and_then(Automaton::new);
        Ok(Pattern { tree, automaton })
    }

    /// The verdict on backtracking and anchors.
    #[must_use]
    pub fn analyse(&self) -> Analysis {
        let end = language::end_anchor(&self.tree.root);
        let (exponential, polynomial) = confirm::backtracking(&self.tree, self.automaton.as_ref());
        Analysis {
            exponential,
            polynomial,
            anchored_start: language::anchored_start(&self.tree.root),
            anchored_end: end.is_some(),
            matches_newline_at_end: end == Some(language::EndAnchor::Dollar),
            invalid: None,
            too_large: self.automaton.is_none(),
        }
    }
}
