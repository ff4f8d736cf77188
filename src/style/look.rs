//! The look: one small value that says how a stream is painted. Config, flags and API all read and write it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::manifest::{Manifest, Style};
use super::share;
use super::steadiness::Steadiness;
use super::stroke::Stroke;
use super::weights::Weights;
use crate::error::{Error, Result};

/// The largest weight of a style before the weights are brought to a sum of 1.
pub const MAX_WEIGHT: f32 = 1000.0;

/// The longest cross-fade, in milliseconds.
pub const MAX_FADE_MS: u32 = 60_000;

/// How a stream is painted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Look {
    /// The styles and their weights; none means the first style of the network that paints.
    pub styles: Mix,
    /// How much of the painted picture is seen: 0 (the source) to 1.
    pub strength: f32,
    /// Paint the luminance only, and keep the source's chroma.
    pub keep_colours: bool,
    /// What is done against flicker.
    pub steadiness: Steadiness,
    /// How large strokes and forms are.
    pub stroke: Stroke,
    /// How long a change to this look takes, in milliseconds: 0 to [`MAX_FADE_MS`].
    pub fade_ms: u32,
}

/// A change of some parts of a look; what is not named stays. It is also the flags of the command line.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub struct LookPatch {
    /// Style to paint with, or a mix of one network's styles: a=0.7,b=0.3; `impasto styles` lists them
    #[arg(long = "style", env = "IMPASTO_STYLE", value_name = "NAME[=WEIGHT],..")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub styles: Option<Mix>,
    /// How much of the painted picture is seen: 0 (the source) to 1
    #[arg(long, env = "IMPASTO_STRENGTH", value_name = "0..1", value_parser = share::parse)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strength: Option<f32>,
    /// Paint the luminance only, and keep the colours of the source
    #[arg(long, env = "IMPASTO_KEEP_COLOURS", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_colours: Option<bool>,
    /// How firmly still areas are held against flicker: 0 (not at all) to 1. In files, flow holds what moves too
    #[arg(long, env = "IMPASTO_STEADINESS", value_name = "0..1|flow")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steadiness: Option<Steadiness>,
    /// How large strokes and forms are: 0 (small) to 1 (large), or auto, by the size of the picture
    #[arg(long, env = "IMPASTO_STROKE", value_name = "0..1|auto")]
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub stroke: Option<Stroke>,
    /// How long a change of the look takes
    #[arg(long, env = "IMPASTO_FADE_MS", value_name = "MILLISECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fade_ms: Option<u32>,
}

/// Styles with weights, as `{ "a": 0.7, "b": 0.3 }` or as the text `a=0.7,b=0.3`; a name alone has the weight 1.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct Mix(pub BTreeMap<String, f32>);

/// What a look comes down to for one network.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedLook {
    /// One weight for each row of the style input; none for a network without one.
    pub weights: Weights,
    /// How much of the painted picture is seen: 0 to 1.
    pub strength: f32,
    /// How much of the source's chroma is kept: 0 or 1, or between while a change fades in.
    pub colours: f32,
    pub steadiness: Steadiness,
    pub fade: Duration,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            styles: Mix::default(),
            strength: 1.0,
            keep_colours: false,
            steadiness: Steadiness::NONE,
            stroke: Stroke::Auto,
            fade_ms: 500,
        }
    }
}

impl Look {
    /// This look with what `patch` names replaced.
    pub fn patched(&self, patch: &LookPatch) -> Self {
        Self {
            styles: patch.styles.clone().unwrap_or_else(|| self.styles.clone()),
            strength: patch.strength.unwrap_or(self.strength),
            keep_colours: patch.keep_colours.unwrap_or(self.keep_colours),
            steadiness: patch.steadiness.unwrap_or(self.steadiness),
            stroke: patch.stroke.unwrap_or(self.stroke),
            fade_ms: patch.fade_ms.unwrap_or(self.fade_ms),
        }
    }

    /// Checks all numbers; names are checked by [`Catalog::resolve`](super::Catalog::resolve).
    ///
    /// # Errors
    /// Names the part, its value and what is possible.
    pub fn check(&self) -> Result<()> {
        let steadiness = match self.steadiness {
            Steadiness::Still(firmness) => firmness,
            Steadiness::Flow => 1.0,
        };
        let stroke = match self.stroke {
            Stroke::Of(size) => size,
            Stroke::Auto => 0.0,
        };
        for (part, value) in [("strength", self.strength), ("steadiness", steadiness), ("stroke", stroke)] {
            share::check(value).map_err(|what| Error::usage(format!("{part} = {what}")))?;
        }
        if self.fade_ms > MAX_FADE_MS {
            return Err(Error::usage(format!("fade_ms = {}: 0 to {MAX_FADE_MS} is possible", self.fade_ms)));
        }
        self.styles.check()
    }

    /// Checks that a stream can be painted so.
    ///
    /// # Errors
    /// It is a look for films.
    pub fn check_live(&self) -> Result<()> {
        match self.steadiness {
            Steadiness::Still(_) => Ok(()),
            Steadiness::Flow => Err(Error::usage(
                "steadiness = flow: it is for films, `impasto file`; a stream takes a number from 0 to 1",
            )),
        }
    }

    /// What of it `network` cannot do, in words.
    pub fn note_on(&self, network: &Manifest) -> Option<String> {
        let is_in_vain = self.stroke != Stroke::Auto && !network.styles.iter().any(Style::has_stroke);
        is_in_vain.then(|| {
            let (stroke, network) = (self.stroke, &network.name);
            format!("stroke = {stroke} changes nothing: network `{network}` has learnt its styles in one size")
        })
    }

    /// This look, resolved, with these weights.
    pub fn resolved(&self, weights: Weights) -> ResolvedLook {
        ResolvedLook {
            weights,
            strength: self.strength,
            colours: if self.keep_colours { 1.0 } else { 0.0 },
            steadiness: self.steadiness,
            fade: Duration::from_millis(self.fade_ms.into()),
        }
    }
}

/// A value that is given, null too.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Stroke>, D::Error> {
    Stroke::deserialize(deserializer).map(Some)
}

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

    fn check(&self) -> Result<()> {
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

    #[test]
    fn json_is_what_the_api_shows() {
        let text = r#"{"styles":{"great_wave":0.3,"starry_night":0.7},"strength":1.0,"keep_colours":false,"steadiness":0.3,"stroke":0.5,"fade_ms":500}"#;
        let look: Look = serde_json::from_str(text).unwrap();
        assert_eq!(look.styles.0["starry_night"], 0.7);
        assert_eq!(serde_json::to_string(&look).unwrap(), text);
        let patch: LookPatch = serde_json::from_str(r#"{"styles": "starry_night", "strength": 0.5}"#).unwrap();
        let patched = look.patched(&patch);
        assert_eq!(patched.styles, Mix::only("starry_night"));
        assert_eq!((patched.strength, patched.steadiness, patched.fade_ms), (0.5, Steadiness::Still(0.3), 500));
        let flow: LookPatch = serde_json::from_str(r#"{"steadiness":"flow"}"#).unwrap();
        assert_eq!((flow.steadiness, patched.patched(&flow).check()), (Some(Steadiness::Flow), Ok(())));
        assert_eq!(serde_json::to_string(&flow).unwrap(), r#"{"steadiness":"flow"}"#);
        let automatic: LookPatch = serde_json::from_str(r#"{"stroke":null}"#).unwrap();
        assert_eq!((patched.stroke, patched.patched(&automatic).stroke), (Stroke::Of(0.5), Stroke::Auto));
        assert_eq!(serde_json::to_string(&automatic).unwrap(), r#"{"stroke":"auto"}"#);
        assert!(patched.check_live().is_ok() && patched.patched(&flow).check_live().is_err());
        assert_eq!(serde_json::to_string(&patch).unwrap(), r#"{"styles":{"starry_night":1.0},"strength":0.5}"#);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let with = |text: &str| -> Result<(), String> {
            let patch: LookPatch = serde_json::from_str(text).map_err(|error| error.to_string())?;
            Look::default().patched(&patch).check().map_err(|error| error.to_string())
        };
        for (text, message) in [
            (r#"{"strength": 1.5}"#, "strength = 1.5: 0 to 1 is possible"),
            (r#"{"strength": -0.1}"#, "strength = -0.1: 0 to 1"),
            (r#"{"steadiness": 1e30}"#, "steadiness = 1000000000000000000000000000000: 0 to 1"),
            (r#"{"steadiness": "still"}"#, "`still` is neither a number from 0 to 1 nor `flow`"),
            (r#"{"steadiness": "nan"}"#, "`nan` is neither a number"),
            (r#"{"stroke": 1.5}"#, "stroke = 1.5: 0 to 1 is possible"),
            (r#"{"stroke": "big"}"#, "`big` is neither a number from 0 to 1 nor `auto`"),
            (r#"{"stroke": "nan"}"#, "`nan` is neither a number"),
            (r#"{"stroke": true}"#, "a number from 0 to 1, \"auto\" or null"),
            (r#"{"fade_ms": 60001}"#, "fade_ms = 60001: 0 to 60000"),
            (r#"{"fade_ms": -1}"#, "invalid value: integer `-1`"),
            (r#"{"styles": {"a": -1}}"#, "weight of style `a` = -1: 0 to 1000"),
            (r#"{"styles": {"a": 1e300}}"#, "weight of style `a` = inf"),
            (r#"{"styles": "a=nan"}"#, "weight of style `a` = NaN"),
            (r#"{"styles": "a=x"}"#, "`a=x`: `x` is not a number"),
            (r#"{"styles": "a,a=2"}"#, "style `a` is named twice"),
            (r#"{"styles": {"a": 0, "b": 0}}"#, "every style of the mix has the weight 0"),
            (r#"{"styles": 7}"#, "expected style names with weights, or a text such as"),
            (r#"{"keep_colors": true}"#, "unknown field `keep_colors`"),
        ] {
            let error = with(text).expect_err(text);
            assert!(error.contains(message), "{text}: {error}");
        }
        let nan = Look { steadiness: Steadiness::Still(f32::NAN), ..Look::default() };
        assert!(nan.check().is_err());
        assert_eq!(with(r#"{"styles": "a=0, b = 1000", "strength": 0, "keep_colours": true}"#), Ok(()));
    }

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
