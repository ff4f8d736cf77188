//! Still pictures and folders of them: decode, paint, encode, each file in one go.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image::imageops::FilterType;
use image::{DynamicImage, ImageReader, RgbImage, Rgba};

use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

use super::picture_file::{self, Format, Original};
use super::picture_tags::Tags;
use super::progress::{Event, Progress};
use super::{Conversion, behind_links};
use crate::capture::scaling::Scaling;
use crate::capture::treatment::Colour;
use crate::capture::{Treatment, probe};
use crate::error::{Error, Result};
use crate::gst::flatten::lay_on;
use crate::gst::template::Templates;
use crate::output::part_path;
use crate::shutdown::Shutdown;
use crate::style::geometry::MAX_SIDE;
use crate::style::tensor::{PixelOrder, Pixels, PixelsMut};
use crate::style::{Painter, Size};

/// Paints one picture.
///
/// # Errors
/// IN is no picture or too large, or OUT cannot be written; OUT is not touched then.
pub fn convert(conversion: &Conversion, progress: &mut Progress) -> Result<()> {
    let mut painter = conversion.paint.open_picture_painter()?;
    announce(conversion, &painter, "picture".into(), 0, progress);
    paint(&conversion.input, &conversion.output, conversion.options.treatment, &mut painter, progress)?;
    progress.done(conversion.output.display().to_string(), 1);
    Ok(())
}

/// Paints one picture of a video: the first one, or that of the time that was asked for.
///
/// # Errors
/// As [`convert`], or IN has no picture at that time.
pub fn convert_frame(conversion: &Conversion, progress: &mut Progress) -> Result<()> {
    let mut painter = conversion.paint.open_picture_painter()?;
    announce(conversion, &painter, "picture".into(), 0, progress);
    let at = conversion.options.at.unwrap_or_default();
    let (picture, notes) = frame_of(&conversion.input, at, conversion.options.treatment, conversion.templates.clone())?;
    notes.iter().for_each(|note| progress.note(note));
    let painted = paint_picture(picture, |source, painted| painter.paint(source, painted).map(|_| ()))?;
    write(&conversion.output, painted, &Tags::default())?;
    progress.done(conversion.output.display().to_string(), 1);
    Ok(())
}

/// The picture that a video shows at `at`, and the notes on it.
fn frame_of(
    video: &Path,
    at: Duration,
    treatment: Treatment,
    templates: Templates,
) -> Result<(DynamicImage, Vec<String>)> {
    let (sample, notes) = probe::picture_at(video, at, treatment, templates)?;
    let unreadable = || Error::input(format!("{}: a picture without pixels", video.display()));
    let info = sample.caps().and_then(|caps| gst_video::VideoInfo::from_caps(caps).ok()).ok_or_else(unreadable)?;
    let buffer = sample.buffer().ok_or_else(unreadable)?;
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info).map_err(|_| unreadable())?;
    let (width, stride) = (info.width() as usize, frame.plane_stride()[0] as usize);
    let rows = frame.plane_data(0).map_err(|_| unreadable())?.chunks(stride).take(info.height() as usize);
    let pixels = rows.flat_map(|row| row[..width * 4].chunks_exact(4)).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]);
    RgbImage::from_raw(info.width(), info.height(), pixels.collect())
        .map(|picture| (DynamicImage::ImageRgb8(picture), notes))
        .ok_or_else(unreadable)
}

/// True if the file is a still picture by its first bytes, or at least by its name.
pub fn is_picture(path: &Path) -> bool {
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
    Format::of(path).is_some() || reader.is_ok_and(|reader| reader.format().is_some())
}

/// Reads a picture file, or takes the picture that a video shows at `at`: without transparency, and with the notes on it.
///
/// # Errors
/// It is neither, or damaged.
pub fn picture_of(
    input: &Path,
    at: Option<Duration>,
    treatment: Treatment,
    templates: Templates,
) -> Result<(DynamicImage, Vec<String>)> {
    if at.is_some() || !is_picture(input) {
        return frame_of(input, at.unwrap_or_default(), treatment, templates);
    }
    let Original { picture, mut notes, .. } = read(input)?;
    let (picture, note) = lay_on_background(picture, treatment, false);
    notes.extend(note);
    let picture = scaled(picture, treatment.scaling, input)?;
    Ok((picture, notes))
}

/// Lays a transparent picture on the background, with a note on it. One that `stays` transparent, because its file can
/// hold that and no background was named, loses only the colours that nobody sees: they would be painted into the edges.
pub fn lay_on_background(picture: DynamicImage, treatment: Treatment, stays: bool) -> (DynamicImage, Option<String>) {
    if !picture.color().has_alpha() {
        return (picture, None);
    }
    let Colour(background) = treatment.background.unwrap_or_default();
    let mut picture = picture.into_rgba8();
    let is_transparent = picture.pixels().any(|pixel| pixel.0[3] < u8::MAX);
    let stays = stays && treatment.background.is_none();
    for Rgba([red, green, blue, alpha]) in picture.pixels_mut().filter(|pixel| !stays || pixel.0[3] == 0) {
        [*red, *green, *blue] = lay_on(background, [*red, *green, *blue], *alpha);
    }
    match stays {
        true => (DynamicImage::ImageRgba8(picture), None),
        false => {
            let opaque = DynamicImage::ImageRgb8(DynamicImage::ImageRgba8(picture).into_rgb8());
            (opaque, is_transparent.then(|| treatment.laid_on()))
        }
    }
}

/// The picture of the file `input` in the size that is asked for.
fn scaled(picture: DynamicImage, scaling: Scaling, input: &Path) -> Result<DynamicImage> {
    let own = Size::new(picture.width() as usize, picture.height() as usize);
    let size = scaling.size_of(own, 1.0, 1).map_err(|reason| Error::input(format!("{}: {reason}", input.display())))?;
    let resized = || picture.resize_exact(size.width as u32, size.height as u32, FilterType::Lanczos3);
    Ok(if size == own { picture } else { resized() })
}

/// Writes a picture, at once or not at all.
///
/// # Errors
/// The file cannot be written, or its ending is that of no picture.
pub fn save(path: &Path, picture: DynamicImage) -> Result<()> {
    write(path, picture, &Tags::default()).map(drop)
}

/// Paints every picture of the folder IN into the folder OUT under the same name.
///
/// # Errors
/// The folders, the network, or after all others were painted: pictures that could not be.
pub fn convert_folder(conversion: &Conversion, shutdown: &Shutdown, progress: &mut Progress) -> Result<()> {
    let (input, output) = (&conversion.input, &conversion.output);
    let (pictures, others) = list(input)?;
    if pictures.is_empty() {
        return Err(Error::input(format!("{}: there is no .png, .jpg or .webp in this folder", input.display())));
    }
    if others > 0 {
        progress.note(&format!("{others} other files in {} are left out", input.display()));
    }
    std::fs::create_dir_all(output).map_err(|error| Error::output(format!("{}: {error}", output.display())))?;
    let mut painter = conversion.paint.open_picture_painter()?;

    let targets: Vec<_> = pictures.iter().map(|picture| output.join(picture.file_name().unwrap_or_default())).collect();
    let finished = |target: &Path| conversion.options.resume && target.exists();
    let earlier = targets.iter().filter(|target| finished(target)).count() as u64;
    announce(conversion, &painter, format!("{} pictures", pictures.len()), earlier, progress);
    let (mut painted, mut failed) = (0, 0);
    for (number, (picture, target)) in pictures.iter().zip(&targets).enumerate() {
        if shutdown.is_given() {
            return Err(Error::Interrupted(format!("interrupted after {painted} pictures; go on with --resume")));
        }
        if finished(target) {
            continue;
        }
        match paint(picture, target, conversion.options.treatment, &mut painter, progress) {
            Ok(()) => painted += 1,
            // The others may be good; a full disk or a broken network spoils them all.
            Err(Error::Input(reason)) => {
                failed += 1;
                progress.note(&reason);
            }
            Err(error) => return Err(error),
        }
        let total = pictures.len() as f64;
        progress.update(painted, Some((number + 1) as f64 / total), earlier as f64 / total);
    }
    if failed > 0 {
        return Err(Error::input(format!("{failed} of {} pictures could not be painted", pictures.len())));
    }
    progress.done(output.display().to_string(), painted);
    Ok(())
}

/// The pictures of a folder by name, and how many other files lie there.
fn list(folder: &Path) -> Result<(Vec<PathBuf>, usize)> {
    let entries = std::fs::read_dir(folder).map_err(|error| Error::input(format!("{}: {error}", folder.display())))?;
    let files = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file());
    let hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let (mut pictures, others): (Vec<_>, Vec<_>) =
        files.filter(|path| !hidden(path)).partition(|path| Format::of(path).is_some());
    pictures.sort();
    Ok((pictures, others.len()))
}

fn announce(conversion: &Conversion, painter: &Painter, picture: String, earlier: u64, progress: &mut Progress) {
    let choice = &conversion.paint.choice;
    progress.start(&Event::Start {
        input: conversion.input.display().to_string(),
        output: conversion.output.display().to_string(),
        network: &choice.network.name,
        style: &choice.style.name,
        device: painter.network().backend().name(),
        picture,
        workers: 1,
        threads: conversion.paint.session.thread_count(),
        encoder: "no video".into(),
        resumed_frames: earlier,
    });
}

fn paint(input: &Path, output: &Path, treatment: Treatment, painter: &mut Painter, progress: &Progress) -> Result<()> {
    let begun = Instant::now();
    let Original { picture, tags, mut notes } = read(input)?;
    let (picture, note) = lay_on_background(picture, treatment, Format::of(output) != Some(Format::Jpeg));
    notes.extend(note);
    let picture = scaled(picture, treatment.scaling, input)?;
    let painted = paint_picture(picture, |source, painted| painter.paint(source, painted).map(|_| ()))?;
    notes.extend(write(output, painted, &tags)?);
    notes.iter().for_each(|note| progress.note(&format!("{}: {note}", input.display())));
    tracing::debug!("{} in {:.0} ms", output.display(), begun.elapsed().as_secs_f64() * 1000.0);
    Ok(())
}

/// Reads a picture file.
fn read(path: &Path) -> Result<Original> {
    let unreadable = |what: String| Error::input(format!("{}: {what}", path.display()));
    let file = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    if file.is_empty() {
        return Err(unreadable("is empty (0 bytes)".into()));
    }
    Original::decode(&file, MAX_SIDE * MAX_SIDE).map_err(unreadable)
}

/// Paints a picture with `paint`. Pictures with transparency keep it: the network paints their colours only.
///
/// # Errors
/// Those of `paint`.
pub fn paint_picture(
    picture: DynamicImage,
    paint: impl FnOnce(&Pixels, &mut PixelsMut) -> Result<()>,
) -> Result<DynamicImage> {
    let has_alpha = picture.color().has_alpha();
    // Four bytes a pixel: rows without padding, whatever the width.
    let source = picture.into_rgba8();
    let (width, height) = (source.width() as usize, source.height() as usize);
    let mut painted = source.clone();
    let misfit = || Error::input("a picture without pixels");
    let order = PixelOrder::Rgbx;
    let stride = width * order.bytes();
    {
        let source = Pixels::new(&source, width, height, stride, order).ok_or_else(misfit)?;
        paint(&source, &mut PixelsMut::new(&mut painted, width, height, stride, order).ok_or_else(misfit)?)?;
    }
    if has_alpha {
        painted.pixels_mut().zip(source.pixels()).for_each(|(painted, source)| painted.0[3] = source.0[3]);
        return Ok(DynamicImage::ImageRgba8(painted));
    }
    Ok(DynamicImage::ImageRgb8(DynamicImage::ImageRgba8(painted).into_rgb8()))
}

/// Writes beside `path` and renames; notes on what could not be written.
fn write(path: &Path, picture: DynamicImage, tags: &Tags) -> Result<Vec<String>> {
    let target = behind_links(path);
    let part = part_path(&target);
    let written = try_write(&target, &part, picture, tags);
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written.map_err(|reason| Error::output(format!("{}: {reason}", path.display())))
}

fn try_write(path: &Path, part: &Path, picture: DynamicImage, tags: &Tags) -> Result<Vec<String>, String> {
    let text = |error: std::io::Error| error.to_string();
    let format = Format::of(path).ok_or("pictures are written into .png, .jpg or .webp")?;
    let mut file = File::create(part).map_err(text)?;
    let notes = picture_file::encode(&mut file, format, picture, tags)?;
    drop(file);
    std::fs::rename(part, path).map_err(text)?;
    Ok(notes)
}
