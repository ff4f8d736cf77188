//! Steadiness that follows motion: the painted picture before is moved along with the source and held, so that strokes stay
//! on what they are painted on.
//!
//! The *source* says how things move: optical flow, in both directions, at a small size. Where it cannot be relied on (what
//! was hidden before, a change of light, another scene), and as far as the painting differs much, the new picture is shown.

mod contrast;
mod plane;
mod search;
#[cfg(test)]
mod tests;
mod trust;
mod warp;

use contrast::Contrast;
use plane::{Plane, Pyramid};
use search::Search;
use trust::Trust;
use warp::{Kernel, Shown};

use super::geometry::Size;
use super::tensor::{PixelOrder, Pixels};

/// How much of the held picture stays where the motion is sure.
const MOST_HELD: f32 = 0.8;

/// A held colour is never farther from the new one than this many steps.
const FARTHEST: f32 = 32.0;

/// The memory of one film; allocated by the first picture.
#[derive(Debug, Default)]
pub struct FlowFilter {
    memory: Option<Memory>,
    /// Nothing is remembered yet.
    blank: bool,
}

/// What depends on the picture's size.
#[derive(Debug)]
struct Memory {
    shape: (Size, PixelOrder),
    now: Pyramid,
    before: Pyramid,
    /// From this picture to the one before it, and from that to this one.
    back: Search,
    forth: Search,
    trust: Trust,
    /// What was shown, and what is shown now as far as it is finished.
    shown: Shown,
    coming: Shown,
    contrast: Contrast,
    kernel: Kernel,
    /// The rows of the small planes above and below the row at hand.
    above: Line,
    below: Line,
}

/// A row of flow and trust, spread out to the picture's width, in its pixels.
#[derive(Debug)]
struct Line {
    /// The row of the planes.
    number: Option<usize>,
    right: Vec<f32>,
    down: Vec<f32>,
    trust: Vec<f32>,
    gain: Vec<f32>,
}

impl FlowFilter {
    /// Allocates for pictures of this size; watching does it by itself.
    pub fn prepare(&mut self, size: Size, order: PixelOrder) {
        if !self.memory.as_ref().is_some_and(|memory| memory.shape == (size, order)) {
            self.memory = Some(Memory::new(size, order));
            self.blank = true;
        }
    }

    /// Looks at the next unpainted picture and finds where it was in the one before; with `holds` false nothing is held, but
    /// the picture is remembered.
    pub fn watch(&mut self, source: &Pixels, holds: bool) -> &mut Self {
        self.prepare(Size::new(source.width(), source.height()), source.order());
        let blank = std::mem::take(&mut self.blank);
        if let Some(memory) = &mut self.memory {
            memory.watch(source, holds && !blank);
        }
        self
    }

    pub(super) fn fits(&self, picture: &Pixels) -> bool {
        let shape = (Size::new(picture.width(), picture.height()), picture.order());
        self.memory.as_ref().is_some_and(|memory| memory.shape == shape)
    }

    /// Moves row `y`, newly painted, towards what was shown before, and remembers the outcome. Rows come in order.
    #[inline(always)]
    pub(super) fn hold_row<const BYTES: usize>(&mut self, y: usize, row: &mut [u8]) {
        if let Some(memory) = &mut self.memory {
            memory.hold_row::<BYTES>(y, row);
        }
    }
}

impl Memory {
    fn new(size: Size, order: PixelOrder) -> Self {
        let Size { width, height } = size;
        let now = Pyramid::new(width, height);
        let Plane { width: wide, height: high, .. } = now.levels[0].brightness;
        Self {
            shape: (size, order),
            before: Pyramid::new(width, height),
            back: Search::new(&now),
            forth: Search::new(&now),
            trust: Trust::new(wide, high),
            shown: Shown::new(width, height),
            coming: Shown::new(width, height),
            contrast: Contrast::new(width, height),
            kernel: Kernel::new(),
            above: Line::new(width),
            below: Line::new(width),
            now,
        }
    }

    fn watch(&mut self, source: &Pixels, holds: bool) {
        std::mem::swap(&mut self.now, &mut self.before);
        std::mem::swap(&mut self.shown, &mut self.coming);
        self.shown.fill_guard();
        self.contrast.settle();
        self.now.read(source);
        if holds {
            self.back.find(&self.now, &self.before);
            self.forth.find(&self.before, &self.now);
            self.trust.judge(&self.now, self.back.flow(), self.forth.flow());
        } else {
            self.contrast.forget();
            self.trust.clear(&self.now);
        }
        (self.above.number, self.below.number) = (None, None);
    }

    #[inline(always)]
    fn hold_row<const BYTES: usize>(&mut self, y: usize, row: &mut [u8]) {
        let scale = self.now.scale as f32;
        let high = self.trust.plane.height;
        let small_y = ((y as f32 + 0.5) / scale - 0.5).clamp(0.0, (high - 1) as f32);
        let top = small_y as usize;
        let below_part = small_y - top as f32;
        if self.above.number != Some(top) {
            std::mem::swap(&mut self.above, &mut self.below);
            let flow = self.back.flow();
            for (line, number) in [(&mut self.above, top), (&mut self.below, (top + 1).min(high - 1))] {
                if line.number != Some(number) {
                    line.spread(number, scale, flow, &self.trust.plane, &self.contrast);
                }
            }
        }
        let (above, below) = (&self.above, &self.below);
        let between = |above: &[f32], below: &[f32], x: usize| above[x] + (below[x] - above[x]) * below_part;
        self.contrast.look::<BYTES>(y, row, 0);
        let (pixels, _) = row.as_chunks_mut::<BYTES>();
        for (x, (pixel, coming)) in pixels.iter_mut().zip(self.coming.row_mut(y)).enumerate() {
            let held = between(&above.trust, &below.trust, x) * MOST_HELD;
            let mut colours = [0.0; 4];
            for (colour, byte) in colours.iter_mut().zip(pixel.iter()) {
                *colour = f32::from(*byte);
            }
            if held > 0.0 {
                let there_x = x as f32 + between(&above.right, &below.right, x);
                let there_y = y as f32 + between(&above.down, &below.down, x);
                let gain = between(&above.gain, &below.gain, x);
                let seen = self.shown.at(&self.kernel, gain, there_x, there_y);
                for (colour, seen) in colours.iter_mut().zip(seen) {
                    let away = (seen - *colour).clamp(-FARTHEST, FARTHEST);
                    *colour = (*colour + away * held).clamp(0.0, 255.0);
                }
                for (byte, colour) in pixel.iter_mut().zip(colours) {
                    *byte = (colour + 0.5) as i32 as u8;
                }
            }
            *coming = colours;
        }
        self.contrast.look::<BYTES>(y, row, 1);
    }
}

impl Line {
    fn new(width: usize) -> Self {
        Self {
            number: None,
            right: vec![0.0; width],
            down: vec![0.0; width],
            trust: vec![0.0; width],
            gain: vec![0.0; width],
        }
    }

    /// Takes row `number` of planes whose pixels are `scale` pixels of the picture wide.
    #[inline(always)]
    fn spread(&mut self, number: usize, scale: f32, flow: &search::Flow, trust: &Plane, contrast: &Contrast) {
        self.number = Some(number);
        spread_out(&mut self.right, &flow.right, number, scale, scale);
        spread_out(&mut self.down, &flow.down, number, scale, scale);
        spread_out(&mut self.trust, trust, number, scale, 1.0);
        let y = (number as f32 + 0.5) * scale - 0.5;
        for (x, gain) in self.gain.iter_mut().enumerate() {
            *gain = contrast.at(x as f32, y);
        }
    }
}

/// Stretches a row of a plane by `scale`, between its pixels, and multiplies it by `factor`.
#[inline(always)]
fn spread_out(to: &mut [f32], plane: &Plane, number: usize, scale: f32, factor: f32) {
    let row = &plane.data[plane.place(0, number) - 1..][..plane.width + 3];
    for (x, value) in to.iter_mut().enumerate() {
        // Counted from the pixel before the row's first, which is in the margin.
        let place = (x as f32 + 0.5) / scale + 0.5;
        let left = place as i32 as usize;
        let part = place - left as f32;
        *value = (row[left] + (row[left + 1] - row[left]) * part) * factor;
    }
}
