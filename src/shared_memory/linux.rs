//! Memory of plain values that two processes see: an anonymous file, which is gone with the last of them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Values of which any bits are one, and which hold no address.
pub trait Plain {}

impl Plain for f32 {}
impl Plain for u8 {}

/// A mapped anonymous file of so many values: those of a tensor, or the bytes of a picture.
pub struct SharedMemory<T = f32> {
    file: OwnedFd,
    start: NonNull<T>,
    length: usize,
}

// SAFETY: it is plain memory that this value alone maps in this process; the other process is asked to keep off it while
// this one reads or writes.
unsafe impl<T: Plain> Send for SharedMemory<T> {}
// SAFETY: as above; `&self` only reads.
unsafe impl<T: Plain> Sync for SharedMemory<T> {}

/// Its length is settled: nobody can cut it off below the other's mapping.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

impl<T: Plain> SharedMemory<T> {
    /// New memory of `length` zeros, at least one.
    pub fn new(length: usize) -> io::Result<Self> {
        let file = memfd_create("impasto", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&file, (length * size_of::<T>()) as u64)?;
        fcntl_add_seals(&file, SEALS)?;
        Self::map(file, length)
    }

    /// The memory in `file`, which another process made.
    ///
    /// # Errors
    /// It is shorter than `length` values, or could become so.
    pub fn open(file: OwnedFd, length: usize) -> io::Result<Self> {
        let held = usize::try_from(fstat(&file)?.st_size).unwrap_or_default();
        if length == 0 || held / size_of::<T>() < length || !fcntl_get_seals(&file)?.contains(SealFlags::SHRINK) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the memory is not what it was said to be"));
        }
        Self::map(file, length)
    }

    fn map(file: OwnedFd, length: usize) -> io::Result<Self> {
        let (bytes, both) = (length * size_of::<T>(), ProtFlags::READ | ProtFlags::WRITE);
        // SAFETY: a new mapping at a place of the kernel's choice; the file is as long and cannot become shorter.
        let start = unsafe { mmap(ptr::null_mut(), bytes, both, MapFlags::SHARED, &file, 0)? };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { file, start, length })
    }

    pub fn values(&self) -> &[T] {
        // SAFETY: the mapping holds so many values, any bits are one, and it lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    pub fn values_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl<T> AsFd for SharedMemory<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// As GStreamer takes memory for a buffer.
impl AsMut<[u8]> for SharedMemory<u8> {
    fn as_mut(&mut self) -> &mut [u8] {
        self.values_mut()
    }
}

impl<T> Drop for SharedMemory<T> {
    fn drop(&mut self) {
        // SAFETY: mapped by `map`, and nothing borrows it any more.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.length * size_of::<T>()) };
        debug_assert!(unmapped.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_see_the_same_values_and_neither_can_cut_them_off() {
        let mut here = SharedMemory::new(5000).unwrap();
        let file = here.as_fd().try_clone_to_owned().unwrap();
        assert!(ftruncate(&file, 4).is_err(), "its length is settled");
        let there = SharedMemory::<f32>::open(file.try_clone().unwrap(), 5000).unwrap();
        here.values_mut()[4999] = 0.5;
        assert_eq!((there.values()[4999], there.values()[0]), (0.5, 0.0));
        assert!(SharedMemory::<f32>::open(file, 5001).is_err(), "no value lies beyond its end");

        let open_ended = memfd_create("tensor", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&open_ended, 4096).unwrap();
        assert!(SharedMemory::<f32>::open(open_ended, 10).is_err(), "it could be cut off");
    }
}
