//! Files beneath a base directory, safe names, safe extraction of archives, checks of uploads.
//!
//! Protects against path traversal (CWE-22), link following (CWE-59), archive bombs (CWE-409),
//! unrestricted uploads (CWE-434) and races between check and use (CWE-367).

mod archive;
mod directory;
mod names;
mod upload;

pub use archive::{ArchiveLimits, ExtractReport, Links, extract};
pub use directory::{Directory, Entry, Kind, Mode, Symlinks, resolution};
pub use names::{check_relative, is_device_name, random_name, safe_name};
pub use upload::{Accepted, UploadPolicy, check_upload, sniff};
