//! Type expressions of models: `sqlite3.Cursor`, `list[T]`, `self`, `type[T]`.

use crate::value::Builtin;

/// A type as models write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeExpr {
    /// An instance of an external class.
    Instance(String),
    /// The class itself.
    Class(String),
    /// A builtin type.
    Builtin(Builtin),
    /// A list, set or iterator of the element type.
    Sequence(Box<TypeExpr>),
    /// A dictionary of the value type.
    Mapping(Box<TypeExpr>),
    /// A tuple.
    Tuple(Vec<TypeExpr>),
    /// The receiver.
    Receiver,
    /// The argument at a position.
    Argument(usize),
    /// The module, or what stands in a module, that the string at this position names: `module:0`, `name:0`.
    Named {
        /// Position of the argument.
        position: usize,
        /// It names something in a module.
        is_member: bool,
    },
    /// A string that begins like this: `'https://…/'+str`.
    Text(String),
    /// `None`
    None,
}

impl TypeExpr {
    /// Reads a type; `None` if it says nothing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let quoted = text.strip_prefix('\'');
        if let Some(prefix) = quoted.and_then(|text| text.strip_suffix("'+str")) {
            return Some(Self::Text(prefix.to_owned()));
        }
        for (head, is_member) in [("module:", false), ("name:", true)] {
            if let Some(position) = text.strip_prefix(head) {
                let position = position.parse().ok()?;
                return Some(Self::Named {
                    position,
                    is_member,
                });
            }
        }
        if let Some(at) = text.find('[') {
            let inner = text[at + 1..].strip_suffix(']')?;
            return match &text[..at] {
                "list" | "set" | "iter" | "frozenset" => {
                    Some(Self::Sequence(Box::new(Self::parse(inner)?)))
                }
                "dict" => {
                    let value = split(inner).pop()?;
                    let value = Self::parse(value).unwrap_or(Self::Instance("?".to_owned()));
                    Some(Self::Mapping(Box::new(value)))
                }
                "tuple" => Some(Self::Tuple(
                    split(inner)
                        .into_iter()
                        .map(|p| Self::parse(p).unwrap_or(Self::Instance("?".to_owned())))
                        .collect(),
                )),
                "type" => Some(Self::Class(inner.to_owned())),
                _ => Some(Self::Instance(text[..at].to_owned())),
            };
        }
        Some(match text.strip_prefix("builtins.").unwrap_or(text) {
            "" | "object" | "Any" | "unknown" | "?" => return None,
            "self" => Self::Receiver,
            "str" => Self::Builtin(Builtin::Str),
            "bytes" | "bytearray" => Self::Builtin(Builtin::Bytes),
            "int" => Self::Builtin(Builtin::Int),
            "float" => Self::Builtin(Builtin::Float),
            "bool" => Self::Builtin(Builtin::Bool),
            "list" => Self::Builtin(Builtin::List),
            "tuple" => Self::Builtin(Builtin::Tuple),
            "dict" => Self::Builtin(Builtin::Dict),
            "set" | "frozenset" => Self::Builtin(Builtin::Set),
            "iter" => Self::Builtin(Builtin::Iterator),
            "None" | "none" => Self::None,
            other => match other.parse::<usize>() {
                Ok(position) => Self::Argument(position),
                Err(_) => Self::Instance(other.to_owned()),
            },
        })
    }
}

/// Splits at commas outside brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_i32, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}
