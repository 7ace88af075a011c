//! Classes: definition, look-up along the bases, instances.

use std::sync::Arc;

use pyward_ir::{ClassIndex, ExprId, ExprKind, FunctionIndex, FunctionKind, Span, Symbol, Var};
use pyward_program::ClassId;

use super::Interp;
use super::call::CallArgs;
use super::lookup::ANNOTATED;
use super::refine::EVERYTHING;
use crate::heap::{Class, Key, Object};
use crate::summary::{Portable, PortableShape, export};
use crate::tables::{Base, ClassInfo, Entry};
use crate::types::TypeExpr;
use crate::value::ApiId;
use crate::value::{Builtin, Contexts, Shape, Value};

/// Longest chain of bases followed.
const MAX_BASES: usize = 32;
/// Most methods of subclasses that one call is taken to mean; where there are more, it is taken to mean none.
const MAX_OVERRIDES: usize = 4;

/// Methods of handlers, and of what registers them, that are named after those of HTTP.
pub(super) const HTTP_METHODS: &[&str] =
    &["get", "post", "put", "patch", "delete", "head", "options"];

impl Interp<'_> {
    pub(super) fn define_class(&mut self, index: ClassIndex, target: Var) {
        let ir = self.ir;
        let class = ir.class(index);
        let id = ClassId {
            file: self.file,
            index,
        };
        let mut info = ClassInfo::default();
        for &base in &class.bases {
            let value = self.eval(base);
            for shape in value.shape.alternatives() {
                match shape {
                    Shape::Class(base) if *base != id => info.bases.push(Base::Project(*base)),
                    Shape::Api(api) | Shape::Instance(api) => info.bases.push(Base::Api(*api)),
                    Shape::Function(_) | Shape::Closure(_) => {}
                    _ => {}
                }
            }
        }
        for (_, keyword) in &class.keywords {
            self.eval(*keyword);
        }
        let attributes = self.run_class_body(class.body, id, &mut info);
        info.attributes = attributes;
        let info = Arc::new(info);
        self.local_classes.insert(id, Arc::clone(&info));
        self.linear.borrow_mut().clear();
        self.out.classes.push((id, info));
        let mut guards = Vec::new();
        for &decorator in &class.decorators {
            let value = self.eval(decorator);
            if let Shape::Api(api) | Shape::ApiMethod(api, _) = value.shape
                && let Some(entry) = self.cx.api.entry(api)
            {
                guards.extend(entry.access.iter().copied());
            }
        }
        self.note_entry_methods(id, &guards);
        self.write_var(target, Value::of(Shape::Class(id)));
    }

    /// Runs the statements of a class; what they bind are its attributes.
    fn run_class_body(
        &mut self,
        body: FunctionIndex,
        id: ClassId,
        info: &mut ClassInfo,
    ) -> rustc_hash::FxHashMap<Symbol, Portable> {
        let ir = self.ir;
        let function = ir.function(body);
        let outer_locals = std::mem::replace(
            &mut self.state.locals,
            vec![Value::unknown(); function.locals.len()],
        );
        let outer_function = self.frame_ref().function;
        if outer_function.index.0 != 0 {
            // Methods see the variables of the function that the class stands in.
            let owner = outer_function.index.0;
            let captured = Arc::make_mut(&mut self.state.captured);
            for (slot, value) in outer_locals.iter().enumerate() {
                captured.insert(
                    (owner, u32::try_from(slot).unwrap_or(u32::MAX)),
                    value.clone(),
                );
            }
        }
        let outer_class = self.frame().class.replace(id);
        self.frame().function = pyward_program::FunctionId {
            file: self.file,
            index: body,
        };
        let outer_fields = std::mem::take(&mut self.class_fields);
        self.run_block(&function.body);
        self.frame().function = outer_function;
        self.frame().class = outer_class;
        info.fields = std::mem::replace(&mut self.class_fields, outer_fields);
        let locals = std::mem::replace(&mut self.state.locals, outer_locals);
        self.state.alive = true;
        let mut attributes = rustc_hash::FxHashMap::default();
        for (slot, name) in function.locals.iter().enumerate() {
            if let Some(value) = locals.get(slot)
                && (!value.shape.is_unknown() || !value.marks.is_empty())
            {
                let portable = export(&self.state, value).without_params();
                attributes.insert(*name, portable);
            }
        }
        attributes
    }

    /// A name declared in a class body with its type: a field of a dataclass or model.
    pub(super) fn declare_field(&mut self, var: Var, annotation: ExprId) {
        if !self.in_class_body() {
            return;
        }
        let name = self.var_name(var);
        let value = self.annotated(annotation);
        let portable = export(&self.state, &value).without_params();
        self.class_fields.push((name, portable));
    }

    /// Methods that a framework calls because of the class's bases.
    fn note_entry_methods(&mut self, id: ClassId, class_guards: &[Symbol]) {
        let bases = self.linear_bases(id);
        let ir = self.ir;
        let class = ir.class(id.index);
        let mut guards: Vec<Symbol> = class_guards.to_vec();
        let mut points: Vec<usize> = Vec::new();
        let mut templates: Vec<usize> = Vec::new();
        for base in bases.iter() {
            if let Base::Api(api) = base {
                let mut queue = vec![*api];
                let mut seen = 0;
                while let Some(api) = queue.pop() {
                    seen += 1;
                    if seen > MAX_BASES {
                        break;
                    }
                    if let Some(entry) = self.cx.api.entry(api) {
                        points.extend(entry.entry_bases.iter().copied());
                        templates.extend(entry.template_bases.iter().copied());
                        guards.extend(entry.access.iter().copied());
                        queue.extend(self.cx.api.bases(api).map(|b| self.cx.api.path(b)));
                    }
                }
            }
        }
        for template in templates {
            self.note_template_class(template, id);
        }
        points.extend(self.points_by_constructor(id));
        points.sort_unstable();
        points.dedup();
        for point in points {
            let description = &self.cx.models.entry_points[point];
            for &method in &class.methods {
                let function = ir.function(method);
                let name = function.name;
                let matches = if description.methods.is_empty() {
                    !name.as_str().starts_with('_')
                } else {
                    description.methods.iter().any(|method| {
                        *method == name
                            || method
                                .as_str()
                                .strip_suffix('*')
                                .is_some_and(|start| name.as_str().starts_with(start))
                    })
                };
                if matches {
                    let verbs = if HTTP_METHODS.contains(&name.as_str()) {
                        vec![Symbol::new(&name.as_str().to_uppercase())]
                    } else {
                        Vec::new()
                    };
                    let entry = Entry {
                        points: vec![point],
                        guards: guards.clone(),
                        verbs,
                        ..Entry::default()
                    };
                    self.out.entries.push((
                        pyward_program::FunctionId {
                            file: self.file,
                            index: method,
                        },
                        entry,
                    ));
                }
            }
        }
    }

    /// Entry points of classes that are told by what their constructor takes.
    fn points_by_constructor(&self, id: ClassId) -> Vec<usize> {
        let constructor = self.ir.class(id.index).methods.iter().find_map(|&m| {
            let function = self.ir.function(m);
            (function.name.as_str() == "__init__").then_some(function)
        });
        let points = self.cx.models.entry_points.iter().enumerate();
        match constructor.and_then(|c| c.params.get(1)) {
            Some(first) => points
                .filter(|(_, point)| point.made_with.contains(&first.name))
                .map(|(at, _)| at)
                .collect(),
            None => Vec::new(),
        }
    }

    pub(super) fn class_info(&self, id: ClassId) -> Option<Arc<ClassInfo>> {
        self.local_classes
            .get(&id)
            .or_else(|| self.cx.tables.class(id))
            .cloned()
    }

    /// The class and its bases in look-up order (depth first, left to right, each once).
    pub(super) fn linear_bases(&self, id: ClassId) -> Arc<[Base]> {
        if let Some(known) = self.linear.borrow().get(&id) {
            return Arc::clone(known);
        }
        let order: Arc<[Base]> = self.bases_in_order(id).into();
        self.linear.borrow_mut().insert(id, Arc::clone(&order));
        order
    }

    fn bases_in_order(&self, id: ClassId) -> Vec<Base> {
        let mut order: Vec<Base> = Vec::new();
        let mut queue = vec![Base::Project(id)];
        while let Some(base) = queue.pop() {
            if order.contains(&base) || order.len() >= MAX_BASES {
                continue;
            }
            order.push(base);
            if let Base::Project(class) = base
                && let Some(info) = self.class_info(class)
            {
                queue.extend(info.bases.iter().rev().copied());
            }
        }
        order
    }

    /// The classes outside the project that a class derives from.
    pub(super) fn external_bases(&self, id: ClassId) -> Vec<crate::value::ApiId> {
        self.linear_bases(id)
            .iter()
            .copied()
            .filter_map(|base| match base {
                Base::Api(api) => Some(api),
                Base::Project(_) => None,
            })
            .collect()
    }

    /// An attribute of a class, found along its bases; `after` starts behind that class.
    pub(super) fn class_attribute(
        &mut self,
        id: ClassId,
        attr: Symbol,
        after: Option<ClassId>,
    ) -> Option<Value> {
        let mut skipping = after.is_some();
        for &base in self.linear_bases(id).iter() {
            if skipping {
                skipping = base != Base::Project(after?);
                continue;
            }
            match base {
                Base::Project(class) => {
                    if let Some(value) = self.own_class_attribute(class, attr) {
                        return Some(value);
                    }
                }
                Base::Api(api) => {
                    let member = self.cx.api.child(api, attr);
                    if self.cx.api.is_known(member) {
                        return Some(self.api_value(member));
                    }
                }
            }
        }
        None
    }

    fn own_class_attribute(&mut self, class: ClassId, attr: Symbol) -> Option<Value> {
        if let Some(info) = self.class_info(class) {
            if let Some(portable) = info.attributes.get(&attr) {
                let portable = portable.clone();
                return Some(self.import_plain(&portable));
            }
            return None;
        }
        // Not run yet: what its text says.
        let ir = self.cx.program.ir(class.file);
        ir.class(class.index)
            .methods
            .iter()
            .find(|m| ir.function(**m).name == attr)
            .map(|m| {
                Value::of(Shape::Function(pyward_program::FunctionId {
                    file: class.file,
                    index: *m,
                }))
            })
    }

    pub(super) fn find_method(&mut self, class: ClassId, name: Symbol) -> Option<Value> {
        let found = self.class_attribute(class, name, None)?;
        matches!(found.shape, Shape::Function(_) | Shape::Closure(_)).then_some(found)
    }

    /// An attribute of an instance that is not among the fields tracked.
    pub(super) fn project_attribute(
        &mut self,
        class: ClassId,
        owner: &Value,
        attr: Symbol,
        _at: ExprId,
    ) -> Option<Value> {
        let from_class = self.class_attribute(class, attr, None);
        if let Some(value) = &from_class {
            let overrides = self.overrides(value, class);
            if !overrides.is_empty() {
                let bound = overrides.iter().map(|f| self.bind_method(f, owner));
                return bound.reduce(|all, one| crate::value::join(&all, &one));
            }
            if let Some(bound) = self.bind_descriptor(value, owner, class) {
                return Some(bound);
            }
        }
        match (from_class, self.written_attribute(class, attr)) {
            (Some(a), Some(b)) => Some(crate::value::join(&a, &b)),
            (Some(one), None) | (None, Some(one)) => Some(self.instance_of_api(one, owner)),
            (None, None) => {
                if let Some(declared) = self.declared_field(class, attr) {
                    return Some(self.import_plain(&declared));
                }
                // `__getattr__` answers for everything else.
                let getattr = self.find_method(class, Symbol::new("__getattr__"))?;
                let name = Value::constant(pyward_ir::Const::Str(attr));
                Some(self.call_method_value(&getattr, owner, vec![name]))
            }
        }
    }

    /// What code anywhere writes to an attribute of a class or of its instances.
    pub(super) fn written_attribute(&mut self, class: ClassId, attr: Symbol) -> Option<Value> {
        let mut written: Option<Portable> = None;
        for &base in self.linear_bases(class).iter() {
            if let Base::Project(base) = base
                && let Some(found) = self.cx.tables.instances.get(&(base, attr))
            {
                written = Some(match written {
                    Some(w) => w.join(found),
                    None => found.clone(),
                });
            }
        }
        written.map(|w| self.import_plain(&w))
    }

    /// What subclasses have in place of a method that the class only names (`raise NotImplementedError`, `pass`).
    fn overrides(&mut self, method: &Value, class: ClassId) -> Vec<Value> {
        let Shape::Function(id) = method.shape else {
            return Vec::new();
        };
        if !self.cx.index.is_stub(id) {
            return Vec::new();
        }
        let name = self.cx.program.function(id).name;
        let mut found = Vec::new();
        let mut seen = vec![class];
        let mut at = 0;
        while at < seen.len() {
            if seen.len() > MAX_BASES || found.len() > MAX_OVERRIDES {
                return Vec::new();
            }
            for &child in self.cx.tables.subclasses(seen[at]) {
                if seen.contains(&child) {
                    continue;
                }
                seen.push(child);
                if let Some(own) = self.own_class_attribute(child, name)
                    && matches!(own.shape, Shape::Function(f) if !self.cx.index.is_stub(f))
                {
                    found.push(own);
                }
            }
            at += 1;
        }
        if found.len() > MAX_OVERRIDES {
            found.clear();
        }
        found
    }

    /// A member found on an external base, seen from an instance.
    fn instance_of_api(&mut self, value: Value, owner: &Value) -> Value {
        if let Shape::Api(api) = value.shape {
            let value = Value {
                shape: Shape::ApiMethod(api, Arc::new(owner.clone())),
                marks: value.marks,
            };
            let span = self.current_span;
            return self.with_api_source(value, span);
        }
        value
    }

    /// What a class attribute is when read through the class.
    pub(super) fn bind_to_class(&mut self, value: Value, class: ClassId) -> Value {
        if let Shape::Object(id) = value.shape
            && let Class::Api(api) = self.state.object(id).class
            && let Some(inner) = self
                .state
                .object(id)
                .field(Key::Attribute(Symbol::new("fget")))
                .cloned()
        {
            match self.cx.api.text(api) {
                "builtins.staticmethod" => return inner,
                "builtins.classmethod" => {
                    return self.bind_method(&inner, &Value::of(Shape::Class(class)));
                }
                _ => {}
            }
        }
        // A class method of a library that gives what it is called on: `View.as_view`.
        if let Shape::Api(api) = value.shape
            && let Some(entry) = self.cx.api.entry(api)
            && matches!(entry.returns, Some(TypeExpr::Receiver))
        {
            return Value {
                shape: Shape::ApiMethod(api, Arc::new(Value::of(Shape::Class(class)))),
                marks: value.marks,
            };
        }
        value
    }

    /// What a class attribute is when read through an instance.
    fn bind_descriptor(&mut self, value: &Value, owner: &Value, class: ClassId) -> Option<Value> {
        match &value.shape {
            Shape::Function(_) => Some(self.bind_method(value, owner)),
            Shape::Closure(c) if c.receiver.is_none() => Some(self.bind_method(value, owner)),
            Shape::Object(id) => {
                let object = self.state.object(*id);
                let api = match object.class {
                    Class::Api(api) => api,
                    Class::Project(descriptor) => {
                        let get = self.find_method(descriptor, Symbol::new("__get__"))?;
                        let args = vec![owner.clone(), Value::of(Shape::Class(class))];
                        return Some(self.call_method_value(&get, value, args));
                    }
                    _ => return None,
                };
                let inner = object.field(Key::Attribute(Symbol::new("fget"))).cloned()?;
                match self.cx.api.text(api) {
                    "builtins.property" => {
                        let result = self.call_method_value(&inner, owner, Vec::new());
                        Some(result)
                    }
                    "builtins.staticmethod" => Some(inner),
                    "builtins.classmethod" => {
                        Some(self.bind_method(&inner, &Value::of(Shape::Class(class))))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    pub(super) fn call_dunder(
        &mut self,
        class: ClassId,
        owner: &Value,
        name: &str,
        args: &[Value],
    ) -> Value {
        match self.find_method(class, Symbol::new(name)) {
            Some(method) => self.call_method_value(&method, owner, args.to_vec()),
            None => {
                let content = self.state.content(owner);
                let marks = content.marks.union(&owner.marks);
                content.with_marks(marks)
            }
        }
    }

    /// The value of `super()` where it stands.
    pub(super) fn super_value(&mut self) -> Value {
        let receiver = self.state.locals.first().cloned().unwrap_or_default();
        match self.frame_ref().class {
            Some(class) => Value::of(Shape::Super(class, Arc::new(receiver))),
            None => Value::unknown(),
        }
    }

    pub(super) fn super_attribute(
        &mut self,
        class: ClassId,
        receiver: &Value,
        attr: Symbol,
    ) -> Value {
        let start = match &receiver.shape {
            Shape::Object(id) => match self.state.object(*id).class {
                Class::Project(actual) => actual,
                _ => class,
            },
            Shape::Class(actual) => *actual,
            _ => class,
        };
        match self.class_attribute(start, attr, Some(class)) {
            Some(value) => {
                if let Some(bound) = self.bind_descriptor(&value, receiver, start) {
                    bound
                } else {
                    self.instance_of_api(value, receiver)
                }
            }
            None => {
                // An external base without models: the method by its path.
                for &base in self.linear_bases(class).iter() {
                    if let Base::Api(api) = base {
                        let member = self.cx.api.child(api, attr);
                        return Value {
                            shape: Shape::ApiMethod(member, Arc::new(receiver.clone())),
                            marks: receiver.marks.clone(),
                        };
                    }
                }
                Value::unknown()
            }
        }
    }

    /// `Class(...)`
    pub(super) fn instantiate(&mut self, class: ClassId, call: &CallArgs, span: Span) -> Value {
        let mut object = Object::new(Class::Project(class));
        object.closed = false;
        let value = self.new_object(object);
        let Shape::Object(id) = value.shape else {
            return value;
        };
        if let Some(init) = self.find_method(class, Symbol::new("__init__")) {
            self.call_method_with(&init, &value, call, span);
            return value;
        }
        if let Some(new) = self.find_method(class, Symbol::new("__new__")) {
            let result = self.call_method_with(&new, &Value::of(Shape::Class(class)), call, span);
            if !result.shape.is_unknown() {
                return result;
            }
        }
        // A dataclass, a named tuple, a model: arguments become fields in order of declaration.
        let fields = self.declared_fields(class);
        for (at, arg) in call.positional.iter().enumerate() {
            match fields.get(at) {
                Some(name) => self.store(id, Key::Attribute(*name), arg.clone(), true),
                None => self.store(id, Key::Any, arg.clone(), false),
            }
        }
        for (name, arg, _) in &call.keywords {
            self.store(id, Key::Attribute(*name), arg.clone(), true);
        }
        for extra in call.star.iter().chain(&call.double_star) {
            self.store(id, Key::Any, extra.clone(), false);
            for name in fields.iter().skip(call.positional.len()) {
                // A column declared as a number holds one.
                if call.keyword(name.as_str()).is_none()
                    && self.cleaned_by_declaration(class, *name) != EVERYTHING
                {
                    self.store(id, Key::Attribute(*name), extra.clone(), true);
                }
            }
        }
        // An external base may do something with its arguments.
        for &base in self.linear_bases(class).iter() {
            if let Base::Api(api) = base
                && let Some(entry) = self.cx.api.entry(api)
                && !self.overrides_method_of(class, api)
            {
                self.check_call(entry, api, None, call, span);
            }
        }
        value
    }

    /// Whether a class has a method of its own in place of one that models describe, and so does something else with
    /// its arguments: an unpickler that finds classes in a list of its own.
    fn overrides_method_of(&self, class: ClassId, base: ApiId) -> bool {
        self.class_info(class).is_some_and(|info| {
            info.attributes.iter().any(|(name, value)| {
                let is_function = matches!(
                    value.shape,
                    PortableShape::Plain(Shape::Function(_)) | PortableShape::Closure(_)
                );
                is_function
                    && !name.as_str().starts_with("__")
                    && self.cx.api.is_known(self.cx.api.child(base, *name))
            })
        })
    }

    /// The type that a class or one of its bases declares a field to have, as a value of it.
    fn declared_field(&self, class: ClassId, name: Symbol) -> Option<Portable> {
        self.linear_bases(class).iter().copied().find_map(|base| {
            let Base::Project(base) = base else {
                return None;
            };
            let info = self.class_info(base)?;
            let field = info.fields.iter().find(|(field, _)| *field == name)?;
            (!field.1.is_unknown()).then(|| field.1.clone())
        })
    }

    /// Contexts that a field is harmless in by its declared type: all of them for a number, a truth value or one of an
    /// enumeration.
    pub(super) fn cleaned_by_declaration(&self, class: ClassId, name: Symbol) -> Contexts {
        let Some(declared) = self.declared_field(class, name) else {
            return 0;
        };
        match (&declared.shape, declared.class()) {
            (PortableShape::Plain(Shape::Builtin(b)), _) => match b {
                Builtin::Int | Builtin::Float | Builtin::Bool => EVERYTHING,
                Builtin::Str => self.cx.contexts.not_text,
                _ => 0,
            },
            (_, Some(Class::Project(class))) if self.is_enumeration(class) => EVERYTHING,
            _ => 0,
        }
    }

    /// Whether the class has a fixed set of instances.
    pub(super) fn is_enumeration(&self, class: ClassId) -> bool {
        let enumeration = |api| self.cx.api.is_subclass(api, "enum.Enum", 0);
        self.external_bases(class).into_iter().any(enumeration)
    }

    pub(super) fn declared_fields(&self, class: ClassId) -> Vec<Symbol> {
        let mut names = Vec::new();
        for base in self.linear_bases(class).iter().copied().rev() {
            if let Base::Project(base) = base
                && let Some(info) = self.class_info(base)
            {
                for (name, _) in &info.fields {
                    if !names.contains(name) {
                        names.push(*name);
                    }
                }
            }
        }
        names
    }

    /// A value of an annotated type.
    pub(super) fn annotated(&mut self, annotation: ExprId) -> Value {
        let ir = self.ir;
        match &ir.expr(annotation).kind {
            ExprKind::Const(pyward_ir::Const::None) => Value::constant(pyward_ir::Const::None),
            ExprKind::Subscript { value, index } => {
                let outer = self.eval(*value);
                let name = match outer.shape {
                    Shape::Api(api) => self.cx.api.name(api),
                    _ => Symbol::new(""),
                };
                let inner: Vec<ExprId> = match &ir.expr(*index).kind {
                    ExprKind::Tuple(list) => list.to_vec(),
                    _ => vec![*index],
                };
                match name.as_str() {
                    "Optional" | "Annotated" | "Final" | "ClassVar" | "Required"
                    | "NotRequired" | "Union" | "Awaitable" => self.annotated(inner[0]),
                    "list" | "List" | "Sequence" | "Iterable" | "Iterator" | "set" | "Set"
                    | "AsyncIterator" | "Generator" | "AsyncGenerator" => {
                        let element = self.annotated(inner[0]);
                        self.new_sequence(crate::value::Builtin::List, element)
                    }
                    "dict" | "Dict" | "Mapping" => {
                        let element = inner.last().map(|e| self.annotated(*e)).unwrap_or_default();
                        self.new_sequence(crate::value::Builtin::Dict, element)
                    }
                    "type" | "Type" => self.eval(inner[0]),
                    _ => self.instance_of(&outer),
                }
            }
            ExprKind::Binary { left, right, .. } => {
                let first = self.annotated(*left);
                if matches!(first.shape, Shape::Const(_) | Shape::Unknown) {
                    self.annotated(*right)
                } else {
                    first
                }
            }
            _ => {
                let class = self.eval(annotation);
                self.instance_of(&class)
            }
        }
    }

    /// An instance of a class value.
    fn instance_of(&mut self, class: &Value) -> Value {
        match class.shape {
            Shape::Class(id) => {
                let mut object = Object::new(Class::Project(id));
                object.closed = false;
                self.new_object(object)
            }
            Shape::Api(api) => {
                use crate::value::Builtin as B;
                let builtin = match self.cx.api.text(api) {
                    "builtins.str" => Some(B::Str),
                    "builtins.bytes" => Some(B::Bytes),
                    "builtins.int" => Some(B::Int),
                    "builtins.float" => Some(B::Float),
                    "builtins.bool" => Some(B::Bool),
                    "builtins.list" => Some(B::List),
                    "builtins.dict" => Some(B::Dict),
                    "typing.Any" | "builtins.object" | "typing.Callable" => {
                        return Value::unknown();
                    }
                    _ => None,
                };
                match builtin {
                    Some(b) => Value::of(Shape::Builtin(b)),
                    None if self.cx.api.looks_like_class(api) => Value::of(Shape::Instance(api)),
                    None => Value::unknown(),
                }
            }
            Shape::Object(id) => {
                let object = self.state.object(id);
                let first = match (object.class, object.items.as_deref()) {
                    (Class::Api(api), Some([first, ..]))
                        if self.cx.api.name(api).as_str() == ANNOTATED =>
                    {
                        first.clone()
                    }
                    _ => return Value::unknown(),
                };
                self.instance_of(&first)
            }
            _ => Value::unknown(),
        }
    }

    /// A value whose variable is annotated: the annotation helps where nothing else is known.
    pub(super) fn with_annotation(&mut self, value: Value, annotation: ExprId) -> Value {
        if !matches!(
            value.shape,
            Shape::Unknown | Shape::Const(pyward_ir::Const::None)
        ) {
            return value;
        }
        let declared = self.annotated(annotation);
        if declared.shape.is_unknown() {
            return value;
        }
        Value {
            shape: declared.shape,
            marks: value.marks,
        }
    }

    /// Whether a function is a method called with an instance.
    pub(super) fn is_instance_method(&self, function: &pyward_ir::Function) -> bool {
        function.kind == FunctionKind::Def
            && function.class.is_some()
            && !function.decorators.iter().any(|d| {
                matches!(&self.ir.expr(*d).kind, ExprKind::Name(Var::Global(n)) if matches!(n.as_str(), "staticmethod" | "classmethod"))
            })
    }
}
