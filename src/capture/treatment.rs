//! What is done to decoded pictures before they are painted: scaled, and made plain where they are interlaced, transparent,
//! of high dynamic range or of more bits.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use serde::{Deserialize, Serialize};

use super::scaling::Scaling;
use crate::gst::flatten::is_high_dynamic_range;
use crate::sync::Locked;

/// How pictures that are no plain ones are made into such.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, clap::Args)]
pub struct Treatment {
    /// What becomes of the two fields of an interlaced frame
    #[arg(long, value_enum, default_value_t)]
    pub deinterlace: Deinterlace,
    /// What is seen through transparent places: white, #1e90ff, ...; black without it. Pictures into .png and .webp stay
    /// transparent unless this is named
    #[arg(long, value_name = "COLOUR")]
    pub background: Option<Colour>,
    #[command(flatten)]
    #[serde(flatten)]
    pub scaling: Scaling,
}

/// What becomes of the two fields of an interlaced frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Deinterlace {
    /// A whole frame: frames keep number and times
    #[default]
    Frame,
    /// A frame each: twice the frames, each half as long
    Field,
    /// They stay side by side: combs at moving edges
    Off,
}

/// An opaque colour: red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Colour(pub [u8; 3]);

impl FromStr for Colour {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no opaque colour like white, #1e90ff or rgb(30, 144, 255)");
        let [red, green, blue, alpha] = csscolorparser::parse(text).map_err(|_| wrong())?.to_rgba8();
        if alpha == u8::MAX { Ok(Self([red, green, blue])) } else { Err(wrong()) }
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl Treatment {
    /// Tells the elements of the picture branch; one that a template leaves out has nothing to do.
    pub(super) fn set_up(&self, picture: &gst::Bin) {
        self.scaling.set_up(picture);
        if let Some(flatten) = picture.by_name("flatten") {
            let Colour([red, green, blue]) = self.background.unwrap_or_default();
            flatten.set_property("background", u32::from_be_bytes([0, red, green, blue]));
        }
        if let Some(deinterlace) = picture.by_name("deinterlace") {
            let (method, fields) = match self.deinterlace {
                Deinterlace::Frame => ("greedyl", None),
                // The other methods lose the times of fields, or the last of them.
                Deinterlace::Field => ("linear", Some("all")),
                Deinterlace::Off => return deinterlace.set_property_from_str("mode", "disabled"),
            };
            deinterlace.set_property_from_str("method", method);
            follow_field_order(&deinterlace, fields);
        }
    }

    /// What the user should know of a stream of such pictures, which has so many `bits` for each value; `transparent` if a pixel
    /// of them was.
    pub(super) fn notes(&self, decoded: &gst_video::VideoInfo, bits: u32, transparent: bool) -> Vec<String> {
        let mut notes = Vec::new();
        if is_interlaced(decoded) {
            notes.push(match self.deinterlace {
                Deinterlace::Frame => {
                    "the source is interlaced: it is deinterlaced, a frame a frame; --deinterlace field gives a frame a field"
                }
                Deinterlace::Field => "the source is interlaced: it is deinterlaced, a frame a field",
                Deinterlace::Off => "the source is interlaced, and is painted so",
            }
            .to_string());
        }
        if is_high_dynamic_range(decoded) {
            notes.push("the source has a high dynamic range: it is mapped to the usual one, BT.709".into());
        } else if bits > 8 {
            notes.push(format!("the source has {bits} bits a colour: it is painted with 8"));
        }
        if transparent {
            notes.push(self.laid_on());
        }
        notes
    }

    /// The note on a picture that was laid on the background.
    pub fn laid_on(&self) -> String {
        let background = self.background.unwrap_or_default();
        format!(
            "the source has transparent places: it is laid on the colour {background}; --background chooses another"
        )
    }
}

fn is_interlaced(info: &gst_video::VideoInfo) -> bool {
    info.interlace_mode() != gst_video::VideoInterlaceMode::Progressive
}

/// Tells `deinterlace` which field comes first, and to build frames around `fields`; around the first ones if `None`,
/// which gives a frame for each. Left to itself it takes what tells no order for bottom first.
fn follow_field_order(deinterlace: &gst::Element, fields: Option<&'static str>) {
    let Some(entry) = deinterlace.static_pad("sink") else { return };
    let (element, known) = (deinterlace.downgrade(), Mutex::new(None));
    entry.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        let Some(top_first) = top_is_first(info) else { return gst::PadProbeReturn::Ok };
        let before = known.locked().replace(top_first);
        if before != Some(top_first)
            && let Some(element) = element.upgrade()
        {
            let (order, first) = if top_first { ("tff", "top") } else { ("bff", "bottom") };
            element.set_property_from_str("tff", order);
            element.set_property_from_str("fields", fields.unwrap_or(first));
        }
        gst::PadProbeReturn::Ok
    });
}

/// Whether the top field comes first, as caps tell it, or each frame where interlaced ones are among others.
fn top_is_first(info: &gst::PadProbeInfo) -> Option<bool> {
    match info.data.as_ref()? {
        gst::PadProbeData::Buffer(buffer) => {
            let flags = buffer.video_flags();
            let is_told = flags.contains(gst_video::VideoBufferFlags::INTERLACED);
            is_told.then(|| flags.contains(gst_video::VideoBufferFlags::TFF))
        }
        gst::PadProbeData::Event(event) => match event.view() {
            gst::EventView::Caps(caps) => {
                let order = caps.caps().structure(0)?.get::<&str>("field-order").ok();
                Some(order != Some("bottom-field-first"))
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_as_people_write_them() {
        let read = |text: &str| text.parse().map(|colour: Colour| colour.to_string()).ok();
        for (text, colour) in
            [("white", "#ffffff"), ("DodgerBlue", "#1e90ff"), ("#1e90ff", "#1e90ff"), ("#000", "#000000")]
        {
            assert_eq!(read(text).as_deref(), Some(colour), "{text}");
        }
        assert_eq!(["", "whit", "#12345", "transparent", "#ffffff80"].map(read), [const { None }; 5]);
    }
}
