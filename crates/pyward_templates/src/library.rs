//! Follows variables through templates that extend, include and import each other.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::flow::{Handling, MacroCall, Root, Step, Use};
use crate::model::{Autoescape, Dialect, Exposure, Interpolation, Template, autoescape_default};
use crate::scripts;

/// A step of a search: template, root, path, what was taken from it, names bound anew.
type Visit = (usize, Root, Vec<Step>, Vec<Step>, Vec<String>);

/// What each template exposes, by its place, dialect and escaping.
type Exposures = HashMap<(usize, Dialect, Escaping), Arc<[Exposed]>>;

/// Templates by path. Texts are read when they are first asked for, in the language of the call that renders them.
#[derive(Debug, Default)]
pub struct Library {
    files: Vec<File>,
    by_file_name: HashMap<String, Vec<usize>>,
    exposed: Mutex<Exposures>,
}

#[derive(Debug, Default)]
struct File {
    path: String,
    text: String,
    /// Given as it is, whatever the language asked for.
    given: Option<Template>,
    /// One for each language.
    read: [OnceLock<Template>; 5],
}

/// What the environment of a render call does to outputs that say nothing themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Escaping {
    /// As the dialect has it for a file of that name.
    ByName,
    /// It escapes everything.
    On,
    /// It escapes nothing.
    Off,
}

impl Escaping {
    fn default_for(self, dialect: Dialect, path: &str) -> bool {
        match self {
            Escaping::ByName => autoescape_default(dialect, path),
            Escaping::On => true,
            Escaping::Off => false,
        }
    }
}

/// An output in which a variable of the context can do harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    /// The variable of the context.
    pub variable: String,
    /// The part of it that is output.
    pub path: Vec<Step>,
    /// Why it does harm.
    pub exposure: Exposure,
    /// Whether the template says itself that nothing is to be escaped there.
    pub explicit: bool,
    /// The number of the template that the output stands in.
    pub template: usize,
    /// The output, in bytes.
    pub range: Range<usize>,
    /// Whether the value passes through a function or filter of unknown effect.
    pub through_call: bool,
    /// Templates and byte ranges passed before: includes and calls of macros.
    pub via: Vec<(usize, Range<usize>)>,
}

/// Variables followed for one rendered template at most.
const MAX_VARIABLES: usize = 500;

/// Outputs looked at for one rendered template at most.
const MAX_EXPOSED: usize = 400;

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
    /// The part of the variable that is output, as far as known.
    pub taken: Vec<Step>,
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

/// Steps of an access path at most.
const MAX_TAKEN: usize = 12;

/// How often one variable of one template is followed.
const MAX_VISITS: usize = 4;

/// Steps of one query.
const MAX_STEPS: usize = 5_000;

struct Task {
    template: usize,
    root: Root,
    path: Vec<Step>,
    handling: Handling,
    through_call: bool,
    /// The part of the variable asked for that the root stands for.
    taken: Vec<Step>,
    /// Blocks that a template further down overrides.
    overridden: Vec<String>,
    via: Vec<(usize, usize)>,
}

impl Library {
    /// From templates with their paths, which use `/`.
    #[must_use]
    pub fn new(templates: Vec<(String, Template)>) -> Self {
        Self::of(templates.into_iter().map(|(path, template)| File {
            path,
            given: Some(template),
            ..File::default()
        }))
    }

    /// From texts with their paths, which use `/`.
    #[must_use]
    pub fn from_texts(texts: Vec<(String, String)>) -> Self {
        Self::of(texts.into_iter().map(|(path, text)| File {
            path,
            text,
            ..File::default()
        }))
    }

    fn of(files: impl Iterator<Item = File>) -> Self {
        let files: Vec<File> = files.collect();
        let mut by_file_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (i, file) in files.iter().enumerate() {
            let last = file.path.rsplit('/').next().unwrap_or("");
            by_file_name.entry(last.to_string()).or_default().push(i);
        }
        Library {
            files,
            by_file_name,
            exposed: Mutex::default(),
        }
    }

    /// The number of templates.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is no template.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The path of a template; empty for a number that there is not.
    #[must_use]
    pub fn path(&self, template: usize) -> &str {
        self.files.get(template).map_or("", |f| &f.path)
    }

    /// The text of a template, where it was made from texts.
    #[must_use]
    pub fn text(&self, template: usize) -> &str {
        self.files.get(template).map_or("", |f| &f.text)
    }

    /// Whether a template makes HTML, by its name or else by its text.
    #[must_use]
    pub fn is_html(&self, template: usize) -> bool {
        let Some(file) = self.files.get(template) else {
            return false;
        };
        let name = file.path.rsplit('/').next().unwrap_or("");
        let lower = name.to_ascii_lowercase();
        let mut extensions = lower.rsplit('.');
        let mut last = extensions.next().unwrap_or("");
        if matches!(
            last,
            "jinja" | "jinja2" | "j2" | "mako" | "mak" | "tmpl" | "tpl" | "template" | "tornado"
        ) {
            last = match extensions.next() {
                Some(inner) if extensions.next().is_some() => inner,
                _ => "",
            };
        }
        match last {
            "html" | "htm" | "xhtml" | "djhtml" | "svg" => true,
            "" => ["</", "<!doctype", "<br", "<input", "<img"]
                .iter()
                .any(|tag| file.text.contains(tag)),
            _ => false,
        }
    }

    /// The scripts that stand in a template that makes HTML, with everything else blanked out, byte for byte in the same
    /// place; a script in a file of its own as a whole. None where there is no script, or only a library's.
    #[must_use]
    pub fn scripts(&self, template: usize) -> Option<String> {
        let file = self.files.get(template)?;
        if matches!(file.path.rsplit('.').next(), Some("js" | "mjs")) {
            return scripts::file(&file.text);
        }
        if !self.is_html(template) {
            return None;
        }
        // The other dialects mark outputs and tags as Jinja2 does.
        let dialect = match file.path.rsplit('.').next() {
            Some("mako" | "mak") => Dialect::Mako,
            _ => Dialect::Jinja2,
        };
        scripts::scripts(&file.text, dialect)
    }

    /// A template, read as one of `dialect`.
    #[must_use]
    pub fn template(&self, template: usize, dialect: Dialect) -> Option<&Template> {
        let file = self.files.get(template)?;
        Some(match &file.given {
            Some(given) => given,
            None => file.read[dialect as usize].get_or_init(|| crate::parse(&file.text, dialect)),
        })
    }

    /// The outputs of a rendered template, its parents and what they include in which a variable of the context
    /// can do harm.
    #[must_use]
    pub fn exposed(&self, template: usize, dialect: Dialect, escaping: Escaping) -> Arc<[Exposed]> {
        let key = (template, dialect, escaping);
        let cached = self.exposed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = cached.get(&key) {
            return Arc::clone(known);
        }
        drop(cached);
        let found: Arc<[Exposed]> = self.find_exposed(template, dialect, escaping).into();
        let mut cached = self.exposed.lock().unwrap_or_else(PoisonError::into_inner);
        cached.insert(key, Arc::clone(&found));
        found
    }

    fn find_exposed(&self, template: usize, dialect: Dialect, escaping: Escaping) -> Vec<Exposed> {
        let mut out: Vec<Exposed> = Vec::new();
        let variables = self.variables(template, dialect);
        for variable in variables.into_iter().take(MAX_VARIABLES) {
            for reached in self.reach(template, dialect, &variable, &[]) {
                let default = escaping.default_for(dialect, reached.path);
                let Some(exposure) = reached.exposure(default) else {
                    continue;
                };
                if out.len() >= MAX_EXPOSED {
                    return out;
                }
                let via = reached
                    .via
                    .iter()
                    .map(|&(at, line)| (at, self.line_range(at, line)))
                    .collect();
                out.push(Exposed {
                    variable: variable.clone(),
                    path: reached.taken,
                    exposure,
                    explicit: reached.handling.markup
                        || reached.interpolation.autoescape == Autoescape::Off,
                    template: reached.template,
                    range: reached.interpolation.range.clone(),
                    through_call: reached.through_call,
                    via,
                });
            }
        }
        out
    }

    /// The variables of the context that a rendered template, its parents or what they include mention.
    fn variables(&self, template: usize, dialect: Dialect) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut seen = HashSet::new();
        let mut open = vec![template];
        while let Some(at) = open.pop() {
            if seen.len() > 200 || !seen.insert(at) {
                continue;
            }
            let Some(current) = self.template(at, dialect) else {
                continue;
            };
            let path = self.path(at);
            let calls = current.invocations.iter().map(|i| &i.call);
            let arguments =
                calls.flat_map(|c| c.positional.iter().chain(c.named.iter().map(|(_, u)| u)));
            let given = current
                .includes
                .iter()
                .flat_map(|i| i.variables.iter().map(|(_, u)| u));
            let outputs = current.interpolations.iter().map(|i| &i.uses);
            for one in outputs.chain(arguments).chain(given).flatten() {
                if let Root::Context(name) = &one.root {
                    names.insert(name.clone());
                }
            }
            let included = current.includes.iter().flat_map(|i| &i.names);
            let imported = current.imports.iter().map(|i| &i.template);
            for name in current.extends.iter().chain(included).chain(imported) {
                open.extend(self.find(name, path));
            }
        }
        names
    }

    /// The bytes of the line that an offset of a template lies in.
    #[must_use]
    pub fn line_of(&self, template: usize, offset: usize) -> Range<usize> {
        let text = self.text(template).as_bytes();
        let offset = offset.min(text.len());
        let start = text[..offset].iter().rposition(|c| *c == b'\n');
        let end = text[offset..].iter().position(|c| *c == b'\n');
        start.map_or(0, |at| at + 1)..end.map_or(text.len(), |at| offset + at)
    }

    /// The bytes of a line, from 1, without the blanks before it.
    fn line_range(&self, template: usize, line: usize) -> Range<usize> {
        let mut start = 0;
        for (at, text) in self.text(template).split_inclusive('\n').enumerate() {
            if at + 1 == line {
                let indent = text.len() - text.trim_start().len();
                return start + indent..(start + text.trim_end().len()).max(start + indent);
            }
            start += text.len();
        }
        0..0
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
                let path = &self.files[i].path;
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
            let path = &self.files[i].path;
            (
                !rooted(path),
                std::cmp::Reverse(shared(path)),
                path.len(),
                i,
            )
        });
        // Of several equally good ones all count.
        let rank = |i: usize| (rooted(&self.files[i].path), shared(&self.files[i].path));
        if let Some(best) = found.first().map(|&i| rank(i)) {
            found.retain(|&i| rank(i) == best);
        }
        found
    }

    /// The outputs that the variable `root` of a rendered template reaches with what is at
    /// `path` of it, through inheritance, includes and macros.
    #[must_use]
    pub fn reach(
        &self,
        template: usize,
        dialect: Dialect,
        root: &str,
        path: &[Step],
    ) -> Vec<Reached<'_>> {
        let mut tasks = vec![Task {
            template,
            root: Root::Context(root.to_string()),
            path: path.to_vec(),
            handling: Handling::default(),
            through_call: false,
            taken: Vec::new(),
            overridden: Vec::new(),
            via: Vec::new(),
        }];
        let mut seen: HashSet<Visit> = HashSet::new();
        let mut visited: HashMap<(usize, Root, Vec<Step>), usize> = HashMap::new();
        let mut out: Vec<Reached<'_>> = Vec::new();
        let mut next = 0;
        while next < tasks.len() && next < MAX_STEPS {
            let mut more = Vec::new();
            let task = &tasks[next];
            next += 1;
            let Some(current) = self.template(task.template, dialect) else {
                continue;
            };
            // A macro that calls itself is followed a few times: trees are output so.
            let place = (task.template, task.root.clone(), task.path.clone());
            let visits = visited.entry(place).or_insert(0);
            *visits += 1;
            if *visits > MAX_VISITS {
                continue;
            }
            if !seen.insert((
                task.template,
                task.root.clone(),
                task.path.clone(),
                task.taken.clone(),
                task.overridden.clone(),
            )) {
                continue;
            }
            self.outputs(task, current, &mut out);
            self.calls(task, current, dialect, &mut more);
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
                    path: &self.files[task.template].path,
                    interpolation,
                    handling: combine(task.handling, one.handling),
                    through_call: task.through_call || one.through_call,
                    taken: task.further(one),
                    via: task.via.clone(),
                };
                let twice = out.iter().any(|r| {
                    r.template == reached.template
                        && r.interpolation.range == interpolation.range
                        && r.handling == reached.handling
                        && r.taken == reached.taken
                });
                if !twice {
                    out.push(reached);
                }
            }
        }
    }

    fn calls(&self, task: &Task, current: &Template, dialect: Dialect, more: &mut Vec<Task>) {
        for invocation in &current.invocations {
            if !shown(
                current,
                task,
                invocation.block.as_deref(),
                invocation.macro_name.as_deref(),
            ) {
                continue;
            }
            let targets = self.resolve(task.template, current, &invocation.call);
            for (template, name) in targets {
                let macros = self.template(template, dialect).map(|t| t.macros.iter());
                let Some(definition) = macros.and_then(|mut m| m.find(|m| m.name == name)) else {
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
    fn resolve(
        &self,
        template: usize,
        current: &Template,
        call: &MacroCall,
    ) -> Vec<(usize, String)> {
        let path = self.path(template);
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
        let path = self.path(task.template);
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
                            taken: task.taken.clone(),
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
        let path = self.path(task.template);
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
                        taken: task.taken.clone(),
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

    /// The part of the variable asked for that `one` takes.
    fn further(&self, one: &Use) -> Vec<Step> {
        let mut taken = self.taken.clone();
        taken.extend(one.path.iter().cloned());
        taken.truncate(MAX_TAKEN);
        taken
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
            taken: self.further(one),
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
