//! Compilation of the syntax tree to a program of simple instructions.
//!
//! One compiler serves two readers. The matcher gets exact counters; the ambiguity analysis gets
//! repeats unrolled a few times and loops elsewhere, which accepts a little more.

use crate::parse::{Assertion, Kind, Node, nullable, width};
use crate::set::CharSet;

/// Programs larger than this are not unrolled further.
const MAX_UNROLLED: usize = 2_000;
/// Programs larger than this are refused.
const MAX_SIZE: usize = 20_000;
/// A bounded repeat up to this count is unrolled exactly for the analysis.
const EXACT_COPIES: u32 = 6;
/// A repeat whose upper bound is below this is no loop as far as polynomial growth goes.
const LONG_BOUND: u32 = 256;

pub(crate) type Pc = usize;

#[derive(Debug, Clone)]
pub(crate) enum Inst {
    /// Consumes one character of the set with this number.
    Set(usize),
    Assert(Assertion),
    /// Goes to the first; the second is the alternative on backtracking.
    Split(Pc, Pc),
    Jump(Pc),
    /// The way back of a loop; `bounded` when a small count ends it.
    Back {
        to: Pc,
        bounded: bool,
    },
    Save(usize),
    Look {
        ahead: bool,
        negative: bool,
        width: usize,
        next: Pc,
        single: Option<usize>,
    },
    Atomic {
        next: Pc,
    },
    /// The end of a look-around's or atomic group's body, which starts after its instruction.
    Done,
    Backref {
        group: u32,
        ignore_case: bool,
    },
    IfGroup {
        group: u32,
        no: Pc,
    },
    LoopStart {
        counter: usize,
    },
    Loop {
        counter: usize,
        min: u32,
        max: Option<u32>,
        greedy: bool,
        body: Pc,
    },
    Match,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Program {
    pub(crate) code: Vec<Inst>,
    pub(crate) sets: Vec<CharSet>,
    /// The ASCII characters of each set, as bits.
    pub(crate) ascii: Vec<u128>,
    pub(crate) counters: usize,
    pub(crate) groups: u32,
}

/// For the matcher: exact.
pub(crate) fn exact(node: &Node, groups: u32) -> Option<Program> {
    build(node, groups, true)
}

/// For the ambiguity analysis: without counters.
pub(crate) fn unrolled(node: &Node, groups: u32) -> Option<Program> {
    build(node, groups, false)
}

fn build(node: &Node, groups: u32, counters: bool) -> Option<Program> {
    let mut compiler = Compiler {
        out: Program {
            groups,
            ..Program::default()
        },
        counters,
        numbers: std::collections::HashMap::new(),
    };
    compiler.node(node)?;
    compiler.emit(Inst::Match)?;
    Some(compiler.out)
}

impl Program {
    /// Whether the set with this number holds the character.
    pub(crate) fn holds(&self, set: usize, c: char) -> bool {
        if c.is_ascii() {
            self.ascii[set] >> (c as u32) & 1 == 1
        } else {
            self.sets[set].contains(c)
        }
    }
}

struct Compiler {
    out: Program,
    counters: bool,
    numbers: std::collections::HashMap<CharSet, usize>,
}

impl Compiler {
    fn pc(&self) -> Pc {
        self.out.code.len()
    }

    fn emit(&mut self, inst: Inst) -> Option<Pc> {
        if self.out.code.len() >= MAX_SIZE {
            return None;
        }
        self.out.code.push(inst);
        Some(self.out.code.len() - 1)
    }

    fn set(&mut self, set: &CharSet) -> usize {
        if let Some(&number) = self.numbers.get(set) {
            return number;
        }
        self.out.sets.push(set.clone());
        self.out.ascii.push(
            (0..128u8)
                .filter(|&c| set.contains(char::from(c)))
                .fold(0, |bits, c| bits | 1 << c),
        );
        self.numbers.insert(set.clone(), self.out.sets.len() - 1);
        self.out.sets.len() - 1
    }

    fn node(&mut self, node: &Node) -> Option<()> {
        match node {
            Node::Empty => {}
            Node::Set(set) => {
                let number = self.set(set);
                self.emit(Inst::Set(number))?;
            }
            Node::Assert(assertion) => {
                self.emit(Inst::Assert(*assertion))?;
            }
            Node::Concat(items) => {
                for item in items {
                    self.node(item)?;
                }
            }
            Node::Alt(branches) => self.alternatives(branches)?,
            Node::Group(number, body) => {
                self.emit(Inst::Save(*number as usize * 2))?;
                self.node(body)?;
                self.emit(Inst::Save(*number as usize * 2 + 1))?;
            }
            Node::Look {
                ahead,
                negative,
                body,
                ..
            } => self.look(*ahead, *negative, body)?,
            Node::Atomic(body) => self.atomic(body)?,
            Node::Backref { group, ignore_case } => {
                self.emit(Inst::Backref {
                    group: *group,
                    ignore_case: *ignore_case,
                })?;
            }
            Node::Conditional { group, yes, no } => {
                let test = self.emit(Inst::IfGroup {
                    group: *group,
                    no: 0,
                })?;
                self.node(yes)?;
                let jump = self.emit(Inst::Jump(0))?;
                let start = self.pc();
                self.node(no)?;
                let end = self.pc();
                self.out.code[test] = Inst::IfGroup {
                    group: *group,
                    no: start,
                };
                self.out.code[jump] = Inst::Jump(end);
            }
            Node::Repeat {
                body,
                kind: Kind::Possessive,
                min,
                max,
            } => {
                let greedy = Node::Repeat {
                    body: body.clone(),
                    kind: Kind::Greedy,
                    min: *min,
                    max: *max,
                };
                self.atomic(&greedy)?;
            }
            Node::Repeat {
                body,
                min,
                max,
                kind,
            } => self.repeat(body, *min, *max, *kind == Kind::Greedy)?,
        }
        Some(())
    }

    fn alternatives(&mut self, branches: &[Node]) -> Option<()> {
        let mut jumps = Vec::new();
        for (i, branch) in branches.iter().enumerate() {
            if i + 1 == branches.len() {
                self.node(branch)?;
                break;
            }
            let split = self.emit(Inst::Split(0, 0))?;
            self.node(branch)?;
            jumps.push(self.emit(Inst::Jump(0))?);
            self.out.code[split] = Inst::Split(split + 1, self.pc());
        }
        let end = self.pc();
        for jump in jumps {
            self.out.code[jump] = Inst::Jump(end);
        }
        Some(())
    }

    fn look(&mut self, ahead: bool, negative: bool, body: &Node) -> Option<()> {
        let single = match body {
            Node::Set(set) => Some(self.set(set)),
            _ => None,
        };
        let width = if ahead { 0 } else { width(body)? };
        let at = self.emit(Inst::Look {
            ahead,
            negative,
            width,
            next: 0,
            single,
        })?;
        self.node(body)?;
        self.emit(Inst::Done)?;
        self.out.code[at] = Inst::Look {
            ahead,
            negative,
            width,
            next: self.pc(),
            single,
        };
        Some(())
    }

    fn atomic(&mut self, body: &Node) -> Option<()> {
        if !self.counters {
            return self.node(body);
        }
        let at = self.emit(Inst::Atomic { next: 0 })?;
        self.node(body)?;
        self.emit(Inst::Done)?;
        self.out.code[at] = Inst::Atomic { next: self.pc() };
        Some(())
    }

    fn repeat(&mut self, body: &Node, min: u32, max: Option<u32>, greedy: bool) -> Option<()> {
        match (min, max) {
            (_, Some(0)) => return Some(()),
            (1, Some(1)) => return self.node(body),
            (0, Some(1)) => return self.optional(body, greedy),
            _ => {}
        }
        if self.counters && ((min, max) != (0, None) || nullable(body)) {
            let counter = self.out.counters;
            self.out.counters += 1;
            self.emit(Inst::LoopStart { counter })?;
            let head = self.emit(Inst::Jump(0))?;
            let start = self.pc();
            self.node(body)?;
            self.out.code[head] = Inst::Jump(self.pc());
            self.emit(Inst::Loop {
                counter,
                min,
                max,
                greedy,
                body: start,
            })?;
            return Some(());
        }
        let small = self.out.code.len() < MAX_UNROLLED;
        if let Some(max) = max.filter(|max| small && *max <= EXACT_COPIES) {
            for _ in 0..min {
                self.node(body)?;
            }
            let mut splits = Vec::new();
            for _ in min..max {
                splits.push(self.emit(Inst::Split(0, 0))?);
                self.node(body)?;
            }
            let end = self.pc();
            for split in splits {
                self.out.code[split] = branch(greedy, split + 1, end);
            }
            return Some(());
        }
        let bounded = max.is_some_and(|max| max < LONG_BOUND);
        let copies = if small { min.min(3) } else { min.min(1) };
        for _ in 1..copies {
            self.node(body)?;
        }
        if copies > 0 {
            let start = self.pc();
            self.node(body)?;
            let split = self.emit(Inst::Split(0, 0))?;
            self.emit(Inst::Back { to: start, bounded })?;
            self.out.code[split] = branch(greedy, split + 1, self.pc());
        } else {
            let split = self.emit(Inst::Split(0, 0))?;
            self.node(body)?;
            self.emit(Inst::Back { to: split, bounded })?;
            self.out.code[split] = branch(greedy, split + 1, self.pc());
        }
        Some(())
    }

    fn optional(&mut self, body: &Node, greedy: bool) -> Option<()> {
        let split = self.emit(Inst::Split(0, 0))?;
        self.node(body)?;
        self.out.code[split] = branch(greedy, split + 1, self.pc());
        Some(())
    }
}

fn branch(greedy: bool, inside: Pc, outside: Pc) -> Inst {
    if greedy {
        Inst::Split(inside, outside)
    } else {
        Inst::Split(outside, inside)
    }
}
