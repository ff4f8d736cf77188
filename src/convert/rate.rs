//! `--fps`: a film of an even frame rate; pictures are left out or shown again, by their time.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use gstreamer as gst;
use serde::{Deserialize, Serialize};

/// Rates that are not whole are those of NTSC.
const NTSC: u64 = 1001;

/// Files round the times of their pictures by as much; those just between two slots must not swing between them.
const ROUNDING: gst::ClockTime = gst::ClockTime::from_mseconds(1);

const SECOND: u128 = 1_000_000_000;

/// Frames a second, as a fraction. Each frame has a slot; slot 0 begins at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    frames: u32,
    seconds: u32,
}

impl Rate {
    /// The slots of a picture that is shown from `begin` to `end`; none if another is nearer to all of them.
    pub fn slots(self, begin: gst::ClockTime, end: gst::ClockTime) -> Range<u64> {
        self.nearest(begin + ROUNDING)..self.nearest(end + ROUNDING)
    }

    /// When a slot begins.
    pub fn time(self, slot: u64) -> gst::ClockTime {
        let (frames, seconds) = (u128::from(self.frames), u128::from(self.seconds));
        let nanoseconds = (u128::from(slot) * seconds * SECOND + frames / 2) / frames;
        gst::ClockTime::from_nseconds(u64::try_from(nanoseconds).unwrap_or(u64::MAX - 1))
    }

    /// How many slots last as long as `duration`.
    pub fn count(self, duration: gst::ClockTime) -> u64 {
        self.nearest(duration)
    }

    pub fn fraction(self) -> gst::Fraction {
        gst::Fraction::new(self.frames as i32, self.seconds as i32)
    }

    fn nearest(self, time: gst::ClockTime) -> u64 {
        let (frames, seconds) = (u128::from(self.frames), u128::from(self.seconds));
        let slot = (u128::from(time.nseconds()) * frames + seconds * SECOND / 2) / (seconds * SECOND);
        u64::try_from(slot).unwrap_or(u64::MAX)
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no frame rate from 1/10 to 240 such as 25, 29.97 or 30000/1001");
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0);
        let rate = match text.split_once('/') {
            Some((frames, seconds)) => number(frames).zip(number(seconds)),
            None => number(text).map(|frames| (frames, 1)).or_else(|| decimal(text)),
        };
        let (frames, seconds) = rate.ok_or_else(wrong)?;
        let sane = u64::from(frames) * 10 >= u64::from(seconds) && u64::from(frames) <= 240 * u64::from(seconds);
        // GStreamer's fractions are of 32 bits with a sign.
        let fits = |number| number <= i32::MAX as u32;
        if sane && fits(frames) && fits(seconds) { Ok(Self { frames, seconds }) } else { Err(wrong()) }
    }
}

/// 29.97 is 30000/1001, as everybody means it; 12.5 is 12500/1000.
fn decimal(text: &str) -> Option<(u32, u32)> {
    let rate: f64 = text.parse().ok().filter(|rate: &f64| rate.is_finite() && (0.1..=240.0).contains(rate))?;
    let whole = (rate * NTSC as f64 / 1000.0).round();
    let is_ntsc = rate.fract() != 0.0 && (rate - whole * 1000.0 / NTSC as f64).abs() < 0.005;
    Some(if is_ntsc { (whole as u32 * 1000, NTSC as u32) } else { ((rate * 1000.0).round() as u32, 1000) })
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.seconds == 1 { self.frames.fmt(f) } else { write!(f, "{}/{}", self.frames, self.seconds) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        let read = |text: &str| text.parse().map(|rate: Rate| rate.to_string()).ok();
        for (text, rate) in [
            ("25", "25"),
            ("30000/1001", "30000/1001"),
            ("29.97", "30000/1001"),
            ("23.976", "24000/1001"),
            ("59.94", "60000/1001"),
            ("12.5", "12500/1000"),
            ("1/5", "1/5"),
        ] {
            assert_eq!(read(text).as_deref(), Some(rate), "{text}");
        }
        assert_eq!(["", "0", "-25", "25fps", "1/20", "241", "25/0", "nan", "inf"].map(read), [const { None }; 9]);
    }

    #[test]
    fn each_slot_has_one_picture_whatever_the_times() {
        let rate: Rate = "30000/1001".parse().unwrap();
        let times = (0..500_u64).map(|n| gst::ClockTime::from_useconds(n * 17_003 + (n % 7) * 1_900));
        let times: Vec<_> = times.collect();
        let slots: Vec<_> = times.windows(2).flat_map(|pair| rate.slots(pair[0], pair[1])).collect();
        let last = slots[slots.len() - 1];
        assert_eq!(slots, (0..=last).collect::<Vec<_>>());
        assert!(slots.iter().all(|slot| rate.count(rate.time(*slot)) == *slot));
    }

    #[test]
    fn every_second_picture_is_left_out_evenly() {
        let rate: Rate = "30".parse().unwrap();
        for (unit, per_second) in [(1_000_000_000_u64, 60_u64), (1_000, 60)] {
            // Rounded down to the unit of the file, in nanoseconds.
            let time = |n: u64| gst::ClockTime::from_nseconds(n * unit / per_second * (1_000_000_000 / unit));
            let shown = (0..60).filter(|n| !rate.slots(time(*n), time(n + 1)).is_empty());
            assert_eq!(shown.collect::<Vec<_>>(), (0..60).step_by(2).collect::<Vec<_>>());
        }
    }
}
