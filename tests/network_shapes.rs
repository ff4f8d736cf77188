//! Networks of other types, channels, shapes and sizes than most, each made by hand so that what comes out is known to the
//! pixel.

mod common;

use std::path::Path;

use common::onnx::{self, FLOAT, FLOAT16, INT64, PICTURE, Side, UINT8, int, ints, node};
use image::RgbImage;
use image::imageops::{self, FilterType};
use impasto::style::manifest::Manifest;
use impasto::style::onnx::SessionOptions;
use impasto::style::tensor::{PixelOrder, Pixels, PixelsMut};
use impasto::style::{Catalog, Look, Painter};

fn astronaut(width: u32, height: u32) -> RgbImage {
    let photo = common::project("models/showcase/astronaut.jpg");
    imageops::resize(&image::open(photo).unwrap().to_rgb8(), width, height, FilterType::Triangle)
}

/// Paints `picture` with a network whose manifest is the usual one with these edits.
#[track_caller]
fn paint(network: &[u8], edits: &[(&str, &str)], picture: &RgbImage) -> RgbImage {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = onnx::manifest("net");
    for (old, new) in edits {
        assert!(manifest.contains(old), "{old}");
        manifest = manifest.replacen(old, new, 1);
    }
    paint_with(&onnx::write(folder.path(), "net", network, &manifest), picture)
        .unwrap_or_else(|error| panic!("{error}"))
}

fn paint_with(file: &Path, picture: &RgbImage) -> Result<RgbImage, String> {
    let manifest = Manifest::read(&file.with_extension("toml")).map_err(|error| error.to_string())?;
    let mut catalog = Catalog::default();
    catalog.add(manifest);
    let choice = catalog.choose(None, &Look::default()).map_err(|error| error.to_string())?;
    let mut painter = Painter::open(&choice, None, &SessionOptions::default()).map_err(|error| error.to_string())?;
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let mut painted = RgbImage::new(picture.width(), picture.height());
    let source = Pixels::packed(picture, width, height, PixelOrder::Rgb).unwrap();
    let mut pixels = PixelsMut::packed(&mut painted, width, height, PixelOrder::Rgb).unwrap();
    // Twice, because the first picture of a size is not like the others inside.
    for _ in 0..2 {
        painter.paint(&source, &mut pixels).map_err(|error| error.to_string())?;
    }
    Ok(painted)
}

/// The identity between two ports of this type and shape.
fn identity_of(element: u64, shape: &[Side]) -> Vec<u8> {
    let nodes = [node("Identity", &["image"], &["painted"], &[])];
    onnx::network_of(&nodes, &[("image", element, shape)], &[("painted", element, shape)])
}

const HIGH: Side = Side::Any("height");
const WIDE: Side = Side::Any("width");

/// The edits of the input's and of the output's table.
fn both(line: &str) -> [(&'static str, String); 2] {
    ["\"image\"\n", "\"painted\"\n"].map(|name| (name, format!("{name}{line}\n")))
}

#[track_caller]
fn comes_back(network: &[u8], line: &str, picture: &RgbImage) {
    let edits = both(line);
    let edits = edits.each_ref().map(|(old, new)| (*old, new.as_str()));
    assert!(paint(network, &edits, picture) == *picture, "{line}: the picture is changed");
}

#[test]
fn half_floats_and_bytes_give_back_the_picture_exactly() {
    let picture = astronaut(319, 237);
    comes_back(&identity_of(FLOAT16, &PICTURE), "type = \"f16\"", &picture);
    let pixels = [Side::Is(1), HIGH, WIDE, Side::Is(3)];
    comes_back(&identity_of(UINT8, &pixels), "type = \"u8\"\nlayout = \"nhwc\"", &picture);
}

#[test]
fn a_network_without_a_batch_or_with_any_gives_back_the_picture() {
    let picture = astronaut(319, 237);
    comes_back(&identity_of(FLOAT, &[Side::Is(3), HIGH, WIDE]), "", &picture);
    comes_back(&identity_of(FLOAT, &[HIGH, WIDE, Side::Is(3)]), "layout = \"nhwc\"", &picture);
    comes_back(&identity_of(FLOAT, &[Side::Any("batch"), Side::Is(3), HIGH, WIDE]), "", &picture);
}

#[test]
fn mean_and_deviation_that_come_and_go_leave_the_picture() {
    let lines = "mean = [123.675, 116.28, 103.53]\nstd = [58.395, 57.12, 57.375]";
    comes_back(&onnx::identity(), lines, &astronaut(319, 237));
}

#[test]
fn grey_networks_get_the_luma_and_transparent_ones_an_opaque_picture() {
    let picture = astronaut(319, 237);
    let grey = identity_of(FLOAT, &[Side::Is(1), Side::Is(1), HIGH, WIDE]);
    let edits = both("channels = \"gray\"");
    let painted = paint(&grey, &edits.each_ref().map(|(old, new)| (*old, new.as_str())), &picture);
    for (painted, picture) in painted.pixels().zip(picture.pixels()) {
        let [red, green, blue] = picture.0.map(f32::from);
        let luma = 0.299 * red + 0.587 * green + 0.114 * blue;
        assert!(painted.0.iter().all(|&value| (f32::from(value) - luma).abs() <= 0.501), "{painted:?} of {picture:?}");
    }
    comes_back(&identity_of(FLOAT, &[Side::Is(1), Side::Is(4), HIGH, WIDE]), "channels = \"rgba\"", &picture);
    let pixels = [Side::Is(1), HIGH, WIDE, Side::Is(4)];
    comes_back(&identity_of(FLOAT, &pixels), "channels = \"rgba\"\nlayout = \"nhwc\"", &picture);
}

/// The mean of the 3x3 pixels around each, those beyond the edge reflected.
fn blurred(picture: &RgbImage) -> Vec<f32> {
    let reflected = |at: i64, length: u32| if at < 0 { 1 } else { (at as u32).min(2 * (length - 1) - at as u32) };
    let mut values = Vec::new();
    for (x, y, _) in picture.enumerate_pixels() {
        for colour in 0..3 {
            let mut sum = 0.0;
            for (dx, dy) in (-1..2).flat_map(|dy| (-1..2).map(move |dx| (dx, dy))) {
                let (x, y) =
                    (reflected(i64::from(x) + dx, picture.width()), reflected(i64::from(y) + dy, picture.height()));
                sum += f32::from(picture.get_pixel(x, y)[colour]);
            }
            values.push(sum / 9.0);
        }
    }
    values
}

#[test]
fn a_network_that_does_not_fill_up_at_its_edges_paints_each_pixel_at_its_place() {
    let unpadded = node("AveragePool", &["image"], &["painted"], &[ints("kernel_shape", &[3, 3])]);
    let smaller = [Side::Is(1), Side::Is(3), Side::Any("h"), Side::Any("w")];
    let network = onnx::network(&[unpadded], &PICTURE, &smaller);
    let picture = astronaut(101, 67);
    let edits = [("\"painted\"\n", "\"painted\"\ntrim = 1\n"), ("[output]", "size = { border = 1 }\n[output]")];
    let painted = paint(&network, &edits, &picture);
    for (painted, exact) in painted.iter().zip(blurred(&picture)) {
        assert!((f32::from(*painted) - exact).abs() <= 0.51, "{painted} instead of {exact}");
    }

    // Without the two, it is told what to write.
    let folder = tempfile::tempdir().unwrap();
    let file = onnx::write(folder.path(), "net", &network, &onnx::manifest("net"));
    let error = paint_with(&file, &picture).unwrap_err();
    assert!(error.contains("smaller than its input of 101x67; write trim = 1"), "{error}");
}

/// Mean distance of two pictures.
fn apart(a: &RgbImage, b: &RgbImage) -> f64 {
    let sum: f64 = a.iter().zip(b.iter()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    sum / a.len() as f64
}

#[test]
fn a_larger_or_smaller_output_is_scaled_back_to_its_place() {
    // A smooth picture, whose half holds all of it: a shift by half a pixel shows.
    let picture = imageops::blur(&astronaut(401, 263), 4.0);
    let half =
        node("AveragePool", &["image"], &["painted"], &[ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])]);
    let shape = [Side::Is(1), Side::Is(3), Side::Any("h"), Side::Any("w")];
    let edits = [
        ("\"painted\"\n", "\"painted\"\nscale = 0.5\n"),
        ("[output]", "size = { multiple_of = 2, border = 4 }\n[output]"),
    ];
    let painted = paint(&onnx::network(&[half], &PICTURE, &shape), &edits, &picture);
    let off = apart(&painted, &picture);
    assert!(off < 0.6, "half as large: {off} levels off");

    // Each pixel becomes four: 12 channels, then put in place.
    let nodes = [
        node("Concat", &["image"; 4], &["four"], &[int("axis", 1)]),
        node("DepthToSpace", &["four"], &["painted"], &[int("blocksize", 2)]),
    ];
    let twice = onnx::network(&nodes, &PICTURE, &shape);
    let painted = paint(&twice, &[("\"painted\"\n", "\"painted\"\nscale = 2\n")], &picture);
    let off = apart(&painted, &picture);
    assert!(off < 0.6, "twice as large: {off} levels off");

    // Without the key it would be a quarter of the picture.
    let folder = tempfile::tempdir().unwrap();
    let error = paint_with(&onnx::write(folder.path(), "net", &twice, &onnx::manifest("net")), &picture).unwrap_err();
    assert!(error.contains("is 802x526, larger than its input of 401x263; write scale = 2"), "{error}");
}

#[test]
fn whole_numbers_and_lists_are_constants() {
    let nodes = [node("Gather", &["image", "order"], &["painted"], &[int("axis", 1)])];
    let inputs = [("image", FLOAT, &PICTURE[..]), ("order", INT64, &[Side::Is(3)][..])];
    let network = onnx::network_of(&nodes, &inputs, &[("painted", FLOAT, &PICTURE)]);
    let constant = "[[constant]]\nname = \"order\"\nshape = [3]\ntype = \"i64\"\nvalue = [2, 1, 0]\n[[style]]";
    let picture = astronaut(64, 48);
    let painted = paint(&network, &[("[[style]]", constant)], &picture);
    let swapped = picture.pixels().zip(painted.pixels()).all(|(before, after)| {
        let [red, green, blue] = before.0;
        after.0 == [blue, green, red]
    });
    assert!(swapped, "red and blue are not swapped");
}

#[test]
fn a_network_with_one_fixed_side_paints_all_of_the_picture() {
    let shape = [Side::Is(1), Side::Is(3), HIGH, Side::Is(256)];
    let picture = astronaut(256, 171);
    let wide = ("[output]", "size = { width = 256 }\n[output]");
    assert!(paint(&identity_of(FLOAT, &shape), &[wide], &picture) == picture);
    let larger = imageops::blur(&astronaut(512, 342), 4.0);
    let off = apart(&paint(&identity_of(FLOAT, &shape), &[wide], &larger), &larger);
    assert!(off < 0.6, "{off} levels off");
}
