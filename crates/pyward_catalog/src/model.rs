//! The format of `models/*.toml`: what a library's functions mean to the flow engine.
//!
//! **API paths** are qualified names as an importing program would write them: `module.function`,
//! `module.Class` (the class), `module.Class.method` (also for instances), `builtins.open`. Where a call's
//! result has no known type, its members are written with `()`: `module.connect().cursor`. A path that
//! starts with `*.` (`*.execute`) matches a method by name alone on receivers whose type is not known.
//!
//! **Argument places** are written `0` (position, the receiver not counted), `name` (keyword), `0:name`
//! (either), `self` (the receiver), `*` (every positional argument), `**` (every keyword argument),
//! `return`. A suffix narrows to contents: `0:args[0]` (first element), `0:args[1:]` (the other elements),
//! `0:params[]` (any element or value), `0:params{}` (the keys of a dictionary), `0:opts.name` (attribute or
//! constant key). Without suffix a place stands for the value and everything in it.

// The build script includes this file too, from elsewhere.
#[path = "model/application.rs"]
mod application;
#[path = "model/script.rs"]
mod script;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use application::{DefaultGuard, Fact, Inherited, Router};
pub use script::{ScriptPropagator, ScriptSanitizer, ScriptSink, ScriptSource};

/// One model file: one library.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Models {
    /// What library this is.
    pub library: Library,
    /// Other path = canonical path; holds for everything below it too
    /// (`"flask.wrappers.Request" = "flask.Request"`).
    #[serde(default)]
    pub aliases: BTreeMap<String, String>,
    /// Class path = its base class paths; members are looked up in the bases.
    #[serde(default)]
    pub bases: BTreeMap<String, Vec<String>>,
    /// Function or method path = type of what it returns: a class path, optionally `list[T]`, `dict[T]`,
    /// `iter[T]`, `tuple[A, B]`, `self` (the receiver) or `0` (the argument at that place). `type[T]` is the class itself,
    /// `'/…'+str` a string that begins so, `module:0` the module and `name:0` the thing in a module that the string at that
    /// place names.
    #[serde(default)]
    pub returns: BTreeMap<String, String>,
    /// Attribute or module variable path = its type.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Name of a parameter = the type it has by convention where it bears no annotation, in files that import the
    /// library (`request = "django.http.HttpRequest"`).
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// Module variable path = its constant value (`"stat.S_IWOTH" = 0o002`), for folding.
    #[serde(default)]
    pub constants: BTreeMap<String, Scalar>,
    /// Where untrusted or sensitive data comes from.
    #[serde(default)]
    pub source: Vec<Source>,
    /// Where such data must not arrive unneutralised.
    #[serde(default)]
    pub sink: Vec<Sink>,
    /// What makes data safe, by context.
    #[serde(default)]
    pub sanitizer: Vec<Sanitizer>,
    /// Checks whose outcome tells that data is safe.
    #[serde(default)]
    pub guard: Vec<Guard>,
    /// How data passes through a call. Calls without a propagator pass all arguments and the receiver on to
    /// the result at lower confidence.
    #[serde(default)]
    pub propagator: Vec<Propagator>,
    /// Functions that the framework calls with data from outside.
    #[serde(default)]
    pub entry: Vec<Entry>,
    /// Functions handed to a call which then calls them.
    #[serde(default)]
    pub callback: Vec<Callback>,
    /// Calls that are wrong in themselves, with no data flow.
    #[serde(default)]
    pub misuse: Vec<Misuse>,
    /// Settings with an unsafe value.
    #[serde(default)]
    pub setting: Vec<Setting>,
    /// Decorators and base classes that guard a route.
    #[serde(default)]
    pub access: Vec<Access>,
    /// Objects that routes are registered on.
    #[serde(default)]
    pub router: Vec<Router>,
    /// Handlers that classes inherit from the library.
    #[serde(default)]
    pub inherited: Vec<Inherited>,
    /// Settings that name guards of all routes.
    #[serde(default)]
    pub default_guard: Vec<DefaultGuard>,
    /// What code does, as rules of kind `application` ask for it.
    #[serde(default)]
    pub fact: Vec<Fact>,
    /// Calls that render a template.
    #[serde(default)]
    pub template: Vec<TemplateCall>,
    /// What decides whether an application's templates escape.
    #[serde(default)]
    pub escaping: Vec<EscapingChoice>,
    /// Functions that give every template variables.
    #[serde(default)]
    pub template_context: Vec<TemplateContext>,
    /// Calls and assignments that change what an object is.
    #[serde(default)]
    pub state: Vec<State>,
    /// Calls that compile or apply a regular expression in the language of `re`.
    #[serde(default)]
    pub regex: Vec<RegexUse>,
    /// Values from elsewhere in the scripts of pages.
    #[serde(default)]
    pub script_source: Vec<ScriptSource>,
    /// Where such a value must not arrive.
    #[serde(default)]
    pub script_sink: Vec<ScriptSink>,
    /// What makes one safe.
    #[serde(default)]
    pub script_sanitizer: Vec<ScriptSanitizer>,
    /// Calls whose result holds their arguments.
    #[serde(default)]
    pub script_propagator: Vec<ScriptPropagator>,
}

/// A call that compiles a regular expression, or applies one to a text. The engine looks for catastrophic backtracking
/// in expressions whose text it knows.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RegexUse {
    /// Rule reported.
    pub rule: String,
    /// API paths that are called.
    pub path: Vec<String>,
    /// The expression: its text, or a compiled one.
    pub pattern: String,
    /// Flags of the `re` module.
    #[serde(default)]
    pub flags: Option<String>,
    /// The text that it is applied to; absent where it is only compiled.
    #[serde(default)]
    pub text: Option<String>,
    /// How it is applied: `match`, `fullmatch` or `search` (default).
    #[serde(default)]
    pub method: Option<String>,
}

/// A call (or assignment) after which an object is of a more particular type, so that other entries can ask for
/// it with `is`: `parser.setFeature(feature_external_ges, True)`, `XMLParser(resolve_entities=False)`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct State {
    /// API paths that are called.
    #[serde(default)]
    pub path: Vec<String>,
    /// Attribute paths assigned to; the object is the attribute's owner.
    #[serde(default)]
    pub assign: Vec<String>,
    /// Place of the object: `self` (default), a position or keyword, or `return`.
    #[serde(default)]
    pub of: Option<String>,
    /// Its new type, `CLASS#STATE`: still a `CLASS`, and in that state
    /// (`lxml.etree.XMLParser#hardened`). A later state of the same class replaces it.
    pub becomes: String,
    /// Conditions on the call; for `assign`, on the place `value`.
    #[serde(default)]
    pub when: Vec<Condition>,
    /// Conditions under which nothing changes.
    #[serde(default)]
    pub unless: Vec<Condition>,
}

/// What library a file models.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Library {
    /// Its name.
    pub name: String,
    /// Top-level import names.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Documentation address.
    #[serde(default)]
    pub url: String,
}

/// Data that comes from outside, or is sensitive: reading `path`, or calling it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Source {
    /// API paths. Contents and members of the value carry the taint on.
    pub path: Vec<String>,
    /// `remote`, `cli`, `environment`, `file`, `archive-member`, `network`, `database`, `deserialised`,
    /// `llm`, `stdin`, `exception`, `secret`, `personal`, `weak-random` (a predictable random number).
    pub kind: String,
    /// Contexts that the data cannot harm (an HTTP method name cannot traverse a path).
    #[serde(default)]
    pub except: Vec<String>,
    /// In a handler of a route without variable parts it is a fixed text (the path of the request).
    #[serde(default)]
    pub fixed_by_route: bool,
    /// Place that gets tainted when the path is called, if not the result (`0` for `recv_into(buffer)`).
    #[serde(default)]
    pub to: Option<String>,
    /// Conditions on the call.
    #[serde(default)]
    pub when: Vec<Condition>,
}

/// A call (or assignment) where data of certain kinds must not arrive.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sink {
    /// Rule reported.
    pub rule: String,
    /// API paths that are called.
    #[serde(default)]
    pub path: Vec<String>,
    /// Attribute paths assigned to (`flask.Response.data`); `path[]` means assigning to its items; `*` is any variable,
    /// attribute or keyword argument and `*[]` any item, told apart by a `named` condition on the place `target`
    /// (the name assigned to, or the item's container) or `key`.
    #[serde(default)]
    pub assign: Vec<String>,
    /// Places of the call that are dangerous. For `assign`: `value` or `key`.
    #[serde(default)]
    pub args: Vec<String>,
    /// All must hold.
    #[serde(default)]
    pub when: Vec<Condition>,
    /// None may hold.
    #[serde(default)]
    pub unless: Vec<Condition>,
    /// `high` (default), `medium`, `low`.
    #[serde(default)]
    pub confidence: Option<String>,
    /// Severity of a flow from a parameter of a library's public function, where it differs from the rule's.
    #[serde(default)]
    pub parameter: Option<String>,
}

/// A call whose result is safe in some contexts.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sanitizer {
    /// API paths.
    pub path: Vec<String>,
    /// Contexts (see [`crate::rule::Rule::context`]); `*` for all but `random`: no conversion makes a predictable
    /// number less so.
    pub cleans: Vec<String>,
    /// It is a digest under a secret key (see [`Guard::of_keyed`]).
    #[serde(default)]
    pub keyed: bool,
    /// Conditions on the call.
    #[serde(default)]
    pub when: Vec<Condition>,
    /// Conditions under which it does not clean.
    #[serde(default)]
    pub unless: Vec<Condition>,
}

/// A call whose outcome says that an argument is safe.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Guard {
    /// API paths.
    pub path: Vec<String>,
    /// The place that is checked, such as `0` or `self`.
    pub arg: String,
    /// Contexts; `*` for all.
    pub cleans: Vec<String>,
    /// Outcome that means safe: `true` (default), `false`, `return` (it raises otherwise), or `member`: what it
    /// yields is one of values that the program names (`urlparse(u).netloc in HOSTS` proves `u`), or `contains`: what
    /// it yields contains such a value (`ROOT in path.parents` proves `path`).
    #[serde(default)]
    pub outcome: Option<String>,
    /// Conditions on the call.
    #[serde(default)]
    pub when: Vec<Condition>,
    /// Conditions under which it proves nothing.
    #[serde(default)]
    pub unless: Vec<Condition>,
    /// Proves something only of a normalised path ([`Propagator::normalises_path`]).
    #[serde(default)]
    pub of_normalised: bool,
    /// Proves what a digest under a secret key was made of, if the argument is one ([`Sanitizer::keyed`]).
    #[serde(default)]
    pub of_keyed: bool,
}

/// How data passes through a call.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Propagator {
    /// API paths.
    pub path: Vec<String>,
    /// Places read; empty: nothing passes (`len`).
    #[serde(default)]
    pub from: Vec<String>,
    /// Place written: `return` (default), `self`, a position.
    #[serde(default)]
    pub to: Option<String>,
    /// Key under which it is kept: place whose constant value is the key, so that a read by a matching
    /// [`Propagator::load`] finds it (`ConfigParser.set(section, option, value)`: `["0", "1"]`).
    #[serde(default)]
    pub store: Vec<String>,
    /// Keys that are read back into the result (`ConfigParser.get(section, option)`: `["0", "1"]`).
    #[serde(default)]
    pub load: Vec<String>,
    /// It undoes an encoding (`b64decode`, `unquote`, `html.unescape`): what had been cleaned is so no longer.
    #[serde(default)]
    pub decodes: bool,
    /// The result is a normalised absolute path, on which a prefix check is sound.
    #[serde(default)]
    pub normalises_path: bool,
    /// With one argument, a normalised path stays one.
    #[serde(default)]
    pub keeps_path: bool,
    /// The result starts with this place's text (`os.path.join`, `urljoin`), so that its fixed prefix holds.
    #[serde(default)]
    pub prefix: Option<String>,
    /// Place of a regular expression whose matches are taken out of what passes (`re.sub`), ...
    #[serde(default)]
    pub removes: Option<String>,
    /// ... and place of what is put in their stead.
    #[serde(default)]
    pub replacement: Option<String>,
}

/// A function that the framework calls with data from outside.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Entry {
    /// Decorator paths (called or bare) that make the decorated function an entry point.
    #[serde(default)]
    pub decorator: Vec<String>,
    /// Base class paths whose subclasses' methods are entry points.
    #[serde(default)]
    pub base: Vec<String>,
    /// Names of a constructor's first parameter that tell classes whose methods are entry points (`get_response`).
    #[serde(default)]
    pub made_with: Vec<String>,
    /// Names of those methods, or how they begin (`resolve_*`); empty with `base`: every public method.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Calls that register a handler (`django.urls.path`) ...
    #[serde(default)]
    pub call: Vec<String>,
    /// ... and the place of the handler in them.
    #[serde(default)]
    pub handler: Option<String>,
    /// Functions by name in a module that imports the library (`lambda_handler`).
    #[serde(default)]
    pub function: Vec<String>,
    /// Functions that an OpenAPI description in the project names (`operationId`), in a project that imports one of
    /// the library's packages.
    #[serde(default)]
    pub operations: bool,
    /// Conditions on the decorator's or the registering call, or on the file's imports.
    #[serde(default)]
    pub when: Vec<Condition>,
    /// Taint of the parameters that are not otherwise described: a source kind, or nothing.
    #[serde(default)]
    pub params: Option<String>,
    /// Place = type of a parameter (`"0" = "django.http.HttpRequest"`), `self` not counted.
    #[serde(default)]
    pub types: BTreeMap<String, String>,
    /// Parameters with this default call are not from outside (`fastapi.Depends`).
    #[serde(default)]
    pub injected: Vec<String>,
    /// What the handler returns is a response: rules that look at it (`reflected-xss`).
    #[serde(default)]
    pub returns: Vec<String>,
    /// Where the URL pattern stands: a place of the decorator or registering call.
    #[serde(default)]
    pub route: Option<String>,
    /// Parameters come from the URL pattern alone: one that a known pattern does not name is not from outside.
    #[serde(default)]
    pub params_in_route: bool,
    /// Where the HTTP methods stand.
    #[serde(default)]
    pub verbs: Option<String>,
    /// Fixed HTTP methods (`app.post`); with `verbs`, those where none are given.
    #[serde(default)]
    pub verb: Vec<String>,
    /// `http` (default), `cli`, `task`, `event`, `tool` (called by a language model), `rpc`.
    #[serde(default)]
    pub protocol: Option<String>,
}

/// A call that calls a function handed to it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Callback {
    /// API paths.
    pub path: Vec<String>,
    /// Place of the function.
    pub function: String,
    /// What its parameters get, in order: a place of the call (`1`, `1[]` for its elements), `return` (what the call
    /// would return, were it not for the callback: `args.get(name, type=int)`), `type:T`, `source:kind`, or `-`.
    #[serde(default)]
    pub params: Vec<String>,
    /// Place whose elements become further positional arguments (`args` of `Thread`).
    #[serde(default)]
    pub star: Option<String>,
    /// Place whose items become keyword arguments.
    #[serde(default)]
    pub double_star: Option<String>,
    /// What the call returns: `result` (the callback's), `list` (a list of results), `partial` (the function
    /// with these arguments bound, which is not called yet), `-` (nothing of it).
    #[serde(default)]
    pub returns: Option<String>,
}

/// A call that breaks a practice by itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Misuse {
    /// Rule reported.
    pub rule: String,
    /// API paths that are called.
    #[serde(default)]
    pub path: Vec<String>,
    /// API paths that are read without a call (`ssl.PROTOCOL_SSLv3`).
    #[serde(default)]
    pub read: Vec<String>,
    /// All must hold.
    #[serde(default)]
    pub when: Vec<Condition>,
    /// None may hold.
    #[serde(default)]
    pub unless: Vec<Condition>,
    /// What is wrong here, one sentence without a full stop; the rule's own message where absent.
    #[serde(default)]
    pub message: Option<String>,
    /// `high` (default), `medium`, `low`.
    #[serde(default)]
    pub confidence: Option<String>,
    /// Severity, where it differs from the rule's.
    #[serde(default)]
    pub severity: Option<String>,
}

/// A setting with an unsafe value.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Setting {
    /// Rule reported.
    pub rule: String,
    /// Names assigned at module level of a settings module (`SESSION_COOKIE_SECURE`).
    #[serde(default)]
    pub name: Vec<String>,
    /// A module is a settings module when it binds at least two of these names.
    #[serde(default)]
    pub module_has: Vec<String>,
    /// Attribute paths assigned (`flask.Flask.secret_key`).
    #[serde(default)]
    pub assign: Vec<String>,
    /// Keyed stores (`flask.Flask.config`): `store[key] = value`, `store.update(key=value)`, `from_mapping` ...
    #[serde(default)]
    pub store: Vec<String>,
    /// ... and the keys in them.
    #[serde(default)]
    pub key: Vec<String>,
    /// Condition on the value; its `arg` is left out, or `value[0]`, `value[]` (any element). `equals = "[]"` is an empty list.
    #[serde(default)]
    pub when: Vec<Condition>,
    /// None may hold.
    #[serde(default)]
    pub unless: Vec<Condition>,
    /// The finding is that a settings module does not set any of `name` at all.
    #[serde(default)]
    pub absent: bool,
    /// What is wrong here.
    #[serde(default)]
    pub message: Option<String>,
    /// `high` (default), `medium`, `low`.
    #[serde(default)]
    pub confidence: Option<String>,
    /// Severity, where it differs from the rule's.
    #[serde(default)]
    pub severity: Option<String>,
}

/// Something that guards a route.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Access {
    /// Decorator paths, base classes, dependency functions, or calls inside the handler.
    pub path: Vec<String>,
    /// One of [`crate::ACCESS_KINDS`].
    pub kind: String,
}

/// A call or assignment that decides whether the templates of an application escape.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EscapingChoice {
    /// The `environment` of the render calls that it decides for.
    pub environment: String,
    /// API paths that are called.
    #[serde(default)]
    pub path: Vec<String>,
    /// Attribute paths assigned to.
    #[serde(default)]
    pub assign: Vec<String>,
    /// Place of the choice in the call; nothing is decided without it.
    #[serde(default)]
    pub option: Option<String>,
}

/// What gives every template of an application variables.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TemplateContext {
    /// The `environment` of the render calls.
    pub environment: String,
    /// Decorators of functions that return a dictionary of them.
    #[serde(default)]
    pub decorator: Vec<String>,
    /// Calls that put the argument at `arg` into the variable `variable`, such as messages for the next page.
    #[serde(default)]
    pub path: Vec<String>,
    /// See `path`.
    #[serde(default)]
    pub arg: Option<String>,
    /// See `path`.
    #[serde(default)]
    pub variable: Option<String>,
}

/// A call that renders a template.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TemplateCall {
    /// API paths that are called, or used as decorators where `context` has the place `return`: what the decorated
    /// function returns.
    #[serde(default)]
    pub path: Vec<String>,
    /// Only templates whose names end so: of several entries for one path each has another dialect.
    #[serde(default)]
    pub suffix: Vec<String>,
    /// Applications of a library share what they set about templates under this name.
    #[serde(default)]
    pub environment: Option<String>,
    /// Base classes whose `method` returns the context of the template that the class attribute `name-attribute`
    /// names.
    #[serde(default)]
    pub base: Vec<String>,
    /// With `base`: variables that the template gets from the class, each with a path from the class such as
    /// `model.objects.get()`. A name that starts with `@` is that of the class attribute that has the name.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// See `base`.
    #[serde(default)]
    pub method: Option<String>,
    /// See `base`.
    #[serde(default)]
    pub name_attribute: Option<String>,
    /// `jinja2`, `django`, `mako`, `tornado`.
    pub dialect: String,
    /// Place of the template's name (or list of names).
    #[serde(default)]
    pub name: Option<String>,
    /// Place of the template's source text, where it is given as text.
    #[serde(default)]
    pub source: Option<String>,
    /// Places that hold the context: a dictionary, or `**` for keyword arguments.
    #[serde(default)]
    pub context: Vec<String>,
    /// Whether it escapes by default; absent: by the file name's extension as the dialect has it.
    #[serde(default)]
    pub autoescape: Option<bool>,
    /// Keyword of the constructor of the receiver, or of the call itself where it makes a template, that decides
    /// whether it escapes: a truth value, or a list of filters that has `h`.
    #[serde(default)]
    pub escape_option: Option<String>,
    /// What holds where the constructor was seen to be called without that keyword.
    #[serde(default)]
    pub escape_absent: Option<bool>,
    /// What names mean in the template that the context does not have: API paths.
    #[serde(default)]
    pub globals: BTreeMap<String, String>,
    /// Rules for what arrives in an output where it does harm. Each reports the kinds of sources that it names.
    #[serde(default = "template_rules")]
    pub rules: Vec<String>,
}

fn template_rules() -> Vec<String> {
    vec!["template-xss".to_owned(), "stored-xss".to_owned()]
}

/// A condition on a call's argument or on a value. All given tests must hold.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Condition {
    /// The place it looks at; in a sink, without it: each value that arrives at one of its `args`.
    #[serde(default)]
    pub arg: Option<String>,
    /// The argument is (not) given.
    #[serde(default)]
    pub present: Option<bool>,
    /// A constant equal to one of these.
    #[serde(default)]
    pub equals: Option<OneOrMany>,
    /// A constant string that the regular expression finds a match in (Rust `regex` syntax).
    #[serde(default)]
    pub matches: Option<String>,
    /// A constant number at or below / above this.
    #[serde(default)]
    pub at_most: Option<f64>,
    /// See [`Condition::at_most`].
    #[serde(default)]
    pub at_least: Option<f64>,
    /// A constant integer with any of these bits set (file modes).
    #[serde(default)]
    pub has_bits: Option<i64>,
    /// A constant string (or bytes) of the program's text, of whatever value; `false`: not a constant.
    #[serde(default)]
    pub literal: Option<bool>,
    /// The value is an API path or an instance of one: any of these (`ssl.CERT_NONE`, `yaml.SafeLoader`).
    #[serde(default)]
    pub is: Option<OneOrMany>,
    /// What the value is: `str`, `bytes`, `int`, `list`, `tuple`, `dict`, `none`, `callable`, `class`, `module`, `unknown`.
    #[serde(default)]
    pub r#type: Option<OneOrMany>,
    /// The literal text in the built string finds a match of this regular expression (case-insensitive):
    /// tells an SQL text from another.
    #[serde(default)]
    pub text: Option<String>,
    /// The built string's fixed beginning matches this regular expression.
    #[serde(default)]
    pub prefix: Option<String>,
    /// The argument's expression has a name (variable, attribute, key, callee) that matches (case-insensitive).
    #[serde(default)]
    pub named: Option<String>,
    /// The result of the call goes to a name (assignment target, keyword, key) that matches, or the call
    /// stands in a function whose name matches (case-insensitive).
    #[serde(default)]
    pub used_as: Option<String>,
    /// A condition around the call has a name that matches (case-insensitive): `if hasattr(tarfile, "data_filter")`.
    #[serde(default)]
    pub around: Option<String>,
    /// The file imports one of these modules.
    #[serde(default)]
    pub imports: Option<OneOrMany>,
    /// The value carries taint of one of these source kinds.
    #[serde(default)]
    pub tainted: Option<OneOrMany>,
}

/// One value or several.
#[derive(Clone, Debug, PartialEq)]
pub enum OneOrMany {
    /// One.
    One(Scalar),
    /// Several.
    Many(Vec<Scalar>),
}

/// A constant in a condition. `"None"` stands for Python's `None`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Scalar {
    /// `true`, `false`
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number.
    Float(f64),
    /// A string.
    Str(String),
}

// TOML tells the variants apart by the value itself; the compact form that is built into the program cannot, so
// there every variant has its tag and a single value is a list of one.

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Text {
            Bool(bool),
            Int(i64),
            Float(f64),
            Str(String),
        }
        #[derive(Deserialize)]
        enum Tagged {
            Bool(bool),
            Int(i64),
            Float(f64),
            Str(String),
        }
        Ok(if deserializer.is_human_readable() {
            match Text::deserialize(deserializer)? {
                Text::Bool(value) => Self::Bool(value),
                Text::Int(value) => Self::Int(value),
                Text::Float(value) => Self::Float(value),
                Text::Str(value) => Self::Str(value),
            }
        } else {
            match Tagged::deserialize(deserializer)? {
                Tagged::Bool(value) => Self::Bool(value),
                Tagged::Int(value) => Self::Int(value),
                Tagged::Float(value) => Self::Float(value),
                Tagged::Str(value) => Self::Str(value),
            }
        })
    }
}

impl Serialize for OneOrMany {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.as_slice())
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Text {
            One(Scalar),
            Many(Vec<Scalar>),
        }
        Ok(if deserializer.is_human_readable() {
            match Text::deserialize(deserializer)? {
                Text::One(value) => Self::One(value),
                Text::Many(values) => Self::Many(values),
            }
        } else {
            Self::Many(Vec::deserialize(deserializer)?)
        })
    }
}

impl OneOrMany {
    /// The values as a slice.
    #[must_use]
    pub fn as_slice(&self) -> &[Scalar] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}
