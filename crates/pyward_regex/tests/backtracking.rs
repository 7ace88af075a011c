//! Tables of patterns whose behaviour is known, and the real engine as the judge of some.

use std::io::Write as _;
use std::process::{Command, Stdio};

use pyward_regex::{Method, analyse};

const EXPONENTIAL: &[&str] = &[
    r"^(a+)+$",
    r"^([a-zA-Z0-9]+\s?)*$",
    r"(a|a)*b",
    r"(a|aa)+$",
    r"(.*a){20}$",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(a*)*b",
    r"(?:a?b?)*c",
    r"(\w+\.?)+@",
    r"^(\d+)*$",
    r"(x+x+)+y",
    r"^(?:\s*\w+\s*,?)*$",
    r"([^,]*,?)*;",
    r"(?:[a-z]+|\d+|[a-z0-9]+)*!",
    r#"("[^"]*"|[^,]*|,)*\n"#,
    r"^(?=.*\d)([a-z0-9]+)*$",
    r"(?>(a+)+$)b",
    r"^([\w.-]+)+@",
    r"(a{1,5}){2,}c",
    r"(?i)^(<[a-z]+>|<\w+>)+$x",
    r"^([a-z]+)+\Z",
    r"((a|b|ab)*)c",
];

const POLYNOMIAL: &[(&str, u32)] = &[
    (r"\d+\d+x", 2),
    (r"^\s*(.*?)\s*$!", 3),
    (r"^a*a*a*$", 3),
    (r"a.*b.*c$", 2),
    (r#"<([^>]*\srel\s*=\s*['"]?([^'">]+)[^>]*)>"#, 2),
    (r"^(\w+)\s*=\s*(.*)\s*;$", 2),
    (r"^[^@]+@[^@]+\.[^@]+$", 2),
];

/// Quadratic only because `re.search` begins anew at every position.
const SEARCH_ONLY: &[&str] = &[r"\s+$", r"a+b", r"<!--.*-->", r"\w+@"];

const HARMLESS: &[&str] = &[
    r"^[a-z]+$",
    r"^\d{4}-\d{2}-\d{2}$",
    r"^([a-z]+,)*[a-z]+$",
    r"^(?:[a-z0-9]+-)*[a-z0-9]+\Z",
    r"^(\b\w+\b\s*)*$",
    r"^([^\W_]+_)*x$",
    r"(?:a|b|c)*$",
    r"^(a|[a-z])*!",
    r"^(?:\w+\s)*$",
    r"^(?>a+)+$",
    r"^(?:a++b?)+$",
    r"^(?:(?!-->).)*$",
    r"^(?:[^\\']|\\.)*'",
    r"^[a-z]{1,63}(?:\.[a-z]{1,63}){0,5}\Z",
    r"^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$",
    r"",
    r"^(?:a{2}|b{3}){4}$",
    r"(\d{1,3}\.){3}\d{1,3}",
    r"^((a)(b)?)+$",
    r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
];

#[test]
fn exponential_patterns_are_found() {
    for pattern in EXPONENTIAL {
        let found = analyse(pattern, false);
        assert!(found.invalid.is_none(), "{pattern}: {:?}", found.invalid);
        assert!(found.exponential.is_some(), "{pattern}: {found:?}");
    }
}

#[test]
fn polynomial_patterns_are_found() {
    for (pattern, degree) in POLYNOMIAL {
        let found = analyse(pattern, false);
        assert!(found.exponential.is_none(), "{pattern}: {found:?}");
        let witness = found
            .polynomial
            .unwrap_or_else(|| panic!("{pattern}: nothing found"));
        assert!(witness.degree >= Some(*degree), "{pattern}: {witness:?}");
    }
}

#[test]
fn later_starts_of_search_are_told_apart() {
    for pattern in SEARCH_ONLY {
        let found = analyse(pattern, false);
        let witness = found
            .polynomial
            .unwrap_or_else(|| panic!("{pattern}: nothing found"));
        assert_eq!(witness.methods, [Method::Search], "{pattern}");
        assert_eq!(witness.degree, Some(2), "{pattern}");
    }
}

#[test]
fn harmless_patterns_are_left_alone() {
    for pattern in HARMLESS {
        let found = analyse(pattern, false);
        assert!(found.invalid.is_none(), "{pattern}: {:?}", found.invalid);
        assert_eq!(found.exponential, None, "{pattern}");
        assert_eq!(found.polynomial, None, "{pattern}");
    }
}

#[test]
fn what_re_refuses_is_invalid() {
    for pattern in [
        "(",
        ")",
        "*a",
        "a**",
        "[",
        "[z-a]",
        r"\q",
        "(?P<n>a)(?P<n>b)",
        r"\1",
        "(?<=a+)b",
        "(?P=x)",
        "a{3,2}",
        "(?",
        "\\",
        "(?#",
    ] {
        assert!(analyse(pattern, false).invalid.is_some(), "{pattern}");
    }
    for pattern in [
        "a{",
        "a{,",
        "{",
        "a{x}",
        "]",
        "}",
        "[]]",
        "[^]]",
        "[a-]",
        "(?#x)a",
        "(?i)a",
        "a{,3}",
        "(?P<n>a)(?P=n)",
        "(a)?(?(1)b|c)",
    ] {
        assert_eq!(analyse(pattern, false).invalid, None, "{pattern}");
    }
}

#[test]
fn the_pump_text_of_a_verbose_pattern_is_found() {
    let found = analyse("^ ( a+ )+ $  # twice\n", true);
    assert_eq!(found.exponential.map(|w| w.pump), Some("a".into()));
}

/// The verdict "exponential" holds for the engine itself: with each witness Python takes more
/// than half a second on a text of at most 80 repetitions, in a child that is then killed.
#[test]
fn python_confirms_the_exponential_witnesses() {
    const SCRIPT: &str = r"
import re, sys, time, multiprocessing, json
def run(method, pattern, text):
    getattr(re, method)(pattern, text)
case = json.loads(sys.stdin.read())
pattern = re.compile(case['pattern'])
last = 0.0
for count in range(2, 80):
    start = time.perf_counter()
    getattr(pattern, case['method'])(case['prefix'] + case['pump'] * count + case['suffix'])
    last = time.perf_counter() - start
    if last > 0.5:
        break
print('slow' if last > 0.5 else 'fast')
";
    let quote = |text: &str| {
        let escaped: String = text
            .chars()
            .map(|c| format!("\\u{:04x}", c as u32))
            .collect();
        format!("\"{escaped}\"")
    };
    // One of each kind: the others differ in nothing that the engine sees.
    for pattern in [
        r"^(a+)+$",
        r"(a|aa)+$",
        r"(a*)*b",
        r"^(?:\s*\w+\s*,?)*$",
        r"((a|b|ab)*)c",
        r"^([\w.-]+)+@",
    ] {
        let witness = analyse(pattern, false)
            .exponential
            .unwrap_or_else(|| panic!("{pattern}"));
        let method = match witness.methods[0] {
            Method::Match => "match",
            Method::FullMatch => "fullmatch",
            Method::Search => "search",
        };
        let mut python = Command::new("python3")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is needed for this test");
        let case = format!(
            "{{\"pattern\":{},\"method\":\"{method}\",\"prefix\":{},\"pump\":{},\"suffix\":{}}}",
            quote(pattern),
            quote(&witness.prefix),
            quote(&witness.pump),
            quote(&witness.suffix)
        );
        python
            .stdin
            .take()
            .unwrap()
            .write_all(case.as_bytes())
            .unwrap();
        let output = python.wait_with_output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            "slow",
            "{pattern}: {witness:?}"
        );
    }
}
