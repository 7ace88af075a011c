//! A backtracking matcher that counts its steps: the measure that confirms a suspicion.
//!
//! It explores as the engine of `re` does, in the same order and without memoisation, so the
//! number of its steps grows as that engine's time does.

use crate::Method;
use crate::parse::Assertion;
use crate::program::{Inst, Pc, Program};
use crate::set::is_word;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) matched: bool,
    /// Instructions that consumed, branched or tested; the limit when that was reached.
    pub(crate) steps: u64,
}

pub(crate) fn run(program: &Program, text: &[char], method: Method, limit: u64) -> Run {
    let mut machine = Machine {
        program,
        text,
        steps: 0,
        limit,
        slots: vec![usize::MAX; (program.groups as usize + 1) * 2],
        counts: vec![(0, usize::MAX); program.counters],
        full: method == Method::FullMatch,
    };
    let last = if method == Method::Search {
        text.len()
    } else {
        0
    };
    let mut matched = false;
    for start in 0..=last {
        machine.slots.fill(usize::MAX);
        if machine.at(0, start).is_some() {
            matched = true;
            break;
        }
        if machine.steps >= limit {
            break;
        }
    }
    Run {
        matched: matched && machine.steps < limit,
        steps: machine.steps.min(limit),
    }
}

enum Undo {
    Slot(usize, usize),
    Count(usize, (u32, usize)),
}

struct Machine<'a> {
    program: &'a Program,
    text: &'a [char],
    steps: u64,
    limit: u64,
    slots: Vec<usize>,
    counts: Vec<(u32, usize)>,
    full: bool,
}

impl Machine<'_> {
    /// Runs from an instruction until `Match` or `Done`; gives the position reached.
    /// Recursion is one level per nested look-around or atomic group.
    fn at(&mut self, pc: Pc, position: usize) -> Option<usize> {
        let mut stack: Vec<(Pc, usize, usize)> = Vec::new();
        let mut trail: Vec<Undo> = Vec::new();
        let (mut pc, mut at) = (pc, position);
        loop {
            if self.steps >= self.limit {
                return None;
            }
            let mut alive = true;
            match &self.program.code[pc] {
                Inst::Set(number) => {
                    self.steps += 1;
                    alive = self
                        .text
                        .get(at)
                        .is_some_and(|&c| self.program.holds(*number, c));
                    at += 1;
                    pc += 1;
                }
                Inst::Assert(assertion) => {
                    self.steps += 1;
                    alive = self.holds(*assertion, at);
                    pc += 1;
                }
                Inst::Split(first, second) => {
                    self.steps += 1;
                    stack.push((*second, at, trail.len()));
                    pc = *first;
                }
                Inst::Jump(to) | Inst::Back { to, .. } => pc = *to,
                Inst::Save(slot) => {
                    trail.push(Undo::Slot(*slot, self.slots[*slot]));
                    self.slots[*slot] = at;
                    pc += 1;
                }
                Inst::Look {
                    ahead,
                    negative,
                    width,
                    next,
                    ..
                } => {
                    self.steps += 1;
                    let found = if *ahead {
                        self.at(pc + 1, at).is_some()
                    } else {
                        at.checked_sub(*width)
                            .is_some_and(|start| self.at(pc + 1, start).is_some())
                    };
                    alive = found != *negative;
                    pc = *next;
                }
                Inst::Atomic { next } => {
                    let next = *next;
                    match self.at(pc + 1, at) {
                        Some(end) => at = end,
                        None => alive = false,
                    }
                    pc = next;
                }
                Inst::Backref { group, ignore_case } => {
                    self.steps += 1;
                    match self.backref(*group, *ignore_case, at) {
                        Some(end) => at = end,
                        None => alive = false,
                    }
                    pc += 1;
                }
                Inst::IfGroup { group, no } => {
                    let set = self
                        .slots
                        .get(*group as usize * 2 + 1)
                        .is_some_and(|&s| s != usize::MAX);
                    pc = if set { pc + 1 } else { *no };
                }
                Inst::LoopStart { counter } => {
                    trail.push(Undo::Count(*counter, self.counts[*counter]));
                    self.counts[*counter] = (0, usize::MAX);
                    pc += 1;
                }
                Inst::Loop {
                    counter,
                    min,
                    max,
                    greedy,
                    body,
                } => {
                    self.steps += 1;
                    let (count, last) = self.counts[*counter];
                    let again = max.is_none_or(|max| count < max) && (count < *min || last != at);
                    let forced = count < *min;
                    let next = pc + 1;
                    if again && (forced || *greedy) {
                        if !forced {
                            stack.push((next, at, trail.len()));
                        }
                        trail.push(Undo::Count(*counter, (count, last)));
                        self.counts[*counter] = (count.saturating_add(1), at);
                        pc = *body;
                    } else if again {
                        // The lazy way back in counts when it is taken: it re-enters here as greedy.
                        stack.push((pc | LAZY, at, trail.len()));
                        pc = next;
                    } else {
                        pc = next;
                    }
                }
                Inst::Done => return Some(at),
                Inst::Match => {
                    if !self.full || at == self.text.len() {
                        return Some(at);
                    }
                    alive = false;
                }
            }
            if !alive {
                let (target, position, mark) = stack.pop()?;
                while trail.len() > mark {
                    match trail.pop() {
                        Some(Undo::Slot(slot, old)) => self.slots[slot] = old,
                        Some(Undo::Count(counter, old)) => self.counts[counter] = old,
                        None => break,
                    }
                }
                at = position;
                pc = target & !LAZY;
                if target & LAZY != 0
                    && let Inst::Loop { counter, body, .. } = &self.program.code[pc]
                {
                    let (count, last) = self.counts[*counter];
                    trail.push(Undo::Count(*counter, (count, last)));
                    self.counts[*counter] = (count.saturating_add(1), at);
                    pc = *body;
                }
            }
        }
    }

    fn backref(&self, group: u32, ignore_case: bool, at: usize) -> Option<usize> {
        let (start, end) = (
            *self.slots.get(group as usize * 2)?,
            *self.slots.get(group as usize * 2 + 1)?,
        );
        if start == usize::MAX || end == usize::MAX || start > end {
            return None;
        }
        let (want, have) = (
            self.text.get(start..end)?,
            self.text.get(at..at + (end - start))?,
        );
        let same =
            |a: &char, b: &char| a == b || (ignore_case && a.to_lowercase().eq(b.to_lowercase()));
        want.iter()
            .zip(have)
            .all(|(a, b)| same(a, b))
            .then_some(at + (end - start))
    }

    fn holds(&self, assertion: Assertion, at: usize) -> bool {
        let length = self.text.len();
        let word = |i: Option<usize>, ascii| {
            i.and_then(|i| self.text.get(i))
                .is_some_and(|&c| is_word(c, ascii))
        };
        let boundary = |ascii| word(at.checked_sub(1), ascii) != word(Some(at), ascii);
        match assertion {
            Assertion::TextStart => at == 0,
            Assertion::TextEnd => at == length,
            Assertion::TextEndOrNewline => {
                at == length || (at + 1 == length && self.text[at] == '\n')
            }
            Assertion::LineStart => at == 0 || self.text[at - 1] == '\n',
            Assertion::LineEnd => at == length || self.text[at] == '\n',
            Assertion::Boundary { ascii } => boundary(ascii),
            // Of the empty text `re` says that it has neither (until 3.14); that does not matter here.
            Assertion::NotBoundary { ascii } => !boundary(ascii),
        }
    }
}

/// Marks a stacked way back into a lazy loop.
const LAZY: usize = 1 << (usize::BITS - 1);
