//! `--stroke`: small strokes and large ones of a style that was learnt in two sizes, by hand or by the size of the picture, in
//! pictures and films.

mod common;

use std::path::Path;

use common::studio::levels;
use common::{Finished, ffmpeg, finish, impasto, interrupted, onnx};
use image::RgbImage;
use serde_json::Value;

/// A folder with a network that was learnt in two sizes and one that was not.
struct Studio(tempfile::TempDir);

impl Studio {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        onnx::write_two_sizes(folder.path());
        onnx::write_identity(folder.path());
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("UTF-8").to_string()
    }

    /// A picture with strokes of every colour.
    fn picture(&self, size: &str) -> String {
        let file = self.path(&format!("{size}.png"));
        ffmpeg(&["-f", "lavfi", "-i", &format!("testsrc2=s={size}"), "-frames:v", "1", "-pix_fmt", "rgb24", &file]);
        file
    }

    /// Runs `impasto COMMAND INPUT OUTPUT` with the network of two sizes.
    fn run(&self, command: &str, input: &str, output: &str, args: &[&str]) -> Finished {
        let (output, network) = (self.path(output), self.path("sizes.onnx"));
        finish(impasto().args(["--log", "warn", command, input, &output, "--network", &network]).args(args))
    }

    /// Paints a picture with the style `waves`, with more arguments.
    fn paint(&self, input: &str, args: &[&str]) -> RgbImage {
        let done = self.run("file", input, "out.png", &[&["--style", "waves", "--overwrite"], args].concat());
        assert_eq!((done.code, done.stderr.contains("note")), (0, false), "{input} {args:?}: {}", done.stderr);
        image::open(self.path("out.png")).expect("a picture").into_rgb8()
    }
}

/// What large strokes make of a picture.
fn negative(picture: &RgbImage) -> RgbImage {
    let mut negative = picture.clone();
    negative.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|value| 255 - value));
    negative
}

#[test]
fn strokes_are_small_large_between_or_by_the_size_of_the_picture() {
    let studio = Studio::new();
    for (size, is_large) in [
        ("320x180", false),
        ("640x360", false),
        ("360x640", false),
        ("2560x1440", true),
        ("1440x2560", true),
        ("3000x2000", true),
    ] {
        let file = studio.picture(size);
        let small = image::open(&file).expect("a picture").into_rgb8();
        let large = negative(&small);
        assert!(studio.paint(&file, &["--stroke", "0"]) == small, "{size}: small strokes");
        assert!(studio.paint(&file, &["--stroke", "1"]) == large, "{size}: large strokes");
        let between = studio.paint(&file, &["--stroke", "0.5"]);
        assert!(between.iter().all(|value| value.abs_diff(127) <= 1), "{size}: half of each");
        let expected = if is_large { large } else { small };
        assert!(studio.paint(&file, &[]) == expected, "{size}: by itself");
        assert!(studio.paint(&file, &["--stroke", "auto"]) == expected, "{size}: by itself, in words");
    }
    // Half-way between 360 and 1440, in doublings.
    let between = studio.paint(&studio.picture("1280x720"), &[]);
    assert!(between.iter().all(|value| value.abs_diff(127) <= 1));
}

#[test]
fn what_counts_is_the_size_that_is_painted() {
    let studio = Studio::new();
    let large = studio.picture("2560x1440");
    for smaller in [["--size", "640x360"], ["--max-side", "640"]] {
        let with = |args: &[&str]| studio.paint(&large, &[&smaller[..], args].concat());
        let small = with(&["--stroke", "0"]);
        assert!(with(&[]) == small, "{smaller:?}");
        assert!(with(&["--stroke", "1"]) != small, "{smaller:?}");
    }
    // A style of one size has no large strokes, alone and in a mix.
    let same = image::open(&large).expect("a picture").into_rgb8();
    for stroke in ["auto", "0", "1"] {
        let still = studio.run("file", &large, "still.png", &["--style", "still", "--stroke", stroke, "--overwrite"]);
        assert_eq!(still.code, 0, "{still:?}");
        assert!(image::open(studio.path("still.png")).expect("a picture").into_rgb8() == same, "{stroke}");
    }
    let half = |stroke: &str| {
        let args = ["--style", "waves=0.5,still=0.5", "--stroke", stroke, "--overwrite"];
        assert_eq!(studio.run("preview", &large, "half.png", &args).code, 0);
        image::open(studio.path("half.png")).expect("a picture").into_rgb8()
    };
    assert!(half("0") == same);
    assert!(half("1").iter().all(|value| value.abs_diff(127) <= 1));
}

#[test]
fn config_environment_and_flag_say_it_in_their_order() {
    let studio = Studio::new();
    let file = studio.picture("64x48");
    let small = image::open(&file).expect("a picture").into_rgb8();
    let config = studio.path("impasto.toml");
    let paint = |written: &str, set: Option<&str>, args: &[&str]| {
        std::fs::write(&config, format!("[paint]\nstyle = \"waves\"\n{written}\n")).expect("written");
        let (output, network) = (studio.path("out.png"), studio.path("sizes.onnx"));
        let mut command = impasto();
        set.map(|stroke| command.env("IMPASTO_STROKE", stroke));
        command.args(["file", &file, &output, "--overwrite", "--network", &network, "--config", &config]).args(args);
        let done = finish(&mut command);
        match done.code {
            0 => Ok(image::open(&output).expect("a picture").into_rgb8() == small),
            _ => Err(done),
        }
    };
    assert_eq!(paint("", None, &[]).ok(), Some(true));
    assert_eq!(paint("stroke = 1", None, &[]).ok(), Some(false));
    assert_eq!(paint("stroke = 1", Some("0"), &[]).ok(), Some(true));
    assert_eq!(paint("stroke = 0", Some("0"), &["--stroke", "1"]).ok(), Some(false));
    assert_eq!(paint("stroke = 1.0", None, &["--stroke", "auto"]).ok(), Some(true));
    for (written, words) in [
        ("stroke = 1.5", "stroke = 1.5: 0 to 1 is possible"),
        ("stroke = nan", "stroke = NaN: 0 to 1 is possible"),
        ("stroke = \"big\"", "line 3"),
        ("stroke = true", "a number from 0 to 1, \"auto\" or null"),
        ("stoke = 1", "did you mean `stroke`?"),
    ] {
        let refused = paint(written, None, &[]).expect_err(written);
        assert!(refused.code == 2 && refused.stderr.contains(words), "{written}: {refused:?}");
    }
}

#[test]
fn a_network_of_one_size_is_noted_once_and_paints() {
    let studio = Studio::new();
    let file = studio.picture("64x48");
    let same = image::open(&file).expect("a picture").into_rgb8();
    let network = studio.path("identity.onnx");
    let note = "stroke = 0.5 changes nothing: network `identity` has learnt its styles in one size";
    let with = |args: &[&str]| {
        let done = finish(impasto().args(args).args(["--network", &network, "--stroke", "0.5"]));
        assert_eq!(done.code, 0, "{args:?}: {}", done.stderr);
        done
    };
    let (output, folder) = (studio.path("out.png"), studio.path("painted/"));
    let told = |text: &str| text.matches(note).count();
    assert_eq!(told(&with(&["file", &file, &output]).stderr), 1);
    assert!(image::open(&output).expect("a picture").into_rgb8() == same);
    let json = with(&["file", &file, &output, "--overwrite", "--json"]).stdout;
    let first: Value = serde_json::from_str(json.lines().next().expect("a line")).expect("JSON");
    assert_eq!((&first["event"], &first["text"], told(&json)), (&"note".into(), &note.into(), 1));
    let other = studio.picture("48x64");
    assert_eq!(told(&with(&["file", &file, &other, &folder]).stderr), 1);
    assert_eq!(told(&with(&["preview", &file, &output, "--overwrite"]).stderr), 1);
    assert_eq!(told(&with(&["bench", "--picture", "64x48", "--frames", "2"]).stderr), 1);
    let live = ["run", "--source", "test", "--rtsp", "off", "--http", "off", "--duration", "0.5"];
    assert_eq!(told(&with(&live).stderr), 1);
    // The size of the picture is no wish.
    let done = finish(impasto().args(["file", &file, &output, "--overwrite", "--network", &network]));
    assert!(done.code == 0 && !done.stderr.contains("stroke"), "{done:?}");
}

#[test]
fn films_keep_their_strokes_and_are_not_gone_on_with_in_others() {
    let studio = Studio::new();
    for (size, is_large) in [("640x360", false), ("2560x1440", true)] {
        let film = studio.path("grey.mkv");
        let grey = format!("color=0xc8c8c8:s={size}:r=10:d=1,format=yuv444p");
        ffmpeg(&["-y", "-f", "lavfi", "-i", &grey, "-c:v", "libx264", "-crf", "4", &film]);
        let done = studio.run("file", &film, "painted.mkv", &["--style", "waves", "--overwrite", "--crf", "4"]);
        assert_eq!(done.code, 0, "{done:?}");
        // In two steps: a large picture made one pixel at once is not its mean.
        let step = "scale=64:36:flags=area,";
        let (before, after) = (levels(&film, step), levels(&studio.path("painted.mkv"), step));
        assert!(before[0] > 190, "{before:?}");
        let expected = |before: u8| if is_large { 255 - before } else { before };
        let is_right = before.iter().zip(&after).all(|(before, after)| after.abs_diff(expected(*before)) <= 3);
        assert!(after.len() == 10 && is_right, "{size}: {before:?} -> {after:?}");
    }

    let film = studio.path("long.mkv");
    ffmpeg(&["-f", "lavfi", "-i", "testsrc2=s=640x360:r=30:d=40", "-c:v", "libx264", "-preset", "ultrafast", &film]);
    let (output, network) = (studio.path("resumed.mkv"), studio.path("sizes.onnx"));
    let mut command = impasto();
    command.args(["--log", "warn", "file", &film, &output, "--network", &network, "--stroke", "0"]);
    interrupted(&mut command, Path::new(&output), 20_000, "KILL");
    let refused = studio.run("file", &film, "resumed.mkv", &["--resume", "--stroke", "1"]);
    let other = "another --style, --strength or other part of the look";
    assert!(refused.code == 2 && refused.stderr.contains(other), "{refused:?}");
    let resumed = studio.run("file", &film, "resumed.mkv", &["--resume", "--stroke", "0"]);
    assert!(resumed.code == 0 && resumed.stderr.contains("painted already"), "{resumed:?}");

    // And pieces of a film.
    let short = studio.path("grey.mkv");
    let piece = |stroke: &str| studio.run("file", &short, "segments", &["--segment", "1/2", "--stroke", stroke]);
    assert_eq!(piece("0").code, 0);
    let refused = piece("1");
    assert!(refused.code == 2 && refused.stderr.contains(other), "{refused:?}");
    assert!(Path::new(&studio.path("segments/segment-0001-of-0002")).exists());
}
