//! The passes against the plain reference, to the last bit, with and without the CPU's vector extensions.

use proptest::array::uniform4;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::finish::InPlace;
use super::super::simd::Pass;
use super::super::temporal_filter::Watch;
use super::super::to_pixels::ToPixels;
use super::super::to_tensor::ToTensor;
use super::super::*;
use super::CANARY;
use super::reference::{ReferenceFilter, reference_finish, reference_pixels, reference_tensor};
use crate::style::flow::FlowFilter;
use crate::style::geometry::Size;

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
    let channels = select(vec![Channels::Rgb, Channels::Bgr, Channels::Gray, Channels::Rgba]);
    let range = prop_oneof![
        select(vec![[0.0, 1.0], [0.0, 255.0], [-1.0, 1.0], [1.0, 0.0], [-103.5, 151.5]]),
        [-1000.0f32..1000.0, -1000.0f32..1000.0],
    ];
    // Mostly the same for all channels, as most networks have it.
    let ranges = prop_oneof![range.clone().prop_map(|range| [range; 4]), uniform4(range)];
    let gaps = [0usize..9, 0usize..9];
    (size, (border, padding), order, layout, channels, ranges, gaps).prop_map(
        |((width, height), (border, (right, bottom)), order, layout, channels, ranges, gaps)| {
            let (tensor_width, tensor_height) = (border + width + right, border + height + bottom);
            let spec =
                TensorSpec { layout, channels, ranges, width: tensor_width, height: tensor_height, border, cells: 1 };
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
        let [low, high] = case.spec.ranges[0];
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

/// The same, half of them in cells: the tensor as large as its whole cells.
fn in_cells((case, tensor): (Case, Vec<f32>), cells: usize) -> (Case, Vec<f32>) {
    let Case { spec, .. } = case;
    if spec.layout != Layout::Nchw || spec.channels.count() != 3 {
        return (case, tensor);
    }
    let border = spec.border.next_multiple_of(cells);
    let whole = |length: usize| (length - spec.border + border).next_multiple_of(cells);
    let spec = TensorSpec { width: whole(spec.width), height: whole(spec.height), border, cells, ..spec };
    let tensor = tensor.iter().copied().cycle().take(spec.len()).collect();
    (Case { spec, ..case }, tensor)
}

/// A part of the whole.
fn part() -> impl Strategy<Value = f32> {
    prop_oneof![select(vec![0.0f32, 0.25, 0.5, 1.0]), 0.0f32..1.0]
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
    fn a_tensor_becomes_the_reference_pixels(drawn in cases_with_tensor(), cells in select(CELL_SIDES.to_vec())) {
        let (case, tensor) = in_cells(drawn, cells);
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
        drawn in cases_with_tensor(), cells in select(CELL_SIDES.to_vec()),
        strength in part(), colours in part(), under in proptest::option::of(part()),
        noise in vec(any::<u8>(), 1..50),
        other in vec(any::<u8>(), 1..50),
    ) {
        let (case, tensor) = in_cells(drawn, cells);
        let filled = |bytes: &[u8]| -> Vec<u8> { bytes.iter().copied().cycle().take(case.bytes(1)).collect() };
        let (source, below) = (filled(&noise), filled(&other));
        let (source, below) = (case.pixels(&source, 1), case.pixels(&below, 1));
        let mut expected = vec![CANARY; case.bytes(0)];
        let dst = &mut case.pixels_mut(&mut expected, 0);
        reference_pixels(&tensor, &case.spec, dst);
        reference_finish(under.map(|part| (&below, part)), &source, strength, colours, dst);

        let mut finish = Finish {
            source: &source, strength, colours, under: under.map(|part| (below, part)), filter: None, mask: None,
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
            let mut finish = Finish { source: &source, strength, colours, under: None, filter: None, mask: None };
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
        let mut finish = Finish { source: &source, strength, colours: 1.0, under: None, filter: None, mask: None };
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
        let (mut filter, mut bare, mut reference) = (TemporalFilter::default(), TemporalFilter::default(), ReferenceFilter::default());
        for (number, (noise, scene)) in pictures.iter().enumerate() {
            let source: Vec<u8> = noise.iter().map(|noise| scene.saturating_add(*noise)).collect();
            let source = case.pixels(&source, 0);
            let mut painted: Vec<u8> = painted.iter().cycle().skip(number * 7).take(case.bytes(0)).copied().collect();
            if case.order.bytes() == 4 {
                let rows = painted.chunks_mut(case.stride(0));
                rows.for_each(|row| row.iter_mut().skip(3).step_by(4).take(case.width).for_each(|x| *x = 255));
            }
            let mut expected = painted.clone();
            reference.filter(&source, steadiness[number], &mut case.pixels_mut(&mut expected, 0));

            let finish = |held| {
                let filter = Some(Held::Still(held));
                Finish { source: &source, strength: 1.0, colours: 0.0, under: None, filter, mask: None }
            };
            let mut data = painted.clone();
            let held = filter.watch(&source, steadiness[number]);
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
    fn a_moving_picture_is_held_alike_on_every_processor(
        (case, noise) in cases_with_pixels(), shift in 0usize..5, painted in vec(any::<u8>(), 1..50),
    ) {
        let (mut fast, mut plain) = (FlowFilter::default(), FlowFilter::default());
        for number in 0..3 {
            let source: Vec<u8> = noise.iter().copied().cycle().skip(number * shift * case.order.bytes()).take(case.bytes(0)).collect();
            let source = case.pixels(&source, 0);
            let picture: Vec<u8> = painted.iter().cycle().skip(number * 7).take(case.bytes(0)).copied().collect();
            let finish = |held| {
                let filter = Some(Held::Moving(held));
                Finish { source: &source, strength: 1.0, colours: 0.0, under: None, filter, mask: None }
            };
            let (mut expected, mut data) = (picture.clone(), picture);
            finish_pixels(&mut finish(fast.watch(&source, true)), &mut case.pixels_mut(&mut expected, 0));
            let mut finish = finish(plain.watch(&source, true));
            InPlace { rows: finish.rows(), dst: &mut case.pixels_mut(&mut data, 0) }.run();
            prop_assert_eq!(&data, &expected, "picture {}", number);
        }
    }

    #[test]
    fn pixels_survive_the_way_there_and_back((mut case, data) in cases_with_pixels()) {
        prop_assume!(case.spec.channels != Channels::Gray);
        prop_assume!(case.spec.ranges.iter().all(|[low, high]| (high - low).abs() > 0.1));
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
