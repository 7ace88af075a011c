//! Finds loops of the position automaton that the same text can take in more than one way.
//!
//! The criteria are those of Weber and Seidl (On the degree of ambiguity of finite automata,
//! 1991): exponential when some state is reached from itself along two different paths over one
//! word; polynomial when a word leads from p to p, from p to q and from q to q.
//! What is found here is a suspicion, since look-around, atomic groups and back-references are
//! passed over; the matcher confirms it.

use std::collections::{HashMap, VecDeque};

use crate::automaton::{Automaton, Mask};

/// A text to try: `prefix`, then `pump` many times, then some end that makes the match fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) prefix: String,
    pub(crate) pump: String,
}

/// Steps of all searches of one pattern together.
const BUDGET: usize = 150_000;
const MAX_CANDIDATES: usize = 6;

/// Texts on which the backtracking may grow exponentially.
pub(crate) fn exponential(automaton: &Automaton) -> Vec<Candidate> {
    let mut budget = BUDGET;
    let component = components(automaton, true);
    let mut out = Vec::new();
    let mut pairs = Pairs {
        automaton,
        component: &component,
        numbers: HashMap::new(),
        list: Vec::new(),
        edges: Vec::new(),
    };
    let first = automaton.scan.end;
    let mut doubled = Vec::new();
    for state in first..automaton.states.len() {
        for edge in &automaton.states[state].edges {
            if component[edge.to] != component[state] {
                continue;
            }
            pairs.number(state, state);
            if edge.twice {
                doubled.push((state, edge.to, edge.on));
            }
        }
        // The same move by two edges, of which one is bounded or under another condition.
        let edges = &automaton.states[state].edges;
        for (i, a) in edges.iter().enumerate() {
            for b in &edges[i + 1..] {
                if a.to == b.to && a.on & b.on != 0 && component[a.to] == component[state] {
                    doubled.push((state, a.to, a.on & b.on));
                }
            }
        }
    }
    for (from, to, on) in doubled {
        let back = path(
            automaton,
            to,
            |s| s == from,
            |s| component[s] == component[from],
        );
        if let Some(back) = back {
            let mut pump = String::from(automaton.alphabet.sample(on));
            pump.push_str(&back);
            out.extend(candidate(automaton, from, pump));
        }
        if out.len() >= MAX_CANDIDATES {
            return out;
        }
    }
    // When the budget ends this early, what was seen is still looked at.
    pairs.explore(&mut budget);
    let strong = strongly_connected(
        &pairs
            .edges
            .iter()
            .map(|e| e.iter().map(|x| x.0).collect())
            .collect::<Vec<Vec<usize>>>(),
    );
    let mut split: HashMap<usize, usize> = HashMap::new();
    for (i, &(p, q)) in pairs.list.iter().enumerate() {
        if p != q {
            split.entry(strong[i]).or_insert(i);
        }
    }
    let mut done: Vec<usize> = Vec::new();
    for (i, &(p, q)) in pairs.list.iter().enumerate() {
        if p != q || done.contains(&strong[i]) {
            continue;
        }
        let Some(&other) = split.get(&strong[i]) else {
            continue;
        };
        done.push(strong[i]);
        let there = pairs.path(i, other, &strong);
        let back = pairs.path(other, i, &strong);
        if let (Some(there), Some(back)) = (there, back) {
            out.extend(candidate(automaton, p, there + &back));
        }
        if out.len() >= MAX_CANDIDATES {
            break;
        }
    }
    out
}

/// Texts on which it may grow polynomially; with `search`, counting the later starts that
/// `re.search` tries.
pub(crate) fn polynomial(automaton: &Automaton, search: bool) -> Vec<Candidate> {
    let mut budget = BUDGET;
    let component = components(automaton, false);
    let looping: Vec<usize> = (automaton.scan.end..automaton.states.len())
        .filter(|&s| {
            automaton.states[s]
                .edges
                .iter()
                .any(|e| !e.bounded && component[e.to] == component[s])
        })
        .collect();
    let firsts: Vec<usize> = if search {
        automaton.scan.clone().collect()
    } else {
        looping.clone()
    };
    let mut out: Vec<Candidate> = Vec::new();
    for &p in &firsts {
        for &q in &looping {
            if component[p] == component[q] {
                continue;
            }
            if let Some(pump) = triple(automaton, &component, p, q, &mut budget) {
                let found = if search {
                    Some(Candidate {
                        prefix: String::new(),
                        pump,
                    })
                } else {
                    candidate(automaton, p, pump)
                };
                out.extend(found.filter(|c| !out.contains(c)));
            }
            if budget == 0 || out.len() >= 2 * MAX_CANDIDATES {
                return out;
            }
        }
    }
    out
}

fn candidate(automaton: &Automaton, state: usize, pump: String) -> Option<Candidate> {
    Some(Candidate {
        prefix: path(automaton, 0, |s| s == state, |_| true)?,
        pump,
    })
}

/// The word of a shortest path of at least one edge.
fn path(
    automaton: &Automaton,
    from: usize,
    goal: impl Fn(usize) -> bool,
    inside: impl Fn(usize) -> bool,
) -> Option<String> {
    if goal(from) {
        return Some(String::new());
    }
    let mut before: HashMap<usize, (usize, char)> = HashMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(state) = queue.pop_front() {
        for edge in &automaton.states[state].edges {
            if edge.to == from
                || before.contains_key(&edge.to)
                || !(inside(edge.to) || goal(edge.to))
            {
                continue;
            }
            before.insert(edge.to, (state, automaton.alphabet.sample(edge.on)));
            if goal(edge.to) {
                let mut word = Vec::new();
                let mut at = edge.to;
                while let Some(&(previous, c)) = before.get(&at) {
                    word.push(c);
                    at = previous;
                }
                return Some(word.iter().rev().collect());
            }
            queue.push_back(edge.to);
        }
    }
    None
}

/// Strongly connected components of the automaton's states.
fn components(automaton: &Automaton, bounded: bool) -> Vec<usize> {
    let edges: Vec<Vec<usize>> = automaton
        .states
        .iter()
        .map(|s| {
            s.edges
                .iter()
                .filter(|e| bounded || !e.bounded)
                .map(|e| e.to)
                .collect()
        })
        .collect();
    strongly_connected(&edges)
}

/// Tarjan's algorithm without recursion; gives the component of every node.
fn strongly_connected(edges: &[Vec<usize>]) -> Vec<usize> {
    const NONE: usize = usize::MAX;
    let n = edges.len();
    let (mut index, mut low, mut component) = (vec![NONE; n], vec![0; n], vec![NONE; n]);
    let (mut stack, mut counter, mut count) = (Vec::new(), 0, 0);
    for root in 0..n {
        if index[root] != NONE {
            continue;
        }
        let mut calls = vec![(root, 0)];
        while let Some((node, next)) = calls.pop() {
            if next == 0 {
                index[node] = counter;
                low[node] = counter;
                counter += 1;
                stack.push(node);
            }
            if let Some(&to) = edges[node].get(next) {
                calls.push((node, next + 1));
                if index[to] == NONE {
                    calls.push((to, 0));
                } else if component[to] == NONE {
                    low[node] = low[node].min(index[to]);
                }
                continue;
            }
            if low[node] == index[node] {
                while let Some(member) = stack.pop() {
                    component[member] = count;
                    if member == node {
                        break;
                    }
                }
                count += 1;
            }
            if let Some(&(parent, _)) = calls.last() {
                low[parent] = low[parent].min(low[node]);
            }
        }
    }
    component
}

/// The part of the product of the automaton with itself that lies within its loops.
struct Pairs<'a> {
    automaton: &'a Automaton,
    component: &'a [usize],
    numbers: HashMap<(usize, usize), usize>,
    list: Vec<(usize, usize)>,
    edges: Vec<Vec<(usize, Mask)>>,
}

impl Pairs<'_> {
    fn number(&mut self, p: usize, q: usize) -> usize {
        let key = (p.min(q), p.max(q));
        let next = self.list.len();
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.list.push(key);
            self.edges.push(Vec::new());
        }
        number
    }

    /// Follows every pair within the budget.
    fn explore(&mut self, budget: &mut usize) {
        let mut next = 0;
        while next < self.list.len() {
            let (p, q) = self.list[next];
            let automaton = self.automaton;
            for a in &automaton.states[p].edges {
                if self.component[a.to] != self.component[p] {
                    continue;
                }
                for b in &automaton.states[q].edges {
                    if a.on & b.on == 0 || self.component[b.to] != self.component[p] {
                        continue;
                    }
                    if *budget == 0 {
                        return;
                    }
                    *budget -= 1;
                    let to = self.number(a.to, b.to);
                    self.edges[next].push((to, a.on & b.on));
                }
            }
            next += 1;
        }
    }

    /// The word of a shortest path between two pairs of one component.
    fn path(&self, from: usize, to: usize, component: &[usize]) -> Option<String> {
        let mut before: HashMap<usize, (usize, Mask)> = HashMap::new();
        let mut queue = VecDeque::from([from]);
        while let Some(pair) = queue.pop_front() {
            for &(next, on) in &self.edges[pair] {
                if component[next] != component[from] || next == from || before.contains_key(&next)
                {
                    continue;
                }
                before.insert(next, (pair, on));
                if next == to {
                    let mut word = Vec::new();
                    let mut at = to;
                    while let Some(&(previous, on)) = before.get(&at) {
                        word.push(self.automaton.alphabet.sample(on));
                        at = previous;
                    }
                    return Some(word.iter().rev().collect());
                }
                queue.push_back(next);
            }
        }
        None
    }
}

/// A word that leads from p to p, from p to q and from q to q.
fn triple(
    automaton: &Automaton,
    component: &[usize],
    p: usize,
    q: usize,
    budget: &mut usize,
) -> Option<String> {
    type Key = (usize, usize, usize);
    const PER_PAIR: usize = 4_000;
    let mut before: HashMap<Key, (Key, Mask)> = HashMap::new();
    let start = (p, p, q);
    let mut queue = VecDeque::from([start]);
    while let Some(key) = queue.pop_front() {
        let (a, b, c) = key;
        for third in automaton.states[c]
            .edges
            .iter()
            .filter(|e| !e.bounded && component[e.to] == component[q])
        {
            for first in automaton.states[a]
                .edges
                .iter()
                .filter(|e| !e.bounded && component[e.to] == component[p])
            {
                let both = third.on & first.on;
                if both == 0 {
                    continue;
                }
                for middle in automaton.states[b]
                    .edges
                    .iter()
                    .filter(|e| e.on & both != 0)
                {
                    if *budget == 0 || before.len() > PER_PAIR {
                        return None;
                    }
                    *budget -= 1;
                    let next = (first.to, middle.to, third.to);
                    if next == start || before.contains_key(&next) {
                        continue;
                    }
                    before.insert(next, (key, middle.on & both));
                    if next == (p, q, q) {
                        let mut word = Vec::new();
                        let mut at = next;
                        while let Some(&(previous, on)) = before.get(&at) {
                            word.push(automaton.alphabet.sample(on));
                            at = previous;
                        }
                        return Some(word.iter().rev().collect());
                    }
                    queue.push_back(next);
                }
            }
        }
    }
    None
}
