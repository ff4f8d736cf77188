//! A show as written: the playlist of a stream's sources, the programmes of its looks, and the week of these.

use std::fmt;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::week::{Day, TimeOfDay};
use crate::capture::Source;
use crate::error::{Error, Result};
use crate::style::LookPatch;
use crate::suggest::did_you_mean;

/// The shortest and the longest time of an item or a step, in seconds: half a second, and a week.
const SECONDS: (f64, f64) = (0.5, 604_800.0);

/// What is shown one after the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShowConfig {
    pub playlist: Vec<ItemConfig>,
    pub shuffle: bool,
    pub repeat: bool,
    pub programme: Vec<ProgrammeConfig>,
    pub schedule: Vec<ScheduleConfig>,
    pub time_zone: String,
}

/// A source of the playlist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemConfig {
    /// As `[source] input`, or a folder: all films and pictures in it.
    pub source: String,
    /// None for all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// A film begins again until its time is over.
    #[serde(default)]
    pub r#loop: bool,
}

/// Looks one after the other, round and round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgrammeConfig {
    pub name: String,
    #[serde(default)]
    pub step: Vec<StepConfig>,
    /// Styles that it goes through as chance has it, instead of steps.
    #[serde(default)]
    pub walk: Vec<String>,
    /// How long a look is shown.
    #[serde(default = "minute")]
    pub seconds: f64,
    /// How long it takes to come.
    #[serde(default = "two_seconds")]
    pub fade_seconds: f64,
}

fn minute() -> f64 {
    60.0
}

fn two_seconds() -> f64 {
    2.0
}

/// A look of a programme: a preset, or what is changed of `[paint]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StepConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub look: Option<LookPatch>,
    /// As the programme, if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fade_seconds: Option<f64>,
}

/// When a programme is on. One that ends no later than it begins ends on the next day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleConfig {
    pub programme: String,
    #[serde(default = "every_day")]
    pub days: Vec<Day>,
    pub from: TimeOfDay,
    pub to: TimeOfDay,
}

fn every_day() -> Vec<Day> {
    Day::ALL.to_vec()
}

impl fmt::Display for ScheduleConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = match self.days.as_slice() {
            days if days.len() == Day::ALL.len() => "every day".into(),
            days => days.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        write!(f, "`{}` ({days}, {} to {})", self.programme, self.from, self.to)
    }
}

impl Default for ShowConfig {
    fn default() -> Self {
        let (playlist, programme, schedule) = Default::default();
        Self { playlist, shuffle: false, repeat: true, programme, schedule, time_zone: String::new() }
    }
}

impl ShowConfig {
    /// The time zone of the schedule: that of this machine if none is named.
    ///
    /// # Errors
    /// There is no such zone.
    pub fn zone(&self) -> Result<TimeZone> {
        let name = &self.time_zone;
        if name.is_empty() {
            return Ok(TimeZone::system());
        }
        TimeZone::get(name).map_err(|_| {
            Error::usage(format!("[show] time_zone = `{name}`: there is no such time zone; one is Europe/Berlin"))
        })
    }

    /// # Errors
    /// A value that cannot be. What is not there now may come.
    pub fn check(&self) -> Result<()> {
        for ItemConfig { source, seconds, .. } in &self.playlist {
            if source.is_empty() {
                return Err(Error::usage("[show] source = \"\": an item of the playlist names a source or a folder"));
            }
            Source::parse(source)?;
            check_seconds("seconds", *seconds)?;
        }
        self.zone()?;
        for (place, programme) in self.programme.iter().enumerate() {
            programme.check()?;
            if self.programme[..place].iter().any(|other| other.name == programme.name) {
                return Err(Error::usage(format!("[show] name = `{}`: two programmes have it", programme.name)));
            }
        }
        for ScheduleConfig { programme, days, .. } in &self.schedule {
            let names = || self.programme.iter().map(|known| known.name.as_str());
            if !names().any(|name| name == programme) {
                let hint = did_you_mean(programme, names());
                return Err(Error::usage(format!(
                    "[show] programme = `{programme}`: there is no such programme{hint}"
                )));
            }
            if days.is_empty() {
                return Err(Error::usage(format!(
                    "[show] programme = `{programme}`: its days are empty; leave them out for all"
                )));
            }
        }
        Ok(())
    }
}

impl ProgrammeConfig {
    fn check(&self) -> Result<()> {
        let refused = |what: &str| Err(Error::usage(format!("[show] name = `{}`: {what}", self.name)));
        if self.name.is_empty() {
            return refused("a programme needs a name");
        }
        if self.step.is_empty() == self.walk.is_empty() {
            return refused("a programme has steps, or styles that it walks through");
        }
        check_seconds("seconds", Some(self.seconds))?;
        check_fade(self.fade_seconds)?;
        for StepConfig { preset, look, seconds, fade_seconds } in &self.step {
            if preset.is_some() == look.is_some() {
                return refused("each of its steps has a preset or a look");
            }
            check_seconds("seconds", *seconds)?;
            fade_seconds.map_or(Ok(()), check_fade)?;
        }
        Ok(())
    }
}

/// The longest cross-fade, in seconds.
const LONGEST_FADE: f64 = 600.0;

fn check_fade(seconds: f64) -> Result<()> {
    match (0.0..=LONGEST_FADE).contains(&seconds) {
        true => Ok(()),
        false => Err(Error::usage(format!("[show] fade_seconds = {seconds}: 0 to {LONGEST_FADE} is possible"))),
    }
}

fn check_seconds(key: &str, seconds: Option<f64>) -> Result<()> {
    match seconds {
        Some(seconds) if !(SECONDS.0..=SECONDS.1).contains(&seconds) => {
            Err(Error::usage(format!("[show] {key} = {seconds}: {} to {} is possible", SECONDS.0, SECONDS.1)))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn a_show_is_written_for_all_streams_or_for_one() {
        let text = "[show]\nshuffle = true\nplaylist = [{ source = \"test\", seconds = 5 }]\n\
                    [[stream]]\nname = \"hall\"\n\
                    [[stream]]\nname = \"lobby\"\nshow.shuffle = false\n\
                    [[stream.show.playlist]]\nsource = \"a.mp4\"\n\
                    [[stream.show.playlist]]\nsource = \"films\"\nloop = true\n";
        let streams = Config::parse(text).unwrap().streams();
        let [hall, lobby] = streams.as_slice() else { panic!("{streams:?}") };
        assert_eq!((hall.show.shuffle, hall.show.playlist[0].seconds), (true, Some(5.0)));
        assert_eq!((lobby.show.shuffle, lobby.show.repeat, lobby.show.playlist.len()), (false, true, 2));
        for (text, words) in [
            ("playlist = [{ source = \"\" }]", "names a source or a folder"),
            ("playlist = [{ source = \"camera:\" }]", "cameras are named"),
            ("playlist = [{ source = \"test\", seconds = 0 }]", "seconds = 0: 0.5 to 604800"),
            ("playlist = [{ source = \"test\", secs = 1 }]", "did you mean `seconds`?"),
            ("time_zone = \"Europe/Atlantis\"", "no such time zone"),
            ("programme = [{ name = \"day\" }]", "has steps, or styles"),
            ("programme = [{ name = \"day\", walk = [\"a\"], fade_seconds = 601 }]", "fade_seconds = 601: 0 to 600"),
            ("programme = [{ name = \"day\", step = [{ seconds = 5 }] }]", "has a preset or a look"),
            ("programme = [{ name = \"day\", step = [{ look = { strenght = 1 } }] }]", "did you mean `strength`?"),
            ("programme = [{ name = \"a\", walk = [\"a\"] }, { name = \"a\", walk = [\"a\"] }]", "two programmes"),
            ("schedule = [{ programme = \"x\", from = \"25:00\", to = \"09:00\" }]", "`25:00` is no time of the day"),
            (
                "schedule = [{ programme = \"x\", days = [\"monday\"], from = \"08:00\", to = \"09:00\" }]",
                "unknown variant `monday`",
            ),
            (
                "programme = [{ name = \"evening\", walk = [\"a\"] }]\nschedule = [{ programme = \"evenin\", from = \"08:00\", to = \"09:00\" }]",
                "did you mean `evening`?",
            ),
        ] {
            let read = Config::parse(&format!("[show]\n{text}\n"));
            let checked = read.and_then(|config| config.streams()[0].show.check().map_err(|error| error.to_string()));
            assert!(checked.as_ref().is_err_and(|error| error.contains(words)), "{text}: {checked:?}");
        }
    }
}
