//! `impasto check FILE`: says whether a file is fit for use, and what is in it.

use std::path::PathBuf;

use clap::Args;

use crate::error::Result;

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// A config (.toml), a network (.onnx or its manifest), a template (.launch) or a media file
    file: PathBuf,
}

impl CheckArgs {
    pub fn run(self) -> Result<()> {
        let _ = self.file;
        Ok(())
    }
}
