//! Whether anybody watches: outputs tell what they see, and a stream that nobody watches may sleep.

use std::time::{Duration, Instant};

/// What an output knows of its viewers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Usage {
    /// Somebody watches, or it counts as watched, as a recording does.
    #[default]
    Watched,
    Absent,
    /// It cannot tell; counts as watched, for a viewer must never be left without a picture.
    Unknown,
}

/// So many readings in a row must find nobody.
const ABSENT_READINGS: u32 = 2;

/// Viewers that leave often come back at once: a page is reloaded, a call is joined after its preview.
const COOL_DOWN: Duration = Duration::from_secs(5);

/// Decides from readings when a stream may sleep. Time is passed in.
#[derive(Debug, Default)]
pub struct IdleDetector {
    absent_readings: u32,
    absent_since: Option<Instant>,
}

impl IdleDetector {
    /// Takes one reading; true if frames are wanted.
    pub fn note(&mut self, usage: Usage, now: Instant) -> bool {
        if usage != Usage::Absent {
            *self = Self::default();
            return true;
        }
        self.absent_readings = self.absent_readings.saturating_add(1);
        let since = *self.absent_since.get_or_insert(now);
        self.absent_readings < ABSENT_READINGS || now.duration_since(since) < COOL_DOWN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sleeps_after_two_readings_and_the_cool_down_and_wakes_at_once() {
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let mut idle = IdleDetector::default();
        assert!(idle.note(Usage::Watched, at(0)));
        assert!(idle.note(Usage::Absent, at(1)));
        assert!(idle.note(Usage::Absent, at(5)));
        assert!(!idle.note(Usage::Absent, at(6)));
        assert!(idle.note(Usage::Watched, at(7)));
        assert!(idle.note(Usage::Absent, at(60)), "one reading is never enough");
        assert!(!idle.note(Usage::Absent, at(65)));
        assert!(idle.note(Usage::Unknown, at(66)), "in doubt it is watched");
    }

    proptest! {
        /// Asleep means: nothing but absence for the whole cool-down.
        #[test]
        fn never_asleep_within_the_cool_down(readings in proptest::collection::vec((0u8..3, 0u64..3000), 1..60)) {
            let begin = Instant::now();
            let (mut now, mut last_seen) = (begin, begin);
            let mut idle = IdleDetector::default();
            for (usage, pause) in readings {
                now += Duration::from_millis(pause);
                let usage = [Usage::Watched, Usage::Absent, Usage::Unknown][usize::from(usage)];
                if usage != Usage::Absent {
                    last_seen = now;
                }
                let wanted = idle.note(usage, now);
                prop_assert!(wanted || now - last_seen >= COOL_DOWN);
                prop_assert!(wanted || usage == Usage::Absent);
            }
        }
    }
}
