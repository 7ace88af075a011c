//! What a function proves of its parameters by returning, or by returning true or false.

use pyward_ir::{ExprId, ExprKind, UnaryOp};

use super::Interp;
use crate::value::{Contexts, Marks, ObjectId, Origin, Shape, Value};

impl Interp<'_> {
    /// Records what is proven of the parameters where a function returns.
    pub(super) fn note_proofs(&mut self, expr: Option<ExprId>, result: &Value) {
        let count = self
            .ir
            .function(self.frame_ref().function.index)
            .params
            .len();
        if count == 0 || self.is_inlined() {
            return;
        }
        let proven = self.proven_params(count);
        meet(&mut self.frame().proofs.always, &proven);
        match (self.truth(result), expr) {
            (Some(true), _) => meet(&mut self.frame().proofs.on_true, &proven),
            (Some(false), _) => meet(&mut self.frame().proofs.on_false, &proven),
            (None, Some(expr)) if self.is_test(expr) => {
                let before = self.fork();
                self.refine(expr, true);
                let proven = self.proven_params(count);
                meet(&mut self.frame().proofs.on_true, &proven);
                self.state = before.clone();
                self.refine(expr, false);
                let proven = self.proven_params(count);
                meet(&mut self.frame().proofs.on_false, &proven);
                self.state = before;
            }
            (None, _) => {
                meet(&mut self.frame().proofs.on_true, &proven);
                meet(&mut self.frame().proofs.on_false, &proven);
            }
        }
    }

    /// Cleans data of some origins in every variable that it is kept in, and in what the variables refer to.
    pub(super) fn clean_origins(&mut self, origins: &[Origin], contexts: Contexts) {
        if contexts == 0 || origins.is_empty() {
            return;
        }
        let mut objects: Vec<ObjectId> = Vec::new();
        for local in &mut self.state.locals {
            clean_in(&mut local.marks, origins, contexts);
            objects.extend(local.shape.alternatives().iter().filter_map(object_of));
        }
        for id in objects {
            // What stands for a parameter is told by its own marks.
            if self.state.object(id).origin.is_some() {
                continue;
            }
            let object = self.state.object_mut(id);
            let items = object.items.iter_mut().flatten();
            let fields = object.fields.iter_mut().map(|(_, value)| value);
            for value in items.chain(fields).chain(&mut object.rest) {
                clean_in(&mut value.marks, origins, contexts);
            }
        }
    }

    fn is_test(&self, expr: ExprId) -> bool {
        matches!(
            self.ir.expr(expr).kind,
            ExprKind::Compare { .. }
                | ExprKind::Bool { .. }
                | ExprKind::Call { .. }
                | ExprKind::Unary {
                    op: UnaryOp::Not,
                    ..
                }
        )
    }

    fn proven_params(&self, count: usize) -> Vec<Contexts> {
        (0..count)
            .map(|i| {
                let index = u16::try_from(i).unwrap_or(u16::MAX);
                self.state.locals.get(i).map_or(0, |v| {
                    v.marks
                        .iter()
                        .find(|m| {
                            m.origin
                                == Origin::Param {
                                    index,
                                    path: crate::value::PathId::ROOT,
                                }
                        })
                        .map_or(0, |m| m.cleaned)
                })
            })
            .collect()
    }
}

fn object_of(shape: &Shape) -> Option<ObjectId> {
    match shape {
        Shape::Object(id) => Some(*id),
        _ => None,
    }
}

fn clean_in(marks: &mut Marks, origins: &[Origin], contexts: Contexts) {
    if marks.iter().any(|m| origins.contains(&m.origin)) {
        *marks = marks.map(|m| {
            let mut mark = m.clone();
            if origins.contains(&m.origin) {
                mark.cleaned |= contexts;
            }
            Some(mark)
        });
    }
}

fn meet(slot: &mut Option<Vec<Contexts>>, proven: &[Contexts]) {
    match slot {
        Some(old) => old.iter_mut().zip(proven).for_each(|(a, b)| *a &= b),
        None => *slot = Some(proven.to_vec()),
    }
}
