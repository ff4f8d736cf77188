//! Other systems than Linux: no worker processes. Networks run in the program itself.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::style::geometry::Size;
use crate::style::manifest::Manifest;
use crate::style::onnx::Loaded;
use crate::style::onnx::inspect::NetworkInfo;
use crate::style::tensor::TensorSpec;

/// There is none to start as a worker process, which is told once.
pub fn program() -> Option<PathBuf> {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        tracing::info!("networks run in the program itself: worker processes are not possible on this system");
    });
    None
}

/// # Errors
/// Always.
pub fn serve() -> Result<()> {
    Err(impossible())
}

/// # Errors
/// Always.
pub fn inspect(_program: &Path, _path: &Path, _library: Option<&Path>) -> Result<NetworkInfo> {
    Err(impossible())
}

fn impossible() -> Error {
    Error::usage("worker processes are not possible on this system")
}

/// There is none.
pub enum Process {}

impl Process {
    pub fn stop(&self) {
        match *self {}
    }
}

/// There is none.
pub enum RemoteSession {}

impl RemoteSession {
    /// # Errors
    /// Always.
    pub fn start(_program: &Path, _loaded: Loaded) -> Result<Self> {
        Err(impossible())
    }

    pub fn loaded(&self) -> &Loaded {
        match *self {}
    }

    pub fn process(&self) -> Arc<Process> {
        match *self {}
    }

    pub fn is_down(&self) -> bool {
        match *self {}
    }

    pub fn set_weights(&mut self, _weights: impl Iterator<Item = f32>) {
        match *self {}
    }

    pub fn forget(&mut self) {
        match *self {}
    }

    pub fn prepare(&mut self, _size: Size, _border: usize) -> Result<()> {
        match *self {}
    }

    pub fn input(&mut self) -> (&TensorSpec, &mut [f32]) {
        match *self {}
    }

    pub fn output(&self) -> (&TensorSpec, &[f32]) {
        match *self {}
    }

    pub fn run(&mut self) -> Result<Duration> {
        match *self {}
    }

    pub fn try_run(&mut self) -> Result<Duration> {
        match *self {}
    }
}

/// There is none.
pub enum RemoteEncoder {}

impl RemoteEncoder {
    /// # Errors
    /// Always.
    pub fn start(_program: &Path, _manifest: &Manifest, _library: Option<&Path>) -> Result<Self> {
        Err(impossible())
    }

    pub fn encode(&mut self, _picture: &[f32]) -> Result<Vec<f32>> {
        match *self {}
    }
}
