//! Walks over a file and judges its literals.

use pyward_catalog::SensitiveClass;
use pyward_catalog::rule::Confidence;
use pyward_ir::{
    Arg, ArgKind, BoolOp, CompareOp, Const, ExprId, ExprKind, FileIr, FunctionIndex, FunctionKind,
    StmtKind, Symbol, Target, Var,
};

use crate::literal::{self, Look};
use crate::{Scanner, Secret};

/// Names of accounts that exist everywhere.
pub(crate) const WELL_KNOWN_ACCOUNTS: &[&str] = &[
    "admin",
    "administrator",
    "root",
    "user",
    "test",
    "guest",
    "demo",
    "postgres",
    "sa",
    "default",
];

/// Longest list of secrets.
const MAX_LISTED: usize = 4;

pub(crate) fn file(scanner: &Scanner<'_>, ir: &FileIr) -> Vec<Secret> {
    let mut walk = Walk {
        scanner,
        ir,
        at: FunctionIndex(0),
        found: Vec::new(),
    };
    for (index, function) in ir.functions.iter().enumerate() {
        walk.at = FunctionIndex(u32::try_from(index).unwrap_or(u32::MAX));
        for param in &function.params {
            if let Some(default) = param.default {
                // Defaults are evaluated outside, but the parameter is the function's.
                walk.bind(param.name, default, Place::Default);
            }
        }
        if function.kind == FunctionKind::Lambda {
            continue;
        }
        ir.each_stmt(&function.body, &mut |stmt| {
            walk.statement(&ir.stmt(stmt).kind);
            ir.each_expr(stmt, &mut |expr| {
                ir.each_descendant(expr, &mut |inner| walk.expression(inner))
            });
        });
    }
    walk.found
}

/// Where a literal is bound to a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Assigned,
    Keyword,
    Item,
    Default,
    Compared,
    Fallback,
    /// The fallback for a missing variable of the environment.
    Environment,
}

pub(crate) struct Walk<'a> {
    scanner: &'a Scanner<'a>,
    ir: &'a FileIr,
    at: FunctionIndex,
    found: Vec<Secret>,
}

impl Walk<'_> {
    pub(crate) fn ir(&self) -> &FileIr {
        self.ir
    }

    pub(crate) fn is_placeholder(&self, text: &str) -> bool {
        self.scanner.is_placeholder(text)
    }

    fn statement(&mut self, kind: &StmtKind) {
        let StmtKind::Assign { targets, value, .. } = kind else {
            return;
        };
        for target in targets {
            self.target(target, *value);
        }
    }

    fn target(&mut self, target: &Target, value: ExprId) {
        let name = match target {
            Target::Var(var, _) => Some(self.variable(*var)),
            Target::Attribute { attr, .. } => Some(*attr),
            Target::Subscript { index, .. } => self.text(*index),
            Target::Sequence(targets) => {
                if let ExprKind::Tuple(values) | ExprKind::List(values) = &self.ir.expr(value).kind
                    && values.len() == targets.len()
                {
                    for (target, value) in targets.iter().zip(values) {
                        self.target(target, *value);
                    }
                }
                None
            }
            Target::Starred(_) | Target::Error => None,
        };
        if let Some(name) = name {
            self.bind(name, value, Place::Assigned);
            self.user_table(name, value);
        }
    }

    fn expression(&mut self, id: ExprId) {
        match &self.ir.expr(id).kind {
            ExprKind::Const(Const::Str(text) | Const::Bytes(text)) => {
                if let Some((format, confidence)) = self.scanner.format(text.as_str()) {
                    let message = format!("a {} stands in the program's text", format.title);
                    self.report("hardcoded-secret", id, message, confidence);
                }
            }
            ExprKind::Named { target, value } => {
                self.bind(self.variable(*target), *value, Place::Assigned)
            }
            ExprKind::Call { callee, args } => self.call(*callee, args),
            ExprKind::Dict(entries) => {
                for (key, value) in entries {
                    if let Some(name) = key.and_then(|key| self.text(key)) {
                        self.bind(name, *value, Place::Item);
                    }
                }
            }
            ExprKind::Bool {
                op: BoolOp::And,
                values,
            } => self.account(values),
            ExprKind::Compare { left, rest } => {
                let mut left = *left;
                for &(op, right) in rest {
                    if matches!(op, CompareOp::Eq | CompareOp::NotEq) {
                        for (named, value) in [(left, right), (right, left)] {
                            if self.text(value).is_some()
                                && let Some(name) = self.name(named)
                            {
                                self.bind(name, value, Place::Compared);
                            }
                        }
                    }
                    left = right;
                }
            }
            _ => {}
        }
    }

    fn call(&mut self, callee: ExprId, args: &[Arg]) {
        let well_known = args.iter().any(|arg| {
            let names_user = match arg.kind {
                ArgKind::Keyword(name) => {
                    let name = name.as_str().to_lowercase();
                    name.contains("user")
                        || name.contains("login")
                        || name == "name"
                        || name.contains("email")
                }
                ArgKind::Positional => true,
                ArgKind::Star | ArgKind::DoubleStar => false,
            };
            names_user
                && self.text(arg.value).is_some_and(|text| {
                    WELL_KNOWN_ACCOUNTS.contains(&text.as_str().to_lowercase().as_str())
                })
        });
        for arg in args {
            let ArgKind::Keyword(name) = arg.kind else {
                continue;
            };
            let before = self.found.len();
            self.bind(name, arg.value, Place::Keyword);
            // `login="shop", password="shop"`: an example, or worth no more than one.
            let text = self.text(arg.value);
            let repeated = text.is_some()
                && args
                    .iter()
                    .any(|other| other.value != arg.value && self.text(other.value) == text);
            if repeated && !well_known {
                for secret in &mut self.found[before..] {
                    secret.confidence = Confidence::Low;
                }
            }
            if well_known {
                let password = self
                    .scanner
                    .names
                    .classify(name.as_str())
                    .is_some_and(|class| class.id == "password");
                if self.found.len() > before {
                    for secret in &mut self.found[before..] {
                        secret.rule = "default-credentials";
                        "a well-known account is given a password that stands in the program's text".clone_into(&mut secret.message);
                    }
                } else if password
                    && self
                        .text(arg.value)
                        .is_some_and(|text| literal::look(text.as_str()) == Look::Words)
                {
                    let message = "a well-known account is given a well-known password".to_owned();
                    self.report(
                        "default-credentials",
                        arg.value,
                        message,
                        Confidence::Medium,
                    );
                }
            }
        }
        // `environ.get("SECRET_KEY", "fallback")`
        let called = match &self.ir.expr(callee).kind {
            ExprKind::Attribute { attr, .. } => *attr,
            ExprKind::Name(var) => self.variable(*var),
            _ => return,
        };
        let receiver = match &self.ir.expr(callee).kind {
            ExprKind::Attribute { value, .. } => self.name(*value),
            _ => None,
        };
        self.account_call(called.as_str(), receiver, args);
        let of_environment = match &self.ir.expr(callee).kind {
            ExprKind::Attribute { value, .. } => {
                called.as_str() == "getenv"
                    || self
                        .name(*value)
                        .is_some_and(|name| name.as_str() == "environ")
            }
            _ => called.as_str() == "getenv",
        };
        if let [name, fallback, ..] = args
            && matches!(
                called.as_str(),
                "get" | "getenv" | "setdefault" | "config" | "env" | "pop"
            )
            && name.kind == ArgKind::Positional
            && let Some(name) = self.text(name.value)
            && matches!(fallback.kind, ArgKind::Positional | ArgKind::Keyword(_))
        {
            let place = if of_environment {
                Place::Environment
            } else {
                Place::Fallback
            };
            self.bind(name, fallback.value, place);
        }
    }

    /// `name == "jack" and password == "letmein"`: beside a name, even a password made of words is one.
    fn account(&mut self, conditions: &[ExprId]) {
        let mut password = None;
        let mut has_name = false;
        for &condition in conditions {
            let ExprKind::Compare { left, rest } = &self.ir.expr(condition).kind else {
                continue;
            };
            let [(CompareOp::Eq, right)] = **rest else {
                continue;
            };
            for (named, value) in [(*left, right), (right, *left)] {
                let (Some(name), Some(text)) = (self.name(named), self.text(value)) else {
                    continue;
                };
                let class = self.scanner.names.classify(name.as_str());
                if class.is_some_and(|class| class.id == "password") {
                    if literal::look(text.as_str()) == Look::Words
                        && !self.scanner.is_placeholder(text.as_str())
                    {
                        password = Some(value);
                    }
                } else {
                    let name = name.as_str().to_lowercase();
                    has_name |= ["user", "name", "login", "mail", "account"]
                        .iter()
                        .any(|part| name.contains(part));
                }
            }
        }
        if let (Some(value), true) = (password, has_name) {
            let message = "a password is compared with one that stands in the program's text";
            self.report(
                "hardcoded-secret",
                value,
                message.to_owned(),
                Confidence::Medium,
            );
        }
    }

    /// Judges a value that is bound to a name.
    fn bind(&mut self, name: Symbol, value: ExprId, place: Place) {
        if !matches!(
            self.ir.expr(value).kind,
            ExprKind::Const(Const::Str(_) | Const::Bytes(_))
                | ExprKind::Bool { .. }
                | ExprKind::IfElse { .. }
                | ExprKind::Call { .. }
                | ExprKind::List(_)
                | ExprKind::Tuple(_)
        ) {
            return;
        }
        let class = self.scanner.names.classify(name.as_str());
        let Some(class) = class.filter(|class| class.hardcoded) else {
            self.key_by_form(name, value, class);
            return;
        };
        match &self.ir.expr(value).kind {
            ExprKind::Const(Const::Str(text) | Const::Bytes(text)) => {
                self.judge(class, name, value, text.as_str(), place)
            }
            // `getenv("X") or "fallback"`
            ExprKind::Bool {
                op: BoolOp::Or,
                values,
            } => {
                if let Some(&last) = values.last() {
                    self.bind(
                        name,
                        last,
                        if values.len() > 1 {
                            Place::Fallback
                        } else {
                            place
                        },
                    );
                }
            }
            ExprKind::IfElse { body, orelse, .. } => {
                self.bind(name, *body, place);
                self.bind(name, *orelse, place);
            }
            // `"...".encode()`
            ExprKind::Call { callee, .. } => {
                if let ExprKind::Attribute {
                    value: text, attr, ..
                } = &self.ir.expr(*callee).kind
                    && matches!(attr.as_str(), "encode" | "strip" | "decode")
                    && self.text(*text).is_some()
                {
                    self.bind(name, *text, place);
                }
            }
            // A long list of passwords is one of words to try.
            ExprKind::List(items) | ExprKind::Tuple(items) if items.len() <= MAX_LISTED => {
                for &item in items {
                    if matches!(self.ir.expr(item).kind, ExprKind::Const(_)) {
                        self.bind(name, item, Place::Item);
                    }
                }
            }
            _ => {}
        }
    }

    /// `KEY = "..."`, `{"token": "..."}`: names of many things, where only the form of the text tells.
    fn key_by_form(&mut self, name: Symbol, value: ExprId, class: Option<&SensitiveClass>) {
        let Some(text) = self.text(value) else { return };
        let name = name.as_str();
        let is_key = name == "KEY" || name.ends_with("_KEY") && !name.contains("PUBLIC");
        let is_token = class.is_some_and(|class| class.id == "token");
        if (is_key && class.is_none() || is_token)
            && literal::is_random_key(text.as_str())
            && !self.scanner.is_placeholder(text.as_str())
        {
            let what = if is_token { "token" } else { "key" };
            let message = format!("a {what} stands in the program's text");
            self.report("hardcoded-secret", value, message, Confidence::Medium);
        }
    }

    fn judge(
        &mut self,
        class: &SensitiveClass,
        name: Symbol,
        value: ExprId,
        text: &str,
        place: Place,
    ) {
        let squeezed = |text: &str| {
            text.chars()
                .filter(|c| c.is_alphanumeric())
                .flat_map(char::to_lowercase)
                .collect::<String>()
        };
        let (said, called) = (squeezed(text), squeezed(name.as_str()));
        // `RESOURCE_PASSWORD = "Passwords"`: a name for the thing, not the thing.
        let named = said == called
            || said.len() >= 5
                && text.starts_with(char::is_uppercase)
                && called.contains(said.trim_end_matches('s'));
        let password = class.id == "password";
        // `getenv("DB_PASSWORD", "password")`: it is the password wherever nobody sets another.
        let in_use = password
            && place == Place::Environment
            && text.len() >= 4
            && text.bytes().all(|b| b.is_ascii_alphanumeric());
        if !in_use && (self.scanner.is_placeholder(text) || named) {
            return;
        }
        // The hash of a password is no password.
        if password && literal::is_digest(text) {
            return;
        }
        let length = text.chars().count();
        let confidence = match literal::look(text) {
            Look::Other => return,
            Look::Secret if password || length >= 8 => Confidence::Medium,
            Look::Secret => Confidence::Low,
            Look::Words if in_use => Confidence::Medium,
            // A key made of words is rare, a password is not; but a comparison or an item may be about something else.
            Look::Words
                if password && matches!(place, Place::Assigned | Place::Keyword) && length >= 5 =>
            {
                if text.chars().all(|c| c.is_ascii_lowercase())
                    || length >= 8 && !text.contains(['_', '-', '.'])
                {
                    Confidence::Medium
                } else {
                    Confidence::Low
                }
            }
            Look::Words
                if class.id == "secret-key"
                    && place == Place::Assigned
                    && length >= 8
                    && !is_upper(text) =>
            {
                Confidence::Low
            }
            Look::Words => return,
        };
        let what = class.id.replace('-', " ");
        let message = match place {
            Place::Fallback | Place::Environment => {
                format!("the fallback for a missing {what} stands in the program's text")
            }
            Place::Compared => {
                format!("a {what} is compared with one that stands in the program's text")
            }
            Place::Default => format!("a parameter's default is a {what}"),
            Place::Assigned | Place::Keyword | Place::Item => {
                format!("a {what} stands in the program's text")
            }
        };
        self.report(
            "hardcoded-secret",
            value,
            message.replace("a api", "an api"),
            confidence,
        );
    }

    /// Whether the function at hand has a finding with this message.
    pub(crate) fn has_reported(&self, message: &str) -> bool {
        let mut found = self.found.iter();
        found.any(|secret| secret.function == self.at.0 && secret.message == message)
    }

    pub(crate) fn report(
        &mut self,
        rule: &'static str,
        at: ExprId,
        message: String,
        confidence: Confidence,
    ) {
        let span = self.ir.expr(at).span;
        self.found.push(Secret {
            rule,
            span,
            message,
            confidence,
            function: self.at.0,
        });
    }

    fn variable(&self, var: Var) -> Symbol {
        let slot = |function: FunctionIndex, slot: u32| {
            let locals = &self.ir.function(function).locals;
            locals
                .get(slot as usize)
                .copied()
                .unwrap_or_else(|| Symbol::new(""))
        };
        match var {
            Var::Local(local) => slot(self.at, local),
            Var::Captured {
                function,
                slot: captured,
            } => slot(function, captured),
            Var::Global(name) => name,
        }
    }

    /// The name that an expression goes by.
    fn name(&self, id: ExprId) -> Option<Symbol> {
        match &self.ir.expr(id).kind {
            ExprKind::Name(var) => Some(self.variable(*var)),
            ExprKind::Attribute { attr, .. } => Some(*attr),
            ExprKind::Subscript { index, .. } => self.text(*index),
            ExprKind::Call { callee, args } => {
                let ExprKind::Attribute { attr, .. } = self.ir.expr(*callee).kind else {
                    return None;
                };
                let first = args.first().filter(|arg| arg.kind == ArgKind::Positional)?;
                if attr.as_str() == "get" {
                    self.text(first.value)
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    pub(crate) fn text(&self, id: ExprId) -> Option<Symbol> {
        match self.ir.expr(id).kind {
            ExprKind::Const(Const::Str(text) | Const::Bytes(text)) => Some(text),
            _ => None,
        }
    }
}

fn is_upper(text: &str) -> bool {
    !text.chars().any(char::is_lowercase)
}
