//! Parsing, in parallel.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pyward_ir::FileIr;
use pyward_program::{FileId, Program, ProgramFile};
use pyward_project::{Diagnostic, FileKind, Project, Settings};
use rayon::prelude::*;

/// The program, and which source file each of its files is.
pub(crate) struct Lowered {
    pub(crate) program: Program,
    /// Index in [`Project::files`] of each file of the program.
    pub(crate) sources: Vec<usize>,
}

/// Parses every file. A file on which the parser fails is left out; nothing fails as a whole.
pub(crate) fn lower(project: &Project, settings: &Settings) -> Lowered {
    let base = common_folder(project);
    let mut files: Vec<(PathBuf, usize, FileIr)> = project
        .files
        .par_iter()
        .enumerate()
        .map(|(index, file)| {
            let options = pyward_syntax::Options {
                is_stub: file.kind == FileKind::Stub,
                is_notebook: file.kind == FileKind::Notebook,
            };
            let path = file.path.strip_prefix(&base).unwrap_or(&file.path);
            (
                path.to_path_buf(),
                index,
                pyward_syntax::lower(&file.text, options),
            )
        })
        .collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    let indexes: HashMap<PathBuf, usize> = files
        .iter()
        .map(|(path, i, _)| (path.clone(), *i))
        .collect();
    let files = files
        .into_iter()
        .map(|(path, index, ir)| ProgramFile {
            path,
            is_test: project.files[index].is_test && !settings.config.tests,
            ir,
        })
        .collect();
    let program = Program::new(files);
    let sources = program
        .file_ids()
        .map(|id: FileId| indexes.get(program.path(id)).copied().unwrap_or(0))
        .collect();
    Lowered { program, sources }
}

/// The folder that all roots are in.
fn common_folder(project: &Project) -> PathBuf {
    let mut roots = project.roots.iter().map(|r| r.path.as_path());
    let Some(first) = roots.next() else {
        return PathBuf::new();
    };
    let mut common: &Path = first;
    for root in roots {
        while !root.starts_with(common) {
            match common.parent() {
                Some(parent) => common = parent,
                None => return PathBuf::new(),
            }
        }
    }
    common.to_path_buf()
}

/// The texts of all templates, by the name shown.
pub(crate) fn templates(
    project: &Project,
    settings: &Settings,
    diagnostics: &mut Vec<Diagnostic>,
) -> HashMap<String, String> {
    let limit = settings.config.max_file_size;
    let read: Vec<_> = project
        .templates
        .par_iter()
        .map(|file| (file.shown.clone(), file.read(limit)))
        .collect();
    let mut texts = HashMap::new();
    for (name, text) in read {
        match text {
            Ok(text) => {
                texts.insert(name, text);
            }
            Err(diagnostic) => diagnostics.push(diagnostic),
        }
    }
    texts
}
