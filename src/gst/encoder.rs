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

/// How much time a software encoder spends on making files small, in the words of x264 and x265.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
#[value(rename_all = "lowercase")]
pub enum Preset {
    UltraFast,
    SuperFast,
    #[default]
    VeryFast,
    Faster,
    Fast,
    Medium,
    Slow,
    Slower,
    VerySlow,
}

/// Bits for each value of an encoded picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
pub enum Bits {
    #[default]
    #[value(name = "8")]
    Eight,
    #[value(name = "10")]
    Ten,
}

/// What encoders are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raw {
    /// The colours as they are painted.
    Rgb,
    /// 4:2:0, or 4:4:4 where 4:2:0 cannot halve the size.
    Yuv(Bits),
}

/// An encoder that opened on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoder {
    /// What it writes, for people: "H.264".
    pub codec: &'static str,
    /// The GStreamer element: "x264enc".
    pub element: &'static str,
    pub hardware: bool,
    pub raw: Raw,
    /// The launch text: encoder with settings, and the parser a muxer needs behind it.
    pub launch: String,
}

/// The software encoders begin anew with a whole picture after at most so many.
pub const KEY_FRAME_INTERVAL: u64 = 250;

/// One encoder and its settings. `{crf}` is the constant quality, 0 (best) to 51; `{q}` the same on a scale to 63;
/// `{x26}`, `{vpx}`, `{aom}` and `{svt}` are the preset in the words of these encoders.
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
    // Without a capacity of 0, the VBV buffer holds it to the default bit rate whatever the quality is.
    software("x264enc", "pass=qual quantizer={crf50} vbv-buf-capacity=0 speed-preset={x26} bframes=0 key-int-max=250"),
    // It keeps to the quantizers only where it controls the bit rate, which therefore is one that is never reached.
    software("openh264enc", "rate-control=bitrate bitrate=100000000 qp-min={crf} qp-max={crf} complexity=medium"),
];
const H265: &[Candidate] = &[
    hardware("nvh265enc", "rc-mode=constqp qp-const={crf} bframes=0"),
    hardware("vah265enc", "rate-control=cqp qpi={crf} qpp={crf} b-frames=0"),
    hardware("vtenc_h265", "allow-frame-reordering=false"),
    software("x265enc", "speed-preset={x26} option-string=\"crf={crf}:bframes=0:log-level=none\" key-int-max=250"),
];
const VP9: &[Candidate] = &[
    hardware("vavp9enc", ""),
    software(
        "vp9enc",
        // A bit rate that is never reached: 0 is one that goes by the size. Without lag: the element loses frames of
        // the last ones when they are large.
        "end-usage=cq cq-level={q} min-quantizer={q} max-quantizer={q} target-bitrate=1000000000 lag-in-frames=0 \
         {vpx} row-mt=true threads=4 keyframe-max-dist=250",
    ),
];
const AV1: &[Candidate] = &[
    hardware("nvav1enc", ""),
    hardware("vaav1enc", ""),
    software("svtav1enc", "preset={svt} crf={q}"),
    software(
        "av1enc",
        "end-usage=q min-quantizer={q} max-quantizer={q} {aom} row-mt=true threads=4 \
         keyframe-max-dist=250",
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

impl Preset {
    /// The preset's placeholders in the settings of a [`Candidate`].
    fn words(self) -> [(&'static str, &'static str); 4] {
        let [x26, vpx, aom, svt] = match self {
            Self::UltraFast => ["ultrafast", "deadline=1 cpu-used=8", "cpu-used=10 usage-profile=realtime", "12"],
            Self::SuperFast => ["superfast", "deadline=1 cpu-used=7", "cpu-used=9 usage-profile=realtime", "11"],
            Self::VeryFast => ["veryfast", "deadline=1 cpu-used=5", "cpu-used=8 usage-profile=realtime", "10"],
            Self::Faster => ["faster", "deadline=1000000 cpu-used=4", "cpu-used=7 usage-profile=realtime", "9"],
            Self::Fast => ["fast", "deadline=1000000 cpu-used=3", "cpu-used=6", "8"],
            Self::Medium => ["medium", "deadline=1000000 cpu-used=2", "cpu-used=5", "7"],
            Self::Slow => ["slow", "deadline=1000000 cpu-used=1", "cpu-used=4", "5"],
            Self::Slower => ["slower", "deadline=1000000 cpu-used=0", "cpu-used=3", "4"],
            Self::VerySlow => ["veryslow", "deadline=0 cpu-used=0", "cpu-used=2", "3"],
        };
        [("{x26}", x26), ("{vpx}", vpx), ("{aom}", aom), ("{svt}", svt)]
    }
}

impl Raw {
    /// GStreamer's name of it for pictures of a size whose sides are even, or not.
    pub fn format(self, is_even: bool) -> &'static str {
        match (self, is_even) {
            (Self::Rgb, _) => "RGB",
            (Self::Yuv(Bits::Eight), true) => "I420",
            (Self::Yuv(Bits::Eight), false) => "Y444",
            (Self::Yuv(Bits::Ten), true) => "I420_10LE",
            (Self::Yuv(Bits::Ten), false) => "Y444_10LE",
        }
    }
}

impl Encoder {
    /// The first encoder of `codec` that is installed, opens and takes pictures of so many bits, hardware first.
    ///
    /// `crf` is the constant quality, 0 (lossless or best) to 51 (worst), as in x264.
    ///
    /// # Errors
    /// None is installed.
    pub fn choose(codec: Codec, crf: u8, preset: Preset, bits: Bits) -> Result<Self> {
        let candidates = codec.candidates();
        let raw = Raw::Yuv(bits);
        let fits = |candidate: &&Candidate| (bits == Bits::Eight || takes(candidate, raw)) && opens(candidate);
        let found = candidates.iter().find(fits).ok_or_else(|| {
            let names: Vec<_> = candidates.iter().map(|candidate| candidate.element).collect();
            let (with, or) = match bits {
                Bits::Eight => ("", ""),
                Bits::Ten => (" that takes 10 bits", ", or --bits 8"),
            };
            Error::output(format!(
                "no {} encoder{with} is installed (looked for {}); install one of these GStreamer elements or choose \
                 another --codec{or}",
                codec.name(),
                names.join(", ")
            ))
        })?;
        let launch = found.launch(codec, crf, preset);
        Ok(Self { codec: codec.name(), element: found.element, hardware: found.hardware, raw, launch })
    }

    /// Encodes each picture by itself, without loss.
    pub fn png() -> Self {
        let launch = "pngenc name=encoder compression-level=1".into();
        Self { codec: "PNG", element: "pngenc", hardware: false, raw: Raw::Rgb, launch }
    }

    /// Encodes each picture by itself as WebP, by the constant quality `crf`.
    pub fn webp(crf: u8) -> Self {
        let launch = format!("webpenc name=encoder quality={}", 100 - crf.min(100));
        Self { codec: "WebP", element: "webpenc", hardware: false, raw: Raw::Rgb, launch }
    }
}

impl Candidate {
    fn launch(&self, codec: Codec, crf: u8, preset: Preset) -> String {
        let mut settings = self.settings.to_string();
        for (placeholder, value) in [("{crf50}", crf.min(50)), ("{crf}", crf), ("{q}", rescaled(crf))] {
            settings = settings.replace(placeholder, &value.to_string());
        }
        for (placeholder, word) in preset.words() {
            settings = settings.replace(placeholder, word);
        }
        format!("{} name=encoder {settings} ! {}", self.element, codec.parser())
    }
}

impl std::fmt::Display for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.hardware { "hardware" } else { "software" };
        let bits = if self.raw == Raw::Yuv(Bits::Ten) { ", 10 bits" } else { "" };
        write!(f, "{} with {} ({kind}{bits})", self.codec, self.element)
    }
}

/// A quality of 0 to 51 on the scale of 0 to 63 that VP9 and AV1 have.
fn rescaled(crf: u8) -> u8 {
    (u16::from(crf) * 63).div_ceil(51) as u8
}

/// What an encoder says it takes.
fn takes(candidate: &Candidate, raw: Raw) -> bool {
    let wanted = gst::Caps::builder("video/x-raw").field("format", raw.format(true)).build();
    gst::ElementFactory::find(candidate.element).is_some_and(|encoder| encoder.can_sink_any_caps(&wanted))
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
    crate::gst::stop(&element);
    opened
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_software_encoder_here_takes_its_settings() {
        crate::gst::init().unwrap();
        for codec in [Codec::H264, Codec::H265, Codec::Vp9, Codec::Av1] {
            for (number, preset) in Preset::value_variants().iter().enumerate() {
                let crf = [0, 20, 51][number % 3];
                let Ok(encoder) = Encoder::choose(codec, crf, *preset, Bits::Eight) else {
                    eprintln!("skipped: no {} encoder is installed", codec.name());
                    continue;
                };
                let launch = format!("{} ! fakesink", encoder.launch);
                gst::parse::bin_from_description_full(&launch, true, None, gst::ParseFlags::FATAL_ERRORS)
                    .unwrap_or_else(|error| panic!("{launch}: {error}"));
            }
        }
    }

    /// The bytes and packets of one second of a noisy picture.
    fn encoded(launch: &str) -> (usize, usize) {
        let text = format!(
            "videotestsrc pattern=snow num-buffers=30 ! video/x-raw,width=80,height=44,framerate=30/1 ! videoscale \
             ! videoconvert ! video/x-raw,format=I420,width=320,height=180 ! {launch} ! appsink name=packets sync=false"
        );
        let pipeline = gst::parse::launch(&text).unwrap().downcast::<gst::Pipeline>().unwrap();
        let sink = pipeline.by_name("packets").unwrap().downcast::<gstreamer_app::AppSink>().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let packets = std::iter::from_fn(|| sink.pull_sample().ok()).map(|sample| sample.buffer().unwrap().size());
        let sizes: Vec<_> = packets.collect();
        pipeline.set_state(gst::State::Null).unwrap();
        (sizes.iter().sum(), sizes.len())
    }

    #[test]
    fn each_software_encoder_spends_what_the_quality_takes_and_loses_no_frame() {
        crate::gst::init().unwrap();
        for codec in [Codec::H264, Codec::H265, Codec::Vp9, Codec::Av1] {
            for candidate in codec.candidates().iter().filter(|candidate| !candidate.hardware && opens(candidate)) {
                let sizes = [10, 20, 30, 40].map(|crf| encoded(&candidate.launch(codec, crf, Preset::VeryFast)));
                assert!(sizes.iter().all(|(_, frames)| *frames == 30), "{}: {sizes:?}", candidate.element);
                let falls = sizes.windows(2).all(|pair| pair[0].0 as f64 > 1.1 * pair[1].0 as f64);
                assert!(falls, "{}: {sizes:?}", candidate.element);
            }
        }
    }
}
