//! Cameras through nokhwa: its thread pushes the camera's own frames into `camera.launch`, which decodes them.

mod controls;
mod find;
mod frames;
mod modes;

pub use crate::v4l2::fingerprint;
pub use controls::{ControlDescription, ControlValues};
use find::find;
pub use find::{Identity, Which, cameras, is_any_there, path_of, unreadable};
pub use modes::{FormatDescription, FormatRequest, SizeDescription};

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use nokhwa::utils::{CameraFormat, CameraIndex, RequestedFormat, RequestedFormatType, Resolution};
use serde::Serialize;
use v4l::v4l_sys;
use v4l::video::Capture as _;

use crate::error::{Error, Result};
use crate::style::Size;
use crate::v4l2::holders::holders;
use crate::v4l2::{self, Node};
use frames::Frames;
use modes::{Mode, READABLE};

/// How long a camera may take to stop. A hung driver is left behind rather than waited for.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// Which camera to take, and how to set it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraRequest {
    pub which: Which,
    pub format: FormatRequest,
    pub controls: ControlValues,
}

impl CameraRequest {
    pub fn new(which: Which) -> Self {
        Self { which, format: FormatRequest::Auto, controls: ControlValues::new() }
    }
}

/// A camera as `impasto devices` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CameraDescription {
    pub index: u32,
    pub name: String,
    pub path: String,
    /// Its name under `/dev/v4l/by-id`, which stays the same when the index changes.
    pub id: Option<String>,
    pub bus: String,
    /// It shows what another program writes to it; never chosen unasked.
    pub loopback: bool,
    pub formats: Vec<FormatDescription>,
    pub controls: Vec<ControlDescription>,
}

/// All cameras with what they can do, by index.
pub fn describe_all() -> Vec<CameraDescription> {
    let describe = |node: Node| {
        let device = v4l2::open(&node.path).ok()?;
        Some(CameraDescription {
            index: node.index,
            loopback: node.is_loopback(),
            path: node.path.display().to_string(),
            name: node.card,
            id: node.id,
            bus: node.bus,
            formats: modes::formats(&device),
            controls: controls::list(&device),
        })
    };
    cameras().into_iter().filter_map(describe).collect()
}

/// The thread that reads a camera until it is dropped.
pub struct CameraThread {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Closed when the thread is done.
    ended: Receiver<()>,
    identity: Identity,
}

impl CameraThread {
    /// Opens the camera at the size and rate nearest to `wanted` and feeds the appsrc `camera` of `head`.
    ///
    /// # Errors
    /// There is no such camera, it is busy, closed to us, or has no format we read; each with what to do.
    pub fn start(requested: &CameraRequest, wanted: (Size, u32), head: &gst::Bin) -> Result<Self> {
        let node = find(&requested.which)?;
        let identity = Identity::from(&node);
        let feed = head
            .by_name("camera")
            .and_then(|element| element.downcast::<gst_app::AppSrc>().ok())
            .unwrap_or_else(|| unreachable!("checked by build"));
        let stop = Arc::new(AtomicBool::new(false));
        let (opened, wait_opened) = sync_channel(1);
        let (running, ended) = sync_channel(0);
        let thread = {
            let (stop, requested) = (Arc::clone(&stop), requested.clone());
            // nokhwa's camera must stay on the thread that opened it.
            let body = move || {
                let _running = running;
                match open(&node, &requested, wanted) {
                    Err(error) => drop(opened.send(Err(error))),
                    Ok((camera, frames)) => {
                        drop(opened.send(Ok(())));
                        read(camera, frames, &feed, &stop);
                    }
                }
            };
            std::thread::Builder::new().name("camera".into()).spawn(body)
        };
        let thread = thread.map_err(|error| Error::input(format!("camera thread: {error}")))?;
        let this = Self { stop, thread: Some(thread), ended, identity };
        wait_opened.recv().unwrap_or_else(|_| Err(Error::input("the camera thread ended")))?;
        Ok(this)
    }

    /// A request for this very camera, wherever it will be plugged in.
    pub fn this_again(&self) -> Which {
        Which::Known(self.identity.clone())
    }
}

impl Drop for CameraThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let hangs = self.ended.recv_timeout(STOP_PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout);
        if hangs {
            tracing::warn!("camera {} does not stop; it is left behind", self.identity);
        } else if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Sets the camera up and starts it.
fn open(node: &Node, requested: &CameraRequest, (size, fps): (Size, u32)) -> Result<(nokhwa::Camera, Frames)> {
    let name = format!("camera:{} ({})", node.index, node.card);
    let failed =
        |what: &str, error: io::Error| Error::input(format!("{name}: {what}: {}", explain(&error, &node.path)));
    let device = v4l2::open(&node.path).map_err(|error| failed("cannot be opened", error))?;
    let formats = modes::formats(&device);
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
    Ok((camera, Frames::new(&mode, &set)?))
}

fn start(index: u32, mode: &Mode) -> Result<nokhwa::Camera, nokhwa::NokhwaError> {
    let resolution = Resolution::new(mode.size.width as u32, mode.size.height as u32);
    let format = mode.readable().nokhwa;
    let exact = RequestedFormatType::Exact(CameraFormat::new(resolution, format, mode.fps));
    let mut camera = nokhwa::Camera::new(CameraIndex::Index(index), RequestedFormat::with_formats(exact, &[format]))?;
    camera.open_stream()?;
    Ok(camera)
}

/// Pushes frames until told to stop; a failure ends the pipeline with an error message.
fn read(mut camera: nokhwa::Camera, mut frames: Frames, feed: &gst_app::AppSrc, stop: &AtomicBool) {
    feed.set_caps(Some(frames.caps()));
    while !stop.load(Ordering::Acquire) {
        match camera.frame_raw() {
            Ok(bytes) => {
                if let Some(buffer) = frames.buffer(&bytes)
                    && feed.push_buffer(buffer).is_err()
                {
                    break;
                }
            }
            Err(error) => {
                gst::element_error!(feed, gst::ResourceError::Read, ("the camera was lost: {error}"));
                break;
            }
        }
    }
    let _ = camera.stop_stream();
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
