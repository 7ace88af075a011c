//! Whole-program data flow.
//!
//! [`analyse`] runs every function of a program on abstract values ([`value`]) with an interpreter
//! (`interp`), bottom-up over the call graph and in parallel. What a function does is kept as a
//! [`summary`], in terms of its parameters, and re-used by every caller; where a constant, a type or a
//! function handed in decides what happens, the body is run again with it. Libraries are data
//! ([`models`]); the engine knows Python, not libraries.

mod analysis;
pub mod api;
mod driver;
pub mod finding;
pub mod fold;
pub mod heap;
mod index;
mod interp;
mod lazy_regex;
mod library;
pub mod models;
pub mod path;
pub mod place;
mod regex_proof;
pub mod summary;
pub mod tables;
pub mod types;
pub mod value;

pub use analysis::{Analysis, ClassRoute, Options, Route};
pub use driver::analyse;
pub use finding::RawFinding;
