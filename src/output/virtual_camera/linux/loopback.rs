//! Writes frames to a v4l2loopback device: finds it, sets its format, keeps its output stream.

use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use v4l::v4l_sys;
use v4l::video::Output as _;

use super::Sink;
use super::viewers::Viewers;
use crate::error::{Error, Result};
use crate::output::idle::Usage;
use crate::style::Size;
use crate::v4l2::holders::holders;
use crate::v4l2::{self, Node};

/// The label that `auto` prefers among several loopback devices, and that the advice gives a new one.
const OUR_LABEL: &str = "Impasto";

/// How to get a device, for a machine that has none.
const LOAD_ADVICE: &str = "install the module (Debian, Ubuntu: `sudo apt install v4l2loopback-dkms`) and load it with \
    `sudo modprobe v4l2loopback exclusive_caps=1 card_label=Impasto` (exclusive_caps=1 because browsers offer only \
    devices that are nothing but a camera); or use `--camera-out pipewire`, which needs no module";

/// A loopback device that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loopback {
    pub path: PathBuf,
    pub label: String,
}

impl fmt::Display for Loopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.path.display(), self.label)
    }
}

/// All loopback devices.
pub fn loopbacks() -> Vec<Loopback> {
    v4l2::nodes().into_iter().filter(Node::is_loopback).map(Loopback::from).collect()
}

impl From<Node> for Loopback {
    fn from(node: Node) -> Self {
        Self { path: node.path, label: node.card }
    }
}

impl Loopback {
    /// Finds the device that `requested` means: "auto", a path, or a card label.
    ///
    /// # Errors
    /// There is none, or several; says how to load the module or which to name.
    pub fn find(requested: &str) -> Result<Self> {
        let nodes = v4l2::nodes();
        let found = choose(requested, &nodes).map_err(|what| {
            let path = Path::new(requested);
            let what =
                if v4l2::is_denied(path) { format!("{requested}: {}", v4l2::permission_advice(path)) } else { what };
            Error::output(format!("virtual camera: {what}"))
        })?;
        if found.captures && found.outputs {
            let path = found.path.display();
            tracing::warn!("{path} was loaded without exclusive_caps=1: Chromium and others will not offer it");
        }
        Ok(found.clone().into())
    }

    /// Opens the device for frames of `size` and holds its output stream.
    pub(super) fn open(&self, size: Size, fps: u32) -> Result<Writer> {
        Writer::open(self, size, fps)
    }
}

fn choose<'a>(requested: &str, nodes: &'a [Node]) -> Result<&'a Node, String> {
    let loopbacks: Vec<_> = nodes.iter().filter(|node| node.is_loopback()).collect();
    let names = || {
        let names = loopbacks.iter().map(|node| format!("{} ({})", node.path.display(), node.card));
        names.collect::<Vec<_>>().join(", ")
    };
    if requested.starts_with('/') {
        let path = std::fs::canonicalize(requested).unwrap_or_else(|_| requested.into());
        let node = nodes.iter().find(|node| node.path == path);
        return match node {
            Some(node) if node.is_loopback() => Ok(node),
            Some(node) => Err(format!("{requested} is no loopback device but {}", node.card)),
            None => Err(format!("there is no {requested}; {LOAD_ADVICE}")),
        };
    }
    if requested == "auto" {
        return match loopbacks.as_slice() {
            [] => Err(format!("there is no v4l2loopback device; {LOAD_ADVICE}")),
            [only] => Ok(only),
            several => {
                let ours: Vec<_> = several.iter().filter(|node| node.card == OUR_LABEL).collect();
                match ours.as_slice() {
                    [only] => Ok(only),
                    _ => Err(format!("there are several loopback devices: {}; name one with --camera-out", names())),
                }
            }
        };
    }
    let labelled: Vec<_> = loopbacks.iter().filter(|node| node.card == requested).collect();
    match labelled.as_slice() {
        [only] => Ok(only),
        [] if loopbacks.is_empty() => Err(format!("there is no v4l2loopback device; {LOAD_ADVICE}")),
        [] => Err(format!("no loopback device is labelled `{requested}`; there are {}", names())),
        _ => Err(format!("several loopback devices are labelled `{requested}`; name one by its path: {}", names())),
    }
}

/// An open device with its format set.
pub(super) struct Writer {
    device: v4l::Device,
    loopback: Loopback,
    viewers: Viewers,
}

impl Writer {
    fn open(loopback: &Loopback, size: Size, fps: u32) -> Result<Self> {
        let path = &loopback.path;
        let failed = |what: &str, error: &io::Error| {
            let why = match error.kind() {
                io::ErrorKind::PermissionDenied => v4l2::permission_advice(path),
                // A device with exclusive_caps=1 refuses a second writer's format as invalid.
                io::ErrorKind::ResourceBusy | io::ErrorKind::InvalidInput => busy(path),
                _ => error.to_string(),
            };
            Error::output(format!("virtual camera {loopback}: {what}: {why}"))
        };
        let device = v4l2::open(path).map_err(|error| failed("cannot be opened", &error))?;
        // Older modules let two programs write at once, and readers see their pictures in turns.
        if v4l2::is_only_a_camera(&device) && !holders(path).is_empty() {
            return Err(failed("is taken", &io::ErrorKind::ResourceBusy.into()));
        }
        let mut wanted = v4l2::format_of(size.width as u32, size.height as u32, b"YUYV");
        wanted.field = v4l_sys::v4l2_field_V4L2_FIELD_NONE;
        wanted.bytesperline = wanted.width * 2;
        wanted.sizeimage = wanted.bytesperline * wanted.height;
        // As webcams say it: sRGB primaries, BT.601, limited range.
        wanted.colorspace = v4l_sys::v4l2_colorspace_V4L2_COLORSPACE_SRGB;
        wanted.__bindgen_anon_1.ycbcr_enc = v4l_sys::v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_601;
        wanted.quantization = v4l_sys::v4l2_quantization_V4L2_QUANTIZATION_LIM_RANGE;
        let direction = v4l_sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT;
        let set =
            v4l2::set_format(&device, direction, wanted).map_err(|error| failed("does not take its format", &error))?;
        if (set.width, set.height, set.pixelformat) != (wanted.width, wanted.height, wanted.pixelformat) {
            let (width, height) = (set.width, set.height);
            return Err(Error::output(format!(
                "virtual camera {loopback}: it is held at {width}x{height} and does not take {size}: {}; or choose that \
                 size for the virtual camera in the config",
                busy(path)
            )));
        }
        let rate = v4l::video::output::Parameters::with_fps(fps);
        device.set_params(&rate).map_err(|error| failed("does not take its frame rate", &error))?;
        // Before 0.14 this is how the module knows a writer, and takes the camera away when it is gone. Later ones know by
        // the first frame, and refuse this.
        let _ = v4l2::start_streaming(&device, direction);
        Ok(Self { device, loopback: loopback.clone(), viewers: Viewers::watch(path) })
    }

    fn failed(&self, why: &str) -> Error {
        Error::output(format!("virtual camera {} stopped: {why}; trying again", self.loopback))
    }
}

impl Sink for Writer {
    /// The first frame makes the device a camera that others can open.
    fn write(&mut self, frame: &[u8]) -> Result<()> {
        let written = self.device.write(frame);
        match written {
            Ok(count) if count == frame.len() => Ok(()),
            Ok(count) => Err(self.failed(&format!("it took {count} of {} bytes", frame.len()))),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Err(self.failed(&busy(&self.loopback.path))),
            Err(error) => Err(self.failed(&error.to_string())),
        }
    }

    fn usage(&mut self) -> Usage {
        self.viewers.usage()
    }
}

fn busy(path: &Path) -> String {
    let users: Vec<_> = holders(path).iter().map(ToString::to_string).collect();
    match users.as_slice() {
        [] => "another program writes to it; stop that one, or name another device with --camera-out".into(),
        users => format!("{} has it open; close that, or name another device with --camera-out", users.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(index: u32, card: &str, driver: &str) -> Node {
        Node {
            index,
            path: format!("/dev/video{index}").into(),
            card: card.into(),
            driver: driver.into(),
            bus: String::new(),
            id: None,
            captures: false,
            outputs: true,
        }
    }

    #[test]
    fn by_path_by_label_or_the_only_one() {
        let webcam = node(0, "Webcam", "uvcvideo");
        let one = [webcam.clone(), node(10, "Dummy", "v4l2 loopback")];
        assert_eq!(choose("auto", &one).unwrap().index, 10);
        assert_eq!(choose("/dev/video10", &one).unwrap().index, 10);
        assert_eq!(choose("Dummy", &one).unwrap().index, 10);
        assert_eq!(choose("/dev/video0", &one).unwrap_err(), "/dev/video0 is no loopback device but Webcam");
        assert!(choose("Cam", &one).unwrap_err().contains("labelled `Cam`; there are /dev/video10 (Dummy)"));
        let two = [node(10, "Dummy", "v4l2 loopback"), node(11, "Impasto", "v4l2 loopback")];
        assert_eq!(choose("auto", &two).unwrap().index, 11);
        let strange = [node(10, "A", "v4l2 loopback"), node(11, "B", "v4l2 loopback")];
        assert!(choose("auto", &strange).unwrap_err().contains("several loopback devices: /dev/video10 (A)"));
        for requested in ["auto", "Impasto", "/dev/video77"] {
            let advice = choose(requested, std::slice::from_ref(&webcam)).unwrap_err();
            assert!(advice.contains("modprobe v4l2loopback exclusive_caps=1 card_label=Impasto"), "{advice}");
        }
    }
}
