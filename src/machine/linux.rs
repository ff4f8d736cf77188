//! Linux: `/proc`, leases, and the allocator of the GNU C library where that is the one.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Memory is counted in pages of this size.
const PAGE_BYTES: u64 = 4096;

/// From Linux's `fcntl.h`; the library lacks it.
const F_SETSIG: libc::c_int = 10;

/// The processor's name.
pub fn processor() -> Option<String> {
    cpu_info("model name")
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

/// Memory of this process; `None` where the system does not tell.
pub fn resident_bytes() -> Option<u64> {
    let pages: u64 = std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some(pages * PAGE_BYTES)
}

/// How many descriptors this process has open; `None` where the system does not tell.
pub fn open_descriptors() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count())
}

/// True where there is no hardware that has its devices in this folder.
pub fn lacks_devices(folder: &str) -> bool {
    !Path::new(folder).is_dir()
}

/// This thread works when others do not. One that lacks the right to it just goes on.
pub fn make_way(niceness: i32) {
    let _ = rustix::process::nice(niceness);
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

/// True if a process has the file open for writing, as far as the kernel tells: of files of other users, and on some
/// network drives, it does not.
pub fn is_being_written(file: &Path) -> bool {
    let Ok(file) = File::open(file) else { return false };
    let control = |command: libc::c_int, value: libc::c_int| {
        // SAFETY: the descriptor is open, and these commands take an integer.
        unsafe { libc::fcntl(file.as_raw_fd(), command, value) }
    };
    // A writer that comes just now breaks the lease, which is told by a signal: by one that is ignored.
    control(F_SETSIG, libc::SIGURG);
    // Read leases are given only for what nobody writes. Closing the file gives it back.
    let refused = control(libc::F_SETLEASE, i32::from(libc::F_RDLCK as i16)) == -1;
    refused && std::io::Error::last_os_error().kind() == std::io::ErrorKind::WouldBlock
}
