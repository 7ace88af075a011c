#![no_main]

use libfuzzer_sys::fuzz_target;
use pyward_guard::mfa::otp::{Algorithm, Otp};
use pyward_guard::serialize::msgpack::{self, Bounds};
use pyward_guard::serialize::pickle;

fuzz_target!(|data: &[u8]| {
    if let Ok(value) = msgpack::decode(data, Bounds::default()) {
        assert!(msgpack::encode(&value).expect("what was read can be written").len() <= data.len());
    }
    let _ = pickle::scan(data);
    let _ = Otp::from_base32(&String::from_utf8_lossy(data), Algorithm::Sha1, 6, true);
});
