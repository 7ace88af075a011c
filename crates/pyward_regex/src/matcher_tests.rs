//! The matcher against Python's own `re`, on generated patterns.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::{Flags, Method, matcher, parse, program};

/// A small deterministic generator (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    fn pattern(&mut self, depth: u32) -> String {
        let mut out = String::new();
        for _ in 0..1 + self.below(3) {
            let atom = match self.below(if depth == 0 { 8 } else { 15 }) {
                0 | 1 => "a".to_string(),
                2 => "b".into(),
                3 => "[ab]".into(),
                4 => ["\\w", "\\s", "[^a]", ".", "\\d"][self.below(5) as usize].into(),
                5 => "c".into(),
                6 => ["[a-c_]", "[]a]", "[^]b]", "[\\s-]"][self.below(4) as usize].into(),
                7 => ["^", "$", "\\b", "\\B", "\\Z", "\\A"][self.below(6) as usize].into(),
                8 | 9 => format!("({})", self.pattern(depth - 1)),
                10 => format!(
                    "(?:{}|{})",
                    self.pattern(depth - 1),
                    self.pattern(depth - 1)
                ),
                11 => format!("(?={})", self.pattern(depth - 1)),
                12 => format!("(?!{})", self.pattern(depth - 1)),
                13 => format!("(?<={})", ["a", "ab", "[bc]"][self.below(3) as usize]),
                _ => format!("(?>{})", self.pattern(depth - 1)),
            };
            let repeatable = !matches!(atom.as_str(), "^" | "$" | "\\b" | "\\B" | "\\Z" | "\\A");
            out.push_str(&atom);
            if repeatable && self.below(3) == 0 {
                out.push_str(
                    [
                        "*", "+", "?", "{2}", "{1,3}", "{,2}", "{2,}", "*?", "+?", "??", "{1,3}?",
                        "*+", "?+",
                    ][self.below(13) as usize],
                );
            }
        }
        out
    }
}

const SCRIPT: &str = r"
import re, sys
for line in sys.stdin:
    number, text, pattern = line.rstrip('\n').split('\t')
    text = text.replace('N', '\n')
    try:
        p = re.compile(pattern)
    except (re.error, OverflowError):
        print('invalid')
        continue
    print(int(p.match(text) is not None), int(p.fullmatch(text) is not None), int(p.search(text) is not None))
";

#[test]
fn agrees_with_python() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut cases = Vec::new();
    let mut input = String::new();
    for i in 0..4000 {
        let pattern = random.pattern(2);
        let text: String = (0..random.below(8))
            .map(|_| ['a', 'b', 'c', ' ', '1', 'N', '-'][random.below(7) as usize])
            .collect();
        writeln!(input, "{i}\t{text}\t{pattern}").unwrap();
        cases.push((pattern, text.replace('N', "\n")));
    }
    let mut python = Command::new("python3")
        .args(["-W", "ignore", "-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is needed for this test");
    let mut stdin = python.stdin.take().unwrap();
    let feed = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = python.wait_with_output().unwrap();
    feed.join().unwrap().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    assert_eq!(answers.lines().count(), cases.len());
    let (mut compared, mut wrong) = (0, Vec::new());
    for ((pattern, text), answer) in cases.iter().zip(answers.lines()) {
        let parsed = parse::parse(pattern, Flags::default());
        if text.is_empty() && pattern.contains("\\B") {
            continue; // Python 3.14 changed what it says of the empty text
        }
        if answer == "invalid" {
            // Possessive repeats and atomic groups are newer than some interpreters.
            if parsed.is_ok()
                && !pattern.contains("(?>")
                && !pattern.contains("*+")
                && !pattern.contains("?+")
            {
                wrong.push(format!("{pattern}: accepted, Python refuses it"));
            }
            continue;
        }
        let Ok(tree) = parsed else {
            wrong.push(format!("{pattern}: refused, Python accepts it"));
            continue;
        };
        let program = program::exact(&tree.root, tree.groups).unwrap();
        let text: Vec<char> = text.chars().collect();
        let ours: Vec<String> = Method::ALL
            .iter()
            .map(|&method| {
                u8::from(matcher::run(&program, &text, method, 1_000_000).matched).to_string()
            })
            .collect();
        compared += 1;
        if ours.join(" ") != answer {
            wrong.push(format!(
                "{pattern:?} on {text:?}: {} but Python says {answer}",
                ours.join(" ")
            ));
        }
    }
    assert!(compared > 2000, "only {compared} patterns were compared");
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
