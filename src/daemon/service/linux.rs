//! Linux: notices go to systemd.

use std::time::Duration;

use sd_notify::NotifyState;

use super::Notice;

/// How long it lets pass without hearing that we live, if it asks for that.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

/// Without systemd nothing happens.
pub fn tell(notice: Notice) {
    let told = match notice {
        Notice::Ready => sd_notify::notify(&[NotifyState::Ready]),
        Notice::Reloading => {
            NotifyState::monotonic_usec_now().and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now]))
        }
        Notice::Status(text) => sd_notify::notify(&[NotifyState::Status(text)]),
        Notice::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
        Notice::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
    };
    if let Err(error) = told {
        tracing::debug!("systemd was not told: {error}");
    }
}
