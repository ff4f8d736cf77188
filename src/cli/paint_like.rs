//! `impasto paint-like`: `impasto file` in the style of a painting that no network has learnt.

use std::path::PathBuf;

use clap::Args;

use super::file::FileArgs;
use crate::error::{Error, Result};
use crate::style::look::Mix;

const AFTER_HELP: &str = "\
It is `impasto file IN OUT --style PAINTING`, and takes all its flags. The network that paints so comes with
`./dev setup --arbitrary`.

Examples:
  impasto paint-like grandmothers-quilt.jpg holiday.mp4 painted.mp4
  impasto paint-like sketch.png portrait.jpg portrait.png --strength 0.8";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP, override_usage = "impasto paint-like [OPTIONS] <PAINTING> <IN>... <OUT>")]
pub struct PaintLikeArgs {
    /// The painting: a picture file
    #[arg(value_name = "PAINTING")]
    painting: PathBuf,
    #[command(flatten)]
    file: FileArgs,
}

impl PaintLikeArgs {
    pub fn run(mut self) -> Result<()> {
        let Some(painting) = self.painting.to_str() else {
            return Err(Error::usage(format!("{}: its name is no UTF-8", self.painting.display())));
        };
        if !self.painting.is_file() {
            return Err(Error::input(format!("{painting}: there is no such painting")));
        }
        // With a folder in front it is never the name of a style.
        let path = if self.painting.components().count() > 1 { painting.into() } else { format!("./{painting}") };
        self.file.paint.look.styles = Some(Mix::only(path));
        self.file.run()
    }
}
