//! What a manifest says of the picture tensors: how pixels lie in them, what their values mean, how the output lies
//! beside the input.

use serde::{Deserialize, Serialize};

use super::element::Element;
use super::geometry::Size;
use super::size_rule::SizeRule;
use super::tensor::{CELL_SIDES, Channels, Layout, TensorSpec};

/// The picture that goes in: batch 1, or without a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageInput {
    pub name: String,
    #[serde(default = "nchw")]
    pub layout: Layout,
    #[serde(default = "rgb")]
    pub channels: Channels,
    #[serde(default, rename = "type")]
    pub element: Element,
    /// Tensor values of pixel 0 and of pixel 255, before `mean` and `std`.
    pub range: [f32; 2],
    /// Is subtracted from the values of each colour; in the order of the channels.
    pub mean: Option<Vec<f32>>,
    /// Divides what is left, then.
    pub std: Option<Vec<f32>>,
    #[serde(default)]
    pub size: SizeRule,
}

/// The painted picture that comes out; it is cut out where it lay in the input. What is left over beyond that, as
/// networks give that pad their input, is ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageOutput {
    pub name: String,
    #[serde(default = "nchw")]
    pub layout: Layout,
    #[serde(default = "rgb")]
    pub channels: Channels,
    #[serde(default, rename = "type")]
    pub element: Element,
    /// Tensor values of pixel 0 and of pixel 255, once `std` has multiplied them and `mean` been added; values outside
    /// are clamped.
    pub range: [f32; 2],
    /// As [`ImageInput::mean`].
    pub mean: Option<Vec<f32>>,
    /// As [`ImageInput::std`].
    pub std: Option<Vec<f32>>,
    /// The side of the squares of pixels that the channels of one place hold: [`TensorSpec::cells`].
    #[serde(default = "one")]
    pub cells: usize,
    #[serde(default)]
    pub scale: Scale,
    /// How many of its own pixels the output lacks on each side, because the network does not fill up at the edges.
    #[serde(default)]
    pub trim: usize,
}

/// How many pixels of the output there are for one of the input, along each side: a whole number, or one divided by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Scale {
    times: usize,
    over: usize,
}

/// Networks that make pictures larger or smaller do so by no more than this.
const LARGEST_SCALE: usize = 16;

impl Scale {
    pub const ONE: Self = Self { times: 1, over: 1 };
    pub const SMALLEST: Self = Self { times: 1, over: LARGEST_SCALE };

    /// `length` pixels of the input in pixels of the output; the last may lie there in part only.
    pub fn of(self, length: usize) -> usize {
        (length * self.times).div_ceil(self.over)
    }

    /// The same, to the part of a pixel.
    pub fn exactly(self, length: usize) -> f64 {
        (length * self.times) as f64 / self.over as f64
    }

    /// The scale that makes `to` of `from`, if there is one.
    pub fn between(from: usize, to: usize) -> Option<Self> {
        let scale = if to >= from && to.is_multiple_of(from) {
            Self { times: to / from, over: 1 }
        } else if from.is_multiple_of(to) {
            Self { times: 1, over: from / to }
        } else {
            return None;
        };
        (scale.times <= LARGEST_SCALE && scale.over <= LARGEST_SCALE).then_some(scale)
    }
}

impl Default for Scale {
    fn default() -> Self {
        Self::ONE
    }
}

impl TryFrom<f64> for Scale {
    type Error = String;

    /// One over a whole number is written with as many places as one likes: 0.33 is a third.
    fn try_from(scale: f64) -> Result<Self, String> {
        let near = |value: f64| {
            let whole = value.round();
            ((1.0..=LARGEST_SCALE as f64).contains(&whole) && (value - whole).abs() < 0.02 * whole)
                .then_some(whole as usize)
        };
        let larger = near(scale).filter(|_| scale.fract() == 0.0).map(|times| Self { times, over: 1 });
        larger.or_else(|| near(1.0 / scale).map(|over| Self { times: 1, over })).ok_or_else(|| {
            format!("scale {scale} is neither a whole number up to {LARGEST_SCALE} nor one divided by it (0.5)")
        })
    }
}

impl From<Scale> for f64 {
    fn from(scale: Scale) -> Self {
        scale.exactly(1)
    }
}

impl std::fmt::Display for Scale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f64::from(*self).fmt(f)
    }
}

impl ImageInput {
    /// The tensor of this width and height in which the picture lies `border` pixels from the left and the top.
    pub fn tensor(&self, [width, height]: [usize; 2], border: usize) -> TensorSpec {
        let Self { layout, channels, .. } = *self;
        TensorSpec { layout, channels, ranges: self.ranges(), width, height, border, cells: 1 }
    }

    fn ranges(&self) -> [[f32; 2]; 4] {
        ranges(self.channels, self.range, [self.mean.as_deref(), self.std.as_deref()])
    }

    /// # Errors
    /// What cannot be, and where it stands.
    pub(super) fn check(&self) -> Result<(), String> {
        check_values("input", self.channels, self.element, self.range, [self.mean.as_deref(), self.std.as_deref()])?;
        self.size.check()
    }
}

impl ImageOutput {
    /// The tensor of this width and height for an input whose picture lies `border` pixels from the left and the top.
    pub fn tensor(&self, [width, height]: [usize; 2], border: usize) -> TensorSpec {
        let Self { layout, channels, cells, .. } = *self;
        TensorSpec { layout, channels, ranges: self.ranges(), width, height, border: self.place(border), cells }
    }

    /// How many pixels of it a picture of this size becomes.
    pub fn painted(&self, picture: Size) -> Size {
        Size::new(self.scale.of(picture.width), self.scale.of(picture.height))
    }

    /// How long a side of it is at least for `input` pixels of the input.
    pub fn least(&self, input: usize) -> usize {
        self.scale.exactly(input).floor() as usize - (2 * self.trim).min(self.scale.exactly(input) as usize)
    }

    /// Where the picture lies in it, from the left and from the top.
    fn place(&self, border: usize) -> usize {
        self.scale.of(border) - self.trim
    }

    /// The lowest and the highest value that pixels can have in any of its colours.
    pub fn bounds(&self) -> [f32; 2] {
        let ranges = self.ranges();
        let values = ranges[..self.channels.colours()].iter().flatten();
        values.fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], value| [low.min(*value), high.max(*value)])
    }

    pub(super) fn ranges(&self) -> [[f32; 2]; 4] {
        ranges(self.channels, self.range, [self.mean.as_deref(), self.std.as_deref()])
    }

    /// # Errors
    /// What cannot be, and where it stands.
    pub(super) fn check(&self, size: &SizeRule) -> Result<(), String> {
        check_values("output", self.channels, self.element, self.range, [self.mean.as_deref(), self.std.as_deref()])?;
        let Self { cells, scale, trim, .. } = *self;
        let in_planes_of_colours = self.layout == Layout::Nchw && self.channels.count() == 3;
        if !CELL_SIDES.contains(&cells) || (cells > 1 && !in_planes_of_colours) {
            return Err(format!(
                "[output] cells = {cells}: 2, 4 or 8, the layout is nchw and the channels are rgb or bgr"
            ));
        }
        let border = size.border;
        if !(border * scale.times).is_multiple_of(scale.over) {
            return Err(format!("[input] size: border {border} times [output] scale = {scale} is no whole number"));
        }
        if scale.of(border) < trim {
            let needed = (trim * scale.over).div_ceil(scale.times).next_multiple_of(scale.over);
            return Err(format!(
                "[output] trim = {trim} cuts into the picture; write size = {{ border = {needed} }} in [input], or more"
            ));
        }
        if !self.place(border).is_multiple_of(cells) {
            return Err(format!("[input] size: border {border} is no multiple of [output] cells = {cells}"));
        }
        Ok(())
    }
}

/// The values of pixel 0 and of pixel 255 in each channel. Mean and deviation are of colours, not of alpha.
pub(super) fn ranges(channels: Channels, range: [f32; 2], [mean, std]: [Option<&[f32]>; 2]) -> [[f32; 2]; 4] {
    std::array::from_fn(|place| {
        let of = |list: Option<&[f32]>, without: f32| match list {
            Some(list) if place < channels.colours() => list[place],
            _ => without,
        };
        range.map(|value| (value - of(mean, 0.0)) / of(std, 1.0))
    })
}

fn check_values(
    place: &str,
    channels: Channels,
    element: Element,
    range: [f32; 2],
    [mean, std]: [Option<&[f32]>; 2],
) -> Result<(), String> {
    if !element.holds_pictures() {
        return Err(format!("[{place}] type = \"{}\" is none of a picture; f32, f16 and u8 are", element.name()));
    }
    if !(range[0].is_finite() && range[1].is_finite() && range[0] != range[1]) {
        return Err(format!("[{place}] range {range:?} must be two different finite numbers"));
    }
    for (key, list) in [("mean", mean), ("std", std)] {
        let Some(list) = list else { continue };
        if list.len() != channels.colours() {
            return Err(format!(
                "[{place}] {key} has {} numbers, but there are {} colours",
                list.len(),
                channels.colours()
            ));
        }
        if list.iter().any(|value| !value.is_finite() || (key == "std" && *value == 0.0)) {
            return Err(format!("[{place}] {key} {list:?} must be finite numbers, and `std` not 0"));
        }
    }
    if ranges(channels, range, [mean, std])
        .iter()
        .any(|[low, high]| !low.is_finite() || !high.is_finite() || low == high)
    {
        return Err(format!(
            "[{place}] `range`, `mean` and `std` leave no different finite numbers for pixels 0 and 255"
        ));
    }
    Ok(())
}

fn nchw() -> Layout {
    Layout::Nchw
}

fn rgb() -> Channels {
    Channels::Rgb
}

fn one() -> usize {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_a_whole_number_or_one_over_it() {
        let read = |scale: f64| Scale::try_from(scale).map(|Scale { times, over }| [times, over]);
        assert_eq!(read(1.0), Ok([1, 1]));
        assert_eq!(read(4.0), Ok([4, 1]));
        assert_eq!(read(0.5), Ok([1, 2]));
        assert_eq!(read(0.33), Ok([1, 3]));
        for wrong in [0.0, -1.0, 1.5, 0.75, 100.0, f64::NAN, f64::INFINITY] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Scale::between(64, 128), Some(Scale { times: 2, over: 1 }));
        assert_eq!(Scale::between(64, 16), Some(Scale { times: 1, over: 4 }));
        assert_eq!(Scale::between(64, 72), None);
    }

    #[test]
    fn mean_and_deviation_become_a_range_for_each_channel() {
        let mean = Some(&[0.5, 0.25, 0.0][..]);
        let std = Some(&[0.25, 0.5, 1.0][..]);
        let found = ranges(Channels::Rgb, [0.0, 1.0], [mean, std]);
        assert_eq!(found[..3], [[-2.0, 2.0], [-0.5, 1.5], [0.0, 1.0]]);
        assert_eq!(ranges(Channels::Rgba, [0.0, 1.0], [mean, std])[3], [0.0, 1.0], "alpha has none");
    }
}
