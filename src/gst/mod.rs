//! GStreamer helpers: start-up, templates, media files, edit lists, errors in plain words, encoders, complaints in our log,
//! and an element of our own.

pub mod bus;
pub mod check;
pub mod edit_list;
pub mod encoder;
pub mod flatten;
pub mod log;
pub mod matroska;
pub mod standstill;
pub mod template;

use gstreamer as gst;

use crate::error::{Error, Result};

/// Starts GStreamer once; later calls cost little.
pub fn init() -> Result<()> {
    use gst::prelude::*;
    gst::init()
        .map_err(|error| Error::usage(format!("GStreamer does not start: {error}; install it with `./dev setup`")))?;
    flatten::register().map_err(Error::usage)?;
    for factory in matroska::ALPHA_DECODERS.iter().filter_map(|(_, name)| gst::ElementFactory::find(name)) {
        factory.set_rank(gst::Rank::NONE);
    }
    Ok(())
}

/// The clock that every pipeline is told to use, so that times of one pipeline mean the same in another.
pub fn shared_clock() -> gst::Clock {
    use gst::prelude::*;
    gst::SystemClock::obtain().upcast()
}

/// Makes one element; a missing plugin becomes an error that names it.
pub fn make(factory: &str) -> Result<gst::Element> {
    gst::ElementFactory::make(factory).build().map_err(|_| {
        Error::usage(format!("GStreamer has no element `{factory}`; `./dev setup` installs the plugins Impasto uses"))
    })
}
