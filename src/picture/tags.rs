//! What goes with the pixels of a picture: colour profile, EXIF and XMP.

use image::metadata::Orientation;

/// A JPEG segment holds so much, and its name.
pub const LARGEST_EXIF: usize = 65_500;

/// Begins the JPEG segment with XMP.
const XMP_NAME: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// Begins the PNG chunk with XMP: keyword, not compressed, no language, no translation.
const XMP_KEYWORD: &[u8] = b"XML:com.adobe.xmp\0\0\0\0\0";

/// Behind signature and header of a PNG file.
const PNG_BODY: usize = 8 + 25;

#[derive(Debug, Clone, Default)]
pub struct Tags {
    pub icc_profile: Option<Vec<u8>>,
    pub exif: Option<Vec<u8>>,
    pub xmp: Option<Vec<u8>>,
}

impl Tags {
    /// Painted pictures are upright, and a thumbnail would show the picture that was not painted.
    pub fn forget_orientation_and_thumbnail(&mut self) {
        if let Some(exif) = &mut self.exif {
            let _ = Orientation::remove_from_exif_chunk(exif);
            // EXIF that cannot be understood holds no thumbnail that anybody finds.
            let _ = forget_thumbnail(exif);
        }
        if let Some(xmp) = &mut self.xmp {
            for name in [&b"tiff:Orientation=\""[..], b"tiff:Orientation='", b"<tiff:Orientation>"] {
                let found = xmp.windows(name.len()).position(|window| window == name);
                if let Some(digit) = found.and_then(|at| xmp.get_mut(at + name.len())) {
                    *digit = b'1';
                }
            }
        }
    }
}

/// Cuts the second directory of an EXIF chunk off, which describes the thumbnail, and blanks the thumbnail itself.
fn forget_thumbnail(exif: &mut [u8]) -> Option<()> {
    const THUMBNAIL_START: u16 = 0x0201;
    const THUMBNAIL_LENGTH: u16 = 0x0202;
    let little = exif.starts_with(b"II");
    let u16_at = |exif: &[u8], at: usize| {
        let bytes = exif.get(at..at + 2)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let u32_at = |exif: &[u8], at: usize| {
        let bytes = exif.get(at..at + 4)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) } as usize)
    };
    let first = u32_at(exif, 4)?;
    let link = first + 2 + 12 * usize::from(u16_at(exif, first)?);
    let second = u32_at(exif, link)?;
    exif.get_mut(link..link + 4)?.fill(0);
    let entries = (0..usize::from(u16_at(exif, second)?)).map(|entry| second + 2 + 12 * entry);
    let value =
        |tag: u16| entries.clone().find(|at| u16_at(exif, *at) == Some(tag)).and_then(|at| u32_at(exif, at + 8));
    let (start, length) = (value(THUMBNAIL_START)?, value(THUMBNAIL_LENGTH)?);
    exif.get_mut(start..start.checked_add(length)?)?.fill(0);
    Some(())
}

/// Puts XMP into an encoded JPEG file; false if it is too large for that.
pub fn insert_xmp_into_jpeg(file: &mut Vec<u8>, xmp: &[u8]) -> bool {
    let Ok(length) = u16::try_from(2 + XMP_NAME.len() + xmp.len()) else { return false };
    let segment = [&[0xff, 0xe1][..], &length.to_be_bytes(), XMP_NAME, xmp].concat();
    // Behind the segment that says that it is a JPEG file.
    let place = match file.get(2..6) {
        Some([0xff, 0xe0, high, low]) => 4 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => 2,
    };
    file.splice(place..place, segment);
    true
}

/// Puts XMP into an encoded PNG file; false if it is too large for that.
pub fn insert_xmp_into_png(file: &mut Vec<u8>, xmp: &[u8]) -> bool {
    let Ok(length) = u32::try_from(XMP_KEYWORD.len() + xmp.len()) else { return false };
    let body = [b"iTXt", XMP_KEYWORD, xmp].concat();
    let chunk = [&length.to_be_bytes(), &body[..], &crc32fast::hash(&body).to_be_bytes()].concat();
    file.splice(PNG_BODY..PNG_BODY, chunk);
    true
}

/// True if a JPEG file ends before its picture does.
pub fn is_cut_off(file: &[u8]) -> bool {
    !reaches_end(file).unwrap_or(false)
}

/// Goes from marker to marker; `None` if the file ends on the way.
fn reaches_end(file: &[u8]) -> Option<bool> {
    let mut at = 2;
    loop {
        // Coded pixels hold no markers but those that begin a new row of blocks.
        while *file.get(at)? != 0xff || matches!(*file.get(at + 1)?, 0x00 | 0xff | 0xd0..=0xd7) {
            at += 1;
        }
        if file[at + 1] == 0xd9 {
            return Some(true);
        }
        at += 2 + usize::from(u16::from_be_bytes([*file.get(at + 2)?, *file.get(at + 3)?]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jpeg_file_is_whole_up_to_its_end_marker() {
        let segment = [0xff, 0xe1, 0, 5, 0xff, 0xd9, 1];
        let scan = [0xff, 0xda, 0, 4, 7, 7, 12, 0xff, 0x00, 0xff, 0xd3, 99, 0xff, 0xff];
        let whole = [&[0xff, 0xd8][..], &segment, &scan, &[0xd9], b"trailer"].concat();
        assert!(!is_cut_off(&whole));
        let end = whole.len() - b"trailer".len();
        assert!((0..end).all(|length| is_cut_off(&whole[..length])) && !is_cut_off(&whole[..end]));
    }

    #[test]
    fn a_thumbnail_is_blanked_and_the_rest_stays() {
        let [entries, start, length] = [2u16, 0x0201, 0x0202].map(u16::to_le_bytes);
        let long = 4u16.to_le_bytes();
        let number = |number: u32| number.to_le_bytes();
        // A directory with one entry at 8, the second one at 26, its thumbnail at 56.
        let first = [&1u16.to_le_bytes()[..], &[0x0f, 0x01, 4, 0], &number(1), &number(77), &number(26)].concat();
        let of_thumbnail = |tag: [u8; 2], value: u32| [&tag[..], &long, &number(1), &number(value)].concat();
        let second = [&entries[..], &of_thumbnail(start, 56), &of_thumbnail(length, 6), &number(0)].concat();
        let exif = [&b"II*\0"[..], &number(8), &first, &second, b"secret", b"more"].concat();
        let mut tags = Tags { exif: Some(exif.clone()), ..Tags::default() };
        tags.forget_orientation_and_thumbnail();
        let left = tags.exif.unwrap();
        assert_eq!((&left[..22], &left[22..26], &left[56..]), (&exif[..22], &[0; 4][..], &b"\0\0\0\0\0\0more"[..]));
    }
}
