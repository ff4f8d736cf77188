//! Whether anybody has a loopback device open as a camera.
//!
//! v4l2loopback 0.13 and newer tell it by an event. Before that, `/proc` shows who has the device open, and inotify
//! tells when to look again; it also counts those whom `/proc` hides.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::raw::{c_uint, c_ulong};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::inotify;
use v4l::v4l_sys::{self, v4l2_event, v4l2_event_subscription};

use crate::output::idle::Usage;
use crate::v4l2::{self, Argument, holders::holders, ioctl};

/// v4l2loopback's event: somebody began to stream from the device, or the last one stopped.
const CLIENT_USAGE: u32 = v4l_sys::V4L2_EVENT_PRIVATE_START + 0x08E0_0000 + 1;

/// Events get lost in practice: so often the state is asked for anew, on a fresh file or by a look through `/proc`.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// Watches over the viewers of one device.
pub(super) struct Viewers {
    path: PathBuf,
    sense: Sense,
    usage: Usage,
    checked: Instant,
}

enum Sense {
    /// The module's event, on a file of its own.
    Events(v4l::Device),
    /// Opens and closes of the device, and how many more opens than closes were seen.
    Files { inotify: OwnedFd, open: i64 },
    /// Nothing works: who watches stays unknown.
    Blind,
}

impl Viewers {
    pub(super) fn watch(path: &Path) -> Self {
        let (sense, usage) = match subscribe(path) {
            Some((device, usage)) => (Sense::Events(device), usage),
            None => match watch_files(path) {
                Ok(inotify) => (Sense::Files { inotify, open: 0 }, look(path, 0)),
                Err(_) => (Sense::Blind, Usage::Unknown),
            },
        };
        Self { path: path.to_path_buf(), sense, usage, checked: Instant::now() }
    }

    /// The state now. Cheap: to be called with every frame.
    pub(super) fn usage(&mut self) -> Usage {
        match &mut self.sense {
            Sense::Events(device) => {
                let told = last_event(device);
                // "Nobody" is believed when a fresh file says so too.
                let doubtful = told == Some(Usage::Absent) || self.checked.elapsed() >= ASK_AGAIN;
                self.usage = told.unwrap_or(self.usage);
                if doubtful {
                    self.checked = Instant::now();
                    self.usage = match subscribe(&self.path) {
                        Some((fresh, usage)) => {
                            *device = fresh;
                            usage
                        }
                        None => Usage::Unknown,
                    };
                }
            }
            Sense::Files { inotify, open } => {
                let changed = count_events(inotify, open);
                if changed || self.checked.elapsed() >= ASK_AGAIN {
                    self.checked = Instant::now();
                    self.usage = look(&self.path, *open);
                }
            }
            Sense::Blind => {}
        }
        self.usage
    }
}

/// Opens the device once more and asks for the event and the present state; `None` if the module has no such event.
fn subscribe(path: &Path) -> Option<(v4l::Device, Usage)> {
    let device = v4l2::open(path).ok()?;
    let mut subscription = v4l2_event_subscription {
        type_: CLIENT_USAGE,
        flags: v4l_sys::V4L2_EVENT_SUB_FL_SEND_INITIAL,
        ..v4l2_event_subscription::zeroed()
    };
    ioctl(&device, &mut subscription).ok()?;
    let usage = last_event(&device).unwrap_or(Usage::Unknown);
    Some((device, usage))
}

/// What the latest waiting event says.
fn last_event(device: &v4l::Device) -> Option<Usage> {
    let mut usage = None;
    let mut event = v4l2_event::zeroed();
    // The file does not block: without an event, the call fails.
    while ioctl(device, &mut event).is_ok() {
        if event.type_ == CLIENT_USAGE {
            // SAFETY: the union is plain bytes, and this event carries one number at its beginning.
            let data = unsafe { event.u.data };
            let count = u32::from_ne_bytes([data[0], data[1], data[2], data[3]]);
            usage = Some(if count > 0 { Usage::Watched } else { Usage::Absent });
        }
    }
    usage
}

fn watch_files(path: &Path) -> rustix::io::Result<OwnedFd> {
    let inotify = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
    inotify::add_watch(&inotify, path, inotify::WatchFlags::OPEN | inotify::WatchFlags::CLOSE)?;
    Ok(inotify)
}

/// Takes the waiting events into the count; true if there were any.
fn count_events(inotify: &OwnedFd, open: &mut i64) -> bool {
    let closed = inotify::ReadFlags::CLOSE_WRITE | inotify::ReadFlags::CLOSE_NOWRITE;
    let mut memory = [MaybeUninit::uninit(); 1024];
    let mut reader = inotify::Reader::new(inotify, &mut memory);
    let mut any = false;
    while let Ok(event) = reader.next() {
        any = true;
        let events = event.events();
        if events.contains(inotify::ReadFlags::OPEN) {
            *open += 1;
        } else if events.intersects(closed) {
            // What was open before the watch began was not counted.
            *open = (*open - 1).max(0);
        }
    }
    any
}

/// `open` more opens than closes were seen; those whom `/proc` does not show belong to other users.
fn look(path: &Path, open: i64) -> Usage {
    if !holders(path).is_empty() {
        Usage::Watched
    } else if open > 0 {
        Usage::Unknown
    } else {
        Usage::Absent
    }
}

/// The number of an ioctl of V4L2 (`_IOC` in linux/ioctl.h).
const fn request<T>(direction: c_uint, number: c_uint) -> c_ulong {
    let size = size_of::<T>() as c_uint;
    ((direction << 30) | (size << 16) | ((b'V' as c_uint) << 8) | number) as c_ulong
}

// SAFETY: VIDIOC_SUBSCRIBE_EVENT (write, 90) takes this structure of plain numbers.
unsafe impl Argument for v4l2_event_subscription {
    const REQUEST: c_ulong = request::<Self>(1, 90);
}
// SAFETY: VIDIOC_DQEVENT (read, 89) fills this structure of plain numbers and bytes.
unsafe impl Argument for v4l2_event {
    const REQUEST: c_ulong = request::<Self>(2, 89);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_numbers_are_those_of_the_kernel() {
        assert_eq!(<v4l2_event_subscription as Argument>::REQUEST, 0x4020_565A);
        assert_eq!(<v4l2_event as Argument>::REQUEST, 0x8088_5659);
    }

    #[test]
    fn files_show_who_has_the_device_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("video9");
        std::fs::write(&path, "").unwrap();
        let inotify = watch_files(&path).unwrap();
        let mut open = 0;
        assert!(!count_events(&inotify, &mut open));
        let file = std::fs::File::open(&path).unwrap();
        assert!(count_events(&inotify, &mut open));
        assert_eq!((open, look(&path, open)), (1, Usage::Unknown), "seen by nobody but inotify");
        drop(file);
        assert!(count_events(&inotify, &mut open));
        assert_eq!((open, look(&path, open)), (0, Usage::Absent));
    }
}
