//! A player that watches over WebRTC, built from webrtcbin in the test's own process: it keeps what it is sent.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_sdp::SDPMessage;
use gstreamer_webrtc as gst_webrtc;

use super::http::{Answer, Api};
use super::{PATIENCE, until};

pub const WHEP: &str = "/api/v1/streams/live/whep";

/// Its connection is closed without a word when it is dropped.
pub struct Player {
    pipeline: gst::Pipeline,
    webrtc: gst::Element,
    seen: Arc<Mutex<Seen>>,
    lost: Arc<AtomicU32>,
}

/// What has come.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    /// A number for the bytes of each encoded picture.
    pub encoded: Vec<u64>,
    /// How bright each picture is.
    pub levels: Vec<u8>,
    /// The loudest sample of each piece of sound.
    pub peaks: Vec<u16>,
}

impl Player {
    /// Gets ready to offer.
    pub fn new() -> Self {
        gst::init().expect("GStreamer");
        let pipeline = gst::Pipeline::new();
        let webrtc = gst::ElementFactory::make("webrtcbin").property_from_str("bundle-policy", "max-bundle");
        let webrtc = webrtc.build().expect("webrtcbin is installed");
        pipeline.add(&webrtc).expect("a new pipeline");
        for caps in [
            "application/x-rtp,media=video,encoding-name=H264,payload=96,clock-rate=90000,\
             packetization-mode=(string)1,profile-level-id=(string)42e01f",
            "application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000,encoding-params=(string)2",
        ] {
            let (direction, caps) = (gst_webrtc::WebRTCRTPTransceiverDirection::Recvonly, caps.parse::<gst::Caps>());
            let added: gst_webrtc::WebRTCRTPTransceiver =
                webrtc.emit_by_name("add-transceiver", &[&direction, &caps.expect("caps")]);
            added.set_property("do-nack", true);
        }
        let seen = Arc::<Mutex<Seen>>::default();
        let (into, kept) = (pipeline.downgrade(), Arc::clone(&seen));
        webrtc.connect_pad_added(move |_, pad| {
            if let Some(pipeline) = into.upgrade().filter(|_| pad.direction() == gst::PadDirection::Src) {
                keep(&pipeline, pad, &kept);
            }
        });
        pipeline.set_state(gst::State::Playing).expect("it starts");
        Self { pipeline, webrtc, seen, lost: Arc::default() }
    }

    /// Loses one in `every` packets of media that come, from now on.
    pub fn losing(self, every: u32) -> Self {
        let lost = Arc::clone(&self.lost);
        self.pipeline.connect_deep_element_added(move |_, _, element| {
            if element.factory().is_some_and(|factory| factory.name() == "nicesrc") {
                let (pad, count) = (element.static_pad("src").expect("a source"), AtomicU32::default());
                let lost = Arc::clone(&lost);
                pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| match &info.data {
                    Some(gst::PadProbeData::Buffer(buffer)) if is_media(buffer) => {
                        if (count.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(every) {
                            lost.fetch_add(1, Ordering::Relaxed);
                            return gst::PadProbeReturn::Drop;
                        }
                        gst::PadProbeReturn::Ok
                    }
                    _ => gst::PadProbeReturn::Ok,
                });
            }
        });
        self
    }

    /// Its offer, with all its addresses.
    pub fn offer(&self) -> String {
        let (gathered, is_gathered) = channel();
        self.webrtc.connect_notify(Some("ice-gathering-state"), move |webrtc, _| {
            let state = webrtc.property::<gst_webrtc::WebRTCICEGatheringState>("ice-gathering-state");
            if state == gst_webrtc::WebRTCICEGatheringState::Complete {
                let _ = gathered.send(());
            }
        });
        let offer = self.step(|promise| {
            self.webrtc.emit_by_name::<()>("create-offer", &[&None::<gst::Structure>, &promise]);
        });
        let offer = offer.and_then(|reply| reply.get::<gst_webrtc::WebRTCSessionDescription>("offer").ok());
        let offer = offer.expect("an offer");
        self.step(|promise| self.webrtc.emit_by_name::<()>("set-local-description", &[&offer, &promise]));
        is_gathered.recv_timeout(PATIENCE).expect("addresses");
        let offer = self.webrtc.property::<gst_webrtc::WebRTCSessionDescription>("local-description");
        offer.sdp().as_text().expect("text")
    }

    /// Watches the stream `live`; returns where its place is left.
    pub fn watch(&self, api: &Api) -> String {
        let admitted = post(api, &self.offer());
        assert_eq!(admitted.status, 201, "{}", admitted.text());
        self.take(&admitted);
        admitted.header("location").expect("a place").to_string()
    }

    /// Takes the answer to its offer.
    pub fn take(&self, admitted: &Answer) {
        assert_eq!(admitted.header("content-type"), Some("application/sdp"));
        let sdp = SDPMessage::parse_buffer(&admitted.body).expect("an SDP answer");
        let answer = gst_webrtc::WebRTCSessionDescription::new(gst_webrtc::WebRTCSDPType::Answer, sdp);
        self.step(|promise| self.webrtc.emit_by_name::<()>("set-remote-description", &[&answer, &promise]));
    }

    /// How many packets have been lost.
    pub fn lost(&self) -> u32 {
        self.lost.load(Ordering::Relaxed)
    }

    pub fn seen(&self) -> Seen {
        self.seen.lock().expect("plain values").clone()
    }

    /// Waits until `count` more pictures have come.
    pub fn wait_for_pictures(&self, what: &str, count: usize) {
        let before = self.seen().levels.len();
        until(what, || self.seen().levels.len() >= before + count);
    }

    fn step(&self, ask: impl FnOnce(gst::Promise)) -> Option<gst::Structure> {
        let (sender, receiver) = channel();
        ask(gst::Promise::with_change_func(move |reply| {
            let _ = sender.send(reply.expect("a reply").map(|reply| reply.to_owned()));
        }));
        receiver.recv_timeout(PATIENCE).expect("webrtcbin answers")
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

pub fn post(api: &Api, offer: &str) -> Answer {
    api.ask("POST", WHEP, &[("Content-Type", "application/sdp")], offer.as_bytes())
}

/// RTP, and neither RTCP nor what belongs to the connection.
fn is_media(buffer: &gst::Buffer) -> bool {
    let head = buffer.map_readable().ok().and_then(|bytes| Some([*bytes.first()?, *bytes.get(1)?]));
    head.is_some_and(|[first, second]| (128..192).contains(&first) && !(192..224).contains(&second))
}

/// Decodes what comes out of a pad, and keeps it.
fn keep(pipeline: &gst::Pipeline, pad: &gst::Pad, seen: &Arc<Mutex<Seen>>) {
    let caps = pad.current_caps().expect("caps");
    let is_video = caps.structure(0).and_then(|caps| caps.get::<String>("media").ok()).as_deref() == Some("video");
    let text = match is_video {
        true => {
            "rtph264depay ! video/x-h264,stream-format=byte-stream,alignment=au ! identity name=encoded ! avdec_h264 \
             ! videoconvert ! video/x-raw,format=GRAY8 ! appsink name=raw sync=false"
        }
        false => "rtpopusdepay ! opusdec ! audioconvert ! audio/x-raw,format=S16LE ! appsink name=raw sync=false",
    };
    let bin = gst::parse::bin_from_description(text, true).expect("elements");
    if let Some(encoded) = bin.by_name("encoded").and_then(|element| element.static_pad("src")) {
        let seen = Arc::clone(seen);
        encoded.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(gst::PadProbeData::Buffer(buffer)) = &info.data {
                let mut hasher = DefaultHasher::new();
                buffer.map_readable().expect("bytes").as_slice().hash(&mut hasher);
                seen.lock().expect("plain values").encoded.push(hasher.finish());
            }
            gst::PadProbeReturn::Ok
        });
    }
    let raw = bin.by_name("raw").and_then(|raw| raw.downcast::<gst_app::AppSink>().ok()).expect("a sink");
    let seen = Arc::clone(seen);
    let new_sample = move |raw: &gst_app::AppSink| {
        let sample = raw.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        let bytes = sample.buffer().and_then(|buffer| buffer.map_readable().ok()).expect("bytes");
        let mut seen = seen.lock().expect("plain values");
        if is_video {
            let sum: u64 = bytes.iter().map(|&byte| u64::from(byte)).sum();
            seen.levels.push((sum / bytes.len() as u64) as u8);
        } else {
            let samples = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]).unsigned_abs());
            seen.peaks.push(samples.max().unwrap_or(0));
        }
        Ok(gst::FlowSuccess::Ok)
    };
    raw.set_callbacks(gst_app::AppSinkCallbacks::builder().new_sample(new_sample).build());
    pipeline.add(&bin).expect("a new bin");
    bin.sync_state_with_parent().expect("it starts");
    pad.link(&bin.static_pad("sink").expect("an open end")).expect("it fits");
}
