//! Rule documents: the text for people, whose code blocks are the rule's tests.
//!
//! Every heading opens a case. The code blocks below it are its files:
//!
//! - ` ```python `: one file, `example.py`; a further such block below the same heading is a case of its own.
//! - ` ```python title="app/views.py" `, ` ```html title="templates/x.html" `: one file of a case with several. A block
//!   of any language with a title counts.
//! - ` ```python fix ` (with `title` in a case with several files): the text of the file before it after the fix.
//! - ` ```python skip `: shown to people only. Blocks without title in another language are too.
//!
//! A line that has to be reported ends in a comment `error: [rule-id]`, one bracket per finding, in whatever comment
//! syntax the language has. Every other line has to be silent, for the rules that the case is about
//! ([`Case::rules`]).

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use crate::rule::Rule;

/// A rule and its text.
#[derive(Clone, Debug)]
pub struct RuleDoc {
    /// The front matter.
    pub rule: Rule,
    /// The Markdown text below it.
    pub body: String,
    /// The tests in it.
    pub cases: Vec<Case>,
}

/// One test: a small program and what has to be found in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The heading it stands under; a number is added where several cases do.
    pub name: String,
    /// Line of its first block in the body, counted from 1.
    pub line: usize,
    /// Rules to run: the document's own and those that the expectations name. Sorted.
    pub rules: Vec<String>,
    /// The program.
    pub files: Vec<CaseFile>,
}

/// One file of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseFile {
    /// Relative path.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Lines (counted from 1) and the rule that has to be reported there, in the order of the text.
    pub expected: Vec<(usize, String)>,
    /// Its text after all fixes of the document's rule, where the document shows one.
    pub fixed: Option<String>,
}

impl RuleDoc {
    /// Reads the cases from the body.
    #[must_use]
    pub fn new(rule: Rule, body: String) -> Self {
        let cases = cases(&rule.id, &body);
        Self { rule, body, cases }
    }

    /// The introduction: what stands above the first heading, and for people who want one paragraph, its first.
    #[must_use]
    pub fn summary(&self) -> &str {
        self.body
            .trim_start()
            .split("\n\n")
            .next()
            .unwrap_or_default()
            .trim_end()
    }
}

struct Block {
    line: usize,
    language: String,
    title: Option<String>,
    fix: bool,
    text: String,
}

fn cases(id: &str, body: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (heading, blocks) in sections(body) {
        let first = cases.len();
        for block in blocks {
            if block.fix {
                let wanted = block.title.as_deref();
                let files = cases[first..].last_mut().map(|case| &mut case.files);
                let file = files.and_then(|files| {
                    files
                        .iter_mut()
                        .rfind(|file| wanted.is_none_or(|path| path == file.path))
                });
                if let Some(file) = file {
                    file.fixed = Some(block.text);
                }
                continue;
            }
            let file = CaseFile {
                expected: expectations(&block.text),
                path: block
                    .title
                    .clone()
                    .unwrap_or_else(|| "example.py".to_owned()),
                text: block.text,
                fixed: None,
            };
            match cases[first..].last_mut() {
                // Titled blocks gather until a path comes twice.
                Some(case)
                    if block.title.is_some()
                        && case.files.iter().all(|other| other.path != file.path) =>
                {
                    case.files.push(file);
                }
                _ => cases.push(Case {
                    name: heading.clone(),
                    line: block.line,
                    rules: Vec::new(),
                    files: vec![file],
                }),
            }
        }
        if cases.len() > first + 1 {
            for (number, case) in cases[first..].iter_mut().enumerate() {
                case.name = format!("{} ({})", case.name, number + 1);
            }
        }
    }
    for case in &mut cases {
        case.rules.push(id.to_owned());
        case.rules.extend(
            case.files
                .iter()
                .flat_map(|file| &file.expected)
                .map(|(_, rule)| rule.clone()),
        );
        case.rules.sort();
        case.rules.dedup();
    }
    cases
}

/// The headings and the test blocks below each.
fn sections(body: &str) -> Vec<(String, Vec<Block>)> {
    let mut sections = vec![("Introduction".to_owned(), Vec::new())];
    let mut in_heading = false;
    let mut block: Option<Block> = None;
    for (event, range) in Parser::new(body).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { .. }) => {
                in_heading = true;
                sections.push((String::new(), Vec::new()));
            }
            Event::End(TagEnd::Heading(_)) => in_heading = false,
            Event::Text(text) | Event::Code(text) if in_heading => {
                if let Some((heading, _)) = sections.last_mut() {
                    heading.push_str(&text);
                }
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                let line = 1 + body[..range.start].matches('\n').count();
                block = read_info(&info).map(|(language, title, fix)| Block {
                    line,
                    language,
                    title,
                    fix,
                    text: String::new(),
                });
            }
            Event::Text(text) if block.is_some() => {
                if let Some(block) = &mut block {
                    block.text.push_str(&text);
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                if let (Some(block), Some((_, blocks))) = (block.take(), sections.last_mut())
                    && (block.language == "python" || block.title.is_some())
                {
                    blocks.push(block);
                }
            }
            _ => {}
        }
    }
    sections
}

/// Language, title and whether it is a fix; nothing for a block to skip.
fn read_info(info: &str) -> Option<(String, Option<String>, bool)> {
    let language = info
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned();
    let title = info
        .split_once("title=\"")
        .and_then(|(_, rest)| Some(rest.split_once('"')?.0.to_owned()));
    let words = || info.split_whitespace().skip(1);
    if words().any(|word| word == "skip") {
        None
    } else {
        Some((language, title, words().any(|word| word == "fix")))
    }
}

/// The `error: [rule]` comments of a text.
fn expectations(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some((before, mut rest)) = line.rsplit_once("error: [") else {
            continue;
        };
        let before = before.trim_end();
        if !(before.ends_with('#') || before.ends_with("<!--") || before.ends_with("//")) {
            continue;
        }
        while let Some((rule, after)) = rest.split_once(']') {
            found.push((index + 1, rule.to_owned()));
            match after.trim_start().strip_prefix('[') {
                Some(next) => rest = next,
                None => break,
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"
What it is.

## Plain

```python
a = 1  # error: [x] [y]
b = 2
```

Fixed:

```python fix
a = 0
b = 2
```

```python
c = 3
```

## Several files

```python title="a.py"
import b
```

```html title="t/x.html"
{{ x }} {# error: [x] #}
```

## Shown only

```python skip
a = "error: [x]"
```

```console
$ ls
```
"#;

    #[test]
    fn reads_cases() {
        let cases = cases("x", BODY);
        let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names, ["Plain (1)", "Plain (2)", "Several files"]);
        assert_eq!(cases[0].rules, ["x", "y"]);
        assert_eq!(cases[0].line, 6);
        assert_eq!(
            cases[0].files[0].expected,
            [(1, "x".to_owned()), (1, "y".to_owned())]
        );
        assert_eq!(cases[0].files[0].fixed.as_deref(), Some("a = 0\nb = 2\n"));
        assert_eq!(cases[1].files[0].fixed, None);
        assert_eq!(cases[2].files[1].path, "t/x.html");
        assert_eq!(cases[2].files[1].expected, [(1, "x".to_owned())]);
    }
}
