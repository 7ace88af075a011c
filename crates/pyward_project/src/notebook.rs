//! Jupyter notebooks: the code cells as one Python text, with a way back.

use serde::Deserialize;

/// A notebook's code.
pub(crate) struct Notebook {
    pub(crate) text: String,
    pub(crate) map: NotebookMap,
}

/// Where each code cell starts in the joined text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NotebookMap {
    /// (first line of the joined text, from 1; number of the cell in the notebook, from 1)
    cells: Vec<(u32, u32)>,
}

impl NotebookMap {
    /// Cell (from 1, counting all cells) and line inside it (from 1) for a line of the joined text.
    pub(crate) fn cell_and_line(&self, line: u32) -> (u32, u32) {
        let index = self.cells.partition_point(|&(first, _)| first <= line);
        match index.checked_sub(1).and_then(|i| self.cells.get(i)) {
            Some(&(first, cell)) => (cell, line - first + 1),
            None => (1, line),
        }
    }
}

#[derive(Deserialize)]
struct Document {
    cells: Option<Vec<Cell>>,
    /// Format 3 keeps its cells here.
    worksheets: Option<Vec<Worksheet>>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Worksheet {
    #[serde(default)]
    cells: Vec<Cell>,
}

#[derive(Deserialize)]
struct Cell {
    #[serde(default)]
    cell_type: String,
    #[serde(default, alias = "input")]
    source: Text,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Whole(String),
    Lines(Vec<String>),
}

impl Default for Text {
    fn default() -> Self {
        Self::Whole(String::new())
    }
}

#[derive(Default, Deserialize)]
struct Metadata {
    kernelspec: Option<Kernel>,
    language_info: Option<Language>,
}

#[derive(Deserialize)]
struct Kernel {
    language: Option<String>,
}

#[derive(Deserialize)]
struct Language {
    name: Option<String>,
}

/// Reads a notebook; `Ok(None)` for one in another language.
pub(crate) fn read(json: &str) -> Result<Option<Notebook>, serde_json::Error> {
    let document: Document = serde_json::from_str(json)?;
    let language = document
        .metadata
        .language_info
        .and_then(|l| l.name)
        .or_else(|| document.metadata.kernelspec.and_then(|k| k.language));
    if language.is_some_and(|l| !l.to_ascii_lowercase().contains("python")) {
        return Ok(None);
    }
    let cells = document.cells.unwrap_or_else(|| {
        let sheets = document.worksheets.into_iter().flatten();
        sheets.flat_map(|sheet| sheet.cells).collect()
    });
    let mut text = String::new();
    let mut map = NotebookMap::default();
    let mut line = 1;
    for (index, cell) in cells.into_iter().enumerate() {
        if cell.cell_type != "code" {
            continue;
        }
        let source = match cell.source {
            Text::Whole(whole) => whole,
            Text::Lines(lines) => lines.concat(),
        };
        map.cells
            .push((line, u32::try_from(index + 1).unwrap_or(u32::MAX)));
        let before = text.len();
        neutralise_magics(&source, &mut text);
        if !text.ends_with('\n') || text.len() == before {
            text.push('\n');
        }
        let added = memchr::memchr_iter(b'\n', &text.as_bytes()[before..]).count();
        line += u32::try_from(added).unwrap_or(u32::MAX);
    }
    Ok(Some(Notebook { text, map }))
}

/// Cell magics whose body is still Python.
const PYTHON_CELL_MAGICS: [&str; 5] = ["time", "timeit", "capture", "prun", "python3"];

/// Appends a cell's text with IPython's own syntax turned into comments, line for line.
fn neutralise_magics(source: &str, out: &mut String) {
    let first = source.lines().map(str::trim).find(|l| !l.is_empty());
    if let Some(magic) = first.and_then(|l| l.strip_prefix("%%")) {
        let name = magic.split_whitespace().next().unwrap_or("");
        let python = PYTHON_CELL_MAGICS.contains(&name);
        for line in source.split_inclusive('\n') {
            if !python || line.trim_start().starts_with("%%") {
                out.push('#');
            }
            out.push_str(line);
        }
        return;
    }
    let mut scanner = Scanner::default();
    for line in source.split_inclusive('\n') {
        if scanner.at_statement() {
            let trimmed = line.trim_start();
            let indent = &line[..line.len() - trimmed.len()];
            let body = trimmed.trim_end();
            if body.starts_with(['%', '!', '?'])
                || (body.ends_with('?')
                    && !body.starts_with('#')
                    && !body.contains(['"', '\'', '#']))
            {
                out.push_str(indent);
                out.push_str("pass #");
                out.push_str(trimmed);
                continue;
            }
            if let Some(at) = assigned_magic(body) {
                out.push_str(indent);
                out.push_str(&trimmed[..at]);
                out.push_str("None #");
                out.push_str(&trimmed[at..]);
                continue;
            }
        }
        scanner.feed(line);
        out.push_str(line);
    }
}

/// Offset of the `!` or `%` in `name = !command` or `name = %magic`.
fn assigned_magic(line: &str) -> Option<usize> {
    let equals = line.find('=')?;
    let left = line[..equals].trim();
    let named = !left.is_empty()
        && left
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | ',' | ' '));
    let right = line[equals + 1..].trim_start();
    (named && right.starts_with(['!', '%']) && !right.starts_with("!="))
        .then(|| line.len() - right.len())
}

/// Just enough lexing to know whether a line starts a statement: strings and brackets.
#[derive(Default)]
struct Scanner {
    depth: u32,
    triple: Option<u8>,
    continued: bool,
}

impl Scanner {
    fn at_statement(&self) -> bool {
        self.depth == 0 && self.triple.is_none() && !self.continued
    }

    fn feed(&mut self, line: &str) {
        let bytes = line.as_bytes();
        let mut i = 0;
        self.continued = false;
        while i < bytes.len() {
            let byte = bytes[i];
            if let Some(quote) = self.triple {
                if byte == b'\\' {
                    i += 1;
                } else if bytes[i..].starts_with(&[quote; 3]) {
                    self.triple = None;
                    i += 2;
                }
            } else {
                match byte {
                    b'#' => return,
                    b'(' | b'[' | b'{' => self.depth += 1,
                    b')' | b']' | b'}' => self.depth = self.depth.saturating_sub(1),
                    b'\\' if bytes[i + 1..].trim_ascii().is_empty() => self.continued = true,
                    b'"' | b'\'' => {
                        if bytes[i..].starts_with(&[byte; 3]) {
                            self.triple = Some(byte);
                            i += 2;
                        } else {
                            i += 1;
                            while i < bytes.len() && bytes[i] != byte && bytes[i] != b'\n' {
                                i += if bytes[i] == b'\\' { 2 } else { 1 };
                            }
                        }
                    }
                    _ => {}
                }
            }
            i += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_joined_and_found_again() {
        let json = r##"{"cells": [
            {"cell_type": "markdown", "source": "# Title"},
            {"cell_type": "code", "source": ["import os\n", "%matplotlib inline\n", "!ls -l"]},
            {"cell_type": "code", "source": ""},
            {"cell_type": "code", "source": "files = !ls\nos.system(x)"}
        ], "metadata": {}, "nbformat": 4}"##;
        let notebook = read(json).unwrap().unwrap();
        assert_eq!(
            notebook.text,
            "import os\npass #%matplotlib inline\npass #!ls -l\n\nfiles = None #!ls\nos.system(x)\n"
        );
        assert_eq!(notebook.map.cell_and_line(1), (2, 1));
        assert_eq!(notebook.map.cell_and_line(3), (2, 3));
        assert_eq!(notebook.map.cell_and_line(4), (3, 1));
        assert_eq!(notebook.map.cell_and_line(6), (4, 2));
    }

    #[test]
    fn operators_and_strings_are_left_alone() {
        let mut out = String::new();
        let cell = "q = ('a %s'\n % x)\ns = '''\n!no\n'''\nt = a \\\n % b\nok = a != b\n";
        neutralise_magics(cell, &mut out);
        assert_eq!(out, cell);
    }

    #[test]
    fn cell_magics() {
        let mut out = String::new();
        neutralise_magics("%%bash\nrm x\n", &mut out);
        assert_eq!(out, "#%%bash\n#rm x\n");
        out.clear();
        neutralise_magics("%%time\nf(x)\n", &mut out);
        assert_eq!(out, "#%%time\nf(x)\n");
    }

    #[test]
    fn other_languages_and_bad_json() {
        let other = r#"{"cells": [], "metadata": {"kernelspec": {"language": "R"}}}"#;
        assert!(read(other).unwrap().is_none());
        assert!(read("{").is_err());
    }
}
