//! Reads a finished file as a player does: it must open, and hold the pictures and the sound that were written.

use std::path::Path;
use std::sync::{Arc, Mutex};

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::gst::edit_list::EditLists;
use crate::gst::{bus, make};
use crate::sync::Locked;

/// What a player finds in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// Packets of the first video track.
    pub pictures: u64,
    /// Sound tracks that have packets.
    pub sounds: usize,
    /// How long all sound tracks are together.
    pub sound: gst::ClockTime,
    /// False for a file that is too long to be read to its end in the time that was given: there is more in it.
    pub whole: bool,
}

impl Contents {
    /// Reads through the file for at most `patience`, by the GStreamer element `demuxer`.
    ///
    /// # Errors
    /// Why it does not play.
    pub fn of(file: &Path, demuxer: &str, patience: gst::ClockTime) -> Result<Self, String> {
        let failed = |error: crate::error::Error| error.to_string();
        let pipeline = gst::Pipeline::new();
        let (source, demuxer) = (make("filesrc").map_err(failed)?, make(demuxer).map_err(failed)?);
        source.set_property("location", file);
        if let Some(edit_lists) = EditLists::of(file) {
            edit_lists.hide_from(&source);
        }
        let tracks: Arc<Mutex<Vec<Track>>> = Arc::default();
        {
            // Weak: the pipeline owns the closure.
            let (pipeline, tracks) = (pipeline.downgrade(), Arc::clone(&tracks));
            demuxer.connect_pad_added(move |_, pad| {
                if let Some(pipeline) = pipeline.upgrade() {
                    drain(&pipeline, pad, &tracks);
                }
            });
        }
        let built = pipeline.add_many([&source, &demuxer]).is_ok() && source.link(&demuxer).is_ok();
        let started = built && pipeline.set_state(gst::State::Playing).is_ok();
        let end = pipeline.bus().filter(|_| started).and_then(|bus| bus::wait_for_end(&bus, patience));
        crate::gst::stop(&pipeline);
        let whole = end.is_some();
        end.unwrap_or(Ok(()))?;
        let tracks = tracks.locked();
        let of_kind = |kind: &'static str| tracks.iter().filter(move |track| track.name.starts_with(kind));
        Ok(Self {
            pictures: of_kind("video").next().map_or(0, |track| track.packets),
            sounds: of_kind("audio").filter(|track| track.packets > 0).count(),
            sound: of_kind("audio").map(|track| track.span.length()).sum(),
            whole,
        })
    }
}

/// A track by the name of its pad, "video_0".
struct Track {
    name: String,
    packets: u64,
    span: Span,
}

/// From the beginning of the first packet to the end of the last that pass a pad.
#[derive(Debug, Clone, Default)]
pub struct Span(Arc<Mutex<Option<(gst::ClockTime, gst::ClockTime)>>>);

impl Span {
    /// Measures what passes `pad` from now on.
    pub fn of(pad: &gst::Pad) -> Self {
        let this = Self::default();
        let span = Arc::clone(&this.0);
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(gst::PadProbeData::Buffer(buffer)) = &info.data
                && let Some(begin) = buffer.pts()
            {
                let end = begin + buffer.duration().unwrap_or_default();
                let mut span = span.locked();
                *span = Some(span.map_or((begin, end), |(first, last)| (first.min(begin), last.max(end))));
            }
            gst::PadProbeReturn::Ok
        });
        this
    }

    pub fn length(&self) -> gst::ClockTime {
        let span = *self.0.locked();
        span.map_or(gst::ClockTime::ZERO, |(begin, end)| end.saturating_sub(begin))
    }
}

/// Lets a track flow away and counts it; unlinked, it would stop the demuxer.
fn drain(pipeline: &gst::Pipeline, pad: &gst::Pad, tracks: &Arc<Mutex<Vec<Track>>>) {
    let number = {
        let mut tracks = tracks.locked();
        tracks.push(Track { name: pad.name().to_string(), packets: 0, span: Span::of(pad) });
        tracks.len() - 1
    };
    let tracks = Arc::clone(tracks);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        tracks.locked()[number].packets += 1;
        gst::PadProbeReturn::Ok
    });
    if let Ok(sink) = make("fakesink")
        && pipeline.add(&sink).is_ok()
        && let Some(end) = sink.static_pad("sink")
    {
        sink.set_property("async", false);
        let _ = sink.sync_state_with_parent();
        let _ = pad.link(&end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Container;

    const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(10);

    #[test]
    fn a_file_without_a_list_of_its_pictures_is_told_from_one_that_plays() {
        crate::gst::init().unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (name, container, muxer) in
            [("a.mp4", Container::Mp4, "mp4mux"), ("a.mkv", Container::Matroska, "matroskamux")]
        {
            let file = folder.path().join(name);
            let text = format!(
                "videotestsrc num-buffers=7 ! video/x-raw,width=64,height=64 ! x264enc ! h264parse ! {muxer} \
                 ! filesink location={}",
                file.display()
            );
            let pipeline = gst::parse::launch(&text).unwrap();
            pipeline.set_state(gst::State::Playing).unwrap();
            bus::wait_for_end(&pipeline.bus().unwrap(), PATIENCE).unwrap().unwrap();
            pipeline.set_state(gst::State::Null).unwrap();
            assert_eq!(
                Contents::of(&file, container.demuxer(), PATIENCE),
                Ok(Contents { pictures: 7, sounds: 0, sound: gst::ClockTime::ZERO, whole: true }),
                "{name}"
            );
            std::fs::write(&file, b"\0\0\0\x20ftypmp42\0\0\0\0mp42mp41isomiso2").unwrap();
            assert!(Contents::of(&file, container.demuxer(), PATIENCE).is_err(), "{name}");
        }
    }
}
