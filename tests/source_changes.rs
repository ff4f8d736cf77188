//! Sources that change, loop, end, fail and come back while a stream runs: the stream goes on, and nothing piles up.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use common::http::{Api, read_answer};
use common::*;
use serde_json::json;

const SMALL: [&str; 4] = ["--rtsp", "off", "--size", "64x36"];

/// A clip of one colour, with sound.
fn clip(file: &Path, colour: &str, seconds: f64) {
    let (picture, sound) =
        (format!("color={colour}:s=64x36:r=20:d={seconds}"), format!("sine=440:r=48000:d={seconds}"));
    let inputs = ["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound];
    let codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"];
    ffmpeg(&[&inputs[..], &codecs, &[file.to_str().unwrap()]].concat());
}

fn start(source: &str, more: &[&str]) -> (Running, Api) {
    Api::start(&[&["--source", source], &SMALL[..], more].concat())
}

/// Goes over to another source; the status of the answer.
fn set(api: &Api, source: &str, looped: bool) -> u16 {
    let body = json!({ "source": source, "loop": looped }).to_string();
    api.json("POST", "/api/v1/streams/live/source", &body).status
}

/// An HTTP server that has nothing; where it is.
fn answers_404() -> SocketAddr {
    answers("404 Not Found\r\n", Vec::new())
}

/// An HTTP server that answers everything with this status, headers and body; where it is.
fn answers(status: &str, body: Vec<u8>) -> SocketAddr {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let head = format!("HTTP/1.1 {status}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    std::thread::spawn(move || {
        for mut client in server.incoming().flatten() {
            let _ = client.read(&mut [0; 4096]);
            let _ = client.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    address
}

#[test]
fn a_film_of_a_web_server_that_sends_no_parts_plays_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.mp4");
    let picture = "testsrc=s=64x36:r=20:d=1";
    let codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-movflags", "+faststart"];
    ffmpeg(&[&["-f", "lavfi", "-i", picture], &codecs[..], &[film.to_str().unwrap()]].concat());
    let server = answers("200 OK\r\nContent-Type: video/mp4\r\n", std::fs::read(&film).unwrap());
    let (run, api) = start("test", &[]);
    assert_eq!(set(&api, &format!("http://{server}/film.mp4"), true), 200);
    let before = api.state()["counts"]["captured"].as_u64().unwrap();
    let three_rounds = |state: &serde_json::Value| state["counts"]["captured"].as_u64() > Some(before + 60);
    let state = api.wait_for_state("three rounds", three_rounds);
    assert!(state["source"].as_str().unwrap().ends_with("film.mp4") && state["error"].is_null(), "{state}");
    assert_eq!(run.interrupt().code, Some(0));
}

/// An RTSP server that answers everything with this status and headers; where it is.
fn answers_rtsp(status: &str) -> SocketAddr {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, status) = (server.local_addr().unwrap(), status.to_string());
    std::thread::spawn(move || {
        for client in server.incoming().flatten() {
            let mut lines = BufReader::new(&client).lines().map_while(Result::ok);
            while let Some(number) = lines.find_map(|line| line.strip_prefix("CSeq: ").map(str::to_string)) {
                let _ = write!(&client, "RTSP/1.0 {status}CSeq: {number}\r\n\r\n");
            }
        }
    });
    address
}

fn count(run: &Running, what: &str) -> usize {
    std::fs::read_dir(format!("/proc/{}/{what}", run.id())).unwrap().count()
}

#[test]
fn descriptors_and_threads_stay_as_many_over_loops_changes_and_failures() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    clip(Path::new(&path("clip.mp4")), "red", 0.3);
    std::fs::write(path("damaged.mp4"), &std::fs::read(path("clip.mp4")).unwrap()[..2000]).unwrap();
    let nowhere = format!("http://{}/gone.mp4", answers_404());
    let (run, api) = start(&path("clip.mp4"), &["--loop"]);
    let captured = || api.state()["counts"]["captured"].as_u64().unwrap();
    let round = |changes: usize| {
        for source in ["test", "showcase", &path("clip.mp4")].iter().cycle().take(changes) {
            assert_eq!(set(&api, source, true), 200, "{source}: {}", run.errors());
        }
        for source in [path("damaged.mp4"), path("none.mp4"), "http://127.0.0.1:9/none".into()] {
            assert_eq!(set(&api, &source, true), 422, "{source}");
        }
        (0..changes).for_each(|_| assert_eq!(set(&api, &nowhere, true), 422));
        let before = captured();
        until("some loops", || captured() > before + 60);
    };
    // What is made once, on first use, is there then.
    round(3);
    let before = (count(&run, "fd"), count(&run, "task"));
    (0..5).for_each(|_| round(6));
    // Threads that GStreamer keeps for a while come and go; each capture that stayed would hold four and more.
    let after = (count(&run, "fd"), count(&run, "task"));
    assert!(after.0 <= before.0 + 4 && after.1 <= before.1 + 8, "descriptors and threads {before:?}, then {after:?}");
    assert_eq!(api.state()["counts"]["reconnects"], 0);
    assert_eq!(run.interrupt().code, Some(0));
}

/// Half a second of red and a blue picture.
fn clip_and_still(folder: &Path) -> [String; 2] {
    let [file, still] = ["clip.mp4", "still.png"].map(|name| folder.join(name));
    clip(&file, "red", 0.5);
    image::RgbImage::from_pixel(64, 36, image::Rgb([0, 0, 255])).save(&still).unwrap();
    [file, still].map(|path| path.to_str().unwrap().to_string())
}

#[test]
fn a_source_that_was_set_loops_or_goes_back_and_never_ends_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let made = clip_and_still(folder.path());
    let [file, still] = made.each_ref().map(String::as_str);
    let (run, api) = start("test", &[]);
    let source = || api.state()["source"].as_str().unwrap().to_string();

    assert_eq!(api.json("POST", "/api/v1/streams/live/source", &json!({ "source": file }).to_string()).status, 200);
    api.assert_painting(60);
    assert_eq!(source(), file, "it loops unless told otherwise");
    assert_eq!(set(&api, file, false), 200);
    until("the configured source is back", || source() == "test picture");
    api.assert_painting(10);

    assert_eq!(set(&api, still, false), 200);
    api.assert_painting(90);
    assert_eq!(source(), still, "a picture has no end");
    let shown = api.json("POST", "/api/v1/streams/live/snapshot", "{}");
    assert_eq!(shown.status, 200);

    let server = format!("http://{}", api.address);
    let told = common::run(&["ctl", "--server", &server, "source", file, "--once"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    until("the configured source is back", || source() == "test picture");
    assert_eq!(run.interrupt().code, Some(0));
}

#[test]
fn a_server_that_may_be_a_source_leads_to_no_other_address() {
    let folder = tempfile::tempdir().unwrap();
    let [clip, _] = clip_and_still(folder.path());
    let elsewhere = answers("200 OK\r\nContent-Type: video/mp4\r\n", std::fs::read(clip).unwrap());
    let redirect = answers(&format!("302 Found\r\nLocation: http://{elsewhere}/inside.mp4\r\n"), Vec::new());
    let list = format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://{elsewhere}/inside.mp4\n#EXT-X-ENDLIST\n");
    let list = answers("200 OK\r\nContent-Type: application/vnd.apple.mpegurl\r\n", list.into());
    for (allowed, limits, refused) in [
        (redirect, format!("sources = [\"http://{redirect}/\"]"), Some("answers 302")),
        (list, format!("sources = [\"http://{list}/\"]"), Some("inside.mp4, which is not where")),
        // Without a list it is followed.
        (redirect, String::new(), None),
    ] {
        let source = json!({ "source": format!("http://{allowed}/a.mp4") }).to_string();
        let config = folder.path().join("a.toml");
        std::fs::write(&config, format!("[control]\n{limits}\n")).unwrap();
        let (run, api) = start("test", &["--config", config.to_str().unwrap()]);
        let answer = api.json("POST", "/api/v1/streams/live/source", &source);
        match refused {
            Some(says) => answer.assert_problem(422, says),
            None => assert_eq!(answer.status, 200, "{}", answer.text()),
        }
        assert_eq!(run.interrupt().code, Some(0));
    }
}

#[test]
fn an_rtsp_server_that_may_be_a_source_leads_to_no_other_address() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let inside_address = elsewhere.local_addr().unwrap();
    let inside = format!("rtsp://{inside_address}/inside");
    let asked = std::thread::spawn(move || {
        let mut text = String::new();
        elsewhere.accept().map(|(mut client, _)| client.read_to_string(&mut text)).unwrap().unwrap();
        text
    });
    let redirect = answers_rtsp(&format!("302 Found\r\nLocation: {inside}\r\n"));
    let config = folder.path().join("a.toml");
    std::fs::write(&config, format!("[control]\nsources = [\"rtsp://{redirect}/\"]\n")).unwrap();
    let (run, api) = start("test", &["--config", config.to_str().unwrap()]);
    let set = |source: &str| api.json("POST", "/api/v1/streams/live/source", &json!({ "source": source }).to_string());
    // With a password that is not the list's, and one in which stands what others take for the end of it.
    set(&format!("rtsp://me:p@w@{redirect}/1")).assert_problem(422, "/inside, which is not where it may be read from");
    set(&inside).assert_problem(422, "may not be set here");
    assert_eq!(run.interrupt().code, Some(0));
    // For the case that nobody else has come.
    drop(TcpStream::connect(inside_address));
    assert_eq!(asked.join().unwrap(), "", "the other server was asked for something");
}

#[test]
fn a_file_in_a_loop_that_is_written_anew_is_shown_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    clip(Path::new(&path("clip.mp4")), "red", 1.0);
    clip(Path::new(&path("next.mp4")), "lime", 1.0);
    let (run, api) = start(&path("clip.mp4"), &["--loop", "--style", "photo"]);
    api.assert_painting(60);
    // As `cp next.mp4 clip.mp4` does: the file that plays is emptied, and filled again later.
    std::fs::write(path("clip.mp4"), b"").unwrap();
    let lost = || api.state()["counts"]["reconnects"].as_u64().unwrap() > 0;
    until("the empty file is noticed", lost);
    std::fs::copy(path("next.mp4"), path("clip.mp4")).unwrap();
    let shown = || api.preview("painted").get_pixel(32, 18).0;
    until("the new film is shown", || matches!(shown(), [r, g, b] if r < 90 && g > 160 && b < 90));
    api.assert_painting(30);
    assert_eq!(run.interrupt().code, Some(0));
}

#[test]
fn another_file_of_the_same_name_is_shown_as_soon_as_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let shows = |api: &Api, what: &str, is: fn([u8; 3]) -> bool| {
        until(what, || is(api.preview("painted").get_pixel(32, 18).0));
        api.assert_painting(10);
    };
    // Long ones: whoever waits for the end of a round waits in vain.
    for (name, colour) in [("clip.mp4", "red"), ("lime.mp4", "lime"), ("blue.mp4", "blue")] {
        clip(Path::new(&path(name)), colour, 600.0);
    }
    let (run, api) = start(&path("clip.mp4"), &["--loop", "--style", "photo"]);
    let replace = |by: &str| std::fs::rename(path(by), path("clip.mp4")).unwrap();
    shows(&api, "the film", |[r, g, b]| r > 160 && g < 90 && b < 90);
    replace("lime.mp4");
    shows(&api, "the film of the same name", |[r, g, b]| r < 90 && g > 160 && b < 90);
    // Damaged, or away: what was there plays on.
    std::fs::write(path("damaged.mp4"), "no film at all").unwrap();
    replace("damaged.mp4");
    until("it is told", || run.errors().contains("cannot be shown, and what it was before plays on"));
    until("it is in the status", || api.state()["error"].as_str().is_some_and(|error| error.contains("clip.mp4")));
    std::fs::remove_file(path("clip.mp4")).unwrap();
    shows(&api, "the film that was there", |[r, g, b]| r < 90 && g > 160 && b < 90);
    replace("blue.mp4");
    shows(&api, "the film that came back", |[r, g, b]| r < 90 && g < 90 && b > 160);
    let state = api.state();
    assert!(state["counts"]["reconnects"] == 0 && state["error"].is_null(), "{state} {}", run.errors());

    // A picture is shown for ever, looped or not.
    let still = |name: &str, colour: [u8; 3]| {
        image::RgbImage::from_pixel(64, 36, image::Rgb(colour)).save(path(name)).unwrap();
    };
    still("sign.png", [255, 0, 0]);
    assert_eq!(set(&api, &path("sign.png"), false), 200);
    shows(&api, "the picture", |[r, g, b]| r > 160 && g < 90 && b < 90);
    still("sign.png", [0, 255, 0]);
    shows(&api, "the picture in place of it", |[r, g, b]| r < 90 && g > 160 && b < 90);
    assert_eq!(run.interrupt().code, Some(0));
}

#[test]
fn a_file_that_is_cut_off_under_a_loop_is_told_until_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let film = path("clip.mp4");
    clip(Path::new(&film), "red", 6.0);
    let whole = std::fs::read(&film).unwrap();
    let (run, api) = start(&film, &["--loop", "--style", "photo"]);
    let error = || api.state()["error"].as_str().map(String::from);
    for is_set in [false, true] {
        if is_set {
            assert_eq!(set(&api, "test", true), 200);
            assert_eq!(set(&api, &film, true), 200);
        }
        api.assert_painting(20);
        assert_eq!(error(), None);
        std::fs::File::options().write(true).open(&film).unwrap().set_len(5000).unwrap();
        until("it is told", || error().is_some_and(|error| error.contains("clip.mp4")));
        let held = || api.state()["counts"]["held"].as_u64().unwrap();
        let before = held();
        until("the rest of a round is missing", || held() > before + 20);
        assert!(error().is_some_and(|error| error.contains("clip.mp4")), "{:?}", error());
        std::fs::write(&film, &whole).unwrap();
        until("it is over", || error().is_none());
        api.assert_painting(150);
        assert_eq!(api.state()["source"], film.as_str());
    }
    assert_eq!(run.interrupt().code, Some(0));
}

#[test]
fn sound_that_begins_later_is_told_and_in_the_next_recording() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    clip(Path::new(&path("clip.mp4")), "red", 2.0);
    std::fs::write(path("a.toml"), format!("[control]\nrecordings = {:?}\n", folder.path())).unwrap();
    let (run, api) = start("test", &["--config", &path("a.toml"), "--record", &path("silent.mkv")]);
    api.assert_painting(10);
    assert_eq!(set(&api, &path("clip.mp4"), true), 200);
    until("it is told", || run.errors().contains("silent.mkv: sound has begun, but this recording began without"));
    let record = |body: serde_json::Value| {
        let answer = api.json("POST", "/api/v1/streams/live/record", &body.to_string());
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    record(json!({ "stop": true }));
    record(json!({ "file": "loud.mkv" }));
    api.assert_painting(40);
    assert_eq!(run.interrupt().code, Some(0));
    assert_eq!(probe(&path("silent.mkv"), "a", "stream=codec_name"), "");
    let (pictures, sound) = (packet_times(&path("loud.mkv"), "v"), packet_times(&path("loud.mkv"), "a"));
    assert_rising(&sound);
    assert!(
        sound.last() > Some(&(pictures.last().unwrap() - 0.3)),
        "sound to {:?} of {:?}",
        sound.last(),
        pictures.last()
    );
}

#[test]
fn a_picture_alone_is_a_stream_and_a_file_alone_ends_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let made = clip_and_still(folder.path());
    let [file, still] = made.each_ref().map(String::as_str);
    let (run, api) = start(still, &["--style", "photo"]);
    api.assert_painting(40);
    assert_eq!(run.interrupt().code, Some(0));
    let ended = Running::start(&[&["--source", file], &SMALL[..]].concat()).started().end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
}

#[test]
fn a_daemon_with_a_config_outlives_its_streams_which_can_be_given_a_source_again() {
    let folder = tempfile::tempdir().unwrap();
    let (file, config) = (folder.path().join("clip.mp4"), folder.path().join("one.toml"));
    let text = format!("[source]\ninput = {file:?}\n[paint]\nsize = \"64x36\"\n[output]\nrtsp = \"off\"\n");
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let once = Running::start(&["--config", config, "--once"]).end();
    assert_eq!(once.code, Some(3), "{}", once.errors);

    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let run = Running::start(&["--config", config, "--http", &address]);
    let api = Api { address };
    run.wait_for("the failure", |event| event["event"] == "failed");
    assert_eq!(api.wait_for_status("live", "failed")["status"], "failed");
    clip(&file, "red", 1.0);
    api.wait_for_status("live", "running");
    api.wait_for_status("live", "ended");

    assert_eq!(set(&api, "/nowhere/none.mp4", true), 422);
    assert_eq!(api.state()["status"], "ended");
    assert_eq!(set(&api, "test", true), 200);
    api.assert_painting(20);
    assert_eq!(api.state()["source"], "test picture");
    assert_eq!(run.interrupt().code, Some(0));
}

#[test]
fn a_stream_that_is_just_being_tried_takes_another_source_too() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("one.toml");
    let input = format!("rtsp://{}/silent", silent.local_addr().unwrap());
    let text = format!("[source]\ninput = \"{input}\"\n[paint]\nsize = \"64x36\"\n[output]\nrtsp = \"off\"\n");
    std::fs::write(&config, text).unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let run = Running::start(&["--config", config.to_str().unwrap(), "--http", &address]);
    let api = Api { address };
    // It is being tried, for as long as nobody hangs up.
    let (connection, _) = silent.accept().unwrap();
    let wanted = json!({ "source": "test", "loop": true }).to_string();
    let head = [("Content-Type", "application/json")];
    let asked = api.send("POST", "/api/v1/streams/live/source", &head, wanted.as_bytes());
    // The request is taken before one that comes after it is answered.
    assert_eq!(api.state()["status"], "starting");
    drop((connection, silent));
    assert_eq!(read_answer(asked).status, 200);
    api.assert_painting(20);
    assert_eq!(run.interrupt().code, Some(0));
}

#[test]
fn a_camera_that_sends_jpeg_pictures_over_http_plays() {
    let mut jpeg = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(64, 36, image::Rgb([200, 30, 30]))
        .write_to(&mut jpeg, image::ImageFormat::Jpeg)
        .unwrap();
    let (run, api) = start("test", &[]);
    let length = format!("Content-Length: {}", jpeg.get_ref().len());
    // As most send them, and as some do, which ffmpeg plays too.
    for head in [
        &format!("Content-Type: image/jpeg\r\n{length}\r\n"),
        "Content-Type:image/jpeg\r\n",
        &format!("content-type:image/jpeg\r\n{}\r\n", length.replace(": ", ":")),
        "Content-Type: image/jpeg\r\nContent-Length: 0\r\n",
        "Content-Type: image/jpeg\r\nContent-Length: -1\r\n",
        "Content-Length:\r\nContent-Type:  image/jpeg\r\n",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/video", listener.local_addr().unwrap());
        let part = [format!("--frame\r\n{head}\r\n").as_bytes(), jpeg.get_ref(), b"\r\n"].concat();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let part = part.clone();
                std::thread::spawn(move || {
                    begin_pictures(&mut stream);
                    while send_part(&mut stream, &part).is_ok() {}
                });
            }
        });
        let set = api.json("POST", "/api/v1/streams/live/source", &json!({ "source": url }).to_string());
        assert_eq!(set.status, 200, "{head}: {}", set.text());
        api.assert_painting(20);
    }
    assert_eq!(run.interrupt().code, Some(0));
}

fn send_pictures(mut stream: TcpStream, jpeg: &[u8]) {
    begin_pictures(&mut stream);
    while send_picture(&mut stream, jpeg).is_ok() {}
}

fn begin_pictures(stream: &mut TcpStream) {
    let _ = stream.read(&mut [0; 4096]);
    let head = "HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n";
    let _ = stream.write_all(head.as_bytes());
}

fn send_picture(stream: &mut TcpStream, jpeg: &[u8]) -> std::io::Result<()> {
    let part = format!("--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len());
    send_part(stream, &[part.as_bytes(), jpeg, b"\r\n"].concat())
}

fn send_part(stream: &mut TcpStream, part: &[u8]) -> std::io::Result<()> {
    // The pace of a camera.
    std::thread::sleep(Duration::from_millis(50));
    stream.write_all(part)
}

#[test]
fn a_camera_that_lies_about_its_pictures_is_lost_and_comes_back() {
    let mut jpeg = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(64, 36).write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    for (lie, more) in [
        ("--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 4000000000\r\n\r\n", vec![0; 1 << 20]),
        ("--frame\r\n", b"X: a-head-that-never-ends\r\n".repeat(1 << 16)),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/video", listener.local_addr().unwrap());
        let jpeg = jpeg.get_ref().clone();
        std::thread::spawn(move || {
            let mut connections = listener.incoming().map_while(Result::ok);
            let mut first = connections.next().unwrap();
            begin_pictures(&mut first);
            for _ in 0..20 {
                let _ = send_picture(&mut first, &jpeg);
            }
            let mut sent = first.write_all(lie.as_bytes());
            while sent.is_ok() {
                sent = first.write_all(&more);
            }
            for stream in connections {
                let jpeg = jpeg.clone();
                std::thread::spawn(move || send_pictures(stream, &jpeg));
            }
        });
        let (run, api) = start(&url, &[]);
        until("it was lost", || api.state()["counts"]["reconnects"].as_u64() > Some(0));
        let captured = || api.state()["counts"]["captured"].as_u64();
        let then = captured();
        until("it is back", || captured() > then.map(|then| then + 20));
        let status = std::fs::read_to_string(format!("/proc/{}/status", run.id())).unwrap();
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let most: u64 = most.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(most < 600_000, "{most} kB for pictures of 64x36");
        assert_eq!(run.interrupt().code, Some(0));
    }
}

#[test]
fn a_jpeg_that_would_keep_a_decoder_busy_for_minutes_is_refused_wherever_it_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let mut good = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(64, 36).write_to(&mut good, image::ImageFormat::Jpeg).unwrap();
    let (good, bomb) = (good.into_inner(), jpeg_of_scans(60_000));
    std::fs::write(path("picture.jpg"), &bomb).unwrap();
    std::fs::write(path("film.mjpeg"), bomb.repeat(3)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/video", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut connections = listener.incoming().map_while(Result::ok);
        let mut first = connections.next().unwrap();
        begin_pictures(&mut first);
        for picture in std::iter::repeat_n(&good, 20).chain([&bomb, &good, &good]) {
            let _ = send_picture(&mut first, picture);
        }
        for stream in connections {
            let good = good.clone();
            std::thread::spawn(move || send_pictures(stream, &good));
        }
    });
    let (run, api) = start("test", &[]);
    let set_to =
        |source: &str| api.json("POST", "/api/v1/streams/live/source", &json!({ "source": source }).to_string());
    for file in ["picture.jpg", "film.mjpeg"] {
        set_to(&path(file)).assert_problem(422, "it is a JPEG of more than 100 scans");
    }
    assert_eq!(set_to(&url).status, 200);
    until("it is lost", || run.errors().contains("it is a JPEG of more than 100 scans"));
    let captured = || api.state()["counts"]["captured"].as_u64();
    let then = captured();
    until("it is back", || captured() > then.map(|then| then + 20));
    assert_eq!(run.interrupt().code, Some(0));
}

#[test]
fn files_are_not_read_by_a_side_door() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let sound_and_picture = path("secret.ts");
    let codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "20"];
    let picture = ["-f", "lavfi", "-i", "color=red:s=64x36:r=20:d=2"];
    ffmpeg(&[&picture[..], &codecs, &["-f", "mpegts", &sound_and_picture]].concat());
    let list = format!(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\nfile://{sound_and_picture}\n#EXT-X-ENDLIST\n"
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/list.m3u8", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 4096]);
            let head = "HTTP/1.0 200 OK\r\nContent-Type: application/vnd.apple.mpegurl\r\nContent-Length:";
            let _ = stream.write_all(format!("{head} {}\r\n\r\n{list}", list.len()).as_bytes());
        }
    });
    let (run, api) = start("test", &[]);
    let set_to =
        |source: &str| api.json("POST", "/api/v1/streams/live/source", &json!({ "source": source }).to_string());
    set_to(&url).assert_problem(422, "it names files of this machine");
    for source in
        ["pushfile://", "splitfile://", "imagesequence://"].map(|scheme| format!("{scheme}{sound_and_picture}"))
    {
        set_to(&source).assert_problem(422, "no installed GStreamer element reads such an address");
    }
    api.assert_painting(10);
    assert_eq!(api.state()["source"], "test picture");
    assert_eq!(run.interrupt().code, Some(0));
}

#[test]
fn what_is_no_media_says_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.mp4");
    std::fs::write(&page, "<!DOCTYPE html><html><body>404</body></html>\n".repeat(50)).unwrap();
    let ended = Running::start(&[&["--source", page.to_str().unwrap()], &SMALL[..]].concat()).end();
    assert_eq!(ended.code, Some(3));
    assert!(ended.errors.to_lowercase().contains("html"), "{}", ended.errors);
    for (nobody, words) in [
        ("http://127.0.0.1:9/x", "127.0.0.1:9 does not answer: Connection refused"),
        ("https://nobody.invalid/x", "nobody.invalid is not known"),
        ("rtsp://127.0.0.1:9/x", "127.0.0.1:9 does not answer: Connection refused"),
    ] {
        let ended = Running::start(&[&["--source", nobody], &SMALL[..]].concat()).end();
        assert_eq!(ended.code, Some(3));
        assert!(ended.errors.contains(words), "{}", ended.errors);
    }
    // Where nobody can be seen to refuse, it is said what was waited for.
    let waited = [
        ("srt://127.0.0.1:9", "127.0.0.1:9 was called over SRT, and nobody answered"),
        ("srt://127.0.0.1:{port}?mode=listener", "of this machine over SRT: is it calling"),
        ("udp://127.0.0.1:{port}", "it was waited for packets to 127.0.0.1:"),
    ];
    let started = waited.map(|(source, words)| {
        let source = source.replace("{port}", &free_port().to_string());
        (Running::start(&[&["--source", &source], &SMALL[..]].concat()), words)
    });
    for (run, words) in started {
        let ended = run.end();
        assert_eq!(ended.code, Some(3));
        assert!(ended.errors.contains("no picture came in 20 s") && ended.errors.contains(words), "{}", ended.errors);
    }
}

#[test]
fn a_process_without_descriptors_says_so_once_and_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording.mkv");
    let (run, api) = start("test", &["--record", recording.to_str().unwrap()]);
    api.assert_painting(10);
    let limit = count(&run, "fd") + 6;
    tool("prlimit", &["--pid", &run.id().to_string(), &format!("--nofile={limit}")]);
    let ended = run.end();
    assert_eq!(ended.code, Some(5), "{}", ended.errors);
    assert_eq!(ended.errors.matches("file descriptors are free").count(), 1, "{}", ended.errors);
    assert!(packet_times(recording.to_str().unwrap(), "v").len() >= 10, "its recording is finished");
}

#[test]
fn a_process_that_may_have_few_descriptors_runs_or_says_so_and_leaves() {
    for (limit, clients, code, words) in [
        ("20", 0, 5, "20 file descriptors are too few"),
        ("64", 60, 5, "of 64 file descriptors are free"),
        ("128", 20, 0, ""),
    ] {
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let mut command = std::process::Command::new("prlimit");
        command.arg(format!("--nofile={limit}")).arg(env!("CARGO_BIN_EXE_impasto"));
        command.args(["run", "--json", "--source", "test", "--http", &address]).args(SMALL);
        let run = Running::spawn(command);
        let ended = if code == 0 {
            let run = run.started();
            let clients: Vec<_> = (0..clients).map(|_| TcpStream::connect(&address).unwrap()).collect();
            Api { address }.assert_painting(20);
            drop(clients);
            run.interrupt()
        } else {
            let held: Vec<_> = match clients {
                0 => Vec::new(),
                clients => {
                    run.wait_for("the start", |event| event["event"] == "started");
                    // Those for whom no descriptor is left wait to be accepted.
                    (0..clients).filter_map(|_| TcpStream::connect(&address).ok()).collect()
                }
            };
            let ended = run.end();
            drop(held);
            ended
        };
        assert_eq!(ended.code, Some(code), "{limit}: {}", ended.errors);
        assert!(ended.errors.contains(words), "{limit}: {}", ended.errors);
        assert!(ended.errors.lines().count() < 40, "{limit}: {}", ended.errors);
    }
}
