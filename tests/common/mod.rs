//! Fixtures that the integration tests share.

#![allow(dead_code, reason = "each test file uses some of them")]

pub mod onnx;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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
    command
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
    const DEADLINE: Duration = Duration::from_secs(120);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let pid = child.id();
    let (done, finished) = std::sync::mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        let begun = Instant::now();
        if finished.recv_timeout(DEADLINE).is_err_and(|error| error == std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
            panic!("killed after {:?}", begun.elapsed());
        }
    });
    let mut stdout = child.stdout.take().expect("piped");
    let reader = std::thread::spawn(move || std::io::read_to_string(&mut stdout).unwrap_or_default());
    let stderr = std::io::read_to_string(child.stderr.take().expect("piped")).unwrap_or_default();
    let stdout = reader.join().expect("standard output is read");
    let status = child.wait().expect("the binary ends");
    drop(done);
    assert!(watchdog.join().is_ok(), "{command:?} hung: {stderr}");
    Finished { code: status.code().unwrap_or(-1), stdout, stderr }
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
