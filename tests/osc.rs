//! OSC: a controller changes how a stream is painted and is told of changes, and nothing that it sends does harm.

mod common;

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use common::bars::{LOOK, Studio};
use common::*;
use rosc::{OscBundle, OscMessage, OscPacket, OscTime, OscType, decoder, encoder};
use serde_json::json;

/// A studio that takes OSC, and a controller for it.
fn studio() -> (Studio, Controller) {
    let studio = Studio::open(&[]);
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = studio.folder.path().join("impasto.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("[control]", &format!("[control]\nosc = \"{port}\""))).unwrap();
    (studio.reopen(), Controller::new(port))
}

struct Controller(UdpSocket);

impl Controller {
    fn new(port: u16) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    fn send(&self, addr: &str, args: Vec<OscType>) {
        let message = OscMessage { addr: addr.into(), args };
        self.0.send(&encoder::encode(&OscPacket::Message(message)).unwrap()).unwrap();
    }

    fn float(&self, addr: &str, value: f32) {
        self.send(addr, vec![OscType::Float(value)]);
    }

    fn word(&self, addr: &str, word: &str) {
        self.send(addr, vec![OscType::String(word.into())]);
    }

    /// Waits until it is told of this address, and with this if it is given.
    fn wait_for(&self, addr: &str, wanted: Option<OscType>) -> OscType {
        let mut bytes = [0; 2000];
        loop {
            let length = self.0.recv(&mut bytes).unwrap_or_else(|error| panic!("{addr}: never came: {error}"));
            if let OscPacket::Message(message) = decoder::decode_udp(&bytes[..length]).unwrap().1
                && message.addr == addr
                && wanted.as_ref().is_none_or(|wanted| *wanted == message.args[0])
            {
                return message.args[0].clone();
            }
        }
    }
}

fn counted(studio: &Studio, what: &str) -> u64 {
    let metrics = studio.api.get("/metrics").text();
    let start = format!("impasto_osc_total{{what=\"{what}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_else(|| panic!("{metrics}"));
    line.parse().unwrap()
}

#[test]
fn a_controller_changes_looks_and_is_told_of_changes() {
    let (studio, controller) = studio();
    let api = &studio.api;
    let look = |what: &str, wanted: &dyn Fn(&serde_json::Value) -> bool| {
        api.wait_for_state(what, |state| wanted(&state["look"]))
    };
    controller.send("/impasto/subscribe", vec![]);
    controller.wait_for("/impasto/live/strength", Some(OscType::Float(1.0)));
    controller.float("/impasto/live/strength", 0.5);
    look("the strength", &|look| look["strength"] == 0.5);
    controller.wait_for("/impasto/live/strength", Some(OscType::Float(0.5)));
    controller.word("/impasto/live/style", "negative");
    look("the style", &|look| look["styles"] == json!({"negative": 1.0}));
    controller.float("/impasto/live/blend/negative", 0.25);
    controller.float("/impasto/live/blend/same", 0.75);
    look("the mix", &|look| look["styles"] == json!({"negative": 0.25, "same": 0.75}));
    controller.send("/impasto/live/keep_colours", vec![OscType::Bool(true)]);
    look("the colours", &|look| look["keep_colours"] == true);
    // Of others, too.
    assert_eq!(api.json("PATCH", LOOK, r#"{"strength": 0.75}"#).status, 200);
    controller.wait_for("/impasto/live/strength", Some(OscType::Float(0.75)));

    let preset = json!({"look": {"styles": "negative", "strength": 0.25}});
    assert_eq!(api.json("PUT", "/api/v1/presets/dusk", &preset.to_string()).status, 200);
    controller.word("/impasto/live/preset", "dusk");
    look("the preset", &|look| look["strength"] == 0.25 && look["keep_colours"] == false);
    let refused = |addr: &str, words: &str| match controller.wait_for(addr, None) {
        OscType::String(what) if what.contains(words) => {}
        other => panic!("{addr}: {other:?} lacks {words}"),
    };
    controller.word("/impasto/live/preset", "dawn");
    refused("/impasto/live/error", "no preset `dawn`");
    controller.word("/impasto/live/style", "negativ");
    refused("/impasto/live/error", "did you mean `negative`?");
    controller.float("/impasto/hall/strength", 1.0);
    refused("/impasto/osc/error", "there is no stream `hall`");
    controller.float("/impasto/live/strength", 7.0);
    refused("/impasto/live/error", "0 to 1 is possible");
    controller.send("/impasto/live/next", vec![]);
    refused("/impasto/live/error", "no playlist");
    let config = studio.folder.path().join("impasto.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let show = "[show]\nprogramme = [{ name = \"x\", seconds = 500, fade_seconds = 0, step = [{ look = { strength = 0.5 } }, { look = { strength = 0.625 } }] }]\n";
    std::fs::write(&config, text + show).unwrap();
    look("the first step", &|look| look["strength"] == 0.5);
    controller.float("/impasto/live/next", 1.0);
    controller.float("/impasto/live/next", 0.0);
    look("the second step", &|look| look["strength"] == 0.625);
    assert_eq!(counted(&studio, "refused"), 5);
    studio.close();
}

#[test]
fn a_thousand_messages_a_second_and_hostile_packets_do_no_harm() {
    let (studio, controller) = studio();
    let api = &studio.api;
    let painted = || api.state()["counts"]["painted"].as_u64().unwrap();
    let before = painted();
    assert_eq!(api.json("PATCH", LOOK, r#"{"fade_ms": 0}"#).status, 200);
    let (sent, stop) = (AtomicU32::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let begun = Instant::now();
            while !stop.load(Ordering::Relaxed) {
                let number = sent.fetch_add(1, Ordering::Relaxed);
                controller.float("/impasto/live/strength", (number % 1000) as f32 / 1500.0);
                controller.float("/impasto/live/mask_feather", (number % 1000) as f32 / 1500.0);
                // A thousand a second.
                let due = Duration::from_millis(u64::from(number));
                std::thread::sleep(due.saturating_sub(begun.elapsed()));
            }
        });
        until("it is painted on, and so many are sent", || {
            painted() >= before + 45 && sent.load(Ordering::Relaxed) >= 3000
        });
        stop.store(true, Ordering::Relaxed);
    });
    controller.float("/impasto/live/strength", 0.875);
    api.wait_for_state("the last value wins", |state| state["look"]["strength"] == 0.875);
    assert!(counted(&studio, "taken") > 1000, "{}", counted(&studio, "taken"));
    assert_eq!(counted(&studio, "refused") + counted(&studio, "malformed"), 0);
    api.assert_painting(15);
    assert_eq!(api.state()["look"]["strength"], 0.875);

    let message = |value| OscPacket::Message(OscMessage { addr: "/impasto/live/strength".into(), args: vec![value] });
    let timetag = OscTime { seconds: 0, fractional: 1 };
    let bundle = |inner| OscPacket::Bundle(OscBundle { timetag, content: vec![inner] });
    let nested = (0..1000).fold(message(OscType::Float(0.1)), |inner, _| bundle(inner));
    let whole = encoder::encode(&message(OscType::Float(0.1))).unwrap();
    let malformed = [
        encoder::encode(&nested).unwrap(),
        whole[..whole.len() - 3].to_vec(),
        vec![b'/'; 65_000],
        vec![0xff; 100],
        b"#bundle\0".repeat(800),
    ];
    for packet in &malformed {
        controller.0.send(packet).unwrap();
    }
    for value in [
        OscType::Blob(vec![1; 500]),
        OscType::Nil,
        OscType::Float(f32::NAN),
        OscType::Float(f32::INFINITY),
        OscType::String("x".repeat(4000)),
    ] {
        controller.0.send(&encoder::encode(&message(value)).unwrap()).unwrap();
    }
    until("they are counted", || {
        counted(&studio, "malformed") == malformed.len() as u64 && counted(&studio, "refused") == 5
    });
    controller.0.send(&encoder::encode(&bundle(message(OscType::Float(0.5)))).unwrap()).unwrap();
    api.wait_for_state("a bundle is taken", |state| state["look"]["strength"] == 0.5);
    api.assert_painting(15);
    studio.close();
}

#[test]
fn an_address_that_is_taken_is_told_at_the_start() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("impasto.toml");
    let address = taken.local_addr().unwrap();
    std::fs::write(
        &config,
        format!(
            "[source]\ninput = \"test\"\n[output]\nrtsp = \"off\"\n[control]\nhttp = \"off\"\nosc = \"{address}\"\n"
        ),
    )
    .unwrap();
    let ended = run(&["run", "--config", config.to_str().unwrap()]);
    assert!(ended.code == 5 && ended.stderr.contains(&format!("osc = {address}")), "{}", ended.stderr);
    std::fs::write(&config, "[control]\nosc = \"nine thousand\"\n").unwrap();
    let refused = run(&["run", "--config", config.to_str().unwrap()]);
    assert!(
        refused.code == 2
            && refused.stderr.contains("line 2")
            && refused.stderr.contains("no address like 127.0.0.1:9000"),
        "{}",
        refused.stderr
    );
}
