//! Tokens and grammar, by precedence climbing with a bound on depth.

use super::value::Value;
use crate::{Error, Result};

#[derive(Debug, Clone)]
pub(super) enum Node {
    Value(Value),
    Name(String),
    List(Vec<Node>),
    Negate(Box<Node>),
    Plus(Box<Node>),
    Not(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    /// `a < b <= c`: the first operand, and each comparison with its right operand.
    Compare(Box<Node>, Vec<(Comparison, Node)>),
    If(Box<Node>, Box<Node>, Box<Node>),
    Call(&'static str, Vec<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Floor,
    Modulo,
    Power,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    NotIn,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Value(Value),
    Name(String),
    Symbol(&'static str),
    End,
}

const SYMBOLS: &[&str] = &[
    "**", "//", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "(", ")", "[", "]", ",",
];

fn error(at: usize, what: &str) -> Error {
    Error::InvalidInput(format!("the expression has {what} at position {}", at + 1))
}

struct Parser<'a> {
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
    names: &'a [&'a str],
    functions: &'a [&'a str],
    used: Vec<String>,
}

pub(super) fn parse(
    source: &str,
    names: &[&str],
    functions: &[&str],
    depth: usize,
) -> Result<(Node, Vec<String>)> {
    let mut parser = Parser {
        tokens: tokens(source)?,
        at: 0,
        depth,
        names,
        functions,
        used: Vec::new(),
    };
    let root = parser.condition()?;
    match parser.peek() {
        Token::End => Ok((root, parser.used)),
        _ => Err(parser.unexpected()),
    }
}

fn tokens(source: &str) -> Result<Vec<(usize, Token)>> {
    let mut out = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let at = source.len() - rest.len();
        if matches!(c, ' ' | '\t' | '\n' | '\r') {
            rest = &rest[1..];
        } else if c.is_ascii_digit()
            || (c == '.' && rest[1..].starts_with(|d: char| d.is_ascii_digit()))
        {
            let (value, used) = number(rest).ok_or_else(|| error(at, "a number it cannot read"))?;
            rest = &rest[used..];
            if rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.') {
                return Err(error(at, "a number it cannot read"));
            }
            out.push((at, Token::Value(value)));
        } else if c.is_ascii_alphabetic() || c == '_' {
            let end = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            let word = &rest[..end];
            rest = &rest[end..];
            if rest.starts_with(['\'', '"']) {
                return Err(error(at, "a prefixed string"));
            }
            out.push((
                at,
                match word {
                    "True" => Token::Value(Value::Bool(true)),
                    "False" => Token::Value(Value::Bool(false)),
                    "None" => Token::Value(Value::None),
                    _ => Token::Name(word.to_owned()),
                },
            ));
        } else if c == '\'' || c == '"' {
            let (text, used) = string(rest).ok_or_else(|| error(at, "a string it cannot read"))?;
            rest = &rest[used..];
            out.push((at, Token::Value(Value::Text(text))));
        } else if let Some(symbol) = SYMBOLS.iter().find(|s| rest.starts_with(**s)) {
            rest = &rest[symbol.len()..];
            out.push((at, Token::Symbol(symbol)));
        } else {
            return Err(error(at, "an unexpected character"));
        }
    }
    out.push((source.len(), Token::End));
    Ok(out)
}

fn number(text: &str) -> Option<(Value, usize)> {
    for (prefix, radix) in [
        ("0x", 16),
        ("0X", 16),
        ("0b", 2),
        ("0B", 2),
        ("0o", 8),
        ("0O", 8),
    ] {
        if let Some(rest) = text.strip_prefix(prefix) {
            let end = rest
                .find(|c: char| !c.is_digit(radix))
                .unwrap_or(rest.len());
            return Some((
                Value::Int(i128::from_str_radix(&rest[..end], radix).ok()?),
                end + 2,
            ));
        }
    }
    let bytes = text.as_bytes();
    let digits = |mut at: usize| {
        while at < bytes.len()
            && (bytes[at].is_ascii_digit()
                || (bytes[at] == b'_'
                    && at > 0
                    && bytes[at - 1].is_ascii_digit()
                    && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)))
        {
            at += 1;
        }
        at
    };
    let mut end = digits(0);
    let mut float = false;
    if bytes.get(end) == Some(&b'.') {
        float = true;
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let stop = digits(end + 1 + sign);
        if stop == end + 1 + sign {
            return None;
        }
        float = true;
        end = stop;
    }
    let plain: String = text[..end].chars().filter(|&c| c != '_').collect();
    if float {
        let value: f64 = plain.parse().ok()?;
        return value.is_finite().then_some((Value::Float(value), end));
    }
    // As in Python, `012` is not a number.
    if plain.len() > 1 && plain.starts_with('0') && plain.bytes().any(|b| b != b'0') {
        return None;
    }
    Some((Value::Int(plain.parse().ok()?), end))
}

fn string(text: &str) -> Option<(String, usize)> {
    let mut characters = text.char_indices();
    let (_, quote) = characters.next()?;
    let mut out = String::new();
    while let Some((at, c)) = characters.next() {
        match c {
            _ if c == quote => return Some((out, at + 1)),
            '\n' => return None,
            '\\' => out.push(match characters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                '\\' => '\\',
                '\'' => '\'',
                '"' => '"',
                _ => return None,
            }),
            _ => out.push(c),
        }
    }
    None
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].1
    }

    fn next(&mut self) -> Token {
        let token = self.tokens[self.at].1.clone();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        token
    }

    fn unexpected(&self) -> Error {
        let (at, token) = &self.tokens[self.at];
        error(
            *at,
            if *token == Token::End {
                "an early end"
            } else {
                "something unexpected"
            },
        )
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(s) if *s == symbol);
        if found {
            self.next();
        }
        found
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Name(n) if n == word);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<()> {
        if self.symbol(symbol) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// Every rule that recurses goes through here.
    fn deeper<T>(&mut self, rule: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == 0 {
            return Err(Error::LimitExceeded(
                "the expression is nested too deeply".into(),
            ));
        }
        self.depth -= 1;
        let result = rule(self);
        self.depth += 1;
        result
    }

    fn condition(&mut self) -> Result<Node> {
        self.deeper(|p| {
            let value = p.or()?;
            if !p.word("if") {
                return Ok(value);
            }
            let test = p.or()?;
            if !p.word("else") {
                return Err(p.unexpected());
            }
            let otherwise = p.condition()?;
            Ok(Node::If(
                Box::new(test),
                Box::new(value),
                Box::new(otherwise),
            ))
        })
    }

    fn or(&mut self) -> Result<Node> {
        let mut left = self.and()?;
        while self.word("or") {
            left = Node::Or(Box::new(left), Box::new(self.and()?));
            self.count_chain()?;
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Node> {
        let mut left = self.not()?;
        while self.word("and") {
            left = Node::And(Box::new(left), Box::new(self.not()?));
            self.count_chain()?;
        }
        Ok(left)
    }

    /// A chain makes a tree as deep as it is long; evaluation and dropping recurse over it.
    fn count_chain(&mut self) -> Result<()> {
        const MAX_NODES_IN_CHAINS: usize = 1000;
        let operators = self.tokens[..self.at]
            .iter()
            .filter(|(_, t)| matches!(t, Token::Symbol(_) | Token::Name(_)))
            .count();
        if operators > MAX_NODES_IN_CHAINS {
            return Err(Error::LimitExceeded(
                "the expression has too many operations".into(),
            ));
        }
        Ok(())
    }

    fn not(&mut self) -> Result<Node> {
        if self.word("not") {
            return self.deeper(|p| Ok(Node::Not(Box::new(p.not()?))));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Node> {
        let first = self.sum()?;
        let mut rest = Vec::new();
        loop {
            let comparison = if self.symbol("==") {
                Comparison::Equal
            } else if self.symbol("!=") {
                Comparison::NotEqual
            } else if self.symbol("<=") {
                Comparison::LessEqual
            } else if self.symbol(">=") {
                Comparison::GreaterEqual
            } else if self.symbol("<") {
                Comparison::Less
            } else if self.symbol(">") {
                Comparison::Greater
            } else if self.word("in") {
                Comparison::In
            } else if matches!(self.peek(), Token::Name(n) if n == "not") {
                self.next();
                if !self.word("in") {
                    return Err(self.unexpected());
                }
                Comparison::NotIn
            } else {
                break;
            };
            rest.push((comparison, self.sum()?));
        }
        Ok(if rest.is_empty() {
            first
        } else {
            Node::Compare(Box::new(first), rest)
        })
    }

    fn sum(&mut self) -> Result<Node> {
        let mut left = self.product()?;
        loop {
            let operator = if self.symbol("+") {
                Operator::Add
            } else if self.symbol("-") {
                Operator::Subtract
            } else {
                return Ok(left);
            };
            left = Node::Binary(operator, Box::new(left), Box::new(self.product()?));
            self.count_chain()?;
        }
    }

    fn product(&mut self) -> Result<Node> {
        let mut left = self.unary()?;
        loop {
            let operator = if self.symbol("*") {
                Operator::Multiply
            } else if self.symbol("//") {
                Operator::Floor
            } else if self.symbol("/") {
                Operator::Divide
            } else if self.symbol("%") {
                Operator::Modulo
            } else {
                return Ok(left);
            };
            left = Node::Binary(operator, Box::new(left), Box::new(self.unary()?));
            self.count_chain()?;
        }
    }

    fn unary(&mut self) -> Result<Node> {
        if self.symbol("-") {
            return self.deeper(|p| Ok(Node::Negate(Box::new(p.unary()?))));
        }
        if self.symbol("+") {
            return self.deeper(|p| Ok(Node::Plus(Box::new(p.unary()?))));
        }
        let base = self.atom()?;
        if self.symbol("**") {
            let exponent = self.deeper(Self::unary)?;
            return Ok(Node::Binary(
                Operator::Power,
                Box::new(base),
                Box::new(exponent),
            ));
        }
        Ok(base)
    }

    fn items(&mut self, end: &str) -> Result<Vec<Node>> {
        let mut out = Vec::new();
        if self.symbol(end) {
            return Ok(out);
        }
        loop {
            out.push(self.condition()?);
            if self.symbol(end) {
                return Ok(out);
            }
            self.expect(",")?;
            if self.symbol(end) {
                return Ok(out);
            }
        }
    }

    fn atom(&mut self) -> Result<Node> {
        if self.symbol("(") {
            let inner = self.condition()?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.symbol("[") {
            return Ok(Node::List(self.items("]")?));
        }
        match self.peek().clone() {
            Token::Value(value) => {
                self.next();
                Ok(Node::Value(value))
            }
            Token::Name(name) => self.name(name),
            _ => Err(self.unexpected()),
        }
    }

    fn name(&mut self, name: String) -> Result<Node> {
        const WORDS: [&str; 6] = ["and", "or", "not", "in", "if", "else"];
        if WORDS.contains(&name.as_str()) {
            return Err(self.unexpected());
        }
        let position = self.tokens[self.at].0;
        self.next();
        if self.symbol("(") {
            let function = super::FUNCTIONS
                .iter()
                .find(|f| **f == name && self.functions.contains(f))
                .ok_or_else(|| error(position, "a function that is not allowed"))?;
            return Ok(Node::Call(function, self.items(")")?));
        }
        if !self.names.contains(&name.as_str()) {
            return Err(error(position, "a name that is not allowed"));
        }
        if !self.used.contains(&name) {
            self.used.push(name.clone());
        }
        Ok(Node::Name(name))
    }
}
