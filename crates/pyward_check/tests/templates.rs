//! Findings in templates: where they stand, and that comments, the baseline and the cache work for them.

use std::fs;
use std::path::Path;

use pyward_check::{Outcome, Request, check, write_baseline};
use pyward_project::{Code, Settings};
use pyward_report::Sources;

const APP: &str = r#"from flask import Flask, render_template, request

app = Flask(__name__)


@app.route("/hello")
def hello():
    return render_template("page.html", title=request.args["title"])
"#;

fn project(templates: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::TempDir::with_prefix("pyward").unwrap();
    fs::write(folder.path().join("app.py"), APP).unwrap();
    fs::create_dir(folder.path().join("templates")).unwrap();
    for (name, text) in templates {
        fs::write(folder.path().join("templates").join(name), text).unwrap();
    }
    folder
}

fn run(folder: &Path, baseline: bool) -> Outcome {
    let mut settings = Settings::defaults(folder);
    settings.config.select = vec![toml::Spanned::new(0..0, "template-xss".to_owned())];
    if baseline {
        let name = "baseline.json".into();
        settings.config.baseline = Some(toml::Spanned::new(0..0, name));
    }
    check(&Request {
        working_directory: folder,
        paths: &[],
        settings: &settings,
        stdin: None,
        threads: 1,
        cache: false,
        use_baseline: baseline,
        progress: &|_| {},
    })
}

#[test]
fn a_finding_stands_in_the_template_and_shows_the_whole_way() {
    let folder = project(&[
        ("page.html", "<b>ü</b>\n{% include 'part.html' %}\n"),
        ("part.html", "<p>ü {{ title|safe }}</p>\n"),
    ]);
    let outcome = run(folder.path(), false);
    let [finding] = outcome.findings.as_slice() else {
        panic!("{:?}", outcome.findings)
    };
    assert_eq!(finding.location.to_string(), "templates/part.html:1:6");
    let way: Vec<String> = finding
        .trace
        .iter()
        .map(|step| step.location.to_string())
        .collect();
    assert_eq!(way.first().unwrap(), "app.py:8:47");
    assert_eq!(
        way[way.len() - 3..],
        [
            "app.py:8:12",
            "templates/page.html:2:1",
            "templates/part.html:1:6"
        ]
    );
    let text = outcome.text("templates/part.html").unwrap();
    let place = &finding.location;
    assert_eq!(
        &text[place.start as usize..place.end as usize],
        "{{ title|safe }}"
    );
}

#[test]
fn comments_of_the_template_suppress() {
    let folder = project(&[(
        "page.html",
        "{# pyward: ignore[template-xss] from the editors #}\n\
         <p>{{ title|safe }}</p>\n\
         <p>{{ title|safe }}</p> <!-- pyward: ignore[template-xss] here too -->\n\
         <p>{{ title|safe }}</p>\n\
         {# pyward: ignore[template-xss] of no use #}\n\
         <p>{{ title }}</p>\n",
    )]);
    let outcome = run(folder.path(), false);
    let lines: Vec<u32> = outcome.findings.iter().map(|f| f.location.line).collect();
    assert_eq!(lines, [4]);
    assert_eq!(outcome.suppressed.len(), 2);
    let unused = outcome
        .diagnostics
        .iter()
        .filter(|d| d.code == Code::UnusedSuppression);
    assert_eq!(unused.count(), 1);
}

#[test]
fn the_baseline_knows_them_after_they_moved() {
    let folder = project(&[("page.html", "<p>{{ title|safe }}</p>\n")]);
    let first = run(folder.path(), false);
    assert_eq!(first.findings.len(), 1);
    write_baseline(&folder.path().join("baseline.json"), &first.findings).unwrap();
    let page = folder.path().join("templates/page.html");
    fs::write(
        &page,
        "<h1>x</h1>\n\n<p>{{ title|safe }}</p>\n<b>{{ title|safe }}</b>\n",
    )
    .unwrap();
    let second = run(folder.path(), true);
    let lines: Vec<u32> = second.findings.iter().map(|f| f.location.line).collect();
    assert_eq!(lines, [4]);
    assert_eq!(second.suppressed.len(), 1);
    // Repaired: the entry is stale, and that is said.
    fs::write(&page, "<p>{{ title }}</p>\n").unwrap();
    let third = run(folder.path(), true);
    assert!(third.findings.is_empty() && third.suppressed.is_empty());
    assert!(
        third
            .diagnostics
            .iter()
            .any(|d| d.code == Code::StaleBaseline)
    );
}

#[test]
fn large_and_tangled_templates_end() {
    let mut many = String::new();
    for at in 0..4000 {
        many.push_str(&format!(
            "<p>{{{{ v{at}|safe }}}} {{{{ title|safe }}}}</p>{{% include 'b.html' %}}"
        ));
    }
    let folder = project(&[
        ("page.html", many.as_str()),
        (
            "b.html",
            "{% extends 'page.html' %}{% include 'c.html' %}{{ title|safe }}",
        ),
        (
            "c.html",
            "{% include 'b.html' %}{% macro m(x) %}{{ m(x.y) }}{{ m(x.z) }}{% endmacro %}{{ m(title) }}",
        ),
    ]);
    let started = std::time::Instant::now();
    let outcome = run(folder.path(), false);
    assert!(!outcome.findings.is_empty());
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[test]
fn scripts_that_are_too_large_are_named() {
    let code = format!("box.innerHTML = location.hash;{}", " ".repeat(1 << 20));
    let page = format!("<script>{code}</script>");
    let folder = project(&[("page.html", "<p>{{ title }}</p>"), ("zoo.html", &page)]);
    let outcome = run(folder.path(), false);
    let [told] = outcome.diagnostics.as_slice() else {
        panic!("{:?}", outcome.diagnostics)
    };
    assert_eq!(told.path.as_deref(), Some("templates/zoo.html"));
    assert!(
        told.message
            .starts_with("the scripts of 1 page are followed only in part")
    );
}
