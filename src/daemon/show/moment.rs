//! A moment, on the clock that no one sets and on the one that people read.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// What is timed goes by the first of its clocks, so that nobody who sets the other disturbs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub steady: Instant,
    pub wall: Timestamp,
}

impl Moment {
    pub fn now() -> Self {
        Self { steady: Instant::now(), wall: Timestamp::now() }
    }

    /// That long after.
    pub fn after(self, time: Duration) -> Self {
        Self { steady: self.steady + time, wall: self.wall.saturating_add(time).unwrap_or(self.wall) }
    }

    pub fn has_come(self, now: Self) -> bool {
        now.steady >= self.steady
    }

    /// How long it has been.
    pub fn elapsed(self, now: Self) -> Duration {
        now.steady.saturating_duration_since(self.steady)
    }

    /// In whole seconds since 1970.
    pub fn unix_s(self) -> i64 {
        self.wall.as_second()
    }
}
