//! GStreamer helpers: start-up, templates, media files, edit lists, errors in plain words, encoders, complaints in our log,
//! and an element of our own.

pub(crate) mod boxes;
pub(crate) mod bus;
pub(crate) mod check;
pub(crate) mod edit_list;
pub(crate) mod encoder;
pub(crate) mod flatten;
pub mod log;
pub(crate) mod matroska;
pub(crate) mod standstill;
pub mod template;

use std::sync::Mutex;

use gstreamer as gst;

use crate::error::{Error, Result};
use crate::jpeg::Scans;
use crate::sync::Locked;

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

/// Takes an element or pipeline to the NULL state, whatever it is at. A bin whose child fails on the way down stops where it
/// is, as `uridecodebin` does after an address that answers 404: dropped like that, it would leave its threads and sockets
/// behind. Asked again, it goes on.
pub fn stop(element: &impl gst::glib::object::IsA<gst::Element>) {
    use gst::prelude::*;
    let element = element.upcast_ref();
    const TRIES: usize = 4;
    if (0..TRIES).all(|_| element.set_state(gst::State::Null).is_err()) {
        tracing::warn!("{} does not stop; what it holds is lost", element.name());
    }
}

/// Lets no decoder that comes into `bin` decode straight into GStreamer's buffers: those of libav end the process at pixel
/// formats that GStreamer 1.22 has no name for, gray of 10 bits or RGB of 16. Without, such a film is an error, and decoding
/// costs 4 % more. And lets no JPEG picture come to one that would keep it busy for minutes.
pub fn guard_decoders(bin: &gst::Bin) {
    use gst::prelude::*;
    bin.connect_deep_element_added(|_, _, element| {
        if element.find_property("direct-rendering").is_some() {
            element.set_property("direct-rendering", false);
        }
        let is_decoder = element.factory().is_some_and(|factory| factory.has_type(gst::ElementFactoryType::DECODER));
        if let Some(pad) = element.static_pad("sink").filter(|_| is_decoder)
            && pad.pad_template_caps().iter().any(|caps| caps.name() == "image/jpeg")
        {
            guard_jpeg_decoder(&pad);
        }
    });
}

fn guard_jpeg_decoder(pad: &gst::Pad) {
    use gst::prelude::*;
    let scans = Mutex::new(Scans::default());
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let taken = info.buffer().and_then(|buffer| {
            let mut scans = scans.locked();
            if buffer.flags().contains(gst::BufferFlags::DISCONT) {
                *scans = Scans::default();
            }
            scans.take(&buffer.map_readable().ok()?).err()
        });
        let (Some(refusal), Some(decoder)) = (taken, pad.parent_element()) else { return gst::PadProbeReturn::Ok };
        gst::element_error!(decoder, gst::StreamError::Decode, ("{refusal}"));
        gst::PadProbeReturn::Drop
    });
}

/// Changes the segment that `event` brings, if it brings one of times; where `change` returns none, it stays.
pub fn change_segment(
    event: &mut gst::Event,
    change: impl FnOnce(&mut gst::FormattedSegment<gst::ClockTime>) -> Option<()>,
) {
    if let gst::EventView::Segment(segment) = event.view()
        && let Some(segment) = segment.segment().downcast_ref::<gst::ClockTime>()
    {
        let mut changed = segment.clone();
        if change(&mut changed).is_some() {
            *event = gst::event::Segment::builder(&changed).seqnum(event.seqnum()).build();
        }
    }
}

/// Makes one element; a missing plugin becomes an error that names it.
pub fn make(factory: &str) -> Result<gst::Element> {
    gst::ElementFactory::make(factory).build().map_err(|_| {
        Error::usage(format!("GStreamer has no element `{factory}`; `./dev setup` installs the plugins Impasto uses"))
    })
}
