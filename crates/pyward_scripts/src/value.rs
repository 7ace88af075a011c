//! What is known of a value of a script.

/// What is known of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Value {
    /// Where it comes from, if from elsewhere: first and last byte. Of several the first.
    pub(crate) from: Option<(usize, usize)>,
    /// It holds markup that the script writes itself.
    pub(crate) has_markup: bool,
}

impl Value {
    pub(crate) fn from(start: usize, end: usize) -> Self {
        Self {
            from: Some((start, end)),
            has_markup: false,
        }
    }

    pub(crate) fn of_text(text: &str) -> Self {
        let opens = |at: usize| {
            let next = text.as_bytes().get(at + 1);
            next.is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'/')
        };
        Self {
            from: None,
            has_markup: text.match_indices('<').any(|(at, _)| opens(at)),
        }
    }

    pub(crate) fn join(self, other: Self) -> Self {
        Self {
            from: match (self.from, other.from) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
            has_markup: self.has_markup || other.has_markup,
        }
    }

    pub(crate) fn is_foreign(self) -> bool {
        self.from.is_some()
    }
}
