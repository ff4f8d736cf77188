//! JPEG pictures that would keep a decoder busy for minutes: each scan goes over the whole picture, and a small file may have
//! tens of thousands.

/// More scans than any camera or program makes: progressive pictures have about ten.
pub const MOST_SCANS: usize = 100;

/// Why a JPEG file is not decoded, if it is not.
pub fn refusal(file: &[u8]) -> Option<String> {
    let scans = scans(file);
    (scans > MOST_SCANS).then(|| format!("it is a JPEG of {scans} scans; up to {MOST_SCANS} are decoded"))
}

/// How many scans there are up to the end of the picture.
fn scans(file: &[u8]) -> usize {
    /// Markers without a length: fill bytes, data that look like one, restarts.
    const ALONE: [std::ops::RangeInclusive<u8>; 2] = [0x00..=0x01, 0xd0..=0xd8];
    let (mut scans, mut at) = (0, 0);
    while let Some(found) = file.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xff)) {
        at += found + 1;
        let Some(&marker) = file.get(at) else { break };
        match marker {
            0xff => continue,
            0xd9 => break,
            marker if ALONE.iter().any(|alone| alone.contains(&marker)) => at += 1,
            marker => {
                scans += usize::from(marker == 0xda);
                let length = file.get(at + 1..at + 3).map_or(2, |length| usize::from(length[0]) << 8 | usize::from(length[1]));
                at += 1 + length;
            }
        }
    }
    scans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scans_are_counted_and_nothing_that_looks_like_one() {
        let scan = b"\xff\xda\x00\x04\x01\x00data\xff\x00\xff\xd3data";
        let thumbnail = b"\xff\xe1\x00\x08\xff\xda\x00\x02zz";
        let file = |count: usize| [b"\xff\xd8".as_slice(), thumbnail, &scan.repeat(count), b"\xff\xd9\xff\xda\x00\x02"].concat();
        assert_eq!([scans(&file(0)), scans(&file(1)), scans(&file(12))], [0, 1, 12]);
        assert!(refusal(&file(MOST_SCANS)).is_none());
        assert!(refusal(&file(60_000)).unwrap().contains("60000 scans"));
        // Whatever is cut off or makes no sense comes to an end.
        let whole = file(3);
        assert!((0..whole.len()).all(|end| scans(&whole[..end]) <= 3));
        assert_eq!([scans(b"\xff\xda\xff\xff"), scans(b"\xff"), scans(&[0xff; 1000]), scans(b"\xff\xda")], [1, 0, 0, 1]);
    }
}
