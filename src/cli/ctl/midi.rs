//! `impasto ctl midi`: what the controls of a MIDI device do.

use clap::{Args, Subcommand};
use ureq::http::Method;

use super::session::Session;
use crate::control::midi::{Control, MidiState, MidiTarget};
use crate::error::Result;

/// Where the device is.
const MIDI: &str = "/api/v1/midi";

/// Where a control is learnt.
const LEARN: &str = "/api/v1/midi/learn";

#[derive(Debug, Subcommand)]
pub enum MidiWord {
    /// Let the next control that is moved do this
    Learn(MidiArgs),
    /// Learn no longer
    Cancel,
    /// Let a control do this, and nothing else
    Bind {
        /// CHANNEL-cc-NUMBER or CHANNEL-note-NUMBER, such as 1-cc-7
        control: Control,
        #[command(flatten)]
        target: MidiArgs,
    },
    /// Leave a control alone
    Unbind { control: Control },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct MidiArgs {
    /// Set this parameter of the look, as it is called under [paint]
    parameter: Option<String>,
    /// Set the weight of this style in the mix
    #[arg(long, value_name = "NAME")]
    style: Option<String>,
    /// Paint with this preset when it is pressed
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
}

/// Does what the word says, and tells how it is then.
pub fn run(session: &Session, word: Option<MidiWord>) -> Result<()> {
    let target = |MidiArgs { parameter, style, preset }| {
        let stream = session.stream_name().into();
        MidiTarget { stream, parameter, style, preset }
    };
    let binding = |control: Control| format!("{MIDI}/bindings/{control}");
    let client = &session.client;
    let state: MidiState = match word {
        None => client.get(MIDI),
        Some(MidiWord::Learn(args)) => client.send(Method::POST, LEARN, &target(args)),
        Some(MidiWord::Cancel) => client.delete(LEARN),
        Some(MidiWord::Bind { control, target: args }) => client.send(Method::PUT, &binding(control), &target(args)),
        Some(MidiWord::Unbind { control }) => client.delete(&binding(control)),
    }?;
    session.tell(&state, describe)
}

/// The device, what is being learnt, and a line for each control.
fn describe(midi: &MidiState) -> String {
    let what = |MidiTarget { stream, parameter, style, preset }: &MidiTarget| match (parameter, style, preset) {
        (Some(parameter), ..) => format!("sets {parameter} of {stream}"),
        (_, Some(style), _) => format!("sets the weight of {style} in {stream}"),
        (_, _, preset) => format!("paints {stream} with the preset {}", preset.as_deref().unwrap_or_default()),
    };
    let device = match (midi.on, &midi.device) {
        (false, _) => "MIDI is off: set [control] midi to a part of the device's name".into(),
        (true, Some(device)) => format!("connected: {device}"),
        (true, None) => "no device is connected".into(),
    };
    let learning = midi.learning.as_ref().map(|target| format!("the next control that is moved {}", what(target)));
    let lines = [Some(device), midi.error.clone(), learning].into_iter().flatten();
    let bound =
        midi.bindings.iter().map(|binding| format!("{:<12} {}", binding.control.to_string(), what(&binding.target)));
    lines.chain(bound).collect::<Vec<_>>().join("\n")
}
