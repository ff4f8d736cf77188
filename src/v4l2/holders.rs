//! Who has a device node open, as far as `/proc` lets us see.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A process that has the node open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub process: u32,
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.process)
    }
}

/// Other processes that have `device` open; those of other users are not seen without root.
pub fn holders(device: &Path) -> Vec<Holder> {
    let Ok(wanted) = std::fs::metadata(device).map(|metadata| identity(&metadata)) else {
        return Vec::new();
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let ours = std::process::id();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|process| *process != ours && has_open(*process, wanted))
        .map(|process| Holder { process, name: name(process) })
        .collect()
}

/// A device is told by its number, whatever node leads to it; a plain file, which has none, by its inode.
fn identity(metadata: &Metadata) -> (u64, u64) {
    let number = metadata.rdev();
    (number, if number == 0 { metadata.ino() } else { 0 })
}

fn has_open(process: u32, wanted: (u64, u64)) -> bool {
    let files = std::fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().filter_map(Result::ok);
    files.map(|entry| entry.path()).any(|file| {
        // The link's text is cheap and rules out nearly all; a sandbox may have the node under another path.
        let leads_to_video = std::fs::read_link(&file).is_ok_and(|target| target.to_string_lossy().contains("video"));
        leads_to_video && std::fs::metadata(&file).is_ok_and(|metadata| identity(&metadata) == wanted)
    })
}

fn name(process: u32) -> String {
    std::fs::read_to_string(format!("/proc/{process}/comm")).map_or_else(|_| "?".into(), |name| name.trim().into())
}
