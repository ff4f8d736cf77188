//! The size of the strokes: a part of the look, chosen by hand or by the size of the picture.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::geometry::Size;
use super::share;

/// The word for [`Stroke::Auto`].
const AUTO: &str = "auto";

/// The short side, in pixels, of pictures that are painted with small strokes, and how often it is doubled in those that
/// get large ones.
const SHORT_SIDE_OF_SMALL: f32 = 360.0;
const DOUBLINGS_TO_LARGE: f32 = 2.0;

/// How large strokes and forms are, where a style was learnt in two sizes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Stroke {
    /// By the size of the painted picture: the larger it is, the larger are they.
    #[default]
    Auto,
    /// 0 (small) to 1 (large).
    Of(f32),
}

/// As it is written; null is for clients that take back what they have set.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "a number from 0 to 1, \"auto\" or null")]
enum Written {
    Number(f32),
    Word(String),
    Null(()),
}

impl Stroke {
    /// What [`Stroke::Auto`] is for a picture that is painted at this size: strokes grow with each doubling of it, as far
    /// as there are larger ones.
    pub fn of_picture(painted: Size) -> f32 {
        let short_side = painted.width.min(painted.height) as f32;
        ((short_side / SHORT_SIDE_OF_SMALL).log2() / DOUBLINGS_TO_LARGE).clamp(0.0, 1.0)
    }
}

impl FromStr for Stroke {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            AUTO => Ok(Self::Auto),
            _ => share::parse(text)
                .map(Self::Of)
                .map_err(|_| format!("`{text}` is neither a number from 0 to 1 nor `{AUTO}`")),
        }
    }
}

impl fmt::Display for Stroke {
    /// As [`FromStr`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str(AUTO),
            Self::Of(size) => write!(f, "{size}"),
        }
    }
}

impl TryFrom<Written> for Stroke {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Number(size) => Ok(Self::Of(size)),
            Written::Word(word) => word.parse(),
            Written::Null(()) => Ok(Self::Auto),
        }
    }
}

impl From<Stroke> for Written {
    fn from(stroke: Stroke) -> Self {
        match stroke {
            Stroke::Auto => Self::Word(AUTO.into()),
            Stroke::Of(size) => Self::Number(size),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strokes_grow_with_the_short_side_of_the_picture() {
        let of = |width, height| Stroke::of_picture(Size::new(width, height));
        assert_eq!(
            [of(320, 180), of(640, 360), of(1280, 720), of(2560, 1440), of(3840, 2160)],
            [0.0, 0.0, 0.5, 1.0, 1.0]
        );
        assert_eq!([of(360, 640), of(720, 1280), of(1, 1)], [0.0, 0.5, 0.0]);
        assert!((of(1920, 1080) - 0.792).abs() < 0.001, "{}", of(1920, 1080));
    }

    #[test]
    fn it_is_a_number_or_a_word_everywhere() {
        for (json, stroke) in [("0.25", Stroke::Of(0.25)), ("1", Stroke::Of(1.0)), ("\"auto\"", Stroke::Auto)] {
            let read: Stroke = serde_json::from_str(json).unwrap();
            assert_eq!(read, stroke);
            assert_eq!(serde_json::from_str::<Stroke>(&serde_json::to_string(&read).unwrap()).unwrap(), stroke);
            assert_eq!(stroke.to_string().parse(), Ok(stroke));
        }
        assert_eq!(serde_json::from_str::<Stroke>("null").unwrap(), Stroke::Auto);
        let refused = |json: &str| serde_json::from_str::<Stroke>(json).unwrap_err().to_string();
        assert_eq!(refused("\"big\""), "`big` is neither a number from 0 to 1 nor `auto`");
        assert!(refused("[1]").contains("a number from 0 to 1, \"auto\" or null"), "{}", refused("[1]"));
    }
}
