//! The rules of Bandit and of flake8-bandit (the same numbers behind `B` or `S`), as rules of pyward.

/// The rules that a number stands for; empty for one that has no counterpart.
pub(crate) fn rules(number: u16) -> &'static [&'static str] {
    match number {
        102 | 307 => &["code-injection"],
        101 => &["assert-as-check"],
        103 => &["weak-permissions"],
        104 => &["bind-all-interfaces"],
        105..=107 => &["hardcoded-secret", "default-credentials"],
        108 | 306 => &["insecure-temporary-file"],
        113 => &["missing-timeout"],
        201 => &["debug-enabled"],
        202 => &["archive-slip"],
        301 | 302 | 506 | 614 => &["unsafe-deserialization"],
        303 | 324 => &["weak-hash", "weak-password-hash"],
        304 | 305 => &["weak-cipher"],
        308 | 703 | 704 => &["template-xss", "reflected-xss", "stored-xss"],
        310 => &["server-side-request-forgery", "path-traversal"],
        311 => &["insecure-random"],
        312 | 321 | 508 | 509 => &["insecure-transport"],
        313..=320 => &["xml-external-entity"],
        323 | 501 | 507 => &["tls-verification-disabled"],
        502..=504 => &["weak-tls"],
        505 => &["weak-key"],
        601..=607 | 609 => &["command-injection", "argument-injection"],
        608 | 610 | 611 => &["sql-injection"],
        612 => &["code-injection", "unsafe-deserialization"],
        701 | 702 => &[
            "autoescape-disabled",
            "template-xss",
            "reflected-xss",
            "stored-xss",
        ],
        _ => &[],
    }
}
