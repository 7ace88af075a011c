//! Follows variables through templates that extend, include and import each other.

use std::collections::{HashMap, HashSet};

use crate::flow::{Handling, MacroCall, Root, Step, Use};
use crate::model::{Dialect, Exposure, Interpolation, Template};

/// Templates by path.
#[derive(Debug, Default)]
pub struct Library {
    templates: Vec<(String, Template)>,
    by_file_name: HashMap<String, Vec<usize>>,
}

/// An output that a variable reaches.
#[derive(Debug, Clone)]
pub struct Reached<'a> {
    /// The number of the template in the library.
    pub template: usize,
    /// Its path.
    pub path: &'a str,
    /// The output.
    pub interpolation: &'a Interpolation,
    /// What was done to the value on the whole way.
    pub handling: Handling,
    /// Whether it passed through a function or filter of unknown effect.
    pub through_call: bool,
    /// The templates and 1-based lines passed before: includes and calls of macros.
    pub via: Vec<(usize, usize)>,
}

impl Reached<'_> {
    /// Whether the value can do harm there. `default` is the environment's auto-escaping for the
    /// template's file.
    #[must_use]
    pub fn exposure(&self, default: bool) -> Option<Exposure> {
        self.interpolation.exposure_of(self.handling, default)
    }
}

/// Steps of one query.
const MAX_STEPS: usize = 5_000;

struct Task {
    template: usize,
    root: Root,
    path: Vec<Step>,
    handling: Handling,
    through_call: bool,
    /// Blocks that a template further down overrides.
    overridden: Vec<String>,
    via: Vec<(usize, usize)>,
}

impl Library {
    /// From templates with their paths, which use `/`.
    #[must_use]
    pub fn new(templates: Vec<(String, Template)>) -> Self {
        let mut by_file_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (i, (path, _)) in templates.iter().enumerate() {
            let last = path.rsplit('/').next().unwrap_or("");
            by_file_name.entry(last.to_string()).or_default().push(i);
        }
        Library {
            templates,
            by_file_name,
        }
    }

    /// All templates, in the order given.
    #[must_use]
    pub fn templates(&self) -> &[(String, Template)] {
        &self.templates
    }

    /// The templates that a name used in code or in another template may mean: those whose path
    /// is the name or ends with it, in a folder named `templates` if there is such, and in the
    /// folders closest to `from`, the path of the file that uses the name.
    #[must_use]
    pub fn find(&self, name: &str, from: &str) -> Vec<usize> {
        let name = name.trim_start_matches(['.', '/']);
        let last = name.rsplit('/').next().unwrap_or("");
        let mut found: Vec<usize> = self
            .by_file_name
            .get(last)
            .map_or(&[][..], Vec::as_slice)
            .iter()
            .copied()
            .filter(|&i| {
                let path = &self.templates[i].0;
                path == name || path.strip_suffix(name).is_some_and(|p| p.ends_with('/'))
            })
            .collect();
        let shared = |path: &str| {
            path.split('/')
                .zip(from.split('/'))
                .take_while(|(a, b)| a == b)
                .count()
        };
        // A folder named `templates` right before the name is where loaders look.
        let rooted = |path: &str| {
            path.strip_suffix(name)
                .is_some_and(|p| p.is_empty() || p.ends_with("templates/"))
        };
        found.sort_by_key(|&i| {
            let path = &self.templates[i].0;
            (
                !rooted(path),
                std::cmp::Reverse(shared(path)),
                path.len(),
                i,
            )
        });
        // Of several equally good ones all count.
        let rank = |i: usize| (rooted(&self.templates[i].0), shared(&self.templates[i].0));
        if let Some(best) = found.first().map(|&i| rank(i)) {
            found.retain(|&i| rank(i) == best);
        }
        found
    }

    /// The outputs that the variable `root` of a rendered template reaches with what is at
    /// `path` of it, through inheritance, includes and macros.
    #[must_use]
    pub fn reach(&self, template: usize, root: &str, path: &[Step]) -> Vec<Reached<'_>> {
        let mut tasks = vec![Task {
            template,
            root: Root::Context(root.to_string()),
            path: path.to_vec(),
            handling: Handling::default(),
            through_call: false,
            overridden: Vec::new(),
            via: Vec::new(),
        }];
        let mut seen: HashSet<(usize, Root, Vec<Step>, Vec<String>)> = HashSet::new();
        let mut out: Vec<Reached<'_>> = Vec::new();
        let mut next = 0;
        while next < tasks.len() && next < MAX_STEPS {
            let mut more = Vec::new();
            let task = &tasks[next];
            next += 1;
            let Some((_, current)) = self.templates.get(task.template) else {
                continue;
            };
            if !seen.insert((
                task.template,
                task.root.clone(),
                task.path.clone(),
                task.overridden.clone(),
            )) {
                continue;
            }
            self.outputs(task, current, &mut out);
            self.calls(task, current, &mut more);
            self.includes(task, current, &mut more);
            self.parents(task, current, &mut more);
            tasks.extend(more);
        }
        out.sort_by_key(|r| (r.template, r.interpolation.range.start));
        out
    }

    fn outputs<'a>(&'a self, task: &Task, current: &'a Template, out: &mut Vec<Reached<'a>>) {
        for interpolation in &current.interpolations {
            if !shown(
                current,
                task,
                interpolation.block.as_deref(),
                interpolation.macro_name.as_deref(),
            ) {
                continue;
            }
            for one in &interpolation.uses {
                if one.root != task.root || !one.touches(&task.path) {
                    continue;
                }
                let reached = Reached {
                    template: task.template,
                    path: &self.templates[task.template].0,
                    interpolation,
                    handling: combine(task.handling, one.handling),
                    through_call: task.through_call || one.through_call,
                    via: task.via.clone(),
                };
                let twice = out.iter().any(|r| {
                    r.template == reached.template
                        && r.interpolation.range == interpolation.range
                        && r.handling == reached.handling
                });
                if !twice {
                    out.push(reached);
                }
            }
        }
    }

    fn calls(&self, task: &Task, current: &Template, more: &mut Vec<Task>) {
        for invocation in &current.invocations {
            if !shown(
                current,
                task,
                invocation.block.as_deref(),
                invocation.macro_name.as_deref(),
            ) {
                continue;
            }
            let targets = self.resolve(task.template, &invocation.call);
            for (template, name) in targets {
                let Some(definition) = self.templates[template]
                    .1
                    .macros
                    .iter()
                    .find(|m| m.name == name)
                else {
                    continue;
                };
                let positional = invocation
                    .call
                    .positional
                    .iter()
                    .enumerate()
                    .filter_map(|(i, uses)| Some((definition.parameters.get(i)?, uses)));
                let named = invocation
                    .call
                    .named
                    .iter()
                    .map(|(name, uses)| (name, uses));
                for (parameter, uses) in positional.chain(named) {
                    for one in uses
                        .iter()
                        .filter(|u| u.root == task.root && u.touches(&task.path))
                    {
                        let root = Root::Param {
                            macro_name: name.clone(),
                            name: parameter.clone(),
                        };
                        more.push(task.onward(
                            template,
                            root,
                            one,
                            (task.template, invocation.line),
                        ));
                    }
                }
            }
        }
    }

    /// The macros a call may mean.
    fn resolve(&self, template: usize, call: &MacroCall) -> Vec<(usize, String)> {
        let (path, current) = &self.templates[template];
        let mut out = Vec::new();
        match call.callee.as_slice() {
            [name] => {
                if current.macros.iter().any(|m| m.name == *name) {
                    return vec![(template, name.clone())];
                }
                for import in &current.imports {
                    for (original, local) in &import.names {
                        if local == name {
                            out.extend(
                                self.find(&import.template, path)
                                    .into_iter()
                                    .map(|t| (t, original.clone())),
                            );
                        }
                    }
                }
            }
            [module, name] => {
                for import in current
                    .imports
                    .iter()
                    .filter(|i| i.alias.as_ref() == Some(module))
                {
                    out.extend(
                        self.find(&import.template, path)
                            .into_iter()
                            .map(|t| (t, name.clone())),
                    );
                }
                if matches!(module.as_str(), "self" | "_self" | "local") {
                    out.push((template, name.clone()));
                }
            }
            _ => {}
        }
        out
    }

    fn includes(&self, task: &Task, current: &Template, more: &mut Vec<Task>) {
        let path = &self.templates[task.template].0;
        for include in &current.includes {
            for name in &include.names {
                for template in self.find(name, path) {
                    let hidden = matches!(&task.root, Root::Context(root) if include.variables.iter().any(|(n, _)| n == root));
                    if !include.only && !hidden && matches!(task.root, Root::Context(_)) {
                        more.push(Task {
                            template,
                            root: task.root.clone(),
                            path: task.path.clone(),
                            handling: task.handling,
                            through_call: task.through_call,
                            overridden: Vec::new(),
                            via: task.passed((task.template, include.line)),
                        });
                    }
                    for (variable, uses) in &include.variables {
                        for one in uses
                            .iter()
                            .filter(|u| u.root == task.root && u.touches(&task.path))
                        {
                            more.push(task.onward(
                                template,
                                Root::Context(variable.clone()),
                                one,
                                (task.template, include.line),
                            ));
                        }
                    }
                }
            }
        }
    }

    fn parents(&self, task: &Task, current: &Template, more: &mut Vec<Task>) {
        if !matches!(task.root, Root::Context(_)) {
            return;
        }
        let path = &self.templates[task.template].0;
        let mut overridden = task.overridden.clone();
        overridden.extend(
            current
                .blocks
                .iter()
                .filter(|b| !current.super_blocks.contains(b))
                .cloned(),
        );
        overridden.sort();
        overridden.dedup();
        for name in &current.extends {
            for template in self.find(name, path) {
                if template != task.template {
                    more.push(Task {
                        template,
                        root: task.root.clone(),
                        path: task.path.clone(),
                        handling: task.handling,
                        through_call: task.through_call,
                        overridden: overridden.clone(),
                        via: task.via.clone(),
                    });
                }
            }
        }
    }
}

impl Task {
    fn passed(&self, at: (usize, usize)) -> Vec<(usize, usize)> {
        let mut via = self.via.clone();
        via.push(at);
        via
    }

    /// What goes on under another name by way of `one`.
    fn onward(&self, template: usize, root: Root, one: &Use, at: (usize, usize)) -> Task {
        let rest = self.path.get(one.path.len()..).unwrap_or_default().to_vec();
        Task {
            template,
            root,
            path: rest,
            handling: combine(self.handling, one.handling),
            through_call: self.through_call || one.through_call,
            overridden: Vec::new(),
            via: self.passed(at),
        }
    }
}

/// Whether what stands in a block gets into the page at all.
fn shown(current: &Template, task: &Task, block: Option<&str>, macro_name: Option<&str>) -> bool {
    match block {
        Some(block) => !task.overridden.iter().any(|b| b == block),
        // Outside of its blocks a child outputs nothing, but its macros are there.
        None => {
            macro_name.is_some() || current.extends.is_empty() || current.dialect == Dialect::Mako
        }
    }
}

/// First `a` was done, then `b`.
fn combine(a: Handling, b: Handling) -> Handling {
    Handling {
        markup: a.markup || b.markup,
        html_escaped: a.html_escaped || b.html_escaped,
        url_encoded: a.url_encoded || b.url_encoded,
        json: a.json || b.json,
        js_escaped: a.js_escaped || b.js_escaped,
        inert: a.inert || b.inert,
    }
}
