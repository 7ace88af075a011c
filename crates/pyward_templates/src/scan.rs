//! Cuts a template into text, output, tags and comments.

use std::ops::Range;

use crate::token::string_end;
use crate::{Diagnostic, Dialect};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// `{{ ... }}` or `${...}`.
    Output,
    /// `{% ... %}`, or `<%name ...>` and `</%name>` of Mako.
    Tag,
    /// `% ...` on a line of its own (Mako).
    Control,
    /// `<% ... %>` (Mako).
    Python,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) kind: Kind,
    /// With the delimiters.
    pub(crate) outer: Range<usize>,
    /// Without them.
    pub(crate) inner: Range<usize>,
}

pub(crate) fn scan(source: &str, dialect: Dialect) -> (Vec<Piece>, Vec<Diagnostic>) {
    let mut scanner = Scanner {
        source,
        bytes: source.as_bytes(),
        pieces: Vec::new(),
        diagnostics: Vec::new(),
        text: 0,
        budget: 4 * source.len() + 100_000,
    };
    match dialect {
        Dialect::Mako => scanner.mako(),
        Dialect::Html => {}
        _ => scanner.braces(dialect),
    }
    scanner.flush(source.len());
    (scanner.pieces, scanner.diagnostics)
}

struct Scanner<'a> {
    source: &'a str,
    bytes: &'a [u8],
    pieces: Vec<Piece>,
    diagnostics: Vec<Diagnostic>,
    /// Where the text not yet handed on begins.
    text: usize,
    /// Bytes that failed searches for a closing delimiter may still read, so that a template of
    /// unclosed ones takes linear time.
    budget: usize,
}

impl Scanner<'_> {
    fn flush(&mut self, to: usize) {
        if self.text < to {
            self.pieces.push(Piece {
                kind: Kind::Text,
                outer: self.text..to,
                inner: self.text..to,
            });
        }
        self.text = to;
    }

    fn piece(&mut self, kind: Kind, outer: Range<usize>, inner: Range<usize>) {
        self.flush(outer.start);
        self.text = outer.end;
        self.pieces.push(Piece { kind, outer, inner });
    }

    fn skip(&mut self, outer: Range<usize>) {
        self.flush(outer.start);
        self.text = outer.end;
    }

    fn find(&self, what: &str, from: usize) -> Option<usize> {
        self.source.get(from..)?.find(what).map(|i| from + i)
    }

    fn unclosed(&mut self, at: usize, what: &str) {
        if self.diagnostics.len() < 20 {
            self.diagnostics.push(Diagnostic {
                message: format!("`{what}` is not closed"),
                offset: at,
                line: 0,
            });
        }
    }

    /// The closing delimiter after `from`, not within a string or, for `}`-like ones, brackets.
    fn close(&mut self, from: usize, close: &str, nested: bool) -> Option<usize> {
        let mut at = from;
        let mut depth = 0usize;
        while at < self.bytes.len() && at - from < self.budget {
            let rest = &self.bytes[at..];
            if depth == 0 && rest.starts_with(close.as_bytes()) {
                return Some(at);
            }
            match rest[0] {
                quote @ (b'"' | b'\'') => {
                    at = string_end(self.bytes, at, quote);
                    continue;
                }
                b'{' | b'(' | b'[' if nested => depth += 1,
                b'}' | b')' | b']' if nested => depth = depth.saturating_sub(1),
                _ => {}
            }
            at += 1;
        }
        self.budget = self.budget.saturating_sub(at - from);
        // A stray quote: the first one that there is.
        self.find(close, from)
    }

    fn braces(&mut self, dialect: Dialect) {
        let mut at = 0;
        // What was not found once is not found later either.
        let mut missing: Vec<&str> = Vec::new();
        // Django's tags end on their line.
        let mut line = 0;
        while let Some(open) = self.find("{", at) {
            let (kind, close) = match self.bytes.get(open + 1) {
                Some(b'{') => (Some(Kind::Output), "}}"),
                Some(b'%') => (Some(Kind::Tag), "%}"),
                Some(b'#') => (None, "#}"),
                _ => {
                    at = open + 1;
                    continue;
                }
            };
            if dialect == Dialect::Tornado && self.bytes.get(open + 2) == Some(&b'!') {
                at = open + 3;
                continue;
            }
            let start = open + 2;
            if dialect == Dialect::Django && start > line {
                line = self.find("\n", start).unwrap_or(self.bytes.len());
                missing.clear();
            }
            let end = if missing.contains(&close) {
                None
            } else {
                match (dialect, kind) {
                    (Dialect::Jinja2, Some(kind)) => self.close(start, close, kind == Kind::Output),
                    (Dialect::Django, _) => self.source[start..line].find(close).map(|i| start + i),
                    _ => self.find(close, start),
                }
            };
            let Some(end) = end else {
                missing.push(close);
                self.unclosed(open, &self.source[open..start]);
                at = start;
                continue;
            };
            at = end + 2;
            let Some(kind) = kind else {
                self.skip(open..at);
                continue;
            };
            let inner = if dialect == Dialect::Jinja2 {
                trimmed(self.bytes, start..end)
            } else {
                start..end
            };
            let word = if kind == Kind::Tag {
                self.source[inner.clone()].trim_start()
            } else {
                ""
            };
            let word = word.split(char::is_whitespace).next().unwrap_or("");
            let until = match (dialect, word) {
                (Dialect::Jinja2, "raw") => Some(("endraw", true)),
                (Dialect::Django, "verbatim") => Some(("endverbatim", true)),
                (Dialect::Django, "comment") => Some(("endcomment", false)),
                _ => None,
            };
            let Some((end_word, keep)) = until else {
                self.piece(kind, open..at, inner);
                continue;
            };
            self.skip(open..at);
            let Some(end) = self.end_tag(at, end_word) else {
                self.unclosed(open, word);
                self.skip(open..self.bytes.len());
                return;
            };
            if keep {
                self.flush(end.start);
            }
            self.skip(end.clone());
            at = end.end;
        }
    }

    /// The next tag of this name.
    fn end_tag(&self, from: usize, word: &str) -> Option<Range<usize>> {
        let mut at = from;
        while let Some(open) = self.find("{%", at) {
            let rest = self.source[open + 2..]
                .trim_start_matches(['-', '+'])
                .trim_start();
            if rest.starts_with(word) {
                return self.find("%}", open).map(|end| open..end + 2);
            }
            at = open + 2;
        }
        None
    }

    fn mako(&mut self) {
        let mut at = 0;
        let mut missing: Vec<&str> = Vec::new();
        let mut line_start = true;
        while at < self.bytes.len() {
            if line_start {
                line_start = false;
                let end = self.find("\n", at).map_or(self.bytes.len(), |i| i + 1);
                let line = &self.source[at..end];
                let body = line.trim_start_matches([' ', '\t']);
                if body.starts_with("##") {
                    self.skip(at..end);
                    (at, line_start) = (end, true);
                    continue;
                }
                if body.starts_with('%') && !body.starts_with("%%") && !body.starts_with("%>") {
                    let from = end - body.len() + 1;
                    self.piece(Kind::Control, at..end, from..end);
                    (at, line_start) = (end, true);
                    continue;
                }
            }
            let rest = &self.bytes[at..];
            if rest.starts_with(b"\n") {
                line_start = true;
                at += 1;
            } else if rest.starts_with(b"${") && !missing.contains(&"}") {
                match self.close(at + 2, "}", true) {
                    Some(end) => {
                        self.piece(Kind::Output, at..end + 1, at + 2..end);
                        at = end + 1;
                    }
                    None => {
                        missing.push("}");
                        self.unclosed(at, "${");
                        at += 2;
                    }
                }
            } else if rest.starts_with(b"<%") || rest.starts_with(b"</%") {
                at = self.mako_tag(at, &mut missing);
            } else {
                at += 1;
            }
        }
    }

    /// A `<% %>`, `<%! %>`, `<%name>` or `</%name>`; gives the offset after it.
    fn mako_tag(&mut self, at: usize, missing: &mut Vec<&str>) -> usize {
        let closing = self.bytes[at + 1] == b'/';
        let start = at + if closing { 3 } else { 2 };
        let named = self.bytes.get(start).is_some_and(u8::is_ascii_alphabetic);
        let close = if named { ">" } else { "%>" };
        let end = if missing.contains(&close) {
            None
        } else if named {
            self.close(start, close, false)
        } else {
            self.find(close, start)
        };
        let Some(end) = end else {
            missing.push(close);
            self.unclosed(at, "<%");
            return start;
        };
        let after = end + close.len();
        if !named {
            self.piece(Kind::Python, at..after, start..end);
            return after;
        }
        let word = self.source[start..end]
            .split(|c: char| c.is_whitespace() || c == '/')
            .next()
            .unwrap_or("");
        let until = match (closing, word) {
            (false, "text") => Some(("</%text>", true)),
            (false, "doc") => Some(("</%doc>", false)),
            _ => None,
        };
        let Some((end_tag, keep)) = until else {
            self.piece(
                Kind::Tag,
                at..after,
                if closing { at + 1..end } else { start..end },
            );
            return after;
        };
        self.skip(at..after);
        let found = if missing.contains(&end_tag) {
            None
        } else {
            self.find(end_tag, after)
        };
        let Some(end) = found else {
            missing.push(end_tag);
            self.unclosed(at, "<%");
            return after;
        };
        if keep {
            self.flush(end);
        }
        self.skip(end..end + end_tag.len());
        end + end_tag.len()
    }
}

/// Without the marks of white-space control.
fn trimmed(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    let mark = |c: Option<&u8>| matches!(c, Some(b'-' | b'+'));
    let start = range.start + usize::from(range.start < range.end && mark(bytes.get(range.start)));
    let end = range.end - usize::from(range.end > start && mark(bytes.get(range.end - 1)));
    start..end
}
