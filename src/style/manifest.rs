//! The manifest beside an ONNX file: what its tensors mean and which styles it paints.
//!
//! The contract is written down in `models/README.md`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::constant::Constant;
use super::picture_tensor::{ImageInput, ImageOutput};
use super::state::State;
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
    /// Inputs that are fed with the same values for every frame.
    #[serde(default, rename = "constant")]
    pub constants: Vec<Constant>,
    /// Inputs that are fed with what came out for the picture before.
    #[serde(default, rename = "state")]
    pub states: Vec<State>,
    #[serde(rename = "style")]
    pub styles: Vec<Style>,
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
}

impl Style {
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
            std::fs::read_to_string(path).map_err(|error| Error::model(format!("{}: {error}", path.display())))?;
        Self::parse(&text, path)
    }

    /// True if there is a manifest at `path`. An empty file is none: the shell makes one before
    /// `impasto check net.onnx > net.toml` begins.
    pub fn is_there(path: &Path) -> bool {
        std::fs::read(path).is_ok_and(|bytes| !bytes.trim_ascii().is_empty())
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

    pub fn style(&self, name: &str) -> Option<&Style> {
        self.styles.iter().find(|style| style.name == name)
    }

    pub fn summaries(&self) -> impl Iterator<Item = StyleSummary> + '_ {
        self.styles.iter().map(|style| StyleSummary {
            name: style.name.clone(),
            network: self.name.clone(),
            title: style.title.clone(),
            artist: style.artist.clone(),
            year: style.year.clone(),
            licence: style.licence.clone().unwrap_or_else(|| self.licence.clone()),
            stroke: style.has_stroke(),
        })
    }

    fn check(&self) -> Result<(), String> {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        if self.name != stem {
            return Err(format!("`name` is `{}`, but the file is called `{stem}`; make them equal", self.name));
        }
        if Path::new(&self.file).file_name() != Some(self.file.as_ref()) {
            return Err(format!("`file` must be a file name beside the manifest, not `{}`", self.file));
        }
        self.input.check()?;
        self.output.check(&self.input.size)?;
        self.constants.iter().try_for_each(Constant::check)?;
        if self.styles.is_empty() {
            return Err("has no [[style]]".into());
        }
        match &self.style_input {
            None if self.styles.len() > 1 => Err("many [[style]] need a [style_input]".into()),
            None => match self.styles.iter().find(|style| style.has_stroke()) {
                Some(style) => Err(format!("style `{}`: `large_row` needs a [style_input]", style.name)),
                None => Ok(()),
            },
            Some(input) if !(1..=2).contains(&input.rank) => Err("[style_input] rank must be 1 or 2".into()),
            Some(input) => self.check_rows(input.count),
        }?;
        for (index, style) in self.styles.iter().enumerate() {
            if self.styles[..index].iter().any(|earlier| earlier.name == style.name) {
                return Err(format!("two styles are called `{}`", style.name));
            }
        }
        Ok(())
    }

    fn check_rows(&self, count: usize) -> Result<(), String> {
        for style in &self.styles {
            match style.row {
                Some(row) if row < count => {}
                Some(row) => {
                    return Err(format!("style `{}`: row {row} is not below count {count}", style.name));
                }
                None => return Err(format!("style `{}` needs a `row`", style.name)),
            }
        }
        self.styles.iter().try_for_each(|style| self.check_large_row(style, count))
    }

    /// Two styles may share a row; a large row is for one alone.
    fn check_large_row(&self, style: &Style, count: usize) -> Result<(), String> {
        let Some(large_row) = style.large_row else { return Ok(()) };
        let name = &style.name;
        if large_row >= count {
            return Err(format!("style `{name}`: large_row {large_row} is not below count {count}"));
        }
        let taken = self.styles.iter().find_map(|other| match other.name == *name {
            _ if other.row == Some(large_row) => Some(("row", &other.name)),
            false if other.large_row == Some(large_row) => Some(("large_row", &other.name)),
            _ => None,
        });
        match taken {
            Some((key, other)) => {
                Err(format!("style `{name}`: large_row {large_row} is the {key} of style `{other}` too"))
            }
            None => Ok(()),
        }
    }
}

fn one() -> usize {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        name = "net"
        title = "A network"
        file = "net.onnx"
        licence = "MIT"
        [input]
        name = "image"
        range = [0, 255]
        [output]
        name = "painted"
        range = [0, 255]
        [style_input]
        name = "style"
        count = 2
        [[style]]
        name = "waves"
        title = "Waves"
        row = 1
    "#;

    fn read(text: &str) -> Result<Manifest, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.toml");
        std::fs::write(&path, text).unwrap();
        Manifest::read(&path).map_err(|error| error.to_string().replace(&path.display().to_string(), "net.toml"))
    }

    #[test]
    fn a_good_manifest_is_read() {
        let manifest = read(GOOD).unwrap();
        assert_eq!((manifest.styles[0].row, manifest.styles[0].large_row), (Some(1), None));
        let manifest = read(&GOOD.replace("row = 1", "row = 1\nlarge_row = 0")).unwrap();
        assert_eq!((manifest.styles[0].row, manifest.styles[0].large_row), (Some(1), Some(0)));
        assert_eq!(manifest.input.layout, super::super::tensor::Layout::Nchw);
        assert!(manifest.model_path().ends_with("net.onnx"));
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("name = \"net\"\n", "name = \"other\"\n", "`name` is `other`, but the file is called `net`"),
            ("file = \"net.onnx\"", "file = \"../net.onnx\"", "`file` must be a file name beside the manifest"),
            ("range = [0, 255]", "range = [1, 1]", "must be two different finite numbers"),
            ("row = 1", "row = 2", "style `waves`: row 2 is not below count 2"),
            ("row = 1", "", "style `waves` needs a `row`"),
            ("row = 1", "row = 1\nlarge_row = 2", "style `waves`: large_row 2 is not below count 2"),
            ("row = 1", "row = 1\nlarge_row = 1", "style `waves`: large_row 1 is the row of style `waves` too"),
            (
                "row = 1",
                "row = 1\nlarge_row = 0\n[[style]]\nname = \"b\"\ntitle = \"B\"\nrow = 0",
                "style `waves`: large_row 0 is the row of style `b` too",
            ),
            (
                "row = 1",
                "row = 1\nlarge_row = 0\n[[style]]\nname = \"b\"\ntitle = \"B\"\nrow = 1\nlarge_row = 0",
                "style `waves`: large_row 0 is the large_row of style `b` too",
            ),
            ("count = 2", "count = 2\nrank = 3", "rank must be 1 or 2"),
            ("licence = \"MIT\"", "license = \"MIT\"", "did you mean `licence`?"),
            (
                "[0, 255]",
                "[0, 255]\nsize = { fixed = [64, 32], border = 16 }",
                "a border of 16 leaves nothing of 32 pixels",
            ),
            ("[0, 255]", "[0, 255]\nsize = { width = 8, height = 8 }", "write `fixed = [width, height]`"),
            ("[0, 255]", "[0, 255]\nmean = [1, 2]", "[input] mean has 2 numbers, but there are 3 colours"),
            ("[0, 255]", "[0, 255]\nstd = [1, 0, 1]", "`std` not 0"),
            ("[0, 255]", "[0, 255]\nchannels = \"gray\"\nmean = [1, 2, 3]", "but there are 1 colours"),
            ("[0, 255]", "[0, 255]\ntype = \"i64\"", "type = \"i64\" is none of a picture"),
            ("\"painted\"", "\"painted\"\nscale = 1.5", "scale 1.5 is neither a whole number up to 16 nor"),
            ("\"painted\"", "\"painted\"\ntrim = 4", "write size = { border = 4 }"),
            ("[[style]]", "[[constant]]\nname = \"c\"\nshape = [2]\nvalue = [1]\n[[style]]", "value has 1 numbers"),
            (
                "[[style]]",
                "[[constant]]\nname = \"c\"\nshape = []\ntype = \"i64\"\nvalue = 1.5\n[[style]]",
                "1.5 is no i64",
            ),
            ("[0, 255]", "[0, 255]\nsize = { border = 1000 }", "border 1000 is wider than 256 pixels"),
        ];
        for (old, new, message) in cases {
            let text = GOOD.replacen(old, new, 1);
            assert_ne!(text, GOOD, "{old}");
            let error = read(&text).expect_err(new);
            assert!(error.starts_with("net.toml: ") && error.contains(message), "{new}: {error}");
        }
        let single = GOOD.replace("[style_input]\n        name = \"style\"\n        count = 2\n", "");
        assert!(read(&single).is_ok());
        let error = read(&single.replace("row = 1", "large_row = 1")).unwrap_err();
        assert!(error.contains("style `waves`: `large_row` needs a [style_input]"), "{error}");
    }
}
