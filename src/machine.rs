//! What this machine computes with, and what its system lets the process know and do.

#[cfg_attr(linux, path = "machine/linux.rs")]
#[cfg_attr(not(linux), path = "machine/elsewhere.rs")]
mod system;

pub use system::{
    give_back_free_memory, instruction_sets, is_being_written, lacks_devices, make_way, open_descriptors,
    resident_bytes, share_heaps,
};

use std::path::Path;

/// The cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The processor's name; its architecture where the system does not tell.
pub fn processor() -> String {
    system::processor().unwrap_or_else(|| std::env::consts::ARCH.to_string())
}

/// Lets a file that has become as large as it may be (`ulimit -f`) fail like a full disk, instead of ending the program.
pub fn survive_size_limits() {
    // SAFETY: ignoring a signal installs no handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Ends the process at once, without what libraries do at its end.
pub fn leave(code: u8) -> ! {
    // SAFETY: nothing of this process runs after it.
    unsafe { libc::_exit(code.into()) }
}

/// How many bytes whoever runs this may still write into `folder`; none where the file system does not tell.
///
/// # Errors
/// There is no such folder, or it cannot be looked at.
pub fn free_bytes(folder: &Path) -> std::io::Result<Option<u64>> {
    let found = rustix::fs::statvfs(folder)?;
    // Some file systems have no blocks at all.
    Ok((found.f_blocks > 0).then(|| found.f_bavail * found.f_frsize))
}
