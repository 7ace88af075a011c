//! Discovery on folders made for the purpose.

use std::fs;
use std::path::{Path, PathBuf};

use pyward_project::{
    Code, Config, FileKind, Project, ProjectKind, Request, RootKind, Settings, discover,
};
use tempfile::TempDir;

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let temp = TempDir::with_prefix("pyward").unwrap();
    for (name, content) in files {
        let path = temp.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    temp
}

fn run_with(base: &Path, paths: &[&str], change: impl Fn(&mut Config)) -> Project {
    let mut settings = Settings::defaults(base);
    change(&mut settings.config);
    let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
    discover(&Request {
        working_directory: base,
        paths: &paths,
        settings: &settings,
        stdin: None,
        threads: 2,
    })
}

fn run(base: &Path, paths: &[&str]) -> Project {
    run_with(base, paths, |_| {})
}

fn shown(project: &Project) -> Vec<&str> {
    project.files.iter().map(|f| f.shown.as_str()).collect()
}

#[test]
fn finds_every_kind_of_python_and_nothing_else() {
    let temp = folder(&[
        ("a.py", b"x = 1\n"),
        ("b.pyi", b"x: int\n"),
        ("c.pyw", b"x = 1\n"),
        ("bin/tool", b"#!/usr/bin/env python3\nprint(1)\n"),
        ("bin/shell", b"#!/bin/sh\n"),
        (
            "n.ipynb",
            br#"{"cells": [{"cell_type": "code", "source": "x = 1"}]}"#,
        ),
        ("readme.md", b"text"),
        ("templates/mail.txt", b"{{ x }}"),
        ("page.html", b"<p>"),
        ("Dockerfile", b"FROM python"),
        ("requirements-dev.txt", b"flask"),
    ]);
    let project = run(temp.path(), &[]);
    assert_eq!(
        shown(&project),
        ["a.py", "b.pyi", "bin/tool", "c.pyw", "n.ipynb"]
    );
    let kinds: Vec<_> = project.files.iter().map(|f| f.kind).collect();
    assert_eq!(kinds[1], FileKind::Stub);
    assert_eq!(kinds[4], FileKind::Notebook);
    let templates: Vec<_> = project.templates.iter().map(|f| &f.shown).collect();
    assert_eq!(templates, ["page.html", "templates/mail.txt"]);
    let configuration: Vec<_> = project.configuration.iter().map(|f| &f.shown).collect();
    assert_eq!(configuration, ["Dockerfile", "requirements-dev.txt"]);
    assert!(project.diagnostics.is_empty());
}

#[test]
fn leaves_out_what_is_not_the_projects_own() {
    let temp = folder(&[
        ("app.py", b""),
        (".venv/lib/x.py", b""),
        ("env/pyvenv.cfg", b""),
        ("env/lib/y.py", b""),
        ("node_modules/z.py", b""),
        ("pkg/_vendor/v.py", b""),
        ("vendor/v.py", b""),
        ("shop/vendor/__init__.py", b""),
        (".hidden/h.py", b""),
        (".git/hooks/g.py", b""),
        (".gitignore", b"generated/\n"),
        ("generated/g.py", b""),
        ("old/o.py", b""),
    ]);
    let project = run_with(temp.path(), &[], |c| c.exclude = vec!["old/".into()]);
    assert_eq!(shown(&project), ["app.py", "shop/vendor/__init__.py"]);
    let all = run_with(temp.path(), &[], |c| {
        c.default_exclude = false;
        c.respect_gitignore = false;
        c.hidden = true;
    });
    assert_eq!(all.files.len(), 10, "{:?}", shown(&all));
}

#[test]
fn include_narrows_and_named_files_always_count() {
    let temp = folder(&[
        ("src/a.py", b""),
        ("src/deep/b.py", b""),
        ("c.py", b""),
        ("site-packages/d.py", b""),
        ("script.txt", b"x = 1"),
    ]);
    let project = run_with(temp.path(), &[], |c| c.include = vec!["src/".into()]);
    assert_eq!(shown(&project), ["src/a.py", "src/deep/b.py"]);
    let named = run(
        temp.path(),
        &["site-packages/d.py", "script.txt", "./c.py", "c.py"],
    );
    assert_eq!(shown(&named), ["c.py", "script.txt", "site-packages/d.py"]);
    assert_eq!(
        shown(&run(temp.path(), &["site-packages"])),
        ["site-packages/d.py"]
    );
}

#[test]
fn a_folder_that_an_outer_repository_ignores_is_checked_when_named() {
    let temp = folder(&[
        (".git/HEAD", b""),
        (".gitignore", b"*\n!b.py\n"),
        ("work/clone/a.py", b""),
        ("b.py", b""),
    ]);
    assert_eq!(shown(&run(temp.path(), &[])), ["b.py"]);
    let project = run(temp.path(), &["work/clone"]);
    assert_eq!(shown(&project), ["work/clone/a.py"]);
    assert_eq!(project.diagnostics[0].code, Code::IgnoredPath);
}

#[test]
fn bad_input_is_one_diagnostic_each_and_the_rest_is_read() {
    let temp = folder(&[
        ("good.py", b"x = 1\n"),
        ("latin.py", b"x = '\xe9'\n"),
        ("unknown.py", b"# coding: klingon\n"),
        ("big.py", &[b'#'; 2000]),
        ("broken.ipynb", b"{\"cells\": ["),
    ]);
    let project = run_with(temp.path(), &[".", "missing.py"], |c| {
        c.max_file_size = 1000
    });
    assert_eq!(shown(&project), ["good.py", "latin.py", "unknown.py"]);
    let lines: Vec<_> = project
        .diagnostics
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        lines,
        [
            "big.py: warning[file-too-large]: is larger than 1000 bytes and was not checked \
             (raise `max-file-size` or exclude the file)",
            "broken.ipynb:1:11: warning[invalid-notebook]: is not a notebook and was not checked \
             (EOF while parsing a list at line 1 column 11)",
            "latin.py:1:1: warning[undecodable-text]: is not valid UTF-8; read as Latin-1",
            "missing.py: error[no-such-path]: no such file or folder",
            "unknown.py:1:1: warning[unknown-encoding]: declares the encoding `klingon`, which is not known; read as UTF-8",
        ]
    );
}

#[test]
fn positions_count_characters_and_cells() {
    let temp = folder(&[
        ("a.py", "é = 'ü'; danger\n".as_bytes()),
        (
            "n.ipynb",
            br#"{"cells": [{"cell_type": "markdown", "source": ""}, {"cell_type": "code", "source": "a\nb\n"}, {"cell_type": "code", "source": "c"}]}"#,
        ),
    ]);
    let project = run(temp.path(), &[]);
    let offset = u32::try_from(project.files[0].text.find("danger").unwrap()).unwrap();
    let position = project.files[0].position(offset);
    assert_eq!(
        (position.line, position.column, position.cell),
        (1, 10, None)
    );
    let position = project.files[1].position(4);
    assert_eq!(
        (position.line, position.column, position.cell),
        (1, 1, Some(3))
    );
}

#[test]
fn roots_and_what_they_are() {
    let temp = folder(&[
        (
            "lib/pyproject.toml",
            b"[build-system]\nrequires = []\n[tool.setuptools.packages.find]\nwhere = [\"code\"]\n",
        ),
        ("lib/code/pkg/__init__.py", b""),
        ("lib/src/other/__init__.py", b""),
        ("web/manage.py", b""),
        ("web/setup.py", b""),
        ("web/shop/models.py", b""),
        ("web/shop/inner/__init__.py", b""),
        ("web/shop/inner/setup.py", b""),
        ("tool.py", b""),
        ("web/shop/tests/test_models.py", b""),
    ]);
    let project = run(temp.path(), &[]);
    let roots: Vec<_> = project
        .roots
        .iter()
        .map(|r| (r.shown.as_str(), r.kind, r.import_roots.join(",")))
        .collect();
    assert_eq!(
        roots,
        [
            ("", RootKind::Application, "lib,".to_owned()),
            ("lib", RootKind::Library, "code,src,".to_owned()),
            ("web", RootKind::Application, String::new()),
        ]
    );
    let inner = project
        .files
        .iter()
        .find(|f| f.shown.ends_with("inner/setup.py"))
        .unwrap();
    assert_eq!(inner.relative, "shop/inner/setup.py");
    let tests: Vec<_> = project
        .files
        .iter()
        .filter(|f| f.is_test)
        .map(|f| &f.shown)
        .collect();
    assert_eq!(tests, ["web/shop/tests/test_models.py"]);
}

#[test]
fn standard_input_goes_by_a_name() {
    let temp = folder(&[("pkg/pyproject.toml", b""), ("pkg/other.py", b"")]);
    let settings = Settings::defaults(temp.path());
    let project = discover(&Request {
        working_directory: temp.path(),
        paths: &[],
        settings: &settings,
        stdin: Some(("pkg/new.py".into(), b"x = 1\n".to_vec())),
        threads: 1,
    });
    assert_eq!(shown(&project), ["pkg/new.py"]);
    assert_eq!(project.files[0].relative, "new.py");
    assert_eq!(&*project.files[0].text, "x = 1\n");
}

#[test]
fn settings_are_found_checked_and_located() {
    let temp = folder(&[
        ("pyproject.toml", b"[project]\nname = 'x'\n\n[tool.pyward]\nselect = ['sql-injection']\nproject-kind = 'library'\n\n[tool.pyward.sanitizers]\n'app.clean' = ['sql', '*']\n\n[tool.pyward.sinks]\n'app.run' = 'sql-injection'\n'app.go' = { rule = 'open-redirect', args = ['0:target'] }\n"),
        ("sub/a.py", b""),
        ("bad/pyward.toml", b"severity = 'low'\nconfidense = 'high'\n"),
        ("worse/pyproject.toml", b"[tool.pyward]\nexclude = [\n"),
        ("value/pyward.toml", b"[sources]\n'app.body' = 'remotely'\n"),
        ("glob/pyward.toml", b"exclude = ['[z-a]']\n"),
    ]);
    let load = |start: &str| Settings::load(temp.path(), Path::new(start), None);
    let settings = load("sub/a.py").unwrap();
    assert_eq!(settings.shown.as_deref(), Some("pyproject.toml"));
    assert_eq!(settings.config.project_kind, ProjectKind::Library);
    let (name, span) = settings.config.rule_selectors().next().unwrap();
    assert_eq!(name, "sql-injection");
    assert_eq!(
        &settings.text[span.start as usize..span.end as usize],
        "'sql-injection'"
    );
    let models = settings.config.inline_models();
    assert_eq!(models.sanitizer[0].cleans, ["sql", "*"]);
    let sinks: Vec<_> = models
        .sink
        .iter()
        .map(|s| (&*s.path[0], &*s.rule, s.args.len()))
        .collect();
    assert_eq!(
        sinks,
        [
            ("app.go", "open-redirect", 1),
            ("app.run", "sql-injection", 2)
        ]
    );

    let error = |start: &str| load(start).unwrap_err().to_string();
    assert!(
        error("bad").starts_with("bad/pyward.toml:2:1: error[invalid-configuration]: unknown field `confidense`, expected one of"),
        "{}",
        error("bad")
    );
    assert!(
        error("worse").starts_with("worse/pyproject.toml:"),
        "{}",
        error("worse")
    );
    assert!(
        error("value").starts_with(
            "value/pyward.toml:2:14: error[invalid-configuration]: unknown variant `remotely`"
        ),
        "{}",
        error("value")
    );
    assert!(
        error("glob").starts_with("glob/pyward.toml:1:13: error"),
        "{}",
        error("glob")
    );
}
