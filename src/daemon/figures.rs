//! What is measured of a running stream, and which of its outputs failed.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::metrics::Counters;
use crate::sync::Locked;

/// How many failures of outputs are remembered.
const FAILURES_KEPT: usize = 10;

/// The frame rate is measured over at least this time.
const RATE_WINDOW: Duration = Duration::from_secs(1);

/// Since the stream began.
pub struct Figures {
    begun: Instant,
    counters: Arc<Counters>,
    rate: Mutex<Rate>,
    /// The newest first.
    failures: Mutex<VecDeque<String>>,
}

impl Figures {
    /// Of a stream that begins now.
    pub fn new(counters: Arc<Counters>) -> Self {
        Self { begun: Instant::now(), counters, rate: Mutex::default(), failures: Mutex::default() }
    }

    /// Takes readings; call it twice a second.
    pub fn tick(&self) {
        let painted = self.counters.painted.load(Ordering::Relaxed);
        self.rate.locked().note(painted, Instant::now());
    }

    /// How long it has run.
    pub fn uptime(&self) -> Duration {
        self.begun.elapsed()
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Painted frames a second, over the latest window.
    pub fn fps(&self) -> f64 {
        self.rate.locked().fps
    }

    /// Remembers that an output failed.
    pub fn note_failure(&self, error: &Error) {
        let mut failures = self.failures.locked();
        failures.truncate(FAILURES_KEPT - 1);
        failures.push_front(error.to_string());
    }

    /// The latest failures of outputs, the oldest first.
    pub fn failures(&self) -> Vec<String> {
        self.failures.locked().iter().rev().cloned().collect()
    }
}

/// The frame rate over the latest window.
#[derive(Debug)]
struct Rate {
    since: Instant,
    painted: u64,
    fps: f64,
}

impl Default for Rate {
    fn default() -> Self {
        Self { since: Instant::now(), painted: 0, fps: 0.0 }
    }
}

impl Rate {
    /// Takes a reading of the number of painted frames.
    fn note(&mut self, painted: u64, now: Instant) {
        let passed = now.duration_since(self.since);
        if passed >= RATE_WINDOW {
            let fps = (painted - self.painted) as f64 / passed.as_secs_f64();
            *self = Self { since: now, painted, fps };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_taken_over_a_second() {
        let mut rate = Rate::default();
        let begin = rate.since;
        let at = |ms| begin + Duration::from_millis(ms);
        rate.note(15, at(500));
        assert_eq!(rate.fps, 0.0);
        rate.note(30, at(1000));
        assert_eq!(rate.fps, 30.0);
        rate.note(45, at(1500));
        rate.note(45, at(3000));
        assert_eq!(rate.fps, 7.5);
    }
}
