//! MIDI: controllers with knobs, faders and keys change looks and paint with presets, and are shown how a look is.

mod bindings;
mod contract;
#[cfg_attr(linux, path = "linux.rs")]
#[cfg_attr(not(linux), path = "elsewhere.rs")]
mod device;
mod feedback;
mod message;
mod port;
mod target;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::desk::Desk;
use super::presets::Presets;
use super::{Hub, run_blocking};
use crate::error::Error;
pub use bindings::Midi;
pub use contract::{MidiState, MidiTarget};
pub use device::devices;
use feedback::Feedback;
pub use message::Control;
use port::Event;

/// How often a device is shown what changed.
const FEEDBACK_INTERVAL: Duration = Duration::from_millis(100);

/// Moves that wait to be put together; more are lost. They come with a thousand a second at most.
const MOST_WAITING: usize = 1024;

/// Why there are no devices at all, and what helps.
#[derive(Debug)]
pub struct Missing {
    pub what: String,
    pub cure: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.cure)
    }
}

/// Takes what the device of `midi` sends to the streams of `hub` for as long as the runtime runs. A device that is not there is
/// told, and looked for again and again.
pub async fn serve(midi: Midi, hub: Hub, presets: Presets) {
    let Some(part) = midi.wanted() else { return };
    let (events, mut incoming) = mpsc::channel(MOST_WAITING);
    let kept = midi.clone();
    let outgoing = match port::keep(part.into(), events, move |device| kept.set_device(device)) {
        Ok(outgoing) => outgoing,
        Err(error) => return midi.set_device(Err(error.to_string())),
    };
    let refusing = midi.clone();
    let refused = move |stream: &str, what: String| refusing.set_refused(Some(format!("{stream}: {what}")));
    let mut desk = Desk::new(hub.clone(), presets, Arc::new(refused));
    let mut feedback = Feedback::default();
    let mut tick = tokio::time::interval(FEEDBACK_INTERVAL);
    loop {
        tokio::select! {
            Some(event) = incoming.recv() => match event {
                // It shows nothing yet.
                Event::Connected => feedback = Feedback::default(),
                Event::Moved(control, value) => {
                    feedback.moved(control, value, Instant::now());
                    take(control, value, &midi, &mut desk).await;
                }
            },
            _ = tick.tick(), if midi.has_device() => {
                let look = |stream: &str| hub.member(stream).ok().map(|member| member.state().look);
                for message in feedback.tell(&midi.bindings(), look, Instant::now()) {
                    // A thread that is gone shows nothing.
                    let _ = outgoing.send(message);
                }
            }
        }
    }
}

/// Does what a control is bound to, or binds it.
async fn take(control: Control, value: u8, midi: &Midi, desk: &mut Desk) {
    if let Some(target) = midi.learnt(control) {
        let binding = midi.clone();
        if let Err(refusal) = run_blocking(move || binding.bind(control, target)).await {
            midi.set_refused(Some(Error::from(refusal).to_string()));
        }
        return;
    }
    let Some(target) = midi.target(control) else { return };
    if let Some(wish) = target::wish(&target, value) {
        midi.set_refused(desk.put(&target.stream, wish).err());
    }
}
