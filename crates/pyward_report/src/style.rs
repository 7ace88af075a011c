//! Colours and words of severities.

use annotate_snippets::Level;
use anstyle::{AnsiColor, Style};
use pyward_findings::{Confidence, Severity};

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = AnsiColor::BrightBlue.on_default().bold();
pub(crate) const HELP: Style = AnsiColor::BrightCyan.on_default().bold();

pub(crate) fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

pub(crate) fn confidence_name(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    }
}

pub(crate) fn severity_style(severity: Severity) -> Style {
    let colour = match severity {
        Severity::Info => AnsiColor::BrightGreen,
        Severity::Low => AnsiColor::BrightCyan,
        Severity::Medium => AnsiColor::BrightYellow,
        Severity::High | Severity::Critical => AnsiColor::BrightRed,
    };
    colour.on_default().bold()
}

/// The frame's level: its colour, under the severity's own name.
pub(crate) fn level(severity: Severity) -> Level<'static> {
    let level = match severity {
        Severity::Critical | Severity::High => Level::ERROR,
        Severity::Medium => Level::WARNING,
        Severity::Low => Level::HELP,
        Severity::Info => Level::INFO,
    };
    level.with_name(severity_name(severity))
}
