//! What a stream's outputs shall be, resolved: opened when it starts, and compared when its config changes.

use std::path::{Path, PathBuf};
use std::sync::Once;

use super::{DisplayConfig, ExtraOutput, OnDemand, OutputConfig, PushConfig, VirtualCameraConfig, push_kbps};
use crate::capture::Source;
use crate::capture::camera::{self, CameraRequest};
use crate::control::PreviewAddress;
use crate::control::contract::OutputWish;
use crate::error::{Error, Result};
use crate::output::virtual_camera::Device;
use crate::output::{DisplayPlan, Fit, PushPlan, RtspAccess, RtspAddress, VirtualCameraPlan, WebRtc, WebRtcPlan};

/// What encoders take: below, there is no picture left; above, none obeys.
const RATES: std::ops::RangeInclusive<u32> = 10..=1_000_000;

/// The section `[output]` of one stream, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputsPlan {
    /// At most one RTSP path, one recording and one for browsers, then the virtual cameras and where it is pushed to.
    pub outputs: Vec<OutputPlan>,
    /// Who may watch over RTSP, and at which rate: also where a path is added later.
    pub access: RtspAccess,
    pub kbps: u32,
    /// How it is shown over WebRTC, also where that is added later.
    pub webrtc: WebRtcPlan,
    /// The quality of recordings, also of those that begin later.
    pub crf: u8,
    /// Releases the source while nobody watches.
    pub on_demand: bool,
}

/// One output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputPlan {
    Rtsp(RtspPlan),
    Record(PathBuf),
    VirtualCamera(VirtualCameraPlan),
    Push(PushPlan),
    WebRtc(WebRtcPlan),
    Display(DisplayPlan),
}

/// What the config says of outputs that are added while the stream runs.
#[derive(Debug, Clone, Default)]
pub struct WishSettings {
    access: RtspAccess,
    kbps: u32,
    webrtc: WebRtcPlan,
}

/// Where and how a stream is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtspPlan {
    pub address: RtspAddress,
    pub access: RtspAccess,
    pub kbps: u32,
}

impl RtspPlan {
    /// The address where clients find it.
    pub fn url(&self) -> String {
        format!("{}{}{}", self.access.scheme(), self.address.socket, self.address.path)
    }
}

impl OutputsPlan {
    /// # Errors
    /// A value that cannot be, or a virtual camera that is not there.
    pub fn new(config: &OutputConfig, stream: &str) -> Result<Self> {
        let access = rtsp_access(config)?;
        rate("rtsp_kbps", config.rtsp_kbps).map_err(Error::usage)?;
        let rtsp = match config.rtsp.as_str() {
            "off" | "" => None,
            address => {
                let wrong = |what| Error::usage(format!("rtsp: {what}; or \"off\""));
                let address = RtspAddress::for_stream(address, stream).map_err(wrong)?;
                Some(RtspPlan { address, access: access.clone(), kbps: config.rtsp_kbps })
            }
        };
        let also = config.also.iter().map(ExtraOutput::plan).collect::<Result<Vec<_>>>()?;
        let on_demand = match config.on_demand {
            OnDemand::Auto => also.iter().any(|output| output.virtual_camera().is_some()),
            OnDemand::On => true,
            OnDemand::Off => false,
        };
        let rtsp = rtsp.into_iter().map(OutputPlan::Rtsp);
        let record = set(&config.record).into_iter().map(OutputPlan::Record);
        let webrtc = webrtc(config, stream)?;
        let shown = (config.webrtc && has_webrtc()).then(|| OutputPlan::WebRtc(webrtc.clone()));
        let outputs = rtsp.chain(record).chain(shown).chain(also).collect();
        Ok(Self { outputs, access, kbps: config.rtsp_kbps, webrtc, crf: crf(config.crf)?, on_demand })
    }

    pub fn for_wishes(&self) -> WishSettings {
        WishSettings { access: self.access.clone(), kbps: self.kbps, webrtc: self.webrtc.clone() }
    }

    pub fn rtsp(&self) -> Option<&RtspPlan> {
        self.outputs.iter().find_map(|output| match output {
            OutputPlan::Rtsp(rtsp) => Some(rtsp),
            _ => None,
        })
    }

    pub fn record(&self) -> Option<&PathBuf> {
        self.outputs.iter().find_map(|output| match output {
            OutputPlan::Record(file) => Some(file),
            _ => None,
        })
    }

    pub fn virtual_cameras(&self) -> impl Iterator<Item = &VirtualCameraPlan> {
        self.outputs.iter().filter_map(OutputPlan::virtual_camera)
    }

    fn displays(&self) -> impl Iterator<Item = &DisplayPlan> {
        self.outputs.iter().filter_map(|output| match output {
            OutputPlan::Display(display) => Some(display),
            _ => None,
        })
    }

    /// # Errors
    /// The source is one of these outputs.
    pub fn refuse_own(&self, source: &Source) -> Result<()> {
        refuse_own(source, self.outputs.iter(), None)
    }

    /// # Errors
    /// `theirs` claims what this stream has; both streams are named.
    pub fn leaves_room_for(&self, theirs: &Self, [mine_of, theirs_of]: [&str; 2]) -> Result<()> {
        let clash = |what: String| {
            Err(Error::usage(format!("streams `{mine_of}` and `{theirs_of}` {what}: give each its own")))
        };
        if let (Some(mine), Some(theirs)) = (self.rtsp(), theirs.rtsp())
            && mine.address.socket == theirs.address.socket
        {
            if mine.address.path == theirs.address.path {
                return clash(format!("are both served at {}", mine.address));
            }
            if mine.access != theirs.access {
                return Err(Error::usage(format!(
                    "streams `{mine_of}` and `{theirs_of}` share the RTSP port {}: rtsp_user, rtsp_password and \
                     rtsp_certificate must be the same for both, or the port another",
                    mine.address.socket.port()
                )));
            }
        }
        if let Some(file) = self.record().filter(|file| theirs.record() == Some(*file)) {
            return clash(format!("are both recorded into {}", file.display()));
        }
        let shared = |camera: &&VirtualCameraPlan| theirs.virtual_cameras().any(|known| known.device == camera.device);
        if let Some(camera) = self.virtual_cameras().find(shared) {
            return clash(format!("both write to the virtual camera {}", camera.device));
        }
        let is_theirs = |mine: &&DisplayPlan| theirs.displays().any(|known| known.monitor == mine.monitor);
        match self.displays().find(is_theirs) {
            Some(display) => clash(format!("are both shown on the monitor {display}")),
            None => Ok(()),
        }
    }
}

impl OutputPlan {
    pub fn virtual_camera(&self) -> Option<&VirtualCameraPlan> {
        match self {
            Self::VirtualCamera(camera) => Some(camera),
            _ => None,
        }
    }

    /// What is asked for while the stream runs; none for a recording, which the recorder sees to.
    ///
    /// # Errors
    /// A value that cannot be, or a virtual camera that is not there.
    pub fn wished(wish: &OutputWish, stream: &str, settings: &WishSettings) -> Result<Option<Self>> {
        Ok(match wish {
            OutputWish::Rtsp { address, kbps } => {
                let address = RtspAddress::for_stream(address, stream).map_err(Error::usage)?;
                let kbps = rate("kbps", kbps.unwrap_or(settings.kbps)).map_err(Error::usage)?;
                let access = settings.access.clone();
                Some(Self::Rtsp(RtspPlan { address, access, kbps }))
            }
            OutputWish::VirtualCamera { device, size, mirror } => {
                let (device, size) = (device.clone(), size.clone());
                let camera = virtual_camera(&VirtualCameraConfig { device, size, mirror: *mirror });
                // The one who asks can name another.
                Some(Self::VirtualCamera(camera.map_err(Error::usage)?))
            }
            OutputWish::WebRtc {} => {
                WebRtc::check()?;
                Some(Self::WebRtc(settings.webrtc.clone()))
            }
            OutputWish::Push { url, kbps } => Some(push(url, kbps.unwrap_or_else(push_kbps))?),
            OutputWish::Display { monitor, fit } => Some(display(monitor, *fit)?),
            OutputWish::Recording { .. } => None,
        })
    }

    /// Both are at the same place, which only one can have.
    pub fn clashes_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Rtsp(mine), Self::Rtsp(theirs)) => mine.address == theirs.address,
            _ => self.takes_the_place_of(other),
        }
    }

    /// Both are served at one port.
    pub fn shares_a_port_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Rtsp(mine), Self::Rtsp(theirs)) => mine.address.socket.port() == theirs.address.socket.port(),
            _ => false,
        }
    }

    /// Both cannot be open at once: one stands where the other stood.
    pub fn takes_the_place_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Rtsp(_), Self::Rtsp(_))
            | (Self::Record(_), Self::Record(_))
            | (Self::WebRtc(_), Self::WebRtc(_)) => true,
            (Self::VirtualCamera(mine), Self::VirtualCamera(theirs)) => mine.device == theirs.device,
            (Self::Push(mine), Self::Push(theirs)) => mine.is_to(theirs),
            (Self::Display(mine), Self::Display(theirs)) => mine.monitor == theirs.monitor,
            _ => false,
        }
    }
}

impl ExtraOutput {
    /// # Errors
    /// A value that cannot be, or a virtual camera that is not there.
    pub fn plan(&self) -> Result<OutputPlan> {
        match self {
            Self::VirtualCamera(camera) => virtual_camera(camera).map(OutputPlan::VirtualCamera),
            Self::Push(PushConfig { url, kbps }) => push(url, *kbps),
            Self::Display(DisplayConfig { monitor, fit }) => display(monitor, *fit),
        }
    }
}

/// # Errors
/// The source is one of the outputs, or the preview: the stream would be painted again and again.
pub fn refuse_own<'a>(
    source: &Source,
    mut outputs: impl Iterator<Item = &'a OutputPlan>,
    preview: Option<&PreviewAddress>,
) -> Result<()> {
    match source {
        Source::Camera(CameraRequest { which, .. }) => {
            let Some(path) = camera::path_of(which) else { return Ok(()) };
            let found = outputs.filter_map(OutputPlan::virtual_camera).find(|output| output.device.is_at(&path));
            found.map_or(Ok(()), |output| {
                Err(Error::usage(format!("{which} is the virtual camera {output} itself; choose another source")))
            })
        }
        Source::Url(url)
            if preview.is_some_and(|preview| preview.is_at(url))
                || outputs.any(|output| matches!(output, OutputPlan::Rtsp(rtsp) if rtsp.address.is_at(url))) =>
        {
            Err(Error::usage(format!("{source} is what this stream itself serves; choose another source")))
        }
        _ => Ok(()),
    }
}

fn rtsp_access(config: &OutputConfig) -> Result<RtspAccess> {
    let (name, password) = (&config.rtsp_user, &config.rtsp_password);
    let both = "set both in [output], or none";
    match (name.is_empty(), password.is_empty()) {
        (false, true) => return Err(Error::usage(format!("rtsp_user `{name}` has no rtsp_password: {both}"))),
        (true, false) => return Err(Error::usage(format!("rtsp_password is set without rtsp_user: {both}"))),
        _ => {}
    }
    let user = (!name.is_empty()).then(|| (name.clone(), password.clone()));
    let access = RtspAccess { user, certificate: set(&config.rtsp_certificate) };
    access.check()?;
    Ok(access)
}

fn virtual_camera(camera: &VirtualCameraConfig) -> Result<VirtualCameraPlan> {
    let VirtualCameraConfig { device, size, mirror } = camera;
    let size = match size.as_str() {
        "stream" | "" => None,
        size => {
            let wrong = |what| Error::usage(format!("virtual-camera size: {what}; or \"stream\""));
            Some(size.parse().map_err(wrong)?)
        }
    };
    Ok(VirtualCameraPlan { device: Device::find(device)?, size, mirror: *mirror })
}

fn webrtc(config: &OutputConfig, stream: &str) -> Result<WebRtcPlan> {
    let path = format!("/api/v1/streams/{stream}/whep");
    let kbps = rate("webrtc_kbps", config.webrtc_kbps).map_err(Error::usage)?;
    match config.webrtc_viewers {
        0 => Err(Error::usage("webrtc_viewers = 0: nobody could watch; webrtc = false turns it off")),
        viewers => Ok(WebRtcPlan { path, kbps, viewers }),
    }
}

/// It is on by default, and must not keep a stream from starting where a package is missing.
fn has_webrtc() -> bool {
    static TOLD: Once = Once::new();
    let checked = WebRtc::check();
    if let Err(error) = &checked {
        TOLD.call_once(|| tracing::warn!("{error}; until then browsers get the preview without sound"));
    }
    checked.is_ok()
}

fn push(url: &str, kbps: u32) -> Result<OutputPlan> {
    let kbps = rate("kbps", kbps).map_err(Error::usage)?;
    PushPlan::new(url, kbps).map(OutputPlan::Push).map_err(Error::usage)
}

fn display(monitor: &str, fit: Fit) -> Result<OutputPlan> {
    if monitor.is_empty() {
        return Err(Error::usage("display: monitor = \"\" is none; name one of `impasto devices`, or \"primary\""));
    }
    Ok(OutputPlan::Display(DisplayPlan { monitor: monitor.into(), fit }))
}

/// Checks the rate of an encoder, in thousands of bits a second.
fn rate(key: &str, kbps: u32) -> Result<u32, String> {
    if RATES.contains(&kbps) {
        return Ok(kbps);
    }
    Err(format!("{key} = {kbps}: {} to {} is possible", RATES.start(), RATES.end()))
}

/// Checks a constant quality value.
pub fn crf(value: u8) -> Result<u8> {
    if value <= 51 { Ok(value) } else { Err(Error::usage(format!("crf = {value}: 0 (best) to 51 is possible"))) }
}

/// A path of the settings; an empty one is none.
pub(super) fn set(path: &Path) -> Option<PathBuf> {
    (!path.as_os_str().is_empty()).then(|| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_same_place_is_replaced() {
        let rtsp = |kbps| {
            let address = RtspAddress::for_stream("127.0.0.1:8554", "live").unwrap();
            OutputPlan::Rtsp(RtspPlan { address, access: RtspAccess::default(), kbps })
        };
        let record = |file: &str| OutputPlan::Record(file.into());
        assert!(rtsp(1).takes_the_place_of(&rtsp(2)));
        assert!(record("a.mkv").takes_the_place_of(&record("b.mkv")));
        assert!(!record("a.mkv").takes_the_place_of(&rtsp(1)));
        let camera = VirtualCameraPlan { device: Device::PipeWire, size: None, mirror: false };
        let mirrored = VirtualCameraPlan { mirror: true, ..camera.clone() };
        assert!(OutputPlan::VirtualCamera(mirrored).takes_the_place_of(&OutputPlan::VirtualCamera(camera.clone())));
        assert!(!OutputPlan::VirtualCamera(camera).takes_the_place_of(&rtsp(1)));
    }
}
