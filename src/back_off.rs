//! The waits between tries: each twice as long as the one before, up to a longest one.

use std::time::Duration;

/// How long to wait before what failed is tried again.
#[derive(Debug, Clone)]
pub struct BackOff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl BackOff {
    /// Begins with the first wait, and ends with the longest one.
    pub const fn new((first, longest): (Duration, Duration)) -> Self {
        Self { first, longest, next: first }
    }

    /// It failed: how long to wait now.
    pub fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.longest);
        wait
    }

    /// How long the next wait will be.
    pub fn next(&self) -> Duration {
        self.next
    }

    /// The next wait is the first one again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest_and_begin_again() {
        let mut back_off = BackOff::new((Duration::from_millis(500), Duration::from_secs(3)));
        for _ in 0..2 {
            let waits = [(); 5].map(|()| back_off.wait().as_millis());
            assert_eq!(waits, [500, 1000, 2000, 3000, 3000]);
            assert_eq!(back_off.next(), Duration::from_secs(3));
            back_off.reset();
        }
    }
}
