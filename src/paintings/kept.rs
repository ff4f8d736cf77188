//! The folder of paintings: one kept under a name, and removed.

use std::io::Write;
use std::path::{Path, PathBuf};

use image::ImageFormat;

use super::vectors::on_white;
use super::{Gallery, MOST_PAINTINGS, NONE_INSTALLED, is_painting};
use crate::error::{Conflict, Error, Result};
use crate::picture::{Bounds, Original, is_cut_off};
use crate::style::Catalog;
use crate::style::geometry::MAX_SIDE;
use crate::sync::Locked;

/// The longest name, in characters.
const LONGEST_NAME: usize = 60;

/// The largest painting that is sent: unpacked it takes four bytes a pixel.
const MOST_PIXELS: usize = 40_000_000;

impl Gallery {
    /// Keeps the picture in `bytes`, so that it is a style of this name; the catalog is that of now.
    ///
    /// # Errors
    /// No network takes paintings, a name that cannot be or is taken, no picture or one that cannot be painted like, or the
    /// folder cannot be written.
    pub fn keep(&self, name: &str, bytes: &[u8], catalog: &Catalog) -> Result<()> {
        check_name(name)?;
        if catalog.takers().next().is_none() {
            return Err(Error::usage(NONE_INSTALLED));
        }
        let ending = match image::guess_format(bytes) {
            Ok(ImageFormat::Jpeg) => "jpg",
            Ok(ImageFormat::Png) => "png",
            Ok(ImageFormat::WebP) => "webp",
            _ => return Err(Error::input("the painting: is no JPEG, PNG or WebP file")),
        };
        if catalog.styles().any(|style| style.name == name) {
            return Err(taken(name));
        }
        let unreadable = |what: String| Error::input(format!("the painting: {what}"));
        if is_cut_off(bytes) {
            return Err(unreadable("is cut off: a part of it is missing".into()));
        }
        let bounds = Bounds { side: MAX_SIDE, pixels: MOST_PIXELS };
        let picture = on_white(Original::decode(bytes, bounds).map_err(unreadable)?.picture);
        // One network that can paint like it is enough.
        let tried: Vec<_> =
            catalog.takers().map(|network| self.shared.vectors.try_bytes(network, &picture, bytes)).collect();
        if let (false, Some(Err(what))) = (tried.iter().any(Result::is_ok), tried.first()) {
            return Err(Error::model(format!("no network paints like it: {what}")));
        }

        let folder = self.own_folder()?;
        let _turn = self.shared.turn.locked();
        let paintings = self.kept();
        if paintings.iter().any(|path| path.file_stem().is_some_and(|stem| stem == name)) {
            return Err(taken(name));
        }
        if paintings.len() >= MOST_PAINTINGS {
            let what = format!("there are {MOST_PAINTINGS} paintings, and no more fit: remove some");
            return Err(Error::conflict(Conflict::Full, what));
        }
        let path = folder.join(format!("{name}.{ending}"));
        write_new(&path, bytes).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => taken(name),
            _ => Error::output(format!("{}: {error}; make room, or set [runtime] paintings", path.display())),
        })
    }

    /// Removes the painting of this name from the folder; false if there is none.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let _turn = self.shared.turn.locked();
        let of_that_name = |path: &PathBuf| path.file_stem().is_some_and(|stem| stem == name);
        let files: Vec<_> = self.kept().into_iter().filter(of_that_name).collect();
        for file in &files {
            std::fs::remove_file(file).map_err(|error| Error::output(format!("{}: {error}", file.display())))?;
        }
        Ok(!files.is_empty())
    }

    fn kept(&self) -> Vec<PathBuf> {
        let entries = self.folder().and_then(|folder| folder.read_dir().ok()).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| is_painting(path)).collect()
    }

    fn own_folder(&self) -> Result<&Path> {
        let none = "there is no folder for paintings: set [runtime] paintings in the config, or HOME";
        self.folder().ok_or_else(|| Error::usage(none))
    }
}

fn taken(name: &str) -> Error {
    Error::conflict(Conflict::Exists, format!("there is a style `{name}` already; choose another name"))
}

/// What a painting of that file is called where it is kept: its stem, without what no name may have.
pub fn name_of(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let name: String = stem.chars().map(|c| if is_of_name(c) { c } else { '_' }).take(LONGEST_NAME).collect();
    name.trim().to_string()
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || "_- ".contains(c)
}

/// A name that is a plain file's, and that a mix of styles can hold.
pub(super) fn check_name(name: &str) -> Result<()> {
    let length = name.chars().count();
    if (1..=LONGEST_NAME).contains(&length) && name.chars().all(is_of_name) && name.trim() == name {
        return Ok(());
    }
    Err(Error::usage(format!(
        "`{name}`: a painting's name has 1 to {LONGEST_NAME} letters, digits, spaces, - and _, and no space at its ends"
    )))
}

/// Writes a file that is not there yet, at once or not at all.
fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut part = tempfile::NamedTempFile::new_in(folder)?;
    part.write_all(bytes)?;
    part.as_file().sync_all()?;
    part.persist_noclobber(path).map(drop).map_err(|error| error.error)
}
