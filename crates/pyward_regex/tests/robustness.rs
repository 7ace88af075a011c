//! No pattern may panic or take long.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use pyward_regex::{Flags, Method, Pattern, analyse_with};

/// Far more than any pattern takes, far less than a hang, also on a loaded machine without
/// optimisation.
const LIMIT: Duration = Duration::from_secs(20);

fn look(pattern: &str, flags: Flags) {
    let start = Instant::now();
    let _ = analyse_with(pattern, flags);
    if let Ok(parsed) = Pattern::new(pattern, flags) {
        for method in Method::ALL {
            let _ = parsed.admits(method, "..");
            let _ = parsed.admits_start(method, "-");
        }
        let _ = parsed.search_finds_every('\'');
        let _ = parsed.allowed_chars().contains('/');
    }
    assert!(
        start.elapsed() < LIMIT,
        "{:?} took {:?}",
        &pattern[..pattern.len().min(200)],
        start.elapsed()
    );
}

fn flags() -> impl Strategy<Value = Flags> {
    any::<u32>().prop_map(Flags::from_bits)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text(pattern in any::<String>(), flags in flags()) {
        look(&pattern, flags);
    }

    #[test]
    fn text_of_pattern_characters(pattern in r"[a-c()\[\]{}|*+?\\^$.,:=!<>P0-9#\-wdsbZ \n]{0,60}", flags in flags()) {
        look(&pattern, flags);
    }

    #[test]
    fn nested_patterns(pattern in tree(), flags in flags()) {
        look(&pattern, flags);
    }
}

fn tree() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("a".to_string()),
        Just("b".into()),
        Just(r"\w".into()),
        Just("[^a]".into()),
        Just(".".into()),
        Just(r"\b".into()),
        Just("$".into())
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|v| v.concat()),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|v| format!("(?:{})", v.join("|"))),
            (
                inner.clone(),
                prop_oneof![
                    Just("*"),
                    Just("+"),
                    Just("?"),
                    Just("{2,9}"),
                    Just("{3}"),
                    Just("{1,999}"),
                    Just("*?"),
                    Just("*+")
                ]
            )
                .prop_map(|(body, repeat)| format!("({body}){repeat}")),
            inner.clone().prop_map(|body| format!("(?={body})")),
            inner.prop_map(|body| format!("({body})\\1")),
        ]
    })
}

#[test]
fn large_patterns() {
    let flags = Flags::default();
    look(&"(".repeat(100_000), flags);
    look(&format!("{}a{}", "(".repeat(150), ")*".repeat(150)), flags);
    look(&"a*".repeat(5_000), flags);
    look(&"(a|b)*".repeat(2_000), flags);
    look(
        &format!(
            "({})*",
            (0..3_000)
                .map(|i| format!("w{i}"))
                .collect::<Vec<_>>()
                .join("|")
        ),
        flags,
    );
    look(
        &format!(
            "^({})+$",
            (0..300)
                .map(|i| format!("[a-z{i}]+x?"))
                .collect::<Vec<_>>()
                .join("|")
        ),
        flags,
    );
    look(
        "((((((((a{1,100}){1,100}){1,100}){1,100}){1,100}){1,100}){1,100}){1,100}){1,100}",
        flags,
    );
    look(&"a".repeat(100_000), flags);
    look(&"x".repeat(200_000), flags);
    look(
        &format!("{}|{}", "a".repeat(40_000), "a".repeat(40_000)),
        flags,
    );
    look(&format!("({}){{4294967295}}", "a?".repeat(300)), flags);
    look(&"(?=".repeat(190), flags);
    look(&format!("{}a{}", "(?=".repeat(190), ")".repeat(190)), flags);
    let set: String = (0..3_000u32)
        .filter_map(|i| char::from_u32(0x4e00 + i * 2))
        .collect();
    look(&format!("([{set}]+[^{set}]*)*$"), flags);
}
