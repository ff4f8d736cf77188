//! Networks in worker processes: what crashes or hangs there costs some held frames, and a worker never outlives its daemon.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::http::Api;
use common::*;
use impasto::style::manifest::Manifest;
use impasto::style::onnx::{Device, Loaded, SessionOptions};
use impasto::style::tensor::{PixelOrder, Pixels, PixelsMut};
use impasto::style::{Choice, Look, Size, SizedNetwork};

/// The worker processes of the daemon `parent`.
fn workers_of(parent: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_worker = |process: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        status.starts_with("Name:\timpasto-worker\n") && status.contains(&format!("\nPPid:\t{parent}\n"))
    };
    all.filter(is_worker).collect()
}

/// Waits for the one worker that is not `before`.
fn next_worker(parent: u32, before: Option<u32>) -> u32 {
    let mut found = None;
    until("a worker process", || {
        found = workers_of(parent).into_iter().find(|worker| Some(*worker) != before);
        found.is_some()
    });
    found.unwrap()
}

fn kill(signal: &str, process: u32) {
    let killed = Command::new("kill").args([signal, &process.to_string()]).status();
    assert!(killed.is_ok_and(|status| status.success()), "kill {signal} {process}");
}

#[test]
fn a_worker_that_crashes_or_hangs_costs_some_held_frames() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording.mkv");
    let source = ["--isolate", "--source", "test", "--rtsp", "off", "--size", "160x96", "--record"];
    let (run, api) = Api::start(&[&source[..], &[recording.to_str().unwrap()]].concat());
    api.assert_painting(10);
    let mut worker = next_worker(run.id(), None);
    let command_line = std::fs::read_to_string(format!("/proc/{worker}/cmdline")).unwrap();
    assert_eq!(command_line, "impasto\0worker\0");
    // One is killed, as for lack of memory, and one stands still, as in a network that never comes to its end.
    for (crashes, signal) in [(1, "-KILL"), (2, "-STOP"), (3, "-ABRT")] {
        kill(signal, worker);
        api.wait_for_state("the crash in the status", |state| state["counts"]["crashes"] == crashes);
        worker = next_worker(run.id(), Some(worker));
        api.assert_painting(10);
    }
    // The look changes as before, also to another network.
    let look = api.json("PATCH", "/api/v1/streams/live/look", r#"{"styles": {"great_wave": 1}}"#);
    assert_eq!(look.status, 200, "{}", look.text());
    let counts = api.state()["counts"].clone();
    assert_eq!(counts["unpainted"], 0, "{counts}");
    assert!(counts["held"].as_u64().unwrap() > 0, "{counts}");

    let ended = run.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let told = |words: &str| ended.errors.matches(words).count();
    assert_eq!((told("its worker process ended"), told("paints again")), (3, 3), "{}", ended.errors);
    assert!(told("did not come to its end in 3 s") == 1 && told("SIGABRT") == 1, "{}", ended.errors);
    let times = packet_times(recording.to_str().unwrap(), "v");
    assert_rising(&times);
    let painted = counts["painted"].as_u64().unwrap() as usize;
    assert!(times.len() >= painted, "{} frames of {painted} that were painted", times.len());
    assert!(!Path::new(&format!("/proc/{worker}")).exists(), "the worker outlives its daemon");
}

#[test]
fn a_network_that_crashed_and_is_gone_is_told_until_it_is_back() {
    let models = tempfile::tempdir().unwrap();
    for file in ["nano.onnx", "nano.toml"] {
        std::fs::copy(project("models").join(file), models.path().join(file)).unwrap();
    }
    let models = models.path().to_str().unwrap();
    let source = ["--isolate", "--source", "test", "--rtsp", "off", "--size", "160x96", "--models", models];
    let (run, api) = Api::start(&[&source[..], &["--log", "impasto=debug"]].concat());
    api.assert_painting(10);
    assert!(api.state()["error"].is_null());
    let paints = || {
        let metrics = api.get("/metrics").text();
        let mut painting = metrics.lines().filter(|line| line.starts_with("impasto_painting{"));
        painting.next().and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
    };
    assert_eq!((api.get("/readyz").status, paints()), (200, Some(1.0)));
    let (network, away) = (format!("{models}/nano.onnx"), format!("{models}/nano.away"));
    std::fs::rename(&network, &away).unwrap();
    kill("-KILL", next_worker(run.id(), None));
    until("it is told", || api.state()["error"].as_str().is_some_and(|error| error.contains("nano.onnx")));
    api.get("/readyz").assert_problem(503, "stream `live` paints nothing");
    api.get("/readyz").assert_problem(503, "nano.onnx");
    assert_eq!(paints(), Some(0.0));
    // It is tried again and again, and told once.
    until("it is tried again", || run.errors().matches("it is loaded again in").count() > 2);
    std::fs::rename(&away, &network).unwrap();
    until("it is over", || api.state()["error"].is_null());
    api.assert_painting(10);
    assert_eq!((api.get("/readyz").status, paints()), (200, Some(1.0)));
    until("that is told", || run.errors().contains("paints again"));
    let ended = run.interrupt();
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.errors.matches("it is tried again until it loads").count(), 1, "{}", ended.errors);
}

#[test]
fn no_worker_outlives_a_daemon_that_is_killed() {
    let mut command = impasto();
    command.args(["run", "--json", "--isolate", "--source", "test", "--rtsp", "off", "--size", "160x96"]);
    command.env("IMPASTO_TOKEN", "a-secret-of-the-daemon");
    let run = Running::spawn(command).started();
    let worker = next_worker(run.id(), None);
    // Only its owner may read it, if at all.
    if let Ok(environment) = std::fs::read(format!("/proc/{worker}/environ")) {
        let environment = String::from_utf8_lossy(&environment).into_owned();
        assert!(!environment.contains("a-secret-of-the-daemon"));
        assert!(environment.contains("ORT_DISABLE_TELEMETRY=1"), "{environment}");
    }
    run.signal("KILL");
    run.end();
    until("the worker is gone", || !Path::new(&format!("/proc/{worker}/cmdline")).exists());
}

#[test]
fn check_tells_of_a_network_that_crashes() {
    let folder = tempfile::tempdir().unwrap();
    let endless = std::fs::read(project("tests/networks/endless_loop.onnx")).unwrap();
    let manifest = onnx::manifest("endless").replace("\"image\"", "\"input\"").replace("\"painted\"", "\"output\"");
    let file = onnx::write(folder.path(), "endless", &endless, &manifest);
    let child = impasto().arg("check").arg(&file).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    kill("-ABRT", next_worker(child.id(), None));
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{errors}");
    assert!(errors.contains("endless.onnx: it crashed; its worker process ended (signal: 6 (SIGABRT)"), "{errors}");
}

/// ONNX Runtime itself brings its process down there.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_network_that_brings_onnx_runtime_down_is_an_error_of_check_with_and_without_a_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("alone.onnx");
    std::fs::write(&alone, onnx::crashing_when_loaded()).unwrap();
    let described =
        onnx::write(folder.path(), "described", &onnx::crashing_when_loaded(), &onnx::manifest("described"));
    for file in [alone, described] {
        let checked = run(&["check", file.to_str().unwrap()]);
        let name = file.file_name().unwrap().to_str().unwrap();
        let says = format!("{name}: it crashed; its worker process ended (signal: 8 (SIGFPE)");
        assert!(checked.code == 4 && checked.stderr.contains(&says), "{checked:?}");
        assert!(!checked.stdout.contains("name ="), "nothing to be saved: {checked:?}");
    }
}

/// As above, in the middle of a stream.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_network_that_brings_onnx_runtime_down_leaves_the_stream_and_its_recording() {
    let folder = tempfile::tempdir().unwrap();
    let (recording, models) = (folder.path().join("recording.mkv"), folder.path().join("models"));
    std::fs::create_dir(&models).unwrap();
    let manifest = onnx::manifest_of_two("trap", "fatal");
    onnx::write(&models, "trap", &onnx::crashing_in_second_style(), &manifest);
    let source = ["--source", "test", "--rtsp", "off", "--size", "160x96", "--style", "same", "--fade-ms", "0"];
    let files = ["--models", models.to_str().unwrap(), "--record", recording.to_str().unwrap()];
    let (run, api) = Api::start(&[&source[..], &files].concat());
    api.assert_painting(10);
    let look = |styles: &str| api.json("PATCH", "/api/v1/streams/live/look", &format!(r#"{{"styles": "{styles}"}}"#));
    look("fatal");
    api.wait_for_state("the crash in the status", |state| state["counts"]["crashes"].as_u64() > Some(0));
    // The picture stands until the look is one that can be painted.
    let held = || api.state()["counts"]["held"].as_u64().unwrap();
    let before = held();
    until("the stream goes on", || held() > before + 20);
    let back = look("same");
    assert_eq!(back.status, 200, "{}", back.text());
    api.assert_painting(10);
    let counts = api.state()["counts"].clone();
    let ended = run.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(ended.errors.contains("SIGFPE") && ended.errors.contains("paints again"), "{}", ended.errors);
    let times = packet_times(recording.to_str().unwrap(), "v");
    assert_rising(&times);
    let shown = counts["painted"].as_u64().unwrap() + counts["held"].as_u64().unwrap();
    assert!(times.len() as u64 >= shown, "{} frames of {shown}", times.len());
}

#[test]
fn pixels_are_the_same_in_a_worker_and_what_is_down_says_so() {
    let manifest = Manifest::read(&project("models/lite.toml")).unwrap();
    let (width, height) = (320, 176);
    let weights = Choice::of(&manifest, &Look::default()).unwrap().resolved.weights;
    let source: Vec<u8> = (0..width * height * 4).map(|index| (index * 31 % 251) as u8).collect();
    let open = |worker: Option<PathBuf>| {
        let options = SessionOptions { device: Device::Cpu, threads: Some(1), worker, ..SessionOptions::default() };
        let mut sized = SizedNetwork::new(Loaded::open(&manifest, &options).unwrap(), None).unwrap();
        sized.set_weights(&weights);
        sized.prepare(Size::new(width, height), PixelOrder::Bgrx).unwrap();
        sized
    };
    let paint = |sized: &mut SizedNetwork| {
        let mut painted = vec![0; source.len()];
        let from = Pixels::packed(&source, width, height, PixelOrder::Bgrx).unwrap();
        let mut to = PixelsMut::packed(&mut painted, width, height, PixelOrder::Bgrx).unwrap();
        sized.paint(&from, None, &mut to).map(|_| painted)
    };
    let (mut here, mut there) = (open(None), open(Some(env!("CARGO_BIN_EXE_impasto").into())));
    let painted = paint(&mut here).unwrap();
    assert!(paint(&mut there).unwrap() == painted, "other pixels");
    assert!(difference(&painted, &source) > 5.0, "nothing was painted");

    there.stop().stop();
    assert!(!there.is_down(), "nobody has looked yet");
    let error = paint(&mut there).unwrap_err().to_string();
    assert!(error.contains("lite.onnx: it crashed; its worker process ended (signal: 9 (SIGKILL)"), "{error}");
    assert!(there.is_down());
    assert!(paint(&mut there).unwrap_err().to_string().contains("worker process is gone"));
}
