//! The config file with flags and environment laid over it, to be read again whenever the file changes.

use std::path::PathBuf;

use super::{Config, locate};
use crate::error::{Error, Result};

/// Where the settings come from.
pub struct Settings {
    /// The config file; none for the built-in settings.
    pub file: Option<PathBuf>,
    /// Lays over what wins over the file.
    pub overlay: Box<dyn Fn(&mut Config) + Send + Sync>,
}

impl Settings {
    /// Reads the file as it is now.
    ///
    /// # Errors
    /// Names the file, the line and the nearest valid key.
    pub fn read(&self) -> Result<Config> {
        let mut config = match &self.file {
            Some(file) => Config::read(file)?,
            None => Config::default(),
        };
        (self.overlay)(&mut config);
        Ok(config)
    }

    /// Adds file and line to an error about a value that stands in the file.
    pub fn locate(&self, error: Error) -> Error {
        locate(error, self.file.as_deref())
    }
}
