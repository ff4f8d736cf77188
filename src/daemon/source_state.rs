//! Decides what becomes of a stream's source: play it again, go back, try again, rest. Time and readings are passed in.

use std::time::{Duration, Instant};

use super::file_watch::{FileWatch, Stamp};
use crate::back_off::BackOff;
use crate::capture::{End, Source};
use crate::control::contract::SourceRequest;
use crate::error::Error;
use crate::output::Usage;
use crate::output::idle::IdleDetector;

/// A live source that delivers nothing for so long is lost, whatever it says; a file that plays in a loop has its own
/// length more, since its sound may outlast its pictures.
const STALLED_AFTER: Duration = Duration::from_secs(10);

/// The wait before the first try to get a lost source back, and the longest one.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// The longest wait for a camera: to look whether it is plugged in again costs nothing.
const CAMERA_BACK_OFF: Duration = Duration::from_secs(3);

/// A source, and whether it begins again when it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Playing {
    pub source: Source,
    pub looped: bool,
}

impl Playing {
    /// # Errors
    /// As [`Source::parse`].
    pub fn parse(wanted: &SourceRequest) -> Result<Self, Error> {
        Ok(Self { source: Source::parse(&wanted.source)?, looped: wanted.r#loop })
    }

    /// Whether both were asked for in the same words.
    pub fn is_as_asked(&self, other: &Self) -> bool {
        self.looped == other.looped && self.source.written().is_some_and(|text| other.source.written() == Some(text))
    }

    /// The file that plays as it lies there now, if it is one.
    pub fn stamp(&self) -> Option<Stamp> {
        match &self.source {
            Source::File(path) => Stamp::of(path),
            _ => None,
        }
    }

    /// Whether it may be released while nobody watches: a file that is played once would lose its place.
    fn can_rest(&self) -> bool {
        self.looped || !matches!(self.source, Source::File(_))
    }
}

/// What is known at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    pub now: Instant,
    /// Pictures that have come since the stream began.
    pub captured: u64,
    pub usage: Usage,
    /// It may be released while nobody watches.
    pub on_demand: bool,
    /// How long a round of what plays takes, if it has an end.
    pub length: Option<Duration>,
    /// The file that plays, if it is one that is shown for ever, as it lies there now.
    pub file: Option<Stamp>,
}

/// What is to be done with the capture.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Nothing.
    Stay,
    /// It is closed, if it is open, and opened.
    Open,
    /// The file that plays is another one by now: it is opened, and takes over with its first picture.
    Renew,
    /// The outputs wake, and it is opened.
    Wake,
    /// It is closed, because nobody watches.
    Rest,
    /// It was lost; for this reason, if that has not been told yet. It is closed.
    Lose(Option<String>),
    /// The source that was set meanwhile is over, in good order or not: it is closed, and the configured one opened.
    GoBack(Result<(), String>),
    /// The item of the playlist is over, in good order or not: it is closed, and the next one comes by itself.
    Over(Result<(), String>),
    /// The stream is over.
    End(Result<(), Error>),
}

/// Whose source it is that plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It is what the stream goes back to.
    Configured,
    /// It was set by hand while the stream ran.
    Set,
    /// The playlist's, which says what comes after it.
    Listed,
}

/// The source of a stream, and what it is at.
pub struct SourceState {
    /// What the stream goes back to.
    configured: Playing,
    playing: Playing,
    /// That of `playing`.
    origin: Origin,
    /// It has shown a picture at least once.
    has_played: bool,
    phase: Phase,
    back_off: BackOff,
    /// Why it was lost, as it was told last.
    said: String,
    /// Why nothing of it is shown now, or not what its file holds.
    trouble: Option<String>,
    idle: IdleDetector,
    watch: FileWatch,
}

enum Phase {
    /// How many pictures had come when it was opened, how many by now, and when the last one came. `is_outdated`: its
    /// file was written anew since, but cannot be shown.
    Open { before: u64, captured: u64, since: Instant, is_outdated: bool },
    /// Lost, until it is tried again.
    Lost { until: Instant },
    /// An item of the playlist is over, and another one on its way.
    Over,
    /// Released, because nobody watches.
    Resting,
}

impl SourceState {
    /// `set` plays first, if it is given; otherwise `configured`.
    pub fn new(configured: Playing, set: Option<Playing>, reading: Reading) -> Self {
        let origin = if set.is_some() { Origin::Set } else { Origin::Configured };
        let playing = set.unwrap_or_else(|| configured.clone());
        let (back_off, said, idle) = (BackOff::new(BACK_OFF), String::new(), IdleDetector::default());
        let (phase, has_played, trouble) = (Phase::Resting, false, None);
        let watch = FileWatch::new(reading.file, reading.now);
        let mut this = Self { configured, playing, origin, has_played, phase, back_off, said, trouble, idle, watch };
        this.opened(reading);
        this
    }

    pub fn playing(&self) -> &Playing {
        &self.playing
    }

    /// Why nothing of it is shown now, or not what its file holds; none while all is well.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// It is open now; the file of the `reading` is as it was before that.
    pub fn opened(&mut self, reading: Reading) {
        let Reading { now, captured, file, .. } = reading;
        self.phase = Phase::Open { before: captured, captured, since: now, is_outdated: false };
        self.watch = FileWatch::new(file, now);
    }

    /// The file that plays was to be opened anew, and cannot be, for this reason: what was open goes on as long as
    /// something comes of it, until that file changes again.
    pub fn not_renewed(&mut self, reason: String, reading: Reading) {
        self.watch = FileWatch::new(reading.file, reading.now);
        self.trouble = Some(reason);
        if let Phase::Open { is_outdated, .. } = &mut self.phase {
            *is_outdated = true;
        }
    }

    /// What the stream goes back to.
    pub fn configured(&self) -> &Playing {
        &self.configured
    }

    /// What plays is the playlist's.
    pub fn is_listed(&self) -> bool {
        self.origin == Origin::Listed
    }

    /// Goes back to another source from now on: true if that is no change of what plays now.
    pub fn configure(&mut self, configured: &Playing) -> bool {
        if self.is_listed() {
            self.configured.clone_from(configured);
        }
        self.is_listed()
    }

    /// What plays, which was set by hand, is what the stream goes back to from now on.
    pub fn adopt(&mut self) {
        self.configured.clone_from(&self.playing);
        self.origin = Origin::Configured;
    }

    /// The item of the playlist is over before its end.
    pub fn hold(&mut self) {
        self.phase = Phase::Over;
    }

    /// Another source plays now.
    pub fn switched(&mut self, playing: Playing, origin: Origin, reading: Reading) {
        if origin == Origin::Configured {
            self.configured = playing.clone();
        }
        (self.playing, self.origin, self.has_played) = (playing, origin, false);
        self.said.clear();
        self.trouble = None;
        self.back_off.reset();
        self.opened(reading);
    }

    /// Takes a reading, a few times a second.
    pub fn note(&mut self, reading: Reading, jitter: f64) -> Step {
        let rests = reading.on_demand && self.playing.can_rest();
        let is_wanted = !rests || self.idle.note(reading.usage, reading.now);
        let patience = self.patience(reading.length);
        let is_anew = self.watch.note(reading.file, reading.now);
        match &mut self.phase {
            Phase::Resting if is_wanted => {
                self.back_off.reset();
                Step::Wake
            }
            Phase::Resting => Step::Stay,
            _ if !is_wanted => {
                (self.phase, self.trouble) = (Phase::Resting, None);
                Step::Rest
            }
            Phase::Lost { until } if is_anew || reading.now >= *until => Step::Open,
            Phase::Lost { .. } | Phase::Over => Step::Stay,
            Phase::Open { .. } if is_anew => Step::Renew,
            Phase::Open { captured, since, is_outdated, .. } => {
                if *captured != reading.captured {
                    (*captured, *since, self.has_played) = (reading.captured, reading.now, true);
                    self.trouble.take_if(|_| !*is_outdated);
                }
                let silent = reading.now.duration_since(*since);
                match patience {
                    Some(patience) if silent >= patience => {
                        let seconds = patience.as_secs();
                        let (source, advice) = (&self.playing.source, self.playing.source.advice());
                        self.lose(format!("{source} sent nothing for {seconds} s{advice}"), reading, jitter)
                    }
                    _ => Step::Stay,
                }
            }
        }
    }

    /// How long nothing may come before the source is lost. A file that plays once is waited for: it ends by itself.
    fn patience(&self, length: Option<Duration>) -> Option<Duration> {
        if self.playing.source.is_live() || matches!(self.phase, Phase::Open { is_outdated: true, .. }) {
            return Some(STALLED_AFTER);
        }
        length.filter(|_| self.playing.looped).map(|length| length + STALLED_AFTER)
    }

    /// The capture ended, or could not be opened. `is_recorded`: a stream that knows its length is over at its end, one
    /// that does not was lost. `jitter`, from 0 to 1, spreads the tries of many clients of one server.
    pub fn ended(&mut self, end: End, is_recorded: bool, reading: Reading, jitter: f64) -> Step {
        let delivered = matches!(self.phase, Phase::Open { before, .. } if reading.captured > before);
        if delivered {
            self.back_off.reset();
            self.said.clear();
            self.has_played = true;
        }
        // Somebody writes the file anew, or its disk is away: the stream waits as it does for a camera.
        let comes_back = self.playing.looped && self.origin != Origin::Listed && self.has_played;
        match end {
            End::Finished if is_recorded && self.playing.looped && delivered => Step::Open,
            End::Finished if comes_back => {
                self.lose(format!("{} shows no picture", self.playing.source), reading, jitter)
            }
            End::Finished if is_recorded => self.leave(Ok(())),
            End::Failed(reason) if !self.playing.source.is_live() && !comes_back => self.leave(Err(reason)),
            End::Failed(reason) => self.lose(reason, reading, jitter),
            End::Finished => self.lose(format!("{} ended", self.playing.source), reading, jitter),
        }
    }

    /// What plays is over for good.
    fn leave(&mut self, result: Result<(), String>) -> Step {
        match self.origin {
            Origin::Configured => Step::End(result.map_err(Error::input)),
            Origin::Listed => {
                self.phase = Phase::Over;
                Step::Over(result)
            }
            Origin::Set => {
                let playing = self.configured.clone();
                (self.playing, self.origin, self.has_played) = (playing, Origin::Configured, false);
                self.trouble = None;
                Step::GoBack(result)
            }
        }
    }

    fn lose(&mut self, reason: String, reading: Reading, jitter: f64) -> Step {
        // The playlist has others meanwhile.
        if self.is_listed() {
            return self.leave(Err(reason));
        }
        let longest = if matches!(self.playing.source, Source::Camera(_)) { CAMERA_BACK_OFF } else { BACK_OFF.1 };
        let wait = self.back_off.wait().min(longest);
        self.phase = Phase::Lost { until: reading.now + wait.mul_f64(1.0 + jitter / 4.0) };
        // Once: a camera may be away all night.
        let is_news = self.said != reason;
        self.said.clone_from(&reason);
        self.trouble = Some(reason.clone());
        Step::Lose(is_news.then_some(reason))
    }
}

#[cfg(test)]
mod tests;
