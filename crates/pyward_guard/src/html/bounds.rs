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

/// Whether a start tag is of the elements that are opened anew where they were left open (the HTML standard's formatting).
fn opens_anew(tag: &[u8]) -> bool {
    let length = tag
        .iter()
        .take(7)
        .take_while(|b| b.is_ascii_alphabetic())
        .count();
    let is = |names: &[&str]| {
        names
            .iter()
            .any(|name| tag[..length].eq_ignore_ascii_case(name.as_bytes()))
    };
    match length {
        1 => is(&["a", "b", "i", "s", "u"]),
        2 => is(&["em", "tt"]),
        3 => is(&["big"]),
        4 => is(&["code", "font", "nobr"]),
        5 => is(&["small"]),
        6 => is(&["strike", "strong"]),
        _ => false,
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
    let (mut tags, mut emphasis) = (0_usize, 0_usize);
    for at in memchr::memchr_iter(b'<', html.as_bytes()) {
        tags += 1;
        emphasis += usize::from(opens_anew(&html.as_bytes()[at + 1..]));
    }
    if tags < FEW && tags * emphasis < SMALL {
        return Ok(());
    }
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
    Ok(())
}
