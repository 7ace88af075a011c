//! SARIF 2.1.0 (OASIS standard): results with code flows, fingerprints, suppressions and the CWE taxonomy.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use pyward_catalog::rule::Rule;
use pyward_findings::{Finding, Location, Severity, StepKind, SuppressedBy};
use serde_json::{Map, Value, json};

use crate::Report;
use crate::style::confidence_name;

/// Name of the base that relative addresses are relative to.
const BASE: &str = "SRCROOT";

pub(crate) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &document(report))?;
    writeln!(out)
}

fn document(report: &Report<'_>) -> Value {
    let all = || report.findings.iter().chain(report.suppressed);
    let rules: BTreeSet<&str> = all().map(|f| f.rule.as_str()).collect();
    let index: BTreeMap<&str, usize> = rules.iter().enumerate().map(|(i, r)| (*r, i)).collect();
    let known = rules.iter().filter_map(|id| report.catalog.rule(id));
    let weaknesses: BTreeSet<u32> = known
        .flat_map(|rule| rule.cwe.iter().copied())
        .chain(all().flat_map(|f| f.cwe.iter().copied()))
        .collect();
    let failed = report
        .diagnostics
        .iter()
        .any(|d| d.level == pyward_project::Level::Error);
    let mut base = url_path(&report.base);
    if !base.ends_with('/') {
        base.push('/');
    }
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {
                    "name": "pyward",
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "informationUri": "https://github.com/pyward/pyward",
                    "rules": rules.iter().map(|id| descriptor(report, id)).collect::<Vec<_>>(),
                    "supportedTaxonomies": [{ "name": "CWE", "index": 0 }],
                },
            },
            "taxonomies": [{
                "name": "CWE",
                "organization": "MITRE",
                "informationUri": "https://cwe.mitre.org/",
                "shortDescription": { "text": "Common Weakness Enumeration" },
                "isComprehensive": false,
                "taxa": weaknesses.iter().map(|cwe| json!({
                    "id": cwe.to_string(),
                    "helpUri": format!("https://cwe.mitre.org/data/definitions/{cwe}.html"),
                })).collect::<Vec<_>>(),
            }],
            // Columns count Unicode code points, as those for people do.
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": { BASE: { "uri": format!("file://{base}") } },
            "invocations": [{
                "executionSuccessful": !failed,
                "toolExecutionNotifications": report.diagnostics.iter().map(notification).collect::<Vec<_>>(),
            }],
            "results": all().map(|f| result(report, f, index[f.rule.as_str()])).collect::<Vec<_>>(),
        }],
    })
}

/// What SARIF calls a reporting descriptor: the rule as viewers show it.
fn descriptor(report: &Report<'_>, id: &str) -> Value {
    let Some(rule) = report.catalog.rule(id) else {
        return json!({ "id": id });
    };
    let mut tags = vec!["security".to_owned()];
    tags.extend(
        rule.cwe
            .iter()
            .map(|cwe| format!("external/cwe/cwe-{cwe:03}")),
    );
    tags.extend(rule.owasp.iter().map(|o| format!("external/owasp/{o}")));
    tags.extend(
        rule.practices
            .iter()
            .map(|p| format!("pyward/practice/{p}")),
    );
    let mut out = json!({
        "id": rule.id,
        "name": name_of(&rule.id),
        "shortDescription": { "text": rule.title },
        "defaultConfiguration": { "level": level(rule.severity) },
        "properties": {
            "tags": tags,
            "precision": precision(rule),
            "problem.severity": problem_severity(rule.severity),
            "security-severity": security_severity(rule.severity),
        },
        "relationships": rule.cwe.iter().map(|cwe| json!({
            "target": {
                "id": cwe.to_string(),
                "toolComponent": { "name": "CWE", "index": 0 },
            },
            "kinds": ["superset"],
        })).collect::<Vec<_>>(),
    });
    if let Some(document) = report.catalog.document(id) {
        out["fullDescription"] = json!({ "text": document.summary() });
        out["help"] = json!({
            "text": format!("{}. Remedy: {}.", rule.title, rule.remedy),
            "markdown": document.body.trim(),
        });
    }
    out
}

/// `sql-injection` as `SqlInjection`.
fn name_of(id: &str) -> String {
    id.split('-')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or(String::new(), |first| {
                first.to_uppercase().chain(letters).collect()
            })
        })
        .collect()
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

fn problem_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "recommendation",
    }
}

/// GitHub reads these: over 9.0 critical, 7.0 high, 4.0 medium, below low.
fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "3.0",
        Severity::Info => "1.0",
    }
}

fn precision(rule: &Rule) -> &'static str {
    confidence_name(rule.confidence)
}

fn result(report: &Report<'_>, finding: &Finding, index: usize) -> Value {
    let mut out = json!({
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": level(finding.severity),
        "message": { "text": format!("{}. Remedy: {}.", finding.message, finding.remedy) },
        "locations": [location(report, &finding.location, &finding.function)],
        "partialFingerprints": { "pyward/v1": finding.fingerprint },
        "properties": {
            "severity": finding.severity,
            "confidence": finding.confidence,
            "security-severity": security_severity(finding.severity),
        },
        "taxa": finding.cwe.iter().map(|cwe| json!({
            "id": cwe.to_string(),
            "toolComponent": { "name": "CWE", "index": 0 },
        })).collect::<Vec<_>>(),
    });
    if !finding.confidence_reasons.is_empty() {
        out["properties"]["confidenceReasons"] = json!(finding.confidence_reasons);
    }
    if !finding.trace.is_empty() {
        let steps: Vec<Value> = finding
            .trace
            .iter()
            .enumerate()
            .map(|(number, step)| {
                let mut place = location(report, &step.location, "");
                place["message"] = json!({ "text": step.text });
                json!({
                    "location": place,
                    "executionOrder": number + 1,
                    "kinds": [match step.kind {
                        StepKind::Source => "taint",
                        StepKind::Step => "pass-through",
                        StepKind::Call => "call",
                        StepKind::Return => "return",
                        StepKind::Sink => "danger",
                    }],
                    "importance": match step.kind {
                        StepKind::Source | StepKind::Sink => "essential",
                        _ => "important",
                    },
                })
            })
            .collect();
        out["codeFlows"] = json!([{ "threadFlows": [{ "locations": steps }] }]);
    }
    if let Some(suppression) = &finding.suppression {
        let mut one = json!({
            "kind": match suppression.by {
                SuppressedBy::Comment => "inSource",
                SuppressedBy::Baseline => "external",
            },
            "status": "accepted",
        });
        if let Some(reason) = &suppression.reason {
            one["justification"] = json!(reason);
        }
        out["suppressions"] = json!([one]);
    }
    if let Some(fix) = &finding.fix {
        let mut files: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for edit in &fix.edits {
            files.entry(&edit.location.file).or_default().push(json!({
                "deletedRegion": region(&edit.location),
                "insertedContent": { "text": edit.replacement },
            }));
        }
        let changes: Vec<Value> = files
            .into_iter()
            .map(|(file, replacements)| {
                json!({ "artifactLocation": artifact(file), "replacements": replacements })
            })
            .collect();
        out["fixes"] =
            json!([{ "description": { "text": fix.title }, "artifactChanges": changes }]);
    }
    out
}

fn location(report: &Report<'_>, place: &Location, function: &str) -> Value {
    let mut region = region(place);
    if let Some(text) = report.sources.text(&place.file) {
        let line = crate::frame::line_of(text, place.start, 400);
        region["snippet"] = json!({ "text": line });
    }
    let mut out = json!({
        "physicalLocation": { "artifactLocation": artifact(&place.file), "region": region },
    });
    let mut logical = Vec::new();
    if !function.is_empty() {
        logical.push(json!({ "fullyQualifiedName": function, "kind": "function" }));
    }
    if let Some(cell) = place.cell {
        logical.push(json!({ "name": format!("cell {cell}"), "kind": "object" }));
    }
    if !logical.is_empty() {
        out["logicalLocations"] = Value::Array(logical);
    }
    out
}

fn region(place: &Location) -> Value {
    json!({
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    })
}

fn artifact(file: &str) -> Value {
    let uri = url_path(file);
    let mut out = Map::new();
    if file.starts_with('/') || file.get(1..3) == Some(":/") {
        out.insert("uri".into(), json!(format!("file://{uri}")));
    } else {
        out.insert("uri".into(), json!(uri));
        out.insert("uriBaseId".into(), json!(BASE));
    }
    Value::Object(out)
}

/// A path as part of a URI: everything but unreserved characters and `/` percent-encoded (RFC 3986).
fn url_path(path: &str) -> String {
    let path = path.replace('\\', "/");
    // `C:/x` is `/C:/x` in a file URI.
    let drive = path.get(1..3) == Some(":/");
    let mut out = String::from(if drive { "/" } else { "" });
    for (at, byte) in path.bytes().enumerate() {
        if byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/')
            || (drive && at == 1)
        {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn notification(diagnostic: &pyward_project::Diagnostic) -> Value {
    let mut out = json!({
        "descriptor": { "id": diagnostic.code },
        "level": match diagnostic.level {
            pyward_project::Level::Note => "note",
            pyward_project::Level::Warning => "warning",
            pyward_project::Level::Error => "error",
        },
        "message": { "text": diagnostic.message },
    });
    if let Some(path) = &diagnostic.path {
        let mut place = json!({ "physicalLocation": { "artifactLocation": artifact(path) } });
        if let Some((line, column)) = diagnostic.position {
            place["physicalLocation"]["region"] =
                json!({ "startLine": line, "startColumn": column });
        }
        out["locations"] = json!([place]);
    }
    out
}
