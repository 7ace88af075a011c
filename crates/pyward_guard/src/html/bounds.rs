//! How much work a text is for the parser, told before it is parsed into a tree.
//!
//! HTML's rules for unclosed elements let a few kilobytes become a tree of millions of nodes, and let deep nesting cost the
//! square of its depth. A parser that keeps nothing but names goes ahead and stops at the bounds.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

use html5ever::interface::tree_builder::Tracer;
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::tree_builder::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::{Attribute, ExpandedName, QualName, ns};

use crate::{Error, Result};

/// Elements within each other; browsers stop at 512.
const MAX_DEPTH: usize = 512;
/// Whatever is in so few bytes becomes 100,000 elements at most.
const TINY: usize = 4096;
/// Texts with fewer tags than this need no look for their depth: its square is small.
const FEW: usize = 10_000;
/// Nor for what is opened anew, where tags times emphasis, the most there can be, is less than this.
const SMALL: usize = 1 << 18;
/// Bytes between two looks at the counters.
const STEP: usize = 2048;
/// Elements times moves among them.
const MAX_MOVES: usize = 1 << 31;

struct Counter {
    created: Cell<usize>,
    /// Elements put before others or moved; each makes the tree look for a place among all siblings.
    moved: Cell<usize>,
    root: Rc<QualName>,
}

/// Counts the handles that the parser holds: the open elements and those it would open again.
#[derive(Default)]
struct Held(Cell<usize>);

impl Tracer for Held {
    type Handle = Rc<QualName>;

    fn trace_handle(&self, _: &Rc<QualName>) {
        self.0.set(self.0.get() + 1);
    }
}

impl TreeSink for Counter {
    type Handle = Rc<QualName>;
    type Output = Self;
    type ElemName<'a> = ExpandedName<'a>;

    fn finish(self) -> Self {
        self
    }
    fn parse_error(&self, _: Cow<'static, str>) {}
    fn get_document(&self) -> Rc<QualName> {
        Rc::clone(&self.root)
    }
    fn elem_name<'a>(&'a self, target: &'a Rc<QualName>) -> ExpandedName<'a> {
        target.expanded()
    }
    fn create_element(&self, name: QualName, _: Vec<Attribute>, _: ElementFlags) -> Rc<QualName> {
        self.created.set(self.created.get() + 1);
        Rc::new(name)
    }
    fn create_comment(&self, _: StrTendril) -> Rc<QualName> {
        Rc::clone(&self.root)
    }
    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Rc<QualName> {
        Rc::clone(&self.root)
    }
    fn append(&self, _: &Rc<QualName>, _: NodeOrText<Rc<QualName>>) {}
    fn append_based_on_parent_node(
        &self,
        _: &Rc<QualName>,
        _: &Rc<QualName>,
        _: NodeOrText<Rc<QualName>>,
    ) {
        self.moved.set(self.moved.get() + 1);
    }
    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}
    fn get_template_contents(&self, target: &Rc<QualName>) -> Rc<QualName> {
        Rc::clone(target)
    }
    fn same_node(&self, x: &Rc<QualName>, y: &Rc<QualName>) -> bool {
        Rc::ptr_eq(x, y)
    }
    fn set_quirks_mode(&self, _: QuirksMode) {}
    fn append_before_sibling(&self, _: &Rc<QualName>, _: NodeOrText<Rc<QualName>>) {
        self.moved.set(self.moved.get() + 1);
    }
    fn add_attrs_if_missing(&self, _: &Rc<QualName>, _: Vec<Attribute>) {}
    fn remove_from_parent(&self, _: &Rc<QualName>) {
        self.moved.set(self.moved.get() + 1);
    }
    fn reparent_children(&self, _: &Rc<QualName>, _: &Rc<QualName>) {
        self.moved.set(self.moved.get() + 1);
    }
}

/// Texts of this size or less cannot be much work to write out.
const SHORT: usize = 64 << 10;
/// Bytes that the serialiser may look at.
const MAX_SCANNED: usize = 1 << 35;

/// The serialiser looks from each ampersand and each byte 0xC2 (no-break spaces have it) to the next `<` or `>`.
fn scanned(html: &str) -> usize {
    let (mut total, mut specials, mut length) = (0_usize, 0_usize, 0_usize);
    let bytes = html.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        length += 1;
        match byte {
            b'&' if !(bytes[at..].starts_with(b"&lt;") || bytes[at..].starts_with(b"&gt;")) => {
                specials += 1;
            }
            0xC2 => specials += 1,
            b'<' | b'>' | b'&' => {
                total = total.saturating_add(specials.saturating_mul(length));
                (specials, length) = (0, 0);
            }
            _ => {}
        }
    }
    total.saturating_add(specials.saturating_mul(length))
}

/// The name of a start tag of the elements that are opened anew where they were left open (the HTML standard's formatting).
fn formatting(tag: &[u8]) -> Option<&[u8]> {
    let length = tag
        .iter()
        .take(7)
        .take_while(|b| b.is_ascii_alphabetic())
        .count();
    let name = &tag[..length];
    let is = |names: &[&str]| {
        names
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    };
    let found = match length {
        1 => is(&["a", "b", "i", "s", "u"]),
        2 => is(&["em", "tt"]),
        3 => is(&["big"]),
        4 => is(&["code", "font", "nobr"]),
        5 => is(&["small"]),
        6 => is(&["strike", "strong"]),
        _ => false,
    };
    found.then_some(name)
}

/// Whether nobody can read `rest`, which follows the name of a start tag, in another way: attributes, if any, are written
/// `name="value"`. Tells whether there are any.
fn attributes(rest: &[u8]) -> Option<bool> {
    let mut at = 0;
    loop {
        let space = length(&rest[at..], |b| b.is_ascii_whitespace());
        at += space;
        if rest.get(at) == Some(&b'>') {
            return Some(at > space);
        }
        let name = length(&rest[at..], |b| b.is_ascii_alphabetic() || b == b'-');
        at += name;
        let (Some(b'='), Some(quote @ (b'"' | b'\''))) = (rest.get(at), rest.get(at + 1)) else {
            return None;
        };
        at += 2;
        at += length(&rest[at..], |b| b != *quote && !matches!(b, b'<' | b'>'));
        if space == 0 || name == 0 || rest.get(at) != Some(quote) {
            return None;
        }
        at += 1;
    }
}

fn length(bytes: &[u8], is: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|b| is(**b)).count()
}

/// The tags of a text, as far as they are more work than themselves.
#[derive(Debug, Default, PartialEq)]
struct Tags {
    all: usize,
    // Formatting that may be left open, by how many of it the parser keeps.
    links: usize,
    plain: usize,
    others: usize,
}

impl Tags {
    fn of(html: &[u8]) -> Self {
        let mut tags = Self::default();
        // Formatting without anything else between its tags is closed for sure: no comment, value or script can hold an end
        // tag then.
        let mut open: Vec<(&[u8], bool)> = Vec::new();
        for at in memchr::memchr_iter(b'<', html) {
            tags.all += 1;
            let tag = &html[at + 1..];
            let end = tag.strip_prefix(b"/");
            let Some(name) = formatting(end.unwrap_or(tag)) else {
                tags.leave(&mut open);
                continue;
            };
            if let Some(end) = end {
                match open.pop_if(|(last, _)| last.eq_ignore_ascii_case(name)) {
                    Some(_) if end.get(name.len()) == Some(&b'>') => {}
                    closed => {
                        open.extend(closed);
                        tags.leave(&mut open);
                    }
                }
            } else if let Some(attributes) = attributes(&tag[name.len()..]) {
                open.push((name, attributes));
            } else {
                open.push((name, true));
                tags.leave(&mut open);
            }
        }
        tags.leave(&mut open);
        tags
    }

    fn leave(&mut self, open: &mut Vec<(&[u8], bool)>) {
        for (name, has_attributes) in open.drain(..) {
            match (name, has_attributes) {
                (b"a" | b"A", _) => self.links += 1,
                (_, false) => self.plain += 1,
                (_, true) => self.others += 1,
            }
        }
    }

    /// How many elements one tag can make the parser open anew at most: it keeps three of the same name and attributes (there
    /// are 13 names but `a`), and one link.
    fn anew(&self) -> usize {
        self.links.min(1) + self.plain.min(39) + self.others
    }
}

/// An error when parsing would create more elements than the text has use for, or nest them too deeply.
pub(super) fn check(html: &str) -> Result<()> {
    if html.len() > SHORT && scanned(html) > MAX_SCANNED {
        return Err(Error::LimitExceeded(
            "the HTML has too many ampersands or spaces of other kinds in one text".into(),
        ));
    }
    if html.len() < TINY {
        return Ok(());
    }
    let tags = Tags::of(html.as_bytes());
    if tags.all < FEW && tags.all * tags.anew() < SMALL {
        return Ok(());
    }
    parse(html, tags.all).map(drop)
}

/// Parses with nothing kept but names; how many elements were created.
fn parse(html: &str, tags: usize) -> Result<usize> {
    let sink = Counter {
        created: Cell::new(0),
        moved: Cell::new(0),
        root: Rc::new(QualName::new(None, ns!(), "".into())),
    };
    // As ammonia parses: a fragment within a div.
    let mut parser = html5ever::parse_fragment(
        sink,
        html5ever::ParseOpts::default(),
        QualName::new(None, ns!(html), "div".into()),
        vec![],
        false,
    );
    let mut rest = html;
    let mut count = 0;
    while !rest.is_empty() {
        let mut end = rest.len().min(STEP);
        while !rest.is_char_boundary(end) {
            end += 1;
        }
        let (part, later) = rest.split_at(end);
        parser.process(StrTendril::from_slice(part));
        rest = later;
        let builder = &parser.tokenizer.sink;
        // Well-formed text has one element for two tags; unclosed emphasis is made again in every paragraph.
        let (created, moved) = (builder.sink.created.get(), builder.sink.moved.get());
        count = created;
        if created > 4 * tags + 20_000 || created.saturating_mul(moved) > MAX_MOVES {
            return Err(Error::LimitExceeded(
                "the HTML leaves too many elements open".into(),
            ));
        }
        let held = Held::default();
        builder.trace_handles(&held);
        if held.0.get() > MAX_DEPTH {
            return Err(Error::LimitExceeded(format!(
                "the HTML nests elements deeper than {MAX_DEPTH} levels"
            )));
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn emphasis_that_is_closed_needs_no_second_look() {
        let article =
            "<p>It <em>is</em> <b>bold <i>type</i></b>, <a href='/x' class=\"y\">linked</a>.</p>"
                .repeat(900);
        let tags = Tags::of(article.as_bytes());
        assert_eq!((tags.all, tags.anew()), (9000, 0));
    }

    #[test]
    fn emphasis_that_may_be_open_counts() {
        for (html, anew) in [
            ("<b>x", 1),
            ("<b>x<p>y</b>", 1),
            ("<b><i>x</b></i>", 2),
            ("<b><i>x</i><p>", 1),
            ("<b title='</b>'>", 1),
            ("<b title=\">\" x=\"</b>\">", 1),
            ("<b title=\"'>'</b>\">", 1),
            ("<b title=</b>", 1),
            ("<b><!--</b>-->", 1),
            ("<b><p title='</b>'>", 1),
            ("<b></b x='", 1),
            ("<b/></b>", 1),
            ("<a href=x>x</a>".repeat(9).as_str(), 1),
            ("<b>".repeat(99).as_str(), 39),
            ("<font color=x>".repeat(99).as_str(), 99),
            ("<B>x</b><i\n>y</I>", 0),
        ] {
            assert_eq!(Tags::of(html.as_bytes()).anew(), anew, "{html}");
        }
    }

    proptest! {
        // What `check` relies on where it does not parse.
        #[test]
        fn a_tag_opens_no_more_anew_than_told(
            head in prop::collection::vec(prop::sample::select(vec![
                "<b>", "<B>", "<i>", "<em>", "<code>", "<strong>", "<a href=x>", "<a>", "<nobr>", "<font color=1>", "<font color=2>",
                "<b id=1>", "<tt/>", "</b>", "</a>", "</font>", "<p>", "</p>", "<div>", "</div>", "<table>", "<td>", "</td>",
                "</table>", "<object>", "</object>", "<li>", "x", "<!--</b>-->", "<s title='</s>'>", "<u>", "<small>", "<big>",
                "<b>x</b>", "<i>", "</i>", "<p title=\"", "\">", "'", "<!--", "-->", "</em>", "</s>", "<i title=\"y\">", "</code>",
                "<svg>", "</svg>", "<select>", "</select>", "<template>", "<textarea>", "</textarea>", "<button>", "</button>",
            ]), 0..60),
            turn in prop::collection::vec(prop::sample::select(vec![
                "</p>", "<p>", "x", "<li>", "</li>", "<td>", "</td>", "<tr>", "</b>", "<b>", "</a>", "<a href=x>", "</div>", "<div>",
            ]), 1..8),
            turns in 1..40_usize,
        ) {
            let html = head.concat() + &turn.concat().repeat(turns);
            let tags = Tags::of(html.as_bytes());
            let anew = tags.anew();
            if let Ok(created) = parse(&html, tags.all) {
                prop_assert!(created <= tags.all * (anew + 3) + 3, "{created} of {tags:?}, {anew} anew");
            }
        }
    }
}
