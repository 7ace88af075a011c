#![no_main]

use libfuzzer_sys::fuzz_target;
use pyward_guard::sql::{ParamStyle, Part, adapt, split};

fuzz_target!(|text: &str| {
    for part in split(text).unwrap_or_default() {
        if let Part::Text(literal) = part {
            for style in [ParamStyle::Qmark, ParamStyle::Named, ParamStyle::Format] {
                let _ = adapt(&literal, style);
            }
        }
    }
});
