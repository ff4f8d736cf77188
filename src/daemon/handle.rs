//! The handle of a running stream: what the HTTP server and the daemon ask of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::figures::Figures;
use super::look_control::LookControl;
use super::output_keeper::OutputKeeper;
use super::report::{Started, Status};
use super::show::Show;
use super::sound_control::driven_state;
use super::source_control::{SourceControl, Wanted};
use super::source_state::Playing;
use crate::capture::Source;
use crate::config::StreamConfig;
use crate::config::outputs::OutputsPlan;
use crate::control::contract::{
    Change, DrivenState, LookNow, OutputState, OutputWish, Painted, RecordNow, SettingsNow, SettingsPatch, ShowRequest,
    ShowState, SourceRequest, StreamState, StreamStatus,
};
use crate::control::{self, ApiError, ApiFuture, ApiResult, run_blocking};
use crate::engine::SoundDrive;
use crate::error::{Error, Result};
use crate::metrics::{Counters, Snapshot};
use crate::output::{Admitted, Naming, Output, PreviewOf, Viewer, WebRtc};
use crate::style::look::{Drive, Drives};
use crate::style::{Look, LookPatch};

const NO_WEBRTC: &str =
    "this stream is not shown over WebRTC: set webrtc = true under [output], or add an output of the type `webrtc`";

/// Looks into a running stream and changes it, from any thread.
pub struct Handle {
    started: Started,
    look: LookControl,
    source: SourceControl,
    outputs: Arc<OutputKeeper>,
    show: Arc<Show>,
    sound: Arc<SoundDrive>,
    figures: Figures,
    /// Notified when something other than figures changes.
    changes: Arc<Notify>,
}

impl Handle {
    /// Of a stream that begins now: what it is, the ways to its parts, and what it counts.
    pub fn new(
        started: Started,
        look: LookControl,
        source: SourceControl,
        outputs: OutputKeeper,
        (show, sound): (Arc<Show>, Arc<SoundDrive>),
        counters: Arc<Counters>,
        changes: Arc<Notify>,
    ) -> Self {
        Self {
            started,
            look,
            source,
            outputs: Arc::new(outputs),
            show,
            sound,
            figures: Figures::new(counters),
            changes,
        }
    }

    /// What it was when it began.
    pub fn started(&self) -> &Started {
        &self.started
    }

    /// How it is painted, and the way to change that beyond what [`control::Stream`] can ask for.
    pub fn look(&self) -> &LookControl {
        &self.look
    }

    /// The source that plays now.
    pub fn source(&self) -> Source {
        self.source.now()
    }

    /// The source that somebody set, as it was asked for, while that plays.
    pub fn source_by_hand(&self) -> Option<Playing> {
        self.source.set_by_hand()
    }

    /// Takes readings; call it twice a second.
    pub fn tick(&self) {
        self.figures.tick();
    }

    /// How long it has run.
    pub fn uptime(&self) -> Duration {
        self.figures.uptime()
    }

    /// The figures as they are now: of the time that `passed` since they were as in `before`, and since the start.
    pub fn status(&self, before: &Snapshot, passed: Duration) -> Status {
        let (counts, outputs) = (self.figures.counters().snapshot(), self.outputs.list());
        Status {
            stream: self.started.stream.clone(),
            frames_per_second: (counts.painted - before.painted) as f64 / passed.as_secs_f64(),
            clients: outputs.clients(),
            resting: outputs.is_resting(),
            dropped_by_outputs: outputs.dropped(),
            counts,
        }
    }

    /// Remembers that an output failed.
    pub fn note_failure(&self, error: &Error) {
        self.figures.note_failure(error);
        self.changed();
    }

    /// Outputs that failed, and sources that were given up, since the last call.
    pub fn take_failures(&self) -> Vec<Error> {
        // A recording that failed is no output any more.
        let mut failures = self.outputs.recorder().take_failures();
        failures.extend(self.source.take_given_up());
        failures.extend(self.outputs.list().failures());
        failures
    }

    /// Whether an output has stopped working, or one that was added is missing, and has to be opened anew.
    pub fn has_lost_outputs(&self) -> bool {
        self.outputs.has_lost()
    }

    /// The file that is being recorded into, or finished.
    pub fn recording(&self) -> Option<String> {
        self.outputs.recorder().file()
    }

    /// As [`SourceControl::send`].
    ///
    /// # Errors
    /// The source does not open.
    pub fn send_source(&self, wanted: Wanted) -> impl Future<Output = Result<()>> + Send + use<> {
        self.source.send(wanted)
    }

    /// # Errors
    /// The source is an output of this stream.
    pub fn refuse_own(&self, source: &Source) -> Result<()> {
        self.outputs.refuse_own(source)
    }

    /// Goes over to a source that somebody sets: what plays of the playlist comes back only when that is resumed.
    async fn set_by_hand(&self, playing: Playing) -> Result<()> {
        self.refuse_own(&playing.source)?;
        let mut answer = None;
        let before = self.show.suspend(|| answer = Some(self.send_source(Wanted::Set(playing))));
        let outcome = match answer {
            Some(answer) => answer.await,
            None => Ok(()),
        };
        if outcome.is_err() {
            self.show.unsuspend(before);
        }
        self.changed();
        outcome
    }

    /// Goes over to other outputs; those that stay are not touched. `again`: it is not the first try. Returns what was
    /// refused.
    pub async fn take_outputs(&self, plan: OutputsPlan, again: bool) -> Vec<Error> {
        let keeper = Arc::clone(&self.outputs);
        let changed = run_blocking(move || Ok(keeper.change(&plan, again))).await;
        self.changed();
        changed.unwrap_or_else(|refusal| vec![refusal.into()])
    }

    /// Goes over to the show of a changed config.
    pub fn configure_show(&self, config: &StreamConfig) {
        self.show.configure(config);
    }

    /// Lets the sound drive what a changed config says.
    pub fn configure_sound(&self, drives: &Drives) {
        self.sound.configure(drives);
    }

    /// Something other than figures has changed.
    pub fn changed(&self) {
        self.changes.notify_one();
    }

    /// The stream ends, and nothing is painted any more: waits until its outputs and its recording are finished.
    ///
    /// # Errors
    /// One of them is not complete.
    pub fn finish(&self) -> Result<()> {
        self.outputs.finish()
    }

    /// Asks the outputs for something that may block, and tells that it is done.
    async fn ask_outputs<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&OutputKeeper) -> ApiResult<T> + Send + 'static,
    ) -> ApiResult<T> {
        let outputs = Arc::clone(&self.outputs);
        let answer = run_blocking(move || ask(&outputs)).await;
        self.changed();
        answer
    }

    /// Asks the WebRTC output for something that may block.
    fn ask_webrtc<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&WebRtc) -> ApiResult<T> + Send + 'static,
    ) -> ApiFuture<'_, T> {
        Box::pin(self.ask_outputs(move |outputs| {
            let all = outputs.list().all();
            match all.iter().find_map(|output| output.webrtc()) {
                Some(webrtc) => ask(webrtc),
                None => Err(ApiError::NotFound(NO_WEBRTC.into())),
            }
        }))
    }
}

impl control::Stream for Handle {
    fn state(&self) -> StreamState {
        let (painting, recorder) = (self.look.painting(), self.outputs.recorder());
        StreamState {
            name: self.started.stream.clone(),
            status: StreamStatus::Running,
            error: self.why_unpainted().or_else(|| self.source.trouble()),
            look: painting.look,
            network: painting.network,
            device: painting.device.into(),
            size: painting.size,
            bounding_box: painting.bounding_box,
            mirrored: painting.mirrored,
            paused: painting.paused,
            source: self.source().to_string(),
            picture: self.started.picture.clone(),
            nominal_fps: self.started.frames_per_second,
            sound: self.started.sound || self.outputs.list().have_sound(),
            fps: self.figures.fps(),
            counts: self.figures.counters().snapshot(),
            outputs: self.outputs(),
            recording: recorder.file(),
            recording_s: recorder.elapsed().map(|elapsed| elapsed.as_secs()),
            failures: self.figures.failures(),
            undo: self.look.undo_steps(),
            show: self.show.state().without_items(),
            driven: self.driven(),
            uptime_s: self.uptime().as_secs(),
        }
    }

    fn outputs(&self) -> Vec<OutputState> {
        self.outputs.recorder().settle();
        let state = |output: Arc<dyn Output>| {
            let place = output.place();
            OutputState {
                id: place.id(),
                kind: place.kind.into(),
                place: place.name,
                clients: output.clients(),
                dropped: output.dropped(),
                error: output.error().map(|error| error.to_string()),
            }
        };
        self.outputs.list().all().into_iter().map(state).collect()
    }

    fn why_unpainted(&self) -> Option<String> {
        self.look.trouble()
    }

    fn counters(&self) -> &Counters {
        self.figures.counters()
    }

    fn set_look(&self, look: Look) -> ApiFuture<'_, Change<LookNow>> {
        self.look.set_look(look)
    }

    fn patch_look(&self, patch: LookPatch) -> ApiFuture<'_, Change<LookNow>> {
        self.look.patch_look(&patch)
    }

    fn set_painted(&self, painted: Painted) -> ApiFuture<'_, Change<LookNow>> {
        self.look.set_painted(painted)
    }

    fn undo(&self) -> ApiFuture<'_, Change<LookNow>> {
        self.look.undo()
    }

    fn set_settings(&self, patch: SettingsPatch) -> ApiFuture<'_, Change<SettingsNow>> {
        self.look.set_settings(patch)
    }

    fn set_paused(&self, paused: bool) -> ApiFuture<'_, Change<SettingsNow>> {
        self.look.set_paused(paused)
    }

    fn set_source(&self, wanted: SourceRequest) -> ApiFuture<'_, StreamState> {
        Box::pin(async move {
            self.set_by_hand(Playing::parse(&wanted)?).await?;
            Ok(self.state())
        })
    }

    fn show(&self) -> ShowState {
        self.show.state()
    }

    fn command_show(&self, request: ShowRequest) -> ApiResult<ShowState> {
        self.show.command(request)?;
        self.changed();
        Ok(self.show.state())
    }

    fn driven(&self) -> DrivenState {
        driven_state(&self.sound)
    }

    fn set_drive(&self, parameter: &str, drive: Option<Drive>) -> ApiResult<DrivenState> {
        self.sound.set(parameter, drive)?;
        self.changed();
        Ok(self.driven())
    }

    fn start_recording(&self, file: &Path) -> ApiFuture<'_, RecordNow> {
        let file = file.to_path_buf();
        Box::pin(async move {
            let file = self.ask_outputs(move |outputs| outputs.recorder().start(&file, Naming::Exact)).await?;
            Ok(RecordNow { file: file.display().to_string(), recording: true })
        })
    }

    fn stop_recording(&self) -> ApiFuture<'_, RecordNow> {
        Box::pin(async move {
            let file = self.ask_outputs(|outputs| outputs.recorder().stop()).await?;
            Ok(RecordNow { file: file.display().to_string(), recording: false })
        })
    }

    fn add_output(&self, wish: OutputWish) -> ApiFuture<'_, Vec<OutputState>> {
        let (name, source) = (self.started.stream.clone(), self.source());
        Box::pin(async move {
            self.ask_outputs(move |outputs| outputs.add(wish, &name, &source)).await?;
            Ok(self.outputs())
        })
    }

    fn remove_output(&self, id: String) -> ApiFuture<'_, Vec<OutputState>> {
        Box::pin(async move {
            self.ask_outputs(move |outputs| outputs.remove(&id)).await?;
            Ok(self.outputs())
        })
    }

    fn snapshot(&self) -> ApiFuture<'_, Vec<u8>> {
        self.look.snapshot()
    }

    fn admit(&self, offer: String) -> ApiFuture<'_, Admitted> {
        self.ask_webrtc(move |webrtc| Ok(webrtc.admit(&offer)?))
    }

    fn dismiss(&self, viewer: String) -> ApiFuture<'_, ()> {
        self.ask_webrtc(move |webrtc| match webrtc.dismiss(&viewer) {
            true => Ok(()),
            false => Err(ApiError::NotFound("there is no such viewer, or no longer".into())),
        })
    }

    fn preview(&self, of: PreviewOf) -> Viewer {
        self.outputs.preview(of)
    }
}
