//! The engine: holds rules and links, decides requests.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::hash::Hash;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use cedar_policy::{
    ActionConstraint, AuthorizationError, Authorizer, Context, Entities, EntityUid, Policy,
    PolicyId, PolicySet, PrincipalConstraint, ResourceConstraint, Schema, ValidationMode,
    Validator,
};

use super::index::{EntityNumber, Hierarchy, Indexes, Places, RuleNumber, Side, places};
use super::model::{Actions, Effect, Entity, EntityData, Request, Rule, Scope, pairs};
use crate::{Error, Result};

/// Policy sets of candidates that are kept ready, at most.
const READY_SETS: usize = 4096;

/// The answer to a request.
#[must_use = "the request may go on only when `allowed` says so"]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request may go on.
    pub allowed: bool,
    /// Ids of the rules that decided. Empty when nothing permitted it.
    pub rules: Vec<String>,
    /// Rules whose condition failed to evaluate, with what went wrong.
    pub errors: Vec<(String, String)>,
}

struct Stored {
    rule: Rule,
    /// When it was added, among all.
    order: u64,
    places: Places,
    /// Parsed only where there is a condition for Cedar to evaluate.
    policy: Option<Policy>,
}

#[derive(Default)]
struct Inner {
    hierarchy: Hierarchy,
    indexes: Indexes,
    rules: Vec<Option<Stored>>,
    /// Numbers of removed rules, to be given out again.
    free: Vec<RuleNumber>,
    added: u64,
    by_id: HashMap<String, RuleNumber>,
}

/// Rules and role links, shared between threads: many readers, rare writers.
#[derive(Default)]
pub struct Engine {
    inner: RwLock<Inner>,
    ready: Mutex<HashMap<Box<[RuleNumber]>, Arc<PolicySet>>>,
}

impl Engine {
    /// An engine without rules: it denies everything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the id is taken or a condition is not a Cedar expression.
    pub fn add(&self, rule: Rule) -> Result<()> {
        rule.principal.check()?;
        rule.resource.check()?;
        for condition in rule.when.iter().chain(&rule.unless) {
            check_nesting(condition, b"([{", b")]}")?;
        }
        let policy = if rule.when.is_some() || rule.unless.is_some() {
            let policy =
                Policy::parse(Some(PolicyId::new(&rule.id)), rule.to_cedar()).map_err(|error| {
                    Error::InvalidInput(format!("rule {:?}: {}", rule.id, problems(&error)))
                })?;
            Some(policy)
        } else {
            None
        };
        self.write().store(rule, policy)
    }

    /// Adds every policy of a Cedar text and returns their ids: the `@id` annotation, or `policyN`.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for text that does not parse, templates, and ids that are taken. Nothing is added then.
    pub fn add_cedar(&self, text: &str) -> Result<Vec<String>> {
        check_nesting(text, b"([{", b")]}")?;
        let set =
            PolicySet::from_str(text).map_err(|error| Error::InvalidInput(problems(&error)))?;
        if set.num_of_templates() > 0 {
            return Err(Error::InvalidInput(
                "templates are not supported; write policies".into(),
            ));
        }
        // All that needs no lock first: decisions wait for a writer.
        let mut added = Vec::new();
        for policy in set.policies() {
            let id = policy
                .annotation("id")
                .map_or_else(|| policy.id().to_string(), str::to_owned);
            let rule = scope_of(&id, policy);
            let kept = policy
                .has_non_scope_constraint()
                .then(|| policy.new_id(PolicyId::new(&id)));
            added.push((rule, kept));
        }
        if let Some(id) = repeated(added.iter().map(|(rule, _)| rule.id.as_str())) {
            return Err(taken(id));
        }
        let mut ids = Vec::with_capacity(added.len());
        let mut inner = self.write();
        if let Some((rule, _)) = added
            .iter()
            .find(|(rule, _)| inner.by_id.contains_key(&rule.id))
        {
            return Err(taken(&rule.id));
        }
        for (rule, policy) in added {
            ids.push(rule.id.clone());
            inner.store(rule, policy)?;
        }
        Ok(ids)
    }

    /// Removes a rule; `false` when there is none of that id.
    pub fn remove(&self, id: &str) -> bool {
        let mut inner = self.write();
        let Some(number) = inner.by_id.remove(id) else {
            return false;
        };
        let Some(stored) = inner.rules[number as usize].take() else {
            return false;
        };
        inner
            .indexes
            .of(stored.rule.effect)
            .remove(&stored.places, number);
        inner.hierarchy.let_go(&stored.places);
        inner.free.push(number);
        self.ready
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        true
    }

    /// Puts `child` into `parent`: a user into a role, a role into a wider role, a resource into a folder.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when that would make a circle.
    pub fn link(&self, child: &Entity, parent: &Entity) -> Result<()> {
        let mut inner = self.write();
        let (child_number, parent_number) = (
            inner.hierarchy.intern(child),
            inner.hierarchy.intern(parent),
        );
        if inner.hierarchy.link(child_number, parent_number) {
            Ok(())
        } else {
            inner.hierarchy.release(child_number);
            inner.hierarchy.release(parent_number);
            Err(Error::InvalidInput(format!(
                "{child} in {parent} would make a circle"
            )))
        }
    }

    /// Takes `child` out of `parent`; `false` when it was not in it.
    pub fn unlink(&self, child: &Entity, parent: &Entity) -> bool {
        let mut inner = self.write();
        match (inner.hierarchy.find(child), inner.hierarchy.find(parent)) {
            (Some(child), Some(parent)) => {
                let found = inner.hierarchy.unlink(child, parent);
                inner.hierarchy.release(child);
                inner.hierarchy.release(parent);
                found
            }
            _ => false,
        }
    }

    /// What `child` is directly in.
    #[must_use]
    pub fn parents(&self, child: &Entity) -> Vec<Entity> {
        let inner = self.read();
        let Some(number) = inner.hierarchy.find(child) else {
            return Vec::new();
        };
        inner
            .hierarchy
            .parents(number)
            .iter()
            .map(|parent| inner.hierarchy.entity(*parent).clone())
            .collect()
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().by_id.len()
    }

    /// Whether there are no rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All rules in Cedar's policy language, in the order they were added.
    #[must_use]
    pub fn to_cedar(&self) -> String {
        let inner = self.read();
        let mut out = String::new();
        let mut rules: Vec<&Stored> = inner.rules.iter().flatten().collect();
        rules.sort_unstable_by_key(|stored| stored.order);
        for stored in rules {
            match &stored.policy {
                Some(policy) => {
                    // Policies read from text keep their own spelling; the id travels as an annotation.
                    if policy.annotation("id").is_none() {
                        let _ = writeln!(
                            out,
                            "@id(\"{}\")",
                            cedar_policy::EntityId::new(&stored.rule.id).escaped()
                        );
                    }
                    let _ = writeln!(out, "{policy}\n");
                }
                None => {
                    let _ = writeln!(out, "{}\n", stored.rule.to_cedar());
                }
            }
        }
        out
    }

    /// Checks all rules against a Cedar schema and returns what is wrong with them, errors first.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the schema does not parse.
    pub fn validate(&self, schema: &str) -> Result<Vec<String>> {
        check_nesting(schema, b"([{<", b")]}>")?;
        let (schema, _) = Schema::from_cedarschema_str(schema)
            .map_err(|error| Error::InvalidInput(problems(&error)))?;
        let set = PolicySet::from_str(&self.to_cedar())
            .map_err(|error| Error::InvalidInput(problems(&error)))?;
        let result = Validator::new(schema).validate(&set, ValidationMode::Strict);
        let errors = result
            .validation_errors()
            .map(|error| format!("error: {error}"));
        Ok(errors
            .chain(
                result
                    .validation_warnings()
                    .map(|warning| format!("warning: {warning}")),
            )
            .collect())
    }

    /// Decides a request, naming one deciding rule.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for attributes or a context that Cedar cannot take.
    pub fn decide(&self, request: &Request) -> Result<Decision> {
        self.judge(request, false)
    }

    /// Decides a request, naming every rule that took part in the decision.
    ///
    /// # Errors
    /// As [`Engine::decide`].
    pub fn explain(&self, request: &Request) -> Result<Decision> {
        self.judge(request, true)
    }

    fn judge(&self, request: &Request, all: bool) -> Result<Decision> {
        let inner = self.read();
        let principal = inner.side(&request.principal);
        let action = inner.side_of(&request.action, &[]);
        let resource = inner.side(&request.resource);
        let mut cedar = None;

        let found = inner.indexes.forbid.select(&principal, &action, &resource);
        let forbidden = self.apply(&inner, &found, request, all, &mut cedar)?;
        if !forbidden.allowed && forbidden.errors.is_empty() {
            let found = inner.indexes.permit.select(&principal, &action, &resource);
            return self.apply(&inner, &found, request, all, &mut cedar);
        }
        // A forbid that cannot be evaluated might have held: deny.
        let mut rules = forbidden.rules;
        rules.extend(forbidden.errors.iter().map(|(id, _)| id.clone()));
        Ok(Decision {
            allowed: false,
            rules,
            errors: forbidden.errors,
        })
    }

    /// Which of the candidates (all of one effect) hold; `allowed` says that at least one does.
    fn apply(
        &self,
        inner: &Inner,
        candidates: &[RuleNumber],
        request: &Request,
        all: bool,
        cedar: &mut Option<(cedar_policy::Request, Entities)>,
    ) -> Result<Decision> {
        let mut decision = Decision {
            allowed: false,
            rules: Vec::new(),
            errors: Vec::new(),
        };
        let mut conditional: Vec<RuleNumber> = Vec::new();
        for number in candidates {
            let Some(stored) = &inner.rules[*number as usize] else {
                continue;
            };
            if stored.policy.is_some() {
                conditional.push(*number);
            } else if all || !decision.allowed {
                decision.allowed = true;
                decision.rules.push(stored.rule.id.clone());
            }
        }
        if conditional.is_empty() || (decision.allowed && !all) {
            return Ok(decision);
        }
        if cedar.is_none() {
            *cedar = Some((
                inner.cedar_request(request)?,
                inner.cedar_entities(request)?,
            ));
        }
        let Some((cedar_request, entities)) = cedar else {
            return Ok(decision);
        };
        let set = self.policy_set(inner, &conditional)?;
        let response = Authorizer::new().is_authorized(cedar_request, &set, entities);
        let reasons: HashSet<String> = response
            .diagnostics()
            .reason()
            .map(ToString::to_string)
            .collect();
        let mut reasons: Vec<String> = reasons.into_iter().collect();
        reasons.sort_unstable();
        decision.allowed |= !reasons.is_empty();
        decision.rules.extend(reasons);
        for error in response.diagnostics().errors() {
            let AuthorizationError::PolicyEvaluationError(error) = error;
            decision
                .errors
                .push((error.policy_id().to_string(), error.inner().to_string()));
        }
        decision.errors.sort_unstable();
        Ok(decision)
    }

    fn policy_set(&self, inner: &Inner, numbers: &[RuleNumber]) -> Result<Arc<PolicySet>> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = ready.get(numbers) {
            return Ok(set.clone());
        }
        let mut set = PolicySet::new();
        for number in numbers {
            if let Some(Stored {
                policy: Some(policy),
                ..
            }) = &inner.rules[*number as usize]
            {
                set.add(policy.clone())
                    .map_err(|error| Error::InvalidInput(error.to_string()))?;
            }
        }
        let set = Arc::new(set);
        if ready.len() >= READY_SETS {
            ready.clear();
        }
        ready.insert(numbers.into(), set.clone());
        Ok(set)
    }
}

impl Inner {
    fn store(&mut self, rule: Rule, policy: Option<Policy>) -> Result<()> {
        if self.by_id.contains_key(&rule.id) {
            return Err(taken(&rule.id));
        }
        let number = match self.free.last() {
            Some(number) => *number,
            None => u32::try_from(self.rules.len())
                .map_err(|_| Error::InvalidInput("too many rules".into()))?,
        };
        let places = places(&rule, &mut self.hierarchy);
        self.hierarchy.hold(&places);
        self.indexes.of(rule.effect).insert(&places, number);
        self.by_id.insert(rule.id.clone(), number);
        self.added += 1;
        let stored = Some(Stored {
            rule,
            order: self.added,
            places,
            policy,
        });
        if self.free.pop().is_some() {
            self.rules[number as usize] = stored;
        } else {
            self.rules.push(stored);
        }
        Ok(())
    }

    fn side(&self, data: &EntityData) -> Side {
        self.side_of(&data.entity, &data.parents)
    }

    fn side_of(&self, entity: &Entity, parents: &[Entity]) -> Side {
        let own = self.hierarchy.find(entity);
        let kind = self.hierarchy.kind(entity.kind());
        let closure = match (own, parents) {
            (Some(own), []) => self.hierarchy.closure_of(own),
            (None, []) => Arc::from([]),
            _ => {
                let starts: Vec<EntityNumber> = own
                    .into_iter()
                    .chain(
                        parents
                            .iter()
                            .filter_map(|parent| self.hierarchy.find(parent)),
                    )
                    .collect();
                self.hierarchy.closure(&starts).into()
            }
        };
        Side { own, kind, closure }
    }

    fn cedar_request(&self, request: &Request) -> Result<cedar_policy::Request> {
        let context = Context::from_pairs(pairs(&request.context, 0)?).map_err(|_| {
            Error::InvalidInput("the context holds a value that is not valid".into())
        })?;
        cedar_policy::Request::new(
            request.principal.entity.uid()?,
            request.action.uid()?,
            request.resource.entity.uid()?,
            context,
            None,
        )
        .map_err(|error| Error::InvalidInput(error.to_string()))
    }

    /// The entities a condition can look at, each with all it is in as direct parents.
    fn cedar_entities(&self, request: &Request) -> Result<Entities> {
        let action = EntityData::bare(request.action.clone());
        let mut seen = HashSet::new();
        let mut entities = Vec::new();
        for data in [&request.principal, &request.resource, &action]
            .into_iter()
            .chain(&request.others)
        {
            if !seen.insert(&data.entity) {
                continue;
            }
            let own = self.hierarchy.find(&data.entity);
            let starts: Vec<EntityNumber> = own
                .into_iter()
                .chain(
                    data.parents
                        .iter()
                        .filter_map(|parent| self.hierarchy.find(parent)),
                )
                .collect();
            let mut ancestors: HashSet<EntityUid> = HashSet::new();
            for number in self.hierarchy.closure(&starts) {
                if Some(number) != own {
                    ancestors.insert(self.hierarchy.entity(number).uid()?);
                }
            }
            // Parents that no rule or link names: conditions may name them all the same.
            for parent in &data.parents {
                ancestors.insert(parent.uid()?);
            }
            entities.push(data.to_cedar(ancestors)?);
        }
        Entities::from_entities(entities, None)
            .map_err(|error| Error::InvalidInput(problems(&error)))
    }
}

/// The first item that was there before.
fn repeated<T: Hash + Eq + Copy>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let mut seen = HashSet::new();
    items.find(|item| !seen.insert(*item))
}

fn taken(id: &str) -> Error {
    Error::InvalidInput(format!("there already is a rule {id:?}"))
}

/// The rule that stands for a parsed policy in the index.
fn scope_of(id: &str, policy: &Policy) -> Rule {
    let mut rule = Rule::new(
        id,
        if policy.effect() == cedar_policy::Effect::Permit {
            Effect::Permit
        } else {
            Effect::Forbid
        },
    );
    rule.principal = match policy.principal_constraint() {
        PrincipalConstraint::Any => Scope::Any,
        PrincipalConstraint::Eq(uid) => Scope::Is(Entity::of(&uid)),
        PrincipalConstraint::In(uid) => Scope::In(Entity::of(&uid)),
        PrincipalConstraint::Is(kind) => Scope::Kind(kind.to_string()),
        PrincipalConstraint::IsIn(kind, uid) => Scope::KindIn(kind.to_string(), Entity::of(&uid)),
    };
    rule.resource = match policy.resource_constraint() {
        ResourceConstraint::Any => Scope::Any,
        ResourceConstraint::Eq(uid) => Scope::Is(Entity::of(&uid)),
        ResourceConstraint::In(uid) => Scope::In(Entity::of(&uid)),
        ResourceConstraint::Is(kind) => Scope::Kind(kind.to_string()),
        ResourceConstraint::IsIn(kind, uid) => Scope::KindIn(kind.to_string(), Entity::of(&uid)),
    };
    rule.actions = match policy.action_constraint() {
        ActionConstraint::Any => Actions::Any,
        ActionConstraint::Eq(uid) => Actions::Is(Entity::of(&uid)),
        ActionConstraint::In(uids) => Actions::In(uids.iter().map(Entity::of).collect()),
    };
    rule
}

/// Brackets and conditions within each other. Cedar's parser takes some 14 KiB of stack for each.
const MAX_NESTING: usize = 32;

/// An error for text that Cedar's parser would need more stack for than a thread has (CWE-674).
fn check_nesting(text: &str, open: &[u8], close: &[u8]) -> Result<()> {
    let bytes = text.as_bytes();
    let (mut brackets, mut conditions, mut at) = (0_usize, 0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => {
                while bytes.get(at).is_some_and(|b| *b != b'"') {
                    at += 1 + usize::from(bytes[at] == b'\\');
                }
                at += 1;
            }
            b'/' if bytes.get(at) == Some(&b'/') => {
                at += bytes[at..].iter().take_while(|b| **b != b'\n').count();
            }
            byte if open.contains(byte) => brackets += 1,
            byte if close.contains(byte) => brackets = brackets.saturating_sub(1),
            b';' => conditions = 0,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let rest = bytes[at..].iter();
                let word = rest
                    .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
                    .count();
                conditions += usize::from(&bytes[at - 1..at + word] == b"if");
                at += word;
            }
            _ => {}
        }
        if brackets + conditions > MAX_NESTING {
            return Err(Error::InvalidInput(format!(
                "brackets and conditions nest deeper than {MAX_NESTING} levels"
            )));
        }
    }
    Ok(())
}

/// An error and its causes on one line.
fn problems(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !out.contains(&text) {
            let _ = write!(out, ": {text}");
        }
        next = cause.source();
    }
    out
}

#[cfg(test)]
mod tests;
