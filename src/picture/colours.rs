//! Colours of pictures by their ICC profile: into sRGB, which is what networks were trained on and screens show.

use image::{DynamicImage, GrayAlphaImage, RgbaImage};
use moxcms::{ColorProfile, DataColorSpace, Layout, Transform8BitExecutor, TransformOptions};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// A profile that changes no colour by more levels than this is sRGB under another name.
const SAME: u8 = 2;

/// What became of a picture.
pub enum Converted {
    /// Its profile says what sRGB is.
    AsItIs,
    ToSrgb(DynamicImage),
    /// The profile is of no use for such a picture: why.
    Unknown(String),
}

/// Converts `picture` by `profile`; `jpeg` is its file, which may hold printing inks that the picture lost.
pub fn to_srgb(picture: &DynamicImage, jpeg: Option<&[u8]>, profile: &[u8]) -> Converted {
    let profile = match ColorProfile::new_from_slice(profile) {
        Ok(profile) => profile,
        Err(error) => return Converted::Unknown(error.to_string()),
    };
    let into = |layout| {
        let options = TransformOptions::default();
        let made = profile.create_transform_8bit(layout, &ColorProfile::new_srgb(), Layout::Rgba, options);
        made.map_err(|error| error.to_string())
    };
    let converted = match profile.color_space {
        DataColorSpace::Rgb => match into(Layout::Rgba) {
            Ok(transform) if is_nothing(transform.as_ref()) => return Converted::AsItIs,
            Ok(transform) => run(transform.as_ref(), &picture.to_rgba8(), picture),
            Err(error) => Err(error),
        },
        DataColorSpace::Gray => into(Layout::GrayAlpha).and_then(|transform| {
            let gray: GrayAlphaImage = picture.to_luma_alpha8();
            run(transform.as_ref(), &gray, picture)
        }),
        DataColorSpace::Cmyk => into(Layout::Rgba).and_then(|transform| {
            let inks = jpeg.and_then(inks_of).ok_or("it is one for inks, and the picture has none")?;
            run(transform.as_ref(), &inks, picture)
        }),
        other => Err(format!("it is one for {other:?}")),
    };
    converted.map_or_else(Converted::Unknown, Converted::ToSrgb)
}

fn run(transform: &Transform8BitExecutor, source: &[u8], picture: &DynamicImage) -> Result<DynamicImage, String> {
    let mut converted = RgbaImage::new(picture.width(), picture.height());
    transform.transform(source, &mut converted).map_err(|error| error.to_string())?;
    let converted = DynamicImage::ImageRgba8(converted);
    Ok(if picture.color().has_alpha() { converted } else { DynamicImage::ImageRgb8(converted.into_rgb8()) })
}

/// True if a net of colours all over the cube stays as it is.
fn is_nothing(transform: &Transform8BitExecutor) -> bool {
    const STEPS: u16 = 9;
    let level = |step: u16| (step * 255 / (STEPS - 1)) as u8;
    let colours = (0..STEPS.pow(3)).flat_map(|at| {
        let [red, green, blue] = [at / STEPS.pow(2), at / STEPS % STEPS, at % STEPS].map(level);
        [red, green, blue, u8::MAX]
    });
    let colours: Vec<u8> = colours.collect();
    let mut converted = vec![0; colours.len()];
    let done = transform.transform(&colours, &mut converted).is_ok();
    done && colours.iter().zip(converted).all(|(before, after)| before.abs_diff(after) <= SAME)
}

/// Cyan, magenta, yellow and black of a JPEG file in four colours.
fn inks_of(file: &[u8]) -> Option<Vec<u8>> {
    let mut decoder =
        JpegDecoder::new_with_options(ZCursor::new(file), DecoderOptions::default().set_strict_mode(false));
    decoder.decode_headers().ok()?;
    let space = decoder.input_colorspace().filter(|space| matches!(space, ColorSpace::CMYK | ColorSpace::YCCK))?;
    decoder.set_options(decoder.options().jpeg_set_out_colorspace(space));
    let mut pixels = decoder.decode().ok()?;
    for pixel in pixels.chunks_exact_mut(4) {
        if space == ColorSpace::YCCK {
            let [y, blue, red] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
            let (blue, red) = (blue - 128.0, red - 128.0);
            // Red, green and blue are what the inks leave.
            let left = [y + 1.402 * red, y - 0.344_136 * blue - 0.714_136 * red, y + 1.772 * blue];
            pixel.iter_mut().zip(left).for_each(|(ink, left)| *ink = 255 - left.round() as u8);
        }
        // Full means none: so Adobe wrote them, and all others follow.
        pixel.iter_mut().for_each(|ink| *ink = 255 - *ink);
    }
    Some(pixels)
}
