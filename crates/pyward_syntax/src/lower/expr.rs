//! Expressions, assignment targets and annotations.

use pyward_ir::{
    Arg, ArgKind, BinaryOp, BoolOp, CompareOp, Comprehension, ComprehensionKind, Const, Conversion,
    ExprId, ExprKind, FunctionKind, Generator, InterpolatedPart, Param, ParamKind, Symbol, Target,
    UnaryOp,
};
use ruff_python_ast as ast;
use ruff_python_ast::Expr;
use ruff_text_size::{Ranged, TextRange};

use super::{Lowering, span};

/// Longest string read as an annotation. Longer ones are data, and nest too deep to parse on any stack.
const MAX_STRING_ANNOTATION: usize = 1000;

impl Lowering<'_> {
    pub(super) fn expr(&mut self, expr: &Expr) -> ExprId {
        let range = expr.range();
        let kind = self.deeper(range, |this| this.kind(expr));
        self.push_expr(kind.unwrap_or(ExprKind::Error), range)
    }

    pub(super) fn exprs(&mut self, exprs: &[Expr]) -> Box<[ExprId]> {
        exprs.iter().map(|e| self.expr(e)).collect()
    }

    pub(super) fn optional(&mut self, expr: Option<&Expr>) -> Option<ExprId> {
        expr.map(|e| self.expr(e))
    }

    #[expect(clippy::too_many_lines, reason = "one arm per kind of expression")]
    fn kind(&mut self, expr: &Expr) -> ExprKind {
        match expr {
            Expr::Name(e) => {
                // The parser puts a nameless name where it found no expression.
                if e.id.is_empty() {
                    return ExprKind::Error;
                }
                let name = self.identifier(&e.id);
                ExprKind::Name(self.read(name))
            }
            Expr::Attribute(e) => ExprKind::Attribute {
                value: self.expr(&e.value),
                attr: self.identifier(&e.attr),
                attr_span: span(e.attr.range),
            },
            Expr::Call(e) => {
                let callee = self.expr(&e.func);
                ExprKind::Call {
                    callee,
                    args: self.args(&e.arguments),
                }
            }
            Expr::StringLiteral(e) => {
                ExprKind::Const(Const::Str(self.literal_text(e.value.to_str())))
            }
            Expr::BytesLiteral(e) => {
                let text: String = e.value.bytes().map(char::from).collect();
                ExprKind::Const(Const::Bytes(self.literal_text(&text)))
            }
            Expr::NumberLiteral(e) => ExprKind::Const(match &e.value {
                ast::Number::Int(int) => int.as_i64().map_or(Const::Opaque, Const::Int),
                ast::Number::Float(float) => Const::Float(*float),
                ast::Number::Complex { .. } => Const::Opaque,
            }),
            Expr::BooleanLiteral(e) => ExprKind::Const(Const::Bool(e.value)),
            Expr::NoneLiteral(_) => ExprKind::Const(Const::None),
            Expr::EllipsisLiteral(_) => ExprKind::Const(Const::Ellipsis),
            Expr::Subscript(e) => ExprKind::Subscript {
                value: self.expr(&e.value),
                index: self.expr(&e.slice),
            },
            Expr::Slice(e) => ExprKind::Slice {
                lower: self.optional(e.lower.as_deref()),
                upper: self.optional(e.upper.as_deref()),
                step: self.optional(e.step.as_deref()),
            },
            Expr::BinOp(e) => ExprKind::Binary {
                op: binary_op(e.op),
                left: self.expr(&e.left),
                right: self.expr(&e.right),
            },
            Expr::UnaryOp(e) => ExprKind::Unary {
                op: match e.op {
                    ast::UnaryOp::Not => UnaryOp::Not,
                    ast::UnaryOp::USub => UnaryOp::Neg,
                    ast::UnaryOp::UAdd => UnaryOp::Pos,
                    ast::UnaryOp::Invert => UnaryOp::Invert,
                },
                operand: self.expr(&e.operand),
            },
            Expr::Compare(e) => ExprKind::Compare {
                left: self.expr(&e.left),
                rest: e
                    .ops
                    .iter()
                    .zip(&e.comparators)
                    .map(|(op, right)| (compare_op(*op), self.expr(right)))
                    .collect(),
            },
            Expr::BoolOp(e) => ExprKind::Bool {
                op: match e.op {
                    ast::BoolOp::And => BoolOp::And,
                    ast::BoolOp::Or => BoolOp::Or,
                },
                values: self.exprs(&e.values),
            },
            Expr::If(e) => ExprKind::IfElse {
                test: self.expr(&e.test),
                body: self.expr(&e.body),
                orelse: self.expr(&e.orelse),
            },
            Expr::Lambda(e) => self.lambda(e),
            Expr::Tuple(e) => ExprKind::Tuple(self.exprs(&e.elts)),
            Expr::List(e) => ExprKind::List(self.exprs(&e.elts)),
            Expr::Set(e) => ExprKind::Set(self.exprs(&e.elts)),
            Expr::Dict(e) => ExprKind::Dict(
                e.items
                    .iter()
                    .map(|item| (self.optional(item.key.as_ref()), self.expr(&item.value)))
                    .collect(),
            ),
            Expr::ListComp(e) => {
                self.comprehension(ComprehensionKind::List, &e.elt, None, &e.generators)
            }
            Expr::SetComp(e) => {
                self.comprehension(ComprehensionKind::Set, &e.elt, None, &e.generators)
            }
            Expr::Generator(e) => {
                self.comprehension(ComprehensionKind::Generator, &e.elt, None, &e.generators)
            }
            Expr::DictComp(e) => {
                let (key, value) = match &e.key {
                    Some(key) => (&**key, Some(&*e.value)),
                    // `{**x for ...}` (PEP 798)
                    None => (&*e.value, None),
                };
                self.comprehension(ComprehensionKind::Dict, key, value, &e.generators)
            }
            Expr::FString(e) => {
                let mut parts = Parts::default();
                for part in &e.value {
                    match part {
                        ast::FStringPart::Literal(literal) => parts.literal(literal.as_str()),
                        ast::FStringPart::FString(f) => self.elements(&f.elements, &mut parts),
                    }
                }
                self.interpolated(parts)
            }
            Expr::TString(e) => {
                let mut parts = Parts::default();
                for part in &e.value {
                    self.elements(&part.elements, &mut parts);
                }
                ExprKind::TString(parts.finish())
            }
            Expr::Await(e) => ExprKind::Await(self.expr(&e.value)),
            Expr::Yield(e) => {
                let value = self.optional(e.value.as_deref());
                self.scope().is_generator = true;
                ExprKind::Yield(value)
            }
            Expr::YieldFrom(e) => {
                let value = self.expr(&e.value);
                self.scope().is_generator = true;
                ExprKind::YieldFrom(value)
            }
            Expr::Named(e) => {
                let value = self.expr(&e.value);
                match &*e.target {
                    Expr::Name(name) => {
                        let name = self.identifier(&name.id);
                        ExprKind::Named {
                            target: self.write_plain(name),
                            value,
                        }
                    }
                    other => {
                        self.expr(other);
                        ExprKind::Error
                    }
                }
            }
            Expr::Starred(e) => ExprKind::Starred(self.expr(&e.value)),
            Expr::IpyEscapeCommand(_) => ExprKind::Error,
        }
    }

    /// The symbol of a literal's text. Long ones are rarely met twice in a file: past the file's cache.
    fn literal_text(&mut self, text: &str) -> Symbol {
        if text.len() <= 32 {
            self.symbol(text)
        } else {
            Symbol::new(text)
        }
    }

    fn args(&mut self, arguments: &ast::Arguments) -> Box<[Arg]> {
        arguments
            .iter_source_order()
            .map(|argument| match argument {
                ast::ArgOrKeyword::Arg(Expr::Starred(starred)) => Arg {
                    kind: ArgKind::Star,
                    value: self.expr(&starred.value),
                },
                ast::ArgOrKeyword::Arg(value) => Arg {
                    kind: ArgKind::Positional,
                    value: self.expr(value),
                },
                ast::ArgOrKeyword::Keyword(keyword) => Arg {
                    kind: match &keyword.arg {
                        Some(name) => ArgKind::Keyword(self.identifier(name)),
                        None => ArgKind::DoubleStar,
                    },
                    value: self.expr(&keyword.value),
                },
            })
            .collect()
    }

    fn lambda(&mut self, lambda: &ast::ExprLambda) -> ExprKind {
        let params = lambda.parameters.as_deref();
        let params = params.map(|p| self.params(p)).unwrap_or_default();
        let name = self.symbol("<lambda>");
        let whole = span(lambda.range);
        let function = self.enter(FunctionKind::Lambda, name, name, whole, whole);
        self.set_params(params);
        self.collect_expr(&lambda.body);
        let value = self.expr(&lambda.body);
        let stmt = self.push_stmt(
            pyward_ir::StmtKind::Return(Some(value)),
            span(lambda.body.range()),
        );
        self.leave(function, Box::new([stmt]));
        ExprKind::Lambda(function)
    }

    /// Lowers parameters; their annotations and defaults belong to the scope at hand.
    pub(super) fn params(&mut self, parameters: &ast::Parameters) -> Vec<Param> {
        let mut params = Vec::with_capacity(parameters.len());
        let with_default = |this: &mut Self, list: &[ast::ParameterWithDefault], kind| {
            list.iter()
                .map(|p| this.param(&p.parameter, p.default.as_deref(), kind))
                .collect::<Vec<_>>()
        };
        params.extend(with_default(
            self,
            &parameters.posonlyargs,
            ParamKind::PositionalOnly,
        ));
        params.extend(with_default(self, &parameters.args, ParamKind::Normal));
        if let Some(star) = &parameters.vararg {
            params.push(self.param(star, None, ParamKind::Star));
        }
        params.extend(with_default(
            self,
            &parameters.kwonlyargs,
            ParamKind::KeywordOnly,
        ));
        if let Some(star) = &parameters.kwarg {
            params.push(self.param(star, None, ParamKind::DoubleStar));
        }
        params
    }

    fn param(
        &mut self,
        parameter: &ast::Parameter,
        default: Option<&Expr>,
        kind: ParamKind,
    ) -> Param {
        let default = self.optional(default);
        Param {
            name: self.identifier(&parameter.name),
            kind,
            annotation: parameter.annotation.as_deref().map(|a| self.annotation(a)),
            default,
            span: span(parameter.name.range),
        }
    }

    /// Gives the function at hand its parameters; each gets a slot even if two share a name.
    pub(super) fn set_params(&mut self, params: Vec<Param>) {
        let scope = self.scope();
        for param in &params {
            let slot = scope.fresh(param.name);
            let binding = crate::scope::Binding::Local(slot);
            scope.names.insert(param.name, binding);
        }
        let index = scope.function.0 as usize;
        self.file.functions[index].params = params;
    }

    fn comprehension(
        &mut self,
        kind: ComprehensionKind,
        element: &Expr,
        value: Option<&Expr>,
        generators: &[ast::Comprehension],
    ) -> ExprKind {
        let base = self.scope().overlay.len();
        let mut lowered = Vec::with_capacity(generators.len());
        for (i, generator) in generators.iter().enumerate() {
            let iter = self.expr(&generator.iter);
            if i == 0 {
                self.scope().comprehensions += 1;
            }
            self.overlay_target(&generator.target);
            lowered.push(Generator {
                target: self.target(&generator.target),
                iter,
                conditions: self.exprs(&generator.ifs),
                is_async: generator.is_async,
            });
        }
        let element = self.expr(element);
        let value = self.optional(value);
        let scope = self.scope();
        scope.comprehensions -= u32::from(!generators.is_empty());
        scope.overlay.truncate(base);
        ExprKind::Comprehension(Box::new(Comprehension {
            kind,
            element,
            value,
            generators: lowered.into(),
        }))
    }

    fn overlay_target(&mut self, target: &Expr) {
        match target {
            Expr::Name(name) => {
                let name = self.identifier(&name.id);
                self.overlay(name);
            }
            Expr::Tuple(ast::ExprTuple { elts, .. }) | Expr::List(ast::ExprList { elts, .. }) => {
                self.deeper(target.range(), |this| {
                    elts.iter().for_each(|e| this.overlay_target(e));
                });
            }
            Expr::Starred(starred) => {
                self.deeper(target.range(), |this| this.overlay_target(&starred.value));
            }
            _ => {}
        }
    }

    fn elements(&mut self, elements: &[ast::InterpolatedStringElement], parts: &mut Parts) {
        for element in elements {
            match element {
                ast::InterpolatedStringElement::Literal(literal) => parts.literal(&literal.value),
                ast::InterpolatedStringElement::Interpolation(field) => {
                    let mut conversion = match field.conversion {
                        ast::ConversionFlag::None => Conversion::None,
                        ast::ConversionFlag::Str => Conversion::Str,
                        ast::ConversionFlag::Ascii => Conversion::Ascii,
                        ast::ConversionFlag::Repr => Conversion::Repr,
                    };
                    let mut leading = String::new();
                    if let Some(debug) = &field.debug_text {
                        leading.push_str(debug.leading());
                        leading.push_str(debug.expression());
                        leading.push_str(debug.trailing());
                        parts.literal(&leading);
                        if conversion == Conversion::None && field.format_spec.is_none() {
                            conversion = Conversion::Repr;
                        }
                    }
                    let value = self.expr(&field.expression);
                    let spec = field.format_spec.as_ref().map(|spec| {
                        let kind = self.deeper(spec.range, |this| {
                            let mut inner = Parts::default();
                            this.elements(&spec.elements, &mut inner);
                            this.interpolated(inner)
                        });
                        self.push_expr(kind.unwrap_or(ExprKind::Error), spec.range)
                    });
                    parts.value(value, conversion, spec);
                }
            }
        }
    }

    /// An f-string, or a constant where it has no replacement field.
    fn interpolated(&mut self, mut parts: Parts) -> ExprKind {
        if parts.done.is_empty() {
            ExprKind::Const(Const::Str(self.literal_text(&parts.text)))
        } else {
            parts.flush();
            ExprKind::FString(parts.done.into())
        }
    }

    /// Lowers an assignment target.
    pub(super) fn target(&mut self, target: &Expr) -> Target {
        match target {
            Expr::Name(name) if !name.id.is_empty() => {
                let id = self.identifier(&name.id);
                Target::Var(self.write(id), span(name.range))
            }
            Expr::Attribute(t) => Target::Attribute {
                value: self.expr(&t.value),
                attr: self.identifier(&t.attr),
                span: span(t.range),
            },
            Expr::Subscript(t) => Target::Subscript {
                value: self.expr(&t.value),
                index: self.expr(&t.slice),
                span: span(t.range),
            },
            Expr::Tuple(ast::ExprTuple { elts, .. }) | Expr::List(ast::ExprList { elts, .. }) => {
                let elements = self.deeper(target.range(), |this| {
                    elts.iter().map(|e| this.target(e)).collect()
                });
                elements.map_or(Target::Error, Target::Sequence)
            }
            Expr::Starred(t) => {
                let inner = self.deeper(target.range(), |this| this.target(&t.value));
                inner.map_or(Target::Error, |inner| Target::Starred(Box::new(inner)))
            }
            other => {
                // Not assignable; lowered for what is inside it.
                self.expr(other);
                Target::Error
            }
        }
    }

    /// Lowers an annotation: strings inside it are parsed.
    pub(super) fn annotation(&mut self, expr: &Expr) -> ExprId {
        let range = expr.range();
        let kind = self.deeper(range, |this| this.annotation_kind(expr));
        self.push_expr(kind.unwrap_or(ExprKind::Error), range)
    }

    fn annotation_kind(&mut self, expr: &Expr) -> ExprKind {
        match expr {
            Expr::StringLiteral(e) => self
                .string_annotation(e)
                .unwrap_or_else(|| ExprKind::Const(Const::Str(self.symbol(e.value.to_str())))),
            Expr::Subscript(e) => {
                let last = match &*e.value {
                    Expr::Name(name) => name.id.as_str(),
                    Expr::Attribute(attribute) => attribute.attr.as_str(),
                    _ => "",
                };
                let value = self.annotation(&e.value);
                let index = match (last, &*e.slice) {
                    ("Literal", _) => self.expr(&e.slice),
                    ("Annotated", Expr::Tuple(tuple)) => {
                        let elements = tuple.elts.iter().enumerate().map(|(i, element)| {
                            if i == 0 {
                                self.annotation(element)
                            } else {
                                self.expr(element)
                            }
                        });
                        let kind = ExprKind::Tuple(elements.collect());
                        self.push_expr(kind, tuple.range)
                    }
                    _ => self.annotation(&e.slice),
                };
                ExprKind::Subscript { value, index }
            }
            Expr::Tuple(e) => ExprKind::Tuple(e.elts.iter().map(|e| self.annotation(e)).collect()),
            Expr::List(e) => ExprKind::List(e.elts.iter().map(|e| self.annotation(e)).collect()),
            Expr::BinOp(e) => ExprKind::Binary {
                op: binary_op(e.op),
                left: self.annotation(&e.left),
                right: self.annotation(&e.right),
            },
            Expr::Starred(e) => ExprKind::Starred(self.annotation(&e.value)),
            _ => self.kind(expr),
        }
    }

    fn string_annotation(&mut self, literal: &ast::ExprStringLiteral) -> Option<ExprKind> {
        if literal.value.len() > MAX_STRING_ANNOTATION || self.is_relocated {
            return None;
        }
        let parsed = ruff_python_parser::typing::parse_type_annotation(literal, self.text).ok()?;
        // Nodes of an annotation with escapes do not stand where their ranges say, so strings inside it
        // cannot be parsed in turn.
        self.is_relocated = !parsed.kind().is_simple();
        let kind = self.deeper(TextRange::default(), |this| {
            this.annotation_kind(parsed.expression())
        });
        self.is_relocated = false;
        kind
    }
}

/// Parts of an f-string; literals that meet are joined.
#[derive(Default)]
struct Parts {
    done: Vec<InterpolatedPart>,
    text: String,
}

impl Parts {
    fn literal(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn value(&mut self, value: ExprId, conversion: Conversion, spec: Option<ExprId>) {
        self.flush();
        self.done.push(InterpolatedPart::Value {
            value,
            conversion,
            spec,
        });
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            let text = Symbol::new(&self.text);
            self.done.push(InterpolatedPart::Literal(text));
            self.text.clear();
        }
    }

    fn finish(mut self) -> Box<[InterpolatedPart]> {
        self.flush();
        self.done.into()
    }
}

pub(super) fn binary_op(op: ast::Operator) -> BinaryOp {
    match op {
        ast::Operator::Add => BinaryOp::Add,
        ast::Operator::Sub => BinaryOp::Sub,
        ast::Operator::Mult => BinaryOp::Mul,
        ast::Operator::MatMult => BinaryOp::MatMul,
        ast::Operator::Div => BinaryOp::Div,
        ast::Operator::Mod => BinaryOp::Mod,
        ast::Operator::Pow => BinaryOp::Pow,
        ast::Operator::LShift => BinaryOp::LShift,
        ast::Operator::RShift => BinaryOp::RShift,
        ast::Operator::BitOr => BinaryOp::BitOr,
        ast::Operator::BitXor => BinaryOp::BitXor,
        ast::Operator::BitAnd => BinaryOp::BitAnd,
        ast::Operator::FloorDiv => BinaryOp::FloorDiv,
    }
}

fn compare_op(op: ast::CmpOp) -> CompareOp {
    match op {
        ast::CmpOp::Eq => CompareOp::Eq,
        ast::CmpOp::NotEq => CompareOp::NotEq,
        ast::CmpOp::Lt => CompareOp::Lt,
        ast::CmpOp::LtE => CompareOp::LtE,
        ast::CmpOp::Gt => CompareOp::Gt,
        ast::CmpOp::GtE => CompareOp::GtE,
        ast::CmpOp::Is => CompareOp::Is,
        ast::CmpOp::IsNot => CompareOp::IsNot,
        ast::CmpOp::In => CompareOp::In,
        ast::CmpOp::NotIn => CompareOp::NotIn,
    }
}
