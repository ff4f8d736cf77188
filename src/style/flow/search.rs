//! Dense optical flow by inverse search (Kroeger et al. 2016): patches look for themselves in the other picture, from small
//! planes to large ones, and each pixel takes the mean of the patches over it.

use super::plane::{Level, MARGIN, Plane, Pyramid};
use crate::lanes::each;
use crate::style::tensor::{Pass, simd};

/// Side of a patch, and the distance from one to the next.
const PATCH: usize = 8;
const STEP: usize = 4;

/// Patches begin half a step outside the plane.
const OUTSIDE: f32 = (STEP / 2) as f32;

/// Steps of the descent on each plane, unless it ends before.
const MOST_STEPS: usize = 12;

/// A patch goes no farther than this from where it began on the plane.
const FARTHEST: f32 = PATCH as f32;

/// A step shorter than this (its square) ends the descent.
const SHORT_STEP: f32 = 0.0004;

/// What flat patches have instead of a slope, so that noise does not move them.
const LEAST_SLOPE: f32 = 64.0;

/// Another motion is taken only if it brings the error (squared differences over the patch) below this part less this much.
const BETTER_PART: f32 = 0.9;
const BETTER_BY: f32 = 32.0;

/// Where each pixel of one plane is found in another: so many pixels to the right and downwards.
#[derive(Debug)]
pub struct Flow {
    pub right: Plane,
    pub down: Plane,
}

/// The buffers of a search.
#[derive(Debug)]
pub struct Search {
    /// The flow on each level; the first is the outcome.
    flows: Vec<Flow>,
    /// How much has been summed up in each pixel of a flow.
    weight: Plane,
    /// Motions of the patches of a level, row by row.
    patches: Vec<[f32; 2]>,
}

impl Flow {
    pub fn new(width: usize, height: usize) -> Self {
        let plane = Plane::new(width, height);
        Self { right: plane.clone(), down: plane }
    }
}

impl Search {
    /// Room for searches in pyramids like this one.
    pub fn new(pyramid: &Pyramid) -> Self {
        let size = |level: &Level| (level.brightness.width, level.brightness.height);
        let flows: Vec<_> = pyramid.levels.iter().map(size).map(|(width, height)| Flow::new(width, height)).collect();
        let (width, height) = size(&pyramid.levels[0]);
        let patches = vec![[0.0; 2]; width.div_ceil(STEP) * height.div_ceil(STEP)];
        Self { flows, weight: Plane::new(width, height), patches }
    }

    /// Finds where each pixel of `from` lies in `to`.
    pub fn find(&mut self, from: &Pyramid, to: &Pyramid) {
        simd::run(Find { search: self, from, to });
    }

    /// What was found last.
    pub fn flow(&self) -> &Flow {
        &self.flows[0]
    }
}

pub(super) struct Find<'a> {
    pub search: &'a mut Search,
    pub from: &'a Pyramid,
    pub to: &'a Pyramid,
}

impl Pass for Find<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { search: Search { flows, weight, patches }, from, to } = self;
        for number in (0..from.levels.len()).rev() {
            let (level, to) = (&from.levels[number], &to.levels[number].brightness);
            let (finer, coarser) = flows.split_at_mut(number + 1);
            let flow = &mut finer[number];
            descend(level, to, coarser.first(), patches);
            spread(&level.brightness, to, patches, flow, weight);
            flow.right.fill_margin();
            flow.down.fill_margin();
        }
    }
}

/// A patch of one plane beside one of another: sums over its pixels of the differences, of their products with both slopes,
/// and of their squares.
#[derive(Clone, Copy)]
struct Apart {
    sum: f32,
    across: f32,
    down: f32,
    squares: f32,
}

impl Apart {
    /// The squared differences, the mean difference (a change of the light) left out.
    #[inline(always)]
    fn error(self) -> f32 {
        self.squares - self.sum * self.sum * (1.0 / (PATCH * PATCH) as f32)
    }
}

/// One patch of a level.
struct Patch<'a> {
    level: &'a Level,
    to: &'a Plane,
    /// Where it begins in the planes of `level`, and that as coordinates.
    place: usize,
    x: f32,
    y: f32,
    /// Sums of the slopes over its pixels.
    across: f32,
    down: f32,
    /// The inverse of the matrix of their products: xx, xy, yy.
    inverse: [f32; 3],
}

impl<'a> Patch<'a> {
    #[inline(always)]
    fn new(level: &'a Level, to: &'a Plane, column: usize, row: usize) -> Self {
        let plane = &level.brightness;
        let place = plane.place(column * STEP, row * STEP) - (STEP / 2) * (plane.stride + 1);
        let (mut across, mut down, mut xx, mut xy, mut yy) =
            ([0.0; PATCH], [0.0; PATCH], [0.0; PATCH], [0.0; PATCH], [0.0; PATCH]);
        for line in 0..PATCH {
            let start = place + line * plane.stride;
            let (x, y) = (eight(&level.across.data, start), eight(&level.down.data, start));
            for lane in 0..PATCH {
                across[lane] += x[lane];
                down[lane] += y[lane];
                xx[lane] += x[lane] * x[lane];
                xy[lane] += x[lane] * y[lane];
                yy[lane] += y[lane] * y[lane];
            }
        }
        let (across, down) = (total(across), total(down));
        let mean = 1.0 / (PATCH * PATCH) as f32;
        let xx = total(xx) - across * across * mean + LEAST_SLOPE;
        let xy = total(xy) - across * down * mean;
        let yy = total(yy) - down * down * mean + LEAST_SLOPE;
        let part = 1.0 / (xx * yy - xy * xy);
        let inverse = [yy * part, -xy * part, xx * part];
        let (x, y) = ((column * STEP) as f32 - OUTSIDE, (row * STEP) as f32 - OUTSIDE);
        Self { level, to, place, x, y, across, down, inverse }
    }

    /// Lays it over the other plane, moved by `motion`.
    #[inline(always)]
    fn compare(&self, motion: [f32; 2]) -> Apart {
        let (start, parts) = landing(self.to, self.x + motion[0], self.y + motion[1]);
        let (mut sum, mut across, mut down, mut squares) = ([0.0; PATCH], [0.0; PATCH], [0.0; PATCH], [0.0; PATCH]);
        for line in 0..PATCH {
            let there = line_between(self.to, start + line * self.to.stride, parts);
            let here = self.place + line * self.level.brightness.stride;
            let brightness = eight(&self.level.brightness.data, here);
            let (x, y) = (eight(&self.level.across.data, here), eight(&self.level.down.data, here));
            for lane in 0..PATCH {
                let apart = there[lane] - brightness[lane];
                sum[lane] += apart;
                across[lane] += apart * x[lane];
                down[lane] += apart * y[lane];
                squares[lane] += apart * apart;
            }
        }
        Apart { sum: total(sum), across: total(across), down: total(down), squares: total(squares) }
    }

    /// The best of some motions; all but the first have to be clearly better.
    #[inline(always)]
    fn best_of(&self, motions: &[[f32; 2]]) -> ([f32; 2], Apart) {
        let mut best = (motions[0], self.compare(motions[0]));
        for &motion in &motions[1..] {
            if motion != best.0 {
                let apart = self.compare(motion);
                if apart.error() < best.1.error() * BETTER_PART - BETTER_BY {
                    best = (motion, apart);
                }
            }
        }
        best
    }

    /// Goes down the slope of the error.
    #[inline(always)]
    fn descend(&self, (start, mut apart): ([f32; 2], Apart)) -> ([f32; 2], Apart) {
        let mut motion = start;
        let mean = 1.0 / (PATCH * PATCH) as f32;
        let [xx, xy, yy] = self.inverse;
        for _ in 0..MOST_STEPS {
            let across = apart.across - self.across * apart.sum * mean;
            let down = apart.down - self.down * apart.sum * mean;
            let step = [xx * across + xy * down, xy * across + yy * down];
            let next = [motion[0] - step[0], motion[1] - step[1]];
            if square_between(next, start) > FARTHEST * FARTHEST {
                break;
            }
            let found = self.compare(next);
            if found.error() >= apart.error() {
                break;
            }
            (motion, apart) = (next, found);
            if step[0] * step[0] + step[1] * step[1] < SHORT_STEP {
                break;
            }
        }
        (motion, apart)
    }
}

/// Finds the motion of each patch of a level, beginning with that of the level above and of its neighbours.
#[inline(always)]
fn descend(level: &Level, to: &Plane, coarser: Option<&Flow>, patches: &mut [[f32; 2]]) {
    let (wide, high) = (level.brightness.width.div_ceil(STEP), level.brightness.height.div_ceil(STEP));
    for row in 0..high {
        for column in 0..wide {
            let patch = Patch::new(level, to, column, row);
            let middle = (PATCH as f32 - 1.0) * 0.5;
            let (x, y) = (patch.x + middle, patch.y + middle);
            let before = coarser.map_or([0.0; 2], |flow| {
                let (x, y) = (x * 0.5 - 0.25, y * 0.5 - 0.25);
                [flow.right.at(x, y) * 2.0, flow.down.at(x, y) * 2.0]
            });
            let place = row * wide + column;
            let left = if column > 0 { patches[place - 1] } else { before };
            let above = if row > 0 { patches[place - wide] } else { before };
            let (motion, apart) = patch.descend(patch.best_of(&[before, left, above]));
            // What stands still does not move: noise alone must not make it.
            let still = patch.compare([0.0; 2]);
            let moves = apart.error() < still.error() * BETTER_PART - BETTER_BY;
            patches[place] = if moves { motion } else { [0.0; 2] };
        }
    }
}

/// Gives each pixel the mean of the motions of the patches over it; those that fit it best count most.
#[inline(always)]
fn spread(from: &Plane, to: &Plane, patches: &[[f32; 2]], flow: &mut Flow, weight: &mut Plane) {
    let (wide, stride) = (from.width.div_ceil(STEP), from.stride);
    flow.right.data.fill(0.0);
    flow.down.data.fill(0.0);
    let weight = &mut weight.data[..from.data.len()];
    weight.fill(0.0);
    for (number, motion) in patches[..wide * from.height.div_ceil(STEP)].iter().enumerate() {
        let (column, row) = (number % wide * STEP, number / wide * STEP);
        let place = from.place(column, row) - (STEP / 2) * (stride + 1);
        let (start, parts) = landing(to, column as f32 - OUTSIDE + motion[0], row as f32 - OUTSIDE + motion[1]);
        for line in 0..PATCH {
            let there = line_between(to, start + line * to.stride, parts);
            let here = place + line * stride;
            let brightness = eight(&from.data, here);
            let weight = eight_mut(weight, here);
            let (right, down) = (eight_mut(&mut flow.right.data, here), eight_mut(&mut flow.down.data, here));
            for lane in 0..PATCH {
                let apart = (there[lane] - brightness[lane]).abs();
                let part = 1.0 / if apart > 1.0 { apart } else { 1.0 };
                weight[lane] += part;
                right[lane] += part * motion[0];
                down[lane] += part * motion[1];
            }
        }
    }
    for y in 0..from.height {
        let start = from.place(0, y);
        let weight = &weight[start..][..from.width];
        for (part, (right, down)) in weight.iter().zip(flow.right.row_mut(y).iter_mut().zip(flow.down.row_mut(y))) {
            *right /= part;
            *down /= part;
        }
    }
}

/// Where a patch lands that begins at `x`, `y`, and the parts of the four pixels around each of its own: left and right
/// above, left and right below. It stays within the margin.
#[inline(always)]
fn landing(plane: &Plane, x: f32, y: f32) -> (usize, [f32; 4]) {
    let margin = MARGIN as f32;
    let within = |at: f32, side: usize| (at + margin).clamp(0.0, (side + 2 * MARGIN - PATCH - 2) as f32);
    let (x, y) = (within(x, plane.width), within(y, plane.height));
    let (left, top) = (x as usize, y as usize);
    let (right, below) = (x - left as f32, y - top as f32);
    let parts = [(1.0 - right) * (1.0 - below), right * (1.0 - below), (1.0 - right) * below, right * below];
    (top * plane.stride + left, parts)
}

/// A line of a patch that lies between pixels.
#[inline(always)]
fn line_between(plane: &Plane, start: usize, parts: [f32; 4]) -> [f32; PATCH] {
    let (upper_left, upper_right) = (eight(&plane.data, start), eight(&plane.data, start + 1));
    let below = start + plane.stride;
    let (lower_left, lower_right) = (eight(&plane.data, below), eight(&plane.data, below + 1));
    each(|lane| {
        upper_left[lane] * parts[0]
            + upper_right[lane] * parts[1]
            + lower_left[lane] * parts[2]
            + lower_right[lane] * parts[3]
    })
}

#[inline(always)]
fn eight(data: &[f32], start: usize) -> &[f32; PATCH] {
    data[start..].first_chunk().unwrap_or_else(|| unreachable!("patches lie within the margin"))
}

#[inline(always)]
fn eight_mut(data: &mut [f32], start: usize) -> &mut [f32; PATCH] {
    data[start..].first_chunk_mut().unwrap_or_else(|| unreachable!("patches lie within the margin"))
}

/// The sum of all lanes.
#[inline(always)]
fn total(lanes: [f32; PATCH]) -> f32 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (b + f)) + ((c + g) + (d + h))
}

#[inline(always)]
fn square_between(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)
}
