//! The command line: one file a subcommand.

mod args;
mod bench;
mod check;
mod ctl;
mod devices;
mod doctor;
mod file;
mod join;
mod look;
mod paint_like;
mod preview;
mod run;
mod styles;
mod version;

use std::io::Write;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::error::{Error, Result};
use crate::suggest::did_you_mean;

pub use args::PaintArgs;

const AFTER_HELP: &str = "\
Examples:
  impasto run                                   paint the camera (or a showcase) to rtsp://127.0.0.1:8554/live
  impasto run --source clip.mp4 --loop --style starry_night
  impasto run --source rtsp://camera.lan/1 --record painted.mkv
  impasto file holiday.mp4 painted.mp4 --style great_wave
  impasto ctl style great_wave                  change the style of the stream that runs
  impasto paint-like quilt.jpg in.mp4 out.mp4   paint like any picture, without training
  impasto styles                                what there is to paint with

Exit codes: 0 ok, 2 usage or config, 3 input, 4 network or runtime, 5 output, 130 interrupted.";

/// Paints live video and recorded files with neural style networks.
#[derive(Debug, Parser)]
#[command(name = "impasto", version, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to log: error, warn, info, debug, trace, or a filter such as impasto=debug
    #[arg(long, global = true, env = "IMPASTO_LOG", default_value = "info", value_name = "LEVEL")]
    pub log: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Paint a live source to RTSP or a recording, until stopped
    Run(run::RunArgs),
    /// Paint recorded videos and pictures: one into a file, many into a folder
    File(file::FileArgs),
    /// Paint recorded videos and pictures in the style of any painting, without training
    PaintLike(paint_like::PaintLikeArgs),
    /// Put the segments of a film together that `file --segment` painted
    Join(join::JoinArgs),
    /// Paint one picture of a video or a photograph, also in several styles on a sheet
    Preview(preview::PreviewArgs),
    /// Look into a running Impasto and change it: look, source, size, recording, ...
    Ctl(ctl::CtlArgs),
    /// List the styles that the installed networks paint
    Styles(styles::StylesArgs),
    /// List cameras, and the devices that networks can run on
    Devices(devices::DevicesArgs),
    /// Check a config, a network, a manifest, a template or a media file
    Check(check::CheckArgs),
    /// Measure a network: bare inference, tensor passes, whole path
    Bench(bench::BenchArgs),
    /// Print the versions of Impasto, GStreamer and ONNX Runtime
    Version(version::VersionArgs),
    /// Print completions for a shell
    Completions { shell: clap_complete::Shell },
    /// Print the manual page, of one command if it is named
    Man { command: Option<String> },
    /// Run a network for the process that started this one
    #[command(hide = true)]
    Worker,
}

impl Cli {
    /// Reads the command line and the environment; shows help and mistakes itself.
    ///
    /// # Errors
    /// A secret is given as a flag.
    pub fn read() -> Result<Self> {
        let mut command = Self::command();
        let matches = command.get_matches_mut();
        refuse_secrets(&command, &matches)?;
        Self::from_arg_matches(&matches).map_err(|error| Error::usage(error.to_string()))
    }

    /// Carries out the command.
    pub fn run(self) -> Result<()> {
        match self.command {
            Command::Run(args) => args.run(),
            Command::File(args) => args.run(),
            Command::PaintLike(args) => args.run(),
            Command::Join(args) => args.run(),
            Command::Preview(args) => args.run(),
            Command::Ctl(args) => args.run(),
            Command::Styles(args) => args.run(),
            Command::Devices(args) => args.run(),
            Command::Check(args) => args.run(),
            Command::Bench(args) => args.run(),
            Command::Version(args) => args.run(),
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "impasto", &mut script);
                print_bytes(&script)
            }
            Command::Worker => crate::style::onnx::worker::serve(),
            Command::Man { command } => manual(command.as_deref()),
        }
    }
}

/// Refuses flags whose values are hidden in the help: what is given to a program can be read by every user of the machine.
fn refuse_secrets(command: &clap::Command, given: &ArgMatches) -> Result<()> {
    let is_given = |arg: &&clap::Arg| {
        arg.is_hide_env_values_set() && given.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
    };
    if let Some(arg) = command.get_arguments().find(is_given) {
        let (flag, variable) = (arg.get_long().unwrap_or_default(), arg.get_env().unwrap_or_default().display());
        return Err(Error::usage(format!(
            "--{flag}: everybody on this machine could read it in the list of processes; set {variable} instead"
        )));
    }
    match given.subcommand() {
        Some((name, given)) => command.find_subcommand(name).map_or(Ok(()), |command| refuse_secrets(command, given)),
        None => Ok(()),
    }
}

/// Prints the page of the whole program or of one command.
fn manual(command: Option<&str>) -> Result<()> {
    let mut page = Cli::command();
    page.build();
    let page = match command {
        None => page,
        Some(name) => {
            let names: Vec<_> = page.get_subcommands().map(|command| command.get_name().to_string()).collect();
            page.find_subcommand(name).cloned().ok_or_else(|| {
                let hint = did_you_mean(name, names.iter().map(String::as_str));
                Error::usage(format!("no command `{name}`{hint}; there are {}", names.join(", ")))
            })?
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text).map_err(|error| Error::output(format!("manual page: {error}")))?;
    print_bytes(&text)
}

/// Writes to standard output, whose reader may have left already.
fn print_bytes(bytes: &[u8]) -> Result<()> {
    match std::io::stdout().write_all(bytes) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::output(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// `println!` without secrets, whose reader may have left, and which tells what else goes wrong.
macro_rules! say {
    ($($part:tt)*) => { $crate::cli::print_bytes($crate::redact::for_people(&format!("{}\n", format_args!($($part)*))).as_bytes()) };
}
use say;

/// A line on standard error, if anybody reads it.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", crate::redact::for_people(line));
}

/// Prints `value` as pretty JSON.
fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Error::output(format!("JSON: {error}")))?;
    print_bytes(format!("{text}\n").as_bytes())
}
