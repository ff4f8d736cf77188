//! What each stream looked like when the daemon ended, its added outputs and where its show was, kept in a file that a thread of its own writes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::show::Places;
use crate::atomic_file;
use crate::config::{PaintConfig, StreamConfig};
use crate::control::contract::{OutputWish, Painted};
use crate::error::{Error, Result};
use crate::style::look::Drives;
use crate::sync::Locked;

/// The file in the state folder.
const FILE: &str = "streams.json";

/// What changes within this time is written together.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);

/// How long the end of the daemon waits for the disk.
const LAST_WRITE_PATIENCE: Duration = Duration::from_secs(2);

/// How the streams are painted, over restarts. Without a file it forgets everything.
pub struct Memory {
    shared: Option<Arc<Shared>>,
}

struct Shared {
    file: PathBuf,
    state: Mutex<State>,
    /// Notified when there is something to write, when it is written, and at the end.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What the file held at the start.
    before: BTreeMap<String, Remembered>,
    /// What was noted since.
    noted: BTreeMap<String, Remembered>,
    is_dirty: bool,
    closing: bool,
}

impl State {
    fn get(&self, name: &str) -> Option<&Remembered> {
        self.noted.get(name).or_else(|| self.before.get(name))
    }
}

/// One stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Remembered {
    /// What the config said by then: as soon as it says something else, that counts.
    configured: PaintConfig,
    painted: Painted,
    mirrored: bool,
    /// Those that were added while it ran.
    #[serde(default)]
    outputs: Vec<OutputWish>,
    #[serde(default)]
    show: Places,
    #[serde(default)]
    sound: Driven,
}

/// What sound drives: as the config said by then, and as it was.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Driven {
    configured: Drives,
    drives: Drives,
}

impl Memory {
    /// Remembers nothing.
    pub fn none() -> Self {
        Self { shared: None }
    }

    /// Reads what is remembered in `folder`, and starts the thread that writes it. A file that is damaged or cannot be
    /// read is told and counts as empty: what it held is no reason not to paint.
    ///
    /// # Errors
    /// The thread does not start.
    pub fn open(folder: &Path) -> Result<Self> {
        let file = folder.join(FILE);
        let before = read(&file).unwrap_or_else(|error| {
            tracing::warn!("{}: {error}; all streams start as configured", file.display());
            BTreeMap::new()
        });
        let state = State { before, ..State::default() };
        let shared = Arc::new(Shared { file, state: Mutex::new(state), changed: Condvar::new() });
        let writer = Arc::clone(&shared);
        let spawned = std::thread::Builder::new().name("memory".into()).spawn(move || writer.write_changes());
        spawned.map_err(|error| Error::output(format!("thread memory does not start: {error}")))?;
        Ok(Self { shared: Some(shared) })
    }

    /// Notes how a stream is painted; what is as it was costs nothing.
    pub fn note(
        &self,
        config: &StreamConfig,
        painted: Painted,
        mirrored: bool,
        (outputs, drives): (Vec<OutputWish>, Drives),
        show: Places,
    ) {
        let Some(shared) = &self.shared else { return };
        let sound = Driven { configured: config.sound.drives.clone(), drives };
        let now = Remembered { configured: config.paint.clone(), painted, mirrored, outputs, show, sound };
        let mut state = shared.state.locked();
        if state.get(&config.name) != Some(&now) {
            state.noted.insert(config.name.clone(), now);
            state.is_dirty = true;
            shared.changed.notify_all();
        }
    }

    /// The config of a stream that is painted, and mirrored, as it was last; none if nothing is remembered of it, or the
    /// config says something else by now.
    pub fn recall(&self, config: &StreamConfig) -> Option<(StreamConfig, bool)> {
        let state = self.shared.as_ref()?.state.locked();
        let Remembered { painted: Painted { look, network, size }, mirrored, .. } =
            state.get(&config.name).filter(|known| known.configured == config.paint)?;
        // A network that is named by its path is known by that alone.
        let is_path = Path::new(&config.paint.network).exists();
        let network = if is_path { config.paint.network.clone() } else { network.clone() };
        let mut recalled = config.clone();
        recalled.paint = PaintConfig { network, size: *size, ..PaintConfig::from(look.clone()) };
        Some((recalled, *mirrored))
    }

    /// The outputs that were added to the stream of that name.
    pub fn outputs(&self, name: &str) -> Vec<OutputWish> {
        let Some(shared) = &self.shared else { return Vec::new() };
        shared.state.locked().get(name).map_or(Vec::new(), |known| known.outputs.clone())
    }

    /// What the sound drove last; what the config says if it says something else by now.
    pub fn drives(&self, config: &StreamConfig) -> Drives {
        let shared = self.shared.as_ref();
        let state = shared.map(|shared| shared.state.locked());
        let known = state.as_ref().and_then(|state| Some(&state.get(&config.name)?.sound));
        known
            .filter(|known| known.configured == config.sound.drives)
            .map_or(&config.sound.drives, |known| &known.drives)
            .clone()
    }

    /// Where the show of the stream of that name was.
    pub fn places(&self, name: &str) -> Places {
        let Some(shared) = &self.shared else { return Places::default() };
        shared.state.locked().get(name).map_or(Places::default(), |known| known.show.clone())
    }

    /// Writes what is not written yet; waits no longer than a disk that works takes.
    pub fn close(&self) {
        let Some(shared) = &self.shared else { return };
        let mut state = shared.state.locked();
        state.closing = true;
        shared.changed.notify_all();
        let waits = |state: &mut State| state.is_dirty;
        let waited = shared.changed.wait_timeout_while(state, LAST_WRITE_PATIENCE, waits);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Shared {
    /// Writes whenever something has changed, until the end.
    fn write_changes(&self) {
        let mut was_told = false;
        loop {
            let state = self.state.locked();
            let waiting = self.changed.wait_while(state, |state| !state.is_dirty && !state.closing);
            let state = waiting.unwrap_or_else(PoisonError::into_inner);
            // More may change, or the disk have room, in a moment.
            let waiting = self.changed.wait_timeout_while(state, WRITE_INTERVAL, |state| !state.closing);
            let (state, _) = waiting.unwrap_or_else(PoisonError::into_inner);
            let (noted, is_dirty, closing) = (state.noted.clone(), state.is_dirty, state.closing);
            drop(state);
            let written = if is_dirty { self.write(&noted) } else { Ok(()) };
            let mut state = self.state.locked();
            match written {
                Ok(()) => {
                    state.is_dirty = state.noted != noted;
                    was_told = false;
                }
                Err(error) => {
                    if !was_told {
                        let file = self.file.display();
                        tracing::warn!(
                            "{file}: {error}; how streams are painted is not remembered until it can be written"
                        );
                    }
                    was_told = true;
                    state.is_dirty = !closing;
                }
            }
            self.changed.notify_all();
            if closing && !state.is_dirty {
                return;
            }
        }
    }

    /// Writes what was noted, beside what another daemon wrote of its streams meanwhile.
    fn write(&self, noted: &BTreeMap<String, Remembered>) -> std::io::Result<()> {
        let mut all = read(&self.file).unwrap_or_default();
        all.extend(noted.clone());
        atomic_file::replace(&self.file, &serde_json::to_vec_pretty(&all)?)
    }
}

fn read(file: &Path) -> std::io::Result<BTreeMap<String, Remembered>> {
    match atomic_file::read(file) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::style::look::{Band, Drive};
    use crate::style::{Look, PaintSize};

    fn config() -> StreamConfig {
        Config::default().streams().remove(0)
    }

    fn painted(style: &str) -> Painted {
        let look = Look { styles: style.parse().unwrap(), ..Look::default() };
        Painted { look, network: "lite".into(), size: PaintSize::Auto }
    }

    #[test]
    fn the_last_look_comes_back_unless_the_config_says_something_else() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::open(folder.path()).unwrap();
        assert_eq!(memory.recall(&config()), None);
        memory.note(&config(), painted("a"), false, Default::default(), Places::default());
        let drives = Drives([("strength".into(), Drive::by(Band::Low))].into());
        let output = OutputWish::Rtsp { address: "127.0.0.1:8555".into(), kbps: None };
        memory.note(&config(), painted("b"), true, (vec![output.clone()], drives.clone()), Places::default());
        memory.close();
        let memory = Memory::open(folder.path()).unwrap();
        let (recalled, mirrored) = memory.recall(&config()).unwrap();
        assert_eq!((recalled.paint.look(), mirrored), (painted("b").look, true));
        assert_eq!((recalled.paint.network.as_str(), recalled.paint.size), ("lite", PaintSize::Auto));
        assert_eq!(memory.outputs("live"), [output]);
        assert_eq!(memory.outputs("lobby"), []);
        assert_eq!((memory.drives(&config()), Memory::none().drives(&config())), (drives.clone(), Drives::default()));
        let mut other = config();
        other.sound.drives.0.insert("stroke".into(), Drive::by(Band::High));
        assert_eq!(memory.drives(&other), other.sound.drives);
        other.paint.strength = 0.5;
        assert_eq!(memory.recall(&other), None);
        assert_eq!(memory.recall(&StreamConfig { name: "lobby".into(), ..config() }), None);
        assert_eq!(Memory::none().recall(&config()), None);
    }

    #[test]
    fn two_daemons_with_one_folder_leave_each_other_s_streams_alone() {
        let folder = tempfile::tempdir().unwrap();
        let [hall, lobby] = ["hall", "lobby"].map(|name| StreamConfig { name: name.into(), ..config() });
        let first = Memory::open(folder.path()).unwrap();
        first.note(&hall, painted("a"), false, Default::default(), Places::default());
        first.close();
        let (first, second) = (Memory::open(folder.path()).unwrap(), Memory::open(folder.path()).unwrap());
        first.note(&hall, painted("b"), false, Default::default(), Places::default());
        first.close();
        second.note(&lobby, painted("c"), false, Default::default(), Places::default());
        second.close();
        let both = Memory::open(folder.path()).unwrap();
        let look = |config| both.recall(config).map(|(config, _)| config.paint.look());
        assert_eq!((look(&hall), look(&lobby)), (Some(painted("b").look), Some(painted("c").look)));
    }

    #[test]
    fn a_damaged_file_counts_as_empty_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        let memory = Memory::open(folder.path()).unwrap();
        assert_eq!(memory.recall(&config()), None);
        memory.note(&config(), painted("a"), false, Default::default(), Places::default());
        memory.close();
        assert!(Memory::open(folder.path()).unwrap().recall(&config()).is_some());
    }
}
