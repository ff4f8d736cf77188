//! IN and OUT that are no plain names of plain files: pipes, links, and names that are no UTF-8.
#![cfg(unix)]

mod common;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use common::studio::Studio;
use common::{Finished, finish, impasto};

fn paint(studio: &Studio, command: &str, input: &Path, output: &Path, args: &[&str]) -> Finished {
    let network = studio.path("identity.onnx");
    finish(impasto().args(["--log", "warn", command]).arg(input).arg(output).args(["--network", &network]).args(args))
}

#[test]
fn pipes_are_refused_before_anything_is_done() {
    let studio = Studio::new();
    let film = studio.film("film.mp4", "-t 0.4 -an");
    let pipe = studio.path("pipe.mkv");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let (picture, new) = (studio.path("new.png"), studio.path("new.mp4"));
    for (command, input, output, words) in [
        ("file", "-", new.as_str(), "save it first"),
        ("file", &pipe, &new, "save it first"),
        ("file", &film, "-", "name a file"),
        ("file", &film, &pipe, "name a file"),
        ("file", &film, "/dev/null", "name a file"),
        ("file", &film, "/dev/stdout", "name a file"),
        ("preview", "-", &picture, "save it first"),
        ("preview", &pipe, &picture, "save it first"),
    ] {
        let refused = paint(&studio, command, Path::new(input), Path::new(output), &["--overwrite"]);
        assert!(refused.code == 2 && refused.stderr.contains(words), "{command} {input} {output}: {refused:?}");
    }
    assert!(!Path::new(&new).exists() && !Path::new(&picture).exists());
}

#[test]
fn a_link_leads_to_the_file_that_is_written() {
    let studio = Studio::new();
    let film = studio.film("film.mp4", "-t 0.4 -an");
    std::fs::create_dir(studio.path("store")).expect("made");
    for (name, target, args) in [
        ("old.mkv", "store/old.mkv", &["--overwrite"][..]),
        ("new.mkv", "store/new.mkv", &[]),
        ("old.png", "store/old.png", &["--overwrite"]),
    ] {
        let link = studio.path(name);
        symlink(target, &link).expect("a link");
        if name.starts_with("old") {
            std::fs::write(studio.path(target), "old").expect("written");
            let refused = paint(&studio, "file", film.as_ref(), link.as_ref(), &[]);
            assert!(refused.code == 2 && refused.stderr.contains("--overwrite"), "{refused:?}");
        }
        let done = paint(&studio, "file", film.as_ref(), link.as_ref(), args);
        assert_eq!(done.code, 0, "{name}: {}", done.stderr);
        assert!(Path::new(&link).is_symlink(), "{name} is no link any more");
        assert!(std::fs::metadata(studio.path(target)).expect("written").len() > 100, "{target}");
    }
}

#[test]
fn names_may_hold_any_bytes() {
    let studio = Studio::new();
    let name = |bytes: &[u8]| Path::new(&studio.path("")).join(OsStr::from_bytes(bytes));
    let film = name(b"in\xff.mp4");
    std::fs::rename(studio.film("film.mp4", "-t 0.4 -c:a aac"), &film).expect("renamed");
    for (command, output) in [
        ("file", &b"out\xfe.mp4"[..]),
        ("file", b"out\xfe.mkv"),
        ("file", b"out\xfe.png"),
        ("preview", b"look\xfe.png"),
    ] {
        let output = name(output);
        let done = paint(&studio, command, &film, &output, &[]);
        assert_eq!(done.code, 0, "{}: {}", output.display(), done.stderr);
        assert!(output.is_file(), "{}", output.display());
    }
}
