//! What is done against flicker: a part of the look.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::share;

/// The word for [`Steadiness::Flow`].
const FLOW: &str = "flow";

/// What is done against flicker: a number, or the word `flow`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Steadiness {
    /// How firmly still areas are held: 0 (not at all) to 1.
    Still(f32),
    /// What moves is held too, along the motion of the source: for films.
    Flow,
}

impl Steadiness {
    /// Each picture is shown as it is painted.
    pub const NONE: Self = Self::Still(0.0);

    /// True if what is painted depends on the pictures before.
    pub fn remembers(self) -> bool {
        self != Self::NONE
    }
}

impl FromStr for Steadiness {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            FLOW => Ok(Self::Flow),
            _ => share::parse(text)
                .map(Self::Still)
                .map_err(|_| format!("`{text}` is neither a number from 0 to 1 nor `{FLOW}`")),
        }
    }
}

impl fmt::Display for Steadiness {
    /// As [`FromStr`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Still(firmness) => write!(f, "{firmness}"),
            Self::Flow => f.write_str(FLOW),
        }
    }
}

impl Serialize for Steadiness {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Still(firmness) => serializer.serialize_f32(*firmness),
            Self::Flow => serializer.serialize_str(FLOW),
        }
    }
}

impl<'de> Deserialize<'de> for Steadiness {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Steadiness;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "a number from 0 to 1, or \"{FLOW}\"")
            }

            fn visit_f64<E: de::Error>(self, firmness: f64) -> Result<Steadiness, E> {
                Ok(Steadiness::Still(firmness as f32))
            }

            fn visit_i64<E: de::Error>(self, firmness: i64) -> Result<Steadiness, E> {
                Ok(Steadiness::Still(firmness as f32))
            }

            fn visit_u64<E: de::Error>(self, firmness: u64) -> Result<Steadiness, E> {
                Ok(Steadiness::Still(firmness as f32))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Steadiness, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}
