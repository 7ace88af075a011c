//! Which variables an expression lets through, and what its filters do to them.

use std::collections::HashMap;

use crate::Dialect;
use crate::expr::{Arguments, Expr};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Root {
    /// A variable that the template was rendered with, or a global one.
    Context(String),
    /// A parameter of a macro.
    Param {
        /// The macro, as it is defined in the same template.
        macro_name: String,
        /// The parameter.
        name: String,
    },
}

/// One step from a value to a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// An attribute, or an item with a constant key: templates do not tell them apart.
    Attr(String),
    /// Some item.
    Any,
    /// The item at a position, from 0.
    Item(usize),
    /// Some key of a dictionary.
    Key,
    /// The result of calling it.
    Call,
}

/// What was done to a value on its way to the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[allow(clippy::struct_excessive_bools)] // independent facts
pub struct Handling {
    /// Declared to be mark-up (`|safe`, `Markup`): auto-escaping leaves it alone.
    pub markup: bool,
    /// HTML-escaped or sanitised.
    pub html_escaped: bool,
    /// Percent-encoded.
    pub url_encoded: bool,
    /// Encoded as JSON for a script.
    pub json: bool,
    /// Escaped for a string of JavaScript.
    pub js_escaped: bool,
    /// Cannot carry mark-up: a number, a date, a slug.
    pub inert: bool,
}

/// One variable that an expression lets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// Where it comes from.
    pub root: Root,
    /// The part of it.
    pub path: Vec<Step>,
    /// What was done to it.
    pub handling: Handling,
    /// Whether it passed through a function or filter of unknown effect.
    pub through_call: bool,
}

impl Use {
    fn step(mut self, step: Step) -> Self {
        if self.path.len() < 12 {
            self.path.push(step);
        }
        self
    }

    /// Whether this use and a value at `path` of the same root have a part in common: one path
    /// leads to the other.
    #[must_use]
    pub fn touches(&self, path: &[Step]) -> bool {
        self.path
            .iter()
            .zip(path)
            .all(|(a, b)| a == b || matches!(a, Step::Any) || matches!(b, Step::Any))
    }
}

/// A call of a macro.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacroCall {
    /// The name called, or the module's alias and the name.
    pub callee: Vec<String>,
    /// What the arguments let through, by position.
    pub positional: Vec<Vec<Use>>,
    /// The same by name.
    pub named: Vec<(String, Vec<Use>)>,
}

/// Uses kept per expression at most.
const MAX_USES: usize = 64;

/// The local names of a template while it is read.
#[derive(Debug, Default)]
pub(crate) struct Scopes {
    stack: Vec<HashMap<String, Vec<Use>>>,
    /// Names of macros and of modules of macros.
    pub(crate) callables: std::collections::HashSet<String>,
}

impl Scopes {
    pub(crate) fn push(&mut self) {
        self.stack.push(HashMap::new());
    }

    pub(crate) fn pop(&mut self) {
        self.stack.pop();
    }

    pub(crate) fn depth(&self) -> usize {
        self.stack.len()
    }

    pub(crate) fn truncate(&mut self, depth: usize) {
        self.stack.truncate(depth);
    }

    /// Binds a name in the innermost scope; `also` keeps what it was bound to, for an
    /// assignment that may not happen.
    pub(crate) fn bind(&mut self, name: &str, mut uses: Vec<Use>, also: bool) {
        if also {
            let old = self.lookup(name);
            for old in old {
                if !uses.contains(&old) {
                    uses.push(old);
                }
            }
        }
        uses.truncate(MAX_USES);
        if self.stack.is_empty() {
            self.push();
        }
        if let Some(scope) = self.stack.last_mut() {
            scope.insert(name.to_string(), uses);
        }
    }

    fn lookup(&self, name: &str) -> Vec<Use> {
        for scope in self.stack.iter().rev() {
            if let Some(uses) = scope.get(name) {
                return uses.clone();
            }
        }
        vec![Use {
            root: Root::Context(name.to_string()),
            path: Vec::new(),
            handling: Handling::default(),
            through_call: false,
        }]
    }
}

/// What an expression lets through, and the macros that it calls.
pub(crate) struct Flow<'a> {
    pub(crate) scopes: &'a mut Scopes,
    pub(crate) dialect: Dialect,
    pub(crate) calls: Vec<MacroCall>,
}

impl Flow<'_> {
    pub(crate) fn uses(&mut self, expr: &Expr) -> Vec<Use> {
        let mut out = match expr {
            Expr::Name(name) => self.scopes.lookup(name),
            Expr::Str(_) | Expr::Constant => Vec::new(),
            Expr::Attr(base, name) => self
                .uses(base)
                .into_iter()
                .map(|u| u.step(Step::Attr(name.clone())))
                .collect(),
            Expr::Index(base, index) => {
                let step = match &**index {
                    Expr::Str(key) => Step::Attr(key.clone()),
                    _ => Step::Any,
                };
                self.uses(base)
                    .into_iter()
                    .map(|u| u.step(step.clone()))
                    .collect()
            }
            Expr::Slice(base) => self.uses(base),
            Expr::Concat(items)
            | Expr::Either(items)
            | Expr::List(items)
            | Expr::Unknown(items) => {
                let mut out = Vec::new();
                for item in items {
                    out.extend(self.uses(item));
                }
                out
            }
            Expr::Dict(pairs) => {
                let mut out = Vec::new();
                for (key, value) in pairs {
                    out.extend(self.uses(key));
                    out.extend(self.uses(value));
                }
                out
            }
            Expr::Comprehension {
                element,
                targets,
                iterable,
            } => {
                let bindings = self.loop_bindings(targets, iterable);
                self.scopes.push();
                for (name, uses) in bindings {
                    self.scopes.bind(&name, uses, false);
                }
                let out = self.uses(element);
                self.scopes.pop();
                out
            }
            Expr::Call(callee, arguments) => self.call(callee, arguments),
            Expr::Filter(input, name, arguments) => self.filter(input, name, arguments),
        };
        out.truncate(MAX_USES);
        out
    }

    /// What the targets of a loop over `iterable` are bound to.
    pub(crate) fn loop_bindings(
        &mut self,
        targets: &[String],
        iterable: &Expr,
    ) -> Vec<(String, Vec<Use>)> {
        let stepped = |uses: Vec<Use>, step: &Step| -> Vec<Use> {
            uses.into_iter().map(|u| u.step(step.clone())).collect()
        };
        // Pairs of key and value, of number and value; what they are taken from.
        let (source, pair) = match iterable {
            Expr::Call(callee, arguments) => match &**callee {
                Expr::Attr(base, name)
                    if matches!(name.as_str(), "items" | "iteritems")
                        && arguments.positional.is_empty() =>
                {
                    (&**base, Some(Step::Key))
                }
                Expr::Attr(base, name) if name == "keys" => (&**base, None),
                Expr::Attr(base, name) if matches!(name.as_str(), "values" | "itervalues") => {
                    (&**base, None)
                }
                Expr::Name(name) if name == "enumerate" && !arguments.positional.is_empty() => {
                    (&arguments.positional[0], Some(Step::Call))
                }
                _ => (iterable, None),
            },
            Expr::Attr(base, name) if name == "items" && self.dialect == Dialect::Django => {
                (&**base, Some(Step::Key))
            }
            Expr::Attr(base, name) if name == "values" && self.dialect == Dialect::Django => {
                (&**base, None)
            }
            Expr::Filter(input, name, _)
                if matches!(name.as_str(), "dictsort" | "items") && targets.len() == 2 =>
            {
                (&**input, Some(Step::Key))
            }
            _ => (iterable, None),
        };
        let uses = self.uses(source);
        let keys = matches!(iterable, Expr::Call(callee, _) if matches!(&**callee, Expr::Attr(_, name) if name == "keys"));
        match (targets, pair) {
            ([key, value], Some(Step::Key)) => {
                vec![
                    (key.clone(), stepped(uses.clone(), &Step::Key)),
                    (value.clone(), stepped(uses, &Step::Any)),
                ]
            }
            ([number, value], Some(_)) => vec![
                (number.clone(), Vec::new()),
                (value.clone(), stepped(uses, &Step::Any)),
            ],
            ([one], _) => vec![(
                one.clone(),
                stepped(uses, if keys { &Step::Key } else { &Step::Any }),
            )],
            _ => targets
                .iter()
                .enumerate()
                .map(|(at, t)| {
                    let element = stepped(uses.clone(), &Step::Any);
                    (t.clone(), stepped(element, &Step::Item(at)))
                })
                .collect(),
        }
    }

    fn arguments(&mut self, arguments: &Arguments) -> Vec<Use> {
        let mut out = Vec::new();
        for value in arguments.values() {
            out.extend(self.uses(value));
        }
        out
    }

    fn call(&mut self, callee: &Expr, arguments: &Arguments) -> Vec<Use> {
        let path = dotted(callee);
        if let Some(path) = &path
            && self.scopes.callables.contains(&path[0])
            && path.len() <= 2
        {
            let mut positional = Vec::new();
            for value in &arguments.positional {
                positional.push(self.uses(value));
            }
            let mut named = Vec::new();
            for (name, value) in &arguments.named {
                named.push((name.clone(), self.uses(value)));
            }
            self.calls.push(MacroCall {
                callee: path.clone(),
                positional,
                named,
            });
            return Vec::new();
        }
        let last = match callee {
            Expr::Name(name) | Expr::Attr(_, name) => name.as_str(),
            _ => "",
        };
        let method = matches!(callee, Expr::Attr(..));
        if let Some(effect) = function_effect(last, method) {
            let mut uses = if effect == Effect::Inert {
                Vec::new()
            } else {
                self.arguments(arguments)
            };
            for one in &mut uses {
                effect.apply(&mut one.handling);
            }
            return uses;
        }
        let mut out = match callee {
            Expr::Attr(base, name) if KEEPS_TEXT.contains(&name.as_str()) => self.uses(base),
            Expr::Attr(base, name) if name == "get" => {
                let step = match arguments.positional.first() {
                    Some(Expr::Str(key)) => Step::Attr(key.clone()),
                    _ => Step::Any,
                };
                let mut out: Vec<Use> = self
                    .uses(base)
                    .into_iter()
                    .map(|u| u.step(step.clone()))
                    .collect();
                if let Some(default) = arguments.positional.get(1) {
                    out.extend(self.uses(default));
                }
                return out;
            }
            // A function of the language, not a variable that holds one.
            Expr::Name(name) if PASSES_ON.contains(&name.as_str()) => Vec::new(),
            callee => self
                .uses(callee)
                .into_iter()
                .map(|u| u.step(Step::Call))
                .collect(),
        };
        let text_method =
            matches!(callee, Expr::Attr(_, name) if KEEPS_TEXT.contains(&name.as_str()));
        let mut others = self.arguments(arguments);
        if !text_method && !PASSES_ON.contains(&last) {
            for one in &mut others {
                one.through_call = true;
            }
        }
        out.extend(others);
        out
    }

    fn filter(&mut self, input: &Expr, name: &str, arguments: &Arguments) -> Vec<Use> {
        let mut uses = self.uses(input);
        match name {
            "first" | "last" | "random" | "join" | "min" | "max" => {
                uses = uses.into_iter().map(|u| u.step(Step::Any)).collect()
            }
            "attr" => {
                if let Some(Expr::Str(key)) = arguments.positional.first() {
                    return uses
                        .into_iter()
                        .map(|u| u.step(Step::Attr(key.clone())))
                        .collect();
                }
            }
            "map" => {
                let attribute = arguments.named.iter().find(|(n, _)| n == "attribute");
                if let Some((_, Expr::Str(key))) = attribute {
                    return uses
                        .into_iter()
                        .map(|u| u.step(Step::Any).step(Step::Attr(key.clone())))
                        .collect();
                }
                if let Some(Expr::Str(inner)) = arguments.positional.first() {
                    let effect = filter_effect(inner, self.dialect);
                    for one in &mut uses {
                        effect.unwrap_or(Effect::Unknown).apply(&mut one.handling);
                    }
                    return uses;
                }
            }
            _ => {}
        }
        let effect = filter_effect(name, self.dialect);
        match effect {
            Some(Effect::Inert) => return Vec::new(),
            Some(effect) => {
                for one in &mut uses {
                    effect.apply(&mut one.handling);
                }
            }
            None => {
                for one in &mut uses {
                    one.through_call = true;
                }
            }
        }
        if TAKES_TEXT.contains(&name) || effect.is_none() {
            let mut others = self.arguments(arguments);
            if effect.is_none() {
                for one in &mut others {
                    one.through_call = true;
                }
            }
            uses.extend(others);
        }
        uses
    }
}

fn dotted(expr: &Expr) -> Option<Vec<String>> {
    match expr {
        Expr::Name(name) => Some(vec![name.clone()]),
        Expr::Attr(base, name) => {
            let mut path = dotted(base)?;
            path.push(name.clone());
            Some(path)
        }
        _ => None,
    }
}

/// What a filter or function does to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing that matters.
    Keep,
    /// Declares it to be mark-up.
    Markup,
    /// Escapes it, unless it is declared to be mark-up.
    Escape,
    /// Escapes it or removes what is active in it, whatever it is declared to be.
    Clean,
    Url,
    Json,
    Js,
    /// Makes a number, a date or the like of it.
    Inert,
    Unknown,
}

impl Effect {
    pub(crate) fn apply(self, handling: &mut Handling) {
        match self {
            Effect::Keep | Effect::Unknown => {}
            Effect::Markup => handling.markup = true,
            Effect::Escape => {
                handling.html_escaped |= !handling.markup;
                handling.markup = true;
            }
            Effect::Clean => {
                handling.html_escaped = true;
                handling.markup = true;
            }
            Effect::Url => handling.url_encoded = true,
            Effect::Json => {
                handling.json = true;
                handling.markup = true;
            }
            Effect::Js => {
                handling.js_escaped = true;
                handling.markup = true;
            }
            Effect::Inert => handling.inert = true,
        }
    }
}

/// Functions whose result is made of their arguments.
const PASSES_ON: &[&str] = &[
    "_",
    "gettext",
    "ngettext",
    "pgettext",
    "str",
    "unicode",
    "string",
    "repr",
    "bytes",
    "list",
    "tuple",
    "set",
    "dict",
    "sorted",
    "reversed",
    "zip",
    "enumerate",
    "filter",
    "map",
    "max",
    "min",
    "namespace",
    "next",
    "iter",
    "format",
];

/// Methods of texts and containers whose result is made of the text itself.
const KEEPS_TEXT: &[&str] = &[
    "upper",
    "lower",
    "title",
    "capitalize",
    "strip",
    "lstrip",
    "rstrip",
    "replace",
    "format",
    "join",
    "split",
    "rsplit",
    "splitlines",
    "center",
    "ljust",
    "rjust",
    "zfill",
    "encode",
    "decode",
    "swapcase",
    "casefold",
    "partition",
    "copy",
    "pop",
    "format_map",
    "removeprefix",
    "removesuffix",
    "expandtabs",
];

/// Filters whose arguments are output too.
const TAKES_TEXT: &[&str] = &[
    "default",
    "d",
    "default_if_none",
    "replace",
    "format",
    "join",
    "add",
    "stringformat",
    "indent",
    "yesno",
];

/// The effect of a filter; `None` for one that the dialect does not come with.
pub(crate) fn filter_effect(name: &str, dialect: Dialect) -> Option<Effect> {
    Some(match (dialect, name) {
        (Dialect::Mako, "n") => Effect::Markup,
        (Dialect::Mako, "h" | "x" | "entity") => Effect::Clean,
        (Dialect::Mako, "u") => Effect::Url,
        (Dialect::Mako, "str" | "unicode" | "trim" | "decode" | "decode.utf8") => Effect::Keep,
        (Dialect::Jinja2 | Dialect::Django, "safe") => Effect::Markup,
        (Dialect::Jinja2 | Dialect::Django, "e" | "escape") => Effect::Escape,
        (Dialect::Jinja2, "forceescape" | "urlize") => Effect::Clean,
        (Dialect::Jinja2, "xmlattr") => Effect::Clean,
        (Dialect::Jinja2, "tojson" | "htmlsafe_json") => Effect::Json,
        (Dialect::Jinja2 | Dialect::Django, "urlencode") => Effect::Url,
        (Dialect::Django, "force_escape" | "escapeseq" | "linenumbers") => Effect::Clean,
        (Dialect::Django, "safeseq") => Effect::Markup,
        (Dialect::Django, "escapejs") => Effect::Js,
        (Dialect::Django, "json_script") => Effect::Inert,
        (
            Dialect::Jinja2,
            "int" | "float" | "length" | "count" | "round" | "abs" | "filesizeformat" | "wordcount"
            | "sum" | "bool",
        )
        | (
            Dialect::Django,
            "length" | "length_is" | "date" | "time" | "timesince" | "timeuntil" | "filesizeformat"
            | "floatformat" | "pluralize" | "slugify" | "wordcount" | "divisibleby" | "get_digit"
            | "intcomma" | "naturaltime" | "naturalday" | "yesno" | "intword" | "ordinal",
        ) => Effect::Inert,
        (
            Dialect::Jinja2,
            "attr" | "batch" | "capitalize" | "center" | "default" | "d" | "dictsort" | "first"
            | "format" | "groupby" | "indent" | "items" | "join" | "last" | "list" | "lower"
            | "map" | "max" | "min" | "pprint" | "random" | "reject" | "rejectattr" | "replace"
            | "reverse" | "select" | "selectattr" | "slice" | "sort" | "string" | "striptags"
            | "title" | "trim" | "truncate" | "unique" | "upper" | "wordwrap",
        )
        | (
            Dialect::Django,
            "add" | "addslashes" | "capfirst" | "center" | "cut" | "default" | "default_if_none"
            | "dictsort" | "dictsortreversed" | "first" | "iriencode" | "join" | "last"
            | "linebreaks" | "linebreaksbr" | "ljust" | "lower" | "make_list" | "phone2numeric"
            | "pprint" | "random" | "rjust" | "slice" | "stringformat" | "striptags" | "title"
            | "truncatechars" | "truncatechars_html" | "truncatewords" | "truncatewords_html"
            | "unordered_list" | "upper" | "urlize" | "urlizetrunc" | "wordwrap",
        ) => Effect::Keep,
        // Names that say what they do, whoever provides them.
        (_, "clean" | "sanitize" | "bleach" | "nh3" | "sanitize_html" | "clean_html") => {
            Effect::Clean
        }
        (_, "mark_safe" | "markup" | "Markup" | "unescape" | "raw" | "html_safe") => Effect::Markup,
        _ => return None,
    })
}

/// The effect of a function called in an expression.
fn function_effect(name: &str, method: bool) -> Option<Effect> {
    Some(match name {
        "Markup" | "mark_safe" | "HTML" | "literal" => Effect::Markup,
        "escape" | "xhtml_escape" | "html_escape" | "conditional_escape"
            if !method || name != "escape" =>
        {
            Effect::Clean
        }
        "escape" => Effect::Clean,
        "linkify" | "clean" | "sanitize" => Effect::Clean,
        "url_escape" | "quote" | "quote_plus" | "urlencode" => Effect::Url,
        "json_encode" | "tojson" => Effect::Json,
        "len" | "int" | "float" | "range" | "abs" | "round" | "bool" | "sum" | "ord" | "id"
        | "isinstance" | "hasattr" => Effect::Inert,
        "url_for" | "static_url" | "reverse_url" | "csrf_token" | "xsrf_form_html" | "super"
        | "caller" | "cycler" | "now" | "lipsum" | "hidden_tag" => Effect::Inert,
        "count" | "index" | "find" | "startswith" | "endswith" | "isdigit" | "isalpha"
        | "isoformat" | "strftime" | "timestamp"
            if method =>
        {
            Effect::Inert
        }
        _ => return None,
    })
}
