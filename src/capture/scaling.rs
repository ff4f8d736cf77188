//! The size that pictures are scaled to before they are painted, as `--scale` and `--max-side` ask for it.

use std::str::FromStr;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;
use serde::{Deserialize, Serialize};

use crate::style::Size;
use crate::style::geometry::MAX_SIDE;

/// Encoders halve colours in both directions.
const EVEN: usize = 2;

/// How large the output becomes; nothing changes by default.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    /// Size of OUT: a part of IN's such as 50%, or a box such as 1280x720 that the picture is fitted into, larger or
    /// smaller, in the shape it has
    #[arg(long, value_name = "WxH|N%")]
    pub scale: Option<Scale>,
    /// Longest side that OUT may have, in pixels: a larger picture is made smaller, a smaller one stays as it is
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(2..=MAX_SIDE as i64))]
    pub max_side: Option<u32>,
}

/// A size, or a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    Box(Size),
    Percent(f64),
}

impl FromStr for Scale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no box such as 1280x720 and no part such as 50%");
        match text.strip_suffix('%') {
            Some(percent) => {
                let percent: f64 = percent.trim().parse().map_err(|_| wrong())?;
                if (1.0..=1000.0).contains(&percent) { Ok(Self::Percent(percent)) } else { Err(wrong()) }
            }
            None => {
                let size: Size = text.parse().map_err(|_| wrong())?;
                let fits = |side: usize| (EVEN..=MAX_SIDE).contains(&side);
                if fits(size.width) && fits(size.height) { Ok(Self::Box(size)) } else { Err(wrong()) }
            }
        }
    }
}

impl Scaling {
    /// The size that a picture of `width` x `height` gets, whose pixels are `pixel_aspect` times as wide as high and stay
    /// so. Both sides are multiples of `multiple`.
    ///
    /// # Errors
    /// A side would be longer than can be painted.
    pub fn size_of(&self, picture: Size, pixel_aspect: f64, multiple: usize) -> Result<Size, String> {
        let (width, height) = (picture.width as f64, picture.height as f64);
        let mut factor = match self.scale {
            None => 1.0,
            Some(Scale::Percent(percent)) => percent / 100.0,
            // The box holds what is seen, with square pixels.
            Some(Scale::Box(size)) => f64::min(
                size.width as f64 / (width * pixel_aspect.max(1.0)),
                size.height as f64 * pixel_aspect.min(1.0) / height,
            ),
        };
        if let Some(side) = self.max_side {
            factor = factor.min(f64::from(side) / width.max(height));
        }
        if factor == 1.0 {
            return Ok(picture);
        }
        let side = |side: f64| ((side * factor / multiple as f64).round().max(1.0) as usize) * multiple;
        let size = Size::new(side(width), side(height));
        match size.width.max(size.height) > MAX_SIDE {
            true => Err(format!("{picture} scaled to {size} cannot be painted; sides up to {MAX_SIDE} can")),
            false => Ok(size),
        }
    }

    /// Gives the picture branch's filter `size` the size that the first pictures get; later ones are fitted into it.
    pub(super) fn set_up(self, picture: &gst::Bin) {
        let (Some(fit), Some(filter)) = (picture.by_name("fit"), picture.by_name("size")) else { return };
        let Some(entry) = fit.static_pad("sink").filter(|_| self != Self::default()) else { return };
        let (fit, filter) = (fit.downgrade(), filter.downgrade());
        entry.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::BUFFER, move |_, info| {
            // Until the first picture: a turned one has its own caps and then, with the tag that says so, others.
            let Some(gst::PadProbeData::Event(event)) = &info.data else { return gst::PadProbeReturn::Remove };
            let (gst::EventView::Caps(caps), Some(fit), Some(filter)) = (event.view(), fit.upgrade(), filter.upgrade())
            else {
                return gst::PadProbeReturn::Ok;
            };
            let Ok(video) = gst_video::VideoInfo::from_caps(caps.caps()) else { return gst::PadProbeReturn::Ok };
            let aspect = f64::from(video.par().numer()) / f64::from(video.par().denom().max(1));
            match self.size_of(Size::new(video.width() as usize, video.height() as usize), aspect, EVEN) {
                Ok(size) => {
                    let caps = gst_video::VideoCapsBuilder::new()
                        .format(gst_video::VideoFormat::Bgrx)
                        .width(size.width as i32)
                        .height(size.height as i32)
                        .pixel_aspect_ratio(video.par());
                    // A side that is rounded must not leave a border of one pixel.
                    fit.set_property("add-borders", false);
                    filter.set_property("caps", caps.build());
                    gst::PadProbeReturn::Ok
                }
                Err(reason) => {
                    gst::element_error!(fit, gst::StreamError::Format, ("{reason}"));
                    gst::PadProbeReturn::Handled
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(scale: Option<&str>, max_side: Option<u32>, (width, height): (usize, usize), aspect: f64) -> Size {
        let scale = scale.map(|text| text.parse().expect(text));
        Scaling { scale, max_side }.size_of(Size::new(width, height), aspect, EVEN).expect("a size")
    }

    #[test]
    fn pictures_keep_their_shape() {
        for (scale, max_side, picture, aspect, expected) in [
            (Some("50%"), None, (1920, 1080), 1.0, (960, 540)),
            (Some("200%"), None, (333, 77), 1.0, (666, 154)),
            (Some("1280x720"), None, (1920, 1080), 1.0, (1280, 720)),
            (Some("1280x720"), None, (1080, 1920), 1.0, (406, 720)),
            (Some("1280x720"), None, (640, 480), 1.0, (960, 720)),
            // Anamorphic: 720 pixels that are shown as 1024 or as 655.
            (Some("512x512"), None, (720, 576), 64.0 / 45.0, (360, 288)),
            (Some("720x576"), None, (720, 576), 10.0 / 11.0, (654, 524)),
            (None, Some(640), (1920, 1080), 1.0, (640, 360)),
            (None, Some(640), (1080, 1920), 1.0, (360, 640)),
            (None, Some(640), (320, 240), 1.0, (320, 240)),
            (Some("200%"), Some(640), (500, 250), 1.0, (640, 320)),
            (None, None, (333, 77), 1.0, (333, 77)),
        ] {
            assert_eq!(
                scaled(scale, max_side, picture, aspect),
                Size::new(expected.0, expected.1),
                "{scale:?} {picture:?}"
            );
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "0%", "-5%", "50", "1280", "0x0", "1280x", "99999x10", "nan%"] {
            assert!(text.parse::<Scale>().is_err(), "{text}");
        }
        let large = Scaling { scale: Some(Scale::Percent(1000.0)), max_side: None };
        assert!(large.size_of(Size::new(4000, 3000), 1.0, EVEN).unwrap_err().contains("cannot be painted"));
    }
}
