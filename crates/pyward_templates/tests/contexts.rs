//! What templates output, where, and whether the escaping covers it.

use pyward_templates::{
    Autoescape, Dialect, Exposure, Root, Step, Template, Use, autoescape_default, parse,
};

/// A use as text: `root.attr[*]{key}()`.
fn show(one: &Use) -> String {
    let mut out = match &one.root {
        Root::Context(name) => name.clone(),
        Root::Param { macro_name, name } => format!("{macro_name}:{name}"),
    };
    for step in &one.path {
        match step {
            Step::Attr(name) => out += &format!(".{name}"),
            Step::Item(key) => out += &format!("[{key}]"),
            Step::Any => out += "[*]",
            Step::Key => out += "{key}",
            Step::Call => out += "()",
        }
    }
    out
}

/// Every output as `line: uses -> exposure`, with auto-escaping as given.
fn outputs(template: &Template, autoescape: bool) -> Vec<String> {
    template
        .interpolations
        .iter()
        .flat_map(|i| {
            i.uses.iter().map(move |u| match i.exposure(u, autoescape) {
                Some(exposure) => format!("{}: {} {exposure:?}", i.line, show(u)),
                None => format!("{}: {} covered", i.line, show(u)),
            })
        })
        .collect()
}

fn check(dialect: Dialect, autoescape: bool, source: &str, expected: &[&str]) {
    assert_eq!(
        outputs(&parse(source, dialect), autoescape),
        expected,
        "{source}"
    );
}

#[test]
fn jinja_filters_and_escaping() {
    let jinja = |source, expected: &[&str]| check(Dialect::Jinja2, true, source, expected);
    jinja("{{ a }}", &["1: a covered"]);
    jinja("{{ a.b['c'][0].d }}", &["1: a.b.c[*].d covered"]);
    jinja("{{ a|safe }}", &["1: a Unescaped"]);
    jinja("{{- a | upper | safe -}}", &["1: a Unescaped"]);
    jinja("{{ a|e|safe }}", &["1: a covered"]);
    jinja("{{ a|safe|e }}", &["1: a Unescaped"]);
    jinja("{{ a|safe|forceescape }}", &["1: a covered"]);
    jinja(
        "{{ Markup(a) }} {{ a.strip() }}",
        &["1: a Unescaped", "1: a covered"],
    );
    jinja("{{ a|int }}{{ a|length }}{{ url_for('x', b=a) }}", &[]);
    jinja(
        "{{ a|default(b)|safe }}",
        &["1: a Unescaped", "1: b Unescaped"],
    );
    jinja("{{ '<b>' ~ a ~ '</b>' }}", &["1: a covered"]);
    jinja("{{ ('<b>' + a)|safe }}", &["1: a Unescaped"]);
    jinja("{{ '<b>%s</b>'|format(a)|safe }}", &["1: a Unescaped"]);
    jinja("{{ a if b else c }}", &["1: a covered", "1: c covered"]);
    jinja("{{ a == b }}{{ a is none }}{{ not a }}{{ a in b }}", &[]);
    jinja(
        "{% autoescape false %}{{ a }}{{ a|e }}{% endautoescape %}{{ a }}",
        &["1: a Unescaped", "1: a covered", "1: a covered"],
    );
    jinja(
        "{% filter escape %}{{ a|safe }}{% endfilter %}",
        &["1: a covered"],
    );
    jinja(
        "{# {{ a }} #}{% raw %}{{ a }}{% endraw %}{{ b }}",
        &["1: b covered"],
    );
    jinja("{{ {'a': {'b': c}} }}", &["1: c covered"]);
    jinja("{{ '}}' ~ a }}", &["1: a covered"]);
    jinja(
        "{% unknown tag %}{{ a }}{% endunknown %}",
        &["1: a covered"],
    );
    check(
        Dialect::Jinja2,
        false,
        "{{ a }}{{ a|e }}\n{% autoescape true %}{{ a }}{% endautoescape %}",
        &["1: a Unescaped", "1: a covered", "2: a covered"],
    );
}

#[test]
fn jinja_local_names() {
    let jinja = |source, expected: &[&str]| check(Dialect::Jinja2, true, source, expected);
    jinja(
        "{% for x in xs %}{{ x.name|safe }}{{ loop.index }}{% endfor %}{{ x }}",
        &["1: xs[*].name Unescaped", "1: x covered"],
    );
    jinja(
        "{% for x in xs if x.ok %}{{ x }}{% else %}{{ y }}{% endfor %}",
        &["1: xs[*] covered", "1: y covered"],
    );
    jinja(
        "{% for k, v in d.items() %}{{ k }}{{ v }}{% endfor %}",
        &["1: d{key} covered", "1: d[*] covered"],
    );
    jinja(
        "{% for i, v in enumerate(d) %}{{ i }}{{ v }}{% endfor %}",
        &["1: d[*] covered"],
    );
    jinja("{% set x = a.b %}{{ x.c }}", &["1: a.b.c covered"]);
    jinja(
        "{% set x = a %}{% if c %}{% set x = b %}{% endif %}{{ x }}",
        &["1: b covered", "1: a covered"],
    );
    jinja("{% set x, y = a, b %}{{ y }}", &["1: b covered"]);
    jinja("{% set x = a|safe %}{{ x }}", &["1: a Unescaped"]);
    jinja(
        "{% with x = a.b, y = 1 %}{{ x }}{{ y }}{% endwith %}{{ x }}",
        &["1: a.b covered", "1: x covered"],
    );
    jinja(
        "{% set l = [] %}{% for x in xs %}{% do l.append(x) %}{% endfor %}",
        &[],
    );
    jinja(
        "{% macro m(x, y='z') %}{{ x|safe }}{{ y }}{% endmacro %}{{ m(a) }}",
        &["1: m:x Unescaped", "1: m:y covered"],
    );
    jinja(
        "{{ xs|map(attribute='name')|join(', ')|safe }}",
        &["1: xs[*].name[*] Unescaped"],
    );
    jinja(
        "{{ request.args.get('q') }}{{ d.get('k', e) }}",
        &[
            "1: request.args.q covered",
            "1: d.k covered",
            "1: e covered",
        ],
    );
    jinja(
        "{% trans user=u.name %}Hello {{ user }}{% endtrans %}",
        &["1: u.name covered"],
    );
}

#[test]
fn contexts() {
    let jinja = |source, expected: &[&str]| check(Dialect::Jinja2, true, source, expected);
    jinja(
        "<p class=\"{{ a }}\" id={{ b }}>",
        &["1: a covered", "1: b UnquotedAttribute"],
    );
    jinja("<a href='{{ a }}'>", &["1: a ScriptUrl"]);
    jinja(
        "<a href='/x/{{ a }}?b={{ b|urlencode }}'>",
        &["1: a covered", "1: b covered"],
    );
    jinja("<a href='{{ url_for('x') }}'>", &[]);
    jinja("<img src='{{ a }}'>", &["1: a covered"]);
    jinja("<b onclick=\"f('{{ a }}')\">", &["1: a Script"]);
    jinja("<b onclick='f({{ a|tojson }})'>", &["1: a covered"]);
    jinja(
        "<b onclick=\"f({{ a|tojson|forceescape }})\">",
        &["1: a covered"],
    );
    jinja(
        "<script>\nvar a = {{ a|tojson }};\nvar b = '{{ b }}';\nvar c = {{ c }};\n</script>{{ d }}",
        &[
            "2: a covered",
            "3: b ScriptString",
            "4: c Script",
            "5: d covered",
        ],
    );
    jinja("<script>{{ a|safe }}</script>", &["1: a Unescaped"]);
    jinja("<style>p { color: {{ a }} }</style>", &["1: a Style"]);
    jinja("<{{ a }} {{ b }}>", &["1: a TagPart", "1: b TagPart"]);
    jinja(
        "<div {% if x %}class=\"a\"{% else %}class=\"b\"{% endif %}>{{ a }}</div>",
        &["1: a covered"],
    );
    jinja(
        "<div class=\"{% if x %}a\"{% else %}b\"{% endif %} id={{ a }}>",
        &["1: a UnquotedAttribute"],
    );
    jinja(
        "<textarea>{{ a }}</textarea><title>{{ b }}</title>",
        &["1: a covered", "1: b covered"],
    );
    jinja("<!-- {{ a }} -->{{ b }}", &["1: a covered", "1: b covered"]);
    jinja(
        "<input value='{{ a|tojson }}'><input value=\"{{ b|tojson }}\">",
        &["1: a covered", "1: b Unescaped"],
    );
}

#[test]
fn django() {
    let django = |source, expected: &[&str]| check(Dialect::Django, true, source, expected);
    django("{{ a.b.0.c }}", &["1: a.b[*].c covered"]);
    django(
        "{{ a|safe }}{{ a|escape }}{{ a|force_escape }}",
        &["1: a Unescaped", "1: a covered", "1: a covered"],
    );
    django(
        "{% autoescape off %}{{ a }}{% endautoescape %}{{ a }}",
        &["1: a Unescaped", "1: a covered"],
    );
    django(
        "{% for k, v in d.items %}{{ k }}{{ v|safe }}{% empty %}{{ e }}{% endfor %}",
        &["1: d{key} covered", "1: d[*] Unescaped", "1: e covered"],
    );
    django(
        "{% with x=a.b y='c' %}{{ x }}{{ y }}{% endwith %}",
        &["1: a.b covered"],
    );
    django(
        "{% with a.b as x %}{{ x }}{% endwith %}",
        &["1: a.b covered"],
    );
    django(
        "{% blocktrans with x=a.b %}Hi {{ x }}{% endblocktrans %}",
        &["1: a.b covered"],
    );
    django(
        "{% comment %}{{ a }}{% endcomment %}{% verbatim %}{{ b }}{% endverbatim %}{# {{ c }} #}{{ d }}",
        &["1: d covered"],
    );
    django(
        "{% firstof a b|safe %}",
        &["1: a covered", "1: b Unescaped"],
    );
    django(
        "{{ a|default:b|safe }}{{ a|date:'Y' }}{{ n|length }}",
        &["1: a Unescaped", "1: b Unescaped"],
    );
    django(
        "<script>var a = '{{ a|escapejs }}', b = \"{{ b }}\";</script>",
        &["1: a covered", "1: b ScriptString"],
    );
    django("{{ a|json_script:'x' }}", &[]);
    django("{{ a\n}}{{ b }}", &["2: b covered"]);
    django("{% trans a %}{% translate 'x' %}", &["1: a covered"]);
    django("<a href={{ a }}>", &["1: a UnquotedAttribute"]);
}

#[test]
fn tornado() {
    let tornado = |source, expected: &[&str]| check(Dialect::Tornado, true, source, expected);
    tornado(
        "{{ a }}{% raw a %}{% raw escape(a) %}",
        &["1: a covered", "1: a Unescaped", "1: a covered"],
    );
    tornado(
        "{% for x in xs %}{{ x['n'] }}{% end %}{{ x }}",
        &["1: xs[*].n covered", "1: x covered"],
    );
    tornado(
        "{% if a %}{% set y = b %}{% end %}{{ y }}",
        &["1: b covered", "1: y covered"],
    );
    tornado(
        "{% autoescape None %}{{ a }}{{ escape(a) }}",
        &["1: a Unescaped", "1: a covered"],
    );
    tornado("{{! a }}{{ b }}", &["1: b covered"]);
    tornado("{{ a.get('x', '') or 'y' }}", &["1: a.x covered"]);
    tornado("{% apply linkify %}{% raw a %}{% end %}", &["1: a covered"]);
}

#[test]
fn mako() {
    let mako = |source, expected: &[&str]| check(Dialect::Mako, false, source, expected);
    mako(
        "${a}${a | h}${a | n}${a|u}",
        &[
            "1: a Unescaped",
            "1: a covered",
            "1: a Unescaped",
            "1: a covered",
        ],
    );
    mako(
        "% for x in xs:\n${x.n}\n% endfor\n${x}",
        &["2: xs[*].n Unescaped", "4: x Unescaped"],
    );
    mako(
        "## ${a}\n<%doc>${b}</%doc><%text>${c}</%text>${d}",
        &["2: d Unescaped"],
    );
    mako(
        "<%page expression_filter=\"h\"/>${a}${a|n}",
        &["1: a covered", "1: a Unescaped"],
    );
    mako("<% x = a.b %>${x}", &["1: a.b Unescaped"]);
    mako(
        "<%def name=\"f(x)\">${x}</%def>${f(a)}",
        &["1: f:x Unescaped"],
    );
    mako(
        "<%block name=\"b\" filter=\"h\">${a}</%block>${a}",
        &["1: a covered", "1: a Unescaped"],
    );
    mako("${', '.join(x.n for x in xs)}", &["1: xs[*].n Unescaped"]);
    mako("${{'a': b}['a']}", &["1: b.a Unescaped"]);
    mako(
        "${str(a)}${f(a)}",
        &["1: a Unescaped", "1: f() Unescaped", "1: a Unescaped"],
    );
    mako("%% not a line ${a}", &["1: a Unescaped"]);
    check(
        Dialect::Mako,
        true,
        "${a}${a|n}",
        &["1: a covered", "1: a Unescaped"],
    );
}

#[test]
fn structure() {
    let template = parse(
        "{% extends 'base.html' %}{% from 'forms.html' import field as f %}{% import 'x.html' as x %}\n\
         {% block body %}{{ super() }}{% include ['a.html', 'b.html'] %}{% endblock %}\n{% set q = 1 %}{% for a in b %}{% endfor %}",
        Dialect::Jinja2,
    );
    assert_eq!(template.extends, ["base.html"]);
    assert_eq!(template.blocks, ["body"]);
    assert_eq!(template.super_blocks, ["body"]);
    assert_eq!(template.includes[0].names, ["a.html", "b.html"]);
    assert_eq!(template.includes[0].line, 2);
    assert_eq!(
        template.imports[0].names,
        [("field".to_string(), "f".to_string())]
    );
    assert_eq!(template.imports[1].alias.as_deref(), Some("x"));
    assert_eq!(template.loops[0].targets, ["a"]);
    assert_eq!(template.sets[0].name, "q");
    assert!(template.diagnostics.is_empty());
    let include = &parse("{% include 'x.html' with a=b.c only %}", Dialect::Django).includes[0];
    assert!(include.only);
    assert_eq!(include.variables[0].0, "a");
    let mako = parse(
        "<%inherit file='/b.mako'/><%namespace name='n' file='n.mako'/><%include file='i.mako' args='x=y'/>",
        Dialect::Mako,
    );
    assert_eq!(
        (
            mako.extends[0].as_str(),
            mako.imports[0].template.as_str(),
            mako.includes[0].names[0].as_str()
        ),
        ("/b.mako", "n.mako", "i.mako")
    );
}

#[test]
fn positions() {
    let source = "é\n  é {{ a }} {{ b }}\n{{ c }}";
    let template = parse(source, Dialect::Jinja2);
    let at: Vec<_> = template
        .interpolations
        .iter()
        .map(|i| (i.line, i.column, &source[i.range.clone()]))
        .collect();
    assert_eq!(
        at,
        [(2, 5, "{{ a }}"), (2, 13, "{{ b }}"), (3, 1, "{{ c }}")]
    );
    let template = parse("a\n{{ b", Dialect::Jinja2);
    assert_eq!(template.diagnostics[0].line, 2);
    let template = parse("\n{% if a %}", Dialect::Jinja2);
    assert_eq!(
        (
            template.diagnostics[0].line,
            template.diagnostics[0].message.as_str()
        ),
        (2, "`if` is not closed")
    );
}

#[test]
fn forms() {
    for (dialect, source, token) in [
        (
            Dialect::Django,
            "<form method=post>{% csrf_token %}</form>",
            true,
        ),
        (
            Dialect::Django,
            "<form method='post'><input></form>{% csrf_token %}",
            false,
        ),
        (
            Dialect::Jinja2,
            "<form method=\"POST\">{{ form.hidden_tag() }}</form>",
            true,
        ),
        (
            Dialect::Jinja2,
            "<form method=\"{{ m }}\"><input name=\"csrf_token\" value=\"{{ csrf_token() }}\"></form>",
            true,
        ),
        (
            Dialect::Jinja2,
            "<form method=POST>{{ form.name }}</form>",
            false,
        ),
        (
            Dialect::Tornado,
            "<form method=POST>{% module xsrf_form_html() %}</form>",
            true,
        ),
        (
            Dialect::Html,
            "<form method=POST action='/x'></form>",
            false,
        ),
    ] {
        let template = parse(source, dialect);
        assert_eq!(template.forms.len(), 1, "{source}");
        assert_eq!(template.forms[0].has_csrf_token, token, "{source}");
    }
    let template = parse("<form action='{{ a }}/x' method=post>", Dialect::Jinja2);
    assert_eq!(
        (
            template.forms[0].method.as_str(),
            template.forms[0].action.as_str()
        ),
        ("post", "/x")
    );
}

#[test]
fn defaults() {
    assert!(autoescape_default(Dialect::Jinja2, "a/b.HTML"));
    assert!(!autoescape_default(Dialect::Jinja2, "a/b.jinja2"));
    assert!(!autoescape_default(Dialect::Jinja2, "b.txt"));
    assert!(autoescape_default(Dialect::Django, "b.txt"));
    assert!(autoescape_default(Dialect::Tornado, "x.html"));
    assert!(!autoescape_default(Dialect::Mako, "x.html"));
    let template = parse("{% autoescape off %}\n{% endautoescape %}", Dialect::Django);
    assert_eq!(template.autoescape_off, [1]);
    assert_eq!(
        parse("{{ a }}", Dialect::Django).interpolations[0].autoescape,
        Autoescape::Inherit
    );
    assert!(parse("{{ a|safe }}", Dialect::Django).interpolations[0].is_safe_marked());
    assert!(!parse("{{ a|e }}", Dialect::Django).interpolations[0].is_safe_marked());
    assert!(Exposure::Style.is_weak() && !Exposure::Unescaped.is_weak());
}
