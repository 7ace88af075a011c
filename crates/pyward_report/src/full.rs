//! Source frames with the path that the data takes.

use std::io::{self, Write};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Origin, Renderer, Snippet};
use pyward_findings::{Finding, Severity, Step, StepKind};

use crate::style::{BOLD, DIM, HELP, confidence_name, level, severity_style};
use crate::{Report, Summary, count, frame};

/// Longer traces are shown without their middle.
const MAX_STEPS: usize = 14;

pub(crate) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let renderer = Renderer::styled().decor_style(DecorStyle::Ascii);
    for finding in report.findings {
        write_finding(report, finding, &renderer, out)?;
        writeln!(out)?;
    }
    write_summary(report, out)
}

fn write_finding(
    report: &Report<'_>,
    finding: &Finding,
    renderer: &Renderer,
    out: &mut dyn Write,
) -> io::Result<()> {
    let location = &finding.location;
    let text = report.sources.text(&location.file).unwrap_or("");
    let excerpt = frame::excerpt(text, location.start, location.end, 2);
    let first = location.line.saturating_sub(excerpt.lines_before).max(1);
    let title = level(finding.severity)
        .primary_title(finding.message.as_str())
        .id(finding.rule.as_str());
    let group = Group::with_title(title);
    let origin = Origin::path(location.file_and_cell())
        .line(location.line as usize)
        .char_column(location.column as usize);
    let group = if excerpt.text.trim().is_empty() {
        group.element(origin)
    } else {
        let snippet = Snippet::source(excerpt.text)
            .line_start(first as usize)
            .fold(false)
            .annotation(
                AnnotationKind::Primary
                    .span(excerpt.start..excerpt.end)
                    .label(sink_label(finding)),
            );
        if excerpt.is_cut {
            group.element(origin).element(snippet)
        } else {
            group.element(snippet.path(location.file_and_cell()))
        }
    };
    writeln!(out, "{}", renderer.render(&[group]))?;

    // The gutter is as wide as the last line number shown.
    let last = first as usize + excerpt.text.matches('\n').count();
    let gutter = " ".repeat(last.to_string().len());
    // The renderer closes a frame only below a line without annotations.
    if !excerpt.text[excerpt.end..].contains('\n') {
        writeln!(out, "{gutter} {DIM}|{DIM:#}")?;
    }
    if finding.trace.len() > 1 {
        let title = match finding.source_kind {
            Some(_) => "the path of the data",
            None => "the way there",
        };
        writeln!(out, "{gutter} {DIM}={DIM:#} {BOLD}{title}{BOLD:#}:")?;
        write_trace(report, &finding.trace, &gutter, out)?;
    }
    writeln!(
        out,
        "{gutter} {DIM}={DIM:#} {HELP}help{HELP:#}: {}",
        finding.remedy
    )?;
    if let Some(fix) = &finding.fix {
        let title = &fix.title;
        writeln!(out, "{gutter} {DIM}={DIM:#} {HELP}fix{HELP:#}: {title}")?;
    }
    let mut notes: Vec<String> = finding.cwe.iter().map(|c| format!("CWE-{c}")).collect();
    notes.truncate(2);
    notes.extend(finding.owasp.first().cloned());
    let mut confidence = format!("{} confidence", confidence_name(finding.confidence));
    if !finding.confidence_reasons.is_empty() {
        confidence.push_str(": ");
        confidence.push_str(&finding.confidence_reasons.join("; "));
    }
    notes.push(confidence);
    writeln!(
        out,
        "{gutter} {DIM}={DIM:#} {BOLD}note{BOLD:#}: {}",
        notes.join(", ")
    )
}

/// What the caret says: the last step of the trace.
fn sink_label(finding: &Finding) -> &str {
    match finding.trace.last() {
        Some(step) if step.kind == StepKind::Sink => &step.text,
        _ => "",
    }
}

fn write_trace(
    report: &Report<'_>,
    trace: &[Step],
    gutter: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let shown = |index: usize| {
        trace.len() <= MAX_STEPS || index < MAX_STEPS / 2 || index >= trace.len() - MAX_STEPS / 2
    };
    let places: Vec<String> = trace.iter().map(|s| s.location.to_string()).collect();
    let width = places.iter().map(String::len).max().unwrap_or(0).min(40);
    let digits = trace.len().to_string().len();
    let mut left_out = 0;
    for (index, step) in trace.iter().enumerate() {
        if !shown(index) {
            left_out += 1;
            continue;
        }
        if left_out > 0 {
            let steps = count(left_out, "step");
            writeln!(out, "{gutter}     {:digits$}  ... {steps} ...", "")?;
            left_out = 0;
        }
        let number = index + 1;
        let place = &places[index];
        writeln!(
            out,
            "{gutter}     {DIM}{number:digits$}.{DIM:#} {place:width$}  {BOLD}{}{BOLD:#}",
            step.text
        )?;
        let text = report.sources.text(&step.location.file).unwrap_or("");
        let line = frame::line_of(text, step.location.start, 110);
        if !line.is_empty() {
            writeln!(out, "{gutter}     {:digits$}  {:width$}    {line}", "", "")?;
        }
    }
    Ok(())
}

pub(crate) fn write_summary(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let findings = report.findings;
    let Summary {
        files,
        below_threshold,
        elapsed,
    } = report.summary;
    let checked = format!(
        "{}{}",
        count(files, "file"),
        elapsed.map_or(String::new(), |t| format!(", {:.2} s", t.as_secs_f64()))
    );
    if findings.is_empty() {
        write!(out, "{BOLD}No findings{BOLD:#} in {checked}")?;
    } else {
        let mut parts = Vec::new();
        for severity in [
            Severity::Critical,
            Severity::High,
            Severity::Medium,
            Severity::Low,
            Severity::Info,
        ] {
            let number = findings.iter().filter(|f| f.severity == severity).count();
            if number > 0 {
                let style = severity_style(severity);
                let name = crate::style::severity_name(severity);
                parts.push(format!("{style}{number} {name}{style:#}"));
            }
        }
        let total = count(findings.len(), "finding");
        write!(
            out,
            "{BOLD}{total}{BOLD:#} ({}) in {checked}",
            parts.join(", ")
        )?;
    }
    let mut asides = Vec::new();
    if !report.suppressed.is_empty() {
        asides.push(format!("{} suppressed", report.suppressed.len()));
    }
    if below_threshold > 0 {
        asides.push(format!(
            "{below_threshold} below the thresholds (`--severity info --confidence low` shows them)"
        ));
    }
    if !asides.is_empty() {
        write!(out, "; {}", asides.join(", "))?;
    }
    writeln!(out)?;
    if let Some(rule) = findings.iter().map(|f| &f.rule).min() {
        writeln!(out, "More about a rule: `pyward explain {rule}`")?;
    }
    Ok(())
}
