//! The outputs of `impasto run`: recordings that are finished whatever ends the stream, a full disk, a taken port,
//! exit codes, and templates that a user broke.

mod common;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::http::Api;
use common::*;

/// Painting small keeps the tests quick on a busy machine; the picture keeps its size.
const SMALL: [&str; 2] = ["--size", "160x96"];

fn run(args: &[&str]) -> Running {
    Running::start(&[args, &SMALL].concat())
}

/// What lies in a folder, by name.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_recording_is_finished_by_each_signal_and_by_duration() {
    for (name, codec, end) in [
        ("a.mp4", "h264", "INT"),
        ("b.mkv", "h264", "TERM"),
        ("c.webm", "vp9", "duration"),
        ("d.mov", "h264", "INT"),
        ("e.mp4", "h264", "HUP"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        let file = file.to_str().unwrap();
        let mut args = vec!["--source", "test", "--rtsp", "off", "--record", file];
        if end == "duration" {
            args.extend(["--duration", "2.5"]);
        }
        let running = run(&args).started();
        assert_eq!(names(folder.path()), [format!(".{name}.part")], "in progress it has another name");
        if end != "duration" {
            // As long as `--duration` says.
            std::thread::sleep(Duration::from_millis(2500));
            running.signal(end);
            // As `timeout` does it: to the process, and at once to its group.
            if end == "TERM" {
                running.signal(end);
            }
        }
        let ended = running.end();
        assert_eq!(ended.code, Some(0), "{name} after {end}: {}", ended.errors);
        assert_eq!(names(folder.path()), [name]);
        assert_eq!(probe(file, "v", "stream=codec_name,width,height"), format!("{codec},640,360"));
        let times = packet_times(file, "v");
        assert_rising(&times);
        let stopped = &ended.events.last().unwrap();
        let pushed = stopped["painted"].as_u64().unwrap() - stopped["dropped_by_outputs"].as_u64().unwrap();
        assert_eq!(times.len() as u64, pushed, "{name}: every frame that was painted is in it");
        let length: f64 = probe(file, "v", "format=duration").lines().last().unwrap().parse().unwrap();
        assert!((1.5..5.0).contains(&length) && times.len() > 8, "{name}: {length} s, {} frames", times.len());
    }
}

#[test]
fn a_killed_recording_is_not_under_its_name_and_still_plays() {
    for name in ["a.mkv", "b.mp4"] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        let running = run(&["--source", "test", "--rtsp", "off", "--record", file.to_str().unwrap()]).started();
        running.wait_for_status("five seconds", |_| true);
        running.signal("KILL");
        let _ = running.end();
        assert_eq!(names(folder.path()), [format!(".{name}.part")]);
        let part = folder.path().join(format!(".{name}.part"));
        let frames = packet_times(part.to_str().unwrap(), "v").len();
        assert!(frames > 30, "{name}: {frames} frames of five seconds can be saved");

        // Started again by itself, it destroys nothing of what it recorded before.
        let kept = std::fs::read(&part).unwrap();
        let (stem, ending) = name.split_once('.').unwrap();
        for _ in 0..2 {
            let again =
                run(&["--source", "test", "--rtsp", "off", "--record", file.to_str().unwrap(), "--duration", "1"]);
            assert_eq!(again.end().code, Some(0));
        }
        let recovered = format!("{stem}-recovered.{ending}");
        let mut expected = [name.to_string(), format!("{stem}-2.{ending}"), recovered.clone()];
        expected.sort();
        assert_eq!(names(folder.path()), expected);
        assert!(std::fs::read(folder.path().join(recovered)).unwrap() == kept);
    }
}

#[test]
fn two_that_record_into_one_name_both_keep_all_they_painted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.mkv");
    let begin = || run(&["--source", "test", "--rtsp", "off", "--record", file.to_str().unwrap()]);
    let (first, second) = (begin(), begin());
    let runs = [first.started(), second.started()];
    runs.iter().for_each(|run| drop(run.wait_for_status("a picture", |status| status["painted"].as_u64() > Some(10))));
    let mut painted: Vec<_> = runs.map(|run| painted(&run.interrupt())).into();
    let mut held = ["a.mkv", "a-2.mkv"].map(|name| frames(&folder.path().join(name)));
    painted.sort_unstable();
    held.sort_unstable();
    assert_eq!(painted, held);
    assert_eq!(names(folder.path()), ["a-2.mkv", "a.mkv"]);
}

/// The pictures that a run gave to its recording, once it ended in good order.
fn painted(ended: &Ended) -> u64 {
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let stopped = ended.events.last().expect("it tells that it stopped");
    let counts = ["painted", "held", "dropped_by_outputs"].map(|key| stopped[key].as_u64().unwrap());
    counts[0] + counts[1] - counts[2]
}

fn frames(file: &Path) -> u64 {
    packet_times(file.to_str().unwrap(), "v").len() as u64
}

#[test]
fn a_recording_goes_on_when_the_sound_ends_and_when_it_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let loud = folder.path().join("loud.mkv");
    flash_and_beep(&loud, 30);
    let loud = loud.to_str().unwrap();
    let identity = onnx::write_identity(folder.path());
    for name in ["a.mkv", "b.mp4"] {
        let file = folder.path().join(name);
        let record = ["--network", identity.to_str().unwrap(), "--record", file.to_str().unwrap()];
        let (run, api) = Api::start(&[&["--source", loud, "--loop", "--rtsp", "off"][..], &record].concat());
        api.assert_painting(30);
        for source in ["test", loud] {
            let changed = api.json("POST", "/api/v1/streams/live/source", &format!("{{\"source\": {source:?}}}"));
            assert_eq!(changed.status, 200, "{}", changed.text());
            api.assert_painting(150);
        }
        let painted = painted(&run.interrupt());
        let file = file.to_str().unwrap();
        let pictures = packet_times(file, "v");
        assert_eq!(pictures.len() as u64, painted, "{name}: every picture is in it");
        let sound = packet_times(file, "a");
        assert!((sound.last().unwrap() - pictures.last().unwrap()).abs() < 1.0, "{name}: {:?}", sound.last());
        let hole = sound.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
        assert!(hole < 0.5, "{name}: a hole of {hole} s");
        // What is heard after the silence is where it belongs.
        let delays = sound_delays(file);
        let last = delays.last().expect("beeps");
        assert!(delays.len() >= 2 && last.abs() < 0.1, "{name}: {delays:?}");
    }
}

#[test]
fn a_recording_that_is_stopped_at_once_plays_if_it_is_called_finished() {
    let folder = tempfile::tempdir().unwrap();
    let loud = folder.path().join("loud.mkv");
    flash_and_beep(&loud, 20);
    let config = folder.path().join("impasto.toml");
    std::fs::write(&config, format!("[control]\nrecordings = {:?}\n", folder.path())).unwrap();
    let args = ["--config", config.to_str().unwrap(), "--source", loud.to_str().unwrap(), "--loop", "--rtsp", "off"];
    let (run, api) = Api::start(&[&args[..], &SMALL].concat());
    let mut finished = 0;
    for (number, ending) in ["mp4", "mov", "mkv", "webm"].iter().cycle().take(12).enumerate() {
        let name = format!("{number}.{ending}");
        let record = |body: &str| api.json("POST", "/api/v1/streams/live/record", body);
        assert_eq!(record(&format!("{{\"file\": {name:?}}}")).status, 200);
        // At once, and a little later each time.
        std::thread::sleep(Duration::from_millis(20 * number as u64));
        let stopped = record("{\"stop\": true}");
        let file = folder.path().join(&name);
        assert_eq!(stopped.status == 200, file.exists(), "{name}: {}", stopped.text());
        if stopped.status == 200 {
            finished += 1;
            assert!(frames(&file) > 0, "{name}");
        } else {
            assert!(stopped.text().contains("no frame came"), "{name}: {}", stopped.text());
        }
    }
    assert!(finished > 3, "{finished} of them had a picture");
    assert_eq!(run.interrupt().code, Some(0));
}

#[test]
fn a_full_disk_ends_the_recording_and_not_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let _mounted = match Mounted::tmpfs(folder.path(), "size=600k") {
        Some(mounted) => mounted,
        None => {
            eprintln!("skipped: mounting a small file system needs root");
            return;
        }
    };
    let file = folder.path().join("a.mkv");
    let port = free_port();
    let address = format!("127.0.0.1:{port}/live");
    let args = ["--source", "test", "--rtsp", &address, "--record", file.to_str().unwrap()];
    let (running, api) = Api::start(&[&args[..], &SMALL].concat());
    assert_eq!(api.state()["recording"], file.to_str().unwrap());
    let failed = running.wait_for("the failure", |event| event["event"] == "failed");
    let what = failed["what"].as_str().unwrap();
    assert!(what.contains("a.mkv stopped: ") && what.contains("No space left"), "{what}");
    assert!(what.contains(".a.mkv.part"), "{what}");
    let state = api.state();
    assert!(state["recording"].is_null() && !state["outputs"].to_string().contains("recording"), "{state}");
    until("it is told", || api.state()["failures"].to_string().contains("No space left"));
    api.json("POST", "/api/v1/streams/live/record", r#"{"stop": true}"#).assert_problem(409, "No space left");

    let watch = ["-v", "error", "-rtsp_transport", "tcp", "-i", &format!("rtsp://{address}"), "-t", "2"];
    let seen = output_of(Command::new("ffmpeg").args(watch).args(["-f", "framecrc", "-"]));
    let frames = String::from_utf8_lossy(&seen.stdout).lines().filter(|line| !line.starts_with('#')).count();
    assert!(frames > 30, "the stream goes on: {frames} frames");
    assert_eq!(names(folder.path()), [".a.mkv.part"], "nothing lies under the final name");

    // As soon as there is room, it is recorded again; what was lost stays lost.
    let roomy = Command::new("mount").args(["-o", "remount,size=50M"]).arg(folder.path()).status();
    assert!(roomy.is_ok_and(|status| status.success()));
    until("it is recorded again", || api.state()["recording"] == file.to_str().unwrap());
    api.assert_painting(30);
    let ended = running.interrupt();
    assert_eq!(ended.code, Some(5), "{}", ended.errors);
    assert!(ended.errors.trim_end().ends_with("a.mkv is not complete"), "{}", ended.errors);
    assert_eq!(names(folder.path()), ["a-recovered.mkv", "a.mkv"]);
    assert!(packet_times(file.to_str().unwrap(), "v").len() >= 20);
}

/// A mounted file system; unmounted when dropped.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn tmpfs(folder: &'a Path, options: &str) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then_some(Self(folder))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[test]
fn a_file_that_may_not_grow_and_one_that_is_gone_end_the_recording_and_not_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let mut command = Command::new("bash");
    command.args(["-c", "ulimit -f 400; exec \"$@\"", "bash"]).arg(impasto().get_program());
    command.args(["run", "--json", "--source", "test", "--size", "64x36", "--rtsp", "off", "--http", "127.0.0.1:0"]);
    std::fs::write(file("a.toml"), format!("[control]\nrecordings = {:?}\n", folder.path())).unwrap();
    command.args(["--record", &file("large.mkv"), "--config", &file("a.toml")]);
    command.current_dir(project("")).stdin(Stdio::null());
    let running = Running::spawn(command);
    let started = running.wait_for("the start", |event| event["event"] == "started");
    let api = Api { address: started["web"].as_str().unwrap().replace("http://", "") };
    let failed = running.wait_for("the failure", |event| event["event"] == "failed");
    assert!(failed["what"].as_str().unwrap().contains("large.mkv stopped: "), "{failed}");
    api.assert_painting(10);

    let begun = api.json("POST", "/api/v1/streams/live/record", r#"{"file": "gone.mkv"}"#);
    assert_eq!(begun.status, 200, "{}", begun.text());
    std::fs::remove_file(file(".gone.mkv.part")).unwrap();
    until("it is told", || api.state()["failures"].to_string().contains("somebody removed or moved it"));
    assert!(api.state()["recording"].is_null());
    // The one of its start is not what it should be.
    assert_eq!(running.interrupt().code, Some(5));
}

#[test]
fn a_recording_that_was_asked_for_and_broke_was_told_and_is_past() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("a.toml");
    std::fs::write(&config, format!("[control]\nrecordings = {:?}\n", folder.path())).unwrap();
    let (running, api) =
        Api::start(&["--source", "test", "--size", "64x36", "--rtsp", "off", "--config", config.to_str().unwrap()]);
    let begun = api.json("POST", "/api/v1/streams/live/record", r#"{"file": "gone.mkv"}"#);
    assert_eq!(begun.status, 200, "{}", begun.text());
    let part = folder.path().join(".gone.mkv.part");
    std::fs::remove_file(&part).unwrap();
    until("it is told", || api.state()["failures"].to_string().contains("somebody removed or moved it"));

    // Another file takes its place: while it is recorded, and while it ends.
    for (name, ends_at_once) in [("first.mkv", false), ("second.mp4", true)] {
        let begun = api.json("POST", "/api/v1/streams/live/record", &format!(r#"{{"file": "{name}"}}"#));
        assert_eq!(begun.status, 200, "{}", begun.text());
        api.assert_painting(20);
        let part = folder.path().join(format!(".{name}.part"));
        let strange = folder.path().join("strange");
        std::fs::write(&strange, "no recording").unwrap();
        std::fs::rename(&strange, &part).unwrap();
        if !ends_at_once {
            until("it is told", || api.state()["failures"].to_string().contains(".first.mkv.part is another one"));
            assert!(api.state()["recording"].is_null());
        }
        let stopped = api.json("POST", "/api/v1/streams/live/record", r#"{"stop": true}"#);
        assert!(stopped.status >= 400 && stopped.text().contains(&format!("{name} stopped")), "{}", stopped.text());
        assert!(!stopped.text().contains("is kept in"), "{}", stopped.text());
        assert_eq!(std::fs::read_to_string(part).unwrap(), "no recording");
        assert!(!folder.path().join(name).exists());
    }
    let ended = running.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
}

#[test]
fn a_killed_recording_has_all_but_its_last_moment() {
    // As much as the muxer has in its hands: a fragment of one second in MP4.
    for (name, held) in [("a.mkv", 15), ("b.mp4", 45)] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        let arguments = ["--source", "test", "--size", "64x36", "--rtsp", "off", "--record", file.to_str().unwrap()];
        let (running, api) = Api::start(&arguments);
        let painted = || api.state()["counts"]["painted"].as_u64().unwrap();
        until("two seconds", || painted() >= 60);
        let painted = painted() as usize;
        running.signal("KILL");
        let _ = running.end();
        let part = folder.path().join(format!(".{name}.part"));
        let frames = packet_times(part.to_str().unwrap(), "v").len();
        assert!(frames + held >= painted, "{name}: {frames} frames of {painted} can be saved");
    }
}

#[test]
fn outputs_that_cannot_be_are_said_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let rtsp = format!("127.0.0.1:{port}/live");
    let elsewhere = format!("203.0.113.7:{}/live", free_port());
    let folder = tempfile::tempdir().unwrap();
    let lost = folder.path().join("no/such/folder/a.mp4");
    let avi = folder.path().join("a.avi");
    for (args, code, says) in [
        (["--rtsp", &rtsp], 5, format!("cannot serve RTSP on port {port} of 127.0.0.1: it is in use; choose another")),
        (["--rtsp", &elsewhere], 5, "of 203.0.113.7: Cannot assign requested address".into()),
        (["--rtsp", "somewhere"], 2, "`somewhere` is not an address like 127.0.0.1:8554/live; or \"off\"".into()),
        (["--rtsp", "127.0.0.1:0/live"], 2, "port 0 is none that clients could be told".into()),
        (["--record", lost.to_str().unwrap()], 5, "a.mp4: cannot be written: No such file or directory".into()),
        (["--record", avi.to_str().unwrap()], 2, "`avi`".into()),
    ] {
        let mut all = vec!["--source", "test"];
        all.extend(args);
        if args[0] != "--rtsp" {
            all.extend(["--rtsp", "off"]);
        }
        let ended = run(&all).end();
        let last = ended.errors.lines().last().unwrap_or_default();
        assert_eq!(ended.code, Some(code), "{args:?}: {last}");
        assert!(last.contains(&says), "{args:?}: {last}");
    }
    assert!(names(folder.path()).is_empty(), "nothing is left behind: {:?}", names(folder.path()));
}

#[test]
fn a_signal_before_the_stream_runs_ends_at_once_with_130() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for signal in ["INT", "TERM"] {
        let source = format!("rtsp://{}/silent", silent.local_addr().unwrap());
        let running = run(&["--source", &source, "--rtsp", "off"]);
        // It has connected: the signals are listened for since long.
        let (_connection, _) = silent.accept().unwrap();
        running.signal(signal);
        let asked = Instant::now();
        let ended = running.end();
        assert_eq!(ended.code, Some(130), "{}", ended.errors);
        assert!(ended.errors.contains("stopped before the stream ran"), "{}", ended.errors);
        assert!(asked.elapsed() < PATIENCE / 2);
    }
}

#[test]
fn nothing_but_painting_is_an_output_too() {
    let running = run(&["--source", "showcase", "--rtsp", "off"]).started();
    let status = running.wait_for_status("painted frames", |status| status["painted"].as_u64() > Some(60));
    assert!(status["frames_per_second"].as_f64() > Some(10.0), "{status}");
    assert_eq!(running.interrupt().code, Some(0));
}

#[test]
fn people_get_lines_and_a_closed_pipe_stops_nothing() {
    let port = free_port();
    let rtsp = format!("127.0.0.1:{port}/live");
    let mut command = impasto();
    command.args(["run", "--source", "test", "--rtsp", &rtsp, "--style", "starry_night", "--duration", "6"]);
    let output = output_of(command.args(SMALL));
    let (said, logged) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{logged}");
    for line in ["style     starry_night (", "network   lite on ", "source    test picture, 640x360, 30 frames/s"] {
        assert!(said.contains(line), "no `{line}` in {said}");
    }
    assert!(said.contains(&format!("stream    rtsp://{rtsp}")), "{said}");
    assert!(logged.contains(" frames/s painted, inference "), "{logged}");

    let mut command = impasto();
    command.args(["run", "--json", "--source", "test", "--rtsp", "off", "--duration", "1"]).args(SMALL);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(wait(&mut child, PATIENCE).code(), Some(0));

    // A log on a full disk.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = impasto();
    command.args(["run", "--source", "test", "--rtsp", "off", "--duration", "1"]).args(SMALL);
    let mut child = command.stdout(Stdio::null()).stderr(full).spawn().unwrap();
    assert_eq!(wait(&mut child, PATIENCE).code(), Some(0));
}

#[test]
fn a_broken_template_is_named_with_its_element() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("capture")).unwrap();
    std::fs::create_dir_all(folder.path().join("output")).unwrap();
    let pipelines = folder.path().to_str().unwrap();
    for (name, text, says) in [
        ("capture/test.launch", "videotestsrc ! nosuchfilter", "no element `nosuchfilter` is installed"),
        ("capture/picture.launch", "videoconvert ! appsink name=frames", "needs an element named `size`"),
        ("output/rtsp.launch", "appsrc name=picture ! x264enc nosuch=1 ! rtph264pay name=pay0", "nosuch"),
        ("output/rtsp.launch", "appsrc name=picture bitrate={kpbs}", "unknown placeholder `{kpbs}`"),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let rtsp = format!("127.0.0.1:{}/live", free_port());
        let ended = run(&["--source", "test", "--rtsp", &rtsp, "--pipelines", pipelines]).end();
        std::fs::remove_file(&file).unwrap();
        let last = ended.errors.lines().last().unwrap_or_default();
        assert_eq!(ended.code, Some(2), "{name}: {last}");
        assert!(last.starts_with(&format!("impasto: {}: ", file.display())) && last.contains(says), "{name}: {last}");
    }
}
