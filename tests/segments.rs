//! `impasto file --segment` and `impasto join`: a film painted in pieces equals the film painted at once.

mod common;

use std::path::Path;
use std::process::Command;

use common::studio::{Studio, levels};
use common::{Finished, ffmpeg, finish, impasto, interrupted, packet_times};

fn segment(studio: &Studio, film: &str, number: &str, args: &[&str]) -> Finished {
    let (folder, network) = (studio.path("segments"), studio.path("identity.onnx"));
    let mut command = impasto();
    command.args(["--log", "warn", "file", film, &folder, "--segment", number, "--network", &network, "--crf", "6"]);
    finish(command.args(args))
}

fn join(studio: &Studio, output: &str, args: &[&str]) -> Finished {
    finish(impasto().args(["--log", "warn", "join", &studio.path("segments"), &studio.path(output)]).args(args))
}

/// MD5 of every packet of sound.
fn sound(file: &str) -> String {
    finish(Command::new("ffmpeg").args(["-v", "error", "-i", file, "-map", "0:a", "-c", "copy", "-f", "framemd5", "-"]))
        .stdout
}

#[test]
fn a_film_in_segments_equals_the_film_painted_at_once() {
    let studio = Studio::new();
    let variable = "-fps_mode passthrough -enc_time_base 1/90000 -video_track_timescale 90000 -bf 2 -c:a aac \
                    -filter:v setpts=PTS+if(gt(N\\,100)\\,0.013\\,0)/TB+mod(N\\,3)*0.004/TB";
    for (name, args, output) in [
        ("even.mp4", "-bf 2 -g 50 -c:a aac", "joined.mp4"),
        ("variable.mp4", variable, "joined.mp4"),
        ("even.mkv", "-bf 2 -c:a libopus", "joined.mkv"),
        ("stream.ts", "-bf 2 -g 50 -c:a aac", "joined.mkv"),
    ] {
        let film = studio.film(name, args);
        let whole = studio.good(&film, &format!("whole-{output}"), &["--crf", "6", "--overwrite"]);
        // In any order.
        for number in ["3/3", "1/3", "2/3"] {
            let done = segment(&studio, &film, number, &["--overwrite"]);
            assert_eq!(done.code, 0, "{name} {number}: {}", done.stderr);
        }
        let joined = join(&studio, output, &["--overwrite"]);
        assert_eq!(joined.code, 0, "{name}: {}", joined.stderr);
        let joined = studio.path(output);
        assert_eq!(packet_times(&joined, "v"), packet_times(&whole, "v"), "{name}");
        assert_eq!(packet_times(&joined, "v").len(), 250, "{name}");
        assert_eq!(sound(&joined), sound(&whole), "{name}");
        let pairs = levels(&joined, "").into_iter().zip(levels(&whole, ""));
        // Half a level is more than 45 dB.
        assert!(pairs.clone().all(|(one, other)| one.abs_diff(other) <= 1), "{name}");
        std::fs::remove_dir_all(studio.path("segments")).expect("removed");
    }
}

#[test]
fn segments_are_kept_gone_on_with_and_not_mixed() {
    let studio = Studio::new();
    let film = studio.path("long.mkv");
    ffmpeg(&["-f", "lavfi", "-i", "testsrc2=s=640x360:r=30:d=60", "-c:v", "libx264", "-preset", "ultrafast", &film]);
    let missing = join(&studio, "out.mp4", &[]);
    assert_eq!(missing.code, 3, "{missing:?}");
    let (folder, network) = (studio.path("segments"), studio.path("identity.onnx"));
    let mut command = impasto();
    command.args(["--log", "warn", "file", &film, &folder, "--segment", "2/2", "--network", &network, "--crf", "6"]);
    // As a machine that goes away.
    interrupted(&mut command, Path::new(&studio.path("segments/segment-0002-of-0002")), 20_000, "KILL");
    let refused = join(&studio, "out.mp4", &[]);
    assert!(refused.code == 3 && refused.stderr.contains("there are no segments"), "{refused:?}");
    assert_eq!(segment(&studio, &film, "2/2", &[]).code, 0);
    assert!(Path::new(&studio.path("segments/segment-0002-of-0002/000001.packets")).exists(), "it did not go on");
    let refused = join(&studio, "out.mp4", &[]);
    assert!(refused.code == 3 && refused.stderr.contains("these are missing: 1"), "{refused:?}");
    // What is there is left alone; with other settings it is refused.
    let again = segment(&studio, &film, "2/2", &["--json"]);
    assert!(again.code == 0 && again.stdout.contains("\"skipped\""), "{again:?}");
    let other = segment(&studio, &film, "2/2", &["--strength", "0.5"]);
    assert!(other.code == 2 && other.stderr.contains("--overwrite"), "{other:?}");
    let mixed = segment(&studio, &film, "1/2", &["--strength", "0.5"]);
    assert_eq!(mixed.code, 0, "{}", mixed.stderr);
    let refused = join(&studio, "out.mp4", &[]);
    assert!(refused.code == 3 && refused.stderr.contains("than the others"), "{refused:?}");
    assert_eq!(segment(&studio, &film, "1/2", &["--overwrite"]).code, 0);
    assert_eq!(join(&studio, "out.mp4", &[]).code, 0);
    assert_eq!(packet_times(&studio.path("out.mp4"), "v").len(), 1800);
    for (args, words) in [
        (&["--start", "1"][..], "paints a part of the whole film"),
        (&["--fps", "10"], "paints a part of the whole film"),
        (&["--segment", "5/4"], "no segment such as"),
    ] {
        let mut command = impasto();
        command.args(["file", &film, &folder, "--network", &network]).args(args);
        let extra: &[&str] = if args[0] == "--segment" { &[] } else { &["--segment", "1/2"] };
        let refused = finish(command.args(extra));
        assert!(refused.code == 2 && refused.stderr.contains(words), "{args:?}: {refused:?}");
    }
    // A disk that loses a part of a segment.
    let packets = studio.path("segments/segment-0001-of-0002/000000.packets");
    let mut bytes = std::fs::read(&packets).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 2000].fill(0);
    std::fs::write(&packets, bytes).expect("written");
    let damaged = join(&studio, "damaged.mp4", &[]);
    assert!(damaged.code == 3 && damaged.stderr.contains("of its 900 frames are whole"), "{damaged:?}");
    assert!(!Path::new(&studio.path("damaged.mp4")).exists());
    let again = segment(&studio, &film, "1/2", &[]);
    assert!(again.code == 0 && again.stderr.contains("it is damaged and is painted again"), "{again:?}");
    assert_eq!(join(&studio, "mended.mp4", &[]).code, 0);
    assert_eq!(packet_times(&studio.path("mended.mp4"), "v").len(), 1800);
    std::fs::rename(&film, studio.path("moved.mkv")).expect("moved");
    let lost = join(&studio, "again.mp4", &[]);
    assert!(lost.code == 3 && lost.stderr.contains("--input says where it is"), "{lost:?}");
    assert_eq!(join(&studio, "again.mp4", &["--input", &studio.path("moved.mkv")]).code, 0);
}
