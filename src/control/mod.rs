//! Controlling a running daemon: what can be asked of a stream, the types that travel, the HTTP server, and its client.
//!
//! The server knows streams only as [`Stream`]: each of its methods puts a message where the stream's threads find it,
//! so that no request ever waits for a frame on the threads that paint.

pub(crate) mod address;
pub(crate) mod client;
pub mod contract;
pub(crate) mod desk;
pub(crate) mod http;
pub(crate) mod media;
pub(crate) mod midi;
pub(crate) mod osc;
pub(crate) mod presets;
pub(crate) mod recordings;
mod sources;
mod stream;
mod text;

pub use address::{HttpAddress, HttpPlan, PreviewAddress};
pub use sources::AllowedSources;
pub use stream::{ApiError, ApiFuture, ApiResult, Hub, Member, Saver, Starter, Stream, run_blocking};
