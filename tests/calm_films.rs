//! `impasto file --steadiness`: films that flicker less, with nothing trailing behind what moves, and without seams.

mod common;

use std::path::Path;
use std::process::Command;

use common::{Finished, ffmpeg, finish, impasto, interrupted, packet_times, shared_clip};

const WIDTH: usize = 320;
const HEIGHT: usize = 240;
const FRAMES: usize = 60;

/// Pixels that the square moves in a frame, and its side.
const SPEED: usize = 4;
const SIDE: usize = 48;

/// Its first row.
const TOP: usize = 130;

struct Studio(tempfile::TempDir);

impl Studio {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("UTF-8").to_string()
    }

    /// A wall that a noisy camera sees, and a square that crosses it.
    fn film(&self) -> String {
        let (raw, film) = (self.path("raw.gray"), self.path("film.mkv"));
        let mut random = fastrand::Rng::with_seed(5);
        let mut bytes = Vec::with_capacity(WIDTH * HEIGHT * FRAMES);
        for frame in 0..FRAMES {
            for place in 0..WIDTH * HEIGHT {
                let (x, y) = (place % WIDTH, place / WIDTH);
                let square = (frame * SPEED..frame * SPEED + SIDE).contains(&x) && (TOP..TOP + SIDE).contains(&y);
                let wall = 110.0 + 30.0 * (x as f32 * 0.05).sin() + 20.0 * (y as f32 * 0.11 + x as f32 * 0.02).cos();
                bytes.push(if square { 220 } else { wall as u8 } + random.u8(0..=6));
            }
        }
        std::fs::write(&raw, bytes).expect("written");
        let size = format!("{WIDTH}x{HEIGHT}");
        let input = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", &size, "-r", "25", "-i", &raw];
        ffmpeg(&[&input[..], &["-pix_fmt", "yuv420p", "-c:v", "libx264", "-crf", "12", &film]].concat());
        film
    }

    fn file(&self, film: &str, output: &str, args: &[&str]) -> Command {
        let mut command = impasto();
        command
            .args(["--log", "warn", "file", film, &self.path(output), "--style", "great_wave", "--crf", "1"])
            .args(args);
        command
    }

    fn paint(&self, film: &str, output: &str, args: &[&str]) -> String {
        let finished = finish(&mut self.file(film, output, args));
        assert_eq!(finished.code, 0, "{args:?}: {}", finished.stderr);
        self.path(output)
    }
}

/// The frames of a film as grey bytes.
fn frames(film: &str, size: usize) -> Vec<Vec<u8>> {
    let raw = format!("{film}.gray");
    ffmpeg(&["-i", film, "-vf", "format=gray", "-fps_mode", "passthrough", "-f", "rawvideo", &raw]);
    std::fs::read(raw).expect("readable").chunks(size).map(<[u8]>::to_vec).collect()
}

/// The mean change from frame to frame at some places, once the film has begun.
fn flicker(frames: &[Vec<u8>], place: impl Fn(usize) -> bool) -> f64 {
    let places: Vec<_> = (0..frames[0].len()).filter(|at| place(*at)).collect();
    let pairs = frames[10..].windows(2).flat_map(|pair| places.iter().map(|&at| pair[0][at].abs_diff(pair[1][at])));
    pairs.map(f64::from).sum::<f64>() / ((frames.len() - 11) * places.len()) as f64
}

/// The mean difference of two films in the frames behind a seam. Nothing of them is encoded as in the other film.
fn apart(one: &[Vec<u8>], other: &[Vec<u8>], seam: usize) -> f64 {
    let behind = seam..(seam + NEAR).min(one.len());
    let pairs = one[behind.clone()].iter().flatten().zip(other[behind.clone()].iter().flatten());
    pairs.map(|(one, other)| f64::from(one.abs_diff(*other))).sum::<f64>() / (behind.len() * one[0].len()) as f64
}

#[test]
fn a_wall_calms_down_and_a_square_leaves_nothing_behind() {
    let studio = Studio::new();
    let film = studio.film();
    let paint = |steadiness: &str| {
        let painted = studio.paint(&film, &format!("{steadiness}.mkv"), &["--steadiness", steadiness]);
        assert_eq!(packet_times(&painted, "v").len(), FRAMES, "steadiness {steadiness}");
        frames(&painted, WIDTH * HEIGHT)
    };
    let free = paint("0");
    let wall = |at: usize| at / WIDTH < 90;
    for steadiness in ["0.5", "flow"] {
        let held = paint(steadiness);
        let (before, after) = (flicker(&free, wall), flicker(&held, wall));
        // Where the square was, more than its shadow ago.
        let mut trail = Vec::new();
        for frame in 20..FRAMES {
            let columns = (frame * SPEED).saturating_sub(70)..frame * SPEED - 24;
            let places = (TOP..TOP + SIDE).flat_map(|y| columns.clone().map(move |x| y * WIDTH + x));
            let away = places.map(|at| f64::from(held[frame][at]) - f64::from(free[frame][at]));
            trail.push(away.sum::<f64>() / (SIDE * columns.len()) as f64);
        }
        let trail = trail.iter().sum::<f64>() / trail.len() as f64;
        eprintln!("steadiness {steadiness}: flicker {before:.2} -> {after:.2}, {trail:.2} levels behind the square");
        assert!(after < 0.5 * before, "steadiness {steadiness}: flicker {before} -> {after}");
        assert!(trail.abs() < 2.5, "steadiness {steadiness}: a trail of {trail}");
    }
}

#[test]
fn half_the_flicker_of_a_real_wall_goes() {
    let Some(clip) = shared_clip("asl_book.mkv") else { return };
    let studio = Studio::new();
    let film = studio.path("film.mkv");
    ffmpeg(&["-i", clip.to_str().expect("UTF-8"), "-frames:v", "40", "-c", "copy", &film]);
    let paint = |steadiness: &str| {
        frames(&studio.paint(&film, &format!("{steadiness}.mkv"), &["--steadiness", steadiness]), 640 * 480)
    };
    let wall = |at: usize| (100..180).contains(&(at % 640)) && (60..300).contains(&(at / 640));
    let [free, half, flow] = ["0", "0.5", "flow"].map(|steadiness| flicker(&paint(steadiness), wall));
    eprintln!("the wall: {free:.2} levels a frame, {half:.2} at 0.5, {flow:.2} with flow");
    assert!(half < 0.5 * free && flow < 0.5 * free, "{free}, {half} at 0.5, {flow} with flow");
}

/// The size of [`pan`]'s pictures.
const PAN: usize = 192 * 144;

/// A film of ten seconds that pans over a photograph.
fn pan(studio: &Studio) -> String {
    let film = studio.path("pan.mkv");
    let photo = common::project("models/showcase/coffee.jpg");
    let filter = "scale=600:-1,crop=192:144:x=n*1.3:y=60,noise=alls=6:allf=t";
    let photo = photo.to_str().expect("UTF-8");
    let input = ["-loop", "1", "-framerate", "25", "-t", "10", "-i", photo, "-vf", filter];
    ffmpeg(&[&input[..], &["-pix_fmt", "yuv420p", "-c:v", "libx264", "-crf", "8", "-g", "25", &film]].concat());
    film
}

/// How many frames after a seam tell most of it.
const NEAR: usize = 12;

#[test]
fn a_resumed_film_equals_one_that_was_painted_at_once() {
    let studio = Studio::new();
    let film = pan(&studio);
    for steadiness in ["flow", "1"] {
        let args = ["--steadiness", steadiness];
        let whole = frames(&studio.paint(&film, "whole.mkv", &[&args[..], &["--overwrite"]].concat()), PAN);
        let output = studio.path("resumed.mkv");
        let mut command = studio.file(&film, "resumed.mkv", &args);
        let (code, errors) = interrupted(&mut command, Path::new(&output), 1_000_000, "INT");
        assert_eq!(code, Some(130), "{errors}");
        let number = finish(&mut studio.file(&film, "resumed.mkv", &[&args[..], &["--resume", "--json"]].concat()));
        assert_eq!(number.code, 0, "{}", number.stderr);
        let resumed = resumed_frames(&number);
        let painted = frames(&studio.path("resumed.mkv"), PAN);
        assert_eq!(painted.len(), whole.len());
        let apart = apart(&painted, &whole, resumed);
        eprintln!(
            "steadiness {steadiness}: {resumed} of {} frames were painted before; after them {apart:.2}",
            whole.len()
        );
        assert!(apart < 1.0, "steadiness {steadiness}: {apart} levels");
        std::fs::remove_file(studio.path("resumed.mkv")).expect("removed");
    }
}

/// How many frames an earlier run had painted.
fn resumed_frames(finished: &Finished) -> usize {
    let events = finished.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let start = events.into_iter().find(|event| event["event"] == "start").expect("a start");
    start["resumed_frames"].as_u64().filter(|frames| *frames > 0).expect("frames") as usize
}

#[test]
fn segments_have_no_seam() {
    let studio = Studio::new();
    let film = pan(&studio);
    let flow = ["--steadiness", "flow"];
    let whole = frames(&studio.paint(&film, "whole.mkv", &flow), PAN);
    for number in ["1/2", "2/2"] {
        studio.paint(&film, "segments", &[&flow[..], &["--segment", number]].concat());
    }
    let joined = studio.path("joined.mkv");
    let done = finish(impasto().args(["--log", "warn", "join", &studio.path("segments"), &joined]));
    assert_eq!(done.code, 0, "{}", done.stderr);
    let joined = frames(&joined, PAN);
    assert_eq!(joined.len(), whole.len());
    let apart = apart(&joined, &whole, whole.len() / 2);
    eprintln!("the second segment is {apart:.2} levels from the whole film");
    assert!(apart < 1.0, "{apart} levels");
}

#[test]
fn flow_is_for_films() {
    let live = common::run(&["run", "--source", "test", "--rtsp", "off", "--duration", "1", "--steadiness", "flow"]);
    assert!(live.code == 2 && live.stderr.contains("steadiness = flow: it is for films"), "{}", live.stderr);
    let wrong = common::run(&["file", "in.mp4", "out.mp4", "--steadiness", "much"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("neither a number from 0 to 1 nor `flow`"), "{}", wrong.stderr);
}
