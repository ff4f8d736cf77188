//! One stop signal for all threads: every wait ends at once when it is given.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A stop signal that can be shared, given once and waited for.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Shutdown {
    pub fn give(&self) {
        *self.shared.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.1.notify_all();
    }

    pub fn is_given(&self) -> bool {
        *self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps for `time`, or less if the signal is given; true if it was.
    pub fn sleep(&self, time: Duration) -> bool {
        let given = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.shared.1.wait_timeout_while(given, time, |given| !*given);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
