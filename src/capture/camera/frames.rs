//! A camera's frames as GStreamer buffers: caps with true colours, pooled memory, padded lines.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;

use super::modes::Mode;
use crate::error::{Error, Result};

/// Buffers that are there from the start: one is filled, one waits in the appsrc, one is decoded.
const BUFFERS: u32 = 3;

/// How a frame lies in the driver's memory.
pub struct Layout {
    pub width: u32,
    pub height: u32,
    pub bytes: u32,
    /// 0 where it is not told, and in JPEG.
    pub bytes_per_line: u32,
    /// `None` where they are not told, and in JPEG.
    pub colours: Option<gst_video::VideoColorimetry>,
}

/// Copies frames out of the driver's memory, which wants its buffers back at once.
pub struct Frames {
    caps: gst::Caps,
    pool: gst::BufferPool,
    /// Bytes of a raw picture; the driver's buffers may be rounded up to whole pages. `None` for JPEG.
    picture_bytes: Option<usize>,
    /// Where the planes lie, if lines are padded in another way than GStreamer expects.
    padded: Option<(gst_video::VideoInfo, Vec<usize>, Vec<i32>)>,
}

impl Frames {
    /// For the mode that was chosen and what the driver made of it.
    pub fn new(mode: &Mode, layout: &Layout) -> Result<Self> {
        let failed = |what: String| Error::input(format!("{mode}: {what}"));
        let Layout { width, height, bytes: pool_bytes, bytes_per_line, ref colours } = *layout;
        let rate = gst::Fraction::new(mode.fps as i32, 1);
        let (caps, picture_bytes, padded) = match mode.readable().raw {
            None => {
                // Each buffer is one whole picture; the decoder of GStreamer 1.22 takes it only if that is said.
                let caps = gst::Caps::builder("image/jpeg")
                    .field("parsed", true)
                    .field("width", width as i32)
                    .field("height", height as i32)
                    .field("framerate", rate);
                (caps.build(), None, None)
            }
            Some(name) => {
                let format = gst_video::VideoFormat::from_string(name);
                let builder = gst_video::VideoInfo::builder(format, width, height).fps(rate);
                let builder = builder.colorimetry_if_some(colours.as_ref());
                let info = builder.build().map_err(|error| failed(error.to_string()))?;
                let caps = info.to_caps().map_err(|error| failed(error.to_string()))?;
                (caps, Some(pool_bytes as usize), padding(info, bytes_per_line))
            }
        };
        let pool = gst::BufferPool::new();
        let mut config = pool.config();
        config.set_params(Some(&caps), pool_bytes, BUFFERS, 0);
        let ready = pool.set_config(config).is_ok() && pool.set_active(true).is_ok();
        ready.then_some(Self { caps, pool, picture_bytes, padded }).ok_or_else(|| failed("no memory".into()))
    }

    pub fn caps(&self) -> &gst::Caps {
        &self.caps
    }

    /// One frame of the driver as a buffer; `None` for one that is cut short.
    pub fn buffer(&mut self, bytes: &[u8]) -> Option<gst::Buffer> {
        let bytes = match self.picture_bytes {
            Some(length) => bytes.get(..length)?,
            None => bytes.get(..jpeg_length(bytes)?)?,
        };
        let mut buffer = self.pool.acquire_buffer(None).ok()?;
        let writable = buffer.get_mut()?;
        writable.set_size(bytes.len());
        // The one copy of this path.
        writable.copy_from_slice(0, bytes).ok()?;
        if let Some((info, offsets, strides)) = &self.padded {
            let flags = gst_video::VideoFrameFlags::empty();
            let (width, height) = (info.width(), info.height());
            gst_video::VideoMeta::add_full(writable, flags, info.format(), width, height, offsets, strides).ok()?;
        }
        Some(buffer)
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        let _ = self.pool.set_active(false);
    }
}

/// Offsets and strides of the planes if the driver's lines are longer than GStreamer's.
fn padding(info: gst_video::VideoInfo, bytes_per_line: u32) -> Option<(gst_video::VideoInfo, Vec<usize>, Vec<i32>)> {
    let stride = bytes_per_line as i32;
    if stride == 0 || stride == info.stride()[0] {
        return None;
    }
    let strides = vec![stride; info.n_planes() as usize];
    // Only NV12 has a second plane, and it begins behind the lines of the first.
    let offsets = (0..strides.len()).map(|plane| plane * stride as usize * info.height() as usize).collect();
    Some((info, offsets, strides))
}

/// How long a JPEG picture is: the driver's buffer goes on behind it with bytes of older frames.
fn jpeg_length(bytes: &[u8]) -> Option<usize> {
    const START: u8 = 0xd8;
    const END: u8 = 0xd9;
    const SCAN: u8 = 0xda;
    if bytes.get(..2)? != [0xff, START] {
        return None;
    }
    // Segments tell their length, up to the scan; they may contain anything, so they are stepped over.
    let mut position = 2;
    let mut in_scan = false;
    while !in_scan {
        let [0xff, marker] = bytes.get(position..position + 2)? else { return None };
        let length = bytes.get(position + 2..position + 4)?;
        position += 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
        in_scan = *marker == SCAN;
    }
    // In the scan a byte 0xff is followed by zero or a restart marker; what else follows it ends the scan.
    let scan = &bytes[position.min(bytes.len())..];
    let end = scan.windows(2).position(|pair| pair == [0xff, END])?;
    Some(position + end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn jpeg(width: u32, height: u32, seed: u8) -> Vec<u8> {
        let pixels = (0..width * height * 3).map(|i| (i as u8).wrapping_mul(seed)).collect();
        let picture = image::RgbImage::from_raw(width, height, pixels).unwrap();
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
        bytes.into_inner()
    }

    proptest! {
        /// Whatever an older, larger frame left behind it, a picture ends where it ends.
        #[test]
        fn a_jpeg_ends_before_the_rest_of_the_buffer(
            width in 1u32..64, height in 1u32..64, seed in 1u8..255, rest in proptest::collection::vec(any::<u8>(), 0..4096),
        ) {
            let picture = jpeg(width, height, seed);
            let buffer = [picture.as_slice(), &rest].concat();
            prop_assert_eq!(jpeg_length(&buffer), Some(picture.len()));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = jpeg_length(&bytes);
            let _ = jpeg_length(&[&[0xff, 0xd8], bytes.as_slice()].concat());
        }
    }
}
