//! The kinds of source a user can name, and the head of the pipeline for each.

use std::fmt;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

use super::camera::{CameraRequest, Which};
use super::home::{Home, keep_http_at, keep_rtsp_at};
use super::{Pace, Wiring, animation, multipart, showcase, still};
use crate::error::{Error, Result};
use crate::gst::edit_list::EditLists;
use crate::gst::guard_decoders;
use crate::gst::matroska;
use crate::gst::template::Templates;
use crate::redact::redact;
use crate::url::{self, Url};

/// How long a connection may take when it is asked why no media came.
const ANSWER_PATIENCE: Duration = Duration::from_secs(3);

/// Addresses that are read. GStreamer knows others that open files by a side door, or that nobody can stop from opening.
const SCHEMES: [&str; 25] = [
    "http", "https", "rtsp", "rtspu", "rtspt", "rtsph", "rtsps", "rtspsu", "rtspst", "rtspsh", "rtmp", "rtmps",
    "rtmpt", "rtmpe", "rtmpte", "rtmpts", "srt", "rist", "udp", "rtp", "tcp", "mms", "mmsh", "mmst", "fd",
];

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
            "" => Err(Error::usage("a source has a name: camera, test, showcase, a file or an address")),
            _ => {
                if let Some(which) = text.strip_prefix("camera:") {
                    if which.is_empty() {
                        let advice = "camera:0, camera:NAME or camera:/dev/video0; `impasto devices` lists them";
                        return Err(Error::usage(format!("`{text}`: cameras are named {advice}")));
                    }
                    return Ok(Self::Camera(CameraRequest::new(Which::parse(which))));
                }
                // The file that such an address names, also where it is a picture.
                if text.starts_with("file:///")
                    && let Ok((path, None)) = gst::glib::filename_from_uri(text)
                {
                    return Ok(Self::File(path));
                }
                Ok(if text.contains("://") { Self::Url(text.into()) } else { Self::File(text.into()) })
            }
        }
    }

    /// What [`Source::parse`] reads as this one; none for a path that is no text, and for a camera that is known by what it is.
    pub fn written(&self) -> Option<String> {
        match self {
            Self::Showcase => Some("showcase".into()),
            Self::Test => Some("test".into()),
            Self::Camera(CameraRequest { which: Which::Known(_), .. }) => None,
            Self::Camera(CameraRequest { which, .. }) => Some(which.to_string()),
            Self::File(path) => path.to_str().map(Into::into),
            Self::Url(url) => Some(url.clone()),
        }
    }

    /// A source that can come back after it was lost.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Camera(_) | Self::Url(_))
    }

    /// A picture, which has no end.
    pub fn is_still(&self) -> bool {
        matches!(self, Self::File(path) if still::is_still(path))
    }

    /// Fails early, and in plain words, on what can be seen without GStreamer.
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::File(path) => check_file(path),
            Self::Url(url) => {
                let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase()).unwrap_or_default();
                let is_read = SCHEMES.contains(&scheme.as_str())
                    && gst::Element::make_from_uri(gst::URIType::Src, url, None).is_ok();
                let unread = || Error::input(format!("{url}: no installed GStreamer element reads such an address"));
                if is_read { Ok(()) } else { Err(unread()) }
            }
            _ => Ok(()),
        }
    }

    /// Why nothing comes of an address that is asked over TCP, if that is because nobody answers there.
    pub(super) fn why_unreachable(&self) -> Option<String> {
        let Self::Url(url) = self else { return None };
        let url = Url::parse(url)?;
        let usual = match url.scheme.to_ascii_lowercase().as_str() {
            "http" => 80,
            "https" => 443,
            "rtsp" | "rtspu" | "rtspt" | "rtsph" => 554,
            "rtsps" | "rtspsu" | "rtspst" | "rtspsh" => 322,
            _ => return None,
        };
        let (host, port) = (url.host, url.port.unwrap_or(usual));
        let addresses = match (url.bare_host(), port).to_socket_addrs() {
            Ok(addresses) => addresses,
            Err(error) => return Some(format!("{host} is not known: {error}; is the name right?")),
        };
        let errors = addresses.map(|address| TcpStream::connect_timeout(&address, ANSWER_PATIENCE).err());
        // It answers, or why the last of its addresses does not.
        let why = errors.collect::<Option<Vec<_>>>()?.pop()?;
        Some(format!("{host}:{port} does not answer: {why}; is the sender running, and the port right?"))
    }

    /// What can be the matter with an address from which nothing comes, for the user.
    pub fn advice(&self) -> String {
        let Self::Url(url) = self else { return String::new() };
        let Some(parts) = Url::parse(url) else { return String::new() };
        let (scheme, listens) = (parts.scheme.to_ascii_lowercase(), url.contains("mode=listener"));
        let port = parts.port.map(|port| format!(":{port}")).unwrap_or_default();
        let host = parts.host;
        match scheme.as_str() {
            "srt" if listens => format!(
                "; it was waited for a sender that calls {host}{port} of this machine over SRT: is it calling, with the same \
                 passphrase, and does no firewall keep UDP out?"
            ),
            "srt" => format!(
                "; {host}{port} was called over SRT, and nobody answered with a picture: does the sender listen there \
                 (mode=listener), with the same passphrase? For a sender that calls by itself, wait with \
                 srt://0.0.0.0{port} and ?mode=listener behind it"
            ),
            "udp" | "rtp" | "rist" => format!(
                "; it was waited for packets to {host}{port}: does the sender send them to this machine, and does no \
                 firewall keep UDP out?"
            ),
            _ => "; is the sender running?".into(),
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
                let bin =
                    templates.load("capture/camera", &[])?.build(&[("camera", "appsrc"), ("source", "decodebin")])?;
                guard_decoders(&bin);
                Ok(bin)
            }
            Self::File(path) if animation::is_animation(path) => {
                let bin = templates.load("capture/animation", &[])?.build(&[("animation", "appsrc")])?;
                animation::play_into(&bin, path, wiring.looped && wiring.pace == Pace::RealTime)?;
                Ok(bin)
            }
            Self::File(path) if still::is_still(path) => {
                // Painted as fast as it goes, a picture is one frame and no stream.
                let bin = match wiring.pace {
                    Pace::RealTime => {
                        templates.load("capture/still", &[("fps", &fps)])?.build(&[("picture", "appsrc")])?
                    }
                    Pace::Unlimited => templates.load("capture/animation", &[])?.build(&[("animation", "appsrc")])?,
                };
                still::show_in(&bin, path)?;
                Ok(bin)
            }
            Self::File(path) => {
                let uri = path
                    .canonicalize()
                    .map_err(|error| error.to_string())
                    .and_then(|path| gst::glib::filename_to_uri(path, None).map_err(|error| error.to_string()))
                    .map_err(|error| Error::input(format!("{}: {error}", path.display())))?;
                let media = media(templates, &uri, edit_lists.cloned(), wiring.redirects)?;
                if matroska::is_transparent(path)?
                    && let Some(decoder) = media.by_name("source")
                {
                    matroska::decode_transparency(&decoder);
                }
                Ok(media)
            }
            Self::Url(url) => media(templates, url, None, wiring.redirects),
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
            Self::Url(url) => f.write_str(&redact(url)),
        }
    }
}

/// How much of a network stream is buffered against jitter.
const RTSP_LATENCY_MS: u32 = 200;

/// How long an RTSP source may stay silent before it counts as lost.
const RTSP_TIMEOUT_US: u64 = 5_000_000;

/// Lists of addresses that GStreamer would follow: HLS, DASH, Smooth Streaming.
const LISTS: [&str; 3] = ["application/x-hls", "application/dash+xml", "application/vnd.ms-sstr+xml"];

/// The head of a pipeline that reads `uri`, and with `redirects` from where its web server, or a list there, leads to.
pub(super) fn media(
    templates: &Templates,
    uri: &str,
    edit_lists: Option<EditLists>,
    redirects: bool,
) -> Result<gst::Bin> {
    let uri = &*url::with_escaped_password(uri);
    let home = if redirects { None } else { Home::of(uri) };
    let bin = templates.load("capture/media", &[])?.build(&[("source", "uridecodebin")])?;
    let decoder = bin.by_name("source").unwrap_or_else(|| unreachable!("checked by build"));
    decoder.set_property("uri", uri);
    let rtsp_home = home.clone();
    decoder.connect("source-setup", false, move |values| {
        let source = values.get(1)?.get::<gst::Element>().ok()?;
        if source.factory().is_some_and(|factory| factory.name() == "rtspsrc") {
            source.set_property("latency", RTSP_LATENCY_MS);
            source.set_property("tcp-timeout", RTSP_TIMEOUT_US);
            source.set_property("timeout", RTSP_TIMEOUT_US);
            if let Some(home) = &rtsp_home {
                keep_rtsp_at(home.clone(), &source);
            }
        }
        if let Some(edit_lists) = &edit_lists {
            edit_lists.hide_from(&source);
        }
        None
    });
    // A local file may be a list of addresses: it is not followed.
    if is_local(uri) {
        decoder.connect("autoplug-continue", false, |values| {
            let caps = values.get(2).and_then(|caps| caps.get::<gst::Caps>().ok());
            let list = caps.as_ref().and_then(|caps| caps.structure(0)).map(|structure| structure.name().to_string());
            Some((!list.is_some_and(|list| LISTS.contains(&list.as_str()))).to_value())
        });
    }
    guard_decoders(&bin);
    if let Some(decoder) = decoder.dynamic_cast_ref::<gst::Bin>() {
        let is_local = is_local(uri);
        decoder.connect_deep_element_added(move |decoder, _, element| {
            match element.factory().map(|factory| factory.name().to_string()).as_deref() {
                Some("multipartdemux") => multipart::guard(element),
                Some("souphttpsrc") => {
                    if let Some(home) = &home {
                        keep_http_at(home.clone(), element, decoder);
                    }
                }
                // A list of addresses on another machine may name files of this one.
                Some("filesrc" | "giosrc") if !is_local => {
                    element.set_locked_state(true);
                    gst::element_error!(decoder, gst::ResourceError::NotAuthorized, ("it names files of this machine"));
                }
                _ => {}
            }
        });
    }
    Ok(bin)
}

fn is_local(uri: &str) -> bool {
    uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("file:"))
}

fn check_file(path: &Path) -> Result<()> {
    let metadata = std::fs::metadata(path).map_err(|error| Error::input(format!("{}: {error}", path.display())))?;
    if metadata.is_dir() {
        return Err(Error::input(format!("{} is a folder, not a media file", path.display())));
    }
    if metadata.file_type().is_fifo() {
        let what =
            "is a pipe, and a source is a file that can be read again; send to an address such as srt:// or udp://";
        return Err(Error::input(format!("{} {what}", path.display())));
    }
    if metadata.len() == 0 {
        return Err(Error::input(format!("{} is empty (0 bytes)", path.display())));
    }
    std::fs::File::open(path).map(|_| ()).map_err(|error| Error::input(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart() {
        assert!(Source::parse("").is_err());
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
