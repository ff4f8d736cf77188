//! Motion that is known is found again; what was hidden, other scenes and moving things leave nothing behind.

use proptest::prelude::*;

use super::search::{Find, Flow};
use super::trust::Judge;
use super::*;
use crate::style::tensor::{Finish, Held, Pass, PixelsMut, finish_pixels, simd};

const WIDTH: usize = 200;
const HEIGHT: usize = 152;

/// A texture without repetition, as of a photograph: waves of many lengths, the longer the higher; 0 to 255.
fn texture(x: f32, y: f32) -> f32 {
    let waves = (0..9).map(|n| {
        let (length, angle) = (7.0 * 1.5f32.powi(n), 2.4 * n as f32);
        let along = x * angle.cos() + y * angle.sin();
        length.sqrt() * (along / length * std::f32::consts::TAU + n as f32).sin()
    });
    127.5 + waves.sum::<f32>() * 2.5
}

/// Grey pixels, from what lies at each place.
fn picture(at: impl Fn(f32, f32) -> f32) -> Vec<u8> {
    let places = (0..WIDTH * HEIGHT).map(|place| ((place % WIDTH) as f32, (place / WIDTH) as f32));
    places
        .flat_map(|(x, y)| {
            let grey = at(x, y).round().clamp(0.0, 255.0) as u8;
            [grey, grey, grey, 255]
        })
        .collect()
}

fn pixels(data: &[u8]) -> Pixels<'_> {
    Pixels::packed(data, WIDTH, HEIGHT, PixelOrder::Bgrx).unwrap()
}

fn pyramid(data: &[u8]) -> Pyramid {
    let mut pyramid = Pyramid::new(WIDTH, HEIGHT);
    pyramid.read(&pixels(data));
    pyramid
}

/// Shows one picture after the other, painted so, and returns what is seen.
struct Film(FlowFilter);

impl Film {
    fn show(&mut self, source: &[u8], painted: &[u8]) -> Vec<u8> {
        let (source, mut shown) = (pixels(source), painted.to_vec());
        let filter = Some(Held::Moving(self.0.watch(&source, true)));
        let mut finish = Finish { source: &source, strength: 1.0, colours: 0.0, under: None, filter, mask: None };
        finish_pixels(&mut finish, &mut PixelsMut::like(&mut shown, &source));
        shown
    }

    fn trust(&self, x: usize, y: usize) -> f32 {
        let memory = self.0.memory.as_ref().unwrap();
        memory.trust.plane.row(y / memory.now.scale)[x / memory.now.scale]
    }
}

/// The mean distance from `flow` to the motion that is true, away from the edges.
fn missed(flow: &Flow, truth: impl Fn(f32, f32) -> [f32; 2]) -> f32 {
    let (mut sum, mut count) = (0.0, 0.0);
    for y in 24..HEIGHT - 24 {
        for x in 24..WIDTH - 24 {
            let [right, down] = truth(x as f32, y as f32);
            sum += (flow.right.row(y)[x] - right).hypot(flow.down.row(y)[x] - down);
            count += 1.0;
        }
    }
    sum / count
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn shift_rotation_and_zoom_are_found(
        shift in [-14.0f32..14.0, -14.0f32..14.0],
        turn in -0.05f32..0.05,
        zoom in 0.95f32..1.05,
    ) {
        // Where a pixel of this picture was in the one before.
        let there = |x: f32, y: f32| {
            let (x, y) = (x - WIDTH as f32 / 2.0, y - HEIGHT as f32 / 2.0);
            let (sin, cos) = turn.sin_cos();
            [
                zoom * (cos * x - sin * y) + WIDTH as f32 / 2.0 + shift[0],
                zoom * (sin * x + cos * y) + HEIGHT as f32 / 2.0 + shift[1],
            ]
        };
        let before = pyramid(&picture(texture));
        let now = pyramid(&picture(|x, y| { let [x, y] = there(x, y); texture(x, y) }));
        let mut search = Search::new(&now);
        search.find(&now, &before);
        let missed = missed(search.flow(), |x, y| { let [to_x, to_y] = there(x, y); [to_x - x, to_y - y] });
        prop_assert!(missed < 0.6, "missed by {} px on average", missed);
    }

    #[test]
    fn every_processor_finds_the_same(shift in [-9.0f32..9.0, -9.0f32..9.0], light in 0.5f32..1.0) {
        let before = pyramid(&picture(texture));
        let now = pyramid(&picture(|x, y| texture(x + shift[0], y + shift[1]) * light));
        let (mut fast, mut plain) = (Search::new(&now), Search::new(&now));
        fast.find(&now, &before);
        Find { search: &mut plain, from: &now, to: &before }.run();
        prop_assert!(fast.flow().right.data == plain.flow().right.data && fast.flow().down.data == plain.flow().down.data);
        let (mut trust, mut plain) = (Trust::new(WIDTH, HEIGHT), Trust::new(WIDTH, HEIGHT));
        let flow = fast.flow();
        simd::run(Judge { trust: &mut trust, now: &now, back: flow, forth: flow });
        Judge { trust: &mut plain, now: &now, back: flow, forth: flow }.run();
        prop_assert!(trust.plane.data == plain.plane.data);
    }
}

/// A square of 40 pixels over the texture.
fn with_square(left: f32) -> Vec<u8> {
    picture(
        |x, y| if (left..left + 40.0).contains(&x) && (50.0..90.0).contains(&y) { 250.0 - y } else { texture(x, y) },
    )
}

#[test]
fn what_was_hidden_is_not_held_and_the_rest_is() {
    let mut film = Film(FlowFilter::default());
    for frame in 0..3 {
        let source = with_square(60.0 + 6.0 * frame as f32);
        film.show(&source, &source);
    }
    assert!(film.trust(69, 70) < 0.1, "uncovered since the last picture: {}", film.trust(69, 70));
    assert!(film.trust(150, 30) > 0.95 && film.trust(30, 70) > 0.95, "the wall");
    assert!(film.trust(92, 70) > 0.9, "the square itself");
}

#[test]
fn another_scene_is_shown_as_it_is_painted() {
    let mut film = Film(FlowFilter::default());
    let (source, painted) = (picture(texture), picture(|x, _| x));
    (0..4).for_each(|_| drop(film.show(&source, &painted)));
    let (other, painted) = (picture(|x, y| texture(y * 1.7 + 500.0, 300.0 - x)), picture(|_, y| y));
    assert_eq!(film.show(&other, &painted), painted);
}

#[test]
fn a_moving_square_leaves_no_trail() {
    let mut film = Film(FlowFilter::default());
    for (speed, frames) in [(1.0, 60), (3.0, 30), (11.0, 9)] {
        let (mut beside, mut behind) = (0, 0);
        for frame in 0..frames {
            let left = 20.0 + speed * frame as f32;
            let source = with_square(left);
            let shown = film.show(&source, &source);
            let worst_up_to = |right: f32| {
                let places = (0..WIDTH * HEIGHT).filter(|place| ((place % WIDTH) as f32) < right);
                places.map(|place| shown[place * 4].abs_diff(source[place * 4])).max().unwrap_or(0)
            };
            beside = worst_up_to(left - 1.0).max(beside);
            behind = worst_up_to(left - 8.0).max(behind);
        }
        eprintln!("at {speed} px a picture: {beside} levels right beside it, {behind} behind it at most");
        assert!(beside <= 28 && behind <= 8, "at {speed} px a picture: {beside} levels beside it, {behind} behind it");
    }
}

#[test]
fn flicker_goes_along_the_motion_and_the_strokes_stay_sharp() {
    let mut random = fastrand::Rng::with_seed(3);
    for speed in [0.0, 0.3, 2.6] {
        let mut film = Film(FlowFilter::default());
        let (mut flicker, mut rough, mut contrast) = (0.0, 0.0, 0.0);
        let strokes = |x: f32, y: f32| 128.0 + 60.0 * (x * 0.4).sin() * (y * 0.3).cos();
        let steps = |picture: &[u8]| picture.windows(5).map(|near| f32::from(near[0].abs_diff(near[4]))).sum::<f32>();
        for frame in 0..40 {
            let pan = speed * frame as f32;
            let clean = picture(|x, y| strokes(x + pan, y));
            // Strokes that are lighter in one picture and darker in the next.
            let patches: Vec<f32> = (0..WIDTH * HEIGHT / 36).map(|_| random.f32() * 24.0 - 12.0).collect();
            let patch = |x: f32, y: f32| patches[(y as usize / 6 * (WIDTH / 6) + x as usize / 6) % patches.len()];
            let rough_picture = picture(|x, y| strokes(x + pan, y) + patch(x, y));
            let shown = film.show(&picture(|x, y| texture(x + pan, y)), &rough_picture);
            if frame >= 20 {
                let inner = |place: &usize| (24..WIDTH - 80).contains(&(place % WIDTH));
                for place in (0..WIDTH * HEIGHT).filter(inner) {
                    flicker += f32::from(shown[place * 4].abs_diff(clean[place * 4]));
                    rough += f32::from(rough_picture[place * 4].abs_diff(clean[place * 4]));
                }
                contrast += steps(&shown) / steps(&clean);
            }
        }
        eprintln!(
            "at {speed} px a picture: flicker {} of {} levels, contrast {}",
            flicker / 2e5,
            rough / 2e5,
            contrast / 20.0
        );
        assert!(flicker < 0.5 * rough, "at {speed} px a picture {flicker} of {rough}");
        assert!(contrast > 0.93 * 20.0, "at {speed} px a picture the contrast is {}", contrast / 20.0);
    }
}

#[test]
fn pictures_of_any_size_are_taken() {
    for (width, height) in [(1, 1), (3, 200), (17, 9), (1921, 2)] {
        let mut filter = FlowFilter::default();
        for _ in 0..3 {
            let data = vec![90; width * height * 3];
            let source = Pixels::packed(&data, width, height, PixelOrder::Rgb).unwrap();
            let mut shown = data.clone();
            let filter = Some(Held::Moving(filter.watch(&source, true)));
            let mut finish = Finish { source: &source, strength: 1.0, colours: 0.0, under: None, filter, mask: None };
            finish_pixels(&mut finish, &mut PixelsMut::like(&mut shown, &source));
            assert_eq!(shown, data, "{width}x{height}");
        }
    }
}
