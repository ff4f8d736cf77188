//! The RTSP output as real clients see it: ffmpeg over TCP and UDP, GStreamer's rtspsrc, alone and together.

mod common;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::http::Api;
use common::rtsp::RtspClient;
use common::*;

/// Painting small keeps the tests quick on a busy machine; the picture keeps its size.
const SMALL: [&str; 2] = ["--size", "160x96"];

fn address(port: u16) -> (String, String) {
    (format!("127.0.0.1:{port}/live"), format!("rtsp://127.0.0.1:{port}/live"))
}

/// Copies `seconds` of the stream into a file.
fn watch(transport: &str, url: &str, seconds: u32, file: &Path) -> Killed {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y", "-rtsp_transport", transport, "-i", url]);
    command.args(["-t", &seconds.to_string(), "-c", "copy"]).arg(file);
    Killed(command.stdin(Stdio::null()).spawn().expect("ffmpeg starts"))
}

#[test]
fn several_clients_watch_at_once_come_late_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let (address, url) = address(free_port());
    let run =
        Running::start(&[&["--source", "test", "--rtsp", &address, "--style", "starry_night"], &SMALL[..]].concat());
    let run = run.started();

    let file = |name: &str| folder.path().join(name);
    let mut first = watch("tcp", &url, 6, &file("tcp.mkv"));
    let mut second = watch("udp", &url, 6, &file("udp.mkv"));
    let mut stalled = watch("tcp", &url, 60, &file("stalled.mkv"));
    run.wait_for_status("three clients", |status| status["clients"] == 3);
    // One stops reading without closing its connection; the others must not notice.
    send_signal(&stalled.0, "STOP");
    let mut late = watch("tcp", &url, 4, &file("late.mkv"));
    let size = tool(
        "ffprobe",
        &[
            "-v",
            "error",
            "-rtsp_transport",
            "udp",
            "-show_entries",
            "stream=codec_name,width,height",
            "-of",
            "csv=p=0",
            &url,
        ],
    );
    assert_eq!(size.trim(), "h264,640,360");
    for client in [&mut first, &mut second, &mut late] {
        assert!(wait(&mut client.0, PATIENCE).success());
    }
    for name in ["tcp.mkv", "udp.mkv", "late.mkv"] {
        let times = packet_times(file(name).to_str().unwrap(), "v");
        // ffmpeg gives the first packet of a stream no time of its own.
        assert_rising(&times[1..]);
        let longest = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
        assert!(times.len() >= 60, "{name}: {} pictures", times.len());
        assert!(longest < 0.5, "{name}: nothing for {longest} s");
        // The first packet is a picture that can be shown at once, not the middle of a group.
        let flags = probe(file(name).to_str().unwrap(), "v", "packet=flags");
        assert!(flags.starts_with('K'), "{name}: {}", flags.lines().next().unwrap_or_default());
    }

    // All go, one of them without a word; then somebody comes again.
    stalled.0.kill().unwrap();
    drop(stalled);
    run.wait_for_status("no client", |status| status["clients"] == 0);
    let mut again = watch("tcp", &url, 2, &file("again.mkv"));
    assert!(wait(&mut again.0, PATIENCE).success());
    assert!(packet_times(file("again.mkv").to_str().unwrap(), "v").len() >= 30);

    let ended = run.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
}

#[test]
fn who_comes_when_the_sound_is_over_sees_pictures_and_hears_silence() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mkv");
    let (picture, sound) = ("testsrc=s=64x36:r=15:d=600", "sine=440:r=48000:d=1");
    let codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "15", "-c:a", "aac"];
    ffmpeg(
        &[&["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound], &codecs[..], &[clip.to_str().unwrap()]].concat(),
    );
    let (address, url) = address(free_port());
    let (run, api) = Api::start(&["--source", clip.to_str().unwrap(), "--rtsp", &address, "--size", "64x36"]);
    let watched = |name: &str| {
        let file = folder.path().join(name);
        assert!(wait(&mut watch("tcp", &url, 2, &file).0, PATIENCE).success(), "{name}");
        let [pictures, sound] = ["v", "a"].map(|kind| packet_times(file.to_str().unwrap(), kind));
        assert!(
            pictures.len() >= 15 && sound.len() >= 25,
            "{name}: {} pictures, {} of sound",
            pictures.len(),
            sound.len()
        );
    };
    watched("early.mkv");
    // Three seconds of pictures.
    api.wait_for_state("the sound is over", |state| state["counts"]["captured"].as_u64() > Some(60));
    watched("late.mkv");
    let source = r#"{"source": "test"}"#;
    assert_eq!(api.json("POST", "/api/v1/streams/live/source", source).status, 200);
    api.assert_painting(30);
    watched("another.mkv");
    assert_eq!(run.interrupt().code, Some(0));
}

#[test]
fn who_comes_when_the_last_one_has_just_left_is_served() {
    let port = free_port();
    let run = Running::start(&[&["--source", "test", "--rtsp", &address(port).0], &SMALL[..]].concat()).started();
    for _ in 0..10 {
        let asked = RtspClient::connect(port).ask("DESCRIBE", "/live", "Accept: application/sdp\r\n");
        assert_eq!(asked.status, 200, "{asked:?}");
    }
    assert_eq!(run.interrupt().code, Some(0));
}

#[test]
fn all_are_fed_whatever_they_asked_by_and_whoever_leaves() {
    let port = free_port();
    let run = Running::start(&[&["--source", "test", "--rtsp", &address(port).0], &SMALL[..]].concat()).started();
    let mut plain = RtspClient::connect(port);
    assert_eq!(plain.ask("DESCRIBE", "/live", "Accept: application/sdp\r\n").status, 200);
    plain.play("/live", "/stream=0");
    plain.assert_fed("alone");

    let mut query = RtspClient::connect(port);
    assert_eq!(query.ask("DESCRIBE", "/live?x=1", "Accept: application/sdp\r\n").status, 200);
    query.play("/live", "/stream=0?x=1");
    query.assert_fed("with a query");
    plain.assert_fed("after a query");

    let mut blunt = RtspClient::connect(port);
    blunt.play("/live", "/stream=0");
    blunt.assert_fed("without DESCRIBE");
    plain.assert_fed("after a SETUP without DESCRIBE");
    query.assert_fed("after a SETUP without DESCRIBE");

    let mut lost = RtspClient::connect(port);
    let answer = lost.ask("SETUP", "/live/stream=7", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
    assert_eq!(answer.status, 404, "{answer:?}");
    plain.assert_fed("after a SETUP of nothing");
    run.wait_for_status("three clients", |status| status["clients"] == 3);

    drop(query);
    drop(lost);
    run.wait_for_status("two clients", |status| status["clients"] == 2);
    plain.assert_fed("after two have left");
    drop(plain);
    blunt.assert_fed("as the last one");
    let mut again = RtspClient::connect(port);
    drop(blunt);
    again.play("/live", "/stream=0?y");
    again.assert_fed("after all others have left");
    assert_eq!(run.interrupt().code, Some(0));
}

#[test]
fn an_encoder_that_fails_is_told_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    for kind in ["capture", "output"] {
        std::fs::create_dir(folder.path().join(kind)).unwrap();
        for file in std::fs::read_dir(project("pipelines").join(kind)).unwrap().flatten() {
            std::fs::copy(file.path(), folder.path().join(kind).join(file.file_name())).unwrap();
        }
    }
    let template = folder.path().join("output/rtsp.launch");
    let text = std::fs::read_to_string(&template).unwrap();
    let breaks = text.replace("! rtph264pay", "! identity error-after=40 ! rtph264pay");
    assert_ne!(breaks, text);
    std::fs::write(&template, breaks).unwrap();

    let port = free_port();
    let pipelines = ["--pipelines", folder.path().to_str().unwrap()];
    let source = ["--source", "test", "--rtsp", &address(port).0];
    let run = Running::start(&[&source[..], &pipelines, &SMALL].concat()).started();
    for _ in 0..2 {
        let mut client = RtspClient::connect(port);
        client.play("/live", "/stream=0");
        let failed = run.wait_for("the failure", |event| event["event"] == "failed");
        let what = failed["what"].as_str().unwrap();
        assert!(what.contains("/live: ") && what.contains("Failed after iterations as requested"), "{what}");
        while client.packet().is_ok() {}
    }
    assert_eq!(run.interrupt().code, Some(0));
}

#[test]
fn the_stream_is_painted_and_decodes_without_a_complaint() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mp4");
    let (clip, photograph) = (clip.to_str().unwrap(), "models/showcase/astronaut.jpg");
    // One picture again and again, so that the moment of a client's coming does not matter.
    let filter = "scale=480:360,format=yuv420p";
    ffmpeg(&["-loop", "1", "-i", photograph, "-vf", filter, "-t", "10", "-r", "25", "-c:v", "libx264", clip]);
    let size = (160, 120);
    let source = gray_frame(&["-i", clip], 0, size);
    let painted_in = |style: &str| {
        let (address, url) = address(free_port());
        let run = Running::start(&["--source", clip, "--loop", "--rtsp", &address, "--style", style]).started();
        let picture = gray_frame(&["-rtsp_transport", "tcp", "-i", &url], 5, size);
        let watch = ["-v", "warning", "-nostdin", "-rtsp_transport", "udp", "-i", &url, "-t", "3", "-f", "null", "-"];
        let complaints = output_of(Command::new("ffmpeg").args(watch)).stderr;
        assert_eq!(String::from_utf8_lossy(&complaints), "");
        assert_eq!(run.interrupt().code, Some(0));
        difference(&source, &picture)
    };
    let (unpainted, painted) = (painted_in("photo"), painted_in("starry_night"));
    assert!(painted > 10.0 && painted > 1.5 * unpainted, "painted: {painted}, unpainted: {unpainted}");
}

#[test]
fn gstreamer_clients_over_tcp_and_udp_get_rising_times() {
    let (address, url) = address(free_port());
    let run = Running::start(&[&["--source", "showcase", "--rtsp", &address], &SMALL[..]].concat()).started();
    for protocol in ["tcp", "udp"] {
        let times = gstreamer_times(&url, protocol, 45);
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{protocol}: {times:?}");
    }
    assert_eq!(run.interrupt().code, Some(0));
}

/// Decodes `count` pictures with GStreamer and returns their times in nanoseconds.
fn gstreamer_times(url: &str, protocol: &str, count: usize) -> Vec<u64> {
    use gstreamer as gst;
    use gstreamer::prelude::*;
    use gstreamer_app as gst_app;
    gst::init().unwrap();
    let text = format!(
        "rtspsrc location={url} protocols={protocol} latency=50 ! rtph264depay ! avdec_h264 ! appsink name=sink sync=false"
    );
    let pipeline = gst::parse::launch(&text).unwrap().downcast::<gst::Pipeline>().unwrap();
    let sink = pipeline.by_name("sink").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let pull = || {
        let sample = sink.try_pull_sample(gst::ClockTime::from_mseconds(PATIENCE.as_millis() as u64));
        sample.expect("a picture").buffer().unwrap().pts().unwrap().nseconds()
    };
    let times = (0..count).map(|_| pull()).collect();
    pipeline.set_state(gst::State::Null).unwrap();
    times
}

#[test]
fn sound_comes_with_its_picture_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("flash.mkv");
    flash_and_beep(&clip, 6);
    let source = ["--source", clip.to_str().unwrap(), "--loop", "--style", "photo"];

    let (address, url) = address(free_port());
    let recording = folder.path().join("recorded.mp4");
    let run = Running::start(&[&source[..], &["--rtsp", &address, "--record", recording.to_str().unwrap()]].concat());
    let run = run.started();
    for transport in ["tcp", "udp"] {
        let seen = folder.path().join(format!("{transport}.mkv"));
        let mut client = watch(transport, &url, 7, &seen);
        assert!(wait(&mut client.0, PATIENCE).success());
        assert_in_sync(transport, sound_delays(seen.to_str().unwrap()), 4);
    }
    assert_eq!(run.interrupt().code, Some(0));
    assert_in_sync("recording", sound_delays(recording.to_str().unwrap()), 10);

    let (address, url) = self::address(free_port());
    let run = Running::start(&[&source[..], &["--rtsp", &address, "--no-sound"]].concat()).started();
    let kinds = tool(
        "ffprobe",
        &["-v", "error", "-rtsp_transport", "tcp", "-show_entries", "stream=codec_type", "-of", "csv=p=0", &url],
    );
    assert_eq!(kinds.trim(), "video");
    assert_eq!(run.interrupt().code, Some(0));

    // A source with sound takes the place of one without: who comes from then on has it.
    let (address, url) = self::address(free_port());
    let (run, api) = Api::start(&["--source", "test", "--rtsp", &address, "--style", "photo"]);
    assert_eq!(api.state()["sound"], false);
    let source = serde_json::json!({ "source": clip.to_str().unwrap() }).to_string();
    assert_eq!(api.json("POST", "/api/v1/streams/live/source", &source).status, 200);
    until("there is sound", || api.state()["sound"] == true);
    let seen = folder.path().join("later.mkv");
    let mut client = watch("tcp", &url, 7, &seen);
    assert!(wait(&mut client.0, PATIENCE).success());
    assert_in_sync("sound that began later", sound_delays(seen.to_str().unwrap()), 4);
    assert_eq!(run.interrupt().code, Some(0));
}

/// Sound and picture are within 40 ms of each other: the median of at least `count` beeps, so that a flash whose first
/// frame a busy machine dropped does not count as late.
fn assert_in_sync(what: &str, mut delays: Vec<f64>, count: usize) {
    delays.sort_by(f64::total_cmp);
    eprintln!("{what}: sound after picture by {:.3?} s", delays);
    assert!(delays.len() >= count, "{what}: {} beeps of at least {count}", delays.len());
    assert!(delays[delays.len() / 2].abs() <= 0.040, "{what}: {delays:?}");
}

#[test]
fn a_late_client_gets_a_picture_at_once() {
    let (address, url) = address(free_port());
    let run = Running::start(&[&["--source", "test", "--rtsp", &address], &SMALL[..]].concat()).started();
    let folder = tempfile::tempdir().unwrap();
    let _watching = watch("tcp", &url, 60, &folder.path().join("first.mkv"));
    run.wait_for_status("a first client", |status| status["clients"] == 1);
    // Key frames come once a second by themselves. Joining at seven different moments, nobody waits for one.
    for _ in 0..7 {
        let times = gstreamer_times(&url, "tcp", 2);
        assert!(times[1] - times[0] < 500_000_000, "{times:?}");
        std::thread::sleep(Duration::from_millis(137));
    }
    assert_eq!(run.interrupt().code, Some(0));
}
