//! The types of MIDI that travel between server, command line and web page, as JSON.

use serde::{Deserialize, Serialize};

use super::message::Control;
use crate::control::contract::LIVE;

/// `GET /api/v1/midi`: the MIDI device, and what its controls do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MidiState {
    /// `midi` under `[control]` names a device.
    pub on: bool,
    /// The name of the device that is connected.
    pub device: Option<String>,
    /// Why none is; otherwise why what a control wished was refused last.
    pub error: Option<String>,
    /// What the next control that is moved shall do.
    pub learning: Option<MidiTarget>,
    /// In the order of channels, knobs before keys, and numbers.
    pub bindings: Vec<MidiBinding>,
}

/// What a control of a MIDI device does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MidiBinding {
    pub control: Control,
    #[serde(flatten)]
    pub target: MidiTarget,
}

/// One thing that a control can do: exactly one of the names is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MidiTarget {
    pub stream: String,
    /// A parameter of the look, over the whole way of a knob.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// A style, whose weight in the mix is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub style: Option<String>,
    /// A preset that is painted with when a key or a button is pressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
}

impl Default for MidiTarget {
    fn default() -> Self {
        Self { stream: LIVE.into(), parameter: None, style: None, preset: None }
    }
}
