//! Means over square windows, which take as long for wide windows as for narrow ones.

/// Averages over square windows; beyond its edge, a plane goes on as it is there.
#[derive(Debug)]
pub struct Boxes {
    wide: usize,
    high: usize,
    scratch: Vec<f32>,
    sums: Vec<f32>,
}

impl Boxes {
    /// Allocates for planes of this size.
    pub fn new(wide: usize, high: usize) -> Self {
        Self { wide, high, scratch: vec![0.0; wide * high], sums: vec![0.0; wide] }
    }

    /// Makes each place of `plane` the mean of the window that reaches so far from it.
    pub fn average(&mut self, plane: &mut [f32], radius: usize) {
        let Self { wide, high, .. } = *self;
        let share = 1.0 / (2 * radius + 1) as f32;
        for (from, to) in plane.chunks_exact(wide).zip(self.scratch.chunks_exact_mut(wide)) {
            let mut sum = from[0] * radius as f32 + (0..=radius).map(|x| from[x.min(wide - 1)]).sum::<f32>();
            for x in 0..wide {
                to[x] = sum * share;
                sum += from[(x + radius + 1).min(wide - 1)] - from[x.saturating_sub(radius)];
            }
        }
        let row = |y: usize| y * wide..(y + 1) * wide;
        self.sums.fill(0.0);
        for y in 0..=2 * radius {
            let from = &self.scratch[row(y.saturating_sub(radius).min(high - 1))];
            self.sums.iter_mut().zip(from).for_each(|(sum, value)| *sum += value);
        }
        for y in 0..high {
            let (enters, leaves) = (row((y + radius + 1).min(high - 1)), row(y.saturating_sub(radius)));
            let around = self.scratch[enters].iter().zip(&self.scratch[leaves]);
            for ((to, sum), (enters, leaves)) in plane[row(y)].iter_mut().zip(self.sums.iter_mut()).zip(around) {
                *to = *sum * share;
                *sum += enters - leaves;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_box_is_the_mean_of_its_window(wide in 1usize..20, high in 1usize..20, radius in 1usize..6, seed: u64) {
            let random = |place: usize| (seed.wrapping_mul(place as u64 + 1).wrapping_mul(0x9e37_79b9) >> 32) as f32 / u32::MAX as f32;
            let plane: Vec<f32> = (0..wide * high).map(random).collect();
            let mut averaged = plane.clone();
            Boxes::new(wide, high).average(&mut averaged, radius);
            let near = |at: usize, by: usize, most: usize| (at + by).saturating_sub(radius).min(most - 1);
            for (place, value) in averaged.iter().enumerate() {
                let (x, y) = (place % wide, place / wide);
                let window = (0..=2 * radius).flat_map(|down| (0..=2 * radius).map(move |along| (along, down)));
                let sum: f32 = window.map(|(along, down)| plane[near(y, down, high) * wide + near(x, along, wide)]).sum();
                let mean = sum / (2 * radius + 1).pow(2) as f32;
                prop_assert!((value - mean).abs() < 1e-4, "{x}, {y}: {value}, not {mean}");
            }
        }
    }
}
