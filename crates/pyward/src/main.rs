//! The `pyward` command.
//!
//! Exit codes: 0 nothing found, 1 findings, 2 the tool could not do (all of) its work.

mod allocator;
mod args;
mod check;
mod map;
mod progress;
mod show;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

/// What a command comes to, as the exit code says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Clean = 0,
    Findings = 1,
    Failure = 2,
}

fn main() -> ExitCode {
    allocator::keep_memory();
    let cli = Cli::parse();
    cli.color.write_global();
    let result = match cli.command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Map(arguments) => map::run(&arguments),
        Command::Explain { rule } => show::explain(&rule),
        Command::Rules { json } => show::rules(json),
        Command::Practices => show::practices(),
        Command::Config { what, arguments } => show::config(what, &arguments),
        Command::Completions { shell } => show::completions(shell),
    };
    match result {
        Ok(exit) => ExitCode::from(exit as u8),
        // The reader of a pipe that has seen enough is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(anstream::stderr(), "pyward: {error}");
            ExitCode::from(Exit::Failure as u8)
        }
    }
}
