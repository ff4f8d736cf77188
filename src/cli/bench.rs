//! `impasto bench`.

use clap::Args;

use crate::error::Result;

#[derive(Debug, Args)]
pub struct BenchArgs {}

impl BenchArgs {
    pub fn run(self) -> Result<()> {
        Ok(())
    }
}
