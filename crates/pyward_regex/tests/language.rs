//! Which texts a check by a pattern lets through.

use pyward_regex::{Flags, Method, Pattern, allowed_chars, analyse};

fn pattern(text: &str) -> Pattern {
    Pattern::new(text, Flags::default()).unwrap()
}

#[test]
fn anchors() {
    for (text, start, end, newline) in [
        (r"^[a-z]+$", true, true, true),
        (r"\A[a-z]+\Z", true, true, false),
        (r"[a-z]+", false, false, false),
        (r"^a|b$", false, false, false),
        (r"^(?:a|b)$", true, true, true),
        (r"(?:^a$|^b\Z)", true, true, true),
        (r"(^a\Z|^b\Z)", true, true, false),
        (r"(?m)^a$", false, false, false),
        (r"^a?$\n?", true, false, false),
        (r"(?=x)^a", true, false, false),
        (r"(^)?a($)?", false, false, false),
    ] {
        let found = analyse(text, false);
        assert_eq!(
            (
                found.anchored_start,
                found.anchored_end,
                found.matches_newline_at_end
            ),
            (start, end, newline),
            "{text}"
        );
    }
}

#[test]
fn admitted_texts() {
    use Method::{FullMatch, Match, Search};
    for (text, method, needle, admits) in [
        (r"[a-z]+", FullMatch, "'", false),
        (r"[a-z]+", Match, "'", true),
        (r"[a-z]+$", Match, "'", false),
        (r"[a-z]+$", Match, "\n", true),
        (r"[a-z]+$", FullMatch, "\n", false),
        (r"[a-z]+\Z", Match, "\n", false),
        (r"[a-z]+$", Search, "'", true),
        (r"^[a-z]+$", Search, "'", false),
        (r"^[a-z]+$", Search, "\n", true),
        (r"(?m)^[a-z]+$", Search, "'", true),
        (r"^[\w./-]+$", Match, "/", true),
        (r"^[\w./-]+$", Match, "..", true),
        (r"^\w+\.\w+$", Match, "..", false),
        (r"^\w+\.\w+$", Match, ".", true),
        (r"^\w+(\.\w+)*$", Match, "..", false),
        (r"^(?!.*\.\.)[\w./]+\Z", Match, "..", false),
        (r"^(?!.*\.\.)[\w./]+\Z", Match, "/", true),
        (r"^(a|b)\1$", Match, "aa", true),
        (r"^https://example\.com/", Match, "'", true),
        (r"^(?:red|green)$", Match, ";", false),
        (r"(?s)^.*$", Match, "'", true),
        (r"^[^'\x22;]*$", Match, "'", false),
        (r"^[^'\x22;]*$", Match, "-", true),
        (r"^a$|^'$", Match, "'", true),
        (r"^a$|'", Match, "b", true),
    ] {
        assert_eq!(
            pattern(text).admits(method, needle),
            admits,
            "{text} {method:?} {needle:?}"
        );
    }
}

#[test]
fn admitted_beginnings() {
    use Method::{FullMatch, Match, Search};
    for (text, method, start, admits) in [
        (r"^[a-z][a-z-]*$", Match, "-", false),
        (r"^[a-z-]*$", Match, "-", true),
        (r"/(?!/).*", FullMatch, "//", false),
        (r"/.*", FullMatch, "//", true),
        (r"^https://example\.com/", Match, "http:", false),
        (
            r"^https://example\.com/",
            Match,
            "https://example.com/",
            true,
        ),
        (r"https://example\.com/", Search, "http:", true),
        (r"[a-z]*", Match, "-", true),
        (r"^[a-z]+", Match, "-", false),
    ] {
        assert_eq!(
            pattern(text).admits_start(method, start),
            admits,
            "{text} {method:?} {start:?}"
        );
    }
}

#[test]
fn rejecting_searches() {
    for (text, c, every) in [
        (r"[^a-z0-9]", '/', true),
        (r"[^a-z0-9]", 'a', false),
        (r"[^a-z0-9]+", '/', true),
        (r"\.\.", '.', false),
        (r"'|--", '\'', true),
        (r"'|--", '-', false),
        (r"^'", '\'', false),
        (r"(['\x22;])", ';', true),
        (r"\s*;\s*", ';', true),
        (r"[;]{2}", ';', false),
    ] {
        assert_eq!(pattern(text).search_finds_every(c), every, "{text} {c}");
    }
}

#[test]
fn characters_of_a_full_match() {
    let set = allowed_chars(r"^[\w.-]+@(?:[a-z]+\.)+[a-z]{2,}$").unwrap();
    assert!(set.contains('@') && set.contains('é') && set.contains('_'));
    assert!(!set.contains('\'') && !set.contains('/') && !set.contains('\n') && !set.contains('<'));
    assert!(allowed_chars("(").is_none());
    let folded = Pattern::new(
        "[a-z]+",
        Flags {
            ignore_case: true,
            ..Flags::default()
        },
    )
    .unwrap()
    .allowed_chars();
    assert!(folded.contains('Q') && !folded.contains('1'));
    assert!(allowed_chars("[^a]").unwrap().contains_any("ab"));
}
