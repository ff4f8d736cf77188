//! What single pictures and tensors become, and what is refused; every case to the last bit is in `exact`.

mod exact;
mod reference;

use super::*;

/// A byte that the passes must not touch.
const CANARY: u8 = 0xa5;

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
    TensorSpec {
        layout: Layout::Nchw,
        channels: Channels::Rgb,
        ranges: [[0.0, 255.0]; 4],
        width,
        height,
        border: 0,
        cells: 1,
    }
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
    let spec = TensorSpec { layout: Layout::Nhwc, ranges: [[-1.0, 1.0]; 4], ..spec(1, 1) };
    let bgr = TensorSpec { channels: Channels::Bgr, ..spec };
    let mut tensor = [0.0; 3];
    pixels_to_tensor(&Pixels::new(&[0, 0, 255, 9], 1, 1, 4, PixelOrder::Bgrx).unwrap(), &spec, &mut tensor);
    assert_eq!(tensor, [1.0, -1.0, -1.0]);
    pixels_to_tensor(&Pixels::new(&[255, 0, 0], 1, 1, 3, PixelOrder::Rgb).unwrap(), &bgr, &mut tensor);
    assert_eq!(tensor, [-1.0, -1.0, 1.0]);
}

#[test]
fn caffes_mean_is_taken_from_the_colour_it_belongs_to() {
    let ranges = [[-103.0, 152.0], [-116.0, 139.0], [-123.0, 132.0], [0.0; 2]];
    for layout in [Layout::Nchw, Layout::Nhwc] {
        let spec = TensorSpec { layout, channels: Channels::Bgr, ranges, ..spec(1, 1) };
        let mut tensor = [0.0; 3];
        pixels_to_tensor(&Pixels::new(&[200, 100, 50], 1, 1, 3, PixelOrder::Rgb).unwrap(), &spec, &mut tensor);
        assert_eq!(tensor, [50.0 - 103.0, 100.0 - 116.0, 200.0 - 123.0]);
        let mut data = [0; 4];
        tensor_to_pixels(&tensor, &spec, &mut PixelsMut::new(&mut data, 1, 1, 4, PixelOrder::Bgrx).unwrap());
        assert_eq!(data, [50, 100, 200, 255]);
    }
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
    let mut finish = Finish { source: &source, strength: 0.5, colours: 0.0, under: None, filter: None, mask: None };
    tensor_to_pixels_finished(&[0.0; 3], &spec(1, 1), &mut finish, dst);
}

#[test]
fn manifests_write_layout_and_channels_in_lowercase() {
    assert_eq!(serde_json::to_string(&[Layout::Nchw, Layout::Nhwc]).unwrap(), r#"["nchw","nhwc"]"#);
    assert_eq!(serde_json::from_str::<Vec<Channels>>(r#"["rgb","bgr"]"#).unwrap(), [Channels::Rgb, Channels::Bgr]);
}
