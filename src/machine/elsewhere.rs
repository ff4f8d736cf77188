//! Other systems than Linux: they are not asked.

use std::path::Path;

/// The processor's name is not known.
pub fn processor() -> Option<String> {
    None
}

/// Nor are its instruction sets.
pub fn instruction_sets() -> String {
    String::new()
}

/// Memory of this process is not known.
pub fn resident_bytes() -> Option<u64> {
    None
}

/// Nor is how many descriptors it has open.
pub fn open_descriptors() -> Option<usize> {
    None
}

/// What hardware there is shows when it is tried.
pub fn lacks_devices(_folder: &str) -> bool {
    false
}

/// Only the whole process could make way.
pub fn make_way(_niceness: i32) {}

/// The allocator shares as it does.
pub fn share_heaps() {}

/// The allocator gives back as it does.
pub fn give_back_free_memory() {}

/// Who writes a file is not known: one that stays the same is taken to be whole.
pub fn is_being_written(_file: &Path) -> bool {
    false
}
