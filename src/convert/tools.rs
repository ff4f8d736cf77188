//! Programs beside Impasto that read and write films: `ffmpeg` and `ffprobe`.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

/// A path that is never taken for an option or an address.
pub fn as_file(path: &Path) -> OsString {
    let mut name = OsString::from("file:");
    name.push(path);
    name
}

/// What a program writes to its standard output.
///
/// # Errors
/// It is not installed, or fails: its own words.
pub fn run(command: &mut Command) -> Result<Vec<u8>, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("{program} is not installed"),
        _ => format!("{program}: {error}"),
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    // What ffmpeg says of a wrong option is followed by what became impossible by it.
    let of_option = errors.lines().find(|line| line.contains("Error setting option"));
    Err(format!("{program}: {}", of_option.or(errors.lines().last()).unwrap_or("failed without a word")))
}
