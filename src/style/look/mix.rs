//! The mix: styles of one network with their weights.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Error, Result};

/// The largest weight of a style before the weights are brought to a sum of 1.
pub const MAX_WEIGHT: f32 = 1000.0;

/// Styles with weights, as `{ "a": 0.7, "b": 0.3 }` or as the text `a=0.7,b=0.3`; a name alone has the weight 1.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct Mix(pub BTreeMap<String, f32>);

impl Mix {
    /// One style alone.
    pub fn only(style: impl Into<String>) -> Self {
        Self(BTreeMap::from([(style.into(), 1.0)]))
    }

    /// The names that are in it; those with the weight 0 too.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The same mix with a sum of 1; nothing for an empty one.
    pub fn normalised(&self) -> Self {
        let sum: f32 = self.0.values().sum();
        Self(self.0.iter().map(|(style, weight)| (style.clone(), weight / sum)).collect())
    }

    /// # Errors
    /// Names the weight, or what is wrong with all of them.
    pub(super) fn check(&self) -> Result<()> {
        self.0.iter().try_for_each(|(style, weight)| check_weight(style, *weight)).map_err(Error::usage)?;
        if !self.0.is_empty() && self.0.values().all(|&weight| weight < f32::MIN_POSITIVE) {
            return Err(Error::usage("every style of the mix has the weight 0: one must have more"));
        }
        Ok(())
    }
}

fn check_weight(style: &str, weight: f32) -> Result<(), String> {
    match (0.0..=MAX_WEIGHT).contains(&weight) {
        true => Ok(()),
        false => Err(format!("weight of style `{style}` = {weight}: 0 to {MAX_WEIGHT} is possible")),
    }
}

impl FromStr for Mix {
    type Err = String;

    /// Reads `a=0.7,b=0.3` or `a`; the empty text is the empty mix.
    fn from_str(text: &str) -> Result<Self, String> {
        // The file of a painting may be called so.
        if text.contains([',', '=']) && Path::new(text).is_file() {
            return Ok(Self::only(text));
        }
        let mut mix = BTreeMap::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (style, weight) = match part.split_once('=') {
                None => (part, 1.0),
                Some((style, weight)) => {
                    let weight = weight.trim().parse().map_err(|_| format!("`{part}`: `{weight}` is not a number"))?;
                    (style.trim(), weight)
                }
            };
            check_weight(style, weight)?;
            if mix.insert(style.to_string(), weight).is_some() {
                return Err(format!("style `{style}` is named twice"));
            }
        }
        Ok(Self(mix))
    }
}

impl fmt::Display for Mix {
    /// As [`FromStr`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (style, weight)) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            match weight {
                1.0 => write!(f, "{comma}{style}")?,
                weight => write!(f, "{comma}{style}={weight}")?,
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Mix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Mix;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("style names with weights, or a text such as \"a=0.7,b=0.3\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Mix, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Mix, A::Error> {
                let mut mix = BTreeMap::new();
                while let Some((style, weight)) = map.next_entry()? {
                    mix.insert(style, weight);
                }
                Ok(Mix(mix))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_mix_survives_text_and_json(mix in proptest::collection::btree_map("[a-z_]{1,8}", 0.0f32..1000.0, 0..5)) {
            let mix = Mix(mix);
            prop_assert_eq!(&mix.to_string().parse::<Mix>().unwrap(), &mix);
            let json = serde_json::to_string(&mix).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Mix>(&json).unwrap(), &mix);
            if mix.check().is_ok() && !mix.0.is_empty() {
                let sum: f32 = mix.normalised().0.values().sum();
                prop_assert!((sum - 1.0).abs() < 1e-5);
            }
        }
    }
}
