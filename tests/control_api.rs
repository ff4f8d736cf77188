//! The HTTP API of a running stream: what it changes is seen, what it refuses is said in words, and nothing that a
//! client does stops the picture.

mod common;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;

use common::bars::{LOOK, Studio};
use common::http::{Api, clients_of, read_answer};
use common::*;
use image::{GenericImageView, RgbImage};
use serde_json::{Value, json};

#[test]
fn a_new_look_is_seen_in_snapshot_preview_and_recording() {
    let studio = Studio::open(&[]);
    let api = &studio.api;
    let bright = studio.bar();
    assert!(bright > 150, "{bright}");
    let begun = api.json("POST", "/api/v1/streams/live/record", r#"{"file": "take.mkv"}"#);
    assert_eq!((begun.status, &begun.value()["recording"]), (200, &json!(true)), "{}", begun.text());
    api.assert_painting(10);

    let change = api.json("PUT", LOOK, r#"{"styles": {"negative": 1}, "fade_ms": 0}"#);
    assert_eq!(change.status, 200, "{}", change.text());
    let change = change.value();
    assert_eq!(
        change["look"],
        json!({
            "styles": {"negative": 1.0}, "strength": 1.0, "keep_colours": false, "steadiness": 0.0, "stroke": "auto",
            "mask": "off", "mask_invert": false, "mask_feather": 0.0, "mask_other": "source", "fade_ms": 0,
        })
    );
    assert!(change["frame"].as_u64() > Some(10) && change["took_ms"].as_f64() > Some(0.0), "{change}");
    // The answer came after the first frame in the new look.
    assert_eq!(studio.bar(), 255 - bright);
    let (painted, source) = (api.preview("painted"), api.preview("source"));
    assert_eq!((painted.dimensions(), source.dimensions()), ((320, 180), (320, 180)));
    let (painted, source) = (painted.get_pixel(10, 10).0[0], source.get_pixel(10, 10).0[0]);
    assert!(source.abs_diff(bright) < 8 && painted.abs_diff(255 - bright) < 8, "{source} painted as {painted}");

    // Only what is named changes. Another network takes over while the stream runs.
    let change = api.json("PATCH", LOOK, r#"{"strength": 0.5}"#).value();
    assert_eq!((&change["look"]["strength"], &change["look"]["styles"]), (&json!(0.5), &json!({"negative": 1.0})));
    assert!(studio.bar().abs_diff(127) <= 1);
    let change = api.json("PATCH", LOOK, r#"{"styles": "flipped", "strength": 1}"#).value();
    assert_eq!(change["network"], "flipped");
    assert!(studio.bar().abs_diff(255 - bright) <= 1);
    assert_eq!(api.get(LOOK).value(), api.state()["look"]);

    // Paused, the picture is held and the outputs run on; a change is shown when it goes on.
    let paused = api.json("POST", "/api/v1/streams/live/pause", "{}").value();
    assert_eq!((&paused["paused"], &paused["frame"]), (&json!(true), &Value::Null));
    let held = |state: &Value| state["counts"]["held"].as_u64().unwrap();
    let before = held(&api.state());
    api.wait_for_state("the picture is held", |state| held(state) > before + 5);
    assert_eq!(api.json("PATCH", LOOK, r#"{"styles": "same"}"#).status, 200);
    assert_eq!(api.json("POST", "/api/v1/streams/live/resume", "{}").value()["paused"], json!(false));
    let settings = api.json("PATCH", "/api/v1/streams/live", r#"{"mirrored": true, "size": "160x90"}"#).value();
    assert_eq!((&settings["mirrored"], &settings["size"]), (&json!(true), &json!("160x90")));
    assert!(studio.bar() < 60, "mirrored, the last bar comes first, and it is dark");

    api.assert_painting(15);
    let finished = api.json("POST", "/api/v1/streams/live/record", r#"{"stop": true}"#);
    assert_eq!(finished.status, 200, "{}", finished.text());
    let file = studio.folder.path().join("recordings/take.mkv");
    assert_eq!(finished.value()["file"], file.to_str().unwrap());
    let times = packet_times(file.to_str().unwrap(), "v");
    assert_rising(&times);
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    assert!(times.len() > 25 && longest < 1.0, "{} frames, {longest} s between two", times.len());
    let first = gray_frame(&["-i", file.to_str().unwrap()], 0, (32, 18));
    let later = gray_frame(&["-i", file.to_str().unwrap()], 20, (32, 18));
    assert!(difference(&first, &later) > 30.0, "the recording shows the change");
    studio.close();
}

#[test]
fn the_stroke_is_chosen_kept_and_given_back_to_the_size_of_the_picture() {
    let studio = Studio::open(&[]);
    let api = &studio.api;
    let bright = studio.bar();
    let patch = |body: &str| {
        let answer = api.json("PATCH", LOOK, body);
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        answer.value()
    };
    // At 180p strokes are small by themselves; large ones paint a negative here.
    let change = patch(r#"{"styles": "waves", "fade_ms": 0}"#);
    assert_eq!((&change["look"]["stroke"], change.get("note")), (&json!("auto"), None));
    assert_eq!(studio.bar(), bright);
    assert_eq!(patch(r#"{"stroke": 1}"#)["look"]["stroke"], json!(1.0));
    assert_eq!(studio.bar(), 255 - bright);
    patch(r#"{"stroke": 0.5}"#);
    assert!(studio.bar().abs_diff(127) <= 1);
    assert_eq!(api.get(LOOK).value(), api.state()["look"]);
    let look = api.get(LOOK).value();
    let kept = api.json("PUT", "/api/v1/presets/half", &json!({ "look": look }).to_string());
    assert_eq!(kept.status, 200, "{}", kept.text());

    assert_eq!(patch(r#"{"stroke": null}"#)["look"]["stroke"], json!("auto"));
    assert_eq!(studio.bar(), bright);
    // Changes of one number that follow each other closely are one step: another lies between.
    patch(r#"{"strength": 0.5}"#);
    patch(r#"{"stroke": 1, "strength": 1}"#);
    let undone = api.json("POST", "/api/v1/streams/live/undo", "{}").value();
    assert_eq!((&undone["look"]["stroke"], &undone["look"]["strength"]), (&json!("auto"), &json!(0.5)));
    let preset = api.json("POST", "/api/v1/streams/live/preset", r#"{"name": "half"}"#).value();
    assert_eq!(preset["look"]["stroke"], json!(0.5));
    assert!(studio.bar().abs_diff(127) <= 1);
    assert_eq!(api.json("PUT", LOOK, r#"{"styles": "waves", "fade_ms": 0}"#).value()["look"]["stroke"], json!("auto"));
    // A network without large strokes says so, and paints.
    let change = patch(r#"{"styles": "same", "stroke": 1}"#);
    assert_eq!(
        change["note"], "stroke = 1 changes nothing: network `pair` has learnt its styles in one size",
        "{change}"
    );
    assert_eq!(studio.bar(), bright);

    let mut white = std::io::Cursor::new(Vec::new());
    RgbImage::from_pixel(1280, 720, image::Rgb([255; 3])).write_to(&mut white, image::ImageFormat::Png).unwrap();
    let paint = |query: &str| api.ask("POST", &format!("/api/v1/paint?styles=waves{query}"), &[], white.get_ref());
    for (query, level) in [("", 127), ("&stroke=auto", 127), ("&stroke=0", 255), ("&stroke=1", 0)] {
        let painted = paint(query);
        assert_eq!(painted.status, 200, "{query}: {}", painted.text());
        let painted = image::load_from_memory(&painted.body).unwrap().into_rgb8();
        assert!(painted.iter().all(|value| value.abs_diff(level) <= 1), "{query}");
    }
    paint("&stroke=7").assert_problem(422, "`7` is neither a number from 0 to 1");
    paint("&stroke=big").assert_problem(422, "`big` is neither");
    studio.close();
}

#[test]
fn what_cannot_be_is_refused_in_words_and_the_old_look_paints_on() {
    let studio = Studio::open(&[]);
    let api = &studio.api;
    let bright = studio.bar();
    let look = api.get(LOOK).value();
    for (body, status, words) in [
        ("{", 400, "EOF while parsing"),
        ("", 400, "EOF while parsing"),
        (r#"{"strength": NaN}"#, 400, "expected value"),
        (r#"{"strength": 2}"#, 422, "strength = 2: 0 to 1"),
        (r#"{"strength": -1e300}"#, 422, "strength = -inf: 0 to 1"),
        (r#"{"steadiness": null}"#, 200, ""),
        (r#"{"stroke": 1.5}"#, 422, "stroke = 1.5: 0 to 1"),
        (r#"{"stroke": "big"}"#, 422, "`big` is neither a number from 0 to 1 nor `auto`"),
        (r#"{"stroke": [1]}"#, 422, "a number from 0 to 1, \"auto\" or null"),
        (r#"{"strenght": 1}"#, 422, "did you mean `strength`?"),
        (r#"{"styles": {"same": -1}}"#, 422, "weight of style `same` = -1"),
        (r#"{"styles": {"same": 1e39}}"#, 422, "weight of style `same` = inf"),
        (r#"{"styles": {"same": 0}}"#, 422, "one must have more"),
        (r#"{"styles": "negativ"}"#, 422, "did you mean `negative`?"),
        (r#"{"styles": "same=1,flipped=1"}"#, 422, "only styles of one network"),
        (r#"{"styles": "../../../etc/passwd"}"#, 422, "unknown style `../../../etc/passwd`"),
        (r#"{"styles": "lost"}"#, 500, "broken.onnx"),
        (r#"{"fade_ms": 99999999999}"#, 422, "99999999999"),
        ("[1, 2]", 422, "invalid"),
    ] {
        let answer = api.json("PATCH", LOOK, body);
        if status != 200 {
            answer.assert_problem(status, words);
        }
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    assert_eq!(api.get(LOOK).value(), look);
    assert_eq!(studio.bar(), bright);

    let live = |end: &str| format!("/api/v1/streams/live{end}");
    api.json("PUT", "/api/v1/streams/lvie/look", "{}").assert_problem(404, "did you mean `live`?");
    api.json("PUT", "/api/v1/streams/..%2f..%2fetc/look", "{}").assert_problem(404, "there is no stream");
    api.ask("PUT", LOOK, &[("Content-Type", "text/plain")], b"{}").assert_problem(415, "application/json");
    api.ask("DELETE", LOOK, &[], b"").assert_problem(405, "openapi.json");
    api.get("/api/v2/streams").assert_problem(404, "openapi.json");
    for path in ["/api/v1/streams/%ff", "/api/v1/recordings/%C3%28", "/%80"] {
        api.get(path).assert_problem(400, "not text in UTF-8");
    }
    api.get("/../Cargo.toml").assert_problem(404, "web page is at /");
    api.get(&live("/preview?which=both")).assert_problem(422, "`painted` or `source`");
    api.json("PATCH", &live(""), r#"{"size": "0x0"}"#).assert_problem(422, "`0x0` is not a size");
    api.json("POST", &live("/source"), r#"{"source": "missing.mp4"}"#).assert_problem(422, "missing.mp4");
    api.json("POST", &live("/source"), r#"{"source": "gopher://x"}"#).assert_problem(422, "gopher://x");
    api.json("POST", &live("/record"), r#"{"stop": true}"#).assert_problem(409, "no recording is in progress");
    api.json("POST", &live("/record"), r#"{"file": "../../x.mkv"}"#).assert_problem(422, "no plain file name");
    api.json("POST", &live("/record"), r#"{"file": "x.avi"}"#).assert_problem(422, ".mkv");
    assert_eq!(api.json("POST", &live("/record"), r#"{"file": "a.mkv"}"#).status, 200);
    api.json("POST", &live("/record"), r#"{"file": "b.mkv"}"#).assert_problem(409, "in progress; stop it first");
    api.assert_painting(5);
    assert_eq!(api.json("POST", &live("/record"), r#"{"stop": true}"#).status, 200);
    api.json("POST", &live("/record"), r#"{"file": "a.mkv"}"#).assert_problem(409, "is there already");

    // Another source takes over with its first picture, at the size of the stream.
    let clip = studio.folder.path().join("white.mkv");
    ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        "color=white:s=64x64:r=15:d=60",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        clip.to_str().unwrap(),
    ]);
    let state = api.json("POST", &live("/source"), &json!({ "source": clip }).to_string());
    assert_eq!(state.value()["source"], clip.to_str().unwrap());
    api.assert_painting(5);
    assert!(studio.bar() < 10 || studio.bar() > 240, "{}", studio.bar());
    studio.close();
}

#[test]
fn events_begin_with_everything_and_go_on_with_what_changes() {
    let studio = Studio::open(&[]);
    let api = &studio.api;
    let mut events = api.events();
    let (name, first) = events.next();
    assert_eq!((name.as_str(), &first["streams"][0]["name"]), ("state", &json!("live")));
    let mut told = first["streams"][0].clone();
    assert_eq!(
        told.as_object().unwrap().keys().collect::<Vec<_>>(),
        api.state().as_object().unwrap().keys().collect::<Vec<_>>()
    );
    assert_eq!(api.json("PATCH", LOOK, r#"{"strength": 0.3}"#).status, 200);
    loop {
        let (name, change) = events.next();
        assert_eq!((name.as_str(), &change["stream"]), ("change", &json!("live")));
        let changed = change["changed"].as_object().unwrap().clone();
        assert!(changed.iter().all(|(part, value)| told[part] != *value), "{change} tells what did not change");
        let seen = changed.get("look").is_some_and(|look| look["strength"] == 0.3);
        told.as_object_mut().unwrap().extend(changed);
        if seen {
            break;
        }
    }

    // A hundred listen, half of them never read; commands and pictures go on, and too many are told so.
    let (silent, mut listening): (Vec<_>, Vec<_>) = (0..50).map(|_| (api.events(), api.events())).unzip();
    listening.iter_mut().for_each(|events| assert_eq!(events.next().0, "state"));
    // Each stays, so that the places fill up.
    let mut more = Vec::new();
    until("too many are told so", || {
        let (status, client) = api.ask_for_events();
        more.push(client);
        status == 503
    });
    assert_eq!(api.json("PATCH", LOOK, r#"{"strength": 0.75}"#).status, 200);
    for events in &mut listening {
        while events.next().1["changed"]["look"]["strength"] != 0.75 {}
    }
    api.assert_painting(10);
    drop((silent, listening, more));
    // Their places are free again.
    until("a place is free again", || api.ask_for_events().0 == 200);
    studio.close();
}

#[test]
fn those_who_only_hold_places_give_them_up() {
    let studio = Studio::open(&[]);
    let api = &studio.api;
    // More than there are places; none of them asks anything, or all of it.
    let idle: Vec<_> = (0..300).map(|_| api.connect()).collect();
    let started = |head: &str| {
        let mut stream = api.connect();
        stream.write_all(format!("{head} HTTP/1.1\r\nHost: {}\r\n", api.address).as_bytes()).unwrap();
        stream
    };
    let begun: Vec<_> = (0..300).map(|_| started("GET /api/v1/streams")).collect();
    let unfinished = |path: &str, length: usize| {
        let mut stream = started(&format!("POST {path}"));
        let head = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{{");
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let bodies: Vec<_> = (0..300).map(|_| unfinished("/api/v1/streams/live/source", 99)).collect();
    assert_eq!(api.get("/api/v1/streams").status, 200);

    let uploads: Vec<_> = (0..20).map(|_| unfinished("/api/v1/paint?styles=same", 1_000_000)).collect();
    let photo = std::fs::read(project("models/showcase/chelsea.jpg")).unwrap();
    // An upload loses its place after a pause of a second.
    until("an upload is given a place", || {
        let painted = api.ask("POST", "/api/v1/paint?styles=same", &[], &photo);
        painted.status == 200 && painted.header("content-type") == Some("image/png")
    });
    drop((idle, begun, bodies, uploads));
    studio.close();
}

#[test]
fn what_cannot_be_now_is_a_conflict() {
    let studio = Studio::open(&[]);
    let api = &studio.api;
    assert_eq!(api.json("POST", "/api/v1/streams/live/pause", "{}").status, 200);
    assert_eq!(api.json("POST", "/api/v1/streams/live/record", "{}").status, 200);
    let code = |method: &str, path: &str, body: &str| api.json(method, path, body).value()["code"].clone();
    let nothing = api.json("POST", "/api/v1/streams/live/record", r#"{"stop": true}"#);
    nothing.assert_problem(409, "nothing was recorded");
    assert_eq!(nothing.value()["code"], "nothing-recorded");
    assert_eq!(code("POST", "/api/v1/streams/live/record", r#"{"stop": true}"#), "not-recording");
    assert_eq!(code("POST", "/api/v1/streams/live/undo", "{}"), "nothing-to-undo");
    assert_eq!(code("PATCH", LOOK, r#"{"styles": "sam"}"#), "invalid");
    assert_eq!(code("POST", "/api/v1/streams/live/source", r#"{"source": "/none.mp4"}"#), "unreadable");
    assert_eq!(code("GET", "/api/v1/streams/lobby", ""), "not-found");
    assert_eq!(api.json("POST", "/api/v1/streams/live/resume", "{}").status, 200);
    assert_eq!(api.json("POST", "/api/v1/streams/live/record", r#"{"file": "a.mkv"}"#).status, 200);
    assert_eq!(code("POST", "/api/v1/streams/live/record", r#"{"file": "b.mkv"}"#), "recording");
    // Of two looks at once, which both need another network, the older one loses.
    let both = std::thread::scope(|scope| {
        let ask = |style| scope.spawn(move || api.json("PATCH", LOOK, &json!({ "styles": style }).to_string()).value());
        ["flipped", "plain", "flipped", "plain"].map(ask).map(|asked| asked.join().unwrap())
    });
    assert!(both.iter().any(|answer| answer["frame"].is_u64()), "{both:?}");
    let lost = both.iter().filter(|answer| answer["frame"].is_null());
    assert!(lost.clone().all(|answer| answer["code"] == "superseded"), "{both:?}");
    api.json("PATCH", LOOK, "[]").assert_problem(422, "a JSON object");
    api.json("PUT", LOOK, r#"[{"same": 1.0}, 1.0]"#).assert_problem(422, "a JSON object");
    api.json("PATCH", LOOK, r#"{"styles": {"same": 1, "same": 2}}"#).assert_problem(422, "`same` is there twice");
    api.json("PATCH", LOOK, r#"{"strength": 1, "strength": 0}"#).assert_problem(422, "`strength` is there twice");
    for name in ["a\\nb.mkv", "a\\u202egpj.mkv", "a\\u001b[2J.mkv"] {
        api.json("POST", "/api/v1/streams/live/record", &format!(r#"{{"file": "{name}"}}"#))
            .assert_problem(422, "name");
        api.json("POST", "/api/v1/streams/live/source", &format!(r#"{{"source": "{name}"}}"#))
            .assert_problem(422, "source");
    }
    studio.close();
}

#[test]
fn strangers_are_turned_away() {
    let token = "0123456789abcdef";
    let studio = Studio::guarded(token, &[]);
    let api = &studio.api;
    let bearer = format!("Bearer {token}");
    let own = ("Authorization", bearer.as_str());
    let origin = format!("http://{}", api.address);
    let ask = |head: &[(&str, &str)]| api.ask("GET", "/api/v1/streams", head, b"");

    assert_eq!(ask(&[own]).status, 200);
    assert_eq!(ask(&[own, ("Origin", &origin), ("Sec-Fetch-Site", "same-origin")]).status, 200);
    ask(&[]).assert_problem(401, "Authorization: Bearer");
    ask(&[("Authorization", "Bearer 0123456789abcdeF")]).assert_problem(401, "token");
    ask(&[own, ("Host", "evil.example")]).assert_problem(421, "evil.example");
    ask(&[own, ("Host", "127.0.0.1.evil.example:8080")]).assert_problem(421, "[control] hosts");
    ask(&[own, ("Origin", "http://evil.example")]).assert_problem(403, "other sites");
    ask(&[own, ("Origin", "null")]).assert_problem(403, "other sites");
    ask(&[own, ("Sec-Fetch-Site", "cross-site")]).assert_problem(403, "other sites");
    api.json("PATCH", LOOK, "{}").assert_problem(401, "token");
    api.get("/metrics").assert_problem(401, "token");
    for open in ["/healthz", "/readyz", "/"] {
        assert_eq!(api.get(open).status, 200, "{open}");
    }
    // A page gets a cookie for its pictures and events.
    api.ask("POST", "/api/v1/session", &[], b"").assert_problem(401, "token");
    let session = api.ask("POST", "/api/v1/session", &[own], b"");
    let cookie = session.header("set-cookie").expect("a cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(ask(&[("Cookie", cookie)]).status, 200);
    // It is not the token, differs from session to session, and from server to server of one machine.
    let (name, id) = cookie.split_once('=').unwrap();
    assert!(
        name.ends_with(api.address.rsplit(':').next().unwrap()) && !cookie.contains(token) && id.len() == 64,
        "{cookie}"
    );
    let another = api.ask("POST", "/api/v1/session", &[own], b"");
    assert!(!another.header("set-cookie").unwrap().contains(id));
    ask(&[("Cookie", &format!("{name}={token}"))]).assert_problem(401, "token");
    assert_eq!(ask(&[("Authorization", &format!("bearer {token}"))]).status, 200);
    assert_eq!(api.get("/").header("cross-origin-resource-policy"), Some("same-origin"));

    // An address that others reach needs a good token; one that is taken ends the run, unless none was named.
    let refused = run(&["run", "--http", "0.0.0.0:0", "--source", "test", "--rtsp", "off"]);
    assert!(refused.code == 2 && refused.stderr.contains("IMPASTO_TOKEN"), "{refused:?}");
    let taken = run(&["run", "--http", &api.address, "--source", "test", "--rtsp", "off"]);
    assert!(taken.code == 5 && taken.stderr.contains("--http ADDR:PORT"), "{taken:?}");
    studio.close();
    let _default_port = std::net::TcpListener::bind("127.0.0.1:8080");
    let run = Running::start(&["--http", "auto", "--source", "test", "--rtsp", "off", "--size", "160x96"]);
    let started = run.wait_for("the start", |event| event["event"] == "started");
    assert_ne!(started["web"], "http://127.0.0.1:8080");
    assert!(run.errors().contains(started["web"].as_str().unwrap()), "{}", run.errors());
    assert_eq!(run.interrupt().code, Some(0));
}

#[test]
fn slow_and_greedy_clients_harm_nobody() {
    let studio = Studio::open(&[]);
    let api = &studio.api;
    let announced = |path: &str, length: &str| {
        let mut stream = api.connect();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n{length}\r\n\r\n",
            api.address
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    read_answer(announced("/api/v1/paint", "Content-Length: 1073741824")).assert_problem(413, "32768 KiB");
    read_answer(announced("/api/v1/streams/live/source", "Content-Length: 1073741824")).assert_problem(413, "64 KiB");
    // Unannounced, it is cut off at the limit: whatever the client sends beyond it may find the door closed.
    let mut endless = announced("/api/v1/streams/live/source", "Transfer-Encoding: chunked");
    let chunk = format!("2000\r\n{}\r\n", " ".repeat(0x2000));
    let sent = (0..10_000).take_while(|_| endless.write_all(chunk.as_bytes()).is_ok()).count();
    assert!(sent < 10_000, "80 MB of JSON were taken");
    let long = api.ask("GET", "/healthz", &[("X", &"x".repeat(40_000))], b"");
    assert_eq!(long.status, 431);

    // These never finish their requests, or take nothing of their answers.
    let half_heads: Vec<_> = (0..40)
        .map(|_| {
            let mut stream = api.connect();
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: 127").unwrap();
            stream
        })
        .collect();
    let half_bodies: Vec<_> =
        (0..40).map(|_| announced("/api/v1/streams/live/source", "Content-Length: 100")).collect();
    let blind: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = api.connect();
            write!(stream, "GET /api/v1/streams/live/preview HTTP/1.1\r\nHost: {}\r\n\r\n", api.address).unwrap();
            stream
        })
        .collect();
    assert_eq!(api.get("/healthz").text(), "ok\n");
    assert_eq!(api.json("PATCH", LOOK, r#"{"styles": "negative"}"#).status, 200);
    api.assert_painting(20);
    for stream in half_bodies {
        read_answer(stream).assert_problem(408, "10 seconds");
    }
    for mut stream in half_heads {
        let mut rest = String::new();
        let _ = stream.read_to_string(&mut rest);
        assert!(!rest.contains("200 OK"), "{rest}");
    }
    drop(blind);
    api.wait_for_state("the preview rests when nobody looks", |state| clients_of(state, "preview") == 0);
    assert_eq!(studio.api.state()["counts"]["unpainted"], 0);
    studio.close();
}

#[test]
fn photographs_are_painted_upright_and_bombs_are_refused() {
    let studio = Studio::open(&[]);
    let api = &studio.api;
    let paint = |query: &str, accept: &str, file: &[u8]| {
        api.ask("POST", &format!("/api/v1/paint{query}"), &[("Accept", accept)], file)
    };

    // White on the left, black on the right, noted as turned: upright, white is at the top.
    let picture = RgbImage::from_fn(64, 32, |x, _| image::Rgb(if x < 32 { [255; 3] } else { [0; 3] }));
    let encoded = |format| {
        let mut file = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut file, format).unwrap();
        file.into_inner()
    };
    let mut turned = encoded(image::ImageFormat::Jpeg);
    turned.splice(2..2, exif_orientation(6));
    let painted = paint("?styles=negative", "*/*", &turned);
    assert_eq!((painted.status, painted.header("content-type")), (200, Some("image/png")), "{}", painted.text());
    let upright = image::load_from_memory(&painted.body).unwrap().into_rgb8();
    assert_eq!(upright.dimensions(), (32, 64));
    let (top, bottom) = (upright.get_pixel(16, 5).0[0], upright.get_pixel(16, 58).0[0]);
    assert!(top < 10 && bottom > 245, "white above black became {top} above {bottom}");
    for format in [image::ImageFormat::Png, image::ImageFormat::WebP] {
        let painted = paint("?styles=negative&strength=0.5", "image/jpeg", &encoded(format));
        assert_eq!(painted.header("content-type"), Some("image/jpeg"), "{}", painted.text());
        let grey = image::load_from_memory(&painted.body).unwrap().into_rgb8().get_pixel(5, 5).0[0];
        assert!(grey.abs_diff(128) < 4, "{grey}");
    }

    let gray = |width, height| {
        let mut file = std::io::Cursor::new(Vec::new());
        image::GrayImage::new(width, height).write_to(&mut file, image::ImageFormat::Png).unwrap();
        file.into_inner()
    };
    paint("", "*/*", &gray(8000, 8000)).assert_problem(422, "8000x8000 is too large");
    paint("", "*/*", &gray(20_000, 4)).assert_problem(422, "20000x4 cannot be painted");
    paint("", "*/*", &turned[..turned.len() / 2]).assert_problem(422, "damaged");
    paint("", "*/*", &jpeg_of_scans(60_000)).assert_problem(422, "it is a JPEG of more than 100 scans");
    paint("", "*/*", b"<html>").assert_problem(422, "is no JPEG, PNG or WebP file");
    paint("", "*/*", b"").assert_problem(422, "is no JPEG, PNG or WebP file");
    paint("?styles=negativ", "*/*", &turned).assert_problem(422, "did you mean `negative`?");
    paint("?strength=7", "*/*", &turned).assert_problem(422, "strength = 7");
    paint("?colour=1", "*/*", &turned).assert_problem(422, "unknown field `colour`");
    paint("?styles=lost", "*/*", &turned).assert_problem(500, "broken.onnx");
    paint("?network=payr", "*/*", &turned).assert_problem(422, "unknown network `payr`; did you mean `pair`?");
    paint("?network=pair&styles=waves", "*/*", &turned).assert_problem(422, "unknown style `waves`");
    paint("?network=pair&network=sizes", "*/*", &turned).assert_problem(422, "`network` is there twice");
    let outside = studio.networks.path().join("single.onnx").display().to_string().replace('/', "%2F");
    paint(&format!("?network={outside}"), "*/*", &turned).assert_problem(422, "unknown network");
    assert_eq!(paint("?styles=negative", "*/*", &turned).status, 200);
    api.assert_painting(5);
    studio.close();
}

#[test]
fn a_photograph_is_painted_with_the_network_that_is_named() {
    let studio = Studio::open(&[]);
    // Two networks know `plain`: one as it is, and one that comes before it a negative.
    let manifest = onnx::manifest("inverse").replace("name = \"same\"", "name = \"plain\"");
    let manifest = manifest.replace("\"painted\"\nrange = [0, 255]", "\"painted\"\nrange = [255, 0]");
    onnx::write(studio.networks.path(), "inverse", &onnx::identity(), &manifest);
    let studio = studio.reopen();
    let mut gray = std::io::Cursor::new(Vec::new());
    RgbImage::from_pixel(64, 36, image::Rgb([60; 3])).write_to(&mut gray, image::ImageFormat::Png).unwrap();
    let pixel = |file: &[u8]| image::load_from_memory(file).unwrap().into_rgb8().get_pixel(9, 9).0[0];
    let painted = |query: &str| {
        let answer = studio.api.ask("POST", &format!("/api/v1/paint?{query}"), &[], gray.get_ref());
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        pixel(&answer.body)
    };
    assert_eq!([painted("styles=plain"), painted("network=inverse"), painted("network=&styles=plain")], [195; 3]);
    assert_eq!([painted("styles=plain&network=single"), painted("network=%73ingle")], [60; 2]);
    // Large strokes are a negative here.
    assert_eq!(["0", "1"].map(|stroke| painted(&format!("network=sizes&styles=waves&stroke={stroke}"))), [60, 195]);
    assert_eq!(painted("network=single&steadiness=0.5"), 60, "all parts of a look are read");

    let file = |name: &str| studio.folder.path().join(name).to_str().unwrap().to_string();
    std::fs::write(file("in.png"), gray.get_ref()).unwrap();
    let done =
        ctl(&studio.api, &["paint", &file("in.png"), &file("out.png"), "--style", "plain", "--network", "single"]);
    assert_eq!((done.code, pixel(&std::fs::read(file("out.png")).unwrap())), (0, 60), "{done:?}");
    studio.close();
}

/// The part of a JPEG file that says how the camera was held.
fn exif_orientation(orientation: u8) -> Vec<u8> {
    let tiff =
        [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".as_slice(), &[orientation, 0, 0, 0, 0, 0, 0, 0]].concat();
    let content = [b"Exif\0\0".as_slice(), &tiff].concat();
    [&[0xff, 0xe1, 0, content.len() as u8 + 2], content.as_slice()].concat()
}

#[test]
fn metrics_count_on_and_the_api_describes_itself() {
    let studio = Studio::open(&[]);
    let api = &studio.api;
    let scrape = || {
        let answer = api.get("/metrics");
        assert!(answer.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
        answer.text()
    };
    let value = |text: &str, series: &str| -> f64 {
        let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        line.unwrap_or_else(|| panic!("no {series} in {text}")).rsplit(' ').next().unwrap().parse().unwrap()
    };
    let painted = r#"impasto_frames_total{stream="live",what="painted"}"#;
    let before = value(&scrape(), painted);
    api.assert_painting(10);
    let text = scrape();
    assert!(value(&text, painted) >= before + 10.0);
    let all = value(&text, r#"impasto_stage_seconds_bucket{stream="live",stage="inference",le="+Inf"}"#);
    assert_eq!(all, value(&text, r#"impasto_stage_seconds_count{stream="live",stage="inference"}"#));
    assert!(value(&text, r#"impasto_latency_seconds_count{stream="live"}"#) > 10.0);
    assert_eq!(value(&text, r#"impasto_painting{stream="live",network="pair",device="cpu"}"#), 1.0);
    assert!(value(&text, "process_resident_memory_bytes") > 1e7);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let family = line.split(['{', ' ']).next().unwrap();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| family.strip_suffix(end)).unwrap_or(family);
        assert!(text.contains(&format!("# TYPE {family} ")), "{line} has no type");
    }
    // What the dashboard, the alerts and the page of metrics look at is there, and the page names all.
    let page = "docs/metrics.md";
    for file in
        ["config/monitoring/grafana.json", "config/monitoring/alerts.yml", "config/monitoring/alerts-test.yml", page]
    {
        let watched = std::fs::read_to_string(project(file)).unwrap();
        let words = watched.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let metrics: BTreeSet<_> =
            words.filter(|word| word.starts_with("impasto_") || word.starts_with("process_")).collect();
        assert!(metrics.len() >= 4, "{file}: {metrics:?}");
        for metric in metrics {
            let family =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| metric.strip_suffix(end)).unwrap_or(metric);
            assert!(text.contains(&format!("# TYPE {family} ")), "{file} looks at {metric}, which is not there");
        }
        for family in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).filter(|_| file == page) {
            let family = family.split(' ').next().unwrap();
            assert!(watched.contains(&format!("`{family}`")), "{file} does not tell of {family}");
        }
    }

    let styles = api.get("/api/v1/styles").value();
    let style = |name: &str| styles.as_array().unwrap().iter().find(|style| style["name"] == name).unwrap();
    assert_eq!((&style("negative")["network"], &style("negative")["stroke"]), (&json!("pair"), &json!(false)));
    assert_eq!((&style("waves")["network"], &style("waves")["stroke"]), (&json!("sizes"), &json!(true)));
    let document = api.get("/api/v1/openapi.json").value();
    // What is described as always there is there, and nothing else.
    let described = &document["components"]["schemas"]["Stream"];
    let state = api.state();
    let mut required: Vec<_> =
        described["required"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
    required.sort_unstable();
    let mut keys: Vec<_> = state.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, required);
    // Everything that is described to be read answers.
    assert_eq!(api.json("POST", "/api/v1/streams/live/record", r#"{"file": "take.mp4"}"#).status, 200);
    api.assert_painting(5);
    assert_eq!(api.json("POST", "/api/v1/streams/live/record", r#"{"stop": true}"#).status, 200);
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.replace("{name}", "live").replace("{file}", "take.mp4");
        let path = if path.ends_with("/qr") { format!("{path}?text=a") } else { path };
        if methods.get("get").is_some() && !path.ends_with("/preview") && !path.ends_with("/events") {
            assert_eq!(api.get(&path).status, 200, "{path}");
        }
    }
    let page = api.get("/");
    assert!(page.text().contains("Impasto") && page.header("content-security-policy").is_some());
    let tag = page.header("etag").unwrap();
    assert_eq!(api.ask("GET", "/", &[("If-None-Match", tag)], b"").status, 304);
    studio.close();
}

/// Runs `impasto ctl ARGS` against the stream.
fn ctl(api: &Api, args: &[&str]) -> Finished {
    finish(impasto().args(["ctl", "--server", &api.address]).args(args))
}

#[test]
fn ctl_does_the_same_from_the_command_line() {
    let studio = Studio::open(&[]);
    let api = &studio.api;
    let done = |args: &[&str]| -> Value {
        let finished = ctl(api, args);
        assert_eq!(finished.code, 0, "{args:?}: {finished:?}");
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {finished:?}"))
    };
    assert_eq!(done(&["status"])["network"], "pair");
    assert_eq!(done(&["style", "negative"])["look"]["styles"], json!({"negative": 1.0}));
    assert_eq!(done(&["blend", "same=3", "negative=1"])["look"]["styles"], json!({"negative": 0.25, "same": 0.75}));
    assert_eq!(done(&["strength", "0.5"])["look"]["strength"], 0.5);
    assert_eq!(done(&["steadiness", "0.25"])["look"]["steadiness"], 0.25);
    assert_eq!(done(&["stroke", "0.25"])["look"]["stroke"], 0.25);
    assert_eq!(done(&["stroke", "auto"])["look"]["stroke"], "auto");
    assert_eq!(done(&["colours", "keep"])["look"]["keep_colours"], true);
    assert_eq!(done(&["fade", "10"])["look"]["fade_ms"], 10);
    assert_eq!(done(&["look", r#"{"strength": 1}"#])["look"]["strength"], 1.0);
    assert_eq!(done(&["look"]), api.get(LOOK).value());
    assert_eq!(done(&["size", "160x90"])["size"], "160x90");
    assert_eq!(done(&["network", "flipped"])["network"], "flipped");
    assert_eq!(done(&["undo"])["network"], "pair");
    assert_eq!(done(&["preset", "a b/c", "--save", "--key", "3"])["look"], api.get(LOOK).value());
    done(&["strength", "0.25"]);
    assert_eq!(done(&["preset", "a b/c"])["look"]["strength"], 1.0);
    assert_eq!(done(&["preset", "a b/c", "--rename", "evening"])["key"], 3);
    assert_eq!(done(&["presets"])[0]["name"], "evening");
    let presets = studio.folder.path().join("presets.json");
    std::fs::write(&presets, done(&["presets"]).to_string()).unwrap();
    assert_eq!(done(&["preset", "evening", "--delete"]), json!([]));
    let imported = done(&["presets", "--import", presets.to_str().unwrap()]);
    assert_eq!((&imported[0]["name"], &imported[0]["key"]), (&json!("evening"), &json!(3)));
    assert_eq!(done(&["mirror", "on"])["mirrored"], true);
    assert_eq!(done(&["pause"])["paused"], true);
    assert_eq!(done(&["resume"])["paused"], false);
    assert_eq!(done(&["record", "ctl.mp4"])["recording"], true);
    api.assert_painting(5);
    let file = done(&["record", "--stop"])["file"].as_str().unwrap().to_string();
    assert!(Path::new(&file).starts_with(studio.folder.path()) && probe(&file, "v", "stream=width") == "320");
    assert_eq!(done(&["recordings"])[0]["file"], "ctl.mp4");
    let address = format!("127.0.0.1:{}", free_port());
    let id = done(&["add-output", "rtsp", &address])[2]["id"].as_str().unwrap().to_string();
    assert_eq!(done(&["outputs"])[2]["place"], format!("rtsp://{address}/live"));
    assert_eq!(done(&["remove-output", &id]).as_array().unwrap().len(), 2);
    let snapshot = studio.folder.path().join("frame.png");
    done(&["snapshot", snapshot.to_str().unwrap()]);
    assert_eq!(image::open(&snapshot).unwrap().dimensions(), (320, 180));
    let painted = studio.folder.path().join("painted.jpg");
    done(&["paint", snapshot.to_str().unwrap(), painted.to_str().unwrap(), "--style", "negative"]);
    assert_eq!(image::open(&painted).unwrap().dimensions(), (320, 180));
    assert!(done(&["styles"]).as_array().unwrap().len() >= 4);

    let mut watch = impasto();
    watch.args(["ctl", "--server", &api.address, "watch"]).stdout(std::process::Stdio::piped());
    let mut watch = Killed(watch.spawn().unwrap());
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(watch.0.stdout.take().unwrap()));
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["event"], "state");
    done(&["strength", "0.125"]);
    while next()["data"]["changed"]["look"]["strength"] != 0.125 {}
    drop(watch);

    for (args, code, words) in [
        (&["style", "negativ"][..], 2, "did you mean `negative`?"),
        (&["strength", "7"], 2, "7: 0 to 1 is possible"),
        (&["strength", "nan"], 2, "NaN: 0 to 1 is possible"),
        (&["steadiness", "nan"], 2, "`nan` is neither a number from 0 to 1"),
        (&["steadiness", "flow"], 2, "it is for films"),
        (&["stroke", "inf"], 2, "`inf` is neither a number from 0 to 1"),
        (&["blend", "same=nan", "negative=1"], 2, "weight of style `same` = NaN: 0 to 1000 is possible"),
        (&["look", r#"{"stroke": "nan"}"#], 2, "`nan` is neither a number from 0 to 1"),
        (&["--stream", "lobby", "status"], 2, "there is no stream `lobby`"),
        (&["record", "--stop"], 2, "no recording is in progress"),
        (&["style", "lost"], 5, "broken.onnx"),
        (&["--server", "127.0.0.1:1", "status"], 3, "is `impasto run` running there?"),
        (&["--server", "nonsense://x", "status"], 2, "nonsense"),
    ] {
        let mut command = impasto();
        command.arg("ctl");
        if args[0] != "--server" {
            command.args(["--server", &api.address]);
        }
        let refused = finish(command.args(args));
        assert!(refused.code == code && refused.stderr.contains(words), "{args:?}: {refused:?}");
    }
    studio.close();
}

#[test]
fn the_commands_of_the_documents_work() {
    let page = std::fs::read_to_string(project("docs/control.md")).unwrap();
    let commands: Vec<&str> = page
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("impasto ctl ") || line.starts_with("curl "))
        .collect();
    assert!(commands.len() >= 8, "{commands:?}");
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("impasto.toml");
    let streams = "[[stream]]\nname = \"live\"\n[[stream]]\nname = \"lobby\"\n";
    std::fs::write(&config, format!("[control]\nrecordings = {0:?}\nstate = {0:?}\n{streams}", folder.path())).unwrap();
    let photo = project("models/showcase/coffee.jpg");
    std::fs::copy(photo, folder.path().join("photo.jpg")).unwrap();
    let clip = folder.path().join("clip.mp4");
    ffmpeg(&["-f", "lavfi", "-i", "testsrc=size=160x96:rate=30:duration=1", clip.to_str().unwrap()]);
    let (run, api) =
        Api::start(&["--config", config.to_str().unwrap(), "--source", "test", "--rtsp", "off", "--size", "160x96"]);
    api.wait_for_status("live", "running");
    api.wait_for_status("lobby", "running");
    api.assert_painting(1);
    for command in commands {
        // What goes on for ever is cut off; that is no failure.
        let endless = command.contains(" watch") || command.contains("/events");
        let command = command.split("  #").next().unwrap().trim_end();
        let command = command.replace("127.0.0.1:8080", &api.address).replace("impasto ctl", "$IMPASTO ctl");
        let line = if endless { format!("timeout 2 {command} || [ $? = 124 ]") } else { command.clone() };
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", &line]).current_dir(folder.path());
        shell.env("IMPASTO", env!("CARGO_BIN_EXE_impasto")).env("IMPASTO_SERVER", &api.address);
        let done = finish(&mut shell);
        assert!(done.code == 0 && !done.stdout.contains("about:blank"), "{command}: {done:?}");
        // A recording without a picture would be an error.
        api.assert_painting(2);
    }
    assert_eq!(run.interrupt().code, Some(0));
}
