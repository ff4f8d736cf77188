//! Tensor to pixels, blended with the unpainted picture if asked.

use super::simd::{self, Pass};
use super::{Layout, Pixel, Pixels, PixelsMut, TensorSpec, round};

/// Writes `tensor` from `spec.border` columns and rows on into `dst`, as much as `dst` takes.
///
/// A byte is `(value - range[0]) * (255 / (range[1] - range[0]))`, clamped to 0..=255 and rounded to the nearest
/// integer, ties to even; NaN becomes 0. The x byte becomes 255; bytes between rows stay as they are.
///
/// # Panics
/// `tensor` is not [`TensorSpec::len`] long, or `dst` at its place is wider or higher than the tensor.
pub fn tensor_to_pixels(tensor: &[f32], spec: &TensorSpec, dst: &mut PixelsMut) {
    spec.check(tensor, &dst.as_ref());
    simd::run(ToPixels { tensor, spec, source: None, dst });
}

/// Writes `tensor` into `dst` like [`tensor_to_pixels`], blended with the unpainted `source`.
///
/// A byte is `source + (painted - source) * strength`, rounded to the nearest integer, ties to even, where
/// `painted` is the byte that [`tensor_to_pixels`] writes. So a `strength` of 0 gives the source's colours and
/// 1 gives the painted ones, both exactly. `strength` is clamped to 0..=1; NaN counts as 0.
///
/// # Panics
/// As [`tensor_to_pixels`]; and if `source` differs from `dst` in size or pixel order.
pub fn tensor_to_pixels_blended(
    tensor: &[f32],
    spec: &TensorSpec,
    source: &Pixels,
    strength: f32,
    dst: &mut PixelsMut,
) {
    spec.check(tensor, source);
    assert!(
        (source.width(), source.height(), source.order()) == (dst.width(), dst.height(), dst.order()),
        "the unpainted picture differs from the painted one in size or pixel order"
    );
    let source = Some((source, Blend::new(strength)));
    simd::run(ToPixels { tensor, spec, source, dst });
}

pub(super) struct ToPixels<'a, 'd> {
    pub tensor: &'a [f32],
    pub spec: &'a TensorSpec,
    pub source: Option<(&'a Pixels<'a>, Blend)>,
    pub dst: &'a mut PixelsMut<'d>,
}

impl Pass for ToPixels<'_, '_> {
    #[inline(always)]
    fn run(self) {
        let swap = self.spec.swaps(self.dst.order());
        match (self.spec.layout, self.dst.order().bytes()) {
            (Layout::Nchw, 3) => self.write_from_planes::<3>(swap),
            (Layout::Nchw, _) => self.write_from_planes::<4>(swap),
            (Layout::Nhwc, 3) if swap => self.write_from_interleaved::<3, true>(),
            (Layout::Nhwc, 3) => self.write_from_interleaved::<3, false>(),
            (Layout::Nhwc, _) if swap => self.write_from_interleaved::<4, true>(),
            (Layout::Nhwc, _) => self.write_from_interleaved::<4, false>(),
        }
    }
}

impl ToPixels<'_, '_> {
    #[inline(always)]
    fn write_from_planes<const BYTES: usize>(self, swap: bool)
    where
        [u8; BYTES]: Pixel,
    {
        let Self { tensor, spec, source, dst } = self;
        let decode = Decode::new(spec.range);
        let planes = spec.planes(tensor, swap);
        for y in 0..dst.height() {
            let [first, second, third] = planes.map(|plane| &plane[(spec.border + y) * spec.width + spec.border..]);
            let values = first.iter().zip(second).zip(third);
            let (dst, _) = dst.row_mut(y).as_chunks_mut::<BYTES>();
            match source {
                None => {
                    for (pixel, ((&a, &b), &c)) in dst.iter_mut().zip(values) {
                        *pixel = Pixel::from_colours(decode.colours([a, b, c]));
                    }
                }
                Some((source, blend)) => {
                    let (source, _) = source.row(y).as_chunks::<BYTES>();
                    for ((pixel, source), ((&a, &b), &c)) in dst.iter_mut().zip(source).zip(values) {
                        let painted = decode.colours([a, b, c]);
                        *pixel = Pixel::from_colours(blend.colours(source.colours(), painted));
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn write_from_interleaved<const BYTES: usize, const SWAP: bool>(self)
    where
        [u8; BYTES]: Pixel,
    {
        let Self { tensor, spec, source, dst } = self;
        let decode = Decode::new(spec.range);
        let (values, _) = tensor.as_chunks();
        for y in 0..dst.height() {
            let values = &values[(spec.border + y) * spec.width + spec.border..];
            let (dst, _) = dst.row_mut(y).as_chunks_mut::<BYTES>();
            match source {
                None => {
                    for (pixel, value) in dst.iter_mut().zip(values) {
                        *pixel = Pixel::from_colours(decode.colours(ordered::<SWAP>(*value)));
                    }
                }
                Some((source, blend)) => {
                    let (source, _) = source.row(y).as_chunks::<BYTES>();
                    for ((pixel, source), value) in dst.iter_mut().zip(source).zip(values) {
                        let painted = decode.colours(ordered::<SWAP>(*value));
                        *pixel = Pixel::from_colours(blend.colours(source.colours(), painted));
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn ordered<const SWAP: bool>([first, second, third]: [f32; 3]) -> [f32; 3] {
    if SWAP { [third, second, first] } else { [first, second, third] }
}

/// Tensor value to byte.
#[derive(Clone, Copy)]
struct Decode {
    offset: f32,
    scale: f32,
}

impl Decode {
    fn new([low, high]: [f32; 2]) -> Self {
        Self { offset: low, scale: 255.0 / (high - low) }
    }

    #[inline(always)]
    fn colours(self, values: [f32; 3]) -> [f32; 3] {
        values.map(|value| clamp((value - self.offset) * self.scale, 255.0))
    }
}

/// How much of the painted picture is seen: 0 to 1.
#[derive(Clone, Copy)]
pub(super) struct Blend {
    strength: f32,
}

impl Blend {
    pub fn new(strength: f32) -> Self {
        Self { strength: clamp(strength, 1.0) }
    }

    #[inline(always)]
    fn colours(self, source: [f32; 3], painted: [f32; 3]) -> [f32; 3] {
        // Whole numbers subtract and add exactly, so that a strength of 1 gives `painted` exactly.
        let mix = |source: f32, painted: f32| source + (round(painted) - source) * self.strength;
        [mix(source[0], painted[0]), mix(source[1], painted[1]), mix(source[2], painted[2])]
    }
}

/// `value` within 0 to `high`; NaN becomes 0. Comparisons, because `f32::clamp` would let NaN through.
#[inline(always)]
fn clamp(value: f32, high: f32) -> f32 {
    let value = if value > 0.0 { value } else { 0.0 };
    if value < high { value } else { high }
}
