//! Swapping left and right.

use super::simd::{self, Pass};
use super::{Pixels, PixelsMut};

/// Writes `source` with left and right swapped into `buffer`, which grows to its length once.
pub fn mirror_pixels<'a>(source: &Pixels, buffer: &'a mut Vec<u8>) -> Pixels<'a> {
    buffer.resize(source.data().len(), 0);
    simd::run(Mirror { source, dst: &mut PixelsMut::like(buffer, source) });
    Pixels::like(buffer, source)
}

struct Mirror<'a, 'd> {
    source: &'a Pixels<'a>,
    dst: &'a mut PixelsMut<'d>,
}

impl Pass for Mirror<'_, '_> {
    #[inline(always)]
    fn run(self) {
        match self.source.order().bytes() {
            3 => self.mirror::<3>(),
            _ => self.mirror::<4>(),
        }
    }
}

impl Mirror<'_, '_> {
    #[inline(always)]
    fn mirror<const BYTES: usize>(self) {
        for y in 0..self.source.height() {
            let (source, _) = self.source.row(y).as_chunks::<BYTES>();
            let (dst, _) = self.dst.row_mut(y).as_chunks_mut::<BYTES>();
            for (pixel, source) in dst.iter_mut().zip(source.iter().rev()) {
                *pixel = *source;
            }
        }
    }
}
