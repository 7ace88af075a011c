//! The call of the flow engine, and its results in a form that can be kept.

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pyward_catalog::Catalog;
use pyward_findings::{Finding, Location, Surroundings, arrange};
use pyward_flow::Analysis;
use pyward_ir::Span;
use pyward_program::FileId;
use pyward_project::{Code, Diagnostic, Level, Project};
use serde::{Deserialize, Serialize};

use crate::literals;
use crate::lowered::{Lowered, TemplateFile};
use crate::pages;
use crate::words;

/// What depends on the files and the catalogue alone, whatever is selected or suppressed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct EngineResult {
    pub(crate) findings: Vec<Finding>,
    pub(crate) messages: Vec<Message>,
    pub(crate) routes: Vec<Route>,
}

/// A function that a framework calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Route {
    /// URL patterns; empty where they cannot be told.
    pub paths: Vec<String>,
    /// HTTP methods; empty where they cannot be told.
    pub verbs: Vec<String>,
    /// `http`, `cli`, `task`, ...
    pub protocol: String,
    /// The library that calls it.
    pub library: String,
    /// Dotted name of the handler below its module.
    pub function: String,
    /// Names of its parameters, `self` left out.
    pub parameters: Vec<String>,
    /// What guards it, as far as known.
    pub guards: Vec<String>,
    /// Where the handler's name stands.
    pub location: Location,
}

/// A diagnostic in a form that can be kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) kind: MessageKind,
    pub(crate) file: Option<String>,
    pub(crate) offset: Option<u32>,
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MessageKind {
    Syntax,
    Budget,
    Internal,
}

impl EngineResult {
    pub(crate) fn diagnostics(&mut self, project: &Project) -> Vec<Diagnostic> {
        std::mem::take(&mut self.messages)
            .into_iter()
            .map(|message| message.into_diagnostic(project))
            .collect()
    }
}

impl Message {
    fn into_diagnostic(self, project: &Project) -> Diagnostic {
        let mut diagnostic = match self.kind {
            MessageKind::Syntax => Diagnostic::warning(Code::SyntaxError, self.text),
            MessageKind::Budget => Diagnostic::new(Level::Note, Code::BudgetExceeded, self.text),
            MessageKind::Internal => crate::internal_error(&self.text),
        };
        if let Some(name) = self.file {
            let file = project.files.iter().find(|f| f.shown == name);
            diagnostic = diagnostic.at(name);
            if let (Some(file), Some(offset)) = (file, self.offset) {
                let position = file.position(offset);
                diagnostic = diagnostic.position(position.line, position.column);
            }
        }
        diagnostic
    }
}

/// Analyses the program.
pub(crate) fn run(
    project: &Project,
    lowered: &Lowered,
    catalog: &Catalog,
    options: pyward_flow::Options,
) -> EngineResult {
    let mut messages = syntax_errors(project, lowered);
    // The engine is meant never to panic. Should it, the syntax errors and this message are left.
    let analysed = catch_unwind(AssertUnwindSafe(|| {
        let mut analysis =
            pyward_flow::analyse(&lowered.program, catalog, &lowered.library, options);
        // Neither asks the other.
        let (application, secrets) = rayon::join(
            || pyward_app::analyse(&lowered.program, &analysis, catalog),
            || literals::secrets(project, lowered, catalog),
        );
        analysis.findings.extend(application.findings);
        if !application.routes.is_empty() {
            // Of those that answer HTTP the application model knows more.
            analysis
                .routes
                .retain(|route| route.protocol.as_str() != "http");
            analysis.routes.extend(application.routes);
            analysis.routes.sort_by_key(|route| route.function);
        }
        (analysis, application.cut, secrets)
    }));
    let (mut analysis, cut, secrets) = analysed.unwrap_or_else(|_| {
        messages.push(Message {
            kind: MessageKind::Internal,
            file: None,
            offset: None,
            text: "the data-flow analysis".into(),
        });
        let secrets = literals::secrets(project, lowered, catalog);
        (Analysis::default(), Vec::new(), secrets)
    });
    messages.extend(cut.iter().map(|file| {
        Message {
            kind: MessageKind::Budget,
            file: Some(
                project.files[lowered.sources[file.0 as usize]]
                    .shown
                    .clone(),
            ),
            offset: None,
            text: "what the routes of this application do is followed only in part".into(),
        }
    }));
    match secrets {
        Ok(secrets) => {
            literals::add_secrets(&mut analysis.findings, secrets, lowered, catalog);
        }
        Err(error) => messages.push(Message {
            kind: MessageKind::Internal,
            file: None,
            offset: None,
            text: format!("the search for secrets ({error})"),
        }),
    }
    let (in_scripts, partial) = pages::script_flows(lowered, catalog);
    analysis.findings.extend(in_scripts);
    messages.extend(partial.first().map(|&first| Message {
        kind: MessageKind::Budget,
        file: Some(lowered.templates[first].shown.to_string()),
        offset: None,
        text: format!(
            "the scripts of {} are followed only in part; this is the first",
            plural(partial.len(), "page"),
        ),
    }));
    messages.extend(budget(project, lowered, &analysis));
    let names: Vec<Arc<str>> = lowered
        .sources
        .iter()
        .map(|&index| Arc::from(project.files[index].shown.as_str()))
        .collect();
    let place = |file: FileId, span: Span| {
        let index = file.0 as usize;
        match index.checked_sub(names.len()) {
            Some(template) => lowered.template_location(template, span),
            None => words::location(&project.files[lowered.sources[index]], &names[index], span),
        }
    };
    let text = |file: FileId, span: Span| {
        let index = *lowered.sources.get(file.0 as usize)?;
        words::short_text(&project.files[index], span)
    };
    let mut findings: Vec<Finding> = analysis
        .findings
        .iter()
        .filter_map(|raw| words::finding(raw, catalog, &place, &text))
        .collect();
    let routes = analysis
        .routes
        .iter()
        .map(|route| words::route(route, &lowered.program, &place))
        .collect();
    let files: HashMap<&str, usize> = project
        .files
        .iter()
        .enumerate()
        .map(|(index, file)| (file.shown.as_str(), index))
        .collect();
    arrange(&mut findings, |finding: &Finding| {
        match files.get(&*finding.location.file) {
            Some(&index) => {
                let file = &project.files[index];
                Surroundings {
                    path: &file.relative,
                    line: line_at(&file.text, finding.location.start),
                }
            }
            None => {
                let templates = &lowered.templates;
                let shown = |t: &TemplateFile| *t.shown == *finding.location.file;
                match templates.iter().position(shown) {
                    Some(number) => Surroundings {
                        path: &templates[number].relative,
                        line: line_at(lowered.library.text(number), finding.location.start),
                    },
                    None => Surroundings { path: "", line: "" },
                }
            }
        }
    });
    messages.sort_by(|a, b| (&a.file, a.offset, &a.text).cmp(&(&b.file, b.offset, &b.text)));
    EngineResult {
        findings,
        messages,
        routes,
    }
}

/// What is said about functions that were too large to be followed in full.
fn budget(project: &Project, lowered: &Lowered, analysis: &Analysis) -> Option<Message> {
    let first = analysis.truncated.iter().min()?;
    let functions = analysis.truncated.len();
    let files: BTreeSet<FileId> = analysis.truncated.iter().map(|f| f.file).collect();
    let function = lowered.program.function(*first);
    let file = &project.files[lowered.sources[first.file.0 as usize]];
    let name = match function.qualname.as_str() {
        "" => "the module's own statements",
        name => name,
    };
    Some(Message {
        kind: MessageKind::Budget,
        file: Some(file.shown.clone()),
        offset: Some(function.name_span.start),
        text: format!(
            "the data flow of {} in {} is followed only in part; the first is {name}",
            plural(functions, "function"),
            plural(files.len(), "file"),
        ),
    })
}

fn plural(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// The first syntax error of each file, and how many more there are.
fn syntax_errors(project: &Project, lowered: &Lowered) -> Vec<Message> {
    let program = &lowered.program;
    let mut messages = Vec::new();
    for (id, &source) in program.file_ids().zip(&lowered.sources) {
        let diagnostics = &program.ir(id).diagnostics;
        let Some(first) = diagnostics.first() else {
            continue;
        };
        let Span { start, .. } = first.span;
        let more = match diagnostics.len() {
            1 => String::new(),
            2 => " (and 1 more syntax error)".into(),
            n => format!(" (and {} more syntax errors)", n - 1),
        };
        messages.push(Message {
            kind: MessageKind::Syntax,
            file: Some(project.files[source].shown.clone()),
            offset: Some(start),
            text: format!("{}; the rest of the file is checked{more}", first.message),
        });
    }
    messages
}

pub(crate) fn line_at(text: &str, offset: u32) -> &str {
    let mut at = (offset as usize).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[at..].find('\n').map_or(text.len(), |n| at + n);
    // A fingerprint needs no more of a line than this.
    let mut cut = end.min(start + 1000);
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    &text[start..cut]
}
