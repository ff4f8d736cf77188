//! The worker's side: a process that runs one session for the daemon at the other end of its standard input.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use super::super::encoder::LocalEncoder;
use super::super::inspect::NetworkInfo;
use super::super::loaded::Loaded;
use super::super::local::LocalSession;
use super::protocol::{Answer, LONGEST, RAN, RUN, RUN_ANEW, Request, TENSORS, parse, receive, send_bytes, tell};
use crate::error::{Error, Result};
use crate::shared_memory::SharedMemory;
use crate::style::geometry::Size;
use crate::style::manifest::Manifest;

/// When memory runs out, the kernel ends a worker rather than its daemon.
const OUT_OF_MEMORY_SCORE: &str = "500";

/// Carries out requests until the daemon is gone.
///
/// # Errors
/// Standard input is no socket: somebody else than the daemon started it.
pub fn serve() -> Result<()> {
    let daemon = rustix::stdio::stdin();
    if rustix::net::sockopt::socket_type(daemon).is_err() {
        return Err(Error::usage("this is how `impasto run` starts its worker processes; it does nothing by itself"));
    }
    settle_in();
    std::thread::Builder::new()
        .name("watch".into())
        .spawn(move || leave_with(daemon))
        .map_err(|error| Error::model(format!("thread watch does not start: {error}")))?;
    let served = answer_requests(daemon);
    served.map_err(|error| Error::model(format!("the worker process cannot speak to its daemon: {error}")))
}

/// The process keeps to itself: no descriptor of the daemon's but its own three, no signal that ends the daemon in good
/// order, no memory written to a file when it crashes.
fn settle_in() {
    // SAFETY: this process has opened nothing yet, and owns none of what it got from the daemon above standard error.
    // An old kernel may lack the call: then the daemon's few descriptors that are not closed anyway stay open here.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: ignoring a signal installs no handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    // None of them is needed to paint.
    let _ = rustix::thread::set_name(c"impasto-worker");
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = std::fs::write("/proc/self/oom_score_adj", OUT_OF_MEMORY_SCORE);
}

/// Ends the process once the daemon is gone, whatever the network does meanwhile.
fn leave_with(daemon: BorrowedFd) {
    // Only the end is waited for, which is told without asking.
    let mut end = [PollFd::from_borrowed_fd(daemon, PollFlags::empty())];
    while !matches!(poll(&mut end, None), Ok(1..)) {}
    // SAFETY: ends the process without running destructors, which a run in progress would be in the way of.
    unsafe { libc::_exit(0) };
}

fn answer_requests(daemon: BorrowedFd) -> io::Result<()> {
    let mut buffer = vec![0; LONGEST];
    let mut session: Option<LocalSession> = None;
    let mut encoder: Option<WorkingEncoder> = None;
    loop {
        let mut files = [const { None }; TENSORS];
        let length = receive(daemon, &mut buffer, &mut files)?;
        match &buffer[..length] {
            [] => return Ok(()),
            [kind @ (RUN | RUN_ANEW)] => {
                if let (RUN_ANEW, Some(session)) = (*kind, &mut session) {
                    session.forget();
                }
                match run(&mut session) {
                    Ok(took) => send_bytes(daemon, &ran(took))?,
                    Err(error) => tell(daemon, &Answer::Failed(error.to_string()), &[])?,
                }
            }
            packet => match parse(packet)? {
                Request::Open { mut manifest, path, options, measured } => {
                    manifest.path = path;
                    let opened = Loaded::open(&manifest, &options).and_then(|loaded| {
                        if let Some(measured) = measured {
                            loaded.settle(|| Ok::<_, Error>(measured))?;
                        }
                        open(loaded, files)
                    });
                    let answer = done(opened.map(|opened| session = Some(opened)));
                    tell(daemon, &answer, &[])?;
                }
                Request::Inspect { path, library } => {
                    let answer = match NetworkInfo::read(&path, library.as_deref()) {
                        Ok(info) => Answer::Inspected(info),
                        Err(error) => Answer::Failed(error.to_string()),
                    };
                    tell(daemon, &answer, &[])?;
                }
                Request::OpenEncoder { mut manifest, path, library } => {
                    manifest.path = path;
                    let opened = WorkingEncoder::open(&manifest, library.as_deref(), files);
                    let answer = done(opened.map(|opened| encoder = Some(opened)));
                    tell(daemon, &answer, &[])?;
                }
                Request::Encode => {
                    let encoded = encoder.as_mut().ok_or_else(not_prepared).and_then(WorkingEncoder::encode);
                    tell(daemon, &done(encoded), &[])?;
                }
                Request::Prepare { size: [width, height], border } => {
                    match prepare(&mut session, Size::new(width, height), border) {
                        Ok(answer) => {
                            let tensors = session.as_ref().and_then(LocalSession::shared_tensors);
                            let files = tensors.iter().flatten().map(|tensor| tensor.as_fd()).collect::<Vec<_>>();
                            tell(daemon, &answer, &files)?;
                        }
                        Err(error) => tell(daemon, &Answer::Failed(error.to_string()), &[])?,
                    }
                }
            },
        }
    }
}

/// The answer to a run.
fn ran(took: Duration) -> [u8; 9] {
    let mut answer = [RAN; 9];
    answer[1..].copy_from_slice(&u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).to_ne_bytes());
    answer
}

/// A session whose tensors the daemon sees; what says the style lies in the first file.
fn open(loaded: Loaded, [style, _]: [Option<OwnedFd>; TENSORS]) -> Result<LocalSession> {
    let numbers = loaded.manifest().style_numbers();
    let mut session = LocalSession::new(loaded)?;
    session.share_tensors();
    if numbers > 0 {
        session.take_style_from(shared(style, numbers)?)?;
    }
    Ok(session)
}

/// An encoder, with the picture that it reads and the vector that it writes.
struct WorkingEncoder {
    encoder: LocalEncoder,
    picture: SharedMemory,
    vector: SharedMemory,
}

impl WorkingEncoder {
    fn open(
        manifest: &Manifest,
        library: Option<&Path>,
        [picture, vector]: [Option<OwnedFd>; TENSORS],
    ) -> Result<Self> {
        let length = manifest.style_image.as_ref().map_or(0, |image| image.picture_shape().iter().product());
        let (picture, vector) = (shared(picture, length)?, shared(vector, manifest.style_numbers())?);
        Ok(Self { encoder: LocalEncoder::open(manifest, library)?, picture, vector })
    }

    fn encode(&mut self) -> Result<()> {
        self.vector.values_mut().copy_from_slice(&self.encoder.encode(self.picture.values())?);
        Ok(())
    }
}

fn done(result: Result<()>) -> Answer {
    match result {
        Ok(()) => Answer::Done,
        Err(error) => Answer::Failed(error.to_string()),
    }
}

fn shared(file: Option<OwnedFd>, length: usize) -> Result<SharedMemory> {
    let file = file.ok_or_else(|| Error::model("a worker process was not given the memory that it needs"))?;
    SharedMemory::open(file, length).map_err(|error| Error::model(error.to_string()))
}

fn run(session: &mut Option<LocalSession>) -> Result<Duration> {
    session.as_mut().filter(|session| session.prepared_for().is_some()).ok_or_else(not_prepared)?.run()
}

fn prepare(session: &mut Option<LocalSession>, size: Size, border: usize) -> Result<Answer> {
    let session = session.as_mut().ok_or_else(not_prepared)?;
    session.prepare(size, border)?;
    // Once more in the memory that is handed over: the first touch of new pages is not for a live frame to pay.
    let tried = session.try_run()?;
    let (output, _) = session.output();
    let measured = session.loaded().measured().cloned();
    Ok(Answer::Prepared { painted: [output.width, output.height], measured, tried })
}

fn not_prepared() -> Error {
    Error::model("a worker process was asked to paint before its network was prepared")
}
