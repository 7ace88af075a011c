//! Reads `rules/`, `models/` and `catalog/` and packs them into two compact blobs that are built into the library,
//! so that the program parses no TOML when it starts.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "shares the data types with the library"
)]

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::{env, fs, process};

#[path = "src/data.rs"]
mod data;
#[path = "src/model.rs"]
mod model;
#[path = "src/rule.rs"]
mod rule;

fn main() {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../..");
    let out = PathBuf::from(env::var("OUT_DIR").unwrap_or_default());
    let mut packed = data::Data::default();
    let mut texts: Vec<(String, String)> = Vec::new();
    for path in files(&root.join("models"), "toml") {
        packed
            .models
            .push((name(&path), from_toml(&path, &read(&path))));
    }
    for path in files(&root.join("rules"), "md") {
        let text = read(&path);
        let Some((front, body)) = rule::split(&text) else {
            fail(
                &path,
                "a rule starts with front matter between two lines `+++`",
            );
        };
        let rule: rule::Rule = from_toml(&path, front);
        if Some(rule.id.as_str()) != path.file_stem().and_then(|stem| stem.to_str()) {
            fail(
                &path,
                format!("the rule's id `{}` is not the file's stem", rule.id),
            );
        }
        texts.push((rule.id.clone(), body.to_owned()));
        packed.rules.push(rule);
    }
    packed.rules.sort_by(|a, b| a.id.cmp(&b.id));
    texts.sort();
    let catalog = root.join("catalog");
    let path = catalog.join("practices.toml");
    packed.practices = from_toml(&path, &read(&path));
    let path = catalog.join("sensitive-names.toml");
    packed.sensitive = from_toml(&path, &read(&path));
    let path = catalog.join("secrets.toml");
    packed.secrets = from_toml(&path, &read(&path));
    println!("cargo:rerun-if-changed={}", catalog.display());
    for (file, blob) in [
        ("catalog.bin", postcard::to_stdvec(&packed)),
        ("texts.bin", postcard::to_stdvec(&texts)),
    ] {
        match blob {
            Ok(blob) => fs::write(out.join(file), blob).unwrap_or_else(|error| fail(&out, error)),
            Err(error) => fail(&out, error),
        }
    }
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    println!("cargo:rerun-if-changed={}", folder.display());
    let entries = fs::read_dir(folder).unwrap_or_else(|error| fail(folder, error));
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .filter(|path| path.file_stem().is_some_and(|stem| stem != "README"))
        .collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| fail(path, error))
}

fn from_toml<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> T {
    toml::from_str(text).unwrap_or_else(|error| fail(path, error))
}

fn fail(path: &Path, error: impl Display) -> ! {
    println!(
        "cargo:error={}: {}",
        name(path),
        error.to_string().replace('\n', " / ")
    );
    process::exit(1);
}
