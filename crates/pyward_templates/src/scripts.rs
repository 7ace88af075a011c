//! The scripts that stand in a page.

use crate::Dialect;
use crate::html::Html;
use crate::scan::{Kind, scan};

/// Longest mean length of the lines of a script that people write.
const MAX_LINE: usize = 200;

/// The scripts of a page as one text of the page's length, byte for byte in the same place: all else is blanked out, and
/// so is what belongs to the template. An output becomes a name of underscores, so that what stands around it is still a
/// script. None where no script stands in the page.
pub(crate) fn scripts(source: &str, dialect: Dialect) -> Option<String> {
    let mut html = Html::new();
    let mut code = without_tags(source, dialect, &mut html);
    if html.scripts.is_empty() {
        return None;
    }
    let mut end = 0;
    for script in html.scripts {
        code[end..script.start].fill(b' ');
        end = script.end.min(source.len());
        // Where a script ends, so does its last statement.
        if let Some(byte) = code.get_mut(end) {
            *byte = b';';
            end += 1;
        }
    }
    code[end..].fill(b' ');
    // Only whole pieces were taken out, and ASCII put in their place.
    String::from_utf8(code).ok()
}

/// A script in a file of its own, which may be a template too. None for what others wrote, by the comment at its
/// beginning, and for what a tool put on few lines.
pub(crate) fn file(source: &str) -> Option<String> {
    let start = source.get(..2000).unwrap_or(source);
    let is_packed = source.len() > MAX_LINE * (1 + source.matches('\n').count());
    if start.trim_start().starts_with("/*!") || start.contains("@license") || is_packed {
        return None;
    }
    let code = without_tags(source, Dialect::Jinja2, &mut Html::new());
    String::from_utf8(code).ok()
}

/// The text, with outputs as names and blanks for what else belongs to the template.
fn without_tags(source: &str, dialect: Dialect, html: &mut Html) -> Vec<u8> {
    let mut code = vec![b' '; source.len()];
    for piece in &scan(source, dialect).0 {
        match piece.kind {
            Kind::Text => {
                html.text(&source[piece.outer.clone()], piece.outer.start, &|_| 0);
                let text = &source.as_bytes()[piece.outer.clone()];
                code[piece.outer.clone()].copy_from_slice(text);
            }
            Kind::Output => {
                html.hole();
                code[piece.outer.clone()].fill(b'_');
            }
            _ => {}
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::{file, scripts};
    use crate::Dialect;

    #[test]
    fn all_else_is_blank() {
        let page = "é<script>a = {{ b }};{% if c %}d(){% endif %}</script>\
                    <script src=x>e</script><script type=application/json>{}</script>\
                    <SCRIPT>f()</SCRIPT >g";
        let code = scripts(page, Dialect::Jinja2).unwrap();
        assert_eq!(code.len(), page.len());
        assert_eq!(
            code.split_whitespace().collect::<Vec<_>>(),
            ["a", "=", "_______;", "d()", ";", "f();"]
        );
        assert_eq!(code.find("f()"), page.find("f()"));
        assert_eq!(scripts("<p onclick=f()>{{ a }}</p>", Dialect::Django), None);
        assert!(scripts("<script>f(`é", Dialect::Html).is_some());
    }

    #[test]
    fn what_others_wrote() {
        assert_eq!(file("a({{ b }})").as_deref(), Some("a(_______)"));
        assert_eq!(file("/*! jQuery v3 */\na()"), None);
        assert_eq!(file(&"a();".repeat(100)), None);
    }
}
