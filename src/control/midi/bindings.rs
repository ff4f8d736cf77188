//! What each control of a MIDI device does, kept in a file that outlives the daemon; and learning it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::contract::{MidiBinding, MidiState, MidiTarget};
use super::message::Control;
use super::target::{check, check_for};
use crate::atomic_file;
use crate::control::{ApiError, ApiResult};
use crate::error::{Conflict, Error, Result};
use crate::sync::Locked;

/// The file in the state folder.
const FILE: &str = "midi.json";

/// More than the largest desks have.
const MOST_BINDINGS: usize = 500;

/// A control that is to be learnt is waited for so long.
const LEARN_FOR: Duration = Duration::from_secs(60);

/// Why nothing is learnt.
const OFF: &str = "MIDI is off: set [control] midi to a part of the device's name, which `impasto ctl doctor` tells";

/// The MIDI device and what its controls do; clones are the same.
#[derive(Clone)]
pub struct Midi {
    shared: Arc<Shared>,
}

struct Shared {
    /// A part of the device's name; none if MIDI is off.
    part: Option<String>,
    /// None if there is no folder for it.
    file: Option<PathBuf>,
    state: Mutex<State>,
    /// Taken while the file is written, which takes longer than a look at the state may wait.
    turn: Mutex<()>,
    changes: Arc<Notify>,
}

struct State {
    /// In the order of the controls.
    bindings: Vec<MidiBinding>,
    learning: Option<(MidiTarget, Instant)>,
    /// The name of the device that is open, or why none is.
    device: Result<String, String>,
    /// Why what a control wished was refused last.
    refused: Option<String>,
}

impl Midi {
    /// With what the file in `folder` holds, which is left as it is if it cannot be read; `changes` is notified when anything changes.
    pub fn open(part: Option<String>, folder: Option<&Path>, changes: Arc<Notify>) -> Self {
        let file = folder.map(|folder| folder.join(FILE));
        let read = file.as_deref().map_or(Ok(Vec::new()), read);
        let bindings = read.inspect_err(|error| tracing::warn!("{error}")).unwrap_or_default();
        let device = Err("the device is looked for".into());
        let state = State { bindings, learning: None, device, refused: None };
        let (state, turn) = (Mutex::new(state), Mutex::default());
        Self { shared: Arc::new(Shared { part, file, state, turn, changes }) }
    }

    /// A part of the device's name; none if MIDI is off.
    pub fn wanted(&self) -> Option<&str> {
        self.shared.part.as_deref()
    }

    pub fn state(&self) -> MidiState {
        let state = self.shared.state.locked();
        let is_on = self.shared.part.is_some();
        let (device, missing) = match &state.device {
            Ok(device) => (Some(device.clone()), None),
            Err(what) => (None, is_on.then(|| what.clone())),
        };
        MidiState {
            on: is_on,
            device,
            error: missing.or_else(|| state.refused.clone()),
            learning: state.learning(Instant::now()).cloned(),
            bindings: state.bindings.clone(),
        }
    }

    /// The next control that is moved shall do this.
    ///
    /// # Errors
    /// MIDI is off, or no control can do that.
    pub fn learn(&self, target: MidiTarget) -> ApiResult<MidiState> {
        self.wanted().ok_or_else(|| Error::usage(OFF))?;
        check(&target).map_err(Error::usage)?;
        self.change(|state| (state.learning, state.refused) = (Some((target, Instant::now() + LEARN_FOR)), None));
        Ok(self.state())
    }

    /// Nothing is to be learnt any more.
    pub fn cancel(&self) -> MidiState {
        self.change(|state| state.learning = None);
        self.state()
    }

    /// Lets a control do this, and nothing else; may block until it is on disk.
    ///
    /// # Errors
    /// No such control can do that; too many are bound; the file cannot be read or written.
    pub fn bind(&self, control: Control, target: MidiTarget) -> ApiResult<MidiState> {
        check_for(&target, control).map_err(Error::usage)?;
        self.change_bindings(|bindings| {
            let place = bindings.partition_point(|binding| binding.control < control);
            let is_full = bindings.len() >= MOST_BINDINGS;
            match bindings.get_mut(place).filter(|binding| binding.control == control) {
                Some(binding) => binding.target = target,
                None if is_full => {
                    let what = format!("{MOST_BINDINGS} controls are bound, and no more fit: leave some alone");
                    return Err(ApiError::Conflict(Conflict::Full, what));
                }
                None => bindings.insert(place, MidiBinding { control, target }),
            }
            Ok(())
        })
    }

    /// Leaves a control alone; may block.
    ///
    /// # Errors
    /// It is not bound; the file cannot be read or written.
    pub fn unbind(&self, control: Control) -> ApiResult<MidiState> {
        self.change_bindings(|bindings| {
            let place = bindings.iter().position(|binding| binding.control == control);
            bindings.remove(place.ok_or_else(|| ApiError::NotFound(format!("nothing is bound to {control}")))?);
            Ok(())
        })
    }

    pub(super) fn bindings(&self) -> Vec<MidiBinding> {
        self.shared.state.locked().bindings.clone()
    }

    /// What a control is bound to.
    pub(super) fn target(&self, control: Control) -> Option<MidiTarget> {
        let state = self.shared.state.locked();
        let place = state.bindings.binary_search_by_key(&control, |binding| binding.control).ok()?;
        Some(state.bindings[place].target.clone())
    }

    /// A control was moved: what it is to do from now on, if that is being learnt and it can. One that cannot is told, and another
    /// waited for.
    pub(super) fn learnt(&self, control: Control) -> Option<MidiTarget> {
        let mut learnt = None;
        let mut state = self.shared.state.locked();
        let target = state.learning(Instant::now()).cloned()?;
        match check_for(&target, control) {
            Ok(()) => {
                state.learning = None;
                learnt = Some(target);
            }
            Err(what) => state.refused = Some(what),
        }
        drop(state);
        self.shared.changes.notify_one();
        learnt
    }

    pub(super) fn has_device(&self) -> bool {
        self.shared.state.locked().device.is_ok()
    }

    /// The device that is open, or why none is; told in the log when it changes.
    pub(super) fn set_device(&self, device: Result<String, String>) {
        if self.shared.state.locked().device == device {
            return;
        }
        match &device {
            Ok(name) => tracing::info!("MIDI: {name} is connected"),
            Err(what) => tracing::warn!("[control] midi = {}: {what}", self.wanted().unwrap_or_default()),
        }
        self.change(|state| state.device = device);
    }

    /// Why what a control wished was refused; none if it was taken.
    pub(super) fn set_refused(&self, refused: Option<String>) {
        if self.shared.state.locked().refused != refused {
            refused.iter().for_each(|what| tracing::debug!("MIDI: {what}"));
            self.change(|state| state.refused = refused);
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.state.locked());
        self.shared.changes.notify_one();
    }

    fn change_bindings(&self, change: impl FnOnce(&mut Vec<MidiBinding>) -> ApiResult<()>) -> ApiResult<MidiState> {
        let no_folder =
            || Error::usage("there is no folder for what is bound: set [control] state in the config, or HOME");
        let file = self.shared.file.as_deref().ok_or_else(no_folder)?;
        let turn = self.shared.turn.locked();
        // What the file holds now: another daemon, or a hand, may have written it too.
        let mut now = read(file)?;
        change(&mut now)?;
        write(file, &now)?;
        self.change(|state| (state.bindings, state.refused) = (now, None));
        drop(turn);
        Ok(self.state())
    }
}

impl State {
    /// What the next control that is moved shall do.
    fn learning(&self, now: Instant) -> Option<&MidiTarget> {
        self.learning.as_ref().filter(|(_, until)| now < *until).map(|(target, _)| target)
    }
}

fn read(file: &Path) -> Result<Vec<MidiBinding>> {
    let unusable = |what: &dyn std::fmt::Display| {
        Error::output(format!("MIDI bindings {}: {what}; mend the file, or move it away", file.display()))
    };
    let mut bindings: Vec<MidiBinding> = match atomic_file::read(file) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| unusable(&error))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(unusable(&error)),
    };
    bindings.sort_by_key(|binding| binding.control);
    bindings.dedup_by_key(|binding| binding.control);
    Ok(bindings)
}

fn write(file: &Path, bindings: &[MidiBinding]) -> Result<()> {
    let written = serde_json::to_vec_pretty(bindings).map_err(Into::into);
    written.and_then(|text| atomic_file::replace(file, &text)).map_err(|error: std::io::Error| {
        let file = file.display();
        Error::output(format!("MIDI bindings {file}: {error}; make room, or name another folder in [control] state"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::message;
    use super::*;

    fn open(folder: &Path) -> Midi {
        Midi::open(Some("knobs".into()), Some(folder), Arc::default())
    }

    fn parameter(name: &str) -> MidiTarget {
        MidiTarget { parameter: Some(name.into()), ..MidiTarget::default() }
    }

    fn preset() -> MidiTarget {
        MidiTarget { preset: Some("dusk".into()), ..MidiTarget::default() }
    }

    /// What the bytes of a device come to, as the daemon takes them.
    fn moved(midi: &Midi, bytes: &[u8]) -> Option<MidiTarget> {
        let (control, _) = message::read(bytes)?;
        match midi.learnt(control) {
            Some(target) => {
                midi.bind(control, target).unwrap();
                None
            }
            None => midi.target(control),
        }
    }

    #[test]
    fn a_knob_that_is_moved_is_learnt_and_known_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let midi = open(folder.path());
        assert_eq!(moved(&midi, &[0xb0, 7, 1]), None, "nothing is bound");
        midi.learn(parameter("strength")).unwrap();
        assert_eq!(midi.state().learning, Some(parameter("strength")));
        assert_eq!(moved(&midi, &[0x90, 36, 100]), None);
        assert!(midi.state().error.is_some() && midi.state().learning.is_some(), "a key cannot, a knob is waited for");
        assert_eq!(moved(&midi, &[0xf8]), None, "a clock is no hand");
        assert_eq!(moved(&midi, &[0xb0, 7, 1]), None);
        assert_eq!(midi.state().learning, None);
        assert_eq!(moved(&midi, &[0xb0, 7, 2]), Some(parameter("strength")));
        assert_eq!(moved(&midi, &[0xb1, 7, 2]), None, "another channel");
        midi.learn(preset()).unwrap();
        moved(&midi, &[0x99, 36, 100]);
        midi.learn(parameter("stroke")).unwrap();
        midi.cancel();
        assert_eq!(moved(&midi, &[0xb0, 8, 1]), None);
        let again = open(folder.path());
        assert_eq!(again.state().bindings, midi.state().bindings);
        assert_eq!(moved(&again, &[0x99, 36, 1]), Some(preset()));
        // One control does one thing.
        again.bind("1-cc-7".parse().unwrap(), preset()).unwrap();
        assert_eq!(moved(&again, &[0xb0, 7, 2]), Some(preset()));
        assert_eq!(again.unbind("1-cc-7".parse().unwrap()).unwrap().bindings.len(), 1);
        assert!(matches!(again.unbind("1-cc-7".parse().unwrap()), Err(ApiError::NotFound(_))));
    }

    #[test]
    fn what_cannot_be_bound_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let midi = open(folder.path());
        let refused = |result: ApiResult<MidiState>| format!("{:?}", result.unwrap_err());
        assert!(refused(midi.learn(parameter("strenght"))).contains("did you mean `strength`?"));
        assert!(
            refused(midi.bind("1-note-7".parse().unwrap(), parameter("strength"))).contains("it paints with a preset")
        );
        let off = Midi::open(None, Some(folder.path()), Arc::default());
        assert!(refused(off.learn(preset())).contains("MIDI is off"));
        assert_eq!((off.state().on, off.state().error), (false, None));
        // A file that somebody broke is not replaced.
        std::fs::write(folder.path().join(FILE), "[{").unwrap();
        assert!(refused(midi.bind("1-cc-7".parse().unwrap(), preset())).contains("mend the file"));
        assert_eq!(std::fs::read_to_string(folder.path().join(FILE)).unwrap(), "[{");
        assert_eq!(open(folder.path()).state().bindings, []);
        for device in [Err("gone".to_string()), Ok("Knobs 24:0".to_string())] {
            midi.set_device(device.clone());
            let state = midi.state();
            assert_eq!((state.device, state.error), (device.clone().ok(), device.err()));
        }
    }
}
