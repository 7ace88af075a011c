//! Follows the literal parts of a template and says in which context a value between them lands.
//!
//! A conservative subset of the HTML tokeniser: where it is not sure, the context is one in which values are refused.

use super::script::{Script, Spot};

/// Where a value lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// Text of an element.
    Text,
    /// Text of `title` or `textarea`, which hold no elements.
    RawText,
    /// Attribute value in quotes.
    Attribute,
    /// Start of a URL attribute in quotes.
    UrlStart,
    /// Start of a URL that code, a frame or the base of all others is loaded from (`<script src>`): no foreign value.
    CodeUrlStart,
    /// A URL attribute whose beginning is in the template up to the path, the query or the fragment.
    UrlRest,
    /// A URL attribute after a beginning that does not settle scheme and host (`java{value}`): refuse.
    UrlUnsettled,
    /// Event attribute in quotes.
    ScriptAttribute,
    /// A string literal within an event attribute.
    ScriptAttributeString,
    /// `style` attribute in quotes.
    StyleAttribute,
    /// An attribute that holds JSON, in quotes.
    JsonAttribute,
    /// A string within the JSON of an attribute.
    JsonAttributeString,
    /// An attribute in which a word may be code, but no number is.
    NumberAttribute,
    /// `srcdoc`, `srcset` and the like: refuse.
    OtherAttribute,
    /// Attribute value without quotes: refuse.
    Unquoted,
    /// Within a `script` element.
    Script,
    /// A string literal within a `script` element.
    ScriptString,
    /// A script, in a comment, a template literal, or what may be a regular expression: refuse.
    ScriptUnsure,
    /// Within a `style` element: refuse.
    Style,
    /// Comment, declaration, or an element with raw text: refuse.
    Comment,
    /// Tag name, attribute name, or between attributes: refuse.
    Tag,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum State {
    Text,
    TagOpen,
    TagName,
    BeforeName,
    Name,
    AfterName,
    BeforeValue,
    Value(u8),
    Unquoted,
    Comment,
    Declaration,
    Raw,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tracker {
    state: State,
    closing: bool,
    tag: String,
    name: String,
    value: String,
    /// Element whose raw text we are in.
    raw: String,
    /// Tail of what was read in raw text or a comment, to find its end across parts.
    tail: String,
    /// Where in a script or an event attribute we are.
    script: Script,
    /// Whether the present tag has attributes that say what a `meta` (or, the first, a `link`) is.
    meta: (bool, bool),
    /// The present tag is a `link` that only points somewhere.
    points: bool,
}

impl Default for Tracker {
    fn default() -> Self {
        Self {
            state: State::Text,
            closing: false,
            tag: String::new(),
            name: String::new(),
            value: String::new(),
            raw: String::new(),
            tail: String::new(),
            script: Script::default(),
            meta: (false, false),
            points: false,
        }
    }
}

const URL_ATTRIBUTES: &[&str] = &[
    "href",
    "src",
    "action",
    "formaction",
    "poster",
    "cite",
    "background",
    "longdesc",
    "data",
    "xlink:href",
    "ping",
    "manifest",
    "hx-get",
    "hx-post",
    "hx-put",
    "hx-patch",
    "hx-delete",
    "hx-push-url",
    "hx-replace-url",
];
const OTHER_ATTRIBUTES: &[&str] = &[
    "srcdoc",
    "srcset",
    "imagesrcset",
    "http-equiv",
    "is",
    "integrity",
    "sandbox",
    "attributename",
    "to",
    "from",
    "by",
    "values",
    "classid",
    "codebase",
    "archive",
    "code",
];
/// Beginnings of attributes whose values JavaScript frameworks run as code.
const CODE_PREFIXES: &[&str] = &["@", ":", "x-", "v-", "ng-", "data-ng-", "hx-on", "_"];
/// Those of which the whole name tells it.
const CODE_ATTRIBUTES: &[&str] = &["data-bind", "data-script", "hx-vars", "script"];
/// Those of a language of their own, which has conditions in JavaScript.
const NUMBER_ATTRIBUTES: &[&str] = &["hx-trigger"];
/// Those that are JSON when they begin like it, and code otherwise.
const JSON_ATTRIBUTES: &[&str] = &["hx-headers", "hx-request", "hx-vals"];
/// Elements whose URL attributes load what runs in the page, frames it, or moves all other URLs.
const CODE_ELEMENTS: &[&str] = &[
    "script",
    "link",
    "base",
    "iframe",
    "frame",
    "object",
    "embed",
    "applet",
    "use",
    "portal",
    "fencedframe",
];
/// Kinds of `link` that load no code and no style.
const POINTING: &[&str] = &[
    "alternate",
    "apple-touch-icon",
    "author",
    "canonical",
    "dns-prefetch",
    "help",
    "icon",
    "license",
    "me",
    "next",
    "preconnect",
    "prev",
    "search",
    "shortcut",
];
const RAW_ELEMENTS: &[&str] = &[
    "script",
    "style",
    "title",
    "textarea",
    "xmp",
    "iframe",
    "noembed",
    "noframes",
    "noscript",
    "plaintext",
];

impl Tracker {
    /// Reads a literal part of the template.
    pub fn feed(&mut self, text: &str) {
        for c in text.chars() {
            self.step(c);
        }
    }

    /// To be called for each value, in whose place later parts see an ordinary character.
    pub fn value(&mut self) {
        match self.state {
            State::Value(_) | State::Unquoted => {
                self.value.push('\u{FFFC}');
                self.script.value();
            }
            State::TagName => self.tag.push('\u{FFFC}'),
            State::Name => self.name.push('\u{FFFC}'),
            State::TagOpen => self.state = State::Text,
            State::BeforeValue => self.state = State::Unquoted,
            State::BeforeName | State::AfterName => {
                self.name = "\u{FFFC}".to_owned();
                self.state = State::Name;
            }
            State::Raw => {
                self.tail.clear();
                self.script.value();
            }
            State::Comment => self.tail.clear(),
            State::Text | State::Declaration => {}
        }
    }

    /// The context at this point.
    #[must_use]
    pub fn context(&self) -> Context {
        match self.state {
            State::Text => Context::Text,
            State::TagOpen
            | State::TagName
            | State::BeforeName
            | State::Name
            | State::AfterName => Context::Tag,
            State::BeforeValue | State::Unquoted => Context::Unquoted,
            State::Comment | State::Declaration => Context::Comment,
            // A value could complete the end tag.
            State::Raw
                if self
                    .tail
                    .strip_prefix("</")
                    .is_some_and(|name| self.raw.starts_with(name)) =>
            {
                Context::Tag
            }
            State::Raw => match self.raw.as_str() {
                "script" => match self.script.spot() {
                    Spot::Code => Context::Script,
                    Spot::String => Context::ScriptString,
                    Spot::Unsure => Context::ScriptUnsure,
                },
                "style" => Context::Style,
                "title" | "textarea" => Context::RawText,
                _ => Context::Comment,
            },
            State::Value(_) => self.attribute_context(),
        }
    }

    /// Names this place so that two trackers in places with the same name judge what follows alike.
    #[must_use]
    pub fn place(&self) -> String {
        let mut place = self.clone();
        place.tail = if self.state == State::Raw || self.tail.len() < 4 {
            place.tail
        } else {
            String::new()
        };
        match self.state {
            State::Value(_) => match self.attribute_context() {
                Context::UrlRest => place.value = "/?".to_owned(),
                Context::Attribute | Context::NumberAttribute => place.value.clear(),
                Context::JsonAttribute if !self.value.trim().is_empty() => {
                    place.value = "{".to_owned();
                }
                Context::JsonAttributeString => place.value = "{\"".to_owned(),
                _ => {}
            },
            _ => place.value.clear(),
        }
        if matches!(
            self.state,
            State::Text | State::Raw | State::Comment | State::Declaration
        ) {
            place.name.clear();
            place.tag.clear();
            place.closing = false;
            place.meta = (false, false);
            place.points = false;
        }
        let in_script = self.state == State::Raw && self.raw == "script";
        if !in_script && !matches!(self.state, State::Value(_)) {
            place.script = Script::default();
        }
        if self.state != State::Raw {
            place.raw.clear();
        }
        format!("{place:?}")
    }

    /// True at a place where a template may end: in text, not within a tag, comment or raw element.
    #[must_use]
    pub fn at_rest(&self) -> bool {
        self.state == State::Text
    }

    fn attribute_context(&self) -> Context {
        let name = self.name.as_str();
        let name = name
            .strip_prefix("data-")
            .filter(|name| name.starts_with("hx-"))
            .unwrap_or(name);
        if name.starts_with("on") {
            return match self.script.spot() {
                Spot::Code => Context::ScriptAttribute,
                Spot::String => Context::ScriptAttributeString,
                Spot::Unsure => Context::ScriptUnsure,
            };
        }
        if name == "style" {
            // Within a string, a function that loads, or a block, a plain word could mean anything.
            let declaration = self.value.rsplit(';').next().unwrap_or_default();
            let open = declaration.contains(['"', '\'', '\\', '@', '{', '}', '&'])
                || declaration.contains("/*")
                || declaration.to_ascii_lowercase().contains("url");
            return if open {
                Context::OtherAttribute
            } else {
                Context::StyleAttribute
            };
        }
        if OTHER_ATTRIBUTES.contains(&name)
            || name.contains('\u{FFFC}')
            || CODE_ATTRIBUTES.contains(&name)
            || CODE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || self.tag.contains('\u{FFFC}')
        {
            return Context::OtherAttribute;
        }
        if JSON_ATTRIBUTES.contains(&name) {
            return self.json_context();
        }
        if NUMBER_ATTRIBUTES.contains(&name) {
            return Context::NumberAttribute;
        }
        if name == "content" && self.tag == "meta" {
            // `http-equiv` makes an address or a policy of it; with a name it is text.
            return if self.meta == (true, false) {
                Context::Attribute
            } else {
                Context::OtherAttribute
            };
        }
        if URL_ATTRIBUTES.contains(&name) && !(name == "data" && self.tag != "object") {
            return self.url_context();
        }
        Context::Attribute
    }

    fn json_context(&self) -> Context {
        let begun = self.value.replace("&quot;", "\"").replace("&#34;", "\"");
        let begun = begun.trim_start();
        // Other character references may be quotes, too, and what does not begin as JSON may be code.
        if !(begun.is_empty() || begun.starts_with('{')) || begun.contains('&') {
            return Context::OtherAttribute;
        }
        let (mut within, mut escaped) = (false, false);
        for c in begun.chars() {
            within ^= c == '"' && !escaped;
            escaped = within && c == '\\' && !escaped;
        }
        if escaped {
            Context::OtherAttribute
        } else if within {
            Context::JsonAttributeString
        } else {
            Context::JsonAttribute
        }
    }

    fn url_context(&self) -> Context {
        // Browsers drop tabs and line breaks anywhere, spaces and controls in front, and take `\` for `/`.
        let mut written = self
            .value
            .replace(['\t', '\n', '\r'], "")
            .replace('\\', "/");
        let spaces = written.len() - written.trim_start_matches(|c: char| c <= ' ').len();
        written.drain(..spaces);
        if written.is_empty() {
            return if CODE_ELEMENTS.contains(&self.tag.as_str()) && !self.points {
                Context::CodeUrlStart
            } else {
                Context::UrlStart
            };
        }
        let lower = written.to_ascii_lowercase();
        if lower.starts_with("mailto:") || lower.starts_with("tel:") {
            return Context::UrlRest;
        }
        // A character reference or a value could stand for anything, a colon included.
        let open = |part: &str| part.contains(['&', '\u{FFFC}']);
        let network = ["http://", "https://", "//"]
            .iter()
            .find_map(|start| lower.strip_prefix(start));
        let settled = match network {
            // The host has to end within the template: `https://example.org{value}` could be any other.
            Some(rest) => rest.find(['/', '?', '#']).is_some_and(|end| {
                let host = &rest[..end];
                !host.is_empty() && !open(host)
            }),
            None => lower.find(['/', '?', '#']).is_some_and(|end| {
                let (before, after) = lower.split_at(end);
                // A second slash would make a host of what follows.
                let host_next = after.strip_prefix('/').is_some_and(|rest| {
                    end == 0
                        && rest
                            .chars()
                            .next()
                            .is_none_or(|c| matches!(c, '/' | '&' | '\u{FFFC}'))
                });
                !open(before) && !before.contains(':') && !host_next
            }),
        };
        if settled {
            Context::UrlRest
        } else {
            Context::UrlUnsettled
        }
    }

    fn step(&mut self, c: char) {
        match self.state {
            State::Text => {
                if c == '<' {
                    self.state = State::TagOpen;
                    self.tag.clear();
                    self.closing = false;
                }
            }
            State::TagOpen => match c {
                '/' if !self.closing => self.closing = true,
                '!' if !self.closing => {
                    self.state = State::Declaration;
                    self.tail.clear();
                }
                '?' => self.state = State::Declaration,
                'a'..='z' | 'A'..='Z' => {
                    self.tag.push(c.to_ascii_lowercase());
                    self.meta = (false, false);
                    self.points = false;
                    self.state = State::TagName;
                }
                '<' => self.closing = false,
                '>' if self.closing => self.state = State::Text,
                // `</` and anything else starts a comment that ends at `>`.
                _ if self.closing => self.state = State::Declaration,
                _ => self.state = State::Text,
            },
            State::TagName => match c {
                '>' => self.end_tag(),
                '/' => self.state = State::BeforeName,
                _ if c.is_ascii_whitespace() => self.state = State::BeforeName,
                _ => self.tag.push(c.to_ascii_lowercase()),
            },
            State::BeforeName => match c {
                '>' => self.end_tag(),
                '/' => {}
                _ if c.is_ascii_whitespace() => {}
                _ => {
                    self.name = c.to_ascii_lowercase().to_string();
                    self.state = State::Name;
                }
            },
            State::Name => match c {
                '>' => self.end_tag(),
                '/' => self.state = State::BeforeName,
                '=' => self.state = State::BeforeValue,
                _ if c.is_ascii_whitespace() => self.state = State::AfterName,
                _ => self.name.push(c.to_ascii_lowercase()),
            },
            State::AfterName => match c {
                '>' => self.end_tag(),
                '/' => self.state = State::BeforeName,
                '=' => self.state = State::BeforeValue,
                _ if c.is_ascii_whitespace() => {}
                _ => {
                    self.name = c.to_ascii_lowercase().to_string();
                    self.state = State::Name;
                }
            },
            State::BeforeValue => match c {
                '"' | '\'' => {
                    self.start_value();
                    self.state = State::Value(c as u8);
                }
                '>' => self.end_tag(),
                _ if c.is_ascii_whitespace() => {}
                _ => {
                    self.start_value();
                    self.value.push(c);
                    self.state = State::Unquoted;
                }
            },
            State::Value(quote) => {
                if c == quote as char {
                    self.end_value();
                    self.state = State::BeforeName;
                } else {
                    self.value.push(c);
                    if self.name.starts_with("on") {
                        self.script.step(c, true);
                    }
                }
            }
            State::Unquoted => match c {
                '>' => self.end_tag(),
                _ if c.is_ascii_whitespace() => {
                    self.end_value();
                    self.state = State::BeforeName;
                }
                _ => self.value.push(c),
            },
            State::Declaration => {
                self.tail.push(c);
                if self.tail == "--" {
                    self.state = State::Comment;
                    self.tail.clear();
                } else if c == '>' {
                    self.state = State::Text;
                }
            }
            State::Comment => {
                self.tail.push(c);
                // `<!-->` and `<!--->` are whole comments for a browser.
                let ends = self.tail.ends_with("-->")
                    || self.tail.ends_with("--!>")
                    || self.tail == ">"
                    || self.tail == "->";
                if ends {
                    self.state = State::Text;
                } else if self.tail.len() > 64 {
                    let mut cut = self.tail.len() - 8;
                    while !self.tail.is_char_boundary(cut) {
                        cut += 1;
                    }
                    // The marker keeps the short forms above from matching later.
                    self.tail = format!("\u{FFFC}{}", &self.tail[cut..]);
                }
            }
            State::Raw => {
                if self.raw == "plaintext" {
                    return;
                }
                if self.raw == "script" {
                    self.script.step(c, false);
                }
                if c == '<' {
                    self.tail.clear();
                }
                if self.tail.len() < 16 {
                    self.tail.push(c.to_ascii_lowercase());
                }
                // Behind `<!--`, a second start tag makes the next end tag end that one only: too odd to follow.
                if self.raw == "script"
                    && self.tail == "<script"
                    && self.script.spot() == Spot::Unsure
                {
                    self.raw = "plaintext".to_owned();
                    return;
                }
                if let Some(rest) = self
                    .tail
                    .strip_prefix("</")
                    .and_then(|rest| rest.strip_prefix(self.raw.as_str()))
                    && let Some(next) = rest.chars().next()
                    && rest.chars().count() == 1
                {
                    self.closing = true;
                    self.tag = self.raw.clone();
                    match next {
                        '>' => self.end_tag(),
                        '/' | ' ' | '\t' | '\n' | '\r' | '\u{c}' => self.state = State::BeforeName,
                        _ => {}
                    }
                }
            }
        }
    }

    fn start_value(&mut self) {
        self.value.clear();
        self.script = Script::default();
        match self.name.as_str() {
            "name" | "property" | "itemprop" => self.meta.0 = true,
            "http-equiv" => self.meta.1 = true,
            _ => {}
        }
    }

    fn end_value(&mut self) {
        if self.name == "rel" && self.tag == "link" {
            let mut words = self.value.split_ascii_whitespace().peekable();
            // Of two, browsers take the first; here neither counts.
            let first = !std::mem::replace(&mut self.meta.0, true);
            self.points = first
                && words.peek().is_some()
                && words.all(|word| {
                    POINTING
                        .iter()
                        .any(|known| word.eq_ignore_ascii_case(known))
                });
        }
    }

    fn end_tag(&mut self) {
        self.tail.clear();
        if !self.closing && RAW_ELEMENTS.contains(&self.tag.as_str()) {
            self.raw = std::mem::take(&mut self.tag);
            self.script = Script::default();
            self.state = State::Raw;
        } else {
            self.state = State::Text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn context(before: &str) -> Context {
        let mut tracker = Tracker::default();
        for (index, part) in before.split('@').enumerate() {
            if index > 0 {
                tracker.value();
            }
            tracker.feed(part);
        }
        tracker.context()
    }

    #[test]
    fn contexts() {
        use Context as C;
        for (before, want) in [
            ("", C::Text),
            ("a < b ", C::Text),
            ("<p>", C::Text),
            ("<p class=\"", C::Attribute),
            ("<p class = '", C::Attribute),
            ("<p class=", C::Unquoted),
            ("<p class=x", C::Unquoted),
            ("<p ", C::Tag),
            ("<", C::Tag),
            ("<p title='@' ", C::Tag),
            ("<a href=\"", C::UrlStart),
            ("<a href=\"/search?q=", C::UrlRest),
            ("<a href=\"https://example.org/", C::UrlRest),
            ("<a href=\"https://example.org", C::UrlUnsettled),
            ("<a href=\"https://example.org?", C::UrlRest),
            ("<a href=\"https:/", C::UrlUnsettled),
            ("<a href=\"https:a/", C::UrlUnsettled),
            ("<a href=\"//example.org", C::UrlUnsettled),
            ("<a href=\"//example.org/", C::UrlRest),
            ("<a href=\"https://@/", C::UrlUnsettled),
            ("<a href=\"https://a&#46;", C::UrlUnsettled),
            ("<a href=\"\n /", C::UrlUnsettled),
            ("<a href=\"/\t", C::UrlUnsettled),
            ("<a href=\"/\\", C::UrlUnsettled),
            ("<a href=\"/&sol;", C::UrlUnsettled),
            ("<a href=\"/@", C::UrlUnsettled),
            ("<a href=\"/a", C::UrlRest),
            ("<a href=\"#", C::UrlRest),
            ("<script src=\"", C::CodeUrlStart),
            ("<script src='/static/", C::UrlRest),
            ("<link href='", C::CodeUrlStart),
            ("<link rel=canonical href='", C::UrlStart),
            ("<link rel='shortcut icon' href='", C::UrlStart),
            ("<link rel='alternate stylesheet' href='", C::CodeUrlStart),
            ("<link rel=icon rel=stylesheet href='", C::CodeUrlStart),
            ("<link rel=stylesheet rel=icon href='", C::CodeUrlStart),
            ("<link rel='@' href='", C::CodeUrlStart),
            ("<script rel=icon src='", C::CodeUrlStart),
            ("<meta name=a content='", C::Attribute),
            ("<meta content='", C::OtherAttribute),
            (
                "<meta name=a http-equiv=refresh content='",
                C::OtherAttribute,
            ),
            ("<p @click='", C::OtherAttribute),
            ("<p x-data='", C::OtherAttribute),
            ("<p data-ng-init='", C::OtherAttribute),
            ("<p data-bind='text: ", C::OtherAttribute),
            ("<p data-binding='", C::Attribute),
            ("<p data-x='", C::Attribute),
            ("<p hx-vals='", C::JsonAttribute),
            ("<p hx-vals='js:", C::OtherAttribute),
            ("<p hx-vals='{&#x22;a&#x22;: \"", C::OtherAttribute),
            ("<p hx-vals=\"{&quot;a&quot;: ", C::JsonAttribute),
            ("<p hx-vals='{\"a\\\\\": ", C::JsonAttribute),
            ("<p hx-vals='{\"a\\\"", C::JsonAttributeString),
            ("<p hx-vals='{\"a\\", C::OtherAttribute),
            ("<p data-hx-vals=' js:{", C::OtherAttribute),
            ("<p hx-headers=' {\"x\": \"", C::JsonAttributeString),
            ("<p hx-trigger='click[", C::NumberAttribute),
            ("<p data-script='", C::OtherAttribute),
            ("<p data-hx-on:click='", C::OtherAttribute),
            ("<p hx-get=\"", C::UrlStart),
            ("<p data-hx-post=\"/notes/x", C::UrlRest),
            ("<p hx-target=\"", C::Attribute),
            ("<p@ title='", C::OtherAttribute),
            ("<p style='color:", C::StyleAttribute),
            ("<p style='background: url(", C::OtherAttribute),
            ("<p style='content: \"", C::OtherAttribute),
            ("<a onclick='f(", C::ScriptAttribute),
            ("<a onclick='f(\"", C::ScriptAttributeString),
            ("<a onclick='f(&quot;", C::ScriptUnsure),
            ("<script>let a = \"", C::ScriptString),
            ("<script>let a = `", C::ScriptUnsure),
            ("<script><!--<script></script>", C::Comment),
            ("<script><!-- x --></script>", C::Text),
            ("<script>/*/ ", C::ScriptUnsure),
            ("<script>x</script", C::Tag),
            ("<title>x</title", C::Tag),
            ("<a href=\"https://", C::UrlUnsettled),
            ("<a href=\"//", C::UrlUnsettled),
            ("<a href=\"/", C::UrlUnsettled),
            ("<a href=\"java", C::UrlUnsettled),
            ("<a href=\"javascript:/", C::UrlUnsettled),
            ("<a href=\"java&Tab;script&colon;/", C::UrlUnsettled),
            ("<a href=\"@/", C::UrlUnsettled),
            ("<a href=\"mailto:", C::UrlRest),
            ("<a OnClick='", C::ScriptAttribute),
            ("<a style='", C::StyleAttribute),
            ("<iframe srcdoc='", C::OtherAttribute),
            ("<a @='", C::OtherAttribute),
            ("<script>", C::Script),
            ("<script>if (a < b) ", C::Script),
            ("<script>x</script>", C::Text),
            ("<script>x</scriptx>", C::ScriptUnsure),
            ("<script>x</scriptx>\n", C::Script),
            ("<script>x</script >", C::Text),
            ("<SCRIPT type=x>", C::Script),
            ("<style>", C::Style),
            ("<title>", C::RawText),
            ("<title><b x='", C::RawText),
            ("<!-- ", C::Comment),
            ("<!-- a -->", C::Text),
            ("<!-->", C::Text),
            ("<!doctype html>", C::Text),
            ("<noscript>", C::Comment),
            ("</p class='", C::Attribute),
            ("<p a=\"x\"b='", C::Attribute),
            ("<script", C::Tag),
        ] {
            assert_eq!(context(before), want, "{before:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text(parts in prop::collection::vec("(<|>|/|!|--|a|script|title| |=|'|\"|href|\\PC){0,12}", 0..6)) {
            let mut tracker = Tracker::default();
            for part in &parts {
                tracker.feed(part);
                let _ = tracker.context();
                tracker.value();
            }
            // Fed in one piece or character by character, the outcome is the same.
            let text = parts.concat();
            let (mut whole, mut pieces) = (Tracker::default(), Tracker::default());
            whole.feed(&text);
            text.chars().for_each(|c| pieces.feed(c.encode_utf8(&mut [0; 4])));
            prop_assert_eq!(whole.context(), pieces.context());
        }
    }
}
