//! Where in an HTML document a position lies.
//!
//! A state machine over the tokenizer states of the HTML standard (section 13.2.5), reduced to
//! what decides how output has to be escaped, with a small one for scripts inside. The kept HTML
//! tokenizers hand out tokens: they tell neither how an attribute value is quoted nor where in
//! it a hole lies, and have no notion of a text with holes.

/// The place of an interpolation in the HTML around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HtmlContext {
    /// Between tags, also in `<title>` and `<textarea>`.
    Text,
    /// In a quoted attribute value.
    Attribute {
        /// Lower-case name.
        name: String,
        /// `"` or `'`.
        quote: char,
    },
    /// In an attribute value without quotes.
    UnquotedAttribute {
        /// Lower-case name.
        name: String,
    },
    /// In a quoted attribute value that is an address.
    UrlAttribute {
        /// Lower-case name.
        name: String,
        /// `"` or `'`.
        quote: char,
        /// Whether nothing stands before it, so that it decides about the scheme.
        at_start: bool,
        /// Whether the browser runs a `javascript:` address or a script from there.
        runs_script: bool,
    },
    /// In the value of an attribute such as `onclick`.
    EventHandler {
        /// Lower-case name.
        name: String,
        /// The quote of the attribute, if it has one.
        quote: Option<char>,
        /// The quote of the string of JavaScript it stands in.
        string: Option<char>,
    },
    /// In a string within a `<script>`; the quote can be a backtick.
    ScriptString {
        /// `"`, `'` or a backtick.
        quote: char,
    },
    /// Elsewhere in a `<script>`.
    Script,
    /// In a `<style>` or a `style` attribute.
    Style,
    /// In an HTML comment, or a comment in a script.
    Comment,
    /// In the name of a tag.
    TagName,
    /// Within a tag, where attributes stand.
    AttributeName,
    /// In a `srcdoc` attribute, which holds a document of its own.
    Document,
}

/// A `<form>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// The text of `method`, in lower case; `get` when there is none.
    pub method: String,
    /// The text of `action`, without what is interpolated.
    pub action: String,
    /// Whether a token against cross-site request forgery stands inside.
    pub has_csrf_token: bool,
    /// Whether there is a field for a password.
    pub has_password: bool,
    /// The 1-based line of the tag.
    pub line: usize,
    /// The byte range of the opening tag.
    pub range: std::ops::Range<usize>,
}

/// A subresource or form target with an `http:` address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleartextUrl {
    /// Lower-case name of the tag.
    pub tag: String,
    /// Lower-case name of the attribute.
    pub attribute: String,
    /// The address, up to the first interpolation.
    pub url: String,
    /// The 1-based line of the tag's end.
    pub line: usize,
    /// The byte range of the tag.
    pub range: std::ops::Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Data,
    TagOpen,
    TagName,
    BeforeAttribute,
    AttributeName,
    AfterAttributeName,
    BeforeValue,
    Value(Option<u8>),
    Comment,
    Bogus,
    /// Up to the end tag of this kind.
    Raw(Raw),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Raw {
    Script,
    /// `<script type="text/template">` and the like.
    Inert,
    Style,
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Js {
    Code,
    String(u8),
    LineComment,
    BlockComment,
    Regex { class: bool },
}

/// The state of a script: what the position is in, and the last significant byte of code, which
/// tells a division from a regular expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Script {
    js: Js,
    last: u8,
    escaped: bool,
}

impl Script {
    const START: Script = Script {
        js: Js::Code,
        last: b';',
        escaped: false,
    };

    fn byte(&mut self, c: u8, next: Option<u8>) {
        if self.escaped {
            self.escaped = false;
            return;
        }
        match self.js {
            Js::Code => match c {
                b'"' | b'\'' | b'`' => self.js = Js::String(c),
                b'/' if next == Some(b'/') => self.js = Js::LineComment,
                b'/' if next == Some(b'*') => {
                    self.js = Js::BlockComment;
                    self.last = 0;
                }
                b'/' if b"(,=:[!&|?{};+-*%<>~^".contains(&self.last) => {
                    self.js = Js::Regex { class: false }
                }
                c if c.is_ascii_whitespace() => {}
                c => self.last = c,
            },
            Js::String(quote) => match c {
                b'\\' => self.escaped = true,
                b'\n' if quote != b'`' => self.js = Js::Code,
                c if c == quote => {
                    self.js = Js::Code;
                    self.last = quote;
                }
                _ => {}
            },
            Js::LineComment => {
                if c == b'\n' {
                    self.js = Js::Code;
                }
            }
            Js::BlockComment => {
                if self.last == b'*' && c == b'/' {
                    self.js = Js::Code;
                    self.last = b';';
                } else {
                    // The star that opened the comment does not close it.
                    self.last = if c == b'*' && self.last != 0 { b'*' } else { 1 };
                }
            }
            Js::Regex { class } => match c {
                b'\\' => self.escaped = true,
                b'\n' => self.js = Js::Code,
                b'[' => self.js = Js::Regex { class: true },
                b']' => self.js = Js::Regex { class: false },
                b'/' if !class => {
                    self.js = Js::Code;
                    self.last = b'/';
                }
                _ => {}
            },
        }
    }

    fn string(self) -> Option<char> {
        if let Js::String(quote) = self.js {
            Some(quote as char)
        } else {
            None
        }
    }
}

/// Where the machine stands; saved at a branch and restored at the next one.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    state: State,
    tag: String,
    closing: bool,
    attribute: String,
    value: String,
    /// Whether the value begins with a hole.
    hole: bool,
    attributes: Vec<(String, String)>,
    script: Script,
    tag_start: usize,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Html {
    place: Place,
    pub(crate) forms: Vec<Form>,
    pub(crate) cleartext: Vec<CleartextUrl>,
    /// Where the bodies of scripts that stand in the page begin and end.
    pub(crate) scripts: Vec<std::ops::Range<usize>>,
    open_form: Option<usize>,
}

/// Names and values are kept up to this length.
const MAX_KEPT: usize = 200;

impl Html {
    pub(crate) fn new() -> Self {
        Html {
            place: Place {
                state: State::Data,
                tag: String::new(),
                closing: false,
                attribute: String::new(),
                value: String::new(),
                hole: false,
                attributes: Vec::new(),
                script: Script::START,
                tag_start: 0,
            },
            forms: Vec::new(),
            cleartext: Vec::new(),
            scripts: Vec::new(),
            open_form: None,
        }
    }

    pub(crate) fn save(&self) -> Place {
        self.place.clone()
    }

    pub(crate) fn restore(&mut self, place: Place) {
        self.place = place;
    }

    /// Notes a token against cross-site request forgery.
    pub(crate) fn csrf_token(&mut self) {
        if let Some(form) = self.open_form {
            self.forms[form].has_csrf_token = true;
        }
    }

    /// Reads a piece of text that begins at this offset of the template.
    pub(crate) fn text(&mut self, text: &str, offset: usize, line_of: &dyn Fn(usize) -> usize) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let c = bytes[at];
            let rest = &bytes[at..];
            match self.place.state {
                State::Data => {
                    if c != b'<' {
                        // The next tag, at once.
                        at += rest.iter().position(|c| *c == b'<').unwrap_or(rest.len());
                        continue;
                    }
                    if rest.starts_with(b"<!--") {
                        self.place.state = State::Comment;
                        at += 4;
                        continue;
                    }
                    match rest.get(1) {
                        Some(b'!' | b'?') => self.place.state = State::Bogus,
                        Some(c) if c.is_ascii_alphabetic() || *c == b'/' => {
                            self.open_tag(offset + at)
                        }
                        None => self.open_tag(offset + at),
                        _ => {}
                    }
                }
                State::TagOpen => match c {
                    b'/' if !self.place.closing => self.place.closing = true,
                    c if c.is_ascii_alphabetic() => {
                        self.place.state = State::TagName;
                        continue;
                    }
                    _ => {
                        self.place.state = State::Data;
                        continue;
                    }
                },
                State::TagName => match c {
                    c if c.is_ascii_whitespace() || c == b'/' => {
                        self.place.state = State::BeforeAttribute
                    }
                    b'>' => self.close_tag(offset + at + 1, line_of),
                    c => keep(&mut self.place.tag, c.to_ascii_lowercase()),
                },
                State::BeforeAttribute => match c {
                    c if c.is_ascii_whitespace() || c == b'/' => {}
                    b'>' => self.close_tag(offset + at + 1, line_of),
                    _ => {
                        self.place.attribute.clear();
                        self.place.value.clear();
                        self.place.hole = false;
                        self.place.state = State::AttributeName;
                        continue;
                    }
                },
                State::AttributeName => match c {
                    c if c.is_ascii_whitespace() || c == b'/' => {
                        self.place.state = State::AfterAttributeName
                    }
                    b'>' => self.close_tag(offset + at + 1, line_of),
                    b'=' => self.place.state = State::BeforeValue,
                    c => keep(&mut self.place.attribute, c.to_ascii_lowercase()),
                },
                State::AfterAttributeName => match c {
                    c if c.is_ascii_whitespace() => {}
                    b'=' => self.place.state = State::BeforeValue,
                    b'>' => self.close_tag(offset + at + 1, line_of),
                    _ => {
                        self.attribute_done();
                        self.place.state = State::BeforeAttribute;
                        continue;
                    }
                },
                State::BeforeValue => match c {
                    c if c.is_ascii_whitespace() => {}
                    b'"' | b'\'' => self.begin_value(Some(c)),
                    b'>' => self.close_tag(offset + at + 1, line_of),
                    _ => {
                        self.begin_value(None);
                        continue;
                    }
                },
                State::Value(quote) => {
                    let ends = match quote {
                        Some(quote) => c == quote,
                        None => c.is_ascii_whitespace() || c == b'>',
                    };
                    if ends {
                        self.attribute_done();
                        if c == b'>' && quote.is_none() {
                            self.close_tag(offset + at + 1, line_of);
                        } else {
                            self.place.state = State::BeforeAttribute;
                        }
                    } else {
                        keep(&mut self.place.value, c);
                        if self.place.attribute.starts_with("on") {
                            self.place.script.byte(c, rest.get(1).copied());
                        }
                    }
                }
                State::Comment => {
                    if rest.starts_with(b"-->") {
                        self.place.state = State::Data;
                        at += 3;
                        continue;
                    }
                }
                State::Bogus => {
                    if c == b'>' {
                        self.place.state = State::Data;
                    }
                }
                State::Raw(raw) => {
                    if c == b'<' && rest.get(1) == Some(&b'/') && self.ends_raw(&rest[2..]) {
                        if let (Raw::Script, Some(script)) = (raw, self.scripts.last_mut()) {
                            script.end = script.end.min(offset + at);
                        }
                        self.open_tag(offset + at);
                    } else if raw == Raw::Script {
                        self.place.script.byte(c, rest.get(1).copied());
                    }
                }
            }
            at += 1;
        }
    }

    /// Whether the name of the open raw-text element follows.
    fn ends_raw(&self, rest: &[u8]) -> bool {
        let tag = self.place.tag.as_bytes();
        rest.len() >= tag.len()
            && rest[..tag.len()].eq_ignore_ascii_case(tag)
            && rest
                .get(tag.len())
                .is_none_or(|c| c.is_ascii_whitespace() || matches!(c, b'>' | b'/'))
    }

    fn open_tag(&mut self, offset: usize) {
        self.place.state = State::TagOpen;
        self.place.tag.clear();
        self.place.attributes.clear();
        self.place.attribute.clear();
        self.place.value.clear();
        self.place.closing = false;
        self.place.tag_start = offset;
    }

    fn begin_value(&mut self, quote: Option<u8>) {
        self.place.state = State::Value(quote);
        self.place.value.clear();
        self.place.hole = false;
        self.place.script = Script::START;
    }

    fn attribute_done(&mut self) {
        if !self.place.attribute.is_empty() && self.place.attributes.len() < 100 {
            let name = std::mem::take(&mut self.place.attribute);
            let mut value = std::mem::take(&mut self.place.value);
            if self.place.hole {
                value.insert(0, HOLE);
            }
            self.place.attributes.push((name, value));
        }
        self.place.attribute.clear();
        self.place.value.clear();
        self.place.hole = false;
    }

    fn close_tag(&mut self, end: usize, line_of: &dyn Fn(usize) -> usize) {
        self.attribute_done();
        self.place.state = State::Data;
        let tag = self.place.tag.clone();
        if self.place.closing {
            if tag == "form" {
                self.open_form = None;
            }
            return;
        }
        let range = self.place.tag_start..end;
        let attributes = std::mem::take(&mut self.place.attributes);
        let attribute = |name: &str| {
            attributes
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, v)| v.trim().to_string())
        };
        match tag.as_str() {
            "form" => {
                let visible = |text: String| text.replace(HOLE, "");
                self.forms.push(Form {
                    method: attribute("method")
                        .map_or_else(|| "get".into(), |m| visible(m).to_ascii_lowercase()),
                    action: visible(attribute("action").unwrap_or_default()),
                    has_csrf_token: false,
                    has_password: false,
                    line: line_of(range.start),
                    range: range.clone(),
                });
                self.open_form = Some(self.forms.len() - 1);
            }
            "input" => {
                if attribute("type").is_some_and(|t| t.eq_ignore_ascii_case("password"))
                    && let Some(form) = self.open_form
                {
                    self.forms[form].has_password = true;
                }
                if attribute("name").is_some_and(|name| names_csrf(&name)) {
                    self.csrf_token();
                }
            }
            "script" => {
                let kind = attribute("type").unwrap_or_default().to_ascii_lowercase();
                let runs = kind.is_empty()
                    || kind == "module"
                    || kind.contains("script")
                    || kind.contains("json");
                self.place.state = State::Raw(if runs { Raw::Script } else { Raw::Inert });
                self.place.script = Script::START;
                if runs && !kind.contains("json") && attribute("src").is_none() {
                    self.scripts.push(end..usize::MAX);
                }
            }
            "style" => self.place.state = State::Raw(Raw::Style),
            "textarea" | "title" => self.place.state = State::Raw(Raw::Text),
            _ => {}
        }
        for (name, value) in &attributes {
            let loads = matches!(
                (tag.as_str(), name.as_str()),
                (
                    "script" | "iframe" | "img" | "audio" | "video" | "source" | "embed" | "track",
                    "src"
                ) | ("form", "action")
                    | ("object", "data")
            ) || (tag == "link"
                && name == "href"
                && attribute("rel")
                    .is_some_and(|rel| !rel.contains("canonical") && !rel.contains("profile")));
            if loads
                && value
                    .trim_start()
                    .to_ascii_lowercase()
                    .starts_with("http://")
                && self.cleartext.len() < 1000
            {
                self.cleartext.push(CleartextUrl {
                    tag: tag.clone(),
                    attribute: name.clone(),
                    url: value.trim().to_string(),
                    line: line_of(range.start),
                    range: range.clone(),
                });
            }
        }
    }

    /// The context of an interpolation here; the machine goes on as if it had output a text.
    pub(crate) fn hole(&mut self) -> HtmlContext {
        match self.place.state {
            State::Data | State::Bogus => HtmlContext::Text,
            State::TagOpen | State::TagName => {
                self.place.state = State::TagName;
                HtmlContext::TagName
            }
            State::BeforeAttribute | State::AttributeName | State::AfterAttributeName => {
                if self.place.state != State::AttributeName {
                    self.attribute_done();
                    self.place.state = State::AttributeName;
                }
                HtmlContext::AttributeName
            }
            State::BeforeValue => {
                self.begin_value(None);
                self.value_hole(None)
            }
            State::Value(quote) => self.value_hole(quote),
            State::Comment => HtmlContext::Comment,
            State::Raw(Raw::Script) => match self.place.script.js {
                Js::String(quote) => HtmlContext::ScriptString {
                    quote: quote as char,
                },
                Js::LineComment | Js::BlockComment => HtmlContext::Comment,
                Js::Code | Js::Regex { .. } => {
                    self.place.script.last = b'x';
                    HtmlContext::Script
                }
            },
            State::Raw(Raw::Inert | Raw::Text) => HtmlContext::Text,
            State::Raw(Raw::Style) => HtmlContext::Style,
        }
    }

    fn value_hole(&mut self, quote: Option<u8>) -> HtmlContext {
        let name = self.place.attribute.clone();
        let at_start = !self.place.hole && self.place.value.trim().is_empty();
        let begins = self.place.value.trim().is_empty();
        self.place.hole |= begins;
        if name.starts_with("on") && name.len() > 2 {
            return HtmlContext::EventHandler {
                name,
                quote: quote.map(char::from),
                string: self.place.script.string(),
            };
        }
        let Some(quote) = quote.map(char::from) else {
            return HtmlContext::UnquotedAttribute { name };
        };
        match name.as_str() {
            "style" => HtmlContext::Style,
            "srcdoc" => HtmlContext::Document,
            "href" | "src" | "action" | "formaction" | "data" | "poster" | "background"
            | "cite" | "xlink:href" | "manifest" | "ping" | "codebase" | "srcset" => {
                let runs_script = matches!(
                    (self.place.tag.as_str(), name.as_str()),
                    ("a" | "area" | "base" | "link", "href")
                        | (_, "xlink:href" | "action" | "formaction")
                        | ("script" | "iframe" | "embed" | "frame", "src")
                        | ("object", "data")
                );
                HtmlContext::UrlAttribute {
                    name,
                    quote,
                    at_start,
                    runs_script,
                }
            }
            _ => HtmlContext::Attribute { name, quote },
        }
    }
}

/// Stands for what is interpolated at the start of a value.
const HOLE: char = '\u{fffc}';

/// Whether a name speaks of a token against cross-site request forgery.
pub(crate) fn names_csrf(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("csrf") || name.contains("xsrf") || name.contains("authenticity_token")
}

fn keep(text: &mut String, c: u8) {
    if text.len() < MAX_KEPT {
        // Only ASCII matters here; a byte of another character counts as something.
        text.push(if c.is_ascii() { char::from(c) } else { '?' });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The context at the `@` of a text.
    fn at(text: &str) -> HtmlContext {
        let (before, _) = text.split_once('@').unwrap();
        let mut html = Html::new();
        html.text(before, 0, &|_| 1);
        html.hole()
    }

    #[test]
    fn contexts() {
        let name = |n: &str| n.to_string();
        assert_eq!(at("<p>@</p>"), HtmlContext::Text);
        assert_eq!(at("a < b @"), HtmlContext::Text);
        assert_eq!(at("<!-- > @ -->"), HtmlContext::Comment);
        assert_eq!(at("<!-- > -->@"), HtmlContext::Text);
        assert_eq!(at("<!doctype html>@"), HtmlContext::Text);
        assert_eq!(at("<@>"), HtmlContext::TagName);
        assert_eq!(at("<h@>"), HtmlContext::TagName);
        assert_eq!(at("<p @>"), HtmlContext::AttributeName);
        assert_eq!(at("<p class='x' @>"), HtmlContext::AttributeName);
        assert_eq!(at("<p class='x'>@"), HtmlContext::Text);
        assert_eq!(
            at("<p class='a @'>"),
            HtmlContext::Attribute {
                name: name("class"),
                quote: '\''
            }
        );
        assert_eq!(
            at("<p TITLE = \"@\">"),
            HtmlContext::Attribute {
                name: name("title"),
                quote: '"'
            }
        );
        assert_eq!(
            at("<p class=@>"),
            HtmlContext::UnquotedAttribute {
                name: name("class")
            }
        );
        assert_eq!(
            at("<p class=a@>"),
            HtmlContext::UnquotedAttribute {
                name: name("class")
            }
        );
        assert_eq!(
            at("<input disabled value='@'>"),
            HtmlContext::Attribute {
                name: name("value"),
                quote: '\''
            }
        );
        assert_eq!(
            at("<a href=\"@\">"),
            HtmlContext::UrlAttribute {
                name: name("href"),
                quote: '"',
                at_start: true,
                runs_script: true
            }
        );
        assert_eq!(
            at("<a href=\"/x?@\">"),
            HtmlContext::UrlAttribute {
                name: name("href"),
                quote: '"',
                at_start: false,
                runs_script: true
            }
        );
        assert_eq!(
            at("<img src='@'>"),
            HtmlContext::UrlAttribute {
                name: name("src"),
                quote: '\'',
                at_start: true,
                runs_script: false
            }
        );
        assert_eq!(
            at("<b onclick=\"f('@')\">"),
            HtmlContext::EventHandler {
                name: name("onclick"),
                quote: Some('"'),
                string: Some('\'')
            }
        );
        assert_eq!(
            at("<b onclick=\"@\">"),
            HtmlContext::EventHandler {
                name: name("onclick"),
                quote: Some('"'),
                string: None
            }
        );
        assert_eq!(
            at("<b onclick='f(\"x\")' class='@'>"),
            HtmlContext::Attribute {
                name: name("class"),
                quote: '\''
            }
        );
        assert_eq!(at("<script>var x = @;</script>"), HtmlContext::Script);
        assert_eq!(
            at("<script>var x = '@';</script>"),
            HtmlContext::ScriptString { quote: '\'' }
        );
        assert_eq!(
            at("<script>var x = 'it\\'s @';</script>"),
            HtmlContext::ScriptString { quote: '\'' }
        );
        assert_eq!(
            at("<script>var x = `a ${b} @`;</script>"),
            HtmlContext::ScriptString { quote: '`' }
        );
        assert_eq!(at("<script>// it's\nf(@)</script>"), HtmlContext::Script);
        assert_eq!(at("<script>/* it's */ f(@)</script>"), HtmlContext::Script);
        assert_eq!(
            at("<script>/**/ f(\"@\")</script>"),
            HtmlContext::ScriptString { quote: '"' }
        );
        assert_eq!(
            at("<script>x = a.replace(/['\"]/g, @)</script>"),
            HtmlContext::Script
        );
        assert_eq!(
            at("<script>x = a / b; y = '@'</script>"),
            HtmlContext::ScriptString { quote: '\'' }
        );
        assert_eq!(at("<script>if (a < b) { '</script>@"), HtmlContext::Text);
        assert_eq!(
            at("<script type=\"text/template\"><p>@</p></script>"),
            HtmlContext::Text
        );
        assert_eq!(at("<style>p { color: @ }</style>"), HtmlContext::Style);
        assert_eq!(at("<p style='color: @'>"), HtmlContext::Style);
        assert_eq!(at("<textarea><b title='@</textarea>"), HtmlContext::Text);
        assert_eq!(at("<iframe srcdoc='@'>"), HtmlContext::Document);
        assert_eq!(at("<br/>@"), HtmlContext::Text);
        assert_eq!(at("<a href=x/>@"), HtmlContext::Text);
    }

    #[test]
    fn forms_and_addresses() {
        let mut html = Html::new();
        html.text("<form METHOD=post action='/x'><input type=password><input name=csrf_token></form><form></form>", 0, &|_| 1);
        assert_eq!(html.forms.len(), 2);
        assert_eq!(
            (html.forms[0].method.as_str(), html.forms[0].action.as_str()),
            ("post", "/x")
        );
        assert!(html.forms[0].has_csrf_token && html.forms[0].has_password);
        assert_eq!(html.forms[1].method, "get");
        assert!(!html.forms[1].has_csrf_token);
        html.text(
            "<script src=\"http://a/b.js\"></script><a href='http://a'>",
            0,
            &|_| 1,
        );
        assert_eq!(html.cleartext.len(), 1);
        assert_eq!(html.cleartext[0].url, "http://a/b.js");
    }
}
