//! What the engine works with: entities, values, rules and requests, and their Cedar counterparts.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, RestrictedExpression};

use crate::{Error, Result};

/// Nesting of attribute values that is still converted.
const MAX_DEPTH: u32 = 16;

/// A typed name: `User::"ada"`, `Role::"editor"`, `Action::"edit"`, `Page::"7"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entity {
    kind: Arc<str>,
    id: Arc<str>,
}

impl Entity {
    /// An entity of type `kind` (an identifier, or several joined by `::`).
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when `kind` is not a type name.
    pub fn new(kind: &str, id: &str) -> Result<Self> {
        check_kind(kind)?;
        Ok(Self {
            kind: kind.into(),
            id: id.into(),
        })
    }

    /// The type name.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The name within the type.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn uid(&self) -> Result<EntityUid> {
        Ok(EntityUid::from_type_name_and_id(
            type_name(&self.kind)?,
            EntityId::new(&self.id),
        ))
    }

    pub(super) fn of(uid: &EntityUid) -> Self {
        Self {
            kind: uid.type_name().to_string().into(),
            id: uid.id().unescaped().into(),
        }
    }
}

/// Type names that are kept parsed, at most.
const TYPE_NAMES: usize = 256;

/// Cedar's form of a type name. Parsing one costs more than a decision, and there are few of them.
fn type_name(kind: &str) -> Result<EntityTypeName> {
    thread_local! {
        static KNOWN: RefCell<HashMap<Box<str>, EntityTypeName>> = RefCell::default();
    }
    KNOWN.with_borrow_mut(|known| {
        if let Some(name) = known.get(kind) {
            return Ok(name.clone());
        }
        let name = EntityTypeName::from_str(kind).map_err(|_| not_a_kind(kind))?;
        if known.len() >= TYPE_NAMES {
            known.clear();
        }
        known.insert(kind.into(), name.clone());
        Ok(name)
    })
}

impl fmt::Display for Entity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}::\"{}\"",
            self.kind,
            EntityId::new(&self.id).escaped()
        )
    }
}

/// Words of Cedar that cannot name a type.
const RESERVED: [&str; 10] = [
    "true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar",
];

/// Same rule as Cedar's grammar; a test holds the two together.
pub(super) fn check_kind(kind: &str) -> Result<()> {
    let part_is_name = |part: &str| {
        let mut chars = part.chars();
        chars
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && chars.all(|char| char.is_ascii_alphanumeric() || char == '_')
            && !RESERVED.contains(&part)
    };
    if kind.len() <= 256 && kind.split("::").all(part_is_name) {
        Ok(())
    } else {
        Err(not_a_kind(kind))
    }
}

fn not_a_kind(kind: &str) -> Error {
    let shown: String = kind.chars().take(40).collect();
    Error::InvalidInput(format!(
        "{shown:?} is not an entity type (an identifier such as User)"
    ))
}

/// A value of an attribute or of the context.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Long(i64),
    /// Text.
    String(String),
    /// Values in no order.
    Set(Vec<Value>),
    /// Named values.
    Record(BTreeMap<String, Value>),
    /// A reference to an entity.
    Entity(Entity),
    /// An IP address or network, for Cedar's `ip`.
    Ip(String),
    /// A number with up to four decimals, for Cedar's `decimal`.
    Decimal(String),
    /// A moment in ISO form, for Cedar's `datetime`.
    Datetime(String),
}

impl Value {
    pub(super) fn to_cedar(&self, depth: u32) -> Result<RestrictedExpression> {
        if depth > MAX_DEPTH {
            return Err(Error::InvalidInput(format!(
                "an attribute is nested more than {MAX_DEPTH} deep"
            )));
        }
        Ok(match self {
            Self::Bool(value) => RestrictedExpression::new_bool(*value),
            Self::Long(value) => RestrictedExpression::new_long(*value),
            Self::String(value) => RestrictedExpression::new_string(value.clone()),
            Self::Set(values) => {
                let values: Result<Vec<_>> = values
                    .iter()
                    .map(|value| value.to_cedar(depth + 1))
                    .collect();
                RestrictedExpression::new_set(values?)
            }
            Self::Record(fields) => RestrictedExpression::new_record(pairs(fields, depth + 1)?)
                .map_err(|error| Error::InvalidInput(error.to_string()))?,
            Self::Entity(entity) => RestrictedExpression::new_entity_uid(entity.uid()?),
            Self::Ip(text) => RestrictedExpression::new_ip(text),
            Self::Decimal(text) => RestrictedExpression::new_decimal(text),
            Self::Datetime(text) => RestrictedExpression::new_datetime(text),
        })
    }
}

pub(super) fn pairs(
    fields: &BTreeMap<String, Value>,
    depth: u32,
) -> Result<Vec<(String, RestrictedExpression)>> {
    fields
        .iter()
        .map(|(name, value)| Ok((name.clone(), value.to_cedar(depth)?)))
        .collect()
}

/// Whether a rule allows or forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Allows what no other rule forbids.
    Permit,
    /// Forbids, whatever else permits.
    Forbid,
}

/// Which principals or resources a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    Any,
    /// One.
    Is(Entity),
    /// One, and everything below it in the hierarchy.
    In(Entity),
    /// All of a type.
    Kind(String),
    /// All of a type below an entity.
    KindIn(String, Entity),
}

impl Scope {
    fn write(&self, out: &mut String, name: &str) {
        out.push_str(name);
        match self {
            Self::Any => {}
            Self::Is(entity) => *out += &format!(" == {entity}"),
            Self::In(entity) => *out += &format!(" in {entity}"),
            Self::Kind(kind) => *out += &format!(" is {kind}"),
            Self::KindIn(kind, entity) => *out += &format!(" is {kind} in {entity}"),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::Kind(kind) | Self::KindIn(kind, _) => check_kind(kind),
            _ => Ok(()),
        }
    }
}

/// Which actions a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actions {
    /// All of them.
    Any,
    /// One, not what is grouped under it.
    Is(Entity),
    /// These, and everything grouped under them.
    In(Vec<Entity>),
}

/// One rule. Conditions are Cedar expressions, written by the developer and never built from data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// A name of its own, for explanations.
    pub id: String,
    /// Permit or forbid.
    pub effect: Effect,
    /// Whom it is about.
    pub principal: Scope,
    /// Which actions it is about.
    pub actions: Actions,
    /// What it is about.
    pub resource: Scope,
    /// Applies only when this holds.
    pub when: Option<String>,
    /// Does not apply when this holds.
    pub unless: Option<String>,
}

impl Rule {
    /// A rule about everybody, every action and every resource, to be narrowed.
    #[must_use]
    pub fn new(id: &str, effect: Effect) -> Self {
        Self {
            id: id.to_owned(),
            effect,
            principal: Scope::Any,
            actions: Actions::Any,
            resource: Scope::Any,
            when: None,
            unless: None,
        }
    }

    /// The rule in Cedar's policy language.
    #[must_use]
    pub fn to_cedar(&self) -> String {
        let mut out = format!("@id(\"{}\")\n", EntityId::new(&self.id).escaped());
        out += match self.effect {
            Effect::Permit => "permit (",
            Effect::Forbid => "forbid (",
        };
        self.principal.write(&mut out, "principal");
        match &self.actions {
            Actions::Any => out += ", action, ",
            Actions::Is(one) => out += &format!(", action == {one}, "),
            Actions::In(many) => {
                let many: Vec<String> = many.iter().map(ToString::to_string).collect();
                out += &format!(", action in [{}], ", many.join(", "));
            }
        }
        self.resource.write(&mut out, "resource");
        out.push(')');
        for (word, condition) in [("when", &self.when), ("unless", &self.unless)] {
            if let Some(condition) = condition {
                out += &format!("\n{word} {{ {condition} }}");
            }
        }
        out.push(';');
        out
    }
}

/// What is known of an entity at the time of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityData {
    /// Which one.
    pub entity: Entity,
    /// Entities it is in (roles, groups, folders), besides those linked in the engine.
    pub parents: Vec<Entity>,
    /// Its attributes.
    pub attributes: BTreeMap<String, Value>,
}

impl EntityData {
    /// An entity of which nothing is known but its name.
    #[must_use]
    pub fn bare(entity: Entity) -> Self {
        Self {
            entity,
            parents: Vec::new(),
            attributes: BTreeMap::new(),
        }
    }

    pub(super) fn to_cedar(&self, ancestors: HashSet<EntityUid>) -> Result<cedar_policy::Entity> {
        let attributes: HashMap<_, _> = pairs(&self.attributes, 0)?.into_iter().collect();
        cedar_policy::Entity::new(self.entity.uid()?, attributes, ancestors).map_err(|_| {
            Error::InvalidInput(format!(
                "an attribute of {} is not a valid value",
                self.entity
            ))
        })
    }
}

/// May this principal do this to that?
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Who.
    pub principal: EntityData,
    /// Does what.
    pub action: Entity,
    /// To which.
    pub resource: EntityData,
    /// Circumstances.
    pub context: BTreeMap<String, Value>,
    /// Other entities whose attributes conditions look at.
    pub others: Vec<EntityData>,
}

impl Request {
    /// A request without attributes or context.
    #[must_use]
    pub fn new(principal: Entity, action: Entity, resource: Entity) -> Self {
        Self {
            principal: EntityData::bare(principal),
            action,
            resource: EntityData::bare(resource),
            context: BTreeMap::new(),
            others: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn type_names_are_those_of_cedar(kind in "[A-Za-z_0-9:. -]{0,12}") {
            prop_assert_eq!(check_kind(&kind).is_ok(), EntityTypeName::from_str(&kind).is_ok());
        }

        #[test]
        fn displayed_entities_parse_back(id in "\\PC{0,20}|[\\\\\"\n\0\u{7f}*]{1,5}") {
            let entity = Entity::new("User", &id).unwrap();
            prop_assert_eq!(Entity::of(&EntityUid::from_str(&entity.to_string()).unwrap()), entity);
        }
    }

    #[test]
    fn reserved_words_are_no_types() {
        for word in RESERVED {
            assert!(EntityTypeName::from_str(word).is_err(), "{word}");
        }
    }
}
