//! Bounded extraction of zip and tar archives (plain, gzip, bzip2, xz).
//!
//! Every byte is written through a [`Directory`], so that a name in an archive cannot leave the target
//! whatever it says; the whole archive appears at once under its final name, or not at all.

use std::cell::Cell;
use std::collections::HashSet;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::rc::Rc;

use unicode_normalization::UnicodeNormalization;

use super::directory::{Directory, Mode};
use super::names::{check_relative, random_name};
use crate::{Error, Result};

/// What to do with links in an archive; they are never made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Links {
    /// A link is an error.
    #[default]
    Refuse,
    /// Links are left out and counted.
    Skip,
}

/// Bounds of an extraction. Devices, pipes and sockets are always an error.
#[derive(Debug, Clone)]
pub struct ArchiveLimits {
    /// Size of the archive itself, bytes.
    pub max_archive_bytes: u64,
    /// Files and directories together, also directories that only the files' paths name.
    pub max_entries: u64,
    /// Size of one file, bytes.
    pub max_file_bytes: u64,
    /// Size of all files, bytes.
    pub max_total_bytes: u64,
    /// Total size of the files over the archive's size; checked beyond 1 MiB.
    pub max_ratio: u64,
    /// Components of a path.
    pub max_depth: usize,
    /// What to do with links.
    pub links: Links,
    /// Mode bits of files made.
    pub file_permissions: u32,
    /// Mode bits of directories made.
    pub directory_permissions: u32,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self {
            max_archive_bytes: 256 << 20,
            max_entries: 10_000,
            max_file_bytes: 256 << 20,
            max_total_bytes: 1 << 30,
            max_ratio: 200,
            max_depth: 32,
            links: Links::Refuse,
            file_permissions: 0o600,
            directory_permissions: 0o700,
        }
    }
}

/// What an extraction made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtractReport {
    /// Format found by content: `zip`, `tar`, `tar.gz`, `tar.bz2`, `tar.xz`.
    pub format: String,
    /// Paths of the files relative to the destination, in archive order.
    pub files: Vec<String>,
    /// Number of directories named by the archive.
    pub directories: u64,
    /// Bytes of all files.
    pub total_bytes: u64,
    /// Links left out.
    pub skipped_links: u64,
}

const RATIO_FLOOR: u64 = 1 << 20;
/// Allowance for headers between two members of a tar stream (long names, pax records).
const TAR_METADATA: u64 = 1 << 20;
/// Bytes of headers that each entry may have on average, beyond [`TAR_METADATA`].
const HEADERS_PER_ENTRY: u64 = 4096;
/// Bytes of a zip's directory that each entry may have on average, beyond [`TAR_METADATA`]. The directory is read whole.
const DIRECTORY_PER_ENTRY: u64 = 512;
/// Memory an xz stream may ask for, KiB.
const XZ_MEMORY_KIB: u32 = 128 << 10;

/// Extracts an archive into the new directory `destination` beneath `base`.
///
/// The format is told by content. On any error nothing stays behind and `destination` does not exist.
///
/// # Errors
/// [`Error::LimitExceeded`] beyond `limits`; [`Error::Refused`] for an existing destination and for entries that are
/// links, devices, encrypted, named twice or named to lead outside; [`Error::InvalidInput`] for what is no archive or a
/// broken one; [`Error::Io`] when the system says no.
pub fn extract(
    mut archive: impl Read + Seek,
    base: &Directory,
    destination: &str,
    limits: &ArchiveLimits,
) -> Result<ExtractReport> {
    check_relative(destination)?;
    let size = archive.seek(SeekFrom::End(0))?;
    if size > limits.max_archive_bytes {
        return Err(Error::LimitExceeded(format!(
            "the archive is larger than {} bytes",
            limits.max_archive_bytes
        )));
    }
    archive.seek(SeekFrom::Start(0))?;
    if base.stat(destination)?.is_some() {
        return Err(Error::Refused("the destination exists".into()));
    }
    let parent = destination
        .trim_end_matches('/')
        .rsplit_once('/')
        .map_or("", |(parent, _)| parent);
    let staging = format!(".extract-{}", random_name(12)?);
    let staging = if parent.is_empty() {
        staging
    } else {
        format!("{parent}/{staging}")
    };
    base.create_directory(&staging, limits.directory_permissions)?;
    let outcome = (|| {
        let report = {
            let target = base.open_directory(&staging)?;
            let mut writer = Writer::new(&target, limits, size);
            writer.extract(archive)?;
            writer.report
        };
        base.rename(&staging, destination, false)?;
        Ok(report)
    })();
    if outcome.is_err() {
        // Why nothing was extracted is what the caller needs to know; what may be left has a name nobody knows.
        let _ = base.remove_directory(&staging, true);
    }
    outcome
}

struct Writer<'a> {
    target: &'a Directory,
    limits: &'a ArchiveLimits,
    budget: u64,
    entries: u64,
    /// Names of files and of directories, folded.
    seen: HashSet<String>,
    folders: HashSet<String>,
    made: HashSet<String>,
    report: ExtractReport,
}

fn broken(what: impl std::fmt::Display) -> Error {
    Error::InvalidInput(format!("the archive cannot be read: {what}"))
}

/// An I/O error of a decompressor is the archive's fault, unless one of our own bounds raised it.
fn read_error(error: std::io::Error) -> Error {
    match error.get_ref().and_then(|e| e.downcast_ref::<Bound>()) {
        Some(Bound(text)) => Error::LimitExceeded((*text).to_owned()),
        None if error.raw_os_error().is_some() => Error::Io(error),
        None => broken(error),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Bound(&'static str);

fn fold(path: &str) -> String {
    path.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

fn both() -> Error {
    Error::Refused("the archive has a file and a directory of one name".into())
}

impl<'a> Writer<'a> {
    fn new(target: &'a Directory, limits: &'a ArchiveLimits, size: u64) -> Self {
        let by_ratio = size.saturating_mul(limits.max_ratio).max(RATIO_FLOOR);
        Self {
            target,
            limits,
            budget: limits.max_total_bytes.min(by_ratio),
            entries: 0,
            seen: HashSet::new(),
            folders: HashSet::new(),
            made: HashSet::new(),
            report: ExtractReport::default(),
        }
    }

    fn extract(&mut self, mut archive: impl Read + Seek) -> Result<()> {
        let mut head = Vec::with_capacity(512);
        archive.by_ref().take(512).read_to_end(&mut head)?;
        archive.seek(SeekFrom::Start(0))?;
        let buffered = BufReader::with_capacity(64 << 10, archive);
        let (format, result) = if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
        {
            ("zip", self.zip(buffered))
        } else if head.starts_with(b"\x1f\x8b") {
            (
                "tar.gz",
                self.tar(flate2::bufread::MultiGzDecoder::new(buffered)),
            )
        } else if head.starts_with(b"BZh") {
            (
                "tar.bz2",
                self.tar(bzip2::bufread::MultiBzDecoder::new(buffered)),
            )
        } else if head.starts_with(b"\xfd7zXZ\0") {
            (
                "tar.xz",
                self.tar(lzma_rust2::XzReader::new_mem_limit(
                    buffered,
                    true,
                    XZ_MEMORY_KIB,
                )),
            )
        } else if head.get(257..262) == Some(b"ustar") {
            ("tar", self.tar(buffered))
        } else {
            return Err(Error::InvalidInput("not a zip or tar archive".into()));
        };
        self.report.format = format.to_owned();
        result
    }

    fn too_many(&self) -> Error {
        Error::LimitExceeded(format!("more than {} entries", self.limits.max_entries))
    }

    fn count(&mut self) -> Result<()> {
        self.entries += 1;
        if self.entries > self.limits.max_entries {
            return Err(self.too_many());
        }
        Ok(())
    }

    /// Checks the name of an entry and counts it. `None` for the root itself.
    fn admit(&mut self, raw: &[u8]) -> Result<Option<String>> {
        self.count()?;
        let name = std::str::from_utf8(raw)
            .map_err(|_| Error::Refused("a name in the archive is not UTF-8".into()))?;
        if name.chars().any(char::is_control) {
            return Err(Error::Refused(
                "a name in the archive has control characters".into(),
            ));
        }
        check_relative(name)?;
        let parts: Vec<&str> = name
            .split('/')
            .filter(|p| !p.is_empty() && *p != ".")
            .collect();
        if parts.is_empty() {
            return Ok(None);
        }
        if parts.len() > self.limits.max_depth {
            return Err(Error::LimitExceeded(format!(
                "a path deeper than {} levels",
                self.limits.max_depth
            )));
        }
        let path = parts.join("/");
        Ok(Some(path))
    }

    /// Two files of one name: scanners and readers may disagree on which one counts. Case and
    /// normalisation are ignored, as some file systems do.
    fn admit_file(&mut self, path: &str) -> Result<()> {
        let folded = fold(path);
        if self.folders.contains(&folded) {
            return Err(both());
        }
        if !self.seen.insert(folded) {
            return Err(Error::Refused("the archive has a name twice".into()));
        }
        Ok(())
    }

    fn admit_directory(&mut self, path: &str) -> Result<()> {
        let folded = fold(path);
        if self.seen.contains(&folded) {
            return Err(both());
        }
        self.folders.insert(folded);
        Ok(())
    }

    /// Makes a directory and those above it. `named`: the entry itself, which was counted already.
    fn directory(&mut self, path: &str, named: bool) -> Result<()> {
        self.report.directories += u64::from(named);
        if !self.made.insert(path.to_owned()) {
            return Ok(());
        }
        self.admit_directory(path)?;
        if !named {
            self.count()?;
        }
        for (at, _) in path.match_indices('/') {
            if self.made.insert(path[..at].to_owned()) {
                self.admit_directory(&path[..at])?;
                self.count()?;
            }
        }
        self.target
            .create_directories(path, self.limits.directory_permissions)
    }

    /// Writes one file from `source`, which has to end at the file's end.
    fn file(&mut self, path: String, source: &mut dyn Read) -> Result<()> {
        self.admit_file(&path)?;
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent, false)?;
        }
        let mut file =
            self.target
                .open_file(&path, Mode::CreateNew, self.limits.file_permissions)?;
        let allowed = self.limits.max_file_bytes.min(self.budget);
        let mut written = 0_u64;
        let mut buffer = vec![0_u8; 64 << 10];
        loop {
            let n = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(read_error(e)),
            };
            written += n as u64;
            if written > allowed {
                return Err(Error::LimitExceeded(
                    if written > self.limits.max_file_bytes {
                        format!("a file larger than {} bytes", self.limits.max_file_bytes)
                    } else {
                        "the files are too large in total, or for the archive's size".into()
                    },
                ));
            }
            file.write_all(&buffer[..n])?;
        }
        self.budget -= written;
        self.report.total_bytes += written;
        self.report.files.push(path);
        Ok(())
    }

    fn link(&mut self) -> Result<()> {
        match self.limits.links {
            Links::Refuse => Err(Error::Refused("the archive has a link".into())),
            Links::Skip => {
                self.report.skipped_links += 1;
                Ok(())
            }
        }
    }

    fn zip(&mut self, archive: impl Read + Seek) -> Result<()> {
        let directory = self.limits.max_entries.saturating_mul(DIRECTORY_PER_ENTRY);
        let allowance = Rc::new(Cell::new(TAR_METADATA.saturating_add(directory)));
        let metered = Metered {
            inner: archive,
            allowance: Rc::clone(&allowance),
            total: Rc::new(Cell::new(u64::MAX)),
        };
        let mut archive = zip::ZipArchive::new(metered).map_err(|error| match error {
            zip::result::ZipError::Io(error) => read_error(error),
            error => broken(error),
        })?;
        // From here on the bounds are on what comes out.
        allowance.set(u64::MAX);
        if archive.has_duplicate_names() {
            return Err(Error::Refused("the archive has a name twice".into()));
        }
        if archive.len() as u64 > self.limits.max_entries {
            return Err(self.too_many());
        }
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).map_err(broken)?;
            // The decoded name: CP437 and UTF-8 flags are the zip crate's business.
            let Some(path) = self.admit(entry.name().map_err(broken)?.as_bytes())? else {
                continue;
            };
            if entry.encrypted() {
                return Err(Error::Refused("the archive is encrypted".into()));
            }
            let kind = entry.unix_mode().unwrap_or(0) & 0o170_000;
            match kind {
                0o120_000 => self.link()?,
                0 | 0o100_000 | 0o040_000 => {
                    if entry.is_dir() {
                        self.directory(&path, true)?;
                    } else {
                        self.file(path, &mut entry)?;
                    }
                }
                _ => return Err(special()),
            }
        }
        Ok(())
    }

    fn tar(&mut self, stream: impl Read) -> Result<()> {
        let allowance = Rc::new(Cell::new(TAR_METADATA));
        let headers = self.limits.max_entries.saturating_mul(HEADERS_PER_ENTRY);
        let total = Rc::new(Cell::new(
            self.budget
                .saturating_add(headers)
                .saturating_add(TAR_METADATA),
        ));
        let mut archive = tar::Archive::new(Metered {
            inner: stream,
            allowance: Rc::clone(&allowance),
            total,
        });
        let mut entries = archive.entries().map_err(broken)?;
        loop {
            // The last member was read; headers, and what is skipped, have an allowance of their own.
            allowance.set(TAR_METADATA);
            let Some(entry) = entries.next() else { break };
            let mut entry = entry.map_err(read_error)?;
            if has_sparse_records(&mut entry)? {
                return Err(Error::Refused(
                    "the archive has a sparse file in the pax format".into(),
                ));
            }
            use tar::EntryType as T;
            let kind = entry.header().entry_type();
            match kind {
                T::XGlobalHeader => {
                    self.count()?;
                    continue;
                }
                T::Regular | T::Continuous | T::GNUSparse | T::Directory | T::Symlink | T::Link => {
                }
                _ => return Err(special()),
            }
            let raw = entry.path_bytes().into_owned();
            let Some(path) = self.admit(&raw)? else {
                continue;
            };
            match kind {
                T::Directory => {
                    self.directory(&path, true)?;
                }
                T::Symlink | T::Link => self.link()?,
                _ => {
                    let declared = entry.size();
                    if declared > self.limits.max_file_bytes {
                        return Err(Error::LimitExceeded(format!(
                            "a file larger than {} bytes",
                            self.limits.max_file_bytes
                        )));
                    }
                    allowance.set(declared.saturating_add(TAR_METADATA));
                    self.file(path, &mut entry)?;
                }
            }
        }
        Ok(())
    }
}

/// Whether pax records say that an entry is a sparse file: its data are then a map and the parts between the holes, under a
/// name made up, which the tar crate gives out as if they were the file (CWE-436).
fn has_sparse_records(entry: &mut tar::Entry<'_, impl Read>) -> Result<bool> {
    let records = entry.pax_extensions().map_err(read_error)?;
    Ok(records
        .into_iter()
        .flatten()
        .filter_map(std::result::Result::ok)
        .any(|record| record.key_bytes().starts_with(b"GNU.sparse.")))
}

fn special() -> Error {
    Error::Refused("the archive has a device, pipe or other special entry".into())
}

/// Bounds how much a reader takes: between two members, since long names, pax records and a zip's directory are read whole
/// into memory, and in total, since what is skipped has to be decompressed too.
struct Metered<R> {
    inner: R,
    allowance: Rc<Cell<u64>>,
    total: Rc<Cell<u64>>,
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.inner.seek(to)
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.allowance.get().min(self.total.get());
        if left == 0 && !buffer.is_empty() {
            return Err(std::io::Error::other(Bound(
                "the archive's headers are too large",
            )));
        }
        let want = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let n = self.inner.read(&mut buffer[..want])?;
        self.allowance.set(self.allowance.get() - n as u64);
        self.total.set(self.total.get() - n as u64);
        Ok(n)
    }
}
