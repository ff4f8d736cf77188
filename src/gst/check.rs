//! What `impasto check` finds out with GStreamer: what a media file holds, and whether a launch template can be used.

use std::path::Path;

use gstreamer as gst;
use gstreamer_pbutils::prelude::*;
use gstreamer_pbutils::{Discoverer, DiscovererInfo, DiscovererResult, DiscovererStreamInfo};

use super::edit_list::EditLists;
use super::guard_decoders;
use super::template::{self, Templates};
use crate::error::{Error, Result};

/// How long a file may take to show its streams.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(20);

/// One line for each stream of a media file, the length first.
///
/// # Errors
/// No media, damaged, or without a picture.
pub fn media(path: &Path) -> Result<Vec<String>> {
    let fail = |what: String| Error::input(format!("{}: {what}", path.display()));
    let full = path.canonicalize().map_err(|error| fail(error.to_string()))?;
    let uri = gst::glib::filename_to_uri(&full, None).map_err(|error| fail(error.to_string()))?;
    let edit_lists = EditLists::of(&full);
    let length = edit_lists.as_ref().map(EditLists::duration);
    let discoverer = Discoverer::new(PATIENCE).map_err(|error| fail(error.to_string()))?;
    discoverer.connect_source_setup(move |_, source| {
        // Decoders come later, into a bin around the source.
        let around = std::iter::successors(source.parent(), |object| object.parent());
        around.filter_map(|object| object.downcast::<gst::Bin>().ok()).last().inspect(guard_decoders);
        if let Some(edit_lists) = &edit_lists {
            edit_lists.hide_from(source);
        }
    });
    let info =
        discoverer.discover_uri(&uri).map_err(|error| fail(error.message().trim_end_matches('.').to_string()))?;
    match info.result() {
        DiscovererResult::Ok => {}
        DiscovererResult::MissingPlugins => {
            return Err(fail("a stream needs a GStreamer plugin that is not installed".into()));
        }
        DiscovererResult::Timeout => return Err(fail(format!("shows no streams within {PATIENCE:.0}"))),
        other => return Err(fail(format!("cannot be read ({other:?})"))),
    }
    if info.video_streams().is_empty() {
        return Err(fail("has no picture to paint".into()));
    }
    Ok(describe(&info, length.or_else(|| info.duration())))
}

fn describe(info: &DiscovererInfo, length: Option<gst::ClockTime>) -> Vec<String> {
    let length = length.filter(|length| !length.is_zero());
    let mut lines = vec![length.map_or("length unknown".into(), |length| format!("length {length:.2}"))];
    for video in info.video_streams() {
        let (rate, aspect) = (video.framerate(), video.par());
        let mut line = format!("video {} {}x{}", codec(video.upcast_ref()), video.width(), video.height());
        if rate.numer() > 0 {
            line += &format!(", {:.6} frames a second", f64::from(rate.numer()) / f64::from(rate.denom()))
                .replace("000000", "0")
                .replace(".0 ", " ");
        }
        if aspect.numer() != aspect.denom() {
            line += &format!(", pixels {}:{}", aspect.numer(), aspect.denom());
        }
        lines.push(line);
    }
    for audio in info.audio_streams() {
        let (rate, channels) = (audio.sample_rate(), audio.channels());
        lines.push(format!("audio {} {rate} Hz, {channels} channels", codec(audio.upcast_ref())));
    }
    for subtitle in info.subtitle_streams() {
        lines.push(format!("subtitles {}", codec(subtitle.upcast_ref())));
    }
    lines
}

fn codec(stream: &DiscovererStreamInfo) -> String {
    codec_of(&stream.caps().unwrap_or_else(gst::Caps::new_empty))
}

/// What people call the codec of a stream.
pub fn codec_of(caps: &gst::Caps) -> String {
    if caps.is_fixed() {
        gstreamer_pbutils::pb_utils_get_codec_description(caps).to_string()
    } else {
        caps.structure(0).map(|structure| structure.name().to_string()).unwrap_or_default()
    }
}

/// Builds the elements of a template file, with the placeholders that the built-in template of its name has, and
/// looks for the named elements that this one has. Returns the template's name.
///
/// # Errors
/// A template that Impasto does not know, or what [`template::Template::build`] says.
pub fn launch(path: &Path) -> Result<String> {
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    let name = format!("{folder}/{}", path.file_stem().unwrap_or_default().to_string_lossy());
    let Some(built_in) = template::built_in(&name) else {
        return Err(Error::usage(format!(
            "{}: Impasto has no template `{name}`; it has {}",
            path.display(),
            template::names().collect::<Vec<_>>().join(", ")
        )));
    };
    let path = path.canonicalize().map_err(|error| Error::usage(format!("{}: {error}", path.display())))?;
    let root = path.parent().and_then(Path::parent).map(Path::to_path_buf);
    let samples: Vec<_> = placeholders(built_in).collect();
    let required: Vec<_> = named_elements(built_in).collect();
    Templates::new(root).load(&name, &samples)?.with_mux().build(&required)?;
    Ok(name)
}

/// Each placeholder of a template and something that can stand in its place: an element or a number.
fn placeholders(text: &str) -> impl Iterator<Item = (&str, &'static str)> {
    code(text).flat_map(|line| line.match_indices('{').map(move |(at, _)| (line, at))).filter_map(|(line, at)| {
        let name = line[at + 1..].split('}').next()?;
        Some((name, if line[..at].ends_with('=') { "32" } else { "identity" }))
    })
}

/// The named elements of a template that Impasto asks for, with their factories; other names are for readers.
fn named_elements(text: &str) -> impl Iterator<Item = (&str, &str)> {
    code(text).flat_map(|line| line.split('!')).filter_map(|element| {
        let factory = element.split_whitespace().next().filter(|factory| is_asked_for(factory))?;
        let name = element.split_whitespace().find_map(|word| word.strip_prefix("name="))?;
        Some((name, factory))
    })
}

/// Ends of the chain, payloaders, and filters that get their caps from Impasto.
fn is_asked_for(factory: &str) -> bool {
    let begins = ["app", "rtp", "capsfilter"].iter().any(|start| factory.starts_with(start));
    begins || ["bin", "sink"].iter().any(|end| factory.ends_with(end))
}

fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_template_passes_and_a_broken_one_does_not() {
        crate::gst::init().unwrap();
        for name in template::names() {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines").join(format!("{name}.launch"));
            assert_eq!(launch(&file).as_deref(), Ok(name));
        }
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("output");
        std::fs::create_dir(&output).unwrap();
        let cases = [
            (
                "rtsp",
                "appsrc name=picture ! x264enc bitrate={kpbs} ! rtph264pay name=pay0",
                "unknown placeholder `{kpbs}`",
            ),
            ("rtsp", "appsrc ! x264enc bitrate={kbps} ! rtph264pay name=pay0", "needs an element named `picture`"),
            ("rtps", "appsrc name=picture ! fakesink", "has no template `output/rtps`; it has capture/"),
        ];
        let picture = "videoconvert ! capsfilter name=size ! appsink name=frames";
        let file = folder.path().join("capture/picture.launch");
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        std::fs::write(&file, picture).unwrap();
        assert_eq!(launch(&file).as_deref(), Ok("capture/picture"), "only what is asked for must be there");
        for (name, text, message) in cases {
            let file = output.join(format!("{name}.launch"));
            std::fs::write(&file, text).unwrap();
            let error = launch(&file).expect_err(message).to_string();
            assert!(error.contains(message) && error.contains(&format!("{name}.launch")), "{error}");
        }
    }
}
