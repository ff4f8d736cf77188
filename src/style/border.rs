//! How far the edges of a picture are seen in what a network paints: what a manifest says as `border`.

use super::draft::Draft;
use super::drafted::{PHOTO, painted, prepared, wide};
use super::geometry::{Geometry, Size};
use super::onnx::SessionOptions;
use super::photo::photo;
use super::tensor::{PixelOrder, Pixels, TensorSpec, pixels_to_tensor};
use super::variants::Variant;
use crate::error::{Error, Result};

/// How far the crop's edges lie from those of the whole picture, which itself is painted otherwise at its edges; and how far
/// they are looked for in what is painted.
const MARGIN: usize = 32;
const FARTHEST: usize = 48;

/// An edge is seen where the painting of a crop differs from that of the whole by so much of the range more than farther inside.
const SEEN: f64 = 4.0 / 255.0;

/// How far the edges of a picture are seen in what is painted, in pixels, a multiple of 8: a crop of the photograph is painted,
/// and held against the same part of the whole. 0 for a network of one size.
///
/// # Errors
/// The network does not run.
pub fn measure(draft: &Draft, variant: &Variant, options: &SessionOptions) -> Result<usize> {
    let is_free = draft.input.tensor.sides(draft.input.layout) == [None, None];
    let crop = Size::new(PHOTO.width - 2 * MARGIN, PHOTO.height - 2 * MARGIN);
    if !is_free || draft.multiple_of > 8 || draft.trim > 0 {
        return Ok(0);
    }
    let (mut session, whole, manifest) = prepared(draft, variant, options)?;
    let bytes = photo(whole.painted)?;
    let row = 3 * PHOTO.width;
    let mut paint = |bytes: &[u8], size: Size| {
        let geometry = Geometry::new(size, None, &manifest.input.size)?;
        session.prepare(geometry.tensor, geometry.border)?;
        session.forget();
        let pixels = Pixels::new(bytes, size.width, size.height, row, PixelOrder::Rgb);
        let (spec, tensor) = session.input();
        pixels_to_tensor(&pixels.ok_or_else(|| Error::model("the test photograph has no pixels"))?, spec, tensor);
        session.try_run()?;
        let (spec, tensor) = session.output();
        painted(tensor, &TensorSpec { ranges: wide(spec.ranges), ..*spec }, manifest.output.painted(size), size)
    };
    let of_whole = paint(&bytes, PHOTO)?;
    let of_crop = paint(&bytes[MARGIN * row + 3 * MARGIN..], crop)?;
    // The mean difference at each distance from the edges.
    let mut rings = [(0.0, 0.0); FARTHEST + 8];
    for (number, colours) in of_crop.iter().enumerate() {
        let (x, y) = (number % crop.width, number / crop.width);
        let distance = x.min(y).min(crop.width - 1 - x).min(crop.height - 1 - y);
        if let Some((sum, count)) = rings.get_mut(distance) {
            let same = of_whole[(y + MARGIN) * PHOTO.width + x + MARGIN];
            *sum += colours.iter().zip(same).map(|(a, b)| (a - b).abs()).sum::<f64>();
            *count += 3.0;
        }
    }
    let apart = rings.map(|(sum, count)| sum / f64::max(count, 1.0));
    let inside = apart[FARTHEST..].iter().sum::<f64>() / 8.0;
    let seen = apart[..FARTHEST].iter().rposition(|apart| *apart > inside + SEEN);
    Ok(seen.map_or(0, |distance| (distance + 1).next_multiple_of(8)))
}
