//! Cameras through nokhwa: its thread pushes the camera's own frames into `camera.launch`, which decodes them.

mod controls;
mod find;
mod frames;
mod modes;
#[cfg_attr(linux, path = "linux/mod.rs")]
#[cfg_attr(not(linux), path = "elsewhere.rs")]
mod system;

pub use controls::{ControlDescription, ControlValues};
use find::find;
pub use find::{Identity, Which, cameras, is_any_there, path_of, unreadable};
pub use modes::{FormatDescription, FormatRequest, SizeDescription};
pub use system::{fingerprint, permission_advice};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::style::Size;
use frames::Frames;
use system::Node;

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
        let (formats, controls) = system::describe(&node)?;
        Some(CameraDescription {
            index: node.index,
            loopback: node.is_loopback(),
            path: node.path.display().to_string(),
            name: node.card,
            id: node.id,
            bus: node.bus,
            formats,
            controls,
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
                match system::open(&node, &requested, wanted) {
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
