//! Webcam in, virtual camera out, on real devices: each test runs in a kernel that has vivid and v4l2loopback.

mod common;
mod vm;

use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use common::http::Api;
use common::*;
use vm::*;

/// Passes the picture on as it is, so that colours can be compared.
fn identity() -> String {
    let folder = PathBuf::from("/tmp/identity");
    std::fs::create_dir_all(&folder).expect("the guest has a /tmp");
    onnx::write_identity(&folder).to_str().expect("UTF-8").to_string()
}

/// `impasto run` from a camera to the loopback device, with nothing painted.
fn run_camera(source: &str, more: &[&str]) -> Running {
    let network = identity();
    let args = ["--source", source, "--camera-out", "auto", "--rtsp", "off", "--network", &network];
    Running::start(&[&args, more].concat())
}

/// Waits until a v4l2-ctl tells on standard error that it reads frames.
fn reads_frames(child: &mut Child) {
    let told = child.stderr.as_mut().expect("piped");
    told.read_exact(&mut [0]).expect("it tells each frame");
}

/// A config file that sets `source` keys.
fn config(name: &str, text: &str) -> String {
    let file = format!("/tmp/{name}.toml");
    std::fs::write(&file, text).expect("the guest has a /tmp");
    file
}

#[test]
fn cameras_are_listed_chosen_and_captured_in_every_format() {
    if !inside("cameras_are_listed_chosen_and_captured_in_every_format") {
        return;
    }
    let bars = webcam_bars(320, 180);
    std::fs::create_dir_all("/dev/v4l/by-id").unwrap();
    symlink(WEBCAM, "/dev/v4l/by-id/usb-test_vivid_0001-video-index0").unwrap();

    let listed = run(&["devices", "--json"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    let listed: Value = serde_json::from_str(&listed.stdout).expect("JSON");
    let camera = &listed["cameras"][0];
    assert_eq!((&camera["name"], &camera["path"]), (&"vivid".into(), &WEBCAM.into()));
    assert_eq!((&camera["id"], &camera["loopback"]), (&"usb-test_vivid_0001-video-index0".into(), &false.into()));
    let format = |name: &str| camera["formats"].as_array().unwrap().iter().find(|format| format["format"] == name);
    let size = format("NV12").expect("vivid has NV12")["sizes"].as_array().unwrap()[1].clone();
    assert_eq!((&size["width"], &size["height"], &size["rates"][1]), (&640.into(), &360.into(), &30.0.into()));
    assert_eq!(format("GREY").expect("vivid has it")["readable"], false);
    let controls = camera["controls"].as_array().unwrap();
    let osd = controls.iter().find(|control| control["name"] == "osd_text_mode").expect("vivid has it");
    assert_eq!(
        (&osd["kind"], &osd["value"], &osd["choices"][1][1]),
        (&"menu".into(), &2.into(), &"Counters Only".into())
    );
    assert_eq!(listed["virtual_cameras"][0]["path"], LOOPBACK);
    assert_eq!(listed["inference"][0]["usable"], true);

    let chosen = ["camera:0", "camera:/dev/video0", "camera:VIV", "camera:usb-test_vivid_0001-video-index0"];
    for (source, format) in chosen.iter().zip(["yuyv", "nv12", "rgb", "bgr"]) {
        let text = format!("[source]\nwidth = 320\nheight = 180\nfps = 60\nformat = \"{format}\"\n");
        let run = run_camera(source, &["--config", &config("format", &text)]).started();
        // The first frames come from the card.
        let seen = Reader::open(LOOPBACK).frame_that(format, |frame| !frame.is_card());
        seen.assert_bars_of(&bars, format);
        let ended = run.interrupt();
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
        assert!(ended.errors.contains("(vivid) delivers 320x180"), "{}", ended.errors);
        assert!(!ended.errors.contains("the nearest"), "{}", ended.errors);
    }

    // Nearest taken, and said; controls set.
    let text =
        "[source]\nwidth = 700\nheight = 380\nfps = 33\ncontrols = { osd_text_mode = \"All\", brightness = 90 }\n";
    let run = run_camera("camera", &["--config", &config("nearest", text)]).started();
    let ended = run.interrupt();
    let said = "camera:0 (vivid) delivers 640x360 YUYV at 30 frames/s, the nearest it has to 700x380 at 33 frames/s";
    assert!(ended.errors.contains(said), "{}", ended.errors);
    let controls = tool("v4l2-ctl", &["-d", WEBCAM, "--get-ctrl", "osd_text_mode,brightness"]);
    assert!(controls.contains("osd_text_mode: 0 (All)\n") && controls.contains("brightness: 90\n"), "{controls}");
}

/// A second loopback device, /dev/video11, which a test feeds as a webcam of its own.
const TWO_LOOPBACKS: [&str; 4] = [
    "v4l2loopback.devices=2",
    "v4l2loopback.video_nr=10,11",
    "v4l2loopback.exclusive_caps=1,1",
    "v4l2loopback.card_label=Impasto,Webcam",
];

#[test]
fn jpeg_from_a_camera_is_decoded() {
    if !inside_with("jpeg_from_a_camera_is_decoded", &TWO_LOOPBACKS) {
        return;
    }
    // Another program's loopback device is a camera like any other, if it is asked for.
    let bars = "smptebars=size=320x180:rate=30";
    let encode = ["-c:v", "mjpeg", "-q:v", "2", "-f", "v4l2", "/dev/video11"];
    let input = ["-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", bars];
    let producer = Command::new("ffmpeg").args(input).args(encode).spawn().unwrap();
    let _producer = Killed(producer);
    until("the producer's camera", || tool("v4l2-ctl", &["-d", "/dev/video11", "--info"]).contains("Video Capture"));
    let text = "[source]\nwidth = 320\nheight = 180\nformat = \"mjpeg\"\n";
    let run = run_camera("camera:Webcam", &["--config", &config("jpeg", text)]).started();
    let seen = Reader::open(LOOPBACK).frame_that("JPEG", |frame| !frame.is_card());
    // SMPTE bars of 75 %: white, yellow, cyan, green, magenta, red, blue, in BT.601.
    let wanted = [
        [180, 128, 128],
        [162, 44, 142],
        [131, 156, 44],
        [112, 72, 58],
        [84, 184, 198],
        [65, 100, 212],
        [35, 212, 114],
    ];
    for (bar, wanted) in wanted.iter().enumerate() {
        let seen = seen.yuv((2 * bar + 1) * 320 / 14, 40);
        // JPEG is not exact.
        assert!(seen.iter().zip(wanted).all(|(a, b)| a.abs_diff(*b) <= 6), "bar {bar} is {seen:?}, not {wanted:?}");
    }
    let ended = run.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(ended.errors.contains("(Webcam) delivers 320x180 MJPG at 30 frames/s"), "{}", ended.errors);
}

#[test]
fn every_kind_of_reader_gets_the_colours_and_readers_may_come_and_go() {
    if !inside("every_kind_of_reader_gets_the_colours_and_readers_may_come_and_go") {
        return;
    }
    let bars = webcam_bars(640, 360);
    // One program has the device open before there is a camera.
    let early = v4l::Device::with_path(LOOPBACK).unwrap();
    let run = run_camera("camera", &[]).started();

    let file = Path::new("/tmp/read.yuv");
    let path = file.to_str().unwrap();
    let to = format!("--stream-to={path}");
    let location = format!("location={path}");
    let filter = ["!", "video/x-raw,format=YUY2", "!", "filesink", &location];
    let readers: [(&str, Vec<&str>); 3] = [
        ("v4l2-ctl", vec!["-d", LOOPBACK, "--stream-mmap", "--stream-count=30", &to]),
        (
            "ffmpeg",
            vec![
                "-v",
                "error",
                "-nostdin",
                "-y",
                "-f",
                "v4l2",
                "-i",
                LOOPBACK,
                "-frames:v",
                "30",
                "-f",
                "rawvideo",
                path,
            ],
        ),
        ("gst-launch-1.0", [&["-q", "v4l2src", "device=/dev/video10", "num-buffers=30"], &filter[..]].concat()),
    ];
    // Painted pictures are there once one reader has seen one; from then on it stays awake.
    Reader::open(LOOPBACK).frame_that("a painted picture", |frame| !frame.is_card());
    for (name, args) in readers {
        tool(name, &args);
        let size = std::fs::metadata(file).unwrap().len();
        assert!(size >= 30 * 640 * 360 * 2, "{name} read {size} bytes");
        Picture::from_file(file, 640, 360).assert_bars_of(&bars, name);
    }

    let mut reader = Reader::from_device(&early).expect("what was open before streams now");
    reader.frame_that("the early reader", |frame| !frame.is_card()).assert_bars_of(&bars, "the early reader");
    drop((reader, early));

    let mut memory_after_ten = 0;
    for round in 0..50 {
        if round % 5 == 0 {
            // Killed in the middle of a frame.
            let args = ["-d", LOOPBACK, "--stream-mmap", "--stream-count=100000"];
            let reader = Command::new("v4l2-ctl").args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
            let mut reader = Killed(reader.unwrap());
            reads_frames(&mut reader.0);
        } else {
            let mut reader = Reader::open(LOOPBACK);
            (0..3).for_each(|_| drop(reader.frame()));
        }
        if round == 9 {
            memory_after_ten = memory(run.id(), "VmRSS:");
        }
    }
    let memory_after_fifty = memory(run.id(), "VmRSS:");
    println!("figure: resident memory after 10 readers {memory_after_ten} kB, after 50 {memory_after_fifty} kB");
    assert!(memory_after_fifty < memory_after_ten + 4096, "{memory_after_ten} kB grew to {memory_after_fifty} kB");
    let ended = run.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
}

/// Draws `number` in binary, as 16 black or white columns.
fn numbered(number: u16) -> Vec<u8> {
    let pair = |x: usize| if number >> (x / 10) & 1 == 1 { [235, 128, 235, 128] } else { [16, 128, 16, 128] };
    let row: Vec<u8> = (0..160).flat_map(pair).collect();
    row.repeat(180)
}

fn number_in(picture: &Picture) -> u16 {
    (0..16).filter(|bit| picture.yuv(bit * 20 + 10, 90)[0] > 128).map(|bit| 1 << bit).sum()
}

#[test]
fn a_frame_counter_comes_through_in_order() {
    if !inside_with("a_frame_counter_comes_through_in_order", &TWO_LOOPBACKS) {
        return;
    }
    // A webcam that counts its frames, and when each left it.
    let written = Arc::new(Mutex::new(vec![None; 1 << 16]));
    let times = Arc::clone(&written);
    std::thread::spawn(move || {
        let mut webcam = v4l::Device::with_path("/dev/video11").unwrap();
        let format = v4l::Format::new(320, 180, v4l::FourCC::new(b"YUYV"));
        v4l::video::Output::set_format(&webcam, &format).unwrap();
        for number in 1..=u16::MAX {
            let frame = numbered(number);
            times.lock().unwrap()[usize::from(number)] = Some(Instant::now());
            webcam.write_all(&frame).unwrap();
            // The pace of a webcam.
            std::thread::sleep(Duration::from_millis(33));
        }
    });
    drop(Reader::open("/dev/video11"));
    let text = "[source]\nwidth = 320\nheight = 180\n";
    let run = run_camera("camera:Webcam", &["--config", &config("counter", text)]).started();
    let mut reader = Reader::open(LOOPBACK);
    reader.frame_that("a painted picture", |frame| !frame.is_card());

    let (mut last, mut delays) = (0, Vec::new());
    while delays.len() < 200 {
        let frame = reader.frame();
        let now = Instant::now();
        let number = number_in(&frame);
        // A repeated frame has the number of the one before.
        assert!(number >= last, "{number} after {last}");
        if number > last {
            let left = written.lock().unwrap()[usize::from(number)].expect("such a frame was written");
            delays.push((now - left).as_secs_f64() * 1000.0);
        }
        last = number;
    }
    delays.sort_by(f64::total_cmp);
    let status = run.wait_for_status("a status", |status| status["painted"].as_u64() > Some(0));
    let (p50, p95, inference) = (delays[100], delays[190], &status["inference_ms"]);
    println!(
        "figure: webcam to reader, 320x180 at 30 frames/s: p50 {p50:.1} ms, p95 {p95:.1} ms, of it inference {inference} ms"
    );
    let ended = run.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
}

#[test]
fn size_and_mirror_are_those_of_the_config() {
    if !inside("size_and_mirror_are_those_of_the_config") {
        return;
    }
    let bars = webcam_bars(640, 360);
    let text = "[source]\nwidth = 640\nheight = 360\n[output]\nrtsp = \"off\"\n[[output.also]]\ntype = \"virtual-camera\"\n\
                device = \"Impasto\"\nsize = \"320x240\"\nmirror = true\n";
    let network = identity();
    let run =
        Running::start(&["--config", &config("size", text), "--source", "camera", "--network", &network]).started();
    let seen = Reader::open(LOOPBACK).frame_that("a painted picture", |frame| !frame.is_card());
    assert_eq!((seen.width, seen.height), (320, 240));
    // 320x180 in the middle, black above and below, turned around.
    assert_eq!((seen.yuv(160, 10), seen.yuv(160, 230)), ([16, 128, 128], [16, 128, 128]));
    for bar in 0..8 {
        let (seen, wanted) = (seen.yuv((2 * bar + 1) * 320 / 16, 75), bars.yuv((15 - 2 * bar) * 640 / 16, 90));
        assert!(seen.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= 3), "bar {bar} is {seen:?}, not {wanted:?}");
    }
    assert_eq!(run.interrupt().code, Some(0));
}

/// How often the camera goes to sleep in the test. Measured once with 100.
const SLEEPS: usize = 4;

#[test]
fn the_camera_is_released_while_nobody_watches() {
    if !inside("the_camera_is_released_while_nobody_watches") {
        return;
    }
    let run = run_camera("camera", &[]).started();
    let resting = |run: &Running| run.wait_for_status("it rests", |status| status["resting"] == true);
    resting(&run);
    assert!(!has_open(run.id(), WEBCAM), "the webcam's light is on");
    let (before, begun) = (cpu_time(run.id()), Instant::now());
    // What is measured is the rest itself.
    std::thread::sleep(Duration::from_secs(20));
    let share = (cpu_time(run.id()) - before).as_secs_f64() / begun.elapsed().as_secs_f64();
    println!("figure: resting, {:.2} % of a core", share * 100.0);

    // What it holds while it rests, after each time that somebody watched.
    let mut held = Vec::new();
    for round in 0..SLEEPS {
        let opened = Instant::now();
        let mut reader = Reader::open(LOOPBACK);
        let first = reader.frame();
        let first_after = opened.elapsed();
        assert!(first.is_card(), "a card is there at once");
        reader.frame_that("a painted picture", |frame| !frame.is_card());
        let (first, painted) = (first_after.as_millis(), opened.elapsed().as_millis());
        println!("figure: reader {round}: first frame after {first} ms, first painted one after {painted} ms");
        run.wait_for_status("it is awake", |status| status["resting"] == false);
        assert!(has_open(run.id(), WEBCAM));
        // One that only looks whether there is a camera does not count as a viewer, and wakes nothing.
        drop(reader);
        resting(&run);
        assert!(!has_open(run.id(), WEBCAM), "the webcam's light is on");
        tool("v4l2-ctl", &["-d", LOOPBACK, "--all"]);
        held.push((open_files(run.id()), memory(run.id(), "Threads:"), memory(run.id(), "VmRSS:")));
    }
    println!("figure: descriptors, threads, kB after each sleep: {held:?}");
    let ((files, threads, _), (files_then, threads_then, _)) = (held[1], held[held.len() - 1]);
    assert!(files_then <= files + 2 && threads_then <= threads + 2, "{held:?}");
    let ended = run.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
}

#[test]
fn a_lost_camera_is_taken_again_while_the_output_goes_on() {
    if !inside("a_lost_camera_is_taken_again_while_the_output_goes_on") {
        return;
    }
    let run = run_camera("camera", &[]).started();
    let mut reader = Reader::open(LOOPBACK);
    let bright = reader.frame_that("a painted picture", |frame| !frame.is_card()).mean_luma();
    let is_dimmed = |frame: &Picture| frame.mean_luma() < bright * 0.7;
    for round in 0..2 {
        plug(false);
        // It goes on, and shows that it is not live.
        reader.frame_that("a dimmed picture", is_dimmed);
        (0..20).for_each(|_| assert!(is_dimmed(&reader.frame())));
        // Somebody keeps the old number busy, so that it comes back under another.
        let holder = (round == 1).then(|| std::fs::File::open("/dev/video0"));
        plug(true);
        reader.frame_that("the camera's picture again", |frame| !is_dimmed(frame));
        drop(holder);
    }

    // Taken while nobody watched: said, and taken back when it is free.
    drop(reader);
    run.wait_for_status("it rests", |status| status["resting"] == true);
    let args = ["-d", WEBCAM, "--stream-mmap", "--stream-count=100000"];
    let thief = Command::new("v4l2-ctl").args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let thief = Killed(thief.unwrap());
    until("the thief has it", || has_open(thief.0.id(), WEBCAM));
    // Until it streams, too, of which nothing is seen from outside.
    std::thread::sleep(Duration::from_secs(1));
    let mut reader = Reader::open(LOOPBACK);
    until("it is said who has it", || {
        assert!(reader.frame().is_card());
        run.errors().contains("it is used by v4l2-ctl (process ")
    });
    drop(thief);
    reader.frame_that("the camera's picture again", |frame| !frame.is_card());
    let ended = run.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(ended.errors.contains("camera was lost"), "{}", ended.errors);
}

#[test]
fn what_cannot_be_is_told_with_what_to_do() {
    if !inside("what_cannot_be_is_told_with_what_to_do") {
        return;
    }
    let network = identity();
    let refused = |args: &[&str]| {
        let all = [&["run", "--rtsp", "off", "--duration", "5", "--network", &network], args].concat();
        let ended = run(&all);
        (ended.code, ended.stderr)
    };
    let expect = |args: &[&str], code: i32, words: &[&str]| {
        let (seen, text) = refused(args);
        assert_eq!(seen, code, "{args:?}: {text}");
        for words in words {
            assert!(text.contains(words), "{args:?}: {text}");
        }
    };
    expect(&["--source", "camera:7"], 3, &["no camera at /dev/video7; cameras found: camera:0 vivid"]);
    expect(&["--source", "camera:front"], 3, &["no camera is named `front`"]);
    let own = ["--source", "camera:Impasto", "--camera-out"];
    expect(&own, 2, &["camera:Impasto is the virtual camera /dev/video10 (Impasto) itself"]);
    let (run, api) = Api::start(&["--source", "test", "--rtsp", "off", "--network", &network, "--camera-out"]);
    let own = api.json("POST", "/api/v1/streams/live/source", r#"{"source": "camera:Impasto"}"#);
    own.assert_problem(422, "camera:Impasto is the virtual camera /dev/video10 (Impasto) itself");
    assert_eq!(run.interrupt().code, Some(0));
    expect(&["--source", "test", "--camera-out", WEBCAM], 5, &["/dev/video0 is no loopback device but vivid"]);
    let no_format = config("mjpeg", "[source]\nformat = \"mjpeg\"\n");
    expect(
        &["--source", "camera", "--config", &no_format, "--once"],
        3,
        &["has no format that was asked for (MJPG); it offers YUYV"],
    );
    let control = config("control", "[source]\ncontrols = { brightnes = 1 }\n");
    expect(&["--source", "camera", "--config", &control], 2, &["did you mean `brightness`?"]);
    let range = config("range", "[source]\ncontrols = { brightness = 1000 }\n");
    expect(&["--source", "camera", "--config", &range], 2, &["brightness = 1000: 0 to 255 is possible"]);

    let args = ["-d", WEBCAM, "--stream-mmap", "--stream-count=100000"];
    let other = Command::new("v4l2-ctl").args(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut other = Killed(other);
    reads_frames(&mut other.0);
    expect(&["--source", "camera"], 3, &["it is used by v4l2-ctl (process ", "close that"]);
    drop(other);

    let first = run_camera("test", &[]).started();
    Reader::open(LOOPBACK).frame();
    expect(&["--source", "test", "--camera-out"], 5, &["impasto (process ", "name another device with --camera-out"]);
    assert_eq!(first.interrupt().code, Some(0));

    // As a user who is not in the device's group.
    let video = group("video");
    for device in [WEBCAM, LOOPBACK] {
        std::fs::set_permissions(device, std::fs::Permissions::from_mode(0o660)).unwrap();
        chown(device, None, Some(video)).unwrap();
    }
    let mut nobody = Command::new("setpriv");
    nobody.args(["--reuid", "65534", "--clear-groups", env!("CARGO_BIN_EXE_impasto")]).current_dir(project(""));
    nobody.args(["run", "--source", "test", "--rtsp", "off", "--camera-out", LOOPBACK]);
    let ended = finish(&mut nobody);
    assert_eq!(ended.code, 5, "{}", ended.stderr);
    assert!(ended.stderr.contains("group `video`: run `sudo usermod -aG video $USER`"), "{}", ended.stderr);
}

fn group(name: &str) -> u32 {
    let groups = std::fs::read_to_string("/etc/group").unwrap();
    let line = groups.lines().find(|line| line.starts_with(&format!("{name}:"))).expect("the group exists");
    line.split(':').nth(2).and_then(|id| id.parse().ok()).expect("a number")
}
