//! Networks that find people: a manifest of their own kind, and where one lies.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::super::manifest::{Manifest, Style};
use super::super::onnx::MaskPlaces;
use super::super::onnx::library::cache_folder;
use super::super::picture_tensor::{ImageInput, ImageOutput};
use super::super::tensor::Channels;
use crate::atomic_file;
use crate::error::{Error, Result};
use crate::suggest::explain;

/// What `kind` is in the manifest of a network that finds people.
const KIND: &str = "mask";

/// Below the cache, where `./dev setup --mask` leaves one.
const FOLDER: &str = "mask";

/// Its manifest, as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "kind")]
    _kind: String,
    name: String,
    title: String,
    file: String,
    sha256: Option<String>,
    licence: String,
    source: Option<String>,
    input: ImageInput,
    output: ImageOutput,
}

/// Whether that is the manifest of a network that finds people: it paints nothing.
pub fn is_mask_network(manifest: &Path) -> bool {
    let text = atomic_file::read_text(manifest).unwrap_or_default();
    text.parse::<toml::Table>().is_ok_and(|table| table.get("kind").and_then(toml::Value::as_str) == Some(KIND))
}

/// What installs a network that finds people.
pub const INSTALL: &str = "./dev setup --mask";

/// The network that is named, or the first one there is; none if there is none.
///
/// # Errors
/// Its manifest says what cannot be, or the one that is named is not there.
pub fn mask_network(places: &MaskPlaces) -> Result<Option<Manifest>> {
    if let Some(named) = &places.named {
        return read(&named.with_extension("toml")).map(Some);
    }
    let folders = places.models.iter().cloned().chain(cache_folder().map(|cache| cache.join(FOLDER)));
    let first = folders.flat_map(|folder| manifests(&folder)).find(|path| is_mask_network(path));
    first.map(|path| read(&path)).transpose()
}

/// As [`mask_network`], where one is needed.
pub(super) fn find(places: &MaskPlaces) -> Result<Manifest> {
    let there = mask_network(places)?;
    there.ok_or_else(|| {
        Error::model(format!(
            "mask: there is no network that finds people; `{INSTALL}` installs one, or name one with [runtime] mask_network"
        ))
    })
}

/// In the order of their names.
fn manifests(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "toml")).collect();
    paths.sort();
    paths
}

/// As a network with nothing to paint: sessions know only such ones.
fn read(path: &Path) -> Result<Manifest> {
    let refused = |what: String| Error::model(format!("{}: {what}", path.display()));
    let text = atomic_file::read_text(path).map_err(|error| refused(error.to_string()))?;
    if !is_mask_network(path) {
        return Err(refused(format!("is not of a network that finds people, which has kind = \"{KIND}\"")));
    }
    let written: Written = toml::from_str(&text).map_err(|error| refused(explain(&error, &text)))?;
    let Written { name, title, file, sha256, licence, source, input, output, .. } = written;
    input.check().and_then(|()| output.check(&input.size)).map_err(refused)?;
    if input.size.fixed.is_none() || input.size.border > 0 {
        return Err(refused("[input] size: a network that finds people needs `fixed`, without a border".into()));
    }
    if output.channels != Channels::Gray {
        return Err(refused("[output] channels: a network that finds people gives one, \"gray\"".into()));
    }
    if Path::new(&file).file_name() != Some(file.as_ref()) {
        return Err(refused(format!("`file` must be a file name beside the manifest, not `{file}`")));
    }
    let style = Style::new(name.clone(), title.clone());
    Ok(Manifest {
        name,
        title,
        file,
        sha256,
        licence,
        source,
        input,
        output,
        style_input: None,
        style_image: None,
        constants: Vec::new(),
        states: Vec::new(),
        styles: vec![style],
        paintings: Default::default(),
        path: path.to_path_buf(),
    })
}
