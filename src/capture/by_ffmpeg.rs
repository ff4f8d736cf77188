//! Films that GStreamer does not read, or not to their end: ffmpeg does, and hands the pictures on through a pipe, as they are or
//! in a lossless codec.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Stdio};

use gstreamer as gst;

use crate::error::{Error, Result};
use crate::ffmpeg::{self, Stream, ffmpeg, read};

/// Codecs whose packets go through the pipe as they are: GStreamer decodes them in whatever file they lie.
const COPIED: [&str; 9] = ["h264", "hevc", "av1", "mpeg1video", "mpeg2video", "mpeg4", "mjpeg", "prores", "dnxhd"];

/// Who reads the pictures of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reader {
    #[default]
    GStreamer,
    /// ffmpeg, whose packets GStreamer decodes where it can.
    Ffmpeg,
    /// ffmpeg, which decodes them too.
    FfmpegDecoder,
}

/// A running ffmpeg and the end of its pipe. Dropping it ends both.
pub struct Reading {
    child: Child,
    /// What it complains of.
    errors: File,
    bits: Option<u32>,
    duration: Option<gst::ClockTime>,
}

impl Reading {
    /// Begins to read the pictures of `film`; with `decoded`, nothing is left to GStreamer but to unpack them.
    ///
    /// # Errors
    /// ffmpeg is not installed, or finds no pictures: in words.
    pub fn start(film: &Path, decoded: bool) -> Result<Self> {
        let failed = |reason: String| Error::input(format!("{}: {reason}", film.display()));
        let probed = ffmpeg::probe(film).map_err(failed)?;
        let pictures = probed.streams.iter().find(|stream| stream.is_film() && !stream.codec_name.is_empty());
        let pictures = pictures.ok_or_else(|| failed("there is no picture in it".into()))?;
        let is_copied = !decoded && COPIED.contains(&pictures.codec_name.as_str());
        let errors = tempfile::tempfile().map_err(|error| failed(error.to_string()))?;
        let told = errors.try_clone().map_err(|error| failed(error.to_string()))?;

        let mut command = ffmpeg();
        read(&mut command, film).args(["-map", &format!("0:{}", pictures.index)]);
        match is_copied {
            true => command.args(["-c:v", "copy"]),
            false => command
                .args(["-vf", &format!("scale=out_range=limited,format={}", lossless_format(&pictures.pix_fmt))])
                // Later levels have a head that GStreamer does not find in this container.
                .args(["-c:v", "ffv1", "-level", "1", "-g", "1", "-strict", "experimental"])
                .args(["-fps_mode", "passthrough", "-enc_time_base", "-1"]),
        };
        command.args(["-movflags", "frag_keyframe+delay_moov+default_base_moof", "-movie_timescale", "90000"]);
        command.args(["-f", "mov", "pipe:1"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(told);
        let child = command.spawn().map_err(|error| failed(format!("ffmpeg: {error}")))?;
        let bits = bits(&pictures.pix_fmt);
        let duration = probed.duration().and_then(|duration| gst::ClockTime::try_from(duration).ok());
        Ok(Self { child, errors, bits: (!is_copied).then_some(bits), duration })
    }

    /// Where its pictures come out, as an address.
    pub fn uri(&self) -> String {
        format!("fd://{}", self.child.stdout.as_ref().map_or(-1, |pipe| pipe.as_raw_fd()))
    }

    /// Bits for each value of the film's pixels, where the pipe has others.
    pub fn bits(&self) -> Option<u32> {
        self.bits
    }

    /// How long the film is, where it says so.
    pub fn duration(&self) -> Option<gst::ClockTime> {
        self.duration
    }

    /// The first thing that it could not read.
    pub fn complaint(&self) -> Option<String> {
        let mut start = [0; 1024];
        // ffmpeg goes on writing at its end.
        let length = self.errors.read_at(&mut start, 0).ok()?;
        let text = String::from_utf8_lossy(&start[..length]);
        text.lines().next().map(|line| format!("ffmpeg: {line}"))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bits for each value of a pixel format as ffmpeg names it: "gray10le", "rgb48be".
fn bits(format: &str) -> u32 {
    let name = format.trim_end_matches("le").trim_end_matches("be");
    if name.ends_with("48") || name.ends_with("64") || name == "ya16" {
        return 16;
    }
    // "nv12" is named by the bits of a whole pixel.
    if name.starts_with("nv1") || name.starts_with("nv2") {
        return 8;
    }
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    name[name.len() - digits..].parse().ok().filter(|bits| (9..=16).contains(bits)).unwrap_or(8)
}

/// The format that GStreamer knows and that keeps most of `format`, of those that FFV1 codes.
fn lossless_format(format: &str) -> &'static str {
    let begins = |kinds: &[&str]| kinds.iter().any(|kind| format.starts_with(kind));
    let is_deep = bits(format) > 8;
    match is_deep {
        _ if begins(&["yuva"]) => "yuva444p10le",
        true if begins(&["gbrap", "rgba", "argb", "bgra", "abgr", "ya"]) => "gbrap10le",
        false if begins(&["gbrap", "rgba", "argb", "bgra", "abgr", "ya"]) => "bgra",
        true if begins(&["gbr", "rgb", "bgr"]) => "gbrp10le",
        false if begins(&["gbr", "rgb", "bgr", "pal"]) => "bgr0",
        true if begins(&["gray", "yuv420", "yuvj420", "p0"]) => "yuv420p10le",
        false if begins(&["gray", "yuv420", "yuvj420", "nv"]) => "yuv420p",
        true if begins(&["yuv422"]) => "yuv422p10le",
        false if begins(&["yuv422", "yuvj422"]) => "yuv422p",
        true => "yuv444p10le",
        false => "yuv444p",
    }
}

/// Reads `film` by ffmpeg, after GStreamer has failed with `error`, which stays where ffmpeg sees no film in it either.
///
/// # Errors
/// Neither reads it; without ffmpeg, that it would help.
pub fn instead<T>(film: &Path, error: Error, read: impl FnOnce() -> Result<T>) -> Result<T> {
    let Error::Input(reason) = &error else { return Err(error) };
    match ffmpeg::probe(film) {
        Ok(probed) if probed.streams.iter().any(Stream::is_film) => read().map_err(|_| error),
        Err(_) if !ffmpeg::is_installed() => {
            Err(Error::input(format!("{reason}; ffmpeg reads more kinds of films: `apt install ffmpeg`")))
        }
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_of_pixels_are_known_by_their_names() {
        for (format, expected, lossless) in [
            ("gray10le", 10, "yuv420p10le"),
            ("gray16be", 16, "yuv420p10le"),
            ("yuv440p", 8, "yuv444p"),
            ("yuv422p", 8, "yuv422p"),
            ("yuv444p16le", 16, "yuv444p10le"),
            ("rgb48le", 16, "gbrp10le"),
            ("rgb24", 8, "bgr0"),
            ("nv12", 8, "yuv420p"),
            ("rgba64le", 16, "gbrap10le"),
            ("ya8", 8, "bgra"),
            ("ya16be", 16, "gbrap10le"),
            ("yuva422p", 8, "yuva444p10le"),
        ] {
            assert_eq!((bits(format), lossless_format(format)), (expected, lossless), "{format}");
        }
    }
}
