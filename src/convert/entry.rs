//! Entering a film: up to the first picture that is to be painted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gstreamer as gst;

use super::Conversion;
use super::cut::has_index;
use super::parts::Index;
use super::resume_gate::{Opener, Part, RECALLED_TIME, ResumeGate};
use super::timeline::Timeline;
use super::watchdog::{POLL, STALL_PATIENCE, stuck_reading};
use crate::capture::{Capture, End, Pace, Reader, Source, Wiring};
use crate::error::{Error, Result};
use crate::shutdown::Shutdown;
use crate::style::Size;

/// A file whose first picture to paint has come.
pub struct Entry {
    pub gate: Arc<ResumeGate>,
    pub capture: Capture,
    /// Behind the capture: whatever fails, the gate must open before that stops, whose thread may be waiting there.
    pub opener: Opener,
    /// Its caps; `None` if none is left after those painted before.
    pub first: Option<gst::Caps>,
}

/// Reads the file up to the first picture to paint, without decoding all that lies before it where that is possible.
///
/// # Errors
/// There is none, the file cannot be read, or it was interrupted.
pub fn enter(
    conversion: &Conversion,
    reader: Reader,
    before: &Index,
    in_place: bool,
    shutdown: &Shutdown,
) -> Result<Entry> {
    let cut = conversion.options.cut;
    let recalls = in_place && conversion.paint.remembers();
    let part = if recalls { cut.just_before(RECALLED_TIME) } else { cut };
    let read_from = (reader == Reader::GStreamer).then(|| part.read_from(&conversion.input)).flatten();
    let entry = enter_at(read_from, reader, conversion, before, in_place, shutdown)?;
    if entry.gate.is_late() { enter_at(None, reader, conversion, before, in_place, shutdown) } else { Ok(entry) }
}

fn enter_at(
    read_from: Option<gst::ClockTime>,
    reader: Reader,
    conversion: &Conversion,
    before: &Index,
    in_place: bool,
    shutdown: &Shutdown,
) -> Result<Entry> {
    let (input, cut) = (&conversion.input, conversion.options.cut);
    let last = before.last.map(|packet| packet.pts);
    let rate = conversion.options.rate;
    let remembers = conversion.paint.remembers();
    let part = Part { cut, rate, entered: read_from.is_some(), in_place, from_first: !has_index(input), remembers };
    let timeline = if reader == Reader::GStreamer { Timeline::of(input) } else { Timeline::Running };
    let (gate, opener) = ResumeGate::new(timeline, part, before.frames, last);
    let wiring = Wiring {
        templates: conversion.templates.clone(),
        pace: Pace::Unlimited,
        looped: false,
        sound: false,
        requested: (Size::new(640, 360), 30),
        fixed_caps: None,
        treatment: conversion.options.treatment,
        reader,
        redirects: true,
        enter_at: read_from,
        receiver: gate.clone(),
    };
    let capture = Capture::start(&Source::File(input.clone()), &wiring)?;
    let opener = opener;
    let first = first_picture(&capture, &gate, &opener, conversion, shutdown)?;
    Ok(Entry { gate, capture, opener, first })
}

/// Waits for the first picture to paint; `None` if there is none left after those painted before.
fn first_picture(
    capture: &Capture,
    gate: &ResumeGate,
    opener: &Opener,
    conversion: &Conversion,
    shutdown: &Shutdown,
) -> Result<Option<gst::Caps>> {
    let (input, cut) = (conversion.input.display(), conversion.options.cut);
    let (mut decoded, mut since) = (0, Instant::now());
    loop {
        if let Ok(caps) = opener.first.recv_timeout(POLL) {
            return Ok(Some(caps));
        }
        if shutdown.is_given() {
            return Err(Error::Interrupted("interrupted before the first frame".into()));
        }
        let end =
            if gate.is_over() || gate.is_late() { Some(End::Finished) } else { capture.wait_for_end(Duration::ZERO) };
        if let Some(end) = end {
            // The picture may have come just before the end.
            if let Ok(caps) = opener.first.try_recv() {
                return Ok(Some(caps));
            }
            return match end {
                End::Failed(reason) => Err(Error::input(reason)),
                End::Finished if gate.is_late() => Ok(None),
                End::Finished if gate.seen() > 0 => gate.check().map(|()| None),
                End::Finished if gate.decoded() == 0 => {
                    Err(Error::input(format!("{input}: there is no picture in it")))
                }
                End::Finished => {
                    let length = capture.facts().duration.map(|length| length.nseconds() as f64 / 1e9);
                    let length = length.map(|length| format!(": it is {length:.2} s long")).unwrap_or_default();
                    Err(Error::input(format!("{input}: there is no picture {cut}{length}")))
                }
            };
        }
        if gate.decoded() != decoded {
            (decoded, since) = (gate.decoded(), Instant::now());
        } else if since.elapsed() > STALL_PATIENCE {
            return Err(stuck_reading(&conversion.input, decoded));
        }
    }
}
