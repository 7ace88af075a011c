//! Safe building blocks: one obvious, typed, hard-to-misuse call for each secure-coding practice.
//!
//! The crate is usable from Rust alone; `pyward_guard_python` puts a thin `PyO3` layer over it.

#![warn(clippy::missing_errors_doc, clippy::must_use_candidate)]

#[cfg(feature = "access")]
pub mod access;
pub mod crypto;
pub(crate) mod encoding;
pub mod error;
pub mod eval;
pub mod headers;
pub mod html;
pub mod http;
pub mod limits;
pub mod logs;
pub mod mfa;
pub mod passwords;
pub mod paths;
pub mod privacy;
pub mod random;
pub mod run;
pub mod serialize;
pub mod sessions;
pub mod sql;
pub mod tokens;
pub mod validate;

pub use error::{Error, Result};
