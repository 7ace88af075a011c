#![no_main]

use libfuzzer_sys::fuzz_target;
use pyward_guard::headers::{Csp, Csrf, HostList, RequestOrigin, judge_origin, origin_of};

// What clients put into headers: hosts, origins, CSRF tokens; and policies, which must not break out of their header.
fuzz_target!(|input: (&str, &str, &str)| {
    let (first, second, third) = input;
    let hosts = HostList::new(&["app.example".to_owned(), ".example.org".to_owned()]).expect("hosts");
    if hosts.allows(first) {
        let host = first.to_ascii_lowercase();
        assert!(host.contains("app.example") || host.contains("example.org"));
    }
    if let Some(origin) = origin_of(first) {
        assert_eq!(origin_of(&origin), Some(origin));
    }
    let request = RequestOrigin { fetch_site: Some(first), origin: Some(second), referer: Some(third) };
    let _ = judge_origin(request, "https://app.example", &[]);
    let csrf = Csrf::new(vec![vec![7; 32]], 60).expect("a key");
    assert!(csrf.verify(first.as_bytes(), second, 0).is_err());
    if let Ok(csp) = Csp::new(&[(first.to_owned(), vec![second.to_owned(), third.to_owned()])], false) {
        assert!(!csp.header("nonce").contains(['\r', '\n', '\0']));
    }
});
