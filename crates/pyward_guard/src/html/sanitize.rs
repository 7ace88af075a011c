//! Sanitising by allow-list, on `ammonia` (html5ever's parser, so that the tree is the browser's).

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;

use ammonia::{Builder, UrlRelative};
use url::Url;

use super::style::filter_style;
use crate::{Error, Result};

/// What becomes of relative URLs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RelativeUrls {
    /// They stay.
    #[default]
    Keep,
    /// The attribute goes.
    Remove,
    /// They are resolved against this absolute URL.
    Resolve(String),
}

/// Sets of tags and attributes to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// No tags: text only.
    Text,
    /// Emphasis, code and links within a line.
    Inline,
    /// `Inline` and paragraphs, lists, quotations.
    Comment,
    /// All that articles need: headings, tables, images, figures.
    Article,
}

/// What a sanitiser lets through. Names are lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Elements.
    pub tags: Vec<String>,
    /// Attributes by element.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// Attributes on every element.
    pub generic_attributes: Vec<String>,
    /// CSS properties; with any, the `style` attribute is allowed on every element and filtered.
    pub styles: Vec<String>,
    /// Classes by element.
    pub classes: BTreeMap<String, Vec<String>>,
    /// URL schemes.
    pub schemes: Vec<String>,
    /// Relative URLs.
    pub relative_urls: RelativeUrls,
    /// `rel` of every link; `None` sets none.
    pub link_rel: Option<String>,
    /// Hosts that links may point to, subdomains included; `None` for any.
    pub link_hosts: Option<Vec<String>>,
    /// Hosts that embedded resources (`src`, `poster`, ...) may come from; `None` for any.
    pub resource_hosts: Option<Vec<String>>,
    /// Prefix put before every `id`; needed to allow `id`, since ids clobber a page's variables.
    pub id_prefix: Option<String>,
    /// Input bytes.
    pub max_bytes: usize,
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

const INLINE: &[&str] = &[
    "a", "abbr", "b", "bdi", "bdo", "br", "cite", "code", "del", "em", "i", "ins", "kbd", "mark",
    "q", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "u", "var", "wbr",
];
const COMMENT: &[&str] = &[
    "blockquote",
    "dd",
    "dl",
    "dt",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "ul",
];
const ARTICLE: &[&str] = &[
    "acronym",
    "area",
    "article",
    "aside",
    "caption",
    "center",
    "col",
    "colgroup",
    "data",
    "details",
    "dfn",
    "div",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "img",
    "map",
    "nav",
    "rp",
    "rt",
    "rtc",
    "ruby",
    "strike",
    "summary",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
];

impl Policy {
    /// The policy of a preset: links with `http`, `https` and `mailto`, `rel="noopener noreferrer nofollow ugc"`.
    #[must_use]
    pub fn preset(preset: Preset) -> Self {
        let mut tags = Vec::new();
        let mut attributes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut allow = |tag: &str, names: &[&str]| {
            attributes
                .entry(tag.to_owned())
                .or_default()
                .extend(owned(names));
        };
        if preset != Preset::Text {
            tags.extend(owned(INLINE));
            allow("a", &["href", "hreflang"]);
            allow("bdo", &["dir"]);
            allow("q", &["cite"]);
            allow("del", &["cite", "datetime"]);
            allow("ins", &["cite", "datetime"]);
            allow("time", &["datetime"]);
        }
        if matches!(preset, Preset::Comment | Preset::Article) {
            tags.extend(owned(COMMENT));
            allow("blockquote", &["cite"]);
            allow("ol", &["start"]);
        }
        if preset == Preset::Article {
            tags.extend(owned(ARTICLE));
            allow("img", &["align", "alt", "height", "src", "width"]);
            allow("col", &["align", "span"]);
            allow("colgroup", &["align", "span"]);
            allow("hr", &["align", "size", "width"]);
            allow("table", &["align", "summary"]);
            for section in ["tbody", "tfoot", "thead", "tr"] {
                allow(section, &["align"]);
            }
            allow("td", &["align", "colspan", "headers", "rowspan"]);
            allow("th", &["align", "colspan", "headers", "rowspan", "scope"]);
        }
        Self {
            tags,
            attributes,
            generic_attributes: if preset == Preset::Text {
                vec![]
            } else {
                owned(&["lang", "title"])
            },
            styles: vec![],
            classes: BTreeMap::new(),
            schemes: owned(&["http", "https", "mailto"]),
            relative_urls: RelativeUrls::Keep,
            link_rel: Some("noopener noreferrer nofollow ugc".to_owned()),
            link_hosts: None,
            resource_hosts: None,
            id_prefix: None,
            max_bytes: 1 << 20,
        }
    }
}

/// Elements that run code, load or submit, or make the parser read their content in another way than the page's reader.
const FORBIDDEN_TAGS: &[&str] = &[
    "annotation-xml",
    "applet",
    "base",
    "body",
    "button",
    "embed",
    "fencedframe",
    "foreignobject",
    "form",
    "frame",
    "frameset",
    "head",
    "html",
    "iframe",
    "input",
    "link",
    "math",
    "meta",
    "noembed",
    "noframes",
    "noscript",
    "object",
    "option",
    "param",
    "plaintext",
    "portal",
    "script",
    "select",
    "slot",
    "style",
    "svg",
    "template",
    "textarea",
    "title",
    "xmp",
];
const FORBIDDEN_ATTRIBUTES: &[&str] = &[
    "action",
    "attributename",
    "attributionsrc",
    "background",
    "content",
    "data",
    "dynsrc",
    "form",
    "formaction",
    "http-equiv",
    "imagesrcset",
    "is",
    "lowsrc",
    "manifest",
    "nonce",
    "ping",
    "rel",
    "shadowrootmode",
    "slot",
    "srcdoc",
    "srcset",
    "style",
    "xlink:href",
    "xml:base",
    "xmlns",
];
/// URL attributes that only point somewhere; all others load something.
const LINKS: &[&str] = &["href", "cite"];
/// URL attributes whose schemes ammonia leaves alone, on some elements at least.
const UNCHECKED: &[&str] = &[
    "cite", "poster", "longdesc", "usemap", "icon", "profile", "codebase", "archive", "classid",
    "code", "itemid",
];
const RESOURCES: &[&str] = &["src", "poster", "longdesc", "usemap", "icon"];

/// The one copy of a name, kept for good: policies come from code, so there are few.
fn intern(name: &str) -> &'static str {
    static NAMES: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut guard = NAMES
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let names = guard.get_or_insert_with(HashSet::new);
    if let Some(known) = names.get(name) {
        return known;
    }
    let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(kept);
    kept
}

fn interned(names: &[String]) -> HashSet<&'static str> {
    names.iter().map(|name| intern(name)).collect()
}

fn plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b':')
        })
}

fn check(policy: &Policy) -> Result<()> {
    let invalid = |text: String| Err(Error::InvalidInput(text));
    let attributes = || {
        policy
            .attributes
            .values()
            .flatten()
            .chain(&policy.generic_attributes)
    };
    for name in policy
        .tags
        .iter()
        .chain(attributes())
        .chain(&policy.styles)
        .chain(policy.attributes.keys())
    {
        if !plain_name(name) {
            return invalid(format!("{name:?} is not a lower-case name"));
        }
    }
    if let Some(tag) = policy
        .tags
        .iter()
        .find(|tag| FORBIDDEN_TAGS.contains(&tag.as_str()))
    {
        return invalid(format!("the element {tag} cannot be made safe"));
    }
    for name in attributes() {
        if name.starts_with("on") || FORBIDDEN_ATTRIBUTES.contains(&name.as_str()) {
            return invalid(format!(
                "the attribute {name} cannot be allowed (style: give CSS properties; rel: set link_rel)"
            ));
        }
        if name == "class" {
            return invalid("classes are allowed by name, not the whole attribute".into());
        }
        if matches!(name.as_str(), "id" | "name")
            && policy.id_prefix.as_deref().is_none_or(str::is_empty)
        {
            return invalid(format!("the attribute {name} needs an id_prefix"));
        }
    }
    if policy.id_prefix.is_some() && attributes().any(|name| name == "name") {
        return invalid("the attribute name cannot be prefixed".into());
    }
    for scheme in &policy.schemes {
        if matches!(
            scheme.as_str(),
            "javascript" | "vbscript" | "data" | "file" | "blob" | "filesystem" | "about"
        ) || !plain_name(scheme)
        {
            return invalid(format!("the URL scheme {scheme:?} cannot be allowed"));
        }
    }
    Ok(())
}

/// A policy made ready. Safe to share between threads.
pub struct Sanitizer {
    builder: Builder<'static>,
    max_bytes: usize,
}

impl std::fmt::Debug for Sanitizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sanitizer")
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

impl Sanitizer {
    /// Checks a policy and makes it ready. Elements and attributes that cannot be made safe are an error.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for elements, attributes and schemes that cannot be made safe, and for names, hosts and
    /// base URLs that are none.
    pub fn new(policy: &Policy) -> Result<Self> {
        check(policy)?;
        let mut builder = Builder::empty();
        let tags = interned(&policy.tags);
        let attributes: HashMap<&'static str, HashSet<&'static str>> = policy
            .attributes
            .iter()
            .filter(|(tag, _)| tags.contains(tag.as_str()))
            .map(|(tag, names)| (intern(tag), interned(names)))
            .collect();
        let classes: HashMap<_, _> = policy
            .classes
            .iter()
            .filter(|(tag, _)| tags.contains(tag.as_str()))
            .map(|(tag, names)| (intern(tag), interned(names)))
            .collect();
        let mut generic = interned(&policy.generic_attributes);
        let styles = interned(&policy.styles);
        if !styles.is_empty() {
            generic.insert("style");
        }
        builder
            .tags(tags)
            // Their content is not text.
            .clean_content_tags(HashSet::from([
                "script", "style", "iframe", "noscript", "template", "title", "textarea", "xmp",
                "noembed", "noframes", "object", "svg", "math",
            ]))
            .tag_attributes(attributes)
            .generic_attributes(generic)
            .allowed_classes(classes)
            .url_schemes(interned(&policy.schemes))
            .link_rel(policy.link_rel.as_deref().map(intern))
            .id_prefix(policy.id_prefix.as_deref().map(intern))
            .strip_comments(true)
            .url_relative(match &policy.relative_urls {
                RelativeUrls::Keep => UrlRelative::PassThrough,
                RelativeUrls::Remove => UrlRelative::Deny,
                RelativeUrls::Resolve(base) => UrlRelative::RewriteWithBase(
                    Url::parse(base)
                        .map_err(|e| Error::InvalidInput(format!("the base URL: {e}")))?,
                ),
            });
        let hosts = |list: &Option<Vec<String>>| -> Result<Option<Vec<String>>> {
            let ascii = |host: &String| {
                // As URLs have it: lower case, other scripts in their ASCII form.
                let parsed = url::Host::parse(host);
                parsed.map(|host| host.to_string()).map_err(|_| {
                    Error::InvalidInput(format!("{host:?} in a list of hosts is not a host"))
                })
            };
            list.as_ref()
                .map(|list| list.iter().map(ascii).collect())
                .transpose()
        };
        let (links, resources) = (hosts(&policy.link_hosts)?, hosts(&policy.resource_hosts)?);
        let schemes = interned(&policy.schemes);
        let addresses = policy
            .attributes
            .values()
            .flatten()
            .chain(&policy.generic_attributes)
            .any(|name| UNCHECKED.contains(&name.as_str()));
        if !styles.is_empty() || links.is_some() || resources.is_some() || addresses {
            builder.attribute_filter(move |_, name, value| {
                if name == "style" {
                    let kept = filter_style(value, &styles);
                    return (!kept.is_empty()).then_some(Cow::Owned(kept));
                }
                if UNCHECKED.contains(&name) {
                    let scheme_fits = match Url::parse(value) {
                        Ok(url) => schemes.contains(url.scheme()),
                        Err(error) => error == url::ParseError::RelativeUrlWithoutBase,
                    };
                    if !scheme_fits {
                        return None;
                    }
                }
                let list = if LINKS.contains(&name) {
                    &links
                } else if RESOURCES.contains(&name) {
                    &resources
                } else {
                    return Some(Cow::Borrowed(value));
                };
                list.as_ref()
                    .is_none_or(|hosts| host_allowed(value, hosts))
                    .then_some(Cow::Borrowed(value))
            });
        }
        Ok(Self {
            builder,
            max_bytes: policy.max_bytes,
        })
    }

    /// The HTML with everything outside of the policy gone; input over the bound is an error.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for HTML over the policy's bound.
    pub fn clean<'a>(&self, html: &'a str) -> Result<Cow<'a, str>> {
        if html.len() > self.max_bytes {
            return Err(Error::LimitExceeded(format!(
                "the HTML is larger than {} bytes",
                self.max_bytes
            )));
        }
        if is_plain(html.as_bytes()) {
            return Ok(Cow::Borrowed(html));
        }
        super::bounds::check(html)?;
        Ok(Cow::Owned(self.builder.clean(html).to_string()))
    }
}

/// True when the text would come out of parser and serialiser as it is: no markup, no character reference, nothing the
/// tokeniser replaces (NUL, CR), no no-break space (serialised by name), no byte order mark.
fn is_plain(bytes: &[u8]) -> bool {
    memchr::memchr3(b'<', b'&', b'>', bytes).is_none()
        && memchr::memchr2(0, b'\r', bytes).is_none()
        && memchr::memchr2(0xC2, 0xEF, bytes).is_none()
}

/// Relative references stay; the host of absolute and network-path ones has to be in the list, or below one in it.
fn host_allowed(value: &str, hosts: &[String]) -> bool {
    // A base with a host of its own tells what browsers make of `//host`, `\\host` and tabs within. `https:host` is a path
    // to pages of the same scheme only.
    ["https://relative.invalid/", "http://relative.invalid/"]
        .iter()
        .all(|base| {
            let Ok(url) = Url::parse(base).and_then(|base| base.join(value)) else {
                return false;
            };
            match url.host_str() {
                Some("relative.invalid") => true,
                Some(host) => hosts.iter().any(|h| {
                    host == h
                        || host
                            .strip_suffix(h.as_str())
                            .is_some_and(|rest| rest.ends_with('.'))
                }),
                None => url.scheme() == "mailto" || url.scheme() == "tel",
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clean(preset: Preset, html: &str) -> String {
        Sanitizer::new(&Policy::preset(preset))
            .unwrap()
            .clean(html)
            .unwrap()
            .into_owned()
    }

    #[test]
    fn presets() {
        assert_eq!(
            clean(Preset::Text, "<b>a</b> &lt; <script>x</script>"),
            "a &lt; "
        );
        assert_eq!(clean(Preset::Inline, "<p><b>a</b></p>"), "<b>a</b>");
        assert_eq!(
            clean(Preset::Comment, "<p onclick=x><b>a</b></p><img src=x>"),
            "<p><b>a</b></p>"
        );
        let link = clean(
            Preset::Article,
            "<a href='javascript:x'>a</a><a href=https://b>b</a><img src=x onerror=y>",
        );
        assert_eq!(
            link,
            "<a rel=\"noopener noreferrer nofollow ugc\">a</a><a href=\"https://b\" rel=\"noopener noreferrer nofollow ugc\">b</a><img src=\"x\">"
        );
    }

    #[test]
    fn known_bypasses() {
        for html in [
            "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
            "<svg><p><style><img src=x onerror=alert(1)></style></p></svg>",
            "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
            "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
            "<a href=\"java&#x09;script:alert(1)\">x</a>",
            "<a href=\"\u{1}javascript:alert(1)\">x</a>",
            "<img src=x onerror\n=alert(1)>",
            "<scr<script>ipt>alert(1)</script>",
            "<iframe srcdoc=\"<script>alert(1)</script>\">",
            "<template><script>alert(1)</script></template>",
            "<xmp><img src=x onerror=alert(1)></xmp>",
            "<textarea><img title=\"</textarea><img src=x onerror=alert(1)>\">",
            "<!--><img src=x onerror=alert(1)>-->",
            "<a style='x:expression(alert(1))'>",
        ] {
            let out = clean(Preset::Article, html).to_lowercase();
            assert!(
                !out.contains("onerror=")
                    && !out.contains("<script")
                    && !out.contains("javascript:")
                    && !out.contains("style="),
                "{html} -> {out}"
            );
            assert_eq!(clean(Preset::Article, &out), out, "not stable: {html}");
        }
    }

    #[test]
    fn policies() {
        let mut policy = Policy::preset(Preset::Article);
        policy.styles = vec!["color".into()];
        policy.link_hosts = Some(vec!["example.org".into()]);
        policy.resource_hosts = Some(vec![]);
        policy.classes = BTreeMap::from([("p".into(), vec!["note".into()])]);
        let sanitizer = Sanitizer::new(&policy).unwrap();
        let clean = |html: &str| sanitizer.clean(html).unwrap().into_owned();
        assert_eq!(
            clean("<p style='color:red;position:fixed' class='note evil'>"),
            "<p style=\"color:red;\" class=\"note\"></p>"
        );
        for (url, kept) in [
            ("https://example.org/x", true),
            ("https://a.example.org", true),
            ("/x", true),
            ("https://example.org.evil", false),
            ("https://evilexample.org", false),
            ("//evil", false),
            ("\\\\evil", false),
            ("https:evil", false),
            ("https:/\\evil", false),
            ("mailto:a@b", true),
        ] {
            assert_eq!(
                clean(&format!("<a href='{url}'>x</a>")).contains("href"),
                kept,
                "{url}"
            );
        }
        assert_eq!(clean("<img src='https://example.org/a'>"), "<img>");
        assert_eq!(clean("<q cite='javascript:x'>a</q>"), "<q>a</q>");
        assert_eq!(clean("<q cite='/x'>a</q>"), "<q cite=\"/x\">a</q>");
        for change in [
            (|p: &mut Policy| p.tags.push("script".into())) as fn(&mut Policy),
            |p| p.tags.push("svg".into()),
            |p| p.tags.push("B".into()),
            |p| p.generic_attributes.push("onclick".into()),
            |p| p.generic_attributes.push("style".into()),
            |p| p.generic_attributes.push("class".into()),
            |p| p.generic_attributes.push("id".into()),
            |p| p.generic_attributes.push("srcdoc".into()),
            |p| p.schemes.push("javascript".into()),
            |p| {
                p.attributes
                    .entry("a".into())
                    .or_default()
                    .push("rel".into())
            },
            |p| p.relative_urls = RelativeUrls::Resolve("not a url".into()),
        ] {
            let mut policy = Policy::preset(Preset::Article);
            change(&mut policy);
            assert!(Sanitizer::new(&policy).is_err());
        }
    }

    #[test]
    fn work_is_bounded() {
        let sanitizer = Sanitizer::new(&Policy::preset(Preset::Article)).unwrap();
        assert!(matches!(
            sanitizer.clean(&"x".repeat((1 << 20) + 1)),
            Err(Error::LimitExceeded(_))
        ));
        let start = std::time::Instant::now();
        for unit in [
            "<b>",
            "<a>",
            "<b><p>",
            "<table>",
            "<div>",
            "<table><tr><td>",
            "<table><b>",
            "<svg><b></svg>",
            "</p>",
            "<",
            "&",
            "&a",
            "<!--",
        ] {
            // Either way is fine, if it is quick.
            let _ = sanitizer.clean(&unit.repeat((1 << 20) / unit.len()));
        }
        assert!(start.elapsed().as_secs() < 300, "{:?}", start.elapsed());
        // Unclosed emphasis is opened anew in every paragraph: 24 kB would become 2 million elements.
        let open: String = (0..500).map(|i| format!("<p><b title={i}>")).collect();
        assert!(matches!(
            sanitizer.clean(&(open + &"<p>x".repeat(4000))),
            Err(Error::LimitExceeded(_))
        ));
        // Sloppy text of a sensible kind passes.
        let sloppy =
            "<p><b>Title<p>text <i>more<br><ul><li>a<li>b</ul><table><tr><td>x<td>y</table>";
        assert!(sanitizer.clean(&sloppy.repeat(2000)).is_ok());
        let nested = "<div>".repeat(300) + &"</div>".repeat(300);
        assert!(sanitizer.clean(&nested.repeat(20)).is_ok());
    }

    proptest! {
        #[test]
        fn output_is_stable_and_has_no_code(html in "(<|>|/|a |b|p |img |script|svg|math|style|title|textarea|noscript|template|table|td|href=|src=|onerror=|javascript:|'|\"|=|x|&lt;|&#|<!--|-->|\\]\\]>| |\n){0,30}") {
            let once = clean(Preset::Article, &html);
            prop_assert!(!once.contains("<script") && !once.contains("<svg") && !once.contains("<style"));
            prop_assert_eq!(clean(Preset::Article, &once), once);
        }

        #[test]
        fn the_shortcut_changes_nothing(text in "\\PC{0,60}|[ -~\u{a0}\u{feff}\r\n\t\0é]{0,40}") {
            let sanitizer = Sanitizer::new(&Policy::preset(Preset::Comment)).unwrap();
            prop_assert_eq!(sanitizer.clean(&text).unwrap().into_owned(), sanitizer.builder.clean(&text).to_string());
        }
    }
}
