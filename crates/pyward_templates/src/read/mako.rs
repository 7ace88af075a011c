//! The tags, control lines and Python blocks of Mako.

use std::ops::Range;

use super::Reader;
use crate::expr::{Arguments, Expr, Syntax, parse, parse_arguments};
use crate::model::{Autoescape, Import};
use crate::read::jinja::{first_word, split_assignment};
use crate::token::{split_outside, string_end};

/// The attributes of a tag.
fn attributes(text: &str) -> Vec<(&str, &str)> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(equals) = text[at..].find('=').map(|i| at + i) {
        let name = text[at..equals]
            .trim()
            .rsplit(char::is_whitespace)
            .next()
            .unwrap_or("");
        let value = equals + 1 + (text[equals + 1..].len() - text[equals + 1..].trim_start().len());
        match bytes.get(value) {
            Some(&quote @ (b'"' | b'\'')) => {
                let end = string_end(bytes, value, quote);
                let inner = &text[value + 1..end];
                out.push((name, inner.strip_suffix(quote as char).unwrap_or(inner)));
                at = end;
            }
            _ => at = equals + 1,
        }
    }
    out
}

fn get<'a>(attributes: &[(&'a str, &'a str)], name: &str) -> Option<&'a str> {
    attributes.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)
}

/// A name with parameters, as `<%def name="f(a, b=1)">` has it.
fn signature(text: &str) -> (&str, Arguments) {
    let (name, rest) = first_word(text);
    let inner = rest
        .trim()
        .strip_prefix('(')
        .map_or("", |r| r.trim_end().strip_suffix(')').unwrap_or(r));
    (name, parse_arguments(inner, Syntax::Python))
}

impl Reader<'_> {
    pub(super) fn declare_mako(&mut self, inner: &str) {
        let (word, rest) = first_word(inner);
        if matches!(word, "def" | "namespace")
            && let Some(name) = get(&attributes(rest), "name")
        {
            self.scopes.callables.insert(first_word(name).0.to_string());
        }
    }

    /// The expression of `${...}`, with its filters.
    pub(super) fn mako_expr(&self, inner: &str) -> Expr {
        let parts = split_outside(inner, "|");
        let Some((filters, operands)) = parts
            .split_last()
            .filter(|(_, operands)| !operands.is_empty())
        else {
            return parse(inner, Syntax::Python);
        };
        let plain = |c: char| {
            c.is_alphanumeric() || matches!(c, '_' | '.' | ',' | ' ' | '\n' | '\t' | '(' | ')')
        };
        if !filters.chars().all(plain) {
            return parse(inner, Syntax::Python);
        }
        let mut value = parse(&operands.join("|"), Syntax::Python);
        for filter in split_outside(filters, ",").into_iter().take(20) {
            let (name, _) = filter.trim().split_once('(').unwrap_or((filter.trim(), ""));
            value = Expr::Filter(Box::new(value), name.to_string(), Arguments::default());
        }
        value
    }

    pub(super) fn mako_tag(&mut self, inner: &str, range: Range<usize>) {
        let offset = range.start;
        if let Some(name) = inner
            .strip_prefix("/%")
            .or_else(|| inner.strip_prefix('/'))
            .or_else(|| inner.strip_prefix('%'))
        {
            let name = name.trim();
            self.close(if name == "def" { "macro" } else { name });
            return;
        }
        let single = inner.trim_end().ends_with('/');
        let (word, rest) = first_word(inner);
        let attributes = attributes(rest);
        match word {
            "def" | "block" => {
                let name = get(&attributes, "name").unwrap_or("");
                if word == "def" {
                    let (name, parameters) = signature(name);
                    self.open_macro(name, &parameters, offset);
                } else {
                    self.open_block(first_word(name).0, offset);
                }
                if get(&attributes, "filter").is_some_and(|f| {
                    f.split(',')
                        .any(|f| matches!(f.trim(), "h" | "x" | "entity" | "u"))
                }) {
                    self.filter_escapes = true;
                }
                if single {
                    self.close(if word == "def" { "macro" } else { word });
                }
            }
            "inherit" => {
                if let Some(file) = get(&attributes, "file").filter(|f| !f.contains("${")) {
                    self.template.extends.push(file.to_string());
                }
            }
            "include" => {
                let file = get(&attributes, "file").unwrap_or("");
                let name = match file.strip_prefix("${").and_then(|f| f.strip_suffix('}')) {
                    Some(expr) => parse(expr, Syntax::Python),
                    None => Expr::Str(file.to_string()),
                };
                let arguments =
                    parse_arguments(get(&attributes, "args").unwrap_or(""), Syntax::Python);
                let mut variables = Vec::new();
                for (name, value) in &arguments.named {
                    variables.push((name.clone(), self.uses(value, offset)));
                }
                self.include(&name, variables, false, range);
            }
            "namespace" => {
                if let Some(file) = get(&attributes, "file") {
                    let names = match get(&attributes, "import") {
                        Some("*") | None => Vec::new(),
                        Some(names) => names
                            .split(',')
                            .map(|n| (n.trim().to_string(), n.trim().to_string()))
                            .collect(),
                    };
                    self.scopes
                        .callables
                        .extend(names.iter().map(|(_, n)| n.clone()));
                    let alias = get(&attributes, "name").map(str::to_string);
                    self.template.imports.push(Import {
                        template: file.to_string(),
                        alias,
                        names,
                    });
                }
            }
            "page" => {
                if let Some(filters) = get(&attributes, "expression_filter") {
                    let on = filters.split(',').any(|f| f.trim() == "h");
                    if on {
                        self.autoescape = Autoescape::On;
                    }
                }
            }
            "call" => {
                let call = parse(get(&attributes, "expr").unwrap_or(""), Syntax::Python);
                self.interpolate(call, range, false);
                if !single {
                    self.open("call", offset);
                }
            }
            _ => {}
        }
    }

    pub(super) fn mako_control(&mut self, inner: &str, range: Range<usize>) {
        let text = inner.trim();
        let text = text.strip_suffix(':').unwrap_or(text).trim();
        let (word, rest) = first_word(text);
        match word {
            "for" => {
                let parts = split_outside(rest, " in ");
                let iterable = parts.get(1..).map(|p| p.join(" in ")).unwrap_or_default();
                self.open_loop(parts[0], parse(&iterable, Syntax::Python), range.start);
            }
            "if" | "while" | "try" | "with" => self.open_conditional(word, range.start),
            "else" | "elif" | "except" | "finally" => self.branch(),
            word => {
                if let Some(name) = word.strip_prefix("end") {
                    self.close(name);
                }
            }
        }
    }

    /// The assignments of a block of Python, each of which may be under a condition.
    pub(super) fn mako_python(&mut self, inner: &str, range: &Range<usize>) {
        let indent = |line: &str| line.len() - line.trim_start().len();
        let lines: Vec<&str> = inner.trim_start_matches('!').lines().take(2_000).collect();
        let margin = lines
            .iter()
            .skip(1)
            .filter(|l| !l.trim().is_empty())
            .map(|l| indent(l))
            .min()
            .unwrap_or(0);
        for (i, line) in lines.iter().enumerate() {
            if let Some((targets, value)) = split_assignment(line.trim()) {
                let value = parse(value, Syntax::Python);
                let uses = self.uses(&value, range.start);
                for target in targets
                    .split(',')
                    .map(str::trim)
                    .filter(|t| !t.is_empty() && !t.contains(['.', '(']))
                {
                    self.scopes
                        .bind(target, uses.clone(), i > 0 && indent(line) > margin);
                }
            }
        }
    }
}
