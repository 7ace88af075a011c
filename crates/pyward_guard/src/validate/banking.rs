//! Card numbers (ISO/IEC 7812) and IBANs (ISO 13616).

use super::{bounded, wrong};
use crate::Result;

/// Card network by number range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardNetwork {
    /// Visa.
    Visa,
    /// Mastercard.
    Mastercard,
    /// American Express.
    AmericanExpress,
    /// Discover.
    Discover,
    /// Diners Club.
    DinersClub,
    /// JCB.
    Jcb,
    /// China UnionPay.
    UnionPay,
    /// Maestro.
    Maestro,
    /// Mir.
    Mir,
    /// `RuPay`.
    RuPay,
    /// Troy.
    Troy,
}

/// True when the check digit fits (Luhn, ISO/IEC 7812-1 annex B). `digits` are ASCII digits.
pub(crate) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, d)| {
            let value = u32::from(d - b'0');
            if index % 2 == 0 {
                value
            } else if value > 4 {
                value * 2 - 9
            } else {
                value * 2
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The digits of a payment card number and its network; spaces and dashes between digits are dropped.
///
/// # Errors
/// [`Error::InvalidInput`](crate::Error::InvalidInput) for any other text.
pub fn card_number(value: &str) -> Result<(String, CardNetwork)> {
    bounded(value, 40, "the card number")?;
    let digits: String = value.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    if !(12..=19).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return wrong("a card number has 12 to 19 digits");
    }
    if !luhn(digits.as_bytes()) {
        return wrong("the check digit of the card number does not fit");
    }
    let prefix = |n: usize| digits[..n].parse::<u32>().unwrap_or(0);
    let (two, three, four, six) = (prefix(2), prefix(3), prefix(4), prefix(6));
    let length = digits.len();
    let network = match () {
        () if digits.starts_with('4') && matches!(length, 13 | 16 | 19) => CardNetwork::Visa,
        () if ((51..=55).contains(&two) || (2221..=2720).contains(&four)) && length == 16 => {
            CardNetwork::Mastercard
        }
        () if matches!(two, 34 | 37) && length == 15 => CardNetwork::AmericanExpress,
        () if (four == 6011 || (644..=649).contains(&three) || two == 65) && length >= 16 => {
            CardNetwork::Discover
        }
        () if ((300..=305).contains(&three) || matches!(two, 36 | 38 | 39)) && length >= 14 => {
            CardNetwork::DinersClub
        }
        () if (3528..=3589).contains(&four) && length >= 16 => CardNetwork::Jcb,
        () if (two == 62 || (8100..=8171).contains(&four)) && length >= 16 => CardNetwork::UnionPay,
        () if (2200..=2204).contains(&four) && length >= 16 => CardNetwork::Mir,
        () if matches!(two, 60 | 81 | 82) && length == 16 => CardNetwork::RuPay,
        () if four == 9792 && length == 16 => CardNetwork::Troy,
        () if (matches!(two, 50 | 67 | 63) || (56..=58).contains(&two) || six == 639_000) => {
            CardNetwork::Maestro
        }
        () => return wrong("the card number is in no known network's range"),
    };
    Ok((digits, network))
}

/// Lengths of the IBANs of each country (SWIFT IBAN registry).
const IBAN_LENGTHS: &[(&str, usize)] = &[
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BI", 27),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FK", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HN", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MN", 20),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NI", 28),
    ("NL", 18),
    ("NO", 15),
    ("OM", 23),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("RU", 33),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("SO", 23),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
    ("YE", 30),
];

/// An IBAN without spaces, in capitals, with its country's length and fitting check digits (ISO 7064 MOD 97-10).
///
/// # Errors
/// [`Error::InvalidInput`](crate::Error::InvalidInput) for any other text.
pub fn iban(value: &str) -> Result<String> {
    bounded(value, 64, "the IBAN")?;
    let compact: String = value
        .chars()
        .filter(|c| *c != ' ')
        .map(|c| c.to_ascii_uppercase())
        .collect();
    if compact.len() < 5
        || !compact
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    {
        return wrong("an IBAN has letters and digits");
    }
    let length = IBAN_LENGTHS
        .iter()
        .find(|(country, _)| *country == &compact[..2])
        .map(|(_, length)| *length);
    if length != Some(compact.len()) || !compact[2..4].bytes().all(|b| b.is_ascii_digit()) {
        return wrong("the country or the length of the IBAN is not known");
    }
    let remainder = compact[4..]
        .bytes()
        .chain(compact[..4].bytes())
        .fold(0_u32, |rest, b| {
            if b.is_ascii_digit() {
                (rest * 10 + u32::from(b - b'0')) % 97
            } else {
                (rest * 100 + u32::from(b - b'A') + 10) % 97
            }
        });
    if remainder != 1 || matches!(&compact[2..4], "00" | "01" | "99") {
        return wrong("the check digits of the IBAN do not fit");
    }
    Ok(compact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cards() {
        for (number, network) in [
            ("4111 1111 1111 1111", CardNetwork::Visa),
            ("5555-5555-5555-4444", CardNetwork::Mastercard),
            ("2223003122003222", CardNetwork::Mastercard),
            ("378282246310005", CardNetwork::AmericanExpress),
            ("6011111111111117", CardNetwork::Discover),
            ("30569309025904", CardNetwork::DinersClub),
            ("3530111333300000", CardNetwork::Jcb),
        ] {
            assert_eq!(card_number(number).unwrap().1, network, "{number}");
        }
        for bad in [
            "4111111111111112",
            "",
            "4111",
            "4111x111",
            "٤١١١١١١١١١١١١١١١",
            "0000000000000000",
            "41111111111111111111111",
        ] {
            assert!(card_number(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ibans() {
        for good in [
            "DE89 3704 0044 0532 0130 00",
            "gb82west12345698765432",
            "FR1420041010050500013M02606",
            "NO9386011117947",
        ] {
            assert!(iban(good).is_ok(), "{good}");
        }
        for bad in [
            "DE89370400440532013001",
            "DE8937040044053201300",
            "XX89370400440532013000",
            "DE",
            "",
            "DE8\u{664}",
        ] {
            assert!(iban(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text(value in "\\PC{0,40}|[0-9A-Z -]{0,40}") {
            let _ = card_number(&value);
            let _ = iban(&value);
        }

        #[test]
        fn one_wrong_digit_is_noticed(at in 0_usize..16, by in 1_u8..10) {
            let mut digits = *b"4111111111111111";
            digits[at] = b'0' + (digits[at] - b'0' + by) % 10;
            prop_assert!(!luhn(&digits));
        }
    }
}
