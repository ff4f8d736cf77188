//! The way of the source's sound and subtitles into OUT's muxer: copied where it takes them, encoded anew or left out, with
//! a note, where not.

use std::sync::mpsc::Sender;

use gstreamer as gst;
use gstreamer::prelude::*;

use super::chapters::Chapter;
use super::fate::{Audio, Fate, is_aac, plain_text};
use super::survey::{Survey, Track};
use crate::output::{Container, Span};

/// What became of the source's streams.
#[derive(Default)]
pub(super) struct Tracks {
    pub notes: Vec<String>,
    /// Those that are on their way into OUT.
    pub sounds: Vec<Sound>,
    /// Chapters that the muxer cannot write.
    pub chapters: Vec<Chapter>,
    /// Lets the painted video flow; gone once it does.
    pub complete: Option<Sender<()>>,
}

/// A sound track of OUT.
pub(super) struct Sound {
    /// What it was in the source: "audio/x-dts".
    pub name: String,
    pub span: Span,
    pub is_encoded: bool,
}

impl Tracks {
    /// All streams are linked, or will never be.
    pub fn complete(&mut self) {
        if let Some(complete) = self.complete.take() {
            let _ = complete.send(());
        }
    }
}

/// Links the streams of the source to the muxer, on the demuxer's thread.
pub(super) struct Linker {
    /// Not owned: it owns the element whose callback owns this.
    pub pipeline: gst::glib::WeakRef<gst::Pipeline>,
    pub muxer: gst::Element,
    pub queue: gst::Element,
    pub container: Container,
    pub audio: Audio,
    pub survey: Survey,
}

impl Linker {
    pub fn link(&self, pad: &gst::Pad, tracks: &mut Tracks) {
        let unknown = || Track::of_form(pad.query_caps(None));
        let track = self.survey.track_of(pad).cloned().unwrap_or_else(unknown);
        let caps = plain_text(&track.caps);
        if tracks.complete.is_none() && !track.is_picture() {
            // The head of the file lists the tracks that there were.
            tracks.notes.push(format!("a track ({}) is left out: it begins after the others", track.name()));
            return discard(pad);
        }
        let linked = match Fate::of(&track, self.container, self.audio) {
            Ok((Fate::Copy, _)) if track.is_sound() => self.link_to_muxer(pad, unpacker(&caps), "audio_%u"),
            Ok((Fate::Copy, _)) => self.link_to_muxer(pad, &[], "subtitle_%u"),
            Ok((Fate::Encode(encoder), _)) => {
                let between = ["decodebin name=first ! audioconvert ! audioresample", encoder];
                self.link_to_muxer(pad, &between, "audio_%u").inspect(|end| {
                    if matches!(self.container, Container::Matroska | Container::WebM) {
                        take_off_priming(end);
                    }
                })
            }
            Ok((Fate::Paint | Fate::LeaveOut, _)) => return discard(pad),
            Err(error) => Err(error.to_string()),
        };
        match linked {
            Ok(end) if track.is_sound() => {
                let is_encoded = matches!(Fate::of(&track, self.container, self.audio), Ok((Fate::Encode(_), _)));
                tracks.sounds.push(Sound { name: track.name(), span: Span::of(&end), is_encoded });
            }
            Ok(_) => {}
            Err(reason) => {
                tracks.notes.push(format!("a track ({}) is left out: {reason}", track.name()));
                discard(pad);
            }
        }
    }

    /// Stream -> queue -> the elements of `between` -> muxer. The muxer's pad comes last: it would wait for ever for
    /// a stream that could not be linked.
    fn link_to_muxer(&self, pad: &gst::Pad, between: &[&str], template: &str) -> Result<gst::Pad, String> {
        let misfit = |error: gst::PadLinkError| error.to_string();
        let (queue_in, mut source) = self.queue_lane().ok_or("no room in the queue")?;
        if !between.is_empty() {
            let (bin, bin_in, bin_out) = chain(&between.join(" ! "))?;
            bin.set_property("name", format!("source-convert-{}", queue_in.name()));
            let pipeline = self.pipeline.upgrade().ok_or("the conversion was given up")?;
            pipeline.add(&bin).map_err(|error| error.to_string())?;
            source.link(&bin_in).map_err(misfit)?;
            bin.sync_state_with_parent().map_err(|error| error.to_string())?;
            source = bin_out.upcast();
        }
        // The formats were compared with the muxer's templates; the pads still show the label of before.
        pad.link_full(&queue_in, gst::PadLinkCheck::empty()).map_err(misfit)?;
        let sink = request(&self.muxer, template).ok_or_else(|| format!("{} has no such pad", self.muxer.name()))?;
        source.link_full(&sink, gst::PadLinkCheck::empty()).map_err(misfit)?;
        Ok(sink)
    }

    /// A way through the multiqueue, which grows by itself where one track lies far behind another.
    fn queue_lane(&self) -> Option<(gst::Pad, gst::Pad)> {
        let sink = self.queue.request_pad_simple("sink_%u")?;
        let source = self.queue.static_pad(&sink.name().replace("sink", "src"))?;
        Some((sink, source))
    }
}

/// The samples with which encoders begin, before the sound itself: those of AAC, and of MP3 with what its decoders add.
pub fn priming(codec: &str) -> u64 {
    match codec {
        "aac" => 1024,
        "mp3" => 576 + 529,
        _ => 0,
    }
}

/// Lets encoded sound at `pad` be heard when it is to be, without the samples that its encoder has put before it: its packets are
/// moved forward, and those leave that lie before the beginning then.
fn take_off_priming(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::BUFFER, |pad, info| {
        let caps = pad.current_caps();
        let Some(sound) = caps.as_ref().and_then(|caps| caps.structure(0)) else { return gst::PadProbeReturn::Ok };
        let codec = match sound.name().as_str() {
            "audio/mpeg" if sound.get("mpegversion") == Ok(1) => "mp3",
            "audio/mpeg" => "aac",
            _ => return gst::PadProbeReturn::Remove,
        };
        let rate = sound.get::<i32>("rate").ok().and_then(|rate| u64::try_from(rate).ok()).unwrap_or(1);
        let early = gst::ClockTime::SECOND.mul_div_floor(priming(codec), rate).unwrap_or_default();
        let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data else { return gst::PadProbeReturn::Ok };
        match buffer.pts().map(|pts| pts.checked_sub(early)) {
            Some(Some(pts)) => {
                let times = buffer.make_mut();
                times.set_pts(pts);
                times.set_dts(None::<gst::ClockTime>);
                gst::PadProbeReturn::Ok
            }
            Some(None) => {
                // `Drop` would free the data twice with this version of the bindings.
                info.flow_res = Ok(gst::FlowSuccess::Ok);
                gst::PadProbeReturn::Handled
            }
            None => gst::PadProbeReturn::Ok,
        }
    });
}

/// Lets a stream that is not wanted end here; unlinked, it would stop the demuxer.
fn discard(pad: &gst::Pad) {
    let kinds = gst::PadProbeType::DATA_DOWNSTREAM;
    // `Drop` would free the data twice with this version of the bindings.
    pad.add_probe(kinds, |_, info| {
        info.flow_res = Ok(gst::FlowSuccess::Ok);
        gst::PadProbeReturn::Handled
    });
}

/// What brings packets into the form that files hold, without changing what is in them.
fn unpacker(caps: &gst::CapsRef) -> &'static [&'static str] {
    let lacks_header = |sound: &gst::StructureRef| sound.name() == "audio/x-opus" && !sound.has_field("streamheader");
    if is_aac(caps) {
        &["aacparse name=first"]
    } else if caps.structure(0).is_some_and(lacks_header) {
        // Of the packets of a transport stream, only the first of each bundle has a time.
        &["opusparse name=first"]
    } else {
        &[]
    }
}

/// Text goes back into a muxer under another label, see [`plain_text`].
pub(super) fn as_plain_text(event: &mut gst::Event) {
    if let gst::EventView::Caps(caps) = event.view() {
        *event = gst::event::Caps::builder(&plain_text(caps.caps())).seqnum(event.seqnum()).build();
    }
}

/// A bin of the elements in `text`, which begin with the one named `first`, with its two ends.
///
/// The ends are shown by hand: a `decodebin` links what follows it late, so that there seem to be more loose ends.
fn chain(text: &str) -> Result<(gst::Bin, gst::GhostPad, gst::GhostPad), String> {
    let bin = gst::parse::bin_from_description(text, false).map_err(|error| error.to_string())?;
    let ends = bin
        .by_name("first")
        .and_then(|first| Some((first.static_pad("sink")?, bin.find_unlinked_pad(gst::PadDirection::Src)?)));
    let (sink, source) = ends.ok_or_else(|| format!("`{text}` has not two ends"))?;
    let ghost = |pad: &gst::Pad, name: &str| {
        let ghost = gst::GhostPad::builder_with_target(pad).map_err(|error| error.to_string())?.name(name).build();
        ghost.set_active(true).map_err(|error| error.to_string())?;
        bin.add_pad(&ghost).map_err(|error| error.to_string())?;
        Ok::<_, String>(ghost)
    };
    let (sink, source) = (ghost(&sink, "sink")?, ghost(&source, "src")?);
    Ok((bin, sink, source))
}

/// The next pad of the muxer with the name `template` ("audio_%u"). webmmux does not know its own templates by
/// name, but takes numbered names.
pub(super) fn request(muxer: &gst::Element, template: &str) -> Option<gst::Pad> {
    let prefix = template.trim_end_matches("%u");
    let taken = muxer.sink_pads().iter().filter(|pad| pad.name().starts_with(prefix)).count();
    muxer.request_pad_simple(&format!("{prefix}{taken}"))
}
