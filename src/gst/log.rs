//! What GLib, GStreamer and libsoup complain of, told in our log: without secrets, and never without end.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::sync::Locked;
use gstreamer::glib::{self, LogLevel, LogWriterOutput};

/// How many complaints are told in each [`WINDOW`]: a fault in a library can repeat one a million times a minute.
const MOST_TOLD: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);

/// Sends all that the libraries say to our log from now on; the program calls it once.
pub fn take_over() {
    let budget = Mutex::new(Budget::new(Instant::now()));
    glib::log_set_writer_func(move |level, fields| {
        if !matches!(level, LogLevel::Error | LogLevel::Critical | LogLevel::Warning) {
            return LogWriterOutput::Handled;
        }
        let told = budget.locked().ask(Instant::now());
        let Some(held_back) = told else {
            return LogWriterOutput::Handled;
        };
        if held_back > 0 {
            tracing::warn!("{held_back} more complaints of libraries were not told");
        }
        let field = |key| fields.iter().find(|field| field.key() == key).and_then(|field| field.value_str());
        tracing::warn!("{}: {}", field("GLIB_DOMAIN").unwrap_or("a library"), field("MESSAGE").unwrap_or("(no text)"));
        LogWriterOutput::Handled
    });
}

/// Lets some complaints through in each window of time, and counts the others.
struct Budget {
    begun: Instant,
    told: u32,
    held_back: u64,
}

impl Budget {
    fn new(now: Instant) -> Self {
        Self { begun: now, told: 0, held_back: 0 }
    }

    /// Whether one more is told now, and if so how many were held back since the last one that was.
    fn ask(&mut self, now: Instant) -> Option<u64> {
        if now.duration_since(self.begun) >= WINDOW {
            (self.begun, self.told) = (now, 0);
        }
        if self.told == MOST_TOLD {
            self.held_back += 1;
            return None;
        }
        self.told += 1;
        Some(std::mem::take(&mut self.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_counted() {
        let begun = Instant::now();
        let mut budget = Budget::new(begun);
        for _ in 0..MOST_TOLD {
            assert_eq!(budget.ask(begun), Some(0));
        }
        for second in 0..59 {
            assert_eq!(budget.ask(begun + Duration::from_secs(second)), None);
        }
        assert_eq!(budget.ask(begun + WINDOW), Some(59));
        assert_eq!(budget.ask(begun + WINDOW), Some(0));
    }
}
