//! A network in memory, and sharing it among all who paint with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use ort::session::Session as OrtSession;

use super::inspect::{self, NetworkInfo};
use super::session::manifest_mismatch;
use super::{Device, SessionOptions, library};
use crate::error::{Error, Result};
use crate::style::manifest::Manifest;

/// How long a thread of a live stream's network spins for the next operator, in microseconds.
const SPIN_US: &str = "50";

/// A network in memory, ready to run at any size; clones share it.
#[derive(Clone)]
pub struct Loaded(pub(super) Arc<Network>);

pub(super) struct Network {
    pub(super) manifest: Manifest,
    pub(super) session: OrtSession,
    pub(super) device: Device,
    /// Why better devices were passed over, for the log.
    passed_over: Vec<String>,
    options: SessionOptions,
    /// When the file was written.
    written: Option<SystemTime>,
}

/// The networks that run on one thread, for the next one who opens the same. Networks with more have a pool of their
/// own each, because whoever shared one would take its threads from the other.
static SHARED: Mutex<Vec<Weak<Network>>> = Mutex::new(Vec::new());

impl Loaded {
    /// Loads the network on the first device of `options.device` that runs it, or takes the one that is in memory.
    ///
    /// # Errors
    /// The file is missing, is no ONNX network, does not match its manifest, or the device cannot run.
    pub fn open(manifest: &Manifest, options: &SessionOptions) -> Result<Self> {
        if options.threads != Some(1) {
            return Network::open(manifest, options).map(|network| Self(Arc::new(network)));
        }
        let mut shared = lock();
        shared.retain(|network| network.strong_count() > 0);
        let written = written(manifest);
        let known = shared
            .iter()
            .filter_map(Weak::upgrade)
            .find(|network| network.manifest == *manifest && network.options == *options && network.written == written);
        if let Some(network) = known {
            return Ok(Self(network));
        }
        let network = Arc::new(Network::open(manifest, options)?);
        shared.push(Arc::downgrade(&network));
        Ok(Self(network))
    }

    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    /// The device that really runs this network.
    pub fn device(&self) -> Device {
        self.0.device
    }

    /// Why better devices were passed over: "cuda: the loaded ONNX Runtime library was built without it".
    pub fn passed_over(&self) -> &[String] {
        &self.0.passed_over
    }
}

impl Network {
    fn open(manifest: &Manifest, options: &SessionOptions) -> Result<Self> {
        let (environment, _) = library::load(options.library.as_deref())?;
        let written = written(manifest);
        inspect::check_file(&manifest.model_path(), manifest.sha256.as_deref())?;
        let mut passed_over = Vec::new();
        let mut opened = None;
        for device in options.device.order() {
            match open_on(environment, manifest, device, options) {
                Ok(session) => {
                    opened = Some((device, session));
                    break;
                }
                Err(reason) => passed_over.push(format!("{}: {reason}", device.name())),
            }
        }
        let Some((device, session)) = opened else {
            return Err(match options.device {
                Device::Auto | Device::Cpu => {
                    let reason = passed_over.pop().unwrap_or_default();
                    inspect::cannot_load(&manifest.model_path(), reason.trim_start_matches("cpu: "))
                }
                _ => Error::model(format!(
                    "device {}; choose another with --device (auto takes the best that runs)",
                    passed_over.join("; ")
                )),
            });
        };
        NetworkInfo::of(&session).fits(manifest).map_err(|what| manifest_mismatch(manifest, &what))?;
        Ok(Self { manifest: manifest.clone(), session, device, passed_over, options: options.clone(), written })
    }
}

fn lock() -> MutexGuard<'static, Vec<Weak<Network>>> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn written(manifest: &Manifest) -> Option<SystemTime> {
    std::fs::metadata(manifest.model_path()).and_then(|file| file.modified()).ok()
}

fn open_on(
    environment: &ort::environment::Environment,
    manifest: &Manifest,
    device: Device,
    options: &SessionOptions,
) -> Result<OrtSession, String> {
    let provider = device.provider()?;
    let build = || -> Result<OrtSession, ort::Error> {
        let mut builder = OrtSession::builder(environment)?;
        if !options.spin {
            // Without any spinning, a thread wakes too late for operators of a tenth of a millisecond. Libraries that do
            // not know the first key go by the second.
            builder = builder
                .with_config_entry("session.intra_op.spin_duration_us", SPIN_US)?
                .with_config_entry("session.force_spinning_stop", "1")?;
        }
        if let Some(threads) = options.threads {
            builder = builder.with_intra_threads(threads)?;
        }
        if let Some(provider) = provider {
            builder = builder.with_execution_providers([provider])?;
        }
        builder.commit_from_file(manifest.model_path())
    };
    build().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_one_thread_is_in_memory_once() {
        let manifest = Manifest::read(std::path::Path::new("models/lite.toml")).unwrap();
        let open = |threads| {
            let options = SessionOptions { device: Device::Cpu, threads: Some(threads), ..SessionOptions::default() };
            Loaded::open(&manifest, &options).unwrap()
        };
        let first = open(1);
        assert!(Arc::ptr_eq(&first.0, &open(1).0));
        assert!(!Arc::ptr_eq(&open(2).0, &open(2).0), "each has a pool of its own");
        let gone = Arc::downgrade(&first.0);
        drop(first);
        assert!(gone.upgrade().is_none(), "the last one takes it out of memory");
    }
}
