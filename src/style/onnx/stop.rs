//! Ends runs from another thread: those that would never end by themselves.

use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::error::{Error, Result};

/// Ends the runs of one session. Once that has happened, it runs no more.
pub struct Terminator {
    options: NonNull<ort::sys::OrtRunOptions>,
    stopped: AtomicBool,
}

// SAFETY: the options are written when they are made; afterwards only the flag that ends a run, which ONNX Runtime
// documents to be set from another thread.
unsafe impl Send for Terminator {}
// SAFETY: as above.
unsafe impl Sync for Terminator {}

/// Stops when its time is over, unless it is dropped before.
pub(super) struct Alarm(#[expect(dead_code, reason = "dropping it is what counts")] Sender<()>);

impl Terminator {
    /// # Errors
    /// No memory.
    pub(super) fn new() -> Result<Self> {
        let mut options = ptr::null_mut();
        // SAFETY: the library is loaded, and `options` may be written.
        let status = unsafe { (ort::api::ort().CreateRunOptions)(&mut options) };
        // SAFETY: the status came from ONNX Runtime just now and is freed by this conversion.
        unsafe { ort::Error::result_from_status(status) }.map_err(|error| Error::model(error.to_string()))?;
        let options = NonNull::new(options).ok_or_else(|| Error::model("ONNX Runtime made no options for a run"))?;
        Ok(Self { options, stopped: AtomicBool::new(false) })
    }

    /// Ends the run in progress, and all later ones.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        // SAFETY: the options live as long as `self`.
        let status = unsafe { (ort::api::ort().RunOptionsSetTerminate)(self.options.as_ptr()) };
        // SAFETY: the status came from ONNX Runtime just now and is freed by this conversion.
        if let Err(error) = unsafe { ort::Error::result_from_status(status) } {
            tracing::debug!("a run was not stopped: {error}");
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(super) fn options(&self) -> *const ort::sys::OrtRunOptions {
        self.options.as_ptr()
    }

    /// Stops after `limit`.
    pub(super) fn after(self: &Arc<Self>, limit: Duration) -> Result<Alarm> {
        let (awake, sleeping) = channel();
        let this = Arc::clone(self);
        let wait = move || {
            if sleeping.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                this.stop();
            }
        };
        let spawned = std::thread::Builder::new().name("alarm".into()).spawn(wait);
        spawned.map_err(|error| Error::model(format!("thread alarm does not start: {error}")))?;
        Ok(Alarm(awake))
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and nothing runs under it any more: a session holds it while it runs.
        unsafe { (ort::api::ort().ReleaseRunOptions)(self.options.as_ptr()) };
    }
}
