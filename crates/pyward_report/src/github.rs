//! Annotations of GitHub Actions (workflow commands).

use std::io::{self, Write};

use pyward_findings::Severity;

use crate::Report;

pub(crate) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    for diagnostic in report.diagnostics {
        let command = match diagnostic.level {
            pyward_project::Level::Note => "notice",
            pyward_project::Level::Warning => "warning",
            pyward_project::Level::Error => "error",
        };
        write!(out, "::{command} ")?;
        if let Some(path) = &diagnostic.path {
            write!(out, "file={},", property(path))?;
        }
        if let Some((line, column)) = diagnostic.position {
            write!(out, "line={line},col={column},")?;
        }
        writeln!(
            out,
            "title=pyward {}::{}",
            diagnostic.code,
            data(&diagnostic.message)
        )?;
    }
    for finding in report.findings {
        let command = match finding.severity {
            Severity::Critical | Severity::High => "error",
            Severity::Medium => "warning",
            Severity::Low | Severity::Info => "notice",
        };
        let location = &finding.location;
        let mut message = format!("{}: {}", location, finding.message);
        for (index, step) in finding.trace.iter().enumerate() {
            message.push_str(&format!(
                "\n{}. {}: {}",
                index + 1,
                step.location,
                step.text
            ));
        }
        message.push_str("\nhelp: ");
        message.push_str(&finding.remedy);
        writeln!(
            out,
            "::{command} file={},line={},endLine={},col={},endColumn={},title={}::{}",
            property(&location.file),
            location.line,
            location.end_line,
            location.column,
            location.end_column,
            property(&format!("pyward {}", finding.rule)),
            data(&message),
        )?;
    }
    Ok(())
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
