//! How a running stream is painted: changes that can be undone, and the answers to them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::history::History;
use crate::control::contract::{Change, LookNow, Painted, SettingsNow, SettingsPatch};
use crate::control::{ApiError, ApiFuture, ApiResult, run_blocking};
use crate::engine::{Answer, Control, Painting};
use crate::error::{Conflict, Result};
use crate::style::{Look, LookPatch};
use crate::sync::Locked;

/// The control of a stream, and how it was painted before.
pub struct LookControl {
    control: Control,
    history: Mutex<History>,
    /// Notified when a change is asked for, and when it is done.
    changes: Arc<Notify>,
}

impl LookControl {
    pub fn new(control: Control, changes: Arc<Notify>) -> Self {
        Self { control, history: Mutex::default(), changes }
    }

    /// How it is painted now, and what was asked for.
    pub fn painting(&self) -> Painting {
        self.control.painting()
    }

    /// How it is painted, or will be as soon as the changes in progress are done.
    pub fn painted(&self) -> Painted {
        let painting = self.control.painting();
        Painted { look: painting.look, network: painting.wanted_network, size: painting.size }
    }

    /// How many changes can be undone.
    pub fn undo_steps(&self) -> usize {
        self.history.locked().len()
    }

    /// Why the network paints nothing now.
    pub fn trouble(&self) -> Option<String> {
        self.control.trouble().map(|error| error.to_string())
    }

    pub fn set_look(&self, look: Look) -> ApiFuture<'_, Change<LookNow>> {
        let answer = self.ask(|control| control.set_look(look));
        Box::pin(self.look_now(answer.map(|answer| vec![answer])))
    }

    pub fn patch_look(&self, patch: &LookPatch) -> ApiFuture<'_, Change<LookNow>> {
        let answer = self.ask(|control| control.patch_look(patch));
        Box::pin(self.look_now(answer.map(|answer| vec![answer])))
    }

    pub fn set_painted(&self, painted: Painted) -> ApiFuture<'_, Change<LookNow>> {
        let answers = self.ask(|control| paint(control, painted, |network, look| set(control, network, look)));
        Box::pin(self.look_now(answers))
    }

    pub fn undo(&self) -> ApiFuture<'_, Change<LookNow>> {
        let Some(before) = self.history.locked().back() else {
            let nothing = "nothing is left to undo: the look is as it was at the start";
            return Box::pin(std::future::ready(Err(ApiError::Conflict(Conflict::NothingToUndo, nothing.into()))));
        };
        let answers = paint(&self.control, before, |network, look| set(&self.control, network, look));
        Box::pin(self.look_now(answers))
    }

    pub fn set_settings(&self, patch: SettingsPatch) -> ApiFuture<'_, Change<SettingsNow>> {
        let answers = self.ask(|control| {
            let network = patch.network.map(|network| control.set_network(&network));
            let mirrored = patch.mirrored.map(|mirrored| Ok(control.set_mirrored(mirrored)));
            let size = patch.size.map(|size| control.set_size(size));
            network.into_iter().chain(mirrored).chain(size).collect::<Result<Vec<Answer>>>()
        });
        Box::pin(async move { self.settings_now(answers?).await })
    }

    pub fn set_paused(&self, paused: bool) -> ApiFuture<'_, Change<SettingsNow>> {
        let answer = self.control.set_paused(paused);
        Box::pin(self.settings_now(vec![answer]))
    }

    /// Goes over to what the config changed of network and look; it answers as for a look.
    pub async fn configure(&self, network: Option<String>, look: LookPatch) -> ApiResult<Change<LookNow>> {
        let answer = self.ask(|control| match network {
            Some(network) => control.configure(&network, &look),
            None => control.patch_look(&look),
        });
        self.look_now(answer.map(|answer| vec![answer])).await
    }

    /// Fades to a look of the programme within that time. It is no change that can be undone, and one that somebody makes
    /// meanwhile takes its place.
    pub async fn fade_to(&self, painted: Painted, fade: Duration) -> ApiResult<()> {
        let answers = paint(&self.control, painted, |network, look| self.control.fade_to(network, look, fade));
        match self.look_now(answers).await {
            Err(ApiError::Conflict(Conflict::Superseded, _)) | Ok(_) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    /// Loads the network that paints again if its files have changed; the old one paints on until the new one does.
    ///
    /// # Errors
    /// The new one cannot be used.
    pub async fn renew_network(&self) -> Result<()> {
        let control = self.control.clone();
        // The folder of the network may lie on a slow disk.
        let answer = run_blocking(move || control.renew_network().map_err(Into::into)).await?;
        match answer {
            Some(answer) => self.applied(vec![answer]).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Mirrors the picture, or no longer, from the next frame on.
    pub fn set_mirrored(&self, mirrored: bool) {
        // Nobody waits for that frame.
        drop(self.control.set_mirrored(mirrored));
    }

    /// How many threads the network has; none for as many as there are.
    pub fn set_threads(&self, threads: Option<usize>) {
        self.control.set_threads(threads);
    }

    /// The latest painted frame as a PNG file.
    pub fn snapshot(&self) -> ApiFuture<'_, Vec<u8>> {
        let control = self.control.clone();
        Box::pin(run_blocking(move || control.snapshot().map_err(ApiError::from)))
    }

    /// The stream ends: nothing is loaded any more.
    pub fn close(&self) {
        self.control.close();
    }

    /// Asks for a change that can be undone.
    fn ask<T>(&self, change: impl FnOnce(&Control) -> Result<T>) -> Result<T> {
        let before = self.painted();
        let answer = change(&self.control)?;
        self.history.locked().note(before, &self.painted(), Instant::now());
        Ok(answer)
    }

    async fn look_now(&self, answers: Result<Vec<Answer>>) -> ApiResult<Change<LookNow>> {
        let answers = answers?;
        // A network may take seconds to load: what is asked for is told at once.
        self.changes.notify_one();
        let (frame, took_ms) = self.applied(answers).await?;
        let painting = self.control.painting();
        let catalog = self.control.catalog();
        let network = catalog.named(&painting.network);
        let note = network.ok().and_then(|network| painting.look.note_on(network));
        let now = LookNow { look: painting.look, network: painting.network, note };
        Ok(Change { now, frame, took_ms })
    }

    async fn settings_now(&self, answers: Vec<Answer>) -> ApiResult<Change<SettingsNow>> {
        let (frame, took_ms) = self.applied(answers).await?;
        let painting = self.control.painting();
        let (network, size) = (painting.network, painting.size);
        let now = SettingsNow { network, size, mirrored: painting.mirrored, paused: painting.paused };
        Ok(Change { now, frame, took_ms })
    }

    /// Waits for all answers: the frame that shows the last of them, and the milliseconds until then.
    async fn applied(&self, answers: Vec<Answer>) -> Result<(Option<u64>, f64)> {
        let mut result = Ok((None, 0.0));
        for answer in answers {
            match answer.await {
                Ok(applied) => result = result.map(|_| (applied.frame, applied.took_ms)),
                Err(error) => result = result.and(Err(error)),
            }
        }
        // What was refused is as it was before: there is nothing to go back to.
        self.history.locked().forget(&self.painted());
        self.changes.notify_one();
        result
    }
}

/// Asks for look and network by `set`, and for the size.
fn paint(
    control: &Control,
    Painted { look, network, size }: Painted,
    set: impl FnOnce(&str, Look) -> Result<Answer>,
) -> Result<Vec<Answer>> {
    let look = set(&network, look)?;
    let size = (control.painting().size != size).then(|| control.set_size(size));
    std::iter::once(Ok(look)).chain(size).collect()
}

/// With the network of that name, or without one, the one that fits best.
fn set(control: &Control, network: &str, look: Look) -> Result<Answer> {
    match network {
        "" => control.set_look(look),
        network => control.set_look_on(network, look),
    }
}
