//! Still pictures: decode, paint, encode, each file in one go.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use image::imageops::FilterType;
use image::{DynamicImage, RgbImage, Rgba};

use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

use super::progress::{Event, Progress};
use super::{Conversion, behind_links};
use crate::capture::animation::moves;
use crate::capture::scaling::Scaling;
use crate::capture::treatment::Colour;
use crate::capture::{Treatment, probe};
use crate::error::{Error, Result};
use crate::gst::flatten::lay_on;
use crate::gst::template::Templates;
use crate::output::part_path;
use crate::picture::tags::Tags;
use crate::picture::{self, Bounds, Format, Original};
use crate::style::tensor::{PixelOrder, Pixels, PixelsMut};
use crate::style::{MOST_PICTURE_PIXELS, PaintPlan, Painter, Size};

/// The painter that pictures pass one after the other, opened for the first of them.
#[derive(Default)]
pub struct Easel(Option<Painter>);

impl Easel {
    fn painter(&mut self, plan: &PaintPlan) -> Result<&mut Painter> {
        match &mut self.0 {
            Some(painter) => Ok(painter),
            empty => Ok(empty.insert(plan.open_picture_painter()?)),
        }
    }
}

/// Paints one picture.
///
/// # Errors
/// IN is no picture or too large, or OUT cannot be written; OUT is not touched then.
pub fn convert(conversion: &Conversion, easel: &mut Easel, progress: &mut Progress) -> Result<()> {
    let painter = easel.painter(&conversion.paint)?;
    announce(conversion, painter, progress);
    paint(&conversion.input, &conversion.output, conversion.options.treatment, painter, progress)?;
    progress.done(conversion.output.display().to_string(), 1);
    Ok(())
}

/// Paints one picture of a video: the first one, or that of the time that was asked for.
///
/// # Errors
/// As [`convert`], or IN has no picture at that time.
pub fn convert_frame(conversion: &Conversion, easel: &mut Easel, progress: &mut Progress) -> Result<()> {
    let painter = easel.painter(&conversion.paint)?;
    announce(conversion, painter, progress);
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
    picture::is_named_so(path) || picture::begins_as_one(path)
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

fn announce(conversion: &Conversion, painter: &Painter, progress: &mut Progress) {
    let choice = &conversion.paint.choice;
    progress.start(&Event::Start {
        input: conversion.input.display().to_string(),
        output: conversion.output.display().to_string(),
        network: &choice.network.name,
        style: &choice.style.name,
        device: painter.network().backend().name(),
        picture: "picture".into(),
        workers: 1,
        threads: conversion.paint.session.thread_count(),
        encoder: "no video".into(),
        resumed_frames: 0,
    });
}

fn paint(input: &Path, output: &Path, treatment: Treatment, painter: &mut Painter, progress: &Progress) -> Result<()> {
    let begun = Instant::now();
    let Original { picture, tags, mut notes } = read(input)?;
    let (picture, note) = lay_on_background(picture, treatment, Format::of(output) != Some(Format::Jpeg));
    notes.extend(note);
    if moves(input) {
        notes.push(
            "it is animated, and its first picture is painted: .gif, .webp or a video would show them all".into(),
        );
    }
    let picture = scaled(picture, treatment.scaling, input)?;
    let size = Size::new(picture.width() as usize, picture.height() as usize);
    if let Some(smaller) = painter.smaller_size(size) {
        notes.push(format!(
            "it is painted at {smaller} and scaled back to {size}: painting more than {} million pixels takes too much memory",
            MOST_PICTURE_PIXELS / 1_000_000
        ));
    }
    let painted = paint_picture(picture, |source, painted| painter.paint(source, painted).map(|_| ()))?;
    notes.extend(write(output, painted, &tags)?);
    notes.iter().for_each(|note| progress.note(note));
    tracing::debug!("{} in {:.0} ms", output.display(), begun.elapsed().as_secs_f64() * 1000.0);
    Ok(())
}

/// Reads a picture file.
fn read(path: &Path) -> Result<Original> {
    let unreadable = |what: String| Error::input(format!("{}: {what}", path.display()));
    Original::read(path, Bounds::FILE).map_err(unreadable)
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
    {
        let source = Pixels::packed(&source, width, height, order).ok_or_else(misfit)?;
        paint(&source, &mut PixelsMut::packed(&mut painted, width, height, order).ok_or_else(misfit)?)?;
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
    let notes = picture::encode(&mut file, format, picture, tags)?;
    drop(file);
    std::fs::rename(part, path).map_err(text)?;
    Ok(notes)
}
