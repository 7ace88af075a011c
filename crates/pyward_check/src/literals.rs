//! Findings in the text of single files, which need no data flow: secrets.

use std::collections::HashSet;

use pyward_catalog::{Catalog, CatalogError};
use pyward_findings::Severity;
use pyward_flow::RawFinding;
use pyward_ir::{Const, ExprKind, FileIr, FunctionIndex, Span, StmtKind, Symbol, Target, Var};
use pyward_program::{FileId, Imported, Program};
use pyward_project::Project;
use pyward_secrets::Scanner;
use rayon::prelude::*;

use crate::lowered::Lowered;

/// The secrets in all files.
///
/// # Errors
/// A regular expression of the catalogue does not compile; those built in are tested to.
pub(crate) fn secrets(
    project: &Project,
    lowered: &Lowered,
    catalog: &Catalog,
) -> Result<Vec<RawFinding>, CatalogError> {
    let scanner = Scanner::new(catalog)?;
    let files: Vec<FileId> = lowered.program.file_ids().collect();
    let found = files.par_iter().flat_map_iter(|&file| {
        let ir = lowered.program.ir(file);
        let path = &project.files[lowered.sources[file.0 as usize]].relative;
        let secrets = scanner.scan(path, ir).into_iter();
        secrets.filter_map(move |secret| {
            let (rule, severity) = number(catalog, secret.rule)?;
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
    });
    Ok(found.collect())
}

/// Index and severity of a rule.
fn number(catalog: &Catalog, id: &str) -> Option<(u16, Severity)> {
    let at = catalog.rules.iter().position(|rule| rule.id == id)?;
    Some((u16::try_from(at).ok()?, catalog.rules[at].severity))
}

/// Adds secrets to the engine's findings. Where the engine reports one already, because a model knows the call or
/// setting, its finding stays alone.
pub(crate) fn add_secrets(
    findings: &mut Vec<RawFinding>,
    mut found: Vec<RawFinding>,
    lowered: &Lowered,
    catalog: &Catalog,
) {
    let secret = number(catalog, "hardcoded-secret").map(|(rule, _)| rule);
    let known: Vec<(u16, FileId, u32, u32)> = findings
        .iter()
        .map(|f| {
            let bound = (Some(f.rule) == secret).then(|| bound_value(&lowered.program, f));
            let end = bound.flatten().map_or(f.context_span.end, |span| span.end);
            (f.rule, f.file, f.context_span.start, end)
        })
        .collect();
    found.retain(|new| {
        !known.iter().any(|&(rule, file, start, end)| {
            rule == new.rule && file == new.file && start <= new.span.start && new.span.end <= end
        })
    });
    let engines = findings.len();
    findings.extend(found);
    let rule = secret;
    for finding in findings.iter_mut() {
        if Some(finding.rule) == rule
            && let Some((file, span)) = binding(&lowered.program, finding)
        {
            finding.file = file;
            finding.span = span;
            finding.context_span = span;
            finding.function = Symbol::new("");
        }
    }
    drop_repeated(findings, lowered, rule, engines);
}

/// What a module binds to the variable that a finding is about.
fn bound_value(program: &Program, finding: &RawFinding) -> Option<Span> {
    let ir = program.ir(finding.file);
    let mut found = None;
    ir.each_stmt(&ir.functions[0].body, &mut |stmt| {
        if let StmtKind::Assign { targets, value, .. } = &ir.stmt(stmt).kind
            && let [Target::Var(Var::Global(_), span)] = &**targets
            && *span == finding.context_span
        {
            found = Some(ir.expr(*value).span);
        }
    });
    found
}

/// Where the text stands that a call takes by the name of a module's variable.
fn binding(program: &Program, finding: &RawFinding) -> Option<(FileId, Span)> {
    let ir = program.ir(finding.file);
    let inside = |span: Span| {
        finding.context_span.start <= span.start && span.end <= finding.context_span.end
    };
    let named = ir.exprs.iter().filter(|expr| inside(expr.span));
    let names = named.filter_map(|expr| match expr.kind {
        ExprKind::Name(Var::Global(name)) => Some(name),
        _ => None,
    });
    names
        .filter(|name| name.as_str().chars().any(char::is_uppercase))
        .find_map(|name| {
            let file = imported_from(program, finding.file, name).unwrap_or((finding.file, name));
            bound_text(program.ir(file.0), file.1).map(|span| (file.0, span))
        })
}

/// The project's module that a name is imported from, and its name there.
fn imported_from(program: &Program, file: FileId, name: Symbol) -> Option<(FileId, Symbol)> {
    let ir = program.ir(file);
    let mut found = None;
    ir.each_stmt(&ir.functions[0].body, &mut |stmt| {
        let StmtKind::ImportFrom {
            module,
            level,
            names,
            ..
        } = &ir.stmt(stmt).kind
        else {
            return;
        };
        for alias in names {
            if alias.target == Var::Global(name)
                && let Some(Imported::Member(from)) =
                    program.resolve_from_import(file, *level, *module, alias.name)
            {
                found = Some((from, alias.name));
            }
        }
    });
    found
}

/// The text that a module binds to a name.
fn bound_text(ir: &FileIr, name: Symbol) -> Option<Span> {
    let mut found = None;
    ir.each_stmt(&ir.functions[0].body, &mut |stmt| {
        if let StmtKind::Assign { targets, value, .. } = &ir.stmt(stmt).kind
            && let [Target::Var(Var::Global(bound), _)] = &**targets
            && *bound == name
            && let value = ir.expr(*value)
            && matches!(value.kind, ExprKind::Const(Const::Str(_) | Const::Bytes(_)))
        {
            found = Some(value.span);
        }
    });
    found
}

/// A key that is written out several times in a file is one secret: the first place is enough. A setting that a model
/// knows, among the first `engines`, and another one with the same text are two.
fn drop_repeated(
    findings: &mut Vec<RawFinding>,
    lowered: &Lowered,
    rule: Option<u16>,
    engines: usize,
) {
    /// Shorter texts may be about something else.
    const MIN_LENGTH: usize = 8;
    let mut order: Vec<usize> = (0..findings.len())
        .filter(|&at| Some(findings[at].rule) == rule && findings[at].source_kind.is_none())
        .collect();
    order.sort_by_key(|&at| (findings[at].file, findings[at].span));
    let mut seen: HashSet<(FileId, Symbol, bool)> = HashSet::new();
    let mut places: HashSet<(FileId, Span)> = HashSet::new();
    let mut repeated: HashSet<usize> = HashSet::new();
    for at in order {
        let finding = &findings[at];
        let ir = lowered.program.ir(finding.file);
        let texts = ir.exprs.iter().filter_map(|expr| match expr.kind {
            ExprKind::Const(Const::Str(text) | Const::Bytes(text)) => {
                let inside = finding.context_span.start <= expr.span.start
                    && expr.span.end <= finding.context_span.end;
                let by_engine = at < engines;
                (inside && text.as_str().len() >= MIN_LENGTH).then_some((
                    finding.file,
                    text,
                    by_engine,
                ))
            }
            _ => None,
        });
        let texts: Vec<(FileId, Symbol, bool)> = texts.collect();
        let again = !places.insert((finding.file, finding.span));
        if again || texts.iter().any(|text| seen.contains(text)) {
            repeated.insert(at);
        }
        seen.extend(texts);
    }
    let mut at = 0;
    findings.retain(|_| {
        at += 1;
        !repeated.contains(&(at - 1))
    });
}
