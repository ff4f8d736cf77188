//! Where frames come from: one GStreamer pipeline for every kind of source, ending in mapped BGRx pictures.
//!
//! A source template (`media`, `camera`, `showcase`, `test`) feeds `picture.launch`, whose appsink hands each
//! sample to the [`Receiver`]; sound, where there is any, goes through `sound.launch` the same way.

pub(crate) mod animation;
mod branches;
pub(crate) mod by_ffmpeg;
pub(crate) mod camera;
mod caps;
mod home;
mod looping;
mod multipart;
pub(crate) mod probe;
pub(crate) mod scaling;
mod showcase;
mod source;
mod still;
pub(crate) mod treatment;

pub use by_ffmpeg::Reader;
pub use source::Source;
pub use treatment::Treatment;

use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_pbutils::MissingPluginMessage;
use gstreamer_video as gst_video;

use crate::error::{Error, Result};
use crate::gst::flatten::is_high_dynamic_range;
use crate::gst::standstill::Standstill;
use crate::gst::template::Templates;
use crate::gst::{bus, shared_clock};
use crate::style::Size;
use crate::sync::Locked;
use branches::Branches;
use caps::size_of;
use looping::{Gate, Looping, can_go_back};

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
    /// Who reads the pictures of a file.
    pub reader: Reader,
    /// Whether a web server may lead to other addresses.
    pub redirects: bool,
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
    source: Source,
    description: String,
    facts: Arc<Mutex<StreamFacts>>,
    treatment: Treatment,
    camera: Option<camera::CameraThread>,
    is_still: bool,
    reading: Option<by_ffmpeg::Reading>,
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
        let reading = match (source, wiring.reader) {
            (Source::File(path), Reader::Ffmpeg | Reader::FfmpegDecoder) => {
                Some(by_ffmpeg::Reading::start(path, wiring.reader == Reader::FfmpegDecoder)?)
            }
            _ => None,
        };
        let edit_lists = source.edit_lists().filter(|_| reading.is_none());
        let head = match &reading {
            Some(reading) => source::media(&wiring.templates, &reading.uri(), None, wiring.redirects)?,
            None => source.build(wiring, edit_lists.as_ref())?,
        };
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
        let is_still = source.is_still();
        let mut capture = Self {
            pipeline,
            source: source.clone(),
            description,
            facts,
            treatment,
            camera,
            is_still,
            reading,
            looping,
            edited_duration,
            seeks,
            standstill,
        };
        let paused = capture.set_state(gst::State::Paused)?;
        // A live source is at its own pace already; waiting for its clock would only add latency.
        let paced = wiring.pace == Pace::RealTime && paused != gst::StateChangeSuccess::NoPreroll;
        capture.looping = (wiring.looped && paced).then(|| Looping::new(entry, branches.entries()));
        branches.set_sync(paced);
        if paced && matches!(source, Source::File(_)) {
            branches.give_times()?;
        }
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
            && can_go_back(&self.pipeline)
            && looping.begin(self.facts().duration)
        {
            let _ = self.pipeline.state(FIRST_PICTURE_PATIENCE);
        }
        self.set_state(gst::State::Playing).map(|_| ())
    }

    /// What is shown is one picture for ever.
    pub fn is_still(&self) -> bool {
        self.is_still
    }

    /// How long a round takes of what plays in a loop.
    pub fn round(&self) -> Option<Duration> {
        self.looping.as_ref().and_then(Looping::round)
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
        let told = self.reading.as_ref().and_then(by_ffmpeg::Reading::duration);
        facts.duration = self.edited_duration.or(told).or_else(|| self.pipeline.query_duration::<gst::ClockTime>());
        if let Some(decoded) = &facts.decoded {
            let flatten = self.pipeline.by_name("flatten");
            let transparent = flatten.is_some_and(|flatten| flatten.property("transparent"));
            let bits = self.reading.as_ref().and_then(by_ffmpeg::Reading::bits).unwrap_or(decoded.comp_depth(0));
            facts.notes = self.treatment.notes(decoded, bits, transparent);
        }
        if let Some(reading) = &self.reading {
            facts.warning = reading.complaint().or(facts.warning);
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
                // All that GStreamer says of an address that nobody answers.
                let vague = ["Internal data stream error", "(Generic error))"].iter().any(|end| reason.ends_with(end));
                let reason = self.source.why_unreachable().filter(|_| vague).unwrap_or(reason);
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
        crate::gst::stop(&self.pipeline);
    }
}

/// Keeps the first warning of the pipeline, and begins again what loops.
fn watch_bus(pipeline: &gst::Pipeline, entry: &gst::Pad, facts: &Arc<Mutex<StreamFacts>>, seeks: &Arc<Gate>) {
    let Some(bus) = pipeline.bus() else { return };
    let (pipeline, entry, facts) = (pipeline.downgrade(), entry.clone(), Arc::clone(facts));
    let seeks = Arc::clone(seeks);
    bus.set_sync_handler(move |_, message| {
        match message.view() {
            // What is missing is told elsewhere, and it may be no picture.
            gst::MessageView::Warning(warning) if warning.error().matches(gst::StreamError::CodecNotFound) => {}
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

#[cfg(test)]
mod tests;
