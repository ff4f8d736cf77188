//! `impasto file` on picture files: colours by their profiles, what is told beside the pixels, files that are cut off.

mod common;

use std::path::{Path, PathBuf};

use common::http::Api;
use common::{Finished, finish, impasto, onnx, project};
use image::codecs::{jpeg::JpegEncoder, png::PngEncoder};
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageEncoder, ImageReader, Luma, Rgb, RgbImage};
use moxcms::ColorProfile;

/// A folder with the network that gives back the picture as it came, and a place for files.
struct Studio(tempfile::TempDir);

impl Studio {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        onnx::write_identity(folder.path());
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, file: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), file).expect("a file");
        self.path(name)
    }

    /// Paints what must succeed; returns the result and what was said of it.
    fn good(&self, input: &Path, output: &str) -> (PathBuf, Finished) {
        let mut command = impasto();
        command.args(["--log", "warn", "file"]).arg(input).arg(self.path(output)).arg("--overwrite");
        let finished = finish(command.arg("--network").arg(self.path("identity.onnx")));
        assert_eq!(finished.code, 0, "{} -> {output}: {}", input.display(), finished.stderr);
        (self.path(output), finished)
    }
}

/// The decoder of a file, which tells what lies beside the pixels.
fn decoder(file: &Path) -> impl ImageDecoder {
    ImageReader::open(file).expect("a file").into_decoder().expect("a picture")
}

fn pixel(file: &Path, x: u32, y: u32) -> [u8; 3] {
    image::open(file).expect("a picture").into_rgb8().get_pixel(x, y).0
}

#[track_caller]
fn assert_near(found: [u8; 3], expected: [u8; 3], tolerance: u8) {
    let near = found.iter().zip(expected).all(|(found, expected)| found.abs_diff(expected) <= tolerance);
    assert!(near, "{found:?}, not {expected:?}");
}

/// A PNG file of one colour with a profile.
fn with_profile(picture: &DynamicImage, profile: &ColorProfile) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = PngEncoder::new(&mut file);
    encoder.set_icc_profile(profile.encode().expect("a profile")).expect("PNG holds profiles");
    picture.write_with_encoder(encoder).expect("a file");
    file
}

#[test]
fn colours_are_those_of_the_profile() {
    let studio = Studio::new();
    let wide = ColorProfile::new_display_p3();
    for (colour, expected) in [([200, 100, 50], [215, 93, 31]), ([90, 160, 120], [61, 162, 117])] {
        let picture = DynamicImage::ImageRgb8(RgbImage::from_pixel(16, 16, Rgb(colour)));
        let input = studio.write("wide.png", &with_profile(&picture, &wide));
        let (file, said) = studio.good(&input, "out.png");
        assert_near(pixel(&file, 8, 8), expected, 2);
        assert!(decoder(&file).icc_profile().expect("readable").is_none(), "pixels are sRGB now");
        assert!(said.stderr.contains("converted from their profile to sRGB"), "{}", said.stderr);
    }
    let gray = DynamicImage::ImageLuma8(GrayImage::from_pixel(16, 16, Luma([128])));
    let input = studio.write("gray.png", &with_profile(&gray, &ColorProfile::new_gray_with_gamma(1.8)));
    let (file, _) = studio.good(&input, "out.png");
    assert_near(pixel(&file, 8, 8), [146; 3], 2);
    assert!(decoder(&file).icc_profile().expect("readable").is_none());
}

#[test]
fn inks_become_the_colours_that_they_print() {
    let studio = Studio::new();
    let (file, said) = studio.good(&project("tests/cases/cmykicc.jpg"), "out.png");
    // Little CMS makes these of the same inks, in its relative and its perceptual way.
    for ((x, y), colour) in [((60, 40), [190, 146, 119]), ((110, 70), [186, 160, 153]), ((30, 60), [153, 109, 82])] {
        assert_near(pixel(&file, x, y), colour, 6);
    }
    assert!(decoder(&file).icc_profile().expect("readable").is_none(), "RGB has no CMYK profile");
    assert!(said.stderr.contains("converted from their profile to sRGB"), "{}", said.stderr);
}

#[test]
fn pictures_in_srgb_keep_every_pixel_and_their_profile() {
    let studio = Studio::new();
    let picture = RgbImage::from_fn(64, 64, |x, y| Rgb([4 * x as u8, 4 * y as u8, (x ^ y) as u8]));
    let picture = DynamicImage::ImageRgb8(picture);
    let input = studio.write("srgb.png", &with_profile(&picture, &ColorProfile::new_srgb()));
    let (file, said) = studio.good(&input, "out.png");
    assert_eq!(image::open(&file).expect("a picture"), picture);
    assert!(decoder(&file).icc_profile().expect("readable").is_some() && !said.stderr.contains("note"), "{said:?}");
}

/// EXIF with the name of a camera, and a picture that lies on its side.
fn exif() -> Vec<u8> {
    let entry = |tag: u16, kind: u16, count: u32, value: [u8; 4]| {
        [&tag.to_be_bytes()[..], &kind.to_be_bytes(), &count.to_be_bytes(), &value].concat()
    };
    let (make, orientation) = (entry(0x010f, 2, 4, *b"Cam\0"), entry(0x0112, 3, 1, [0, 6, 0, 0]));
    [b"MM\0*\0\0\0\x08\0\x02", &make[..], &orientation, &[0; 4]].concat()
}

#[test]
fn exif_and_xmp_are_kept_but_for_the_orientation() {
    const XMP: &[u8] = b"<x:xmpmeta><rdf:Description tiff:Orientation=\"6\" dc:title=\"Harbour\"/></x:xmpmeta>";
    let studio = Studio::new();
    let picture = DynamicImage::ImageRgb8(RgbImage::from_pixel(32, 16, Rgb([90, 120, 150])));
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, 95);
    encoder.set_exif_metadata(exif()).expect("JPEG holds EXIF");
    picture.write_with_encoder(encoder).expect("a file");
    let xmp = [b"http://ns.adobe.com/xap/1.0/\0", XMP].concat();
    let segment = [&[0xff, 0xe1][..], &(xmp.len() as u16 + 2).to_be_bytes(), &xmp].concat();
    file.splice(2..2, segment);
    let input = studio.write("photo.jpg", &file);
    for output in ["out.jpg", "out.png", "out.webp"] {
        let (file, said) = studio.good(&input, output);
        let mut told = decoder(&file);
        assert_eq!(told.dimensions(), (16, 32), "{output} is upright");
        let exif = told.exif_metadata().expect("readable").unwrap_or_else(|| panic!("{output} has no EXIF"));
        assert!(exif.windows(3).any(|word| word == b"Cam"), "{output}: {exif:?}");
        assert_eq!(Orientation::from_exif_chunk(&exif), Some(Orientation::NoTransforms), "{output}");
        let xmp = told.xmp_metadata().expect("readable");
        let upright = String::from_utf8_lossy(XMP).replace("=\"6\"", "=\"1\"");
        assert_eq!(xmp.as_deref().map(String::from_utf8_lossy).as_deref(), Some(upright.as_str()), "{output}");
        assert!(!said.stderr.contains("note"), "{}", said.stderr);
    }
}

#[test]
fn a_picture_that_is_cut_off_gets_a_note() {
    let studio = Studio::new();
    let noise = RgbImage::from_fn(256, 256, |x, y| Rgb([(x * y) as u8, (x * 7 + y * 13) as u8, (x ^ y) as u8]));
    let mut file = Vec::new();
    DynamicImage::ImageRgb8(noise).write_with_encoder(JpegEncoder::new(&mut file)).expect("a file");
    let input = studio.write("whole.jpg", &file);
    let (_, said) = studio.good(&input, "out.png");
    assert!(!said.stderr.contains("note"), "{}", said.stderr);
    let input = studio.write("cut.jpg", &file[..file.len() * 2 / 3]);
    let (_, said) = studio.good(&input, "out.png");
    assert!(said.stderr.contains("the picture is cut off"), "{}", said.stderr);
}

#[test]
fn formats_that_are_only_read_become_others() {
    let studio = Studio::new();
    let picture = RgbImage::from_fn(40, 30, |x, y| Rgb([6 * x as u8, 8 * y as u8, 99]));
    for name in ["in.bmp", "in.tif"] {
        picture.save(studio.path(name)).expect("saved");
        let (file, said) = studio.good(&studio.path(name), "out.png");
        assert_eq!(image::open(file).expect("a picture").into_rgb8(), picture, "{name}");
        assert!(!said.stderr.contains("note"), "{}", said.stderr);
    }
}

/// Whether a program of libheif is installed.
fn has(program: &str) -> bool {
    std::process::Command::new(program).arg("--help").output().is_ok()
}

#[test]
fn pictures_of_phones_are_read_where_libheif_is_installed() {
    let studio = Studio::new();
    let heic = project("tests/cases/a.heic");
    // Where no program is found.
    let mut command = impasto();
    command.env("PATH", studio.path("")).args(["file"]).arg(&heic).arg(studio.path("none.png"));
    let refused = finish(command.arg("--network").arg(studio.path("identity.onnx")));
    assert!(refused.code == 3 && refused.stderr.contains("apt install libheif-examples"), "{refused:?}");
    if !has("heif-convert") || !has("heif-enc") {
        eprintln!("SKIPPED: libheif-examples is not installed");
        return;
    }
    let (file, _) = studio.good(&heic, "heic.png");
    assert_eq!(decoder(&file).dimensions(), (120, 80));
    // The container says how it is turned; EXIF, which says it too, does not count.
    let picture = DynamicImage::ImageRgb8(RgbImage::from_fn(64, 32, |x, _| Rgb([if x < 32 { 200 } else { 40 }; 3])));
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, 95);
    encoder.set_exif_metadata(exif()).expect("JPEG holds EXIF");
    picture.write_with_encoder(encoder).expect("a file");
    let source = studio.write("source.jpg", &jpeg);
    for (name, args) in [("turned.heic", &[][..]), ("turned.avif", &["-A"])] {
        let mut encode = std::process::Command::new("heif-enc");
        let made = finish(encode.args(args).arg(&source).arg("-o").arg(studio.path(name)));
        assert_eq!(made.code, 0, "{}", made.stderr);
        let (file, _) = studio.good(&studio.path(name), "out.png");
        assert_eq!(decoder(&file).dimensions(), (64, 32), "{name}");
        assert_near(pixel(&file, 8, 8), [200; 3], 6);
        assert_near(pixel(&file, 56, 8), [40; 3], 6);
        let exif = decoder(&file).exif_metadata().expect("readable").unwrap_or_else(|| panic!("{name} has no EXIF"));
        assert!(exif.windows(3).any(|word| word == b"Cam"), "{name}");
    }
}

#[test]
fn a_picture_looks_the_same_live() {
    let studio = Studio::new();
    let network = studio.path("identity.onnx");
    let picture = DynamicImage::ImageRgb8(RgbImage::from_fn(64, 32, |x, y| Rgb([3 * x as u8, 7 * y as u8, 99])));
    let mut lying = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut lying, 95);
    encoder.set_exif_metadata(exif()).expect("JPEG holds EXIF");
    picture.write_with_encoder(encoder).expect("a file");
    picture.save(studio.path("scan.tif")).expect("saved");
    picture.save(studio.path("plain.ppm")).expect("saved");
    let wide = with_profile(&picture, &ColorProfile::new_display_p3());
    let mut pictures = vec![
        studio.write("lying.jpg", &lying),
        studio.write("wide.png", &wide),
        studio.path("scan.tif"),
        studio.path("plain.ppm"),
        project("tests/cases/cmykicc.jpg"),
    ];
    if has("heif-convert") {
        pictures.push(project("tests/cases/a.heic"));
    }
    for input in pictures {
        let (file, _) = studio.good(&input, "out.png");
        let expected = image::open(&file).expect("a picture").into_rgb8();
        let network = network.to_str().unwrap();
        let (run, api) = Api::start(&["--source", input.to_str().unwrap(), "--rtsp", "off", "--network", network]);
        // It has no end.
        api.assert_painting(40);
        let shown = api.json("POST", "/api/v1/streams/live/snapshot", "{}");
        let shown = image::load_from_memory(&shown.body).expect("a picture").into_rgb8();
        assert_eq!(shown.dimensions(), expected.dimensions(), "{}", input.display());
        let most = shown.iter().zip(expected.iter()).map(|(shown, file)| shown.abs_diff(*file)).max();
        assert!(most <= Some(2), "{}: {most:?} levels from the painted file", input.display());
        assert_eq!(run.interrupt().code, Some(0));
    }
}

#[test]
fn a_huge_picture_is_painted_smaller_and_comes_out_as_large_as_it_was() {
    let studio = Studio::new();
    let input = studio.path("huge.png");
    let level = |x: u32, y: u32| [(x / 32) as u8, (y / 32) as u8, 128];
    RgbImage::from_fn(6400, 4800, |x, y| Rgb(level(x, y))).save(&input).expect("saved");
    let (file, said) = studio.good(&input, "painted.png");
    assert!(said.stderr.contains("it is painted at 5773x4330 and scaled back to 6400x4800"), "{}", said.stderr);
    let painted = image::open(file).expect("a picture").into_rgb8();
    assert_eq!(painted.dimensions(), (6400, 4800));
    for (x, y) in [(0, 0), (6399, 4799), (3200, 100), (1700, 4000)] {
        assert_near(painted.get_pixel(x, y).0, level(x, y), 2);
    }
}

#[test]
fn a_panorama_wider_than_a_network_takes_is_painted_smaller() {
    let studio = Studio::new();
    let input = studio.path("panorama.png");
    let level = |x: u32, _: u32| [(x / 64) as u8, 90, 128];
    RgbImage::from_fn(12_000, 300, |x, y| Rgb(level(x, y))).save(&input).expect("saved");
    let (file, said) = studio.good(&input, "painted.png");
    assert!(said.stderr.contains("it is painted at 8192x204 and scaled back to 12000x300"), "{}", said.stderr);
    let painted = image::open(file).expect("a picture").into_rgb8();
    assert_eq!(painted.dimensions(), (12_000, 300));
    for (x, y) in [(0, 0), (11_999, 299), (6000, 100)] {
        assert_near(painted.get_pixel(x, y).0, level(x, y), 2);
    }
}
