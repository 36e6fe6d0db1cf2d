//! An owner's context in whatever serde writes: a text, or nothing.

use super::OwnerContext;
use serde::de::{IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A text or nothing: `null` in JSON.
impl Serialize for OwnerContext {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text().as_deref().serialize(serializer)
    }
}

/// A field that is not there is nothing, too, as with any option.
impl<'de> Deserialize<'de> for OwnerContext {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(Written)
    }
}

struct Written;

impl<'de> Visitor<'de> for Written {
    type Value = OwnerContext;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what an `OwnerContext` was written as: a text, or nothing")
    }

    fn visit_none<E>(self) -> Result<OwnerContext, E> {
        Ok(OwnerContext::default())
    }

    fn visit_unit<E>(self) -> Result<OwnerContext, E> {
        Ok(OwnerContext::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<OwnerContext, D::Error> {
        // Production shall not fail for what it does not use. Formats that cannot skip what they do not know have a text.
        if cfg!(not(feature = "sandbox")) && deserializer.is_human_readable() {
            IgnoredAny::deserialize(deserializer)?;
            return Ok(OwnerContext::default());
        }
        deserializer.deserialize_str(self)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<OwnerContext, E> {
        text.parse().map_err(E::custom)
    }
}
