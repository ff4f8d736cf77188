//! ONNX Runtime: the only place that knows `ort`. Finding the library, choosing a provider, running a network.

pub mod inspect;
pub mod library;
mod loaded;
mod measure;
pub mod provider;
pub mod session;
mod stop;
mod timings;

pub use loaded::Loaded;
pub use provider::{Backend, Device, Precision};
pub use session::{Session, SessionOptions};
pub use stop::RunStop;
