//! `impasto ctl`: looks into a running Impasto and changes it, over its HTTP API.

use std::io::{IsTerminal, Write, stdin};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value};
use ureq::http::Method;

use super::{PaintArgs, print_json, say};
use crate::control::client::Client;
use crate::control::contract::{
    Change, ConfigState, LIVE, LookNow, OutputState, OutputWish, Painted, Preset, PresetRequest, PresetWish, RecordNow,
    RecordRequest, Recording, SettingsNow, SettingsPatch, SourceRequest, StreamState, StreamStatus,
};
use crate::error::{Error, Result};
use crate::style::look::Mix;
use crate::style::{Look, LookPatch, PaintSize, Steadiness, Stroke};

/// Where the outputs are, below the stream.
const OUTPUTS: &str = "/outputs";

/// Where the presets are.
const PRESETS: &str = "/api/v1/presets";

const AFTER_HELP: &str = "\
Examples:
  impasto ctl style great_wave                  paint like the Great Wave from now on
  impasto ctl blend starry_night=0.7 great_wave=0.3
  impasto ctl strength 0.5                      half painted, half source
  impasto ctl preset evening --save --key 1     keep this look; `impasto ctl preset evening` brings it back
  impasto ctl watch                             follow what happens
  impasto ctl doctor                            what works on this machine, and what cures what does not

A token that the daemon asks for is read from IMPASTO_TOKEN.
Answers are for people on a terminal, and JSON otherwise or with --json.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct CtlArgs {
    /// Where the daemon's HTTP API is
    #[arg(long, global = true, env = "IMPASTO_SERVER", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    server: String,
    /// Token that the daemon asks for; only from the environment
    #[arg(long, global = true, env = "IMPASTO_TOKEN", hide = true, hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// The stream, where there are several
    #[arg(long, global = true, default_value = LIVE, value_name = "NAME")]
    stream: String,
    /// Print JSON on a terminal too
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What runs and how well
    Status,
    /// All streams of the daemon
    Streams,
    /// How it is painted; with a JSON object such as {"strength": 0.5}, change these parts
    Look { parts: Option<String> },
    /// Paint in one style
    Style { name: String },
    /// Mix styles of one network: a=0.7 b=0.3
    Blend {
        #[arg(required = true, value_name = "NAME=WEIGHT")]
        styles: Vec<String>,
    },
    /// How much of the painted picture is seen: 0 (the source) to 1
    Strength { value: f32 },
    /// How firmly still areas are held against flicker: 0 (not at all) to 1
    Steadiness { value: f32 },
    /// How large strokes and forms are: 0 (small) to 1 (large), or auto, by the size of the picture
    Stroke { value: Stroke },
    /// Keep the colours of the source, or no longer
    Colours {
        #[arg(value_enum)]
        which: Colours,
    },
    /// How long changes of the look take
    Fade { milliseconds: u32 },
    /// Size to paint at: native, auto, or a box such as 640x360
    Size { size: PaintSize },
    /// Paint with another network of `impasto styles`; styles that it does not have leave the mix
    Network { name: String },
    /// Go back to how it was painted before the latest change; again: before the one before it
    Undo,
    /// All presets of the daemon; in JSON, they are what --import takes
    Presets {
        /// Take over the presets of a file; those that have the same name are replaced
        #[arg(long, value_name = "FILE")]
        import: Option<PathBuf>,
    },
    /// Paint as a preset says, or change one
    Preset {
        name: String,
        /// Keep how it is painted now under that name
        #[arg(long)]
        save: bool,
        /// The key of the web page that paints with it: 1 to 9, 0 for none
        #[arg(long, value_name = "DIGIT")]
        key: Option<u8>,
        /// Give it another name
        #[arg(long, value_name = "NAME")]
        rename: Option<String>,
        /// Move it to this place in the list, counted from 1
        #[arg(long, value_name = "NUMBER")]
        place: Option<usize>,
        /// Remove it
        #[arg(long, conflicts_with_all = ["save", "key", "rename", "place"])]
        delete: bool,
    },
    /// Swap left and right, or no longer
    Mirror {
        #[arg(value_enum)]
        state: OnOff,
    },
    /// Hold the picture
    Pause,
    /// Go on after a pause
    Resume,
    /// Go over to another source, named as for `impasto run --source`
    Source {
        source: String,
        /// Play a file once, and go back to the configured source then
        #[arg(long)]
        once: bool,
    },
    /// Begin a recording in the daemon's recordings folder, or --stop it
    Record {
        file: Option<String>,
        #[arg(long, conflicts_with = "file")]
        stop: bool,
    },
    /// Where the stream goes, with the ids of its outputs
    Outputs,
    /// Open one more output
    AddOutput {
        #[arg(value_enum)]
        kind: OutputKind,
        /// ADDRESS:PORT[/PATH] for rtsp; auto, a device, a label or pipewire for virtual-camera; `-` for push: the
        /// address with its key is read from standard input, so that no list of processes shows it
        #[arg(default_value = "auto")]
        place: String,
    },
    /// Close an output, by its id
    RemoveOutput { id: String },
    /// The finished recordings in the daemon's recordings folder
    Recordings,
    /// Save the latest painted frame as a PNG file
    Snapshot { file: PathBuf },
    /// Let the daemon paint a photograph
    Paint {
        input: PathBuf,
        /// A .png or .jpg file
        output: PathBuf,
        /// Style, or mix of styles
        #[arg(long)]
        style: Option<Mix>,
    },
    /// The styles that the daemon knows
    Styles,
    /// Follow what happens, until Ctrl-C
    Watch,
    /// Look what of this machine works, what is missing, and what cures it; no daemon need run
    Doctor {
        #[command(flatten)]
        paint: Box<PaintArgs>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Colours {
    /// Of the source
    Keep,
    /// Of the painting
    Paint,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OutputKind {
    Rtsp,
    VirtualCamera,
    /// To a server of others, over RTMP or SRT
    Push,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OnOff {
    On,
    Off,
}

/// A server with one of its streams.
struct Session {
    client: Client,
    /// The path of the stream.
    stream: String,
    json: bool,
}

impl CtlArgs {
    pub fn run(self) -> Result<()> {
        let session = Session {
            client: Client::new(&self.server, self.token.filter(|token| !token.is_empty())),
            stream: format!("/api/v1/streams/{}", self.stream),
            json: self.json || !std::io::stdout().is_terminal(),
        };
        let patch = LookPatch::default();
        match self.command {
            Command::Status => session.status(),
            Command::Streams => session.streams(),
            Command::Look { parts: None } => session.show_look(),
            Command::Look { parts: Some(parts) } => {
                let parts = serde_json::from_str(&parts).map_err(|error| Error::usage(format!("look: {error}")))?;
                session.change_look(&parts)
            }
            Command::Style { name } => session.change_look(&LookPatch { styles: Some(Mix::only(name)), ..patch }),
            Command::Blend { styles } => {
                let styles = styles.join(",").parse().map_err(|what: String| Error::usage(what))?;
                session.change_look(&LookPatch { styles: Some(styles), ..patch })
            }
            Command::Strength { value } => session.change_look(&LookPatch { strength: Some(value), ..patch }),
            Command::Steadiness { value } => {
                session.change_look(&LookPatch { steadiness: Some(Steadiness::Still(value)), ..patch })
            }
            Command::Stroke { value } => session.change_look(&LookPatch { stroke: Some(value), ..patch }),
            Command::Colours { which } => {
                session.change_look(&LookPatch { keep_colours: Some(which == Colours::Keep), ..patch })
            }
            Command::Fade { milliseconds } => session.change_look(&LookPatch { fade_ms: Some(milliseconds), ..patch }),
            Command::Size { size } => {
                session.settings(Method::PATCH, "", &SettingsPatch { size: Some(size), ..SettingsPatch::default() })
            }
            Command::Network { name } => {
                session.settings(Method::PATCH, "", &SettingsPatch { network: Some(name), ..SettingsPatch::default() })
            }
            Command::Undo => session.paint_as("/undo", &()),
            Command::Presets { import } => session.presets(import.as_deref()),
            Command::Preset { name, save: false, key: None, rename: None, place: None, delete: false } => {
                session.paint_as("/preset", &PresetRequest { name })
            }
            Command::Preset { name, delete: true, .. } => session.remove_preset(&name),
            Command::Preset { name, save, key, rename, place, delete: _ } => {
                let place = place.map(|place| place.saturating_sub(1));
                session.change_preset(&name, save, PresetWish { name: rename, key, place, ..PresetWish::default() })
            }
            Command::Mirror { state } => session.settings(
                Method::PATCH,
                "",
                &SettingsPatch { mirrored: Some(state == OnOff::On), ..SettingsPatch::default() },
            ),
            Command::Pause => session.settings(Method::POST, "/pause", &()),
            Command::Resume => session.settings(Method::POST, "/resume", &()),
            Command::Source { source, once } => session.source(SourceRequest { source, r#loop: !once }),
            Command::Record { file, stop } => session.record(&RecordRequest { file, stop }),
            Command::Outputs => session
                .tell(&session.client.get::<Vec<OutputState>>(&session.path(OUTPUTS))?, |outputs| {
                    describe_outputs(outputs)
                }),
            Command::AddOutput { kind, place } => {
                let wish = match kind {
                    OutputKind::Rtsp => OutputWish::Rtsp { address: place, kbps: None },
                    OutputKind::VirtualCamera => {
                        OutputWish::VirtualCamera { device: place, size: "stream".into(), mirror: false }
                    }
                    OutputKind::Push => OutputWish::Push { url: address_of_push(&place)?, kbps: None },
                };
                let outputs: Vec<OutputState> = session.client.send(Method::POST, &session.path(OUTPUTS), &wish)?;
                session.tell(&outputs, |outputs| describe_outputs(outputs))
            }
            Command::RemoveOutput { id } => {
                let path = session.path(&format!("{OUTPUTS}/{}", path_segment(&id)));
                session.tell(&session.client.delete(&path)?, |outputs: &Vec<OutputState>| describe_outputs(outputs))
            }
            Command::Recordings => session.recordings(),
            Command::Snapshot { file } => session.snapshot(&file),
            Command::Paint { input, output, style } => session.paint(&input, &output, style),
            Command::Styles => session.styles(),
            Command::Watch => session.watch(),
            Command::Doctor { paint } => super::doctor::run(*paint, &session.client, &self.server, session.json),
        }
    }
}

impl Session {
    fn path(&self, end: &str) -> String {
        format!("{}{end}", self.stream)
    }

    /// Prints `answer` as JSON, or what `line` makes of it.
    fn tell<T: serde::Serialize>(&self, answer: &T, line: impl FnOnce(&T) -> String) -> Result<()> {
        if self.json {
            return print_json(answer);
        }
        say!("{}", line(answer))
    }

    fn status(&self) -> Result<()> {
        self.tell(&self.client.get::<StreamState>(&self.path(""))?, describe)
    }

    /// A line for each, and what became of the latest change of the config if that was not taken.
    fn streams(&self) -> Result<()> {
        let streams: Vec<StreamState> = self.client.get("/api/v1/streams")?;
        self.tell(&streams, |streams| {
            let line = |state: &StreamState| format!("{:<12} {}", state.name, describe_shortly(state));
            streams.iter().map(line).collect::<Vec<_>>().join("\n")
        })?;
        if !self.json
            && let Some(error) = self.client.get::<ConfigState>("/api/v1/config")?.error
        {
            say!("the changed config was not taken: {error}")?;
        }
        Ok(())
    }

    fn show_look(&self) -> Result<()> {
        self.tell(&self.client.get::<Look>(&self.path("/look"))?, describe_look)
    }

    fn change_look(&self, patch: &LookPatch) -> Result<()> {
        let change: Change<LookNow> = self.client.send(Method::PATCH, &self.path("/look"), patch)?;
        self.tell(&change, describe_change)
    }

    fn paint_as(&self, path: &str, body: &impl serde::Serialize) -> Result<()> {
        let change: Change<LookNow> = self.client.send(Method::POST, &self.path(path), body)?;
        self.tell(&change, describe_change)
    }

    fn presets(&self, import: Option<&std::path::Path>) -> Result<()> {
        if let Some(file) = import {
            let unusable = |what: &dyn std::fmt::Display| Error::input(format!("{}: {what}", file.display()));
            let text = std::fs::read_to_string(file).map_err(|error| unusable(&error))?;
            let presets: Vec<Preset> = serde_json::from_str(&text).map_err(|error| unusable(&error))?;
            for Preset { name, key, painted: Painted { look, network, size }, missing: _ } in presets {
                let (look, network, size) = (Some(look), Some(network), Some(size));
                let wish = PresetWish { key: Some(key.unwrap_or(0)), look, network, size, ..PresetWish::default() };
                self.client.send::<Preset>(Method::PUT, &preset_path(&name), &wish)?;
            }
        }
        self.tell(&self.client.get::<Vec<Preset>>(PRESETS)?, |presets| describe_presets(presets))
    }

    /// With `save`, also to how the stream is painted now.
    fn change_preset(&self, name: &str, save: bool, mut wish: PresetWish) -> Result<()> {
        if save {
            let StreamState { look, network, size, .. } = self.client.get(&self.path(""))?;
            (wish.look, wish.network, wish.size) = (Some(look), Some(network), Some(size));
        }
        let preset: Preset = self.client.send(Method::PUT, &preset_path(name), &wish)?;
        self.tell(&preset, |preset| describe_presets(std::slice::from_ref(preset)))
    }

    fn remove_preset(&self, name: &str) -> Result<()> {
        let left: Vec<Preset> = self.client.delete(&preset_path(name))?;
        self.tell(&left, |left| describe_presets(left))
    }

    fn settings(&self, method: Method, path: &str, body: &impl serde::Serialize) -> Result<()> {
        let change: Change<SettingsNow> = self.client.send(method, &self.path(path), body)?;
        self.tell(&change, |change| {
            let SettingsNow { network, size, mirrored, paused } = &change.now;
            let mirrored = if *mirrored { ", mirrored" } else { "" };
            let paused = if *paused { ", paused" } else { "" };
            format!("{network} paints at {size}{mirrored}{paused}{}", shown(change))
        })
    }

    fn source(&self, mut wanted: SourceRequest) -> Result<()> {
        // A file here is named as the daemon finds it, whose working directory is another.
        if std::path::Path::new(&wanted.source).is_file()
            && let Some(whole) =
                std::path::absolute(&wanted.source).ok().and_then(|path| path.into_os_string().into_string().ok())
        {
            wanted.source = whole;
        }
        let state: StreamState = self.client.send(Method::POST, &self.path("/source"), &wanted)?;
        self.tell(&state, |state| format!("the source is now {}", state.source))
    }

    fn record(&self, requested: &RecordRequest) -> Result<()> {
        let now: RecordNow = self.client.send(Method::POST, &self.path("/record"), requested)?;
        self.tell(&now, |now| {
            let what = if now.recording { "recording into" } else { "finished" };
            format!("{what} {}", now.file)
        })
    }

    fn recordings(&self) -> Result<()> {
        self.tell(&self.client.get::<Vec<Recording>>("/api/v1/recordings")?, |recordings| {
            let line = |Recording { file, bytes, length_s, .. }: &Recording| {
                let length = length_s.map_or("does not play".into(), |seconds| format!("{seconds:.1} s"));
                format!("{file:<40} {length:>10} {:>9.1} MB", *bytes as f64 / 1e6)
            };
            match recordings.as_slice() {
                [] => "there are no recordings".into(),
                recordings => recordings.iter().map(line).collect::<Vec<_>>().join("\n"),
            }
        })
    }

    fn snapshot(&self, file: &std::path::Path) -> Result<()> {
        let png = self.client.picture(&self.path("/snapshot"), "application/json", Vec::new(), "image/png")?;
        self.save(file, &png)
    }

    fn paint(&self, input: &std::path::Path, output: &std::path::Path, style: Option<Mix>) -> Result<()> {
        let ending = output.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        let accept = match ending.as_deref() {
            Some("png") => "image/png",
            Some("jpg" | "jpeg") => "image/jpeg",
            _ => return Err(Error::usage(format!("{}: choose a file that ends in .png or .jpg", output.display()))),
        };
        let photo = std::fs::read(input).map_err(|error| Error::input(format!("{}: {error}", input.display())))?;
        // Names that need escaping are none: the server refuses them as unknown.
        let query = style.map(|style| format!("?styles={}", style.to_string().replace(['&', '#', ' ', '%'], "_")));
        let path = format!("/api/v1/paint{}", query.unwrap_or_default());
        let painted = self.client.picture(&path, "application/octet-stream", photo, accept)?;
        self.save(output, &painted)
    }

    fn save(&self, file: &std::path::Path, bytes: &[u8]) -> Result<()> {
        let failed = |error| Error::output(format!("{}: {error}", file.display()));
        let part = crate::output::part_path(file);
        std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, file)).map_err(|error| {
            let _ = std::fs::remove_file(&part);
            failed(error)
        })?;
        let name = file.display().to_string();
        self.tell(&serde_json::json!({ "file": name, "bytes": bytes.len() }), |_| format!("saved {name}"))
    }

    fn styles(&self) -> Result<()> {
        let styles: Vec<Value> = self.client.get("/api/v1/styles")?;
        self.tell(&styles, |styles| {
            let text = |style: &Value, key: &str| style[key].as_str().unwrap_or_default().to_string();
            let line =
                |style| format!("{:<20} {:<8} {}", text(style, "name"), text(style, "network"), text(style, "title"));
            styles.iter().map(line).collect::<Vec<_>>().join("\n")
        })
    }

    /// On a terminal one line for each change that a person would call one; otherwise each event as a JSON line.
    fn watch(&self) -> Result<()> {
        let name = self.stream.rsplit('/').next().unwrap_or_default().to_string();
        let mut state = Map::new();
        let mut last = String::new();
        self.client.events(|event, data| {
            if event == "alive" {
                return Ok(true);
            }
            let data: Value = serde_json::from_str(data).unwrap_or_default();
            if self.json {
                return Ok(is_read(serde_json::json!({ "event": event, "data": data })));
            }
            let whole = data["streams"]
                .as_array()
                .and_then(|streams| streams.iter().find(|stream| stream["name"] == name.as_str()));
            let changed =
                if data["stream"] == name.as_str() { &data["changed"] } else { whole.unwrap_or(&Value::Null) };
            state.extend(changed.as_object().cloned().unwrap_or_default());
            if let Ok(state) = serde_json::from_value::<StreamState>(Value::Object(state.clone())) {
                let line = describe_shortly(&state);
                if line != last {
                    let goes_on = is_read(&line);
                    last = line;
                    return Ok(goes_on);
                }
            }
            Ok(true)
        })
    }
}

/// Where to push to: read from standard input, because it holds a key.
fn address_of_push(place: &str) -> Result<String> {
    if place != "-" {
        return Err(Error::usage(
            "push -: give the address on standard input; on the command line others could read its key",
        ));
    }
    let mut line = String::new();
    stdin().read_line(&mut line).map_err(|error| Error::usage(format!("standard input: {error}")))?;
    Ok(line.trim().to_string())
}

fn describe_outputs(outputs: &[OutputState]) -> String {
    let line = |output: &OutputState| format!("{:<32} {}", output.id, watched(output));
    outputs.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn watched(output: &OutputState) -> String {
    let comma = if output.place.is_empty() { "" } else { ", " };
    format!("{}{comma}{} watching", output.place, output.clients)
}

fn preset_path(name: &str) -> String {
    format!("{PRESETS}/{}", path_segment(name))
}

/// `text` as a part of a path: what has a meaning there is escaped.
fn path_segment(text: &str) -> String {
    let escaped = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(escaped).collect()
}

fn describe_presets(presets: &[Preset]) -> String {
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

/// Prints a line; false when nobody reads it any more.
fn is_read(line: impl std::fmt::Display) -> bool {
    writeln!(std::io::stdout(), "{line}").is_ok()
}

fn shown<T>(change: &Change<T>) -> String {
    match change.frame {
        Some(frame) => format!(" from frame {frame} on, after {:.0} ms", change.took_ms),
        None => " with the next frame".into(),
    }
}

fn describe_change(change: &Change<LookNow>) -> String {
    let LookNow { look, note, .. } = &change.now;
    let note = note.as_ref().map(|note| format!("\nnote: {note}")).unwrap_or_default();
    format!("{}{}{note}", describe_look(look), shown(change))
}

fn describe_look(look: &Look) -> String {
    let colours = if look.keep_colours { ", colours of the source" } else { "" };
    let steady = if look.steadiness.remembers() { format!(", steadiness {}", look.steadiness) } else { String::new() };
    let stroke = if look.stroke == Stroke::Auto { String::new() } else { format!(", stroke {}", look.stroke) };
    format!("{}, strength {}{colours}{steady}{stroke}", look.styles, look.strength)
}

fn describe_shortly(state: &StreamState) -> String {
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

fn describe(state: &StreamState) -> String {
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
