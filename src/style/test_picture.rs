//! The picture that networks are tried and timed on.

use super::geometry::Size;

/// Sides of the squares that the grain is made of, in pixels, and how many of 256 levels each moves the picture by at most.
const GRAIN: [(usize, i32); 4] = [(1, 8), (3, 14), (11, 22), (37, 30)];

/// An RGB picture of three bytes a pixel: soft colours with an edge in every direction, and grain of several sizes, without
/// which it would be smoother than any photograph.
pub fn test_picture(size: Size) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(3 * size.width * size.height);
    for y in 0..size.height {
        for x in 0..size.width {
            let (across, down) = ((x * 255 / size.width) as i32, (y * 255 / size.height) as i32);
            let inside = (across - 128).pow(2) + (down - 128).pow(2) < 4000;
            let grain: i32 = GRAIN.iter().map(|&(side, most)| noise(x / side, y / side, side) * most / 128).sum();
            let colours = [across, if inside { 230 } else { down }, 255 - across];
            pixels.extend(colours.map(|value| (value + grain).clamp(0, 255) as u8));
        }
    }
    pixels
}

/// -128 to 127, the same for the same place: the bits of a multiplicative hash.
fn noise(x: usize, y: usize, seed: usize) -> i32 {
    let mixed = (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77) ^ (seed as u32) << 16;
    let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x2c1b_3c6d);
    ((mixed ^ (mixed >> 12)) & 255) as i32 - 128
}
