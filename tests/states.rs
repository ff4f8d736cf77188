//! Networks that hand something on from one picture to the next: in a painter, in films and in a stream. Made by hand, so that
//! what comes out is known to the pixel: each shows the brightest of all pictures that it has seen.

mod common;

use std::path::{Path, PathBuf};

use common::onnx::{self, FLOAT, FLOAT16, PICTURE, Side, int, ints, node};
use common::{Running, ffmpeg, run, until};
use image::{Rgb, RgbImage};
use impasto::style::manifest::Manifest;
use impasto::style::onnx::SessionOptions;
use impasto::style::tensor::{PixelOrder, Pixels, PixelsMut};
use impasto::style::{Catalog, Look, Painter};

/// What it has seen is what it painted last.
fn of_painting() -> Vec<u8> {
    let brighter = node("Max", &["image", "before"], &["painted"], &[]);
    onnx::network_of(
        &[brighter],
        &[("image", FLOAT, &PICTURE), ("before", FLOAT, &PICTURE)],
        &[("painted", FLOAT, &PICTURE)],
    )
}

/// What it has seen is an output of its own, in half floats and half as large.
fn of_memory() -> Vec<u8> {
    let half = [Side::Is(1), Side::Is(3), Side::Any("down"), Side::Any("across")];
    let nodes = [
        node("MaxPool", &["image"], &["small"], &[ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])]),
        node("Cast", &["before"], &["known"], &[int("to", FLOAT)]),
        node("Max", &["small", "known"], &["seen"], &[]),
        node("Cast", &["seen"], &["after"], &[int("to", FLOAT16)]),
        node("Concat", &["seen"; 4], &["cells"], &[int("axis", 1)]),
        node("DepthToSpace", &["cells"], &["painted"], &[int("blocksize", 2)]),
    ];
    let inputs = [("image", FLOAT, &PICTURE[..]), ("before", FLOAT16, &half)];
    onnx::network_of(&nodes, &inputs, &[("after", FLOAT16, &half), ("painted", FLOAT, &PICTURE)])
}

fn install(folder: &Path, network: &[u8], state: &str) -> PathBuf {
    let state = format!("[[state]]\ninput = \"before\"\n{state}\n[[style]]");
    onnx::write(folder, "net", network, &onnx::manifest("net").replacen("[[style]]", &state, 1))
}

const OF_PAINTING: &str = "output = \"painted\"";
const OF_MEMORY: &str = "output = \"after\"\nscale = 0.5";

/// A white square of 8 pixels on this ground.
fn square(left: u32, ground: u8) -> RgbImage {
    let inside = |x, y| (left..left + 8).contains(&x) && (16..24).contains(&y);
    RgbImage::from_fn(64, 48, |x, y| if inside(x, y) { Rgb([255; 3]) } else { Rgb([ground; 3]) })
}

fn brightest(pictures: &[RgbImage]) -> RgbImage {
    let mut brightest = RgbImage::new(64, 48);
    for (place, byte) in brightest.iter_mut().enumerate() {
        *byte = pictures.iter().map(|picture| picture.as_raw()[place]).max().unwrap();
    }
    brightest
}

#[test]
fn a_network_knows_what_it_handed_on_until_the_picture_is_another() {
    for (network, state) in [(of_painting(), OF_PAINTING), (of_memory(), OF_MEMORY)] {
        let folder = tempfile::tempdir().unwrap();
        let file = install(folder.path(), &network, state);
        let mut catalog = Catalog::default();
        catalog.add(Manifest::read(&file.with_extension("toml")).unwrap());
        let choice = catalog.choose(None, &Look::default()).unwrap();
        let open = || Painter::open(&choice, None, &SessionOptions::default()).unwrap();
        let paint = |painter: &mut Painter, picture: &RgbImage| {
            let mut painted = RgbImage::new(64, 48);
            let source = Pixels::packed(picture, 64, 48, PixelOrder::Rgb).unwrap();
            painter.paint(&source, &mut PixelsMut::packed(&mut painted, 64, 48, PixelOrder::Rgb).unwrap()).unwrap();
            painted
        };
        let mut painter = open();
        let seen = [square(0, 0), square(8, 0), square(30, 0), square(0, 0)];
        for count in 1..=seen.len() {
            assert!(paint(&mut painter, &seen[count - 1]) == brightest(&seen[..count]), "{state}: picture {count}");
        }
        // A cut: nothing of before is seen.
        let other = [square(40, 120), square(44, 120)];
        assert!(paint(&mut painter, &other[0]) == other[0], "{state}: a cut");
        assert!(paint(&mut painter, &other[1]) == brightest(&other), "{state}: after the cut");

        let mut painter = open();
        painter.paint_alone(usize::MAX);
        for picture in &seen {
            assert!(paint(&mut painter, picture) == *picture, "{state}: pictures that are alone");
        }
    }
}

/// A square that moves to the right, two pixels a picture.
fn film(folder: &Path) -> String {
    let pictures = folder.join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    (0..20).for_each(|number| square(2 * number, 0).save(pictures.join(format!("{number:02}.png"))).unwrap());
    let film = folder.join("film.mkv").to_str().unwrap().to_string();
    let pictures = pictures.join("%02d.png");
    ffmpeg(&["-framerate", "10", "-i", pictures.to_str().unwrap(), "-c:v", "ffv1", "-pix_fmt", "bgr0", &film]);
    film
}

/// The last picture of a film.
fn last_of(film: &str, folder: &Path) -> RgbImage {
    let last = folder.join("last.png").to_str().unwrap().to_string();
    ffmpeg(&["-sseof", "-0.3", "-i", film, "-update", "1", &last]);
    image::open(last).unwrap().into_rgb8()
}

#[track_caller]
fn assert_shows_all(last: &RgbImage, what: &str) {
    let all: Vec<_> = (0..20).map(|number| square(2 * number, 0)).collect();
    let apart: u32 = brightest(&all).iter().zip(last.iter()).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
    assert!(apart / (64 * 48 * 3) < 6, "{what}: not all that was seen is in the last picture");
}

#[test]
fn films_and_streams_are_painted_in_order_by_one_worker() {
    let folder = tempfile::tempdir().unwrap();
    let network = install(folder.path(), &of_memory(), OF_MEMORY).to_str().unwrap().to_string();
    let film = film(folder.path());
    let out = folder.path().join("out.mkv").to_str().unwrap().to_string();
    let converted = run(&["file", &film, &out, "--network", &network, "--workers", "3", "--crf", "5"]);
    assert_eq!(converted.code, 0, "{}", converted.stderr);
    assert_shows_all(&last_of(&out, folder.path()), "a film");

    // The second half knows what was seen in the first.
    let out = folder.path().join("half.mkv").to_str().unwrap().to_string();
    let parts = folder.path().join("parts").to_str().unwrap().to_string();
    for segment in ["2/2", "1/2"] {
        let painted = run(&["file", &film, &parts, "--network", &network, "--crf", "5", "--segment", segment]);
        assert_eq!(painted.code, 0, "{}", painted.stderr);
    }
    let joined = run(&["join", &parts, &out]);
    assert_eq!(joined.code, 0, "{}", joined.stderr);
    assert_shows_all(&last_of(&out, folder.path()), "segments");

    // In a worker process too; the film is over when the recording is.
    let recorded = folder.path().join("recorded.mkv").to_str().unwrap().to_string();
    let args = ["--source", &film, "--network", &network, "--rtsp", "off", "--record", &recorded];
    let mut stream = Running::start(&args);
    until("the film is over", || !stream.is_running());
    assert_shows_all(&last_of(&recorded, folder.path()), "a stream");
}

#[test]
fn states_that_cannot_be_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let three = [Side::Is(1), Side::Any("height"), Side::Any("width")];
    let flat = onnx::network_of(
        &[node("Max", &["image", "before"], &["painted"], &[]), node("ReduceMax", &["image"], &["after"], &[])],
        &[("image", FLOAT, &PICTURE), ("before", FLOAT, &three)],
        &[("painted", FLOAT, &PICTURE), ("after", FLOAT, &PICTURE)],
    );
    for (network, state, words) in [
        (of_painting(), "output = \"panted\"", "it has no output `panted`; its outputs are: `painted`"),
        (of_memory(), "output = \"painted\"", "cannot take what output `painted`"),
        (of_memory(), "output = \"after\"", "is the scale of each [[state]] right?"),
        (flat, "output = \"after\"", "has another rank than output `after`"),
    ] {
        let file = install(folder.path(), &network, state);
        let checked = run(&["check", file.to_str().unwrap()]);
        assert_eq!(checked.code, 4, "{state}: {}", checked.stderr);
        assert!(checked.stderr.contains(words), "{state}: {}", checked.stderr);
    }
}
