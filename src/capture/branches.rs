//! What a source is linked to: the picture branch, and the sound branch if it has sound; both end at the [`Receiver`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::caps::{note_decoded_caps, size_of};
use super::{Pace, Receiver, StreamFacts, Wiring};
use crate::error::{Error, Result};
use crate::gst::edit_list::EditLists;
use crate::gst::shared_clock;
use crate::sync::Locked;

/// The rate of files whose pictures bear no times, as ffmpeg reads them.
const UNTIMED_FPS: u64 = 25;

/// The picture branch, and the sound branch that is built when a stream turns out to have sound.
pub(super) struct Branches {
    picture: gst::Bin,
    frames: gst_app::AppSink,
    sound: Option<(gst::Bin, gst_app::AppSink)>,
    facts: Arc<Mutex<StreamFacts>>,
    /// Not owned: what is given to an element lives as long as that, and the pipeline owns its elements.
    pipeline: gst::glib::WeakRef<gst::Pipeline>,
}

impl Branches {
    pub(super) fn new(pipeline: &gst::Pipeline, wiring: &Wiring, facts: &Arc<Mutex<StreamFacts>>) -> Result<Self> {
        let template = wiring.templates.load("capture/picture", &[])?;
        let picture = template.build(&[("frames", "appsink"), ("size", "capsfilter")])?;
        pipeline.add(&picture).map_err(|error| Error::usage(format!("{}: {error}", template.origin())))?;
        wiring.treatment.set_up(&picture);
        if let (Some(caps), Some(filter)) = (&wiring.fixed_caps, picture.by_name("size")) {
            filter.set_property("caps", size_of(caps));
        }
        let frames = appsink(&picture, "frames")?;
        let ready: fn(&dyn Receiver, &gst::CapsRef) = match wiring.pace {
            Pace::RealTime => |receiver, caps| receiver.ready(caps),
            Pace::Unlimited => |_, _| (),
        };
        deliver(&frames, wiring.pace, &wiring.receiver, ready, |receiver, sample, time| receiver.picture(sample, time));
        note_decoded_caps(&picture, facts);

        let sound = if wiring.sound {
            let bin = wiring.templates.load("capture/sound", &[])?.build(&[("sound", "appsink")])?;
            let sink = appsink(&bin, "sound")?;
            sink.set_async(false);
            deliver(
                &sink,
                wiring.pace,
                &wiring.receiver,
                |_, _| (),
                |receiver, sample, time| {
                    receiver.sound(sample, time);
                    Ok(gst::FlowSuccess::Ok)
                },
            );
            Some((bin, sink))
        } else {
            None
        };
        Ok(Self { picture, frames, sound, facts: Arc::clone(facts), pipeline: pipeline.downgrade() })
    }

    /// Where decoded pictures come in.
    pub(super) fn entry(&self) -> Result<gst::Pad> {
        self.picture.static_pad("sink").ok_or_else(|| {
            Error::usage("capture/picture.launch: its first element must take decoded video".to_string())
        })
    }

    /// Where anything decoded comes in.
    pub(super) fn entries(&self) -> impl Iterator<Item = gst::Pad> {
        let bins = std::iter::once(&self.picture).chain(self.sound.iter().map(|(bin, _)| bin));
        bins.filter_map(|bin| bin.static_pad("sink"))
    }

    /// Links the source: its one pad at once, or the pads of its element `source` when they appear.
    pub(super) fn connect(&self, head: &gst::Bin, edit_lists: Option<&EditLists>, entered: bool) -> Result<()> {
        let sink = self.entry()?;
        if let Some(pad) = head.static_pad("src") {
            let linked = pad.link(&sink).map(|_| ());
            return linked.map_err(|error| Error::usage(format!("the source does not fit picture.launch: {error}")));
        }
        let source = head.by_name("source").ok_or_else(|| {
            Error::usage("the capture template needs an element named `source` or one open end".to_string())
        })?;
        let sound = self.sound.clone();
        let (facts, pipeline) = (Arc::clone(&self.facts), self.pipeline.clone());
        let picture_sink = sink.clone();
        let edit_lists = edit_lists.cloned();
        source.connect_pad_added(move |element, pad| {
            let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
            let media = caps.structure(0).map(|structure| structure.name().to_string()).unwrap_or_default();
            // The pad belongs to an element inside the head; a ghost pad carries it out.
            let Some(pad) = ghost_out(element, pad) else {
                return;
            };
            if let Some(edit_lists) = &edit_lists {
                edit_lists.apply_to(pad.upcast_ref());
                if entered {
                    edit_lists.widen_segment_of(pad.upcast_ref());
                }
            }
            if media.starts_with("video/") && !picture_sink.is_linked() {
                let _ = pad.link(&picture_sink);
            } else if media.starts_with("application/") {
                let text = format!("it is {media}, a list of addresses; name the address itself as the source");
                gst::element_error!(element, gst::StreamError::WrongType, ("{text}"));
            } else if media.starts_with("audio/")
                && let (Some((bin, _)), Some(pipeline)) = (&sound, pipeline.upgrade())
            {
                link_sound(&pipeline, bin, &pad, &facts);
            }
        });
        source.connect_no_more_pads(move |element| {
            if !sink.is_linked() {
                gst::element_error!(element, gst::StreamError::WrongType, ("there is no video in it"));
            }
        });
        Ok(())
    }

    /// Pictures of files that bear no times, such as raw MJPEG, get those of [`UNTIMED_FPS`].
    pub(super) fn give_times(&self) -> Result<()> {
        // The first of them may bear one.
        let next = AtomicU64::new(0);
        let give_time = move |_: &gst::Pad, info: &mut gst::PadProbeInfo| {
            if let Some(buffer) = info.buffer_mut() {
                let time = buffer.pts().unwrap_or_else(|| {
                    let time = gst::ClockTime::from_nseconds(next.load(Ordering::Relaxed));
                    buffer.make_mut().set_pts(time);
                    time
                });
                next.store(time.nseconds() + gst::ClockTime::SECOND.nseconds() / UNTIMED_FPS, Ordering::Relaxed);
            }
            gst::PadProbeReturn::Ok
        };
        self.entry()?.add_probe(gst::PadProbeType::BUFFER, give_time);
        Ok(())
    }

    pub(super) fn set_sync(&self, sync: bool) {
        self.frames.set_sync(sync);
        if let Some((_, sink)) = &self.sound {
            sink.set_sync(sync);
        }
    }
}

/// Adds the sound branch on the first sound pad; later tracks stay unlinked.
fn link_sound(pipeline: &gst::Pipeline, bin: &gst::Bin, pad: &gst::GhostPad, facts: &Mutex<StreamFacts>) {
    if bin.parent().is_some() || pipeline.add(bin).is_err() {
        return;
    }
    if let Some(sink) = bin.static_pad("sink") {
        let linked = pad.link(&sink).is_ok() && bin.sync_state_with_parent().is_ok();
        facts.locked().sound = linked;
    }
}

/// Exposes `pad` of an element inside a bin as a ghost pad of that bin.
fn ghost_out(element: &gst::Element, pad: &gst::Pad) -> Option<gst::GhostPad> {
    let bin = element.parent()?.downcast::<gst::Bin>().ok()?;
    let ghost = gst::GhostPad::with_target(pad).ok()?;
    ghost.set_active(true).ok()?;
    bin.add_pad(&ghost).ok()?;
    Some(ghost)
}

/// Calls `ready` with the caps of the sample that waits while `sink` is paused, and `take` for each sample that
/// flows, with its time on the timeline of `pace`.
fn deliver(
    sink: &gst_app::AppSink,
    pace: Pace,
    receiver: &Arc<dyn Receiver>,
    ready: fn(&dyn Receiver, &gst::CapsRef),
    take: fn(&dyn Receiver, &gst::Sample, gst::ClockTime) -> Result<gst::FlowSuccess, gst::FlowError>,
) {
    let waiting_receiver = Arc::clone(receiver);
    let new_preroll = move |sink: &gst_app::AppSink| {
        let sample = sink.pull_preroll().map_err(|_| gst::FlowError::Eos)?;
        if let Some(caps) = sample.caps() {
            ready(waiting_receiver.as_ref(), caps);
        }
        Ok(gst::FlowSuccess::Ok)
    };
    let ending_receiver = Arc::clone(receiver);
    let receiver = Arc::clone(receiver);
    let new_sample = move |sink: &gst_app::AppSink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        match time_of(sink, &sample, pace) {
            Some(time) => take(receiver.as_ref(), &sample, time),
            // Without a time there is no place in the output for it.
            None => Ok(gst::FlowSuccess::Ok),
        }
    };
    let callbacks = gst_app::AppSinkCallbacks::builder().new_preroll(new_preroll).new_sample(new_sample);
    sink.set_callbacks(callbacks.eos(move |_| ending_receiver.ended()).build());
}

/// The presentation time of a sample: running time, on the shared clock for [`Pace::RealTime`].
fn time_of(sink: &gst_app::AppSink, sample: &gst::Sample, pace: Pace) -> Option<gst::ClockTime> {
    let Some(pts) = sample.buffer()?.pts() else {
        // Cameras that send pictures over HTTP tell no times: it is now.
        return (pace == Pace::RealTime).then(|| shared_clock().time());
    };
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    let running_time = segment.to_running_time(pts)?;
    match pace {
        Pace::Unlimited => Some(running_time),
        Pace::RealTime => Some(sink.base_time()? + running_time),
    }
}

fn appsink(bin: &gst::Bin, name: &str) -> Result<gst_app::AppSink> {
    bin.by_name(name)
        .and_then(|element| element.downcast::<gst_app::AppSink>().ok())
        .ok_or_else(|| Error::usage(format!("the capture template needs an appsink named `{name}`")))
}
