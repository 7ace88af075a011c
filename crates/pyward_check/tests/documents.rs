//! The code blocks of Markdown documents are tests: what a document marks has to be reported, and nothing else; what it
//! shows as fixed has to be silent. `rules/*.md` are the rules' own, `tests/engine/*.md` what the engine understands of
//! Python, whatever the rule.
//!
//! `RULE=sql-injection cargo test -p pyward_check --test documents` runs the document of one rule,
//! `ENGINE=classes` in its place one of the engine's.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use pyward_catalog::document::{Case, CaseFile};
use pyward_catalog::{Catalog, RuleDoc};
use pyward_check::{Request, check};
use pyward_findings::{Confidence, Finding, Severity};
use pyward_project::{Code, Level, Settings};

/// Rules that the engine cannot check yet, each with what is missing. At least one case of each has to fail: a rule
/// that works leaves the list.
const NOT_YET: &[(&str, &str)] = &[];

/// The interpreter recurses with the nesting of the program.
const STACK: usize = 64 << 20;

#[test]
fn every_document_describes_what_is_found() {
    let catalog = Catalog::builtin();
    let only = std::env::var("RULE").ok();
    let documents: Vec<RuleDoc> = catalog
        .rules
        .iter()
        .filter(|rule| only.as_ref().is_none_or(|only| *only == rule.id))
        .map(|rule| {
            catalog
                .document(&rule.id)
                .expect("every rule has a document")
        })
        .collect();
    assert!(!documents.is_empty(), "there is no rule {only:?}");
    let cases: Vec<Test> = documents
        .iter()
        .flat_map(|d| tests("rules", &d.rule.id, d))
        .collect();

    let started = Instant::now();
    let failures = in_parallel(&cases, problems);
    let took = started.elapsed();

    let excused = |rule: &str| NOT_YET.iter().any(|(id, _)| *id == rule);
    let mut report = String::new();
    let mut failed = BTreeSet::new();
    for (test, problems) in cases.iter().zip(&failures) {
        if problems.is_empty() {
            continue;
        }
        failed.insert(test.rule);
        if !excused(test.rule) {
            report.push_str(problems);
        }
    }
    for (rule, missing) in NOT_YET {
        let seen = only.as_ref().is_none_or(|only| only == rule);
        if seen && !failed.contains(rule) {
            writeln!(
                report,
                "rules/{rule}.md: every case is right now: take it off NOT_YET ({missing})"
            )
            .unwrap();
        }
    }
    let count = failures.iter().filter(|text| !text.is_empty()).count();
    assert!(
        report.is_empty(),
        "{count} of {} cases are wrong ({took:.1?}):\n\n{report}",
        cases.len()
    );
}

#[test]
fn the_engine_understands_python() {
    let catalog = Catalog::builtin();
    let only = std::env::var("ENGINE").ok();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine");
    let rule = catalog.rule("command-injection").expect("a rule");
    let mut documents: Vec<(String, RuleDoc)> = fs::read_dir(&folder)
        .expect("the documents of the engine")
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_stem()?.to_str()?.to_owned();
            let text = fs::read_to_string(&path).ok()?;
            Some((name, RuleDoc::new(rule.clone(), text)))
        })
        .filter(|(name, _)| only.as_ref().is_none_or(|only| only == name))
        .collect();
    documents.sort_by(|a, b| a.0.cmp(&b.0));
    let cases: Vec<Test> = documents
        .iter()
        .flat_map(|(name, document)| tests("crates/pyward_check/tests/engine", name, document))
        .collect();
    assert!(!cases.is_empty(), "there is no document {only:?}");
    let failures = in_parallel(&cases, problems).concat();
    assert!(failures.is_empty(), "{failures}");
}

/// A case and where it stands.
struct Test<'a> {
    folder: &'static str,
    document: &'a str,
    rule: &'a str,
    case: &'a Case,
}

fn tests<'a>(
    folder: &'static str,
    document: &'a str,
    text: &'a RuleDoc,
) -> impl Iterator<Item = Test<'a>> {
    text.cases.iter().map(move |case| Test {
        folder,
        document,
        rule: &text.rule.id,
        case,
    })
}

/// What is wrong with a case, in words; empty when it is right.
fn problems(test: &Test) -> String {
    let case = test.case;
    let mut problems = String::new();
    let found = match run(&case.files, |file| file.text.clone()) {
        Ok(found) => found,
        Err(error) => return heading(test, &error),
    };
    for file in &case.files {
        let expected: BTreeSet<(usize, &str)> = file
            .expected
            .iter()
            .map(|(line, rule)| (*line, rule.as_str()))
            .collect();
        let of_file = |finding: &&Finding| {
            *finding.location.file == *file.path && case.rules.contains(&finding.rule)
        };
        let reported: BTreeSet<(usize, &str)> = found
            .iter()
            .filter(of_file)
            .filter(|finding| is_shown(finding))
            .map(|finding| (finding.location.line as usize, finding.rule.as_str()))
            .collect();
        for &(line, rule) in expected.difference(&reported) {
            let unsure = found
                .iter()
                .filter(of_file)
                .any(|finding| finding.location.line as usize == line && finding.rule == rule);
            let note = if unsure {
                " (found with low confidence only)"
            } else {
                ""
            };
            write_line(
                &mut problems,
                "missed",
                file,
                &file.text,
                line,
                &format!("{rule}{note}"),
            );
        }
        for &(line, rule) in reported.difference(&expected) {
            let finding = found
                .iter()
                .filter(of_file)
                .find(|finding| finding.location.line as usize == line && finding.rule == rule);
            let message = finding.map_or("", |finding| finding.message.as_str());
            write_line(
                &mut problems,
                "false",
                file,
                &file.text,
                line,
                &format!("{rule}: {message}"),
            );
        }
    }
    if case.files.iter().any(|file| file.fixed.is_some()) {
        let fixed = |file: &'_ CaseFile| file.fixed.clone().unwrap_or_else(|| file.text.clone());
        match run(&case.files, fixed) {
            Ok(found) => {
                let of_rule = |finding: &&Finding| finding.rule == test.rule;
                for finding in found.iter().filter(of_rule).filter(|f| is_shown(f)) {
                    let line = finding.location.line as usize;
                    let file = case
                        .files
                        .iter()
                        .find(|f| *f.path == *finding.location.file);
                    let Some(file) = file else { continue };
                    let what = format!("{}: {}", finding.rule, finding.message);
                    write_line(
                        &mut problems,
                        "after the fix",
                        file,
                        &fixed(file),
                        line,
                        &what,
                    );
                }
            }
            Err(error) => problems.push_str(&format!("    after the fix: {error}\n")),
        }
    }
    if problems.is_empty() {
        problems
    } else {
        heading(test, &problems)
    }
}

fn heading(test: &Test, problems: &str) -> String {
    let (folder, document, name) = (test.folder, test.document, &test.case.name);
    format!(
        "{folder}/{document}.md, \"{name}\"\n{}\n\n",
        problems.trim_end()
    )
}

fn write_line(out: &mut String, what: &str, file: &CaseFile, text: &str, line: usize, rule: &str) {
    let code = text
        .lines()
        .nth(line.saturating_sub(1))
        .unwrap_or("")
        .trim();
    let path = &file.path;
    writeln!(out, "    {what}: {path}:{line} {rule}\n        {code}").unwrap();
}

/// What a person sees with the default settings.
fn is_shown(finding: &Finding) -> bool {
    finding.confidence > Confidence::Low
}

/// Checks files as a project of their own, with all rules and down to the lowest confidence.
fn run(files: &[CaseFile], text: impl Fn(&CaseFile) -> String) -> Result<Vec<Finding>, String> {
    let folder = tempfile::TempDir::with_prefix("pyward").map_err(|e| e.to_string())?;
    for file in files {
        let path = folder.path().join(&file.path);
        fs::create_dir_all(path.parent().unwrap_or(folder.path())).map_err(|e| e.to_string())?;
        fs::write(&path, text(file)).map_err(|e| e.to_string())?;
    }
    let outcome = outcome(folder.path());
    let trouble = outcome
        .diagnostics
        .iter()
        .find(|d| d.level == Level::Error || d.code == Code::SyntaxError);
    match trouble {
        Some(diagnostic) => Err(format!("    {}", diagnostic.message)),
        None => Ok(outcome.findings),
    }
}

fn outcome(folder: &Path) -> pyward_check::Outcome {
    let mut settings = Settings::defaults(folder);
    settings.config.select = vec![toml::Spanned::new(0..0, "ALL".to_owned())];
    settings.config.confidence = Confidence::Low;
    settings.config.severity = Severity::Info;
    check(&Request {
        working_directory: folder,
        paths: &[],
        settings: &settings,
        stdin: None,
        threads: 1,
        cache: false,
        use_baseline: false,
        progress: &|_| {},
    })
}

/// Maps over the items on all cores, each thread with a pool of its own, so that no case waits for another's.
fn in_parallel<T: Sync>(items: &[T], map: impl Fn(&T) -> String + Sync) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(vec![String::new(); items.len()]);
    let worker = || {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .stack_size(STACK)
            .build()
            .expect("a thread");
        while let Some((index, item)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            items.get(index).map(|item| (index, item))
        } {
            let result = pool.install(|| map(item));
            results.lock().expect("no worker panics")[index] = result;
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(worker);
        }
    });
    results.into_inner().expect("no worker panics")
}
