//! The live stylise loop: newest frame wins, and the output goes on whatever the source does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::{ControlReceiver, FramePainter, SoundDrive};
use crate::frame::Frame;
use crate::frame::ring::{Consumer, Taken};
use crate::gst::shared_clock;
use crate::metrics::Counters;
use crate::output::Outputs;

/// A source that is silent this long is held: the last painted frame is repeated until it is back.
const HOLD_AFTER: Duration = Duration::from_millis(500);

/// A picture that is held this long is dimmed, so that nobody takes it for a live one.
const DIM_AFTER: Duration = Duration::from_secs(2);

/// What the live loop works with.
pub struct Live {
    pub ring: Consumer<Frame>,
    pub frame_painter: FramePainter,
    /// Brings the commands that change the painting.
    pub commands: ControlReceiver,
    /// What the sound of the source does to the look.
    pub sound: Arc<SoundDrive>,
    pub outputs: Arc<Outputs>,
    pub counters: Arc<Counters>,
    /// The time between two frames, for repeating the last one.
    pub frame_interval: Duration,
}

/// Paints the newest frame and publishes it, until the ring is closed.
pub fn stylise_live(mut live: Live) {
    let clock = shared_clock();
    let mut last: Option<gst::Buffer> = None;
    // When the picture that is held now came, and whether it has been dimmed since.
    let mut held = Held::new(Instant::now());
    // How far behind the clock a frame's time is when it is published. A held frame gets a time that far back too:
    // with the clock's own time, the source's next frames would seem to come from before it.
    let mut lag = gst::ClockTime::ZERO;
    let mut patience = HOLD_AFTER;
    let mut failing = false;
    loop {
        let taken = live.ring.take_newest(patience, Frame::clear);
        Counters::count(&live.counters.turns);
        live.commands.deliver(&mut live.frame_painter);
        match taken {
            Taken::Closed => break,
            Taken::TimedOut if live.outputs.is_resting() => {
                live.commands.nothing_shown();
                // By the time somebody looks again, it would be an old picture.
                last = None;
                patience = HOLD_AFTER;
            }
            Taken::TimedOut => {
                live.commands.nothing_shown();
                if let Some(buffer) = &mut last {
                    held.dim(buffer, Instant::now());
                    live.outputs.publish(buffer, clock.time().saturating_sub(lag));
                    Counters::count(&live.counters.held);
                    patience = live.frame_interval;
                }
            }
            Taken::Slot { mut slot, stale } => {
                patience = HOLD_AFTER;
                (0..stale).for_each(|_| Counters::count(&live.counters.dropped_stale));
                let is_down = live.frame_painter.is_down();
                if is_down || (live.commands.is_paused() && last.is_some()) {
                    live.commands.nothing_shown();
                    if let Some(buffer) = &mut last {
                        if is_down {
                            held.dim(buffer, Instant::now());
                        }
                        live.outputs.publish(buffer, slot.pts);
                        Counters::count(&live.counters.held);
                    }
                    slot.clear();
                    live.ring.give_back(slot);
                    continue;
                }
                live.frame_painter.painter().modulate(live.sound.modulation(Instant::now()));
                let painted = match live.frame_painter.paint(&slot) {
                    Ok((buffer, times)) => {
                        failing = false;
                        live.counters.note_painted(times);
                        live.commands.shown(slot.sequence, &buffer, times.inference);
                        Some(buffer)
                    }
                    Err(error) if live.frame_painter.is_down() => {
                        Counters::count(&live.counters.crashes);
                        live.commands.crashed(error);
                        if let Some(buffer) = &last {
                            live.outputs.publish(buffer, slot.pts);
                            Counters::count(&live.counters.held);
                        }
                        None
                    }
                    Err(error) => {
                        if !failing {
                            tracing::warn!("frames pass unpainted: {error}");
                        }
                        failing = true;
                        live.commands.failed(&error);
                        Counters::count(&live.counters.unpainted);
                        slot.picture.take().map(|picture| picture.into_buffer())
                    }
                };
                let (time, arrival) = (slot.pts, slot.captured_at);
                if live.outputs.want_source()
                    && let Some(picture) = slot.picture.take()
                {
                    live.outputs.publish_source(&picture.into_buffer(), time);
                }
                slot.clear();
                live.ring.give_back(slot);
                if let Some(buffer) = painted {
                    lag = clock.time().saturating_sub(time);
                    live.counters.latencies.note(arrival.map(|arrival| arrival.elapsed()).unwrap_or_default());
                    live.outputs.publish(&buffer, time);
                    last = Some(buffer);
                    held = Held::new(Instant::now());
                }
            }
        }
    }
}

struct Held {
    since: Instant,
    dimmed: bool,
}

impl Held {
    fn new(now: Instant) -> Self {
        Self { since: now, dimmed: false }
    }

    /// Replaces the held picture by a darker copy once it is old.
    fn dim(&mut self, picture: &mut gst::Buffer, now: Instant) {
        if self.dimmed || now.duration_since(self.since) < DIM_AFTER {
            return;
        }
        self.dimmed = true;
        let Ok(mut copy) = picture.copy_deep() else { return };
        if let Ok(mut pixels) = copy.make_mut().map_writable() {
            pixels.iter_mut().for_each(|value| *value /= 3);
        }
        *picture = copy;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_picture_is_dimmed_once_when_it_is_old() {
        gst::init().unwrap();
        let begun = Instant::now();
        let mut held = Held::new(begun);
        let painted = gst::Buffer::from_slice([90u8; 4]);
        let mut shown = painted.clone();
        let mut after = |seconds| {
            held.dim(&mut shown, begun + Duration::from_secs_f64(seconds));
            shown.map_readable().unwrap()[0]
        };
        assert_eq!([0.5, 1.9, 2.0, 2.1, 60.0].map(&mut after), [90, 90, 30, 30, 30]);
        assert_eq!(painted.map_readable().unwrap()[0], 90, "outputs may show it still");
    }
}
