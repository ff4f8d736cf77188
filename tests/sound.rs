//! Sound that drives the look: the picture follows it and goes back, and nothing else notices.

mod common;

use std::path::Path;

use common::bars::{LOOK, Studio};
use common::*;
use serde_json::{Value, json};

const DRIVES: &str = "/api/v1/streams/live/drives";

/// A grey film of six seconds: three with silence, three with a tone of 60 Hz; or without a sound track.
fn film(file: &Path, with_sound: bool) {
    let picture = ["-f", "lavfi", "-i", "color=0xc8c8c8:s=320x180:r=15:d=6"];
    let tone = "aevalsrc='0.7*sin(2*PI*60*t)*gte(t,3)':s=48000:d=6";
    let (sound, sound_codec) = (["-f", "lavfi", "-i", tone], ["-c:a", "aac"]);
    let codec = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"];
    let end = [file.to_str().unwrap()];
    match with_sound {
        true => ffmpeg(&[&picture[..], &sound, &codec, &sound_codec, &end].concat()),
        false => ffmpeg(&[&picture[..], &codec, &end].concat()),
    }
}

/// A studio that plays such a film, which is painted half inverted.
fn studio() -> Studio {
    let studio = Studio::open(&[]);
    assert_eq!(studio.api.json("PATCH", LOOK, r#"{"styles": "negative", "strength": 0.5, "fade_ms": 0}"#).status, 200);
    for (name, with_sound) in [("loud.mp4", true), ("mute.mp4", false)] {
        film(&studio.folder.path().join(name), with_sound);
    }
    play(&studio, "loud.mp4");
    studio
}

fn play(studio: &Studio, name: &str) {
    let source = json!({ "source": studio.folder.path().join(name) }).to_string();
    assert_eq!(studio.api.json("POST", "/api/v1/streams/live/source", &source).status, 200);
}

fn driven(studio: &Studio) -> Value {
    studio.api.get(DRIVES).value()
}

fn set(studio: &Studio, parameter: &str, drive: Value) -> Value {
    let answer = studio.api.json("PUT", &format!("{DRIVES}/{parameter}"), &drive.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.value()
}

/// The grey of the film as the source has it (200), half inverted (127), and inverted (55).
fn is_near(studio: &Studio, level: u8) -> bool {
    studio.bar().abs_diff(level) < 12
}

#[test]
fn the_picture_follows_the_sound_and_is_as_the_look_says_without() {
    let studio = studio();
    let api = &studio.api;
    until("as the look says", || is_near(&studio, 127));
    let undo = api.state()["undo"].clone();
    let answer = set(&studio, "strength", json!({"by": "low", "attack_ms": 0, "release_ms": 0}));
    assert_eq!(answer["drives"]["strength"]["to"], 1.0);
    for _ in 0..2 {
        until("silence: the source", || is_near(&studio, 200));
        until("the tone: the painting", || is_near(&studio, 55));
    }
    until("its band is loud, the others are not", || {
        let driven = driven(&studio);
        driven["low"] == 1.0 && driven["high"] == 0.0 && driven["drives"]["strength"]["now"] == 1.0
    });
    let state = api.state();
    assert_eq!((&state["look"]["strength"], &state["undo"]), (&json!(0.5), &undo), "the look stays as it was set");
    let status = run(&["ctl", "--server", &format!("http://{}", api.address), "drive"]);
    assert!(status.code == 0 && status.stdout.contains("\"by\": \"low\""), "{}{}", status.stdout, status.stderr);

    // Inverse, and by a band in which there is nothing.
    set(&studio, "strength", json!({"by": "low", "from": 1, "to": 0, "attack_ms": 0, "release_ms": 0}));
    until("silence: the painting", || is_near(&studio, 55));
    until("the tone: the source", || is_near(&studio, 200));
    set(&studio, "strength", json!({"by": "high", "from": 1, "to": 0}));
    until("always the painting", || is_near(&studio, 55));

    play(&studio, "mute.mp4");
    until("without sound, as the look says", || {
        is_near(&studio, 127) && driven(&studio)["drives"]["strength"]["now"].is_null()
    });
    let mute = driven(&studio);
    assert_eq!(mute["level"], 0.0);
    assert!(mute["note"].as_str().unwrap().contains("no sound comes from the source"), "{mute}");
    play(&studio, "loud.mp4");
    until("with it, driven again", || is_near(&studio, 55) && driven(&studio)["note"].is_null());
    let left = api.ask("DELETE", &format!("{DRIVES}/strength"), &[], b"");
    assert_eq!((left.status, &left.value()["drives"]), (200, &json!({})));
    until("left to the look", || is_near(&studio, 127));
    studio.close();
}

#[test]
fn what_is_set_is_remembered_and_what_is_driven_writes_nothing() {
    let studio = studio();
    let config = studio.folder.path().join("impasto.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("[control]", "[control]\nremember = true")).unwrap();
    let studio = studio.reopen();
    let api = &studio.api;
    assert_eq!(api.json("PATCH", LOOK, r#"{"styles": "negative", "strength": 0.5, "fade_ms": 0}"#).status, 200);
    play(&studio, "loud.mp4");
    set(&studio, "strength", json!({"by": "level", "from": 0.25, "attack_ms": 10, "release_ms": 10}));
    let memory = studio.folder.path().join("state").join("streams.json");
    let remembered = || std::fs::read_to_string(&memory).unwrap_or_default();
    until("it is remembered", || remembered().contains("\"by\": \"level\""));
    let written = || memory.metadata().unwrap().modified().unwrap();
    let (before, logged) = (written(), studio.run.errors());
    for _ in 0..2 {
        until("silence", || driven(&studio)["drives"]["strength"]["now"] == 0.25);
        until("the tone", || driven(&studio)["drives"]["strength"]["now"] == 1.0);
    }
    assert_eq!((written(), studio.run.errors()), (before, logged), "neither the memory nor the log notices");

    let studio = studio.reopen();
    assert_eq!(driven(&studio)["drives"]["strength"]["from"], 0.25);
    // The config says something else by now.
    let drives = |what: &str| {
        let config = studio.folder.path().join("impasto.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let text = text.split("\n[sound]\n").next().unwrap();
        std::fs::write(&config, format!("{text}\n[sound]\ndrives = {what}\n")).unwrap();
    };
    drives("{ mask_feather = { by = \"high\" }, keep_colours = { by = \"mid\" } }");
    until("taken without a restart", || {
        driven(&studio)["drives"].as_object().unwrap().keys().eq(["keep_colours", "mask_feather"])
    });
    drives("{ mask_fether = { by = \"high\" } }");
    until("a mistake is told", || {
        let error = studio.api.get("/api/v1/config").value()["error"].clone();
        error.as_str().is_some_and(|error| error.contains("did you mean `mask_feather`?"))
    });
    studio.close();
}

#[test]
fn what_cannot_be_driven_is_refused_in_words() {
    let studio = Studio::open(&[]);
    let api = &studio.api;
    for (parameter, drive, words) in [
        ("strenght", json!({"by": "low"}), "did you mean `strength`?"),
        ("styles", json!({"by": "low"}), "`styles`: sound cannot drive it"),
        ("strength", json!({"by": "bass"}), "unknown variant `bass`"),
        ("strength", json!({"by": "low", "to": 1.5}), "to = 1.5: 0 to 1 is possible"),
        ("strength", json!({"by": "low", "release_ms": 10_001}), "release_ms = 10001: 0 to 10000 is possible"),
        ("strength", json!({"by": "low", "atack_ms": 1}), "unknown field `atack_ms`"),
    ] {
        api.json("PUT", &format!("{DRIVES}/{parameter}"), &drive.to_string()).assert_problem(422, words);
    }
    api.ask("DELETE", &format!("{DRIVES}/strenght"), &[], b"").assert_problem(422, "did you mean `strength`?");
    assert_eq!(driven(&studio)["drives"], json!({}));
    let server = format!("http://{}", api.address);
    let ctl = |words: &[&str]| run(&[&["ctl", "--server", &server, "drive"], words].concat());
    let set = ctl(&["stroke", "mid", "--from", "0.75", "--to", "0.25", "--release-ms", "50"]);
    let set: Value = serde_json::from_str(&set.stdout).unwrap_or_else(|_| panic!("{}", set.stderr));
    let expected = json!({"by": "mid", "from": 0.75, "to": 0.25, "attack_ms": 30, "release_ms": 50, "now": null});
    assert_eq!(set["drives"]["stroke"], expected);
    assert!(ctl(&["strok", "mid"]).stderr.contains("did you mean `stroke`?"));
    assert_eq!(ctl(&["stroke", "--off"]).code, 0);
    assert_eq!((ctl(&["stroke"]).code, driven(&studio)["drives"].clone()), (2, json!({})));
    studio.close();
}
