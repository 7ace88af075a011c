//! One self-contained HTML page without scripts.

use std::io::{self, Write};

use pyward_findings::Finding;
use quick_xml::escape::escape;

use crate::style::{confidence_name, severity_name};
use crate::{Report, count, frame};

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1d2330;background:#fff}\
h1{font-size:1.5rem}article{border:1px solid #d5dae3;border-left-width:6px;border-radius:6px;margin:1rem 0;padding:.6rem 1rem}\
article h2{font-size:1rem;margin:.2rem 0}pre{background:#f5f6f9;padding:.6rem;overflow:auto;border-radius:4px;margin:.5rem 0}\
mark{background:#ffd7d5}ol{margin:.3rem 0;padding-left:1.6rem}code{font-size:13px}.place{color:#57606e}\
.critical,.high{border-left-color:#c62a2f}.medium{border-left-color:#b87f00}.low{border-left-color:#0b7285}.info{border-left-color:#7a8494}\
@media(prefers-color-scheme:dark){body{background:#14171d;color:#dde2ea}pre{background:#1d222b}article{border-color:#333a46}mark{background:#6b2225;color:#fff}.place{color:#9aa5b4}}";

pub(crate) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>pyward report</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>pyward: {} in {}</h1>",
        count(report.findings.len(), "finding"),
        count(report.summary.files, "file"),
    )?;
    for finding in report.findings {
        article(report, finding, out)?;
    }
    if !report.diagnostics.is_empty() {
        writeln!(out, "<h1>About the input</h1>\n<ul>")?;
        for diagnostic in report.diagnostics {
            writeln!(out, "<li>{}</li>", escape(diagnostic.to_string()))?;
        }
        writeln!(out, "</ul>")?;
    }
    writeln!(out, "</body>\n</html>")
}

fn article(report: &Report<'_>, finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let severity = severity_name(finding.severity);
    let location = &finding.location;
    writeln!(
        out,
        "<article class=\"{severity}\" id=\"{}\">\n<h2>{severity}: {}</h2>\n\
         <div class=\"place\"><code>{}</code> &middot; {} &middot; {} confidence{}</div>",
        finding.fingerprint,
        escape(finding.message.as_str()),
        escape(location.to_string()),
        escape(finding.rule.as_str()),
        confidence_name(finding.confidence),
        finding
            .cwe
            .first()
            .map_or(String::new(), |c| format!(" &middot; CWE-{c}")),
    )?;
    let text = report.sources.text(&location.file).unwrap_or("");
    let excerpt = frame::excerpt(text, location.start, location.end, 2);
    writeln!(
        out,
        "<pre><code>{}<mark>{}</mark>{}</code></pre>",
        escape(&excerpt.text[..excerpt.start]),
        escape(&excerpt.text[excerpt.start..excerpt.end]),
        escape(&excerpt.text[excerpt.end..])
    )?;
    if finding.trace.len() > 1 {
        writeln!(out, "<ol>")?;
        for step in &finding.trace {
            let text = report.sources.text(&step.location.file).unwrap_or("");
            writeln!(
                out,
                "<li>{} <span class=\"place\"><code>{}</code></span><br><code>{}</code></li>",
                escape(step.text.as_str()),
                escape(step.location.to_string()),
                escape(frame::line_of(text, step.location.start, 160))
            )?;
        }
        writeln!(out, "</ol>")?;
    }
    writeln!(
        out,
        "<div>{}</div>\n</article>",
        escape(finding.remedy.as_str())
    )
}
