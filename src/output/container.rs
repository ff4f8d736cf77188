//! The containers that video files are written in, and the name of a file that is not complete yet.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::gst::encoder::Codec;
use crate::style::Size;

/// The file format, by the ending of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    Mp4,
    Mov,
    Matroska,
    WebM,
}

impl Container {
    /// # Errors
    /// An ending that no container has.
    pub fn of(path: &Path) -> Result<Self> {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        match ending.as_str() {
            "mp4" | "m4v" => Ok(Self::Mp4),
            "mov" => Ok(Self::Mov),
            "mkv" => Ok(Self::Matroska),
            "webm" => Ok(Self::WebM),
            _ => Err(Error::usage(format!(
                "{}: the ending `{ending}` is unknown; video is written into .mp4, .mov, .mkv or .webm",
                path.display()
            ))),
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mp4 => "MP4",
            Self::Mov => "MOV",
            Self::Matroska => "Matroska",
            Self::WebM => "WebM",
        }
    }

    /// The GStreamer element that writes it.
    pub fn muxer(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4mux",
            Self::Mov => "qtmux",
            Self::Matroska => "matroskamux",
            Self::WebM => "webmmux",
        }
    }

    /// The GStreamer element that reads it.
    pub fn demuxer(self) -> &'static str {
        match self {
            Self::Mp4 | Self::Mov => "qtdemux",
            Self::Matroska | Self::WebM => "matroskademux",
        }
    }

    /// Its name for ffmpeg.
    pub fn ffmpeg_name(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4",
            Self::Mov => "mov",
            Self::Matroska => "matroska",
            Self::WebM => "webm",
        }
    }

    /// The codec that every player of this container knows.
    pub fn codec(self) -> Codec {
        if self == Self::WebM { Codec::Vp9 } else { Codec::H264 }
    }

    /// # Errors
    /// The container does not hold this codec.
    pub fn check_codec(self, codec: Codec) -> Result<()> {
        let held = match self {
            Self::Mp4 | Self::Matroska => true,
            Self::Mov => matches!(codec, Codec::H264 | Codec::H265),
            Self::WebM => matches!(codec, Codec::Vp9 | Codec::Av1),
        };
        if held {
            return Ok(());
        }
        Err(Error::usage(format!("{} does not hold {}; choose another --codec or ending", self.name(), codec.name())))
    }

    /// # Errors
    /// The container does not hold pictures of this size.
    pub fn check_size(self, size: Size) -> Result<()> {
        // The MP4 muxer's own limit.
        let least = if matches!(self, Self::Mp4 | Self::Mov) { 16 } else { 1 };
        if size.width >= least && size.height >= least {
            return Ok(());
        }
        Err(Error::output(format!(
            "{} holds pictures from {least}x{least} on, not {size}; write .mkv instead",
            self.name()
        )))
    }

    /// Launch text for floating-point sound that cannot be copied, where this container holds such.
    pub fn float_sound_encoder(self) -> Option<&'static str> {
        (self == Self::Matroska).then_some("capsfilter caps=audio/x-raw,format={F32LE,F64LE}")
    }

    /// Codec and launch text for lossless sound that cannot be copied, where players of this container know one.
    pub fn lossless_sound_encoder(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Matroska => Some(("FLAC", "flacenc ! flacparse")),
            Self::Mov => Some(("ALAC", "avenc_alac")),
            Self::Mp4 | Self::WebM => None,
        }
    }

    /// Launch text for sound that cannot be copied. AAC is asked for in the form that files hold: a parser that is not
    /// linked yet would settle on ADTS.
    pub fn sound_encoder(self) -> &'static str {
        match self {
            Self::Mp4 | Self::Mov => {
                "avenc_aac ! aacparse ! capsfilter caps=audio/mpeg,mpegversion=4,stream-format=raw"
            }
            Self::Matroska | Self::WebM => "opusenc ! opusparse",
        }
    }
}

/// `holiday.mp4` is written as `.holiday.mp4.part` beside it.
pub fn part_path(path: &Path) -> PathBuf {
    hidden_beside(path, "part")
}

/// `.NAME.ENDING` beside `path`, whatever bytes its name holds.
pub fn hidden_beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn the_ending_chooses_the_container() {
        assert_eq!(Container::of(Path::new("a/B.MKV")).unwrap(), Container::Matroska);
        let error = Container::of(Path::new("a.avi")).unwrap_err().to_string();
        assert!(error.contains("`avi` is unknown; video is written into .mp4"), "{error}");
        assert_eq!(part_path(Path::new("a/b.mp4")), Path::new("a/.b.mp4.part"));
        let odd = OsStr::from_bytes(b"\xff.mp4");
        assert_eq!(part_path(Path::new(odd)).as_os_str().as_bytes(), b".\xff.mp4.part");
    }
}
