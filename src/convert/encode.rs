//! Painted frames to packets on disk: the encoder's pipeline and the file behind it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use super::packets::{Packet, PacketWriter};
use crate::error::{Error, Result};
use crate::gst::bus;
use crate::gst::encoder::{Encoder, Raw};
use crate::gst::template::Templates;
use crate::sync::Locked;

/// How long the encoder may take for one packet after the last frame went in.
const FLUSH_PATIENCE: Duration = Duration::from_secs(60);

/// How often the end is looked for.
const POLL: gst::ClockTime = gst::ClockTime::from_mseconds(50);

/// A running encoder that writes into a packet file.
pub struct Encode {
    pipeline: gst::Pipeline,
    picture: gst_app::AppSrc,
    pushed: AtomicU64,
    sink: Arc<Sink>,
}

/// The end of the pipeline, on its streaming thread.
struct Sink {
    writer: Mutex<PacketWriter>,
    /// The latest frame that went in: its time and how long it is shown.
    last: Mutex<Option<(gst::ClockTime, Option<gst::ClockTime>)>>,
    written: AtomicU64,
    failure: Mutex<Option<Error>>,
}

impl Encode {
    /// Starts encoding pictures of `caps` (BGRx) in `colours`, those of the source.
    ///
    /// # Errors
    /// A broken template, or an encoder that refuses the picture's size.
    pub fn start(
        caps: &gst::Caps,
        colours: Option<gst_video::VideoColorimetry>,
        encoder: &Encoder,
        templates: &Templates,
        writer: PacketWriter,
    ) -> Result<Self> {
        let template = templates.load("output/file", &[("encoder", &encoder.launch)])?;
        let bin = template.build(&[("picture", "appsrc"), ("colours", "capsfilter"), ("packets", "appsink")])?;
        let pipeline = gst::Pipeline::new();
        pipeline.add(&bin).map_err(|error| Error::usage(format!("{}: {error}", template.origin())))?;
        let named = |name: &str| bin.by_name(name).unwrap_or_else(|| unreachable!("checked by build"));
        named("colours").set_property("caps", encoded_caps(caps, encoder, colours)?);
        let picture = named("picture").downcast::<gst_app::AppSrc>().unwrap_or_else(|_| unreachable!("an appsrc"));
        let packets = named("packets").downcast::<gst_app::AppSink>().unwrap_or_else(|_| unreachable!("an appsink"));
        picture.set_caps(Some(caps));

        let (last, written, failure) = (Mutex::default(), AtomicU64::new(0), Mutex::default());
        let sink = Arc::new(Sink { writer: Mutex::new(writer), last, written, failure });
        let receiving = Arc::clone(&sink);
        let callbacks = gst_app::AppSinkCallbacks::builder().new_sample(move |appsink| {
            let sample = appsink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            receiving.take(&sample).map_err(|error| {
                receiving.failure.locked().get_or_insert(error);
                gst::FlowError::Error
            })?;
            Ok(gst::FlowSuccess::Ok)
        });
        packets.set_callbacks(callbacks.build());
        let this = Self { pipeline, picture, pushed: AtomicU64::new(0), sink };
        match this.pipeline.set_state(gst::State::Playing) {
            Ok(_) => Ok(this),
            Err(_) => Err(this.failure().unwrap_or_else(|| Error::output(format!("{encoder} does not start")))),
        }
    }

    /// Encodes one frame; waits while the encoder is busy. Times that do not rise are moved just behind the last.
    pub fn push(&self, mut buffer: gst::Buffer, pts: gst::ClockTime, duration: Option<gst::ClockTime>) -> Result<()> {
        let pts = {
            let mut last = self.sink.last.locked();
            let pts = last.map_or(pts, |(last, _)| pts.max(last + gst::ClockTime::from_useconds(1)));
            *last = Some((pts, duration));
            pts
        };
        let times = buffer.make_mut();
        times.set_pts(pts);
        times.set_duration(duration);
        let pushed = self.picture.push_buffer(buffer);
        pushed.map_err(|error| Error::output(format!("the encoder takes no more frames: {error}")))?;
        self.pushed.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Frames the encoder has taken.
    pub fn pushed(&self) -> u64 {
        self.pushed.load(Ordering::Relaxed)
    }

    /// The time of the latest frame.
    pub fn position(&self) -> gst::ClockTime {
        self.sink.last.locked().map(|(pts, _)| pts).unwrap_or_default()
    }

    /// Packets on disk.
    pub fn written(&self) -> u64 {
        self.sink.written.load(Ordering::Relaxed)
    }

    /// Why encoding or writing stopped, if it did.
    pub fn failure(&self) -> Option<Error> {
        if let Some(error) = self.sink.failure.locked().clone() {
            return Some(error);
        }
        let end = bus::wait_for_end(&self.pipeline.bus()?, gst::ClockTime::ZERO)?;
        let reason = end.err()?;
        // A failure of the file shows up as an error of the stream too; the file's own words are better.
        Some(self.sink.failure.locked().clone().unwrap_or_else(|| Error::output(format!("encoding: {reason}"))))
    }

    /// Stops at once; a frame that waits in [`Self::push`] comes back with an error.
    pub fn abort(&self) {
        crate::gst::stop(&self.pipeline);
    }

    /// Lets the encoder finish what it holds, and the file with it.
    ///
    /// # Errors
    /// The encoder or the disk fails, or the encoder swallowed a frame.
    pub fn finish(self) -> Result<()> {
        let _ = self.picture.end_of_stream();
        let bus = self.pipeline.bus();
        let (mut written, mut since) = (self.written(), Instant::now());
        let end = loop {
            if let Some(end) = bus.as_ref().and_then(|bus| bus::wait_for_end(bus, POLL)) {
                break end;
            }
            if self.written() != written {
                (written, since) = (self.written(), Instant::now());
            } else if since.elapsed() > FLUSH_PATIENCE {
                break Err(format!("the encoder did not finish within {} s", FLUSH_PATIENCE.as_secs()));
            }
        };
        self.abort();
        if let Some(error) = self.sink.failure.locked().take() {
            return Err(error);
        }
        end.map_err(|reason| Error::output(format!("encoding: {reason}")))?;
        self.sink.writer.locked().flush()?;
        let (pushed, written) = (self.pushed(), self.written());
        if pushed != written {
            return Err(Error::output(format!(
                "the encoder made {written} pictures of {pushed} frames; try another --codec"
            )));
        }
        Ok(())
    }
}

impl Drop for Encode {
    fn drop(&mut self) {
        self.abort();
        // What reached the disk is good for --resume even after a failure.
        let _ = self.sink.writer.locked().flush();
    }
}

impl Sink {
    fn take(&self, sample: &gst::Sample) -> Result<()> {
        let broken = |what: &str| Error::output(format!("the encoder sent a packet without {what}"));
        let buffer = sample.buffer().ok_or_else(|| broken("data"))?;
        let caps = sample.caps().ok_or_else(|| broken("a format"))?;
        let segment = sample.segment().and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
        let running = |time: Option<gst::ClockTime>| segment?.to_running_time(time?);
        let data = buffer.map_readable().map_err(Error::output)?;
        let pts = running(buffer.pts()).ok_or_else(|| broken("a time"))?;
        // Parsers know no duration where the frame rate varies. It counts for the last frame, which none follows.
        let last = self.last.locked().filter(|(last, _)| *last == pts);
        let packet = Packet {
            size: data.len() as u32,
            key_frame: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            pts,
            dts: running(buffer.dts()),
            duration: last.and_then(|(_, duration)| duration).or_else(|| buffer.duration()),
        };
        self.writer.locked().write(caps, &packet, &data)?;
        self.written.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// What the encoder is given: YUV in the source's colours, or RGB.
fn encoded_caps(
    caps: &gst::Caps,
    encoder: &Encoder,
    colours: Option<gst_video::VideoColorimetry>,
) -> Result<gst::Caps> {
    let info = gst_video::VideoInfo::from_caps(caps).map_err(Error::input)?;
    let is_even = info.width().is_multiple_of(2) && info.height().is_multiple_of(2);
    let mut encoded = gst::Caps::builder("video/x-raw").field("format", encoder.raw.format(is_even));
    // Without (GIF, screen recordings) GStreamer chooses by the size.
    if let Some(colours) = colours.filter(|_| encoder.raw != Raw::Rgb) {
        encoded = encoded.field("colorimetry", colours.to_string());
    }
    Ok(encoded.build())
}
