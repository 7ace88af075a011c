//! Any text lowers without a panic, and what comes out can be shown.
//!
//! `cargo +nightly fuzz run lower -- -timeout=10 -rss_limit_mb=2048`

#![no_main]

use libfuzzer_sys::fuzz_target;
use pyward_syntax::{Options, dump, lower};

fuzz_target!(|data: &[u8]| {
    let (flags, text) = data.split_first().map_or((0, data), |(f, t)| (*f, t));
    let text = String::from_utf8_lossy(text);
    let options = Options {
        is_stub: flags & 1 != 0,
        is_notebook: flags & 2 != 0,
    };
    let file = lower(&text, options);
    assert!(!file.functions.is_empty());
    // The dump recurses: only for what is not close to the limit of nesting.
    if text.len() < 2000 {
        let _ = dump(&file);
    }
});
