//! Statements, functions and classes.

use pyward_ir::{
    Alias, Block, Class, ClassIndex, ExprId, FunctionKind, Handler, MatchCase, Span, StmtId,
    StmtKind, Symbol, Var, WithItem,
};
use ruff_python_ast as ast;
use ruff_python_ast::{Expr, Stmt};
use ruff_text_size::Ranged;

use super::expr::binary_op;
use super::{Lowering, header, span};

type Keywords = Box<[(Symbol, ExprId)]>;

impl Lowering<'_> {
    pub(super) fn block(&mut self, body: &[Stmt]) -> Block {
        let mut out = Vec::with_capacity(body.len());
        for stmt in body {
            self.deeper(stmt.range(), |this| this.stmt(stmt, &mut out));
        }
        out.into()
    }

    /// Lowers a statement; most become one, `import a, b` two and `pass` none.
    fn stmt(&mut self, stmt: &Stmt, out: &mut Vec<StmtId>) {
        if self.scopes.len() == 1 {
            self.exports.visit(stmt);
        }
        let whole = span(stmt.range());
        let (kind, span) = match stmt {
            Stmt::Expr(s) => {
                if is_constant(&s.value) {
                    return;
                }
                (StmtKind::Expr(self.expr(&s.value)), whole)
            }
            Stmt::Assign(s) => {
                let value = self.expr(&s.value);
                let targets = s.targets.iter().map(|t| self.target(t)).collect();
                let annotation = None;
                let kind = StmtKind::Assign {
                    targets,
                    value,
                    annotation,
                };
                (kind, whole)
            }
            Stmt::AnnAssign(s) => (self.annotated(s), whole),
            Stmt::AugAssign(s) => {
                let value = self.expr(&s.value);
                let target = self.target(&s.target);
                let op = binary_op(s.op);
                (StmtKind::AugAssign { target, op, value }, whole)
            }
            Stmt::TypeAlias(s) => {
                let value = self
                    .with_type_params(s.type_params.as_deref(), |this| this.annotation(&s.value));
                let kind = StmtKind::Assign {
                    targets: Box::new([self.target(&s.name)]),
                    value,
                    annotation: None,
                };
                (kind, whole)
            }
            Stmt::Delete(s) => {
                let targets = s.targets.iter().map(|t| self.target(t)).collect();
                (StmtKind::Delete(targets), whole)
            }
            Stmt::Return(s) => (StmtKind::Return(self.optional(s.value.as_deref())), whole),
            Stmt::Raise(s) => {
                let exception = self.optional(s.exc.as_deref());
                let cause = self.optional(s.cause.as_deref());
                (StmtKind::Raise { exception, cause }, whole)
            }
            Stmt::Assert(s) => {
                let test = self.expr(&s.test);
                let message = self.optional(s.msg.as_deref());
                (StmtKind::Assert { test, message }, whole)
            }
            Stmt::If(s) => {
                let test = self.expr(&s.test);
                let body = self.block(&s.body);
                let orelse = self.clauses(&s.elif_else_clauses);
                (StmtKind::If { test, body, orelse }, header(s, &*s.test))
            }
            Stmt::While(s) => {
                let test = self.expr(&s.test);
                let body = self.block(&s.body);
                let orelse = self.block(&s.orelse);
                (StmtKind::While { test, body, orelse }, header(s, &*s.test))
            }
            Stmt::For(s) => {
                let iter = self.expr(&s.iter);
                let target = self.target(&s.target);
                let kind = StmtKind::For {
                    target,
                    iter,
                    body: self.block(&s.body),
                    orelse: self.block(&s.orelse),
                    is_async: s.is_async,
                };
                (kind, header(s, &*s.iter))
            }
            Stmt::With(s) => {
                let items = s.items.iter().map(|item| WithItem {
                    context: self.expr(&item.context_expr),
                    target: item.optional_vars.as_deref().map(|t| self.target(t)),
                });
                let kind = StmtKind::With {
                    items: items.collect(),
                    body: self.block(&s.body),
                    is_async: s.is_async,
                };
                let span = s.items.last().map_or(whole, |last| header(s, last));
                (kind, span)
            }
            Stmt::Try(s) => {
                let kind = self.try_(s);
                let end = whole.end.min(whole.start + 3);
                let start = whole.start;
                (kind, Span { start, end })
            }
            Stmt::Match(s) => {
                let subject = self.expr(&s.subject);
                let cases = s.cases.iter().map(|case| MatchCase {
                    pattern: self.pattern(&case.pattern),
                    guard: self.optional(case.guard.as_deref()),
                    body: self.block(&case.body),
                });
                let cases = cases.collect();
                (StmtKind::Match { subject, cases }, header(s, &*s.subject))
            }
            Stmt::FunctionDef(s) => self.function(s),
            Stmt::ClassDef(s) => self.class(s),
            Stmt::Import(s) => {
                for alias in &s.names {
                    let module = self.symbol(&alias.name);
                    let target = self.import_target(alias);
                    let kind = StmtKind::Import {
                        module,
                        has_alias: alias.asname.is_some(),
                        target,
                    };
                    out.push(self.push_stmt(kind, super::span(alias.range)));
                }
                return;
            }
            Stmt::ImportFrom(s) => (self.import_from(s), whole),
            Stmt::Break(_) => (StmtKind::Break, whole),
            Stmt::Continue(_) => (StmtKind::Continue, whole),
            Stmt::Pass(_) | Stmt::Global(_) | Stmt::Nonlocal(_) | Stmt::IpyEscapeCommand(_) => {
                return;
            }
        };
        out.push(self.push_stmt(kind, span));
    }

    fn annotated(&mut self, s: &ast::StmtAnnAssign) -> StmtKind {
        let annotation = self.annotation(&s.annotation);
        match &s.value {
            Some(value) => {
                let value = if is_type_alias(&s.annotation) {
                    self.annotation(value)
                } else {
                    self.expr(value)
                };
                StmtKind::Assign {
                    targets: Box::new([self.target(&s.target)]),
                    value,
                    annotation: Some(annotation),
                }
            }
            None => StmtKind::Declare {
                target: self.target(&s.target),
                annotation,
            },
        }
    }

    /// `elif` and `else`: each `elif` is nested in the one before, so each is a level deeper.
    fn clauses(&mut self, clauses: &[ast::ElifElseClause]) -> Block {
        let Some((first, rest)) = clauses.split_first() else {
            return Block::default();
        };
        let Some(test) = &first.test else {
            return self.block(&first.body);
        };
        let lowered = self.deeper(first.range, |this| {
            let condition = this.expr(test);
            let body = this.block(&first.body);
            let orelse = this.clauses(rest);
            let kind = StmtKind::If {
                test: condition,
                body,
                orelse,
            };
            this.push_stmt(kind, header(first, test))
        });
        lowered.into_iter().collect()
    }

    fn try_(&mut self, s: &ast::StmtTry) -> StmtKind {
        let body = self.block(&s.body);
        let handlers = s.handlers.iter().map(|handler| {
            let ast::ExceptHandler::ExceptHandler(handler) = handler;
            let exception = self.optional(handler.type_.as_deref());
            let target = handler.name.as_ref().map(|name| {
                let name = self.identifier(name);
                self.write(name)
            });
            let end = match (&handler.name, &handler.type_) {
                (Some(name), _) => name.end(),
                (None, Some(type_)) => type_.end(),
                (None, None) => {
                    let keyword = ruff_text_size::TextSize::new(6);
                    (handler.start() + keyword).min(handler.end())
                }
            };
            Handler {
                exception,
                target,
                body: self.block(&handler.body),
                span: span(ruff_text_size::TextRange::new(handler.start(), end)),
                swallows: handler.body.iter().all(|stmt| match stmt {
                    Stmt::Pass(_) | Stmt::Continue(_) => true,
                    Stmt::Expr(s) => s.value.is_ellipsis_literal_expr(),
                    _ => false,
                }),
            }
        });
        StmtKind::Try {
            handlers: handlers.collect(),
            body,
            orelse: self.block(&s.orelse),
            finally: self.block(&s.finalbody),
            is_star: s.is_star,
        }
    }

    fn import_target(&mut self, alias: &ast::Alias) -> Var {
        let name = match &alias.asname {
            Some(name) => name.as_str(),
            None => alias.name.split('.').next().unwrap_or_default(),
        };
        let name = self.identifier(name);
        self.write(name)
    }

    fn import_from(&mut self, s: &ast::StmtImportFrom) -> StmtKind {
        let star = s.names.iter().any(|alias| alias.name.as_str() == "*");
        let names = s.names.iter().filter(|alias| alias.name.as_str() != "*");
        let names = names
            .map(|alias| {
                let target = alias.asname.as_ref().unwrap_or(&alias.name);
                let target = self.identifier(target);
                Alias {
                    name: self.symbol(&alias.name),
                    target: self.write(target),
                    span: span(alias.range),
                }
            })
            .collect();
        StmtKind::ImportFrom {
            module: s.module.as_ref().map(|module| self.symbol(module)),
            level: s.level,
            names,
            star,
        }
    }

    fn decorators(&mut self, list: &[ast::Decorator]) -> Box<[ExprId]> {
        list.iter().map(|d| self.expr(&d.expression)).collect()
    }

    fn function(&mut self, s: &ast::StmtFunctionDef) -> (StmtKind, Span) {
        let whole = span(s.range);
        let decorators = self.decorators(&s.decorator_list);
        let name = self.identifier(&s.name);
        let display = self.symbol(&s.name);
        let class = self.class_at_hand();
        let function = self.with_type_params(s.type_params.as_deref(), |this| {
            let params = this.params(&s.parameters);
            let returns = s.returns.as_deref().map(|r| this.annotation(r));
            let name_span = span(s.name.range);
            let index = this.enter(FunctionKind::Def, name, display, name_span, whole);
            this.set_params(params);
            this.collect(&s.body);
            let body = this.block(&s.body);
            this.leave(index, body);
            let function = &mut this.file.functions[index.0 as usize];
            function.decorators = decorators;
            function.returns = returns;
            function.is_async = s.is_async;
            index
        });
        if let Some(class) = class {
            let class = &mut self.file.classes[class.0 as usize];
            class.methods.push(function);
        }
        let target = self.write(name);
        let end = match &s.returns {
            Some(returns) => returns.end(),
            None => s.parameters.end(),
        };
        let span = Span {
            start: self.after_decorators(&s.decorator_list, whole),
            end: end.to_u32(),
        };
        (StmtKind::Function { function, target }, span)
    }

    fn class(&mut self, s: &ast::StmtClassDef) -> (StmtKind, Span) {
        let whole = span(s.range);
        let decorators = self.decorators(&s.decorator_list);
        let name = self.identifier(&s.name);
        let display = self.symbol(&s.name);
        let end = match (&s.arguments, &s.type_params) {
            (Some(arguments), _) => arguments.end(),
            (None, Some(params)) => params.end(),
            (None, None) => s.name.end(),
        };
        let span = Span {
            start: self.after_decorators(&s.decorator_list, whole),
            end: end.to_u32(),
        };
        let parent = self.scope().function;
        let class = self.with_type_params(s.type_params.as_deref(), |this| {
            let (bases, keywords) = this.class_arguments(s.arguments.as_deref());
            let name_span = super::span(s.name.range);
            let body = this.enter(FunctionKind::ClassBody, name, display, name_span, whole);
            let class = ClassIndex(u32::try_from(this.file.classes.len()).unwrap_or(u32::MAX));
            this.file.classes.push(Class {
                name,
                qualname: this.file.functions[body.0 as usize].qualname,
                body,
                bases,
                keywords,
                decorators,
                parent,
                methods: Vec::new(),
                name_span,
                span,
            });
            let bare = s.name.trim_start_matches('_');
            // A name of underscores only mangles nothing.
            let private_to = (!bare.is_empty()).then(|| bare.to_owned());
            let outer = std::mem::replace(&mut this.private_to, private_to);
            this.scope().class = Some(class);
            this.collect(&s.body);
            let block = this.block(&s.body);
            this.leave(body, block);
            this.private_to = outer;
            class
        });
        let target = self.write(name);
        (StmtKind::Class { class, target }, span)
    }

    fn class_arguments(&mut self, arguments: Option<&ast::Arguments>) -> (Box<[ExprId]>, Keywords) {
        let Some(arguments) = arguments else {
            return (Box::default(), Box::default());
        };
        let bases = arguments.args.iter().map(|e| self.expr(e)).collect();
        let unpacked = self.symbol("**");
        let keywords = arguments.keywords.iter().map(|keyword| {
            let name = match &keyword.arg {
                Some(name) => self.symbol(name),
                None => unpacked,
            };
            (name, self.expr(&keyword.value))
        });
        (bases, keywords.collect())
    }

    /// Where a definition starts without its decorators.
    fn after_decorators(&self, decorators: &[ast::Decorator], whole: Span) -> u32 {
        let Some(last) = decorators.last() else {
            return whole.start;
        };
        let mut at = last.range.end().to_usize();
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'#' => {
                    while !matches!(bytes.get(at), None | Some(b'\n' | b'\r')) {
                        at += 1;
                    }
                }
                b' ' | b'\t' | b'\x0c' | b'\n' | b'\r' | b'\\' => at += 1,
                _ => break,
            }
        }
        u32::try_from(at).map_or(whole.start, |at| at.min(whole.end))
    }
}

/// Whether a statement of this expression does nothing.
fn is_constant(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::StringLiteral(_)
            | Expr::BytesLiteral(_)
            | Expr::NumberLiteral(_)
            | Expr::BooleanLiteral(_)
            | Expr::NoneLiteral(_)
            | Expr::EllipsisLiteral(_)
    )
}

/// `x: TypeAlias = "..."`
fn is_type_alias(annotation: &Expr) -> bool {
    match annotation {
        Expr::Name(name) => name.id.as_str() == "TypeAlias",
        Expr::Attribute(attribute) => attribute.attr.as_str() == "TypeAlias",
        _ => false,
    }
}
