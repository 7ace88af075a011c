#![no_main]

use libfuzzer_sys::fuzz_target;
use pyward_guard::html::{Policy, Preset, Sanitizer, Tracker, filter_style};

fuzz_target!(|text: &str| {
    let sanitizer = Sanitizer::new(&Policy::preset(Preset::Article)).expect("a preset");
    if let Ok(once) = sanitizer.clean(text) {
        assert_eq!(sanitizer.clean(&once).expect("not larger"), once);
    }
    let mut tracker = Tracker::default();
    tracker.feed(text);
    let _ = tracker.context();
    let _ = filter_style(text, &std::collections::HashSet::from(["color"]));
});
