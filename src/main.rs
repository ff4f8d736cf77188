//! Parses the command line, sets up logging, runs the command, sets the exit code.

use std::io::{IsTerminal, Write};

use impasto::cli::Cli;
use impasto::error::Error;
use impasto::redact::Redacting;
use impasto::shutdown::leave;
use impasto::style::onnx::library::NO_TELEMETRY;
use tracing_subscriber::EnvFilter;

fn main() {
    leave(run())
}

/// Returns the exit code.
fn run() -> u8 {
    let (name, value) = NO_TELEMETRY;
    // SAFETY: this is the first thing the program does: no other thread exists that could read the environment.
    unsafe { std::env::set_var(name, value) };
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => return failed(&error),
    };
    let filter = match filter(&cli.log) {
        Ok(filter) => filter,
        Err(error) => return failed(&error),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(|| Redacting(std::io::stderr()))
        // A log that cannot be written, on a full disk, is no reason to end.
        .log_internal_errors(false)
        .init();
    impasto::gst::log::take_over();
    match cli.run() {
        Ok(()) => 0,
        Err(error) => failed(&error),
    }
}

/// What to log; ONNX Runtime tells every optimisation it makes, and whoever watches files each line that is written into a
/// log beside them: only their warnings are for people.
fn filter(wanted: &str) -> Result<EnvFilter, Error> {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    // A word alone would be the name of a module, and silence all others.
    let is_meant = |part: &str| part.contains('=') || levels.contains(&part.trim().to_ascii_lowercase().as_str());
    let filter = wanted
        .split(',')
        .all(is_meant)
        .then(|| EnvFilter::try_new(format!("{wanted},ort=warn,notify=warn")).ok())
        .flatten();
    filter.ok_or_else(|| {
        Error::usage(format!(
            "--log {wanted}: error, warn, info, debug, trace or off, or a filter such as impasto=debug"
        ))
    })
}

fn failed(error: &Error) -> u8 {
    // Nobody may be reading.
    let _ = writeln!(std::io::stderr(), "impasto: {error}");
    error.exit_code()
}
