//! What a manifest says of a network that takes any painting as its style: the picture of the painting that is fed to it, or to
//! an encoder that makes a vector of it.

use serde::{Deserialize, Serialize};

use super::element::Element;
use super::geometry::Size;
use super::picture_tensor::ImageInput;
use super::tensor::Layout;

/// The longer side of a painting's picture, at most: each painting is kept in memory at this size where no encoder makes it
/// smaller.
const LONGEST_SIDE: usize = 512;

/// The numbers of a vector, at most.
const LONGEST_VECTOR: usize = 65_536;

/// How a painting comes into a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StyleImage {
    /// The input that takes the picture of a painting: the encoder's, or without one the network's own.
    pub picture: ImageInput,
    pub encoder: Option<Encoder>,
}

/// The network that makes a vector of a painting, once for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encoder {
    /// The ONNX file beside the manifest; a bare file name.
    pub file: String,
    /// SHA-256 of the ONNX file in hex; checked when given.
    pub sha256: Option<String>,
    /// Its output that is the vector.
    pub output: String,
    /// The input of the painting network that takes the vector.
    pub feeds: String,
    /// The shape of that input.
    pub shape: Vec<usize>,
}

impl StyleImage {
    /// The input of the painting network that says which painting, and its shape.
    pub fn feeds(&self) -> (&str, Vec<usize>) {
        match &self.encoder {
            Some(encoder) => (&encoder.feeds, encoder.shape.clone()),
            None => (&self.picture.name, self.picture_shape().to_vec()),
        }
    }

    /// How many numbers say which painting.
    pub fn numbers(&self) -> usize {
        self.feeds().1.iter().product()
    }

    /// The size that a painting is fed in.
    pub fn size(&self) -> Size {
        let [width, height] = self.picture.size.fixed.unwrap_or_default();
        Size::new(width, height)
    }

    /// The shape of the input that takes the picture.
    pub fn picture_shape(&self) -> [usize; 4] {
        let (Size { width, height }, channels) = (self.size(), self.picture.channels.count());
        match self.picture.layout {
            Layout::Nchw => [1, channels, height, width],
            Layout::Nhwc => [1, height, width, channels],
        }
    }

    /// # Errors
    /// What cannot be.
    pub(super) fn check(&self) -> Result<(), String> {
        let of_picture = |what: String| what.replace("[input]", "[style_image] picture");
        self.picture.check().map_err(of_picture)?;
        match self.picture.size.fixed {
            None => return Err("[style_image] picture: write size = { fixed = [WIDTH, HEIGHT] }".into()),
            Some(sides) if sides.iter().any(|side| *side > LONGEST_SIDE) || self.picture.size.border > 0 => {
                return Err(format!("[style_image] picture: size has sides up to {LONGEST_SIDE}, and no border"));
            }
            Some(_) => {}
        }
        if self.picture.element != Element::F32 {
            return Err("[style_image] picture: only type = \"f32\" is supported".into());
        }
        let Some(Encoder { file, shape, .. }) = &self.encoder else { return Ok(()) };
        if std::path::Path::new(file).file_name() != Some(file.as_ref()) {
            return Err(format!("[style_image] encoder: `file` must be a file name beside the manifest, not `{file}`"));
        }
        let length = shape.iter().try_fold(1usize, |product, side| product.checked_mul(*side));
        match length {
            Some(1..=LONGEST_VECTOR) => Ok(()),
            _ => Err(format!("[style_image] encoder: shape {shape:?} must hold 1 to {LONGEST_VECTOR} numbers")),
        }
    }
}
