//! Which size a network paints a picture at: pure arithmetic from the size rule and the requested box.

use serde::{Deserialize, Serialize};

use super::size_rule::SizeRule;
use crate::as_text::as_text;
use crate::error::{Error, Result};

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Size {
    pub width: usize,
    pub height: usize,
}

/// The size to paint at; the output keeps its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PaintSize {
    /// The picture's own size.
    #[default]
    Native,
    /// Scaled into this box.
    Box(Size),
    /// As large as the frame rate allows; files are painted at their own size.
    Auto,
}

/// How a picture gets into a network's tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// The picture that comes in and goes out.
    pub picture: Size,
    /// The picture is scaled to this before painting and back afterwards; equals `picture` when nothing is scaled.
    pub painted: Size,
    /// The tensor: `painted` with `border` pixels at the left and the top and at least as many at the right and the
    /// bottom, filled by reflection.
    pub tensor: Size,
    /// Where `painted` lies in the tensor: this many pixels from the left and from the top.
    pub border: usize,
}

/// The widest and highest picture that is painted: 16384 x 16384 in f32 would already take 3 GiB a tensor.
pub const MAX_SIDE: usize = 8192;

impl Size {
    pub const fn new(width: usize, height: usize) -> Self {
        Self { width, height }
    }

    /// Scaled to fit into `bounding_box`, aspect ratio kept, at least 1x1.
    fn fit_into(self, bounding_box: Size) -> Size {
        let by_width = bounding_box.width * self.height <= bounding_box.height * self.width;
        let scale = |side: usize, bounding_box: usize, own: usize| ((side * bounding_box + own / 2) / own).max(1);
        if by_width {
            Size::new(bounding_box.width, scale(self.height, bounding_box.width, self.width).min(bounding_box.height))
        } else {
            Size::new(scale(self.width, bounding_box.height, self.height).min(bounding_box.width), bounding_box.height)
        }
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = |side: &str| side.parse().ok().filter(|side| (1..=MAX_SIDE).contains(side));
        text.split_once('x')
            .and_then(|(width, height)| Some(Size::new(parse(width)?, parse(height)?)))
            .ok_or_else(|| format!("`{text}` is not a size like 640x360 (sides 1 to {MAX_SIDE})"))
    }
}

impl PaintSize {
    /// The box to scale into; `auto` begins at the picture's own size.
    pub fn bounding_box(self) -> Option<Size> {
        match self {
            Self::Box(size) => Some(size),
            Self::Native | Self::Auto => None,
        }
    }
}

impl std::fmt::Display for PaintSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Native => f.write_str("native"),
            Self::Box(size) => size.fmt(f),
            Self::Auto => f.write_str("auto"),
        }
    }
}

impl std::str::FromStr for PaintSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "native" | "" => Ok(Self::Native),
            "auto" => Ok(Self::Auto),
            size => size.parse().map(Self::Box).map_err(|what| format!("{what}; or \"native\", or \"auto\"")),
        }
    }
}

as_text!(PaintSize);

impl Geometry {
    /// Finds the sizes for `picture`. `requested` is a box to scale the picture into before painting (never up);
    /// a network with a fixed size, or one fixed side, gets the picture scaled into that.
    ///
    /// # Errors
    /// A side of 0, or to be painted with one above [`MAX_SIDE`].
    pub fn new(picture: Size, requested: Option<Size>, rule: &SizeRule) -> Result<Self> {
        let too_large =
            || Error::input(format!("a picture of {picture} cannot be painted; sides from 1 to {MAX_SIDE} can"));
        if picture.width == 0 || picture.height == 0 {
            return Err(too_large());
        }
        let border = rule.border;
        let step = rule.multiple_of.unwrap_or(1);
        let grow = |side: usize| (side + 2 * border).max(rule.min.unwrap_or(1)).next_multiple_of(step);
        let only = rule.only();
        if only != [None; 2] {
            let [width, height] = only.map(|side| side.map_or(MAX_SIDE, |side| side - 2 * border));
            let painted = picture.fit_into(Size::new(width, height));
            let [width, height] = only;
            let tensor =
                Size::new(width.unwrap_or_else(|| grow(painted.width)), height.unwrap_or_else(|| grow(painted.height)));
            return Ok(Self { picture, painted, tensor, border });
        }
        let painted = match requested {
            Some(bounding_box) if picture.width > bounding_box.width || picture.height > bounding_box.height => {
                picture.fit_into(bounding_box)
            }
            _ => picture,
        };
        if painted.width > MAX_SIDE || painted.height > MAX_SIDE {
            return Err(too_large());
        }
        Ok(Self { picture, painted, tensor: Size::new(grow(painted.width), grow(painted.height)), border })
    }

    /// True if the picture is painted at its own size.
    pub fn is_direct(&self) -> bool {
        self.picture == self.painted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn odd_sizes_are_padded_to_the_multiple() {
        let rule = SizeRule { multiple_of: Some(8), ..SizeRule::default() };
        let geometry = Geometry::new(Size::new(639, 357), None, &rule).unwrap();
        assert_eq!((geometry.painted, geometry.tensor), (Size::new(639, 357), Size::new(640, 360)));
    }

    #[test]
    fn a_fixed_size_network_gets_the_picture_scaled_into_it() {
        let rule = SizeRule { fixed: Some([540, 960]), ..SizeRule::default() };
        let geometry = Geometry::new(Size::new(640, 360), None, &rule).unwrap();
        assert_eq!((geometry.painted, geometry.tensor), (Size::new(540, 304), Size::new(540, 960)));
    }

    #[test]
    fn a_picture_is_scaled_to_the_one_side_that_a_network_takes() {
        let rule = SizeRule { width: Some(256), multiple_of: Some(8), border: 8, ..SizeRule::default() };
        let geometry = Geometry::new(Size::new(640, 360), None, &rule).unwrap();
        assert_eq!((geometry.painted, geometry.tensor), (Size::new(240, 135), Size::new(256, 152)));
        let rule = SizeRule { height: Some(100), ..SizeRule::default() };
        let geometry = Geometry::new(Size::new(50, 50), None, &rule).unwrap();
        assert_eq!((geometry.painted, geometry.tensor), (Size::new(100, 100), Size::new(100, 100)));
        let geometry = Geometry::new(Size::new(8192, 1), None, &rule).unwrap();
        assert_eq!((geometry.painted, geometry.tensor), (Size::new(MAX_SIDE, 1), Size::new(MAX_SIDE, 100)));
    }

    #[test]
    fn a_border_lies_around_the_picture_and_within_a_fixed_size() {
        let rule = SizeRule { multiple_of: Some(8), border: 16, ..SizeRule::default() };
        let geometry = Geometry::new(Size::new(639, 357), None, &rule).unwrap();
        assert_eq!((geometry.painted, geometry.tensor), (Size::new(639, 357), Size::new(672, 392)));
        let rule = SizeRule { fixed: Some([540, 960]), border: 10, ..SizeRule::default() };
        let geometry = Geometry::new(Size::new(1040, 400), None, &rule).unwrap();
        assert_eq!((geometry.painted, geometry.tensor), (Size::new(520, 200), Size::new(540, 960)));
    }

    #[test]
    fn absurd_sizes_are_refused() {
        let error = Geometry::new(Size::new(16384, 16384), None, &SizeRule::default()).unwrap_err();
        assert!(error.to_string().contains("a picture of 16384x16384 cannot be painted"), "{error}");
        assert!("0x5".parse::<Size>().is_err() && "640".parse::<Size>().is_err());
        for size in [PaintSize::Native, PaintSize::Auto, PaintSize::Box(Size::new(640, 360))] {
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        let error = "640".parse::<PaintSize>().unwrap_err();
        assert!(error.contains("`640` is not a size like 640x360") && error.contains("or \"auto\""), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_painted_fits_and_keeps_its_shape(
            width in 1usize..3000, height in 1usize..3000,
            bounding_box in proptest::option::of((16usize..2000, 16usize..2000)),
            multiple_of in 1usize..33, min in 1usize..65, border in 0usize..50,
        ) {
            let rule = SizeRule { multiple_of: Some(multiple_of), min: Some(min), border, ..SizeRule::default() };
            let requested = bounding_box.map(|(width, height)| Size::new(width, height));
            let geometry = Geometry::new(Size::new(width, height), requested, &rule).unwrap();
            let (painted, tensor) = (geometry.painted, geometry.tensor);
            prop_assert!(painted.width <= width && painted.height <= height, "never scaled up");
            if let Some(bounding_box) = requested {
                prop_assert!(painted.width <= bounding_box.width && painted.height <= bounding_box.height);
            }
            prop_assert!(tensor.width >= painted.width + 2 * border && tensor.height >= painted.height + 2 * border);
            prop_assert!(tensor.width % multiple_of == 0 && tensor.width >= min);
            // The aspect ratio is off by less than a pixel on the shorter side.
            let ideal = painted.width as f64 * height as f64 / width as f64;
            let other = painted.height as f64 * width as f64 / height as f64;
            prop_assert!((ideal - painted.height as f64).abs() <= 1.0 || (other - painted.width as f64).abs() <= 1.0);
        }
    }
}
