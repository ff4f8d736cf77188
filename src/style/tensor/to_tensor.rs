//! Pixels to tensor, with a border filled by reflection.

use super::simd::{self, Pass};
use super::{Channels, LUMA, Layout, Pixel, Pixels, TensorSpec};

/// Fills `tensor` from `src`: `low + byte * ((high - low) / 255)` for every colour of every pixel, with the range of its
/// channel. A grey tensor gets `0.299 * red + 0.587 * green + 0.114 * blue`, summed in this order, as the byte; alpha is
/// that of byte 255.
///
/// The picture lies `spec.border` pixels from the left and the top; what a larger tensor has around it is filled by
/// reflection: the pixels follow backwards from the edge, which is not repeated itself (`reflect` in numpy), then
/// forwards again, as often as it takes. A picture that is one pixel wide or high repeats it.
///
/// # Panics
/// `tensor` is not [`TensorSpec::len`] long, or the picture at its place is wider or higher than the tensor.
pub fn pixels_to_tensor(src: &Pixels, spec: &TensorSpec, tensor: &mut [f32]) {
    spec.check(tensor, src);
    simd::run(ToTensor { src, spec, tensor });
}

pub(super) struct ToTensor<'a> {
    pub src: &'a Pixels<'a>,
    pub spec: &'a TensorSpec,
    pub tensor: &'a mut [f32],
}

impl Pass for ToTensor<'_> {
    #[inline(always)]
    fn run(self) {
        let swap = self.spec.swaps(self.src.order());
        match (self.spec.layout, self.spec.channels, self.src.order().bytes()) {
            // A tensor of one channel is the same in both layouts.
            (_, Channels::Gray, 3) => self.fill_gray::<3>(),
            (_, Channels::Gray, _) => self.fill_gray::<4>(),
            (Layout::Nchw, _, 3) => self.fill_planes::<3>(swap),
            (Layout::Nchw, ..) => self.fill_planes::<4>(swap),
            (Layout::Nhwc, Channels::Rgba, 3) if swap => self.fill_interleaved::<3, 4, true>(),
            (Layout::Nhwc, Channels::Rgba, 3) => self.fill_interleaved::<3, 4, false>(),
            (Layout::Nhwc, Channels::Rgba, _) if swap => self.fill_interleaved::<4, 4, true>(),
            (Layout::Nhwc, Channels::Rgba, _) => self.fill_interleaved::<4, 4, false>(),
            (Layout::Nhwc, _, 3) if swap => self.fill_interleaved::<3, 3, true>(),
            (Layout::Nhwc, _, 3) => self.fill_interleaved::<3, 3, false>(),
            (Layout::Nhwc, ..) if swap => self.fill_interleaved::<4, 3, true>(),
            (Layout::Nhwc, ..) => self.fill_interleaved::<4, 3, false>(),
        }
    }
}

impl ToTensor<'_> {
    #[inline(always)]
    fn fill_planes<const BYTES: usize>(self, swap: bool)
    where
        [u8; BYTES]: Pixel,
    {
        let Self { src, spec, tensor } = self;
        if spec.channels == Channels::Rgba {
            tensor[3 * spec.width * spec.height..].fill(Encode::new(spec.ranges[3]).value(255.0));
        }
        let [to_first, to_second, to_third] = spec.colour_ranges(swap).map(Encode::new);
        let mut planes = spec.planes_mut(tensor, swap);
        for y in 0..src.height() {
            let (pixels, _) = src.row(y).as_chunks::<BYTES>();
            let mut rows = planes.each_mut().map(|plane| &mut plane[(spec.border + y) * spec.width..][..spec.width]);
            let [first, second, third] = rows.each_mut().map(|row| &mut row[spec.border..]);
            for (((pixel, a), b), c) in pixels.iter().zip(first).zip(second).zip(third) {
                let [first, second, third] = pixel.colours();
                *a = to_first.value(first);
                *b = to_second.value(second);
                *c = to_third.value(third);
            }
            for row in rows {
                reflect_sideways(row, spec.border, src.width());
            }
        }
        for plane in planes {
            reflect_up_and_down(plane, spec.width, spec.border, src.height());
        }
    }

    #[inline(always)]
    fn fill_gray<const BYTES: usize>(self)
    where
        [u8; BYTES]: Pixel,
    {
        let Self { src, spec, tensor } = self;
        let encode = Encode::new(spec.ranges[0]);
        let blue_first = src.order().is_blue_first();
        for y in 0..src.height() {
            let (pixels, _) = src.row(y).as_chunks::<BYTES>();
            let row = &mut tensor[(spec.border + y) * spec.width..][..spec.width];
            for (pixel, value) in pixels.iter().zip(&mut row[spec.border..]) {
                let [first, green, third] = pixel.colours();
                let (red, blue) = if blue_first { (third, first) } else { (first, third) };
                *value = encode.value(red * LUMA[0] + green * LUMA[1] + blue * LUMA[2]);
            }
            reflect_sideways(row, spec.border, src.width());
        }
        reflect_up_and_down(tensor, spec.width, spec.border, src.height());
    }

    #[inline(always)]
    fn fill_interleaved<const BYTES: usize, const CHANNELS: usize, const SWAP: bool>(self)
    where
        [u8; BYTES]: Pixel,
    {
        let Self { src, spec, tensor } = self;
        let [to_first, to_second, to_third, to_alpha] = spec.ranges.map(Encode::new);
        let opaque = to_alpha.value(255.0);
        let (values, _) = tensor.as_chunks_mut::<CHANNELS>();
        for y in 0..src.height() {
            let (pixels, _) = src.row(y).as_chunks::<BYTES>();
            let row = &mut values[(spec.border + y) * spec.width..][..spec.width];
            for (pixel, value) in pixels.iter().zip(&mut row[spec.border..]) {
                let [first, second, third] = pixel.colours();
                let (first, third) = if SWAP { (third, first) } else { (first, third) };
                value[0] = to_first.value(first);
                value[1] = to_second.value(second);
                value[2] = to_third.value(third);
                if CHANNELS == 4 {
                    value[3] = opaque;
                }
            }
            reflect_sideways(row, spec.border, src.width());
        }
        reflect_up_and_down(values, spec.width, spec.border, src.height());
    }
}

/// Byte to tensor value. Arithmetic: a table of 256 values would be looked up one by one.
#[derive(Clone, Copy)]
struct Encode {
    offset: f32,
    scale: f32,
}

impl Encode {
    fn new([low, high]: [f32; 2]) -> Self {
        Self { offset: low, scale: (high - low) / 255.0 }
    }

    /// The value of a byte.
    #[inline(always)]
    fn value(self, colour: f32) -> f32 {
        self.offset + colour * self.scale
    }
}

/// Fills `row` on both sides of its `filled` values from `start` on by reflecting those.
fn reflect_sideways<T: Copy>(row: &mut [T], start: usize, filled: usize) {
    for x in (0..start).chain(start + filled..row.len()) {
        row[x] = row[start + reflect(x.abs_diff(start), filled)];
    }
}

/// Fills the rows above and below the `filled` rows of `plane` from `start` on by reflecting those; rows are `width`
/// values wide.
fn reflect_up_and_down<T: Copy>(plane: &mut [T], width: usize, start: usize, filled: usize) {
    for y in (0..start).chain(start + filled..plane.len() / width) {
        let from = (start + reflect(y.abs_diff(start), filled)) * width;
        plane.copy_within(from..from + width, y * width);
    }
}

/// The place among `len` where a walk of `steps` from the first ends that turns round at both ends; it is the same
/// walk whether it sets out inwards or outwards.
fn reflect(steps: usize, len: usize) -> usize {
    let last = len - 1;
    if last == 0 {
        return 0;
    }
    let steps = steps % (2 * last);
    steps.min(2 * last - steps)
}
