//! The programs `ffmpeg` and `ffprobe`, which may be missing: how they are run, and what they say of a film.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

/// Nothing but files is opened, whatever a film names.
const FILES_ALONE: [&str; 2] = ["-protocol_whitelist", "file"];

/// One stream as ffprobe tells it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Stream {
    /// Its number in the file.
    #[serde(default)]
    pub index: usize,
    /// "video", "audio", "subtitle", "attachment", "data"; nothing for what ffmpeg does not know.
    #[serde(default)]
    pub codec_type: String,
    /// "h264"; nothing for what ffmpeg does not know.
    #[serde(default)]
    pub codec_name: String,
    #[serde(default)]
    pub disposition: BTreeMap<String, u8>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// "30000/1001"
    #[serde(default)]
    pub r_frame_rate: String,
    /// Seconds.
    #[serde(default)]
    pub start_time: String,
    /// 0 where nothing came of it in what was looked at.
    #[serde(default)]
    pub sample_rate: String,
    /// "yuv420p10le"
    #[serde(default)]
    pub pix_fmt: String,
}

impl Stream {
    /// A cover or thumbnail, which is no film.
    pub fn is_cover(&self) -> bool {
        self.codec_type == "video" && self.disposition.get("attached_pic") == Some(&1)
    }

    /// Pictures that move.
    pub fn is_film(&self) -> bool {
        self.codec_type == "video" && !self.is_cover()
    }

    /// Sound that ffmpeg can read.
    pub fn is_sound(&self) -> bool {
        self.codec_type == "audio" && !self.codec_name.is_empty() && self.sample_rate != "0"
    }
}

/// What ffprobe tells of a file.
#[derive(Debug, Deserialize)]
pub struct Probed {
    pub streams: Vec<Stream>,
    format: Format,
}

#[derive(Debug, Deserialize)]
struct Format {
    #[serde(default)]
    duration: String,
    #[serde(default)]
    start_time: String,
}

impl Probed {
    /// How long it plays, where it says so.
    pub fn duration(&self) -> Option<Duration> {
        self.format.duration.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }

    /// When the first of its streams begins, in seconds: ffmpeg counts times from there.
    pub fn start(&self) -> f64 {
        self.format.start_time.parse().unwrap_or_default()
    }
}

/// What a file holds.
///
/// # Errors
/// ffprobe is not installed or does not read it: in words.
pub fn probe(file: &Path) -> Result<Probed, String> {
    let wanted = ["-show_streams", "-show_format", "-of", "json"];
    let text = run(ffprobe().args(wanted).arg(as_file(file)))?;
    serde_json::from_slice(&text).map_err(|error| format!("ffprobe: {error}"))
}

/// How many packets of pictures ffmpeg finds in a file.
///
/// # Errors
/// As [`probe`].
pub fn count_pictures(file: &Path) -> Result<u64, String> {
    let wanted =
        ["-select_streams", "V:0", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0"];
    let text = run(ffprobe().args(wanted).arg(as_file(file)))?;
    let text = String::from_utf8_lossy(&text);
    text.trim().trim_end_matches(',').parse().map_err(|_| "ffprobe counts nothing".into())
}

fn ffprobe() -> Command {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error"]).args(FILES_ALONE);
    command
}

/// An `ffmpeg` that says nothing but errors and never asks.
pub fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y"]);
    command
}

/// Adds a file to read.
pub fn read<'a>(command: &'a mut Command, file: &Path) -> &'a mut Command {
    command.args(FILES_ALONE).arg("-i").arg(as_file(file))
}

/// Whether `ffmpeg` and `ffprobe` are there.
pub fn is_installed() -> bool {
    ["ffmpeg", "ffprobe"].iter().all(|program| run(Command::new(program).arg("-version")).is_ok())
}

/// A path that is never taken for an option or an address.
pub fn as_file(path: &Path) -> OsString {
    let mut name = OsString::from("file:");
    name.push(path);
    name
}

/// What a program writes to its standard output.
///
/// # Errors
/// It is not installed, or fails: its own words.
pub fn run(command: &mut Command) -> Result<Vec<u8>, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("{program} is not installed"),
        _ => format!("{program}: {error}"),
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    // What ffmpeg says of a wrong option is followed by what became impossible by it.
    let of_option = errors.lines().find(|line| line.contains("Error setting option"));
    Err(format!("{program}: {}", of_option.or(errors.lines().last()).unwrap_or("failed without a word")))
}
