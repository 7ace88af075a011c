#![no_main]

use libfuzzer_sys::fuzz_target;
use pyward_guard::http::{check_redirect, parse_target};
use pyward_guard::sessions::{Record, SessionId};

// Session cookies and stored records, and the URLs of redirects and outbound requests.
fuzz_target!(|input: (&[u8], &str)| {
    let (bytes, text) = input;
    if let Ok(record) = Record::decode(bytes) {
        let again = record.encode().expect("what was read can be written");
        assert_eq!(Record::decode(&again).expect("what was written can be read"), record);
    }
    let _ = SessionId::key_of(text);
    if let Ok(target) = check_redirect(text, &[]) {
        assert!(target.starts_with('/') && !target.starts_with("//") && !target.contains(['\r', '\n', '\\']));
    }
    let _ = parse_target(text);
});
