//! The playlist of a stream: which source is its turn, who may take it away, what comes next. It decides alone.

use std::time::Duration;

use fastrand::Rng;

use super::moment::Moment;
use super::rota::{Rota, Step as Turn};
use super::{Place, state_of};
use crate::config::{ItemConfig, ShowConfig};
use crate::control::contract::{PartState, ShowCommand, ShowItem, ShowStatus};
use crate::error::{Error, Result};

/// One source of a round.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub source: String,
    /// As it is told, without passwords.
    pub title: String,
    /// None for all of it.
    pub length: Option<Duration>,
    pub looped: bool,
    /// Why there is nothing to be opened.
    pub lacks: Option<String>,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub enum Step {
    Stay,
    /// See what there is of these, and [`Playlist::begin_round`] with it.
    List(Vec<ItemConfig>),
    /// Go over to this source, and tell [`Playlist::opened`] how that came out.
    Play(usize, Item),
    /// Go back to the configured source.
    GoBack,
    /// Hold the last picture.
    Hold,
}

/// The playlist.
#[derive(Debug)]
pub struct Playlist {
    config: Vec<ItemConfig>,
    shuffles: bool,
    repeats: bool,
    /// What this round goes through, as the config has it.
    items: Vec<Item>,
    rota: Rota,
    /// Somebody has set another source.
    is_by_hand: bool,
    /// What plays is of this list.
    has_taken: bool,
    /// Nothing of it is there, and its last picture is held.
    is_held: bool,
    /// With which item the next round begins.
    begins_with: Option<Place>,
    /// The config has changed: what there is of it must be seen before anything else.
    is_anew: bool,
}

impl Playlist {
    /// Begins with what was on air before, if that is known and still there.
    pub fn new(config: &ShowConfig, before: Option<Place>) -> Self {
        let mut rota = Rota::new(config.repeat);
        if before.as_ref().is_some_and(|before| before.paused) {
            rota.pause(Moment::now());
        }
        Self {
            config: config.playlist.clone(),
            shuffles: config.shuffle,
            repeats: config.repeat,
            items: Vec::new(),
            rota,
            is_by_hand: false,
            has_taken: false,
            is_held: false,
            begins_with: before,
            is_anew: false,
        }
    }

    /// Goes over to a changed config; what is on air stays there if it is still in the list.
    pub fn configure(&mut self, config: &ShowConfig) {
        let is_same = (&self.config, self.shuffles, self.repeats) == (&config.playlist, config.shuffle, config.repeat);
        if is_same {
            return;
        }
        self.begins_with = self.place();
        (self.shuffles, self.repeats) = (config.shuffle, config.repeat);
        self.config.clone_from(&config.playlist);
        self.rota.set_repeats(config.repeat);
        self.is_anew = true;
    }

    /// The stream has started anew, with its configured source or one that was set by hand.
    pub fn begin_run(&mut self, is_by_hand: bool) {
        (self.is_by_hand, self.has_taken, self.is_held) = (is_by_hand && !self.config.is_empty(), false, false);
        self.rota.again();
    }

    pub fn step(&mut self, now: Moment) -> Step {
        if self.is_by_hand {
            return Step::Stay;
        }
        if self.config.is_empty() {
            return self.go_back();
        }
        if std::mem::take(&mut self.is_anew) {
            return Step::List(self.config.clone());
        }
        match self.rota.step(now) {
            Turn::Round => Step::List(self.config.clone()),
            Turn::Show(place) => Step::Play(place, self.items[place].clone()),
            Turn::Stay if self.rota.is_over() => self.go_back(),
            Turn::Stay if self.rota.is_waiting() && self.has_taken && !self.is_held => {
                self.is_held = true;
                Step::Hold
            }
            Turn::Stay => Step::Stay,
        }
    }

    fn go_back(&mut self) -> Step {
        match std::mem::take(&mut self.has_taken) {
            true => Step::GoBack,
            false => Step::Stay,
        }
    }

    /// The configured source did not open: it is tried again.
    pub fn not_back(&mut self) {
        self.has_taken = true;
    }

    pub fn due(&self) -> Option<Moment> {
        self.rota.due().filter(|_| !self.is_by_hand)
    }

    /// Begins a round with what there is now.
    pub fn begin_round(&mut self, items: Vec<Item>, rng: &mut Rng) {
        let on_air = self.rota.on_air().and_then(|(place, _)| self.items.get(place)).cloned();
        let last = self.rota.place();
        let known = |item: &Item| {
            let place = self.items.iter().position(|known| known.title == item.title)?;
            self.rota.missing()[place].clone()
        };
        let missing = items.iter().map(|item| item.lacks.clone().or_else(|| known(item))).collect();
        let first = self.begins_with.take().and_then(|before| {
            let is_it = |place: &usize| items.get(*place).is_some_and(|item| item.title == before.of);
            Some(before.place).filter(is_it).or_else(|| (0..items.len()).find(is_it))
        });
        let mut order: Vec<usize> = (0..items.len()).collect();
        let mut at = first.unwrap_or(0);
        if self.shuffles {
            rng.shuffle(&mut order);
            let begin = first.and_then(|first| order.iter().position(|place| *place == first));
            at = 0;
            match begin {
                Some(begin) => order.swap(0, begin),
                // Not the same twice.
                None if order.len() > 1 && order.first() == last.as_ref() => order.swap(0, 1),
                None => {}
            }
        }
        match (first, on_air) {
            (Some(first), Some(on_air))
                if (&on_air.source, on_air.looped) == (&items[first].source, items[first].looped) =>
            {
                self.rota.go_on(order, at, missing, items[first].length);
            }
            _ => self.rota.begin_round(order, at, missing),
        }
        self.items = items;
    }

    /// Whether this item is still to be opened.
    pub fn is_due(&self, place: usize) -> bool {
        !self.is_by_hand && !self.is_anew && self.rota.is_due(place)
    }

    /// How the opening of an item came out: what is to be told of it.
    pub fn opened(&mut self, place: usize, outcome: Result<(), String>, now: Moment) -> Option<String> {
        match outcome {
            Ok(()) => {
                (self.has_taken, self.is_held) = (true, false);
                let length = self.items.get(place).and_then(|item| item.length);
                self.rota.shown(place, now, length);
                None
            }
            Err(reason) => self.refused(place, reason, now),
        }
    }

    /// What is on air has come to its end, or failed: what is to be told of it.
    pub fn ended(&mut self, outcome: Result<(), String>, now: Moment) -> Option<String> {
        let (place, _) = self.rota.on_air()?;
        match outcome {
            Ok(()) => {
                self.rota.ended();
                None
            }
            Err(reason) => self.refused(place, reason, now),
        }
    }

    fn refused(&mut self, place: usize, reason: String, now: Moment) -> Option<String> {
        let is_news = self.rota.refused(place, now, reason.clone());
        let what = match self.rota.is_waiting() {
            true => "nothing else of the playlist can be played: the last picture is held, and all is tried again",
            false => "the playlist goes on without it, and tries it again in its next round",
        };
        is_news.then(|| format!("{reason}; {what}"))
    }

    /// Somebody sets another source: nothing of the list is played until it is asked for. Says what it was before.
    pub fn suspend(&mut self) -> bool {
        std::mem::replace(&mut self.is_by_hand, !self.config.is_empty())
    }

    /// That source was refused: it is as before.
    pub fn unsuspend(&mut self, before: bool) {
        self.is_by_hand = before;
    }

    /// # Errors
    /// There is no playlist, or no such item.
    pub fn command(&mut self, command: ShowCommand, now: Moment) -> Result<()> {
        if self.config.is_empty() {
            return Err(Error::usage("this stream has no playlist: give it one under [show] in the config"));
        }
        match command {
            ShowCommand::Pause => self.rota.pause(now),
            ShowCommand::Resume => {
                self.rota.resume(now);
                if self.is_by_hand {
                    self.rota.again();
                }
            }
            ShowCommand::Next => self.rota.next(),
            ShowCommand::Jump(place) => {
                if !self.rota.jump(place) {
                    let count = self.items.len();
                    return Err(Error::usage(format!("there is no item {place}: the playlist has {count}, from 0 on")));
                }
            }
        }
        if command != ShowCommand::Pause {
            self.is_by_hand = false;
        }
        Ok(())
    }

    /// What is to be remembered.
    pub fn place(&self) -> Option<Place> {
        let now = self.rota.place().and_then(|place| Some((place, self.items.get(place)?)));
        let now = now.map(|(place, item)| Place { of: item.title.clone(), place, paused: self.rota.is_paused() });
        now.or_else(|| self.begins_with.clone())
    }

    /// None if there is none.
    pub fn state(&self) -> Option<PartState> {
        if self.config.is_empty() {
            return None;
        }
        let titles: Vec<&str> = self.items.iter().map(|item| item.title.as_str()).collect();
        let goes_round = self.repeats && !self.shuffles;
        let mut state = state_of(&self.rota, &titles, goes_round);
        if self.is_by_hand {
            // What comes back when it is resumed.
            let next = self.rota.place().and_then(|place| titles.get(place)).map(|title| title.to_string());
            (state.status, state.on_air, state.next, state.next_unix_s) = (ShowStatus::ByHand, None, next, None);
        }
        let item = |(item, missing): (&Item, &Option<String>)| ShowItem {
            title: item.title.clone(),
            missing: missing.clone(),
        };
        state.items = self.items.iter().zip(self.rota.missing()).map(item).collect();
        Some(state)
    }
}

#[cfg(test)]
mod tests;
