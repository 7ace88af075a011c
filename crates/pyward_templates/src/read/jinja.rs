//! The tags of Jinja2, and those of Tornado, which are nearly Python statements.

use std::ops::Range;

use super::Reader;
use crate::expr::{Expr, Syntax, parse, parse_arguments};
use crate::model::{Import, Include};
use crate::token::split_outside;

/// The first word and the rest.
pub(super) fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// The constant texts that a template name may be: one, a list, the branches of a condition.
pub(super) fn names_in(expr: &Expr) -> Vec<String> {
    match expr {
        Expr::Str(name) => vec![name.clone()],
        Expr::List(items) | Expr::Either(items) => items.iter().flat_map(names_in).collect(),
        _ => Vec::new(),
    }
}

/// Without a word at the end.
fn without(text: &str, word: &str) -> String {
    match text.find(word) {
        Some(at) => text[..at].trim().to_string(),
        None => text.trim().to_string(),
    }
}

/// `a, b as c` of an import.
fn imported(text: &str) -> Vec<(String, String)> {
    let text = without(&without(text, " with context"), " without context");
    text.split(',')
        .map(|part| match part.split_once(" as ") {
            Some((original, local)) => (original.trim().to_string(), local.trim().to_string()),
            None => (part.trim().to_string(), part.trim().to_string()),
        })
        .filter(|(name, _)| !name.is_empty())
        .collect()
}

impl Reader<'_> {
    pub(super) fn declare_jinja(&mut self, inner: &str) {
        let (word, rest) = first_word(inner);
        match word {
            "macro" => {
                let (name, _) = first_word(rest);
                self.scopes.callables.insert(name.to_string());
            }
            "import" => {
                if let Some((_, alias)) = rest.rsplit_once(" as ") {
                    let alias = without(&without(alias, " with context"), " without context");
                    self.scopes.callables.insert(alias);
                }
            }
            "from" => {
                if let Some((_, names)) = rest.split_once(" import ") {
                    self.scopes
                        .callables
                        .extend(imported(names).into_iter().map(|n| n.1));
                }
            }
            _ => {}
        }
    }

    pub(super) fn jinja_tag(&mut self, inner: &str, range: Range<usize>) {
        let (word, rest) = first_word(inner);
        let offset = range.start;
        let jinja = |text: &str| parse(text, Syntax::Jinja);
        match word {
            "for" => {
                let parts = split_outside(rest, " in ");
                let iterable = parts.get(1..).map(|p| p.join(" in ")).unwrap_or_default();
                let iterable = split_outside(&iterable, " if ")[0].trim();
                let iterable = iterable.strip_suffix(" recursive").unwrap_or(iterable);
                self.open_loop(parts[0], jinja(iterable), offset);
            }
            "if" => {
                let condition = jinja(rest);
                self.uses(&condition, offset);
                self.open_conditional("if", offset);
            }
            "else" | "elif" => self.branch(),
            "set" => match split_assignment(rest) {
                Some((targets, value)) => self.assign(targets, jinja(value), offset),
                None => {
                    let (name, filters) = rest.split_once('|').unwrap_or((rest, ""));
                    self.bind(name.trim(), Vec::new());
                    self.open_apart("set", offset);
                    if !filters.is_empty() {
                        self.filter_escapes = false;
                    }
                }
            },
            "macro" => {
                let (name, rest) = first_word(rest);
                let arguments = rest
                    .trim()
                    .strip_prefix('(')
                    .map(|r| r.trim_end().strip_suffix(')').unwrap_or(r))
                    .unwrap_or("");
                self.open_macro(name, &parse_arguments(arguments, Syntax::Jinja), offset);
            }
            "call" => {
                let (parameters, call) =
                    match rest.strip_prefix('(').and_then(|r| r.split_once(')')) {
                        Some((parameters, call)) => (parameters, call),
                        None => ("", rest),
                    };
                let call = jinja(call);
                self.interpolate(call, range, false);
                self.open("call", offset);
                for name in parameters
                    .split(',')
                    .map(str::trim)
                    .filter(|n| !n.is_empty())
                {
                    self.scopes.bind(name, Vec::new(), false);
                }
            }
            "filter" => self.open_filter(rest, "filter", offset),
            "block" => {
                let (name, _) = first_word(rest);
                self.open_block(name, offset);
            }
            "extends" => {
                let names = names_in(&jinja(rest));
                self.template.extends.extend(names);
            }
            "include" => {
                let name = without(&without(rest, " ignore missing"), " with context");
                let only = name.contains(" without context");
                let name = jinja(&without(&name, " without context"));
                self.include(&name, Vec::new(), only, range);
            }
            "import" => {
                if let Some((name, alias)) = rest.rsplit_once(" as ") {
                    let alias = without(&without(alias, " with context"), " without context");
                    for template in names_in(&jinja(name)) {
                        self.template.imports.push(Import {
                            template,
                            alias: Some(alias.clone()),
                            names: Vec::new(),
                        });
                    }
                }
            }
            "from" => {
                if let Some((name, names)) = rest.split_once(" import ") {
                    for template in names_in(&jinja(name)) {
                        self.template.imports.push(Import {
                            template,
                            alias: None,
                            names: imported(names),
                        });
                    }
                }
            }
            "with" => {
                self.open("with", offset);
                for (name, value) in parse_arguments(rest, Syntax::Jinja).named {
                    self.assign(&name, value, offset);
                }
            }
            "autoescape" => {
                self.open("autoescape", offset);
                self.set_autoescape(!matches!(rest, "false" | "False" | "off"), offset);
            }
            "trans" => {
                self.open("trans", offset);
                for (name, value) in parse_arguments(rest, Syntax::Jinja).named {
                    self.assign(&name, value, offset);
                }
            }
            "do" => {
                let expr = jinja(rest);
                // `do list.append(value)` adds to what the list holds.
                if let Expr::Call(callee, arguments) = &expr
                    && let Expr::Attr(base, method) = &**callee
                    && let Expr::Name(name) = &**base
                    && matches!(
                        method.as_str(),
                        "append" | "extend" | "insert" | "update" | "add"
                    )
                {
                    let mut added = Vec::new();
                    for value in arguments.values() {
                        added.extend(self.uses(value, offset));
                    }
                    self.scopes.bind(name, added, true);
                } else {
                    self.uses(&expr, offset);
                }
            }
            "csrf_token" => self.html.csrf_token(),
            word => {
                self.note_csrf(inner);
                if let Some(name) = word.strip_prefix("end") {
                    self.close(name);
                }
            }
        }
    }

    /// Notes an include.
    pub(super) fn include(
        &mut self,
        name: &Expr,
        variables: Vec<(String, Vec<crate::Use>)>,
        only: bool,
        range: Range<usize>,
    ) {
        let names = names_in(name);
        let name_uses = self.uses(name, range.start);
        let line = self.line(range.start);
        self.html.hole();
        self.template.includes.push(Include {
            names,
            name_uses,
            variables,
            only,
            line,
            range,
        });
    }

    pub(super) fn tornado_tag(&mut self, inner: &str, range: Range<usize>) {
        let (word, rest) = first_word(inner);
        let offset = range.start;
        let python = |text: &str| parse(text, Syntax::Python);
        match word {
            "for" => {
                let parts = split_outside(rest, " in ");
                let iterable = parts.get(1..).map(|p| p.join(" in ")).unwrap_or_default();
                self.open_loop(parts[0], python(&iterable), offset);
            }
            "if" | "while" | "try" => self.open_conditional(word, offset),
            "else" | "elif" | "except" | "finally" => self.branch(),
            "end" => self.close(""),
            "set" => {
                if let Some((targets, value)) = split_assignment(rest) {
                    self.assign(targets, python(value), offset);
                }
            }
            "raw" => {
                self.note_csrf(inner);
                self.interpolate(python(rest), range, true);
            }
            "module" => {
                self.note_csrf(inner);
                self.html.hole();
            }
            "apply" => self.open_filter(rest, "apply", offset),
            "block" => {
                let (name, _) = first_word(rest);
                self.open_block(name, offset);
            }
            "extends" => self
                .template
                .extends
                .push(rest.trim_matches(['"', '\'', ' ']).to_string()),
            "include" => {
                let name = Expr::Str(rest.trim_matches(['"', '\'', ' ']).to_string());
                self.include(&name, Vec::new(), false, range);
            }
            "autoescape" => self.set_autoescape(rest.trim() != "None", offset),
            _ => {}
        }
    }
}

/// `targets = value`, or `None` for what is no assignment.
pub(super) fn split_assignment(text: &str) -> Option<(&str, &str)> {
    let (targets, value) = text.split_once('=')?;
    let plain = !targets.trim().is_empty()
        && targets
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | ',' | ' ' | '.' | '(' | ')'));
    (plain && !value.starts_with('=')).then_some((targets.trim(), value.trim()))
}
