//! Plays a file again without a gap: seeks in the running pipeline, before the end of the file has come out of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;

/// Makes a recorded source begin again at its end.
pub struct Looping {
    /// Where decoded pictures come in.
    entry: gst::Pad,
    /// How long one round takes, in nanoseconds; 0 until it is known.
    length: Arc<AtomicU64>,
}

impl Looping {
    /// `entry` is where decoded pictures come in, `entries` are all pads where something does.
    pub fn new(entry: gst::Pad, entries: impl Iterator<Item = gst::Pad>) -> Self {
        let length = Arc::default();
        entries.for_each(|entry| space_out(&entry, &length));
        Self { entry, length }
    }

    /// `length` is that of one round. Makes whatever reads the file say "segment done" at its end instead of ending the stream. False if the source
    /// cannot seek: then it ends, and can be opened again.
    pub fn begin(&self, length: Option<gst::ClockTime>) -> bool {
        let Some(length) = length.filter(|length| !length.is_zero()) else { return false };
        self.length.store(length.nseconds(), Ordering::Release);
        let mut seeking = gst::query::Seeking::new(gst::Format::Time);
        self.entry.peer_query(&mut seeking)
            && seeking.result().0
            && seek(&self.entry, gst::SeekFlags::FLUSH | gst::SeekFlags::SEGMENT)
    }
}

/// What is read to its end is read again. Called on the reader's own thread, which must come to rest before: another one
/// does it. If it cannot be done, the stream ends.
pub fn again(pipeline: &gst::Pipeline, entry: &gst::Pad) {
    let entry = entry.clone();
    pipeline.call_async(move |pipeline| {
        if !seek(&entry, gst::SeekFlags::SEGMENT)
            && let Some(bus) = pipeline.bus()
        {
            let _ = bus.post(gst::message::Eos::builder().src(pipeline).build());
        }
    });
}

/// One event on one way up: several sinks would each send their own.
fn seek(entry: &gst::Pad, flags: gst::SeekFlags) -> bool {
    let (start, stop) = (gst::SeekType::Set, gst::SeekType::None);
    entry.push_event(gst::event::Seek::new(1.0, flags, start, gst::ClockTime::ZERO, stop, gst::ClockTime::NONE))
}

/// Lets each round begin no earlier than the one before ends: demuxers begin it with the last packet of that.
fn space_out(entry: &gst::Pad, length: &Arc<AtomicU64>) {
    let (length, rounds) = (Arc::clone(length), Mutex::new(Rounds::default()));
    entry.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::EVENT_FLUSH, move |_, info| {
        let Some(gst::PadProbeData::Event(event)) = &mut info.data else { return gst::PadProbeReturn::Ok };
        let mut rounds = rounds.lock().unwrap_or_else(PoisonError::into_inner);
        match event.view() {
            gst::EventView::FlushStop(_) => *rounds = Rounds::default(),
            gst::EventView::Segment(segment) => {
                if let Some(segment) = segment.segment().downcast_ref::<gst::ClockTime>()
                    && let Some(base) = segment.base()
                {
                    let shift = rounds.shift(event.seqnum(), base, length.load(Ordering::Acquire));
                    let mut segment = segment.clone();
                    segment.set_base(base + shift);
                    *event = gst::event::Segment::builder(&segment).seqnum(event.seqnum()).build();
                }
            }
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
}

/// The rounds that have begun. A file may have several segments, which all bear the number of the seek that began the
/// round.
#[derive(Default)]
struct Rounds {
    latest: Option<(gst::Seqnum, gst::ClockTime)>,
    shift: gst::ClockTime,
}

impl Rounds {
    /// How much later than `base` a segment begins.
    fn shift(&mut self, round: gst::Seqnum, base: gst::ClockTime, length: u64) -> gst::ClockTime {
        match self.latest {
            Some((latest, _)) if latest == round => {}
            Some((_, begun)) => {
                let took = base.saturating_sub(begun);
                self.shift += gst::ClockTime::from_nseconds(length).saturating_sub(took);
                self.latest = Some((round, base));
            }
            None => self.latest = Some((round, base)),
        }
        self.shift
    }
}
