//! Order, repetition and identity of findings.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::Finding;

/// What a fingerprint is made from besides the finding itself.
pub struct Surroundings<'a> {
    /// The file's path relative to its project root, so that the working directory does not matter.
    pub path: &'a str,
    /// The line of source text that the finding starts in.
    pub line: &'a str,
}

/// Sorts findings, drops repetitions and sets the fingerprints.
///
/// Of several findings of one rule at one place the most severe stays, then the most certain, then the one with
/// the shortest trace. The fingerprint is made of the rule, the file, the text of the line without its spacing,
/// the function and the number of equal findings before: it survives edits elsewhere in the file.
pub fn arrange<'a>(
    findings: &mut Vec<Finding>,
    surroundings: impl Fn(&Finding) -> Surroundings<'a>,
) {
    findings.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| rank(a).cmp(&rank(b))));
    findings.dedup_by(|later, kept| place(later) == place(kept));
    let mut seen: HashMap<blake3::Hash, u32> = HashMap::new();
    for finding in findings {
        let around = surroundings(finding);
        let line: Vec<&str> = around.line.split_whitespace().collect();
        let mut hasher = blake3::Hasher::new();
        let parts = [
            finding.rule.as_str(),
            around.path,
            &line.join(" "),
            &finding.function,
        ];
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let occurrence = seen.entry(hasher.finalize()).or_insert(0);
        hasher.update(&occurrence.to_le_bytes());
        *occurrence += 1;
        finding.fingerprint = hasher.finalize().to_hex()[..32].to_owned();
    }
}

fn place(finding: &Finding) -> (&str, u32, &str, u32) {
    let location = &finding.location;
    (&location.file, location.start, &finding.rule, location.end)
}

type Rank<'a> = (
    Reverse<crate::Severity>,
    Reverse<crate::Confidence>,
    usize,
    &'a str,
    Vec<(&'a str, u32, u32, &'a str)>,
);

/// A total order of findings at one place, best first.
fn rank(finding: &Finding) -> Rank<'_> {
    let steps = finding.trace.iter();
    (
        Reverse(finding.severity),
        Reverse(finding.confidence),
        finding.trace.len(),
        &finding.message,
        steps
            .map(|s| {
                (
                    &*s.location.file,
                    s.location.start,
                    s.location.end,
                    s.text.as_str(),
                )
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Confidence, Location, Severity};

    fn finding(rule: &str, start: u32, severity: Severity) -> Finding {
        Finding {
            rule: rule.into(),
            severity,
            confidence: Confidence::High,
            confidence_reasons: Vec::new(),
            message: "m".into(),
            remedy: "r".into(),
            location: Location {
                file: "a.py".into(),
                start,
                end: start + 1,
                line: start,
                column: 1,
                end_line: start,
                end_column: 2,
                cell: None,
            },
            statement: crate::Extent::default(),
            function: "f".into(),
            trace: Vec::new(),
            source_kind: None,
            cwe: vec![89],
            practices: vec!["I2".into()],
            owasp: Vec::new(),
            asvs: Vec::new(),
            fix: None,
            fingerprint: String::new(),
            suppression: None,
        }
    }

    fn arranged(mut findings: Vec<Finding>, line: &'static str) -> Vec<Finding> {
        arrange(&mut findings, |_| Surroundings { path: "a.py", line });
        findings
    }

    #[test]
    fn sorts_and_keeps_the_worst_of_equals() {
        let out = arranged(
            vec![
                finding("b", 9, Severity::Low),
                finding("b", 2, Severity::Low),
                finding("a", 2, Severity::Low),
                finding("b", 2, Severity::High),
            ],
            "x",
        );
        let got: Vec<_> = out
            .iter()
            .map(|f| (f.location.start, f.rule.as_str(), f.severity))
            .collect();
        assert_eq!(
            got,
            [
                (2, "a", Severity::Low),
                (2, "b", Severity::High),
                (9, "b", Severity::Low)
            ]
        );
    }

    #[test]
    fn fingerprints_survive_moves_and_tell_repetitions_apart() {
        let before = arranged(
            vec![
                finding("a", 1, Severity::Low),
                finding("a", 5, Severity::Low),
            ],
            "  x = 1",
        );
        let after = arranged(
            vec![
                finding("a", 3, Severity::Low),
                finding("a", 8, Severity::Low),
            ],
            "x  =  1",
        );
        assert_eq!(before[0].fingerprint.len(), 32);
        assert_ne!(before[0].fingerprint, before[1].fingerprint);
        assert_eq!(before[0].fingerprint, after[0].fingerprint);
        assert_eq!(before[1].fingerprint, after[1].fingerprint);
        let other = arranged(vec![finding("a", 1, Severity::Low)], "y = 1");
        assert_ne!(before[0].fingerprint, other[0].fingerprint);
    }

    #[test]
    fn survives_serialisation() {
        let one = arranged(vec![finding("a", 1, Severity::Critical)], "x").remove(0);
        let text = serde_json::to_string(&one).unwrap();
        assert!(text.contains("\"severity\":\"critical\""), "{text}");
        assert_eq!(serde_json::from_str::<Finding>(&text).unwrap(), one);
    }
}
