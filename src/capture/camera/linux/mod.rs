//! Linux: cameras by V4L2, which knows more of them than nokhwa does.

mod controls;
mod formats;
mod layout;

pub use crate::v4l2::{Node, fingerprint, is_denied, nodes, paths, permission_advice};

use std::io;
use std::path::Path;

use nokhwa::utils::{CameraFormat, CameraIndex, RequestedFormat, RequestedFormatType, Resolution};
use v4l::v4l_sys;
use v4l::video::Capture as _;

use super::frames::Frames;
use super::modes::{self, FormatDescription, FormatRequest, Mode, READABLE};
use super::{CameraRequest, ControlDescription};
use crate::error::{Error, Result};
use crate::style::Size;
use crate::v4l2;
use crate::v4l2::holders::holders;

/// Where the camera of this number is.
pub fn place(index: u32) -> String {
    format!("/dev/video{index}")
}

/// What it offers; `None` if it cannot be opened.
pub fn describe(node: &Node) -> Option<(Vec<FormatDescription>, Vec<ControlDescription>)> {
    let device = v4l2::open(&node.path).ok()?;
    Some((formats::formats(&device), controls::list(&device)))
}

/// Sets the camera up and starts it.
///
/// # Errors
/// As [`super::CameraThread::start`].
pub fn open(node: &Node, requested: &CameraRequest, (size, fps): (Size, u32)) -> Result<(nokhwa::Camera, Frames)> {
    let name = format!("camera:{} ({})", node.index, node.card);
    let failed =
        |what: &str, error: io::Error| Error::input(format!("{name}: {what}: {}", explain(&error, &node.path)));
    let device = v4l2::open(&node.path).map_err(|error| failed("cannot be opened", error))?;
    let formats = formats::formats(&device);
    let modes = modes::modes(&formats);
    let mode = modes::nearest(&modes, requested.format, size, fps)
        .ok_or_else(|| no_format(&name, requested.format, &formats))?;
    controls::apply(&device, &requested.controls)?;

    // nokhwa refuses a camera that another program left at a broken rate, and does not say how lines are padded.
    let pixels = v4l2::format_of(mode.size.width as u32, mode.size.height as u32, mode.readable().fourcc);
    let set = v4l2::set_format(&device, v4l_sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE, pixels)
        .and_then(|set| device.set_params(&v4l::video::capture::Parameters::with_fps(mode.fps)).map(|_| set))
        .map_err(|error| failed("cannot be set up", error))?;
    drop(device);

    let camera = start(node.index, &mode).map_err(|error| {
        let busy = error.to_string().contains("busy");
        let why = if busy { busy_text(&node.path) } else { error.to_string() };
        Error::input(format!("{name}: cannot be started: {why}"))
    })?;
    let as_requested = mode.size == size && mode.fps == fps;
    let nearest =
        if as_requested { String::new() } else { format!(", the nearest it has to {size} at {fps} frames/s") };
    tracing::info!("{name} delivers {mode}{nearest}");
    Ok((camera, Frames::new(&mode, &layout::layout(&mode, &set))?))
}

fn start(index: u32, mode: &Mode) -> Result<nokhwa::Camera, nokhwa::NokhwaError> {
    let resolution = Resolution::new(mode.size.width as u32, mode.size.height as u32);
    let format = mode.readable().nokhwa;
    let exact = RequestedFormatType::Exact(CameraFormat::new(resolution, format, mode.fps));
    let mut camera = nokhwa::Camera::new(CameraIndex::Index(index), RequestedFormat::with_formats(exact, &[format]))?;
    camera.open_stream()?;
    Ok(camera)
}

/// An error of the driver in plain words, with what to do.
fn explain(error: &io::Error, path: &Path) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => v4l2::permission_advice(path),
        io::ErrorKind::ResourceBusy => busy_text(path),
        _ => error.to_string(),
    }
}

fn busy_text(path: &Path) -> String {
    let users: Vec<_> = holders(path).iter().map(ToString::to_string).collect();
    match users.as_slice() {
        [] => "another program uses it; close that one, or choose another camera".into(),
        users => format!("it is used by {}; close that, or choose another camera", users.join(", ")),
    }
}

fn no_format(name: &str, requested: FormatRequest, formats: &[FormatDescription]) -> Error {
    let letters = |bytes: &[u8; 4]| String::from_utf8_lossy(bytes).into_owned();
    let fits = |wanted: FormatRequest| requested == FormatRequest::Auto || requested == wanted;
    let wanted: Vec<_> =
        READABLE.iter().filter(|readable| fits(readable.requested)).map(|readable| letters(readable.fourcc)).collect();
    let offered: Vec<_> = formats.iter().map(|format| format.format.as_str()).collect();
    Error::input(format!(
        "{name}: has no format that was asked for ({}); it offers {}; set another [source] format or choose another \
         camera",
        wanted.join(", "),
        if offered.is_empty() { "none".into() } else { offered.join(", ") }
    ))
}
