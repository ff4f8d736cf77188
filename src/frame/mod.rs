//! A frame on its way through Impasto, and the rings that carry it from thread to thread.

pub mod ring;

use std::time::Instant;

use gstreamer as gst;
use gstreamer_video as gst_video;

/// One slot of the ring: a mapped picture of the source with its times.
///
/// The pixels stay where GStreamer decoded them; the slot only holds the mapping, so a hand-over moves a
/// few words and copies no pixel.
#[derive(Default)]
pub struct Frame {
    /// The decoded picture, mapped for reading; `None` in a slot that waits on the free ring.
    pub picture: Option<gst_video::VideoFrame<gst_video::video_frame::Readable>>,
    /// Presentation time. Live: on the system clock all pipelines share. Files: running time from zero.
    pub pts: gst::ClockTime,
    /// How long the frame is shown, where the source says it.
    pub duration: Option<gst::ClockTime>,
    /// When the frame reached us, for latency figures.
    pub captured_at: Option<Instant>,
    /// Counts every frame the source delivered, dropped ones included; from 0.
    pub sequence: u64,
}

impl Frame {
    /// Lets go of the picture, so that the decoder gets its buffer back while the slot waits.
    pub fn clear(&mut self) {
        self.picture = None;
    }
}
