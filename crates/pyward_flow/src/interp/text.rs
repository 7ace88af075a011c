//! Texts put together: `+`, `%`, f-strings, `str.format`; what of them is known and where data stands in them.

use pyward_ir::{Const, Conversion, ExprId, InterpolatedPart, Symbol};

use super::Interp;
use crate::fold;
use crate::heap::Class;
use crate::value::{Builtin, Marks, Shape, Text, Value};

impl Interp<'_> {
    /// Strings one after another.
    pub(super) fn concatenate(&mut self, parts: &[Value]) -> Value {
        let mut marks = Marks::NONE;
        let mut literal = String::new();
        let mut prefix: Option<String> = Some(String::new());
        let mut closed_prefix = String::new();
        let mut is_bytes = false;
        let mut textual = false;
        let mut all_const = true;
        for part in parts {
            marks = marks.union(&self.state.deep_marks(part));
            match &part.shape {
                Shape::Const(Const::Str(s)) => {
                    textual = true;
                    literal.push_str(s.as_str());
                    if let Some(p) = &mut prefix {
                        p.push_str(s.as_str());
                    }
                }
                Shape::Const(Const::Bytes(s)) => {
                    textual = true;
                    is_bytes = true;
                    literal.push_str(s.as_str());
                    if let Some(p) = &mut prefix {
                        p.push_str(s.as_str());
                    }
                }
                Shape::Text(text) => {
                    textual = true;
                    all_const = false;
                    is_bytes |= text.is_bytes;
                    literal.push_str(text.literal.as_str());
                    if let Some(mut p) = prefix.take() {
                        p.push_str(text.prefix.as_str());
                        closed_prefix = p;
                    }
                }
                Shape::Const(c) if fold::display(*c).is_some() => {
                    let shown = fold::display(*c).unwrap_or_default();
                    literal.push_str(&shown);
                    if let Some(p) = &mut prefix {
                        p.push_str(&shown);
                    }
                }
                Shape::Choice(list) if prefix.is_some() && common_prefix(list).is_some() => {
                    textual = true;
                    all_const = false;
                    literal.push(HOLE);
                    if let (Some(mut p), Some(common)) = (prefix.take(), common_prefix(list)) {
                        p.push_str(common);
                        closed_prefix = p;
                    }
                }
                other => {
                    textual |= matches!(other, Shape::Builtin(Builtin::Str | Builtin::Bytes));
                    all_const = false;
                    literal.push(HOLE);
                    if let Some(p) = prefix.take() {
                        closed_prefix = p;
                    }
                }
            }
        }
        if !textual {
            let shape = if parts.iter().all(|p| is_number(&p.shape)) {
                Shape::Builtin(Builtin::Int)
            } else {
                Shape::Unknown
            };
            if let Shape::Builtin(Builtin::Int) = shape {
                return Value::of(shape);
            }
            return Value::of(shape).with_marks(marks);
        }
        if all_const && literal.len() <= 4096 {
            let symbol = Symbol::new(&literal);
            let c = if is_bytes {
                Const::Bytes(symbol)
            } else {
                Const::Str(symbol)
            };
            return Value::constant(c).with_marks(marks);
        }
        let prefix = prefix.unwrap_or(closed_prefix);
        Value {
            shape: text_shape(&prefix, &literal, is_bytes),
            marks: self.after_prefix(&prefix, &marks),
        }
    }

    /// What a fixed beginning of a string takes away from what the rest can do.
    pub(super) fn after_prefix(&self, prefix: &str, marks: &Marks) -> Marks {
        if marks.is_empty() || prefix.is_empty() {
            return marks.clone();
        }
        let known = self.cx.contexts;
        let mut cleaned = 0;
        // Scheme and host are fixed: the rest cannot choose where a request goes.
        let rest = prefix.split_once("://").map(|(_, rest)| rest);
        if rest.is_some_and(|r| r.contains(['/', '?', '#'])) {
            cleaned |= known.redirect | known.url;
        }
        // A local path, not `//host` and not `/\host`.
        let mut chars = prefix.chars();
        if chars.next() == Some('/') && chars.next().is_some_and(|c| c != '/' && c != '\\') {
            cleaned |= known.redirect;
        }
        if matches!(prefix.chars().next(), Some('?' | '#')) {
            cleaned |= known.redirect;
        }
        marks.cleaned(cleaned)
    }

    /// `"..." % value`
    pub(super) fn percent(&mut self, left: &Value, right: &Value, at: ExprId) -> Value {
        if is_number(&left.shape) {
            return Value::of(Shape::Builtin(Builtin::Int));
        }
        let template = match &left.shape {
            Shape::Const(Const::Str(s) | Const::Bytes(s)) => Some(s.as_str().to_owned()),
            Shape::Text(t) => Some(t.literal.as_str().to_owned()),
            _ => None,
        };
        let Some(template) = template else {
            let marks = self
                .state
                .deep_marks(left)
                .union(&self.state.deep_marks(right));
            return Value::of(Shape::Builtin(Builtin::Str)).with_marks(marks);
        };
        let items = match &right.shape {
            Shape::Object(id) => {
                let object = self.state.object(*id);
                match (object.class, &object.items) {
                    (Class::Builtin(Builtin::Tuple), Some(items)) => Some(items.clone()),
                    (Class::Builtin(Builtin::Dict), _) => None,
                    _ => Some(vec![right.clone()]),
                }
            }
            _ => Some(vec![right.clone()]),
        };
        let mut parts: Vec<Value> = Vec::new();
        let mut text = String::new();
        let mut next = 0;
        let mut chars = template.chars().peekable();
        while let Some(c) = chars.next() {
            if c != '%' {
                text.push(c);
                continue;
            }
            if chars.peek() == Some(&'%') {
                chars.next();
                text.push('%');
                continue;
            }
            let mut key = None;
            if chars.peek() == Some(&'(') {
                chars.next();
                key = Some(chars.by_ref().take_while(|c| *c != ')').collect::<String>());
            }
            let mut conversion = 's';
            for c in chars.by_ref() {
                if c.is_alphabetic() {
                    conversion = c;
                    break;
                }
            }
            parts.push(Value::str(&std::mem::take(&mut text)));
            let value = match (key, &items) {
                (Some(key), _) => self.get_item(right, &Value::str(&key), at),
                (None, Some(items)) => {
                    next += 1;
                    items.get(next - 1).cloned().unwrap_or_else(|| {
                        let content = self.state.content(right);
                        Value::unknown().with_marks(content.marks)
                    })
                }
                (None, None) => {
                    let content = self.state.content(right);
                    Value::unknown().with_marks(content.marks)
                }
            };
            // A number cannot carry anything.
            let value = if matches!(
                conversion,
                'd' | 'i' | 'u' | 'x' | 'X' | 'o' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G'
            ) {
                Value::of(Shape::Builtin(Builtin::Int))
            } else {
                self.as_text(value)
            };
            parts.push(value);
        }
        parts.push(Value::str(&text));
        let joined = self.concatenate(&parts);
        let marks = joined.marks.union(&left.marks);
        joined.with_marks(marks)
    }

    pub(super) fn eval_fstring(&mut self, parts: &[InterpolatedPart], _at: ExprId) -> Value {
        let mut values = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                InterpolatedPart::Literal(text) => values.push(Value::constant(Const::Str(*text))),
                InterpolatedPart::Value {
                    value,
                    conversion,
                    spec,
                } => {
                    let mut inner = self.eval(*value);
                    if let Some(spec) = spec {
                        let spec = self.eval(*spec);
                        if spec.as_str().is_some_and(is_numeric_spec) {
                            inner = Value::of(Shape::Builtin(Builtin::Int));
                        } else {
                            inner.marks = inner.marks.union(&spec.marks);
                            if inner.as_const().is_some() {
                                inner.shape = Shape::Builtin(Builtin::Str);
                            }
                        }
                    }
                    if matches!(conversion, Conversion::Repr | Conversion::Ascii)
                        && inner.as_const().is_some()
                    {
                        inner.shape = Shape::Builtin(Builtin::Str);
                    }
                    if matches!(conversion, Conversion::Repr | Conversion::Ascii) {
                        inner.marks = inner.marks.cleaned(self.cx.contexts.lines);
                    }
                    values.push(self.as_text(inner));
                }
            }
        }
        if values.is_empty() {
            return Value::str("");
        }
        let joined = self.concatenate(&values);
        if matches!(joined.shape, Shape::Unknown) {
            return joined.with_marks_shape(Shape::Builtin(Builtin::Str));
        }
        joined
    }

    /// A value put into a string: an object of the project may say how.
    pub(super) fn as_text(&mut self, value: Value) -> Value {
        if let Shape::Object(id) = &value.shape
            && let Class::Project(class) = self.state.object(*id).class
            && let Some(method) = self.find_method(class, Symbol::new("__str__"))
        {
            let result = self.call_method_value(&method, &value, Vec::new());
            let marks = result.marks.union(&value.marks);
            return result.with_marks(marks);
        }
        if let Shape::Choice(_) = value.shape {
            let marks = self.state.deep_marks(&value);
            return Value::of(value.shape).with_marks(marks);
        }
        value
    }

    /// `{...}`-style formatting of a template with values.
    pub(super) fn format_template(
        &mut self,
        template: &Value,
        args: &[Value],
        named: &[(Symbol, Value)],
        extra: &Marks,
    ) -> Value {
        let literal = match &template.shape {
            Shape::Const(Const::Str(s)) => s.as_str().to_owned(),
            Shape::Text(t) => t.literal.as_str().to_owned(),
            _ => {
                let mut marks = self.state.deep_marks(template).union(extra);
                for value in args.iter().chain(named.iter().map(|(_, v)| v)) {
                    marks = marks.union(&self.state.deep_marks(value));
                }
                return Value::of(Shape::Builtin(Builtin::Str)).with_marks(marks);
            }
        };
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut next = 0;
        let mut chars = literal.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '{' | '}' if chars.peek() == Some(&c) => {
                    chars.next();
                    text.push(c);
                }
                '{' => {
                    let field: String = chars.by_ref().take_while(|c| *c != '}').collect();
                    let (name, spec) = field.split_once(':').unwrap_or((&field, ""));
                    let name = name.split(['.', '[', '!']).next().unwrap_or("");
                    let value = if name.is_empty() {
                        next += 1;
                        args.get(next - 1).cloned()
                    } else if let Ok(at) = name.parse::<usize>() {
                        args.get(at).cloned()
                    } else {
                        named
                            .iter()
                            .find(|(n, _)| n.as_str() == name)
                            .map(|(_, v)| v.clone())
                    };
                    let value = value.unwrap_or_else(|| Value::unknown().with_marks(extra.clone()));
                    parts.push(Value::str(&std::mem::take(&mut text)));
                    let value = if is_numeric_spec(spec) {
                        Value::of(Shape::Builtin(Builtin::Int))
                    } else if field.contains(['.', '[']) {
                        let marks = self.state.deep_marks(&value);
                        Value::unknown().with_marks(marks)
                    } else {
                        self.as_text(value)
                    };
                    parts.push(value);
                }
                c => text.push(c),
            }
        }
        parts.push(Value::str(&text));
        let joined = self.concatenate(&parts);
        let marks = joined.marks.union(&template.marks);
        joined.with_marks(marks)
    }
}

fn is_numeric_spec(spec: &str) -> bool {
    spec.len() < 12 && spec.ends_with(['d', 'f', 'x', 'X', 'b', 'o', 'e', 'g', '%'])
}

pub(super) fn is_number(shape: &Shape) -> bool {
    matches!(
        shape,
        Shape::Const(Const::Int(_) | Const::Float(_) | Const::Bool(_))
            | Shape::Builtin(Builtin::Int | Builtin::Float | Builtin::Bool)
    )
}

pub(super) fn is_text(shape: &Shape) -> bool {
    matches!(
        shape,
        Shape::Const(Const::Str(_) | Const::Bytes(_))
            | Shape::Text(_)
            | Shape::Builtin(Builtin::Str | Builtin::Bytes)
    )
}

/// What a method makes of a built string that leaves its parts in their places; `argument` is the method's, where it has
/// one, and what it says, where that is known.
pub(super) fn built_after(
    shape: &Shape,
    method: &str,
    argument: Option<Option<&str>>,
) -> Option<Shape> {
    let Shape::Text(text) = shape else {
        return None;
    };
    let prefix = text.prefix.as_str();
    let literal = text.literal.as_str();
    let rest = match (method, argument) {
        ("lower" | "casefold", None) => {
            let prefix = prefix.to_lowercase();
            return Some(text_shape(&prefix, &literal.to_lowercase(), text.is_bytes));
        }
        ("upper", None) => {
            let prefix = prefix.to_uppercase();
            return Some(text_shape(&prefix, &literal.to_uppercase(), text.is_bytes));
        }
        ("strip" | "lstrip", None) => prefix.trim_start(),
        ("strip" | "lstrip", Some(Some(set))) => prefix.trim_start_matches(|c| set.contains(c)),
        ("removeprefix", Some(Some(start))) => match prefix.strip_prefix(start) {
            Some(rest) => rest,
            // What is not known may have begun with it.
            None if start.starts_with(prefix) => "",
            None => prefix,
        },
        ("strip" | "lstrip" | "removeprefix", Some(None)) => "",
        ("rstrip" | "removesuffix" | "expandtabs", _) => prefix,
        _ => return None,
    };
    let gone = prefix.len() - rest.len();
    let literal = match literal.strip_prefix(prefix) {
        Some(_) => &literal[gone..],
        None => literal,
    };
    Some(text_shape(rest, literal, text.is_bytes))
}

/// A slice of a built string, by its bounds and step where these are known.
pub(super) fn slice(text: &Text, bounds: Option<SliceBounds>) -> Option<Value> {
    let number = |bound: Option<Const>, default: i64| match bound {
        None => Some(default),
        Some(Const::Int(number)) => Some(number),
        Some(_) => None,
    };
    let (lower, upper, step) = bounds?;
    let first = usize::try_from(number(lower, 0)?).ok()?;
    let last = number(upper, i64::MAX)?;
    if number(step, 1)? != 1 || text.is_bytes {
        return None;
    }
    let prefix = text.prefix.as_str();
    let known = prefix.chars().count();
    if let Ok(last) = usize::try_from(last)
        && last <= known
    {
        let part: String = prefix.chars().take(last).skip(first).collect();
        return Some(Value::str(&part));
    }
    let rest: String = prefix.chars().skip(first).collect();
    let literal = text.literal.as_str();
    let literal = match literal.strip_prefix(prefix) {
        Some(behind) => format!("{rest}{behind}"),
        None => literal.to_owned(),
    };
    Some(Value::of(text_shape(&rest, &literal, false)))
}

/// How all of several strings begin; `None` if that of one is not known or nothing is common to them.
fn common_prefix(alternatives: &[Shape]) -> Option<&str> {
    let prefixes = alternatives.iter().map(|shape| match shape {
        Shape::Const(Const::Str(text)) => Some(text.as_str()),
        Shape::Text(text) => Some(text.prefix.as_str()),
        _ => None,
    });
    let common = prefixes.reduce(|all, one| {
        let (all, one): (&str, &str) = (all?, one?);
        let same = all.chars().zip(one.chars()).take_while(|(a, b)| a == b);
        let length = same.map(|(c, _)| c.len_utf8()).sum();
        Some(&all[..length])
    });
    common.flatten().filter(|text| !text.is_empty())
}

/// The shape of a string with a known beginning and known fragments.
pub(super) fn text_shape(prefix: &str, literal: &str, is_bytes: bool) -> Shape {
    let cut = |s: &str| -> Symbol {
        let mut end = s.len().min(MAX_LITERAL);
        while !s.is_char_boundary(end) {
            end -= 1;
        }
        Symbol::new(&s[..end])
    };
    Shape::Text(std::sync::Arc::new(Text {
        prefix: cut(prefix),
        literal: cut(literal),
        is_bytes,
    }))
}

/// First and last position and step of a slice, where they are given.
pub(super) type SliceBounds = (Option<Const>, Option<Const>, Option<Const>);

/// Stands in a literal where something unknown was put.
const HOLE: char = '\u{0}';

/// Longest literal text kept of a built string.
const MAX_LITERAL: usize = 600;
