//! Argument places of a call, as models write them (`0:query`, `self`, `0:args[1:]`).

use pyward_ir::Symbol;

/// A place of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which argument.
    pub base: Base,
    /// What of it.
    pub content: Content,
}

/// Which argument a place is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// By position, or by this keyword.
    Argument(Option<usize>, Option<Symbol>),
    /// The receiver.
    Receiver,
    /// Every positional argument.
    Positional,
    /// Every keyword argument.
    Keyword,
    /// The result.
    Return,
    /// The value assigned.
    Value,
    /// The key assigned to.
    Key,
    /// The variable, attribute or container assigned to, by its name.
    Target,
}

/// What of an argument a place means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The value and everything in it.
    Whole,
    /// One element.
    Element(i64),
    /// Elements from a position on.
    From(i64),
    /// Any element or value.
    Any,
    /// The keys of a dictionary.
    Keys,
    /// An attribute, or a constant key.
    Member(Symbol),
}

impl Place {
    /// Reads a place; `None` if it is malformed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (head, content) = if let Some(at) = text.find('[') {
            let inner = text[at + 1..].strip_suffix(']')?;
            let content = if inner.is_empty() {
                Content::Any
            } else if let Some(from) = inner.strip_suffix(':') {
                Content::From(from.parse().ok()?)
            } else {
                Content::Element(inner.parse().ok()?)
            };
            (&text[..at], content)
        } else if let Some(head) = text.strip_suffix("{}") {
            (head, Content::Keys)
        } else if let Some(at) = text.find('.') {
            (&text[..at], Content::Member(Symbol::new(&text[at + 1..])))
        } else {
            (text, Content::Whole)
        };
        let base = match head {
            "self" => Base::Receiver,
            "*" => Base::Positional,
            "**" => Base::Keyword,
            "return" => Base::Return,
            "value" => Base::Value,
            "key" => Base::Key,
            "target" => Base::Target,
            _ => {
                let (first, second) = head
                    .split_once(':')
                    .map_or((head, None), |(a, b)| (a, Some(b)));
                match first.parse::<usize>() {
                    Ok(position) => Base::Argument(Some(position), second.map(Symbol::new)),
                    Err(_) if second.is_none() && is_name(first) => {
                        Base::Argument(None, Some(Symbol::new(first)))
                    }
                    Err(_) => return None,
                }
            }
        };
        Some(Self { base, content })
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_places() {
        let place = |t: &str| Place::parse(t).expect(t);
        assert_eq!(
            place("0:query").base,
            Base::Argument(Some(0), Some(Symbol::new("query")))
        );
        assert_eq!(place("0:args[1:]").content, Content::From(1));
        assert_eq!(place("self").base, Base::Receiver);
        assert_eq!(place("params{}").content, Content::Keys);
        assert_eq!(
            place("0:opts.name").content,
            Content::Member(Symbol::new("name"))
        );
        assert_eq!(Place::parse("0:[x]"), None);
    }
}
