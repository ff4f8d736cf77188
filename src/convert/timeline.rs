//! Which of GStreamer's times is the time in the file: frames and sound keep it, from the source to OUT.

use std::path::Path;

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::gst::change_segment;
use crate::gst::matroska::is_matroska;

/// How a demuxer's segments are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeline {
    /// The stream time: MP4 with its edit lists, and streams that begin anywhere.
    Stream,
    /// The time of the buffer. The Matroska demuxer lets its stream time count from the first frame, although the
    /// file may say that it comes later.
    Buffer,
    /// The time at which it is shown: what comes through a pipe.
    Running,
}

impl Timeline {
    pub fn of(input: &Path) -> Self {
        if is_matroska(input) { Self::Buffer } else { Self::Stream }
    }

    /// Where a decoded picture lies in the file; `None` where that is its running time.
    pub fn place(self, sample: &gst::Sample) -> Option<gst::ClockTime> {
        let pts = sample.buffer()?.pts()?;
        match self {
            Self::Stream => sample.segment()?.downcast_ref::<gst::ClockTime>()?.to_stream_time(pts),
            Self::Buffer => Some(pts),
            Self::Running => None,
        }
    }

    /// Changes the segment of a stream so that its running time, which muxers write, is its place in the file.
    pub fn apply(self, event: &mut gst::Event) {
        change_segment(event, |segment| {
            segment.set_base(match self {
                Self::Stream => segment.time()?,
                Self::Buffer => segment.start()?,
                Self::Running => return None,
            });
            Some(())
        });
    }
}

/// Lets the segments of the demuxers in `streams`, a `parsebin`, begin as early as there are times: those of MPEG streams begin
/// with the first picture, and parsers drop the sound before it.
pub fn keep_early_packets(streams: &gst::Element) {
    let Some(bin) = streams.dynamic_cast_ref::<gst::Bin>() else { return };
    bin.connect_element_added(|_, element| {
        if element.factory().is_some_and(|factory| factory.has_type(gst::ElementFactoryType::DEMUXER)) {
            element.connect_pad_added(|_, pad| {
                pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
                    if let Some(gst::PadProbeData::Event(event)) = &mut info.data {
                        change_segment(event, widen);
                    }
                    gst::PadProbeReturn::Ok
                });
            });
        }
    });
}

/// Moves the beginning of a segment, and its stream time with it.
fn widen(segment: &mut gst::FormattedSegment<gst::ClockTime>) -> Option<()> {
    let (start, time) = segment.start().zip(segment.time())?;
    let lead = start.min(time);
    segment.set_start(start - lead);
    segment.set_time(time - lead);
    Some(())
}
