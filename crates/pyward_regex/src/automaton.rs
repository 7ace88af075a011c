//! The position automaton of a pattern: one state per consuming instruction, no empty moves,
//! and every edge knows how often it exists, since two empty paths between the same two
//! positions are an ambiguity too (`(a*)*`).

use std::collections::HashMap;

use crate::parse::Assertion;
use crate::program::{Inst, Pc, Program};
use crate::set::{CharSet, Class, Item, is_word};

/// A set of character classes.
pub(crate) type Mask = u128;

const MAX_STATES: usize = 3_000;
const MAX_EDGES: usize = 60_000;

/// The alphabet, cut into classes that the pattern cannot tell apart.
#[derive(Debug, Clone)]
pub(crate) struct Alphabet {
    /// One readable character of each class.
    pub(crate) samples: Vec<char>,
    ascii: Vec<u8>,
    /// The classes in each set of the program.
    pub(crate) sets: Vec<Mask>,
    pub(crate) all: Mask,
    word: Mask,
    newline: Mask,
}

impl Alphabet {
    fn new(program: &Program) -> Option<Self> {
        let mut letters: Vec<char> = ('a'..='z').chain('0'..='9').chain('A'..='Z').collect();
        letters.extend("!-_.,:;=+*?/@#%&|~^$'\"`()[]{}<>\\ ".chars());
        letters.extend((0..128u8).map(char::from).filter(|c| c.is_ascii_control()));
        // What is outside ASCII: the ends of the ranges written, and a few kinds of character.
        letters.extend(['é', 'ß', '٣', '中', '\u{a0}', '\u{2028}', '😀']);
        for set in &program.sets {
            edges_of(set, &mut letters);
        }
        let word: Vec<bool> = letters.iter().map(|&c| is_word(c, false)).collect();
        let mut classes: HashMap<Vec<bool>, u8> = HashMap::new();
        let mut alphabet = Alphabet {
            samples: Vec::new(),
            ascii: vec![0; 128],
            sets: vec![0; program.sets.len()],
            all: 0,
            word: 0,
            newline: 0,
        };
        for (&c, &is_word) in letters.iter().zip(&word) {
            let mut signature: Vec<bool> = (0..program.sets.len())
                .map(|set| program.holds(set, c))
                .collect();
            let members: Vec<usize> = signature
                .iter()
                .enumerate()
                .filter(|(_, m)| **m)
                .map(|(i, _)| i)
                .collect();
            signature.push(is_word);
            signature.push(c == '\n');
            let next = classes.len();
            let class = match classes.entry(signature) {
                std::collections::hash_map::Entry::Occupied(entry) => *entry.get(),
                std::collections::hash_map::Entry::Vacant(entry) => {
                    if next >= 128 {
                        return None;
                    }
                    let class = u8::try_from(next).ok()?;
                    entry.insert(class);
                    alphabet.samples.push(c);
                    let bit = 1 << class;
                    alphabet.all |= bit;
                    for set in members {
                        alphabet.sets[set] |= bit;
                    }
                    if is_word {
                        alphabet.word |= bit;
                    }
                    if c == '\n' {
                        alphabet.newline |= bit;
                    }
                    class
                }
            };
            if c.is_ascii() {
                alphabet.ascii[c as usize] = class;
            }
        }
        Some(alphabet)
    }

    /// A readable character of a set of classes.
    pub(crate) fn sample(&self, mask: Mask) -> char {
        self.samples
            .get(mask.trailing_zeros() as usize)
            .copied()
            .unwrap_or('!')
    }

    /// The class of an ASCII character.
    pub(crate) fn class_of(&self, c: char) -> Option<Mask> {
        self.ascii.get(c as usize).map(|&class| 1 << class)
    }
}

/// Adds the characters outside ASCII at which a set begins and ends.
fn edges_of(set: &CharSet, letters: &mut Vec<char>) {
    for item in &set.items {
        match item {
            Item::Range(low, high) if *high >= 128 && letters.len() < 400 => {
                for c in [(*low).max(128), *high, high + 1] {
                    letters.extend(char::from_u32(c));
                }
            }
            Item::Set(inner) => edges_of(inner, letters),
            Item::Range(..)
            | Item::Class(Class::Word { .. } | Class::Digit { .. } | Class::Space { .. }, _) => {}
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) to: usize,
    /// The classes that the edge consumes.
    pub(crate) on: Mask,
    /// Whether there is more than one such path.
    pub(crate) twice: bool,
    /// Whether a small count ends the loop that the edge closes.
    pub(crate) bounded: bool,
}

/// How a match can end after a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Accepts {
    /// Without any assertion about what follows, or with one that is not followed up here.
    pub(crate) anywhere: bool,
    /// At `$`: the end, or a newline that ends the text.
    pub(crate) at_dollar: bool,
    /// At `\Z`.
    pub(crate) at_end: bool,
}

impl Accepts {
    pub(crate) fn any(self) -> bool {
        self.anywhere || self.at_dollar || self.at_end
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) edges: Vec<Edge>,
    pub(crate) accepts: Accepts,
}

#[derive(Debug, Clone)]
pub(crate) struct Automaton {
    pub(crate) alphabet: Alphabet,
    /// State 0 is the start of the text; the states of `scan` follow it.
    pub(crate) states: Vec<State>,
    /// The states before a match that begins later in the text, as `re.search` tries it.
    pub(crate) scan: std::ops::Range<usize>,
}

/// What is known of the character before the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Cell(Option<u8>);

/// One empty path from a state to a consuming instruction.
#[derive(Clone, Copy)]
struct Path {
    /// The classes that may follow.
    next: Mask,
    dollar: bool,
    end: bool,
    bounded: bool,
}

impl Automaton {
    /// `None` when the pattern is too large for the analysis.
    pub(crate) fn new(program: &Program) -> Option<Self> {
        let alphabet = Alphabet::new(program)?;
        let cells = cells(program, &alphabet)?;
        let mut builder = Builder {
            program,
            alphabet: &alphabet,
            cells: &cells,
            visits: vec![0; program.code.len()],
            on_path: vec![false; program.code.len()],
            numbers: HashMap::new(),
            targets: Vec::new(),
            found: Vec::new(),
            accepts: Accepts::default(),
        };
        let mut states = Vec::new();
        let start = builder.state(0, Cell(None))?;
        states.push(start);
        let scan = 1..1 + cells.len();
        for (i, _) in cells.iter().enumerate() {
            let mut state = builder.state(0, Cell(Some(u8::try_from(i).ok()?)))?;
            for (j, &mask) in cells.iter().enumerate() {
                state.edges.push(Edge {
                    to: 1 + j,
                    on: mask,
                    twice: false,
                    bounded: false,
                });
            }
            states.push(state);
        }
        let mut edges = 0;
        let mut next = 0;
        while next < builder.targets.len() {
            let (pc, cell) = builder.targets[next];
            next += 1;
            let state = builder.state(pc + 1, Cell(Some(cell)))?;
            edges += state.edges.len();
            states.push(state);
            if states.len() > MAX_STATES || edges > MAX_EDGES {
                return None;
            }
        }
        Some(Automaton {
            alphabet,
            states,
            scan,
        })
    }
}

/// The classes, cut by what assertions ask of the character before them.
fn cells(program: &Program, alphabet: &Alphabet) -> Option<Vec<Mask>> {
    let mut cuts = Vec::new();
    for inst in &program.code {
        match inst {
            Inst::Assert(Assertion::Boundary { .. } | Assertion::NotBoundary { .. }) => {
                cuts.push(alphabet.word)
            }
            Inst::Assert(Assertion::LineStart) => cuts.push(alphabet.newline),
            Inst::Look {
                ahead: false,
                single: Some(set),
                ..
            } => cuts.push(alphabet.sets[*set]),
            _ => {}
        }
    }
    cuts.sort_unstable();
    cuts.dedup();
    let mut cells = vec![alphabet.all];
    for cut in cuts {
        cells = cells
            .iter()
            .flat_map(|cell| [cell & cut, cell & !cut])
            .filter(|cell| *cell != 0)
            .collect();
        if cells.len() > 16 {
            return None;
        }
    }
    Some(cells)
}

struct Builder<'a> {
    program: &'a Program,
    alphabet: &'a Alphabet,
    cells: &'a [Mask],
    visits: Vec<u8>,
    on_path: Vec<bool>,
    numbers: HashMap<(Pc, u8), usize>,
    targets: Vec<(Pc, u8)>,
    found: Vec<(Pc, Path)>,
    accepts: Accepts,
}

impl Builder<'_> {
    fn state(&mut self, pc: Pc, cell: Cell) -> Option<State> {
        self.visits.fill(0);
        self.found.clear();
        self.accepts = Accepts::default();
        self.walk(
            pc,
            cell,
            Path {
                next: self.alphabet.all,
                dollar: false,
                end: false,
                bounded: false,
            },
        );
        let found = std::mem::take(&mut self.found);
        let mut edges: Vec<Edge> = Vec::new();
        for (pc, path) in &found {
            let Inst::Set(set) = self.program.code[*pc] else {
                continue;
            };
            let mut on = self.alphabet.sets[set] & path.next;
            if path.dollar {
                on &= self.alphabet.newline;
            }
            if path.end {
                on = 0;
            }
            for i in 0..self.cells.len() {
                let on = on & self.cells[i];
                if on == 0 {
                    continue;
                }
                let to = self.number(*pc, u8::try_from(i).ok()?);
                match edges
                    .iter_mut()
                    .find(|e| e.to == to && e.on & on != 0 && e.bounded == path.bounded)
                {
                    Some(edge) => {
                        edge.twice = true;
                        edge.on |= on;
                    }
                    None => edges.push(Edge {
                        to,
                        on,
                        twice: false,
                        bounded: path.bounded,
                    }),
                }
            }
        }
        self.found = found;
        Some(State {
            edges,
            accepts: self.accepts,
        })
    }

    fn number(&mut self, pc: Pc, cell: u8) -> usize {
        let first = 1 + self.cells.len();
        let next = first + self.targets.len();
        *self.numbers.entry((pc, cell)).or_insert_with(|| {
            self.targets.push((pc, cell));
            next
        })
    }

    /// Every empty path, of those that go back to the start of no loop twice (`re` leaves a loop
    /// after an empty round); a few to any instruction are enough to know that there are more
    /// than one.
    fn walk(&mut self, pc: Pc, cell: Cell, path: Path) {
        // Own stack: the length of a path is that of the program. `None` ends the visit of a pc.
        let mut stack: Vec<(Pc, Option<Path>)> = vec![(pc, Some(path))];
        while let Some((pc, path)) = stack.pop() {
            let Some(mut path) = path else {
                self.on_path[pc] = false;
                continue;
            };
            if self.on_path[pc] || self.visits[pc] >= 4 {
                continue;
            }
            self.visits[pc] += 1;
            let back = matches!(self.program.code[pc], Inst::Back { .. });
            let mut go: [Option<Pc>; 2] = [None, None];
            match &self.program.code[pc] {
                Inst::Set(_) => {
                    if path.next != 0 {
                        self.found.push((pc, path));
                    }
                    continue;
                }
                Inst::Match | Inst::Done => {
                    if path.end {
                        self.accepts.at_end = true;
                    } else if path.dollar {
                        self.accepts.at_dollar = true;
                    } else {
                        self.accepts.anywhere = true;
                    }
                    continue;
                }
                Inst::Split(first, second) => go = [Some(*second), Some(*first)],
                Inst::Jump(to) => go[0] = Some(*to),
                Inst::Back { to, bounded } => {
                    path.bounded |= *bounded;
                    go[0] = Some(*to);
                }
                Inst::Save(_)
                | Inst::Backref { .. }
                | Inst::Atomic { .. }
                | Inst::LoopStart { .. }
                | Inst::Loop { .. } => go[0] = Some(pc + 1),
                Inst::IfGroup { no, .. } => go = [Some(*no), Some(pc + 1)],
                Inst::Assert(assertion) => {
                    if self.assert(*assertion, cell, &mut path) {
                        go[0] = Some(pc + 1);
                    }
                }
                Inst::Look {
                    ahead,
                    negative,
                    next,
                    single,
                    ..
                } => {
                    let mut possible = true;
                    if let Some(set) = single {
                        let set = self.alphabet.sets[*set];
                        match (ahead, cell) {
                            (true, _) => {
                                path.next &= if *negative { !set } else { set };
                                possible = path.next != 0;
                            }
                            (false, Cell(None)) => possible = *negative,
                            (false, Cell(Some(cell))) => {
                                possible = (self.cells[cell as usize] & set != 0) != *negative
                            }
                        }
                    }
                    if possible {
                        go[0] = Some(*next);
                    }
                }
            }
            if back {
                self.on_path[pc] = true;
                stack.push((pc, None));
            }
            for to in go.into_iter().flatten() {
                stack.push((to, Some(path)));
            }
        }
    }

    /// Whether the assertion can hold here; narrows what may follow.
    fn assert(&self, assertion: Assertion, cell: Cell, path: &mut Path) -> bool {
        let before = |mask: Mask| {
            cell.0
                .is_some_and(|cell| self.cells[cell as usize] & mask != 0)
        };
        let word = self.alphabet.word;
        match assertion {
            Assertion::TextStart => cell.0.is_none(),
            Assertion::TextEnd => {
                path.end = true;
                true
            }
            Assertion::TextEndOrNewline => {
                path.dollar = true;
                true
            }
            Assertion::LineStart => cell.0.is_none() || before(self.alphabet.newline),
            // What follows is a newline or nothing; a match that ends here ends anywhere.
            Assertion::LineEnd => {
                path.next &= self.alphabet.newline;
                true
            }
            Assertion::Boundary { .. } => {
                path.next &= if before(word) { !word } else { word };
                true
            }
            Assertion::NotBoundary { .. } => {
                path.next &= if before(word) { word } else { !word };
                true
            }
        }
    }
}
