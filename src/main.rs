//! Parses the command line, sets up logging, runs the command, sets the exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use impasto::cli::Cli;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // ONNX Runtime tells every optimisation it makes; only its warnings are for people.
    let filter =
        EnvFilter::try_new(format!("{},ort=warn", cli.log)).unwrap_or_else(|_| EnvFilter::new("info,ort=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("impasto: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
