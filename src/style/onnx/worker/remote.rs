//! The daemon's side: a session whose network runs in a worker process.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::inspect::NetworkInfo;
use super::super::loaded::Loaded;
use super::super::local::TRIAL_LIMIT;
use super::super::options::SessionOptions;
use super::link::{Link, OPEN_LIMIT, Process};
use super::protocol::{Answer, RAN, RUN, RUN_ANEW, Request, TENSORS, parse};
use crate::error::{Error, Result};
use crate::shared_memory::SharedMemory;
use crate::style::geometry::Size;
use crate::style::manifest::Manifest;
use crate::style::tensor::TensorSpec;

/// Trying it may build an engine for minutes; single runs have a limit of their own in the worker.
const PREPARE_LIMIT: Duration = Duration::from_secs(20 * 60);

/// A live run that takes this long and so many times as long as the network took when it was tried does not come to its
/// end: the machine may be busy, but the picture stands still meanwhile.
const RUN_LIMIT: (Duration, u32) = (Duration::from_secs(3), 10);

/// Why an answer is no use.
const ANSWERED_ELSE: &str = "its worker process answered something else";

/// A session whose network runs in a process of its own. When that is gone, the session is down for good.
pub struct RemoteSession {
    loaded: Loaded,
    link: Link,
    /// The request to run.
    run: u8,
    /// What says the style.
    style: Option<SharedMemory>,
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

impl RemoteSession {
    /// Starts a worker process and loads the network there.
    ///
    /// # Errors
    /// No process, or whatever loading the network tells; a crash is an error like others.
    pub fn start(program: &Path, loaded: Loaded) -> Result<Self> {
        let network = loaded.manifest().model_path().display().to_string();
        let link = Link::start(program, network)?;
        let numbers = loaded.manifest().style_numbers();
        let style = (numbers > 0).then(|| memory(numbers)).transpose()?;
        let mut this = Self { loaded, link, run: RUN_ANEW, style, tensors: None, run_limit: TRIAL_LIMIT };
        let (manifest, options) = (Box::new(this.loaded.0.manifest.clone()), this.loaded.0.options.clone());
        let options = SessionOptions { worker: None, ..options };
        let (path, measured) = (manifest.path.clone(), this.loaded.measured().cloned());
        let request = Request::Open { manifest, path, options, measured };
        let given = this.style.iter().map(AsFd::as_fd).collect::<Vec<_>>();
        this.link.ask(&request, &given, OPEN_LIMIT, &mut [const { None }; TENSORS])?;
        Ok(this)
    }

    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    pub fn process(&self) -> Arc<Process> {
        self.link.process()
    }

    pub fn is_down(&self) -> bool {
        self.link.is_down()
    }

    /// The next run sees them.
    pub fn set_weights(&mut self, weights: impl Iterator<Item = f32>) {
        if let Some(style) = &mut self.style {
            style.values_mut().iter_mut().zip(weights).for_each(|(place, weight)| *place = weight);
        }
    }

    /// The next run tells it.
    pub fn forget(&mut self) {
        self.run = RUN_ANEW;
    }

    pub fn prepare(&mut self, size: Size, border: usize) -> Result<()> {
        self.tensors = None;
        let size = [size.width, size.height];
        let mut files = [const { None }; TENSORS];
        let answer = self.link.ask(&Request::Prepare { size, border }, &[], PREPARE_LIMIT, &mut files)?;
        let (Answer::Prepared { painted, measured, tried }, [Some(input), Some(output)]) = (answer, files) else {
            return Err(self.link.crashed(ANSWERED_ELSE));
        };
        let manifest = self.loaded.manifest();
        let (input_spec, output_spec) = (manifest.input.tensor(size, border), manifest.output.tensor(painted, border));
        let open = |file, spec: &TensorSpec| SharedMemory::open(file, spec.len());
        let opened = open(input, &input_spec).and_then(|input| Ok((input, open(output, &output_spec)?)));
        let (input, output) = opened.map_err(|error| self.link.crashed(error))?;
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
        match self.link.exchange(&[self.run], limit)? {
            [RAN, ..] => {
                self.run = RUN;
                Ok(begun.elapsed())
            }
            packet => match parse(packet) {
                Ok(Answer::Failed(why)) => Err(Error::model(why)),
                _ => Err(self.link.crashed(ANSWERED_ELSE)),
            },
        }
    }
}

/// What the network at `path` says of itself, read by a worker process.
///
/// # Errors
/// As [`NetworkInfo::read`], and if loading it crashes or does not come to its end.
pub fn inspect(program: &Path, path: &Path, library: Option<&Path>) -> Result<NetworkInfo> {
    let mut link = Link::start(program, path.display().to_string())?;
    let request = Request::Inspect { path: path.into(), library: library.map(Path::to_path_buf) };
    match link.ask(&request, &[], OPEN_LIMIT, &mut [const { None }; TENSORS])? {
        Answer::Inspected(info) => Ok(info),
        _ => Err(link.crashed(ANSWERED_ELSE)),
    }
}

/// An encoder that runs in a process of its own.
pub struct RemoteEncoder {
    link: Link,
    picture: SharedMemory,
    vector: SharedMemory,
}

impl RemoteEncoder {
    /// Starts a worker process and loads the encoder of `manifest` there.
    ///
    /// # Errors
    /// No process, or whatever loading the encoder tells; a crash is an error like others.
    pub fn start(program: &Path, manifest: &Manifest, library: Option<&Path>) -> Result<Self> {
        let mut link = Link::start(program, manifest.encoder_path().unwrap_or_default().display().to_string())?;
        let length = manifest.style_image.as_ref().map_or(0, |image| image.picture_shape().iter().product());
        let (picture, vector) = (memory(length)?, memory(manifest.style_numbers())?);
        let (path, library) = (manifest.path.clone(), library.map(Path::to_path_buf));
        let request = Request::OpenEncoder { manifest: Box::new(manifest.clone()), path, library };
        let given = [picture.as_fd(), vector.as_fd()];
        link.ask(&request, &given, OPEN_LIMIT, &mut [const { None }; TENSORS])?;
        Ok(Self { link, picture, vector })
    }

    pub fn encode(&mut self, picture: &[f32]) -> Result<Vec<f32>> {
        self.picture.values_mut().copy_from_slice(picture);
        match self.link.ask(&Request::Encode, &[], TRIAL_LIMIT, &mut [const { None }; TENSORS])? {
            Answer::Done => Ok(self.vector.values().to_vec()),
            _ => Err(self.link.crashed(ANSWERED_ELSE)),
        }
    }
}

fn memory(length: usize) -> Result<SharedMemory> {
    SharedMemory::new(length).map_err(|error| Error::model(format!("no memory for a tensor: {error}")))
}
