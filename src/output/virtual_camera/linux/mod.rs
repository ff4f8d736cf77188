//! Linux: v4l2loopback or PipeWire.

mod loopback;
#[cfg(feature = "pipewire")]
mod pipewire;
mod standby;
mod viewers;
mod yuyv;

pub use loopback::{Loopback, loopbacks};

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gstreamer as gst;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd};

use super::VirtualCameraPlan;
use crate::error::{Error, Result};
use crate::output::{Output, Place, StreamFormat, Usage};
use crate::style::Size;
use crate::sync::Locked;
use yuyv::YuyvConverter;

/// The longest pause between two frames. Chromium drops a camera that is silent, so the last frame is repeated at
/// least ten times a second, with a margin for a busy machine.
const KEEP_ALIVE: Duration = Duration::from_millis(75);

/// The pause before a camera that broke is set up again.
const RETRY: Duration = Duration::from_secs(1);

/// Where the camera appears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    Loopback(Loopback),
    PipeWire,
}

impl Device {
    /// Reads "pipewire", or finds the loopback device that `requested` means: "auto", a path, or a label.
    ///
    /// # Errors
    /// There is no such device, or this build has no PipeWire; each with what to do.
    pub fn find(requested: &str) -> Result<Self> {
        match requested {
            "pipewire" if cfg!(feature = "pipewire") => Ok(Self::PipeWire),
            "pipewire" => Err(Error::usage(
                "this impasto was built without PipeWire; build it with `cargo build --release --features pipewire`",
            )),
            requested => Loopback::find(requested).map(Self::Loopback),
        }
    }

    /// Whether it can be opened as a camera, as far as that shows without doing so.
    ///
    /// # Errors
    /// What is missing, and what to do.
    pub fn check(&self) -> Result<()> {
        match self {
            #[cfg(feature = "pipewire")]
            Self::PipeWire => pipewire::Node::reach(),
            _ => Ok(()),
        }
    }

    /// True if `path` is this device.
    pub fn is_at(&self, path: &Path) -> bool {
        matches!(self, Self::Loopback(loopback) if loopback.path == path)
    }

    fn open(&self, size: Size, fps: u32) -> Result<Box<dyn Sink>> {
        match self {
            Self::Loopback(loopback) => Ok(Box::new(loopback.open(size, fps)?)),
            #[cfg(feature = "pipewire")]
            Self::PipeWire => Ok(Box::new(pipewire::Node::open(size, fps)?)),
            #[cfg(not(feature = "pipewire"))]
            Self::PipeWire => unreachable!("refused by find"),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback(loopback) => loopback.fmt(f),
            Self::PipeWire => f.write_str("PipeWire (Impasto)"),
        }
    }
}

/// A camera that was set up; it stays on one thread.
trait Sink {
    /// Waits until `wake` can be read or the time is over, and serves what the camera needs meanwhile.
    fn wait(&mut self, wake: BorrowedFd, patience: Duration) {
        poll([wake], patience);
    }
    /// Shows one frame of YUYV.
    fn write(&mut self, frame: &[u8]) -> Result<()>;
    /// Who watches, as far as it can be known now. Cheap: asked after every frame.
    fn usage(&mut self) -> Usage;
}

/// A running virtual camera.
pub struct VirtualCamera {
    name: String,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the stream and the camera's thread pass to each other.
struct Shared {
    state: Mutex<State>,
    /// Readable when there is something new.
    wake: OwnedFd,
}

#[derive(Default)]
struct State {
    /// The newest thing to show that the camera's thread has not taken yet.
    next: Option<Show>,
    usage: Usage,
    dropped: u64,
    failure: Option<Error>,
    /// Why the camera is away.
    trouble: Option<Error>,
    stop: bool,
}

/// What a camera shows.
enum Show {
    Picture(gst::Buffer),
    Standby,
}

/// What the camera's thread is to do now.
enum Step {
    Show(Show),
    /// Nothing new came; repeat the last frame.
    Repeat,
    Stop,
}

impl VirtualCamera {
    /// Opens the camera and shows the standby picture until the first picture comes.
    ///
    /// # Errors
    /// The device is busy, closed to us, or refuses the format; each with what to do.
    pub fn start(plan: &VirtualCameraPlan, format: &StreamFormat) -> Result<Self> {
        let converter = YuyvConverter::new(&format.caps, plan.size, plan.mirror)?;
        let no_thread = |error: &dyn fmt::Display| Error::output(format!("virtual camera thread: {error}"));
        let wake = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).map_err(|error| no_thread(&error))?;
        let shared = Arc::new(Shared { state: Mutex::default(), wake });
        shared.show(Show::Standby);
        let (opened, wait_opened) = sync_channel(1);
        let thread = {
            let (shared, device, fps) = (Arc::clone(&shared), plan.device.clone(), format.fps);
            // What PipeWire makes must stay on the thread that made it.
            let body = move || match device.open(converter.size(), fps) {
                Err(error) => drop(opened.send(Err(error))),
                Ok(sink) => {
                    drop(opened.send(Ok(())));
                    keep_writing(&device, sink, converter, fps, &shared);
                }
            };
            std::thread::Builder::new().name("virtual-camera".into()).spawn(body)
        };
        let thread = thread.map_err(|error| no_thread(&error))?;
        wait_opened.recv().unwrap_or_else(|error| Err(no_thread(&error)))?;
        Ok(Self { name: plan.to_string(), shared, thread: Mutex::new(Some(thread)) })
    }
}

impl Output for VirtualCamera {
    fn picture(&self, buffer: &gst::Buffer, _time: gst::ClockTime) {
        self.shared.show(Show::Picture(buffer.clone()));
    }

    fn sound(&self, _buffer: &gst::BufferRef, _time: gst::ClockTime) {}

    fn place(&self) -> Place {
        Place { kind: "virtual-camera", name: self.name.clone() }
    }

    fn clients(&self) -> usize {
        usize::from(self.usage() == Usage::Watched)
    }

    fn usage(&self) -> Usage {
        self.shared.lock().usage
    }

    /// A picture from before would be an old one by the time somebody looks: the standby picture takes its place.
    fn rest(&self) {
        self.shared.show(Show::Standby);
    }

    /// A picture that the camera's thread did not take in time was replaced by a newer one.
    fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }

    fn error(&self) -> Option<Error> {
        self.shared.lock().trouble.clone()
    }

    fn take_failure(&self) -> Option<Error> {
        self.shared.lock().failure.take()
    }

    fn finish(&self) -> Result<()> {
        self.shared.lock().stop = true;
        self.shared.wake();
        if let Some(thread) = self.thread.locked().take() {
            let _ = thread.join();
        }
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.locked()
    }

    fn show(&self, show: Show) {
        let mut state = self.lock();
        if let Some(Show::Picture(_)) = state.next.replace(show) {
            state.dropped += 1;
        }
        drop(state);
        self.wake();
    }

    fn wake(&self) {
        // It fails only when it was woken 2^64 times without an answer.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// What there is to do now.
    fn take(&self) -> Step {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
        let mut state = self.lock();
        match state.next.take() {
            _ if state.stop => Step::Stop,
            Some(show) => Step::Show(show),
            None => Step::Repeat,
        }
    }
}

/// Waits until one of `files` can be read or the time is over; tells which can.
fn poll<const N: usize>(files: [BorrowedFd; N], patience: Duration) -> [bool; N] {
    let mut polled = files.each_ref().map(|file| PollFd::new(file, PollFlags::IN));
    let patience = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: i64::from(patience.subsec_nanos()) };
    // A signal ends the wait early, which does no harm.
    let _ = rustix::event::poll(&mut polled, Some(&patience));
    polled.each_ref().map(|file| !file.revents().is_empty())
}

/// The thread body: shows what comes, repeats the last frame while nothing does, sets the device up again if it breaks.
fn keep_writing(device: &Device, sink: Box<dyn Sink>, mut converter: YuyvConverter, fps: u32, shared: &Shared) {
    let standby = standby::draw(converter.from());
    let mut sink = Some(sink);
    let mut retry_at = Instant::now();
    loop {
        match &mut sink {
            Some(sink) => sink.wait(shared.wake.as_fd(), KEEP_ALIVE),
            None => _ = poll([shared.wake.as_fd()], KEEP_ALIVE),
        }
        let drawn = match shared.take() {
            Step::Stop => return,
            Step::Show(Show::Picture(picture)) => converter.draw(&picture),
            Step::Show(Show::Standby) => converter.draw(&standby),
            Step::Repeat => Ok(()),
        };
        let written = drawn.and_then(|()| match &mut sink {
            Some(sink) => converter.with_bytes(|bytes| sink.write(bytes)),
            None => Ok(()),
        });
        if let Err(error) = written {
            // Said once; while the device is away there is nothing to write to.
            let mut state = shared.lock();
            state.trouble = Some(error.clone());
            state.failure = Some(error);
            drop(state);
            sink = None;
            retry_at = Instant::now() + RETRY;
        }
        if sink.is_none() && Instant::now() >= retry_at {
            sink = device.open(converter.size(), fps).ok();
            retry_at = Instant::now() + RETRY;
            if sink.is_some() {
                shared.lock().trouble = None;
                tracing::info!("virtual camera {device} is back");
            }
        }
        let usage = sink.as_mut().map_or(Usage::Unknown, |sink| sink.usage());
        shared.lock().usage = usage;
    }
}
