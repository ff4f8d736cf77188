//! The daemon's side: a session whose network runs in a worker process.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::super::loaded::Loaded;
use super::super::local::TRIAL_LIMIT;
use super::super::options::SessionOptions;
use super::super::shared_memory::SharedMemory;
use super::protocol::{Answer, LONGEST, RAN, RUN, Request, TENSORS, parse, receive, send_bytes, tell};
use crate::error::{Error, Result};
use crate::style::geometry::Size;
use crate::style::tensor::TensorSpec;
use crate::sync::Locked;

/// Loading a network takes seconds at most.
const OPEN_LIMIT: Duration = Duration::from_secs(120);

/// Trying it may build an engine for minutes; single runs have a limit of their own in the worker.
const PREPARE_LIMIT: Duration = Duration::from_secs(20 * 60);

/// A live run that takes this long and so many times as long as the network took when it was tried does not come to its
/// end: the machine may be busy, but the picture stands still meanwhile.
const RUN_LIMIT: (Duration, u32) = (Duration::from_secs(3), 10);

/// Variables with this beginning are settings and secrets of the daemon; a worker gets its settings otherwise.
const OWN_VARIABLES: &str = "IMPASTO_";

/// A session whose network runs in a process of its own. When that is gone, the session is down for good.
pub struct RemoteSession {
    loaded: Loaded,
    process: Arc<Process>,
    socket: OwnedFd,
    down: bool,
    /// The request to run: its weights lie behind the first byte.
    run: Vec<u8>,
    answer: Vec<u8>,
    tensors: Option<Tensors>,
    run_limit: Duration,
}

/// The tensors of one size, which the worker's ONNX Runtime reads and writes.
struct Tensors {
    input: SharedMemory,
    output: SharedMemory,
    input_spec: TensorSpec,
    output_spec: TensorSpec,
}

/// A worker process; killed when dropped.
pub struct Process {
    child: Mutex<Child>,
    network: String,
}

impl Process {
    /// Starts `program` as a worker that listens at `socket`.
    ///
    /// Its command line says nothing of what it does, and its environment has none of the daemon's secrets.
    fn start(program: &Path, socket: OwnedFd, network: String) -> Result<Self> {
        let mut command = Command::new(program);
        // Ctrl-C is for the daemon, which has the last frames painted.
        command.arg0("impasto").arg("worker").process_group(0).stdin(socket).stdout(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with(OWN_VARIABLES) {
                command.env_remove(name);
            }
        }
        let cannot = |error| Error::model(format!("{network}: its worker process does not start: {error}"));
        let child = Mutex::new(command.spawn().map_err(cannot)?);
        Ok(Self { child, network })
    }

    /// Ends it at once.
    pub fn stop(&self) {
        let _ = self.end();
    }

    /// Ends it, unless it has ended, and tells how: "signal: 9 (SIGKILL)".
    fn end(&self) -> String {
        let mut child = self.child.locked();
        // One that has ended by itself is not waited for twice; its own end is what is told.
        let _ = child.kill();
        child.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

impl RemoteSession {
    /// Starts a worker process and loads the network there.
    ///
    /// # Errors
    /// No process, or whatever loading the network tells; a crash is an error like others.
    pub fn start(program: &Path, loaded: Loaded) -> Result<Self> {
        let network = loaded.manifest().model_path().display().to_string();
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let (socket, theirs) = pair.map_err(|error| Error::model(format!("{network}: no socket: {error}")))?;
        let process = Arc::new(Process::start(program, theirs, network)?);
        let weights = loaded.manifest().style_input.as_ref().map_or(0, |style| style.count);
        let mut run = vec![0; 1 + weights * size_of::<f32>()];
        run[0] = RUN;
        let (answer, tensors) = (vec![0; LONGEST], None);
        let mut this = Self { loaded, process, socket, down: false, run, answer, tensors, run_limit: TRIAL_LIMIT };
        let (manifest, options) = (Box::new(this.loaded.0.manifest.clone()), this.loaded.0.options.clone());
        let options = SessionOptions { worker: None, ..options };
        let (path, measured) = (manifest.path.clone(), this.loaded.measured().cloned());
        this.ask(&Request::Open { manifest, path, options, measured }, OPEN_LIMIT, &mut [const { None }; TENSORS])?;
        Ok(this)
    }

    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    pub fn process(&self) -> Arc<Process> {
        Arc::clone(&self.process)
    }

    pub fn is_down(&self) -> bool {
        self.down
    }

    /// They go with the next run.
    pub fn set_weights(&mut self, weights: &[f32]) {
        let places = self.run[1..].chunks_exact_mut(size_of::<f32>());
        places.zip(weights).for_each(|(place, weight)| place.copy_from_slice(&weight.to_ne_bytes()));
    }

    pub fn prepare(&mut self, size: Size, border: usize) -> Result<()> {
        self.tensors = None;
        let weights =
            self.run[1..].chunks_exact(4).map(|value| f32::from_ne_bytes([value[0], value[1], value[2], value[3]]));
        let (size, weights) = ([size.width, size.height], weights.collect());
        let mut files = [const { None }; TENSORS];
        let answer = self.ask(&Request::Prepare { size, border, weights }, PREPARE_LIMIT, &mut files)?;
        let (Answer::Prepared { painted, measured, tried }, [Some(input), Some(output)]) = (answer, files) else {
            return Err(self.crashed("its worker process answered something else"));
        };
        let manifest = self.loaded.manifest();
        let (input_spec, output_spec) = (manifest.input.tensor(size, border), manifest.output.tensor(painted, border));
        let open = |file, spec: &TensorSpec| SharedMemory::open(file, spec.len());
        let opened = open(input, &input_spec).and_then(|input| Ok((input, open(output, &output_spec)?)));
        let (input, output) = opened.map_err(|error| self.crashed(error))?;
        self.tensors = Some(Tensors { input, output, input_spec, output_spec });
        self.run_limit = RUN_LIMIT.0.max(tried * RUN_LIMIT.1);
        if let Some(measured) = measured {
            self.loaded.settle(|| Ok::<_, Error>(measured))?;
        }
        Ok(())
    }

    pub fn input(&mut self) -> (&TensorSpec, &mut [f32]) {
        let tensors = self.tensors.as_mut().unwrap_or_else(|| unreachable!("prepare comes first"));
        (&tensors.input_spec, tensors.input.values_mut())
    }

    pub fn output(&self) -> (&TensorSpec, &[f32]) {
        let tensors = self.tensors.as_ref().unwrap_or_else(|| unreachable!("prepare comes first"));
        (&tensors.output_spec, tensors.output.values())
    }

    /// The time is that of the whole way there and back.
    pub fn run(&mut self) -> Result<Duration> {
        self.run_within(self.run_limit)
    }

    pub fn try_run(&mut self) -> Result<Duration> {
        self.run_within(TRIAL_LIMIT)
    }

    fn run_within(&mut self, limit: Duration) -> Result<Duration> {
        let begun = Instant::now();
        self.check_up()?;
        send_bytes(self.socket.as_fd(), &self.run).map_err(|error| self.lost(&error))?;
        let length = self.wait(limit, &mut [const { None }; TENSORS])?;
        match self.answer[..length] {
            [RAN, ..] => Ok(begun.elapsed()),
            ref packet => match parse(packet) {
                Ok(Answer::Failed(why)) => Err(Error::model(why)),
                _ => Err(self.crashed("its worker process answered something else")),
            },
        }
    }

    /// Sends a request and waits for its answer; one that says that it failed is an error.
    fn ask(&mut self, request: &Request, limit: Duration, files: &mut [Option<OwnedFd>; TENSORS]) -> Result<Answer> {
        self.check_up()?;
        tell(self.socket.as_fd(), request, &[]).map_err(|error| self.lost(&error))?;
        let length = self.wait(limit, files)?;
        match parse(&self.answer[..length]) {
            Ok(Answer::Failed(why)) => Err(Error::model(why)),
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.crashed(error)),
        }
    }

    /// Waits for an answer; its length.
    fn wait(&mut self, limit: Duration, files: &mut [Option<OwnedFd>; TENSORS]) -> Result<usize> {
        let until = Instant::now() + limit;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            let mut socket = [PollFd::new(&self.socket, PollFlags::IN)];
            match poll(&mut socket, Some(&left)) {
                Ok(0) => {
                    return Err(self.crashed(format!("it did not come to its end in {:.0} s", limit.as_secs_f64())));
                }
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(self.crashed(error)),
            }
        }
        match receive(self.socket.as_fd(), &mut self.answer, files) {
            Ok(0) => Err(self.crashed("it crashed")),
            Ok(length) => Ok(length),
            Err(error) => Err(self.crashed(error)),
        }
    }

    fn check_up(&self) -> Result<()> {
        if self.down {
            Err(Error::model(format!("{}: its worker process is gone", self.process.network)))
        } else {
            Ok(())
        }
    }

    /// A request does not reach it.
    fn lost(&mut self, error: &io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => self.crashed("it crashed"),
            _ => self.crashed(error),
        }
    }

    /// The worker is gone, or is of no use any more.
    fn crashed(&mut self, what: impl std::fmt::Display) -> Error {
        self.down = true;
        let end = self.process.end();
        Error::model(format!("{}: {what}; its worker process ended ({end})", self.process.network))
    }
}
