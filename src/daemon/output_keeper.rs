//! Keeps the outputs of a running stream, configured or added by hand: opens them, and goes over to others without touching
//! those that stay.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::by_hand::ByHand;
use super::recorder::Recorder;
use crate::capture::Source;
use crate::config::outputs::{OutputPlan, OutputsPlan, WishSettings, refuse_own};
use crate::config::plan::StreamPlan;
use crate::control::contract::OutputWish;
use crate::control::{ApiError, ApiResult, PreviewAddress};
use crate::error::{Conflict, Error, Result};
use crate::gst::template::Templates;
use crate::output::{
    Claim, Display, Naming, Output, Outputs, Preview, PreviewOf, Push, Rtsp, Servers, StreamFormat, Viewer,
    VirtualCamera, WebRtc,
};
use crate::sync::Locked;

/// How long another stream, which changes with the same config, may take to leave a port or device that this one shall
/// have.
const CHANGE_PATIENCE: Duration = Duration::from_secs(3);

/// The pause between two tries.
const RETRY: Duration = Duration::from_millis(50);

/// All methods may block until a file, a port or a device is opened or closed.
pub struct OutputKeeper {
    outputs: Arc<Outputs>,
    recorder: Recorder,
    preview: Arc<Preview>,
    /// Where the preview is shown over HTTP.
    preview_address: Option<PreviewAddress>,
    servers: Servers,
    format: StreamFormat,
    templates: Templates,
    open: Mutex<Vec<Opened>>,
    by_hand: Arc<Mutex<ByHand>>,
    settings: Mutex<WishSettings>,
    /// The source may be released while nobody watches.
    on_demand: Arc<AtomicBool>,
}

/// Tries again for a moment: what another output leaves is free only then.
fn patiently<T>(plan: &OutputPlan, attempt: impl Fn() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        match attempt() {
            // A file that is taken stays taken.
            Err(_) if !matches!(plan, OutputPlan::Record(_)) && begun.elapsed() < CHANGE_PATIENCE => {
                std::thread::sleep(RETRY);
            }
            outcome => return outcome,
        }
    }
}

/// An output that is wanted, and what came of it.
struct Opened {
    plan: OutputPlan,
    what: What,
}

enum What {
    Output(Arc<dyn Output>),
    /// The recorder sees to it.
    Recording(PathBuf),
}

impl OutputKeeper {
    /// For the stream of `plan`, whose pictures are of `format`, into `outputs`, which get the preview.
    ///
    /// # Errors
    /// The template of the preview is wrong.
    pub fn new(
        plan: &StreamPlan,
        format: &StreamFormat,
        outputs: Arc<Outputs>,
        servers: Servers,
        by_hand: Arc<Mutex<ByHand>>,
    ) -> Result<Self> {
        if format.sound {
            outputs.expect_sound();
        }
        let (format, templates) = (format.clone(), plan.templates.clone());
        let preview = Arc::new(Preview::new(&format, &templates)?);
        let recorder = Recorder::new(Arc::clone(&outputs), format.clone(), plan.outputs.crf, templates.clone());
        let preview_address = plan.preview.clone();
        let (open, settings, on_demand) = Default::default();
        Ok(Self {
            outputs,
            recorder,
            preview,
            preview_address,
            servers,
            format,
            templates,
            open,
            by_hand,
            settings,
            on_demand,
        })
    }

    /// All that are open, the recording and the preview too.
    pub fn list(&self) -> &Outputs {
        &self.outputs
    }

    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Somebody looks at the preview.
    pub fn preview(&self, of: PreviewOf) -> Viewer {
        self.preview.view(of)
    }

    /// Opens what a stream that begins has. What was added by hand and cannot be had now is told, and tried again.
    ///
    /// # Errors
    /// One of the config cannot be opened; those before it are open.
    pub fn open(&self, plan: &OutputsPlan) -> Result<()> {
        self.take_settings(plan);
        let wanted = self.by_hand.locked().applied_to(&plan.outputs);
        wanted.iter().try_for_each(|output| {
            match self.open_one(output) {
                Ok(opened) => self.opened().push(opened),
                Err(error) if plan.outputs.contains(output) => return Err(error),
                Err(error) => tracing::warn!("an output that was added by hand is tried again: {error}"),
            }
            Ok(())
        })?;
        self.outputs.add(self.preview.clone());
        Ok(())
    }

    /// Opens one more output of the stream that plays `source`.
    ///
    /// # Errors
    /// One is there already, it is what the source reads, or it cannot be opened.
    pub fn add(&self, wish: OutputWish, stream: &str, source: &Source) -> ApiResult<()> {
        let settings = self.settings.locked().clone();
        let Some(wanted) = OutputPlan::wished(&wish, stream, &settings)? else {
            unreachable!("the recorder sees to recordings")
        };
        refuse_own(source, std::iter::once(&wanted), None)?;
        let mut open = self.opened();
        if open.iter().any(|opened| opened.plan.clashes_with(&wanted)) {
            let what = "there is such an output already; remove it first";
            return Err(ApiError::Conflict(Conflict::Exists, what.into()));
        }
        // Where it is configured, a monitor may come later; who asks now can name another.
        if let OutputPlan::Display(display) = &wanted {
            Display::check(display)?;
        }
        open.push(self.open_one(&wanted)?);
        self.by_hand.locked().add(wish, wanted);
        Ok(())
    }

    /// Closes an output, or ends the recording.
    ///
    /// # Errors
    /// There is none of that id, or it cannot be finished.
    pub fn remove(&self, id: &str) -> ApiResult<()> {
        if id == "recording" && self.recorder.elapsed().is_some() {
            return self.recorder.stop().map(drop);
        }
        let mut open = self.opened();
        let is_meant = |opened: &Opened| matches!(&opened.what, What::Output(output) if output.place().id() == id);
        let Some(place) = open.iter().position(is_meant) else {
            let ids = self.outputs.all().into_iter().map(|output| output.place().id()).collect::<Vec<_>>().join(", ");
            return Err(ApiError::NotFound(format!("there is no output `{id}` that can be removed; there are: {ids}")));
        };
        let Opened { plan, what } = open.remove(place);
        self.by_hand.locked().remove(plan);
        Ok(self.close(&what)?)
    }

    /// Goes over to other outputs. What is the same in both goes on untouched, unless it is lost: then it is opened anew.
    /// Where one cannot be opened, that whose place it should take comes back; when that is tried `again`, it stays while
    /// the new one cannot come. Returns what was refused.
    pub fn change(&self, plan: &OutputsPlan, again: bool) -> Vec<Error> {
        self.take_settings(plan);
        let wanted = {
            let mut by_hand = self.by_hand.locked();
            by_hand.follow(&plan.outputs);
            by_hand.applied_to(&plan.outputs)
        };
        let mut refused = Vec::new();
        let mut open = self.opened();
        for lost in open.extract_if(.., |opened| self.is_lost(&opened.what)) {
            // Why it is lost was told.
            let _ = self.close(&lost.what);
        }
        let mut missing: Vec<_> = wanted.iter().collect();
        missing.retain(|wanted| open.iter().all(|opened| opened.plan != **wanted));
        let mut coming = missing.clone();
        coming.retain(|wanted| {
            let checked = match again {
                true => self.check(wanted),
                // What it shall replace may hold the port, or leave it to another stream in a moment.
                false if open.iter().any(|opened| opened.plan.shares_a_port_with(wanted)) => Ok(()),
                false => patiently(wanted, || self.check(wanted)),
            };
            checked.map_err(|error| refused.push(error)).is_ok()
        });
        let is_kept = |opened: &Opened| {
            let waits = |wanted: &&&OutputPlan| !coming.contains(wanted);
            wanted.contains(&opened.plan)
                || missing.iter().filter(waits).any(|wanted| wanted.takes_the_place_of(&opened.plan))
        };
        // Closed first: the new ones may need their port or device.
        let closed: Vec<Opened> = open.extract_if(.., |opened| !is_kept(opened)).collect();
        for Opened { what, .. } in &closed {
            refused.extend(self.close(what).err());
        }
        for wanted in coming {
            match self.open_patiently(wanted) {
                Ok(opened) => open.push(opened),
                Err(error) => {
                    refused.push(error);
                    let before = closed.iter().find(|closed| wanted.takes_the_place_of(&closed.plan));
                    match before.map(|before| self.open_patiently(&before.plan)) {
                        Some(Ok(opened)) => open.push(opened),
                        Some(Err(error)) => refused.push(error),
                        None => {}
                    }
                }
            }
        }
        refused
    }

    /// Whether one of the outputs has stopped working, or one that was added is missing, and has to be opened anew.
    pub fn has_lost(&self) -> bool {
        // While outputs change, that is seen to.
        let Ok(open) = self.open.try_lock() else { return false };
        let is_missing = |added: &OutputPlan| open.iter().all(|opened| !opened.plan.clashes_with(added));
        open.iter().any(|opened| self.is_lost(&opened.what)) || self.by_hand.locked().added().any(is_missing)
    }

    fn is_lost(&self, what: &What) -> bool {
        match what {
            What::Output(output) => output.has_failed(),
            What::Recording(file) => self.recorder.has_lost(file),
        }
    }

    /// Whether the source may be released while nobody watches, now and later.
    pub fn on_demand(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.on_demand)
    }

    /// # Errors
    /// The source is one of the outputs that are open, or the preview.
    pub fn refuse_own(&self, source: &Source) -> Result<()> {
        refuse_own(source, self.opened().iter().map(|opened| &opened.plan), self.preview_address.as_ref())
    }

    /// Whether it could be opened now, as far as that can be seen while another one is in its place.
    fn check(&self, wanted: &OutputPlan) -> Result<()> {
        match wanted {
            OutputPlan::Rtsp(rtsp) => self.servers.rtsp.check(&rtsp.address),
            OutputPlan::Record(path) => Claim::check(path),
            OutputPlan::VirtualCamera(_) | OutputPlan::Push(_) | OutputPlan::WebRtc(_) | OutputPlan::Display(_) => {
                Ok(())
            }
        }
    }

    /// The stream ends, and no picture comes any more: waits until all are finished.
    ///
    /// # Errors
    /// One of them, or a recording, is not complete.
    pub fn finish(&self) -> Result<()> {
        // Both, whatever becomes of one of them.
        let recorded = self.recorder.finish();
        self.outputs.finish().and(recorded)
    }

    fn take_settings(&self, plan: &OutputsPlan) {
        *self.settings.locked() = plan.for_wishes();
        self.recorder.set_crf(plan.crf);
        self.on_demand.store(plan.on_demand, Ordering::Relaxed);
    }

    fn open_patiently(&self, plan: &OutputPlan) -> Result<Opened> {
        patiently(plan, || self.open_one(plan))
    }

    fn open_one(&self, plan: &OutputPlan) -> Result<Opened> {
        let output: Arc<dyn Output> = match plan {
            OutputPlan::Rtsp(rtsp) => Arc::new(Rtsp::start(
                &self.servers.rtsp,
                &rtsp.address,
                &rtsp.access,
                &self.outputs.format_now(&self.format),
                rtsp.kbps,
                &self.templates,
            )?),
            OutputPlan::VirtualCamera(camera) => Arc::new(VirtualCamera::start(camera, &self.format)?),
            OutputPlan::Push(push) => {
                Arc::new(Push::start(push, &self.outputs.format_now(&self.format), &self.templates)?)
            }
            OutputPlan::WebRtc(plan) => {
                Arc::new(WebRtc::start(plan, &self.servers.ice, &self.format, &self.templates)?)
            }
            OutputPlan::Display(display) => Arc::new(Display::start(display, &self.format)?),
            OutputPlan::Record(path) => {
                let file = self.recorder.start(path, Naming::Numbered)?;
                if file != *path {
                    tracing::info!("{} is there already: recording into {}", path.display(), file.display());
                }
                return Ok(Opened { plan: plan.clone(), what: What::Recording(file) });
            }
        };
        self.outputs.add(Arc::clone(&output));
        Ok(Opened { plan: plan.clone(), what: What::Output(output) })
    }

    fn close(&self, what: &What) -> Result<()> {
        match what {
            What::Output(output) => {
                self.outputs.remove(output);
                output.finish()
            }
            // One that was begun by hand meanwhile goes on.
            What::Recording(file) if self.recorder.file().is_some_and(|now| file.as_os_str() == now.as_str()) => {
                Ok(self.recorder.stop().map(|_| ())?)
            }
            What::Recording(_) => Ok(()),
        }
    }

    fn opened(&self) -> MutexGuard<'_, Vec<Opened>> {
        self.open.locked()
    }
}
