//! Paints frames into pooled GStreamer buffers: source memory -> tensor -> output memory, no copy between.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::style::painter::StageTimes;
use crate::style::tensor::{PixelOrder, Pixels, PixelsMut};
use crate::style::{Painter, Size};

/// A painter with a pool of buffers of the stream's size.
pub struct FramePainter {
    painter: Painter,
    pool: gst_video::VideoBufferPool,
    info: gst_video::VideoInfo,
}

impl FramePainter {
    /// Prepares `painter` for pictures of `caps` (BGRx) and warms it up.
    ///
    /// # Errors
    /// The network cannot take this size.
    pub fn new(mut painter: Painter, caps: &gst::Caps) -> Result<Self> {
        let unusable = |what: String| Error::input(format!("pictures of {caps}: {what}"));
        let info = gst_video::VideoInfo::from_caps(caps).map_err(|error| unusable(error.to_string()))?;
        painter.prepare(Size::new(info.width() as usize, info.height() as usize), PixelOrder::Bgrx)?;
        let pool = gst_video::VideoBufferPool::new();
        let mut config = pool.config();
        config.set_params(Some(caps), info.size() as u32, 2, 0);
        pool.set_config(config).map_err(|error| unusable(error.to_string()))?;
        pool.set_active(true).map_err(|error| unusable(error.to_string()))?;
        Ok(Self { painter, pool, info })
    }

    pub fn painter(&mut self) -> &mut Painter {
        &mut self.painter
    }

    /// As [`Painter::is_down`].
    pub fn is_down(&self) -> bool {
        self.painter.is_down()
    }

    /// The layout of the painted pictures.
    pub fn info(&self) -> &gst_video::VideoInfo {
        &self.info
    }

    /// Paints the frame's picture into a buffer of the pool, with no times set.
    ///
    /// # Errors
    /// The network fails.
    pub fn paint(&mut self, frame: &Frame) -> Result<(gst::Buffer, StageTimes)> {
        let picture = frame.picture.as_ref().ok_or_else(|| Error::input("a frame could not be mapped"))?;
        let source = pixels(picture).ok_or_else(|| Error::input("a frame is not BGRx"))?;
        self.painter.advance(frame.pts.into());
        let mut buffer = self.pool.acquire_buffer(None).map_err(Error::output)?;
        let times = {
            let no_room = || Error::output("no memory for a painted frame");
            let writable = buffer.get_mut().ok_or_else(no_room)?;
            let mut target =
                gst_video::VideoFrameRef::from_buffer_ref_writable(writable, &self.info).map_err(|_| no_room())?;
            let (width, height) = (self.info.width() as usize, self.info.height() as usize);
            let stride = target.plane_stride()[0] as usize;
            let data = target.plane_data_mut(0).map_err(|_| no_room())?;
            let mut painted = PixelsMut::new(data, width, height, stride, PixelOrder::Bgrx).ok_or_else(no_room)?;
            self.painter.paint(&source, &mut painted)?
        };
        Ok((buffer, times))
    }
}

impl Drop for FramePainter {
    fn drop(&mut self) {
        let _ = self.pool.set_active(false);
    }
}

fn pixels(picture: &gst_video::VideoFrame<gst_video::video_frame::Readable>) -> Option<Pixels<'_>> {
    if picture.format() != gst_video::VideoFormat::Bgrx {
        return None;
    }
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let stride = picture.plane_stride()[0] as usize;
    Pixels::new(picture.plane_data(0).ok()?, width, height, stride, PixelOrder::Bgrx)
}
