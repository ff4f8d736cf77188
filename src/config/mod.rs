//! The config file as written: strict TOML, every key with a default.

pub mod plan;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::capture::camera::{ControlValues, FormatWish};
use crate::error::{Error, Result};
use crate::style::catalog::did_you_mean;
use crate::style::onnx::Device;

/// All settings; `config/default.toml` documents each key.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub source: SourceConfig,
    pub paint: PaintConfig,
    pub runtime: RuntimeConfig,
    pub output: OutputConfig,
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
    pub format: FormatWish,
    pub controls: ControlValues,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PaintConfig {
    pub style: String,
    pub network: String,
    pub size: String,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuntimeConfig {
    pub device: Device,
    pub threads: usize,
    pub library: PathBuf,
    pub models: PathBuf,
    pub pipelines: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutputConfig {
    pub rtsp: String,
    pub rtsp_kbps: u32,
    pub record: PathBuf,
    pub crf: u8,
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
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VirtualCameraConfig {
    pub device: String,
    pub size: String,
    pub mirror: bool,
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
            format: FormatWish::Auto,
            controls: ControlValues::new(),
        }
    }
}

impl Default for PaintConfig {
    fn default() -> Self {
        Self { style: String::new(), network: String::new(), size: "native".into() }
    }
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self {
            rtsp: "127.0.0.1:8554/live".into(),
            rtsp_kbps: 4000,
            record: PathBuf::new(),
            crf: 20,
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
        toml::from_str(text).map_err(|error| {
            let message = error.to_string();
            let hint = suggestion(error.message());
            format!("{}{hint}", message.trim_end())
        })
    }
}

/// For "unknown field `widht`, expected one of `width`, `height`": the nearest of the expected names.
fn suggestion(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    match names.next() {
        Some(unknown) if message.starts_with("unknown") => did_you_mean(unknown, names),
        _ => String::new(),
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
    fn mistakes_come_with_line_and_suggestion() {
        let error = Config::parse("[source]\nwidht = 640\n").unwrap_err();
        assert!(error.contains("line 2") && error.contains("did you mean `width`?"), "{error}");
        let error = Config::parse("[source]\nwidth = \"wide\"\n").unwrap_err();
        assert!(error.contains("line 2") && error.contains("invalid type: string \"wide\""), "{error}");
        let error = Config::parse("[runtime]\ndevice = \"gpu\"\n").unwrap_err();
        assert!(error.contains("line 2") && error.contains("`cuda`"), "{error}");
    }
}
