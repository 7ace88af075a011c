//! The descriptions of facts, compiled, and matching against them.

use std::sync::{OnceLock, RwLock};

use pyward_catalog::Catalog;
use pyward_catalog::model::{Fact, Scalar};
use pyward_ir::{Const, Symbol};

use regex::bytes::{Regex, RegexBuilder};
use rustc_hash::{FxHashMap, FxHashSet};

/// A set of kinds of facts, one bit each.
pub(crate) type Kinds = u128;

/// Where a fact is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum On {
    Call,
    Read,
    Store,
    Keyword,
    Field,
    Item,
    Compare,
    Test,
    Return,
    Guard,
    Route,
    Url,
    Parameter,
    Column,
    String,
}

/// What there is to match.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Subject<'a> {
    /// The dotted name.
    pub(crate) chain: &'a [Symbol],
    /// The name that `named` looks at, where it is not the last part of the chain.
    pub(crate) names: &'a [Symbol],
    /// Kinds that the arguments, operands or the value carry.
    pub(crate) labels: Kinds,
    /// Constants among the arguments or operands.
    pub(crate) constants: &'a [Const],
    /// Texts among the arguments, formatted ones included.
    pub(crate) texts: &'a [Symbol],
    /// Names of keyword arguments.
    pub(crate) keywords: &'a [Symbol],
    /// `**` is unpacked.
    pub(crate) unpacks: bool,
    /// It stands in a condition.
    pub(crate) in_test: bool,
}

struct Matcher {
    kind: u8,
    on: Vec<On>,
    paths: Vec<(bool, Vec<Symbol>)>,
    named: Option<Pattern>,
    dotted: Option<Pattern>,
    not_named: Option<Pattern>,
    with: Kinds,
    with_all: Kinds,
    without: Kinds,
    constants: Vec<Scalar>,
    literal: Option<bool>,
    text: Option<Pattern>,
    keyword: Option<Pattern>,
    unpacks: bool,
    in_test: bool,
}

/// All descriptions.
pub(crate) struct Facts {
    kinds: Vec<String>,
    matchers: Vec<Matcher>,
    /// Matchers that have paths, by the last part of each.
    by_name: FxHashMap<Symbol, Vec<usize>>,
    /// Matchers without paths, by place.
    unnamed: FxHashMap<On, Vec<usize>>,
    /// Kinds that count where a guard or hook does it.
    pub(crate) protecting: Kinds,
    /// Kinds that only the whole of something carries.
    pub(crate) whole: Kinds,
    /// Kinds that descriptions ask for as labels.
    asked: Kinds,
    /// Constant texts that are paths: settings name middleware and classes so.
    by_text: FxHashMap<Symbol, Kinds>,
    /// Kinds by the places where they are looked for.
    on: FxHashMap<On, Kinds>,
}

fn places(on: Option<&str>) -> Vec<On> {
    match on {
        Some("call") => vec![On::Call],
        Some("read") => vec![On::Read],
        Some("store") => vec![On::Store],
        Some("keyword") => vec![On::Keyword],
        Some("field") => vec![On::Field],
        Some("item") => vec![On::Item],
        Some("compare") => vec![On::Compare],
        Some("test") => vec![On::Test],
        Some("return") => vec![On::Return],
        Some("guard") => vec![On::Guard],
        Some("route") => vec![On::Route],
        Some("url") => vec![On::Url],
        Some("parameter") => vec![On::Parameter],
        Some("column") => vec![On::Column],
        Some("string") => vec![On::String],
        _ => vec![On::Call, On::Read],
    }
}

/// A regular expression over names, compiled when it is first asked. The same names come again and again.
struct Pattern {
    text: String,
    regex: OnceLock<Option<Regex>>,
    known: RwLock<FxHashMap<Symbol, bool>>,
}

impl Pattern {
    fn new(text: Option<&String>) -> Option<Self> {
        Some(Self {
            text: text?.clone(),
            regex: OnceLock::new(),
            known: RwLock::default(),
        })
    }

    /// A malformed one, which the catalogue's own check reports, matches nothing.
    fn is_match(&self, name: &str) -> bool {
        let regex = self.regex.get_or_init(|| {
            // Names of libraries are ASCII, and tables for the rest take long to build.
            RegexBuilder::new(&self.text)
                .case_insensitive(true)
                .dot_matches_new_line(true)
                .unicode(false)
                .build()
                .ok()
        });
        regex.as_ref().is_some_and(|r| r.is_match(name.as_bytes()))
    }

    fn matches(&self, name: Symbol) -> bool {
        if let Ok(known) = self.known.read()
            && let Some(&answer) = known.get(&name)
        {
            return answer;
        }
        let answer = self.is_match(name.as_str());
        if let Ok(mut known) = self.known.write() {
            known.insert(name, answer);
        }
        answer
    }

    fn matches_dotted(&self, chain: &[Symbol]) -> bool {
        let dotted: Vec<&str> = chain.iter().map(|s| s.as_str()).collect();
        self.is_match(&dotted.join("."))
    }
}

impl Facts {
    pub(crate) fn new(catalog: &Catalog) -> Self {
        let mut all = Self {
            kinds: Vec::new(),
            matchers: Vec::new(),
            by_name: FxHashMap::default(),
            unnamed: FxHashMap::default(),
            protecting: 0,
            whole: 0,
            asked: 0,
            by_text: FxHashMap::default(),
            on: FxHashMap::default(),
        };
        for models in &catalog.models {
            for access in &models.access {
                let fact = Fact {
                    kind: access.kind.clone(),
                    path: access.path.clone(),
                    protects: true,
                    ..Fact::default()
                };
                all.add(&fact, vec![On::Call, On::Read, On::Guard]);
            }
            for fact in &models.fact {
                all.add(fact, places(fact.on.as_deref()));
            }
        }
        all
    }

    fn add(&mut self, fact: &Fact, on: Vec<On>) {
        let Some(kind) = self.intern(&fact.kind) else {
            return;
        };
        if fact.whole {
            self.whole |= 1 << kind;
        }
        if fact.protects {
            self.protecting |= 1 << kind;
        }
        for place in &on {
            *self.on.entry(*place).or_default() |= 1 << kind;
        }
        let mut paths = Vec::new();
        for path in &fact.path {
            let (anywhere, rest) = match path.strip_prefix("*.") {
                Some(rest) => (true, rest),
                None => (false, path.as_str()),
            };
            paths.push((
                anywhere,
                rest.split('.').map(Symbol::new).collect::<Vec<_>>(),
            ));
            if !anywhere && path.contains('.') && on.contains(&On::Guard) {
                *self.by_text.entry(Symbol::new(path)).or_default() |= 1 << kind;
            }
        }
        let with = self.set(&fact.with);
        let with_all = self.set(&fact.with_all);
        let without = self.set(&fact.without);
        self.asked |= with | with_all | without;
        let at = self.matchers.len();
        let star = Symbol::new("*");
        let is_open = |(_, path): &(bool, Vec<Symbol>)| path.last() == Some(&star);
        for (_, path) in paths.iter().filter(|p| !is_open(p)) {
            let list = path
                .last()
                .map(|last| self.by_name.entry(*last).or_default());
            if let Some(list) = list
                && list.last() != Some(&at)
            {
                list.push(at);
            }
        }
        if paths.is_empty() || paths.iter().any(is_open) {
            for place in &on {
                self.unnamed.entry(*place).or_default().push(at);
            }
        }
        self.matchers.push(Matcher {
            kind,
            on,
            paths,
            named: Pattern::new(fact.named.as_ref()),
            dotted: Pattern::new(fact.dotted.as_ref()),
            not_named: Pattern::new(fact.not_named.as_ref()),
            with,
            with_all,
            without,
            constants: fact
                .constant
                .as_ref()
                .map(|c| c.as_slice().to_vec())
                .unwrap_or_default(),
            literal: fact.literal,
            text: Pattern::new(fact.text.as_ref()),
            keyword: Pattern::new(fact.keyword.as_ref()),
            unpacks: fact.unpacks,
            in_test: fact.in_test,
        });
    }

    /// The number of a kind. There is room for as many as a set has bits.
    fn intern(&mut self, kind: &str) -> Option<u8> {
        if let Some(known) = self.kind(kind) {
            return Some(known);
        }
        let next = u8::try_from(self.kinds.len()).ok()?;
        if u32::from(next) >= Kinds::BITS {
            return None;
        }
        self.kinds.push(kind.to_owned());
        Some(next)
    }

    pub(crate) fn kind(&self, kind: &str) -> Option<u8> {
        let at = self.kinds.iter().position(|k| k == kind)?;
        u8::try_from(at).ok()
    }

    fn set(&mut self, kinds: &[String]) -> Kinds {
        let numbers = kinds.iter().filter_map(|k| self.intern(k));
        numbers.fold(0, |set, n| set | 1 << n)
    }

    /// The kinds that are looked for at a place of this sort.
    pub(crate) fn kinds_on(&self, on: On) -> Kinds {
        self.on.get(&on).copied().unwrap_or(0)
    }

    /// Of some kinds those that matter as labels.
    pub(crate) fn labels(&self, kinds: Kinds) -> Kinds {
        kinds & self.asked
    }

    /// The kinds that a text names as a path.
    pub(crate) fn of_text(&self, text: Symbol) -> Kinds {
        self.by_text.get(&text).copied().unwrap_or(0)
    }

    /// Last parts of the paths that something is known of.
    pub(crate) fn last_parts(&self) -> FxHashSet<Symbol> {
        self.by_name.keys().copied().collect()
    }

    /// Last parts of the paths of some kinds.
    pub(crate) fn last_parts_of(&self, kinds: Kinds) -> FxHashSet<Symbol> {
        let of_kinds = self
            .matchers
            .iter()
            .filter(|m| kinds & (1 << m.kind) != 0)
            .flat_map(|m| &m.paths);
        of_kinds
            .filter_map(|(_, path)| path.last().copied())
            .collect()
    }

    /// The kinds of facts that a subject is.
    pub(crate) fn find(&self, on: On, subject: &Subject<'_>) -> Kinds {
        let mut found = 0;
        let named = subject.chain.last().and_then(|last| self.by_name.get(last));
        let unnamed = self.unnamed.get(&on);
        for &at in named.into_iter().chain(unnamed).flatten() {
            let matcher = &self.matchers[at];
            if found & (1 << matcher.kind) == 0
                && matcher.on.contains(&on)
                && matcher.holds(subject)
            {
                found |= 1 << matcher.kind;
            }
        }
        found
    }
}

impl Matcher {
    fn holds(&self, subject: &Subject<'_>) -> bool {
        if self.in_test && !subject.in_test
            || self.unpacks && !subject.unpacks
            || self.with != 0 && self.with & subject.labels == 0
            || self.with_all & !subject.labels != 0
            || self.without & subject.labels != 0
        {
            return false;
        }
        if !self.paths.is_empty() && !self.paths.iter().any(|p| path_matches(p, subject.chain)) {
            return false;
        }
        let last = subject.chain.last();
        let names = || {
            subject
                .names
                .iter()
                .chain(last.filter(|_| subject.names.is_empty()))
        };
        if let Some(named) = &self.named
            && !names().any(|n| named.matches(*n))
        {
            return false;
        }
        if let Some(dotted) = &self.dotted
            && !dotted.matches_dotted(subject.chain)
        {
            return false;
        }
        if !self.constants.is_empty()
            && !subject
                .constants
                .iter()
                .any(|c| self.constants.iter().any(|s| equals(s, c)))
        {
            return false;
        }
        if let Some(literal) = self.literal
            && literal == subject.constants.is_empty()
        {
            return false;
        }
        if let Some(text) = &self.text
            && !subject.texts.iter().any(|t| text.matches(*t))
        {
            return false;
        }
        if let Some(keyword) = &self.keyword
            && !subject.keywords.iter().any(|k| keyword.matches(*k))
        {
            return false;
        }
        !self
            .not_named
            .as_ref()
            .is_some_and(|p| names().any(|n| p.matches(*n)) || p.matches_dotted(subject.chain))
    }
}

fn equals(scalar: &Scalar, constant: &Const) -> bool {
    match (scalar, constant) {
        (Scalar::Bool(a), Const::Bool(b)) => a == b,
        (Scalar::Int(a), Const::Int(b)) => a == b,
        (Scalar::Float(a), Const::Float(b)) => a == b,
        (Scalar::Str(a), Const::Str(b) | Const::Bytes(b)) => a == b.as_str(),
        (Scalar::Str(a), Const::None) => a == "None",
        _ => false,
    }
}

fn path_matches((anywhere, path): &(bool, Vec<Symbol>), chain: &[Symbol]) -> bool {
    if !*anywhere && chain.len() != path.len() || chain.len() < path.len() {
        return false;
    }
    let mut parts = path.iter().zip(&chain[chain.len() - path.len()..]);
    parts.all(|(part, name)| part == name || part.as_str() == "*")
}
