//! ONNX Runtime: the only place that knows `ort`. Finding the library, choosing a provider, running a network.

mod cast;
mod encoder;
mod handed_on;
pub(crate) mod inspect;
pub mod library;
mod loaded;
mod local;
mod measure;
mod network_file;
pub(crate) mod operators;
mod options;
mod picture_memory;
pub(crate) mod provider;
mod session;
mod stop;
mod timings;
#[cfg_attr(not(linux), path = "elsewhere/worker.rs")]
pub(crate) mod worker;

pub use encoder::Encoder;
pub use loaded::Loaded;
pub use options::{MaskPlaces, SessionOptions};
pub use provider::{Backend, Device, Precision};
pub use session::{RunStop, Session, inspect_network};
