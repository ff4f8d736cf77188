//! The loader thread: loads networks, warms them up for the live stream, and drops those that have painted their last.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::restarts::{Restart, Restarts};
use super::shared::{Reply, Shared, superseded};
use crate::error::{Conflict, Error, Result};
use crate::style::catalog::Choice;
use crate::style::onnx::Loaded;
use crate::style::tensor::PixelOrder;
use crate::style::weights::Weights;
use crate::style::{MaskFinder, Size, SizedNetwork};
use crate::sync::Locked;

/// Work for the loader, done one after the other.
pub(super) enum Job {
    /// Load another network for the look with this number.
    Load { ticket: u64, choice: Box<Choice>, reply: Reply },
    /// Prepare the network for the box that the control state says.
    Resize { ticket: u64, reply: Option<Reply> },
    /// Load the network that paints again, because sessions shall run in another way, or its file is another.
    Reopen,
    /// The worker process of the network that paints crashed: load it again after a while.
    Crashed(Error),
    /// Drop it: freeing a session takes time that the stylise thread does not have.
    Retire(Box<SizedNetwork>),
    /// Nothing will follow.
    End,
}

pub(super) fn start(shared: Arc<Shared>, jobs: Receiver<Job>) -> Result<JoinHandle<()>> {
    let run = move || {
        // A network that was loaded for a look that is no longer wanted: often the next look wants it too.
        let mut spare = None;
        let mut restarts = Restarts::new();
        // When the network that crashed is loaded again; other work goes on meanwhile.
        let mut restart = None;
        loop {
            let job = match restart {
                None => jobs.recv().ok(),
                Some(at) => match jobs.recv_timeout(Instant::saturating_duration_since(&at, Instant::now())) {
                    Err(RecvTimeoutError::Timeout) => {
                        restart = restart_network(&shared, &mut restarts);
                        continue;
                    }
                    job => job.ok(),
                },
            };
            let Some(job) = job else { break };
            match job {
                Job::Load { ticket, choice, reply } => load(&shared, &mut spare, ticket, *choice, reply),
                Job::Resize { ticket, reply } => resize(&shared, ticket, reply),
                Job::Reopen => {
                    spare = None;
                    reopen(&shared);
                }
                Job::Crashed(error) => {
                    let wait =
                        note_crash(&shared, &mut restarts, error, "the last picture is held, and it is loaded again");
                    restart = Some(Instant::now() + wait);
                }
                Job::Retire(sized) => drop(sized),
                Job::End => break,
            }
        }
    };
    let span = tracing::Span::current();
    let spawned = std::thread::Builder::new().name("loader".into()).spawn(move || span.in_scope(run));
    spawned.map_err(|error| Error::model(format!("thread loader does not start: {error}")))
}

fn load(shared: &Shared, spare: &mut Option<Loaded>, ticket: u64, choice: Choice, reply: Reply) {
    if !shared.state().looks.is_newest(ticket) {
        return reply.refused(superseded());
    }
    let bounding_box = shared.state().sizing.painted_box();
    let found = if choice.resolved.mask.is_on() { find_people(shared) } else { Ok(()) };
    if let Err(error) = found {
        shared.state().looks.refuse(ticket);
        return reply.refused(error);
    }
    if shared.state().network.is_current(&choice.network) {
        let mut state = shared.state();
        if !state.looks.is_newest(ticket) {
            return reply.refused(superseded());
        }
        shared.send_look(&mut state, choice.resolved, None, reply);
        return;
    }
    let known = spare.take().filter(|spare| spare.is_current(&choice.network));
    let sized = prepare(shared, Some(ticket), bounding_box, &choice.resolved.weights, || match known {
        Some(spare) => Ok(spare),
        None => Loaded::open(&choice.network, &shared.session()),
    });
    let mut state = shared.state();
    let newest = state.looks.is_newest(ticket);
    match sized {
        Ok(sized) if newest => {
            let loaded = sized.network();
            tracing::info!("network {} on {}", loaded.manifest().name, loaded.backend());
            let replaced = shared.send_look(&mut state, choice.resolved, Some(sized), reply);
            drop(state);
            drop(replaced);
        }
        Ok(sized) => {
            drop(state);
            *spare = Some(sized.network().clone());
            reply.refused(superseded());
        }
        // Most likely it was given up because of that.
        Err(_) if !newest => reply.refused(superseded()),
        Err(error) => {
            state.looks.refuse(ticket);
            reply.refused(error);
        }
    }
}

/// Loads the network that finds people, unless the painter has one.
fn find_people(shared: &Shared) -> Result<()> {
    if shared.state().has_finder {
        return Ok(());
    }
    let mut finder = MaskFinder::open(&shared.session())?;
    finder.keep_up();
    finder.prepare(Size::new(shared.info.width() as usize, shared.info.height() as usize), PixelOrder::Bgrx);
    let mut state = shared.state();
    (state.has_finder, state.pending.finder) = (true, Some(finder));
    shared.has_pending.store(true, Ordering::Release);
    Ok(())
}

fn resize(shared: &Shared, ticket: u64, reply: Option<Reply>) {
    let (loaded, bounding_box, weights, newest) = {
        let state = shared.state();
        (state.network.clone(), state.sizing.wanted_box(), state.weights.clone(), state.sizing.is_newest(ticket))
    };
    if !newest {
        if let Some(reply) = reply {
            reply.refused(Error::conflict(Conflict::Superseded, "a later change of the size took its place"));
        }
        return;
    }
    match prepare(shared, None, bounding_box, &weights, || Ok(loaded)) {
        Ok(sized) => {
            // Only this thread changes the network, so that it is still the same.
            let replaced = shared.send_size(&mut shared.state(), ticket, sized, bounding_box, reply);
            drop(replaced);
        }
        Err(error) => {
            shared.refuse_size(&mut shared.state(), ticket);
            match reply {
                Some(reply) => reply.refused(error),
                None => tracing::warn!("the inference size stays as it is: {error}"),
            }
        }
    }
}

fn reopen(shared: &Shared) {
    if let Err(error) = reload(shared) {
        tracing::warn!("the network that paints stays as it was loaded: {error}");
    }
}

/// Loads the network that paints again, and sends it.
fn reload(shared: &Shared) -> Result<()> {
    let (old, bounding_box, weights) = {
        let state = shared.state();
        (state.network.clone(), state.sizing.painted_box(), state.weights.clone())
    };
    let sized = prepare(shared, None, bounding_box, &weights, || Loaded::open(old.manifest(), &shared.session()))?;
    let replaced = shared.send_network(&mut shared.state(), sized);
    drop(replaced);
    Ok(())
}

/// Loads the network that crashed again, unless its new file or another has taken its place meanwhile. When to try again if that
/// fails.
fn restart_network(shared: &Shared, restarts: &mut Restarts) -> Option<Instant> {
    if shared.is_down.load(Ordering::Acquire)
        && let Err(error) = reload(shared)
    {
        return Some(Instant::now() + note_crash(shared, restarts, error, "it is tried again until it loads"));
    }
    if restarts.over(Instant::now()) {
        tracing::info!("network {} paints again", shared.state().network.manifest().name);
    }
    *shared.trouble.locked() = None;
    None
}

/// Why nothing is painted now, for those who ask; in the log once. How long to wait before it is loaded again.
fn note_crash(shared: &Shared, restarts: &mut Restarts, error: Error, then: &str) -> Duration {
    let Restart { wait, is_news } = restarts.crashed(error.to_string(), Instant::now());
    match is_news {
        true => tracing::warn!("{error}; {then}"),
        false => tracing::debug!("{error}; it is loaded again in {wait:?}"),
    }
    *shared.trouble.locked() = Some(error);
    wait
}

/// The network that `open` opens, warm for the live picture; for the look of this number, if for one. What panics on the
/// way is an error like others.
fn prepare(
    shared: &Shared,
    look: Option<u64>,
    bounding_box: Option<Size>,
    weights: &Weights,
    open: impl FnOnce() -> Result<Loaded>,
) -> Result<SizedNetwork> {
    let prepare = || {
        let mut sized = SizedNetwork::new(open()?, bounding_box)?;
        sized.set_weights(weights);
        shared.try_with(sized.stop(), look)?;
        sized.prepare(Size::new(shared.info.width() as usize, shared.info.height() as usize), PixelOrder::Bgrx)?;
        Ok(sized)
    };
    let panicked = |_| Err(Error::model("the network cannot be loaded: the loader panicked; the log says where"));
    let prepared = catch_unwind(AssertUnwindSafe(prepare)).unwrap_or_else(panicked);
    shared.tried();
    prepared
}
