//! Talking to systemd: ready, status, watchdog, stopping. Without systemd nothing happens.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use super::report::Status;

/// The service manager that started us, if one did.
pub struct Service {
    /// How often it wants to hear that we live.
    interval: Option<Duration>,
    told: Instant,
    /// The turns of each stream's stylise thread when systemd heard from us last.
    turns: BTreeMap<String, u64>,
}

impl Service {
    /// Says that the streams run.
    pub fn ready() -> Self {
        tell(&[NotifyState::Ready]);
        // Half of what is allowed, so that one late check is no reason to be killed.
        let interval = sd_notify::watchdog_enabled().map(|allowed| allowed / 2);
        Self { interval, told: Instant::now(), turns: BTreeMap::new() }
    }

    /// Says that the config is read again; [`Service::reloaded`] must follow.
    pub fn reloading() {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::debug!("systemd was not told: {error}"),
        }
    }

    pub fn reloaded(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// Says that we live, if the stylise threads of all running streams do: they take a turn at least twice a second,
    /// whatever the source does. Call it as often.
    pub fn tick(&mut self, turns: BTreeMap<String, u64>) {
        let Some(interval) = self.interval.filter(|interval| self.told.elapsed() + super::CHECK_INTERVAL >= *interval)
        else {
            return;
        };
        let hanging = turns.iter().find(|(stream, turns)| self.turns.get(*stream) == Some(*turns));
        match hanging {
            None => {
                self.turns = turns;
                self.told = Instant::now();
                tell(&[NotifyState::Watchdog]);
            }
            Some((stream, _)) if self.told.elapsed() > interval => {
                tracing::error!("painting of {stream} hangs; systemd will start the service anew");
            }
            Some(_) => {}
        }
    }

    /// A line for each stream that runs.
    pub fn status(&self, statuses: &[Status]) {
        let text = match statuses {
            [] => "no stream runs".to_string(),
            [only] => only.to_string(),
            several => {
                several.iter().map(|status| format!("{}: {status}", status.stream)).collect::<Vec<_>>().join("; ")
            }
        };
        tell(&[NotifyState::Status(&text)]);
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
