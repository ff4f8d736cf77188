//! What this machine computes with, and how the process keeps its memory.

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

/// Larger blocks than this hold pictures: it is the allocator's own limit before it begins to learn.
#[cfg(target_env = "gnu")]
const PICTURE_BYTES: i32 = 128 * 1024;

/// Keeps the memory of a program that runs for months small. The allocator makes up to eight heaps a core, one for each
/// thread that comes, and each keeps the most that its threads ever held: streams, clients and workers that come and go
/// for hours spread over all of them. The path of a frame does not allocate, so two heaps are enough for all threads.
///
/// Pictures stay out of the heaps: as large blocks come and go, the allocator begins to cut them from a heap, where what
/// little lies behind them keeps them from going back to the system. What lives was level at 9 to 20 MB while clients and
/// changed configs took the process from 114 to 167 MB in three minutes; with this, from 89 to 93. The pages cost
/// GStreamer 0.7 ms of processor time for each picture of 1280x720.
pub fn share_heaps() {
    // SAFETY: it sets two numbers of the allocator, under the allocator's own lock.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
        libc::mallopt(libc::M_MMAP_THRESHOLD, PICTURE_BYTES);
    }
}
