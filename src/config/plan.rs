//! The checked plan: settings resolved against what is really there, so that nothing fails later for a typo.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{
    Config, ExtraOutput, OnDemand, OutputConfig, PaintConfig, RuntimeConfig, SourceConfig, VirtualCameraConfig,
};
use crate::capture::Source;
use crate::capture::camera::{self, CameraWish};
use crate::control::HttpPlan;
use crate::engine::Palette;
use crate::error::{Error, Result};
use crate::gst::template::Templates;
use crate::output::virtual_camera::Device;
use crate::output::{RtspAccess, RtspAddress, VirtualCameraPlan, unused_path};
use crate::style::onnx::SessionOptions;
use crate::style::{Catalog, Choice, Look, PaintSize, Painter, Size};

/// Everything `impasto run` does, resolved.
#[derive(Debug, Clone)]
pub struct RunPlan {
    pub source: Source,
    pub looped: bool,
    pub sound: bool,
    /// Wanted size and rate of camera, showcase and test picture.
    pub wish: (Size, u32),
    pub paint: PaintPlan,
    pub templates: Templates,
    pub rtsp: Option<RtspAddress>,
    pub rtsp_access: RtspAccess,
    pub rtsp_kbps: u32,
    pub record: Option<PathBuf>,
    pub crf: u8,
    pub virtual_cameras: Vec<VirtualCameraPlan>,
    /// Releases the source while nobody watches.
    pub on_demand: bool,
    pub http: HttpPlan,
    /// Stops by itself after this time.
    pub duration: Option<Duration>,
}

/// How to paint, resolved.
#[derive(Debug, Clone)]
pub struct PaintPlan {
    pub look: Look,
    pub choice: Choice,
    /// All networks that a live change of the look may take.
    pub catalog: Catalog,
    pub size: PaintSize,
    pub session: SessionOptions,
}

impl RunPlan {
    /// # Errors
    /// A value that cannot be, or a network, style or folder that is not there.
    pub fn new(config: &Config, duration: Option<Duration>) -> Result<Self> {
        let virtual_cameras = virtual_cameras(&config.output.also)?;
        let source = source(&config.source, &virtual_cameras)?;
        let size = format!("{}x{}", config.source.width, config.source.height);
        let size = size.parse().map_err(|what| Error::usage(format!("[source] size: {what}")))?;
        if !(1..=240).contains(&config.source.fps) {
            return Err(Error::usage(format!("[source] fps = {}: 1 to 240 is possible", config.source.fps)));
        }
        let rtsp = match config.output.rtsp.as_str() {
            "off" | "" => None,
            address => Some(address.parse().map_err(|what| Error::usage(format!("rtsp: {what}; or \"off\"")))?),
        };
        Ok(Self {
            source,
            looped: config.source.r#loop,
            sound: config.source.sound,
            wish: (size, config.source.fps),
            paint: PaintPlan::new(&config.paint, &config.runtime)?,
            templates: templates(&config.runtime),
            rtsp,
            rtsp_access: rtsp_access(&config.output)?,
            rtsp_kbps: config.output.rtsp_kbps,
            record: set(&config.output.record).map(recording_file),
            crf: crf(config.output.crf)?,
            on_demand: match config.output.on_demand {
                OnDemand::Auto => !virtual_cameras.is_empty(),
                OnDemand::On => true,
                OnDemand::Off => false,
            },
            virtual_cameras,
            http: HttpPlan::new(
                config.control.http,
                &config.control.token,
                &config.control.hosts,
                config.control.recordings.clone(),
            )?,
            duration,
        })
    }
}

/// Where to record if nothing is to be destroyed that lies there already.
fn recording_file(wish: PathBuf) -> PathBuf {
    let path = unused_path(&wish);
    if path != wish {
        tracing::info!("{} is there already: recording into {}", wish.display(), path.display());
    }
    path
}

fn rtsp_access(output: &OutputConfig) -> Result<RtspAccess> {
    let (name, password) = (&output.rtsp_user, &output.rtsp_password);
    if name.is_empty() != password.is_empty() {
        return Err(Error::usage("rtsp_user and rtsp_password go together: set both in [output], or none"));
    }
    let user = (!name.is_empty()).then(|| (name.clone(), password.clone()));
    Ok(RtspAccess { user, certificate: set(&output.rtsp_certificate) })
}

/// The source, which must not be one of our own outputs.
fn source(config: &SourceConfig, outputs: &[VirtualCameraPlan]) -> Result<Source> {
    let source = match config.input.as_str() {
        "auto" if camera::is_any_there() => Source::parse("camera")?,
        "auto" => Source::Showcase,
        input => Source::parse(input)?,
    };
    let Source::Camera(CameraWish { which, .. }) = source else {
        return Ok(source);
    };
    if let Some(path) = camera::path_of(&which)
        && let Some(output) = outputs.iter().find(|output| output.device.is_at(&path))
    {
        return Err(Error::usage(format!("{which} is the virtual camera {output} itself; choose another source")));
    }
    Ok(Source::Camera(CameraWish { which, format: config.format, controls: config.controls.clone() }))
}

fn virtual_cameras(outputs: &[ExtraOutput]) -> Result<Vec<VirtualCameraPlan>> {
    let plan = |ExtraOutput::VirtualCamera(camera): &ExtraOutput| {
        let VirtualCameraConfig { device, size, mirror } = camera;
        let size = match size.as_str() {
            "stream" | "" => None,
            size => {
                let wrong = |what| Error::usage(format!("virtual-camera size: {what}; or \"stream\""));
                Some(size.parse().map_err(wrong)?)
            }
        };
        Ok(VirtualCameraPlan { device: Device::find(device)?, size, mirror: *mirror })
    };
    outputs.iter().map(plan).collect()
}

impl PaintPlan {
    /// # Errors
    /// An unknown network or style, or a size that is none.
    pub fn new(paint: &PaintConfig, runtime: &RuntimeConfig) -> Result<Self> {
        let network = (!paint.network.is_empty()).then_some(paint.network.as_str());
        let is_path = network.is_some_and(|network| Path::new(network).exists());
        let catalog = catalog(runtime);
        let mut catalog = if is_path { catalog.unwrap_or_default() } else { catalog? };
        let look = paint.look();
        let choice = catalog.choose(network, &look)?;
        if is_path {
            catalog.add(choice.network.clone());
        }
        Ok(Self { look, choice, catalog, size: paint.size, session: session_options(runtime) })
    }

    /// What a live stream may go over to.
    pub fn palette(&self) -> Palette {
        let Self { look, choice, catalog, size, session } = self.clone();
        Palette { look, choice, catalog, size, session }
    }

    /// Loads the network and says in the log which device runs it and why not a better one.
    pub fn open_painter(&self) -> Result<Painter> {
        let painter = Painter::open(&self.choice, self.size.room(), &self.session)?;
        let why = painter.passed_over();
        let why = if why.is_empty() { String::new() } else { format!(" (not {})", why.join("; not ")) };
        tracing::info!("painting on {}{why}", painter.device().name());
        Ok(painter)
    }
}

/// How the settings say that a network shall run.
pub fn session_options(runtime: &RuntimeConfig) -> SessionOptions {
    SessionOptions {
        device: runtime.device,
        threads: (runtime.threads > 0).then_some(runtime.threads),
        spin: false,
        library: set(&runtime.library),
    }
}

/// The catalog of the models folder.
pub fn catalog(runtime: &RuntimeConfig) -> Result<Catalog> {
    let folder = set(&runtime.models).or_else(|| nearby("models")).ok_or_else(|| {
        Error::model("no models folder here or beside the binary; name it with --models or IMPASTO_MODELS")
    })?;
    Catalog::open(&folder)
}

/// Templates of the named folder or of `pipelines` here; the built-in ones otherwise.
pub fn templates(runtime: &RuntimeConfig) -> Templates {
    Templates::new(set(&runtime.pipelines).or_else(|| nearby("pipelines")))
}

/// Checks a constant quality value.
pub fn crf(value: u8) -> Result<u8> {
    if value <= 51 { Ok(value) } else { Err(Error::usage(format!("crf = {value}: 0 (best) to 51 is possible"))) }
}

/// A folder in the working directory, beside the binary, or in the project that the binary was built in.
fn nearby(name: &str) -> Option<PathBuf> {
    let exe = std::env::current_exe().ok();
    let beside = exe.iter().flat_map(|exe| exe.ancestors().skip(1).take(3)).map(|folder| folder.join(name));
    std::iter::once(PathBuf::from(name)).chain(beside).find(|folder| folder.is_dir())
}

fn set(path: &Path) -> Option<PathBuf> {
    (!path.as_os_str().is_empty()).then(|| path.to_path_buf())
}
