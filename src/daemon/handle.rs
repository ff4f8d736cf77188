//! The handle of a running stream: what the HTTP server asks of it.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};

use super::history::History;
use super::output_keeper::OutputKeeper;
use super::recorder::Recorder;
use super::source_keeper::Switch;
use super::source_state::Playing;
use crate::capture::Source;
use crate::config::outputs::OutputsPlan;
use crate::control::contract::{
    Change, LookNow, OutputState, OutputWish, Painted, RecordNow, SettingsNow, SettingsPatch, SourceRequest,
    StreamState, StreamStatus,
};
use crate::control::{self, ApiError, ApiFuture, ApiResult, run_blocking};
use crate::engine::{Answer, Control};
use crate::error::{Conflict, Error, Result};
use crate::metrics::Counters;
use crate::output::{Admitted, Naming, Output, Outputs, Preview, PreviewOf, Viewer, WebRtc};
use crate::style::{Look, LookPatch};
use crate::sync::Locked;

/// How many failures of outputs are remembered.
const FAILURES_KEPT: usize = 10;

/// The frame rate is measured over at least this time.
const RATE_WINDOW: Duration = Duration::from_secs(1);

const NO_WEBRTC: &str =
    "this stream is not shown over WebRTC: set webrtc = true under [output], or add an output of the type `webrtc`";

/// What a stream is made of, as far as others may ask for it.
pub struct Handle {
    pub name: String,
    pub control: Control,
    pub switch: Sender<Switch>,
    pub outputs: Arc<Outputs>,
    pub counters: Arc<Counters>,
    pub preview: Arc<Preview>,
    pub recorder: Arc<Recorder>,
    /// The source that plays now.
    pub source: Arc<Mutex<Source>>,
    pub output_keeper: Arc<OutputKeeper>,
    /// WIDTHxHEIGHT of every output.
    pub picture: String,
    pub nominal_fps: u32,
    pub sound: bool,
    pub begun: Instant,
    pub rate: Mutex<Rate>,
    pub failures: Mutex<VecDeque<String>>,
    pub history: Mutex<History>,
    /// Notified when something other than figures changes.
    pub changes: Arc<Notify>,
}

/// The frame rate over the latest window.
#[derive(Debug)]
pub struct Rate {
    since: Instant,
    painted: u64,
    fps: f64,
}

impl Default for Rate {
    fn default() -> Self {
        Self { since: Instant::now(), painted: 0, fps: 0.0 }
    }
}

impl Rate {
    /// Takes a reading of the number of painted frames; call it twice a second.
    fn note(&mut self, painted: u64, now: Instant) {
        let passed = now.duration_since(self.since);
        if passed >= RATE_WINDOW {
            let fps = (painted - self.painted) as f64 / passed.as_secs_f64();
            *self = Self { since: now, painted, fps };
        }
    }
}

impl Handle {
    /// Takes readings; call it twice a second.
    pub fn tick(&self) {
        let painted = self.counters.painted.load(std::sync::atomic::Ordering::Relaxed);
        self.rate.locked().note(painted, Instant::now());
    }

    /// Remembers that an output failed.
    pub fn note_failure(&self, error: &Error) {
        let mut failures = self.failures.locked();
        failures.truncate(FAILURES_KEPT - 1);
        failures.push_front(error.to_string());
        drop(failures);
        self.changed();
    }

    /// Goes over to another source, which is opened while the old one plays on; the output keeps its size. The answer
    /// comes with its first picture, or says why it does not open: then the old one stays.
    ///
    /// # Errors
    /// The source does not open, or is an output of this stream.
    pub async fn take_source(&self, playing: Playing, is_configured: bool) -> Result<()> {
        self.output_keeper.refuse_own(&playing.source)?;
        let (reply, answer) = oneshot::channel();
        // A keeper that is gone drops the reply.
        let _ = self.switch.send(Switch { playing, is_configured, reply });
        answer.await.map_err(|_| {
            let what = "the stream ended before it took the source; if it starts anew, try again then";
            Error::conflict(Conflict::Ended, what)
        })?
    }

    /// Goes over to other outputs; those that stay are not touched. `again`: it is not the first try. Returns what was
    /// refused.
    pub async fn take_outputs(&self, plan: OutputsPlan, again: bool) -> Vec<Error> {
        let keeper = Arc::clone(&self.output_keeper);
        let changed = run_blocking(move || Ok(keeper.change(&plan, again))).await;
        self.changed();
        changed.unwrap_or_else(|refusal| vec![refusal.into()])
    }

    /// Goes over to what the config changed of network and look; it answers as for a look.
    pub async fn configure(&self, network: Option<String>, look: LookPatch) -> ApiResult<Change<LookNow>> {
        let answer = self.ask(|control| match network {
            Some(network) => control.configure(&network, &look),
            None => control.patch_look(&look),
        });
        self.look_now(answer.map(|answer| vec![answer])).await
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

    fn changed(&self) {
        self.changes.notify_one();
    }

    /// Asks the WebRTC output for something that may block.
    fn with_webrtc<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&WebRtc) -> ApiResult<T> + Send + 'static,
    ) -> ApiFuture<'_, T> {
        let output = self.outputs.all().into_iter().find(|output| output.webrtc().is_some());
        Box::pin(async move {
            let answer = run_blocking(move || match output.as_ref().and_then(|output| output.webrtc()) {
                Some(webrtc) => ask(webrtc),
                None => Err(ApiError::NotFound(NO_WEBRTC.into())),
            });
            let answer = answer.await;
            self.changed();
            answer
        })
    }

    /// How it is painted, or will be as soon as the changes in progress are done.
    pub fn painted(&self) -> Painted {
        let painting = self.control.painting();
        Painted { look: painting.look, network: painting.wanted_network, size: painting.size }
    }

    pub fn is_mirrored(&self) -> bool {
        self.control.painting().mirrored
    }

    /// Mirrors the picture, or no longer, from the next frame on.
    pub fn set_mirrored(&self, mirrored: bool) {
        // Nobody waits for that frame.
        drop(self.control.set_mirrored(mirrored));
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
        self.changed();
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
        self.changed();
        result
    }
}

/// Asks for look, network and size.
fn paint(control: &Control, Painted { look, network, size }: Painted) -> Result<Vec<Answer>> {
    let look = match network.as_str() {
        "" => control.set_look(look),
        network => control.set_look_on(network, look),
    };
    let look = look?;
    let size = (control.painting().size != size).then(|| control.set_size(size));
    std::iter::once(Ok(look)).chain(size).collect()
}

impl control::Stream for Handle {
    fn state(&self) -> StreamState {
        let painting = self.control.painting();
        StreamState {
            name: self.name.clone(),
            status: StreamStatus::Running,
            error: None,
            look: painting.look,
            network: painting.network,
            device: painting.device.into(),
            size: painting.size,
            bounding_box: painting.bounding_box,
            mirrored: painting.mirrored,
            paused: painting.paused,
            source: self.source.locked().to_string(),
            picture: self.picture.clone(),
            nominal_fps: self.nominal_fps,
            sound: self.sound,
            fps: self.rate.locked().fps,
            counts: self.counters.snapshot(),
            outputs: self.outputs(),
            recording: self.recorder.file(),
            recording_s: self.recorder.elapsed().map(|elapsed| elapsed.as_secs()),
            failures: self.failures.locked().iter().rev().cloned().collect(),
            undo: self.history.locked().len(),
            uptime_s: self.begun.elapsed().as_secs(),
        }
    }

    fn outputs(&self) -> Vec<OutputState> {
        self.recorder.settle();
        let state = |output: Arc<dyn Output>| {
            let place = output.place();
            OutputState {
                id: place.id(),
                kind: place.kind.into(),
                place: place.name,
                clients: output.clients(),
                dropped: output.dropped(),
            }
        };
        self.outputs.all().into_iter().map(state).collect()
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn set_look(&self, look: Look) -> ApiFuture<'_, Change<LookNow>> {
        let answer = self.ask(|control| control.set_look(look));
        Box::pin(self.look_now(answer.map(|answer| vec![answer])))
    }

    fn patch_look(&self, patch: LookPatch) -> ApiFuture<'_, Change<LookNow>> {
        let answer = self.ask(|control| control.patch_look(&patch));
        Box::pin(self.look_now(answer.map(|answer| vec![answer])))
    }

    fn set_painted(&self, painted: Painted) -> ApiFuture<'_, Change<LookNow>> {
        let answers = self.ask(|control| paint(control, painted));
        Box::pin(self.look_now(answers))
    }

    fn undo(&self) -> ApiFuture<'_, Change<LookNow>> {
        let Some(before) = self.history.locked().back() else {
            let nothing = "nothing is left to undo: the look is as it was at the start";
            return Box::pin(std::future::ready(Err(ApiError::Conflict(Conflict::NothingToUndo, nothing.into()))));
        };
        let answers = paint(&self.control, before);
        Box::pin(self.look_now(answers))
    }

    fn set_settings(&self, patch: SettingsPatch) -> ApiFuture<'_, Change<SettingsNow>> {
        let answers = self.ask(|control| {
            let network = patch.network.map(|network| control.set_network(&network));
            let mirrored = patch.mirrored.map(|mirrored| Ok(control.set_mirrored(mirrored)));
            let size = patch.size.map(|size| control.set_size(size));
            network.into_iter().chain(mirrored).chain(size).collect::<Result<Vec<Answer>>>()
        });
        Box::pin(async move { self.settings_now(answers?).await })
    }

    fn set_paused(&self, paused: bool) -> ApiFuture<'_, Change<SettingsNow>> {
        let answer = self.control.set_paused(paused);
        Box::pin(self.settings_now(vec![answer]))
    }

    fn set_source(&self, wanted: SourceRequest) -> ApiFuture<'_, StreamState> {
        Box::pin(async move {
            self.take_source(Playing::parse(&wanted)?, false).await?;
            Ok(self.state())
        })
    }

    fn start_recording(&self, file: &Path) -> ApiFuture<'_, RecordNow> {
        let (recorder, file) = (Arc::clone(&self.recorder), file.to_path_buf());
        Box::pin(async move {
            let begin = move || recorder.start(&file, Naming::Exact);
            let file = run_blocking(begin).await?;
            self.changed();
            Ok(RecordNow { file: file.display().to_string(), recording: true })
        })
    }

    fn stop_recording(&self) -> ApiFuture<'_, RecordNow> {
        let recorder = Arc::clone(&self.recorder);
        Box::pin(async move {
            let file = run_blocking(move || recorder.stop()).await;
            self.changed();
            Ok(RecordNow { file: file?.display().to_string(), recording: false })
        })
    }

    fn add_output(&self, wish: OutputWish) -> ApiFuture<'_, Vec<OutputState>> {
        let (keeper, name) = (Arc::clone(&self.output_keeper), self.name.clone());
        let source = self.source.locked().clone();
        Box::pin(async move {
            run_blocking(move || keeper.add(wish, &name, &source)).await?;
            self.changed();
            Ok(self.outputs())
        })
    }

    fn remove_output(&self, id: String) -> ApiFuture<'_, Vec<OutputState>> {
        let (keeper, recorder) = (Arc::clone(&self.output_keeper), Arc::clone(&self.recorder));
        Box::pin(async move {
            let is_recording = recorder.elapsed().is_some() && id == "recording";
            let remove = move || if is_recording { recorder.stop().map(drop) } else { keeper.remove(&id) };
            let removed = run_blocking(remove).await;
            self.changed();
            removed.map(|()| self.outputs())
        })
    }

    fn snapshot(&self) -> ApiFuture<'_, Vec<u8>> {
        let control = self.control.clone();
        Box::pin(run_blocking(move || control.snapshot().map_err(ApiError::from)))
    }

    fn admit(&self, offer: String) -> ApiFuture<'_, Admitted> {
        self.with_webrtc(move |webrtc| Ok(webrtc.admit(&offer)?))
    }

    fn dismiss(&self, viewer: String) -> ApiFuture<'_, ()> {
        self.with_webrtc(move |webrtc| match webrtc.dismiss(&viewer) {
            true => Ok(()),
            false => Err(ApiError::NotFound("there is no such viewer, or no longer".into())),
        })
    }

    fn preview(&self, of: PreviewOf) -> Viewer {
        self.preview.view(of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_taken_over_a_second() {
        let mut rate = Rate::default();
        let begin = rate.since;
        let at = |ms| begin + Duration::from_millis(ms);
        rate.note(15, at(500));
        assert_eq!(rate.fps, 0.0);
        rate.note(30, at(1000));
        assert_eq!(rate.fps, 30.0);
        rate.note(45, at(1500));
        rate.note(45, at(3000));
        assert_eq!(rate.fps, 7.5);
    }
}
