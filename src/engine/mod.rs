//! The stylise stage between capture and outputs: the inlet fills ring slots, frame painters paint them, the control changes
//! how.

mod control;
mod frame_painter;
mod inlet;
mod live;
mod loader;
mod ordered;
mod receiver;
mod requests;
mod restarts;
mod shared;
mod size_controller;
mod sizing;
mod snapshot;
mod sound;
mod source_preview;

pub use control::{Control, Painting};
pub use frame_painter::FramePainter;
pub use inlet::{Feed, FirstPicture, Inlet};
pub use live::{Live, stylise_live};
pub use ordered::{Worker, stylise_in_order};
pub use receiver::ControlReceiver;
pub use shared::{Answer, Applied};
pub use sound::SoundDrive;
pub use source_preview::LookedAt;
