//! Watching over WebRTC: what players receive, that they share one encoder, and that nobody who comes or goes harms others.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;

use common::http::{Api, clients_of};
use common::whep::{Player, WHEP, post};
use common::*;
use serde_json::json;

const SMALL: [&str; 6] = ["--source", "test", "--rtsp", "off", "--size", "64x36"];

fn viewers(api: &Api) -> u64 {
    clients_of(&api.state(), "webrtc")
}

fn leave(api: &Api, place: &str) -> http::Answer {
    api.ask("DELETE", place, &[], b"")
}

#[test]
fn players_get_pictures_and_sound_from_one_encoder_and_lost_packets_again() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mkv");
    flash_and_beep(&clip, 4);
    let (run, api) = Api::start(&[
        "--source",
        clip.to_str().unwrap(),
        "--loop",
        "--rtsp",
        "off",
        "--style",
        "photo",
        "--size",
        "64x36",
    ]);
    assert_eq!(viewers(&api), 0);
    let first = Player::new();
    let place = first.watch(&api);
    assert!(place.starts_with(&format!("{WHEP}/")), "{place}");
    until("flashes and beeps, and dark and silence between", || {
        let seen = first.seen();
        seen.levels.iter().any(|level| *level > 150)
            && seen.levels.iter().any(|level| *level < 60)
            && seen.peaks.iter().any(|peak| *peak > 5000)
            && seen.peaks.iter().any(|peak| *peak < 500)
    });

    // One packet of ten is lost on the way to the second one.
    let second = Player::new().losing(10);
    second.watch(&api);
    second.wait_for_pictures("the second one sees something", 200);
    assert_eq!(viewers(&api), 2);
    let metrics = api.get("/metrics").text();
    let counted = metrics.lines().find(|line| line.starts_with("impasto_clients") && line.contains("webrtc"));
    assert!(counted.is_some_and(|line| line.ends_with(" 2")), "{counted:?}");
    let (theirs, lost) = (second.seen().encoded, second.lost() as usize);
    first.wait_for_pictures("what the second one has, the first one has too", 30);
    let ours = first.seen().encoded;
    let begin = ours.iter().position(|picture| *picture == theirs[0]);
    let begin = begin.expect("the same bytes: both are sent what one encoder makes");
    let end = ours.iter().rposition(|picture| *picture == theirs[theirs.len() - 1]).expect("the same bytes");
    let missing = ours[begin..end].iter().filter(|picture| !theirs.contains(picture)).count();
    assert!(lost > 15 && 2 * missing < lost, "{lost} packets were lost, and {missing} of {} pictures", end - begin);

    // One goes, and the other stays.
    assert_eq!(leave(&api, &place).status, 204);
    leave(&api, &place).assert_problem(404, "no such viewer");
    assert_eq!(viewers(&api), 1);
    second.wait_for_pictures("the other one goes on", 60);

    // One that vanishes is missed.
    drop(second);
    until("nobody is left", || viewers(&api) == 0);
    api.assert_painting(10);
    // And others may come.
    let third = Player::new();
    third.watch(&api);
    third.wait_for_pictures("a new one", 10);
    assert_eq!(run.interrupt().code, Some(0));
}

#[test]
fn what_is_no_offer_is_refused_and_places_are_limited() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("few.toml");
    std::fs::write(&config, "[output]\nwebrtc_viewers = 2\n").unwrap();
    let (run, api) = Api::start(&[&SMALL[..], &["--config", config.to_str().unwrap()]].concat());
    let good = Player::new().offer();
    for (offer, status, says) in [
        ("", 422, "no SDP offer"),
        ("{\"type\": \"offer\"}", 422, "no SDP offer"),
        ("v=0\r\ns=-\r\n", 422, "no video to receive that is H264"),
        (good.replace("a=mid:", "a=middle:").as_str(), 422, "no `a=mid`"),
        (good.replace("a=fingerprint:", "a=print:").as_str(), 422, "no `a=fingerprint`"),
        ("v=0\r\na=x".repeat(100_000).as_str(), 413, "larger than 64 KiB"),
    ] {
        post(&api, offer).assert_problem(status, says);
    }
    api.ask("POST", WHEP, &[("Content-Type", "application/sdp")], b"v=0\xff").assert_problem(422, "not text in UTF-8");
    api.json("POST", WHEP, "{}").assert_problem(415, "application/sdp");
    let elsewhere = "/api/v1/streams/nowhere/whep";
    api.ask("POST", elsewhere, &[("Content-Type", "application/sdp")], good.as_bytes())
        .assert_problem(404, "no stream");
    assert_eq!(viewers(&api), 0, "none of them has taken a place");

    // Two who have an answer and do not come.
    let places = [(); 2].map(|()| post(&api, &Player::new().offer()).header("location").expect("a place").to_string());
    post(&api, &good).assert_problem(409, "2 watch over WebRTC already");
    assert_eq!(leave(&api, &places[0]).status, 204);
    let player = Player::new();
    player.watch(&api);
    player.wait_for_pictures("there is a place again", 10);
    until("the one who never came is given up", || viewers(&api) == 1);
    leave(&api, &places[1]).assert_problem(404, "no such viewer");

    // An output like others: it is taken away with those who watch, and comes back.
    let outputs = "/api/v1/streams/live/outputs";
    assert_eq!(api.ask("DELETE", &format!("{outputs}/webrtc"), &[], b"").status, 200);
    post(&api, &good).assert_problem(404, "not shown over WebRTC");
    let wish = json!({ "type": "webrtc" }).to_string();
    assert_eq!(api.json("POST", outputs, &wish).status, 200);
    api.json("POST", outputs, &wish).assert_problem(409, "such an output already");
    let again = Player::new();
    again.watch(&api);
    again.wait_for_pictures("it is shown again", 10);
    api.assert_painting(10);
    assert_eq!(run.interrupt().code, Some(0));
}

#[test]
fn a_viewer_wakes_a_stream_that_nobody_watched_and_secrets_stay() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("secret.toml");
    // Nobody is at that server: it costs the time that is waited for it, no more.
    let text = "[output]\non_demand = \"on\"\n[control]\ntoken = \"0123456789abcdef\"\nturn = \"turn://me:hunter2@127.0.0.1:9\"\n";
    std::fs::write(&config, text).unwrap();
    let (run, api) = Api::start(&[&SMALL[..], &["--config", config.to_str().unwrap(), "--log", "debug"]].concat());
    run.wait_for_status("it rests", |status| status["resting"] == true);
    let player = Player::new();
    let offer = player.offer();
    post(&api, &offer).assert_problem(401, "token");
    let head = [("Content-Type", "application/sdp"), ("Authorization", "Bearer 0123456789abcdef")];
    let admitted = api.ask("POST", WHEP, &head, offer.as_bytes());
    assert_eq!(admitted.status, 201, "{}", admitted.text());
    player.take(&admitted);
    player.wait_for_pictures("it has been woken", 30);
    drop(player);
    run.wait_for_status("it rests again", |status| status["resting"] == true);
    let told = [admitted.text(), api.ask("GET", "/api/v1/streams", &head, b"").text(), run.errors()].concat();
    assert!(!told.contains("hunter2"), "{told}");
    assert_eq!(run.interrupt().code, Some(0));
}

#[test]
fn it_ends_in_good_order_while_browsers_begin_to_watch() {
    let offer = Player::new().offer();
    for _ in 0..6 {
        let (run, api) = Api::start(&SMALL);
        let head = format!(
            "POST {WHEP} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n",
            api.address,
            offer.len()
        );
        let begin_to_watch = || {
            while let Ok(mut stream) = TcpStream::connect(&api.address) {
                let _ = write!(stream, "{head}{offer}").and_then(|()| stream.read_to_end(&mut Vec::new()));
            }
        };
        std::thread::scope(|scope| {
            (0..3).for_each(|_| drop(scope.spawn(begin_to_watch)));
            until("somebody watches", || viewers(&api) > 0);
            run.signal("TERM");
            let ended = run.end();
            assert_eq!(ended.code, Some(0), "{}", ended.errors);
        });
    }
}
