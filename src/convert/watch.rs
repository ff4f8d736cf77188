//! A folder that is watched: what appears there is told once it is finished being written.
//!
//! It is looked at again and again instead of waiting for the kernel's word, which does not come from other machines.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::listing::{Item, Listing, Selection};
use crate::error::Result;
use crate::machine::is_being_written;

/// Size and time of a file: what changes as it is written.
type Stamp = (u64, Option<SystemTime>);

/// A watched folder.
pub struct Watch<'a> {
    folder: PathBuf,
    selection: Selection<'a>,
    /// As they were when they were last looked at.
    seen: HashMap<PathBuf, Stamp>,
    /// As they were when they were told.
    told: HashMap<PathBuf, Stamp>,
}

impl<'a> Watch<'a> {
    pub fn new(folder: &Path, selection: Selection<'a>) -> Self {
        Self { folder: folder.to_path_buf(), selection, seen: HashMap::new(), told: HashMap::new() }
    }

    /// The files that have been finished, or changed, since the last look: unchanged from look to look, and held open for
    /// writing by nobody.
    ///
    /// # Errors
    /// The folder cannot be read, or two files in it would get the same name.
    pub fn look(&mut self) -> Result<Vec<Item>> {
        let listing = Listing::of_folder(&self.folder, self.selection)?;
        let mut seen = HashMap::new();
        let mut finished = Vec::new();
        for item in listing.items {
            let Ok(metadata) = std::fs::metadata(&item.input) else { continue };
            let stamp = (metadata.len(), metadata.modified().ok());
            let is_new = self.told.get(&item.input) != Some(&stamp);
            let is_still = metadata.len() > 0 && self.seen.get(&item.input) == Some(&stamp);
            if is_new && is_still && !is_being_written(&item.input) {
                self.told.insert(item.input.clone(), stamp);
                finished.push(item.clone());
            }
            seen.insert(item.input, stamp);
        }
        self.told.retain(|input, _| seen.contains_key(input));
        self.seen = seen;
        Ok(finished)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    #[test]
    fn files_are_told_once_they_are_finished_and_when_they_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let output = path("painted");
        std::fs::create_dir(&output).unwrap();
        let mut watch = Watch::new(folder.path(), Selection { recursive: true, output: &output, stills: false });
        let mut look = || watch.look().unwrap().into_iter().map(|item| item.name).collect::<Vec<_>>();
        std::fs::write(path("there.png"), "a picture").unwrap();
        let mut writing = File::create(path("growing.mp4")).unwrap();
        writing.write_all(b"half of").unwrap();
        for left_alone in [".hidden.png", "film.mp4.part", "empty.png", "painted/made.png"] {
            std::fs::write(path(left_alone), if left_alone == "empty.png" { "" } else { "a picture" }).unwrap();
        }
        assert!(look().is_empty(), "nothing was seen twice yet");
        assert_eq!(look(), [Path::new("there.png")]);
        // However long it takes.
        assert!((0..3).all(|_| look().is_empty()));
        writing.write_all(b" a film").unwrap();
        drop(writing);
        assert!(look().is_empty());
        assert_eq!(look(), [Path::new("growing.mp4")]);
        std::fs::rename(path(".hidden.png"), path("moved.png")).unwrap();
        std::fs::write(path("there.png"), "another picture").unwrap();
        assert!(look().is_empty());
        assert_eq!(look(), [Path::new("moved.png"), Path::new("there.png")]);
        assert!(look().is_empty());
    }
}
