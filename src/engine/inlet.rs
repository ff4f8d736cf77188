//! The capture end of the rings: maps each decoded sample into a free slot.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver as ChannelReceiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use gstreamer as gst;
use gstreamer_video as gst_video;

use crate::capture::{Pace, Receiver};
use crate::frame::Frame;
use crate::frame::ring::{Closer, Producer};
use crate::metrics::Counters;
use crate::sync::Locked;

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
    /// The number of the latest feed that was given out, and of the one that is painted.
    last_feed: AtomicU64,
    shown_feed: AtomicU64,
}

/// The inlet as one of several sources sees it. A feed takes over with its first picture: from then on nothing of an
/// older one comes in.
pub struct Feed {
    inlet: Arc<Inlet>,
    number: u64,
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
        let (last_feed, shown_feed) = Default::default();
        let this = Self { pace, state: Mutex::new(state), closers, counters, sound, last_feed, shown_feed };
        (Arc::new(this), first_picture)
    }

    /// A feed for a source that shall take over.
    pub fn feed(self: &Arc<Self>) -> Arc<Feed> {
        let number = self.last_feed.fetch_add(1, Ordering::Relaxed) + 1;
        Arc::new(Feed { inlet: Arc::clone(self), number })
    }

    /// Says that no frame will follow; the frame painters finish what waits and end.
    pub fn close(&self) {
        self.closers.iter().for_each(Closer::close);
    }

    /// Only the streaming thread of the source that plays takes this lock while frames flow.
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.locked()
    }

    fn take(
        &self,
        state: &mut State,
        sample: &gst::Sample,
        time: gst::ClockTime,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
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
}

impl Feed {
    /// True once a picture has come in, and none of a newer feed.
    pub fn is_shown(&self) -> bool {
        self.inlet.shown_feed.load(Ordering::Acquire) == self.number
    }

    /// Takes over from a newer feed whose source was given up.
    pub fn show(&self) {
        self.inlet.shown_feed.store(self.number, Ordering::Release);
    }
}

impl Receiver for Feed {
    fn ready(&self, caps: &gst::CapsRef) {
        self.inlet.ready(caps);
    }

    fn picture(&self, sample: &gst::Sample, time: gst::ClockTime) -> Result<gst::FlowSuccess, gst::FlowError> {
        // Under the lock, so that no picture of an older feed comes in after the first one of this.
        let state = &mut *self.inlet.lock();
        if self.inlet.shown_feed.fetch_max(self.number, Ordering::AcqRel) > self.number {
            return Ok(gst::FlowSuccess::Ok);
        }
        self.inlet.take(state, sample, time)
    }

    fn sound(&self, sample: &gst::Sample, time: gst::ClockTime) {
        if self.is_shown() {
            self.inlet.sound(sample, time);
        }
    }
}

impl Receiver for Inlet {
    fn ready(&self, caps: &gst::CapsRef) {
        self.lock().release_barrier(caps);
    }

    fn picture(&self, sample: &gst::Sample, time: gst::ClockTime) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.take(&mut self.lock(), sample, time)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::ring::{Taken, ring};
    use std::time::Duration;

    fn sample(luma: u8) -> gst::Sample {
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Bgrx, 2, 2).build().unwrap();
        let (buffer, caps) = (gst::Buffer::from_slice([luma; 16]), info.to_caps().unwrap());
        gst::Sample::builder().buffer(&buffer).caps(&caps).build()
    }

    #[test]
    fn a_newer_source_takes_over_with_its_first_picture_and_for_good() {
        crate::gst::init().unwrap();
        let (producer, mut consumer) = ring(std::iter::repeat_with(Frame::default).take(3));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&heard);
        let sound = Box::new(move |_: &gst::Sample, time: gst::ClockTime| hears.lock().unwrap().push(time.mseconds()));
        let (inlet, _first) = Inlet::new(Pace::RealTime, vec![producer], Arc::default(), sound);
        let (old, new) = (inlet.feed(), inlet.feed());
        let mut sees = |feed: &Feed, ms: u64| {
            let time = gst::ClockTime::from_mseconds(ms);
            feed.picture(&sample(0), time).unwrap();
            feed.sound(&sample(0), time);
            match consumer.take_newest(Duration::ZERO, Frame::clear) {
                Taken::Slot { slot, .. } => {
                    let pts = slot.pts.mseconds();
                    consumer.give_back(slot);
                    Some(pts)
                }
                _ => None,
            }
        };
        assert_eq!(sees(&old, 1), Some(1));
        new.sound(&sample(0), gst::ClockTime::from_mseconds(2));
        assert!(old.is_shown() && !new.is_shown(), "it has no picture yet");
        assert_eq!(sees(&new, 3), Some(3));
        assert_eq!(sees(&old, 4), None);
        assert!(new.is_shown() && !old.is_shown());
        // It was given up after all.
        old.show();
        assert_eq!(sees(&old, 5), Some(5));
        assert_eq!(*heard.lock().unwrap(), [1, 3, 5]);
    }
}
