//! The container of WebP files: XMP put into one, and stills put together as an animation.

use std::io::{self, Seek, SeekFrom, Write};

/// Signature and size before the chunks, and before the body of each chunk its name and size.
const HEAD: usize = 12;
const CHUNK_HEAD: usize = 8;

/// Flags of the chunk `VP8X`, which says what else there is.
const HAS_ANIMATION: u8 = 0x02;
const HAS_XMP: u8 = 0x04;
const HAS_ALPHA: u8 = 0x10;

/// A picture of an animation takes the place of what was there.
const DO_NOT_BLEND: u8 = 0x02;

/// Sizes and times have three bytes.
const MOST: u64 = (1 << 24) - 1;

/// The chunks of a file: their names and bodies.
fn chunks(file: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = file.get(HEAD..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (head, after) = rest.split_at_checked(CHUNK_HEAD)?;
        let name = head[..4].try_into().ok()?;
        let size = u32::from_le_bytes(head[4..].try_into().ok()?) as usize;
        let body = after.get(..size)?;
        rest = after.get(size + size % 2..).unwrap_or_default();
        Some((name, body))
    })
}

/// A chunk with its head; chunks have an even length.
fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let padding = &[0][..body.len() % 2];
    [&name[..], &(body.len() as u32).to_le_bytes(), body, padding].concat()
}

fn three_bytes(number: u64) -> [u8; 3] {
    let [a, b, c, ..] = number.min(MOST).to_le_bytes();
    [a, b, c]
}

/// The chunk `VP8X` of a picture of this size.
fn features(flags: u8, (width, height): (u32, u32)) -> Vec<u8> {
    let [width, height] = [width, height].map(|side| three_bytes(u64::from(side.saturating_sub(1))));
    chunk(b"VP8X", &[&[flags, 0, 0, 0][..], &width, &height].concat())
}

/// Puts XMP into an encoded still; false if it is too large for that.
pub fn insert_xmp(file: &mut Vec<u8>, xmp: &[u8], size: (u32, u32), has_alpha: bool) -> bool {
    if u32::try_from(file.len() + xmp.len() + 64).is_err() {
        return false;
    }
    let flags = chunks(file).find(|(name, _)| name == b"VP8X").and_then(|(_, body)| body.first().copied());
    let flags = flags.unwrap_or(if has_alpha { HAS_ALPHA } else { 0 });
    let mut body = features(flags | HAS_XMP, size);
    for (name, content) in chunks(file).filter(|(name, _)| name != b"VP8X") {
        body.extend(chunk(&name, content));
    }
    body.extend(chunk(b"XMP ", xmp));
    let size = (4 + body.len()) as u32;
    *file = [b"RIFF", &size.to_le_bytes()[..], b"WEBP", &body].concat();
    true
}

/// Writes an animation.
pub struct Writer<W> {
    file: W,
    size: (u32, u32),
    bytes: u64,
}

impl<W: Write + Seek> Writer<W> {
    /// Begins one of pictures of this size, which is shown again and again.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin(mut file: W, size: (u32, u32)) -> io::Result<Self> {
        let endless = chunk(b"ANIM", &[0; 6]);
        let head = [&b"RIFF\0\0\0\0WEBP"[..], &features(HAS_ANIMATION, size), &endless].concat();
        file.write_all(&head)?;
        Ok(Self { file, size, bytes: head.len() as u64 })
    }

    /// Adds `still`, a WebP file, shown for so many milliseconds.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put(&mut self, still: &[u8], milliseconds: u64) -> io::Result<()> {
        let (width, height) = self.size;
        let side = |side: u32| three_bytes(u64::from(side.saturating_sub(1)));
        let mut body = [&[0; 6][..], &side(width), &side(height), &three_bytes(milliseconds), &[DO_NOT_BLEND]].concat();
        let of_pixels = chunks(still).filter(|(name, _)| [b"ALPH", b"VP8 ", b"VP8L"].contains(&name));
        of_pixels.for_each(|(name, content)| body.extend(chunk(&name, content)));
        let frame = chunk(b"ANMF", &body);
        self.bytes += frame.len() as u64;
        self.file.write_all(&frame)
    }

    /// Ends the file.
    ///
    /// # Errors
    /// It cannot be written, or is longer than WebP files can be.
    pub fn finish(mut self) -> io::Result<()> {
        let size = u32::try_from(self.bytes - CHUNK_HEAD as u64)
            .map_err(|_| io::Error::other("WebP files hold up to 4 GB; choose a video"))?;
        self.file.seek(SeekFrom::Start(4))?;
        self.file.write_all(&size.to_le_bytes())?;
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::codecs::webp::{WebPDecoder, WebPEncoder};
    use image::{AnimationDecoder, DynamicImage, ImageDecoder, Rgb, RgbImage, RgbaImage};

    use super::*;

    fn still(picture: &DynamicImage) -> Vec<u8> {
        let mut file = Vec::new();
        picture.write_with_encoder(WebPEncoder::new_lossless(&mut file)).unwrap();
        file
    }

    #[test]
    fn stills_become_an_animation() {
        let mut file = Cursor::new(Vec::new());
        let mut writer = Writer::begin(&mut file, (6, 5)).unwrap();
        for level in [10, 20, 30] {
            let picture = DynamicImage::ImageRgb8(RgbImage::from_pixel(6, 5, Rgb([level; 3])));
            writer.put(&still(&picture), u64::from(level)).unwrap();
        }
        writer.finish().unwrap();
        let decoder = WebPDecoder::new(Cursor::new(file.into_inner())).unwrap();
        assert!(decoder.has_animation() && decoder.dimensions() == (6, 5));
        let frames = decoder.into_frames().collect_frames().unwrap();
        let found = frames.iter().map(|frame| (frame.buffer().get_pixel(3, 3).0[0], frame.delay().numer_denom_ms().0));
        assert_eq!(found.collect::<Vec<_>>(), [(10, 10), (20, 20), (30, 30)]);
    }

    #[test]
    fn xmp_goes_into_stills_with_and_without_transparency() {
        let transparent = RgbaImage::from_fn(7, 3, |x, _| image::Rgba([x as u8, 9, 9, 30 * x as u8]));
        for (picture, alpha) in [
            (DynamicImage::ImageRgb8(RgbImage::from_pixel(7, 3, Rgb([1, 2, 3]))), false),
            (DynamicImage::ImageRgba8(transparent), true),
        ] {
            let mut file = still(&picture);
            assert!(insert_xmp(&mut file, b"<x:xmpmeta/>!", (7, 3), alpha));
            let mut decoder = WebPDecoder::new(Cursor::new(&file)).unwrap();
            assert_eq!(decoder.xmp_metadata().unwrap().as_deref(), Some(&b"<x:xmpmeta/>!"[..]));
            assert_eq!(DynamicImage::from_decoder(decoder).unwrap(), picture);
        }
    }
}
