//! Opens a file as a source only to see whether a picture comes out of it, and waits for the first picture of any source.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver as Channel, SyncSender};
use std::time::{Duration, Instant};

use gstreamer as gst;

use super::{Capture, End, Pace, Receiver, Source, Wiring};
use crate::error::{Error, Result};
use crate::gst::template::Templates;
use crate::style::Size;

/// How long a source may take until its first picture.
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens the file and decodes its first picture.
///
/// # Errors
/// Why it cannot be painted: no media, damaged from the beginning, or without a picture.
pub fn first_picture_of(path: &Path, templates: Templates) -> Result<gst::Caps> {
    let (found, first) = mpsc::sync_channel(1);
    let wiring = Wiring {
        templates,
        pace: Pace::RealTime,
        looped: false,
        sound: false,
        requested: (Size::new(640, 360), 30),
        fixed_caps: None,
        receiver: Arc::new(First(found)),
    };
    Capture::start(&Source::File(path.to_path_buf()), &wiring)?.first_picture(&first)
}

struct First(SyncSender<gst::Caps>);

impl Receiver for First {
    fn ready(&self, caps: &gst::CapsRef) {
        // Only the first one is asked for.
        let _ = self.0.try_send(caps.to_owned());
    }

    fn picture(&self, _: &gst::Sample, _: gst::ClockTime) -> Result<gst::FlowSuccess, gst::FlowError> {
        Ok(gst::FlowSuccess::Ok)
    }

    fn sound(&self, _: &gst::Sample, _: gst::ClockTime) {}
}

impl Capture {
    /// Waits for the caps of the first picture, which come through `first`.
    ///
    /// # Errors
    /// The source fails, ends before, or lets wait too long.
    pub fn first_picture(&self, first: &Channel<gst::Caps>) -> Result<gst::Caps> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Ok(caps) = first.recv_timeout(Duration::from_millis(20)) {
                return Ok(caps);
            }
            match self.wait_for_end(Duration::ZERO) {
                Some(End::Failed(reason)) => return Err(Error::input(reason)),
                Some(End::Finished) => break,
                None => {}
            }
        }
        // The picture may have come just before the end of a very short file.
        first.try_recv().map_err(|_| {
            let (source, seconds) = (&self.description, begun.elapsed().as_secs());
            Error::input(if seconds == 0 {
                format!("{source}: it ends without a picture")
            } else {
                format!("{source}: no picture came in {seconds} s")
            })
        })
    }
}
