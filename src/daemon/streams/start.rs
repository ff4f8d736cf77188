//! Starts streams: as configured, as they were last, or with another source that somebody asks for.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tracing::Span;

use super::Streams;
use crate::config::plan::{StreamPlan, threads};
use crate::config::{RuntimeConfig, StreamConfig};
use crate::control::contract::StreamStatus;
use crate::control::{ApiError, PreviewAddress, Starter};
use crate::daemon::entry::Asked;
use crate::daemon::life::Life;
use crate::daemon::source_keeper::OnEnd;
use crate::daemon::source_state::Playing;
use crate::daemon::stream::Stream;
use crate::daemon::{Event, News, Reply};
use crate::error::Error;
use crate::sync::Locked;

impl Streams {
    /// Starts it in its turn, or tries again; how that came out is told as an event.
    pub(super) fn start_entry(&mut self, place: usize) {
        self.last_run += 1;
        let several = self.entries.len() > 1;
        let threads = threads(self.runtime.threads, self.entries.len(), place);
        let runtime = RuntimeConfig { threads, ..self.runtime.clone() };
        let entry = &mut self.entries[place];
        entry.begin_run(self.last_run);
        // As an error's, so that no log level leaves it out.
        entry.span = if several { tracing::error_span!("stream", name = entry.config.name) } else { Span::none() };
        // While it is tried again, it is known as failed until it runs.
        let error = entry.said.as_ref().map(ToString::to_string);
        let status = if error.is_some() { StreamStatus::Failed } else { StreamStatus::Starting };
        self.hub.put(&entry.config.name, entry.down(status, error, None));

        let (run, config, span) = (entry.run, entry.config.clone(), entry.span.clone());
        let (servers, networks) = (self.servers.clone(), self.networks.clone());
        let (events, changes) = (self.events.clone(), self.hub.changes());
        let (ended, mut endings) = mpsc::unbounded_channel();
        // The daemon is gone only when it stops anyway.
        let on_end: OnEnd = Arc::new(move |result| drop(ended.send(result)));
        let set = entry.asked.as_ref().map(|asked| asked.playing.clone());
        let preview = self.web.map(|socket| PreviewAddress { socket, stream: config.name.clone() });
        let redirects = self.redirects;
        entry.lasting.show.begin_run(set.is_some());
        let (recalled, lasting) = (self.memory.recall(&config), entry.lasting.clone());
        let start = move || {
            let open = |config: &StreamConfig| {
                let plan = StreamPlan { preview: preview.clone(), redirects, ..StreamPlan::new(config, &runtime)? };
                networks.add(&plan.paint.choice.network);
                lasting.by_hand.locked().restore(&plan.outputs, &plan.name);
                let (on_end, changes) = (Arc::clone(&on_end), Arc::clone(&changes));
                Stream::start(plan, set.clone(), &servers, networks.clone(), lasting.clone(), on_end, changes)
                    .map(Box::new)
            };
            match recalled.map(|(recalled, mirrored)| (open(&recalled), mirrored)) {
                Some((Err(error @ (Error::Usage(_) | Error::Model(_))), _)) => {
                    tracing::warn!("it cannot be painted as it was last, and starts as configured: {error}");
                    open(&config)
                }
                Some((opened, mirrored)) => opened.inspect(|stream| stream.handle().look().set_mirrored(mirrored)),
                None => open(&config),
            }
        };
        tokio::spawn(async move {
            let started = tokio::task::spawn_blocking(move || span.in_scope(start)).await;
            let started = started.unwrap_or_else(|error| Err(Error::model(format!("starting: {error}"))));
            let tell = |news| drop(events.send(Event::Stream { run, news }));
            tell(News::Started(started));
            // Only now: a short file may be over before the start is told.
            while let Some(result) = endings.recv().await {
                tell(News::Ended(result));
            }
        });
    }

    /// Starts a stream that has ended or failed with another source, and tells how that came out.
    pub fn start_with(&mut self, name: &str, playing: Playing, reply: Reply) {
        let found = self.entries.iter().position(|entry| entry.config.name == name);
        match found.and_then(|place| Some((place, self.entries[place].life.start_anew()?))) {
            Some((place, before)) => {
                self.entries[place].asked = Some(Asked { playing, reply, before });
                self.start_entry(place);
            }
            // Meanwhile it was started in another way, or is gone.
            _ => drop(reply.send(Err(ApiError::Down(format!("stream `{name}` has changed; try again"))))),
        }
    }

    /// The source that it was asked to start with does not open: it is again what it was.
    pub(super) fn not_started(&mut self, place: usize, Asked { reply, before, .. }: Asked, error: Error) {
        let entry = &mut self.entries[place];
        let (status, said) = match before {
            Life::Waiting { .. } => (StreamStatus::Failed, entry.said.as_ref().map(ToString::to_string)),
            _ => (StreamStatus::Ended, None),
        };
        entry.life = before;
        self.put_down(place, status, said);
        let _ = reply.send(Err(error.into()));
    }

    /// Shows that a stream has failed or ended, and lets it be started with another source.
    pub(super) fn put_down(&self, place: usize, status: StreamStatus, error: Option<String>) {
        let entry = &self.entries[place];
        let (name, events) = (entry.config.name.clone(), self.events.clone());
        let start: Starter = Arc::new(move |wanted| {
            let (name, events) = (name.clone(), events.clone());
            Box::pin(async move {
                let (reply, answer) = oneshot::channel();
                // A daemon that stops drops the reply.
                let _ = events.send(Event::StartWith { name, playing: Playing::parse(&wanted)?, reply });
                answer.await.map_err(|_| ApiError::Down("the daemon stops".into()))?
            })
        });
        self.hub.put(&entry.config.name, entry.down(status, error, Some(start)));
    }
}
