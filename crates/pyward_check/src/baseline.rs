//! The file of accepted findings.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use pyward_findings::{Finding, SuppressedBy, Suppression};
use pyward_project::{Code, Diagnostic, Level, Project, Settings};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Baseline {
    version: u32,
    findings: Vec<Entry>,
}

/// One accepted finding. Only the fingerprint is compared; the rest tells people what it is.
#[derive(Serialize, Deserialize)]
struct Entry {
    fingerprint: String,
    rule: String,
    file: String,
    message: String,
}

/// Writes the findings as a baseline: sorted JSON that merges well.
///
/// # Errors
/// Those of the file system.
pub fn write_baseline(path: &Path, findings: &[Finding]) -> io::Result<()> {
    let mut entries: Vec<Entry> = findings
        .iter()
        .map(|finding| Entry {
            fingerprint: finding.fingerprint.clone(),
            rule: finding.rule.clone(),
            file: finding.location.file.to_string(),
            message: finding.message.clone(),
        })
        .collect();
    entries.sort_by(|a, b| {
        (&a.file, &a.rule, &a.fingerprint).cmp(&(&b.file, &b.rule, &b.fingerprint))
    });
    let baseline = Baseline {
        version: VERSION,
        findings: entries,
    };
    let mut text = serde_json::to_string_pretty(&baseline)?;
    text.push('\n');
    std::fs::write(path, text)
}

/// Marks the findings that the baseline names, and reports entries that are no longer there.
pub(crate) fn apply(
    findings: &mut [Finding],
    project: &Project,
    working_directory: &Path,
    settings: &Settings,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let Some(name) = &settings.config.baseline else {
        return;
    };
    let shown = name.get_ref();
    let invalid = |message: String| Diagnostic::error(Code::InvalidBaseline, message).at(shown);
    let text = match std::fs::read_to_string(settings.resolve(shown)) {
        Ok(text) => text,
        Err(error) => {
            diagnostics.push(
                invalid(format!("cannot be read: {error}")).help("`--write-baseline` makes one"),
            );
            return;
        }
    };
    let baseline: Baseline = match serde_json::from_str(&text) {
        Ok(baseline) => baseline,
        Err(error) => {
            let line = u32::try_from(error.line()).unwrap_or(1).max(1);
            let column = u32::try_from(error.column()).unwrap_or(1).max(1);
            diagnostics.push(invalid(format!("is not a baseline: {error}")).position(line, column));
            return;
        }
    };
    if baseline.version != VERSION {
        diagnostics.push(invalid(format!(
            "is of version {}, this pyward reads version {VERSION}",
            baseline.version
        )));
        return;
    }
    let mut accepted: HashMap<&str, &Entry> = HashMap::new();
    for entry in &baseline.findings {
        accepted.insert(&entry.fingerprint, entry);
    }
    for finding in findings {
        if accepted.remove(finding.fingerprint.as_str()).is_some() {
            finding.suppression.get_or_insert(Suppression {
                by: SuppressedBy::Baseline,
                reason: None,
            });
        }
    }
    // An entry is stale when its file was checked or is gone; the others may lie outside the paths given.
    let templates = project.templates.iter().map(|f| f.shown.as_str());
    let files = project.files.iter().map(|f| f.shown.as_str());
    let checked: HashSet<&str> = files.chain(templates).collect();
    let stale = accepted
        .values()
        .filter(|e| checked.contains(&*e.file) || !working_directory.join(&e.file).exists())
        .count();
    if stale > 0 {
        let entries = if stale == 1 { "entry" } else { "entries" };
        diagnostics.push(
            Diagnostic::new(
                Level::Warning,
                Code::StaleBaseline,
                format!("{stale} {entries} no longer occur"),
            )
            .at(shown)
            .help("`--write-baseline` brings it up to date"),
        );
    }
}
