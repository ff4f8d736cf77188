//! Where a painted picture is seen: a mask at a quarter of the size, which follows the picture's own edges, row by row.

use std::cmp::Ordering;

use super::numbers::{clamp, mix};
use super::simd::{self, Pass};
use super::{LUMA, Pixel, PixelOrder, Pixels};
use crate::style::geometry::Size;

/// The side of the squares of pixels that have one value in the planes of a mask.
pub const CELL: usize = 4;

/// Where the pixels between the middles of two cells lie: shares of the second.
const SHARES: [f32; CELL] = [0.125, 0.375, 0.625, 0.875];

/// What is surer than 0.5 by half of this is certain, and what is as much less too; at full feather, all is between.
const UNSURE: f32 = 0.4;

/// A cell of which a part as large as one of these is seen counts as painted.
const DOUBT: f32 = 4.0;

/// How many cells a picture has, in a row and in a column.
pub fn cells(picture: Size) -> [usize; 2] {
    [picture.width.div_ceil(CELL), picture.height.div_ceil(CELL)]
}

/// The planes of a mask, and what a row of pixels takes to be masked.
#[derive(Debug)]
pub struct Cover {
    size: Size,
    /// Of each cell: how sure it is that somebody is there is `slope` times the luminance, plus `base`.
    pub slope: Vec<f32>,
    pub base: Vec<f32>,
    /// A row of cells of each, with one more at either end; and the same for each pixel, from half a cell before the first.
    lines: [Vec<f32>; 2],
    across: [Vec<f32>; 2],
    amounts: [f32; 2],
    gain: f32,
}

/// What is seen where a painted picture is not.
#[derive(Debug, Clone, Copy)]
pub enum Beside<'a> {
    Source,
    /// Three colours, in the order of memory.
    Colour([u8; 3]),
    Picture(Pixels<'a>),
}

impl Cover {
    /// Allocates for pictures of this size.
    pub fn new(size: Size) -> Self {
        let [wide, high] = cells(size);
        let (plane, line, across) =
            (|| vec![0.0; wide * high], || vec![0.0; wide + 2], || vec![0.0; CELL * (wide + 1)]);
        Self {
            size,
            slope: plane(),
            base: plane(),
            lines: [line(), line()],
            across: [across(), across()],
            amounts: [1.0; 2],
            gain: 1.0,
        }
    }

    /// How much is seen of the painted picture where somebody is, and elsewhere; how soft the edge is. All 0 to 1.
    pub fn show(&mut self, person: f32, background: f32, feather: f32) {
        self.amounts = [clamp(person, 1.0), clamp(background, 1.0)];
        let feather = clamp(feather, 1.0);
        self.gain = 1.0 / (UNSURE + (1.0 - UNSURE) * feather);
    }

    /// How surely each cell, of this luminance, lies beside what is painted: 1 where there is no doubt, 0 where there is some.
    pub fn besides(&self, luminance: &[f32], besides: &mut [f32]) {
        let [person, background] = self.amounts;
        // Which of both is seen less of; where a look fades from one to the other, none is.
        let [slope, base] = match person.total_cmp(&background) {
            Ordering::Greater => [-1.0, 1.0],
            Ordering::Less => [1.0, 0.0],
            Ordering::Equal => [0.0, 1.0],
        };
        let lines = luminance.iter().zip(self.slope.iter().zip(&self.base));
        for (beside, (luminance, (line, start))) in besides.iter_mut().zip(lines) {
            let sure = clamp((line * luminance + start - 0.5) * self.gain + 0.5, 1.0);
            *beside = clamp(1.0 - DOUBT * (1.0 - (slope * sure + base)), 1.0);
        }
    }

    pub(super) fn fits(&self, picture: &Pixels) -> bool {
        self.size == Size::new(picture.width(), picture.height())
    }

    /// Lays row `y` of a painted picture over what lies beside it.
    #[inline(always)]
    pub(super) fn lay<const BYTES: usize>(&mut self, y: usize, source: &Pixels, beside: &Beside, row: &mut [u8])
    where
        [u8; BYTES]: Pixel,
    {
        self.spread(y);
        let weights = match source.order().is_blue_first() {
            false => LUMA,
            true => [LUMA[2], LUMA[1], LUMA[0]],
        };
        let [person, background] = self.amounts;
        let (gain, [slope, base]) = (self.gain, [0, 1].map(|line| &self.across[line][CELL / 2..]));
        let (pixels, _) = row.as_chunks_mut::<BYTES>();
        let (sources, _) = source.row(y).as_chunks::<BYTES>();
        let part = |colours: [f32; 3], slope: f32, base: f32| {
            let luminance = colours[0] * weights[0] + colours[1] * weights[1] + colours[2] * weights[2];
            let sure = clamp((slope * (luminance * (1.0 / 255.0)) + base - 0.5) * gain + 0.5, 1.0);
            background + (person - background) * sure
        };
        let lines = slope.iter().zip(base);
        match beside {
            Beside::Source => {
                for ((pixel, source), (slope, base)) in pixels.iter_mut().zip(sources).zip(lines) {
                    let colours = source.colours();
                    *pixel = Pixel::from_colours(mix(colours, pixel.colours(), part(colours, *slope, *base)));
                }
            }
            Beside::Colour(colour) => {
                let colour = colour.map(f32::from);
                for ((pixel, source), (slope, base)) in pixels.iter_mut().zip(sources).zip(lines) {
                    *pixel = Pixel::from_colours(mix(colour, pixel.colours(), part(source.colours(), *slope, *base)));
                }
            }
            Beside::Picture(picture) => {
                let (besides, _) = picture.row(y).as_chunks::<BYTES>();
                let pictures = sources.iter().zip(besides);
                for ((pixel, (source, beside)), (slope, base)) in pixels.iter_mut().zip(pictures).zip(lines) {
                    let part = part(source.colours(), *slope, *base);
                    *pixel = Pixel::from_colours(mix(beside.colours(), pixel.colours(), part));
                }
            }
        }
    }

    /// The values of the pixels of row `y`, between those of the cells.
    #[inline(always)]
    fn spread(&mut self, y: usize) {
        let [wide, high] = cells(self.size);
        let (below, share) = ((y + CELL / 2) / CELL, SHARES[(y + CELL / 2) % CELL]);
        let rows = [below.saturating_sub(1), below.min(high - 1)];
        for ((line, across), plane) in self.lines.iter_mut().zip(&mut self.across).zip([&self.slope, &self.base]) {
            let [above, below] = rows.map(|row| &plane[row * wide..][..wide]);
            for ((value, above), below) in line[1..=wide].iter_mut().zip(above).zip(below) {
                *value = above + (below - above) * share;
            }
            (line[0], line[wide + 1]) = (line[1], line[wide]);
            let (cells, _) = across.as_chunks_mut::<CELL>();
            for (cell, (left, right)) in cells.iter_mut().zip(line.iter().zip(&line[1..])) {
                *cell = SHARES.map(|share| left + (right - left) * share);
            }
        }
    }
}

/// Makes each cell of `source` one pixel of `small`, the mean of its pixels; `sums` has as many values as a row has bytes.
pub fn shrink(source: &Pixels, sums: &mut [u16], small: &mut [u8]) {
    match source.order().bytes() {
        3 => simd::run(Shrink::<3> { source, sums, small }),
        _ => simd::run(Shrink::<4> { source, sums, small }),
    }
}

struct Shrink<'a, const BYTES: usize> {
    source: &'a Pixels<'a>,
    sums: &'a mut [u16],
    small: &'a mut [u8],
}

impl<const BYTES: usize> Pass for Shrink<'_, BYTES> {
    #[inline(always)]
    fn run(self) {
        let Self { source, sums, small } = self;
        let wide = source.width().div_ceil(CELL);
        for (cell, small) in small.chunks_exact_mut(wide * BYTES).enumerate() {
            let rows = cell * CELL..((cell + 1) * CELL).min(source.height());
            let high = rows.len() as u16;
            sums.fill(0);
            for y in rows {
                sums.iter_mut().zip(source.row(y)).for_each(|(sum, byte)| *sum += u16::from(*byte));
            }
            let (sums, _) = sums.as_chunks::<BYTES>();
            let (small, _) = small.as_chunks_mut::<BYTES>();
            for (pixel, sums) in small.iter_mut().zip(sums.chunks(CELL)) {
                let count = sums.len() as u16 * high;
                for (colour, value) in pixel.iter_mut().enumerate() {
                    let sum: u16 = sums.iter().map(|sums| sums[colour]).sum();
                    *value = if count == 16 { (sum + 8) >> 4 } else { (sum + count / 2) / count } as u8;
                }
            }
        }
    }
}

/// The luminance of each pixel of a picture without padding, from 0 to 1.
pub fn luminance(pixels: &[u8], order: PixelOrder, plane: &mut [f32]) {
    let weights = if order.is_blue_first() { [LUMA[2], LUMA[1], LUMA[0]] } else { LUMA };
    for (value, pixel) in plane.iter_mut().zip(pixels.chunks_exact(order.bytes())) {
        let sum: f32 = pixel.iter().zip(weights).map(|(byte, weight)| f32::from(*byte) * weight).sum();
        *value = sum * (1.0 / 255.0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::{Finish, Masked, PixelsMut, finish_pixels};
    use super::*;

    const ORDERS: [PixelOrder; 4] = [PixelOrder::Rgb, PixelOrder::Bgr, PixelOrder::Rgbx, PixelOrder::Bgrx];

    /// The value of a plane in the middle of a pixel, between those in the middles of the cells around it.
    fn at(plane: &[f32], [wide, high]: [usize; 2], x: usize, y: usize) -> f32 {
        let place = |pixel: usize, cells: usize| {
            let place = ((pixel as f32 + 0.5) / CELL as f32 - 0.5).clamp(0.0, (cells - 1) as f32);
            (place as usize, (place as usize + 1).min(cells - 1), place.fract())
        };
        let ((left, right, along), (above, below, down)) = (place(x, wide), place(y, high));
        let of_row = |y: usize| plane[y * wide + left] * (1.0 - along) + plane[y * wide + right] * along;
        of_row(above) * (1.0 - down) + of_row(below) * down
    }

    fn lay(cover: &mut Cover, beside: Beside, source: &[u8], painted: &mut [u8], order: PixelOrder) {
        let Size { width, height } = cover.size;
        let source = &Pixels::packed(source, width, height, order).unwrap();
        let mask = Some(Masked { cover, beside });
        let mut finish = Finish { source, strength: 1.0, colours: 0.0, under: None, filter: None, mask };
        finish_pixels(&mut finish, &mut PixelsMut::packed(painted, width, height, order).unwrap());
    }

    proptest! {
        #[test]
        fn pixels_are_laid_like_the_reference(
            order in 0usize..4, width in 1usize..30, height in 1usize..20, feather in 0.0f32..1.0,
            person in 0.0f32..=1.0, background in 0.0f32..=1.0, beside in 0usize..3,
            bytes in vec(any::<u8>(), 3 * 30 * 20 * 4), lines in vec((-2.0f32..2.0, -1.0f32..2.0), 8 * 5),
        ) {
            let (order, size) = (ORDERS[order], Size::new(width, height));
            let (length, cells) = (width * height * order.bytes(), cells(size));
            let [source, painted, other] = [0, 1, 2].map(|part| &bytes[part * length..][..length]);
            let mut cover = Cover::new(size);
            let lines = lines.iter().cycle().copied().take(cells[0] * cells[1]);
            (cover.slope, cover.base) = lines.unzip();
            cover.show(person, background, feather);
            let picture = Pixels::packed(other, width, height, order).unwrap();
            let beside = [Beside::Source, Beside::Colour([7, 70, 170]), Beside::Picture(picture)][beside];
            let mut laid = painted.to_vec();
            lay(&mut cover, beside, source, &mut laid, order);
            for place in 0..width * height {
                let (x, y) = (place % width, place / width);
                let pixel = |picture: &[u8]| -> [f32; 3] { std::array::from_fn(|colour| picture[place * order.bytes() + colour].into()) };
                let luminance: f32 = pixel(source).iter().zip(order.in_memory([0, 1, 2])).map(|(value, colour)| value * LUMA[usize::from(colour)]).sum();
                let sure = at(&cover.slope, cells, x, y) * luminance / 255.0 + at(&cover.base, cells, x, y);
                let certain = ((sure - 0.5) / (UNSURE + (1.0 - UNSURE) * feather) + 0.5).clamp(0.0, 1.0);
                let seen = background * (1.0 - certain) + person * certain;
                let under = match beside {
                    Beside::Source => pixel(source),
                    Beside::Colour(colour) => colour.map(f32::from),
                    Beside::Picture(_) => pixel(other),
                };
                for (colour, (under, over)) in under.into_iter().zip(pixel(painted)).enumerate() {
                    let expected = under * (1.0 - seen) + over * seen;
                    let is = f32::from(laid[place * order.bytes() + colour]);
                    prop_assert!((is - expected).abs() < 0.6, "{x}, {y}: {is}, not {expected}");
                }
            }
        }

        #[test]
        fn where_it_is_certain_every_byte_is_exact(
            order in 0usize..4, width in 1usize..30, height in 1usize..20, feather in 0.0f32..1.0, is_person: bool,
            shows_person: bool, bytes in vec(any::<u8>(), 2 * 30 * 20 * 4),
        ) {
            let order = ORDERS[order];
            let length = width * height * order.bytes();
            let opaque = |part: usize| -> Vec<u8> {
                let bytes = bytes[part * length..][..length].chunks(order.bytes());
                bytes.flat_map(|pixel| pixel.iter().enumerate().map(|(place, byte)| if place == 3 { 255 } else { *byte })).collect()
            };
            let [source, painted] = [opaque(0), opaque(1)];
            let mut cover = Cover::new(Size::new(width, height));
            cover.base.fill(f32::from(u8::from(is_person)));
            let amount = |shown: bool| f32::from(u8::from(shown));
            cover.show(amount(shows_person), amount(!shows_person), feather);
            let mut laid = painted.clone();
            lay(&mut cover, Beside::Source, &source, &mut laid, order);
            prop_assert_eq!(&laid, if is_person == shows_person { &painted } else { &source });
        }

        #[test]
        fn a_cell_is_the_mean_of_its_pixels(width in 1usize..30, height in 1usize..20, bytes in vec(any::<u8>(), 30 * 20 * 4)) {
            let size = Size::new(width, height);
            let [wide, high] = cells(size);
            let source = Pixels::packed(&bytes, width, height, PixelOrder::Bgrx).unwrap();
            let mut small = vec![0; wide * high * 4];
            shrink(&source, &mut vec![0; width * 4], &mut small);
            for (place, value) in small.iter().enumerate() {
                let (x, y, byte) = (place / 4 % wide, place / 4 / wide, place % 4);
                let rows = y * CELL..((y + 1) * CELL).min(height);
                let pixels = rows.flat_map(|y| (x * CELL..((x + 1) * CELL).min(width)).map(move |x| (x, y)));
                let values: Vec<f32> = pixels.map(|(x, y)| f32::from(bytes[(y * width + x) * 4 + byte])).collect();
                let mean = values.iter().sum::<f32>() / values.len() as f32;
                prop_assert!((f32::from(*value) - mean).abs() <= 0.5, "{x}, {y}: {value}, not {mean}");
            }
        }
    }
}
