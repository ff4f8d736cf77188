//! A camera that other programs pick like any other: painted pictures in, v4l2loopback or PipeWire out.

mod canvas;
mod card;
mod loopback;
mod viewers;

pub use loopback::{Loopback, loopbacks};

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gstreamer as gst;

use super::attendance::Usage;
use super::{Output, StreamFormat};
use crate::error::{Error, Result};
use crate::style::Size;
use canvas::Canvas;

/// The longest pause between two frames. Chromium drops a camera that is silent, so the last frame is repeated at
/// least ten times a second, with a margin for a busy machine.
const KEEP_ALIVE: Duration = Duration::from_millis(75);

/// The pause before a camera that broke is set up again.
const RETRY: Duration = Duration::from_secs(1);

/// A virtual camera as the plan has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualCameraPlan {
    pub device: Loopback,
    /// The camera's size; `None` is the stream's own.
    pub size: Option<Size>,
    /// Turns the picture around, as in a mirror.
    pub mirror: bool,
}

impl fmt::Display for VirtualCameraPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.device.fmt(f)
    }
}

/// A running virtual camera.
pub struct VirtualCamera {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the stream and the camera's thread pass to each other.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The newest thing to show that the camera's thread has not taken yet.
    next: Option<Show>,
    usage: Usage,
    dropped: u64,
    failure: Option<Error>,
    stop: bool,
}

/// What a camera shows.
enum Show {
    Picture(gst::Buffer),
    Card,
}

/// What the camera's thread is to do now.
enum Step {
    Show(Show),
    /// Nothing new came; repeat the last frame.
    Repeat,
    Stop,
}

impl VirtualCamera {
    /// Opens the camera and shows the card until the first picture comes.
    ///
    /// # Errors
    /// The device is busy, closed to us, or refuses the format; each with what to do.
    pub fn start(plan: &VirtualCameraPlan, format: &StreamFormat) -> Result<Self> {
        let canvas = Canvas::new(&format.caps, plan.size, plan.mirror)?;
        let writer = plan.device.open(canvas.size(), format.fps)?;
        let shared = Arc::new(Shared::default());
        shared.lock().next = Some(Show::Card);
        let thread = {
            let (shared, device, fps) = (Arc::clone(&shared), plan.device.clone(), format.fps);
            let body = move || keep_writing(&device, writer, canvas, fps, &shared);
            std::thread::Builder::new().name("virtual-camera".into()).spawn(body)
        };
        let thread = thread.map_err(|error| Error::output(format!("virtual camera thread: {error}")))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }
}

impl Output for VirtualCamera {
    fn picture(&self, buffer: &gst::Buffer, _time: gst::ClockTime) {
        self.shared.show(Show::Picture(buffer.clone()));
    }

    fn sound(&self, _buffer: &gst::BufferRef, _time: gst::ClockTime) {}

    fn clients(&self) -> usize {
        usize::from(self.usage() == Usage::Watched)
    }

    fn usage(&self) -> Usage {
        self.shared.lock().usage
    }

    /// A picture from before would be an old one by the time somebody looks: the card takes its place.
    fn rest(&self) {
        self.shared.show(Show::Card);
    }

    /// A picture that the camera's thread did not take in time was replaced by a newer one.
    fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }

    fn take_failure(&self) -> Option<Error> {
        self.shared.lock().failure.take()
    }

    fn finish(&self) -> Result<()> {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, show: Show) {
        let mut state = self.lock();
        if let Some(Show::Picture(_)) = state.next.replace(show) {
            state.dropped += 1;
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for something new to show, at most `patience`.
    fn next(&self, patience: Duration) -> Step {
        let idle = |state: &mut State| state.next.is_none() && !state.stop;
        let waited = self.changed.wait_timeout_while(self.lock(), patience, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.next.take() {
            _ if state.stop => Step::Stop,
            Some(show) => Step::Show(show),
            None => Step::Repeat,
        }
    }
}

/// The thread body: shows what comes, repeats the last frame while nothing does, sets the device up again if it breaks.
fn keep_writing(device: &Loopback, writer: loopback::Writer, mut canvas: Canvas, fps: u32, shared: &Shared) {
    let card = card::draw(canvas.from());
    let mut writer = Some(writer);
    let mut retry_at = Instant::now();
    loop {
        let drawn = match shared.next(KEEP_ALIVE) {
            Step::Stop => return,
            Step::Show(Show::Picture(picture)) => canvas.draw(&picture),
            Step::Show(Show::Card) => canvas.draw(&card),
            Step::Repeat => Ok(()),
        };
        let written = drawn.and_then(|()| match &mut writer {
            Some(writer) => canvas.with_bytes(|bytes| writer.write(bytes)),
            None => Ok(()),
        });
        if let Err(error) = written {
            // Said once; while the device is away there is nothing to write to.
            shared.lock().failure = Some(error);
            writer = None;
            retry_at = Instant::now() + RETRY;
        }
        if writer.is_none() && Instant::now() >= retry_at {
            writer = device.open(canvas.size(), fps).ok();
            retry_at = Instant::now() + RETRY;
            if writer.is_some() {
                tracing::info!("virtual camera {device} is back");
            }
        }
        let usage = writer.as_mut().map_or(Usage::Unknown, loopback::Writer::usage);
        shared.lock().usage = usage;
    }
}
