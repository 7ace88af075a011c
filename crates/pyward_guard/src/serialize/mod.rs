//! Bounded reading of MessagePack, and a look into pickles before they run.
//!
//! ```
//! use pyward_guard::serialize::{msgpack, pickle};
//! let value = msgpack::decode(&[0x92, 1, 2], msgpack::Bounds::default())?;
//! assert_eq!(msgpack::encode(&value)?, [0x92, 1, 2]);
//! assert!(msgpack::decode(&[0x91; 10_000], msgpack::Bounds::default()).is_err());
//! // What would run `os.system` says so.
//! let found = pickle::scan(b"cos\nsystem\n(S'id'\ntR.")?;
//! assert_eq!(found.globals, [("os".to_owned(), "system".to_owned())]);
//! assert!(pickle::scan(b"Pid\n.").is_err());
//! # Ok::<(), pyward_guard::Error>(())
//! ```

pub mod msgpack;
pub mod pickle;
