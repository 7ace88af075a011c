//! Bindings of `pyward_guard::access`.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple};
use pyward_guard::access::{
    self, Actions, Effect, Engine, EntityData, Request, Rule, Scope, Value,
};

use crate::error::{InvalidInput, to_py};
use crate::text::{Shown, Valid};

/// Containers deeper than this are refused before they are walked (a list can hold itself).
const MAX_DEPTH: u32 = 16;

/// A typed name: who or what a rule is about, such as `Entity("Page", "7")`. Equal and hashable by type and name.
///
/// Protects against CWE-285, CWE-863. ASVS 5.0: v5.0.0-8.2.2. Raises InvalidInput when the type is not an identifier.
///
/// >>> from pyward_guard.access import Entity
/// >>> Entity("Page", "7")
/// Page::"7"
#[pyclass(frozen, module = "pyward_guard.access", name = "Entity")]
#[derive(Clone)]
struct Entity(access::Entity);

#[pymethods]
impl Entity {
    #[new]
    fn new(kind: &str, id: &str) -> PyResult<Self> {
        access::Entity::new(kind, id).map(Self).map_err(to_py)
    }

    /// The type, such as ``"Page"``.
    #[getter]
    fn kind(&self) -> &str {
        self.0.kind()
    }

    /// The name within the type.
    #[getter]
    fn id(&self) -> &str {
        self.0.id()
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other
            .cast::<Self>()
            .is_ok_and(|other| other.get().0 == self.0)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        self.0.to_string()
    }
}

type Entities<'py> = Vec<Bound<'py, Entity>>;

fn all(entities: &Entities<'_>) -> Vec<access::Entity> {
    entities
        .iter()
        .map(|entity| entity.get().0.clone())
        .collect()
}

fn value(object: &Bound<'_, PyAny>, depth: u32) -> PyResult<Value> {
    if depth > MAX_DEPTH {
        return Err(InvalidInput::new_err("an attribute is nested too deep"));
    }
    if let Ok(text) = object.cast::<PyString>() {
        return Ok(Value::String(text.to_cow()?.into_owned()));
    }
    if object.is_instance_of::<PyBool>() {
        return Ok(Value::Bool(object.is_truthy()?));
    }
    if object.is_instance_of::<PyInt>() {
        return object
            .extract()
            .map(Value::Long)
            .map_err(|_| InvalidInput::new_err("an attribute is beyond 64 bits"));
    }
    if let Ok(entity) = object.cast::<Entity>() {
        return Ok(Value::Entity(entity.get().0.clone()));
    }
    if let Ok(fields) = object.cast::<PyDict>() {
        return record(Some(fields), depth + 1).map(Value::Record);
    }
    let sequence = object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>();
    if sequence || object.is_instance_of::<PySet>() || object.is_instance_of::<PyFrozenSet>() {
        let values: PyResult<Vec<Value>> = object
            .try_iter()?
            .map(|item| value(&item?, depth + 1))
            .collect();
        return values.map(Value::Set);
    }
    let kind = object.get_type();
    let name = format!("{}.{}", kind.module()?, kind.name()?);
    match name.as_str() {
        "decimal.Decimal" => Ok(Value::Decimal(object.str()?.to_cow()?.into_owned())),
        "ipaddress.IPv4Address"
        | "ipaddress.IPv6Address"
        | "ipaddress.IPv4Network"
        | "ipaddress.IPv6Network" => Ok(Value::Ip(object.str()?.to_cow()?.into_owned())),
        "datetime.date" => Ok(Value::Datetime(
            object.call_method0("isoformat")?.extract()?,
        )),
        "datetime.datetime" => {
            let offset: String = object.call_method1("strftime", ("%z",))?.extract()?;
            if offset.len() != 5 {
                return Err(InvalidInput::new_err(
                    "a datetime attribute needs a time zone of whole minutes",
                ));
            }
            let moment: String = object
                .call_method1("strftime", ("%Y-%m-%dT%H:%M:%S",))?
                .extract()?;
            let micros: u32 = object.getattr("microsecond")?.extract()?;
            Ok(Value::Datetime(format!(
                "{moment}.{:03}{offset}",
                micros / 1000
            )))
        }
        _ => Err(InvalidInput::new_err(format!(
            "a value of type {name} cannot be an attribute"
        ))),
    }
}

fn record(fields: Option<&Bound<'_, PyDict>>, depth: u32) -> PyResult<BTreeMap<String, Value>> {
    let mut out = BTreeMap::new();
    for (name, object) in fields.into_iter().flatten() {
        // An absent value is an absent attribute: conditions ask with `has`.
        if !object.is_none() {
            out.insert(name.extract()?, value(&object, depth)?);
        }
    }
    Ok(out)
}

/// `None` for all, an entity with "is" or "in", a kind, or a kind and an entity.
fn scope(how: &str, kind: Option<String>, entity: Option<&Bound<'_, Entity>>) -> PyResult<Scope> {
    let entity = entity.map(|entity| entity.get().0.clone());
    match (how, kind, entity) {
        ("any", None, None) => Ok(Scope::Any),
        ("is", None, Some(entity)) => Ok(Scope::Is(entity)),
        ("in", None, Some(entity)) => Ok(Scope::In(entity)),
        ("kind", Some(kind), None) => Ok(Scope::Kind(kind)),
        ("kind", Some(kind), Some(entity)) => Ok(Scope::KindIn(kind, entity)),
        _ => Err(InvalidInput::new_err("not a scope")),
    }
}

type PyScope<'py> = (String, Option<String>, Option<Bound<'py, Entity>>);
type Other<'py> = (Bound<'py, Entity>, Entities<'py>, Bound<'py, PyDict>);

/// The policy engine.
#[pyclass(frozen, module = "pyward_guard._core")]
struct AccessEngine(Engine);

#[pymethods]
impl AccessEngine {
    #[new]
    fn new() -> Self {
        Self(Engine::new())
    }

    #[allow(clippy::too_many_arguments)]
    #[pyo3(signature = (id, permit, principal, actions, resource, when=None, unless=None))]
    fn add(
        &self,
        id: Valid<'_>,
        permit: bool,
        principal: PyScope<'_>,
        actions: Option<Entities<'_>>,
        resource: PyScope<'_>,
        when: Option<Valid<'_>>,
        unless: Option<Valid<'_>>,
    ) -> PyResult<()> {
        let rule = Rule {
            id: id.0.to_owned(),
            effect: if permit {
                Effect::Permit
            } else {
                Effect::Forbid
            },
            principal: scope(&principal.0, principal.1, principal.2.as_ref())?,
            actions: actions
                .as_ref()
                .map_or(Actions::Any, |actions| Actions::In(all(actions))),
            resource: scope(&resource.0, resource.1, resource.2.as_ref())?,
            when: when.map(|text| text.0.to_owned()),
            unless: unless.map(|text| text.0.to_owned()),
        };
        self.0.add(rule).map_err(to_py)
    }

    fn add_cedar(&self, py: Python<'_>, text: Valid<'_>) -> PyResult<Vec<String>> {
        py.detach(|| self.0.add_cedar(text.0)).map_err(to_py)
    }

    fn remove(&self, id: Shown<'_>) -> bool {
        self.0.remove(&id.0)
    }

    fn link(&self, child: &Bound<'_, Entity>, parent: &Bound<'_, Entity>) -> PyResult<()> {
        self.0.link(&child.get().0, &parent.get().0).map_err(to_py)
    }

    fn unlink(&self, child: &Bound<'_, Entity>, parent: &Bound<'_, Entity>) -> bool {
        self.0.unlink(&child.get().0, &parent.get().0)
    }

    fn parents(&self, child: &Bound<'_, Entity>) -> Vec<Entity> {
        self.0
            .parents(&child.get().0)
            .into_iter()
            .map(Entity)
            .collect()
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn to_cedar(&self, py: Python<'_>) -> String {
        py.detach(|| self.0.to_cedar())
    }

    fn validate(&self, py: Python<'_>, schema: &str) -> PyResult<Vec<String>> {
        py.detach(|| self.0.validate(schema)).map_err(to_py)
    }

    /// Allowed, deciding rules, and conditions that failed.
    #[allow(clippy::too_many_arguments, clippy::type_complexity)]
    #[pyo3(signature = (principal, action, resource, parents, attributes, resource_parents, resource_attributes, context, others, explain))]
    fn decide(
        &self,
        principal: &Bound<'_, Entity>,
        action: &Bound<'_, Entity>,
        resource: &Bound<'_, Entity>,
        parents: Entities<'_>,
        attributes: Option<Bound<'_, PyDict>>,
        resource_parents: Entities<'_>,
        resource_attributes: Option<Bound<'_, PyDict>>,
        context: Option<Bound<'_, PyDict>>,
        others: Vec<Other<'_>>,
        explain: bool,
    ) -> PyResult<(bool, Vec<String>, Vec<(String, String)>)> {
        let data = |entity: &Bound<'_, Entity>,
                    parents: &Entities<'_>,
                    attributes: Option<&Bound<'_, PyDict>>| {
            Ok::<_, PyErr>(EntityData {
                entity: entity.get().0.clone(),
                parents: all(parents),
                attributes: record(attributes, 0)?,
            })
        };
        let others: PyResult<Vec<EntityData>> = others
            .iter()
            .map(|(entity, parents, attributes)| data(entity, parents, Some(attributes)))
            .collect();
        let request = Request {
            principal: data(principal, &parents, attributes.as_ref())?,
            action: action.get().0.clone(),
            resource: data(resource, &resource_parents, resource_attributes.as_ref())?,
            context: record(context.as_ref(), 0)?,
            others: others?,
        };
        let decision = if explain {
            self.0.explain(&request)
        } else {
            self.0.decide(&request)
        };
        let decision = decision.map_err(to_py)?;
        Ok((decision.allowed, decision.rules, decision.errors))
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Entity>()?;
    module.add_class::<AccessEngine>()
}
