//! Steadiness: still areas keep what was painted before, so that sensor noise does not make the brush strokes flicker.
//!
//! The *source* says what is still: each block of 8x8 pixels is compared with a slowly following reference, against a
//! noise level that is measured in the same picture. Where the source moves, and in the blocks around, the new picture
//! is shown as it is, so that nothing trails behind a moving edge.

use super::simd::{self, Pass};
use super::{PixelOrder, Pixels};
use crate::style::geometry::Size;

/// Side of a block in pixels.
const BLOCK: usize = 8;

/// Every second row is compared: enough to tell motion from noise, at half the cost.
const ROW_STEP: usize = 2;

/// How much of the held picture stays at full steadiness, in 1/256: new pixels seep in with a time constant of 16 frames.
const MOST_HELD: f32 = 240.0;

/// A held pixel is never farther from the new one than this many steps at full steadiness: it bounds what a change that
/// the source does not show (a stroke that moves because something near it moved) can leave behind.
const FARTHEST: f32 = 32.0;

/// Motion is counted in 1/16 of a step (mean difference of a block's colours from the reference).
const MOTION_SCALE: u32 = 16;

/// A block is still up to this multiple of the noise level, plus [`STILL_MARGIN`]; at twice that it surely moves.
const STILL_NOISE: f32 = 1.4;
const STILL_MARGIN: f32 = 1.5 * MOTION_SCALE as f32;

/// No sensor is noisier than this, in motion units: in a pan everything moves and must not pass for noise.
const MOST_NOISE: f32 = 6.0 * MOTION_SCALE as f32;

/// How fast the noise level may rise in one frame; it falls at once. A pan is over before it rises much.
const NOISE_RISE: f32 = 0.03 * MOTION_SCALE as f32;

/// The dither moves by this much from picture to picture, row to row and byte to byte: odd numbers far from small
/// fractions of 256, so that all 256 thresholds come up evenly.
const PHASE_A_PICTURE: u8 = 97;
const PHASE_A_ROW: u8 = 59;
const PHASE_A_BYTE: u8 = 157;

/// This part of the blocks is taken as still when the noise level is measured.
const QUIET_PART: usize = 5;

/// The memory of one stream: what was shown, and what the source looked like. Empty until [`TemporalFilter::watch`].
#[derive(Debug, Default)]
pub struct TemporalFilter {
    shape: Option<(Size, PixelOrder)>,
    /// Every [`ROW_STEP`]th row of the source as it was, rows packed.
    reference: Vec<u8>,
    /// The painted picture as last shown, rows packed.
    held: Vec<u8>,
    /// How much each block differs from the reference.
    motion: Vec<u8>,
    /// How much of each block is held, in 1/256; and the same before the blocks around are heeded.
    weights: Vec<u8>,
    own_weights: Vec<u8>,
    /// For one row of blocks and each byte of a picture's row, so that all loops over pixels are plain ones over bytes:
    /// differences from the reference, steps that the reference may follow by, and weights.
    apart: Vec<u16>,
    steps: Vec<u8>,
    row_weights: Vec<u8>,
    dither: Vec<u8>,
    /// Blocks in a row.
    wide: usize,
    /// Mean difference that noise makes, in motion units; unknown at first.
    noise: Option<f32>,
    /// Steps that a held pixel may be away from the new one.
    farthest: u8,
    /// Where the dither of this picture begins.
    phase: u8,
    /// Nothing is remembered yet.
    blank: bool,
}

impl TemporalFilter {
    /// Allocates for pictures of this size; watching does it by itself.
    pub fn prepare(&mut self, size: Size, order: PixelOrder) {
        if self.shape == Some((size, order)) {
            return;
        }
        let row = size.width * order.bytes();
        let (wide, high) = (size.width.div_ceil(BLOCK), size.height.div_ceil(BLOCK));
        *self = Self {
            shape: Some((size, order)),
            reference: vec![0; row * size.height.div_ceil(ROW_STEP)],
            held: vec![0; row * size.height],
            motion: vec![0; wide * high],
            weights: vec![0; wide * high],
            own_weights: vec![0; wide * high],
            apart: vec![0; row],
            steps: vec![0; row],
            row_weights: vec![0; row],
            dither: (0..row).map(|place| (place as u8).wrapping_mul(PHASE_A_BYTE)).collect(),
            wide,
            noise: None,
            farthest: 0,
            phase: 0,
            blank: true,
        };
    }

    /// Forgets what was shown: the next picture is shown as it is.
    pub fn forget(&mut self) {
        self.blank = true;
        self.noise = None;
    }

    /// Looks at the next unpainted picture and decides which blocks of the painted one are held, and how firmly:
    /// `steadiness` is 0 (nothing is held, but the picture is remembered) to 1.
    pub fn watch(&mut self, source: &Pixels, steadiness: f32) -> &mut Self {
        self.prepare(Size::new(source.width(), source.height()), source.order());
        self.watch_with(source, steadiness, |watch| simd::run(watch))
    }

    pub(super) fn watch_with(&mut self, source: &Pixels, steadiness: f32, run: impl FnOnce(Watch<'_>)) -> &mut Self {
        run(Watch { source, filter: self });
        self.phase = self.phase.wrapping_add(PHASE_A_PICTURE);
        if std::mem::take(&mut self.blank) {
            self.weights.fill(0);
            return self;
        }
        let measured = self.quiet_motion();
        let noise = match self.noise {
            None => measured.min(MOST_NOISE),
            Some(noise) => measured.min(noise + NOISE_RISE).min(MOST_NOISE),
        };
        self.noise = Some(noise);
        // The middle of the range does most: a half is clearly steadier than nothing.
        let firmness = steadiness * (2.0 - steadiness);
        self.farthest = (FARTHEST * firmness).ceil() as u8;
        let still = still_up_to(noise);
        for (weight, motion) in self.own_weights.iter_mut().zip(&self.motion) {
            let calm = (2.0 - f32::from(*motion) / still).clamp(0.0, 1.0);
            *weight = (calm * firmness * MOST_HELD) as u8;
        }
        self.spread_motion();
        self
    }

    pub(super) fn fits(&self, picture: &Pixels) -> bool {
        self.shape == Some((Size::new(picture.width(), picture.height()), picture.order()))
    }

    /// The motion below which the quietest part of the blocks lies.
    fn quiet_motion(&self) -> f32 {
        let mut counts = [0usize; 256];
        self.motion.iter().for_each(|&motion| counts[usize::from(motion)] += 1);
        let mut left = self.motion.len() / QUIET_PART;
        let quiet = counts.iter().position(|&count| {
            let found = count > left;
            left = left.saturating_sub(count);
            found
        });
        quiet.unwrap_or(0) as f32
    }

    /// A block is held no more than those around it: a moving thing changes the strokes beside it too.
    fn spread_motion(&mut self) {
        let wide = self.wide;
        let high = self.own_weights.len() / wide;
        for y in 0..high {
            for x in 0..wide {
                let rows = y.saturating_sub(1)..(y + 2).min(high);
                let columns = x.saturating_sub(1)..(x + 2).min(wide);
                let around = rows.flat_map(|y| &self.own_weights[y * wide..][columns.clone()]);
                self.weights[y * wide + x] = around.copied().min().unwrap_or(0);
            }
        }
    }
}

/// The motion up to which a block counts as still.
fn still_up_to(noise: f32) -> f32 {
    noise * STILL_NOISE + STILL_MARGIN
}

pub(super) struct Watch<'a> {
    pub source: &'a Pixels<'a>,
    pub filter: &'a mut TemporalFilter,
}

impl Pass for Watch<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { source, filter } = self;
        let bytes = source.order().bytes();
        let (row, block) = (source.width() * bytes, BLOCK * bytes);
        let still = still_up_to(filter.noise.unwrap_or(0.0));
        for top in (0..source.height()).step_by(BLOCK) {
            let rows = || (top..(top + BLOCK).min(source.height())).step_by(ROW_STEP);
            filter.apart.fill(0);
            for y in rows() {
                let reference = &filter.reference[y / ROW_STEP * row..][..row];
                for ((apart, source), reference) in filter.apart.iter_mut().zip(source.row(y)).zip(reference) {
                    *apart += u16::from(source.abs_diff(*reference));
                }
            }
            let motion = &mut filter.motion[top / BLOCK * filter.wide..][..filter.wide];
            let blocks = filter.apart.chunks(block).zip(filter.steps.chunks_mut(block));
            for (motion, (apart, steps)) in motion.iter_mut().zip(blocks) {
                // The fourth byte of a pixel means nothing.
                let colours = apart.chunks_exact(bytes).map(|pixel| u32::from(pixel[0] + pixel[1] + pixel[2]));
                let count = rows().len() * apart.len() / bytes * 3;
                *motion = (colours.sum::<u32>() * MOTION_SCALE / count as u32).min(255) as u8;
                // Still blocks follow by one step a picture, which averages the noise out; moving ones at once.
                steps.fill(if filter.blank || f32::from(*motion) > still { 255 } else { 1 });
            }
            for y in rows() {
                let reference = &mut filter.reference[y / ROW_STEP * row..][..row];
                for ((reference, source), step) in reference.iter_mut().zip(source.row(y)).zip(&filter.steps) {
                    let up = source.saturating_sub(*reference).min(*step);
                    let down = reference.saturating_sub(*source).min(*step);
                    *reference = reference.wrapping_add(up).wrapping_sub(down);
                }
            }
        }
    }
}

impl TemporalFilter {
    /// Moves row `y`, newly painted, towards what was shown before, and remembers the outcome. Rows come in order.
    #[inline(always)]
    pub(super) fn hold_row(&mut self, y: usize, row: &mut [u8]) {
        if y.is_multiple_of(BLOCK) {
            let weights = &self.weights[y / BLOCK * self.wide..][..self.wide];
            let block = BLOCK * row.len() / self.shape.map_or(1, |(size, _)| size.width);
            for (row_weights, weight) in self.row_weights.chunks_mut(block).zip(weights) {
                row_weights.fill(*weight);
            }
        }
        let (farthest, phase) = (self.farthest, self.phase.wrapping_add((y as u8).wrapping_mul(PHASE_A_ROW)));
        let held = &mut self.held[y * row.len()..][..row.len()];
        let ways = self.row_weights.iter().zip(&self.dither);
        for ((new, held), (weight, dither)) in row.iter_mut().zip(held).zip(ways) {
            // What stays of the difference is rounded by a dither: rounded to the nearest, a small difference would stay
            // for ever; rounded down, small noise would not be held at all.
            let dither = u16::from(dither.wrapping_add(phase));
            let part =
                |difference: u8| ((u16::from(difference.min(farthest)) * u16::from(*weight) + dither) >> 8) as u8;
            let (above, below) = (held.saturating_sub(*new), new.saturating_sub(*held));
            *new = new.wrapping_add(part(above)).wrapping_sub(part(below));
            *held = *new;
        }
    }
}
