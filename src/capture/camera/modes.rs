//! What a camera can deliver, and the mode that is nearest to what is requested.

use nokhwa::utils::FrameFormat;
use serde::{Deserialize, Serialize};

use crate::style::Size;

/// A pixel format that a camera can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FormatRequest {
    /// Whatever comes nearest to the wanted size and rate; uncompressed where that costs neither.
    #[default]
    Auto,
    Yuyv,
    Nv12,
    Mjpeg,
    Rgb,
    Bgr,
}

/// A format that Impasto reads: the names that V4L2, nokhwa and GStreamer have for it.
pub struct Readable {
    pub requested: FormatRequest,
    pub fourcc: &'static [u8; 4],
    pub nokhwa: FrameFormat,
    /// The name in `video/x-raw` caps; `None` is JPEG.
    pub raw: Option<&'static str>,
}

const fn readable(
    requested: FormatRequest,
    fourcc: &'static [u8; 4],
    nokhwa: FrameFormat,
    raw: Option<&'static str>,
) -> Readable {
    Readable { requested, fourcc, nokhwa, raw }
}

/// Best first where size and rate are the same.
pub const READABLE: &[Readable] = &[
    readable(FormatRequest::Yuyv, b"YUYV", FrameFormat::YUYV, Some("YUY2")),
    readable(FormatRequest::Nv12, b"NV12", FrameFormat::NV12, Some("NV12")),
    readable(FormatRequest::Mjpeg, b"MJPG", FrameFormat::MJPEG, None),
    readable(FormatRequest::Rgb, b"RGB3", FrameFormat::RAWRGB, Some("RGB")),
    readable(FormatRequest::Bgr, b"BGR3", FrameFormat::RAWBGR, Some("BGR")),
];

/// One format with its sizes, as `impasto devices` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FormatDescription {
    /// The driver's four letters: "YUYV", "MJPG".
    pub format: String,
    /// Impasto can read it.
    pub readable: bool,
    /// Empty for a format that Impasto does not read.
    pub sizes: Vec<SizeDescription>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SizeDescription {
    pub width: u32,
    pub height: u32,
    /// Frames a second, highest first.
    pub rates: Vec<f64>,
}

/// One way to run a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    pub format: FormatRequest,
    pub size: Size,
    pub fps: u32,
}

impl Mode {
    pub(super) fn readable(&self) -> &'static Readable {
        let found = READABLE.iter().find(|readable| readable.requested == self.format);
        found.unwrap_or_else(|| unreachable!("a mode has a readable format"))
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = String::from_utf8_lossy(self.readable().fourcc);
        write!(f, "{} {name} at {} frames/s", self.size, self.fps)
    }
}

/// The modes that Impasto can use.
pub fn modes(formats: &[FormatDescription]) -> Vec<Mode> {
    let mut modes = Vec::new();
    for format in formats {
        let Some(readable) = READABLE.iter().find(|readable| readable.fourcc == format.format.as_bytes()) else {
            continue;
        };
        for SizeDescription { width, height, rates } in &format.sizes {
            let size = Size::new(*width as usize, *height as usize);
            // nokhwa knows whole rates only.
            let whole = rates.iter().filter(|rate| rate.fract() == 0.0 && **rate >= 1.0);
            modes.extend(whole.map(|rate| Mode { format: readable.requested, size, fps: *rate as u32 }));
        }
    }
    modes
}

/// The mode nearest to what is requested: size counts most, then the rate, then how good the format is.
pub fn nearest(modes: &[Mode], wanted: FormatRequest, size: Size, fps: u32) -> Option<Mode> {
    let fits = |mode: &&Mode| wanted == FormatRequest::Auto || mode.format == wanted;
    let candidates = modes.iter().filter(fits);
    candidates
        .min_by_key(|mode| {
            let off = mode.size.width.abs_diff(size.width) + mode.size.height.abs_diff(size.height);
            let smaller = mode.size.width < size.width;
            let slower = mode.fps < fps;
            let rank = READABLE.iter().position(|readable| readable.requested == mode.format);
            (off, smaller, mode.fps.abs_diff(fps), slower, rank)
        })
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mode(format: FormatRequest, width: usize, height: usize, fps: u32) -> Mode {
        Mode { format, size: Size::new(width, height), fps }
    }

    /// A usual webcam: large pictures fast only as JPEG.
    fn webcam() -> Vec<Mode> {
        vec![
            mode(FormatRequest::Yuyv, 640, 480, 30),
            mode(FormatRequest::Yuyv, 1280, 720, 10),
            mode(FormatRequest::Mjpeg, 640, 480, 30),
            mode(FormatRequest::Mjpeg, 1280, 720, 30),
            mode(FormatRequest::Mjpeg, 1920, 1080, 30),
        ]
    }

    #[test]
    fn size_first_then_rate_then_the_uncompressed_format() {
        let nearest = |wanted, width, height, fps| nearest(&webcam(), wanted, Size::new(width, height), fps);
        assert_eq!(nearest(FormatRequest::Auto, 640, 480, 30), Some(mode(FormatRequest::Yuyv, 640, 480, 30)));
        assert_eq!(nearest(FormatRequest::Auto, 1280, 720, 30), Some(mode(FormatRequest::Mjpeg, 1280, 720, 30)));
        assert_eq!(nearest(FormatRequest::Yuyv, 1280, 720, 30), Some(mode(FormatRequest::Yuyv, 1280, 720, 10)));
        assert_eq!(nearest(FormatRequest::Auto, 640, 360, 60), Some(mode(FormatRequest::Yuyv, 640, 480, 30)));
        assert_eq!(nearest(FormatRequest::Nv12, 640, 480, 30), None);
    }

    #[test]
    fn rates_that_nokhwa_cannot_set_are_left_out() {
        let sizes = vec![SizeDescription { width: 640, height: 480, rates: vec![25.0, 12.5, 0.5] }];
        let format = |name: &str| FormatDescription { format: name.into(), readable: true, sizes: sizes.clone() };
        let found = modes(&[format("YUYV"), format("H264")]);
        assert_eq!(found, [mode(FormatRequest::Yuyv, 640, 480, 25)]);
    }

    proptest! {
        /// An exact mode is always found, whatever else there is.
        #[test]
        fn what_is_there_is_taken(
            sizes in proptest::collection::vec((1usize..4000, 1usize..4000, 1u32..120), 1..20),
            pick in any::<prop::sample::Index>(),
        ) {
            let modes: Vec<_> = sizes.iter().map(|(w, h, fps)| mode(FormatRequest::Yuyv, *w, *h, *fps)).collect();
            let wanted = modes[pick.index(modes.len())];
            prop_assert_eq!(nearest(&modes, FormatRequest::Auto, wanted.size, wanted.fps), Some(wanted));
        }
    }
}
