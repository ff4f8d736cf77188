//! The catalog: every network with a manifest in the models folder, and finding one by style or name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::look::{Look, Mix, ResolvedLook};
use super::manifest::{Manifest, Paintings, Style, StyleSummary};
use super::mask::is_mask_network;
use super::stroke::Stroke;
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::suggest::did_you_mean;

/// The network that paints when none is named and several know the style.
const DEFAULT_NETWORK: &str = "lite";

/// The style of our networks that leaves the picture as it is: painted only when it is asked for.
const UNPAINTED: &str = "photo";

/// All networks found in some folders, sorted by name: the default network first, those that take any painting last.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// The folder of networks, and others where networks may lie too.
    folders: Vec<PathBuf>,
    networks: Vec<Manifest>,
    /// What was left out, and why: each is told once.
    left_out: Vec<String>,
}

/// A network and the styles of it that shall be painted.
#[derive(Debug, Clone)]
pub struct Choice {
    pub network: Manifest,
    /// The style with the largest weight.
    pub style: Style,
    /// All styles, with a sum of 1.
    pub mix: Mix,
    /// The whole look, for this network.
    pub resolved: ResolvedLook,
}

impl Catalog {
    /// Reads every `*.toml` in `folder`, and in `others` where these are there. A broken manifest is an error only when it is
    /// needed, so the others stay usable: it is logged and left out.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn open(folder: &Path, others: &[PathBuf]) -> Result<Self> {
        let read = Self::read(folder, others)?;
        read.left_out.iter().for_each(|what| tracing::warn!("left out: {what}"));
        Ok(read)
    }

    fn read(folder: &Path, others: &[PathBuf]) -> Result<Self> {
        let entries = std::fs::read_dir(folder).map_err(|error| {
            Error::model(format!(
                "models folder {}: {error}; name it with --models or IMPASTO_MODELS",
                folder.display()
            ))
        })?;
        let more = others.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
        let (mut networks, mut left_out) = (Vec::<Manifest>::new(), Vec::new());
        for path in entries.chain(more).flatten().map(|entry| entry.path()) {
            if path.extension().is_some_and(|extension| extension == "toml") && !is_mask_network(&path) {
                match Manifest::read(&path) {
                    Ok(manifest) if networks.iter().any(|known| known.name == manifest.name) => {
                        left_out.push(format!("{}: there is another network of this name", path.display()));
                    }
                    Ok(manifest) => networks.push(manifest),
                    Err(error) => left_out.push(error.to_string()),
                }
            }
        }
        let last = |network: &Manifest| network.style_image.is_some();
        networks.sort_by_key(|network| (last(network), network.name != DEFAULT_NETWORK, network.name.clone()));
        let folders =
            std::iter::once(folder).chain(others.iter().map(PathBuf::as_path)).map(Path::to_path_buf).collect();
        Ok(Self { folders, networks, left_out })
    }

    /// The same networks as they are on disk now. One that lies elsewhere and cannot be read is left out.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn read_again(&self) -> Result<Self> {
        let mut read = match self.folders.split_first() {
            Some((folder, others)) => Self::read(folder, others)?,
            None => Self::default(),
        };
        let lies_there = |network: &&Manifest| self.folders.iter().any(|folder| network.path.parent() == Some(folder));
        let elsewhere = self.networks.iter().rev().filter(|network| !lies_there(network));
        for network in elsewhere {
            match Manifest::read(&network.path) {
                Ok(network) => read.add(network),
                Err(error) => read.left_out.push(error.to_string()),
            }
        }
        let news = read.left_out.iter().filter(|what| !self.left_out.contains(what));
        news.for_each(|what| tracing::warn!("left out: {what}"));
        Ok(read)
    }

    /// The folders that its networks lie in.
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        let parents = self.networks.iter().filter_map(|network| network.path.parent());
        parents
            .chain(self.folders.iter().map(PathBuf::as_path))
            .filter(|folder| folder.is_dir())
            .map(Path::to_path_buf)
            .collect()
    }

    /// The networks that take any painting.
    pub fn takers(&self) -> impl Iterator<Item = &Manifest> {
        self.networks.iter().filter(|network| network.style_image.is_some())
    }

    /// Gives the network whose manifest lies there the paintings that are its styles.
    pub fn hang(&mut self, path: &Path, paintings: Paintings) {
        if let Some(network) = self.networks.iter_mut().find(|network| network.path == path) {
            network.paintings = paintings;
        }
    }

    /// The network whose manifest lies there.
    pub fn at(&self, path: &Path) -> Option<&Manifest> {
        self.networks.iter().find(|network| network.path == path)
    }

    pub fn styles(&self) -> impl Iterator<Item = StyleSummary> + '_ {
        self.networks.iter().flat_map(Manifest::summaries)
    }

    /// Finds the styles of `look` in the network of that name or path, or in the first one that has them all.
    ///
    /// # Errors
    /// As [`Catalog::network`], [`Choice::of`] and [`Catalog::resolve`].
    pub fn choose(&self, network: Option<&str>, look: &Look) -> Result<Choice> {
        match network {
            Some(network) => Choice::of(&self.network(network)?, look),
            None => self.resolve(look, None),
        }
    }

    /// Adds a network that lies elsewhere; it comes first where several know a style.
    pub fn add(&mut self, network: Manifest) {
        self.networks.retain(|known| known.path != network.path);
        self.networks.insert(0, network);
    }

    /// Finds the network that paints `look`: the first one that has all its styles, `preferred` before the others, also where
    /// its files are gone by now. Without a style it is the first that paints of the first network.
    ///
    /// # Errors
    /// Numbers that cannot be; unknown styles come with the nearest valid name; styles of several networks.
    pub fn resolve(&self, look: &Look, preferred: Option<&Manifest>) -> Result<Choice> {
        look.check()?;
        let first = preferred.map(|network| self.at(&network.path).unwrap_or(network));
        // A painting that is gone is known to the network that paints like it.
        let gone = preferred.filter(|network| network.style_image.is_some());
        let in_order = first.into_iter().chain(&self.networks).chain(gone);
        let mut with_styles = in_order.filter(|network| network.all_styles().next().is_some());
        let network = with_styles.find(|network| look.style_names().all(|name| network.style(name).is_some()));
        match network {
            Some(network) => choice(network, look),
            None => Err(self.why_not(look)),
        }
    }

    /// Why no network paints `look`.
    fn why_not(&self, look: &Look) -> Error {
        let home = |name: &str| self.networks.iter().find(|network| network.style(name).is_some());
        if let Some(unknown) = look.style_names().find(|name| home(name).is_none()) {
            return unknown_style(unknown, &self.networks);
        }
        match look.style_names().next() {
            None => Error::model(format!("no network in {}; `./dev train --help` makes one", self.folder())),
            Some(_) => {
                let homes = look
                    .style_names()
                    .map(|name| format!("`{name}` is of `{}`", home(name).map_or("", |network| network.name.as_str())));
                let homes: Vec<_> = homes.collect();
                Error::usage(format!("only styles of one network can be mixed, but {}", homes.join(", ")))
            }
        }
    }

    fn folder(&self) -> std::path::Display<'_> {
        self.folders.first().map_or(Path::new(""), PathBuf::as_path).display()
    }

    /// A network by its name in the catalog, or by a path to its ONNX file or manifest.
    ///
    /// # Errors
    /// Unknown names come with the nearest valid one; a file that is not there, or has no manifest.
    pub fn network(&self, wanted: &str) -> Result<Manifest> {
        if wanted.contains(std::path::MAIN_SEPARATOR) || wanted.ends_with(".onnx") || wanted.ends_with(".toml") {
            let network = from_path(Path::new(wanted))?;
            // As it is in the catalog, it has its paintings.
            return Ok(self.at(&network.path).filter(|known| **known == network).cloned().unwrap_or(network));
        }
        self.named(wanted).cloned()
    }

    /// A network by its name in the catalog.
    ///
    /// # Errors
    /// Unknown names come with the nearest valid one.
    pub fn named(&self, wanted: &str) -> Result<&Manifest> {
        self.networks.iter().find(|network| network.name == wanted).ok_or_else(|| {
            let names = self.networks.iter().map(|network| network.name.as_str());
            Error::usage(format!(
                "unknown network `{wanted}`{}; networks lie in {}, or name an .onnx file",
                did_you_mean(wanted, names),
                self.folder()
            ))
        })
    }
}

impl Choice {
    /// The network and the paintings by their contents: what it paints like depends on nothing else but the look.
    pub fn version(&self) -> String {
        let Manifest { name, sha256, .. } = &self.network;
        let file = sha256.clone().unwrap_or_else(|| self.network.model_path().display().to_string());
        let names = self.mix.names().chain(self.resolved.mask.unpainted.style());
        let paintings = names.filter_map(|name| self.network.style(name)?.painting.as_ref());
        paintings.fold(format!("{name} {file}"), |version, painting| format!("{version} {}", painting.sha256))
    }

    /// Finds the styles of `look` in `network` alone.
    ///
    /// # Errors
    /// Numbers that cannot be; unknown styles come with the nearest valid name.
    pub fn of(network: &Manifest, look: &Look) -> Result<Self> {
        look.check()?;
        match look.style_names().find(|name| network.style(name).is_none()) {
            Some(unknown) => Err(unknown_style(unknown, std::slice::from_ref(network))),
            None => choice(network, look),
        }
    }
}

/// The choice of a network that has every style of `look`.
fn choice(network: &Manifest, look: &Look) -> Result<Choice> {
    let Some(first) = network.all_styles().next() else {
        return Err(Error::usage(format!(
            "network `{}` paints like any painting, but has none yet: name one, such as --style PAINTING.jpg, or put some \
             into the folder of [runtime] paintings",
            network.name
        )));
    };
    let mix = match look.styles.0.is_empty() {
        true => {
            let paints = network.all_styles().find(|style| style.name != UNPAINTED);
            Mix::only(&paints.unwrap_or(first).name)
        }
        false => look.styles.normalised(),
    };
    let heaviest = mix.0.iter().max_by(|a, b| a.1.total_cmp(b.1));
    let style = heaviest.and_then(|(name, _)| network.style(name)).unwrap_or(first).clone();
    let weights = weights(network, &mix, look.stroke);
    let beside = look.mask_other.style().map(Mix::only);
    if beside.is_some() && !network.states.is_empty() {
        return Err(Error::usage(format!(
            "mask_other = {}: network `{}` paints each picture by what it made of the one before, and so only in one way",
            look.mask_other, network.name
        )));
    }
    let beside = beside.map(|style| self::weights(network, &style, look.stroke));
    Ok(Choice { network: network.clone(), style, mix, resolved: look.resolved(weights, beside) })
}

/// What the network is told of a mix.
fn weights(network: &Manifest, mix: &Mix, stroke: Stroke) -> Weights {
    let mut weights = Weights::none(network.style_numbers(), stroke);
    for (style, weight) in network.all_styles().filter_map(|style| Some((style, *mix.0.get(&style.name)?))) {
        match (&style.painting, style.row) {
            (Some(painting), _) => weights.add_painting(&painting.vector, weight),
            (None, Some(row)) => weights.add(row, style.large_row, weight),
            (None, None) => {}
        }
    }
    weights
}

fn unknown_style(wanted: &str, networks: &[Manifest]) -> Error {
    let names = networks.iter().flat_map(|network| network.all_styles().map(|style| style.name.as_str()));
    Error::usage(format!("unknown style `{wanted}`{}; `impasto styles` lists all", did_you_mean(wanted, names)))
}

/// A network outside the catalog, by its ONNX file or its manifest.
fn from_path(path: &Path) -> Result<Manifest> {
    if !path.exists() {
        return Err(Error::model(format!("{}: no such file", path.display())));
    }
    let manifest = path.with_extension("toml");
    if !Manifest::is_there(&manifest) {
        return Err(Error::model(format!(
            "{} has no manifest beside it; `impasto check {}` proposes one",
            path.display(),
            path.display()
        )));
    }
    Manifest::read(&manifest)
}

#[cfg(test)]
mod tests {
    use super::super::geometry::Size;
    use super::*;

    fn catalog() -> (tempfile::TempDir, Catalog) {
        let folder = tempfile::tempdir().unwrap();
        let network = |name: &str, styles: &[&str]| {
            let head = "title = \"T\"\nlicence = \"MIT\"\n[input]\nname = \"i\"\nrange = [0, 1]\n\
                        [output]\nname = \"o\"\nrange = [0, 1]\n";
            let input = format!("[style_input]\nname = \"s\"\ncount = {}\n", styles.len());
            let rows = styles
                .iter()
                .enumerate()
                .map(|(row, style)| format!("[[style]]\nname = \"{style}\"\ntitle = \"S\"\nrow = {row}\n"));
            let text = format!("name = \"{name}\"\nfile = \"n.onnx\"\n{head}{input}{}", rows.collect::<String>());
            std::fs::write(folder.path().join(name).with_extension("toml"), text).unwrap();
        };
        network("lite", &["photo", "waves", "stars"]);
        network("fine", &["photo", "stars", "dots"]);
        let catalog = Catalog::open(folder.path(), &[]).unwrap();
        (folder, catalog)
    }

    #[test]
    fn a_look_finds_its_network_and_weights() {
        let (_folder, catalog) = catalog();
        let resolve = |styles: &str, preferred: Option<&str>| {
            let look = Look { styles: styles.parse().unwrap(), ..Look::default() };
            let preferred = preferred.map(|name| catalog.named(name).unwrap());
            let choice = catalog.resolve(&look, preferred).map_err(|error| error.to_string())?;
            let weights: Vec<f32> = choice.resolved.weights.for_picture(Size::new(640, 360)).collect();
            Ok::<_, String>((choice.network.name, choice.style.name, weights))
        };
        let found = |network: &str, style: &str, weights: &[f32]| Ok((network.into(), style.into(), weights.to_vec()));
        assert_eq!(resolve("", None), found("lite", "waves", &[0.0, 1.0, 0.0]));
        assert_eq!(resolve("stars", None), found("lite", "stars", &[0.0, 0.0, 1.0]));
        assert_eq!(resolve("stars", Some("fine")), found("fine", "stars", &[0.0, 1.0, 0.0]));
        assert_eq!(resolve("waves=3,stars=1", Some("fine")), found("lite", "waves", &[0.0, 0.75, 0.25]));
        let refused = |styles: &str, message: &str| {
            let error = resolve(styles, None).expect_err(styles);
            assert!(error.contains(message), "{styles}: {error}");
        };
        refused("wavse", "unknown style `wavse`; did you mean `waves`?");
        refused("stars=0.5,../../etc/passwd=0.5", "unknown style `../../etc/passwd`");
        refused("waves,dots", "only styles of one network can be mixed, but `dots` is of `fine`, `waves` is of `lite`");
    }

    #[test]
    fn it_is_read_again_with_what_lies_elsewhere_and_a_network_that_is_gone_paints_on() {
        let (folder, mut catalog) = catalog();
        let elsewhere = tempfile::tempdir().unwrap();
        let text = std::fs::read_to_string(folder.path().join("fine.toml")).unwrap().replace("dots", "lines");
        std::fs::write(elsewhere.path().join("own.toml"), text.replace("\"fine\"", "\"own\"")).unwrap();
        catalog.add(Manifest::read(&elsewhere.path().join("own.toml")).unwrap());
        let names = |catalog: &Catalog| catalog.networks.iter().map(|network| network.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&catalog), ["own", "lite", "fine"]);
        assert_eq!(catalog.folders(), [folder.path(), elsewhere.path()].map(Path::to_path_buf).into());

        let fine = catalog.named("fine").unwrap().clone();
        std::fs::remove_file(&fine.path).unwrap();
        let catalog = catalog.read_again().unwrap();
        assert_eq!(names(&catalog), ["own", "lite"]);
        let look = Look { styles: Mix::only("dots"), ..Look::default() };
        assert_eq!(catalog.resolve(&look, Some(&fine)).unwrap().network, fine);
        assert!(catalog.resolve(&look, None).is_err());
        std::fs::remove_file(elsewhere.path().join("own.toml")).unwrap();
        assert_eq!(names(&catalog.read_again().unwrap()), ["lite"]);
    }
}
