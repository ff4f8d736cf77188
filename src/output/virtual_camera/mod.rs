//! A camera that other programs pick like any other: painted pictures in.

#[cfg_attr(linux, path = "linux/mod.rs")]
#[cfg_attr(not(linux), path = "elsewhere.rs")]
mod system;

pub use system::{Device, VirtualCamera, loopbacks};

use std::fmt;

use crate::style::Size;

/// A virtual camera as the plan has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualCameraPlan {
    pub device: Device,
    /// The camera's size; `None` is the stream's own.
    pub size: Option<Size>,
    /// Turns the picture around, as in a mirror.
    pub mirror: bool,
}

impl fmt::Display for VirtualCameraPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.device.fmt(f)
    }
}
