//! Patterns of `match`.

use pyward_ir::{Const, Pattern, PatternId, Var};
use ruff_python_ast as ast;
use ruff_text_size::Ranged;

use super::Lowering;

impl Lowering<'_> {
    fn push_pattern(&mut self, pattern: Pattern) -> PatternId {
        let id = PatternId(u32::try_from(self.file.patterns.len()).unwrap_or(u32::MAX));
        self.file.patterns.push(pattern);
        id
    }

    fn capture(&mut self, name: Option<&ast::Identifier>) -> Option<Var> {
        let name = self.identifier(name?);
        Some(self.write(name))
    }

    pub(super) fn pattern(&mut self, pattern: &ast::Pattern) -> PatternId {
        let lowered = self.deeper(pattern.range(), |this| this.pattern_inner(pattern));
        let wildcard = Pattern::Capture {
            pattern: None,
            target: None,
        };
        self.push_pattern(lowered.unwrap_or(wildcard))
    }

    fn patterns(&mut self, patterns: &[ast::Pattern]) -> Box<[PatternId]> {
        patterns.iter().map(|p| self.pattern(p)).collect()
    }

    fn pattern_inner(&mut self, pattern: &ast::Pattern) -> Pattern {
        match pattern {
            ast::Pattern::MatchValue(p) => Pattern::Value(self.expr(&p.value)),
            ast::Pattern::MatchSingleton(p) => Pattern::Singleton(match p.value {
                ast::Singleton::None => Const::None,
                ast::Singleton::True => Const::Bool(true),
                ast::Singleton::False => Const::Bool(false),
            }),
            ast::Pattern::MatchSequence(p) => Pattern::Sequence(self.patterns(&p.patterns)),
            ast::Pattern::MatchMapping(p) => Pattern::Mapping {
                entries: p
                    .keys
                    .iter()
                    .zip(&p.patterns)
                    .map(|(key, pattern)| (self.expr(key), self.pattern(pattern)))
                    .collect(),
                rest: self.capture(p.rest.as_ref()),
            },
            ast::Pattern::MatchClass(p) => {
                let class = self.expr(&p.cls);
                let positional = self.patterns(&p.arguments.patterns);
                let keywords = p
                    .arguments
                    .keywords
                    .iter()
                    .map(|k| (self.symbol(&k.attr), self.pattern(&k.pattern)))
                    .collect();
                Pattern::Class {
                    class,
                    positional,
                    keywords,
                }
            }
            ast::Pattern::MatchStar(p) => Pattern::Star(self.capture(p.name.as_ref())),
            ast::Pattern::MatchAs(p) => {
                let pattern = p.pattern.as_deref().map(|p| self.pattern(p));
                Pattern::Capture {
                    pattern,
                    target: self.capture(p.name.as_ref()),
                }
            }
            ast::Pattern::MatchOr(p) => Pattern::Or(self.patterns(&p.patterns)),
        }
    }
}
