//! The gate between a file's decoder and the rings: passes over what is not asked for and what an earlier run painted, and
//! holds the first picture until the painters for its size are there.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver as ChannelReceiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use gstreamer as gst;

use super::cut::{Cut, Place, Window};
use super::rate::Rate;
use super::timeline::Timeline;
use crate::capture::Receiver;
use crate::engine::Inlet;
use crate::error::Error;
use crate::sync::Locked;

/// Times this near are the same: one that did not rise was moved by a microsecond.
const SAME_TIME_NS: u64 = 500_000;

/// What is to be painted of a file, and how it is read.
pub struct Part {
    pub cut: Cut,
    pub rate: Option<Rate>,
    /// The file is not read from its beginning.
    pub entered: bool,
    /// Pictures keep the times that they have in the file, though only a part of it is painted.
    pub in_place: bool,
    /// Times are counted from the first picture: streams without an index begin at any time.
    pub from_first: bool,
    /// Pictures are painted as the ones before them say: some of those are let through too, for the painter to know.
    pub remembers: bool,
}

/// So many pictures that an earlier run painted are painted again where the painter has to know them; what the pictures before
/// those were cannot be seen any more.
const RECALLED: u64 = 90;

/// The same, as time before a part of a film.
pub const RECALLED_TIME: Duration = Duration::from_secs(4);

/// Receives what the capture of a file delivers.
pub struct ResumeGate {
    timeline: Timeline,
    part: Part,
    /// Frames of the cut to skip, and the time in OUT that the last of them must have.
    skip: u64,
    last_skipped: Option<gst::ClockTime>,
    /// With a rate: the latest picture of the cut and its time, held until the next tells how long it is shown.
    held: Mutex<Option<(gst::Sample, gst::ClockTime)>>,
    /// Pictures that were decoded, and frames of OUT that came of them.
    decoded: AtomicU64,
    seen: AtomicU64,
    /// Frames that were let through though OUT does not get them.
    recalled: AtomicU64,
    /// Where the times of the cut are counted from.
    origin: OnceLock<gst::ClockTime>,
    /// Where the first picture of the cut lies in the file.
    begin: OnceLock<gst::ClockTime>,
    /// The cut is over.
    over: AtomicBool,
    /// The file was entered behind the start of the cut.
    late: AtomicBool,
    stopped: AtomicBool,
    /// The input is not what the earlier run painted.
    mismatch: AtomicBool,
    first: SyncSender<gst::Caps>,
    opening: Mutex<ChannelReceiver<Arc<Inlet>>>,
    inlet: OnceLock<Arc<Inlet>>,
}

/// The other side of the gate: tells the caps of the first picture to paint, and takes the inlet to open it with.
/// Dropped without an inlet, it ends the capture.
pub struct Opener {
    pub first: ChannelReceiver<gst::Caps>,
    pub inlet: SyncSender<Arc<Inlet>>,
}

impl ResumeGate {
    /// A gate for the pictures of `part` that skips the first `skip` of them, the last of which has the time `last_skipped`
    /// in OUT.
    pub fn new(timeline: Timeline, part: Part, skip: u64, last_skipped: Option<gst::ClockTime>) -> (Arc<Self>, Opener) {
        let (first, first_caps) = sync_channel(1);
        let (inlet, opening) = sync_channel(1);
        let gate = Self {
            timeline,
            part,
            skip,
            last_skipped,
            held: Mutex::default(),
            decoded: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            recalled: AtomicU64::new(0),
            origin: OnceLock::new(),
            begin: OnceLock::new(),
            over: AtomicBool::new(false),
            late: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            mismatch: AtomicBool::new(false),
            first,
            opening: Mutex::new(opening),
            inlet: OnceLock::new(),
        };
        (Arc::new(gate), Opener { first: first_caps, inlet })
    }

    /// Pictures the decoder delivered, wanted or not.
    pub fn decoded(&self) -> u64 {
        self.decoded.load(Ordering::Relaxed)
    }

    /// Frames of OUT that came of them, skipped ones included.
    pub fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// Frames that were let through, before all others, for the painter alone.
    pub fn recalled(&self) -> u64 {
        self.recalled.load(Ordering::Acquire)
    }

    /// The part of the file that OUT holds, once its first picture has come; `None` for all of it.
    pub fn window(&self) -> Option<Window> {
        if self.part.in_place {
            return None;
        }
        let known = |time: &OnceLock<gst::ClockTime>| time.get().copied().unwrap_or_default();
        self.part.cut.window(known(&self.begin), known(&self.origin))
    }

    /// True once a picture behind the cut has come.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// True if the file was entered too late, so that pictures of the cut are missing.
    pub fn is_late(&self) -> bool {
        self.late.load(Ordering::Acquire)
    }

    /// Takes no further picture.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    /// Says if the pictures skipped were not those that the earlier run painted.
    pub fn check(&self) -> Result<(), Error> {
        let short = self.seen() < self.skip && !self.stopped.load(Ordering::Acquire);
        if self.mismatch.load(Ordering::Acquire) || short {
            return Err(Error::input(
                "the input does not decode to the frames that were painted before; leave --resume out to begin anew",
            ));
        }
        Ok(())
    }

    /// Lets the last picture through, which none follows that would tell how long it is shown.
    pub fn let_go(&self) {
        let Some((rate, (sample, begin))) = self.part.rate.zip(self.held.locked().take()) else { return };
        let shown = sample.buffer().and_then(|buffer| buffer.duration()).unwrap_or_else(|| rate.time(1));
        let shown = self.window().map_or(shown, |window| window.shown(begin, shown));
        let slots = rate.slots(begin, begin + shown);
        let is_alone = self.seen() == 0 && slots.is_empty();
        let slots = if is_alone { slots.start..slots.start + 1 } else { slots };
        let _ = self.pass_slots(rate, &sample, slots);
    }

    /// Hands a picture on that fills `slots`, as one whose duration tells how many.
    fn pass_slots(
        &self,
        rate: Rate,
        sample: &gst::Sample,
        mut slots: Range<u64>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        slots.start += self.skips(slots.end - slots.start, |number| rate.time(slots.start + number))?;
        if slots.is_empty() || self.stopped.load(Ordering::Acquire) {
            return Ok(gst::FlowSuccess::Ok);
        }
        let begin = rate.time(slots.start);
        let mut buffer = sample.buffer_owned().ok_or(gst::FlowError::Error)?;
        buffer.make_mut().set_duration(rate.time(slots.end) - begin);
        let caps = sample.caps_owned().ok_or(gst::FlowError::NotNegotiated)?;
        self.pass(&gst::Sample::builder().buffer(&buffer).caps(&caps).build(), begin)
    }

    fn pass(&self, sample: &gst::Sample, time: gst::ClockTime) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.inlet(sample).ok_or(gst::FlowError::Eos)?.picture(sample, time)
    }

    /// Counts `count` frames of OUT, and tells how many of them are not painted, because an earlier run has painted them;
    /// `time` tells that of each.
    ///
    /// # Errors
    /// They are not those that it painted.
    fn skips(&self, count: u64, time: impl Fn(u64) -> gst::ClockTime) -> Result<u64, gst::FlowError> {
        let number = self.seen.fetch_add(count, Ordering::Relaxed);
        let skipped = self.skip.saturating_sub(number).min(count);
        let ends_here = skipped > 0 && number + skipped == self.skip;
        if let Some(expected) = self.last_skipped.filter(|_| ends_here)
            && expected.nseconds().abs_diff(time(skipped - 1).nseconds()) > SAME_TIME_NS
        {
            self.mismatch.store(true, Ordering::Release);
            return Err(gst::FlowError::Eos);
        }
        let recalled =
            if self.part.remembers { (number + skipped).saturating_sub(self.skip.saturating_sub(RECALLED)) } else { 0 };
        let recalled = recalled.min(skipped);
        self.recalled.fetch_add(recalled, Ordering::AcqRel);
        Ok(skipped - recalled)
    }

    /// True for a picture before a segment that the painter has to know.
    fn recalls(&self, time: gst::ClockTime) -> bool {
        let before = self.part.cut.just_before(RECALLED_TIME);
        self.part.remembers && self.part.in_place && self.skip < RECALLED && before.place(time) == Place::Within
    }

    /// The inlet, waiting for it; `None` if painting will not begin.
    fn inlet(&self, sample: &gst::Sample) -> Option<&Arc<Inlet>> {
        if self.inlet.get().is_none() {
            self.first.send(sample.caps_owned()?).ok()?;
            let opening = self.opening.locked();
            let inlet = opening.recv().ok()?;
            let _ = self.inlet.set(inlet);
        }
        self.inlet.get()
    }
}

impl Receiver for ResumeGate {
    fn picture(&self, sample: &gst::Sample, time: gst::ClockTime) -> Result<gst::FlowSuccess, gst::FlowError> {
        let time = self.timeline.place(sample).unwrap_or(time);
        if self.stopped.load(Ordering::Acquire) {
            return Err(gst::FlowError::Eos);
        }
        let is_first = self.decoded.fetch_add(1, Ordering::Relaxed) == 0;
        let origin = *self.origin.get_or_init(|| if self.part.from_first { time } else { gst::ClockTime::ZERO });
        match self.part.cut.place(time.saturating_sub(origin)) {
            Place::Before if self.recalls(time.saturating_sub(origin)) => {
                self.recalled.fetch_add(1, Ordering::AcqRel);
                return self.pass(sample, time);
            }
            Place::Before => return Ok(gst::FlowSuccess::Ok),
            _ if is_first && self.part.entered => {
                self.late.store(true, Ordering::Release);
                return Err(gst::FlowError::Eos);
            }
            Place::Behind => {
                self.let_go();
                self.over.store(true, Ordering::Release);
                return Err(gst::FlowError::Eos);
            }
            Place::Within => {}
        }
        let begin = *self.begin.get_or_init(|| {
            let stays = self.part.cut.is_whole() || self.part.in_place;
            if stays { gst::ClockTime::ZERO } else { time }
        });
        let time = time.saturating_sub(begin);
        let Some(rate) = self.part.rate else {
            return if self.skips(1, |_| time)? == 0 { self.pass(sample, time) } else { Ok(gst::FlowSuccess::Ok) };
        };
        let before = self.held.locked().replace((sample.clone(), time));
        match before {
            Some((sample, begin)) => self.pass_slots(rate, &sample, rate.slots(begin, time)),
            None => Ok(gst::FlowSuccess::Ok),
        }
    }

    fn sound(&self, _: &gst::Sample, _: gst::ClockTime) {}

    fn ended(&self) {
        self.let_go();
    }
}
