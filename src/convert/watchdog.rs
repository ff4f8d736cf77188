//! Looking after a film that is being painted: its end, whoever stops it, and stages that hang.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use gstreamer as gst;

use super::Conversion;
use super::encode::Encode;
use super::progress::Progress;
use super::resume_gate::ResumeGate;
use crate::capture::{Capture, End};
use crate::engine::Inlet;
use crate::error::{Error, Result};
use crate::metrics::Counters;
use crate::shutdown::Shutdown;

/// How often the state is looked at.
pub const POLL: Duration = Duration::from_millis(50);

/// Decoder or encoder may do nothing for so long before they count as stuck; the network may take ten times that
/// for one frame.
pub const STALL_PATIENCE: Duration = Duration::from_secs(60);

/// Looks after a running conversion: ends it when the source ends, when asked to, or when it hangs.
pub struct Watchdog<'a> {
    pub conversion: &'a Conversion,
    pub capture: &'a Capture,
    pub gate: &'a Arc<ResumeGate>,
    pub inlet: &'a Arc<Inlet>,
    pub encode: &'a Encode,
    pub counters: &'a Counters,
    /// How long OUT becomes.
    pub length: Option<gst::ClockTime>,
    /// The time that it begins at.
    pub from: gst::ClockTime,
    /// Where an earlier run stopped.
    pub before: Option<gst::ClockTime>,
    /// What was last seen to have happened: pictures decoded, painted, pushed; packets written.
    pub seen: [u64; 4],
    pub since: Instant,
}

impl Watchdog<'_> {
    /// Returns when painting has ended.
    ///
    /// # Errors
    /// The encoder failed, or a stage hangs.
    pub fn run(
        &mut self,
        painting: &std::thread::ScopedJoinHandle<'_, Result<()>>,
        shutdown: &Shutdown,
        progress: &mut Progress,
    ) -> Result<End> {
        let mut end = None;
        let mut closing = false;
        while !painting.is_finished() {
            match end {
                None if self.gate.is_over() => end = Some(Ok(End::Finished)),
                None => end = self.capture.wait_for_end(POLL).map(Ok),
                Some(_) => std::thread::sleep(POLL),
            }
            if end.is_none() && shutdown.is_given() {
                self.gate.stop();
                end = Some(Ok(End::Finished));
            }
            // A frame that waits for a broken or stuck encoder comes back only when that is stopped.
            if !matches!(end, Some(Err(_)))
                && let Some(failure) = self.encode.failure().or_else(|| self.stuck())
            {
                self.gate.stop();
                self.encode.abort();
                end = Some(Err(failure));
            }
            if end.is_some() && !closing {
                closing = true;
                // Both wait for a frame that is on its way into a ring; the watch must not.
                let (inlet, gate) = (Arc::clone(self.inlet), Arc::clone(self.gate));
                std::thread::spawn(move || {
                    gate.let_go();
                    inlet.close();
                });
            }
            self.show(progress);
        }
        // A frame painter that ended by an error of its own leaves the source without an end.
        end.unwrap_or(Ok(End::Finished))
    }

    /// The error of the stage that has not moved for too long.
    fn stuck(&mut self) -> Option<Error> {
        let get = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let taken = self.encode.pushed() + self.gate.recalled();
        let now = [self.gate.decoded(), get(&self.counters.painted), taken, self.encode.written()];
        if now != self.seen {
            (self.seen, self.since) = (now, Instant::now());
            return None;
        }
        let waited = self.since.elapsed();
        let seconds = waited.as_secs();
        let [_, painted, pushed, _] = now;
        if waited < STALL_PATIENCE {
            None
        } else if painted > pushed {
            Some(Error::output(format!("the encoder hangs: it took no frame for {seconds} s after frame {pushed}")))
        } else if get(&self.counters.captured) == painted {
            Some(stuck_reading(&self.conversion.input, painted))
        } else if waited > STALL_PATIENCE * 10 {
            Some(Error::model(format!("the network hangs: {seconds} s passed after frame {painted}")))
        } else {
            None
        }
    }

    fn show(&self, progress: &mut Progress) {
        let part = |time: gst::ClockTime| {
            let length = self.length?.nseconds().max(1);
            Some((time.saturating_sub(self.from).nseconds() as f64 / length as f64).min(1.0))
        };
        let before = self.before.and_then(part).unwrap_or(0.0);
        let done = part(self.encode.position()).map(|done| done.max(before));
        progress.update(self.encode.pushed(), done, before);
    }
}

/// Nothing comes from the decoder any more.
pub fn stuck_reading(input: &Path, frames: u64) -> Error {
    let seconds = STALL_PATIENCE.as_secs();
    Error::input(format!("{}: decoding hangs: nothing came for {seconds} s after frame {frames}", input.display()))
}
