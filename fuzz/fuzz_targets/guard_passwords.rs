#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pyward_guard::mfa::otp::{Algorithm, Otp};
use pyward_guard::passwords::{Gate, Hasher, LongBcrypt, Scheme, range_count};

static HASHER: LazyLock<Hasher> = LazyLock::new(|| {
    Hasher::new(Scheme::ARGON2ID, LongBcrypt::Refuse, vec![], Gate::new(1, 1 << 20)).expect("the defaults are valid")
});

// Stored password hashes, ranges of breached hashes, secrets of authenticators. Nothing is computed: costs are read only.
fuzz_target!(|text: &str| {
    if HASHER.needs_rehash(text).is_ok_and(|old| !old) {
        assert!(text.contains("argon2id$") || text.starts_with(['!', '*']));
    }
    let _ = range_count(text, "1E4C9B93F3F0682250B6CF8331B7EE68FD8");
    if let Ok(otp) = Otp::from_base32(text, Algorithm::Sha1, 6, true) {
        assert!(otp.find(&otp.code(1), 1, 1).is_some());
    }
});
