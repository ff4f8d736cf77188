//! What this machine computes with, and how the process keeps its memory.

use std::path::Path;

/// The cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The processor's name; its architecture where the system does not tell.
pub fn processor() -> String {
    cpu_info("model name").unwrap_or_else(|| std::env::consts::ARCH.to_string())
}

/// The instruction sets of the processor in the system's words; a virtual machine may give two processors one name.
pub fn instruction_sets() -> String {
    cpu_info("flags").unwrap_or_default()
}

/// What Linux tells of the first core under this name.
fn cpu_info(name: &str) -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    info.lines().find_map(|line| Some(line.strip_prefix(name)?.split_once(": ")?.1.to_string()))
}

/// Keeps the memory of a program that runs for months small. The allocator makes up to eight heaps a core, one for each
/// thread that comes, and each keeps the most that its threads ever held: streams, clients and workers that come and go
/// for hours spread over all of them. The path of a frame does not allocate, so two heaps are enough for all threads.
pub fn share_heaps() {
    // SAFETY: it sets a number of the allocator, under the allocator's own lock.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}

/// Lets a file that has become as large as it may be (`ulimit -f`) fail like a full disk, instead of ending the program.
pub fn survive_size_limits() {
    // SAFETY: ignoring a signal installs no handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
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

/// Gives the free pages of the heaps back to the system. The allocator does so only behind the last block that lives, and
/// one small block that stays keeps all that lay before it: after seven minutes of clients, faults and changes, 130 of 156 MB
/// were free. It takes milliseconds; call it now and then, on a thread that may wait.
pub fn give_back_free_memory() {
    // SAFETY: it takes the allocator's own locks, one heap after the other.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}
