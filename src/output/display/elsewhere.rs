//! Other systems than Linux: nothing is shown on monitors.

use gstreamer as gst;

use super::{DisplayPlan, Monitor};
use crate::error::{Error, Result};
use crate::output::{Output, StreamFormat};

fn impossible() -> Error {
    Error::usage("pictures on a monitor are not possible on this system")
}

/// # Errors
/// Always.
pub fn monitors() -> Result<Vec<Monitor>> {
    Err(impossible())
}

/// There is none.
pub enum Display {}

impl Display {
    /// # Errors
    /// Always.
    pub fn check(_plan: &DisplayPlan) -> Result<()> {
        Err(impossible())
    }

    /// # Errors
    /// Always.
    pub fn start(_plan: &DisplayPlan, _format: &StreamFormat) -> Result<Self> {
        Err(impossible())
    }
}

impl Output for Display {
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
