//! Where a flow is reported when a function hands its parameter on to a sink as it is and its caller puts the text
//! together: at that call. `run_query(f"... {name}")` is the flaw, not the one `execute` that all queries end in.

use std::sync::Arc;

use pyward_ir::{ExprId, ExprKind, Span, Symbol, Var};
use pyward_program::{FileId, FunctionId};

use super::Interp;
use super::call::CallArgs;
use crate::summary::{ParamSink, SinkSite};
use crate::value::{Marks, Origin, PathId, Shape};

/// Where an argument stands.
#[derive(Clone, Debug)]
pub(super) struct HandOver {
    file: FileId,
    span: Span,
    call_span: Span,
    function: Symbol,
    /// Whether the text is put together there.
    is_composed: bool,
    /// Position of the caller's own parameter that is handed on as it is.
    handed_on: Option<u16>,
}

impl Interp<'_> {
    /// Where the arguments of a call stand, by the positions of the callee's parameters.
    pub(super) fn hand_overs(
        &self,
        callee: FunctionId,
        has_receiver: bool,
        call: &CallArgs,
        span: Span,
    ) -> Vec<Option<HandOver>> {
        let params = &self.cx.program.function(callee).params;
        (0..params.len())
            .map(|index| self.hand_over(callee, index, has_receiver, call, span))
            .collect()
    }

    fn hand_over(
        &self,
        callee: FunctionId,
        index: usize,
        has_receiver: bool,
        call: &CallArgs,
        span: Span,
    ) -> Option<HandOver> {
        let name = self.cx.program.function(callee).params.get(index)?.name;
        let named = call.keywords.iter().find(|(k, _, _)| *k == name);
        let (value, expr) = match named {
            Some((_, value, expr)) => (value, (*expr)?),
            None => {
                let position = index.checked_sub(usize::from(has_receiver))?;
                let expr = (*call.positional_exprs.get(position)?)?;
                (call.positional.get(position)?, expr)
            }
        };
        if let Some(outer) = self.received(expr, &value.marks) {
            return Some(outer.clone());
        }
        let function = self.frame_ref().function;
        Some(HandOver {
            file: self.file,
            span: self.expr_span(expr),
            call_span: span,
            function: self.cx.program.function(function).qualname,
            is_composed: value
                .shape
                .alternatives()
                .iter()
                .any(|shape| matches!(shape, Shape::Text(_))),
            handed_on: self.handed_on(expr, &value.marks),
        })
    }

    /// The parameter of the function under analysis that an expression hands on as it is.
    fn handed_on(&self, expr: ExprId, marks: &Marks) -> Option<u16> {
        if self.is_inlined() {
            return None;
        }
        let slot = self.parameter(expr)?;
        marks
            .iter()
            .any(|m| {
                m.trace.is_none()
                    && m.origin
                        == Origin::Param {
                            index: slot,
                            path: PathId::ROOT,
                        }
            })
            .then_some(slot)
    }

    /// Where what an inlined function hands on as it is was handed to it.
    fn received(&self, expr: ExprId, marks: &Marks) -> Option<&HandOver> {
        if !self.is_inlined() {
            return None;
        }
        let slot = self.parameter(expr)?;
        let (outer, entered) = self.frame_ref().received.get(usize::from(slot))?;
        let outer = outer.as_ref()?;
        entered.same(marks).then_some(outer)
    }

    fn parameter(&self, expr: ExprId) -> Option<u16> {
        let ExprKind::Name(Var::Local(slot)) = self.ir.expr(expr).kind else {
            return None;
        };
        let function = self.frame_ref().function;
        let params = &self.cx.program.function(function).params;
        u16::try_from(slot)
            .ok()
            .filter(|s| usize::from(*s) < params.len())
    }

    /// A site for an argument that reaches a sink: where it was handed to the function, if it is handed on as it is.
    pub(super) fn placed(&self, mut site: SinkSite, at: Option<ExprId>, marks: &Marks) -> SinkSite {
        let Some(expr) = at else { return site };
        match self.received(expr, marks) {
            Some(outer) => self.moved(&site, outer),
            None => {
                site.handed_on = self.handed_on(expr, marks);
                site
            }
        }
    }

    /// The site of a sink that a callee hands its parameter to, as seen from the call.
    pub(super) fn moved_sink(
        &self,
        sink: &ParamSink,
        overs: &[Option<HandOver>],
    ) -> Option<Arc<SinkSite>> {
        let index = sink.sink.handed_on?;
        if sink.sink.details.is_some()
            || sink.mark.origin
                != (Origin::Param {
                    index,
                    path: PathId::ROOT,
                })
        {
            return None;
        }
        let over = overs.get(usize::from(index))?.as_ref()?;
        Some(Arc::new(self.moved(&sink.sink, over)))
    }

    fn moved(&self, site: &SinkSite, over: &HandOver) -> SinkSite {
        let mut site = site.clone();
        site.handed_on = over.handed_on;
        if over.is_composed {
            site.end = site.end.or(Some((site.file, site.span)));
            site.file = over.file;
            site.span = over.span;
            site.call_span = over.call_span;
            site.function = over.function;
        }
        site
    }
}
