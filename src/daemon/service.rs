//! Talking to systemd: ready, status, watchdog, stopping. Without systemd nothing happens.

#[cfg_attr(linux, path = "service/linux.rs")]
#[cfg_attr(not(linux), path = "service/elsewhere.rs")]
mod manager;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::report::Status;
use manager::tell;

/// What the service manager is told.
enum Notice<'a> {
    Ready,
    Reloading,
    Status(&'a str),
    Alive,
    Stopping,
}

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
        tell(Notice::Ready);
        // Half of what is allowed, so that one late check is no reason to be killed.
        let interval = manager::watchdog().map(|allowed| allowed / 2);
        Self { interval, told: Instant::now(), turns: BTreeMap::new() }
    }

    /// Says that the config is read again; [`Service::reloaded`] must follow.
    pub fn reloading() {
        tell(Notice::Reloading);
    }

    pub fn reloaded(&self) {
        tell(Notice::Ready);
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
                tell(Notice::Alive);
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
        tell(Notice::Status(&text));
    }

    pub fn stopping(&self) {
        tell(Notice::Stopping);
    }
}
