//! `impasto file IN... FOLDER`: many files at a time, what is left alone, and folders that are watched.

mod common;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use common::studio::Studio;
use common::{Finished, finish, impasto, packet_times};
use serde_json::Value;

/// Generous: only a batch that hangs takes so long.
const PATIENCE: Duration = Duration::from_secs(120);

fn command(studio: &Studio, args: &[&str]) -> Command {
    let mut command = impasto();
    command
        .current_dir(studio.path(""))
        .args(["--log", "warn", "file", "--network", "identity.onnx", "--json"])
        .args(args);
    command
}

fn batch(studio: &Studio, args: &[&str]) -> (Finished, Vec<Value>) {
    let finished = finish(&mut command(studio, args));
    let events = finished.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    (finished, events)
}

/// The files that an event was told of, in order.
fn files<'a>(events: &'a [Value], event: &str) -> Vec<&'a str> {
    let told = events.iter().filter(|told| told["event"] == event);
    let mut files: Vec<_> = told.map(|told| told["file"].as_str().expect("a file")).collect();
    files.sort_unstable();
    files
}

/// How many were painted, skipped, failed and left.
fn summary(events: &[Value]) -> [u64; 4] {
    let last = events.last().filter(|last| last["event"] == "summary").expect("a summary");
    ["painted", "skipped", "failed", "left"].map(|count| last[count].as_u64().expect("a number"))
}

/// A picture of one grey level.
fn picture(studio: &Studio, name: &str, level: u8) {
    let path = studio.path(name);
    std::fs::create_dir_all(Path::new(&path).parent().expect("a folder")).expect("made");
    image::RgbImage::from_pixel(20, 10, image::Rgb([level; 3])).save(path).expect("saved");
}

fn level(studio: &Studio, name: &str) -> u8 {
    image::open(studio.path(name)).expect("a picture").into_rgb8().get_pixel(5, 5).0[1]
}

/// Every file below a folder of the studio, without the ledger.
fn below(studio: &Studio, folder: &str) -> Vec<String> {
    let (root, mut names) = (studio.path(folder), Vec::new());
    let mut folders = vec![Path::new(&root).to_path_buf()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with(".impasto-done.jsonl") {
                names.push(path.strip_prefix(&root).expect("below").to_str().expect("UTF-8").to_string());
            }
        }
    }
    names.sort();
    names
}

#[test]
fn films_and_pictures_are_painted_and_one_that_fails_stops_nothing() {
    let studio = Studio::new();
    std::fs::create_dir(studio.path("in")).expect("made");
    studio.film("in/a.mp4", "-t 1 -c:a aac");
    studio.film("in/old.avi", "-t 2 -c:a mp3");
    studio.film("film.mkv", "-t 0.4 -an");
    picture(&studio, "in/b.png", 80);
    picture(&studio, "in/sub/c.jpg", 120);
    std::fs::write(studio.path("in/broken.mp4"), vec![7; 5000]).expect("written");
    for left_alone in ["in/notes.txt", "in/.hidden.png", "in/film.mp4.part"] {
        std::fs::write(studio.path(left_alone), "neither").expect("written");
    }
    let args = ["in", "film.mkv", "painted", "--recursive", "--jobs", "2"];
    let (finished, events) = batch(&studio, &args);
    assert_eq!(finished.code, 3, "{}", finished.stderr);
    assert!(finished.stderr.contains("1 of 6 files could not be painted"), "{}", finished.stderr);
    assert_eq!(summary(&events), [5, 0, 1, 0]);
    assert_eq!(files(&events, "failed"), ["in/broken.mp4"]);
    let painted = ["a.mp4", "b.png", "film.mkv", "old.avi.mkv", "sub/c.jpg"];
    assert_eq!(below(&studio, "painted"), painted);
    for (name, frames) in [("a.mp4", 25), ("old.avi.mkv", 50), ("film.mkv", 10)] {
        assert_eq!(packet_times(&studio.path(&format!("painted/{name}")), "v").len(), frames, "{name}");
    }
    assert_eq!((level(&studio, "painted/b.png"), level(&studio, "painted/sub/c.jpg")), (80, 120));

    // The same again: only what failed is tried.
    let (again, events) = batch(&studio, &args);
    assert_eq!((again.code, summary(&events)), (3, [0, 5, 1, 0]), "{}", again.stderr);
    assert_eq!(files(&events, "skipped"), ["film.mkv", "in/a.mp4", "in/b.png", "in/old.avi", "in/sub/c.jpg"]);

    // One that has changed since is painted again; one that is no work of ours is not replaced.
    std::fs::remove_file(studio.path("in/broken.mp4")).expect("removed");
    picture(&studio, "in/b.png", 160);
    std::fs::write(studio.path("painted/sub/c.jpg"), "of somebody else").expect("written");
    let (changed, events) = batch(&studio, &args);
    assert_eq!((changed.code, summary(&events)), (2, [1, 3, 1, 0]), "{}", changed.stderr);
    assert_eq!((level(&studio, "painted/b.png"), files(&events, "failed")), (160, vec!["in/sub/c.jpg"]));
    assert_eq!(std::fs::read_to_string(studio.path("painted/sub/c.jpg")).expect("text"), "of somebody else");

    // Other settings make other files: not unasked.
    let other = [&args[..], &["--strength", "0.5"]].concat();
    let (refused, events) = batch(&studio, &other);
    assert_eq!((refused.code, summary(&events)), (2, [0, 0, 5, 0]), "{}", refused.stderr);
    assert!(refused.stdout.contains("exists, painted with other settings"), "{}", refused.stdout);
    let (replaced, events) = batch(&studio, &[&other[..], &["--overwrite"]].concat());
    assert_eq!((replaced.code, summary(&events)), (0, [5, 0, 0, 0]), "{}", replaced.stderr);
    assert_eq!(level(&studio, "painted/sub/c.jpg"), 120);
}

#[test]
fn what_makes_no_batch_is_refused_before_anything_is_painted() {
    let studio = Studio::new();
    for name in ["one/a.png", "two/a.png", "one/deep/b.png", "three/deep/b.png"] {
        picture(&studio, name, 50);
    }
    std::fs::create_dir(studio.path("empty")).expect("made");
    for (args, code, words) in [
        (&["one", "two", "out"][..], 2, "would both become out/a.png"),
        (&["one", "one"], 2, "IN and OUT are the same folder"),
        (&["three", "out"], 3, "--recursive looks into the folders"),
        (&["empty", "out"], 3, "there is no film and no picture"),
        (&["one"], 2, "Name it last"),
        (&["--watch", "lost", "out"], 3, "lost"),
    ] {
        let (refused, _) = batch(&studio, args);
        assert!(refused.code == code && refused.stderr.contains(words), "{args:?}: {refused:?}");
        assert!(!Path::new(&studio.path("out")).exists(), "{args:?}");
    }
    // A folder in the one that is painted is not painted into itself.
    let (inside, events) = batch(&studio, &["one", "one/out", "--recursive"]);
    assert_eq!((inside.code, summary(&events)), (0, [2, 0, 0, 0]), "{}", inside.stderr);
    let (again, events) = batch(&studio, &["one", "one/out", "--recursive"]);
    assert_eq!((again.code, summary(&events)), (0, [0, 2, 0, 0]), "{}", again.stderr);
    // One file into a folder that is there.
    let (single, _) = batch(&studio, &["two/a.png", "empty"]);
    assert!(single.code == 0 && Path::new(&studio.path("empty/a.png")).exists(), "{}", single.stderr);
}

#[test]
fn options_for_films_leave_pictures_alone_and_stills_are_taken_of_films_only() {
    let studio = Studio::new();
    std::fs::create_dir(studio.path("in")).expect("made");
    studio.film("in/a.mp4", "-an");
    picture(&studio, "in/b.png", 90);
    let (done, _) = batch(&studio, &["in", "part", "--start", "1", "--end", "2", "--fps", "10"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!((packet_times(&studio.path("part/a.mp4"), "v").len(), level(&studio, "part/b.png")), (10, 90));
    let (done, _) = batch(&studio, &["in/a.mp4", "in/b.png", "stills", "--at", "0.4"]);
    assert_eq!((done.code, below(&studio, "stills")), (0, vec!["a.mp4.png".into(), "b.png".into()]), "{}", done.stderr);
    let found = level(&studio, "stills/a.mp4.png");
    assert!(found.abs_diff(20 + 10 * 13) <= 4, "{found}");
}

/// A batch that runs, and its events.
struct Running {
    child: Child,
    events: Receiver<Value>,
}

impl Running {
    fn start(studio: &Studio, args: &[&str]) -> Self {
        let mut child =
            command(studio, args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("impasto runs");
        let (lines, (send, events)) = (BufReader::new(child.stdout.take().expect("piped")).lines(), channel());
        std::thread::spawn(move || {
            lines.map_while(Result::ok).try_for_each(|line| send.send(serde_json::from_str(&line).expect("JSON")))
        });
        Self { child, events }
    }

    /// Waits for an event about a file; what came before it is passed over.
    fn wait_for(&self, event: &str, file: &str) -> Value {
        loop {
            let told = self.events.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {event} of {file}"));
            if told["event"] == event && told["file"].as_str().is_none_or(|told| told == file) {
                return told;
            }
        }
    }

    /// Ctrl-C; returns the exit code and the events that were left.
    fn interrupt(mut self) -> (Option<i32>, Vec<Value>) {
        let killed = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(killed.expect("kill runs").success());
        let code = self.child.wait().expect("it ends").code();
        (code, self.events.iter().collect())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_interrupted_batch_is_gone_on_with() {
    let studio = Studio::new();
    picture(&studio, "in/a.png", 60);
    picture(&studio, "in/c.png", 70);
    let long = studio.path("in/b.mkv");
    common::ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=640x360:r=30:d=60",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        &long,
    ]);
    let running = Running::start(&studio, &["in", "painted"]);
    running.wait_for("progress", "in/b.mkv");
    let (second, _) = batch(&studio, &["in", "painted"]);
    assert!(second.code == 2 && second.stderr.contains("another impasto paints into"), "{}", second.stderr);
    let (code, events) = running.interrupt();
    assert_eq!((code, summary(&events)), (Some(130), [1, 0, 0, 2]));
    assert!(!Path::new(&studio.path("painted/b.mkv")).exists());
    let (done, events) = batch(&studio, &["in", "painted", "--resume"]);
    assert_eq!((done.code, summary(&events)), (0, [2, 1, 0, 0]), "{}", done.stderr);
    let resumed = events.iter().find(|told| told["event"] == "start" && told["file"] == "in/b.mkv").expect("a start");
    assert!(resumed["resumed_frames"].as_u64() > Some(0), "{resumed}");
    assert_eq!(packet_times(&studio.path("painted/b.mkv"), "v").len(), 1800);
}

#[test]
fn what_appears_in_a_watched_folder_is_painted_when_it_is_finished() {
    let studio = Studio::new();
    picture(&studio, "inbox/there.png", 40);
    let film = std::fs::read(studio.film("film.mkv", "-t 1 -an")).expect("readable");
    let running = Running::start(&studio, &["--watch", "inbox", "painted", "--jobs", "2"]);
    running.wait_for("done", "inbox/there.png");
    // One that is being written, however slowly, one of another program's, and one that is moved in.
    let mut slow = File::create(studio.path("inbox/slow.mkv")).expect("made");
    slow.write_all(&film[..film.len() / 2]).expect("written");
    std::fs::write(studio.path("inbox/.hidden.mkv"), &film).expect("written");
    std::fs::rename(studio.path("film.mkv"), studio.path("inbox/moved.mkv")).expect("moved");
    running.wait_for("done", "inbox/moved.mkv");
    picture(&studio, "inbox/later.png", 70);
    running.wait_for("done", "inbox/later.png");
    assert_eq!(below(&studio, "painted"), ["later.png", "moved.mkv", "there.png"]);
    slow.write_all(&film[film.len() / 2..]).expect("written");
    drop(slow);
    running.wait_for("done", "inbox/slow.mkv");
    assert_eq!(packet_times(&studio.path("painted/slow.mkv"), "v").len(), 25);
    // One that cannot be painted is told, and not tried again and again.
    std::fs::write(studio.path("inbox/broken.png"), "no picture").expect("written");
    running.wait_for("failed", "inbox/broken.png");
    picture(&studio, "inbox/there.png", 90);
    running.wait_for("done", "inbox/there.png");
    let (code, events) = running.interrupt();
    assert_eq!((code, summary(&events)), (Some(3), [5, 0, 1, 0]));
    assert_eq!(level(&studio, "painted/there.png"), 90);
}
