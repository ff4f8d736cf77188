//! `impasto version`: what this binary is made of and what it found.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{print_json, say};
use crate::error::Result;
use crate::style::onnx::{Device, library};

#[derive(Debug, Args)]
pub struct VersionArgs {
    /// ONNX Runtime library to load
    #[arg(long, env = "ORT_DYLIB_PATH", value_name = "FILE")]
    library: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Versions {
    impasto: &'static str,
    /// Version of the ONNX Runtime library, or why there is none.
    onnx_runtime: String,
    library: Option<PathBuf>,
    gstreamer: String,
    /// Providers beside the CPU that this build can use if the library has them.
    features: Vec<&'static str>,
}

impl VersionArgs {
    pub fn run(self) -> Result<()> {
        crate::gst::init()?;
        let (onnx_runtime, library) = match library::load(self.library.as_deref()) {
            Ok((_, path)) => (library::version(path)?, Some(path.clone())),
            Err(error) => (error.to_string(), None),
        };
        let built_in = Device::ALL.into_iter().filter(|device| *device != Device::Cpu && device.is_built_in());
        let versions = Versions {
            impasto: env!("CARGO_PKG_VERSION"),
            onnx_runtime,
            library,
            gstreamer: gstreamer::version_string().trim_start_matches("GStreamer ").to_string(),
            features: built_in.map(Device::name).collect(),
        };
        if self.json {
            return print_json(&versions);
        }
        say!("impasto {}", versions.impasto)?;
        match &versions.library {
            Some(path) => say!("ONNX Runtime {} ({})", versions.onnx_runtime, path.display())?,
            None => say!("ONNX Runtime: {}", versions.onnx_runtime)?,
        }
        say!("GStreamer {}", versions.gstreamer)?;
        say!("features {}", if versions.features.is_empty() { "none".into() } else { versions.features.join(", ") })
    }
}
