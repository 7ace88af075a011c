//! Parsing, in parallel.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use pyward_findings::Location;
use pyward_ir::{FileIr, LineIndex, Span};
use pyward_program::{FileId, Program, ProgramFile};
use pyward_project::{Diagnostic, FileKind, Project, Settings};
use pyward_templates::Library;
use rayon::prelude::*;

use crate::operations;

/// Most files that a thread takes at once: a large one is not to keep others waiting behind it.
const MAX_BATCH: usize = 4;

/// The program, and which source file each of its files is.
pub(crate) struct Lowered {
    pub(crate) program: Program,
    /// Index in [`Project::files`] of each file of the program.
    pub(crate) sources: Vec<usize>,
    /// Templates, by paths relative to the same folder as the program's.
    pub(crate) library: Library,
    /// The names shown and paths relative to the root of each template of the library.
    pub(crate) templates: Vec<TemplateFile>,
}

/// A file of the library.
pub(crate) struct TemplateFile {
    pub(crate) shown: Arc<str>,
    pub(crate) relative: String,
    lines: OnceLock<LineIndex>,
}

impl Lowered {
    /// A byte range of a template as a location.
    pub(crate) fn template_location(&self, number: usize, span: Span) -> Location {
        let file = &self.templates[number];
        let text = self.library.text(number);
        let lines = file.lines.get_or_init(|| LineIndex::new(text));
        let position = |offset: u32| {
            let mut offset = (offset as usize).min(text.len());
            while !text.is_char_boundary(offset) {
                offset -= 1;
            }
            let (line, column) = lines.line_column(u32::try_from(offset).unwrap_or(u32::MAX));
            let before = &text[offset - column as usize..offset];
            (
                line,
                u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX),
            )
        };
        let (line, column) = position(span.start);
        let (end_line, end_column) = position(span.end);
        Location {
            file: Arc::clone(&file.shown),
            start: span.start,
            end: span.end,
            line,
            column,
            end_line,
            end_column,
            cell: None,
        }
    }
}

/// Parses every file. A file on which the parser fails is left out; nothing fails as a whole.
pub(crate) fn lower(
    project: &Project,
    texts: &HashMap<String, String>,
    settings: &Settings,
) -> Lowered {
    let base = common_folder(project);
    let mut files: Vec<(PathBuf, usize, FileIr)> = project
        .files
        .par_iter()
        .with_max_len(MAX_BATCH)
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
    let mut program = Program::new(files);
    program.operations = operations::read(texts);
    let sources = program
        .file_ids()
        .map(|id: FileId| indexes.get(program.path(id)).copied().unwrap_or(0))
        .collect();
    let mut templates = Vec::new();
    let mut library = Vec::new();
    for file in &project.templates {
        let Some(text) = texts.get(&file.shown) else {
            continue;
        };
        let path = file.path.strip_prefix(&base).unwrap_or(&file.path);
        library.push((path.to_string_lossy().replace('\\', "/"), text.clone()));
        templates.push(TemplateFile {
            shown: Arc::from(file.shown.as_str()),
            relative: file.relative.clone(),
            lines: OnceLock::new(),
        });
    }
    Lowered {
        program,
        sources,
        library: Library::from_texts(library),
        templates,
    }
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
    // Descriptions of the interface name handlers. What cannot be read is said nothing of: most such files are none.
    let yaml = project.configuration.par_iter().filter(|file| {
        let extension = file.path.extension().and_then(std::ffi::OsStr::to_str);
        matches!(extension, Some("yaml" | "yml"))
    });
    let described: Vec<_> = yaml
        .filter_map(|file| {
            let text = file.read(limit).ok()?;
            operations::is_description(&text).then(|| (file.shown.clone(), text))
        })
        .collect();
    texts.extend(described);
    texts
}
