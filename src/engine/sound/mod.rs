//! Sound that drives the look: what is heard of the source goes in on its thread, what the painter shall paint comes out on that of
//! the painter.

mod bands;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use gstreamer as gst;

use crate::error::{Error, Result};
use crate::style::look::{Drive, Driven, Drives, Driving, Levels, Modulation, driven};
use crate::sync::Locked;
use bands::{Analyser, BLOCK_MS};

/// A source that gives no sound for so long is silent for good.
const HEARD_FOR: Duration = Duration::from_millis(500);

/// How long a number takes from the look's own value to what drives it, and back.
const TURN: Duration = Duration::from_millis(500);

/// What the sound of one stream drives. The lock is held for moments only: while a piece of sound is measured, a number read.
#[derive(Debug, Default)]
pub struct SoundDrive {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    drives: Drives,
    followers: [Follower; Driven::COUNT],
    analyser: Analyser,
    levels: Levels,
    /// When sound came last.
    heard: Option<Instant>,
    /// When the painter asked last.
    asked: Option<Instant>,
}

/// One number of the look.
#[derive(Debug, Clone, Copy, Default)]
struct Follower {
    drive: Option<Drive>,
    /// The sound's level as it follows that: 0 to 1.
    level: f32,
    driving: Driving,
}

/// How the sound drives a stream now.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub is_heard: bool,
    pub levels: Levels,
    /// Each drive, with its parameter and what that is driven to; none while it is as the look says.
    pub drives: Vec<(String, Drive, Option<f32>)>,
}

impl SoundDrive {
    /// What drives from the beginning.
    pub fn new(drives: &Drives) -> Self {
        let this = Self::default();
        this.configure(drives);
        this
    }

    /// Takes these instead of those there are.
    pub fn configure(&self, drives: &Drives) {
        self.state.locked().set(drives.clone());
    }

    /// Drives a parameter so, or no longer.
    ///
    /// # Errors
    /// A parameter that cannot be driven, with the nearest that can; numbers that cannot be.
    pub fn set(&self, parameter: &str, drive: Option<Drive>) -> Result<()> {
        driven(parameter).map_err(Error::usage)?;
        drive.map_or(Ok(()), |drive| drive.check())?;
        let mut state = self.state.locked();
        let mut drives = state.drives.clone();
        match drive {
            Some(drive) => drives.0.insert(parameter.into(), drive),
            None => drives.0.remove(parameter),
        };
        state.set(drives);
        Ok(())
    }

    /// What is set.
    pub fn drives(&self) -> Drives {
        self.state.locked().drives.clone()
    }

    /// Takes a piece of sound as captures deliver it: S16LE, 48 kHz, stereo.
    pub fn hear(&self, sample: &gst::Sample) {
        let mut state = self.state.locked();
        if !state.drives.0.is_empty()
            && let Some(bytes) = sample.buffer().and_then(|buffer| buffer.map_readable().ok())
        {
            state.hear(&bytes, Instant::now());
        }
    }

    /// What the next picture shall be painted with. Allocates nothing.
    pub fn modulation(&self, now: Instant) -> Modulation {
        self.state.locked().modulation(now)
    }

    pub fn told(&self, now: Instant) -> Told {
        let state = self.state.locked();
        let is_heard = state.is_heard(now);
        let drives = state.drives.0.iter().filter_map(|(parameter, drive)| {
            let Driving { value, share } = state.followers[driven(parameter).ok()? as usize].driving;
            Some((parameter.clone(), *drive, (share > 0.0).then_some(value)))
        });
        let levels = if is_heard { state.levels } else { Levels::default() };
        Told { is_heard, levels, drives: drives.collect() }
    }
}

impl State {
    fn set(&mut self, drives: Drives) {
        self.followers.iter_mut().for_each(|follower| follower.drive = None);
        for (parameter, drive) in &drives.0 {
            if let Ok(driven) = driven(parameter) {
                self.followers[driven as usize].drive = Some(*drive);
            }
        }
        self.drives = drives;
    }

    fn is_heard(&self, now: Instant) -> bool {
        self.heard.is_some_and(|heard| now.saturating_duration_since(heard) < HEARD_FOR)
    }

    fn hear(&mut self, bytes: &[u8], now: Instant) {
        self.heard = Some(now);
        let Self { analyser, levels, followers, .. } = self;
        let sample = |bytes: [u8; 2]| f32::from(i16::from_le_bytes(bytes));
        // Both channels together, as a part of full scale.
        let together = |&[a, b, c, d]: &[u8; 4]| (sample([a, b]) + sample([c, d])) / (2.0 * 32_768.0);
        analyser.feed(bytes.as_chunks().0.iter().map(together), |block| {
            *levels = block;
            followers.iter_mut().for_each(|follower| follower.follow(block));
        });
    }

    fn modulation(&mut self, now: Instant) -> Modulation {
        let passed = self.asked.replace(now).map_or(Duration::ZERO, |asked| now.saturating_duration_since(asked));
        let (is_heard, step) = (self.is_heard(now), passed.as_secs_f32() / TURN.as_secs_f32());
        let mut modulation = Modulation::default();
        for (driven, follower) in Driven::ALL.into_iter().zip(&mut self.followers) {
            modulation.set(driven, follower.turn(is_heard, step));
        }
        modulation
    }
}

impl Follower {
    /// Goes on to the level of the latest block of sound.
    fn follow(&mut self, levels: Levels) {
        let Some(drive) = self.drive else { return };
        let level = levels.of(drive.by);
        let constant_ms = if level > self.level { drive.attack_ms } else { drive.release_ms };
        let part = if constant_ms == 0 { 1.0 } else { 1.0 - (-BLOCK_MS / constant_ms as f32).exp() };
        self.level += (level - self.level) * part;
    }

    /// Comes to what drives it, or goes back to the look's own value, by this step.
    fn turn(&mut self, is_heard: bool, step: f32) -> Driving {
        let Driving { value, share } = &mut self.driving;
        if let Some(drive) = self.drive.filter(|_| is_heard) {
            *value = drive.value(self.level);
            *share = (*share + step).min(1.0);
        } else {
            *share = (*share - step).max(0.0);
            if *share == 0.0 {
                self.level = 0.0;
            }
        }
        self.driving
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::look::Band;

    /// A second of a tone, as captures deliver it.
    fn tone(hertz: f32, amplitude: f32) -> Vec<u8> {
        let sample = |place: usize| (hertz * std::f32::consts::TAU * place as f32 / 48_000.0).sin() * amplitude;
        (0..48_000).flat_map(|place| [((sample(place) * 32_767.0) as i16).to_le_bytes(); 2]).flatten().collect()
    }

    /// A strength that goes by the low band, and when it began.
    fn driven_strength(drive: Drive) -> (State, Instant) {
        let mut state = State::default();
        state.set(Drives([("strength".into(), drive)].into()));
        (state, Instant::now())
    }

    fn strength(state: &mut State, now: Instant) -> Driving {
        state.modulation(now);
        state.followers[Driven::Strength as usize].driving
    }

    #[test]
    fn a_number_follows_the_sound_and_goes_back_when_there_is_none() {
        let (mut state, begun) = driven_strength(Drive { from: 0.25, to: 0.75, ..Drive::by(Band::Low) });
        let at = |ms| begun + Duration::from_millis(ms);
        assert_eq!(strength(&mut state, at(0)).share, 0.0, "nothing was heard");
        state.hear(&tone(60.0, 0.0), at(0));
        let silent = strength(&mut state, at(250));
        assert_eq!((silent.value, silent.share), (0.25, 0.5), "silence is sound too, and takes over smoothly");
        state.hear(&tone(60.0, 0.9), at(300));
        let loud = strength(&mut state, at(600));
        assert!((loud.value - 0.75).abs() < 0.01 && loud.share == 1.0, "{loud:?}");
        state.hear(&tone(8000.0, 0.9), at(700));
        let other = strength(&mut state, at(800));
        assert!((other.value - 0.25).abs() < 0.05, "another band: {other:?}");
        assert_eq!(strength(&mut state, at(1150)).share, 1.0);
        state.hear(&tone(60.0, 0.9), at(1160));
        let held = strength(&mut state, at(1170)).value;
        let half = strength(&mut state, at(1670));
        assert!(!state.is_heard(at(1670)) && half.share < 1.0 && half.value == held, "{half:?}");
        assert_eq!(strength(&mut state, at(2500)).share, 0.0);
    }

    #[test]
    fn attack_and_release_are_time_constants_and_zero_is_at_once() {
        let after = |drive: Drive, blocks: usize, before: f32, now: f32| {
            let mut follower = Follower { drive: Some(drive), level: before, ..Follower::default() };
            (0..blocks).for_each(|_| follower.follow(Levels { level: now, ..Levels::default() }));
            follower.level
        };
        let drive = Drive { attack_ms: 100, release_ms: 400, ..Drive::by(Band::Level) };
        // What is left after a time constant is 1/e.
        let left = (-1.0_f32).exp();
        assert!((after(drive, 5, 0.0, 1.0) - (1.0 - left)).abs() < 0.001);
        assert!((after(drive, 20, 1.0, 0.0) - left).abs() < 0.001);
        let at_once = Drive { attack_ms: 0, release_ms: 0, ..drive };
        assert_eq!([after(at_once, 1, 0.0, 1.0), after(at_once, 1, 1.0, 0.0)], [1.0, 0.0]);
    }

    #[test]
    fn a_drive_that_is_taken_away_leaves_smoothly() {
        let (mut state, begun) = driven_strength(Drive::by(Band::Level));
        let at = |ms| begun + Duration::from_millis(ms);
        strength(&mut state, at(0));
        state.hear(&tone(440.0, 0.9), at(0));
        assert_eq!(strength(&mut state, at(499)).share, 499.0 / 500.0);
        state.set(Drives::default());
        let left = strength(&mut state, at(599));
        assert!(left.value > 0.9 && (left.share - 0.798).abs() < 0.001, "{left:?}");
    }
}
