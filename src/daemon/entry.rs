//! One stream of the config with what it is at: starting, running, waiting to be tried again, ...

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::Span;

use super::report::Status;
use super::source_state::Playing;
use super::stream::Stream;
use crate::capture::Source;
use crate::config::StreamConfig;
use crate::control::contract::{StreamState, StreamStatus};
use crate::control::{ApiResult, Member, Starter};
use crate::error::Error;
use crate::metrics::Snapshot;
use crate::redact::redact;

/// The wait before a stream that failed is tried again, and the longest one.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// One stream of the config.
pub struct Entry {
    pub config: StreamConfig,
    pub state: State,
    /// The number of its latest start: news of earlier ones are none.
    pub run: u64,
    back_off: Duration,
    /// What was told of it last, so that it is told once.
    pub said: Option<Error>,
    /// The status that was told to people last.
    pub told: Option<Status>,
    /// Who asked it to start with another source.
    pub asked: Option<Asked>,
    /// Goes before what its threads log; disabled for a stream that is alone.
    pub span: Span,
}

/// A stream that does not run shall start with another source.
pub struct Asked {
    pub playing: Playing,
    pub reply: oneshot::Sender<ApiResult<StreamState>>,
    /// What it is again if that fails.
    pub before: State,
}

pub enum State {
    Starting,
    Running(Box<Stream>),
    Stopping(Then),
    Waiting { until: Instant },
    Ended,
}

/// What comes after a stop.
pub enum Then {
    Remove,
    Start(Box<StreamConfig>),
    /// Its source is over.
    End,
    TryAgain(Error),
}

impl Entry {
    pub fn new(config: StreamConfig) -> Self {
        Self {
            config,
            state: State::Ended,
            run: 0,
            back_off: BACK_OFF.0,
            said: None,
            told: None,
            asked: None,
            span: Span::none(),
        }
    }

    /// It failed: it waits before it is tried again, longer each time.
    pub fn wait(&mut self) {
        self.state = State::Waiting { until: Instant::now() + self.back_off };
        self.back_off = (self.back_off * 2).min(BACK_OFF.1);
    }

    /// The next wait is a short one again.
    pub fn forgive(&mut self) {
        self.back_off = BACK_OFF.0;
    }

    /// It is another stream now, of which nothing is known.
    pub fn renew(&mut self, config: StreamConfig) {
        self.config = config;
        self.said = None;
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
            failures: Vec::new(),
            uptime_s: 0,
        };
        Member::Down(Arc::new(state), start)
    }
}
