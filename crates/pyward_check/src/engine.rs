//! The call of the flow engine, and its results in a form that can be kept.

use std::collections::HashMap;

use pyward_catalog::Catalog;
use pyward_findings::{Finding, Surroundings, arrange};
use pyward_ir::Span;
use pyward_project::{Code, Diagnostic, Project};
use serde::{Deserialize, Serialize};

use crate::lowered::Lowered;

/// What depends on the files and the catalogue alone, whatever is selected or suppressed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct EngineResult {
    pub(crate) findings: Vec<Finding>,
    pub(crate) messages: Vec<Message>,
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
    Template,
    Internal,
}

impl EngineResult {
    pub(crate) fn into_parts(self, project: &Project) -> (Vec<Finding>, Vec<Diagnostic>) {
        let diagnostics = self
            .messages
            .into_iter()
            .map(|message| message.into_diagnostic(project))
            .collect();
        (self.findings, diagnostics)
    }
}

impl Message {
    fn into_diagnostic(self, project: &Project) -> Diagnostic {
        let mut diagnostic = match self.kind {
            MessageKind::Syntax => Diagnostic::warning(Code::SyntaxError, self.text),
            MessageKind::Budget => Diagnostic::warning(Code::BudgetExceeded, self.text),
            MessageKind::Template => Diagnostic::warning(Code::InvalidTemplate, self.text),
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
    templates: &HashMap<String, String>,
    lowered: Lowered,
    catalog: &Catalog,
    library: bool,
) -> EngineResult {
    let mut messages = syntax_errors(project, &lowered);
    let mut findings = Vec::new();
    // The flow engine's findings are worded and added here.
    let _ = (templates, catalog, library, &mut findings);
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
            None => Surroundings { path: "", line: "" },
        }
    });
    messages.sort_by(|a, b| (&a.file, a.offset, &a.text).cmp(&(&b.file, b.offset, &b.text)));
    EngineResult { findings, messages }
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
