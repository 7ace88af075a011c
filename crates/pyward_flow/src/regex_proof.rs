//! What passing a regular expression proves of a text, context by context.

use std::sync::Arc;

use dashmap::DashMap;
use pyward_ir::Symbol;
use pyward_regex::{Analysis, Flags, Method, Pattern, analyse_with};

use crate::models::Compiled;
use crate::value::Contexts;

/// Texts without which a context is safe. A context that is not listed is never proven by a pattern.
const DANGEROUS: &[(&str, &[&str])] = &[
    // A comment alone (`--`) takes away what follows, but lets nothing else in.
    ("sql", &["'", "\"", ";", "(", " ", "`", "\\"]),
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
    // A name without a separator stays in its folder.
    ("path", &["/"]),
    ("archive", &["/"]),
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
    /// By text, flags and whether it matches bytes.
    verdicts: DashMap<(Symbol, u32, bool), Arc<Analysis>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Match,
    FullMatch,
    Search,
    Absent,
}

impl RegexProofs {
    /// How a pattern backtracks. Nothing is said of one whose flags (those of `re`) are not known where they could
    /// change its meaning much.
    pub(crate) fn backtracking(
        &self,
        pattern: Symbol,
        flags: Option<u32>,
        is_bytes: bool,
    ) -> Arc<Analysis> {
        // What stands on several lines is most likely written for `re.VERBOSE`.
        if flags.is_none() && pattern.as_str().contains('\n') {
            return Arc::default();
        }
        let key = (pattern, flags.unwrap_or(0), is_bytes);
        if let Some(found) = self.verdicts.get(&key) {
            return Arc::clone(&found);
        }
        let mut flags = Flags::from_bits(key.1);
        flags.ascii |= is_bytes;
        let verdict = Arc::new(analyse_with(pattern.as_str(), flags));
        self.verdicts.insert(key, Arc::clone(&verdict));
        verdict
    }

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

impl RegexProofs {
    /// The contexts that a text is safe in when each match of a pattern in it has been replaced.
    pub(crate) fn removal(&self, pattern: &str, replacement: &str, models: &Compiled) -> Contexts {
        let proven = self.proof(pattern, "search", false, models);
        let brought_in = DANGEROUS
            .iter()
            .filter(|(_, needles)| needles.iter().any(|n| replacement.contains(n)))
            .fold(0, |all, (name, _)| all | models.context(name));
        proven & !brought_in
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
                .all(|n| n.chars().any(|c| parsed.search_finds_every(c))),
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
