//! The order of what a function does: which guards are in force where.
//!
//! A condition guards both its branches and what follows. A guard inside a branch is in force after it only if the
//! other branch has it too, or turns the caller away. A guard that comes after an operation does not guard it.

use pyward_ir::Span;

use super::{Frame, Walker};
use crate::facts::{Kinds, On};
use crate::found::{Found, Place};

/// How control leaves a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Exit {
    /// At its end.
    #[default]
    None,
    /// By `return`, `break` or the like.
    Leaves,
    /// By turning the caller away: an exception, an answer that denies.
    Denies,
}

/// What is in force at a point of a function.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Force {
    pub(super) guards: Kinds,
    pub(super) exit: Exit,
}

impl Force {
    /// After branches of which one is taken.
    pub(super) fn join(branches: &[Self]) -> Self {
        let is_open = |branch: &&Self| branch.exit == Exit::None;
        let mut guards = Kinds::MAX;
        for branch in branches.iter().filter(is_open) {
            guards &= branch.guards;
        }
        let exit = if branches.iter().any(|b| b.exit == Exit::None) {
            Exit::None
        } else if branches.iter().all(|b| b.exit == Exit::Denies) {
            Exit::Denies
        } else {
            Exit::Leaves
        };
        if exit != Exit::None {
            guards = 0;
        }
        // Whom one branch turns away does not come any further.
        for branch in branches.iter().filter(|b| b.exit == Exit::Denies) {
            guards |= branch.guards;
        }
        Self { guards, exit }
    }
}

impl<'a> Walker<'a> {
    /// Keeps facts, and puts those in force that protect.
    pub(super) fn note(&self, frame: &mut Frame<'a>, kinds: Kinds, span: Span) {
        if kinds == 0 {
            return;
        }
        let place = frame.place(span);
        frame.found.add(kinds, &place);
        frame.force.guards |= kinds & self.facts.protecting;
        frame.denials += u32::from(kinds & self.denies != 0);
    }

    /// Keeps facts of a text: what it says is done when the text is used.
    pub(super) fn note_text(&self, frame: &mut Frame<'a>, kinds: Kinds, span: Span) {
        if kinds != 0 {
            frame.texts.push((kinds & !self.facts.protecting, span));
            self.note(frame, kinds & self.facts.protecting, span);
        }
    }

    /// Adds the facts of texts, guarded by what is in force where the function ends.
    pub(super) fn settle_texts(&self, frame: &mut Frame<'a>) {
        let end = frame.end & frame.force_at_end();
        for (kinds, span) in std::mem::take(&mut frame.texts) {
            let mut place = frame.place(span);
            place.guards = end;
            frame.found.add(kinds, &place);
        }
    }

    /// What a called function does.
    pub(super) fn note_called(
        &self,
        frame: &mut Frame<'a>,
        found: &Found,
        ensures: Kinds,
        span: Span,
        is_statement: bool,
    ) {
        let place: Place = frame.place(span);
        frame.found.merge_called(found, &place);
        // Who uses what a function returns looks at what it decided.
        let guards = if is_statement { ensures } else { found.kinds() };
        frame.force.guards |= guards & self.facts.protecting;
    }

    /// Facts of operations that the text has which a call is handed.
    pub(super) fn performs(&self, labels: Kinds) -> Kinds {
        let told = self.facts.kinds_on(On::String) & self.facts.kinds_on(On::Call);
        labels & told & !self.facts.protecting
    }
}

impl Frame<'_> {
    /// What is in force if control reaches the end.
    fn force_at_end(&self) -> Kinds {
        match self.force.exit {
            Exit::None => self.force.guards,
            _ => Kinds::MAX,
        }
    }

    /// What is in force wherever control returns to the caller.
    pub(super) fn ensures(&self) -> Kinds {
        self.end & self.force_at_end()
    }

    /// Control returns here.
    pub(super) fn leave(&mut self) {
        self.end &= self.force.guards;
    }
}
