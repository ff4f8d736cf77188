//! The controls of a camera: exposure, focus, white balance and whatever else its driver offers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::suggest::did_you_mean;

/// A value as the config writes it: a number, a switch, or the words of a menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ControlValue {
    Switch(bool),
    Number(i64),
    Choice(String),
}

/// Wanted values by the control's name.
pub type ControlValues = BTreeMap<String, ControlValue>;

/// One control as `impasto devices` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ControlDescription {
    #[serde(skip)]
    pub(super) id: u32,
    /// As the config names it: "exposure_time_absolute".
    pub name: String,
    pub kind: Kind,
    pub minimum: i64,
    pub maximum: i64,
    pub step: u64,
    pub default: i64,
    pub value: i64,
    /// The entries of a menu with their numbers.
    pub choices: Vec<(i64, String)>,
    /// False while another control, such as an automatic mode, governs it.
    pub active: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Switch,
    Menu,
    Number,
}

/// What is wanted as the driver's numbers: switches and menus first, because automatic modes lock the numbers they govern.
///
/// # Errors
/// An unknown control, or a value out of its range.
pub fn settings<'a>(
    known: &'a [ControlDescription],
    wanted: &ControlValues,
) -> Result<Vec<(&'a ControlDescription, i64)>> {
    let mut settings = Vec::new();
    for (name, value) in wanted {
        let control = known.iter().find(|control| control.name == *name).ok_or_else(|| {
            let names = known.iter().map(|control| control.name.as_str());
            let hint = did_you_mean(name, names);
            Error::usage(format!(
                "[source] controls: the camera has no control `{name}`{hint}; `impasto devices` lists them"
            ))
        })?;
        let number = number_for(control, value).map_err(|what| Error::usage(format!("[source] controls: {what}")))?;
        settings.push((control, number));
    }
    settings.sort_by_key(|(control, _)| control.kind);
    Ok(settings)
}

/// The number that the driver wants for `value`.
fn number_for(control: &ControlDescription, value: &ControlValue) -> Result<i64, String> {
    let name = &control.name;
    let number = match (control.kind, value) {
        (_, ControlValue::Number(number)) => *number,
        (Kind::Switch, ControlValue::Switch(on)) => i64::from(*on),
        (Kind::Menu, ControlValue::Choice(words)) => {
            let entry = control.choices.iter().find(|(_, entry)| entry.eq_ignore_ascii_case(words));
            let entries = || control.choices.iter().map(|(_, entry)| entry.as_str()).collect::<Vec<_>>().join("\", \"");
            return entry
                .map(|(number, _)| *number)
                .ok_or_else(|| format!("{name} = \"{words}\": one of \"{}\"", entries()));
        }
        (Kind::Switch, _) => return Err(format!("{name} is a switch: true or false")),
        (Kind::Menu | Kind::Number, _) => return Err(format!("{name} wants a number")),
    };
    let (minimum, maximum) = (control.minimum, control.maximum);
    let within = (minimum..=maximum).contains(&number);
    within.then_some(number).ok_or_else(|| format!("{name} = {number}: {minimum} to {maximum} is possible"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(kind: Kind) -> ControlDescription {
        let choices = vec![(1, "Manual Mode".to_string()), (3, "Aperture Priority Mode".to_string())];
        ControlDescription {
            id: 1,
            name: "auto_exposure".into(),
            kind,
            minimum: 0,
            maximum: 3,
            step: 1,
            default: 3,
            value: 3,
            choices,
            active: true,
        }
    }

    #[test]
    fn values_fit_their_control_or_say_what_does() {
        let words = |words: &str| ControlValue::Choice(words.into());
        assert_eq!(number_for(&control(Kind::Menu), &words("manual mode")), Ok(1));
        assert_eq!(number_for(&control(Kind::Switch), &ControlValue::Switch(true)), Ok(1));
        assert_eq!(number_for(&control(Kind::Number), &ControlValue::Number(2)), Ok(2));
        let error = |kind, value| number_for(&control(kind), &value).unwrap_err();
        assert_eq!(error(Kind::Number, ControlValue::Number(9)), "auto_exposure = 9: 0 to 3 is possible");
        assert!(error(Kind::Menu, words("night")).contains("one of \"Manual Mode\", \"Aperture Priority Mode\""));
        assert!(error(Kind::Switch, words("on")).contains("true or false"));
    }
}
