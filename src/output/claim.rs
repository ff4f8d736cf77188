//! Claims the name of a recording: nothing that lies there is overwritten, and what was broken off gets a name of its own.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::part_path;
use super::record::is_dated;
use crate::error::{Error, Result};
use crate::machine::free_bytes;

/// Where there is less room than this, a recording would break off as soon as it begins.
const LEAST_ROOM: u64 = 64 * 1024;

/// What to do where something lies under the name that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// That name or none.
    Exact,
    /// A number is added: a daemon that is started again by itself must not destroy what it recorded before.
    Numbered,
}

/// What lies where a part was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum There {
    Part,
    /// It was removed, or moved.
    Nothing,
    /// Another file has taken its place.
    Stranger,
}

/// A name that nobody else records into, and the file beside it that is written meanwhile.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    part: PathBuf,
    /// The part, locked, so that other processes see that it is no remnant.
    lock: File,
}

impl Claim {
    /// None if the name is taken. What a recording of that name left when it was broken off moves out of the way.
    ///
    /// # Errors
    /// The folder cannot be written to, or is full.
    pub fn new(path: &Path, naming: Naming) -> Result<Option<Self>> {
        check_room(path)?;
        match naming {
            Naming::Exact => Self::exact(path),
            Naming::Numbered => numbered(path).find_map(|path| Self::exact(&path).transpose()).transpose(),
        }
    }

    /// Whether a recording of that name, or a numbered one, can begin; nothing is left behind.
    ///
    /// # Errors
    /// As [`Claim::new`].
    pub fn check(path: &Path) -> Result<()> {
        if let Some(claim) = Self::new(path, Naming::Numbered)? {
            claim.discard();
        }
        Ok(())
    }

    fn exact(path: &Path) -> Result<Option<Self>> {
        let failed = |error: std::io::Error| {
            Error::output(format!("{}: cannot be written: {error}; choose another with --record", path.display()))
        };
        let part = part_path(path);
        // The second time what lay there is gone, unless others are quicker.
        for _ in 0..2 {
            if path.symlink_metadata().is_ok() {
                return Ok(None);
            }
            match File::options().write(true).create_new(true).open(&part) {
                Ok(lock) => {
                    let is_ours = lock.try_lock().is_ok() && is_at(&lock, &part);
                    return Ok(is_ours.then(|| Self { path: path.to_path_buf(), part, lock }));
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    if !set_aside(path, &part).map_err(failed)? {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(None)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn part(&self) -> &Path {
        &self.part
    }

    /// What lies where the part was begun now.
    pub fn what_is_there(&self) -> There {
        match self.part.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => There::Nothing,
            // What cannot be looked at now may well be the part.
            Err(_) => There::Part,
            Ok(_) if is_at(&self.lock, &self.part) => There::Part,
            Ok(_) => There::Stranger,
        }
    }

    /// Removes the part; what others have put in its place stays.
    pub fn discard(&self) {
        if self.what_is_there() == There::Part {
            let _ = std::fs::remove_file(&self.part);
        }
    }

    /// Gives the finished file its name, or a numbered one if something has come to lie there; returns it.
    ///
    /// # Errors
    /// It cannot be moved.
    pub fn publish(&self) -> std::io::Result<PathBuf> {
        move_to_free(&self.part, &self.path)
    }
}

/// Gives names to what recordings under a date left in `folder` when the daemon was killed: nobody asks for those names
/// again.
pub fn recover_dated(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for part in entries.flatten().map(|entry| entry.path()) {
        let hidden = part.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix('.'));
        let Some(name) = hidden.and_then(|name| name.strip_suffix(".part")).filter(|name| is_dated(name)) else {
            continue;
        };
        if let Err(error) = set_aside(&folder.join(name), &part) {
            tracing::warn!("{}: {error}; it is what a recording left that was broken off", part.display());
        }
    }
}

fn check_room(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match free_bytes(folder) {
        Ok(Some(free)) if free < LEAST_ROOM => Err(Error::output(format!(
            "{}: No space left on device; make room, or choose another with --record",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// Moves what a recording left that was broken off to a name of its own. False if it is being written, or no file.
fn set_aside(path: &Path, part: &Path) -> std::io::Result<bool> {
    if !part.symlink_metadata().is_ok_and(|part| part.is_file()) {
        return Ok(false);
    }
    let file = File::open(part)?;
    if file.try_lock().is_err() {
        return Ok(false);
    }
    if file.metadata()?.len() == 0 {
        std::fs::remove_file(part)?;
        return Ok(true);
    }
    let kept = move_to_free(part, &with_suffix(path, "-recovered"))?;
    tracing::warn!("{} was broken off: what was written of it is now {}", path.display(), kept.display());
    Ok(true)
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = |a: &std::fs::Metadata, b: &std::fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    file.metadata().is_ok_and(|open| path.symlink_metadata().is_ok_and(|there| same(&open, &there)))
}

fn move_to_free(from: &Path, to: &Path) -> std::io::Result<PathBuf> {
    for path in numbered(to) {
        match move_without_replacing(from, &path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    unreachable!("numbers do not end")
}

/// Renames a file, or moves it within its file system.
///
/// # Errors
/// Something lies under the new name: that stays as it is. Whatever else keeps it from being moved.
pub fn move_without_replacing(from: &Path, to: &Path) -> std::io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that cannot do it in one step.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if to.symlink_metadata().is_err() => std::fs::rename(from, to),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Err(ErrorKind::AlreadyExists.into()),
        moved => Ok(moved?),
    }
}

/// `path`, and then with numbers added: `a.mkv`, `a-2.mkv`, `a-3.mkv`, ...
fn numbered(path: &Path) -> impl Iterator<Item = PathBuf> {
    std::iter::once(path.to_path_buf()).chain((2u32..).map(|number| with_suffix(path, &format!("-{number}"))))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let (stem, ending) = (path.file_stem().unwrap_or_default(), path.extension().unwrap_or_default());
    path.with_file_name(format!("{}{suffix}.{}", stem.to_string_lossy(), ending.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_name_is_claimed_once_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.mkv");
        let first = Claim::new(&file, Naming::Exact).unwrap().unwrap();
        assert!(Claim::new(&file, Naming::Exact).unwrap().is_none(), "it is being written");
        let second = Claim::new(&file, Naming::Numbered).unwrap().unwrap();
        assert_eq!(second.path(), folder.path().join("a-2.mkv"));
        std::fs::write(first.part(), "first").unwrap();
        // Something comes to lie under the name while it is recorded.
        std::fs::write(&file, "older").unwrap();
        assert_eq!(first.publish().unwrap(), folder.path().join("a-2.mkv"));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "older");
        assert_eq!(second.publish().unwrap(), folder.path().join("a-2-2.mkv"));
        assert!(Claim::new(&file, Naming::Exact).unwrap().is_none(), "it is there");
        let lost = Claim::new(&folder.path().join("no/a.mkv"), Naming::Numbered).unwrap_err().to_string();
        assert!(lost.contains("cannot be written: No such file"), "{lost}");
    }

    #[test]
    fn a_file_that_took_the_place_of_the_part_is_told_from_it_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let claim = Claim::new(&folder.path().join("a.mkv"), Naming::Exact).unwrap().unwrap();
        assert_eq!(claim.what_is_there(), There::Part);
        std::fs::remove_file(claim.part()).unwrap();
        assert_eq!(claim.what_is_there(), There::Nothing);
        std::fs::write(claim.part(), "a stranger's").unwrap();
        assert_eq!(claim.what_is_there(), There::Stranger);
        claim.discard();
        assert_eq!(std::fs::read_to_string(claim.part()).unwrap(), "a stranger's");
    }

    #[test]
    fn what_was_broken_off_under_a_date_is_found_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let part = |name: &str| part_path(&folder.path().join(name));
        for name in
            ["live-2026-11-27_09-17-54.mkv", "live-2026-11-27_09-17-54-2.mkv", "film.mkv", "x2026-11-27_09-17-5.mkv"]
        {
            std::fs::write(part(name), name).unwrap();
        }
        let running = folder.path().join("hall-2026-11-27_09-17-55.mkv");
        let claim = Claim::new(&running, Naming::Exact).unwrap().unwrap();
        std::fs::write(claim.part(), "it goes on").unwrap();
        recover_dated(folder.path());
        assert_eq!(
            names(folder.path()),
            [
                ".film.mkv.part",
                ".hall-2026-11-27_09-17-55.mkv.part",
                ".x2026-11-27_09-17-5.mkv.part",
                "live-2026-11-27_09-17-54-2-recovered.mkv",
                "live-2026-11-27_09-17-54-recovered.mkv"
            ]
        );
    }

    #[test]
    fn what_was_broken_off_is_kept_and_a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.mkv");
        for text in ["one", "two"] {
            std::fs::write(part_path(&file), text).unwrap();
            drop(Claim::new(&file, Naming::Exact).unwrap().unwrap());
        }
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!((read("a-recovered.mkv"), read("a-recovered-2.mkv")), ("one".into(), "two".into()));
        assert_eq!(
            names(folder.path()),
            [".a.mkv.part", "a-recovered-2.mkv", "a-recovered.mkv"],
            "an empty one is none"
        );

        let (precious, linked) = (folder.path().join("precious"), folder.path().join("b.mkv"));
        std::fs::write(&precious, "keep").unwrap();
        std::os::unix::fs::symlink(&precious, part_path(&linked)).unwrap();
        assert!(Claim::new(&linked, Naming::Exact).unwrap().is_none());
        let other = Claim::new(&linked, Naming::Numbered).unwrap().unwrap();
        assert_eq!(other.path(), folder.path().join("b-2.mkv"));
        assert_eq!(read("precious"), "keep");
    }
}
