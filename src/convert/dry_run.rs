//! A dry run: tells what a conversion would come to from about a second in the middle of it, painted into a temporary folder.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use image::ImageReader;

use super::cut::{Cut, has_index};
use super::fate::Fate;
use super::forecast::{Forecast, TrackForecast};
use super::parts::Index;
use super::pictures::{self, Easel};
use super::progress::{Kept, Progress};
use super::reading::Reading;
use super::survey::Survey;
use super::target::Target;
use super::{Conversion, Kind, Options, video};
use crate::capture::{animation, probe};
use crate::error::{Error, Result};
use crate::gst::check::codec_of;
use crate::gst::encoder::KEY_FRAME_INTERVAL;
use crate::picture::Format;
use crate::shutdown::Shutdown;
use crate::style::Size;

/// How much of a film is painted to find out.
const SAMPLE: Duration = Duration::from_secs(1);

/// What a file of one second holds besides packets, about.
const HEAD_BYTES: u64 = 2000;

/// Tells what conversions would come to.
#[derive(Default)]
pub struct DryRun {
    easel: Easel,
    /// What the first picture of a format took for each of its pixels.
    rates: HashMap<Format, PixelRate>,
}

#[derive(Clone)]
struct PixelRate {
    kept: Kept,
    seconds: f64,
    bytes: f64,
}

impl DryRun {
    /// Nothing is written but temporary files.
    ///
    /// # Errors
    /// The conversion would fail, as far as the sample tells; or it was interrupted.
    pub fn forecast(&mut self, conversion: &Conversion, shutdown: &Shutdown) -> Result<Forecast> {
        let folder = tempfile::tempdir().map_err(|error| Error::output(format!("temporary folder: {error}")))?;
        let output = folder.path().join(conversion.output.file_name().unwrap_or_default());
        let options = Options { overwrite: true, resume: false, ..conversion.options.clone() };
        let sample = Conversion { output, options, ..conversion.clone() };
        let forecast = match conversion.kind {
            Kind::Video => film(&sample, shutdown)?,
            Kind::Picture => self.picture(&sample)?,
            Kind::Frame => self.frame(&sample)?,
        };
        let (input, output) = (conversion.input.display().to_string(), conversion.output.display().to_string());
        Ok(Forecast { input, output, ..forecast })
    }

    /// A picture is painted as it is; further ones of the format are told by their size.
    fn picture(&mut self, sample: &Conversion) -> Result<Forecast> {
        let format = Format::of(&sample.output);
        let pixels_of = |size: Size| (size.width * size.height).max(1) as f64;
        let known = format.and_then(|format| self.rates.get(&format).cloned());
        let known = known.zip(painted_size(sample).ok());
        let is_known = known.is_some();
        let (rate, size) = match known {
            Some(known) => known,
            None => {
                let mut progress = Progress::silent();
                pictures::convert(sample, &mut self.easel, &mut progress)?;
                let (kept, size) = (progress.kept(), dimensions(&sample.output)?);
                let seconds = kept.done.1.as_secs_f64() / pixels_of(size);
                (PixelRate { seconds, bytes: bytes_of(&sample.output)? as f64 / pixels_of(size), kept }, size)
            }
        };
        let pixels = pixels_of(size);
        let notes = if is_known { Vec::new() } else { rate.kept.notes.clone() };
        let forecast = Forecast {
            picture: size.to_string(),
            device: rate.kept.device.clone(),
            encoder: rate.kept.encoder.clone(),
            frames: Some(1),
            seconds: Some(rate.seconds * pixels),
            bytes: Some((rate.bytes * pixels) as u64),
            sample_frames: u64::from(!is_known),
            notes,
            ..Forecast::default()
        };
        if let Some(format) = format {
            self.rates.insert(format, rate);
        }
        Ok(forecast)
    }

    /// One picture of a film takes no longer than the forecast of it.
    fn frame(&mut self, sample: &Conversion) -> Result<Forecast> {
        let mut progress = Progress::silent();
        pictures::convert_frame(sample, &mut self.easel, &mut progress)?;
        let Kept { device, encoder, notes, done: (_, time), .. } = progress.kept();
        Ok(Forecast {
            picture: dimensions(&sample.output)?.to_string(),
            device,
            encoder,
            frames: Some(1),
            seconds: Some(time.as_secs_f64()),
            bytes: Some(bytes_of(&sample.output)?),
            sample_frames: 1,
            notes,
            ..Forecast::default()
        })
    }
}

fn film(sample: &Conversion, shutdown: &Shutdown) -> Result<Forecast> {
    let Conversion { input, options, templates, .. } = sample;
    let target = Target::of(&sample.output)?;
    let reading = Reading::of(input, &sample.output, target, options.audio, templates)?;
    let tracks = tracks(&reading.survey, target, options)?;
    let whole = match animation::is_animation(input) {
        true => Some(animation::delays(input)?.into_iter().sum()),
        false => probe::first_picture_of(input, templates.clone())?.duration,
    };
    let cut = options.cut;
    let length = whole.map(|whole| cut.length(whole.into()));
    let middle =
        length.filter(|_| has_index(input)).map(|length| cut.part((length.saturating_sub(SAMPLE)) / 2, SAMPLE));
    let paint = |cut: Cut| {
        let sample = Conversion { options: Options { cut, ..options.clone() }, ..sample.clone() };
        let mut progress = Progress::silent();
        video::convert(&sample, shutdown, &mut progress).map(|index| (index, progress.kept()))
    };
    // A film of few pictures may have none in its middle.
    let in_the_middle = middle.map(paint).filter(|painted| !matches!(painted, Err(Error::Input(_))));
    let (index, kept) = in_the_middle.unwrap_or_else(|| paint(cut.part(Duration::ZERO, SAMPLE)))?;

    let scale = length.map(|length| length.as_secs_f64() / length.min(SAMPLE).as_secs_f64().max(1e-3));
    let file = bytes_of(&sample.output)?;
    let frames = length.map(|length| (length.as_secs_f64() * frames_per_second(&index)).round() as u64);
    let is_animation = matches!(target, Target::Animation(_));
    // Joining takes seconds, however long a film is; an animation is encoded by it.
    let (painted, time) = if is_animation || kept.painted.0 == 0 { kept.done } else { kept.painted };
    let seconds = frames.map(|frames| time.as_secs_f64() / painted.max(1) as f64 * frames as f64);
    let bytes = frames.zip(scale).map(|(frames, scale)| match is_animation {
        true => (file as f64 * scale) as u64,
        false => {
            let beside = file.saturating_sub(index.bytes).saturating_sub(HEAD_BYTES);
            bytes_of_pictures(&index, frames) + (beside as f64 * scale) as u64
        }
    });
    Ok(Forecast {
        tracks,
        picture: kept.picture,
        device: kept.device,
        encoder: kept.encoder,
        length_seconds: length.map(|length| length.as_secs_f64()),
        frames,
        seconds,
        bytes,
        sample_frames: index.frames,
        notes: kept.notes,
        ..Forecast::default()
    })
}

/// By the time from the first frame to the last: how long that is shown depends on where the sample was cut.
fn frames_per_second(sample: &Index) -> f64 {
    let last = sample.last.map(|last| Duration::from(last.pts).as_secs_f64()).unwrap_or_default();
    match sample.frames {
        2.. if last > 0.0 => (sample.frames - 1) as f64 / last,
        frames => frames as f64 / sample.end().as_secs_f64().max(1e-3),
    }
}

/// What so many frames take, by those of a sample: it begins with a key frame, which is large and comes seldom.
fn bytes_of_pictures(sample: &Index, frames: u64) -> u64 {
    let average = |bytes: u64, count: u64| bytes as f64 / count.max(1) as f64;
    let key = average(sample.key_bytes, sample.key_frames);
    let others = sample.frames - sample.key_frames;
    if others == 0 {
        return (key * frames as f64) as u64;
    }
    let keys = frames.div_ceil(KEY_FRAME_INTERVAL);
    (key * keys as f64 + average(sample.bytes - sample.key_bytes, others) * (frames - keys) as f64) as u64
}

fn tracks(survey: &Survey, target: Target, options: &Options) -> Result<Vec<TrackForecast>> {
    let mut has_picture = false;
    let mut tracks = Vec::new();
    for track in &survey.tracks {
        let becomes = match target.fate(track, options.audio)?.0 {
            Fate::Paint if std::mem::replace(&mut has_picture, true) => "left out",
            Fate::Paint => "painted",
            Fate::Copy => "copied",
            Fate::Encode(_) => "encoded anew",
            Fate::LeaveOut => "left out",
        };
        tracks.push(TrackForecast { codec: codec_of(&track.caps), becomes });
    }
    Ok(tracks)
}

/// The size that a picture is painted in, by what its file says first.
fn painted_size(sample: &Conversion) -> Result<Size> {
    let own = dimensions(&sample.input)?;
    sample.options.treatment.scaling.size_of(own, 1.0, 1).map_err(Error::input)
}

fn dimensions(file: &Path) -> Result<Size> {
    let unreadable = |error: &dyn std::fmt::Display| Error::input(format!("{}: {error}", file.display()));
    let reader =
        ImageReader::open(file).and_then(ImageReader::with_guessed_format).map_err(|error| unreadable(&error))?;
    let (width, height) = reader.into_dimensions().map_err(|error| unreadable(&error))?;
    Ok(Size::new(width as usize, height as usize))
}

fn bytes_of(file: &Path) -> Result<u64> {
    let metadata = std::fs::metadata(file);
    metadata.map(|metadata| metadata.len()).map_err(|error| Error::output(format!("{}: {error}", file.display())))
}
