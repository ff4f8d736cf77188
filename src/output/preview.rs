//! A small JPEG preview for browsers: encoded only while somebody looks, on a thread of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use serde::Deserialize;
use tokio::sync::watch;

use super::{Output, Place, StreamFormat, Usage, retimed, square_size};
use crate::error::{Error, Result};
use crate::gst::template::{Template, Templates};
use crate::sync::Locked;

/// The widest preview; wider pictures are scaled down.
const WIDEST: u32 = 640;

/// The least time between two pictures: 15 a second, with a little room for sources that are not quite regular.
const LEAST_STEP: gst::ClockTime = gst::ClockTime::from_mseconds(60);

/// What a preview shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PreviewOf {
    #[default]
    Painted,
    /// The picture as it came, before it is painted.
    Source,
}

/// The previews of one stream.
pub struct Preview {
    painted: Arc<Channel>,
    source: Arc<Channel>,
}

/// One of the two previews.
struct Channel {
    template: Template,
    caps: gst::Caps,
    viewers: AtomicUsize,
    encoder: Mutex<Option<JpegEncoder>>,
    /// The latest picture: those who look late or slowly miss what was before it.
    latest: watch::Sender<Arc<[u8]>>,
}

/// Runs while somebody looks.
struct JpegEncoder {
    pipeline: gst::Pipeline,
    feed: gst_app::AppSrc,
    last: Option<gst::ClockTime>,
}

/// Somebody who looks; dropped when they go.
pub struct Viewer {
    channel: Arc<Channel>,
    latest: watch::Receiver<Arc<[u8]>>,
}

impl Preview {
    /// Gets ready; nothing runs until somebody looks.
    ///
    /// # Errors
    /// The template is broken.
    pub fn new(format: &StreamFormat, templates: &Templates) -> Result<Self> {
        let (width, height) = square_size(&format.caps, WIDEST)?;
        let values = [("width", width.to_string()), ("height", height.to_string())];
        let template =
            templates.load("output/preview", &values.each_ref().map(|(name, value)| (*name, value.as_str())))?;
        template.build(&[("picture", "appsrc"), ("jpeg", "appsink")])?;
        let channel = || {
            Arc::new(Channel {
                template: template.clone(),
                caps: format.caps.clone(),
                viewers: AtomicUsize::new(0),
                encoder: Mutex::default(),
                latest: watch::Sender::new(Arc::default()),
            })
        };
        Ok(Self { painted: channel(), source: channel() })
    }

    /// Looks at it from the next picture on.
    pub fn view(&self, of: PreviewOf) -> Viewer {
        let channel = match of {
            PreviewOf::Painted => &self.painted,
            PreviewOf::Source => &self.source,
        };
        channel.enter();
        let mut latest = channel.latest.subscribe();
        // The picture that was seen last may be of yesterday.
        latest.mark_unchanged();
        Viewer { channel: Arc::clone(channel), latest }
    }
}

impl Output for Preview {
    fn picture(&self, buffer: &gst::Buffer, time: gst::ClockTime) {
        self.painted.push(buffer, time);
    }

    fn source_picture(&self, buffer: &gst::Buffer, time: gst::ClockTime) {
        self.source.push(buffer, time);
    }

    fn wants_source_pictures(&self) -> bool {
        self.source.viewers.load(Ordering::Relaxed) > 0
    }

    fn sound(&self, _: &gst::BufferRef, _: gst::ClockTime) {}

    fn place(&self) -> Place {
        Place { kind: "preview", name: String::new() }
    }

    fn clients(&self) -> usize {
        [&self.painted, &self.source].map(|channel| channel.viewers.load(Ordering::Relaxed)).iter().sum()
    }

    fn usage(&self) -> Usage {
        if self.clients() > 0 { Usage::Watched } else { Usage::Absent }
    }

    /// Leaving pictures out is what a preview does.
    fn dropped(&self) -> u64 {
        0
    }

    fn take_failure(&self) -> Option<Error> {
        None
    }

    fn finish(&self) -> Result<()> {
        for channel in [&self.painted, &self.source] {
            *channel.encoder() = None;
        }
        Ok(())
    }
}

impl Channel {
    fn encoder(&self) -> MutexGuard<'_, Option<JpegEncoder>> {
        self.encoder.locked()
    }

    fn enter(&self) {
        let mut encoder = self.encoder();
        self.viewers.fetch_add(1, Ordering::Relaxed);
        if encoder.is_none() {
            match JpegEncoder::start(&self.template, &self.caps, self.latest.clone()) {
                Ok(started) => *encoder = Some(started),
                Err(error) => tracing::error!("no preview: {error}"),
            }
        }
    }

    fn leave(&self) {
        let mut encoder = self.encoder();
        if self.viewers.fetch_sub(1, Ordering::Relaxed) == 1 {
            *encoder = None;
        }
    }

    fn push(&self, buffer: &gst::Buffer, time: gst::ClockTime) {
        if self.viewers.load(Ordering::Relaxed) == 0 {
            return;
        }
        // Whoever holds the lock starts or stops the encoder; the stylise thread does not wait for that.
        let Ok(mut encoder) = self.encoder.try_lock() else { return };
        if let Some(encoder) = encoder.as_mut()
            && encoder.last.is_none_or(|last| time >= last + LEAST_STEP)
        {
            encoder.last = Some(time);
            let _ = encoder.feed.push_buffer(retimed(buffer, time));
        }
    }
}

impl JpegEncoder {
    fn start(template: &Template, caps: &gst::Caps, latest: watch::Sender<Arc<[u8]>>) -> Result<Self> {
        let bin = template.build(&[("picture", "appsrc"), ("jpeg", "appsink")])?;
        let feed = bin.by_name("picture").and_then(|element| element.downcast::<gst_app::AppSrc>().ok());
        let sink = bin.by_name("jpeg").and_then(|element| element.downcast::<gst_app::AppSink>().ok());
        let (Some(feed), Some(sink)) = (feed, sink) else { unreachable!("checked by build") };
        feed.set_caps(Some(caps));
        let new_sample = move |sink: &gst_app::AppSink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            if let Some(jpeg) = sample.buffer().and_then(|buffer| buffer.map_readable().ok()) {
                latest.send_replace(Arc::from(jpeg.as_slice()));
            }
            Ok(gst::FlowSuccess::Ok)
        };
        sink.set_callbacks(gst_app::AppSinkCallbacks::builder().new_sample(new_sample).build());
        let pipeline = gst::Pipeline::new();
        let failed = |_| Error::output("the JPEG encoder does not start");
        pipeline.add(&bin).map_err(|_| Error::output("the JPEG encoder cannot be built"))?;
        let this = Self { pipeline, feed, last: None };
        this.pipeline.set_state(gst::State::Playing).map_err(failed)?;
        Ok(this)
    }
}

impl Drop for JpegEncoder {
    fn drop(&mut self) {
        crate::gst::stop(&self.pipeline);
    }
}

impl Viewer {
    /// Waits for the next JPEG picture; none when the stream is over.
    pub async fn next(&mut self) -> Option<Arc<[u8]>> {
        self.latest.changed().await.ok()?;
        Some(Arc::clone(&self.latest.borrow_and_update()))
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.channel.leave();
    }
}
