//! Handlers that OpenAPI descriptions in the project name.

use std::collections::HashMap;

use pyward_program::Operation;
use saphyr::{LoadableYamlNode, Yaml};

/// The methods of a path, as OpenAPI has them.
const VERBS: &[&str] = &[
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// Whether a text may be such a description.
pub(crate) fn is_description(text: &str) -> bool {
    text.contains("operationId") && text.contains("paths")
}

/// All operations that are described, in the order of files. What is no OpenAPI description is passed over: such a
/// file is none of pyward's business.
pub(crate) fn read(texts: &HashMap<String, String>) -> Vec<Operation> {
    let mut names: Vec<&String> = texts.keys().collect();
    names.sort();
    let mut operations = Vec::new();
    for name in names {
        let is_yaml = name.ends_with(".yaml") || name.ends_with(".yml");
        let text = &texts[name];
        if is_yaml
            && is_description(text)
            && let Ok(documents) = Yaml::load_from_str(text)
        {
            for document in &documents {
                of_document(document, &mut operations);
            }
        }
    }
    operations
}

fn of_document(document: &Yaml<'_>, operations: &mut Vec<Operation>) {
    let all_guarded = is_guarded(document);
    let Some(paths) = document.as_mapping_get("paths").and_then(Yaml::as_mapping) else {
        return;
    };
    for (path, item) in paths {
        for verb in VERBS {
            let Some(operation) = item.as_mapping_get(verb) else {
                continue;
            };
            let text = |key: &str| operation.as_mapping_get(key).and_then(Yaml::as_str);
            let Some(id) = text("operationId") else {
                continue;
            };
            let controller =
                text("x-openapi-router-controller").or_else(|| text("x-swagger-router-controller"));
            operations.push(Operation {
                handler: controller.map_or_else(|| id.to_owned(), |c| format!("{c}.{id}")),
                path: path.as_str().unwrap_or_default().to_owned(),
                verb: verb.to_uppercase(),
                is_guarded: is_guarded(operation).or(all_guarded).unwrap_or(false),
            });
        }
    }
}

/// Whether credentials are asked for, where it is said.
fn is_guarded(node: &Yaml<'_>) -> Option<bool> {
    let security = node.as_mapping_get("security")?;
    security.as_sequence().map(|s| !s.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_read() {
        let text = "
openapi: 3.0.1
security:
  - key: []
paths:
  /a/{n}:
    get:
      operationId: api.a.get_a
    delete:
      operationId: remove
      x-openapi-router-controller: api.a
      security: []
";
        let texts = HashMap::from([("spec.yml".to_owned(), text.to_owned())]);
        let found = read(&texts);
        let short: Vec<(&str, &str, &str, bool)> = found
            .iter()
            .map(|o| (&*o.handler, &*o.path, &*o.verb, o.is_guarded))
            .collect();
        assert_eq!(
            short,
            [
                ("api.a.get_a", "/a/{n}", "GET", true),
                ("api.a.remove", "/a/{n}", "DELETE", false),
            ]
        );
    }

    #[test]
    fn other_files_are_passed_over() {
        let texts = HashMap::from([
            ("a.yml".to_owned(), "paths: [operationId".to_owned()),
            ("b.yml".to_owned(), "operationId: 1\npaths: 2\n".to_owned()),
        ]);
        assert!(read(&texts).is_empty());
    }
}
