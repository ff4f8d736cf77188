//! Which display system there is, and what it can do.

use std::env;
use std::fmt;

use gstreamer as gst;

use super::choice::choose;
use super::sink::Sink;
use super::{Screen, connectors, x11};
use crate::output::Fit;
use crate::output::display::{DisplayPlan, Monitor, PRIMARY};

/// What puts pictures on monitors here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    X11,
    Wayland,
    Kms,
}

impl System {
    /// What the environment tells of. An X server comes first, also that of a Wayland desktop (Xwayland): there the monitor
    /// can be chosen, and the pointer hidden.
    pub fn here() -> Self {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        match (is_set("DISPLAY"), is_set("WAYLAND_DISPLAY")) {
            (true, _) => Self::X11,
            (false, true) => Self::Wayland,
            (false, false) => Self::Kms,
        }
    }

    pub fn monitors(self) -> Result<Vec<Monitor>, String> {
        match self {
            Self::X11 => x11::monitors(),
            // The compositor's clients of GStreamer do not ask for them.
            Self::Wayland | Self::Kms => Ok(connectors::connected()?.into_iter().map(Monitor::from).collect()),
        }
    }

    /// Whether what is asked for can be at all.
    pub fn check(self, plan: &DisplayPlan) -> Result<(), String> {
        if self == Self::Wayland && plan.monitor != PRIMARY {
            return Err(format!(
                "{}: under Wayland the compositor chooses the monitor: say `{PRIMARY}`, or set DISPLAY to its Xwayland",
                plan.monitor
            ));
        }
        if self == Self::Wayland && plan.fit != Fit::Contain {
            return Err("under Wayland the whole picture is shown: leave `fit` at `contain`, or set DISPLAY to its \
                        Xwayland"
                .into());
        }
        Ok(())
    }

    pub fn open(self, plan: &DisplayPlan, caps: &gst::Caps) -> Result<Box<dyn Screen>, String> {
        self.check(plan)?;
        Ok(match self {
            Self::X11 => Box::new(x11::Window::open(plan, caps)?),
            Self::Wayland => Box::new(Sink::wayland(caps)?),
            Self::Kms => {
                let connected = connectors::connected()?;
                let connector = choose(&plan.monitor, &connected, |connector| &connector.monitor)?;
                Box::new(Sink::kms(connector, plan.fit, caps)?)
            }
        })
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::X11 => write!(f, "the X server {}", env::var("DISPLAY").unwrap_or_default()),
            Self::Wayland => write!(f, "the compositor {}", env::var("WAYLAND_DISPLAY").unwrap_or_default()),
            Self::Kms => f.write_str("the graphics card"),
        }
    }
}
