//! What discovery hands on: files and where positions in them are.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use pyward_ir::LineIndex;

use crate::notebook::NotebookMap;
use crate::{Diagnostic, Root};

/// What kind of Python a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileKind {
    /// `.py`, `.pyw`, a script with a Python shebang, standard input.
    Source,
    /// `.pyi`: declarations only.
    Stub,
    /// `.ipynb`
    Notebook,
}

/// A Python file, decoded.
#[derive(Debug)]
pub struct SourceFile {
    /// The path to show: relative to the working directory where it lies below it, with `/`.
    pub shown: String,
    /// The path to open.
    pub path: PathBuf,
    /// Index of its root in [`Project::roots`].
    pub root: usize,
    /// Path relative to its root, with `/`.
    pub relative: String,
    /// What kind of Python.
    pub kind: FileKind,
    /// Part of the project's tests, by its path.
    pub is_test: bool,
    /// The text; a notebook's code cells joined.
    pub text: Arc<str>,
    pub(crate) lines: OnceLock<LineIndex>,
    pub(crate) notebook: Option<NotebookMap>,
}

/// A place for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1; in a notebook inside the cell.
    pub line: u32,
    /// Column in characters (Unicode code points), from 1.
    pub column: u32,
    /// Cell of a notebook, from 1, counting all cells.
    pub cell: Option<u32>,
}

impl SourceFile {
    /// Line starts of the text, computed when first asked for.
    pub fn lines(&self) -> &LineIndex {
        self.lines.get_or_init(|| LineIndex::new(&self.text))
    }

    /// The place of a byte offset of [`SourceFile::text`].
    pub fn position(&self, offset: u32) -> Position {
        let (line, column) = column_in(&self.text, self.lines(), offset);
        match &self.notebook {
            None => Position {
                line,
                column,
                cell: None,
            },
            Some(map) => {
                let (cell, line) = map.cell_and_line(line);
                Position {
                    line,
                    column,
                    cell: Some(cell),
                }
            }
        }
    }
}

/// Line and column, both from 1, columns in characters.
pub(crate) fn line_and_column(text: &str, offset: u32) -> (u32, u32) {
    column_in(text, &LineIndex::new(text), offset)
}

fn column_in(text: &str, lines: &LineIndex, offset: u32) -> (u32, u32) {
    let mut offset = offset.min(u32::try_from(text.len()).unwrap_or(u32::MAX));
    while !text.is_char_boundary(offset as usize) {
        offset -= 1;
    }
    let (line, column) = lines.line_column(offset);
    let start = (offset - column) as usize;
    let characters = text[start..offset as usize].chars().count();
    (line, u32::try_from(characters + 1).unwrap_or(u32::MAX))
}

/// What a file that is not Python is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AuxiliaryKind {
    /// A template of a template engine, or a script that pages load.
    Template,
    /// Configuration: requirements, lock files, Docker, CI, `.env`, `.ini`, `.yaml`, `.toml`, ...
    Configuration,
}

/// A file that is not Python; read on demand.
#[derive(Debug)]
pub struct AuxiliaryFile {
    /// The path to show.
    pub shown: String,
    /// The path to open.
    pub path: PathBuf,
    /// Index of its root in [`Project::roots`].
    pub root: usize,
    /// Path relative to its root, with `/`.
    pub relative: String,
    /// What it is for.
    pub kind: AuxiliaryKind,
}

impl AuxiliaryFile {
    /// Reads the file as text: UTF-8, or Latin-1 where it is not.
    ///
    /// # Errors
    /// A diagnostic when it cannot be read or is larger than `limit` bytes.
    pub fn read(&self, limit: u64) -> Result<String, Diagnostic> {
        let bytes = crate::file::read_bounded(&self.path, &self.shown, limit)?;
        Ok(crate::encoding::decode_plain(bytes))
    }
}

/// Everything found below the given paths.
#[derive(Debug, Default)]
pub struct Project {
    /// Roots, ordered by path.
    pub roots: Vec<Root>,
    /// Python files, ordered by the path shown.
    pub files: Vec<SourceFile>,
    /// Templates and scripts of pages, ordered by the path shown.
    pub templates: Vec<AuxiliaryFile>,
    /// Configuration files, ordered by the path shown.
    pub configuration: Vec<AuxiliaryFile>,
    /// What could not be read, or only in part; ordered.
    pub diagnostics: Vec<Diagnostic>,
}
