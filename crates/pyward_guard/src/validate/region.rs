//! Countries, locales, phone numbers, colours.

use super::{bounded, wrong};
use crate::Result;

/// ISO 3166-1 alpha-2 codes in use.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ \
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH \
GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB \
LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM \
PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG \
TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// A country by its ISO 3166-1 alpha-2 code, in capitals.
///
/// # Errors
/// [`Error::InvalidInput`](crate::Error::InvalidInput) for any other text.
pub fn country(value: &str) -> Result<String> {
    let upper = value.to_ascii_uppercase();
    if upper.len() == 2 && COUNTRIES.split(' ').any(|code| code == upper) {
        Ok(upper)
    } else {
        wrong("not an ISO 3166-1 country code")
    }
}

/// A locale as a BCP 47 tag of language, script and region (`de`, `zh-Hant-TW`, `es-419`), in canonical case; an
/// underscore is taken for a dash. Variants, extensions and private use are refused.
///
/// # Errors
/// [`Error::InvalidInput`](crate::Error::InvalidInput) for any other text.
pub fn locale(value: &str) -> Result<String> {
    bounded(value, 35, "the locale")?;
    let alphabetic = |part: &str| part.bytes().all(|b| b.is_ascii_alphabetic());
    let mut parts = value.split(['-', '_']);
    let language = parts.next().unwrap_or("");
    if !(2..=3).contains(&language.len()) || !alphabetic(language) {
        return wrong("a locale starts with a language of 2 or 3 letters");
    }
    let mut out = language.to_ascii_lowercase();
    let mut next = parts.next();
    if let Some(script) = next
        && script.len() == 4
        && alphabetic(script)
    {
        out.push('-');
        out.push_str(&script[..1].to_ascii_uppercase());
        out.push_str(&script[1..].to_ascii_lowercase());
        next = parts.next();
    }
    if let Some(region) = next {
        out.push('-');
        if region.len() == 3 && region.bytes().all(|b| b.is_ascii_digit()) {
            out.push_str(region);
        } else {
            out.push_str(
                &country(region).or_else(|_| wrong("the region of the locale is not known"))?,
            );
        }
        next = parts.next();
    }
    if next.is_some() {
        return wrong("a locale has a language, a script and a region only");
    }
    Ok(out)
}

/// Country codes of E.164 that are assigned (ITU-T list of assigned country codes).
fn calling_code(digits: &str) -> bool {
    const TWO: &str = "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98";
    let starts = |n: usize| digits.get(..n).unwrap_or("");
    if matches!(starts(1), "1" | "7") || TWO.split(' ').any(|code| code == starts(2)) {
        return true;
    }
    let three: u16 = starts(3).parse().unwrap_or(0);
    matches!(three,
        211..=213 | 216 | 218 | 220..=258 | 260..=269 | 290 | 291 | 297..=299 | 350..=359 | 370..=383 | 385..=387 | 389 | 420 | 421 | 423
        | 500..=509 | 590..=599 | 670 | 672..=683 | 685..=692 | 800 | 808 | 850 | 852 | 853 | 855 | 856 | 870 | 878 | 880..=883 | 886 | 888
        | 960..=968 | 970..=977 | 979 | 992..=996 | 998)
}

/// A phone number in E.164 form (`+4930123456`). The number has to be international; spaces, dashes, dots and
/// parentheses between digits are dropped, and `00` may stand for `+`. Whether it is in service is not known.
///
/// # Errors
/// [`Error::InvalidInput`](crate::Error::InvalidInput) for any other text.
pub fn phone(value: &str) -> Result<String> {
    bounded(value, 40, "the phone number")?;
    let compact: String = value
        .chars()
        .filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')'))
        .collect();
    let Some(digits) = compact
        .strip_prefix('+')
        .or_else(|| compact.strip_prefix("00"))
    else {
        return wrong("a phone number starts with + and the country code");
    };
    if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return wrong("a phone number has 7 to 15 digits");
    }
    if !calling_code(digits) {
        return wrong("the country code of the phone number is not assigned");
    }
    Ok(format!("+{digits}"))
}

/// A colour as `#rrggbb` or `#rrggbbaa` in lower case; taken are those and their short forms, with the `#`.
///
/// # Errors
/// [`Error::InvalidInput`](crate::Error::InvalidInput) for any other text.
pub fn colour(value: &str) -> Result<String> {
    let hex = value.strip_prefix('#').unwrap_or("");
    if !matches!(hex.len(), 3 | 4 | 6 | 8) || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return wrong("a colour is # and 3, 4, 6 or 8 hexadecimal digits");
    }
    let long: String = if hex.len() < 6 {
        hex.chars().flat_map(|c| [c, c]).collect()
    } else {
        hex.to_owned()
    };
    Ok(format!("#{}", long.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn regions() {
        assert_eq!(COUNTRIES.split(' ').filter(|c| c.len() == 2).count(), 249);
        assert_eq!(country("de").unwrap(), "DE");
        assert_eq!(locale("ZH_hant_tw").unwrap(), "zh-Hant-TW");
        assert_eq!(locale("es-419").unwrap(), "es-419");
        assert_eq!(phone("+49 (30) 123-456").unwrap(), "+4930123456");
        assert_eq!(phone("0044 20 7946 0000").unwrap(), "+442079460000");
        assert_eq!(colour("#Fa0").unwrap(), "#ffaa00");
        for (check, bad) in [
            (
                country as fn(&str) -> Result<String>,
                vec!["", "XX", "UK", "D", "DEU", "d\u{0}"],
            ),
            (
                locale,
                vec![
                    "",
                    "d",
                    "de-XX",
                    "de-DE-x",
                    "de-",
                    "english",
                    "de--DE",
                    "de-ABCD-DE-1901",
                ],
            ),
            (
                phone,
                vec![
                    "",
                    "030123456",
                    "+",
                    "+0123456789",
                    "+49",
                    "+4930123456789012345",
                    "+49x30",
                    "+2101234567",
                    "++4930123456",
                ],
            ),
            (
                colour,
                vec!["", "red", "#12", "#12345", "#gggggg", "123456", "#１２３"],
            ),
        ] {
            for value in bad {
                assert!(check(value).is_err(), "{value:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_text(value in "\\PC{0,30}|[a-zA-Z0-9_+#-]{0,20}") {
            for check in [country, locale, phone, colour] {
                if let Ok(canonical) = check(&value) {
                    prop_assert_eq!(check(&canonical).unwrap(), canonical);
                }
            }
        }
    }
}
