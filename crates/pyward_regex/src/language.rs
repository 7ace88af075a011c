//! Questions about the texts that a pattern lets through.
//!
//! All answers err on the side of "it can": where the automaton accepts more than the pattern
//! (look-around, back-references, unrolled counts), more texts count as let through.

use crate::automaton::Automaton;
use crate::parse::{Assertion, Node, nullable};
use crate::set::{CharSet, Item};
use crate::{Method, Pattern};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EndAnchor {
    Dollar,
    Strict,
}

/// Whether every match begins with `^` (not MULTILINE) or `\A`.
pub(crate) fn anchored_start(node: &Node) -> bool {
    match node {
        Node::Assert(Assertion::TextStart) => true,
        Node::Concat(items) => {
            for item in items {
                if anchored_start(item) {
                    return true;
                }
                if !matches!(item, Node::Assert(_) | Node::Look { .. } | Node::Empty) {
                    return false;
                }
            }
            false
        }
        Node::Alt(items) => items.iter().all(anchored_start),
        Node::Group(_, body) | Node::Atomic(body) => anchored_start(body),
        Node::Repeat { body, min, .. } => *min > 0 && anchored_start(body),
        _ => false,
    }
}

/// How every match is held to the end of the text.
pub(crate) fn end_anchor(node: &Node) -> Option<EndAnchor> {
    match node {
        Node::Assert(Assertion::TextEnd) => Some(EndAnchor::Strict),
        Node::Assert(Assertion::TextEndOrNewline) => Some(EndAnchor::Dollar),
        Node::Concat(items) => {
            for item in items.iter().rev() {
                if let Some(anchor) = end_anchor(item) {
                    return Some(anchor);
                }
                if !matches!(item, Node::Assert(_) | Node::Look { .. } | Node::Empty) {
                    return None;
                }
            }
            None
        }
        Node::Alt(items) => items.iter().map(end_anchor).min().flatten(),
        Node::Group(_, body) | Node::Atomic(body) => end_anchor(body),
        Node::Repeat { body, min, .. } if *min > 0 => end_anchor(body),
        _ => None,
    }
}

impl Pattern {
    /// The characters that a full match can hold.
    #[must_use]
    pub fn allowed_chars(&self) -> CharSet {
        let mut items = Vec::new();
        collect(&self.tree.root, &mut items);
        items.dedup();
        CharSet {
            items,
            ..CharSet::default()
        }
    }

    /// Whether a text that the pattern accepts, applied by `method`, can hold `needle` (ASCII).
    ///
    /// This is what decides if a check such as `if not re.match(PATTERN, text): reject()` keeps
    /// `needle` out: `"'"` for SQL, `".."` or `"/"` for paths, `"\n"` for headers.
    #[must_use]
    pub fn admits(&self, method: Method, needle: &str) -> bool {
        self.can(method, needle, false)
    }

    /// Whether a text that the pattern accepts, applied by `method`, can begin with `start`
    /// (ASCII): `"-"` for arguments of commands, `"/"` for paths, `"//"` for redirects.
    #[must_use]
    pub fn admits_start(&self, method: Method, start: &str) -> bool {
        self.can(method, start, true)
    }

    /// Whether `re.search` finds every text that holds `c`, so that a text in which nothing is
    /// found is free of it: true of `[^a-z]` for `/`, of `\.\.` for nothing.
    #[must_use]
    pub fn search_finds_every(&self, c: char) -> bool {
        matches_alone(&self.tree.root, c)
    }

    fn can(&self, method: Method, needle: &str, at_start: bool) -> bool {
        let Some(automaton) = &self.automaton else {
            return true;
        };
        if needle.is_empty() || !needle.is_ascii() {
            return true;
        }
        let strict_set = self.allowed_chars();
        let tail = method != Method::FullMatch
            && (0..automaton.states.len()).any(|s| automaton.states[s].accepts.anywhere);
        let dollar = automaton.states.iter().any(|s| s.accepts.at_dollar);
        let head = method == Method::Search && !anchored_start(&self.tree.root);
        // What surrounds the match is free: it can be anything.
        if head || (tail && !at_start) {
            return !self.looked_ahead_against(needle);
        }
        if !tail && !dollar && !needle.chars().all(|c| strict_set.contains(c)) {
            return false;
        }
        if self.looked_ahead_against(needle) {
            return false;
        }
        // The automaton passes over what a back-reference repeats.
        refers_back(&self.tree.root)
            || Walk {
                automaton,
                needle,
                method,
            }
            .holds(at_start)
    }

    /// Whether the pattern begins with `(?!.*X)` for an `X` that the needle contains.
    fn looked_ahead_against(&self, needle: &str) -> bool {
        let Node::Concat(items) = &self.tree.root else {
            return false;
        };
        let Some((Node::Assert(Assertion::TextStart), rest)) = items.split_first() else {
            return false;
        };
        rest.iter()
            .map_while(|n| {
                if let Node::Look {
                    ahead: true,
                    negative,
                    body,
                    ..
                } = n
                {
                    Some((*negative, body))
                } else {
                    None
                }
            })
            .filter(|(negative, _)| *negative)
            .any(|(_, body)| refuses(body, needle))
    }
}

/// Whether `.*X` with an `X` of single characters is found in every text with the needle.
fn refuses(body: &Node, needle: &str) -> bool {
    let Node::Concat(items) = body else {
        return false;
    };
    let Some((
        Node::Repeat {
            body: filler,
            min: 0,
            max: None,
            ..
        },
        rest,
    )) = items.split_first()
    else {
        return false;
    };
    let Node::Set(filler) = filler.as_ref() else {
        return false;
    };
    // A newline before the needle would stop `.`; the needle is then let through only with it.
    if !filler.negated {
        return false;
    }
    let sets: Option<Vec<&CharSet>> = rest
        .iter()
        .map(|n| {
            if let Node::Set(set) = n {
                Some(set)
            } else {
                None
            }
        })
        .collect();
    let Some(sets) = sets.filter(|sets| !sets.is_empty()) else {
        return false;
    };
    let needle: Vec<char> = needle.chars().collect();
    needle
        .windows(sets.len())
        .any(|part| part.iter().zip(&sets).all(|(&c, set)| set.contains(c)))
}

fn refers_back(node: &Node) -> bool {
    match node {
        Node::Backref { .. } => true,
        Node::Concat(nodes) | Node::Alt(nodes) => nodes.iter().any(refers_back),
        Node::Repeat { body, .. } | Node::Atomic(body) | Node::Group(_, body) => refers_back(body),
        Node::Conditional { yes, no, .. } => refers_back(yes) || refers_back(no),
        Node::Empty | Node::Set(_) | Node::Assert(_) | Node::Look { .. } => false,
    }
}

/// Adds the sets that a node consumes.
fn collect(node: &Node, items: &mut Vec<Item>) {
    match node {
        Node::Set(set) => items.push(Item::Set(set.clone())),
        Node::Concat(nodes) | Node::Alt(nodes) => nodes.iter().for_each(|n| collect(n, items)),
        Node::Repeat { body, .. } | Node::Atomic(body) | Node::Group(_, body) => {
            collect(body, items)
        }
        Node::Conditional { yes, no, .. } => {
            collect(yes, items);
            collect(no, items);
        }
        Node::Empty | Node::Assert(_) | Node::Look { .. } | Node::Backref { .. } => {}
    }
}

/// Whether the node matches the text of this one character, whatever is around it.
fn matches_alone(node: &Node, c: char) -> bool {
    match node {
        Node::Set(set) => set.contains(c),
        Node::Alt(items) => items.iter().any(|n| matches_alone(n, c)),
        Node::Group(_, body) => matches_alone(body, c),
        Node::Repeat { body, min, max, .. } => {
            *min <= 1 && *max != Some(0) && matches_alone(body, c)
        }
        Node::Concat(items) => {
            let free = |n: &Node| {
                nullable(n)
                    && !matches!(
                        n,
                        Node::Assert(_) | Node::Look { .. } | Node::Backref { .. }
                    )
                    && plain(n)
            };
            (0..items.len()).any(|i| {
                matches_alone(&items[i], c)
                    && items.iter().enumerate().all(|(j, n)| j == i || free(n))
            })
        }
        Node::Empty
        | Node::Assert(_)
        | Node::Look { .. }
        | Node::Backref { .. }
        | Node::Atomic(_)
        | Node::Conditional { .. } => false,
    }
}

/// Whether a node is free of assertions and of what does not give back what it took.
fn plain(node: &Node) -> bool {
    match node {
        Node::Empty | Node::Set(_) => true,
        Node::Concat(items) | Node::Alt(items) => items.iter().all(plain),
        Node::Group(_, body) => plain(body),
        Node::Repeat { body, kind, .. } => *kind != crate::parse::Kind::Possessive && plain(body),
        _ => false,
    }
}

/// A search for a needle along the paths of an automaton.
struct Walk<'a> {
    automaton: &'a Automaton,
    needle: &'a str,
    method: Method,
}

impl Walk<'_> {
    fn holds(&self, at_start: bool) -> bool {
        let states = &self.automaton.states;
        let useful = self.leads_to_end();
        let reached = if at_start {
            Vec::from([0])
        } else {
            self.reachable()
        };
        let mut current: Vec<usize> = reached.into_iter().filter(|&s| useful[s]).collect();
        for (i, c) in self.needle.char_indices() {
            // A match that ends here leaves the rest of the needle to what follows it.
            let rest = &self.needle[i..];
            if current.iter().any(|&s| self.ends(s, rest)) {
                return true;
            }
            let Some(class) = self.automaton.alphabet.class_of(c) else {
                return true;
            };
            let mut next: Vec<usize> = current
                .iter()
                .flat_map(|&s| &states[s].edges)
                .filter(|e| e.on & class != 0 && useful[e.to])
                .map(|e| e.to)
                .collect();
            next.sort_unstable();
            next.dedup();
            current = next;
        }
        !current.is_empty()
    }

    /// Whether a match may end after this state with `rest` behind it.
    fn ends(&self, state: usize, rest: &str) -> bool {
        let accepts = self.automaton.states[state].accepts;
        match self.method {
            Method::FullMatch => false,
            Method::Match | Method::Search => {
                accepts.anywhere || (accepts.at_dollar && rest == "\n")
            }
        }
    }

    fn reachable(&self) -> Vec<usize> {
        let states = &self.automaton.states;
        let mut seen = vec![false; states.len()];
        let mut list = vec![0];
        seen[0] = true;
        let mut next = 0;
        while next < list.len() {
            for edge in &states[list[next]].edges {
                if !seen[edge.to] {
                    seen[edge.to] = true;
                    list.push(edge.to);
                }
            }
            next += 1;
        }
        list
    }

    /// The states from which a match can be completed.
    fn leads_to_end(&self) -> Vec<bool> {
        let states = &self.automaton.states;
        let mut before = vec![Vec::new(); states.len()];
        for (from, state) in states.iter().enumerate() {
            for edge in &state.edges {
                before[edge.to].push(from);
            }
        }
        let mut useful: Vec<bool> = states.iter().map(|s| s.accepts.any()).collect();
        let mut list: Vec<usize> = (0..states.len()).filter(|&s| useful[s]).collect();
        while let Some(state) = list.pop() {
            for &from in &before[state] {
                if !useful[from] {
                    useful[from] = true;
                    list.push(from);
                }
            }
        }
        useful
    }
}
