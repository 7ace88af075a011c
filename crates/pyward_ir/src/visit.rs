//! Walks over the expressions and statements directly below a node.

use crate::{
    Block, ExprId, ExprKind, FileIr, InterpolatedPart, Pattern, PatternId, StmtId, StmtKind, Target,
};

impl FileIr {
    /// Calls `f` with each expression directly below `expr`, in order of evaluation as far as that is fixed.
    /// The bodies of lambdas are functions of their own and not visited.
    pub fn each_child(&self, expr: ExprId, f: &mut dyn FnMut(ExprId)) {
        match &self.expr(expr).kind {
            ExprKind::Const(_) | ExprKind::Name(_) | ExprKind::Lambda(_) | ExprKind::Error => {}
            ExprKind::Attribute { value, .. }
            | ExprKind::Unary { operand: value, .. }
            | ExprKind::Await(value)
            | ExprKind::YieldFrom(value)
            | ExprKind::Named { value, .. }
            | ExprKind::Starred(value) => f(*value),
            ExprKind::Subscript { value, index } => {
                f(*value);
                f(*index);
            }
            ExprKind::Slice { lower, upper, step } => {
                lower.iter().chain(upper).chain(step).for_each(|&e| f(e));
            }
            ExprKind::Call { callee, args } => {
                f(*callee);
                args.iter().for_each(|arg| f(arg.value));
            }
            ExprKind::Binary { left, right, .. } => {
                f(*left);
                f(*right);
            }
            ExprKind::Compare { left, rest } => {
                f(*left);
                rest.iter().for_each(|&(_, e)| f(e));
            }
            ExprKind::Bool { values, .. }
            | ExprKind::Tuple(values)
            | ExprKind::List(values)
            | ExprKind::Set(values) => values.iter().for_each(|&e| f(e)),
            ExprKind::IfElse { test, body, orelse } => {
                f(*test);
                f(*body);
                f(*orelse);
            }
            ExprKind::Dict(items) => {
                for &(key, value) in items {
                    key.into_iter().for_each(&mut *f);
                    f(value);
                }
            }
            ExprKind::Comprehension(comprehension) => {
                for generator in &comprehension.generators {
                    f(generator.iter);
                    target_exprs(&generator.target, f);
                    generator.conditions.iter().for_each(|&e| f(e));
                }
                f(comprehension.element);
                comprehension.value.into_iter().for_each(f);
            }
            ExprKind::FString(parts) | ExprKind::TString(parts) => {
                for part in parts {
                    if let InterpolatedPart::Value { value, spec, .. } = part {
                        f(*value);
                        spec.iter().for_each(|&e| f(e));
                    }
                }
            }
            ExprKind::Yield(value) => value.iter().for_each(|&e| f(e)),
        }
    }

    /// Calls `f` with each expression directly in a statement, those of its targets and patterns included, but
    /// not those of the statements inside it, nor those of a function's or class's header.
    pub fn each_expr(&self, stmt: StmtId, f: &mut dyn FnMut(ExprId)) {
        match &self.stmt(stmt).kind {
            StmtKind::Expr(e) => f(*e),
            StmtKind::Assign {
                targets,
                value,
                annotation,
            } => {
                f(*value);
                targets.iter().for_each(|t| target_exprs(t, f));
                annotation.iter().for_each(|&e| f(e));
            }
            StmtKind::Declare { target, annotation } => {
                target_exprs(target, f);
                f(*annotation);
            }
            StmtKind::AugAssign { target, value, .. } => {
                target_exprs(target, f);
                f(*value);
            }
            StmtKind::Delete(targets) => targets.iter().for_each(|t| target_exprs(t, f)),
            StmtKind::Return(value) => value.iter().for_each(|&e| f(e)),
            StmtKind::Raise { exception, cause } => {
                exception.iter().chain(cause).for_each(|&e| f(e));
            }
            StmtKind::Assert { test, message } => {
                f(*test);
                message.iter().for_each(|&e| f(e));
            }
            StmtKind::If { test, .. } | StmtKind::While { test, .. } => f(*test),
            StmtKind::For { target, iter, .. } => {
                f(*iter);
                target_exprs(target, f);
            }
            StmtKind::With { items, .. } => {
                for item in items {
                    f(item.context);
                    item.target.iter().for_each(|t| target_exprs(t, f));
                }
            }
            StmtKind::Try { handlers, .. } => {
                for handler in handlers {
                    handler.exception.iter().for_each(|&e| f(e));
                }
            }
            StmtKind::Match { subject, cases } => {
                f(*subject);
                for case in cases {
                    self.pattern_exprs(case.pattern, f);
                    case.guard.iter().for_each(|&e| f(e));
                }
            }
            StmtKind::Function { .. }
            | StmtKind::Class { .. }
            | StmtKind::Import { .. }
            | StmtKind::ImportFrom { .. }
            | StmtKind::Break
            | StmtKind::Continue => {}
        }
    }

    /// Calls `f` with each block of statements directly inside a compound statement, in source order.
    pub fn each_block(&self, stmt: StmtId, f: &mut dyn FnMut(&Block)) {
        match &self.stmt(stmt).kind {
            StmtKind::If { body, orelse, .. }
            | StmtKind::While { body, orelse, .. }
            | StmtKind::For { body, orelse, .. } => {
                f(body);
                f(orelse);
            }
            StmtKind::With { body, .. } => f(body),
            StmtKind::Try {
                body,
                handlers,
                orelse,
                finally,
                ..
            } => {
                f(body);
                handlers.iter().for_each(|handler| f(&handler.body));
                f(orelse);
                f(finally);
            }
            StmtKind::Match { cases, .. } => cases.iter().for_each(|case| f(&case.body)),
            _ => {}
        }
    }

    /// Calls `f` with each statement of a block and of the blocks inside, in source order. Bodies of nested
    /// functions and classes are not visited.
    pub fn each_stmt(&self, block: &Block, f: &mut dyn FnMut(StmtId)) {
        let mut pending: Vec<StmtId> = block.iter().rev().copied().collect();
        while let Some(stmt) = pending.pop() {
            f(stmt);
            let base = pending.len();
            self.each_block(stmt, &mut |inner| pending.extend(inner));
            pending[base..].reverse();
        }
    }

    /// Calls `f` with `expr` and every expression below it, parents first.
    pub fn each_descendant(&self, expr: ExprId, f: &mut dyn FnMut(ExprId)) {
        let mut pending = vec![expr];
        while let Some(expr) = pending.pop() {
            f(expr);
            let base = pending.len();
            self.each_child(expr, &mut |child| pending.push(child));
            pending[base..].reverse();
        }
    }

    fn pattern_exprs(&self, pattern: PatternId, f: &mut dyn FnMut(ExprId)) {
        match self.pattern(pattern) {
            Pattern::Value(e) => f(*e),
            Pattern::Singleton(_) | Pattern::Star(_) => {}
            Pattern::Capture { pattern, .. } => {
                pattern.iter().for_each(|&p| self.pattern_exprs(p, f));
            }
            Pattern::Sequence(patterns) | Pattern::Or(patterns) => {
                patterns.iter().for_each(|&p| self.pattern_exprs(p, f));
            }
            Pattern::Mapping { entries, .. } => {
                for &(key, pattern) in entries {
                    f(key);
                    self.pattern_exprs(pattern, f);
                }
            }
            Pattern::Class {
                class,
                positional,
                keywords,
            } => {
                f(*class);
                positional.iter().for_each(|&p| self.pattern_exprs(p, f));
                keywords.iter().for_each(|&(_, p)| self.pattern_exprs(p, f));
            }
        }
    }
}

/// Calls `f` with each expression in a target: objects whose attributes and items are set, and indices.
pub fn target_exprs(target: &Target, f: &mut dyn FnMut(ExprId)) {
    match target {
        Target::Var(..) | Target::Error => {}
        Target::Attribute { value, .. } => f(*value),
        Target::Subscript { value, index, .. } => {
            f(*value);
            f(*index);
        }
        Target::Sequence(targets) => targets.iter().for_each(|t| target_exprs(t, f)),
        Target::Starred(target) => target_exprs(target, f),
    }
}
