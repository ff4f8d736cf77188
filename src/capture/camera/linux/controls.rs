//! The controls of a camera, as its driver lists and sets them.

use std::os::raw::c_ulong;

use v4l::v4l_sys::{self, v4l2_control, v4l2_query_ext_ctrl, v4l2_querymenu};
use v4l::v4l2::vidioc;

use crate::capture::camera::controls::{ControlDescription, ControlValues, Kind, settings};
use crate::error::{Error, Result};
use crate::v4l2::{Argument, ioctl, text_of};

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

/// Sets every wanted value.
///
/// # Errors
/// As [`settings`], or one that the camera refuses; the rest of them is not set then.
pub fn apply(device: &v4l::Device, wanted: &ControlValues) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    for (control, value) in settings(&list(device), wanted)? {
        let mut argument = v4l2_control { id: control.id, value: value as i32 };
        ioctl(device, &mut argument).map_err(|error| {
            let name = &control.name;
            let why = if control.active { "" } else { "; an automatic mode governs it: switch that off too" };
            Error::input(format!("the camera refuses {name} = {value}: {error}{why}"))
        })?;
    }
    Ok(())
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

    #[test]
    fn names_are_those_of_v4l2_ctl() {
        assert_eq!(config_name("Exposure Time, Absolute"), "exposure_time_absolute");
        assert_eq!(config_name("White Balance, Automatic"), "white_balance_automatic");
    }
}
