//! Between the layout of a stream's pixels and the painter: RGB pixels are painted where they lie, YUV is converted and back.

use gstreamer as gst;
use gstreamer::glib;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use gstreamer_video::video_frame::Writable;
use gstreamer_video::{VideoFormat, VideoFrame, VideoFrameRef};
use impasto::error::{Error, Result};
use impasto::style::tensor::{PixelOrder, Pixels, PixelsMut};
use impasto::style::{Painter, Size};

/// What the element takes and gives.
pub const FORMATS: [VideoFormat; 4] = [VideoFormat::Bgrx, VideoFormat::Rgbx, VideoFormat::Nv12, VideoFormat::I420];

/// How pictures of one size and format are painted.
pub enum Layout {
    /// Where they lie.
    Direct(PixelOrder),
    /// In BGRx between two conversions.
    Converted(Box<Converted>),
}

pub struct Converted {
    into: gst_video::VideoConverter,
    back: gst_video::VideoConverter,
    source: VideoFrame<Writable>,
    painted: VideoFrame<Writable>,
}

impl Layout {
    /// For pictures of `info`, which is one of [`FORMATS`].
    ///
    /// # Errors
    /// GStreamer cannot convert them.
    pub fn of(info: &gst_video::VideoInfo) -> std::result::Result<Self, glib::BoolError> {
        Ok(match info.format() {
            VideoFormat::Bgrx => Self::Direct(PixelOrder::Bgrx),
            VideoFormat::Rgbx => Self::Direct(PixelOrder::Rgbx),
            _ => Self::Converted(Box::new(Converted::of(info)?)),
        })
    }

    /// The order of the pixels that the painter gets.
    pub fn order(&self) -> PixelOrder {
        match self {
            Self::Direct(order) => *order,
            Self::Converted(_) => PixelOrder::Bgrx,
        }
    }

    /// Paints `source` into `painted`, which have the layout that this is for.
    ///
    /// # Errors
    /// The network fails.
    pub fn paint(
        &mut self,
        painter: &mut Painter,
        source: &VideoFrameRef<&gst::BufferRef>,
        painted: &mut VideoFrameRef<&mut gst::BufferRef>,
    ) -> Result<()> {
        match self {
            Self::Direct(order) => paint(painter, source, painted, *order),
            Self::Converted(converted) => {
                converted.into.frame_ref(source, &mut converted.source.as_mut_video_frame_ref());
                let between = &mut converted.painted.as_mut_video_frame_ref();
                paint(painter, &converted.source.as_video_frame_ref(), between, PixelOrder::Bgrx)?;
                converted.back.frame_ref(between, painted);
                Ok(())
            }
        }
    }
}

impl Converted {
    fn of(info: &gst_video::VideoInfo) -> std::result::Result<Self, glib::BoolError> {
        // A converter wants the same of both.
        let pixels = gst_video::VideoInfo::builder(VideoFormat::Bgrx, info.width(), info.height());
        let pixels = pixels.fps(info.fps()).par(info.par()).interlace_mode(info.interlace_mode()).build()?;
        let frame = || {
            let buffer = gst::Buffer::with_size(pixels.size())?;
            VideoFrame::from_buffer_writable(buffer, &pixels).map_err(|_| glib::bool_error!("no memory for a picture"))
        };
        Ok(Self {
            into: gst_video::VideoConverter::new(info, &pixels, None)?,
            back: gst_video::VideoConverter::new(&pixels, info, None)?,
            source: frame()?,
            painted: frame()?,
        })
    }
}

fn paint(
    painter: &mut Painter,
    source: &VideoFrameRef<&gst::BufferRef>,
    painted: &mut VideoFrameRef<&mut gst::BufferRef>,
    order: PixelOrder,
) -> Result<()> {
    let unfit = || Error::input("a picture has another layout than its caps say");
    let Size { width, height } = Size::new(source.width() as usize, source.height() as usize);
    let data = source.plane_data(0).map_err(|_| unfit())?;
    let source = Pixels::new(data, width, height, source.plane_stride()[0] as usize, order).ok_or_else(unfit)?;
    let stride = painted.plane_stride()[0] as usize;
    let data = painted.plane_data_mut(0).map_err(|_| unfit())?;
    let mut painted = PixelsMut::new(data, width, height, stride, order).ok_or_else(unfit)?;
    painter.paint(&source, &mut painted).map(drop)
}
