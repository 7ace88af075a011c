//! What functions know of each other: tables filled between rounds and levels, read-only while functions
//! are analysed in parallel.

use std::sync::Arc;

use pyward_ir::{ClassIndex, ExprId, Symbol};
use pyward_program::{ClassId, FileId, FunctionId};
use rustc_hash::FxHashMap;

use crate::heap::Class;
use crate::summary::{Portable, Summary};
use crate::value::ApiId;

/// A base of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// A class of the project.
    Project(ClassId),
    /// An external class.
    Api(ApiId),
}

/// What is known of a class.
#[derive(Clone, Debug, Default)]
pub struct ClassInfo {
    /// Its bases in order.
    pub bases: Vec<Base>,
    /// Names bound in its body: methods, constants, descriptors.
    pub attributes: FxHashMap<Symbol, Portable>,
    /// Names declared in its body in order, with the type of each: fields of a dataclass.
    pub fields: Vec<(Symbol, Portable)>,
}

/// A parameter of an entry point.
#[derive(Clone, Debug, Default)]
pub struct EntryParam {
    /// Kind of the data that comes in.
    pub kind: Option<u8>,
    /// Its type, if the framework gives one.
    pub class: Option<Portable>,
}

/// A function that is called from outside.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Indices in [`crate::models::Compiled::entry_points`].
    pub points: Vec<usize>,
    /// URL patterns.
    pub routes: Vec<Symbol>,
    /// HTTP methods.
    pub verbs: Vec<Symbol>,
    /// The decorators and calls that register it.
    pub sites: Vec<(FileId, ExprId)>,
    /// Guards seen (`authentication`, ...), as the models name them.
    pub guards: Vec<Symbol>,
    /// Environments whose every template gets what it returns.
    pub gives_context: Vec<Symbol>,
    /// It stands round another entry point, which the framework reaches through it (a decorator's inner function).
    pub wraps: bool,
    /// Templates rendered with what it returns: index in [`crate::models::Compiled::templates`], and name.
    pub templates: Vec<(usize, Symbol)>,
}

impl Entry {
    /// Whether nothing is known that makes the function special.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
            && self.guards.is_empty()
            && self.templates.is_empty()
            && self.gives_context.is_empty()
    }
}

/// Everything that outlives the analysis of one function.
#[derive(Debug, Default)]
pub struct Tables {
    /// Summaries by file and function index.
    pub summaries: Vec<Vec<Option<Arc<Summary>>>>,
    /// Module-level names by file.
    pub modules: Vec<FxHashMap<Symbol, Portable>>,
    /// Names of a module bound from elsewhere (`module.x = ...`, `global x`).
    pub written: Vec<FxHashMap<Symbol, Portable>>,
    /// Classes by file and class index.
    pub classes: Vec<Vec<Option<Arc<ClassInfo>>>>,
    /// Direct subclasses of each class, in order of files.
    pub subclasses: FxHashMap<ClassId, Vec<ClassId>>,
    /// Attributes written to instances of classes of the project.
    pub instances: FxHashMap<(ClassId, Symbol), Portable>,
    /// Values of variables that nested functions capture.
    pub captured: FxHashMap<(FileId, u32, u32), Portable>,
    /// Whether the templates of an environment escape, as far as the program sets it and agrees.
    pub escaping: FxHashMap<Symbol, Option<bool>>,
    /// Variables that every template of an environment has.
    pub template_variables: FxHashMap<(Symbol, Symbol), Portable>,
    /// Classes of what callers hand to parameters; `None` where they differ.
    pub arguments: FxHashMap<(FunctionId, u16), Option<Class>>,
    /// Entry points.
    pub entries: FxHashMap<FunctionId, Entry>,
    /// Classes that are registered to handle requests.
    pub class_routes: Vec<crate::analysis::ClassRoute>,
    /// The project's functions that a call expression reaches.
    pub call_sites: FxHashMap<(FileId, ExprId), Vec<FunctionId>>,
}

impl Tables {
    /// The summary of a function.
    #[must_use]
    pub fn summary(&self, id: FunctionId) -> Option<&Arc<Summary>> {
        self.summaries
            .get(id.file.0 as usize)?
            .get(id.index.0 as usize)?
            .as_ref()
    }

    /// The classes that name a class as a base.
    #[must_use]
    pub fn subclasses(&self, id: ClassId) -> &[ClassId] {
        self.subclasses.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Notes who derives from whom, as far as classes have been seen.
    pub fn index_subclasses(&mut self) {
        self.subclasses.clear();
        for (file, classes) in self.classes.iter().enumerate() {
            for (index, info) in classes.iter().enumerate() {
                let child = ClassId {
                    file: FileId(u32::try_from(file).unwrap_or(u32::MAX)),
                    index: ClassIndex(u32::try_from(index).unwrap_or(u32::MAX)),
                };
                for base in info.iter().flat_map(|info| &info.bases) {
                    if let Base::Project(base) = base {
                        self.subclasses.entry(*base).or_default().push(child);
                    }
                }
            }
        }
    }

    /// The class behind an id.
    #[must_use]
    pub fn class(&self, id: ClassId) -> Option<&Arc<ClassInfo>> {
        self.classes
            .get(id.file.0 as usize)?
            .get(id.index.0 as usize)?
            .as_ref()
    }
}
