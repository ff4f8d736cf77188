//! Linux: a window of an X server, a Wayland compositor, or the graphics card itself (KMS).

mod canvas;
mod choice;
mod connectors;
mod sink;
mod systems;
mod x11;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gstreamer as gst;

use super::{DisplayPlan, Monitor};
use crate::error::{Error, Result};
use crate::output::{Output, Place, StreamFormat};
use crate::sync::Locked;
use systems::System;

/// How often it is looked whether the monitor is still there, or there again.
const LOOK: Duration = Duration::from_secs(1);

/// A display server that does not answer in so long is taken for stuck.
const PATIENCE: Duration = Duration::from_secs(3);

/// A monitor that is being shown on; it stays on one thread, which may wait for it.
trait Screen {
    /// Sees that the picture still lies over the whole monitor; called once in [`LOOK`], and followed by a picture.
    fn look(&mut self) -> Result<(), String>;
    /// Shows a picture of the stream's caps.
    fn show(&mut self, picture: &gst::Buffer) -> Result<(), String>;
}

/// The monitors of this machine.
///
/// # Errors
/// There is no display server that can be asked, and no graphics card.
pub fn monitors() -> Result<Vec<Monitor>> {
    let (tell, told) = channel();
    ask(move || drop(tell.send(System::here().monitors())))?;
    let unanswered = |_| Err(format!("{} does not answer", System::here()));
    told.recv_timeout(PATIENCE).unwrap_or_else(unanswered).map_err(|why| Error::output(format!("display: {why}")))
}

fn ask(body: impl FnOnce() + Send + 'static) -> Result<()> {
    let thread = std::thread::Builder::new().name("display".into()).spawn(body);
    thread.map(drop).map_err(|error| Error::output(format!("display: a thread does not start: {error}")))
}

/// A monitor that shows a stream.
pub struct Display {
    plan: DisplayPlan,
    shared: Arc<Shared>,
    /// Cut off when the thread has ended.
    ended: Mutex<Option<Receiver<()>>>,
}

/// What the stream and the thread of the display pass to each other.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    /// The newest picture that the thread has not taken yet.
    next: Option<gst::Buffer>,
    is_shown: bool,
    dropped: u64,
    /// Why nothing is shown.
    error: Option<String>,
    failure: Option<Error>,
    stop: bool,
}

impl Display {
    /// Whether the monitor is there now.
    ///
    /// # Errors
    /// It is not; names those that are.
    pub fn check(plan: &DisplayPlan) -> Result<()> {
        let refused = |why| Error::usage(format!("display: {why}"));
        System::here().check(plan).map_err(refused)?;
        choice::choose(&plan.monitor, &monitors()?, |monitor| monitor).map(drop).map_err(refused)
    }

    /// Begins to show; a monitor that is not there is waited for.
    ///
    /// # Errors
    /// There is no thread for it.
    pub fn start(plan: &DisplayPlan, format: &StreamFormat) -> Result<Self> {
        let shared = Arc::<Shared>::default();
        let (end, ended) = channel();
        let keep = {
            let (shared, plan, caps) = (Arc::clone(&shared), plan.clone(), format.caps.clone());
            let span = tracing::Span::current();
            move || span.in_scope(|| keep_showing(&plan, &caps, &shared, &end))
        };
        ask(keep)?;
        Ok(Self { plan: plan.clone(), shared, ended: Mutex::new(Some(ended)) })
    }
}

/// The thread body: shows what comes, and opens the monitor again and again while it is away. `_end` ends with it.
fn keep_showing(plan: &DisplayPlan, caps: &gst::Caps, shared: &Shared, _end: &Sender<()>) {
    let mut screen: Option<Box<dyn Screen>> = None;
    let mut picture = None;
    let mut look_at = Instant::now();
    while let Some(newer) = shared.wait_until(look_at) {
        picture = newer.or(picture);
        let is_due = Instant::now() >= look_at;
        if is_due {
            look_at = Instant::now() + LOOK;
        }
        let looked = match &mut screen {
            Some(screen) if is_due => screen.look(),
            Some(_) => Ok(()),
            None if is_due => System::here().open(plan, caps).map(|opened| screen = Some(opened)),
            None => continue,
        };
        // A source that is silent sends nothing: the latest picture comes back with the monitor.
        let shown = looked.and_then(|()| match (&mut screen, &picture) {
            (Some(screen), Some(picture)) => screen.show(picture),
            _ => Ok(()),
        });
        if shown.is_err() {
            screen = None;
        }
        shared.tell(plan, shown);
    }
}

impl Shared {
    /// Waits for a picture, but not longer than until `time`; none if the display shall end.
    fn wait_until(&self, time: Instant) -> Option<Option<gst::Buffer>> {
        let state = self.state.locked();
        let patience = time.saturating_duration_since(Instant::now());
        let waits = |state: &mut State| state.next.is_none() && !state.stop;
        let (mut state, _) =
            self.news.wait_timeout_while(state, patience, waits).unwrap_or_else(PoisonError::into_inner);
        (!state.stop).then(|| state.next.take())
    }

    /// Notes what came of showing; a monitor that is away is told once.
    fn tell(&self, plan: &DisplayPlan, shown: Result<(), String>) {
        let mut state = self.state.locked();
        if shown.is_ok() && !state.is_shown {
            tracing::info!("display {plan} shows the stream");
        }
        state.is_shown = shown.is_ok();
        let was_told = state.error.is_some();
        state.error = shown.err();
        if let Some(why) = state.error.as_ref().filter(|_| !was_told) {
            state.failure = Some(Error::output(format!("display {plan}: {why}; it is looked for until it is there")));
        }
    }
}

impl Output for Display {
    fn picture(&self, buffer: &gst::Buffer, _time: gst::ClockTime) {
        let mut state = self.shared.state.locked();
        let is_late = state.next.replace(buffer.clone()).is_some() && state.is_shown;
        state.dropped += u64::from(is_late);
        drop(state);
        self.shared.news.notify_one();
    }

    fn sound(&self, _buffer: &gst::BufferRef, _time: gst::ClockTime) {}

    fn place(&self) -> Place {
        Place { kind: "display", name: self.plan.to_string() }
    }

    /// The monitor, while it shows the stream.
    fn clients(&self) -> usize {
        usize::from(self.shared.state.locked().is_shown)
    }

    fn dropped(&self) -> u64 {
        self.shared.state.locked().dropped
    }

    fn error(&self) -> Option<Error> {
        self.shared.state.locked().error.as_ref().map(Error::output)
    }

    fn take_failure(&self) -> Option<Error> {
        self.shared.state.locked().failure.take()
    }

    fn finish(&self) -> Result<()> {
        self.shared.state.locked().stop = true;
        self.shared.news.notify_one();
        // A server that is stuck must not hold the stream up.
        let ended = self.ended.locked().take().map(|ended| ended.recv_timeout(PATIENCE));
        if ended == Some(Err(RecvTimeoutError::Timeout)) {
            tracing::warn!(
                "display {}: {} does not answer, and may show the last picture on",
                self.plan,
                System::here()
            );
        }
        Ok(())
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}
