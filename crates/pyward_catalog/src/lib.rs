//! The catalogue: practices, rules and library models, all of them data.

pub mod model;
pub mod rule;
