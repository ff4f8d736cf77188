//! What a control of a MIDI device does: a value of seven bits as a parameter of the look, and the other way round.

use super::contract::MidiTarget;
use super::message::{Control, Kind as Sends, MOST};
use crate::control::desk::{Wish, change};
use crate::style::look::{Kind, PARAMETERS, Parameter};
use crate::style::{Look, LookPatch};
use crate::suggest::did_you_mean;

/// Values from here on press a button.
const PRESSED: u8 = 64;

/// # Errors
/// It is not one thing that a control can do, with the nearest name of a parameter.
pub fn check(target: &MidiTarget) -> Result<(), String> {
    let MidiTarget { parameter, style, preset, .. } = target;
    let given = [parameter, style, preset].into_iter().flatten().count();
    if given != 1 {
        return Err("a control does one thing: name a parameter, a style or a preset".into());
    }
    parameter.as_ref().map_or(Ok(()), |name| bindable(name).map(|_| ()))
}

/// # Errors
/// Keys have no range to go through: they paint with presets.
pub fn check_for(target: &MidiTarget, control: Control) -> Result<(), String> {
    check(target)?;
    match (control.kind, &target.preset) {
        (Sends::Note, None) => {
            Err(format!("{control} is a key: it paints with a preset; knobs and faders (cc) set numbers"))
        }
        _ => Ok(()),
    }
}

fn bindable(name: &str) -> Result<&'static Parameter, String> {
    let bindable = |parameter: &&Parameter| text(parameter, 0).is_some();
    let known = || PARAMETERS.iter().filter(bindable).map(|parameter| parameter.name);
    let found = PARAMETERS.iter().find(|parameter| parameter.name == name);
    found.filter(bindable).ok_or_else(|| {
        let what = if found.is_some() { "no control can set it" } else { "a look has no such parameter" };
        let hint = did_you_mean(name, known());
        format!("`{name}`: {what}{hint}; controls set {}", known().collect::<Vec<_>>().join(", "))
    })
}

/// What is wished when the control is at `value`; none where it does nothing there.
pub fn wish(target: &MidiTarget, value: u8) -> Option<Wish> {
    let share = f32::from(value) / f32::from(MOST);
    match target {
        MidiTarget { parameter: Some(name), .. } => {
            let text = text(bindable(name).ok()?, value)?;
            LookPatch::read(name, &text).and_then(change).ok()
        }
        MidiTarget { style: Some(style), .. } => Some(Wish::Weight(style.clone(), share)),
        MidiTarget { preset: Some(preset), .. } => (value >= PRESSED).then(|| Wish::Preset(preset.clone())),
        _ => None,
    }
}

/// Where the control is to be for the look as it is; none if that cannot be said.
pub fn position(target: &MidiTarget, look: &Look) -> Option<u8> {
    let share = |share: f32| (share * f32::from(MOST)).round() as u8;
    match target {
        MidiTarget { parameter: Some(name), .. } => {
            let place = PARAMETERS.iter().position(|parameter| parameter.name == name)?;
            let text = look.texts().swap_remove(place);
            match PARAMETERS[place].kind {
                Kind::Share { .. } => text.parse().ok().map(share),
                Kind::Switch { .. } => Some(if text == "true" { MOST } else { 0 }),
                Kind::Choice(words) => {
                    let word = words.iter().position(|(word, _)| *word == text)?;
                    // The middle of its part of the way.
                    u8::try_from((word * 2 + 1) * STEPS / (words.len() * 2)).ok()
                }
                Kind::Milliseconds { usual, .. } => Some(share((text.parse::<f32>().ok()? / usual as f32).min(1.0))),
                Kind::Mix | Kind::Text { .. } => None,
            }
        }
        MidiTarget { style: Some(style), .. } => {
            Some(share(look.styles.0.get(style).copied().unwrap_or_default().min(1.0)))
        }
        _ => None,
    }
}

/// Values that a control can have.
const STEPS: usize = MOST as usize + 1;

/// The value as the command line has it; none for what a control cannot set.
fn text(parameter: &Parameter, value: u8) -> Option<String> {
    let share = f32::from(value) / f32::from(MOST);
    match parameter.kind {
        Kind::Share { .. } => Some(share.to_string()),
        Kind::Switch { .. } => Some((value >= PRESSED).to_string()),
        Kind::Choice(words) => Some(words[usize::from(value) * words.len() / STEPS].0.into()),
        Kind::Milliseconds { usual, .. } => Some((share * usual as f32).round().to_string()),
        Kind::Mix | Kind::Text { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str) -> MidiTarget {
        MidiTarget { parameter: Some(name.into()), ..MidiTarget::default() }
    }

    fn set(name: &str, value: u8) -> Look {
        match wish(&parameter(name), value) {
            Some(Wish::Look(patch)) => Look::default().patched(&patch),
            other => panic!("{name} {value}: {other:?}"),
        }
    }

    #[test]
    fn the_whole_way_of_a_knob_is_the_whole_range_of_each_parameter() {
        assert_eq!([0, 127].map(|value| set("strength", value).strength), [0.0, 1.0]);
        assert_eq!([0, 63, 64, 127].map(|value| set("keep_colours", value).keep_colours), [false, false, true, true]);
        let masks = [0, 42, 43, 85, 86, 127].map(|value| set("mask", value).mask.to_string());
        assert_eq!(masks, ["off", "off", "person", "person", "background", "background"]);
        assert_eq!([0, 127].map(|value| set("fade_ms", value).fade_ms), [0, 5000]);
        let mut bound = 0;
        for known in PARAMETERS.iter().filter(|known| bindable(known.name).is_ok()) {
            for value in 0..=MOST {
                let look = set(known.name, value);
                let shown = position(&parameter(known.name), &look).unwrap();
                assert_eq!(set(known.name, shown), look, "{} at {value} shows {shown}", known.name);
            }
            bound += 1;
        }
        assert_eq!(bound, PARAMETERS.len() - 2, "all but the mix and what is a text");
    }

    #[test]
    fn styles_have_weights_and_presets_are_pressed() {
        let style = MidiTarget { style: Some("a".into()), ..MidiTarget::default() };
        assert_eq!(wish(&style, 127), Some(Wish::Weight("a".into(), 1.0)));
        let look = Look { styles: "a=0.25,b=0.75".parse().unwrap(), ..Look::default() };
        assert_eq!(position(&style, &look), Some(32));
        assert_eq!(position(&style, &Look::default()), Some(0));
        let preset = MidiTarget { preset: Some("dusk".into()), ..MidiTarget::default() };
        assert_eq!([0, 63, 64, 127].map(|value| wish(&preset, value).is_some()), [false, false, true, true]);
        assert_eq!(position(&preset, &look), None);
        let automatic = Look::default();
        assert_eq!(position(&parameter("stroke"), &automatic), None, "a word has no place on a knob");
    }

    #[test]
    fn what_no_control_can_do_is_refused_in_words() {
        let refused = |target: &MidiTarget, control: &str| check_for(target, control.parse().unwrap()).unwrap_err();
        assert!(refused(&MidiTarget::default(), "1-cc-7").contains("name a parameter, a style or a preset"));
        let both = MidiTarget { preset: Some("dusk".into()), ..parameter("strength") };
        assert!(refused(&both, "1-cc-7").contains("does one thing"));
        assert!(refused(&parameter("strenght"), "1-cc-7").contains("did you mean `strength`?"));
        assert!(refused(&parameter("mask_other"), "1-cc-7").contains("no control can set it"));
        assert!(refused(&parameter("strength"), "1-note-7").contains("it paints with a preset"));
        let preset = MidiTarget { preset: Some("dusk".into()), ..MidiTarget::default() };
        assert_eq!(
            (check_for(&preset, "1-note-7".parse().unwrap()), check_for(&preset, "1-cc-7".parse().unwrap())),
            (Ok(()), Ok(()))
        );
    }
}
