//! Waiting for what comes, with a deadline; the unit tests of the library read this file too.

use std::time::{Duration, Instant};

/// How long anything may take before a test fails; far more than a busy machine needs.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until `look` finds something; none if it has found nothing for that long.
pub fn poll<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        let found = look();
        if found.is_some() || Instant::now() > deadline {
            return found;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Waits until `done`.
#[track_caller]
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    assert!(poll(PATIENCE, || done().then_some(())).is_some(), "{what}: never happened");
}
