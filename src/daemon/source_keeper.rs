//! Keeps the source of a live stream running: plays a file again, opens a lost camera or stream again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::Event;
use crate::capture::{Capture, End, Source, Wiring};
use crate::error::Error;
use crate::metrics::Counters;
use crate::shutdown::Shutdown;

/// How often the end of the source is looked for.
const POLL: Duration = Duration::from_millis(100);

/// A live source that delivers nothing for so long is lost, whatever it says.
const STALLED_AFTER: Duration = Duration::from_secs(10);

/// The wait before the first try to get a lost source back, and the longest one.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// The thread body that owns the capture of a live stream.
pub struct SourceKeeper {
    pub source: Source,
    pub wiring: Wiring,
    pub looped: bool,
    pub counters: Arc<Counters>,
    pub shutdown: Shutdown,
    pub events: UnboundedSender<Event>,
}

impl SourceKeeper {
    /// Watches `capture` and what follows it until shutdown, or until a source that cannot come back ends.
    pub fn keep(self, capture: Capture) {
        let mut capture = Some(capture);
        let mut back_off = BACK_OFF.0;
        while !self.shutdown.is_given() {
            let before = self.counters.captured.load(Ordering::Relaxed);
            let (end, recorded) = match capture.take() {
                Some(running) => self.watch(&running),
                None => match self.open() {
                    Ok(started) => {
                        capture = Some(started);
                        continue;
                    }
                    Err(error) => (Some(End::Failed(error.to_string())), false),
                },
            };
            let Some(end) = end else { break };
            let delivered = self.counters.captured.load(Ordering::Relaxed) > before;
            if delivered {
                back_off = BACK_OFF.0;
            }
            match end {
                End::Finished if recorded && self.looped && delivered => {}
                End::Finished if recorded => return self.end(Ok(())),
                End::Failed(reason) if !self.source.is_live() => {
                    return self.end(Err(Error::input(reason)));
                }
                lost => {
                    let reason = match lost {
                        End::Failed(reason) => reason,
                        End::Finished => format!("{} ended", self.source),
                    };
                    tracing::warn!("{reason}; trying again in {:.1} s", back_off.as_secs_f64());
                    Counters::count(&self.counters.reconnects);
                    // Up to a quarter more, so that many clients of one server do not come back all at once.
                    self.shutdown.sleep(back_off.mul_f64(1.0 + fastrand::f64() / 4.0));
                    back_off = (back_off * 2).min(BACK_OFF.1);
                }
            }
        }
    }

    fn open(&self) -> Result<Capture, Error> {
        let capture = Capture::start(&self.source, &self.wiring)?;
        capture.play()?;
        Ok(capture)
    }

    /// Waits for the end of one capture, `None` on shutdown, and tells whether it was a recording: a stream that
    /// knows its length is over at its end, one that does not was lost.
    fn watch(&self, capture: &Capture) -> (Option<End>, bool) {
        let captured = || self.counters.captured.load(Ordering::Relaxed);
        let (mut last, mut silent) = (captured(), Duration::ZERO);
        while !self.shutdown.is_given() {
            if let Some(end) = capture.wait_for_end(POLL) {
                return (Some(end), !self.source.is_live() || capture.facts().duration.is_some());
            }
            silent = if captured() == last { silent + POLL } else { Duration::ZERO };
            last = captured();
            if self.source.is_live() && silent >= STALLED_AFTER {
                let seconds = STALLED_AFTER.as_secs();
                return (Some(End::Failed(format!("{} sent nothing for {seconds} s", self.source))), false);
            }
        }
        (None, false)
    }

    fn end(&self, result: Result<(), Error>) {
        // The daemon is gone only when it stops anyway.
        let _ = self.events.send(Event::SourceEnded(result));
    }
}
