//! The element: a video filter that paints each frame in the streaming thread.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer::subclass::prelude::*;
use gstreamer_base::prelude::*;
use gstreamer_base::subclass::BaseTransformMode;
use gstreamer_base::subclass::prelude::*;
use gstreamer_video as gst_video;
use gstreamer_video::VideoFrameRef;
use gstreamer_video::prelude::*;
use gstreamer_video::subclass::prelude::*;
use impasto::config::plan::paint_plan;
use impasto::error::{Error, Result};
use impasto::style::mask::MaskFinder;
use impasto::style::tensor::{Pixels, PixelsMut};
use impasto::style::{Choice, PaintPlan, Painter, Size};
use impasto::sync::Locked;

use super::layout::{FORMATS, Layout};
use super::log::CATEGORY;
use super::places;
use super::properties::{self, Settings};

#[derive(Default)]
pub struct ImpastoStyle {
    settings: Mutex<Set>,
    /// Between start and stop. Only the streaming thread holds it while it paints.
    painting: Mutex<Option<Painting>>,
    /// How long one picture takes, in nanoseconds.
    takes_ns: AtomicU64,
}

#[derive(Default)]
struct Set {
    now: Settings,
    /// Changed since the last frame.
    is_new: bool,
    /// A property was given what it cannot be before anybody could be told.
    refused: Option<String>,
}

struct Painting {
    settings: Settings,
    plan: PaintPlan,
    painter: Painter,
    /// Since the caps are known.
    layout: Option<Layout>,
}

#[glib::object_subclass]
impl ObjectSubclass for ImpastoStyle {
    const NAME: &'static str = "GstImpastoStyle";
    type Type = super::ImpastoStyle;
    type ParentType = gst_video::VideoFilter;
}

impl ObjectImpl for ImpastoStyle {
    fn properties() -> &'static [glib::ParamSpec] {
        properties::all()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
        let mut set = self.settings.locked();
        let refused = set.now.set(spec.name(), value).err().map(|what| format!("{}: {what}", spec.name()));
        set.is_new |= refused.is_none();
        if let Some(what) = &refused {
            gst::warning!(CATEGORY, imp = self, "{what}");
        }
        set.refused = refused.or(set.refused.take().filter(|what| !what.starts_with(spec.name())));
    }

    fn property(&self, _id: usize, spec: &glib::ParamSpec) -> glib::Value {
        self.settings.locked().now.get(spec.name())
    }
}

impl GstObjectImpl for ImpastoStyle {}

impl ElementImpl for ImpastoStyle {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Neural style painter",
                "Filter/Effect/Video",
                "Paints each frame with a neural style network",
                "The Impasto authors",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = gst_video::VideoCapsBuilder::new().format_list(FORMATS).build();
            let template = |name, direction| gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps);
            [("sink", gst::PadDirection::Sink), ("src", gst::PadDirection::Src)]
                .into_iter()
                .map(|(name, direction)| template(name, direction).expect("caps of raw video make a template"))
                .collect()
        });
        &TEMPLATES
    }
}

impl BaseTransformImpl for ImpastoStyle {
    const MODE: BaseTransformMode = BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    /// Loads the network, so that what cannot be painted is told before a frame has come.
    fn start(&self) -> std::result::Result<(), gst::ErrorMessage> {
        let told = |what: String| gst::error_msg!(gst::LibraryError::Settings, ("{what}"));
        let settings = {
            let mut set = self.settings.locked();
            set.is_new = false;
            match set.refused.take() {
                Some(what) => return Err(told(what)),
                None => set.now.clone(),
            }
        };
        let painting = Painting::open(settings, self.plugin()).map_err(|error| told(error.to_string()))?;
        if let Some(note) = painting.plan.note() {
            gst::warning!(CATEGORY, imp = self, "{note}");
        }
        *self.painting.locked() = Some(painting);
        Ok(())
    }

    fn stop(&self) -> std::result::Result<(), gst::ErrorMessage> {
        *self.painting.locked() = None;
        Ok(())
    }

    fn before_transform(&self, frame: &gst::BufferRef) {
        let segment = self.obj().segment();
        let time = segment.downcast_ref::<gst::ClockTime>().and_then(|segment| segment.to_stream_time(frame.pts()));
        if let Some(time) = time {
            let _ = self.obj().sync_values(time);
        }
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        let is_answered = BaseTransformImplExt::parent_query(self, direction, query);
        if is_answered
            && direction == gst::PadDirection::Src
            && let gst::QueryViewMut::Latency(latency) = query.view_mut()
        {
            let (is_live, least, most) = latency.result();
            let takes = gst::ClockTime::from_nseconds(self.takes_ns.load(Ordering::Relaxed));
            latency.set(is_live, least + takes, most.map(|most| most + takes));
        }
        is_answered
    }
}

impl VideoFilterImpl for ImpastoStyle {
    fn set_info(
        &self,
        _: &gst::Caps,
        info: &gst_video::VideoInfo,
        _: &gst::Caps,
        _: &gst_video::VideoInfo,
    ) -> std::result::Result<(), gst::LoggableError> {
        let layout = Layout::of(info).map_err(|error| gst::loggable_error!(CATEGORY, "{error}"))?;
        let mut painting = self.painting.locked();
        let painting = painting.as_mut().ok_or_else(|| gst::loggable_error!(CATEGORY, "caps without a start"))?;
        let size = Size::new(info.width() as usize, info.height() as usize);
        let takes = painting.prepare(layout, size).map_err(|error| {
            gst::element_imp_error!(self, gst::LibraryError::Failed, ("{error}"));
            gst::loggable_error!(CATEGORY, "{error}")
        })?;
        gst::info!(CATEGORY, imp = self, "a picture of {size} takes {takes:?}");
        self.takes_ns.store(takes.as_nanos() as u64, Ordering::Relaxed);
        let _ = self.obj().post_message(gst::message::Latency::builder().src(&*self.obj()).build());
        Ok(())
    }

    fn transform_frame(
        &self,
        source: &VideoFrameRef<&gst::BufferRef>,
        painted: &mut VideoFrameRef<&mut gst::BufferRef>,
    ) -> std::result::Result<gst::FlowSuccess, gst::FlowError> {
        let mut painting = self.painting.locked();
        let painting = painting.as_mut().ok_or(gst::FlowError::NotNegotiated)?;
        self.take_changes(painting);
        match painting.paint(source, painted) {
            Ok(()) => Ok(gst::FlowSuccess::Ok),
            Err(error) => {
                gst::element_imp_error!(self, gst::LibraryError::Failed, ("{error}"));
                Err(gst::FlowError::Error)
            }
        }
    }
}

impl ImpastoStyle {
    /// Goes over to what the properties say since the last frame; what cannot be is told, and the old look goes on.
    fn take_changes(&self, painting: &mut Painting) {
        let (settings, refused) = {
            let mut set = self.settings.locked();
            (std::mem::take(&mut set.is_new).then(|| set.now.clone()), set.refused.take())
        };
        // What a controller sets in each frame is a fade itself.
        let at_once = self.obj().has_active_control_bindings();
        let changed = settings.map_or(Ok(()), |settings| painting.change(settings, at_once, self.plugin()));
        for what in refused.into_iter().chain(changed.err().map(|error| error.to_string())) {
            gst::element_imp_warning!(self, gst::LibraryError::Settings, ("{what}; what was painted before goes on"));
        }
    }

    /// The file that this was loaded from.
    fn plugin(&self) -> Option<PathBuf> {
        self.obj().factory()?.plugin()?.filename()
    }
}

impl Painting {
    fn open(settings: Settings, plugin: Option<PathBuf>) -> Result<Self> {
        let plan = plan(&settings, plugin)?;
        let painter = plan.open_painter()?;
        Ok(Self { settings, plan, painter, layout: None })
    }

    /// Gets ready for pictures of another size or format; returns how long one takes.
    fn prepare(&mut self, layout: Layout, size: Size) -> Result<Duration> {
        let order = layout.order();
        self.layout = Some(layout);
        self.painter.prepare(size, order)?;
        PaintPlan::tell_backend(&self.painter);
        let black = vec![0; size.width * size.height * order.bytes()];
        let mut painted = black.clone();
        let no_picture = || Error::input("a picture without pixels");
        let black = Pixels::packed(&black, size.width, size.height, order).ok_or_else(no_picture)?;
        let mut painted = PixelsMut::packed(&mut painted, size.width, size.height, order).ok_or_else(no_picture)?;
        let begun = Instant::now();
        self.painter.paint(&black, &mut painted)?;
        Ok(begun.elapsed())
    }

    /// Takes changed settings over; `at_once` without a fade.
    fn change(&mut self, settings: Settings, at_once: bool, plugin: Option<PathBuf>) -> Result<()> {
        let before = std::mem::replace(&mut self.settings, settings);
        if before == self.settings {
            return Ok(());
        }
        // Most looks are of the network that paints: nothing is loaded for them.
        let Ok(mut choice) = Choice::of(&self.plan.choice.network, &self.settings.look) else {
            return self.change_network(plugin);
        };
        if at_once {
            choice.resolved.fade = Duration::ZERO;
        }
        if choice.resolved.mask.is_on() && !self.painter.has_finder() {
            self.painter.set_finder(MaskFinder::open(&self.plan.session)?);
        }
        self.painter.change_look(choice.resolved.clone(), None);
        (self.plan.look, self.plan.choice) = (self.settings.look.clone(), choice);
        Ok(())
    }

    /// Loads the network that knows the styles; the stream waits for it.
    fn change_network(&mut self, plugin: Option<PathBuf>) -> Result<()> {
        let plan = plan(&self.settings, plugin)?;
        self.painter = plan.open_painter()?;
        self.plan = plan;
        Ok(())
    }

    fn paint(
        &mut self,
        source: &VideoFrameRef<&gst::BufferRef>,
        painted: &mut VideoFrameRef<&mut gst::BufferRef>,
    ) -> Result<()> {
        let layout = self.layout.as_mut().ok_or_else(|| Error::input("a frame without caps"))?;
        if let Some(time) = source.buffer().pts() {
            self.painter.advance(time.into());
        }
        layout.paint(&mut self.painter, source, painted)
    }
}

fn plan(settings: &Settings, plugin: Option<PathBuf>) -> Result<PaintPlan> {
    let mut runtime = settings.runtime();
    places::fill(&mut runtime, plugin.as_deref());
    paint_plan(&settings.paint(), &runtime)
}
