//! `impasto file --dry-run`: tells what would be done, and writes nothing.

mod common;

use std::path::Path;

use common::studio::Studio;
use common::{Finished, finish, impasto, packet_times, project};
use serde_json::Value;

/// Runs `impasto file` in a studio, whose temporary files go into the folder `tmp`.
fn file(studio: &Studio, args: &[&str]) -> Finished {
    let mut command = impasto();
    std::fs::create_dir_all(studio.path("tmp")).expect("made");
    command.current_dir(studio.path("")).env("TMPDIR", studio.path("tmp"));
    finish(command.args(["--log", "warn", "file", "--network", "identity.onnx"]).args(args))
}

/// What a dry run says in JSON, after it was seen that nothing was written.
fn dry_run(studio: &Studio, args: &[&str]) -> (Finished, Vec<Value>) {
    let before = names(studio, "");
    let finished = file(studio, &[args, &["--dry-run", "--json"]].concat());
    assert_eq!((names(studio, ""), names(studio, "tmp")), (before, Vec::<String>::new()), "{args:?}");
    let events = finished.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    (finished, events)
}

fn names(studio: &Studio, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(studio.path(folder)).expect("readable").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| name != "tmp").collect();
    names.sort();
    names
}

#[test]
fn a_film_is_foretold_from_a_second_of_it() {
    let studio = Studio::new();
    std::fs::create_dir_all(studio.path("tmp")).expect("made");
    let film = studio.film("film.mp4", "-c:a aac");
    for (output, args, frames) in [
        ("out.mp4", &[][..], 250),
        ("out.mkv", &["--start", "2", "--end", "6.4", "--scale", "50%"], 110),
        ("out.mp4", &["--fps", "10"], 100),
        ("out.gif", &["--fps", "5", "--audio", "none"], 50),
    ] {
        let (finished, events) = dry_run(&studio, &[&[film.as_str(), output][..], args].concat());
        assert_eq!((finished.code, events.len()), (0, 1), "{finished:?}");
        let told = &events[0];
        assert_eq!(told["event"], "dry_run");
        assert_eq!(told["frames"], frames, "{output} {args:?}");
        assert_eq!(told["picture"], if output == "out.mkv" { "80x46" } else { "160x90" });
        let becomes: Vec<_> = told["tracks"].as_array().unwrap().iter().map(|track| &track["becomes"]).collect();
        let sound = if output == "out.gif" { "left out" } else { "copied" };
        assert_eq!(becomes, ["painted", sound], "{told}");
        assert!(told["seconds"].as_f64() > Some(0.0) && told["sample_frames"].as_u64() < Some(60), "{told}");
        // What it then is.
        let done = file(&studio, &[&[film.as_str(), output, "--overwrite"][..], args].concat());
        assert_eq!(done.code, 0, "{}", done.stderr);
        let real = std::fs::metadata(studio.path(output)).expect("written").len() as f64;
        let foretold = told["bytes"].as_f64().expect("a size");
        assert!((0.6..1.7).contains(&(foretold / real)), "{output} {args:?}: {foretold} foretold, {real} written");
        if output != "out.gif" {
            assert_eq!(packet_times(&studio.path(output), "v").len(), frames);
        }
        std::fs::remove_file(studio.path(output)).expect("removed");
    }
    let people = file(&studio, &[&film, "out.mp4", "--dry-run"]);
    for words in ["film.mp4 -> out.mp4", "160x90, 10 s, about 250 frames", "AAC", ": copied", "estimated from"] {
        assert!(people.stdout.contains(words), "{words}: {}", people.stdout);
    }
}

#[test]
fn what_would_fail_fails_and_what_would_be_lost_is_told() {
    let studio = Studio::new();
    std::fs::create_dir_all(studio.path("tmp")).expect("made");
    let eac3 = project("tests/cases/eac3.mkv");
    let (finished, events) = dry_run(&studio, &[eac3.to_str().unwrap(), "out.mp4"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(events[0].to_string().contains("encoded anew") && events[0]["notes"][0].is_string(), "{events:?}");
    let film = studio.film("film.mp4", "-t 1 -an");
    std::fs::write(studio.path("broken.mp4"), vec![7; 5000]).expect("written");
    for (args, code, words) in [
        (&["broken.mp4", "out.mp4"][..], 3, "broken.mp4"),
        (&[&film, "film.mp4"], 2, "the same file"),
        (&["broken.mp4", &film], 2, "exists"),
        (&[&film, "out.avi"], 2, "unknown"),
        (&[&film, "none/out.mp4"], 5, "no such folder"),
    ] {
        let (refused, _) = dry_run(&studio, args);
        assert!(refused.code == code && refused.stderr.contains(words), "{args:?}: {refused:?}");
    }
}

#[test]
fn a_batch_is_foretold_without_what_is_whole() {
    let studio = Studio::new();
    std::fs::create_dir_all(studio.path("tmp")).expect("made");
    for (name, side) in [("a.png", 40), ("b.png", 80), ("c.jpg", 60)] {
        image::RgbImage::from_pixel(side, side, image::Rgb([90; 3])).save(studio.path(name)).expect("saved");
    }
    studio.film("film.mp4", "-t 2 -an");
    assert_eq!(file(&studio, &["a.png", "painted/"]).code, 0);
    let (finished, events) = dry_run(&studio, &["a.png", "b.png", "c.jpg", "film.mp4", "painted"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let of = |event: &str| events.iter().filter(|told| told["event"] == event).collect::<Vec<_>>();
    assert_eq!((of("skipped")[0]["file"].as_str(), of("dry_run").len()), (Some("a.png"), 3));
    assert_eq!(of("dry_run")[0]["picture"], "80x80");
    let total = of("total")[0];
    assert_eq!((total["files"].as_u64(), total["painted_before"].as_u64()), (Some(4), Some(1)));
    let sum: f64 = of("dry_run").iter().map(|told| told["seconds"].as_f64().unwrap()).sum();
    assert!((total["seconds"].as_f64().unwrap() - sum).abs() < 1e-9 && total["bytes"].as_u64() > Some(0), "{total}");
    assert!(!Path::new(&studio.path("painted/b.png")).exists());
}
