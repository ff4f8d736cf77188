//! A running `impasto run --json`, other child processes, and waiting for them with a deadline.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use impasto::output::hidden_beside;
use serde_json::Value;

use super::{PATIENCE, impasto, poll, until};

/// A running `impasto run --json`; killed when dropped.
pub struct Running {
    child: Child,
    events: Receiver<Value>,
    errors: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

/// How an `impasto` ended.
pub struct Ended {
    pub code: Option<i32>,
    /// What it told on standard error.
    pub errors: String,
    /// The JSON events that nobody waited for.
    pub events: Vec<Value>,
}

impl Running {
    pub fn start(args: &[&str]) -> Self {
        let mut command = impasto();
        command.args(["run", "--json"]).args(args);
        Self::spawn(command)
    }

    pub fn spawn(mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary under test starts");
        let (sender, events) = channel();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let read_events = std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Ok(event) = serde_json::from_str(&line) {
                    let _ = sender.send(event);
                }
            }
        });
        let errors = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let read_errors = {
            let errors = Arc::clone(&errors);
            std::thread::spawn(move || {
                for line in stderr.lines().map_while(Result::ok) {
                    errors.lock().unwrap().push_str(&(line + "\n"));
                }
            })
        };
        Self { child, events, errors, readers: vec![read_events, read_errors] }
    }

    /// Waits for a JSON event that `wanted` accepts.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) if wanted(&event) => return event,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => panic!("{what}: never happened\n{}", self.errors()),
                Err(RecvTimeoutError::Disconnected) => panic!("{what}: it ended before\n{}", self.errors()),
            }
        }
    }

    /// Waits until the stream runs.
    pub fn started(self) -> Self {
        self.wait_for("the start", |event| event["event"] == "started");
        self
    }

    /// Waits for a status whose `key` is `wanted`.
    pub fn wait_for_status(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait_for(what, |event| event["event"] == "status" && wanted(event))
    }

    pub fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the process is ours").is_none()
    }

    /// `INT`, `TERM`, `STOP`, ...
    pub fn signal(&self, name: &str) {
        send_signal(&self.child, name);
    }

    /// Waits for the end.
    pub fn end(mut self) -> Ended {
        let code = wait(&mut self.child, PATIENCE).code();
        self.readers.drain(..).for_each(|reader| reader.join().expect("readers do not panic"));
        Ended { code, errors: self.errors(), events: self.events.try_iter().collect() }
    }

    /// Ctrl-C, and a wait for the end.
    pub fn interrupt(self) -> Ended {
        self.signal("INT");
        self.end()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A child process that is killed when the test is done with it.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn send_signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "kill -{name}");
}

/// Waits for the end of a child, and kills one that takes too long.
pub fn wait(child: &mut Child, patience: Duration) -> std::process::ExitStatus {
    let ended = poll(patience, || child.try_wait().expect("the process is ours"));
    ended.unwrap_or_else(|| {
        let _ = child.kill();
        let _ = child.wait();
        panic!("a process did not end in {patience:?}");
    })
}

/// Runs a command to its end and returns what it wrote.
pub fn output_of(command: &mut Command) -> Output {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let (mut stdout, mut stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let read = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stderr.read_to_end(&mut bytes);
        bytes
    });
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stdout.read_to_end(&mut bytes);
        bytes
    });
    let status = wait(&mut child, PATIENCE);
    Output { status, stdout: reader.join().unwrap(), stderr: read.join().unwrap() }
}

/// Runs `impasto file`, and sends it a signal once it has painted so many bytes of packets for `output`: its exit code, and
/// what it said.
pub fn interrupted(command: &mut Command, output: &Path, bytes: u64, signal: &str) -> (Option<i32>, String) {
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let parts = hidden_beside(output, "parts");
    let is_packets = |path: &Path| path.extension().is_some_and(|ending| ending == "packets");
    until("some of it is painted", || {
        let files = std::fs::read_dir(&parts).into_iter().flatten().flatten();
        let mut sizes =
            files.filter(|file| is_packets(&file.path())).filter_map(|file| Some(file.metadata().ok()?.len()));
        sizes.any(|size| size >= bytes)
    });
    send_signal(&child, signal);
    let ended = child.wait_with_output().expect("it ends");
    (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
}
