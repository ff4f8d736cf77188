//! The show of a stream: its playlist and its programmes, which outlive the runs of the stream, and how others ask for them.
//!
//! What is decided is decided in [`Playlist`] and [`Programme`], without waiting; [`driver`] does it.

pub(crate) mod driver;
mod items;
mod moment;
mod playlist;
mod programme;
mod rota;
mod scenes;
mod schedule;

use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::config::StreamConfig;
use crate::control::contract::{OnAir, PartState, ShowRequest, ShowState, ShowStatus};
use crate::error::Result;
use crate::sync::Locked;
use moment::Moment;
use playlist::Playlist;
use programme::Programme;
use rota::Rota;

/// The show of one stream.
#[derive(Debug)]
pub struct Show {
    playlist: Part<Playlist>,
    programme: Part<Programme>,
}

impl Default for Show {
    /// An empty one.
    fn default() -> Self {
        Self::new(&StreamConfig::default(), Places::default())
    }
}

/// A part of the show, and who is to be woken when it is changed.
#[derive(Debug)]
struct Part<T> {
    state: Mutex<T>,
    changed: Notify,
}

impl<T> Part<T> {
    fn new(state: T) -> Self {
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// Changes it, and wakes who acts on it.
    fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.state.locked());
        self.changed.notify_one();
        result
    }
}

/// What is remembered of a show over restarts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Places {
    playlist: Option<Place>,
    programme: Option<Place>,
}

/// Where in a list the show was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The item, or the programme, that had its turn.
    of: String,
    /// The number that it had in the list.
    place: usize,
    paused: bool,
}

impl Show {
    /// Begins where it was `before`.
    pub fn new(config: &StreamConfig, before: Places) -> Self {
        let programme = Programme::new(config, before.programme);
        tell_notes(&programme);
        Self { playlist: Part::new(Playlist::new(&config.show, before.playlist)), programme: Part::new(programme) }
    }

    /// Goes over to a changed config; what is shown stays if it is still in it.
    pub fn configure(&self, config: &StreamConfig) {
        self.playlist.change(|playlist| playlist.configure(&config.show));
        self.programme.change(|programme| {
            programme.configure(config);
            tell_notes(programme);
        });
    }

    /// The stream has started anew, with its configured source or one that was set by hand.
    pub fn begin_run(&self, is_by_hand: bool) {
        self.playlist.change(|playlist| playlist.begin_run(is_by_hand));
        self.programme.change(Programme::begin_run);
    }

    /// What plays of the playlist has come to its end, or failed.
    pub fn source_ended(&self, outcome: Result<(), String>) {
        let told = self.playlist.change(|playlist| playlist.ended(outcome, Moment::now()));
        told.iter().for_each(|what| tracing::warn!("{what}"));
    }

    /// Somebody sets another source, which `send` asks for: the playlist is suspended. Says whether it was before.
    pub fn suspend(&self, send: impl FnOnce()) -> bool {
        // Together, so that nothing of the playlist comes after it.
        self.playlist.change(|playlist| {
            send();
            playlist.suspend()
        })
    }

    /// The source that was to be set by hand was refused.
    pub fn unsuspend(&self, before: bool) {
        self.playlist.change(|playlist| playlist.unsuspend(before));
    }

    /// # Errors
    /// There is no such part, or no such place in it.
    pub fn command(&self, request: ShowRequest) -> Result<()> {
        let (ShowRequest { playlist, programme }, now) = (request, Moment::now());
        playlist.map_or(Ok(()), |command| self.playlist.change(|playlist| playlist.command(command, now)))?;
        programme.map_or(Ok(()), |command| self.programme.change(|programme| programme.command(command, now)))
    }

    pub fn state(&self) -> ShowState {
        let programme = self.programme.state.locked();
        let (state, notes) = (programme.state(Moment::now()), programme.notes());
        drop(programme);
        ShowState { playlist: self.playlist.state.locked().state(), programme: state, notes }
    }

    /// What is to be remembered.
    pub fn places(&self) -> Places {
        Places { playlist: self.playlist.state.locked().place(), programme: self.programme.state.locked().place() }
    }
}

fn tell_notes(programme: &Programme) {
    programme.notes().iter().for_each(|note| tracing::warn!("{note}"));
}

/// What others see of a list with these titles, that begins again after its last one or not.
fn state_of(rota: &Rota, titles: &[&str], goes_round: bool) -> PartState {
    let title = |place: usize| titles.get(place).map(|title| (*title).to_string());
    let on_air = rota
        .on_air()
        .and_then(|(place, since)| Some(OnAir { place, title: title(place)?, since_unix_s: since.unix_s() }));
    let status = match () {
        () if rota.is_waiting() => ShowStatus::Waiting,
        () if rota.is_over() => ShowStatus::Over,
        () if rota.is_paused() => ShowStatus::Paused,
        () => ShowStatus::Playing,
    };
    let following = rota.following().or(goes_round.then_some(0)).filter(|_| !rota.is_over());
    PartState {
        name: None,
        status,
        on_air,
        next: following.and_then(title),
        next_unix_s: rota.due().map(Moment::unix_s),
        items: Vec::new(),
    }
}
