//! The way of the source's sound and subtitles into OUT's muxer: copied where it takes them, encoded anew or left out, with
//! a note, where not.

use std::sync::mpsc::Sender;

use gstreamer as gst;
use gstreamer::prelude::*;

use super::chapters::Chapter;
use crate::output::Container;

/// What became of the source's streams.
#[derive(Default)]
pub(super) struct Tracks {
    pub notes: Vec<String>,
    pub pictures: usize,
    /// Sound tracks that are on their way into OUT.
    pub sounds: usize,
    /// Chapters that the muxer cannot write.
    pub chapters: Vec<Chapter>,
    /// Lets the painted video flow; gone once it does.
    pub complete: Option<Sender<()>>,
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
}

impl Linker {
    pub fn link(&self, pad: &gst::Pad, tracks: &mut Tracks) {
        // The pad may show its format later than the parser's own pad behind it.
        let parser = pad.downcast_ref::<gst::GhostPad>().and_then(|pad| pad.target());
        let shown = pad.current_caps().or_else(|| parser?.current_caps());
        let caps = plain_text(&shown.unwrap_or_else(|| pad.query_caps(None)));
        let kind = caps.structure(0).map(|structure| structure.name().to_string()).unwrap_or_default();
        let wanted = if kind.starts_with("audio/") {
            self.link_sound(pad, &caps, tracks)
        } else if kind.starts_with("video/") || kind.starts_with("image/") {
            tracks.pictures += 1;
            if tracks.pictures == 2 {
                tracks.notes.push("only the first video track is painted".into());
            }
            return discard(pad);
        } else if self.takes("subtitle_%u", &caps) {
            self.link_to_muxer(pad, &[], "subtitle_%u")
        } else {
            Err(format!("{} does not take this kind", self.container.name()))
        };
        if let Err(reason) = wanted {
            tracks.notes.push(format!("a track ({kind}) is left out: {reason}"));
            discard(pad);
        }
    }

    fn link_sound(&self, pad: &gst::Pad, caps: &gst::Caps, tracks: &mut Tracks) -> Result<(), String> {
        // ADTS becomes the raw form that files hold; the packets stay the same.
        let aac = caps.structure(0).is_some_and(|structure| {
            structure.name() == "audio/mpeg" && structure.get::<i32>("mpegversion").is_ok_and(|version| version >= 2)
        });
        let mut taken = caps.clone();
        if aac {
            taken.make_mut().set("stream-format", "raw");
        }
        if self.takes("audio_%u", &taken) && !self.is_spoilt_by_muxer(caps) {
            let parser: &[&str] = if aac { &["aacparse name=first"] } else { &[] };
            self.link_to_muxer(pad, parser, "audio_%u")?;
            tracks.sounds += 1;
            return Ok(());
        }
        let encoder = self.container.sound_encoder();
        let kind = caps.structure(0).map(|structure| structure.name().to_string()).unwrap_or_default();
        let element = encoder.split(' ').next().unwrap_or_default();
        let container = self.container.name();
        self.link_to_muxer(pad, &["decodebin name=first ! audioconvert ! audioresample", encoder], "audio_%u")?;
        tracks.sounds += 1;
        tracks
            .notes
            .push(format!("sound ({kind}) is encoded anew with {element}: {container} does not take it as it is"));
        Ok(())
    }

    /// True for sound that the muxer says it takes, and then writes a track for that no player opens.
    fn is_spoilt_by_muxer(&self, caps: &gst::CapsRef) -> bool {
        let Some(sound) = caps.structure(0) else { return false };
        let in_boxes = matches!(self.container, Container::Mp4 | Container::Mov);
        // AAC in LATM packets would have to be unpacked.
        sound.get::<&str>("stream-format").is_ok_and(|format| format == "loas")
            || in_boxes && sound.name() == "audio/x-eac3"
    }

    /// True if the muxer takes a stream of `caps` unchanged.
    fn takes(&self, template: &str, caps: &gst::Caps) -> bool {
        let templates = self.muxer.factory().map(|factory| factory.static_pad_templates()).into_iter().flatten();
        let mut wanted = templates.filter(|known| known.name_template() == template);
        wanted.any(|template| template.caps().can_intersect(caps))
    }

    /// Stream -> queue -> the elements of `between` -> muxer. The muxer's pad comes last: it would wait for ever for
    /// a stream that could not be linked.
    fn link_to_muxer(&self, pad: &gst::Pad, between: &[&str], template: &str) -> Result<(), String> {
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
        source.link_full(&sink, gst::PadLinkCheck::empty()).map(|_| ()).map_err(misfit)
    }

    /// A way through the multiqueue, which grows by itself where one track lies far behind another.
    fn queue_lane(&self) -> Option<(gst::Pad, gst::Pad)> {
        let sink = self.queue.request_pad_simple("sink_%u")?;
        let source = self.queue.static_pad(&sink.name().replace("sink", "src"))?;
        Some((sink, source))
    }
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

/// SubRip comes out of demuxers labelled as markup, which no muxer takes; it goes back in as the text it was.
fn plain_text(caps: &gst::CapsRef) -> gst::Caps {
    let mut caps = caps.to_owned();
    if caps.structure(0).is_some_and(|structure| structure.name() == "text/x-raw") {
        caps.make_mut().set("format", "utf8");
    }
    caps
}

/// The same for a stream on its way.
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
