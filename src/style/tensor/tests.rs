//! The passes against a plain scalar reference, to the last bit, with and without the CPU's vector extensions.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::finish::{InPlace, LUMINANCE};
use super::hold::Watch;
use super::simd::Pass;
use super::to_pixels::ToPixels;
use super::to_tensor::ToTensor;
use super::*;
use crate::style::geometry::Size;

/// A byte that the passes must not touch.
const CANARY: u8 = 0xa5;

/// Where colour `channel` of `order` (0 red, 1 green, 2 blue) lies within a pixel.
fn byte_of(order: PixelOrder, channel: usize) -> usize {
    match order {
        PixelOrder::Rgb | PixelOrder::Rgbx => [0, 1, 2][channel],
        PixelOrder::Bgr | PixelOrder::Bgrx => [2, 1, 0][channel],
    }
}

/// Where colour `channel` of the pixel at `x`, `y` lies within a tensor.
fn index_of(spec: &TensorSpec, x: usize, y: usize, channel: usize) -> usize {
    let place = match spec.channels {
        Channels::Rgb => [0, 1, 2][channel],
        Channels::Bgr => [2, 1, 0][channel],
    };
    match spec.layout {
        Layout::Nchw => (place * spec.height + y) * spec.width + x,
        Layout::Nhwc => (y * spec.width + x) * 3 + place,
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

fn reference_tensor(src: &Pixels, spec: &TensorSpec) -> Vec<f32> {
    let [low, high] = spec.range;
    let mut tensor = vec![f32::NAN; spec.len()];
    for y in 0..spec.height {
        for x in 0..spec.width {
            let row = bounce(y.abs_diff(spec.border), src.height()) * src.stride();
            let pixel = row + bounce(x.abs_diff(spec.border), src.width()) * src.order().bytes();
            for channel in 0..3 {
                let byte = src.data()[pixel + byte_of(src.order(), channel)];
                tensor[index_of(spec, x, y, channel)] = low + f32::from(byte) * ((high - low) / 255.0);
            }
        }
    }
    tensor
}

fn reference_pixels(tensor: &[f32], spec: &TensorSpec, dst: &mut PixelsMut) {
    let [low, high] = spec.range;
    let (stride, order) = (dst.stride(), dst.order());
    for y in 0..dst.height() {
        for x in 0..dst.width() {
            let pixel = y * stride + x * order.bytes();
            if order.bytes() == 4 {
                dst.data_mut()[pixel + 3] = 255;
            }
            for channel in 0..3 {
                let byte = byte_of(order, channel);
                let value =
                    (tensor[index_of(spec, spec.border + x, spec.border + y, channel)] - low) * (255.0 / (high - low));
                // The cast clamps, and makes 0 of NaN.
                dst.data_mut()[pixel + byte] = value.round_ties_even() as u8;
            }
        }
    }
}

/// What [`Finish`] without a hold makes of the painted picture `dst`: (picture below, part), strength, colours.
fn reference_finish(under: Option<(&Pixels, f32)>, source: &Pixels, strength: f32, colours: f32, dst: &mut PixelsMut) {
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

/// A picture's shape and the tensor that it goes to or comes from.
#[derive(Debug, Clone)]
struct Case {
    width: usize,
    height: usize,
    order: PixelOrder,
    /// Bytes between two rows, of the picture and of a second one of the same size.
    gaps: [usize; 2],
    spec: TensorSpec,
}

impl Case {
    fn stride(&self, picture: usize) -> usize {
        self.width * self.order.bytes() + self.gaps[picture]
    }

    fn bytes(&self, picture: usize) -> usize {
        self.stride(picture) * (self.height - 1) + self.width * self.order.bytes()
    }

    fn pixels<'a>(&self, data: &'a [u8], picture: usize) -> Pixels<'a> {
        Pixels::new(data, self.width, self.height, self.stride(picture), self.order).unwrap()
    }

    fn pixels_mut<'a>(&self, data: &'a mut [u8], picture: usize) -> PixelsMut<'a> {
        PixelsMut::new(data, self.width, self.height, self.stride(picture), self.order).unwrap()
    }
}

/// Widths on both sides of what a vector holds; borders and paddings wider than the picture.
fn cases() -> impl Strategy<Value = Case> {
    let size = (1usize..80, 1usize..6);
    let padding = (prop_oneof![Just(0), 0usize..40], prop_oneof![Just(0), 0usize..12]);
    let border = prop_oneof![Just(0), 1usize..20];
    let order = select(vec![PixelOrder::Rgb, PixelOrder::Bgr, PixelOrder::Rgbx, PixelOrder::Bgrx]);
    let layout = select(vec![Layout::Nchw, Layout::Nhwc]);
    let channels = select(vec![Channels::Rgb, Channels::Bgr]);
    let range = prop_oneof![
        select(vec![[0.0, 1.0], [0.0, 255.0], [-1.0, 1.0], [1.0, 0.0], [-103.5, 151.5]]),
        [-1000.0f32..1000.0, -1000.0f32..1000.0],
    ];
    let gaps = [0usize..9, 0usize..9];
    (size, (border, padding), order, layout, channels, range, gaps).prop_map(
        |((width, height), (border, (right, bottom)), order, layout, channels, range, gaps)| {
            let (tensor_width, tensor_height) = (border + width + right, border + height + bottom);
            let spec = TensorSpec { layout, channels, range, width: tensor_width, height: tensor_height, border };
            Case { width, height, order, gaps, spec }
        },
    )
}

fn cases_with_pixels() -> impl Strategy<Value = (Case, Vec<u8>)> {
    cases().prop_flat_map(|case| {
        let bytes = case.bytes(0);
        (Just(case), vec(any::<u8>(), bytes))
    })
}

/// Values within the range and somewhat beyond, ties, and whatever else a float can be.
fn cases_with_tensor() -> impl Strategy<Value = (Case, Vec<f32>)> {
    cases().prop_flat_map(|case| {
        let [low, high] = case.spec.range;
        let value = prop_oneof![
            8 => (-0.2f32..1.2).prop_map(move |part| low + part * (high - low)),
            4 => (-4i16..516).prop_map(move |halves| low + f32::from(halves) / 2.0 * ((high - low) / 255.0)),
            1 => any::<f32>(),
            1 => select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, low, high]),
        ];
        let len = case.spec.len();
        (Just(case), vec(value, len))
    })
}

/// A part of the whole.
fn part() -> impl Strategy<Value = f32> {
    prop_oneof![select(vec![0.0f32, 0.25, 0.5, 1.0]), 0.0f32..1.0]
}

/// [`Hold`] written down pixel by pixel.
#[derive(Default)]
struct ReferenceHold {
    /// What the source looked like, and what was shown, as colours by place.
    source: Vec<[u8; 3]>,
    shown: Vec<[u8; 3]>,
    noise: Option<f32>,
    pictures: usize,
}

impl ReferenceHold {
    fn hold(&mut self, source: &Pixels, steadiness: f32, painted: &mut PixelsMut) {
        let (width, height, bytes) = (source.width(), source.height(), source.order().bytes());
        let colours = |row: &[u8], x: usize| [0, 1, 2].map(|colour| row[x * bytes + colour]);
        let blank = self.source.is_empty();
        if blank {
            self.source = (0..width * height).map(|at| colours(source.row(at / width), at % width)).collect();
            self.shown = vec![[0; 3]; width * height];
        }
        let (wide, high) = (width.div_ceil(8), height.div_ceil(8));
        let mut motion = vec![0u32; wide * high];
        let still_before = self.noise.unwrap_or(0.0) * 1.4 + 12.0;
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
                *weight = ((2.0 - *motion as f32 / (noise * 1.4 + 12.0)).clamp(0.0, 1.0) * firmness * 240.0) as u8;
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

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

proptest! {
    #[test]
    fn pixels_become_the_reference_tensor((case, data) in cases_with_pixels()) {
        let src = case.pixels(&data, 0);
        let expected = reference_tensor(&src, &case.spec);

        let mut tensor = vec![f32::NAN; case.spec.len()];
        pixels_to_tensor(&src, &case.spec, &mut tensor);
        prop_assert_eq!(bits(&tensor), bits(&expected));

        let mut tensor = vec![f32::NAN; case.spec.len()];
        ToTensor { src: &src, spec: &case.spec, tensor: &mut tensor }.run();
        prop_assert_eq!(bits(&tensor), bits(&expected), "without vector extensions");
    }

    #[test]
    fn a_tensor_becomes_the_reference_pixels((case, tensor) in cases_with_tensor()) {
        let mut expected = vec![CANARY; case.bytes(0)];
        reference_pixels(&tensor, &case.spec, &mut case.pixels_mut(&mut expected, 0));

        let mut data = vec![CANARY; case.bytes(0)];
        tensor_to_pixels(&tensor, &case.spec, &mut case.pixels_mut(&mut data, 0));
        prop_assert_eq!(&data, &expected);

        let mut data = vec![CANARY; case.bytes(0)];
        let dst = &mut case.pixels_mut(&mut data, 0);
        ToPixels { tensor: &tensor, spec: &case.spec, rows: None, dst }.run();
        prop_assert_eq!(&data, &expected, "without vector extensions");
    }

    #[test]
    fn a_painted_picture_is_finished_like_the_reference(
        (case, tensor) in cases_with_tensor(),
        strength in part(), colours in part(), under in proptest::option::of(part()),
        noise in vec(any::<u8>(), 1..50),
        other in vec(any::<u8>(), 1..50),
    ) {
        let filled = |bytes: &[u8]| -> Vec<u8> { bytes.iter().copied().cycle().take(case.bytes(1)).collect() };
        let (source, below) = (filled(&noise), filled(&other));
        let (source, below) = (case.pixels(&source, 1), case.pixels(&below, 1));
        let mut expected = vec![CANARY; case.bytes(0)];
        let dst = &mut case.pixels_mut(&mut expected, 0);
        reference_pixels(&tensor, &case.spec, dst);
        reference_finish(under.map(|part| (&below, part)), &source, strength, colours, dst);

        let mut finish = Finish {
            source: &source, strength, colours, under: under.map(|part| (below, part)), hold: None,
        };
        let mut data = vec![CANARY; case.bytes(0)];
        let dst = &mut case.pixels_mut(&mut data, 0);
        tensor_to_pixels_finished(&tensor, &case.spec, &mut finish, dst);
        prop_assert_eq!(&data, &expected);

        let mut data = vec![CANARY; case.bytes(0)];
        let dst = &mut case.pixels_mut(&mut data, 0);
        ToPixels { tensor: &tensor, spec: &case.spec, rows: Some(finish.rows()), dst }.run();
        prop_assert_eq!(&data, &expected, "without vector extensions");

        let mut data = vec![CANARY; case.bytes(0)];
        let dst = &mut case.pixels_mut(&mut data, 0);
        tensor_to_pixels(&tensor, &case.spec, dst);
        finish_pixels(&mut finish, dst);
        prop_assert_eq!(&data, &expected, "after the pass");
    }

    #[test]
    fn strength_0_is_the_source_and_1_the_painted_picture(
        (case, tensor) in cases_with_tensor(),
        colours in part(),
        noise in vec(any::<u8>(), 1..50),
    ) {
        let mut source: Vec<u8> = noise.iter().copied().cycle().take(case.bytes(0)).collect();
        if case.order.bytes() == 4 {
            let stride = case.stride(0);
            source.chunks_mut(stride).for_each(|row| row.iter_mut().skip(3).step_by(4).for_each(|x| *x = 255));
        }
        let source = case.pixels(&source, 0);
        let mut painted = vec![0; case.bytes(0)];
        let painted = &mut case.pixels_mut(&mut painted, 0);
        tensor_to_pixels(&tensor, &case.spec, painted);

        let mut data = vec![0; case.bytes(0)];
        let dst = &mut case.pixels_mut(&mut data, 0);
        for (strength, colours, expected) in [(0.0, colours, source), (-1.0, colours, source),
                                              (f32::NAN, colours, source), (1.0, 0.0, painted.as_ref()),
                                              (7.0, f32::NAN, painted.as_ref())] {
            let mut finish = Finish { source: &source, strength, colours, under: None, hold: None };
            tensor_to_pixels_finished(&tensor, &case.spec, &mut finish, dst);
            for y in 0..case.height {
                prop_assert_eq!(dst.row_mut(y) as &[u8], expected.row(y), "strength {}, row {}", strength, y);
            }
        }
    }

    #[test]
    fn kept_colours_keep_the_chroma(
        (case, tensor) in cases_with_tensor(), strength in part(), noise in vec(any::<u8>(), 1..50),
    ) {
        let source: Vec<u8> = noise.iter().copied().cycle().take(case.bytes(0)).collect();
        let source = case.pixels(&source, 0);
        let mut data = vec![0; case.bytes(0)];
        let dst = &mut case.pixels_mut(&mut data, 0);
        let mut finish = Finish { source: &source, strength, colours: 1.0, under: None, hold: None };
        tensor_to_pixels_finished(&tensor, &case.spec, &mut finish, dst);
        for y in 0..case.height {
            let bytes = case.order.bytes();
            for (before, after) in source.row(y).chunks(bytes).zip(dst.row_mut(y).chunks(bytes)) {
                let steps = [0, 1, 2].map(|colour| i16::from(after[colour]) - i16::from(before[colour]));
                let apart = steps.iter().max().unwrap() - steps.iter().min().unwrap();
                prop_assert!(apart <= 1, "{:?} became {:?}", before, after);
            }
        }
    }

    #[test]
    fn a_picture_is_held_like_the_reference(
        (case, pictures) in cases().prop_flat_map(|case| {
            let bytes = case.bytes(0);
            // Noise, and sometimes another scene.
            let picture = (vec(0u8..12, bytes), prop_oneof![4 => Just(0u8), 1 => any::<u8>()]);
            (Just(case), vec(picture, 1..6))
        }),
        steadiness in vec(part(), 6),
        painted in vec(any::<u8>(), 1..50),
    ) {
        let (mut hold, mut bare, mut reference) = (Hold::default(), Hold::default(), ReferenceHold::default());
        for (number, (noise, scene)) in pictures.iter().enumerate() {
            let source: Vec<u8> = noise.iter().map(|noise| scene.saturating_add(*noise)).collect();
            let source = case.pixels(&source, 0);
            let mut painted: Vec<u8> = painted.iter().cycle().skip(number * 7).take(case.bytes(0)).copied().collect();
            if case.order.bytes() == 4 {
                let rows = painted.chunks_mut(case.stride(0));
                rows.for_each(|row| row.iter_mut().skip(3).step_by(4).take(case.width).for_each(|x| *x = 255));
            }
            let mut expected = painted.clone();
            reference.hold(&source, steadiness[number], &mut case.pixels_mut(&mut expected, 0));

            let finish = |hold| Finish { source: &source, strength: 1.0, colours: 0.0, under: None, hold: Some(hold) };
            let mut data = painted.clone();
            let held = hold.watch(&source, steadiness[number]);
            finish_pixels(&mut finish(held), &mut case.pixels_mut(&mut data, 0));
            prop_assert_eq!(&data, &expected, "picture {}", number);

            let mut data = painted;
            bare.prepare(Size::new(case.width, case.height), case.order);
            let held = bare.watch_with(&source, steadiness[number], |watch: Watch| watch.run());
            let mut finish = finish(held);
            InPlace { rows: finish.rows(), dst: &mut case.pixels_mut(&mut data, 0) }.run();
            prop_assert_eq!(&data, &expected, "picture {} without vector extensions", number);
        }
    }

    #[test]
    fn pixels_survive_the_way_there_and_back((mut case, data) in cases_with_pixels()) {
        let [low, high] = case.spec.range;
        prop_assume!((high - low).abs() > 0.1);
        case.gaps[1] = 0;
        let src = case.pixels(&data, 0);
        let mut tensor = vec![0.0; case.spec.len()];
        pixels_to_tensor(&src, &case.spec, &mut tensor);
        let mut back = vec![0; case.bytes(1)];
        let dst = &mut case.pixels_mut(&mut back, 1);
        tensor_to_pixels(&tensor, &case.spec, dst);
        let colours = |bytes: &[u8]| -> Vec<[u8; 3]> {
            bytes.chunks(case.order.bytes()).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect()
        };
        for y in 0..case.height {
            prop_assert_eq!(colours(dst.row_mut(y)), colours(src.row(y)));
        }
    }
}

/// A grey picture of one row, as the values of its first plane.
fn row_of_plane(grey: &[u8], border: usize, width: usize) -> Vec<f32> {
    let data: Vec<u8> = grey.iter().flat_map(|&grey| [grey; 3]).collect();
    let src = Pixels::new(&data, grey.len(), 1, data.len(), PixelOrder::Rgb).unwrap();
    let spec = TensorSpec { border, ..spec(width, 2 * border + 1) };
    let mut tensor = vec![f32::NAN; spec.len()];
    pixels_to_tensor(&src, &spec, &mut tensor);
    tensor.truncate(width);
    tensor
}

fn spec(width: usize, height: usize) -> TensorSpec {
    TensorSpec { layout: Layout::Nchw, channels: Channels::Rgb, range: [0.0, 255.0], width, height, border: 0 }
}

#[test]
fn padding_reflects_without_repeating_the_edge_as_often_as_it_takes() {
    assert_eq!(row_of_plane(&[1, 2, 3], 0, 9), [1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0]);
    assert_eq!(row_of_plane(&[1, 2], 0, 5), [1.0, 2.0, 1.0, 2.0, 1.0]);
    assert_eq!(row_of_plane(&[7], 0, 4), [7.0; 4]);
    assert_eq!(row_of_plane(&[1, 2, 3], 2, 7), [3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0]);
    assert_eq!(row_of_plane(&[1, 2], 3, 8), [2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0]);
    assert_eq!(row_of_plane(&[7], 3, 8), [7.0; 8]);
}

#[test]
fn bytes_are_rounded_to_even_and_clamped() {
    let cases = [
        (0.5, 0),
        (1.5, 2),
        (2.5, 2),
        (2.500_001, 3),
        (254.5, 254),
        (254.6, 255),
        (-0.5, 0),
        (-1e30, 0),
        (1e30, 255),
        (f32::INFINITY, 255),
        (f32::NEG_INFINITY, 0),
        (f32::NAN, 0),
    ];
    for (value, byte) in cases {
        let mut data = [CANARY; 4];
        let dst = &mut PixelsMut::new(&mut data, 1, 1, 4, PixelOrder::Bgrx).unwrap();
        tensor_to_pixels(&[value; 3], &spec(1, 1), dst);
        assert_eq!(data, [byte, byte, byte, 255], "{value}");
    }
}

#[test]
fn a_red_pixel_stays_red_in_every_order() {
    let spec = TensorSpec { layout: Layout::Nhwc, range: [-1.0, 1.0], ..spec(1, 1) };
    let bgr = TensorSpec { channels: Channels::Bgr, ..spec };
    let mut tensor = [0.0; 3];
    pixels_to_tensor(&Pixels::new(&[0, 0, 255, 9], 1, 1, 4, PixelOrder::Bgrx).unwrap(), &spec, &mut tensor);
    assert_eq!(tensor, [1.0, -1.0, -1.0]);
    pixels_to_tensor(&Pixels::new(&[255, 0, 0], 1, 1, 3, PixelOrder::Rgb).unwrap(), &bgr, &mut tensor);
    assert_eq!(tensor, [-1.0, -1.0, 1.0]);
}

#[test]
fn a_picture_that_its_bytes_cannot_hold_is_refused() {
    let fits = |len, width, height, stride, order| {
        let mut data = vec![0; len];
        let fits = Pixels::new(&data, width, height, stride, order).is_some();
        assert_eq!(PixelsMut::new(&mut data, width, height, stride, order).is_some(), fits);
        fits
    };
    assert!(fits(16 + 12, 3, 2, 16, PixelOrder::Bgrx), "the last row may end with its pixels");
    assert!(!fits(16 + 11, 3, 2, 16, PixelOrder::Bgrx), "a byte is missing");
    assert!(!fits(100, 3, 2, 11, PixelOrder::Bgrx), "rows overlap");
    assert!(fits(100, 3, 2, 11, PixelOrder::Bgr));
    assert!(!fits(100, 0, 2, 11, PixelOrder::Rgb), "no width");
    assert!(!fits(100, 3, 0, 11, PixelOrder::Rgb), "no height");
    assert!(!fits(100, usize::MAX, 1, usize::MAX, PixelOrder::Rgb), "a row is longer than memory");
    assert!(!fits(100, 1, usize::MAX, usize::MAX, PixelOrder::Rgb), "the picture is larger than memory");
}

#[test]
#[should_panic(expected = "a picture of 2x1 at 0, 0 does not fit a tensor of 1x1")]
fn a_picture_larger_than_the_tensor_is_refused() {
    let src = Pixels::new(&[0; 6], 2, 1, 6, PixelOrder::Rgb).unwrap();
    pixels_to_tensor(&src, &spec(1, 1), &mut [0.0; 3]);
}

#[test]
#[should_panic(expected = "the tensor's length differs from its spec")]
fn a_tensor_of_another_length_is_refused() {
    let mut data = [0; 3];
    tensor_to_pixels(&[0.0; 4], &spec(1, 1), &mut PixelsMut::new(&mut data, 1, 1, 3, PixelOrder::Rgb).unwrap());
}

#[test]
#[should_panic(expected = "differs from the painted one in size or pixel order")]
fn a_source_of_another_order_is_refused() {
    let source = Pixels::new(&[0; 3], 1, 1, 3, PixelOrder::Bgr).unwrap();
    let mut data = [0; 3];
    let dst = &mut PixelsMut::new(&mut data, 1, 1, 3, PixelOrder::Rgb).unwrap();
    let mut finish = Finish { source: &source, strength: 0.5, colours: 0.0, under: None, hold: None };
    tensor_to_pixels_finished(&[0.0; 3], &spec(1, 1), &mut finish, dst);
}

#[test]
fn manifests_write_layout_and_channels_in_lowercase() {
    assert_eq!(serde_json::to_string(&[Layout::Nchw, Layout::Nhwc]).unwrap(), r#"["nchw","nhwc"]"#);
    assert_eq!(serde_json::from_str::<Vec<Channels>>(r#"["rgb","bgr"]"#).unwrap(), [Channels::Rgb, Channels::Bgr]);
}
