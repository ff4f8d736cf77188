//! MIDI devices on Linux: ports of the ALSA sequencer.

use std::fmt;
use std::fs::File;
use std::io::ErrorKind;

use midir::{Ignore, MidiInput, MidiInputConnection, MidiInputPort, MidiOutput, MidiOutputConnection};

use super::Missing;

/// Our name among the clients of the sequencer.
const CLIENT: &str = "impasto";

/// The kernel's end of the sequencer.
const SEQUENCER: &str = "/dev/snd/seq";

/// A device that is open. Dropping it closes it.
pub struct Device {
    name: String,
    /// Lists the ports there are.
    list: MidiInput,
    _input: MidiInputConnection<()>,
    /// None for a device that takes nothing.
    output: Option<MidiOutputConnection>,
}

impl Device {
    /// Opens the first device with `part` in its name, whatever the case; `take` gets each message of it.
    ///
    /// # Errors
    /// There is no sequencer, with what helps; there is no such device, with those there are.
    pub fn open(part: &str, mut take: impl FnMut(&[u8]) + Send + 'static) -> Result<Self, String> {
        let open = || input().map_err(|missing| missing.to_string());
        let (list, mut input) = (open()?, open()?);
        input.ignore(Ignore::All);
        let ports = named(&list);
        let found = ports.iter().find(|(name, _)| is_meant(name, part));
        let Some((name, port)) = found else {
            let names: Vec<_> = ports.into_iter().map(|(name, _)| name).collect();
            return Err(match names.as_slice() {
                [] => format!("no MIDI device is connected; one with `{part}` in its name is waited for"),
                names => format!("no MIDI device has `{part}` in its name; there are: {}", names.join(", ")),
            });
        };
        let failed = |what: String| format!("MIDI device {name}: {what}");
        let connected = input.connect(port, CLIENT, move |_, bytes, ()| take(bytes), ());
        let input = connected.map_err(|error| failed(error.to_string()))?;
        let output = MidiOutput::new(CLIENT).map_err(|error| failed(error.to_string()))?;
        let shows = output.ports().into_iter().find(|port| output.port_name(port).is_ok_and(|other| other == *name));
        let output = match shows {
            Some(port) => Some(output.connect(&port, CLIENT).map_err(|error| failed(error.to_string()))?),
            None => None,
        };
        Ok(Self { name: name.clone(), list, _input: input, output })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// It is still connected.
    pub fn is_there(&self) -> bool {
        named(&self.list).iter().any(|(name, _)| *name == self.name)
    }

    /// Sends it a message, if it takes any.
    pub fn send(&mut self, message: [u8; 3]) {
        if let Some(output) = &mut self.output
            && let Err(error) = output.send(&message)
        {
            tracing::debug!("MIDI device {}: {error}", self.name);
        }
    }
}

/// The names of all devices that send.
///
/// # Errors
/// There is no sequencer, with what helps.
pub fn devices() -> Result<Vec<String>, Missing> {
    Ok(named(&input()?).into_iter().map(|(name, _)| name).collect())
}

fn input() -> Result<MidiInput, Missing> {
    // The library itself would complain on standard error.
    File::options().read(true).write(true).open(SEQUENCER).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Missing {
            what: format!("there is no ALSA sequencer ({SEQUENCER})"),
            cure: "load it: sudo modprobe snd-seq; a container has to be given the device".into(),
        },
        ErrorKind::PermissionDenied => Missing {
            what: format!("{SEQUENCER} may not be opened"),
            cure: "put the user into its group, sudo usermod -aG audio USER, and log in anew".into(),
        },
        _ => broken(error),
    })?;
    MidiInput::new(CLIENT).map_err(broken)
}

fn broken(error: impl fmt::Display) -> Missing {
    Missing { what: format!("the ALSA sequencer: {error}"), cure: "look whether `aconnect -l` lists devices".into() }
}

/// The ports of devices by their names; not our own.
fn named(list: &MidiInput) -> Vec<(String, MidiInputPort)> {
    let named = list.ports().into_iter().filter_map(|port| Some((list.port_name(&port).ok()?, port)));
    named.filter(|(name, _)| !name.starts_with(CLIENT)).collect()
}

fn is_meant(name: &str, part: &str) -> bool {
    name.to_lowercase().contains(&part.to_lowercase())
}
