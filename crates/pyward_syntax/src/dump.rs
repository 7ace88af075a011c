//! A readable text of the IR, for tests and for people.

use std::fmt::Write;

use pyward_ir::{
    ArgKind, BinaryOp, BoolOp, CompareOp, ComprehensionKind, Const, Conversion, ExprId, ExprKind,
    FileIr, Function, FunctionKind, InterpolatedPart, ParamKind, Pattern, PatternId, StmtId,
    StmtKind, Target, UnaryOp, Var,
};

/// The IR as text: one block per function, statements indented as in Python, everything in brackets.
///
/// `x.2` is slot 2 of the function at hand, `f1:x.2` that of function 1, `@x` a module-level name or builtin.
#[must_use]
pub fn dump(file: &FileIr) -> String {
    let mut out = String::new();
    for (i, function) in file.functions.iter().enumerate() {
        Dump {
            file,
            function,
            out: &mut out,
        }
        .function(i);
    }
    for class in &file.classes {
        let mut dump = Dump {
            file,
            function: file.function(class.parent),
            out: &mut out,
        };
        dump.class(class);
    }
    if let Some(names) = &file.exports {
        let names: Vec<_> = names.iter().map(|n| n.as_str()).collect();
        let _ = writeln!(out, "exports {}", names.join(" "));
    }
    for diagnostic in &file.diagnostics {
        let span = diagnostic.span;
        let _ = writeln!(
            out,
            "error {}..{}: {}",
            span.start, span.end, diagnostic.message
        );
    }
    out
}

struct Dump<'a> {
    file: &'a FileIr,
    function: &'a Function,
    out: &'a mut String,
}

impl<'a> Dump<'a> {
    fn function(&mut self, index: usize) {
        let f = self.function;
        let kind = match f.kind {
            FunctionKind::Module => "module",
            FunctionKind::Def => "def",
            FunctionKind::Lambda => "lambda",
            FunctionKind::ClassBody => "class body",
        };
        let mut line = format!("f{index} {kind} {}", f.qualname);
        if let Some(parent) = f.parent {
            let _ = write!(line, " in f{}", parent.0);
        }
        if f.is_async {
            line.push_str(" async");
        }
        if f.is_generator {
            line.push_str(" generator");
        }
        if let Some(class) = f.class {
            let _ = write!(line, " of {}", self.file.class(class).qualname);
        }
        self.line(0, &line);
        // Decorators, annotations and defaults belong to the enclosing function.
        let outer = f.parent.map_or(f, |p| self.file.function(p));
        let mut outer = Dump {
            file: self.file,
            function: outer,
            out: &mut *self.out,
        };
        for &decorator in &f.decorators {
            let text = format!("@ {}", outer.expr(decorator));
            outer.line(2, &text);
        }
        for param in &f.params {
            let kind = match param.kind {
                ParamKind::PositionalOnly => "positional-only",
                ParamKind::Normal => "param",
                ParamKind::Star => "*",
                ParamKind::KeywordOnly => "keyword-only",
                ParamKind::DoubleStar => "**",
            };
            let mut text = format!("{kind} {}", param.name);
            if let Some(annotation) = param.annotation {
                let _ = write!(text, ": {}", outer.expr(annotation));
            }
            if let Some(default) = param.default {
                let _ = write!(text, " = {}", outer.expr(default));
            }
            outer.line(2, &text);
        }
        if let Some(returns) = f.returns {
            let text = format!("-> {}", outer.expr(returns));
            outer.line(2, &text);
        }
        if !f.captured.is_empty() {
            let slots: Vec<_> = f.captured.iter().map(|&s| self.slot(f, s)).collect();
            let text = format!("captured {}", slots.join(" "));
            self.line(2, &text);
        }
        self.block(&f.body, 1);
    }

    fn class(&mut self, class: &pyward_ir::Class) {
        let mut text = format!("class {} = f{}", class.qualname, class.body.0);
        for &base in &class.bases {
            let _ = write!(text, " base {}", self.expr(base));
        }
        for &(name, value) in &class.keywords {
            let _ = write!(text, " {name}={}", self.expr(value));
        }
        for &decorator in &class.decorators {
            let _ = write!(text, " @{}", self.expr(decorator));
        }
        for method in &class.methods {
            let _ = write!(text, " f{}", method.0);
        }
        self.line(0, &text);
    }

    fn line(&mut self, indent: usize, text: &str) {
        for _ in 0..indent {
            self.out.push_str("  ");
        }
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn block(&mut self, block: &[StmtId], indent: usize) {
        for &stmt in block {
            self.stmt(stmt, indent);
        }
    }

    fn part(&mut self, head: &str, block: &[StmtId], indent: usize) {
        if !block.is_empty() {
            self.line(indent, head);
            self.block(block, indent + 1);
        }
    }

    fn stmt(&mut self, stmt: StmtId, indent: usize) {
        let file = self.file;
        let text = match &file.stmt(stmt).kind {
            StmtKind::Expr(e) => self.expr(*e),
            StmtKind::Assign {
                targets,
                value,
                annotation,
            } => {
                let mut text = String::new();
                for target in targets {
                    text.push_str(&self.target(target));
                    if let Some(annotation) = annotation {
                        let _ = write!(text, ": {}", self.expr(*annotation));
                    }
                    text.push_str(" = ");
                }
                text + &self.expr(*value)
            }
            StmtKind::Declare { target, annotation } => {
                format!("{}: {}", self.target(target), self.expr(*annotation))
            }
            StmtKind::AugAssign { target, op, value } => format!(
                "{} {}= {}",
                self.target(target),
                binary(*op),
                self.expr(*value)
            ),
            StmtKind::Delete(targets) => {
                let targets: Vec<_> = targets.iter().map(|t| self.target(t)).collect();
                format!("del {}", targets.join(", "))
            }
            StmtKind::Return(value) => self.keyword("return", *value),
            StmtKind::Raise { exception, cause } => {
                let mut text = self.keyword("raise", *exception);
                if let Some(cause) = cause {
                    let _ = write!(text, " from {}", self.expr(*cause));
                }
                text
            }
            StmtKind::Assert { test, message } => {
                let mut text = format!("assert {}", self.expr(*test));
                if let Some(message) = message {
                    let _ = write!(text, ", {}", self.expr(*message));
                }
                text
            }
            StmtKind::If { test, body, orelse } => {
                let head = format!("if {}", self.expr(*test));
                return self.with_else(&head, body, orelse, indent);
            }
            StmtKind::While { test, body, orelse } => {
                let head = format!("while {}", self.expr(*test));
                return self.with_else(&head, body, orelse, indent);
            }
            StmtKind::For {
                target,
                iter,
                body,
                orelse,
                is_async,
            } => {
                let head = format!(
                    "{}for {} in {}",
                    if *is_async { "async " } else { "" },
                    self.target(target),
                    self.expr(*iter)
                );
                return self.with_else(&head, body, orelse, indent);
            }
            StmtKind::With {
                items,
                body,
                is_async,
            } => {
                let items: Vec<_> = items
                    .iter()
                    .map(|item| match &item.target {
                        Some(t) => format!("{} as {}", self.expr(item.context), self.target(t)),
                        None => self.expr(item.context),
                    })
                    .collect();
                let is_async = if *is_async { "async " } else { "" };
                let head = format!("{is_async}with {}", items.join(", "));
                return self.with_else(&head, body, &[], indent);
            }
            StmtKind::Try { .. } => return self.try_(stmt, indent),
            StmtKind::Match { subject, cases } => {
                let head = format!("match {}", self.expr(*subject));
                self.line(indent, &head);
                for case in cases {
                    let mut head = format!("case {}", self.pattern(case.pattern));
                    if let Some(guard) = case.guard {
                        let _ = write!(head, " if {}", self.expr(guard));
                    }
                    self.line(indent + 1, &head);
                    self.block(&case.body, indent + 2);
                }
                return;
            }
            StmtKind::Function { function, target } => {
                format!("{} = def f{}", self.var(*target), function.0)
            }
            StmtKind::Class { class, target } => {
                format!(
                    "{} = class {}",
                    self.var(*target),
                    self.file.class(*class).qualname
                )
            }
            StmtKind::Import {
                module,
                has_alias,
                target,
            } => {
                let what = if *has_alias { "module" } else { "root of" };
                format!("{} = import {what} {module}", self.var(*target))
            }
            StmtKind::ImportFrom {
                module,
                level,
                names,
                star,
            } => {
                let dots = ".".repeat(*level as usize);
                let module = module.map_or("", |m| m.as_str());
                let mut text = format!("from {dots}{module} import");
                for alias in names {
                    let _ = write!(text, " {} as {}", alias.name, self.var(alias.target));
                }
                text + if *star { " *" } else { "" }
            }
            StmtKind::Break => "break".to_owned(),
            StmtKind::Continue => "continue".to_owned(),
        };
        self.line(indent, &text);
    }

    fn with_else(&mut self, head: &str, body: &[StmtId], orelse: &[StmtId], indent: usize) {
        self.line(indent, head);
        self.block(body, indent + 1);
        self.part("else", orelse, indent);
    }

    fn try_(&mut self, stmt: StmtId, indent: usize) {
        let file = self.file;
        let StmtKind::Try {
            body,
            handlers,
            orelse,
            finally,
            is_star,
        } = &file.stmt(stmt).kind
        else {
            return;
        };
        self.line(indent, "try");
        self.block(body, indent + 1);
        for handler in handlers {
            let word = if *is_star { "except*" } else { "except" };
            let mut head = self.keyword(word, handler.exception);
            if let Some(target) = handler.target {
                let _ = write!(head, " as {}", self.var(target));
            }
            if handler.swallows {
                head.push_str(" swallows");
            }
            self.line(indent, &head);
            self.block(&handler.body, indent + 1);
        }
        self.part("else", orelse, indent);
        self.part("finally", finally, indent);
    }

    fn slot(&self, function: &Function, slot: u32) -> String {
        match function.locals.get(slot as usize) {
            Some(name) => format!("{name}.{slot}"),
            None => format!("<slot {slot}>"),
        }
    }

    fn var(&self, var: Var) -> String {
        match var {
            Var::Local(slot) => self.slot(self.function, slot),
            Var::Captured { function, slot } => {
                let owner = self.file.function(function);
                format!("f{}:{}", function.0, self.slot(owner, slot))
            }
            Var::Global(name) => format!("@{name}"),
        }
    }

    fn target(&self, target: &Target) -> String {
        match target {
            Target::Var(var, _) => self.var(*var),
            Target::Attribute { value, attr, .. } => format!("{}.{attr}", self.expr(*value)),
            Target::Subscript { value, index, .. } => {
                format!("{}[{}]", self.expr(*value), self.expr(*index))
            }
            Target::Sequence(targets) => {
                let targets: Vec<_> = targets.iter().map(|t| self.target(t)).collect();
                format!("({})", targets.join(", "))
            }
            Target::Starred(target) => format!("*{}", self.target(target)),
            Target::Error => "<error>".to_owned(),
        }
    }

    fn keyword(&self, word: &str, value: Option<ExprId>) -> String {
        match value {
            Some(value) => format!("{word} {}", self.expr(value)),
            None => word.to_owned(),
        }
    }

    fn list(&self, ids: &[ExprId], separator: &str) -> String {
        let texts: Vec<_> = ids.iter().map(|&e| self.expr(e)).collect();
        texts.join(separator)
    }

    fn expr(&self, id: ExprId) -> String {
        let file: &'a FileIr = self.file;
        match &file.expr(id).kind {
            ExprKind::Const(value) => constant(value),
            ExprKind::Name(var) => self.var(*var),
            ExprKind::Attribute { value, attr, .. } => format!("{}.{attr}", self.expr(*value)),
            ExprKind::Subscript { value, index } => {
                format!("{}[{}]", self.expr(*value), self.expr(*index))
            }
            ExprKind::Slice { lower, upper, step } => {
                let part = |e: &Option<ExprId>| e.map_or(String::new(), |e| self.expr(e));
                format!("{}:{}:{}", part(lower), part(upper), part(step))
            }
            ExprKind::Call { callee, args } => {
                let args: Vec<_> = args
                    .iter()
                    .map(|arg| {
                        let value = self.expr(arg.value);
                        match arg.kind {
                            ArgKind::Positional => value,
                            ArgKind::Star => format!("*{value}"),
                            ArgKind::Keyword(name) => format!("{name}={value}"),
                            ArgKind::DoubleStar => format!("**{value}"),
                        }
                    })
                    .collect();
                format!("{}({})", self.expr(*callee), args.join(", "))
            }
            ExprKind::Binary { op, left, right } => {
                format!(
                    "({} {} {})",
                    self.expr(*left),
                    binary(*op),
                    self.expr(*right)
                )
            }
            ExprKind::Unary { op, operand } => {
                let op = match op {
                    UnaryOp::Not => "not ",
                    UnaryOp::Neg => "-",
                    UnaryOp::Pos => "+",
                    UnaryOp::Invert => "~",
                };
                format!("({op}{})", self.expr(*operand))
            }
            ExprKind::Compare { left, rest } => {
                let mut text = format!("({}", self.expr(*left));
                for (op, right) in rest {
                    let _ = write!(text, " {} {}", compare(*op), self.expr(*right));
                }
                text + ")"
            }
            ExprKind::Bool { op, values } => {
                let op = match op {
                    BoolOp::And => " and ",
                    BoolOp::Or => " or ",
                };
                format!("({})", self.list(values, op))
            }
            ExprKind::IfElse { test, body, orelse } => format!(
                "({} if {} else {})",
                self.expr(*body),
                self.expr(*test),
                self.expr(*orelse)
            ),
            ExprKind::Lambda(function) => format!("lambda f{}", function.0),
            ExprKind::Tuple(elements) => format!("({},)", self.list(elements, ", ")),
            ExprKind::List(elements) => format!("[{}]", self.list(elements, ", ")),
            ExprKind::Set(elements) => format!("{{{}}}", self.list(elements, ", ")),
            ExprKind::Dict(items) => {
                let items: Vec<_> = items
                    .iter()
                    .map(|(key, value)| match key {
                        Some(key) => format!("{}: {}", self.expr(*key), self.expr(*value)),
                        None => format!("**{}", self.expr(*value)),
                    })
                    .collect();
                format!("{{{}}}", items.join(", "))
            }
            ExprKind::Comprehension(c) => {
                let (open, close) = match c.kind {
                    ComprehensionKind::List => ('[', ']'),
                    ComprehensionKind::Set | ComprehensionKind::Dict => ('{', '}'),
                    ComprehensionKind::Generator => ('(', ')'),
                };
                let mut text = format!("{open}{}", self.expr(c.element));
                if let Some(value) = c.value {
                    let _ = write!(text, ": {}", self.expr(value));
                }
                for g in &c.generators {
                    let is_async = if g.is_async { " async" } else { "" };
                    let target = self.target(&g.target);
                    let _ = write!(text, "{is_async} for {target} in {}", self.expr(g.iter));
                    for &condition in &g.conditions {
                        let _ = write!(text, " if {}", self.expr(condition));
                    }
                }
                text.push(close);
                text
            }
            ExprKind::FString(parts) => self.interpolated('f', parts),
            ExprKind::TString(parts) => self.interpolated('t', parts),
            ExprKind::Await(value) => format!("(await {})", self.expr(*value)),
            ExprKind::Yield(value) => format!("({})", self.keyword("yield", *value)),
            ExprKind::YieldFrom(value) => format!("(yield from {})", self.expr(*value)),
            ExprKind::Named { target, value } => {
                format!("({} := {})", self.var(*target), self.expr(*value))
            }
            ExprKind::Starred(value) => format!("*{}", self.expr(*value)),
            ExprKind::Error => "<error>".to_owned(),
        }
    }

    fn interpolated(&self, prefix: char, parts: &[InterpolatedPart]) -> String {
        let mut text = format!("{prefix}[");
        for (i, part) in parts.iter().enumerate() {
            if i > 0 {
                text.push_str(", ");
            }
            match part {
                InterpolatedPart::Literal(literal) => {
                    let _ = write!(text, "{:?}", literal.as_str());
                }
                InterpolatedPart::Value {
                    value,
                    conversion,
                    spec,
                } => {
                    text.push_str(&self.expr(*value));
                    text.push_str(match conversion {
                        Conversion::None => "",
                        Conversion::Str => " !s",
                        Conversion::Repr => " !r",
                        Conversion::Ascii => " !a",
                    });
                    if let Some(spec) = spec {
                        let _ = write!(text, " :{}", self.expr(*spec));
                    }
                }
            }
        }
        text.push(']');
        text
    }

    fn pattern(&self, id: PatternId) -> String {
        let list = |ids: &[PatternId], separator: &str| {
            let texts: Vec<_> = ids.iter().map(|&p| self.pattern(p)).collect();
            texts.join(separator)
        };
        match self.file.pattern(id) {
            Pattern::Value(value) => self.expr(*value),
            Pattern::Singleton(value) => format!("is {}", constant(value)),
            Pattern::Capture { pattern, target } => {
                let target = target.map_or_else(|| "_".to_owned(), |t| self.var(t));
                match pattern {
                    Some(pattern) => format!("({} as {target})", self.pattern(*pattern)),
                    None => target,
                }
            }
            Pattern::Sequence(patterns) => format!("[{}]", list(patterns, ", ")),
            Pattern::Star(target) => {
                format!(
                    "*{}",
                    target.map_or_else(|| "_".to_owned(), |t| self.var(t))
                )
            }
            Pattern::Mapping { entries, rest } => {
                let mut parts: Vec<_> = entries
                    .iter()
                    .map(|(key, p)| format!("{}: {}", self.expr(*key), self.pattern(*p)))
                    .collect();
                parts.extend(rest.map(|r| format!("**{}", self.var(r))));
                format!("{{{}}}", parts.join(", "))
            }
            Pattern::Class {
                class,
                positional,
                keywords,
            } => {
                let mut parts: Vec<_> = positional.iter().map(|&p| self.pattern(p)).collect();
                let keywords = keywords.iter();
                parts.extend(keywords.map(|(name, p)| format!("{name}={}", self.pattern(*p))));
                format!("{}({})", self.expr(*class), parts.join(", "))
            }
            Pattern::Or(patterns) => format!("({})", list(patterns, " | ")),
        }
    }
}

fn constant(value: &Const) -> String {
    match value {
        Const::None => "None".to_owned(),
        Const::Ellipsis => "...".to_owned(),
        Const::Bool(true) => "True".to_owned(),
        Const::Bool(false) => "False".to_owned(),
        Const::Int(int) => int.to_string(),
        Const::Float(float) => format!("{float:?}"),
        Const::Str(text) => format!("{:?}", text.as_str()),
        Const::Bytes(text) => format!("b{:?}", text.as_str()),
        Const::Opaque => "<number>".to_owned(),
    }
}

fn binary(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::MatMul => "@",
        BinaryOp::Div => "/",
        BinaryOp::FloorDiv => "//",
        BinaryOp::Mod => "%",
        BinaryOp::Pow => "**",
        BinaryOp::LShift => "<<",
        BinaryOp::RShift => ">>",
        BinaryOp::BitOr => "|",
        BinaryOp::BitXor => "^",
        BinaryOp::BitAnd => "&",
    }
}

fn compare(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "==",
        CompareOp::NotEq => "!=",
        CompareOp::Lt => "<",
        CompareOp::LtE => "<=",
        CompareOp::Gt => ">",
        CompareOp::GtE => ">=",
        CompareOp::Is => "is",
        CompareOp::IsNot => "is not",
        CompareOp::In => "in",
        CompareOp::NotIn => "not in",
    }
}
