//! Other systems than Linux: cameras as nokhwa finds and opens them, on macOS by AVFoundation.

use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use gstreamer_video as gst_video;
use nokhwa::utils::{
    CameraFormat, CameraIndex, CameraInfo, FrameFormat, RequestedFormat, RequestedFormatType, Resolution,
};

use super::frames::{Frames, Layout};
use super::modes::{FormatDescription, FormatRequest, Mode, READABLE};
use super::{CameraRequest, ControlDescription};
use crate::error::{Error, Result};
use crate::style::Size;

/// A camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub index: u32,
    /// It has none.
    pub path: PathBuf,
    pub card: String,
    /// Where it is plugged in is not known.
    pub bus: String,
    /// What the system knows it by.
    pub id: Option<String>,
    pub captures: bool,
}

impl Node {
    pub fn is_loopback(&self) -> bool {
        false
    }
}

/// All cameras; none where nokhwa knows no way to them.
pub fn nodes() -> Vec<Node> {
    let found = nokhwa::native_api_backend().and_then(|system| nokhwa::query(system).ok());
    let node = |camera: CameraInfo| {
        Some(Node {
            index: camera.index().as_index().ok()?,
            path: PathBuf::new(),
            card: camera.human_name(),
            bus: String::new(),
            id: Some(camera.misc()).filter(|id| !id.is_empty()),
            captures: true,
        })
    };
    found.unwrap_or_default().into_iter().filter_map(node).collect()
}

/// Cameras are no files.
pub fn paths() -> Vec<(u32, PathBuf)> {
    Vec::new()
}

/// Whether a camera may be used is asked when it is opened.
pub fn is_denied(_path: &Path) -> bool {
    false
}

/// What to do when a camera may not be used.
pub fn permission_advice(_path: &Path) -> String {
    "no permission; allow it in the settings of the system (macOS: Privacy & Security, Camera)".into()
}

/// Cameras that come and go are not noticed.
pub fn fingerprint() -> Vec<u32> {
    Vec::new()
}

/// Where the camera of this number is.
pub fn place(index: u32) -> String {
    format!("number {index}")
}

/// What it offers is not told.
pub fn describe(_node: &Node) -> Option<(Vec<FormatDescription>, Vec<ControlDescription>)> {
    Some((Vec::new(), Vec::new()))
}

/// Starts the camera at the wanted size; where it has none of that, at its largest.
///
/// # Errors
/// It may not be used, cannot be started, or has no format we read.
pub fn open(node: &Node, requested: &CameraRequest, (size, fps): (Size, u32)) -> Result<(nokhwa::Camera, Frames)> {
    let name = format!("camera:{} ({})", node.index, node.card);
    let failed = |why: String| Error::input(format!("{name}: {why}"));
    if !requested.controls.is_empty() {
        return Err(Error::usage("[source] controls: the controls of cameras cannot be set on this system"));
    }
    if !is_allowed() {
        return Err(failed(permission_advice(&node.path)));
    }
    let fits = |format: FormatRequest| [FormatRequest::Auto, format].contains(&requested.format);
    let formats = READABLE.iter().filter(|readable| fits(readable.requested)).map(|readable| readable.nokhwa);
    let formats: Vec<FrameFormat> = formats.collect();
    let resolution = Resolution::new(size.width as u32, size.height as u32);
    let start = |request| {
        let request = RequestedFormat::with_formats(request, &formats);
        nokhwa::Camera::new(CameraIndex::Index(node.index), request)
    };
    let closest = |format: &FrameFormat| RequestedFormatType::Closest(CameraFormat::new(resolution, *format, fps));
    let nearest = formats.iter().find_map(|format| start(closest(format)).ok());
    let opened = nearest.map_or_else(|| start(RequestedFormatType::AbsoluteHighestResolution), Ok);
    let mut camera = opened.map_err(|error| failed(format!("cannot be started: {error}")))?;
    camera.open_stream().map_err(|error| failed(format!("cannot be started: {error}")))?;
    let set = camera.camera_format();
    let readable = READABLE.iter().find(|readable| readable.nokhwa == set.format());
    let readable = readable.ok_or_else(|| failed(format!("delivers {}, which is not read", set.format())))?;
    let size = Size::new(set.width() as usize, set.height() as usize);
    let mode = Mode { format: readable.requested, size, fps: set.frame_rate() };
    tracing::info!("{name} delivers {mode}");
    Ok((camera, Frames::new(&mode, &layout(&mode)?)?))
}

/// Asks whoever sits at the machine, unless the answer is known.
fn is_allowed() -> bool {
    let (tell, told) = sync_channel(1);
    nokhwa::nokhwa_initialize(move |allowed| {
        let _ = tell.try_send(allowed);
    });
    told.recv().unwrap_or(false)
}

/// Without gaps, and in the colours that are usual for the size.
fn layout(mode: &Mode) -> Result<Layout> {
    let (width, height) = (mode.size.width as u32, mode.size.height as u32);
    let bytes = match mode.readable().raw {
        // More than any JPEG of the size takes.
        None => mode.size.width * mode.size.height * 3,
        Some(name) => {
            let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::from_string(name), width, height);
            info.build().map_err(|error| Error::input(format!("{mode}: {error}")))?.size()
        }
    };
    Ok(Layout { width, height, bytes: bytes as u32, bytes_per_line: 0, colours: None })
}
