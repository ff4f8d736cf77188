//! The capture end of the rings: maps each decoded sample into a free slot.

use std::sync::mpsc::{Receiver as ChannelReceiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use gstreamer as gst;
use gstreamer_video as gst_video;

use crate::capture::{Pace, Receiver};
use crate::frame::Frame;
use crate::frame::ring::{Closer, Producer};
use crate::metrics::Counters;

/// Where sound goes; it bypasses the rings.
pub type SoundSink = Box<dyn Fn(&gst::Sample, gst::ClockTime) + Send + Sync>;

/// Tells the caps of the first picture: everything behind the capture is built from them.
pub type FirstPicture = ChannelReceiver<gst::Caps>;

/// Receives what a capture delivers. Frames go round robin to the workers, so that worker `n` of `N` gets the
/// frames `n, n + N, n + 2N, ...`; live streams have one worker.
pub struct Inlet {
    pace: Pace,
    state: Mutex<State>,
    /// Outside the state's lock: a streaming thread holds that one while it waits for a free slot.
    closers: Vec<Closer>,
    counters: Arc<Counters>,
    sound: SoundSink,
}

struct State {
    workers: Vec<Producer<Frame>>,
    sequence: u64,
    /// The caps of the latest sample and what they say, parsed once for each change.
    caps: Option<(gst::Caps, gst_video::VideoInfo)>,
    first: Option<SyncSender<gst::Caps>>,
}

impl Inlet {
    pub fn new(
        pace: Pace,
        workers: Vec<Producer<Frame>>,
        counters: Arc<Counters>,
        sound: SoundSink,
    ) -> (Arc<Self>, FirstPicture) {
        let (first, first_picture) = sync_channel(1);
        let closers = workers.iter().map(Producer::closer).collect();
        let state = State { workers, sequence: 0, caps: None, first: Some(first) };
        (Arc::new(Self { pace, state: Mutex::new(state), closers, counters, sound }), first_picture)
    }

    /// Says that no frame will follow; the frame painters finish what waits and end.
    pub fn close(&self) {
        self.closers.iter().for_each(Closer::close);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Receiver for Inlet {
    fn ready(&self, caps: &gst::CapsRef) {
        self.lock().release_barrier(caps);
    }

    fn picture(&self, sample: &gst::Sample, time: gst::ClockTime) -> Result<gst::FlowSuccess, gst::FlowError> {
        // Only the one streaming thread of the capture takes this lock while frames flow.
        let state = &mut *self.lock();
        if state.workers.iter().any(Producer::is_closed) {
            return Err(gst::FlowError::Eos);
        }
        let info = state.info_of(sample)?;
        let sequence = state.sequence;
        state.sequence += 1;
        Counters::count(&self.counters.captured);

        let worker_count = state.workers.len() as u64;
        let worker = &mut state.workers[(sequence % worker_count) as usize];
        let slot = match self.pace {
            Pace::RealTime => worker.try_acquire(),
            Pace::Unlimited => Some(worker.acquire().ok_or(gst::FlowError::Eos)?),
        };
        let Some(mut slot) = slot else {
            Counters::count(&self.counters.dropped_busy);
            return Ok(gst::FlowSuccess::Ok);
        };
        let buffer = sample.buffer_owned().ok_or(gst::FlowError::Error)?;
        slot.duration = buffer.duration();
        slot.picture = gst_video::VideoFrame::from_buffer_readable(buffer, &info).ok();
        slot.pts = time;
        // Not earlier: a file's reader waits for the slot, which is no delay of the picture.
        slot.captured_at = Some(Instant::now());
        slot.sequence = sequence;
        worker.submit(slot);
        Ok(gst::FlowSuccess::Ok)
    }

    fn sound(&self, sample: &gst::Sample, time: gst::ClockTime) {
        (self.sound)(sample, time);
    }
}

impl State {
    /// The layout of a sample's picture; the first one also releases the start barrier.
    fn info_of(&mut self, sample: &gst::Sample) -> Result<gst_video::VideoInfo, gst::FlowError> {
        let caps = sample.caps().ok_or(gst::FlowError::NotNegotiated)?;
        if let Some((known, info)) = &self.caps
            && known.as_ptr() == caps.as_ptr()
        {
            return Ok(info.clone());
        }
        let info = gst_video::VideoInfo::from_caps(caps).map_err(|_| gst::FlowError::NotNegotiated)?;
        self.caps = Some((caps.to_owned(), info.clone()));
        self.release_barrier(caps);
        Ok(info)
    }

    fn release_barrier(&mut self, caps: &gst::CapsRef) {
        if let Some(first) = self.first.take() {
            let _ = first.send(caps.to_owned());
        }
    }
}
