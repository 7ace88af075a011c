//! Parses Python source text and lowers it to the intermediate representation of [`pyward_ir`].
//!
//! [`lower`] takes any text: what parses is lowered, the rest becomes diagnostics. Stack and memory are
//! bounded whatever the nesting (see [`MAX_DEPTH`]). The parser's syntax tree does not outlive the call.

mod dump;
mod exports;
mod lower;
mod nesting;
mod scope;

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyward_ir::{Block, Diagnostic, FileIr, Function, FunctionKind, Span, Symbol};
use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{ModModule, PySourceType};
use ruff_python_parser::{Parsed, parse_unchecked_source};
use ruff_text_size::Ranged as _;

pub use dump::dump;

/// Greatest depth of nested expressions and statements kept. What is nested deeper is replaced by
/// [`pyward_ir::ExprKind::Error`] or dropped, with a diagnostic, so that later stages can recurse.
pub const MAX_DEPTH: u32 = 1000;

/// Most syntax errors reported of one file; the rest is repetition.
const MAX_DIAGNOSTICS: usize = 100;

/// Stack for what recurses as deep as the text nests, such as the destructor of a syntax tree. Reserved
/// address space, touched only as deep as needed; [`nesting::LIMIT`] bounds that.
const DEEP_STACK: usize = 512 << 20;

/// Lambdas that may nest in each other's defaults on 1 MiB of stack.
const FEW_LAMBDAS: usize = 250;

/// How a text is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// A `.pyi` stub: names may be used before the statement that binds them.
    pub is_stub: bool,
    /// The joined code cells of a notebook: `IPython` escape commands are allowed.
    pub is_notebook: bool,
}

/// Parses `text` and lowers it.
///
/// Never fails: syntax errors and refused nesting are in [`FileIr::diagnostics`], with everything around
/// them lowered. Positions are byte offsets in `text`.
#[must_use]
pub fn lower(text: &str, options: Options) -> FileIr {
    match parse(text, options) {
        Ok(parsed) => lower_parsed(text, options, parsed),
        Err(message) => refused(text, message),
    }
}

/// The syntax tree and tokens of a text, or why there are none.
fn parse(text: &str, options: Options) -> Result<Parsed<ModModule>, &'static str> {
    if u32::try_from(text.len()).is_err() {
        return Err("The file is larger than 4 GiB");
    }
    if nesting::too_deep(text, options) {
        return Err("Too many nested expressions or operators");
    }
    let source_type = if options.is_notebook {
        PySourceType::Ipynb
    } else if options.is_stub {
        PySourceType::Stub
    } else {
        PySourceType::Python
    };
    // The parser grows its stack on every recursion but that of a lambda's default that is a lambda.
    let lambdas = memchr::memmem::find_iter(text.as_bytes(), "lambda").take(FEW_LAMBDAS + 1);
    let parse = || parse_unchecked_source(text, source_type);
    // The parser is meant never to panic. Should it, one file is lost, not the run.
    catch_unwind(AssertUnwindSafe(|| {
        if lambdas.count() > FEW_LAMBDAS {
            stacker::grow(DEEP_STACK, parse)
        } else {
            stacker::maybe_grow(1 << 20, 4 << 20, parse)
        }
    }))
    .map_err(|_| "The parser failed on this file")
}

/// The byte range of every comment of a text, `#` included and the line's end not. A `#` inside a string is none.
/// Empty for a text that [`lower`] refuses.
#[must_use]
pub fn comments(text: &str, options: Options) -> Vec<Span> {
    let Ok(parsed) = parse(text, options) else {
        return Vec::new();
    };
    let comments = parsed
        .tokens()
        .iter()
        .filter(|t| t.kind() == TokenKind::Comment);
    let found = comments.map(|token| lower::span(token.range())).collect();
    stacker::grow(DEEP_STACK, || drop(parsed));
    found
}

fn lower_parsed(text: &str, options: Options, parsed: Parsed<ModModule>) -> FileIr {
    let (mut file, is_deep) = lower::module(text, options, parsed.suite());
    let errors = parsed.errors().iter().take(MAX_DIAGNOSTICS);
    file.diagnostics.extend(errors.map(|error| Diagnostic {
        message: error.error.to_string(),
        span: lower::span(error.location),
    }));
    file.diagnostics.sort_by_key(|d| d.span);
    if is_deep {
        stacker::grow(DEEP_STACK, || drop(parsed));
    }
    file
}

/// An empty file with one diagnostic.
fn refused(text: &str, message: &str) -> FileIr {
    let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
    FileIr {
        functions: vec![Function {
            name: Symbol::new("<module>"),
            qualname: Symbol::new(""),
            kind: FunctionKind::Module,
            params: Vec::new(),
            locals: Vec::new(),
            captured: Vec::new(),
            body: Block::default(),
            decorators: Box::default(),
            returns: None,
            parent: None,
            class: None,
            is_async: false,
            is_generator: false,
            name_span: Span::default(),
            span: Span { start: 0, end },
        }],
        diagnostics: vec![Diagnostic {
            message: message.to_owned(),
            span: Span::default(),
        }],
        ..FileIr::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_not_in_strings() {
        let text = "x = '# no' # yes\ns = '''\n# no\n'''\nf\"{x['#']}\" # é\n";
        let found: Vec<&str> = comments(text, Options::default())
            .iter()
            .map(|s| &text[s.start as usize..s.end as usize])
            .collect();
        assert_eq!(found, ["# yes", "# é"]);
    }

    #[test]
    fn comments_of_broken_text() {
        assert_eq!(
            comments("x = 'open # no\n# yes\n)(", Options::default()).len(),
            1
        );
    }
}
