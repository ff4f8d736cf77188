//! Painting only the person, or only the room: who is where in a picture, refined by the picture itself.

pub mod blur;
mod boxes;
mod finder;
pub mod guided;
mod network;
mod part;

pub use finder::MaskFinder;
pub use network::{INSTALL, is_mask_network, mask_network};
pub use part::{Mask, MaskAmounts, Unpainted};
