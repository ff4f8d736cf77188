//! One who watches over WebRTC: the pipeline that packs, protects and sends what the shared encoder gives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_sdp as gst_sdp;
use gstreamer_video as gst_video;
use gstreamer_webrtc as gst_webrtc;

use super::encoder::KeyFrames;
use super::ice::IceServers;
use super::offer::{Codec, Offer};
use crate::error::{Error, Result};
use crate::gst::{bus, make, shared_clock};
use crate::output::is_full;

/// Packets that wait for one who is slow: half a second of pictures, and of sound.
const MOST_PICTURES: u64 = 15;
const MOST_SOUNDS: u64 = 25;

/// How long webrtcbin may take for one step of the answer: for the first viewer it makes a key and a certificate, which takes
/// a busy machine seconds.
const STEP_PATIENCE: Duration = Duration::from_secs(20);

/// How long candidates may take to be gathered: those of this machine are there at once, servers may not answer.
const GATHER_PATIENCE: Duration = Duration::from_secs(3);

/// How long those who have an answer may take to connect.
const CONNECT_PATIENCE: Duration = Duration::from_secs(20);

/// What becomes of a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    Connected,
    Gone,
}

/// Its pipeline runs until it is dropped.
pub(super) struct Viewer {
    /// Nobody can guess it: whoever knows it may end it.
    pub(super) id: String,
    pipeline: gst::Pipeline,
    picture: gst_app::AppSrc,
    sound: Option<gst_app::AppSrc>,
    key_frames: Arc<KeyFrames>,
    /// It can be sent something.
    is_connected: AtomicBool,
    /// What comes now cannot be shown without a picture that was left out.
    waits_for_key_frame: AtomicBool,
    begun: Instant,
}

impl Viewer {
    /// Answers an offer; what comes of it is told to `tell`, from threads of the viewer's own.
    ///
    /// # Errors
    /// An element that is not installed; webrtcbin finds no answer.
    pub(super) fn answer(
        id: String,
        offer: &Offer,
        ice: &IceServers,
        key_frames: &Arc<KeyFrames>,
        tell: impl Fn(News) + Send + Sync + Clone + 'static,
    ) -> Result<(Self, String)> {
        let pipeline = gst::Pipeline::new();
        // Packets carry times of the shared clock.
        pipeline.use_clock(Some(&shared_clock()));
        pipeline.set_start_time(gst::ClockTime::NONE);
        pipeline.set_base_time(gst::ClockTime::ZERO);
        let webrtc = make("webrtcbin")?;
        webrtc.set_property("bundle-policy", gst_webrtc::WebRTCBundlePolicy::MaxBundle);
        ice.set_on(&webrtc);
        pipeline.add(&webrtc).map_err(|_| cannot("be built"))?;
        let picture = track(&pipeline, &webrtc, offer, Codec::H264)?;
        let picture = picture.ok_or_else(|| cannot("send video"))?;
        let sound = track(&pipeline, &webrtc, offer, Codec::Opus)?;
        let (id, key_frames, begun) = (id, Arc::clone(key_frames), Instant::now());
        let this = Self {
            id,
            pipeline,
            picture,
            sound,
            key_frames,
            is_connected: AtomicBool::default(),
            waits_for_key_frame: AtomicBool::new(true),
            begun,
        };
        this.watch_key_frame_requests();
        webrtc.connect_notify(Some("connection-state"), move |webrtc, _| {
            use gst_webrtc::WebRTCPeerConnectionState as State;
            match webrtc.property::<State>("connection-state") {
                State::Connected => tell(News::Connected),
                State::Disconnected | State::Failed | State::Closed => tell(News::Gone),
                _ => {}
            }
        });
        this.pipeline.set_state(gst::State::Playing).map_err(|_| cannot("start"))?;
        let answer = negotiate(&webrtc, offer)?;
        Ok((this, answer))
    }

    /// From now on it is sent what comes, from the next whole picture on.
    pub(super) fn connected(&self) {
        self.is_connected.store(true, Ordering::Release);
        self.key_frames.want();
    }

    pub(super) fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Acquire)
    }

    /// It has not come in time, or its pipeline has failed.
    pub(super) fn is_lost(&self) -> bool {
        let has_failed =
            || self.pipeline.bus().is_some_and(|bus| bus::wait_for_end(&bus, gst::ClockTime::ZERO).is_some());
        (!self.is_connected() && self.begun.elapsed() > CONNECT_PATIENCE) || has_failed()
    }

    /// Sends an encoded picture; what one who is slow cannot take is left out, up to the next whole picture, and counted.
    pub(super) fn picture(&self, packet: &gst::Buffer, dropped: &AtomicU64) {
        if !self.is_connected() {
            return;
        }
        let is_key_frame = !packet.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let waits = self.waits_for_key_frame.load(Ordering::Relaxed) && !is_key_frame;
        if waits || is_full(&self.picture) {
            dropped.fetch_add(u64::from(!waits), Ordering::Relaxed);
            self.waits_for_key_frame.store(true, Ordering::Relaxed);
            self.key_frames.want();
            return;
        }
        self.waits_for_key_frame.store(false, Ordering::Relaxed);
        let _ = self.picture.push_buffer(packet.clone());
    }

    pub(super) fn sound(&self, packet: &gst::Buffer) {
        if let Some(sound) = self.sound.as_ref().filter(|sound| self.is_connected() && !is_full(sound)) {
            let _ = sound.push_buffer(packet.clone());
        }
    }

    /// A browser that lost too much asks for a whole picture.
    fn watch_key_frame_requests(&self) {
        let (Some(pad), key_frames) = (self.picture.static_pad("src"), Arc::clone(&self.key_frames)) else { return };
        pad.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
            if let Some(gst::PadProbeData::Event(event)) = &info.data
                && gst_video::UpstreamForceKeyUnitEvent::parse(event).is_ok()
            {
                key_frames.want();
            }
            gst::PadProbeReturn::Ok
        });
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        crate::gst::stop(&self.pipeline);
    }
}

/// A feed and its way into webrtcbin; none for what the offer does not want.
fn track(
    pipeline: &gst::Pipeline,
    webrtc: &gst::Element,
    offer: &Offer,
    codec: Codec,
) -> Result<Option<gst_app::AppSrc>> {
    let Some(payload_type) = offer.payload_type(codec) else { return Ok(None) };
    let (packets, most, payloader, media, name, rate) = match codec {
        Codec::H264 => {
            let packets =
                gst::Caps::builder("video/x-h264").field("stream-format", "byte-stream").field("alignment", "au");
            (packets.build(), MOST_PICTURES, make("rtph264pay")?, "video", "H264", 90_000)
        }
        Codec::Opus => {
            let packets = gst::Caps::builder("audio/x-opus").field("channel-mapping-family", 0).field("channels", 2);
            (packets.field("rate", 48_000).build(), MOST_SOUNDS, make("rtpopuspay")?, "audio", "OPUS", 48_000)
        }
    };
    let feed = gst_app::AppSrc::builder().caps(&packets).format(gst::Format::Time).is_live(true).build();
    feed.set_max_buffers(most);
    feed.set_max_bytes(0);
    payloader.set_property("pt", u32::from(payload_type));
    payloader.set_property("mtu", 1200_u32);
    // Told in the answer, so that packets that are sent again are known to belong to it.
    let ssrc = fastrand::u32(1..);
    payloader.set_property("ssrc", ssrc);
    if codec == Codec::H264 {
        payloader.set_property_from_str("aggregate-mode", "zero-latency");
    }
    let caps = gst::Caps::builder("application/x-rtp").field("media", media).field("encoding-name", name);
    let caps = caps.field("payload", i32::from(payload_type)).field("clock-rate", rate).field("ssrc", ssrc).build();
    let linked = pipeline.add_many([feed.upcast_ref(), &payloader]).is_ok() && feed.link(&payloader).is_ok();
    let template = webrtc.pad_template("sink_%u");
    let pad = template.and_then(|template| webrtc.request_pad(&template, None, Some(&caps)));
    let (Some(pad), true) = (pad, linked) else { return Err(cannot("be built")) };
    let transceiver = pad.property::<gst_webrtc::WebRTCRTPTransceiver>("transceiver");
    transceiver.set_property("direction", gst_webrtc::WebRTCRTPTransceiverDirection::Sendonly);
    transceiver.set_property("codec-preferences", &caps);
    // Lost pictures are sent again; lost sound is made up from the next packet.
    transceiver.set_property("do-nack", codec == Codec::H264);
    let end = payloader.static_pad("src").ok_or_else(|| cannot("be built"))?;
    end.link(&pad).map_err(|_| cannot("be built"))?;
    Ok(Some(feed))
}

/// Takes the offer, and makes an answer with all the addresses of this side.
fn negotiate(webrtc: &gst::Element, offer: &Offer) -> Result<String> {
    let gathered = gathering(webrtc);
    let sdp = gst_sdp::SDPMessage::parse_buffer(offer.to_sdp().as_bytes()).map_err(|_| cannot("read the offer"))?;
    let description = gst_webrtc::WebRTCSessionDescription::new(gst_webrtc::WebRTCSDPType::Offer, sdp);
    step(|promise| webrtc.emit_by_name::<()>("set-remote-description", &[&description, &promise]))?;
    let none = None::<gst::Structure>;
    let answer = step(|promise| webrtc.emit_by_name::<()>("create-answer", &[&none, &promise]))?;
    let answer = answer.and_then(|reply| reply.get::<gst_webrtc::WebRTCSessionDescription>("answer").ok());
    let answer = answer.ok_or_else(|| cannot("find an answer"))?;
    step(|promise| webrtc.emit_by_name::<()>("set-local-description", &[&answer, &promise]))?;
    // What has come by then will do.
    let _ = gathered.recv_timeout(GATHER_PATIENCE);
    let answer = webrtc.property::<Option<gst_webrtc::WebRTCSessionDescription>>("local-description");
    let answer = answer.and_then(|answer| answer.sdp().as_text().ok()).ok_or_else(|| cannot("find an answer"))?;
    Ok(offer.complete(&answer))
}

/// Is told when all addresses are known.
fn gathering(webrtc: &gst::Element) -> Receiver<()> {
    let (sender, receiver) = channel();
    webrtc.connect_notify(Some("ice-gathering-state"), move |webrtc, _| {
        let state = webrtc.property::<gst_webrtc::WebRTCICEGatheringState>("ice-gathering-state");
        if state == gst_webrtc::WebRTCICEGatheringState::Complete {
            let _ = sender.send(());
        }
    });
    receiver
}

/// Waits for what webrtcbin is asked with a promise.
fn step(ask: impl FnOnce(gst::Promise)) -> Result<Option<gst::Structure>> {
    let (sender, receiver) = channel();
    ask(gst::Promise::with_change_func(move |reply| {
        let reply = match reply {
            Ok(reply) => Ok(reply.map(|reply| reply.to_owned())),
            Err(error) => Err(format!("{error:?}")),
        };
        let _ = sender.send(reply);
    }));
    let reply = receiver.recv_timeout(STEP_PATIENCE).map_err(|_| cannot("answer in time"))?;
    let reply = reply.map_err(|what| cannot(&format!("answer: {what}")))?;
    match reply.as_ref().and_then(|reply| reply.get::<glib::Error>("error").ok()) {
        Some(error) => Err(cannot(&format!("answer: {}", error.message()))),
        None => Ok(reply),
    }
}

fn cannot(what: &str) -> Error {
    Error::output(format!("the WebRTC connection cannot {what}"))
}
