//! Authorisation: roles (RBAC), lists (ACL) and attributes (ABAC) on one engine with Cedar's semantics.
//!
//! Default deny, and a matching `forbid` beats every `permit`. Protects against missing and incorrect authorisation
//! (CWE-862, CWE-863, CWE-639). ASVS 5.0: v5.0.0-8.2.1, v5.0.0-8.2.2, v5.0.0-8.3.1.
//!
//! Rules are indexed by the scope of their principal, action and resource, so a decision looks at the rules that can
//! apply and at no others, however many there are. Rules with conditions are then evaluated by Cedar itself. One
//! deliberate difference: where Cedar skips a `forbid` whose condition fails to evaluate, this engine denies.
//!
//! ```
//! use pyward_guard::access::{Actions, Effect, Engine, Entity, EntityData, Request, Rule, Scope};
//! let engine = Engine::new();
//! let editor = Entity::new("Role", "editor")?;
//! let edit = Entity::new("Action", "edit")?;
//! let mut rule = Rule::new("editors-edit", Effect::Permit);
//! rule.principal = Scope::In(editor.clone());
//! rule.actions = Actions::In(vec![edit.clone()]);
//! engine.add(rule)?;
//! engine.link(&Entity::new("User", "ada")?, &editor)?;
//! let request = Request::new(Entity::new("User", "ada")?, edit, Entity::new("Page", "7")?);
//! assert!(engine.decide(&request)?.allowed);
//! let other = Request { principal: EntityData::bare(Entity::new("User", "eve")?), ..request };
//! assert!(!engine.decide(&other)?.allowed);
//! # Ok::<(), pyward_guard::Error>(())
//! ```

mod engine;
mod index;
mod model;

pub use engine::{Decision, Engine};
pub use model::{Actions, Effect, Entity, EntityData, Request, Rule, Scope, Value};
