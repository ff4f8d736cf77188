//! Reads a finished recording as a player does: it must open, and hold the pictures that were counted.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::Container;
use crate::gst::bus;

/// What takes longer to read is long enough to be known to play.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// The pictures of a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Pictures {
    All(u64),
    /// It is too long to be read to its end.
    AtLeast(u64),
}

/// Counts the pictures that a player finds.
///
/// # Errors
/// Why it does not play.
pub fn pictures(file: &Path, container: Container) -> Result<Pictures, String> {
    let demuxer = match container {
        // Behind a queue: on its own it stops early at edit lists.
        Container::Mp4 | Container::Mov => "queue ! qtdemux",
        Container::Matroska | Container::WebM => "matroskademux",
    };
    let built = gst::parse::launch(&format!("filesrc name=file ! {demuxer} name=demuxer"));
    let pipeline = built.map_err(|error| error.message().to_string())?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| "no pipeline".to_string())?;
    if let Some(source) = pipeline.by_name("file") {
        source.set_property("location", file);
    }
    let count = Arc::new(AtomicU64::new(0));
    if let Some(demuxer) = pipeline.by_name("demuxer") {
        // Weak: the pipeline owns the closure.
        let (pipeline, count) = (pipeline.downgrade(), Arc::clone(&count));
        demuxer.connect_pad_added(move |_, pad| {
            if let Some(pipeline) = pipeline.upgrade() {
                drain(&pipeline, pad, &count);
            }
        });
    }
    let started = pipeline.set_state(gst::State::Playing);
    let end = pipeline.bus().and_then(|bus| bus::wait_for_end(&bus, PATIENCE));
    let _ = pipeline.set_state(gst::State::Null);
    let found = count.load(Ordering::Relaxed);
    match end {
        Some(Err(reason)) => Err(reason),
        Some(Ok(())) if found > 0 => Ok(Pictures::All(found)),
        None if found > 0 => Ok(Pictures::AtLeast(found)),
        _ => Err(started.map_or_else(|error| error.to_string(), |_| "there is no picture in it".into())),
    }
}

/// Lets a track flow away; counts what is picture.
fn drain(pipeline: &gst::Pipeline, pad: &gst::Pad, count: &Arc<AtomicU64>) {
    let Ok(sink) = gst::ElementFactory::make("fakesink").property("sync", false).property("async", false).build()
    else {
        return;
    };
    let _ = pipeline.add(&sink);
    let _ = sink.sync_state_with_parent();
    if let Some(end) = sink.static_pad("sink") {
        let _ = pad.link(&end);
    }
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    if caps.structure(0).is_some_and(|caps| caps.name().starts_with("video/")) {
        let count = Arc::clone(count);
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            count.fetch_add(1, Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_list_of_its_pictures_is_told_from_one_that_plays() {
        crate::gst::init().unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (name, container, muxer) in
            [("a.mp4", Container::Mp4, "mp4mux"), ("a.mkv", Container::Matroska, "matroskamux")]
        {
            let file = folder.path().join(name);
            let text = format!(
                "videotestsrc num-buffers=7 ! video/x-raw,width=64,height=64 ! x264enc ! h264parse ! {muxer} \
                 ! filesink location={}",
                file.display()
            );
            let pipeline = gst::parse::launch(&text).unwrap();
            pipeline.set_state(gst::State::Playing).unwrap();
            bus::wait_for_end(&pipeline.bus().unwrap(), PATIENCE).unwrap().unwrap();
            pipeline.set_state(gst::State::Null).unwrap();
            assert_eq!(pictures(&file, container), Ok(Pictures::All(7)), "{name}");
            std::fs::write(&file, b"\0\0\0\x20ftypmp42\0\0\0\0mp42mp41isomiso2").unwrap();
            assert!(pictures(&file, container).is_err(), "{name}");
        }
    }
}
