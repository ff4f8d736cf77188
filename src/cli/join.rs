//! `impasto join`: puts the segments of a film together.

use std::path::PathBuf;

use clap::Args;

use crate::config::{RuntimeConfig, plan};
use crate::convert::{Audio, ContainerArgs, Joining, Progress, behind_links, has_folder, refuse_pipes};
use crate::error::{Error, Result};
use crate::shutdown::Shutdown;

const AFTER_HELP: &str = "\
Examples:
  impasto file holiday.mp4 segments/ --segment 1/2     on one machine
  impasto file holiday.mp4 segments/ --segment 2/2     on another
  impasto join segments/ painted.mp4";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct JoinArgs {
    /// Folder that `impasto file --segment` painted into
    #[arg(value_name = "FOLDER")]
    segments: PathBuf,
    /// File to write: .mp4, .mov, .mkv or .webm
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// The film that the segments were painted of, for its sound and all else; without it, where it was then
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// What to do with sound
    #[arg(long, value_enum, default_value_t)]
    audio: Audio,
    /// Options of ffmpeg's muxer for OUT, such as movflags=+faststart; `ffmpeg -h muxer=mp4` lists them
    #[arg(long, value_name = "NAME=VALUE,...", allow_hyphen_values = true)]
    container_args: Option<ContainerArgs>,
    /// Replace OUT if it exists
    #[arg(long)]
    overwrite: bool,
    /// Tell notes and result as JSON lines
    #[arg(long)]
    json: bool,
}

impl JoinArgs {
    pub fn run(self) -> Result<()> {
        refuse_pipes(&self.segments, &self.output)?;
        has_folder(&self.output)?;
        if self.output.exists() && !self.overwrite {
            return Err(Error::usage(format!("{} exists; replace it with --overwrite", self.output.display())));
        }
        crate::gst::init()?;
        let shutdown = Shutdown::on_signals()?;
        let (segments, output) = (self.segments, behind_links(&self.output));
        let container_args = self.container_args.unwrap_or_default();
        let templates = plan::templates(&RuntimeConfig::default());
        let joining = Joining { segments, output, input: self.input, audio: self.audio, container_args, templates };
        joining.run(&shutdown, &mut Progress::new(self.json))
    }
}
