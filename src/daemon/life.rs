//! What a stream is at, and what each event makes of it. It decides; [`Streams`](super::streams::Streams) does.

use std::time::Instant;

use crate::config::StreamConfig;
use crate::error::{Error, Result};

/// What a stream is at; `S` is the one that runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Life<S> {
    Starting,
    Running(S),
    Stopping(Then),
    /// It failed, and is started again then.
    Waiting {
        until: Instant,
    },
    Ended,
}

/// What comes after a stop.
#[derive(Debug, Clone, PartialEq)]
pub enum Then {
    Remove,
    Start(Box<StreamConfig>),
    /// Its source is over.
    End,
    TryAgain(Error),
}

/// What is to be done now.
#[derive(Debug, PartialEq)]
#[must_use]
pub enum Step<S> {
    Nothing,
    /// It runs from now on.
    Runs,
    /// End this one; [`Life::stopped`] is told when that is done.
    Stop(S),
    /// Start it with this config.
    Start(Box<StreamConfig>),
    /// It does not run, because of this.
    Fail(Error),
    /// It is over, and stays where it is.
    Rest,
    Remove,
}

impl<S> Life<S> {
    /// A start has come out.
    pub fn started(&mut self, result: Result<S>) -> Step<S> {
        match (&self, result) {
            (Self::Starting, Ok(running)) => {
                *self = Self::Running(running);
                Step::Runs
            }
            (Self::Starting, Err(error)) => Step::Fail(error),
            // Meanwhile it is no longer wanted like this.
            (_, Ok(running)) => Step::Stop(running),
            (_, Err(_)) => self.stopped(),
        }
    }

    /// The one that runs has come to its end, or failed.
    pub fn over(&mut self, result: Result<()>) -> Step<S> {
        match self {
            Self::Running(_) => self.stop(result.map_or_else(Then::TryAgain, |()| Then::End)),
            _ => Step::Nothing,
        }
    }

    /// It shall stop, whatever it is at; what comes then is what was asked for last.
    pub fn stop(&mut self, then: Then) -> Step<S> {
        match std::mem::replace(self, Self::Stopping(then)) {
            Self::Running(running) => Step::Stop(running),
            // What is in progress comes out first.
            Self::Starting | Self::Stopping(_) => Step::Nothing,
            Self::Waiting { .. } | Self::Ended => self.stopped(),
        }
    }

    /// The one that ran has stopped.
    pub fn stopped(&mut self) -> Step<S> {
        match std::mem::replace(self, Self::Ended) {
            Self::Stopping(Then::Remove) => Step::Remove,
            Self::Stopping(Then::Start(config)) => Step::Start(config),
            Self::Stopping(Then::TryAgain(error)) => Step::Fail(error),
            Self::Stopping(Then::End) => Step::Rest,
            other => {
                *self = other;
                Step::Nothing
            }
        }
    }

    /// A config is wanted, which `is_other` than the one it has or is about to get; of one that runs, the caller changes
    /// what can be changed.
    pub fn want(&mut self, config: StreamConfig, is_other: bool) -> Step<S> {
        match self {
            // It was to come back by itself, or to stay where it is.
            Self::Starting | Self::Stopping(Then::End | Then::TryAgain(_)) | Self::Waiting { .. } | Self::Ended
                if !is_other =>
            {
                Step::Nothing
            }
            _ => self.stop(Then::Start(Box::new(config))),
        }
    }

    /// It begins to start, if it does not run: what it is again if that fails.
    pub fn start_anew(&mut self) -> Option<Self> {
        match self {
            Self::Waiting { .. } | Self::Ended => Some(std::mem::replace(self, Self::Starting)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Config;

    /// The one that runs is known by its number.
    type Numbered = Life<u32>;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Event {
        Started,
        NotStarted,
        Over,
        Broke,
        Stopped,
        Remove,
        WantSame,
        WantOther,
        StartAnew,
    }

    use Event::*;
    const ALL: [Event; 9] = [Started, NotStarted, Over, Broke, Stopped, Remove, WantSame, WantOther, StartAnew];

    fn config(fps: u32) -> StreamConfig {
        let mut config = Config::default().streams().remove(0);
        config.source.fps = fps;
        config
    }

    fn start(fps: u32) -> Then {
        Then::Start(Box::new(config(fps)))
    }

    fn no_camera() -> Error {
        Error::input("no camera")
    }

    fn states() -> Vec<Numbered> {
        let thens = [Then::Remove, start(2), Then::End, Then::TryAgain(no_camera())];
        let stopping = thens.into_iter().map(Life::Stopping);
        let until = Instant::now() + Duration::from_secs(1);
        [Life::Starting, Life::Running(1), Life::Waiting { until }, Life::Ended].into_iter().chain(stopping).collect()
    }

    /// A stream whose threads are played by hand: what is started and ended, one after the other.
    #[derive(Debug)]
    struct Played {
        life: Numbered,
        /// The config that it has.
        fps: u32,
        /// A start, or an end, is in progress.
        starts: bool,
        stops: Vec<u32>,
        alive: Vec<u32>,
        removed: bool,
    }

    impl Played {
        fn new(life: Numbered) -> Self {
            let alive = if matches!(life, Life::Running(_) | Life::Stopping(_)) { vec![1] } else { Vec::new() };
            let stops = if matches!(life, Life::Stopping(_)) { vec![1] } else { Vec::new() };
            Self { starts: matches!(life, Life::Starting), life, fps: 1, stops, alive, removed: false }
        }

        /// Whether it can come now.
        fn may_come(&self, event: Event) -> bool {
            !self.removed
                && match event {
                    Started | NotStarted => self.starts,
                    Stopped => !self.stops.is_empty(),
                    Over | Broke | Remove | WantSame | WantOther | StartAnew => true,
                }
        }

        fn play(&mut self, event: Event) {
            let step = match event {
                Started => {
                    self.starts = false;
                    self.alive.push(2);
                    self.life.started(Ok(2))
                }
                NotStarted => {
                    self.starts = false;
                    self.life.started(Err(no_camera()))
                }
                Over => self.life.over(Ok(())),
                Broke => self.life.over(Err(no_camera())),
                Stopped => {
                    let stopped = self.stops.remove(0);
                    self.alive.retain(|alive| *alive != stopped);
                    self.life.stopped()
                }
                Remove => self.life.stop(Then::Remove),
                WantSame => self.life.want(config(self.fps), false),
                WantOther => self.life.want(config(3), true),
                StartAnew => {
                    self.starts |= self.life.start_anew().is_some();
                    Step::Nothing
                }
            };
            match step {
                Step::Nothing | Step::Rest | Step::Runs => {}
                Step::Stop(running) => self.stops.push(running),
                Step::Start(config) => {
                    (self.fps, self.life, self.starts) = (config.source.fps, Life::Starting, true);
                }
                Step::Fail(_) => self.life = Life::Waiting { until: Instant::now() },
                Step::Remove => self.removed = true,
            }
            self.is_sound(event);
        }

        /// At most one runs or is on its way, and nothing runs that nobody knows of.
        fn is_sound(&self, after: Event) {
            let known = match &self.life {
                Life::Running(number) => vec![*number],
                _ => self.stops.clone(),
            };
            assert_eq!(known, self.alive, "after {after:?}: {self:?}");
            let in_progress = self.alive.len() + usize::from(self.starts);
            assert!(in_progress <= 1, "after {after:?}: {self:?}");
            let is_busy = matches!(self.life, Life::Starting | Life::Running(_) | Life::Stopping(_));
            assert_eq!(
                in_progress == 1,
                is_busy && !self.removed,
                "after {after:?}: it would stay so for ever: {self:?}"
            );
        }

        /// All starts and ends that are in progress come out.
        fn settle(&mut self) {
            while let Some(event) = [Stopped, Started].into_iter().find(|event| self.may_come(*event)) {
                self.play(event);
            }
        }
    }

    #[test]
    fn after_any_two_events_one_runs_at_most_and_the_last_wish_is_done() {
        for state in states() {
            for first in ALL {
                for second in ALL {
                    let mut played = Played::new(state.clone());
                    let mut wish = None;
                    for event in [first, second] {
                        if played.may_come(event) {
                            played.play(event);
                            wish = Some(event).filter(|event| matches!(event, Remove | WantSame | WantOther)).or(wish);
                        }
                    }
                    played.settle();
                    let case = format!("{state:?} {first:?} {second:?}");
                    match wish {
                        Some(Remove) => assert!(played.removed, "{case}"),
                        Some(WantOther) => assert_eq!((played.fps, played.removed), (3, false), "{case}"),
                        Some(_) => assert!(!played.removed, "{case}"),
                        None => {}
                    }
                }
            }
        }
    }

    #[test]
    fn a_failed_start_is_tried_again_and_a_film_that_is_over_is_not() {
        let mut life = Numbered::Starting;
        assert_eq!(life.started(Err(no_camera())), Step::Fail(no_camera()));
        let mut life = Numbered::Running(1);
        assert_eq!(life.over(Err(no_camera())), Step::Stop(1));
        assert_eq!(life.stopped(), Step::Fail(no_camera()));
        let mut life = Numbered::Running(1);
        assert_eq!(life.over(Ok(())), Step::Stop(1));
        assert_eq!(life.stopped(), Step::Rest);
        assert_eq!(life.start_anew(), Some(Life::Ended));
    }

    #[test]
    fn a_config_that_is_the_same_disturbs_nothing_that_comes_back_by_itself() {
        for mut life in states() {
            let before = life.clone();
            let is_leaving = matches!(&life, Life::Stopping(Then::Remove | Then::Start(_)));
            if !matches!(life, Life::Running(_)) {
                assert_eq!(life.want(config(1), false), Step::Nothing);
                assert_eq!(life == before, !is_leaving, "{before:?}");
            }
        }
    }
}
