//! Worker processes: each runs one session of a network, so that what crashes or hangs in there costs some frames only.
//!
//! The daemon starts its own program again, with one end of a socket as standard input. The tensors lie in memory that
//! both see, written by the pixel pass on one side and read by ONNX Runtime on the other; a frame costs a message of a
//! few bytes each way. A worker ends when the socket does, so that none outlives its daemon.

mod link;
mod process;
mod protocol;
mod remote;

use std::path::PathBuf;

pub use link::Process;
pub use process::serve;
pub use remote::{RemoteEncoder, RemoteSession, inspect};

/// The program to start as a worker process: this one as it runs, even if its file has been replaced by a newer version
/// since.
pub fn program() -> Option<PathBuf> {
    Some("/proc/self/exe".into())
}
