//! ONNX Runtime: the only place that knows `ort`. Finding the library, choosing a provider, running a network.

mod cast;
mod handed_on;
pub mod inspect;
pub mod library;
mod loaded;
mod local;
mod measure;
pub mod operators;
mod options;
mod picture_memory;
pub mod provider;
mod session;
mod shared_memory;
mod stop;
mod timings;
pub mod worker;

pub use loaded::Loaded;
pub use options::SessionOptions;
pub use provider::{Backend, Device, Precision};
pub use session::{RunStop, Session, inspect_network};
