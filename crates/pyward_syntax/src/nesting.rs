//! Refuses texts nested so deeply that parsing them would take unbounded stack.

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, lexer};

use crate::Options;

/// Greatest nesting parsed. The parser grows its stack as needed, by some 2 KiB a level.
pub(crate) const LIMIT: usize = 50_000;

/// Every level takes a byte of text, so shorter texts need no look.
const FREE_LENGTH: usize = LIMIT;

/// Whether nesting may pass [`LIMIT`], by an upper bound: open brackets plus the operators and keywords
/// since the last comma or line end inside each of them.
pub(crate) fn too_deep(text: &str, options: Options) -> bool {
    if text.len() <= FREE_LENGTH {
        return false;
    }
    let mode = if options.is_notebook {
        Mode::Ipython
    } else {
        Mode::Module
    };
    let mut lexer = lexer::lex(text, mode);
    let mut operators = 0_usize;
    let mut outer: Vec<usize> = Vec::new();
    let mut depth = 0_usize;
    loop {
        match lexer.next_token() {
            TokenKind::EndOfFile => return false,
            TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => {
                outer.push(operators);
                operators = 0;
                depth += 1;
            }
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => {
                // The bracket stays as one level: calls and subscripts chain.
                depth -= operators;
                operators = outer.pop().map_or(0, |count| count + 1);
            }
            TokenKind::Comma | TokenKind::Semi | TokenKind::Newline => {
                depth -= operators;
                operators = 0;
            }
            TokenKind::Name
            | TokenKind::Int
            | TokenKind::Float
            | TokenKind::Complex
            | TokenKind::String
            | TokenKind::FStringStart
            | TokenKind::FStringMiddle
            | TokenKind::FStringEnd
            | TokenKind::TStringStart
            | TokenKind::TStringMiddle
            | TokenKind::TStringEnd
            | TokenKind::Comment
            | TokenKind::NonLogicalNewline
            | TokenKind::Indent
            | TokenKind::Dedent => {}
            _ => {
                operators += 1;
                depth += 1;
            }
        }
        if depth > LIMIT {
            return true;
        }
    }
}
