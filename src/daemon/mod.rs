//! `impasto run`: builds a stream, watches over it, and stops it in reverse order.

mod source_keeper;
mod stream;

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::plan::RunPlan;
use crate::error::{Error, Result};
use stream::Stream;

/// How often failures are looked for.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// How often a line with frame rate and stage times is logged.
const STATUS_INTERVAL: Duration = Duration::from_secs(5);

/// What the threads of a stream tell the daemon.
#[derive(Debug)]
pub enum Event {
    /// The file was played to its end, or failed and cannot come back.
    SourceEnded(Result<()>),
}

/// Runs until the source ends, the time is over, or a signal comes.
///
/// # Errors
/// What keeps the stream from starting, or ends it: the source, the network, an output that cannot be finished.
pub fn run(plan: RunPlan) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::usage(format!("tokio does not start: {error}")))?;
    runtime.block_on(supervise(plan))
}

async fn supervise(plan: RunPlan) -> Result<()> {
    let duration = plan.duration;
    // From the first moment on, so that Ctrl-C during the start also ends in good order.
    let failed = |error| Error::usage(format!("signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;

    let (events, mut incoming) = mpsc::unbounded_channel();
    let starting = tokio::task::spawn_blocking(move || Stream::start(plan, events));
    let mut stream = tokio::select! {
        started = starting => started.map_err(|error| Error::model(format!("starting: {error}")))??,
        _ = interrupt.recv() => return Err(Error::Interrupted("interrupted while starting".into())),
        _ = terminate.recv() => return Ok(()),
    };
    stream.announce();

    let mut check = tokio::time::interval(CHECK_INTERVAL);
    let mut status = tokio::time::interval(STATUS_INTERVAL);
    status.tick().await;
    let time_over = tokio::time::sleep(duration.unwrap_or(Duration::MAX / 4));
    tokio::pin!(time_over);
    let ended = loop {
        tokio::select! {
            Some(Event::SourceEnded(result)) = incoming.recv() => break result,
            _ = &mut time_over, if duration.is_some() => break Ok(()),
            _ = interrupt.recv() => { tracing::info!("interrupted; finishing the outputs"); break Ok(()) }
            _ = terminate.recv() => { tracing::info!("asked to stop; finishing the outputs"); break Ok(()) }
            _ = check.tick() => stream.report_failures(),
            _ = status.tick() => stream.report_status(),
        }
    };
    let finished = stream.stop();
    ended.and(finished)
}
