//! `impasto file`: paints recorded videos and pictures, one into a file or many into a folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::args::{PaintArgs, time};
use crate::capture::Treatment;
use crate::config::{locate, outputs, plan};
use crate::convert::{
    Audio, Batch, ContainerArgs, Conversion, Cut, DryRun, Easel, Kind, Options, Progress, Rate, Segment, behind_links,
    has_folder,
};
use crate::error::{Error, Result};
use crate::gst::encoder::{Bits, Codec, Preset};
use crate::shutdown::Shutdown;

const AFTER_HELP: &str = "\
Every frame is painted, and keeps its time. Sound, subtitles and chapters are copied where OUT's container takes them.

Examples:
  impasto file holiday.mp4 painted.mp4 --style great_wave
  impasto file holiday.mp4 painted.mkv --codec h265 --crf 24 --preset slow
  impasto file holiday.mp4 painted.mp4 --codec h265 --bits 10 --container-args movflags=+faststart
  impasto file holiday.mp4 painted.mp4 --resume     go on after Ctrl-C
  impasto file holiday.mp4 part.mp4 --start 1:30 --end 1:45.5
  impasto file holiday.mp4 small.mp4 --max-side 960 --fps 25
  impasto file holiday.mp4 moving.gif --start 3 --end 5 --max-side 480 --fps 12.5
  impasto file holiday.mp4 painted.mp4 --dry-run    tell tracks, time and size, and write nothing
  impasto file holiday.mp4 look.png --at 1:30       see one picture before an hour of painting
  impasto file portrait.jpg portrait.png
  impasto file photos/ clips/ portrait.jpg painted/ --recursive --jobs 2
  impasto file --watch inbox/ painted/              paint what appears in a folder, until Ctrl-C";

const USAGE: &str = "impasto file [OPTIONS] <IN> <OUT>
       impasto file [OPTIONS] <IN>... <FOLDER>
       impasto file [OPTIONS] --watch <FOLDER> [IN]... <FOLDER>";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP, override_usage = USAGE)]
pub struct FileArgs {
    /// IN: videos, pictures, and folders of them. OUT: the file to write, .mp4, .mov, .mkv, .webm, .gif, .webp, .png or .jpg; for
    /// several files or a folder, the folder to paint into, where they keep their names. What a folder has from an earlier
    /// run with the same settings is left alone, so the same command goes on after Ctrl-C
    #[arg(value_name = "IN... OUT", required = true, num_args = 1..)]
    paths: Vec<PathBuf>,
    /// Folders in folders too
    #[arg(long)]
    recursive: bool,
    /// Files painted at a time, which share the threads
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    jobs: u8,
    /// Paint what lies in this folder and what appears there, once it is finished being written, until stopped
    #[arg(long, value_name = "FOLDER")]
    watch: Option<PathBuf>,
    /// Paint the I-th of N equally long segments of one film into a folder, on any machine; `impasto join` puts them
    /// together. What was interrupted is gone on with
    #[arg(long, value_name = "I/N", conflicts_with_all = ["watch", "dry_run"])]
    segment: Option<Segment>,
    /// Tell what would be done, how long it would take and how large OUT would become, estimated from about a second of
    /// it; write nothing
    #[arg(long)]
    dry_run: bool,
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
    /// Time that a software encoder spends on making the file small, in the words of x264 and x265; the encoders of VP9
    /// and AV1 get the nearest of their own
    #[arg(long, value_enum, default_value_t)]
    preset: Preset,
    /// Bits for each value of the encoded picture. Pictures are painted with 8 for red, green and blue; 10 keep each of
    /// these levels, and smooth skies smooth
    #[arg(long, value_enum, default_value_t)]
    bits: Bits,
    /// Options of ffmpeg's muxer for OUT, such as movflags=+faststart for a film that plays while it is loaded;
    /// `ffmpeg -h muxer=mp4` lists them. Needs ffmpeg
    #[arg(long, value_name = "NAME=VALUE,...", allow_hyphen_values = true)]
    container_args: Option<ContainerArgs>,
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
    pub(super) paint: PaintArgs,
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
            bits: self.bits,
            container_args: self.container_args.unwrap_or_default(),
            audio: self.audio,
            workers: self.workers.map(usize::from),
            cut: Cut::new(self.start, self.end)?,
            rate: self.fps,
            at: self.at,
            treatment: self.treatment,
        };
        let json = self.json;
        let [inputs @ .., output] = self.paths.as_slice() else { return Err(no_output(&[])) };
        if let Some(segment) = self.segment {
            let [input] = inputs else {
                return Err(Error::usage("--segment takes one film: impasto file IN FOLDER --segment 1/2"));
            };
            let paint = plan::paint_plan(&config.paint, &config.runtime)
                .map_err(|error| locate(error, self.config.as_deref()))?;
            paint.note().inspect(|note| Progress::new(json).note(note));
            let templates = plan::templates(&config.runtime);
            crate::gst::init()?;
            let shutdown = Shutdown::on_signals()?;
            let (input, output) = (input.clone(), output.clone());
            let conversion = Conversion { input, output, kind: Kind::Video, options, paint, templates };
            return conversion.paint_segment(segment, &shutdown, &mut Progress::new(json));
        }
        let is_batch = self.watch.is_some() || inputs.len() > 1 || leads_to_folder(output);
        let single = match inputs {
            [input] if !is_batch && !input.is_dir() => Some((input.clone(), Kind::of(input, output, &options)?)),
            [] if self.watch.is_none() => return Err(no_output(&self.paths)),
            _ => None,
        };
        let paint =
            plan::paint_plan(&config.paint, &config.runtime).map_err(|error| locate(error, self.config.as_deref()))?;
        paint.note().inspect(|note| Progress::new(json).note(note));
        let templates = plan::templates(&config.runtime);
        crate::gst::init()?;
        let shutdown = Shutdown::on_signals()?;
        if let Some((input, kind)) = single {
            has_folder(output)?;
            let conversion = Conversion { input, output: behind_links(output), kind, options, paint, templates };
            if self.dry_run {
                let forecast = DryRun::default().forecast(&conversion, &shutdown)?;
                Progress::new(json).forecast(&forecast);
                return Ok(());
            }
            return conversion.run(&mut Easel::default(), &shutdown, &mut Progress::new(json));
        }
        let batch = Batch {
            inputs: inputs.to_vec(),
            watched: self.watch,
            output: output.clone(),
            recursive: self.recursive,
            jobs: usize::from(self.jobs),
            options,
            paint,
            templates,
        };
        if self.dry_run { batch.forecast(&shutdown, json) } else { batch.run(&shutdown, json) }
    }
}

/// A folder that is there, or the name of one that is to be.
fn leads_to_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(std::path::MAIN_SEPARATOR_STR.as_bytes())
}

fn no_output(paths: &[PathBuf]) -> Error {
    let input = paths.first().map(|path| path.display().to_string()).unwrap_or_default();
    Error::usage(format!("{input} is to be painted into which file or folder? Name it last: impasto file IN OUT"))
}
