//! Fixtures that the integration tests share.

#![allow(dead_code, reason = "each test file uses some of them")]

pub mod bars;
pub mod browser;
pub mod http;
mod media;
pub mod onnx;
pub mod page;
mod ports;
pub mod rtsp;
mod running;
pub mod screen;
pub mod studio;
mod waiting;
pub mod whep;

use std::path::PathBuf;
use std::process::{Command, Stdio};

#[allow(unused_imports, reason = "each test file uses some of them")]
pub use media::*;
#[allow(unused_imports, reason = "each test file uses some of them")]
pub use ports::*;
#[allow(unused_imports, reason = "each test file uses some of them")]
pub use running::*;
#[allow(unused_imports, reason = "each test file uses some of them")]
pub use waiting::*;

use impasto::style::onnx::library::candidates;

/// A file or folder of the project.
pub fn project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The binary in the project's root, with none of the caller's settings.
pub fn impasto() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_impasto"));
    command.current_dir(project("")).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("IMPASTO_") {
            command.env_remove(name);
        }
    }
    // Tests run side by side; those of the HTTP server choose a port with a flag, which beats this.
    command.env("IMPASTO_HTTP", "off");
    command
}

/// The ONNX Runtime library that this machine has, as the binary would find it: for runs with a cache of their own.
pub fn ort_library() -> PathBuf {
    let named = std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    named.into_iter().chain(candidates()).find(|path| path.exists()).expect("`./dev setup` fetches it")
}

/// What a run of the binary left behind.
#[derive(Debug)]
pub struct Finished {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `impasto ARGS` to its end.
pub fn run(args: &[&str]) -> Finished {
    finish(impasto().args(args))
}

/// Runs `command` to its end; kills it and fails the test if it hangs.
pub fn finish(command: &mut Command) -> Finished {
    let output = output_of(command);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Finished { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// `../shared/PATH` beside the project, or `None` with a loud note: not every machine has that material.
pub fn shared(path: &str) -> Option<PathBuf> {
    let path = project("../shared").join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} is not here", path.display());
    None
}

/// How many descriptors the process has.
pub fn open_files(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).expect("the process runs").count()
}

/// How much memory it has, in kilobytes.
pub fn resident_kb(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a figure");
    resident.trim().trim_end_matches(" kB").parse().expect("a number")
}
