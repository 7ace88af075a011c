//! From a callee's view of its parameters to the caller's: what an argument holds at a path, and the marks in it.

use crate::heap::{Key, State};
use crate::summary::View;
use crate::value::{Mark, Marks, Origin, PathId, Shape, Step, Value, concat, extend, join};

/// Turns the marks of a callee's parameters into those of the caller's arguments, for one call.
pub(super) struct Translator<'a> {
    arguments: &'a [Value],
    step: Step,
    /// The marks that came in by a parameter and path, with the call on their traces.
    arrived: Vec<((u16, PathId), Marks)>,
    /// Sets translated before: the same set is in many parts of a value.
    sets: Vec<(Marks, Marks)>,
}

impl<'a> Translator<'a> {
    /// For a call with these arguments, at this step.
    pub(super) fn new(arguments: &'a [Value], step: Step) -> Self {
        Self {
            arguments,
            step,
            arrived: Vec::new(),
            sets: Vec::new(),
        }
    }

    /// The caller's marks in a parameter at a path.
    pub(super) fn arriving(&mut self, state: &State, index: u16, path: PathId) -> Marks {
        let found = self.arrived.iter().find(|(k, _)| *k == (index, path));
        if let Some((_, marks)) = found {
            return marks.clone();
        }
        let marks = match self.arguments.get(usize::from(index)) {
            None => Marks::NONE,
            Some(argument) if path == PathId::ROOT => state.deep_marks(argument),
            Some(argument) => deep_or_own(state, &resolve_in(state, argument, path), argument),
        };
        let step = self.step;
        let marks = marks.map(|m| {
            Some(Mark {
                trace: extend(&m.trace, step),
                ..m.clone()
            })
        });
        self.arrived.push(((index, path), marks.clone()));
        marks
    }

    /// The caller's marks for one of the callee's.
    pub(super) fn mark(&mut self, state: &State, mark: &Mark) -> Marks {
        match mark.origin {
            Origin::Source { .. } => Marks::one(mark.clone()),
            Origin::Param { index, path } => {
                let theirs = self.arriving(state, index, path);
                if mark.cleaned == 0 && mark.flags == 0 && mark.trace.is_none() {
                    return theirs;
                }
                theirs.map(|m| Some(through(m, mark)))
            }
        }
    }
}

impl View for Translator<'_> {
    fn value(&self, state: &State, index: u16, path: PathId) -> Value {
        self.arguments
            .get(usize::from(index))
            .map_or_else(Value::unknown, |v| resolve_in(state, v, path))
    }

    fn marks(&mut self, state: &State, marks: &Marks) -> Marks {
        if marks.is_of_sources() {
            return marks.clone();
        }
        if let Some((_, done)) = self.sets.iter().find(|(set, _)| set.same(marks)) {
            return done.clone();
        }
        let mut all = Marks::NONE;
        for mark in marks.iter() {
            all.add(&self.mark(state, mark));
        }
        self.sets.push((marks.clone(), all.clone()));
        all
    }
}

/// The caller's mark after it went the way of the callee's.
pub(super) fn through(theirs: &Mark, inside: &Mark) -> Mark {
    Mark {
        origin: theirs.origin,
        cleaned: theirs.cleaned | inside.cleaned,
        flags: theirs.flags | inside.flags,
        trace: concat(&theirs.trace, &inside.trace),
    }
}

fn deep_or_own(state: &State, value: &Value, argument: &Value) -> Marks {
    // Data in the argument as a whole is in every part of it, unless the argument is itself an object that
    // stands for a parameter, whose parts have marks of their own.
    let stands_for_param = argument.shape.alternatives().iter().any(|s| match s {
        Shape::Object(id) => state.object(*id).origin.is_some(),
        _ => false,
    });
    let deep = state.deep_marks(value);
    if stands_for_param {
        deep
    } else {
        deep.union(&argument.marks)
    }
}

/// What the argument holds at a path.
pub(super) fn resolve_in(state: &State, value: &Value, path: PathId) -> Value {
    let mut current = value.clone();
    for key in path.keys() {
        let mut next: Option<Value> = None;
        for shape in current.shape.alternatives() {
            let found = match shape {
                Shape::Object(id) => {
                    let object = state.object(*id);
                    let direct = match (key, &object.items) {
                        (Key::Index(i), Some(items)) => {
                            let length = i64::try_from(items.len()).unwrap_or(0);
                            usize::try_from(if i < 0 { i + length } else { i })
                                .ok()
                                .and_then(|i| items.get(i).cloned())
                        }
                        _ => object.field(key).cloned(),
                    };
                    direct
                        .or_else(|| match key {
                            Key::Attribute(_) => None,
                            _ => object.rest.clone(),
                        })
                        .or_else(|| {
                            // A part of a caller's own parameter that the caller never touched.
                            let (index, at) = object.origin?;
                            let longer = at.child(key)?;
                            let trace = current.marks.iter().find_map(|m| match m.origin {
                                Origin::Param { index: i, path } if i == index && path == at => {
                                    Some(m.trace.clone())
                                }
                                _ => None,
                            });
                            let cleaned = current
                                .marks
                                .iter()
                                .find(|m| m.origin == Origin::Param { index, path: at })
                                .map_or(0, |m| m.cleaned);
                            Some(Value::unknown().with_marks(Marks::one(Mark {
                                origin: Origin::Param {
                                    index,
                                    path: longer,
                                },
                                cleaned,
                                flags: 0,
                                trace: trace.flatten(),
                            })))
                        })
                }
                _ => None,
            };
            if let Some(found) = found {
                next = Some(next.map_or_else(|| found.clone(), |n| join(&n, &found)));
            }
        }
        let through = if current
            .shape
            .alternatives()
            .iter()
            .any(|s| matches!(s, Shape::Object(_)))
        {
            Marks::NONE
        } else {
            current.marks.clone()
        };
        current = match next {
            Some(found) => found,
            None => Value::unknown().with_marks(through),
        };
    }
    current
}

/// Nobody's parameters: for what is known of a program's parts wherever they are used.
pub(super) struct NoParameters;

impl View for NoParameters {
    fn value(&self, _: &State, _: u16, _: PathId) -> Value {
        Value::unknown()
    }

    fn marks(&mut self, _: &State, marks: &Marks) -> Marks {
        marks.of_sources()
    }
}
