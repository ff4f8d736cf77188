//! Streams that are pushed: what real servers receive, when the connection is lost and comes back, and that no key is told.

mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::http::Api;
use common::*;
use serde_json::json;

const KEY: &str = "hunter2";

/// A server that takes one stream and writes it into `file`; RTMP by ffmpeg, SRT by GStreamer.
struct Server(Child);

impl Server {
    fn rtmp(port: u16, file: &Path) -> Self {
        let url = format!("rtmp://127.0.0.1:{port}/live/{KEY}");
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-nostdin", "-y", "-listen", "1", "-i", &url, "-c", "copy"]).arg(file);
        Self::spawn(ffmpeg)
    }

    fn srt(port: u16, file: &Path) -> Self {
        let mut launch = Command::new("gst-launch-1.0");
        launch.args(["-q", "-e", "srtsrc", &format!("uri=srt://127.0.0.1:{port}?mode=listener")]);
        launch.args(["!", "filesink", "buffer-mode=unbuffered", &format!("location={}", file.display())]);
        Self::spawn(launch)
    }

    fn spawn(mut command: Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it is installed"))
    }

    /// Waits until the stream is over for it.
    fn end(mut self) {
        until("the server has ended", || self.0.try_wait().expect("a child").is_some());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

fn push_of(api: &Api) -> serde_json::Value {
    let state = api.state();
    let outputs = state["outputs"].as_array().expect("a list").iter().find(|output| output["kind"] == "push");
    outputs.cloned().unwrap_or_default()
}

fn wait_until_connected(api: &Api) {
    until("it is connected", || push_of(api)["clients"] == 1);
}

fn add(api: &Api, url: &str) -> http::Answer {
    api.json("POST", "/api/v1/streams/live/outputs", &json!({ "type": "push", "url": url }).to_string())
}

#[test]
fn a_server_gets_pictures_and_sound_and_a_new_one_after_it_was_away() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mkv");
    flash_and_beep(&clip, 4);
    let config = folder.path().join("push.toml");
    let port = free_port();
    let url = format!("rtmp://127.0.0.1:{port}/live/{KEY}");
    let text = format!(
        "[source]\ninput = {clip:?}\nloop = true\n[paint]\nsize = \"64x36\"\n[output]\nrtsp = \"off\"\n\
         [[output.also]]\ntype = \"push\"\nurl = \"{url}\"\n"
    );
    std::fs::write(&config, text).unwrap();
    // Nobody is there yet.
    let (run, api) = Api::start(&["--config", config.to_str().unwrap()]);
    let failed = run.wait_for("the failure", |event| event["event"] == "failed");
    assert!(failed.to_string().contains("it is tried again until it works"), "{failed}");
    api.assert_painting(10);
    assert_eq!(push_of(&api)["clients"], 0);
    let away = push_of(&api);
    assert!(away["error"].is_string() && !away.to_string().contains(KEY), "{away}");

    for name in ["first.mkv", "second.mkv"] {
        let file = folder.path().join(name);
        let server = Server::rtmp(port, &file);
        wait_until_connected(&api);
        assert!(push_of(&api)["error"].is_null());
        api.assert_painting(60);
        if name == "first.mkv" {
            // It goes without a word; the stream goes on.
            drop(server);
            until("the loss is noticed", || push_of(&api)["clients"] == 0);
            api.assert_painting(10);
        } else {
            let removed = api.ask(
                "DELETE",
                &format!("/api/v1/streams/live/outputs/{}", push_of(&api)["id"].as_str().unwrap()),
                &[],
                b"",
            );
            assert_eq!(removed.status, 200, "{}", removed.text());
            server.end();
            let (pictures, sound) =
                (packet_times(file.to_str().unwrap(), "v"), packet_times(file.to_str().unwrap(), "a"));
            assert_rising(&pictures);
            assert!(pictures.len() > 40 && sound.len() > 60, "{} pictures, {} of sound", pictures.len(), sound.len());
            assert_eq!(probe(file.to_str().unwrap(), "v", "stream=codec_name"), "h264");
            assert_eq!(probe(file.to_str().unwrap(), "a", "stream=codec_name"), "aac");
        }
    }
    let told = [api.get("/api/v1/streams").text(), api.get("/metrics").text(), run.errors()].concat();
    assert!(!told.contains(KEY), "{told}");
    assert!(told.contains("/live/***"), "{told}");
    assert_eq!(run.interrupt().code, Some(0));
}

#[test]
fn an_srt_server_gets_what_is_added_while_the_stream_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (run, api) = Api::start(&["--source", "test", "--rtsp", "off", "--size", "64x36"]);
    let (port, file) = (free_port(), folder.path().join("taken.ts"));
    let server = Server::srt(port, &file);
    let url = format!("srt://127.0.0.1:{port}?streamid=publish:{KEY}");
    let added = add(&api, &url);
    assert!(added.status == 200 && !added.text().contains(KEY), "{}", added.text());
    wait_until_connected(&api);
    add(&api, &url).assert_problem(409, "such an output already");
    api.assert_painting(90);
    let told = [api.get("/api/v1/streams").text(), run.errors()].concat();
    assert!(!told.contains(KEY), "{told}");
    assert_eq!(run.interrupt().code, Some(0));
    drop(server);
    let (pictures, sound) = (packet_times(file.to_str().unwrap(), "v"), packet_times(file.to_str().unwrap(), "a"));
    assert!(pictures.len() > 60, "{} pictures", pictures.len());
    assert!(sound.len() > 60, "silence, where there is no sound: {} packets", sound.len());
}

#[test]
fn what_cannot_be_pushed_to_is_refused_without_its_key() {
    let (run, api) = Api::start(&["--source", "test", "--rtsp", "off", "--size", "64x36"]);
    for (url, says) in [
        (format!("http://127.0.0.1/live?key={KEY}"), "rtmp://, rtmps:// or srt://"),
        ("rtmp://127.0.0.1/live".into(), "wants rtmp://HOST/APP/KEY"),
        (format!("srt://127.0.0.1?streamid={KEY}"), "no usual port"),
    ] {
        let refused = add(&api, &url);
        assert!(!refused.text().contains(KEY), "{}", refused.text());
        refused.assert_problem(422, says);
    }
    // On the command line others could read it.
    let server = format!("http://{}", api.address);
    let shown = common::run(&["ctl", "--server", &server, "add-output", "push", "rtmp://127.0.0.1/live/key"]);
    assert!(shown.code == 2 && shown.stderr.contains("standard input"), "{}", shown.stderr);
    assert_eq!(run.interrupt().code, Some(0));
}
