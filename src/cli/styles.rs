//! `impasto styles`: what there is to paint with.

use clap::Args;

use super::{PaintArgs, print_json, say};
use crate::config::{Config, plan};
use crate::error::Result;

const AFTER_HELP: &str = "\
Examples:
  impasto styles
  impasto styles --json
  impasto styles --models my-networks";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct StylesArgs {
    /// Print a JSON list of objects with name, network, title, artist, year, licence, stroke
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    paint: PaintArgs,
}

impl StylesArgs {
    pub fn run(self) -> Result<()> {
        let mut config = Config::default();
        self.paint.apply(&mut config);
        let styles: Vec<_> = plan::catalog(&config.runtime)?.styles().collect();
        if self.json {
            return print_json(&styles);
        }
        for style in styles {
            let by = [style.artist, style.year].into_iter().flatten().collect::<Vec<_>>().join(", ");
            say!(
                "{:<20} {:<8} {}{}",
                style.name,
                style.network,
                style.title,
                if by.is_empty() { by } else { format!(" ({by})") }
            )?;
        }
        Ok(())
    }
}
