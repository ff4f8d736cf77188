//! All streams of the daemon: each is started, tried again, changed and stopped without touching the others.

mod reconfigure;
mod start;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::change::Change;
use super::entry::{Asked, Entry};
use super::handle::Handle;
use super::life::{Life, Step, Then};
use super::memory::Memory;
use super::report::{Report, Status};
use super::show::driver::Driver;
use super::source_state::Playing;
use super::stream::{Lasting, Stream};
use super::{Event, News};
use crate::config::RuntimeConfig;
use crate::config::plan::{RunPlan, threads};
use crate::config::save::Saving;
use crate::control::contract::StreamStatus;
use crate::control::presets::Presets;
use crate::control::{ApiError, ApiResult, Hub, Member, Stream as _};
use crate::error::{Error, Result};
use crate::output::Servers;
use crate::style::Networks;
use crate::sync::Locked;

/// A stream that ran for so long is tried again at once when it fails.
const RAN_WELL_AFTER: Duration = Duration::from_secs(10);

/// The streams, in the order of the config.
pub struct Streams {
    entries: Vec<Entry>,
    runtime: RuntimeConfig,
    servers: Servers,
    networks: Networks,
    presets: Presets,
    memory: Memory,
    hub: Hub,
    events: UnboundedSender<Event>,
    /// Where the web page is.
    web: Option<SocketAddr>,
    /// As in [`StreamPlan`].
    redirects: bool,
    json: bool,
    /// The daemon goes on when its streams end or fail: what failed is tried again.
    lasting: bool,
    last_run: u64,
    have_run: bool,
    /// The daemon stops.
    closing: bool,
}

impl Streams {
    /// Starts all streams of the plan.
    pub fn start(
        plan: &RunPlan,
        (networks, presets): (Networks, Presets),
        memory: Memory,
        hub: Hub,
        events: UnboundedSender<Event>,
        web: Option<SocketAddr>,
        (json, lasting): (bool, bool),
    ) -> Self {
        let (runtime, servers) = (plan.runtime.clone(), Servers { ice: plan.ice.clone(), ..Servers::default() });
        let entries = plan.streams.iter().map(|config| Entry::remembered(config.clone(), &memory)).collect();
        let mut this = Self {
            entries,
            runtime,
            servers,
            networks,
            presets,
            memory,
            hub,
            events,
            web,
            redirects: plan.http.sources.0.is_empty(),
            json,
            lasting,
            last_run: 0,
            have_run: false,
            closing: false,
        };
        (0..this.entries.len()).for_each(|place| this.start_entry(place));
        this
    }

    /// True once the first start of each has come out, well or not.
    pub fn are_settled(&self) -> bool {
        self.entries.iter().all(|entry| !matches!(entry.life, Life::Starting) || entry.said.is_some())
    }

    /// True once any of them has run.
    pub fn have_run(&self) -> bool {
        self.have_run
    }

    /// Takes news of a stream; says how the daemon ends if it ends with this.
    pub fn take(&mut self, run: u64, news: News) -> Option<Result<()>> {
        let place = self.entries.iter().position(|entry| entry.run == run)?;
        let entry = &mut self.entries[place];
        match news {
            News::Started(started) => {
                let asked = entry.asked.take();
                match (entry.life.started(started), asked) {
                    (Step::Fail(error), Some(asked)) => {
                        self.not_started(place, asked, error);
                        None
                    }
                    (step, asked) => {
                        if let (Some(Asked { reply, .. }), Life::Running(stream)) = (asked, &entry.life) {
                            // Nobody may be waiting any more.
                            let _ = reply.send(Ok(stream.handle().state()));
                        }
                        self.go(place, step)
                    }
                }
            }
            News::Ended(result) => {
                let status = if result.is_ok() { StreamStatus::Ended } else { StreamStatus::Failed };
                self.show_stop(place, status, result.as_ref().err().map(ToString::to_string));
                let step = self.entries[place].life.over(result);
                self.go(place, step)
            }
            News::Stopped(result) => {
                let then = match &entry.life {
                    Life::Stopping(then) => Some(then),
                    _ => None,
                };
                let failed = matches!(then, Some(Then::TryAgain(_)));
                let is_end = self.closing || !self.lasting && matches!(then, Some(Then::End));
                let step = entry.life.stopped();
                let mut end = None;
                match *result {
                    // What failed did not end in good order.
                    Ok(_) if failed => {}
                    Ok(status) => entry.span.in_scope(|| Report::Stopped(status).tell(self.json)),
                    Err(error) if is_end => end = Some(Err(error)),
                    Err(error) => self.tell_failure(place, &error),
                }
                end.or(self.go(place, step))
            }
        }
    }

    /// Does what is to be done with a stream; says how the daemon ends if it ends with this.
    fn go(&mut self, place: usize, step: Step<Box<Stream>>) -> Option<Result<()>> {
        let entry = &mut self.entries[place];
        match step {
            Step::Nothing => None,
            Step::Runs => {
                self.runs(place);
                None
            }
            Step::Stop(stream) => {
                entry.driver = None;
                let (run, events) = (entry.run, self.events.clone());
                tokio::spawn(async move {
                    let stopped = tokio::task::spawn_blocking(move || stream.stop()).await;
                    let stopped = stopped.unwrap_or_else(|error| Err(Error::output(format!("stopping: {error}"))));
                    let _ = events.send(Event::Stream { run, news: News::Stopped(Box::new(stopped)) });
                });
                None
            }
            Step::Start(config) => {
                entry.renew(*config);
                self.start_entry(place);
                None
            }
            Step::Fail(error) => self.failed(place, error),
            Step::Rest => {
                self.put_down(place, StreamStatus::Ended, None);
                let all_over = self.entries.iter().all(|entry| matches!(entry.life, Life::Ended));
                (all_over && !self.lasting).then_some(Ok(()))
            }
            Step::Remove => {
                let entry = self.entries.remove(place);
                self.hub.remove(&entry.config.name);
                self.share_threads();
                None
            }
        }
    }

    /// It runs from now on.
    fn runs(&mut self, place: usize) {
        self.have_run = true;
        let entry = &mut self.entries[place];
        (entry.said, entry.told) = (None, None);
        if let Life::Running(stream) = &entry.life {
            self.hub.put(&entry.config.name, Member::Running(stream.handle()));
            let (source, presets) = (entry.config.source.clone(), self.presets.clone());
            entry.driver = Some(Driver::start(&stream.handle(), &entry.lasting.show, source, presets, &entry.span));
            let started = Report::Started(stream.started(self.web.map(|web| format!("http://{web}"))));
            entry.span.in_scope(|| started.tell(self.json));
        }
        // Others may have come or gone meanwhile.
        self.share_threads();
    }

    /// Takes readings, tells failed outputs, and tries again what has waited long enough; call it twice a second.
    pub fn tick(&mut self, now: Instant) {
        for place in 0..self.entries.len() {
            match &self.entries[place].life {
                Life::Running(stream) => {
                    let handle = stream.handle();
                    handle.tick();
                    self.note(&self.entries[place], &handle);
                    if handle.has_lost_outputs() {
                        self.entries[place].note_loss(now);
                    }
                    for error in handle.take_failures() {
                        handle.note_failure(&error);
                        self.tell_failure(place, &error);
                    }
                    if let Some((from, to)) = self.entries[place].due(now) {
                        let change = Change::between(&from, &to).and_missing_outputs();
                        self.apply_change(place, change, from, to);
                    }
                }
                Life::Waiting { .. } if self.entries[place].is_due(now) => self.start_entry(place),
                _ => {}
            }
        }
    }

    /// Notes how a stream is, for the next start of the daemon.
    fn note(&self, entry: &Entry, handle: &Handle) {
        let Lasting { by_hand, show, sound } = &entry.lasting;
        let by_hand = (by_hand.locked().wishes(), sound.drives());
        self.memory.note(
            &entry.config,
            handle.look().painted(),
            handle.look().painting().mirrored,
            by_hand,
            show.places(),
        );
    }

    /// What the config would have to say of a stream that runs to be as it is now.
    ///
    /// # Errors
    /// It does not run.
    pub fn saving(&self, name: &str) -> ApiResult<Saving> {
        let found = self.entries.iter().find_map(|entry| match &entry.life {
            Life::Running(stream) if entry.config.name == name => Some((entry, stream.handle())),
            _ => None,
        });
        let down = || ApiError::Down(format!("stream `{name}` does not run now; try again in a moment"));
        let (entry, handle) = found.ok_or_else(down)?;
        let mut painted = handle.look().painted();
        // What it is chosen by stays, where that is still what it chooses: none, or a path.
        let named = &entry.config.paint.network;
        let chosen = self.networks.now().choose((!named.is_empty()).then_some(named), &painted.look);
        if chosen.is_ok_and(|choice| choice.network.name == painted.network) {
            painted.network.clone_from(named);
        }
        let source = handle.source_by_hand().and_then(|Playing { source, looped }| Some((source.written()?, looped)));
        let (added, removed) = entry.lasting.by_hand.locked().unsaved();
        Ok(Saving { painted, drives: entry.lasting.sound.drives(), source, added, removed })
    }

    /// Other networks lie in the models folder: those that paint are loaded again if they are among them.
    pub fn renew_networks(&self) {
        for entry in &self.entries {
            if let Life::Running(stream) = &entry.life {
                let (handle, span) = (stream.handle(), entry.span.clone());
                tokio::spawn(async move {
                    if let Err(error) = handle.look().renew_network().await {
                        span.in_scope(|| tracing::warn!("the network that paints stays as it was loaded: {error}"));
                    }
                });
            }
        }
    }

    /// How often the stylise thread of each running stream took a turn.
    pub fn turns(&self) -> BTreeMap<String, u64> {
        let running = self.entries.iter().filter_map(|entry| match &entry.life {
            Life::Running(stream) => Some((entry, stream)),
            _ => None,
        });
        let turns = |stream: &Stream| stream.handle().counters().turns.load(Ordering::Relaxed);
        running.map(|(entry, stream)| (entry.config.name.clone(), turns(stream))).collect()
    }

    /// Tells the figures of all running streams, to people those that changed; and returns them.
    pub fn tell_status(&mut self) -> Vec<Status> {
        let mut statuses = Vec::new();
        for entry in &mut self.entries {
            if let Life::Running(stream) = &mut entry.life {
                let status = stream.status();
                let is_news = entry.told.as_ref().is_none_or(|told| status.is_news_after(told));
                entry.span.in_scope(|| match is_news || self.json {
                    true => Report::Status(status.clone()).tell(self.json),
                    false => tracing::debug!("{status}"),
                });
                if is_news {
                    entry.told = Some(status.clone());
                }
                statuses.push(status);
            }
        }
        statuses
    }

    /// Begins to stop everything; streams that are just starting are left to the end of the process.
    pub fn begin_stop(&mut self) {
        self.closing = true;
        for entry in &self.entries {
            if let Life::Running(stream) = &entry.life {
                self.note(entry, &stream.handle());
            }
        }
        self.memory.close();
        self.entries.retain(|entry| !matches!(entry.life, Life::Starting));
        (0..self.entries.len()).rev().for_each(|place| self.stop_entry(place, Then::Remove));
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Gives each running stream its share of the threads.
    fn share_threads(&self) {
        for (place, entry) in self.entries.iter().enumerate() {
            if let Life::Running(stream) = &entry.life {
                let threads = threads(self.runtime.threads, self.entries.len(), place);
                stream.handle().look().set_threads((threads > 0).then_some(threads));
            }
        }
    }

    /// Shows that a stream that runs is about to stop. If it ran well, it is tried again soon.
    fn show_stop(&mut self, place: usize, status: StreamStatus, error: Option<String>) {
        let entry = &mut self.entries[place];
        if let Life::Running(stream) = &entry.life {
            let ran_well = stream.handle().uptime() > RAN_WELL_AFTER;
            self.hub.put(&entry.config.name, entry.down(status, error, None));
            if ran_well {
                entry.forgive();
            }
        }
    }

    /// Stops it, whatever it is at.
    fn stop_entry(&mut self, place: usize, then: Then) {
        let entry = &mut self.entries[place];
        match then {
            Then::Remove => self.hub.remove(&entry.config.name),
            _ => self.show_stop(place, StreamStatus::Starting, None),
        }
        let step = self.entries[place].life.stop(then);
        self.go(place, step);
    }

    /// It does not run: it is tried again later, or that is how the daemon ends. So does what the settings of a stream
    /// that is alone rule out from the start.
    fn failed(&mut self, place: usize, error: Error) -> Option<Result<()>> {
        let is_hopeless = self.last_run == 1 && matches!(error, Error::Usage(_) | Error::Model(_));
        if !self.lasting || is_hopeless {
            return Some(Err(error));
        }
        self.entries[place].wait(Instant::now());
        self.put_down(place, StreamStatus::Failed, Some(error.to_string()));
        let entry = &mut self.entries[place];
        if entry.said.as_ref() != Some(&error) {
            entry.said = Some(error.clone());
            self.tell_failure(place, &error);
        }
        None
    }

    fn tell_failure(&self, place: usize, error: &Error) {
        let entry = &self.entries[place];
        let failed = Report::Failed { stream: entry.config.name.clone(), what: error.to_string() };
        entry.span.in_scope(|| failed.tell(self.json));
    }
}
