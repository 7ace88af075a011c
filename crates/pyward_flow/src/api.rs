//! Interned API paths: qualified names of external modules, classes and functions.

use std::hash::BuildHasherDefault;

use dashmap::DashMap;
use pyward_ir::Symbol;
use pyward_stubs::Fact;
use rustc_hash::FxHasher;

use crate::models::{Compiled, Entry};
use crate::types::TypeExpr;
use crate::value::ApiId;

#[derive(Debug)]
struct Node {
    path: Symbol,
    name: Symbol,
    parent: Option<ApiId>,
    entry: Option<u32>,
    known: bool,
    stub: Option<Box<Stub>>,
}

/// What the standard library's stubs say of a path.
#[derive(Debug)]
enum Stub {
    Returns(TypeExpr),
    Attribute(TypeExpr),
    /// A class; its bases, separated by `, `.
    Class(&'static str),
}

impl Stub {
    fn of(path: &str) -> Option<Box<Self>> {
        let stub = match pyward_stubs::fact(path)? {
            Fact::Returns(of) => Self::Returns(TypeExpr::parse(of)?),
            Fact::Attribute(of) => Self::Attribute(TypeExpr::parse(of)?),
            Fact::Class(bases) => Self::Class(bases),
            Fact::Alias(_) => return None,
        };
        Some(Box::new(stub))
    }
}

/// All API paths met so far, with the models that speak of them.
#[derive(Debug)]
pub struct ApiTable<'m> {
    models: &'m Compiled,
    nodes: boxcar::Vec<Node>,
    by_path: DashMap<Symbol, ApiId, BuildHasherDefault<FxHasher>>,
    children: DashMap<(u32, Symbol), ApiId, BuildHasherDefault<FxHasher>>,
}

const NO_PARENT: u32 = u32::MAX;

impl<'m> ApiTable<'m> {
    /// An empty table.
    #[must_use]
    pub fn new(models: &'m Compiled) -> Self {
        Self {
            models,
            nodes: boxcar::Vec::new(),
            by_path: DashMap::default(),
            children: DashMap::default(),
        }
    }

    /// The models.
    #[must_use]
    pub fn models(&self) -> &'m Compiled {
        self.models
    }

    /// The path of a top-level module.
    pub fn root(&self, name: Symbol) -> ApiId {
        if let Some(found) = self.children.get(&(NO_PARENT, name)) {
            return *found;
        }
        let id = match self.models.alias(name.as_str()) {
            Some(path) if path != name.as_str() => self.path(path),
            _ => self.intern(name, None, name),
        };
        self.children.insert((NO_PARENT, name), id);
        id
    }

    /// The id of a dotted path.
    pub fn path(&self, dotted: &str) -> ApiId {
        let mut parts = dotted.split('.');
        let root = self.root(Symbol::new(parts.next().unwrap_or("")));
        parts.fold(root, |at, name| self.child(at, Symbol::new(name)))
    }

    /// A member of a path; looked up in the class's bases where models or stubs know it only there.
    pub fn child(&self, parent: ApiId, name: Symbol) -> ApiId {
        if let Some(found) = self.children.get(&(parent.0, name)) {
            return *found;
        }
        let id = self.make_child(parent, name, 0);
        self.children.insert((parent.0, name), id);
        id
    }

    fn make_child(&self, parent: ApiId, name: Symbol, depth: u8) -> ApiId {
        let full = format!("{}.{name}", self.text(parent));
        let canonical = self.models.alias(&full);
        if canonical.is_none() && !self.models.is_known(&full) && depth < 6 {
            let described = pyward_stubs::fact(&full).is_some();
            for base in self.bases(parent) {
                let base = self.path(base);
                let member = self.make_child(base, name, depth + 1);
                if self.is_known(member) || !described && self.node(member).stub.is_some() {
                    return member;
                }
            }
            // Another name of something in the standard library.
            if described
                && let Some(usual) = pyward_stubs::canonical(&full)
                && pyward_stubs::canonical(usual).is_none()
            {
                return self.path(usual);
            }
        }
        match canonical {
            Some(path) if path != full => self.path(path),
            _ => self.intern(Symbol::new(&full), Some(parent), name),
        }
    }

    /// The result of calling a path whose type is unknown.
    pub fn result(&self, callee: ApiId) -> ApiId {
        let call = Symbol::new("()");
        if let Some(found) = self.children.get(&(callee.0, call)) {
            return *found;
        }
        let id = self.intern(
            Symbol::new(&format!("{}()", self.text(callee))),
            Some(callee),
            call,
        );
        self.children.insert((callee.0, call), id);
        id
    }

    fn intern(&self, path: Symbol, parent: Option<ApiId>, name: Symbol) -> ApiId {
        *self.by_path.entry(path).or_insert_with(|| {
            let text = path.as_str();
            let node = Node {
                path,
                name,
                parent,
                entry: self.models.entry(text),
                known: self.models.is_known(text),
                stub: Stub::of(text),
            };
            ApiId(u32::try_from(self.nodes.push(node)).unwrap_or(u32::MAX))
        })
    }

    fn node(&self, id: ApiId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// The dotted path.
    #[must_use]
    pub fn text(&self, id: ApiId) -> &'static str {
        self.node(id).path.as_str()
    }

    /// The dotted path as a symbol.
    #[must_use]
    pub fn symbol(&self, id: ApiId) -> Symbol {
        self.node(id).path
    }

    /// The last name of the path.
    #[must_use]
    pub fn name(&self, id: ApiId) -> Symbol {
        self.node(id).name
    }

    /// What it is a member of.
    #[must_use]
    pub fn parent(&self, id: ApiId) -> Option<ApiId> {
        self.node(id).parent
    }

    /// What models say of it.
    #[must_use]
    pub fn entry(&self, id: ApiId) -> Option<&'m Entry> {
        self.node(id).entry.map(|e| self.models.get(e))
    }

    /// The type of what it returns: as models say, else as the stubs do.
    #[must_use]
    pub fn returns(&self, id: ApiId) -> Option<&TypeExpr> {
        let modelled = self.entry(id).and_then(|e| e.returns.as_ref());
        modelled.or_else(|| self.stub_returns(id))
    }

    /// The type of what it returns, as the stubs say.
    #[must_use]
    pub fn stub_returns(&self, id: ApiId) -> Option<&TypeExpr> {
        match self.node(id).stub.as_deref()? {
            Stub::Returns(of) => Some(of),
            _ => None,
        }
    }

    /// The type of an attribute of an instance: as models say; as the stubs do where no model speaks of it.
    #[must_use]
    pub fn attribute(&self, id: ApiId) -> Option<&TypeExpr> {
        if let Some(entry) = self.entry(id) {
            return entry.attribute.as_ref();
        }
        match self.node(id).stub.as_deref()? {
            Stub::Attribute(of) => Some(of),
            _ => None,
        }
    }

    /// The base classes of a class: as models say, else as the stubs do.
    pub fn bases(&self, id: ApiId) -> impl Iterator<Item = &str> {
        let modelled = self.entry(id).map_or(&[][..], |e| &e.bases);
        let stubs = match self.node(id).stub.as_deref() {
            Some(Stub::Class(bases)) if modelled.is_empty() => *bases,
            _ => "",
        };
        let stubs = stubs.split(", ").filter(|base| !base.is_empty());
        modelled.iter().map(String::as_str).chain(stubs)
    }

    /// Whether models or stubs say anything of it, or of something below it.
    #[must_use]
    pub fn is_described(&self, id: ApiId) -> bool {
        self.is_known(id) || self.node(id).stub.is_some()
    }

    /// Whether models speak of it or of something below it.
    #[must_use]
    pub fn is_known(&self, id: ApiId) -> bool {
        self.node(id).known
    }

    /// The entry for a method name on a receiver of unknown type.
    #[must_use]
    pub fn by_method_name(&self, name: Symbol) -> ApiId {
        let star = self.root(Symbol::new("*"));
        self.child(star, name)
    }

    /// Whether the class `id` is `class` or derives from it as far as models say.
    #[must_use]
    pub fn is_subclass(&self, id: ApiId, class: &str, depth: u8) -> bool {
        self.text(id) == class
            || (depth < 6
                && self
                    .bases(id)
                    .any(|b| self.is_subclass(self.path(b), class, depth + 1)))
    }

    /// Whether it is a class, as stubs say or as its name looks: its last part starts with a capital letter.
    #[must_use]
    pub fn looks_like_class(&self, id: ApiId) -> bool {
        if matches!(self.node(id).stub.as_deref(), Some(Stub::Class(_))) {
            return true;
        }
        let name = self.node(id).name.as_str().trim_start_matches('_');
        name.chars().next().is_some_and(char::is_uppercase)
    }
}
