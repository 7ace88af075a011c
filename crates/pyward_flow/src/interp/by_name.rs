//! Method calls on values of unknown class: the methods of that name which the project has.

use std::sync::Arc;

use pyward_ir::{FunctionKind, Span, Symbol};
use pyward_program::{ClassId, FunctionId};

use super::Interp;
use super::call::CallArgs;
use crate::heap::Class;
use crate::tables::Base;
use crate::value::{Shape, Value, flag, join};

/// Most methods of one name that a call may mean.
const MAX_CANDIDATES: usize = 24;

impl Interp<'_> {
    /// Notes the classes of arguments: for parameters of which nothing else tells the type.
    pub(super) fn note_arguments(&mut self, callee: FunctionId, bound: &[Value]) {
        let function = self.cx.program.function(callee);
        if function.kind != FunctionKind::Def {
            return;
        }
        let first = usize::from(function.class.is_some());
        for (at, value) in bound.iter().enumerate().skip(first) {
            let class = match &value.shape {
                Shape::Object(id) => self.state.object(*id).class,
                Shape::Instance(api) if self.cx.api.is_known(*api) => Class::Api(*api),
                _ => continue,
            };
            if let (Class::Project(_) | Class::Api(_), Ok(at)) = (class, u16::try_from(at)) {
                self.out.arguments.push(((callee, at), class));
            }
        }
    }

    /// Calls the methods of a name where it is clear enough which are meant: one hierarchy overrides them.
    pub(super) fn call_by_name(
        &mut self,
        owner: &Value,
        name: Symbol,
        call: &CallArgs,
        span: Span,
    ) -> Option<Value> {
        let cx = self.cx;
        let candidates = cx.index.methods(name);
        if candidates.is_empty() || candidates.len() > MAX_CANDIDATES {
            return None;
        }
        // What a library returns is its own more likely than the project's when libraries have such a method.
        let is_external = matches!(
            owner.shape,
            Shape::Api(_) | Shape::ApiMethod(..) | Shape::Instance(_)
        );
        if is_external && cx.models.is_library_method(name) {
            return None;
        }
        let mut root = None;
        for &method in candidates {
            let class = self.class_of(method)?;
            let top = self.top_definition(class, name);
            // The framework calls an entry point, nobody else does.
            let is_other =
                cx.program.is_test(method.file) || cx.tables.entries.contains_key(&method);
            if is_other || root.is_some_and(|r| r != top) {
                return None;
            }
            root = Some(top);
        }
        let mut result: Option<Value> = None;
        let mut uncertain = call.clone();
        uncertain.map_marks(|marks| marks.flagged(flag::OBSCURE));
        let marks = owner.marks.flagged(flag::OBSCURE);
        let owner = owner.clone().with_marks(marks);
        for &method in candidates {
            let one = self.call_summary(method, owner.clone(), &uncertain, span);
            result = Some(match result {
                Some(before) => join(&before, &one),
                None => one,
            });
        }
        result
    }

    fn class_of(&self, method: FunctionId) -> Option<ClassId> {
        let index = self.cx.program.function(method).class?;
        Some(ClassId {
            file: method.file,
            index,
        })
    }

    /// The class farthest up that defines the method.
    fn top_definition(&self, class: ClassId, name: Symbol) -> ClassId {
        self.linear_bases(class)
            .iter()
            .copied()
            .filter_map(|base| match base {
                Base::Project(id) => {
                    let info = self.class_info(id)?;
                    info.attributes.contains_key(&name).then_some(id)
                }
                Base::Api(_) => None,
            })
            .next_back()
            .unwrap_or(class)
    }

    /// Applies the summary of a method, without running its body.
    fn call_summary(
        &mut self,
        method: FunctionId,
        receiver: Value,
        call: &CallArgs,
        span: Span,
    ) -> Value {
        let bound = self.bind(method, Some(receiver), call);
        self.note_arguments(method, &bound);
        match self.cx.tables.summary(method).map(Arc::clone) {
            Some(summary) => self.apply(&summary, method, &bound, &[], span),
            None => Value::unknown(),
        }
    }
}
