//! Where painted frames go: any mix of outputs, each with its own queue, counters and failure.

mod claim;
mod container;
pub mod display;
mod fit;
pub(crate) mod idle;
mod length;
mod preview;
mod push;
mod readback;
mod record;
mod rtsp;
mod sound_track;
pub(crate) mod virtual_camera;
mod webrtc;

pub use claim::{Claim, Naming, There, move_without_replacing, recover_dated};
pub use container::{Container, hidden_beside, part_path};
pub use display::{Display, DisplayPlan};
pub use fit::Fit;
pub use idle::Usage;
pub use length::length_of;
pub use preview::{Preview, PreviewOf, Viewer};
pub use push::{Push, PushPlan};
pub use readback::{Contents, Span};
pub use record::{Record, dated_name};
pub use rtsp::{Rtsp, RtspAccess, RtspAddress, RtspServers};
pub use virtual_camera::{VirtualCamera, VirtualCameraPlan};
pub use webrtc::{Admitted, IceServers, WebRtc, WebRtcPlan};

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use crate::error::{Error, Result};
use crate::sync::{Locked, SharedLocked};
use sound_track::{SoundTrack, silence};

/// The least time between two pictures: Matroska counts in milliseconds, RTP in less.
const LEAST_STEP: gst::ClockTime = gst::ClockTime::from_mseconds(1);

/// One destination of a live stream. Pushing never blocks: each output drops what it cannot take in time.
pub trait Output: Send + Sync {
    /// A painted BGRx picture; `time` lies on the shared clock.
    fn picture(&self, buffer: &gst::Buffer, time: gst::ClockTime);
    /// Sound, S16LE 48 kHz stereo; `time` lies on the shared clock.
    fn sound(&self, buffer: &gst::BufferRef, time: gst::ClockTime);
    /// It fills the holes of the sound by itself; the others are given silence.
    fn fills_holes(&self) -> bool {
        false
    }
    /// The first sound of the stream has come: those who come from now on are to hear it, too.
    fn sound_begins(&self) {}
    /// The picture that a painted one is made of, for outputs that show both.
    fn source_picture(&self, _buffer: &gst::Buffer, _time: gst::ClockTime) {}
    /// Somebody wants [`Output::source_picture`] now.
    fn wants_source_pictures(&self) -> bool {
        false
    }
    /// What it is and where to find it.
    fn place(&self) -> Place {
        Place { kind: "output", name: String::new() }
    }
    /// How many watch it now; 0 for outputs that nobody watches, like files.
    fn clients(&self) -> usize {
        0
    }
    /// Whether it is watched; what cannot be watched, like a file, always counts as watched.
    fn usage(&self) -> Usage {
        Usage::Watched
    }
    /// As the one that viewers over WebRTC come to.
    fn webrtc(&self) -> Option<&WebRtc> {
        None
    }
    /// The stream goes to sleep because nobody watches; no picture comes until it wakes.
    fn rest(&self) {}
    /// Pictures that it could not take in time.
    fn dropped(&self) -> u64;
    /// It has stopped working and does not come back by itself.
    fn has_failed(&self) -> bool {
        false
    }
    /// Why nothing of the stream arrives there now, until it does again.
    fn error(&self) -> Option<Error> {
        None
    }
    /// Why it has stopped working, once.
    fn take_failure(&self) -> Option<Error>;
    /// Ends it in good order: files are finished and get their final name.
    ///
    /// # Errors
    /// It cannot be finished, or failed before.
    fn finish(&self) -> Result<()>;
}

/// What an output is and where to find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `rtsp`, `recording`, `preview`, ...
    pub kind: &'static str,
    /// An address or a file; empty where the kind says all.
    pub name: String,
}

impl Place {
    /// What tells it from the other outputs of its stream, in letters that may stand in an address:
    /// `rtsp-127.0.0.1-8554-live`. There is one recording at a time, and one WebRTC output.
    pub fn id(&self) -> String {
        let name = self.name.split_once("://").map_or(self.name.as_str(), |(_, rest)| rest);
        let parts = name.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').filter(|part| !part.is_empty());
        match self.kind {
            "recording" | "webrtc" => self.kind.into(),
            kind => std::iter::once(kind).chain(parts).collect::<Vec<_>>().join("-"),
        }
    }
}

/// What the outputs of all streams share.
#[derive(Clone, Default)]
pub struct Servers {
    pub rtsp: RtspServers,
    pub ice: IceServers,
}

/// What every output must know of the stream before it starts.
#[derive(Debug, Clone)]
pub struct StreamFormat {
    /// Caps of the painted pictures.
    pub caps: gst::Caps,
    /// Frames a second, rounded up; 30 where the source does not say.
    pub fps: u32,
    pub sound: bool,
}

/// All outputs of a stream; empty until they are added, because their format is known only later.
#[derive(Default)]
pub struct Outputs {
    list: RwLock<Vec<Arc<dyn Output>>>,
    last_time: Mutex<Option<gst::ClockTime>>,
    resting: AtomicBool,
    /// Sound has come, or will.
    has_sound: AtomicBool,
    /// Up to where there is sound; none before the first picture with sound.
    track: Mutex<Option<SoundTrack>>,
}

impl Outputs {
    /// Adds an output; it gets the pictures from the next one on.
    pub fn add(&self, output: Arc<dyn Output>) {
        let mut list = self.list.write_locked();
        // Sound may have come since it was opened.
        if self.have_sound() {
            output.sound_begins();
        }
        list.push(output);
    }

    /// Takes an output out; finishing it is up to the caller.
    pub fn remove(&self, output: &Arc<dyn Output>) {
        self.list.write_locked().retain(|known| !Arc::ptr_eq(known, output));
    }

    /// Writers hold the lock for moments only, and pushing to an output never blocks.
    fn list(&self) -> RwLockReadGuard<'_, Vec<Arc<dyn Output>>> {
        self.list.read_locked()
    }

    /// Gives a painted picture to every output that is awake. Times that do not rise are moved just behind the last one.
    pub fn publish(&self, buffer: &gst::Buffer, time: gst::ClockTime) {
        if self.is_resting() {
            return;
        }
        let time = {
            let mut last = self.last_time.locked();
            let time = last.map_or(time, |last| time.max(last + LEAST_STEP));
            *last = Some(time);
            time
        };
        for output in self.list().iter() {
            output.picture(buffer, time);
        }
        if self.have_sound() {
            let mut track = self.track.locked();
            let missing = track.get_or_insert_with(|| SoundTrack::live(time)).follow(time);
            missing.into_iter().flat_map(silence).for_each(|piece| self.give_sound(piece));
        }
    }

    pub fn publish_sound(&self, sample: &gst::Sample, time: gst::ClockTime) {
        let Some(buffer) = sample.buffer() else { return };
        // Until it is given, so that silence does not come between.
        let mut track = self.track.locked();
        let is_first = !self.has_sound.swap(true, Ordering::Relaxed);
        for output in self.list().iter() {
            if is_first {
                output.sound_begins();
            }
            if output.fills_holes() {
                output.sound(buffer, time);
            }
        }
        let track = track.get_or_insert_with(|| SoundTrack::live(time));
        track.pieces_of(buffer, time).for_each(|piece| self.give_sound(piece));
    }

    /// To all that do not fill holes by themselves.
    fn give_sound(&self, piece: gst::Buffer) {
        let Some(time) = piece.pts() else { return };
        self.list().iter().filter(|output| !output.fills_holes()).for_each(|output| output.sound(&piece, time));
    }

    /// The source says that it has sound, which may come late, or never.
    pub fn expect_sound(&self) {
        self.has_sound.store(true, Ordering::Relaxed);
    }

    /// The format for an output that begins now: with sound, too, if some has come since the stream began.
    pub fn format_now(&self, format: &StreamFormat) -> StreamFormat {
        StreamFormat { sound: format.sound || self.have_sound(), ..format.clone() }
    }

    /// Some sound has come since the stream began, or shall come.
    pub fn have_sound(&self) -> bool {
        self.has_sound.load(Ordering::Relaxed)
    }

    /// True if [`Outputs::publish_source`] has somebody to give pictures to.
    pub fn want_source(&self) -> bool {
        self.list().iter().any(|output| output.wants_source_pictures())
    }

    /// Gives the picture that the next painted one is made of to the outputs that show both.
    pub fn publish_source(&self, buffer: &gst::Buffer, time: gst::ClockTime) {
        for output in self.list().iter() {
            output.source_picture(buffer, time);
        }
    }

    /// All outputs, in the order in which they were added.
    pub fn all(&self) -> Vec<Arc<dyn Output>> {
        self.list().clone()
    }

    /// Failures since the last call; the other outputs go on.
    pub fn failures(&self) -> Vec<Error> {
        self.list().iter().filter_map(|output| output.take_failure()).collect()
    }

    /// Whether anybody watches any of them; without outputs there is nobody to ask, and it counts as watched.
    pub fn usage(&self) -> Usage {
        let list = self.list();
        match list.iter().map(|output| output.usage()).find(|usage| *usage != Usage::Absent) {
            None if !list.is_empty() => Usage::Absent,
            other => other.unwrap_or_default(),
        }
    }

    /// Sends the outputs to sleep, or wakes them.
    pub fn rest(&self, resting: bool) {
        self.resting.store(resting, Ordering::Release);
        if resting {
            self.list().iter().for_each(|output| output.rest());
        }
    }

    /// True while nobody watches and the source is released.
    pub fn is_resting(&self) -> bool {
        self.resting.load(Ordering::Acquire)
    }

    /// How many clients watch, over all outputs.
    pub fn clients(&self) -> usize {
        self.list().iter().map(|output| output.clients()).sum()
    }

    /// Pictures that outputs could not take in time.
    pub fn dropped(&self) -> u64 {
        self.list().iter().map(|output| output.dropped()).sum()
    }

    /// Ends every output, the last one first; the first error is returned, the others are logged.
    pub fn finish(&self) -> Result<()> {
        let mut result = Ok(());
        for output in self.list().iter().rev() {
            if let Err(error) = output.finish() {
                match result {
                    Ok(()) => result = Err(error),
                    Err(_) => tracing::error!("{error}"),
                }
            }
        }
        result
    }
}

/// True if `feed` is full, so that a picture pushed now throws out the one that waits longest.
fn is_full(feed: &gst_app::AppSrc) -> bool {
    feed.current_level_buffers() >= feed.max_buffers().max(1)
}

/// `time` on the timeline of the pipeline that `feed` belongs to; `None` while it is not playing.
fn time_in(feed: &gst_app::AppSrc, time: gst::ClockTime) -> Option<gst::ClockTime> {
    if feed.current_state() != gst::State::Playing {
        return None;
    }
    time.checked_sub(feed.base_time()?)
}

/// Sound as `capture/sound.launch` delivers it.
fn sound_caps() -> gst::Caps {
    gst::Caps::builder("audio/x-raw")
        .field("format", "S16LE")
        .field("rate", 48_000)
        .field("channels", 2)
        .field("layout", "interleaved")
        .build()
}

/// The size of pictures in square pixels: as wide as they are, but not wider than `widest`; even sides.
///
/// # Errors
/// The caps are not those of pictures.
fn square_size(caps: &gst::Caps, widest: u32) -> Result<(u32, u32)> {
    let info = gst_video::VideoInfo::from_caps(caps).map_err(|error| Error::input(format!("{caps}: {error}")))?;
    let even = |side: f64| ((side / 2.0).round() as u32 * 2).max(2);
    let shown = f64::from(info.width()) * f64::from(info.par().numer()) / f64::from(info.par().denom().max(1));
    let width = shown.clamp(2.0, f64::from(widest));
    Ok((even(width), even(width * f64::from(info.height()) / shown)))
}

/// The same memory with other times: outputs have timelines of their own.
///
/// The copy holds on to the original, so that a pooled buffer returns to its pool only when all outputs are done.
fn retimed(buffer: &gst::Buffer, pts: gst::ClockTime) -> gst::Buffer {
    let mut copy = buffer.copy();
    if let Some(copy) = copy.get_mut() {
        gst::ParentBufferMeta::add(copy, buffer);
        copy.set_pts(pts);
        copy.set_dts(gst::ClockTime::NONE);
        copy.set_duration(gst::ClockTime::NONE);
    }
    copy
}

/// Sound is small: it is copied rather than held.
fn retimed_sound(buffer: &gst::BufferRef, pts: gst::ClockTime) -> gst::Buffer {
    let mut copy = buffer.copy();
    if let Some(copy) = copy.get_mut() {
        copy.set_pts(pts);
        copy.set_dts(gst::ClockTime::NONE);
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_output_has_an_id_that_fits_into_an_address() {
        let id = |kind, name: &str| Place { kind, name: name.into() }.id();
        assert_eq!(id("rtsp", "rtsp://127.0.0.1:8554/live"), "rtsp-127.0.0.1-8554-live");
        assert_eq!(id("virtual-camera", "/dev/video10 (Impasto)"), "virtual-camera-dev-video10-Impasto");
        assert_eq!((id("recording", "/a/b.mkv"), id("preview", "")), ("recording".into(), "preview".into()));
        assert_eq!(id("webrtc", "/api/v1/streams/live/whep"), "webrtc");
    }

    #[test]
    fn a_preview_is_small_and_has_the_shape_of_the_picture() {
        crate::gst::init().unwrap();
        let of = |width, height, par: (i32, i32)| {
            let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Bgrx, width, height);
            let info = info.par(gst::Fraction::new(par.0, par.1)).build().unwrap();
            square_size(&info.to_caps().unwrap(), 640).unwrap()
        };
        assert_eq!(of(1920, 1080, (1, 1)), (640, 360));
        assert_eq!(of(320, 180, (1, 1)), (320, 180));
        assert_eq!(of(176, 144, (128, 117)), (192, 144));
        assert_eq!(of(8192, 1, (1, 1)), (640, 2));
        assert_eq!(of(360, 640, (1, 1)), (360, 640));
    }
}
