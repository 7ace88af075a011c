//! Follows values through the scripts of a page.

use rustc_hash::{FxHashMap, FxHashSet};
use tree_sitter::Node;

use crate::names::{Move, Names, bound, children, is_function};
use crate::value::Value;
use crate::{Flow, Flows, Scripts};

/// Expressions nested deeper than this are taken for harmless.
const MAX_DEPTH: usize = 200;
/// Expressions looked at in one page.
const MAX_STEPS: usize = 2_000_000;
/// Times that all places are looked at; values need one for each function they come back through.
const MAX_ROUNDS: usize = 8;

/// Whose member is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Owner<'t> {
    Variable(usize),
    Global(&'t str),
    This,
}

/// The state of one page.
pub(crate) struct Reader<'t, 'm> {
    scripts: &'m Scripts,
    names: &'m Names<'t>,
    code: &'t str,
    variables: Vec<Value>,
    members: FxHashMap<(Owner<'t>, &'t str), Value>,
    /// By the function's node.
    returned: FxHashMap<usize, Value>,
    has_changed: bool,
    steps: usize,
    is_partial: bool,
}

impl<'t, 'm> Reader<'t, 'm> {
    pub(crate) fn new(scripts: &'m Scripts, names: &'m Names<'t>, code: &'t str) -> Self {
        Self {
            scripts,
            names,
            code,
            variables: vec![Value::default(); names.given.len()],
            members: FxHashMap::default(),
            returned: FxHashMap::default(),
            has_changed: true,
            steps: MAX_STEPS,
            is_partial: names.is_partial,
        }
    }

    pub(crate) fn flows(mut self) -> Flows {
        for _ in 0..MAX_ROUNDS {
            if !std::mem::take(&mut self.has_changed) {
                break;
            }
            for place in &self.names.moves {
                self.step(place);
            }
        }
        self.is_partial |= self.has_changed;
        let mut found = Vec::new();
        let mut seen = FxHashSet::default();
        for place in &self.names.moves {
            self.report(place, &mut found, &mut seen);
        }
        Flows {
            found,
            is_partial: self.is_partial,
        }
    }

    // ---- where values move

    fn step(&mut self, place: &Move<'t>) {
        let Move {
            node,
            scope,
            function,
        } = *place;
        let field = |name| node.child_by_field_name(name);
        match node.kind() {
            "variable_declarator" => {
                if let (Some(name), Some(value)) = (field("name"), field("value")) {
                    self.bind(name, value, scope);
                }
            }
            "assignment_expression" | "augmented_assignment_expression" => {
                if let (Some(left), Some(right)) = (field("left"), field("right")) {
                    self.assign(left, right, scope);
                }
            }
            "for_in_statement" => {
                let is_of = field("operator").is_some_and(|operator| operator.kind() == "of");
                if let (Some(left), Some(right), true) = (field("left"), field("right"), is_of) {
                    self.bind(left, right, scope);
                }
            }
            "field_definition" => {
                if let (Some(name), Some(value)) = (field("property"), field("value")) {
                    let value = self.value(value, scope, 0);
                    self.keep(Owner::This, self.names.text(name), value);
                }
            }
            "return_statement" => {
                if let (Some(value), Some(function)) = (node.named_child(0), function) {
                    let value = self.value(value, scope, 0);
                    self.give_back(function, value);
                }
            }
            "call_expression" => self.call(node, scope),
            _ if is_function(node) => {
                if let (Some(body), Some(function)) = (field("body"), function) {
                    let value = self.value(body, scope, 0);
                    self.give_back(function, value);
                }
            }
            _ => {}
        }
    }

    fn set(&mut self, variable: usize, value: Value) {
        let joined = self.variables[variable].join(value);
        self.has_changed |= joined != self.variables[variable];
        self.variables[variable] = joined;
    }

    fn keep(&mut self, owner: Owner<'t>, name: &'t str, value: Value) {
        if value == Value::default() {
            return;
        }
        let slot = self.members.entry((owner, name)).or_default();
        let joined = slot.join(value);
        self.has_changed |= joined != *slot;
        *slot = joined;
    }

    fn give_back(&mut self, function: usize, value: Value) {
        let slot = self.returned.entry(function).or_default();
        let joined = slot.join(value);
        self.has_changed |= joined != *slot;
        *slot = joined;
    }

    /// Binds the names of a pattern to a value or its parts.
    fn bind(&mut self, pattern: Node<'t>, right: Node<'t>, scope: usize) {
        let value = self.value(right, scope, 0);
        if pattern.kind() == "object_pattern" {
            for part in children(pattern) {
                let key = part
                    .child_by_field_name("key")
                    .or(part.child_by_field_name("left"));
                let name = self.names.text(key.unwrap_or(part));
                let before = || self.path(right, scope, 0);
                let part_value = if self.scripts.sanitizers.get(name, before).is_some() {
                    Value::default()
                } else if self.scripts.sources.get(name, before).is_some() {
                    Value::from(part.start_byte(), part.end_byte())
                } else {
                    value
                };
                self.bind_all(part, part_value, scope);
            }
        } else {
            self.bind_all(pattern, value, scope);
        }
    }

    fn bind_all(&mut self, pattern: Node<'t>, value: Value, scope: usize) {
        for name in bound(pattern) {
            if let Some(variable) = self.names.variable(scope, self.names.text(name)) {
                self.set(variable, value);
            }
        }
    }

    fn assign(&mut self, left: Node<'t>, right: Node<'t>, scope: usize) {
        match left.kind() {
            "member_expression" | "subscript_expression" => {
                let property = left.child_by_field_name("property");
                let name = property.map_or("", |name| self.names.text(name));
                if let Some(event) = name.strip_prefix("on")
                    && self.scripts.events.contains(event)
                    && let Some(function) = self.function(right, scope)
                {
                    let from = Value::from(left.start_byte(), left.end_byte());
                    self.hand(function, Some(0), from);
                }
                let value = self.value(right, scope, 0);
                self.store(left, value, scope);
            }
            _ => self.bind(left, right, scope),
        }
    }

    /// Puts a value into a member or an item, or what that belongs to.
    fn store(&mut self, target: Node<'t>, value: Value, scope: usize) {
        match self.member(target, scope, 0) {
            Some((owner, Some(name))) => self.keep(owner, name, value),
            Some((Owner::Variable(variable), None)) => self.set(variable, value),
            _ => {}
        }
    }

    /// The variable that an expression begins with, and the first member of it that is named.
    fn member(
        &self,
        node: Node<'t>,
        scope: usize,
        depth: usize,
    ) -> Option<(Owner<'t>, Option<&'t str>)> {
        if depth > MAX_DEPTH {
            return None;
        }
        match node.kind() {
            "identifier" => {
                let name = self.names.text(node);
                let variable = self.names.variable(scope, name);
                Some((variable.map_or(Owner::Global(name), Owner::Variable), None))
            }
            "this" => Some((Owner::This, None)),
            "member_expression" => {
                let object = node.child_by_field_name("object")?;
                let property = node.child_by_field_name("property")?;
                let (owner, name) = self.member(object, scope, depth + 1)?;
                Some((owner, name.or(Some(self.names.text(property)))))
            }
            "subscript_expression" => {
                self.member(node.child_by_field_name("object")?, scope, depth + 1)
            }
            _ => None,
        }
    }

    fn call(&mut self, node: Node<'t>, scope: usize) {
        let Some(callee) = node.child_by_field_name("function") else {
            return;
        };
        let arguments = arguments(node);
        let values: Vec<Value> = arguments
            .iter()
            .map(|argument| self.value(*argument, scope, 0))
            .collect();
        if let Some(function) = self.function(callee, scope) {
            for (place, value) in values.iter().enumerate() {
                self.hand(function, Some(place), *value);
            }
            return;
        }
        if self.is_harmless(callee, scope) {
            return;
        }
        let property = callee.child_by_field_name("property");
        let method = property.map_or("", |name| self.names.text(name));
        let object = callee.child_by_field_name("object");
        let owner = object.map_or(Value::default(), |object| self.value(object, scope, 0));
        if matches!(method, "push" | "unshift" | "add" | "set" | "splice")
            && let Some(object) = object
        {
            let all = values.iter().fold(Value::default(), |a, b| a.join(*b));
            self.store(object, all, scope);
        }
        if method == "addEventListener"
            && let [event, handler, ..] = arguments.as_slice()
            && self
                .scripts
                .events
                .contains(self.names.text(*event).trim_matches(['"', '\'', '`']))
            && let Some(function) = self.function(*handler, scope)
        {
            let from = Value::from(callee.start_byte(), event.end_byte());
            self.hand(function, Some(0), from);
        }
        // What its callbacks get.
        let given = if self.is_source(callee, scope) {
            Value::from(node.start_byte(), node.end_byte())
        } else if method == "catch" {
            Value::default()
        } else {
            let handed = values.iter().fold(owner, |a, b| a.join(*b));
            Value {
                has_markup: false,
                ..handed
            }
        };
        if !given.is_foreign() {
            return;
        }
        let place = match method {
            "map" | "forEach" | "filter" | "find" | "flatMap" | "some" | "every" | "findLast" => {
                Some(0)
            }
            _ => None,
        };
        for argument in arguments {
            self.hand_callbacks(argument, place, given, scope);
        }
    }

    fn hand_callbacks(
        &mut self,
        argument: Node<'t>,
        place: Option<usize>,
        value: Value,
        scope: usize,
    ) {
        if let Some(function) = self.function(argument, scope) {
            self.hand(function, place, value);
        } else if argument.kind() == "object" {
            for part in children(argument) {
                let (name, handler) = match part.kind() {
                    "pair" => (
                        part.child_by_field_name("key"),
                        part.child_by_field_name("value"),
                    ),
                    "method_definition" => (part.child_by_field_name("name"), Some(part)),
                    _ => continue,
                };
                let name = name.map_or("", |name| self.names.text(name));
                // What is told of a failure is the client's own text.
                if name.contains("error") || name.contains("fail") {
                    continue;
                }
                if let Some(function) = handler.and_then(|node| self.function(node, scope)) {
                    self.hand(function, place, value);
                }
            }
        }
    }

    /// Hands a value to one of a function's parameters, or to all.
    fn hand(&mut self, function: usize, place: Option<usize>, value: Value) {
        let names = self.names;
        let Some(function) = names.functions.get(&function) else {
            return;
        };
        for (number, variables) in function.parameters.iter().enumerate() {
            if place.is_none_or(|place| place == number) {
                for variable in variables {
                    self.set(*variable, value);
                }
            }
        }
    }

    /// The function of the page that an expression stands for.
    fn function(&self, node: Node<'t>, scope: usize) -> Option<usize> {
        match node.kind() {
            "identifier" => {
                let variable = self.names.variable(scope, self.names.text(node))?;
                self.names.by_variable.get(&variable).copied()
            }
            "member_expression" => {
                let property = node.child_by_field_name("property")?;
                self.names.method(self.names.text(property))
            }
            // `f.bind(this)`
            "call_expression" => {
                let callee = node.child_by_field_name("function")?;
                let property = callee.child_by_field_name("property")?;
                let object = callee.child_by_field_name("object")?;
                (self.names.text(property) == "bind" && object.kind() != "call_expression")
                    .then(|| self.function(object, scope))
                    .flatten()
            }
            _ => is_function(node).then(|| node.id()),
        }
    }

    // ---- what values are

    fn value(&mut self, node: Node<'t>, scope: usize, depth: usize) -> Value {
        if depth > MAX_DEPTH || self.steps == 0 {
            self.is_partial = true;
            return Value::default();
        }
        self.steps -= 1;
        let depth = depth + 1;
        let field = |name| node.child_by_field_name(name);
        match node.kind() {
            "identifier" | "shorthand_property_identifier" => {
                let name = self.names.text(node);
                match self.names.variable(scope, name) {
                    Some(variable) => self.variables[variable],
                    None => Value::default(),
                }
            }
            "string" => Value::of_text(self.names.text(node)),
            "template_string" => {
                let mut all = Value::of_text(self.names.text(node));
                for part in children(node) {
                    if let ("template_substitution", Some(inner)) =
                        (part.kind(), part.named_child(0))
                    {
                        all = all.join(self.value(inner, scope, depth));
                    }
                }
                all
            }
            "binary_expression" => {
                let operator = field("operator").map_or("", |operator| operator.kind());
                match (field("left"), field("right")) {
                    (Some(left), Some(right)) if matches!(operator, "+" | "||" | "??") => self
                        .value(left, scope, depth)
                        .join(self.value(right, scope, depth)),
                    (_, Some(right)) if operator == "&&" => self.value(right, scope, depth),
                    _ => Value::default(),
                }
            }
            "ternary_expression" => match (field("consequence"), field("alternative")) {
                (Some(yes), Some(no)) => self
                    .value(yes, scope, depth)
                    .join(self.value(no, scope, depth)),
                _ => Value::default(),
            },
            "assignment_expression" => {
                field("right").map_or(Value::default(), |right| self.value(right, scope, depth))
            }
            "sequence_expression" => match children(node).last() {
                Some(last) => self.value(*last, scope, depth),
                None => Value::default(),
            },
            "parenthesized_expression" | "await_expression" | "spread_element" => {
                match node.named_child(0) {
                    Some(inner) => self.value(inner, scope, depth),
                    None => Value::default(),
                }
            }
            "array" | "object" => {
                let parts = children(node).into_iter();
                parts.fold(Value::default(), |all, part| {
                    let part = part.child_by_field_name("value").unwrap_or(part);
                    all.join(self.value(part, scope, depth))
                })
            }
            "member_expression" => self.member_value(node, scope, depth),
            "subscript_expression" => {
                field("object").map_or(Value::default(), |object| self.value(object, scope, depth))
            }
            "call_expression" => self.call_value(node, scope, depth),
            "new_expression" => {
                let class = field("constructor");
                class
                    .and_then(|class| self.passed(node, class, scope, depth))
                    .unwrap_or_default()
            }
            _ => Value::default(),
        }
    }

    fn member_value(&mut self, node: Node<'t>, scope: usize, depth: usize) -> Value {
        let object = node.child_by_field_name("object");
        let property = node.child_by_field_name("property");
        let (Some(object), Some(property)) = (object, property) else {
            return Value::default();
        };
        let name = self.names.text(property);
        let before = || self.path(object, scope, depth);
        if self.scripts.sanitizers.get(name, before).is_some() {
            return Value::default();
        }
        if self.scripts.sources.get(name, before).is_some() {
            return Value::from(node.start_byte(), node.end_byte());
        }
        let kept = match self.member(node, scope, depth) {
            Some((owner, Some(name))) => self.members.get(&(owner, name)).copied(),
            _ => None,
        };
        self.value(object, scope, depth)
            .join(kept.unwrap_or_default())
    }

    fn call_value(&mut self, node: Node<'t>, scope: usize, depth: usize) -> Value {
        let Some(callee) = node.child_by_field_name("function") else {
            return Value::default();
        };
        if self.is_await(callee) {
            let awaited = arguments(node).into_iter().next();
            return awaited.map_or(Value::default(), |inner| self.value(inner, scope, depth));
        }
        if self.is_harmless(callee, scope) {
            return Value::default();
        }
        if self.is_source(callee, scope) {
            return Value::from(node.start_byte(), node.end_byte());
        }
        if let Some(function) = self.function(callee, scope) {
            return self.returned.get(&function).copied().unwrap_or_default();
        }
        let passed = self.passed(node, callee, scope, depth).unwrap_or_default();
        let object = callee.child_by_field_name("object");
        let property = callee.child_by_field_name("property");
        let (Some(object), Some(property)) = (object, property) else {
            return passed;
        };
        let owner = self.value(object, scope, depth);
        let arguments = arguments(node);
        match self.names.text(property) {
            "replace" | "replaceAll"
                if arguments.first().is_some_and(|a| self.is_of_markup(*a)) =>
            {
                Value::default()
            }
            "some" | "every" | "includes" | "indexOf" | "findIndex" | "startsWith" | "endsWith"
            | "test" | "forEach" => Value::default(),
            "map" | "flatMap" | "reduce" | "reduceRight" | "then" | "finally" | "catch" => {
                // What the callback makes of it.
                let callback = arguments
                    .first()
                    .and_then(|first| self.function(*first, scope));
                let made = callback.map(|f| self.returned.get(&f).copied().unwrap_or_default());
                let method = self.names.text(property);
                match made {
                    Some(made) if matches!(method, "catch" | "finally") => owner.join(made),
                    Some(made) => made,
                    None => owner,
                }
            }
            _ => owner.join(passed),
        }
    }

    /// The grammar takes `await (x).y()` for a call of `await`.
    fn is_await(&self, callee: Node<'t>) -> bool {
        callee.kind() == "identifier" && self.names.text(callee) == "await"
    }

    /// A pattern that finds `<`: what is done to it is escaping.
    fn is_of_markup(&self, argument: Node<'t>) -> bool {
        matches!(argument.kind(), "regex" | "string") && self.names.text(argument).contains('<')
    }

    fn is_harmless(&self, callee: Node<'t>, scope: usize) -> bool {
        let Some((name, object)) = self.called(callee) else {
            return false;
        };
        let before = || self.before(object, scope);
        self.scripts
            .harmless
            .iter()
            .any(|named| named.is_match(name))
            || self
                .scripts
                .sanitizers
                .get(&format!("{name}()"), before)
                .is_some()
    }

    fn is_source(&self, callee: Node<'t>, scope: usize) -> bool {
        self.called(callee).is_some_and(|(name, object)| {
            let before = || self.before(object, scope);
            (object.is_some() || self.names.variable(scope, name).is_none())
                && self
                    .scripts
                    .sources
                    .get(&format!("{name}()"), before)
                    .is_some()
        })
    }

    /// What passes through a call that models say holds its arguments.
    fn passed(
        &mut self,
        call: Node<'t>,
        callee: Node<'t>,
        scope: usize,
        depth: usize,
    ) -> Option<Value> {
        let (name, object) = self.called(callee)?;
        let before = || self.before(object, scope);
        let scripts = self.scripts;
        let places = scripts.propagators.get(&format!("{name}()"), before)?;
        let arguments = arguments(call).into_iter().enumerate();
        let passed = arguments.filter(|(place, _)| places.is_empty() || places.contains(place));
        Some(passed.fold(Value::default(), |all, (_, argument)| {
            all.join(self.value(argument, scope, depth))
        }))
    }

    /// The name that is called, and what it is a member of.
    fn called(&self, callee: Node<'t>) -> Option<(&'t str, Option<Node<'t>>)> {
        match callee.kind() {
            "identifier" => Some((self.names.text(callee), None)),
            "member_expression" => {
                let property = callee.child_by_field_name("property")?;
                Some((
                    self.names.text(property),
                    callee.child_by_field_name("object"),
                ))
            }
            _ => None,
        }
    }

    fn before(&self, object: Option<Node<'t>>, scope: usize) -> Option<String> {
        object.map_or(Some(String::new()), |object| self.path(object, scope, 0))
    }

    /// How models write an expression: from a global name on.
    fn path(&self, node: Node<'t>, scope: usize, depth: usize) -> Option<String> {
        if depth > MAX_DEPTH {
            return None;
        }
        let depth = depth + 1;
        match node.kind() {
            "identifier" => {
                let name = self.names.text(node);
                match self.names.variable(scope, name) {
                    Some(variable) => match self.names.given[variable].as_slice() {
                        // Its own scope's names mean the same here, or are hidden by others.
                        [only] => self.path(*only, scope, depth + 20),
                        _ => None,
                    },
                    None if matches!(name, "window" | "globalThis" | "self") => Some(String::new()),
                    None => Some(name.to_owned()),
                }
            }
            "member_expression" => {
                let property = self.names.text(node.child_by_field_name("property")?);
                let object = self.path(node.child_by_field_name("object")?, scope, depth)?;
                Some(match object.as_str() {
                    "" => property.to_owned(),
                    object => format!("{object}.{property}"),
                })
            }
            "call_expression" => {
                let callee = node.child_by_field_name("function")?;
                if self.is_await(callee) {
                    return self.path(*arguments(node).first()?, scope, depth);
                }
                // Methods of what a call returned return it again.
                if let Some(object) = callee.child_by_field_name("object")
                    && let Some(path) = self.path(object, scope, depth)
                    && path.ends_with("()")
                {
                    return Some(path);
                }
                Some(format!("{}()", self.path(callee, scope, depth)?))
            }
            "new_expression" => {
                let class = node.child_by_field_name("constructor")?;
                Some(format!("{}()", self.path(class, scope, depth)?))
            }
            "parenthesized_expression" | "await_expression" => {
                self.path(node.named_child(0)?, scope, depth)
            }
            _ => None,
        }
    }

    // ---- where values do harm

    fn report(
        &mut self,
        place: &Move<'t>,
        found: &mut Vec<Flow>,
        seen: &mut FxHashSet<(&'t str, &'t str)>,
    ) {
        let Move { node, scope, .. } = *place;
        let field = |name| node.child_by_field_name(name);
        let (target, is_call) = match node.kind() {
            "assignment_expression" | "augmented_assignment_expression" => (field("left"), false),
            "call_expression" => (field("function"), true),
            _ => return,
        };
        let Some((name, object)) = target.and_then(|target| self.called(target)) else {
            return;
        };
        let last = if is_call {
            format!("{name}()")
        } else {
            name.to_owned()
        };
        let before = || self.before(object, scope);
        let scripts = self.scripts;
        let Some(sink) = scripts.sinks.get(&last, before) else {
            return;
        };
        let values: Vec<Node<'t>> = if is_call {
            let wanted = |place: usize| sink.args.is_empty() || sink.args.contains(&place);
            let all = arguments(node).into_iter().enumerate();
            all.filter(|(place, _)| wanted(*place))
                .map(|(_, value)| value)
                .collect()
        } else {
            field("right").into_iter().collect()
        };
        for written in values {
            let value = self.value(written, scope, 0);
            let Some((start, end)) = value.from else {
                continue;
            };
            if sink.markup && !value.has_markup || !seen.insert((name, self.names.text(written))) {
                continue;
            }
            let at = target.map_or(node.start_byte(), |target| target.end_byte() - name.len());
            found.push(Flow {
                rule: sink.rule.clone(),
                span: at..self.line_end(at, written.end_byte()),
                sink: name.to_owned(),
                source: start..self.line_end(start, end),
            });
        }
    }

    /// The end of a place on its first line.
    fn line_end(&self, start: usize, end: usize) -> usize {
        let text = self.code.get(start..end).unwrap_or("");
        text.find('\n').map_or(end, |line| start + line)
    }
}

fn arguments(call: Node<'_>) -> Vec<Node<'_>> {
    match call.child_by_field_name("arguments") {
        Some(list) if list.kind() == "arguments" => {
            let all = children(list).into_iter();
            all.filter(|node| node.kind() != "comment").collect()
        }
        _ => Vec::new(),
    }
}
