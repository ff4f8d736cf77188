//! The passes written down plainly, pixel by pixel.

use super::super::finish::LUMINANCE;
use super::super::*;

/// Where colour `channel` of `order` (0 red, 1 green, 2 blue) lies within a pixel.
fn byte_of(order: PixelOrder, channel: usize) -> usize {
    match order {
        PixelOrder::Rgb | PixelOrder::Rgbx => [0, 1, 2][channel],
        PixelOrder::Bgr | PixelOrder::Bgrx => [2, 1, 0][channel],
    }
}

/// Which channel of a tensor holds colour `channel` (0 red, 1 green, 2 blue, 3 alpha).
fn place_of(spec: &TensorSpec, channel: usize) -> usize {
    match spec.channels {
        Channels::Rgb | Channels::Rgba => channel,
        Channels::Bgr => [2, 1, 0][channel],
        Channels::Gray => 0,
    }
}

/// Where colour `channel` of the pixel at `x`, `y` lies within a tensor.
fn index_of(spec: &TensorSpec, x: usize, y: usize, channel: usize) -> usize {
    let place = place_of(spec, channel);
    let cells = spec.cells;
    match spec.layout {
        Layout::Nchw if cells > 1 => {
            let channel = (place * cells + y % cells) * cells + x % cells;
            (channel * (spec.height / cells) + y / cells) * (spec.width / cells) + x / cells
        }
        Layout::Nchw => (place * spec.height + y) * spec.width + x,
        Layout::Nhwc => (y * spec.width + x) * spec.channels.count() + place,
    }
}

/// Where a walk of `steps` steps along `len` pixels ends that turns round at both ends.
fn bounce(steps: usize, len: usize) -> usize {
    let (mut at, mut forwards) = (0, true);
    for _ in 0..steps {
        if len == 1 {
            break;
        }
        if at == len - 1 {
            forwards = false;
        } else if at == 0 {
            forwards = true;
        }
        at = if forwards { at + 1 } else { at - 1 };
    }
    at
}

pub fn reference_tensor(src: &Pixels, spec: &TensorSpec) -> Vec<f32> {
    let value = |byte: f32, channel: usize| {
        let [low, high] = spec.ranges[place_of(spec, channel)];
        low + byte * ((high - low) / 255.0)
    };
    let mut tensor = vec![f32::NAN; spec.len()];
    for y in 0..spec.height {
        for x in 0..spec.width {
            let row = bounce(y.abs_diff(spec.border), src.height()) * src.stride();
            let pixel = row + bounce(x.abs_diff(spec.border), src.width()) * src.order().bytes();
            let [red, green, blue] =
                [0, 1, 2].map(|channel| f32::from(src.data()[pixel + byte_of(src.order(), channel)]));
            let colours = match spec.channels {
                Channels::Gray => vec![red * 0.299 + green * 0.587 + blue * 0.114],
                Channels::Rgb | Channels::Bgr => vec![red, green, blue],
                Channels::Rgba => vec![red, green, blue, 255.0],
            };
            for (channel, byte) in colours.into_iter().enumerate() {
                tensor[index_of(spec, x, y, channel)] = value(byte, channel);
            }
        }
    }
    tensor
}

pub fn reference_pixels(tensor: &[f32], spec: &TensorSpec, dst: &mut PixelsMut) {
    let (stride, order) = (dst.stride(), dst.order());
    for y in 0..dst.height() {
        for x in 0..dst.width() {
            let pixel = y * stride + x * order.bytes();
            if order.bytes() == 4 {
                dst.data_mut()[pixel + 3] = 255;
            }
            for channel in 0..3 {
                let byte = byte_of(order, channel);
                let [low, high] = spec.ranges[place_of(spec, channel)];
                let value =
                    (tensor[index_of(spec, spec.border + x, spec.border + y, channel)] - low) * (255.0 / (high - low));
                // The cast clamps, and makes 0 of NaN.
                dst.data_mut()[pixel + byte] = value.round_ties_even() as u8;
            }
        }
    }
}

/// What [`Finish`] without a hold makes of the painted picture `dst`: (picture below, part), strength, colours.
pub fn reference_finish(
    under: Option<(&Pixels, f32)>,
    source: &Pixels,
    strength: f32,
    colours: f32,
    dst: &mut PixelsMut,
) {
    let order = dst.order();
    let red_to_blue = [0, 1, 2].map(|channel| byte_of(order, channel));
    for y in 0..dst.height() {
        for x in 0..dst.width() {
            let colours_of = |picture: &Pixels| {
                let pixel = &picture.row(y)[x * order.bytes()..][..order.bytes()];
                [pixel[0], pixel[1], pixel[2]].map(f32::from)
            };
            let mut painted = colours_of(&dst.as_ref());
            if let Some((under, part)) = under {
                let under = colours_of(under);
                for channel in 0..3 {
                    painted[channel] = (under[channel] + (painted[channel] - under[channel]) * part).round_ties_even();
                }
            }
            let source = colours_of(source);
            let mut luminance = 0.0;
            // The sum in the order of memory: floating-point sums depend on it.
            for place in 0..3 {
                let channel = red_to_blue.iter().position(|&byte| byte == place).unwrap();
                luminance += (painted[place] - source[place]) * LUMINANCE[channel];
            }
            let darkest = source.iter().copied().fold(f32::INFINITY, f32::min);
            let brightest = source.iter().copied().fold(0.0, f32::max);
            let luminance = luminance.min(255.0 - brightest).max(-darkest);
            let (plain, kept) = (strength * (1.0 - colours), strength * colours);
            let pixel = &mut dst.row_mut(y)[x * order.bytes()..][..order.bytes()];
            for channel in 0..3 {
                let difference = painted[channel] - source[channel];
                let finished = if strength * colours > 0.0 {
                    source[channel] + (difference * plain + luminance * kept)
                } else {
                    source[channel] + difference * plain
                };
                pixel[channel] = finished.round_ties_even() as u8;
            }
        }
    }
}

/// [`TemporalFilter`] written down pixel by pixel.
#[derive(Default)]
pub struct ReferenceFilter {
    /// What the source looked like, and what was shown, as colours by place.
    source: Vec<[u8; 3]>,
    shown: Vec<[u8; 3]>,
    noise: Option<f32>,
    pictures: usize,
}

impl ReferenceFilter {
    pub fn filter(&mut self, source: &Pixels, steadiness: f32, painted: &mut PixelsMut) {
        let (width, height, bytes) = (source.width(), source.height(), source.order().bytes());
        let colours = |row: &[u8], x: usize| [0, 1, 2].map(|colour| row[x * bytes + colour]);
        let blank = self.source.is_empty();
        if blank {
            self.source = (0..width * height).map(|at| colours(source.row(at / width), at % width)).collect();
            self.shown = vec![[0; 3]; width * height];
        }
        let (wide, high) = (width.div_ceil(8), height.div_ceil(8));
        let mut motion = vec![0u32; wide * high];
        let still_before = self.noise.unwrap_or(0.0) * 1.4 + 24.0;
        for (block, motion) in motion.iter_mut().enumerate() {
            let places: Vec<(usize, usize)> = (0..64)
                .map(|at| (block % wide * 8 + at % 8, block / wide * 8 + at / 8))
                .filter(|&(x, y)| x < width && y < height && y % 2 == 0)
                .collect();
            let now = |(x, y): (usize, usize)| colours(source.row(y), x);
            let apart = |at: (usize, usize)| -> u32 {
                let pairs = now(at).into_iter().zip(self.source[at.1 * width + at.0]);
                pairs.map(|(now, then)| u32::from(now.abs_diff(then))).sum()
            };
            let sum: u32 = places.iter().map(|&at| apart(at)).sum();
            *motion = (sum * 16 / (places.len() as u32 * 3)).min(255);
            for at in places {
                for (then, now) in self.source[at.1 * width + at.0].iter_mut().zip(now(at)) {
                    *then = match *motion as f32 > still_before {
                        true => now,
                        false => now.clamp(then.saturating_sub(1), then.saturating_add(1)),
                    };
                }
            }
        }
        let mut weights = vec![0u8; wide * high];
        let firmness = steadiness * (2.0 - steadiness);
        if !blank {
            let mut sorted = motion.clone();
            sorted.sort_unstable();
            let measured = sorted[sorted.len() / 5] as f32;
            let noise = measured.min(96.0).min(self.noise.map_or(f32::INFINITY, |noise| noise + 0.48));
            self.noise = Some(noise);
            for (weight, motion) in weights.iter_mut().zip(&motion) {
                *weight = ((2.0 - *motion as f32 / (noise * 1.4 + 24.0)).clamp(0.0, 1.0) * firmness * 240.0) as u8;
            }
        }
        let farthest = (32.0 * firmness).ceil() as i32;
        self.pictures += 1;
        for y in 0..height {
            for x in 0..width {
                let near = |block: usize| (block % wide).abs_diff(x / 8) <= 1 && (block / wide).abs_diff(y / 8) <= 1;
                let weight = (0..wide * high).filter(|&block| near(block)).map(|block| weights[block]).min().unwrap();
                let pixel = &mut painted.row_mut(y)[x * bytes..][..3];
                for (colour, (new, shown)) in pixel.iter_mut().zip(&mut self.shown[y * width + x]).enumerate() {
                    let away = (i32::from(*shown) - i32::from(*new)).clamp(-farthest, farthest);
                    let dither = (self.pictures * 97 + y * 59 + (x * bytes + colour) * 157) % 256;
                    let kept = (away.abs() * i32::from(weight) + dither as i32) / 256;
                    *new = (i32::from(*new) + away.signum() * kept) as u8;
                    *shown = *new;
                }
            }
        }
    }
}
