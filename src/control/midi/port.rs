//! The thread that keeps the device: finds it, finds it again when it was unplugged, and sends it what it is to show.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::device::Device;
use super::message::{Control, read};
use crate::error::{Error, Result};

/// How often the device is looked for.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// What comes of a device.
#[derive(Debug)]
pub enum Event {
    Connected,
    /// A control was moved, to this value.
    Moved(Control, u8),
}

/// Keeps the first device that has `part` in its name until the sender that it returns is dropped; `tell` hears its name, or why there
/// is none.
///
/// # Errors
/// The thread does not start.
pub fn keep(
    part: String,
    events: mpsc::Sender<Event>,
    tell: impl Fn(Result<String, String>) + Send + 'static,
) -> Result<Sender<[u8; 3]>> {
    let (sender, outgoing) = channel();
    let mut device: Option<Device> = None;
    let mut look_at = Instant::now();
    let run = move || {
        loop {
            let now = Instant::now();
            if now >= look_at {
                look_at = now + LOOK_INTERVAL;
                if device.as_ref().is_none_or(|device| !device.is_there()) {
                    device = None;
                    match open(&part, &events) {
                        Ok(opened) => {
                            tell(Ok(opened.name().into()));
                            device = Some(opened);
                        }
                        Err(what) => tell(Err(what)),
                    }
                }
            }
            match outgoing.recv_timeout(look_at.saturating_duration_since(now)) {
                Ok(message) => device.iter_mut().for_each(|device| device.send(message)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    };
    let spawned = std::thread::Builder::new().name("midi".into()).spawn(run);
    spawned.map_err(|error| Error::output(format!("thread midi does not start: {error}")))?;
    Ok(sender)
}

fn open(part: &str, events: &mpsc::Sender<Event>) -> Result<Device, String> {
    let moves = events.clone();
    let device = Device::open(part, move |bytes| {
        if let Some((control, value)) = read(bytes) {
            // A full channel loses it: so many moves are no hand's.
            let _ = moves.try_send(Event::Moved(control, value));
        }
    })?;
    // A runtime that is gone takes nothing any more.
    let _ = events.blocking_send(Event::Connected);
    Ok(device)
}
