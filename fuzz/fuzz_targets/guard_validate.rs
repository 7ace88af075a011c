#![no_main]

use libfuzzer_sys::fuzz_target;
use pyward_guard::validate as v;

fuzz_target!(|data: &[u8]| {
    let _ = v::parse_json(data, &v::JsonLimits::default());
    let Ok(text) = std::str::from_utf8(data) else { return };
    for check in [v::email, v::iban, v::country, v::locale, v::phone, v::colour, v::uuid] {
        if let Ok(canonical) = check(text) {
            assert_eq!(check(&canonical).expect("canonical"), canonical);
        }
    }
    let _ = (v::url(text, &v::UrlRules::default()), v::cidr(text), v::card_number(text), v::pattern(text, 100));
});
