//! Keeps the source of a live stream running: plays a file again, opens a lost camera or stream again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::Event;
use crate::capture::{Capture, End, Source, Wiring};
use crate::error::Error;
use crate::metrics::Counters;
use crate::output::Outputs;
use crate::output::attendance::Attendance;
use crate::shutdown::Shutdown;

/// How often the end of the source is looked for.
const POLL: Duration = Duration::from_millis(100);

/// A live source that delivers nothing for so long is lost, whatever it says.
const STALLED_AFTER: Duration = Duration::from_secs(10);

/// The wait before the first try to get a lost source back, and the longest one.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// The longest wait for a camera: to look whether it is plugged in again costs nothing.
const CAMERA_BACK_OFF: Duration = Duration::from_secs(3);

/// The thread body that owns the capture of a live stream.
pub struct SourceKeeper {
    pub source: Source,
    pub wiring: Wiring,
    pub looped: bool,
    /// The outputs, if the source is to be released while nobody watches them.
    pub on_demand: Option<Arc<Outputs>>,
    pub counters: Arc<Counters>,
    pub shutdown: Shutdown,
    pub events: UnboundedSender<Event>,
}

impl SourceKeeper {
    /// Watches `capture` and what follows it until shutdown, or until a source that cannot come back ends.
    pub fn keep(self, capture: Capture) {
        let mut capture = Some(capture);
        let mut back_off = BACK_OFF.0;
        let mut attendance = Attendance::default();
        let longest = if matches!(self.source, Source::Camera(_)) { CAMERA_BACK_OFF } else { BACK_OFF.1 };
        let mut said = String::new();
        while !self.shutdown.is_given() {
            if capture.is_none() && !self.is_wanted(&mut attendance) {
                self.rest(&mut attendance);
                back_off = BACK_OFF.0;
            }
            let before = self.counters.captured.load(Ordering::Relaxed);
            let (end, recorded) = match capture.take() {
                Some(running) => self.watch(&running, &mut attendance),
                None => match self.open() {
                    Ok(started) => {
                        capture = Some(started);
                        continue;
                    }
                    Err(error) => (Some(End::Failed(error.to_string())), false),
                },
            };
            let Some(end) = end else { continue };
            let delivered = self.counters.captured.load(Ordering::Relaxed) > before;
            if delivered {
                back_off = BACK_OFF.0;
                said.clear();
            }
            match end {
                End::Finished if recorded && self.looped && delivered => {}
                End::Finished if recorded => return self.end(Ok(())),
                End::Failed(reason) if !self.source.is_live() => {
                    return self.end(Err(Error::input(reason)));
                }
                _ if self.shutdown.is_given() => break,
                lost => {
                    let reason = match lost {
                        End::Failed(reason) => reason,
                        End::Finished => format!("{} ended", self.source),
                    };
                    // Once: a camera may be away all night.
                    if said != reason {
                        tracing::warn!("{reason}; trying again until it is back");
                        said = reason;
                    }
                    Counters::count(&self.counters.reconnects);
                    // Up to a quarter more, so that many clients of one server do not come back all at once.
                    self.shutdown.sleep(back_off.mul_f64(1.0 + fastrand::f64() / 4.0));
                    back_off = (back_off * 2).min(longest);
                }
            }
        }
    }

    fn open(&self) -> Result<Capture, Error> {
        let capture = Capture::start(&self.source, &self.wiring)?;
        capture.play()?;
        Ok(capture)
    }

    /// Takes a reading of who watches; true if frames are wanted.
    fn is_wanted(&self, attendance: &mut Attendance) -> bool {
        self.on_demand.as_ref().is_none_or(|outputs| attendance.note(outputs.usage(), Instant::now()))
    }

    /// Waits, with the source released, until somebody watches.
    fn rest(&self, attendance: &mut Attendance) {
        let Some(outputs) = &self.on_demand else { return };
        tracing::info!("nobody watches: {} is released", self.source);
        outputs.rest(true);
        while !self.is_wanted(attendance) {
            if self.shutdown.sleep(POLL) {
                return;
            }
        }
        outputs.rest(false);
        tracing::info!("somebody watches: {} is opened", self.source);
    }

    /// Waits for the end of one capture, `None` on shutdown or when nobody watches any more, and tells whether it was a recording: a stream that
    /// knows its length is over at its end, one that does not was lost.
    fn watch(&self, capture: &Capture, attendance: &mut Attendance) -> (Option<End>, bool) {
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
            if !self.is_wanted(attendance) {
                break;
            }
        }
        (None, false)
    }

    fn end(&self, result: Result<(), Error>) {
        // The daemon is gone only when it stops anyway.
        let _ = self.events.send(Event::SourceEnded(result));
    }
}
