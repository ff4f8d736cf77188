//! How long a media file plays.

use std::path::Path;
use std::time::Duration;

use gstreamer as gst;
use gstreamer_pbutils::Discoverer;

/// A file that is read for longer than this shows no length.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(5);

/// The length that a player shows; none if the file does not play, or does not say.
pub fn length_of(file: &Path) -> Option<Duration> {
    let uri = gst::glib::filename_to_uri(file.canonicalize().ok()?, None).ok()?;
    let info = Discoverer::new(PATIENCE).ok()?.discover_uri(&uri).ok()?;
    info.duration().map(Duration::from)
}
