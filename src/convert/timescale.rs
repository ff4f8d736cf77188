//! Finds the timescale in which all times of a stream are whole ticks, so that MP4 and MOV keep them exactly.

use gstreamer as gst;

/// The timescales that cameras and muxers use, ticks a second; the last one fits when no other does.
const USUAL: [u32; 17] = [
    600, 1_000, 2_400, 3_000, 10_240, 12_288, 12_800, 15_360, 16_000, 19_200, 24_000, 25_000, 30_000, 48_000, 60_000,
    90_000, 1_000_000,
];

const SECOND: u64 = 1_000_000_000;

/// Times of whole ticks were rounded to nanoseconds, and again when the beginning was subtracted.
const ROUNDING_NS: u64 = 2;

/// Containers that count milliseconds let regular frames lie this far from their places.
const JITTER_NS: u64 = 1_000_000 + ROUNDING_NS;

/// What the times of a stream's frames have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timescale {
    fits: [bool; USUAL.len()],
    last: Option<u64>,
    /// The shortest and the longest time between two frames.
    steps: Option<(u64, u64)>,
    last_step: Option<u64>,
}

impl Default for Timescale {
    fn default() -> Self {
        Self { fits: [true; USUAL.len()], last: None, steps: None, last_step: None }
    }
}

impl Timescale {
    /// Takes the time of one more frame into account.
    pub fn note(&mut self, time: gst::ClockTime) {
        let time = time.nseconds();
        for (fits, scale) in self.fits.iter_mut().zip(USUAL) {
            *fits &= distance_to_tick(time, scale) <= ROUNDING_NS;
        }
        if let Some(last) = self.last {
            let step = time.abs_diff(last);
            self.last_step = Some(step);
            let (shortest, longest) = self.steps.unwrap_or((step, step));
            self.steps = Some((shortest.min(step), longest.max(step)));
        }
        self.last = Some(time);
    }

    /// Ticks a second: the smallest usual number that all times fit.
    pub fn ticks_per_second(&self) -> u32 {
        let fitting = self.fits.iter().position(|fits| *fits);
        USUAL[fitting.unwrap_or(USUAL.len() - 1)]
    }

    /// The time between the last two frames.
    pub fn last_step(&self) -> Option<gst::ClockTime> {
        self.last_step.map(gst::ClockTime::from_nseconds)
    }

    /// True if the frames follow each other at equal times.
    pub fn is_regular(&self) -> bool {
        self.steps.is_none_or(|(shortest, longest)| longest - shortest <= 2 * JITTER_NS)
    }
}

/// How far `time` lies from the nearest tick, in nanoseconds.
fn distance_to_tick(time: u64, scale: u32) -> u64 {
    let (time, scale, second) = (u128::from(time), u128::from(scale), u128::from(SECOND));
    let tick = (time * scale + second / 2) / second;
    (tick * second / scale).abs_diff(time) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn timescale_of(times: impl IntoIterator<Item = u64>) -> Timescale {
        let mut timescale = Timescale::default();
        times.into_iter().for_each(|time| timescale.note(gst::ClockTime::from_nseconds(time)));
        timescale
    }

    #[test]
    fn known_rates_get_known_timescales() {
        let frames = |scale: u64, step: u64| timescale_of((0..500).map(move |n| n * step * SECOND / scale));
        assert_eq!(frames(30, 1).ticks_per_second(), 600);
        assert_eq!(frames(30_000, 1001).ticks_per_second(), 30_000);
        assert_eq!(frames(24_000, 1001).ticks_per_second(), 24_000);
        assert_eq!(timescale_of([0, 33_000_000, 67_000_000]).ticks_per_second(), 1_000);
        assert_eq!(timescale_of([0, SECOND / 90_000, SECOND]).ticks_per_second(), 90_000);
        assert!(frames(30, 1).is_regular() && timescale_of([0, 33_000_000, 67_000_000, 100_000_000]).is_regular());
        assert!(!timescale_of([0, 33_000_000, 100_000_000]).is_regular());
    }

    proptest! {
        /// Times on a usual grid survive: to ticks and back, they are the times that were read.
        #[test]
        fn times_on_a_usual_grid_stay_exact(which in 0..USUAL.len(), steps in proptest::collection::vec(0u64..100_000, 1..50)) {
            let grid = u128::from(USUAL[which]);
            let mut tick = 0u128;
            let times: Vec<u64> = steps.iter().map(|step| {
                tick += u128::from(*step);
                (tick * u128::from(SECOND) / grid) as u64
            }).collect();
            let scale = timescale_of(times.iter().copied()).ticks_per_second();
            prop_assert!(scale <= USUAL[which]);
            for time in times {
                prop_assert!(distance_to_tick(time, scale) <= ROUNDING_NS);
            }
        }
    }
}
