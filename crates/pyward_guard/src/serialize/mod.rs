//! Bounded reading of MessagePack, and a look into pickles before they run.

pub mod msgpack;
pub mod pickle;
