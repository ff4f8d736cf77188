//! The handle of a running stream: what the HTTP server asks of it.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use tokio::task::spawn_blocking;

use super::output_keeper::OutputKeeper;
use super::recorder::Recorder;
use super::source_keeper::Switch;
use super::source_state::Playing;
use crate::config::outputs::OutputsPlan;
use crate::control::contract::{
    Change, LookNow, OutputState, RecordNow, SettingsNow, SettingsPatch, SourceRequest, StreamState, StreamStatus,
};
use crate::control::{self, ApiError, ApiFuture, ApiResult};
use crate::engine::{Answer, Control};
use crate::error::{Error, Result};
use crate::metrics::Counters;
use crate::output::{Naming, Outputs, Preview, PreviewOf, Viewer};
use crate::style::{Look, LookPatch};
use crate::sync::Locked;

/// How many failures of outputs are remembered.
const FAILURES_KEPT: usize = 10;

/// The frame rate is measured over at least this time.
const RATE_WINDOW: Duration = Duration::from_secs(1);

/// What a stream is made of, as far as others may ask for it.
pub struct Handle {
    pub name: String,
    pub control: Control,
    pub switch: Sender<Switch>,
    pub outputs: Arc<Outputs>,
    pub counters: Arc<Counters>,
    pub preview: Arc<Preview>,
    pub recorder: Arc<Recorder>,
    /// The source that plays now, without passwords.
    pub source: Arc<Mutex<String>>,
    pub output_keeper: Arc<OutputKeeper>,
    /// WIDTHxHEIGHT of every output.
    pub picture: String,
    pub nominal_fps: u32,
    pub sound: bool,
    pub begun: Instant,
    pub rate: Mutex<Rate>,
    pub failures: Mutex<VecDeque<String>>,
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
    /// The source does not open, or is a virtual camera of this stream.
    pub async fn take_source(&self, playing: Playing, is_configured: bool) -> Result<()> {
        self.output_keeper.refuse_own(&playing.source)?;
        let (reply, answer) = oneshot::channel();
        // A keeper that is gone drops the reply.
        let _ = self.switch.send(Switch { playing, is_configured, reply });
        answer.await.map_err(|_| Error::output("the stream ended before it took the source"))?
    }

    /// Goes over to other outputs; those that stay are not touched. `again`: it is not the first try. Returns what was
    /// refused.
    pub async fn take_outputs(&self, plan: OutputsPlan, again: bool) -> Vec<Error> {
        let keeper = Arc::clone(&self.output_keeper);
        let changed = run_blocking(move || Ok(keeper.change(&plan, again))).await;
        self.changed();
        changed.unwrap_or_else(|refusal| vec![refusal.into()])
    }

    fn changed(&self) {
        self.changes.notify_one();
    }

    async fn look_now(&self, answer: Result<Answer>) -> ApiResult<Change<LookNow>> {
        let answer = answer?;
        // A network may take seconds to load: what is asked for is told at once.
        self.changed();
        let applied = answer.await;
        self.changed();
        let applied = applied?;
        let painting = self.control.painting();
        let now = LookNow { look: painting.look, network: painting.network };
        Ok(Change { now, frame: applied.frame, took_ms: applied.took_ms })
    }

    async fn settings_now(&self, answers: Vec<Answer>) -> ApiResult<Change<SettingsNow>> {
        let (mut frame, mut took_ms) = (None, 0.0);
        for answer in answers {
            let applied = answer.await?;
            (frame, took_ms) = (applied.frame, applied.took_ms);
        }
        self.changed();
        let painting = self.control.painting();
        let now = SettingsNow { size: painting.size, mirrored: painting.mirrored, paused: painting.paused };
        Ok(Change { now, frame, took_ms })
    }
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
            source: self.source.locked().clone(),
            picture: self.picture.clone(),
            nominal_fps: self.nominal_fps,
            sound: self.sound,
            fps: self.rate.locked().fps,
            counts: self.counters.snapshot(),
            outputs: self.outputs(),
            recording: self.recorder.file(),
            failures: self.failures.locked().iter().rev().cloned().collect(),
            uptime_s: self.begun.elapsed().as_secs(),
        }
    }

    fn outputs(&self) -> Vec<OutputState> {
        self.recorder.settle();
        let state = |output: Arc<dyn crate::output::Output>| {
            let place = output.place();
            OutputState {
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
        let answer = self.control.set_look(look);
        Box::pin(self.look_now(answer))
    }

    fn patch_look(&self, patch: LookPatch) -> ApiFuture<'_, Change<LookNow>> {
        let answer = self.control.patch_look(&patch);
        Box::pin(self.look_now(answer))
    }

    fn set_settings(&self, patch: SettingsPatch) -> ApiFuture<'_, Change<SettingsNow>> {
        let mirrored = patch.mirrored.map(|mirrored| Ok(self.control.set_mirrored(mirrored)));
        let size = patch.size.map(|size| self.control.set_size(size));
        let answers: Result<Vec<Answer>> = mirrored.into_iter().chain(size).collect();
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

    fn snapshot(&self) -> ApiFuture<'_, Vec<u8>> {
        let control = self.control.clone();
        Box::pin(run_blocking(move || control.snapshot().map_err(ApiError::from)))
    }

    fn preview(&self, of: PreviewOf) -> Viewer {
        self.preview.view(of)
    }
}

/// Runs what blocks on a thread made for it.
async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> ApiResult<T> + Send + 'static) -> ApiResult<T> {
    let failed = |error| ApiError::Failed(Error::output(format!("the work was broken off: {error}")));
    spawn_blocking(work).await.map_err(failed)?
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
