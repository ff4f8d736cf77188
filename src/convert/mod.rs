//! Recorded material: a video file, a picture or a folder of pictures, painted into another.

mod chapters;
mod cut;
mod encode;
mod fate;
mod join;
mod link;
mod parts;
mod picture_colours;
pub mod picture_file;
pub mod picture_tags;
pub mod pictures;
mod place;
mod progress;
mod rate;
mod remux;
mod resume_gate;
pub mod sheet;
mod survey;
mod timeline;
mod timescale;
mod video;
mod workers;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::capture::Treatment;
use crate::error::{Error, Result};
use crate::gst::encoder::{Codec, Preset};
use crate::gst::template::Templates;
use crate::output::Container;
use crate::shutdown::Shutdown;
use crate::style::PaintPlan;

pub use cut::Cut;
pub use fate::Audio;
pub use place::{behind_links, refuse_pipes};
pub use progress::{Event, Progress};
pub use rate::Rate;

/// What to convert and how, checked.
#[derive(Debug, Clone)]
pub struct Conversion {
    pub input: PathBuf,
    pub output: PathBuf,
    pub kind: Kind,
    pub options: Options,
    pub paint: PaintPlan,
    pub templates: Templates,
}

/// The settings of `impasto file` beside those of painting.
#[derive(Debug, Clone)]
pub struct Options {
    pub overwrite: bool,
    /// Go on with what an interrupted conversion finished.
    pub resume: bool,
    /// `None`: the codec that every player of OUT's container knows.
    pub codec: Option<Codec>,
    /// Constant quality, 0 (best) to 51.
    pub crf: u8,
    pub preset: Preset,
    pub audio: Audio,
    /// Frames painted side by side; `None` chooses by cores and picture.
    pub workers: Option<usize>,
    /// The part of a video that is painted.
    pub cut: Cut,
    /// The frame rate of a video's OUT; `None` keeps the times that the pictures have.
    pub rate: Option<Rate>,
    /// The time of the picture that is taken out of a video.
    pub at: Option<Duration>,
    pub treatment: Treatment,
}

/// What IN and OUT are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Video,
    Picture,
    /// One picture of a video.
    Frame,
    Folder,
}

impl Kind {
    /// Tells from IN and OUT's ending what there is to do, and refuses what cannot be done well.
    ///
    /// # Errors
    /// IN is missing, empty or unreadable; OUT exists, is IN itself, or has an ending that nothing is written in.
    pub fn of(input: &Path, output: &Path, options: &Options) -> Result<Self> {
        refuse_pipes(input, output)?;
        let metadata =
            std::fs::metadata(input).map_err(|error| Error::input(format!("{}: {error}", input.display())))?;
        let kind = if metadata.is_dir() {
            Self::Folder
        } else if picture_file::Format::of(output).is_some() {
            if options.at.is_some() || !pictures::is_picture(input) { Self::Frame } else { Self::Picture }
        } else {
            Container::of(output)
                .map_err(|error| Error::usage(format!("{error}; pictures into .png, .jpg or .webp")))?;
            Self::Video
        };
        if options.at.is_some() && kind != Self::Frame {
            let output = output.display();
            return Err(Error::usage(format!(
                "--at takes one picture out of a video, and {output} is none: name a .png"
            )));
        }
        if !options.cut.is_whole() && kind != Self::Video {
            return Err(Error::usage(match kind {
                Self::Frame => "--start and --end cut a video; --at names the time of one picture",
                _ => "--start and --end cut a video, and IN is none",
            }));
        }
        if options.rate.is_some() && kind != Self::Video {
            return Err(Error::usage("--fps is the frame rate of a video, and OUT is none"));
        }
        if same_file::is_same_file(input, output).unwrap_or(false) {
            return Err(Error::usage(format!(
                "IN and OUT are the same {}: {}",
                if kind == Self::Folder { "folder" } else { "file" },
                output.display()
            )));
        }
        // A folder may be gone on with: only its finished pictures are left alone.
        let taken = output.exists() && !(kind == Self::Folder && options.resume);
        if taken && !options.overwrite {
            return Err(Error::usage(format!("{} exists; replace it with --overwrite", output.display())));
        }
        if output.is_dir() != (kind == Self::Folder) && output.exists() {
            let what = if output.is_dir() { "a folder" } else { "a file" };
            return Err(Error::usage(format!("OUT is {what}, but IN is not: {}", output.display())));
        }
        let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if kind != Self::Folder && !parent.is_dir() {
            return Err(Error::output(format!("{}: there is no such folder", parent.display())));
        }
        Ok(kind)
    }
}

impl Conversion {
    /// Carries it out.
    ///
    /// # Errors
    /// Input, network or output fail, or `shutdown` was given; OUT is not touched then.
    pub fn run(&self, shutdown: &Shutdown, progress: &mut Progress) -> Result<()> {
        match self.kind {
            Kind::Video => video::convert(self, shutdown, progress),
            Kind::Picture => pictures::convert(self, progress),
            Kind::Frame => pictures::convert_frame(self, progress),
            Kind::Folder => pictures::convert_folder(self, shutdown, progress),
        }
    }
}
