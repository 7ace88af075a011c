//! JavaScript in pages: values from elsewhere that a script puts where they do harm.
//!
//! The scripts of a page are read as one program by tree-sitter, which goes on behind what it does not understand: an
//! `{% if %}` in a script leaves gaps. A value is followed through variables, members, calls of functions of the page
//! and callbacks, each kept once for the whole page (no order of statements, no calling contexts), until nothing
//! changes. What values come from elsewhere and where they do harm is said by models ([`pyward_catalog::model`],
//! `script-source` and the like).
//!
//! ```
//! let models = &pyward_catalog::Catalog::builtin().models;
//! let code = "const q = new URLSearchParams(location.search).get('q');\nbox.innerHTML = `<b>${q}</b>`;";
//! let flows = pyward_scripts::Scripts::new(models).flows(code).found;
//! assert_eq!((flows[0].rule.as_str(), flows[0].sink.as_str()), ("dom-xss", "innerHTML"));
//! assert_eq!(&code[flows[0].source.clone()], "location.search");
//! ```

mod flow;
mod names;
mod path;
mod value;

use std::ops::Range;

use pyward_catalog::model::Models;
use regex::{Regex, RegexBuilder};
use rustc_hash::FxHashSet;
use tree_sitter::Parser;

use crate::flow::Reader;
use crate::names::Names;
use crate::path::Paths;

/// Scripts of more bytes are not read: those are libraries.
const MAX_CODE: usize = 1 << 20;

/// A value from elsewhere that arrives where it does harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The rule broken.
    pub rule: String,
    /// The place, on one line.
    pub span: Range<usize>,
    /// What is assigned or called there, such as `innerHTML`.
    pub sink: String,
    /// Where the value comes from.
    pub source: Range<usize>,
}

/// What models say of scripts.
#[derive(Debug, Default)]
pub struct Scripts {
    sources: Paths<()>,
    /// Names of events whose handlers get values from elsewhere.
    events: FxHashSet<String>,
    sinks: Paths<Sink>,
    /// Last names of sinks: a script with none of them is not parsed.
    words: Vec<String>,
    sanitizers: Paths<()>,
    harmless: Vec<Regex>,
    /// With the positions of the arguments that pass; empty: all.
    propagators: Paths<Vec<usize>>,
}

#[derive(Clone, Debug)]
struct Sink {
    rule: String,
    args: Vec<usize>,
    markup: bool,
}

/// What was found in a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flows {
    /// In the order of their places; the same value written to the same kind of place twice is told once.
    pub found: Vec<Flow>,
    /// The program was too large to be followed in full.
    pub is_partial: bool,
}

impl Flows {
    fn unread() -> Self {
        Self {
            found: Vec::new(),
            is_partial: true,
        }
    }
}

impl Scripts {
    /// From all models.
    #[must_use]
    pub fn new(models: &[Models]) -> Self {
        let mut all = Self::default();
        for model in models {
            for source in &model.script_source {
                source.path.iter().for_each(|p| all.sources.add(p, ()));
                all.events.extend(source.event.iter().cloned());
            }
            for sink in &model.script_sink {
                for path in &sink.path {
                    let sink = Sink {
                        rule: sink.rule.clone(),
                        args: sink.args.clone(),
                        markup: sink.markup,
                    };
                    all.sinks.add(path, sink);
                    let last = path.rsplit('.').next().unwrap_or(path);
                    let word = last.trim_end_matches("()").to_owned();
                    if !all.words.contains(&word) {
                        all.words.push(word);
                    }
                }
            }
            for sanitizer in &model.script_sanitizer {
                sanitizer
                    .path
                    .iter()
                    .for_each(|p| all.sanitizers.add(p, ()));
                let pattern = sanitizer.named.as_deref();
                all.harmless.extend(pattern.and_then(|pattern| {
                    RegexBuilder::new(pattern)
                        .case_insensitive(true)
                        .build()
                        .ok()
                }));
            }
            for propagator in &model.script_propagator {
                propagator
                    .path
                    .iter()
                    .for_each(|p| all.propagators.add(p, propagator.args.clone()));
            }
        }
        all
    }

    /// The flows in a program. Programs over 1 MiB are not read, and the steps in others are bounded.
    #[must_use]
    pub fn flows(&self, code: &str) -> Flows {
        if !self.words.iter().any(|word| code.contains(word.as_str())) {
            return Flows::default();
        }
        if code.len() > MAX_CODE {
            return Flows::unread();
        }
        let mut parser = Parser::new();
        let language = tree_sitter_javascript::LANGUAGE.into();
        if parser.set_language(&language).is_err() {
            return Flows::unread();
        }
        let Some(tree) = parser.parse(code, None) else {
            return Flows::unread();
        };
        let names = Names::new(tree.root_node(), code);
        Reader::new(self, &names, code).flows()
    }
}

#[cfg(test)]
mod tests;
