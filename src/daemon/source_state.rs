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
    /// The stream is over.
    End(Result<(), Error>),
}

/// The source of a stream, and what it is at.
pub struct SourceState {
    /// What the stream goes back to.
    configured: Playing,
    playing: Playing,
    /// `playing` was set while the stream ran.
    is_set: bool,
    /// It has shown a picture at least once.
    has_played: bool,
    phase: Phase,
    back_off: BackOff,
    /// Why it was lost, as it was told last.
    said: String,
    idle: IdleDetector,
    watch: FileWatch,
}

enum Phase {
    /// How many pictures had come when it was opened, how many by now, and when the last one came.
    Open { before: u64, captured: u64, since: Instant },
    /// Lost, until it is tried again.
    Lost { until: Instant },
    /// Released, because nobody watches.
    Resting,
}

impl SourceState {
    /// `set` plays first, if it is given; otherwise `configured`.
    pub fn new(configured: Playing, set: Option<Playing>, reading: Reading) -> Self {
        let is_set = set.is_some();
        let playing = set.unwrap_or_else(|| configured.clone());
        let (back_off, said, idle) = (BackOff::new(BACK_OFF), String::new(), IdleDetector::default());
        let (phase, has_played) = (Phase::Resting, false);
        let watch = FileWatch::new(reading.file, reading.now);
        let mut this = Self { configured, playing, is_set, has_played, phase, back_off, said, idle, watch };
        this.opened(reading);
        this
    }

    pub fn playing(&self) -> &Playing {
        &self.playing
    }

    /// It is open now; the file of the `reading` is as it was before that.
    pub fn opened(&mut self, reading: Reading) {
        let Reading { now, captured, file, .. } = reading;
        self.phase = Phase::Open { before: captured, captured, since: now };
        self.watch = FileWatch::new(file, now);
    }

    /// The file that plays was to be opened anew, and cannot be: what was open goes on, until that file changes again.
    pub fn not_renewed(&mut self, reading: Reading) {
        self.watch = FileWatch::new(reading.file, reading.now);
    }

    /// Another source plays now: the configured one, or one that was set.
    pub fn switched(&mut self, playing: Playing, is_configured: bool, reading: Reading) {
        if is_configured {
            self.configured = playing.clone();
        }
        (self.playing, self.is_set, self.has_played) = (playing, !is_configured, false);
        self.said.clear();
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
                self.phase = Phase::Resting;
                Step::Rest
            }
            Phase::Lost { until } if is_anew || reading.now >= *until => Step::Open,
            Phase::Lost { .. } => Step::Stay,
            Phase::Open { .. } if is_anew => Step::Renew,
            Phase::Open { captured, since, .. } => {
                if *captured != reading.captured {
                    (*captured, *since, self.has_played) = (reading.captured, reading.now, true);
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
        if self.playing.source.is_live() {
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
        let comes_back = self.playing.looped && !self.is_set && self.has_played;
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
        if !std::mem::take(&mut self.is_set) {
            return Step::End(result.map_err(Error::input));
        }
        (self.playing, self.has_played) = (self.configured.clone(), false);
        Step::GoBack(result)
    }

    fn lose(&mut self, reason: String, reading: Reading, jitter: f64) -> Step {
        let longest = if matches!(self.playing.source, Source::Camera(_)) { CAMERA_BACK_OFF } else { BACK_OFF.1 };
        let wait = self.back_off.wait().min(longest);
        self.phase = Phase::Lost { until: reading.now + wait.mul_f64(1.0 + jitter / 4.0) };
        // Once: a camera may be away all night.
        let is_news = self.said != reason;
        self.said.clone_from(&reason);
        Step::Lose(is_news.then_some(reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn playing(source: &str, looped: bool) -> Playing {
        Playing { source: Source::parse(source).unwrap(), looped }
    }

    /// A stream whose time and readings the test makes.
    struct Stage {
        state: SourceState,
        reading: Reading,
    }

    impl Stage {
        fn new(configured: Playing, on_demand: bool) -> Self {
            let reading = Reading {
                now: Instant::now(),
                captured: 0,
                usage: Usage::Watched,
                on_demand,
                length: None,
                file: None,
            };
            Self { state: SourceState::new(configured, None, reading), reading }
        }

        fn pictures(&mut self, count: u64) -> &mut Self {
            self.reading.captured += count;
            self
        }

        /// The first step that is none, within so many seconds of a reading every 100 ms.
        fn within(&mut self, seconds: f64) -> Step {
            let until = self.reading.now + Duration::from_secs_f64(seconds);
            while self.reading.now < until {
                self.reading.now += Duration::from_millis(100);
                match self.state.note(self.reading, 0.0) {
                    Step::Stay => {}
                    step => return step,
                }
            }
            Step::Stay
        }

        fn ended(&mut self, end: End, is_recorded: bool) -> Step {
            self.state.ended(end, is_recorded, self.reading, 0.0)
        }

        fn failed(&mut self, why: &str) -> Step {
            self.ended(End::Failed(why.into()), false)
        }

        fn set(&mut self, source: &str, looped: bool) {
            self.state.switched(playing(source, looped), false, self.reading);
        }
    }

    #[test]
    fn a_file_that_is_over_ends_the_stream_or_begins_again() {
        let mut once = Stage::new(playing("a.mp4", false), false);
        assert_eq!(once.pictures(9).ended(End::Finished, true), Step::End(Ok(())));
        let mut looped = Stage::new(playing("a.mp4", true), false);
        assert_eq!(looped.pictures(9).ended(End::Finished, true), Step::Open);
        let mut empty = Stage::new(playing("a.mp4", true), false);
        assert_eq!(empty.ended(End::Finished, true), Step::End(Ok(())), "it never had a picture");
        let mut damaged = Stage::new(playing("a.mp4", true), false);
        assert_eq!(damaged.failed("damaged"), Step::End(Err(Error::input("damaged"))));
    }

    #[test]
    fn what_was_set_while_it_ran_goes_back_to_the_configured_source() {
        for (configured, end) in [("camera", Step::Stay), ("a.mp4", Step::End(Ok(())))] {
            let mut stage = Stage::new(playing(configured, false), false);
            stage.pictures(9).set("b.mp4", false);
            assert_eq!(stage.pictures(9).ended(End::Finished, true), Step::GoBack(Ok(())));
            assert_eq!(stage.state.playing(), &playing(configured, false));
            stage.state.opened(stage.reading);
            assert_eq!(stage.pictures(9).within(5.0), Step::Stay);
            if end != Step::Stay {
                assert_eq!(stage.ended(End::Finished, true), end, "that one is the stream's own");
            }
        }
        let mut stage = Stage::new(playing("showcase", false), false);
        stage.set("b.mp4", true);
        assert_eq!(stage.pictures(9).ended(End::Finished, true), Step::Open, "it plays in a loop");
        assert_eq!(stage.failed("damaged"), Step::GoBack(Err("damaged".into())));
        // A changed config is no visit.
        stage.state.switched(playing("c.mp4", false), true, stage.reading);
        assert_eq!(stage.pictures(9).ended(End::Finished, true), Step::End(Ok(())));
    }

    #[test]
    fn a_lost_source_is_told_once_and_tried_again_more_and_more_seldom() {
        for (source, longest) in [("rtsp://h/x", 30.0), ("camera", 3.0)] {
            let mut stage = Stage::new(playing(source, false), false);
            assert_eq!(stage.failed("gone"), Step::Lose(Some("gone".into())));
            for wait in [0.5f64, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0].map(|wait| wait.min(longest)) {
                assert_eq!(stage.within(wait - 0.2), Step::Stay, "{source} {wait}");
                assert_eq!(stage.within(0.3), Step::Open, "{source} {wait}");
                assert_eq!(stage.failed("gone"), Step::Lose(None));
            }
            assert_eq!(stage.failed("refused"), Step::Lose(Some("refused".into())), "another reason is news");
            // Back, it is a source like any other.
            stage.state.opened(stage.reading);
            assert_eq!(stage.pictures(1).failed("gone"), Step::Lose(Some("gone".into())));
            assert_eq!(stage.within(0.7), Step::Open);
        }
    }

    #[test]
    fn a_live_source_that_is_silent_or_ends_without_a_length_is_lost_and_a_file_is_not() {
        let mut stage = Stage::new(playing("rtsp://h/x", false), false);
        assert_eq!(stage.pictures(1).within(9.9), Step::Stay);
        assert!(matches!(stage.within(0.3), Step::Lose(Some(reason)) if reason.contains("sent nothing for 10 s")));
        stage.state.opened(stage.reading);
        assert_eq!(stage.ended(End::Finished, false), Step::Lose(Some("rtsp://h/x ended".into())));
        assert_eq!(Stage::new(playing("still.png", false), false).within(60.0), Step::Stay);
    }

    #[test]
    fn a_file_in_a_loop_that_is_written_anew_is_opened_until_it_plays_again() {
        let mut stage = Stage::new(playing("a.mp4", true), false);
        stage.reading.length = Some(Duration::from_secs(20));
        assert_eq!(stage.pictures(9).within(29.9), Step::Stay, "its sound may outlast its pictures");
        assert!(matches!(stage.within(0.3), Step::Lose(Some(reason)) if reason.contains("sent nothing for 30 s")));
        assert_eq!(stage.within(0.7), Step::Open);
        assert_eq!(stage.failed("no header"), Step::Lose(Some("no header".into())));
        assert_eq!(stage.within(1.3), Step::Open);
        stage.state.opened(stage.reading);
        assert_eq!(stage.ended(End::Finished, true), Step::Lose(Some("a.mp4 shows no picture".into())));
        assert_eq!(stage.within(2.6), Step::Open);
        stage.state.opened(stage.reading);
        assert_eq!(stage.pictures(9).ended(End::Finished, true), Step::Open, "it plays again");

        let mut once = Stage::new(playing("a.mp4", false), false);
        once.reading.length = Some(Duration::from_secs(20));
        assert_eq!(once.pictures(9).within(300.0), Step::Stay);
    }

    #[test]
    fn a_file_that_is_written_anew_takes_over_while_it_plays_and_ends_the_wait_while_it_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let stamp = |text: &str| {
            let path = folder.path().join("a.mp4");
            std::fs::write(&path, text).unwrap();
            Stamp::of(&path)
        };
        let mut stage = Stage::new(playing("a.mp4", true), true);
        stage.reading.file = stamp("old");
        stage.state.opened(stage.reading);
        assert_eq!(stage.pictures(9).within(60.0), Step::Stay);
        stage.reading.file = None;
        assert_eq!(stage.within(60.0), Step::Stay, "it is away");
        stage.reading.file = stamp("newer");
        assert_eq!(stage.within(1.0), Step::Stay, "more of it may come");
        assert_eq!(stage.within(0.2), Step::Renew);
        // It is damaged: what was open plays on.
        stage.state.not_renewed(stage.reading);
        assert_eq!(stage.pictures(9).within(60.0), Step::Stay);
        stage.reading.file = stamp("the newest");
        assert_eq!(stage.within(1.2), Step::Renew);
        stage.state.opened(stage.reading);
        assert_eq!(stage.pictures(9).within(60.0), Step::Stay);

        // Lost, the wait for the next try is over as soon as the file is there.
        for _ in 0..8 {
            assert!(matches!(stage.failed("no header"), Step::Lose(_)));
            stage.within(31.0);
        }
        assert!(matches!(stage.failed("no header"), Step::Lose(_)));
        stage.reading.file = stamp("whole");
        assert_eq!(stage.within(1.0), Step::Stay);
        assert_eq!(stage.within(0.2), Step::Open);
        stage.state.opened(stage.reading);
        // Released, it is opened when somebody watches.
        stage.reading.usage = Usage::Absent;
        assert_eq!(stage.within(10.0), Step::Rest);
        stage.reading.file = stamp("whole and more");
        assert_eq!(stage.within(60.0), Step::Stay);
    }

    #[test]
    fn whether_it_rests_is_a_matter_of_the_source_that_plays_now() {
        let absent = |stage: &mut Stage| stage.reading.usage = Usage::Absent;
        let mut stage = Stage::new(playing("a.mp4", false), true);
        absent(&mut stage);
        assert_eq!(stage.within(60.0), Step::Stay, "it would lose its place");
        stage.set("b.mp4", true);
        assert_eq!(stage.within(10.0), Step::Rest);
        assert_eq!(stage.within(60.0), Step::Stay);
        stage.reading.usage = Usage::Watched;
        assert_eq!(stage.within(0.1), Step::Wake);
        stage.state.opened(stage.reading);
        stage.set("c.mp4", false);
        absent(&mut stage);
        assert_eq!(stage.within(60.0), Step::Stay);
        stage.set("camera", true);
        assert_eq!(stage.within(10.0), Step::Rest);

        // Nobody looks for what nobody watches, and it is tried at once when somebody does.
        let mut stage = Stage::new(playing("camera", false), true);
        assert_eq!(stage.failed("gone"), Step::Lose(Some("gone".into())));
        absent(&mut stage);
        let mut rests = false;
        for _ in 0..10 {
            match stage.within(10.0) {
                Step::Open => assert_eq!(stage.failed("gone"), Step::Lose(None)),
                step => rests |= step == Step::Rest,
            }
        }
        assert!(rests);
        stage.reading.usage = Usage::Watched;
        assert_eq!(stage.within(0.1), Step::Wake);
    }

    proptest! {
        /// Whatever happens in whatever order: a stream ends only with its own source, and never while another is set.
        #[test]
        fn only_the_configured_source_ends_the_stream(
            file in any::<bool>(), on_demand in any::<bool>(), events in proptest::collection::vec(0u8..8, 0..80),
        ) {
            let mut stage = Stage::new(playing(if file { "a.mp4" } else { "camera" }, false), on_demand);
            let mut is_set = false;
            for event in events {
                let step = match event {
                    0 => { stage.pictures(3); Step::Stay }
                    1 => { stage.set("b.mp4", true); is_set = true; Step::Stay }
                    2 => { stage.set("b.mp4", false); is_set = true; Step::Stay }
                    3 => { stage.state.switched(playing("a.mp4", false), true, stage.reading); is_set = false; Step::Stay }
                    4 => stage.failed("broken"),
                    5 => stage.ended(End::Finished, true),
                    6 => { stage.reading.usage = Usage::Absent; stage.within(7.0) }
                    _ => { stage.reading.usage = Usage::Watched; stage.within(12.0) }
                };
                match step {
                    Step::Open | Step::Wake => stage.state.opened(stage.reading),
                    Step::GoBack(_) => {
                        prop_assert!(is_set);
                        is_set = false;
                        stage.state.opened(stage.reading);
                    }
                    Step::End(_) => {
                        prop_assert!(!is_set);
                        return Ok(());
                    }
                    Step::Stay | Step::Rest | Step::Renew | Step::Lose(_) => {}
                }
            }
        }
    }
}
