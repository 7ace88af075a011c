//! Checks of models against the rules, contexts and kinds that exist, and of their small languages: API paths,
//! argument places, types, regular expressions.

use std::collections::BTreeMap;

use regex::RegexBuilder;

use crate::model::{Condition, Models};
use crate::{CONTEXTS, Catalog, CatalogError, SOURCE_KINDS};

/// The line (counted from 1) of an offset.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    1 + text
        .bytes()
        .take(offset)
        .filter(|&byte| byte == b'\n')
        .count()
}

/// Everything that is wrong in a model file.
pub(crate) fn models(
    catalog: &Catalog,
    path: &str,
    text: &str,
    models: &Models,
) -> Vec<CatalogError> {
    let mut check = Check {
        catalog,
        path,
        text,
        errors: Vec::new(),
        at: (String::new(), 0),
    };
    check.all(models);
    check.errors
}

struct Check<'a> {
    catalog: &'a Catalog,
    path: &'a str,
    text: &'a str,
    errors: Vec<CatalogError>,
    /// The table that is looked at: its name and number (from 0), or a key of a plain table.
    at: (String, usize),
}

/// Where a fact is looked for.
const FACT_PLACES: &[&str] = &[
    "call",
    "read",
    "use",
    "store",
    "keyword",
    "field",
    "item",
    "compare",
    "test",
    "return",
    "guard",
    "route",
    "url",
    "parameter",
    "column",
    "string",
];
const LEVELS: &[&str] = &["high", "medium", "low"];
const SEVERITIES: &[&str] = &["critical", "high", "medium", "low", "info"];

impl Check<'_> {
    fn error(&mut self, message: String) {
        let (table, number) = &self.at;
        let header = format!("[[{table}]]");
        let line = self
            .text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.trim_start().starts_with(&header))
            .nth(*number)
            .or_else(|| {
                self.text
                    .lines()
                    .enumerate()
                    .find(|(_, line)| line.trim_start().starts_with(table.as_str()))
            })
            .map_or(0, |(index, _)| index + 1);
        self.errors.push(CatalogError {
            path: self.path.to_owned(),
            line,
            message,
        });
    }

    fn all(&mut self, models: &Models) {
        if models.library.name.is_empty() {
            self.at = ("[library]".to_owned(), 0);
            self.error("the library has no name".to_owned());
        }
        self.types(models);
        let mut seen = BTreeMap::new();
        for (number, item) in models.source.iter().enumerate() {
            self.at = ("source".to_owned(), number);
            self.paths(&item.path, true);
            self.one_of("source kind", &item.kind, SOURCE_KINDS);
            self.contexts(&item.except, false);
            self.places(item.to.iter());
            self.conditions(&item.when, true);
            for path in item.path.iter().filter(|_| item.when.is_empty()) {
                if seen.insert((path, &item.kind, &item.to), number).is_some() {
                    self.error(format!(
                        "`{path}` is given twice as a source of kind `{}`",
                        item.kind
                    ));
                }
            }
        }
        self.sinks(models);
        for (number, item) in models.sanitizer.iter().enumerate() {
            self.at = ("sanitizer".to_owned(), number);
            self.paths(&item.path, true);
            self.contexts(&item.cleans, true);
            self.conditions(&item.when, true);
            self.conditions(&item.unless, true);
        }
        for (number, item) in models.guard.iter().enumerate() {
            self.at = ("guard".to_owned(), number);
            self.paths(&item.path, true);
            self.contexts(&item.cleans, true);
            self.places([&item.arg]);
            if let Some(outcome) = &item.outcome {
                self.one_of(
                    "outcome",
                    outcome,
                    &["true", "false", "return", "member", "contains"],
                );
            }
            self.conditions(&item.when, true);
            self.conditions(&item.unless, true);
        }
        for (number, item) in models.propagator.iter().enumerate() {
            self.at = ("propagator".to_owned(), number);
            self.paths(&item.path, true);
            self.places(
                item.from
                    .iter()
                    .chain(&item.to)
                    .chain(&item.store)
                    .chain(&item.load)
                    .chain(&item.prefix),
            );
        }
        for (number, item) in models.state.iter().enumerate() {
            self.at = ("state".to_owned(), number);
            self.paths(&item.path, item.assign.is_empty());
            self.assigns(&item.assign);
            self.places(&item.of);
            if !item
                .becomes
                .split_once('#')
                .is_some_and(|(class, state)| is_path(class) && !state.is_empty())
            {
                self.error(format!(
                    "`{}` is not a class and its state, `CLASS#STATE`",
                    item.becomes
                ));
            }
            self.conditions(&item.when, true);
            self.conditions(&item.unless, true);
        }
        self.calls(models);
        self.patterns(models);
        self.scripts(models);
    }

    fn types(&mut self, models: &Models) {
        for (from, to) in &models.aliases {
            self.at = (format!("\"{from}\""), 0);
            self.paths(&[from.clone(), to.clone()], true);
            if from == to {
                self.error(format!("`{from}` is an alias of itself"));
            }
        }
        for (class, bases) in &models.bases {
            self.at = (format!("\"{class}\""), 0);
            self.paths(std::slice::from_ref(class), true);
            self.paths(bases, true);
            if bases.contains(class) {
                self.error(format!("`{class}` is its own base class"));
            }
        }
        for (path, returned) in models
            .returns
            .iter()
            .chain(&models.attributes)
            .chain(&models.parameters)
        {
            self.at = (format!("\"{path}\""), 0);
            self.paths(std::slice::from_ref(path), true);
            if !is_type(returned) {
                self.error(format!("`{returned}` is not a type"));
            }
        }
    }

    fn sinks(&mut self, models: &Models) {
        let mut seen = BTreeMap::new();
        for (number, item) in models.sink.iter().enumerate() {
            self.at = ("sink".to_owned(), number);
            self.rule(&item.rule);
            self.paths(&item.path, item.assign.is_empty());
            self.assigns(&item.assign);
            if item.args.is_empty() {
                self.error("a sink needs `args`".to_owned());
            }
            self.places(&item.args);
            self.conditions(&item.when, true);
            self.conditions(&item.unless, true);
            self.level(item.confidence.as_deref(), LEVELS);
            self.level(item.parameter.as_deref(), SEVERITIES);
            for path in item
                .path
                .iter()
                .filter(|_| item.when.is_empty() && item.unless.is_empty())
            {
                for place in &item.args {
                    if seen.insert((path, place, &item.rule), number).is_some() {
                        self.error(format!(
                            "`{path}` is given twice as a sink of `{}`",
                            item.rule
                        ));
                    }
                }
            }
        }
    }

    fn calls(&mut self, models: &Models) {
        for (number, item) in models.entry.iter().enumerate() {
            self.at = ("entry".to_owned(), number);
            if item.decorator.is_empty()
                && item.base.is_empty()
                && item.call.is_empty()
                && item.function.is_empty()
                && item.made_with.is_empty()
                && !item.operations
            {
                self.error(
                    "an entry needs `decorator`, `base`, `made-with`, `call`, `function` or `operations`"
                        .to_owned(),
                );
            }
            if item.call.is_empty() != item.handler.is_none() {
                self.error("`call` and `handler` go together".to_owned());
            }
            for paths in [&item.decorator, &item.base, &item.call, &item.injected] {
                self.paths(paths, false);
            }
            self.conditions(&item.when, true);
            if let Some(kind) = &item.params {
                self.one_of("source kind", kind, SOURCE_KINDS);
            }
            self.places(
                item.types
                    .keys()
                    .chain(&item.handler)
                    .chain(&item.route)
                    .chain(&item.verbs),
            );
            for of in item.types.values().filter(|of| !is_type(of)) {
                self.error(format!("`{of}` is not a type"));
            }
            for rule in &item.returns {
                self.rule(rule);
            }
            if let Some(protocol) = &item.protocol {
                self.one_of(
                    "protocol",
                    protocol,
                    &["http", "cli", "task", "event", "tool", "rpc"],
                );
            }
        }
        for (number, item) in models.callback.iter().enumerate() {
            self.at = ("callback".to_owned(), number);
            self.paths(&item.path, true);
            self.places([&item.function]);
            self.places(item.star.iter().chain(&item.double_star));
            for param in &item.params {
                if let Some(kind) = param.strip_prefix("source:") {
                    self.one_of("source kind", kind, SOURCE_KINDS);
                } else if let Some(of) = param.strip_prefix("type:") {
                    if !is_type(of) {
                        self.error(format!("`{of}` is not a type"));
                    }
                } else if param != "-" {
                    self.places([param]);
                }
            }
            if let Some(returns) = &item.returns {
                self.one_of("returns", returns, &["result", "list", "partial", "-"]);
            }
        }
        for (number, item) in models.template.iter().enumerate() {
            self.at = ("template".to_owned(), number);
            self.paths(&item.path, item.base.is_empty());
            self.paths(&item.base, false);
            self.one_of(
                "dialect",
                &item.dialect,
                &["jinja2", "django", "mako", "tornado"],
            );
            self.places(item.name.iter().chain(&item.source).chain(&item.context));
        }
        for (number, item) in models.regex.iter().enumerate() {
            self.at = ("regex".to_owned(), number);
            self.rule(&item.rule);
            self.paths(&item.path, true);
            self.places([&item.pattern]);
            self.places(item.flags.iter().chain(&item.text));
            if let Some(method) = &item.method {
                self.one_of("method", method, &["match", "fullmatch", "search"]);
            }
        }
    }

    fn patterns(&mut self, models: &Models) {
        for (number, item) in models.misuse.iter().enumerate() {
            self.at = ("misuse".to_owned(), number);
            self.rule(&item.rule);
            self.paths(&item.path, item.read.is_empty());
            self.paths(&item.read, false);
            self.conditions(&item.when, true);
            self.conditions(&item.unless, true);
            self.level(item.confidence.as_deref(), LEVELS);
            self.level(item.severity.as_deref(), SEVERITIES);
            self.message(item.message.as_deref());
        }
        for (number, item) in models.setting.iter().enumerate() {
            self.at = ("setting".to_owned(), number);
            self.rule(&item.rule);
            if item.name.is_empty() && item.assign.is_empty() && item.store.is_empty() {
                self.error("a setting needs `name`, `assign` or `store`".to_owned());
            }
            if item.store.is_empty() != item.key.is_empty() {
                self.error("`store` and `key` go together".to_owned());
            }
            if item.when.is_empty() && item.unless.is_empty() && !item.absent {
                self.error("a setting needs a condition on its value, or `absent`".to_owned());
            }
            self.assigns(&item.assign);
            self.paths(&item.store, false);
            self.conditions(&item.when, false);
            self.conditions(&item.unless, false);
            self.level(item.confidence.as_deref(), LEVELS);
            self.level(item.severity.as_deref(), SEVERITIES);
            self.message(item.message.as_deref());
        }
        for (number, item) in models.access.iter().enumerate() {
            self.at = ("access".to_owned(), number);
            self.paths(&item.path, true);
            self.one_of("kind", &item.kind, crate::ACCESS_KINDS);
        }
        for (number, item) in models.router.iter().enumerate() {
            self.at = ("router".to_owned(), number);
            let calls = [&item.mount, &item.through, &item.variable];
            self.paths(&item.create, calls.iter().all(|c| c.is_empty()));
            self.paths(&item.mount, false);
            self.paths(&item.through, false);
            let places = item.child.iter().chain(&item.prefix).chain(&item.under);
            self.places(places.chain(&item.guards));
            if item.mount.is_empty() != item.child.is_empty() {
                self.error("`mount` and `child` go together".to_owned());
            }
        }
        for (number, item) in models.inherited.iter().enumerate() {
            self.at = ("inherited".to_owned(), number);
            self.paths(&item.base, true);
            if item.verbs.is_empty() {
                self.error("`verbs` are needed".to_owned());
            }
        }
        for (number, item) in models.fact.iter().enumerate() {
            self.at = ("fact".to_owned(), number);
            for path in &item.path {
                // `*.headers.*`: any member.
                if !is_path(path.strip_suffix(".*").unwrap_or(path)) {
                    self.error(format!("`{path}` is not an API path"));
                }
            }
            if let Some(on) = &item.on {
                self.one_of("`on`", on, FACT_PLACES);
            }
            let patterns = [
                &item.named,
                &item.not_named,
                &item.dotted,
                &item.text,
                &item.keyword,
            ];
            for pattern in patterns.into_iter().flatten() {
                if let Err(error) = RegexBuilder::new(pattern).build() {
                    self.error(format!("`{pattern}` is not a regular expression: {error}"));
                }
            }
        }
    }

    fn scripts(&mut self, models: &Models) {
        for (number, item) in models.script_source.iter().enumerate() {
            self.at = ("script-source".to_owned(), number);
            self.script_paths(&item.path, item.event.is_empty());
        }
        for (number, item) in models.script_sink.iter().enumerate() {
            self.at = ("script-sink".to_owned(), number);
            self.rule(&item.rule);
            self.script_paths(&item.path, true);
        }
        for (number, item) in models.script_sanitizer.iter().enumerate() {
            self.at = ("script-sanitizer".to_owned(), number);
            self.script_paths(&item.path, item.named.is_none());
            if let Some(pattern) = &item.named
                && let Err(error) = RegexBuilder::new(pattern).build()
            {
                self.error(format!("`{pattern}` is not a regular expression: {error}"));
            }
        }
        for (number, item) in models.script_propagator.iter().enumerate() {
            self.at = ("script-propagator".to_owned(), number);
            self.script_paths(&item.path, true);
        }
    }

    fn script_paths(&mut self, paths: &[String], needed: bool) {
        if needed && paths.is_empty() {
            self.error("a path is needed".to_owned());
        }
        for path in paths.iter().filter(|path| !is_script_path(path)) {
            self.error(format!("`{path}` is not a path of a script"));
        }
    }

    fn rule(&mut self, id: &str) {
        if self.catalog.rule(id).is_none() {
            self.error(format!("there is no rule `{id}`"));
        }
    }

    fn paths(&mut self, paths: &[String], needed: bool) {
        if needed && paths.is_empty() {
            self.error("a path is needed".to_owned());
        }
        for path in paths.iter().filter(|path| !is_path(path)) {
            self.error(format!("`{path}` is not an API path"));
        }
    }

    fn assigns(&mut self, paths: &[String]) {
        for path in paths
            .iter()
            .filter(|path| *path != "*" && *path != "*[]")
            .filter(|path| !is_path(path.strip_suffix("[]").unwrap_or(path)))
        {
            self.error(format!("`{path}` is not an attribute path"));
        }
    }

    fn places<'p>(&mut self, places: impl IntoIterator<Item = &'p String>) {
        for place in places.into_iter().filter(|place| !is_place(place)) {
            self.error(format!("`{place}` is not an argument place"));
        }
    }

    fn contexts(&mut self, contexts: &[String], star: bool) {
        if star && contexts.is_empty() {
            self.error("`cleans` names no context".to_owned());
        }
        for context in contexts.iter().filter(|context| !(star && *context == "*")) {
            self.one_of("context", context, CONTEXTS);
        }
    }

    fn conditions(&mut self, conditions: &[Condition], on_call: bool) {
        for condition in conditions {
            if let Some(arg) = &condition.arg {
                self.places([arg]);
            }
            let on_value = condition.present.is_some()
                || condition.equals.is_some()
                || condition.matches.is_some()
                || condition.at_most.is_some()
                || condition.at_least.is_some()
                || condition.has_bits.is_some()
                || condition.literal.is_some()
                || condition.is.is_some()
                || condition.r#type.is_some()
                || condition.text.is_some()
                || condition.prefix.is_some()
                || condition.named.is_some()
                || condition.tainted.is_some();
            if on_call
                && (!on_value && condition.arg.is_some()
                    || on_value && condition.arg.is_none() && self.at.0 != "sink")
            {
                self.error("a condition on a value needs `arg`, and only such a one".to_owned());
            } else if !on_call
                && condition
                    .arg
                    .as_deref()
                    .is_some_and(|arg| !arg.starts_with("value["))
            {
                self.error(
                    "the condition of a setting is on its value and has no `arg` but `value[..]`"
                        .to_owned(),
                );
            }
            if !on_value
                && condition.used_as.is_none()
                && condition.around.is_none()
                && condition.imports.is_none()
            {
                self.error("an empty condition".to_owned());
            }
            for pattern in [
                &condition.matches,
                &condition.text,
                &condition.prefix,
                &condition.named,
                &condition.used_as,
                &condition.around,
            ]
            .into_iter()
            .flatten()
            {
                if let Err(error) = RegexBuilder::new(pattern).build() {
                    self.error(format!("`{pattern}` is not a regular expression: {error}"));
                }
            }
            for kind in condition.tainted.iter().flat_map(|kinds| kinds.as_slice()) {
                if let crate::model::Scalar::Str(kind) = kind {
                    self.one_of("source kind", kind, SOURCE_KINDS);
                }
            }
        }
    }

    fn level(&mut self, level: Option<&str>, levels: &[&str]) {
        if let Some(level) = level {
            self.one_of("level", level, levels);
        }
    }

    fn message(&mut self, message: Option<&str>) {
        if message.is_some_and(|message| message.ends_with('.') || message.trim().is_empty()) {
            self.error("a message is a sentence without full stop".to_owned());
        }
    }

    fn one_of(&mut self, what: &str, value: &str, allowed: &[&str]) {
        if !allowed.contains(&value) {
            self.error(format!(
                "unknown {what} `{value}`, expected one of {}",
                allowed.join(", ")
            ));
        }
    }
}

fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
}

/// Names and calls joined by dots; the first may be `*`.
fn is_script_path(path: &str) -> bool {
    let rest = path.strip_prefix("*.").unwrap_or(path);
    rest.split('.').all(|part| {
        let name = part.strip_suffix("()").unwrap_or(part);
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$'))
    })
}

/// `a.b`, `a.b().c`, `*.b`
fn is_path(path: &str) -> bool {
    let rest = path.strip_prefix("*.").unwrap_or(path);
    rest.split('.')
        .all(|part| is_identifier(part.strip_suffix("()").unwrap_or(part)))
}

/// `0`, `name`, `0:name`, `self`, `*`, `**`, `return`, with suffixes `[0]`, `[1:]`, `[]`, `{}`, `.name`.
fn is_place(place: &str) -> bool {
    let end = place.find(['[', '{', '.']).unwrap_or(place.len());
    let (head, mut rest) = place.split_at(end);
    let number = |text: &str| {
        !text.is_empty() && text.len() < 4 && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let head_is_good = match head.split_once(':') {
        Some((position, name)) => number(position) && is_identifier(name),
        None => head == "*" || head == "**" || number(head) || is_identifier(head),
    };
    while !rest.is_empty() {
        let length = if let Some(inner) = rest.strip_prefix('[') {
            let Some(close) = inner.find(']') else {
                return false;
            };
            let index = inner[..close].strip_suffix(':').unwrap_or(&inner[..close]);
            if !(index.is_empty() && close == 0 || number(index)) {
                return false;
            }
            close + 2
        } else if rest.starts_with("{}") {
            2
        } else if let Some(inner) = rest.strip_prefix('.') {
            let close = inner.find(['[', '{', '.']).unwrap_or(inner.len());
            if !is_identifier(&inner[..close]) && !number(&inner[..close]) {
                return false;
            }
            close + 1
        } else {
            return false;
        };
        rest = &rest[length..];
    }
    head_is_good
}

/// A class path, `list[T]`, `tuple[A, B]`, `'…'+str`, `self` or an argument's place.
fn is_type(of: &str) -> bool {
    if let Some(inner) = of.strip_suffix(']') {
        let Some((head, inner)) = inner.split_once('[') else {
            return false;
        };
        return match head {
            "list" | "dict" | "iter" | "type" => inner == "?" || is_type(inner),
            "tuple" => split_types(inner)
                .into_iter()
                .all(|part| part.trim() == "?" || is_type(part.trim())),
            _ => false,
        };
    }
    if let Some(position) = of.strip_prefix("module:").or(of.strip_prefix("name:")) {
        return position.bytes().all(|byte| byte.is_ascii_digit());
    }
    let quoted = of.strip_prefix('\'');
    quoted.is_some_and(|of| of.ends_with("'+str"))
        || is_path(of)
        || (!of.is_empty() && of.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Splits at commas outside brackets.
fn split_types(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (index, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests;
