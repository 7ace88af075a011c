//! Files beneath a base directory, safe names, safe extraction of archives, checks of uploads.
//!
//! Protects against path traversal (CWE-22), link following (CWE-59), archive bombs (CWE-409),
//! unrestricted uploads (CWE-434) and races between check and use (CWE-367).
//!
//! ```
//! use pyward_guard::paths::{Directory, Symlinks, safe_name};
//! # let temporary = tempfile::tempdir()?;
//! # let path = temporary.path();
//! let uploads = Directory::open(path, Symlinks::Refuse, false)?;
//! let name = safe_name("../../etc/passwd", 100)?;
//! assert_eq!(name, "passwd");
//! uploads.replace(&name, b"text", 0o600)?;
//! assert_eq!(uploads.read("passwd", 1 << 20)?, b"text");
//! assert!(uploads.read("../../etc/passwd", 1 << 20).is_err());
//! # Ok::<(), pyward_guard::Error>(())
//! ```

mod archive;
mod directory;
mod names;
mod upload;

pub use archive::{ArchiveLimits, ExtractReport, Links, extract};
pub use directory::{Directory, Entry, Kind, Mode, Symlinks, resolution};
pub use names::{check_relative, is_device_name, random_name, safe_name};
pub use upload::{Accepted, UploadPolicy, check_upload, sniff};
