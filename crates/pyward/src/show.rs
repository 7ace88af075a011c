//! The commands that show what pyward knows.

use std::io::{self, Write};
use std::path::Path;

use anstyle::Style;
use clap::CommandFactory;
use clap_complete::Shell;
use pyward_catalog::Catalog;
use pyward_project::{Level, configuration_markdown, configuration_schema};
use pyward_report::write_diagnostics;
use serde_json::json;

use crate::args::{Cli, ConfigArgs, ConfigWhat};
use crate::{Exit, check};

const BOLD: Style = Style::new().bold();

/// `pyward explain`
pub(crate) fn explain(name: &str) -> io::Result<Exit> {
    let catalog = Catalog::builtin();
    let Some(document) = catalog.document(name) else {
        let advice = match pyward_check::nearest(catalog, name) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`pyward rules` lists them".to_owned(),
        };
        writeln!(
            anstream::stderr(),
            "pyward: there is no rule `{name}`; {advice}"
        )?;
        return Ok(Exit::Failure);
    };
    let rule = &document.rule;
    let mut out = anstream::stdout().lock();
    writeln!(out, "{BOLD}{}{BOLD:#} ({})\n", rule.title, rule.id)?;
    let weaknesses: Vec<String> = rule.cwe.iter().map(|cwe| format!("CWE-{cwe}")).collect();
    let lines = [
        ("Severity", word(&rule.severity)),
        ("Confidence", word(&rule.confidence)),
        ("Weaknesses", weaknesses.join(", ")),
        ("OWASP Top 10", rule.owasp.join(", ")),
        ("ASVS", rule.asvs.join(", ")),
        ("Practices", rule.practices.join(", ")),
        ("Remedy", rule.remedy.clone()),
    ];
    for (name, text) in lines.iter().filter(|(_, text)| !text.is_empty()) {
        writeln!(out, "{name:12}  {text}")?;
    }
    writeln!(out)?;
    let mut in_code = false;
    for line in document.body.trim().lines() {
        if line.starts_with("```") {
            in_code = !in_code;
        }
        if !in_code && line.starts_with('#') {
            writeln!(out, "{BOLD}{line}{BOLD:#}")?;
        } else {
            writeln!(out, "{line}")?;
        }
    }
    Ok(Exit::Clean)
}

/// A severity or confidence as it is written.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

/// `pyward rules`
pub(crate) fn rules(as_json: bool) -> io::Result<Exit> {
    let catalog = Catalog::builtin();
    if as_json {
        let mut out = io::stdout().lock();
        let rules: Vec<_> = catalog
            .rules
            .iter()
            .map(|rule| {
                json!({
                    "id": rule.id,
                    "title": rule.title,
                    "severity": rule.severity,
                    "confidence": rule.confidence,
                    "cwe": rule.cwe,
                    "owasp": rule.owasp,
                    "asvs": rule.asvs,
                    "practices": rule.practices,
                    "remedy": rule.remedy,
                    "default": !rule.off_by_default,
                })
            })
            .collect();
        serde_json::to_writer_pretty(&mut out, &rules)?;
        writeln!(out)?;
        return Ok(Exit::Clean);
    }
    let mut out = anstream::stdout().lock();
    let width = catalog.rules.iter().map(|r| r.id.len()).max().unwrap_or(0);
    for rule in &catalog.rules {
        let weakness = rule
            .cwe
            .first()
            .map_or(String::new(), |c| format!("CWE-{c}"));
        let off = if rule.off_by_default {
            " (not by default)"
        } else {
            ""
        };
        writeln!(
            out,
            "{BOLD}{:width$}{BOLD:#}  {:8}  {weakness:8}  {}{off}",
            rule.id,
            word(&rule.severity),
            rule.title
        )?;
    }
    Ok(Exit::Clean)
}

/// `pyward practices`: what stands behind each cell of the catalogue's table.
pub(crate) fn practices() -> io::Result<Exit> {
    let catalog = Catalog::builtin();
    let mut out = anstream::stdout().lock();
    let mut group = "";
    for practice in &catalog.practices {
        if practice.group != group {
            group = &practice.group;
            writeln!(out, "\n{BOLD}{group}{BOLD:#}")?;
        }
        writeln!(out, "\n{BOLD}{:3}{BOLD:#} {}", practice.id, practice.title)?;
        let rules: Vec<&str> = catalog
            .rules
            .iter()
            .filter(|rule| rule.practices.contains(&practice.id))
            .map(|rule| rule.id.as_str())
            .collect();
        if let Some(find) = &practice.find {
            writeln!(out, "      find    {find}")?;
            let behind = if rules.is_empty() {
                "no rule yet".to_owned()
            } else {
                rules.join(", ")
            };
            writeln!(out, "              rules: {behind}")?;
        }
        let cells = [
            ("fix", &practice.fix),
            ("supply", &practice.supply),
            ("prove", &practice.prove),
        ];
        for (name, text) in cells {
            if let Some(text) = text {
                writeln!(out, "      {name:6}  {text}")?;
            }
        }
    }
    Ok(Exit::Clean)
}

/// `pyward config`
pub(crate) fn config(what: ConfigWhat, arguments: &ConfigArgs) -> io::Result<Exit> {
    let mut out = io::stdout().lock();
    match what {
        ConfigWhat::Schema => out.write_all(configuration_schema().as_bytes())?,
        ConfigWhat::Docs => out.write_all(configuration_markdown().as_bytes())?,
        ConfigWhat::Show => {
            let here = std::env::current_dir()?;
            let mut problems = Vec::new();
            let settings = check::load(&here, Path::new("."), arguments, &mut problems);
            write_diagnostics(&problems, &mut anstream::stderr())?;
            if problems.iter().any(|p| p.level == Level::Error) {
                return Ok(Exit::Failure);
            }
            match &settings.shown {
                Some(path) => writeln!(out, "# from {path}")?,
                None => writeln!(out, "# defaults")?,
            }
            out.write_all(settings.config.to_toml().as_bytes())?;
        }
    }
    Ok(Exit::Clean)
}

/// `pyward completions`
pub(crate) fn completions(shell: Shell) -> io::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pyward", &mut script);
    io::stdout().write_all(&script)?;
    Ok(Exit::Clean)
}
