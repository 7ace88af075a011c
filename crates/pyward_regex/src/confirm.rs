//! Confirms suspicions by measuring.

use crate::ambiguity::{self, Candidate};
use crate::automaton::Automaton;
use crate::parse::{Node, Tree};
use crate::program::{self, Program};
use crate::{Method, Witness, matcher};

/// Steps of one measured run.
const LIMIT: u64 = 250_000;
/// Steps that show a degree well enough.
const ENOUGH: u64 = 20_000;
/// Steps of all measured runs of one pattern.
const TOTAL: u64 = 3_000_000;

pub(crate) fn backtracking(
    tree: &Tree,
    automaton: Option<&Automaton>,
) -> (Option<Witness>, Option<Witness>) {
    if !loops(&tree.root) {
        return (None, None);
    }
    let Some(automaton) = automaton else {
        return (None, None);
    };
    let Some(exact) = program::exact(&tree.root, tree.groups) else {
        return (None, None);
    };
    let mut gauge = Gauge {
        program: &exact,
        spent: 0,
        ends: ends(automaton),
    };
    let exponential = ambiguity::exponential(automaton)
        .iter()
        .find_map(|c| gauge.exponential(c));
    if exponential.is_some() {
        return (exponential, None);
    }
    let mut best: Option<Witness> = None;
    for candidate in ambiguity::polynomial(automaton, false) {
        let found = gauge.polynomial(&candidate, &Method::ALL);
        if found.as_ref().map(|w| (w.methods.len(), w.degree))
            > best.as_ref().map(|w| (w.methods.len(), w.degree))
        {
            best = found;
        }
    }
    if best.is_none() {
        best = ambiguity::polynomial(automaton, true)
            .iter()
            .find_map(|c| gauge.polynomial(c, &[Method::Search]));
    }
    (None, best)
}

/// Whether there is a repeat that could take many characters.
fn loops(node: &Node) -> bool {
    match node {
        Node::Empty | Node::Set(_) | Node::Assert(_) | Node::Backref { .. } => false,
        Node::Look { body, .. } | Node::Atomic(body) | Node::Group(_, body) => loops(body),
        Node::Concat(items) | Node::Alt(items) => items.iter().any(loops),
        Node::Repeat { body, max, .. } => max.is_none_or(|max| max > 6) || loops(body),
        Node::Conditional { yes, no, .. } => loops(yes) || loops(no),
    }
}

/// Ends that may make a match fail: nothing, and a character of every kind.
fn ends(automaton: &Automaton) -> Vec<String> {
    let mut ends = vec![String::new(), "!".into(), "\n!".into(), "\0".into()];
    ends.extend(
        automaton
            .alphabet
            .samples
            .iter()
            .take(10)
            .map(char::to_string),
    );
    ends
}

struct Gauge<'a> {
    program: &'a Program,
    spent: u64,
    ends: Vec<String>,
}

impl Gauge<'_> {
    fn steps(
        &mut self,
        candidate: &Candidate,
        end: &str,
        count: usize,
        method: Method,
    ) -> Option<u64> {
        if self.spent >= TOTAL {
            return None;
        }
        let text: Vec<char> = format!("{}{}{end}", candidate.prefix, candidate.pump.repeat(count))
            .chars()
            .collect();
        let run = matcher::run(self.program, &text, method, LIMIT);
        self.spent += run.steps;
        (!run.matched).then_some(run.steps)
    }

    fn exponential(&mut self, candidate: &Candidate) -> Option<Witness> {
        self.witness(candidate, &Method::ALL, |gauge, end, method| {
            gauge.doubles(candidate, end, method).then_some(None)
        })
    }

    fn polynomial(&mut self, candidate: &Candidate, methods: &[Method]) -> Option<Witness> {
        self.witness(candidate, methods, |gauge, end, method| {
            gauge.degree(candidate, end, method).map(Some)
        })
    }

    /// The first end for which some method is measured to grow.
    fn witness(
        &mut self,
        candidate: &Candidate,
        methods: &[Method],
        mut grows: impl FnMut(&mut Self, &str, Method) -> Option<Option<u32>>,
    ) -> Option<Witness> {
        let mut best: Option<Witness> = None;
        for end in self.ends.clone() {
            let mut holds = Vec::new();
            let mut degree = None;
            for &method in methods {
                if let Some(found) = grows(self, &end, method) {
                    holds.push(method);
                    degree = degree.max(found);
                }
            }
            if holds.len() > best.as_ref().map_or(0, |w| w.methods.len()) {
                let full = holds.len() == methods.len();
                best = Some(Witness {
                    prefix: candidate.prefix.clone(),
                    pump: candidate.pump.clone(),
                    suffix: end,
                    degree,
                    methods: holds,
                });
                if full {
                    break;
                }
            }
        }
        best
    }

    /// Whether two more repetitions keep costing three times the steps. A polynomial of a
    /// degree below seven does not do so at these lengths.
    fn doubles(&mut self, candidate: &Candidate, end: &str, method: Method) -> bool {
        let mut last: Option<u64> = None;
        let mut streak = 0;
        for count in [6, 8, 10, 12, 14, 16] {
            let Some(steps) = self.steps(candidate, end, count, method) else {
                return false;
            };
            let limited = steps >= LIMIT;
            if let Some(last) = last {
                streak = if steps >= last * 3 { streak + 1 } else { 0 };
                // At the limit the true ratio is not known, only that it is at least this.
                if limited {
                    return streak >= 1 || self.explodes(candidate, end, method);
                }
                if streak >= 2 && steps > 2_000 {
                    return true;
                }
            } else if limited {
                return self.explodes(candidate, end, method);
            }
            last = Some(steps);
        }
        false
    }

    /// The same where six repetitions already reach the limit: each one more has to multiply the
    /// steps by more than a polynomial of a low degree does.
    fn explodes(&mut self, candidate: &Candidate, end: &str, method: Method) -> bool {
        let mut last: Option<u64> = None;
        let mut ratio = (0, 0.0);
        for count in 2..6 {
            let Some(steps) = self.steps(candidate, end, count, method) else {
                return false;
            };
            if steps >= LIMIT {
                break;
            }
            if let Some(last) = last {
                ratio = (count, steps as f64 / last.max(1) as f64);
            }
            last = Some(steps);
        }
        match ratio {
            (5, ratio) => ratio >= 3.4,
            (4, ratio) => ratio >= 5.0,
            (3, ratio) => ratio >= 20.0,
            _ => false,
        }
    }

    /// The degree of the growth, if it is at least two.
    fn degree(&mut self, candidate: &Candidate, end: &str, method: Method) -> Option<u32> {
        let mut runs: Vec<(usize, u64)> = Vec::new();
        for count in [12, 18, 27, 40, 60, 90, 135] {
            let steps = self.steps(candidate, end, count, method)?;
            if steps >= LIMIT {
                break;
            }
            if let Some(&(_, last)) = runs.last()
                && count >= 40
                && steps * 10 < last * 18
            {
                return None;
            }
            runs.push((count, steps));
            if steps > ENOUGH && count >= 40 {
                break;
            }
        }
        let [.., (shorter, first), (longer, second)] = runs.as_slice() else {
            return None;
        };
        // The lower terms of the polynomial still weigh at these lengths: a little is added.
        let exponent =
            (*second as f64 / *first as f64).ln() / (*longer as f64 / *shorter as f64).ln() + 0.15;
        (2..=9u32)
            .rev()
            .find(|degree| exponent >= f64::from(*degree) - 0.5)
    }
}
