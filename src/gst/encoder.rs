//! Video encoders: the best one that is installed and really opens, with the settings Impasto uses.

use gstreamer as gst;
use gstreamer::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A video codec for files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum Codec {
    #[default]
    H264,
    H265,
    Vp9,
    Av1,
}

/// An encoder that opened on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoder {
    pub codec: Codec,
    /// The GStreamer element: "x264enc".
    pub element: &'static str,
    pub hardware: bool,
    /// The launch text: encoder with settings, and the parser a muxer needs behind it.
    pub launch: String,
}

/// One encoder and its settings; `{crf}` is the constant quality, 0 (best) to 51.
struct Candidate {
    element: &'static str,
    hardware: bool,
    settings: &'static str,
}

const fn hardware(element: &'static str, settings: &'static str) -> Candidate {
    Candidate { element, hardware: true, settings }
}

const fn software(element: &'static str, settings: &'static str) -> Candidate {
    Candidate { element, hardware: false, settings }
}

// B-frames are off: with them, mp4mux writes an edit list that hides the last frame of a stream with a
// variable frame rate.
const H264: &[Candidate] = &[
    hardware("nvh264enc", "rc-mode=constqp qp-const={crf} bframes=0"),
    hardware("vah264enc", "rate-control=cqp qpi={crf} qpp={crf} b-frames=0"),
    hardware("vtenc_h264", "allow-frame-reordering=false"),
    hardware("v4l2h264enc", ""),
    software("x264enc", "pass=qual quantizer={crf} speed-preset=veryfast bframes=0 key-int-max=250"),
    software("openh264enc", "rate-control=quality complexity=medium"),
];
const H265: &[Candidate] = &[
    hardware("nvh265enc", "rc-mode=constqp qp-const={crf} bframes=0"),
    hardware("vah265enc", "rate-control=cqp qpi={crf} qpp={crf} b-frames=0"),
    hardware("vtenc_h265", "allow-frame-reordering=false"),
    software("x265enc", "speed-preset=veryfast option-string=\"crf={crf}:bframes=0:log-level=none\" key-int-max=250"),
];
const VP9: &[Candidate] = &[
    hardware("vavp9enc", ""),
    software(
        "vp9enc",
        "end-usage=cq cq-level={crf} target-bitrate=0 deadline=1 cpu-used=5 row-mt=true threads=4 keyframe-max-dist=250",
    ),
];
const AV1: &[Candidate] = &[
    hardware("nvav1enc", ""),
    hardware("vaav1enc", ""),
    software("svtav1enc", "preset=8 crf={crf}"),
    software(
        "av1enc",
        "end-usage=q cq-level={crf} cpu-used=8 usage-profile=realtime row-mt=true threads=4 keyframe-max-dist=250",
    ),
];

impl Codec {
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "H.264",
            Self::H265 => "H.265",
            Self::Vp9 => "VP9",
            Self::Av1 => "AV1",
        }
    }

    fn candidates(self) -> &'static [Candidate] {
        match self {
            Self::H264 => H264,
            Self::H265 => H265,
            Self::Vp9 => VP9,
            Self::Av1 => AV1,
        }
    }

    /// Makes the encoder's output fit for muxers: whole frames, parameter sets in the caps.
    fn parser(self) -> &'static str {
        match self {
            Self::H264 => "h264parse ! video/x-h264,stream-format=avc,alignment=au",
            Self::H265 => "h265parse ! video/x-h265,stream-format=hvc1,alignment=au",
            Self::Vp9 => "vp9parse ! video/x-vp9,alignment=super-frame",
            Self::Av1 => "av1parse ! video/x-av1,stream-format=obu-stream,alignment=tu",
        }
    }
}

impl Encoder {
    /// The first encoder of `codec` that is installed and opens, hardware first.
    ///
    /// `crf` is the constant quality, 0 (lossless or best) to 51 (worst), as in x264.
    ///
    /// # Errors
    /// None is installed.
    pub fn choose(codec: Codec, crf: u8) -> Result<Self> {
        let candidates = codec.candidates();
        let found = candidates.iter().find(|candidate| opens(candidate)).ok_or_else(|| {
            let names: Vec<_> = candidates.iter().map(|candidate| candidate.element).collect();
            Error::output(format!(
                "no {} encoder is installed (looked for {}); install one of these GStreamer elements or choose \
                 another --codec",
                codec.name(),
                names.join(", ")
            ))
        })?;
        let settings = found.settings.replace("{crf}", &crf.to_string());
        let launch = format!("{} name=encoder {settings} ! {}", found.element, codec.parser());
        Ok(Self { codec, element: found.element, hardware: found.hardware, launch })
    }
}

impl std::fmt::Display for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.hardware { "hardware" } else { "software" };
        write!(f, "{} with {} ({kind})", self.codec.name(), self.element)
    }
}

/// A hardware encoder may be installed without its hardware: only opening it tells.
fn opens(candidate: &Candidate) -> bool {
    let Ok(element) = gst::ElementFactory::make(candidate.element).build() else {
        return false;
    };
    if !candidate.hardware {
        return true;
    }
    let opened = element.set_state(gst::State::Ready).is_ok();
    let _ = element.set_state(gst::State::Null);
    opened
}
