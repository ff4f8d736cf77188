//! Does what the show of a running stream decides, for as long as it runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tracing::{Instrument, Span};

use super::moment::Moment;
use super::playlist::{self, Item};
use super::programme;
use super::scenes::{Scene, What};
use super::{Show, items};
use crate::config::SourceConfig;
use crate::config::plan;
use crate::control::contract::Painted;
use crate::control::presets::Presets;
use crate::control::{ApiResult, run_blocking};
use crate::daemon::handle::Handle;
use crate::daemon::source_control::Wanted;
use crate::daemon::source_state::Playing;
use crate::error::{Error, Result};
use crate::sync::Locked;

/// The wait before the configured source is tried again after the playlist.
const AGAIN: Duration = Duration::from_secs(1);

/// The tasks of a show; they end with it.
pub struct Driver(Vec<AbortHandle>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Driver {
    /// Drives the show of a stream that runs; cameras of the playlist are read as `source` says.
    pub fn start(handle: &Arc<Handle>, show: &Arc<Show>, source: SourceConfig, presets: Presets, span: &Span) -> Self {
        let play = play(Arc::clone(handle), Arc::clone(show), source).instrument(span.clone());
        let paint = paint(Arc::clone(handle), Arc::clone(show), presets).instrument(span.clone());
        Self(vec![tokio::spawn(play).abort_handle(), tokio::spawn(paint).abort_handle()])
    }
}

/// Plays the playlist.
async fn play(handle: Arc<Handle>, show: Arc<Show>, source: SourceConfig) {
    let mut rng = fastrand::Rng::new();
    loop {
        let (step, due) = {
            let mut playlist = show.playlist.state.locked();
            (playlist.step(Moment::now()), playlist.due())
        };
        match step {
            playlist::Step::Stay => {
                wait(&show.playlist.changed, due).await;
                continue;
            }
            playlist::Step::List(config) => {
                let items = run_blocking(move || Ok(items::list(config))).await.unwrap_or_default();
                show.playlist.state.locked().begin_round(items, &mut rng);
            }
            playlist::Step::Play(place, item) => {
                if let Some(outcome) = open(&show, &handle, &source, place, item).await.transpose() {
                    let outcome = outcome.map_err(|error| error.to_string());
                    let told = show.playlist.state.locked().opened(place, outcome, Moment::now());
                    told.iter().for_each(|what| tracing::warn!("{what}"));
                }
            }
            playlist::Step::GoBack => {
                if handle.send_source(Wanted::Back).await.is_err() {
                    tokio::time::sleep(AGAIN).await;
                    show.playlist.state.locked().not_back();
                }
            }
            playlist::Step::Hold => {
                let _ = handle.send_source(Wanted::Held).await;
            }
        }
        handle.changed();
    }
}

/// Goes over to an item of the playlist; none if that is not wanted any more.
async fn open(
    show: &Show,
    handle: &Arc<Handle>,
    source: &SourceConfig,
    place: usize,
    item: Item,
) -> Result<Option<()>> {
    if let Some(lacks) = item.lacks {
        return Err(Error::input(lacks));
    }
    let config = SourceConfig { input: item.source, ..source.clone() };
    let own = Arc::clone(handle);
    let find = move || {
        let source = plan::source(&config)?;
        own.refuse_own(&source)?;
        Ok(Playing { source, looped: item.looped })
    };
    let playing = run_blocking(find).await?;
    let answer = {
        let playlist = show.playlist.state.locked();
        playlist.is_due(place).then(|| handle.send_source(Wanted::Listed(playing)))
    };
    match answer {
        Some(answer) => answer.await.map(Some),
        None => Ok(None),
    }
}

/// Paints the programmes.
async fn paint(handle: Arc<Handle>, show: Arc<Show>, presets: Presets) {
    let mut rng = fastrand::Rng::new();
    loop {
        let (step, due) = {
            let (mut programme, now) = (show.programme.state.locked(), Moment::now());
            (programme.step(now, &mut rng), programme.due(now))
        };
        match step {
            programme::Step::Stay => {
                wait(&show.programme.changed, due).await;
            }
            programme::Step::Paint(place, scene) => {
                let outcome = fade_to(&handle, &presets, scene).await;
                let outcome = outcome.map_err(|refusal| Error::from(refusal).to_string());
                let told = show.programme.state.locked().painted(place, outcome, Moment::now());
                told.iter().for_each(|what| tracing::warn!("{what}"));
            }
        }
        handle.changed();
    }
}

async fn fade_to(handle: &Handle, presets: &Presets, scene: Scene) -> ApiResult<()> {
    let painted = match scene.what {
        What::Preset(name) => presets.get(&name)?.painted,
        What::Look(look) => Painted { look: *look, network: String::new(), size: handle.look().painted().size },
    };
    handle.look().fade_to(painted, scene.fade).await
}

/// Waits for a change, or until something is due.
async fn wait(changed: &tokio::sync::Notify, due: Option<Moment>) {
    match due {
        Some(due) => drop(tokio::time::timeout_at(due.steady.into(), changed.notified()).await),
        None => changed.notified().await,
    }
}
