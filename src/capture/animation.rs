//! Animated GIFs: read by the `image` crate, because GStreamer's own demuxer plays them for ever.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Mutex;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use image::codecs::gif::GifDecoder;
use image::{AnimationDecoder, ImageDecoder};

use crate::error::{Error, Result};
use crate::sync::Locked;

/// Delays below 20 ms mean "as fast as it goes" of old programs; viewers show such frames for 100 ms.
const SHORTEST_DELAY: gst::ClockTime = gst::ClockTime::from_mseconds(20);
const USUAL_DELAY: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// True if `path` holds a GIF, whatever its name.
pub fn is_gif(path: &Path) -> bool {
    let mut start = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && &start == b"GIF8"
}

/// Makes the appsrc of `bin` deliver the frames of the GIF at `path`, once or again and again.
///
/// # Errors
/// The file cannot be read as a GIF.
pub fn play_into(bin: &gst::Bin, path: &Path, looped: bool) -> Result<()> {
    let unreadable = |what: String| Error::input(format!("{}: {what}", path.display()));
    let source = bin
        .by_name("animation")
        .and_then(|element| element.downcast::<gst_app::AppSrc>().ok())
        .unwrap_or_else(|| unreachable!("checked by build"));
    let decoder = open(path).map_err(unreadable)?;
    let (width, height) = decoder.dimensions();
    let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgba, width, height)
        .build()
        .map_err(|error| unreadable(error.to_string()))?;
    source.set_caps(Some(&info.to_caps().map_err(|error| unreadable(error.to_string()))?));

    source.set_block(true);
    // The frames are read on a thread of their own, which starts when the pipeline does and ends with it.
    let waiting = Mutex::new(Some((decoder, looped.then(|| path.to_path_buf()))));
    let callbacks = gst_app::AppSrcCallbacks::builder().need_data(move |source, _| {
        if let Some((decoder, again)) = waiting.locked().take() {
            let source = source.clone();
            std::thread::spawn(move || play(decoder, again.as_deref(), &source));
        }
    });
    source.set_callbacks(callbacks.build());
    Ok(())
}

type Gif = GifDecoder<BufReader<File>>;

fn open(path: &Path) -> Result<Gif, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    GifDecoder::new(BufReader::new(file)).map_err(|error| error.to_string())
}

/// What `impasto check` says of a GIF: its length as far as it can be read, and its pictures.
///
/// # Errors
/// The file cannot be read as a GIF.
pub fn describe(path: &Path) -> Result<Vec<String>> {
    let decoder = open(path).map_err(|what| Error::input(format!("{}: {what}", path.display())))?;
    let (width, height) = decoder.dimensions();
    let mut frames = decoder.into_frames();
    let delays: Vec<_> = frames.by_ref().map_while(|frame| frame.ok().map(|frame| delay(&frame))).collect();
    let length: gst::ClockTime = delays.iter().copied().sum();
    Ok(vec![format!("length {length:.2}"), format!("video GIF {width}x{height}, {} pictures", delays.len())])
}

/// How long a frame is shown.
fn delay(frame: &image::Frame) -> gst::ClockTime {
    let (numerator, denominator) = frame.delay().numer_denom_ms();
    let told = gst::ClockTime::from_useconds(u64::from(numerator) * 1000 / u64::from(denominator.max(1)));
    if told < SHORTEST_DELAY { USUAL_DELAY } else { told }
}

/// Pushes frame after frame until the pipeline takes no more; begins with the file at `again` when they are over.
fn play(mut decoder: Gif, again: Option<&Path>, source: &gst_app::AppSrc) {
    let mut time = gst::ClockTime::ZERO;
    loop {
        let begun = time;
        match push_frames(decoder, source, &mut time) {
            Ok(true) if time > begun => {}
            Ok(_) => break,
            Err(error) => {
                gst::element_error!(source, gst::StreamError::Decode, ("the GIF is damaged: {error}"));
                break;
            }
        }
        match again.and_then(|path| open(path).ok()) {
            Some(next) => decoder = next,
            None => break,
        }
    }
    let _ = source.end_of_stream();
}

/// Pushes the frames of one round, the first of them at `time`, which is the end of the last one afterwards. False if
/// the pipeline takes no more.
fn push_frames(decoder: Gif, source: &gst_app::AppSrc, time: &mut gst::ClockTime) -> Result<bool, String> {
    for frame in decoder.into_frames() {
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
