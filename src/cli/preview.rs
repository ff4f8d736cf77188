//! `impasto preview`: one picture of a video or a photograph, painted, or in several styles on a sheet.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use super::args::{PaintArgs, time};
use super::{print_json, say, tell};
use crate::capture::Treatment;
use crate::config::{locate, plan};
use crate::convert::{pictures, refuse_pipes, sheet};
use crate::error::{Error, Result};
use crate::picture;
use crate::style::look::Mix;
use crate::style::{Choice, Look, PaintPlan, Painter, Steadiness};

const AFTER_HELP: &str = "\
Examples:
  impasto preview holiday.mp4 look.png --at 1:30 --style great_wave
  impasto preview holiday.mp4 sheet.png --styles all
  impasto preview portrait.jpg sheet.png --styles great_wave,the_scream --strengths 0.3,0.6,1";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct PreviewArgs {
    /// Video or picture
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Picture to write: .png, .jpg or .webp
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// The time of the picture, in seconds or as MM:SS or HH:MM:SS
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Duration>,
    #[command(flatten)]
    treatment: Treatment,
    /// A sheet of several styles beside the picture as it is: names, or `all` of the network
    #[arg(long = "styles", value_name = "NAME,..|all", value_delimiter = ',')]
    several: Vec<String>,
    /// A sheet with a row for each style and a column for each of these strengths, 0 (as it is) to 1
    #[arg(long, value_name = "S,..", value_delimiter = ',', conflicts_with = "strength")]
    strengths: Vec<f32>,
    /// Replace OUT if it exists
    #[arg(long)]
    overwrite: bool,
    /// Tell the result as JSON
    #[arg(long)]
    json: bool,
    /// Config file; its [paint] and [runtime] count here
    #[arg(long, env = "IMPASTO_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    paint: PaintArgs,
}

impl PreviewArgs {
    pub fn run(self) -> Result<()> {
        let begun = Instant::now();
        let output = self.output.display();
        refuse_pipes(&self.input, &self.output)?;
        if picture::Format::of(&self.output).is_none() {
            return Err(Error::usage(format!("{output}: pictures are written into .png, .jpg or .webp")));
        }
        if self.output.exists() && !self.overwrite {
            return Err(Error::usage(format!("{output} exists; replace it with --overwrite")));
        }
        let mut config = self.paint.config(self.config.as_deref())?;
        let has_styles = !config.paint.styles.0.is_empty();
        if !has_styles && self.several.as_slice() != ["all"] {
            // The network is that of the styles on the sheet.
            config.paint.styles.0.extend(self.several.iter().map(|style| (style.clone(), 1.0)));
        }
        let paint =
            plan::paint_plan(&config.paint, &config.runtime).map_err(|error| locate(error, self.config.as_deref()))?;
        let network = &paint.choice.network;
        let styles = match self.several.as_slice() {
            [all] if all == "all" => network.all_styles().map(|style| style.name.clone()).collect(),
            names => names.to_vec(),
        };
        // All of them before anything is painted: a typo is told at once.
        let tiles = self.tiles(&paint, &styles)?;

        crate::gst::init()?;
        let templates = plan::templates(&config.runtime);
        let (picture, mut notes) = pictures::picture_of(&self.input, self.at, self.treatment, templates)?;
        notes.extend(paint.note());
        let mut painter = paint.open_picture_painter()?;
        let paint_it = |painter: &mut Painter| {
            pictures::paint_picture(picture.clone(), |source, painted| painter.paint(source, painted).map(|_| ()))
        };
        let count = tiles.len().max(1);
        let painted = if tiles.is_empty() {
            paint_it(&mut painter)?
        } else {
            let columns = Some(self.strengths.len()).filter(|strengths| *strengths > 0);
            // A sheet of strengths has it under strength 0.
            let as_it_is = columns.is_none().then(|| ("as it is".to_string(), picture.clone()));
            let mut painted: Vec<_> = as_it_is.into_iter().collect();
            for (label, choice) in tiles {
                painter.change_look(choice.resolved, None);
                painter.advance(Duration::ZERO);
                painted.push((label, paint_it(&mut painter)?));
            }
            sheet::lay_out(&painted, columns)
        };
        pictures::save(&self.output, painted)?;
        let seconds = begun.elapsed().as_secs_f64();
        match self.json {
            true => {
                let output = output.to_string();
                print_json(
                    &serde_json::json!({ "output": output, "styles": count, "seconds": seconds, "notes": notes }),
                )
            }
            false => {
                notes.iter().for_each(|note| tell(&format!("note: {note}")));
                say!("{output}: {count} painted in {seconds:.1} s")
            }
        }
    }

    /// What the sheet shows, row by row: each style in each strength, with its label; nothing if one picture is wanted.
    fn tiles(&self, paint: &PaintPlan, styles: &[String]) -> Result<Vec<(String, Choice)>> {
        let own = &paint.look;
        let mixes: Vec<_> = match styles {
            [] if self.strengths.is_empty() => return Ok(Vec::new()),
            [] => vec![(paint.choice.mix.to_string(), own.styles.clone())],
            styles => styles.iter().map(|style| (style.clone(), Mix::only(style))).collect(),
        };
        let strengths = if self.strengths.is_empty() { vec![own.strength] } else { self.strengths.clone() };
        let mut tiles = Vec::new();
        for (name, styles) in mixes {
            for &strength in &strengths {
                let look =
                    Look { styles: styles.clone(), strength, fade_ms: 0, steadiness: Steadiness::NONE, ..own.clone() };
                let label = if self.strengths.is_empty() { name.clone() } else { format!("{strength} {name}") };
                tiles.push((label, Choice::of(&paint.choice.network, &look)?));
            }
        }
        Ok(tiles)
    }
}
