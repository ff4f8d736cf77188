//! What GLib, GStreamer, libsoup and libraries of C complain of, told in our log: without secrets, and never without end.

use std::collections::VecDeque;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use crate::sync::Locked;
use gstreamer::glib::{self, LogLevel, LogWriterOutput};

/// How many complaints are told in each [`WINDOW`]: a fault in a library can repeat one a million times a minute.
const MOST_TOLD: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);

/// Lines on standard error are told once as long as no more different ones have come since.
const LINES_KEPT: usize = 16;

/// A longer line is told in pieces.
const LONGEST_LINE: usize = 1024;

/// Sends all that the libraries say to our log from now on; the program calls it once, before it starts any of them.
pub fn take_over() {
    glib::log_set_writer_func(|level, fields| {
        if matches!(level, LogLevel::Error | LogLevel::Critical | LogLevel::Warning) {
            let field = |key| fields.iter().find(|field| field.key() == key).and_then(|field| field.value_str());
            tell(field("GLIB_DOMAIN").unwrap_or("a library"), field("MESSAGE").unwrap_or("(no text)"));
        }
        LogWriterOutput::Handled
    });
    // Where somebody looks for a fault in GStreamer, all that it says is wanted, as it is.
    #[cfg(target_env = "gnu")]
    if std::env::var_os("GST_DEBUG").is_none() {
        standard_error::take_over();
    }
}

/// Tells a complaint, unless too many were told of late.
fn tell(library: &str, text: &str) {
    static BUDGET: LazyLock<Mutex<Budget>> = LazyLock::new(|| Mutex::new(Budget::new(Instant::now())));
    let Some(held_back) = BUDGET.locked().ask(Instant::now()) else { return };
    if held_back > 0 {
        tracing::warn!("{held_back} more complaints of libraries were not told");
    }
    tracing::warn!("{library}: {text}");
}

/// The stream that libraries of C write to past every log: libdv tells of each frame of a silent film that it is silent.
#[cfg(target_env = "gnu")]
mod standard_error {
    use std::ffi::{c_char, c_int, c_void};
    use std::ptr::{null, null_mut};

    use super::{LazyLock, Lines, Locked, Mutex, tell};

    /// `cookie_io_functions_t` of <stdio.h>.
    #[repr(C)]
    struct Functions {
        read: *const c_void,
        write: extern "C" fn(*mut c_void, *const c_char, usize) -> isize,
        seek: *const c_void,
        close: *const c_void,
    }

    unsafe extern "C" {
        static mut stderr: *mut libc::FILE;
        fn fopencookie(cookie: *mut c_void, mode: *const c_char, functions: Functions) -> *mut libc::FILE;
    }

    const LINE_BUFFERED: c_int = 1;

    /// Rust's own standard error is the descriptor, and stays.
    pub fn take_over() {
        let functions = Functions { read: null(), write, seek: null(), close: null() };
        // SAFETY: `write` needs no cookie, and takes what it is given only during the call. The stream is never closed, so
        // that whoever has read the variable may use it for ever; GNU's library lets a program set it, and no thread of a
        // library exists yet that could read it meanwhile.
        unsafe {
            let stream = fopencookie(null_mut(), c"w".as_ptr(), functions);
            if !stream.is_null() && libc::setvbuf(stream, null_mut(), LINE_BUFFERED, 0) == 0 {
                stderr = stream;
            }
        }
    }

    extern "C" fn write(_: *mut c_void, text: *const c_char, length: usize) -> isize {
        static LINES: LazyLock<Mutex<Lines>> = LazyLock::new(Mutex::default);
        // SAFETY: the stream gives so many bytes, which live during the call.
        let text = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) };
        let news = LINES.locked().take(text);
        news.iter().for_each(|line| tell("a library", line));
        length as isize
    }
}

/// What is written on standard error, line by line.
#[derive(Default)]
struct Lines {
    begun: Vec<u8>,
    latest: VecDeque<String>,
}

impl Lines {
    /// The lines that end with `text`, without those that came before.
    fn take(&mut self, text: &[u8]) -> Vec<String> {
        let mut news = Vec::new();
        for piece in text.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(piece);
            if !piece.ends_with(b"\n") && self.begun.len() < LONGEST_LINE {
                continue;
            }
            let line = String::from_utf8_lossy(self.begun.trim_ascii()).into_owned();
            self.begun.clear();
            if line.is_empty() || self.latest.contains(&line) {
                continue;
            }
            self.latest.truncate(LINES_KEPT - 1);
            self.latest.push_front(line.clone());
            news.push(line);
        }
        news
    }
}

/// Lets some complaints through in each window of time, and counts the others.
struct Budget {
    begun: Instant,
    told: u32,
    held_back: u64,
}

impl Budget {
    fn new(now: Instant) -> Self {
        Self { begun: now, told: 0, held_back: 0 }
    }

    /// Whether one more is told now, and if so how many were held back since the last one that was.
    fn ask(&mut self, now: Instant) -> Option<u64> {
        if now.duration_since(self.begun) >= WINDOW {
            (self.begun, self.told) = (now, 0);
        }
        if self.told == MOST_TOLD {
            self.held_back += 1;
            return None;
        }
        self.told += 1;
        Some(std::mem::take(&mut self.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_written_again_and_again_is_told_once() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(b"# no "), [""; 0]);
        assert_eq!(lines.take(b"audio\n# decode failure \n# no audio\n\n"), ["# no audio", "# decode failure"]);
        assert!((0..100).all(|_| lines.take(b"# no audio\n# decode failure \n").is_empty()));
        for number in 0..LINES_KEPT {
            assert_eq!(lines.take(format!("{number}\n").as_bytes()).len(), 1);
        }
        assert_eq!(lines.take(b"# no audio\n"), ["# no audio"], "it is long ago");
        assert_eq!(lines.take(&b"x".repeat(LONGEST_LINE)).len(), 1, "it would never end");
    }

    #[test]
    fn a_flood_is_cut_and_counted() {
        let begun = Instant::now();
        let mut budget = Budget::new(begun);
        for _ in 0..MOST_TOLD {
            assert_eq!(budget.ask(begun), Some(0));
        }
        for second in 0..59 {
            assert_eq!(budget.ask(begun + Duration::from_secs(second)), None);
        }
        assert_eq!(budget.ask(begun + WINDOW), Some(59));
        assert_eq!(budget.ask(begun + WINDOW), Some(0));
    }
}
