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

/// Sound that is packed without loss, as GStreamer or ffmpeg name it.
const LOSSLESS: [&str; 11] =
    ["raw", "flac", "alac", "true-hd", "truehd", "mlp", "wavpack", "tta", "ape", "wmalossless", "shorten"];

/// The tracks of a file.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    pub tracks: Vec<Track>,
    /// The media types of streams that nothing installed reads.
    pub unread: Vec<String>,
}

/// One track, in the form in which its packets reach a muxer.
#[derive(Debug, Clone)]
pub struct Track {
    /// GStreamer's name for the stream, the same each time the file is read.
    pub id: String,
    pub caps: gst::Caps,
    /// Packets come of it, from the beginning on.
    pub is_read: bool,
    /// What it was before ffmpeg decoded it, as ffmpeg names it: "adpcm_swf".
    pub decoded_from: Option<String>,
}

/// What was seen of a track so far.
struct Seen {
    pad: gst::Pad,
    /// A packet came, so that its form is settled; or none will come.
    settled: bool,
    has_packets: bool,
    /// It appeared when those of others had come.
    is_late: bool,
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
        let (source, streams) = (make("filesrc")?, splitter()?);
        source.set_property("location", input);
        if let Some(edit_lists) = EditLists::of(input) {
            edit_lists.hide_from(&source);
        }
        pipeline.add_many([&source, &streams]).map_err(Error::input)?;
        source.link(&streams).map_err(Error::input)?;
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let unread: Arc<Mutex<Vec<String>>> = Arc::default();
        let unknown = Arc::clone(&unread);
        streams.connect("unknown-type", false, move |values| {
            let caps = values.get(2).and_then(|caps| caps.get::<gst::Caps>().ok());
            unknown.locked().extend(caps.map(|caps| kind(&caps)));
            None
        });
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
        let tracks = seen.locked().iter().filter_map(Track::of).collect();
        crate::gst::stop(&pipeline);
        // The pads hold what holds them.
        seen.locked().clear();
        let unread = std::mem::take(&mut *unread.locked());
        Ok(Self { tracks, unread })
    }

    /// The stream that `pad` shows, when the file is read again.
    pub fn track_of(&self, pad: &gst::Pad) -> Option<&Track> {
        let id = pad.stream_id()?;
        self.tracks.iter().find(|track| track.id == id)
    }
}

impl Track {
    /// A track of this form.
    pub fn of_form(caps: gst::Caps) -> Self {
        Self { id: String::new(), caps, is_read: true, decoded_from: None }
    }

    fn of(seen: &Seen) -> Option<Self> {
        let pad = &seen.pad;
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let is_read = seen.has_packets && !seen.is_late;
        Some(Self { id: pad.stream_id()?.to_string(), caps, is_read, decoded_from: None })
    }

    /// "audio/x-opus".
    pub fn kind(&self) -> String {
        kind(&self.caps)
    }

    /// What people know it by.
    pub fn name(&self) -> String {
        self.decoded_from.clone().unwrap_or_else(|| self.kind())
    }

    /// Decoding it gives back what was recorded.
    pub fn is_lossless(&self) -> bool {
        let kind = self.name();
        let name = kind.trim_start_matches("audio/x-");
        name.starts_with("pcm") || name.contains("lpcm") || LOSSLESS.contains(&name)
    }

    /// Sound in floating-point numbers, which no packed codec keeps as they are.
    pub fn is_float(&self) -> bool {
        let format = self.caps.structure(0).and_then(|sound| sound.get::<String>("format").ok());
        self.kind() == "audio/x-raw" && format.is_some_and(|format| format.starts_with('F'))
    }

    /// How many channels sound has, where that is told.
    pub fn channels(&self) -> Option<i32> {
        self.caps.structure(0)?.get("channels").ok()
    }

    /// Channels of which is not told where they are heard: they cannot be mixed, nor brought into an order.
    pub fn has_channels_anywhere(&self) -> bool {
        let mask = self.caps.structure(0).and_then(|sound| sound.get::<gst::Bitmask>("channel-mask").ok());
        let is_told = mask.is_some_and(|mask| mask.0 != 0);
        self.kind() == "audio/x-raw" && self.channels() > Some(2) && !is_told
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

/// Splits a file into its streams, parsed; text stays as it lies in the file.
pub fn splitter() -> Result<gst::Element> {
    let streams = make("parsebin")?;
    streams.connect("autoplug-continue", false, |values| {
        let caps = values.get(2).and_then(|caps| caps.get::<gst::Caps>().ok());
        Some((!caps.is_some_and(|caps| is_text(&kind(&caps)))).to_value())
    });
    Ok(streams)
}

/// True for the media types of subtitles.
fn is_text(kind: &str) -> bool {
    let kinds = ["text/", "subpicture/", "subtitle/", "closedcaption/", "application/x-subtitle"];
    kinds.iter().any(|text| kind.starts_with(text)) || ["application/x-ass", "application/x-ssa"].contains(&kind)
}

/// The media type of a stream.
pub fn kind(caps: &gst::Caps) -> String {
    caps.structure(0).map(|structure| structure.name().to_string()).unwrap_or_default()
}

/// The form of all tracks is known; those of text may have nothing to show for a long time. No packet comes before all
/// tracks are there.
fn is_settled(tracks: &[Seen]) -> bool {
    let waits = |seen: &Seen| !seen.settled && Track::of(seen).is_none_or(|track| !track.is_text());
    tracks.iter().any(|seen| seen.settled) && !tracks.iter().any(waits)
}

/// Lets a stream end here, and notes when its form is settled.
fn watch(pad: &gst::Pad, seen: &Arc<Mutex<Vec<Seen>>>) {
    let number = {
        let mut seen = seen.locked();
        let is_late = seen.iter().any(|other| other.settled);
        seen.push(Seen { pad: pad.clone(), settled: false, has_packets: false, is_late });
        seen.len() - 1
    };
    let seen = Arc::downgrade(seen);
    pad.add_probe(gst::PadProbeType::DATA_DOWNSTREAM, move |_, info| {
        let is_packet = matches!(&info.data, Some(gst::PadProbeData::Buffer(_) | gst::PadProbeData::BufferList(_)));
        // What has no time cannot be written.
        let has_time = info.buffer().is_none_or(|packet| packet.pts().is_some());
        let is_end =
            matches!(&info.data, Some(gst::PadProbeData::Event(event)) if event.type_() == gst::EventType::Eos);
        if (is_packet || is_end)
            && let Some(seen) = seen.upgrade()
            && let Some(track) = seen.locked().get_mut(number)
        {
            track.settled = true;
            track.has_packets |= is_packet && has_time;
        }
        // `Drop` would free the data twice with this version of the bindings.
        info.flow_res = Ok(gst::FlowSuccess::Ok);
        gst::PadProbeReturn::Handled
    });
}
