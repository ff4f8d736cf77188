//! `impasto check` as a doctor: finds how a network from elsewhere wants to be fed, and says how sure that is.

mod common;

use std::path::{Path, PathBuf};

use common::onnx::{self, PICTURE, node};
use common::{Finished, project, run};

/// A network of `tests/networks` in a folder of its own.
fn install(folder: &Path, name: &str) -> PathBuf {
    let file = folder.join(format!("{name}.onnx"));
    std::fs::copy(project(&format!("tests/networks/{name}.onnx")), &file).unwrap();
    file
}

fn check(file: &Path, more: &[&str]) -> Finished {
    run(&[&["check", file.to_str().unwrap()], more].concat())
}

fn paint(file: &Path) -> image::RgbImage {
    let painted = file.with_extension("png");
    let photo = project("models/showcase/coffee.jpg");
    let args = ["file", photo.to_str().unwrap(), painted.to_str().unwrap(), "--network", file.to_str().unwrap()];
    let Finished { code, stderr, .. } = run(&args);
    assert_eq!(code, 0, "{file:?}: {stderr}");
    image::open(painted).unwrap().into_rgb8()
}

/// Mean distance of two pictures in levels.
fn apart(a: &image::RgbImage, b: &image::RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let sum: f64 = a.iter().zip(b.iter()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    sum / a.len() as f64
}

/// Each holds the same painter, which is fed in another way; what is left to chance is whether that is found.
#[test]
fn a_painter_behind_other_values_types_and_shapes_paints_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&str, &[&str], f64); 7] = [
        ("no_batch", &[], 0.1),
        ("float16", &["type = \"f16\""], 1.0),
        ("uint8_nhwc", &["type = \"u8\"", "layout = \"nhwc\""], 1.0),
        ("caffe_bgr_mean", &["channels = \"bgr\"", "mean = [103.939, 116.779, 123.68]"], 1.0),
        ("imagenet_mean_std", &["mean = [0.485, 0.456, 0.406]", "std = [0.229, 0.224, 0.225]"], 1.0),
        ("range_m1_to_255", &["range = [-1, 1]", "range = [0, 255]"], 1.0),
        ("two_outputs_first_is_the_photo", &["name = \"output\""], 1.0),
    ];
    let mut reference = None;
    for (name, lines, most) in cases {
        let file = install(folder.path(), name);
        let proposed = check(&file, &["--save"]);
        assert_eq!(proposed.code, 0, "{name}: {}", proposed.stderr);
        lines
            .iter()
            .for_each(|line| assert!(proposed.stdout.contains(line), "{name}: no {line} in {}", proposed.stdout));
        let fits = check(&file, &[]);
        assert!(fits.code == 0 && fits.stdout.contains("a network that fits its manifest"), "{name}: {fits:?}");
        let painted = paint(&file);
        let off = apart(&painted, reference.get_or_insert_with(|| painted.clone()));
        assert!(off < most, "{name}: {off} levels off");
    }
}

/// What passes the photograph on looks painted whatever it is fed with; the right values look most so.
#[test]
fn values_of_networks_that_pass_the_photograph_on_are_found() {
    let folder = tempfile::tempdir().unwrap();
    for (name, [input, output]) in [
        ("residual_01", ["[0, 1]", "[0, 1]"]),
        ("residual_m1", ["[-1, 1]", "[-1, 1]"]),
        ("residual_255_to_01", ["[0, 255]", "[0, 1]"]),
    ] {
        let proposed = check(&install(folder.path(), name), &[]);
        assert_eq!(proposed.code, 0, "{name}: {}", proposed.stderr);
        let ranges: Vec<_> = proposed.stdout.lines().filter(|line| line.starts_with("range = ")).collect();
        let right = ranges[0].starts_with(&format!("range = {input}")) && ranges[1] == format!("range = {output}");
        assert!(right, "{name}: {ranges:?} in {}", proposed.stdout);
    }
}

#[test]
fn sizes_channels_and_states_are_found() {
    let folder = tempfile::tempdir().unwrap();
    for (name, line) in [
        ("multiple_of_32", "size = { multiple_of = 32, min = 32 }"),
        ("output_twice_as_large", "scale = 2"),
        ("output_one_channel", "channels = \"gray\""),
        ("state_of_the_last_frame", "input = \"state\"\noutput = \"state_out\""),
    ] {
        let file = install(folder.path(), name);
        let proposed = check(&file, &["--save"]);
        assert!(proposed.code == 0 && proposed.stdout.contains(line), "{name}: {proposed:?}");
        paint(&file);
    }
}

#[test]
fn what_cannot_be_fed_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = install(folder.path(), "content_and_style_image");
    let refused = check(&file, &["--save"]);
    let message = "input `style` [1, 3, any, any] is a second picture";
    assert!(refused.code == 4 && refused.stderr.contains(message), "{refused:?}");
    assert!(!file.with_extension("toml").exists(), "saved all the same");
    let nothing = [node("Sub", &["image", "image"], &["painted"], &[])];
    let file = folder.path().join("nothing.onnx");
    std::fs::write(&file, onnx::network(&nothing, &PICTURE, &PICTURE)).unwrap();
    let refused = check(&file, &[]);
    assert!(refused.code == 4 && refused.stderr.contains("it paints the same colour everywhere"), "{refused:?}");
}

#[test]
fn a_sheet_shows_the_ways_and_one_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = install(folder.path(), "residual_01");
    let sheet = folder.path().join("ways.png");
    let shown = check(&file, &["--preview", sheet.to_str().unwrap()]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let pixels = image::open(&sheet).unwrap();
    assert!(pixels.width() > 1000 && pixels.height() > 800, "{}x{}", pixels.width(), pixels.height());
    let ways = |number: usize| -> String {
        let start = format!("#   {number}. ");
        let line = shown.stdout.lines().find(|line| line.starts_with(&start)).expect("so many ways");
        line[start.len()..].to_string()
    };
    assert!(ways(1).starts_with("0..1 ("), "{}", ways(1));
    assert!(ways(2).starts_with("0..1 bgr ("), "{}", ways(2));

    let taken = check(&file, &["--take", "2", "--save"]);
    assert_eq!(taken.code, 0, "{}", taken.stderr);
    let manifest = std::fs::read_to_string(file.with_extension("toml")).unwrap();
    assert!(manifest.contains("channels = \"bgr\" # taken by hand"), "{manifest}");
    let refused = check(&file, &["--take", "99"]);
    assert!(refused.code == 2 && refused.stderr.contains("--take 99: there are the ways 1 to"), "{refused:?}");
    let refused = check(&file, &["--preview", "ways.bmp"]);
    assert!(refused.code == 2 && refused.stderr.contains(".png, .jpg or .webp"), "{refused:?}");
}
