//! Texts, requests and networks with damage, many of each: every one is taken whole or refused in words, and nothing falls.
//!
//! The damage is the same in every run. `IMPASTO_MUTATIONS=100000 cargo test --release --test mutations` tries more of it.

mod common;

use std::ops::Range;
use std::path::Path;

use common::http::Api;
use common::{Finished, onnx, project, run};
use impasto::config::Config;
use impasto::error::Error;
use impasto::gst::template::{Templates, built_in, names};
use impasto::style::LookPatch;
use impasto::style::manifest::Manifest;

/// What breaks readers: numbers at the ends, quotes and brackets, words of every kind.
const TOKENS: [&str; 30] = [
    "0",
    "-1",
    "1e999",
    "NaN",
    "inf",
    "18446744073709551616",
    "-0.0",
    "1e-320",
    "\"",
    "'",
    "\"\"\"",
    "[",
    "]",
    "[[",
    "{",
    "}",
    "=",
    ".",
    ",",
    "#",
    "\n",
    "\\",
    "\\u0000",
    "\u{feff}",
    "\u{202e}",
    "\u{1b}[31m",
    "../../etc/passwd",
    "true",
    "null",
    "!",
];

/// How often each kind is tried.
fn cases(of_a_test_run: u64) -> Range<u64> {
    let wanted = std::env::var("IMPASTO_MUTATIONS").ok().and_then(|count| count.parse().ok());
    0..wanted.unwrap_or(of_a_test_run)
}

/// `whole` with one to four places of damage: bytes changed, parts taken out, doubled or moved, tokens put in, the end cut off.
fn damaged(whole: &[u8], seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = whole.to_vec();
    for _ in 0..random.usize(1..=4) {
        let at = random.usize(0..=bytes.len());
        let end = (at + random.usize(0..40)).min(bytes.len());
        match random.u8(0..8) {
            0 if at < bytes.len() => bytes[at] = random.u8(..),
            1 if at < bytes.len() => bytes[at] ^= 1 << random.u8(0..8),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            4 => {
                let part: Vec<u8> = bytes.drain(at..end).collect();
                let to = random.usize(0..=bytes.len());
                bytes.splice(to..to, part);
            }
            5 if random.u8(0..4) == 0 => bytes.truncate(at),
            _ => drop(bytes.splice(at..at, random.choice(TOKENS).unwrap().bytes())),
        }
    }
    bytes
}

fn damaged_text(whole: &str, seed: u64) -> String {
    String::from_utf8_lossy(&damaged(whole.as_bytes(), seed)).into_owned()
}

/// An error is for people: it says where, and nothing in it steers the terminal.
#[track_caller]
fn assert_words(error: &Error, place: &str, seed: u64) {
    let text = error.to_string();
    assert!(text.contains(place) && text.len() > place.len(), "{seed}: `{text}` does not name {place}");
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{seed}: {text:?} steers the terminal");
    assert!(text.len() < 2000, "{seed}: {} bytes of error", text.len());
}

#[test]
fn manifests() {
    let whole = std::fs::read_to_string(project("models/lite.toml")).unwrap();
    let (mut taken, mut refused) = (0, 0);
    for seed in cases(3000) {
        match Manifest::parse(&damaged_text(&whole, seed), Path::new("models/lite.toml")) {
            Ok(manifest) => {
                taken += 1;
                let written = toml::to_string(&manifest).unwrap();
                let again = Manifest::parse(&written, Path::new("models/lite.toml")).unwrap();
                assert_eq!(toml::to_string(&again).unwrap(), written, "{seed}: what is taken can be written and read");
            }
            Err(error) => {
                refused += 1;
                assert_words(&error, "lite.toml", seed);
            }
        }
    }
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused: the damage is not of all kinds");
}

#[test]
fn configs() {
    let whole = std::fs::read_to_string(project("config/default.toml")).unwrap();
    // The file explains every key in comments; their examples are read too.
    let whole = whole.replace("# ", "");
    let plain =
        "[source]\ninput = \"test\"\nfps = 30\n[paint]\nstyle = \"mosaic\"\nstrength = 0.5\n[[stream]]\nname = \"a\"\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("impasto.toml");
    let (mut taken, mut refused) = (0, 0);
    for seed in cases(3000) {
        std::fs::write(&file, damaged(if seed % 2 == 0 { plain } else { &whole }.as_bytes(), seed)).unwrap();
        match Config::read(&file) {
            Ok(_) => taken += 1,
            Err(error) => {
                refused += 1;
                assert_words(&error, "impasto.toml", seed);
            }
        }
    }
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
}

#[test]
fn looks() {
    let whole = r#"{"styles": {"starry_night": 0.7, "great_wave": 0.3}, "strength": 0.5, "keep_colours": true, "stroke": 0.5, "fade_ms": 300}"#;
    let (mut taken, mut refused) = (0, 0);
    for seed in cases(20_000) {
        match serde_json::from_str::<LookPatch>(&damaged_text(whole, seed)) {
            Ok(patch) => {
                taken += 1;
                let written = serde_json::to_string(&patch).unwrap();
                assert_eq!(serde_json::from_str::<LookPatch>(&written).unwrap(), patch, "{seed}: {written}");
            }
            Err(_) => refused += 1,
        }
    }
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
}

#[test]
fn templates() {
    impasto::gst::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<_> = names().collect();
    let values = [("width", "64"), ("height", "48"), ("fps", "15"), ("kbps", "500"), ("key_interval", "15")];
    for seed in cases(400) {
        let name = names[seed as usize % names.len()];
        let file = folder.path().join(format!("{name}.launch"));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        // Without comments: damage there is none.
        let whole =
            built_in(name).unwrap().lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
        std::fs::write(&file, damaged(whole.as_bytes(), seed)).unwrap();
        let built =
            Templates::new(Some(folder.path().into())).load(name, &values).and_then(|template| template.build(&[]));
        if let Err(error) = built {
            assert_words(&error, &file.display().to_string(), seed);
        }
    }
}

/// All endpoints that take a body, of a daemon that paints meanwhile and still does afterwards.
#[test]
fn requests() {
    let networks = onnx::networks();
    let pair = networks.path().join("pair.onnx");
    let (_run, api) = Api::start(&["--source", "test", "--rtsp", "off", "--network", pair.to_str().unwrap()]);
    let whole = [
        ("PATCH", "look", r#"{"styles": {"same": 0.7, "negative": 0.3}, "strength": 0.5, "keep_colours": true}"#),
        ("PATCH", "", r#"{"size": "160x90", "mirrored": true, "paused": false}"#),
        ("POST", "source", r#"{"source": "test", "loop": true}"#),
        ("POST", "record", r#"{"file": "a.mkv", "stop": false}"#),
        ("POST", "snapshot", r#"{}"#),
    ];
    let before = api.state()["counts"]["painted"].as_u64().unwrap();
    for seed in cases(200) {
        let (method, what, body) = whole[seed as usize % whole.len()];
        // A source or a recording that is taken reaches out of the test: those bodies are made to be refused.
        let body = damaged(body.as_bytes(), seed);
        if ["source", "record"].contains(&what) && serde_json::from_slice::<serde_json::Value>(&body).is_ok() {
            continue;
        }
        let path = format!("/api/v1/streams/live/{what}");
        let answer = api.ask(method, path.trim_end_matches('/'), &[("Content-Type", "application/json")], &body);
        let text = String::from_utf8_lossy(&body);
        assert!(answer.status < 500, "{seed}: {method} {what} {text}: {} {}", answer.status, answer.text());
        assert!(answer.status < 400 || !answer.text().contains('\u{1b}'), "{seed}: an answer steers the terminal");
    }
    let _ = api.json("PATCH", "/api/v1/streams/live", r#"{"paused": false}"#);
    api.assert_painting(before + 1);
}

/// A network without a manifest, whose inputs and outputs are read by ONNX Runtime itself: the program ends in words,
/// and not by a signal.
#[test]
fn networks() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.onnx");
    for seed in cases(60) {
        std::fs::write(&file, damaged(&onnx::identity(), seed)).unwrap();
        let Finished { code, stderr, .. } = run(&["check", file.to_str().unwrap()]);
        assert!([0, 4].contains(&code) && !stderr.contains("panicked"), "{seed}: {code}: {stderr}");
    }
}
