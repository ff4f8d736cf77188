//! The part of a film that is painted, `--start` to `--end`, and how sound, subtitles and chapters are cut to match.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use serde::{Deserialize, Serialize};

use super::chapters::{self, Chapter};
use crate::error::{Error, Result};
use crate::gst::{boxes, change_segment, matroska};
use crate::sync::Locked;

/// Times in a file are counted in ticks, and lie up to so far below what they stand for.
const ROUNDING: gst::ClockTime = gst::ClockTime::from_useconds(1);

/// Reading begins so long before the first picture that is wanted: pictures next to a key frame may need the one before.
const LEAD: Duration = Duration::from_secs(2);

/// What to paint of a film.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cut {
    start: Duration,
    end: Option<Duration>,
}

/// Where a picture lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Before,
    Within,
    Behind,
}

/// The part of a film that OUT holds, by the times of its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first picture, which OUT begins with.
    pub begin: gst::ClockTime,
    pub end: Option<gst::ClockTime>,
}

impl Cut {
    /// # Errors
    /// Nothing lies between the two times.
    pub fn new(start: Option<Duration>, end: Option<Duration>) -> Result<Self> {
        let start = start.unwrap_or_default();
        match end {
            Some(end) if end <= start => Err(Error::usage(format!(
                "--start {} s lies not before --end {} s",
                start.as_secs_f64(),
                end.as_secs_f64()
            ))),
            _ => Ok(Self { start, end }),
        }
    }

    /// Where it begins in the film.
    pub fn start(&self) -> Duration {
        self.start
    }

    /// How much this takes of a film that is so long.
    pub fn length(&self, whole: Duration) -> Duration {
        self.end.map_or(whole, |end| end.min(whole)).saturating_sub(self.start)
    }

    /// What lies between `from` and `from + length` in the part that this takes.
    pub fn part(&self, from: Duration, length: Duration) -> Self {
        let (start, end) = (self.start + from, self.start + from + length);
        Self { start, end: Some(self.end.map_or(end, |last| last.min(end))) }
    }

    /// All of the film, at the times it has.
    pub fn is_whole(&self) -> bool {
        *self == Self::default()
    }

    /// Where a picture of this time lies.
    pub fn place(&self, time: gst::ClockTime) -> Place {
        let time = Duration::from(time + ROUNDING);
        match self.end {
            Some(end) if time >= end => Place::Behind,
            _ if time < self.start => Place::Before,
            _ => Place::Within,
        }
    }

    /// The time of `lead` before it begins, and up to there.
    pub fn just_before(&self, lead: Duration) -> Self {
        Self { start: self.start.saturating_sub(lead), end: Some(self.start) }
    }

    /// Where to begin to read `input`; `None` for its beginning, which is exact for every kind of file.
    pub fn read_from(&self, input: &Path) -> Option<gst::ClockTime> {
        let from = self.start.checked_sub(LEAD).filter(|from| !from.is_zero())?;
        has_index(input).then_some(gst::ClockTime::try_from(from).ok()).flatten()
    }

    /// What OUT holds when its first picture has the time `begin`, and times are counted from `origin`; `None` if that is
    /// everything.
    pub fn window(&self, begin: gst::ClockTime, origin: gst::ClockTime) -> Option<Window> {
        let end = self.end.and_then(|end| gst::ClockTime::try_from(end).ok()).map(|end| end + origin);
        (!self.is_whole()).then_some(Window { begin, end })
    }
}

/// True for files that can be entered at any time, and whose times begin at 0.
pub fn has_index(input: &Path) -> bool {
    matroska::is_matroska(input) || boxes::is_in_boxes(input)
}

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = self.start.as_secs_f64();
        match self.end {
            Some(end) => write!(f, "from {start} s to {} s", end.as_secs_f64()),
            None => write!(f, "from {start} s on"),
        }
    }
}

impl Window {
    /// Lets through what `pad` carries within the window, and moves it to where it lies in OUT. The running time of the
    /// stream is its time in the file. OUT ends at `end`.
    pub fn apply_to(self, pad: &gst::Pad, end: Duration) {
        let stream = Mutex::new(Stream { end, ..Stream::default() });
        pad.add_probe(gst::PadProbeType::DATA_DOWNSTREAM, move |_, info| {
            let mut stream = stream.locked();
            let passes = match &mut info.data {
                Some(gst::PadProbeData::Event(event)) => stream.event(self, event),
                Some(gst::PadProbeData::Buffer(buffer)) => stream.packet(self, buffer),
                _ => true,
            };
            if passes {
                return gst::PadProbeReturn::Ok;
            }
            // `Drop` would free the data twice with this version of the bindings.
            info.flow_res = Ok(gst::FlowSuccess::Ok);
            gst::PadProbeReturn::Handled
        });
    }

    /// How long the part is of a film that lasts `duration`.
    pub fn length(self, duration: gst::ClockTime) -> gst::ClockTime {
        self.end.map_or(duration, |end| end.min(duration)).saturating_sub(self.begin)
    }

    /// How long a picture is shown that begins at `time` in OUT and is shown for `shown` in the film.
    pub fn shown(self, time: gst::ClockTime, shown: gst::ClockTime) -> gst::ClockTime {
        self.end.map_or(shown, |end| shown.min(end.saturating_sub(self.begin + time)))
    }

    /// The chapters of the window; the one that it begins in begins with it.
    pub fn chapters(self, chapters: Vec<Chapter>) -> Vec<Chapter> {
        let begin = Duration::from(self.begin);
        let is_over = |chapter: &Chapter| self.end.is_some_and(|end| chapter.start >= Duration::from(end));
        let earlier = chapters.iter().filter(|chapter| chapter.start <= begin).count().saturating_sub(1);
        let within = chapters.into_iter().skip(earlier).filter(|chapter| !is_over(chapter));
        within.map(|chapter| Chapter { start: chapter.start.saturating_sub(begin), ..chapter }).collect()
    }
}

/// One stream on its way through a window.
#[derive(Default)]
struct Stream {
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    is_text: bool,
    /// Where OUT ends.
    end: Duration,
    /// Where the last packet that told a time lay; those after it belong to it.
    passes: bool,
}

impl Stream {
    fn event(&mut self, window: Window, event: &mut gst::Event) -> bool {
        match event.view() {
            gst::EventView::Caps(caps) => {
                let is_sound = |caps: &gst::StructureRef| caps.name().starts_with("audio/");
                self.is_text = !caps.caps().structure(0).is_some_and(is_sound);
            }
            gst::EventView::Segment(_) => change_segment(event, |segment| {
                self.segment = Some(segment.clone());
                let begin = i64::try_from(window.begin.nseconds()).unwrap_or(i64::MAX);
                segment.offset_running_time(-begin).ok()
            }),
            // Matroska's muxer takes the chapters from it.
            gst::EventView::Toc(toc) => {
                let (toc, updated) = toc.toc_owned();
                let chapters = window.chapters(chapters::of_toc(&toc));
                *event = gst::event::Toc::builder(&chapters::to_toc(&chapters, self.end), updated).build();
            }
            // Nothing happens at a time that OUT does not have.
            gst::EventView::Gap(gap) => return self.lies_within(window, gap.get().0, None),
            _ => {}
        }
        true
    }

    fn packet(&mut self, window: Window, buffer: &mut gst::Buffer) -> bool {
        let Some(pts) = buffer.pts() else { return self.passes };
        // A subtitle that is shown already when the window begins is shown from there.
        let shown = buffer.duration().filter(|_| self.is_text);
        self.passes = self.lies_within(window, pts, shown);
        if self.passes && self.is_text {
            self.clip(window, buffer.make_mut(), pts);
        }
        self.passes
    }

    fn place(&self, pts: gst::ClockTime) -> Option<gst::ClockTime> {
        self.segment.as_ref()?.to_running_time(pts)
    }

    fn lies_within(&self, window: Window, pts: gst::ClockTime, shown: Option<gst::ClockTime>) -> bool {
        let Some(place) = self.place(pts) else { return false };
        let begins = place + ROUNDING >= window.begin || shown.is_some_and(|shown| place + shown > window.begin);
        begins && window.end.is_none_or(|end| place + ROUNDING < end)
    }

    fn clip(&self, window: Window, packet: &mut gst::BufferRef, pts: gst::ClockTime) {
        let Some(place) = self.place(pts) else { return };
        let early = window.begin.saturating_sub(place);
        let end = packet.duration().map(|shown| place + shown);
        let end = end.map(|end| window.end.map_or(end, |last| last.min(end)));
        packet.set_pts(pts + early);
        packet.set_duration(end.map(|end| end.saturating_sub(place + early)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn pictures_lie_before_within_or_behind() {
        let cut = Cut::new(Some(seconds(1.2)), Some(seconds(2.0))).unwrap();
        let place = |ns| cut.place(gst::ClockTime::from_nseconds(ns));
        assert_eq!((place(1_160_000_000), place(1_200_000_000)), (Place::Before, Place::Within));
        // 1.2 s in ticks of a clock that began elsewhere.
        assert_eq!((place(1_199_999_999), place(1_999_999_999)), (Place::Within, Place::Behind));
        assert!(Cut::new(Some(seconds(2.0)), Some(seconds(2.0))).is_err());
        assert!(Cut::new(None, None).unwrap().is_whole());
    }

    #[test]
    fn the_chapter_that_is_cut_into_begins_with_the_part() {
        let chapters = |starts: &[u64]| {
            starts.iter().map(|start| Chapter::new(Duration::from_secs(*start), format!("{start}"))).collect::<Vec<_>>()
        };
        let window = |begin, end| Window {
            begin: gst::ClockTime::from_seconds(begin),
            end: Some(gst::ClockTime::from_seconds(end)),
        };
        let of = |window: Window| {
            let found = window.chapters(chapters(&[0, 10, 20, 30]));
            found.into_iter().map(|chapter| (chapter.title, chapter.start.as_secs())).collect::<Vec<_>>()
        };
        let named = |expected: &[(&str, u64)]| {
            expected.iter().map(|(title, start)| (title.to_string(), *start)).collect::<Vec<_>>()
        };
        assert_eq!(of(window(12, 30)), named(&[("10", 0), ("20", 8)]));
        assert_eq!(of(window(20, 35)), named(&[("20", 0), ("30", 10)]));
        assert!(Window { begin: gst::ClockTime::from_seconds(5), end: None }.chapters(chapters(&[10])).len() == 1);
    }
}
