//! Files and paths: reading with a bound, and paths as people read them.

use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use crate::{Code, Diagnostic};

/// `path` as shown to people: relative to `folder` where it lies below it, with `/`.
pub(crate) fn show(folder: &Path, path: &Path) -> String {
    let shown = path.strip_prefix(folder).unwrap_or(path);
    let text = shown.to_string_lossy();
    if std::path::MAIN_SEPARATOR == '/' {
        text.into_owned()
    } else {
        text.replace(std::path::MAIN_SEPARATOR, "/")
    }
}

/// Resolves `.` and `..` by text, so that one file has one path.
pub(crate) fn normalise(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read_bounded(path: &Path, shown: &str, limit: u64) -> Result<Vec<u8>, Diagnostic> {
    // Offsets in the intermediate representation are 32 bits wide.
    let limit = limit.min(u64::from(u32::MAX) / 2);
    let unreadable = |error: std::io::Error| {
        Diagnostic::warning(Code::Unreadable, format!("cannot be read: {error}")).at(shown)
    };
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_or(0, |m| m.len());
    if size > limit {
        return Err(too_large(shown, limit));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(too_large(shown, limit));
    }
    Ok(bytes)
}

pub(crate) fn too_large(shown: &str, limit: u64) -> Diagnostic {
    Diagnostic::warning(
        Code::FileTooLarge,
        format!("is larger than {limit} bytes and was not checked"),
    )
    .at(shown)
    .help("raise `max-file-size` or exclude the file")
}
