//! Parser of the dialect of Python's `re` module (3.14 and earlier).
//!
//! The kept regular-expression parsers of the Rust world read other dialects: `regex-syntax`
//! refuses look-around and back-references and reads `[a&&b]` and `[a[b]]` as set operations,
//! `fancy-regex` is Oniguruma's (`\Z`, `\h`, `{,n}` differ), `regress` is ECMAScript's. A
//! pattern read by another dialect's rules gives wrong verdicts, so the dialect is parsed here.

use crate::Flags;
use crate::set::{CharSet, Class, Item};

/// Groups nested deeper than this are refused.
const MAX_DEPTH: usize = 200;
/// Longer patterns are refused.
const MAX_LENGTH: usize = 100_000;

/// Why a pattern was not analysed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What is wrong, in the words of the `re` module where it has some.
    pub message: String,
    /// Offset in characters.
    pub position: usize,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at position {}", self.message, self.position)
    }
}

impl std::error::Error for Error {}

/// A node of the syntax tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Empty,
    Set(CharSet),
    Assert(Assertion),
    Look {
        ahead: bool,
        negative: bool,
        body: Box<Node>,
    },
    Backref {
        group: u32,
        ignore_case: bool,
    },
    Concat(Vec<Node>),
    Alt(Vec<Node>),
    Repeat {
        body: Box<Node>,
        min: u32,
        max: Option<u32>,
        kind: Kind,
    },
    Atomic(Box<Node>),
    Group(u32, Box<Node>),
    Conditional {
        group: u32,
        yes: Box<Node>,
        no: Box<Node>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Greedy,
    Lazy,
    Possessive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Assertion {
    /// `\A`, and `^` without MULTILINE.
    TextStart,
    /// `\Z`.
    TextEnd,
    /// `$` without MULTILINE: also before a newline that ends the text.
    TextEndOrNewline,
    LineStart,
    LineEnd,
    Boundary {
        ascii: bool,
    },
    NotBoundary {
        ascii: bool,
    },
}

/// A parsed pattern.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) root: Node,
    pub(crate) groups: u32,
}

pub(crate) fn parse(pattern: &str, flags: Flags) -> Result<Tree, Error> {
    let chars: Vec<char> = pattern.chars().collect();
    if chars.len() > MAX_LENGTH {
        return Err(Error {
            message: "pattern is too long to analyse".into(),
            position: MAX_LENGTH,
        });
    }
    let mut flags = flags;
    // A global `(?x)` changes how the text before it is read, so reading starts again, as in `re`.
    for _ in 0..2 {
        let mut parser = Parser {
            chars: &chars,
            at: 0,
            flags,
            names: Vec::new(),
            groups: 0,
            open: Vec::new(),
            depth: 0,
            verbose_found: false,
        };
        let result = parser.alternation();
        if parser.verbose_found && !flags.verbose {
            flags.verbose = true;
            continue;
        }
        let root = result?;
        if parser.at < chars.len() {
            return Err(parser.error("unbalanced parenthesis"));
        }
        return Ok(Tree {
            root,
            groups: parser.groups,
        });
    }
    Err(Error {
        message: "flags cannot be settled".into(),
        position: 0,
    })
}

struct Parser<'a> {
    chars: &'a [char],
    at: usize,
    flags: Flags,
    names: Vec<(String, u32)>,
    groups: u32,
    open: Vec<u32>,
    depth: usize,
    verbose_found: bool,
}

impl Parser<'_> {
    fn error(&self, message: impl Into<String>) -> Error {
        Error {
            message: message.into(),
            position: self.at,
        }
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn eat(&mut self, c: char) -> bool {
        let hit = self.peek() == Some(c);
        self.at += usize::from(hit);
        hit
    }

    fn set(&self, mut set: CharSet) -> Node {
        set.ignore_case = self.flags.ignore_case;
        Node::Set(set)
    }

    fn alternation(&mut self) -> Result<Node, Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("groups are nested too deeply to analyse"));
        }
        let mut branches = vec![self.sequence()?];
        while self.eat('|') {
            branches.push(self.sequence()?);
        }
        self.depth -= 1;
        Ok(alternatives(branches))
    }

    fn sequence(&mut self) -> Result<Vec<Node>, Error> {
        let mut items: Vec<Node> = Vec::new();
        while let Some(c) = self.peek() {
            if c == '|' || c == ')' {
                break;
            }
            if self.flags.verbose {
                if c.is_ascii_whitespace() || c == '\x0b' {
                    self.at += 1;
                    continue;
                }
                if c == '#' {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                    continue;
                }
            }
            let start = self.at;
            self.at += 1;
            match c {
                '\\' => items.push(self.escape()?),
                '[' => items.push(self.class()?),
                '.' => {
                    let set = if self.flags.dot_all {
                        CharSet::any()
                    } else {
                        CharSet {
                            negated: true,
                            ..CharSet::single(10)
                        }
                    };
                    items.push(Node::Set(set));
                }
                '^' => items.push(Node::Assert(if self.flags.multiline {
                    Assertion::LineStart
                } else {
                    Assertion::TextStart
                })),
                '$' => items.push(Node::Assert(if self.flags.multiline {
                    Assertion::LineEnd
                } else {
                    Assertion::TextEndOrNewline
                })),
                '(' => {
                    if let Some(node) = self.group()? {
                        items.push(node);
                    }
                }
                '*' | '+' | '?' => {
                    let (min, max) = match c {
                        '*' => (0, None),
                        '+' => (1, None),
                        _ => (0, Some(1)),
                    };
                    self.repeat(&mut items, min, max, start)?;
                }
                '{' => match self.bounds()? {
                    Some((min, max)) => self.repeat(&mut items, min, max, start)?,
                    None => items.push(self.set(CharSet::single('{' as u32))),
                },
                _ => items.push(self.set(CharSet::single(c as u32))),
            }
        }
        Ok(items)
    }

    /// The inside of `{m,n}` after the brace, or `None` when it is a literal brace.
    fn bounds(&mut self) -> Result<Option<(u32, Option<u32>)>, Error> {
        let start = self.at;
        let low = self.digits();
        let (min, max) = if self.eat(',') {
            let high = self.digits();
            (low.clone(), high)
        } else {
            if low.is_empty() {
                self.at = start;
                return Ok(None);
            }
            (low.clone(), low.clone())
        };
        if !self.eat('}') {
            self.at = start;
            return Ok(None);
        }
        let number = |text: &str| text.parse::<u32>().unwrap_or(u32::MAX);
        let low = if min.is_empty() { 0 } else { number(&min) };
        let high = if max.is_empty() {
            None
        } else {
            Some(number(&max))
        };
        if high.is_some_and(|high| high < low) {
            return Err(self.error("min repeat greater than max repeat"));
        }
        Ok(Some((low, high)))
    }

    fn digits(&mut self) -> String {
        let mut text = String::new();
        while let Some(c) = self.peek().filter(char::is_ascii_digit) {
            text.push(c);
            self.at += 1;
        }
        text
    }

    fn repeat(
        &mut self,
        items: &mut Vec<Node>,
        min: u32,
        max: Option<u32>,
        start: usize,
    ) -> Result<(), Error> {
        let bad = |message: &str| Error {
            message: message.into(),
            position: start,
        };
        match items.last() {
            None | Some(Node::Assert(_)) => return Err(bad("nothing to repeat")),
            Some(Node::Repeat { .. }) => return Err(bad("multiple repeat")),
            Some(_) => {}
        }
        let kind = if self.eat('?') {
            Kind::Lazy
        } else if self.eat('+') {
            Kind::Possessive
        } else {
            Kind::Greedy
        };
        if let Some(body) = items.pop() {
            // A repeated group that wraps nothing else keeps its own node.
            items.push(Node::Repeat {
                body: Box::new(body),
                min,
                max,
                kind,
            });
        }
        Ok(())
    }

    /// A group after its opening parenthesis; `None` for comments and global flags.
    fn group(&mut self) -> Result<Option<Node>, Error> {
        let saved = self.flags;
        let node = self.group_body()?;
        self.flags = saved;
        if let GroupBody::Global(flags) = node {
            self.flags = flags;
            return Ok(None);
        }
        Ok(match node {
            GroupBody::Node(node) => Some(node),
            _ => None,
        })
    }

    fn group_body(&mut self) -> Result<GroupBody, Error> {
        if !self.eat('?') {
            let number = self.open_group(None)?;
            return self.capture(number);
        }
        let Some(c) = self.peek() else {
            return Err(self.error("unexpected end of pattern"));
        };
        self.at += 1;
        match c {
            ':' => Ok(GroupBody::Node(group_of(self.inner()?))),
            '>' => Ok(GroupBody::Node(Node::Atomic(Box::new(self.inner()?)))),
            '=' | '!' => Ok(GroupBody::Node(Node::Look {
                ahead: true,
                negative: c == '!',
                body: Box::new(self.inner()?),
            })),
            '#' => {
                while let Some(c) = self.peek() {
                    self.at += 1;
                    if c == ')' {
                        return Ok(GroupBody::Nothing);
                    }
                }
                Err(self.error("missing ), unterminated comment"))
            }
            '<' => {
                let negative = match self.peek() {
                    Some('=') => false,
                    Some('!') => true,
                    _ => return Err(self.error("unknown extension ?<")),
                };
                self.at += 1;
                let body = self.inner()?;
                if width(&body).is_none() {
                    return Err(self.error("look-behind requires fixed-width pattern"));
                }
                Ok(GroupBody::Node(Node::Look {
                    ahead: false,
                    negative,
                    body: Box::new(body),
                }))
            }
            'P' => match self.peek() {
                Some('<') => {
                    self.at += 1;
                    let name = self.name('>')?;
                    let number = self.open_group(Some(name))?;
                    self.capture(number)
                }
                Some('=') => {
                    self.at += 1;
                    let name = self.name(')')?;
                    match self.names.iter().find(|(n, _)| *n == name) {
                        Some(&(_, group)) if self.open.contains(&group) => {
                            Err(self.error("cannot refer to an open group"))
                        }
                        Some(&(_, group)) => Ok(GroupBody::Node(Node::Backref {
                            group,
                            ignore_case: self.flags.ignore_case,
                        })),
                        None => Err(self.error(format!("unknown group name '{name}'"))),
                    }
                }
                _ => Err(self.error("unknown extension ?P")),
            },
            '(' => {
                let name = self.name(')')?;
                let group = name
                    .parse::<u32>()
                    .ok()
                    .or_else(|| self.names.iter().find(|(n, _)| *n == name).map(|n| n.1));
                let Some(group) = group.filter(|&g| g > 0) else {
                    return Err(self.error(format!("unknown group name '{name}'")));
                };
                let yes = join(self.sequence()?);
                let no = if self.eat('|') {
                    join(self.sequence()?)
                } else {
                    Node::Empty
                };
                self.close()?;
                Ok(GroupBody::Node(Node::Conditional {
                    group,
                    yes: Box::new(yes),
                    no: Box::new(no),
                }))
            }
            c if c.is_ascii_alphabetic() || c == '-' => {
                self.at -= 1;
                self.inline_flags()
            }
            _ => Err(self.error(format!("unknown extension ?{c}"))),
        }
    }

    fn inline_flags(&mut self) -> Result<GroupBody, Error> {
        let (mut flags, mut on) = (self.flags, true);
        loop {
            let Some(c) = self.peek() else {
                return Err(self.error("missing -, : or )"));
            };
            self.at += 1;
            match c {
                'i' => flags.ignore_case = on,
                'm' => flags.multiline = on,
                's' => flags.dot_all = on,
                'x' => flags.verbose = on,
                'a' if on => flags.ascii = true,
                'u' if on => flags.ascii = false,
                'L' if on => flags.ascii = true,
                '-' if on => on = false,
                ')' if on => {
                    self.verbose_found |= flags.verbose;
                    return Ok(GroupBody::Global(flags));
                }
                ':' => {
                    self.flags = flags;
                    return Ok(GroupBody::Node(group_of(self.inner()?)));
                }
                _ => return Err(self.error("unknown flag")),
            }
        }
    }

    fn open_group(&mut self, name: Option<String>) -> Result<u32, Error> {
        self.groups += 1;
        if let Some(name) = name {
            if self.names.iter().any(|(n, _)| *n == name) {
                return Err(self.error(format!("redefinition of group name '{name}'")));
            }
            self.names.push((name, self.groups));
        }
        self.open.push(self.groups);
        Ok(self.groups)
    }

    fn capture(&mut self, number: u32) -> Result<GroupBody, Error> {
        let body = self.inner()?;
        self.open.retain(|&g| g != number);
        Ok(GroupBody::Node(Node::Group(number, Box::new(body))))
    }

    fn inner(&mut self) -> Result<Node, Error> {
        let node = self.alternation()?;
        self.close()?;
        Ok(node)
    }

    fn close(&mut self) -> Result<(), Error> {
        if self.eat(')') {
            Ok(())
        } else {
            Err(self.error("missing ), unterminated subpattern"))
        }
    }

    fn name(&mut self, end: char) -> Result<String, Error> {
        let mut name = String::new();
        while let Some(c) = self.peek() {
            self.at += 1;
            if c == end {
                if name.is_empty() {
                    return Err(self.error("missing group name"));
                }
                return Ok(name);
            }
            name.push(c);
        }
        Err(self.error(format!("missing {end}, unterminated name")))
    }

    fn escape(&mut self) -> Result<Node, Error> {
        let ascii = self.flags.ascii;
        let Some(c) = self.peek() else {
            return Err(self.error("bad escape (end of pattern)"));
        };
        match c {
            'A' | 'b' | 'B' | 'Z' | 'z' => {
                self.at += 1;
                return Ok(Node::Assert(match c {
                    'A' => Assertion::TextStart,
                    'b' => Assertion::Boundary { ascii },
                    'B' => Assertion::NotBoundary { ascii },
                    _ => Assertion::TextEnd,
                }));
            }
            '1'..='9' => {
                // Three octal digits are a character, anything else a group.
                let octal: String = self.chars[self.at..]
                    .iter()
                    .take(3)
                    .take_while(|c| ('0'..='7').contains(*c))
                    .collect();
                if octal.len() == 3 {
                    self.at += 3;
                    return Ok(
                        self.set(CharSet::single(u32::from_str_radix(&octal, 8).unwrap_or(0)))
                    );
                }
                let mut text = String::new();
                while text.len() < 2 && self.peek().is_some_and(|c| c.is_ascii_digit()) {
                    text.extend(self.peek());
                    self.at += 1;
                }
                let group: u32 = text.parse().unwrap_or(0);
                if group == 0 || group > self.groups {
                    return Err(self.error(format!("invalid group reference {group}")));
                }
                if self.open.contains(&group) {
                    return Err(self.error("cannot refer to an open group"));
                }
                return Ok(Node::Backref {
                    group,
                    ignore_case: self.flags.ignore_case,
                });
            }
            _ => {}
        }
        let item = self.escaped_item()?;
        Ok(match item {
            Item::Range(c, _) => self.set(CharSet::single(c)),
            item => Node::Set(CharSet {
                items: vec![item],
                ..CharSet::default()
            }),
        })
    }

    /// What follows a backslash, in a set or outside.
    fn escaped_item(&mut self) -> Result<Item, Error> {
        let ascii = self.flags.ascii;
        let Some(c) = self.peek() else {
            return Err(self.error("bad escape (end of pattern)"));
        };
        self.at += 1;
        let one = |c: u32| Ok(Item::Range(c, c));
        match c {
            'w' | 'W' => Ok(Item::Class(Class::Word { ascii }, c == 'W')),
            'd' | 'D' => Ok(Item::Class(Class::Digit { ascii }, c == 'D')),
            's' | 'S' => Ok(Item::Class(Class::Space { ascii }, c == 'S')),
            'a' => one(7),
            'b' => one(8),
            't' => one(9),
            'n' => one(10),
            'v' => one(11),
            'f' => one(12),
            'r' => one(13),
            'x' => self.hex(2),
            'u' => self.hex(4),
            'U' => self.hex(8),
            '0'..='7' => {
                let mut value = c as u32 - '0' as u32;
                let mut count = 1;
                while let Some(d) = self.peek().filter(|d| count < 3 && ('0'..='7').contains(d)) {
                    value = value * 8 + (d as u32 - '0' as u32);
                    self.at += 1;
                    count += 1;
                }
                one(value)
            }
            'N' => {
                // A named character: which one does not matter, but it is one outside ASCII.
                if !self.eat('{') {
                    return Err(self.error("missing {"));
                }
                self.name('}')?;
                one(0x2603)
            }
            c if c.is_ascii_alphanumeric() => Err(self.error(format!("bad escape \\{c}"))),
            c => one(c as u32),
        }
    }

    fn hex(&mut self, count: usize) -> Result<Item, Error> {
        let digits: String = self.chars[self.at..]
            .iter()
            .take(count)
            .take_while(|c| c.is_ascii_hexdigit())
            .collect();
        if digits.len() < count {
            return Err(self.error("incomplete escape"));
        }
        self.at += count;
        let value = u32::from_str_radix(&digits, 16).unwrap_or(u32::MAX);
        if value > 0x0010_ffff {
            return Err(self.error("bad escape"));
        }
        Ok(Item::Range(value, value))
    }

    /// A set after its opening bracket.
    fn class(&mut self) -> Result<Node, Error> {
        let negated = self.eat('^');
        let mut items = Vec::new();
        let mut first = true;
        loop {
            let Some(c) = self.peek() else {
                return Err(self.error("unterminated character set"));
            };
            self.at += 1;
            if c == ']' && !first {
                break;
            }
            first = false;
            let low = if c == '\\' {
                self.escaped_item()?
            } else {
                Item::Range(c as u32, c as u32)
            };
            let range =
                self.peek() == Some('-') && self.chars.get(self.at + 1).is_some_and(|&c| c != ']');
            if !range {
                items.push(low);
                continue;
            }
            self.at += 1;
            let Some(c) = self.peek() else {
                return Err(self.error("unterminated character set"));
            };
            self.at += 1;
            let high = if c == '\\' {
                self.escaped_item()?
            } else {
                Item::Range(c as u32, c as u32)
            };
            match (low, high) {
                (Item::Range(low, _), Item::Range(high, _)) if low <= high => {
                    items.push(Item::Range(low, high))
                }
                _ => return Err(self.error("bad character range")),
            }
        }
        Ok(self.set(CharSet {
            items,
            negated,
            ignore_case: false,
        }))
    }
}

enum GroupBody {
    Node(Node),
    Global(Flags),
    Nothing,
}

/// A group without a number, kept apart from the bare item so that `(?:a*)*` is no multiple repeat.
fn group_of(node: Node) -> Node {
    match node {
        Node::Repeat { .. } | Node::Assert(_) => Node::Concat(vec![node]),
        node => node,
    }
}

fn join(mut items: Vec<Node>) -> Node {
    match items.len() {
        0 => Node::Empty,
        1 => items.remove(0),
        _ => Node::Concat(items),
    }
}

/// An alternation, with the two simplifications that `re` makes when it compiles: a common
/// prefix of simple items is taken out, and branches that are single characters or plain sets
/// become one set. Without them `(a|[a-z])*` would be judged ambiguous, which it is not.
fn alternatives(mut branches: Vec<Vec<Node>>) -> Node {
    if branches.len() == 1 {
        return join(branches.remove(0));
    }
    let simple = |node: &Node| matches!(node, Node::Set(_) | Node::Assert(_));
    let shared = |i: usize| {
        branches[0]
            .get(i)
            .is_some_and(|node| simple(node) && branches.iter().all(|b| b.get(i) == Some(node)))
    };
    let length = (0..).take_while(|&i| shared(i)).count();
    let mut prefix = branches[0][..length].to_vec();
    for branch in &mut branches {
        branch.drain(..length);
    }
    let plain = |branch: &Vec<Node>| match branch.as_slice() {
        [Node::Set(set)] if !set.negated => Some(set.clone()),
        _ => None,
    };
    let sets: Option<Vec<CharSet>> = branches.iter().map(plain).collect();
    let rest = match sets {
        Some(sets) => Node::Set(CharSet {
            items: sets.into_iter().map(Item::Set).collect(),
            ..CharSet::default()
        }),
        None => Node::Alt(branches.into_iter().map(join).collect()),
    };
    if prefix.is_empty() {
        return rest;
    }
    prefix.push(rest);
    Node::Concat(prefix)
}

/// The width of every match of a node, where they are all equal.
pub(crate) fn width(node: &Node) -> Option<usize> {
    Some(match node {
        Node::Empty | Node::Assert(_) | Node::Look { .. } => 0,
        Node::Set(_) => 1,
        Node::Backref { .. } => return None,
        Node::Concat(items) => {
            let mut sum = 0usize;
            for item in items {
                sum = sum.checked_add(width(item)?)?;
            }
            sum
        }
        Node::Alt(items) => {
            let first = width(items.first()?)?;
            if items.iter().any(|item| width(item) != Some(first)) {
                return None;
            }
            first
        }
        Node::Repeat { body, min, max, .. } if *max == Some(*min) => {
            width(body)?.checked_mul(*min as usize)?
        }
        Node::Repeat { .. } => return None,
        Node::Atomic(body) | Node::Group(_, body) => width(body)?,
        Node::Conditional { yes, no, .. } => width(yes).filter(|w| width(no) == Some(*w))?,
    })
}

/// Whether a node can match the empty text (assertions counted as holding).
pub(crate) fn nullable(node: &Node) -> bool {
    match node {
        Node::Empty | Node::Assert(_) | Node::Look { .. } | Node::Backref { .. } => true,
        Node::Set(_) => false,
        Node::Concat(items) => items.iter().all(nullable),
        Node::Alt(items) => items.iter().any(nullable),
        Node::Repeat { body, min, .. } => *min == 0 || nullable(body),
        Node::Atomic(body) | Node::Group(_, body) => nullable(body),
        Node::Conditional { yes, no, .. } => nullable(yes) || nullable(no),
    }
}
