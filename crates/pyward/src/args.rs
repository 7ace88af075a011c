//! The command line.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use pyward_findings::{Confidence, Severity};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::BrightBlue.on_default().bold())
    .usage(AnsiColor::BrightBlue.on_default().bold())
    .literal(AnsiColor::BrightCyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Finds where a Python codebase breaks secure-coding practice.
#[derive(Debug, Parser)]
#[command(name = "pyward", version, styles = STYLES, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// When to use colours
    #[arg(long, global = true, default_value_t, value_name = "WHEN")]
    pub(crate) color: Color,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check files and folders
    #[command(
        after_help = "Exit codes: 0 nothing found, 1 findings, 2 the tool could not do all of its work."
    )]
    Check(Box<CheckArgs>),
    /// List what the application offers to the outside: routes, handlers, parameters, guards
    Map(Box<MapArgs>),
    /// Explain a rule: what it is, why it matters, what to do
    Explain {
        /// The rule, such as `sql-injection`
        rule: String,
    },
    /// List the rules
    Rules {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// List the secure-coding practices and what pyward does about each
    Practices,
    /// Show the settings in force, their schema or their documentation
    Config {
        #[arg(value_enum, default_value_t = ConfigWhat::Show)]
        what: ConfigWhat,
        #[command(flatten)]
        arguments: ConfigArgs,
    },
    /// Print a completion script for a shell
    Completions { shell: Shell },
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    pub(crate) fn write_global(self) {
        let choice = match self {
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        };
        match choice {
            ColorChoice::Auto => anstream::ColorChoice::Auto,
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

impl std::fmt::Display for Color {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        })
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ConfigWhat {
    /// The settings in force, as TOML
    Show,
    /// The JSON schema of the settings
    Schema,
    /// The settings' documentation, as Markdown
    Docs,
}

#[derive(Debug, Default, Args)]
pub(crate) struct ConfigArgs {
    /// Settings file, instead of the nearest `pyward.toml` or `pyproject.toml`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,

    /// Read no settings file
    #[arg(long, conflicts_with = "config")]
    pub(crate) isolated: bool,
}

#[derive(Debug, Default, Args)]
pub(crate) struct MapArgs {
    /// Files and folders [default: the working directory]
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) settings: ConfigArgs,

    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Default, Args)]
pub(crate) struct CheckArgs {
    /// Files and folders to check; `-` for standard input [default: the working directory]
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) settings: ConfigArgs,

    /// How results are printed
    #[arg(long, value_name = "FORMAT", help_heading = "Output")]
    pub(crate) output_format: Option<Format>,

    /// Write results to a file instead of standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub(crate) output: Option<PathBuf>,

    /// Count findings by rule instead of listing them
    #[arg(long, help_heading = "Output")]
    pub(crate) statistics: bool,

    /// List the files that would be checked, and stop
    #[arg(long, help_heading = "Output")]
    pub(crate) show_files: bool,

    /// Exit with 0 even if there are findings
    #[arg(long, help_heading = "Output")]
    pub(crate) exit_zero: bool,

    /// Print nothing but findings
    #[arg(short, long, help_heading = "Output")]
    pub(crate) quiet: bool,

    /// Rules to run and nothing else: names, `weak-*`, practices (`I2`), `CWE-89`, `A05:2025`, `ALL`
    #[arg(
        long,
        value_name = "RULES",
        value_delimiter = ',',
        help_heading = "Rules"
    )]
    pub(crate) select: Vec<String>,

    /// Rules to run besides the default ones
    #[arg(
        long,
        value_name = "RULES",
        value_delimiter = ',',
        help_heading = "Rules"
    )]
    pub(crate) extend_select: Vec<String>,

    /// Rules not to run
    #[arg(
        long,
        value_name = "RULES",
        value_delimiter = ',',
        help_heading = "Rules"
    )]
    pub(crate) ignore: Vec<String>,

    /// Lowest severity reported
    #[arg(long, value_name = "LEVEL", help_heading = "Rules")]
    pub(crate) severity: Option<SeverityArg>,

    /// Lowest confidence reported
    #[arg(long, value_name = "LEVEL", help_heading = "Rules")]
    pub(crate) confidence: Option<ConfidenceArg>,

    /// Take the project for a library: parameters of public functions count as data from outside
    #[arg(long, help_heading = "Rules", conflicts_with = "application")]
    pub(crate) library: bool,

    /// Take the project for an application, whatever its files say
    #[arg(long, help_heading = "Rules")]
    pub(crate) application: bool,

    /// Report findings in test code at their full confidence
    #[arg(long, help_heading = "Rules")]
    pub(crate) tests: bool,

    /// File of accepted findings, which are not reported
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Suppression")]
    pub(crate) baseline: Option<PathBuf>,

    /// Accept all present findings: write them to the baseline (default `pyward-baseline.json`)
    #[arg(long, help_heading = "Suppression")]
    pub(crate) write_baseline: bool,

    /// Honour `# nosec` comments
    #[arg(long, help_heading = "Suppression")]
    pub(crate) respect_nosec: bool,

    /// Honour `# noqa: S...` comments
    #[arg(long, help_heading = "Suppression")]
    pub(crate) respect_noqa: bool,

    /// Check only files that match (as in `.gitignore`)
    #[arg(long, value_name = "PATTERN", help_heading = "Files")]
    pub(crate) include: Vec<String>,

    /// Files and folders not to check, besides those left out by default
    #[arg(long, value_name = "PATTERN", help_heading = "Files")]
    pub(crate) exclude: Vec<String>,

    /// Check files that `.gitignore` names, too
    #[arg(long, help_heading = "Files")]
    pub(crate) no_respect_gitignore: bool,

    /// Check virtual environments and vendored packages, too
    #[arg(long, help_heading = "Files")]
    pub(crate) no_default_exclude: bool,

    /// Read the text from standard input and report it under this name
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub(crate) stdin_filename: Option<PathBuf>,

    /// Neither read nor write the cache
    #[arg(long, help_heading = "Running")]
    pub(crate) no_cache: bool,

    /// Threads [default: one per core]
    #[arg(long, value_name = "N", help_heading = "Running")]
    pub(crate) threads: Option<usize>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// Source frames with the path that the data takes
    Full,
    /// One line for each finding
    Concise,
    /// One JSON document
    Json,
    /// SARIF 2.1.0
    Sarif,
    /// Annotations of GitHub Actions
    Github,
    /// A GitLab code quality report
    Gitlab,
    /// JUnit XML
    Junit,
    /// One self-contained HTML page
    Html,
}

impl From<Format> for pyward_project::OutputFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Full => Self::Full,
            Format::Concise => Self::Concise,
            Format::Json => Self::Json,
            Format::Sarif => Self::Sarif,
            Format::Github => Self::Github,
            Format::Gitlab => Self::Gitlab,
            Format::Junit => Self::Junit,
            Format::Html => Self::Html,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SeverityArg {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl From<SeverityArg> for Severity {
    fn from(severity: SeverityArg) -> Self {
        match severity {
            SeverityArg::Info => Self::Info,
            SeverityArg::Low => Self::Low,
            SeverityArg::Medium => Self::Medium,
            SeverityArg::High => Self::High,
            SeverityArg::Critical => Self::Critical,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ConfidenceArg {
    Low,
    Medium,
    High,
}

impl From<ConfidenceArg> for Confidence {
    fn from(confidence: ConfidenceArg) -> Self {
        match confidence {
            ConfidenceArg::Low => Self::Low,
            ConfidenceArg::Medium => Self::Medium,
            ConfidenceArg::High => Self::High,
        }
    }
}
