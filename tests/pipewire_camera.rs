//! The PipeWire camera as readers see it, in a PipeWire session of its own.
#![cfg(feature = "pipewire")]

mod common;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use common::*;

/// Set for the copy of the test that runs in the session.
const INSIDE: &str = "IMPASTO_TEST_INSIDE";

/// The bytes of one frame of the test picture.
const FRAME: u64 = 320 * 180 * 2;

/// True in the session. Outside, runs the test `name` again in one and returns false.
fn inside(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let tools = ["dbus-run-session", "pipewire", "wireplumber", "pw-cli"];
    let has = |tool: &str| {
        std::env::var("PATH").is_ok_and(|path| path.split(':').any(|folder| Path::new(folder).join(tool).exists()))
    };
    if let Some(missing) = tools.iter().find(|tool| !has(tool)) {
        // Past the test harness, which keeps what passing tests print to itself.
        let _ = writeln!(std::io::stderr(), "\nSKIPPED: the tests of the PipeWire camera, for there is no {missing}\n");
        return false;
    }
    let mut command = Command::new(project("tests/vm/pipewire-session"));
    command.arg(std::env::current_exe().unwrap()).args([name, "--exact", "--nocapture"]).env(INSIDE, "1");
    let output = command.output().expect("tests/vm/pipewire-session starts");
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(output.status.success(), "in the session ({}):\n{told}", output.status);
    told.lines().filter_map(|line| line.find("figure:").map(|at| &line[at..])).for_each(|line| println!("{line}"));
    false
}

/// A reader that writes what it gets into `file`: `count` frames, or all until it is killed.
fn reader(file: &Path, count: i32) -> Killed {
    let _ = std::fs::remove_file(file);
    let location = format!("location={}", file.display());
    let count = format!("num-buffers={count}");
    let source = ["-q", "pipewiresrc", "target-object=impasto", &count, "!", "video/x-raw,format=YUY2", "!"];
    let mut command = Command::new("gst-launch-1.0");
    command.args(source).args(["filesink", "buffer-mode=unbuffered", &location]);
    Killed(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("gst-launch-1.0 starts"))
}

/// Waits until a whole frame was written.
fn wait_for_frame(file: &Path) {
    until("a frame", || std::fs::metadata(file).is_ok_and(|metadata| metadata.len() >= FRAME));
}

#[test]
fn readers_may_be_killed_and_the_next_one_gets_a_picture() {
    if !inside("readers_may_be_killed_and_the_next_one_gets_a_picture") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let network = onnx::write_identity(folder.path());
    let config = folder.path().join("config.toml");
    std::fs::write(&config, "[source]\nwidth = 320\nheight = 180\n").unwrap();
    let args = ["--config", config.to_str().unwrap(), "--source", "test", "--rtsp", "off", "--camera-out", "pipewire"];
    let run = Running::start(&[&args[..], &["--network", network.to_str().unwrap()]].concat()).started();
    let nodes = tool("pw-cli", &["ls", "Node"]);
    assert!(nodes.contains("node.name = \"impasto\"") && nodes.contains("media.class = \"Video/Source\""), "{nodes}");

    let file = folder.path().join("read.yuv");
    let mut first = reader(&file, 60);
    assert!(wait(&mut first.0, PATIENCE).success());
    let frames = std::fs::read(&file).unwrap();
    assert_eq!(frames.len() as u64, 60 * FRAME);
    let last = &frames[frames.len() - FRAME as usize..];
    // Bars of 100 %: white, yellow, cyan, green, magenta, red, blue, in BT.601.
    let wanted = [
        [235, 128, 128],
        [210, 16, 146],
        [170, 166, 16],
        [145, 54, 34],
        [106, 202, 222],
        [81, 90, 240],
        [41, 240, 110],
    ];
    for (bar, wanted) in wanted.iter().enumerate() {
        let x = ((2 * bar + 1) * 320 / 14) & !1;
        let pair = &last[(40 * 320 + x) * 2..][..4];
        let seen = [pair[0], pair[1], pair[3]];
        assert!(seen.iter().zip(wanted).all(|(a, b)| a.abs_diff(*b) <= 3), "bar {bar} is {seen:?}, not {wanted:?}");
    }

    let mut waits = Vec::new();
    for _ in 0..20 {
        let started = Instant::now();
        let reader = reader(&file, -1);
        wait_for_frame(&file);
        waits.push(started.elapsed().as_millis());
        drop(reader);
    }
    waits.sort_unstable();
    println!(
        "figure: from the start of a reader to its first frame, 20 times: median {} ms, longest {} ms",
        waits[10], waits[19]
    );

    // Nobody watches: it rests; somebody comes: it is there again.
    run.wait_for_status("it rests", |status| status["resting"] == true);
    let reader = reader(&file, -1);
    wait_for_frame(&file);
    run.wait_for_status("it is awake", |status| status["resting"] == false && status["clients"] == 1);
    drop(reader);
    let ended = run.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
}

#[test]
fn without_pipewire_it_says_what_to_do() {
    let nowhere = tempfile::tempdir().unwrap();
    let mut command = impasto();
    command.env("XDG_RUNTIME_DIR", nowhere.path()).env("PIPEWIRE_RUNTIME_DIR", nowhere.path());
    let ended = finish(command.args(["run", "--source", "test", "--rtsp", "off", "--camera-out", "pipewire"]));
    assert_eq!(ended.code, 5, "{}", ended.stderr);
    assert!(ended.stderr.contains("PipeWire cannot be reached"), "{}", ended.stderr);
    assert!(ended.stderr.contains("systemctl --user status pipewire"), "{}", ended.stderr);
}
