//! The command line: one file a subcommand.

mod args;
mod bench;
mod check;
mod ctl;
mod devices;
mod file;
mod run;
mod styles;

use clap::{CommandFactory, Parser, Subcommand};

use crate::error::{Error, Result};

pub use args::PaintArgs;

const AFTER_HELP: &str = "\
Examples:
  impasto run                                   paint the camera (or a showcase) to rtsp://127.0.0.1:8554/live
  impasto run --source clip.mp4 --loop --style starry_night
  impasto run --source rtsp://camera.lan/1 --record painted.mkv
  impasto file holiday.mp4 painted.mp4 --style great_wave
  impasto ctl style mosaic                      change the style of the stream that runs
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
    /// Paint a recorded video, a picture or a folder of pictures
    File(file::FileArgs),
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
    Version,
    /// Print completions for a shell
    Completions { shell: clap_complete::Shell },
    /// Print the manual page
    Man,
}

impl Cli {
    /// Carries out the command.
    pub fn run(self) -> Result<()> {
        match self.command {
            Command::Run(args) => args.run(),
            Command::File(args) => args.run(),
            Command::Ctl(args) => args.run(),
            Command::Styles(args) => args.run(),
            Command::Devices(args) => args.run(),
            Command::Check(args) => args.run(),
            Command::Bench(args) => args.run(),
            Command::Version => version(),
            Command::Completions { shell } => {
                clap_complete::generate(shell, &mut Cli::command(), "impasto", &mut std::io::stdout());
                Ok(())
            }
            Command::Man => clap_mangen::Man::new(Cli::command())
                .render(&mut std::io::stdout())
                .map_err(|error| Error::output(format!("manual page: {error}"))),
        }
    }
}

fn version() -> Result<()> {
    crate::gst::init()?;
    println!("impasto {}", env!("CARGO_PKG_VERSION"));
    println!("{}", gstreamer::version_string());
    match crate::style::onnx::library::load(None) {
        Ok((_, path)) => println!("ONNX Runtime {}", path.display()),
        Err(error) => println!("{error}"),
    }
    Ok(())
}

/// Prints `value` as pretty JSON.
fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Error::output(format!("JSON: {error}")))?;
    println!("{text}");
    Ok(())
}
