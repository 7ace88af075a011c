//! Judging where outbound requests and redirects lead.
//!
//! Protects against server-side request forgery (CWE-918) and open redirects (CWE-601).
//! ASVS 5.0: v5.0.0-1.3.6, v5.0.0-3.7.2, v5.0.0-13.2.4.
//!
//! ```
//! use pyward_guard::http::{check_redirect, not_public};
//! assert_eq!(not_public("169.254.169.254".parse().unwrap()), Some("link-local (cloud metadata)"));
//! assert_eq!(not_public("93.184.215.14".parse().unwrap()), None);
//! assert_eq!(check_redirect("/next?page=2", &[])?, "/next?page=2");
//! assert!(check_redirect("//evil.example", &[]).is_err());
//! # Ok::<(), pyward_guard::Error>(())
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::{Error, Result};

/// Longest redirect target that is looked at.
const MAX_TARGET: usize = 8192;

/// Special IPv4 ranges (IANA special-purpose registry, RFC 6890 and successors): prefix, bits, what it is.
const SPECIAL_V4: [(u32, u32, &str); 18] = [
    (0x0000_0000, 8, "this network"),
    (0x0A00_0000, 8, "private"),
    (0x6440_0000, 10, "carrier-grade NAT"),
    (0x7F00_0000, 8, "loopback"),
    (0xA83F_8110, 32, "cloud metadata"),
    (0xA9FE_0000, 16, "link-local (cloud metadata)"),
    (0xAC10_0000, 12, "private"),
    (0xC000_0000, 24, "protocol assignments"),
    (0xC000_0200, 24, "documentation"),
    (0xC01F_C400, 24, "AS112"),
    (0xC034_C100, 24, "AMT relay"),
    (0xC058_6300, 24, "6to4 relay"),
    (0xC0A8_0000, 16, "private"),
    (0xC612_0000, 15, "benchmarking"),
    (0xC633_6400, 24, "documentation"),
    (0xCB00_7100, 24, "documentation"),
    (0xE000_0000, 4, "multicast"),
    (0xF000_0000, 4, "reserved"),
];

/// Why an address is not one of the public Internet, or `None` when it is.
///
/// Addresses that embed an IPv4 address (mapped, NAT64, 6to4) are judged by it.
#[must_use]
pub fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    let bits = u32::from(address);
    SPECIAL_V4
        .iter()
        .find(|(prefix, length, _)| (bits ^ prefix) >> (32 - length) == 0)
        .map(|(.., name)| *name)
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let embedded =
        |high: u16, low: u16| special_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) => return embedded(g, h),
        (0, 0, 0, 0, 0, 0) => {
            return Some(if (g, h) == (0, 1) {
                "loopback"
            } else {
                "unspecified or IPv4-compatible"
            });
        }
        (0x64, 0xff9b, 0, 0, 0, 0) => return embedded(g, h),
        (0x2002, ..) => return embedded(b, c),
        _ => {}
    }
    match a {
        0xfc00..=0xfdff => Some("unique local"),
        0xfe80..=0xfebf => Some("link-local"),
        0xfec0..=0xfeff => Some("site-local"),
        0xff00..=0xffff => Some("multicast"),
        0x2001 if b < 0x200 => Some("protocol assignments"),
        0x2001 if b == 0xdb8 => Some("documentation"),
        0x2620 if (b, c) == (0x4f, 0x8000) => Some("AS112"),
        0x3fff if b < 0x1000 => Some("documentation"),
        // Only 2000::/3 is assigned to global unicast.
        0x2000..=0x3fff => None,
        _ => Some("reserved"),
    }
}

/// Checks where a redirect leads and returns the target to send.
///
/// Allowed are paths on this site (`/next?page=2`) and absolute HTTPS URLs whose host is in `hosts` exactly (`host` or
/// `host:port`). Everything browsers read differently from servers is refused: control characters, backslashes,
/// `//host`, user names.
///
/// # Errors
/// [`Error::Refused`] for any other target.
pub fn check_redirect(target: &str, hosts: &[String]) -> Result<String> {
    let refused = |why: &str| Err(Error::Refused(format!("redirect target {why}")));
    if target.len() > MAX_TARGET {
        return refused("is too long");
    }
    if target
        .chars()
        .any(|char| char.is_control() || char.is_whitespace() || char == '\\')
    {
        return refused("holds control characters, spaces or backslashes");
    }
    if target.starts_with('/') {
        let here = Url::parse("https://own.invalid/")
            .map_err(|_| Error::Refused("redirect target".into()))?;
        return match here.join(target) {
            Ok(there)
                if !target.starts_with("//")
                    && there.origin() == here.origin()
                    && !there.path().starts_with("//") =>
            {
                let mut out = there.path().to_owned();
                if let Some(query) = there.query() {
                    out = format!("{out}?{query}");
                }
                if let Some(fragment) = there.fragment() {
                    out = format!("{out}#{fragment}");
                }
                Ok(out)
            }
            _ => refused("leaves this site"),
        };
    }
    let Ok(there) = Url::parse(target) else {
        return refused("is neither a path of this site nor a URL");
    };
    if there.scheme() != "https"
        || !target
            .get(..8)
            .is_some_and(|start| start.eq_ignore_ascii_case("https://"))
    {
        return refused("is not HTTPS");
    }
    if !there.username().is_empty() || there.password().is_some() {
        return refused("names a user");
    }
    let Some(host) = there.host_str() else {
        return refused("has no host");
    };
    let wanted = there
        .port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    if hosts
        .iter()
        .any(|known| known.eq_ignore_ascii_case(&wanted))
    {
        return Ok(there.into());
    }
    refused("is on a host that is not allowed")
}

/// An outbound URL, taken apart the way browsers and `WHATWG` clients do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `http` or `https`.
    pub scheme: String,
    /// Host name in ASCII lower case, or an IP address without brackets.
    pub host: String,
    /// The address when the host is one.
    pub address: Option<IpAddr>,
    /// Port, the scheme's default included.
    pub port: u16,
}

/// Reads an outbound URL.
///
/// # Errors
/// [`Error::Refused`] for other schemes, user names, control characters and backslashes, and URLs that do not parse.
pub fn parse_target(url: &str) -> Result<Target> {
    let refused = |why: &str| Err(Error::Refused(format!("URL {why}")));
    if url.len() > MAX_TARGET {
        return refused("is too long");
    }
    if url
        .chars()
        .any(|char| char.is_control() || char.is_whitespace() || char == '\\')
    {
        return refused("holds control characters, spaces or backslashes");
    }
    let Ok(parsed) = Url::parse(url) else {
        return refused("does not parse");
    };
    if !matches!(parsed.scheme(), "http" | "https") {
        return refused("is neither http nor https");
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return refused("carries a user name or password");
    }
    let (host, address) = match parsed.host() {
        Some(Host::Domain(name)) => (name.trim_end_matches('.').to_owned(), None),
        Some(Host::Ipv4(address)) => (address.to_string(), Some(IpAddr::V4(address))),
        Some(Host::Ipv6(address)) => (address.to_string(), Some(IpAddr::V6(address))),
        None => return refused("has no host"),
    };
    if host.is_empty() {
        return refused("has no host");
    }
    let Some(port) = parsed.port_or_known_default() else {
        return refused("has no port");
    };
    Ok(Target {
        scheme: parsed.scheme().to_owned(),
        host,
        address,
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn special_addresses_are_not_public() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:a9fe:a9fe",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ] {
            assert!(not_public(address.parse().unwrap()).is_some(), "{address}");
        }
        for address in [
            "1.1.1.1",
            "93.184.215.14",
            "172.32.0.1",
            "100.128.0.1",
            "168.63.129.17",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2606:4700::1111",
            "2a00:1450::1",
            "2002:101:101::",
        ] {
            assert_eq!(not_public(address.parse().unwrap()), None, "{address}");
        }
    }

    #[test]
    fn redirects_stay_where_they_may() {
        let hosts = ["app.example".to_owned(), "sso.example:8443".to_owned()];
        for (target, sent) in [
            ("/", "/"),
            ("/a/b?c=d#e", "/a/b?c=d#e"),
            ("/a/../b", "/b"),
            ("/a?next=//x", "/a?next=//x"),
            ("https://app.example/x", "https://app.example/x"),
            ("https://APP.example:443/x", "https://app.example/x"),
            ("https://sso.example:8443/", "https://sso.example:8443/"),
        ] {
            assert_eq!(check_redirect(target, &hosts).unwrap(), sent);
        }
        for target in [
            "",
            "next",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            " /x",
            "/..//evil.example",
            "https:evil.example",
            "https:/evil.example",
            "https:app.example",
            "https://evil.example",
            "https://app.example.evil.example",
            "https://app.example@evil.example",
            "https://u@app.example/",
            "http://app.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://app.example:8443/",
            "https://sso.example/",
            "/%0d%0a\r\nX: y",
            "https://app.example\u{3002}evil.example",
        ] {
            assert!(check_redirect(target, &hosts).is_err(), "{target:?}");
        }
    }

    #[test]
    fn targets_are_read_as_clients_read_them() {
        let read = |url| parse_target(url).unwrap();
        assert_eq!(
            read("http://0x7f.1/").address,
            Some("127.0.0.1".parse().unwrap())
        );
        assert_eq!(
            read("http://2130706433/").address,
            Some("127.0.0.1".parse().unwrap())
        );
        assert_eq!(
            read("https://[::ffff:127.0.0.1]/").address,
            Some("::ffff:127.0.0.1".parse().unwrap())
        );
        assert_eq!(read("https://Example.COM./a").host, "example.com");
        assert_eq!(read("https://example.com").port, 443);
        for url in [
            "ftp://example.com",
            "file:///etc/passwd",
            "http://",
            "http://u:p@example.com",
            "http://example.com\\@evil",
            "http://a b/",
            "gopher://x",
            "example.com",
            "http:///x y",
        ] {
            assert!(parse_target(url).is_err(), "{url}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text in "\\PC{0,60}", scheme in "(https?:)?[/\\\\]{0,3}") {
            let text = format!("{scheme}{text}");
            let _ = parse_target(&text);
            if let Ok(sent) = check_redirect(&text, &[]) {
                // However a browser on this site reads it, it stays there.
                let base = Url::parse("https://own.example/deep/page").unwrap();
                let joined = base.join(&sent).unwrap();
                prop_assert_eq!(joined.host_str(), Some("own.example"));
            }
        }
    }
}
