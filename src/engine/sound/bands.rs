//! How loud sound is, as a whole and in three bands.
//!
//! Two crossovers (Linkwitz-Riley of the fourth order: two Butterworth filters of the second in a row) part it at 250 Hz and at
//! 4 kHz. The RMS of each block of 20 ms, in decibels below that of a full-scale sine, goes from 0 (-48 dB) to 1 (-8 dB).

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

use crate::style::look::Levels;

/// Samples a second.
const RATE: f64 = 48_000.0;

/// Where the bands meet.
const CORNERS_HZ: [f64; 2] = [250.0, 4000.0];

/// Samples of a block: a wave and a fifth of a tone of 60 Hz.
const BLOCK: usize = 960;

/// The same in milliseconds.
pub const BLOCK_MS: f32 = BLOCK as f32 / RATE as f32 * 1000.0;

/// What is 0, and what is 1, in decibels below a full-scale sine.
const RANGE_DB: [f64; 2] = [-48.0, -8.0];

/// Measures sound as it comes.
#[derive(Debug)]
pub struct Analyser {
    low: Crossover,
    /// Of what lies above the low band.
    mid: Crossover,
    /// The squares of the block that has begun: of all of it, and of each band.
    squares: [f64; 4],
    samples: usize,
}

impl Default for Analyser {
    fn default() -> Self {
        let [low, mid] = CORNERS_HZ.map(Crossover::new);
        Self { low, mid, squares: [0.0; 4], samples: 0 }
    }
}

impl Analyser {
    /// Takes samples of -1 to 1, and gives the levels of each block that is full.
    pub fn feed(&mut self, samples: impl Iterator<Item = f32>, mut full: impl FnMut(Levels)) {
        for sample in samples {
            let sample = f64::from(sample);
            let [low, above] = self.low.part(sample);
            let [mid, high] = self.mid.part(above);
            for (sum, part) in self.squares.iter_mut().zip([sample, low, mid, high]) {
                *sum += part * part;
            }
            self.samples += 1;
            if self.samples == BLOCK {
                let [level, low, mid, high] = self.squares.map(share);
                (self.squares, self.samples) = ([0.0; 4], 0);
                self.low.settle();
                self.mid.settle();
                full(Levels { level, low, mid, high });
            }
        }
    }
}

/// What the squares of a block are as a level.
fn share(squares: f64) -> f32 {
    let [quiet, loud] = RANGE_DB;
    // The mean square of a full-scale sine is a half.
    let decibels = 10.0 * (squares / BLOCK as f64 * 2.0).log10();
    ((decibels - quiet) / (loud - quiet)).clamp(0.0, 1.0) as f32
}

/// Parts sound at a frequency.
#[derive(Debug)]
struct Crossover {
    below: [Biquad; 2],
    above: [Biquad; 2],
}

impl Crossover {
    fn new(corner_hz: f64) -> Self {
        Self {
            below: std::array::from_fn(|_| Biquad::low_pass(corner_hz)),
            above: std::array::from_fn(|_| Biquad::high_pass(corner_hz)),
        }
    }

    /// What of a sample lies below, and what above.
    fn part(&mut self, sample: f64) -> [f64; 2] {
        [&mut self.below, &mut self.above]
            .map(|filters| filters.iter_mut().fold(sample, |sample, filter| filter.run(sample)))
    }

    fn settle(&mut self) {
        self.below.iter_mut().chain(&mut self.above).for_each(Biquad::settle);
    }
}

/// A filter of the second order, in the transposed direct form II.
#[derive(Debug)]
struct Biquad {
    /// Of the latest three samples.
    forward: [f64; 3],
    /// Of the latest two that came out.
    back: [f64; 2],
    state: [f64; 2],
}

impl Biquad {
    fn low_pass(corner_hz: f64) -> Self {
        Self::butterworth(corner_hz, |cosine| [(1.0 - cosine) / 2.0, 1.0 - cosine])
    }

    fn high_pass(corner_hz: f64) -> Self {
        Self::butterworth(corner_hz, |cosine| [(1.0 + cosine) / 2.0, -1.0 - cosine])
    }

    /// By the bilinear transform; `forward` makes the outer and the middle coefficient of the cosine of the corner's angle.
    fn butterworth(corner_hz: f64, forward: impl Fn(f64) -> [f64; 2]) -> Self {
        let (sine, cosine) = (TAU * corner_hz / RATE).sin_cos();
        let alpha = sine / (2.0 * FRAC_1_SQRT_2);
        let whole = 1.0 + alpha;
        let [outer, middle] = forward(cosine);
        Self {
            forward: [outer / whole, middle / whole, outer / whole],
            back: [-2.0 * cosine / whole, (1.0 - alpha) / whole],
            state: [0.0; 2],
        }
    }

    fn run(&mut self, sample: f64) -> f64 {
        let Self { forward: [a, b, c], back: [d, e], state } = self;
        let out = *a * sample + state[0];
        state[0] = *b * sample - *d * out + state[1];
        state[1] = *c * sample - *e * out;
        out
    }

    /// What has died away is nothing: numbers that small take a processor long.
    fn settle(&mut self) {
        self.state.iter_mut().filter(|state| state.abs() < 1e-20).for_each(|state| *state = 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The levels at the end of a second of samples.
    fn levels(sample: impl Fn(f32) -> f32) -> Levels {
        let (mut analyser, mut latest) = (Analyser::default(), Levels::default());
        analyser.feed((0..48_000).map(|place| sample(place as f32 / 48_000.0)), |levels| latest = levels);
        latest
    }

    fn tone(hertz: f32, amplitude: f32) -> Levels {
        levels(|second| amplitude * (std::f32::consts::TAU * hertz * second).sin())
    }

    #[test]
    fn a_tone_moves_its_own_band_only() {
        for (hertz, band) in [(40.0, 0), (60.0, 0), (1000.0, 1), (16_000.0, 2)] {
            let Levels { level, low, mid, high } = tone(hertz, 0.5);
            let bands = [low, mid, high];
            assert!(level > 0.95 && bands[band] > 0.95, "{hertz} Hz: {level}, {bands:?}");
            let others: f32 =
                bands.iter().enumerate().filter(|(place, _)| *place != band).map(|(_, level)| level).sum();
            assert!(others < 0.05, "{hertz} Hz: {bands:?}");
        }
    }

    #[test]
    fn where_bands_meet_both_move_and_are_six_decibels_down() {
        for hertz in [250.0, 4000.0] {
            let Levels { level, low, mid, high } = tone(hertz, 0.1);
            let [one, other] = if hertz < 1000.0 { [low, mid] } else { [mid, high] };
            let six = 6.02 / 40.0;
            assert!((level - one - six).abs() < 0.01 && (level - other - six).abs() < 0.01, "{level} {one} {other}");
        }
    }

    #[test]
    fn levels_are_decibels_below_a_full_scale_sine() {
        for (decibels, level) in [(0.0, 1.0), (-8.0, 1.0), (-28.0, 0.5), (-38.0, 0.25), (-48.0, 0.0), (-90.0, 0.0)] {
            let told = tone(1000.0, 10.0_f32.powf(decibels / 20.0)).level;
            assert!((told - level).abs() < 0.001, "{decibels} dB: {told}");
        }
        assert_eq!(levels(|_| 0.0), Levels::default());
    }

    #[test]
    fn silence_after_sound_ends_in_true_zeros() {
        let mut analyser = Analyser::default();
        let sound = (0..48_000).map(|place| (place as f32 / 50.0).sin());
        analyser.feed(sound.chain(std::iter::repeat_n(0.0, 48_000)), |_| ());
        let filters = [&analyser.low, &analyser.mid].into_iter().flat_map(|both| both.below.iter().chain(&both.above));
        assert!(filters.into_iter().all(|filter| filter.state == [0.0; 2]));
    }

    proptest! {
        #[test]
        fn any_tone_is_heard_and_no_band_is_louder_than_all_of_it(hertz in 30.0f32..20_000.0, amplitude in 0.05f32..1.0) {
            let Levels { level, low, mid, high } = tone(hertz, amplitude);
            prop_assert!(level > 0.5);
            for band in [low, mid, high] {
                prop_assert!((0.0..=level + 0.02).contains(&band), "{} {} {} of {}", low, mid, high, level);
            }
            prop_assert!(low.max(mid).max(high) > level - 0.2);
        }

        #[test]
        fn no_samples_do_harm(samples in proptest::collection::vec(-1.0f32..=1.0, 0..3000)) {
            Analyser::default().feed(samples.into_iter(), |levels| {
                for level in [levels.level, levels.low, levels.mid, levels.high] {
                    assert!((0.0..=1.0).contains(&level));
                }
            });
        }
    }
}
