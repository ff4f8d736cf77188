//! The painted picture as it was shown, and what is seen of it between its pixels.

/// Pixels that count on either side of a place between two of them.
const REACH: usize = 3;

/// Places between two pixels that are told apart.
const PLACES: usize = 64;

/// Gains of contrast that are told apart, and the greatest: so much of what sets a pixel off from its neighbours is added.
const GAINS: usize = 8;
const MOST_GAIN: f32 = 0.5;

/// The parts of the pixels around, for each gain of contrast and each place between the middle two.
#[derive(Debug)]
pub struct Kernel(Vec<[[f32; 2 * REACH]; PLACES + 1]>);

/// A painted picture, four numbers a pixel, with a guard around that repeats its edge. The numbers have fractions: what is held
/// for long would not get rid of rounding.
#[derive(Debug)]
pub struct Shown {
    width: usize,
    height: usize,
    stride: usize,
    data: Vec<[f32; 4]>,
}

impl Shown {
    pub fn new(width: usize, height: usize) -> Self {
        let stride = width + 2 * REACH;
        Self { width, height, stride, data: vec![[0.0; 4]; stride * (height + 2 * REACH)] }
    }

    /// Row `y`, to be written from left to right.
    #[inline(always)]
    pub fn row_mut(&mut self, y: usize) -> &mut [[f32; 4]] {
        &mut self.data[(y + REACH) * self.stride + REACH..][..self.width]
    }

    /// Repeats the edge all over the guard.
    pub fn fill_guard(&mut self) {
        let (width, height, stride) = (self.width, self.height, self.stride);
        for row in self.data[REACH * stride..][..height * stride].chunks_mut(stride) {
            let (first, last) = (row[REACH], row[REACH + width - 1]);
            row[..REACH].fill(first);
            row[REACH + width..].fill(last);
        }
        for y in 0..REACH {
            self.data.copy_within(REACH * stride..(REACH + 1) * stride, y * stride);
            let last = (REACH + height - 1) * stride;
            self.data.copy_within(last..last + stride, (REACH + height + y) * stride);
        }
    }

    /// What is seen at `x`, `y`, which is brought into the picture, with more contrast by `gain` from 0 to 1.
    #[inline(always)]
    pub fn at(&self, kernel: &Kernel, gain: f32, x: f32, y: f32) -> [f32; 4] {
        let (x, y) = (x.clamp(0.0, (self.width - 1) as f32), y.clamp(0.0, (self.height - 1) as f32));
        let (left, top) = (x as i32, y as i32);
        let place = |part: f32| ((part * PLACES as f32 + 0.5) as i32 as usize).min(PLACES);
        let (across, down) = (place(x - left as f32), place(y - top as f32));
        let start = (top as usize + 1) * self.stride + left as usize + 1;
        let rows = &self.data[start..][..(2 * REACH - 1) * self.stride + 2 * REACH];
        let gain = (gain * GAINS as f32 + 0.5) as i32 as usize;
        if gain == 0 && across % PLACES == 0 && down % PLACES == 0 {
            return rows[(REACH - 1 + down / PLACES) * self.stride + REACH - 1 + across / PLACES];
        }
        let parts = &kernel.0[gain.min(GAINS)];
        let (across, down) = (&parts[across], &parts[down]);
        let mut columns = [[0.0; 4]; 2 * REACH];
        for (line, part) in down.iter().enumerate() {
            let pixels: &[[f32; 4]; 2 * REACH] = rows[line * self.stride..]
                .first_chunk()
                .unwrap_or_else(|| unreachable!("the guard holds what lies beside the picture"));
            for (sum, number) in columns.as_flattened_mut().iter_mut().zip(pixels.as_flattened()) {
                *sum += number * part;
            }
        }
        let mut seen = [0.0; 4];
        for (column, part) in columns.iter().zip(across) {
            for colour in 0..4 {
                seen[colour] += column[colour] * part;
            }
        }
        seen
    }
}

impl Kernel {
    /// Lanczos' with six pixels: repeated over many pictures it keeps the strokes, which fewer pixels would wash out.
    pub fn new() -> Self {
        let sinc = |x: f32| if x == 0.0 { 1.0 } else { (std::f32::consts::PI * x).sin() / (std::f32::consts::PI * x) };
        let lanczos = |x: f32| if x.abs() < REACH as f32 { sinc(x) * sinc(x / REACH as f32) } else { 0.0 };
        let parts = |gain: usize, place: usize| -> [f32; 2 * REACH] {
            let gain = gain as f32 / GAINS as f32 * MOST_GAIN;
            let parts: [f32; 2 * REACH] = std::array::from_fn(|pixel| {
                let away = (pixel + 1) as f32 - REACH as f32 - place as f32 / PLACES as f32;
                lanczos(away) * (1.0 + gain) - (lanczos(away - 1.0) + lanczos(away + 1.0)) * gain * 0.5
            });
            let sum: f32 = parts.iter().sum();
            parts.map(|part| part / sum)
        };
        Self((0..=GAINS).map(|gain| std::array::from_fn(|place| parts(gain, place))).collect())
    }
}
