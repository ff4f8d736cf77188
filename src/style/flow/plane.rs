//! The brightness of a picture at falling sizes, which motion is looked for in.

use crate::lanes::each;
use crate::style::tensor::{Pass, Pixels, simd};

/// Pixels around a plane that repeat its edge, so that a patch may lie half outside.
pub const MARGIN: usize = 16;

/// The largest plane: of larger pictures, squares of pixels are averaged first.
const MOST_PIXELS: usize = 160_000;

/// Planes are halved until a side is shorter than this.
const LEAST_SIDE: usize = 12;

/// A plane of numbers with a margin.
#[derive(Debug, Clone)]
pub struct Plane {
    pub width: usize,
    pub height: usize,
    pub stride: usize,
    pub data: Vec<f32>,
}

/// The brightness of one picture in planes, each half as large as the one before it, with their gradients.
#[derive(Debug)]
pub struct Pyramid {
    pub levels: Vec<Level>,
    /// Pixels of the picture in a pixel of the first plane, across and down.
    pub scale: usize,
    /// One row of the picture, summed over the rows that a row of the first plane takes.
    sums: Vec<u16>,
}

/// A plane of a pyramid: brightness from 0 to 255, and how it rises to the right and downwards.
#[derive(Debug)]
pub struct Level {
    pub brightness: Plane,
    pub across: Plane,
    pub down: Plane,
}

impl Plane {
    pub fn new(width: usize, height: usize) -> Self {
        let stride = width + 2 * MARGIN;
        Self { width, height, stride, data: vec![0.0; stride * (height + 2 * MARGIN)] }
    }

    /// Where the number at `x`, `y` lies.
    #[inline(always)]
    pub fn place(&self, x: usize, y: usize) -> usize {
        (y + MARGIN) * self.stride + x + MARGIN
    }

    #[inline(always)]
    pub fn row(&self, y: usize) -> &[f32] {
        &self.data[self.place(0, y)..][..self.width]
    }

    #[inline(always)]
    pub fn row_mut(&mut self, y: usize) -> &mut [f32] {
        let start = self.place(0, y);
        &mut self.data[start..][..self.width]
    }

    /// The number between the pixels around `x`, `y`, which is brought into the plane.
    #[inline(always)]
    pub fn at(&self, x: f32, y: f32) -> f32 {
        let (x, y) = (x.clamp(0.0, (self.width - 1) as f32), y.clamp(0.0, (self.height - 1) as f32));
        let (left, top) = (x as usize, y as usize);
        let (right_part, down_part) = (x - left as f32, y - top as f32);
        let start = self.place(left, top);
        // The margin holds what lies right of and below the last pixel.
        let [upper, lower] = each(|line| {
            let start = start + line * self.stride;
            let (left, right) = (self.data[start], self.data[start + 1]);
            left + (right - left) * right_part
        });
        upper + (lower - upper) * down_part
    }

    /// Repeats the edge all over the margin.
    pub fn fill_margin(&mut self) {
        let (width, height, stride) = (self.width, self.height, self.stride);
        for y in 0..height {
            let row = &mut self.data[(y + MARGIN) * stride..][..stride];
            let (first, last) = (row[MARGIN], row[MARGIN + width - 1]);
            row[..MARGIN].fill(first);
            row[MARGIN + width..].fill(last);
        }
        for y in 0..MARGIN {
            self.data.copy_within(MARGIN * stride..(MARGIN + 1) * stride, y * stride);
            let last = (MARGIN + height - 1) * stride;
            self.data.copy_within(last..last + stride, (MARGIN + height + y) * stride);
        }
    }
}

impl Pyramid {
    /// Room for the planes of a picture of `width` x `height` pixels.
    pub fn new(width: usize, height: usize) -> Self {
        let mut scale = 1;
        while width * height / (scale * scale) > MOST_PIXELS {
            scale *= 2;
        }
        let (mut wide, mut high) = ((width / scale).max(1), (height / scale).max(1));
        let mut levels = vec![Level::new(wide, high)];
        while wide.min(high) / 2 >= LEAST_SIDE {
            (wide, high) = (wide / 2, high / 2);
            levels.push(Level::new(wide, high));
        }
        Self { levels, scale, sums: vec![0; width] }
    }

    /// Takes the picture in.
    pub fn read(&mut self, picture: &Pixels) {
        simd::run(Read { picture, pyramid: self });
    }
}

impl Level {
    fn new(width: usize, height: usize) -> Self {
        let plane = Plane::new(width, height);
        Self { brightness: plane.clone(), across: plane.clone(), down: plane }
    }
}

struct Read<'a> {
    picture: &'a Pixels<'a>,
    pyramid: &'a mut Pyramid,
}

impl Pass for Read<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { picture, pyramid } = self;
        match picture.order().bytes() {
            3 => pyramid.average::<3>(picture),
            _ => pyramid.average::<4>(picture),
        }
        pyramid.derive();
    }
}

impl Pyramid {
    /// Makes the smaller planes and all slopes of the first plane.
    #[inline(always)]
    pub fn derive(&mut self) {
        for number in 0..self.levels.len() {
            let (larger, level) = self.levels.split_at_mut(number);
            let level = &mut level[0];
            if let Some(larger) = larger.last() {
                halve(&larger.brightness, &mut level.brightness);
            }
            level.brightness.fill_margin();
            level.derive();
        }
    }
}

impl Pyramid {
    #[inline(always)]
    fn average<const BYTES: usize>(&mut self, picture: &Pixels) {
        let scale = self.scale;
        let plane = &mut self.levels[0].brightness;
        // Red and blue count once and green twice, in whatever order they lie.
        let part = 0.25 / (scale * scale) as f32;
        for y in 0..plane.height {
            self.sums.fill(0);
            for line in 0..scale {
                let (pixels, _) = picture.row((y * scale + line).min(picture.height() - 1)).as_chunks::<BYTES>();
                for (sum, pixel) in self.sums.iter_mut().zip(pixels) {
                    *sum += u16::from(pixel[0]) + 2 * u16::from(pixel[1]) + u16::from(pixel[2]);
                }
            }
            for (value, sums) in plane.row_mut(y).iter_mut().zip(self.sums.chunks(scale)) {
                *value = sums.iter().map(|&sum| u32::from(sum)).sum::<u32>() as f32 * part;
            }
        }
    }
}

#[inline(always)]
fn halve(larger: &Plane, smaller: &mut Plane) {
    for y in 0..smaller.height {
        let (upper, lower) = (larger.row(2 * y), larger.row(2 * y + 1));
        let pairs = upper.chunks_exact(2).zip(lower.chunks_exact(2));
        for (value, (upper, lower)) in smaller.row_mut(y).iter_mut().zip(pairs) {
            *value = (upper[0] + upper[1] + lower[0] + lower[1]) * 0.25;
        }
    }
}

impl Level {
    /// Central differences, in the margin too but for its outermost pixels, where they stay 0.
    #[inline(always)]
    fn derive(&mut self) {
        let Self { brightness, across, down } = self;
        let (stride, data) = (brightness.stride, &brightness.data);
        let inner = stride..data.len() - stride;
        for (((across, down), around), (above, below)) in across.data[inner.clone()]
            .iter_mut()
            .zip(&mut down.data[inner.clone()])
            .zip(data[stride - 1..].windows(3))
            .zip(data.iter().zip(&data[2 * stride..]))
        {
            *across = (around[2] - around[0]) * 0.5;
            *down = (below - above) * 0.5;
        }
    }
}
