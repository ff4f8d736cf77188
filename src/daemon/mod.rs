//! `impasto run`: builds the streams, watches over them, and stops them in reverse order.

mod by_hand;
mod change;
mod descriptors;
mod entry;
mod figures;
mod file_watch;
mod handle;
mod history;
mod life;
mod look_control;
mod memory;
mod networks_folder;
mod output_keeper;
mod recorder;
mod reload;
mod report;
mod service;
mod show;
mod sound_control;
mod source_control;
mod source_keeper;
mod source_state;
mod stream;
mod streams;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

use crate::config::plan::{RunPlan, isolated_session_options};
use crate::config::save::ConfigFile;
use crate::config::{Settings, StreamConfig};
use crate::control::contract::{ConfigState, SaveNow, StreamState};
use crate::control::midi::{self, Midi};
use crate::control::presets::Presets;
use crate::control::{ApiError, ApiResult, Hub, Saver, http, osc, run_blocking};
use crate::error::{Error, Result};
use crate::machine::give_back_free_memory;
use crate::output::recover_dated;
use crate::shutdown::ONE_SIGNAL;
use crate::style::Networks;
use descriptors::Descriptors;
use memory::Memory;
use reload::{Reload, Reread};
pub use report::{Report, Started, Status};
use service::Service;
use source_state::Playing;
pub use stream::Stream;
use streams::Streams;

/// How often failures are looked for, and what failed is tried again.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// How often a line with frame rate and stage times is logged.
const STATUS_INTERVAL: Duration = Duration::from_secs(5);

/// How often free memory goes back to the system.
const TIDY_INTERVAL: Duration = Duration::from_secs(10);

/// Threads for requests that wait for files or encoders; more requests wait for a thread.
const BLOCKING_THREADS: usize = 16;

/// What the daemon has to see to.
enum Event {
    /// From the stream that was started with this number.
    Stream { run: u64, news: News },
    /// A live change is over: how far it came, and what of it was refused.
    Changed { run: u64, reached: Box<StreamConfig>, refused: Vec<Error> },
    /// A stream that does not run shall start with another source.
    StartWith { name: String, playing: Playing, reply: Reply },
    /// How the stream is now shall stand in the config file.
    Save { name: String, reply: oneshot::Sender<ApiResult<SaveNow>> },
    /// The config was read again.
    Reread(Result<Reread>),
    /// Networks came, went, or are others.
    Networks,
}

/// Where the answer to a request goes.
type Reply = oneshot::Sender<ApiResult<StreamState>>;

/// What is told of one stream.
enum News {
    Started(Result<Box<Stream>>),
    /// Its source was played to its end, or it failed and does not come back by itself.
    Ended(Result<()>),
    Stopped(Box<Result<Status>>),
}

/// How to run, besides the settings.
#[derive(Debug, Clone, Copy)]
pub struct RunOptions {
    /// How long to run; for ever if there is none.
    pub duration: Option<Duration>,
    /// Tell what happens in JSON lines.
    pub json: bool,
    /// With a config too, end when all sources have ended or a stream fails.
    pub once: bool,
}

/// Runs until the time is over or a signal comes; without a config file, or `once`, also until the sources have ended or
/// a stream fails. A changed config file is taken while it runs.
///
/// Ctrl-C, SIGTERM and, without a config file, SIGHUP are how a live stream is meant to end: when its outputs are finished, that is success.
///
/// # Errors
/// Settings that are wrong. What keeps a stream from starting, or ends it, if it is not tried again: the source, the
/// network, an output that failed. File descriptors that run out. A signal that came before any stream ran, or a second
/// one while outputs were being finished.
pub fn run(settings: Settings, options: RunOptions) -> Result<()> {
    Descriptors::check_limit()?;
    let lasting = settings.file.is_some() && !options.once;
    let reload = Reload::new(settings, lasting);
    let plan = reload.plan()?;
    // One worker answers HTTP requests; what takes long runs on threads made for it.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("http")
        .enable_all()
        .build()
        .map_err(|error| Error::usage(format!("tokio does not start: {error}")))?;
    let result = runtime.block_on(supervise(plan, reload, options, lasting));
    // A start or a stop that was broken off may hang in a system call: it is not waited for.
    runtime.shutdown_background();
    result
}

async fn supervise(plan: RunPlan, reload: Reload, options: RunOptions, lasting: bool) -> Result<()> {
    let RunOptions { duration, json, .. } = options;
    // From the first moment on, so that a signal during the start also ends in good order.
    let mut signals = Signals::new(reload.file_name().is_some())?;

    // Before networks are loaded, so that a port that is taken is told at once.
    let listener = http::open(&plan.http).await?;
    let web = listener.as_ref().map(http::address_of);
    let hub = Hub::default();
    let networks = Networks::new(plan.catalog.clone());
    hub.set_config(ConfigState { file: reload.file_name(), ..ConfigState::default() });
    let presets = Presets::open(plan.http.state.as_deref(), networks.clone(), hub.changes());
    let midi = Midi::open(plan.midi.clone(), plan.http.state.as_deref(), hub.changes());
    if let Some(listener) = listener {
        let session = isolated_session_options(&plan.runtime);
        let styles = (networks.clone(), plan.gallery.clone(), presets.clone(), midi.clone());
        tokio::spawn(http::serve(listener, hub.clone(), styles, session, plan.http.clone()));
    }

    if let Some(address) = plan.control.osc.0 {
        tokio::spawn(osc::serve(osc::open(address).await?, hub.clone(), presets.clone()));
    }

    tokio::spawn(midi::serve(midi, hub.clone(), presets.clone()));

    recover_dated(&plan.control.recordings);
    let memory = match plan.http.state.as_deref().filter(|_| plan.control.remember) {
        Some(folder) => Memory::open(folder)?,
        None => Memory::none(),
    };
    let (events, mut incoming) = mpsc::unbounded_channel();
    networks_folder::follow(networks.clone(), plan.gallery.clone(), events.clone());
    let streams =
        Streams::start(&plan, (networks.clone(), presets), memory, hub.clone(), events.clone(), web, (json, lasting));
    hub.set_saver(saver(events.clone()));
    let config_file = reload.config_file();
    reload.watch(&plan, networks.clone(), events)?;
    let (service, descriptors) = Default::default();
    let mut daemon = Daemon { streams, hub, config_file, service, descriptors, duration, json };
    let ended = daemon.watch(&mut incoming, &mut signals).await;
    let finished = daemon.finish(&mut incoming, &mut signals).await;
    ended.and(finished)
}

/// What runs, and whom to tell of it.
struct Daemon {
    streams: Streams,
    hub: Hub,
    /// Where streams are saved.
    config_file: Option<Arc<ConfigFile>>,
    /// The service manager, from when it was told that we are ready.
    service: Option<Service>,
    descriptors: Descriptors,
    /// How long to run.
    duration: Option<Duration>,
    json: bool,
}

impl Daemon {
    /// Watches over the streams until all have ended, the time is over, or a signal comes.
    async fn watch(&mut self, incoming: &mut UnboundedReceiver<Event>, signals: &mut Signals) -> Result<()> {
        let mut check = tokio::time::interval(CHECK_INTERVAL);
        let mut status = tokio::time::interval(STATUS_INTERVAL);
        let mut tidy = tokio::time::interval(TIDY_INTERVAL);
        // The time is counted from the first stream that runs, or was tried in vain: it is tried again, but not for ever.
        let (mut begun, mut time_over) = (false, None);
        loop {
            tokio::select! {
                Some(event) = incoming.recv() => {
                    let was_tried = matches!(event, Event::Stream { news: News::Started(_), .. });
                    if let Some(ended) = self.take(event) {
                        return ended;
                    }
                    if was_tried && !begun {
                        begun = true;
                        time_over = self.duration.map(|duration| Instant::now() + duration);
                        status.reset();
                    }
                }
                () = sleep_until(time_over) => return Ok(()),
                signal = signals.next() => {
                    if !self.streams.have_run() {
                        return Err(Error::Interrupted("stopped before the stream ran".into()));
                    }
                    tracing::info!("{signal}: finishing the outputs");
                    return Ok(());
                }
                _ = check.tick() => {
                    let now = Instant::now();
                    self.streams.tick(now);
                    self.descriptors.check(now)?;
                    if let Some(service) = &mut self.service {
                        service.tick(self.streams.turns());
                    }
                }
                _ = tidy.tick() => drop(tokio::task::spawn_blocking(give_back_free_memory)),
                _ = status.tick() => {
                    let statuses = self.streams.tell_status();
                    if let Some(service) = &self.service {
                        service.status(&statuses);
                    }
                }
            }
        }
    }

    /// Sees to an event; says how the daemon ends if it ends with this.
    fn take(&mut self, event: Event) -> Option<Result<()>> {
        match event {
            Event::Stream { run, news } => {
                let ended = self.streams.take(run, news);
                if self.service.is_none() && self.streams.are_settled() && ended.is_none() {
                    self.service = Some(Service::ready());
                }
                return ended;
            }
            Event::Changed { run, reached, refused } => {
                if let Some((told, refused)) = self.streams.changed(run, *reached, &refused) {
                    // A mistake that was told of something else meanwhile stays.
                    let is_to_be_told = refused.is_some() || self.hub.config().error == told;
                    if is_to_be_told {
                        self.note_config(|config| config.error = refused);
                    }
                }
            }
            Event::StartWith { name, playing, reply } => {
                self.streams.start_with(&name, playing, reply);
                return None;
            }
            Event::Save { name, reply } => {
                self.save(name, reply);
                return None;
            }
            Event::Reread(Ok(Reread { streams, restart, .. })) => {
                self.streams.change(streams);
                self.note_config(|config| {
                    config.applied += 1;
                    (config.error, config.restart) = (None, restart);
                });
            }
            Event::Networks => {
                self.hub.changes().notify_one();
                self.streams.renew_networks();
                return None;
            }
            Event::Reread(Err(error)) => self.note_config(|config| config.error = Some(error.to_string())),
        }
        self.service.iter().for_each(Service::reloaded);
        None
    }

    /// Writes how a stream is now into the config file; as for any change of it, it is read again then.
    fn save(&self, name: String, reply: oneshot::Sender<ApiResult<SaveNow>>) {
        let saving = self.streams.saving(&name);
        let file = self.config_file.clone();
        tokio::spawn(async move {
            let saved = run_blocking(move || {
                let no_file =
                    "the daemon was started without a config file: start it with --config FILE to save into that";
                let file = file.ok_or_else(|| ApiError::Failed(Error::usage(no_file)))?;
                Ok(file.save(&name, saving?)?)
            });
            // Nobody may be waiting any more.
            let _ = reply.send(saved.await);
        });
    }

    /// Stops all streams, and waits until their outputs are finished.
    async fn finish(&mut self, incoming: &mut UnboundedReceiver<Event>, signals: &mut Signals) -> Result<()> {
        let begun = Instant::now();
        self.service.iter().for_each(Service::stopping);
        self.hub.clear();
        self.streams.begin_stop();
        let mut finished = Ok(());
        while !self.streams.is_empty() {
            tokio::select! {
                Some(event) = incoming.recv() => {
                    if let Event::Stream { run, news } = event
                        && let Some(Err(error)) = self.streams.take(run, news)
                    {
                        match finished {
                            Ok(()) => finished = Err(error),
                            Err(_) => tracing::error!("{error}"),
                        }
                    }
                }
                signal = signals.next() => {
                    if begun.elapsed() < ONE_SIGNAL {
                        continue;
                    }
                    return Err(Error::Interrupted(format!("{signal} again: outputs are left unfinished")));
                }
            }
        }
        finished
    }

    /// Changes what is known of the config, and tells it.
    fn note_config(&self, change: impl FnOnce(&mut ConfigState)) {
        let mut config = self.hub.config();
        change(&mut config);
        self.hub.set_config(config.clone());
        Report::Config(config).tell(self.json);
    }
}

/// How the API saves streams.
fn saver(events: UnboundedSender<Event>) -> Saver {
    Arc::new(move |name| {
        let (reply, answer) = oneshot::channel();
        // A daemon that stops drops the reply.
        let _ = events.send(Event::Save { name, reply });
        Box::pin(async { answer.await.map_err(|_| ApiError::Down("the daemon stops".into()))? })
    })
}

/// Ends at that time, or never.
async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// Ctrl-C, SIGTERM, and SIGHUP where there is no config to read again.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    /// SIGHUP is for whoever reads the config; from the first moment on it kills nobody.
    has_config: bool,
}

impl Signals {
    fn new(has_config: bool) -> Result<Self> {
        let listen = |kind| signal(kind).map_err(|error| Error::usage(format!("signals: {error}")));
        let (interrupt, terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, hangup: listen(SignalKind::hangup())?, has_config })
    }

    /// Waits for the next one and names it.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "interrupted",
            _ = self.terminate.recv() => "asked to stop",
            _ = self.hangup.recv(), if !self.has_config => "the terminal has closed",
        }
    }
}
