//! Runs the analysis: rounds over the whole program, levels within a round, functions of a level in parallel.

use std::sync::Arc;

use pyward_catalog::Catalog;
use pyward_catalog::rule::{Confidence, Severity};
use pyward_ir::{FunctionIndex, FunctionKind, Span, Symbol};
use pyward_program::{ClassId, FileId, FunctionId, Program, call_levels};
use pyward_templates::Library;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::analysis::{Analysis, Options, Route};
use crate::api::ApiTable;
use crate::finding::RawFinding;
use crate::index::Index;
use crate::interp::{Context, Interp, KnownContexts, Output};
use crate::library;
use crate::models::Compiled;
use crate::regex_proof::RegexProofs;
use crate::summary::{Portable, Summary};
use crate::tables::{Base, Entry, Tables};

/// Stack of the worker threads: the interpreter recurses with the nesting of the source and of inlined calls.
const STACK: usize = 256 << 20;

/// Analyses a program. The paths of `templates` are relative to what the program's are relative to.
#[must_use]
pub fn analyse(
    program: &Program,
    catalog: &Catalog,
    templates: &Library,
    options: Options,
) -> Analysis {
    let threads = rayon::current_num_threads();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .stack_size(STACK)
        .build();
    match pool {
        Ok(pool) => pool.install(|| run(program, catalog, templates, options)),
        Err(_) => run(program, catalog, templates, options),
    }
}

fn run(program: &Program, catalog: &Catalog, templates: &Library, options: Options) -> Analysis {
    let models = Compiled::new(
        &catalog.rules,
        &catalog.models,
        &catalog.contexts,
        &catalog.source_kinds,
    );
    let api = ApiTable::new(&models);
    let index = Index::new(program);
    let regex = RegexProofs::default();
    let levels = call_levels(program);
    let tables = Tables {
        summaries: program
            .file_ids()
            .map(|f| vec![None; program.ir(f).functions.len()])
            .collect(),
        modules: vec![FxHashMap::default(); program.len()],
        written: vec![FxHashMap::default(); program.len()],
        classes: program
            .file_ids()
            .map(|f| vec![None; program.ir(f).classes.len()])
            .collect(),
        ..Tables::default()
    };
    let mut settings_by_name: FxHashMap<Symbol, Vec<usize>> = FxHashMap::default();
    for (at, setting) in models.settings.iter().enumerate() {
        for name in &setting.names {
            settings_by_name.entry(*name).or_default().push(at);
        }
    }
    let bit = |name: &str| models.context(name);
    let shared = Shared {
        program,
        templates,
        catalog,
        api: &api,
        models: &models,
        index: &index,
        regex: &regex,
        settings_by_name,
        contexts: KnownContexts {
            path: bit("path") | bit("archive"),
            redirect: bit("redirect"),
            url: bit("url"),
            html: bit("html"),
            xpath: bit("xpath"),
            lines: bit("header") | bit("log"),
            code: bit("code"),
            argument: bit("argument"),
            backtracking: bit("backtracking"),
            not_text: bit("nosql"),
            genuine: bit("deserialization"),
        },
        lexical_kinds: [models.kind("secret"), models.kind("personal")]
            .into_iter()
            .flatten()
            .collect(),
    };
    let is_product = |file: FileId| !program.is_test(file);
    let mut run = Run {
        shared: &shared,
        levels: &levels,
        tables,
        findings: Vec::new(),
        truncated: FxHashSet::default(),
    };
    for round in 0..ROUNDS {
        run.round(round, &is_product);
    }
    if options.library {
        library::report_flows(
            shared.program,
            shared.models,
            &run.tables,
            &mut run.findings,
        );
    }
    if options.tests {
        run.tests();
    }
    let calls = std::mem::take(&mut run.tables.call_sites);
    let mut analysis = finish(&shared, &run.tables, run.findings, run.truncated);
    analysis.calls = calls;
    analysis
}

/// An analysis on its way.
struct Run<'a> {
    shared: &'a Shared<'a>,
    levels: &'a [Vec<FunctionId>],
    tables: Tables,
    findings: Vec<RawFinding>,
    truncated: FxHashSet<FunctionId>,
}

impl Run<'_> {
    /// Runs the modules and functions of some files once, in order.
    fn round(&mut self, round: u8, wanted: &(dyn Fn(FileId) -> bool + Sync)) {
        let program = self.shared.program;
        self.findings.clear();
        self.truncated.clear();
        self.tables.entries.clear();
        self.tables.class_routes.clear();
        self.tables.call_sites.clear();
        for (function, entry) in described_entries(self.shared) {
            merge_entry(self.tables.entries.entry(function).or_default(), entry);
        }
        for level in program.import_levels() {
            let outcomes: Vec<_> = level
                .par_iter()
                .with_max_len(MAX_BATCH)
                .filter(|file| wanted(**file))
                .map(|file| run_module(self.shared, &self.tables, *file, round))
                .collect();
            self.merge(outcomes);
        }
        self.tables.index_subclasses();
        for level in self.levels {
            let outcomes: Vec<_> = level
                .par_iter()
                .with_max_len(MAX_BATCH)
                .filter(|id| wanted(id.file) && is_function(program, **id))
                .map(|id| run_function(self.shared, &self.tables, *id, round))
                .collect();
            self.merge(outcomes);
        }
    }

    /// Runs test code, which calls the product but is not called by it: what a test hands in is no flaw of the
    /// product, so only what happens in the test itself is kept.
    fn tests(&mut self) {
        let program = self.shared.program;
        let findings = std::mem::take(&mut self.findings);
        let truncated = std::mem::take(&mut self.truncated);
        let entries = std::mem::take(&mut self.tables.entries);
        let class_routes = std::mem::take(&mut self.tables.class_routes);
        let calls = std::mem::take(&mut self.tables.call_sites);
        self.round(ROUNDS - 1, &|file| program.is_test(file));
        self.findings.retain(|f| program.is_test(f.file));
        self.findings.extend(findings);
        self.truncated.extend(truncated);
        self.tables.entries = entries;
        self.tables.class_routes = class_routes;
        self.tables.call_sites = calls;
    }

    fn merge(&mut self, outcomes: Vec<(FunctionId, Outcome)>) {
        let mut writes = InstanceWrites::default();
        for (id, outcome) in outcomes {
            self.merge_one(id, outcome, &mut writes);
        }
        merge_instances(&mut self.tables, writes);
    }

    fn merge_one(&mut self, id: FunctionId, outcome: Outcome, writes: &mut InstanceWrites) {
        let out = outcome.output;
        if let Some(summary) = outcome.summary {
            self.tables.summaries[id.file.0 as usize][id.index.0 as usize] =
                Some(Arc::new(summary));
        }
        if let Some(module) = outcome.module {
            self.tables.modules[id.file.0 as usize] = module;
        }
        for (class, info) in out.classes {
            self.tables.classes[class.file.0 as usize][class.index.0 as usize] = Some(info);
        }
        for (key, value) in out.instance_writes {
            if !value.is_unknown() {
                writes.entry(key).or_default().push(value);
            }
        }
        for ((file, name), value) in out.module_writes {
            if value.is_unknown() {
                continue;
            }
            let written = &mut self.tables.written[file.0 as usize];
            match written.get_mut(&name) {
                Some(old) => *old = old.join(&value),
                None => {
                    written.insert(name, value);
                }
            }
        }
        for (environment, escapes) in out.escaping {
            let agreed = self.tables.escaping.entry(environment).or_insert(escapes);
            if *agreed != escapes {
                *agreed = None;
            }
        }
        for (key, value) in out.template_variables {
            match self.tables.template_variables.get_mut(&key) {
                Some(old) => *old = old.join(&value),
                None => {
                    self.tables.template_variables.insert(key, value);
                }
            }
        }
        for (parameter, class) in out.arguments {
            let agreed = self
                .tables
                .arguments
                .entry(parameter)
                .or_insert(Some(class));
            if *agreed != Some(class) {
                *agreed = None;
            }
        }
        for (key, value) in out.captured {
            self.tables.captured.insert(key, value);
        }
        for (function, entry) in out.entries {
            merge_entry(self.tables.entries.entry(function).or_default(), entry);
        }
        for route in out.class_routes {
            if !self.tables.class_routes.contains(&route) {
                self.tables.class_routes.push(route);
            }
        }
        for (site, callee) in out.call_sites {
            let known = self.tables.call_sites.entry((id.file, site)).or_default();
            if !known.contains(&callee) {
                known.push(callee);
            }
        }
        self.findings.extend(out.findings);
        if out.truncated {
            self.truncated.insert(id);
        }
    }
}

/// Most functions that a thread takes at once: one that takes long is not to keep others waiting behind it.
const MAX_BATCH: usize = 4;

/// The first round finds what functions know of each other, the second uses it.
const ROUNDS: u8 = 2;

/// What every function's analysis may look at.
pub(crate) struct Shared<'a> {
    pub(crate) program: &'a Program,
    templates: &'a Library,
    catalog: &'a Catalog,
    api: &'a ApiTable<'a>,
    pub(crate) models: &'a Compiled,
    index: &'a Index,
    regex: &'a RegexProofs,
    settings_by_name: FxHashMap<Symbol, Vec<usize>>,
    contexts: KnownContexts,
    lexical_kinds: Vec<u8>,
}

impl<'a> Shared<'a> {
    fn context(&'a self, tables: &'a Tables, round: u8) -> Context<'a> {
        Context {
            program: self.program,
            templates: self.templates,
            api: self.api,
            models: self.models,
            sensitive: &self.catalog.sensitive,
            tables,
            index: self.index,
            regex: self.regex,
            contexts: self.contexts,
            remote: self.models.kind("remote"),
            settings_by_name: &self.settings_by_name,
            assign_anything: self.models.entry("*"),
            assign_any_item: self.models.entry("*"),
            compare_entry: self.models.entry("operator.eq"),
            lexical_kinds: &self.lexical_kinds,
            is_first_round: round == 0,
        }
    }
}

fn is_function(program: &Program, id: FunctionId) -> bool {
    matches!(
        program.function(id).kind,
        FunctionKind::Def | FunctionKind::Lambda
    )
}

struct Outcome {
    summary: Option<Summary>,
    module: Option<FxHashMap<Symbol, Portable>>,
    output: Output,
}

fn run_module(
    shared: &Shared<'_>,
    tables: &Tables,
    file: FileId,
    round: u8,
) -> (FunctionId, Outcome) {
    let cx = shared.context(tables, round);
    let id = FunctionId {
        file,
        index: FunctionIndex(0),
    };
    let mut interp = Interp::new(&cx, id);
    let module = interp.run_module();
    let outcome = Outcome {
        summary: None,
        module: Some(module),
        output: interp.out,
    };
    (id, outcome)
}

fn run_function(
    shared: &Shared<'_>,
    tables: &Tables,
    id: FunctionId,
    round: u8,
) -> (FunctionId, Outcome) {
    let cx = shared.context(tables, round);
    let mut interp = Interp::new(&cx, id);
    let summary = interp.run_root(id);
    let outcome = Outcome {
        summary: Some(summary),
        module: None,
        output: interp.out,
    };
    (id, outcome)
}

/// What the functions of a level wrote to attributes of instances, in the order of the functions.
type InstanceWrites = FxHashMap<(ClassId, Symbol), Vec<Portable>>;

fn merge_instances(tables: &mut Tables, writes: InstanceWrites) {
    let old = &tables.instances;
    let joined: Vec<_> = writes
        .into_par_iter()
        .map(|(key, values)| {
            let mut values = old.get(&key).cloned().into_iter().chain(values);
            let first = values.next().unwrap_or_default();
            (key, values.fold(first, |all, value| all.join(&value)))
        })
        .collect();
    tables.instances.extend(joined);
}

fn merge_entry(into: &mut Entry, from: Entry) {
    fn add<T: PartialEq>(into: &mut Vec<T>, from: Vec<T>) {
        for one in from {
            if !into.contains(&one) {
                into.push(one);
            }
        }
    }
    add(&mut into.points, from.points);
    add(&mut into.routes, from.routes);
    add(&mut into.verbs, from.verbs);
    add(&mut into.guards, from.guards);
    add(&mut into.sites, from.sites);
    into.wraps |= from.wraps;
    add(&mut into.templates, from.templates);
    add(&mut into.gives_context, from.gives_context);
}

fn finish(
    shared: &Shared<'_>,
    tables: &Tables,
    findings: Vec<RawFinding>,
    truncated: FxHashSet<FunctionId>,
) -> Analysis {
    // One finding for each place and rule: the worst source, the shortest way.
    let mut best: FxHashMap<(u16, FileId, Span), RawFinding> = FxHashMap::default();
    for finding in findings {
        let key = (finding.rule, finding.file, finding.context_span);
        match best.get_mut(&key) {
            Some(old) => {
                if rank(&finding) > rank(old) {
                    *old = finding;
                }
            }
            None => {
                best.insert(key, finding);
            }
        }
    }
    let yields = |finding: &RawFinding| {
        let rule = &shared.models.rules[usize::from(finding.rule)];
        rule.yields_to.iter().any(|other| {
            let other = shared.models.rule(other);
            other.is_some_and(|o| best.contains_key(&(o, finding.file, finding.context_span)))
        })
    };
    let mut findings: Vec<RawFinding> = best.values().filter(|f| !yields(f)).cloned().collect();
    findings.sort_by_key(|f| (f.file, f.span, f.rule));
    report_sources(shared, &mut findings);
    let mut in_function = FxHashSet::default();
    findings.retain(|f| {
        !shared.models.rules[usize::from(f.rule)].once_per_function
            || in_function.insert((f.rule, f.file, f.function))
    });
    fold_settings(&mut findings);
    doubt_crowds(shared.models.kind("remote"), &mut findings);
    let mut routes: Vec<Route> = tables
        .entries
        .iter()
        .filter(|(_, e)| !e.points.is_empty() && !e.wraps)
        .map(|(id, entry)| {
            let point = &shared.models.entry_points[entry.points[0]];
            let mut verbs = entry.verbs.clone();
            verbs.sort_unstable_by_key(|v| v.as_str());
            let mut sites = entry.sites.clone();
            sites.sort_unstable();
            Route {
                function: *id,
                paths: entry.routes.clone(),
                verbs,
                library: point.library,
                protocol: point.protocol,
                guards: entry.guards.clone(),
                sites,
            }
        })
        .collect();
    routes.sort_by_key(|r| r.function);
    let mut truncated: Vec<FunctionId> = truncated.into_iter().collect();
    truncated.sort_unstable();
    let mut classes = tables.class_routes.clone();
    classes.sort_by_key(|route| (route.class, route.site));
    Analysis {
        findings,
        routes,
        classes,
        truncated,
        calls: FxHashMap::default(),
        bases: project_bases(shared.program, tables),
    }
}

/// Findings of rules whose flaw is the source: one for each source, there if it reaches several places or another
/// function.
fn report_sources(shared: &Shared<'_>, findings: &mut Vec<RawFinding>) {
    let source = |finding: &RawFinding| {
        let step = finding.trace.first()?;
        let rule = &shared.models.rules[usize::from(finding.rule)];
        rule.per_source
            .then_some((finding.rule, step.file, step.span))
    };
    // How many places each source reaches, and which of the findings is the surest, the first of several.
    let mut reached: FxHashMap<(u16, FileId, Span), (usize, usize)> = FxHashMap::default();
    for (at, finding) in findings.iter().enumerate() {
        let Some(key) = source(finding) else { continue };
        let (number, best) = reached.entry(key).or_insert((0, at));
        *number += 1;
        let certainty = |at: usize| (findings[at].severity, findings[at].confidence);
        if certainty(at) > certainty(*best) {
            *best = at;
        }
    }
    let mut at = 0;
    findings.retain_mut(|finding| {
        at += 1;
        let Some(key) = source(finding) else {
            return true;
        };
        let (number, best) = reached[&key];
        if best != at - 1 {
            return false;
        }
        let (_, file, span) = key;
        let functions = shared.program.ir(file).functions.iter();
        let around = functions.filter(|f| {
            f.kind == FunctionKind::Def && f.span.start <= span.start && span.end <= f.span.end
        });
        let inner = around.min_by_key(|f| f.span.end - f.span.start);
        let name = inner.map_or_else(|| Symbol::new(""), |f| f.qualname);
        if number > 1 || name != finding.function || file != finding.file {
            finding.file = file;
            finding.span = span;
            finding.context_span = span;
            finding.function = name;
        }
        true
    });
    findings.sort_by_key(|f| (f.file, f.span, f.rule));
}

/// Entry points that descriptions of the interface name.
fn described_entries(shared: &Shared<'_>) -> Vec<(FunctionId, Entry)> {
    let program = shared.program;
    if program.operations.is_empty() {
        return Vec::new();
    }
    let imported = |package: &Symbol| {
        let mut files = program.file_ids();
        files.any(|file| shared.index.imports(file).contains(package))
    };
    let points: Vec<usize> = shared
        .models
        .entry_points
        .iter()
        .enumerate()
        .filter(|(_, point)| point.operations && point.packages.iter().any(imported))
        .map(|(at, _)| at)
        .collect();
    if points.is_empty() {
        return Vec::new();
    }
    let described = program.operations.iter().filter_map(|operation| {
        let function = program.function_named(&operation.handler)?;
        let guards = operation.is_guarded.then(|| Symbol::new("authentication"));
        let entry = Entry {
            points: points.clone(),
            routes: vec![Symbol::new(&operation.path)],
            verbs: vec![Symbol::new(&operation.verb)],
            guards: guards.into_iter().collect(),
            ..Entry::default()
        };
        Some((function, entry))
    });
    described.collect()
}

/// Distance in bytes up to which wrong settings of one object are one finding.
const NEAR: u32 = 240;

/// Leaves one finding of several that one rule has about settings of one object in neighbouring statements.
fn fold_settings(findings: &mut Vec<RawFinding>) {
    let mut kept: Vec<RawFinding> = Vec::with_capacity(findings.len());
    for finding in findings.drain(..) {
        let same = kept.iter_mut().rev().take(8).find(|k| {
            finding.subject.is_some()
                && k.subject == finding.subject
                && k.rule == finding.rule
                && k.file == finding.file
                && k.function == finding.function
                && finding.span.start.saturating_sub(k.span.end) < NEAR
        });
        match same {
            Some(old) if rank(&finding) > rank(old) => *old = finding,
            Some(_) => {}
            None => kept.push(finding),
        }
    }
    *findings = kept;
}

/// The bases of each class that are classes of the project.
fn project_bases(program: &Program, tables: &Tables) -> FxHashMap<ClassId, Vec<ClassId>> {
    program
        .class_ids()
        .filter_map(|id| {
            let bases = tables.class(id)?.bases.iter();
            let bases: Vec<ClassId> = bases
                .filter_map(|base| match base {
                    Base::Project(base) => Some(*base),
                    Base::Api(_) => None,
                })
                .collect();
            (!bases.is_empty()).then_some((id, bases))
        })
        .collect()
}

/// Most sinks of one rule that data of one place is believed to reach.
const CROWD: usize = 5;

/// Lowers the confidence where data of one place, other than a request, seems to reach sinks all over a program: its
/// way went through something shared, such as the settings, of which too little is known.
fn doubt_crowds(remote: Option<u8>, findings: &mut [RawFinding]) {
    let place = |f: &RawFinding| {
        let first = f.trace.first().filter(|_| f.source_kind != remote)?;
        Some((f.rule, first.file, first.span))
    };
    let mut counts: FxHashMap<_, usize> = FxHashMap::default();
    for key in findings.iter().filter_map(place) {
        *counts.entry(key).or_default() += 1;
    }
    for finding in findings.iter_mut() {
        if place(finding).is_some_and(|key| counts[&key] > CROWD) {
            finding.confidence = Confidence::Low;
        }
    }
}

/// See [`rank`].
type Rank = (
    Severity,
    Confidence,
    std::cmp::Reverse<usize>,
    std::cmp::Reverse<Vec<(FileId, Span)>>,
);

/// Which of two findings at one place is worth showing.
fn rank(finding: &RawFinding) -> Rank {
    (
        finding.severity,
        finding.confidence,
        std::cmp::Reverse(finding.trace.len()),
        std::cmp::Reverse(finding.trace.iter().map(|s| (s.file, s.span)).collect()),
    )
}
