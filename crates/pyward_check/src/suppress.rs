//! Suppression comments.
//!
//! - `# pyward: ignore[rule-a, rule-b] until=2026-12-31 why`: findings of these rules in the statement that the comment
//!   stands in or, where it stands alone, in the next one. `until` is the last day on which it holds.
//! - `# pyward: ignore-file[rule-a] why`: findings of the rule in the whole file.
//! - `# nosec`, `# nosec B608` and `# noqa: S608`, where the settings say so.
//!
//! In templates the same text may stand in any comment.

use std::collections::{BTreeSet, HashMap};

use jiff::civil::Date;
use pyward_findings::{Finding, SuppressedBy, Suppression};
use pyward_ir::LineIndex;
use pyward_project::{Code, Diagnostic, FileKind, Project, Settings};
use rayon::prelude::*;

use crate::{Selection, finds_in_tests, numbers};

/// A comment that suppresses findings.
#[derive(Debug)]
pub(crate) struct Comment {
    file: String,
    /// The comment's own byte range start, for messages.
    position: (u32, u32),
    scope: Scope,
    rules: Rules,
    reason: Option<String>,
    /// `# pyward:` comments are reported when unused, those for other tools and those in test code that is not
    /// looked into are not.
    reports_unused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    File,
    /// A line, from 1.
    Line(u32),
}

#[derive(Debug, PartialEq, Eq)]
enum Rules {
    All,
    These(BTreeSet<String>),
}

/// Every suppression comment of the project. Only files that contain one of the marker texts are looked into.
pub(crate) fn collect(
    project: &Project,
    templates: &HashMap<String, String>,
    settings: &Settings,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Comment> {
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let markers = Markers::new(settings);
    let per_file: Vec<_> = project
        .files
        .par_iter()
        .filter(|file| markers.are_in(&file.text))
        .map(|file| {
            let options = pyward_syntax::Options {
                is_stub: file.kind == FileKind::Stub,
                is_notebook: file.kind == FileKind::Notebook,
            };
            let comments = pyward_syntax::comments(&file.text, options);
            let ranges = comments.into_iter().map(|s| (s.start, s.end));
            let place = |offset| {
                let position = file.position(offset);
                (position.line, position.column)
            };
            let (mut comments, problems) = read_file(
                &file.shown,
                &file.text,
                file.lines(),
                ranges,
                &place,
                settings,
                today,
            );
            if file.is_test && !settings.config.tests && !finds_in_tests(settings) {
                for comment in &mut comments {
                    comment.reports_unused = false;
                }
            }
            (comments, problems)
        })
        .collect();
    let mut names: Vec<_> = templates
        .iter()
        .filter(|(_, text)| text.contains(OWN))
        .collect();
    names.sort();
    let in_templates = names.into_iter().map(|(name, text)| {
        let lines = LineIndex::new(text);
        // Template comments differ by engine: the marker itself is taken for the comment.
        let ranges = memchr::memmem::find_iter(text.as_bytes(), OWN).map(|at| {
            let end = text[at..].find(['\n', '\r']).map_or(text.len(), |n| at + n);
            let line = &text[at..end];
            let end = ["#}", "-->", "*/", "%>"]
                .iter()
                .filter_map(|close| line.find(close))
                .min()
                .map_or(end, |n| at + n);
            (
                u32::try_from(at).unwrap_or(0),
                u32::try_from(end).unwrap_or(0),
            )
        });
        let place = |offset| {
            let (line, column) = lines.line_column(offset);
            (line, column + 1)
        };
        read_file(name, text, &lines, ranges, &place, settings, today)
    });
    let mut out = Vec::new();
    for (comments, problems) in per_file.into_iter().chain(in_templates) {
        out.extend(comments);
        diagnostics.extend(problems);
    }
    out
}

const OWN: &str = "pyward:";

struct Markers<'a> {
    settings: &'a Settings,
}

impl<'a> Markers<'a> {
    fn new(settings: &'a Settings) -> Self {
        Self { settings }
    }

    fn are_in(&self, text: &str) -> bool {
        let has = |marker: &str| memchr::memmem::find(text.as_bytes(), marker.as_bytes()).is_some();
        let config = &self.settings.config;
        has(OWN) || (config.respect_nosec && has("nosec")) || (config.respect_noqa && has("noqa"))
    }
}

fn read_file(
    shown: &str,
    text: &str,
    lines: &LineIndex,
    ranges: impl Iterator<Item = (u32, u32)>,
    place: &dyn Fn(u32) -> (u32, u32),
    settings: &Settings,
    today: Date,
) -> (Vec<Comment>, Vec<Diagnostic>) {
    let mut comments = Vec::new();
    let mut problems = Vec::new();
    for (start, end) in ranges {
        let comment = &text[start as usize..end as usize];
        let position = place(start);
        let line = target_line(text, lines, start);
        if let Some(rest) = own_text(comment) {
            match parse(rest) {
                Ok(parsed) => {
                    if parsed.until.is_some_and(|until| until < today) {
                        problems.push(
                            Diagnostic::warning(
                                Code::ExpiredSuppression,
                                "this suppression has expired and no longer holds",
                            )
                            .at(shown)
                            .position(position.0, position.1),
                        );
                        continue;
                    }
                    comments.push(Comment {
                        file: shown.to_owned(),
                        position,
                        scope: if parsed.whole_file {
                            Scope::File
                        } else {
                            Scope::Line(line)
                        },
                        rules: Rules::These(parsed.rules),
                        reason: parsed.reason,
                        reports_unused: true,
                    });
                }
                Err(problem) => problems.push(
                    Diagnostic::warning(Code::InvalidSuppression, problem)
                        .at(shown)
                        .position(position.0, position.1)
                        .help("write `# pyward: ignore[rule-id] reason`"),
                ),
            }
            continue;
        }
        if let Some(rules) = foreign(comment, settings) {
            comments.push(Comment {
                file: shown.to_owned(),
                position,
                scope: Scope::Line(line),
                rules,
                reason: None,
                reports_unused: false,
            });
        }
    }
    (comments, problems)
}

/// The line that a comment speaks of: its own or, where it stands alone, the next that is neither blank nor a
/// comment.
fn target_line(text: &str, lines: &LineIndex, offset: u32) -> u32 {
    let (line, column) = lines.line_column(offset);
    let start = (offset - column) as usize;
    let before = text[start..offset as usize].trim();
    let alone =
        before.is_empty() || matches!(before, "{#" | "<!--" | "/*" | "//" | "##" | "#" | "<%#");
    if !alone {
        return line;
    }
    let mut next = line + 1;
    while let Some(start) = lines.line_start(next) {
        let end = lines
            .line_start(next + 1)
            .map_or(text.len(), |end| end as usize);
        let content = text[start as usize..end].trim();
        if !content.is_empty() && !content.starts_with('#') {
            return next;
        }
        next += 1;
    }
    line
}

struct Parsed {
    whole_file: bool,
    rules: BTreeSet<String>,
    until: Option<Date>,
    reason: Option<String>,
}

/// What follows `pyward:` in a comment that starts with it (behind other comments on the line too).
fn own_text(comment: &str) -> Option<&str> {
    let at = comment.find(OWN)?;
    let before = comment[..at].trim_end();
    (before.is_empty() || before.ends_with('#')).then(|| comment[at + OWN.len()..].trim())
}

fn parse(text: &str) -> Result<Parsed, String> {
    let (whole_file, rest) = if let Some(rest) = text.strip_prefix("ignore-file") {
        (true, rest)
    } else if let Some(rest) = text.strip_prefix("ignore") {
        (false, rest)
    } else {
        let word = text.split_whitespace().next().unwrap_or("");
        return Err(format!("`pyward: {word}` is not known"));
    };
    let rest = rest.trim_start();
    let Some((list, rest)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) else {
        return Err("the suppression does not name its rules".into());
    };
    let rules: BTreeSet<String> = list
        .split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    if rules.is_empty() {
        return Err("the suppression does not name its rules".into());
    }
    let mut until = None;
    let mut reason = Vec::new();
    for word in rest.split_whitespace() {
        if word == "#" {
            break;
        }
        match word.strip_prefix("until=") {
            Some(date) => {
                until = Some(
                    date.parse::<Date>()
                        .map_err(|_| format!("`{date}` is no date of the form YYYY-MM-DD"))?,
                );
            }
            None => reason.push(word),
        }
    }
    let reason = reason.join(" ");
    let reason = reason.trim_start_matches([':', '-', ' ']).to_owned();
    Ok(Parsed {
        whole_file,
        rules,
        until,
        reason: (!reason.is_empty()).then_some(reason),
    })
}

/// Comments for Bandit and flake8-bandit.
fn foreign(comment: &str, settings: &Settings) -> Option<Rules> {
    let config = &settings.config;
    let words = |rest: &str| -> Vec<String> {
        rest.trim_start_matches(':')
            .split([',', ' ', '#'])
            .map(|word| word.trim().to_ascii_uppercase())
            .filter(|word| !word.is_empty())
            .collect()
    };
    let of = |codes: Vec<String>, letter: char| -> BTreeSet<String> {
        codes
            .iter()
            .filter_map(|code| code.strip_prefix(letter)?.parse::<u16>().ok())
            .flat_map(numbers::rules)
            .map(|rule| (*rule).to_owned())
            .collect()
    };
    if config.respect_nosec
        && let Some((_, rest)) = comment.split_once("nosec")
    {
        let rules = of(words(rest), 'B');
        return Some(if rules.is_empty() {
            Rules::All
        } else {
            Rules::These(rules)
        });
    }
    if config.respect_noqa
        && let Some((_, rest)) = comment.split_once("noqa:")
    {
        let rules = of(words(rest), 'S');
        return (!rules.is_empty()).then_some(Rules::These(rules));
    }
    None
}

/// Marks the findings that a comment speaks of, and reports comments that speak of none.
pub(crate) fn apply(
    findings: &mut [Finding],
    comments: Vec<Comment>,
    selection: &Selection,
    settings: &Settings,
    diagnostics: &mut Vec<Diagnostic>,
    line_of: &dyn Fn(&str, u32) -> u32,
) {
    let mut by_file: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, comment) in comments.iter().enumerate() {
        by_file.entry(&comment.file).or_default().push(index);
    }
    let mut used: Vec<BTreeSet<String>> = vec![BTreeSet::new(); comments.len()];
    for finding in findings {
        let file = &*finding.location.file;
        let Some(indexes) = by_file.get(file) else {
            continue;
        };
        let place = &finding.location;
        let first = line_of(file, finding.statement.start.min(place.start));
        let last = line_of(file, finding.statement.end.max(place.end).saturating_sub(1));
        for &index in indexes {
            let comment = &comments[index];
            let in_scope = match comment.scope {
                Scope::File => true,
                Scope::Line(line) => (first..=last).contains(&line),
            };
            let names = match &comment.rules {
                Rules::All => true,
                Rules::These(rules) => rules.contains(&finding.rule),
            };
            if in_scope && names {
                used[index].insert(finding.rule.clone());
                finding.suppression.get_or_insert_with(|| Suppression {
                    by: SuppressedBy::Comment,
                    reason: comment.reason.clone(),
                });
            }
        }
    }
    if !settings.config.report_unused_suppressions {
        return;
    }
    for (comment, used) in comments.iter().zip(used) {
        let Rules::These(rules) = &comment.rules else {
            continue;
        };
        // A rule that did not run cannot tell whether its suppression is needed.
        let unused: Vec<String> = rules
            .iter()
            .filter(|rule| comment.reports_unused && selection.has(rule) && !used.contains(*rule))
            .map(|rule| format!("`{rule}`"))
            .collect();
        if !unused.is_empty() {
            diagnostics.push(
                Diagnostic::warning(
                    Code::UnusedSuppression,
                    format!(
                        "this suppression of {} suppresses nothing",
                        unused.join(", ")
                    ),
                )
                .at(comment.file.clone())
                .position(comment.position.0, comment.position.1),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_understood() {
        let parsed = parse("ignore[a, b-c] until=2030-01-02 checked by hand").unwrap();
        assert_eq!(parsed.rules, ["a".to_owned(), "b-c".into()].into());
        assert_eq!(parsed.until.unwrap().to_string(), "2030-01-02");
        assert_eq!(parsed.reason.as_deref(), Some("checked by hand"));
        assert!(!parsed.whole_file);
        assert!(parse("ignore-file[a]").unwrap().whole_file);
        assert!(parse("ignore[a] -- why").unwrap().reason.as_deref() == Some("why"));
    }

    #[test]
    fn what_is_not_understood_is_said() {
        assert!(parse("ignore").is_err());
        assert!(parse("ignore[]").is_err());
        assert!(parse("ignore[a] until=soon").is_err());
        assert!(parse("disable[a]").is_err());
        assert_eq!(own_text("# see pyward: the tool"), None);
        assert_eq!(own_text("# noqa # pyward: ignore[a]"), Some("ignore[a]"));
    }

    #[test]
    fn comments_of_other_tools() {
        let mut settings = Settings::defaults(std::path::Path::new("/"));
        assert_eq!(foreign("# nosec", &settings), None);
        settings.config.respect_nosec = true;
        settings.config.respect_noqa = true;
        assert_eq!(foreign("# nosec", &settings), Some(Rules::All));
        assert_eq!(
            foreign("# nosec B608, B101", &settings),
            Some(Rules::These(
                ["sql-injection".to_owned(), "assert-as-check".into()].into()
            ))
        );
        assert_eq!(
            foreign("# noqa: E501, S608", &settings),
            Some(Rules::These(["sql-injection".to_owned()].into()))
        );
        assert_eq!(foreign("# noqa", &settings), None);
    }
}
