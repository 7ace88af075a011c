//! Variables followed through several templates.

use pyward_templates::{Dialect, Library, Step, parse};

fn library(dialect: Dialect, files: &[(&str, &str)]) -> Library {
    Library::new(
        files
            .iter()
            .map(|(path, source)| ((*path).to_string(), parse(source, dialect)))
            .collect(),
    )
}

fn attr(name: &str) -> Step {
    Step::Attr(name.into())
}

/// `path:line exposure` of every output reached with auto-escaping on.
fn reach(library: &Library, start: &str, root: &str, path: &[Step]) -> Vec<String> {
    let start = library.find(start, "app/views.py")[0];
    library
        .reach(start, Dialect::Jinja2, root, path)
        .iter()
        .map(|r| format!("{}:{} {:?}", r.path, r.interpolation.line, r.exposure(true)))
        .collect()
}

#[test]
fn inheritance() {
    let library = library(
        Dialect::Jinja2,
        &[
            (
                "templates/base.html",
                "<title>{{ title|safe }}</title>\n{% block body %}{{ user|safe }}{% endblock %}\n{% block foot %}{{ user|safe }}{% endblock %}",
            ),
            (
                "templates/page.html",
                "{% extends 'base.html' %}{{ user|safe }}{% block body %}\n{{ user }}{% endblock %}",
            ),
            (
                "templates/more.html",
                "{% extends 'page.html' %}{% block body %}{{ super() }}{% endblock %}",
            ),
        ],
    );
    assert_eq!(
        reach(&library, "page.html", "title", &[]),
        ["templates/base.html:1 Some(Unescaped)"]
    );
    // The overridden block and what stands outside of the child's blocks are not shown.
    assert_eq!(
        reach(&library, "page.html", "user", &[]),
        [
            "templates/base.html:3 Some(Unescaped)",
            "templates/page.html:2 None"
        ]
    );
    assert_eq!(
        reach(&library, "more.html", "user", &[]),
        [
            "templates/base.html:3 Some(Unescaped)",
            "templates/page.html:2 None"
        ]
    );
}

#[test]
fn includes_and_macros() {
    let library = library(
        Dialect::Jinja2,
        &[
            (
                "templates/page.html",
                "{% from 'forms.html' import field %}{% import 'forms.html' as f %}\n{% include 'part.html' %}\n{{ field(user.name) }}\n{{ f.raw(value=user.bio|e) }}{{ f.raw(user.site) }}",
            ),
            ("templates/part.html", "{{ user.name|safe }}{{ user.bio }}"),
            (
                "templates/forms.html",
                "{% macro field(x) %}{{ raw(x) }}{% endmacro %}\n{% macro raw(value) %}{{ value|safe }}{% endmacro %}",
            ),
        ],
    );
    assert_eq!(
        reach(&library, "page.html", "user", &[attr("name")]),
        [
            "templates/part.html:1 Some(Unescaped)",
            "templates/forms.html:2 Some(Unescaped)"
        ]
    );
    assert_eq!(
        reach(&library, "page.html", "user", &[attr("bio")]),
        ["templates/part.html:1 None", "templates/forms.html:2 None"]
    );
    assert_eq!(
        reach(&library, "page.html", "user", &[attr("site")]),
        ["templates/forms.html:2 Some(Unescaped)"]
    );
    assert_eq!(reach(&library, "page.html", "other", &[]), [""; 0]);
    let start = library.find("page.html", "")[0];
    let reached = library.reach(start, Dialect::Jinja2, "user", &[attr("name")]);
    assert_eq!(
        reached[1].via.len(),
        2,
        "the call of `field`, then that of `raw`"
    );
}

#[test]
fn django_includes() {
    let library = library(
        Dialect::Django,
        &[
            (
                "a/templates/page.html",
                "{% include 'part.html' with text=form.body only %}{% include './other.html' %}",
            ),
            (
                "a/templates/part.html",
                "{{ text|safe }}{{ form.body|safe }}",
            ),
            ("a/templates/other.html", "{{ form.body.x|safe }}"),
            ("b/templates/part.html", "{{ text|safe }}"),
        ],
    );
    let start = library.find("page.html", "a/views.py")[0];
    let reached: Vec<_> = library
        .reach(start, Dialect::Jinja2, "form", &[attr("body")])
        .iter()
        .map(|r| (r.path, r.interpolation.column))
        .collect();
    assert_eq!(
        reached,
        [("a/templates/part.html", 1), ("a/templates/other.html", 1)]
    );
}

#[test]
fn loops_between_templates_end() {
    let library = library(
        Dialect::Jinja2,
        &[
            ("a.html", "{% extends 'b.html' %}{% include 'a.html' %}"),
            (
                "b.html",
                "{% include 'a.html' %}{% extends 'a.html' %}{{ x }}",
            ),
        ],
    );
    let _ = library.reach(0, Dialect::Jinja2, "x", &[]);
    let library = self::library(
        Dialect::Jinja2,
        &[(
            "a.html",
            "{% macro m(x) %}{{ m(x.y) }}{{ x }}{% endmacro %}{{ m(z) }}",
        )],
    );
    let paths: Vec<usize> = library
        .reach(0, Dialect::Jinja2, "z", &[])
        .iter()
        .map(|r| r.taken.len())
        .collect();
    assert_eq!(paths, [0, 1, 2, 3]);
}

#[test]
fn names() {
    let library = library(
        Dialect::Jinja2,
        &[
            ("x/templates/a.html", ""),
            ("y/templates/a.html", ""),
            ("y/other/a.html", ""),
            ("y/templates/sub/a.html", ""),
        ],
    );
    assert_eq!(library.find("a.html", "y/views.py"), [1]);
    assert_eq!(library.find("sub/a.html", "y/views.py"), [3]);
    assert_eq!(library.find("other/a.html", "y/views.py"), [2]);
    assert_eq!(library.find("b.html", "y/views.py"), [0usize; 0]);
    assert_eq!(library.find("", ""), [0usize; 0]);
    assert_eq!(library.find("../a.html", "x/views.py"), [0]);
}
