//! A session on a network, wherever it runs: in this process, or in a worker process that may crash without this one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::inspect::NetworkInfo;
use super::loaded::Loaded;
use super::local::LocalSession;
use super::options::SessionOptions;
use super::stop::Terminator;
use super::worker::{self, Process, RemoteSession};
use crate::error::Result;
use crate::style::geometry::Size;
use crate::style::manifest::Manifest;
use crate::style::tensor::TensorSpec;

/// What the network at `path` says of itself; in a worker process, where the options have one.
///
/// # Errors
/// The file is missing or is no ONNX network that ONNX Runtime can load.
pub fn inspect_network(path: &Path, options: &SessionOptions) -> Result<NetworkInfo> {
    let library = options.library.as_deref();
    match &options.worker {
        None => NetworkInfo::read(path, library),
        Some(program) => worker::inspect(program, path, library),
    }
}

/// A loaded network with the tensors to run it. They live as long as the picture size stays the same.
pub enum Session {
    Local(Box<LocalSession>),
    Remote(Box<RemoteSession>),
}

/// Ends the runs of one session from another thread. Once that has happened, it runs no more.
#[derive(Clone)]
pub enum RunStop {
    Local(Arc<Terminator>),
    Remote(Arc<Process>),
}

impl Session {
    /// Loads the network.
    ///
    /// # Errors
    /// As [`Loaded::open`] and [`Session::new`].
    pub fn open(manifest: &Manifest, options: &SessionOptions) -> Result<Self> {
        Self::new(Loaded::open(manifest, options)?)
    }

    /// A session of its own on a network that others may run too, each on its own thread.
    ///
    /// # Errors
    /// No memory for its inputs; of one in a worker process also whatever loading the network there tells.
    pub fn new(loaded: Loaded) -> Result<Self> {
        match loaded.0.options.worker.clone() {
            None => LocalSession::new(loaded).map(|local| Self::Local(Box::new(local))),
            Some(program) => RemoteSession::start(&program, loaded).map(|remote| Self::Remote(Box::new(remote))),
        }
    }

    /// The network that it runs.
    pub fn loaded(&self) -> &Loaded {
        match self {
            Self::Local(local) => local.loaded(),
            Self::Remote(remote) => remote.loaded(),
        }
    }

    /// What ends its runs from another thread.
    pub fn stop(&self) -> RunStop {
        match self {
            Self::Local(local) => RunStop::Local(local.stop()),
            Self::Remote(remote) => RunStop::Remote(remote.process()),
        }
    }

    /// Its worker process is gone: it runs no more, and another has to take its place.
    pub fn is_down(&self) -> bool {
        match self {
            Self::Local(_) => false,
            Self::Remote(remote) => remote.is_down(),
        }
    }

    /// Sets the weight of each row of styles; ignored by a network without a style input.
    pub fn set_weights(&mut self, weights: impl Iterator<Item = f32>) {
        match self {
            Self::Local(local) => local.set_weights(weights),
            Self::Remote(remote) => remote.set_weights(weights),
        }
    }

    /// Allocates the tensors of `size` (one that the network takes), in which the picture lies `border` pixels from
    /// the left and the top, and tries the network once, which finds its real output size and warms it up. The first
    /// time, what can run it is measured at this size, and the fastest taken.
    ///
    /// # Errors
    /// The network does not run at this size, or its output is not what the manifest says.
    pub fn prepare(&mut self, size: Size, border: usize) -> Result<()> {
        match self {
            Self::Local(local) => local.prepare(size, border),
            Self::Remote(remote) => remote.prepare(size, border),
        }
    }

    /// Nothing of the pictures before counts for the next one, where the network hands something on.
    pub fn forget(&mut self) {
        match self {
            Self::Local(local) => local.forget(),
            Self::Remote(remote) => remote.forget(),
        }
    }

    /// The input tensor, to be filled by the pixel pass.
    pub fn input(&mut self) -> (&TensorSpec, &mut [f32]) {
        match self {
            Self::Local(local) => local.input(),
            Self::Remote(remote) => remote.input(),
        }
    }

    /// The painted tensor of the last [`Session::run`].
    pub fn output(&self) -> (&TensorSpec, &[f32]) {
        match self {
            Self::Local(local) => local.output(),
            Self::Remote(remote) => remote.output(),
        }
    }

    /// Paints the input tensor into the output tensor and tells how long that took.
    ///
    /// # Errors
    /// The network fails, or its worker process crashed or was ended because it did not answer.
    pub fn run(&mut self) -> Result<Duration> {
        match self {
            Self::Local(local) => local.run(),
            Self::Remote(remote) => remote.run(),
        }
    }

    /// As [`Session::run`], and gives up after a while: nobody knows yet whether the network comes to an end.
    ///
    /// # Errors
    /// As [`Session::run`], or it took too long.
    pub fn try_run(&mut self) -> Result<Duration> {
        match self {
            Self::Local(local) => local.try_run(),
            Self::Remote(remote) => remote.try_run(),
        }
    }
}

impl RunStop {
    /// Ends the run in progress, and all later ones.
    pub fn stop(&self) {
        match self {
            Self::Local(local) => local.stop(),
            Self::Remote(process) => process.stop(),
        }
    }
}
