//! Lists of passwords known from breaches, without sending the password anywhere.
//!
//! ASVS 5.0: v5.0.0-6.2.4, v5.0.0-6.2.12. CWE-521.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest;
use zeroize::Zeroizing;

use crate::encoding::hex;
use crate::{Error, Result};

/// Longest line of a list.
const MAX_LINE: u64 = 256;
/// Lines whose order is checked when a file is opened.
const ORDER_SAMPLE: u64 = 64;
/// Longest range file: ranges have some forty kilobytes.
const MAX_RANGE: u64 = 16 << 20;

/// The SHA-1 of a password in capital hexadecimal, as the lists are keyed. Only for the look-up.
#[must_use]
pub fn sha1_hex(password: &str) -> Zeroizing<String> {
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    let mut text = Zeroizing::new(hex(hash.as_ref()));
    text.make_ascii_uppercase();
    text
}

/// The count for a hash suffix in the lines of a k-anonymity range (`SUFFIX[:COUNT]`), zero when it is not there.
///
/// # Errors
/// [`Error::InvalidInput`] for text that is no such range: an error page, or hashes of another kind, is no clean bill.
pub fn range_count(range: &str, suffix: &str) -> Result<u64> {
    let malformed = || Error::InvalidInput("not a range of breached hashes".into());
    let mut most = 0;
    for line in range.trim_start_matches('\u{feff}').lines() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let (found, count) = line.split_once(':').unwrap_or((line, "1"));
        if found.len() != suffix.len() || !found.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Err(malformed());
        }
        let count: u64 = count.trim().parse().map_err(|_| malformed())?;
        if found.eq_ignore_ascii_case(suffix) {
            most = count.max(most);
        }
    }
    Ok(most)
}

/// A local file of `SHA1[:COUNT]` lines sorted by hash, as Have I Been Pwned publishes them, read by binary search.
pub struct BreachFile {
    file: Mutex<File>,
    size: u64,
}

impl BreachFile {
    /// Opens the file.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::InvalidInput`] when the first line is no such line or the lines are not sorted by hash
    /// (a sample is looked at): in a file sorted by count, a search would find nothing.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        let line = read_line(&mut file, 0)?;
        if size > 0 && !is_hash_line(&line) {
            return Err(Error::InvalidInput(
                "the breach file has no lines of SHA-1 in hexadecimal and a count".into(),
            ));
        }
        let mut before = String::new();
        for part in 0..ORDER_SAMPLE {
            let start = line_start(&mut file, size * part / ORDER_SAMPLE, 0)?;
            let line = read_line(&mut file, start)?;
            if size > 0 && !is_hash_line(&line) {
                return Err(Error::InvalidInput("the breach file is malformed".into()));
            }
            let hash = line.get(..40).unwrap_or_default().to_ascii_uppercase();
            if hash < before {
                return Err(Error::InvalidInput(
                    "the breach file is not sorted by hash".into(),
                ));
            }
            before = hash;
        }
        Ok(Self {
            file: Mutex::new(file),
            size,
        })
    }

    /// How often the password occurs in breaches, zero when it does not.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::InvalidInput`] where the file is malformed.
    pub fn count(&self, password: &str) -> Result<u64> {
        let wanted = sha1_hex(password);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // Invariant: a line with the hash, if there is one, starts in [low, high).
        let (mut low, mut high) = (0, self.size);
        while low < high {
            let middle = low + (high - low) / 2;
            let start = line_start(&mut file, middle, low)?;
            let line = read_line(&mut file, start)?;
            if !is_hash_line(&line) {
                return Err(Error::InvalidInput("the breach file is malformed".into()));
            }
            match line[..40].to_ascii_uppercase().cmp(&wanted) {
                std::cmp::Ordering::Equal => return range_count(&line, &wanted),
                std::cmp::Ordering::Less => low = start + line.len() as u64,
                std::cmp::Ordering::Greater => high = start,
            }
        }
        Ok(0)
    }
}

fn is_hash_line(line: &str) -> bool {
    line.len() >= 40
        && line.is_char_boundary(40)
        && line.as_bytes()[..40].iter().all(u8::is_ascii_hexdigit)
}

/// The line that starts at `at`, with its end.
fn read_line(file: &mut File, at: u64) -> Result<String> {
    file.seek(SeekFrom::Start(at))?;
    let mut line = Vec::new();
    BufReader::with_capacity(MAX_LINE as usize, &mut *file)
        .take(MAX_LINE)
        .read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// Where the line that holds byte `at` begins; lines begin at `low` or later.
fn line_start(file: &mut File, at: u64, low: u64) -> Result<u64> {
    let from = at.saturating_sub(MAX_LINE).max(low);
    let mut before = vec![0; (at - from) as usize];
    file.seek(SeekFrom::Start(from))?;
    file.read_exact(&mut before)?;
    Ok(before
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(from, |i| from + i as u64 + 1))
}

/// A folder of k-anonymity range files named by the first five digits of the hash (with or without `.txt`).
pub struct BreachRanges {
    folder: PathBuf,
}

impl BreachRanges {
    /// Uses a folder.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when there is none.
    pub fn open(folder: &Path) -> Result<Self> {
        if folder.is_dir() {
            return Ok(Self {
                folder: folder.to_owned(),
            });
        }
        Err(Error::InvalidInput(
            "the folder of range files does not exist".into(),
        ))
    }

    /// How often the password occurs in breaches, zero when it does not.
    ///
    /// # Errors
    /// [`Error::Io`] when the range file cannot be read, [`Error::InvalidInput`] when it is empty or malformed: a missing
    /// range is no clean bill.
    pub fn count(&self, password: &str) -> Result<u64> {
        let hash = sha1_hex(password);
        let (prefix, suffix) = hash.split_at(5);
        let plain = self.folder.join(prefix);
        let path = if plain.exists() {
            plain
        } else {
            self.folder.join(format!("{prefix}.txt"))
        };
        let mut text = String::new();
        File::open(path)?
            .take(MAX_RANGE + 1)
            .read_to_string(&mut text)?;
        if text.trim().is_empty() || text.len() as u64 > MAX_RANGE {
            return Err(Error::InvalidInput("not a range of breached hashes".into()));
        }
        range_count(&text, suffix)
    }
}

/// A list of common passwords in the clear, one a line, held as short hashes in memory.
pub struct CommonPasswords {
    hashes: HashSet<[u8; 8]>,
}

impl CommonPasswords {
    /// Reads a list of up to 64 MiB. Passwords are compared without regard to case.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::InvalidInput`] for a larger file.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.len() > 64 << 20 {
            return Err(Error::InvalidInput(
                "the list is over 64 MiB: use a breach file".into(),
            ));
        }
        let mut hashes = HashSet::new();
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\r', '\n']);
            if !text.is_empty() {
                hashes.insert(Self::key(text));
            }
        }
        Ok(Self { hashes })
    }

    fn key(password: &str) -> [u8; 8] {
        let hash = digest::digest(&digest::SHA256, password.to_lowercase().as_bytes());
        let mut key = [0; 8];
        key.copy_from_slice(&hash.as_ref()[..8]);
        key
    }

    /// Whether the list has the password.
    #[must_use]
    pub fn contains(&self, password: &str) -> bool {
        self.hashes.contains(&Self::key(password))
    }

    /// How many passwords the list has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breach_text(n: usize, end: &str) -> String {
        let mut lines: Vec<String> = (0..n)
            .map(|i| format!("{}:{}", *sha1_hex(&format!("pw{i}")), i + 1))
            .collect();
        lines.sort();
        lines.iter().map(|l| format!("{l}{end}")).collect()
    }

    #[test]
    fn binary_search_finds_every_line() {
        let folder = tempfile::tempdir().unwrap();
        for (n, end) in [
            (0, "\n"),
            (1, "\n"),
            (2, "\r\n"),
            (1000, "\n"),
            (777, "\r\n"),
        ] {
            let path = folder.path().join("list");
            std::fs::write(&path, breach_text(n, end).trim_end()).unwrap();
            let list = BreachFile::open(&path).unwrap();
            for i in 0..n {
                assert_eq!(
                    list.count(&format!("pw{i}")).unwrap(),
                    i as u64 + 1,
                    "{i} of {n}"
                );
            }
            for i in 0..200 {
                assert_eq!(list.count(&format!("other{i}")).unwrap(), 0);
            }
        }
        std::fs::write(folder.path().join("bad"), "password\n123456\n").unwrap();
        assert!(BreachFile::open(&folder.path().join("bad")).is_err());
    }

    #[test]
    fn ranges_and_words() {
        let folder = tempfile::tempdir().unwrap();
        let hash: Zeroizing<String> = sha1_hex("password");
        assert_eq!(*hash, "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8");
        std::fs::write(
            folder.path().join("5BAA6.txt"),
            format!("{}:3\r\n{}:10\r\n", "0".repeat(35), &hash[5..]),
        )
        .unwrap();
        let ranges = BreachRanges::open(folder.path()).unwrap();
        assert_eq!(ranges.count("password").unwrap(), 10);
        assert!(
            ranges.count("other").is_err(),
            "a missing range is not a clean bill"
        );
        let words = folder.path().join("words");
        std::fs::write(&words, b"123456\r\nQwerty\n\n\xff\xfe\n").unwrap();
        let words = CommonPasswords::open(&words).unwrap();
        assert!(
            words.contains("qWERTY")
                && words.contains("123456")
                && !words.contains("")
                && words.len() == 3
        );
    }

    proptest::proptest! {
        #[test]
        fn any_range_text(text in "\\PC{0,200}") {
            let _ = range_count(&text, "ABC");
        }
    }
}
