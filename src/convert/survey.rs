//! What a recording holds, track by track, as its parsers tell it: read before anything is painted.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::capture::animation;
use crate::error::{Error, Result};
use crate::gst::edit_list::EditLists;
use crate::gst::standstill::Standstill;
use crate::gst::{bus, make};
use crate::sync::Locked;

/// How long a file may take to show its tracks; what it has shown by then counts.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often the state is looked at.
const POLL: gst::ClockTime = gst::ClockTime::from_mseconds(10);

/// The tracks of a file.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    pub tracks: Vec<Track>,
}

/// One track, in the form in which its packets reach a muxer.
#[derive(Debug, Clone)]
pub struct Track {
    /// GStreamer's name for the stream, the same each time the file is read.
    pub id: String,
    pub caps: gst::Caps,
}

/// What was seen of a track so far.
struct Seen {
    pad: gst::Pad,
    /// A packet came, so that its form is settled; or none will come.
    settled: bool,
}

impl Survey {
    /// Reads the beginning of the file. One that cannot be read has no tracks: decoding it tells more. An animated picture
    /// has nothing but pictures.
    ///
    /// # Errors
    /// GStreamer lacks an element.
    pub fn of(input: &Path) -> Result<Self> {
        if animation::is_animation(input) {
            return Ok(Self::default());
        }
        let pipeline = gst::Pipeline::new();
        let (source, streams) = (make("filesrc")?, make("parsebin")?);
        source.set_property("location", input);
        if let Some(edit_lists) = EditLists::of(input) {
            edit_lists.hide_from(&source);
        }
        pipeline.add_many([&source, &streams]).map_err(Error::input)?;
        source.link(&streams).map_err(Error::input)?;
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let pads = Arc::clone(&seen);
        streams.connect_pad_added(move |_, pad| watch(pad, &pads));

        let (since, mut standstill) = (Instant::now(), Standstill::default());
        if pipeline.set_state(gst::State::Playing).is_ok()
            && let Some(bus) = pipeline.bus()
        {
            while !is_settled(&seen.locked()) && bus::wait_for_end(&bus, POLL).is_none() && since.elapsed() < PATIENCE {
                if seen.locked().is_empty() && standstill.has_come(&pipeline) {
                    break;
                }
            }
        }
        let tracks = seen.locked().iter().filter_map(|seen| Track::of(&seen.pad)).collect();
        crate::gst::stop(&pipeline);
        // The pads hold what holds them.
        seen.locked().clear();
        Ok(Self { tracks })
    }

    /// The form of the stream that `pad` shows, when the file is read again.
    pub fn caps_of(&self, pad: &gst::Pad) -> Option<gst::Caps> {
        let id = pad.stream_id()?;
        self.tracks.iter().find(|track| track.id == id).map(|track| track.caps.clone())
    }
}

impl Track {
    fn of(pad: &gst::Pad) -> Option<Self> {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        Some(Self { id: pad.stream_id()?.to_string(), caps })
    }

    /// "audio/x-opus".
    pub fn kind(&self) -> String {
        kind(&self.caps)
    }

    pub fn is_sound(&self) -> bool {
        self.kind().starts_with("audio/")
    }

    pub fn is_picture(&self) -> bool {
        self.kind().starts_with("video/") || self.kind().starts_with("image/")
    }

    fn is_text(&self) -> bool {
        !self.is_sound() && !self.is_picture()
    }
}

/// The media type of a stream.
pub fn kind(caps: &gst::Caps) -> String {
    caps.structure(0).map(|structure| structure.name().to_string()).unwrap_or_default()
}

/// The form of all tracks is known; those of text may have nothing to show for a long time. No packet comes before all
/// tracks are there.
fn is_settled(tracks: &[Seen]) -> bool {
    let waits = |seen: &Seen| !seen.settled && Track::of(&seen.pad).is_none_or(|track| !track.is_text());
    tracks.iter().any(|seen| seen.settled) && !tracks.iter().any(waits)
}

/// Lets a stream end here, and notes when its form is settled.
fn watch(pad: &gst::Pad, seen: &Arc<Mutex<Vec<Seen>>>) {
    let number = {
        let mut seen = seen.locked();
        seen.push(Seen { pad: pad.clone(), settled: false });
        seen.len() - 1
    };
    let seen = Arc::downgrade(seen);
    pad.add_probe(gst::PadProbeType::DATA_DOWNSTREAM, move |_, info| {
        let is_packet = matches!(&info.data, Some(gst::PadProbeData::Buffer(_) | gst::PadProbeData::BufferList(_)));
        let is_end =
            matches!(&info.data, Some(gst::PadProbeData::Event(event)) if event.type_() == gst::EventType::Eos);
        if (is_packet || is_end)
            && let Some(seen) = seen.upgrade()
            && let Some(track) = seen.locked().get_mut(number)
        {
            track.settled = true;
        }
        // `Drop` would free the data twice with this version of the bindings.
        info.flow_res = Ok(gst::FlowSuccess::Ok);
        gst::PadProbeReturn::Handled
    });
}
