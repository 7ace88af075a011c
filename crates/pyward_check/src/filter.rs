//! What the settings change about findings before anything is left out.

use std::collections::HashSet;

use pyward_findings::{Confidence, Finding};
use pyward_project::{Project, Settings};

/// Applies the settings of rules, and lowers the confidence of findings in tests.
pub(crate) fn adjust(findings: &mut [Finding], project: &Project, settings: &Settings) {
    let config = &settings.config;
    let tests: HashSet<&str> = project
        .files
        .iter()
        .filter(|f| f.is_test && !config.tests)
        .map(|f| f.shown.as_str())
        .collect();
    let templates: HashSet<&str> = project.templates.iter().map(|f| f.shown.as_str()).collect();
    for finding in findings {
        if let Some(rule) = config.rules.get(&finding.rule) {
            if let Some(severity) = rule.severity {
                finding.severity = severity;
            }
            if let Some(most) = rule.confidence
                && finding.confidence > most
            {
                finding.confidence = most;
                finding.confidence_reasons.push("set so".into());
            }
        }
        // Data that a test hands to a template counts as the test's.
        let place = &*finding.location.file;
        let is_template = templates.contains(place);
        let in_test = tests.contains(place)
            || is_template
                && finding
                    .trace
                    .iter()
                    .any(|s| tests.contains(&*s.location.file));
        if finding.confidence > Confidence::Low && in_test {
            finding.confidence = Confidence::Low;
            finding.confidence_reasons.push("test code".into());
        }
    }
}
