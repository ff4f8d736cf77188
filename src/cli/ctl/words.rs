//! What `impasto ctl` says of a running Impasto to people.

use clap::ValueEnum;

use crate::control::contract::{
    Change, DriveState, DrivenState, LookNow, OnAir, OutputState, PartState, Preset, SaveNow, ShowState, ShowStatus,
    StreamState, StreamStatus,
};
use crate::style::Look;
use crate::style::look::{Drive, PARAMETERS, Told};

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
    if !state.driven.drives.is_empty() {
        lines.extend(describe_drives(&state.driven).lines().map(|line| format!("sound     {line}")));
    }
    lines.extend(state.outputs.iter().map(|output| format!("{:<9} {}", output.kind, watched(output))));
    lines.extend(state.failures.iter().map(|failure| format!("failure   {failure}")));
    lines.push(format!("uptime    {} s", state.uptime_s));
    lines.join("\n")
}

pub fn describe_saved(SaveNow { file, saved, left_out }: &SaveNow) -> String {
    let what = match saved.is_empty() {
        true => format!("{file} says so already"),
        false => format!("saved in {file}: {}", saved.join(", ")),
    };
    std::iter::once(what).chain(left_out.iter().map(|what| format!("not saved: {what}"))).collect::<Vec<_>>().join("\n")
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
    let plain = Look::default().texts();
    let parts = PARAMETERS.iter().zip(look.texts()).zip(plain).filter_map(|((parameter, text), plain)| {
        let is_told = parameter.told == Told::Always || (parameter.told != Told::Never && text != plain);
        is_told.then(|| match (parameter.told, parameter.word) {
            (Told::As(words), _) => words.into(),
            (_, "") => text,
            (_, word) => format!("{word} {text}"),
        })
    });
    parts.collect::<Vec<_>>().join(", ")
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

pub fn describe_show(show: &ShowState) -> String {
    let parts = [("playlist", &show.playlist), ("programme", &show.programme)];
    let parts = parts.into_iter().filter_map(|(name, part)| Some(describe_part(name, part.as_ref()?)));
    let lines: Vec<_> = parts.chain(show.notes.iter().cloned()).collect();
    match lines.as_slice() {
        [] => "this stream has no show: give it one under [show] in the config".into(),
        lines => lines.join("\n"),
    }
}

fn describe_part(name: &str, part: &PartState) -> String {
    let now = match (part.status, &part.on_air) {
        (ShowStatus::ByHand, _) => "waits while something else is set by hand; `resume` brings it back".into(),
        (ShowStatus::Waiting, _) => "nothing of it is there; it is tried again".into(),
        (ShowStatus::Over, _) => "over".into(),
        (ShowStatus::Off, _) => "nothing is on now".into(),
        (status, Some(OnAir { place, title, .. })) => {
            let paused = if status == ShowStatus::Paused { ", paused" } else { "" };
            format!("{title} (number {}){paused}", place + 1)
        }
        (_, None) => "about to begin".into(),
    };
    let next = part.next.as_ref().map(|next| {
        let at = part.next_unix_s.map(|at| at.saturating_sub(unix_s()).max(0));
        format!("; next {next}{}", at.map(|seconds| format!(" in {seconds} s")).unwrap_or_default())
    });
    let on = part.name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
    let mut lines = vec![format!("{name:<9} {on}{now}{}", next.unwrap_or_default())];
    let missing = part.items.iter().filter_map(|item| item.missing.as_ref());
    lines.extend(missing.map(|why| format!("  missing: {why}")));
    lines.join("\n")
}

/// A line for each drive, and why nothing is driven.
pub fn describe_drives(driven: &DrivenState) -> String {
    let line = |(parameter, DriveState { drive, now }): (&String, &DriveState)| {
        let Drive { from, to, attack_ms, release_ms, .. } = drive;
        let now = now.map_or("as the look says".into(), |now| format!("{now:.2}"));
        let by = drive.by.to_possible_value().map(|word| word.get_name().to_string()).unwrap_or_default();
        format!("drives {parameter} by {by}, {from} to {to} (attack {attack_ms} ms, release {release_ms} ms): {now}")
    };
    match driven.drives.is_empty() {
        true => "the sound drives nothing".into(),
        false => driven.drives.iter().map(line).chain(driven.note.clone()).collect::<Vec<_>>().join("\n"),
    }
}

fn unix_s() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs() as i64)
}

pub fn describe_outputs(outputs: &[OutputState]) -> String {
    let line = |output: &OutputState| format!("{:<32} {}", output.id, watched(output));
    outputs.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn watched(output: &OutputState) -> String {
    if let Some(error) = &output.error {
        return format!("{}: {error}", output.place);
    }
    let comma = if output.place.is_empty() { "" } else { ", " };
    format!("{}{comma}{} watching", output.place, output.clients)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::LookPatch;

    #[test]
    fn what_is_not_as_usual_is_said_of_a_look() {
        let told = |name: &str, text: &str| {
            let change = LookPatch::read(name, text).expect("a value");
            describe_look(&Look::default().patched(&change))
        };
        assert_eq!(told("styles", "a=2,b"), "a=2,b, strength 1");
        assert_eq!(told("strength", "0.5"), ", strength 0.5");
        assert_eq!(told("keep_colours", "true"), ", strength 1, colours of the source");
        assert_eq!(told("stroke", "1"), ", strength 1, stroke 1");
        let plain = describe_look(&Look::default());
        for parameter in PARAMETERS.iter().filter(|parameter| parameter.told != Told::Never) {
            let other = ["0.25", "true", "person", "#336699", "a"]
                .iter()
                .find_map(|text| LookPatch::read(parameter.name, text).ok());
            let look = Look::default().patched(&other.expect("a value that is not the default"));
            assert_ne!(describe_look(&look), plain, "{}", parameter.name);
        }
    }
}
