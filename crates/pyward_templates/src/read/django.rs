//! The tags of Django's templates.

use std::ops::Range;

use super::Reader;
use crate::expr::{Expr, parse_django};
use crate::read::jinja::names_in;
use crate::token::string_end;

/// Splits at blanks outside of quotes, as Django does.
fn words(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let (mut out, mut start, mut at) = (Vec::new(), None, 0);
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'"' | b'\'') => {
                start.get_or_insert(at);
                at = string_end(bytes, at, quote).min(bytes.len());
                continue;
            }
            c if c.is_ascii_whitespace() => {
                if let Some(start) = start.take() {
                    out.push(&text[start..at]);
                }
            }
            _ => {
                start.get_or_insert(at);
            }
        }
        at += 1;
    }
    if let Some(start) = start {
        out.push(&text[start..]);
    }
    out
}

/// The pairs `name=value` among words; also the older `value as name`.
fn pairs<'a>(words: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let mut out = Vec::new();
    for (i, word) in words.iter().enumerate() {
        if *word == "as" && i > 0 && i + 1 < words.len() {
            out.push((words[i + 1], words[i - 1]));
        } else if let Some((name, value)) = word.split_once('=')
            && !name.is_empty()
            && name.chars().all(|c| c.is_alphanumeric() || c == '_')
        {
            out.push((name, value));
        }
    }
    out
}

impl Reader<'_> {
    pub(super) fn django_tag(&mut self, inner: &str, range: Range<usize>) {
        let words = words(inner);
        let Some((&word, rest)) = words.split_first() else {
            return;
        };
        let offset = range.start;
        match word {
            "for" => {
                let at = rest.iter().position(|w| *w == "in").unwrap_or(rest.len());
                let targets = rest[..at].join(" ");
                let iterable = parse_django(rest.get(at + 1).copied().unwrap_or(""));
                self.open_loop(&targets, iterable, offset);
            }
            "if" | "ifequal" | "ifnotequal" | "ifchanged" => self.open_conditional(word, offset),
            "else" | "elif" | "empty" => self.branch(),
            "with" | "blocktrans" | "blocktranslate" => {
                self.open(word, offset);
                for (name, value) in pairs(rest) {
                    self.assign(name, parse_django(value), offset);
                }
            }
            "autoescape" => {
                self.open("autoescape", offset);
                self.set_autoescape(rest.first() != Some(&"off"), offset);
            }
            "filter" => self.open_filter(&rest.join(" "), "filter", offset),
            "block" => self.open_block(rest.first().copied().unwrap_or(""), offset),
            "extends" => {
                let names = names_in(&parse_django(rest.first().copied().unwrap_or("")));
                self.template.extends.extend(names);
            }
            "include" => {
                let name = parse_django(rest.first().copied().unwrap_or(""));
                let mut variables = Vec::new();
                for (name, value) in pairs(rest.get(1..).unwrap_or_default()) {
                    variables.push((name.to_string(), self.uses(&parse_django(value), offset)));
                }
                self.include(&name, variables, rest.contains(&"only"), range);
            }
            "regroup" => {
                if let (Some(value), Some(name)) = (rest.first(), rest.last()) {
                    let value =
                        Expr::Index(Box::new(parse_django(value)), Box::new(Expr::Constant));
                    self.assign(name, value, offset);
                }
            }
            "firstof" | "cycle" | "trans" | "translate" => {
                let end = rest
                    .iter()
                    .position(|w| matches!(*w, "as" | "context" | "noop" | "silent"))
                    .unwrap_or(rest.len());
                let values: Vec<Expr> = rest[..end].iter().map(|w| parse_django(w)).collect();
                match (rest.get(end), rest.get(end + 1)) {
                    (Some(&"as"), Some(name)) => self.assign(name, Expr::Either(values), offset),
                    _ => self.interpolate(Expr::Either(values), range, false),
                }
            }
            "csrf_token" => self.html.csrf_token(),
            word => {
                self.note_csrf(inner);
                if let Some(name) = word.strip_prefix("end") {
                    self.close(name);
                } else if let [.., "as", name] = rest {
                    // A tag of the application that makes a variable of its arguments.
                    let values = rest[..rest.len() - 2]
                        .iter()
                        .map(|w| parse_django(w.split_once('=').map_or(w, |p| p.1)))
                        .collect();
                    let call = Expr::Filter(
                        Box::new(Expr::List(values)),
                        word.to_string(),
                        crate::Arguments::default(),
                    );
                    self.assign(name, call, offset);
                }
            }
        }
    }
}
