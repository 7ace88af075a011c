//! Any text is read as a regular expression of Python, and what is said of its backtracking comes in bounded time.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (verbose, text) = data.split_first().map_or((0, data), |(f, t)| (*f, t));
    let pattern = String::from_utf8_lossy(text);
    let _ = pyward_regex::analyse(&pattern, verbose & 1 != 0);
    let _ = pyward_regex::allowed_chars(&pattern);
});
