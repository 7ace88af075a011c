//! The configuration's JSON schema, and the page of documentation made from it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::Config;

/// The JSON schema of `pyward.toml` and `[tool.pyward]`, pretty-printed.
#[must_use]
pub fn configuration_schema() -> String {
    let schema = schemars::Schema::try_from(sorted_schema());
    let mut text = schema
        .and_then(|schema| serde_json::to_string_pretty(&schema))
        .unwrap_or_default();
    text.push('\n');
    text
}

/// The schema with the keys of every object in alphabetical order, whether or not some crate of the build makes
/// `serde_json` keep them in the order of insertion.
fn sorted_schema() -> Value {
    sorted(schemars::schema_for!(Config).to_value())
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let ordered: BTreeMap<String, Value> = map.into_iter().collect();
            let entries = ordered.into_iter().map(|(key, value)| (key, sorted(value)));
            Value::Object(entries.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// `docs/configuration.md`: every option with its type, default and meaning.
#[must_use]
pub fn configuration_markdown() -> String {
    let schema = sorted_schema();
    let mut page = String::from(
        "# Configuration\n\n\
         <!-- Generated from the doc comments in crates/pyward_project/src/config.rs; \
         `pyward config docs` prints it. -->\n\n",
    );
    if let Some(text) = schema["description"].as_str() {
        let _ = writeln!(page, "{text}\n");
    }
    page.push_str(
        "```toml\n[tool.pyward]\nexclude = [\"migrations/\"]\nconfidence = \"high\"\n\
         ignore = [\"log-injection\"]\n\n\
         [tool.pyward.per-file-ignores]\n\"scripts/**\" = [\"path-traversal\"]\n\n\
         [tool.pyward.sanitizers]\n\"app.text.clean_html\" = [\"html\"]\n```\n\n\
         An error in the file is reported with its place; the check then runs with the defaults and exits with 2.\n\n",
    );
    if let Some(properties) = schema["properties"].as_object() {
        for (name, option) in properties {
            let _ = writeln!(page, "## `{name}`\n");
            if let Some(text) = option["description"].as_str() {
                let _ = writeln!(page, "{text}\n");
            }
            let _ = writeln!(page, "- type: {}", type_name(option, &schema));
            if let Some(default) = option.get("default") {
                let _ = writeln!(page, "- default: `{default}`");
            }
            page.push('\n');
            describe_values(&mut page, option, &schema);
        }
    }
    while page.ends_with("\n\n") {
        page.pop();
    }
    page
}

/// The definition that a schema refers to, or itself.
fn resolve<'a>(schema: &'a Value, whole: &'a Value) -> &'a Value {
    schema["$ref"]
        .as_str()
        .and_then(|path| path.strip_prefix('#'))
        .and_then(|pointer| whole.pointer(pointer))
        .unwrap_or(schema)
}

fn type_name(schema: &Value, whole: &Value) -> String {
    let schema = resolve(schema, whole);
    if schema["enum"].is_array() || schema["oneOf"].is_array() {
        return "one of the names below".into();
    }
    if let Some(options) = schema["anyOf"].as_array() {
        let names: Vec<_> = options
            .iter()
            .filter(|o| o["type"] != "null")
            .map(|o| type_name(o, whole))
            .collect();
        return names.join(" or ");
    }
    let one = |name: &str| match name {
        "array" => format!("list of {}", plural(&type_name(&schema["items"], whole))),
        "object" if schema["additionalProperties"].is_object() => format!(
            "table of {}",
            plural(&type_name(&schema["additionalProperties"], whole))
        ),
        "object" => "table".into(),
        other => other.to_owned(),
    };
    match &schema["type"] {
        Value::String(name) => one(name),
        Value::Array(names) => {
            let names: Vec<_> = names
                .iter()
                .filter_map(Value::as_str)
                .filter(|n| *n != "null")
                .map(one)
                .collect();
            names.join(" or ")
        }
        _ => "value".into(),
    }
}

fn plural(name: &str) -> String {
    match name {
        "string" | "table" | "integer" => format!("{name}s"),
        other => other.to_owned(),
    }
}

/// The names that an option can take, or the keys of its tables.
fn describe_values(page: &mut String, option: &Value, whole: &Value) {
    let mut inner = resolve(option, whole);
    loop {
        let next = match (inner.get("items"), inner.get("additionalProperties")) {
            (Some(items), _) => items,
            (_, Some(values)) if values.is_object() => values,
            _ => break,
        };
        inner = resolve(next, whole);
    }
    let mut rows = Vec::new();
    if let Some(options) = inner["oneOf"].as_array() {
        for value in options {
            let text = value["description"].as_str().unwrap_or("");
            if let Some(name) = value["const"].as_str() {
                rows.push((name.to_owned(), text.to_owned()));
            }
        }
    }
    let tables = inner["anyOf"].as_array().into_iter().flatten();
    for table in tables.map(|t| resolve(t, whole)).chain([inner]) {
        for (name, key) in table["properties"].as_object().into_iter().flatten() {
            let text = key["description"].as_str().unwrap_or("");
            rows.push((name.clone(), text.to_owned()));
        }
    }
    for (name, text) in &rows {
        let _ = writeln!(page, "  - `{name}`: {}", text.replace('\n', " "));
    }
    if !rows.is_empty() {
        page.push('\n');
    }
}
