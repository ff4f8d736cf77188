//! Begins and ends the recording of a running stream.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::control::ApiError;
use crate::error::{Conflict, Error, Result};
use crate::gst::template::Templates;
use crate::output::{Claim, Container, Naming, Output, Outputs, Record, StreamFormat};
use crate::sync::Locked;

/// At most one recording at a time; all methods may block until a file is opened or finished.
pub struct Recorder {
    outputs: Arc<Outputs>,
    format: StreamFormat,
    crf: AtomicU8,
    templates: Templates,
    state: Mutex<State>,
    /// Notified when a start or an end is over.
    settled: Condvar,
}

#[derive(Default)]
struct State {
    phase: Phase,
    /// The output of the recording in progress.
    output: Option<Arc<dyn Output>>,
    /// When it began.
    since: Option<Instant>,
    /// The file of the recording that broke, until another one begins.
    broken: Option<PathBuf>,
    /// Failures that nobody was told of yet.
    failures: Vec<Error>,
    /// It was begun with the stream, and not by somebody who is told what becomes of it.
    is_standing: bool,
    /// The first such recording that is not complete: with it the stream does not end in good order.
    lost: Option<Error>,
}

/// What a recorder is at, and with that what it may do next. It decides; the [`Recorder`] does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Idle,
    Starting(PathBuf),
    Recording(PathBuf),
    /// Its file is being finished.
    Ending(PathBuf),
    /// It broke by itself: why is told to whoever stops it.
    Broken(String),
}

/// Why something is not done now.
type Refusal = (Conflict, String);

impl Phase {
    /// A start is asked for.
    fn start(&mut self, file: &Path) -> Result<(), Refusal> {
        if let Some(file) = self.file() {
            let what = format!("a recording into {} is in progress; stop it first", file.display());
            return Err((Conflict::Recording, what));
        }
        *self = Self::Starting(file.to_path_buf());
        Ok(())
    }

    /// The start has come out; `file` is what is recorded into.
    fn started(&mut self, file: Option<PathBuf>) {
        *self = file.map_or(Self::Idle, Self::Recording);
    }

    /// An end is asked for. From then on only who asked for it ends it.
    fn stop(&mut self) -> Result<(), Refusal> {
        match self {
            Self::Recording(file) => {
                *self = Self::Ending(std::mem::take(file));
                Ok(())
            }
            Self::Starting(file) => {
                let what = format!("the recording into {} is just beginning; try again", file.display());
                Err((Conflict::Recording, what))
            }
            Self::Ending(file) => {
                Err((Conflict::Recording, format!("the recording into {} is being finished", file.display())))
            }
            Self::Broken(why) => Err((Conflict::NotRecording, why.clone())),
            Self::Idle => Err((Conflict::NotRecording, "no recording is in progress".into())),
        }
    }

    /// Its file is finished, or cannot be.
    fn ended(&mut self) {
        *self = Self::Idle;
    }

    /// It broke. Whoever is ending it hears of that from the file itself.
    fn break_off(&mut self, why: String) {
        if matches!(self, Self::Recording(_)) {
            *self = Self::Broken(why);
        }
    }

    fn file(&self) -> Option<&Path> {
        match self {
            Self::Starting(file) | Self::Recording(file) | Self::Ending(file) => Some(file),
            Self::Idle | Self::Broken(_) => None,
        }
    }
}

impl Recorder {
    pub fn new(outputs: Arc<Outputs>, format: StreamFormat, crf: u8, templates: Templates) -> Self {
        Self { outputs, format, crf: AtomicU8::new(crf), templates, state: Mutex::default(), settled: Condvar::new() }
    }

    /// The quality of the recordings that begin from now on.
    pub fn set_crf(&self, crf: u8) {
        self.crf.store(crf, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.locked()
    }

    /// The file that is being recorded into, or finished: once there is none, the last one lies under its name.
    pub fn file(&self) -> Option<String> {
        self.settle();
        self.state().phase.file().map(|file| file.display().to_string())
    }

    /// How long the recording in progress is; none once it is being ended.
    pub fn elapsed(&self) -> Option<Duration> {
        let state = self.state();
        state.since.filter(|_| state.output.is_some()).map(|since| since.elapsed())
    }

    /// Begins a recording with the next picture; returns its file, whose name `naming` may change.
    ///
    /// # Errors
    /// One is in progress already, the name is taken, or the file cannot be written.
    pub fn start(&self, path: &Path, naming: Naming) -> Result<PathBuf, ApiError> {
        self.settle();
        self.state().phase.start(path).map_err(in_the_way)?;
        let opened = self.open(path, naming);
        let mut state = self.state();
        state.phase.started(opened.as_ref().ok().map(|(file, _)| file.clone()));
        self.settled.notify_all();
        let (file, output) = opened?;
        self.outputs.add(Arc::clone(&output));
        (state.output, state.since, state.broken) = (Some(output), Some(Instant::now()), None);
        state.is_standing = naming == Naming::Numbered;
        Ok(file)
    }

    fn open(&self, path: &Path, naming: Naming) -> Result<(PathBuf, Arc<dyn Output>), ApiError> {
        Container::of(path)?;
        let claim = Claim::new(path, naming)?.ok_or_else(|| {
            let path = path.display();
            let what = format!("{path} is there already, or is being recorded into; choose another name");
            ApiError::Conflict(Conflict::Exists, what)
        })?;
        let file = claim.path().to_path_buf();
        let format = self.outputs.format_now(&self.format);
        Ok((file, Arc::new(Record::start(claim, &format, self.crf.load(Ordering::Relaxed), &self.templates)?)))
    }

    /// Ends the recording and returns its file; waits until that is finished.
    ///
    /// # Errors
    /// None is in progress, it broke off, or its file cannot be finished.
    pub fn stop(&self) -> Result<PathBuf, ApiError> {
        self.settle();
        let output = {
            let mut state = self.state();
            state.phase.stop().map_err(in_the_way)?;
            state.output.take()
        };
        let Some(output) = output else { unreachable!("a recording has an output") };
        self.outputs.remove(&output);
        let finished = output.finish();
        self.state().phase.ended();
        self.settled.notify_all();
        finished?;
        Ok(output.place().name.into())
    }

    /// Takes a recording that broke out of the outputs.
    pub fn settle(&self) {
        let mut state = self.state();
        let Some(output) = state.output.take_if(|output| output.has_failed()) else { return };
        let error = output.take_failure().unwrap_or_else(|| Error::output("the recording broke off"));
        state.phase.break_off(error.to_string());
        state.broken = Some(output.place().name.into());
        state.failures.push(error);
        // Finished, it says that it is not complete.
        if let Err(error) = output.finish()
            && state.is_standing
        {
            state.lost.get_or_insert(error);
        }
        drop(state);
        self.outputs.remove(&output);
    }

    /// Whether the recording into `file` broke, and nothing is recorded since.
    pub fn has_lost(&self, file: &Path) -> bool {
        self.state().broken.as_deref() == Some(file)
    }

    /// Recordings that broke since the last call.
    pub fn take_failures(&self) -> Vec<Error> {
        self.settle();
        std::mem::take(&mut self.state().failures)
    }

    /// The stream ends: waits until whatever is recorded is finished.
    ///
    /// # Errors
    /// A recording is not complete.
    pub fn finish(&self) -> Result<()> {
        self.settle();
        let is_busy = |state: &mut State| matches!(state.phase, Phase::Starting(_) | Phase::Ending(_));
        let state = self.settled.wait_while(self.state(), is_busy).unwrap_or_else(PoisonError::into_inner);
        let is_recording = matches!(state.phase, Phase::Recording(_));
        drop(state);
        if is_recording {
            self.stop()?;
        }
        self.state().lost.clone().map_or(Ok(()), Err)
    }
}

fn in_the_way((what, text): Refusal) -> ApiError {
    ApiError::Conflict(what, text)
}

impl From<ApiError> for Error {
    /// For callers on the command line, whom it ends.
    fn from(refusal: ApiError) -> Self {
        match refusal {
            ApiError::NotFound(what) | ApiError::Conflict(_, what) | ApiError::Busy(what) | ApiError::Down(what) => {
                Self::output(what)
            }
            ApiError::Failed(error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy)]
    enum Event {
        Start,
        Started,
        NotStarted,
        Stop,
        Ended,
        Break,
    }

    const ALL: [Event; 6] = [Event::Start, Event::Started, Event::NotStarted, Event::Stop, Event::Ended, Event::Break];

    /// What a phase becomes; an error where it refuses.
    fn after(mut phase: Phase, event: Event) -> Result<Phase, Refusal> {
        match event {
            Event::Start => phase.start(Path::new("new"))?,
            Event::Started => phase.started(Some("new".into())),
            Event::NotStarted => phase.started(None),
            Event::Stop => phase.stop()?,
            Event::Ended => phase.ended(),
            Event::Break => phase.break_off("disk full".into()),
        }
        Ok(phase)
    }

    fn phases() -> [Phase; 5] {
        let broken = Phase::Broken("disk full".into());
        [Phase::Idle, Phase::Starting("a".into()), Phase::Recording("a".into()), Phase::Ending("a".into()), broken]
    }

    #[test]
    fn each_phase_refuses_what_cannot_be() {
        let [idle, starting, recording, ending, broken] = phases();
        for busy in [&starting, &recording, &ending] {
            assert!(after(busy.clone(), Event::Start).unwrap_err().1.contains("into a is in progress; stop it first"));
        }
        for free in [&idle, &broken] {
            assert_eq!(after(free.clone(), Event::Start), Ok(Phase::Starting("new".into())));
        }
        assert_eq!(after(recording.clone(), Event::Stop), Ok(ending.clone()));
        for (phase, words) in [
            (&idle, (Conflict::NotRecording, "no recording")),
            (&starting, (Conflict::Recording, "just beginning")),
            (&ending, (Conflict::Recording, "being finished")),
            (&broken, (Conflict::NotRecording, "disk full")),
        ] {
            let (what, text) = after(phase.clone(), Event::Stop).unwrap_err();
            assert!(what == words.0 && text.contains(words.1), "{phase:?}");
        }
        assert_eq!(after(recording, Event::Break), Ok(broken));
        assert_eq!(after(ending.clone(), Event::Break), Ok(ending), "who ends it is told");
    }

    #[test]
    fn after_any_two_events_there_is_a_way_on() {
        // Starts and ends come out only where they are in progress.
        let may_come = |phase: &Phase, event| match event {
            Event::Started | Event::NotStarted => matches!(phase, Phase::Starting(_)),
            Event::Ended => matches!(phase, Phase::Ending(_)),
            Event::Start | Event::Stop | Event::Break => true,
        };
        for phase in phases() {
            for first in ALL.into_iter().filter(|event| may_come(&phase, *event)) {
                let then = after(phase.clone(), first).unwrap_or(phase.clone());
                for second in ALL.into_iter().filter(|event| may_come(&then, *event)) {
                    let last = after(then.clone(), second).unwrap_or(then.clone());
                    // At most one recording: a start is refused exactly while there is a file.
                    assert_eq!(
                        last.file().is_some(),
                        after(last.clone(), Event::Start).is_err(),
                        "{first:?} {second:?}"
                    );
                    let news = ALL.into_iter().filter(|event| may_come(&last, *event));
                    assert!(
                        news.map(|event| after(last.clone(), event)).any(|next| next.is_ok_and(|next| next != last))
                    );
                }
            }
        }
    }
}
