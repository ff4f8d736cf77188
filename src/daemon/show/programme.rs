//! The programmes of a stream's looks: which is on, whose turn it is in it, what comes next. It decides alone.

use std::time::Duration;

use fastrand::Rng;

use super::moment::Moment;
use super::rota::{Rota, Step as Turn};
use super::scenes::{Scene, scenes};
use super::schedule::{Schedule, Slot};
use super::{Place, state_of};
use crate::config::{ProgrammeConfig, StreamConfig};
use crate::control::contract::{PartState, ShowCommand, ShowItem, ShowStatus};
use crate::error::{Error, Result};
use crate::style::Look;

/// The week is looked at again after so long: somebody may set the clock.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// What is to be done.
#[derive(Debug, PartialEq)]
pub enum Step {
    Stay,
    /// Paint like this, and tell [`Programme::painted`] how that came out.
    Paint(usize, Scene),
}

/// All programmes, and the one that is on.
#[derive(Debug)]
pub struct Programme {
    config: Vec<ProgrammeConfig>,
    /// What looks of a programme are a change of.
    look: Look,
    schedule: Schedule,
    /// The one that is on: its place, and what it goes through.
    on: Option<usize>,
    scenes: Vec<Scene>,
    walks: bool,
    rota: Rota,
    /// Where the one that is on next begins, if it is that one.
    begins_with: Option<Place>,
    /// The config has changed.
    is_anew: bool,
}

impl Programme {
    /// Begins where it was before, if that is known and still there.
    pub fn new(config: &StreamConfig, before: Option<Place>) -> Self {
        let mut rota = Rota::new(true);
        if before.as_ref().is_some_and(|before| before.paused) {
            rota.pause(Moment::now());
        }
        Self {
            config: config.show.programme.clone(),
            look: config.paint.look(),
            schedule: schedule(config),
            on: None,
            scenes: Vec::new(),
            walks: false,
            rota,
            begins_with: before,
            is_anew: false,
        }
    }

    /// Goes over to a changed config; what is on air stays if it is still there.
    pub fn configure(&mut self, config: &StreamConfig) {
        self.begins_with = self.place();
        (self.look, self.schedule) = (config.paint.look(), schedule(config));
        self.config.clone_from(&config.show.programme);
        (self.on, self.is_anew) = (None, true);
    }

    /// The stream has started anew.
    pub fn begin_run(&mut self) {
        self.rota.again();
    }

    /// What lies over what in the schedule.
    pub fn notes(&self) -> Vec<String> {
        self.schedule.overlaps()
    }

    pub fn step(&mut self, now: Moment, rng: &mut Rng) -> Step {
        // A pause holds all of it.
        if !self.rota.is_paused() || self.on.is_none() {
            let wanted = self.wanted(self.slot(now).entry);
            if std::mem::take(&mut self.is_anew) || wanted != self.on {
                self.change_to(wanted, rng);
            }
        }
        if self.on.is_none() {
            return Step::Stay;
        }
        if self.rota.step(now) == Turn::Round {
            let missing = self.rota.missing().to_vec();
            let order = self.order(rng, None);
            self.rota.begin_round(order, 0, missing);
        }
        match self.rota.step(now) {
            Turn::Show(place) => Step::Paint(place, self.scenes[place].clone()),
            Turn::Stay | Turn::Round => Step::Stay,
        }
    }

    fn slot(&self, now: Moment) -> Slot {
        self.schedule.at(now.wall)
    }

    /// The place of the programme of that entry; without a schedule, the first one is always on.
    fn wanted(&self, entry: Option<usize>) -> Option<usize> {
        if self.schedule.is_empty() {
            return (!self.config.is_empty()).then_some(0);
        }
        let name = self.schedule.programme(entry?);
        self.config.iter().position(|programme| programme.name == name)
    }

    /// Another one is on: from its beginning, unless it is the one that was on before.
    fn change_to(&mut self, wanted: Option<usize>, rng: &mut Rng) {
        let on_air = self.rota.on_air().and_then(|(place, _)| self.scenes.get(place)).cloned();
        self.on = wanted;
        let programme = wanted.map(|place| &self.config[place]);
        self.scenes = programme.map_or(Vec::new(), |programme| scenes(programme, &self.look));
        self.walks = programme.is_some_and(|programme| !programme.walk.is_empty());
        let before =
            self.begins_with.take().filter(|before| programme.is_some_and(|programme| programme.name == before.of));
        let first = before.map(|before| before.place).filter(|place| *place < self.scenes.len());
        let (order, missing) = (self.order(rng, first), vec![None; self.scenes.len()]);
        let at = if self.walks { 0 } else { first.unwrap_or(0) };
        match (first, on_air) {
            (Some(first), Some(scene)) if scene == self.scenes[first] => {
                self.rota.go_on(order, at, missing, scene.length);
            }
            _ => self.rota.begin_round(order, at, missing),
        }
    }

    /// One after the other; or a walk of as many steps, none of which stays where it is.
    fn order(&self, rng: &mut Rng, first: Option<usize>) -> Vec<usize> {
        let count = self.scenes.len();
        if !self.walks || count < 2 {
            return (0..count).collect();
        }
        let mut at = self.rota.place().filter(|place| *place < count);
        let mut order: Vec<usize> = first.into_iter().collect();
        at = first.or(at);
        while order.len() < count {
            let next = match at {
                Some(at) => (at + rng.usize(1..count)) % count,
                None => rng.usize(0..count),
            };
            order.push(next);
            at = Some(next);
        }
        order
    }

    pub fn due(&self, now: Moment) -> Option<Moment> {
        let week = (!self.schedule.is_empty()).then(|| {
            let next = self.slot(now).next.and_then(|(time, _)| Duration::try_from(time.duration_since(now.wall)).ok());
            now.after(next.unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN))
        });
        self.rota.due().into_iter().chain(week).min_by_key(|due| due.steady)
    }

    /// How the painting of a scene came out: what is to be told of it.
    pub fn painted(&mut self, place: usize, outcome: Result<(), String>, now: Moment) -> Option<String> {
        match outcome {
            Ok(()) => {
                let length = self.scenes.get(place).and_then(|scene| scene.length);
                self.rota.shown(place, now, length);
                None
            }
            Err(reason) => {
                let is_news = self.rota.refused(place, now, reason.clone());
                let what = match self.rota.is_waiting() {
                    true => "nothing else of the programme can be painted: the look stays, and all is tried again",
                    false => "the programme goes on without it, and tries it again in its next round",
                };
                is_news.then(|| format!("{reason}; {what}"))
            }
        }
    }

    /// # Errors
    /// No programme is on, or it has no such place.
    pub fn command(&mut self, command: ShowCommand, now: Moment) -> Result<()> {
        if self.config.is_empty() {
            return Err(Error::usage("this stream has no programme: give it one under [show] in the config"));
        }
        match command {
            ShowCommand::Pause => self.rota.pause(now),
            ShowCommand::Resume => self.rota.resume(now),
            ShowCommand::Next | ShowCommand::Jump(_) if self.on.is_none() => {
                return Err(Error::usage("no programme is on now: the schedule says when one is"));
            }
            ShowCommand::Next => self.rota.next(),
            ShowCommand::Jump(place) => {
                if !self.rota.jump(place) {
                    let count = self.scenes.len();
                    return Err(Error::usage(format!(
                        "there is no step {place}: the programme has {count}, from 0 on"
                    )));
                }
            }
        }
        Ok(())
    }

    /// What is to be remembered.
    pub fn place(&self) -> Option<Place> {
        let on = self.on.and_then(|on| self.config.get(on));
        let now = on.zip(self.rota.place());
        let now = now.map(|(on, place)| Place { of: on.name.clone(), place, paused: self.rota.is_paused() });
        now.or_else(|| self.begins_with.clone())
    }

    /// None if there is none.
    pub fn state(&self, now: Moment) -> Option<PartState> {
        if self.config.is_empty() {
            return None;
        }
        let titles: Vec<&str> = self.scenes.iter().map(|scene| scene.title.as_str()).collect();
        let mut state = state_of(&self.rota, &titles, !self.walks);
        state.name = self.on.map(|on| self.config[on].name.clone());
        if self.on.is_none() {
            (state.status, state.on_air, state.next, state.next_unix_s) = (ShowStatus::Off, None, None, None);
        }
        if titles.len() == 1 {
            state.next = None;
        }
        // Whatever comes first: the next scene, or the next programme.
        if !self.rota.is_paused()
            && let Some((time, entry)) = self.slot(now).next
            && state.next_unix_s.is_none_or(|next| time.as_second() < next)
        {
            let programme = entry.map(|entry| self.schedule.programme(entry).to_string());
            (state.next, state.next_unix_s) = (programme, Some(time.as_second()));
        }
        let item = |(scene, missing): (&Scene, &Option<String>)| ShowItem {
            title: scene.title.clone(),
            missing: missing.clone(),
        };
        state.items = self.scenes.iter().zip(self.rota.missing()).map(item).collect();
        Some(state)
    }
}

fn schedule(config: &StreamConfig) -> Schedule {
    // What is no zone was refused with the config.
    Schedule::new(config.show.zone().unwrap_or(jiff::tz::TimeZone::UTC), &config.show.schedule)
}

#[cfg(test)]
mod tests;
