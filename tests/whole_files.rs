//! `impasto file` on recordings that are hard to read: nothing of them is lost on the way.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::studio::Studio;
use common::{ffmpeg, finish, impasto, packet_times, probe, project};

fn case(name: &str) -> PathBuf {
    project("tests/cases").join(name)
}

fn duration(file: &str, stream: &str) -> f64 {
    let times = packet_times(file, stream);
    let last = probe(file, stream, "packet=duration_time");
    times[times.len() - 1] + last.lines().last().and_then(|text| text.trim_end_matches(',').parse().ok()).unwrap_or(0.0)
}

#[test]
fn clips_cut_without_encoding_keep_what_they_show() {
    let studio = Studio::new();
    for (input, frames, sound) in [("trimmed_edit_list.mp4", 125, 5.0), ("sound_outlasts_pictures.mp4", 50, 12.0)] {
        for output in ["out.mp4", "out.mkv"] {
            let (file, _) = studio.told(case(input), output, &["--overwrite"]);
            assert_eq!(packet_times(&file, "v").len(), frames, "{input} -> {output}");
            let length = duration(&file, "a");
            assert!((length - sound).abs() < 0.05, "{input} -> {output}: {length} s of sound");
        }
    }
}

#[test]
fn every_pixel_format_is_painted() {
    let studio = Studio::new();
    for (input, frames) in
        [("h264_422.mp4", 10), ("mpeg2_422.ts", 10), ("vp9_422.webm", 10), ("prores4444_alpha.mov", 3)]
    {
        let (file, _) = studio.told(case(input), "out.mkv", &["--overwrite"]);
        assert_eq!(packet_times(&file, "v").len(), frames, "{input}");
    }
}

/// The decoder has no way to hand them on, and ffmpeg is not there to do it; that must not end the process, which may have other
/// films to paint.
#[test]
fn pixel_formats_that_cannot_be_read_are_refused() {
    let studio = Studio::new();
    let convert = |input: &Path, output: &str| {
        let mut command = impasto();
        command.env("PATH", "nothing").args(["--log", "warn", "file"]).arg(input).arg(studio.file(output));
        finish(command.arg("--network").arg(studio.file("identity.onnx")))
    };
    let films = studio.file("films");
    std::fs::create_dir(&films).expect("made");
    for name in ["a.mp4", "c.mp4"] {
        std::fs::copy(case("tiny.mp4"), films.join(name)).expect("copied");
    }
    let film = films.join("b.mkv");
    for format in ["gray10le", "gbrp16le", "yuv444p16le", "ya8"] {
        let moving = ["-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=0.4", "-c:v", "ffv1", "-strict", "-2"];
        ffmpeg(&[&moving[..], &["-pix_fmt", format, film.to_str().expect("UTF-8")]].concat());
        let refused = convert(&film, "out.mkv");
        assert_eq!(refused.code, 3, "{format}: {}", refused.stderr);
        let said = refused.stderr;
        assert!(said.contains("b.mkv: ") && said.contains("this format of pixels"), "{format}: {said}");
        assert!(said.contains("ffmpeg reads more kinds of films: `apt install ffmpeg`"), "{format}: {said}");
        assert!(!studio.file("out.mkv").exists(), "{format}");
        assert_eq!(finish(impasto().env("PATH", "nothing").arg("check").arg(&film)).code, 3, "{format}");
    }
    let batch = convert(&films, "painted");
    assert!(batch.code > 0 && batch.code < 100, "{}", batch.stderr);
    for name in ["a.mp4", "c.mp4"] {
        let painted = studio.file("painted").join(name);
        assert_eq!(packet_times(painted.to_str().expect("UTF-8"), "v").len(), 24, "{name}: {}", batch.stderr);
    }
}

#[test]
fn vp9_fits_into_mp4() {
    let studio = Studio::new();
    let (file, _) = studio.told(case("tiny.mp4"), "out.mp4", &["--codec", "vp9"]);
    assert_eq!((probe(&file, "v", "stream=codec_name").as_str(), packet_times(&file, "v").len()), ("vp9", 24));
}

/// Makes two seconds of picture and sound; the arguments choose the sound's codec and what else is special.
fn with_sound(studio: &Studio, name: &str, args: &[&str]) -> PathBuf {
    let file = studio.file(name);
    let inputs = ["-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=2", "-f", "lavfi", "-i", "sine=d=2"];
    let picture = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-strict", "-2"];
    ffmpeg(&[&inputs[..], &picture, args, &[file.to_str().expect("UTF-8")]].concat());
    file
}

#[test]
fn sound_that_the_container_does_not_take_is_encoded_anew() {
    let studio = Studio::new();
    let cases: [(&str, &[&str], &str, &str); 9] = [
        ("eac3.ts", &["-c:a", "eac3"], "out.mp4", "aac"),
        ("latm.ts", &["-c:a", "aac", "-mpegts_flags", "latm"], "out.mp4", "aac"),
        ("latm.ts", &["-c:a", "aac", "-mpegts_flags", "latm"], "out.mkv", "opus"),
        ("flac.mkv", &["-c:a", "flac"], "out.mov", "alac"),
        ("vorbis.mkv", &["-c:a", "libvorbis"], "out.mp4", "aac"),
        ("dts.mkv", &["-c:a", "dca"], "out.mp4", "aac"),
        ("adpcm.mkv", &["-c:a", "adpcm_ms"], "out.webm", "opus"),
        // What is copied: the packets of a bundle have no times of their own in a transport stream.
        ("opus.ts", &["-c:a", "libopus"], "out.mp4", "opus"),
        ("opus.ts", &["-c:a", "libopus"], "out.mkv", "opus"),
    ];
    for (name, args, output, codec) in cases {
        let input = with_sound(&studio, name, args);
        let (file, said) = studio.told(&input, output, &["--overwrite"]);
        assert_eq!(packet_times(&file, "v").len(), 50, "{name} -> {output}");
        assert_eq!(probe(&file, "a", "stream=codec_name"), codec, "{name} -> {output}");
        let length = duration(&file, "a") - packet_times(&file, "a")[0];
        assert!(length > 1.6 && length < 2.1, "{name} -> {output}: {length} s of sound");
        assert_eq!(said.contains("is encoded anew"), !name.starts_with("opus"), "{name} -> {output}: {said}");
    }
    let (file, said) = studio.told(case("eac3.mkv"), "out.mp4", &["--overwrite"]);
    assert!(duration(&file, "a") > 1.9 && said.contains("audio/x-eac3) is encoded anew"), "{said}");
}

/// The sound as it is decoded.
fn heard(file: &Path) -> Vec<u8> {
    let mut decode = Command::new("ffmpeg");
    decode.args(["-v", "error", "-nostdin", "-i"]).arg(file).args(["-map", "0:a", "-f", "s16le", "-"]);
    decode.output().expect("ffmpeg runs").stdout
}

#[test]
fn opus_is_heard_from_its_first_sample_in_mp4() {
    let studio = Studio::new();
    let input = with_sound(&studio, "opus.mkv", &["-c:a", "libopus"]);
    for (output, audio) in [("out.mp4", "auto"), ("out.mov", "auto"), ("out.mp4", "opus")] {
        let (file, _) = studio.told(&input, output, &["--overwrite", "--audio", audio]);
        let (right, found) = (heard(&input).len(), heard(Path::new(&file)).len());
        assert!(right.abs_diff(found) < right / 50, "{output}, --audio {audio}: {found} of {right} bytes of sound");
    }
}

#[test]
fn pictures_that_no_edit_list_moves_back_are_all_kept() {
    let studio = Studio::new();
    let input = with_sound(&studio, "unedited.mp4", &["-bf", "2", "-c:a", "aac", "-use_editlist", "0"]);
    let mut times = packet_times(input.to_str().expect("UTF-8"), "v");
    times.sort_by(f64::total_cmp);
    assert!(times[0] > 0.03, "a delay that nothing takes back");
    for output in ["out.mp4", "out.mkv"] {
        let (file, _) = studio.told(&input, output, &["--overwrite"]);
        assert_eq!(packet_times(&file, "v"), times, "{output}");
    }
}

#[test]
fn the_packets_before_the_beginning_come_along() {
    let studio = Studio::new();
    // Decoders need it for what comes first.
    let input = with_sound(&studio, "primed.mp4", &["-c:a", "aac"]);
    for output in ["out.mp4", "out.mov"] {
        let (file, _) = studio.told(&input, output, &["--overwrite"]);
        let file = Path::new(&file);
        assert!(heard(file) == heard(&input), "{output}: other sound");
        assert_eq!(packet_times(file.to_str().unwrap(), "v")[0], 0.0, "{output}");
    }
    // Sound that begins before the first picture, in streams whose times begin anywhere.
    for (name, args) in [("early.ts", "-c:a aac"), ("early.mpg", "-c:v mpeg2video -c:a mp2")] {
        let input = with_sound(&studio, name, &args.split(' ').collect::<Vec<_>>());
        let (file, _) = studio.told(&input, "out.mkv", &["--overwrite"]);
        let packets = |file: &str| packet_times(file, "a").len();
        assert_eq!(packets(&file), packets(input.to_str().unwrap()), "{name}");
    }
}

#[test]
fn the_sound_is_what_was_asked_for_or_nothing_is_painted() {
    let studio = Studio::new();
    let input = with_sound(&studio, "flac.mkv", &["-c:a", "flac"]);
    for (output, audio, codec) in [
        ("out.mp4", "none", ""),
        ("out.mkv", "copy", "flac"),
        ("out.mkv", "aac", "aac"),
        ("out.mp4", "opus", "opus"),
        ("out.mp4", "mp3", "mp3"),
    ] {
        let (file, _) = studio.told(&input, output, &["--overwrite", "--audio", audio]);
        assert_eq!(probe(&file, "a", "stream=codec_name"), codec, "--audio {audio}");
        assert_eq!(packet_times(&file, "v").len(), 50, "--audio {audio}");
    }
    for (output, audio, words) in [
        ("no.mp4", "copy", "MP4 does not take it as it is; write .mkv"),
        ("no.webm", "aac", "WebM holds no such sound"),
    ] {
        let refused = studio.convert(&input, output, &["--audio", audio]);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains(words) && !refused.stderr.contains("frames"), "{}", refused.stderr);
        assert!(!studio.file(&format!(".{output}.parts")).exists(), "nothing was begun");
    }
}

#[test]
fn tracks_keep_titles_languages_and_flags() {
    let studio = Studio::new();
    let (file, _) = studio.told(case("tracks_flags.mkv"), "out.mkv", &[]);
    let entries = "stream=codec_name:stream_disposition=default,forced:stream_tags=language,title";
    let input = case("tracks_flags.mkv").to_str().expect("UTF-8").to_string();
    for stream in ["v", "a:0", "a:1", "s:0", "s:1"] {
        assert_eq!(probe(&file, stream, entries), probe(&input, stream, entries), "{stream}");
    }
    assert_eq!(probe(&file, "v", "format_tags=title"), "My Film");
    // The source's packets lie in the order of decoding.
    let mut times = packet_times(&input, "v");
    times.sort_by(f64::total_cmp);
    assert_eq!(packet_times(&file, "v"), times);
}

#[test]
fn mp4_keeps_date_and_place() {
    let studio = Studio::new();
    let (file, _) = studio.told(case("metadata.mp4"), "out.mp4", &[]);
    let input = case("metadata.mp4").to_str().expect("UTF-8").to_string();
    let entries = "format_tags=title,artist,comment,date,location,creation_time";
    assert_eq!(probe(&file, "v", entries), probe(&input, "v", entries));
}

#[test]
fn two_conversions_into_one_file_are_refused() {
    let studio = Studio::new();
    let parts = studio.file(".out.mp4.parts");
    std::fs::create_dir(&parts).expect("made");
    let lock = std::fs::File::create(parts.join("lock")).expect("made");
    std::fs::write(parts.join("lock"), "4711").expect("written");
    lock.try_lock().expect("free");
    let refused = studio.convert(case("tiny.mp4"), "out.mp4", &[]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("is being written by process 4711"), "{}", refused.stderr);
    drop(lock);
    let (file, _) = studio.told(case("tiny.mp4"), "out.mp4", &[]);
    assert_eq!(packet_times(&file, "v").len(), 24);
    assert!(!parts.exists());
}

#[test]
fn the_last_picture_of_a_gif_is_held_as_long_as_in_the_source() {
    let studio = Studio::new();
    let input = studio.file("held.gif");
    let moving = ["-f", "lavfi", "-i", "testsrc=s=64x48:r=10:d=0.5", "-final_delay", "130"];
    ffmpeg(&[&moving[..], &[input.to_str().expect("UTF-8")]].concat());
    for output in ["out.mp4", "out.mkv", "out.webm"] {
        let (file, _) = studio.told(&input, output, &[]);
        let length: f64 = probe(&file, "v", "format=duration").parse().expect("a length");
        assert!((length - 1.7).abs() < 0.05, "{output}: {length} s");
    }
}
