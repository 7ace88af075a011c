//! Functions that are handed to a call which calls them: threads, executors, keys of sorting.

use std::sync::Arc;

use pyward_ir::{Span, Symbol};

use super::Interp;
use super::call::CallArgs;
use crate::heap::Key;
use crate::models::{Callback, CallbackParam, CallbackReturn, Entry};
use crate::place::Base;
use crate::value::{Partial, Shape, Value, join};

impl Interp<'_> {
    /// Calls what a call is handed to call, as its models say; what the call returns then, if it is that of a
    /// callback.
    pub(super) fn run_callbacks(
        &mut self,
        entry: &Entry,
        receiver: Option<&Value>,
        call: &CallArgs,
        span: Span,
    ) -> Option<Value> {
        let mut result = None;
        for callback in entry.callbacks.iter().filter(|c| !c.converts()) {
            if let Some(value) = self.run_callback(callback, None, receiver, call, span) {
                result = Some(value);
            }
        }
        result
    }

    /// Hands a call's result to what converts it.
    pub(super) fn converted(
        &mut self,
        entry: &Entry,
        result: Value,
        receiver: Option<&Value>,
        call: &CallArgs,
        span: Span,
    ) -> Value {
        let converter = entry.callbacks.iter().find(|c| c.converts());
        converter
            .and_then(|c| self.run_callback(c, Some(&result), receiver, call, span))
            .unwrap_or(result)
    }

    fn run_callback(
        &mut self,
        callback: &Callback,
        returned: Option<&Value>,
        receiver: Option<&Value>,
        call: &CallArgs,
        span: Span,
    ) -> Option<Value> {
        let function = self
            .place_values(&callback.function, call, receiver)
            .into_iter()
            .next()?;
        let mut args = Vec::new();
        for param in &callback.params {
            args.push(match param {
                CallbackParam::Place(place) => self
                    .place_values(place, call, receiver)
                    .into_iter()
                    .reduce(|all, one| join(&all, &one))
                    .unwrap_or_default(),
                CallbackParam::Type(t) => self.typed(&t.clone(), receiver, &call.positional),
                CallbackParam::Source(kind) => {
                    let marks = self.source(*kind, span, Symbol::new("callback argument"), 0);
                    Value::unknown().with_marks(marks)
                }
                CallbackParam::Returned => returned.cloned().unwrap_or_default(),
                CallbackParam::Unknown => Value::unknown(),
            });
        }
        if let Some(place) = &callback.star {
            let handed_on = place.base == Base::Positional;
            for value in self.place_values(place, call, receiver) {
                match &value.shape {
                    _ if handed_on => args.push(value),
                    Shape::Object(id) if self.state.object(*id).items.is_some() => {
                        args.extend(self.state.object(*id).items.clone().unwrap_or_default());
                    }
                    _ => args.push(self.state.content(&value)),
                }
            }
        }
        let mut inner = CallArgs::of(args, call.site);
        if let Some(place) = &callback.double_star
            && place.base == Base::Keyword
        {
            inner.keywords.clone_from(&call.keywords);
            inner.double_star.clone_from(&call.double_star);
        } else if let Some(place) = &callback.double_star {
            for value in self.place_values(place, call, receiver) {
                if let Shape::Object(id) = value.shape {
                    for (key, field) in self.state.object(id).fields.clone() {
                        if let Key::Item(name) = key {
                            inner.keywords.push((name, field, None));
                        }
                    }
                }
            }
        }
        if callback.returns == CallbackReturn::Partial {
            let partial = Partial {
                callee: function,
                positional: inner.positional,
                keywords: inner.keywords.into_iter().map(|(k, v, _)| (k, v)).collect(),
            };
            return Some(Value::of(Shape::Partial(Arc::new(partial))));
        }
        let result = self.call_value(&function, &inner, span);
        match callback.returns {
            CallbackReturn::Result => Some(result),
            CallbackReturn::List => Some(self.new_sequence(crate::value::Builtin::List, result)),
            CallbackReturn::Nothing | CallbackReturn::Partial => None,
        }
    }
}
