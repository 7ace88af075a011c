//! Checks of an uploaded file: size, type by content against the declared one, extension, image dimensions.

use super::names::{random_name, safe_name};
use crate::{Error, Result};

/// Media types that can be told by content, with the extensions that may name them. The first extension is used
/// for the stored name.
const TYPES: &[(&str, &[&str])] = &[
    ("application/epub+zip", &["epub"]),
    ("application/gzip", &["gz", "tgz"]),
    ("application/json", &["json"]),
    ("application/msword", &["doc"]),
    ("application/pdf", &["pdf"]),
    ("application/vnd.ms-excel", &["xls"]),
    ("application/vnd.ms-powerpoint", &["ppt"]),
    ("application/vnd.oasis.opendocument.spreadsheet", &["ods"]),
    ("application/vnd.oasis.opendocument.text", &["odt"]),
    (
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        &["pptx"],
    ),
    (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        &["xlsx"],
    ),
    (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        &["docx"],
    ),
    ("application/x-7z-compressed", &["7z"]),
    ("application/x-bzip2", &["bz2"]),
    ("application/x-tar", &["tar"]),
    ("application/x-xz", &["xz"]),
    ("application/zip", &["zip"]),
    ("audio/m4a", &["m4a"]),
    ("audio/midi", &["mid", "midi"]),
    ("audio/mpeg", &["mp3"]),
    ("audio/ogg", &["ogg", "oga"]),
    ("audio/x-flac", &["flac"]),
    ("audio/x-wav", &["wav"]),
    ("font/woff", &["woff"]),
    ("font/woff2", &["woff2"]),
    ("image/avif", &["avif"]),
    ("image/bmp", &["bmp"]),
    ("image/gif", &["gif"]),
    ("image/heif", &["heic", "heif"]),
    ("image/jpeg", &["jpg", "jpeg", "jpe"]),
    ("image/png", &["png"]),
    ("image/svg+xml", &["svg"]),
    ("image/tiff", &["tif", "tiff"]),
    ("image/vnd.microsoft.icon", &["ico"]),
    ("image/webp", &["webp"]),
    ("text/csv", &["csv"]),
    ("text/html", &["html", "htm"]),
    ("text/plain", &["txt", "text", "log", "md"]),
    ("text/xml", &["xml"]),
    ("video/mp4", &["mp4", "m4v"]),
    ("video/quicktime", &["mov"]),
    ("video/webm", &["webm"]),
    ("video/x-matroska", &["mkv"]),
    ("video/x-msvideo", &["avi"]),
];

/// Names the same type goes by.
const SAME: &[(&str, &str)] = &[
    ("application/x-gzip", "application/gzip"),
    ("application/x-zip-compressed", "application/zip"),
    ("application/xml", "text/xml"),
    ("audio/flac", "audio/x-flac"),
    ("audio/mp4", "audio/m4a"),
    ("audio/vnd.wave", "audio/x-wav"),
    ("audio/wav", "audio/x-wav"),
    ("audio/x-m4a", "audio/m4a"),
    ("image/heic", "image/heif"),
    ("image/jpg", "image/jpeg"),
    ("image/pjpeg", "image/jpeg"),
    ("image/x-icon", "image/vnd.microsoft.icon"),
    ("image/x-ms-bmp", "image/bmp"),
    ("image/x-png", "image/png"),
    ("text/markdown", "text/plain"),
    ("text/json", "application/json"),
    ("video/x-m4v", "video/mp4"),
    ("application/bzip2", "application/x-bzip2"),
];

/// Types a browser may run: only accepted when the policy names them.
const ACTIVE: &[&str] = &["image/svg+xml", "text/html", "text/xml"];

fn canonical(media_type: &str) -> String {
    let lower = media_type
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    SAME.iter()
        .find(|(alias, _)| *alias == lower)
        .map_or(lower, |(_, name)| (*name).to_owned())
}

fn extensions(media_type: &str) -> &'static [&'static str] {
    TYPES
        .iter()
        .find(|(name, _)| *name == media_type)
        .map_or(&[], |(_, list)| *list)
}

/// What uploads are accepted.
#[derive(Debug, Clone)]
pub struct UploadPolicy {
    types: Vec<String>,
    max_bytes: u64,
    max_pixels: u64,
}

impl UploadPolicy {
    /// `types` are media types that can be told by content (`image/png`); a type outside of the table is an error,
    /// since it could not be checked. Sizes: `max_bytes` of the file, `max_pixels` width times height of an image.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a type outside of the table, and for no types at all.
    pub fn new(types: &[&str], max_bytes: u64, max_pixels: u64) -> Result<Self> {
        if types.is_empty() {
            return Err(Error::InvalidInput(
                "an upload policy names at least one media type".into(),
            ));
        }
        let types: Vec<String> = types.iter().map(|t| canonical(t)).collect();
        if let Some(unknown) = types.iter().find(|t| extensions(t).is_empty()) {
            return Err(Error::InvalidInput(format!(
                "the media type {unknown:?} cannot be told by content"
            )));
        }
        Ok(Self {
            types,
            max_bytes,
            max_pixels,
        })
    }
}

/// An upload that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Media type by content.
    pub media_type: String,
    /// Name to store it under: 32 random hex digits and the type's own extension.
    pub stored_name: String,
    /// The sender's name made harmless, for display only.
    pub display_name: String,
    /// Width and height in pixels, for images.
    pub dimensions: Option<(u64, u64)>,
}

/// Media type of `content` by its bytes; `None` when they say nothing. Text has to be UTF-8.
#[must_use]
pub fn sniff(content: &[u8]) -> Option<&'static str> {
    // Before magic numbers: a file with markup at its start is run as markup by somebody.
    if let Some(markup) = markup(content) {
        return Some(markup);
    }
    if let Some(kind) = infer::get(content) {
        let name = kind.mime_type();
        if let Some((known, _)) = TYPES.iter().find(|(known, _)| *known == canonical(name)) {
            return Some(known);
        }
        return Some("application/octet-stream");
    }
    text(content)
}

fn markup(content: &[u8]) -> Option<&'static str> {
    // White space and comments before it can be long.
    let head = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let start = head.iter().position(|b| !b.is_ascii_whitespace())?;
    let head = &head[start..];
    if head[0] != b'<' {
        return None;
    }
    let lower = head[..head.len().min(64 << 10)].to_ascii_lowercase();
    let has = |needle: &[u8]| memchr::memmem::find(&lower, needle).is_some();
    if lower.starts_with(b"<?xml")
        || lower.starts_with(b"<!--")
        || lower.starts_with(b"<svg")
        || lower.starts_with(b"<!doctype svg")
    {
        if has(b"<svg") || has(b"<!doctype svg") {
            return Some("image/svg+xml");
        }
        return Some(if lower.starts_with(b"<!--") || has(b"<html") {
            "text/html"
        } else {
            "text/xml"
        });
    }
    // The tags of the WHATWG MIME sniffing standard, section 7.1.
    const TAGS: &[&[u8]] = &[
        b"<!doctype html",
        b"<html",
        b"<head",
        b"<script",
        b"<iframe",
        b"<h1",
        b"<div",
        b"<font",
        b"<table",
        b"<a",
        b"<style",
        b"<title",
        b"<b",
        b"<body",
        b"<br",
        b"<p",
        b"<img",
        b"<object",
        b"<embed",
        b"<form",
        b"<meta",
        b"<link",
    ];
    TAGS.iter()
        .any(|tag| {
            lower
                .strip_prefix(*tag)
                .is_some_and(|rest| rest.first().is_none_or(|b| b" \t\r\n\x0c/>".contains(b)))
        })
        .then_some("text/html")
}

fn text(content: &[u8]) -> Option<&'static str> {
    let valid = match std::str::from_utf8(content) {
        Ok(text) => text,
        // The caller may give the head of a file that ends within a character.
        Err(e) if e.error_len().is_none() => {
            std::str::from_utf8(&content[..e.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    if valid.is_empty()
        || valid
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\x0c'))
    {
        return None;
    }
    match valid.trim_start().as_bytes().first() {
        Some(b'{' | b'[') if serde_json::from_str::<serde::de::IgnoredAny>(valid).is_ok() => {
            Some("application/json")
        }
        _ => Some("text/plain"),
    }
}

/// Checks an upload. `head` is the start of the content (all of it, or at least 8 KiB), `size` its full size in bytes,
/// `name` and `declared_type` are what the sender says.
///
/// Refused: too large or empty, a type not in the policy, a declared type or an extension that does not fit the content,
/// images of more pixels than allowed, and files with markup or a program hidden at the start of another format.
///
/// # Errors
/// [`Error::LimitExceeded`] for too many bytes or pixels, [`Error::InvalidInput`] for a head that is too short,
/// [`Error::Refused`] for the others.
pub fn check_upload(
    policy: &UploadPolicy,
    head: &[u8],
    size: u64,
    name: &str,
    declared_type: Option<&str>,
) -> Result<Accepted> {
    if size > policy.max_bytes {
        return Err(Error::LimitExceeded(format!(
            "the upload is larger than {} bytes",
            policy.max_bytes
        )));
    }
    if head.is_empty() || size == 0 {
        return Err(Error::Refused("the upload is empty".into()));
    }
    if (head.len() as u64) > size || (head.len() < 8192 && (head.len() as u64) < size) {
        return Err(Error::InvalidInput(
            "head is the start of the content, at least 8192 bytes or all of it".into(),
        ));
    }
    let display_name = safe_name(name, 200)?;
    let extension = display_name
        .rsplit_once('.')
        .map(|(_, e)| e.to_ascii_lowercase())
        .unwrap_or_default();
    let sniffed = sniff(head)
        .ok_or_else(|| Error::Refused("the type of the upload cannot be told".into()))?;
    // CSV and plain text look alike; the extension decides between them.
    let media_type = if sniffed == "text/plain" && extension == "csv" {
        "text/csv"
    } else {
        sniffed
    };
    if !policy.types.iter().any(|t| t == media_type) {
        let note = if ACTIVE.contains(&media_type) {
            " (a browser would run it)"
        } else {
            ""
        };
        return Err(Error::Refused(format!(
            "uploads of type {media_type} are not accepted{note}"
        )));
    }
    if let Some(declared) = declared_type {
        let declared = canonical(declared);
        if declared != media_type && !(declared == "text/plain" && media_type.starts_with("text/c"))
        {
            return Err(Error::Refused(format!(
                "the declared type does not fit the content ({media_type})"
            )));
        }
    }
    if !extensions(media_type).contains(&extension.as_str()) {
        return Err(Error::Refused(format!(
            "the file name's extension does not fit the content ({media_type})"
        )));
    }
    let mut dimensions = None;
    if media_type.starts_with("image/") && media_type != "image/svg+xml" {
        let size = imagesize::blob_size(head)
            .map_err(|_| Error::Refused("the dimensions of the image cannot be told".into()))?;
        let (width, height) = (size.width as u64, size.height as u64);
        if width.saturating_mul(height) > policy.max_pixels {
            return Err(Error::LimitExceeded(format!(
                "the image has more than {} pixels",
                policy.max_pixels
            )));
        }
        dimensions = Some((width, height));
    }
    Ok(Accepted {
        media_type: media_type.to_owned(),
        stored_name: format!("{}.{}", random_name(16)?, extensions(media_type)[0]),
        display_name,
        dimensions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x20\x08\x06\0\0\0\0\0\0\0";

    fn policy() -> UploadPolicy {
        UploadPolicy::new(
            &["image/png", "image/jpg", "text/csv", "application/json"],
            1 << 20,
            1 << 20,
        )
        .unwrap()
    }

    #[test]
    fn accepts_what_is_what_it_says() {
        let ok = check_upload(
            &policy(),
            PNG,
            PNG.len() as u64,
            "a.php.PNG",
            Some("image/png"),
        )
        .unwrap();
        assert_eq!(
            (ok.media_type.as_str(), ok.dimensions),
            ("image/png", Some((16, 32)))
        );
        assert!(ok.stored_name.ends_with(".png") && ok.stored_name.len() == 36);
        assert!(check_upload(&policy(), b"a,b\n1,2\n", 8, "x.csv", Some("text/csv")).is_ok());
        assert!(
            check_upload(
                &policy(),
                b"{\"a\": 1}",
                8,
                "x.json",
                Some("application/json; charset=utf-8")
            )
            .is_ok()
        );
    }

    #[test]
    fn refuses_mismatches() {
        let check = |content: &[u8], name: &str, declared| {
            check_upload(&policy(), content, content.len() as u64, name, declared)
        };
        assert!(check(PNG, "a.php", None).is_err());
        assert!(check(PNG, "a.png", Some("image/jpeg")).is_err());
        assert!(
            check(
                b"<svg xmlns='x' onload='alert(1)'>",
                "a.png",
                Some("image/png")
            )
            .is_err()
        );
        assert!(check(b"  <!DOCTYPE html><p>", "a.csv", Some("text/csv")).is_err());
        assert!(check(b"GIF89a\x01\0\x01\0", "a.gif", None).is_err());
        assert!(check(b"MZ\x90\0", "a.png", None).is_err());
        assert!(check(b"", "a.png", None).is_err());
        assert!(check_upload(&policy(), PNG, 2 << 20, "a.png", None).is_err());
        let mut huge = PNG.to_vec();
        huge[16..20].copy_from_slice(&[0, 1, 0, 0]);
        huge[20..24].copy_from_slice(&[0, 1, 0, 0]);
        assert!(matches!(
            check(&huge, "a.png", None),
            Err(Error::LimitExceeded(_))
        ));
        assert!(UploadPolicy::new(&["application/x-php"], 1, 1).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes(content in prop::collection::vec(any::<u8>(), 0..600), prefix in prop::sample::select(vec![&b""[..], b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF", b"II*\0", b"<", b"{"]), name in "\\PC{0,20}") {
            let mut bytes = prefix.to_vec();
            bytes.extend(content);
            let _ = sniff(&bytes);
            let all = UploadPolicy::new(&TYPES.iter().map(|t| t.0).collect::<Vec<_>>(), 1 << 20, 1 << 20).unwrap();
            let _ = check_upload(&all, &bytes, bytes.len() as u64, &name, None);
        }
    }
}
