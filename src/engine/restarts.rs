//! When a network whose worker process crashed is loaded again: soon at first, then later and later.

use std::time::{Duration, Instant};

use crate::back_off::BackOff;

/// The wait before it is loaded again, and the longest one.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Who painted this long without a crash begins with the short wait again.
const STEADY: Duration = Duration::from_secs(60);

/// A crash after so long is told, also if it is like the one before: what crashes again at once is not.
const PAINTED: Duration = Duration::from_secs(10);

/// What is done about a crash.
#[derive(Debug, PartialEq)]
pub(super) struct Restart {
    /// The wait before the network is loaded again.
    pub wait: Duration,
    /// The crash is none like the one before: it is to be told.
    pub is_news: bool,
}

/// Decides the times, and what of it is news; the loader does.
pub(super) struct Restarts {
    back_off: BackOff,
    last_crash: Option<Instant>,
    /// Why it crashed, or did not load, the last time.
    said: Option<String>,
    /// Something was told since it painted last.
    is_told: bool,
    /// Since when it paints again.
    paints_since: Option<Instant>,
}

impl Restarts {
    pub(super) fn new() -> Self {
        Self { back_off: BackOff::new(BACK_OFF), last_crash: None, said: None, is_told: false, paints_since: None }
    }

    /// It crashed at `now`, or did not load, for this reason.
    pub(super) fn crashed(&mut self, why: String, now: Instant) -> Restart {
        if self.last_crash.is_some_and(|last| now.duration_since(last) >= self.back_off.next() + STEADY) {
            self.back_off.reset();
            self.said = None;
        }
        if self.paints_since.take().is_some_and(|since| now.duration_since(since) >= PAINTED) {
            self.said = None;
        }
        self.last_crash = Some(now);
        let is_news = self.said.as_ref() != Some(&why);
        self.is_told |= is_news;
        self.said = Some(why);
        Restart { wait: self.back_off.wait(), is_news }
    }

    /// It paints again from `now` on; whether that is to be told.
    pub(super) fn over(&mut self, now: Instant) -> bool {
        self.paints_since = Some(now);
        std::mem::take(&mut self.is_told)
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
            restarts.crashed("it crashed".into(), now).wait.as_millis()
        };
        let waits: Vec<_> = [0, 1000, 1000, 1000, 1000, 2000, 4000, 7000, 12_000].map(&mut crash_after).to_vec();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(crash_after(69_000), 10_000, "ten seconds of it were the wait");
        assert_eq!(crash_after(70_000), 100);
        assert_eq!(crash_after(100), 200);
    }

    #[test]
    fn what_crashes_again_and_again_is_told_once() {
        let (mut restarts, begun) = (Restarts::new(), Instant::now());
        let mut is_news =
            |why: &str, second: u64| restarts.crashed(why.into(), begun + Duration::from_secs(second)).is_news;
        assert!(is_news("killed", 0) && is_news("its file is gone", 1));
        assert!((2..60).all(|second| !is_news("its file is gone", second)));
        assert!(is_news("its file is damaged", 60) && is_news("its file is gone", 61));
        assert!(is_news("its file is gone", 200), "it was well for two minutes");
        assert!(!is_news("its file is gone", 201));
        let at = |second: u64| begun + Duration::from_secs(second);
        assert!(restarts.over(at(202)), "what was told is over");
        let mut is_news = |second: u64| restarts.crashed("its file is gone".into(), at(second)).is_news;
        assert!(!is_news(203) && !is_news(230), "it is the same again");
        assert!(!restarts.over(at(231)));
        let crash = restarts.crashed("its file is gone".into(), at(241));
        assert!(crash.is_news && restarts.over(at(242)), "it has painted for a while");
    }
}
