//! `impasto file --scale --max-side --fps`: OUT in another size or at another frame rate than IN.

mod common;

use std::path::Path;

use common::studio::{Studio, levels};
use common::{difference, ffmpeg, gray_frame, impasto, interrupted, packet_times, probe};

/// Pictures of one level differ by so much after encoding.
const NEAR: u8 = 5;

#[test]
fn another_frame_rate_shows_the_picture_of_each_time() {
    let studio = Studio::new();
    let variable = "-fps_mode passthrough -enc_time_base 1/90000 -video_track_timescale 90000 -c:a aac \
                    -filter:v setpts=PTS+if(gt(N\\,100)\\,0.013\\,0)/TB+mod(N\\,3)*0.004/TB";
    for (input, args) in [("even.mp4", "-bf 2 -c:a aac"), ("variable.mp4", variable)] {
        let film = studio.film(input, args);
        for (rate, a_second) in [("12.5", 12.5), ("50", 50.0), ("29.97", 30000.0 / 1001.0), ("7", 7.0)] {
            let out = studio.good(&film, "rate.mp4", &["--fps", rate, "--crf", "4", "--overwrite"]);
            let (found, times) = (levels(&out, ""), packet_times(&out, "v"));
            let expected = levels(&film, &format!("fps={a_second},"));
            // How long the last picture is shown, is a matter of view.
            assert!(found.len().abs_diff(expected.len()) <= 2, "{input} at {rate}: {} {}", found.len(), expected.len());
            // A picture in the middle between two frames may go to either.
            let differ = found.iter().zip(&expected).filter(|(one, other)| one.abs_diff(**other) > NEAR).count();
            assert!(differ * 50 <= found.len(), "{input} at {rate}: {differ} of {} frames differ", found.len());
            for (number, time) in times.iter().enumerate() {
                assert!((time - number as f64 / a_second).abs() < 2e-5, "{input} at {rate}: frame {number} at {time}");
            }
            // Decoders pass over what lies before 0.
            let sound =
                |file: &str| packet_times(file, "a").into_iter().filter(|time| *time >= 0.0).collect::<Vec<_>>();
            assert_eq!(sound(&out), sound(&film), "{input} at {rate}");
        }
        let part = studio.good(&film, "part.mp4", &["--fps", "50", "--start", "2.5", "--end", "3.7", "--overwrite"]);
        // From the picture at 2.52 s on.
        assert_eq!(packet_times(&part, "v").len(), 59, "{input}");
    }
    // One picture is enough.
    let one = studio.film("one.mp4", "-frames:v 1 -an");
    let out = studio.good(&one, "one-out.mp4", &["--fps", "50"]);
    assert_eq!(packet_times(&out, "v").len(), 2);
}

#[test]
fn an_interrupted_conversion_goes_on_in_mid_repetition() {
    let studio = Studio::new();
    let film = studio.path("long.mkv");
    ffmpeg(&["-f", "lavfi", "-i", "testsrc2=s=640x360:r=10:d=60", "-c:v", "libx264", "-preset", "ultrafast", &film]);
    let args = ["--fps", "35"];
    let whole = studio.good(&film, "whole.mp4", &args);
    let output = studio.path("resumed.mp4");
    let mut command = impasto();
    command.args(["--log", "warn", "file", &film, &output, "--network", &studio.path("identity.onnx")]).args(args);
    let (code, errors) = interrupted(&mut command, Path::new(&output), 20_000, "INT");
    assert_eq!(code, Some(130), "{errors}");
    let other = studio.convert(&film, "resumed.mp4", &["--resume", "--fps", "36"]);
    assert!(other.code == 2 && other.stderr.contains("another --fps"), "{}", other.stderr);
    let resumed = studio.good(&film, "resumed.mp4", &["--resume", "--fps", "35"]);
    assert_eq!(packet_times(&resumed, "v"), packet_times(&whole, "v"));
    assert_eq!(packet_times(&whole, "v").len(), 2100);
}

#[test]
fn another_size_shows_the_same_picture() {
    let studio = Studio::new();
    let source = |name: &str, size: &str, filter: &str| {
        let film = studio.path(name);
        let picture = format!("testsrc2=s={size}:r=10:d=1");
        ffmpeg(&[
            "-f", "lavfi", "-i", &picture, "-vf", filter, "-c:v", "libx264", "-crf", "4", "-pix_fmt", "yuv420p", &film,
        ]);
        film
    };
    let (wide, anamorphic) =
        (source("wide.mp4", "640x360", "null"), source("anamorphic.mkv", "720x576", "setsar=64/45"));
    let turned = studio.path("turned.mp4");
    ffmpeg(&["-i", &wide, "-c", "copy", "-metadata:s:v", "rotate=90", &turned]);
    for (film, args, size, aspect) in [
        (&wide, &["--scale", "50%"][..], (320, 180), "1:1"),
        (&wide, &["--scale", "300x300"], (300, 168), "1:1"),
        (&wide, &["--scale", "150%"], (960, 540), "1:1"),
        (&wide, &["--max-side", "256"], (256, 144), "1:1"),
        (&wide, &["--max-side", "1280"], (640, 360), "1:1"),
        (&turned, &["--max-side", "256"], (144, 256), "1:1"),
        (&anamorphic, &["--scale", "512x288"], (360, 288), "64:45"),
    ] {
        let out = studio.good(film, "scaled.mkv", &[args, &["--crf", "4", "--overwrite"]].concat());
        let told = probe(&out, "v", "stream=width,height,sample_aspect_ratio");
        assert_eq!(told.trim(), format!("{},{},{aspect}", size.0, size.1), "{film} {args:?}");
        assert_eq!(packet_times(&out, "v").len(), 10, "{film} {args:?}");
        let expected = gray_frame(&["-i", film], 4, size);
        let off = difference(&expected, &gray_frame(&["-i", &out], 4, size));
        assert!(off < 3.0, "{film} {args:?}: {off} levels off");
    }
    // Pictures too, to the pixel.
    let photo = studio.path("photo.png");
    ffmpeg(&["-i", &wide, "-frames:v", "1", "-vf", "scale=301:200", &photo]);
    for (args, size) in
        [(["--max-side", "150"], "150,100"), (["--scale", "50%"], "151,100"), (["--scale", "700x400"], "602,400")]
    {
        let out = studio.good(&photo, "photo-out.png", &[&args[..], &["--overwrite"]].concat());
        assert_eq!(probe(&out, "v", "stream=width,height").trim(), size, "{args:?}");
    }
}

#[test]
fn sizes_and_rates_that_cannot_be_are_refused() {
    let studio = Studio::new();
    let film = studio.film("film.mp4", "-frames:v 3 -an");
    for (output, args, reason) in [
        ("out.mp4", ["--scale", "0%"], "no box such as 1280x720"),
        ("out.mp4", ["--scale", "12,3"], "no box such as 1280x720"),
        ("out.mp4", ["--fps", "0"], "no frame rate"),
        ("out.mp4", ["--fps", "abc"], "no frame rate"),
        ("out.mp4", ["--max-side", "1"], "--max-side"),
        ("out.png", ["--fps", "25"], "--fps is the frame rate of a video"),
    ] {
        let refused = studio.convert(&film, output, &args);
        assert!(refused.code == 2 && refused.stderr.contains(reason), "{args:?}: {} {}", refused.code, refused.stderr);
    }
    let large = studio.path("large.mkv");
    ffmpeg(&["-f", "lavfi", "-i", "color=s=2048x64:r=1:d=1", "-c:v", "libx264", &large]);
    let refused = studio.convert(&large, "out.mp4", &["--scale", "1000%"]);
    assert!(refused.code == 3 && refused.stderr.contains("cannot be painted"), "{} {}", refused.code, refused.stderr);
}
