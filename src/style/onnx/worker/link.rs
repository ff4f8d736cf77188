//! The daemon's end of a worker process: starts it, asks it, and notices when it is gone.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::protocol::{Answer, LONGEST, Request, TENSORS, parse, receive, send_bytes, tell};
use crate::error::{Error, Result};
use crate::sync::Locked;

/// Loading a network takes seconds at most.
pub const OPEN_LIMIT: Duration = Duration::from_secs(120);

/// Variables with this beginning are settings and secrets of the daemon; a worker gets its settings otherwise.
const OWN_VARIABLES: &str = "IMPASTO_";

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

    /// Ends it at once; whoever waits for its answer notices.
    pub fn stop(&self) {
        // One that has ended needs no end.
        let _ = self.child.locked().kill();
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
        let _ = self.end();
    }
}

/// A worker process and the socket to it. When the process is gone, the link is down for good.
pub struct Link {
    process: Arc<Process>,
    socket: OwnedFd,
    down: bool,
    answer: Vec<u8>,
}

impl Link {
    /// Starts a worker process for the network of this name.
    ///
    /// # Errors
    /// No process.
    pub fn start(program: &Path, network: String) -> Result<Self> {
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let (socket, theirs) = pair.map_err(|error| Error::model(format!("{network}: no socket: {error}")))?;
        let process = Arc::new(Process::start(program, theirs, network)?);
        Ok(Self { process, socket, down: false, answer: vec![0; LONGEST] })
    }

    pub fn process(&self) -> Arc<Process> {
        Arc::clone(&self.process)
    }

    pub fn is_down(&self) -> bool {
        self.down
    }

    /// Sends a request with the files that are given, and waits for its answer and the files with it; one that says that it failed is an error.
    pub fn ask(
        &mut self,
        request: &Request,
        given: &[BorrowedFd],
        limit: Duration,
        files: &mut [Option<OwnedFd>; TENSORS],
    ) -> Result<Answer> {
        self.check_up()?;
        tell(self.socket.as_fd(), request, given).map_err(|error| self.lost(&error))?;
        let length = self.wait(limit, files)?;
        match parse(&self.answer[..length]) {
            Ok(Answer::Failed(why)) => Err(Error::model(why)),
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.crashed(error)),
        }
    }

    /// Sends a short packet and returns the one that comes back; nothing is allocated.
    pub fn exchange(&mut self, bytes: &[u8], limit: Duration) -> Result<&[u8]> {
        self.check_up()?;
        send_bytes(self.socket.as_fd(), bytes).map_err(|error| self.lost(&error))?;
        let length = self.wait(limit, &mut [const { None }; TENSORS])?;
        Ok(&self.answer[..length])
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
    pub fn crashed(&mut self, what: impl std::fmt::Display) -> Error {
        self.down = true;
        let end = self.process.end();
        Error::model(format!("{}: {what}; its worker process ended ({end})", self.process.network))
    }
}
