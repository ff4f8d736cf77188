//! Cameras that send one picture after the other over HTTP (`multipart/x-mixed-replace`), kept within bounds: GStreamer's
//! demuxer believes whatever length a part is said to have, and keeps headers that never end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::sync::Locked;

/// A part with its head may be so large: an uncompressed 4K picture is half of it.
const MOST_BYTES: usize = 64 << 20;

/// The line of a head that the demuxer crashes on when its number is too large.
const LENGTH: &[u8] = b"content-length:";

/// What of one buffer is looked at together with the next one: the length may be cut in two.
const KEPT: usize = 64;

/// Ends the source with an error before `demuxer` is given what it cannot take.
pub fn guard(demuxer: &gst::Element) {
    // A camera never says that no other stream will come.
    demuxer.set_property("single-stream", true);
    let since_last = Arc::new(AtomicUsize::new(0));
    let begun = Arc::clone(&since_last);
    demuxer.connect_pad_added(move |_, pad| {
        let begun = Arc::clone(&begun);
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            begun.store(0, Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
    });
    let Some(pad) = demuxer.static_pad("sink") else { return };
    let kept = std::sync::Mutex::new(Vec::new());
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let Some(buffer) = info.buffer() else { return gst::PadProbeReturn::Ok };
        let size = since_last.fetch_add(buffer.size(), Ordering::Relaxed) + buffer.size();
        let told = buffer.map_readable().is_ok_and(|bytes| tells_too_much(&mut kept.locked(), &bytes));
        if size <= MOST_BYTES && !told {
            return gst::PadProbeReturn::Ok;
        }
        if let Some(demuxer) = pad.parent_element() {
            let most = MOST_BYTES >> 20;
            gst::element_error!(demuxer, gst::StreamError::Demux, ("a part of it is larger than {most} MB"));
        }
        gst::PadProbeReturn::Drop
    });
}

/// Whether `bytes`, which follow on what was `kept`, tell a length that is too large or no number. Keeps their end.
fn tells_too_much(kept: &mut Vec<u8>, bytes: &[u8]) -> bool {
    // Where the two meet, and then within the new ones.
    let seam = [kept.as_slice(), &bytes[..bytes.len().min(KEPT)]].concat();
    let told = [seam.as_slice(), bytes].into_iter().any(|text| lengths(text).any(|length| length > MOST_BYTES as u64));
    let end = [seam.as_slice(), &bytes[bytes.len().min(KEPT)..]].concat();
    *kept = end[end.len().saturating_sub(KEPT)..].to_vec();
    told
}

/// The lengths that are told in a text; what is no number counts as too large, what is cut off at its end not at all.
fn lengths(text: &[u8]) -> impl Iterator<Item = u64> {
    let begins = text.windows(LENGTH.len()).enumerate().filter(|(_, word)| word.eq_ignore_ascii_case(LENGTH));
    begins.filter_map(|(at, _)| {
        let rest = &text[at + LENGTH.len()..];
        let line = &rest[..rest.iter().position(|byte| b"\r\n".contains(byte))?];
        let number =
            std::str::from_utf8(line).ok().map(str::trim).filter(|number| number.bytes().all(|b| b.is_ascii_digit()));
        Some(number.and_then(|number| number.parse().ok()).unwrap_or(u64::MAX))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_that_cannot_be_is_found_however_it_is_cut() {
        let head =
            |length: &str| format!("--frame\r\nContent-Type: image/jpeg\r\nContent-LENGTH: {length}\r\n\r\npicture");
        for (length, is_too_much) in [
            ("0", false),
            ("65536", false),
            ("67108865", true),
            ("4000000000", true),
            ("-2", true),
            ("1e9", true),
            ("", true),
        ] {
            let text = head(length);
            for cut in 0..text.len() {
                let (mut kept, (first, second)) = (Vec::new(), text.as_bytes().split_at(cut));
                let told = tells_too_much(&mut kept, first) | tells_too_much(&mut kept, second);
                assert_eq!(told, is_too_much, "{length:?} cut at {cut}");
            }
        }
    }
}
