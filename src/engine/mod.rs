//! The stylise stage between capture and outputs: the inlet fills ring slots, stylists paint them.

mod inlet;
mod live;
mod ordered;
mod stylist;

pub use inlet::{FirstPicture, Inlet};
pub use live::{Live, stylise_live};
pub use ordered::{Lane, stylise_in_order};
pub use stylist::Stylist;
