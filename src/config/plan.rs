//! The checked plan: settings resolved against what is really there, so that nothing fails later for a typo.

use std::path::{Path, PathBuf};

use super::outputs::{OutputsPlan, set};
use super::{Config, ControlConfig, PaintConfig, RuntimeConfig, SourceConfig, StreamConfig};
use crate::capture::Source;
use crate::capture::camera::{self, CameraRequest};
use crate::control::{AllowedSources, HttpPlan, PreviewAddress};
use crate::environment;
use crate::error::{Error, Result};
use crate::gst::template::Templates;
use crate::machine::cores;
use crate::output::IceServers;
use crate::paintings::Gallery;
use crate::style::geometry::MAX_SIDE;
use crate::style::onnx::{MaskPlaces, SessionOptions, library, worker};
use crate::style::{Catalog, PaintPlan, Size};

/// More threads than this are a slip of the finger, for which the system has no room.
const MOST_THREADS: usize = 1024;

/// The word for no MIDI device.
pub const MIDI_OFF: &str = "off";

/// What `impasto run` does, checked.
#[derive(Debug, Clone)]
pub struct RunPlan {
    /// In the order of the config.
    pub streams: Vec<StreamConfig>,
    pub runtime: RuntimeConfig,
    pub control: ControlConfig,
    /// The networks that the streams and the HTTP server may paint with.
    pub catalog: Catalog,
    /// The paintings that are styles.
    pub gallery: Gallery,
    pub http: HttpPlan,
    /// A part of the name of the MIDI device.
    pub midi: Option<String>,
    pub ice: IceServers,
}

/// Everything about one stream, resolved against what is there now.
#[derive(Debug, Clone)]
pub struct StreamPlan {
    pub name: String,
    pub source: Source,
    pub looped: bool,
    pub sound: bool,
    /// Wanted size and rate of camera, showcase and test picture.
    pub requested: (Size, u32),
    pub paint: PaintPlan,
    pub templates: Templates,
    pub outputs: OutputsPlan,
    /// Whether web servers may send a source on to other addresses. Not where sources are limited: a server that is allowed
    /// could lead to one that is not.
    pub redirects: bool,
    /// Where its pictures are shown over HTTP, once that is known.
    pub preview: Option<PreviewAddress>,
}

impl RunPlan {
    /// Checks all streams and that none is in the way of another. A stream may lack what `may_come` later, such
    /// as a device, but has to be written right.
    ///
    /// # Errors
    /// A value that cannot be, or a network, style, device or folder that is not there; names that are no names, and
    /// streams that claim the same name, RTSP path, file or virtual camera.
    pub fn new(config: &Config, may_come: impl Fn(&Error) -> bool) -> Result<Self> {
        let streams = config.streams();
        let several = streams.len() > 1;
        let mut plans: Vec<StreamPlan> = Vec::new();
        for (place, stream) in streams.iter().enumerate() {
            stream.check_name()?;
            if streams[..place].iter().any(|other| other.name == stream.name) {
                let name = &stream.name;
                return Err(Error::usage(format!("[[stream]] name = `{name}`: two streams have it; rename one")));
            }
            match StreamPlan::new(stream, &config.runtime) {
                Ok(plan) => plans.push(plan),
                Err(error) if may_come(&error) && !matches!(error, Error::Usage(_)) => {}
                Err(error) if several => return Err(error.map_text(|text| format!("stream {}: {text}", stream.name))),
                Err(error) => return Err(error),
            }
        }
        for (place, plan) in plans.iter().enumerate() {
            let clash = |other: &StreamPlan| other.outputs.leaves_room_for(&plan.outputs, [&other.name, &plan.name]);
            plans[..place].iter().try_for_each(clash)?;
        }
        let (mut catalog, gallery) = (catalog(&config.runtime).unwrap_or_default(), gallery(&config.runtime));
        let looks: Vec<_> = plans.iter().map(|plan| plan.paint.look.clone()).collect();
        let networks = plans.into_iter().rev().map(|plan| plan.paint.choice.network);
        let elsewhere = networks.filter(|network| catalog.at(&network.path).is_none()).collect::<Vec<_>>();
        elsewhere.into_iter().for_each(|network| catalog.add(network));
        // What could not be was told with the stream.
        looks.iter().for_each(|look| drop(gallery.hang_for(&mut catalog, look)));
        gallery.hang(&mut catalog);
        let ControlConfig { http, osc: _, midi, token, hosts, recordings, sources, media, state, remember, stun, turn } =
            &config.control;
        if midi.trim().is_empty() {
            return Err(Error::usage(format!(
                "[control] midi = \"\": name a part of the device's name, or \"{MIDI_OFF}\""
            )));
        }
        let midi = (midi != MIDI_OFF).then(|| midi.clone());
        let ice = IceServers::new(stun, turn).map_err(|what| Error::usage(format!("[control] {what}")))?;
        let http = HttpPlan::new(*http, token, hosts, recordings.clone())?;
        let mut sources = sources.clone();
        if !sources.is_empty() {
            sources.extend(media.iter().map(|folder| folder.display().to_string()));
        }
        let (media, state) = (media.clone(), state_folder(state));
        let http =
            HttpPlan { sources: AllowedSources(sources), media, state, templates: templates(&config.runtime), ..http };
        if *remember && http.state.is_none() {
            return Err(Error::usage(
                "[control] remember = true: there is no folder to remember in; set [control] state",
            ));
        }
        Ok(Self {
            streams,
            runtime: config.runtime.clone(),
            control: config.control.clone(),
            catalog,
            gallery,
            http,
            midi,
            ice,
        })
    }
}

impl StreamPlan {
    /// # Errors
    /// A value that cannot be, or a network, style, device or folder that is not there.
    pub fn new(config: &StreamConfig, runtime: &RuntimeConfig) -> Result<Self> {
        let StreamConfig { name, source: from, paint, output, show, sound } = config;
        show.check()?;
        sound.check(from)?;
        let outputs = OutputsPlan::new(output, name)?;
        let source = source(from)?;
        outputs.refuse_own(&source)?;
        for (side, pixels) in [("width", from.width), ("height", from.height)] {
            if !(1..=MAX_SIDE).contains(&pixels) {
                return Err(Error::usage(format!("[source] {side} = {pixels}: 1 to {MAX_SIDE} is possible")));
            }
        }
        let size = Size::new(from.width, from.height);
        if !(1..=240).contains(&from.fps) {
            return Err(Error::usage(format!("[source] fps = {}: 1 to 240 is possible", from.fps)));
        }
        let paint = paint_plan(paint, runtime)?;
        paint.look.check_live()?;
        Ok(Self {
            name: name.clone(),
            source,
            looped: from.r#loop,
            sound: from.sound,
            requested: (size, from.fps),
            paint: PaintPlan { session: isolated_session_options(runtime), ..paint },
            templates: templates(runtime),
            outputs,
            redirects: true,
            preview: None,
        })
    }
}

/// The threads of stream number `place` out of `streams`: all together they take the budget of `[runtime] threads`, but
/// each has at least one.
pub fn threads(budget: usize, streams: usize, place: usize) -> usize {
    if streams == 1 {
        return budget;
    }
    let budget = if budget == 0 { cores() } else { budget };
    (budget / streams + usize::from(place < budget % streams)).max(1)
}

/// The source as the settings name it, found.
///
/// # Errors
/// There is no such source.
pub fn source(config: &SourceConfig) -> Result<Source> {
    let source = match config.input.as_str() {
        "auto" if camera::is_any_there() => Source::parse("camera")?,
        "auto" => Source::Showcase,
        input => Source::parse(input)?,
    };
    Ok(match source {
        Source::Camera(CameraRequest { which, .. }) => {
            Source::Camera(CameraRequest { which, format: config.format, controls: config.controls.clone() })
        }
        other => other,
    })
}

/// How to paint, as the settings say.
///
/// # Errors
/// An unknown network or style, or a size that is none.
pub fn paint_plan(paint: &PaintConfig, runtime: &RuntimeConfig) -> Result<PaintPlan> {
    if runtime.threads > MOST_THREADS {
        return Err(Error::usage(format!("[runtime] threads = {}: 0 to {MOST_THREADS} is possible", runtime.threads)));
    }
    let network = (!paint.network.is_empty()).then_some(paint.network.as_str());
    let is_path = network.is_some_and(|network| Path::new(network).exists());
    let catalog = catalog(runtime);
    let mut catalog = if is_path { catalog.unwrap_or_default() } else { catalog? };
    let (look, gallery) = (paint.look(), gallery(runtime));
    if let Some(network) = network {
        let network = catalog.network(network)?;
        let takes_any = network.style_image.is_some();
        if catalog.at(&network.path).is_none() {
            catalog.add(network);
        }
        if takes_any && look.styles.0.is_empty() {
            gallery.hang(&mut catalog);
        }
    }
    if !look.styles.0.is_empty() {
        gallery.hang_for(&mut catalog, &look)?;
    }
    let choice = catalog.choose(network, &look)?;
    Ok(PaintPlan { look, choice, size: paint.size, session: session_options(runtime) })
}

/// How the settings say that a network shall run.
pub fn session_options(runtime: &RuntimeConfig) -> SessionOptions {
    SessionOptions {
        device: runtime.device,
        precision: runtime.precision,
        threads: (runtime.threads > 0).then_some(runtime.threads),
        spin: false,
        library: set(&runtime.library),
        worker: None,
        mask: MaskPlaces { named: set(&runtime.mask_network), models: models_folder(runtime) },
    }
}

/// As [`session_options`], in a worker process for each network where the settings say so and the system can.
pub fn isolated_session_options(runtime: &RuntimeConfig) -> SessionOptions {
    SessionOptions { worker: runtime.isolate.then(worker::program).flatten(), ..session_options(runtime) }
}

/// The folder for what outlives the daemon: the one of the settings, of the service manager, or of the user.
fn state_folder(named: &Path) -> Option<PathBuf> {
    let user = || environment::path("XDG_STATE_HOME").or_else(|| Some(environment::path("HOME")?.join(".local/state")));
    set(named).or_else(|| environment::path("STATE_DIRECTORY")).or_else(|| Some(user()?.join("impasto")))
}

/// The folder of paintings in that of the state.
pub const PAINTINGS: &str = "paintings";

/// The catalog of the models folder that is named; without one of that which is near, and of the networks that were fetched.
pub fn catalog(runtime: &RuntimeConfig) -> Result<Catalog> {
    if let Some(folder) = set(&runtime.models) {
        return Catalog::open(&folder, &[]);
    }
    let folder = models_folder(runtime).ok_or_else(|| {
        Error::model("no models folder here or beside the binary; name it with --models or IMPASTO_MODELS")
    })?;
    let fetched = library::cache_folder().map(|cache| cache.join("networks"));
    Catalog::open(&folder, fetched.as_slice())
}

/// The paintings that the settings make styles.
pub fn gallery(runtime: &RuntimeConfig) -> Gallery {
    let folder = set(&runtime.paintings).or_else(|| Some(state_folder(Path::new(""))?.join(PAINTINGS)));
    let cache = library::cache_folder().map(|cache| cache.join("paintings"));
    Gallery::new(folder, cache, isolated_session_options(runtime))
}

fn models_folder(runtime: &RuntimeConfig) -> Option<PathBuf> {
    set(&runtime.models).or_else(|| nearby("models"))
}

/// Templates of the named folder or of `pipelines` here; the built-in ones otherwise.
pub fn templates(runtime: &RuntimeConfig) -> Templates {
    Templates::new(set(&runtime.pipelines).or_else(|| nearby("pipelines")))
}

/// A folder in the working directory, beside the binary, or in the project that the binary was built in.
fn nearby(name: &str) -> Option<PathBuf> {
    let exe = std::env::current_exe().ok();
    let beside = exe.iter().flat_map(|exe| exe.ancestors().skip(1).take(3)).map(|folder| folder.join(name));
    std::iter::once(PathBuf::from(name)).chain(beside).find(|folder| folder.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_share_the_threads_of_the_budget() {
        let shared = |budget, streams| (0..streams).map(|place| threads(budget, streams, place)).collect::<Vec<_>>();
        assert_eq!(shared(0, 1), [0], "one stream alone is left to ONNX Runtime");
        assert_eq!(shared(3, 1), [3]);
        assert_eq!(shared(8, 2), [4, 4]);
        assert_eq!(shared(8, 3), [3, 3, 2]);
        assert_eq!(shared(2, 3), [1, 1, 1]);
        assert_eq!(shared(0, 2).iter().sum::<usize>(), std::thread::available_parallelism().unwrap().get().max(2));
    }

    /// What is wrong with two streams, of which each entry says something.
    fn clash(first: &str, second: &str) -> String {
        crate::gst::init().unwrap();
        let text = format!("[source]\ninput = \"test\"\n[[stream]]\n{first}\n[[stream]]\n{second}\n");
        let plan = RunPlan::new(&Config::parse(&text).unwrap(), |_| true);
        plan.map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn streams_that_claim_the_same_are_both_named() {
        let (hall, lobby) = ("name = \"hall\"\n", "name = \"lobby\"\n");
        let with = |stream: &str, output: &str| format!("{stream}[stream.output]\n{output}");
        assert_eq!(clash(hall, lobby), "", "without a path, the name is the path");
        for (first, second, words) in [
            (hall.into(), hall.into(), "[[stream]] name = `hall`: two streams have it"),
            (hall.into(), "name = \"a b\"".into(), "letters, digits, - and _"),
            (
                with(hall, "rtsp = \"127.0.0.1:8554/a\""),
                with(lobby, "rtsp = \"127.0.0.1:8554/a\""),
                "streams `hall` and `lobby` are both served at rtsp://127.0.0.1:8554/a",
            ),
            (
                hall.into(),
                with(lobby, "rtsp_user = \"me\"\nrtsp_password = \"secret\""),
                "streams `hall` and `lobby` share the RTSP port 8554",
            ),
            (
                with(hall, "record = \"a.mkv\""),
                with(lobby, "record = \"a.mkv\""),
                "streams `hall` and `lobby` are both recorded into a.mkv",
            ),
            (hall.into(), with(lobby, "rtsp = \"8554\""), "stream lobby: rtsp: `8554` is no"),
        ] {
            let error = clash(&first, &second);
            assert!(error.contains(words), "{first}{second}{error}");
        }
        if cfg!(feature = "pipewire") {
            let camera = "also = [{ type = \"virtual-camera\", device = \"pipewire\" }]";
            let error = clash(&with(hall, camera), &with(lobby, camera));
            assert!(error.contains("streams `hall` and `lobby` both write to the virtual camera PipeWire"), "{error}");
        }
    }
}
