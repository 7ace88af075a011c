use std::path::PathBuf;

use pyward_catalog::Catalog;
use pyward_program::{Program, ProgramFile};

/// Lines of each file that a rule reports.
fn lines(rule: &str, files: &[(&str, &str)]) -> Vec<(String, usize)> {
    let catalog = Catalog::builtin();
    let program = Program::new(
        files
            .iter()
            .map(|(path, text)| ProgramFile {
                is_test: false,
                path: PathBuf::from(path),
                ir: pyward_syntax::lower(text, Default::default()),
                is_test: false,
            })
            .collect(),
    );
    let analysis = pyward_flow::analyse(
        &program,
        catalog,
        &pyward_templates::Library::default(),
        pyward_flow::Options::default(),
    );
    let mut found = Vec::new();
    let of_application = crate::analyse(&program, &analysis, catalog);
    for finding in of_application.iter().chain(&analysis.findings) {
        if catalog.rules[usize::from(finding.rule)].id != rule {
            continue;
        }
        let path = program.path(finding.file).to_string_lossy().into_owned();
        let text = files.iter().find(|f| f.0 == path).map_or("", |f| f.1);
        let line = 1 + text[..finding.span.start as usize].matches('\n').count();
        found.push((path, line));
    }
    found
}

#[test]
fn the_rule_documents_cases_hold() {
    let catalog = Catalog::builtin();
    let mut problems = Vec::new();
    for rule in &catalog.rules {
        if rule.report.is_empty() {
            continue;
        }
        let document = catalog
            .document(&rule.id)
            .expect("every rule has a document");
        for case in &document.cases {
            let files: Vec<(&str, &str)> = case
                .files
                .iter()
                .map(|f| (f.path.as_str(), f.text.as_str()))
                .collect();
            let found = lines(&rule.id, &files);
            let expected: Vec<(String, usize)> = case
                .files
                .iter()
                .flat_map(|f| {
                    f.expected
                        .iter()
                        .map(|(line, of)| (f.path.clone(), *line, of))
                })
                .filter(|(_, _, of)| *of == &rule.id)
                .map(|(path, line, _)| (path, line))
                .collect();
            for missed in expected.iter().filter(|f| !found.contains(f)) {
                problems.push(format!("{}, {}: {missed:?} is missed", rule.id, case.name));
            }
            for wrong in found.iter().filter(|f| !expected.contains(f)) {
                problems.push(format!("{}, {}: {wrong:?} is reported", rule.id, case.name));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
