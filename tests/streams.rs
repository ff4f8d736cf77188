//! Several streams in one daemon, and a config that is taken when it changes: what fails or changes leaves the others
//! alone.

mod common;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::http::Api;
use common::*;
use image::GenericImageView;
use serde_json::{Value, json};

/// A daemon whose config is written by the test. Its networks are `same`, which shows the test picture as it is, and
/// `negative`, and our own.
struct Studio {
    run: Running,
    api: Api,
    folder: tempfile::TempDir,
    networks: tempfile::TempDir,
    head: String,
    port: u16,
}

impl Studio {
    /// Starts with these streams; `{port}` is the RTSP port and `{folder}` a folder of the test.
    fn open(streams: &str, flags: &[&str]) -> Self {
        let (folder, networks) = (tempfile::tempdir().unwrap(), onnx::networks());
        for file in ["lite.onnx", "lite.toml"] {
            std::fs::copy(project("models").join(file), networks.path().join(file)).unwrap();
        }
        let port = free_port();
        let head = format!(
            "[source]\ninput = \"test\"\nwidth = 320\nheight = 180\nfps = 15\n[paint]\nstyles = \"same\"\nfade_ms = 0\n\
             [output]\nrtsp = \"127.0.0.1:{port}\"\n[runtime]\nmodels = {:?}\nthreads = 2\n",
            networks.path(),
        );
        let file = folder.path().join("impasto.toml");
        std::fs::write(&file, text(&head, streams, port, folder.path())).unwrap();
        let (run, api) = Api::start(&[&["--config", file.to_str().unwrap()], flags].concat());
        Self { run, api, folder, networks, head, port }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the config as an editor does: another file, renamed.
    fn edit(&self, streams: &str) {
        self.edit_all(&self.head, streams);
    }

    fn edit_all(&self, head: &str, streams: &str) {
        let new = self.path("impasto.toml~");
        std::fs::write(&new, text(head, streams, self.port, self.folder.path())).unwrap();
        std::fs::rename(new, self.path("impasto.toml")).unwrap();
    }

    fn config(&self) -> Value {
        self.api.get("/api/v1/config").value()
    }

    /// Waits until one more change was taken than `before`.
    fn wait_until_taken(&self, before: &Value) {
        until("the config is taken", || self.config()["applied"].as_u64() > before["applied"].as_u64());
    }

    /// A pixel of the first bar of the painted picture: bright as it is, dark in the negative.
    fn bar(&self, stream: &str) -> Option<u8> {
        let answer = self.api.json("POST", &format!("/api/v1/streams/{stream}/snapshot"), "{}");
        let picture = (answer.status == 200).then(|| image::load_from_memory(&answer.body).unwrap())?;
        assert_eq!(picture.dimensions(), (320, 180));
        Some(picture.get_pixel(10, 10).0[0])
    }

    fn wait_for_bar(&self, stream: &str, wanted: impl Fn(u8) -> bool) {
        until(&format!("{stream} looks otherwise"), || self.bar(stream).is_some_and(&wanted));
    }

    fn url(&self, path: &str) -> String {
        format!("rtsp://127.0.0.1:{}/{path}", self.port)
    }

    fn seen_at(&self, path: &str) -> Option<String> {
        seen_at(&self.url(path))
    }

    fn close(self) {
        let ended = self.run.interrupt();
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
    }
}

fn text(head: &str, streams: &str, port: u16, folder: &Path) -> String {
    let streams = streams.replace("{port}", &port.to_string()).replace("{folder}", folder.to_str().unwrap());
    format!("{head}{streams}")
}

/// What a client sees at this address: codec and size.
fn seen_at(url: &str) -> Option<String> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-rtsp_transport", "tcp", "-show_entries", "stream=codec_name,width,height"]);
    let output = output_of(command.args(["-of", "csv=p=0", url]));
    if !output.status.success() {
        eprintln!("{url}: {}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    Some(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

const BRIGHT: fn(u8) -> bool = |bar| bar > 150;
const DARK: fn(u8) -> bool = |bar| bar < 100;

const HALL: &str = "[[stream]]\nname = \"hall\"\n";
const LOBBY: &str = "[[stream]]\nname = \"lobby\"\npaint.styles = \"negative\"\n";

/// A clip of the test picture.
fn clip(file: &Path, seconds: u32) {
    let part = file.with_extension("part.mkv");
    let source = format!("testsrc=s=320x180:r=15:d={seconds}");
    ffmpeg(&["-f", "lavfi", "-i", &source, "-c:v", "libx264", "-preset", "ultrafast", part.to_str().unwrap()]);
    std::fs::rename(part, file).unwrap();
}

#[test]
fn two_streams_are_served_at_one_port_with_looks_of_their_own() {
    let studio = Studio::open(&format!("{HALL}{LOBBY}"), &[]);
    let api = &studio.api;
    for stream in ["hall", "lobby"] {
        assert_eq!(api.wait_for_status(stream, "running")["error"], Value::Null);
        assert_eq!(studio.seen_at(stream).as_deref(), Some("h264,320,180"), "{}", studio.run.errors());
    }
    assert_eq!(studio.seen_at("live"), None);
    let first_bar = |path: &str| {
        let url = studio.url(path);
        gray_frame(&["-rtsp_transport", "tcp", "-i", &url], 5, (32, 18))[33]
    };
    assert!(BRIGHT(first_bar("hall")) && DARK(first_bar("lobby")));

    // Clients are counted where they watch, and go with their stream alone.
    let url = studio.url("hall");
    let watch = ["-v", "error", "-nostdin", "-rtsp_transport", "tcp", "-i", &url, "-f", "null", "-"];
    let _client = Killed(Command::new("ffmpeg").args(watch).stdin(Stdio::null()).spawn().unwrap());
    let clients = |stream: &str| api.state_of(stream)["outputs"][0]["clients"].clone();
    until("the client is counted", || clients("hall") == 1);
    assert_eq!(clients("lobby"), 0);

    let change = api.json("PATCH", "/api/v1/streams/lobby/look", r#"{"styles": "same"}"#);
    assert_eq!(change.status, 200, "{}", change.text());
    studio.wait_for_bar("lobby", BRIGHT);
    let names: Vec<Value> =
        api.get("/api/v1/streams").value().as_array().unwrap().iter().map(|stream| stream["name"].clone()).collect();
    assert_eq!(names, ["hall", "lobby"]);
    api.get("/api/v1/streams/lobyb").assert_problem(404, "did you mean `lobby`?");
    let metrics = api.get("/metrics").text();
    for stream in names {
        assert!(metrics.contains(&format!("impasto_stream_up{{stream={stream}}} 1")), "{metrics}");
        assert!(metrics.contains(&format!("impasto_frames_total{{stream={stream},what=\"painted\"}}")), "{metrics}");
    }
    let server = format!("http://{}", api.address);
    let lobby = run(&["ctl", "--server", &server, "--stream", "lobby", "status"]);
    assert_eq!(serde_json::from_str::<Value>(&lobby.stdout).unwrap()["name"], "lobby", "{}", lobby.stderr);
    let all = run(&["ctl", "--server", &server, "streams"]);
    assert_eq!(serde_json::from_str::<Value>(&all.stdout).unwrap()[1]["name"], "lobby", "{}", all.stderr);
    studio.close();
}

#[test]
fn a_stream_that_is_too_much_for_the_machine_does_not_starve_another() {
    let heavy = "[[stream]]\nname = \"heavy\"\nsource = { width = 1920, height = 1080, fps = 60 }\n\
                 paint.styles = \"starry_night\"\n";
    let studio = Studio::open(&format!("{HALL}{heavy}"), &[]);
    studio.api.wait_for_status("hall", "running");
    studio.api.wait_for_status("heavy", "running");
    let counts = |stream: &str| studio.api.state_of(stream)["counts"].clone();
    let dropped = || {
        let counts = counts("heavy");
        counts["dropped_busy"].as_u64().unwrap() + counts["dropped_stale"].as_u64().unwrap()
    };
    until("one stream is too much", || dropped() > 30);
    let before = dropped();
    studio.api.assert_painting_of("hall", 45);
    studio.api.assert_painting_of("heavy", 5);
    assert!(dropped() > before, "it was busy all the time");
    studio.close();
}

#[test]
fn a_stream_that_fails_is_told_and_tried_again_while_the_others_run() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let streams = format!(
        "{HALL}[[stream]]\nname = \"late\"\nsource.input = \"{{folder}}/late.mkv\"\n\
         [[stream]]\nname = \"shut_out\"\noutput.rtsp = \"127.0.0.1:{port}/x\"\n"
    );
    let studio = Studio::open(HALL, &[]);
    let api = &studio.api;
    api.wait_for_status("hall", "running");
    studio.edit(&streams);
    until("they are known", || api.get("/api/v1/streams/shut_out").status == 200);
    let late = api.wait_for_status("late", "failed");
    assert!(late["error"].as_str().unwrap().contains("late.mkv: No such file"), "{late}");
    let shut_out = api.wait_for_status("shut_out", "failed");
    assert!(shut_out["error"].as_str().unwrap().contains("cannot serve RTSP on port"), "{shut_out}");
    api.json("POST", "/api/v1/streams/late/pause", "{}").assert_problem(503, "late.mkv");
    assert_eq!(api.get("/readyz").status, 200);
    assert!(api.get("/metrics").text().contains("impasto_stream_up{stream=\"late\"} 0"));
    let doctor = run(&["ctl", "--server", &api.address, "doctor"]);
    assert_eq!(doctor.code, 4, "{}", doctor.stdout);
    let findings: Value = serde_json::from_str(&doctor.stdout).unwrap();
    let of = |name: &str| findings.as_array().unwrap().iter().filter(|found| found["name"] == name).collect::<Vec<_>>();
    assert_eq!(of("daemon")[0]["state"], "works");
    let down: Vec<_> = of("stream").iter().map(|found| found["what"].as_str().unwrap().to_string()).collect();
    assert!(down.len() == 2 && down[0].contains("late.mkv: No such file"), "{down:?}");
    api.assert_painting_of("hall", 15);
    studio.run.wait_for("the failure", |event| event["event"] == "failed" && event["stream"] == "late");

    // What they waited for comes; and a file that is over ends its stream alone.
    drop(taken);
    clip(&studio.path("late.mkv"), 20);
    assert_eq!(api.wait_for_status("late", "running")["error"], Value::Null);
    api.wait_for_status("shut_out", "running");
    api.wait_for_status("late", "ended");
    api.json("POST", "/api/v1/streams/late/pause", "{}").assert_problem(409, "its file is over");
    api.assert_painting_of("hall", 15);
    studio.close();
}

#[test]
fn a_changed_config_is_taken_without_a_break_and_a_bad_one_is_refused() {
    let hall = format!("{HALL}source.loop = true\noutput.record = \"{{folder}}/hall.mkv\"\n");
    let studio = Studio::open(&format!("{hall}{LOBBY}"), &[]);
    let api = &studio.api;
    studio.wait_for_bar("hall", BRIGHT);
    studio.wait_for_bar("lobby", DARK);
    let painted = || api.state_of("hall")["counts"]["painted"].as_u64().unwrap();
    let (before, config) = (painted(), studio.config());
    assert_eq!(config["file"], studio.path("impasto.toml").to_str().unwrap());

    // What was changed by hand stays unless the file changes it too.
    assert_eq!(api.json("PATCH", "/api/v1/streams/hall/look", r#"{"fade_ms": 7}"#).status, 200);
    let negative = format!("{hall}paint.styles = \"negative\"\n{LOBBY}");
    studio.edit(&negative);
    studio.wait_for_bar("hall", DARK);
    studio.wait_until_taken(&config);
    assert_eq!(api.state_of("hall")["look"]["fade_ms"], 7);

    // A mistake: told in the list, in events and in the log; everything goes on.
    let mut events = api.events();
    assert_eq!(events.next().1["config"]["error"], Value::Null);
    studio.edit(&format!("{hall}paint.styles = \"negativ\"\n{LOBBY}"));
    until("the mistake is told", || studio.config()["error"].is_string());
    let error = studio.config()["error"].as_str().unwrap().to_string();
    for words in ["impasto.toml, line 18, `styles`: ", "stream hall: unknown style `negativ`; did you mean `negative`?"]
    {
        assert!(error.contains(words), "{error}");
    }
    while events.next().1["config"]["error"] != error.as_str() {}
    studio.run.wait_for("the mistake", |event| event["event"] == "config" && event["error"] == error.as_str());
    // What is no file, or empty while an editor writes it, changes nothing either.
    let file = studio.path("impasto.toml");
    std::fs::remove_file(&file).unwrap();
    tool("mkfifo", &[file.to_str().unwrap()]);
    until("the pipe is told", || studio.config()["error"].to_string().contains("no file any more"));
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, "").unwrap();
    until("the empty file is told", || studio.config()["error"].to_string().contains("it is empty"));
    studio.edit(&format!("{hall}paint.stiles = \"same\"\n{LOBBY}"));
    until("the next one too", || studio.config()["error"].to_string().contains("did you mean `styles`?"));
    assert!(studio.bar("hall").is_some_and(DARK));

    // Another source and size, live; what needs a start of the daemon is told and left.
    clip(&studio.path("clip.mkv"), 30);
    let config = studio.config();
    let head = studio.head.replace("threads = 2", "threads = 1");
    let moved = negative.replacen("paint.", "source.input = \"{folder}/clip.mkv\"\npaint.size = \"160x90\"\npaint.", 1);
    studio.edit_all(&head, &moved);
    studio.wait_until_taken(&config);
    until("the source is another", || api.state_of("hall")["source"] == studio.path("clip.mkv").to_str().unwrap());
    assert_eq!(api.state_of("hall")["size"], "160x90");
    let config = studio.config();
    assert_eq!(config["error"], Value::Null);
    assert!(config["restart"].as_str().unwrap().contains("[runtime]"), "{config}");
    // A source that does not open is told, and the old one stays.
    studio.edit(&moved.replace("clip.mkv", "lost.mkv"));
    until("the source is missed", || studio.config()["error"].to_string().contains("lost.mkv"));
    assert_eq!(studio.config()["restart"], Value::Null);
    api.assert_painting_of("hall", 15);
    assert_eq!(api.state_of("hall")["source"], studio.path("clip.mkv").to_str().unwrap());

    // All that time it was one and the same run, without a break in its recording.
    assert!(painted() > before);
    let (file, lobby) = (studio.path("hall.mkv"), api.state_of("lobby"));
    assert_eq!(lobby["look"]["styles"], json!({"negative": 1.0}));
    let ended = studio.run.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let times = packet_times(file.to_str().unwrap(), "v");
    assert_rising(&times);
    assert!(times.len() as u64 >= before, "{} pictures", times.len());
    let first = gray_frame(&["-i", file.to_str().unwrap()], 0, (32, 18))[33];
    assert!(BRIGHT(first), "{first}");
}

#[test]
fn changes_that_overlap_follow_one_another_and_the_latest_stays() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let studio = Studio::open(HALL, &[]);
    studio.wait_for_bar("hall", BRIGHT);
    // A source that takes its time to be given up, and meanwhile something else.
    studio.edit(&format!("{HALL}source.input = \"rtsp://{}/x\"\n", silent.local_addr().unwrap()));
    let (_connection, _) = silent.accept().unwrap();
    studio.edit(&format!("{HALL}paint.styles = \"negative\"\n"));
    studio.wait_for_bar("hall", DARK);
    assert_eq!(studio.api.state_of("hall")["source"], "test picture");
    assert_eq!(studio.config()["error"], Value::Null, "what was given up is not wanted any more");
    // The daemon knows where it is: back is a change.
    studio.edit(HALL);
    studio.wait_for_bar("hall", BRIGHT);
    studio.api.assert_painting_of("hall", 15);
    studio.close();
}

#[test]
fn streams_come_go_and_start_anew_as_the_config_says() {
    let studio = Studio::open(HALL, &["--strength", "0.75"]);
    let api = &studio.api;
    let recorded = "output.record = \"{folder}/lobby.mkv\"\n";
    studio.edit(&format!("{HALL}{LOBBY}{recorded}"));
    api.wait_for_status("lobby", "running");
    assert_eq!(api.state_of("lobby")["look"]["strength"], 0.75, "flags win over a config that is read again");
    assert_eq!(studio.seen_at("lobby").as_deref(), Some("h264,320,180"));
    api.assert_painting_of("lobby", 10);

    // Another frame rate cannot be had live: this stream alone starts anew, and keeps what it recorded.
    let painted = || api.state_of("hall")["counts"]["painted"].as_u64().unwrap();
    let before = painted();
    studio.edit(&format!("{HALL}{LOBBY}{recorded}source.fps = 10\n"));
    until("it runs anew", || {
        api.state_of("lobby")["nominal_fps"] == 10 && api.state_of("lobby")["status"] == "running"
    });
    api.assert_painting_of("lobby", 10);
    assert!(painted() > before);

    // Its end is the end of its path, not of the port.
    studio.edit(HALL);
    until("it is gone", || api.get("/api/v1/streams/lobby").status == 404);
    until("its path is gone", || studio.seen_at("lobby").is_none());
    assert_eq!(studio.seen_at("hall").as_deref(), Some("h264,320,180"));
    for name in ["lobby.mkv", "lobby-2.mkv"] {
        let times = packet_times(studio.path(name).to_str().unwrap(), "v");
        assert!(times.len() >= 5, "{name}: {} pictures", times.len());
    }

    // SIGHUP reads it again, changed or not.
    let config = studio.config();
    studio.run.signal("HUP");
    studio.wait_until_taken(&config);
    assert!(painted() > before);
    api.assert_painting_of("hall", 5);
    studio.close();
}

#[test]
fn a_stream_whose_source_is_silent_is_shown_as_it_was() {
    let port = free_port();
    let sent = format!("http://127.0.0.1:{port}/far.ts");
    let picture = ["-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc=s=320x180:r=15", "-c:v", "libx264"];
    let encoded = ["-preset", "ultrafast", "-tune", "zerolatency", "-g", "15", "-f", "mpegts", "-listen", "1", &sent];
    let send = || Killed(Command::new("ffmpeg").args(picture).args(encoded).stdin(Stdio::null()).spawn().unwrap());
    let mut sender = send();
    let studio = Studio::open(&format!("{HALL}{LOBBY}source.input = \"{sent}\"\n"), &[]);
    until("lobby is running", || {
        // It ends with its first client; on a busy machine the stream may open its source twice.
        if sender.0.try_wait().unwrap().is_some() {
            sender = send();
        }
        studio.api.state_of("lobby")["status"] == "running"
    });
    let stop = ["-STOP", &sender.0.id().to_string()];
    assert!(Command::new("kill").args(stop).status().unwrap().success());
    until("nothing comes any more", || studio.api.state_of("lobby")["counts"]["held"].as_u64() > Some(0));
    assert_eq!(studio.seen_at("lobby").as_deref(), Some("h264,320,180"), "the latest picture stays");
    assert_eq!(studio.seen_at("hall").as_deref(), Some("h264,320,180"));
    studio.close();
}

#[test]
fn another_network_comes_while_the_stream_runs_on() {
    let hall = format!("{HALL}output.record = \"{{folder}}/take.mkv\"\n");
    let studio = Studio::open(&hall, &[]);
    let api = &studio.api;
    let state = || api.state_of("hall");
    let paint = |network: &str, style: &str| format!("{hall}paint = {{ network = {network:?}, styles = {style:?} }}\n");
    let outside = studio.networks.path().join("sizes.onnx").display().to_string();
    let mut painted = 0;
    for (paint, network) in [
        (paint("single", "plain"), "single"),
        (paint(&outside, "waves"), "sizes"),
        (hall.clone(), "pair"),
        (format!("{hall}paint.network = \"pair\"\n"), "pair"),
        (paint("flipped", "flipped"), "flipped"),
    ] {
        let config = studio.config();
        studio.edit(&paint);
        studio.wait_until_taken(&config);
        until(&format!("{network} paints"), || state()["network"] == network);
        // What is changed by hand then does not ask for another network.
        let strength = r#"{"strength": 1}"#;
        assert_eq!(api.json("PATCH", "/api/v1/streams/hall/look", strength).value()["network"], network);
        let now = state()["counts"]["painted"].as_u64().unwrap();
        assert!(now >= painted, "the stream began anew");
        painted = now;
    }
    studio.edit(&paint("broken", "lost"));
    let told = |words: &str| studio.config()["error"].as_str().is_some_and(|error| error.contains(words));
    until("a network that does not load is told", || told("broken.onnx"));
    api.assert_painting_of("hall", 5);
    assert_eq!((&state()["network"], &state()["counts"]["reconnects"]), (&json!("flipped"), &json!(0)));
    let folder = studio.folder.path().to_path_buf();
    assert_eq!(studio.run.interrupt().code, Some(0));
    let recorded: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().map(|file| file.file_name()).collect();
    assert!(recorded.iter().filter(|name| name.to_string_lossy().ends_with(".mkv")).count() == 1, "{recorded:?}");
}

#[test]
fn outputs_change_while_the_stream_runs_on() {
    let studio = Studio::open(HALL, &[]);
    let api = &studio.api;
    let state = || api.state_of("hall");
    let painted = || state()["counts"]["painted"].as_u64().unwrap();
    api.assert_painting_of("hall", 45);
    let url = studio.url("hall");
    let watch = ["-v", "error", "-nostdin", "-rtsp_transport", "tcp", "-i", &url, "-f", "null", "-"];
    let mut client = Killed(Command::new("ffmpeg").args(watch).stdin(Stdio::null()).spawn().unwrap());
    until("the client is counted", || state()["outputs"][0]["clients"] == 1);

    // A recording comes, its name and quality change, and it goes; who watches does not notice.
    for (recorded, file) in
        [("crf = 30\noutput.record = \"{folder}/a.mkv\"", "a.mkv"), ("record = \"{folder}/b.mp4\"", "b.mp4")]
    {
        let before = painted();
        studio.edit(&format!("{HALL}output.{recorded}\n"));
        until("it is recorded", || state()["recording"].as_str().is_some_and(|name| name.ends_with(file)));
        assert!(painted() >= before, "the stream began anew");
        api.assert_painting_of("hall", 10);
    }
    studio.edit(HALL);
    until("the recording is over", || state()["recording"] == Value::Null);
    for name in ["a.mkv", "b.mp4"] {
        let times = packet_times(studio.path(name).to_str().unwrap(), "v");
        assert!(times.len() >= 10, "{name}: {} pictures", times.len());
    }
    assert_eq!(state()["outputs"][0]["clients"], 1);
    assert!(client.0.try_wait().unwrap().is_none(), "who watches was sent away");

    let preview = format!("http://{}/api/v1/streams/hall/preview?which=source", api.address);
    for own in [&url, &url.replace("rtsp://", "rtspt://"), &url.replace("127.0.0.1", "localhost"), &preview] {
        let own = json!({ "source": own }).to_string();
        api.json("POST", "/api/v1/streams/hall/source", &own).assert_problem(422, "is what this stream itself serves");
    }
    // In the config too, which is not known to be wrong before the server runs.
    studio.edit(&format!("{HALL}source.input = {preview:?}\n"));
    let told = |words: &str| studio.config()["error"].as_str().is_some_and(|error| error.contains(words));
    until("its own preview is refused", || told("is what this stream itself serves"));
    studio.edit(HALL);
    until("it is taken back", || studio.config()["error"].is_null());

    // A path that is moved, and a port that is taken: the old path comes back.
    let before = painted();
    studio.edit(&format!("{HALL}output.rtsp = \"127.0.0.1:{{port}}/moved\"\n"));
    until("it is served elsewhere", || studio.seen_at("moved").as_deref() == Some("h264,320,180"));
    assert_eq!(studio.seen_at("hall"), None);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = taken.local_addr().unwrap();
    let watch_there = ["-v", "error", "-nostdin", "-rtsp_transport", "tcp", "-i", &studio.url("moved")];
    let mut client = Killed(
        Command::new("ffmpeg").args(watch_there).args(["-f", "null", "-"]).stdin(Stdio::null()).spawn().unwrap(),
    );
    let is_rtsp = |output: &&Value| output["kind"] == "rtsp";
    let clients = || state()["outputs"].as_array().unwrap().iter().find(is_rtsp).unwrap()["clients"].clone();
    until("the client is counted", || clients() == 1);
    studio.edit(&format!("{HALL}output.rtsp = \"{there}/moved\"\n"));
    until("it is refused", || studio.config()["error"].as_str().is_some_and(|error| error.contains("it is in use")));
    assert_eq!(clients(), 1, "who watches was sent away before the new address could be had");
    // Until it is free: who watches the old one meanwhile is left alone by further tries, which are not told.
    api.assert_painting_of("hall", 60);
    assert!(client.0.try_wait().unwrap().is_none(), "who watches was sent away");
    drop(taken);
    until("it is served there", || seen_at(&format!("rtsp://{there}/moved")).as_deref() == Some("h264,320,180"));
    until("the refusal is over", || studio.config()["error"] == Value::Null);
    assert_eq!(studio.seen_at("moved"), None);
    let folder = studio.path("late");
    studio.edit(&format!("{HALL}output.record = \"{{folder}}/late/a.mkv\"\n"));
    until("no folder", || studio.config()["error"].as_str().is_some_and(|error| error.contains("late/a.mkv: cannot")));
    std::fs::create_dir(&folder).unwrap();
    until("it is recorded", || state()["recording"].as_str().is_some_and(|name| name.ends_with("late/a.mkv")));
    api.assert_painting_of("hall", 10);
    studio.edit(HALL);
    until("it is back", || studio.seen_at("hall").as_deref() == Some("h264,320,180"));
    assert!(painted() >= before, "the stream began anew");
    let ended = studio.run.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let told = |words: &str| ended.events.iter().filter(|event| event["error"].to_string().contains(words)).count();
    assert_eq!((told("it is in use"), told("late/a.mkv")), (1, 1), "each is told once");
}

#[test]
fn what_cannot_be_for_several_streams_names_both() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("two.toml");
    std::fs::write(&file, format!("[source]\ninput = \"test\"\n{HALL}{}", LOBBY.replace("negative", "photo"))).unwrap();
    let file = file.to_str().unwrap();
    let fine = run(&["check", file]);
    assert!(fine.code == 0 && fine.stdout.contains("stream lobby"), "{fine:?}");
    // A flag acts on every stream.
    for flags in [["--record", "a.mkv"], ["--rtsp", "127.0.0.1:8554/live"]] {
        let refused = run(&[&["run", "--config", file], &flags[..]].concat());
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.stderr.contains("streams `hall` and `lobby` are both"), "{}", refused.stderr);
    }
}

#[test]
fn a_daemon_whose_streams_never_come_ends_when_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("impasto.toml");
    std::fs::write(&config, "[source]\ninput = \"missing.mp4\"\n[output]\nrtsp = \"off\"\n").unwrap();
    let ended = Running::start(&["--config", config.to_str().unwrap(), "--http", "off", "--duration", "1"]).end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(ended.events.iter().any(|event| event.to_string().contains("missing.mp4")), "{:?}", ended.events);
}
