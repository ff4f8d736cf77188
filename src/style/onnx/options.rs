//! How a network shall run: device, precision, threads.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::provider::{Device, Precision};
use crate::machine::cores;

/// How a session shall run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SessionOptions {
    pub device: Device,
    pub precision: Precision,
    /// Threads of one inference; `None` lets ONNX Runtime take all cores.
    pub threads: Option<usize>,
    /// Threads spin for work between frames too: 5-11 % faster for files, but burns a core in a live stream. Otherwise
    /// they spin briefly between the operators of one frame, and sleep between frames.
    pub spin: bool,
    /// The ONNX Runtime library, if it is not to be looked for.
    pub library: Option<PathBuf>,
    /// The program to start as a worker process for each session, which may crash without this one; without it, networks
    /// run in this process.
    pub worker: Option<PathBuf>,
    /// Where the network is that finds people for a mask.
    pub mask: MaskPlaces,
}

/// Where a network that finds people may lie, besides the cache.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaskPlaces {
    /// An .onnx file or its manifest.
    pub named: Option<PathBuf>,
    /// The folder of networks.
    pub models: Option<PathBuf>,
}

impl SessionOptions {
    /// How many threads that is on this machine.
    pub fn thread_count(&self) -> usize {
        self.threads.unwrap_or_else(cores)
    }

    /// The same for pictures that are painted once, each of another size: measuring devices and building a session for
    /// each size takes longer than it gains, so that `auto` is the CPU.
    pub fn for_pictures(&self) -> Self {
        let cpu = self.device == Device::Auto && self.precision != Precision::Bf16;
        Self { device: if cpu { Device::Cpu } else { self.device }, ..self.clone() }
    }
}
