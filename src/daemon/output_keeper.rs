//! Keeps the configured outputs of a running stream: opens them, and goes over to others without touching those that stay.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::recorder::Recorder;
use crate::capture::Source;
use crate::config::outputs::{OutputPlan, OutputsPlan, refuse_own};
use crate::error::{Error, Result};
use crate::gst::template::Templates;
use crate::output::{Claim, Naming, Output, Outputs, Rtsp, RtspServers, StreamFormat, VirtualCamera};
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
    servers: RtspServers,
    format: StreamFormat,
    templates: Templates,
    open: Mutex<Vec<Opened>>,
    /// The source may be released while nobody watches.
    on_demand: Arc<AtomicBool>,
}

/// An output of the config, and what came of it.
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
        servers: RtspServers,
        format: StreamFormat,
        templates: Templates,
    ) -> Self {
        let (open, on_demand) = Default::default();
        Self { outputs, recorder, servers, format, templates, open, on_demand }
    }

    /// Opens what a stream that begins has.
    ///
    /// # Errors
    /// One of them cannot be opened; those before it are open.
    pub fn open(&self, plan: &OutputsPlan) -> Result<()> {
        self.take_settings(plan);
        plan.outputs.iter().try_for_each(|output| {
            let opened = self.open_one(output)?;
            self.opened().push(opened);
            Ok(())
        })
    }

    /// Goes over to other outputs. What is the same in both goes on untouched, unless it is lost: then it is opened anew.
    /// Where one cannot be opened, that whose place it should take comes back; when that is tried `again`, it stays while
    /// the new one cannot come. Returns what was refused.
    pub fn change(&self, plan: &OutputsPlan, again: bool) -> Vec<Error> {
        self.take_settings(plan);
        let mut refused = Vec::new();
        let mut open = self.opened();
        for lost in open.extract_if(.., |opened| self.is_lost(&opened.what)) {
            // Why it is lost was told.
            let _ = self.close(&lost.what);
        }
        let mut missing: Vec<_> = plan.outputs.iter().collect();
        missing.retain(|wanted| open.iter().all(|opened| opened.plan != **wanted));
        let mut coming = missing.clone();
        if again {
            coming.retain(|wanted| self.check(wanted).map_err(|error| refused.push(error)).is_ok());
        }
        let is_kept = |opened: &Opened| {
            let waits = |wanted: &&&OutputPlan| !coming.contains(wanted);
            plan.outputs.contains(&opened.plan)
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

    /// Whether one of the outputs has stopped working, and has to be opened anew.
    pub fn has_lost(&self) -> bool {
        // While outputs change, that is seen to.
        self.open.try_lock().is_ok_and(|open| open.iter().any(|opened| self.is_lost(&opened.what)))
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
    /// The source is one of the virtual cameras that are open.
    pub fn refuse_own(&self, source: &Source) -> Result<()> {
        refuse_own(source, self.opened().iter().filter_map(|opened| opened.plan.virtual_camera()))
    }

    /// Whether it could be opened now, as far as that can be seen while another one is in its place.
    fn check(&self, wanted: &OutputPlan) -> Result<()> {
        match wanted {
            OutputPlan::Rtsp(rtsp) => self.servers.check(&rtsp.address),
            OutputPlan::Record(path) => Claim::check(path),
            OutputPlan::VirtualCamera(_) => Ok(()),
        }
    }

    fn take_settings(&self, plan: &OutputsPlan) {
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
                &self.servers,
                &rtsp.address,
                &rtsp.access,
                &self.outputs.format_now(&self.format),
                rtsp.kbps,
                &self.templates,
            )?),
            OutputPlan::VirtualCamera(camera) => Arc::new(VirtualCamera::start(camera, &self.format)?),
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
