//! ONNX Runtime: the only place that knows `ort`. Finding the library, choosing a provider, running a network.

pub mod inspect;
pub mod library;
mod loaded;
mod measure;
mod options;
pub mod provider;
pub mod session;
mod stop;
mod timings;

pub use loaded::Loaded;
pub use options::SessionOptions;
pub use provider::{Backend, Device, Precision};
pub use session::Session;
pub use stop::RunStop;
