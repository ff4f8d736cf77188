//! The look: one small value that says how a stream is painted. Config, flags and API all read and write it.
//!
//! Its parameters are declared in `parameters.rs`, and nowhere else.

mod declare;
mod drive;
mod mix;
mod parameter;
mod parameters;
mod resolved;

use std::time::Duration;

use super::manifest::{Manifest, Style};
use super::mask::MaskAmounts;
use super::steadiness::Steadiness;
use super::stroke::Stroke;
use super::weights::Weights;
use crate::error::{Error, Result};

pub use declare::{Look, LookPatch, PARAMETERS};
pub use drive::{Band, Drive, Drives, Driving, Levels, Modulation, driven};
pub use mix::{MAX_WEIGHT, Mix};
pub use parameter::{Driven, Kind, Parameter, Told, Word};
pub(crate) use parameters::look_parameters;
pub use resolved::ResolvedLook;

impl Look {
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

    /// Which part is painted.
    pub fn mask_amounts(&self) -> MaskAmounts {
        MaskAmounts::new(self.mask, self.mask_invert, self.mask_feather, self.mask_other.clone())
    }

    /// The styles that it takes, also that of the part which is not masked.
    pub fn style_names(&self) -> impl Iterator<Item = &str> {
        self.styles.names().chain(self.mask_other.style())
    }

    /// This look, resolved, with these weights; and with those `beside` it, where the other part has a style of its own.
    pub fn resolved(&self, weights: Weights, beside: Option<Weights>) -> ResolvedLook {
        ResolvedLook {
            weights,
            beside,
            strength: self.strength,
            colours: if self.keep_colours { 1.0 } else { 0.0 },
            steadiness: self.steadiness,
            mask: self.mask_amounts(),
            fade: Duration::from_millis(self.fade_ms.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_what_the_api_shows() {
        let text = r#"{"styles":{"great_wave":0.3,"starry_night":0.7},"strength":1.0,"keep_colours":false,"steadiness":0.3,"stroke":0.5,"mask":"off","mask_invert":false,"mask_feather":0.0,"mask_other":"source","fade_ms":500}"#;
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
}
