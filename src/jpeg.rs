//! JPEG pictures that would keep a decoder busy for minutes: each scan goes over the whole picture, and a small file may have
//! tens of thousands.

/// More scans than any camera or program makes: progressive pictures have about ten.
const MOST_SCANS: usize = 100;

/// Counts the scans of pictures that come one after the other, however they are cut into pieces.
#[derive(Debug, Default)]
pub struct Scans {
    count: usize,
    at: At,
}

/// What comes next.
#[derive(Debug, Default)]
enum At {
    /// A picture begins; whatever comes before is none.
    #[default]
    Outside,
    /// As [`At::Outside`], behind a byte that begins a marker.
    OutsideMarker,
    Data,
    /// What marker it is.
    Marker,
    /// The two bytes of a length.
    Length,
    LengthEnd(u8),
    /// So many bytes that are no data.
    Segment(usize),
}

impl Scans {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// The picture has too many scans to be decoded: why, in words.
    pub fn take(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while let Some((&byte, rest)) = bytes.split_first() {
            if let At::Segment(left) = self.at {
                let skipped = left.min(bytes.len());
                bytes = &bytes[skipped..];
                self.at = if skipped == left { At::Data } else { At::Segment(left - skipped) };
                continue;
            }
            bytes = rest;
            self.at = match self.at {
                At::Outside | At::Data if byte != 0xff => {
                    bytes = &rest[rest.iter().position(|&byte| byte == 0xff).unwrap_or(rest.len())..];
                    continue;
                }
                At::Outside => At::OutsideMarker,
                At::Data => At::Marker,
                At::Length => At::LengthEnd(byte),
                At::LengthEnd(high) => At::Segment(usize::from(u16::from_be_bytes([high, byte]).saturating_sub(2))),
                At::OutsideMarker | At::Marker => self.marker(byte),
                At::Segment(_) => unreachable!("skipped above"),
            };
            if self.count > MOST_SCANS {
                return Err(format!(
                    "it is a JPEG of more than {MOST_SCANS} scans, which would keep the decoder busy for long"
                ));
            }
        }
        Ok(())
    }

    fn marker(&mut self, marker: u8) -> At {
        match (marker, &self.at) {
            (0xd8, _) => {
                self.count = 0;
                At::Data
            }
            (0xff, At::OutsideMarker) => At::OutsideMarker,
            (_, At::OutsideMarker) | (0xd9, _) => At::Outside,
            (0xff, _) => At::Marker,
            // Data that look like a marker, and restarts.
            (0x00 | 0x01 | 0xd0..=0xd7, _) => At::Data,
            (marker, _) => {
                self.count += usize::from(marker == 0xda);
                At::Length
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scans_are_counted_however_the_picture_is_cut_and_nothing_that_looks_like_one() {
        let scan = b"\xff\xda\x00\x04\x01\x00data\xff\x00\xff\xd3data";
        let thumbnail = b"\xff\xe1\x00\x08\xff\xda\x00\x02zz";
        let file = |count: usize| {
            [b"zz\xff\xff\xd8".as_slice(), thumbnail, &scan.repeat(count), b"\xff\xd9\xff\xda\x00\x02"].concat()
        };
        // Pictures follow each other.
        let (fine, bomb) = (file(MOST_SCANS).repeat(3), [file(3), file(MOST_SCANS + 1)].concat());
        for piece in [1, 2, 3, 7, 4096, usize::MAX] {
            let take = |bytes: &[u8]| {
                let mut scans = Scans::default();
                bytes.chunks(piece.min(bytes.len())).try_for_each(|piece| scans.take(piece))
            };
            assert_eq!(take(&fine), Ok(()), "{piece}");
            assert!(take(&bomb).unwrap_err().contains("more than 100 scans"), "{piece}");
        }
        for odd in [b"\xff\xd8\xff\xda\xff\xff".as_slice(), b"\xff", &[0xff; 1000], b"\xff\xd8\xff\xda\x00\x00", b""] {
            assert_eq!(Scans::default().take(odd), Ok(()));
        }
    }
}
