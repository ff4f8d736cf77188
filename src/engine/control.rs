//! Live control of a painted stream: commands come in here, and the stylise thread takes them between two frames.
//!
//! What the network at hand can do goes straight into the one-slot mailbox. Another network, or another inference
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

use super::Stylist;
use super::deadline::Deadline;
use super::loader::{self, Job};
use crate::error::{Error, Result};
use crate::style::catalog::Choice;
use crate::style::look::Recipe;
use crate::style::onnx::{Loaded, SessionOptions};
use crate::style::{Brush, Catalog, Look, LookPatch, PaintSize, Size};

/// Commands to one live stream; clones speak to the same stream.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
    jobs: Sender<Job>,
}

/// What a stream is painted with at first, and what it may go over to.
pub struct Palette {
    pub look: Look,
    pub choice: Choice,
    pub catalog: Catalog,
    pub size: PaintSize,
    pub session: SessionOptions,
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
    pub room: Option<String>,
    pub mirrored: bool,
    pub paused: bool,
}

/// What the handles, the loader and the stylise thread share. The lock is held for moments only, never while painting.
pub(super) struct Shared {
    catalog: Catalog,
    session: Mutex<SessionOptions>,
    pub(super) info: gst_video::VideoInfo,
    desk: Mutex<Desk>,
    /// There is something in the mailbox: saves the stylise thread the lock for most frames.
    has_mail: AtomicBool,
    /// The latest frame that was shown.
    shown: Mutex<Option<gst::Buffer>>,
}

/// Where commands are put together.
pub(super) struct Desk {
    /// Numbers looks; the loader drops what is no longer the newest.
    pub(super) look_ticket: u64,
    pub(super) size_ticket: u64,
    /// The look asked for last, and the one that the mailbox or the painter has.
    look: Look,
    sent_look: Look,
    size: PaintSize,
    pub(super) room: Option<Size>,
    /// The network of the newest brush that was sent.
    pub(super) network: Loaded,
    pub(super) weights: Vec<f32>,
    mirrored: bool,
    paused: bool,
    mail: Mail,
}

/// The one-slot mailbox: later commands are laid over earlier ones that were not taken yet.
#[derive(Default)]
struct Mail {
    recipe: Option<Recipe>,
    brush: Option<Brush>,
    mirrored: Option<bool>,
    paused: Option<bool>,
    auto: Option<bool>,
    replies: Vec<Reply>,
}

/// Who waits for the first frame that shows a command.
pub(super) struct Reply {
    asked: Instant,
    to: oneshot::Sender<Result<Applied>>,
}

/// The stylise thread's end.
pub struct Mailbox {
    shared: Arc<Shared>,
    jobs: Sender<Job>,
    /// Commands that were taken and are not shown yet.
    replies: Vec<Reply>,
    paused: bool,
    /// Chooses the inference size in `auto`; none otherwise.
    deadline: Option<Deadline>,
    /// A size was asked for and has not come yet: times of the old one say nothing.
    resizing: bool,
    frame_interval: Duration,
}

impl Control {
    /// Takes over `stylist`, which paints the look of `palette`. Returns the handle, the stylise thread's end, and the
    /// loader thread, which ends after [`Control::close`].
    ///
    /// # Errors
    /// The loader thread does not start.
    pub fn new(
        stylist: &mut Stylist,
        palette: Palette,
        frame_interval: Duration,
    ) -> Result<(Self, Mailbox, JoinHandle<()>)> {
        let (jobs, incoming) = std::sync::mpsc::channel();
        let Palette { look, choice, catalog, size, session } = palette;
        let look = Look { styles: choice.mix, ..look };
        let desk = Desk {
            look_ticket: 0,
            size_ticket: 0,
            sent_look: look.clone(),
            look,
            size,
            room: size.room(),
            network: stylist.painter().network().clone(),
            weights: choice.recipe.weights,
            mirrored: false,
            paused: false,
            mail: Mail { auto: Some(size == PaintSize::Auto), ..Mail::default() },
        };
        let shared = Arc::new(Shared {
            catalog,
            session: Mutex::new(session),
            info: stylist.info().clone(),
            desk: Mutex::new(desk),
            has_mail: AtomicBool::new(true),
            shown: Mutex::new(None),
        });
        let retire = jobs.clone();
        // A loader that is gone leaves the brush with its sender, which drops it: nothing is lost.
        stylist.painter().retire_to(move |brush| drop(retire.send(Job::Retire(Box::new(brush)))));
        let thread = loader::start(Arc::clone(&shared), incoming)?;
        let mailbox = Mailbox {
            shared: Arc::clone(&shared),
            jobs: jobs.clone(),
            replies: Vec::new(),
            paused: false,
            deadline: None,
            resizing: false,
            frame_interval,
        };
        Ok((Self { shared, jobs }, mailbox, thread))
    }

    /// All networks and styles that [`Control::set_look`] knows.
    pub fn catalog(&self) -> &Catalog {
        &self.shared.catalog
    }

    pub fn painting(&self) -> Painting {
        let desk = self.shared.desk();
        Painting {
            look: desk.look.clone(),
            network: desk.network.manifest().name.clone(),
            device: desk.network.device().name(),
            size: desk.size,
            room: desk.room.map(|room| room.to_string()),
            mirrored: desk.mirrored,
            paused: desk.paused,
        }
    }

    /// Paints in this look from the next frame on, or as soon as its network is loaded; the answer comes after the
    /// first frame in it. If the network does not load, the old look goes on and the answer says why. If a later
    /// look comes before it is loaded, the answer is an error too.
    ///
    /// # Errors
    /// At once: numbers that cannot be, unknown styles (with the nearest name), styles of several networks.
    pub fn set_look(&self, look: Look) -> Result<Answer> {
        self.change_look(&mut self.shared.desk(), look)
    }

    /// Changes the parts of the look that `patch` names; as [`Control::set_look`].
    ///
    /// # Errors
    /// As [`Control::set_look`].
    pub fn patch_look(&self, patch: &LookPatch) -> Result<Answer> {
        let mut desk = self.shared.desk();
        let look = desk.look.patched(patch);
        self.change_look(&mut desk, look)
    }

    fn change_look(&self, desk: &mut Desk, look: Look) -> Result<Answer> {
        let path = desk.network.manifest().path.clone();
        let choice = self.shared.catalog.resolve(&look, Some(&path))?;
        let look = Look { styles: choice.mix.clone(), ..look };
        let (reply, answer) = Reply::new();
        desk.look_ticket += 1;
        desk.look.clone_from(&look);
        if same_network(&choice, &path) {
            self.shared.send_look(desk, look, choice.recipe, None, reply);
        } else {
            let ticket = desk.look_ticket;
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
        let mut desk = self.shared.desk();
        desk.size = size;
        desk.mail.auto = Some(size == PaintSize::Auto);
        let job = desk.resize(size.room(), Some(reply));
        self.hand_over(job)?;
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
        self.send(|desk| {
            desk.mirrored = mirrored;
            desk.mail.mirrored = Some(mirrored);
        })
    }

    /// Holds the picture, or goes on. The outputs run on with the last frame.
    pub fn set_paused(&self, paused: bool) -> Answer {
        self.send(|desk| {
            desk.paused = paused;
            desk.mail.paused = Some(paused);
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

    /// Ends the loader thread once it has done what it is at; later commands are refused.
    pub fn close(&self) {
        // It may have ended already.
        let _ = self.jobs.send(Job::End);
    }

    /// Puts what `write` writes into the mailbox.
    fn send(&self, write: impl FnOnce(&mut Desk)) -> Answer {
        let (reply, answer) = Reply::new();
        let mut desk = self.shared.desk();
        write(&mut desk);
        desk.mail.replies.push(reply);
        self.shared.has_mail.store(true, Ordering::Release);
        answer
    }

    fn hand_over(&self, job: Job) -> Result<()> {
        self.jobs.send(job).map_err(|_| Error::output("the stream has ended"))
    }
}

impl Shared {
    pub(super) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the next network shall run.
    pub(super) fn session(&self) -> SessionOptions {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a look into the mailbox, with the brush of its network if that is another. Returns the brush that it
    /// replaces there, for the loader to drop.
    pub(super) fn send_look(
        &self,
        desk: &mut Desk,
        look: Look,
        recipe: Recipe,
        brush: Option<Brush>,
        reply: Reply,
    ) -> Option<Brush> {
        desk.sent_look = look;
        desk.weights.clone_from(&recipe.weights);
        desk.mail.recipe = Some(recipe);
        desk.mail.replies.push(reply);
        let replaced = brush.and_then(|brush| {
            desk.network = brush.network().clone();
            desk.mail.brush.replace(brush)
        });
        self.has_mail.store(true, Ordering::Release);
        replaced
    }

    /// Puts a brush of the same network for another size into the mailbox; returns the one that it replaces there.
    pub(super) fn send_size(&self, desk: &mut Desk, brush: Brush, reply: Option<Reply>) -> Option<Brush> {
        desk.mail.replies.extend(reply);
        self.has_mail.store(true, Ordering::Release);
        desk.mail.brush.replace(brush)
    }
}

impl Desk {
    /// The job that prepares the network for this box.
    fn resize(&mut self, room: Option<Size>, reply: Option<Reply>) -> Job {
        self.room = room;
        self.size_ticket += 1;
        Job::Resize { ticket: self.size_ticket, reply }
    }

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

impl Mailbox {
    /// Between two frames: lets the stylist paint as the newest commands say.
    pub fn deliver(&mut self, stylist: &mut Stylist) {
        if !self.shared.has_mail.swap(false, Ordering::Acquire) {
            return;
        }
        let mail = std::mem::take(&mut self.shared.desk().mail);
        let painter = stylist.painter();
        match mail.brush {
            Some(brush) if brush.network().manifest().path == painter.network().manifest().path => {
                painter.change_size(brush);
                self.resizing = false;
                if let Some(deadline) = &mut self.deadline {
                    deadline.forget_times();
                }
                if let Some(recipe) = mail.recipe {
                    painter.change_look(recipe, None);
                }
            }
            brush => {
                if let Some(recipe) = mail.recipe {
                    if let (Some(_), Some(deadline)) = (&brush, &mut self.deadline) {
                        deadline.forget_times();
                    }
                    painter.change_look(recipe, brush);
                }
            }
        }
        if let Some(mirrored) = mail.mirrored {
            painter.set_mirrored(mirrored);
        }
        if let Some(auto) = mail.auto {
            let info = &self.shared.info;
            let picture = Size::new(info.width() as usize, info.height() as usize);
            self.deadline = auto.then(|| Deadline::new(picture, self.frame_interval));
        }
        self.paused = mail.paused.unwrap_or(self.paused);
        self.replies.extend(mail.replies);
    }

    /// The picture shall be held.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// A painted frame was shown: answers commands, keeps the frame for snapshots, and minds the deadline.
    pub fn shown(&mut self, frame: u64, picture: &gst::Buffer, inference: Duration) {
        *self.shared.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(picture.clone());
        // Only now: whoever is answered may take a snapshot at once.
        self.replies.drain(..).for_each(|reply| reply.applied(Some(frame)));
        if let (Some(deadline), false) = (&mut self.deadline, self.resizing)
            && let Some(room) = deadline.note(inference)
        {
            let mut desk = self.shared.desk();
            if desk.size == PaintSize::Auto && desk.network.manifest().input.size.fixed.is_none() {
                tracing::info!("inference takes too long or has time to spare: painting at {room}");
                self.resizing = self.jobs.send(desk.resize(Some(room), None)).is_ok();
            }
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

fn same_network(choice: &Choice, path: &Path) -> bool {
    choice.network.path == path
}
