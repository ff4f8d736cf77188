//! The loader thread: loads networks, warms them up for the live stream, and drops those that have painted their last.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

use super::control::{Reply, Shared};
use crate::error::{Error, Result};
use crate::style::catalog::Choice;
use crate::style::onnx::Loaded;
use crate::style::tensor::PixelOrder;
use crate::style::{Brush, Look, Size};

/// Work for the loader, done one after the other.
pub(super) enum Job {
    /// Load another network for this look.
    Load { ticket: u64, look: Look, choice: Box<Choice>, reply: Reply },
    /// Prepare the network for the box that the desk says.
    Resize { ticket: u64, reply: Option<Reply> },
    /// Load the network that paints again, because sessions shall run in another way.
    Reopen,
    /// Drop it: freeing a session takes time that the stylise thread does not have.
    Retire(Box<Brush>),
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
                Job::Retire(brush) => drop(brush),
                Job::End => break,
            }
        }
    };
    let span = tracing::Span::current();
    let spawned = std::thread::Builder::new().name("loader".into()).spawn(move || span.in_scope(run));
    spawned.map_err(|error| Error::model(format!("thread loader does not start: {error}")))
}

fn load(shared: &Shared, spare: &mut Option<Loaded>, ticket: u64, look: Look, choice: Choice, reply: Reply) {
    let superseded = || Error::usage("a later change of the look took its place");
    if shared.desk().look_ticket != ticket {
        return reply.refused(superseded());
    }
    let room = shared.desk().room;
    let loaded = match spare.take().filter(|spare| spare.manifest().path == choice.network.path) {
        Some(spare) => Ok(spare),
        None => Loaded::open(&choice.network, &shared.session()),
    };
    let brush = loaded.and_then(|loaded| prepare(shared, loaded, room, &choice.recipe.weights));
    let mut desk = shared.desk();
    let newest = desk.look_ticket == ticket;
    match brush {
        Ok(brush) if newest => {
            let loaded = brush.network();
            tracing::info!("network {} on {}", loaded.manifest().name, loaded.device().name());
            let replaced = shared.send_look(&mut desk, look, choice.recipe, Some(brush), reply);
            drop(desk);
            drop(replaced);
        }
        Ok(brush) => {
            drop(desk);
            *spare = Some(brush.network().clone());
            reply.refused(superseded());
        }
        Err(error) => {
            if newest {
                desk.back_to_sent_look();
            }
            reply.refused(error);
        }
    }
}

fn resize(shared: &Shared, ticket: u64, reply: Option<Reply>) {
    let (loaded, room, weights, newest) = {
        let desk = shared.desk();
        (desk.network.clone(), desk.room, desk.weights.clone(), desk.size_ticket == ticket)
    };
    let superseded = || Error::usage("a later change of the size took its place");
    if !newest {
        if let Some(reply) = reply {
            reply.refused(superseded());
        }
        return;
    }
    match prepare(shared, loaded, room, &weights) {
        Ok(brush) => {
            // Only this thread changes the network, so that it is still the same.
            let replaced = shared.send_size(&mut shared.desk(), brush, reply);
            drop(replaced);
        }
        Err(error) => match reply {
            Some(reply) => reply.refused(error),
            None => tracing::warn!("the inference size stays as it is: {error}"),
        },
    }
}

fn reopen(shared: &Shared) {
    let (old, room, weights) = {
        let desk = shared.desk();
        (desk.network.clone(), desk.room, desk.weights.clone())
    };
    let loaded = Loaded::open(old.manifest(), &shared.session());
    match loaded.and_then(|loaded| prepare(shared, loaded, room, &weights)) {
        Ok(brush) => {
            let mut desk = shared.desk();
            desk.network = brush.network().clone();
            let replaced = shared.send_size(&mut desk, brush, None);
            drop(desk);
            drop(replaced);
        }
        Err(error) => tracing::warn!("the threads of inference stay as they are: {error}"),
    }
}

/// A brush that is warm for the live picture.
fn prepare(shared: &Shared, loaded: Loaded, room: Option<Size>, weights: &[f32]) -> Result<Brush> {
    let mut brush = Brush::new(loaded, room)?;
    brush.set_weights(weights);
    brush.prepare(Size::new(shared.info.width() as usize, shared.info.height() as usize), PixelOrder::Bgrx)?;
    Ok(brush)
}
