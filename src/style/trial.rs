//! Tries a network once on a test picture and judges what came out against its manifest.

use std::time::Duration;

use super::catalog::Choice;
use super::geometry::{Geometry, Size};
use super::look::Look;
use super::manifest::{Manifest, Painting, Paintings, Style};
use super::onnx::{Encoder, Session, SessionOptions};
use super::photo::photo;
use super::tensor::{PixelOrder, Pixels, pixels_to_tensor};
use super::test_picture::test_picture;
use crate::error::{Error, Result};

/// The test picture; a network of one size gets it scaled by repeating pixels.
const PICTURE: Size = Size::new(256, 144);

/// A greater share of clamped values means that the manifest's range is wrong; mosaics go up to a third.
const MOST_CLAMPED: f64 = 0.9;

/// A smaller part of the range in use means that it is wrong: 0..1 within 0..255 is 0.4 %.
const LEAST_SPAN: f64 = 0.02;

/// What came of it.
#[derive(Debug, Clone)]
pub struct Trial {
    pub tensor: Size,
    /// The device that ran, in the words of `--device`.
    pub device: &'static str,
    pub inference: Duration,
    /// The lowest and the highest value of the output.
    pub values: [f32; 2],
    /// The share of the values that lies outside the manifest's range.
    pub clamped: f64,
}

/// The same, with the test photograph as a painting if it takes any.
fn with_painting(manifest: &Manifest, options: &SessionOptions) -> Result<Manifest> {
    let mut manifest = manifest.clone();
    let Some(image) = &manifest.style_image else { return Ok(manifest) };
    let size = image.size();
    let pixels = photo(size)?;
    let pixels = Pixels::packed(&pixels, size.width, size.height, PixelOrder::Rgb);
    let pixels = pixels.ok_or_else(|| Error::model("the test photograph has no pixels"))?;
    let vector = Encoder::open(&manifest, options)?.encode(&pixels)?;
    let painting = Painting { sha256: String::new(), vector };
    let style = Style::of_painting("photograph".into(), "The test photograph".into(), painting.into());
    manifest.paintings = Paintings([style].into());
    Ok(manifest)
}

impl Trial {
    /// Paints the test picture in the network's first style that paints.
    ///
    /// # Errors
    /// Whatever loading and running tells.
    pub fn run(manifest: &Manifest, options: &SessionOptions) -> Result<Self> {
        let manifest = &with_painting(manifest, options)?;
        let mut session = Session::open(manifest, options)?;
        let Geometry { painted, tensor, border, .. } = Geometry::new(PICTURE, None, &manifest.input.size)?;
        session.set_weights(Choice::of(manifest, &Look::default())?.resolved.weights.for_picture(painted));
        session.prepare(tensor, border)?;
        let pixels = test_picture(painted);
        let pixels = Pixels::packed(&pixels, painted.width, painted.height, PixelOrder::Rgb)
            .ok_or_else(|| Error::model("the test picture has no pixels"))?;
        let (spec, input) = session.input();
        pixels_to_tensor(&pixels, spec, input);
        let inference = session.try_run()?;
        let (_, output) = session.output();
        let [low, high] = manifest.output.bounds();
        let margin = (high - low) / 255.0;
        let outside = output.iter().filter(|&&value| !(low - margin..=high + margin).contains(&value)).count();
        Ok(Self {
            tensor,
            device: session.loaded().backend().name(),
            inference,
            values: [
                output.iter().copied().fold(f32::INFINITY, f32::min),
                output.iter().copied().fold(f32::NEG_INFINITY, f32::max),
            ],
            clamped: outside as f64 / output.len() as f64,
        })
    }

    /// Whether the output can be what the manifest says.
    ///
    /// # Errors
    /// One sentence with the values that came and what to change.
    pub fn judge(&self, manifest: &Manifest) -> Result<()> {
        let [low, high] = manifest.output.range;
        let [least, most] = manifest.output.bounds();
        let [lowest, highest] = self.values;
        if lowest == highest {
            return Err(Error::model(format!(
                "{}: a test picture comes out as one value, {lowest}: the network paints nothing, or is fed wrongly",
                manifest.path.display()
            )));
        }
        let span = f64::from(highest - lowest) / f64::from(most - least);
        if self.clamped <= MOST_CLAMPED && span >= LEAST_SPAN {
            return Ok(());
        }
        Err(Error::model(format!(
            "{}: [output] range = [{low}, {high}] cannot be right: a test picture comes out with values from \
             {lowest:.3} to {highest:.3}; set both ranges as the network was trained",
            manifest.path.display()
        )))
    }
}
