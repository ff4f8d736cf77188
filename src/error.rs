//! The one error type: what failed, where, and what to do next; each kind has its exit code.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::redact::for_people;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, grouped by who can mend it. The text names the thing that failed and the next step; shown, it is
/// without secrets and without characters that steer a terminal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A flag, an environment variable, the config file or a template is wrong. Exit code 2.
    #[error("{}", for_people(.0))]
    Usage(String),
    /// The source cannot be read: missing, unreadable, not media, lost. Exit code 3.
    #[error("{}", for_people(.0))]
    Input(String),
    /// The network, its manifest or ONNX Runtime failed. Exit code 4.
    #[error("{}", for_people(.0))]
    Model(String),
    /// An output cannot be opened or written. Exit code 5.
    #[error("{}", for_people(.0))]
    Output(String),
    /// It cannot be done in the state that things are in, or something later took its place. Exit code 5.
    #[error("{}", for_people(.1))]
    Conflict(Conflict, String),
    /// Stopped by Ctrl-C or SIGTERM before the work was done. Exit code 130.
    #[error("{}", for_people(.0))]
    Interrupted(String),
}

/// What is in the way of something that can be done at other times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conflict {
    /// A later change took its place.
    Superseded,
    /// The stream has ended, or ended before it took the command.
    Ended,
    /// What shall be made is there already.
    Exists,
    /// No more fit.
    Full,
    /// A recording is in progress, is just beginning or being finished.
    Recording,
    /// No recording is in progress.
    NotRecording,
    /// The recording ended before a frame came.
    NothingRecorded,
    NothingToUndo,
}

impl Error {
    pub fn usage(text: impl fmt::Display) -> Self {
        Self::Usage(text.to_string())
    }

    pub fn input(text: impl fmt::Display) -> Self {
        Self::Input(text.to_string())
    }

    pub fn model(text: impl fmt::Display) -> Self {
        Self::Model(text.to_string())
    }

    pub fn output(text: impl fmt::Display) -> Self {
        Self::Output(text.to_string())
    }

    pub fn conflict(what: Conflict, text: impl fmt::Display) -> Self {
        Self::Conflict(what, text.to_string())
    }

    /// The same error with another text.
    pub fn map_text(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Usage(text) => Self::Usage(change(text)),
            Self::Input(text) => Self::Input(change(text)),
            Self::Model(text) => Self::Model(change(text)),
            Self::Output(text) => Self::Output(change(text)),
            Self::Conflict(what, text) => Self::Conflict(what, change(text)),
            Self::Interrupted(text) => Self::Interrupted(change(text)),
        }
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Input(_) => 3,
            Self::Model(_) => 4,
            Self::Output(_) | Self::Conflict(..) => 5,
            Self::Interrupted(_) => 130,
        }
    }
}
