//! Keeps what reads an address at the server of that address, whatever the server, or a list on it, names.

use std::ffi::CStr;

use gstreamer as gst;
use gstreamer::glib::translate::ToGlibPtr;
use gstreamer::prelude::*;
use gstreamer_rtsp as gst_rtsp;
use gstreamer_rtsp::rtsp_message::RTSPMessage;

use crate::redact::redact;
use crate::url::Url;

/// A server that is read from.
#[derive(Debug, Clone)]
pub(super) struct Home {
    host: String,
    port: Option<u16>,
}

impl Home {
    /// None if `address` is none.
    pub(super) fn of(address: &str) -> Option<Self> {
        let url = Url::parse(address)?;
        Some(Self { host: url.bare_host().to_ascii_lowercase(), port: url.port.or(usual_port(url.scheme)) })
    }

    fn is_home_of(&self, address: &str) -> bool {
        Self::of(address).is_some_and(|other| (&other.host, other.port) == (&self.host, self.port))
    }
}

fn usual_port(scheme: &str) -> Option<u16> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Some(80),
        "https" => Some(443),
        "rtsps" | "rtspst" => Some(322),
        scheme if scheme.starts_with("rtsp") => Some(554),
        _ => None,
    }
}

/// Lets an element that reads over HTTP read from `home` alone; `decoder` tells what else it was led to.
pub(super) fn keep_http_at(home: Home, reader: &gst::Element, decoder: &gst::Bin) {
    reader.set_property("automatic-redirect", false);
    let decoder = decoder.downgrade();
    let check = move |reader: &gst::Element| {
        let location = reader.property::<Option<String>>("location");
        let Some(location) = location.filter(|location| !home.is_home_of(location)) else { return };
        reader.set_locked_state(true);
        if let Some(decoder) = decoder.upgrade() {
            refuse(&decoder, &location);
        }
    };
    check(reader);
    reader.connect_notify(Some("location"), move |reader, _| check(reader));
}

/// Lets an RTSP client ask `home` alone. What leads elsewhere may be an answer, a header or the description of the stream: so
/// each request is looked at.
pub(super) fn keep_rtsp_at(home: Home, client: &gst::Element) {
    client.connect("before-send", false, move |values| {
        let client = values.first()?.get::<gst::Element>().ok()?;
        let uri = request_uri(&values.get(1)?.get::<RTSPMessage>().ok()?);
        // A client may ask for `*`, which is the server it is connected to.
        let leads_away = uri.filter(|uri| uri.contains("://") && !home.is_home_of(uri));
        if let Some(uri) = &leads_away {
            refuse(&client, uri);
        }
        Some(leads_away.is_none().to_value())
    });
}

fn refuse(element: &impl IsA<gst::Element>, address: &str) {
    let what = format!("it leads to {}, which is not where it may be read from", redact(address));
    gst::element_error!(element, gst::ResourceError::NotAuthorized, ("{what}"));
}

/// What a request asks for; none if it is no request.
fn request_uri(message: &RTSPMessage) -> Option<String> {
    let mut method = gst_rtsp::ffi::GST_RTSP_INVALID;
    let mut version = gst_rtsp::ffi::GST_RTSP_VERSION_INVALID;
    let mut uri = std::ptr::null();
    // SAFETY: the message is one, which lives longer than this; what it answers is written to these places alone.
    let parsed = unsafe {
        let message = message.to_glib_none().0;
        gst_rtsp::ffi::gst_rtsp_message_parse_request(message, &mut method, &mut uri, &mut version)
    };
    if parsed != gst_rtsp::ffi::GST_RTSP_OK || uri.is_null() {
        return None;
    }
    // SAFETY: it is a text of the message.
    Some(unsafe { CStr::from_ptr(uri) }.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_one_server_with_its_port() {
        let is_home = |home: &str, address: &str| Home::of(home).unwrap().is_home_of(address);
        assert!(is_home("rtsp://CAM.lan/1", "rtsp://cam.lan:554/2") && is_home("http://me:p@h/a", "http://h:80"));
        assert!(is_home("rtsp://[::1]:8554/x", "rtspt://[::1]:8554/y"));
        for (home, other) in
            [("rtsp://h/", "rtsp://h:8554/"), ("http://h/", "https://h/"), ("http://h/", "http://h.evil/")]
        {
            assert!(!is_home(home, other), "{home} {other}");
        }
    }
}
