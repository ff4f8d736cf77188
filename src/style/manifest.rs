//! The manifest beside an ONNX file: what its tensors mean and which styles it paints.
//!
//! The contract is written down in `models/README.md`.

mod check;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::constant::Constant;
use super::picture_tensor::{ImageInput, ImageOutput};
use super::state::State;
use super::style_image::StyleImage;
use crate::atomic_file;
use crate::error::{Error, Result};
use crate::suggest::explain;

/// One network, as written in `<name>.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Equals the file stem of the manifest.
    pub name: String,
    pub title: String,
    /// The ONNX file beside the manifest; a bare file name.
    pub file: String,
    /// SHA-256 of the ONNX file in hex; checked when given.
    pub sha256: Option<String>,
    pub licence: String,
    /// Where the network comes from.
    pub source: Option<String>,
    pub input: ImageInput,
    pub output: ImageOutput,
    pub style_input: Option<StyleInput>,
    /// It takes any painting as its style.
    pub style_image: Option<StyleImage>,
    /// Inputs that are fed with the same values for every frame.
    #[serde(default, rename = "constant")]
    pub constants: Vec<Constant>,
    /// Inputs that are fed with what came out for the picture before.
    #[serde(default, rename = "state")]
    pub states: Vec<State>,
    #[serde(default, rename = "style")]
    pub styles: Vec<Style>,
    /// The styles of a network that takes any painting.
    #[serde(skip)]
    pub paintings: Paintings,
    /// Where the manifest was read from.
    #[serde(skip)]
    pub path: PathBuf,
}

/// The input that takes one weight for each style.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StyleInput {
    pub name: String,
    /// 1 for `[count]`, 2 for `[1, count]`.
    #[serde(default = "one")]
    pub rank: usize,
    pub count: usize,
}

/// One painting that the network learnt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Style {
    pub name: String,
    pub title: String,
    pub artist: Option<String>,
    pub year: Option<String>,
    pub licence: Option<String>,
    /// Place in the weight vector; only with `[style_input]`.
    pub row: Option<usize>,
    /// The place of the same painting with large strokes, if it was learnt in two sizes.
    pub large_row: Option<usize>,
    /// Facts about the training, for people.
    #[serde(default, skip_serializing)]
    pub training: toml::Table,
    /// The painting, if it is one that the network did not learn.
    #[serde(skip)]
    pub painting: Option<Arc<Painting>>,
}

/// A painting that a network is fed with.
#[derive(Debug, PartialEq)]
pub struct Painting {
    /// SHA-256 of its file in hex: another may come under its name.
    pub sha256: String,
    /// What the network is fed with for it.
    pub vector: Vec<f32>,
}

/// Paintings that a network paints like without having learnt them. It is the same network with others.
#[derive(Debug, Clone, Default)]
pub struct Paintings(pub Arc<[Style]>);

impl PartialEq for Paintings {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What `impasto styles` tells of one style.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StyleSummary {
    pub name: String,
    pub network: String,
    pub title: String,
    pub artist: Option<String>,
    pub year: Option<String>,
    pub licence: String,
    /// It was learnt with small strokes and with large ones.
    pub stroke: bool,
    /// It is a painting that the network did not learn.
    pub painting: bool,
}

impl Style {
    /// Of which nothing more is known.
    pub fn new(name: String, title: String) -> Self {
        Self {
            name,
            title,
            artist: None,
            year: None,
            licence: None,
            row: None,
            large_row: None,
            training: toml::Table::new(),
            painting: None,
        }
    }

    /// A painting that the network is fed with.
    pub fn of_painting(name: String, title: String, painting: Arc<Painting>) -> Self {
        Self { painting: Some(painting), ..Self::new(name, title) }
    }

    /// Its strokes can be small or large.
    pub fn has_stroke(&self) -> bool {
        self.large_row.is_some()
    }
}

impl Manifest {
    /// Reads and checks `<network>.toml`.
    ///
    /// # Errors
    /// Names the file, the line where there is one, and what to write instead.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            atomic_file::read_text(path).map_err(|error| Error::model(format!("{}: {error}", path.display())))?;
        Self::parse(&text, path)
    }

    /// True if there is a manifest at `path`. An empty file is none: the shell makes one before
    /// `impasto check net.onnx > net.toml` begins.
    pub fn is_there(path: &Path) -> bool {
        atomic_file::read(path).is_ok_and(|bytes| !bytes.trim_ascii().is_empty())
    }

    /// Checks `text` as if it had been read from `path`; errors as [`Manifest::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let mut manifest: Manifest = toml::from_str(text)
            .map_err(|error| Error::model(format!("{}: {}", path.display(), explain(&error, text))))?;
        manifest.path = path.to_path_buf();
        manifest.check().map_err(|what| Error::model(format!("{}: {what}", path.display())))?;
        Ok(manifest)
    }

    /// The ONNX file.
    pub fn model_path(&self) -> PathBuf {
        self.path.with_file_name(&self.file)
    }

    /// The file of the encoder of paintings, if it has one.
    pub fn encoder_path(&self) -> Option<PathBuf> {
        let encoder = self.style_image.as_ref()?.encoder.as_ref()?;
        Some(self.path.with_file_name(&encoder.file))
    }

    pub fn style(&self, name: &str) -> Option<&Style> {
        self.all_styles().find(|style| style.name == name)
    }

    /// The styles that it learnt, and the paintings that it is fed with.
    pub fn all_styles(&self) -> impl Iterator<Item = &Style> {
        self.styles.iter().chain(self.paintings.0.iter())
    }

    /// The input that says which style, and its shape.
    pub fn says_style(&self) -> Option<(&str, Vec<usize>)> {
        let of_rows = |input: &StyleInput| if input.rank == 2 { vec![1, input.count] } else { vec![input.count] };
        let rows = self.style_input.as_ref().map(|input| (input.name.as_str(), of_rows(input)));
        rows.or_else(|| self.style_image.as_ref().map(StyleImage::feeds))
    }

    /// How many numbers say which style.
    pub fn style_numbers(&self) -> usize {
        self.says_style().map_or(0, |(_, shape)| shape.iter().product())
    }

    pub fn summaries(&self) -> impl Iterator<Item = StyleSummary> + '_ {
        self.all_styles().map(|style| StyleSummary {
            name: style.name.clone(),
            network: self.name.clone(),
            title: style.title.clone(),
            artist: style.artist.clone(),
            year: style.year.clone(),
            licence: style.licence.clone().unwrap_or_else(|| self.licence.clone()),
            stroke: style.has_stroke(),
            painting: style.painting.is_some(),
        })
    }
}

fn one() -> usize {
    1
}
