//! Follows the literal parts of a template and says in which context a value between them lands.
//!
//! A conservative subset of the HTML tokeniser: where it is not sure, the context is one in which values are refused.

/// Where a value lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// Text of an element, `title` and `textarea` included.
    Text,
    /// Attribute value in quotes.
    Attribute,
    /// Start of a URL attribute in quotes.
    UrlStart,
    /// A URL attribute whose beginning is in the template up to the path, the query or the fragment.
    UrlRest,
    /// A URL attribute after a beginning that does not settle the scheme (`java{value}`): refuse.
    UrlUnsettled,
    /// Event attribute in quotes.
    ScriptAttribute,
    /// `style` attribute in quotes.
    StyleAttribute,
    /// `srcdoc`, `srcset` and the like: refuse.
    OtherAttribute,
    /// Attribute value without quotes: refuse.
    Unquoted,
    /// Within a `script` element.
    Script,
    /// Within a `style` element: refuse.
    Style,
    /// Comment, declaration, or an element with raw text: refuse.
    Comment,
    /// Tag name, attribute name, or between attributes: refuse.
    Tag,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone)]
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
];
const OTHER_ATTRIBUTES: &[&str] = &[
    "srcdoc",
    "srcset",
    "imagesrcset",
    "http-equiv",
    "content",
    "is",
    "integrity",
    "sandbox",
    "attributename",
    "to",
    "from",
    "values",
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
            State::Value(_) | State::Unquoted => self.value.push('\u{FFFC}'),
            State::TagName => self.tag.push('\u{FFFC}'),
            State::Name => self.name.push('\u{FFFC}'),
            State::TagOpen => self.state = State::Text,
            State::BeforeValue => self.state = State::Unquoted,
            State::BeforeName | State::AfterName => {
                self.name = "\u{FFFC}".to_owned();
                self.state = State::Name;
            }
            State::Raw | State::Comment => self.tail.clear(),
            State::Text | State::Declaration => {}
        }
    }

    /// The context at this point.
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
            State::Raw => match self.raw.as_str() {
                "script" => Context::Script,
                "style" => Context::Style,
                "title" | "textarea" => Context::Text,
                _ => Context::Comment,
            },
            State::Value(_) => self.attribute_context(),
        }
    }

    /// True at a place where a template may end: in text, not within a tag, comment or raw element.
    pub fn at_rest(&self) -> bool {
        self.state == State::Text
    }

    fn attribute_context(&self) -> Context {
        let name = self.name.as_str();
        if name.starts_with("on") {
            return Context::ScriptAttribute;
        }
        if name == "style" {
            return Context::StyleAttribute;
        }
        if OTHER_ATTRIBUTES.contains(&name) || name.contains('\u{FFFC}') {
            return Context::OtherAttribute;
        }
        if URL_ATTRIBUTES.contains(&name) {
            let written = self.value.trim_start();
            if written.is_empty() {
                return Context::UrlStart;
            }
            // A character reference could stand for anything, a colon included.
            let settled = written.find(['/', '?', '#']).is_some_and(|end| {
                let before = &written[..end];
                !before.contains(['&', '\u{FFFC}'])
                    && before.split_once(':').is_none_or(|(scheme, _)| matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https"))
                    // `https://{host}` and `//{host}` would let a value choose the host.
                    && !written.ends_with("//")
                    && !written.ends_with('\\')
                    && written != "/"
            });
            let mailto = ["mailto:", "tel:"]
                .iter()
                .any(|s| written.to_ascii_lowercase().starts_with(s));
            return if settled || mailto {
                Context::UrlRest
            } else {
                Context::UrlUnsettled
            };
        }
        Context::Attribute
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
                    self.value.clear();
                    self.state = State::Value(c as u8);
                }
                '>' => self.end_tag(),
                _ if c.is_ascii_whitespace() => {}
                _ => {
                    self.value = c.to_string();
                    self.state = State::Unquoted;
                }
            },
            State::Value(quote) => {
                if c == quote as char {
                    self.state = State::BeforeName;
                } else {
                    self.value.push(c);
                }
            }
            State::Unquoted => match c {
                '>' => self.end_tag(),
                _ if c.is_ascii_whitespace() => self.state = State::BeforeName,
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
                if c == '<' {
                    self.tail.clear();
                }
                if self.tail.len() < 16 {
                    self.tail.push(c.to_ascii_lowercase());
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

    fn end_tag(&mut self) {
        self.tail.clear();
        if !self.closing && RAW_ELEMENTS.contains(&self.tag.as_str()) {
            self.raw = std::mem::take(&mut self.tag);
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
            ("<script>x</scriptx>", C::Script),
            ("<script>x</script >", C::Text),
            ("<SCRIPT type=x>", C::Script),
            ("<style>", C::Style),
            ("<title>", C::Text),
            ("<title><b x='", C::Text),
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
