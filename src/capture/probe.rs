//! Takes one picture out of a file, or only sees whether one comes out of it; and waits for the first one of any source.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver as Channel, SyncSender};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::{Capture, End, Pace, Reader, Receiver, Source, StreamFacts, Treatment, Wiring, by_ffmpeg};
use crate::error::{Error, Result};
use crate::gst::template::Templates;
use crate::style::Size;

/// How long a source may take until its first picture.
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens the file and decodes its first picture; what is known of it then.
///
/// # Errors
/// Why it cannot be painted: no media, damaged from the beginning, or without a picture.
pub fn first_picture_of(path: &Path, templates: Templates) -> Result<StreamFacts> {
    let (capture, ..) = open(path, Treatment::default(), templates)?;
    Ok(capture.facts())
}

/// Who reads the pictures of the film: GStreamer, where it can.
///
/// # Errors
/// As [`first_picture_of`].
pub fn reader_of(path: &Path, templates: Templates) -> Result<Reader> {
    open(path, Treatment::default(), templates).map(|(.., reader)| reader)
}

/// The picture that a film shows at `at`, BGRx, and the notes on it.
///
/// # Errors
/// As [`first_picture_of`], or the film is over by then, or cannot be entered in the middle.
pub fn picture_at(
    path: &Path,
    at: Duration,
    treatment: Treatment,
    templates: Templates,
) -> Result<(gst::Sample, Vec<String>)> {
    let at = gst::ClockTime::try_from(at).map_err(Error::input)?;
    let (capture, shown, _) = open(path, treatment, templates)?;
    let fail = |what: String| Error::input(format!("{}: {what}", path.display()));
    let seconds = |time: gst::ClockTime| time.nseconds() as f64 / 1e9;
    if let Some(duration) = capture.facts().duration.filter(|duration| at >= *duration && !at.is_zero()) {
        return Err(fail(format!("there is no picture at {} s: it is {:.2} s long", seconds(at), seconds(duration))));
    }
    if !at.is_zero() {
        let sought = capture.pipeline.seek_simple(gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE, at);
        sought.map_err(|_| fail("it can only be read from its beginning".into()))?;
    }
    capture.play()?;
    let shown = capture.wait_for(&shown)?;
    let shown = shown.ok_or_else(|| fail(format!("no picture came at {} s", seconds(at))))?;
    Ok((shown, capture.facts().notes))
}

/// A capture of the file that waits at its first picture, and what comes through it first once it plays. ffmpeg reads what GStreamer
/// does not.
fn open(path: &Path, treatment: Treatment, templates: Templates) -> Result<(Capture, Channel<gst::Sample>, Reader)> {
    let open = |reader| open_with(reader, path, treatment, templates.clone());
    open(Reader::GStreamer).or_else(|error| by_ffmpeg::instead(path, error, || open(Reader::FfmpegDecoder)))
}

fn open_with(
    reader: Reader,
    path: &Path,
    treatment: Treatment,
    templates: Templates,
) -> Result<(Capture, Channel<gst::Sample>, Reader)> {
    let (found, first) = mpsc::sync_channel(1);
    let (taken, shown) = mpsc::sync_channel(1);
    let wiring = Wiring {
        templates,
        pace: Pace::RealTime,
        looped: false,
        sound: false,
        requested: (Size::new(640, 360), 30),
        fixed_caps: None,
        treatment,
        reader,
        redirects: true,
        enter_at: None,
        receiver: Arc::new(First { found, taken }),
    };
    let capture = Capture::start(&Source::File(path.to_path_buf()), &wiring)?;
    capture.first_picture(&first)?;
    Ok((capture, shown, reader))
}

struct First {
    found: SyncSender<gst::Caps>,
    taken: SyncSender<gst::Sample>,
}

impl Receiver for First {
    fn ready(&self, caps: &gst::CapsRef) {
        // Only the first one is asked for.
        let _ = self.found.try_send(caps.to_owned());
    }

    fn picture(&self, sample: &gst::Sample, _: gst::ClockTime) -> Result<gst::FlowSuccess, gst::FlowError> {
        let _ = self.taken.try_send(sample.clone());
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
        self.wait_for(first)?.ok_or_else(|| {
            let (source, seconds) = (&self.description, begun.elapsed().as_secs());
            Error::input(if seconds == 0 {
                format!("{source}: it ends without a picture")
            } else {
                format!("{source}: no picture came in {seconds} s{}", self.source.advice())
            })
        })
    }

    /// Waits for what comes through `channel`; none if the source ends before, or lets wait too long.
    fn wait_for<T>(&self, channel: &Channel<T>) -> Result<Option<T>> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Ok(found) = channel.recv_timeout(Duration::from_millis(20)) {
                return Ok(Some(found));
            }
            match self.wait_for_end(Duration::ZERO) {
                Some(End::Failed(reason)) => return Err(Error::input(reason)),
                Some(End::Finished) => break,
                None => {}
            }
        }
        // It may have come just before the end of a very short file.
        Ok(channel.try_recv().ok())
    }
}
