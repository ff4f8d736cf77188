//! A sink of GStreamer over the whole monitor: of a Wayland compositor, or of the graphics card itself.

use std::env;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::Screen;
use super::canvas::Canvas;
use super::connectors::Connector;
use crate::gst::bus;
use crate::output::Fit;

/// A pipeline that ends in that sink.
pub struct Sink {
    pipeline: gst::Pipeline,
    feed: gst_app::AppSrc,
    /// Where the sink does not scale by itself.
    canvas: Option<Canvas>,
    on: On,
}

/// What must be there for the sink to go on.
enum On {
    /// The compositor's socket, and the number of its file: one that is started again makes another.
    Compositor(PathBuf, u64),
    Connector(Connector),
}

impl Sink {
    pub fn wayland(caps: &gst::Caps) -> Result<Self, String> {
        let socket = compositor();
        let number = reach(&socket)?;
        let sink = make("waylandsink")?;
        sink.set_property("fullscreen", true);
        Self::start(&sink, caps, None, On::Compositor(socket, number))
    }

    pub fn kms(connector: &Connector, fit: Fit, caps: &gst::Caps) -> Result<Self, String> {
        let canvas = Canvas::new(caps, connector.monitor.width, connector.monitor.height, fit)?;
        let sink = make("kmssink")?;
        sink.set_property("driver-name", &connector.driver);
        sink.set_property("connector-id", connector.id);
        sink.set_property("force-modesetting", true);
        let caps = canvas.info().to_caps().map_err(|error| error.to_string())?;
        Self::start(&sink, &caps, Some(canvas), On::Connector(connector.clone()))
    }

    fn start(sink: &gst::Element, caps: &gst::Caps, canvas: Option<Canvas>, on: On) -> Result<Self, String> {
        sink.set_property("sync", false);
        sink.set_property("async", false);
        let feed = gst_app::AppSrc::builder().caps(caps).format(gst::Format::Time).is_live(true).max_buffers(1).build();
        let (pipeline, convert) = (gst::Pipeline::new(), make("videoconvert")?);
        let elements = [feed.upcast_ref(), &convert, sink];
        let linked = pipeline.add_many(elements).and_then(|()| gst::Element::link_many(elements));
        linked.map_err(|error| error.to_string())?;
        let started = Self { pipeline, feed, canvas, on };
        let refused = |_| started.trouble().unwrap_or_else(|| format!("{} does not start", sink.name()));
        started.pipeline.set_state(gst::State::Playing).map_err(refused)?;
        Ok(started)
    }

    fn trouble(&self) -> Option<String> {
        bus::wait_for_end(&self.pipeline.bus()?, gst::ClockTime::ZERO)?.err()
    }
}

impl Screen for Sink {
    fn look(&mut self) -> Result<(), String> {
        match &self.on {
            On::Compositor(socket, number) if reach(socket)? != *number => {
                Err("the compositor was started anew".into())
            }
            On::Connector(connector) if !connector.is_connected() => {
                Err(format!("{} is not connected any more", connector.monitor.name))
            }
            _ => Ok(()),
        }
    }

    fn show(&mut self, picture: &gst::Buffer) -> Result<(), String> {
        if let Some(trouble) = self.trouble() {
            return Err(trouble);
        }
        // The one before is not shown yet.
        if self.feed.current_level_buffers() > 0 {
            return Ok(());
        }
        let frame = match &self.canvas {
            None => picture.copy(),
            Some(canvas) => {
                let mut frame = gst::Buffer::with_size(canvas.info().size()).map_err(|error| error.to_string())?;
                canvas.draw(picture, frame.make_mut())?;
                frame
            }
        };
        self.feed.push_buffer(frame).map(drop).map_err(|why| why.to_string())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        crate::gst::stop(&self.pipeline);
    }
}

fn make(factory: &str) -> Result<gst::Element, String> {
    crate::gst::make(factory).map_err(|error| error.to_string())
}

fn compositor() -> PathBuf {
    let folder = env::var_os("XDG_RUNTIME_DIR").unwrap_or_default();
    Path::new(&folder).join(env::var_os("WAYLAND_DISPLAY").unwrap_or_default())
}

/// The number of the compositor's socket, behind which it listens.
fn reach(socket: &Path) -> Result<u64, String> {
    let reached = UnixStream::connect(socket).and_then(|_| socket.metadata());
    reached.map(|file| file.ino()).map_err(|error| format!("no compositor answers at {}: {error}", socket.display()))
}
