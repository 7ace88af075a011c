//! Builds the model from the pieces of a template.

mod django;
mod jinja;
mod mako;

use std::ops::Range;

use crate::expr::{self, Expr, Syntax};
use crate::flow::{Effect, Flow, Scopes, Use, filter_effect};
use crate::html::{Html, Place, names_csrf};
use crate::model::{
    Autoescape, Diagnostic, Dialect, Interpolation, Invocation, Loop, Set, Template,
};
use crate::scan::{Kind, Piece, scan};

/// Blocks nested deeper than this are read as if they were not nested.
const MAX_FRAMES: usize = 300;

pub(crate) fn read(source: &str, dialect: Dialect) -> Template {
    let (pieces, diagnostics) = scan(source, dialect);
    let mut reader = Reader::new(source, dialect);
    for mut diagnostic in diagnostics {
        diagnostic.line = reader.line(diagnostic.offset);
        reader.template.diagnostics.push(diagnostic);
    }
    reader.declare(&pieces);
    for piece in &pieces {
        let inner = &source[piece.inner.clone()];
        match piece.kind {
            Kind::Text => reader.text(piece.outer.clone()),
            Kind::Output => reader.output(inner, piece.outer.clone()),
            Kind::Tag => match dialect {
                Dialect::Jinja2 => reader.jinja_tag(inner, piece.outer.clone()),
                Dialect::Django => reader.django_tag(inner, piece.outer.clone()),
                Dialect::Tornado => reader.tornado_tag(inner, piece.outer.clone()),
                Dialect::Mako => reader.mako_tag(inner, piece.outer.clone()),
                Dialect::Html => {}
            },
            Kind::Control => reader.mako_control(inner, piece.outer.clone()),
            Kind::Python => reader.mako_python(inner, &piece.outer),
        }
    }
    reader.finish()
}

/// What a block tag saved when it opened.
pub(crate) struct Frame {
    pub(crate) name: String,
    offset: usize,
    scopes: usize,
    autoescape: Autoescape,
    filter_escapes: bool,
    block: Option<String>,
    macro_name: Option<String>,
    place: Place,
    /// Whether the text inside stands elsewhere than in the text around it.
    apart: bool,
    conditional: bool,
}

pub(crate) struct Reader<'a> {
    source: &'a str,
    pub(crate) dialect: Dialect,
    lines: Vec<usize>,
    /// An offset with its column, from which the next column is counted.
    cursor: (usize, usize),
    pub(crate) html: Html,
    pub(crate) scopes: Scopes,
    pub(crate) frames: Vec<Frame>,
    pub(crate) autoescape: Autoescape,
    /// Whether a filter around escapes what is output.
    pub(crate) filter_escapes: bool,
    pub(crate) block: Option<String>,
    pub(crate) macro_name: Option<String>,
    pub(crate) template: Template,
}

impl<'a> Reader<'a> {
    fn new(source: &'a str, dialect: Dialect) -> Self {
        let mut lines = vec![0];
        lines.extend(
            source
                .bytes()
                .enumerate()
                .filter(|(_, c)| *c == b'\n')
                .map(|(i, _)| i + 1),
        );
        let mut scopes = Scopes::default();
        scopes.push();
        Reader {
            source,
            dialect,
            lines,
            cursor: (0, 1),
            html: Html::new(),
            scopes,
            frames: Vec::new(),
            autoescape: Autoescape::Inherit,
            filter_escapes: false,
            block: None,
            macro_name: None,
            template: Template {
                dialect,
                interpolations: Vec::new(),
                extends: Vec::new(),
                includes: Vec::new(),
                blocks: Vec::new(),
                super_blocks: Vec::new(),
                imports: Vec::new(),
                macros: Vec::new(),
                invocations: Vec::new(),
                loops: Vec::new(),
                sets: Vec::new(),
                forms: Vec::new(),
                cleartext_urls: Vec::new(),
                autoescape_off: Vec::new(),
                diagnostics: Vec::new(),
            },
        }
    }

    pub(crate) fn syntax(&self) -> Syntax {
        if self.dialect == Dialect::Jinja2 {
            Syntax::Jinja
        } else {
            Syntax::Python
        }
    }

    pub(crate) fn expr(&self, text: &str) -> Expr {
        if self.dialect == Dialect::Django {
            expr::parse_django(text)
        } else {
            expr::parse(text, self.syntax())
        }
    }

    pub(crate) fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset)
    }

    /// The 1-based column; offsets are asked for in rising order.
    fn column(&mut self, offset: usize) -> usize {
        let start = self.lines[self.line(offset) - 1];
        let (from, column) = if self.cursor.0 >= start && self.cursor.0 <= offset {
            self.cursor
        } else {
            (start, 1)
        };
        let column = column + self.source[from..offset].chars().count();
        self.cursor = (offset, column);
        column
    }

    /// Names of macros and of modules of macros, before anything that calls them is read.
    fn declare(&mut self, pieces: &[Piece]) {
        let names: &[&str] = match self.dialect {
            Dialect::Jinja2 => &["self"],
            Dialect::Mako => &["self", "next", "parent", "local"],
            _ => &[],
        };
        self.scopes
            .callables
            .extend(names.iter().map(|n| (*n).to_string()));
        for piece in pieces.iter().filter(|p| p.kind == Kind::Tag) {
            let inner = self.source[piece.inner.clone()].trim();
            match self.dialect {
                Dialect::Jinja2 => self.declare_jinja(inner),
                Dialect::Mako => self.declare_mako(inner),
                _ => {}
            }
        }
    }

    fn text(&mut self, range: Range<usize>) {
        let lines = &self.lines;
        self.html
            .text(&self.source[range.clone()], range.start, &|offset| {
                lines.partition_point(|start| *start <= offset)
            });
    }

    /// What an expression lets through; the macros that it calls are noted.
    pub(crate) fn uses(&mut self, expr: &Expr, offset: usize) -> Vec<Use> {
        let mut flow = Flow {
            scopes: &mut self.scopes,
            dialect: self.dialect,
            calls: Vec::new(),
        };
        let uses = flow.uses(expr);
        let calls = flow.calls;
        let line = self.line(offset);
        for call in calls {
            self.template.invocations.push(Invocation {
                call,
                block: self.block.clone(),
                macro_name: self.macro_name.clone(),
                line,
            });
        }
        uses
    }

    fn output(&mut self, inner: &str, range: Range<usize>) {
        self.note_csrf(inner);
        let expr = match self.dialect {
            Dialect::Mako => self.mako_expr(inner),
            _ => self.expr(inner),
        };
        self.interpolate(expr, range, false);
    }

    /// Notes an output; `raw` when the tag itself switches escaping off.
    pub(crate) fn interpolate(&mut self, expression: Expr, range: Range<usize>, raw: bool) {
        let mut uses = self.uses(&expression, range.start);
        for one in &mut uses {
            if self.dialect == Dialect::Tornado {
                // Tornado escapes whatever it is given.
                one.handling.markup = false;
            }
            if raw {
                Effect::Markup.apply(&mut one.handling);
            }
            if self.filter_escapes {
                one.handling.html_escaped = true;
            }
        }
        if let (Expr::Call(callee, _), Some(block)) = (&expression, &self.block)
            && matches!(&**callee, Expr::Name(name) if name == "super")
        {
            self.template.super_blocks.push(block.clone());
        }
        if let (Expr::Attr(base, name), Some(block)) = (&expression, &self.block)
            && name == "super"
            && matches!(&**base, Expr::Name(name) if name == "block")
        {
            self.template.super_blocks.push(block.clone());
            uses.clear();
        }
        let context = self.html.hole();
        let line = self.line(range.start);
        let column = self.column(range.start);
        self.template.interpolations.push(Interpolation {
            expression,
            uses,
            context,
            autoescape: if raw {
                Autoescape::Off
            } else {
                self.autoescape
            },
            block: self.block.clone(),
            macro_name: self.macro_name.clone(),
            line,
            column,
            range,
        });
    }

    /// Notes a token against cross-site request forgery, or a call that writes one.
    pub(crate) fn note_csrf(&mut self, text: &str) {
        const WRITERS: &[&str] = &[
            "hidden_tag",
            "quick_form",
            "render_form",
            "crispy",
            "simple_form",
        ];
        if names_csrf(text) || WRITERS.iter().any(|w| text.contains(w)) {
            self.html.csrf_token();
        }
    }

    pub(crate) fn open(&mut self, name: &str, offset: usize) {
        self.open_as(name, offset, false, false);
    }

    /// Opens a conditional block, where an assignment may not happen.
    pub(crate) fn open_conditional(&mut self, name: &str, offset: usize) {
        self.open_as(name, offset, false, true);
    }

    /// Opens a block whose text does not stand where it is written: a macro, a captured text.
    pub(crate) fn open_apart(&mut self, name: &str, offset: usize) {
        self.open_as(name, offset, true, false);
        self.html.restore(Html::new().save());
    }

    fn open_as(&mut self, name: &str, offset: usize, apart: bool, conditional: bool) {
        if self.frames.len() >= MAX_FRAMES {
            return;
        }
        self.frames.push(Frame {
            name: name.to_string(),
            offset,
            scopes: self.scopes.depth(),
            autoescape: self.autoescape,
            filter_escapes: self.filter_escapes,
            block: self.block.clone(),
            macro_name: self.macro_name.clone(),
            place: self.html.save(),
            apart,
            conditional,
        });
        if !conditional {
            self.scopes.push();
        }
    }

    /// Closes the innermost block of this name, or the innermost at all for the empty name.
    pub(crate) fn close(&mut self, name: &str) {
        let Some(index) = self
            .frames
            .iter()
            .rposition(|f| name.is_empty() || f.name == name)
        else {
            return;
        };
        while self.frames.len() > index {
            let Some(frame) = self.frames.pop() else {
                return;
            };
            self.scopes.truncate(frame.scopes);
            self.autoescape = frame.autoescape;
            self.filter_escapes = frame.filter_escapes;
            self.block = frame.block;
            self.macro_name = frame.macro_name;
            if frame.apart {
                self.html.restore(frame.place);
            }
        }
    }

    /// Another branch of the innermost condition or loop: its text stands where that of the
    /// first one stood.
    pub(crate) fn branch(&mut self) {
        if let Some(frame) = self.frames.last() {
            self.html.restore(frame.place.clone());
        }
    }

    /// Binds a name; in a condition it may keep its old value.
    pub(crate) fn bind(&mut self, name: &str, uses: Vec<Use>) {
        let also = self.frames.last().is_some_and(|f| f.conditional);
        self.scopes.bind(name, uses, also);
    }

    /// Binds the targets of an assignment, and notes it.
    pub(crate) fn assign(&mut self, targets: &str, value: Expr, offset: usize) {
        let line = self.line(offset);
        let names: Vec<&str> = targets
            .split(',')
            .map(|t| t.trim().trim_matches(['(', ')']))
            .filter(|t| !t.is_empty())
            .collect();
        let several: Option<Vec<Expr>> = match &value {
            Expr::List(items) if items.len() == names.len() && names.len() > 1 => {
                Some(items.clone())
            }
            _ => None,
        };
        for (i, target) in names.iter().enumerate() {
            let value = several.as_ref().map_or(&value, |items| &items[i]).clone();
            let uses = self.uses(&value, offset);
            // `ns.x = value` adds to what `ns` holds.
            match target.split_once('.') {
                Some((base, _)) => self.scopes.bind(base, uses, true),
                None => self.bind(target, uses),
            }
            self.template.sets.push(Set {
                name: (*target).to_string(),
                value,
                line,
            });
        }
    }

    /// Opens a loop.
    pub(crate) fn open_loop(&mut self, targets: &str, iterable: Expr, offset: usize) {
        let targets: Vec<String> = targets
            .split(',')
            .map(|t| t.trim().trim_matches(['(', ')', ' ']).to_string())
            .filter(|t| !t.is_empty())
            .take(20)
            .collect();
        let mut flow = Flow {
            scopes: &mut self.scopes,
            dialect: self.dialect,
            calls: Vec::new(),
        };
        let bindings = flow.loop_bindings(&targets, &iterable);
        self.open("for", offset);
        for (name, uses) in bindings {
            self.scopes.bind(&name, uses, false);
        }
        for name in ["loop", "forloop"] {
            self.scopes.bind(name, Vec::new(), false);
        }
        let line = self.line(offset);
        self.template.loops.push(Loop {
            targets,
            iterable,
            line,
        });
    }

    /// Opens a macro and binds its parameters.
    pub(crate) fn open_macro(&mut self, name: &str, parameters: &expr::Arguments, offset: usize) {
        let mut names: Vec<String> = Vec::new();
        for parameter in &parameters.positional {
            if let Expr::Name(parameter) = parameter {
                names.push(parameter.clone());
            }
        }
        names.extend(
            parameters
                .named
                .iter()
                .map(|(n, _)| n.clone())
                .filter(|n| n != "**"),
        );
        self.open_apart("macro", offset);
        self.macro_name = Some(name.to_string());
        for parameter in &names {
            let root = crate::flow::Root::Param {
                macro_name: name.to_string(),
                name: parameter.clone(),
            };
            let value = Use {
                root,
                path: Vec::new(),
                handling: crate::flow::Handling::default(),
                through_call: false,
            };
            self.scopes.bind(parameter, vec![value], false);
        }
        let line = self.line(offset);
        self.template.macros.push(crate::model::Macro {
            name: name.to_string(),
            parameters: names,
            line,
        });
    }

    pub(crate) fn open_block(&mut self, name: &str, offset: usize) {
        if self.template.extends.is_empty() {
            self.open("block", offset);
        } else {
            // Where the parent has the block is not known here.
            self.open_apart("block", offset);
        }
        self.block = Some(name.to_string());
        self.template.blocks.push(name.to_string());
    }

    /// Opens a filter around a text.
    pub(crate) fn open_filter(&mut self, filters: &str, name: &str, offset: usize) {
        self.open(name, offset);
        let escapes = filters.split(['|', ',']).any(|filter| {
            let filter = filter.trim().split(['(', ':']).next().unwrap_or("").trim();
            matches!(filter, "xhtml_escape" | "linkify")
                || matches!(
                    filter_effect(filter, self.dialect),
                    Some(Effect::Clean | Effect::Escape | Effect::Url | Effect::Js)
                )
        });
        self.filter_escapes |= escapes;
    }

    pub(crate) fn set_autoescape(&mut self, on: bool, offset: usize) {
        self.autoescape = if on { Autoescape::On } else { Autoescape::Off };
        if !on {
            let line = self.line(offset);
            self.template.autoescape_off.push(line);
        }
    }

    fn finish(mut self) -> Template {
        for frame in std::mem::take(&mut self.frames) {
            if self.template.diagnostics.len() < 20 {
                let line = self.line(frame.offset);
                self.template.diagnostics.push(Diagnostic {
                    message: format!("`{}` is not closed", frame.name),
                    offset: frame.offset,
                    line,
                });
            }
        }
        self.template.forms = std::mem::take(&mut self.html.forms);
        self.template.cleartext_urls = std::mem::take(&mut self.html.cleartext);
        self.template
    }
}
