#![no_main]

use libfuzzer_sys::fuzz_target;
use pyward_guard::paths::{check_relative, safe_name, sniff};

fuzz_target!(|data: &[u8]| {
    let _ = sniff(data);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = check_relative(text);
        if let Ok(safe) = safe_name(text, 255) {
            assert!(check_relative(&safe).is_ok());
        }
    }
});
