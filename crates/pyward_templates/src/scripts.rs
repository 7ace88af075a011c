//! The scripts that stand in a page.

use crate::Dialect;
use crate::html::Html;
use crate::scan::{Kind, scan};

/// The scripts of a page as one text of the page's length, byte for byte in the same place: all else is blanked out, and
/// so is what belongs to the template. An output becomes a name of underscores, so that what stands around it is still a
/// script. None where no script stands in the page.
pub(crate) fn scripts(source: &str, dialect: Dialect) -> Option<String> {
    let (pieces, _) = scan(source, dialect);
    let mut html = Html::new();
    let mut code = vec![b' '; source.len()];
    for piece in &pieces {
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

#[cfg(test)]
mod tests {
    use super::scripts;
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
}
