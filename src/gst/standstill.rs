//! Notices a file that nobody reads any more although nobody said why.
//!
//! While decodebin or parsebin adds a demuxer, it keeps that one's errors to itself, and one that comes just then is told to
//! nobody: a damaged file would be waited for.

use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

/// How long the first picture of a file may take that has been read to its end.
const PATIENCE: Duration = Duration::from_secs(4);

/// Watches over a pipeline that has shown nothing yet.
#[derive(Debug, Default)]
pub struct Standstill {
    since: Option<Instant>,
}

impl Standstill {
    /// True if nobody has read for a while; ask a few times a second until something is shown.
    pub fn has_come(&mut self, pipeline: &gst::Pipeline) -> bool {
        if is_read(pipeline) {
            self.since = None;
            return false;
        }
        self.since.get_or_insert_with(Instant::now).elapsed() > PATIENCE
    }
}

/// A demuxer that pulls works on its sink pad, a source that pushes on its only one; queues always wait for more.
fn is_read(pipeline: &gst::Pipeline) -> bool {
    let mut elements = pipeline.iterate_recurse().into_iter().flatten();
    elements.any(|element| {
        let is_source = element.num_sink_pads() == 0;
        let may_read = |pad: &gst::Pad| is_source || pad.direction() == gst::PadDirection::Sink;
        element.pads().iter().any(|pad| may_read(pad) && pad.task_state() == gst::TaskState::Started)
    })
}
