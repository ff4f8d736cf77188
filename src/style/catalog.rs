//! The catalog: every network with a manifest in the models folder, and finding one by style or name.

use std::path::{Path, PathBuf};

use super::manifest::{Manifest, Style, StyleSummary};
use crate::error::{Error, Result};

/// The network that paints when none is named and several know the style.
const DEFAULT_NETWORK: &str = "lite";

/// The style of our networks that leaves the picture as it is: painted only when it is asked for.
const UNPAINTED: &str = "photo";

/// All networks found in one folder, sorted by name, the default network first.
#[derive(Debug, Default)]
pub struct Catalog {
    folder: PathBuf,
    networks: Vec<Manifest>,
}

/// A network and the style of it that shall be painted.
#[derive(Debug, Clone)]
pub struct Choice {
    pub network: Manifest,
    pub style: Style,
}

impl Catalog {
    /// Reads every `*.toml` in `folder`. A broken manifest is an error only when it is needed, so the others
    /// stay usable: it is logged and left out.
    pub fn open(folder: &Path) -> Result<Self> {
        let entries = std::fs::read_dir(folder).map_err(|error| {
            Error::model(format!(
                "models folder {}: {error}; name it with --models or IMPASTO_MODELS",
                folder.display()
            ))
        })?;
        let mut networks = Vec::new();
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_some_and(|extension| extension == "toml") {
                match Manifest::read(&path) {
                    Ok(manifest) => networks.push(manifest),
                    Err(error) => tracing::warn!("left out: {error}"),
                }
            }
        }
        networks.sort_by_key(|network| (network.name != DEFAULT_NETWORK, network.name.clone()));
        Ok(Self { folder: folder.to_path_buf(), networks })
    }

    pub fn styles(&self) -> impl Iterator<Item = StyleSummary> + '_ {
        self.networks.iter().flat_map(Manifest::summaries)
    }

    /// Finds the network (a name of the catalog, or a path to an ONNX file or manifest) and its style.
    ///
    /// Without a network the first one that has the style; without a style the network's first that paints.
    ///
    /// # Errors
    /// Unknown names come with the nearest valid one.
    pub fn choose(&self, network: Option<&str>, style: Option<&str>) -> Result<Choice> {
        let network = match (network, style) {
            (Some(network), _) => self.network(network)?,
            (None, Some(style)) => self
                .networks
                .iter()
                .find(|network| network.style(style).is_some())
                .cloned()
                .ok_or_else(|| self.unknown_style(style, &self.networks))?,
            (None, None) => self.networks.first().cloned().ok_or_else(|| {
                Error::model(format!("no network in {}; `./dev train --help` makes one", self.folder.display()))
            })?,
        };
        let found = match style {
            Some(style) => {
                network.style(style).ok_or_else(|| self.unknown_style(style, std::slice::from_ref(&network)))?
            }
            None => network.styles.iter().find(|style| style.name != UNPAINTED).unwrap_or(&network.styles[0]),
        };
        let style = found.clone();
        Ok(Choice { network, style })
    }

    fn network(&self, wanted: &str) -> Result<Manifest> {
        if wanted.contains(std::path::MAIN_SEPARATOR) || wanted.ends_with(".onnx") || wanted.ends_with(".toml") {
            return from_path(Path::new(wanted));
        }
        self.networks.iter().find(|network| network.name == wanted).cloned().ok_or_else(|| {
            let names = self.networks.iter().map(|network| network.name.as_str());
            Error::usage(format!(
                "unknown network `{wanted}`{}; networks lie in {}, or name an .onnx file",
                did_you_mean(wanted, names),
                self.folder.display()
            ))
        })
    }

    fn unknown_style(&self, wanted: &str, networks: &[Manifest]) -> Error {
        let names = networks.iter().flat_map(|network| network.styles.iter().map(|style| style.name.as_str()));
        Error::usage(format!("unknown style `{wanted}`{}; `impasto styles` lists all", did_you_mean(wanted, names)))
    }
}

/// A network outside the catalog, by its ONNX file or its manifest.
fn from_path(path: &Path) -> Result<Manifest> {
    if !path.exists() {
        return Err(Error::model(format!("{}: no such file", path.display())));
    }
    let manifest = path.with_extension("toml");
    if !manifest.exists() {
        return Err(Error::model(format!(
            "{} has no manifest beside it; `impasto check {}` proposes one",
            path.display(),
            path.display()
        )));
    }
    Manifest::read(&manifest)
}

/// "; did you mean `x`?" for the nearest of `names`, or nothing if none is near.
pub fn did_you_mean<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    const NEAR: f64 = 0.75;
    let wanted = wanted.replace('-', "_").to_lowercase();
    names
        .map(|name| (strsim::jaro_winkler(&wanted, name), name))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

/// A TOML error with its place, and the nearest name for an unknown one.
pub fn explain(error: &toml::de::Error) -> String {
    format!("{}{}", error.to_string().trim_end(), suggestion(error.message()))
}

/// For "unknown field `widht`, expected one of `width`, `height`": the nearest of the expected names.
fn suggestion(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    match names.next() {
        Some(unknown) if message.starts_with("unknown") => did_you_mean(unknown, names),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let names = ["starry_night", "great_wave", "mosaic"];
        assert_eq!(did_you_mean("mosiac", names.into_iter()), "; did you mean `mosaic`?");
        assert_eq!(did_you_mean("Starry-Nigt", names.into_iter()), "; did you mean `starry_night`?");
        assert_eq!(did_you_mean("xyz", names.into_iter()), "");
    }
}
