//! The stylise thread's end of the control: takes the newest commands between two frames, and answers those that are shown.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::Duration;

use gstreamer as gst;

use super::FramePainter;
use super::loader::Job;
use super::shared::{Reply, Resize, Shared};
use super::size_controller::SizeController;
use crate::error::Error;
use crate::style::Size;
use crate::style::onnx::Loaded;
use crate::sync::Locked;

/// The stylise thread's end.
pub struct ControlReceiver {
    shared: Arc<Shared>,
    jobs: Sender<Job>,
    /// Commands that were taken and are not shown yet.
    replies: Vec<Reply>,
    paused: bool,
    /// Chooses the inference size in `auto`; none otherwise.
    size_controller: Option<SizeController>,
    /// A size was asked for and has not come yet: times of the old one say nothing.
    resizing: bool,
    /// The network paints at other sizes too.
    takes_sizes: bool,
    frame_interval: Duration,
}

impl ControlReceiver {
    /// The end for the thread that paints with `frame_painter`, which shall take no longer than `frame_interval` a frame.
    pub(super) fn new(
        shared: Arc<Shared>,
        jobs: Sender<Job>,
        frame_painter: &mut FramePainter,
        frame_interval: Duration,
    ) -> Self {
        Self {
            shared,
            jobs,
            replies: Vec::new(),
            paused: false,
            size_controller: None,
            resizing: false,
            takes_sizes: takes_sizes(frame_painter.painter().network()),
            frame_interval,
        }
    }

    /// Between two frames: lets the frame painter paint as the newest commands say.
    pub fn deliver(&mut self, frame_painter: &mut FramePainter) {
        if !self.shared.has_pending.swap(false, Ordering::Acquire) {
            return;
        }
        let pending = std::mem::take(&mut self.shared.state().pending);
        let painter = frame_painter.painter();
        if let Some(finder) = pending.finder {
            painter.set_finder(finder);
        }
        match pending.sized {
            Some(sized) if sized.network().manifest().path == painter.network().manifest().path => {
                painter.change_size(sized);
                if let Some(size_controller) = &mut self.size_controller {
                    size_controller.forget_times();
                }
                if let Some(resolved) = pending.resolved {
                    painter.change_look(resolved, None);
                }
            }
            sized => {
                if let Some(resolved) = pending.resolved {
                    if let (Some(_), Some(size_controller)) = (&sized, &mut self.size_controller) {
                        size_controller.forget_times();
                    }
                    painter.change_look(resolved, sized);
                }
            }
        }
        self.takes_sizes = takes_sizes(painter.network());
        self.shared.is_down.store(painter.is_down(), Ordering::Release);
        if let Some(mirrored) = pending.mirrored {
            painter.set_mirrored(mirrored);
        }
        if let Some(auto) = pending.auto {
            let info = &self.shared.info;
            let picture = Size::new(info.width() as usize, info.height() as usize);
            self.size_controller = auto.then(|| SizeController::new(picture, self.frame_interval));
        }
        match pending.resize {
            Some(Resize::Begun) => self.resizing = true,
            Some(Resize::Ended(bounding_box)) => {
                self.resizing = false;
                if let Some(size_controller) = &mut self.size_controller {
                    size_controller.painted_in(bounding_box);
                }
            }
            None => {}
        }
        self.paused = pending.paused.unwrap_or(self.paused);
        self.replies.extend(pending.replies);
    }

    /// The picture shall be held.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// A painted frame was shown: answers commands, keeps the frame for snapshots, and lets the size controller note the time.
    pub fn shown(&mut self, frame: u64, picture: &gst::Buffer, inference: Duration) {
        *self.shared.shown.locked() = Some(picture.clone());
        // Only now: whoever is answered may take a snapshot at once.
        self.replies.drain(..).for_each(|reply| reply.applied(Some(frame)));
        if let (Some(size_controller), true) = (&mut self.size_controller, self.takes_sizes && !self.resizing)
            && let Some(bounding_box) = size_controller.note(inference)
            && let Some(ticket) = self.shared.state().sizing.ask_auto(bounding_box)
        {
            tracing::info!("inference takes too long or has time to spare: painting at {bounding_box}");
            self.resizing = self.jobs.send(Job::Resize { ticket, reply: None }).is_ok();
        }
    }

    /// No frame can be shown now: commands are answered without one.
    pub fn nothing_shown(&mut self) {
        self.replies.drain(..).for_each(|reply| reply.applied(None));
    }

    /// The network that paints crashed: another one comes, and nothing is shown until then.
    pub fn crashed(&mut self, error: Error) {
        self.shared.is_down.store(true, Ordering::Release);
        // A loader that is gone belongs to a stream that ends.
        let _ = self.jobs.send(Job::Crashed(error));
        self.nothing_shown();
    }

    /// The network failed on a frame.
    pub fn failed(&mut self, error: &Error) {
        self.replies.drain(..).for_each(|reply| reply.refused(error.clone()));
    }
}

fn takes_sizes(network: &Loaded) -> bool {
    network.manifest().input.size.fixed.is_none()
}
