//! The model of a template.

use std::ops::Range;

use crate::expr::Expr;
use crate::flow::{Handling, MacroCall, Use};
use crate::html::{CleartextUrl, Form, HtmlContext};

/// The language of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Jinja2, also as Flask, Quart, Starlette and Ansible-like tools use it.
    Jinja2,
    /// Django's own.
    Django,
    /// Mako.
    Mako,
    /// `tornado.template`.
    Tornado,
    /// Plain HTML: forms and addresses only.
    Html,
}

/// Whether the dialect's usual environment escapes the output of a template of this name.
///
/// Jinja2 by itself does not; this is the rule of Flask and of `select_autoescape()`. Pass what
/// the application configures where that is known.
#[must_use]
pub fn autoescape_default(dialect: Dialect, file_name: &str) -> bool {
    let lower = file_name.to_ascii_lowercase();
    match dialect {
        Dialect::Jinja2 => [".html", ".htm", ".xml", ".xhtml", ".svg"]
            .iter()
            .any(|e| lower.ends_with(e)),
        Dialect::Django | Dialect::Tornado => true,
        Dialect::Mako | Dialect::Html => false,
    }
}

/// The state of auto-escaping at an interpolation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Autoescape {
    /// The template switches it on.
    On,
    /// The template switches it off.
    Off,
    /// As the environment has it.
    Inherit,
}

/// One output of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpolation {
    /// What is output.
    pub expression: Expr,
    /// The variables that get through, with local names resolved.
    pub uses: Vec<Use>,
    /// The place in the HTML.
    pub context: HtmlContext,
    /// The state of auto-escaping.
    pub autoescape: Autoescape,
    /// The block it stands in.
    pub block: Option<String>,
    /// The macro it stands in.
    pub macro_name: Option<String>,
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// In bytes, with the delimiters.
    pub range: Range<usize>,
}

/// Why a value that reaches an output can do harm there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Exposure {
    /// Escaped for HTML, in a string of a script: a backslash or, in some browsers' parsing of
    /// what follows, little else gets through.
    ScriptString,
    /// Escaped for HTML, in a style sheet.
    Style,
    /// Decides about the scheme of an address: `javascript:`.
    ScriptUrl,
    /// Escaped, but a blank is enough to leave an attribute value without quotes.
    UnquotedAttribute,
    /// Escaped, but it makes the name of a tag or attribute.
    TagPart,
    /// Escaped for HTML, which a script does not need to be broken out of.
    Script,
    /// In `srcdoc`, where the browser takes one layer of escaping off.
    Document,
    /// Not escaped.
    Unescaped,
}

impl Exposure {
    /// Whether it needs special circumstances to do harm.
    #[must_use]
    pub fn is_weak(self) -> bool {
        matches!(self, Exposure::ScriptString | Exposure::Style)
    }

    /// One clause for a message: "it is ...".
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Exposure::Unescaped => "output without HTML escaping",
            Exposure::ScriptString => {
                "put into a string of a script, which HTML escaping is not made for"
            }
            Exposure::Style => "put into a style sheet, which HTML escaping is not made for",
            Exposure::ScriptUrl => {
                "the start of an address, where HTML escaping does not keep `javascript:` out"
            }
            Exposure::UnquotedAttribute => {
                "put into an attribute value without quotes, which a blank ends"
            }
            Exposure::TagPart => {
                "part of a tag's or attribute's name, where escaping does not help"
            }
            Exposure::Script => {
                "put into a script outside of a string, where HTML escaping does not help"
            }
            Exposure::Document => "put into `srcdoc`, where one layer of HTML escaping is undone",
        }
    }
}

impl Dialect {
    /// The dialect that goes by this name in lower case.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "jinja2" => Dialect::Jinja2,
            "django" => Dialect::Django,
            "mako" => Dialect::Mako,
            "tornado" => Dialect::Tornado,
            "html" => Dialect::Html,
            _ => return None,
        })
    }
}

impl Interpolation {
    /// Whether a value that gets through by `value` can do harm here. `default` is the
    /// environment's auto-escaping.
    #[must_use]
    pub fn exposure(&self, value: &Use, default: bool) -> Option<Exposure> {
        self.exposure_of(value.handling, default)
    }

    /// The same for what was done to the value altogether.
    #[must_use]
    pub fn exposure_of(&self, handling: Handling, default: bool) -> Option<Exposure> {
        let auto = match self.autoescape {
            Autoescape::On => true,
            Autoescape::Off => false,
            Autoescape::Inherit => default,
        };
        if handling.inert {
            return None;
        }
        let escaped = handling.html_escaped || (auto && !handling.markup);
        let encoded = escaped || handling.url_encoded;
        let script = handling.json || handling.js_escaped;
        match &self.context {
            HtmlContext::Text | HtmlContext::Comment => {
                (!encoded && !script).then_some(Exposure::Unescaped)
            }
            HtmlContext::Attribute { quote, .. } => {
                // The quotes of JSON end the value, unless it was escaped after all.
                let covered = encoded || handling.js_escaped || (handling.json && *quote == '\'');
                (!covered).then_some(Exposure::Unescaped)
            }
            HtmlContext::UnquotedAttribute { .. } => {
                (!handling.url_encoded).then_some(Exposure::UnquotedAttribute)
            }
            HtmlContext::UrlAttribute {
                at_start,
                runs_script,
                ..
            } => {
                if !encoded && !handling.js_escaped {
                    Some(Exposure::Unescaped)
                } else {
                    (*at_start && *runs_script && !handling.url_encoded)
                        .then_some(Exposure::ScriptUrl)
                }
            }
            HtmlContext::EventHandler { quote, string, .. } => {
                let json = handling.json && (escaped || *quote == Some('\''));
                if json || (handling.js_escaped && string.is_some()) {
                    None
                } else if escaped {
                    Some(Exposure::Script)
                } else {
                    Some(Exposure::Unescaped)
                }
            }
            HtmlContext::ScriptString { quote } => {
                if script || handling.url_encoded {
                    None
                } else if !escaped {
                    Some(Exposure::Unescaped)
                } else {
                    Some(if *quote == '`' {
                        Exposure::Script
                    } else {
                        Exposure::ScriptString
                    })
                }
            }
            HtmlContext::Script => {
                if handling.json {
                    None
                } else if escaped || handling.js_escaped || handling.url_encoded {
                    Some(Exposure::Script)
                } else {
                    Some(Exposure::Unescaped)
                }
            }
            HtmlContext::Style => {
                if encoded || script {
                    (!handling.url_encoded).then_some(Exposure::Style)
                } else {
                    Some(Exposure::Unescaped)
                }
            }
            HtmlContext::TagName | HtmlContext::AttributeName => Some(if encoded {
                Exposure::TagPart
            } else {
                Exposure::Unescaped
            }),
            HtmlContext::Document => Some(if encoded {
                Exposure::Document
            } else {
                Exposure::Unescaped
            }),
        }
    }

    /// Whether any part of it is declared to be mark-up that was not escaped before: `|safe`, `|n`,
    /// `{% raw %}`.
    #[must_use]
    pub fn is_safe_marked(&self) -> bool {
        self.uses.iter().any(|u| {
            u.handling.markup
                && !u.handling.html_escaped
                && !u.handling.json
                && !u.handling.js_escaped
                && !u.handling.inert
        })
    }
}

/// An included template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// The names it may have; empty when they are computed.
    pub names: Vec<String>,
    /// The variables that make the name.
    pub name_uses: Vec<Use>,
    /// Variables given to it.
    pub variables: Vec<(String, Vec<Use>)>,
    /// Whether it sees only those.
    pub only: bool,
    /// 1-based.
    pub line: usize,
    /// In bytes.
    pub range: Range<usize>,
}

/// An imported template of macros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The template.
    pub template: String,
    /// The name of the module, where it has one.
    pub alias: Option<String>,
    /// Names taken from it, with the local names.
    pub names: Vec<(String, String)>,
}

/// A macro.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Macro {
    /// Its name.
    pub name: String,
    /// Its parameters.
    pub parameters: Vec<String>,
    /// 1-based.
    pub line: usize,
}

/// A call of a macro in an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// What is called with what.
    pub call: MacroCall,
    /// The block it stands in.
    pub block: Option<String>,
    /// The macro it stands in.
    pub macro_name: Option<String>,
    /// 1-based.
    pub line: usize,
}

/// A loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loop {
    /// The names bound.
    pub targets: Vec<String>,
    /// What is iterated.
    pub iterable: Expr,
    /// 1-based.
    pub line: usize,
}

/// A variable set in the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Expr,
    /// 1-based.
    pub line: usize,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The problem.
    pub message: String,
    /// In bytes.
    pub offset: usize,
    /// 1-based.
    pub line: usize,
}

/// A template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its language.
    pub dialect: Dialect,
    /// What it outputs, in the order of the text.
    pub interpolations: Vec<Interpolation>,
    /// The templates it may extend.
    pub extends: Vec<String>,
    /// The templates it includes.
    pub includes: Vec<Include>,
    /// The names of its blocks.
    pub blocks: Vec<String>,
    /// The blocks that output the parent's content too.
    pub super_blocks: Vec<String>,
    /// The templates of macros it imports.
    pub imports: Vec<Import>,
    /// Its macros.
    pub macros: Vec<Macro>,
    /// Calls of macros.
    pub invocations: Vec<Invocation>,
    /// Its loops.
    pub loops: Vec<Loop>,
    /// The variables it sets.
    pub sets: Vec<Set>,
    /// Its forms.
    pub forms: Vec<Form>,
    /// Subresources and form targets with `http:` addresses.
    pub cleartext_urls: Vec<CleartextUrl>,
    /// Whether a tag switches auto-escaping off, with the 1-based line.
    pub autoescape_off: Vec<usize>,
    /// What could not be read.
    pub diagnostics: Vec<Diagnostic>,
}
