//! Cameras through nokhwa: its thread pushes the camera's own frames into `camera.launch`, which decodes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use nokhwa::utils::{
    ApiBackend, CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType, Resolution,
};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::style::Size;

/// Which camera to take; `None` is the first that works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraWish {
    pub index: Option<u32>,
}

/// A camera as `impasto devices` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CameraDescription {
    pub index: u32,
    pub name: String,
    pub path: String,
}

/// The formats that `camera.launch` decodes.
const FORMATS: &[FrameFormat] = &[FrameFormat::MJPEG, FrameFormat::YUYV, FrameFormat::NV12];

/// All cameras, by index.
pub fn list() -> Vec<CameraDescription> {
    let mut cameras: Vec<_> = nokhwa::query(ApiBackend::Auto)
        .unwrap_or_default()
        .iter()
        .filter_map(|camera| {
            let index = camera.index().as_index().ok()?;
            Some(CameraDescription { index, name: camera.human_name(), path: format!("/dev/video{index}") })
        })
        .collect();
    cameras.sort_by_key(|camera| camera.index);
    cameras
}

/// The thread that reads a camera until it is dropped.
pub struct CameraThread {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl CameraThread {
    /// Opens the camera at the size and rate nearest to `wanted` and feeds the appsrc `camera` of `head`.
    ///
    /// # Errors
    /// There is no camera, or it cannot be opened; says which ones there are.
    pub fn start(wish: &CameraWish, wanted: (Size, u32), head: &gst::Bin) -> Result<Self> {
        let index = match wish.index {
            Some(index) => index,
            None => list()
                .first()
                .map(|camera| camera.index)
                .ok_or_else(|| Error::input("no camera found; plug one in, or choose another source with --source"))?,
        };
        let feed = head
            .by_name("camera")
            .and_then(|element| element.downcast::<gst_app::AppSrc>().ok())
            .unwrap_or_else(|| unreachable!("checked by build"));
        let stop = Arc::new(AtomicBool::new(false));
        let (opened, wait_opened) = std::sync::mpsc::sync_channel(1);
        let thread = {
            let stop = Arc::clone(&stop);
            // nokhwa's camera must stay on the thread that opened it.
            let body = move || match open(index, wanted) {
                Err(error) => drop(opened.send(Err(error))),
                Ok(camera) => {
                    drop(opened.send(Ok(())));
                    read(camera, &feed, &stop);
                }
            };
            std::thread::Builder::new().name("camera".into()).spawn(body)
        };
        let thread = thread.map_err(|error| Error::input(format!("camera thread: {error}")))?;
        let this = Self { stop, thread: Some(thread) };
        wait_opened.recv().unwrap_or_else(|_| Err(Error::input("the camera thread ended")))?;
        Ok(this)
    }
}

impl Drop for CameraThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn open(index: u32, (size, fps): (Size, u32)) -> Result<nokhwa::Camera> {
    let failed = |error: nokhwa::NokhwaError| {
        let known: Vec<_> = list().iter().map(|camera| format!("camera:{} {}", camera.index, camera.name)).collect();
        let known = if known.is_empty() { "none".into() } else { known.join(", ") };
        Error::input(format!("camera:{index} cannot be opened: {error}; cameras found: {known}"))
    };
    let resolution = Resolution::new(size.width as u32, size.height as u32);
    let mut last = None;
    for &format in FORMATS {
        let closest = RequestedFormatType::Closest(CameraFormat::new(resolution, format, fps));
        let request = RequestedFormat::with_formats(closest, FORMATS);
        let opened = nokhwa::Camera::new(CameraIndex::Index(index), request).and_then(|mut camera| {
            camera.open_stream()?;
            Ok(camera)
        });
        match opened {
            Ok(camera) => {
                let format = camera.camera_format();
                tracing::info!("camera:{index} delivers {format}");
                return Ok(camera);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(failed(last.unwrap_or(nokhwa::NokhwaError::UnitializedError)))
}

/// Pushes frames until told to stop; a failure ends the pipeline with an error message.
fn read(mut camera: nokhwa::Camera, feed: &gst_app::AppSrc, stop: &AtomicBool) {
    feed.set_caps(Some(&caps_of(&camera.camera_format())));
    while !stop.load(Ordering::Acquire) {
        match camera.frame_raw() {
            // The one copy of this path: the driver wants its buffer back at once.
            Ok(bytes) => {
                if feed.push_buffer(gst::Buffer::from_slice(bytes.into_owned())).is_err() {
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

fn caps_of(format: &CameraFormat) -> gst::Caps {
    let (width, height) = (format.width() as i32, format.height() as i32);
    let raw = |name: &str| gst::Caps::builder("video/x-raw").field("format", name);
    let builder = match format.format() {
        FrameFormat::YUYV => raw("YUY2"),
        FrameFormat::NV12 => raw("NV12"),
        _ => gst::Caps::builder("image/jpeg"),
    };
    builder
        .field("width", width)
        .field("height", height)
        .field("framerate", gst::Fraction::new(format.frame_rate() as i32, 1))
        .build()
}
