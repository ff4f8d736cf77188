//! Where frames come from: one GStreamer pipeline for every kind of source, ending in mapped BGRx pictures.
//!
//! A source template (`media`, `camera`, `showcase`, `test`) feeds `picture.launch`, whose appsink hands each
//! sample to the [`Receiver`]; sound, where there is any, goes through `sound.launch` the same way.

pub mod animation;
pub mod camera;
mod looping;
pub mod probe;
pub mod scaling;
mod showcase;
mod source;
pub mod treatment;

pub use source::Source;
pub use treatment::Treatment;

use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_pbutils::MissingPluginMessage;
use gstreamer_video as gst_video;

use crate::error::{Error, Result};
use crate::gst::edit_list::EditLists;
use crate::gst::flatten::{format_for, is_high_dynamic_range};
use crate::gst::standstill::Standstill;
use crate::gst::template::Templates;
use crate::gst::{bus, shared_clock};
use crate::style::Size;
use crate::style::geometry::MAX_SIDE;
use crate::sync::Locked;
use looping::{Gate, Looping};

/// How fast frames come and on which timeline their times lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At the speed they are shown; times lie on the clock that all pipelines share.
    RealTime,
    /// As fast as they are taken; times count from the beginning of the file.
    Unlimited,
}

/// Takes what a capture delivers, on GStreamer's streaming threads.
pub trait Receiver: Send + Sync {
    /// A recorded source that plays in real time is ready: its first picture has these caps, and comes with the
    /// others after [`Capture::play`].
    fn ready(&self, _caps: &gst::CapsRef) {}
    /// One decoded picture. `time` is its presentation time on the timeline of the [`Pace`].
    fn picture(&self, sample: &gst::Sample, time: gst::ClockTime) -> Result<gst::FlowSuccess, gst::FlowError>;
    /// One buffer of sound: S16LE, 48 kHz, stereo.
    fn sound(&self, sample: &gst::Sample, time: gst::ClockTime);
    /// Nothing more comes of one of its streams.
    fn ended(&self) {}
}

/// What a capture needs besides its source.
#[derive(Clone)]
pub struct Wiring {
    pub templates: Templates,
    pub pace: Pace,
    /// Whether a recorded source that plays in real time begins again at its end, without a gap where it can seek.
    pub looped: bool,
    /// Whether to deliver sound.
    pub sound: bool,
    /// Wanted size and rate of the test picture, the showcase and the camera.
    pub requested: (Size, u32),
    /// The caps of an earlier run of this source: later pictures are fitted into that size.
    pub fixed_caps: Option<gst::Caps>,
    pub treatment: Treatment,
    /// A file that is read as fast as it goes is entered at the key frame before this time, if it can be.
    pub enter_at: Option<gst::ClockTime>,
    pub receiver: Arc<dyn Receiver>,
}

/// What is known of the stream once its first picture is there.
#[derive(Debug, Clone, Default)]
pub struct StreamFacts {
    /// Caps of the decoded picture before conversion: colorimetry, pixel format of the source.
    pub decoded: Option<gst_video::VideoInfo>,
    /// The stream has sound, and it was asked for.
    pub sound: bool,
    /// Length of a file.
    pub duration: Option<gst::ClockTime>,
    /// The first thing that a demuxer or decoder could not read, and went on after.
    pub warning: Option<String>,
    /// What is in it that no installed plugin reads.
    pub missing: Option<String>,
    /// What was done to pictures that are no plain ones, for the user.
    pub notes: Vec<String>,
}

impl StreamFacts {
    /// The colours of the source that the output keeps. Sources in RGB have no matrix to keep.
    pub fn colours(&self) -> Option<gst_video::VideoColorimetry> {
        let decoded = self.decoded.as_ref().filter(|decoded| !decoded.is_rgb())?;
        Some(match is_high_dynamic_range(decoded) {
            true => gst_video::VideoColorimetry::from_str("bt709").unwrap_or_else(|_| decoded.colorimetry()),
            false => decoded.colorimetry(),
        })
    }
}

/// How long a recorded source may take until its first picture; it is played all the same then.
const FIRST_PICTURE_PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(5);

/// A running source. Dropping it stops it.
pub struct Capture {
    pipeline: gst::Pipeline,
    description: String,
    facts: Arc<Mutex<StreamFacts>>,
    treatment: Treatment,
    camera: Option<camera::CameraThread>,
    /// Makes it begin again at its end.
    looping: Option<Looping>,
    /// Length by the edit lists that the demuxer does not see.
    edited_duration: Option<gst::ClockTime>,
    seeks: Arc<Gate>,
    /// Only a file can come to one.
    standstill: Option<Mutex<Standstill>>,
}

/// How a capture ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The file is over, or the stream said so.
    Finished,
    /// It broke: why, in one line.
    Failed(String),
}

impl Capture {
    /// Builds the pipeline and starts it. A recorded source that plays in real time waits at its first picture
    /// for [`Capture::play`], so that nothing of it is lost while what comes behind is set up.
    ///
    /// # Errors
    /// The source does not exist or cannot be opened, or a template is broken.
    pub fn start(source: &Source, wiring: &Wiring) -> Result<Self> {
        source.check()?;
        let pipeline = gst::Pipeline::new();
        pipeline.use_clock(Some(&shared_clock()));
        let facts = Arc::new(Mutex::new(StreamFacts::default()));
        let branches = Branches::new(&pipeline, wiring, &facts)?;
        let entry = branches.entry()?;
        let seeks = Arc::default();
        watch_bus(&pipeline, &entry, &facts, &seeks);
        let edit_lists = source.edit_lists();
        let head = source.build(wiring, edit_lists.as_ref())?;
        pipeline.add(&head).map_err(|error| Error::usage(format!("capture: {error}")))?;
        branches.connect(&head, edit_lists.as_ref(), wiring.enter_at.is_some())?;

        let camera = match source {
            Source::Camera(requested) => Some(camera::CameraThread::start(requested, wiring.requested, &head)?),
            _ => None,
        };
        let edited_duration = edit_lists.map(|lists| lists.duration());
        let description = source.to_string();
        let (looping, standstill) = (None, matches!(source, Source::File(_)).then(Mutex::default));
        let treatment = wiring.treatment;
        let mut capture =
            Self { pipeline, description, facts, treatment, camera, looping, edited_duration, seeks, standstill };
        let paused = capture.set_state(gst::State::Paused)?;
        // A live source is at its own pace already; waiting for its clock would only add latency.
        let paced = wiring.pace == Pace::RealTime && paused != gst::StateChangeSuccess::NoPreroll;
        capture.looping = (wiring.looped && paced).then(|| Looping::new(entry, branches.entries()));
        branches.set_sync(paced);
        if let Some(time) = wiring.enter_at {
            capture.enter_at(time);
        }
        if !paced {
            capture.set_state(gst::State::Playing)?;
        }
        Ok(capture)
    }

    /// Goes to the key frame before `time`; stays at the beginning of a file that cannot be entered elsewhere.
    fn enter_at(&self, time: gst::ClockTime) {
        let _ = self.pipeline.state(FIRST_PICTURE_PATIENCE);
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT | gst::SeekFlags::SNAP_BEFORE;
        if let Err(error) = self.pipeline.seek_simple(flags, time) {
            tracing::debug!("{} is read from its beginning: {error}", self.description);
        }
    }

    /// Lets the pictures flow; does nothing if they do.
    pub fn play(&self) -> Result<()> {
        // A recorded source must have its first picture by then: a sound branch that is added while the pipeline
        // changes from paused to playing may stay paused, and silent.
        let _ = self.pipeline.state(FIRST_PICTURE_PATIENCE);
        if let Some(looping) = &self.looping
            && self.pipeline.current_state() == gst::State::Paused
            && looping.begin(self.facts().duration)
        {
            let _ = self.pipeline.state(FIRST_PICTURE_PATIENCE);
        }
        self.set_state(gst::State::Playing).map(|_| ())
    }

    fn set_state(&self, state: gst::State) -> Result<gst::StateChangeSuccess> {
        self.pipeline.set_state(state).map_err(|_| {
            Error::input(match self.wait_for_end(Duration::from_millis(500)) {
                Some(End::Failed(reason)) => reason,
                _ => format!("{} does not start", self.description),
            })
        })
    }

    /// What is known of the stream; complete once the first picture has come.
    pub fn facts(&self) -> StreamFacts {
        let mut facts = self.facts.locked().clone();
        facts.duration = self.edited_duration.or_else(|| self.pipeline.query_duration::<gst::ClockTime>());
        if let Some(decoded) = &facts.decoded {
            let flatten = self.pipeline.by_name("flatten");
            let transparent = flatten.is_some_and(|flatten| flatten.property("transparent"));
            facts.notes = self.treatment.notes(decoded, transparent);
        }
        facts
    }

    /// Waits for the end of the stream or an error; `None` if it still runs after `patience`.
    pub fn wait_for_end(&self, patience: Duration) -> Option<End> {
        let bus = self.pipeline.bus()?;
        let patience = gst::ClockTime::from_nseconds(patience.as_nanos() as u64);
        let Some(end) = bus::wait_for_end(&bus, patience) else {
            return self.has_come_to_a_standstill().then(|| {
                End::Failed(format!("{}: it is damaged: not one picture could be read from it", self.description))
            });
        };
        Some(match end {
            Ok(()) => End::Finished,
            Err(reason) => {
                let missing = self.facts.locked().missing.clone();
                let missing = missing.map(|what| format!("; no {what} is installed")).unwrap_or_default();
                End::Failed(format!("{}: {reason}{missing}", self.description))
            }
        })
    }

    /// True if nobody reads the file any more, and not one picture has come of it.
    fn has_come_to_a_standstill(&self) -> bool {
        let Some(standstill) = &self.standstill else { return false };
        self.facts.locked().decoded.is_none() && standstill.locked().has_come(&self.pipeline)
    }

    /// What to open when `source` is lost: the very camera it turned out to be, wherever that is plugged in then.
    pub fn this_again(&self, source: Source) -> Source {
        match (source, &self.camera) {
            (Source::Camera(requested), Some(camera)) => {
                Source::Camera(camera::CameraRequest { which: camera.this_again(), ..requested })
            }
            (source, _) => source,
        }
    }

    /// Fits every later picture into the size of `caps`.
    pub fn fix_caps(&self, caps: &gst::Caps) {
        if let Some(filter) = self.pipeline.by_name("size") {
            filter.set_property("caps", size_of(caps));
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.seeks.close();
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// The picture branch, and the sound branch that is built when a stream turns out to have sound.
struct Branches {
    picture: gst::Bin,
    frames: gst_app::AppSink,
    sound: Option<(gst::Bin, gst_app::AppSink)>,
    facts: Arc<Mutex<StreamFacts>>,
    /// Not owned: what is given to an element lives as long as that, and the pipeline owns its elements.
    pipeline: gst::glib::WeakRef<gst::Pipeline>,
}

impl Branches {
    fn new(pipeline: &gst::Pipeline, wiring: &Wiring, facts: &Arc<Mutex<StreamFacts>>) -> Result<Self> {
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
    fn entry(&self) -> Result<gst::Pad> {
        self.picture.static_pad("sink").ok_or_else(|| {
            Error::usage("capture/picture.launch: its first element must take decoded video".to_string())
        })
    }

    /// Where anything decoded comes in.
    fn entries(&self) -> impl Iterator<Item = gst::Pad> {
        let bins = std::iter::once(&self.picture).chain(self.sound.iter().map(|(bin, _)| bin));
        bins.filter_map(|bin| bin.static_pad("sink"))
    }

    /// Links the source: its one pad at once, or the pads of its element `source` when they appear.
    fn connect(&self, head: &gst::Bin, edit_lists: Option<&EditLists>, entered: bool) -> Result<()> {
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

    fn set_sync(&self, sync: bool) {
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

/// Only what makes the picture's memory: a later stream may have another frame rate or other colours.
fn size_of(caps: &gst::Caps) -> gst::Caps {
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

/// Keeps the caps that the decoder gave, for the colorimetry of the output, and completes them.
fn note_decoded_caps(picture: &gst::Bin, facts: &Arc<Mutex<StreamFacts>>) {
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

/// Keeps the first warning of the pipeline, and begins again what loops.
fn watch_bus(pipeline: &gst::Pipeline, entry: &gst::Pad, facts: &Arc<Mutex<StreamFacts>>, seeks: &Arc<Gate>) {
    let Some(bus) = pipeline.bus() else { return };
    let (pipeline, entry, facts) = (pipeline.downgrade(), entry.clone(), Arc::clone(facts));
    let seeks = Arc::clone(seeks);
    bus.set_sync_handler(move |_, message| {
        match message.view() {
            gst::MessageView::Warning(warning) => {
                let element = message.src().map(|source| source.name().to_string()).unwrap_or_default();
                facts.locked().warning.get_or_insert_with(|| format!("{element}: {}", warning.error().message()));
            }
            gst::MessageView::Element(_) => {
                if let Ok(missing) = MissingPluginMessage::parse(message) {
                    facts.locked().missing.get_or_insert_with(|| missing.description().to_string());
                }
            }
            gst::MessageView::SegmentDone(_) => {
                if let Some(pipeline) = pipeline.upgrade() {
                    looping::again(&pipeline, &entry, &seeks);
                }
            }
            _ => {}
        }
        gst::BusSyncReply::Pass
    });
}

fn appsink(bin: &gst::Bin, name: &str) -> Result<gst_app::AppSink> {
    bin.by_name(name)
        .and_then(|element| element.downcast::<gst_app::AppSink>().ok())
        .ok_or_else(|| Error::usage(format!("the capture template needs an appsink named `{name}`")))
}

#[cfg(test)]
mod tests;
