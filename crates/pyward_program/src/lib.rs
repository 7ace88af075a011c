//! The whole program: a project's files as Python modules, what their imports mean, and the orders in which
//! modules and functions are best analysed.
//!
//! [`Program::new`] takes lowered files and resolves every import without anything being installed or run.
//! Everything is deterministic: ids follow the files' paths, never the order in which threads finish.

mod calls;
mod graph;
mod layout;
mod resolve;

use std::path::{Path, PathBuf};

use pyward_ir::{Class, ClassIndex, FileIr, Function, FunctionIndex, Symbol};
use rustc_hash::{FxHashMap, FxHashSet};

pub use calls::call_levels;
pub use layout::DirId;
pub use resolve::Imported;

use layout::Layout;

/// A lowered file, as handed to [`Program::new`].
#[derive(Debug)]
pub struct ProgramFile {
    /// Path relative to the project's root.
    pub path: PathBuf,
    /// Whether it is test code: it calls the rest and does not run in production.
    pub is_test: bool,
    /// What is in it.
    pub ir: FileIr,
}

/// Index of a file; files are in the order of their paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// A function of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId {
    /// Its file.
    pub file: FileId,
    /// Its index there.
    pub index: FunctionIndex,
}

/// A class of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassId {
    /// Its file.
    pub file: FileId,
    /// Its index there.
    pub index: ClassIndex,
}

/// What an imported module is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ModuleTarget {
    /// A file of the project; of a package, its `__init__.py`.
    File(FileId),
    /// A directory without `__init__.py` that holds modules. A name that is not found in it by
    /// [`Program::submodule`] may belong to an installed package of the same name.
    Namespace(DirId),
}

/// A handler that a description of the interface (OpenAPI) in the project names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Dotted name of the function.
    pub handler: String,
    /// URL pattern.
    pub path: String,
    /// HTTP method, in capitals.
    pub verb: String,
    /// The description asks for credentials.
    pub is_guarded: bool,
}

/// A project's files, and how they import each other.
#[derive(Debug)]
pub struct Program {
    /// Handlers that descriptions name.
    pub operations: Vec<Operation>,
    files: Vec<ProgramFile>,
    layout: Layout,
    /// Import statements' modules, by directory of the importing file, level and name.
    imports: FxHashMap<(DirId, u32, Option<Symbol>), Option<ModuleTarget>>,
    /// Outermost packages that some import names, or that have relative imports inside.
    used_packages: FxHashSet<DirId>,
    import_levels: Vec<Vec<FileId>>,
}

impl Program {
    /// Puts the files in order and resolves their imports.
    ///
    /// Of two files with the same path the first is kept.
    #[must_use]
    pub fn new(mut files: Vec<ProgramFile>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|later, first| later.path == first.path);
        let layout = Layout::new(&files);
        let mut program = Self {
            operations: Vec::new(),
            files,
            layout,
            imports: FxHashMap::default(),
            used_packages: FxHashSet::default(),
            import_levels: Vec::new(),
        };
        program.resolve_all();
        program
    }

    /// Number of files.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are no files.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Ids of all files, in order.
    pub fn file_ids(&self) -> impl ExactSizeIterator<Item = FileId> + Clone + use<> {
        (0..u32::try_from(self.files.len()).unwrap_or(u32::MAX)).map(FileId)
    }

    /// A file's IR.
    #[must_use]
    pub fn ir(&self, file: FileId) -> &FileIr {
        &self.files[file.0 as usize].ir
    }

    /// A file's path relative to the project's root.
    #[must_use]
    pub fn path(&self, file: FileId) -> &Path {
        &self.files[file.0 as usize].path
    }

    /// Whether a file is test code.
    #[must_use]
    pub fn is_test(&self, file: FileId) -> bool {
        self.files[file.0 as usize].is_test
    }

    /// The file at a path relative to the project's root.
    #[must_use]
    pub fn file_at(&self, path: &Path) -> Option<FileId> {
        let found = self.files.binary_search_by(|f| f.path.as_path().cmp(path));
        u32::try_from(found.ok()?).ok().map(FileId)
    }

    /// A function.
    #[must_use]
    pub fn function(&self, id: FunctionId) -> &Function {
        self.ir(id.file).function(id.index)
    }

    /// A class.
    #[must_use]
    pub fn class(&self, id: ClassId) -> &Class {
        self.ir(id.file).class(id.index)
    }

    /// All functions, module and class bodies included, in order.
    pub fn function_ids(&self) -> impl Iterator<Item = FunctionId> + '_ {
        self.file_ids().flat_map(|file| {
            let count = u32::try_from(self.ir(file).functions.len()).unwrap_or(u32::MAX);
            (0..count).map(move |index| FunctionId {
                file,
                index: FunctionIndex(index),
            })
        })
    }

    /// All classes, in order.
    pub fn class_ids(&self) -> impl Iterator<Item = ClassId> + '_ {
        self.file_ids().flat_map(|file| {
            let count = u32::try_from(self.ir(file).classes.len()).unwrap_or(u32::MAX);
            (0..count).map(move |index| ClassId {
                file,
                index: ClassIndex(index),
            })
        })
    }

    /// The name by which a file is imported: below the innermost directory that is no package, or below the
    /// project's root (or a `src` directory) where no directory on the way is one.
    #[must_use]
    pub fn module_name(&self, file: FileId) -> Symbol {
        self.layout.names[file.0 as usize]
    }

    /// The first file whose [`Self::module_name`] is `name`.
    #[must_use]
    pub fn file_named(&self, name: Symbol) -> Option<FileId> {
        self.layout.by_name.get(&name).copied()
    }

    /// The `.pyi` stub beside a `.py` file.
    #[must_use]
    pub fn stub_of(&self, file: FileId) -> Option<FileId> {
        self.layout.stubs.get(&file).copied()
    }

    /// Files so that what a file imports at module level stands before it: files of one level import only
    /// from earlier levels, but for import cycles, whose files share a level.
    #[must_use]
    pub fn import_levels(&self) -> &[Vec<FileId>] {
        &self.import_levels
    }

    /// Files so that what a file imports at module level stands before it; cycles in the order of paths.
    pub fn import_order(&self) -> impl Iterator<Item = FileId> + '_ {
        self.import_levels.iter().flatten().copied()
    }
}
