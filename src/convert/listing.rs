//! The files that a batch paints, and what they are called in its folder.

use std::path::{Path, PathBuf};

use super::pictures;
use super::target::Target;
use crate::error::{Error, Result};
use crate::picture::{Format, is_named_so};

/// Endings of the films that are taken out of folders; one that is named is tried whatever its ending is.
const FILMS: [&str; 28] = [
    "3gp", "apng", "asf", "avi", "dv", "f4v", "flv", "gif", "m2ts", "m2v", "m4v", "mjpeg", "mjpg", "mkv", "mov", "mp4",
    "mpeg", "mpg", "mts", "mxf", "ogm", "ogv", "rm", "ts", "vob", "webm", "wmv", "wtv",
];

/// A file to paint, and its name below the folder of the batch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    pub input: PathBuf,
    pub name: PathBuf,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Listing {
    pub items: Vec<Item>,
    /// Files in folders that are neither film nor picture.
    pub others: usize,
    /// Folders that were not entered.
    pub folders: usize,
}

/// What is taken of folders.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    /// Folders in folders too.
    pub recursive: bool,
    /// Where the batch paints into; what lies there is painted already.
    pub output: &'a Path,
    /// Films become pictures.
    pub stills: bool,
}

impl Listing {
    /// # Errors
    /// A folder cannot be read, is the one that is painted into, or two files would get the same name there.
    pub fn of(inputs: &[PathBuf], selection: Selection) -> Result<Self> {
        let mut this = Self::default();
        for input in inputs {
            if input.is_dir() {
                this.look_into(input, Path::new(""), selection)?;
            } else {
                let name = selection.name_of(Path::new(input.file_name().unwrap_or_default()), input);
                this.items.push(Item { input: input.clone(), name });
            }
        }
        this.in_order(selection)
    }

    /// What lies in one folder.
    ///
    /// # Errors
    /// As [`Listing::of`].
    pub fn of_folder(folder: &Path, selection: Selection) -> Result<Self> {
        let mut this = Self::default();
        this.look_into(folder, Path::new(""), selection)?;
        this.in_order(selection)
    }

    /// By name; each name stands for one file.
    fn in_order(mut self, selection: Selection) -> Result<Self> {
        self.items.sort_by(|one, other| (&one.name, &one.input).cmp(&(&other.name, &other.input)));
        self.items.dedup();
        match self.items.windows(2).find(|pair| pair[0].name == pair[1].name) {
            Some([one, other]) => Err(Error::usage(format!(
                "{} and {} would both become {}: rename one, or paint them into two folders",
                one.input.display(),
                other.input.display(),
                selection.output.join(&one.name).display()
            ))),
            _ => Ok(self),
        }
    }

    /// Adds what lies in `folder`, which is called `name` in OUT.
    fn look_into(&mut self, folder: &Path, name: &Path, selection: Selection) -> Result<()> {
        let unreadable = |error: std::io::Error| Error::input(format!("{}: {error}", folder.display()));
        if same_file::is_same_file(folder, selection.output).unwrap_or(false) {
            return Err(Error::usage(format!("IN and OUT are the same folder: {}", folder.display())));
        }
        for entry in std::fs::read_dir(folder).map_err(unreadable)?.flatten() {
            let (path, name) = (entry.path(), name.join(entry.file_name()));
            // Programs give files that they have not finished such names, and people those that are not for show.
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if is_hidden || same_file::is_same_file(&path, selection.output).unwrap_or(false) {
                continue;
            }
            // A link to a folder may lead round in a circle.
            match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true if selection.recursive => self.look_into(&path, &name, selection)?,
                true => self.folders += 1,
                false if is_film(&name) || is_named_so(&name) => {
                    self.items.push(Item { name: selection.name_of(&name, &path), input: path });
                }
                false => self.others += 1,
            }
        }
        Ok(())
    }
}

impl Selection<'_> {
    /// What is painted of `input` is called so. One that cannot keep its ending gets another behind it: `old.avi` may lie
    /// beside `old.mkv`.
    fn name_of(self, name: &Path, input: &Path) -> PathBuf {
        let is_film = is_film(name) || Format::of(name).is_none() && !pictures::is_picture(input);
        let (keeps, other) = match is_film {
            true if self.stills => (false, "png"),
            true => (Target::of(name).is_ok(), "mkv"),
            false => (Format::of(name).is_some(), "png"),
        };
        let mut name = name.as_os_str().to_os_string();
        if !keeps {
            name.push(".");
            name.push(other);
        }
        name.into()
    }
}

fn is_film(name: &Path) -> bool {
    let ending = name.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    FILMS.contains(&ending.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_keep_their_names_where_they_can() {
        let selection = |stills| Selection { recursive: false, output: Path::new("out"), stills };
        let name = |name: &str, stills| selection(stills).name_of(name.as_ref(), name.as_ref());
        for (file, film, still) in [
            ("a.MP4", "a.MP4", "a.MP4.png"),
            ("a.b.avi", "a.b.avi.mkv", "a.b.avi.png"),
            ("a.gif", "a.gif", "a.gif.png"),
            ("sub/a.jpeg", "sub/a.jpeg", "sub/a.jpeg"),
            ("a.TIFF", "a.TIFF.png", "a.TIFF.png"),
            ("odd", "odd.mkv", "odd.png"),
        ] {
            assert_eq!((name(file, false), name(file, true)), (film.into(), still.into()), "{file}");
        }
    }
}
