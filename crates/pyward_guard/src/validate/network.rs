//! E-mail addresses, URLs, IP addresses and networks.

use std::net::IpAddr;

use super::{bounded, wrong};
use crate::Result;

/// An e-mail address: dot-atom local part (RFC 5321, 5322) of at most 64 bytes, a host name with a dot, at most 254 bytes in
/// all. The host is lower-cased and put in ASCII form (IDNA); quoted local parts, comments and address literals are refused.
///
/// # Errors
/// [`Error::InvalidInput`](crate::Error::InvalidInput) for any other text.
pub fn email(value: &str) -> Result<String> {
    bounded(value, 254, "the e-mail address")?;
    let Some((local, host)) = value.rsplit_once('@') else {
        return wrong("an e-mail address has an @");
    };
    if local.is_empty() || local.len() > 64 {
        return wrong("the part before the @ has 1 to 64 bytes");
    }
    let atom = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    if !local.split('.').all(atom) {
        return wrong("the part before the @ has characters that are not accepted");
    }
    // A URL parser would decode it.
    if host.contains('%') {
        return wrong("the host is not a domain name");
    }
    let host = host_name(host, false)?;
    if !host.contains('.')
        || host
            .rsplit('.')
            .next()
            .is_some_and(|top| top.bytes().all(|b| b.is_ascii_digit()))
    {
        return wrong("the host of the e-mail address is not a full domain name");
    }
    let out = format!("{local}@{host}");
    bounded(&out, 254, "the e-mail address")?;
    Ok(out)
}

/// A host name in ASCII form: labels of 1 to 63 letters, digits and dashes, 253 bytes at most.
/// URLs in use have underscores in their hosts too, though never in the last two labels.
fn host_name(value: &str, underscores: bool) -> Result<String> {
    let Ok(url::Host::Domain(host)) = url::Host::parse(value) else {
        return wrong("the host is not a domain name");
    };
    let label = |part: &str| {
        (1..=63).contains(&part.len())
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || (underscores && b == b'_'))
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let underscored = host.rsplit('.').take(2).any(|part| part.contains('_'));
    if host.len() > 253 || underscored || !host.split('.').all(label) {
        return wrong("the host is not a domain name");
    }
    Ok(host)
}

/// Which URLs are accepted.
#[derive(Debug, Clone)]
pub struct UrlRules {
    /// Schemes, lower case.
    pub schemes: Vec<String>,
    /// Hosts, subdomains included; `None` for any.
    pub hosts: Option<Vec<String>>,
    /// Accept IP addresses as hosts.
    pub allow_ip: bool,
    /// Accept `user:password@`.
    pub allow_credentials: bool,
    /// Accept other ports than the scheme's own.
    pub allow_port: bool,
    /// Bytes.
    pub max_bytes: usize,
}

impl Default for UrlRules {
    fn default() -> Self {
        Self {
            schemes: vec!["https".into(), "http".into()],
            hosts: None,
            allow_ip: false,
            allow_credentials: false,
            allow_port: true,
            max_bytes: 2048,
        }
    }
}

/// An absolute URL in normal form (WHATWG). What parsers read in different ways (control characters, backslashes,
/// surrounding spaces) is refused rather than repaired.
///
/// # Errors
/// [`Error::InvalidInput`](crate::Error::InvalidInput) for any other text, and for what `rules` leave out.
pub fn url(value: &str, rules: &UrlRules) -> Result<String> {
    bounded(value, rules.max_bytes, "the URL")?;
    if value
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() || c == '\\')
    {
        return wrong("the URL has spaces, control characters or backslashes");
    }
    let Ok(parsed) = ::url::Url::parse(value) else {
        return wrong("not an absolute URL");
    };
    if !rules.schemes.iter().any(|s| s == parsed.scheme()) {
        return wrong("the scheme of the URL is not accepted");
    }
    // `https:example.org` and `https:///example.org` are repaired by browsers only.
    let after = &value[parsed.scheme().len() + 1..];
    let Some(host) = parsed.host() else {
        return wrong("the URL has no host");
    };
    if !after.starts_with("//") || after.starts_with("///") {
        return wrong("the URL has no host");
    }
    match host {
        ::url::Host::Domain(name) => {
            host_name(name, true)?;
            if let Some(hosts) = &rules.hosts {
                let accepted = hosts.iter().any(|h| {
                    // As URLs have it: lower case, other scripts in their ASCII form.
                    let h = ::url::Host::parse(h).map_or_else(|_| h.clone(), |h| h.to_string());
                    !h.is_empty()
                        && (name == h
                            || name
                                .strip_suffix(h.as_str())
                                .is_some_and(|rest| rest.ends_with('.')))
                });
                if !accepted {
                    return wrong("the host of the URL is not accepted");
                }
            }
        }
        _ if !rules.allow_ip || rules.hosts.is_some() => {
            return wrong("the URL has an IP address for a host");
        }
        _ => {}
    }
    if !rules.allow_credentials
        && (!parsed.username().is_empty()
            || parsed.password().is_some()
            || authority(after).contains('@'))
    {
        return wrong("the URL has a user name or password");
    }
    if !rules.allow_port && parsed.port().is_some() {
        return wrong("the port of the URL is not accepted");
    }
    Ok(parsed.into())
}

fn authority(after_scheme: &str) -> &str {
    let rest = after_scheme.trim_start_matches('/');
    &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())]
}

/// An IP address in canonical form; leading zeros (read as octal by some) and zone ids are refused.
///
/// # Errors
/// [`Error::InvalidInput`](crate::Error::InvalidInput) for any other text.
pub fn ip_address(value: &str) -> Result<IpAddr> {
    bounded(value, 45, "the IP address")?;
    value.parse().or_else(|_| wrong("not an IP address"))
}

/// A network in canonical form, such as `192.0.2.0/24`; bits behind the prefix have to be zero.
///
/// # Errors
/// [`Error::InvalidInput`](crate::Error::InvalidInput) for any other text.
pub fn cidr(value: &str) -> Result<(IpAddr, u8)> {
    bounded(value, 49, "the network")?;
    let Some((address, length)) = value.split_once('/') else {
        return wrong("a network has an address, a slash and a prefix length");
    };
    let address = ip_address(address)?;
    let plain = !length.is_empty()
        && length.len() <= 3
        && length.bytes().all(|b| b.is_ascii_digit())
        && (length == "0" || !length.starts_with('0'));
    let prefix: u8 = if plain {
        length.parse().unwrap_or(255)
    } else {
        255
    };
    let host_bits = match address {
        IpAddr::V4(v4) if prefix <= 32 => {
            u128::from(u32::from(v4) & (u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0)))
        }
        IpAddr::V6(v6) if prefix <= 128 => {
            u128::from(v6) & (u128::MAX.checked_shr(u32::from(prefix)).unwrap_or(0))
        }
        _ => return wrong("the prefix length does not fit the address"),
    };
    if host_bits != 0 {
        return wrong("the address has bits behind the prefix");
    }
    Ok((address, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn emails() {
        assert_eq!(
            email("First.Last+tag@EXAMPLE.org").unwrap(),
            "First.Last+tag@example.org"
        );
        assert_eq!(
            email("a@bücher.example").unwrap(),
            "a@xn--bcher-kva.example"
        );
        for bad in [
            "",
            "a",
            "@b.c",
            "a@",
            "a@b",
            "a@@b.c",
            "a b@c.d",
            "a\n@c.d",
            "a@c.d\n",
            ".a@b.c",
            "a.@b.c",
            "a..b@c.d",
            "\"a b\"@c.d",
            "a@[192.0.2.1]",
            "a@192.0.2.1",
            "a@b_c.d",
            "a@-b.c",
            "a@b.c,d@e.f",
            "a@b.c>",
            "ä@b.c",
            "a(comment)@b.c",
            "a@b..c",
            "a@b.c.",
            "a%00@b.c\0",
        ] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
        assert!(email(&format!("{}@b.c", "a".repeat(65))).is_err());
    }

    #[test]
    fn urls() {
        let rules = UrlRules {
            hosts: Some(vec!["example.org".into()]),
            ..UrlRules::default()
        };
        assert_eq!(
            url(
                "HTTPS://Example.ORG/a b".replace(' ', "%20").as_str(),
                &rules
            )
            .unwrap(),
            "https://example.org/a%20b"
        );
        for bad in [
            "",
            "/x",
            "ftp://example.org",
            "javascript:alert(1)",
            "https:example.org",
            "https:///example.org",
            "https://example.org.evil/",
            "https://evil/?example.org",
            "https://user@example.org/",
            "https://@example.org/",
            "https://example.org\\@evil/",
            " https://example.org",
            "https://exa\tmple.org",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://0x7f.1/",
            "https://evilexample.org/",
            "https://example.org@evil/",
            "https://",
        ] {
            assert!(url(bad, &rules).is_err(), "{bad:?}");
        }
        let open = UrlRules::default();
        assert!(url("http://192.0.2.1/", &open).is_err());
        assert!(url("http://2130706433/", &open).is_err());
        assert!(
            url(
                "http://[::1]/",
                &UrlRules {
                    allow_ip: true,
                    ..open
                }
            )
            .is_ok()
        );
    }

    #[test]
    fn addresses() {
        assert!(ip_address("192.0.2.1").is_ok() && ip_address("2001:db8::1").is_ok());
        for bad in [
            "",
            "192.0.2",
            "192.0.2.01",
            "0x7f.0.0.1",
            "127.1",
            "fe80::1%eth0",
            "1.2.3.4 ",
            "::ffff:1.2.3.256",
        ] {
            assert!(ip_address(bad).is_err(), "{bad}");
        }
        assert!(
            cidr("192.0.2.0/24").is_ok()
                && cidr("::/0").is_ok()
                && cidr("0.0.0.0/0").is_ok()
                && cidr("192.0.2.1/32").is_ok()
        );
        for bad in [
            "192.0.2.1/24",
            "192.0.2.0/33",
            "192.0.2.0",
            "192.0.2.0/",
            "192.0.2.0/024",
            "::1/64",
            "192.0.2.0/+24",
        ] {
            assert!(cidr(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text(value in "\\PC{0,40}|[a-z0-9@./:?#\\[\\]%\\\\ -]{0,40}") {
            if let Ok(address) = email(&value) {
                prop_assert_eq!(email(&address).unwrap(), address);
            }
            if let Ok(u) = url(&value, &UrlRules::default()) {
                prop_assert_eq!(url(&u, &UrlRules::default()).unwrap(), u);
            }
            let _ = cidr(&value);
        }
    }
}
