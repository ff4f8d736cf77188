//! One stream of the config with all that is known of it: what it is at, what of its config is still missing, what was told.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::Span;

use super::by_hand::ByHand;
use super::life::Life;
use super::memory::Memory;
use super::report::Status;
use super::show::driver::Driver;
use super::show::{Places, Show};
use super::sound_control::driven_state;
use super::source_state::Playing;
use super::stream::{Lasting, Stream};
use crate::back_off::BackOff;
use crate::capture::Source;
use crate::config::StreamConfig;
use crate::control::contract::{OutputWish, StreamState, StreamStatus};
use crate::control::{ApiResult, Member, Starter};
use crate::engine::SoundDrive;
use crate::error::Error;
use crate::metrics::Snapshot;
use crate::redact::redact;
use crate::style::look::Drives;

/// The wait before a stream, or a part of it, that failed is tried again, and the longest one.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// One stream of the config.
pub struct Entry {
    /// What it shall be; while a change is being applied, what the latest one asks for.
    pub config: StreamConfig,
    /// The config that a change in progress leads to: the next one waits for it.
    applying: Option<StreamConfig>,
    /// What did not open, or is lost, is tried again.
    again: Option<Again>,
    change_back_off: BackOff,
    /// What was refused of a change, as it was told last.
    refused: Option<String>,
    pub life: Life<Box<Stream>>,
    /// The number of its latest start: news of earlier ones are none.
    pub run: u64,
    back_off: BackOff,
    /// What was told of it last, so that it is told once.
    pub said: Option<Error>,
    /// The status that was told to people last.
    pub told: Option<Status>,
    /// Who asked it to start with another source.
    pub asked: Option<Asked>,
    /// What its next run takes over.
    pub lasting: Lasting,
    /// Drives the show while it runs.
    pub driver: Option<Driver>,
    /// Goes before what its threads log; disabled for a stream that is alone.
    pub span: Span,
}

/// A running stream shall come to this, but a part of it is missing.
struct Again {
    wanted: StreamConfig,
    until: Instant,
}

/// A stream that does not run shall start with another source.
pub struct Asked {
    pub playing: Playing,
    pub reply: oneshot::Sender<ApiResult<StreamState>>,
    /// What it is again if that fails.
    pub before: Life<Box<Stream>>,
}

impl Entry {
    /// With what is remembered of it.
    pub fn remembered(config: StreamConfig, memory: &Memory) -> Self {
        let (outputs, places) = (memory.outputs(&config.name), memory.places(&config.name));
        let drives = memory.drives(&config);
        Self::new(config, outputs, places, &drives)
    }

    fn new(config: StreamConfig, outputs: Vec<OutputWish>, places: Places, drives: &Drives) -> Self {
        let by_hand = Arc::new(Mutex::new(ByHand::remembered(outputs)));
        let (show, sound) = (Arc::new(Show::new(&config, places)), Arc::new(SoundDrive::new(drives)));
        Self {
            config,
            applying: None,
            again: None,
            change_back_off: BackOff::new(BACK_OFF),
            refused: None,
            life: Life::Ended,
            run: 0,
            back_off: BackOff::new(BACK_OFF),
            said: None,
            told: None,
            asked: None,
            lasting: Lasting { by_hand, show, sound },
            driver: None,
            span: Span::none(),
        }
    }

    /// The running stream shall go over to `wanted`: the way to go now, from one config to another. None while another
    /// change is being applied.
    pub fn ask(&mut self, wanted: StreamConfig) -> Option<(StreamConfig, StreamConfig)> {
        self.forget_refused();
        let from = std::mem::replace(&mut self.config, wanted);
        self.applying.is_none().then(|| (from, self.config.clone()))
    }

    /// A change to the config is being applied.
    pub fn begin_change(&mut self) {
        self.applying = Some(self.config.clone());
    }

    /// The change has come as far as `reached`: the way to go on, if something else is wanted by now. If not, what is
    /// missing is tried again later if it `may_come`, and otherwise when the config is read again.
    pub fn end_change(
        &mut self,
        reached: StreamConfig,
        may_come: bool,
        now: Instant,
    ) -> Option<(StreamConfig, StreamConfig)> {
        if self.applying.take().is_some_and(|applied| applied != self.config) {
            return Some((reached, self.config.clone()));
        }
        let wanted = std::mem::replace(&mut self.config, reached);
        if may_come {
            self.try_again(wanted, now);
        } else {
            self.change_back_off.reset();
        }
        None
    }

    /// An output of the running stream is lost: it is opened again, unless that is on its way.
    pub fn note_loss(&mut self, now: Instant) {
        if self.again.is_none() && self.applying.is_none() {
            self.try_again(self.config.clone(), now);
        }
    }

    fn try_again(&mut self, wanted: StreamConfig, now: Instant) {
        self.again = Some(Again { wanted, until: now + self.change_back_off.wait() });
    }

    /// The way to go on to what is missing, once it has waited long enough.
    pub fn due(&mut self, now: Instant) -> Option<(StreamConfig, StreamConfig)> {
        let Again { wanted, .. } = self.again.take_if(|again| again.until <= now)?;
        let from = std::mem::replace(&mut self.config, wanted);
        Some((from, self.config.clone()))
    }

    /// Takes what is refused now, if anything; what was told before if that is news.
    pub fn note_refused(&mut self, refused: Option<&str>) -> Option<Option<String>> {
        if self.refused.as_deref() == refused {
            return None;
        }
        Some(std::mem::replace(&mut self.refused, refused.map(str::to_string)))
    }

    /// Something else is wanted.
    fn forget_refused(&mut self) {
        (self.again, self.refused) = (None, None);
        self.change_back_off.reset();
    }

    /// It is started with its config as it is: nothing is left to be changed.
    pub fn begin_run(&mut self, run: u64) {
        self.run = run;
        self.applying = None;
        self.life = Life::Starting;
    }

    /// It failed: it waits before it is tried again, longer each time.
    pub fn wait(&mut self, now: Instant) {
        self.life = Life::Waiting { until: now + self.back_off.wait() };
    }

    /// It has waited long enough.
    pub fn is_due(&self, now: Instant) -> bool {
        matches!(self.life, Life::Waiting { until } if until <= now)
    }

    /// The next wait is a short one again.
    pub fn forgive(&mut self) {
        self.back_off.reset();
    }

    /// It is another stream now, of which nothing is known.
    pub fn renew(&mut self, config: StreamConfig) {
        if self.config.show != config.show || self.config.paint != config.paint {
            self.lasting.show.configure(&config);
        }
        if self.config.sound != config.sound {
            self.lasting.sound.configure(&config.sound.drives);
        }
        self.config = config;
        self.said = None;
        self.forget_refused();
        self.forgive();
    }

    /// What others see of it while it does not run: what it shall be.
    pub fn down(&self, status: StreamStatus, error: Option<String>, start: Option<Starter>) -> Member {
        let StreamConfig { name, source, paint, .. } = &self.config;
        let state = StreamState {
            name: name.clone(),
            status,
            error,
            look: paint.look(),
            network: paint.network.clone(),
            device: String::new(),
            size: paint.size,
            bounding_box: None,
            mirrored: false,
            paused: false,
            source: Source::parse(&source.input).map_or_else(|_| redact(&source.input), |source| source.to_string()),
            picture: String::new(),
            nominal_fps: source.fps,
            sound: false,
            fps: 0.0,
            counts: Snapshot::default(),
            outputs: Vec::new(),
            recording: None,
            recording_s: None,
            failures: Vec::new(),
            undo: 0,
            show: self.lasting.show.state().without_items(),
            driven: driven_state(&self.lasting.sound),
            uptime_s: 0,
        };
        Member::Down(Arc::new(state), start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn with_fps(fps: u32) -> StreamConfig {
        let mut config = Config::default().streams().remove(0);
        config.source.fps = fps;
        config
    }

    /// An entry with config 1 that is being changed to 2.
    fn changing() -> Entry {
        let mut entry = Entry::new(with_fps(1), Vec::new(), Places::default(), &Drives::default());
        assert_eq!(entry.ask(with_fps(2)), Some((with_fps(1), with_fps(2))));
        entry.begin_change();
        entry
    }

    #[test]
    fn one_change_follows_another_from_where_that_one_came_to() {
        let now = Instant::now();
        for reached in [1, 2] {
            let mut entry = changing();
            assert_eq!(entry.ask(with_fps(3)), None, "it waits");
            assert_eq!(entry.ask(with_fps(4)), None, "the latest counts");
            assert_eq!(entry.end_change(with_fps(reached), true, now), Some((with_fps(reached), with_fps(4))));
            entry.begin_change();
            assert_eq!(entry.end_change(with_fps(4), false, now), None);
            assert_eq!(entry.due(now + Duration::from_secs(60)), None, "nothing is missing");
            assert_eq!(entry.config, with_fps(4));
        }
    }

    #[test]
    fn what_was_refused_is_tried_again_and_takes_nothing_newer_back() {
        let (mut entry, now) = (changing(), Instant::now());
        assert_eq!(entry.end_change(with_fps(1), false, now), None);
        assert_eq!(entry.due(now + Duration::from_secs(60)), None, "waiting does not help");
        assert_eq!(entry.ask(with_fps(2)), Some((with_fps(1), with_fps(2))), "again");
        entry.begin_change();
        assert_eq!(entry.ask(with_fps(1)), None, "back to the old one, while the new one is applied");
        assert_eq!(entry.end_change(with_fps(2), true, now), Some((with_fps(2), with_fps(1))));
    }

    #[test]
    fn what_may_come_is_tried_more_and_more_seldom_until_something_else_is_wanted() {
        let (mut entry, mut now) = (changing(), Instant::now());
        for wait in [500, 1000, 2000, 4000, 8000, 10_000, 10_000].map(Duration::from_millis) {
            assert_eq!(entry.end_change(with_fps(1), true, now), None);
            entry.note_loss(now);
            assert_eq!(entry.config, with_fps(1), "it is what it has come to");
            assert_eq!(entry.due(now + wait - Duration::from_millis(1)), None);
            now += wait;
            assert_eq!(entry.due(now), Some((with_fps(1), with_fps(2))));
            entry.begin_change();
            entry.note_loss(now);
            assert_eq!(entry.due(now), None, "it is on its way");
        }
        assert_eq!(entry.end_change(with_fps(1), true, now), None);
        assert_eq!(entry.ask(with_fps(3)), Some((with_fps(1), with_fps(3))));
        entry.begin_change();
        assert_eq!(entry.end_change(with_fps(3), false, now), None);
        assert_eq!(entry.due(now + Duration::from_secs(60)), None);
        // An output that is lost is nothing new to be wanted.
        entry.note_loss(now);
        assert_eq!(entry.due(now), None);
        assert_eq!(entry.due(now + Duration::from_millis(500)), Some((with_fps(3), with_fps(3))));
    }

    #[test]
    fn what_is_refused_is_told_once() {
        let mut entry = changing();
        assert_eq!(entry.note_refused(Some("in use")), Some(None));
        assert_eq!(entry.note_refused(Some("in use")), None);
        assert_eq!(entry.note_refused(Some("not allowed")), Some(Some("in use".into())));
        assert_eq!(entry.note_refused(None), Some(Some("not allowed".into())));
        assert_eq!(entry.note_refused(None), None);
        entry.note_refused(Some("in use"));
        entry.ask(with_fps(3));
        assert_eq!(entry.note_refused(Some("in use")), Some(None), "of another change it is news");
    }

    #[test]
    fn a_stream_that_fails_again_and_again_waits_longer_until_it_ran_well() {
        let (mut entry, mut now) =
            (Entry::new(with_fps(1), Vec::new(), Places::default(), &Drives::default()), Instant::now());
        let mut wait = |entry: &mut Entry, seconds: f64| {
            entry.wait(now);
            now += Duration::from_secs_f64(seconds);
            assert!(!entry.is_due(now - Duration::from_millis(1)) && entry.is_due(now), "{seconds}");
        };
        [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0].iter().for_each(|seconds| wait(&mut entry, *seconds));
        entry.forgive();
        wait(&mut entry, 0.5);
    }

    #[test]
    fn a_start_takes_the_latest_config_whatever_was_being_applied() {
        let mut entry = changing();
        assert_eq!(entry.ask(with_fps(3)), None);
        entry.begin_run(7);
        assert_eq!((&entry.config, entry.run), (&with_fps(3), 7));
        assert_eq!(entry.ask(with_fps(4)), Some((with_fps(3), with_fps(4))));
    }
}
