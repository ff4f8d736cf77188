//! A picture file: its pixels, upright and in sRGB, and what goes with them into another file.

mod colours;
mod heif;
pub(crate) mod tags;
pub(crate) mod webp;

use std::io::{Cursor, Read, Write};
use std::path::Path;

use image::codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder};
use image::{DynamicImage, ImageDecoder, ImageEncoder, ImageError, ImageFormat, ImageReader, Limits};

use crate::jpeg::Scans;
use crate::style::geometry::MAX_SIDE;
use colours::Converted;
use tags::Tags;

/// Quality of JPEG files, 1 to 100: no visible loss.
const JPEG_QUALITY: u8 = 95;

/// What a picture may unpack besides its pixels, such as a colour profile: a small file may hold gigabytes.
const MOST_UNPACKED_BYTES: u64 = 64 << 20;

/// How large a picture may be that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub side: usize,
    pub pixels: usize,
}

impl Bounds {
    /// What can be painted and shown at its own size.
    pub const SHOWN: Self = Self { side: MAX_SIDE, pixels: MAX_SIDE * MAX_SIDE };

    /// A picture file that becomes another: large ones are painted smaller and scaled back. Reading, painting and writing takes up
    /// to 20 bytes for each of these pixels.
    pub const FILE: Self = Self { side: 65_535, pixels: 120_000_000 };
}

/// Endings of pictures that are read but not written.
const READ_ONLY: [&str; 6] = ["bmp", "tif", "tiff", "heic", "heif", "avif"];

/// The picture formats that can be written, by ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    Png,
    Jpeg,
    WebP,
}

impl Format {
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_string_lossy().to_lowercase().as_str() {
            "png" => Some(Self::Png),
            "jpg" | "jpeg" => Some(Self::Jpeg),
            "webp" => Some(Self::WebP),
            _ => None,
        }
    }
}

/// True if a file with this ending is a picture, whether it can be written so or not.
pub fn is_named_so(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    Format::of(path).is_some() || READ_ONLY.contains(&ending.as_str())
}

/// True if the first bytes of the file are those of a picture.
pub fn begins_as_one(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(64).read_to_end(&mut start));
    read.is_ok() && (heif::is_heif(&start) || image::guess_format(&start).is_ok())
}

/// True if a picture file ends before its picture does, and is read all the same: a JPEG file, of which the rest is gray then.
pub fn is_cut_off(file: &[u8]) -> bool {
    matches!(image::guess_format(file), Ok(ImageFormat::Jpeg)) && tags::is_cut_off(file)
}

/// A picture that was read.
#[derive(Debug)]
pub struct Original {
    pub picture: DynamicImage,
    pub tags: Tags,
    /// What the user should know of it.
    pub notes: Vec<String>,
}

impl Original {
    /// Reads the picture file at `path`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(path: &Path, bounds: Bounds) -> Result<Self, String> {
        let file = std::fs::read(path).map_err(|error| error.to_string())?;
        match file.as_slice() {
            [] => Err("is empty (0 bytes)".into()),
            start if heif::is_heif(start) => Self::decode_as(&heif::to_png(path)?, bounds, true),
            file => Self::decode(file, bounds),
        }
    }

    /// Decodes a file with a picture, and turns it upright by its EXIF orientation.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn decode(file: &[u8], bounds: Bounds) -> Result<Self, String> {
        Self::decode_as(file, bounds, false)
    }

    /// As [`Original::decode`]; one that `is_upright` stays as it is, whatever EXIF says.
    fn decode_as(file: &[u8], bounds: Bounds, is_upright: bool) -> Result<Self, String> {
        let mut reader =
            ImageReader::new(Cursor::new(file)).with_guessed_format().map_err(|error| error.to_string())?;
        let is_jpeg = reader.format() == Some(ImageFormat::Jpeg);
        if is_jpeg {
            Scans::default().take(file)?;
        }
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(MOST_UNPACKED_BYTES);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(|error| in_words(&error))?;
        let (width, height) = decoder.dimensions();
        if width.max(height) as usize > bounds.side {
            return Err(format!("a picture of {width}x{height} cannot be painted; sides up to {} can", bounds.side));
        }
        if width as usize * height as usize > bounds.pixels {
            let millions = bounds.pixels / 1_000_000;
            return Err(format!(
                "a picture of {width}x{height} is too large; up to {millions} million pixels can be painted"
            ));
        }
        let orientation = decoder.orientation().map_err(|error| in_words(&error))?;
        let mut tags = Tags {
            icc_profile: decoder.icc_profile().ok().flatten(),
            exif: decoder.exif_metadata().ok().flatten(),
            xmp: decoder.xmp_metadata().ok().flatten(),
        };
        tags.forget_orientation_and_thumbnail();
        let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| in_words(&error))?;

        let mut notes = Vec::new();
        if is_cut_off(file) {
            notes.push("the picture is cut off: what is missing is gray".to_string());
        }
        if let Some(profile) = &tags.icc_profile {
            match colours::to_srgb(&picture, is_jpeg.then_some(file), profile) {
                Converted::AsItIs => {}
                Converted::ToSrgb(converted) => {
                    (picture, tags.icc_profile) = (converted, None);
                    notes.push("its colours are converted from their profile to sRGB".into());
                }
                Converted::Unknown(reason) => {
                    tags.icc_profile = None;
                    notes.push(format!("its colour profile is left out, and colours may be off: {reason}"));
                }
            }
        }
        if !is_upright {
            picture.apply_orientation(orientation);
        }
        Ok(Self { picture, tags, notes })
    }
}

fn in_words(error: &ImageError) -> String {
    match error {
        ImageError::Unsupported(_) => format!("not a picture that can be read ({error})"),
        _ => format!("the picture is damaged ({error})"),
    }
}

/// Encodes a picture with what goes with it; tells in notes what this format does not hold.
///
/// # Errors
/// The writer fails, or the format cannot hold such a picture.
pub fn encode(
    file: &mut impl Write,
    format: Format,
    picture: DynamicImage,
    tags: &Tags,
) -> Result<Vec<String>, String> {
    // JPEG has no transparency.
    let picture = if format == Format::Jpeg { DynamicImage::ImageRgb8(picture.into_rgb8()) } else { picture };
    let (size, has_alpha) = ((picture.width(), picture.height()), picture.color().has_alpha());
    let (mut encoded, mut notes) = (Vec::new(), Vec::new());
    let written = match format {
        Format::Png => encode_with(PngEncoder::new(&mut encoded), &picture, tags, &mut notes),
        Format::Jpeg => {
            let encoder = JpegEncoder::new_with_quality(&mut encoded, JPEG_QUALITY);
            encode_with(encoder, &picture, tags, &mut notes)
        }
        Format::WebP => encode_with(WebPEncoder::new_lossless(&mut encoded), &picture, tags, &mut notes),
    };
    written.map_err(|error| error.to_string())?;
    let fits = tags.xmp.as_ref().is_none_or(|xmp| match format {
        Format::Png => tags::insert_xmp_into_png(&mut encoded, xmp),
        Format::Jpeg => tags::insert_xmp_into_jpeg(&mut encoded, xmp),
        Format::WebP => webp::insert_xmp(&mut encoded, xmp, size, has_alpha),
    });
    if !fits {
        notes.push("its XMP data are left out: this format does not hold them".into());
    }
    file.write_all(&encoded).map_err(|error| error.to_string())?;
    Ok(notes)
}

fn encode_with(
    mut encoder: impl ImageEncoder,
    picture: &DynamicImage,
    tags: &Tags,
    notes: &mut Vec<String>,
) -> Result<(), ImageError> {
    if let Some(profile) = &tags.icc_profile {
        // A format that holds no profile shows sRGB, which is what pixels are.
        let _ = encoder.set_icc_profile(profile.clone());
    }
    if let Some(exif) = &tags.exif
        && (exif.len() > tags::LARGEST_EXIF || encoder.set_exif_metadata(exif.clone()).is_err())
    {
        notes.push("its EXIF data are left out: this format does not hold them".into());
    }
    picture.write_with_encoder(encoder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_file_does_not_unpack_gigabytes() {
        let with_profile = |bytes: usize| {
            let mut file = Vec::new();
            let tags = Tags { icc_profile: Some(vec![0; bytes]), ..Tags::default() };
            encode(&mut file, Format::Png, DynamicImage::new_rgb8(8, 8), &tags).unwrap();
            assert!(file.len() < 1 << 20);
            Original::decode(&file, Bounds::SHOWN)
        };
        // It says nothing about colours, and is no profile that could be kept.
        let small = with_profile(1000).unwrap();
        assert!(small.tags.icc_profile.is_none() && small.notes[0].contains("left out"), "{small:?}");
        let too_much = with_profile(MOST_UNPACKED_BYTES as usize + 1);
        assert!(too_much.as_ref().is_ok_and(|read| read.notes.is_empty()) || too_much.is_err());
    }
}
