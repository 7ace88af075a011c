//! Expressions in templates.
//!
//! Jinja2's, Tornado's and Mako's expressions are Python's or nearly so; Django has its own
//! small form. The parser never fails: what it does not understand becomes
//! [`Expr::Unknown`] with the names that occur in it.

use crate::token::{Token, split_outside, tokens};

/// An expression, as far as data can flow through it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// A variable.
    Name(String),
    /// A text.
    Str(String),
    /// A number, a truth value, `None`, or a comparison: nothing that could carry mark-up.
    Constant,
    /// `value.name`
    Attr(Box<Expr>, String),
    /// `value[index]`
    Index(Box<Expr>, Box<Expr>),
    /// `value[from:to]`
    Slice(Box<Expr>),
    /// `callee(arguments)`
    Call(Box<Expr>, Arguments),
    /// `value | name(arguments)`
    Filter(Box<Expr>, String, Arguments),
    /// A text built of several parts: `~`, `+`, `%`, `*`, f-strings.
    Concat(Vec<Expr>),
    /// One of several values: `a if c else b`, `a or b`, `a and b`.
    Either(Vec<Expr>),
    /// A list, tuple or set.
    List(Vec<Expr>),
    /// A dictionary.
    Dict(Vec<(Expr, Expr)>),
    /// `[element for targets in iterable]`
    Comprehension {
        /// What is computed for each.
        element: Box<Expr>,
        /// The names bound.
        targets: Vec<String>,
        /// What is iterated.
        iterable: Box<Expr>,
    },
    /// Not understood; the variables that occur in it.
    Unknown(Vec<Expr>),
}

/// The arguments of a call or filter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arguments {
    /// By position; `*args` counts as one.
    pub positional: Vec<Expr>,
    /// By name; `**kwargs` has the name `**`.
    pub named: Vec<(String, Expr)>,
}

impl Arguments {
    /// All of them.
    pub fn values(&self) -> impl Iterator<Item = &Expr> {
        self.positional
            .iter()
            .chain(self.named.iter().map(|(_, value)| value))
    }
}

/// The form of expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// Jinja2: `|` is a filter, `~` joins, `is` tests.
    Jinja,
    /// Python: `|` is an operator.
    Python,
}

/// Nesting beyond this is not followed.
const MAX_DEPTH: usize = 60;
/// Operands, and links of chains such as `a.b|c`, of one expression.
const MAX_LINKS: usize = 600;

pub(crate) fn parse(text: &str, syntax: Syntax) -> Expr {
    let tokens = tokens(text);
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        syntax,
        depth: 0,
        links: 0,
    };
    match parser.tuple() {
        Some(expr) if parser.at == tokens.len() => expr,
        _ => unknown(&tokens),
    }
}

/// Parses the arguments of a call, without the parentheses.
pub(crate) fn parse_arguments(text: &str, syntax: Syntax) -> Arguments {
    match parse(&format!("f({text})"), syntax) {
        Expr::Call(_, arguments) => arguments,
        other => Arguments {
            positional: vec![other],
            named: Vec::new(),
        },
    }
}

const WORDS: &[&str] = &[
    "and", "or", "not", "in", "is", "if", "else", "for", "lambda", "async", "await",
];

/// The variables that occur among tokens, with the attributes that follow them.
fn unknown(tokens: &[Token]) -> Expr {
    let mut out: Vec<Expr> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if let Token::Name(name) = &tokens[at] {
            let after_dot = at > 0 && tokens[at - 1] == Token::Op(".");
            let keyword = tokens.get(at + 1) == Some(&Token::Op("="));
            if !after_dot && !keyword && !WORDS.contains(&name.as_str()) && !is_constant(name) {
                let mut expr = Expr::Name(name.clone());
                let mut length = 0;
                while let (Some(Token::Op(".")), Some(Token::Name(attr))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    if length < 20 {
                        expr = Expr::Attr(Box::new(expr), attr.clone());
                    }
                    length += 1;
                    at += 2;
                }
                if out.len() < 50 {
                    out.push(expr);
                }
            }
        }
        at += 1;
    }
    Expr::Unknown(out)
}

fn is_constant(name: &str) -> bool {
    matches!(name, "None" | "none" | "True" | "true" | "False" | "false")
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    syntax: Syntax,
    depth: usize,
    links: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn op(&mut self, op: &str) -> bool {
        let hit = matches!(self.peek(), Some(Token::Op(o)) if *o == op);
        self.at += usize::from(hit);
        hit
    }

    fn word(&mut self, word: &str) -> bool {
        let hit = matches!(self.peek(), Some(Token::Name(n)) if n == word);
        self.at += usize::from(hit);
        hit
    }

    /// An expression, or several with commas between.
    fn tuple(&mut self) -> Option<Expr> {
        let first = self.expr()?;
        if !matches!(self.peek(), Some(Token::Op(","))) {
            return Some(first);
        }
        let mut items = vec![first];
        while self.op(",") {
            if self.peek().is_none() || matches!(self.peek(), Some(Token::Op(")"))) {
                break;
            }
            items.push(self.expr()?);
        }
        Some(Expr::List(items))
    }

    fn expr(&mut self) -> Option<Expr> {
        self.depth += 1;
        let expr = if self.depth > MAX_DEPTH {
            None
        } else {
            self.conditional()
        };
        self.depth -= 1;
        expr
    }

    fn conditional(&mut self) -> Option<Expr> {
        if self.word("lambda") {
            return None;
        }
        let value = self.or()?;
        if self.op(":=") {
            return self.expr();
        }
        if !self.word("if") {
            return Some(value);
        }
        self.or()?;
        let other = if self.word("else") {
            self.expr()?
        } else {
            Expr::Constant
        };
        Some(Expr::Either(vec![value, other]))
    }

    fn or(&mut self) -> Option<Expr> {
        let mut items = vec![self.not()?];
        while self.word("or") || self.word("and") {
            items.push(self.not()?);
        }
        Some(if items.len() == 1 {
            items.remove(0)
        } else {
            Expr::Either(items)
        })
    }

    fn not(&mut self) -> Option<Expr> {
        let mut negated = false;
        while self.word("not") {
            negated = true;
        }
        let value = self.comparison()?;
        Some(if negated { Expr::Constant } else { value })
    }

    fn comparison(&mut self) -> Option<Expr> {
        let mut value = self.sum()?;
        loop {
            if ["==", "!=", "<", ">", "<=", ">="]
                .iter()
                .any(|op| self.op(op))
                || self.word("in")
            {
                self.sum()?;
            } else if matches!((self.peek(), self.tokens.get(self.at + 1)), (Some(Token::Name(a)), Some(Token::Name(b))) if a == "not" && b == "in")
            {
                self.at += 2;
                self.sum()?;
            } else if self.word("is") {
                self.word("not");
                match self.syntax {
                    Syntax::Python => {
                        self.sum()?;
                    }
                    Syntax::Jinja => self.test()?,
                }
            } else {
                return Some(value);
            }
            value = Expr::Constant;
        }
    }

    /// The name of a Jinja test, with its arguments.
    fn test(&mut self) -> Option<()> {
        let Some(Token::Name(_)) = self.peek() else {
            return None;
        };
        self.at += 1;
        while self.op(".") {
            self.at += 1;
        }
        match self.peek() {
            Some(Token::Op("(")) => {
                self.at += 1;
                self.arguments()?;
            }
            Some(Token::Name(name)) if !WORDS.contains(&name.as_str()) => {
                self.primary()?;
            }
            Some(Token::Str { .. } | Token::Number | Token::Op("[" | "{")) => {
                self.primary()?;
            }
            _ => {}
        }
        Some(())
    }

    /// `+`, `-`, `~` and, in Python, the operators on bits.
    fn sum(&mut self) -> Option<Expr> {
        let mut items = vec![self.product()?];
        let mut number = false;
        loop {
            if self.op("+") || self.op("~") {
                items.push(self.product()?);
            } else if self.op("-") || self.op("<<") || self.op(">>") || self.op("&") || self.op("^")
            {
                self.product()?;
                number = true;
            } else if self.syntax == Syntax::Python && self.op("|") {
                items.push(self.product()?);
            } else {
                break;
            }
        }
        if number && items.len() == 1 {
            return Some(Expr::Constant);
        }
        Some(if items.len() == 1 {
            items.remove(0)
        } else {
            Expr::Concat(items)
        })
    }

    fn product(&mut self) -> Option<Expr> {
        let mut items = vec![self.unary()?];
        let mut number = false;
        loop {
            if self.op("%") || self.op("*") {
                items.push(self.unary()?);
            } else if self.op("/") || self.op("//") || self.op("**") || self.op("@") {
                self.unary()?;
                number = true;
            } else {
                break;
            }
        }
        if number && items.len() == 1 {
            return Some(Expr::Constant);
        }
        Some(if items.len() == 1 {
            items.remove(0)
        } else {
            Expr::Concat(items)
        })
    }

    fn unary(&mut self) -> Option<Expr> {
        if self.op("-") || self.op("+") || self.op("~") {
            let value = self.unary_operand()?;
            return Some(if matches!(value, Expr::Filter(..)) {
                value
            } else {
                Expr::Constant
            });
        }
        self.word("await");
        self.postfix()
    }

    fn unary_operand(&mut self) -> Option<Expr> {
        self.depth += 1;
        let value = if self.depth > MAX_DEPTH {
            None
        } else {
            self.unary()
        };
        self.depth -= 1;
        value
    }

    fn postfix(&mut self) -> Option<Expr> {
        let mut value = self.primary()?;
        loop {
            // A long chain is a deep tree.
            self.links += 1;
            if self.links > MAX_LINKS {
                return None;
            }
            if self.op(".") {
                match self.peek() {
                    Some(Token::Name(name)) => {
                        value = Expr::Attr(Box::new(value), name.clone());
                        self.at += 1;
                    }
                    Some(Token::Number) => {
                        value = Expr::Index(Box::new(value), Box::new(Expr::Constant));
                        self.at += 1;
                    }
                    _ => return None,
                }
            } else if self.op("[") {
                value = self.subscript(value)?;
            } else if self.op("(") {
                value = Expr::Call(Box::new(value), self.arguments()?);
            } else if self.syntax == Syntax::Jinja && self.op("|") {
                let Some(Token::Name(name)) = self.peek() else {
                    return None;
                };
                let mut name = name.clone();
                self.at += 1;
                while self.op(".") {
                    let Some(Token::Name(part)) = self.peek() else {
                        return None;
                    };
                    name = format!("{name}.{part}");
                    self.at += 1;
                }
                let arguments = if self.op("(") {
                    self.arguments()?
                } else {
                    Arguments::default()
                };
                value = Expr::Filter(Box::new(value), name, arguments);
            } else {
                return Some(value);
            }
        }
    }

    fn subscript(&mut self, value: Expr) -> Option<Expr> {
        let mut slice = false;
        let mut index = None;
        while !self.op("]") {
            if self.op(":") {
                slice = true;
            } else if self.op(",") {
                // A tuple as an index.
            } else {
                index = Some(self.expr()?);
            }
        }
        if slice {
            return Some(Expr::Slice(Box::new(value)));
        }
        Some(Expr::Index(Box::new(value), Box::new(index?)))
    }

    fn arguments(&mut self) -> Option<Arguments> {
        let mut arguments = Arguments::default();
        while !self.op(")") {
            if self.op("**") {
                let value = self.expr()?;
                arguments.named.push(("**".into(), value));
            } else if self.op("*") {
                let value = self.expr()?;
                arguments.positional.push(value);
            } else if let (Some(Token::Name(name)), Some(Token::Op("="))) =
                (self.peek(), self.tokens.get(self.at + 1))
            {
                let name = name.clone();
                self.at += 2;
                let value = self.expr()?;
                arguments.named.push((name, value));
            } else {
                let value = self.expr()?;
                let value = self.comprehension(value)?;
                arguments.positional.push(value);
            }
            if !self.op(",") && !matches!(self.peek(), Some(Token::Op(")"))) {
                return None;
            }
        }
        Some(arguments)
    }

    /// What follows the element of a comprehension, if it is one.
    fn comprehension(&mut self, element: Expr) -> Option<Expr> {
        if !self.word("for") {
            return Some(element);
        }
        let mut targets = Vec::new();
        loop {
            match self.peek()? {
                Token::Name(name) if name == "in" => break,
                Token::Name(name) => targets.push(name.clone()),
                Token::Op("," | "(" | ")") => {}
                _ => return None,
            }
            self.at += 1;
        }
        self.at += 1;
        let iterable = self.or()?;
        while self.word("if") {
            self.or()?;
        }
        let expr = Expr::Comprehension {
            element: Box::new(element),
            targets,
            iterable: Box::new(iterable),
        };
        if matches!(self.peek(), Some(Token::Name(n)) if n == "for") {
            None
        } else {
            Some(expr)
        }
    }

    fn primary(&mut self) -> Option<Expr> {
        let token = self.peek()?.clone();
        self.at += 1;
        match token {
            Token::Name(name) if is_constant(&name) => Some(Expr::Constant),
            Token::Name(name) if WORDS.contains(&name.as_str()) => None,
            Token::Name(name) => Some(Expr::Name(name)),
            Token::Number => Some(Expr::Constant),
            Token::Str { text, format } => {
                let mut parts = vec![if format {
                    self.interpolated(&text)
                } else {
                    Expr::Str(text)
                }];
                // Adjacent strings are one.
                while let Some(Token::Str { text, format }) = self.peek().cloned() {
                    self.at += 1;
                    parts.push(if format {
                        self.interpolated(&text)
                    } else {
                        Expr::Str(text)
                    });
                }
                Some(if parts.len() == 1 {
                    parts.remove(0)
                } else {
                    Expr::Concat(parts)
                })
            }
            Token::Op("(") => {
                if self.op(")") {
                    return Some(Expr::List(Vec::new()));
                }
                let value = self.tuple_within()?;
                let value = self.comprehension(value)?;
                self.op(")").then_some(value)
            }
            Token::Op("[") => {
                let mut items = Vec::new();
                while !self.op("]") {
                    self.op("*");
                    let value = self.expr()?;
                    let value = self.comprehension(value)?;
                    if matches!(value, Expr::Comprehension { .. }) && items.is_empty() {
                        return self.op("]").then_some(value);
                    }
                    items.push(value);
                    if !self.op(",") && !matches!(self.peek(), Some(Token::Op("]"))) {
                        return None;
                    }
                }
                Some(Expr::List(items))
            }
            Token::Op("{") => self.braces(),
            _ => None,
        }
    }

    fn tuple_within(&mut self) -> Option<Expr> {
        self.depth += 1;
        let value = if self.depth > MAX_DEPTH {
            None
        } else {
            self.tuple()
        };
        self.depth -= 1;
        value
    }

    fn braces(&mut self) -> Option<Expr> {
        let (mut pairs, mut items) = (Vec::new(), Vec::new());
        while !self.op("}") {
            if self.op("**") {
                let value = self.expr()?;
                pairs.push((Expr::Constant, value));
            } else {
                let key = self.expr()?;
                if self.op(":") {
                    let value = self.expr()?;
                    pairs.push((key, value));
                } else {
                    items.push(key);
                }
                if self.word("for") {
                    return None;
                }
            }
            if !self.op(",") && !matches!(self.peek(), Some(Token::Op("}"))) {
                return None;
            }
        }
        Some(if items.is_empty() {
            Expr::Dict(pairs)
        } else {
            Expr::List(items)
        })
    }

    /// The inside of an f-string.
    fn interpolated(&self, text: &str) -> Expr {
        let bytes = text.as_bytes();
        let mut parts = Vec::new();
        let mut at = 0;
        if self.depth >= MAX_DEPTH {
            return Expr::Unknown(Vec::new());
        }
        while at < bytes.len() {
            if bytes[at] == b'{' && bytes.get(at + 1) == Some(&b'{') {
                at += 2;
            } else if bytes[at] == b'{' {
                let Some(length) = text[at..].find('}') else {
                    break;
                };
                let inner = &text[at + 1..at + length];
                let value = split_outside(inner, ":")[0];
                let value = split_outside(value, "!")[0].trim_end_matches('=');
                let tokens = tokens(value);
                let mut parser = Parser {
                    tokens: &tokens,
                    at: 0,
                    syntax: self.syntax,
                    depth: self.depth + 1,
                    links: 0,
                };
                parts.push(match parser.tuple() {
                    Some(expr) if parser.at == tokens.len() => expr,
                    _ => unknown(&tokens),
                });
                at += length + 1;
            } else {
                at += 1;
            }
        }
        Expr::Concat(parts)
    }
}

/// A Django expression: `path|filter:argument|...`.
pub(crate) fn parse_django(text: &str) -> Expr {
    let mut parts = split_outside(text.trim(), "|").into_iter();
    let mut value = django_operand(parts.next().unwrap_or(""));
    for part in parts.take(4 * MAX_DEPTH) {
        let (name, argument) = match part.split_once(':') {
            Some((name, argument)) => (name, Some(django_operand(argument))),
            None => (part, None),
        };
        let arguments = Arguments {
            positional: argument.into_iter().collect(),
            named: Vec::new(),
        };
        value = Expr::Filter(Box::new(value), name.trim().to_string(), arguments);
    }
    value
}

fn django_operand(text: &str) -> Expr {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix("_(").and_then(|t| t.strip_suffix(')')) {
        return django_operand(inner);
    }
    let quoted = |q: char| text.len() >= 2 && text.starts_with(q) && text.ends_with(q);
    if quoted('"') || quoted('\'') {
        return Expr::Str(text[1..text.len() - 1].to_string());
    }
    if text.is_empty()
        || is_constant(text)
        || text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+' || c == '.')
    {
        return Expr::Constant;
    }
    let mut parts = text.split('.');
    let first = parts.next().unwrap_or("");
    if !text
        .chars()
        .all(|c| c == '.' || c == '_' || c.is_alphanumeric())
    {
        return unknown(&tokens(text));
    }
    let mut value = Expr::Name(first.to_string());
    for part in parts.take(4 * MAX_DEPTH) {
        value = if part.chars().all(|c| c.is_ascii_digit()) {
            Expr::Index(Box::new(value), Box::new(Expr::Constant))
        } else {
            Expr::Attr(Box::new(value), part.to_string())
        };
    }
    value
}

#[cfg(test)]
#[path = "expr_tests.rs"]
mod tests;
