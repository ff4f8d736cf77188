//! Flags that several subcommands share: how to paint.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::config::Config;
use crate::error::Result;
use crate::style::onnx::{Device, Precision};
use crate::style::{LookPatch, PaintSize};

/// How to paint. A flag beats its environment variable, which beats the config file.
#[derive(Debug, Clone, Default, Args)]
pub struct PaintArgs {
    #[command(flatten)]
    pub look: LookPatch,
    /// Network: a name of `impasto styles`, or an .onnx file with a manifest beside it
    #[arg(long, env = "IMPASTO_NETWORK", value_name = "FILE_OR_NAME")]
    pub network: Option<String>,
    /// Size to paint at: native, a box such as 640x360, or auto (live: as large as the frame rate allows); the output
    /// keeps its size
    #[arg(long, env = "IMPASTO_SIZE", value_name = "SIZE")]
    pub size: Option<PaintSize>,
    /// Device to run the network on
    #[arg(long, env = "IMPASTO_DEVICE", value_enum)]
    pub device: Option<Device>,
    /// Numbers to compute in: auto takes bf16 where processor and device have it and nobody can see the difference
    #[arg(long, env = "IMPASTO_PRECISION", value_enum)]
    pub precision: Option<Precision>,
    /// Threads that inference takes, over all streams; 0 takes all cores
    #[arg(long, env = "IMPASTO_THREADS", value_name = "N")]
    pub threads: Option<usize>,
    /// ONNX Runtime library to load
    #[arg(long, env = "ORT_DYLIB_PATH", value_name = "FILE")]
    pub library: Option<PathBuf>,
    /// Folder of networks
    #[arg(long, env = "IMPASTO_MODELS", value_name = "FOLDER")]
    pub models: Option<PathBuf>,
    /// Folder of paintings that are styles, for networks that paint like any
    #[arg(long, env = "IMPASTO_PAINTINGS", value_name = "FOLDER")]
    pub paintings: Option<PathBuf>,
    /// Folder of GStreamer launch templates
    #[arg(long, env = "IMPASTO_PIPELINES", value_name = "FOLDER")]
    pub pipelines: Option<PathBuf>,
}

impl PaintArgs {
    /// The config file, or the defaults where none is named, with the flags laid over it.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn config(&self, file: Option<&Path>) -> Result<Config> {
        let mut config = file.map_or_else(|| Ok(Config::default()), Config::read)?;
        self.apply(&mut config);
        Ok(config)
    }

    /// Lays the flags over a config.
    pub fn apply(&self, config: &mut Config) {
        config.for_each_stream(|_, paint, _| {
            paint.patch(&self.look);
            overlay(&mut paint.network, &self.network);
            overlay(&mut paint.size, &self.size);
        });
        let runtime = &mut config.runtime;
        overlay(&mut runtime.device, &self.device);
        overlay(&mut runtime.precision, &self.precision);
        overlay(&mut runtime.threads, &self.threads);
        overlay(&mut runtime.library, &self.library);
        overlay(&mut runtime.models, &self.models);
        overlay(&mut runtime.paintings, &self.paintings);
        overlay(&mut runtime.pipelines, &self.pipelines);
    }
}

/// Reads a time of a video: seconds, MM:SS or HH:MM:SS, each with a fraction.
///
/// # Errors
/// The text is no such time.
pub fn time(text: &str) -> Result<Duration, String> {
    let parts: Option<Vec<f64>> = text.split(':').map(|part| part.parse().ok()).collect();
    let is_time = |parts: &Vec<f64>| {
        let begins_well = parts.iter().all(|part| part.is_finite() && *part >= 0.0);
        begins_well && parts.len() <= 3 && parts[1..].iter().all(|part| *part < 60.0)
    };
    let parts = parts.filter(is_time).ok_or_else(|| format!("`{text}` is no time like 90.5, 1:30 or 1:02:30"))?;
    let seconds = parts.iter().fold(0.0, |seconds, part| seconds * 60.0 + part);
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("`{text}` is too long a time"))
}

/// A flag that was given replaces the setting.
pub fn overlay<T: Clone>(setting: &mut T, flag: &Option<T>) {
    if let Some(value) = flag {
        *setting = value.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let ms = |text| time(text).map(|time| time.as_millis());
        assert_eq!((ms("90.5"), ms("1:30"), ms("1:02:30.25")), (Ok(90_500), Ok(90_000), Ok(3_750_250)));
        for wrong in ["", "x", "-1", "1:60", "1:2:3:4", "inf", "NaN", "1e300", "1::2"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
