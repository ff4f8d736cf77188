//! Tensor to pixels, finished row by row if asked.

use super::finish::{Finish, Rows};
use super::numbers::clamp;
use super::simd::{self, Pass};
use super::{Channels, Layout, Pixel, PixelsMut, TensorSpec};

/// Writes `tensor` from `spec.border` columns and rows on into `dst`, as much as `dst` takes.
///
/// A byte is `(value - low) * (255 / (high - low))` with the range of its channel, clamped to 0..=255 and rounded to the
/// nearest integer, ties to even; NaN becomes 0. A grey value becomes all three colours; alpha is ignored. The x byte
/// becomes 255; bytes between rows stay as they are.
///
/// # Panics
/// `tensor` is not [`TensorSpec::len`] long, or `dst` at its place is wider or higher than the tensor.
pub fn tensor_to_pixels(tensor: &[f32], spec: &TensorSpec, dst: &mut PixelsMut) {
    spec.check(tensor, &dst.as_ref());
    simd::run(ToPixels { tensor, spec, rows: None, dst });
}

/// Writes `tensor` into `dst` like [`tensor_to_pixels`], and [finishes](super::finish_pixels) each row while it is in the
/// cache.
///
/// # Panics
/// As [`tensor_to_pixels`]; and if a picture of `finish` differs from `dst` in size or pixel order.
pub fn tensor_to_pixels_finished(tensor: &[f32], spec: &TensorSpec, finish: &mut Finish, dst: &mut PixelsMut) {
    spec.check(tensor, &dst.as_ref());
    finish.check(&dst.as_ref());
    simd::run(ToPixels { tensor, spec, rows: Some(finish.rows()), dst });
}

pub(super) struct ToPixels<'a, 'd> {
    pub tensor: &'a [f32],
    pub spec: &'a TensorSpec,
    pub rows: Option<Rows<'a>>,
    pub dst: &'a mut PixelsMut<'d>,
}

impl Pass for ToPixels<'_, '_> {
    #[inline(always)]
    fn run(self) {
        // Small cells are read a quarter as fast with the colours alike: the compiler gives up its vectors.
        if self.spec.cells == 2 {
            let swap = self.spec.swaps(self.dst.order());
            return match self.dst.order().bytes() {
                3 => self.write_from_cells::<false, 3, 2>(swap),
                _ => self.write_from_cells::<false, 4, 2>(swap),
            };
        }
        let [first, second, third] = self.spec.colour_ranges(false);
        // Most tensors hold all colours alike: then their numbers stay in two registers.
        if first == second && second == third { self.write::<true>() } else { self.write::<false>() }
    }
}

impl ToPixels<'_, '_> {
    /// With `ALIKE`, all colours have the same range.
    #[inline(always)]
    fn write<const ALIKE: bool>(self) {
        let swap = self.spec.swaps(self.dst.order());
        match (self.spec.cells, self.dst.order().bytes()) {
            (4, 3) => return self.write_from_cells::<ALIKE, 3, 4>(swap),
            (4, _) => return self.write_from_cells::<ALIKE, 4, 4>(swap),
            (8, 3) => return self.write_from_cells::<ALIKE, 3, 8>(swap),
            (8, _) => return self.write_from_cells::<ALIKE, 4, 8>(swap),
            _ => {}
        }
        match (self.spec.layout, self.spec.channels, self.dst.order().bytes()) {
            // A tensor of one channel is the same in both layouts.
            (Layout::Nchw, _, 3) | (_, Channels::Gray, 3) => self.write_from_planes::<ALIKE, 3>(swap),
            (Layout::Nchw, ..) | (_, Channels::Gray, _) => self.write_from_planes::<ALIKE, 4>(swap),
            (Layout::Nhwc, Channels::Rgba, 3) if swap => self.write_from_interleaved::<ALIKE, 3, 4, true>(),
            (Layout::Nhwc, Channels::Rgba, 3) => self.write_from_interleaved::<ALIKE, 3, 4, false>(),
            (Layout::Nhwc, Channels::Rgba, _) if swap => self.write_from_interleaved::<ALIKE, 4, 4, true>(),
            (Layout::Nhwc, Channels::Rgba, _) => self.write_from_interleaved::<ALIKE, 4, 4, false>(),
            (Layout::Nhwc, _, 3) if swap => self.write_from_interleaved::<ALIKE, 3, 3, true>(),
            (Layout::Nhwc, _, 3) => self.write_from_interleaved::<ALIKE, 3, 3, false>(),
            (Layout::Nhwc, ..) if swap => self.write_from_interleaved::<ALIKE, 4, 3, true>(),
            (Layout::Nhwc, ..) => self.write_from_interleaved::<ALIKE, 4, 3, false>(),
        }
    }

    #[inline(always)]
    fn write_from_planes<const ALIKE: bool, const BYTES: usize>(self, swap: bool)
    where
        [u8; BYTES]: Pixel,
    {
        let Self { tensor, spec, mut rows, dst } = self;
        let decode = Decode::<ALIKE>::new(spec.colour_ranges(swap));
        let planes = spec.planes(tensor, swap);
        for y in 0..dst.height() {
            let [first, second, third] = planes.map(|plane| &plane[(spec.border + y) * spec.width + spec.border..]);
            let values = first.iter().zip(second).zip(third);
            let row = dst.row_mut(y);
            let (pixels, _) = row.as_chunks_mut::<BYTES>();
            for (pixel, ((&a, &b), &c)) in pixels.iter_mut().zip(values) {
                *pixel = Pixel::from_colours(decode.colours([a, b, c]));
            }
            if let Some(rows) = &mut rows {
                rows.finish::<BYTES>(y, row);
            }
        }
    }

    /// Reads cells of SIDE x SIDE pixels straight from the last convolution: what DepthToSpace would only move about.
    #[inline(always)]
    fn write_from_cells<const ALIKE: bool, const BYTES: usize, const SIDE: usize>(self, swap: bool)
    where
        [u8; BYTES]: Pixel,
    {
        let Self { tensor, spec, mut rows, dst } = self;
        let decode = Decode::<ALIKE>::new(spec.colour_ranges(swap));
        let (wide, high, first) = (spec.width / SIDE, spec.height / SIDE, spec.border / SIDE);
        let count = dst.width().div_ceil(SIDE);
        let planes = spec.planes(tensor, swap);
        for y in 0..dst.height() {
            let (down, line) = ((spec.border + y) / SIDE, (spec.border + y) % SIDE);
            // Each colour of each of the SIDE pixels in this line of the cells.
            let values = planes.map(|plane| {
                std::array::from_fn::<&[f32], SIDE, _>(|column| {
                    &plane[((line * SIDE + column) * high + down) * wide + first..][..count]
                })
            });
            let row = dst.row_mut(y);
            let (pixels, _) = row.as_chunks_mut::<BYTES>();
            let (cells, rest) = pixels.as_chunks_mut::<SIDE>();
            for (place, cell) in cells.iter_mut().enumerate() {
                for (column, pixel) in cell.iter_mut().enumerate() {
                    *pixel = Pixel::from_colours(decode.colours(colours_at(&values, column, place)));
                }
            }
            for (column, last) in rest.iter_mut().enumerate() {
                *last = Pixel::from_colours(decode.colours(colours_at(&values, column, count - 1)));
            }
            if let Some(rows) = &mut rows {
                rows.finish::<BYTES>(y, row);
            }
        }
    }

    #[inline(always)]
    fn write_from_interleaved<const ALIKE: bool, const BYTES: usize, const CHANNELS: usize, const SWAP: bool>(self)
    where
        [u8; BYTES]: Pixel,
    {
        let Self { tensor, spec, mut rows, dst } = self;
        let decode = Decode::<ALIKE>::new(spec.colour_ranges(SWAP));
        let (values, _) = tensor.as_chunks::<CHANNELS>();
        for y in 0..dst.height() {
            let values = &values[(spec.border + y) * spec.width + spec.border..];
            let row = dst.row_mut(y);
            let (pixels, _) = row.as_chunks_mut::<BYTES>();
            for (pixel, value) in pixels.iter_mut().zip(values) {
                let [first, second, third] = [value[0], value[1], value[2]];
                let colours = if SWAP { [third, second, first] } else { [first, second, third] };
                *pixel = Pixel::from_colours(decode.colours(colours));
            }
            if let Some(rows) = &mut rows {
                rows.finish::<BYTES>(y, row);
            }
        }
    }
}

/// What the three planes hold of a pixel, each with a slice for each column of the cells.
#[inline(always)]
fn colours_at<const SIDE: usize>(planes: &[[&[f32]; SIDE]; 3], column: usize, place: usize) -> [f32; 3] {
    [planes[0][column][place], planes[1][column][place], planes[2][column][place]]
}

/// The tensor's values of a pixel to its bytes; with `ALIKE` all by the first colour's numbers.
#[derive(Clone, Copy)]
struct Decode<const ALIKE: bool> {
    offsets: [f32; 3],
    scales: [f32; 3],
}

impl<const ALIKE: bool> Decode<ALIKE> {
    fn new(ranges: [[f32; 2]; 3]) -> Self {
        Self { offsets: ranges.map(|[low, _]| low), scales: ranges.map(|[low, high]| 255.0 / (high - low)) }
    }

    #[inline(always)]
    fn colours(self, values: [f32; 3]) -> [f32; 3] {
        if ALIKE {
            return [self.colour(values[0], 0), self.colour(values[1], 0), self.colour(values[2], 0)];
        }
        [self.colour(values[0], 0), self.colour(values[1], 1), self.colour(values[2], 2)]
    }

    #[inline(always)]
    fn colour(self, value: f32, place: usize) -> f32 {
        clamp((value - self.offsets[place]) * self.scales[place], 255.0)
    }
}
