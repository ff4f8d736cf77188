//! What can be asked of a running stream, and the list of streams that the server knows.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::contract::{
    Change, ConfigState, DrivenState, LookNow, OutputState, OutputWish, Painted, RecordNow, SaveNow, SettingsNow,
    SettingsPatch, ShowRequest, ShowState, SourceRequest, StreamState, StreamStatus,
};
use crate::error::{Conflict, Error};
use crate::metrics::OscCounters;
use crate::output::{Admitted, PreviewOf, Viewer};
use crate::style::look::Drive;
use crate::style::{Look, LookPatch};
use crate::suggest::did_you_mean;
use crate::sync::SharedLocked;

/// How long somebody who brings a source waits for a start in progress, and how often it is looked at.
const START_PATIENCE: Duration = Duration::from_secs(60);
const START_POLL: Duration = Duration::from_millis(100);

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// There is no such stream, file or page.
    NotFound(String),
    /// It cannot be done in the state that the stream is in.
    Conflict(Conflict, String),
    /// Too much is asked at once: later it may work.
    Busy(String),
    /// The stream, or the daemon, does not run now: later it may.
    Down(String),
    /// It was tried and failed, or what was asked for cannot be.
    Failed(Error),
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::Conflict(what, text) => Self::Conflict(what, text),
            error => Self::Failed(error),
        }
    }
}

/// The answer to a request.
pub type ApiResult<T> = Result<T, ApiError>;

/// A verdict that comes later.
pub type ApiFuture<'a, T> = Pin<Box<dyn Future<Output = ApiResult<T>> + Send + 'a>>;

/// A running stream. Nothing here waits for the painting; what must wait is a future.
pub trait Stream: Send + Sync {
    /// Everything about it.
    fn state(&self) -> StreamState;

    /// What each output does; part of [`Stream::state`].
    fn outputs(&self) -> Vec<OutputState>;

    /// Why its network paints nothing now; none while it does, or would if a picture came.
    fn why_unpainted(&self) -> Option<String>;

    /// Cumulative figures for Prometheus.
    fn counters(&self) -> &crate::metrics::Counters;

    /// Paints in this look. Answers after the first frame in it; another network is loaded meanwhile, and the old one
    /// paints on. Refused: numbers that cannot be, unknown styles, styles of several networks, a network that does not
    /// load, a later change that took its place.
    fn set_look(&self, look: Look) -> ApiFuture<'_, Change<LookNow>>;

    /// Changes some parts of the look; as [`Stream::set_look`].
    fn patch_look(&self, patch: LookPatch) -> ApiFuture<'_, Change<LookNow>>;

    /// Paints like this: look, network and size; as [`Stream::set_look`].
    fn set_painted(&self, painted: Painted) -> ApiFuture<'_, Change<LookNow>>;

    /// Goes back to how it was painted before the latest change of the look, network or size. Refused: there is none
    /// left, or it cannot be painted like that any more.
    fn undo(&self) -> ApiFuture<'_, Change<LookNow>>;

    /// Changes network or inference size, or mirrors the picture. Refused: a network that is unknown or does not load, a
    /// size that the network cannot paint at.
    fn set_settings(&self, patch: SettingsPatch) -> ApiFuture<'_, Change<SettingsNow>>;

    /// Holds the picture, or goes on. Never refused.
    fn set_paused(&self, paused: bool) -> ApiFuture<'_, Change<SettingsNow>>;

    /// Goes over to another source with its first picture. Refused: a source that gives none; the old one stays.
    fn set_source(&self, wanted: SourceRequest) -> ApiFuture<'_, StreamState>;

    /// Its playlist, with all items.
    fn show(&self) -> ShowState;

    /// Holds the playlist, goes on, or goes to another item. Answers at once, with how it is by then. Refused: there is no
    /// playlist, or no such item.
    fn command_show(&self, request: ShowRequest) -> ApiResult<ShowState>;

    /// What the sound of its source drives.
    fn driven(&self) -> DrivenState;

    /// Lets the sound drive a parameter, or no longer. Answers at once. Refused: a parameter that cannot be driven, numbers
    /// that cannot be.
    fn set_drive(&self, parameter: &str, drive: Option<Drive>) -> ApiResult<DrivenState>;

    /// Begins a recording into `file`. Refused: one is in progress, the file is there already or cannot be written.
    fn start_recording(&self, file: &Path) -> ApiFuture<'_, RecordNow>;

    /// Ends the recording; answers when its file is finished. Refused: none is in progress.
    fn stop_recording(&self) -> ApiFuture<'_, RecordNow>;

    /// Opens one more output, but no recording. It stays when the config changes, and when the stream starts anew.
    /// Refused: one that is there, a port, path or device that cannot be had.
    fn add_output(&self, wish: OutputWish) -> ApiFuture<'_, Vec<OutputState>>;

    /// Closes an output, or ends the recording; one of the config stays away until the config asks for another in its
    /// place, or the daemon starts again. Refused: there is none, the preview.
    fn remove_output(&self, id: String) -> ApiFuture<'_, Vec<OutputState>>;

    /// The latest painted frame as a PNG file. Refused: nothing was painted yet.
    fn snapshot(&self) -> ApiFuture<'_, Vec<u8>>;

    /// Lets somebody watch over WebRTC who sends an SDP offer. Refused: what is no offer that can be answered, one viewer
    /// too many, a stream that is not shown over WebRTC.
    fn admit(&self, offer: String) -> ApiFuture<'_, Admitted>;

    /// Ends what [`Stream::admit`] began. Refused: there is no such viewer, or no longer.
    fn dismiss(&self, viewer: String) -> ApiFuture<'_, ()>;

    /// Small JPEG pictures of what is painted, or of what it is painted from.
    fn preview(&self, of: PreviewOf) -> Viewer;
}

/// A stream of the config, as others may see it.
#[derive(Clone)]
pub enum Member {
    Running(Arc<dyn Stream>),
    /// It starts, has failed or has ended: there is nothing to command, but it may be given another source.
    Down(Arc<StreamState>, Option<Starter>),
}

/// Starts a stream that does not run, with another source.
pub type Starter = Arc<dyn Fn(SourceRequest) -> ApiFuture<'static, StreamState> + Send + Sync>;

impl Member {
    pub fn state(&self) -> StreamState {
        match self {
            Self::Running(stream) => stream.state(),
            Self::Down(state, _) => StreamState::clone(state),
        }
    }
}

/// Writes how the stream of that name is now into the config file.
pub type Saver = Arc<dyn Fn(String) -> ApiFuture<'static, SaveNow> + Send + Sync>;

/// All streams by name, and the state of the config; clones are the same.
#[derive(Clone, Default)]
pub struct Hub {
    streams: Arc<RwLock<BTreeMap<String, Member>>>,
    saver: Arc<OnceLock<Saver>>,
    config: Arc<RwLock<ConfigState>>,
    changes: Arc<Notify>,
    osc: Arc<OscCounters>,
}

impl Hub {
    /// Puts it in the place of what was known under that name.
    pub fn put(&self, name: &str, member: Member) {
        self.streams.write_locked().insert(name.into(), member);
        self.changes.notify_one();
    }

    /// There is no such stream any more.
    pub fn remove(&self, name: &str) {
        self.streams.write_locked().remove(name);
        self.changes.notify_one();
    }

    pub fn config(&self) -> ConfigState {
        self.config.read_locked().clone()
    }

    pub fn set_config(&self, config: ConfigState) {
        *self.config.write_locked() = config;
        self.changes.notify_one();
    }

    /// How streams are saved.
    pub fn set_saver(&self, saver: Saver) {
        // Set once, when the daemon starts.
        let _ = self.saver.set(saver);
    }

    /// Writes how the stream is now into the config file: look, network, size, what the sound drives, a source that was set by
    /// hand, outputs that were added or taken away. Refused: a stream that does not run, a daemon without a config file, one that cannot be written.
    pub async fn save(&self, name: &str) -> ApiResult<SaveNow> {
        self.get(name)?;
        match self.saver.get() {
            Some(saver) => saver(name.into()).await,
            None => Err(ApiError::Down("the daemon is starting; try again in a moment".into())),
        }
    }

    /// To be notified when something other than figures changes, so that those who watch hear of it at once.
    pub fn changes(&self) -> Arc<Notify> {
        Arc::clone(&self.changes)
    }

    /// What became of OSC messages.
    pub fn osc(&self) -> Arc<OscCounters> {
        Arc::clone(&self.osc)
    }

    /// Takes all streams out: the daemon stops.
    pub fn clear(&self) {
        self.streams.write_locked().clear();
    }

    /// All streams in the order of their names.
    pub fn all(&self) -> Vec<(String, Member)> {
        let streams = self.streams.read_locked();
        streams.iter().map(|(name, member)| (name.clone(), member.clone())).collect()
    }

    /// The stream of that name, whether it runs or not.
    pub fn member(&self, name: &str) -> ApiResult<Member> {
        let streams = self.streams.read_locked();
        if streams.is_empty() {
            return Err(ApiError::Down("no stream runs now".into()));
        }
        streams.get(name).cloned().ok_or_else(|| {
            let names = || streams.keys().map(String::as_str);
            let (hint, all) = (did_you_mean(name, names()), names().collect::<Vec<_>>().join(", "));
            ApiError::NotFound(format!("there is no stream `{name}`{hint}; there are: {all}"))
        })
    }

    /// Goes over to another source; a stream that has ended or failed starts with it. A start in progress comes out first.
    pub async fn set_source(&self, name: &str, wanted: SourceRequest) -> ApiResult<StreamState> {
        let until = Instant::now() + START_PATIENCE;
        loop {
            match self.member(name)? {
                Member::Down(_, Some(start)) => return start(wanted).await,
                Member::Down(_, None) if Instant::now() < until => tokio::time::sleep(START_POLL).await,
                _ => return self.get(name)?.set_source(wanted).await,
            }
        }
    }

    /// The running stream of that name.
    pub fn get(&self, name: &str) -> ApiResult<Arc<dyn Stream>> {
        match self.member(name)? {
            Member::Running(stream) => Ok(stream),
            Member::Down(state, _) => Err(match (state.status, &state.error) {
                (StreamStatus::Failed, Some(error)) => ApiError::Down(format!(
                    "stream `{name}` is being tried again just now, so try again in a moment: {error}"
                )),
                (StreamStatus::Ended, _) => {
                    ApiError::Conflict(Conflict::Ended, format!("stream `{name}` has ended: its file is over"))
                }
                _ => ApiError::Down(format!("stream `{name}` is starting; try again in a moment")),
            }),
        }
    }
}

/// Runs what blocks on a thread made for it.
pub async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> ApiResult<T> + Send + 'static) -> ApiResult<T> {
    let failed = |error| ApiError::Failed(Error::output(format!("the work was broken off: {error}")));
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}
