//! The arithmetic of pixels: what is exact at its ends, and what the compiler turns into vectors.

/// Whole numbers subtract and add exactly, so that 0 gives `from` exactly and 1 gives `to`.
#[inline(always)]
pub fn mix(from: [f32; 3], to: [f32; 3], part: f32) -> [f32; 3] {
    let mix = |from: f32, to: f32| from + (to - from) * part;
    [mix(from[0], to[0]), mix(from[1], to[1]), mix(from[2], to[2])]
}

#[inline(always)]
pub fn lesser(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

#[inline(always)]
pub fn greater(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// `value` within 0 to `high`; NaN becomes 0. Comparisons, because `f32::clamp` would let NaN through.
#[inline(always)]
pub fn clamp(value: f32, high: f32) -> f32 {
    let value = if value > 0.0 { value } else { 0.0 };
    if value < high { value } else { high }
}
