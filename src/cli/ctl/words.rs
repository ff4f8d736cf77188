//! What `impasto ctl` says of a running Impasto to people.

use crate::control::contract::{Change, LookNow, OutputState, Preset, StreamState, StreamStatus};
use crate::style::{Look, Stroke};

pub fn describe(state: &StreamState) -> String {
    if state.status != StreamStatus::Running {
        return format!("{} ({})", not_running(state), state.source);
    }
    let counts = &state.counts;
    let mut lines = vec![
        format!("look      {}", describe_look(&state.look)),
        format!(
            "network   {} on {}, painting at {}",
            state.network,
            state.device,
            state.bounding_box.as_deref().unwrap_or("the picture's size")
        ),
        format!("source    {}, {}, {} frames/s", state.source, state.picture, state.nominal_fps),
        format!(
            "painting  {:.1} frames/s, inference {:.1} ms, tensors {:.1} ms{}",
            state.fps,
            counts.inference_ms,
            counts.tensor_ms,
            if state.paused { ", paused" } else { "" }
        ),
        format!(
            "frames    {} captured, {} painted, {} dropped, {} held",
            counts.captured,
            counts.painted,
            counts.dropped_busy + counts.dropped_stale,
            counts.held
        ),
    ];
    lines.extend(state.outputs.iter().map(|output| format!("{:<9} {}", output.kind, watched(output))));
    lines.extend(state.failures.iter().map(|failure| format!("failure   {failure}")));
    lines.push(format!("uptime    {} s", state.uptime_s));
    lines.join("\n")
}

pub fn describe_shortly(state: &StreamState) -> String {
    if state.status != StreamStatus::Running {
        return not_running(state);
    }
    let clients: usize = state.outputs.iter().map(|output| output.clients).sum();
    let paused = if state.paused { ", paused" } else { "" };
    let recording = state.recording.as_ref().map(|file| format!(", recording {file}")).unwrap_or_default();
    format!(
        "{:.0} frames/s, inference {:.0} ms, {clients} watching{paused}{recording}; {}; {}",
        state.fps,
        state.counts.inference_ms,
        state.source,
        describe_look(&state.look)
    )
}

fn not_running(state: &StreamState) -> String {
    let error = state.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    match state.status {
        StreamStatus::Failed => format!("failed, and is tried again{error}"),
        StreamStatus::Ended => "its file is over".into(),
        StreamStatus::Starting | StreamStatus::Running => "starting".into(),
    }
}

pub fn describe_look(look: &Look) -> String {
    let colours = if look.keep_colours { ", colours of the source" } else { "" };
    let steady = if look.steadiness.remembers() { format!(", steadiness {}", look.steadiness) } else { String::new() };
    let stroke = if look.stroke == Stroke::Auto { String::new() } else { format!(", stroke {}", look.stroke) };
    format!("{}, strength {}{colours}{steady}{stroke}", look.styles, look.strength)
}

pub fn describe_change(change: &Change<LookNow>) -> String {
    let LookNow { look, note, .. } = &change.now;
    let note = note.as_ref().map(|note| format!("\nnote: {note}")).unwrap_or_default();
    format!("{}{}{note}", describe_look(look), shown(change))
}

pub fn shown<T>(change: &Change<T>) -> String {
    match change.frame {
        Some(frame) => format!(" from frame {frame} on, after {:.0} ms", change.took_ms),
        None => " with the next frame".into(),
    }
}

pub fn describe_presets(presets: &[Preset]) -> String {
    let line = |preset: &Preset| {
        let key = preset.key.map_or(" ".into(), |key| key.to_string());
        let missing = match preset.missing.as_slice() {
            [] => String::new(),
            missing => format!("; missing: {}", missing.join(", ")),
        };
        format!("{key} {:<20} {}{missing}", preset.name, describe_look(&preset.painted.look))
    };
    match presets {
        [] => "there are no presets".into(),
        presets => presets.iter().map(line).collect::<Vec<_>>().join("\n"),
    }
}

pub fn describe_outputs(outputs: &[OutputState]) -> String {
    let line = |output: &OutputState| format!("{:<32} {}", output.id, watched(output));
    outputs.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn watched(output: &OutputState) -> String {
    let comma = if output.place.is_empty() { "" } else { ", " };
    format!("{}{comma}{} watching", output.place, output.clients)
}
