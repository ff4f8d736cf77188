//! Paintings as styles, at once and without training: which ones there are, for networks that take any.

mod kept;
mod vectors;

pub use kept::name_of;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::error::{Error, Result};
use crate::picture;
use crate::style::Catalog;
use crate::style::look::Look;
use crate::style::manifest::{Manifest, Paintings, Style};
use crate::style::onnx::SessionOptions;
use crate::sync::Locked;
use vectors::Vectors;

/// So many paintings of the folder are styles, the first by name; no list of styles should be longer.
const MOST_PAINTINGS: usize = 500;

/// What installs a network that takes any painting.
pub const INSTALL: &str = "./dev setup --arbitrary";

/// Where one is needed.
const NONE_INSTALLED: &str =
    "no network is installed that paints like any painting: `./dev setup --arbitrary` fetches one";

/// The paintings in a folder, and those that a look names by their path; clones are the same.
#[derive(Clone)]
pub struct Gallery {
    shared: Arc<Shared>,
}

struct Shared {
    /// None if there is no folder for them.
    folder: Option<PathBuf>,
    /// Files elsewhere, as they were named.
    named: Mutex<BTreeSet<String>>,
    vectors: Vectors,
    /// Taken while the folder is changed.
    turn: Mutex<()>,
}

impl fmt::Debug for Gallery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gallery").field("folder", &self.shared.folder).finish_non_exhaustive()
    }
}

impl Gallery {
    /// The paintings of `folder`; what encoders make of them is kept in `cache` too. Encoders run as `session` says.
    pub fn new(folder: Option<PathBuf>, cache: Option<PathBuf>, session: SessionOptions) -> Self {
        let (named, turn, vectors) = (Mutex::default(), Mutex::default(), Vectors::new(cache, session));
        Self { shared: Arc::new(Shared { folder, named, vectors, turn }) }
    }

    /// Where paintings lie that are styles.
    pub fn folder(&self) -> Option<&Path> {
        self.shared.folder.as_deref()
    }

    /// The files elsewhere that are styles, as they were named.
    pub fn named(&self) -> BTreeSet<String> {
        self.shared.named.locked().clone()
    }

    /// Gives the networks of `catalog` the paintings that `look` names, by their path or as a style of the folder.
    ///
    /// # Errors
    /// A path that cannot be a style: no picture, one that cannot be read, or no network takes paintings.
    pub fn hang_for(&self, catalog: &mut Catalog, look: &Look) -> Result<()> {
        let is_known = |name: &str| catalog.styles().any(|style| style.name == name);
        for name in look.style_names().filter(|name| is_path(name) && !is_known(name)) {
            let refused = |what: String| Error::usage(format!("style `{name}`: {what}"));
            if !Path::new(name).is_file() {
                return Err(refused("there is no such picture file".into()));
            }
            let made: Vec<_> =
                catalog.takers().map(|network| self.shared.vectors.of(network, Path::new(name))).collect();
            match made.first() {
                None => return Err(refused(NONE_INSTALLED.into())),
                Some(Err(what)) if made.iter().all(Result::is_err) => return Err(refused(what.clone())),
                Some(_) => {}
            }
            self.shared.named.locked().insert(name.to_string());
        }
        self.hang_those(catalog, |name| look.style_names().any(|wanted| wanted == name));
        Ok(())
    }

    /// Takes over what another gallery knows of files elsewhere.
    pub fn take_named(&self, other: &Self) {
        self.shared.named.locked().extend(other.named());
    }

    /// Gives the networks of `catalog` that take any painting all paintings there are now. One that cannot be read, or of which
    /// the encoder makes nothing, is told and left out.
    pub fn hang(&self, catalog: &mut Catalog) {
        self.hang_those(catalog, |_| true);
    }

    fn hang_those(&self, catalog: &mut Catalog, is_wanted: impl Fn(&str) -> bool) {
        let takers: Vec<Manifest> = catalog.takers().cloned().collect();
        if takers.is_empty() {
            return;
        }
        let files = self.files();
        for network in &takers {
            let style = |(name, file): (&String, &PathBuf)| match self.shared.vectors.of(network, file) {
                Ok(painting) => Some(Style::of_painting(name.clone(), title(file), painting)),
                Err(_) => None,
            };
            let wanted = files.iter().filter(|(name, _)| is_wanted(name));
            let styles: Vec<Style> = wanted.filter_map(style).collect();
            catalog.hang(&network.path, Paintings(styles.into()));
        }
        self.shared.vectors.forget_all_but(|network, file| {
            takers.iter().any(|taker| taker.path == network) && files.values().any(|known| known == file)
        });
    }

    /// All paintings by the names of their styles: a file of the folder is called by its stem, one elsewhere as it was named.
    fn files(&self) -> BTreeMap<String, PathBuf> {
        let entries = self.folder().and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(|path| is_painting(path)).collect();
        paths.sort();
        let mut files = BTreeMap::new();
        for path in paths {
            let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
            if files.len() < MOST_PAINTINGS && kept::check_name(stem).is_ok() {
                files.entry(stem.to_string()).or_insert(path);
            }
        }
        files.extend(self.named().into_iter().map(|name| (name.clone(), name.into())));
        files
    }
}

/// What is shown for a painting: the name of its file in words.
fn title(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    stem.replace(['_', '-'], " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A file of the folder that can be a style; those with a dot in front are not shown.
fn is_painting(path: &Path) -> bool {
    let is_hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    !is_hidden && picture::is_named_so(path) && path.is_file()
}

/// True if the name of a style is the path of a picture instead.
pub fn is_path(name: &str) -> bool {
    let path = Path::new(name);
    name.contains(std::path::MAIN_SEPARATOR) || picture::is_named_so(path) || (name.contains('.') && path.is_file())
}
