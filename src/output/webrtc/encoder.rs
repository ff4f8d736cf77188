//! The one encoder of all who watch a stream over WebRTC: it runs only while somebody does.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use crate::error::{Error, Result};
use crate::gst::template::Template;
use crate::gst::{bus, shared_clock};
use crate::output::{is_full, retimed, retimed_sound, sound_caps, time_in};
use crate::sync::Locked;

/// Whole pictures are many times larger than others: whoever asks more often waits so long, together with all others.
const KEY_FRAME_PAUSE: Duration = Duration::from_millis(400);

/// The wish for a picture that can be shown without those before it.
#[derive(Default)]
pub(super) struct KeyFrames {
    is_wanted: AtomicBool,
    last: Mutex<Option<Instant>>,
}

impl KeyFrames {
    pub(super) fn want(&self) {
        self.is_wanted.store(true, Ordering::Relaxed);
    }

    /// Whether one has to be made now; asked before each picture.
    fn is_due(&self, now: Instant) -> bool {
        if !self.is_wanted.load(Ordering::Relaxed) {
            return false;
        }
        let mut last = self.last.locked();
        let is_due = last.is_none_or(|last| now.duration_since(last) >= KEY_FRAME_PAUSE);
        if is_due {
            self.is_wanted.store(false, Ordering::Relaxed);
            *last = Some(now);
        }
        is_due
    }
}

/// Where encoded packets go; their times are those of the shared clock.
pub(super) trait Audience: Send + Sync {
    fn picture(&self, packet: &gst::Buffer);
    fn sound(&self, packet: &gst::Buffer);
}

/// Runs until it is dropped.
pub(super) struct Encoder {
    pipeline: gst::Pipeline,
    picture: gst_app::AppSrc,
    sound: gst_app::AppSrc,
    packets: gst_app::AppSink,
    key_frames: Arc<KeyFrames>,
}

impl Encoder {
    /// Checks that both templates can be built.
    ///
    /// # Errors
    /// The template is broken, or an element not installed.
    pub(super) fn check([picture, sound]: &[Template; 2]) -> Result<()> {
        picture.build(&[("picture", "appsrc"), ("packets", "appsink")])?;
        sound.build(&[("sound", "appsrc"), ("packets", "appsink")])?;
        Ok(())
    }

    /// Encodes pictures of these caps, and sound where some comes, for `audience`.
    ///
    /// # Errors
    /// It cannot be built or started.
    pub(super) fn start(
        [picture, sound]: &[Template; 2],
        caps: &gst::Caps,
        audience: &Arc<impl Audience + 'static>,
        key_frames: &Arc<KeyFrames>,
    ) -> Result<Self> {
        let pictures = picture.build(&[("picture", "appsrc"), ("packets", "appsink")])?;
        let sounds = sound.build(&[("sound", "appsrc"), ("packets", "appsink")])?;
        let (picture, packets) = ends(&pictures, "picture");
        let (sound, sound_packets) = ends(&sounds, "sound");
        picture.set_caps(Some(caps));
        sound.set_caps(Some(&sound_caps()));
        let to = Arc::clone(audience);
        deliver(&packets, move |packet| to.picture(packet));
        let to = Arc::clone(audience);
        deliver(&sound_packets, move |packet| to.sound(packet));
        let pipeline = gst::Pipeline::new();
        pipeline.use_clock(Some(&shared_clock()));
        pipeline.set_start_time(gst::ClockTime::NONE);
        pipeline.set_base_time(gst::ClockTime::ZERO);
        let failed = || Error::output("WebRTC: the encoder does not start");
        pipeline.add_many([&pictures, &sounds]).map_err(|_| failed())?;
        let this = Self { pipeline, picture, sound, packets, key_frames: Arc::clone(key_frames) };
        this.pipeline.set_state(gst::State::Playing).map_err(|_| failed())?;
        Ok(this)
    }

    /// Returns whether a picture was left out, because the encoder is slower than they come.
    pub(super) fn picture(&self, buffer: &gst::Buffer, time: gst::ClockTime) -> bool {
        let Some(pts) = time_in(&self.picture, time) else { return false };
        if self.key_frames.is_due(Instant::now())
            && let Some(pad) = self.packets.static_pad("sink")
        {
            pad.push_event(gst_video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build());
        }
        let is_missed = is_full(&self.picture);
        let _ = self.picture.push_buffer(retimed(buffer, pts));
        is_missed
    }

    pub(super) fn sound(&self, buffer: &gst::BufferRef, time: gst::ClockTime) {
        if let Some(pts) = time_in(&self.sound, time) {
            let _ = self.sound.push_buffer(retimed_sound(buffer, pts));
        }
    }

    /// Why it has stopped, once.
    pub(super) fn failure(&self) -> Option<String> {
        self.pipeline.bus().and_then(|bus| bus::wait_for_end(&bus, gst::ClockTime::ZERO))?.err()
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        crate::gst::stop(&self.pipeline);
    }
}

/// Where a part of the encoder begins and ends.
fn ends(bin: &gst::Bin, feed: &str) -> (gst_app::AppSrc, gst_app::AppSink) {
    let feed = bin.by_name(feed).and_then(|element| element.downcast().ok());
    let packets = bin.by_name("packets").and_then(|element| element.downcast().ok());
    feed.zip(packets).unwrap_or_else(|| unreachable!("checked by build"))
}

/// Gives each packet on, with its time on the shared clock: encoders count on timelines of their own.
fn deliver(packets: &gst_app::AppSink, to: impl Fn(&gst::Buffer) + Send + 'static) {
    let new_sample = move |packets: &gst_app::AppSink| {
        let sample = packets.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        let time =
            |buffer: &gst::BufferRef| sample.segment()?.downcast_ref::<gst::ClockTime>()?.to_running_time(buffer.pts());
        if let Some(buffer) = sample.buffer_owned()
            && let Some(time) = time(&buffer)
        {
            let mut packet = buffer;
            let known = packet.make_mut();
            known.set_pts(time);
            known.set_dts(gst::ClockTime::NONE);
            to(&packet);
        }
        Ok(gst::FlowSuccess::Ok)
    };
    packets.set_callbacks(gst_app::AppSinkCallbacks::builder().new_sample(new_sample).build());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_ask_often_share_a_whole_picture() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let key_frames = KeyFrames::default();
        assert!(!key_frames.is_due(at(0)));
        key_frames.want();
        assert!(key_frames.is_due(at(10)) && !key_frames.is_due(at(20)));
        key_frames.want();
        key_frames.want();
        assert!(!key_frames.is_due(at(409)), "too soon");
        assert!(key_frames.is_due(at(410)), "but not forgotten");
        assert!(!key_frames.is_due(at(2000)));
    }
}
