//! The sources of `impasto run`: files once and again, HTTP, RTSP that goes and comes back, sizes that change, and
//! everything that cannot be a source.

mod common;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use common::*;

/// Painting small keeps the tests quick on a busy machine; the picture keeps its size.
const SMALL: [&str; 2] = ["--size", "160x96"];

/// A clip of the test picture, in a container and at a size of choice.
fn test_clip(file: &Path, size: &str, seconds: u32) {
    let picture = format!("testsrc2=s={size}:r=25:d={seconds}");
    let sound = format!("sine=440:r=48000:d={seconds}");
    let inputs = ["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound];
    let codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25", "-c:a", "aac"];
    ffmpeg(&[&inputs[..], &codecs, &[file.to_str().unwrap()]].concat());
}

/// Starts `impasto run` on `source` with a recording and no RTSP.
fn record(source: &str, recording: &Path, more: &[&str]) -> Running {
    let args = ["--source", source, "--rtsp", "off", "--record", recording.to_str().unwrap()];
    Running::start(&[&args[..], &SMALL, more].concat()).started()
}

/// Where every frame of a stream that ended in good order went: (captured, recorded).
fn accounts(ended: &Ended, recording: &Path) -> (u64, u64) {
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let stopped = ended.events.iter().find(|event| event["event"] == "stopped").expect("a last word");
    let count = |key: &str| stopped[key].as_u64().unwrap();
    let times = packet_times(recording.to_str().unwrap(), "v");
    assert_rising(&times);
    let recorded = times.len() as u64;
    assert_eq!(count("captured"), count("painted") + count("dropped_busy") + count("dropped_stale"), "{stopped}");
    assert_eq!(recorded, count("painted") + count("held") - count("dropped_by_outputs"), "{stopped}");
    (count("captured"), recorded)
}

#[test]
fn a_file_plays_once_and_ends_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, recording) = (folder.path().join("clip.mp4"), folder.path().join("recording.mkv"));
    test_clip(&clip, "320x180", 4);
    let ended = record(clip.to_str().unwrap(), &recording, &[]).end();
    let (captured, recorded) = accounts(&ended, &recording);
    assert_eq!(captured, 100, "every frame of the clip was captured");
    assert!(recorded >= 90, "{recorded} of 100 frames recorded");
    // Each recorded time is one of the clip: 0.00, 0.04, 0.08, ...
    let off_grid = |time: &&f64| (*time * 25.0 - (*time * 25.0).round()).abs() > 0.05;
    let times = packet_times(recording.to_str().unwrap(), "v");
    assert_eq!(times.iter().find(off_grid), None);
    let sound = packet_times(recording.to_str().unwrap(), "a");
    assert_rising(&sound);
    assert!(sound[0] < 0.1 && *sound.last().unwrap() > 3.8, "sound from {} to {:?}", sound[0], sound.last());
}

#[test]
fn a_looped_file_goes_on_with_rising_times_and_its_sound() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, recording) = (folder.path().join("clip.mp4"), folder.path().join("recording.mkv"));
    test_clip(&clip, "320x180", 2);
    let run = record(clip.to_str().unwrap(), &recording, &["--loop", "--duration", "9"]);
    let (captured, recorded) = accounts(&run.end(), &recording);
    assert!(captured > 150 && recorded > 140, "{captured} captured and {recorded} recorded: three times and more");
    let sound = packet_times(recording.to_str().unwrap(), "a");
    assert_rising(&sound);
    for (what, times) in [("picture", packet_times(recording.to_str().unwrap(), "v")), ("sound", sound)] {
        let longest = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
        assert!(
            *times.last().unwrap() > 7.0 && longest < if what == "sound" { 0.1 } else { 0.5 },
            "{what}: to {:?}, longest gap {longest}",
            times.last()
        );
    }
}

#[test]
fn a_lost_rtsp_source_is_held_and_comes_back_at_another_size() {
    let folder = tempfile::tempdir().unwrap();
    let server_port = free_port();
    let camera = |width: u32, height: u32| {
        let config = folder.path().join(format!("{width}.toml"));
        let text = format!("[source]\ninput = \"test\"\nwidth = {width}\nheight = {height}\nfps = 15\n");
        std::fs::write(&config, text).unwrap();
        let address = format!("127.0.0.1:{server_port}/camera");
        Running::start(&[&["--config", config.to_str().unwrap(), "--rtsp", &address], &SMALL[..]].concat()).started()
    };
    let first = camera(320, 240);
    let port = free_port();
    let (source, address) = (format!("rtsp://127.0.0.1:{server_port}/camera"), format!("127.0.0.1:{port}/live"));
    let run = Running::start(&[&["--source", &source, "--rtsp", &address], &SMALL[..]].concat()).started();
    let seen = folder.path().join("seen.mkv");
    let url = format!("rtsp://{address}");
    let mut client = Command::new("ffmpeg");
    client.args(["-v", "error", "-nostdin", "-y", "-rtsp_transport", "tcp", "-i", &url, "-c", "copy"]).arg(&seen);
    let mut client = Killed(client.stdin(Stdio::null()).spawn().unwrap());
    run.wait_for_status("a client", |status| status["clients"] == 1);

    first.signal("KILL");
    let _ = first.end();
    let lost = run.wait_for_status("a held picture", |status| {
        status["held"].as_u64() > Some(10) && status["reconnects"].as_u64() > Some(0)
    });
    let second = camera(640, 360);
    let before = lost["captured"].as_u64().unwrap();
    run.wait_for_status("the source is back", |status| status["captured"].as_u64() > Some(before + 20));
    send_signal(&client.0, "INT");
    wait(&mut client.0, PATIENCE);
    assert_eq!(run.interrupt().code, Some(0));
    drop(second);

    let seen = seen.to_str().unwrap();
    assert_eq!(probe(seen, "v", "stream=width,height"), "320,240");
    let times = packet_times(seen, "v");
    assert_rising(&times[1..]);
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    assert!(longest < 1.5, "the client saw nothing for {longest} s");
    let sizes = tool(
        "ffprobe",
        &["-v", "error", "-select_streams", "v", "-show_entries", "frame=width,height", "-of", "csv=p=0", seen],
    );
    assert!(sizes.lines().filter(|line| !line.is_empty()).all(|line| line.starts_with("320,240")));
}

#[test]
fn a_stream_that_changes_its_size_keeps_the_output_size() {
    let folder = tempfile::tempdir().unwrap();
    let parts = [("a.ts", "320x180"), ("b.ts", "640x480"), ("c.ts", "160x120")];
    let mut all = Vec::new();
    for (name, size) in parts {
        let file = folder.path().join(name);
        test_clip(&file, size, 2);
        all.extend(std::fs::read(file).unwrap());
    }
    let (clip, recording) = (folder.path().join("all.ts"), folder.path().join("recording.mkv"));
    std::fs::write(&clip, all).unwrap();
    let ended = record(clip.to_str().unwrap(), &recording, &["--no-sound"]).end();
    let (captured, recorded) = accounts(&ended, &recording);
    assert!(captured >= 145 && recorded >= 130, "{captured} captured, {recorded} recorded of 150");
    let recording = recording.to_str().unwrap();
    assert_eq!(probe(recording, "v", "stream=width,height"), "320,180");
    // The picture of the last part is there, fitted in: its sides are black borders, its middle is not.
    let last = gray_frame(&["-sseof", "-0.5", "-i", recording], 0, (320, 180));
    let column = |x: usize| (0..180).map(|y| f64::from(last[y * 320 + x])).sum::<f64>() / 180.0;
    assert!(column(160) > 60.0, "the middle has a picture");
}

/// A server of the files in a folder, once it answers.
fn serve_over_http(folder: &Path, port: u16) -> Killed {
    let mut server = Command::new("python3");
    server.args(["-m", "http.server", &port.to_string(), "--bind", "127.0.0.1", "--directory"]).arg(folder);
    let server = Killed(server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("python3"));
    until("the server answers", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    server
}

#[test]
fn an_hls_stream_is_played_held_while_its_server_is_away_and_played_on() {
    let folder = tempfile::tempdir().unwrap();
    let (list, recording) = (folder.path().join("live.m3u8"), folder.path().join("recording.mkv"));
    let picture = ["-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=15"];
    let codec = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "15"];
    let segments = ["-f", "hls", "-hls_time", "1", "-hls_list_size", "6", "-hls_flags", "delete_segments"];
    let mut camera = Command::new("ffmpeg");
    let camera = camera.args(picture).args(codec).args(segments).arg(&list).stdin(Stdio::null()).spawn();
    let _camera = Killed(camera.expect("ffmpeg"));
    // Players begin three segments before the end.
    let has_segments = || std::fs::read_to_string(&list).is_ok_and(|list| list.matches(".ts").count() >= 4);
    until("some segments", has_segments);
    let port = free_port();
    let server = serve_over_http(folder.path(), port);
    let run = record(&format!("http://127.0.0.1:{port}/live.m3u8"), &recording, &[]);
    run.wait_for_status("pictures", |status| status["captured"].as_u64() > Some(60));
    drop(server);
    let lost = run.wait_for_status("a held picture", |status| {
        status["held"].as_u64() > Some(30) && status["reconnects"].as_u64() > Some(0)
    });
    let _server = serve_over_http(folder.path(), port);
    let before = lost["captured"].as_u64().unwrap();
    run.wait_for_status("the stream is back", |status| status["captured"].as_u64() > Some(before + 60));
    let (captured, recorded) = accounts(&run.interrupt(), &recording);
    assert!(captured > 120 && recorded > 120, "{captured} captured and {recorded} recorded");
}

#[test]
fn a_file_over_http_plays_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording.mkv");
    test_clip(&folder.path().join("clip.mp4"), "320x180", 3);
    let port = free_port();
    let _server = serve_over_http(folder.path(), port);
    let ended = record(&format!("http://127.0.0.1:{port}/clip.mp4"), &recording, &[]).end();
    let (captured, recorded) = accounts(&ended, &recording);
    assert!(captured == 75 && recorded >= 65, "{captured} captured and {recorded} recorded of 75");
}

#[test]
fn without_a_camera_the_automatic_source_is_the_showcase_and_a_named_camera_is_an_error() {
    if Path::new("/dev/video0").exists() {
        eprintln!("skipped: this machine has a camera");
        return;
    }
    let run = Running::start(&["--rtsp", "off", "--size", "160x96", "--duration", "0.5"]);
    let started = run.wait_for("the start", |event| event["event"] == "started");
    assert_eq!((&started["source"], &started["picture"]), (&"showcase".into(), &"640x360".into()));
    assert_eq!(run.end().code, Some(0));
    for (source, says) in [
        ("camera", "no camera found; plug one in, or choose another source with --source"),
        ("camera:7", "camera:7: no camera at /dev/video7; cameras found: none"),
        ("camera:front", "no camera is named `front`; cameras found: none; `impasto devices` lists them"),
    ] {
        let ended = Running::start(&["--source", source, "--rtsp", "off"]).end();
        assert_eq!(ended.code, Some(3), "{source}: {}", ended.errors);
        assert!(ended.errors.contains(says), "{source}: {}", ended.errors);
    }
}

#[test]
fn what_cannot_be_a_source_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    std::fs::write(file("empty.mp4"), "").unwrap();
    std::fs::write(file("text.mp4"), "no media at all\n".repeat(500)).unwrap();
    test_clip(Path::new(&file("whole.mp4")), "320x180", 2);
    let whole = std::fs::read(file("whole.mp4")).unwrap();
    std::fs::write(file("truncated.mp4"), &whole[..whole.len() / 2]).unwrap();
    ffmpeg(&["-f", "lavfi", "-i", "sine=440:d=1", &file("sound.wav")]);
    // A server that takes the connection and never answers is worth waiting for, but not for ever.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let cases = [
        (file("missing.mp4"), "No such file"),
        (file("empty.mp4"), "is empty (0 bytes)"),
        (file("text.mp4"), "text.mp4: "),
        (file("truncated.mp4"), "truncated.mp4: "),
        (file("sound.wav"), "there is no video in it"),
        (file("."), "is a folder, not a media file"),
        ("gopher://example.com/x".into(), "no installed GStreamer element reads such an address"),
        (format!("rtsp://127.0.0.1:{}/none", free_port()), "rtsp://127.0.0.1:"),
        (format!("http://127.0.0.1:{}/none.mp4", free_port()), "http://127.0.0.1:"),
        (format!("rtsp://{}/silent", silent.local_addr().unwrap()), "rtsp://127.0.0.1:"),
    ];
    for (source, says) in cases {
        let ended = Running::start(&["--source", &source, "--rtsp", "off"]).end();
        let last = ended.errors.lines().last().unwrap_or_default();
        assert_eq!(ended.code, Some(3), "{source}: {}", ended.errors);
        assert!(last.starts_with("impasto: ") && last.contains(says), "{source}: {last}");
        assert!(!ended.errors.contains("panicked"), "{source}: {}", ended.errors);
        eprintln!("{last}");
    }
}

#[test]
fn clips_of_all_kinds_play() {
    let clips = [
        ("moviepy_no_duration.webm", "1280x720"),
        ("webrtc_chrome.ogv", "640x480"),
        ("decord_video_90.mov", "480x270"),
        ("decord_corrupted.mp4", ""),
        ("imageio_cockatoo.mp4", "1280x720"),
    ];
    for (name, size) in clips {
        let Some(clip) = shared_clip(name) else { continue };
        let run = Running::start(
            &[&["--source", clip.to_str().unwrap(), "--rtsp", "off", "--duration", "3"], &SMALL[..]].concat(),
        );
        let ended = run.end();
        assert!(!ended.errors.contains("panicked"), "{name}: {}", ended.errors);
        assert!(matches!(ended.code, Some(0 | 3)), "{name}: {}", ended.errors);
        eprintln!("{name} {size}: {:?} {:?}", ended.code, ended.events.last());
    }
}
