//! No text may panic or take more than linear time.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use pyward_templates::{Dialect, Library, parse};

const DIALECTS: [Dialect; 5] = [
    Dialect::Jinja2,
    Dialect::Django,
    Dialect::Mako,
    Dialect::Tornado,
    Dialect::Html,
];

/// Far more than it takes, far less than a hang, also on a loaded machine.
const LIMIT: Duration = Duration::from_secs(30);

fn look(source: &str) {
    for dialect in DIALECTS {
        let start = Instant::now();
        let template = parse(source, dialect);
        for interpolation in &template.interpolations {
            assert!(source.get(interpolation.range.clone()).is_some());
            for one in &interpolation.uses {
                let _ = interpolation.exposure(one, true);
            }
        }
        assert!(
            start.elapsed() < LIMIT,
            "{dialect:?}: {:?} took {:?}",
            source.chars().take(60).collect::<String>(),
            start.elapsed()
        );
        if source.len() < 10_000 {
            let library = Library::new(vec![
                ("a.html".into(), template.clone()),
                ("b.html".into(), template),
            ]);
            let _ = library.reach(0, dialect, "a", &[]);
        }
    }
}

/// Pieces that templates are made of, in any order.
fn piece() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "${",
        "}",
        "<%",
        "%>",
        "<%def name=\"a(b)\">",
        "</%def>",
        "% for a in b:\n",
        "% endfor\n",
        "<",
        ">",
        "\"",
        "'",
        "<a href=",
        "<script>",
        "</script>",
        "<b onclick=\"",
        "<!--",
        "-->",
        " a ",
        " b.c ",
        "|safe",
        "|",
        "(",
        ")",
        "[",
        "]",
        "{",
        ",",
        "=",
        " for a in b ",
        " if a ",
        " endif ",
        " endfor ",
        " else ",
        " set a = b ",
        " macro a(b) ",
        " endmacro ",
        " block a ",
        " endblock ",
        " extends 'a.html' ",
        " include 'b.html' ",
        " raw ",
        " endraw ",
        " autoescape off ",
        " with a=b ",
        "\n",
        "\\",
        "é",
        " end ",
        "f'{a}'",
        "<form>",
        "style=",
        "`",
        "//",
        "/*",
        " call(a) b() ",
        " filter e ",
        "~",
        ":",
        "#",
        "\u{0}",
        "%",
    ]);
    prop_oneof![4 => fixed.prop_map(str::to_string), 1 => any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_pieces(pieces in prop::collection::vec(piece(), 0..40)) {
        look(&pieces.concat());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_text(text in any::<String>()) {
        look(&text);
    }
}

#[test]
fn large_texts() {
    let n = 80_000;
    for unit in [
        "{{",
        "{%",
        "{#",
        "${",
        "<%",
        "<%a ",
        "{{ a }}",
        "{{ a",
        "{{ '",
        "{{ (",
        "{% if a %}",
        "{% for a in b %}",
        "{% endif %}",
        "% if a:\n",
        "<a ",
        "<a b='",
        "</",
        "<script>",
        "<script></",
        "\"",
        "{{ \"",
        "{% raw %}",
        "{% comment %}",
        "<%text>",
        "<%doc>",
        "{% set a = a ~ a %}",
        "{% block a %}",
        "<form>",
        "{% include 'a' %}",
        "{% macro a(b) %}",
        "a=b ",
        "</script",
        "<!--",
        "{% verbatim %}",
        "${'",
    ] {
        look(&unit.repeat(n / unit.len()));
    }
    look(&format!("{{{{ {} }}}}", "(".repeat(n)));
    look(&format!("{{{{ {}a }}}}", "a.".repeat(n)));
    look(&format!("{{{{ {}a }}}}", "a|".repeat(n)));
    look(&format!("{{{{ {}a }}}}", "a~".repeat(n)));
    look(&format!("{{{{ {}a }}}}", "-".repeat(n)));
    look(&format!("{{{{ {}a }}}}", "not ".repeat(n)));
    look(&format!("{{{{ {}a }}}}", "a if b else ".repeat(n / 10)));
    look(&format!("{{{{ {}a{} }}}}", "f(".repeat(n), ")".repeat(n)));
    look(&format!("{{{{ {} }}}}", "f'{".repeat(n)));
    look(&format!("{{{{ {} }}}}", "'a' ".repeat(n)));
    look(&format!("<a {}>", "b=c ".repeat(n)));
    look(&format!("<%def name=\"{}\">", "a=\"".repeat(n)));
}
