//! The kinds of source a user can name, and the head of the pipeline for each.

use std::fmt;
use std::path::{Path, PathBuf};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::camera::{CameraRequest, Which};
use super::{Wiring, animation, showcase};
use crate::error::{Error, Result};
use crate::gst::edit_list::EditLists;

/// Where frames come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A slow pan over the built-in photographs.
    Showcase,
    /// GStreamer's test picture.
    Test,
    Camera(CameraRequest),
    File(PathBuf),
    /// Anything GStreamer reads: rtsp://, http://, srt://, ...
    Url(String),
}

impl Source {
    /// Reads `showcase`, `test`, `camera`, `camera:` with index, path, name or id, a URL or a path.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "showcase" => Ok(Self::Showcase),
            "test" => Ok(Self::Test),
            "camera" => Ok(Self::Camera(CameraRequest::new(Which::Any))),
            _ => {
                if let Some(which) = text.strip_prefix("camera:") {
                    if which.is_empty() {
                        let advice = "camera:0, camera:NAME or camera:/dev/video0; `impasto devices` lists them";
                        return Err(Error::usage(format!("`{text}`: cameras are named {advice}")));
                    }
                    return Ok(Self::Camera(CameraRequest::new(Which::parse(which))));
                }
                Ok(if text.contains("://") { Self::Url(text.into()) } else { Self::File(text.into()) })
            }
        }
    }

    /// A source that can come back after it was lost.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Camera(_) | Self::Url(_))
    }

    /// Fails early, and in plain words, on what can be seen without GStreamer.
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::File(path) => check_file(path),
            Self::Url(url) => gst::Element::make_from_uri(gst::URIType::Src, url, None)
                .map(|_| ())
                .map_err(|_| Error::input(format!("{url}: no installed GStreamer element reads such an address"))),
            _ => Ok(()),
        }
    }

    /// The edit lists of a file that is read without them.
    pub(super) fn edit_lists(&self) -> Option<EditLists> {
        match self {
            Self::File(path) => EditLists::of(path),
            _ => None,
        }
    }

    /// The head of the pipeline.
    pub(super) fn build(&self, wiring: &Wiring, edit_lists: Option<&EditLists>) -> Result<gst::Bin> {
        let (size, fps) = wiring.requested;
        let (width, height, fps) = (size.width.to_string(), size.height.to_string(), fps.to_string());
        let templates = &wiring.templates;
        match self {
            Self::Showcase => {
                let bin = templates.load("capture/showcase", &[])?.build(&[("showcase", "appsrc")])?;
                showcase::draw_into(&bin, size, wiring.requested.1)?;
                Ok(bin)
            }
            Self::Test => {
                let values = [("width", width.as_str()), ("height", &height), ("fps", &fps)];
                templates.load("capture/test", &values)?.build(&[])
            }
            Self::Camera(_) => {
                templates.load("capture/camera", &[])?.build(&[("camera", "appsrc"), ("source", "decodebin")])
            }
            Self::File(path) if animation::is_gif(path) => {
                let bin = templates.load("capture/animation", &[])?.build(&[("animation", "appsrc")])?;
                animation::play_into(&bin, path)?;
                Ok(bin)
            }
            Self::File(path) => {
                let path = path.canonicalize().map_err(|error| Error::input(format!("{}: {error}", path.display())))?;
                let uri = gst::glib::filename_to_uri(&path, None)
                    .map_err(|error| Error::input(format!("{}: {error}", path.display())))?;
                media(wiring, &uri, edit_lists.cloned())
            }
            Self::Url(url) => media(wiring, url, None),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Showcase => f.write_str("showcase"),
            Self::Test => f.write_str("test picture"),
            Self::Camera(requested) => requested.which.fmt(f),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Url(url) => f.write_str(&without_password(url)),
        }
    }
}

/// How much of a network stream is buffered against jitter.
const RTSP_LATENCY_MS: u32 = 200;

/// How long an RTSP source may stay silent before it counts as lost.
const RTSP_TIMEOUT_US: u64 = 5_000_000;

fn media(wiring: &Wiring, uri: &str, edit_lists: Option<EditLists>) -> Result<gst::Bin> {
    let bin = wiring.templates.load("capture/media", &[])?.build(&[("source", "uridecodebin")])?;
    let decoder = bin.by_name("source").unwrap_or_else(|| unreachable!("checked by build"));
    decoder.set_property("uri", uri);
    decoder.connect("source-setup", false, move |values| {
        let source = values.get(1)?.get::<gst::Element>().ok()?;
        if source.factory().is_some_and(|factory| factory.name() == "rtspsrc") {
            source.set_property("latency", RTSP_LATENCY_MS);
            source.set_property("tcp-timeout", RTSP_TIMEOUT_US);
            source.set_property("timeout", RTSP_TIMEOUT_US);
        }
        if let Some(edit_lists) = &edit_lists {
            edit_lists.hide_from(&source);
        }
        None
    });
    Ok(bin)
}

fn check_file(path: &Path) -> Result<()> {
    let metadata = std::fs::metadata(path).map_err(|error| Error::input(format!("{}: {error}", path.display())))?;
    if metadata.is_dir() {
        return Err(Error::input(format!("{} is a folder, not a media file", path.display())));
    }
    if metadata.len() == 0 {
        return Err(Error::input(format!("{} is empty (0 bytes)", path.display())));
    }
    std::fs::File::open(path).map(|_| ()).map_err(|error| Error::input(format!("{}: {error}", path.display())))
}

/// An address fit for logs: user and password are left out.
fn without_password(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => match rest.split_once('@') {
            Some((_, host)) => format!("{scheme}://{host}"),
            None => url.to_string(),
        },
        None => url.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart() {
        assert_eq!(Source::parse("test").unwrap(), Source::Test);
        let camera = |which| Source::Camera(CameraRequest::new(which));
        assert_eq!(Source::parse("camera:2").unwrap(), camera(Which::Index(2)));
        assert_eq!(Source::parse("camera:/dev/video1").unwrap(), camera(Which::Path("/dev/video1".into())));
        assert_eq!(Source::parse("camera:front").unwrap(), camera(Which::Name("front".into())));
        assert_eq!(Source::parse("a/b.mp4").unwrap(), Source::File("a/b.mp4".into()));
        assert!(matches!(Source::parse("rtsp://h/x").unwrap(), Source::Url(_)));
        assert!(Source::parse("camera:").unwrap_err().to_string().contains("impasto devices"));
    }

    #[test]
    fn passwords_stay_out_of_the_log() {
        let source = Source::parse("rtsp://user:secret@camera.lan/stream").unwrap();
        assert_eq!(source.to_string(), "rtsp://camera.lan/stream");
    }
}
