//! Random passwords with a stated entropy.

use zeroize::Zeroizing;

use crate::{Error, Result, random};

/// Letters and digits without those that look alike, in three classes, and symbols that survive copying.
const CLASSES: [&str; 4] = [
    "abcdefghijkmnopqrstuvwxyz",
    "ABCDEFGHJKLMNPQRSTUVWXYZ",
    "23456789",
    "!#$%&*+-=?@^_",
];

/// A password and its entropy in bits.
pub struct Generated {
    /// The password.
    pub password: Zeroizing<String>,
    /// Base-2 logarithm of how many passwords were equally likely.
    pub entropy_bits: f64,
}

/// A password of `length` characters with at least one of each class (lower case, upper case, digits, symbols when
/// asked for), every such password equally likely.
///
/// # Errors
/// [`Error::InvalidInput`] below 8 or above 1024 characters.
pub fn characters(length: usize, symbols: bool) -> Result<Generated> {
    if !(8..=1024).contains(&length) {
        return Err(Error::InvalidInput(
            "a generated password has 8 to 1024 characters".into(),
        ));
    }
    let classes = if symbols { &CLASSES[..] } else { &CLASSES[..3] };
    let alphabet: String = classes.concat();
    let password = loop {
        // Drawing again until each class is there keeps the choice uniform.
        let candidate = Zeroizing::new(random::string(length, &alphabet)?);
        if classes
            .iter()
            .all(|class| candidate.chars().any(|c| class.contains(c)))
        {
            break candidate;
        }
    };
    // Inclusion and exclusion over the classes that could be missing, relative to all strings.
    let total = alphabet.len() as f64;
    let mut accepted = 0.0;
    for missing in 0..1u32 << classes.len() {
        let left: usize = (0..classes.len())
            .filter(|i| missing >> i & 1 == 0)
            .map(|i| classes[i].len())
            .sum();
        let sign = if missing.count_ones() % 2 == 0 {
            1.0
        } else {
            -1.0
        };
        accepted += sign * (left as f64 / total).powf(length as f64);
    }
    Ok(Generated {
        password,
        entropy_bits: length as f64 * total.log2() + accepted.log2(),
    })
}

/// What a passphrase is made of.
#[derive(Debug, Clone)]
pub struct Passphrase {
    /// How many words, 4 to 64; each adds 11 bits.
    pub words: usize,
    /// Between the words.
    pub separator: String,
    /// Words begin with a capital letter (for rules that ask for one; adds no entropy).
    pub capitalize: bool,
}

/// A passphrase of English words from the list of BIP 39 (2048 words that differ in their first four letters).
///
/// # Errors
/// [`Error::InvalidInput`] for a number of words outside 4 to 64 or a separator over 8 bytes.
pub fn passphrase(options: &Passphrase) -> Result<Generated> {
    if !(4..=64).contains(&options.words) || options.separator.len() > 8 {
        return Err(Error::InvalidInput(
            "a passphrase has 4 to 64 words and a separator of up to 8 bytes".into(),
        ));
    }
    let list = bip0039::English::words();
    let mut password = Zeroizing::new(String::with_capacity(options.words * 16));
    for i in 0..options.words {
        if i > 0 {
            password.push_str(&options.separator);
        }
        let word = list[random::below(list.len() as u32)? as usize];
        if options.capitalize {
            password.push(word.as_bytes()[0].to_ascii_uppercase() as char);
            password.push_str(&word[1..]);
        } else {
            password.push_str(word);
        }
    }
    Ok(Generated {
        password,
        entropy_bits: options.words as f64 * (list.len() as f64).log2(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_and_entropy() {
        for symbols in [false, true] {
            let g = characters(8, symbols).unwrap();
            assert_eq!(g.password.chars().count(), 8);
            let classes = if symbols { &CLASSES[..] } else { &CLASSES[..3] };
            assert!(
                classes
                    .iter()
                    .all(|c| g.password.chars().any(|x| c.contains(x)))
            );
            let upper = 8.0 * f64::from(classes.concat().len() as u32).log2();
            assert!(
                g.entropy_bits < upper && g.entropy_bits > upper - 2.5,
                "{}",
                g.entropy_bits
            );
        }
        assert!(characters(7, true).is_err());
        let g = passphrase(&Passphrase {
            words: 7,
            separator: "-".into(),
            capitalize: true,
        })
        .unwrap();
        assert_eq!(g.password.split('-').count(), 7);
        assert!((g.entropy_bits - 77.0).abs() < 1e-9);
    }
}
