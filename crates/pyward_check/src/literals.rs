//! Findings in the text of single files, which need no data flow: secrets.

use pyward_catalog::Catalog;
use pyward_flow::RawFinding;
use pyward_ir::{FunctionIndex, Symbol};
use pyward_program::FileId;
use pyward_project::Project;
use pyward_secrets::Scanner;
use rayon::prelude::*;

use crate::lowered::Lowered;

/// Adds the secrets of all files to the engine's findings. Where the engine reports a secret already, because a
/// model knows the call or setting, its finding stays alone.
pub(crate) fn add_secrets(
    findings: &mut Vec<RawFinding>,
    project: &Project,
    lowered: &Lowered,
    catalog: &Catalog,
) {
    let Ok(scanner) = Scanner::new(catalog) else {
        return;
    };
    let number = |id: &str| {
        let at = catalog.rules.iter().position(|rule| rule.id == id)?;
        Some((u16::try_from(at).ok()?, catalog.rules[at].severity))
    };
    let known: Vec<(u16, FileId, u32, u32)> = findings
        .iter()
        .map(|f| (f.rule, f.file, f.context_span.start, f.context_span.end))
        .collect();
    let files: Vec<FileId> = lowered.program.file_ids().collect();
    let found: Vec<RawFinding> = files
        .par_iter()
        .flat_map_iter(|&file| {
            let ir = lowered.program.ir(file);
            let path = &project.files[lowered.sources[file.0 as usize]].relative;
            let secrets = scanner.scan(path, ir).into_iter();
            secrets.filter_map(move |secret| {
                let (rule, severity) = number(secret.rule)?;
                let function = ir
                    .functions
                    .get(FunctionIndex(secret.function).0 as usize)?;
                Some(RawFinding {
                    subject: None,
                    end: None,
                    rule,
                    file,
                    span: secret.span,
                    context_span: secret.span,
                    sink: Symbol::new(""),
                    source_kind: None,
                    severity,
                    confidence: secret.confidence,
                    message: Some(secret.message),
                    trace: Vec::new(),
                    function: function.qualname,
                })
            })
        })
        .filter(|new| {
            !known.iter().any(|&(rule, file, start, end)| {
                rule == new.rule
                    && file == new.file
                    && start <= new.span.start
                    && new.span.end <= end
            })
        })
        .collect();
    findings.extend(found);
}
