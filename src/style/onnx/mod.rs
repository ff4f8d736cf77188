//! ONNX Runtime: the only place that knows `ort`. Finding the library, choosing a provider, running a network.

pub mod inspect;
pub mod library;
mod loaded;
pub mod provider;
pub mod session;

pub use loaded::Loaded;
pub use provider::Device;
pub use session::{Session, SessionOptions};
