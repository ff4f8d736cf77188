//! Painted pictures on a monitor of this machine: full screen, without a pointer, there again whenever the monitor is.

#[cfg_attr(linux, path = "linux/mod.rs")]
#[cfg_attr(not(linux), path = "elsewhere.rs")]
mod system;

pub use system::{Display, monitors};

use std::fmt;

use serde::Serialize;

use super::Fit;

/// The name that means the monitor which the system calls its first.
pub const PRIMARY: &str = "primary";

/// A display as the plan has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayPlan {
    /// The name of its connector, such as `HDMI-1`, or [`PRIMARY`].
    pub monitor: String,
    pub fit: Fit,
}

impl fmt::Display for DisplayPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.monitor)
    }
}

/// A monitor that pictures can be shown on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Monitor {
    /// Of its connector.
    pub name: String,
    pub width: u32,
    pub height: u32,
    pub primary: bool,
}

impl fmt::Display for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}x{})", self.name, self.width, self.height)
    }
}
