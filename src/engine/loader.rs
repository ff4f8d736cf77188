//! The loader thread: loads networks, warms them up for the live stream, and drops those that have painted their last.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

use super::control::{Reply, Shared};
use crate::error::{Error, Result};
use crate::style::catalog::Choice;
use crate::style::onnx::Loaded;
use crate::style::tensor::PixelOrder;
use crate::style::{Look, Size, SizedNetwork};

/// Work for the loader, done one after the other.
pub(super) enum Job {
    /// Load another network for this look.
    Load { ticket: u64, look: Look, choice: Box<Choice>, reply: Reply },
    /// Prepare the network for the box that the control state says.
    Resize { ticket: u64, reply: Option<Reply> },
    /// Load the network that paints again, because sessions shall run in another way.
    Reopen,
    /// Drop it: freeing a session takes time that the stylise thread does not have.
    Retire(Box<SizedNetwork>),
    /// Nothing will follow.
    End,
}

pub(super) fn start(shared: Arc<Shared>, jobs: Receiver<Job>) -> Result<JoinHandle<()>> {
    let run = move || {
        // A network that was loaded for a look that is no longer wanted: often the next look wants it too.
        let mut spare = None;
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Load { ticket, look, choice, reply } => load(&shared, &mut spare, ticket, look, *choice, reply),
                Job::Resize { ticket, reply } => resize(&shared, ticket, reply),
                Job::Reopen => {
                    spare = None;
                    reopen(&shared);
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

fn load(shared: &Shared, spare: &mut Option<Loaded>, ticket: u64, look: Look, choice: Choice, reply: Reply) {
    let superseded = || Error::conflict("a later change of the look took its place");
    if shared.state().look_ticket != ticket {
        return reply.refused(superseded());
    }
    let bounding_box = shared.state().bounding_box;
    let loaded = match spare.take().filter(|spare| spare.manifest().path == choice.network.path) {
        Some(spare) => Ok(spare),
        None => Loaded::open(&choice.network, &shared.session()),
    };
    let sized = loaded.and_then(|loaded| prepare(shared, loaded, bounding_box, &choice.resolved.weights));
    let mut state = shared.state();
    let newest = state.look_ticket == ticket;
    match sized {
        Ok(sized) if newest => {
            let loaded = sized.network();
            tracing::info!("network {} on {}", loaded.manifest().name, loaded.backend());
            let replaced = shared.send_look(&mut state, look, choice.resolved, Some(sized), reply);
            drop(state);
            drop(replaced);
        }
        Ok(sized) => {
            drop(state);
            *spare = Some(sized.network().clone());
            reply.refused(superseded());
        }
        Err(error) => {
            if newest {
                state.back_to_sent_look();
            }
            reply.refused(error);
        }
    }
}

fn resize(shared: &Shared, ticket: u64, reply: Option<Reply>) {
    let (loaded, bounding_box, weights, newest) = {
        let state = shared.state();
        (state.network.clone(), state.bounding_box, state.weights.clone(), state.size_ticket == ticket)
    };
    let superseded = || Error::conflict("a later change of the size took its place");
    if !newest {
        if let Some(reply) = reply {
            reply.refused(superseded());
        }
        return;
    }
    match prepare(shared, loaded, bounding_box, &weights) {
        Ok(sized) => {
            // Only this thread changes the network, so that it is still the same.
            let replaced = shared.send_size(&mut shared.state(), sized, reply);
            drop(replaced);
        }
        Err(error) => match reply {
            Some(reply) => reply.refused(error),
            None => tracing::warn!("the inference size stays as it is: {error}"),
        },
    }
}

fn reopen(shared: &Shared) {
    let (old, bounding_box, weights) = {
        let state = shared.state();
        (state.network.clone(), state.bounding_box, state.weights.clone())
    };
    let loaded = Loaded::open(old.manifest(), &shared.session());
    match loaded.and_then(|loaded| prepare(shared, loaded, bounding_box, &weights)) {
        Ok(sized) => {
            let mut state = shared.state();
            state.network = sized.network().clone();
            let replaced = shared.send_size(&mut state, sized, None);
            drop(state);
            drop(replaced);
        }
        Err(error) => tracing::warn!("the threads of inference stay as they are: {error}"),
    }
}

/// The network, warm for the live picture.
fn prepare(shared: &Shared, loaded: Loaded, bounding_box: Option<Size>, weights: &[f32]) -> Result<SizedNetwork> {
    let mut sized = SizedNetwork::new(loaded, bounding_box)?;
    sized.set_weights(weights);
    sized.prepare(Size::new(shared.info.width() as usize, shared.info.height() as usize), PixelOrder::Bgrx)?;
    Ok(sized)
}
