//! Draws painted pictures into frames of a monitor's size.

use gstreamer as gst;
use gstreamer_video as gst_video;

use crate::output::fit::{self, Fit};

/// The way from the stream's pictures to a monitor's frames; both are BGRx.
pub struct Canvas {
    from: gst_video::VideoInfo,
    to: gst_video::VideoInfo,
    converter: gst_video::VideoConverter,
}

impl Canvas {
    pub fn new(caps: &gst::Caps, width: u32, height: u32, fit: Fit) -> Result<Self, String> {
        let failed = |error: gst::glib::BoolError| format!("pictures of {caps} at {width}x{height}: {error}");
        let from = gst_video::VideoInfo::from_caps(caps).map_err(failed)?;
        let to = gst_video::VideoInfo::builder(gst_video::VideoFormat::Bgrx, width, height);
        let to = to.fps(from.fps()).build().map_err(failed)?;
        let converter = fit::converter(&from, &to, fit).map_err(failed)?;
        Ok(Self { from, to, converter })
    }

    /// The layout of the frames.
    pub fn info(&self) -> &gst_video::VideoInfo {
        &self.to
    }

    pub fn draw(&self, picture: &gst::BufferRef, frame: &mut gst::BufferRef) -> Result<(), String> {
        let misfit = |_| "a painted picture has another layout than it was announced with".to_string();
        let source = gst_video::VideoFrameRef::from_buffer_ref_readable(picture, &self.from).map_err(misfit)?;
        let mut target = gst_video::VideoFrameRef::from_buffer_ref_writable(frame, &self.to).map_err(misfit)?;
        self.converter.frame_ref(&source, &mut target);
        Ok(())
    }
}
