//! What `impasto ctl` asks of a running Impasto, each in one method.

use std::io::Write;

use serde_json::{Map, Value};
use ureq::http::Method;

use super::super::{print_json, say};
use super::words::{
    describe, describe_change, describe_drives, describe_look, describe_presets, describe_saved, describe_shortly,
    describe_show, shown,
};
use crate::control::client::Client;
use crate::control::contract::{
    Change, ConfigState, DrivenState, LookNow, Painted, Preset, PresetWish, RecordNow, RecordRequest, Recording,
    SaveNow, SettingsNow, ShowRequest, ShowState, SourceRequest, StreamState,
};
use crate::error::{Error, Result};
use crate::paintings::name_of;
use crate::style::look::Drive;
use crate::style::{Look, LookPatch};

/// Where the presets are.
const PRESETS: &str = "/api/v1/presets";

/// What the sound drives, below the stream.
const DRIVES: &str = "/drives";

/// A server with one of its streams.
pub struct Session {
    pub client: Client,
    /// The path of the stream.
    pub stream: String,
    pub json: bool,
}

impl Session {
    pub fn stream_name(&self) -> &str {
        self.stream.rsplit('/').next().unwrap_or_default()
    }

    pub fn path(&self, end: &str) -> String {
        format!("{}{end}", self.stream)
    }

    /// Prints `answer` as JSON, or what `line` makes of it.
    pub fn tell<T: serde::Serialize>(&self, answer: &T, line: impl FnOnce(&T) -> String) -> Result<()> {
        if self.json {
            return print_json(answer);
        }
        say!("{}", line(answer))
    }

    pub fn status(&self) -> Result<()> {
        self.tell(&self.client.get::<StreamState>(&self.path(""))?, describe)
    }

    /// A line for each, and what became of the latest change of the config if that was not taken.
    pub fn streams(&self) -> Result<()> {
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

    pub fn show_look(&self) -> Result<()> {
        self.tell(&self.client.get::<Look>(&self.path("/look"))?, describe_look)
    }

    pub fn change_look(&self, patch: &LookPatch) -> Result<()> {
        let change: Change<LookNow> = self.client.send(Method::PATCH, &self.path("/look"), patch)?;
        self.tell(&change, describe_change)
    }

    pub fn paint_as(&self, path: &str, body: &impl serde::Serialize) -> Result<()> {
        let change: Change<LookNow> = self.client.send(Method::POST, &self.path(path), body)?;
        self.tell(&change, describe_change)
    }

    pub fn presets(&self, import: Option<&std::path::Path>) -> Result<()> {
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
    pub fn change_preset(&self, name: &str, save: bool, mut wish: PresetWish) -> Result<()> {
        if save {
            let StreamState { look, network, size, .. } = self.client.get(&self.path(""))?;
            (wish.look, wish.network, wish.size) = (Some(look), Some(network), Some(size));
        }
        let preset: Preset = self.client.send(Method::PUT, &preset_path(name), &wish)?;
        self.tell(&preset, |preset| describe_presets(std::slice::from_ref(preset)))
    }

    pub fn remove_preset(&self, name: &str) -> Result<()> {
        let left: Vec<Preset> = self.client.delete(&preset_path(name))?;
        self.tell(&left, |left| describe_presets(left))
    }

    pub fn settings(&self, method: Method, path: &str, body: &impl serde::Serialize) -> Result<()> {
        let change: Change<SettingsNow> = self.client.send(method, &self.path(path), body)?;
        self.tell(&change, |change| {
            let SettingsNow { network, size, mirrored, paused } = &change.now;
            let mirrored = if *mirrored { ", mirrored" } else { "" };
            let paused = if *paused { ", paused" } else { "" };
            format!("{network} paints at {size}{mirrored}{paused}{}", shown(change))
        })
    }

    pub fn source(&self, mut wanted: SourceRequest) -> Result<()> {
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

    /// After a command, if there is one.
    pub fn show(&self, request: Option<ShowRequest>) -> Result<()> {
        let path = self.path("/show");
        let state: ShowState = match request {
            Some(request) => self.client.send(Method::PUT, &path, &request)?,
            None => self.client.get(&path)?,
        };
        self.tell(&state, describe_show)
    }

    pub fn drives(&self) -> Result<()> {
        self.tell(&self.client.get::<DrivenState>(&self.path(DRIVES))?, describe_drives)
    }

    /// Lets the sound drive a parameter.
    pub fn drive(&self, parameter: &str, drive: &Drive) -> Result<()> {
        let now: DrivenState = self.client.send(Method::PUT, &self.path(&drive_path(parameter)), drive)?;
        self.tell(&now, describe_drives)
    }

    /// Leaves a parameter to the look again.
    pub fn leave(&self, parameter: &str) -> Result<()> {
        let now: DrivenState = self.client.delete(&self.path(&drive_path(parameter)))?;
        self.tell(&now, describe_drives)
    }

    pub fn record(&self, requested: &RecordRequest) -> Result<()> {
        let now: RecordNow = self.client.send(Method::POST, &self.path("/record"), requested)?;
        self.tell(&now, |now| {
            let what = if now.recording { "recording into" } else { "finished" };
            format!("{what} {}", now.file)
        })
    }

    pub fn save_stream(&self) -> Result<()> {
        let now: SaveNow = self.client.send(Method::POST, &self.path("/save"), &())?;
        self.tell(&now, describe_saved)
    }

    pub fn recordings(&self) -> Result<()> {
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

    pub fn snapshot(&self, file: &std::path::Path) -> Result<()> {
        let png = self.client.picture(&self.path("/snapshot"), "application/json", Vec::new(), "image/png")?;
        self.save(file, &png)
    }

    /// With those `parts` of the query that have a value.
    pub fn paint(
        &self,
        input: &std::path::Path,
        output: &std::path::Path,
        parts: [(&str, Option<String>); 2],
    ) -> Result<()> {
        let ending = output.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        let accept = match ending.as_deref() {
            Some("png") => "image/png",
            Some("jpg" | "jpeg") => "image/jpeg",
            _ => return Err(Error::usage(format!("{}: choose a file that ends in .png or .jpg", output.display()))),
        };
        let photo = std::fs::read(input).map_err(|error| Error::input(format!("{}: {error}", input.display())))?;
        let given = parts.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", path_segment(&value?))));
        let path = format!("/api/v1/paint?{}", given.collect::<Vec<_>>().join("&"));
        let painted = self.client.picture(&path, "application/octet-stream", photo, accept)?;
        self.save(output, &painted)
    }

    /// Sends a painting, which is kept as a style; its name.
    pub fn keep_painting(&self, file: &std::path::Path, name: Option<String>) -> Result<String> {
        let name = name.unwrap_or_else(|| name_of(file));
        let bytes = std::fs::read(file).map_err(|error| Error::input(format!("{}: {error}", file.display())))?;
        let path = format!("/api/v1/styles?name={}", path_segment(&name));
        let kept = self.client.send_file::<Value>(&path, "application/octet-stream", bytes);
        let hint =
            |what| format!("{what} with --as NAME; `impasto ctl style {name}` paints with the one that is there");
        kept.map(|_| name.clone()).map_err(|error| match error.to_string().ends_with("choose another name") {
            true => error.map_text(hint),
            false => error,
        })
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

    pub fn styles(&self) -> Result<()> {
        self.tell_styles(&self.client.get("/api/v1/styles")?)
    }

    /// Removes a painting that was kept; tells the styles that are left.
    pub fn remove_painting(&self, name: &str) -> Result<()> {
        self.tell_styles(&self.client.delete(&format!("/api/v1/styles/{}", path_segment(name)))?)
    }

    fn tell_styles(&self, styles: &Vec<Value>) -> Result<()> {
        self.tell(styles, |styles| {
            let text = |style: &Value, key: &str| style[key].as_str().unwrap_or_default().to_string();
            let line =
                |style| format!("{:<20} {:<8} {}", text(style, "name"), text(style, "network"), text(style, "title"));
            styles.iter().map(line).collect::<Vec<_>>().join("\n")
        })
    }

    /// On a terminal one line for each change that a person would call one; otherwise each event as a JSON line.
    pub fn watch(&self) -> Result<()> {
        let name = self.stream_name().to_string();
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

fn drive_path(parameter: &str) -> String {
    format!("{DRIVES}/{}", path_segment(parameter))
}

fn preset_path(name: &str) -> String {
    format!("{PRESETS}/{}", path_segment(name))
}

/// `text` as a part of a path or a query: what has a meaning there is escaped.
pub fn path_segment(text: &str) -> String {
    let escaped = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(escaped).collect()
}

/// Prints a line; false when nobody reads it any more.
fn is_read(line: impl std::fmt::Display) -> bool {
    writeln!(std::io::stdout(), "{line}").is_ok()
}
