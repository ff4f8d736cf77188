//! What a running stream tells: lines for people, or JSON lines on standard output for machines.

use std::fmt;
use std::io::Write;

use serde::Serialize;

use crate::control::contract::ConfigState;
use crate::metrics::Snapshot;

/// One thing to tell. As JSON, each is an object with the key `event`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Report {
    Started(Started),
    Status(Status),
    /// A stream, or an output of it, does not work; everything else goes on.
    Failed {
        stream: String,
        what: String,
    },
    /// The config was read again.
    Config(ConfigState),
    /// The stream ended in good order.
    Stopped(Status),
}

/// What runs and where to watch it.
#[derive(Debug, Clone, Serialize)]
pub struct Started {
    pub stream: String,
    pub style: String,
    pub title: String,
    pub artist: Option<String>,
    pub network: String,
    /// The device that really runs the network.
    pub device: &'static str,
    pub source: String,
    /// WIDTHxHEIGHT of every output.
    pub picture: String,
    pub frames_per_second: u32,
    pub sound: bool,
    pub rtsp: Option<String>,
    /// Virtual cameras.
    pub cameras: Vec<String>,
    /// The address of the web page and the API.
    pub web: Option<String>,
    pub record: Option<String>,
}

/// The latest seconds, and the counts since the start.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    pub stream: String,
    /// Painted frames a second since the last status.
    pub frames_per_second: f64,
    /// Clients that watch now.
    pub clients: usize,
    /// Nobody watches: the source is released, and nothing is painted.
    pub resting: bool,
    /// Frames that an output could not take in time, over all outputs.
    pub dropped_by_outputs: u64,
    #[serde(flatten)]
    pub counts: Snapshot,
}

impl Report {
    /// Tells it: as a JSON line, or to people.
    pub fn tell(&self, json: bool) {
        if json {
            if let Ok(line) = serde_json::to_string(self) {
                print(&line);
            }
            return;
        }
        match self {
            Self::Started(started) => print(&started.to_string()),
            Self::Status(status) => tracing::info!("{status}"),
            Self::Failed { what, .. } => tracing::error!("{what}"),
            Self::Config(ConfigState { error: Some(error), .. }) => tracing::error!("config not taken: {error}"),
            Self::Config(ConfigState { restart: Some(what), .. }) => tracing::warn!("the config is taken, but {what}"),
            Self::Config(_) => tracing::info!("the config is taken"),
            Self::Stopped(status) => tracing::info!("stopped after {} painted frames; {status}", status.counts.painted),
        }
    }
}

/// A frame rate counts as another one from this part of the old one on.
const OTHER_RATE: f64 = 0.25;

impl Status {
    /// False if all goes on as it did when `told` was told: with the same clients, about as fast, and with losses that have
    /// at most doubled.
    pub fn is_news_after(&self, told: &Self) -> bool {
        let losses = |status: &Self| {
            let counts = &status.counts;
            [counts.dropped_busy, counts.dropped_stale, status.dropped_by_outputs, counts.unpainted, counts.held]
        };
        let has_lost = losses(self).into_iter().zip(losses(told)).any(|(now, then)| now > 2 * then);
        let rate_change = (self.frames_per_second - told.frames_per_second).abs();
        has_lost
            || (self.clients, self.resting) != (told.clients, told.resting)
            || (self.counts.reconnects, self.counts.crashes) != (told.counts.reconnects, told.counts.crashes)
            || rate_change > OTHER_RATE * told.frames_per_second
    }
}

/// Prints a line; a reader that went away is no reason to stop a stream.
fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

impl fmt::Display for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let artist = self.artist.as_ref().map(|artist| format!(", {artist}")).unwrap_or_default();
        let sound = if self.sound { ", sound" } else { "" };
        writeln!(f, "style     {} ({}{artist})", self.style, self.title)?;
        writeln!(f, "network   {} on {}", self.network, self.device)?;
        write!(f, "source    {}, {}, {} frames/s{sound}", self.source, self.picture, self.frames_per_second)?;
        let places = [("stream   ", &self.rtsp), ("web page ", &self.web), ("recording", &self.record)];
        let places = places.into_iter().filter_map(|(name, place)| Some((name, place.as_ref()?)));
        for (name, place) in places.chain(self.cameras.iter().map(|camera| ("camera   ", camera))) {
            write!(f, "\n{name} {place}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        if self.resting {
            return f.write_str("resting: nobody watches");
        }
        write!(
            f,
            "{:.1} frames/s painted, inference {:.1} ms, tensors {:.1} ms, {} watching",
            self.frames_per_second, counts.inference_ms, counts.tensor_ms, self.clients
        )?;
        let since_start = [
            (counts.dropped_busy, "dropped while painting was busy"),
            (counts.dropped_stale, "dropped for a newer one"),
            (self.dropped_by_outputs, "dropped by outputs"),
            (counts.unpainted, "unpainted"),
            (counts.held, "held"),
            (counts.reconnects, "reconnects"),
            (counts.crashes, "crashes of the network"),
        ];
        let mut before = "; since the start ";
        for (count, what) in since_start.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{before}{count} {what}")?;
            before = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Counters;

    #[test]
    fn a_status_line_names_each_cause_of_a_drop_once_there_is_one() {
        let counters = Counters::default();
        let status = |counters: &Counters, dropped_by_outputs| Status {
            stream: "live".into(),
            frames_per_second: 29.97,
            clients: 2,
            resting: false,
            dropped_by_outputs,
            counts: counters.snapshot(),
        };
        let quiet = status(&counters, 0).to_string();
        assert_eq!(quiet, "30.0 frames/s painted, inference 0.0 ms, tensors 0.0 ms, 2 watching");
        Counters::count(&counters.dropped_busy);
        Counters::count(&counters.reconnects);
        let line = status(&counters, 3).to_string();
        assert!(
            line.ends_with("; since the start 1 dropped while painting was busy, 3 dropped by outputs, 1 reconnects"),
            "{line}"
        );
        let (before, mut after) = (status(&counters, 3), status(&counters, 6));
        assert!(!after.is_news_after(&before), "twice as many were lost, no more");
        after.frames_per_second = 24.0;
        assert!(!after.is_news_after(&before));
        for change in [
            (|status| status.clients = 1) as fn(&mut Status),
            |status| status.resting = true,
            |status| status.dropped_by_outputs = 7,
            |status| status.counts.unpainted = 1,
            |status| status.counts.reconnects += 1,
            |status| status.counts.crashes += 1,
            |status| status.frames_per_second = 20.0,
            |status| status.frames_per_second = 40.0,
        ] {
            let mut changed = before.clone();
            change(&mut changed);
            assert!(changed.is_news_after(&before), "{changed}");
        }
        let json = serde_json::to_value(Report::Status(status(&counters, 3))).unwrap();
        assert_eq!((&json["event"], &json["dropped_busy"]), (&"status".into(), &1.into()));
    }
}
