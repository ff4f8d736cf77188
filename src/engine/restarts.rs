//! When a network whose worker process crashed is loaded again: soon at first, then later and later.

use std::time::{Duration, Instant};

use crate::back_off::BackOff;

/// The wait before it is loaded again, and the longest one.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Who painted this long without a crash begins with the short wait again.
const STEADY: Duration = Duration::from_secs(60);

/// Decides the times; the loader keeps them.
pub(super) struct Restarts {
    back_off: BackOff,
    last_crash: Option<Instant>,
}

impl Restarts {
    pub(super) fn new() -> Self {
        Self { back_off: BackOff::new(BACK_OFF), last_crash: None }
    }

    /// It crashed at `now`, or did not load: how long to wait.
    pub(super) fn crashed(&mut self, now: Instant) -> Duration {
        if self.last_crash.is_some_and(|last| now.duration_since(last) >= self.back_off.next() + STEADY) {
            self.back_off.reset();
        }
        self.last_crash = Some(now);
        self.back_off.wait()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crash_is_waited_for_longer_until_it_has_painted_for_a_while() {
        let mut restarts = Restarts::new();
        let mut now = Instant::now();
        let mut crash_after = |pause: u64| {
            now += Duration::from_millis(pause);
            restarts.crashed(now).as_millis()
        };
        let waits: Vec<_> = [0, 1000, 1000, 1000, 1000, 2000, 4000, 7000, 12_000].map(&mut crash_after).to_vec();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(crash_after(69_000), 10_000, "ten seconds of it were the wait");
        assert_eq!(crash_after(70_000), 100);
        assert_eq!(crash_after(100), 200);
    }
}
