//! What says which style is painted: how much of each row of the style input, by the size of the picture, or the vector of a
//! painting.

use super::geometry::Size;
use super::stroke::Stroke;

/// One weight for each row, with small strokes and with large ones: styles that were learnt in two sizes have others there. For
/// a network that takes any painting, the numbers that it is fed with for one.
#[derive(Debug, PartialEq)]
pub struct Weights {
    /// With small strokes.
    small: Vec<f32>,
    /// With large ones.
    large: Vec<f32>,
    /// Where between them the stroke is, in pictures that get small ones by their size, and in those that get large ones.
    stroke: [f32; 2],
    /// How many paintings are mixed in the numbers; none where they are weights of rows.
    paintings: usize,
}

impl Weights {
    /// Nothing of any row yet.
    pub fn none(rows: usize, stroke: Stroke) -> Self {
        let stroke = match stroke {
            Stroke::Auto => [0.0, 1.0],
            Stroke::Of(size) => [size; 2],
        };
        Self { small: vec![0.0; rows], large: vec![0.0; rows], stroke, paintings: 0 }
    }

    /// Adds `weight` of a style, which has large strokes where it has a `large_row`.
    pub fn add(&mut self, row: usize, large_row: Option<usize>, weight: f32) {
        self.small[row] += weight;
        self.large[large_row.unwrap_or(row)] += weight;
    }

    /// Adds `weight` of a painting, which a network is fed with as `vector`.
    pub fn add_painting(&mut self, vector: &[f32], weight: f32) {
        for numbers in [&mut self.small, &mut self.large] {
            numbers.iter_mut().zip(vector).for_each(|(sum, number)| *sum += weight * number);
        }
        self.paintings += usize::from(weight > 0.0);
    }

    /// The weight of each row in a picture that is painted at this size.
    pub fn for_picture(&self, painted: Size) -> impl Iterator<Item = f32> {
        let [of_small, of_large] = self.stroke;
        let size = of_small + (of_large - of_small) * Stroke::of_picture(painted);
        // Where both are equal, and at both ends, this is exact.
        self.small.iter().zip(&self.large).map(move |(small, large)| small + (large - small) * size)
    }

    /// More than one row or painting has a weight there.
    pub fn mix_at(&self, painted: Size) -> bool {
        if self.paintings > 0 {
            return self.paintings > 1;
        }
        self.for_picture(painted).filter(|weight| *weight != 0.0).count() > 1
    }

    /// Makes each number what `mix` makes of those of `from` and `to`; allocates nothing.
    pub fn set_between(&mut self, from: &Self, to: &Self, mix: impl Fn(f32, f32) -> f32) {
        self.paintings = from.paintings + to.paintings;
        for (now, from, to) in [
            (self.small.as_mut_slice(), from.small.as_slice(), to.small.as_slice()),
            (&mut self.large, &from.large, &to.large),
            (&mut self.stroke, &from.stroke, &to.stroke),
        ] {
            for ((now, from), to) in now.iter_mut().zip(from).zip(to) {
                *now = mix(*from, *to);
            }
        }
    }

    /// Makes the stroke, 0 (small) to 1 (large), what `drive` makes of it.
    pub fn drive_stroke(&mut self, drive: impl Fn(f32) -> f32) {
        self.stroke = self.stroke.map(drive);
    }

    /// Where the stroke is, in small pictures and in large ones.
    pub fn stroke(&self) -> [f32; 2] {
        self.stroke
    }
}

impl Clone for Weights {
    fn clone(&self) -> Self {
        let Self { small, large, stroke, paintings } = self;
        Self { small: small.clone(), large: large.clone(), stroke: *stroke, paintings: *paintings }
    }

    /// Allocates nothing for as many rows.
    fn clone_from(&mut self, other: &Self) {
        self.small.clone_from(&other.small);
        self.large.clone_from(&other.large);
        (self.stroke, self.paintings) = (other.stroke, other.paintings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The weights in a 180p, 720p and 1440p picture of a style with two rows (0 and 2) and one with a single row (1).
    fn weights(stroke: Stroke) -> [Vec<f32>; 3] {
        let mut weights = Weights::none(3, stroke);
        weights.add(0, Some(2), 0.75);
        weights.add(1, None, 0.25);
        [(320, 180), (1280, 720), (2560, 1440)]
            .map(|(width, height)| weights.for_picture(Size::new(width, height)).collect())
    }

    #[test]
    fn a_stroke_divides_a_style_between_its_rows() {
        assert_eq!(weights(Stroke::Of(0.0)), [[0.75, 0.25, 0.0]; 3]);
        assert_eq!(weights(Stroke::Of(0.5)), [[0.375, 0.25, 0.375]; 3]);
        assert_eq!(weights(Stroke::Of(1.0)), [[0.0, 0.25, 0.75]; 3]);
        let [small, between, large] = weights(Stroke::Auto);
        assert_eq!([small, large], [[0.75, 0.25, 0.0], [0.0, 0.25, 0.75]]);
        assert!((between[0] - 0.375).abs() < 0.001 && between[1] == 0.25 && (between[2] - 0.375).abs() < 0.001);
    }

    #[test]
    fn a_driven_stroke_goes_from_its_own_size_to_another() {
        let mut weights = Weights::none(3, Stroke::Auto);
        weights.add(0, Some(2), 1.0);
        let hd = Size::new(2560, 1440);
        let mut large = |share: f32| {
            let mut driven = weights.clone();
            driven.drive_stroke(|own| own + (0.0 - own) * share);
            driven.for_picture(hd).last()
        };
        assert_eq!([0.0, 0.5, 1.0].map(&mut large), [Some(1.0), Some(0.5), Some(0.0)]);
    }
}
