//! Launch templates: the GStreamer parts of Impasto as text that a user may edit.
//!
//! A template is a `gst-launch` description with `{placeholders}`; lines that start with `#` are comments.
//! A file in the templates folder replaces the built-in text of the same name.

use std::path::{Path, PathBuf};

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::error::{Error, Result};

/// The built-in templates by name; the files under `pipelines/` at the time of the build.
const BUILT_IN: &[(&str, &str)] = &[
    ("capture/animation", include_str!("../../pipelines/capture/animation.launch")),
    ("capture/camera", include_str!("../../pipelines/capture/camera.launch")),
    ("capture/media", include_str!("../../pipelines/capture/media.launch")),
    ("capture/picture", include_str!("../../pipelines/capture/picture.launch")),
    ("capture/showcase", include_str!("../../pipelines/capture/showcase.launch")),
    ("capture/sound", include_str!("../../pipelines/capture/sound.launch")),
    ("capture/still", include_str!("../../pipelines/capture/still.launch")),
    ("capture/test", include_str!("../../pipelines/capture/test.launch")),
    ("output/file", include_str!("../../pipelines/output/file.launch")),
    ("output/preview", include_str!("../../pipelines/output/preview.launch")),
    ("output/record", include_str!("../../pipelines/output/record.launch")),
    ("output/record-sound", include_str!("../../pipelines/output/record-sound.launch")),
    ("output/push-rtmp", include_str!("../../pipelines/output/push-rtmp.launch")),
    ("output/push-silence", include_str!("../../pipelines/output/push-silence.launch")),
    ("output/push-sound", include_str!("../../pipelines/output/push-sound.launch")),
    ("output/push-srt", include_str!("../../pipelines/output/push-srt.launch")),
    ("output/rtsp", include_str!("../../pipelines/output/rtsp.launch")),
    ("output/rtsp-sound", include_str!("../../pipelines/output/rtsp-sound.launch")),
    ("output/webrtc", include_str!("../../pipelines/output/webrtc.launch")),
    ("output/webrtc-sound", include_str!("../../pipelines/output/webrtc-sound.launch")),
];

/// The names of all templates: "capture/camera", ...
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// The built-in text of a template.
pub fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(built_in, _)| *built_in == name).map(|(_, text)| *text)
}

/// Where templates come from.
#[derive(Debug, Clone, Default)]
pub struct Templates {
    folder: Option<PathBuf>,
}

/// One template with its placeholders filled in.
#[derive(Debug, Clone)]
pub struct Template {
    /// The file it came from, or "built-in capture/test.launch".
    origin: String,
    text: String,
}

impl Templates {
    /// Templates of `folder` first, the built-in ones for those it lacks.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// Reads the template `name` ("output/rtsp") and fills in every `{placeholder}`.
    ///
    /// # Errors
    /// An unreadable file, or a placeholder that this template does not have; both name the file.
    pub fn load(&self, name: &str, values: &[(&str, &str)]) -> Result<Template> {
        let file = self.folder.as_ref().map(|folder| folder.join(format!("{name}.launch")));
        let (origin, raw) = match file.filter(|file| file.exists()) {
            Some(file) => (file.display().to_string(), read(&file)?),
            None => {
                let text = built_in(name).unwrap_or_else(|| unreachable!("there is no template {name}"));
                (format!("built-in {name}.launch"), text.to_string())
            }
        };
        let lines = raw.lines().filter(|line| !line.trim_start().starts_with('#'));
        let mut text = lines.collect::<Vec<_>>().join(" ").trim().to_string();
        for (placeholder, value) in values {
            text = text.replace(&format!("{{{placeholder}}}"), value);
        }
        if let Some(unknown) = leftover_placeholder(&text) {
            let known: Vec<_> = values.iter().map(|(name, _)| format!("{{{name}}}")).collect();
            return Err(Error::usage(format!(
                "{origin}: unknown placeholder `{{{unknown}}}`; this template may use {}",
                if known.is_empty() { "none".to_string() } else { known.join(", ") }
            )));
        }
        Ok(Template { origin, text })
    }
}

impl Template {
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The pipeline of this template and of `sound`, which ends in the muxer of this one: they can only be built together.
    /// With its launch text.
    ///
    /// # Errors
    /// They cannot, or there is no appsrc `sound` although it `has_sound`; the file is named.
    pub fn join(&self, sound: Option<&Self>, has_sound: bool) -> Result<(String, gst::Pipeline)> {
        let text = sound.map_or_else(|| self.text.clone(), |sound| format!("{} {}", self.text, sound.text));
        let named = sound.unwrap_or(self);
        let broken = |what: &str| Error::usage(format!("{}: {what}", named.origin));
        let pipeline = gst::parse::launch_full(&text, None, gst::ParseFlags::FATAL_ERRORS)
            .map_err(|error| broken(error.message()))?
            .downcast::<gst::Pipeline>()
            .map_err(|_| broken("does not describe a chain of elements"))?;
        if has_sound {
            named.check_element(pipeline.upcast_ref(), "sound", "appsrc")?;
        }
        Ok((text, pipeline))
    }

    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Adds an element that stands for the muxer of another template, if this one links to that.
    pub(super) fn with_mux(mut self) -> Self {
        if self.text.contains("mux.") && !self.text.contains("name=mux") {
            self.text.push_str(" identity name=mux");
        }
        self
    }

    /// Builds the elements. Unlinked pads at the ends become pads of the bin.
    ///
    /// # Errors
    /// Names the file and the element: one that is not installed, a property that does not exist, a link that
    /// cannot be, or one of `required` (name, factory) that is missing.
    pub fn build(&self, required: &[(&str, &str)]) -> Result<gst::Bin> {
        let mut context = gst::ParseContext::new();
        let flags = gst::ParseFlags::FATAL_ERRORS;
        let element = gst::parse::bin_from_description_full(&self.text, false, Some(&mut context), flags);
        let bin = element.map_err(|error| {
            let missing = context.missing_elements();
            if error.kind::<gst::ParseError>() == Some(gst::ParseError::NoSuchElement) && !missing.is_empty() {
                Error::usage(format!(
                    "{}: no element `{}` is installed; install its GStreamer plugin or edit the template",
                    self.origin,
                    missing.join("`, `")
                ))
            } else if let Some(name) = self.dangling_link() {
                Error::usage(format!("{}: no element is named `{name}`, to which `{name}.` links", self.origin))
            } else {
                Error::usage(format!("{}: {}", self.origin, error.message()))
            }
        })?;
        let bin = bin
            .downcast::<gst::Bin>()
            .map_err(|_| Error::usage(format!("{}: does not describe a chain of elements", self.origin)))?;
        for (direction, name) in [(gst::PadDirection::Sink, "sink"), (gst::PadDirection::Src, "src")] {
            expose_open_end(&bin, direction, name);
        }
        for (name, factory) in required {
            self.check_element(&bin, name, factory)?;
        }
        Ok(bin)
    }

    /// The first `name.` without an element of that name: GStreamer's own message calls it "(null)".
    fn dangling_link(&self) -> Option<&str> {
        let ends = self.text.split_whitespace().filter_map(|word| word.strip_suffix('.'));
        ends.filter(|name| !name.is_empty()).find(|name| !self.text.contains(&format!("name={name}")))
    }

    fn check_element(&self, bin: &gst::Bin, name: &str, factory: &str) -> Result<()> {
        let found = bin.by_name(name).and_then(|element| element.factory());
        match found {
            Some(found) if found.name() == factory => Ok(()),
            Some(found) => Err(Error::usage(format!(
                "{}: element `{name}` must be of type {factory}, but is a {}",
                self.origin,
                found.name()
            ))),
            None => {
                Err(Error::usage(format!("{}: needs an element named `{name}`: {factory} name={name}", self.origin)))
            }
        }
    }
}

/// Makes the first unlinked pad of that direction a pad of the bin.
///
/// GStreamer's own way to do it also finds pads within elements that are bins themselves, such as the end of the
/// decodebin that has nothing to decode yet.
fn expose_open_end(bin: &gst::Bin, direction: gst::PadDirection, name: &str) {
    let pads = bin.children().into_iter().flat_map(|element| element.pads());
    let open = pads.into_iter().find(|pad| pad.direction() == direction && !pad.is_linked());
    if let Some(ghost) = open.and_then(|pad| gst::GhostPad::builder_with_target(&pad).ok())
        && let Err(error) = bin.add_pad(&ghost.name(name).build())
    {
        unreachable!("a new bin has no pads: {error}");
    }
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).map_err(|error| Error::usage(format!("{}: {error}", file.display())))
}

/// The first `{word}` in `text`.
fn leftover_placeholder(text: &str) -> Option<&str> {
    text.split('{').skip(1).find_map(|rest| {
        let word = rest.split('}').next()?;
        let is_word = !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        (is_word && rest.contains('}')).then_some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build_text(text: &str) -> String {
        crate::gst::init().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("capture")).unwrap();
        std::fs::write(folder.path().join("capture/test.launch"), text).unwrap();
        let templates = Templates::new(Some(folder.path().to_path_buf()));
        let built = templates
            .load("capture/test", &[("width", "64")])
            .and_then(|template| template.build(&[("frames", "appsink")]));
        let message = built.err().map(|error| error.to_string()).unwrap_or_default();
        message.replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn a_good_template_builds() {
        assert_eq!(build_text("# a comment\nvideotestsrc !\n appsink name=frames"), "");
    }

    #[test]
    fn a_broken_template_names_its_file_and_element() {
        let missing = build_text("videotestsrc ! nosuchfilter ! appsink name=frames");
        assert!(missing.starts_with("capture/test.launch: no element `nosuchfilter` is installed"), "{missing}");
        let property = build_text("videotestsrc colour=red ! appsink name=frames");
        assert!(property.starts_with("capture/test.launch:") && property.contains("colour"), "{property}");
        let link = build_text("audiotestsrc ! videoconvert ! appsink name=frames");
        assert!(link.starts_with("capture/test.launch:") && link.contains("could not link"), "{link}");
        let unnamed = build_text("videotestsrc ! appsink");
        assert_eq!(unnamed, "capture/test.launch: needs an element named `frames`: appsink name=frames");
        let other = build_text("videotestsrc ! fakesink name=frames");
        assert_eq!(other, "capture/test.launch: element `frames` must be of type appsink, but is a fakesink");
        let dangling = build_text("videotestsrc ! nothing. appsink name=frames");
        assert_eq!(dangling, "capture/test.launch: no element is named `nothing`, to which `nothing.` links");
        let placeholder = build_text("videotestsrc ! video/x-raw,width={widht} ! appsink name=frames");
        assert_eq!(placeholder, "capture/test.launch: unknown placeholder `{widht}`; this template may use {width}");
    }
}
