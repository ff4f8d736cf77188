//! Pixels to tensor, with a border filled by reflection.

use super::simd::{self, Pass};
use super::{Layout, Pixel, Pixels, TensorSpec};

/// Fills `tensor` from `src`: `range[0] + byte * ((range[1] - range[0]) / 255)` for every colour of every pixel.
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
        match (self.spec.layout, self.src.order().bytes()) {
            (Layout::Nchw, 3) => self.fill_planes::<3>(swap),
            (Layout::Nchw, _) => self.fill_planes::<4>(swap),
            (Layout::Nhwc, 3) if swap => self.fill_interleaved::<3, true>(),
            (Layout::Nhwc, 3) => self.fill_interleaved::<3, false>(),
            (Layout::Nhwc, _) if swap => self.fill_interleaved::<4, true>(),
            (Layout::Nhwc, _) => self.fill_interleaved::<4, false>(),
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
        let encode = Encode::new(spec.range);
        let mut planes = spec.planes_mut(tensor, swap);
        for y in 0..src.height() {
            let (pixels, _) = src.row(y).as_chunks::<BYTES>();
            let mut rows = planes.each_mut().map(|plane| &mut plane[(spec.border + y) * spec.width..][..spec.width]);
            let [first, second, third] = rows.each_mut().map(|row| &mut row[spec.border..]);
            for (((pixel, a), b), c) in pixels.iter().zip(first).zip(second).zip(third) {
                let [first, second, third] = pixel.colours();
                *a = encode.value(first);
                *b = encode.value(second);
                *c = encode.value(third);
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
    fn fill_interleaved<const BYTES: usize, const SWAP: bool>(self)
    where
        [u8; BYTES]: Pixel,
    {
        let Self { src, spec, tensor } = self;
        let encode = Encode::new(spec.range);
        let (values, _) = tensor.as_chunks_mut();
        for y in 0..src.height() {
            let (pixels, _) = src.row(y).as_chunks::<BYTES>();
            let row = &mut values[(spec.border + y) * spec.width..][..spec.width];
            for (pixel, value) in pixels.iter().zip(&mut row[spec.border..]) {
                let [first, second, third] = pixel.colours();
                let (first, third) = if SWAP { (third, first) } else { (first, third) };
                *value = [encode.value(first), encode.value(second), encode.value(third)];
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
