//! Names, text, identifiers, and patterns in linear time.

use unicode_normalization::UnicodeNormalization;
use unicode_security::{GeneralSecurityProfile, MixedScript};

use super::{bounded, wrong};
use crate::{Error, Result};

/// A slug: lower-case ASCII letters and digits in groups joined by single dashes.
///
/// # Errors
/// [`Error::InvalidInput`] for any other text.
pub fn slug(value: &str, max_bytes: usize) -> Result<String> {
    bounded(value, max_bytes, "the slug")?;
    let group = |g: &str| {
        !g.is_empty()
            && g.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    if value.split('-').all(group) {
        Ok(value.to_owned())
    } else {
        wrong("a slug has lower-case letters, digits and single dashes")
    }
}

/// A user name: NFKC, lower case, 1 or more characters that Unicode recommends for identifiers (UTS #39), plus `.`, `-`, `_`
/// between them; all of one script. `ascii` restricts it to ASCII. `max` counts characters.
///
/// # Errors
/// [`Error::InvalidInput`] for any other text.
pub fn user_name(value: &str, min: usize, max: usize, ascii: bool) -> Result<String> {
    bounded(value, max.saturating_mul(16), "the user name")?;
    let folded: String = value.nfkc().flat_map(char::to_lowercase).nfkc().collect();
    let count = folded.chars().count();
    if count < min || count > max {
        return Err(Error::InvalidInput(format!(
            "a user name has {min} to {max} characters"
        )));
    }
    let joins = |c: char| matches!(c, '.' | '-' | '_');
    let mut before_join = true;
    for c in folded.chars() {
        let join = joins(c);
        let letter = if ascii {
            c.is_ascii_alphanumeric()
        } else {
            c.is_alphanumeric() && GeneralSecurityProfile::identifier_allowed(c)
        };
        // Marks belong to the letter before them.
        let mark = !ascii
            && !before_join
            && unicode_normalization::char::is_combining_mark(c)
            && GeneralSecurityProfile::identifier_allowed(c);
        if !(letter || mark || (join && !before_join)) {
            return wrong("a user name has letters and digits, with single . - _ between them");
        }
        before_join = join;
    }
    if before_join {
        return wrong("a user name ends with a letter or digit");
    }
    if !folded.as_str().is_single_script() {
        return wrong("a user name has letters of one script");
    }
    Ok(folded)
}

/// What two texts have in common when they look alike (UTS #39 skeleton): compare skeletons to find names that can be
/// taken for each other.
#[must_use]
pub fn confusable_skeleton(value: &str) -> String {
    unicode_security::skeleton(value).collect()
}

/// What text is accepted.
#[derive(Debug, Clone)]
pub struct TextRules {
    /// Characters.
    pub min: usize,
    /// Characters.
    pub max: usize,
    /// Accept line breaks and tabs.
    pub multiline: bool,
    /// Refuse words that mix scripts (`pаypal` with a Cyrillic letter).
    pub one_script_per_word: bool,
    /// NFKC in place of NFC: compatibility forms (ligatures, full-width letters, circled digits) become plain ones.
    pub compatibility: bool,
}

/// Text for people to read: NFC (or NFKC), line breaks as `\n`, no control characters, no bidirectional overrides, no invisible or
/// unassigned-use characters, at most 4 marks on a letter.
///
/// # Errors
/// [`Error::InvalidInput`] for any other text, and for what `rules` leave out.
pub fn plain_text(value: &str, rules: &TextRules) -> Result<String> {
    bounded(
        value,
        rules.max.saturating_mul(16).saturating_add(64),
        "the text",
    )?;
    let lines = value.replace("\r\n", "\n").replace('\r', "\n");
    // One character expands to 18 at most under NFKC, and the input is bounded.
    let joined: String = if rules.compatibility {
        lines.nfkc().collect()
    } else {
        lines.nfc().collect()
    };
    let count = joined.chars().count();
    if count < rules.min || count > rules.max {
        return Err(Error::InvalidInput(format!(
            "the text has {} to {} characters",
            rules.min, rules.max
        )));
    }
    let mut marks = 0;
    let mut before = ' ';
    for c in joined.chars() {
        if matches!(c, '\n' | '\t') {
            if !rules.multiline {
                return wrong("the text has one line");
            }
        } else if c.is_control() || invisible(c, before) {
            return wrong("the text has control or invisible characters");
        }
        marks = if unicode_normalization::char::is_combining_mark(c) {
            marks + 1
        } else {
            0
        };
        if marks > 4 {
            return wrong("the text has too many marks on a letter");
        }
        before = c;
    }
    if rules.one_script_per_word {
        let mixed = joined
            .split(|c: char| {
                !c.is_alphanumeric() && !unicode_normalization::char::is_combining_mark(c)
            })
            .any(|word| !word.is_single_script());
        if mixed {
            return wrong("a word of the text mixes scripts");
        }
    }
    Ok(joined)
}

/// Format characters, private use, non-characters. Joiners stay between letters, where scripts and emoji need them.
fn invisible(c: char, before: char) -> bool {
    match c {
        '\u{200C}' | '\u{200D}' => before.is_whitespace() || before.is_ascii(),
        '\u{FE0E}' | '\u{FE0F}' => before.is_whitespace(),
        // Mongolian letters and ideographs in names have variants that only a selector tells.
        '\u{180B}'..='\u{180D}' | '\u{180F}' => !('\u{1820}'..='\u{18AA}').contains(&before),
        '\u{E0100}'..='\u{E01EF}' => {
            !matches!(before, '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
        }
        '\u{AD}'
        | '\u{34F}'
        | '\u{61C}'
        | '\u{115F}'
        | '\u{1160}'
        | '\u{17B4}'
        | '\u{17B5}'
        | '\u{180E}'
        | '\u{200B}'
        | '\u{200E}'
        | '\u{200F}'
        | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{3164}'
        | '\u{FEFF}'
        | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFFF}'
        | '\u{E000}'..='\u{F8FF}'
        | '\u{FDD0}'..='\u{FDEF}'
        | '\u{FE00}'..='\u{FE0D}'
        | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E00FF}'
        | '\u{E01F0}'..='\u{E0FFF}'
        | '\u{F0000}'.. => true,
        _ => (c as u32) & 0xFFFE == 0xFFFE,
    }
}

/// A UUID (RFC 9562) in lower case with dashes; only that form is taken, in either case.
///
/// # Errors
/// [`Error::InvalidInput`] for any other text.
pub fn uuid(value: &str) -> Result<String> {
    let shape = value.len() == 36
        && value.bytes().enumerate().all(|(i, b)| {
            if matches!(i, 8 | 13 | 18 | 23) {
                b == b'-'
            } else {
                b.is_ascii_hexdigit()
            }
        });
    if !shape {
        return wrong("a UUID is 32 hexadecimal digits in groups of 8-4-4-4-12");
    }
    let nil_or_max = value.bytes().all(|b| matches!(b, b'0' | b'-'))
        || value.bytes().all(|b| matches!(b, b'f' | b'F' | b'-'));
    let (version, variant) = (
        value.as_bytes()[14],
        value.as_bytes()[19].to_ascii_lowercase(),
    );
    if !nil_or_max
        && (!(b'1'..=b'8').contains(&version) || !matches!(variant, b'8' | b'9' | b'a' | b'b'))
    {
        return wrong("the version or variant of the UUID is not known");
    }
    Ok(value.to_ascii_lowercase())
}

/// A regular expression that matches in linear time and always the whole text.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: regex::Regex,
    max_bytes: usize,
}

/// Compiles a pattern (syntax of the `regex` crate: no back references, no look-around); texts over `max_bytes` never match.
///
/// # Errors
/// [`Error::InvalidInput`] for a pattern that cannot be read, [`Error::LimitExceeded`] for one that is too large.
pub fn pattern(source: &str, max_bytes: usize) -> Result<Pattern> {
    bounded(source, 4096, "the pattern")?;
    let build = |text: &str| {
        regex::RegexBuilder::new(text)
            .size_limit(1 << 20)
            .dfa_size_limit(1 << 20)
            .build()
    };
    // The source has to be a pattern by itself: `a)|(b` is not.
    build(source).map_err(|e| match e {
        regex::Error::CompiledTooBig(_) => Error::LimitExceeded("the pattern is too large".into()),
        _ => Error::InvalidInput("the pattern cannot be read".into()),
    })?;
    // A group of its own; the line break ends a comment, if the source turned on verbose mode, where it means nothing.
    let regex =
        build(&format!("\\A(?:{source})\\z")).or_else(|_| build(&format!("\\A(?:{source}\n)\\z")));
    let regex = regex.map_err(|_| Error::InvalidInput("the pattern cannot be read".into()))?;
    Ok(Pattern { regex, max_bytes })
}

impl Pattern {
    /// True when the whole of `text` matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        text.len() <= self.max_bytes && self.regex.is_match(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: TextRules = TextRules {
        min: 1,
        max: 50,
        multiline: false,
        one_script_per_word: true,
        compatibility: false,
    };

    #[test]
    fn names() {
        assert_eq!(
            user_name("Ada.Lovelace", 3, 30, true).unwrap(),
            "ada.lovelace"
        );
        assert_eq!(user_name("Ｊürgen", 3, 30, false).unwrap(), "jürgen");
        for bad in [
            "",
            "ab",
            ".abc",
            "abc.",
            "a..bc",
            "a b c",
            "admin\u{200b}",
            "аdmin",
            "root\0",
            "<abc>",
            "abc\n",
        ] {
            assert!(user_name(bad, 3, 30, false).is_err(), "{bad:?}");
        }
        assert!(user_name("jürgen", 3, 30, true).is_err());
        assert_eq!(confusable_skeleton("pаypаl"), confusable_skeleton("paypal"));
        assert!(
            slug("a-b-1", 9).is_ok()
                && slug("a--b", 9).is_err()
                && slug("-a", 9).is_err()
                && slug("A", 9).is_err()
                && slug("", 9).is_err()
        );
    }

    #[test]
    fn texts() {
        assert_eq!(plain_text("e\u{301}a", &RULES).unwrap(), "éa");
        assert!(plain_text("日本語 and English", &RULES).is_ok());
        for bad in [
            "",
            "a\nb",
            "a\u{202e}b",
            "a\u{200b}b",
            "p\u{430}ypal",
            "a\0",
            "a\u{1b}[31m",
            &"x".repeat(51),
            "z\u{300}\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}",
        ] {
            assert!(plain_text(bad, &RULES).is_err(), "{bad:?}");
        }
        assert_eq!(
            plain_text(
                "a\r\nb",
                &TextRules {
                    multiline: true,
                    ..RULES
                }
            )
            .unwrap(),
            "a\nb"
        );
        let compatible = TextRules {
            compatibility: true,
            ..RULES
        };
        assert_eq!(plain_text("ﬁ ① Ｋ", &compatible).unwrap(), "fi 1 K");
        assert_eq!(plain_text("ﬁ ①", &RULES).unwrap(), "ﬁ ①");
        // Lengths count after the expansion, of which this character has the largest.
        assert!(plain_text(&"\u{fdfa}".repeat(3), &compatible).is_err());
    }

    #[test]
    fn uuids_and_patterns() {
        assert!(uuid("00000000-0000-0000-0000-000000000000").is_ok());
        assert_eq!(
            uuid("6BA7B810-9DAD-11D1-80B4-00C04FD430C8").unwrap(),
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
        );
        for bad in [
            "",
            "6ba7b8109dad11d180b400c04fd430c8",
            "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
            "6ba7b810-9dad-f1d1-80b4-00c04fd430c8",
            "6ba7b810-9dad-11d1-c0b4-00c04fd430c8",
        ] {
            assert!(uuid(bad).is_err(), "{bad}");
        }
        let p = pattern("[a-z]+|x", 10).unwrap();
        assert!(
            p.matches("abc")
                && !p.matches("abc\n")
                && !p.matches("abc1")
                && !p.matches(&"a".repeat(11))
        );
        assert!(
            pattern("(a)|(b", 10).is_err()
                && pattern("a)|(b", 10).is_err()
                && pattern("(?=a)", 10).is_err()
                && pattern("(a{1000}){1000}", 10).is_err()
        );
        let slow = pattern("(a|a)*b", 1 << 20).unwrap();
        let start = std::time::Instant::now();
        assert!(!slow.matches(&"a".repeat(1 << 19)));
        assert!(start.elapsed().as_secs() < 120);
    }

    proptest! {
        #[test]
        fn any_text(value in any::<String>()) {
            if let Ok(name) = user_name(&value, 1, 60, false) {
                prop_assert_eq!(user_name(&name, 1, 60, false).unwrap(), name);
            }
            if let Ok(text) = plain_text(&value, &RULES) {
                prop_assert_eq!(plain_text(&text, &RULES).unwrap(), text);
            }
            let _ = (slug(&value, 100), uuid(&value), pattern(&value, 100), confusable_skeleton(&value));
        }
    }
}
