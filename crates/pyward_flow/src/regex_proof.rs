//! What passing a regular expression proves of a text, context by context.

use dashmap::DashMap;
use pyward_regex::{Flags, Method, Pattern};

use crate::models::Compiled;
use crate::value::Contexts;

/// Texts without which a context is safe. A context that is not listed is never proven by a pattern.
const DANGEROUS: &[(&str, &[&str])] = &[
    ("sql", &["'", "\"", ";", "--", "(", " ", "`", "\\"]),
    ("nosql", &["$", "{", "'", "\""]),
    (
        "shell",
        &[
            ";", "|", "&", "$", "`", "\n", ">", "<", " ", "(", "'", "\"", "\\",
        ],
    ),
    ("argument", &["-"]),
    ("code", &["(", "[", "'", "\"", ";", "\n", "="]),
    ("template", &["{", "%"]),
    ("path", &["/", "\\", ".."]),
    ("archive", &["/", "\\", ".."]),
    ("html", &["<", ">", "\"", "'", "&"]),
    ("redirect", &["/", ":", "\\"]),
    ("url", &["/", ":", "@", "."]),
    ("xpath", &["'", "\"", "[", "("]),
    ("ldap", &["(", ")", "*", "\\", "|", "&"]),
    ("header", &["\n", "\r"]),
    ("log", &["\n", "\r"]),
    ("regex", &["(", "*", "+", "[", "\\", "."]),
    ("format", &["{", "%"]),
    ("reflection", &["_", "."]),
];

/// Proofs of patterns met so far.
#[derive(Debug, Default)]
pub(crate) struct RegexProofs {
    proofs: DashMap<(String, Kind), Contexts>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Match,
    FullMatch,
    Search,
    Absent,
}

impl RegexProofs {
    /// The contexts that a text is safe in when `re.<method>` with the pattern has this outcome on it.
    pub(crate) fn proof(
        &self,
        pattern: &str,
        method: &str,
        outcome: bool,
        models: &Compiled,
    ) -> Contexts {
        let kind = match (method, outcome) {
            ("fullmatch", true) => Kind::FullMatch,
            ("match", true) => Kind::Match,
            ("search", true) => Kind::Search,
            ("search" | "findall", false) => Kind::Absent,
            _ => return 0,
        };
        let key = (pattern.to_owned(), kind);
        if let Some(found) = self.proofs.get(&key) {
            return *found;
        }
        let contexts = compute(pattern, kind, models);
        self.proofs.insert(key, contexts);
        contexts
    }
}

fn compute(pattern: &str, kind: Kind, models: &Compiled) -> Contexts {
    let Ok(parsed) = Pattern::new(pattern, Flags::default()) else {
        return 0;
    };
    let mut contexts = 0;
    for (name, needles) in DANGEROUS {
        let safe = match kind {
            Kind::Absent => needles
                .iter()
                .all(|n| n.len() == 1 && n.chars().all(|c| parsed.search_finds_every(c))),
            _ if *name == "argument" => !parsed.admits_start(method(kind), "-"),
            _ if matches!(*name, "redirect" | "url")
                && !parsed.admits_start(method(kind), "/")
                && fixed_host(pattern) =>
            {
                true
            }
            _ => needles.iter().all(|n| !parsed.admits(method(kind), n)),
        };
        if safe {
            contexts |= models.context(name);
        }
    }
    contexts
}

fn method(kind: Kind) -> Method {
    match kind {
        Kind::FullMatch => Method::FullMatch,
        Kind::Match => Method::Match,
        Kind::Search | Kind::Absent => Method::Search,
    }
}

/// Whether an anchored pattern spells out scheme and host.
fn fixed_host(pattern: &str) -> bool {
    let rest = pattern.trim_start_matches('^');
    let Some(rest) = rest
        .strip_prefix("https://")
        .or_else(|| rest.strip_prefix("https?://"))
        .or_else(|| rest.strip_prefix("http://"))
    else {
        return false;
    };
    let host: String = rest.chars().take_while(|c| *c != '/').collect();
    rest.contains('/') && host.contains("\\.") && !host.contains(['*', '+', '['])
}
