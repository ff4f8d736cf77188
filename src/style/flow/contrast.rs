//! The contrast of the strokes: what moving and mixing takes from a held picture is given back, up to that of the new one.

use super::plane::Plane;

/// Side of a block in pixels.
const BLOCK: usize = 32;

/// Contrast is looked at in every so many rows.
const ROW_STEP: usize = 2;

/// How fast the gain follows, and what remains of it from picture to picture.
const RATE: f32 = 0.1;
const REMAINS: f32 = 0.98;

/// So much of the contrast of the new picture is wanted: with all of it, the gain would raise what flickers too.
const GOAL: f32 = 0.9;

/// Steps between neighbours that both pictures are taken to have besides, so that flat blocks gain nothing from noise.
const FLAT: f32 = 0.5;

/// How much contrast each block of the held picture is given: 0 to 1.
#[derive(Debug)]
pub struct Contrast {
    pub gains: Plane,
    /// Sums of the steps between neighbours, of the painted picture and of what was shown.
    steps: Vec<[u32; 2]>,
}

impl Contrast {
    pub fn new(width: usize, height: usize) -> Self {
        let (wide, high) = (width.div_ceil(BLOCK), height.div_ceil(BLOCK));
        Self { gains: Plane::new(wide, high), steps: vec![[0; 2]; wide * high] }
    }

    /// No block is given any.
    pub fn forget(&mut self) {
        self.gains.data.fill(0.0);
    }

    /// The gain at a pixel.
    pub fn at(&self, x: f32, y: f32) -> f32 {
        let in_blocks = |place: f32| (place + 0.5) / BLOCK as f32 - 0.5;
        self.gains.at(in_blocks(x), in_blocks(y))
    }

    /// Looks at row `y` of the painted picture (0) or of what is shown (1).
    #[inline(always)]
    pub fn look<const BYTES: usize>(&mut self, y: usize, row: &[u8], picture: usize) {
        if y.is_multiple_of(ROW_STEP) {
            let blocks = &mut self.steps[y / BLOCK * self.gains.width..][..self.gains.width];
            for (block, bytes) in blocks.iter_mut().zip(row.chunks(BLOCK * BYTES)) {
                // Of all colours, and of what is no colour, which has no steps.
                let steps =
                    bytes.iter().zip(&bytes[BYTES.min(bytes.len())..]).map(|(left, right)| left.abs_diff(*right));
                block[picture] += steps.map(u32::from).sum::<u32>();
            }
        }
    }

    /// Sets the gains by what the last picture came to.
    pub fn settle(&mut self) {
        let samples = (BLOCK / ROW_STEP * (BLOCK - 1) * 3) as f32;
        for (number, steps) in self.steps.iter_mut().enumerate() {
            let [painted, shown] = std::mem::take(steps).map(|sum| sum as f32 / samples + FLAT);
            let (column, row) = (number % self.gains.width, number / self.gains.width);
            let gain = &mut self.gains.row_mut(row)[column];
            *gain = (*gain * REMAINS + RATE * (painted * GOAL / shown - 1.0)).clamp(0.0, 1.0);
        }
        self.gains.fill_margin();
    }
}
