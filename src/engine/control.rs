//! Live control of a painted stream: commands come in here, and the stylise thread takes them between two frames.
//!
//! What the network at hand can do goes straight into a one-slot mailbox. Another network, or another inference
//! size, is loaded and warmed up on the loader thread first, while the old one paints. The newest command wins.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Serialize;

use super::FramePainter;
use super::loader::{self, Job};
use super::receiver::ControlReceiver;
use super::requests::Requests;
use super::shared::{Answer, ControlState, PendingUpdate, Reply, Resize, Shared, WantedLook};
use super::sizing::Sizing;
use crate::error::{Conflict, Error, Result};
use crate::style::catalog::Choice;
use crate::style::look::Mix;
use crate::style::manifest::Manifest;
use crate::style::mask::Unpainted;
use crate::style::{Catalog, Look, LookPatch, Networks, PaintPlan, PaintSize};
use crate::sync::Locked;

/// Commands to one live stream; clones speak to the same stream.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
    jobs: Sender<Job>,
}

/// How the stream is painted, or will be when the command in progress is done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Painting {
    pub look: Look,
    pub network: String,
    /// The network that was asked for last; it paints as soon as it is loaded.
    pub wanted_network: String,
    /// The device that runs it.
    pub device: &'static str,
    /// As it was asked for.
    pub size: PaintSize,
    /// The box that is painted in now; none for the picture's own size.
    pub bounding_box: Option<String>,
    pub mirrored: bool,
    pub paused: bool,
}

impl Control {
    /// Takes over `frame_painter`, which paints the look of `plan`; later looks may take any of `networks`. Returns the handle, the stylise thread's end, and the
    /// loader thread, which ends after [`Control::close`].
    ///
    /// # Errors
    /// The loader thread does not start.
    pub fn new(
        frame_painter: &mut FramePainter,
        plan: PaintPlan,
        networks: Networks,
        frame_interval: Duration,
    ) -> Result<(Self, ControlReceiver, JoinHandle<()>)> {
        let (jobs, incoming) = std::sync::mpsc::channel();
        let PaintPlan { look, choice, size, session } = plan;
        let look = Look { styles: choice.mix, ..look };
        let state = ControlState {
            looks: Requests::new(WantedLook { look, network: frame_painter.painter().network().manifest().clone() }),
            sizing: Sizing::new(size),
            network: frame_painter.painter().network().clone(),
            weights: choice.resolved.weights,
            has_finder: frame_painter.painter().has_finder(),
            mirrored: false,
            paused: false,
            pending: PendingUpdate { auto: Some(size == PaintSize::Auto), ..PendingUpdate::default() },
        };
        let shared = Arc::new(Shared {
            networks,
            session: Mutex::new(session),
            info: frame_painter.info().clone(),
            state: Mutex::new(state),
            has_pending: AtomicBool::new(true),
            is_down: AtomicBool::new(false),
            trouble: Mutex::default(),
            shown: Mutex::new(None),
            trial: Mutex::default(),
        });
        let retire = jobs.clone();
        frame_painter.painter().keep_up();
        // A loader that is gone leaves the network with its sender, which drops it: nothing is lost.
        frame_painter.painter().retire_to(move |sized| drop(retire.send(Job::Retire(Box::new(sized)))));
        let thread = loader::start(Arc::clone(&shared), incoming)?;
        let commands = ControlReceiver::new(Arc::clone(&shared), jobs.clone(), frame_painter, frame_interval);
        Ok((Self { shared, jobs }, commands, thread))
    }

    /// All networks and styles that [`Control::set_look`] knows now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.shared.networks.now()
    }

    /// Why nothing is painted, while the network has crashed and is not loaded again.
    pub fn trouble(&self) -> Option<Error> {
        let trouble = self.shared.trouble.locked();
        trouble.clone().filter(|_| self.shared.is_down.load(Ordering::Acquire))
    }

    pub fn painting(&self) -> Painting {
        let state = self.shared.state();
        Painting {
            look: state.looks.asked().look.clone(),
            network: state.network.manifest().name.clone(),
            wanted_network: state.looks.asked().network.name.clone(),
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
        self.change_look(&mut self.shared.state(), look, None)
    }

    /// Paints in this look with the network of that name in the catalog; as [`Control::set_look`].
    ///
    /// # Errors
    /// As [`Control::set_look`]; an unknown network, or one that lacks a style.
    pub fn set_look_on(&self, network: &str, look: Look) -> Result<Answer> {
        let catalog = self.catalog();
        self.change_look(&mut self.shared.state(), look, Some(catalog.named(network)?))
    }

    /// Paints in this look, with the network of that name or, without one, as [`Control::set_look`]; the change takes as
    /// long as `fade` says, and later ones as long as the look does.
    ///
    /// # Errors
    /// As [`Control::set_look_on`].
    pub fn fade_to(&self, network: &str, look: Look, fade: Duration) -> Result<Answer> {
        let catalog = self.catalog();
        let network = if network.is_empty() { None } else { Some(catalog.named(network)?) };
        self.change_look_within(&mut self.shared.state(), look, network, Some(fade))
    }

    /// Paints with the network of that name. Styles that it does not have leave the mix; without any, it paints its
    /// first one.
    ///
    /// # Errors
    /// An unknown network.
    pub fn set_network(&self, network: &str) -> Result<Answer> {
        self.change_network(&mut self.shared.state(), self.catalog().named(network)?)
    }

    /// Loads the network that was asked for last again if it is not what its files hold now. One whose files are gone paints
    /// on, and so does one of which the new files cannot be used.
    ///
    /// # Errors
    /// As [`Control::set_network`].
    pub fn renew_network(&self) -> Result<Option<Answer>> {
        let (loaded, path) = {
            let state = self.shared.state();
            (state.network.clone(), state.looks.asked().network.path.clone())
        };
        let catalog = self.catalog();
        match catalog.at(&path) {
            Some(network) if loaded.manifest().path == path && !loaded.is_current(network) => {
                if loaded.manifest() != network {
                    return self.change_network(&mut self.shared.state(), network).map(Some);
                }
                self.hand_over(Job::Reopen)?;
                Ok(None)
            }
            _ => self.renew_painting(&catalog),
        }
    }

    /// Paints like a painting as its file is now, if another came under its name.
    fn renew_painting(&self, catalog: &Catalog) -> Result<Option<Answer>> {
        let mut state = self.shared.state();
        let WantedLook { look, network } = state.looks.asked().clone();
        if network.style_image.is_none() || *state.network.manifest() != network {
            return Ok(None);
        }
        let choice = catalog.resolve(&look, Some(&network))?;
        let is_other = choice.network == network && choice.resolved.weights != state.weights;
        is_other.then(|| self.change_look(&mut state, look, None)).transpose()
    }

    fn change_network(&self, state: &mut ControlState, network: &Manifest) -> Result<Answer> {
        let look = within(network, state.looks.asked().look.clone());
        self.change_look(state, look, Some(network))
    }

    /// Paints as a changed config says: with the network of that name or path, or where it names none with the one that
    /// fits best, and with those parts of the look that changed. Other styles that the network does not have leave the mix.
    ///
    /// # Errors
    /// As [`Control::set_look`]; an unknown network, or one that lacks a style of the patch.
    pub fn configure(&self, network: &str, patch: &LookPatch) -> Result<Answer> {
        let mut state = self.shared.state();
        let look = state.looks.asked().look.patched(patch);
        if network.is_empty() {
            let network = self.catalog().resolve(&look, None)?.network;
            return self.change_look(&mut state, look, Some(&network));
        }
        let network = self.catalog().network(network)?;
        self.shared.networks.add(&network);
        let look = if patch.styles.is_some() { look } else { within(&network, look) };
        self.change_look(&mut state, look, Some(&network))
    }

    /// Changes the parts of the look that `patch` names; as [`Control::set_look`].
    ///
    /// # Errors
    /// As [`Control::set_look`].
    pub fn patch_look(&self, patch: &LookPatch) -> Result<Answer> {
        let mut state = self.shared.state();
        let look = state.looks.asked().look.patched(patch);
        self.change_look(&mut state, look, None)
    }

    /// With `network`, or the one that fits best: that which was asked for last before the others.
    fn change_look(&self, state: &mut ControlState, look: Look, network: Option<&Manifest>) -> Result<Answer> {
        self.change_look_within(state, look, network, None)
    }

    /// Within another time than the look says, if one is given.
    fn change_look_within(
        &self,
        state: &mut ControlState,
        look: Look,
        network: Option<&Manifest>,
        fade: Option<Duration>,
    ) -> Result<Answer> {
        look.check_live()?;
        let mut choice = match network {
            Some(network) => Choice::of(network, &look)?,
            None => self.catalog().resolve(&look, Some(&state.looks.asked().network))?,
        };
        choice.resolved.fade = fade.unwrap_or(choice.resolved.fade);
        let finds_people = state.has_finder || !choice.resolved.mask.is_on();
        let is_loaded = finds_people && *state.network.manifest() == choice.network;
        let look = Look { styles: choice.mix.clone(), ..look };
        let (reply, answer) = Reply::new();
        let ticket = state.looks.ask(WantedLook { look, network: choice.network.clone() });
        self.shared.give_up_older_look();
        if is_loaded {
            self.shared.send_look(state, choice.resolved, None, reply);
        } else {
            self.hand_over(Job::Load { ticket, choice: Box::new(choice), reply })?;
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
        let mut session = self.shared.session.locked();
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
        let shown = self.shared.shown.locked().clone();
        let shown = shown.ok_or_else(|| Error::input("there is no picture yet; try again in a moment"))?;
        super::snapshot::png(shown, &self.shared.info)
    }

    /// Ends the loader thread, and the network that it tries; later commands are refused.
    pub fn close(&self) {
        let mut trial = self.shared.trial.locked();
        trial.closed = true;
        trial.stop();
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
        let ended = "the stream has ended; if it starts anew, try again then";
        self.jobs.send(job).map_err(|_| Error::conflict(Conflict::Ended, ended))
    }
}

/// The look with those of its styles that the network has; none, for its first one, where nothing is left to be painted.
fn within(network: &Manifest, mut look: Look) -> Look {
    look.styles.0.retain(|style, _| network.style(style).is_some());
    if look.mask_other.style().is_some_and(|style| network.style(style).is_none()) {
        look.mask_other = Unpainted::default();
    }
    // What had no weight beside others paints nothing alone.
    if look.styles.0.values().all(|weight| *weight == 0.0) {
        look.styles = Mix::default();
    }
    look
}
