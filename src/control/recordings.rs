//! The recordings in the daemon's folder: listed, read, renamed and removed, and nothing else that lies there.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{Mode, OFlags};

use super::contract::Recording;
use super::text::is_shown_as_written;
use super::{ApiError, ApiResult};
use crate::error::{Conflict, Error, Result};
use crate::output::{Container, dated_name, length_of, move_without_replacing};
use crate::sync::Locked;

/// The newest of them are listed.
const MOST_LISTED: usize = 1000;

/// The longest name, in bytes: file systems allow 255, and numbers may be added.
const LONGEST_NAME: usize = 200;

/// The folder, and what is known of the files in it.
pub struct Recordings {
    folder: PathBuf,
    /// To read a length takes a while: it is kept for as long as the file stays the same.
    lengths: Mutex<HashMap<Version, Option<Duration>>>,
}

/// A file as it is: another size or time makes it another one.
type Version = (String, u64, SystemTime);

impl Recordings {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, lengths: Mutex::default() }
    }

    /// A new file of that name, or named after stream and time: nothing is overwritten, and nothing is written elsewhere.
    ///
    /// # Errors
    /// No plain name, one that is taken, or the folder cannot be made.
    pub fn new_file(&self, requested: Option<String>, stream: &str) -> ApiResult<PathBuf> {
        let path = self.path(&requested.unwrap_or_else(|| dated_name(stream)))?;
        if path.exists() {
            return Err(taken(&path));
        }
        std::fs::create_dir_all(&self.folder).map_err(|error| {
            let folder = self.folder.display();
            Error::output(format!("{folder}: {error}; set [control] recordings in the config"))
        })?;
        Ok(path)
    }

    /// All that are finished, the newest first; may block while lengths are read.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> ApiResult<Vec<Recording>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::output(format!("{}: {error}", self.folder.display())).into()),
        };
        let version = |entry: std::fs::DirEntry| {
            let (name, found) = (entry.file_name().into_string().ok()?, entry.metadata().ok()?);
            let is_recording = found.is_file() && self.path(&name).is_ok() && Container::of(Path::new(&name)).is_ok();
            is_recording.then(|| (name, found.len(), modified(&found)))
        };
        let mut versions: Vec<Version> = entries.flatten().filter_map(version).collect();
        versions.sort_by(|a, b| (b.2, &b.0).cmp(&(a.2, &a.0)));
        versions.truncate(MOST_LISTED);
        self.lengths.locked().retain(|known, _| versions.contains(known));
        Ok(versions.into_iter().map(|version| self.describe(version)).collect())
    }

    fn describe(&self, version: Version) -> Recording {
        let known = self.lengths.locked().get(&version).copied();
        let length = known.unwrap_or_else(|| {
            let length = length_of(&self.folder.join(&version.0));
            self.lengths.locked().insert(version.clone(), length);
            length
        });
        let (file, bytes, time) = version;
        let finished_unix_s = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Recording { file, bytes, length_s: length.map(|length| length.as_secs_f64()), finished_unix_s }
    }

    /// Opens a recording to be read.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn open(&self, name: &str) -> ApiResult<(File, Metadata)> {
        let path = self.path(name)?;
        let missing = || ApiError::NotFound(format!("there is no recording `{name}`"));
        if Container::of(&path).is_err() {
            return Err(missing());
        }
        // A link may lead anywhere, and a pipe would hold up whoever opens it.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(&path, flags, Mode::empty()).map_err(|_| missing())?);
        let found = file.metadata().map_err(|_| missing())?;
        if found.is_file() { Ok((file, found)) } else { Err(missing()) }
    }

    /// Removes a recording, and returns those that are left.
    ///
    /// # Errors
    /// There is none of that name, or it cannot be removed.
    pub fn remove(&self, name: &str) -> ApiResult<Vec<Recording>> {
        self.open(name)?;
        let path = self.path(name)?;
        std::fs::remove_file(&path).map_err(|error| Error::output(format!("{}: {error}", path.display())))?;
        self.list()
    }

    /// Gives a recording another name.
    ///
    /// # Errors
    /// There is none of that name; the new one is taken, no plain name, or of another container.
    pub fn rename(&self, name: &str, new_name: &str) -> ApiResult<Recording> {
        let (_, found) = self.open(name)?;
        let (path, new_path) = (self.path(name)?, self.path(new_name)?);
        if path.extension() != new_path.extension() {
            let ending = path.extension().unwrap_or_default().display();
            return Err(Error::usage(format!("`{new_name}`: the name must end in .{ending}, as it did before")).into());
        }
        match move_without_replacing(&path, &new_path) {
            Ok(()) => Ok(self.describe((new_name.into(), found.len(), modified(&found)))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(taken(&new_path)),
            Err(error) => Err(Error::output(format!("{}: {error}", new_path.display())).into()),
        }
    }

    /// # Errors
    /// No plain file name: it would lead elsewhere, or be shown as another one.
    fn path(&self, name: &str) -> Result<PathBuf> {
        if !is_shown_as_written(name) {
            return Err(Error::usage("the name of the recording has line ends, direction marks or the like in it"));
        }
        let is_plain = !name.starts_with('.') && !name.contains(['/', '\\', '\0']) && name.len() <= LONGEST_NAME;
        if !is_plain || name.is_empty() {
            let folder = self.folder.display();
            let what = format!("`{name}` is no plain file name: recordings are written into the folder {folder}");
            return Err(Error::usage(what));
        }
        Ok(self.folder.join(name))
    }
}

fn taken(path: &Path) -> ApiError {
    ApiError::Conflict(Conflict::Exists, format!("{} is there already; choose another name", path.display()))
}

fn modified(found: &Metadata) -> SystemTime {
    found.modified().unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRICKS: [&str; 10] = [
        "../x.mkv",
        "a/b.mkv",
        "/etc/x.mkv",
        "..",
        "",
        ".hidden.mkv",
        "a\\b.mkv",
        "a\0.mkv",
        "a\n.mkv",
        "a\u{202e}vkm.mkv",
    ];

    #[test]
    fn recordings_stay_in_their_folder() {
        let folder = tempfile::tempdir().unwrap();
        let recordings = Recordings::new(folder.path().join("recordings"));
        let file = |name: &str| recordings.new_file(Some(name.into()), "hall");
        for trick in TRICKS {
            assert!(matches!(file(trick), Err(ApiError::Failed(_))), "{trick}");
        }
        assert!(!recordings.folder.exists(), "nothing was made for a name that cannot be");
        assert_eq!(file("take 1.mkv"), Ok(recordings.folder.join("take 1.mkv")));
        std::fs::write(recordings.folder.join("take 1.mkv"), "").unwrap();
        assert!(matches!(file("take 1.mkv"), Err(ApiError::Conflict(Conflict::Exists, _))));
        let named = recordings.new_file(None, "hall").unwrap();
        let name = named.strip_prefix(&recordings.folder).unwrap().to_str().unwrap();
        let pattern: String = name.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(pattern, "hall-0000-00-00_00-00-00.mkv");
    }

    #[test]
    fn only_recordings_are_listed_read_renamed_and_removed() {
        crate::gst::init().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let recordings = Recordings::new(path("recordings"));
        assert_eq!(recordings.list(), Ok(Vec::new()), "the folder is made when it is needed");
        std::fs::create_dir_all(path("recordings/folder.mkv")).unwrap();
        std::fs::write(path("precious.mkv"), "mine").unwrap();
        std::os::unix::fs::symlink(path("precious.mkv"), path("recordings/link.mkv")).unwrap();
        for other in ["a.mkv", "notes.txt", ".b.mkv.part"] {
            std::fs::write(path("recordings").join(other), "x").unwrap();
        }
        let listed = |recordings: &Recordings| {
            recordings.list().unwrap().into_iter().map(|found| found.file).collect::<Vec<_>>()
        };
        assert_eq!(listed(&recordings), ["a.mkv"]);
        assert_eq!(recordings.list().unwrap()[0].length_s, None, "it does not play");
        for other in ["notes.txt", "link.mkv", "folder.mkv", "none.mkv"] {
            assert!(matches!(recordings.open(other), Err(ApiError::NotFound(_))), "{other}");
            assert!(matches!(recordings.remove(other), Err(ApiError::NotFound(_))), "{other}");
            assert!(recordings.rename(other, "b.mkv").is_err(), "{other}");
        }
        for trick in TRICKS {
            assert!(recordings.open(trick).is_err() && recordings.remove(trick).is_err(), "{trick}");
            assert!(matches!(recordings.rename("a.mkv", trick), Err(ApiError::Failed(_))), "{trick}");
        }
        assert!(matches!(recordings.rename("a.mkv", "a.mp4"), Err(ApiError::Failed(_))));
        assert!(matches!(recordings.rename("a.mkv", "link.mkv"), Err(ApiError::Conflict(Conflict::Exists, _))));
        assert_eq!(recordings.rename("a.mkv", "b.mkv").unwrap().file, "b.mkv");
        assert_eq!(recordings.remove("b.mkv"), Ok(Vec::new()));
        assert_eq!(std::fs::read_to_string(path("precious.mkv")).unwrap(), "mine");
    }
}
