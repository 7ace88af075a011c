//! Any text is read as a template of every language, and its scripts are followed, without a panic and within bounds.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pyward_catalog::Catalog;
use pyward_scripts::Scripts;
use pyward_templates::{Dialect, Library, parse};

static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| Scripts::new(&Catalog::builtin().models));

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    for dialect in [Dialect::Jinja2, Dialect::Django, Dialect::Mako, Dialect::Tornado, Dialect::Html] {
        let template = parse(&text, dialect);
        assert!(template.interpolations.iter().all(|i| i.range.end <= text.len()));
    }
    let files = ["a.html", "a.mako", "a.js"].map(|name| (name.to_owned(), text.to_string()));
    let library = Library::from_texts(files.into());
    for number in 0..library.len() {
        let code = library.scripts(number).unwrap_or_default();
        for flow in SCRIPTS.flows(&code).found {
            assert!(flow.span.end <= code.len() && flow.source.end <= code.len());
        }
    }
    // All of it as a script, with a place where values do harm.
    let code = format!("box.innerHTML = location.hash + ({text})");
    let _ = SCRIPTS.flows(&code);
});
