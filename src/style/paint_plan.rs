//! What to paint with, checked: the look, its network, and what a running stream may go over to.

use super::geometry::PaintSize;
use super::onnx::SessionOptions;
use super::{Catalog, Choice, Look, Painter};
use crate::error::Result;

/// How to paint, resolved.
#[derive(Debug, Clone)]
pub struct PaintPlan {
    pub look: Look,
    pub choice: Choice,
    /// All networks that a live change of the look may take.
    pub catalog: Catalog,
    pub size: PaintSize,
    pub session: SessionOptions,
}

impl PaintPlan {
    /// Loads the network and says in the log which device runs it and why not a better one.
    ///
    /// # Errors
    /// The network cannot be loaded.
    pub fn open_painter(&self) -> Result<Painter> {
        self.load_painter().inspect(Self::tell_device)
    }

    /// Loads the network.
    ///
    /// # Errors
    /// The network cannot be loaded.
    pub fn load_painter(&self) -> Result<Painter> {
        Painter::open(&self.choice, self.size.bounding_box(), &self.session)
    }

    /// Says in the log which device runs the network and why not a better one.
    pub fn tell_device(painter: &Painter) {
        let why = painter.passed_over();
        let why = if why.is_empty() { String::new() } else { format!(" (not {})", why.join("; not ")) };
        tracing::info!("painting on {}{why}", painter.device().name());
    }
}
