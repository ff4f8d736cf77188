//! Edit lists of MP4 and QuickTime files: which part of each track is shown, and when.
//!
//! GStreamer's demuxer ends a track too early where its edit list begins late, and passes over pictures that are much
//! shorter than the sound. So it is shown a file whose edit lists let everything through, and the times are mapped here.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use gstreamer as gst;
use gstreamer::prelude::*;

use super::boxes::{be32, boxes, find, number, read_moov};

/// Stands for an edit without an end.
const NO_END_NS: u64 = u64::MAX;

/// The edit lists of one file.
#[derive(Debug, Clone)]
pub struct EditLists {
    tracks: Arc<HashMap<u32, Vec<Edit>>>,
    patches: Arc<Vec<Patch>>,
    duration: gst::ClockTime,
}

/// A part of a track and when it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edit {
    /// On the track's own timeline, nanoseconds.
    media: (u64, u64),
    /// When it is shown.
    shown_ns: u64,
    /// A frame that begins so near the end belongs to what is cut away: lengths are rounded to this.
    tick_ns: u64,
}

/// Bytes that the demuxer sees instead of those in the file.
#[derive(Debug)]
struct Patch {
    offset: u64,
    bytes: Vec<u8>,
}

impl EditLists {
    /// Those of the file at `path`; `None` where GStreamer reads everything by itself.
    pub fn of(path: &Path) -> Option<Self> {
        let (moov, offset) = read_moov(path)?;
        Movie::parse(&moov, offset)?.edit_lists()
    }

    /// When the last shown part of the file is over.
    pub fn duration(&self) -> gst::ClockTime {
        self.duration
    }

    /// Lets what reads from `source`, a `filesrc`, see all of every track.
    pub fn hide_from(&self, source: &gst::Element) {
        let Some(pad) = source.static_pad("src") else { return };
        let patches = Arc::clone(&self.patches);
        pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::PUSH | gst::PadProbeType::PULL, move |_, info| {
            if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data {
                patches.iter().for_each(|patch| patch.apply(buffer));
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Lets the segment of `pad` begin at 0 wherever the file is entered: buffers that [`Self::apply_to`] has moved lie
    /// where they are shown.
    pub fn widen_segment_of(&self, pad: &gst::Pad) {
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
            if let Some(gst::PadProbeData::Event(event)) = &mut info.data
                && event.type_() == gst::EventType::Segment
            {
                let all = gst::FormattedSegment::<gst::ClockTime>::new();
                *event = gst::event::Segment::builder(&all).seqnum(event.seqnum()).build();
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Moves the buffers of `pad`, a stream of the demuxer or what it was decoded to, to where they are shown, and takes
    /// out the others.
    pub fn apply_to(&self, pad: &gst::Pad) {
        let tracks = Arc::clone(&self.tracks);
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let Some(edits) = track_of(pad).and_then(|track| tracks.get(&track)) else {
                return gst::PadProbeReturn::Ok;
            };
            let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data else {
                return gst::PadProbeReturn::Ok;
            };
            let is_sound = pad
                .current_caps()
                .is_some_and(|caps| caps.structure(0).is_some_and(|structure| structure.name().starts_with("audio/")));
            // Sound that overlaps the beginning is heard from there; a picture that begins before it is not shown.
            let overlap = buffer.duration().filter(|_| is_sound).map_or(0, gst::ClockTime::nseconds);
            let Some(pts) = buffer.pts() else { return gst::PadProbeReturn::Ok };
            match edits.iter().find_map(|edit| edit.place(pts.nseconds(), overlap)) {
                Some(shown) => {
                    let times = buffer.make_mut();
                    let dts =
                        times.dts().map(|dts| shown.saturating_sub(pts.nseconds().saturating_sub(dts.nseconds())));
                    times.set_dts(dts.map(gst::ClockTime::from_nseconds));
                    times.set_pts(gst::ClockTime::from_nseconds(shown));
                    gst::PadProbeReturn::Ok
                }
                None => {
                    // `Drop` would free the data twice with this version of the bindings.
                    info.flow_res = Ok(gst::FlowSuccess::Ok);
                    gst::PadProbeReturn::Handled
                }
            }
        });
    }
}

impl Edit {
    /// When a buffer that begins at `media_ns` and may begin `overlap_ns` before the edit is shown.
    fn place(&self, media_ns: u64, overlap_ns: u64) -> Option<u64> {
        let (begin, end) = self.media;
        let shown = media_ns.saturating_add(overlap_ns.max(1)) > begin && media_ns.saturating_add(self.tick_ns) <= end;
        shown.then(|| self.shown_ns + media_ns.saturating_sub(begin))
    }
}

impl Patch {
    /// Overwrites the part of it that lies in `buffer`.
    fn apply(&self, buffer: &mut gst::Buffer) {
        // An unknown offset is the largest number.
        let start = buffer.offset();
        let Some(end) = start.checked_add(buffer.size() as u64) else { return };
        let patch_end = self.offset + self.bytes.len() as u64;
        if patch_end <= start || end <= self.offset {
            return;
        }
        if let Ok(mut data) = buffer.make_mut().map_writable() {
            for (at, byte) in (self.offset..patch_end).zip(&self.bytes).filter(|(at, _)| (start..end).contains(at)) {
                data[(at - start) as usize] = *byte;
            }
        }
    }
}

/// The track's number, with which the demuxer ends the names of its streams.
fn track_of(pad: &gst::Pad) -> Option<u32> {
    pad.stream_id()?.rsplit('/').next()?.parse().ok()
}

/// True for an MP4 or QuickTime file whose tracks are shown from one place on, without leaps; it may be cut at both ends.
pub fn is_in_one_piece(path: &Path) -> bool {
    let movie = read_moov(path).and_then(|(moov, offset)| Movie::parse(&moov, offset));
    movie.is_some_and(|movie| movie.tracks.iter().filter_map(|track| track.list.as_ref()).all(List::is_one_piece))
}

/// What `moov` says of times.
struct Movie {
    ticks_per_second: u64,
    /// In ticks.
    duration: u64,
    /// Where that number stands in the file, with its size.
    duration_field: (u64, usize),
    tracks: Vec<Track>,
}

struct Track {
    id: u32,
    is_video: bool,
    ticks_per_second: u64,
    /// In its own ticks.
    duration: u64,
    /// Where that number stands in the file, with its size.
    duration_field: (u64, usize),
    /// By how many ticks a picture is shown later than it is decoded, at most.
    delay: u64,
    list: Option<List>,
}

/// An edit list as it stands in the file.
struct List {
    offset: u64,
    /// Times of 8 bytes instead of 4.
    is_wide: bool,
    /// Length in the movie's ticks, beginning in the track's; -1 is a pause.
    entries: Vec<(u64, i64)>,
}

impl Movie {
    /// `None` for damage, and for files in fragments, which the demuxer reads well.
    fn parse(moov: &[u8], offset: u64) -> Option<Self> {
        let all = 0..moov.len();
        if find(moov, all.clone(), b"mvex").is_some() {
            return None;
        }
        let header = find(moov, all.clone(), b"mvhd")?;
        let (times, width) =
            if moov.get(header.start)? == &1 { (header.start + 20, 8) } else { (header.start + 12, 4) };
        Some(Self {
            ticks_per_second: u64::from(be32(moov, times)?),
            duration: number(moov, times + 4, width)?,
            duration_field: (offset + times as u64 + 4, width),
            tracks: boxes(moov, all)
                .filter(|(kind, _)| kind == b"trak")
                .filter_map(|(_, content)| Track::parse(moov, content, offset))
                .collect(),
        })
    }

    fn edit_lists(&self) -> Option<EditLists> {
        let (movie, tracks) = (self.ticks_per_second, &self.tracks);
        let is_passed_over = |track: &Track| {
            let (own, whole) =
                (track.duration as u128 * movie as u128, self.duration as u128 * track.ticks_per_second as u128);
            track.is_video && own * 5 < whole
        };
        let lists = || tracks.iter().filter_map(|track| track.list.as_ref());
        if movie == 0
            || tracks.iter().any(|track| track.ticks_per_second == 0)
            || lists().any(|list| list.entries.is_empty())
        {
            return None;
        }
        let delayed = || tracks.iter().filter(|track| track.list.is_none() && track.delay > 0);
        if lists().next().is_none() && delayed().next().is_none() && !tracks.iter().any(is_passed_over) {
            return None;
        }
        let (place, width) = self.duration_field;
        // Without a length the demuxer compares no track with it.
        let mut patches = vec![Patch { offset: place, bytes: vec![0; width] }];
        patches.extend(lists().map(List::patch));
        // Nothing takes back the delay, so the last pictures lie behind the length that the track is said to have.
        patches.extend(delayed().map(Track::lengthened));
        let ends =
            delayed().map(|track| nanoseconds(track.duration.saturating_add(track.delay), track.ticks_per_second));
        let duration_ns = ends.chain([nanoseconds(self.duration, movie)]).max().unwrap_or_default();
        let edits: HashMap<_, _> = tracks.iter().filter_map(|track| Some((track.id, track.edits(movie)?))).collect();
        Some(EditLists {
            tracks: Arc::new(edits),
            patches: Arc::new(patches),
            duration: gst::ClockTime::from_nseconds(duration_ns),
        })
    }
}

impl Track {
    fn parse(moov: &[u8], trak: Range<usize>, offset: u64) -> Option<Self> {
        let header = find(moov, trak.clone(), b"tkhd")?;
        let id = be32(moov, header.start + if moov.get(header.start)? == &1 { 20 } else { 12 })?;
        let media = find(moov, trak.clone(), b"mdia")?;
        let times = find(moov, media.clone(), b"mdhd")?;
        let (at, width) = if moov.get(times.start)? == &1 { (times.start + 20, 8) } else { (times.start + 12, 4) };
        let handler = find(moov, media.clone(), b"hdlr")?;
        let delays = find(moov, media, b"minf")
            .and_then(|info| find(moov, find(moov, info, b"stbl")?, b"ctts"))
            .and_then(|content| moov.get(content.start + 8..content.end));
        let list = find(moov, trak, b"edts").and_then(|edits| find(moov, edits, b"elst"));
        Some(Self {
            id,
            is_video: moov.get(handler.start + 8..handler.start + 12)? == b"vide",
            ticks_per_second: u64::from(be32(moov, at)?),
            duration: number(moov, at + 4, width)?,
            duration_field: (offset + at as u64 + 4, width),
            delay: delays.map_or(0, longest_delay),
            list: list.and_then(|content| List::parse(moov, content, offset)),
        })
    }

    /// The length with the delay of the last pictures.
    fn lengthened(&self) -> Patch {
        let (offset, width) = self.duration_field;
        Patch { offset, bytes: self.duration.saturating_add(self.delay).to_be_bytes()[8 - width..].to_vec() }
    }

    /// The shown parts in order.
    fn edits(&self, movie: u64) -> Option<Vec<Edit>> {
        let (mut edits, mut shown_ns) = (Vec::new(), 0);
        for (duration, begin) in &self.list.as_ref()?.entries {
            let length_ns = nanoseconds(*duration, movie);
            if let Ok(begin) = u64::try_from(*begin) {
                let begin_ns = nanoseconds(begin, self.ticks_per_second);
                let end_ns = if *duration == 0 { NO_END_NS } else { begin_ns.saturating_add(length_ns) };
                edits.push(Edit { media: (begin_ns, end_ns), shown_ns, tick_ns: nanoseconds(1, movie) });
            }
            shown_ns = shown_ns.saturating_add(length_ns);
        }
        Some(edits)
    }
}

impl List {
    fn parse(moov: &[u8], content: Range<usize>, offset: u64) -> Option<Self> {
        let is_wide = moov.get(content.start)? == &1;
        let width = if is_wide { 8 } else { 4 };
        let count = be32(moov, content.start + 4)? as usize;
        let entries = moov.get(content.start + 8..content.end)?.chunks_exact(2 * width + 4).take(count);
        let entries = entries.filter_map(|entry| {
            let begin = number(entry, width, width)?;
            Some((number(entry, 0, width)?, if is_wide { begin as i64 } else { i64::from(begin as u32 as i32) }))
        });
        Some(Self { offset: offset + content.start as u64, is_wide, entries: entries.collect() })
    }

    fn is_one_piece(&self) -> bool {
        self.entries.iter().filter(|(_, begin)| *begin >= 0).count() <= 1
    }

    /// One entry that shows the whole track; what follows it in the box does not count.
    fn patch(&self) -> Patch {
        let (long, begin): (&[u8], &[u8]) = if self.is_wide {
            (&[0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff], &[0; 8])
        } else {
            (&[0x7f, 0xff, 0xff, 0xff], &[0; 4])
        };
        let bytes = [&[0, 0, 0, 1], long, begin, &[0, 1, 0, 0]].concat();
        Patch { offset: self.offset + 4, bytes }
    }
}

/// The longest of the delays in `entries`, each a number of pictures and their delay in ticks, which may be below zero.
fn longest_delay(entries: &[u8]) -> u64 {
    let delays = entries.chunks_exact(8).filter_map(|entry| be32(entry, 4));
    delays.map(|delay| u64::try_from(delay as i32).unwrap_or(0)).max().unwrap_or(0)
}

fn nanoseconds(ticks: u64, ticks_per_second: u64) -> u64 {
    let nanoseconds = u128::from(ticks) * 1_000_000_000 / u128::from(ticks_per_second.max(1));
    u64::try_from(nanoseconds).unwrap_or(NO_END_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_placed_by_the_edit_they_lie_in() {
        let edit = Edit { media: (1_000, 3_000), shown_ns: 500, tick_ns: 10 };
        assert_eq!(edit.place(1_000, 0), Some(500));
        assert_eq!(edit.place(2_500, 0), Some(2_000));
        assert_eq!(edit.place(999, 0), None, "a picture from before the cut");
        assert_eq!(edit.place(900, 200), Some(500), "sound across the cut");
        assert_eq!(edit.place(2_995, 0), None, "nearer to the end than it is told");
    }

    #[test]
    fn damage_is_no_edit_list() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.mp4");
        for bytes in
            [&b""[..], b"\0\0\0\x08moov", b"\0\0\0\x18ftypisom\0\0\0\0isomiso2", b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x01"]
        {
            std::fs::write(&file, bytes).unwrap();
            assert!(EditLists::of(&file).is_none());
        }
    }
}
