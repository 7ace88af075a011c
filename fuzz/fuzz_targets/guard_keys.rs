#![no_main]

use libfuzzer_sys::fuzz_target;
use pyward_guard::crypto::{KeyKind, KeySet, aead, age, deterministic, stream};
use pyward_guard::passwords::{Gate, Hasher, LongBcrypt, Scheme};
use pyward_guard::tokens::jose::{Jwk, JwkSet};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let _ = KeySet::from_binary(data);
    let _ = KeySet::from_json(&text);
    let _ = Jwk::from_pem(&text);
    let _ = Jwk::from_spki(data);
    let _ = Jwk::from_pkcs8(data);
    let _ = JwkSet::from_json(&text);
    let keys = |kind, n| KeySet::from_secrets(kind, &[&vec![7; n]]).expect("a key");
    assert!(aead::decrypt(&keys(KeyKind::Aead, 32), data, b"").is_err());
    assert!(deterministic::decrypt(&keys(KeyKind::Deterministic, 64), data, b"").is_err());
    let mut out = Vec::new();
    let mut reader = stream::Decryptor::new(&keys(KeyKind::Streaming, 32), b"").expect("keys");
    assert!(reader.update(data, &mut out).and_then(|()| reader.finish(&mut out)).is_err());
    let mut reader = age::Decryptor::new(age::Unlock::Identities(vec![age::Identity::generate().expect("a key")]));
    assert!(reader.update(data, &mut out).and_then(|()| reader.finish(&mut out)).is_err());
    let hasher = Hasher::new(Scheme::ARGON2ID, LongBcrypt::Refuse, vec![], Gate::new(1, 1 << 20)).expect("defaults");
    let _ = hasher.needs_rehash(&text);
});
