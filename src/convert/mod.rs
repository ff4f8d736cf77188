//! Recorded material: a video or a picture painted into another file, or a batch of them into a folder.

mod animation;
mod batch;
mod chapters;
mod container_args;
mod covers;
mod cut;
mod dry_run;
mod encode;
mod entry;
mod fate;
mod forecast;
mod job;
mod join;
mod ledger;
mod link;
mod listing;
mod packets;
mod parts;
pub(crate) mod pictures;
mod place;
mod progress;
mod rate;
mod reading;
mod remux;
mod resume_gate;
mod segment;
pub(crate) mod sheet;
mod subtitles;
mod survey;
mod target;
mod timecode;
mod timeline;
mod timescale;
mod video;
mod watch;
mod watchdog;
mod words;
mod workers;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::capture::{Treatment, animation::moves};
use crate::error::{Error, Result};
use crate::gst::encoder::{Bits, Codec, Encoder, Preset};
use crate::gst::template::Templates;
use crate::picture;
use crate::shutdown::Shutdown;
use crate::style::PaintPlan;
use target::Target;

pub use batch::Batch;
pub use container_args::ContainerArgs;
pub use cut::Cut;
pub use dry_run::DryRun;
pub use fate::Audio;
pub use pictures::Easel;
pub use place::{behind_links, has_folder, refuse_pipes};
pub use progress::Progress;
pub use rate::Rate;
pub use segment::{Joining, Segment};

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
    /// Bits for each value of the encoded pictures.
    pub bits: Bits,
    pub container_args: ContainerArgs,
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
}

impl Kind {
    /// Tells from IN and OUT's ending what there is to do, and refuses what cannot be done well.
    ///
    /// # Errors
    /// IN is missing, empty or unreadable; OUT exists, is IN itself, or has an ending that nothing is written in.
    pub fn of(input: &Path, output: &Path, options: &Options) -> Result<Self> {
        refuse_pipes(input, output)?;
        std::fs::metadata(input).map_err(|error| Error::input(format!("{}: {error}", input.display())))?;
        let is_film = !pictures::is_picture(input) || moves(input);
        let kind = if picture::Format::of(output).is_none() {
            Target::of(output)?;
            Self::Video
        } else if options.at.is_none() && is_film && Target::of(output).is_ok() {
            // WebP holds both.
            Self::Video
        } else if options.at.is_some() || !pictures::is_picture(input) {
            Self::Frame
        } else {
            Self::Picture
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
            return Err(Error::usage(format!("IN and OUT are the same file: {}", output.display())));
        }
        if output.is_dir() {
            return Err(Error::usage(format!("OUT is a folder, but IN is not: {}", output.display())));
        }
        if output.exists() && !options.overwrite {
            return Err(Error::usage(format!("{} exists; replace it with --overwrite", output.display())));
        }
        Ok(kind)
    }
}

impl Conversion {
    /// Carries it out; pictures are painted on `easel`, which the next conversion with the same look can use again.
    ///
    /// # Errors
    /// Input, network or output fail, or `shutdown` was given; OUT is not touched then.
    pub fn run(&self, easel: &mut Easel, shutdown: &Shutdown, progress: &mut Progress) -> Result<()> {
        match self.kind {
            Kind::Video => video::convert(self, shutdown, progress).map(drop),
            Kind::Picture => pictures::convert(self, easel, progress),
            Kind::Frame => pictures::convert_frame(self, easel, progress),
        }
    }

    /// Paints one segment of the film into the folder `output`.
    ///
    /// # Errors
    /// As [`Conversion::run`].
    pub fn paint_segment(&self, segment: Segment, shutdown: &Shutdown, progress: &mut Progress) -> Result<()> {
        segment::paint(self, segment, shutdown, progress)
    }

    /// The encoder of a video.
    fn encoder(&self) -> Result<Encoder> {
        Target::of(&self.output)?.encoder(&self.options)
    }
}
