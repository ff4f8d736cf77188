//! The way to the source of a running stream: requests for another one, and what is told of the one that plays.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::source_state::Playing;
use crate::capture::Source;
use crate::error::{Conflict, Error, Result};
use crate::sync::Locked;

/// The request for another source.
pub struct Switch {
    pub wanted: Wanted,
    pub reply: oneshot::Sender<Result<()>>,
}

/// Which one, and of whom.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// The config names it now: it is what the stream goes back to.
    Configured(Playing),
    /// Somebody sets it.
    Set(Playing),
    /// It is the turn of this item of the playlist.
    Listed(Playing),
    /// The playlist is over: the configured one.
    Back,
    /// Nothing of the playlist is there: its last picture.
    Held,
}

/// What those who ask are told of the source.
pub struct Shown {
    pub source: Source,
    /// What somebody set, as it was asked for, while that plays.
    pub set: Option<Playing>,
    /// Why nothing of it is shown now, or not what its file holds.
    pub trouble: Option<String>,
    /// Sources that were given up, until that is told.
    pub given_up: Vec<Error>,
}

impl Shown {
    pub fn new(source: Source, set: Option<Playing>) -> Self {
        Self { source, set, trouble: None, given_up: Vec::new() }
    }
}

/// Takes requests to the source from any thread; [`SourceKeeper`](super::source_keeper::SourceKeeper) does them.
pub struct SourceControl {
    switch: Sender<Switch>,
    shown: Arc<Mutex<Shown>>,
}

impl SourceControl {
    /// Of a stream that plays `source`, which may be one that was `set`. Where the requests arrive, and what is told, are the
    /// keeper's.
    pub fn new(source: Source, set: Option<Playing>) -> (Self, Receiver<Switch>, Arc<Mutex<Shown>>) {
        let (switch, switches) = channel();
        let shown = Arc::new(Mutex::new(Shown::new(source, set)));
        (Self { switch, shown: Arc::clone(&shown) }, switches, shown)
    }

    /// Goes over to another source, which is opened while the old one plays on; the output keeps its size. The answer
    /// comes with its first picture, or says why it does not open: then the old one stays.
    ///
    /// # Errors
    /// The source does not open.
    pub fn send(&self, wanted: Wanted) -> impl Future<Output = Result<()>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        // A keeper that is gone drops the reply.
        let _ = self.switch.send(Switch { wanted, reply });
        async {
            answer.await.map_err(|_| {
                let what = "the stream ended before it took the source; if it starts anew, try again then";
                Error::conflict(Conflict::Ended, what)
            })?
        }
    }

    /// The one that plays.
    pub fn now(&self) -> Source {
        self.shown.locked().source.clone()
    }

    /// What somebody set, as it was asked for, while that plays.
    pub fn set_by_hand(&self) -> Option<Playing> {
        self.shown.locked().set.clone()
    }

    /// Why nothing of it is shown now, or not what its file holds.
    pub fn trouble(&self) -> Option<String> {
        self.shown.locked().trouble.clone()
    }

    /// Sources that were given up since the last call.
    pub fn take_given_up(&self) -> Vec<Error> {
        std::mem::take(&mut self.shown.locked().given_up)
    }
}
