//! Opens a finished file again and counts what is in it, before the parts it was made of are removed.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::error::Result;
use crate::gst::edit_list::EditLists;
use crate::gst::{bus, make};
use crate::output::Container;

/// How long reading through a file may take; hours of film take seconds.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(600);

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Packets of the first video track.
    pub pictures: u64,
    /// Sound tracks that have packets.
    pub sounds: usize,
}

impl Contents {
    /// Reads through the file at `path`.
    ///
    /// # Errors
    /// The words of the demuxer that cannot read it.
    pub fn of(path: &Path, container: Container) -> Result<Result<Self, String>> {
        let pipeline = gst::Pipeline::new();
        let source = make("filesrc")?;
        source.set_property("location", path);
        if let Some(edit_lists) = EditLists::of(path) {
            edit_lists.hide_from(&source);
        }
        let demuxer = make(container.demuxer())?;
        let streams: Arc<Mutex<Vec<(String, u64)>>> = Arc::default();
        let found = Arc::clone(&streams);
        let inside = pipeline.downgrade();
        demuxer.connect_pad_added(move |_, pad| {
            let Some(pipeline) = inside.upgrade() else { return };
            let number = {
                let mut streams = found.lock().unwrap_or_else(PoisonError::into_inner);
                streams.push((pad.name().to_string(), 0));
                streams.len() - 1
            };
            let counting = Arc::clone(&found);
            pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
                counting.lock().unwrap_or_else(PoisonError::into_inner)[number].1 += 1;
                gst::PadProbeReturn::Ok
            });
            // Unlinked streams would stop the demuxer.
            if let Ok(sink) = make("fakesink")
                && pipeline.add(&sink).is_ok()
                && let Some(end) = sink.static_pad("sink")
            {
                sink.set_property("async", false);
                let _ = sink.sync_state_with_parent();
                let _ = pad.link(&end);
            }
        });
        let built = pipeline.add_many([&source, &demuxer]).is_ok() && source.link(&demuxer).is_ok();
        let started = built && pipeline.set_state(gst::State::Playing).is_ok();
        let end = pipeline.bus().filter(|_| started).and_then(|bus| bus::wait_for_end(&bus, PATIENCE));
        let _ = pipeline.set_state(gst::State::Null);
        let streams = std::mem::take(&mut *streams.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(match end {
            Some(Ok(())) => Ok(Self {
                pictures: streams.iter().find(|(name, _)| name.starts_with("video")).map_or(0, |(_, packets)| *packets),
                sounds: streams.iter().filter(|(name, packets)| name.starts_with("audio") && *packets > 0).count(),
            }),
            Some(Err(reason)) => Err(reason),
            None => Err("it cannot be read to its end".into()),
        })
    }
}
