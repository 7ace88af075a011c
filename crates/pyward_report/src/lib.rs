//! Prints what a check found: one entry point, [`write`], one module for each format.

mod concise;
mod diagnostic;
mod frame;
mod full;
mod github;
mod gitlab;
mod html;
mod json;
mod junit;
mod sarif;
mod statistics;
mod style;

use std::io::{self, Write};
use std::time::Duration;

use pyward_catalog::Catalog;
use pyward_findings::Finding;
use pyward_project::{Diagnostic, OutputFormat};

pub use statistics::write_statistics;

/// Gives the text of the files that findings are in.
pub trait Sources: Sync {
    /// The decoded text of a file, by the name that [`pyward_findings::Location::file`] has.
    fn text(&self, file: &str) -> Option<&str>;
}

/// What a check found.
pub struct Report<'a> {
    /// Findings to report, arranged.
    pub findings: &'a [Finding],
    /// Findings that a comment or the baseline suppresses; machine formats list them as such.
    pub suppressed: &'a [Finding],
    /// What is to be said about the input.
    pub diagnostics: &'a [Diagnostic],
    /// The rules that ran.
    pub catalog: &'a Catalog,
    /// The texts.
    pub sources: &'a dyn Sources,
    /// Figures for the last line.
    pub summary: Summary,
    /// Absolute path of the working directory, with `/`: what file names are relative to.
    pub base: String,
}

/// Figures of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    /// Python files checked.
    pub files: usize,
    /// Findings below the thresholds of severity and confidence.
    pub below_threshold: usize,
    /// Time taken; `None` where the output has to be the same on every run.
    pub elapsed: Option<Duration>,
}

/// Writes a report. [`OutputFormat::Full`] and [`OutputFormat::Concise`] contain ANSI escapes for colour: give a
/// stream that strips them where they are not wanted. The other formats carry everything, diagnostics included.
///
/// # Errors
/// Those of the stream.
pub fn write(report: &Report<'_>, format: OutputFormat, out: &mut dyn Write) -> io::Result<()> {
    match format {
        OutputFormat::Full => full::write(report, out),
        OutputFormat::Concise => concise::write(report, out),
        OutputFormat::Json => json::write(report, out),
        OutputFormat::Sarif => sarif::write(report, out),
        OutputFormat::Github => github::write(report, out),
        OutputFormat::Gitlab => gitlab::write(report, out),
        OutputFormat::Junit => junit::write(report, out),
        OutputFormat::Html => html::write(report, out),
    }
}

/// Writes diagnostics for people: those with a text as a source frame, the others as one line.
///
/// # Errors
/// Those of the stream.
pub fn write_diagnostics(diagnostics: &[Diagnostic], out: &mut dyn Write) -> io::Result<()> {
    for one in diagnostics {
        diagnostic::write(one, out)?;
    }
    Ok(())
}

/// `1 finding`, `2 findings`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}
