//! `impasto run`: builds a stream, watches over it, and stops it in reverse order.

mod handle;
mod recorder;
mod report;
mod service;
mod source_keeper;
mod stream;

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::plan::{PaintPlan, RunPlan};
use crate::control::contract::LIVE;
use crate::control::{Hub, http};
use crate::error::{Error, Result};
pub use report::{Report, Started, Status};
use service::Service;
pub use stream::Stream;

/// How often failures are looked for.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// How often a line with frame rate and stage times is logged.
const STATUS_INTERVAL: Duration = Duration::from_secs(5);

/// Threads for requests that wait for files or encoders; more requests wait for a thread.
const BLOCKING_THREADS: usize = 16;

/// What the threads of a stream tell the daemon.
#[derive(Debug)]
pub enum Event {
    /// The file was played to its end, or failed and cannot come back.
    SourceEnded(Result<()>),
}

/// Runs until the source ends, the time is over, or a signal comes; tells what happens in JSON lines if `json`.
///
/// Ctrl-C and SIGTERM are how a live stream is meant to end: when its outputs are finished, that is success.
///
/// # Errors
/// What keeps the stream from starting, or ends it: the source, the network, an output that failed; a signal that
/// came before the stream ran, or a second one while its outputs were being finished.
pub fn run(plan: RunPlan, json: bool) -> Result<()> {
    // One worker answers HTTP requests; what takes long runs on threads made for it.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("http")
        .enable_all()
        .build()
        .map_err(|error| Error::usage(format!("tokio does not start: {error}")))?;
    let result = runtime.block_on(supervise(plan, json));
    // A start or a stop that was broken off may hang in a system call: it is not waited for.
    runtime.shutdown_background();
    result
}

async fn supervise(plan: RunPlan, json: bool) -> Result<()> {
    let duration = plan.duration;
    // From the first moment on, so that a signal during the start also ends in good order.
    let mut signals = Signals::new()?;

    // Before the network is loaded, so that a port that is taken is told at once.
    let listener = http::open(&plan.http).await?;
    let web = listener.as_ref().map(|listener| format!("http://{}", http::address_of(listener)));
    let hub = Hub::default();
    if let Some(listener) = listener {
        let PaintPlan { catalog, session, .. } = plan.paint.clone();
        tokio::spawn(http::serve(listener, hub.clone(), catalog, session, plan.http.clone()));
    }

    let (events, mut incoming) = mpsc::unbounded_channel();
    let changes = hub.changes();
    let starting = tokio::task::spawn_blocking(move || Stream::start(plan, events, changes));
    let mut stream = tokio::select! {
        started = starting => started.map_err(|error| Error::model(format!("starting: {error}")))??,
        _ = signals.next() => return Err(Error::Interrupted("stopped before the stream ran".into())),
    };
    let handle = stream.handle();
    hub.add(LIVE, handle.clone());
    stream.started(web).tell(json);
    let mut service = Service::ready();

    let mut check = tokio::time::interval(CHECK_INTERVAL);
    let mut status = tokio::time::interval(STATUS_INTERVAL);
    status.tick().await;
    let time_over = tokio::time::sleep(duration.unwrap_or(Duration::MAX / 4));
    tokio::pin!(time_over);
    let ended = loop {
        tokio::select! {
            Some(Event::SourceEnded(result)) = incoming.recv() => break result,
            () = &mut time_over, if duration.is_some() => break Ok(()),
            signal = signals.next() => { tracing::info!("{signal}: finishing the outputs"); break Ok(()) }
            _ = check.tick() => {
                handle.tick();
                service.tick(&handle.counters);
                for error in stream.failures() {
                    handle.note_failure(&error);
                    Report::from(error).tell(json);
                }
            }
            _ = status.tick() => {
                let status = stream.status();
                service.status(&status);
                Report::Status(status).tell(json);
            }
        }
    };
    service.stopping();
    hub.clear();
    let stopping = tokio::task::spawn_blocking(move || stream.stop());
    let finished = tokio::select! {
        finished = stopping => finished.map_err(|error| Error::output(format!("stopping: {error}")))?,
        signal = signals.next() => Err(Error::Interrupted(format!("{signal} again: outputs are left unfinished"))),
    };
    ended?;
    Report::Stopped(finished?).tell(json);
    Ok(())
}

/// Ctrl-C and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).map_err(|error| Error::usage(format!("signals: {error}")));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Waits for the next one and names it.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "interrupted",
            _ = self.terminate.recv() => "asked to stop",
        }
    }
}
