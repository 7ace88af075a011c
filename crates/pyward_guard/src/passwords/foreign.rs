//! Less common texts of the functions that the kit knows: LDAP's and GRUB's PBKDF2, Atlassian's, `$p5k2$`, scrypt's `$7$`.
//!
//! Each as passlib writes it.

use super::formats::{Stored, decode_ab64, decode_salt, malformed, number, prf};
use super::kdf::Prf;
use crate::encoding::{b64_decode, hex_decode};
use crate::{Error, Result};

/// The alphabet of crypt(3), six bits a character, least significant first.
const H64: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn h64(text: &str) -> Option<Vec<u32>> {
    text.bytes()
        .map(|c| H64.iter().position(|known| *known == c).map(|n| n as u32))
        .collect()
}

fn h64_number(text: &str) -> Option<u32> {
    h64(text)?
        .iter()
        .rev()
        .try_fold(0u32, |sum, digit| sum.checked_mul(64)?.checked_add(*digit))
}

fn h64_bytes(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for group in h64(text)?.chunks(4) {
        let bits = group.iter().rev().fold(0u32, |sum, digit| sum << 6 | digit);
        out.extend(&bits.to_le_bytes()[..group.len() * 6 / 8]);
    }
    Some(out)
}

/// `{NAME}...` and `grub.pbkdf2...`.
pub(super) fn parse<'a>(text: &'a str) -> Result<Stored<'a>> {
    if let Some(rest) = text.strip_prefix("{PKCS5S2}") {
        let bytes = b64_decode(rest)
            .filter(|b| b.len() == 48)
            .ok_or_else(malformed)?;
        return pbkdf2("sha1", 10_000, bytes[..16].to_vec(), bytes[16..].to_vec());
    }
    if let Some(rest) = text.strip_prefix("grub.pbkdf2.sha512.") {
        let [rounds, salt, hash] = rest.split('.').collect::<Vec<_>>()[..] else {
            return Err(malformed());
        };
        let bytes = |hex: &str| hex_decode(hex).ok_or_else(malformed);
        return pbkdf2("sha512", number(rounds)?, bytes(salt)?, bytes(hash)?);
    }
    let (name, rest) = text
        .strip_prefix("{PBKDF2")
        .and_then(|rest| rest.split_once('}'))
        .ok_or_else(malformed)?;
    let [rounds, salt, hash] = rest.split('$').collect::<Vec<_>>()[..] else {
        return Err(malformed());
    };
    let name = match name {
        "" => "sha1",
        "-SHA256" => "sha256",
        "-SHA512" => "sha512",
        _ => return Err(malformed()),
    };
    pbkdf2(
        name,
        number(rounds)?,
        decode_salt(salt)?,
        decode_ab64(hash)?,
    )
}

/// `$p5k2$...` and `$7$...`, split at the dollar signs.
pub(super) fn parse_crypt<'a>(text: &'a str, fields: &[&'a str]) -> Result<Stored<'a>> {
    match *fields {
        ["p5k2", rounds, salt, hash] => {
            let rounds = match rounds {
                "" => 400,
                _ if rounds.bytes().all(|c| c.is_ascii_hexdigit()) => {
                    u32::from_str_radix(rounds, 16).map_err(|_| malformed())?
                }
                _ => return Err(malformed()),
            };
            if hash.len() == 28 {
                let url = |text: &str| b64_decode(&text.replace('-', "+").replace('_', "/"));
                let (salt, hash) = url(salt).zip(url(hash)).ok_or_else(malformed)?;
                return pbkdf2("sha1", rounds, salt, hash);
            }
            // Litzenberger's: all of the text up to the hash is the salt.
            let head = &text[..text.len() - hash.len() - 1];
            pbkdf2("sha1", rounds, head.as_bytes().to_vec(), decode_ab64(hash)?)
        }
        ["7", head, hash] if head.is_ascii() && head.len() >= 11 => {
            let cost = |text| h64_number(text).ok_or_else(malformed);
            Ok(Stored::Scrypt {
                log_n: u8::try_from(cost(&head[..1])?).map_err(|_| malformed())?,
                r: cost(&head[1..6])?,
                p: cost(&head[6..11])?,
                salt: head.as_bytes()[11..].to_vec(),
                hash: h64_bytes(hash).ok_or_else(malformed)?,
                phc: false,
            })
        }
        _ => Err(malformed()),
    }
}

fn pbkdf2<'a>(name: &str, rounds: u32, salt: Vec<u8>, hash: Vec<u8>) -> Result<Stored<'a>> {
    let prf: Prf = prf(name)?;
    Ok(Stored::Pbkdf2 {
        prf,
        rounds: rounds
            .try_into()
            .map_err(|_: std::num::TryFromIntError| -> Error { malformed() })?,
        salt,
        hash,
    })
}
