//! Every format on one small report.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;

use pyward_catalog::Catalog;
use pyward_findings::{
    Confidence, Edit, Extent, Finding, Fix, Location, Severity, Step, StepKind, SuppressedBy,
    Suppression,
};
use pyward_ir::Span;
use pyward_project::{Code, Diagnostic, OutputFormat};
use pyward_report::{Report, Sources, Summary, write, write_diagnostics, write_statistics};

struct Texts(HashMap<&'static str, &'static str>);

impl Sources for Texts {
    fn text(&self, file: &str) -> Option<&str> {
        self.0.get(file).copied()
    }
}

const VIEWS: &str = "\
from flask import request
from app import db

@app.get('/find')
def find():
    name = request.args['é q']
    return db.find(name)
";
const DB: &str = "\
def find(name):
    query = f\"SELECT * FROM t WHERE n = '{name}'\"
    return connection.execute(query)
";

fn location(file: &str, text: &str, what: &str) -> Location {
    let start = text.find(what).unwrap();
    let line_start = text[..start].rfind('\n').map_or(0, |n| n + 1);
    let line = u32::try_from(text[..start].matches('\n').count() + 1).unwrap();
    let column = u32::try_from(text[line_start..start].chars().count() + 1).unwrap();
    Location {
        file: file.into(),
        start: u32::try_from(start).unwrap(),
        end: u32::try_from(start + what.len()).unwrap(),
        line,
        column,
        end_line: line,
        end_column: column + u32::try_from(what.chars().count()).unwrap(),
        cell: None,
    }
}

fn findings() -> Vec<Finding> {
    let step = |kind, location, text: &str| Step {
        kind,
        location,
        text: text.into(),
    };
    let base = Finding {
        rule: "sql-injection".into(),
        severity: Severity::High,
        confidence: Confidence::High,
        confidence_reasons: Vec::new(),
        message: "a request's data becomes part of the SQL text that `execute` runs".into(),
        remedy: "pass values as bound parameters".into(),
        location: location("app/db.py", DB, "query)"),
        statement: Extent {
            start: 70,
            end: 110,
        },
        function: "find".into(),
        trace: vec![
            step(
                StepKind::Source,
                location("app/views.py", VIEWS, "request.args['é q']"),
                "a request's data",
            ),
            step(
                StepKind::Call,
                location("app/views.py", VIEWS, "db.find(name)"),
                "passed to `find`",
            ),
            step(
                StepKind::Step,
                location("app/db.py", DB, "f\"SELECT"),
                "assigned to `query`",
            ),
            step(
                StepKind::Sink,
                location("app/db.py", DB, "query)"),
                "runs as SQL",
            ),
        ],
        source_kind: Some("remote".into()),
        cwe: vec![89],
        practices: vec!["I2".into()],
        owasp: vec!["A05:2025".into()],
        asvs: vec!["v5.0.0-1.2.4".into()],
        fix: None,
        fingerprint: "0123456789abcdef0123456789abcdef".into(),
        suppression: None,
    };
    let mut low = base.clone();
    low.rule = "weak-hash".into();
    low.severity = Severity::Medium;
    low.confidence = Confidence::Medium;
    low.confidence_reasons = vec!["the use of the hash is not known".into()];
    low.message = "MD5, with 100 % of <collisions> & \"quotes\"".into();
    low.remedy = "use SHA-256".into();
    low.location = Location {
        cell: Some(3),
        ..location("notes/a b.ipynb", "import x\n\nmd5(data)\n", "md5(data)")
    };
    low.trace.clear();
    low.cwe = vec![328];
    low.fix = Some(Fix {
        title: "use SHA-256".into(),
        edits: vec![Edit {
            location: low.location.clone(),
            replacement: "sha256(data)".into(),
        }],
        safe: false,
    });
    vec![base, low]
}

fn with_report<T>(use_it: impl FnOnce(&Report<'_>) -> T) -> T {
    let findings = findings();
    let mut suppressed = vec![findings[0].clone()];
    suppressed[0].suppression = Some(Suppression {
        by: SuppressedBy::Comment,
        reason: Some("reviewed".into()),
    });
    let diagnostics = vec![
        Diagnostic::warning(Code::SyntaxError, "expected an expression")
            .at("odd name.py")
            .position(3, 7),
    ];
    let texts = Texts(HashMap::from([
        ("app/views.py", VIEWS),
        ("app/db.py", DB),
        ("notes/a b.ipynb", "import x\n\nmd5(data)\n"),
    ]));
    use_it(&Report {
        findings: &findings,
        suppressed: &suppressed,
        diagnostics: &diagnostics,
        catalog: Catalog::builtin(),
        sources: &texts,
        summary: Summary {
            files: 12,
            below_threshold: 2,
            elapsed: None,
        },
        base: "/home/me/my project".into(),
    })
}

fn render(format: OutputFormat) -> String {
    let mut out = Vec::new();
    with_report(|report| write(report, format, &mut out)).unwrap();
    anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
}

#[test]
fn full() {
    insta::assert_snapshot!(render(OutputFormat::Full));
}

#[test]
fn concise() {
    insta::assert_snapshot!(render(OutputFormat::Concise));
}

#[test]
fn json() {
    insta::assert_snapshot!(render(OutputFormat::Json));
}

#[test]
fn github() {
    insta::assert_snapshot!(render(OutputFormat::Github));
}

#[test]
fn gitlab() {
    insta::assert_snapshot!(render(OutputFormat::Gitlab));
}

#[test]
fn junit() {
    insta::assert_snapshot!(render(OutputFormat::Junit));
}

#[test]
fn html() {
    insta::assert_snapshot!(render(OutputFormat::Html));
}

#[test]
fn statistics() {
    let mut out = Vec::new();
    with_report(|report| write_statistics(report, &mut out)).unwrap();
    let text = anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .map(|l| l.split_whitespace().take(3).collect())
        .collect();
    assert_eq!(
        rows,
        [["1", "high", "sql-injection"], ["1", "medium", "weak-hash"]]
    );
}

#[test]
fn diagnostics() {
    let text = "[tool.pyward]\nseverty = 1\n".into();
    let all = [
        Diagnostic::error(Code::InvalidConfiguration, "unknown field `severty`")
            .at("pyproject.toml")
            .within(&text, Span { start: 14, end: 21 })
            .help("did you mean `severity`?"),
        Diagnostic::warning(Code::Unreadable, "cannot be read").at("a.py"),
    ];
    let mut out = Vec::new();
    write_diagnostics(&all, &mut out).unwrap();
    let text = anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string();
    insta::assert_snapshot!(text);
}

/// The official schema, from the sources of a package that carries it.
fn sarif_schema() -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo metadata failed");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages
        .iter()
        .find(|p| p["name"] == "serde-sarif")
        .expect("a development dependency");
    let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
    let schema = std::fs::read(manifest.with_file_name("src/schema.json")).unwrap();
    let mut schema: serde_json::Value = serde_json::from_slice(&schema).unwrap();
    // The published pattern has an unbalanced bracket, which strict engines refuse; pyward writes no language.
    for definition in ["run", "toolComponent"] {
        let pointer = format!("/definitions/{definition}/properties/language");
        let language = schema.pointer_mut(&pointer).unwrap();
        language.as_object_mut().unwrap().remove("pattern");
    }
    schema
}

#[test]
fn sarif_is_valid() {
    let document: serde_json::Value = serde_json::from_str(&render(OutputFormat::Sarif)).unwrap();
    let validator = jsonschema::validator_for(&sarif_schema()).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&document)
        .map(|e| format!("{} at {}", e, e.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let mut broken = document.clone();
    broken["runs"][0]["results"][0]["level"] = "fatal".into();
    assert!(!validator.is_valid(&broken), "the schema is really used");
}

#[test]
fn sarif_carries_what_viewers_read() {
    let document: serde_json::Value = serde_json::from_str(&render(OutputFormat::Sarif)).unwrap();
    let run = &document["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 3, "two findings, one suppressed");
    let result = &results[0];
    let rule = &run["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
    assert_eq!(rule["id"], "sql-injection");
    assert_eq!(rule["name"], "SqlInjection");
    let tags = rule["properties"]["tags"].as_array().unwrap();
    assert!(tags.contains(&"external/cwe/cwe-089".into()), "{tags:?}");
    assert_eq!(rule["relationships"][0]["target"]["id"], "89");
    assert!(!rule["help"]["markdown"].as_str().unwrap().is_empty());
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "app/db.py");
    assert_eq!(place["region"]["startLine"], 3);
    let flow = &result["codeFlows"][0]["threadFlows"][0]["locations"];
    assert_eq!(flow.as_array().unwrap().len(), 4);
    let source = &flow[0]["location"]["physicalLocation"]["region"];
    assert_eq!(source["endColumn"], 31, "columns count code points");
    assert_eq!(
        result["partialFingerprints"]["pyward/v1"],
        "0123456789abcdef0123456789abcdef"
    );
    assert_eq!(results[2]["suppressions"][0]["kind"], "inSource");
    assert_eq!(results[2]["suppressions"][0]["justification"], "reviewed");
    let notebook = &results[1]["locations"][0];
    assert_eq!(
        notebook["physicalLocation"]["artifactLocation"]["uri"],
        "notes/a%20b.ipynb"
    );
    assert_eq!(
        run["originalUriBaseIds"]["SRCROOT"]["uri"],
        "file:///home/me/my%20project/"
    );
    let taxa = run["taxonomies"][0]["taxa"].as_array().unwrap();
    assert!(taxa.iter().any(|t| t["id"] == "89"));
    let edit = &results[1]["fixes"][0]["artifactChanges"][0]["replacements"][0];
    assert_eq!(edit["insertedContent"]["text"], "sha256(data)");
    assert_eq!(
        run["invocations"][0]["toolExecutionNotifications"][0]["descriptor"]["id"],
        "syntax-error"
    );
}
