//! What Matroska and WebM files are asked before they are read: whether they are such, and transparent.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::glib::{self, ValueArray};
use gstreamer::prelude::*;
use gstreamer_video as gst_video;

use super::{bus, make};
use crate::error::{Error, Result};

/// The first bytes of Matroska and WebM.
const EBML: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];

/// How long a file may take to show its first picture.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often the end of the file is looked for.
const POLL: Duration = Duration::from_millis(5);

/// Decoders for transparent VP8 and VP9. They fail on tracks that only claim to be transparent, as browsers record them, so
/// nobody takes them by themselves.
pub const ALPHA_DECODERS: [(&str, &str); 2] =
    [("video/x-vp8", "vp8alphadecodebin"), ("video/x-vp9", "vp9alphadecodebin")];

/// True for Matroska and WebM, whatever their name.
pub fn is_matroska(input: &Path) -> bool {
    let mut start = [0; EBML.len()];
    let read = File::open(input).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == EBML
}

/// True if the file's first picture in VP8 or VP9 comes with its transparency. One that cannot be read has none: decoding
/// it tells more.
///
/// # Errors
/// GStreamer lacks an element.
pub fn is_transparent(input: &Path) -> Result<bool> {
    if !is_matroska(input) {
        return Ok(false);
    }
    let pipeline = gst::Pipeline::new();
    let (source, streams) = (make("filesrc")?, make("matroskademux")?);
    source.set_property("location", input);
    pipeline.add_many([&source, &streams]).map_err(Error::input)?;
    source.link(&streams).map_err(Error::input)?;
    let (found, answer) = sync_channel(1);
    let none = found.clone();
    streams.connect_pad_added(move |_, pad| watch(pad, &found));
    streams.connect_no_more_pads(move |streams| {
        if !streams.src_pads().iter().any(claims_transparency) {
            let _ = none.try_send(false);
        }
    });
    let mut transparent = None;
    let since = Instant::now();
    if pipeline.set_state(gst::State::Playing).is_ok()
        && let Some(bus) = pipeline.bus()
    {
        while transparent.is_none() && since.elapsed() < PATIENCE {
            transparent = answer.recv_timeout(POLL).ok();
            if transparent.is_none() && bus::wait_for_end(&bus, gst::ClockTime::ZERO).is_some() {
                break;
            }
        }
    }
    crate::gst::stop(&pipeline);
    Ok(transparent.unwrap_or_default())
}

fn claims_transparency(pad: &gst::Pad) -> bool {
    let caps = pad.current_caps();
    caps.as_ref().and_then(|caps| caps.structure(0)).is_some_and(|track| track.get("codec-alpha") == Ok(true))
}

/// Lets a track end here, and tells of its first picture if it claims to be transparent.
fn watch(pad: &gst::Pad, found: &SyncSender<bool>) {
    let found = claims_transparency(pad).then(|| found.clone());
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let (Some(found), Some(packet)) = (&found, info.buffer()) {
            let _ = found.try_send(packet.meta::<gst_video::video_meta::VideoCodecAlphaMeta>().is_some());
        }
        // `Drop` would free the data twice with this version of the bindings.
        info.flow_res = Ok(gst::FlowSuccess::Ok);
        gst::PadProbeReturn::Handled
    });
}

/// Makes an `uridecodebin` decode the transparency of a file that has it.
pub fn decode_transparency(decoder: &gst::Element) {
    decoder.connect("autoplug-sort", false, |values| {
        let caps = values.get(2).and_then(|caps| caps.get::<gst::Caps>().ok());
        let track = caps.as_ref().and_then(|caps| caps.structure(0));
        let is_for = |(kind, _): &&(&str, &str)| {
            track.is_some_and(|track| track.name() == *kind && track.get("codec-alpha") == Ok(true))
        };
        let wanted = ALPHA_DECODERS.iter().find(is_for).and_then(|(_, name)| gst::ElementFactory::find(name));
        // None leaves the choice as it is.
        let first = wanted.zip(values.get(3).and_then(|others| others.get::<ValueArray>().ok()));
        let sorted = first.map(|(wanted, others)| {
            let others = others.iter().map(glib::Value::clone);
            ValueArray::from_values(std::iter::once(wanted.to_value()).chain(others))
        });
        Some(sorted.to_value())
    });
}
