//! Parses the command line, sets up logging, runs the command, sets the exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use impasto::cli::Cli;
use impasto::error::Error;
use impasto::redact::Redacting;
use impasto::style::onnx::library::NO_TELEMETRY;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let (name, value) = NO_TELEMETRY;
    // SAFETY: this is the first thing the program does: no other thread exists that could read the environment.
    unsafe { std::env::set_var(name, value) };
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => return failed(&error),
    };
    // ONNX Runtime tells every optimisation it makes; only its warnings are for people.
    let filter =
        EnvFilter::try_new(format!("{},ort=warn", cli.log)).unwrap_or_else(|_| EnvFilter::new("info,ort=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(|| Redacting(std::io::stderr()))
        .init();
    impasto::gst::log::take_over();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> ExitCode {
    eprintln!("impasto: {error}");
    ExitCode::from(error.exit_code())
}
