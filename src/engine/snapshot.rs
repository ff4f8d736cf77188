//! A painted frame as a PNG file.

use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::error::{Error, Result};

/// Encodes a BGRx picture. It takes tens of milliseconds: not for the stylise thread.
pub(super) fn png(picture: gst::Buffer, info: &gst_video::VideoInfo) -> Result<Vec<u8>> {
    let failed = |what: &str| Error::output(format!("snapshot: {what}"));
    let frame = gst_video::VideoFrame::from_buffer_readable(picture, info).map_err(|_| failed("cannot be mapped"))?;
    let (width, height, stride) = (frame.width(), frame.height(), frame.plane_stride()[0] as usize);
    let data = frame.plane_data(0).map_err(|_| failed("has no pixels"))?;
    let rows = data.chunks(stride).take(height as usize).map(|row| &row[..width as usize * 4]);
    let rgb: Vec<u8> =
        rows.flat_map(|row| row.as_chunks().0).flat_map(|&[blue, green, red, _]| [red, green, blue]).collect();
    let mut file = Vec::new();
    let encoded = PngEncoder::new(&mut file).write_image(&rgb, width, height, ExtendedColorType::Rgb8);
    encoded.map_err(|error| failed(&error.to_string()))?;
    Ok(file)
}
