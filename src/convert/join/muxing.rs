//! The pipeline that joins: packets that were painted, and streams of the source, into a muxer.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::Join;
use crate::convert::chapters;
use crate::convert::link::{Linker, Tracks, as_plain_text, request};
use crate::convert::packets::PacketReader;
use crate::convert::survey::splitter;
use crate::convert::timeline::{self, Timeline};
use crate::error::{Error, Result};
use crate::gst::edit_list::EditLists;
use crate::gst::{bus, make};
use crate::output::Container;
use crate::shutdown::Shutdown;
use crate::sync::Locked;

/// The file may stop growing for so long before joining counts as stuck.
const STALL_PATIENCE: Duration = Duration::from_secs(60);

/// The same once the source's streams have failed: they may never end.
const BROKEN_PATIENCE: Duration = Duration::from_secs(10);

/// How often the state is looked at.
const POLL: gst::ClockTime = gst::ClockTime::from_mseconds(50);

/// How one attempt ended.
pub(super) enum Outcome {
    Complete,
    /// The source's streams failed and kept the file from being finished.
    SourceBroken,
}

impl Join<'_> {
    /// Builds the pipeline and runs it to its end; with `tracks`, the source's streams come along.
    pub(super) fn attempt(
        &self,
        part: &Path,
        tracks: Option<&Arc<Mutex<Tracks>>>,
        shutdown: &Shutdown,
    ) -> Result<Outcome> {
        let pipeline = gst::Pipeline::new();
        let stop = StopOnDrop(pipeline.clone());
        let muxer = make(self.container.muxer())?;
        let file = make("filesink")?;
        file.set_property("location", part);
        file.set_property("async", false);
        let video = gst_app::AppSrc::builder().format(gst::Format::Time).block(true).max_bytes(4 << 20).build();
        video.set_caps(Some(&self.video_caps()?));
        add(&pipeline, &[muxer.clone(), file.clone(), video.clone().upcast()])?;
        muxer.link(&file).map_err(Error::output)?;
        let pad = request(&muxer, "video_%u").ok_or_else(|| self.failure("no video in this container"))?;
        if pad.has_property("trak-timescale") {
            pad.set_property("trak-timescale", self.index.timescale.ticks_per_second());
        }
        let source = video.static_pad("src").ok_or_else(|| self.failure("no video"))?;
        source.link(&pad).map_err(|error| self.failure(&format!("the encoded video does not fit: {error}")))?;

        let complete = match tracks {
            Some(tracks) => Some(self.add_source(&pipeline, &muxer, tracks)?),
            None => None,
        };
        pipeline.set_state(gst::State::Playing).map_err(|_| {
            let reason = bus_error(&pipeline);
            self.failure(&reason.unwrap_or_else(|| "it cannot be written".into()))
        })?;
        std::thread::scope(|scope| {
            let feeder = move || self.feed(&video, complete);
            let feeder = std::thread::Builder::new().name("join".into()).spawn_scoped(scope, feeder);
            let feeder = feeder.map_err(Error::output)?;
            let outcome = self.watch(&pipeline, part, tracks, shutdown);
            // Frees a feeder that waits for room or for the source's streams.
            drop(stop);
            let fed = feeder.join().unwrap_or_else(|_| Err(self.failure("joining panicked")));
            let outcome = outcome?;
            if matches!(outcome, Outcome::Complete) {
                fed?;
            }
            Ok(outcome)
        })
    }

    /// The encoder's caps; streams with a variable frame rate do not claim a constant one.
    fn video_caps(&self) -> Result<gst::Caps> {
        let mut caps = self.index.caps.clone().ok_or_else(|| self.failure("no frame was painted"))?;
        if !self.index.timescale.is_regular() {
            caps.make_mut().set("framerate", gst::Fraction::new(0, 1));
        }
        let lacks_site =
            caps.structure(0).is_some_and(|vp9| vp9.name() == "video/x-vp9" && !vp9.has_field("chroma-site"));
        if lacks_site && matches!(self.container, Container::Mp4 | Container::Mov) {
            // The muxer takes it for granted, and crashes without it; this is where VP9 has its chroma.
            caps.make_mut().set("chroma-site", "mpeg2");
        }
        Ok(caps)
    }

    /// Adds the demuxer of IN; the receiver gets a message when all its streams are linked.
    fn add_source(
        &self,
        pipeline: &gst::Pipeline,
        muxer: &gst::Element,
        tracks: &Arc<Mutex<Tracks>>,
    ) -> Result<Receiver<()>> {
        let source = make("filesrc")?;
        source.set_property("location", self.beside);
        let streams = splitter()?;
        // Only the limit on buffers gives way where another track has nothing, because it ended or comes later.
        let queue = make("multiqueue")?;
        queue.set_property("max-size-time", 0u64);
        queue.set_property("max-size-bytes", 0u32);
        let edit_lists = EditLists::of(self.beside);
        if let Some(edit_lists) = &edit_lists {
            edit_lists.hide_from(&source);
        }
        for element in [&source, &streams, &queue] {
            element.set_property("name", format!("source-{}", element.name()));
        }
        add(pipeline, &[source.clone(), streams.clone(), queue.clone()])?;
        timeline::keep_early_packets(&streams);
        self.keep_chapters(pipeline, muxer, tracks);
        source.link(&streams).map_err(Error::input)?;

        let (tell, complete) = channel();
        tracks.locked().complete = Some(tell);
        let linker = Linker {
            pipeline: pipeline.downgrade(),
            muxer: muxer.clone(),
            queue,
            container: self.container,
            audio: self.audio,
            survey: self.survey.clone(),
        };
        let tracks = Arc::clone(tracks);
        let timeline = Timeline::of(self.beside);
        let (window, end) = (self.window, self.index.end());
        streams.connect_pad_added(move |_, pad| {
            // parsebin holds the data back until it has shown every pad.
            let seen = Arc::clone(&tracks);
            pad.add_probe(gst::PadProbeType::DATA_DOWNSTREAM, move |_, info| match &mut info.data {
                Some(gst::PadProbeData::Event(event)) if !is_end_or_gap(event) => {
                    timeline.apply(event);
                    as_plain_text(event);
                    gst::PadProbeReturn::Ok
                }
                _ => {
                    seen.locked().complete();
                    gst::PadProbeReturn::Ok
                }
            });
            if let Some(edit_lists) = &edit_lists {
                edit_lists.apply_to(pad);
            }
            if let Some(window) = window {
                window.apply_to(pad, end);
            }
            linker.link(pad, &mut tracks.locked());
        });
        Ok(complete)
    }

    /// Hands the source's chapters to a muxer that writes them, and keeps them for the end otherwise.
    fn keep_chapters(&self, pipeline: &gst::Pipeline, muxer: &gst::Element, tracks: &Arc<Mutex<Tracks>>) {
        let setter = muxer.dynamic_cast_ref::<gst::TocSetter>().cloned();
        let mut chapters = chapters::in_boxes(self.input);
        if let Some(window) = self.window {
            chapters = window.chapters(chapters);
        }
        if !chapters.is_empty() {
            match setter {
                Some(setter) => setter.set_toc(Some(&chapters::to_toc(&chapters, self.index.end()))),
                None => tracks.locked().chapters = chapters,
            }
            return;
        }
        let tracks = Arc::clone(tracks);
        let Some(bus) = pipeline.bus() else { return };
        // From the sink, of the event that the demuxer sends before the first packet; a window has cut it.
        bus.set_sync_handler(move |_, message| {
            if let gst::MessageView::Toc(toc) = message.view() {
                match &setter {
                    Some(setter) => setter.set_toc(Some(&toc.toc().0)),
                    None => tracks.locked().chapters = chapters::of_toc(&toc.toc().0),
                }
            }
            gst::BusSyncReply::Pass
        });
    }

    /// Pushes all painted packets, once the source's streams are linked.
    fn feed(&self, video: &gst_app::AppSrc, complete: Option<Receiver<()>>) -> Result<()> {
        if let Some(complete) = complete {
            // Without the message the source is stuck; the watch looks after that.
            let _ = complete.recv_timeout(STALL_PATIENCE);
        }
        let mut left = self.index.frames;
        for path in &self.index.files {
            let Some(mut reader) = PacketReader::open(path)? else {
                continue;
            };
            while let Some((packet, data)) = reader.next()? {
                left = left.saturating_sub(1);
                let mut buffer = gst::Buffer::from_mut_slice(data);
                let times = buffer.make_mut();
                times.set_pts(packet.pts);
                times.set_dts(packet.dts);
                times.set_duration(if left == 0 { self.index.last_duration(packet.duration) } else { packet.duration });
                if !packet.key_frame {
                    times.set_flags(gst::BufferFlags::DELTA_UNIT);
                }
                if video.push_buffer(buffer).is_err() {
                    // The muxer has stopped; the watch knows why.
                    return Ok(());
                }
            }
        }
        let _ = video.end_of_stream();
        Ok(())
    }

    fn watch(
        &self,
        pipeline: &gst::Pipeline,
        part: &Path,
        tracks: Option<&Arc<Mutex<Tracks>>>,
        shutdown: &Shutdown,
    ) -> Result<Outcome> {
        let bus = pipeline.bus().ok_or_else(|| self.failure("no bus"))?;
        let (mut length, mut since, mut patience) = (0, Instant::now(), STALL_PATIENCE);
        loop {
            let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
            match bus.timed_pop_filtered(POLL, &kinds).as_ref().map(|message| message.view()) {
                Some(gst::MessageView::Eos(_)) => return Ok(Outcome::Complete),
                Some(gst::MessageView::Error(error)) => {
                    let from_source = error.src().is_some_and(|element| element.path_string().contains(":source-"));
                    let reason = bus::describe(error);
                    match tracks {
                        Some(tracks) if from_source => {
                            let mut tracks = tracks.locked();
                            tracks.complete();
                            // One failure makes several messages; the first tells most.
                            if patience == STALL_PATIENCE {
                                tracks.notes.push(format!("the source's sound is damaged: {reason}"));
                            }
                            patience = BROKEN_PATIENCE;
                        }
                        _ => return Err(self.write_failure(&reason)),
                    }
                }
                _ => {}
            }
            if shutdown.is_given() {
                return Err(Error::Interrupted("interrupted".into()));
            }
            let now = std::fs::metadata(part).map_or(0, |metadata| metadata.len());
            if now != length {
                (length, since) = (now, Instant::now());
            } else if since.elapsed() > patience {
                if patience == BROKEN_PATIENCE {
                    return Ok(Outcome::SourceBroken);
                }
                return Err(self.failure(&format!("writing hangs after {length} bytes")));
            }
        }
    }

    fn write_failure(&self, reason: &str) -> Error {
        let full = reason.to_lowercase().contains("space");
        self.failure(&format!("{reason}{}", if full { "; make room and go on with --resume" } else { "" }))
    }
}

fn is_end_or_gap(event: &gst::EventRef) -> bool {
    matches!(event.view(), gst::EventView::Eos(_) | gst::EventView::Gap(_))
}

fn add(pipeline: &gst::Pipeline, elements: &[gst::Element]) -> Result<()> {
    pipeline.add_many(elements).map_err(Error::output)
}

/// The first error on the bus.
fn bus_error(pipeline: &gst::Pipeline) -> Option<String> {
    let end = bus::wait_for_end(&pipeline.bus()?, gst::ClockTime::ZERO)?;
    end.err()
}

/// Ends the pipeline whatever happens.
struct StopOnDrop(gst::Pipeline);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        crate::gst::stop(&self.0);
    }
}
