//! Key sets: several versions of one key, one of them primary, in Tink's format.
//!
//! New data is made with the primary key; old data names its key by a four-byte id, so a key can be rotated without
//! touching what is stored, disabled for a while, and destroyed for good (crypto-shredding).
//! ASVS 5.0: v5.0.0-11.1.1, v5.0.0-13.3.4 (key life cycle). CWE-320, CWE-321.

use std::fmt;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::{aead, digest};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::proto::{Reader, Value, Writer};
use crate::encoding::{b64, b64_decode, secret_json};
use crate::{Error, Result, random};

const MAX_KEYS: usize = 1024;
/// Room for what stands around the bytes of a key in messages: type, parameters, numbers and lengths.
const AROUND: usize = 128;
const GOOGLE: &str = "type.googleapis.com/google.crypto.tink.";

/// What the keys of a set are for. A key serves one purpose only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Authenticated encryption: AES-256-GCM with random 96-bit nonces (at most 2^32 messages a key).
    Aead,
    /// Deterministic authenticated encryption: AES-SIV with 512-bit keys (RFC 5297).
    Deterministic,
    /// Streaming authenticated encryption: AES-256-GCM-HKDF-SHA256 in segments of 1 MiB.
    Streaming,
    /// Message authentication: HMAC-SHA256 with 256-bit tags.
    Mac,
}

impl KeyKind {
    const ALL: [Self; 4] = [Self::Aead, Self::Deterministic, Self::Streaming, Self::Mac];

    /// The name used in interfaces.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Aead => "aead",
            Self::Deterministic => "deterministic",
            Self::Streaming => "streaming",
            Self::Mac => "mac",
        }
    }

    /// Finds a kind by its name.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for another name.
    pub fn from_name(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|k| k.name() == name)
            .ok_or_else(|| {
                Error::InvalidInput(
                    "the kind of a key set is aead, deterministic, streaming or mac".into(),
                )
            })
    }

    fn type_name(self) -> &'static str {
        match self {
            Self::Aead => "AesGcmKey",
            Self::Deterministic => "AesSivKey",
            Self::Streaming => "AesGcmHkdfStreamingKey",
            Self::Mac => "HmacKey",
        }
    }

    fn key_len(self) -> usize {
        if self == Self::Deterministic { 64 } else { 32 }
    }

    /// The serialised Tink key message.
    fn encode(self, key: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut w = Writer::new(key.len() + AROUND);
        match self {
            Self::Aead => w.bytes(3, key),
            Self::Deterministic => w.bytes(2, key),
            Self::Streaming => {
                let mut params = Writer::new(AROUND);
                params.uint(1, 1 << 20).uint(2, 32).uint(3, 3);
                w.bytes(2, &params.0).bytes(3, key)
            }
            Self::Mac => {
                let mut params = Writer::new(AROUND);
                params.uint(1, 3).uint(2, 32);
                w.bytes(2, &params.0).bytes(3, key)
            }
        };
        w.0
    }

    /// The key bytes of a serialised Tink key message, if its parameters are the ones used here.
    fn decode(self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let (mut params, mut key) = (&[][..], None);
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next()? {
            match (self, field) {
                (_, (1, Value::Uint(version))) if version != 0 => {
                    return Err(unsupported("a key version other than 0"));
                }
                (Self::Deterministic, (2, Value::Bytes(b))) => key = Some(b),
                (Self::Streaming | Self::Mac, (2, Value::Bytes(b))) => params = b,
                (Self::Aead | Self::Streaming | Self::Mac, (3, Value::Bytes(b))) => key = Some(b),
                _ => {}
            }
        }
        let mut values = [0u64; 4];
        let mut reader = Reader::new(params);
        while let Some((field, value)) = reader.next()? {
            if let (1..=3, Value::Uint(v)) = (field, value) {
                values[field as usize] = v;
            }
        }
        match self {
            Self::Mac if values[1..3] != [3, 32] => {
                return Err(unsupported("HMAC other than SHA-256 with 32-byte tags"));
            }
            Self::Streaming if values[1..] != [1 << 20, 32, 3] => {
                return Err(unsupported(
                    "streaming parameters other than AES256_GCM_HKDF_1MB",
                ));
            }
            _ => {}
        }
        let key = key.ok_or_else(|| Error::InvalidInput("a key has no material".into()))?;
        self.check_len(key)?;
        Ok(Zeroizing::new(key.to_vec()))
    }

    fn check_len(self, key: &[u8]) -> Result<()> {
        let good = match self {
            Self::Mac => (32..=1024).contains(&key.len()),
            // Tink's 256-bit AES-GCM keys; shorter ones are below the level this kit offers.
            _ => key.len() == self.key_len(),
        };
        if good {
            return Ok(());
        }
        let want = if self == Self::Mac {
            "32 to 1024".to_owned()
        } else {
            self.key_len().to_string()
        };
        Err(Error::InvalidInput(format!(
            "a key of kind {} has {want} bytes, not {}",
            self.name(),
            key.len()
        )))
    }
}

fn unsupported(what: &str) -> Error {
    Error::InvalidInput(format!("the key set uses {what}, which is not supported"))
}

/// Whether a key may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStatus {
    /// In use.
    Enabled,
    /// Not used, can be enabled again.
    Disabled,
    /// Its material is gone.
    Destroyed,
}

impl KeyStatus {
    /// The name used in interfaces and, in capitals, in Tink's JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Destroyed => "destroyed",
        }
    }
}

/// What may be told about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// The four-byte id in front of ciphertexts and tags.
    pub id: u32,
    /// Whether it may be used.
    pub status: KeyStatus,
    /// Whether new data is made with it.
    pub primary: bool,
}

/// A key ready for use.
pub(crate) enum Prepared {
    Aead(Box<aead::LessSafeKey>),
    /// Used through the key bytes.
    Bytes,
}

pub(crate) struct Entry {
    pub(crate) id: u32,
    pub(crate) status: KeyStatus,
    /// Tink's RAW prefix: data without a key id in front.
    pub(crate) raw: bool,
    pub(crate) material: Zeroizing<Vec<u8>>,
    pub(crate) prepared: Prepared,
}

impl Entry {
    fn new(kind: KeyKind, id: u32, material: Zeroizing<Vec<u8>>) -> Result<Self> {
        kind.check_len(&material)?;
        let prepared = match kind {
            KeyKind::Aead => {
                let key = aead::UnboundKey::new(&aead::AES_256_GCM, &material)
                    .map_err(|_| Error::InvalidInput("the key is not an AES-256 key".into()))?;
                Prepared::Aead(Box::new(aead::LessSafeKey::new(key)))
            }
            KeyKind::Mac | KeyKind::Deterministic | KeyKind::Streaming => Prepared::Bytes,
        };
        Ok(Self {
            id,
            status: KeyStatus::Enabled,
            raw: kind == KeyKind::Streaming,
            material,
            prepared,
        })
    }

    fn destroy(&mut self) {
        self.material.zeroize();
        self.prepared = Prepared::Bytes;
        self.status = KeyStatus::Destroyed;
    }
}

pub(crate) struct Keys {
    pub(crate) primary: u32,
    pub(crate) entries: Vec<Entry>,
}

impl Keys {
    /// The enabled key with this id.
    pub(crate) fn enabled(&self, id: u32) -> Option<&Entry> {
        self.entries
            .iter()
            .find(|e| e.id == id && e.status == KeyStatus::Enabled)
    }

    /// The key for new data.
    pub(crate) fn primary(&self) -> Result<&Entry> {
        self.enabled(self.primary)
            .ok_or_else(|| Error::InvalidInput("the key set has no enabled primary key".into()))
    }

    fn entry_mut(&mut self, id: u32) -> Result<&mut Entry> {
        self.entries
            .iter_mut()
            .find(|e| e.id == id)
            .ok_or(Error::UnknownKey)
    }

    fn fresh_id(&self) -> Result<u32> {
        loop {
            let id = u32::from_be_bytes(random::array()?);
            if id != 0 && self.entries.iter().all(|e| e.id != id) {
                return Ok(id);
            }
        }
    }
}

/// A set of keys of one kind, one of them primary. Shared between threads; changes are seen by every user at once.
pub struct KeySet {
    kind: KeyKind,
    keys: RwLock<Keys>,
    generation: AtomicU64,
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet")
            .field("kind", &self.kind)
            .field("keys", &self.info())
            .finish()
    }
}

impl KeySet {
    /// A set with one new random key.
    ///
    /// # Errors
    /// [`Error::Unsupported`] without randomness.
    pub fn generate(kind: KeyKind) -> Result<Self> {
        let set = Self::with(
            kind,
            Keys {
                primary: 0,
                entries: Vec::new(),
            },
        );
        set.rotate()?;
        Ok(set)
    }

    /// A set over existing secrets; the first is primary, the others are accepted. Ids are derived from the secrets,
    /// so that every process with the same secrets agrees on them.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for no secret, a wrong length, or the same secret twice.
    pub fn from_secrets(kind: KeyKind, secrets: &[&[u8]]) -> Result<Self> {
        if secrets.is_empty() || secrets.len() > MAX_KEYS {
            return Err(Error::InvalidInput(format!(
                "a key set has 1 to {MAX_KEYS} keys"
            )));
        }
        let mut keys = Keys {
            primary: 0,
            entries: Vec::new(),
        };
        for secret in secrets {
            let mut context = digest::Context::new(&digest::SHA256);
            context.update(b"pyward_guard key id\0");
            context.update(secret);
            let hash = context.finish();
            let id = u32::from_be_bytes([
                hash.as_ref()[0],
                hash.as_ref()[1],
                hash.as_ref()[2],
                hash.as_ref()[3],
            ])
            .max(1);
            if keys.entries.iter().any(|e| e.id == id) {
                return Err(Error::InvalidInput("the same secret is given twice".into()));
            }
            keys.entries
                .push(Entry::new(kind, id, Zeroizing::new(secret.to_vec()))?);
        }
        keys.primary = keys.entries[0].id;
        Ok(Self::with(kind, keys))
    }

    fn with(kind: KeyKind, keys: Keys) -> Self {
        Self {
            kind,
            keys: RwLock::new(keys),
            generation: AtomicU64::new(0),
        }
    }

    /// What the keys are for.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Grows with every change; users with derived keys watch it.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Runs `f` over the keys. A panic while the lock was held cannot leave them half-changed.
    pub(crate) fn read<T>(&self, f: impl FnOnce(&Keys) -> T) -> T {
        f(&self
            .keys
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn write<T>(&self, f: impl FnOnce(&mut Keys) -> Result<T>) -> Result<T> {
        let mut keys = self
            .keys
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let result = f(&mut keys);
        self.generation.fetch_add(1, Ordering::Release);
        result
    }

    pub(crate) fn expect(&self, kind: KeyKind) -> Result<()> {
        if self.kind == kind {
            return Ok(());
        }
        Err(Error::InvalidInput(format!(
            "a key set of kind {} is needed, not {}",
            kind.name(),
            self.kind.name()
        )))
    }

    /// The keys without their material, oldest first.
    #[must_use]
    pub fn info(&self) -> Vec<KeyInfo> {
        self.read(|keys| {
            keys.entries
                .iter()
                .map(|e| KeyInfo {
                    id: e.id,
                    status: e.status,
                    primary: e.id == keys.primary,
                })
                .collect()
        })
    }

    /// The id of the primary key.
    #[must_use]
    pub fn primary_id(&self) -> u32 {
        self.read(|keys| keys.primary)
    }

    /// Adds a new random key that is not primary yet: give it to every process first, then [`promote`](Self::promote).
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the set is full.
    pub fn add(&self) -> Result<u32> {
        let material = Zeroizing::new(random::bytes(self.kind.key_len())?);
        self.write(|keys| {
            if keys.entries.len() >= MAX_KEYS {
                return Err(Error::InvalidInput(format!(
                    "a key set has at most {MAX_KEYS} keys"
                )));
            }
            let id = keys.fresh_id()?;
            keys.entries.push(Entry::new(self.kind, id, material)?);
            Ok(id)
        })
    }

    /// Adds a new random key and makes it primary; older keys stay valid for what is stored.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn rotate(&self) -> Result<u32> {
        let id = self.add()?;
        self.promote(id)?;
        Ok(id)
    }

    /// Makes an enabled key primary.
    ///
    /// # Errors
    /// [`Error::UnknownKey`], or [`Error::InvalidInput`] when the key is not enabled.
    pub fn promote(&self, id: u32) -> Result<()> {
        self.write(|keys| {
            if keys.entry_mut(id)?.status != KeyStatus::Enabled {
                return Err(Error::InvalidInput(
                    "only an enabled key can be primary".into(),
                ));
            }
            keys.primary = id;
            Ok(())
        })
    }

    /// Stops the use of a key until it is enabled again.
    ///
    /// # Errors
    /// [`Error::UnknownKey`], or [`Error::InvalidInput`] for the primary or a destroyed key.
    pub fn disable(&self, id: u32) -> Result<()> {
        self.change(id, KeyStatus::Disabled)
    }

    /// Allows a disabled key again.
    ///
    /// # Errors
    /// As [`disable`](Self::disable).
    pub fn enable(&self, id: u32) -> Result<()> {
        self.change(id, KeyStatus::Enabled)
    }

    /// Wipes a key's material. What was encrypted with it cannot be read again.
    ///
    /// # Errors
    /// As [`disable`](Self::disable).
    pub fn destroy(&self, id: u32) -> Result<()> {
        self.change(id, KeyStatus::Destroyed)
    }

    fn change(&self, id: u32, status: KeyStatus) -> Result<()> {
        self.write(|keys| {
            let primary = keys.primary;
            let entry = keys.entry_mut(id)?;
            if entry.status == KeyStatus::Destroyed {
                return Err(Error::InvalidInput("the key is destroyed".into()));
            }
            if status != KeyStatus::Enabled && id == primary {
                return Err(Error::InvalidInput(
                    "promote another key first: this one is primary".into(),
                ));
            }
            match status {
                KeyStatus::Destroyed => entry.destroy(),
                other => entry.status = other,
            }
            Ok(())
        })
    }

    /// The set in Tink's clear-text JSON format. It holds the keys in the clear: keep it in a secret store.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        let json = self.read(|keys| JsonKeySet {
            primary_key_id: keys.primary,
            key: keys
                .entries
                .iter()
                .map(|e| JsonKey {
                    key_data: (e.status != KeyStatus::Destroyed).then(|| JsonKeyData {
                        type_url: format!("{GOOGLE}{}", self.kind.type_name()),
                        value: b64(&*self.kind.encode(&e.material)),
                        key_material_type: "SYMMETRIC".into(),
                    }),
                    status: e.status.name().to_uppercase(),
                    key_id: e.id,
                    output_prefix_type: if e.raw { "RAW" } else { "TINK" }.into(),
                })
                .collect(),
        });
        secret_json(&json)
    }

    /// Reads Tink's clear-text JSON format. All keys must be of one supported kind.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for malformed or unsupported key sets.
    pub fn from_json(text: &str) -> Result<Self> {
        let json: JsonKeySet = serde_json::from_str(text).map_err(|_| {
            Error::InvalidInput("the key set is not valid JSON of Tink's format".into())
        })?;
        let keys = json
            .key
            .iter()
            .map(|k| {
                let (type_url, value) = match &k.key_data {
                    Some(d) => (
                        d.type_url.as_str(),
                        Zeroizing::new(b64_decode(&d.value).ok_or_else(|| {
                            Error::InvalidInput("a key value is not base64".into())
                        })?),
                    ),
                    None => ("", Zeroizing::default()),
                };
                let status = match k.status.as_str() {
                    "ENABLED" => 1,
                    "DISABLED" => 2,
                    "DESTROYED" => 3,
                    _ => 0,
                };
                let prefix = match k.output_prefix_type.as_str() {
                    "TINK" => 1,
                    "RAW" => 3,
                    _ => 0,
                };
                Ok((type_url, value, status, k.key_id, prefix))
            })
            .collect::<Result<Vec<_>>>()?;
        Self::from_parts(json.primary_key_id, keys)
    }

    /// The set as a serialised Tink `Keyset` message, for wrapping under a key-encryption key.
    #[must_use]
    pub fn to_binary(&self) -> Zeroizing<Vec<u8>> {
        self.read(|keys| {
            let room = |e: &Entry| e.material.len() + AROUND;
            let mut w = Writer::new(keys.entries.iter().map(room).sum::<usize>() + AROUND);
            w.uint(1, u64::from(keys.primary));
            for e in &keys.entries {
                let mut key = Writer::new(room(e));
                if e.status != KeyStatus::Destroyed {
                    let mut data = Writer::new(room(e));
                    data.bytes(1, format!("{GOOGLE}{}", self.kind.type_name()).as_bytes())
                        .bytes(2, &self.kind.encode(&e.material))
                        .uint(3, 1);
                    key.bytes(1, &data.0);
                }
                let status = match e.status {
                    KeyStatus::Enabled => 1,
                    KeyStatus::Disabled => 2,
                    KeyStatus::Destroyed => 3,
                };
                key.uint(2, status)
                    .uint(3, u64::from(e.id))
                    .uint(4, if e.raw { 3 } else { 1 });
                w.bytes(2, &key.0);
            }
            w.0
        })
    }

    /// Reads a serialised Tink `Keyset` message.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json).
    pub fn from_binary(message: &[u8]) -> Result<Self> {
        let mut primary = 0;
        let mut keys = Vec::new();
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next()? {
            match field {
                (1, Value::Uint(v)) => primary = v as u32,
                (2, Value::Bytes(b)) => {
                    let (mut type_url, mut value, mut status, mut id, mut prefix) =
                        ("", &[][..], 0, 0, 0);
                    let mut key = Reader::new(b);
                    while let Some(field) = key.next()? {
                        match field {
                            (1, Value::Bytes(data)) => {
                                let mut data = Reader::new(data);
                                while let Some(field) = data.next()? {
                                    match field {
                                        (1, Value::Bytes(b)) => {
                                            type_url = std::str::from_utf8(b).unwrap_or("?")
                                        }
                                        (2, Value::Bytes(b)) => value = b,
                                        _ => {}
                                    }
                                }
                            }
                            (2, Value::Uint(v)) => status = v,
                            (3, Value::Uint(v)) => id = v as u32,
                            (4, Value::Uint(v)) => prefix = v,
                            _ => {}
                        }
                    }
                    keys.push((type_url, Zeroizing::new(value.to_vec()), status, id, prefix));
                }
                _ => {}
            }
        }
        Self::from_parts(primary, keys)
    }

    /// Builds the set from (type URL, key message, status, id, prefix) with protocol buffer numbers.
    #[allow(clippy::type_complexity, reason = "one private caller")]
    fn from_parts(
        primary: u32,
        parts: Vec<(&str, Zeroizing<Vec<u8>>, u64, u32, u64)>,
    ) -> Result<Self> {
        if parts.is_empty() || parts.len() > MAX_KEYS {
            return Err(Error::InvalidInput(format!(
                "a key set has 1 to {MAX_KEYS} keys"
            )));
        }
        let kind = KeyKind::ALL
            .into_iter()
            .find(|k| {
                parts
                    .iter()
                    .any(|p| p.0.strip_prefix(GOOGLE) == Some(k.type_name()))
            })
            .ok_or_else(|| unsupported("a key type"))?;
        let mut keys = Keys {
            primary,
            entries: Vec::new(),
        };
        for (type_url, value, status, id, prefix) in parts {
            if keys.entries.iter().any(|e| e.id == id) {
                return Err(Error::InvalidInput("two keys have the same id".into()));
            }
            let raw = match prefix {
                1 => false,
                3 => true,
                _ => return Err(unsupported("an output prefix other than TINK and RAW")),
            };
            let entry = if status == 3 {
                Entry {
                    id,
                    status: KeyStatus::Destroyed,
                    raw,
                    material: Zeroizing::default(),
                    prepared: Prepared::Bytes,
                }
            } else {
                if type_url.strip_prefix(GOOGLE) != Some(kind.type_name()) {
                    return Err(unsupported("keys of different types"));
                }
                let mut entry = Entry::new(kind, id, kind.decode(&value)?)?;
                entry.raw = raw;
                entry.status = match status {
                    1 => KeyStatus::Enabled,
                    2 => KeyStatus::Disabled,
                    _ => return Err(Error::InvalidInput("a key has no known status".into())),
                };
                entry
            };
            keys.entries.push(entry);
        }
        keys.primary()?;
        Ok(Self::with(kind, keys))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonKeySet {
    primary_key_id: u32,
    key: Vec<JsonKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonKey {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_data: Option<JsonKeyData>,
    status: String,
    key_id: u32,
    output_prefix_type: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonKeyData {
    type_url: String,
    value: String,
    key_material_type: String,
}

impl Drop for JsonKeyData {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn life_cycle() {
        let set = KeySet::generate(KeyKind::Aead).unwrap();
        let first = set.primary_id();
        assert!(set.disable(first).is_err(), "the primary key stays");
        let second = set.rotate().unwrap();
        assert_eq!(set.primary_id(), second);
        set.disable(first).unwrap();
        assert!(set.promote(first).is_err());
        set.enable(first).unwrap();
        set.destroy(first).unwrap();
        assert!(set.enable(first).is_err());
        assert_eq!(set.info()[0].status, KeyStatus::Destroyed);
        assert!(!set.to_json().contains(&format!("{first},\"value\"")));
    }

    #[test]
    fn formats_round_trip() {
        for kind in KeyKind::ALL {
            let set = KeySet::generate(kind).unwrap();
            let old = set.primary_id();
            set.rotate().unwrap();
            set.add().unwrap();
            set.destroy(old).unwrap();
            let json = set.to_json();
            assert_eq!(*KeySet::from_json(&json).unwrap().to_json(), *json);
            let binary = set.to_binary();
            let back = KeySet::from_binary(&binary).unwrap();
            assert_eq!(*back.to_binary(), *binary);
            assert_eq!(back.info(), set.info());
        }
    }

    #[test]
    fn no_buffer_with_keys_grows() {
        for (kind, length) in [
            (KeyKind::Aead, 32),
            (KeyKind::Deterministic, 64),
            (KeyKind::Streaming, 32),
            (KeyKind::Mac, 1024),
        ] {
            let secrets: Vec<Vec<u8>> = (0..50).map(|i| vec![i; length]).collect();
            let secrets: Vec<&[u8]> = secrets.iter().map(Vec::as_slice).collect();
            let set = KeySet::from_secrets(kind, &secrets).unwrap();
            let room = length + AROUND;
            assert_eq!(kind.encode(secrets[0]).capacity(), room);
            assert_eq!(set.to_binary().capacity(), 50 * room + AROUND);
            let json = set.to_json();
            assert_eq!(json.capacity(), json.len());
        }
    }

    #[test]
    fn debug_shows_no_material() {
        let set =
            KeySet::from_secrets(KeyKind::Mac, &[b"0123456789abcdef0123456789abcdef"]).unwrap();
        assert!(!format!("{set:?}").contains("0123456789"));
        assert!(KeySet::from_secrets(KeyKind::Mac, &[b"short"]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_refused_or_read(data: Vec<u8>) {
            let _ = KeySet::from_binary(&data);
            let _ = KeySet::from_json(&String::from_utf8_lossy(&data));
        }
    }
}
