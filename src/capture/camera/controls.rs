//! The controls of a camera: exposure, focus, white balance and whatever else its driver offers.

use std::collections::BTreeMap;
use std::os::raw::c_ulong;

use serde::{Deserialize, Serialize};
use v4l::v4l_sys::{self, v4l2_control, v4l2_query_ext_ctrl, v4l2_querymenu};
use v4l::v4l2::vidioc;

use crate::error::{Error, Result};
use crate::suggest::did_you_mean;
use crate::v4l2::{Argument, ioctl, text_of};

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
    id: u32,
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

/// The controls that can be set to a number, a switch or a menu entry.
pub fn list(device: &v4l::Device) -> Vec<ControlDescription> {
    let mut controls = Vec::new();
    let mut query = v4l2_query_ext_ctrl::zeroed();
    loop {
        query.id |= v4l_sys::V4L2_CTRL_FLAG_NEXT_CTRL;
        if ioctl(device, &mut query).is_err() {
            return controls;
        }
        controls.extend(describe(device, &query));
    }
}

/// Sets every wanted value: switches and menus first, because automatic modes lock the numbers they govern.
///
/// # Errors
/// An unknown control, a value out of its range, or one that the camera refuses; the rest of them is not set then.
pub fn apply(device: &v4l::Device, wanted: &ControlValues) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let known = list(device);
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
        settings.push((control.kind, control, number));
    }
    settings.sort_by_key(|(kind, ..)| *kind);
    for (_, control, value) in settings {
        let mut argument = v4l2_control { id: control.id, value: value as i32 };
        ioctl(device, &mut argument).map_err(|error| {
            let name = &control.name;
            let why = if control.active { "" } else { "; an automatic mode governs it: switch that off too" };
            Error::input(format!("the camera refuses {name} = {value}: {error}{why}"))
        })?;
    }
    Ok(())
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

fn describe(device: &v4l::Device, query: &v4l2_query_ext_ctrl) -> Option<ControlDescription> {
    let kind = match query.type_ {
        v4l_sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER => Kind::Number,
        v4l_sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_BOOLEAN => Kind::Switch,
        v4l_sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_MENU | v4l_sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER_MENU => Kind::Menu,
        _ => return None,
    };
    if query.flags & (v4l_sys::V4L2_CTRL_FLAG_DISABLED | v4l_sys::V4L2_CTRL_FLAG_READ_ONLY) != 0 {
        return None;
    }
    let mut current = CurrentValue(v4l2_control { id: query.id, value: 0 });
    ioctl(device, &mut current).ok()?;
    let title: Vec<u8> = query.name.iter().map(|character| *character as u8).collect();
    Some(ControlDescription {
        id: query.id,
        name: config_name(&text_of(&title)),
        kind,
        minimum: query.minimum,
        maximum: query.maximum,
        step: query.step,
        default: query.default_value,
        value: i64::from(current.0.value),
        choices: if kind == Kind::Menu { choices(device, query) } else { Vec::new() },
        active: query.flags & v4l_sys::V4L2_CTRL_FLAG_INACTIVE == 0,
    })
}

/// "Exposure Time, Absolute" -> "exposure_time_absolute", as v4l2-ctl names it.
fn config_name(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_").to_lowercase()
}

fn choices(device: &v4l::Device, query: &v4l2_query_ext_ctrl) -> Vec<(i64, String)> {
    let is_number = query.type_ == v4l_sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER_MENU;
    let entry = |index: i64| {
        let mut menu = v4l2_querymenu { id: query.id, index: index as u32, ..v4l2_querymenu::zeroed() };
        // Drivers leave gaps in their menus.
        ioctl(device, &mut menu).ok()?;
        // SAFETY: both members are plain bytes; the control's type says which one the driver filled.
        let (name, value) = unsafe { (menu.__bindgen_anon_1.name, menu.__bindgen_anon_1.value) };
        Some((index, if is_number { value.to_string() } else { text_of(&name) }))
    };
    (query.minimum..=query.maximum).filter_map(entry).collect()
}

/// Asks for a control's value; setting it takes the same structure in another request.
struct CurrentValue(v4l2_control);

// SAFETY: for each, a structure of plain numbers and arrays, and the request's argument by definition.
unsafe impl Argument for v4l2_query_ext_ctrl {
    const REQUEST: c_ulong = vidioc::VIDIOC_QUERY_EXT_CTRL;
}
// SAFETY: see above.
unsafe impl Argument for v4l2_querymenu {
    const REQUEST: c_ulong = vidioc::VIDIOC_QUERYMENU;
}
// SAFETY: see above.
unsafe impl Argument for v4l2_control {
    const REQUEST: c_ulong = vidioc::VIDIOC_S_CTRL;
}
// SAFETY: see above; a wrapper around nothing but the structure has its layout.
unsafe impl Argument for CurrentValue {
    const REQUEST: c_ulong = vidioc::VIDIOC_G_CTRL;
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
    fn names_are_those_of_v4l2_ctl() {
        assert_eq!(config_name("Exposure Time, Absolute"), "exposure_time_absolute");
        assert_eq!(config_name("White Balance, Automatic"), "white_balance_automatic");
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
