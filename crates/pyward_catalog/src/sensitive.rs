//! Telling by a name that a value is a secret or personal.

use crate::data::{SensitiveClass, SensitiveNames};

impl SensitiveNames {
    /// The class of values that a variable, attribute, key or parameter of this name holds.
    ///
    /// Names are split into words at `_`, `-`, `.`, blanks, digits and changes of case: `userPassword2` is
    /// `user password`.
    #[must_use]
    pub fn classify(&self, name: &str) -> Option<&SensitiveClass> {
        if let Some(known) = self.known.get(name).map(|known| *known) {
            return known.map(|at| &self.class[usize::from(at)]);
        }
        let found = self.find(name);
        let at = found.and_then(|at| u16::try_from(at).ok());
        self.known.insert(name.into(), at);
        found.map(|at| &self.class[at])
    }

    fn find(&self, name: &str) -> Option<usize> {
        // Most names are short and match nothing: one pass over the words before anything is compared.
        let words = words(name);
        if words.is_empty()
            || words
                .iter()
                .any(|word| self.neutral.iter().any(|neutral| neutral == word))
        {
            return None;
        }
        self.class.iter().position(|class| {
            class
                .words
                .iter()
                .any(|sequence| contains(&words, sequence, class.last))
                && !class
                    .unless
                    .iter()
                    .any(|sequence| contains(&words, sequence, false))
        })
    }
}

/// The lower-case words of a name.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let chars: Vec<char> = name.chars().collect();
    for (index, &c) in chars.iter().enumerate() {
        if !c.is_alphabetic() {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            continue;
        }
        let after_lower = index > 0 && chars[index - 1].is_lowercase();
        let before_lower = chars.get(index + 1).is_some_and(|next| next.is_lowercase());
        let after_upper = index > 0 && chars[index - 1].is_uppercase();
        if c.is_uppercase() && !word.is_empty() && (after_lower || (after_upper && before_lower)) {
            words.push(std::mem::take(&mut word));
        }
        word.extend(c.to_lowercase());
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Whether the words hold the sequence (joined by `_`).
fn contains(words: &[String], sequence: &str, last: bool) -> bool {
    let count = sequence.split('_').count();
    if count > words.len() {
        return false;
    }
    let matches = |window: &[String]| {
        window
            .iter()
            .zip(sequence.split('_'))
            .all(|(word, part)| word == part)
    };
    if last {
        matches(&words[words.len() - count..])
    } else {
        words.windows(count).any(matches)
    }
}

#[cfg(test)]
mod tests {
    use crate::Catalog;

    fn class(name: &str) -> Option<&'static str> {
        Catalog::builtin()
            .sensitive
            .classify(name)
            .map(|class| class.id.as_str())
    }

    #[test]
    fn splits_names() {
        for (name, words) in [
            ("userPassword2", vec!["user", "password"]),
            ("AWS_SECRET_KEY", vec!["aws", "secret", "key"]),
            ("HTTPToken", vec!["http", "token"]),
            ("X-Api-Key", vec!["x", "api", "key"]),
            ("", vec![]),
            ("_", vec![]),
        ] {
            assert_eq!(super::words(name), words, "{name}");
        }
    }

    #[test]
    fn sensitive_names() {
        for (name, expected) in [
            ("password", Some("password")),
            ("DB_PASSWORD", Some("password")),
            ("userPasswd", Some("password")),
            ("apiKey", Some("api-key")),
            ("AWS_SECRET_ACCESS_KEY", Some("secret-key")),
            ("SECRET_KEY", Some("secret-key")),
            ("access_token", Some("token")),
            ("credit_card_number", Some("card-number")),
            ("ssn", Some("government-id")),
        ] {
            assert_eq!(class(name), expected, "{name}");
        }
    }

    #[test]
    fn names_that_only_look_sensitive() {
        for name in [
            "password_hash",
            "hashed_password",
            "password_field",
            "PasswordForm",
            "password_reset_url",
            "min_password_length",
            "max_tokens",
            "num_tokens",
            "token_type",
            "tokenizer",
            "secretary",
            "key",
            "cache_key",
            "primary_key",
            "public_key",
            "passenger",
            "compass",
            "token_count",
        ] {
            assert_eq!(class(name), None, "{name}");
        }
    }
}
