//! `impasto file`.

use clap::Args;

use crate::error::Result;

#[derive(Debug, Args)]
pub struct FileArgs {}

impl FileArgs {
    pub fn run(self) -> Result<()> {
        Ok(())
    }
}
