//! What models tell of the JavaScript in pages: where values come from elsewhere, where they do harm.
//!
//! A **path** is what a script writes from a global name on: `location.hash`, `document.write()` (the call),
//! `JSON.parse()`. `*.innerHTML` is a member of anything. What methods of a call's result return counts as that result:
//! `$().html()` is also `$(a).find(b).html(c)`. A variable that stands for such a value only counts as the value, and
//! `window.` in front of a global name says nothing.

use serde::{Deserialize, Serialize};

/// Values that come from elsewhere: members read, or what calls return and hand to functions that they are given
/// (also as members of an object).
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ScriptSource {
    /// Paths.
    #[serde(default)]
    pub path: Vec<String>,
    /// Events whose handlers get such a value: `message` for `x.onmessage = f` and `x.addEventListener("message", f)`.
    #[serde(default)]
    pub event: Vec<String>,
}

/// Where such a value must not arrive.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ScriptSink {
    /// Rule reported.
    pub rule: String,
    /// Paths: members assigned to, or calls.
    pub path: Vec<String>,
    /// Positions of the arguments of a call; empty: all.
    #[serde(default)]
    pub args: Vec<usize>,
    /// Only where markup that the script writes itself stands in the same text: elsewhere the call takes other things too.
    #[serde(default)]
    pub markup: bool,
}

/// What makes a value safe: members and calls whose result is harmless.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ScriptSanitizer {
    /// Paths.
    #[serde(default)]
    pub path: Vec<String>,
    /// A regular expression for names of functions and methods, upper and lower case alike.
    #[serde(default)]
    pub named: Option<String>,
}

/// Calls whose result holds their arguments.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ScriptPropagator {
    /// Paths.
    pub path: Vec<String>,
    /// Positions of the arguments; empty: all.
    #[serde(default)]
    pub args: Vec<usize>,
}
