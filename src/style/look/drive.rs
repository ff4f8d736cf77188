//! What drives numbers of the look in place of a hand: which there are, what the sound does to each, and what comes of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::declare::PARAMETERS;
use super::parameter::Driven;
use super::resolved::ResolvedLook;
use crate::error::{Error, Result};
use crate::style::share;
use crate::style::steadiness::Steadiness;
use crate::suggest::did_you_mean;

/// The longest time to follow the sound.
const LONGEST_MS: u32 = 10_000;

/// The number of the look that the sound can drive by the name of a parameter.
///
/// # Errors
/// There is no such parameter, or it is no number that can be driven.
pub fn driven(parameter: &str) -> Result<Driven, String> {
    let known = || PARAMETERS.iter().filter(|known| known.driven.is_some()).map(|known| known.name);
    let found = PARAMETERS.iter().find(|known| known.name == parameter);
    found.and_then(|found| found.driven).ok_or_else(|| {
        let what = if found.is_some() { "sound cannot drive it" } else { "a look has no such parameter" };
        let hint = did_you_mean(parameter, known());
        format!("`{parameter}`: {what}{hint}; it drives {}", known().collect::<Vec<_>>().join(", "))
    })
}

/// What of the sound drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Band {
    /// All of it.
    Level,
    /// Below 250 Hz.
    Low,
    /// From 250 Hz to 4 kHz.
    Mid,
    /// Above 4 kHz.
    High,
}

/// How loud the sound is, as a whole and in each band: 0 (48 dB below a full-scale sine, or less) to 1 (8 dB below, or more).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Levels {
    pub level: f32,
    pub low: f32,
    pub mid: f32,
    pub high: f32,
}

impl Levels {
    /// Each by `change`.
    pub fn map(self, change: impl Fn(f32) -> f32) -> Self {
        let Self { level, low, mid, high } = self;
        Self { level: change(level), low: change(low), mid: change(mid), high: change(high) }
    }

    pub fn of(&self, band: Band) -> f32 {
        match band {
            Band::Level => self.level,
            Band::Low => self.low,
            Band::Mid => self.mid,
            Band::High => self.high,
        }
    }
}

/// What the sound does to a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drive {
    pub by: Band,
    /// What it is in silence: 0 to 1.
    #[serde(default)]
    pub from: f32,
    /// What it is where the sound is loud: 0 to 1, also less than `from`.
    #[serde(default = "one")]
    pub to: f32,
    /// The time constant with which it follows a rise of the sound: 0 (at once) to 10000.
    #[serde(default = "attack_ms")]
    pub attack_ms: u32,
    /// The same for a fall.
    #[serde(default = "release_ms")]
    pub release_ms: u32,
}

fn one() -> f32 {
    1.0
}

/// Fast enough for a drum.
fn attack_ms() -> u32 {
    30
}

/// Slow enough not to flicker.
fn release_ms() -> u32 {
    300
}

impl Drive {
    /// By this band, over the whole range.
    pub fn by(by: Band) -> Self {
        Self { by, from: 0.0, to: one(), attack_ms: attack_ms(), release_ms: release_ms() }
    }

    /// # Errors
    /// Numbers that cannot be.
    pub fn check(&self) -> Result<()> {
        for (name, end) in [("from", self.from), ("to", self.to)] {
            share::check(end).map_err(|what| Error::usage(format!("{name} = {what}")))?;
        }
        for (name, time) in [("attack_ms", self.attack_ms), ("release_ms", self.release_ms)] {
            if time > LONGEST_MS {
                return Err(Error::usage(format!("{name} = {time}: 0 to {LONGEST_MS} is possible")));
            }
        }
        Ok(())
    }

    /// What the parameter is at this level of the sound.
    pub fn value(&self, level: f32) -> f32 {
        self.from + (self.to - self.from) * level
    }
}

/// What the sound drives: by the names of the parameters.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Drives(pub BTreeMap<String, Drive>);

impl Drives {
    /// # Errors
    /// A parameter that cannot be driven, with the nearest that can, or numbers that cannot be.
    pub fn check(&self) -> Result<()> {
        for (parameter, drive) in &self.0 {
            driven(parameter).map_err(Error::usage)?;
            drive.check().map_err(|error| error.map_text(|text| format!("`{parameter}`: {text}")))?;
        }
        Ok(())
    }
}

/// What the look's numbers are driven to now.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Modulation([Driving; Driven::COUNT]);

/// What one number is driven to.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Driving {
    /// 0 to 1.
    pub value: f32,
    /// How far that has taken the place of the look's own: 0 to 1.
    pub share: f32,
}

impl Modulation {
    pub fn set(&mut self, driven: Driven, driving: Driving) {
        self.0[driven as usize] = driving;
    }

    /// Drives a look that is about to be painted. Allocates nothing.
    pub fn drive(&self, look: &mut ResolvedLook) {
        let mixed = |driven: Driven| {
            let Driving { value, share } = self.0[driven as usize];
            move |own: f32| if share > 0.0 { own + (value - own) * share } else { own }
        };
        look.strength = mixed(Driven::Strength)(look.strength);
        look.colours = mixed(Driven::Colours)(look.colours);
        if let Steadiness::Still(firmness) = &mut look.steadiness {
            *firmness = mixed(Driven::Steadiness)(*firmness);
        }
        look.mask.feather = mixed(Driven::MaskFeather)(look.mask.feather);
        look.weights.drive_stroke(mixed(Driven::Stroke));
        if let Some(weights) = &mut look.beside {
            weights.drive_stroke(mixed(Driven::Stroke));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::look::Kind;

    #[test]
    fn every_share_can_be_driven_and_each_number_belongs_to_one_parameter() {
        let all: Vec<_> = PARAMETERS.iter().filter_map(|parameter| parameter.driven).collect();
        assert_eq!(all.len(), Driven::COUNT);
        assert!((0..Driven::COUNT).all(|place| all.iter().any(|driven| *driven as usize == place)));
        for parameter in PARAMETERS.iter().filter(|parameter| matches!(parameter.kind, Kind::Share { .. })) {
            assert!(driven(parameter.name).is_ok(), "{}", parameter.name);
        }
    }

    #[test]
    fn what_cannot_be_driven_is_refused_in_words() {
        let refused = |text: &str| {
            let read: Result<Drives, String> = serde_json::from_str(text).map_err(|error| error.to_string());
            read.and_then(|drives| drives.check().map_err(|error| error.to_string())).expect_err(text)
        };
        for (text, words) in [
            (r#"{"strenght": {"by": "low"}}"#, "`strenght`: a look has no such parameter; did you mean `strength`?"),
            (r#"{"fade_ms": {"by": "low"}}"#, "`fade_ms`: sound cannot drive it"),
            (r#"{"strength": {"by": "bass"}}"#, "unknown variant `bass`"),
            (r#"{"strength": {}}"#, "missing field `by`"),
            (r#"{"strength": {"by": "low", "from": -0.5}}"#, "`strength`: from = -0.5: 0 to 1 is possible"),
            (r#"{"strength": {"by": "low", "to": 1.5}}"#, "`strength`: to = 1.5: 0 to 1 is possible"),
            (r#"{"strength": {"by": "low", "attack_ms": 10001}}"#, "attack_ms = 10001: 0 to 10000 is possible"),
        ] {
            assert!(refused(text).contains(words), "{text}: {}", refused(text));
        }
        let inverse: Drive = serde_json::from_str(r#"{"by": "high", "from": 1, "to": 0.5}"#).unwrap();
        assert!(inverse.check().is_ok());
        assert_eq!([0.0, 0.5, 1.0].map(|level| inverse.value(level)), [1.0, 0.75, 0.5]);
    }
}
