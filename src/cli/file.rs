//! `impasto file`: paints a recorded video, a picture or a folder of pictures.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::args::{PaintArgs, time};
use crate::capture::Treatment;
use crate::config::{locate, outputs, plan};
use crate::convert::{Audio, Conversion, Cut, Kind, Options, Progress, Rate, behind_links};
use crate::error::Result;
use crate::gst::encoder::{Codec, Preset};
use crate::shutdown::Shutdown;

const AFTER_HELP: &str = "\
Every frame is painted, and keeps its time. Sound, subtitles and chapters are copied where OUT's container takes them.

Examples:
  impasto file holiday.mp4 painted.mp4 --style great_wave
  impasto file holiday.mp4 painted.mkv --codec h265 --crf 24 --preset slow
  impasto file holiday.mp4 painted.mp4 --resume     go on after Ctrl-C
  impasto file holiday.mp4 part.mp4 --start 1:30 --end 1:45.5
  impasto file holiday.mp4 small.mp4 --max-side 960 --fps 25
  impasto file holiday.mp4 look.png --at 1:30       see one picture before an hour of painting
  impasto file portrait.jpg portrait.png
  impasto file photos/ painted/";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct FileArgs {
    /// Video, picture, or folder of pictures
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// File to write: .mp4, .mov, .mkv, .webm, or .png, .jpg, .webp; a folder if IN is one
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Replace OUT if it exists; of a link, the file that it leads to
    #[arg(long)]
    overwrite: bool,
    /// Go on with what an interrupted conversion of the same IN, OUT and settings finished
    #[arg(long)]
    resume: bool,
    /// Video codec; without it H.264, or VP9 for .webm
    #[arg(long, value_enum)]
    codec: Option<Codec>,
    /// Constant quality, 0 (best) to 51 (smallest)
    #[arg(long, value_name = "N", default_value_t = 20)]
    crf: u8,
    /// Time that a software encoder spends on making the file small
    #[arg(long, value_enum, default_value_t)]
    preset: Preset,
    /// Paint from this time on, in seconds or as MM:SS or HH:MM:SS: the first picture is the first one at or after it.
    /// Sound, subtitles and chapters are cut to match; OUT begins at 0
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true)]
    start: Option<Duration>,
    /// Paint up to this time of IN: the last picture is the last one before it
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true)]
    end: Option<Duration>,
    /// Paint one picture of the video into a picture file: that of this time, in seconds or as MM:SS or HH:MM:SS
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Duration>,
    /// Frames a second of OUT, such as 25, 29.97 or 30000/1001: pictures are left out or shown again by their time, and
    /// painted once. Without it every picture keeps its time
    #[arg(long, value_name = "RATE")]
    fps: Option<Rate>,
    #[command(flatten)]
    treatment: Treatment,
    /// What to do with sound
    #[arg(long, value_enum, default_value_t)]
    audio: Audio,
    /// Frames painted side by side, which share the threads; without it, chosen by cores and picture
    #[arg(long, alias = "lanes", value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    workers: Option<u8>,
    /// Tell start, progress, notes and result as JSON lines
    #[arg(long)]
    json: bool,
    /// Config file; its [paint] and [runtime] count here
    #[arg(long, env = "IMPASTO_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    paint: PaintArgs,
}

impl FileArgs {
    pub fn run(self) -> Result<()> {
        let config = self.paint.config(self.config.as_deref())?;
        let options = Options {
            overwrite: self.overwrite,
            resume: self.resume,
            codec: self.codec,
            crf: outputs::crf(self.crf)?,
            preset: self.preset,
            audio: self.audio,
            workers: self.workers.map(usize::from),
            cut: Cut::new(self.start, self.end)?,
            rate: self.fps,
            at: self.at,
            treatment: self.treatment,
        };
        let kind = Kind::of(&self.input, &self.output, &options)?;
        let paint =
            plan::paint_plan(&config.paint, &config.runtime).map_err(|error| locate(error, self.config.as_deref()))?;
        let templates = plan::templates(&config.runtime);
        crate::gst::init()?;
        let shutdown = Shutdown::on_signals()?;
        let output = behind_links(&self.output);
        let conversion = Conversion { input: self.input, output, kind, options, paint, templates };
        conversion.run(&shutdown, &mut Progress::new(self.json))
    }
}
