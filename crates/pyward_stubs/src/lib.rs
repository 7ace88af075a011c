//! What the standard library's functions return, of which class its attributes are, and its class hierarchy.
//!
//! The facts are a table made from typeshed by `scripts/stdlib_types.py` and packed into the library. Types are
//! written as in the models' `[returns]`: a class path (`sqlite3.Cursor`), a builtin (`str`), `list[T]`,
//! `set[T]`, `iter[T]`, `dict[V]` (of the values), `tuple[A, B]`, `type[C]`, `self` (the receiver), with `?` for
//! what has no single class. Paths are those that programs use (`os.path.join`, `concurrent.futures.Future`);
//! builtins are below `builtins`. An optional result has the type it has when it is there; what an `async`
//! function returns is what awaiting it gives.

use std::sync::LazyLock;

static TABLE: &str = include_str!("../data/stdlib-types.txt");

/// What is known of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A function or method that returns this type.
    Returns(&'static str),
    /// A property, attribute or module variable of this type.
    Attribute(&'static str),
    /// A class; its bases, separated by `, `.
    Class(&'static str),
    /// Another name of this path.
    Alias(&'static str),
}

/// Sorted by path.
static FACTS: LazyLock<Vec<(&'static str, Fact)>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(parse).collect()
});

fn parse(line: &'static str) -> Option<(&'static str, Fact)> {
    let (path, rest) = line.split_once(' ')?;
    let (operator, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let fact = match operator {
        "->" => Fact::Returns(text),
        ":" => Fact::Attribute(text),
        "<" => Fact::Class(text),
        "=" => Fact::Alias(text),
        _ => return None,
    };
    Some((path, fact))
}

/// All paths and facts, sorted by path.
#[must_use]
pub fn facts() -> &'static [(&'static str, Fact)] {
    &FACTS
}

/// What the table says of exactly this path.
#[must_use]
pub fn fact(path: &str) -> Option<Fact> {
    let at = FACTS.binary_search_by(|(p, _)| (*p).cmp(path)).ok()?;
    FACTS.get(at).map(|&(_, fact)| fact)
}

/// The usual name of something that has several, of which `path` is one (`json.decoder.JSONDecoder` is
/// `json.JSONDecoder`).
#[must_use]
pub fn canonical(path: &str) -> Option<&'static str> {
    match fact(path)? {
        Fact::Alias(other) => Some(other),
        _ => None,
    }
}

/// What the table says of a member of a module or class, other names and base classes looked through.
#[must_use]
pub fn member(owner: &str, name: &str) -> Option<Fact> {
    member_within(owner, name, 0)
}

fn member_within(owner: &str, name: &str, depth: u32) -> Option<Fact> {
    // Deeper hierarchies are not in the standard library; cycles would be.
    if depth > 16 {
        return None;
    }
    let owner = canonical(owner).unwrap_or(owner);
    match fact(&format!("{owner}.{name}")) {
        Some(Fact::Alias(other)) => return fact(other),
        Some(found) => return Some(found),
        None => {}
    }
    bases(owner).find_map(|base| member_within(base, name, depth + 1))
}

/// The direct base classes of a class, in order; none if it is unknown.
pub fn bases(class: &str) -> impl Iterator<Item = &'static str> {
    let text = match fact(canonical(class).unwrap_or(class)) {
        Some(Fact::Class(bases)) => bases,
        _ => "",
    };
    text.split(", ").filter(|base| !base.is_empty())
}

/// The type that calling a path gives: what a function or method returns, or the class itself.
#[must_use]
pub fn return_type(path: &str) -> Option<&'static str> {
    match resolve(path)? {
        (_, Fact::Returns(kind)) => Some(kind),
        (class, Fact::Class(_)) => Some(class),
        _ => None,
    }
}

/// The type of an attribute, property or module variable.
#[must_use]
pub fn attribute_type(path: &str) -> Option<&'static str> {
    match resolve(path)? {
        (_, Fact::Attribute(kind)) => Some(kind),
        _ => None,
    }
}

/// Whether the path is a class.
#[must_use]
pub fn is_class(path: &str) -> bool {
    matches!(resolve(path), Some((_, Fact::Class(_))))
}

/// The path's own fact, or that of the member it inherits.
fn resolve(path: &str) -> Option<(&'static str, Fact)> {
    let at = FACTS.binary_search_by(|(p, _)| (*p).cmp(path));
    let found = at.ok().and_then(|at| FACTS.get(at)).copied();
    match found {
        Some((_, Fact::Alias(other))) => Some((other, fact(other)?)),
        Some(found) => Some(found),
        None => {
            let (owner, name) = path.rsplit_once('.')?;
            member(owner, name).map(|fact| ("", fact))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_facts() {
        for (path, kind) in [
            ("sqlite3.connect", "sqlite3.Connection"),
            ("sqlite3.Connection.execute", "sqlite3.Cursor"),
            ("sqlite3.Cursor.execute", "self"),
            ("os.path.join", "str"),
            ("os.listdir", "list[str]"),
            ("os.walk", "iter[tuple[str, list[str], list[str]]]"),
            ("re.compile", "re.Pattern"),
            ("re.match", "re.Match"),
            ("subprocess.run", "subprocess.CompletedProcess"),
            ("builtins.open", "io.TextIOWrapper"),
            ("builtins.str.split", "list[str]"),
            ("builtins.len", "int"),
            ("datetime.datetime.now", "datetime.datetime"),
            ("argparse.ArgumentParser", "argparse.ArgumentParser"),
            ("argparse.ArgumentParser.parse_args", "argparse.Namespace"),
            (
                "xml.etree.ElementTree.fromstring",
                "xml.etree.ElementTree.Element",
            ),
            ("tarfile.open", "tarfile.TarFile"),
            (
                "asyncio.create_subprocess_shell",
                "asyncio.subprocess.Process",
            ),
            ("urllib.parse.parse_qs", "dict[list[str]]"),
        ] {
            assert_eq!(return_type(path), Some(kind), "{path}");
        }
        assert_eq!(attribute_type("os.environ"), Some("os._Environ"));
        assert_eq!(attribute_type("sys.argv"), Some("list[str]"));
        assert_eq!(
            attribute_type("http.server.BaseHTTPRequestHandler.headers"),
            Some("email.message.Message")
        );
        assert_eq!(return_type("os.environ"), None);
        assert_eq!(return_type("flask.request"), None);
        assert_eq!(return_type(""), None);
        assert_eq!(return_type("builtins.getattr"), None);
        assert!(is_class("threading.Thread") && !is_class("os.walk"));
    }

    #[test]
    fn names_and_bases_are_looked_through() {
        assert_eq!(
            canonical("json.decoder.JSONDecoder"),
            Some("json.JSONDecoder")
        );
        assert_eq!(
            return_type("concurrent.futures.thread.ThreadPoolExecutor"),
            Some("concurrent.futures.ThreadPoolExecutor")
        );
        assert_eq!(
            return_type("concurrent.futures.ThreadPoolExecutor.submit"),
            Some("concurrent.futures.Future")
        );
        assert_eq!(
            attribute_type("http.server.SimpleHTTPRequestHandler.path"),
            Some("str")
        );
        let bases: Vec<_> = bases("datetime.datetime").collect();
        assert_eq!(bases, ["datetime.date"]);
    }

    #[test]
    fn the_table_is_sorted_and_whole() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(lines.count(), FACTS.len(), "every line parses");
        assert!(FACTS.len() > 8000);
        for pair in FACTS.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{} {}", pair[0].0, pair[1].0);
        }
        for (path, found) in FACTS.iter() {
            if let Fact::Alias(other) = found {
                assert!(
                    matches!(fact(other), Some(f) if !matches!(f, Fact::Alias(_))),
                    "{path}"
                );
            }
        }
        assert!(TABLE.len() < 600_000);
    }
}
