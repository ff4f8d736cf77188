//! A picture out of focus, as it is seen beside what is painted: made of what lies there alone, so that the colours of a
//! person do not glow around them.

use super::boxes::Boxes;

/// The radius of a blur is so many of the short side of the picture.
const BLURS: usize = 10;

/// A blur is that of two boxes, one after the other.
const PASSES: usize = 2;

/// Deep in what is painted, where nothing else is near, the picture is blurred as it is.
const LEAST: f32 = 1e-4;

/// Owns the planes that a size takes.
#[derive(Debug)]
pub struct Blur {
    boxes: Boxes,
    radius: usize,
    /// How much of each place counts, and its colours as much.
    shares: Vec<f32>,
    colours: [Vec<f32>; 3],
}

impl Blur {
    /// Allocates for planes of this size.
    pub fn new(wide: usize, high: usize) -> Self {
        let plane = || vec![0.0; wide * high];
        let radius = (wide.min(high) / BLURS).max(1);
        Self { boxes: Boxes::new(wide, high), radius, shares: plane(), colours: [plane(), plane(), plane()] }
    }

    /// How much of each place counts, 0 to 1; to be written before a picture is blurred.
    pub fn shares(&mut self) -> &mut [f32] {
        &mut self.shares
    }

    /// Puts `pixels` of `BYTES` bytes out of focus, in place.
    pub fn apply<const BYTES: usize>(&mut self, pixels: &mut [u8]) {
        let (pixels, _) = pixels.as_chunks_mut::<BYTES>();
        self.shares.iter_mut().for_each(|share| *share += LEAST);
        for (colour, plane) in self.colours.iter_mut().enumerate() {
            for ((value, pixel), share) in plane.iter_mut().zip(&*pixels).zip(&self.shares) {
                *value = f32::from(pixel[colour]) * share;
            }
        }
        for plane in self.colours.iter_mut().chain([&mut self.shares]) {
            (0..PASSES).for_each(|_| self.boxes.average(plane, self.radius));
        }
        for (colour, plane) in self.colours.iter().enumerate() {
            for ((pixel, value), share) in pixels.iter_mut().zip(plane).zip(&self.shares) {
                pixel[colour] = (value / share.max(LEAST / 2.0) + 0.5) as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_count_leaves_no_trace_of_its_colour_and_the_rest_is_smooth() {
        let (wide, high) = (80, 45);
        let is_red = |place: usize| (30..50).contains(&(place % wide)) && (15..30).contains(&(place / wide));
        let mut pixels: Vec<u8> = (0..wide * high)
            .flat_map(|place| match is_red(place) {
                true => [250, 20, 20, 255],
                false => [100 + 40 * ((place % wide) as u8 % 2), 120, 120, 255],
            })
            .collect();
        let mut blur = Blur::new(wide, high);
        for (place, share) in blur.shares().iter_mut().enumerate() {
            *share = f32::from(u8::from(!is_red(place)));
        }
        blur.apply::<4>(&mut pixels);
        for (place, pixel) in pixels.chunks(4).enumerate().filter(|(place, _)| !is_red(*place)) {
            let is_grey = pixel[0].abs_diff(120) < 10 && pixel[1].abs_diff(120) < 2 && pixel[2] == pixel[1];
            assert!(is_grey && pixel[3] == 255, "{}, {}: {pixel:?}", place % wide, place / wide);
        }
        // Where nothing counts, all does.
        let mut pixels = [250, 20, 20].repeat(wide * high);
        blur.shares().fill(0.0);
        blur.apply::<3>(&mut pixels);
        assert_eq!(pixels, [250, 20, 20].repeat(wide * high));
    }
}
