//! The stylise stage between capture and outputs: the inlet fills ring slots, stylists paint them, the control changes
//! how.

mod control;
mod deadline;
mod inlet;
mod live;
mod loader;
mod ordered;
mod snapshot;
mod stylist;

pub use control::{Answer, Applied, Control, Mailbox, Painting, Palette};
pub use inlet::{FirstPicture, Inlet};
pub use live::{Live, stylise_live};
pub use ordered::{Lane, stylise_in_order};
pub use stylist::Stylist;
