//! What a conversion would come to, as `--dry-run` tells it.

use serde::Serialize;

use super::words::{size_in_words, time_in_words};

/// A conversion that was not carried out. Numbers are estimates; what cannot be told is absent.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Forecast {
    pub input: String,
    pub output: String,
    pub tracks: Vec<TrackForecast>,
    /// Size of the painted pictures, the device that paints them, and what encodes them.
    pub picture: String,
    pub device: String,
    pub encoder: String,
    pub length_seconds: Option<f64>,
    pub frames: Option<u64>,
    pub seconds: Option<f64>,
    pub bytes: Option<u64>,
    /// Frames that were painted to find out.
    pub sample_frames: u64,
    pub notes: Vec<String>,
}

/// A track of the source.
#[derive(Debug, Clone, Serialize)]
pub struct TrackForecast {
    pub codec: String,
    pub becomes: &'static str,
}

impl Forecast {
    /// The same for people.
    pub fn lines(&self) -> Vec<String> {
        let Self { input, output, picture, device, encoder, sample_frames, .. } = self;
        let length = self.length_seconds.map(|seconds| format!(", {}", time_in_words(seconds))).unwrap_or_default();
        let frames = self.frames.filter(|frames| *frames > 1).map(|frames| format!(", about {frames} frames"));
        let mut lines = vec![
            format!("{input} -> {output}"),
            format!("  {picture}{length}{}, painted on {device}; {encoder}", frames.unwrap_or_default()),
        ];
        lines.extend(self.tracks.iter().map(|track| format!("  {}: {}", track.codec, track.becomes)));
        lines.extend(self.notes.iter().map(|note| format!("  note: {note}")));
        lines.push(match (self.seconds, self.bytes) {
            (Some(seconds), Some(bytes)) => format!(
                "  about {} and {}, estimated from {sample_frames} painted frames",
                time_in_words(seconds),
                size_in_words(bytes)
            ),
            _ => "  time and size cannot be told: it does not say how long it is".into(),
        });
        lines
    }
}
