//! Keeps the source of a live stream running: plays a file again, opens a lost camera or stream again.

use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::stream::OnEnd;
use crate::capture::{Capture, End, Source, Wiring};
use crate::error::Error;
use crate::metrics::Counters;
use crate::output::Outputs;
use crate::output::idle::IdleDetector;
use crate::shutdown::Shutdown;

/// How often the end of the source is looked for.
const POLL: Duration = Duration::from_millis(100);

/// A live source that delivers nothing for so long is lost, whatever it says.
const STALLED_AFTER: Duration = Duration::from_secs(10);

/// The wait before the first try to get a lost source back, and the longest one.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// The longest wait for a camera: to look whether it is plugged in again costs nothing.
const CAMERA_BACK_OFF: Duration = Duration::from_secs(3);

/// How long a source that shall take over may take to its first picture.
const SWITCH_PATIENCE: Duration = Duration::from_secs(10);

/// The request for another source.
pub struct Switch {
    pub source: Source,
    pub reply: oneshot::Sender<Result<(), Error>>,
}

/// How the watch over a capture ended.
enum Watched {
    Shutdown,
    /// Nobody watches the stream any more.
    Unwatched,
    /// `recorded`: a stream that knows its length is over at its end, one that does not was lost.
    Ended {
        end: End,
        recorded: bool,
    },
    /// Another source took over.
    Switched(Capture),
}

/// The thread body that owns the capture of a live stream.
pub struct SourceKeeper {
    pub source: Source,
    /// The name of the source, for those who ask.
    pub shown_source: Arc<Mutex<String>>,
    pub switches: Receiver<Switch>,
    pub wiring: Wiring,
    pub looped: bool,
    /// The outputs, if the source is to be released while nobody watches them.
    pub on_demand: Option<Arc<Outputs>>,
    pub counters: Arc<Counters>,
    pub shutdown: Shutdown,
    pub on_end: OnEnd,
}

impl SourceKeeper {
    /// Watches `capture` and what follows it until shutdown, or until a source that cannot come back ends.
    pub fn keep(mut self, capture: Capture) {
        let mut capture = Some(capture);
        let mut back_off = BACK_OFF.0;
        let mut idle = IdleDetector::default();
        let mut said = String::new();
        while !self.shutdown.is_given() {
            if capture.is_none() && !self.is_wanted(&mut idle) {
                capture = self.wait_for_viewers(&mut idle);
                back_off = BACK_OFF.0;
                continue;
            }
            let before = self.counters.captured.load(Ordering::Relaxed);
            let watched = match capture.take() {
                Some(running) => self.watch(&running, &mut idle),
                None => match self.open(&self.source) {
                    Ok(started) => {
                        capture = Some(started);
                        continue;
                    }
                    Err(error) => Watched::Ended { end: End::Failed(error.to_string()), recorded: false },
                },
            };
            let (end, recorded) = match watched {
                Watched::Shutdown => break,
                Watched::Unwatched => continue,
                Watched::Switched(taking_over) => {
                    capture = Some(taking_over);
                    continue;
                }
                Watched::Ended { end, recorded } => (end, recorded),
            };
            let delivered = self.counters.captured.load(Ordering::Relaxed) > before;
            if delivered {
                back_off = BACK_OFF.0;
                said.clear();
            }
            match end {
                End::Finished if recorded && self.looped && delivered => {}
                End::Finished if recorded => return (self.on_end)(Ok(())),
                End::Failed(reason) if !self.source.is_live() => {
                    return (self.on_end)(Err(Error::input(reason)));
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
                    capture = self.rest(back_off.mul_f64(1.0 + fastrand::f64() / 4.0));
                    let longest = if matches!(self.source, Source::Camera(_)) { CAMERA_BACK_OFF } else { BACK_OFF.1 };
                    back_off = (back_off * 2).min(longest);
                }
            }
        }
    }

    fn open(&self, source: &Source) -> Result<Capture, Error> {
        let capture = Capture::start(source, &self.wiring)?;
        capture.play()?;
        Ok(capture)
    }

    /// Takes a reading of who watches; true if frames are wanted.
    fn is_wanted(&self, idle: &mut IdleDetector) -> bool {
        self.on_demand.as_ref().is_none_or(|outputs| idle.note(outputs.usage(), Instant::now()))
    }

    /// Waits, with the source released, until somebody watches, or for another source.
    fn wait_for_viewers(&mut self, idle: &mut IdleDetector) -> Option<Capture> {
        let outputs = self.on_demand.clone()?;
        tracing::info!("nobody watches: {} is released", self.source);
        outputs.rest(true);
        let mut taking_over = None;
        while taking_over.is_none() && !self.is_wanted(idle) {
            if self.shutdown.sleep(POLL) {
                return None;
            }
            taking_over = self.switch();
        }
        outputs.rest(false);
        tracing::info!("{} is opened", self.source);
        taking_over
    }

    /// Waits for the end of one capture, for shutdown, for the last viewer to go, or for another source.
    fn watch(&mut self, capture: &Capture, idle: &mut IdleDetector) -> Watched {
        let captured = |this: &Self| this.counters.captured.load(Ordering::Relaxed);
        let (mut last, mut silent) = (captured(self), Duration::ZERO);
        while !self.shutdown.is_given() {
            if let Some(taking_over) = self.switch() {
                return Watched::Switched(taking_over);
            }
            if let Some(end) = capture.wait_for_end(POLL) {
                return Watched::Ended { end, recorded: !self.source.is_live() || capture.facts().duration.is_some() };
            }
            silent = if captured(self) == last { silent + POLL } else { Duration::ZERO };
            last = captured(self);
            if self.source.is_live() && silent >= STALLED_AFTER {
                let seconds = STALLED_AFTER.as_secs();
                let reason = format!("{} sent nothing for {seconds} s", self.source);
                return Watched::Ended { end: End::Failed(reason), recorded: false };
            }
            if !self.is_wanted(idle) {
                return Watched::Unwatched;
            }
        }
        Watched::Shutdown
    }

    /// Waits before the next try; ends early on shutdown, or with another source.
    fn rest(&mut self, time: Duration) -> Option<Capture> {
        let until = Instant::now() + time;
        while !self.shutdown.sleep(POLL.min(until.saturating_duration_since(Instant::now()))) {
            let taking_over = self.switch();
            if taking_over.is_some() || Instant::now() >= until {
                return taking_over;
            }
        }
        None
    }

    /// Opens the source that was wished for, if one was, and waits for its first picture.
    fn switch(&mut self) -> Option<Capture> {
        let Switch { source, reply } = self.switches.try_recv().ok()?;
        let opened = self.open(&source).and_then(|capture| self.wait_for_picture(&source, capture));
        let (outcome, taking_over) = match opened {
            Ok(capture) => {
                tracing::info!("the source is now {source}");
                *self.shown_source.lock().unwrap_or_else(PoisonError::into_inner) = source.to_string();
                self.source = capture.this_again(source);
                (Ok(()), Some(capture))
            }
            Err(error) => (Err(error), None),
        };
        // Nobody may be waiting any more.
        let _ = reply.send(outcome);
        taking_over
    }

    fn wait_for_picture(&self, source: &Source, capture: Capture) -> Result<Capture, Error> {
        let begun = Instant::now();
        while begun.elapsed() < SWITCH_PATIENCE && !self.shutdown.is_given() {
            if capture.facts().decoded.is_some() {
                return Ok(capture);
            }
            match capture.wait_for_end(POLL) {
                Some(End::Failed(reason)) => return Err(Error::input(reason)),
                Some(End::Finished) => break,
                None => {}
            }
        }
        Err(Error::input(format!("{source}: no picture came; the old source stays")))
    }
}
