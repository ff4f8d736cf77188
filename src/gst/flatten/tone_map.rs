//! High dynamic range to standard: PQ or HLG light to pixels for a screen whose white is 203 nits.
//!
//! Light is told as multiples of that white (Recommendation ITU-R BT.2408: the white of graphics and paper). PQ and HLG
//! become light as in BT.2100, and BT.2020 primaries those of BT.709. What is brighter than the screen is rolled off by
//! the curve of BT.2390 (the EETF), on the brightest of the three colours, so that hues stay; what no BT.709 screen can
//! show is cut off. Light becomes levels by the inverse of BT.1886. At a peak of 1000 nits, 203 nits become level 230.

use crate::lanes::each;

/// What the screen shows as white, in nits.
const WHITE: f64 = 203.0;

/// The peak of HLG, and of PQ that tells none.
const USUAL_PEAK: f64 = 1000.0;

/// PQ ends here.
const HIGHEST_PEAK: f64 = 10_000.0;

/// The part that each of the BT.2020 colours has in luminance.
const LUMINANCE: [f32; 3] = [0.2627, 0.6780, 0.0593];

/// BT.2020 to BT.709, as in BT.2087.
const TO_BT709: [[f32; 3]; 3] = [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]];

/// Tables that are looked up by light have so many steps, in bits, for each octave, down to where the screen is black.
/// A step is what remains of a float without its last bits.
const STEP_BITS: u32 = 10;
const OCTAVES: u32 = 22;

/// Bits of a float that are no part of its step, and the step of the darkest light.
const DROPPED_BITS: u32 = f32::MANTISSA_DIGITS - 1 - STEP_BITS;
const DARKEST: u32 = (f32::MAX_EXP as u32 - 1 - OCTAVES) << STEP_BITS;

/// How light is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// SMPTE ST 2084.
    Pq,
    /// ARIB STD-B67.
    Hlg,
}

/// Tables for one stream.
#[derive(Debug)]
pub struct ToneMap {
    transfer: Transfer,
    /// The brightest that a colour can get, in units of white.
    brightest: f32,
    /// Light of each 16-bit level: in units of white for PQ, of the scene from 0 to 1 for HLG.
    light: Vec<f32>,
    /// What a screen makes of the scene's light, by its luminance: HLG's system gamma.
    system: Vec<f32>,
    /// What is left of light, by the brightest of its colours in parts of `brightest`.
    gain: Vec<f32>,
    /// The 8-bit level of light from 0 to white.
    level: Vec<u8>,
}

impl ToneMap {
    /// `peak` is the brightest the pictures get, in nits, if that is told.
    pub fn new(transfer: Transfer, peak: Option<f64>) -> Self {
        let peak = match transfer {
            Transfer::Pq => peak.unwrap_or(USUAL_PEAK).clamp(WHITE, HIGHEST_PEAK),
            Transfer::Hlg => USUAL_PEAK,
        };
        let light = |level: u16| match transfer {
            Transfer::Pq => pq_to_nits(f64::from(level) / 65535.0) / WHITE,
            Transfer::Hlg => hlg_to_scene(f64::from(level) / 65535.0),
        };
        let system = |luminance: f64| luminance.powf(0.2) * peak / WHITE;
        let brightest = peak * f64::from(TO_BT709[0][0]);
        let gain = |nits: f64| if nits > 0.0 { roll_off(nits, peak) / nits } else { 1.0 };
        Self {
            transfer,
            brightest: (brightest / WHITE) as f32,
            light: (0..=u16::MAX).map(|level| light(level) as f32).collect(),
            system: steps().map(|luminance| system(luminance) as f32).collect(),
            gain: steps().map(|part| gain(part * brightest) as f32).collect(),
            level: steps().map(to_level).collect(),
        }
    }

    /// One pixel: red, green and blue.
    #[inline]
    pub fn pixel(&self, levels: [u16; 3]) -> [u8; 3] {
        let mut light: [f32; 3] = each(|colour| self.light[usize::from(levels[colour])]);
        if self.transfer == Transfer::Hlg {
            let luminance = dot(LUMINANCE, light);
            let system = look_up(&self.system, luminance);
            light = each(|colour| light[colour] * system);
        }
        let light: [f32; 3] = each(|colour| dot(TO_BT709[colour], light));
        let brightest = light[0].max(light[1]).max(light[2]);
        let gain = look_up(&self.gain, brightest / self.brightest);
        each(|colour| look_up(&self.level, light[colour] * gain))
    }
}

/// The light in the middle of each step, up to 1.
fn steps() -> impl Iterator<Item = f64> {
    let middle = 1 << (DROPPED_BITS - 1);
    (DARKEST..=DARKEST + (OCTAVES << STEP_BITS)).map(move |step| match step {
        DARKEST => 0.0,
        _ => f64::from(f32::from_bits((step << DROPPED_BITS) + middle)).min(1.0),
    })
}

/// Looks `light` up in a table made of [`steps`]; what lies outside becomes black, or 1.
#[inline]
fn look_up<T: Copy>(table: &[T], light: f32) -> T {
    let step = light.max(0.0).to_bits() >> DROPPED_BITS;
    table[(step.saturating_sub(DARKEST) as usize).min(table.len() - 1)]
}

#[inline]
fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The numbers of SMPTE ST 2084.
const M1: f64 = 2610.0 / 16384.0;
const M2: f64 = 2523.0 / 4096.0 * 128.0;
const C1: f64 = 3424.0 / 4096.0;
const C2: f64 = 2413.0 / 4096.0 * 32.0;
const C3: f64 = 2392.0 / 4096.0 * 32.0;

fn pq_to_nits(signal: f64) -> f64 {
    let root = signal.powf(1.0 / M2);
    HIGHEST_PEAK * ((root - C1).max(0.0) / (C2 - C3 * root)).powf(1.0 / M1)
}

fn nits_to_pq(nits: f64) -> f64 {
    let power = (nits / HIGHEST_PEAK).powf(M1);
    ((C1 + C2 * power) / (1.0 + C3 * power)).powf(M2)
}

/// Light of the scene, 0 to 1.
fn hlg_to_scene(signal: f64) -> f64 {
    const A: f64 = 0.178_832_77;
    const B: f64 = 1.0 - 4.0 * A;
    const C: f64 = 0.559_910_73;
    if signal <= 0.5 { signal.powi(2) / 3.0 } else { (((signal - C) / A).exp() + B) / 12.0 }
}

/// The EETF of BT.2390: `nits` of a picture with this `peak` on a screen that ends at white. A pure BT.2020 red has more
/// than the peak in BT.709: it becomes white's red.
fn roll_off(nits: f64, peak: f64) -> f64 {
    let source = nits_to_pq(peak);
    let (top, signal) = (nits_to_pq(WHITE) / source, nits_to_pq(nits) / source);
    let knee = 1.5 * top - 0.5;
    if signal < knee {
        return nits;
    }
    let t = ((signal - knee) / (1.0 - knee)).min(1.0);
    let rolled = (2.0 * t.powi(3) - 3.0 * t.powi(2) + 1.0) * knee
        + (t.powi(3) - 2.0 * t.powi(2) + t) * (1.0 - knee)
        + (3.0 * t.powi(2) - 2.0 * t.powi(3)) * top;
    pq_to_nits(rolled * source)
}

/// The level for light from 0 to white: the inverse of BT.1886.
fn to_level(light: f64) -> u8 {
    (light.powf(1.0 / 2.4) * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The 16-bit level of so many nits.
    fn pq(nits: f64) -> u16 {
        (nits_to_pq(nits) * 65535.0).round() as u16
    }

    /// The same without tables, in full precision.
    fn reference(transfer: Transfer, peak: f64, levels: [u16; 3]) -> [u8; 3] {
        let signals = levels.map(|level| f64::from(level) / 65535.0);
        let weigh = |row: [f32; 3], light: [f64; 3]| (0..3).map(|at| f64::from(row[at]) * light[at]).sum::<f64>();
        let nits = match transfer {
            Transfer::Pq => signals.map(pq_to_nits),
            Transfer::Hlg => {
                let scene = signals.map(hlg_to_scene);
                scene.map(|light| light * 1000.0 * weigh(LUMINANCE, scene).powf(0.2))
            }
        };
        let nits = TO_BT709.map(|row| weigh(row, nits));
        let brightest = nits.into_iter().fold(1e-9, f64::max).min(peak * 1.6605);
        let kept = roll_off(brightest, peak) / brightest;
        nits.map(|nits| to_level((nits * kept / WHITE).clamp(0.0, 1.0)))
    }

    proptest! {
        #[test]
        fn tables_and_formulas_agree(levels: [u16; 3], hlg: bool, peak in 203.0..10_000.0) {
            let (transfer, peak) = if hlg { (Transfer::Hlg, 1000.0) } else { (Transfer::Pq, peak) };
            let expected = reference(transfer, peak, levels);
            let found = ToneMap::new(transfer, Some(peak)).pixel(levels);
            let near = expected.iter().zip(found).all(|(expected, found)| expected.abs_diff(found) <= 1);
            prop_assert!(near, "{:?} at {}: {:?}, not {:?}", transfer, peak, found, expected);
        }
    }

    #[test]
    fn light_lands_where_it_is_documented() {
        let at_peak = |peak: f64| {
            let tone_map = ToneMap::new(Transfer::Pq, Some(peak));
            move |nits: f64| tone_map.pixel([pq(nits); 3])
        };
        let usual = at_peak(1000.0);
        assert_eq!((usual(0.0), usual(203.0), usual(1000.0)), ([0; 3], [230; 3], [255; 3]));
        // What is far from the peak is as on any screen with a white of 203 nits.
        assert_eq!(usual(50.0), [to_level(50.0 / 203.0); 3]);
        let nits = [1.0, 10.0, 100.0, 203.0, 400.0, 600.0, 1000.0];
        assert!(nits.map(&usual).windows(2).all(|pair| pair[0] < pair[1]), "{:?}", nits.map(&usual));
        // A picture that ends at white has nothing to roll off.
        assert_eq!((at_peak(203.0)(203.0), at_peak(203.0)(100.0)), ([255; 3], [to_level(100.0 / 203.0); 3]));
        assert!(at_peak(4000.0)(1000.0) < [255; 3] && at_peak(4000.0)(4000.0) == [255; 3]);
        // HLG's white is 75 % of its signal.
        let hlg = ToneMap::new(Transfer::Hlg, None);
        assert!(hlg.pixel([49151; 3])[0].abs_diff(230) <= 1, "{:?}", hlg.pixel([49151; 3]));
    }

    #[test]
    fn a_hue_stays_as_it_gets_brighter() {
        let tone_map = ToneMap::new(Transfer::Pq, None);
        let skin = |nits: f64| tone_map.pixel([pq(nits), pq(nits * 0.6), pq(nits * 0.4)]);
        let parts = |[red, green, blue]: [u8; 3]| [green, blue].map(|other| f32::from(other) / f32::from(red));
        let (dark, bright) = (parts(skin(100.0)), parts(skin(900.0)));
        assert!(dark.iter().zip(bright).all(|(dark, bright)| (dark - bright).abs() < 0.02), "{dark:?} {bright:?}");
    }
}
