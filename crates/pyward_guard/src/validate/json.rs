//! JSON (RFC 8259) with bounds on size, depth, items, text and digits; a name twice in an object is an error.

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

use crate::{Error, Result};

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// Truth value.
    Bool(bool),
    /// Integer of 64 bits.
    Int(i64),
    /// Integer beyond `i64`, up to 64 bits unsigned.
    Unsigned(u64),
    /// Any other number; finite.
    Float(f64),
    /// Text.
    Text(String),
    /// Array.
    Array(Vec<Json>),
    /// Object, in the order of the text.
    Object(Vec<(String, Json)>),
}

/// Bounds of a JSON text.
#[derive(Debug, Clone, Copy)]
pub struct JsonLimits {
    /// Bytes of the whole.
    pub max_bytes: usize,
    /// Nesting, 127 at most.
    pub max_depth: usize,
    /// Values in all.
    pub max_items: usize,
    /// Bytes of one text or name.
    pub max_text: usize,
}

impl Default for JsonLimits {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 20,
            max_depth: 32,
            max_items: 100_000,
            max_text: 64 << 10,
        }
    }
}

/// Parses JSON within bounds. Integers beyond 64 bits and numbers that overflow a double are errors.
///
/// # Errors
/// [`Error::LimitExceeded`] beyond `limits`, [`Error::InvalidInput`] with the position for what is not JSON, has a name
/// twice or such a number.
pub fn parse_json(text: &[u8], limits: &JsonLimits) -> Result<Json> {
    if text.len() > limits.max_bytes {
        return Err(Error::LimitExceeded(format!(
            "the JSON is larger than {} bytes",
            limits.max_bytes
        )));
    }
    let mut left = limits.max_items;
    let mut exceeded = None;
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let seed = Seed {
        depth: limits.max_depth.min(127),
        left: &mut left,
        max_text: limits.max_text,
        exceeded: &mut exceeded,
    };
    let value = seed
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| match exceeded {
        Some(what) => Error::LimitExceeded(format!("the JSON has {what}")),
        // The parser's own words may hold parts of the text.
        None => Error::InvalidInput(format!(
            "not valid JSON (line {}, column {})",
            error.line(),
            error.column()
        )),
    })
}

struct Seed<'a> {
    depth: usize,
    left: &'a mut usize,
    max_text: usize,
    exceeded: &'a mut Option<&'static str>,
}

impl Seed<'_> {
    fn stop<E: serde::de::Error>(self, what: &'static str) -> E {
        *self.exceeded = Some(what);
        E::custom(what)
    }

    fn inner(&mut self) -> Seed<'_> {
        Seed {
            depth: self.depth - 1,
            left: self.left,
            max_text: self.max_text,
            exceeded: self.exceeded,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<Json, D::Error> {
        let Some(left) = self.left.checked_sub(1) else {
            return Err(self.stop("too many values"));
        };
        *self.left = left;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> std::result::Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<Json, E> {
        Ok(Json::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> std::result::Result<Json, E> {
        Ok(i64::try_from(value).map_or(Json::Unsigned(value), Json::Int))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> std::result::Result<Json, E> {
        // serde_json reads integers beyond 64 bits as floats, which would change them silently.
        if value.fract() == 0.0 && value.abs() >= 18_446_744_073_709_551_616.0 {
            return Err(self.stop("a number that is too large"));
        }
        Ok(Json::Float(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> std::result::Result<Json, E> {
        if value.len() > self.max_text {
            return Err(self.stop("a text that is too long"));
        }
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(
        mut self,
        mut access: A,
    ) -> std::result::Result<Json, A::Error> {
        if self.depth == 0 {
            return Err(self.stop("too many levels"));
        }
        let mut out = Vec::new();
        while let Some(item) = access.next_element_seed(self.inner())? {
            out.push(item);
        }
        Ok(Json::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(
        mut self,
        mut access: A,
    ) -> std::result::Result<Json, A::Error> {
        if self.depth == 0 {
            return Err(self.stop("too many levels"));
        }
        let mut out: Vec<(String, Json)> = Vec::new();
        let mut names = std::collections::HashSet::new();
        while let Some(name) = access.next_key::<String>()? {
            if name.len() > self.max_text {
                return Err(self.stop("a name that is too long"));
            }
            if !names.insert(name.clone()) {
                return Err(A::Error::custom("a name twice"));
            }
            let value = access.next_value_seed(self.inner())?;
            out.push((name, value));
        }
        Ok(Json::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parses_within_bounds() {
        let limits = JsonLimits {
            max_bytes: 100,
            max_depth: 3,
            max_items: 6,
            max_text: 5,
        };
        let parse = |text: &str| parse_json(text.as_bytes(), &limits);
        assert_eq!(
            parse("{\"a\": [1, -2.5, null], \"b\": \"x\"}").unwrap(),
            Json::Object(vec![
                (
                    "a".into(),
                    Json::Array(vec![Json::Int(1), Json::Float(-2.5), Json::Null])
                ),
                ("b".into(), Json::Text("x".into())),
            ])
        );
        assert_eq!(
            parse("18446744073709551615").unwrap(),
            Json::Unsigned(u64::MAX)
        );
        for over in [
            "[[[[1]]]]",
            "[1,2,3,4,5,6]",
            "\"123456\"",
            "{\"123456\":1}",
            &" ".repeat(101),
            "123456789012345678901234567890",
        ] {
            assert!(
                matches!(parse(over), Err(Error::LimitExceeded(_))),
                "{over}"
            );
        }
        for bad in [
            "",
            "{",
            "{\"a\":1,\"a\":2}",
            "NaN",
            "Infinity",
            "1e999",
            "'a'",
            "[1,]",
            "{a:1}",
            "01",
            "1 2",
            "\"\\ud800\"",
            "\"\u{1}\"",
            "// x\n1",
        ] {
            assert!(matches!(parse(bad), Err(Error::InvalidInput(_))), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::collection::vec(prop::sample::select(b"[]{}:,\"\\0123456789.eE+-tfn \xff\xc3\xa9ulrasd".to_vec()), 0..60)) {
            let _ = parse_json(&bytes, &JsonLimits::default());
        }
    }
}
