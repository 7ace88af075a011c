//! Reads `__all__` off a module's statements.

use pyward_ir::Symbol;
use ruff_python_ast::{Expr, Operator, Stmt};

/// What is known of `__all__` so far.
#[derive(Debug, Default)]
pub(crate) struct Exports {
    names: Option<Vec<Symbol>>,
    is_unknown: bool,
}

impl Exports {
    /// The names, if every statement that changes them could be read.
    pub(crate) fn finish(self) -> Option<Vec<Symbol>> {
        if self.is_unknown { None } else { self.names }
    }

    /// Takes in a statement of the module's body (also inside `if` and `try`).
    pub(crate) fn visit(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Assign(s) if s.targets.iter().any(is_all) => self.assign(&s.value),
            Stmt::AnnAssign(s) if is_all(&s.target) => {
                if let Some(value) = &s.value {
                    self.assign(value);
                }
            }
            Stmt::AugAssign(s) if is_all(&s.target) => {
                if s.op == Operator::Add {
                    self.extend(&s.value);
                } else {
                    self.is_unknown = true;
                }
            }
            Stmt::Expr(s) => {
                if let Expr::Call(call) = &*s.value
                    && let Expr::Attribute(method) = &*call.func
                    && is_all(&method.value)
                {
                    match (method.attr.as_str(), &*call.arguments.args) {
                        ("extend", [value]) => self.extend(value),
                        ("append", [value]) => match text(value) {
                            Some(name) => self.names.get_or_insert_default().push(name),
                            None => self.is_unknown = true,
                        },
                        ("sort" | "reverse", _) => {}
                        ("remove", [value]) => match (text(value), &mut self.names) {
                            (Some(name), Some(names)) => names.retain(|&n| n != name),
                            _ => self.is_unknown = true,
                        },
                        _ => self.is_unknown = true,
                    }
                }
            }
            _ => {}
        }
    }

    fn assign(&mut self, value: &Expr) {
        self.is_unknown = false;
        self.names = Some(Vec::new());
        self.extend(value);
    }

    fn extend(&mut self, value: &Expr) {
        let mut value = value;
        let mut pending = Vec::new();
        loop {
            match value {
                Expr::List(list) => self.elements(&list.elts),
                Expr::Tuple(tuple) => self.elements(&tuple.elts),
                Expr::BinOp(sum) if sum.op == Operator::Add => {
                    pending.push(&*sum.right);
                    value = &sum.left;
                    continue;
                }
                // `__all__ = __all__ + [...]`
                name if is_all(name) => {}
                _ => self.is_unknown = true,
            }
            match pending.pop() {
                Some(next) => value = next,
                None => return,
            }
        }
    }

    fn elements(&mut self, elements: &[Expr]) {
        for element in elements {
            match text(element) {
                Some(name) => self.names.get_or_insert_default().push(name),
                None => self.is_unknown = true,
            }
        }
    }
}

fn is_all(expr: &Expr) -> bool {
    matches!(expr, Expr::Name(name) if name.id.as_str() == "__all__")
}

fn text(expr: &Expr) -> Option<Symbol> {
    match expr {
        Expr::StringLiteral(literal) => Some(Symbol::new(literal.value.to_str())),
        _ => None,
    }
}
