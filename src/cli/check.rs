//! `impasto check FILE`: says whether a file is fit for use, and what is in it.

use std::path::{Path, PathBuf};

use clap::Args;
use image::{DynamicImage, RgbImage, imageops};

use super::{PaintArgs, say, tell};
use crate::capture::{animation, probe};
use crate::config::plan::{self, RunPlan, StreamPlan};
use crate::config::{Config, locate};
use crate::convert::{pictures, sheet};
use crate::error::{Error, Result};
use crate::picture;
use crate::style::manifest::Manifest;
use crate::style::mask::{is_mask_network, mask_network};
use crate::style::onnx::inspect::NetworkInfo;
use crate::style::onnx::{self, SessionOptions};
use crate::style::propose::{Way, propose};
use crate::style::trial::Trial;
use crate::style::{MaskFinder, PaintPlan};

const AFTER_HELP: &str = "\
Examples:
  impasto check config.toml              every key, and whether network, style and source are there
  impasto check models/lite.toml         loads the network and paints a test picture
  impasto check candy.onnx               the same; without a manifest, proposes one
  impasto check candy.onnx --save        and writes it as candy.toml
  impasto check candy.onnx --preview ways.png    and paints a sheet of the ways to feed it
  impasto check candy.onnx --take 3 --save       the third of them
  impasto check pipelines/output/rtsp.launch
  impasto check holiday.mp4              its streams

Ends with 0 if the file is fit, and with the exit code of its error otherwise.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct CheckArgs {
    /// A config (.toml), a network (.onnx or its manifest), a template (.launch) or a media file
    file: PathBuf,
    /// Write the manifest that is proposed for a network beside it
    #[arg(long)]
    save: bool,
    /// Write a sheet of the test photograph, painted in each way that was tried and looks different: .png, .jpg or .webp
    #[arg(long, value_name = "PICTURE")]
    preview: Option<PathBuf>,
    /// Propose this one of the ways, as the sheet counts them
    #[arg(long, value_name = "N")]
    take: Option<usize>,
    #[command(flatten)]
    paint: PaintArgs,
}

impl CheckArgs {
    pub fn run(self) -> Result<()> {
        let ending = self.file.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if !self.file.exists() {
            let missing = format!("{}: no such file", self.file.display());
            return Err(match ending.as_str() {
                "onnx" => Error::model(missing),
                "toml" | "launch" => Error::usage(missing),
                _ => Error::input(missing),
            });
        }
        crate::gst::init()?;
        if let Some(preview) = self.preview.as_ref().filter(|path| picture::Format::of(path).is_none()) {
            let name = preview.display();
            return Err(Error::usage(format!("--preview {name}: pictures are written into .png, .jpg or .webp")));
        }
        match ending.as_str() {
            "toml" if is_manifest(&self.file) => self.network(&self.file),
            "toml" => self.config(),
            "onnx" if self.looks_anew() => self.foreign_network(),
            "onnx" if Manifest::is_there(&self.file.with_extension("toml")) => {
                self.network(&self.file.with_extension("toml"))
            }
            "onnx" | "pth" | "pt" | "tflite" | "safetensors" | "h5" => self.foreign_network(),
            "launch" => {
                let name = crate::gst::check::launch(&self.file)?;
                say!("{}: a template `{name}` whose elements can be built", self.file.display())
            }
            _ => {
                // As a conversion opens it: what comes out there comes out here.
                let facts = probe::first_picture_of(&self.file, plan::templates(&self.config_with_flags().runtime))?;
                let lines = match animation::is_animation(&self.file) {
                    true => animation::describe(&self.file)?,
                    false => crate::gst::check::media(&self.file)?,
                };
                say!("{}: can be painted", self.file.display())?;
                // Picture files are read in another way, and may stay transparent.
                let notes = if pictures::is_picture(&self.file) { Vec::new() } else { facts.notes };
                for line in lines.into_iter().chain(notes) {
                    say!("  {line}")?;
                }
                Ok(())
            }
        }
    }

    fn config(&self) -> Result<()> {
        let mut config = Config::read(&self.file)?;
        self.paint.apply(&mut config);
        let check = |config: &Config| {
            let plan = RunPlan::new(config, |_| false)?;
            plan.streams.iter().map(|stream| StreamPlan::new(stream, &plan.runtime)).collect::<Result<Vec<_>>>()
        };
        let streams = check(&config).map_err(|error| locate(error, Some(&self.file)))?;
        say!("{}: a config that can be run", self.file.display())?;
        for StreamPlan { name, source, paint: PaintPlan { choice, .. }, .. } in &streams {
            if streams.len() > 1 {
                say!("  stream {name}")?;
            }
            say!("  source {source}")?;
            say!("  network {}, style {}", choice.network.name, choice.mix)?;
        }
        Ok(())
    }

    fn network(&self, manifest: &Path) -> Result<()> {
        if is_mask_network(manifest) {
            return self.mask_network(manifest);
        }
        let manifest = Manifest::read(manifest)?;
        let options = self.session_options();
        let trial = Trial::run(&manifest, &options)?;
        let info = onnx::inspect_network(&manifest.model_path(), &options)?;
        trial.judge(&manifest)?;
        say!("{}: a network that fits its manifest", manifest.model_path().display())?;
        for line in describe(&info) {
            say!("  {line}")?;
        }
        say!("  {}", outcome(&trial))?;
        if manifest.style_image.is_some() {
            return say!("  it paints like any painting");
        }
        let styles: Vec<_> = manifest.styles.iter().map(|style| style.name.as_str()).collect();
        say!("  {} styles: {}", styles.len(), styles.join(", "))
    }

    fn mask_network(&self, manifest: &Path) -> Result<()> {
        let mut options = self.session_options();
        options.mask.named = Some(manifest.to_path_buf());
        let network = mask_network(&options.mask)?.unwrap_or_else(|| unreachable!("it is named"));
        let info = onnx::inspect_network(&network.model_path(), &options)?;
        MaskFinder::open(&options)?;
        say!("{}: a network that finds people, and fits its manifest", network.model_path().display())?;
        for line in describe(&info) {
            say!("  {line}")?;
        }
        say!("  for --mask; one that is not in the models folder is named with [runtime] mask_network")
    }

    /// The proposal goes to standard output with what was found as comments, so that all of it can be saved.
    fn foreign_network(&self) -> Result<()> {
        let options = self.session_options();
        let info = onnx::inspect_network(&self.file, &options)?;
        let save_as = self.file.with_extension("toml");
        say!("# {}: a network without a manifest", self.file.display())?;
        for line in describe(&info) {
            say!("# {line}")?;
        }
        let proposal = propose(&info, &self.file, &options, self.take)?;
        if let Ok(trial) = &proposal.trial {
            say!("# {}", outcome(trial))?;
        }
        let certainty = proposal.certainty.words();
        say!(
            "# ways to feed it, by how much the test photograph looks painted; that the first is right is {certainty}:"
        )?;
        for (number, way) in (1..).zip(&proposal.ways) {
            say!("#   {number}. {} ({:.2})", way.label, way.likeness.score)?;
        }
        say!("\n{}", proposal.text)?;
        if let Some(preview) = &self.preview {
            pictures::save(preview, contact_sheet(&proposal.ways)?)?;
            tell(&format!("{}: {} ways; propose another with --take N", preview.display(), proposal.ways.len()));
        }
        proposal.trial?;
        if self.save {
            std::fs::write(&save_as, &proposal.text)
                .map_err(|error| Error::output(format!("{}: {error}", save_as.display())))?;
            tell(&format!("saved as {}; look it over, and check again", save_as.display()));
        } else {
            tell(&format!("look it over; with --save it becomes {}", save_as.display()));
        }
        Ok(())
    }

    /// What was asked for is about finding a manifest, also where there is one.
    fn looks_anew(&self) -> bool {
        self.preview.is_some() || self.take.is_some()
    }

    /// In a worker process: a network that brings it down gets a sentence like others.
    fn session_options(&self) -> SessionOptions {
        let mut runtime = self.config_with_flags().runtime;
        runtime.isolate = true;
        plan::isolated_session_options(&runtime)
    }

    fn config_with_flags(&self) -> Config {
        let mut config = Config::default();
        self.paint.apply(&mut config);
        config
    }
}

/// The ways side by side, each with its number.
fn contact_sheet(ways: &[Way]) -> Result<DynamicImage> {
    let tile = |(number, way): (usize, &Way)| {
        let [width, height] = [way.size.width as u32, way.size.height as u32];
        let picture = RgbImage::from_raw(width, height, way.picture.clone());
        let picture = picture.ok_or_else(|| Error::model("a painted picture has too few pixels"))?;
        // Twice as large, so that the label has room.
        let large = imageops::resize(&picture, 2 * width, 2 * height, imageops::FilterType::Triangle);
        Ok((format!("{number}. {}", way.label), DynamicImage::ImageRgb8(large)))
    };
    Ok(sheet::lay_out(&(1..).zip(ways).map(tile).collect::<Result<Vec<_>>>()?, None))
}

/// A manifest names its ONNX file; a config has only sections.
fn is_manifest(path: &Path) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().map(str::trim_start).take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| line.split_once('=')).any(|(key, _)| matches!(key.trim(), "name" | "file" | "title"))
}

fn describe(info: &NetworkInfo) -> impl Iterator<Item = String> {
    let inputs = info.inputs.iter().map(|input| format!("input {input}"));
    let outputs = info.outputs.iter().map(|output| format!("output {output}"));
    let notes = info.notes.iter().map(|(key, value)| format!("{key}: {value}"));
    inputs.chain(outputs).chain(notes).map(|line| line.replace('\n', " "))
}

fn outcome(trial: &Trial) -> String {
    let [lowest, highest] = trial.values;
    format!(
        "tried at {} on {}: {:.1} ms, values from {lowest:.3} to {highest:.3}, {:.0} % clamped",
        trial.tensor,
        trial.device,
        trial.inference.as_secs_f64() * 1e3,
        trial.clamped * 100.0
    )
}
