//! Plays a file again without a gap: seeks in the running pipeline, before the end of the file has come out of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::gst::change_segment;
use crate::sync::Locked;
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

    /// Makes whatever reads the file say "segment done" at its end instead of ending the stream; one round is `length`
    /// long. False if the source cannot seek: then it ends, and can be opened again.
    pub fn begin(&self, length: Option<gst::ClockTime>) -> bool {
        let Some(length) = length.filter(|length| !length.is_zero()) else { return false };
        let mut seeking = gst::query::Seeking::new(gst::Format::Time);
        if !self.entry.peer_query(&mut seeking) || !seeking.result().0 {
            return false;
        }
        self.length.store(length.nseconds(), Ordering::Release);
        let begun = seek(&self.entry, gst::SeekFlags::FLUSH | gst::SeekFlags::SEGMENT);
        if !begun {
            self.length.store(0, Ordering::Release);
            // That of MPEG-TS says that it can seek, and refuses this after it has flushed: only another seek sets it going again.
            seek(&self.entry, gst::SeekFlags::FLUSH);
        }
        begun
    }

    /// How long one round takes, once it has begun.
    pub fn round(&self) -> Option<Duration> {
        Some(Duration::from_nanos(self.length.load(Ordering::Acquire))).filter(|length| !length.is_zero())
    }
}

/// False where a web server does not say that it sends parts of a file: then a seek ends the stream with an error, though the
/// demuxer says that it can.
pub fn can_go_back(pipeline: &gst::Pipeline) -> bool {
    let sends_parts = |reader: gst::Element| {
        let told = reader.static_pad("src")?.sticky_event::<gst::event::CustomDownstreamSticky>(0)?;
        let headers = told.structure()?.get::<gst::Structure>("response-headers").ok()?;
        let ranges = headers.iter().find(|(name, _)| name.as_str().eq_ignore_ascii_case("accept-ranges"))?.1;
        Some(ranges.get::<&str>().is_ok_and(|ranges| ranges.trim().eq_ignore_ascii_case("bytes")))
    };
    let mut readers = pipeline.iterate_all_by_element_factory_name("souphttpsrc").into_iter().flatten();
    readers.all(|reader| sends_parts(reader).unwrap_or(false))
}

/// What is read to its end is read again. Called on the reader's own thread, which must come to rest before: another one
/// does it. If it cannot be done, the stream ends.
pub fn again(pipeline: &gst::Pipeline, entry: &gst::Pad, gate: &Arc<Gate>) {
    let (entry, gate) = (entry.clone(), Arc::clone(gate));
    pipeline.call_async(move |pipeline| {
        let sought = gate.pass(|| seek(&entry, gst::SeekFlags::SEGMENT));
        if sought == Some(false)
            && let Some(bus) = pipeline.bus()
        {
            let _ = bus.post(gst::message::Eos::builder().src(pipeline).build());
        }
    });
}

/// How long a pipeline that is closed waits for a seek that is on its way.
const SEEK_PATIENCE: Duration = Duration::from_secs(2);

/// Lets no seek meet the closing of its pipeline: it would start a demuxer whose streams are gone, and crash.
#[derive(Default)]
pub struct Gate {
    passage: Mutex<Passage>,
    left: Condvar,
}

#[derive(Default)]
struct Passage {
    is_closed: bool,
    is_seeking: bool,
}

impl Gate {
    /// Seeks, unless the gate is closed.
    fn pass(&self, seek: impl FnOnce() -> bool) -> Option<bool> {
        {
            let mut passage = self.passage.locked();
            if passage.is_closed {
                return None;
            }
            passage.is_seeking = true;
        }
        let sought = seek();
        self.passage.locked().is_seeking = false;
        self.left.notify_all();
        Some(sought)
    }

    /// From now on nothing seeks.
    pub fn close(&self) {
        let mut passage = self.passage.locked();
        passage.is_closed = true;
        drop(self.left.wait_timeout_while(passage, SEEK_PATIENCE, |passage| passage.is_seeking));
    }
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
        let mut rounds = rounds.locked();
        match event.view() {
            gst::EventView::FlushStop(_) => *rounds = Rounds::default(),
            gst::EventView::Segment(_) => {
                let round = event.seqnum();
                change_segment(event, |segment| {
                    let base = segment.base()?;
                    segment.set_base(base + rounds.shift(round, base, length.load(Ordering::Acquire)));
                    Some(())
                });
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn closing_waits_for_the_seek_and_lets_none_follow() {
        let gate = Arc::new(Gate::default());
        let ((begin, begun), (end, ended)) = (channel(), channel::<()>());
        let (seeking, closing) = (Arc::clone(&gate), Arc::clone(&gate));
        let seek = std::thread::spawn(move || {
            seeking.pass(|| {
                begin.send(()).unwrap();
                ended.recv().is_err()
            })
        });
        begun.recv().unwrap();
        let close = std::thread::spawn(move || closing.close());
        drop(end);
        assert_eq!(seek.join().unwrap(), Some(true));
        close.join().unwrap();
        assert_eq!(gate.pass(|| unreachable!("it is closed")), None);
    }
}
