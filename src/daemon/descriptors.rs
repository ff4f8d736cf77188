//! Notices when the process runs out of file descriptors, while there are enough left to finish the outputs.

use std::fs::File;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// So many must be free: to finish recordings, and to open a source or an output.
const RESERVE: usize = 16;

/// Many clients may come and go at once: only what lasts is no passing crowd.
const PATIENCE: Duration = Duration::from_secs(5);

/// What can be done.
const RAISE: &str = "raise the limit (`ulimit -n`, LimitNOFILE= in the unit)";

/// With fewer, libraries end the process as they start, each in its own words.
const LEAST: u64 = 32;

/// Watches over the descriptors. Time is passed in.
#[derive(Debug, Default)]
pub struct Descriptors {
    short_since: Option<Instant>,
}

impl Descriptors {
    /// # Errors
    /// The process may have too few to start anything.
    pub fn check_limit() -> Result<()> {
        match limit().filter(|limit| *limit < LEAST) {
            Some(limit) => Err(Error::output(format!("{limit} file descriptors are too few; {RAISE}"))),
            None => Ok(()),
        }
    }

    /// Looks for free ones; call it twice a second.
    ///
    /// # Errors
    /// They have run out for good. What runs can be finished, but nothing new opened: it must be started anew.
    pub fn check(&mut self, now: Instant) -> Result<()> {
        let free: Vec<File> = (0..RESERVE).map_while(|_| File::open("/dev/null").ok()).collect();
        self.note(free.len(), now)
    }

    fn note(&mut self, free: usize, now: Instant) -> Result<()> {
        if free >= RESERVE {
            self.short_since = None;
            return Ok(());
        }
        let since = *self.short_since.get_or_insert(now);
        if now.duration_since(since) < PATIENCE {
            return Ok(());
        }
        let limit = limit().unwrap_or_default();
        Err(Error::output(format!("only {free} of {limit} file descriptors are free; {RAISE}, or serve fewer clients")))
    }
}

/// How many there may be; none if there is no limit.
fn limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lasting_shortage_counts() {
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let mut descriptors = Descriptors::default();
        descriptors.check(at(0)).unwrap();
        descriptors.note(3, at(1)).unwrap();
        descriptors.note(RESERVE, at(5)).unwrap();
        descriptors.note(3, at(6)).unwrap();
        descriptors.note(0, at(10)).unwrap();
        let error = descriptors.note(3, at(11)).unwrap_err().to_string();
        assert!(error.starts_with("only 3 of ") && error.contains("LimitNOFILE"), "{error}");
    }
}
