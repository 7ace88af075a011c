//! Flows from what callers hand to a library: parameters of public functions, and of constructors by way of the
//! object's attributes.

use pyward_catalog::rule::Severity;
use pyward_ir::{FunctionIndex, FunctionKind, Span, Symbol};
use pyward_program::{ClassId, FileId, FunctionId, Program};
use rustc_hash::FxHashSet;

use crate::finding::RawFinding;
use crate::heap::Key;
use crate::interp::flow_finding;
use crate::models::Compiled;
use crate::summary::ParamSink;
use crate::tables::{Base, Tables};
use crate::value::{Contexts, Mark, Marks, Origin, PathId, Step, StepKind, concat, flag};

/// Most classes looked at for the constructor of one.
const MAX_BASES: usize = 16;

/// Reports the flows from the parameters of public functions, for code that others call.
pub(crate) fn report_flows(
    program: &Program,
    models: &Compiled,
    tables: &Tables,
    findings: &mut Vec<RawFinding>,
) {
    let Some(kind) = models.kind("parameter") else {
        return;
    };
    let mut seen: FxHashSet<(u16, FileId, Span)> = FxHashSet::default();
    let known: FxHashSet<(u16, FileId, Span)> =
        findings.iter().map(|f| (f.rule, f.file, f.span)).collect();
    // What is handed over beside a text that is meant to be one: its values.
    let mut on_purpose: FxHashSet<(u16, FileId, Span)> = FxHashSet::default();
    let start = findings.len();
    let mut add = |reached: &Reached<'_>, severity: Severity, findings: &mut Vec<RawFinding>| {
        let site = &reached.sink.sink;
        let function = program.function(reached.function);
        let param = function.params.get(usize::from(reached.param));
        let meant = &models.rules[usize::from(site.rule)].meant_for;
        if let (Some(meant), Some(param)) = (meant, param)
            && meant.is_match(param.name.as_str())
        {
            on_purpose.insert((site.rule, site.file, site.span));
            return;
        }
        let mut finding = flow_finding(site, &reached.mark, kind, severity);
        if let Some(param) = param {
            finding.trace.insert(
                0,
                Step {
                    kind: StepKind::Source,
                    file: reached.function.file,
                    span: param.span,
                    name: param.name,
                },
            );
        }
        let key = (site.rule, site.file, site.span);
        if !known.contains(&key) && seen.insert(key) {
            findings.push(finding);
        }
    };
    // What is handed to the function itself is the nearer source.
    let mut of_objects = Vec::new();
    for file in program.file_ids() {
        if program.is_test(file) {
            continue;
        }
        for (at, summary) in tables.summaries[file.0 as usize].iter().enumerate() {
            let Some(summary) = summary else { continue };
            let index = FunctionIndex(u32::try_from(at).unwrap_or(u32::MAX));
            let id = FunctionId { file, index };
            if !is_public(program, id)
                || tables
                    .entries
                    .get(&id)
                    .is_some_and(|e| !e.points.is_empty())
            {
                continue;
            }
            for sink in &summary.sinks {
                let rule = &models.rules[sink.sink.rule as usize];
                let usual = rule.severity[kind as usize];
                let Some(severity) = sink.sink.parameter.or(usual) else {
                    continue;
                };
                let Origin::Param { index, path } = sink.mark.origin else {
                    continue;
                };
                if index == 0 && has_receiver(program, id) {
                    of_objects.push((id, sink, path, severity));
                    continue;
                }
                let reached = Reached {
                    function: id,
                    param: index,
                    sink,
                    mark: sink.mark.clone(),
                };
                add(&reached, severity, findings);
            }
        }
    }
    for (method, sink, path, severity) in of_objects {
        let context = models.rules[sink.sink.rule as usize].context;
        if let Some(reached) = from_constructor(program, tables, method, sink, path, context) {
            add(&reached, severity, findings);
        }
    }
    let mut at = 0;
    findings.retain(|f| {
        at += 1;
        at <= start || !on_purpose.contains(&(f.rule, f.file, f.span))
    });
}

/// A sink with the parameter that reaches it.
struct Reached<'a> {
    function: FunctionId,
    param: u16,
    sink: &'a ParamSink,
    mark: Mark,
}

/// The parameter of the constructor that was kept in the attribute of `self` which reaches a sink in a method.
fn from_constructor<'a>(
    program: &Program,
    tables: &Tables,
    method: FunctionId,
    sink: &'a ParamSink,
    path: PathId,
    rule_context: Contexts,
) -> Option<Reached<'a>> {
    let context = sink
        .sink
        .details
        .as_ref()
        .map_or(rule_context, |d| d.cleaned_by);
    let Key::Attribute(attribute) = *path.keys().first()? else {
        return None;
    };
    let class = ClassId {
        file: method.file,
        index: program.function(method).class?,
    };
    let constructor = constructor_of(program, tables, class)?;
    if constructor == method || !is_public(program, constructor) {
        return None;
    }
    let summary = tables.summary(constructor)?;
    for effect in &summary.effects {
        if effect.index != 0
            || effect.path != PathId::ROOT
            || effect.key != Key::Attribute(attribute)
        {
            continue;
        }
        for kept in effect.value.marks.as_slice() {
            let Origin::Param { index, .. } = kept.origin else {
                continue;
            };
            // Of what a kept object returns to a call too little is known.
            if index == 0 || sink.mark.flags & flag::OBSCURE != 0 {
                continue;
            }
            let mut mark = sink.mark.clone();
            mark.cleaned |= kept.cleaned;
            mark.flags |= kept.flags;
            mark.trace = concat(&kept.trace, &mark.trace);
            if mark.cleaned & context != 0 || mark.cleaned == Marks::ALL {
                continue;
            }
            return Some(Reached {
                function: constructor,
                param: index,
                sink,
                mark,
            });
        }
    }
    None
}

/// The `__init__` that makes the objects of a class.
fn constructor_of(program: &Program, tables: &Tables, class: ClassId) -> Option<FunctionId> {
    let name = Symbol::new("__init__");
    let mut queue = vec![class];
    let mut seen = Vec::new();
    while let Some(class) = queue.pop() {
        if seen.contains(&class) || seen.len() >= MAX_BASES {
            continue;
        }
        seen.push(class);
        let ir = program.ir(class.file);
        let own = ir.class(class.index).methods.iter().copied();
        if let Some(index) = own.rev().find(|&m| ir.function(m).name == name) {
            return Some(FunctionId {
                file: class.file,
                index,
            });
        }
        if let Some(info) = tables.class(class) {
            queue.extend(info.bases.iter().rev().filter_map(|base| match base {
                Base::Project(id) => Some(*id),
                Base::Api(_) => None,
            }));
        }
    }
    None
}

/// Whether the first parameter of a function is the object, or class, that it is a method of.
fn has_receiver(program: &Program, id: FunctionId) -> bool {
    let function = program.function(id);
    function.class.is_some()
        && function
            .params
            .first()
            .is_some_and(|p| matches!(p.name.as_str(), "self" | "cls" | "mcs"))
}

/// Whether other code may call a function.
fn is_public(program: &Program, id: FunctionId) -> bool {
    let function = program.function(id);
    function.kind == FunctionKind::Def
        && !function
            .qualname
            .as_str()
            .split('.')
            .any(|part| part.starts_with('_') && !part.ends_with("__"))
        && function.parent.is_none_or(|p| {
            let parent = program.ir(id.file).function(p);
            matches!(parent.kind, FunctionKind::Module | FunctionKind::ClassBody)
        })
}
