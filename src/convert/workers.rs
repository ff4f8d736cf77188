//! How many frames of a file are painted side by side, and with how many threads each.

use super::Options;
use crate::error::Result;
use crate::style::PaintPlan;
use crate::style::tensor::PixelOrder;
use crate::style::{Painter, Size};

/// More workers gain nothing more, but each needs memory for a whole network.
const MOST_WORKERS: usize = 8;

/// Pixels that may be in painting at once: every worker needs about a hundred bytes of working memory for each.
const MOST_PIXELS: usize = 8 * 1920 * 1080;

/// The division of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workers {
    pub count: usize,
    /// Threads of each worker's network.
    pub threads: usize,
}

/// Opens a painter for each worker.
///
/// # Errors
/// The network cannot be loaded.
pub fn open(plan: &PaintPlan, options: &Options, picture: Size) -> Result<(Workers, Vec<Painter>)> {
    let threads = plan.session.thread_count();
    // Steadiness remembers the frame before: all frames must pass one painter.
    let wanted = if plan.remembers() { Some(1) } else { options.workers };
    let mut workers = divide(threads, picture, wanted);
    let mut plan = plan.clone();
    plan.session.threads = Some(workers.threads);
    // Nothing else has to be done at once as in a live stream, so waiting threads may keep a core awake.
    plan.session.spin = workers.count == 1;
    let mut painter = plan.open_painter()?;
    painter.prepare(picture, PixelOrder::Bgrx)?;
    PaintPlan::tell_backend(&painter);
    let mut painters = vec![painter];
    if !painters[0].network().backend().device.is_processor() && options.workers.is_none() {
        // A GPU is shared by nobody: one frame after the other keeps it busy.
        workers.count = 1;
    }
    while painters.len() < workers.count {
        painters.push(Painter::open(&plan.choice, plan.size.bounding_box(), &plan.session)?);
    }
    Ok((workers, painters))
}

/// Divides `threads` among as many workers as are wanted, or as fit into memory.
fn divide(threads: usize, picture: Size, wanted: Option<usize>) -> Workers {
    let room = (MOST_PIXELS / (picture.width * picture.height).max(1)).max(1);
    let count = wanted.unwrap_or_else(|| threads.min(room).min(MOST_WORKERS)).max(1);
    Workers { count, threads: (threads / count).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_divided_and_memory_is_kept_in_bounds() {
        let small = Size::new(640, 360);
        assert_eq!(divide(2, small, None), Workers { count: 2, threads: 1 });
        assert_eq!(divide(32, small, None), Workers { count: 8, threads: 4 });
        assert_eq!(divide(8, small, Some(3)), Workers { count: 3, threads: 2 });
        assert_eq!(divide(1, small, Some(4)), Workers { count: 4, threads: 1 });
        assert_eq!(divide(16, Size::new(3840, 2160), None), Workers { count: 2, threads: 8 });
        assert_eq!(divide(16, Size::new(8192, 8192), None), Workers { count: 1, threads: 16 });
    }
}
