//! What is asked of the analysis and what it answers.

use pyward_ir::{ExprId, Symbol};
use pyward_program::{ClassId, FileId, FunctionId};
use rustc_hash::FxHashMap;

use crate::finding::RawFinding;

/// How the analysis is to be run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Treat parameters of public functions as coming from outside, at lower severity.
    pub library: bool,
    /// Analyse test code too, for what is wrong in the tests themselves.
    pub tests: bool,
}

/// A function that is called from outside, for `pyward map`.
#[derive(Clone, Debug)]
pub struct Route {
    /// The handler.
    pub function: FunctionId,
    /// URL patterns.
    pub paths: Vec<Symbol>,
    /// HTTP methods.
    pub verbs: Vec<Symbol>,
    /// The library whose entry point it is.
    pub library: Symbol,
    /// `http`, `cli`, ...
    pub protocol: Symbol,
    /// Guards seen on it.
    pub guards: Vec<Symbol>,
    /// The decorators and calls that register it, in order.
    pub sites: Vec<(FileId, ExprId)>,
}

/// A class that is registered to handle requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassRoute {
    /// The class.
    pub class: ClassId,
    /// URL patterns.
    pub paths: Vec<Symbol>,
    /// Guards seen round it.
    pub guards: Vec<Symbol>,
    /// The call that registers it.
    pub site: Option<(FileId, ExprId)>,
}

/// What the analysis found.
#[derive(Debug, Default)]
pub struct Analysis {
    /// Findings, in the order of files and positions.
    pub findings: Vec<RawFinding>,
    /// Entry points, in the order of files and positions.
    pub routes: Vec<Route>,
    /// Classes that are registered to handle requests, in order.
    pub classes: Vec<ClassRoute>,
    /// Functions whose analysis hit a budget.
    pub truncated: Vec<FunctionId>,
    /// Functions of the project that a call expression reaches, as far as known, in order.
    pub calls: FxHashMap<(FileId, ExprId), Vec<FunctionId>>,
    /// Bases of classes that are classes of the project, in order.
    pub bases: FxHashMap<ClassId, Vec<ClassId>>,
}
