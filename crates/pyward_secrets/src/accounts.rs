//! Accounts written out in a program: tables of users and their passwords, passwords that are hashed or inserted where
//! they stand.

use pyward_catalog::rule::Confidence;
use pyward_ir::{Arg, ArgKind, Const, ExprId, ExprKind, Symbol};

use crate::literal::{self, Look};
use crate::scan::{WELL_KNOWN_ACCOUNTS, Walk};

/// Names of tables that lead from a user to a password.
const USER_TABLES: &[&str] = &[
    "users",
    "accounts",
    "logins",
    "credentials",
    "creds",
    "user_db",
    "users_db",
    "userdb",
    "user_passwords",
    "user_credentials",
    "default_users",
    "valid_users",
    "admins",
];

/// Functions that make the stored form of a password, without leading underscores.
const PASSWORD_HASHERS: &[&str] = &[
    "generate_password_hash",
    "make_password",
    "hash_password",
    "get_password_hash",
    "password_hash",
    "hash_pass",
    "hash_pwd",
    "encrypt_password",
    "hashpw",
    "hashpwd",
    "set_password",
];

impl Walk<'_> {
    /// `USERS = {"jack": "letmein1"}`, `users = [("admin", "letmein1")]`
    pub(crate) fn user_table(&mut self, name: Symbol, value: ExprId) {
        let name = name.as_str().trim_start_matches('_').to_lowercase();
        if !USER_TABLES.contains(&name.as_str()) {
            return;
        }
        let mut passwords: Vec<(ExprId, bool)> = Vec::new();
        match &self.ir().expr(value).kind {
            ExprKind::Dict(entries) => {
                for &(key, value) in entries.iter() {
                    let (Some(user), Some(_)) = (key.and_then(|k| self.text(k)), self.text(value))
                    else {
                        return;
                    };
                    passwords.push((value, is_account(user)));
                }
            }
            ExprKind::List(rows) | ExprKind::Tuple(rows) => {
                for &row in rows.iter() {
                    let ExprKind::Tuple(cells) = &self.ir().expr(row).kind else {
                        return;
                    };
                    let [user, password, ..] = **cells else {
                        return;
                    };
                    let (Some(user), Some(_)) = (self.text(user), self.text(password)) else {
                        return;
                    };
                    passwords.push((password, is_account(user)));
                }
            }
            _ => return,
        }
        let looks = |walk: &Self, at: ExprId| {
            walk.text(at).is_some_and(|text| {
                !walk.is_placeholder(text.as_str())
                    && match literal::look(text.as_str()) {
                        Look::Secret => !text.as_str().contains('@'),
                        Look::Words | Look::Other => false,
                    }
            })
        };
        // A table of names and surnames has no digits; one with an administrator's row is about accounts.
        let secrets = passwords.iter().filter(|(at, _)| looks(self, *at)).count();
        let known = passwords.iter().any(|(_, known)| *known);
        if secrets * 2 > passwords.len() || secrets > 0 && known {
            let message = "passwords of users stand in the program's text".to_owned();
            self.report(
                "hardcoded-secret",
                passwords[0].0,
                message,
                Confidence::Medium,
            );
        }
    }

    /// `generate_password_hash("letmein1")`, `add_user("admin", "letmein1")`,
    /// `execute("INSERT INTO users (name, password) VALUES (?, ?)", ("admin", "letmein1"))`
    pub(crate) fn account_call(&mut self, called: &str, receiver: Option<Symbol>, args: &[Arg]) {
        let positional = |at: usize| {
            args.get(at)
                .filter(|arg| arg.kind == ArgKind::Positional)
                .map(|arg| arg.value)
        };
        let Some(first) = positional(0) else { return };
        let plain = called.trim_start_matches('_').to_lowercase();
        // `pbkdf2_sha256.hash("...")`
        let by_scheme = matches!(called, "hash" | "encrypt")
            && receiver.is_some_and(|name| {
                let name = name.as_str().to_lowercase();
                [
                    "pbkdf2",
                    "bcrypt",
                    "argon2",
                    "scrypt",
                    "_crypt",
                    "pwd_context",
                    "password_hasher",
                ]
                .iter()
                .any(|scheme| name.contains(scheme))
            });
        if by_scheme || PASSWORD_HASHERS.contains(&plain.as_str()) {
            let text = self.encoded_text(first);
            if text.is_some_and(|text| self.is_password(text.as_str())) {
                let message = "a password that stands in the program's text is hashed";
                self.report_first("hardcoded-secret", first, message);
            }
            return;
        }
        let Some(second) = positional(1) else { return };
        if let Some(user) = self.text(first)
            && is_account(user)
            && self
                .text(second)
                .is_some_and(|text| text != user && self.is_password(text.as_str()))
            && ["user", "account", "register", "signup", "login", "admin"]
                .iter()
                .any(|word| plain.contains(word))
        {
            let message =
                "a well-known account is given a password that stands in the program's text";
            self.report_first("default-credentials", second, message);
        }
        if plain.starts_with("execute")
            && let Some(statement) = self.text(first)
            && let Some(column) = password_column(statement.as_str())
            && let ExprKind::Tuple(cells) | ExprKind::List(cells) = &self.ir().expr(second).kind
            && let Some(&cell) = cells.get(column)
            && self
                .text(cell)
                .is_some_and(|text| self.is_password(text.as_str()))
        {
            let message = "a password that stands in the program's text is stored";
            self.report_first("hardcoded-secret", cell, message);
        }
    }

    /// A function that fills a database is one finding.
    fn report_first(&mut self, rule: &'static str, at: ExprId, message: &str) {
        if !self.has_reported(message) {
            self.report(rule, at, message.to_owned(), Confidence::Medium);
        }
    }

    /// What people choose as a password, where the place says that it is one.
    fn is_password(&self, text: &str) -> bool {
        text.chars().count() >= 4
            && literal::look(text) != Look::Other
            && !literal::is_digest(text)
            && !self.is_placeholder(text)
    }

    /// A text, or `"...".encode()`.
    fn encoded_text(&self, id: ExprId) -> Option<Symbol> {
        match &self.ir().expr(id).kind {
            ExprKind::Const(Const::Str(text) | Const::Bytes(text)) => Some(*text),
            ExprKind::Call { callee, .. } => match &self.ir().expr(*callee).kind {
                ExprKind::Attribute { value, attr, .. } if attr.as_str() == "encode" => {
                    self.text(*value)
                }
                _ => None,
            },
            _ => None,
        }
    }
}

fn is_account(user: Symbol) -> bool {
    WELL_KNOWN_ACCOUNTS.contains(&user.as_str().to_lowercase().as_str())
}

/// The position of the password among the values of `INSERT INTO table (...) VALUES (...)` that are all bound.
fn password_column(statement: &str) -> Option<usize> {
    let lower = statement.to_lowercase();
    let insert = lower.find("insert ")?;
    let open = insert + lower[insert..].find('(')?;
    let close = open + lower[open..].find(')')?;
    let values = &lower[close..];
    let bound = values.split_once("values")?.1;
    let columns: Vec<&str> = lower[open + 1..close].split(',').collect();
    let places = bound
        .trim_start()
        .strip_prefix('(')?
        .split([',', ')'])
        .take(columns.len());
    if !places.into_iter().all(|place| {
        let place = place.trim();
        place == "?" || place.starts_with('%') || place.starts_with([':', '$'])
    }) {
        return None;
    }
    columns.iter().position(|column| {
        matches!(
            column.trim_matches(|c: char| !c.is_alphanumeric()),
            "password" | "passwd" | "pwd" | "pass" | "user_password" | "userpassword"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::password_column;

    #[test]
    fn columns() {
        let at = |text| password_column(text);
        assert_eq!(
            at("INSERT INTO users (name, password) VALUES (?, ?)"),
            Some(1)
        );
        assert_eq!(
            at("insert into u(\"password\", a) values (%s, %s) returning id"),
            Some(0)
        );
        assert_eq!(
            at("INSERT INTO users (name, password) VALUES (?, 'x')"),
            None
        );
        assert_eq!(at("INSERT INTO users (name, mail) VALUES (?, ?)"), None);
        assert_eq!(at("SELECT password FROM users"), None);
    }
}
