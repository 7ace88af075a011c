//! Constant folding with Python's semantics, for the constants the IR keeps.

use pyward_ir::{BinaryOp, CompareOp, Const, Symbol, UnaryOp};

/// Longest string folded, in bytes.
const MAX_TEXT: usize = 4096;

fn text(value: String) -> Option<Const> {
    (value.len() <= MAX_TEXT).then(|| Const::Str(Symbol::new(&value)))
}

fn bytes(value: String) -> Option<Const> {
    (value.len() <= MAX_TEXT).then(|| Const::Bytes(Symbol::new(&value)))
}

fn int(value: Const) -> Option<i64> {
    match value {
        Const::Int(i) => Some(i),
        Const::Bool(b) => Some(i64::from(b)),
        _ => None,
    }
}

#[allow(clippy::cast_precision_loss, reason = "Python does the same")]
fn number(value: Const) -> Option<f64> {
    match value {
        Const::Float(f) => Some(f),
        other => int(other).map(|i| i as f64),
    }
}

/// `left op right`
#[must_use]
pub fn binary(op: BinaryOp, left: Const, right: Const) -> Option<Const> {
    match (op, left, right) {
        (BinaryOp::Add, Const::Str(a), Const::Str(b)) => text(format!("{a}{b}")),
        (BinaryOp::Add, Const::Bytes(a), Const::Bytes(b)) => bytes(format!("{a}{b}")),
        (BinaryOp::Mul, Const::Str(s), n) | (BinaryOp::Mul, n, Const::Str(s)) => {
            let times = usize::try_from(int(n)?.max(0)).ok()?;
            (s.as_str().len().saturating_mul(times) <= MAX_TEXT).then_some(())?;
            text(s.as_str().repeat(times))
        }
        _ => {
            if let (Some(a), Some(b)) = (int(left), int(right)) {
                return integer(op, a, b);
            }
            let (a, b) = (number(left)?, number(right)?);
            let result = match op {
                BinaryOp::Add => a + b,
                BinaryOp::Sub => a - b,
                BinaryOp::Mul => a * b,
                BinaryOp::Div if b != 0.0 => a / b,
                BinaryOp::FloorDiv if b != 0.0 => (a / b).floor(),
                BinaryOp::Mod if b != 0.0 => a - b * (a / b).floor(),
                BinaryOp::Pow => a.powf(b),
                _ => return None,
            };
            result.is_finite().then_some(Const::Float(result))
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "Python does the same")]
fn integer(op: BinaryOp, a: i64, b: i64) -> Option<Const> {
    let result = match op {
        BinaryOp::Add => a.checked_add(b)?,
        BinaryOp::Sub => a.checked_sub(b)?,
        BinaryOp::Mul => a.checked_mul(b)?,
        BinaryOp::Div if b != 0 => return Some(Const::Float(a as f64 / b as f64)),
        BinaryOp::FloorDiv if b != 0 => {
            let q = a.checked_div(b)?;
            if a % b != 0 && (a < 0) != (b < 0) {
                q - 1
            } else {
                q
            }
        }
        BinaryOp::Mod if b != 0 => {
            let r = a.checked_rem(b)?;
            if r != 0 && (r < 0) != (b < 0) {
                r + b
            } else {
                r
            }
        }
        BinaryOp::Pow => a.checked_pow(u32::try_from(b).ok()?)?,
        BinaryOp::LShift => a.checked_shl(u32::try_from(b).ok().filter(|s| *s < 48)?)?,
        BinaryOp::RShift => a >> u32::try_from(b).ok().filter(|s| *s < 64)?,
        BinaryOp::BitOr => a | b,
        BinaryOp::BitXor => a ^ b,
        BinaryOp::BitAnd => a & b,
        _ => return None,
    };
    Some(Const::Int(result))
}

/// `op operand`
#[must_use]
pub fn unary(op: UnaryOp, operand: Const) -> Option<Const> {
    match op {
        UnaryOp::Not => truth(operand).map(|t| Const::Bool(!t)),
        UnaryOp::Neg => match operand {
            Const::Float(f) => Some(Const::Float(-f)),
            other => int(other)?.checked_neg().map(Const::Int),
        },
        UnaryOp::Pos => number(operand).map(|_| operand),
        UnaryOp::Invert => int(operand).map(|i| Const::Int(!i)),
    }
}

/// Python's truth of a constant.
#[must_use]
pub fn truth(value: Const) -> Option<bool> {
    match value {
        Const::None => Some(false),
        Const::Ellipsis => Some(true),
        Const::Bool(b) => Some(b),
        Const::Int(i) => Some(i != 0),
        Const::Float(f) => Some(f != 0.0),
        Const::Str(s) | Const::Bytes(s) => Some(!s.as_str().is_empty()),
        Const::Opaque => None,
    }
}

/// `left op right`
#[must_use]
pub fn compare(op: CompareOp, left: Const, right: Const) -> Option<bool> {
    if matches!(left, Const::Opaque) || matches!(right, Const::Opaque) {
        return None;
    }
    match op {
        CompareOp::Eq => Some(equal(left, right)),
        CompareOp::NotEq => Some(!equal(left, right)),
        CompareOp::Is => Some(left == right),
        CompareOp::IsNot => Some(left != right),
        CompareOp::In => contains(left, right),
        CompareOp::NotIn => contains(left, right).map(|c| !c),
        CompareOp::Lt | CompareOp::LtE | CompareOp::Gt | CompareOp::GtE => {
            let order = match (left, right) {
                (Const::Str(a), Const::Str(b)) | (Const::Bytes(a), Const::Bytes(b)) => {
                    a.as_str().cmp(b.as_str())
                }
                _ => number(left)?.partial_cmp(&number(right)?)?,
            };
            Some(match op {
                CompareOp::Lt => order.is_lt(),
                CompareOp::LtE => order.is_le(),
                CompareOp::Gt => order.is_gt(),
                _ => order.is_ge(),
            })
        }
    }
}

fn contains(item: Const, container: Const) -> Option<bool> {
    match (item, container) {
        (Const::Str(a), Const::Str(b)) | (Const::Bytes(a), Const::Bytes(b)) => {
            Some(b.as_str().contains(a.as_str()))
        }
        _ => None,
    }
}

/// Python's `==` on constants.
#[must_use]
pub fn equal(left: Const, right: Const) -> bool {
    match (number(left), number(right)) {
        (Some(a), Some(b)) => (a - b).abs() < f64::EPSILON * a.abs().max(1.0),
        _ => left == right,
    }
}

/// `value[index]` on a string.
#[must_use]
pub fn index(value: Const, at: Const) -> Option<Const> {
    let (Const::Str(s), Some(at)) = (value, int(at)) else {
        return None;
    };
    let chars: Vec<char> = s.as_str().chars().collect();
    let length = i64::try_from(chars.len()).ok()?;
    let at = if at < 0 { at + length } else { at };
    let c = chars.get(usize::try_from(at).ok()?)?;
    text(c.to_string())
}

/// `value[lower:upper:step]` on a string or bytes.
#[must_use]
pub fn slice(
    value: Const,
    lower: Option<Const>,
    upper: Option<Const>,
    step: Option<Const>,
) -> Option<Const> {
    let (s, is_bytes) = match value {
        Const::Str(s) => (s, false),
        Const::Bytes(s) => (s, true),
        _ => return None,
    };
    let chars: Vec<char> = s.as_str().chars().collect();
    let picked: String = slice_positions(chars.len(), lower, upper, step)?
        .into_iter()
        .map(|i| chars[i])
        .collect();
    if is_bytes {
        bytes(picked)
    } else {
        text(picked)
    }
}

/// The positions that a slice of a sequence selects.
#[must_use]
pub fn slice_positions(
    length: usize,
    lower: Option<Const>,
    upper: Option<Const>,
    step: Option<Const>,
) -> Option<Vec<usize>> {
    let bound = |c: Option<Const>| match c {
        None | Some(Const::None) => Some(None),
        Some(other) => int(other).map(Some),
    };
    let length = i64::try_from(length).ok()?;
    let (lower, upper, step) = (bound(lower)?, bound(upper)?, bound(step)?.unwrap_or(1));
    let clamp = |i: i64, low: i64, high: i64| {
        if i < 0 {
            (i + length).max(low)
        } else {
            i.min(high)
        }
    };
    let mut at;
    let end;
    if step > 0 {
        at = lower.map_or(0, |i| clamp(i, 0, length));
        end = upper.map_or(length, |i| clamp(i, 0, length));
    } else if step < 0 {
        at = lower.map_or(length - 1, |i| clamp(i, -1, length - 1));
        end = upper.map_or(-1, |i| clamp(i, -1, length - 1));
    } else {
        return None;
    }
    let mut positions = Vec::new();
    while (step > 0 && at < end) || (step < 0 && at > end) {
        positions.push(usize::try_from(at).ok()?);
        at += step;
    }
    Some(positions)
}

/// A method of a string constant on constant arguments.
#[must_use]
pub fn str_method(receiver: Const, name: &str, args: &[Const]) -> Option<Const> {
    let (s, is_bytes) = match receiver {
        Const::Str(s) => (s.as_str(), false),
        Const::Bytes(s) => (s.as_str(), true),
        _ => return None,
    };
    let arg = |i: usize| match args.get(i) {
        Some(Const::Str(a) | Const::Bytes(a)) => Some(a.as_str()),
        _ => None,
    };
    let make = |value: String| if is_bytes { bytes(value) } else { text(value) };
    match (name, args.len()) {
        ("lower" | "casefold", 0) => make(s.to_lowercase()),
        ("upper", 0) => make(s.to_uppercase()),
        ("strip", 0) => make(s.trim().to_owned()),
        ("lstrip", 0) => make(s.trim_start().to_owned()),
        ("rstrip", 0) => make(s.trim_end().to_owned()),
        ("strip", 1) => arg(0).and_then(|a| make(s.trim_matches(|c| a.contains(c)).to_owned())),
        ("lstrip", 1) => {
            arg(0).and_then(|a| make(s.trim_start_matches(|c| a.contains(c)).to_owned()))
        }
        ("rstrip", 1) => {
            arg(0).and_then(|a| make(s.trim_end_matches(|c| a.contains(c)).to_owned()))
        }
        ("capitalize", 0) => {
            let mut chars = s.chars();
            let first = chars
                .next()
                .map(|c| c.to_uppercase().collect::<String>())
                .unwrap_or_default();
            make(first + &chars.as_str().to_lowercase())
        }
        ("replace", 2) => arg(0).zip(arg(1)).and_then(|(a, b)| make(s.replace(a, b))),
        ("startswith", 1) => arg(0).map(|a| Const::Bool(s.starts_with(a))),
        ("endswith", 1) => arg(0).map(|a| Const::Bool(s.ends_with(a))),
        ("removeprefix", 1) => arg(0).and_then(|a| make(s.strip_prefix(a).unwrap_or(s).to_owned())),
        ("removesuffix", 1) => arg(0).and_then(|a| make(s.strip_suffix(a).unwrap_or(s).to_owned())),
        ("find", 1) => arg(0).map(|a| {
            Const::Int(s.find(a).map_or(-1, |at| {
                i64::try_from(s[..at].chars().count()).unwrap_or(-1)
            }))
        }),
        ("rfind", 1) => arg(0).map(|a| {
            Const::Int(s.rfind(a).map_or(-1, |at| {
                i64::try_from(s[..at].chars().count()).unwrap_or(-1)
            }))
        }),
        ("count", 1) => arg(0)
            .filter(|a| !a.is_empty())
            .and_then(|a| i64::try_from(s.matches(a).count()).ok())
            .map(Const::Int),
        ("isdigit" | "isdecimal" | "isnumeric", 0) => Some(Const::Bool(
            !s.is_empty() && s.chars().all(char::is_numeric),
        )),
        ("isalpha", 0) => Some(Const::Bool(
            !s.is_empty() && s.chars().all(char::is_alphabetic),
        )),
        ("isalnum", 0) => Some(Const::Bool(
            !s.is_empty() && s.chars().all(char::is_alphanumeric),
        )),
        ("isspace", 0) => Some(Const::Bool(
            !s.is_empty() && s.chars().all(char::is_whitespace),
        )),
        ("islower", 0) => Some(Const::Bool(
            s.chars().any(char::is_lowercase) && !s.chars().any(char::is_uppercase),
        )),
        ("isupper", 0) => Some(Const::Bool(
            s.chars().any(char::is_uppercase) && !s.chars().any(char::is_lowercase),
        )),
        ("encode", 0 | 1) if !is_bytes && s.is_ascii() => bytes(s.to_owned()),
        ("decode", 0 | 1) if is_bytes && s.is_ascii() => text(s.to_owned()),
        ("zfill", 1) => {
            let width = usize::try_from(int(args[0])?).ok()?.min(MAX_TEXT);
            make(format!(
                "{}{s}",
                "0".repeat(width.saturating_sub(s.chars().count()))
            ))
        }
        ("format", _) => format(s, args),
        _ => None,
    }
}

/// `"{}..{1}".format(...)` with plain fields only.
fn format(template: &str, args: &[Const]) -> Option<Const> {
    let mut out = String::new();
    let mut chars = template.chars().peekable();
    let mut next = 0;
    while let Some(c) = chars.next() {
        match c {
            '{' if chars.peek() == Some(&'{') => {
                chars.next();
                out.push('{');
            }
            '}' if chars.peek() == Some(&'}') => {
                chars.next();
                out.push('}');
            }
            '{' => {
                let field: String = chars.by_ref().take_while(|c| *c != '}').collect();
                let at = if field.is_empty() {
                    next += 1;
                    next - 1
                } else {
                    field.parse().ok()?
                };
                out.push_str(&display(*args.get(at)?)?);
            }
            c => out.push(c),
        }
    }
    text(out)
}

/// `str(value)`
#[must_use]
pub fn display(value: Const) -> Option<String> {
    Some(match value {
        Const::Str(s) => s.as_str().to_owned(),
        Const::Int(i) => i.to_string(),
        Const::Bool(true) => "True".to_owned(),
        Const::Bool(false) => "False".to_owned(),
        Const::None => "None".to_owned(),
        _ => return None,
    })
}

/// `int(value)`
#[must_use]
pub fn to_int(value: Const) -> Option<Const> {
    match value {
        Const::Str(s) => s
            .as_str()
            .trim()
            .replace('_', "")
            .parse()
            .ok()
            .map(Const::Int),
        #[allow(clippy::cast_possible_truncation, reason = "int() truncates")]
        Const::Float(f) if f.abs() < 1e15 => Some(Const::Int(f as i64)),
        other => int(other).map(Const::Int),
    }
}

/// `len(value)` of a string.
#[must_use]
pub fn length(value: Const) -> Option<Const> {
    match value {
        Const::Str(s) | Const::Bytes(s) => i64::try_from(s.as_str().chars().count())
            .ok()
            .map(Const::Int),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(text: &str) -> Const {
        Const::Str(Symbol::new(text))
    }

    #[test]
    fn arithmetic_is_pythons() {
        assert_eq!(
            binary(BinaryOp::FloorDiv, Const::Int(-7), Const::Int(2)),
            Some(Const::Int(-4))
        );
        assert_eq!(
            binary(BinaryOp::Mod, Const::Int(-7), Const::Int(2)),
            Some(Const::Int(1))
        );
        assert_eq!(binary(BinaryOp::Div, Const::Int(1), Const::Int(0)), None);
        assert_eq!(
            binary(BinaryOp::Add, Const::Int(i64::MAX), Const::Int(1)),
            None
        );
    }

    #[test]
    fn slices_are_pythons() {
        assert_eq!(
            slice(s("hello"), Some(Const::Int(1)), Some(Const::Int(-1)), None),
            Some(s("ell"))
        );
        assert_eq!(
            slice(s("abc"), None, None, Some(Const::Int(-1))),
            Some(s("cba"))
        );
        assert_eq!(index(s("abc"), Const::Int(-1)), Some(s("c")));
    }

    #[test]
    fn strings_fold() {
        assert_eq!(
            str_method(s("a-b"), "replace", &[s("-"), s("+")]),
            Some(s("a+b"))
        );
        assert_eq!(compare(CompareOp::NotIn, s("x"), s("abc")), Some(true));
        assert_eq!(str_method(s("{}/{0}"), "format", &[s("x")]), Some(s("x/x")));
    }
}
