//! Which rules run.

use std::borrow::Cow;
use std::collections::BTreeSet;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use pyward_catalog::Catalog;
use pyward_findings::Finding;
use pyward_ir::Span;
use pyward_project::{Code, Diagnostic, Settings};

/// The rules that run, by file.
pub struct Selection {
    rules: BTreeSet<String>,
    per_file: Vec<(Gitignore, BTreeSet<String>)>,
    folder: std::path::PathBuf,
    working_directory_prefix: String,
}

impl Selection {
    /// Resolves the selectors of the settings; those that name nothing become diagnostics.
    #[must_use]
    pub fn new(settings: &Settings, catalog: &Catalog, diagnostics: &mut Vec<Diagnostic>) -> Self {
        let config = &settings.config;
        let mut resolve = |names: &[toml_name::Name]| {
            let mut rules = BTreeSet::new();
            for (name, span) in names {
                let found = matching(catalog, name);
                if found.is_empty() {
                    diagnostics.push(unknown(settings, catalog, name, *span));
                }
                rules.extend(found);
            }
            rules
        };
        let mut rules = if config.select.is_empty() {
            let on = catalog.rules.iter().filter(|r| !r.off_by_default);
            on.map(|r| r.id.clone()).collect()
        } else {
            resolve(&toml_name::names(&config.select))
        };
        rules.extend(resolve(&toml_name::names(&config.extend_select)));
        for rule in resolve(&toml_name::names(&config.ignore)) {
            rules.remove(&rule);
        }
        let mut per_file = Vec::new();
        for (pattern, names) in &config.per_file_ignores {
            let mut builder = GitignoreBuilder::new(&settings.folder);
            // Patterns were checked with the settings.
            let _ = builder.add_line(None, pattern);
            if let Ok(matcher) = builder.build() {
                per_file.push((matcher, resolve(&toml_name::names(names))));
            }
        }
        for name in config.rules.keys() {
            if catalog.rule(name).is_none() {
                let start = settings.text.find(name.as_str()).unwrap_or(0);
                let span = (start != 0).then(|| Span {
                    start: u32::try_from(start).unwrap_or(0),
                    end: u32::try_from(start + name.len()).unwrap_or(0),
                });
                diagnostics.push(unknown(settings, catalog, name, span));
            }
        }
        Self {
            rules,
            per_file,
            folder: settings.folder.clone(),
            working_directory_prefix: String::new(),
        }
    }

    /// Sets what shown paths are relative to, for the patterns of `per-file-ignores`.
    #[must_use]
    pub fn relative_to(mut self, working_directory: &std::path::Path) -> Self {
        self.working_directory_prefix = working_directory.to_string_lossy().into_owned();
        self
    }

    /// Ids of the rules that run on some file.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(String::as_str)
    }

    /// Whether a rule runs on some file.
    #[must_use]
    pub fn has(&self, rule: &str) -> bool {
        self.rules.contains(rule)
    }

    /// Whether a finding's rule runs on its file.
    #[must_use]
    pub fn runs(&self, finding: &Finding) -> bool {
        self.has(&finding.rule)
            && !self.per_file.iter().any(|(pattern, rules)| {
                rules.contains(&finding.rule) && self.matches(pattern, &finding.location.file)
            })
    }

    fn matches(&self, pattern: &Gitignore, file: &str) -> bool {
        let path = std::path::Path::new(&self.working_directory_prefix).join(file);
        path.starts_with(&self.folder)
            && (pattern.matched(&path, false).is_ignore()
                || path
                    .ancestors()
                    .skip(1)
                    .take_while(|folder| folder.starts_with(&self.folder))
                    .any(|folder| pattern.matched(folder, true).is_ignore()))
    }
}

/// Names in the settings with their places; those of the command line have none.
mod toml_name {
    use pyward_ir::Span;

    pub(super) type Name = (String, Option<Span>);

    pub(super) fn names(of: &[pyward_project::Name]) -> Vec<Name> {
        of.iter()
            .map(|name| {
                let range = name.span();
                let span = (range.end > range.start).then(|| Span {
                    start: u32::try_from(range.start).unwrap_or(0),
                    end: u32::try_from(range.end).unwrap_or(0),
                });
                (name.get_ref().clone(), span)
            })
            .collect()
    }
}

/// The rules that a selector names.
pub(crate) fn matching(catalog: &Catalog, selector: &str) -> BTreeSet<String> {
    let upper = selector.to_ascii_uppercase();
    let weakness = upper
        .strip_prefix("CWE-")
        .and_then(|number| number.parse::<u32>().ok());
    let prefix = selector.strip_suffix('*');
    catalog
        .rules
        .iter()
        .filter(|rule| {
            upper == "ALL"
                || rule.id == selector
                || prefix.is_some_and(|p| !p.is_empty() && rule.id.starts_with(p))
                || weakness.is_some_and(|number| rule.cwe.contains(&number))
                || rule.practices.contains(&upper)
                || rule.owasp.contains(&upper)
        })
        .map(|rule| rule.id.clone())
        .collect()
}

fn unknown(settings: &Settings, catalog: &Catalog, name: &str, span: Option<Span>) -> Diagnostic {
    let message = format!("`{name}` is no rule, practice, CWE or category");
    let diagnostic = match span {
        Some(span) if settings.shown.is_some() => {
            settings.diagnostic(Code::UnknownRule, span, message)
        }
        _ => Diagnostic::error(Code::UnknownRule, message),
    };
    diagnostic.help(match nearest(catalog, name) {
        Some(rule) => format!("did you mean `{rule}`?"),
        None => "`pyward rules` lists them".into(),
    })
}

/// The rule whose name is closest, if any is close.
#[must_use]
pub fn nearest<'a>(catalog: &'a Catalog, name: &str) -> Option<&'a str> {
    let scored = catalog
        .rules
        .iter()
        .map(|rule| (strsim::jaro_winkler(&rule.id, name), rule.id.as_str()));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)))?;
    (best.0 > 0.8).then_some(best.1)
}

/// The built-in catalogue and the project's own models.
pub(crate) fn catalog(
    settings: &Settings,
    diagnostics: &mut Vec<Diagnostic>,
) -> Cow<'static, Catalog> {
    let config = &settings.config;
    let inline = config.inline_models();
    let has_inline =
        !(inline.source.is_empty() && inline.sink.is_empty() && inline.sanitizer.is_empty());
    let mut texts = Vec::new();
    for name in &config.models {
        let path = settings.resolve(name.get_ref());
        match std::fs::read_to_string(&path) {
            Ok(text) => texts.push((name.get_ref().clone(), text)),
            Err(error) => {
                let range = name.span();
                diagnostics.push(settings.diagnostic(
                    Code::InvalidConfiguration,
                    Span {
                        start: u32::try_from(range.start).unwrap_or(0),
                        end: u32::try_from(range.end).unwrap_or(0),
                    },
                    format!("the model file cannot be read: {error}"),
                ));
            }
        }
    }
    for sink in &inline.sink {
        if Catalog::builtin().rule(&sink.rule).is_none() {
            let start = settings.text.find(sink.rule.as_str()).unwrap_or(0);
            let span = Span {
                start: u32::try_from(start).unwrap_or(0),
                end: u32::try_from(start + sink.rule.len()).unwrap_or(0),
            };
            diagnostics.push(unknown(
                settings,
                Catalog::builtin(),
                &sink.rule,
                Some(span),
            ));
        }
    }
    if texts.is_empty() && !has_inline {
        return Cow::Borrowed(Catalog::builtin());
    }
    let mut catalog = match Catalog::with_user_models(&texts) {
        Ok(catalog) => catalog,
        Err(errors) => {
            for error in errors {
                let line = u32::try_from(error.line).unwrap_or(1).max(1);
                diagnostics.push(
                    Diagnostic::error(Code::InvalidConfiguration, error.message)
                        .at(error.path)
                        .position(line, 1),
                );
            }
            Catalog::builtin().clone()
        }
    };
    if has_inline {
        catalog.models.push(inline);
    }
    Cow::Owned(catalog)
}
