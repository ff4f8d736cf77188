//! Notices that the file which plays was written anew, in place or as another file of the same name, and is whole.
//!
//! It is looked at again and again instead of waiting for the kernel's word, which does not come from other machines.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// A file is whole when it has stayed the same for so long.
const WHOLE_AFTER: Duration = Duration::from_secs(1);

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Which file it is: another one may take its name.
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Stamp {
    /// None while there is no such file, or nothing in it.
    pub fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok().filter(|found| found.is_file() && found.len() > 0)?;
        let modified = (found.mtime(), found.mtime_nsec());
        Some(Self { device: found.dev(), inode: found.ino(), bytes: found.len(), modified })
    }
}

/// What is known of a file over time.
#[derive(Debug)]
pub struct FileWatch {
    /// As it was when it was opened.
    opened: Option<Stamp>,
    /// As it was seen last, and since when it is so.
    seen: (Option<Stamp>, Instant),
}

impl FileWatch {
    /// `stamp` is that of the file as it is opened now.
    pub fn new(stamp: Option<Stamp>, now: Instant) -> Self {
        Self { opened: stamp, seen: (stamp, now) }
    }

    /// True if the file is another one than the one that was opened, and whole. One that is away may come back.
    pub fn note(&mut self, stamp: Option<Stamp>, now: Instant) -> bool {
        let (seen, since) = self.seen;
        if stamp != seen {
            self.seen = (stamp, now);
            return false;
        }
        stamp.is_some() && stamp != self.opened && now.duration_since(since) >= WHOLE_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks each 100 ms for so many seconds; after how many it is to be opened.
    fn opens_after(watch: &mut FileWatch, now: &mut Instant, path: &Path, seconds: f64) -> Option<f64> {
        let begun = *now;
        while now.duration_since(begun).as_secs_f64() < seconds {
            *now += Duration::from_millis(100);
            if watch.note(Stamp::of(path), *now) {
                return Some(now.duration_since(begun).as_secs_f64());
            }
        }
        None
    }

    #[test]
    fn a_file_is_opened_again_once_it_is_another_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let [path, other] = ["clip.mp4", "next.mp4"].map(|name| folder.path().join(name));
        let mut now = Instant::now();
        std::fs::write(&path, "old").unwrap();
        let mut watch = FileWatch::new(Stamp::of(&path), now);
        assert_eq!(opens_after(&mut watch, &mut now, &path, 60.0), None, "it is the same");

        // In place, piece by piece.
        for text in ["", "n", "ne", "new film"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(opens_after(&mut watch, &mut now, &path, 0.9), None, "{text:?} may go on");
        }
        let opens = opens_after(&mut watch, &mut now, &path, 1.0);
        assert!(opens.is_some_and(|seconds| seconds < 0.3), "{opens:?}");
        watch = FileWatch::new(Stamp::of(&path), now);
        assert_eq!(opens_after(&mut watch, &mut now, &path, 60.0), None);

        // Another one takes its name: as long, and as old.
        std::fs::write(&other, "old film").unwrap();
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::File::options().append(true).open(&other).unwrap().set_modified(modified).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert!(opens_after(&mut watch, &mut now, &path, 2.0).is_some_and(|seconds| seconds > 1.0));
        watch = FileWatch::new(Stamp::of(&path), now);

        // Away for a while; a link to another file is another file too.
        std::fs::remove_file(&path).unwrap();
        assert_eq!(opens_after(&mut watch, &mut now, &path, 60.0), None, "it is away");
        std::fs::write(&other, "linked").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert!(opens_after(&mut watch, &mut now, &path, 2.0).is_some());
    }
}
