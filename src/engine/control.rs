//! Live control of a painted stream: commands come in here, and the stylise thread takes them between two frames.
//!
//! What the network at hand can do goes straight into a one-slot mailbox. Another network, or another inference
//! size, is loaded and warmed up on the loader thread first, while the old one paints. The newest command wins.

use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer_video as gst_video;
use serde::Serialize;
use tokio::sync::oneshot;

use super::FramePainter;
use super::loader::{self, Job};
use super::size_controller::SizeController;
use super::sizing::Sizing;
use crate::error::{Error, Result};
use crate::style::PaintPlan;
use crate::style::catalog::Choice;
use crate::style::look::ResolvedLook;
use crate::style::onnx::{Loaded, RunStop, SessionOptions};
use crate::style::{Catalog, Look, LookPatch, PaintSize, Size, SizedNetwork};

/// Commands to one live stream; clones speak to the same stream.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
    jobs: Sender<Job>,
}

/// What a command came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Applied {
    /// The number of the first frame that shows it; none if no frame came because the stream is paused or its source
    /// silent: then the next frame shows it.
    pub frame: Option<u64>,
    /// From the command to that frame.
    pub took_ms: f64,
}

/// The answer to a command: wait for it on a thread of its own, or await it.
#[derive(Debug)]
pub struct Answer(oneshot::Receiver<Result<Applied>>);

/// How the stream is painted, or will be when the command in progress is done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Painting {
    pub look: Look,
    pub network: String,
    /// The device that runs it.
    pub device: &'static str,
    /// As it was asked for.
    pub size: PaintSize,
    /// The box that is painted in now; none for the picture's own size.
    pub bounding_box: Option<String>,
    pub mirrored: bool,
    pub paused: bool,
}

/// What the handles, the loader and the stylise thread share. The lock is held for moments only, never while painting.
pub(super) struct Shared {
    catalog: Catalog,
    session: Mutex<SessionOptions>,
    pub(super) info: gst_video::VideoInfo,
    state: Mutex<ControlState>,
    /// There is an update to take: saves the stylise thread the lock for most frames.
    has_pending: AtomicBool,
    /// The latest frame that was shown.
    shown: Mutex<Option<gst::Buffer>>,
    trial: Mutex<Trial>,
}

/// The network that the loader tries now.
#[derive(Default)]
struct Trial {
    stop: Option<Arc<RunStop>>,
    /// The stream ends: no other is tried.
    closed: bool,
}

/// Where commands are put together.
pub(super) struct ControlState {
    /// Numbers looks; the loader drops what is no longer the newest.
    pub(super) look_ticket: u64,
    /// The look asked for last, and the one that the pending update or the painter has.
    look: Look,
    sent_look: Look,
    pub(super) sizing: Sizing,
    /// The network that was sent last.
    pub(super) network: Loaded,
    pub(super) weights: Vec<f32>,
    mirrored: bool,
    paused: bool,
    pending: PendingUpdate,
}

/// The one-slot mailbox: later commands are laid over earlier ones that were not taken yet.
#[derive(Default)]
struct PendingUpdate {
    resolved: Option<ResolvedLook>,
    sized: Option<SizedNetwork>,
    mirrored: Option<bool>,
    paused: Option<bool>,
    auto: Option<bool>,
    resize: Option<Resize>,
    replies: Vec<Reply>,
}

/// How far a change of the inference size has come.
enum Resize {
    Begun,
    /// Done, or refused: this box is painted in.
    Ended(Option<Size>),
}

/// Who waits for the first frame that shows a command.
pub(super) struct Reply {
    asked: Instant,
    to: oneshot::Sender<Result<Applied>>,
}

/// The stylise thread's end.
pub struct ControlReceiver {
    shared: Arc<Shared>,
    jobs: Sender<Job>,
    /// Commands that were taken and are not shown yet.
    replies: Vec<Reply>,
    paused: bool,
    /// Chooses the inference size in `auto`; none otherwise.
    size_controller: Option<SizeController>,
    /// A size was asked for and has not come yet: times of the old one say nothing.
    resizing: bool,
    /// The network paints at other sizes too.
    takes_sizes: bool,
    frame_interval: Duration,
}

impl Control {
    /// Takes over `frame_painter`, which paints the look of `plan`. Returns the handle, the stylise thread's end, and the
    /// loader thread, which ends after [`Control::close`].
    ///
    /// # Errors
    /// The loader thread does not start.
    pub fn new(
        frame_painter: &mut FramePainter,
        plan: PaintPlan,
        frame_interval: Duration,
    ) -> Result<(Self, ControlReceiver, JoinHandle<()>)> {
        let (jobs, incoming) = std::sync::mpsc::channel();
        let PaintPlan { look, choice, catalog, size, session } = plan;
        let look = Look { styles: choice.mix, ..look };
        let state = ControlState {
            look_ticket: 0,
            sent_look: look.clone(),
            look,
            sizing: Sizing::new(size),
            network: frame_painter.painter().network().clone(),
            weights: choice.resolved.weights,
            mirrored: false,
            paused: false,
            pending: PendingUpdate { auto: Some(size == PaintSize::Auto), ..PendingUpdate::default() },
        };
        let shared = Arc::new(Shared {
            catalog,
            session: Mutex::new(session),
            info: frame_painter.info().clone(),
            state: Mutex::new(state),
            has_pending: AtomicBool::new(true),
            shown: Mutex::new(None),
            trial: Mutex::default(),
        });
        let retire = jobs.clone();
        // A loader that is gone leaves the network with its sender, which drops it: nothing is lost.
        frame_painter.painter().retire_to(move |sized| drop(retire.send(Job::Retire(Box::new(sized)))));
        let thread = loader::start(Arc::clone(&shared), incoming)?;
        let commands = ControlReceiver {
            shared: Arc::clone(&shared),
            jobs: jobs.clone(),
            replies: Vec::new(),
            paused: false,
            size_controller: None,
            resizing: false,
            takes_sizes: takes_sizes(frame_painter.painter().network()),
            frame_interval,
        };
        Ok((Self { shared, jobs }, commands, thread))
    }

    /// All networks and styles that [`Control::set_look`] knows.
    pub fn catalog(&self) -> &Catalog {
        &self.shared.catalog
    }

    pub fn painting(&self) -> Painting {
        let state = self.shared.state();
        Painting {
            look: state.look.clone(),
            network: state.network.manifest().name.clone(),
            device: state.network.backend().name(),
            size: state.sizing.size(),
            bounding_box: state.sizing.painted_box().map(|bounding_box| bounding_box.to_string()),
            mirrored: state.mirrored,
            paused: state.paused,
        }
    }

    /// Paints in this look from the next frame on, or as soon as its network is loaded; the answer comes after the
    /// first frame in it. If the network does not load, the old look goes on and the answer says why. If a later
    /// look comes before it is loaded, the answer is an error too.
    ///
    /// # Errors
    /// At once: numbers that cannot be, unknown styles (with the nearest name), styles of several networks.
    pub fn set_look(&self, look: Look) -> Result<Answer> {
        self.change_look(&mut self.shared.state(), look)
    }

    /// Changes the parts of the look that `patch` names; as [`Control::set_look`].
    ///
    /// # Errors
    /// As [`Control::set_look`].
    pub fn patch_look(&self, patch: &LookPatch) -> Result<Answer> {
        let mut state = self.shared.state();
        let look = state.look.patched(patch);
        self.change_look(&mut state, look)
    }

    fn change_look(&self, state: &mut ControlState, look: Look) -> Result<Answer> {
        let path = state.network.manifest().path.clone();
        let choice = self.shared.catalog.resolve(&look, Some(&path))?;
        let look = Look { styles: choice.mix.clone(), ..look };
        let (reply, answer) = Reply::new();
        state.look_ticket += 1;
        state.look.clone_from(&look);
        if same_network(&choice, &path) {
            self.shared.send_look(state, look, choice.resolved, None, reply);
        } else {
            let ticket = state.look_ticket;
            self.hand_over(Job::Load { ticket, look, choice: Box::new(choice), reply })?;
        }
        Ok(answer)
    }

    /// Paints at this size as soon as the network is ready for it; the output keeps its size.
    ///
    /// # Errors
    /// The stream has ended.
    pub fn set_size(&self, size: PaintSize) -> Result<Answer> {
        let (reply, answer) = Reply::new();
        let mut state = self.shared.state();
        let ticket = state.sizing.ask(size);
        // Times of the old size say nothing from now on.
        state.pending.resize = Some(Resize::Begun);
        self.shared.has_pending.store(true, Ordering::Release);
        self.hand_over(Job::Resize { ticket, reply: Some(reply) })?;
        Ok(answer)
    }

    /// Lets an inference take so many threads, `None` all cores: the network is loaded again while the old one paints.
    pub fn set_threads(&self, threads: Option<usize>) {
        let mut session = self.shared.session.lock().unwrap_or_else(PoisonError::into_inner);
        if session.threads != threads {
            session.threads = threads;
            // A stream that has ended needs no threads.
            let _ = self.jobs.send(Job::Reopen);
        }
    }

    /// Swaps left and right, or no longer.
    pub fn set_mirrored(&self, mirrored: bool) -> Answer {
        self.send(|state| {
            state.mirrored = mirrored;
            state.pending.mirrored = Some(mirrored);
        })
    }

    /// Holds the picture, or goes on. The outputs run on with the last frame.
    pub fn set_paused(&self, paused: bool) -> Answer {
        self.send(|state| {
            state.paused = paused;
            state.pending.paused = Some(paused);
        })
    }

    /// The latest painted frame as a PNG file.
    ///
    /// # Errors
    /// Nothing was painted yet.
    pub fn snapshot(&self) -> Result<Vec<u8>> {
        let shown = self.shared.shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let shown = shown.ok_or_else(|| Error::input("there is no picture yet; try again in a moment"))?;
        super::snapshot::png(shown, &self.shared.info)
    }

    /// Ends the loader thread, and the network that it tries; later commands are refused.
    pub fn close(&self) {
        let mut trial = self.shared.trial.lock().unwrap_or_else(PoisonError::into_inner);
        trial.closed = true;
        if let Some(stop) = trial.stop.take() {
            stop.stop();
        }
        drop(trial);
        // It may have ended already.
        let _ = self.jobs.send(Job::End);
    }

    /// Puts what `write` writes into the pending update.
    fn send(&self, write: impl FnOnce(&mut ControlState)) -> Answer {
        let (reply, answer) = Reply::new();
        let mut state = self.shared.state();
        write(&mut state);
        state.pending.replies.push(reply);
        self.shared.has_pending.store(true, Ordering::Release);
        answer
    }

    fn hand_over(&self, job: Job) -> Result<()> {
        self.jobs.send(job).map_err(|_| Error::output("the stream has ended"))
    }
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, ControlState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the next network shall run.
    pub(super) fn session(&self) -> SessionOptions {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a look into the pending update, with its network if that is another. Returns the network that it
    /// replaces there, for the loader to drop.
    pub(super) fn send_look(
        &self,
        state: &mut ControlState,
        look: Look,
        resolved: ResolvedLook,
        sized: Option<SizedNetwork>,
        reply: Reply,
    ) -> Option<SizedNetwork> {
        state.sent_look = look;
        state.weights.clone_from(&resolved.weights);
        state.pending.resolved = Some(resolved);
        state.pending.replies.push(reply);
        let replaced = sized.and_then(|sized| {
            state.network = sized.network().clone();
            state.pending.sized.replace(sized)
        });
        self.has_pending.store(true, Ordering::Release);
        replaced
    }

    /// Puts the same network, prepared anew, into the pending update; returns the one that it replaces there.
    pub(super) fn send_network(&self, state: &mut ControlState, sized: SizedNetwork) -> Option<SizedNetwork> {
        state.network = sized.network().clone();
        self.has_pending.store(true, Ordering::Release);
        state.pending.sized.replace(sized)
    }

    /// Puts the same network for the requested size into the pending update; as [`Shared::send_network`]. Whoever asked
    /// for it also chose between `auto` and a size of their own.
    pub(super) fn send_size(
        &self,
        state: &mut ControlState,
        ticket: u64,
        sized: SizedNetwork,
        bounding_box: Option<Size>,
        reply: Option<Reply>,
    ) -> Option<SizedNetwork> {
        state.sizing.take(ticket, bounding_box);
        if state.sizing.is_newest(ticket) && reply.is_some() {
            state.pending.auto = Some(state.sizing.size() == PaintSize::Auto);
        }
        state.pending.replies.extend(reply);
        self.end_resize(state, ticket);
        self.send_network(state, sized)
    }

    /// The request cannot be done: what is painted goes on.
    pub(super) fn refuse_size(&self, state: &mut ControlState, ticket: u64) {
        state.sizing.refuse(ticket);
        self.end_resize(state, ticket);
    }

    fn end_resize(&self, state: &mut ControlState, ticket: u64) {
        // While a newer request is on its way, times still say nothing.
        if state.sizing.is_newest(ticket) {
            state.pending.resize = Some(Resize::Ended(state.sizing.painted_box()));
            self.has_pending.store(true, Ordering::Release);
        }
    }

    /// A network is about to be tried, which [`Control::close`] shall end.
    ///
    /// # Errors
    /// The stream has ended.
    pub(super) fn try_with(&self, stop: Arc<RunStop>) -> Result<()> {
        let mut trial = self.trial.lock().unwrap_or_else(PoisonError::into_inner);
        if trial.closed {
            return Err(ended());
        }
        trial.stop = Some(stop);
        Ok(())
    }

    /// It is tried no longer.
    pub(super) fn tried(&self) {
        self.trial.lock().unwrap_or_else(PoisonError::into_inner).stop = None;
    }
}

impl ControlState {
    /// The look in progress failed: what is painted is what is asked for again.
    pub(super) fn back_to_sent_look(&mut self) {
        self.look.clone_from(&self.sent_look);
    }
}

impl Reply {
    fn new() -> (Self, Answer) {
        let (to, answer) = oneshot::channel();
        (Self { asked: Instant::now(), to }, Answer(answer))
    }

    fn applied(self, frame: Option<u64>) {
        let took_ms = self.asked.elapsed().as_secs_f64() * 1000.0;
        // Nobody may be listening any more.
        let _ = self.to.send(Ok(Applied { frame, took_ms }));
    }

    pub(super) fn refused(self, error: Error) {
        let _ = self.to.send(Err(error));
    }
}

impl Answer {
    /// Waits; not on a thread of an async runtime.
    ///
    /// # Errors
    /// Why the command was not carried out.
    pub fn wait(self) -> Result<Applied> {
        self.0.blocking_recv().unwrap_or_else(|_| Err(ended()))
    }
}

impl Future for Answer {
    type Output = Result<Applied>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or_else(|_| Err(ended())))
    }
}

fn ended() -> Error {
    Error::output("the stream ended before it took the command")
}

impl ControlReceiver {
    /// Between two frames: lets the frame painter paint as the newest commands say.
    pub fn deliver(&mut self, frame_painter: &mut FramePainter) {
        if !self.shared.has_pending.swap(false, Ordering::Acquire) {
            return;
        }
        let pending = std::mem::take(&mut self.shared.state().pending);
        let painter = frame_painter.painter();
        match pending.sized {
            Some(sized) if sized.network().manifest().path == painter.network().manifest().path => {
                painter.change_size(sized);
                if let Some(size_controller) = &mut self.size_controller {
                    size_controller.forget_times();
                }
                if let Some(resolved) = pending.resolved {
                    painter.change_look(resolved, None);
                }
            }
            sized => {
                if let Some(resolved) = pending.resolved {
                    if let (Some(_), Some(size_controller)) = (&sized, &mut self.size_controller) {
                        size_controller.forget_times();
                    }
                    painter.change_look(resolved, sized);
                }
            }
        }
        self.takes_sizes = takes_sizes(painter.network());
        if let Some(mirrored) = pending.mirrored {
            painter.set_mirrored(mirrored);
        }
        if let Some(auto) = pending.auto {
            let info = &self.shared.info;
            let picture = Size::new(info.width() as usize, info.height() as usize);
            self.size_controller = auto.then(|| SizeController::new(picture, self.frame_interval));
        }
        match pending.resize {
            Some(Resize::Begun) => self.resizing = true,
            Some(Resize::Ended(bounding_box)) => {
                self.resizing = false;
                if let Some(size_controller) = &mut self.size_controller {
                    size_controller.painted_in(bounding_box);
                }
            }
            None => {}
        }
        self.paused = pending.paused.unwrap_or(self.paused);
        self.replies.extend(pending.replies);
    }

    /// The picture shall be held.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// A painted frame was shown: answers commands, keeps the frame for snapshots, and lets the size controller note the time.
    pub fn shown(&mut self, frame: u64, picture: &gst::Buffer, inference: Duration) {
        *self.shared.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(picture.clone());
        // Only now: whoever is answered may take a snapshot at once.
        self.replies.drain(..).for_each(|reply| reply.applied(Some(frame)));
        if let (Some(size_controller), true) = (&mut self.size_controller, self.takes_sizes && !self.resizing)
            && let Some(bounding_box) = size_controller.note(inference)
            && let Some(ticket) = self.shared.state().sizing.ask_auto(bounding_box)
        {
            tracing::info!("inference takes too long or has time to spare: painting at {bounding_box}");
            self.resizing = self.jobs.send(Job::Resize { ticket, reply: None }).is_ok();
        }
    }

    /// No frame can be shown now: commands are answered without one.
    pub fn nothing_shown(&mut self) {
        self.replies.drain(..).for_each(|reply| reply.applied(None));
    }

    /// The network failed on a frame.
    pub fn failed(&mut self, error: &Error) {
        self.replies.drain(..).for_each(|reply| reply.refused(error.clone()));
    }
}

fn takes_sizes(network: &Loaded) -> bool {
    network.manifest().input.size.fixed.is_none()
}

fn same_network(choice: &Choice, path: &Path) -> bool {
    choice.network.path == path
}
