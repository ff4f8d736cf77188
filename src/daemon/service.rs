//! Talking to systemd: ready, status, watchdog, stopping. Without systemd nothing happens.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use super::report::Status;
use crate::metrics::Counters;

/// The service manager that started us, if one did.
pub struct Service {
    /// How often it wants to hear that we live.
    interval: Option<Duration>,
    told: Instant,
    turns: u64,
}

impl Service {
    /// Says that the stream runs.
    pub fn ready() -> Self {
        tell(&[NotifyState::Ready]);
        // Half of what is allowed, so that one late check is no reason to be killed.
        let interval = sd_notify::watchdog_enabled().map(|allowed| allowed / 2);
        Self { interval, told: Instant::now(), turns: 0 }
    }

    /// Says that we live, if the stylise thread does: it takes a turn at least twice a second, whatever the source
    /// does. Call it as often.
    pub fn tick(&mut self, counters: &Counters) {
        let Some(interval) = self.interval.filter(|interval| self.told.elapsed() + super::CHECK_INTERVAL >= *interval)
        else {
            return;
        };
        let turns = counters.turns.load(Ordering::Relaxed);
        if turns != self.turns {
            self.turns = turns;
            self.told = Instant::now();
            tell(&[NotifyState::Watchdog]);
        } else if self.told.elapsed() > interval {
            tracing::error!("painting hangs; systemd will start the service anew");
        }
    }

    pub fn status(&self, status: &Status) {
        tell(&[NotifyState::Status(&status.to_string())]);
    }

    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }
}

fn tell(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("systemd was not told: {error}");
    }
}
