//! `impasto devices`: cameras, and the devices that networks can run on.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use tracing::subscriber::NoSubscriber;

use super::{PaintArgs, print_json, say};
use crate::capture::camera::{CameraDescription, ControlDescription, FormatDescription, SizeDescription, describe_all};
use crate::config::{Config, plan};
use crate::error::Result;
use crate::output::display::{Monitor, monitors};
use crate::output::virtual_camera::loopbacks;
use crate::style::Size;
use crate::style::geometry::Geometry;
use crate::style::manifest::Manifest;
use crate::style::onnx::{Device, Session, SessionOptions};

/// The size at which devices are tried.
const TRIED_AT: Size = Size::new(320, 180);

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
    /// Loopback devices that --camera-out can write to.
    virtual_cameras: Vec<VirtualCamera>,
    /// That --display can show on.
    monitors: Vec<Monitor>,
    inference: Vec<InferenceDevice>,
}

#[derive(Serialize)]
struct VirtualCamera {
    path: PathBuf,
    label: String,
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
        let plan = plan::paint_plan(&config.paint, &config.runtime)?;
        let try_device = |device: Device| {
            let options = SessionOptions { device, ..plan.session.clone() };
            let error = try_network(&plan.choice.network, &options).err();
            let reason = error.map(|error| error.to_string());
            InferenceDevice { name: device.name(), usable: reason.is_none(), reason }
        };
        let virtual_cameras =
            loopbacks().into_iter().map(|found| VirtualCamera { path: found.path, label: found.label }).collect();
        let inference = Device::ALL.map(try_device).into();
        let (monitors, no_monitors) = match monitors() {
            Ok(found) => (found, "none".to_string()),
            Err(error) => (Vec::new(), format!("none: {error}")),
        };
        let devices = Devices { cameras: describe_all(), virtual_cameras, monitors, inference };
        if self.json {
            return print_json(&devices);
        }
        say!("Cameras")?;
        for camera in &devices.cameras {
            print_camera(camera)?;
        }
        if devices.cameras.is_empty() {
            say!("  none found")?;
        }
        say!("Virtual cameras to write to")?;
        for camera in &devices.virtual_cameras {
            say!("  {:<25} {}", camera.path.display(), camera.label)?;
        }
        if devices.virtual_cameras.is_empty() {
            say!("  none; `impasto run --camera-out` says how to get one")?;
        }
        say!("Monitors")?;
        for monitor in &devices.monitors {
            say!("  {monitor}{}", if monitor.primary { ", the primary one" } else { "" })?;
        }
        if devices.monitors.is_empty() {
            say!("  {no_monitors}")?;
        }
        say!("Inference")?;
        for device in &devices.inference {
            let state = device.reason.as_deref().unwrap_or("usable");
            say!("  {:<13} {state}", device.name)?;
        }
        Ok(())
    }
}

/// Paints one small picture.
fn try_network(network: &Manifest, options: &SessionOptions) -> Result<()> {
    let geometry = Geometry::new(TRIED_AT, None, &network.input.size)?;
    // A device that is not there is an answer here, and no reason for the library to complain in the log.
    tracing::subscriber::with_default(NoSubscriber::default(), || {
        Session::open(network, options)?.prepare(geometry.tensor, geometry.border)
    })
}

fn print_camera(camera: &CameraDescription) -> Result<()> {
    let CameraDescription { index, name, path, id, loopback, formats, controls, .. } = camera;
    say!("  camera:{index:<3} {path:<14} {name}{}", if *loopback { " (loopback)" } else { "" })?;
    if let Some(id) = id {
        say!("    id {id}")?;
    }
    for format in formats.iter().filter(|format| format.readable) {
        for line in size_lines(format) {
            say!("    {line}")?;
        }
    }
    let others: Vec<_> = formats.iter().filter(|format| !format.readable).map(|other| other.format.as_str()).collect();
    if !others.is_empty() {
        say!("    not read by Impasto: {}", others.join(" "))?;
    }
    for control in controls {
        say!("    {}", control_line(control))?;
    }
    Ok(())
}

fn size_lines(format: &FormatDescription) -> Vec<String> {
    let line = |size: &SizeDescription| {
        let rates: Vec<_> = size.rates.iter().map(ToString::to_string).collect();
        format!("{:<5} {:<10} {} frames/s", format.format, format!("{}x{}", size.width, size.height), rates.join(", "))
    };
    format.sizes.iter().map(line).collect()
}

fn control_line(control: &ControlDescription) -> String {
    let ControlDescription { name, minimum, maximum, default, value, choices, active, .. } = control;
    let range = match choices.as_slice() {
        [] => format!("{minimum} to {maximum}"),
        choices => choices.iter().map(|(number, words)| format!("{number} {words}")).collect::<Vec<_>>().join(", "),
    };
    let governed = if *active { "" } else { ", governed by another control" };
    format!("{name} = {value} ({range}; default {default}{governed})")
}
