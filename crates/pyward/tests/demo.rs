//! The demo application: every line marked as a flaw is reported, and nothing else is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn shop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/vulnerable_shop")
}

/// (file, line, rule) of every `flaw:` comment.
fn marked(folder: &Path, prefix: &str, out: &mut BTreeSet<(String, u64, String)>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            marked(&entry.path(), &format!("{name}/"), out);
        } else if name.ends_with(".py") || name.ends_with(".html") {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            for (number, line) in text.lines().enumerate() {
                if let Some((_, rule)) = line.split_once("flaw: ") {
                    let rule = rule.split_whitespace().next().unwrap();
                    out.insert((name.clone(), number as u64 + 1, rule.to_owned()));
                }
            }
        }
    }
}

fn report() -> serde_json::Value {
    let output = Command::new(env!("CARGO_BIN_EXE_pyward"))
        .args([
            "check",
            "--no-cache",
            "--isolated",
            "--output-format",
            "json",
        ])
        .current_dir(shop())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn what_is_marked_is_found_and_nothing_else() {
    let mut expected = BTreeSet::new();
    marked(&shop(), "", &mut expected);
    assert!(expected.len() >= 12, "the demo has a dozen flaws");
    let report = report();
    let found: BTreeSet<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| {
            (
                f["location"]["file"].as_str().unwrap().to_owned(),
                f["location"]["line"].as_u64().unwrap(),
                f["rule"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let missed: Vec<_> = expected.difference(&found).collect();
    let surplus: Vec<_> = found.difference(&expected).collect();
    assert!(
        missed.is_empty() && surplus.is_empty(),
        "missed: {missed:#?}\nnot marked: {surplus:#?}"
    );
}

#[test]
fn traces_cross_files() {
    let report = report();
    let findings = report["findings"].as_array().unwrap();
    let sql = findings
        .iter()
        .find(|f| f["rule"] == "sql-injection")
        .unwrap();
    let trace = sql["trace"].as_array().unwrap();
    let files: Vec<_> = trace
        .iter()
        .map(|s| s["location"]["file"].as_str().unwrap())
        .collect();
    assert_eq!(files.first(), Some(&"shop/views.py"));
    assert!(files.contains(&"shop/products.py"));
    assert_eq!(files.last(), Some(&"shop/database.py"));
}
