//! The command as people run it.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let temp = TempDir::with_prefix("pyward").unwrap();
    for (name, content) in files {
        let path = temp.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    temp
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pyward"));
    command
        .current_dir(folder)
        // The cache key belongs to the user who runs the tests, not to the tests.
        .env("XDG_CACHE_HOME", folder.join(".user-cache"))
        .env_remove("CLICOLOR_FORCE");
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder).args(arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn clean_project_exits_with_0() {
    let temp = folder(&[("a.py", "x = 1\n")]);
    let output = run(temp.path(), &["check"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(stdout(&output), "No findings in 1 file\n");
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_missing_path_exits_with_2_and_the_rest_is_checked() {
    let temp = folder(&[("a.py", "x = 1\n")]);
    let output = run(temp.path(), &["check", "a.py", "b.py"]);
    assert_eq!(code(&output), 2);
    assert_eq!(
        stderr(&output),
        "b.py: error[no-such-path]: no such file or folder\n"
    );
    assert!(stdout(&output).contains("1 file"));
    let zero = run(temp.path(), &["check", "--exit-zero", "b.py"]);
    assert_eq!(code(&zero), 2, "--exit-zero is about findings only");
}

#[test]
fn broken_syntax_is_one_line_with_its_place() {
    let temp = folder(&[("a.py", "x = 1\ny = = 2\nz = )\n")]);
    let output = run(temp.path(), &["check", "--no-cache"]);
    assert_eq!(code(&output), 0);
    let said = stderr(&output);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.starts_with("a.py:2:5: warning[syntax-error]: "),
        "{said}"
    );
}

#[test]
fn bad_settings_are_shown_where_they_stand() {
    let temp = folder(&[
        ("a.py", "x = 1\n"),
        (
            "pyproject.toml",
            "[tool.pyward]\nselect = ['sql-injektion']\n",
        ),
    ]);
    let output = run(temp.path(), &["check"]);
    assert_eq!(code(&output), 2);
    let said = stderr(&output);
    assert!(said.contains("--> pyproject.toml:2:11"), "{said}");
    assert!(said.contains("did you mean `sql-injection`?"), "{said}");
    assert!(stdout(&output).contains("1 file"), "the rest is checked");

    fs::write(
        temp.path().join("pyproject.toml"),
        "[tool.pyward]\nseverity = 1\n",
    )
    .unwrap();
    let output = run(temp.path(), &["check"]);
    assert_eq!(code(&output), 2);
    assert!(
        stderr(&output).contains("--> pyproject.toml:2:12"),
        "{}",
        stderr(&output)
    );
    assert_eq!(code(&run(temp.path(), &["check", "--isolated"])), 0);
}

#[test]
fn unknown_rules_on_the_command_line() {
    let temp = folder(&[("a.py", "x = 1\n")]);
    let output = run(temp.path(), &["check", "--select", "no-such-thing"]);
    assert_eq!(code(&output), 2);
    assert!(
        stderr(&output).contains("error[unknown-rule]"),
        "{}",
        stderr(&output)
    );
    for selector in ["ALL", "CWE-89", "I2", "sql-*", "sql-injection,weak-hash"] {
        let output = run(temp.path(), &["check", "--select", selector]);
        assert_eq!(code(&output), 0, "{selector}: {}", stderr(&output));
    }
}

#[test]
fn show_files_lists_what_is_checked() {
    let temp = folder(&[
        ("a.py", ""),
        ("b/c.py", ""),
        (".venv/d.py", ""),
        ("e.txt", ""),
    ]);
    let output = run(temp.path(), &["check", "--show-files"]);
    assert_eq!(stdout(&output), "a.py\nb/c.py\n");
    let output = run(temp.path(), &["check", "--show-files", "--exclude", "b/"]);
    assert_eq!(stdout(&output), "a.py\n");
}

#[test]
fn every_machine_format_is_well_formed_without_findings() {
    let temp = folder(&[("a.py", "x = (\n")]);
    for format in ["json", "sarif", "gitlab"] {
        let output = run(
            temp.path(),
            &["check", "--output-format", format, "--no-cache"],
        );
        let text = stdout(&output);
        serde_json::from_str::<serde_json::Value>(&text)
            .unwrap_or_else(|e| panic!("{format}: {e}\n{text}"));
    }
    for (format, start) in [
        ("junit", "<?xml"),
        ("html", "<!doctype html>"),
        ("github", "::warning file=a.py"),
    ] {
        let output = run(
            temp.path(),
            &["check", "--output-format", format, "--no-cache"],
        );
        assert!(stdout(&output).starts_with(start), "{format}");
    }
    let file = temp.path().join("out.sarif");
    let output = run(
        temp.path(),
        &["check", "--output-format", "sarif", "-o", "out.sarif"],
    );
    assert_eq!(stdout(&output), "");
    assert!(
        fs::read_to_string(file)
            .unwrap()
            .contains("\"version\": \"2.1.0\"")
    );
}

#[test]
fn standard_input() {
    let temp = folder(&[]);
    let mut child = command(temp.path())
        .args(["check", "-", "--stdin-filename", "app/new.py"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"x = = 1\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        stderr(&output).starts_with("app/new.py:1:5: warning[syntax-error]"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn rules_explain_practices_config_completions() {
    let temp = folder(&[]);
    let rules = stdout(&run(temp.path(), &["rules"]));
    assert!(
        rules.lines().any(|l| l.starts_with("sql-injection ")),
        "{rules}"
    );
    let explained = run(temp.path(), &["explain", "sql-injection"]);
    assert!(stdout(&explained).contains("CWE-89"));
    let unknown = run(temp.path(), &["explain", "sql-injektion"]);
    assert_eq!(code(&unknown), 2);
    assert!(stderr(&unknown).contains("did you mean `sql-injection`?"));
    let practices = stdout(&run(temp.path(), &["practices"]));
    assert!(practices.contains("sql-injection") && practices.contains("\nI2 "));
    let schema = stdout(&run(temp.path(), &["config", "schema"]));
    assert!(
        serde_json::from_str::<serde_json::Value>(&schema).unwrap()["properties"]["select"]
            .is_object()
    );
    let shown = stdout(&run(temp.path(), &["config"]));
    assert!(shown.contains("max-file-size = 10000000"), "{shown}");
    for shell in ["bash", "zsh", "fish", "powershell"] {
        assert!(stdout(&run(temp.path(), &["completions", shell])).contains("pyward"));
    }
}

#[test]
fn the_cache_ignores_itself_and_misses_on_every_change() {
    let temp = folder(&[("a.py", "x = = 1\n")]);
    let first = run(temp.path(), &["check"]);
    let cache = temp.path().join(".pyward_cache");
    assert_eq!(fs::read_to_string(cache.join(".gitignore")).unwrap(), "*\n");
    let entries = || {
        let entries = fs::read_dir(&cache).unwrap().flatten();
        entries
            .filter(|e| e.file_name().to_string_lossy().starts_with("result-"))
            .count()
    };
    assert_eq!(entries(), 1);
    let second = run(temp.path(), &["check"]);
    assert_eq!((first.stdout, first.stderr), (second.stdout, second.stderr));
    assert_eq!(entries(), 1);
    fs::write(temp.path().join("a.py"), "x = = 2\n").unwrap();
    run(temp.path(), &["check"]);
    assert_eq!(entries(), 2);
    // An entry that was not written with the user's key is not believed.
    for entry in fs::read_dir(&cache).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("result-") {
            let forged = format!("{}{}", "0".repeat(64), "{\"findings\":[],\"messages\":[]}");
            fs::write(entry.path(), forged).unwrap();
        }
    }
    let third = run(temp.path(), &["check"]);
    assert!(
        stderr(&third).contains("syntax-error"),
        "{}",
        stderr(&third)
    );
    let none = folder(&[("a.py", "")]);
    run(none.path(), &["check", "--no-cache"]);
    assert!(!none.path().join(".pyward_cache").exists());
}

#[test]
fn colour_is_off_when_piped_and_on_when_asked_for() {
    let temp = folder(&[("a.py", "")]);
    assert!(!stdout(&run(temp.path(), &["check"])).contains('\u{1b}'));
    assert!(stdout(&run(temp.path(), &["check", "--color", "always"])).contains('\u{1b}'));
}
