//! The catalogue's models and rules compiled for look-up by API path.

mod compile;

use pyward_catalog::model::{self, Models};
use pyward_catalog::rule::{Confidence, Rule, RuleKind, Severity};
use pyward_ir::{Const, Symbol};
use pyward_regex::Method;
use pyward_templates::Dialect;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::lazy_regex::LazyRegex;
use crate::place::Place;
use crate::types::TypeExpr;
use crate::value::{ALL_CONTEXTS, Contexts, Marks};

/// Everything models say about one API path.
#[derive(Debug, Default)]
pub struct Entry {
    /// Reading or calling it yields data of these kinds.
    pub sources: Vec<Source>,
    /// Calling it is dangerous.
    pub sinks: Vec<Sink>,
    /// Assigning to it is dangerous.
    pub assign_sinks: Vec<Sink>,
    /// Assigning to its items is dangerous.
    pub item_sinks: Vec<Sink>,
    /// Its result is safe in some contexts.
    pub sanitizers: Vec<Sanitizer>,
    /// Its outcome proves something.
    pub guards: Vec<Guard>,
    /// How data passes through it; `None`: unknown.
    pub propagators: Vec<Propagator>,
    /// Functions handed to it are called.
    pub callbacks: Vec<Callback>,
    /// Calls wrong in themselves.
    pub misuses: Vec<Misuse>,
    /// Reads wrong in themselves.
    pub read_misuses: Vec<Misuse>,
    /// As decorator, makes an entry point.
    pub entry_decorators: Vec<usize>,
    /// As base class, makes its methods entry points.
    pub entry_bases: Vec<usize>,
    /// As call, registers an entry point.
    pub entry_calls: Vec<usize>,
    /// Unsafe settings assigned to it.
    pub settings: Vec<usize>,
    /// Keyed stores of settings.
    pub setting_stores: Vec<usize>,
    /// Guards of a route.
    pub access: Vec<Symbol>,
    /// Renders a template.
    pub templates: Vec<usize>,
    /// Decides whether templates escape: the environment, and the place of the choice.
    pub escaping: Vec<(Symbol, Place)>,
    /// When assigned to, decides whether the templates of these environments escape.
    pub assign_escaping: Vec<Symbol>,
    /// Puts an argument into a variable of every template of an environment.
    pub template_variables: Vec<(Symbol, Symbol, Place)>,
    /// As decorator, makes a function that gives every template of the environment variables.
    pub template_contexts: Vec<Symbol>,
    /// As base class, has a method that returns the context of a template.
    pub template_bases: Vec<usize>,
    /// Compiles or applies a regular expression.
    pub regexes: Vec<RegexUse>,
    /// Type of its result.
    pub returns: Option<TypeExpr>,
    /// Calling it never returns.
    pub diverges: bool,
    /// Type of its value.
    pub attribute: Option<TypeExpr>,
    /// Its value, where that is a constant.
    pub constant: Option<Const>,
    /// Base classes.
    pub bases: Vec<String>,
    /// Calls that change an object's state.
    pub states: Vec<StateChange>,
    /// Assignments that change their owner's state.
    pub assign_states: Vec<StateChange>,
}

/// A change of an object's state, compiled.
#[derive(Debug)]
pub struct StateChange {
    /// The object.
    pub of: Place,
    /// Its new type, `CLASS#STATE`.
    pub becomes: String,
    /// Conditions.
    pub when: Vec<Condition>,
    /// Exceptions.
    pub unless: Vec<Condition>,
}

/// A source, compiled.
#[derive(Debug)]
pub struct Source {
    /// Index in [`Compiled::kinds`].
    pub kind: u8,
    /// Contexts that it cannot harm.
    pub except: Contexts,
    /// A fixed text where the route is.
    pub fixed_by_route: bool,
    /// What is tainted by a call, if not the result.
    pub to: Option<Place>,
    /// Conditions.
    pub when: Vec<Condition>,
}

/// A sink, compiled.
#[derive(Debug)]
pub struct Sink {
    /// Index in [`Compiled::rules`].
    pub rule: u16,
    /// Dangerous places.
    pub args: Vec<Place>,
    /// All must hold.
    pub when: Vec<Condition>,
    /// None may hold.
    pub unless: Vec<Condition>,
    /// Confidence of a finding.
    pub confidence: Confidence,
    /// Severity of a flow from a library's caller, where it is not the rule's.
    pub parameter: Option<Severity>,
}

/// A sanitiser, compiled.
#[derive(Debug)]
pub struct Sanitizer {
    /// What it cleans for.
    pub cleans: Contexts,
    /// It is a digest under a secret key.
    pub keyed: bool,
    /// Conditions.
    pub when: Vec<Condition>,
    /// Exceptions.
    pub unless: Vec<Condition>,
}

impl Sanitizer {
    /// The marks that its result has for marks that go in.
    #[must_use]
    pub fn apply(&self, marks: &Marks) -> Marks {
        if self.keyed {
            marks.keyed()
        } else {
            marks.cleaned(self.cleans)
        }
    }
}

/// What outcome of a check means that data is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is true.
    True,
    /// It is false.
    False,
    /// It returns at all.
    Return,
    /// What it yields is one of values that the program names.
    Member,
    /// What it yields contains a value that the program names.
    Contains,
}

/// A check, compiled.
#[derive(Debug)]
pub struct Guard {
    /// What is checked.
    pub arg: Place,
    /// What it proves.
    pub cleans: Contexts,
    /// It proves something only of a normalised path.
    pub of_normalised: bool,
    /// It proves what a digest under a secret key was made of.
    pub of_keyed: bool,
    /// When.
    pub outcome: Outcome,
    /// Conditions.
    pub when: Vec<Condition>,
    /// Exceptions.
    pub unless: Vec<Condition>,
}

/// A propagator, compiled.
#[derive(Debug)]
pub struct Propagator {
    /// What is read.
    pub from: Vec<Place>,
    /// What is written; `None`: the result.
    pub to: Option<Place>,
    /// Key places to store under.
    pub store: Vec<Place>,
    /// Key places to load from.
    pub load: Vec<Place>,
    /// The result is no longer clean of anything.
    pub decodes: bool,
    /// The result is a normalised path.
    pub normalises_path: bool,
    /// With one argument, a normalised path stays one.
    pub keeps_path: bool,
    /// Whose fixed beginning the result has.
    pub prefix: Option<Place>,
    /// The regular expression whose matches are taken out.
    pub removes: Option<Place>,
    /// What is put in their stead.
    pub replacement: Option<Place>,
}

/// A parameter of a callback.
#[derive(Debug)]
pub enum CallbackParam {
    /// Contents of a place of the call.
    Place(Place),
    /// An instance of a type.
    Type(TypeExpr),
    /// Data of a kind.
    Source(u8),
    /// What the call would return without it.
    Returned,
    /// Nothing known.
    Unknown,
}

/// A callback, compiled.
#[derive(Debug)]
pub struct Callback {
    /// The function's place.
    pub function: Place,
    /// Its parameters.
    pub params: Vec<CallbackParam>,
    /// More positional arguments.
    pub star: Option<Place>,
    /// Keyword arguments.
    pub double_star: Option<Place>,
    /// What the call returns: the result, a list of it, or nothing of it.
    pub returns: CallbackReturn,
}

impl Callback {
    /// Whether it gets what the call would return.
    #[must_use]
    pub fn converts(&self) -> bool {
        let mut params = self.params.iter();
        params.any(|p| matches!(p, CallbackParam::Returned))
    }
}

/// What a call returns of its callback's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallbackReturn {
    /// The result.
    Result,
    /// A list of results.
    List,
    /// The function with its arguments, for a later call.
    Partial,
    /// Nothing.
    Nothing,
}

/// A misuse, compiled.
#[derive(Debug)]
pub struct Misuse {
    /// Index in [`Compiled::rules`].
    pub rule: u16,
    /// All must hold.
    pub when: Vec<Condition>,
    /// None may hold.
    pub unless: Vec<Condition>,
    /// What to say.
    pub message: Option<String>,
    /// Confidence.
    pub confidence: Confidence,
    /// Severity.
    pub severity: Severity,
}

/// An unsafe setting, compiled.
#[derive(Debug)]
pub struct Setting {
    /// The finding it makes.
    pub misuse: Misuse,
    /// Names at module level.
    pub names: Vec<Symbol>,
    /// Names that mark a settings module.
    pub module_has: Vec<Symbol>,
    /// Keys in a store.
    pub keys: Vec<Symbol>,
    /// It is the absence that counts.
    pub absent: bool,
}

/// An entry point description, compiled.
#[derive(Debug)]
pub struct EntryPoint {
    /// Names of methods of a base class.
    pub methods: Vec<Symbol>,
    /// Whether it is about base classes.
    pub by_base: bool,
    /// Name of the constructor's first parameter that tells its classes.
    pub made_with: Vec<Symbol>,
    /// Place of the handler in a registering call.
    pub handler: Option<Place>,
    /// Function names.
    pub functions: Vec<Symbol>,
    /// Functions that an OpenAPI description names.
    pub operations: bool,
    /// Import names that must be present for `functions` and `operations`.
    pub packages: Vec<Symbol>,
    /// Conditions on the decorator's or the registering call.
    pub when: Vec<Condition>,
    /// Taint of parameters.
    pub params: Option<u8>,
    /// Types of parameters.
    pub types: Vec<(Place, TypeExpr)>,
    /// Calls in defaults that mean injection.
    pub injected: Vec<String>,
    /// Rules that look at the returned value.
    pub returns: Vec<u16>,
    /// Where the URL pattern stands.
    pub route: Option<Place>,
    /// Parameters that no URL pattern names are not from outside.
    pub params_in_route: bool,
    /// Where the HTTP methods stand.
    pub verbs: Option<Place>,
    /// Fixed methods.
    pub verb: Vec<String>,
    /// `http`, `cli`, ...
    pub protocol: Symbol,
    /// Library.
    pub library: Symbol,
}

/// A call that renders a template, compiled.
#[derive(Debug)]
pub struct TemplateCall {
    /// Dialect.
    pub dialect: Dialect,
    /// Where the name stands.
    pub name: Option<Place>,
    /// Where the text stands.
    pub source: Option<Place>,
    /// Where the variables stand.
    pub context: Vec<Place>,
    /// Escaping by default.
    pub autoescape: Option<bool>,
    /// The constructor's keyword that decides about escaping.
    pub escape_option: Option<Symbol>,
    /// Escaping where the constructor was called without it.
    pub escape_absent: Option<bool>,
    /// The method of a class that returns the context.
    pub method: Option<Symbol>,
    /// The attribute of a class that names the template.
    pub name_attribute: Option<Symbol>,
    /// Endings of the names of the templates.
    pub suffix: Vec<String>,
    /// What applications set about templates goes by this name.
    pub environment: Option<Symbol>,
    /// Variables from the class, with their paths.
    pub variables: Vec<(Symbol, String)>,
    /// Names that every template has, with their API paths.
    pub globals: Vec<(Symbol, String)>,
    /// Rules for what arrives.
    pub rules: Vec<u16>,
}

/// A call that compiles or applies a regular expression, compiled.
#[derive(Debug)]
pub struct RegexUse {
    /// Index of the rule.
    pub rule: u16,
    /// The expression.
    pub pattern: Place,
    /// Flags of the `re` module.
    pub flags: Option<Place>,
    /// The text, where it is applied to one.
    pub text: Option<Place>,
    /// How it is applied.
    pub method: Method,
}

/// A condition, compiled.
#[derive(Debug)]
pub struct Condition {
    /// The place looked at; `None` for the value at hand.
    pub arg: Option<Place>,
    /// The tests.
    pub test: model::Condition,
    /// `matches`
    pub matches: Option<LazyRegex>,
    /// `text`
    pub text: Option<LazyRegex>,
    /// `prefix`
    pub prefix: Option<LazyRegex>,
    /// `named`
    pub named: Option<LazyRegex>,
    /// `used-as`
    pub used_as: Option<LazyRegex>,
    /// `around`
    pub around: Option<LazyRegex>,
    /// Kinds of `tainted`, as bits.
    pub tainted: u32,
}

impl Condition {
    /// Whether it is about a value but names no place: in a sink, about each value that arrives.
    #[must_use]
    pub fn on_arriving(&self) -> bool {
        let test = &self.test;
        self.arg.is_none()
            && (test.equals.is_some()
                || test.matches.is_some()
                || test.at_most.is_some()
                || test.at_least.is_some()
                || test.has_bits.is_some()
                || test.literal.is_some()
                || test.is.is_some()
                || test.r#type.is_some()
                || test.text.is_some()
                || test.prefix.is_some()
                || test.named.is_some()
                || test.tainted.is_some())
    }
}

/// A rule as the engine uses it.
#[derive(Debug)]
pub struct FlowRule {
    /// Its id.
    pub id: Symbol,
    /// The bit of its context; 0 for rules that are not about flow.
    pub context: Contexts,
    /// Severity by source kind; `None`: that kind does not matter.
    pub severity: [Option<Severity>; 32],
    /// Severity without flow.
    pub base: Severity,
    /// Confidence without flow.
    pub confidence: Confidence,
    /// What kind of rule.
    pub kind: RuleKind,
    /// One finding in a function is enough.
    pub once_per_function: bool,
    /// A source is reported once.
    pub per_source: bool,
    /// Rules whose finding at the same place takes its place.
    pub yields_to: Vec<String>,
    /// Names in a condition that lower the severity.
    pub opt_in: Option<LazyRegex>,
    /// Names of parameters that are handed such a text on purpose.
    pub meant_for: Option<LazyRegex>,
}

/// The compiled catalogue.
#[derive(Debug, Default)]
pub struct Compiled {
    by_path: FxHashMap<String, u32>,
    entries: Vec<Entry>,
    prefixes: FxHashSet<String>,
    aliases: FxHashMap<String, String>,
    /// Names of methods that models describe, of whatever class.
    methods: FxHashSet<Symbol>,
    /// Names of attributes that prove something of their owner.
    telling: FxHashSet<Symbol>,
    /// Entry points.
    pub entry_points: Vec<EntryPoint>,
    /// Settings.
    pub settings: Vec<Setting>,
    /// Template calls.
    pub templates: Vec<TemplateCall>,
    /// Types of parameters by name, each with the packages of which the file has to import one.
    pub parameters: FxHashMap<Symbol, Vec<(TypeExpr, Vec<Symbol>)>>,
    /// Rules, in the catalogue's order.
    pub rules: Vec<FlowRule>,
    /// Context names; the position is the bit.
    pub contexts: Vec<String>,
    /// Source kinds; the position is the number.
    pub kinds: Vec<String>,
    rule_index: FxHashMap<String, u16>,
}

impl Compiled {
    /// Whether an attribute of this name may prove something of its owner ([`Outcome::Member`]).
    #[must_use]
    pub fn is_telling(&self, name: Symbol) -> bool {
        self.telling.contains(&name)
    }

    /// Whether some library's class has a method of this name, as far as models tell.
    #[must_use]
    pub fn is_library_method(&self, name: Symbol) -> bool {
        self.methods.contains(&name)
    }

    /// Compiles rules and models. What does not make sense (unknown rule, malformed place) is left out:
    /// the catalogue's own validation reports it.
    #[must_use]
    pub fn new(rules: &[Rule], models: &[Models], contexts: &[String], kinds: &[String]) -> Self {
        let mut all = Self {
            contexts: contexts.to_vec(),
            kinds: kinds.to_vec(),
            ..Self::default()
        };
        for rule in rules {
            let mut severity = [None; 32];
            for (kind, level) in &rule.sources {
                if let Some(at) = all.kind(kind) {
                    severity[at as usize] = Some(*level);
                }
            }
            let index = u16::try_from(all.rules.len()).unwrap_or(u16::MAX);
            all.rule_index.insert(rule.id.clone(), index);
            all.rules.push(FlowRule {
                id: Symbol::new(&rule.id),
                context: rule.context.as_deref().map_or(0, |c| all.context(c)),
                severity,
                base: rule.severity,
                confidence: rule.confidence,
                kind: rule.kind,
                yields_to: rule.yields_to.clone(),
                per_source: rule.per_source,
                once_per_function: rule.once_per_function,
                opt_in: rule
                    .opt_in
                    .as_deref()
                    .map(|names| LazyRegex::new(names, true)),
                meant_for: rule
                    .meant_for
                    .as_deref()
                    .map(|names| LazyRegex::new(names, true)),
            });
        }
        for file in models {
            for (from, to) in &file.aliases {
                all.aliases.insert(from.clone(), to.clone());
                all.note_prefixes(from);
            }
        }
        for file in models {
            all.add(file);
        }
        all
    }

    /// The bit of a context; 0 if there is none of that name.
    #[must_use]
    pub fn context(&self, name: &str) -> Contexts {
        self.contexts
            .iter()
            .position(|c| c == name)
            .map_or(0, |at| 1 << at)
    }

    /// The bits of contexts; `*` for all.
    #[must_use]
    pub fn context_set(&self, names: &[String]) -> Contexts {
        names.iter().fold(0, |set, n| {
            set | if n == "*" {
                ALL_CONTEXTS
            } else {
                self.context(n)
            }
        })
    }

    /// The number of a source kind.
    #[must_use]
    pub fn kind(&self, name: &str) -> Option<u8> {
        self.kinds
            .iter()
            .position(|k| k == name)
            .and_then(|at| u8::try_from(at).ok())
    }

    /// Whether data of this kind stays dangerous through every conversion.
    #[must_use]
    pub fn is_sticky(&self, kind: u8) -> bool {
        self.kinds
            .get(usize::from(kind))
            .is_some_and(|k| k == "weak-random")
    }

    /// The index of a rule.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<u16> {
        self.rule_index.get(id).copied()
    }

    /// The entry of a path.
    #[must_use]
    pub fn entry(&self, path: &str) -> Option<u32> {
        self.by_path.get(path).copied()
    }

    /// The entry by its number.
    #[must_use]
    pub fn get(&self, entry: u32) -> &Entry {
        &self.entries[entry as usize]
    }

    /// The canonical path of a path that has another one.
    #[must_use]
    pub fn alias(&self, path: &str) -> Option<&str> {
        self.aliases.get(path).map(String::as_str)
    }

    /// Whether models speak of this path or something below it.
    #[must_use]
    pub fn is_known(&self, path: &str) -> bool {
        self.prefixes.contains(path)
    }

    fn note_prefixes(&mut self, path: &str) {
        let mut end = path.len();
        loop {
            if !self.prefixes.insert(path[..end].to_owned()) {
                break;
            }
            match path[..end].rfind('.') {
                Some(at) => end = at,
                None => break,
            }
        }
    }

    fn canonical(&self, path: &str) -> String {
        let mut path = path.to_owned();
        // An alias holds for everything below it.
        for _ in 0..4 {
            let mut end = path.len();
            let found = loop {
                if let Some(to) = self.aliases.get(&path[..end]) {
                    break Some(format!("{to}{}", &path[end..]));
                }
                match path[..end].rfind('.') {
                    Some(at) => end = at,
                    None => break None,
                }
            };
            match found {
                Some(new) if new != path => path = new,
                _ => break,
            }
        }
        path
    }
}
