//! `--mask`: only the person is painted, or only the room. What is bright is a person for the network of these tests; where the
//! real one is installed, it is tried too.

mod common;

use std::path::Path;

use common::bars::{LOOK, Studio};
use common::{Finished, ffmpeg, finish, impasto, onnx, ort_library, project};
use image::{Rgb, RgbImage};
use impasto::style::mask::{Mask, MaskAmounts, MaskFinder, Unpainted};
use impasto::style::onnx::library::cache_folder;
use impasto::style::onnx::{MaskPlaces, SessionOptions};
use impasto::style::tensor::{Finish, PixelOrder, Pixels, PixelsMut, finish_pixels};
use serde_json::json;

/// So far from the edge the mask is certain, in pixels.
const EDGE: u32 = 40;

/// Networks, a config that names the mask network, and media.
struct Room(tempfile::TempDir, tempfile::TempDir);

impl Room {
    fn new() -> Self {
        let (folder, networks) = (tempfile::tempdir().expect("a folder"), onnx::networks());
        onnx::write_mask(networks.path());
        Self(folder, networks)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("UTF-8").to_string()
    }

    /// Paints the negative, with more arguments.
    fn paint(&self, input: &str, output: &str, args: &[&str]) -> Finished {
        let mut command = impasto();
        command
            .args(["--log", "warn", "file", input, &self.path(output), "--overwrite", "--models"])
            .arg(self.1.path());
        // No network of this machine's cache.
        command.env("XDG_CACHE_HOME", self.0.path()).env("ORT_DYLIB_PATH", ort_library()).args([
            "--network",
            "pair",
            "--style",
            "negative",
        ]);
        finish(command.args(args))
    }

    fn picture(&self, input: &str, args: &[&str]) -> RgbImage {
        let done = self.paint(input, "out.png", args);
        assert_eq!(done.code, 0, "{args:?}: {done:?}");
        image::open(self.path("out.png")).expect("a picture").into_rgb8()
    }

    /// A picture whose right half, from `WIDTH / 2` on, is bright.
    fn halves(&self, width: u32, height: u32) -> (String, RgbImage) {
        let level = |x: u32, y: u32| (if x < width / 2 { 20 } else { 220 }) + ((x * 7 + y * 13) % 25) as u8;
        let picture = RgbImage::from_fn(width, height, |x, y| Rgb([level(x, y), level(x, y + 1), level(x, y + 2)]));
        let file = self.path("halves.png");
        picture.save(&file).expect("written");
        (file, picture)
    }
}

fn negative(pixel: &Rgb<u8>) -> Rgb<u8> {
    Rgb(pixel.0.map(|value| 255 - value))
}

/// Checks each pixel of both halves, away from the edge between them.
fn assert_halves(
    painted: &RgbImage,
    source: &RgbImage,
    dark: impl Fn(&Rgb<u8>) -> Rgb<u8>,
    bright: impl Fn(&Rgb<u8>) -> Rgb<u8>,
) {
    let middle = source.width() / 2;
    for (x, y, pixel) in painted.enumerate_pixels() {
        let came = source.get_pixel(x, y);
        if x + EDGE < middle {
            assert_eq!(*pixel, dark(came), "{x}, {y} in the dark half, which was {came:?}");
        } else if x >= middle + EDGE {
            assert_eq!(*pixel, bright(came), "{x}, {y} in the bright half, which was {came:?}");
        }
    }
}

#[test]
fn a_picture_is_painted_in_one_part_and_is_the_source_exactly_in_the_other() {
    let room = Room::new();
    for (width, height) in [(320, 180), (317, 203), (640, 96)] {
        let (file, source) = room.halves(width, height);
        let same = |pixel: &Rgb<u8>| *pixel;
        assert_halves(&room.picture(&file, &[]), &source, negative, negative);
        assert_halves(&room.picture(&file, &["--mask", "person"]), &source, same, negative);
        assert_halves(&room.picture(&file, &["--mask", "background"]), &source, negative, same);
        assert_halves(&room.picture(&file, &["--mask", "person", "--mask-invert"]), &source, negative, same);
        assert_halves(&room.picture(&file, &["--mask", "off", "--mask-invert"]), &source, negative, negative);
        let green = |_: &Rgb<u8>| Rgb([51, 102, 153]);
        assert_halves(&room.picture(&file, &["--mask=person", "--mask-other=#336699"]), &source, green, negative);
        // A blur keeps the level of each half, and none of its grain.
        let blurred = room.picture(&file, &["--mask", "person", "--mask-other", "blur"]);
        let grain = |picture: &RgbImage| {
            let at = |x: u32| i32::from(picture.get_pixel(x, height / 2).0[0]);
            (0..width / 2 - EDGE - 1).map(|x| (at(x) - at(x + 1)).abs()).max()
        };
        assert!(grain(&blurred) < Some(4) && grain(&source) > Some(5), "{:?} {:?}", grain(&blurred), grain(&source));
        // The edge is where the picture has its own, though the mask is twenty times coarser; a soft one is wider.
        let sharp = room.picture(&file, &["--mask", "person"]);
        let soft = room.picture(&file, &["--mask", "person", "--mask-feather", "1"]);
        let mixed = |picture: &RgbImage| {
            let is_mixed = |x: &u32| {
                let (is, was) = (picture.get_pixel(*x, height / 2), source.get_pixel(*x, height / 2));
                is != was && *is != negative(was)
            };
            (0..width).filter(is_mixed).count()
        };
        assert!(mixed(&sharp) <= 8 && mixed(&soft) > mixed(&sharp), "{} {}", mixed(&sharp), mixed(&soft));
    }
}

#[test]
fn a_person_does_not_glow_in_a_blurred_room() {
    let room = Room::new();
    let (width, height) = (640, 360);
    // A red square, as bright as people are here, in a grey room with a pattern.
    let is_person =
        |x: u32, y: u32, more: u32| (240 - more..400 + more).contains(&x) && (100 - more..260 + more).contains(&y);
    let source = RgbImage::from_fn(width, height, |x, y| match is_person(x, y, 0) {
        true => Rgb([255, 150, 150]),
        false => Rgb([30 + 20 * (x / 8 % 2) as u8; 3]),
    });
    let file = room.path("person.png");
    source.save(&file).expect("written");
    for feather in ["0", "0.5"] {
        let feather = ["--mask-other", "blur", "--mask-feather", feather];
        for (masked, inverted) in [("person", false), ("background", true)] {
            let invert: &[&str] = if inverted { &["--mask-invert"] } else { &[] };
            let painted = room.picture(&file, &[&["--mask", masked], &feather[..], invert].concat());
            for (x, y, Rgb(pixel)) in painted.enumerate_pixels().filter(|(x, y, _)| !is_person(*x, *y, EDGE / 2)) {
                let is_grey = pixel.iter().all(|value| value.abs_diff(pixel[0]) <= 2) && pixel[0].abs_diff(40) <= 6;
                assert!(is_grey, "{feather:?}: {pixel:?} at {x}, {y}, {} from the person", 240 - x.min(240));
            }
            assert_eq!(*painted.get_pixel(320, 180), Rgb([0, 105, 105]), "the negative of the person");
        }
        // The other way round, no room is seen in the person.
        let painted = room.picture(&file, &[&["--mask", "background"], &feather[..]].concat());
        for (x, y, Rgb(pixel)) in painted.enumerate_pixels() {
            let inner = (240 + EDGE..400 - EDGE).contains(&x) && (100 + EDGE..260 - EDGE).contains(&y);
            assert!(!inner || (pixel[0] >= 253 && pixel[1].abs_diff(150) <= 2), "{pixel:?} at {x}, {y}");
        }
    }
}

#[test]
fn the_edge_of_who_stands_still_stays_where_it_is_in_a_noisy_picture() {
    let room = Room::new();
    let (_, halves) = room.halves(640, 360);
    let made = (onnx::write_mask(room.0.path()), halves);
    let real = cache_folder().map(|cache| cache.join("mask/selfie.onnx")).filter(|path| path.exists());
    let real = real.map(|path| {
        let astronaut = image::open(project("models/showcase/astronaut.jpg")).expect("a photograph");
        (path, astronaut.into_rgb8())
    });
    for (network, picture) in std::iter::once(made).chain(real) {
        let [steady, alone] = [false, true].map(|alone| flicker(&network, &picture, alone));
        eprintln!("{}: the edge flickers by {steady:.2} levels, each frame alone by {alone:.2}", network.display());
        assert!(steady < 8.0 && steady <= 0.6 * alone, "{}: {steady} {alone}", network.display());
    }
}

/// By how many of 255 levels what is seen near the edge of a person who stands still differs from one noisy frame to the next;
/// `alone`: where no frame knows of the one before.
fn flicker(network: &Path, picture: &RgbImage, alone: bool) -> f64 {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let options = SessionOptions {
        mask: MaskPlaces { named: Some(network.to_path_buf()), models: None },
        library: Some(ort_library()),
        ..SessionOptions::default()
    };
    let mut finder = MaskFinder::open(&options).expect("a network");
    if alone {
        finder.find_alone();
    }
    let amounts = MaskAmounts::new(Mask::Person, false, 0.0, Unpainted::Colour([255; 3]));
    let mut random = fastrand::Rng::with_seed(7);
    let mut frames = Vec::new();
    for _ in 0..12 {
        let noisy: Vec<u8> = picture.iter().map(|value| value.saturating_add_signed(random.i8(-8..=8))).collect();
        let source = Pixels::packed(&noisy, width, height, PixelOrder::Rgb).expect("a picture");
        // White around who is there, who is black.
        let mut seen = vec![0; noisy.len()];
        let mask = Some(finder.find(&source, &amounts, None).expect("a mask"));
        let mut finish = Finish { source: &source, strength: 1.0, colours: 0.0, under: None, filter: None, mask };
        let mut pixels = PixelsMut::packed(&mut seen, width, height, PixelOrder::Rgb).expect("a picture");
        finish_pixels(&mut finish, &mut pixels);
        frames.push(seen.iter().step_by(3).map(|level| f64::from(*level)).collect::<Vec<_>>());
    }
    // Near the edge: where it was neither black nor white all along. There may be no such place.
    let is_edge = |place: &usize| {
        let mean = frames.iter().map(|frame| frame[*place]).sum::<f64>() / frames.len() as f64;
        (5.0..250.0).contains(&mean)
    };
    let edge: Vec<usize> = (0..width * height).filter(is_edge).collect();
    let change = |pair: &[Vec<f64>]| edge.iter().map(|place| (pair[1][*place] - pair[0][*place]).abs()).sum::<f64>();
    frames.windows(2).skip(2).map(change).sum::<f64>() / ((frames.len() - 3) * edge.len().max(1)) as f64
}

#[test]
fn person_and_room_are_painted_in_two_styles_of_one_network() {
    let room = Room::new();
    let (file, source) = room.halves(320, 180);
    let same = |pixel: &Rgb<u8>| *pixel;
    assert_halves(&room.picture(&file, &["--mask", "person", "--mask-other", "style:same"]), &source, same, negative);
    let inverted = ["--mask", "background", "--strength", "0", "--mask-other", "style:negative"];
    assert_halves(&room.picture(&file, &inverted), &source, same, negative);
    let done = room.picture(&file, &["--mask", "person", "--mask-other", "style:negative"]);
    assert_halves(&done, &source, negative, negative);
    let film = room.path("film.mkv");
    ffmpeg(&["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=0.4", "-pix_fmt", "yuv420p", "-c:v", "ffv1", &film]);
    let frames = |args: &[&str]| {
        let done = room.paint(&film, "out.mkv", &[&["--crf", "0"], args].concat());
        assert_eq!(done.code, 0, "{args:?}: {done:?}");
        let raw = room.path("raw");
        ffmpeg(&["-i", &room.path("out.mkv"), "-f", "rawvideo", "-pix_fmt", "rgb24", &raw]);
        std::fs::read(raw).expect("readable")
    };
    let both = frames(&["--mask", "person", "--mask-other", "style:negative"]);
    assert!(both == frames(&[]), "both are the negative");
    for (other, words) in [("style:negativ", "did you mean `negative`?"), ("style:", "nor style:NAME")] {
        let refused = room.paint(&file, "out.png", &["--mask", "person", "--mask-other", other]);
        assert!(refused.code == 2 && refused.stderr.contains(words), "{other}: {refused:?}");
    }
}

#[test]
fn each_frame_of_a_film_is_masked_and_what_is_not_painted_is_the_source() {
    let room = Room::new();
    let film = room.path("film.mkv");
    // The bright half changes sides once.
    let levels =
        "nullsrc=s=320x180:r=25:d=1,format=gray,geq=lum='40+170*gt((X-160)*(12.5-N)\\,0)+mod(X*3+Y*5+N*7\\,20)'";
    ffmpeg(&["-f", "lavfi", "-i", levels, "-pix_fmt", "yuv420p", "-c:v", "ffv1", &film]);
    let frames = |output: &str, args: &[&str]| -> Vec<u8> {
        let done = room.paint(&film, output, &[&["--crf", "0"], args].concat());
        assert_eq!(done.code, 0, "{args:?}: {done:?}");
        let raw = room.path("raw");
        ffmpeg(&["-i", &room.path(output), "-f", "rawvideo", "-pix_fmt", "gray", &raw]);
        std::fs::read(raw).expect("readable")
    };
    let source = frames("source.mkv", &["--strength", "0"]);
    let painted = frames("painted.mkv", &["--workers", "2"]);
    let masked = frames("masked.mkv", &["--mask", "person"]);
    assert_eq!((source.len(), masked.len()), (25 * 320 * 180, 25 * 320 * 180));
    for (place, level) in masked.iter().enumerate() {
        let (frame, x) = (place / (320 * 180), place % 320);
        if x.abs_diff(160) <= EDGE as usize {
            continue;
        }
        let is_person = (x > 160) == (frame <= 12);
        let expected = if is_person { painted[place] } else { source[place] };
        assert_eq!(*level, expected, "frame {frame}, column {x}: {}", if is_person { "painted" } else { "the source" });
    }
}

#[test]
fn without_a_network_that_finds_people_it_is_said_how_to_come_by_one() {
    let room = Room::new();
    let (file, _) = room.halves(64, 48);
    std::fs::remove_file(room.1.path().join("bright.toml")).expect("it was there");
    let refused = room.paint(&file, "out.png", &["--mask", "person"]);
    assert!(refused.code == 4 && refused.stderr.contains("`./dev setup --mask` installs one"), "{refused:?}");
    assert_eq!(room.paint(&file, "out.png", &["--mask-invert"]).code, 0, "nothing is masked");
    // Named, or of the wrong shape.
    let config = room.path("impasto.toml");
    let named = room.0.path().join("own");
    std::fs::create_dir(&named).expect("a folder");
    let with = |network: &Path| {
        std::fs::write(&config, format!("[runtime]\nmask_network = {network:?}\n")).expect("written");
        room.paint(&file, "out.png", &["--config", &config, "--mask", "person"])
    };
    assert_eq!(with(&onnx::write_mask(&named)).code, 0);
    let manifest = onnx::mask_manifest("bright");
    for (written, words) in [
        (manifest.replace("[64, 36]", "[32, 36]"), "bright.onnx"),
        (manifest.replace("kind = \"mask\"", "kind = \"style\""), "kind = \"mask\""),
        (manifest.replace("gray", "rgb"), "gives one, \"gray\""),
        (manifest.replace("size = { fixed = [64, 36] }\n", ""), "needs `fixed`"),
        (manifest.replace("\"painted\"", "\"lost\""), "lost"),
        (manifest.replace("licence", "license"), "did you mean `licence`?"),
    ] {
        std::fs::write(named.join("bright.toml"), &written).expect("written");
        let refused = with(&named.join("bright.onnx"));
        assert!(refused.code == 4 && refused.stderr.contains(words), "{words}: {refused:?}");
    }
    // `check` and the list of styles know it too.
    let known = onnx::write_mask(&named);
    for file in [known.with_extension("onnx"), known.with_extension("toml")] {
        let checked = finish(impasto().arg("check").arg(&file));
        let says = "bright.onnx: a network that finds people, and fits its manifest";
        assert!(checked.code == 0 && checked.stdout.contains(says), "{checked:?}");
    }
    let styles = finish(impasto().args(["styles", "--models"]).arg(&named));
    assert!(styles.stderr.contains("bright finds people"), "{styles:?}");
    let style = with(&room.1.path().join("pair.onnx"));
    assert!(style.code == 4 && style.stderr.contains("not of a network that finds people"), "{style:?}");
}

#[test]
fn a_stream_is_masked_while_it_runs_and_keeps_its_look_where_none_can_be() {
    let (folder, networks) = (tempfile::tempdir().expect("a folder"), onnx::networks());
    let mask = onnx::write_mask(folder.path());
    let config = folder.path().join("impasto.toml");
    let text = format!(
        "[source]\ninput = \"test\"\nwidth = 320\nheight = 180\nfps = 15\n[paint]\nstyles = \"negative\"\nfade_ms = 0\n\
         [output]\nrtsp = \"off\"\n[control]\nrecordings = {0:?}\nstate = {0:?}\n\
         [runtime]\nmodels = {1:?}\nmask_network = {2:?}\nthreads = 1\n",
        folder.path(),
        networks.path(),
        folder.path().join("later.onnx"),
    );
    std::fs::write(&config, text).expect("written");
    let studio = Studio::start(folder, networks, "", &[]);
    let api = &studio.api;
    // The bars go from white to black.
    let levels = || {
        let png = api.json("POST", "/api/v1/streams/live/snapshot", "{}");
        let picture = image::load_from_memory(&png.body).expect("a picture").into_rgb8();
        [10, 300].map(|x| picture.get_pixel(x, 20).0)
    };
    let [white, last] = levels();
    let came = [white, last].map(|pixel| pixel.map(|value| 255 - value));
    let patch = |body: &str| api.json("PATCH", LOOK, body);
    patch(r#"{"mask": "person"}"#).assert_problem(500, "later.toml");
    assert_eq!((&api.get(LOOK).value()["mask"], levels()), (&json!("off"), [white, last]), "as it was");
    std::fs::copy(&mask, studio.folder.path().join("later.onnx")).expect("copied");
    let toml = onnx::mask_manifest("later");
    std::fs::write(studio.folder.path().join("later.toml"), toml).expect("written");
    let change = patch(r#"{"mask": "person"}"#);
    assert_eq!((change.status, &change.value()["look"]["mask"]), (200, &json!("person")), "{}", change.text());
    assert_eq!(levels(), [white, came[1]], "who is bright is painted");
    assert_eq!(patch(r#"{"mask": "background", "mask_other": "\u0023112233"}"#).status, 200);
    assert_eq!(levels(), [[0x11, 0x22, 0x33], last]);
    patch(r#"{"mask": "people"}"#).assert_problem(422, "unknown variant `people`");
    assert_eq!(patch(r#"{"mask_other": "style:same"}"#).status, 200);
    assert_eq!(levels(), [white.map(|value| 255 - value), last], "both are painted");
    patch(r#"{"mask_other": "style:nobody"}"#).assert_problem(422, "unknown style `nobody`");
    patch(r#"{"mask_other": "/etc/passwd"}"#).assert_problem(422, "neither source, blur nor a colour");
    assert_eq!(patch(r#"{"mask": "off"}"#).status, 200);
    assert_eq!(levels(), [white, last]);
    api.assert_painting(5);
    // Photographs too.
    let photo = std::fs::read(project("models/showcase/coffee.jpg")).expect("a photograph");
    let paint = |query: &str| api.ask("POST", &format!("/api/v1/paint?{query}"), &[("Accept", "image/png")], &photo);
    let [whole, part] = ["styles=negative", "styles=negative&mask=person"].map(|query| paint(query).body);
    assert!(whole != part && !part.is_empty());
    studio.close();
}

#[test]
fn the_real_network_finds_who_is_there() {
    let Some(network) = cache_folder().map(|cache| cache.join("mask/selfie.onnx")).filter(|path| path.exists()) else {
        return eprintln!("skipped: `./dev setup --mask` installs the network that finds people");
    };
    let room = Room::new();
    let config = room.path("impasto.toml");
    std::fs::write(&config, format!("[runtime]\nmask_network = {network:?}\n")).expect("written");
    let file = project("models/showcase/astronaut.jpg");
    let source = room.picture(file.to_str().expect("UTF-8"), &["--strength", "0"]);
    let painted = room.picture(file.to_str().expect("UTF-8"), &["--config", &config, "--mask", "person"]);
    let (width, height) = source.dimensions();
    // Her face, and the flag beside it.
    let at = |picture: &RgbImage, x: f64, y: f64| {
        *picture.get_pixel((x * f64::from(width)) as u32, (y * f64::from(height)) as u32)
    };
    assert_eq!(at(&painted, 0.42, 0.25), negative(&at(&source, 0.42, 0.25)));
    assert_eq!(at(&painted, 0.75, 0.1), at(&source, 0.75, 0.1));
}
