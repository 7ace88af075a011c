//! What models tell of applications: routers, views, guards, what code does by the names that it uses.

use serde::{Deserialize, Serialize};

use super::OneOrMany;

/// Objects that routes are registered on (applications, routers, blueprints), and calls that put one under another.
/// Places of arguments are `0`, `0:name` or `name`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Router {
    /// Calls that make one; a class of the project counts as its base.
    #[serde(default)]
    pub create: Vec<String>,
    /// Place of the router that a new one is put under.
    #[serde(default)]
    pub under: Option<String>,
    /// It is a whole application: a router that is mounted nowhere belongs to the only one there is.
    #[serde(default)]
    pub root: bool,
    /// Calls that put a router under what they are called on or, where that is no router, under what they stand in:
    /// a list of routes, a call that makes a router, or the routes of their module.
    #[serde(default)]
    pub mount: Vec<String>,
    /// Places of the router that is mounted: a router, a list of routes, a module or its dotted name.
    #[serde(default)]
    pub child: Vec<String>,
    /// Calls that only hand on the router in their first argument.
    #[serde(default)]
    pub through: Vec<String>,
    /// Place of what comes before the URL patterns.
    #[serde(default)]
    pub prefix: Option<String>,
    /// The prefix of the mounting call stands for the router's own.
    #[serde(default)]
    pub replaces: bool,
    /// Places of what runs before each of its routes.
    #[serde(default)]
    pub guards: Vec<String>,
    /// Names of module variables that hold routes: what a call is handed beside them, whose result is bound to the
    /// same name, runs before them.
    #[serde(default)]
    pub variable: Vec<String>,
}

/// A handler that classes of the project inherit from the library, with no code in the project.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Inherited {
    /// Base class paths.
    pub base: Vec<String>,
    /// The HTTP methods that it answers.
    pub verbs: Vec<String>,
    /// What the registering call names it by, where that maps HTTP methods to names.
    #[serde(default)]
    pub action: Option<String>,
    /// What it does, as calls that facts are looked for in, with data of the request and records as arguments;
    /// `{model}` is the class of the records.
    #[serde(default)]
    pub calls: Vec<String>,
    /// Attributes of the class that name the class of the records.
    #[serde(default)]
    pub model: Vec<String>,
    /// Methods of the project's class that it calls.
    #[serde(default)]
    pub parts: Vec<String>,
    /// Methods with which the project's class takes over all of this.
    #[serde(default)]
    pub replaced_by: Vec<String>,
}

/// A setting that names what guards all routes.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DefaultGuard {
    /// Variables of a module, `NAME` or `NAME.KEY` for an item of a dictionary.
    pub name: Vec<String>,
    /// Only for routes of this library.
    #[serde(default)]
    pub own_routes: bool,
    /// What it names are classes and functions that decide, those of the project included.
    #[serde(default)]
    pub classes: bool,
    /// Attributes of a handler's class that replace it.
    #[serde(default)]
    pub replaced_by: Vec<String>,
}

/// Something that code does (`checks-password`, `changes-data`), told by names alone.
///
/// The application model walks what each route reaches (the handler, what it calls, its decorators, dependencies,
/// class and hooks) and keeps the kinds of all facts that match there. An expression that matches also carries the
/// kind as a *label* to whatever is made of it, so that other facts can ask where an argument comes from
/// (`with = ["request"]`). Names are dotted as imports resolve them; a constant key counts as a part of the name
/// (`request.form["id"]` and `request.form.get("id")` are `flask.request.form.id`), a call between parts does not
/// (`User.objects.filter(x).first` is `User.objects.filter.first`). All given tests must hold.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Fact {
    /// What it is called; rules name it in `when` and `unless`, and other facts in `with` and `without`.
    pub kind: String,
    /// Where it is looked for: `call`, `read` (a name, attribute or item), `use` (default: either of them),
    /// `store` (assignment to a name, attribute or item), `keyword` (an argument passed by name, or an item of
    /// a dictionary in the text), `field` (the same; the name is that of the value, a plain attribute or item),
    /// `item` (an item of a dictionary in the text that is stored under a key),
    /// `compare`, `test` (the condition of `if`, `while`, `assert`), `return`, `guard` (a decorator, base class, dependency or
    /// attribute of the handler's class), `route` (URL pattern or handler's name), `url` (whole URL pattern, with those of the routers above), `parameter` (of a handler), `column` (a name bound in a class's body),
    /// `string` (a constant text).
    #[serde(default)]
    pub on: Option<String>,
    /// Dotted names; `*.a.b` is any name that ends in `a.b`, a last part `*` any one part. Of `keyword`: of the
    /// function called.
    #[serde(default)]
    pub path: Vec<String>,
    /// Regular expression (case-insensitive) over the last part of the name; of `route` over pattern and
    /// handler, of `string` over the text, of `compare` over the names of the operands.
    #[serde(default)]
    pub named: Option<String>,
    /// Regular expression (case-insensitive) over the whole dotted name.
    #[serde(default)]
    pub dotted: Option<String>,
    /// Regular expression over the dotted name that must not match.
    #[serde(default)]
    pub not_named: Option<String>,
    /// Kinds of which an argument (operand, value, receiver) has to carry at least one.
    #[serde(default)]
    pub with: Vec<String>,
    /// Kinds that must all be there among the arguments. A class of the project carries, when it is called, the kinds
    /// of its bases' names (as `guard`).
    #[serde(default)]
    pub with_all: Vec<String>,
    /// Kinds that no argument may carry.
    #[serde(default)]
    pub without: Vec<String>,
    /// One of the arguments (operands, elements of what is returned) is one of these constants.
    #[serde(default)]
    pub constant: Option<OneOrMany>,
    /// `true`: an argument or operand is a constant of the program; `false`: none is.
    #[serde(default)]
    pub literal: Option<bool>,
    /// Regular expression (case-insensitive) over the constant texts among the arguments, in full.
    #[serde(default)]
    pub text: Option<String>,
    /// Regular expression over the names of the keyword arguments, of which one has to match.
    #[serde(default)]
    pub keyword: Option<String>,
    /// The call unpacks a dictionary (`**fields`).
    #[serde(default)]
    pub unpacks: bool,
    /// Only within the condition of an `if`, `while`, `assert` or conditional expression.
    #[serde(default)]
    pub in_test: bool,
    /// What carries it is the whole of something (all fields of a request): a part of it that is put under a key, or
    /// picked by one, does not carry it.
    #[serde(default)]
    pub whole: bool,
    /// It counts for a route also where a guard of the route or a hook that runs before it does so.
    #[serde(default)]
    pub protects: bool,
}
