//! The config file as written: strict TOML, every key with a default.

pub(crate) mod outputs;
mod place;
pub mod plan;
pub mod save;
mod settings;
mod show;
mod sound;
mod stream;
mod week;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::capture::camera::{ControlValues, FormatRequest};
use crate::control::HttpAddress;
use crate::control::contract::LIVE;
use crate::control::osc::OscAddress;
use crate::error::{Error, Result};
use crate::output::Fit;
use crate::output::display::PRIMARY;
use crate::redact::redact;
use crate::style::PaintSize;
use crate::style::look::{Look, LookPatch, look_parameters};
use crate::style::onnx::{Device, Precision};
use crate::suggest::explain;

pub use place::locate;
pub use settings::Settings;
pub use show::{ItemConfig, ProgrammeConfig, ScheduleConfig, ShowConfig, StepConfig};
pub use sound::SoundConfig;
pub use stream::StreamConfig;
pub use week::{Day, TimeOfDay};

/// All settings; `config/default.toml` documents each key.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub source: SourceConfig,
    pub paint: PaintConfig,
    pub runtime: RuntimeConfig,
    pub output: OutputConfig,
    pub control: ControlConfig,
    pub show: ShowConfig,
    pub sound: SoundConfig,
    /// Without any there is one stream, called `live`, that the tables above describe.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stream: Vec<StreamConfig>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceConfig {
    pub input: String,
    pub r#loop: bool,
    pub sound: bool,
    pub width: usize,
    pub height: usize,
    pub fps: u32,
    pub format: FormatRequest,
    pub controls: ControlValues,
}

macro_rules! paint_config {
    ($($(#[$key:meta])* $name:ident: $type:ty = $_default:expr, { $($_told:tt)* })*) => {
        /// The parts of a [`Look`], and what it is painted with. They stand side by side here, because a flattened look would
        /// lose the line numbers of mistakes.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct PaintConfig {
            $($(#[$key])* pub $name: $type,)*
            pub network: String,
            pub size: PaintSize,
        }

        impl From<Look> for PaintConfig {
            fn from(look: Look) -> Self {
                Self { $($name: look.$name,)* network: String::new(), size: PaintSize::default() }
            }
        }

        impl PaintConfig {
            pub fn look(&self) -> Look {
                Look { $($name: self.$name.clone(),)* }
            }
        }
    };
}
look_parameters!(paint_config);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuntimeConfig {
    pub device: Device,
    pub precision: Precision,
    pub threads: usize,
    /// The workers are the program `impasto` itself: another one that uses this library turns it off.
    pub isolate: bool,
    pub library: PathBuf,
    pub models: PathBuf,
    pub mask_network: PathBuf,
    pub paintings: PathBuf,
    pub pipelines: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutputConfig {
    pub rtsp: String,
    pub rtsp_kbps: u32,
    pub rtsp_user: String,
    pub rtsp_password: String,
    pub rtsp_certificate: PathBuf,
    pub record: PathBuf,
    pub crf: u8,
    pub webrtc: bool,
    pub webrtc_kbps: u32,
    pub webrtc_viewers: usize,
    pub on_demand: OnDemand,
    pub also: Vec<ExtraOutput>,
}

/// Whether the source is released while nobody watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDemand {
    /// With a virtual camera: on.
    #[default]
    Auto,
    On,
    Off,
}

/// An output besides RTSP and recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ExtraOutput {
    VirtualCamera(VirtualCameraConfig),
    Push(PushConfig),
    Display(DisplayConfig),
}

/// A server that the stream is pushed to.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushConfig {
    pub url: String,
    #[serde(default = "push_kbps")]
    pub kbps: u32,
}

impl fmt::Debug for PushConfig {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushConfig").field("url", &redact(&self.url)).field("kbps", &self.kbps).finish()
    }
}

/// What video services ask for at 720p and 30 frames a second.
pub fn push_kbps() -> u32 {
    4000
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VirtualCameraConfig {
    pub device: String,
    pub size: String,
    pub mirror: bool,
}

/// A monitor of this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DisplayConfig {
    pub monitor: String,
    pub fit: Fit,
}

impl Default for DisplayConfig {
    fn default() -> Self {
        Self { monitor: PRIMARY.into(), fit: Fit::default() }
    }
}

/// The HTTP server that the streams are controlled through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ControlConfig {
    pub http: HttpAddress,
    pub osc: OscAddress,
    pub midi: String,
    pub token: String,
    pub hosts: Vec<String>,
    pub recordings: PathBuf,
    pub sources: Vec<String>,
    pub media: Vec<PathBuf>,
    pub state: PathBuf,
    pub remember: bool,
    pub stun: String,
    pub turn: String,
}

impl Default for ControlConfig {
    fn default() -> Self {
        let (token, hosts, sources, media, state, remember) = Default::default();
        let (http, osc, midi) = (HttpAddress::Auto, OscAddress::default(), plan::MIDI_OFF.into());
        let (recordings, stun, turn) = ("recordings".into(), String::new(), String::new());
        Self { http, osc, midi, token, hosts, recordings, sources, media, state, remember, stun, turn }
    }
}

impl Default for SourceConfig {
    fn default() -> Self {
        Self {
            input: "auto".into(),
            r#loop: false,
            sound: true,
            width: 640,
            height: 360,
            fps: 30,
            format: FormatRequest::Auto,
            controls: ControlValues::new(),
        }
    }
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        let (library, models, mask_network, paintings, pipelines) = Default::default();
        let (device, precision) = Default::default();
        Self { device, precision, threads: 0, isolate: true, library, models, mask_network, paintings, pipelines }
    }
}

impl Default for PaintConfig {
    fn default() -> Self {
        Look::default().into()
    }
}

impl PaintConfig {
    /// Replaces what `patch` names.
    pub fn patch(&mut self, patch: &LookPatch) {
        let (network, size) = (std::mem::take(&mut self.network), self.size);
        *self = Self { network, size, ..self.look().patched(patch).into() };
    }
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self {
            rtsp: "127.0.0.1:8554".into(),
            rtsp_kbps: 4000,
            rtsp_user: String::new(),
            rtsp_password: String::new(),
            rtsp_certificate: PathBuf::new(),
            record: PathBuf::new(),
            crf: 20,
            webrtc: true,
            webrtc_kbps: 2500,
            webrtc_viewers: 32,
            on_demand: OnDemand::Auto,
            also: Vec::new(),
        }
    }
}

impl Default for VirtualCameraConfig {
    fn default() -> Self {
        Self { device: "auto".into(), size: "stream".into(), mirror: false }
    }
}

impl Config {
    /// Reads a config file.
    ///
    /// # Errors
    /// Names the file, the line and the nearest valid key.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::usage(format!("config {}: {error}", path.display())))?;
        Self::parse(&text).map_err(|what| Error::usage(format!("config {}: {what}", path.display())))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut config: Self = toml::from_str(text).map_err(|error| explain(&error, text))?;
        let written = text.parse().map_err(|error| explain(&error, text))?;
        stream::inherit(&mut config.stream, &written)?;
        let (state, paintings) = (&config.control.state, &mut config.runtime.paintings);
        if paintings.as_os_str().is_empty() && !state.as_os_str().is_empty() {
            *paintings = state.join(plan::PAINTINGS);
        }
        Ok(config)
    }

    /// All streams: those of `[[stream]]`, or the one that the top-level tables describe.
    pub fn streams(&self) -> Vec<StreamConfig> {
        if !self.stream.is_empty() {
            return self.stream.clone();
        }
        let Self { source, paint, output, show, sound, .. } = self.clone();
        vec![StreamConfig { name: LIVE.into(), source, paint, output, show, sound }]
    }

    /// Changes the settings of every stream, for flags.
    pub fn for_each_stream(&mut self, change: impl Fn(&mut SourceConfig, &mut PaintConfig, &mut OutputConfig)) {
        change(&mut self.source, &mut self.paint, &mut self.output);
        for StreamConfig { source, paint, output, .. } in &mut self.stream {
            change(source, paint, output);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_default_equals_the_built_in_one_and_has_every_key() {
        let shipped = include_str!("../../config/default.toml");
        assert_eq!(Config::parse(shipped).unwrap(), Config::default());
        let keys = |table: &toml::Table| {
            let mut keys: Vec<String> = Vec::new();
            for (section, values) in table {
                let values = values.as_table().expect("only sections at the top");
                keys.extend(values.keys().map(|key| format!("{section}.{key}")));
            }
            keys.sort();
            keys
        };
        let built_in = toml::Table::try_from(Config::default()).unwrap();
        assert_eq!(keys(&shipped.parse().unwrap()), keys(&built_in));
        let commented = shipped.lines().filter(|line| !line.starts_with('#') && line.contains('='));
        for line in commented {
            let above = shipped.split(line).next().unwrap().trim_end().lines().last().unwrap();
            assert!(above.starts_with('#') || above.contains('='), "`{line}` has no comment");
        }
    }

    #[test]
    fn a_look_is_written_in_the_config_as_everywhere() {
        let look = |text: &str| Config::parse(text).unwrap().paint.look();
        let expected = Look { styles: "a=0.7,b=0.3".parse().unwrap(), strength: 0.5, ..Look::default() };
        assert_eq!(look("[paint]\nstyles = { a = 0.7, b = 0.3 }\nstrength = 0.5\n"), expected);
        assert_eq!(look("[paint]\nstyle = \"a=0.7, b=0.3\"\nstrength = 0.5\n"), expected);
        let keys = toml::Table::try_from(Config::default()).unwrap()["paint"].as_table().unwrap().clone();
        let parts = toml::Table::try_from(Look::default()).unwrap();
        assert!(parts.iter().all(|(part, value)| keys.get(part) == Some(value)), "{parts:?}");
    }

    #[test]
    fn mistakes_come_with_line_and_suggestion() {
        let error = Config::parse("[source]\nwidht = 640\n").unwrap_err();
        assert!(error.contains("line 2") && error.contains("did you mean `width`?"), "{error}");
        let error = Config::parse("[source]\nwidth = \"wide\"\n").unwrap_err();
        assert!(error.contains("line 2") && error.contains("invalid type: string \"wide\""), "{error}");
        let error = Config::parse("[paint]\nsize = \"640\"\n").unwrap_err();
        assert!(error.contains("line 2") && error.contains("`640` is not a size like 640x360"), "{error}");
        let error = Config::parse("[paint]\nkeep_colors = true\n").unwrap_err();
        assert!(error.contains("line 2") && error.contains("did you mean `keep_colours`?"), "{error}");
        let error = Config::parse("[paint]\nstroke = \"big\"\n").unwrap_err();
        assert!(error.contains("line 2") && error.contains("`big` is neither a number from 0 to 1"), "{error}");
        let error = Config::parse("[runtime]\ndevice = \"gpu\"\n").unwrap_err();
        assert!(error.contains("line 2") && error.contains("`cuda`"), "{error}");
    }
}
