//! What is to be said about the input.

use std::io::{self, Write};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use pyward_project::Diagnostic;

use crate::frame;

pub(crate) fn write(diagnostic: &Diagnostic, out: &mut dyn Write) -> io::Result<()> {
    let level = match diagnostic.level {
        pyward_project::Level::Note => Level::NOTE,
        pyward_project::Level::Warning => Level::WARNING,
        pyward_project::Level::Error => Level::ERROR,
    };
    let renderer = Renderer::styled().decor_style(DecorStyle::Ascii);
    let (Some(text), Some(span), Some(path)) =
        (&diagnostic.text, diagnostic.span, &diagnostic.path)
    else {
        return write_line(diagnostic, out);
    };
    let (line, column) = diagnostic.position.unwrap_or((1, 1));
    let excerpt = frame::excerpt(text, span.start, span.end, 1);
    let title = level
        .primary_title(diagnostic.message.as_str())
        .id(diagnostic.code.as_str());
    let origin = Origin::path(path.as_str())
        .line(line as usize)
        .char_column(column as usize);
    let snippet = Snippet::source(excerpt.text)
        .line_start(line.saturating_sub(excerpt.lines_before).max(1) as usize)
        .fold(false)
        .annotation(AnnotationKind::Primary.span(excerpt.start..excerpt.end));
    let group = Group::with_title(title);
    let mut group = if excerpt.is_cut {
        group.element(origin).element(snippet)
    } else {
        group.element(snippet.path(path.as_str()))
    };
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    writeln!(out, "{}", renderer.render(&[group]))
}

/// `path:line:column: warning[code]: message`, coloured.
fn write_line(diagnostic: &Diagnostic, out: &mut dyn Write) -> io::Result<()> {
    use crate::style::{BOLD, severity_style};
    use pyward_findings::Severity;
    let (name, style) = match diagnostic.level {
        pyward_project::Level::Note => ("note", severity_style(Severity::Info)),
        pyward_project::Level::Warning => ("warning", severity_style(Severity::Medium)),
        pyward_project::Level::Error => ("error", severity_style(Severity::High)),
    };
    if let Some(path) = &diagnostic.path {
        write!(out, "{BOLD}{path}:")?;
        if let Some((line, column)) = diagnostic.position {
            write!(out, "{line}:{column}:")?;
        }
        write!(out, "{BOLD:#} ")?;
    }
    write!(
        out,
        "{style}{name}[{}]{style:#}: {}",
        diagnostic.code, diagnostic.message
    )?;
    if let Some(help) = &diagnostic.help {
        write!(out, " ({help})")?;
    }
    writeln!(out)
}
