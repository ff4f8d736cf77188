//! Begins and ends the recording of a running stream.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::control::ApiError;
use crate::error::{Error, Result};
use crate::gst::template::Templates;
use crate::output::{Output, Outputs, Record, StreamFormat};

/// At most one recording at a time; all methods may block until a file is opened or finished.
pub struct Recorder {
    outputs: Arc<Outputs>,
    format: StreamFormat,
    crf: u8,
    templates: Templates,
    recording: Mutex<Option<Recording>>,
}

/// A recording in progress.
#[derive(Clone)]
struct Recording {
    output: Arc<dyn Output>,
    path: PathBuf,
    /// Its file is being finished.
    ending: bool,
}

impl Recorder {
    pub fn new(outputs: Arc<Outputs>, format: StreamFormat, crf: u8, templates: Templates) -> Self {
        Self { outputs, format, crf, templates, recording: Mutex::default() }
    }

    fn recording(&self) -> MutexGuard<'_, Option<Recording>> {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file that is being recorded into, or finished: once there is none, the last one lies under its name.
    pub fn file(&self) -> Option<String> {
        self.recording().as_ref().map(|recording| recording.path.display().to_string())
    }

    /// Begins a recording with the next picture.
    ///
    /// # Errors
    /// One is in progress already, or the file cannot be written.
    pub fn start(&self, path: &Path) -> Result<(), ApiError> {
        let mut recording = self.recording();
        if let Some(recording) = recording.as_ref() {
            let path = recording.path.display();
            return Err(ApiError::Conflict(format!("a recording into {path} is in progress; stop it first")));
        }
        let output: Arc<dyn Output> = Arc::new(Record::start(path, &self.format, self.crf, &self.templates)?);
        self.outputs.add(Arc::clone(&output));
        *recording = Some(Recording { output, path: path.to_path_buf(), ending: false });
        Ok(())
    }

    /// Ends the recording and returns its file; waits until that is finished.
    ///
    /// # Errors
    /// None is in progress, or its file cannot be finished.
    pub fn stop(&self) -> Result<PathBuf, ApiError> {
        let Recording { output, path, .. } = self.begin_ending()?;
        self.outputs.remove(&output);
        let finished = output.finish();
        *self.recording() = None;
        finished?;
        Ok(path)
    }

    /// The recording in progress, which from now on only this caller ends.
    fn begin_ending(&self) -> Result<Recording, ApiError> {
        match self.recording().as_mut() {
            Some(recording) if !recording.ending => {
                recording.ending = true;
                Ok(recording.clone())
            }
            _ => Err(ApiError::Conflict("no recording is in progress".into())),
        }
    }
}

impl From<ApiError> for Error {
    /// For callers on the command line, whom it ends.
    fn from(refusal: ApiError) -> Self {
        match refusal {
            ApiError::NotFound(what) | ApiError::Conflict(what) | ApiError::Later(what) => Self::output(what),
            ApiError::Failed(error) => error,
        }
    }
}
