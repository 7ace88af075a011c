//! What the outcome of a test says of the values in it: barriers. Truth, comparisons, membership.

use pyward_ir::{BoolOp, CompareOp, Const, ExprId, ExprKind, Symbol, UnaryOp};

use super::Interp;
use super::lookup::Place;
use crate::heap::{Class, Key};
use crate::models::Outcome;
use crate::place::{Base, Content};
use crate::value::{Builtin, Contexts, Marks, Origin, Shape, Value, flag};

/// Texts of this length are matched in time by expressions whose time grows with a power of it.
const MAX_HARMLESS_LENGTH: i64 = 1024;

/// Cleaned for every purpose.
pub(super) const EVERYTHING: Contexts = Contexts::MAX;

impl Interp<'_> {
    /// Applies what follows from `test` being `outcome` to the state.
    pub(super) fn refine(&mut self, test: ExprId, outcome: bool) {
        if !self.state.alive {
            return;
        }
        let ir = self.ir;
        match &ir.expr(test).kind {
            ExprKind::Unary {
                op: UnaryOp::Not,
                operand,
            } => self.refine(*operand, !outcome),
            ExprKind::Bool { op, values } => {
                // All parts of a true `and` are true, all parts of a false `or` are false.
                if (*op == BoolOp::And) == outcome {
                    for e in values {
                        self.refine(*e, outcome);
                    }
                    if !outcome {
                        self.refine_quoted(values);
                    }
                } else {
                    self.refine_any(values, outcome);
                }
            }
            ExprKind::Compare { left, rest } => {
                if rest.len() == 1 {
                    self.refine_compare(*left, rest[0].0, rest[0].1, outcome);
                } else if outcome {
                    let mut first = *left;
                    for (op, right) in rest {
                        self.refine_compare(first, *op, *right, true);
                        first = *right;
                    }
                }
            }
            ExprKind::Call { callee, args } => self.refine_call(*callee, args, outcome),
            ExprKind::Named { target, value } => {
                self.refine(*value, outcome);
                self.narrow_truth(
                    &Place {
                        root: *target,
                        path: Vec::new(),
                    },
                    outcome,
                );
            }
            ExprKind::Name(_) | ExprKind::Attribute { .. } | ExprKind::Subscript { .. } => {
                if let Some(place) = self.place_of(test) {
                    self.narrow_truth(&place, outcome);
                }
                if !outcome {
                    // `if parsed.netloc: refuse`: without a host an address stays on the site.
                    self.refine_member(test, EVERYTHING);
                }
                self.refine_by_origin_of_test(test, outcome);
            }
            _ => {}
        }
    }

    /// One of several tests has this outcome: what they all say holds.
    fn refine_any(&mut self, values: &[ExprId], outcome: bool) {
        let before = self.fork();
        let mut joined: Option<crate::heap::State> = None;
        for e in values {
            self.state = before.clone();
            self.refine(*e, outcome);
            match &mut joined {
                Some(j) => {
                    j.merge(&self.state);
                }
                None => joined = Some(self.state.clone()),
            }
        }
        self.state = joined.unwrap_or(before);
    }

    fn narrow_truth(&mut self, place: &Place, outcome: bool) {
        let truths = |interp: &Self, v: &Value| -> Option<Value> {
            if let Shape::Choice(list) = &v.shape {
                let kept: Vec<Shape> = list
                    .iter()
                    .filter(|s| interp.shape_truth(s).is_none_or(|t| t == outcome))
                    .cloned()
                    .collect();
                if kept.len() < list.len() && !kept.is_empty() {
                    let shape = if kept.len() == 1 {
                        kept[0].clone()
                    } else {
                        Shape::Choice(kept.into())
                    };
                    return Some(Value {
                        shape,
                        marks: v.marks.clone(),
                    });
                }
            }
            None
        };
        if let Some(new) = self.value_at(place).and_then(|v| truths(self, &v)) {
            self.update_place(place, &|v| v.shape = new.shape.clone());
        }
        // What is empty or `None` cannot do harm.
        if !outcome {
            self.clean_place(place, EVERYTHING);
        }
    }

    /// The value at a place, if it is there without evaluating anything.
    pub(super) fn value_at(&mut self, place: &Place) -> Option<Value> {
        let mut value = match place.root {
            pyward_ir::Var::Local(slot) => self.state.locals.get(slot as usize)?.clone(),
            other => self.read_var(other, pyward_ir::Span::default()),
        };
        for key in &place.path {
            let Shape::Object(id) = value.shape else {
                return None;
            };
            let object = self.state.object(id);
            value = match (key, &object.items) {
                (Key::Index(i), Some(items)) => items.get(usize::try_from(*i).ok()?)?.clone(),
                _ => object.field(*key)?.clone(),
            };
        }
        Some(value)
    }

    pub(super) fn clean_place(&mut self, place: &Place, contexts: Contexts) {
        if contexts != 0 {
            self.update_place(place, &|v| v.marks = clean_marks(&v.marks, contexts));
        }
    }

    /// Cleans the value of an expression: the place it is, or those whose copy or wrapping it is.
    pub(super) fn clean_expr(&mut self, expr: ExprId, contexts: Contexts) {
        if contexts == 0 {
            return;
        }
        if let Some(place) = self.place_of(expr) {
            self.clean_place(&place, contexts);
            return;
        }
        let ir = self.ir;
        match &ir.expr(expr).kind {
            // `os.path.abspath(p).startswith(...)`, `name.lower() in ALLOWED`: what is checked is made of
            // the variable by something that the check sees through.
            ExprKind::Call { callee, args } => {
                if let ExprKind::Attribute { value, attr, .. } = ir.expr(*callee).kind
                    && is_view_method(attr)
                {
                    self.clean_expr(value, contexts);
                    return;
                }
                if self.is_view_function(*callee)
                    && let Some(first) = args.first()
                {
                    self.clean_expr(first.value, contexts);
                }
            }
            ExprKind::Await(inner) | ExprKind::Starred(inner) => self.clean_expr(*inner, contexts),
            _ => {}
        }
    }

    /// Functions whose result stands for their first argument in a check.
    fn is_view_function(&mut self, callee: ExprId) -> bool {
        let callee = self.eval(callee);
        let (Shape::Api(id) | Shape::ApiMethod(id, _)) = &callee.shape else {
            return false;
        };
        if matches!(
            self.cx.api.text(*id),
            "builtins.str" | "builtins.len" | "builtins.set" | "builtins.int"
        ) {
            return true;
        }
        self.cx
            .api
            .entry(*id)
            .is_some_and(|e| e.propagators.iter().any(|p| p.normalises_path))
    }

    fn refine_compare(&mut self, left: ExprId, op: CompareOp, right: ExprId, outcome: bool) {
        let (op, positive) = match (op, outcome) {
            (CompareOp::NotEq, true) | (CompareOp::Eq, false) => (CompareOp::Eq, false),
            (CompareOp::NotEq, false) | (CompareOp::Eq, true) => (CompareOp::Eq, true),
            (CompareOp::IsNot, o) => (CompareOp::Is, !o),
            (CompareOp::NotIn, o) => (CompareOp::In, !o),
            (op, o) => (op, o),
        };
        match op {
            CompareOp::Eq | CompareOp::Is => {
                for (this, other) in [(left, right), (right, left)] {
                    let other_value = self.eval(other);
                    if let Some(c) = other_value.as_const() {
                        self.refine_equal(this, c, positive);
                        if positive {
                            self.refine_member(this, EVERYTHING);
                        }
                    } else if positive
                        && other_value.marks.is_empty()
                        && self.is_fixed(&other_value)
                    {
                        self.clean_expr(this, EVERYTHING);
                    } else if positive {
                        self.refine_same(this, &other_value);
                    }
                    // `os.path.commonpath([base, p]) == base`
                    if positive {
                        self.refine_common_path(this);
                    }
                }
            }
            CompareOp::In if positive => {
                self.refine_container(right);
                let container = self.eval(right);
                if self.is_allow_list(&container) {
                    self.clean_expr(left, EVERYTHING);
                    self.refine_member(left, EVERYTHING);
                }
            }
            CompareOp::In => {
                // `if "/" in name: abort()`, `if ".." in path: ...`: what is left lacks the text.
                let needle = self.eval(left);
                if let Some(text) = needle.as_str() {
                    let contexts = self.cleaned_by_absence(text);
                    self.clean_expr(right, contexts);
                }
            }
            CompareOp::Lt | CompareOp::LtE => {
                let (bounded, bound) = if outcome {
                    (left, right)
                } else {
                    (right, left)
                };
                self.refine_length(bounded, bound);
            }
            CompareOp::Gt | CompareOp::GtE => {
                let (bounded, bound) = if outcome {
                    (right, left)
                } else {
                    (left, right)
                };
                self.refine_length(bounded, bound);
            }
            _ => {}
        }
    }

    /// Two values that are the same: one is as harmless as the other (`name == os.path.basename(name)`), and what has
    /// a host that is the application's own is (`parsed.netloc == request.host`).
    fn refine_same(&mut self, this: ExprId, other_value: &Value) {
        let marks = self.state.deep_marks(other_value);
        let cleaned = marks.iter().map(|m| m.cleaned).reduce(|all, one| all & one);
        let harmless = cleaned.unwrap_or(0);
        self.clean_expr(this, harmless);
        let is_part = matches!(self.ir.expr(this).kind, ExprKind::Attribute { attr, .. } if self.cx.models.is_telling(attr));
        if is_part {
            self.refine_member(this, harmless);
        }
    }

    /// `len(text) < 100`: short texts do not keep a regular expression busy.
    fn refine_length(&mut self, bounded: ExprId, bound: ExprId) {
        let ExprKind::Call { callee, args } = &self.ir.expr(bounded).kind else {
            return;
        };
        let (callee, [text]) = (*callee, args.as_ref()) else {
            return;
        };
        let text = text.value;
        let Some(Const::Int(limit)) = self.eval(bound).as_const() else {
            return;
        };
        if limit > MAX_HARMLESS_LENGTH {
            return;
        }
        let callee = self.eval(callee);
        if let Shape::Api(id) = callee.shape
            && self.cx.api.text(id) == "builtins.len"
        {
            self.clean_expr(text, self.cx.contexts.backtracking);
        }
    }

    /// What a value yields contains something of the program's: `ROOT in path.parents`.
    fn refine_container(&mut self, expr: ExprId) {
        let ExprKind::Attribute { value, attr, .. } = self.ir.expr(expr).kind else {
            return;
        };
        let owner = self.eval(value);
        let member = match self.get_attribute(&owner, attr, expr).shape {
            Shape::Api(member) | Shape::ApiMethod(member, _) => member,
            Shape::Unknown | Shape::Object(_) => self.cx.api.by_method_name(attr),
            _ => return,
        };
        let normal = owner
            .marks
            .iter()
            .all(|m| m.flags & crate::value::flag::NORMALISED != 0);
        let Some(entry) = self.cx.api.entry(member) else {
            return;
        };
        for guard in &entry.guards {
            if guard.outcome == Outcome::Contains && (normal || !guard.of_normalised) {
                self.clean_expr(value, guard.cleans);
            }
        }
    }

    /// A part of a value, such as the host of a parsed address, is one that the program names, or that is harmless in
    /// some contexts: that may prove the value it was made of.
    fn refine_member(&mut self, expr: ExprId, within: Contexts) {
        let ExprKind::Attribute { value, attr, .. } = self.ir.expr(expr).kind else {
            return;
        };
        if !self.cx.models.is_telling(attr) {
            return;
        }
        let owner = self.eval(value);
        let api = match owner.shape {
            Shape::Instance(api) => api,
            Shape::Object(id) => match self.state.object(id).class {
                Class::Api(api) => api,
                _ => return,
            },
            _ => return,
        };
        let member = self.cx.api.child(api, attr);
        let contexts = self.cx.api.entry(member).map_or(0, |entry| {
            let proofs = entry.guards.iter().filter(|g| g.outcome == Outcome::Member);
            proofs.fold(0, |all, g| all | g.cleans)
        }) & within;
        let origins: Vec<Origin> = owner.marks.iter().map(|m| m.origin).collect();
        self.clean_origins(&origins, contexts);
    }

    /// `not (not x.startswith("'") or not x.endswith("'") or "'" in x[1:-1])`: a text in quotes, which is no code.
    fn refine_quoted(&mut self, values: &[ExprId]) {
        let ir = self.ir;
        for test in values {
            let ExprKind::Compare { left, rest } = &ir.expr(*test).kind else {
                continue;
            };
            let (ExprKind::Const(Const::Str(quote)), [(CompareOp::In, right)]) =
                (&ir.expr(*left).kind, rest.as_ref())
            else {
                continue;
            };
            let ExprKind::Subscript { value, index } = ir.expr(*right).kind else {
                continue;
            };
            if !matches!(quote.as_str(), "'" | "\"") || !self.is_inner_slice(index) {
                continue;
            }
            let name = self.expr_name(value);
            let ends = |method: &str| {
                values.iter().any(|v| {
                    let ExprKind::Unary { op: UnaryOp::Not, operand } = ir.expr(*v).kind else {
                        return false;
                    };
                    let ExprKind::Call { callee, args } = &ir.expr(operand).kind else {
                        return false;
                    };
                    let ExprKind::Attribute { value, attr, .. } = ir.expr(*callee).kind else {
                        return false;
                    };
                    attr.as_str() == method
                        && self.expr_name(value) == name
                        && matches!(args.as_ref(), [arg]
                            if matches!(ir.expr(arg.value).kind, ExprKind::Const(Const::Str(q)) if q == *quote))
                })
            };
            if name.is_some() && ends("startswith") && ends("endswith") {
                self.clean_expr(value, self.cx.contexts.code);
            }
        }
    }

    /// `[1:-1]`
    fn is_inner_slice(&mut self, index: ExprId) -> bool {
        let ExprKind::Slice {
            lower: Some(lower),
            upper: Some(upper),
            step: None,
        } = self.ir.expr(index).kind
        else {
            return false;
        };
        let (lower, upper) = (self.eval(lower).as_const(), self.eval(upper).as_const());
        (lower, upper) == (Some(Const::Int(1)), Some(Const::Int(-1)))
    }

    fn refine_equal(&mut self, expr: ExprId, c: Const, positive: bool) {
        if c == Const::None {
            // `pattern.fullmatch(text) is None`
            if matches!(self.ir.expr(expr).kind, ExprKind::Call { .. }) {
                self.refine(expr, !positive);
            } else {
                self.refine_by_origin_of_test(expr, !positive);
            }
        } else if positive {
            self.refine_member(expr, EVERYTHING);
        }
        if let Some(place) = self.place_of(expr) {
            if positive {
                self.update_place(&place, &|v| {
                    v.marks = clean_marks(&v.marks, EVERYTHING);
                    if !matches!(v.shape, Shape::Object(_)) {
                        v.shape = Shape::Const(c);
                    }
                });
            } else if let Some(value) = self.value_at(&place)
                && let Shape::Choice(list) = &value.shape
            {
                let kept: Vec<Shape> = list
                    .iter()
                    .filter(|s| **s != Shape::Const(c))
                    .cloned()
                    .collect();
                if !kept.is_empty() && kept.len() < list.len() {
                    let shape = if kept.len() == 1 {
                        kept[0].clone()
                    } else {
                        Shape::Choice(kept.into())
                    };
                    self.update_place(&place, &|v| v.shape = shape.clone());
                }
            }
        } else if positive {
            self.clean_expr(expr, EVERYTHING);
        }
    }

    /// Whether a value is the program's own choice.
    fn is_fixed(&self, value: &Value) -> bool {
        self.state.deep_marks(value).is_empty()
            && !value.shape.is_unknown()
            && value
                .shape
                .alternatives()
                .iter()
                .all(|s| !matches!(s, Shape::Unknown))
    }

    /// Whether membership in a container proves that a value is one of the program's own choosing.
    fn is_allow_list(&self, container: &Value) -> bool {
        if matches!(container.shape, Shape::Unknown) && container.marks.is_empty() {
            // A name that nothing is known of: most often a constant collection from elsewhere.
            return false;
        }
        container
            .shape
            .alternatives()
            .iter()
            .all(|shape| match shape {
                // A part of a fixed text.
                Shape::Const(Const::Str(_)) => container.marks.is_empty(),
                Shape::Object(id) => {
                    let object = self.state.object(*id);
                    match object.class {
                        Class::Builtin(Builtin::Dict) => {
                            object.origin.is_none()
                                && object.keys.as_ref().is_none_or(Marks::is_empty)
                                && container.marks.is_empty()
                        }
                        Class::Builtin(_) => {
                            object.origin.is_none() && self.state.deep_marks(container).is_empty()
                        }
                        Class::Project(_) => object.origin.is_none() && container.marks.is_empty(),
                        _ => false,
                    }
                }
                Shape::Builtin(Builtin::List | Builtin::Tuple | Builtin::Set | Builtin::Dict) => {
                    container.marks.is_empty()
                }
                Shape::Class(_) => true,
                _ => false,
            })
    }

    /// Contexts that a text without `needle` is harmless in.
    pub(super) fn cleaned_by_absence(&self, needle: &str) -> Contexts {
        match needle {
            ".." | "../" | "/" => self.cx.contexts.path,
            "'" => self.cx.contexts.xpath,
            "\n" | "\r" => self.cx.contexts.lines,
            "<" => self.cx.contexts.html,
            _ => 0,
        }
    }

    fn refine_common_path(&mut self, expr: ExprId) {
        let ir = self.ir;
        let ExprKind::Call { callee, args } = &ir.expr(expr).kind else {
            return;
        };
        let callee_value = self.eval(*callee);
        let (Shape::Api(id) | Shape::ApiMethod(id, _)) = callee_value.shape else {
            return;
        };
        let Some(entry) = self.cx.api.entry(id) else {
            return;
        };
        for guard in &entry.guards {
            if guard.outcome != Outcome::True {
                continue;
            }
            let Base::Argument(Some(at), _) = guard.arg.base else {
                continue;
            };
            let Some(arg) = args.get(at) else { continue };
            if let (Content::Any, ExprKind::List(items) | ExprKind::Tuple(items)) =
                (&guard.arg.content, &ir.expr(arg.value).kind)
            {
                for item in items {
                    let normal = self.eval(*item);
                    if !guard.of_normalised
                        || normal.marks.iter().all(|m| m.flags & flag::NORMALISED != 0)
                    {
                        self.clean_expr(*item, guard.cleans);
                    }
                }
            }
        }
    }
}

/// Marks cleaned without being dropped, so that a proof about a parameter is not lost.
fn clean_marks(marks: &Marks, contexts: Contexts) -> Marks {
    if contexts == EVERYTHING {
        marks.map(|m| {
            Some(crate::value::Mark {
                cleaned: EVERYTHING,
                ..m.clone()
            })
        })
    } else {
        marks.cleaned(contexts)
    }
}

/// Methods whose result stands for the receiver in a check.
fn is_view_method(attr: Symbol) -> bool {
    matches!(
        attr.as_str(),
        "lower"
            | "upper"
            | "strip"
            | "casefold"
            | "rstrip"
            | "lstrip"
            | "resolve"
            | "absolute"
            | "encode"
            | "decode"
    )
}
