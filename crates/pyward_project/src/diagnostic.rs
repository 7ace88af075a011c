//! What pyward has to say about its input, as opposed to about the security of the program.

use std::fmt;
use std::sync::Arc;

use pyward_ir::Span;
use serde::Serialize;

/// How much a diagnostic matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// For information.
    Note,
    /// Something was left out or read in another way than written; the rest is checked.
    Warning,
    /// pyward cannot do what it was asked to.
    Error,
}

/// What a diagnostic is about. Every diagnostic of pyward has one of these codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// A path given on the command line does not exist.
    NoSuchPath,
    /// A file or folder cannot be read.
    Unreadable,
    /// A file is larger than `max-file-size`.
    FileTooLarge,
    /// The encoding that a file declares is not known.
    UnknownEncoding,
    /// A file is not text in its encoding.
    UndecodableText,
    /// A notebook is not valid JSON of the notebook format.
    InvalidNotebook,
    /// Python would refuse a part of the file; the rest is checked.
    SyntaxError,
    /// A named path is ignored by version control and checked all the same.
    IgnoredPath,
    /// The configuration cannot be used.
    InvalidConfiguration,
    /// A rule, practice or CWE that is named does not exist.
    UnknownRule,
    /// A baseline file cannot be used.
    InvalidBaseline,
    /// A baseline names findings that are no longer there.
    StaleBaseline,
    /// A suppression comment that cannot be understood.
    InvalidSuppression,
    /// A suppression comment that suppresses nothing.
    UnusedSuppression,
    /// A suppression comment whose `until` date has passed.
    ExpiredSuppression,
    /// A function or file was too large to be analysed in full; the result there is coarser.
    BudgetExceeded,
    /// A template cannot be parsed or found.
    InvalidTemplate,
    /// A part of the analysis failed on a file; the others are checked.
    InternalError,
}

impl Code {
    /// The code as printed: lower case with hyphens.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSuchPath => "no-such-path",
            Self::Unreadable => "unreadable",
            Self::FileTooLarge => "file-too-large",
            Self::UnknownEncoding => "unknown-encoding",
            Self::UndecodableText => "undecodable-text",
            Self::InvalidNotebook => "invalid-notebook",
            Self::SyntaxError => "syntax-error",
            Self::IgnoredPath => "ignored-path",
            Self::InvalidConfiguration => "invalid-configuration",
            Self::UnknownRule => "unknown-rule",
            Self::InvalidBaseline => "invalid-baseline",
            Self::StaleBaseline => "stale-baseline",
            Self::InvalidSuppression => "invalid-suppression",
            Self::UnusedSuppression => "unused-suppression",
            Self::ExpiredSuppression => "expired-suppression",
            Self::BudgetExceeded => "budget-exceeded",
            Self::InvalidTemplate => "invalid-template",
            Self::InternalError => "internal-error",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One message about the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it matters.
    pub level: Level,
    /// What it is about.
    pub code: Code,
    /// One sentence, lower case, without a full stop.
    pub message: String,
    /// The file, as shown to people.
    pub path: Option<String>,
    /// Line and column, both from 1, columns in characters.
    pub position: Option<(u32, u32)>,
    /// Byte range in [`Diagnostic::text`].
    pub span: Option<Span>,
    /// The text that the span is in, where a frame should be shown.
    pub text: Option<Arc<str>>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A diagnostic without a place.
    #[must_use]
    pub fn new(level: Level, code: Code, message: impl Into<String>) -> Self {
        Self {
            level,
            code,
            message: message.into(),
            path: None,
            position: None,
            span: None,
            text: None,
            help: None,
        }
    }

    /// An error.
    #[must_use]
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self::new(Level::Error, code, message)
    }

    /// A warning.
    #[must_use]
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self::new(Level::Warning, code, message)
    }

    /// Sets the file.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Sets line and column.
    #[must_use]
    pub fn position(mut self, line: u32, column: u32) -> Self {
        self.position = Some((line, column));
        self
    }

    /// Sets text and range, and the position from them.
    #[must_use]
    pub fn within(mut self, text: &Arc<str>, span: Span) -> Self {
        self.position = Some(crate::source::line_and_column(text, span.start));
        self.span = Some(span);
        self.text = Some(Arc::clone(text));
        self
    }

    /// Sets the advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// A key that orders diagnostics the same way on every run.
    #[must_use]
    pub fn order(&self) -> (&str, (u32, u32), Code, &str) {
        (
            self.path.as_deref().unwrap_or(""),
            self.position.unwrap_or((0, 0)),
            self.code,
            &self.message,
        )
    }
}

/// One line: `path:line:column: level[code]: message`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{path}:")?;
            if let Some((line, column)) = self.position {
                write!(f, "{line}:{column}:")?;
            }
            write!(f, " ")?;
        }
        let level = match self.level {
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        write!(f, "{level}[{}]: {}", self.code, self.message)?;
        if let Some(help) = &self.help {
            write!(f, " ({help})")?;
        }
        Ok(())
    }
}
