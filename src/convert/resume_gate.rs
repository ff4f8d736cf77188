//! The gate between a file's decoder and the rings: skips what an earlier run painted, and holds the first
//! picture until the painters for its size are there.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver as ChannelReceiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};

use gstreamer as gst;

use super::timeline::Timeline;
use crate::capture::Receiver;
use crate::engine::Inlet;
use crate::error::Error;
use crate::sync::Locked;

/// Times this near are the same: one that did not rise was moved by a microsecond.
const SAME_TIME_NS: u64 = 500_000;

/// Receives what the capture of a file delivers.
pub struct ResumeGate {
    timeline: Timeline,
    /// Frames to skip, and the time that the last of them must have.
    skip: u64,
    last_skipped: Option<gst::ClockTime>,
    seen: AtomicU64,
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
    /// A gate that skips `skip` frames, the last of which has the time `last_skipped`.
    pub fn new(timeline: Timeline, skip: u64, last_skipped: Option<gst::ClockTime>) -> (Arc<Self>, Opener) {
        let (first, first_caps) = sync_channel(1);
        let (inlet, opening) = sync_channel(1);
        let gate = Self {
            timeline,
            skip,
            last_skipped,
            seen: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            mismatch: AtomicBool::new(false),
            first,
            opening: Mutex::new(opening),
            inlet: OnceLock::new(),
        };
        (Arc::new(gate), Opener { first: first_caps, inlet })
    }

    /// Pictures the decoder delivered, skipped ones included.
    pub fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
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
        let number = self.seen.fetch_add(1, Ordering::Relaxed);
        if number < self.skip {
            let differs = |expected: gst::ClockTime| expected.nseconds().abs_diff(time.nseconds()) > SAME_TIME_NS;
            if number + 1 == self.skip && self.last_skipped.is_some_and(differs) {
                self.mismatch.store(true, Ordering::Release);
                return Err(gst::FlowError::Eos);
            }
            return Ok(gst::FlowSuccess::Ok);
        }
        self.inlet(sample).ok_or(gst::FlowError::Eos)?.picture(sample, time)
    }

    fn sound(&self, _: &gst::Sample, _: gst::ClockTime) {}
}
