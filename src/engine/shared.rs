//! What commands, loader and stylise thread of one live stream share: what was asked for, what waits to be taken, and who
//! waits for an answer.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Instant;

use gstreamer as gst;
use gstreamer_video as gst_video;
use serde::Serialize;
use tokio::sync::oneshot;

use super::requests::Requests;
use super::sizing::Sizing;
use crate::error::{Conflict, Error, Result};
use crate::style::MaskFinder;
use crate::style::look::ResolvedLook;
use crate::style::manifest::Manifest;
use crate::style::onnx::{Loaded, RunStop, SessionOptions};
use crate::style::weights::Weights;
use crate::style::{Look, Networks, PaintSize, Size, SizedNetwork};
use crate::sync::Locked;

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

/// What the handles, the loader and the stylise thread share. The lock is held for moments only, never while painting.
pub(super) struct Shared {
    /// Those that a live change of the look may take.
    pub(super) networks: Networks,
    pub(super) session: Mutex<SessionOptions>,
    pub(super) info: gst_video::VideoInfo,
    pub(super) state: Mutex<ControlState>,
    /// There is an update to take: saves the stylise thread the lock for most frames.
    pub(super) has_pending: AtomicBool,
    /// The network that paints crashed, and no other has been taken since.
    pub(super) is_down: AtomicBool,
    /// Why: its crash, or what came of loading it again. Of no meaning otherwise.
    pub(super) trouble: Mutex<Option<Error>>,
    /// The latest frame that was shown.
    pub(super) shown: Mutex<Option<gst::Buffer>>,
    pub(super) trial: Mutex<Trial>,
}

/// The network that the loader tries now.
#[derive(Default)]
pub(super) struct Trial {
    pub(super) stop: Option<RunStop>,
    /// The look that it is tried for; none if it is the network that paints.
    pub(super) look: Option<u64>,
    /// The stream ends: no other is tried.
    pub(super) closed: bool,
}

/// Where commands are put together.
pub(super) struct ControlState {
    pub(super) looks: Requests<WantedLook>,
    pub(super) sizing: Sizing,
    /// The network that was sent last.
    pub(super) network: Loaded,
    pub(super) weights: Weights,
    /// The painter finds people, or will with the pending update.
    pub(super) has_finder: bool,
    pub(super) mirrored: bool,
    pub(super) paused: bool,
    pub(super) pending: PendingUpdate,
}

/// A look, and the network that shall paint it.
#[derive(Clone)]
pub(super) struct WantedLook {
    pub(super) look: Look,
    pub(super) network: Manifest,
}

/// The one-slot mailbox: later commands are laid over earlier ones that were not taken yet.
#[derive(Default)]
pub(super) struct PendingUpdate {
    pub(super) resolved: Option<ResolvedLook>,
    pub(super) sized: Option<SizedNetwork>,
    pub(super) finder: Option<MaskFinder>,
    pub(super) mirrored: Option<bool>,
    pub(super) paused: Option<bool>,
    pub(super) auto: Option<bool>,
    pub(super) resize: Option<Resize>,
    pub(super) replies: Vec<Reply>,
}

/// How far a change of the inference size has come.
pub(super) enum Resize {
    Begun,
    /// Done, or refused: this box is painted in.
    Ended(Option<Size>),
}

/// Who waits for the first frame that shows a command.
pub(super) struct Reply {
    asked: Instant,
    to: oneshot::Sender<Result<Applied>>,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, ControlState> {
        self.state.locked()
    }

    /// How the next network shall run.
    pub(super) fn session(&self) -> SessionOptions {
        self.session.locked().clone()
    }

    /// Puts the look that was asked for last into the pending update, with its network if that is another. Returns the
    /// network that it replaces there, for the loader to drop.
    pub(super) fn send_look(
        &self,
        state: &mut ControlState,
        resolved: ResolvedLook,
        sized: Option<SizedNetwork>,
        reply: Reply,
    ) -> Option<SizedNetwork> {
        state.looks.send_asked();
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

    pub(super) fn end_resize(&self, state: &mut ControlState, ticket: u64) {
        // While a newer request is on its way, times still say nothing.
        if state.sizing.is_newest(ticket) {
            state.pending.resize = Some(Resize::Ended(state.sizing.painted_box()));
            self.has_pending.store(true, Ordering::Release);
        }
    }

    /// A network is about to be tried, which [`Control::close`] shall end; and a newer look than `look`, if it is for one.
    ///
    /// # Errors
    /// The stream has ended, or a newer look has come.
    pub(super) fn try_with(&self, stop: RunStop, look: Option<u64>) -> Result<()> {
        let state = self.state();
        let mut trial = self.trial.locked();
        if trial.closed {
            return Err(ended());
        }
        if look.is_some_and(|look| !state.looks.is_newest(look)) {
            return Err(superseded());
        }
        (trial.stop, trial.look) = (Some(stop), look);
        Ok(())
    }

    /// A newer look has come: the network of the one before need not come to its end.
    pub(super) fn give_up_older_look(&self) {
        let mut trial = self.trial.locked();
        if trial.look.take().is_some() {
            trial.stop();
        }
    }

    /// It is tried no longer.
    pub(super) fn tried(&self) {
        let mut trial = self.trial.locked();
        (trial.stop, trial.look) = (None, None);
    }
}

impl Reply {
    pub(super) fn new() -> (Self, Answer) {
        let (to, answer) = oneshot::channel();
        (Self { asked: Instant::now(), to }, Answer(answer))
    }

    pub(super) fn applied(self, frame: Option<u64>) {
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

impl Trial {
    /// Ends the trial in progress, if there is one.
    pub(super) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.stop();
        }
    }
}

pub(super) fn superseded() -> Error {
    Error::conflict(Conflict::Superseded, "a later change of the look took its place")
}

fn ended() -> Error {
    Error::conflict(Conflict::Ended, "the stream ended before it took the command; if it starts anew, try again then")
}
