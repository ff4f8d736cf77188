//! Animated pictures: GIF, APNG and WebP, read by the `image` crate. GStreamer plays GIFs for ever, and of the others it
//! sees one picture.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Mutex;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use image::codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder};
use image::{AnimationDecoder, Frames, ImageDecoder, ImageFormat};

use crate::error::{Error, Result};
use crate::style::geometry::MAX_SIDE;
use crate::sync::Locked;

/// So short delays mean "as fast as it goes" of old programs; viewers show such frames for 100 ms.
const NO_DELAY: gst::ClockTime = gst::ClockTime::from_mseconds(10);
const USUAL_DELAY: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// True if `path` holds a GIF, or another picture that is animated, whatever its name.
pub fn is_animation(path: &Path) -> bool {
    format(path).is_some()
}

/// True if `path` holds more than one picture of an animation.
pub fn moves(path: &Path) -> bool {
    is_animation(path) && open(path).is_ok_and(|animation| animation.frames.take(2).count() == 2)
}

fn format(path: &Path) -> Option<ImageFormat> {
    let mut start = Vec::new();
    File::open(path).ok()?.take(64).read_to_end(&mut start).ok()?;
    let reader = || Some(BufReader::new(File::open(path).ok()?));
    let format = image::guess_format(&start).ok()?;
    let is_animated = match format {
        ImageFormat::Gif => true,
        ImageFormat::Png => PngDecoder::new(reader()?).ok()?.is_apng().ok()?,
        ImageFormat::WebP => WebPDecoder::new(reader()?).ok()?.has_animation(),
        _ => false,
    };
    is_animated.then_some(format)
}

/// A file that was opened.
struct Animation {
    format: ImageFormat,
    width: u32,
    height: u32,
    frames: Frames<'static>,
}

fn open(path: &Path) -> Result<Animation, String> {
    let format = format(path).ok_or("it is no animated picture")?;
    let in_words = |error: image::ImageError| error.to_string();
    let reader = BufReader::new(File::open(path).map_err(|error| error.to_string())?);
    let ((width, height), frames) = match format {
        ImageFormat::Png => {
            let decoder = PngDecoder::new(reader).map_err(in_words)?;
            (decoder.dimensions(), decoder.apng().map_err(in_words)?.into_frames())
        }
        ImageFormat::WebP => {
            let decoder = WebPDecoder::new(reader).map_err(in_words)?;
            (decoder.dimensions(), decoder.into_frames())
        }
        _ => {
            let decoder = GifDecoder::new(reader).map_err(in_words)?;
            (decoder.dimensions(), decoder.into_frames())
        }
    };
    if width.max(height) as usize > MAX_SIDE {
        return Err(format!("pictures of {width}x{height} cannot be painted; sides up to {MAX_SIDE} can"));
    }
    Ok(Animation { format, width, height, frames })
}

/// Makes the appsrc of `bin` deliver the frames of the animation at `path`, once or again and again.
///
/// # Errors
/// The file cannot be read as one.
pub fn play_into(bin: &gst::Bin, path: &Path, looped: bool) -> Result<()> {
    let unreadable = |what: String| Error::input(format!("{}: {what}", path.display()));
    let source = bin
        .by_name("animation")
        .and_then(|element| element.downcast::<gst_app::AppSrc>().ok())
        .unwrap_or_else(|| unreachable!("checked by build"));
    let animation = open(path).map_err(unreadable)?;
    let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgba, animation.width, animation.height)
        .build()
        .map_err(|error| unreadable(error.to_string()))?;
    source.set_caps(Some(&info.to_caps().map_err(|error| unreadable(error.to_string()))?));

    source.set_block(true);
    // The frames are read on a thread of their own, which starts when the pipeline does and ends with it.
    let path = path.to_path_buf();
    let waiting = Mutex::new(Some(looped.then(|| path.clone())));
    let callbacks = gst_app::AppSrcCallbacks::builder().need_data(move |source, _| {
        if let Some(again) = waiting.locked().take() {
            let (source, path) = (source.clone(), path.clone());
            std::thread::spawn(move || play(&path, again.as_deref(), &source));
        }
    });
    source.set_callbacks(callbacks.build());
    Ok(())
}

/// How long each picture of an animation is shown, as far as it can be read.
///
/// # Errors
/// The file cannot be read as one.
pub fn delays(path: &Path) -> Result<Vec<gst::ClockTime>> {
    let animation = open(path).map_err(|what| Error::input(format!("{}: {what}", path.display())))?;
    Ok(animation.frames.map_while(|frame| frame.ok().map(|frame| delay(&frame))).collect())
}

/// What `impasto check` says of an animation: its length as far as it can be read, and its pictures.
///
/// # Errors
/// The file cannot be read as one.
pub fn describe(path: &Path) -> Result<Vec<String>> {
    let Animation { format, width, height, .. } =
        open(path).map_err(|what| Error::input(format!("{}: {what}", path.display())))?;
    let name = match format {
        ImageFormat::Png => "APNG",
        ImageFormat::WebP => "WebP",
        _ => "GIF",
    };
    let delays = delays(path)?;
    let length: gst::ClockTime = delays.iter().copied().sum();
    Ok(vec![format!("length {length:.2}"), format!("video {name} {width}x{height}, {} pictures", delays.len())])
}

/// How long a frame is shown.
fn delay(frame: &image::Frame) -> gst::ClockTime {
    let (numerator, denominator) = frame.delay().numer_denom_ms();
    let told = gst::ClockTime::from_useconds(u64::from(numerator) * 1000 / u64::from(denominator.max(1)));
    if told <= NO_DELAY { USUAL_DELAY } else { told }
}

/// Pushes frame after frame until the pipeline takes no more; begins again with the file at `again` when they are over.
fn play(path: &Path, again: Option<&Path>, source: &gst_app::AppSrc) {
    let (mut time, mut next) = (gst::ClockTime::ZERO, Some(path));
    while let Some(path) = next {
        let begun = time;
        match open(path).and_then(|animation| push_frames(animation.frames, source, &mut time)) {
            Ok(true) if time > begun => next = again,
            Ok(_) => break,
            Err(error) => {
                gst::element_error!(source, gst::StreamError::Decode, ("the animation is damaged: {error}"));
                break;
            }
        }
    }
    let _ = source.end_of_stream();
}

/// Pushes the frames of one round, the first of them at `time`, which is the end of the last one afterwards. False if
/// the pipeline takes no more.
fn push_frames(frames: Frames, source: &gst_app::AppSrc, time: &mut gst::ClockTime) -> Result<bool, String> {
    for frame in frames {
        let frame = frame.map_err(|error| error.to_string())?;
        let delay = delay(&frame);
        let mut buffer = gst::Buffer::from_mut_slice(frame.into_buffer().into_raw());
        let times = buffer.make_mut();
        times.set_pts(*time);
        times.set_duration(delay);
        *time += delay;
        if source.push_buffer(buffer).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}
