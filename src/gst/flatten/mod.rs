//! The element `impastoflatten`: makes plain pixels, eight bits and opaque, of pictures with a high dynamic range, with
//! transparency, or in the usual kinds of YUV; plain ones pass as they are.

mod element;
mod tone_map;
mod yuv;

pub use element::format_for;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer_base as gst_base;
use gstreamer_video as gst_video;

use crate::lanes::each;

glib::wrapper! {
    pub struct Flatten(ObjectSubclass<element::Flatten>)
        @extends gst_video::VideoFilter, gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Makes the element known to launch templates.
pub fn register() -> Result<(), glib::BoolError> {
    use gst::glib::prelude::StaticType;
    gst::Element::register(None, "impastoflatten", gst::Rank::NONE, Flatten::static_type())
}

/// True for pictures whose light is to be mapped to that of a usual screen.
pub fn is_high_dynamic_range(info: &gst_video::VideoInfo) -> bool {
    element::transfer_of(info).is_some()
}

/// A colour of which `alpha` of 255 parts are seen before `background`.
#[inline]
pub fn lay_on(background: [u8; 3], colour: [u8; 3], alpha: u8) -> [u8; 3] {
    if alpha == u8::MAX {
        return colour;
    }
    let part = |colour: u8, behind: u8| {
        let sum = u32::from(colour) * u32::from(alpha) + u32::from(behind) * (255 - u32::from(alpha));
        ((sum + 127) / 255) as u8
    };
    each(|at| part(colour[at], background[at]))
}

#[cfg(test)]
mod tests {
    use gstreamer as gst;
    use gstreamer::prelude::*;
    use gstreamer_app as gst_app;

    use super::lay_on;

    #[test]
    fn plain_pictures_pass_bit_for_bit() {
        crate::gst::init().unwrap();
        let text = "videotestsrc num-buffers=2 ! video/x-raw,format=BGRx ! tee name=t ! queue ! appsink name=before \
                    t. ! queue ! impastoflatten name=flatten ! appsink name=after";
        let pipeline = gst::parse::launch(text).unwrap().downcast::<gst::Pipeline>().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let next = |name: &str| {
            let sink = pipeline.by_name(name).and_downcast::<gst_app::AppSink>().unwrap();
            let sample = sink.pull_sample().unwrap();
            (sample.caps_owned().unwrap(), sample.buffer().unwrap().map_readable().unwrap().to_vec())
        };
        for _ in 0..2 {
            assert!(next("before") == next("after"));
        }
        assert!(!pipeline.by_name("flatten").unwrap().property::<bool>("transparent"));
        pipeline.set_state(gst::State::Null).unwrap();
    }

    #[test]
    fn a_colour_is_seen_as_far_as_it_covers() {
        let (white, red) = ([255; 3], [200, 10, 0]);
        assert_eq!([0, 255].map(|alpha| lay_on(white, red, alpha)), [white, red]);
        assert_eq!(lay_on([0, 100, 255], [255, 200, 0], 51), [51, 120, 204]);
    }
}
