//! `[tool.pyward]` in `pyproject.toml`, or `pyward.toml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pyward_catalog::model::{Library, Models, Sanitizer, Sink, Source};
use pyward_catalog::rule::{Confidence, Severity};
use pyward_ir::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

/// A name in the settings, with its byte range there; an empty range for one from the command line.
pub type Name = Spanned<String>;

use crate::file::{normalise, show};
use crate::{Code, Diagnostic};

/// Settings of pyward: `[tool.pyward]` in `pyproject.toml`, or the whole of `pyward.toml`.
///
/// Paths and patterns are relative to the folder of the file they stand in. Patterns are written as in
/// `.gitignore`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Configuration of pyward")]
pub struct Config {
    /// Rules to run, and nothing else: rule names (`sql-injection`), prefixes ending in `*` (`weak-*`),
    /// practices (`I2`), weaknesses (`CWE-89`), OWASP Top 10 categories (`A05:2025`) or `ALL`.
    #[schemars(with = "Vec<String>")]
    pub select: Vec<Spanned<String>>,
    /// Rules to add to those that run by default, named as in `select`.
    #[schemars(with = "Vec<String>")]
    pub extend_select: Vec<Spanned<String>>,
    /// Rules not to run, named as in `select`.
    #[schemars(with = "Vec<String>")]
    pub ignore: Vec<Spanned<String>>,
    /// Pattern = rules not to run on the files that match it.
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub per_file_ignores: BTreeMap<String, Vec<Spanned<String>>>,
    /// Lowest severity reported: `info`, `low`, `medium`, `high` or `critical`.
    #[schemars(with = "SeverityName")]
    pub severity: Severity,
    /// Lowest confidence reported: `low`, `medium` or `high`.
    #[schemars(with = "ConfidenceName")]
    pub confidence: Confidence,
    /// Rule = what differs from the rule's own settings.
    pub rules: BTreeMap<String, RuleConfig>,
    /// Check only files that match one of these patterns.
    pub include: Vec<String>,
    /// Files and folders not to check, besides those left out by default.
    pub exclude: Vec<String>,
    /// Leave out virtual environments, installed and vendored packages, caches and build folders.
    pub default_exclude: bool,
    /// Leave out what `.gitignore` and `.ignore` files name.
    pub respect_gitignore: bool,
    /// Check hidden files and folders too.
    pub hidden: bool,
    /// Size in bytes above which a file is not read.
    pub max_file_size: u64,
    /// Treat test code as part of the product. By default findings in it have low confidence, because tests do
    /// not run in production, and what tests hand to the product is not data from outside.
    pub tests: bool,
    /// Whether other programs import the code: then parameters of public functions count as data from
    /// outside, at lower severity.
    pub project_kind: ProjectKind,
    /// Folders that imports start from, besides the project root and the usual `src`.
    pub import_roots: Vec<String>,
    /// Function = contexts for which its result is safe (`"app.clean_sql" = ["sql"]`), or `["*"]`.
    pub sanitizers: BTreeMap<String, Vec<Context>>,
    /// Function, attribute or variable = kind of data that it gives (`"app.read_body" = "remote"`).
    pub sources: BTreeMap<String, SourceKinds>,
    /// Function = rule that it breaks when data from outside arrives
    /// (`"app.run_sql" = { rule = "sql-injection", args = ["0"] }`).
    pub sinks: BTreeMap<String, SinkConfig>,
    /// Model files (`.toml`) that describe libraries, in the format of pyward's own.
    #[schemars(with = "Vec<String>")]
    pub models: Vec<Spanned<String>>,
    /// File of accepted findings, which are not reported.
    #[schemars(with = "Option<String>")]
    pub baseline: Option<Spanned<String>>,
    /// Honour `# nosec` comments.
    pub respect_nosec: bool,
    /// Honour `# noqa` comments that name a rule of flake8-bandit (`# noqa: S608`).
    pub respect_noqa: bool,
    /// Report suppression comments that suppress nothing.
    pub report_unused_suppressions: bool,
    /// How results are printed.
    pub output_format: OutputFormat,
    /// Folder of the cache.
    pub cache_dir: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            select: Vec::new(),
            extend_select: Vec::new(),
            ignore: Vec::new(),
            per_file_ignores: BTreeMap::new(),
            severity: Severity::Low,
            confidence: Confidence::Medium,
            rules: BTreeMap::new(),
            include: Vec::new(),
            exclude: Vec::new(),
            default_exclude: true,
            respect_gitignore: true,
            hidden: false,
            max_file_size: 10_000_000,
            tests: false,
            project_kind: ProjectKind::Auto,
            import_roots: Vec::new(),
            sanitizers: BTreeMap::new(),
            sources: BTreeMap::new(),
            sinks: BTreeMap::new(),
            models: Vec::new(),
            baseline: None,
            respect_nosec: false,
            respect_noqa: false,
            report_unused_suppressions: true,
            output_format: OutputFormat::Full,
            cache_dir: ".pyward_cache".into(),
        }
    }
}

/// Settings of one rule.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RuleConfig {
    /// Severity of its findings.
    #[schemars(with = "Option<SeverityName>")]
    pub severity: Option<Severity>,
    /// Confidence of its findings at most.
    #[schemars(with = "Option<ConfidenceName>")]
    pub confidence: Option<Confidence>,
}

/// The names of severities, for the schema.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(
    dead_code,
    reason = "describes the type of another crate to the schema"
)]
enum SeverityName {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

/// The names of confidences, for the schema.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(
    dead_code,
    reason = "describes the type of another crate to the schema"
)]
enum ConfidenceName {
    Low,
    Medium,
    High,
}

/// A function into which data from outside must not go.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum SinkConfig {
    /// The rule it breaks, whatever the argument.
    Rule(String),
    /// The rule, and the arguments that matter.
    Places(SinkPlaces),
}

/// The arguments of a sink.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SinkPlaces {
    /// The rule it breaks.
    pub rule: String,
    /// Arguments: `0` by position, `name` by keyword, `0:name` either, `*` all positional, `**` all keyword.
    pub args: Vec<String>,
}

/// Whether the project is a library.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProjectKind {
    /// Told from the project's files: packaged, and nothing at the top that runs as a service.
    #[default]
    Auto,
    /// Other programs import it.
    Library,
    /// It runs by itself.
    Application,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OutputFormat {
    /// Source frames with the path that the data takes.
    #[default]
    Full,
    /// One line for each finding.
    Concise,
    /// One JSON document.
    Json,
    /// SARIF 2.1.0.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
    /// A GitLab code quality report.
    Gitlab,
    /// JUnit XML.
    Junit,
    /// One self-contained HTML page.
    Html,
}

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// The name as written in settings and models.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

names! {
    /// A kind of data from outside.
    SourceKinds {
        /// Requests.
        Remote = "remote",
        /// Command line.
        Cli = "cli",
        /// Environment variables.
        Environment = "environment",
        /// Contents of files.
        File = "file",
        /// Names inside archives.
        ArchiveMember = "archive-member",
        /// Responses of other servers.
        Network = "network",
        /// Rows of a database.
        Database = "database",
        /// Deserialised objects.
        Deserialised = "deserialised",
        /// Output of a language model.
        Llm = "llm",
        /// Standard input.
        Stdin = "stdin",
        /// Details of exceptions.
        Exception = "exception",
        /// Passwords, keys, tokens.
        Secret = "secret",
        /// Personal data.
        Personal = "personal",
    }
}

names! {
    /// A context that data can be made safe for.
    Context {
        /// Every context.
        All = "*",
        /// SQL text.
        Sql = "sql",
        /// Queries of document databases.
        Nosql = "nosql",
        /// Shell command lines.
        Shell = "shell",
        /// Arguments of programs.
        Argument = "argument",
        /// Python code.
        Code = "code",
        /// Template text.
        Template = "template",
        /// File paths.
        Path = "path",
        /// Members of archives.
        Archive = "archive",
        /// Serialised objects.
        Deserialization = "deserialization",
        /// HTML.
        Html = "html",
        /// Redirect targets.
        Redirect = "redirect",
        /// Addresses of outbound requests.
        Url = "url",
        /// XML documents.
        Xml = "xml",
        /// XPath expressions.
        Xpath = "xpath",
        /// LDAP filters and names.
        Ldap = "ldap",
        /// HTTP headers.
        Header = "header",
        /// Log lines.
        Log = "log",
        /// Regular expressions.
        Regex = "regex",
        /// Format strings.
        Format = "format",
        /// Names of attributes, classes and modules.
        Reflection = "reflection",
        /// Trusted stores such as sessions.
        Trust = "trust",
        /// Error pages.
        Error = "error",
        /// Places where secrets become visible.
        Disclosure = "disclosure",
        /// Comparisons of secrets.
        Compare = "compare",
    }
}

impl Config {
    /// The settings as TOML, every option with its value.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).unwrap_or_default()
    }

    /// The inline sources, sinks and sanitisers as a library model.
    #[must_use]
    pub fn inline_models(&self) -> Models {
        let sink = |(path, sink): (&String, &SinkConfig)| {
            let (rule, args) = match sink {
                SinkConfig::Rule(rule) => (rule.clone(), vec!["*".into(), "**".into()]),
                SinkConfig::Places(places) => (places.rule.clone(), places.args.clone()),
            };
            Sink {
                rule,
                path: vec![path.clone()],
                args,
                ..Sink::default()
            }
        };
        Models {
            library: Library {
                name: "project settings".into(),
                ..Library::default()
            },
            sanitizer: (self.sanitizers.iter())
                .map(|(path, cleans)| Sanitizer {
                    path: vec![path.clone()],
                    cleans: cleans.iter().map(|c| c.as_str().to_owned()).collect(),
                    ..Sanitizer::default()
                })
                .collect(),
            source: (self.sources.iter())
                .map(|(path, kind)| Source {
                    path: vec![path.clone()],
                    kind: kind.as_str().to_owned(),
                    ..Source::default()
                })
                .collect(),
            sink: self.sinks.iter().map(sink).collect(),
            ..Models::default()
        }
    }

    /// Every place that names rules, with its byte range in the settings file.
    pub fn rule_selectors(&self) -> impl Iterator<Item = (&str, Span)> {
        self.select
            .iter()
            .chain(&self.extend_select)
            .chain(&self.ignore)
            .chain(self.per_file_ignores.values().flatten())
            .map(|name| (name.get_ref().as_str(), span(&name.span())))
    }
}

/// Settings, and where they stand.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The settings.
    pub config: Config,
    /// Folder that paths in them are relative to.
    pub folder: PathBuf,
    /// The file as shown; none for the defaults.
    pub shown: Option<String>,
    /// The file's text.
    pub text: Arc<str>,
}

#[derive(Deserialize)]
struct Pyproject {
    tool: Option<Tools>,
}

#[derive(Deserialize)]
struct Tools {
    pyward: Option<Config>,
}

impl Settings {
    /// The defaults, relative to `folder`.
    #[must_use]
    pub fn defaults(folder: &Path) -> Self {
        Self {
            config: Config::default(),
            folder: folder.to_path_buf(),
            shown: None,
            text: Arc::from(""),
        }
    }

    /// Reads the settings in force for `start`: `file` where given, else the nearest `pyward.toml`, or
    /// `pyproject.toml` with a `[tool.pyward]` table, in `start` or above it.
    ///
    /// # Errors
    /// One diagnostic with the place in the file: unreadable, not TOML, an unknown option, a bad value.
    pub fn load(
        working_directory: &Path,
        start: &Path,
        file: Option<&Path>,
    ) -> Result<Self, Box<Diagnostic>> {
        if let Some(file) = file {
            let path = normalise(&working_directory.join(file));
            return match read(working_directory, &path)? {
                Some(settings) => Ok(settings),
                None => Err(Box::new(
                    Diagnostic::error(Code::InvalidConfiguration, "has no `[tool.pyward]` table")
                        .at(show(working_directory, &path)),
                )),
            };
        }
        let start = normalise(&working_directory.join(start));
        let first = if start.is_dir() {
            start.as_path()
        } else {
            start.parent().unwrap_or(&start)
        };
        for folder in first.ancestors() {
            for name in ["pyward.toml", "pyproject.toml"] {
                let path = folder.join(name);
                if path.is_file()
                    && let Some(settings) = read(working_directory, &path)?
                {
                    return Ok(settings);
                }
            }
        }
        Ok(Self::defaults(working_directory))
    }

    /// A diagnostic about a place in the settings file.
    #[must_use]
    pub fn diagnostic(&self, code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        let shown = self.shown.clone().unwrap_or_default();
        Diagnostic::error(code, message)
            .at(shown)
            .within(&self.text, span)
    }

    /// The path that a setting names.
    #[must_use]
    pub fn resolve(&self, path: &str) -> PathBuf {
        normalise(&self.folder.join(path))
    }

    fn check_patterns(&self) -> Result<(), Box<Diagnostic>> {
        let config = &self.config;
        let patterns = config
            .include
            .iter()
            .chain(&config.exclude)
            .chain(config.per_file_ignores.keys());
        for pattern in patterns {
            let mut builder = ignore::gitignore::GitignoreBuilder::new(&self.folder);
            if let Err(error) = builder.add_line(None, pattern) {
                let start = self.text.find(pattern.as_str()).unwrap_or(0);
                return Err(Box::new(self.diagnostic(
                    Code::InvalidConfiguration,
                    span(&(start..start + pattern.len())),
                    format!("is not a pattern: {error}"),
                )));
            }
        }
        Ok(())
    }
}

/// Reads one file; `None` for a `pyproject.toml` that does not speak of pyward.
fn read(working_directory: &Path, path: &Path) -> Result<Option<Settings>, Box<Diagnostic>> {
    let shown = show(working_directory, path);
    let text = std::fs::read_to_string(path).map_err(|error| {
        Box::new(
            Diagnostic::error(
                Code::InvalidConfiguration,
                format!("cannot be read: {error}"),
            )
            .at(shown.clone()),
        )
    })?;
    let text: Arc<str> = Arc::from(text);
    let parsed = if path.file_name().is_some_and(|n| n == "pyproject.toml") {
        toml::from_str::<Pyproject>(&text).map(|file| file.tool.and_then(|t| t.pyward))
    } else {
        toml::from_str::<Config>(&text).map(Some)
    };
    let config = match parsed {
        Ok(Some(config)) => config,
        Ok(None) => return Ok(None),
        Err(error) => {
            let at = error.span().unwrap_or(0..0);
            let message = error.message().trim().replace('\n', "; ");
            return Err(Box::new(
                Diagnostic::error(Code::InvalidConfiguration, message)
                    .at(shown)
                    .within(&text, span(&at)),
            ));
        }
    };
    let settings = Settings {
        config,
        folder: path.parent().unwrap_or(working_directory).to_path_buf(),
        shown: Some(shown),
        text,
    };
    settings.check_patterns()?;
    Ok(Some(settings))
}

fn span(range: &std::ops::Range<usize>) -> Span {
    Span {
        start: u32::try_from(range.start).unwrap_or(u32::MAX),
        end: u32::try_from(range.end).unwrap_or(u32::MAX),
    }
}
