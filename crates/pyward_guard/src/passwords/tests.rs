//! Known answers and the rules of hashing.

use super::*;

/// The cheapest allowed parameters, to keep the tests fast.
const FAST: Scheme = Scheme::Argon2id {
    memory_kib: 7168,
    time_cost: 5,
    parallelism: 1,
};

fn hasher(scheme: Scheme, long: LongBcrypt, peppers: &[(&str, &[u8])]) -> Hasher {
    let peppers = peppers
        .iter()
        .map(|(id, secret)| Pepper {
            id: (*id).to_owned(),
            secret: Zeroizing::new(secret.to_vec()),
        })
        .collect();
    Hasher::new(scheme, long, peppers, Gate::new(4, 1 << 20)).unwrap()
}

fn plain() -> Hasher {
    hasher(FAST, LongBcrypt::Refuse, &[])
}

/// RFC 9106 section 5.3 needs a secret and associated data; this is the reference implementation's own test
/// (argon2id, version 19, m = 2^16, t = 2, p = 1, "password", "somesalt"), and RFC 7914 section 12, RFC 6070.
#[test]
fn known_answers() {
    let argon2 =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let v = plain().verify(b"password", Some(argon2)).unwrap();
    assert!(v.ok && v.needs_rehash && v.scheme == "argon2id");
    assert!(!plain().verify(b"passwore", Some(argon2)).unwrap().ok);
    let mut out = [0; 64];
    kdf::scrypt(10, 8, 16, b"password", b"NaCl", &mut out).unwrap();
    assert!(
        crate::encoding::hex(&out)
            .starts_with("fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162")
    );
    let mut out = [0; 20];
    kdf::pbkdf2(
        kdf::Prf::Sha1,
        4096.try_into().unwrap(),
        b"password",
        b"salt",
        &mut out,
    );
    assert_eq!(
        crate::encoding::hex(&out),
        "4b007901b765489abead49d926f721d065a429c1"
    );
    // Provos and Mazieres' bcrypt, from the test table of OpenBSD's implementation.
    let bcrypt = "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.";
    assert!(plain().verify(b"", Some(bcrypt)).unwrap().ok);
    // Drepper's SHA-crypt specification.
    let sha256 = "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA";
    assert!(plain().verify(b"Hello world!", Some(sha256)).unwrap().ok);
    assert!(!plain().verify(b"Hello world", Some(sha256)).unwrap().ok);
    let sha512 = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
    assert!(plain().verify(b"Hello world!", Some(sha512)).unwrap().ok);
}

#[test]
fn schemes_round_trip() {
    let password = "pässwörd with spaces".as_bytes();
    for (scheme, long, name) in [
        (FAST, LongBcrypt::Refuse, "argon2id"),
        (Scheme::Bcrypt { cost: 10 }, LongBcrypt::Refuse, "bcrypt"),
        (
            Scheme::Bcrypt { cost: 10 },
            LongBcrypt::PreHash,
            "bcrypt-sha256",
        ),
        (
            Scheme::Scrypt {
                log_n: 13,
                r: 8,
                p: 10,
            },
            LongBcrypt::Refuse,
            "scrypt",
        ),
    ] {
        let h = hasher(scheme, long, &[]);
        let stored = h.hash(password).unwrap();
        assert_ne!(stored, h.hash(password).unwrap(), "salted");
        let v = h.verify(password, Some(&stored)).unwrap();
        assert_eq!((v.ok, v.needs_rehash, v.scheme), (true, false, name));
        assert!(!h.verify(b"other", Some(&stored)).unwrap().ok);
        assert!(!h.needs_rehash(&stored).unwrap());
        let default = Hasher::new(
            Scheme::ARGON2ID,
            LongBcrypt::Refuse,
            vec![],
            Gate::new(1, 1 << 20),
        )
        .unwrap();
        assert!(
            default
                .verify(password, Some(&stored))
                .unwrap()
                .needs_rehash
        );
        assert!(default.needs_rehash(&stored).unwrap());
    }
}

#[test]
fn long_passwords_and_bcrypt() {
    let long = [b'a'; 100];
    let refuse = hasher(Scheme::Bcrypt { cost: 10 }, LongBcrypt::Refuse, &[]);
    assert!(refuse.hash(&long).is_err() && refuse.hash(b"a\0b").is_err());
    let stored = refuse.hash(&long[..72]).unwrap();
    let v = refuse.verify(&long, Some(&stored)).unwrap();
    assert!(
        v.ok && v.truncated && v.needs_rehash,
        "old truncating hashes verify, and say so"
    );
    let pre = hasher(Scheme::Bcrypt { cost: 10 }, LongBcrypt::PreHash, &[]);
    let stored = pre.hash(&long).unwrap();
    assert!(
        pre.verify(&long, Some(&stored)).unwrap().ok
            && !pre.verify(&long[..99], Some(&stored)).unwrap().ok
    );
    assert!(plain().hash(&[b'a'; 4097]).is_err() && plain().hash(b"").is_err());
}

#[test]
fn peppers_rotate() {
    let old = hasher(
        FAST,
        LongBcrypt::Refuse,
        &[("2025", b"an old pepper of 16+")],
    );
    let both = hasher(
        FAST,
        LongBcrypt::Refuse,
        &[
            ("2026", b"a new pepper of 16+"),
            ("2025", b"an old pepper of 16+"),
        ],
    );
    let stored = old.hash(b"secret").unwrap();
    assert!(stored.starts_with("$pepper-hmac-sha256$k=2025$argon2id$"));
    let v = both.verify(b"secret", Some(&stored)).unwrap();
    assert!(v.ok && v.needs_rehash);
    assert!(
        !both
            .verify(b"secret", Some(&both.hash(b"secret").unwrap()))
            .unwrap()
            .needs_rehash
    );
    let unpeppered = plain().hash(b"secret").unwrap();
    assert!(
        both.verify(b"secret", Some(&unpeppered))
            .unwrap()
            .needs_rehash
    );
    assert!(matches!(
        plain().verify(b"secret", Some(&stored)),
        Err(Error::UnknownKey)
    ));
    assert!(!format!("{both:?}").contains("an old"));
    let bad = |id: &str, secret: &[u8]| {
        let peppers = vec![Pepper {
            id: id.into(),
            secret: Zeroizing::new(secret.to_vec()),
        }];
        Hasher::new(FAST, LongBcrypt::Refuse, peppers, Gate::new(1, 1)).is_err()
    };
    assert!(bad("a$b", &[1; 16]) && bad("", &[1; 16]) && bad("a", &[1; 15]));
}

#[test]
fn weak_parameters_are_refused() {
    for scheme in [
        Scheme::Argon2id {
            memory_kib: 19456,
            time_cost: 1,
            parallelism: 1,
        },
        Scheme::Argon2id {
            memory_kib: 7167,
            time_cost: 100,
            parallelism: 1,
        },
        Scheme::Bcrypt { cost: 9 },
        Scheme::Scrypt {
            log_n: 14,
            r: 8,
            p: 1,
        },
        Scheme::Scrypt {
            log_n: 17,
            r: 1,
            p: 1,
        },
    ] {
        assert!(
            Hasher::new(scheme, LongBcrypt::Refuse, vec![], Gate::new(1, 1)).is_err(),
            "{scheme:?}"
        );
    }
}

#[test]
fn malformed_and_costly_hashes_are_errors() {
    for stored in [
        "",
        "$",
        "x",
        "$argon2id$v=19$m=1,t=1,p=1$c29tZXNhbHQ$AAAA",
        "$argon2id$v=19$m=4194304,t=3,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$2b$31$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzabcdefg",
        "$2x$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.",
        "pbkdf2_sha256$999999999$salt$AAAAAAAAAAAAAAAAAAAAAA==",
        "pbkdf2:md5:1000$salt$00",
        "plain$salt$00",
        "scrypt:3:8:1$salt$00",
        "$6$rounds=999999999$salt$x",
        "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
        "$5",
        "$pepper-hmac-sha256$k=",
        "$argon2id$v=19$m=+8,t=1,p=1$a$a",
    ] {
        assert!(plain().verify(b"x", Some(stored)).is_err(), "{stored}");
    }
}

#[test]
fn what_may_be_hashed_may_be_verified() {
    for scheme in [
        Scheme::Argon2id {
            memory_kib: 7168,
            time_cost: 257,
            parallelism: 1,
        },
        Scheme::Argon2id {
            memory_kib: 1 << 20,
            time_cost: 1,
            parallelism: 1,
        },
    ] {
        let h = hasher(scheme, LongBcrypt::Refuse, &[]);
        assert!(h.verify(b"x", Some(&h.hash(b"x").unwrap())).unwrap().ok);
    }
    for scheme in [
        Scheme::Argon2id {
            memory_kib: 1 << 21,
            time_cost: 1,
            parallelism: 1,
        },
        Scheme::Argon2id {
            memory_kib: 1 << 20,
            time_cost: 17,
            parallelism: 1,
        },
        Scheme::Scrypt {
            log_n: 20,
            r: 16,
            p: 1,
        },
        Scheme::Scrypt {
            log_n: 20,
            r: 8,
            p: 5,
        },
    ] {
        let gate = Gate::new(1, 1 << 30);
        assert!(
            Hasher::new(scheme, LongBcrypt::Refuse, vec![], gate).is_err(),
            "{scheme:?}"
        );
    }
}

#[test]
fn memory_is_bounded_for_stored_hashes_too() {
    let small = |kib| Hasher::new(FAST, LongBcrypt::Refuse, vec![], Gate::new(2, kib));
    assert!(small(7167).is_err());
    let h = small(8192).unwrap();
    let larger =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    assert!(h.verify(b"password", Some(larger)).is_err());
    assert!(h.needs_rehash(larger).unwrap());
}

#[test]
fn files_that_choose_their_memory_wait_for_each_other() {
    let (done, finished) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let all = FILES.enter(1 << 20);
        scope.spawn(move || done.send(raw_scrypt(1, 8, 1, b"p", b"s", &mut [0; 32])));
        let pause = std::time::Duration::from_millis(200);
        assert!(finished.recv_timeout(pause).is_err());
        drop(all);
        finished.recv().unwrap().unwrap();
    });
}

#[test]
fn long_passwords_do_not_multiply_the_cost_of_sha_crypt() {
    let stored = format!("$6$rounds=656000$salt${}", "a".repeat(86));
    let start = Instant::now();
    assert!(
        !plain()
            .verify(&[b'x'; MAX_PASSWORD_LEN], Some(&stored))
            .unwrap()
            .ok
    );
    assert!(start.elapsed().as_millis() < 500);
}

#[test]
fn accounts_without_a_password_are_no_errors() {
    for mark in ["!", "!x9K2", "*", "!!"] {
        let v = plain().verify(b"x", Some(mark)).unwrap();
        assert!(!v.ok && !v.needs_rehash && !plain().needs_rehash(mark).unwrap());
    }
}

#[test]
fn no_user_costs_the_same() {
    let h = plain();
    let stored = h.hash(b"secret").unwrap();
    let time = |stored: Option<&str>| {
        let start = Instant::now();
        assert!(!h.verify(b"guess", stored).unwrap().ok);
        start.elapsed().as_secs_f64()
    };
    // The best of many runs in turns: other tests load the machine meanwhile.
    let (mut with, mut without) = (f64::MAX, f64::MAX);
    for _ in 0..15 {
        with = with.min(time(Some(&stored)));
        without = without.min(time(None));
    }
    assert!(
        (0.5..2.0).contains(&(with / without)),
        "{with} against {without}"
    );
    assert!(!h.verify(b"", None).unwrap().ok);
}

#[test]
fn calibration_is_not_misled_by_single_runs() {
    // A pass takes 10 ms; each third run is held up for half a second.
    for held_up in 0..3 {
        let mut runs = 0;
        let cost = super::fitting_cost(1.0, 1 << 20, |cost| {
            runs += 1;
            let waited = if runs % 3 == held_up { 0.5 } else { 0.0 };
            Ok(0.01 * f64::from(cost) + waited)
        });
        assert!((90..=110).contains(&cost.unwrap()), "{held_up}");
    }
    let bounded = super::fitting_cost(10.0, 50, |cost| Ok(1e-4 * f64::from(cost)));
    assert_eq!(bounded.unwrap(), 50);
    let slow = super::fitting_cost(0.01, 50, |cost| Ok(3.0 * f64::from(cost)));
    assert_eq!(slow.unwrap(), 1);
}

#[test]
fn calibration_keeps_the_minimum() {
    let Scheme::Argon2id { time_cost, .. } = calibrate(0.01, 19456, 1).unwrap() else {
        unreachable!()
    };
    assert!(time_cost >= 2);
    let slow = calibrate(10.0, 7168, 1).unwrap();
    assert!(Hasher::new(slow, LongBcrypt::Refuse, vec![], Gate::new(1, 1 << 20)).is_ok());
    assert!(calibrate(0.001, 19456, 1).is_err() && calibrate(1.0, 1024, 1).is_err());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn any_stored_text_is_refused_in_bounded_time(text in "\\$?[a-z0-9$=,./:+-]{0,80}|\\PC{0,60}") {
        let start = Instant::now();
        let _ = plain().needs_rehash(&text);
        proptest::prop_assert!(start.elapsed().as_secs() < 60);
    }
}
