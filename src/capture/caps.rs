//! The caps of decoded pictures: what of them is kept, completed, and refused.

use std::sync::{Arc, Mutex};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;

use super::StreamFacts;
use crate::gst::flatten::format_for;
use crate::style::Size;
use crate::style::geometry::MAX_SIDE;
use crate::sync::Locked;

/// Only what makes the picture's memory: a later stream may have another frame rate or other colours.
pub(super) fn size_of(caps: &gst::Caps) -> gst::Caps {
    gst_video::VideoInfo::from_caps(caps).map_or_else(
        |_| caps.clone(),
        |info| {
            gst_video::VideoCapsBuilder::new()
                .format(info.format())
                .width(info.width() as i32)
                .height(info.height() as i32)
                .pixel_aspect_ratio(info.par())
                .build()
        },
    )
}

/// Keeps the caps that the decoder gave, for the colorimetry of the output, and completes them.
pub(super) fn note_decoded_caps(picture: &gst::Bin, facts: &Arc<Mutex<StreamFacts>>) {
    let Some(pad) = picture.static_pad("sink") else {
        return;
    };
    let (facts, flatten) = (Arc::clone(facts), picture.by_name("flatten").map(|flatten| flatten.downgrade()));
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
        if let Some(gst::PadProbeData::Event(event)) = &mut info.data
            && let gst::EventView::Caps(caps) = event.view()
        {
            if let Some(size) = too_large(caps.caps()) {
                if let Some(element) = pad.parent_element() {
                    let text = format!("a picture of {size} cannot be painted; sides up to {MAX_SIDE} can");
                    gst::element_error!(element, gst::StreamError::Format, ("{text}"));
                }
                return gst::PadProbeReturn::Handled;
            }
            let complete = with_matrix(caps.caps());
            let decoded = gst_video::VideoInfo::from_caps(&complete).ok();
            if let Some(flatten) = flatten.as_ref().and_then(gst::glib::WeakRef::upgrade) {
                flatten.set_property("format", decoded.as_ref().and_then(format_for));
            }
            facts.locked().decoded = decoded;
            *event = gst::event::Caps::builder(&complete).seqnum(event.seqnum()).build();
        }
        gst::PadProbeReturn::Ok
    });
}

/// The size of a picture that is refused before gigabytes are spent on converting it.
fn too_large(caps: &gst::CapsRef) -> Option<Size> {
    let structure = caps.structure(0)?;
    let side = |name: &str| structure.get::<i32>(name).ok().and_then(|side| usize::try_from(side).ok());
    let size = Size::new(side("width")?, side("height")?);
    (size.width > MAX_SIDE || size.height > MAX_SIDE).then_some(size)
}

/// Many streams tell their range but no matrix, or the other way round. GStreamer would then forget what is told, so
/// what it assumes for this size is written down.
fn with_matrix(caps: &gst::CapsRef) -> gst::Caps {
    let mut caps = caps.to_owned();
    let told = caps.structure(0).and_then(|structure| structure.get::<String>("colorimetry").ok());
    let told = told.and_then(|told| told.parse::<gst_video::VideoColorimetry>().ok());
    if let Some(told) = told
        && let Some(assumed) = assumed_colours(&caps)
    {
        let range = if told.range() == gst_video::VideoColorRange::Unknown { assumed.range() } else { told.range() };
        let complete = match told.matrix() {
            gst_video::VideoColorMatrix::Unknown => {
                gst_video::VideoColorimetry::new(range, assumed.matrix(), assumed.transfer(), assumed.primaries())
            }
            matrix => gst_video::VideoColorimetry::new(range, matrix, told.transfer(), told.primaries()),
        };
        caps.make_mut().set("colorimetry", complete.to_string());
    }
    caps
}

/// The colours of a YUV picture of this size that tells none.
fn assumed_colours(caps: &gst::Caps) -> Option<gst_video::VideoColorimetry> {
    let mut silent = caps.clone();
    silent.make_mut().structure_mut(0)?.remove_field("colorimetry");
    let info = gst_video::VideoInfo::from_caps(&silent).ok()?;
    info.is_yuv().then(|| info.colorimetry())
}
