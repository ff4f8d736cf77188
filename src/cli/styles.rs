//! `impasto styles`: what there is to paint with.

use clap::Args;

use super::{PaintArgs, print_json, say, tell};
use crate::config::{Config, plan};
use crate::error::Result;
use crate::style::mask::mask_network;

const AFTER_HELP: &str = "\
Examples:
  impasto styles
  impasto styles --json
  impasto styles --models my-networks";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct StylesArgs {
    /// Print a JSON list of objects with name, network, title, artist, year, licence, stroke, painting
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    paint: PaintArgs,
}

impl StylesArgs {
    pub fn run(self) -> Result<()> {
        let mut config = Config::default();
        self.paint.apply(&mut config);
        let mut catalog = plan::catalog(&config.runtime)?;
        plan::gallery(&config.runtime).hang(&mut catalog);
        let styles: Vec<_> = catalog.styles().collect();
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
        // Not styles, and not for who reads the list with a program.
        for network in catalog.takers() {
            tell(&format!("{} paints like any painting: --style PICTURE", network.name));
        }
        if let Ok(Some(network)) = mask_network(&plan::session_options(&config.runtime).mask) {
            tell(&format!("{} finds people: --mask person or background", network.name));
        }
        Ok(())
    }
}
