//! The first stage: paths in, a [`Project`] out.
//!
//! [`discover`] walks the given paths in parallel, reads and decodes what Python would run, takes notebooks
//! apart, finds the project's roots and tells libraries from applications. [`Settings::load`] reads
//! `pyproject.toml` or `pyward.toml`. Nothing here executes or imports the code under analysis, and no
//! content of a file stops the others from being read: what is wrong with it becomes a [`Diagnostic`].

mod config;
mod diagnostic;
mod discover;
mod encoding;
mod file;
mod notebook;
mod roots;
mod schema;
mod source;

pub use config::{
    Config, Context, Name, OutputFormat, ProjectKind, RuleConfig, Settings, SinkConfig, SinkPlaces,
    SourceKinds,
};
pub use diagnostic::{Code, Diagnostic, Level};
pub use discover::{Request, discover};
pub use roots::{Root, RootKind};
pub use schema::{configuration_markdown, configuration_schema};
pub use source::{AuxiliaryFile, AuxiliaryKind, FileKind, Position, Project, SourceFile};
