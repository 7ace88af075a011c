//! The published schema and page are those of the code. `UPDATE=1 cargo test -p pyward_project` writes them.

use std::path::Path;

fn check(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, expected).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == expected,
        "{name} is not current: run `UPDATE=1 cargo test -p pyward_project --test published`"
    );
}

#[test]
fn schema_is_current() {
    check(
        "pyward.schema.json",
        &pyward_project::configuration_schema(),
    );
}

#[test]
fn documentation_is_current() {
    check(
        "docs/configuration.md",
        &pyward_project::configuration_markdown(),
    );
}
