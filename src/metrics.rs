//! Counters of one stream: frames in and out, drops by cause, stage times as medians and histograms.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::style::painter::StageTimes;
use crate::sync::Locked;

/// How many of the latest frames the medians are taken over.
const WINDOW: usize = 256;

/// What became of OSC messages.
#[derive(Debug, Default)]
pub struct OscCounters {
    pub taken: AtomicU64,
    /// There is no such address, stream or value.
    pub refused: AtomicU64,
    /// Packets that hold no messages.
    pub malformed: AtomicU64,
}

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
    /// Repeats of the last frame while the source was silent, the stream paused or the network down.
    pub held: AtomicU64,
    /// Times the source was lost and opened again.
    pub reconnects: AtomicU64,
    /// Times the network crashed, or hung, in its worker process and was loaded again.
    pub crashes: AtomicU64,
    /// Turns of the stylise thread: it lives as long as this grows.
    pub turns: AtomicU64,
    stages: Mutex<Stages>,
    /// Scaling and tensor passes of painted frames.
    pub tensor_times: Histogram,
    pub inference_times: Histogram,
    /// From the arrival of a frame until it was given to the outputs.
    pub latencies: Histogram,
}

/// Counts times in buckets, without a lock.
#[derive(Debug, Default)]
pub struct Histogram {
    /// One for each bound, and one for what is longer.
    buckets: [AtomicU64; BOUNDS_MS.len() + 1],
    sum_us: AtomicU64,
}

/// The upper bounds of the buckets, in milliseconds.
pub const BOUNDS_MS: [u64; 12] = [1, 2, 5, 10, 15, 20, 33, 50, 100, 200, 500, 1000];

/// The stage times of the latest frames, oldest overwritten first.
#[derive(Debug)]
struct Stages {
    times: [StageTimes; WINDOW],
    written: usize,
}

/// Counters at one moment, as status and `--json` show them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Snapshot {
    pub captured: u64,
    pub painted: u64,
    pub dropped_busy: u64,
    pub dropped_stale: u64,
    pub unpainted: u64,
    pub held: u64,
    pub reconnects: u64,
    pub crashes: u64,
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
        self.tensor_times.note(times.before + times.after);
        self.inference_times.note(times.inference);
        let mut stages = self.stages.locked();
        let place = stages.written % WINDOW;
        stages.times[place] = times;
        stages.written += 1;
    }

    /// How long the network took for the latest frame.
    pub fn last_inference(&self) -> Duration {
        let stages = self.stages.locked();
        stages.times[stages.written.wrapping_sub(1) % WINDOW].inference
    }

    pub fn snapshot(&self) -> Snapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (times, count) = {
            let stages = self.stages.locked();
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
            crashes: get(&self.crashes),
            tensor_ms: median_ms(times.iter().map(|times| times.before + times.after)),
            inference_ms: median_ms(times.iter().map(|times| times.inference)),
        }
    }
}

impl Histogram {
    pub fn note(&self, time: Duration) {
        let bucket = BOUNDS_MS.partition_point(|&bound| Duration::from_millis(bound) < time);
        Counters::count(&self.buckets[bucket]);
        self.sum_us.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many times are not longer than each of [`BOUNDS_MS`], how many there are in all, and their sum in seconds.
    pub fn cumulative(&self) -> ([u64; BOUNDS_MS.len()], u64, f64) {
        let mut total = 0;
        let mut next = |bucket: &AtomicU64| {
            total += bucket.load(Ordering::Relaxed);
            total
        };
        let counts = std::array::from_fn(|bucket| next(&self.buckets[bucket]));
        let all = next(&self.buckets[BOUNDS_MS.len()]);
        (counts, all, self.sum_us.load(Ordering::Relaxed) as f64 / 1e6)
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
    fn a_histogram_counts_up_to_each_bound() {
        let histogram = Histogram::default();
        [1, 2, 3, 33, 34, 5000].map(Duration::from_millis).iter().for_each(|&time| histogram.note(time));
        let (counts, all, sum) = histogram.cumulative();
        assert_eq!(counts, [1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 5, 5]);
        assert_eq!((all, sum), (6, 5.073));
    }

    #[test]
    fn percentiles_of_known_times() {
        let times = || (1..=101).map(Duration::from_millis);
        assert_eq!(median_ms(times()), 51.0);
        assert_eq!(percentile_ms(times(), 0.95), 96.0);
        assert_eq!(median_ms(std::iter::empty()), 0.0);
    }
}
