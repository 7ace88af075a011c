//! The facts seen on a walk, and where.

use std::collections::BTreeMap;
use std::rc::Rc;

use pyward_ir::{FunctionIndex, Span};
use pyward_program::FileId;

use crate::facts::Kinds;

/// Places kept of one kind.
const MAX_PLACES: usize = 16;

/// Where a fact was seen.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: FileId,
    pub(crate) span: Span,
    pub(crate) function: FunctionIndex,
    /// How many calls lie between it and where the walk began.
    pub(crate) depth: u8,
    /// Kinds of protecting facts that are in force there: seen on every way to it.
    pub(crate) guards: Kinds,
    /// Where the call leads that stands at the place, if the fact is not its own.
    pub(crate) via: Option<Rc<Place>>,
}

/// The facts seen, and where.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found(BTreeMap<u8, Vec<Place>>);

impl Place {
    pub(crate) fn new(file: FileId, span: Span, function: FunctionIndex) -> Self {
        Self {
            file,
            span,
            function,
            depth: 0,
            guards: 0,
            via: None,
        }
    }

    /// Where the fact itself stands, below all calls.
    pub(crate) fn origin(&self) -> &Self {
        let mut at = self;
        while let Some(inner) = &at.via {
            at = inner;
        }
        at
    }
}

impl Found {
    pub(crate) fn add(&mut self, kinds: Kinds, place: &Place) {
        let mut left = kinds;
        while left != 0 {
            let kind = u8::try_from(left.trailing_zeros()).unwrap_or(u8::MAX);
            left &= left - 1;
            let places = self.0.entry(kind).or_default();
            let same = |p: &&mut Place| p.file == place.file && p.span == place.span;
            if let Some(known) = places.iter_mut().find(same) {
                known.depth = known.depth.min(place.depth);
                known.guards &= place.guards;
            } else if places.len() < MAX_PLACES {
                places.push(place.clone());
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.merge_kinds(other, Kinds::MAX);
    }

    /// Adds the places of some kinds of another.
    pub(crate) fn merge_kinds(&mut self, other: &Self, kinds: Kinds) {
        for (kind, places) in other
            .0
            .iter()
            .filter(|(kind, _)| kinds & (1 << **kind) != 0)
        {
            for place in places {
                self.add(1 << kind, place);
            }
        }
    }

    /// What a called function does, as seen from the call.
    pub(crate) fn merge_called(&mut self, other: &Self, call: &Place) {
        for (kind, places) in &other.0 {
            // One of them will do: the nearest, the least guarded of those.
            let best = |p: &&Place| (p.depth, p.guards.count_ones());
            if let Some(inner) = places.iter().min_by_key(best) {
                let guards = places.iter().fold(Kinds::MAX, |all, p| all & p.guards);
                let place = Place {
                    depth: inner.depth.saturating_add(1),
                    guards: call.guards | guards,
                    via: Some(Rc::new(inner.clone())),
                    ..call.clone()
                };
                self.add(1 << kind, &place);
            }
        }
    }

    /// Guards that are part of an expression are in force for what stands in it.
    pub(crate) fn guard_within(&mut self, file: FileId, span: Span, kinds: Kinds) {
        let inside =
            |p: &&mut Place| p.file == file && span.start <= p.span.start && p.span.end <= span.end;
        for place in self.0.values_mut().flatten().filter(inside) {
            place.guards |= kinds;
        }
    }

    pub(crate) fn has(&self, kind: u8) -> bool {
        self.0.contains_key(&kind)
    }

    /// Whether it is seen in the walk's first function or one that it calls.
    pub(crate) fn has_near(&self, kind: u8) -> bool {
        self.places(kind).iter().any(|p| p.depth <= 1)
    }

    /// All kinds seen.
    pub(crate) fn kinds(&self) -> Kinds {
        self.0.keys().fold(0, |set, kind| set | 1 << kind)
    }

    pub(crate) fn places(&self, kind: u8) -> &[Place] {
        self.0.get(&kind).map_or(&[], Vec::as_slice)
    }
}
