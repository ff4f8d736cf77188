//! Cameras that send one picture after the other over HTTP (`multipart/x-mixed-replace`): their heads are put right and kept
//! within bounds before GStreamer's demuxer reads them. It takes a blank behind a colon for granted, believes whatever
//! length a part is said to have, and keeps heads that never end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::sync::Locked;

/// A part with its head may be so large: an uncompressed 4K picture is half of it.
const MOST_BYTES: usize = 64 << 20;

/// The lines of a head that the demuxer reads.
const TYPE: &[u8] = b"content-type:";
const LENGTH: &[u8] = b"content-length:";

/// A line of a head may be so long; a longer one is none of [`TYPE`] and [`LENGTH`].
const LONGEST_LINE: usize = 1024;

/// Gives `demuxer` what it can take, and ends the source with an error before it is given too much.
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
    let heads = Mutex::new(Heads::default());
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let Some(buffer) = info.buffer_mut() else { return gst::PadProbeReturn::Ok };
        let size = since_last.fetch_add(buffer.size(), Ordering::Relaxed) + buffer.size();
        if size > MOST_BYTES {
            if let Some(demuxer) = pad.parent_element() {
                let most = MOST_BYTES >> 20;
                gst::element_error!(demuxer, gst::StreamError::Demux, ("a part of it is larger than {most} MB"));
            }
            return gst::PadProbeReturn::Drop;
        }
        let right = buffer.map_readable().map(|bytes| heads.locked().put_right(&bytes));
        if let Ok(right) = right {
            let mut right = gst::Buffer::from_mut_slice(right);
            let copied = gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS;
            let _ = buffer.copy_into(right.make_mut(), copied, ..);
            *buffer = right;
        }
        gst::PadProbeReturn::Ok
    });
}

/// What passes, line by line; a picture is a few very long ones.
#[derive(Default)]
struct Heads {
    /// The line that has begun and may be one that is put right; it is held back until it is told from others.
    line: Vec<u8>,
    /// The line goes on, and is none of those.
    is_other: bool,
}

impl Heads {
    /// What is to be read instead of `bytes`, which follow on those before.
    fn put_right(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut right = Vec::with_capacity(self.line.len() + bytes.len() + 1);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.is_other {
                right.extend_from_slice(piece);
            } else {
                self.line.extend_from_slice(piece);
                let line = self.line.as_slice();
                let may_be = |name: &[u8]| {
                    let known = line.len().min(name.len());
                    line[..known].eq_ignore_ascii_case(&name[..known])
                };
                let is_other = !may_be(TYPE) && !may_be(LENGTH) || line.len() > LONGEST_LINE;
                if !is_other && !line.ends_with(b"\n") {
                    continue;
                }
                if is_other {
                    right.extend_from_slice(line)
                } else {
                    right.extend(line_put_right(line))
                }
                self.line.clear();
            }
            self.is_other = !piece.ends_with(b"\n");
        }
        right
    }
}

/// The line with one blank behind its colon. A length that cannot be is left out: where the next part begins tells it then.
fn line_put_right(line: &[u8]) -> Vec<u8> {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return line.to_vec() };
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    let is_length = line[..=colon].eq_ignore_ascii_case(LENGTH);
    let can_be = |length: &str| length.parse().is_ok_and(|length: usize| (1..=MOST_BYTES).contains(&length));
    if is_length && !std::str::from_utf8(value).is_ok_and(can_be) {
        return Vec::new();
    }
    [name, b": ", value, b"\r\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_put_right_however_they_are_cut_and_pictures_stay_as_they_are() {
        let picture = b"\xff\xd8 content \n\ncontent-\n\r\nContent-Lengths: 0\n\xff\xd9";
        let part = |head: &str| [b"--frame\r\n", head.as_bytes(), b"\r\n", picture, b"\r\n--frame--\r\n"].concat();
        let plain = "Content-Type: image/jpeg\r\nX-Time: 1\r\n";
        for (head, expected) in [
            (plain, plain),
            ("Content-Type:image/jpeg\r\nX-Time: 1\r\n", plain),
            ("Content-Type: \t image/jpeg \nX-Time: 1\r\n", plain),
            (
                "content-TYPE:image/jpeg\r\ncontent-LENGTH:65536\r\n",
                "content-TYPE: image/jpeg\r\ncontent-LENGTH: 65536\r\n",
            ),
            ("Content-Length: 67108864\r\n", "Content-Length: 67108864\r\n"),
            ("Content-Length: 67108865\r\n", ""),
            ("Content-Length: 4000000000\r\n", ""),
            ("Content-Length: 99999999999999999999999\r\n", ""),
            ("Content-Length: 0\r\nX-Time: 1\r\n", "X-Time: 1\r\n"),
            ("Content-Length: -2\r\n", ""),
            ("Content-Length: 1e9\r\n", ""),
            ("Content-Length:\r\n", ""),
        ] {
            let (given, expected) = (part(head), part(expected));
            for cut in 0..given.len() {
                let (mut heads, (first, second)) = (Heads::default(), given.split_at(cut));
                let right = [heads.put_right(first), heads.put_right(second)].concat();
                assert_eq!(right, expected, "{head:?} cut at {cut}");
            }
            let mut heads = Heads::default();
            let right: Vec<u8> = given.chunks(1).flat_map(|byte| heads.put_right(byte)).collect();
            assert_eq!(right, expected, "{head:?} byte by byte");
        }
        let long = part(&format!("Content-Type: {}", "x".repeat(2 * LONGEST_LINE)));
        assert_eq!(Heads::default().put_right(&long), long);
    }
}
