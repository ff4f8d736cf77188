//! The boxes of MP4 and QuickTime files.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

/// Tables of longer films than anybody keeps in one file; larger ones are damage.
const MOST_MOOV_BYTES: u64 = 256 << 20;

/// True for an MP4 or QuickTime file, whatever its name.
pub fn is_in_boxes(path: &Path) -> bool {
    read_moov(path).is_some()
}

/// True for a film whose packets are listed piece by piece.
pub fn is_fragmented(path: &Path) -> bool {
    read_moov(path).is_some_and(|(moov, _)| find(&moov, 0..moov.len(), b"mvex").is_some())
}

/// Where the pieces of a film end too early, and how long its file is; `None` for whole ones, and for others.
pub fn unreadable_from(path: &Path) -> Option<(u64, u64)> {
    is_fragmented(path).then_some(())?;
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let mut place = 0;
    while place < length {
        let mut header = [0; 16];
        file.seek(SeekFrom::Start(place)).ok()?;
        let read = file.read(&mut header).ok()?;
        let (short, kind) = (be32(&header, 0)?, &header[4..8]);
        let size = if short == 1 { be64(&header, 8)? } else { u64::from(short) };
        // The last may reach to the end of the file, and have no length.
        let is_last = short == 0 && kind == b"mdat";
        let is_whole = read >= 8 && size >= 8 && place.checked_add(size).is_some_and(|end| end <= length);
        if is_last {
            return None;
        }
        if !is_whole || !kind.iter().all(|byte| (b' '..=b'~').contains(byte)) {
            return Some((place, length));
        }
        place += size;
    }
    None
}

/// The box `moov` without its header, and where it lies in the file.
pub fn read_moov(path: &Path) -> Option<(Vec<u8>, u64)> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let mut place = 0;
    for number in 0.. {
        let mut header = [0; 16];
        file.seek(SeekFrom::Start(place)).ok()?;
        file.read_exact(&mut header[..8]).ok()?;
        let (mut size, mut header_size) = (u64::from(be32(&header, 0)?), 8);
        if size == 1 {
            file.read_exact(&mut header[8..]).ok()?;
            (size, header_size) = (be64(&header, 8)?, 16);
        }
        let is_media = number > 0 || matches!(&header[4..8], b"ftyp" | b"moov" | b"mdat" | b"wide" | b"free" | b"skip");
        if !is_media || size < header_size || place.checked_add(size)? > length {
            return None;
        }
        if &header[4..8] == b"moov" {
            let mut moov = vec![0; usize::try_from(size - header_size).ok().filter(|_| size < MOST_MOOV_BYTES)?];
            file.read_exact(&mut moov).ok()?;
            return Some((moov, place + header_size));
        }
        place += size;
    }
    None
}

/// The boxes in a part of `data`: kind and content.
pub fn boxes(data: &[u8], within: Range<usize>) -> impl Iterator<Item = ([u8; 4], Range<usize>)> {
    let mut place = within.start;
    std::iter::from_fn(move || {
        let size = be32(data, place)? as usize;
        let kind = data.get(place + 4..place + 8)?.try_into().ok()?;
        let content = place + 8..place.checked_add(size)?;
        if size < 8 || content.end > within.end {
            return None;
        }
        place = content.end;
        Some((kind, content))
    })
}

/// The content of the first box of a kind in a part of `data`.
pub fn find(data: &[u8], within: Range<usize>, wanted: &[u8; 4]) -> Option<Range<usize>> {
    boxes(data, within).find(|(kind, _)| kind == wanted).map(|(_, content)| content)
}

/// The number of `width` bytes, 4 or 8, at a place.
pub fn number(data: &[u8], at: usize, width: usize) -> Option<u64> {
    if width == 8 { be64(data, at) } else { be32(data, at).map(u64::from) }
}

/// The number of 4 bytes at a place.
pub fn be32(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(data.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// The number of 8 bytes at a place.
pub fn be64(data: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(data.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// Puts right the headers of Opus tracks in the file at `path`: GStreamer's muxer writes their numbers with the first byte
/// last, and players then leave out a third of a second of sound. (RFC 7845 has them so; "Encapsulation of Opus in ISO Base
/// Media File Format", 4.3.2, has the first byte first.)
///
/// # Errors
/// The file cannot be written.
pub fn mend_opus_headers(path: &Path) -> io::Result<()> {
    let Some((moov, offset)) = read_moov(path) else { return Ok(()) };
    let mut file = OpenOptions::new().write(true).open(path)?;
    for (_, trak) in boxes(&moov, 0..moov.len()).filter(|(kind, _)| kind == b"trak") {
        let Some(numbers) = opus_numbers(&moov, trak) else { continue };
        let mut bytes = moov[numbers.clone()].to_vec();
        // The sample rate tells the order: it takes 3 of its 4 bytes at most.
        if bytes[2] <= bytes[5] {
            continue;
        }
        [0..2, 2..6, 6..8].into_iter().for_each(|number| bytes[number].reverse());
        file.seek(SeekFrom::Start(offset + numbers.start as u64))?;
        file.write_all(&bytes)?;
    }
    Ok(())
}

/// Where the numbers of a track's Opus header lie: samples to leave out (2 bytes), samples a second (4), gain (2).
fn opus_numbers(moov: &[u8], trak: Range<usize>) -> Option<Range<usize>> {
    let media = find(moov, find(moov, trak, b"mdia")?, b"minf")?;
    let descriptions = find(moov, find(moov, media, b"stbl")?, b"stsd")?;
    let entry = find(moov, descriptions.start + 8..descriptions.end, b"Opus")?;
    // QuickTime's second form of a description has four numbers more.
    let fields = if moov.get(entry.start + 9)? == &1 { 44 } else { 28 };
    let header = find(moov, entry.start + fields..entry.end, b"dOps")?;
    (header.len() >= 10).then(|| header.start + 2..header.start + 10)
}
