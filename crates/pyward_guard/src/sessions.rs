//! Server-side sessions: random ids stored hashed, idle and absolute lifetime, binding to client traits.
//!
//! Protects against session fixation (CWE-384), insufficient expiration (CWE-613) and predictable ids (CWE-330, CWE-6).
//! ASVS 5.0: v5.0.0-7.2.2, v5.0.0-7.2.3, v5.0.0-7.3.1, v5.0.0-7.3.2.
//!
//! A store keeps [`Record`]s in their encoded form under a [`Key`], the SHA-256 of the id: who reads the store
//! learns no usable id.
//!
//! ```
//! use pyward_guard::sessions::{Lifetimes, Record, SessionId, State};
//! let id = SessionId::generate()?;
//! assert_eq!(SessionId::key_of(id.expose()), Some(id.key()));
//! let record = Record { user: Some("ada".into()), created: 1, seen: 1, expires: 9, traits: vec![], data: b"{}".to_vec() };
//! assert_eq!(Record::decode(&record.encode()?)?, record);
//! let lifetimes = Lifetimes { idle: 5, touch: 1 };
//! assert_eq!(record.state(7, lifetimes), State::Idle);
//! assert_eq!(record.state(9, lifetimes), State::Expired);
//! assert_eq!(SessionId::key_of("guessed"), None);
//! # Ok::<(), pyward_guard::Error>(())
//! ```

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{Error, Result};

/// SHA-256 of the raw bytes of a session id: what stores use as their key.
pub type Key = [u8; 32];

/// Bytes of randomness in an id: 256 bits, twice what ASVS 5.0 v5.0.0-7.2.3 asks for.
pub const ID_BYTES: usize = 32;
const ID_CHARS: usize = 43;
const MAX_USER: usize = 1024;
const MAX_DATA: usize = 1 << 20;
const MAX_TRAITS: usize = 16;
const FORMAT: u8 = 1;

/// A session id as the client holds it: 43 characters of URL-safe base64. Never shown by `Debug`.
#[derive(Clone)]
pub struct SessionId {
    text: String,
    key: Key,
}

impl SessionId {
    /// A new id from the operating system's random generator.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the operating system has no randomness to give.
    pub fn generate() -> Result<Self> {
        let mut raw = [0u8; ID_BYTES];
        getrandom::fill(&mut raw).map_err(|_| Error::Unsupported("no system randomness".into()))?;
        Ok(Self {
            text: URL_SAFE_NO_PAD.encode(raw),
            key: Sha256::digest(raw).into(),
        })
    }

    /// The store key of an id that a client sent, or `None` for text that cannot be an id.
    #[must_use]
    pub fn key_of(text: &str) -> Option<Key> {
        if text.len() != ID_CHARS {
            return None;
        }
        let mut raw = [0u8; ID_BYTES];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut raw) {
            Ok(ID_BYTES) => Some(Sha256::digest(raw).into()),
            _ => None,
        }
    }

    /// The id itself: for the cookie, and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The key under which a store keeps the session.
    #[must_use]
    pub fn key(&self) -> Key {
        self.key
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SessionId(..)")
    }
}

/// How long sessions live, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Ends a session that was not used for this long.
    pub idle: u64,
    /// `seen` is written back only when it is older than this, so that most loads cost the store no write.
    pub touch: u64,
}

/// What a record is worth at a given moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Usable as it is.
    Alive,
    /// Usable, and `seen` is due to be written back.
    Due,
    /// Not used for longer than the idle lifetime.
    Idle,
    /// Past its absolute lifetime.
    Expired,
}

/// One session as a store keeps it. Times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Who is signed in, if anyone.
    pub user: Option<String>,
    /// When the session began.
    pub created: u64,
    /// When it was last used (to within [`Lifetimes::touch`]).
    pub seen: u64,
    /// When it ends whatever happens.
    pub expires: u64,
    /// Name and digest of each client trait that the session is bound to.
    pub traits: Vec<(String, [u8; 16])>,
    /// The application's data, in whatever encoding the caller uses.
    pub data: Vec<u8>,
}

impl Record {
    /// Judges the record at `now`.
    #[must_use]
    pub fn state(&self, now: u64, lifetimes: Lifetimes) -> State {
        if now >= self.expires {
            State::Expired
        } else if now.saturating_sub(self.seen) >= lifetimes.idle {
            State::Idle
        } else if now.saturating_sub(self.seen) >= lifetimes.touch {
            State::Due
        } else {
            State::Alive
        }
    }

    /// The moment after which a store may drop the record.
    #[must_use]
    pub fn until(&self, lifetimes: Lifetimes) -> u64 {
        self.expires.min(self.seen.saturating_add(lifetimes.idle))
    }

    /// The record as bytes, at most 1 MiB of data.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a user name over 1024 bytes, over 16 traits, or data over 1 MiB.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let user = self.user.as_deref().unwrap_or_default();
        if user.len() > MAX_USER {
            return Err(Error::InvalidInput(format!(
                "a session's user name is at most {MAX_USER} bytes"
            )));
        }
        if self.data.len() > MAX_DATA {
            return Err(Error::InvalidInput(format!(
                "a session's data is at most {MAX_DATA} bytes"
            )));
        }
        if self.traits.len() > MAX_TRAITS || self.traits.iter().any(|(name, _)| name.len() > 255) {
            return Err(Error::InvalidInput(format!(
                "a session has at most {MAX_TRAITS} traits with short names"
            )));
        }
        let mut out =
            Vec::with_capacity(64 + user.len() + self.data.len() + self.traits.len() * 32);
        out.push(FORMAT);
        for time in [self.created, self.seen, self.expires] {
            out.extend(time.to_be_bytes());
        }
        out.push(u8::from(self.user.is_some()));
        out.extend(u16::try_from(user.len()).unwrap_or(0).to_be_bytes());
        out.extend(user.as_bytes());
        out.push(u8::try_from(self.traits.len()).unwrap_or(0));
        for (name, digest) in &self.traits {
            out.push(u8::try_from(name.len()).unwrap_or(0));
            out.extend(name.as_bytes());
            out.extend(digest);
        }
        out.extend(&self.data);
        Ok(out)
    }

    /// What the encoded record begins with: its format and when the session began. Both stay when it gets a new id.
    #[must_use]
    pub fn origin(&self) -> [u8; 9] {
        let mut origin = [FORMAT; 9];
        origin[1..].copy_from_slice(&self.created.to_be_bytes());
        origin
    }

    /// Reads what [`Record::encode`] wrote.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for bytes that are not a record.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        fn split<'b>(rest: &mut &'b [u8], count: usize) -> Option<&'b [u8]> {
            let (head, tail) = rest.split_at_checked(count)?;
            *rest = tail;
            Some(head)
        }
        fn read(mut rest: &[u8]) -> Option<Record> {
            let rest = &mut rest;
            if split(rest, 1)? != [FORMAT] {
                return None;
            }
            let mut times = [0u64; 3];
            for time in &mut times {
                *time = u64::from_be_bytes(split(rest, 8)?.try_into().ok()?);
            }
            let signed_in = match split(rest, 1)? {
                [0] => false,
                [1] => true,
                _ => return None,
            };
            let length = usize::from(u16::from_be_bytes(split(rest, 2)?.try_into().ok()?));
            let user = std::str::from_utf8(split(rest, length)?).ok()?;
            if !signed_in && !user.is_empty() {
                return None;
            }
            let count = usize::from(split(rest, 1)?[0]);
            let mut traits = Vec::with_capacity(count.min(MAX_TRAITS));
            for _ in 0..count {
                let length = usize::from(split(rest, 1)?[0]);
                let name = std::str::from_utf8(split(rest, length)?).ok()?.to_owned();
                traits.push((name, split(rest, 16)?.try_into().ok()?));
            }
            let [created, seen, expires] = times;
            Some(Record {
                user: signed_in.then(|| user.to_owned()),
                created,
                seen,
                expires,
                traits,
                data: rest.to_vec(),
            })
        }
        read(bytes).ok_or_else(|| Error::InvalidInput("not a session record".into()))
    }

    /// Names of the traits whose digest differs from what the client shows now (or that it no longer shows).
    #[must_use]
    pub fn changed_traits<'r>(&'r self, key: &Key, shown: &[(String, String)]) -> Vec<&'r str> {
        let differs = |(name, digest): &&(String, [u8; 16])| match shown
            .iter()
            .find(|(shown, _)| shown == name)
        {
            Some((_, value)) => !bool::from(trait_digest(key, name, value).ct_eq(digest)),
            None => true,
        };
        self.traits
            .iter()
            .filter(differs)
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// What a record keeps of a client trait: a digest salted with the session's key, so that a store reveals no traits.
#[must_use]
pub fn trait_digest(key: &Key, name: &str, value: &str) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(key);
    hash.update((name.len() as u64).to_be_bytes());
    hash.update(name);
    hash.update(value);
    let mut out = [0; 16];
    out.copy_from_slice(&hash.finalize()[..16]);
    out
}

const SHARDS: usize = 16;

struct Held {
    user: Option<String>,
    until: u64,
    record: Vec<u8>,
}

/// Sessions in this process's memory: sharded, bounded, with an index by user.
///
/// For tests and single-process applications; a restart signs everybody out.
pub struct MemoryStore {
    shards: Vec<Mutex<HashMap<Key, Held>>>,
    users: Mutex<HashMap<String, HashSet<Key>>>,
    per_shard: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // The data is consistent after every statement that can panic (only allocation can).
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl MemoryStore {
    /// A store that holds at most `limit` sessions.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            users: Mutex::default(),
            per_shard: limit.div_ceil(SHARDS).max(1),
        }
    }

    fn shard(&self, key: &Key) -> &Mutex<HashMap<Key, Held>> {
        &self.shards[usize::from(key[0]) % SHARDS]
    }

    fn index(&self, user: Option<&str>, key: &Key) {
        if let Some(user) = user {
            lock(&self.users)
                .entry(user.to_owned())
                .or_default()
                .insert(*key);
        }
    }

    fn unindex(&self, user: Option<&str>, key: &Key) {
        let Some(user) = user else { return };
        let mut users = lock(&self.users);
        if let Some(keys) = users.get_mut(user) {
            keys.remove(key);
            if keys.is_empty() {
                users.remove(user);
            }
        }
    }

    /// Calls `found` with the encoded record under `key`.
    pub fn with<T>(&self, key: &Key, found: impl FnOnce(&[u8]) -> T) -> Option<T> {
        lock(self.shard(key))
            .get(key)
            .map(|held| found(&held.record))
    }

    /// Adds a session.
    ///
    /// # Errors
    /// [`Error::Refused`] when the store is full of live sessions, [`Error::InvalidInput`] when the key is taken.
    pub fn insert(
        &self,
        key: Key,
        user: Option<&str>,
        until: u64,
        record: Vec<u8>,
        now: u64,
    ) -> Result<()> {
        let mut dropped = Vec::new();
        {
            let mut shard = lock(self.shard(&key));
            if shard.len() >= self.per_shard {
                shard.retain(|key, held| {
                    if held.until > now {
                        return true;
                    }
                    dropped.push((*key, held.user.take()));
                    false
                });
                if shard.len() >= self.per_shard {
                    return Err(Error::Refused("the session store is full".into()));
                }
            }
            match shard.entry(key) {
                Entry::Occupied(_) => {
                    return Err(Error::InvalidInput("session key is taken".into()));
                }
                Entry::Vacant(slot) => slot.insert(Held {
                    user: user.map(str::to_owned),
                    until,
                    record,
                }),
            };
            self.index(user, &key);
        }
        for (key, user) in dropped {
            self.unindex(user.as_deref(), &key);
        }
        Ok(())
    }

    /// Replaces a session that is still there, and still `expected` where that is given; else `false`, so that a late
    /// write neither revives a session nor undoes another's.
    #[must_use = "`false` says that nothing was written: the session has ended or is another's by now"]
    pub fn replace(
        &self,
        key: &Key,
        user: Option<&str>,
        until: u64,
        record: Vec<u8>,
        expected: Option<&[u8]>,
    ) -> bool {
        let mut shard = lock(self.shard(key));
        let Some(held) = shard.get_mut(key) else {
            return false;
        };
        if expected.is_some_and(|expected| expected != held.record) {
            return false;
        }
        if held.user.as_deref() != user {
            self.unindex(held.user.as_deref(), key);
            self.index(user, key);
            held.user = user.map(str::to_owned);
        }
        held.until = until;
        held.record = record;
        true
    }

    /// Moves a session that is still there, and still `expected` where that is given, to a new key in one step: nobody
    /// sees it twice, or not at all. Else `false`.
    #[must_use = "`false` says that the session was not moved: it has ended or is another's by now"]
    pub fn rotate(
        &self,
        key: &Key,
        new: Key,
        user: Option<&str>,
        until: u64,
        record: Vec<u8>,
        expected: Option<&[u8]>,
    ) -> bool {
        let (from, to) = (usize::from(key[0]) % SHARDS, usize::from(new[0]) % SHARDS);
        // Always in the order of the shards, so that two rotations do not wait for each other.
        let mut low = lock(&self.shards[from.min(to)]);
        let mut high = (from != to).then(|| lock(&self.shards[from.max(to)]));
        let (source, target) = match &mut high {
            None => (&mut low, None),
            Some(high) if from < to => (&mut low, Some(high)),
            Some(high) => (high, Some(&mut low)),
        };
        let is_expected = |held: &Held| expected.is_none_or(|expected| expected == held.record);
        if !source.get(key).is_some_and(is_expected) {
            return false;
        }
        let Some(held) = source.remove(key) else {
            return false;
        };
        let moved = Held {
            user: user.map(str::to_owned),
            until,
            record,
        };
        target.unwrap_or(source).insert(new, moved);
        self.index(user, &new);
        self.unindex(held.user.as_deref(), key);
        true
    }

    /// Removes a session; `false` when there was none.
    pub fn remove(&self, key: &Key) -> bool {
        let mut shard = lock(self.shard(key));
        match shard.remove(key) {
            Some(held) => {
                self.unindex(held.user.as_deref(), key);
                true
            }
            None => false,
        }
    }

    /// The sessions of one user, at one moment: one that is rotated meanwhile is not missed.
    #[must_use]
    pub fn of_user(&self, user: &str) -> Vec<(Key, Vec<u8>)> {
        let shards: Vec<_> = self.shards.iter().map(lock).collect();
        let users = lock(&self.users);
        let keys = users.get(user).into_iter().flatten();
        keys.filter_map(|key| {
            let held = shards[usize::from(key[0]) % SHARDS].get(key)?;
            Some((*key, held.record.clone()))
        })
        .collect()
    }

    /// Removes the sessions of one user at one moment and says how many: one that is rotated meanwhile is not missed.
    /// `keep` stays, and so does what does not begin with `origin` (see [`Record::origin`]; empty for all).
    pub fn remove_of_user(&self, user: &str, keep: Option<&Key>, origin: &[u8]) -> usize {
        let mut shards: Vec<_> = self.shards.iter().map(lock).collect();
        let keys: Vec<Key> = lock(&self.users)
            .get(user)
            .into_iter()
            .flatten()
            .copied()
            .collect();
        let mut count = 0;
        for key in keys.iter().filter(|key| Some(*key) != keep) {
            let shard = &mut shards[usize::from(key[0]) % SHARDS];
            if shard
                .get(key)
                .is_some_and(|held| held.record.starts_with(origin))
            {
                shard.remove(key);
                self.unindex(Some(user), key);
                count += 1;
            }
        }
        count
    }

    /// Drops every session whose time is over and says how many.
    pub fn purge(&self, now: u64) -> usize {
        let mut count = 0;
        for shard in &self.shards {
            let mut shard = lock(shard);
            let over: Vec<Key> = shard
                .iter()
                .filter(|(_, held)| held.until <= now)
                .map(|(key, _)| *key)
                .collect();
            count += over.len();
            for key in over {
                if let Some(held) = shard.remove(&key) {
                    self.unindex(held.user.as_deref(), &key);
                }
            }
        }
        count
    }

    /// How many sessions are held, expired ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record() -> Record {
        Record {
            user: Some("ada".into()),
            created: 10,
            seen: 20,
            expires: 1000,
            traits: vec![("ua".into(), [7; 16])],
            data: b"{\"a\":1}".to_vec(),
        }
    }

    #[test]
    fn ids_are_distinct_and_hashed() {
        let (one, two) = (
            SessionId::generate().unwrap(),
            SessionId::generate().unwrap(),
        );
        assert_ne!(one.expose(), two.expose());
        assert_eq!(one.expose().len(), ID_CHARS);
        assert_eq!(SessionId::key_of(one.expose()), Some(one.key()));
        assert!(!format!("{one:?}").contains(one.expose()));
        for bad in [
            "",
            "x",
            &"A".repeat(42),
            &"A".repeat(44),
            &"=".repeat(43),
            &"\u{e9}".repeat(21),
            &format!("{}B", "A".repeat(42)),
        ] {
            assert_eq!(SessionId::key_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_sessions_of_a_user_are_removed_but_the_kept_and_the_others() {
        let store = MemoryStore::new(100);
        let other = Record {
            created: 11,
            ..record()
        };
        for (byte, user, held) in [
            (1, "ada", record()),
            (2, "ada", record()),
            (3, "ada", other.clone()),
            (4, "bob", record()),
        ] {
            store
                .insert([byte; 32], Some(user), 1000, held.encode().unwrap(), 0)
                .unwrap();
        }
        assert!(record().encode().unwrap().starts_with(&record().origin()));
        assert_eq!(store.remove_of_user("ada", None, &other.origin()), 1);
        assert_eq!(store.remove_of_user("ada", Some(&[1; 32]), &[]), 1);
        assert_eq!(
            store.of_user("ada"),
            [([1; 32], record().encode().unwrap())]
        );
        assert_eq!(store.remove_of_user("ada", None, &[]), 1);
        assert_eq!(
            (
                store.remove_of_user("ada", None, &[]),
                store.of_user("bob").len()
            ),
            (0, 1)
        );
    }

    #[test]
    fn lifetimes_are_judged_at_their_edges() {
        let lifetimes = Lifetimes {
            idle: 100,
            touch: 10,
        };
        let record = record();
        assert_eq!(record.state(29, lifetimes), State::Alive);
        assert_eq!(record.state(30, lifetimes), State::Due);
        assert_eq!(record.state(119, lifetimes), State::Due);
        assert_eq!(record.state(120, lifetimes), State::Idle);
        assert_eq!(record.state(1000, lifetimes), State::Expired);
        assert_eq!(
            record.state(0, lifetimes),
            State::Alive,
            "a clock that steps back ends nothing"
        );
        assert_eq!(record.until(lifetimes), 120);
    }

    #[test]
    fn traits_tell_a_changed_client() {
        let key = [1; 32];
        let mut record = record();
        record.traits = vec![
            ("ua".into(), trait_digest(&key, "ua", "Firefox")),
            ("net".into(), trait_digest(&key, "net", "10.0.0.0/24")),
        ];
        let shown = |ua: &str| {
            vec![
                ("ua".to_owned(), ua.to_owned()),
                ("net".to_owned(), "10.0.0.0/24".to_owned()),
            ]
        };
        assert!(record.changed_traits(&key, &shown("Firefox")).is_empty());
        assert_eq!(record.changed_traits(&key, &shown("curl")), ["ua"]);
        assert_eq!(record.changed_traits(&key, &[]), ["ua", "net"]);
        assert_ne!(trait_digest(&key, "ab", "c"), trait_digest(&key, "a", "bc"));
    }

    #[test]
    fn a_late_write_revives_nothing() {
        let store = MemoryStore::new(100);
        let key = [3; 32];
        store.insert(key, Some("ada"), 100, vec![1], 0).unwrap();
        assert!(store.insert(key, None, 100, vec![2], 0).is_err());
        assert!(store.replace(&key, Some("bob"), 100, vec![2], None));
        assert!(store.of_user("ada").is_empty());
        assert_eq!(store.of_user("bob"), [(key, vec![2])]);
        assert!(!store.replace(&key, Some("bob"), 100, vec![4], Some(&[1])));
        assert!(store.replace(&key, Some("bob"), 100, vec![4], Some(&[2])));
        assert!(store.remove(&key));
        assert!(!store.remove(&key));
        assert!(!store.replace(&key, None, 100, vec![3], None));
        assert!(!store.rotate(&key, [9; 32], None, 100, vec![3], None));
        assert!(store.is_empty() && store.of_user("bob").is_empty());
    }

    #[test]
    fn a_full_store_drops_only_what_is_over() {
        let store = MemoryStore::new(1);
        let key = |n: u8| {
            let mut key = [0; 32];
            key[31] = n;
            key
        };
        store.insert(key(1), Some("ada"), 10, vec![], 0).unwrap();
        assert!(matches!(
            store.insert(key(2), None, 90, vec![], 9),
            Err(Error::Refused(_))
        ));
        store.insert(key(2), None, 90, vec![], 10).unwrap();
        assert!(store.of_user("ada").is_empty());
        assert_eq!(store.purge(89), 0);
        assert_eq!(store.purge(90), 1);
    }

    #[test]
    fn a_rotating_session_is_always_somewhere() {
        let store = MemoryStore::new(100);
        let key = |n: u8| [n; 32];
        store.insert(key(0), Some("ada"), 10, vec![], 0).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..20_000u32 {
                    let (old, new) = ((n % 250) as u8, ((n + 1) % 250) as u8);
                    assert!(store.rotate(&key(old), key(new), Some("ada"), 10, vec![], Some(&[])));
                }
                done.store(true, std::sync::atomic::Ordering::Relaxed);
            });
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                assert_eq!(store.of_user("ada").len(), 1);
            }
        });
        assert_eq!(store.len(), 1);
    }

    #[test]
    fn threads_agree() {
        let store = MemoryStore::new(100_000);
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                let store = &store;
                scope.spawn(move || {
                    for n in 0..500u16 {
                        let mut key = [thread; 32];
                        key[..2].copy_from_slice(&n.to_be_bytes());
                        store.insert(key, Some("ada"), 10, vec![], 0).unwrap();
                        if n % 2 == 0 {
                            assert!(store.remove(&key));
                        }
                    }
                });
            }
        });
        assert_eq!(store.len(), 1000);
        assert_eq!(store.of_user("ada").len(), 1000);
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(record) = Record::decode(&bytes) {
                prop_assert!(record.traits.len() <= 255);
            }
        }

        #[test]
        fn records_survive(user in proptest::option::of(".{0,40}"), created: u64, seen: u64, expires: u64,
                           names in proptest::collection::vec("[a-z]{0,9}", 0..5), data in proptest::collection::vec(any::<u8>(), 0..99)) {
            let traits = names.into_iter().map(|name| (name, [9; 16])).collect();
            let record = Record { user, created, seen, expires, traits, data };
            prop_assert_eq!(Record::decode(&record.encode().unwrap()).unwrap(), record);
        }

        #[test]
        fn any_text_is_an_id_or_not(text in "\\PC{0,60}") {
            let _ = SessionId::key_of(&text);
        }
    }
}
