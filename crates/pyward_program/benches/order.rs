//! Import resolution and call order of a project.
//!
//! `PYWARD_BENCH_DIR=dir cargo bench -p pyward_program` measures the `.py` files below `dir`.

use std::path::{Path, PathBuf};

use divan::Bencher;
use pyward_program::{Program, ProgramFile, call_levels};
use pyward_syntax::{Options, lower};
use rayon::prelude::*;

fn main() {
    divan::main();
}

fn collect(root: &Path, dir: &Path, out: &mut Vec<(PathBuf, String)>) {
    for path in std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
    {
        if path.is_dir() && !path.is_symlink() {
            collect(root, &path, out);
        } else if path.extension().is_some_and(|e| e == "py")
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            out.push((relative.to_owned(), text));
        }
    }
}

fn files() -> Vec<ProgramFile> {
    let mut texts = Vec::new();
    if let Some(dir) = std::env::var_os("PYWARD_BENCH_DIR") {
        collect(Path::new(&dir), Path::new(&dir), &mut texts);
    }
    texts
        .into_par_iter()
        .map(|(path, text)| ProgramFile {
            path,
            is_test: false,
            ir: lower(&text, Options::default()),
        })
        .collect()
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn new(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(files).bench_local_values(Program::new);
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn levels(bencher: Bencher<'_, '_>) {
    let program = Program::new(files());
    bencher.bench_local(|| call_levels(&program));
}
