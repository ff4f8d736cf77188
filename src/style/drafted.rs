//! A network with a manifest that is only drafted, tried on the test photograph.

use super::catalog::Choice;
use super::draft::Draft;
use super::geometry::{Geometry, Size};
use super::look::Look;
use super::manifest::Manifest;
use super::onnx::{Session, SessionOptions};
use super::tensor::{PixelOrder, PixelsMut, TensorSpec, tensor_to_pixels};
use super::variants::Variant;
use crate::error::{Error, Result};

/// The photograph's size: eight times two odd numbers, so that a network that wants other multiples shows it.
pub const PHOTO: Size = Size::new(248, 200);

/// A session for the network as drafted, prepared for the photograph.
pub fn prepared(draft: &Draft, variant: &Variant, options: &SessionOptions) -> Result<(Session, Geometry, Manifest)> {
    let manifest = Manifest::parse(&draft.write(variant, ""), &draft.path.with_extension("toml"))?;
    let mut session = Session::open(&manifest, options)?;
    let geometry = Geometry::new(PHOTO, None, &manifest.input.size)?;
    session.set_weights(Choice::of(&manifest, &Look::default())?.resolved.weights.for_picture(geometry.painted));
    session.prepare(geometry.tensor, geometry.border)?;
    Ok((session, geometry, manifest))
}

/// Three times as wide on all sides, so that values beyond the range are seen.
pub fn wide(ranges: [[f32; 2]; 4]) -> [[f32; 2]; 4] {
    ranges.map(|[low, high]| [low - (high - low), high + (high - low)])
}

/// What was painted, at `size`, read with ranges that are [`wide`]: 0 to 1 within the range.
pub fn painted(tensor: &[f32], spec: &TensorSpec, painted: Size, size: Size) -> Result<Vec<[f64; 3]>> {
    let mut bytes = vec![0; 3 * painted.width * painted.height];
    let mut pixels = PixelsMut::packed(&mut bytes, painted.width, painted.height, PixelOrder::Rgb)
        .ok_or_else(|| Error::model("nothing was painted"))?;
    tensor_to_pixels(tensor, spec, &mut pixels);
    let found: Vec<_> = colours(&bytes).map(|colours| colours.map(|value| value * 3.0 - 1.0)).collect();
    let at = |number: usize| {
        let (x, y) = (number % size.width, number / size.width);
        found[y * painted.height / size.height * painted.width + x * painted.width / size.width]
    };
    Ok((0..size.width * size.height).map(at).collect())
}

/// 0 to 1 of each pixel's bytes.
pub fn colours(bytes: &[u8]) -> impl Iterator<Item = [f64; 3]> {
    bytes.as_chunks::<3>().0.iter().map(|pixel| pixel.map(|byte| f64::from(byte) / 255.0))
}
