//! `impasto preview` and `impasto file --at`: one picture of a video, before an hour of painting.

mod common;

use std::path::Path;

use common::{ffmpeg, onnx, run};
use image::GenericImageView;

/// Ten pictures a second whose level says their number: picture n has 10 times n.
fn clip(folder: &Path) -> String {
    let file = folder.join("clip.mkv").to_str().unwrap().to_string();
    let levels = "nullsrc=s=320x180:r=10:d=2,format=gray,geq=lum=10*N";
    ffmpeg(&["-f", "lavfi", "-i", levels, "-c:v", "libx264", "-crf", "1", "-g", "7", &file]);
    file
}

/// The level that a picture's middle was made of: video levels go from 16 to 235.
fn level(picture: &image::DynamicImage) -> f32 {
    let (width, height) = picture.dimensions();
    f32::from(picture.get_pixel(width / 2, height / 2).0[1]) * 219.0 / 255.0 + 16.0
}

#[test]
fn the_picture_of_a_time_is_taken_out_of_a_video() {
    let (folder, networks) = (tempfile::tempdir().unwrap(), onnx::networks());
    let models = networks.path().to_str().unwrap();
    let file = clip(folder.path());
    let out = folder.path().join("out.png");
    let out = out.to_str().unwrap();
    for (command, at, number) in [("file", "0", 0.0), ("file", "1.25", 12.0), ("preview", "0:1.9", 19.0)] {
        let done = run(&[command, &file, out, "--at", at, "--models", models, "--style", "same", "--overwrite"]);
        assert_eq!(done.code, 0, "{done:?}");
        let found = level(&image::open(out).unwrap());
        // Nothing is darker than 16 in video levels.
        let expected = f32::max(10.0 * number, 16.0);
        assert!((found - expected).abs() < 4.0, "{command} --at {at}: level {found}, not {expected}");
    }
    for (args, code, words) in [
        (&["file", &file, "new.png", "--at", "2.5"][..], 3, "it is 2.00 s long"),
        (&["file", &file, "new.mp4", "--at", "1"], 2, "--at takes one picture out of a video"),
        (&["file", &file, "new.png", "--at", "1:75"], 2, "no time like"),
        (&["preview", &file, out], 2, "exists; replace it with --overwrite"),
        (&["preview", &file, "new.mp4"], 2, "pictures are written into .png"),
        (&["preview", &file, "new.png", "--styles", "same,negativ"], 2, "did you mean `negative`?"),
    ] {
        let refused = run(&[args, &["--models", models, "--style", "same"]].concat());
        assert_eq!(refused.code, code, "{args:?}: {refused:?}");
        assert!(refused.stderr.contains(words), "{args:?}: {}", refused.stderr);
    }
}

#[test]
fn a_sheet_has_a_row_for_each_style_and_a_column_for_each_strength() {
    let (folder, networks) = (tempfile::tempdir().unwrap(), onnx::networks());
    let models = networks.path().to_str().unwrap();
    let out = folder.path().join("sheet.png");
    let out = out.to_str().unwrap();
    let file = clip(folder.path());
    let args = ["preview", &file, out, "--at", "0.65", "--models", models, "--style", "same", "--overwrite"];
    let (across, down) = (320 + 12, 180 + 28 + 12);
    let sheet = |more: &[&str], count: &str| {
        let done = run(&[&args[..], more].concat());
        assert!(done.code == 0 && done.stdout.contains(count), "{done:?}");
        image::open(out).unwrap()
    };
    let made = sheet(&["--styles", "same,negative", "--strengths", "0,0.5,1"], "6 painted in ");
    assert_eq!(made.dimensions(), (3 * across + 12, 2 * down + 12));
    let middle = |column: u32, row: u32| made.get_pixel(12 + column * across + 160, 12 + row * down + 90).0[1];
    let level = middle(0, 0);
    let expected = [[level; 3], [level, 128, 255 - level]];
    for (row, levels) in (0..).zip(expected) {
        for (column, expected) in (0..).zip(levels) {
            let found = middle(column, row);
            assert!(found.abs_diff(expected) <= 2, "row {row}, column {column}: {found}, not {expected}");
        }
    }
    let made = sheet(&["--strengths", "0.2,1"], "2 painted in ");
    assert_eq!(made.dimensions(), (2 * across + 12, down + 12));
    let refused = run(&[&args[..], &["--strengths", "0.5,1.5"]].concat());
    assert!(refused.code == 2 && refused.stderr.contains("strength = 1.5: 0 to 1"), "{refused:?}");
}

#[test]
fn a_sheet_shows_the_picture_in_every_style_of_its_network() {
    let (folder, networks) = (tempfile::tempdir().unwrap(), onnx::networks());
    let models = networks.path().to_str().unwrap();
    let out = folder.path().join("sheet.png");
    let out = out.to_str().unwrap();
    let file = clip(folder.path());
    let done = run(&["preview", &file, out, "--at", "0.65", "--models", models, "--style", "same", "--styles", "all"]);
    assert!(done.code == 0 && done.stdout.contains("2 painted in "), "{done:?}");
    let sheet = image::open(out).unwrap();
    // As it is, the same, and the negative: two in the first row.
    let (across, down) = (320 + 12, 180 + 28 + 12);
    assert_eq!(sheet.dimensions(), (2 * across + 12, 2 * down + 12));
    let middle = |column: u32, row: u32| sheet.get_pixel(12 + column * across + 160, 12 + row * down + 90).0[1];
    let [as_it_is, same, negative] = [middle(0, 0), middle(1, 0), middle(0, 1)];
    assert!(as_it_is.abs_diff(same) <= 1 && (255 - as_it_is).abs_diff(negative) <= 1, "{as_it_is} {same} {negative}");
}
