//! GitLab's code quality report.

use std::io::{self, Write};

use pyward_findings::Severity;
use serde_json::json;

use crate::Report;

pub(crate) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let issues: Vec<_> = report
        .findings
        .iter()
        .map(|finding| {
            let severity = match finding.severity {
                Severity::Info => "info",
                Severity::Low => "minor",
                Severity::Medium => "major",
                Severity::High => "critical",
                Severity::Critical => "blocker",
            };
            json!({
                "description": format!("{}: {} ({})", finding.rule, finding.message, finding.remedy),
                "check_name": finding.rule,
                "fingerprint": finding.fingerprint,
                "severity": severity,
                "location": {
                    "path": finding.location.file,
                    "positions": {
                        "begin": { "line": finding.location.line, "column": finding.location.column },
                        "end": { "line": finding.location.end_line, "column": finding.location.end_column },
                    },
                },
            })
        })
        .collect();
    serde_json::to_writer_pretty(&mut *out, &issues)?;
    writeln!(out)
}
