#![no_main]

use libfuzzer_sys::fuzz_target;
use pyward_guard::html::{Policy, Preset, Sanitizer, Tracker, filter_style};

fuzz_target!(|text: &str| {
    let sanitizer = Sanitizer::new(&Policy::preset(Preset::Article)).expect("a preset");
    if let Ok(once) = sanitizer.clean(text) {
        // Links within links, once what kept them apart is gone, are put side by side; then nothing changes any more. What is
        // opened anew where it was left open may go beyond the bounds.
        if let Ok(twice) = sanitizer.clean(&once)
            && let Ok(thrice) = sanitizer.clean(&twice)
        {
            assert_eq!(thrice, twice);
        }
    }
    let mut tracker = Tracker::default();
    tracker.feed(text);
    let mut pieces = Tracker::default();
    text.chars()
        .for_each(|c| pieces.feed(c.encode_utf8(&mut [0; 4])));
    assert_eq!(
        (tracker.context(), tracker.place()),
        (pieces.context(), pieces.place())
    );
    let _ = filter_style(text, &std::collections::HashSet::from(["color"]));
});
