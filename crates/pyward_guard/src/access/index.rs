//! Which rules can apply: an index over rule scopes, and the entity hierarchy.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::model::{Actions, Effect, Entity, Rule, Scope};

pub(super) type EntityNumber = u32;
pub(super) type RuleNumber = u32;

/// Closures of this size or smaller are cheaper to compute than to look up.
const SMALL_CLOSURE: usize = 16;

/// One side of a rule's scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Any,
    Kind(u32),
    Is(EntityNumber),
    In(EntityNumber),
    KindIn(u32, EntityNumber),
}

/// Numbers for entities and types, and who is in what.
#[derive(Default)]
pub(super) struct Hierarchy {
    #[allow(
        clippy::type_complexity,
        reason = "a table of tables, used in this file only"
    )]
    kinds: HashMap<Box<str>, (u32, HashMap<Box<str>, EntityNumber>)>,
    entities: Vec<Entity>,
    parents: Vec<Vec<EntityNumber>>,
    children: Vec<u32>,
    /// How many places of rules name the entity.
    named: Vec<u32>,
    /// Numbers that stand for nothing and are given out again.
    free: Vec<EntityNumber>,
    cache: Mutex<HashMap<EntityNumber, Arc<[EntityNumber]>>>,
}

impl Hierarchy {
    pub(super) fn kind(&self, kind: &str) -> Option<u32> {
        self.kinds.get(kind).map(|(number, _)| *number)
    }

    pub(super) fn find(&self, entity: &Entity) -> Option<EntityNumber> {
        self.kinds
            .get(entity.kind())
            .and_then(|(_, ids)| ids.get(entity.id()))
            .copied()
    }

    pub(super) fn entity(&self, number: EntityNumber) -> &Entity {
        &self.entities[number as usize]
    }

    pub(super) fn intern_kind(&mut self, kind: &str) -> u32 {
        let next = u32::try_from(self.kinds.len()).unwrap_or(u32::MAX);
        match self.kinds.get(kind) {
            Some((number, _)) => *number,
            None => {
                self.kinds.insert(kind.into(), (next, HashMap::new()));
                next
            }
        }
    }

    pub(super) fn intern(&mut self, entity: &Entity) -> EntityNumber {
        self.intern_kind(entity.kind());
        let next = u32::try_from(self.entities.len()).unwrap_or(u32::MAX);
        let Some((_, ids)) = self.kinds.get_mut(entity.kind()) else {
            return next;
        };
        if let Some(number) = ids.get(entity.id()) {
            return *number;
        }
        if let Some(number) = self.free.pop() {
            ids.insert(entity.id().into(), number);
            self.entities[number as usize] = entity.clone();
            return number;
        }
        ids.insert(entity.id().into(), next);
        self.entities.push(entity.clone());
        self.parents.push(Vec::new());
        self.children.push(0);
        self.named.push(0);
        next
    }

    /// Forgets an entity that no link and no rule names any more, so that users who come and go leave nothing behind.
    pub(super) fn release(&mut self, number: EntityNumber) {
        let at = number as usize;
        if self.named[at] > 0 || self.children[at] > 0 || !self.parents[at].is_empty() {
            return;
        }
        let entity = &self.entities[at];
        let Some((_, ids)) = self.kinds.get_mut(entity.kind()) else {
            return;
        };
        if ids.get(entity.id()) == Some(&number) {
            ids.remove(entity.id());
            self.free.push(number);
        }
    }

    /// Keeps the entities of a rule's places.
    pub(super) fn hold(&mut self, places: &Places) {
        for number in entities_of(places) {
            self.named[number as usize] += 1;
        }
    }

    /// Undoes [`Hierarchy::hold`].
    pub(super) fn let_go(&mut self, places: &Places) {
        for number in entities_of(places) {
            self.named[number as usize] -= 1;
        }
        for number in entities_of(places) {
            self.release(number);
        }
    }

    /// How many entities are known.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entities.len() - self.free.len()
    }

    /// Puts `child` into `parent`; `false` when that would make a circle.
    pub(super) fn link(&mut self, child: EntityNumber, parent: EntityNumber) -> bool {
        if child == parent
            || (self.children[child as usize] > 0 && self.closure(&[parent]).contains(&child))
        {
            return false;
        }
        if !self.parents[child as usize].contains(&parent) {
            self.parents[child as usize].push(parent);
            self.children[parent as usize] += 1;
            self.changed(child);
        }
        true
    }

    pub(super) fn unlink(&mut self, child: EntityNumber, parent: EntityNumber) -> bool {
        let parents = &mut self.parents[child as usize];
        let Some(at) = parents.iter().position(|known| *known == parent) else {
            return false;
        };
        parents.swap_remove(at);
        self.children[parent as usize] -= 1;
        self.changed(child);
        true
    }

    fn changed(&mut self, child: EntityNumber) {
        let leaf = self.children[child as usize] == 0;
        let cache = self
            .cache
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if leaf {
            cache.remove(&child);
        } else {
            cache.clear();
        }
    }

    pub(super) fn parents(&self, child: EntityNumber) -> &[EntityNumber] {
        &self.parents[child as usize]
    }

    /// The given entities and everything they are in, each once.
    pub(super) fn closure(&self, starts: &[EntityNumber]) -> Vec<EntityNumber> {
        let mut found: Vec<EntityNumber> = Vec::with_capacity(SMALL_CLOSURE);
        let mut seen = std::collections::HashSet::new();
        let mut push = |found: &mut Vec<EntityNumber>, number: EntityNumber| {
            // A scan beats hashing as long as there is little to scan.
            let new = if found.len() < SMALL_CLOSURE {
                !found.contains(&number)
            } else {
                if seen.is_empty() {
                    seen.extend(found.iter().copied());
                }
                seen.insert(number)
            };
            if new {
                found.push(number);
            }
        };
        for start in starts {
            push(&mut found, *start);
        }
        let mut next = 0;
        while next < found.len() {
            for parent in &self.parents[found[next] as usize] {
                push(&mut found, *parent);
            }
            next += 1;
        }
        found
    }

    /// As [`Hierarchy::closure`] of one entity, remembered when it is large.
    pub(super) fn closure_of(&self, start: EntityNumber) -> Arc<[EntityNumber]> {
        let lock = || {
            self.cache
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        };
        if let Some(known) = lock().get(&start) {
            return known.clone();
        }
        let closure: Arc<[EntityNumber]> = self.closure(&[start]).into();
        if closure.len() > SMALL_CLOSURE {
            let mut cache = lock();
            // Bounded by what it costs: about a million numbers.
            if cache.len() >= 4096 {
                cache.clear();
            }
            cache.insert(start, closure.clone());
        }
        closure
    }
}

/// One side of a request, ready to be looked up.
pub(super) struct Side {
    /// Number of the entity itself, when any rule or link names it.
    pub(super) own: Option<EntityNumber>,
    pub(super) kind: Option<u32>,
    /// The entity and everything it is in.
    pub(super) closure: Arc<[EntityNumber]>,
}

impl Side {
    fn matches(&self, place: Place) -> bool {
        match place {
            Place::Any => true,
            Place::Kind(kind) => self.kind == Some(kind),
            Place::Is(entity) => self.own == Some(entity),
            Place::In(entity) => self.closure.contains(&entity),
            Place::KindIn(kind, entity) => {
                self.kind == Some(kind) && self.closure.contains(&entity)
            }
        }
    }

    /// Calls `each` with every value of `map` whose place matches.
    fn select<'m, V>(&self, map: &'m HashMap<Place, V>, mut each: impl FnMut(&'m V)) {
        // A few places are looked through faster than everything this side is in is looked up.
        if map.len() <= 4 {
            map.iter()
                .filter(|(place, _)| self.matches(**place))
                .for_each(|(_, value)| each(value));
            return;
        }
        let mut at = |place: Place| {
            if let Some(value) = map.get(&place) {
                each(value);
            }
        };
        at(Place::Any);
        if let Some(own) = self.own {
            at(Place::Is(own));
        }
        if let Some(kind) = self.kind {
            at(Place::Kind(kind));
        }
        for entity in self.closure.iter() {
            at(Place::In(*entity));
            if let Some(kind) = self.kind {
                at(Place::KindIn(kind, *entity));
            }
        }
    }
}

type ByPrincipal = HashMap<Place, Vec<RuleNumber>>;
type ByResource = HashMap<Place, ByPrincipal>;

/// Rules by action, then resource, then principal.
#[derive(Default)]
pub(super) struct Index {
    actions: HashMap<Place, ByResource>,
}

/// Where a rule stands: a principal, a resource, and one or more actions.
pub(super) type Places = (Place, Place, Vec<Place>);

fn entities_of((principal, resource, actions): &Places) -> impl Iterator<Item = EntityNumber> {
    [principal, resource]
        .into_iter()
        .chain(actions)
        .filter_map(|place| match place {
            Place::Is(number) | Place::In(number) | Place::KindIn(_, number) => Some(*number),
            Place::Any | Place::Kind(_) => None,
        })
}

/// The places of a rule.
pub(super) fn places(rule: &Rule, hierarchy: &mut Hierarchy) -> Places {
    let mut side = |scope: &Scope| match scope {
        Scope::Any => Place::Any,
        Scope::Is(entity) => Place::Is(hierarchy.intern(entity)),
        Scope::In(entity) => Place::In(hierarchy.intern(entity)),
        Scope::Kind(kind) => Place::Kind(hierarchy.intern_kind(kind)),
        Scope::KindIn(kind, entity) => {
            Place::KindIn(hierarchy.intern_kind(kind), hierarchy.intern(entity))
        }
    };
    let (principal, resource) = (side(&rule.principal), side(&rule.resource));
    let actions = match &rule.actions {
        Actions::Any => vec![Place::Any],
        Actions::Is(action) => vec![Place::Is(hierarchy.intern(action))],
        Actions::In(actions) => actions
            .iter()
            .map(|action| Place::In(hierarchy.intern(action)))
            .collect(),
    };
    (principal, resource, actions)
}

impl Index {
    pub(super) fn insert(&mut self, (principal, resource, actions): &Places, number: RuleNumber) {
        for action in actions {
            let rules = self
                .actions
                .entry(*action)
                .or_default()
                .entry(*resource)
                .or_default()
                .entry(*principal)
                .or_default();
            if rules.last() != Some(&number) {
                rules.push(number);
            }
        }
    }

    pub(super) fn remove(&mut self, (principal, resource, actions): &Places, number: RuleNumber) {
        for action in actions {
            let Some(by_resource) = self.actions.get_mut(action) else {
                continue;
            };
            if let Some(by_principal) = by_resource.get_mut(resource) {
                if let Some(rules) = by_principal.get_mut(principal) {
                    rules.retain(|known| *known != number);
                    if rules.is_empty() {
                        by_principal.remove(principal);
                    }
                }
                if by_principal.is_empty() {
                    by_resource.remove(resource);
                }
            }
            if by_resource.is_empty() {
                self.actions.remove(action);
            }
        }
    }

    /// Every rule whose scope matches, once each, in no particular order.
    pub(super) fn select(
        &self,
        principal: &Side,
        action: &Side,
        resource: &Side,
    ) -> Vec<RuleNumber> {
        let mut found = Vec::new();
        action.select(&self.actions, |by_resource| {
            resource.select(by_resource, |by_principal| {
                principal.select(by_principal, |rules| found.extend_from_slice(rules));
            });
        });
        if found.len() > 1 {
            found.sort_unstable();
            found.dedup();
        }
        found
    }
}

/// The two indexes, so that one effect can be looked at without the other.
#[derive(Default)]
pub(super) struct Indexes {
    pub(super) permit: Index,
    pub(super) forbid: Index,
}

impl Indexes {
    pub(super) fn of(&mut self, effect: Effect) -> &mut Index {
        match effect {
            Effect::Permit => &mut self.permit,
            Effect::Forbid => &mut self.forbid,
        }
    }
}
