//! ONNX Runtime: the only place that knows `ort`. Finding the library, choosing a provider, running a network.

pub mod inspect;
pub mod library;
pub mod provider;
pub mod session;

pub use provider::Device;
pub use session::{Loaded, Session, SessionOptions};
