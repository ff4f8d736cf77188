//! How `impastoflatten` fits into a pipeline, and its loops over rows.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::subclass::BaseTransformMode;
use gst_base::subclass::prelude::*;
use gst_video::prelude::*;
use gst_video::subclass::prelude::*;
use gst_video::{VideoFormat, VideoInfo, VideoTransferFunction};
use gstreamer as gst;
use gstreamer_base as gst_base;
use gstreamer_video as gst_video;

use super::lay_on;
use super::tone_map::{ToneMap, Transfer};
use super::yuv::{self, Coding};
use crate::sync::Locked;

/// What comes out.
const PLAIN: &str = "BGRx";

/// Transparent pictures come in so, and those whose light is mapped.
const TRANSPARENT: &str = "BGRA";
const DEEP: &str = "ARGB64";

/// Told of a picture whose light is mapped, and wrong for what is made of it.
const LIGHT_FIELDS: [&str; 2] = ["mastering-display-info", "content-light-level"];

#[derive(Debug, Default, glib::Properties)]
#[properties(wrapper_type = super::Flatten)]
pub struct Flatten {
    /// 0xRRGGBB: what is seen through transparent pixels.
    #[property(get, set)]
    background: AtomicU32,
    /// What is asked for, if it is no plain format and none with transparency.
    #[property(get, set)]
    format: Mutex<Option<String>>,
    /// A pixel was not opaque.
    #[property(get)]
    transparent: AtomicBool,
    way: Mutex<Way>,
}

/// What is done to each picture.
#[derive(Debug, Default)]
enum Way {
    #[default]
    Lay,
    Map(ToneMap),
    Convert(Coding),
}

/// The format in which pictures are best asked for, before anybody converts them: 16 bits for tone mapping, their own
/// where it is converted here.
pub fn format_for(info: &VideoInfo) -> Option<&'static str> {
    match transfer_of(info) {
        Some(_) => Some(DEEP),
        None => Coding::of(info).map(|_| info.format().to_str().as_str()),
    }
}

/// How the light of a picture with a high dynamic range is written.
pub fn transfer_of(info: &VideoInfo) -> Option<Transfer> {
    match info.colorimetry().transfer() {
        VideoTransferFunction::Smpte2084 => Some(Transfer::Pq),
        VideoTransferFunction::AribStdB67 => Some(Transfer::Hlg),
        _ => None,
    }
}

/// The brightest pixel by what the caps tell, in nits: that of this film, or of the screen it was made on.
fn peak_of(caps: &gst::CapsRef) -> Option<f64> {
    let content = gst_video::VideoContentLightLevel::from_caps(caps).ok();
    let content = content.map(|light| f64::from(light.max_content_light_level()));
    let screen = gst_video::VideoMasteringDisplayInfo::from_caps(caps).ok();
    let screen = screen.map(|screen| f64::from(screen.max_display_mastering_luminance()) / 10_000.0);
    [content, screen].into_iter().flatten().find(|peak| *peak > 0.0)
}

#[glib::object_subclass]
impl ObjectSubclass for Flatten {
    const NAME: &'static str = "ImpastoFlatten";
    type Type = super::Flatten;
    type ParentType = gst_video::VideoFilter;
}

#[glib::derived_properties]
impl ObjectImpl for Flatten {}

impl GstObjectImpl for Flatten {}

impl ElementImpl for Flatten {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: std::sync::LazyLock<gst::subclass::ElementMetadata> = std::sync::LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Flatten",
                "Filter/Converter/Video",
                "Maps a high dynamic range to the usual one, and lays transparent pictures on a colour",
                "Impasto",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: std::sync::LazyLock<Vec<gst::PadTemplate>> = std::sync::LazyLock::new(|| {
            let template = |name, direction, formats: &[&str]| {
                let caps = gst::Caps::builder("video/x-raw").field("format", gst::List::new(formats)).build();
                gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps)
            };
            let all = [&[PLAIN, TRANSPARENT, DEEP][..], &yuv::FORMATS].concat();
            let sink = template("sink", gst::PadDirection::Sink, &all);
            let src = template("src", gst::PadDirection::Src, &[PLAIN]);
            [sink, src].into_iter().collect::<Result<_, _>>().unwrap_or_else(|error| unreachable!("{error}"))
        });
        &TEMPLATES
    }
}

impl BaseTransformImpl for Flatten {
    const MODE: BaseTransformMode = BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = true;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn transform_caps(
        &self,
        direction: gst::PadDirection,
        caps: &gst::Caps,
        filter: Option<&gst::Caps>,
    ) -> Option<gst::Caps> {
        let mut other = gst::Caps::new_empty();
        let asked_for = self.format.locked().clone();
        let formats = match (direction, &asked_for) {
            (gst::PadDirection::Sink, _) => vec![PLAIN],
            (_, Some(format)) => vec![format.as_str()],
            (_, None) => vec![PLAIN, TRANSPARENT],
        };
        for structure in caps.iter() {
            for format in &formats {
                let mut structure = structure.to_owned();
                if structure.get::<&str>("format").ok() != Some(format) {
                    structure.set("format", format);
                    structure.remove_fields(LIGHT_FIELDS.into_iter().chain(["colorimetry", "chroma-site"]));
                }
                other.make_mut().append_structure(structure);
            }
        }
        Some(
            filter.map_or_else(
                || other.clone(),
                |filter| filter.intersect_with_mode(&other, gst::CapsIntersectMode::First),
            ),
        )
    }
}

impl VideoFilterImpl for Flatten {
    fn set_info(
        &self,
        caps: &gst::Caps,
        info: &VideoInfo,
        _: &gst::Caps,
        _: &VideoInfo,
    ) -> Result<(), gst::LoggableError> {
        let deep = info.format() == VideoFormat::Argb64;
        let way = match (transfer_of(info).filter(|_| deep), Coding::of(info)) {
            (Some(transfer), _) => Way::Map(ToneMap::new(transfer, peak_of(caps))),
            (None, Some(coding)) => Way::Convert(coding),
            (None, None) => Way::Lay,
        };
        *self.way.locked() = way;
        Ok(())
    }

    fn transform_frame(
        &self,
        picture: &gst_video::VideoFrameRef<&gst::BufferRef>,
        plain: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let way = self.way.locked();
        if let Way::Convert(coding) = &*way {
            return coding.convert(picture, plain).map(|()| gst::FlowSuccess::Ok);
        }
        let [_, red, green, blue] = self.background.load(Ordering::Relaxed).to_be_bytes();
        let background = [red, green, blue];
        let width = picture.width() as usize;
        let (stride, plain_stride) = (picture.plane_stride()[0] as usize, plain.plane_stride()[0] as usize);
        let rows = picture.plane_data(0).map_err(|_| gst::FlowError::Error)?.chunks(stride);
        let plain_rows = plain.plane_data_mut(0).map_err(|_| gst::FlowError::Error)?.chunks_mut(plain_stride);
        let mut least = u8::MAX;
        for (row, plain) in rows.zip(plain_rows).take(picture.height() as usize) {
            let plain = plain.chunks_exact_mut(4).take(width);
            least = least.min(match &*way {
                Way::Map(tone_map) => map_row(tone_map, row.chunks_exact(8), plain, background),
                _ => lay_row(row.chunks_exact(4), plain, background),
            });
        }
        if least < u8::MAX {
            self.transparent.store(true, Ordering::Relaxed);
        }
        Ok(gst::FlowSuccess::Ok)
    }
}

/// Lays a row of BGRA on the background; returns the least alpha in it.
fn lay_row<'a>(
    row: impl Iterator<Item = &'a [u8]>,
    plain: impl Iterator<Item = &'a mut [u8]>,
    [red, green, blue]: [u8; 3],
) -> u8 {
    row.zip(plain).fold(u8::MAX, |least, (pixel, plain)| {
        plain[..3].copy_from_slice(&lay_on([blue, green, red], [pixel[0], pixel[1], pixel[2]], pixel[3]));
        least.min(pixel[3])
    })
}

/// Maps a row of 16-bit ARGB and lays it on the background; returns the least alpha in it.
fn map_row<'a>(
    tone_map: &ToneMap,
    row: impl Iterator<Item = &'a [u8]>,
    plain: impl Iterator<Item = &'a mut [u8]>,
    background: [u8; 3],
) -> u8 {
    row.zip(plain).fold(u8::MAX, |least, (pixel, plain)| {
        let level = |at: usize| u16::from_ne_bytes([pixel[2 * at], pixel[2 * at + 1]]);
        let alpha = (level(0) >> 8) as u8;
        let [red, green, blue] = lay_on(background, tone_map.pixel([level(1), level(2), level(3)]), alpha);
        plain[..3].copy_from_slice(&[blue, green, red]);
        least.min(alpha)
    })
}
