//! Known answers of the RFCs, and the refusals.

use serde_json::json;

use super::jwe::{self, Decrypter, Enc};
use super::jwk::Material;
use super::jwt::{Policy, Signer, Verifier};
use super::{Algorithm, Jwk, JwkSet};
use crate::Error;
use crate::encoding::{b64url, b64url_decode, hex_decode};

fn policy(algorithms: &[Algorithm]) -> Policy {
    Policy {
        clock_skew: 0.0,
        ..Policy::new(algorithms)
    }
}

fn all_keys() -> Vec<(Algorithm, Jwk)> {
    // One RSA key for all RSA algorithms: making one takes a while.
    let mut rsa = Jwk::generate("RS256").unwrap();
    rsa.alg = None;
    Algorithm::NAMES
        .iter()
        .map(|(name, algorithm)| {
            let key = if name.starts_with('R') || name.starts_with('P') {
                rsa.clone()
            } else {
                Jwk::generate(name).unwrap()
            };
            (*algorithm, key)
        })
        .collect()
}

/// RFC 7515 appendix A.1.
#[test]
fn rfc7515_hs256() {
    let key = Jwk::from_json(
        r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#,
    )
    .unwrap();
    let token = concat!(
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.",
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.",
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    );
    let verifier = Verifier::new(policy(&[Algorithm::Hs256]), &[key]).unwrap();
    assert!(verifier.verify(token, 1_300_819_379.9).is_ok());
    assert!(matches!(
        verifier.verify(token, 1_300_819_380.0),
        Err(Error::Expired)
    ));
}

/// RFC 8037 appendix A: Ed25519 signature and thumbprint.
#[test]
fn rfc8037_ed25519() {
    let public =
        hex_decode("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").unwrap();
    let key = Jwk::from_json(
        &json!({"kty": "OKP", "crv": "Ed25519", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "x": b64url(public)})
            .to_string(),
    )
    .unwrap();
    assert_eq!(
        key.thumbprint(),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
    let signed = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature =
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(
        b64url(
            key.signing(Algorithm::EdDsa)
                .unwrap()
                .sign(signed.as_bytes())
                .unwrap()
        ),
        signature
    );
    let verifying = key
        .to_public()
        .unwrap()
        .verifying(Algorithm::EdDsa)
        .unwrap();
    assert!(verifying.verify(signed.as_bytes(), &b64url_decode(signature).unwrap()));
}

/// RFC 7518 appendix C: ECDH-ES key agreement.
#[test]
fn rfc7518_ecdh_es() {
    let alice = Jwk::from_json(
        r#"{"kty":"EC","crv":"P-256","x":"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
            "y":"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps","d":"0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo"}"#,
    )
    .unwrap();
    let bob = Jwk::from_json(
        r#"{"kty":"EC","crv":"P-256","x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
            "y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck","d":"VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw"}"#,
    )
    .unwrap();
    for (private, public) in [(&alice, &bob), (&bob, &alice)] {
        let key = jwe::agree(
            private,
            public,
            "ECDH-ES",
            "A128GCM",
            Enc::A128Gcm,
            b"Alice",
            b"Bob",
        )
        .unwrap();
        assert_eq!(b64url(&*key), "VqqN6vgjbSBcIijNcacQGg");
    }
}

#[test]
fn every_algorithm_round_trips_and_refuses_the_others() {
    let keys = all_keys();
    let payload = br#"{"exp":2000,"sub":"u"}"#;
    for (algorithm, key) in &keys {
        let token = Signer::new(key, *algorithm, "JWT")
            .unwrap()
            .sign(payload)
            .unwrap();
        let public = if algorithm.is_symmetric() {
            key.clone()
        } else {
            key.to_public().unwrap()
        };
        let again = Jwk::from_json(&public.to_json()).unwrap();
        let verifier = Verifier::new(policy(&[*algorithm]), &[again]).unwrap();
        assert_eq!(
            verifier.verify(&token, 1000.0).unwrap().payload,
            payload,
            "{algorithm:?}"
        );
        let cut = &token[..token.len() - 2];
        assert!(verifier.verify(cut, 1000.0).is_err());
        for (other, _) in keys.iter().filter(|k| k.0 != *algorithm) {
            let verifier = Verifier::new(policy(&[*other]), std::slice::from_ref(&public)).unwrap();
            assert!(
                verifier.verify(&token, 1000.0).is_err(),
                "{algorithm:?} as {other:?}"
            );
        }
        if !algorithm.is_symmetric() {
            let pem = Jwk::from_pem(&public.to_public_pem().unwrap()).unwrap();
            assert_eq!(pem.thumbprint(), key.thumbprint());
            assert!(Signer::new(&public, *algorithm, "JWT").is_err());
        }
    }
}

#[test]
fn algorithm_none_and_confusion() {
    let key = Jwk::generate("ES256").unwrap();
    let verifier = Verifier::new(policy(&[Algorithm::Es256]), std::slice::from_ref(&key)).unwrap();
    for alg in ["none", "None", "HS256", "ES384", ""] {
        let token = format!(
            "{}.{}.",
            b64url(json!({"alg": alg}).to_string()),
            b64url(r#"{"exp":9e9}"#)
        );
        assert!(
            matches!(
                verifier.verify(&token, 0.0),
                Err(Error::NotVerified("the algorithm is not accepted"))
            ),
            "{alg}"
        );
    }
    let pem = key.to_public_pem().unwrap();
    assert!(Jwk::from_secret(pem.as_bytes()).is_err());
    assert!(Verifier::new(policy(&[Algorithm::Es256, Algorithm::Hs256]), &[]).is_err());
    assert!(Verifier::new(policy(&[]), &[]).is_err());
    // Too short a secret for the hash.
    assert!(
        Verifier::new(
            policy(&[Algorithm::Hs512]),
            &[Jwk::from_secret(&[1; 63]).unwrap()]
        )
        .is_err()
    );
}

#[test]
fn claims_are_checked() {
    let key = Jwk::generate("HS256").unwrap();
    let signer = Signer::new(&key, Algorithm::Hs256, "at+jwt").unwrap();
    let check = |payload: &str, change: &dyn Fn(&mut Policy)| {
        let mut p = policy(&[Algorithm::Hs256]);
        change(&mut p);
        Verifier::new(p, std::slice::from_ref(&key))
            .unwrap()
            .verify(&signer.sign(payload.as_bytes()).unwrap(), 1000.0)
    };
    let no_change: &dyn Fn(&mut Policy) = &|_| {};
    assert!(check(r#"{"exp":1001}"#, no_change).is_ok());
    assert!(check(r#"{"exp":1000.5}"#, no_change).is_ok());
    for bad in [
        "{}",
        r#"{"exp":null}"#,
        r#"{"exp":"1001"}"#,
        r#"{"exp":true}"#,
        r#"{"exp":1001,"nbf":1000.5}"#,
        r#"{"exp":1001,"iat":1001}"#,
        r#"{"exp":1001,"aud":"x"}"#,
        r#"{"exp":999,"exp":1001}"#,
        "[]",
        "7",
        "{",
        "",
    ] {
        assert!(
            matches!(check(bad, no_change), Err(Error::NotVerified(_))),
            "{bad}"
        );
    }
    let aud: &dyn Fn(&mut Policy) = &|p| p.audiences = Some(vec!["me".into()]);
    assert!(check(r#"{"exp":1001,"aud":["you","me"]}"#, aud).is_ok());
    assert!(check(r#"{"exp":1001,"aud":"me"}"#, aud).is_ok());
    assert!(
        check(r#"{"exp":1001,"aud":[]}"#, aud).is_err() && check(r#"{"exp":1001}"#, aud).is_err()
    );
    let issuer: &dyn Fn(&mut Policy) = &|p| p.issuers = Some(vec!["https://id".into()]);
    assert!(check(r#"{"exp":1001,"iss":"https://id"}"#, issuer).is_ok());
    assert!(
        check(r#"{"exp":1001,"iss":"https://id/"}"#, issuer).is_err()
            && check(r#"{"exp":1001}"#, issuer).is_err()
    );
    let more: &dyn Fn(&mut Policy) = &|p| p.required.push("scope".into());
    assert!(check(r#"{"exp":1001,"scope":""}"#, more).is_ok());
    assert!(check(r#"{"exp":1001,"scope":null}"#, more).is_err());
    let age: &dyn Fn(&mut Policy) = &|p| p.max_age = Some(100.0);
    assert!(check(r#"{"exp":1001,"iat":900}"#, age).is_ok());
    assert!(matches!(
        check(r#"{"exp":1001,"iat":899}"#, age),
        Err(Error::Expired)
    ));
    assert!(check(r#"{"exp":1001}"#, age).is_err());
    assert!(
        check(r#"{"exp":1001}"#, &|p| p.typ =
            Some("application/AT+JWT".into()))
        .is_ok()
    );
    assert!(check(r#"{"exp":1001}"#, &|p| p.typ = Some("JWT".into())).is_err());
    assert!(check(r#"{"exp":995}"#, &|p| p.clock_skew = 10.0).is_ok());
}

#[test]
fn key_ids_choose() {
    let (a, b) = (
        Jwk::generate("EdDSA").unwrap(),
        Jwk::generate("EdDSA").unwrap(),
    );
    let token = Signer::new(&a, Algorithm::EdDsa, "JWT")
        .unwrap()
        .sign(br#"{"exp":9}"#)
        .unwrap();
    let verifier = Verifier::new(policy(&[Algorithm::EdDsa]), std::slice::from_ref(&b)).unwrap();
    assert!(matches!(
        verifier.verify(&token, 1.0),
        Err(Error::UnknownKey)
    ));
    let verifier = Verifier::new(policy(&[Algorithm::EdDsa]), &[b.clone(), a.clone()]).unwrap();
    assert!(verifier.verify(&token, 1.0).is_ok());
    let set = JwkSet::from_json(
        &JwkSet {
            keys: vec![a, b, Jwk::generate("HS256").unwrap()],
        }
        .to_public_json(),
    )
    .unwrap();
    assert_eq!(set.keys.len(), 2);
    assert!(set.keys.iter().all(|k| !k.is_private()));
    let mixed = r#"{"keys":[{"kty":"AKP","alg":"ML-DSA-44"},{"kty":"oct","k":"AAAA"},{}]}"#;
    assert_eq!(JwkSet::from_json(mixed).unwrap().keys.len(), 1);
}

#[test]
fn encrypted_tokens() {
    let mut rsa = Jwk::generate("RS256").unwrap();
    (rsa.alg, rsa.key_use) = (None, None);
    let mut ec = Jwk::generate("ES384").unwrap();
    (ec.alg, ec.key_use) = (None, None);
    let okp = Jwk::generate("ECDH-ES").unwrap();
    for (key, algorithm, public) in [
        (Jwk::from_secret(&[1; 16]).unwrap(), "A128KW", false),
        (Jwk::from_secret(&[1; 32]).unwrap(), "A256KW", false),
        (rsa.clone(), "RSA-OAEP", true),
        (rsa, "RSA-OAEP-256", true),
        (ec.clone(), "ECDH-ES", true),
        (ec, "ECDH-ES+A256KW", true),
        (okp.clone(), "ECDH-ES+A128KW", true),
        (okp, "ECDH-ES", true),
    ] {
        for enc in ["A128GCM", "A256GCM", "A128CBC-HS256", "A256CBC-HS512"] {
            let to = if public {
                key.to_public().unwrap()
            } else {
                key.clone()
            };
            let token = jwe::encrypt(&to, algorithm, enc, None, b"hidden").unwrap();
            let decrypter =
                Decrypter::new(vec![key.clone()], vec![algorithm.into()], vec![enc.into()])
                    .unwrap();
            assert_eq!(
                *decrypter.decrypt(&token).unwrap().plaintext,
                b"hidden",
                "{algorithm} {enc}"
            );
            for part in 0..5 {
                let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
                let Ok(mut bytes) = b64url_decode(&parts[part]) else {
                    unreachable!()
                };
                let Some(last) = bytes.last_mut() else {
                    continue;
                };
                *last ^= 1;
                parts[part] = b64url(bytes);
                assert!(
                    decrypter.decrypt(&parts.join(".")).is_err(),
                    "{algorithm} {enc} part {part}"
                );
            }
            let other =
                Decrypter::new(vec![key.clone()], vec!["dir".into()], vec![enc.into()]).unwrap();
            assert!(other.decrypt(&token).is_err());
        }
    }
    let dir = Jwk::from_secret(&[1; 64]).unwrap();
    let token = jwe::encrypt(&dir, "dir", "A256CBC-HS512", Some("JWT"), b"x").unwrap();
    let decrypter = Decrypter::new(
        vec![dir.clone()],
        vec!["dir".into()],
        vec!["A256CBC-HS512".into()],
    )
    .unwrap();
    assert_eq!(*decrypter.decrypt(&token).unwrap().plaintext, b"x");
    assert!(jwe::encrypt(&dir, "RSA1_5", "A128GCM", None, b"x").is_err());
    assert!(jwe::encrypt(&dir, "dir", "A128GCM", None, b"x").is_err());
}

#[test]
fn weak_and_inconsistent_keys_are_refused() {
    let mut key: serde_json::Value =
        serde_json::from_str(&Jwk::generate("ES256").unwrap().to_json()).unwrap();
    let other: serde_json::Value =
        serde_json::from_str(&Jwk::generate("ES256").unwrap().to_json()).unwrap();
    key["d"] = other["d"].clone();
    assert!(Jwk::from_json(&key.to_string()).is_err());
    key["x"] = other["x"].clone();
    assert!(
        Jwk::from_json(&key.to_string()).is_err(),
        "not on the curve"
    );
    let small = json!({"kty": "RSA", "n": b64url([0xff; 128]), "e": "AQAB"});
    assert!(Jwk::from_json(&small.to_string()).is_err());
    assert!(Jwk::from_json(r#"{"kty":"oct","k":""}"#).is_err());
    for e in ["", "AQ", "Ag", "AQAA", "AQAAAAAAAAAB"] {
        let key = json!({"kty": "RSA", "n": b64url([0xff; 256]), "e": e});
        assert!(Jwk::from_json(&key.to_string()).is_err(), "{e}");
    }
    let mut even = [0xff; 256];
    even[255] = 0xfe;
    let even = json!({"kty": "RSA", "n": b64url(even), "e": "AQAB"});
    assert!(Jwk::from_json(&even.to_string()).is_err());
    assert!(
        Jwk::from_json(&json!({"kty": "RSA", "n": b64url([0xff; 256]), "e": "AQAB"}).to_string())
            .is_ok()
    );
}

/// Under a key of small order the signature of the neutral element and zero fits messages of all kinds.
#[test]
fn keys_of_small_order_are_refused() {
    for (start, middle, end) in [
        (0x00, 0x00, 0x00),
        (0x01, 0x00, 0x00),
        (0x01, 0x00, 0x80),
        (0xec, 0xff, 0x7f),
        (0xed, 0xff, 0xff),
        (0xee, 0xff, 0x7f),
    ] {
        let mut x = [middle; 32];
        (x[0], x[31]) = (start, end);
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": b64url(x)});
        assert!(Jwk::from_json(&key.to_string()).is_err(), "{x:?}");
        assert!(super::super::paseto::PublicKey::new(&x).is_err(), "{x:?}");
    }
    let order_8 = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
    let key = json!({"kty": "OKP", "crv": "Ed25519", "x": b64url(hex_decode(order_8).unwrap())});
    assert!(Jwk::from_json(&key.to_string()).is_err());
}

#[test]
fn critical_extensions_are_refused_whatever_their_value() {
    let key = Jwk::generate("HS256").unwrap();
    let signing = key.signing(Algorithm::Hs256).unwrap();
    let verifier = Verifier::new(policy(&[Algorithm::Hs256]), &[key]).unwrap();
    for (member, good) in [
        (r#""x":1"#, true),
        (r#""crit":null"#, false),
        (r#""crit":[]"#, false),
        (r#""crit":["exp"]"#, false),
        (r#""b64":null"#, false),
        (r#""b64":true"#, false),
    ] {
        let header = format!(r#"{{"alg":"HS256",{member}}}"#);
        let signed = format!("{}.{}", b64url(header), b64url(r#"{"exp":9}"#));
        let signature = b64url(signing.sign(signed.as_bytes()).unwrap());
        let verified = verifier.verify(&format!("{signed}.{signature}"), 1.0);
        assert_eq!(verified.is_ok(), good, "{member}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_refused(text in "([A-Za-z0-9_-]{0,40}\\.){0,6}[A-Za-z0-9_-]{0,40}") {
        let key = Jwk::from_secret(&[1; 32]).unwrap();
        let verifier = Verifier::new(policy(&[Algorithm::Hs256]), std::slice::from_ref(&key)).unwrap();
        proptest::prop_assert!(verifier.verify(&text, 0.0).is_err());
        let decrypter = Decrypter::new(vec![key], vec!["dir".into()], vec!["A256GCM".into()]).unwrap();
        proptest::prop_assert!(decrypter.decrypt(&text).is_err());
    }

    #[test]
    fn any_bytes_are_no_key(data: Vec<u8>) {
        proptest::prop_assert!(Jwk::from_spki(&data).is_err());
        proptest::prop_assert!(Jwk::from_pkcs8(&data).is_err());
        let text = String::from_utf8_lossy(&data);
        proptest::prop_assert!(Jwk::from_pem(&text).is_err() && Jwk::from_json(&text).is_err());
        proptest::prop_assert!(JwkSet::from_json(&text).is_err());
    }

    #[test]
    fn any_header_and_claims(header in "\\PC{0,60}", claims in "\\PC{0,60}") {
        let key = Jwk::from_secret(&[1; 32]).unwrap();
        let verifier = Verifier::new(policy(&[Algorithm::Hs256]), &[key]).unwrap();
        let token = format!("{}.{}.{}", b64url(header), b64url(claims), b64url([0; 32]));
        proptest::prop_assert!(verifier.verify(&token, 0.0).is_err());
    }
}

/// RFC 8032 section 7.1 and what must not verify: other lengths, malleated and out-of-range numbers, flipped bits.
#[test]
fn ed25519_vectors() {
    let table: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/vectors/ed25519.json")).unwrap();
    let tests = table["tests"].as_array().unwrap();
    assert!(tests.len() >= 50);
    for test in tests {
        let bytes = |name: &str| hex_decode(test[name].as_str().unwrap()).unwrap();
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": b64url(bytes("public"))});
        let key = Jwk::from_json(&jwk.to_string()).unwrap();
        let verified = key
            .verifying(Algorithm::EdDsa)
            .unwrap()
            .verify(&bytes("message"), &bytes("signature"));
        assert_eq!(verified, test["result"] == "valid", "{test}");
    }
}

/// What is below JWS and JWE, where the RFCs have known answers for it but not for tokens.
#[test]
fn primitive_vectors() {
    let table: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/vectors/primitives.json")).unwrap();
    let tests = table["tests"].as_array().unwrap();
    assert!(tests.len() >= 100);
    for test in tests {
        let bytes = |name: &str| hex_decode(test[name].as_str().unwrap()).unwrap();
        let key = Jwk::from_json(&test["key"].to_string()).unwrap();
        let (message, output) = (bytes("message"), bytes("output"));
        let valid = test["result"] == "valid";
        let name = test["algorithm"].as_str().unwrap();
        if let Some(algorithm) = Algorithm::lookup(name) {
            let verified = key.verifying(algorithm).unwrap().verify(&message, &output);
            assert_eq!(verified, valid, "{test}");
            if algorithm.is_symmetric() {
                let made = key.signing(algorithm).unwrap().sign(&message).unwrap();
                assert_eq!(made == output, valid, "{test}");
            }
            continue;
        }
        let Material::Oct(kek) = &key.material else {
            unreachable!()
        };
        assert_eq!(jwe::wrap(name, kek, &message).unwrap() == output, valid);
        match jwe::unwrap(name, kek, &output) {
            Ok(cek) => assert!(valid && *cek == message, "{test}"),
            Err(_) => assert!(!valid, "{test}"),
        }
    }
}

/// RFC 7517 sections 4.2 to 4.4: a key does what it says it is for, and nothing else.
#[test]
fn keys_keep_to_their_operations() {
    let with = |key: &Jwk, member: &str, value: serde_json::Value| {
        let mut json: serde_json::Value = serde_json::from_str(&key.to_json()).unwrap();
        json.as_object_mut()
            .unwrap()
            .retain(|name, _| name != "use" && name != "alg");
        json[member] = value;
        Jwk::from_json(&json.to_string()).unwrap()
    };
    let ec = Jwk::generate("ES256").unwrap();
    let (signs, verifies) = (
        with(&ec, "key_ops", json!(["sign"])),
        with(&ec, "key_ops", json!(["verify"])),
    );
    let derives = with(&ec, "key_ops", json!(["deriveKey"]));
    assert!(Signer::new(&signs, Algorithm::Es256, "JWT").is_ok());
    assert!(Signer::new(&verifies, Algorithm::Es256, "JWT").is_err());
    assert!(!derives.fits(Algorithm::Es256) && verifies.fits(Algorithm::Es256));
    let public = signs.to_public().unwrap();
    assert_eq!(public.key_ops, Some(vec!["verify".to_owned()]));
    assert_eq!(
        Jwk::from_json(&public.to_json()).unwrap().key_ops,
        public.key_ops
    );
    assert_eq!(derives.to_public().unwrap().key_ops, None);
    assert_eq!(with(&ec, "key_ops", json!([])).key_ops, None);
    assert!(Jwk::from_json(r#"{"kty":"oct","k":"AAAA","key_ops":"sign"}"#).is_err());

    let secret = Jwk::from_secret(&[1; 32]).unwrap();
    let token = jwe::encrypt(&secret, "dir", "A256GCM", None, b"x").unwrap();
    let opens = |key: Jwk| {
        Decrypter::new(vec![key], vec!["dir".into()], vec!["A256GCM".into()])
            .unwrap()
            .decrypt(&token)
            .is_ok()
    };
    for (member, value, fits) in [
        ("key_ops", json!(["encrypt", "decrypt"]), true),
        ("key_ops", json!(["sign", "verify"]), false),
        ("use", json!("enc"), true),
        ("use", json!("sig"), false),
        ("alg", json!("dir"), true),
        ("alg", json!("A256GCM"), true),
        ("alg", json!("A128GCM"), false),
        ("alg", json!("HS256"), false),
    ] {
        let key = with(&secret, member, value.clone());
        assert_eq!(opens(key.clone()), fits, "{member} {value}");
        let made = jwe::encrypt(&key, "dir", "A256GCM", None, b"x");
        assert_eq!(made.is_ok(), fits, "{member} {value}");
    }
}

#[test]
fn a_time_that_is_no_number_is_refused() {
    let key = Jwk::generate("HS256").unwrap();
    let token = Signer::new(&key, Algorithm::Hs256, "JWT")
        .unwrap()
        .sign(br#"{"exp":9}"#)
        .unwrap();
    let verifier = Verifier::new(policy(&[Algorithm::Hs256]), &[key]).unwrap();
    for now in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(matches!(
            verifier.verify(&token, now),
            Err(Error::InvalidInput(_))
        ));
    }
}
