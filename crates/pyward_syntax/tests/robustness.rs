//! Whatever the text, `lower` comes back, with bounded stack and in bounded time.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use pyward_ir::{ExprKind, FileIr};
use pyward_syntax::{MAX_DEPTH, Options, dump, lower};

/// Lowers on the small stack that worker threads have.
fn lower_on_thread(text: String) -> FileIr {
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || lower(&text, Options::default()))
        .expect("a thread starts")
        .join()
        .expect("lowering does not panic")
}

fn nested(n: usize) -> Vec<(&'static str, String)> {
    let mut blocks = String::new();
    for i in 0..n.min(3000) {
        blocks.extend(std::iter::repeat_n(' ', i));
        blocks.push_str("if a:\n");
    }
    let mut functions = String::new();
    for i in 0..n.min(1500) {
        functions.extend(std::iter::repeat_n(' ', i));
        functions.push_str("def f():\n");
    }
    vec![
        ("parentheses", "(".repeat(n) + "1" + &")".repeat(n)),
        ("open parentheses", "(".repeat(n)),
        ("brackets", "[".repeat(n) + "1" + &"]".repeat(n)),
        ("braces", "{1:".repeat(n) + "1" + &"}".repeat(n)),
        ("calls", "f(".repeat(n) + "1" + &")".repeat(n)),
        ("call chain", "f".to_owned() + &"()".repeat(n)),
        ("subscript chain", "f".to_owned() + &"[0]".repeat(n)),
        ("attributes", "a".to_owned() + &".b".repeat(n)),
        ("invalid target", "f".to_owned() + &"()".repeat(n) + " = 1"),
        ("minus", "-".repeat(n) + "1"),
        ("not", "not ".repeat(n) + "1"),
        ("sum", "1+".repeat(n) + "1"),
        ("power", "1**".repeat(n) + "1"),
        ("strings", "'a' ".repeat(n)),
        ("comparison", "1<".repeat(n) + "1"),
        ("and", "a and ".repeat(n) + "a"),
        ("conditional", "1 if a else ".repeat(n) + "1"),
        ("lambda", "lambda:".repeat(n) + "1"),
        ("lambda defaults", "lambda x=".repeat(n) + "1"),
        ("await", "await ".repeat(n) + "a"),
        ("yield", "yield ".repeat(n) + "a"),
        ("star", "*".repeat(n) + "a"),
        ("walrus", "(a:=".repeat(n) + "1" + &")".repeat(n)),
        ("f-strings", "f'{".repeat(n) + "1" + &"}'".repeat(n)),
        (
            "format specs",
            "f'{a:".to_owned() + &"{a:".repeat(n) + &"}".repeat(n),
        ),
        (
            "comprehensions",
            "[x for x in ".repeat(n) + "a" + &"]".repeat(n),
        ),
        ("elif", "if a: b\n".to_owned() + &"elif a: b\n".repeat(n)),
        (
            "patterns",
            "match a:\n case ".to_owned() + &"[".repeat(n) + &"]".repeat(n) + ": 1",
        ),
        (
            "or patterns",
            "match a:\n case 1".to_owned() + &"|1".repeat(n) + ": 1",
        ),
        (
            "nested targets",
            "[".repeat(n) + "a" + &"]".repeat(n) + " = 1",
        ),
        (
            "with",
            "with (".to_owned() + &"(".repeat(n) + "a" + &")".repeat(n) + "): 1",
        ),
        ("decorators", "@".repeat(n) + "a\ndef f(): 1"),
        ("async", "async ".repeat(n) + "def f(): 1"),
        ("dotted import", "import a".to_owned() + &".a".repeat(n)),
        (
            "relative import",
            "from ".to_owned() + &".".repeat(n) + " import a",
        ),
        (
            "annotation",
            "x: ".to_owned() + &"a[".repeat(n) + "b" + &"]".repeat(n),
        ),
        (
            "string annotation",
            "x: '".to_owned() + &"(".repeat(n) + &")".repeat(n) + "'",
        ),
        ("assignments", "a=".repeat(n) + "1"),
        ("type parameters", "def f[T: ".to_owned() + &"(".repeat(n)),
        ("colons", "a:".repeat(n)),
        ("match words", "match ".repeat(n)),
        ("type words", "type ".repeat(n) + "= 1"),
        ("print", "print ".repeat(n)),
        ("backslashes", "\\\n".repeat(n) + "a"),
        ("quotes", "'''".repeat(n)),
        ("semicolons", "a;".repeat(n)),
        ("blocks", blocks),
        ("functions", functions),
        (
            "indents",
            (0..n.min(2000)).map(|i| " ".repeat(i) + "a\n").collect(),
        ),
    ]
}

/// Depth of an expression, found without recursion: children stand before their parents in the arena.
fn greatest_depth(file: &FileIr) -> u32 {
    let mut depths = vec![0_u32; file.exprs.len()];
    for (i, expr) in file.exprs.iter().enumerate() {
        let below = match &expr.kind {
            ExprKind::Binary { left, right, .. } => {
                depths[left.0 as usize].max(depths[right.0 as usize])
            }
            ExprKind::Unary { operand, .. } => depths[operand.0 as usize],
            ExprKind::Attribute { value, .. } => depths[value.0 as usize],
            ExprKind::Call { callee, args } => args
                .iter()
                .map(|a| depths[a.value.0 as usize])
                .chain([depths[callee.0 as usize]])
                .max()
                .unwrap_or(0),
            ExprKind::List(elements) | ExprKind::Tuple(elements) => elements
                .iter()
                .map(|e| depths[e.0 as usize])
                .max()
                .unwrap_or(0),
            _ => 0,
        };
        depths[i] = below + 1;
    }
    depths.into_iter().max().unwrap_or(0)
}

#[test]
fn deep_nesting_is_bounded() {
    for n in [10, 990, 10_000, 60_000] {
        for (name, text) in nested(n) {
            let start = Instant::now();
            let length = text.len();
            let file = lower_on_thread(text);
            let depth = greatest_depth(&file);
            assert!(depth <= MAX_DEPTH + 1, "{name} {n}: {depth}");
            let took = start.elapsed();
            assert!(
                took < Duration::from_secs(10),
                "{name} {n} ({length} bytes): {took:?}"
            );
        }
    }
}

#[test]
fn what_is_cut_off_is_said() {
    let file = lower_on_thread("x = ".to_owned() + &"1+".repeat(2000) + "a\ny = 2\n");
    assert_eq!(file.diagnostics.len(), 1);
    assert!(file.diagnostics[0].message.contains("deep"));
    assert_eq!(file.functions[0].body.len(), 2);
    let file = lower_on_thread("x = ".to_owned() + &"1+".repeat(900) + "a\n");
    assert_eq!(file.diagnostics, []);
    let file = lower_on_thread("(".repeat(200_000));
    assert!(file.diagnostics[0].message.contains("nested"));
}

#[test]
fn long_lines() {
    let megabytes = 5 << 20;
    let pieces = [
        "a, ",
        "[1, 2], ",
        "'x' ",
        "{'a': -1}, ",
        "f(a)(b).c, ",
        "a + ",
        "a.",
        "(",
        "[(",
        ")",
        "]",
        "f'{a}' ",
        "f'{",
        "{",
        "\"",
        "'''",
        "\\",
        "-",
        "not ",
        "lambda: ",
        "a if b else ",
        "x = ",
        "#",
        ";",
        "é",
        "\u{0}",
        " ",
        "\t",
        "@",
        "0",
        "0x",
        "1e",
        "$",
        "if a: ",
        "a: ",
        "match x",
        "*",
        "import ",
        "async ",
        "for x in y ",
        "[x for x in ",
        "def f(",
        "class A(",
        "with (a, ",
    ];
    for piece in pieces {
        let text = piece.repeat(megabytes / piece.len());
        let start = Instant::now();
        let _file = lower_on_thread(text);
        let took = start.elapsed();
        assert!(took < Duration::from_secs(20), "{piece:?}: {took:?}");
    }
}

/// Python text of the usual kind, as a seed for mutations.
const SEEDS: &[&str] = &[
    "import os\n\n@app.route('/')\ndef index(name: 'str' = \"x\", *, key=None):\n    for k, v in {**a, 'b': [c for c in d if c]}.items():\n        with open(f\"{k}{v!r:>{w}}\") as f, lock:\n            yield f.read()[1:2]\n    return None\n",
    "class A(B, metaclass=M):\n    '''doc'''\n    x: int = 1\n    __y = lambda self, *a, **k: (yield)\n    async def f(self):\n        try:\n            await g()\n        except* (C, D) as e:\n            raise E from e\n        else:\n            pass\n        finally:\n            del self.x\n",
    "match a:\n    case {'k': [x, *_], **rest} if (n := x) > 1:\n        print(f'{n=}', rf'\\d{n}', t'{n}')\n    case Point(x=0) | None:\n        global z; z += 1\n    case _:\n        from . import q as r\n",
    "def f[T: (int, str), **P](a, /, b: 'list[\"T\"]') -> \"T\":\n    nonlocal c\n    assert a, b\n    while not a:\n        break\n    else:\n        continue\ntype X[T] = T | None\nif TYPE_CHECKING:\n\timport a.b as c\nelif x: 1\n",
];

fn mutated() -> impl Strategy<Value = String> {
    let edit = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        0_u8..4,
        "\\PC{0,4}|[ \\t\\n'\"(){}\\[\\]:=,.*@\\\\#]{1,3}",
    );
    (0..SEEDS.len(), prop::collection::vec(edit, 0..8)).prop_map(|(seed, edits)| {
        let mut text: Vec<char> = SEEDS[seed].chars().collect();
        for (from, to, kind, new) in edits {
            if text.is_empty() {
                break;
            }
            let from = from.index(text.len());
            let to = (from + to.index(20)).min(text.len());
            match kind {
                0 => drop(text.splice(from..from, new.chars())),
                1 => drop(text.drain(from..to)),
                2 => {
                    let copy = text[from..to].to_vec();
                    text.splice(from..from, copy);
                }
                _ => text.truncate(from),
            }
        }
        text.into_iter().collect()
    })
}

/// What every later stage relies on.
fn check_invariants(text: &str, file: &FileIr) {
    assert!(!file.functions.is_empty());
    for (i, function) in file.functions.iter().enumerate() {
        assert!(function.parent.is_none_or(|p| (p.0 as usize) < i));
        assert!(function.params.len() <= function.locals.len());
        for (param, local) in function.params.iter().zip(&function.locals) {
            assert_eq!(param.name, *local);
        }
        assert!(
            function
                .captured
                .iter()
                .all(|&s| (s as usize) < function.locals.len())
        );
        assert!(function.captured.is_sorted());
    }
    let spans = file.exprs.iter().map(|e| e.span);
    let spans = spans.chain(file.stmts.iter().map(|s| s.span));
    for span in spans.chain(file.functions.iter().map(|f| f.span)) {
        assert!(span.start <= span.end, "{span:?}");
        assert!(
            text.get(span.start as usize..span.end as usize).is_some(),
            "{span:?}"
        );
    }
    // Every slot and id that the dump reads is in range, or this panics.
    assert!(!dump(file).contains("<slot "));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in "\\PC*|(?s).{0,200}") {
        check_invariants(&text, &lower(&text, Options::default()));
    }

    #[test]
    fn mutated_python(text in mutated(), is_stub: bool, is_notebook: bool) {
        let options = Options { is_stub, is_notebook };
        check_invariants(&text, &lower(&text, options));
    }

    #[test]
    fn lowering_is_a_function_of_the_text(text in mutated()) {
        let first = dump(&lower(&text, Options::default()));
        prop_assert_eq!(first, dump(&lower(&text, Options::default())));
    }
}

fn python_files(dir: &std::path::Path, out: &mut Vec<Vec<u8>>) {
    let mut paths: Vec<_> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() && !path.is_symlink() {
            python_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "py") {
            out.extend(std::fs::read(&path));
        }
    }
}

/// Splitmix64: the rounds of the test below are the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from(z ^ (z >> 31)).unwrap_or(0) % limit.max(1)
    }
}

/// Real files, cut, spliced into each other and sprinkled with bytes that matter.
///
/// `PYWARD_FUZZ_DIR` names a directory of Python files (default: this repository's), `PYWARD_FUZZ_ROUNDS` how
/// many mutations to try.
#[test]
fn mutated_files() {
    let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/../../python");
    let dir = std::env::var("PYWARD_FUZZ_DIR").unwrap_or_else(|_| repository.to_owned());
    let rounds = std::env::var("PYWARD_FUZZ_ROUNDS").map_or(300, |n| n.parse().unwrap_or(300));
    let mut files: Vec<Vec<u8>> = SEEDS.iter().map(|s| s.as_bytes().to_vec()).collect();
    python_files(std::path::Path::new(&dir), &mut files);
    let tokens = [
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "'",
        "\"",
        "'''",
        "f'",
        "f\"\"\"{",
        "\\",
        "\n",
        "\r",
        "\t",
        "    ",
        ":",
        ":=",
        "*",
        "**",
        "@",
        "lambda ",
        "async ",
        "await ",
        "match ",
        "case ",
        "yield ",
        "class ",
        "def ",
        "if ",
        "else",
        "not ",
        "\u{0}",
        "\u{c}",
        "é",
        "\u{feff}",
        "!r",
        "t'{",
        "global x\n",
        "__x",
    ];
    let mut random = Random(rounds as u64);
    for _ in 0..rounds {
        let mut bytes = files[random.below(files.len())].clone();
        let from = random.below(bytes.len());
        bytes.truncate(from + 20_000);
        bytes.drain(..from.saturating_sub(20_000));
        for _ in 0..=random.below(12) {
            let from = random.below(bytes.len());
            let to = (from + random.below(200)).min(bytes.len());
            match random.below(5) {
                0 => drop(bytes.drain(from..to)),
                1 => {
                    let other = &files[random.below(files.len())];
                    let start = random.below(other.len());
                    let end = (start + random.below(400)).min(other.len());
                    drop(bytes.splice(from..from, other[start..end].iter().copied()));
                }
                2 => bytes.truncate(to),
                3 => bytes.extend_from_within(from..to),
                _ => {
                    let token = tokens[random.below(tokens.len())];
                    drop(bytes.splice(from..from, token.bytes()));
                }
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let start = Instant::now();
        let file = std::panic::catch_unwind(|| lower(&text, Options::default()));
        let Ok(file) = file else {
            panic!("lowering panics on {text:?}");
        };
        assert!(start.elapsed() < Duration::from_secs(5), "slow: {text:?}");
        let failed = file
            .diagnostics
            .iter()
            .any(|d| d.message.contains("parser failed"));
        assert!(!failed, "the parser panics on {text:?}");
        check_invariants(&text, &file);
    }
}
