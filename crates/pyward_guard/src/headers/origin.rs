//! Where a request comes from and which host it is for.

use std::collections::HashSet;

use url::Url;

use crate::{Error, Result};

/// Hosts this application answers for.
#[derive(Debug, Clone)]
pub struct HostList {
    exact: HashSet<String>,
    /// Suffixes with their leading dot.
    below: Vec<String>,
}

impl HostList {
    /// `app.example` for one host, `.app.example` for it and all below. Ports are not looked at.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for an empty list, for `*`, and for anything that is not a host name or address.
    pub fn new(hosts: &[String]) -> Result<Self> {
        let mut list = Self {
            exact: HashSet::new(),
            below: Vec::new(),
        };
        for host in hosts {
            let lower = host.to_ascii_lowercase();
            let name = lower.strip_prefix('.').unwrap_or(&lower);
            if split_host(name) != Some(name) {
                return Err(Error::InvalidInput(format!(
                    "{host:?} is not a host name (write .example.com for all hosts below one)"
                )));
            }
            if lower.starts_with('.') {
                list.below.push(lower.clone());
            }
            list.exact.insert(name.to_owned());
        }
        if list.exact.is_empty() {
            return Err(Error::InvalidInput("the list of hosts is empty".into()));
        }
        Ok(list)
    }

    /// Whether a `Host` header names one of the hosts.
    #[must_use]
    pub fn allows(&self, header: &str) -> bool {
        if self.exact.contains(header) {
            return true;
        }
        let lower = header.to_ascii_lowercase();
        let Some(host) = split_host(&lower) else {
            return false;
        };
        let host = host.strip_suffix('.').unwrap_or(host);
        self.exact.contains(host)
            || self
                .below
                .iter()
                .any(|suffix| host.ends_with(suffix.as_str()))
    }
}

/// The host of `host[:port]`, or `None` when it is not of that form (RFC 9110 section 7.2).
fn split_host(header: &str) -> Option<&str> {
    let (host, port) = match header.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (&header[..address.len() + 2], port)
        }
        None => {
            let end = header.find(':').unwrap_or(header.len());
            let (host, port) = header.split_at(end);
            if host.is_empty()
                || host.len() > 253
                || !host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            {
                return None;
            }
            if host.starts_with('.') || host.contains("..") {
                return None;
            }
            (host, port)
        }
    };
    let port_good = match port.strip_prefix(':') {
        Some(digits) => digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => port.is_empty(),
    };
    port_good.then_some(host)
}

/// The serialised origin (`https://app.example:8443`) of a URL, or `None` when it has none.
#[must_use]
pub fn origin_of(url: &str) -> Option<String> {
    let parsed = Url::parse(url).ok()?;
    matches!(parsed.scheme(), "http" | "https").then(|| parsed.origin().ascii_serialization())
}

/// The headers that tell where a request was made.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestOrigin<'h> {
    /// `Sec-Fetch-Site`.
    pub fetch_site: Option<&'h str>,
    /// `Origin`.
    pub origin: Option<&'h str>,
    /// `Referer`.
    pub referer: Option<&'h str>,
}

/// What the headers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginVerdict {
    /// Made by this site, a trusted one, or by the user directly.
    Ours,
    /// Made by another site.
    Foreign,
    /// No header says anything: not a current browser. A token has to decide.
    Unknown,
}

/// Judges where a state-changing request was made (ASVS 5.0 v5.0.0-3.5.1).
///
/// `own` is this site's origin, `trusted` are further origins that may send such requests.
#[must_use]
pub fn judge_origin(request: RequestOrigin<'_>, own: &str, trusted: &[String]) -> OriginVerdict {
    let ours = |origin: &str| origin == own || trusted.iter().any(|known| known == origin);
    // Origin first: Sec-Fetch-Site cannot tell a trusted site from another, and says same-site of neighbours.
    if let Some(origin) = request.origin {
        if origin != "null" {
            return if ours(origin) {
                OriginVerdict::Ours
            } else {
                OriginVerdict::Foreign
            };
        }
        // "null" comes from sandboxed frames and privacy redirects: only a positive same-origin lets it through.
        return if request.fetch_site == Some("same-origin") {
            OriginVerdict::Ours
        } else {
            OriginVerdict::Foreign
        };
    }
    match request.fetch_site {
        Some("same-origin" | "none") => return OriginVerdict::Ours,
        Some("cross-site" | "same-site") if request.referer.is_none() => {
            return OriginVerdict::Foreign;
        }
        _ => {}
    }
    match request.referer {
        Some(referer) => match origin_of(referer) {
            Some(origin) if ours(&origin) => OriginVerdict::Ours,
            _ => OriginVerdict::Foreign,
        },
        None => OriginVerdict::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hosts_are_matched_whole() {
        let hosts = HostList::new(&[
            "app.example".into(),
            ".wild.example".into(),
            "[::1]".into(),
            "127.0.0.1".into(),
        ])
        .unwrap();
        for good in [
            "app.example",
            "APP.example",
            "app.example:8000",
            "app.example.",
            "wild.example",
            "a.b.wild.example:1",
            "[::1]:80",
            "[::1]",
            "127.0.0.1:5",
        ] {
            assert!(hosts.allows(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "app.example.evil",
            "xapp.example",
            "evilwild.example",
            "app.example:80:90",
            "app.example@evil",
            "app.example/x",
            "app.example\r\n",
            "[::1",
            "[::2]",
            "app.example:x",
            "..wild.example",
            "\u{e9}.wild.example",
        ] {
            assert!(!hosts.allows(bad), "{bad:?}");
        }
        for bad in [
            "*",
            "",
            "a b",
            "http://app.example",
            "app.example:80",
            "*.x.example",
        ] {
            assert!(HostList::new(&[bad.into()]).is_err(), "{bad}");
        }
        assert!(HostList::new(&[]).is_err());
    }

    #[test]
    fn origins_are_judged() {
        let own = "https://app.example";
        let trusted = ["https://admin.example".to_owned()];
        let judge = |fetch_site, origin, referer| {
            judge_origin(
                RequestOrigin {
                    fetch_site,
                    origin,
                    referer,
                },
                own,
                &trusted,
            )
        };
        use OriginVerdict::{Foreign, Ours, Unknown};
        assert_eq!(judge(None, Some(own), None), Ours);
        assert_eq!(
            judge(Some("cross-site"), Some("https://admin.example"), None),
            Ours
        );
        assert_eq!(
            judge(Some("same-origin"), Some("https://evil.example"), None),
            Foreign
        );
        assert_eq!(judge(None, Some("http://app.example"), None), Foreign);
        assert_eq!(judge(None, Some("null"), None), Foreign);
        assert_eq!(judge(Some("same-origin"), Some("null"), None), Ours);
        assert_eq!(judge(Some("same-origin"), None, None), Ours);
        assert_eq!(judge(Some("none"), None, None), Ours);
        assert_eq!(judge(Some("same-site"), None, None), Foreign);
        assert_eq!(
            judge(Some("cross-site"), None, Some("https://admin.example/x")),
            Ours
        );
        assert_eq!(judge(None, None, Some("https://app.example/form?x")), Ours);
        assert_eq!(
            judge(None, None, Some("https://app.example.evil/")),
            Foreign
        );
        assert_eq!(judge(None, None, Some("garbage")), Foreign);
        assert_eq!(judge(None, None, None), Unknown);
    }

    proptest! {
        #[test]
        fn any_header_is_judged(host in "\\PC{0,40}", origin in "\\PC{0,40}", referer in "\\PC{0,40}") {
            let hosts = HostList::new(&["app.example".into()]).unwrap();
            let _ = hosts.allows(&host);
            let request = RequestOrigin { fetch_site: None, origin: Some(&origin), referer: Some(&referer) };
            prop_assert_eq!(judge_origin(request, "https://app.example", &[]), OriginVerdict::Foreign);
        }
    }
}
