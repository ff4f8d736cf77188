//! A GStreamer plugin with one element, `impastostyle`, which paints video as `impasto` does.
//!
//! The path of a frame: `element.rs` maps it, `layout.rs` hands its pixels to the painter of the library `impasto`.

mod element;
mod layout;
mod log;
mod places;
mod properties;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use impasto::style::onnx::library::NO_TELEMETRY;

glib::wrapper! {
    /// The element `impastostyle`.
    pub struct ImpastoStyle(ObjectSubclass<element::ImpastoStyle>)
        @extends gstreamer_video::VideoFilter, gstreamer_base::BaseTransform, gst::Element, gst::Object;
}

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    let (name, value) = NO_TELEMETRY;
    // SAFETY: GLib's own setter, as plugins call it when they are loaded; ONNX Runtime reads the variable when a network is.
    unsafe { glib::setenv(name, value, true)? };
    log::hand_over();
    gst::Element::register(Some(plugin), "impastostyle", gst::Rank::NONE, ImpastoStyle::static_type())
}

gst::plugin_define!(
    impasto,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    env!("CARGO_PKG_VERSION"),
    // One of the licences that GStreamer knows; the other one is Apache-2.0.
    "MIT",
    "impasto",
    "impasto",
    "https://crates.io/crates/impasto"
);
