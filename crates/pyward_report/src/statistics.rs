//! Findings counted by rule.

use std::collections::BTreeMap;
use std::io::{self, Write};

use pyward_findings::Finding;

use crate::Report;
use crate::style::{severity_name, severity_style};

/// Writes a table: number of findings, severity, rule, title; most severe rules first.
///
/// # Errors
/// Those of the stream.
pub fn write_statistics(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut rows: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in report.findings {
        rows.entry(&finding.rule).or_default().push(finding);
    }
    let mut rows: Vec<_> = rows
        .into_iter()
        .map(|(rule, findings)| {
            let worst = findings.iter().map(|f| f.severity).max();
            (worst, findings.len(), rule)
        })
        .collect();
    rows.sort_by(|a, b| (b.0, b.1, a.2).cmp(&(a.0, a.1, b.2)));
    let numbers = rows
        .iter()
        .map(|r| r.1.to_string().len())
        .max()
        .unwrap_or(1);
    let names = rows.iter().map(|r| r.2.len()).max().unwrap_or(1);
    for (severity, number, rule) in rows {
        let Some(severity) = severity else { continue };
        let style = severity_style(severity);
        let name = severity_name(severity);
        let title = report.catalog.rule(rule).map_or("", |r| &r.title);
        let line = format!("{number:numbers$}  {style}{name:8}{style:#}  {rule:names$}  {title}");
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
