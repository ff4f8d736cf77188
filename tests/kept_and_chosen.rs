//! What the daemon keeps and offers over its HTTP API: presets, looks over restarts, recordings, sources, outputs.

mod common;

use std::io::Read;

use common::bars::{LOOK, Studio};
use common::*;
use serde_json::{Value, json};

#[test]
fn presets_bring_a_look_back_and_outlive_the_daemon_and_changes_can_be_undone() {
    let studio = Studio::open(&[]);
    let api = &studio.api;
    let bright = studio.bar();
    let put = |path: &str, wish: Value| api.json("PUT", &format!("/api/v1/presets/{path}"), &wish.to_string());
    let evening = json!({"look": {"styles": "negative", "strength": 0.5, "fade_ms": 0}, "network": "pair", "size": "160x90", "key": 1});
    assert_eq!(put("evening%2F1", evening).value()["name"], "evening/1");
    // A style that is not there now is kept, and shown as missing.
    let lost = put("away", json!({"look": {"styles": {"same": 1, "negativ": 1}}, "key": 1})).value();
    assert_eq!((&lost["missing"], &lost["key"]), (&json!(["negativ"]), &json!(1)));
    let presets = api.get("/api/v1/presets").value();
    assert_eq!((&presets[0]["key"], &presets[1]["name"]), (&Value::Null, &json!("away")));

    let paint = |name: &str| api.json("POST", "/api/v1/streams/live/preset", &json!({ "name": name }).to_string());
    let undo = || api.json("POST", "/api/v1/streams/live/undo", "{}");
    undo().assert_problem(409, "nothing is left to undo");
    paint("awya").assert_problem(404, "did you mean `away`?");
    paint("away").assert_problem(422, "did you mean `negative`?");
    assert_eq!(api.state()["undo"], 0);
    assert_eq!(paint("evening/1").status, 200);
    assert!(studio.bar().abs_diff(127) <= 2);
    assert_eq!(api.state()["size"], "160x90");

    // Another network of the same styles, by name; it stays for what both have.
    let network = |name: &str| api.json("PATCH", "/api/v1/streams/live", &json!({ "network": name }).to_string());
    network("piar").assert_problem(422, "did you mean `pair`?");
    network("../../etc/x.onnx").assert_problem(422, "unknown network");
    network("broken").assert_problem(500, "broken.onnx");
    assert_eq!((api.state()["network"].clone(), api.state()["undo"].clone()), (json!("pair"), json!(1)));
    assert_eq!(network("flipped").value()["network"], "flipped");
    assert_eq!(api.state()["look"]["styles"], json!({"flipped": 1.0}));
    assert_eq!(undo().value()["network"], "pair");
    assert_eq!(api.state()["look"]["styles"], json!({"negative": 1.0}));
    let undone = undo().value();
    assert_eq!((&undone["look"]["styles"], &api.state()["size"]), (&json!({"same": 1.0}), &json!("native")));
    until("it is painted as before", || studio.bar() == bright);
    undo().assert_problem(409, "nothing is left to undo");

    let mut events = api.events();
    assert_eq!(events.next().1["presets"], presets);
    assert_eq!(put("away", json!({"name": "lost", "key": 0, "place": 0})).status, 200);
    let told = loop {
        let (name, event) = events.next();
        if name == "state" {
            break event["presets"].clone();
        }
    };
    assert_eq!((&told[0]["name"], &told[1]["name"]), (&json!("lost"), &json!("evening/1")));
    put("evening%2F1", json!({"name": "lost"})).assert_problem(409, "`lost` already");
    let studio = studio.reopen();
    assert_eq!(studio.api.get("/api/v1/presets").value(), told);
    let left = studio.api.ask("DELETE", "/api/v1/presets/lost", &[], b"").value();
    assert_eq!(left.as_array().unwrap().len(), 1);
    studio.api.ask("DELETE", "/api/v1/presets/lost", &[], b"").assert_problem(404, "no preset `lost`");
    studio.close();
}

#[test]
fn a_stream_comes_back_as_it_was_painted_last_unless_its_config_has_changed() {
    let studio = Studio::open(&[]);
    let config = studio.folder.path().join("impasto.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("[control]", "[control]\nremember = true")).unwrap();
    let bright = studio.bar();
    let studio = studio.reopen();
    assert_eq!(studio.bar(), bright);
    assert_eq!(studio.api.json("PATCH", LOOK, r#"{"styles": "negative", "fade_ms": 0}"#).status, 200);
    assert_eq!(studio.api.json("PATCH", "/api/v1/streams/live", r#"{"mirrored": true}"#).status, 200);
    let address = format!("127.0.0.1:{}", free_port());
    let wish = json!({"type": "rtsp", "address": address}).to_string();
    assert_eq!(studio.api.json("POST", "/api/v1/streams/live/outputs", &wish).status, 200);
    // Its port is taken when the daemon comes back, and free a little later.
    let Studio { run, folder, networks, .. } = studio;
    assert_eq!(run.interrupt().code, Some(0));
    let taken = std::net::TcpListener::bind(&address).unwrap();
    let studio = Studio::start(folder, networks, "", &[]);
    let kinds = || studio.api.state()["outputs"].as_array().unwrap().len();
    assert_eq!(kinds(), 2, "WebRTC and the preview alone");
    drop(taken);
    until("the output comes back", || kinds() == 3);
    assert_eq!(probe(&format!("rtsp://{address}/live"), "v", "stream=width"), "320");
    let state = studio.api.state();
    assert_eq!((&state["look"]["styles"], &state["mirrored"]), (&json!({"negative": 1.0}), &json!(true)));
    assert!(studio.bar() > 200, "the dark last bar comes first, and inverted");

    // Killed, it has lost no more than the last second or so; a disk that refuses harms nothing, and is told once.
    let state = studio.folder.path().join("state");
    let file = state.join("streams.json");
    let remembered = |strength: &str| std::fs::read_to_string(&file).is_ok_and(|text| text.contains(strength));
    std::fs::rename(&state, studio.folder.path().join("away")).unwrap();
    std::fs::write(&state, "").unwrap();
    assert_eq!(studio.api.json("PATCH", LOOK, r#"{"strength": 0.125}"#).status, 200);
    until("it is told", || studio.run.errors().contains("is not remembered until it can be written"));
    studio.api.assert_painting(40);
    assert_eq!(studio.run.errors().matches("is not remembered").count(), 1);
    std::fs::remove_file(&state).unwrap();
    until("it is written as soon as it can be", || remembered("0.125"));
    studio.run.signal("KILL");
    let Studio { run, folder, networks, .. } = studio;
    assert_eq!(run.end().code, None);
    let studio = Studio::start(folder, networks, "", &[]);
    assert_eq!(studio.api.state()["look"]["strength"], 0.125);

    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("\"same\"", "\"flipped\"")).unwrap();
    let studio = studio.reopen();
    assert_eq!(studio.api.state()["look"]["styles"], json!({"flipped": 1.0}));
    // What is remembered cannot be painted any more: it starts as configured.
    let file = studio.folder.path().join("state/streams.json");
    let studio = {
        let Studio { run, folder, networks, .. } = studio;
        assert_eq!(run.interrupt().code, Some(0));
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("\"network\": \"flipped\"", "\"network\": \"gone\"")).unwrap();
        Studio::start(folder, networks, "", &[])
    };
    assert_eq!(studio.api.state()["network"], "flipped");
    assert!(studio.run.errors().contains("cannot be painted as it was last"), "{}", studio.run.errors());

    // Pipes in the places of files, which whoever opens them waits for, hold nothing up.
    let Studio { run, folder, networks, .. } = studio;
    assert_eq!(run.interrupt().code, Some(0));
    std::fs::remove_file(&file).unwrap();
    let pipes = [file, folder.path().join("state/presets.json"), networks.path().join("pipe.toml")];
    assert!(std::process::Command::new("mkfifo").args(&pipes).status().unwrap().success());
    let studio = Studio::start(folder, networks, "", &[]);
    for pipe in pipes {
        let told = format!("{}: it is no file", pipe.display());
        until(&told, || studio.run.errors().contains(&told));
    }
    assert_eq!(studio.api.json("PATCH", LOOK, r#"{"styles": "same"}"#).status, 200);
    studio.close();
}

#[test]
fn recordings_are_listed_read_in_parts_renamed_and_removed() {
    let studio = Studio::open(&[]);
    let api = &studio.api;
    assert_eq!(api.get("/api/v1/recordings").value(), json!([]));
    assert_eq!(api.json("POST", "/api/v1/streams/live/record", "{}").status, 200);
    api.wait_for_state("two seconds are recorded", |state| state["recording_s"].as_u64() >= Some(2));
    assert_eq!(api.get("/api/v1/recordings").value(), json!([]), "it is not finished");
    assert_eq!(api.json("POST", "/api/v1/streams/live/record", r#"{"stop": true}"#).status, 200);
    assert_eq!(api.state()["recording_s"], Value::Null);
    let listed = api.get("/api/v1/recordings").value();
    let name = listed[0]["file"].as_str().unwrap().to_string();
    let bytes = std::fs::read(studio.folder.path().join("recordings").join(&name)).unwrap();
    assert_eq!(listed[0]["bytes"], bytes.len());
    assert!((1.0..60.0).contains(&listed[0]["length_s"].as_f64().unwrap()), "{listed}");

    let path = format!("/api/v1/recordings/{name}");
    let whole = api.get(&path);
    assert!(whole.status == 200 && whole.body == bytes);
    assert_eq!(
        (whole.header("accept-ranges"), whole.header("content-type")),
        (Some("bytes"), Some("video/x-matroska"))
    );
    let part = |range: &str| api.ask("GET", &path, &[("Range", range)], b"");
    let middle = part("bytes=1000-1999");
    assert!(middle.status == 206 && middle.body == bytes[1000..2000]);
    let content_range = format!("bytes 1000-1999/{}", bytes.len());
    assert_eq!(middle.header("content-range"), Some(content_range.as_str()));
    assert!(part("bytes=-10").body == bytes[bytes.len() - 10..]);
    part(&format!("bytes={}-", bytes.len())).assert_problem(416, "nothing in that range");
    let stale = api.ask("GET", &path, &[("Range", "bytes=0-9"), ("If-Range", "\"other\"")], b"");
    assert_eq!((stale.status, stale.body.len()), (200, bytes.len()));

    let rename = |path: &str, name: &str| api.json("PATCH", path, &json!({ "file": name }).to_string());
    rename(&path, "../x.mkv").assert_problem(422, "no plain file name");
    assert_eq!(rename(&path, "take one.mkv").value()["file"], "take one.mkv");
    api.get(&path).assert_problem(404, "there is no recording");
    for trick in ["..%2f..%2fimpasto.toml", "..%2fimpasto.toml", "%2Fetc%2Fpasswd", ".hidden.mkv", "a%00.mkv"] {
        let path = format!("/api/v1/recordings/{trick}");
        for method in ["GET", "DELETE"] {
            assert_eq!(api.ask(method, &path, &[], b"").status, 422, "{method} {trick}");
        }
    }
    let removed = api.ask("DELETE", "/api/v1/recordings/take%20one.mkv", &[], b"");
    assert_eq!((removed.status, removed.value()), (200, json!([])));
    assert!(studio.folder.path().join("impasto.toml").exists());
    studio.close();
}

#[test]
fn files_of_media_folders_and_the_cameras_are_listed() {
    let studio = Studio::open(&[]);
    let media = studio.folder.path().join("media");
    std::fs::create_dir(&media).unwrap();
    let clip = media.join("clip.mkv");
    ffmpeg(&["-f", "lavfi", "-i", "testsrc=size=160x96:rate=15:duration=5", clip.to_str().unwrap()]);
    let config = studio.folder.path().join("impasto.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(
        &config,
        text.replace("[control]", &format!("[control]\nsources = [\"camera\"]\nmedia = [{media:?}]")),
    )
    .unwrap();
    let studio = studio.reopen();
    let api = &studio.api;
    assert_eq!(api.get("/api/v1/media").value(), json!([{"name": "clip.mkv", "source": clip}]));
    let set = |source: &str| api.json("POST", "/api/v1/streams/live/source", &json!({ "source": source }).to_string());
    assert_eq!(set(clip.to_str().unwrap()).status, 200);
    set(config.to_str().unwrap()).assert_problem(422, "may not be set here");
    let devices = finish(impasto().args(["devices", "--json"]));
    let devices: Value = serde_json::from_str(&devices.stdout).unwrap();
    assert_eq!(api.get("/api/v1/cameras").value(), devices["cameras"]);
    studio.close();
}

#[test]
fn outputs_are_added_and_removed_and_survive_what_the_config_changes() {
    let studio = Studio::open(&[]);
    let api = &studio.api;
    let outputs = "/api/v1/streams/live/outputs";
    let add = |wish: Value| api.json("POST", outputs, &wish.to_string());
    let remove = |id: &str| api.ask("DELETE", &format!("{outputs}/{id}"), &[], b"");
    let kinds = || {
        let all = api.get(outputs).value();
        let kinds = all.as_array().unwrap().iter().map(|output| output["kind"].as_str().unwrap().to_string());
        // Browsers are always served.
        kinds.filter(|kind| kind != "webrtc").collect::<Vec<_>>()
    };
    assert_eq!(kinds(), ["preview"]);
    let (first, second) = (free_port(), free_port());
    let rtsp = |port: u16| json!({"type": "rtsp", "address": format!("127.0.0.1:{port}")});
    assert_eq!(add(rtsp(first)).status, 200);
    add(rtsp(first)).assert_problem(409, "already");
    assert_eq!(add(json!({"type": "recording", "file": "take.mkv"})).status, 200);
    assert_eq!(kinds(), ["preview", "rtsp", "recording"]);
    assert_eq!(probe(&format!("rtsp://127.0.0.1:{first}/live"), "v", "stream=width"), "320");
    for (wish, status, words) in [
        (json!({"type": "rtsp", "address": "8554"}), 422, "`8554` is not an address"),
        (json!({"type": "rtsp"}), 422, "missing field `address`"),
        (json!({"type": "smoke"}), 422, "unknown variant `smoke`"),
        (json!({"type": "recording", "file": "b.mkv"}), 409, "in progress"),
        (json!({"type": "recording", "file": "../b.mkv"}), 422, "no plain file name"),
        (json!({"type": "virtual-camera", "device": "/dev/video99"}), 422, "modprobe v4l2loopback"),
        (json!({"type": "virtual-camera", "size": "huge"}), 422, "`huge` is not a size"),
    ] {
        add(wish).assert_problem(status, words);
    }
    api.assert_painting(10);
    assert_eq!(remove("recording").status, 200);
    let file = studio.folder.path().join("recordings/take.mkv");
    assert!(!packet_times(file.to_str().unwrap(), "v").is_empty(), "it is finished");
    remove("recording").assert_problem(404, "there is no output `recording`");
    remove("preview").assert_problem(404, "that can be removed");

    // Another source, and one that plays in a loop, take over while a recording goes on.
    let clip = studio.folder.path().join("clip.mkv");
    flash_and_beep(&clip, 1);
    assert_eq!(add(json!({"type": "recording", "file": "through.mkv"})).status, 200);
    let config = studio.folder.path().join("impasto.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let clip = text.replace("\"test\"", &format!("{clip:?}\nloop = true"));
    for (text, source) in [(clip, "clip.mkv"), (text, "test picture")] {
        std::fs::write(&config, text).unwrap();
        api.wait_for_state("the source changes", |state| state["source"].as_str().unwrap().ends_with(source));
        assert!(api.state()["recording"].as_str().is_some_and(|file| file.ends_with("through.mkv")), "{}", api.state());
        assert_eq!(kinds(), ["preview", "rtsp", "recording"]);
    }
    assert_eq!(remove("recording").status, 200);

    // A config that asks for another output leaves the one that was added; a stream that starts anew keeps it too.
    let config = studio.folder.path().join("impasto.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("\"off\"", &format!("\"127.0.0.1:{second}\""))).unwrap();
    until("the configured output comes", || kinds() == ["preview", "rtsp", "rtsp"]);
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("fps = 15", "fps = 20")).unwrap();
    api.wait_for_state("the stream starts anew", |state| state["nominal_fps"] == 20 && state["status"] == "running");
    assert_eq!(kinds().iter().filter(|kind| *kind == "rtsp").count(), 2);
    // One of the config that was removed stays away when something else changes.
    assert_eq!(remove(&format!("rtsp-127.0.0.1-{second}-live")).status, 200);
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("[output]", "[output]\ncrf = 30")).unwrap();
    until("the change is taken", || api.get("/api/v1/config").value()["applied"] == 5);
    api.assert_painting(10);
    assert_eq!(remove(&format!("rtsp-127.0.0.1-{first}-live")).status, 200);
    assert_eq!(kinds(), ["preview"]);

    let code = api.get("/api/v1/qr?text=http%3A%2F%2F192.168.1.2%3A8080%2F");
    assert_eq!((code.status, code.header("content-type")), (200, Some("image/svg+xml")));
    api.get(&format!("/api/v1/qr?text={}", "x".repeat(5000))).assert_problem(422, "does not fit");
    studio.close();
}

#[test]
fn what_is_set_by_hand_is_saved_in_the_config_file() {
    let studio = Studio::open(&[]);
    let config = studio.folder.path().join("impasto.toml");
    let comment = "# Of the hall; ask before you change it.\n";
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{comment}{text}")).unwrap();
    let studio = studio.reopen();
    let api = &studio.api;
    let save = || api.json("POST", "/api/v1/streams/live/save", "");
    let applied = || api.get("/api/v1/config").value()["applied"].as_u64().unwrap();
    assert_eq!(save().value()["saved"], json!([]), "it is as the config says");

    let film = studio.folder.path().join("a film.mkv");
    ffmpeg(&["-f", "lavfi", "-i", "testsrc=s=64x36:r=20:d=2", "-c:v", "libx264", film.to_str().unwrap()]);
    let source = json!({ "source": film, "loop": true }).to_string();
    assert_eq!(api.json("POST", "/api/v1/streams/live/source", &source).status, 200);
    assert_eq!(api.json("PATCH", LOOK, r#"{"styles": "negative", "strength": 0.75, "fade_ms": 0}"#).status, 200);
    let address = format!("127.0.0.1:{}", free_port());
    let wish = json!({ "type": "rtsp", "address": address }).to_string();
    assert_eq!(api.json("POST", "/api/v1/streams/live/outputs", &wish).status, 200);
    let removed = api.ask("DELETE", "/api/v1/streams/live/outputs/webrtc", &[], b"");
    assert_eq!(removed.status, 200, "{}", removed.text());

    let (before, seen) = (api.state(), applied());
    let saved = save().value();
    let paint = ["paint.strength", "paint.styles", "paint.fade_ms"];
    let keys = [&["source.input", "source.loop", "output.rtsp", "output.webrtc"], &paint[..]].concat();
    for key in &keys {
        assert!(saved["saved"].as_array().unwrap().contains(&json!(key)), "{key}: {saved}");
    }
    assert_eq!((saved["saved"].as_array().unwrap().len(), &saved["left_out"]), (keys.len(), &json!([])));
    assert!(std::fs::read_to_string(&config).unwrap().starts_with(comment));

    // It is read again, and nothing of what runs is touched.
    until("the config is read again", || applied() > seen);
    api.assert_painting(20);
    let now = api.state();
    for part in ["look", "network", "source", "outputs", "undo", "failures", "error"] {
        assert_eq!(now[part], before[part], "{part}");
    }
    assert!(now["uptime_s"].as_u64() >= before["uptime_s"].as_u64());
    assert_eq!(save().value()["saved"], json!([]));

    let studio = studio.reopen();
    for part in ["look", "network", "source"] {
        assert_eq!(studio.api.state()[part], before[part], "{part}");
    }
    let kinds = |state: &Value| {
        let outputs = state["outputs"].as_array().unwrap().iter();
        outputs.map(|output| output["id"].as_str().unwrap().to_string()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(kinds(&studio.api.state()), kinds(&before));

    // A file with a mistake stays as it is, and so does one that is gone.
    let api = &studio.api;
    std::fs::write(&config, "[paint]\nstrenght = 1\n").unwrap();
    let save = || api.json("POST", "/api/v1/streams/live/save", "");
    save().assert_problem(422, "did you mean `strength`?");
    assert_eq!(std::fs::read_to_string(&config).unwrap(), "[paint]\nstrenght = 1\n");
    std::fs::remove_file(&config).unwrap();
    save().assert_problem(500, "nothing is saved");
    assert!(!config.exists());
    api.assert_painting(10);
    studio.close();
}

#[test]
fn without_a_config_file_there_is_nothing_to_save_into() {
    let (run, api) = http::Api::start(&["--source", "test", "--rtsp", "off", "--size", "64x36"]);
    let saved = finish(impasto().args(["ctl", "--server", &api.address, "save"]));
    assert_ne!(saved.code, 0);
    assert!(saved.stderr.contains("start it with --config FILE"), "{}", saved.stderr);
    assert_eq!(run.interrupt().code, Some(0));
}

#[test]
fn a_source_is_looked_at_before_it_goes_on_air() {
    let studio = Studio::open(&[]);
    let api = &studio.api;
    let clip = studio.folder.path().join("white.mkv");
    let white = "color=white:s=320x180:r=15:d=1";
    ffmpeg(&["-f", "lavfi", "-i", white, "-c:v", "libx264", "-preset", "ultrafast", clip.to_str().unwrap()]);
    let path = |source: &str| format!("/api/v1/sources/preview?source={source}");
    let clip = path(clip.to_str().unwrap());
    assert!(api.second_picture(&clip).get_pixel(160, 90).0.iter().all(|level| *level > 240));
    assert!(api.second_picture(&path("test")).width() <= 640);
    assert_eq!(api.state()["source"], "test picture", "it is not on air");
    api.assert_painting(5);

    for (source, status, words) in [
        ("no.mkv", 422, "no.mkv"),
        ("rtsp://127.0.0.1:9/x", 422, "127.0.0.1:9"),
        ("fd://0", 422, "fd://"),
        ("a%0Ab", 422, "line ends"),
    ] {
        api.get(&path(source)).assert_problem(status, words);
    }
    api.get("/api/v1/sources/preview").assert_problem(422, "?source=NAME");

    // Four at a time, and what they have open goes with them.
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", studio.run.id())).unwrap().count();
    until("those who looked are gone", || api.get(&clip.replace("white", "none")).status == 422);
    let before = descriptors();
    for _ in 0..3 {
        let look = |_| {
            let mut look = api.send("GET", &clip, &[], b"");
            let mut begin = [0; 12];
            look.read_exact(&mut begin).unwrap();
            assert_eq!(&begin, b"HTTP/1.1 200");
            look
        };
        let looks: Vec<_> = (0..4).map(look).collect();
        api.get(&clip).assert_problem(503, "no more fit");
        drop(looks);
        until("there is room again", || api.get(&path("none.mkv")).status == 422);
    }
    until("nothing is left open", || descriptors() <= before + 4);
    studio.close();
}
