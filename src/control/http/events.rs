//! Server-Sent Events: the whole state first, then what changes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, OwnedSemaphorePermit, watch};

use super::Context;
use crate::capture::camera::fingerprint;
use crate::control::midi::Midi;
use crate::control::presets::Presets;
use crate::control::{ApiResult, Hub};
use crate::style::Networks;

/// How often figures are told; other changes at once.
const FIGURES_INTERVAL: Duration = Duration::from_millis(500);

/// A quiet connection shows this often that it still lives, with the event `alive`.
const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// The state of all streams, taken once for everybody who listens, and only while somebody does.
#[derive(Clone)]
pub struct Feed {
    latest: watch::Sender<Arc<Value>>,
    wanted: Arc<Notify>,
}

impl Feed {
    pub fn start(hub: Hub, networks: Networks, presets: Presets, midi: Midi) -> Self {
        let feed = Self { latest: watch::Sender::default(), wanted: Arc::new(Notify::new()) };
        let this = feed.clone();
        tokio::spawn(async move {
            let changes = hub.changes();
            loop {
                if this.latest.receiver_count() == 0 {
                    this.wanted.notified().await;
                }
                this.latest.send_replace(Arc::new(state(&hub, &networks, &presets, &midi)));
                tokio::select! {
                    () = changes.notified() => {}
                    () = tokio::time::sleep(FIGURES_INTERVAL) => {}
                }
            }
        });
        feed
    }

    fn listen(&self) -> watch::Receiver<Arc<Value>> {
        let listener = self.latest.subscribe();
        self.wanted.notify_one();
        listener
    }
}

/// Each stream's state under its name, the state of the config, the presets, the MIDI device, and what changes when styles or cameras come
/// or go.
fn state(hub: &Hub, networks: &Networks, presets: &Presets, midi: &Midi) -> Value {
    // By way of the text, so that 0.3 is told as 0.3 here too: as a `Value`, an f32 shows digits that it has not.
    fn value(of: &impl Serialize) -> Value {
        serde_json::from_str(&serde_json::to_string(of).unwrap_or_default()).unwrap_or_default()
    }
    let streams: Map<_, _> = hub.all().into_iter().map(|(name, member)| (name, value(&member.state()))).collect();
    json!({
        "streams": streams,
        "config": hub.config(),
        "presets": value(&presets.all()),
        "midi": midi.state(),
        "styles": value(&networks.now().styles().collect::<Vec<_>>()),
        "devices": fingerprint(),
    })
}

/// One who listens. A slow one misses states in between, and never makes anything wait or grow.
struct Listener {
    feed: watch::Receiver<Arc<Value>>,
    told: Arc<Value>,
    /// Events that belong to one change.
    pending: Vec<Event>,
    _place: OwnedSemaphorePermit,
}

/// `GET /api/v1/events`
pub async fn events(State(context): State<Context>) -> ApiResult<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let place = context.long_answer()?;
    let mut feed = context.feed.listen();
    feed.mark_unchanged();
    let told = Arc::new(state(&context.hub, &context.networks, &context.presets, &context.midi));
    let pending = vec![whole(&told)];
    let listener = Listener { feed, told, pending, _place: place };
    let events = stream::unfold(listener, |mut listener| async move {
        while listener.pending.is_empty() {
            listener.feed.changed().await.ok()?;
            let now = Arc::clone(&listener.feed.borrow_and_update());
            listener.pending = changes(&listener.told, &now);
            listener.told = now;
        }
        Some((Ok(listener.pending.remove(0)), listener))
    });
    let alive = Event::default().event("alive").data("{}");
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).event(alive)))
}

/// The event `state`: everything.
fn whole(state: &Value) -> Event {
    let streams: Vec<&Value> =
        state["streams"].as_object().map(|streams| streams.values().collect()).unwrap_or_default();
    Event::default().event("state").data(
        json!({ "streams": streams, "config": &state["config"], "presets": &state["presets"], "midi": &state["midi"] })
            .to_string(),
    )
}

/// The events `styles` and `cameras` if some came or went; for each stream that changed the event `change` with the parts that did; `state` again if streams came or went, or
/// config, presets or MIDI changed.
fn changes(before: &Value, now: &Value) -> Vec<Event> {
    let none = Map::new();
    let streams = now["streams"].as_object().unwrap_or(&none);
    let known = before["streams"].as_object().unwrap_or(&none);
    let is_other = |part: &str| before[part] != now[part];
    let news = [("styles", "styles"), ("devices", "cameras")].into_iter().filter(|(part, _)| is_other(part));
    let news = news.map(|(_, event)| Event::default().event(event).data("{}"));
    if !known.keys().eq(streams.keys()) || ["config", "presets", "midi"].into_iter().any(is_other) {
        return news.chain([whole(now)]).collect();
    }
    let changed = |(name, now): (&String, &Value)| {
        let changed: Map<String, Value> = now
            .as_object()?
            .iter()
            .filter(|(part, value)| known[name].get(part.as_str()) != Some(*value))
            .map(|(part, value)| (part.clone(), value.clone()))
            .collect();
        let data = json!({ "stream": name, "changed": &changed }).to_string();
        (!changed.is_empty()).then(|| Event::default().event("change").data(data))
    };
    news.chain(streams.iter().filter_map(changed)).collect()
}
