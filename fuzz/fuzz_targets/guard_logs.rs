#![no_main]

use libfuzzer_sys::fuzz_target;
use pyward_guard::logs::{LINK, Redactor, neutralise, verify_chain};

fuzz_target!(|data: &[u8]| {
    let _ = verify_chain(data, None, [0; LINK], 1 << 16);
    if let Ok(text) = std::str::from_utf8(data) {
        let redactor = Redactor::new(&[], &[], true).expect("no options");
        let line = redactor.redact(text);
        assert!(!neutralise(&line, 1 << 14).chars().any(char::is_control));
    }
});
