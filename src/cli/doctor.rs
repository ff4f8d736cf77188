//! `impasto ctl doctor`: what of this machine works for Impasto, what is missing, and what cures it.

use std::path::Path;

use serde::Serialize;

use super::{PaintArgs, print_json, say};
use crate::capture::camera::{Which, cameras, permission_advice, unreadable};
use crate::config::{Config, RuntimeConfig, plan};
use crate::control::client::Client;
use crate::control::contract::{LIVE, StreamState, StreamStatus};
use crate::control::midi::{Missing, devices};
use crate::error::{Error, Result};
use crate::gst::encoder::{Bits, Codec, Encoder, Preset};
use crate::machine::free_bytes;
use crate::output::display::monitors;
use crate::output::virtual_camera::Device;
use crate::output::{RtspAddress, RtspServers};
use crate::paintings;
use crate::style::manifest::Manifest;
use crate::style::onnx::library;
use crate::style::{MaskFinder, mask};

/// Elements of GStreamer that Impasto is built on, by the Debian package that brings them.
const ELEMENTS: [(&str, &[&str]); 6] = [
    ("gstreamer1.0-plugins-base", &["uridecodebin", "videoconvert", "audioresample", "opusenc"]),
    ("gstreamer1.0-plugins-good", &["deinterlace", "rtph264pay", "rtspsrc", "souphttpsrc", "mp4mux", "matroskamux"]),
    ("gstreamer1.0-plugins-bad", &["h264parse", "hlsdemux", "mpegtsmux", "webrtcbin", "dtlssrtpenc"]),
    ("gstreamer1.0-nice", &["nicesrc"]),
    ("gstreamer1.0-plugins-ugly", &["x264enc"]),
    ("gstreamer1.0-libav", &["avdec_h264", "avdec_aac", "avenc_aac"]),
];

/// Programs that conversions call where they are there.
const PROGRAMS: [(&str, &str, &str); 2] = [
    (
        "ffmpeg",
        "ffmpeg",
        "without it, conversions lose dates, places, styled subtitles, fonts and sound of rarer kinds, and say so",
    ),
    ("heif-convert", "libheif-examples", "without it, HEIC and AVIF pictures are not read"),
];

/// Less free space than this ends a recording soon.
const SCARCE_BYTES: u64 = 1 << 30;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Finding {
    name: &'static str,
    state: State,
    what: String,
    /// A command or a step that helps.
    cure: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Works,
    /// Impasto does without.
    Absent,
    /// What was asked for, or what all else needs.
    Broken,
}

impl Finding {
    fn works(name: &'static str, what: impl Into<String>) -> Self {
        Self { name, state: State::Works, what: what.into(), cure: None }
    }

    fn absent(name: &'static str, what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { name, state: State::Absent, what: what.into(), cure: Some(cure.into()) }
    }

    fn broken(name: &'static str, what: impl Into<String>, cure: Option<String>) -> Self {
        Self { name, state: State::Broken, what: what.into(), cure }
    }
}

/// Looks at everything and tells it.
///
/// # Errors
/// Something is broken.
pub fn run(paint: PaintArgs, client: &Client, server: &str, json: bool) -> Result<()> {
    crate::gst::init()?;
    let mut config = Config::default();
    paint.apply(&mut config);
    let streams = client.get::<Vec<StreamState>>("/api/v1/streams");
    let mut findings = daemon(server, &streams);
    let runtime = &config.runtime;
    findings.extend([elements(), encoder(), library(runtime), networks(runtime), any_painting(runtime), mask(runtime)]);
    findings.extend([camera(), loopback(), pipewire(), monitor(), midi()]);
    if streams.is_err() {
        findings.push(rtsp_port(&config));
    }
    findings.push(disk(Path::new(".")));
    findings.extend(PROGRAMS.map(program));
    let broken = findings.iter().filter(|finding| finding.state == State::Broken).count();
    if json {
        print_json(&findings)?;
    } else {
        findings.iter().try_for_each(tell)?;
    }
    if broken > 0 {
        return Err(Error::model(format!(
            "{broken} of {} things do not work; what helps is said above",
            findings.len()
        )));
    }
    Ok(())
}

fn tell(finding: &Finding) -> Result<()> {
    let state = match finding.state {
        State::Works => "works",
        State::Absent => "absent",
        State::Broken => "BROKEN",
    };
    say!("{:<8} {:<16} {}", state, finding.name, finding.what)?;
    match &finding.cure {
        Some(cure) => say!("{:<25} -> {cure}", ""),
        None => Ok(()),
    }
}

/// The daemon, and each stream that does not run, or of which nothing is seen.
fn daemon(server: &str, streams: &Result<Vec<StreamState>>) -> Vec<Finding> {
    let streams = match streams {
        Ok(streams) => streams,
        Err(Error::Input(what)) => return vec![Finding::absent("daemon", what, "start it: impasto run")],
        Err(error) => return vec![Finding::broken("daemon", error.to_string(), None)],
    };
    let count = streams.len();
    let answers = format!("answers at {server}, with {count} stream{}", if count == 1 { "" } else { "s" });
    let down = streams.iter().filter_map(|stream| {
        let is_told = matches!(stream.status, StreamStatus::Failed | StreamStatus::Running);
        let why = stream.error.clone().filter(|_| is_told)?;
        let cure = "it is tried again by itself; or give it another source: impasto ctl source SOURCE";
        Some(Finding::broken("stream", format!("{}: {why}", stream.name), Some(cure.into())))
    });
    std::iter::once(Finding::works("daemon", answers)).chain(down).collect()
}

fn elements() -> Finding {
    let lacks = |elements: &&[&'static str]| -> Vec<&'static str> {
        elements.iter().copied().filter(|element| crate::gst::make(element).is_err()).collect()
    };
    let missing: Vec<_> = ELEMENTS
        .iter()
        .map(|(package, elements)| (*package, lacks(elements)))
        .filter(|(_, elements)| !elements.is_empty())
        .collect();
    if missing.is_empty() {
        let count: usize = ELEMENTS.iter().map(|(_, elements)| elements.len()).sum();
        return Finding::works("GStreamer", format!("all {count} elements that were looked for are there"));
    }
    let elements: Vec<_> = missing.iter().flat_map(|(_, elements)| elements.iter().copied()).collect();
    let packages: Vec<_> = missing.iter().map(|(package, _)| *package).collect();
    let cure = format!("sudo apt install {}", packages.join(" "));
    Finding::broken("GStreamer", format!("it lacks {}", elements.join(", ")), Some(cure))
}

fn encoder() -> Finding {
    match Encoder::choose(Codec::H264, 20, Preset::default(), Bits::Eight) {
        Ok(encoder) => Finding::works("encoder", encoder.to_string()),
        Err(error) => Finding::broken("encoder", error.to_string(), None),
    }
}

fn library(runtime: &RuntimeConfig) -> Finding {
    match library::load(plan::session_options(runtime).library.as_deref())
        .and_then(|(_, path)| Ok((library::version(path)?, path)))
    {
        Ok((version, path)) => Finding::works("ONNX Runtime", format!("{version} ({})", path.display())),
        Err(error) => Finding::broken("ONNX Runtime", error.to_string(), None),
    }
}

fn networks(runtime: &RuntimeConfig) -> Finding {
    match plan::catalog(runtime) {
        Ok(catalog) => Finding::works("networks", format!("{} styles to paint with", catalog.styles().count())),
        Err(error) => Finding::broken("networks", error.to_string(), None),
    }
}

/// Networks that paint like any painting.
fn any_painting(runtime: &RuntimeConfig) -> Finding {
    let name = "any painting";
    let Ok(catalog) = plan::catalog(runtime) else { return Finding::absent(name, "no networks", paintings::INSTALL) };
    let files = |network: &Manifest| std::iter::once(network.model_path()).chain(network.encoder_path());
    if let Some(missing) = catalog.takers().flat_map(files).find(|file| !file.is_file()) {
        return Finding::broken(name, format!("{} is missing", missing.display()), Some(paintings::INSTALL.into()));
    }
    let takers: Vec<_> = catalog.takers().map(|network| network.name.as_str()).collect();
    if takers.is_empty() {
        return Finding::absent(name, "no network paints like a picture that is given", paintings::INSTALL);
    }
    Finding::works(name, format!("{} (--style PICTURE)", takers.join(", ")))
}

/// The network that finds people.
fn mask(runtime: &RuntimeConfig) -> Finding {
    let options = plan::session_options(runtime);
    let there = mask::mask_network(&options.mask).and_then(|network| match network {
        Some(network) => MaskFinder::open(&options).map(|_| Some(network)),
        None => Ok(None),
    });
    match there {
        Ok(Some(network)) => Finding::works("mask", format!("{} finds people (--mask person)", network.name)),
        Ok(None) => Finding::absent("mask", "no network finds people", mask::INSTALL),
        Err(error) => Finding::broken("mask", error.to_string(), None),
    }
}

fn camera() -> Finding {
    let found: Vec<_> = cameras().into_iter().filter(|node| !node.is_loopback()).map(|node| node.card).collect();
    if let Some(path) = unreadable(&Which::Any).first() {
        return Finding::broken("camera", path.display().to_string(), Some(permission_advice(path)));
    }
    if found.is_empty() {
        return Finding::absent("camera", "none found", "plug one in; until then a showcase is painted");
    }
    Finding::works("camera", found.join(", "))
}

fn loopback() -> Finding {
    match Device::find("auto") {
        Ok(device) => Finding::works("virtual camera", device.to_string()),
        Err(error) => Finding::absent("virtual camera", "no v4l2loopback device", error.to_string()),
    }
}

fn monitor() -> Finding {
    let name = "monitor";
    let cure = "set DISPLAY, and XAUTHORITY if need be, as in the session that the monitor belongs to; then --display";
    match monitors() {
        Ok(found) if found.is_empty() => Finding::absent(name, "none is connected and on", "plug one in (--display)"),
        Ok(found) => {
            let names: Vec<_> = found.iter().map(ToString::to_string).collect();
            Finding::works(name, format!("{} (--display)", names.join(", ")))
        }
        Err(error) => Finding::absent(name, error.to_string(), cure),
    }
}

fn midi() -> Finding {
    let name = "MIDI";
    let cure = "plug one in, and set [control] midi to a part of its name";
    match devices() {
        Ok(found) if found.is_empty() => Finding::absent(name, "no device is connected", cure),
        Ok(found) => Finding::works(name, format!("{} ([control] midi)", found.join(", "))),
        Err(Missing { what, cure }) => Finding::absent(name, what, cure),
    }
}

fn pipewire() -> Finding {
    match Device::find("pipewire").and_then(|device| device.check()) {
        Ok(()) => Finding::works("PipeWire", "takes cameras (--camera-out pipewire)"),
        Err(error) => Finding::absent("PipeWire", "takes no camera", error.to_string()),
    }
}

/// The port that a daemon without a config takes.
fn rtsp_port(config: &Config) -> Finding {
    let address = RtspAddress::for_stream(&config.output.rtsp, LIVE).map_err(Error::usage);
    match address.and_then(|address| RtspServers::default().check(&address).map(|()| address)) {
        Ok(address) => Finding::works("RTSP port", format!("{} is free", address.socket)),
        Err(error) => Finding::broken("RTSP port", error.to_string(), None),
    }
}

fn disk(folder: &Path) -> Finding {
    match free_bytes(folder) {
        Ok(Some(free)) => {
            let what = format!("{:.1} GB free here", free as f64 / 1e9);
            let cure = || Some("make room, or record elsewhere: [control] recordings".into());
            if free < SCARCE_BYTES { Finding::broken("disk", what, cure()) } else { Finding::works("disk", what) }
        }
        Ok(None) => Finding::works("disk", "its file system does not tell how much is free"),
        Err(error) => Finding::broken("disk", error.to_string(), None),
    }
}

fn program((name, package, without): (&'static str, &'static str, &'static str)) -> Finding {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file()) {
        Some(path) => Finding::works(name, path.display().to_string()),
        None => Finding::absent(name, without, format!("sudo apt install {package}")),
    }
}
