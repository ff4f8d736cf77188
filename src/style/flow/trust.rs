//! Where a motion that was found may be relied on: seen from either picture it is the same, and what it leads to looks alike.

use super::MOST_HELD;
use super::plane::{Plane, Pyramid};
use super::search::Flow;
use crate::lanes::each;
use crate::style::tensor::{Pass, simd};

/// Flow there and back may miss its start by this much (squares of pixels of the plane), and by this part of its own square.
const MISSED: f32 = 0.4;
const MISSED_PART: f32 = 0.01;

/// What is found may differ by so many steps of brightness, and where the brightness rises by what this part of a pixel makes.
const APART: f32 = 4.0;
const APART_PIXELS: f32 = 0.5;

/// Where the motion changes by so many pixels over two, and by this part of itself, one thing moves before another, and neither
/// is sure.
const BEND: f32 = 0.5;
const BEND_PART: f32 = 0.25;

/// If less than this part of the picture is found again, it is another scene.
const LEAST_FOUND: f32 = 0.25;

/// How far each pixel of a plane is found again in the picture before: 0 (not at all) to 1.
#[derive(Debug)]
pub struct Trust {
    pub plane: Plane,
    /// The same before the pixels around are heeded, and differences of brightness.
    own: Plane,
    apart: Plane,
    /// The brightness of what the held painting was painted of, moved along with it; and where it was before.
    origin: Plane,
    moved: Plane,
}

impl Trust {
    pub fn new(width: usize, height: usize) -> Self {
        let plane = Plane::new(width, height);
        Self { plane: plane.clone(), own: plane.clone(), apart: plane.clone(), origin: plane.clone(), moved: plane }
    }

    /// Nothing is found again of what was before `now`.
    pub fn clear(&mut self, now: &Pyramid) {
        self.plane.data.fill(0.0);
        self.origin.data.copy_from_slice(&now.levels[0].brightness.data);
    }

    /// Judges `back`, the flow from `now` to `before`, by `forth`, the one from `before` to `now`.
    pub fn judge(&mut self, now: &Pyramid, back: &Flow, forth: &Flow) {
        simd::run(Judge { trust: self, now, back, forth });
        let found: f32 = (0..self.plane.height).flat_map(|y| self.plane.row(y)).sum();
        let found = found / (self.plane.width * self.plane.height) as f32;
        if found < LEAST_FOUND {
            self.clear(now);
        }
    }
}

pub(super) struct Judge<'a> {
    pub trust: &'a mut Trust,
    pub now: &'a Pyramid,
    pub back: &'a Flow,
    pub forth: &'a Flow,
}

impl Pass for Judge<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { trust: Trust { plane, own, apart, origin, moved }, now, back, forth } = self;
        let now = &now.levels[0];
        let (width, height) = (plane.width, plane.height);
        for y in 0..height {
            let (right, down) = (back.right.row(y), back.down.row(y));
            let brightness = now.brightness.row(y);
            let start = own.place(0, y);
            for x in 0..width {
                let (there_x, there_y) = (x as f32 + right[x], y as f32 + down[x]);
                let inside =
                    there_x > -0.5 && there_y > -0.5 && there_x < width as f32 - 0.5 && there_y < height as f32 - 0.5;
                let (back_x, back_y) = (forth.right.at(there_x, there_y), forth.down.at(there_x, there_y));
                let missed = square(right[x] + back_x, down[x] + back_y);
                let far = square(right[x], down[x]) + square(back_x, back_y);
                let returns = doubt(missed, MISSED + MISSED_PART * far);
                own.data[start + x] = if inside { returns } else { 0.0 };
                moved.data[start + x] = origin.at(there_x, there_y);
                apart.data[start + x] = (moved.data[start + x] - brightness[x]).abs();
            }
        }
        apart.fill_margin();
        let change = |plane: &Plane, place: usize| {
            let across = (plane.data[place + 1] - plane.data[place - 1]).abs();
            let down = (plane.data[place + plane.stride] - plane.data[place - plane.stride]).abs();
            across.max(down)
        };
        for y in 0..height {
            let start = own.place(0, y);
            for x in 0..width {
                let place = start + x;
                let [above, here, below] = each(|line| {
                    let place = place - apart.stride + line * apart.stride;
                    apart.data[place - 1] + apart.data[place] + apart.data[place + 1]
                });
                let mean = (above + here + below) * (1.0 / 9.0);
                let slope = now.across.data[place].abs() + now.down.data[place].abs();
                let far = back.right.data[place].abs().max(back.down.data[place].abs());
                let bend = change(&back.right, place).max(change(&back.down, place));
                own.data[place] *= doubt(mean, APART + APART_PIXELS * slope) * doubt(bend, BEND + BEND_PART * far);
            }
        }
        own.fill_margin();
        // Around what is not found, strokes change too.
        for y in 0..height {
            let start = own.place(0, y);
            for x in 0..width {
                let mut least = f32::INFINITY;
                for place in [start + x - own.stride, start + x, start + x + own.stride] {
                    for value in &own.data[place - 1..place + 2] {
                        least = if *value < least { *value } else { least };
                    }
                }
                plane.data[start + x] = least;
                let (moved, now) = (moved.data[start + x], now.brightness.data[start + x]);
                origin.data[start + x] = now + (moved - now) * least * MOST_HELD;
            }
        }
        plane.fill_margin();
        origin.fill_margin();
    }
}

/// 1 up to what is allowed, 0 from twice that on.
#[inline(always)]
fn doubt(value: f32, allowed: f32) -> f32 {
    (2.0 - value / allowed).clamp(0.0, 1.0)
}

#[inline(always)]
fn square(x: f32, y: f32) -> f32 {
    x * x + y * y
}
