//! Keeps the outputs of a running stream, configured or added by hand: opens them, and goes over to others without touching
//! those that stay.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::recorder::Recorder;
use crate::capture::Source;
use crate::config::outputs::{OutputPlan, OutputsPlan, WishSettings, refuse_own};
use crate::control::contract::OutputWish;
use crate::control::{ApiError, ApiResult, PreviewAddress};
use crate::error::{Conflict, Error, Result};
use crate::gst::template::Templates;
use crate::output::{Claim, Naming, Output, Outputs, Push, Rtsp, Servers, StreamFormat, VirtualCamera, WebRtc};
use crate::sync::Locked;

/// How long another stream, which changes with the same config, may take to leave a port or device that this one shall
/// have.
const CHANGE_PATIENCE: Duration = Duration::from_secs(3);

/// The pause between two tries.
const RETRY: Duration = Duration::from_millis(50);

/// All methods may block until a file, a port or a device is opened or closed.
pub struct OutputKeeper {
    outputs: Arc<Outputs>,
    recorder: Arc<Recorder>,
    servers: Servers,
    format: StreamFormat,
    templates: Templates,
    open: Mutex<Vec<Opened>>,
    by_hand: Arc<Mutex<ByHand>>,
    settings: Mutex<WishSettings>,
    preview: Option<PreviewAddress>,
    /// The source may be released while nobody watches.
    on_demand: Arc<AtomicBool>,
}

/// What was changed by hand; it outlives the run of a stream.
#[derive(Debug, Default)]
pub struct ByHand {
    added: Vec<Added>,
    /// What was added before the daemon started, and is looked for when the stream begins.
    remembered: Vec<OutputWish>,
    /// Outputs of the config that are not wanted.
    removed: Vec<OutputPlan>,
}

/// As it was asked for, and what that is.
#[derive(Debug)]
struct Added {
    wish: OutputWish,
    plan: OutputPlan,
}

impl ByHand {
    /// With outputs that were added before the daemon started.
    pub fn remembered(remembered: Vec<OutputWish>) -> Self {
        Self { remembered, ..Self::default() }
    }

    /// All that was added and may be written down: keys are not.
    pub fn wishes(&self) -> Vec<OutputWish> {
        let all = self.added.iter().map(|added| &added.wish).chain(&self.remembered);
        all.filter(|wish| !matches!(wish, OutputWish::Push { .. })).cloned().collect()
    }

    /// Looks for what is remembered; what is not there any more is told and forgotten.
    pub fn restore(&mut self, configured: &OutputsPlan, stream: &str) {
        for wish in std::mem::take(&mut self.remembered) {
            match OutputPlan::wished(&wish, stream, &configured.for_wishes()) {
                Ok(Some(plan)) => self.added.push(Added { wish, plan }),
                // Recordings are not remembered.
                Ok(None) => {}
                Err(error) => tracing::warn!("an output that was added before does not come back: {error}"),
            }
        }
    }

    /// The outputs of the config with what was changed by hand.
    fn applied_to(&self, configured: &[OutputPlan]) -> Vec<OutputPlan> {
        let kept = configured.iter().filter(|output| !self.removed.contains(output));
        let added = self.added.iter().map(|added| &added.plan);
        let added = added.filter(|output| configured.iter().all(|other| !output.clashes_with(other)));
        kept.chain(added).cloned().collect()
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
    pub fn new(
        outputs: Arc<Outputs>,
        recorder: Arc<Recorder>,
        servers: Servers,
        format: StreamFormat,
        templates: Templates,
        by_hand: Arc<Mutex<ByHand>>,
        preview: Option<PreviewAddress>,
    ) -> Self {
        let (open, settings, on_demand) = Default::default();
        Self { outputs, recorder, servers, format, templates, open, by_hand, settings, preview, on_demand }
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
        })
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
        open.push(self.open_one(&wanted)?);
        let mut by_hand = self.by_hand.locked();
        match by_hand.removed.iter().position(|removed| *removed == wanted) {
            Some(place) => drop(by_hand.removed.remove(place)),
            None => by_hand.added.push(Added { wish, plan: wanted }),
        }
        Ok(())
    }

    /// Closes an output.
    ///
    /// # Errors
    /// There is none of that id, or it cannot be finished.
    pub fn remove(&self, id: &str) -> ApiResult<()> {
        let mut open = self.opened();
        let is_meant = |opened: &Opened| matches!(&opened.what, What::Output(output) if output.place().id() == id);
        let Some(place) = open.iter().position(is_meant) else {
            let ids = self.outputs.all().into_iter().map(|output| output.place().id()).collect::<Vec<_>>().join(", ");
            return Err(ApiError::NotFound(format!("there is no output `{id}` that can be removed; there are: {ids}")));
        };
        let Opened { plan, what } = open.remove(place);
        let mut by_hand = self.by_hand.locked();
        match by_hand.added.iter().position(|added| added.plan == plan) {
            Some(place) => drop(by_hand.added.remove(place)),
            None => by_hand.removed.push(plan),
        }
        drop(by_hand);
        Ok(self.close(&what)?)
    }

    /// Goes over to other outputs. What is the same in both goes on untouched, unless it is lost: then it is opened anew.
    /// Where one cannot be opened, that whose place it should take comes back; when that is tried `again`, it stays while
    /// the new one cannot come. Returns what was refused.
    pub fn change(&self, plan: &OutputsPlan, again: bool) -> Vec<Error> {
        self.take_settings(plan);
        let wanted = {
            let mut by_hand = self.by_hand.locked();
            // What the config no longer has may come back with it.
            by_hand.removed.retain(|removed| plan.outputs.contains(removed));
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
        if again {
            coming.retain(|wanted| self.check(wanted).map_err(|error| refused.push(error)).is_ok());
        }
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
        let is_missing = |added: &Added| open.iter().all(|opened| !opened.plan.clashes_with(&added.plan));
        open.iter().any(|opened| self.is_lost(&opened.what)) || self.by_hand.locked().added.iter().any(is_missing)
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
        refuse_own(source, self.opened().iter().map(|opened| &opened.plan), self.preview.as_ref())
    }

    /// Whether it could be opened now, as far as that can be seen while another one is in its place.
    fn check(&self, wanted: &OutputPlan) -> Result<()> {
        match wanted {
            OutputPlan::Rtsp(rtsp) => self.servers.rtsp.check(&rtsp.address),
            OutputPlan::Record(path) => Claim::check(path),
            OutputPlan::VirtualCamera(_) | OutputPlan::Push(_) | OutputPlan::WebRtc(_) => Ok(()),
        }
    }

    fn take_settings(&self, plan: &OutputsPlan) {
        *self.settings.locked() = plan.for_wishes();
        self.recorder.set_crf(plan.crf);
        self.on_demand.store(plan.on_demand, Ordering::Relaxed);
    }

    fn open_patiently(&self, plan: &OutputPlan) -> Result<Opened> {
        let begun = Instant::now();
        loop {
            match self.open_one(plan) {
                // A file that is taken stays taken.
                Err(_) if !matches!(plan, OutputPlan::Record(_)) && begun.elapsed() < CHANGE_PATIENCE => {
                    std::thread::sleep(RETRY);
                }
                outcome => return outcome,
            }
        }
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
