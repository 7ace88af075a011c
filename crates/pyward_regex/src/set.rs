//! Sets of characters, as a pattern writes them.

/// A set of characters: ranges, classes such as `\w`, and other sets.
///
/// Membership is a predicate; the set is never expanded to a list of ranges.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct CharSet {
    pub(crate) items: Vec<Item>,
    pub(crate) negated: bool,
    pub(crate) ignore_case: bool,
}

/// One member of a set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Item {
    /// Code points from the first to the second, both included. They need not be
    /// characters: Python admits lone surrogates.
    Range(u32, u32),
    Class(Class, bool),
    Set(CharSet),
}

/// A character class of the `re` module; `ascii` is its `re.ASCII` meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    Word { ascii: bool },
    Digit { ascii: bool },
    Space { ascii: bool },
}

impl Class {
    fn contains(self, c: char) -> bool {
        match self {
            Class::Word { ascii } => is_word(c, ascii),
            // Every numeric character outside ASCII stands for category Nd: no decision here
            // turns on the difference.
            Class::Digit { ascii } => {
                c.is_ascii_digit() || (!ascii && !c.is_ascii() && c.is_numeric())
            }
            Class::Space { ascii } => {
                matches!(c, ' ' | '\t'..='\r')
                    || (!ascii
                        && (matches!(c, '\x1c'..='\x1f') || (!c.is_ascii() && c.is_whitespace())))
            }
        }
    }
}

/// Whether a character is one of `\w`.
pub(crate) fn is_word(c: char, ascii: bool) -> bool {
    c == '_' || c.is_ascii_alphanumeric() || (!ascii && !c.is_ascii() && c.is_alphanumeric())
}

impl CharSet {
    /// The set of one character.
    pub(crate) fn single(c: u32) -> Self {
        CharSet {
            items: vec![Item::Range(c, c)],
            ..CharSet::default()
        }
    }

    /// The set of every character.
    pub(crate) fn any() -> Self {
        CharSet {
            negated: true,
            ..CharSet::default()
        }
    }

    /// Whether the set holds `c`.
    #[must_use]
    pub fn contains(&self, c: char) -> bool {
        let plain = |c: char| {
            self.items.iter().any(|item| match item {
                Item::Range(low, high) => (*low..=*high).contains(&(c as u32)),
                Item::Class(class, negated) => class.contains(c) != *negated,
                Item::Set(set) => set.contains(c),
            })
        };
        let hit = plain(c)
            || (self.ignore_case && (c.to_lowercase().any(plain) || c.to_uppercase().any(plain)));
        hit != self.negated
    }

    /// Whether the set holds any of the characters of `text`.
    #[must_use]
    pub fn contains_any(&self, text: &str) -> bool {
        text.chars().any(|c| self.contains(c))
    }
}
