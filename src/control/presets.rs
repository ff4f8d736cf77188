//! Presets: looks with names, in one file that outlives the daemon.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::contract::{Painted, Preset, PresetWish};
use super::text::is_shown_as_written;
use super::{ApiError, ApiResult};
use crate::atomic_file;
use crate::error::{Conflict, Error, Result};
use crate::style::{Catalog, Networks};
use crate::suggest::did_you_mean;
use crate::sync::Locked;

/// The file in the state folder.
const FILE: &str = "presets.json";

/// More would make each event that tells them long.
const MOST_PRESETS: usize = 200;

/// The longest name, in characters.
const LONGEST_NAME: usize = 60;

/// All presets, in the order of the list; clones are the same.
#[derive(Clone)]
pub struct Presets {
    shared: Arc<Shared>,
}

struct Shared {
    /// None if there is no folder for it.
    file: Option<PathBuf>,
    networks: Networks,
    /// As the file had them when it was read or written last.
    list: Mutex<Vec<Preset>>,
    /// Taken while the file is changed, which takes longer than a look at the list may wait.
    turn: Mutex<()>,
    changes: Arc<Notify>,
}

impl Presets {
    /// Those of the file in `folder`; `changes` is notified when they change. A file that cannot be read is left as it
    /// is, and told.
    pub fn open(folder: Option<&Path>, networks: Networks, changes: Arc<Notify>) -> Self {
        let file = folder.map(|folder| folder.join(FILE));
        let read = file.as_deref().map_or(Ok(Vec::new()), read);
        let list = read.inspect_err(|error| tracing::warn!("{error}")).unwrap_or_default();
        let list = Mutex::new(list);
        Self { shared: Arc::new(Shared { file, networks, list, turn: Mutex::default(), changes }) }
    }

    /// All of them, with what is missing of each.
    pub fn all(&self) -> Vec<Preset> {
        self.marked(self.shared.list.locked().clone())
    }

    /// # Errors
    /// There is none of that name.
    pub fn get(&self, name: &str) -> ApiResult<Preset> {
        let found = {
            let list = self.shared.list.locked();
            list[place_of(&list, name)?].clone()
        };
        Ok(self.marked(vec![found]).remove(0))
    }

    /// Makes a preset, or changes one; may block until it is on disk.
    ///
    /// # Errors
    /// A name, key or number that cannot be, a name that another one has, a new one without a look, too many; or the file
    /// cannot be read or written.
    pub fn put(&self, name: &str, wish: PresetWish) -> ApiResult<Preset> {
        let name = self.change(|list| put(list, name, wish))?;
        self.get(&name)
    }

    /// Removes a preset, and returns the others; may block.
    ///
    /// # Errors
    /// There is none of that name, or the file cannot be read or written.
    pub fn remove(&self, name: &str) -> ApiResult<Vec<Preset>> {
        self.change(|list| {
            list.remove(place_of(list, name)?);
            Ok(())
        })?;
        Ok(self.all())
    }

    /// With what is missing of each now.
    fn marked(&self, list: Vec<Preset>) -> Vec<Preset> {
        marked(list, &self.shared.networks.now())
    }

    /// Changes what the file holds now: another daemon, or a hand, may have written it too.
    fn change<T>(&self, change: impl FnOnce(&mut Vec<Preset>) -> ApiResult<T>) -> ApiResult<T> {
        let Shared { file, list, turn, changes, .. } = &*self.shared;
        let no_folder = || Error::usage("there is no folder for presets: set [control] state in the config, or HOME");
        let file = file.as_deref().ok_or_else(no_folder)?;
        let _turn = turn.locked();
        let mut now = read(file)?;
        let result = change(&mut now)?;
        write(file, &now)?;
        *list.locked() = now;
        changes.notify_one();
        Ok(result)
    }
}

fn place_of(list: &[Preset], name: &str) -> ApiResult<usize> {
    list.iter().position(|preset| preset.name == name).ok_or_else(|| {
        let hint = did_you_mean(name, list.iter().map(|preset| preset.name.as_str()));
        ApiError::NotFound(format!("there is no preset `{name}`{hint}"))
    })
}

/// Returns the name that it has by then.
fn put(list: &mut Vec<Preset>, name: &str, wish: PresetWish) -> ApiResult<String> {
    let PresetWish { name: new_name, place, key, look, network, size } = wish;
    let place_now = list.iter().position(|preset| preset.name == name);
    let mut preset = match (place_now, &look) {
        (Some(place), _) => list[place].clone(),
        (None, Some(_)) => Preset { name: name.into(), key: None, painted: Painted::default(), missing: Vec::new() },
        (None, None) => {
            return Err(Error::usage(format!("there is no preset `{name}`: a new one needs a look")).into());
        }
    };
    let Painted { look: old_look, network: old_network, size: old_size } = preset.painted;
    let (look, network, size) = (look.unwrap_or(old_look), network.unwrap_or(old_network), size.unwrap_or(old_size));
    look.check()?;
    look.check_live()?;
    preset.painted = Painted { look, network, size };
    preset.name = new_name.unwrap_or(preset.name);
    check_name(&preset.name)?;
    if preset.name != name && list.iter().any(|other| other.name == preset.name) {
        let what = format!("there is a preset `{}` already; choose another name", preset.name);
        return Err(ApiError::Conflict(Conflict::Exists, what));
    }
    match key {
        None => {}
        Some(0) => preset.key = None,
        Some(key @ 1..=9) => {
            list.iter_mut().filter(|other| other.key == Some(key)).for_each(|other| other.key = None);
            preset.key = Some(key);
        }
        Some(key) => return Err(Error::usage(format!("key = {key}: 1 to 9 is possible, or 0 for none")).into()),
    }
    if place_now.is_none() && list.len() >= MOST_PRESETS {
        let what = format!("there are {MOST_PRESETS} presets, and no more fit: remove some");
        return Err(ApiError::Conflict(Conflict::Full, what));
    }
    let name = preset.name.clone();
    if let Some(place) = place_now {
        list.remove(place);
    }
    let place = place.or(place_now).unwrap_or(list.len()).min(list.len());
    list.insert(place, preset);
    Ok(name)
}

fn check_name(name: &str) -> Result<()> {
    let length = name.chars().count();
    // "." and ".." have a meaning in addresses.
    let is_dots = name.chars().all(|c| c == '.');
    if !(1..=LONGEST_NAME).contains(&length) || is_dots || name.trim() != name || !is_shown_as_written(name) {
        return Err(Error::usage(format!(
            "a preset's name has 1 to {LONGEST_NAME} characters, not only dots, without line ends, direction marks or spaces around it"
        )));
    }
    Ok(())
}

/// The list with what is missing of each.
fn marked(mut list: Vec<Preset>, catalog: &Catalog) -> Vec<Preset> {
    for preset in &mut list {
        let Painted { look, network, .. } = &preset.painted;
        let own = (!network.is_empty()).then(|| catalog.named(network));
        let has = |style: &str| match &own {
            Some(Ok(network)) => network.style(style).is_some(),
            _ => catalog.styles().any(|known| known.name == style),
        };
        let network = matches!(own, Some(Err(_))).then_some(network.as_str());
        let styles = look.style_names().filter(|style| !has(style));
        preset.missing = network.into_iter().chain(styles).map(str::to_string).collect();
    }
    list
}

fn read(file: &Path) -> Result<Vec<Preset>> {
    let unusable = |what: &dyn std::fmt::Display| {
        Error::output(format!("presets {}: {what}; mend the file, or move it away", file.display()))
    };
    match atomic_file::read(file) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| unusable(&error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(unusable(&error)),
    }
}

fn write(file: &Path, list: &[Preset]) -> Result<()> {
    let list: Vec<_> = list.iter().map(|preset| Preset { missing: Vec::new(), ..preset.clone() }).collect();
    let written =
        serde_json::to_vec_pretty(&list).map_err(Into::into).and_then(|text| atomic_file::replace(file, &text));
    written.map_err(|error: std::io::Error| {
        Error::output(format!(
            "presets {}: {error}; make room, or name another folder in [control] state",
            file.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::Look;

    fn open(folder: &Path) -> Presets {
        Presets::open(Some(folder), Networks::default(), Arc::default())
    }

    fn painted(style: &str) -> PresetWish {
        let look = Look { styles: style.parse().unwrap(), ..Look::default() };
        PresetWish { look: Some(look), ..PresetWish::default() }
    }

    fn names(presets: &Presets) -> Vec<String> {
        presets.all().into_iter().map(|preset| preset.name).collect()
    }

    #[test]
    fn they_are_named_ordered_and_found_again_with_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let presets = open(folder.path());
        for name in ["dawn", "noon", "night/late"] {
            presets.put(name, painted("wave=0.5,stars=0.5")).unwrap();
        }
        let change = |name: &str, wish: PresetWish| presets.put(name, wish).unwrap();
        change("night/late", PresetWish { place: Some(0), key: Some(3), ..PresetWish::default() });
        change("noon", PresetWish { name: Some("midday".into()), key: Some(3), ..PresetWish::default() });
        change("dawn", PresetWish { place: Some(99), ..PresetWish::default() });
        assert_eq!(names(&presets), ["night/late", "midday", "dawn"]);
        let again = open(folder.path());
        assert_eq!(again.all(), presets.all());
        assert_eq!(again.all().iter().map(|preset| preset.key).collect::<Vec<_>>(), [None, Some(3), None]);
        assert_eq!(again.get("dawn").unwrap().missing, ["stars", "wave"]);
        assert_eq!(again.remove("midday").unwrap().len(), 2);
        assert!(matches!(again.get("midday"), Err(ApiError::NotFound(_))));
        // Two who have it open see each other's changes as soon as they make one.
        presets.put("eve", painted("wave")).unwrap();
        assert_eq!(names(&presets), ["night/late", "dawn", "eve"]);
    }

    #[test]
    fn what_cannot_be_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let presets = open(folder.path());
        presets.put("dawn", painted("wave")).unwrap();
        presets.put("noon", painted("wave")).unwrap();
        let before = presets.all();
        let strong = Look { strength: 7.0, ..Look::default() };
        for (name, wish, words) in [
            ("night", PresetWish::default(), "a new one needs a look"),
            ("dawn", PresetWish { name: Some("noon".into()), ..PresetWish::default() }, "`noon` already"),
            ("dawn", PresetWish { name: Some(" ".into()), ..PresetWish::default() }, "1 to 60 characters"),
            ("..", painted("wave"), "1 to 60 characters"),
            ("a\u{202e}b", painted("wave"), "1 to 60 characters"),
            ("dawn", PresetWish { key: Some(10), ..PresetWish::default() }, "key = 10: 1 to 9"),
            ("dawn", PresetWish { look: Some(strong), ..PresetWish::default() }, "strength = 7"),
        ] {
            let refused = presets.put(name, wish).unwrap_err();
            assert!(format!("{refused:?}").contains(words), "{refused:?}");
        }
        assert_eq!(presets.all(), before);
        // A file that somebody broke is not replaced.
        std::fs::write(folder.path().join(FILE), "[{").unwrap();
        let refused = presets.put("night", painted("wave")).unwrap_err();
        assert!(format!("{refused:?}").contains("mend the file"), "{refused:?}");
        assert_eq!(std::fs::read_to_string(folder.path().join(FILE)).unwrap(), "[{");
        let nowhere = Presets::open(None, Networks::default(), Arc::default());
        assert!(format!("{:?}", nowhere.put("a", painted("wave"))).contains("[control] state"));
    }
}
