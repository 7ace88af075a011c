use super::*;
use crate::data::Data;

#[test]
fn small_languages() {
    for path in [
        "a.b",
        "*.execute",
        "a.connect().cursor",
        "builtins.open",
        "a",
    ] {
        assert!(is_path(path), "{path}");
    }
    for path in ["", "a..b", "a.b()c", "*", "a-b", "a.*.b", "1.a"] {
        assert!(!is_path(path), "{path}");
    }
    for place in [
        "0",
        "name",
        "0:name",
        "self",
        "*",
        "**",
        "return",
        "0:args[0]",
        "0:args[1:]",
        "0:p[]",
        "0:p{}",
        "0:o.name",
        "*[]",
    ] {
        assert!(is_place(place), "{place}");
    }
    for place in ["", "0:", ":a", "0[", "0[x]", "0.", "a b", "-1", "***"] {
        assert!(!is_place(place), "{place}");
    }
    for of in [
        "a.B",
        "list[a.B]",
        "tuple[a.B, list[c.D]]",
        "self",
        "0",
        "type[a.B]",
        "dict[a.B]",
    ] {
        assert!(is_type(of), "{of}");
    }
    for of in ["", "list[", "set[a.B]", "list[]", "a b"] {
        assert!(!is_type(of), "{of}");
    }
}

#[test]
fn user_models_are_checked() {
    let error = |text: &str| {
        let errors = Catalog::with_user_models(&[("m.toml".to_owned(), text.to_owned())])
            .map(|_| ())
            .unwrap_err();
        errors
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let head = "[library]\nname = \"x\"\n\n";
    assert!(
        error(&format!(
            "{head}[[sink]]\nrule = \"sql-injection\"\nfoo = 1\n"
        ))
        .starts_with("m.toml:6: unknown field `foo`")
    );
    assert_eq!(
        error(&format!(
            "{head}[[sink]]\nrule = \"sql-injektion\"\npath = [\"a.b\"]\nargs = [\"0\"]\n"
        )),
        "m.toml:4: there is no rule `sql-injektion`"
    );
    assert!(
        error(&format!(
            "{head}[[source]]\npath = [\"a b\"]\nkind = \"remote\"\n"
        ))
        .contains("`a b` is not an API path")
    );
    assert!(
        error(&format!(
            "{head}[[source]]\npath = [\"a\"]\nkind = \"far\"\n"
        ))
        .contains("unknown source kind `far`")
    );
    assert!(
        error(&format!(
            "{head}[[sanitizer]]\npath = [\"a\"]\ncleans = [\"sqll\"]\n"
        ))
        .contains("unknown context `sqll`")
    );
    assert!(
        error(&format!(
            "{head}[[misuse]]\nrule = \"weak-hash\"\npath = [\"a\"]\nwhen = [{{ arg = \"0\", matches = \"(\" }}]\n"
        ))
        .contains("not a regular expression")
    );
    assert!(
        error(&format!("{head}[[source]]\npath = [\"a\"]\nkind = \"remote\"\n[[source]]\npath = [\"a\"]\nkind = \"remote\"\n"))
            .starts_with("m.toml:7: `a` is given twice")
    );
    assert!(Catalog::with_user_models(&[("m.toml".to_owned(), head.to_owned())]).is_ok());
}

#[test]
fn built_in_models() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let data: Data = postcard::from_bytes(crate::DATA).expect("unpacks");
    let catalog = Catalog::builtin();
    let mut errors = Vec::new();
    let mut aliases: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    let mut types: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for (file, models) in &data.models {
        let text = std::fs::read_to_string(root.join(file)).expect("readable");
        errors.extend(super::models(
            catalog,
            &format!("models/{file}"),
            &text,
            models,
        ));
        for (map, table) in [
            (&models.aliases, &mut aliases),
            (&models.returns, &mut types),
        ] {
            for (from, to) in map {
                if let Some((other, other_to)) = table.insert(from, (file, to))
                    && other_to != to
                {
                    errors.push(CatalogError {
                        path: format!("models/{file}"),
                        line: 0,
                        message: format!("`{from}` is `{to}` here and `{other_to}` in {other}"),
                    });
                }
            }
        }
    }
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

#[test]
fn built_in_rules() {
    let catalog = Catalog::builtin();
    for rule in &catalog.rules {
        let id = &rule.id;
        assert!(
            id.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte.is_ascii_digit()),
            "{id}"
        );
        assert!(!rule.cwe.is_empty(), "{id}: no CWE");
        assert!(!rule.practices.is_empty(), "{id}: no practice");
        for practice in &rule.practices {
            assert!(
                catalog.practice(practice).is_some(),
                "{id}: there is no practice {practice}"
            );
        }
        for text in [&rule.title, &rule.message, &rule.remedy] {
            assert!(
                !text.is_empty() && !text.ends_with('.') && !text.contains('\n'),
                "{id}: `{text}`"
            );
        }
        for category in &rule.owasp {
            assert!(
                category.len() == 8 && category.starts_with('A') && category.ends_with(":2025"),
                "{id}: {category}"
            );
        }
        for requirement in &rule.asvs {
            assert!(requirement.starts_with("v5.0.0-"), "{id}: {requirement}");
        }
        let flow = rule.kind == crate::rule::RuleKind::Flow;
        assert_eq!(
            flow,
            rule.context.is_some(),
            "{id}: a flow rule has a context, others have none"
        );
        assert_eq!(
            flow,
            !rule.sources.is_empty(),
            "{id}: a flow rule has sources, others have none"
        );
        if let Some(context) = &rule.context {
            assert!(CONTEXTS.contains(&context.as_str()), "{id}: {context}");
        }
        for kind in rule.sources.keys() {
            assert!(SOURCE_KINDS.contains(&kind.as_str()), "{id}: {kind}");
        }
        let document = catalog.document(id).expect("every rule has a document");
        for case in &document.cases {
            for (_, expected) in case.files.iter().flat_map(|file| &file.expected) {
                assert!(
                    catalog.rule(expected).is_some(),
                    "{id}, {}: there is no rule {expected}",
                    case.name
                );
            }
        }
        if !rule.off_by_default {
            let reported = |case: &&crate::document::Case| {
                case.files.iter().any(|file| !file.expected.is_empty())
            };
            assert!(
                document.cases.iter().any(|case| reported(&case)),
                "{id}: no case that is reported"
            );
            let safe = document.cases.iter().filter(|case| !reported(case)).count();
            assert!(safe >= 3, "{id}: {safe} safe look-alikes, three are needed");
        }
    }
}

#[test]
fn secret_formats_compile() {
    let secrets = &Catalog::builtin().secrets;
    let patterns = secrets
        .placeholder
        .iter()
        .chain(&secrets.dummy_path)
        .chain(secrets.format.iter().map(|format| &format.regex));
    for pattern in patterns {
        assert!(RegexBuilder::new(pattern).build().is_ok(), "{pattern}");
    }
    for format in &secrets.format {
        assert!(!format.keywords.is_empty(), "{}", format.id);
        for keyword in &format.keywords {
            assert_eq!(*keyword, keyword.to_lowercase(), "{}", format.id);
        }
    }
}

#[test]
fn unpacks() {
    let data: Data = postcard::from_bytes(crate::DATA).expect("unpacks");
    assert!(!data.rules.is_empty());
}
