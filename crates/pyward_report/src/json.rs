//! One JSON document; its form is described in `docs/json-output.md`.

use std::io::{self, Write};

use pyward_findings::Finding;
use serde::Serialize;

use crate::Report;

/// Raised when a field changes its meaning or goes away.
const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Document<'a> {
    schema_version: u32,
    tool: Tool,
    findings: &'a [Finding],
    suppressed: &'a [Finding],
    diagnostics: Vec<Message<'a>>,
    summary: Figures,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Figures {
    files: usize,
    findings: usize,
    suppressed: usize,
    below_threshold: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Message<'a> {
    level: pyward_project::Level,
    code: pyward_project::Code,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

pub(crate) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let document = Document {
        schema_version: SCHEMA_VERSION,
        tool: Tool {
            name: "pyward",
            version: env!("CARGO_PKG_VERSION"),
        },
        findings: report.findings,
        suppressed: report.suppressed,
        diagnostics: report
            .diagnostics
            .iter()
            .map(|d| Message {
                level: d.level,
                code: d.code,
                message: &d.message,
                file: d.path.as_deref(),
                line: d.position.map(|p| p.0),
                column: d.position.map(|p| p.1),
                help: d.help.as_deref(),
            })
            .collect(),
        summary: Figures {
            files: report.summary.files,
            findings: report.findings.len(),
            suppressed: report.suppressed.len(),
            below_threshold: report.summary.below_threshold,
        },
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}
