//! `impasto file` on films that GStreamer reads in part, or not at all: ffmpeg reads the rest where it is installed, and what is lost
//! is told.

mod common;

use std::io::{BufRead, BufReader};
use std::process::Command;

use common::studio::{Studio, levels};
use common::{Finished, ffmpeg, finish, impasto, packet_times, probe};

const PICTURE: &str = "-f lavfi -i testsrc2=s=160x96:r=25:d=2";
const SOUND: &str = "-f lavfi -i sine=d=2:r=48000";
const OTHER_SOUND: &str = "-f lavfi -i sine=f=880:d=2:r=48000";
const FAST: &str = "-c:v libx264 -preset ultrafast -bf 0 -pix_fmt yuv420p";

/// Makes a film of two seconds; `{v}`, `{a}`, `{b}` and `{x}` stand for the constants above.
fn make(studio: &Studio, name: &str, recipe: &str) -> String {
    let recipe = recipe.replace("{v}", PICTURE).replace("{a}", SOUND).replace("{b}", OTHER_SOUND).replace("{x}", FAST);
    let file = studio.path(name);
    ffmpeg(&[&recipe.split_whitespace().collect::<Vec<_>>()[..], &["-strict", "-2", &file]].concat());
    file
}

/// Converts what must succeed; the file, and what was said of it.
fn good(studio: &Studio, input: &str, output: &str, args: &[&str]) -> (String, String) {
    let finished = studio.convert(input, output, &[&["--overwrite"], args].concat());
    assert_eq!(finished.code, 0, "{input} -> {output} {args:?}: {}", finished.stderr);
    (studio.path(output), finished.stderr)
}

/// As if ffmpeg were not installed.
fn without_ffmpeg(studio: &Studio, input: &str, output: &str) -> Finished {
    let mut command = impasto();
    command.env("PATH", studio.path("empty")).args(["--log", "warn", "file", "--overwrite", input]);
    finish(command.arg(studio.path(output)).arg("--network").arg(studio.path("identity.onnx")))
}

/// Codecs of the streams of a kind, as ffprobe tells them: program by program, a stream may be told twice.
fn codecs(file: &str, kind: &str) -> Vec<String> {
    let told = probe(file, kind, "stream=index,codec_name");
    let mut lines: Vec<_> = told.lines().map(|line| line.trim_matches(',').to_string()).collect();
    lines.sort();
    lines.dedup();
    lines.iter().filter_map(|line| Some(line.split(',').nth(1)?.to_string())).collect()
}

/// How much later the sound begins than the pictures.
fn lead(file: &str, sound: usize) -> f64 {
    let first = |stream: &str| packet_times(file, stream).into_iter().reduce(f64::min).expect("packets");
    first(&format!("a:{sound}")) - first("v:0")
}

/// The sound as it is decoded.
fn heard(file: &str, sound: usize) -> Vec<u8> {
    let mut decode = Command::new("ffmpeg");
    decode.args([
        "-v",
        "error",
        "-nostdin",
        "-i",
        file,
        "-map",
        &format!("0:a:{sound}"),
        "-ar",
        "48000",
        "-f",
        "s16le",
        "-",
    ]);
    decode.output().expect("ffmpeg runs").stdout
}

#[test]
fn sound_that_gstreamer_does_not_read_comes_along_on_time() {
    let studio = Studio::new();
    let x264 = |sound: &str| format!("{{v}} {{a}} {{x}} {sound}");
    let two = |sound: &str| format!("{{v}} {{a}} {{b}} -map 0 -map 1 -map 2 -c:v mpeg2video {sound}");
    for (name, recipe, output, expected) in [
        ("aac.m2ts", x264("-c:a aac"), "out.mkv", &["aac"][..]),
        ("mp2.m2ts", x264("-c:a mp2"), "out.mkv", &["mp2"]),
        ("dts.m2ts", x264("-c:a dca"), "out.mkv", &["dts"]),
        ("dts.ts", x264("-c:a dca"), "out.mp4", &["aac"]),
        ("film.wtv", "{v} {a} -c:v mpeg2video -c:a mp2".into(), "out.mkv", &["mp2"]),
        ("dts.vob", "{v} {a} -c:v mpeg2video -c:a dca -f vob".into(), "out.mkv", &["dts"]),
        ("adpcm.flv", x264("-c:a adpcm_swf -ar 44100"), "out.mkv", &["opus"]),
        ("adpcm.flv", x264("-c:a adpcm_swf -ar 44100"), "out.mp4", &["aac"]),
        ("two.vob", two("-c:a mp2 -f vob"), "out.mkv", &["mp2", "mp2"]),
        ("two-ac3.vob", two("-c:a ac3 -f vob"), "out.mp4", &["ac3", "ac3"]),
        ("speex.mkv", x264("-c:a libspeex -ar 16000"), "out.mkv", &["opus"]),
        ("speex.ogv", "{v} {a} -c:v libtheora -c:a libspeex -ar 16000".into(), "out.mkv", &["opus"]),
        ("mono.avi", "{v} {a} -c:v mpeg4 -ac 1 -c:a adpcm_ms".into(), "out.mkv", &["opus"]),
        ("moved.f4v", "{v} {a} -c:v libx264 -bf 3 -pix_fmt yuv420p -c:a aac -f f4v".into(), "out.mp4", &["aac"]),
    ] {
        let input = make(&studio, name, &recipe);
        let (file, said) = good(&studio, &input, output, &[]);
        assert_eq!(packet_times(&file, "v").len(), 50, "{name} -> {output}");
        assert_eq!(codecs(&file, "a"), expected, "{name} -> {output}: {said}");
        let is_copied = codecs(&input, "a") == expected;
        assert_eq!(said.contains("is encoded anew"), !is_copied, "{name} -> {output}: {said}");
        for sound in 0..expected.len() {
            let [before, after] = [&input, &file].map(|file| heard(file, sound).len());
            assert!(before.abs_diff(after) < before / 20, "{name} -> {output}: {after} of {before} bytes of sound");
            if is_copied {
                let moved = lead(&file, sound) - lead(&input, sound);
                assert!(moved.abs() < 0.003, "{name} -> {output}: sound {sound} is {moved} s late");
            }
        }
        let left = std::fs::read_dir(studio.path("")).expect("readable").flatten();
        let left: Vec<_> = left.filter(|entry| entry.file_name().to_string_lossy().starts_with('.')).collect();
        assert!(left.is_empty(), "{left:?}");
    }
    // The second of two is another one.
    let (file, _) = good(&studio, &studio.path("two.vob"), "out.mkv", &[]);
    assert_ne!(heard(&file, 0), heard(&file, 1));
    let told = without_ffmpeg(&studio, &studio.path("speex.mkv"), "out.mkv");
    assert!(told.code == 2 && told.stderr.contains("ffmpeg may: `apt install ffmpeg`"), "{}", told.stderr);
    let told = without_ffmpeg(&studio, &studio.path("aac.m2ts"), "out.mkv");
    assert!(told.code == 0 && told.stderr.contains("ffmpeg finds more kinds"), "{}", told.stderr);
}

#[test]
fn subtitles_never_cost_the_sound() {
    let studio = Studio::new();
    std::fs::write(studio.path("words.vtt"), "WEBVTT\n\n00:00.100 --> 00:01.300\nwords\n").expect("written");
    let words = studio.path("words.vtt");
    let with = |codecs: &str| format!("{{v}} {{a}} -i {words} -map 0 -map 1 -map 2 {codecs}");
    let all = "{x} -c:a aac";
    for (name, recipe, output, expected) in [
        ("web.mkv", with(&format!("{all} -c:s webvtt")), "out.mkv", &["webvtt"][..]),
        ("web.mkv", with(&format!("{all} -c:s webvtt")), "out.mp4", &["mov_text"]),
        ("web.webm", with("-c:v libvpx -deadline realtime -c:a libvorbis -c:s webvtt"), "out.webm", &["webvtt"]),
        ("styled.mkv", with(&format!("{all} -c:s ass")), "out.mp4", &["mov_text"]),
        ("styled.mkv", with(&format!("{all} -c:s ass")), "out.mkv", &["ass"]),
    ] {
        let input = make(&studio, name, &recipe);
        let (file, said) = good(&studio, &input, output, &[]);
        assert_eq!(codecs(&file, "s"), expected, "{name} -> {output}: {said}");
        let packets = |file: &str| packet_times(file, "a").len();
        assert_eq!(
            (packet_times(&file, "v").len(), packets(&file)),
            (50, packets(&input)),
            "{name} -> {output}: {said}"
        );
        let text = studio.path("text.srt");
        ffmpeg(&["-i", &file, "-map", "0:s:0", &text]);
        let text = std::fs::read_to_string(text).expect("text");
        assert!(text.contains("00:00:00,1") && text.contains("words"), "{name} -> {output}: {text}");
        let forecast = studio.convert(&input, output, &["--dry-run", "--overwrite"]);
        assert_eq!(forecast.code, 0, "{name}: {}", forecast.stderr);
    }
    // Pictures of text: kept where they can be, told where not.
    let plain = make(&studio, "plain.mkv", &with(&format!("{all} -c:s srt")));
    let pictures = studio.path("pictures.mkv");
    let made = finish(
        Command::new("ffmpeg").args(["-v", "error", "-y", "-i", &plain, "-c", "copy", "-c:s", "dvbsub", &pictures]),
    );
    if made.code == 0 {
        let (file, _) = good(&studio, &pictures, "out.mkv", &[]);
        assert_eq!(
            (codecs(&file, "s"), codecs(&file, "a")),
            (vec!["dvb_subtitle".to_string()], vec!["aac".to_string()])
        );
    }
}

#[test]
fn pixel_formats_that_gstreamer_cannot_name_are_decoded_by_ffmpeg() {
    let studio = Studio::new();
    for (format, bits) in
        [("gray10le", 10), ("ya8", 8), ("yuv440p", 8), ("gbrp16le", 16), ("yuv444p16le", 16), ("yuvj440p", 8)]
    {
        let film = studio.path(&format!("{format}.mkv"));
        let moving = ["-f", "lavfi", "-i", "nullsrc=s=160x96:r=25:d=0.4,format=gray,geq=lum='40+N*15'"];
        ffmpeg(&[&moving[..], &["-c:v", "ffv1", "-strict", "-2", "-pix_fmt", format, &film]].concat());
        let (file, said) = good(&studio, &film, "out.mkv", &["--crf", "1"]);
        let (wanted, found) = (levels(&film, ""), levels(&file, ""));
        assert_eq!((wanted.len(), found.len()), (10, 10), "{format}");
        let near = wanted.iter().zip(&found).all(|(wanted, found)| wanted.abs_diff(*found) < 3);
        assert!(near, "{format}: {wanted:?} became {found:?}");
        assert_eq!(said.contains(&format!("has {bits} bits a colour")), bits > 8, "{format}: {said}");
        let refused = without_ffmpeg(&studio, &film, "out.mkv");
        if refused.code != 0 {
            assert!(
                refused.code == 3 && refused.stderr.contains("ffmpeg reads more kinds of films"),
                "{format}: {refused:?}"
            );
        }
    }
}

#[test]
fn pictures_one_after_the_other_and_behind_damage_are_painted() {
    let studio = Studio::new();
    let pictures = make(&studio, "film.mjpeg", "{v} -c:v mjpeg");
    let (file, _) = good(&studio, &pictures, "out.mkv", &[]);
    assert_eq!(packet_times(&file, "v").len(), 50);
    let whole = make(&studio, "whole.flv", "{v} {a} {x} -g 10 -c:a aac -ar 44100");
    let whole = std::fs::read(whole).expect("readable");
    let middle = whole.len() / 2;
    let damaged = studio.path("damaged.flv");
    std::fs::write(&damaged, [&whole[..middle], &whole[middle + 1500..]].concat()).expect("written");
    let (file, said) = good(&studio, &damaged, "out.mkv", &[]);
    let found = packet_times(&file, "v").len();
    assert!(found > 45 && packet_times(&file, "a").len() > 80, "{found} pictures: {said}");
    assert!(said.contains("could not be decoded"), "{said}");

    let whole = make(&studio, "whole.mp4", "{v} {a} {x} -g 10 -c:a aac -movflags frag_keyframe+empty_moov");
    let mut pieces = std::fs::read(whole).expect("readable");
    let places: Vec<_> = pieces.windows(4).enumerate().filter(|(_, kind)| kind == b"moof").map(|(at, _)| at).collect();
    pieces[places[2] - 4..places[2] + 300].fill(0);
    let damaged = studio.path("damaged.mp4");
    std::fs::write(&damaged, pieces).expect("written");
    let (_, said) = good(&studio, &damaged, "out.mkv", &[]);
    assert!(said.contains(&format!("the input is damaged: what comes after {} of", places[2] - 4)), "{said}");
}

#[test]
fn covers_come_along() {
    let studio = Studio::new();
    let film = make(&studio, "film.mkv", "{v} {a} {x} -c:a aac");
    let (cover, with_cover) = (studio.path("cover.jpg"), studio.path("cover.mp4"));
    ffmpeg(&["-f", "lavfi", "-i", "testsrc2=s=64x64:d=0.04", "-frames:v", "1", &cover]);
    let maps = ["-map", "0", "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic"];
    ffmpeg(&[&["-i", &film, "-i", &cover][..], &maps, &[&with_cover]].concat());
    for (input, output) in
        [(with_cover.as_str(), "out.mkv"), (&studio.path("out.mkv"), "out.mp4"), (&with_cover, "again.mp4")]
    {
        let (file, _) = good(&studio, input, output, &[]);
        let found = studio.path("found.jpg");
        ffmpeg(&["-i", &file, "-map", "0:v:1", "-c", "copy", "-frames:v", "1", "-f", "image2", &found]);
        assert_eq!(std::fs::read(found).expect("a cover"), std::fs::read(&cover).expect("a cover"), "{output}");
        assert_eq!(codecs(&file, "v"), ["h264", "mjpeg"], "{output}");
    }
    let (_, said) = good(&studio, &with_cover, "out.mov", &[]);
    assert!(said.contains("cover pictures are left out: MOV does not hold them"), "{said}");
}

/// When the sound that begins after half a second is heard, and how long all of it is, in seconds.
fn onset_and_length(file: &str) -> (f64, f64) {
    let samples: Vec<_> =
        heard(file, 0).chunks_exact(2).map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]])).collect();
    let first = samples.iter().position(|sample| sample.unsigned_abs() > 4000).expect("it is heard");
    (first as f64 / 48_000.0, samples.len() as f64 / 48_000.0)
}

#[test]
fn sound_that_is_encoded_anew_is_heard_when_it_was() {
    let studio = Studio::new();
    let beep = "-f lavfi -i aevalsrc=0.8*sin(2*PI*1000*t)*gte(t\\,0.5):s=48000:d=2";
    let input = make(&studio, "beep.mkv", &format!("{{v}} {beep} {{x}} -c:a flac"));
    for (output, audio) in
        [("out.mp4", "aac"), ("out.mov", "aac"), ("out.mp4", "mp3"), ("out.mkv", "aac"), ("out.mkv", "mp3")]
    {
        let (file, _) = good(&studio, &input, output, &["--audio", audio]);
        let (onset, length) = onset_and_length(&file);
        assert!((onset - 0.5).abs() < 0.002, "{output}, {audio}: heard at {onset} s");
        assert!((1.99..2.03).contains(&length), "{output}, {audio}: {length} s");
    }
}

#[test]
fn lossless_sound_stays_so_or_it_is_told() {
    let studio = Studio::new();
    for (name, codec, output, expected, words) in [
        ("a.mov", "alac", "out.mkv", "flac", "audio/x-alac) is encoded anew as FLAC, without loss"),
        ("w.mkv", "wavpack", "out.mov", "alac", "encoded anew as ALAC, without loss"),
        ("f.mov", "pcm_f32be", "out.mkv", "pcm_f32le", "encoded anew as PCM, without loss"),
        ("b.m2ts", "pcm_bluray", "out.mkv", "flac", "pcm_bluray) is encoded anew as FLAC, without loss"),
        ("x.mkv", "flac", "out.mp4", "aac", "encoded anew, with loss: MP4 does not take it as it is"),
    ] {
        let input = make(&studio, name, &format!("{{v}} {{a}} {{x}} -c:a {codec}"));
        let (file, said) = good(&studio, &input, output, &[]);
        assert_eq!(codecs(&file, "a"), [expected], "{name} -> {output}: {said}");
        assert!(said.contains(words), "{name} -> {output}: {said}");
        if expected != "aac" {
            assert!(heard(&file, 0) == heard(&input, 0), "{name} -> {output}: other samples");
        }
    }
    let eight = "-f lavfi -i sine=d=2:r=48000,aformat=channel_layouts=7.1";
    for (name, codec) in [("eight.mkv", "flac"), ("eight.mov", "pcm_s16le")] {
        let input = make(&studio, name, &format!("{{v}} {eight} {{x}} -c:a {codec}"));
        let (file, said) = good(&studio, &input, "out.mp4", &[]);
        assert_eq!(probe(&file, "a", "stream=channels"), "6", "{name}: {said}");
        assert!(said.contains("its 8 channels as 6"), "{name}: {said}");
    }
    // ffmpeg says that MOV does not hold it.
    let input = make(&studio, "o.mkv", "{v} {a} {x} -c:a libopus");
    let (file, said) = good(&studio, &input, "out.mov", &[]);
    assert_eq!(codecs(&file, "a"), ["aac"], "{said}");
    assert!(said.contains("audio/x-opus) is encoded anew: MOV does not take it as it is"), "{said}");
}

#[test]
fn a_film_that_is_cut_while_it_is_painted_is_no_whole_one() {
    let studio = Studio::new();
    let input = studio.film("film.mkv", "-g 25 -c:a aac");
    let mut command = impasto();
    let output = studio.path("out.mkv");
    command.args(["--log", "warn", "file", "--json", &input, &output, "--network", &studio.path("identity.onnx")]);
    let mut running = command.stdout(std::process::Stdio::piped()).spawn().expect("it runs");
    let lines = BufReader::new(running.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    for line in lines {
        if line.contains("\"start\"") {
            std::fs::File::options().write(true).open(&input).expect("there").set_len(1000).expect("cut");
        }
    }
    assert_eq!(running.wait().expect("ended").code(), Some(3));
    assert!(!std::path::Path::new(&output).exists());
}

#[test]
fn a_picture_becomes_an_upright_film() {
    let studio = Studio::new();
    let picture = studio.path("photo.jpg");
    ffmpeg(&["-f", "lavfi", "-i", "testsrc2=s=160x96", "-frames:v", "1", "-f", "mjpeg", &picture]);
    let mut file = std::fs::read(&picture).expect("a picture");
    let turned = b"\xff\xe1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    file.splice(2..2, turned.iter().copied());
    std::fs::write(&picture, file).expect("written");
    let (film, _) = good(&studio, &picture, "out.mp4", &[]);
    assert_eq!(probe(&film, "v", "stream=width,height"), "96,160");
    assert_eq!(packet_times(&film, "v").len(), 1);
}
