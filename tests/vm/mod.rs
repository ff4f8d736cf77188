//! Runs a test inside a kernel with a webcam and loopback devices, and reads cameras there.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use v4l::buffer::Type;
use v4l::io::traits::CaptureStream;
use v4l::prelude::MmapStream;

use crate::common::*;

/// The webcam and the loopback device of the guest.
pub const WEBCAM: &str = "/dev/video0";
pub const LOOPBACK: &str = "/dev/video10";

/// Set for the copy of the test that runs in the guest.
const INSIDE: &str = "IMPASTO_TEST_INSIDE";

/// Longer than any test takes there on a busy machine.
const GUEST_SECONDS: u32 = 400;

/// True in the guest. Outside, runs the test `name` again in a guest and returns false; where there is no kernel to
/// run it in, says so aloud.
pub fn inside(name: &str) -> bool {
    inside_with(name, &[])
}

/// The same in a kernel with more arguments.
pub fn inside_with(name: &str, kernel_arguments: &[&str]) -> bool {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    static KERNEL: LazyLock<Option<PathBuf>> = LazyLock::new(kernel);
    let Some(kernel) = &*KERNEL else { return false };
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // GStreamer's list of plugins is made here: in the guest it would be made anew each time, and slowly.
    tool("gst-inspect-1.0", &["fakesink"]);
    let mut command = Command::new(project("tests/vm/run"));
    command.current_dir(project("")).arg(kernel).arg(GUEST_SECONDS.to_string()).args(kernel_arguments).arg("--");
    command.arg(std::env::current_exe().expect("the test's own path")).args([name, "--exact", "--nocapture"]);
    let output = command.env(INSIDE, "1").output().expect("tests/vm/run starts");
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(output.status.success(), "in the guest ({}):\n{told}", output.status);
    // Figures are for people who run the tests with --nocapture.
    told.lines().filter_map(|line| line.find("figure:").map(|at| &line[at..])).for_each(|line| println!("{line}"));
    false
}

/// The kernel: `IMPASTO_TEST_KERNEL` (the program or its folder), the one that tests/vm/build-kernel made, or one
/// that lies beside the project. None, which is told, if there is none that starts on this processor.
fn kernel() -> Option<PathBuf> {
    let named = std::env::var_os("IMPASTO_TEST_KERNEL").map(PathBuf::from);
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let built = cache.map(|cache| cache.join("impasto/test-kernel"));
    let places = match named {
        Some(named) => vec![named],
        None => built.into_iter().chain([project("../shared/vm")]).collect(),
    };
    let programs = places.into_iter().map(|place| if place.is_dir() { place.join("linux") } else { place });
    let found = programs.filter(|_| cfg!(target_arch = "x86_64")).find(|program| program.is_file());
    let why = match &found {
        None => "there is no kernel to run them in",
        Some(kernel) if !has_room_for_amx(kernel) => "the kernel has no room for the AMX registers of this processor",
        Some(_) => return found,
    };
    // Past the test harness, which keeps what passing tests print to itself.
    let _ = writeln!(
        std::io::stderr(),
        "\nSKIPPED: the tests on real cameras, for {why}; tests/vm/build-kernel makes one, IMPASTO_TEST_KERNEL names one\n"
    );
    None
}

/// True on a processor without AMX, too: there a kernel that does not start is a fault.
fn has_room_for_amx(kernel: &Path) -> bool {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    if !processor.contains(" amx_tile") {
        return true;
    }
    let mut command = Command::new(project("tests/vm/run"));
    command.current_dir(project("")).arg(kernel).args(["60", "--", "true"]);
    command.output().expect("tests/vm/run starts").status.success()
}

/// A program that has the camera open and streams from it, as a video call does.
pub struct Reader {
    stream: MmapStream<'static>,
    pub width: usize,
    pub height: usize,
}

impl Reader {
    /// Waits until `path` is a camera, and opens it.
    pub fn open(path: &str) -> Self {
        let mut refused = None;
        let opened = poll(PATIENCE, || Self::try_open(path).map_err(|error| refused = Some(error)).ok());
        opened.unwrap_or_else(|| panic!("{path} does not become a camera: {refused:?}"))
    }

    fn try_open(path: &str) -> std::io::Result<Self> {
        Self::from_device(&v4l::Device::with_path(path)?)
    }

    /// Streams from a file that was opened before.
    pub fn from_device(device: &v4l::Device) -> std::io::Result<Self> {
        let format = v4l::video::Capture::format(device)?;
        assert_eq!(format.fourcc.str(), Ok("YUYV"));
        let mut stream = MmapStream::new(device, Type::VideoCapture)?;
        stream.set_timeout(PATIENCE);
        Ok(Self { stream, width: format.width as usize, height: format.height as usize })
    }

    /// The next frame.
    pub fn frame(&mut self) -> Picture {
        let (bytes, _) = self.stream.next().expect("a frame comes");
        // Loopback buffers are rounded up to whole pages.
        Picture { bytes: bytes[..self.width * self.height * 2].to_vec(), width: self.width, height: self.height }
    }

    /// The frame after the first one that `wanted` accepts: with its two buffers, the module may be writing the next
    /// picture into the first one already.
    pub fn frame_that(&mut self, what: &str, wanted: impl Fn(&Picture) -> bool) -> Picture {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let frame = self.frame();
            if wanted(&frame) {
                return self.frame();
            }
            assert!(Instant::now() < deadline, "{what}: no such frame came");
        }
    }
}

/// One frame of YUYV.
#[derive(Clone, PartialEq)]
pub struct Picture {
    pub bytes: Vec<u8>,
    pub width: usize,
    pub height: usize,
}

impl Picture {
    pub fn from_file(path: &Path, width: usize, height: usize) -> Self {
        let mut bytes = std::fs::read(path).expect("the frame was written");
        let size = width * height * 2;
        assert!(bytes.len() >= size && bytes.len().is_multiple_of(size), "{} bytes are no whole frames", bytes.len());
        Self { bytes: bytes.split_off(bytes.len() - size), width, height }
    }

    /// Y, U, V at a place.
    pub fn yuv(&self, x: usize, y: usize) -> [u8; 3] {
        let pair = &self.bytes[(y * self.width + (x & !1)) * 2..][..4];
        [pair[(x & 1) * 2], pair[1], pair[3]]
    }

    /// R, G, B at a place, by BT.601 in limited range.
    pub fn rgb(&self, x: usize, y: usize) -> [u8; 3] {
        let [luma, u, v] = self.yuv(x, y).map(f64::from);
        let (luma, u, v) = ((luma - 16.0) * 255.0 / 219.0, (u - 128.0) * 255.0 / 224.0, (v - 128.0) * 255.0 / 224.0);
        [luma + 1.402 * v, luma - 0.344_136 * u - 0.714_136 * v, luma + 1.772 * u].map(|value| value.round() as u8)
    }

    pub fn mean_luma(&self) -> f64 {
        let luma = self.bytes.iter().step_by(2);
        luma.map(|value| f64::from(*value)).sum::<f64>() / (self.bytes.len() / 2) as f64
    }

    /// The card that is shown while no painted picture is there: dark at both sides, dabs of paint in the middle.
    pub fn is_card(&self) -> bool {
        let dark = |x, y| self.yuv(x, y)[0].abs_diff(43) < 5;
        dark(0, self.height / 2)
            && dark(self.width - 1, self.height / 2)
            && self.yuv(self.width / 2, self.height * 36 / 100)[0] > 100
    }

    /// The same bars as in `other`: within 3 of 255 in the middle of each.
    pub fn assert_bars_of(&self, other: &Self, what: &str) {
        assert_eq!((self.width, self.height), (other.width, other.height), "{what}");
        for bar in 0..8 {
            let (x, y) = ((2 * bar + 1) * self.width / 16, self.height / 4);
            let (seen, wanted) = (self.yuv(x, y), other.yuv(x, y));
            let off = seen.iter().zip(wanted).map(|(a, b)| a.abs_diff(b)).max();
            assert!(off <= Some(3), "{what}: bar {bar} is {seen:?}, not {wanted:?}");
        }
    }
}

/// A still picture of the webcam's colour bars as the webcam itself delivers it.
pub fn webcam_bars(width: usize, height: usize) -> Picture {
    let format = format!("width={width},height={height},pixelformat=YUYV");
    let file = "/tmp/webcam.yuv";
    let to = format!("--stream-to={file}");
    tool("v4l2-ctl", &["-d", WEBCAM, "--set-ctrl", "osd_text_mode=2", "--set-fmt-video", &format]);
    tool("v4l2-ctl", &["-d", WEBCAM, "--set-parm", "30", "--stream-mmap", "--stream-count=2", &to]);
    Picture::from_file(Path::new(file), width, height)
}

/// Unplugs the webcam, or plugs it in again.
pub fn plug(into: bool) {
    let file = if into { "bind" } else { "unbind" };
    std::fs::write(format!("/sys/bus/platform/drivers/vivid/{file}"), "vivid.0").expect("vivid can be unplugged");
}

/// True if the process has the device open.
pub fn has_open(process: u32, device: &str) -> bool {
    let files = std::fs::read_dir(format!("/proc/{process}/fd")).expect("the process runs");
    files.flatten().any(|file| std::fs::read_link(file.path()).is_ok_and(|target| target == Path::new(device)))
}

/// A number of `/proc/PROCESS/status`, in kB where it is a size.
pub fn memory(process: u32, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("the kernel counts it");
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number")
}

/// CPU time a process has used so far.
pub fn cpu_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("its name is in brackets").split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().expect("a number") + fields[12].parse::<u64>().expect("a number");
    Duration::from_millis(ticks * 10)
}
