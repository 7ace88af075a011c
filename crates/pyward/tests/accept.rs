//! Suppression, baseline and thresholds on real findings.

use std::process::Command;

#[test]
fn findings_can_be_accepted() {
    let temp = tempfile::TempDir::new().unwrap();
    let app = temp.path().join("app.py");
    let text = "from flask import Flask, request\nimport os\n\napp = Flask(__name__)\n\n\n@app.get('/')\ndef f():\n    os.system('ls ' + request.args['x'])\n    return ''\n";
    std::fs::write(&app, text).unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_pyward"))
            .args([
                "check",
                "--no-cache",
                "--select",
                "command-injection",
                "--output-format",
                "concise",
            ])
            .args(arguments)
            .current_dir(temp.path())
            .output()
            .unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, out, _) = run(&[]);
    assert_eq!(code, 1);
    assert!(out.starts_with("app.py:9:"), "{out}");
    assert_eq!(run(&["--exit-zero"]).0, 0);
    assert_eq!(run(&["--ignore", "command-injection"]).0, 0);

    assert_eq!(run(&["--write-baseline"]).0, 0);
    let (code, out, _) = run(&["--baseline", "pyward-baseline.json"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("1 suppressed"), "{out}");
    // The baseline survives edits elsewhere, and says when it is no longer needed.
    std::fs::write(&app, format!("# a line more\n{text}")).unwrap();
    assert_eq!(run(&["--baseline", "pyward-baseline.json"]).0, 0);
    std::fs::write(&app, "x = 1\n").unwrap();
    let (code, _, err) = run(&["--baseline", "pyward-baseline.json"]);
    assert_eq!(code, 0);
    assert!(err.contains("stale-baseline"), "{err}");

    let with = |comment: &str| {
        let text = text.replace("['x'])", &format!("['x'])  # {comment}"));
        std::fs::write(&app, text).unwrap();
        run(&[])
    };
    let (code, out, err) = with("pyward: ignore[command-injection] only digits get here");
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let (code, _, err) = with("pyward: ignore[command-injection] until=2020-01-01");
    assert_eq!(code, 1);
    assert!(
        err.contains("app.py:9:43: warning[expired-suppression]"),
        "{err}"
    );
    let (code, _, err) = with("pyward: ignore");
    assert_eq!(code, 1);
    assert!(err.contains("invalid-suppression"), "{err}");
    assert_eq!(with("nosec").0, 1);
    std::fs::write(temp.path().join("pyward.toml"), "respect-nosec = true\n").unwrap();
    assert_eq!(with("nosec B605").0, 0);
    assert_eq!(with("nosec B101").0, 1);
    let unused = text
        .replace("os.system", "print")
        .replace("['x'])", "['x'])  # pyward: ignore[command-injection]");
    std::fs::write(&app, unused).unwrap();
    let (code, _, err) = run(&[]);
    assert_eq!(code, 0);
    assert!(
        err.contains("app.py:9:39: warning[unused-suppression]"),
        "{err}"
    );
}
