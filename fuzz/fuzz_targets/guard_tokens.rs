#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use pyward_guard::crypto::{KeyKind, KeySet};
use pyward_guard::tokens::jose::jwe::Decrypter;
use pyward_guard::tokens::jose::jwt::{Policy, Verifier};
use pyward_guard::tokens::jose::{Algorithm, Jwk};
use pyward_guard::tokens::{itsdangerous, paseto, signed};

// Nothing that was not made with the key may verify.
fuzz_target!(|text: &str| {
    let key = Jwk::from_secret(&[7; 32]).expect("a secret");
    let policy = Policy {
        required: vec![],
        ..Policy::new([Algorithm::Hs256])
    };
    let verifier = Verifier::new(policy, std::slice::from_ref(&key)).expect("a policy");
    assert!(verifier.verify(text, 0.0).is_err());
    let decrypter = Decrypter::new(vec![key], vec!["dir".into(), "ECDH-ES".into()], vec!["A256GCM".into()]);
    assert!(decrypter.expect("algorithms").decrypt(text).is_err());
    let keys = Arc::new(KeySet::from_secrets(KeyKind::Mac, &[&[7; 32]]).expect("a secret"));
    assert!(signed::TokenSigner::new(keys, "fuzz").expect("a purpose").verify(text, None, 0).is_err());
    assert!(paseto::LocalKey::new(&[7; 32]).expect("a key").decrypt(text, b"").is_err());
    let (digest, derivation) = (itsdangerous::Digest::Sha1, itsdangerous::KeyDerivation::DjangoConcat);
    let reader = itsdangerous::Reader::new(&[&[7; 32]], b"salt", digest, derivation, 1 << 16).expect("a secret");
    assert!(reader.verify(text).is_err() && reader.verify_timed(text, 10, 10).is_err());
    assert!(reader.unsign_timed(text.as_bytes(), 10, 10).is_err());
});
