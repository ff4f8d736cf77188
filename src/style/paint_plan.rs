//! What to paint with, checked: the look, its network, and what a running stream may go over to.

use super::geometry::PaintSize;
use super::onnx::SessionOptions;
use super::{Choice, Look, Painter, Steadiness};
use crate::error::Result;

/// Networks take about a hundred bytes for each pixel: so many take two and a half gigabytes. Their norms go over the whole
/// picture, which therefore cannot be painted in pieces.
pub const MOST_PICTURE_PIXELS: usize = 25_000_000;

/// How to paint, resolved.
#[derive(Debug, Clone)]
pub struct PaintPlan {
    pub look: Look,
    pub choice: Choice,
    pub size: PaintSize,
    pub session: SessionOptions,
}

impl PaintPlan {
    /// Loads the network.
    ///
    /// # Errors
    /// The network cannot be loaded.
    pub fn open_painter(&self) -> Result<Painter> {
        Painter::open(&self.choice, self.size.bounding_box(), &self.session)
    }

    /// As [`PaintPlan::open_painter`], for pictures that are painted once each, however large they are: nothing of one is held
    /// in the next.
    ///
    /// # Errors
    /// The network cannot be loaded.
    pub fn open_picture_painter(&self) -> Result<Painter> {
        let mut choice = self.choice.clone();
        choice.resolved.steadiness = Steadiness::NONE;
        let mut painter = Painter::open(&choice, self.size.bounding_box(), &self.session.for_pictures())?;
        painter.paint_alone(MOST_PICTURE_PIXELS);
        Ok(painter)
    }

    /// How a picture is painted depends on those before it.
    pub fn remembers(&self) -> bool {
        self.look.steadiness.remembers() || self.look.mask_amounts().is_on() || !self.choice.network.states.is_empty()
    }

    /// What of the look its network cannot do.
    pub fn note(&self) -> Option<String> {
        self.look.note_on(&self.choice.network)
    }

    /// Says in the log what runs the network of a painter that is prepared, and why nothing else.
    pub fn tell_backend(painter: &Painter) {
        let (network, backend) = (painter.network(), painter.network().backend());
        match network.reasons() {
            [] => tracing::info!("painting on {backend}"),
            reasons => tracing::info!("painting on {backend} ({})", reasons.join("; ")),
        }
    }
}
