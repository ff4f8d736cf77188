//! The guided filter (He, Sun, Tang 2010): a coarse mask is made to follow the edges of a picture. In each window the mask is
//! taken for a line of the picture's luminance; what it finds are the slope and the base of that line.

use super::boxes::Boxes;

/// Differences of luminance below its root are no edges, of 0 to 1.
const FLAT: f32 = 0.000_6;

/// The least side of a window, and how many windows lie side by side along the short side of the picture.
const LEAST_RADIUS: usize = 2;
const WINDOWS: usize = 45;

/// The widest soft edge is so many of the short side of the picture.
const FEATHERS: f32 = 24.0;

/// Owns the planes that filtering a size takes.
#[derive(Debug)]
pub struct Guided {
    wide: usize,
    high: usize,
    /// Of the mask, the guide, their product, and the guide's square.
    means: [Vec<f32>; 4],
    boxes: Boxes,
}

impl Guided {
    /// Allocates for planes of this size.
    pub fn new(wide: usize, high: usize) -> Self {
        let plane = || vec![0.0; wide * high];
        Self { wide, high, means: [plane(), plane(), plane(), plane()], boxes: Boxes::new(wide, high) }
    }

    /// Finds the line for each place of `guide`; the edge is as soft as `feather` says, 0 to 1.
    pub fn refine(&mut self, mask: &[f32], guide: &[f32], feather: f32, slope: &mut [f32], base: &mut [f32]) {
        let short = self.wide.min(self.high);
        let radius = (short / WINDOWS).max(LEAST_RADIUS);
        let [mean_mask, mean_guide, both, square] = &mut self.means;
        for place in 0..mask.len() {
            let (mask, guide) = (mask[place], guide[place]);
            (mean_mask[place], mean_guide[place], both[place], square[place]) =
                (mask, guide, mask * guide, guide * guide);
        }
        let boxes = &mut self.boxes;
        [&mut *mean_mask, mean_guide, both, square].into_iter().for_each(|plane| boxes.average(plane, radius));
        for place in 0..mask.len() {
            let (mask, guide) = (mean_mask[place], mean_guide[place]);
            let together = both[place] - mask * guide;
            let apart = (square[place] - guide * guide).max(0.0);
            slope[place] = together / (apart + FLAT);
            base[place] = mask - slope[place] * guide;
        }
        boxes.average(slope, radius);
        boxes.average(base, radius);
        let soft = (feather * short as f32 / FEATHERS) as usize;
        if soft > 0 {
            // What the line makes of the coarse guide is blurred; what finer edges add to it fades.
            for place in 0..mask.len() {
                let [line, steep] = [slope[place] * guide[place] + base[place], slope[place] * (1.0 - feather)];
                (base[place], slope[place]) = (line, steep);
            }
            boxes.average(base, soft);
            for place in 0..mask.len() {
                base[place] -= slope[place] * guide[place];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coarse_edge_moves_to_that_of_the_guide() {
        let (wide, high) = (80, 45);
        let step =
            |at: usize| (0..wide * high).map(move |place| f32::from(u8::from(place % wide >= at))).collect::<Vec<_>>();
        // Three places off, and soft.
        let (mask, guide): (Vec<f32>, _) =
            ((0..wide * high).map(|place| ((place % wide) as f32 / 8.0 - 4.5).clamp(0.0, 1.0)).collect(), step(38));
        let (mut slope, mut base) = (vec![0.0; wide * high], vec![0.0; wide * high]);
        let mut guided = Guided::new(wide, high);
        let mut row = |feather: f32| -> Vec<f32> {
            guided.refine(&mask, &guide, feather, &mut slope, &mut base);
            (0..wide).map(|x| slope[20 * wide + x] * guide[20 * wide + x] + base[20 * wide + x]).collect()
        };
        let (sharp, soft) = (row(0.0), row(1.0));
        let jump = |row: &[f32]| row.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(sharp[38] - sharp[37] > 0.2 && jump(&soft) < 0.6 * jump(&sharp), "{sharp:?} {soft:?}");
        assert!(sharp[20].abs() < 1e-3 && (sharp[60] - 1.0).abs() < 1e-3);
    }
}
