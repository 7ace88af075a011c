//! How hard a password is to guess.

use std::fmt::Write as _;

/// Characters that are looked at: the estimate's cost grows faster than the length.
const MAX_CHARS: usize = 100;

/// An estimate by zxcvbn.
#[derive(Debug, Clone, PartialEq)]
pub struct Strength {
    /// 0 (too guessable) to 4 (very unguessable).
    pub score: u8,
    /// Base-10 logarithm of the guesses needed.
    pub guesses_log10: f64,
    /// What makes it weak, fit for the user; empty when nothing does.
    pub warning: String,
    /// How to make it better, fit for the user.
    pub suggestions: Vec<String>,
}

/// Estimates the strength; `context` are words an attacker would try first (user name, e-mail, site).
#[must_use]
pub fn strength(password: &str, context: &[&str]) -> Strength {
    let head: String = password.chars().take(MAX_CHARS).collect();
    let context: Vec<String> = context
        .iter()
        .take(64)
        .map(|w| w.chars().take(MAX_CHARS).collect())
        .collect();
    let context: Vec<&str> = context.iter().map(String::as_str).collect();
    let estimate = zxcvbn::zxcvbn(&head, &context);
    let mut warning = String::new();
    let mut suggestions = Vec::new();
    if let Some(feedback) = estimate.feedback() {
        if let Some(w) = feedback.warning() {
            // Writing to a string does not fail.
            let _ = write!(warning, "{w}");
        }
        suggestions = feedback
            .suggestions()
            .iter()
            .map(ToString::to_string)
            .collect();
    }
    let guesses_log10 = estimate.guesses_log10();
    Strength {
        score: estimate.score().into(),
        guesses_log10: if guesses_log10.is_finite() {
            guesses_log10
        } else {
            0.0
        },
        warning,
        suggestions,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_passwords() {
        assert_eq!(strength("password1", &[]).score, 0);
        assert!(!strength("password1", &[]).suggestions.is_empty());
        assert_eq!(strength("correct horse battery staple tango", &[]).score, 4);
        assert!(
            strength("lovelace1815", &["lovelace"]).guesses_log10
                < strength("lovelace1815", &[]).guesses_log10
        );
        assert_eq!(strength("", &[]).score, 0);
    }

    #[test]
    fn long_input_is_bounded() {
        let start = std::time::Instant::now();
        let _ = strength(&"aB3$".repeat(50_000), &["x"; 1000]);
        assert!(start.elapsed().as_secs() < 120);
    }

    proptest::proptest! {
        #[test]
        fn any_text(text in "\\PC{0,120}", word in "\\PC{0,40}") {
            proptest::prop_assert!(strength(&text, &[&word]).score <= 4);
        }
    }
}
