//! A network in memory, and sharing it among all who paint with it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::time::SystemTime;

use ort::session::Session as OrtSession;

use super::inspect::{self, NetworkInfo, manifest_mismatch};
use super::library;
use super::network_file::{cannot_load, check_file};
use super::options::SessionOptions;
use super::provider::{Backend, Device};
use super::timings::Measured;
use crate::error::{Error, Result};
use crate::style::geometry::Size;
use crate::style::manifest::Manifest;
use crate::sync::Locked;

/// How long a thread of a live stream's network spins for the next operator, in microseconds.
const SPIN_US: &str = "50";

/// A network in memory, ready to run at any size; clones share it. With [`SessionOptions::worker`] it is only known here,
/// and each of its sessions has it in the memory of a process of its own.
#[derive(Clone)]
pub struct Loaded(pub(super) Arc<Network>);

pub(super) struct Network {
    pub(super) manifest: Manifest,
    /// Runs at any size, on ONNX Runtime's own CPU provider; none in this process if worker processes run the network.
    on_cpu: Option<Arc<OrtSession>>,
    /// What paints, since it was first asked for at a size.
    measured: OnceLock<Measured>,
    pub(super) options: SessionOptions,
    /// When the file was written.
    written: Option<SystemTime>,
}

/// The networks that run on one thread, for the next one who opens the same. Networks with more have a pool of their
/// own each, because whoever shared one would take its threads from the other.
static SHARED: Mutex<Vec<Weak<Network>>> = Mutex::new(Vec::new());

impl Loaded {
    /// Loads the network, or takes the one that is in memory. What runs it is settled when a size is prepared.
    ///
    /// # Errors
    /// The file is missing, is no ONNX network, does not match its manifest, or the named device is not there.
    pub fn open(manifest: &Manifest, options: &SessionOptions) -> Result<Self> {
        if options.threads != Some(1) || options.worker.is_some() {
            return Network::open(manifest, options).map(|network| Self(Arc::new(network)));
        }
        let written = written(manifest);
        let known = |shared: &[Weak<Network>]| {
            shared.iter().filter_map(Weak::upgrade).find(|network| {
                network.manifest == *manifest && network.options == *options && network.written == written
            })
        };
        if let Some(network) = known(&lock()) {
            return Ok(Self(network));
        }
        // Without the lock: others need not wait for a network that is slow to load. Of two that load the same, the
        // second takes what the first has.
        let loaded = Arc::new(Network::open(manifest, options)?);
        let mut shared = lock();
        shared.retain(|network| network.strong_count() > 0);
        let network = known(&shared).unwrap_or_else(|| {
            shared.push(Arc::downgrade(&loaded));
            Arc::clone(&loaded)
        });
        Ok(Self(network))
    }

    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    /// It is the network of `manifest`, as its file is now.
    pub fn is_current(&self, manifest: &Manifest) -> bool {
        self.0.manifest == *manifest && self.0.written == written(manifest)
    }

    /// What really runs this network; the CPU as long as no size was prepared.
    pub fn backend(&self) -> Backend {
        self.0.measured.get().map_or(Backend::CPU, |measured| measured.backend)
    }

    /// How fast it is and why others were passed over: "9.6 ms a picture; not cuda: the loaded ONNX Runtime library was
    /// built without it". Empty where there was no choice.
    pub fn reasons(&self) -> &[String] {
        self.0.measured.get().map_or(&[], |measured| &measured.reasons)
    }

    /// Its session on the CPU, in a process that runs it.
    pub(super) fn on_cpu(&self) -> Option<&OrtSession> {
        self.0.on_cpu.as_deref()
    }

    /// What was settled, if it was.
    pub(super) fn measured(&self) -> Option<&Measured> {
        self.0.measured.get()
    }

    /// What shall run this network: settled by `measure` on the first call, for all who share it.
    pub(super) fn settle<E>(&self, measure: impl FnOnce() -> Result<Measured, E>) -> Result<Backend, E> {
        if let Some(measured) = self.0.measured.get() {
            return Ok(measured.backend);
        }
        let measured = measure()?;
        Ok(self.0.measured.get_or_init(|| measured).backend)
    }

    /// A session on `backend` for input tensors of `size`. The CPU's own is shared by all sizes; others are built for one
    /// size, which lets them plan their memory and pick their kernels.
    pub(super) fn session_on(&self, backend: Backend, size: Size) -> Result<Arc<OrtSession>, String> {
        let Network { manifest, options, on_cpu, .. } = &*self.0;
        let on_cpu = on_cpu.as_ref().ok_or("it is loaded in worker processes only")?;
        if backend == Backend::CPU {
            return Ok(Arc::clone(on_cpu));
        }
        let free = inspect::free_dimensions(on_cpu, manifest, size);
        open_on(manifest, backend, options, &free).map(Arc::new)
    }
}

impl Network {
    fn open(manifest: &Manifest, options: &SessionOptions) -> Result<Self> {
        let written = written(manifest);
        let this = Self {
            manifest: manifest.clone(),
            on_cpu: None,
            measured: OnceLock::new(),
            options: options.clone(),
            written,
        };
        if options.worker.is_some() {
            return Ok(this);
        }
        library::load(options.library.as_deref())?;
        check_file(&manifest.model_path(), manifest.sha256.as_deref())?;
        check_device(options)?;
        let on_cpu = open_on(manifest, Backend::CPU, options, &[])
            .map_err(|reason| cannot_load(&manifest.model_path(), &reason))?;
        NetworkInfo::of(&on_cpu).fits(manifest).map_err(|what| manifest_mismatch(manifest, &what))?;
        Ok(Self { on_cpu: Some(Arc::new(on_cpu)), ..this })
    }
}

/// Fails at once for a device that is not there, or cannot compute in the wanted precision.
fn check_device(options: &SessionOptions) -> Result<()> {
    let SessionOptions { device, precision, .. } = options;
    let unusable = |reason: String| {
        Error::model(format!(
            "device {}: {reason}; choose another with --device (auto takes the fastest that runs)",
            device.name()
        ))
    };
    let backends = device.backends(*precision).map_err(unusable)?;
    match backends.first() {
        Some(backend) if *device != Device::Auto => {
            backend.provider(options.thread_count()).map(|_| ()).map_err(unusable)
        }
        _ => Ok(()),
    }
}

fn lock() -> MutexGuard<'static, Vec<Weak<Network>>> {
    SHARED.locked()
}

fn written(manifest: &Manifest) -> Option<SystemTime> {
    std::fs::metadata(manifest.model_path()).and_then(|file| file.modified()).ok()
}

/// A session on `backend`, in which the dimensions named in `free` have these lengths.
fn open_on(
    manifest: &Manifest,
    backend: Backend,
    options: &SessionOptions,
    free: &[(String, i64)],
) -> Result<OrtSession, String> {
    let (environment, _) = library::load(options.library.as_deref()).map_err(|error| error.to_string())?;
    let provider = backend.provider(options.thread_count())?;
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
        for (name, length) in free {
            builder = builder.with_dimension_override(name, *length)?;
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
