//! `impasto devices`: cameras, and the devices that networks can run on.

use clap::Args;
use serde::Serialize;

use super::{PaintArgs, print_json};
use crate::capture::{CameraDescription, list_cameras};
use crate::config::{Config, plan::PaintPlan};
use crate::error::Result;
use crate::style::onnx::{Device, Session, SessionOptions};

const AFTER_HELP: &str = "\
Examples:
  impasto devices
  impasto devices --json
  impasto devices --library libonnxruntime.so     with another ONNX Runtime library";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct DevicesArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    paint: PaintArgs,
}

#[derive(Serialize)]
struct Devices {
    cameras: Vec<CameraDescription>,
    inference: Vec<InferenceDevice>,
}

/// A device and whether the default network really runs on it.
#[derive(Serialize)]
struct InferenceDevice {
    name: &'static str,
    usable: bool,
    reason: Option<String>,
}

impl DevicesArgs {
    pub fn run(self) -> Result<()> {
        let mut config = Config::default();
        self.paint.apply(&mut config);
        let plan = PaintPlan::new(&config.paint, &config.runtime)?;
        let try_device = |device: Device| {
            let options = SessionOptions { device, ..plan.session.clone() };
            let error = Session::open(&plan.choice.network, &options).err();
            let reason = error.map(|error| error.to_string());
            InferenceDevice { name: device.name(), usable: reason.is_none(), reason }
        };
        let devices = Devices { cameras: list_cameras(), inference: Device::ALL.map(try_device).into() };
        if self.json {
            return print_json(&devices);
        }
        println!("Cameras");
        for camera in &devices.cameras {
            println!("  camera:{:<3} {:<14} {}", camera.index, camera.path, camera.name);
        }
        if devices.cameras.is_empty() {
            println!("  none found");
        }
        println!("Inference");
        for device in &devices.inference {
            let state = device.reason.as_deref().unwrap_or("usable");
            println!("  {:<10} {state}", device.name);
        }
        Ok(())
    }
}
