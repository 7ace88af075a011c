//! The `style` attribute: declarations by allow-list of properties, values by allow-list of tokens.

use std::collections::HashSet;

/// Functions a value may call; none of them loads anything.
const FUNCTIONS: &[&str] = &[
    "rgb", "rgba", "hsl", "hsla", "hwb", "lab", "lch", "oklab", "oklch", "calc", "min", "max",
    "clamp",
];
const MAX_VALUE: usize = 256;

/// Keeps the declarations whose property is in `properties` and whose value consists of harmless tokens
/// (words, numbers, colours, plain quoted names, arithmetic); everything else is left out.
///
/// There is no attempt to parse what is not understood: escapes, comments, `url()`, at-rules, blocks and
/// `!important` have no place in the characters allowed.
#[must_use]
pub fn filter_style<S: std::borrow::Borrow<str> + Eq + std::hash::Hash>(
    style: &str,
    properties: &HashSet<S>,
) -> String {
    let mut out = String::new();
    for declaration in style.split(';') {
        let Some((name, value)) = declaration.split_once(':') else {
            continue;
        };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if properties.contains(name.as_str()) && harmless(value) {
            out.push_str(&name);
            out.push(':');
            out.push_str(value);
            out.push(';');
        }
    }
    out
}

fn harmless(value: &str) -> bool {
    if value.is_empty() || value.len() > MAX_VALUE {
        return false;
    }
    let mut depth = 0_usize;
    let mut word = String::new();
    let mut characters = value.chars();
    while let Some(c) = characters.next() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' => word.push(c.to_ascii_lowercase()),
            '(' => {
                if !word.is_empty() && !FUNCTIONS.contains(&word.as_str()) {
                    return false;
                }
                // A bare parenthesis makes sense within a calculation only.
                if word.is_empty() && depth == 0 {
                    return false;
                }
                depth += 1;
                word.clear();
            }
            ')' => {
                if depth == 0 {
                    return false;
                }
                depth -= 1;
                word.clear();
            }
            ' ' | ',' | '.' | '%' | '#' | '+' | '*' => word.clear(),
            '/' => {
                // No comment may start.
                if characters.clone().next() == Some('*') {
                    return false;
                }
                word.clear();
            }
            '"' | '\'' => {
                let quote = c;
                loop {
                    match characters.next() {
                        Some(end) if end == quote => break,
                        Some('a'..='z' | 'A'..='Z' | '0'..='9' | ' ' | '-') => {}
                        _ => return false,
                    }
                }
                word.clear();
            }
            _ => return false,
        }
    }
    depth == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filter(style: &str) -> String {
        filter_style(
            style,
            &HashSet::from(["color", "width", "font-family", "background-color"]),
        )
    }

    #[test]
    fn keeps_harmless_declarations() {
        assert_eq!(filter("Color: red; position: fixed"), "color:red;");
        assert_eq!(
            filter("width: calc((100% - 2px) / 3)"),
            "width:calc((100% - 2px) / 3);"
        );
        assert_eq!(
            filter("font-family: 'Times New Roman', serif"),
            "font-family:'Times New Roman', serif;"
        );
        assert_eq!(
            filter("background-color:rgba(0, 0, 0, .5)"),
            "background-color:rgba(0, 0, 0, .5);"
        );
    }

    #[test]
    fn drops_the_rest() {
        for bad in [
            "color: url(javascript:alert(1))",
            "color: expression(alert(1))",
            "color: red !important",
            "color: \\72 ed",
            "color: /**/red",
            "color: re/**/d",
            "color: red}",
            "width: calc(1px",
            "width: 1px)",
            "color: image-set('x')",
            "font-family: 'a\\'b'",
            "font-family: 'a",
            "--x: 1",
            "color",
            "color:",
            "background-color: var(--x)",
            "color: env(x)",
            "width: attr(x)",
            "color: (red)",
            "-moz-binding: x",
            "color: red\u{0}",
            "color: <b>",
        ] {
            assert_eq!(filter(bad), "", "{bad}");
        }
    }

    proptest! {
        #[test]
        fn output_is_stable_and_plain(style in "((color|width|x|url|/\\*|'|\"|\\\\|\\(|\\)|;|:| |\\{|@|1px|#fff){0,14})|\\PC{0,40}") {
            let out = filter(&style);
            prop_assert_eq!(filter(&out), out.clone());
            let special = out.contains(|c| "\\{}@<&!".contains(c));
            prop_assert!(!special && !out.contains("/*") && !out.to_lowercase().contains("url("));
        }
    }
}
