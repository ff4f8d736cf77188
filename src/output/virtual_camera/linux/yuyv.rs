//! Painted BGRx pictures as a virtual camera shows them: YUYV of a fixed size, mirrored if wished.

use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

use crate::error::{Error, Result};
use crate::output::fit::{self, Fit};
use crate::style::Size;

/// What webcams deliver and every program understands: BT.601, limited range, sRGB primaries.
fn colours() -> gst_video::VideoColorimetry {
    gst_video::VideoColorimetry::new(
        gst_video::VideoColorRange::Range16_235,
        gst_video::VideoColorMatrix::Bt601,
        gst_video::VideoTransferFunction::Srgb,
        gst_video::VideoColorPrimaries::Bt709,
    )
}

/// Draws pictures into one buffer of its own; nothing is allocated from one picture to the next.
pub struct YuyvConverter {
    from: gst_video::VideoInfo,
    to: gst_video::VideoInfo,
    converter: gst_video::VideoConverter,
    drawn: gst::Buffer,
    /// The picture turned around, if the camera mirrors.
    mirrored: Option<gst::Buffer>,
}

impl YuyvConverter {
    /// For pictures of `caps` (BGRx). Without a wanted size the camera has the picture's own, in square pixels.
    ///
    /// # Errors
    /// A size that cannot be.
    pub fn new(caps: &gst::Caps, size: Option<Size>, mirror: bool) -> Result<Self> {
        let failed = |error: gst::glib::BoolError| Error::output(format!("virtual camera: {error}"));
        let from = gst_video::VideoInfo::from_caps(caps).map_err(failed)?;
        let shown = fit::shown_size(&from);
        // Two pixels share their colour, so the width is even.
        let even = |size: Size| Size::new((size.width & !1).max(2), size.height.max(1));
        let size = even(size.unwrap_or(shown));
        let to = gst_video::VideoInfo::builder(gst_video::VideoFormat::Yuy2, size.width as u32, size.height as u32)
            .fps(from.fps())
            .colorimetry(&colours())
            .build()
            .map_err(failed)?;
        let converter = fit::converter(&from, &to, Fit::Contain).map_err(failed)?;
        let buffer = |info: &gst_video::VideoInfo| gst::Buffer::with_size(info.size()).map_err(failed);
        let (drawn, mirrored) = (buffer(&to)?, mirror.then(|| buffer(&from)).transpose()?);
        Ok(Self { from, to, converter, drawn, mirrored })
    }

    pub fn size(&self) -> Size {
        Size::new(self.to.width() as usize, self.to.height() as usize)
    }

    /// The layout of the pictures that come in.
    pub fn from(&self) -> &gst_video::VideoInfo {
        &self.from
    }

    /// Draws `picture`, which has the caps that the converter was made for.
    ///
    /// # Errors
    /// A buffer that is no such picture.
    pub fn draw(&mut self, picture: &gst::BufferRef) -> Result<()> {
        let misfit =
            |_| Error::output("virtual camera: a painted picture has another layout than it was announced with");
        let source = gst_video::VideoFrameRef::from_buffer_ref_readable(picture, &self.from).map_err(misfit)?;
        let drawn = self.drawn.make_mut();
        let mut target = gst_video::VideoFrameRef::from_buffer_ref_writable(drawn, &self.to).map_err(misfit)?;
        match &mut self.mirrored {
            None => self.converter.frame_ref(&source, &mut target),
            Some(mirrored) => {
                mirror(&source, mirrored.make_mut(), &self.from).map_err(misfit)?;
                let turned =
                    gst_video::VideoFrameRef::from_buffer_ref_readable(mirrored, &self.from).map_err(misfit)?;
                self.converter.frame_ref(&turned, &mut target);
            }
        }
        Ok(())
    }

    /// Gives the drawn picture's bytes, rows without padding, to `take`.
    pub fn with_bytes<T>(&self, take: impl FnOnce(&[u8]) -> T) -> T {
        match self.drawn.map_readable() {
            Ok(map) => take(&map),
            Err(_) => take(&[]),
        }
    }
}

/// Turns each row around.
fn mirror(
    source: &gst_video::VideoFrameRef<&gst::BufferRef>,
    target: &mut gst::BufferRef,
    info: &gst_video::VideoInfo,
) -> Result<(), gst::glib::BoolError> {
    const PIXEL: usize = 4;
    let mut target = gst_video::VideoFrameRef::from_buffer_ref_writable(target, info)?;
    let strides = (source.plane_stride()[0] as usize, target.plane_stride()[0] as usize);
    let row = info.width() as usize * PIXEL;
    let from = source.plane_data(0)?.chunks(strides.0);
    for (from, to) in from.zip(target.plane_data_mut(0)?.chunks_mut(strides.1)) {
        let pixels = from[..row].chunks_exact(PIXEL).rev();
        to[..row].chunks_exact_mut(PIXEL).zip(pixels).for_each(|(to, from)| to.copy_from_slice(from));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(width: i32, height: i32) -> gst::Caps {
        crate::gst::init().unwrap();
        gst::Caps::builder("video/x-raw")
            .field("format", "BGRx")
            .field("width", width)
            .field("height", height)
            .field("framerate", gst::Fraction::new(30, 1))
            .build()
    }

    /// A picture of vertical bars, given as B, G, R.
    fn bars(width: usize, height: usize, colours: &[[u8; 3]]) -> gst::Buffer {
        let pixel = |x: usize| {
            let [b, g, r] = colours[x * colours.len() / width];
            [b, g, r, 255]
        };
        let row: Vec<u8> = (0..width).flat_map(pixel).collect();
        gst::Buffer::from_slice(row.repeat(height))
    }

    /// R, G, B of a drawn pixel, by the textbook's BT.601.
    fn rgb(yuyv: &[u8], width: usize, x: usize, y: usize) -> [u8; 3] {
        let pair = &yuyv[((y * width + x) & !1) * 2..][..4];
        let luma = (f64::from(pair[(x & 1) * 2]) - 16.0) * 255.0 / 219.0;
        let (u, v) = ((f64::from(pair[1]) - 128.0) * 255.0 / 224.0, (f64::from(pair[3]) - 128.0) * 255.0 / 224.0);
        [luma + 1.402 * v, luma - 0.344_136 * u - 0.714_136 * v, luma + 1.772 * u]
            .map(|c| c.round().clamp(0.0, 255.0) as u8)
    }

    const BARS: &[[u8; 3]] = &[
        [191, 191, 191],
        [0, 191, 191],
        [191, 191, 0],
        [0, 191, 0],
        [191, 0, 191],
        [0, 0, 191],
        [191, 0, 0],
        [16, 16, 16],
    ];

    #[test]
    fn colour_bars_keep_their_colours_and_mirror() {
        for mirror in [false, true] {
            let mut converter = YuyvConverter::new(&caps(64, 8), None, mirror).unwrap();
            converter.draw(&bars(64, 8, BARS)).unwrap();
            converter.with_bytes(|bytes| {
                assert_eq!(bytes.len(), 64 * 8 * 2);
                for (index, [b, g, r]) in BARS.iter().enumerate() {
                    let index = if mirror { BARS.len() - 1 - index } else { index };
                    let seen = rgb(bytes, 64, index * 8 + 4, 4);
                    let off = seen.iter().zip([r, g, b]).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
                    assert!(off <= 3, "bar {index} is {seen:?}, not {:?}", [r, g, b]);
                }
            });
        }
    }

    #[test]
    fn a_fixed_size_keeps_the_shape_and_is_black_around_it() {
        let mut converter = YuyvConverter::new(&caps(64, 64), Some(Size::new(128, 64)), false).unwrap();
        converter.draw(&bars(64, 64, &[[255, 255, 255]])).unwrap();
        converter.with_bytes(|bytes| {
            assert_eq!(rgb(bytes, 128, 10, 32), [0, 0, 0]);
            assert_eq!(rgb(bytes, 128, 64, 32), [255, 255, 255]);
            assert_eq!(rgb(bytes, 128, 120, 32), [0, 0, 0]);
        });
    }

    #[test]
    fn pixels_that_are_not_square_are_made_square() {
        let mut caps = caps(64, 64);
        caps.make_mut().set("pixel-aspect-ratio", gst::Fraction::new(2, 1));
        assert_eq!(YuyvConverter::new(&caps, None, false).unwrap().size(), Size::new(128, 64));
    }
}
