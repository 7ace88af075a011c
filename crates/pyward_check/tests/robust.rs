//! No input may panic, hang or be lost in silence, and the result may not depend on threads or order.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use pyward_check::{Outcome, Request, check};
use pyward_project::{Code, Settings};

/// Far above what any of these inputs takes, even unoptimised on a busy machine.
const LIMIT: Duration = Duration::from_secs(100);

fn run(folder: &Path, threads: usize) -> Outcome {
    let settings = Settings::defaults(folder);
    let request = Request {
        working_directory: folder,
        paths: &[],
        settings: &settings,
        stdin: None,
        threads,
        cache: false,
        use_baseline: false,
        progress: &|_| {},
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .stack_size(256 << 20)
        .build()
        .unwrap();
    pool.install(|| check(&request))
}

/// Checks one file and asserts that nothing failed inside.
fn survives(name: &str, content: &[u8]) -> Outcome {
    let temp = tempfile::TempDir::with_prefix("pyward").unwrap();
    fs::write(temp.path().join(name), content).unwrap();
    let started = Instant::now();
    let outcome = run(temp.path(), 2);
    let took = started.elapsed();
    assert!(took < LIMIT, "{name} took {took:?}");
    let failed = outcome
        .diagnostics
        .iter()
        .find(|d| d.code == Code::InternalError);
    assert!(failed.is_none(), "{name}: {failed:?}");
    outcome
}

/// Python files of the repository to cut up: the demo application.
fn samples() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/vulnerable_shop/shop");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "py"))
        .collect();
    paths.sort();
    assert!(paths.len() > 5);
    paths
        .iter()
        .map(|p| fs::read_to_string(p).unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        survives("a.py", &bytes);
        survives("a.ipynb", &bytes);
    }

    #[test]
    fn arbitrary_python_like_text(text in "(def |class |if |[a-c]|=|\\(|\\)|:|\n|\n    |'|\"|f'|\\{|\\}|#|,|\\*|lambda |import |request\\.args|\\.|[0-9]|\\[|\\]|with |try:|except |match |case |return |yield |await ){0,120}") {
        survives("a.py", text.as_bytes());
    }

    #[test]
    fn cut_and_mixed_real_files(
        which in 0_usize..32, from in 0.0..1.0_f64, to in 0.0..1.0_f64,
        with in 0_usize..32, at in 0.0..1.0_f64,
    ) {
        let samples = samples();
        let a = samples[which % samples.len()].as_bytes();
        let b = samples[with % samples.len()].as_bytes();
        let cut = |bytes: &[u8], part: f64| (bytes.len() as f64 * part) as usize;
        let (start, end) = (cut(a, from.min(to)), cut(a, from.max(to)));
        let mut mixed = b[..cut(b, at)].to_vec();
        mixed.extend(&a[start..end]);
        mixed.extend(&b[cut(b, at)..]);
        survives("a.py", &mixed);
        survives("b.py", &a[..end]);
    }
}

#[test]
fn deep_nesting() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{1: ", "}"),
        ("f(", ")"),
        ("-", ""),
        ("not ", ""),
        ("lambda: ", ""),
    ] {
        let text = format!("x = {}1{}\n", open.repeat(20_000), close.repeat(20_000));
        survives("deep.py", text.as_bytes());
    }
    let mut blocks = String::new();
    for depth in 0..400 {
        let _ = writeln!(blocks, "{}if x:", " ".repeat(depth));
    }
    survives("blocks.py", blocks.as_bytes());
    let chain = format!(
        "x = a{}\ny = {}b\n",
        ".b()".repeat(20_000),
        "b + ".repeat(20_000)
    );
    survives("chain.py", chain.as_bytes());
}

#[test]
fn one_line_of_five_megabytes() {
    let list = format!("x = [{}]\n", "'abcdefg', ".repeat(450_000));
    assert!(list.len() > 4_900_000);
    survives("list.py", list.as_bytes());
    let text = format!("x = '{}'\n", "a".repeat(5_000_000));
    survives("text.py", text.as_bytes());
    let calls = format!("{}\n", "f(x); ".repeat(100_000));
    survives("calls.py", calls.as_bytes());
}

#[test]
fn large_functions_and_many_branches() {
    let mut text = String::from(
        "from flask import request\nimport os\n\ndef f(a):\n    x = request.args['a']\n",
    );
    for i in 0..3_000 {
        let _ = writeln!(
            text,
            "    if a == {i}:\n        x = x + str({i})\n    y{} = x",
            i % 50
        );
    }
    text.push_str("    os.system(x)\n");
    survives("branches.py", text.as_bytes());
    let mut calls = String::new();
    for i in 0..2_000 {
        let _ = writeln!(
            calls,
            "def f{i}(x):\n    return f{}(f{}(x))\n",
            (i + 1) % 2_000,
            (i * 7 + 3) % 2_000
        );
    }
    survives("recursive.py", calls.as_bytes());
}

/// Everything that is printed, as one text.
fn print(outcome: &Outcome) -> String {
    let mut text = String::new();
    for finding in &outcome.findings {
        let _ = writeln!(text, "{}", serde_json::to_string(finding).unwrap());
    }
    for diagnostic in &outcome.diagnostics {
        let _ = writeln!(text, "{diagnostic}");
    }
    let _ = writeln!(text, "{}", serde_json::to_string(&outcome.routes).unwrap());
    text
}

#[test]
fn threads_and_repetition_change_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/vulnerable_shop");
    let first = print(&run(&folder, 1));
    assert!(first.contains("command-injection"));
    for threads in [1, 2, 8] {
        for _ in 0..4 {
            assert_eq!(print(&run(&folder, threads)), first, "{threads} threads");
        }
    }
}
