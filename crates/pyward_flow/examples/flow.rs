//! Runs the engine alone on a folder and prints a line for each finding: for work on the engine.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program"
)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use pyward_catalog::Catalog;
use pyward_ir::LineIndex;
use pyward_program::{Program, ProgramFile};
use rayon::prelude::*;

fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path
                .file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with('.'))
            {
                walk(&path, out);
            }
        } else if path.extension().is_some_and(|e| e == "py") {
            out.push(path);
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let root = PathBuf::from(&args[0]);
    let library = args.iter().any(|a| a == "--library");
    let traces = args.iter().any(|a| a == "--traces");
    let start = Instant::now();
    let mut paths = Vec::new();
    if root.is_dir() {
        walk(&root, &mut paths)
    } else {
        paths.push(root.clone())
    }
    paths.sort();
    let base = if root.is_dir() {
        root.clone()
    } else {
        root.parent().unwrap_or(Path::new("")).to_path_buf()
    };
    let files: Vec<(ProgramFile, String)> = paths
        .par_iter()
        .filter_map(|p| {
            let text = String::from_utf8_lossy(&std::fs::read(p).ok()?).into_owned();
            let ir = pyward_syntax::lower(&text, pyward_syntax::Options::default());
            let path = p.strip_prefix(&base).unwrap_or(p).to_path_buf();
            Some((
                ProgramFile {
                    path,
                    is_test: false,
                    ir,
                },
                text,
            ))
        })
        .collect();
    let parsed = start.elapsed();
    let (files, texts): (Vec<_>, Vec<_>) = files.into_iter().unzip();
    let program = Program::new(files);
    let catalog = Catalog::builtin();
    let modelled = start.elapsed();
    let analysis = pyward_flow::analyse(
        &program,
        catalog,
        &pyward_templates::Library::default(),
        pyward_flow::Options {
            library,
            tests: false,
        },
    );
    let done = start.elapsed();
    let place = |file: pyward_program::FileId, offset: u32| {
        LineIndex::new(&texts[file.0 as usize]).line_column(offset)
    };
    for f in &analysis.findings {
        let rule = &catalog.rules[f.rule as usize];
        let (line, _) = place(f.file, f.span.start);
        let path = base.join(program.path(f.file));
        let cwes: Vec<String> = rule.cwe.iter().map(ToString::to_string).collect();
        println!(
            "{}\t{line}\t{}\t{}\t{:?}\t{:?}\t{}\t{}\t{}",
            path.display(),
            cwes.join(","),
            rule.id,
            f.severity,
            f.confidence,
            f.sink,
            f.source_kind
                .map_or("-", |k| catalog.source_kinds[k as usize].as_str()),
            f.message.as_deref().unwrap_or("")
        );
        if traces {
            for step in &f.trace {
                let (line, _) = place(step.file, step.span.start);
                println!(
                    "\t\t{:?} {} {}:{line}",
                    step.kind,
                    step.name,
                    program.path(step.file).display()
                );
            }
        }
    }
    eprintln!(
        "{} files, parse {:?}, model {:?}, flow {:?}; {} findings, {} routes, {} truncated",
        program.len(),
        parsed,
        modelled - parsed,
        done - modelled,
        analysis.findings.len(),
        analysis.routes.len(),
        analysis.truncated.len()
    );
}
