//! Scripts in pages: where they make HTML of values that came from elsewhere.
//!
//! A rough reading, not a parser of the language: comments, texts and regular expressions are blanked out, then the
//! places are looked up that put HTML into the document.

use std::ops::Range;

/// A place where a script of a page puts a value into the document as HTML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HtmlSink {
    /// The place, on one line.
    pub span: Range<usize>,
    /// What puts it there, as `innerHTML`.
    pub name: &'static str,
}

/// Sinks by assignment.
const ASSIGNED: &[&str] = &["innerHTML", "outerHTML"];
/// Sinks by call; those of jQuery's `append` kind take HTML only where the text begins with a tag.
const CALLED: &[(&str, Takes)] = &[
    ("insertAdjacentHTML", Takes::Html),
    ("write", Takes::DocumentHtml),
    ("writeln", Takes::DocumentHtml),
    ("html", Takes::QueryHtml),
    ("append", Takes::QueryTags),
    ("prepend", Takes::QueryTags),
    ("after", Takes::QueryTags),
    ("before", Takes::QueryTags),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Html,
    DocumentHtml,
    QueryHtml,
    QueryTags,
}

/// What brings data from elsewhere into a script.
const BRINGS: &[&str] = &[
    "fetch(",
    "XMLHttpRequest",
    ".ajax(",
    ".getJSON(",
    "$.get(",
    "$.post(",
    "axios",
    "WebSocket",
    "EventSource",
    "onmessage",
    "location",
    "URLSearchParams",
    "document.URL",
    "document.referrer",
];

/// Roots of names that are the page's or the language's own.
const OWN: &[&str] = &[
    "document",
    "window",
    "Math",
    "Date",
    "Object",
    "Array",
    "JSON",
    "String",
    "Number",
    "console",
    "i18n",
    "gettext",
    "jQuery",
    "this",
    "self",
    "Intl",
    "icons",
    "ICONS",
    "new",
    "typeof",
    "true",
    "false",
    "null",
    "undefined",
    "function",
    "return",
    "const",
    "let",
    "var",
    "if",
    "else",
    "parseInt",
    "parseFloat",
    "t",
    "_",
];

/// Last members that are numbers or were made text.
const HARMLESS: &[&str] = &[
    "length",
    "size",
    "toFixed",
    "toLocaleString",
    "toLocaleDateString",
    "toLocaleTimeString",
    "toISOString",
    "getTime",
    "textContent",
];

/// Names that by themselves are an answer or a message.
const ANSWERS: &[&str] = &[
    "data",
    "result",
    "response",
    "responseText",
    "reply",
    "message",
    "msg",
];

/// The places in the scripts of a page that put a value from elsewhere into the document as HTML; the same expression
/// once. Takes linear time but for long chains of names.
#[must_use]
pub fn html_sinks(page: &str) -> Vec<HtmlSink> {
    let mut found = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for body in scripts(page) {
        let source = &page[body.clone()];
        let code = blank(source);
        if !BRINGS.iter().any(|text| code.contains(text)) {
            continue;
        }
        let has_query = code.contains("$(") || code.contains("jQuery(");
        for (name, at, expression) in places(&code, has_query, source) {
            let text = source[expression.clone()].trim();
            if is_foreign(&code[expression.clone()]) && !seen.contains(&text) {
                seen.push(text);
                let line = source[at..expression.end]
                    .find('\n')
                    .map_or(expression.end, |n| at + n);
                found.push(HtmlSink {
                    span: body.start + at..body.start + line,
                    name,
                });
            }
        }
    }
    found
}

/// The bodies of script elements that stand in the page and are JavaScript.
fn scripts(page: &str) -> Vec<Range<usize>> {
    let lower = page.to_ascii_lowercase();
    let mut bodies = Vec::new();
    let mut at = 0;
    while let Some(open) = lower[at..].find("<script").map(|n| at + n) {
        let Some(start) = lower[open..].find('>').map(|n| open + n + 1) else {
            break;
        };
        let end = lower[start..]
            .find("</script")
            .map_or(lower.len(), |n| start + n);
        let attributes = &lower[open..start];
        let other = attributes.contains("src=")
            || attributes.contains("json")
            || attributes.contains("template")
            || attributes.contains("text/x");
        if !other {
            bodies.push(start..end);
        }
        at = end.max(start);
    }
    bodies
}

/// The code with comments, texts, regular expressions and template tags blanked out, byte for byte in the same place.
fn blank(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out: Vec<u8> = bytes.to_vec();
    // Open `${`: how many braces are open in each.
    let mut nested: Vec<usize> = Vec::new();
    let mut at = 0;
    let hide = |out: &mut Vec<u8>, range: Range<usize>| {
        for byte in &mut out[range] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    };
    let mut before = b';';
    while at < bytes.len() {
        let next = bytes.get(at + 1).copied().unwrap_or(0);
        let end = match (bytes[at], next) {
            (b'{', b'{' | b'%' | b'#') => {
                let close: &[u8] = match next {
                    b'{' => b"}}",
                    b'%' => b"%}",
                    _ => b"#}",
                };
                let end = find(bytes, at + 2, close);
                hide(&mut out, at..end);
                end
            }
            (b'/', b'/') => {
                let end = find(bytes, at, b"\n");
                hide(&mut out, at..end);
                end
            }
            (b'/', b'*') => {
                let end = find(bytes, at + 2, b"*/");
                hide(&mut out, at..end);
                end
            }
            (b'/', _) if b"(,=:[!&|?{};".contains(&before) => {
                let end = quoted(bytes, at, b'/');
                hide(&mut out, at..end);
                end
            }
            (quote @ (b'"' | b'\''), _) => {
                let end = quoted(bytes, at, quote);
                hide(&mut out, at + 1..end.saturating_sub(1).max(at + 1));
                end
            }
            (b'`', _) => {
                let end = text_part(bytes, at + 1);
                hide(&mut out, at + 1..end);
                resume(bytes, end, &mut nested)
            }
            (b'{', _) => {
                if let Some(open) = nested.last_mut() {
                    *open += 1;
                }
                at + 1
            }
            (b'}', _) => match nested.last_mut() {
                Some(0) => {
                    nested.pop();
                    let end = text_part(bytes, at + 1);
                    hide(&mut out, at + 1..end);
                    resume(bytes, end, &mut nested)
                }
                Some(open) => {
                    *open -= 1;
                    at + 1
                }
                None => at + 1,
            },
            _ => at + 1,
        };
        let end = end.min(bytes.len());
        if let Some(last) = out[at..end].iter().rfind(|b| !b.is_ascii_whitespace()) {
            before = *last;
        }
        at = end.max(at + 1);
    }
    // What is blanked out is ASCII; what is left was text.
    String::from_utf8(out).unwrap_or_default()
}

/// The end of the text of a template literal: at its quote or at `${`.
fn text_part(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'`' => return at,
            b'$' if bytes.get(at + 1) == Some(&b'{') => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Goes on behind the end of such a text.
fn resume(bytes: &[u8], end: usize, nested: &mut Vec<usize>) -> usize {
    if bytes.get(end) == Some(&b'$') {
        nested.push(0);
        end + 2
    } else {
        end + 1
    }
}

/// Behind the closing quote, or at the end of the line.
fn quoted(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'\n' => return at,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Behind the next occurrence of a text.
fn find(bytes: &[u8], from: usize, text: &[u8]) -> usize {
    bytes
        .get(from..)
        .and_then(|rest| rest.windows(text.len()).position(|w| w == text))
        .map_or(bytes.len(), |n| from + n + text.len())
}

/// Where HTML is put into the document: the sink's name, where it stands, and the expression.
fn places(code: &str, has_query: bool, source: &str) -> Vec<(&'static str, usize, Range<usize>)> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    for (dot, _) in code.match_indices('.') {
        let at = dot + 1;
        let rest = &code[at..];
        let word = &rest[..rest.bytes().position(|b| !is_name(b)).unwrap_or(rest.len())];
        let mut behind = skip_space(bytes, at + word.len());
        if let Some(name) = ASSIGNED.iter().find(|name| **name == word) {
            if bytes.get(behind) == Some(&b'+') {
                behind += 1;
            }
            if bytes.get(behind) == Some(&b'=') && bytes.get(behind + 1) != Some(&b'=') {
                found.push((*name, at, behind + 1..statement_end(bytes, behind + 1)));
            }
            continue;
        }
        let Some((name, takes)) = CALLED.iter().find(|(name, _)| *name == word) else {
            continue;
        };
        if bytes.get(behind) != Some(&b'(') {
            continue;
        }
        let expression = behind + 1..argument_end(bytes, behind + 1);
        let fits = match takes {
            Takes::Html => true,
            Takes::DocumentHtml => code[..dot].ends_with("document"),
            Takes::QueryHtml => has_query,
            Takes::QueryTags => {
                let text = &source[expression.clone()];
                has_query && text.contains('<') && (text.contains('+') || text.contains("${"))
            }
        };
        if fits {
            found.push((*name, at, expression));
        }
    }
    found
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$')
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// The parenthesis that closes the arguments.
fn argument_end(bytes: &[u8], from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' if depth == 0 => return at,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    bytes.len()
}

/// The end of an assignment: a semicolon, a closing bracket, or a line's end that nothing continues.
fn statement_end(bytes: &[u8], from: usize) -> usize {
    let mut depth = 0_usize;
    let mut in_text = false;
    let mut last = b'=';
    for (at, &byte) in bytes.iter().enumerate().skip(from) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' if depth == 0 => return at,
            b')' | b']' | b'}' => depth -= 1,
            b'`' => in_text = !in_text,
            b';' if depth == 0 => return at,
            b'\n' if depth == 0 && !in_text => {
                let next = bytes.get(skip_space(bytes, at)).copied().unwrap_or(b';');
                if !b"+?:|&=,.(".contains(&last) && !b"+?:|&.".contains(&next) {
                    return at;
                }
            }
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            last = byte;
        }
    }
    bytes.len()
}

/// Whether a value that is not the page's own is in an expression, not escaped as far as its names tell.
fn is_foreign(expression: &str) -> bool {
    let lower = expression.to_ascii_lowercase();
    if ["escape", "sanitiz", "purify", "encode"]
        .iter()
        .any(|word| lower.contains(word))
    {
        return false;
    }
    // What a condition asks is not put into the page.
    let bytes = expression.as_bytes();
    let question = (0..bytes.len()).find(|&at| {
        bytes[at] == b'?'
            && !matches!(bytes.get(at + 1), Some(b'.' | b'?'))
            && (at == 0 || bytes[at - 1] != b'?')
    });
    let value = &expression[question.map_or(0, |at| at + 1)..];
    chains(value).iter().any(|chain| {
        let root = chain.first().copied().unwrap_or("");
        let last = chain.last().copied().unwrap_or("");
        if HARMLESS.contains(&last) {
            return false;
        }
        if chain.contains(&"location") || last == "responseText" || last == "referrer" {
            return chain.len() > 1;
        }
        match chain.len() {
            1 => ANSWERS.contains(&root),
            _ => !OWN.contains(&root) && !root.starts_with('$'),
        }
    })
}

/// The chains of names in an expression: `a.b[i].c` is `a`, `b`, `[`, `c`.
fn chains(expression: &str) -> Vec<Vec<&str>> {
    let bytes = expression.as_bytes();
    let mut all = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !is_name(bytes[at])
            || bytes[at].is_ascii_digit()
            || bytes[at] == b'$' && bytes.get(at + 1) == Some(&b'{')
        {
            at += 1;
            continue;
        }
        let mut chain = Vec::new();
        loop {
            let start = at;
            while at < bytes.len() && is_name(bytes[at]) {
                at += 1;
            }
            chain.push(&expression[start..at]);
            if bytes.get(at) == Some(&b'[') {
                chain.push("[");
                let end = argument_end(bytes, at + 1);
                at = (end + 1).min(bytes.len());
            }
            let optional = bytes.get(at) == Some(&b'?') && bytes.get(at + 1) == Some(&b'.');
            let dot = at + usize::from(optional);
            if bytes.get(dot) == Some(&b'.') && bytes.get(dot + 1).is_some_and(|b| is_name(*b)) {
                at = dot + 1;
            } else {
                break;
            }
        }
        all.push(chain);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::html_sinks;

    fn lines(script: &str) -> Vec<usize> {
        let page = format!("<p>\n<script>\n{script}\n</script>");
        html_sinks(&page)
            .iter()
            .map(|sink| page[..sink.span.start].matches('\n').count() - 1)
            .collect()
    }

    #[test]
    fn what_comes_from_elsewhere() {
        assert_eq!(
            lines(
                "fetch('/x').then(r => r.json()).then(data => {\n  box.innerHTML = data.text;\n});"
            ),
            [2]
        );
        assert_eq!(
            lines(
                "$.ajax({success: function (rows) {\n$('#a').append(\n  '<li>' + rows[i].name + '</li>'\n);}});"
            ),
            [2]
        );
        assert_eq!(
            lines("document.write('<b>' + decodeURIComponent(location.hash.slice(1)));"),
            [1]
        );
        assert_eq!(
            lines(
                "x.onload = function () { a.innerHTML = this.responseText }; new XMLHttpRequest();"
            ),
            [1]
        );
        assert_eq!(
            lines(
                "fetch(u).then(d => { box.innerHTML += `<td>\n  ${d.name}</td>`; box.innerHTML = d.name; box.innerHTML = d.name; });"
            ),
            [1, 2]
        );
    }

    #[test]
    fn the_pages_own() {
        for script in [
            "fetch(u); box.innerHTML = '';",
            "fetch(u); box.innerHTML = theme === 'dark' ? 'a.b' : 'c.d';",
            "fetch(u); box.innerHTML = `<b>${rows.length}</b>`;",
            "fetch(u); box.innerHTML = escapeHtml(data.text);",
            "fetch(u); box.innerHTML = DOMPurify.sanitize(data.text);",
            "fetch(u); // box.innerHTML = data.text",
            "fetch(u); box.textContent = data.text;",
            "fetch(u); form.append('ip', data.ip);",
            "fetch(u); if (box.innerHTML == data.text) {}",
            "box.innerHTML = row.text;",
            "fetch(u); box.innerHTML = \"{{ name }}\";",
        ] {
            assert!(lines(script).is_empty(), "{script}");
        }
    }

    #[test]
    fn any_text_is_read() {
        for text in [
            "<script>`${`",
            "<script",
            "<script>/",
            "<script>'\\",
            "<script>é.innerHTML=fetch(é.é",
            "<script>}`{{",
        ] {
            let _ = html_sinks(text);
        }
    }
}
