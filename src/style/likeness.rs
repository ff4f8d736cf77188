//! How much a picture looks like a painting of a photograph: what tells a network fed in the right way from one fed wrongly.

/// The side of the squares over which both pictures are averaged: strokes are smaller, forms larger.
const BLOCK_PX: usize = 8;

/// The luma of red, green and blue.
const LUMA: [f64; 3] = [0.299, 0.587, 0.114];

/// A painted picture beside its photograph.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likeness {
    /// 1 for the photograph itself; below 0 where nothing of it is left.
    pub score: f64,
    /// It is the photograph, or nearly so: nothing was painted.
    pub unpainted: bool,
    /// It has no forms at all.
    pub flat: bool,
}

impl Likeness {
    /// Of `painted`, whose values are 0 to 1 where pixels can show them, and of `photo`: red, green and blue of each pixel,
    /// in rows of `width`. Where all colours of the painting are alike, they are no evidence.
    pub fn of(photo: &[[f64; 3]], painted: &[[f64; 3]], width: usize, coloured: bool) -> Self {
        let beyond = |value: f64| (-value).max(value - 1.0).clamp(0.0, 1.0);
        let count = (3 * painted.len()).max(1) as f64;
        let outside = painted.iter().flatten().map(|&value| beyond(value)).sum::<f64>() / count;
        let shown: Vec<[f64; 3]> = painted.iter().map(|colours| colours.map(|value| value.clamp(0.0, 1.0))).collect();
        let [contrast, expected] = [&shown[..], photo].map(|picture| deviation(picture.iter().flatten().copied()));
        let contrast_ratio = (contrast / expected).min(expected / contrast.max(1e-6)).max(0.0);
        let (forms, seen) = (blocks(photo, width), blocks(&shown, width));
        let luma = |colours: &[f64; 3]| colours.iter().zip(LUMA).map(|(value, weight)| value * weight).sum::<f64>();
        let lumas = |blocks: &[[f64; 3]]| blocks.iter().map(luma).collect::<Vec<_>>();
        let chromas = |blocks: &[[f64; 3]]| {
            blocks.iter().flat_map(|colours| colours.map(|value| value - luma(colours))).collect::<Vec<_>>()
        };
        let structure = correlation(&lumas(&forms), &lumas(&seen));
        let colours = if coloured { correlation(&chromas(&forms), &chromas(&seen)) } else { 0.0 };
        let apart = forms.iter().flatten().zip(seen.iter().flatten()).map(|(a, b)| (a - b).abs()).sum::<f64>()
            / (3 * forms.len()).max(1) as f64;
        let score =
            0.35 * structure + 0.1 * colours + 0.3 * (1.0 - (3.0 * apart).min(1.0)) + 0.25 * contrast_ratio - outside;
        Self {
            score,
            unpainted: apart < 0.004 && contrast_ratio > 0.97,
            flat: (0..3).all(|colour| deviation(shown.iter().map(|colours| colours[colour])) < 0.01),
        }
    }
}

/// The mean colours of whole blocks.
fn blocks(picture: &[[f64; 3]], width: usize) -> Vec<[f64; 3]> {
    let (across, down) = (width / BLOCK_PX, picture.len() / width.max(1) / BLOCK_PX);
    let block = |number: usize| {
        let (left, top) = (number % across * BLOCK_PX, number / across * BLOCK_PX);
        let mut sum = [0.0; 3];
        for row in (top..top + BLOCK_PX).map(|y| &picture[y * width + left..][..BLOCK_PX]) {
            row.iter().for_each(|colours| sum.iter_mut().zip(colours).for_each(|(sum, value)| *sum += value));
        }
        sum.map(|sum| sum / (BLOCK_PX * BLOCK_PX) as f64)
    };
    (0..across * down).map(block).collect()
}

fn deviation(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    values.for_each(|value| (count, sum, squares) = (count + 1.0, sum + value, squares + value * value));
    let mean = sum / f64::max(count, 1.0);
    (squares / f64::max(count, 1.0) - mean * mean).max(0.0).sqrt()
}

/// Pearson's; 0 where one of both does not vary.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let product = a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum::<f64>() / a.len().max(1) as f64;
    let both = deviation(a.iter().copied()) * deviation(b.iter().copied());
    if both < 1e-6 { 0.0 } else { product / both }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_photograph_is_most_like_itself_and_a_wrong_range_less() {
        let photo: Vec<[f64; 3]> =
            (0..64 * 48).map(|at| [at % 64, at / 64, (at / 9) % 50].map(|value| value as f64 / 64.0)).collect();
        let score = |change: fn(f64) -> f64| {
            let painted: Vec<[f64; 3]> = photo.iter().map(|colours| colours.map(change)).collect();
            Likeness::of(&photo, &painted, 64, true)
        };
        let same = score(|value| value);
        assert!(same.unpainted && (same.score - 1.0).abs() < 1e-6, "{same:?}");
        let painted = score(|value| (value * 1.2 - 0.1).clamp(0.0, 1.0));
        assert!(!painted.unpainted && painted.score > 0.8, "{painted:?}");
        for wrong in
            [|value: f64| value / 255.0, |value| value * 255.0, |value| value * 2.0 - 1.0, |value| 0.5 + value / 2.0]
        {
            assert!(score(wrong).score < painted.score - 0.1, "{:?}", score(wrong));
        }
        assert!(score(|_| 0.5).flat);
    }
}
