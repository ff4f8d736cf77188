//! Counters of one stream: frames in and out, drops by cause, stage times as medians.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

use crate::style::painter::StageTimes;

/// How many of the latest frames the medians are taken over.
const WINDOW: usize = 256;

/// Counts what happens to frames; shared by all threads of a stream.
#[derive(Debug, Default)]
pub struct Counters {
    /// Frames the source delivered.
    pub captured: AtomicU64,
    pub painted: AtomicU64,
    /// Dropped because every slot was taken: painting was busy.
    pub dropped_busy: AtomicU64,
    /// Dropped because a newer frame was there when painting began.
    pub dropped_stale: AtomicU64,
    /// Passed on unpainted because the network failed on them.
    pub unpainted: AtomicU64,
    /// Repeats of the last frame while the source was silent.
    pub held: AtomicU64,
    /// Times the source was lost and opened again.
    pub reconnects: AtomicU64,
    stages: Mutex<Stages>,
}

/// The stage times of the latest frames, oldest overwritten first.
#[derive(Debug)]
struct Stages {
    times: [StageTimes; WINDOW],
    written: usize,
}

/// Counters at one moment, as status and `--json` show them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Snapshot {
    pub captured: u64,
    pub painted: u64,
    pub dropped_busy: u64,
    pub dropped_stale: u64,
    pub unpainted: u64,
    pub held: u64,
    pub reconnects: u64,
    /// Median of the latest frames, in milliseconds.
    pub tensor_ms: f64,
    pub inference_ms: f64,
}

impl Counters {
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes where the time of one painted frame went.
    pub fn note_painted(&self, times: StageTimes) {
        Self::count(&self.painted);
        let mut stages = self.stages.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let place = stages.written % WINDOW;
        stages.times[place] = times;
        stages.written += 1;
    }

    /// How long the network took for the latest frame.
    pub fn last_inference(&self) -> Duration {
        let stages = self.stages.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        stages.times[stages.written.wrapping_sub(1) % WINDOW].inference
    }

    pub fn snapshot(&self) -> Snapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (times, count) = {
            let stages = self.stages.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            (stages.times, stages.written.min(WINDOW))
        };
        let times = &times[..count];
        Snapshot {
            captured: get(&self.captured),
            painted: get(&self.painted),
            dropped_busy: get(&self.dropped_busy),
            dropped_stale: get(&self.dropped_stale),
            unpainted: get(&self.unpainted),
            held: get(&self.held),
            reconnects: get(&self.reconnects),
            tensor_ms: median_ms(times.iter().map(|times| times.before + times.after)),
            inference_ms: median_ms(times.iter().map(|times| times.inference)),
        }
    }
}

impl Default for Stages {
    fn default() -> Self {
        Self { times: [StageTimes::default(); WINDOW], written: 0 }
    }
}

/// The median in milliseconds; 0 of nothing.
pub fn median_ms(times: impl Iterator<Item = Duration>) -> f64 {
    percentile_ms(times, 0.5)
}

/// The value below which the share `part` (0..=1) of the times lies, in milliseconds; 0 of nothing.
pub fn percentile_ms(times: impl Iterator<Item = Duration>, part: f64) -> f64 {
    let mut times: Vec<Duration> = times.collect();
    if times.is_empty() {
        return 0.0;
    }
    times.sort_unstable();
    let place = ((times.len() - 1) as f64 * part).round() as usize;
    times[place].as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_known_times() {
        let times = || (1..=101).map(Duration::from_millis);
        assert_eq!(median_ms(times()), 51.0);
        assert_eq!(percentile_ms(times(), 0.95), 96.0);
        assert_eq!(median_ms(std::iter::empty()), 0.0);
    }
}
