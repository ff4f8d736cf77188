//! Other systems than Linux: virtual cameras are not possible.

use std::fmt;
use std::path::{Path, PathBuf};

use gstreamer as gst;

use super::VirtualCameraPlan;
use crate::error::{Error, Result};
use crate::output::{Output, StreamFormat};

/// There is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {}

impl Device {
    /// # Errors
    /// Always.
    pub fn find(_requested: &str) -> Result<Self> {
        Err(Error::usage("virtual cameras are not possible on this system"))
    }

    /// # Errors
    /// Never, for there is no device.
    pub fn check(&self) -> Result<()> {
        match *self {}
    }

    pub fn is_at(&self, _path: &Path) -> bool {
        match *self {}
    }
}

impl fmt::Display for Device {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

/// What could be written to: nothing.
pub struct Loopback {
    pub path: PathBuf,
    pub label: String,
}

pub fn loopbacks() -> Vec<Loopback> {
    Vec::new()
}

/// There is none.
pub enum VirtualCamera {}

impl VirtualCamera {
    /// # Errors
    /// Never, for there is no device to plan with.
    pub fn start(plan: &VirtualCameraPlan, _format: &StreamFormat) -> Result<Self> {
        match plan.device {}
    }
}

impl Output for VirtualCamera {
    fn picture(&self, _buffer: &gst::Buffer, _time: gst::ClockTime) {
        match *self {}
    }

    fn sound(&self, _buffer: &gst::BufferRef, _time: gst::ClockTime) {
        match *self {}
    }

    fn dropped(&self) -> u64 {
        match *self {}
    }

    fn take_failure(&self) -> Option<Error> {
        match *self {}
    }

    fn finish(&self) -> Result<()> {
        match *self {}
    }
}
