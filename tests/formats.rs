//! `docs/formats.md`: what `impasto file` keeps of films and pictures of many kinds, measured here. The page must say what is
//! found; `IMPASTO_WRITE_FORMATS=1 cargo test --release --test formats` writes it anew.

mod common;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::{Command, Stdio};

use common::studio::Studio;
use common::{finish, impasto, project};
use image::AnimationDecoder;
use image::codecs::webp::WebPDecoder;
use serde_json::Value;

/// Less than half a second of moving picture, and of sound.
const PICTURE: &str = "-f lavfi -i testsrc2=s=160x96:r=25:d=0.4";
const SOUND: &str = "-f lavfi -i sine=d=0.4:r=48000";
const FAST: &str = "-c:v libx264 -preset ultrafast -bf 0 -pix_fmt yuv420p";

/// Films: what they are, the name, and how ffmpeg makes them. `{v}`, `{a}` and `{x}` stand for the constants above.
const FILMS: [(&str, &str, &str); 69] = [
    ("H.264, AAC", "h264-aac.mp4", "{v} {a} {x} -c:a aac"),
    ("H.264 with B-frames, AAC", "h264-b.mp4", "{v} {a} -c:v libx264 -bf 3 -pix_fmt yuv420p -c:a aac"),
    ("H.264, AAC", "h264-aac.mov", "{v} {a} {x} -c:a aac"),
    ("H.264, MP3", "h264-mp3.m4v", "{v} {a} {x} -c:a libmp3lame -f mp4"),
    ("H.264, AAC", "h264-aac.3gp", "{v} {a} {x} -c:a aac"),
    ("H.264, AAC", "h264-aac.flv", "{v} {a} {x} -c:a aac -ar 44100"),
    ("H.264, AAC", "h264-aac.ts", "{v} {a} {x} -c:a aac"),
    ("H.264, AC-3", "h264-ac3.m2ts", "{v} {a} {x} -c:a ac3"),
    ("H.264, MP3", "h264-mp3.avi", "{v} {a} {x} -c:a libmp3lame"),
    ("H.264, Opus", "h264-opus.mkv", "{v} {a} {x} -c:a libopus"),
    ("H.264, FLAC", "h264-flac.mkv", "{v} {a} {x} -c:a flac"),
    ("H.264, Vorbis", "h264-vorbis.mkv", "{v} {a} {x} -c:a libvorbis"),
    ("H.264, AC-3", "h264-ac3.mkv", "{v} {a} {x} -c:a ac3"),
    ("H.264, E-AC-3", "h264-eac3.mkv", "{v} {a} {x} -c:a eac3"),
    ("H.264, E-AC-3", "h264-eac3.mp4", "{v} {a} {x} -c:a eac3"),
    ("H.264, DTS", "h264-dts.mkv", "{v} {a} {x} -c:a dca -strict -2"),
    ("H.264, PCM", "h264-pcm.mov", "{v} {a} {x} -c:a pcm_s16le"),
    ("H.264, ALAC", "h264-alac.mov", "{v} {a} {x} -c:a alac"),
    ("H.264, no sound", "h264.mp4", "{v} {x}"),
    ("H.264, two sound tracks", "two-sounds.mkv", "{v} {a} {a} {x} -map 0 -map 1 -map 2 -c:a:0 aac -c:a:1 ac3"),
    ("H.264, one picture", "one.mp4", "{v} {x} -frames:v 1"),
    (
        "H.264, variable frame rate",
        "variable.mp4",
        "{v} {a} {x} -vf select='mod(n\\,3)' -fps_mode passthrough -c:a aac",
    ),
    ("H.264, lies on its side", "turned.mp4", "{v} {x} -metadata:s:v rotate=90"),
    ("H.264, pixels 16:15", "anamorphic.mp4", "{v} {a} {x} -vf setsar=16/15 -c:a aac"),
    ("H.264, odd size", "odd.mkv", "{v} -vf scale=151:91 -c:v libx264 -preset ultrafast -pix_fmt yuv444p"),
    ("H.264, 10 bits", "h264-10.mp4", "{v} -c:v libx264 -preset ultrafast -pix_fmt yuv420p10le"),
    ("H.264, 4:2:2", "h264-422.mp4", "{v} -c:v libx264 -preset ultrafast -pix_fmt yuv422p"),
    ("H.264, 4:4:4", "h264-444.mp4", "{v} -c:v libx264 -preset ultrafast -pix_fmt yuv444p"),
    ("H.264, RGB", "h264-rgb.mp4", "{v} -c:v libx264rgb -preset ultrafast -pix_fmt rgb24"),
    (
        "H.264, interlaced",
        "interlaced.mp4",
        "{v} -vf interlace,setfield=tff -c:v libx264 -flags +ildct+ilme -pix_fmt yuv420p",
    ),
    (
        "H.264, subtitles, chapters, title",
        "beside.mkv",
        "{v} {a} -i words.srt -i list.txt {x} -c:a aac -c:s srt -map 0 -map 1 -map 2 -map_metadata 3 -metadata:s:a language=fra",
    ),
    (
        "H.264, styled subtitles, a font",
        "styled.mkv",
        "{v} {a} -i words.srt {x} -c:a aac -c:s ass -map 0 -map 1 -map 2 -attach font.ttf -metadata:s:t mimetype=application/x-truetype-font",
    ),
    (
        "H.264, subtitles, chapters, title",
        "beside.mp4",
        "{v} {a} -i words.srt -i list.txt {x} -c:a aac -c:s mov_text -map 0 -map 1 -map 2 -map_metadata 3 -metadata:s:a language=fra",
    ),
    ("HEVC, AAC", "hevc.mp4", "{v} {a} -c:v libx265 -x265-params log-level=none -preset ultrafast -c:a aac"),
    (
        "HEVC, 10 bits",
        "hevc-10.mkv",
        "{v} -c:v libx265 -x265-params log-level=none -preset ultrafast -pix_fmt yuv420p10le",
    ),
    (
        "HEVC, HDR10",
        "hdr10.mp4",
        "{v} -c:v libx265 -x265-params log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc -preset ultrafast -pix_fmt yuv420p10le",
    ),
    ("VP8, Vorbis", "vp8.webm", "{v} {a} -c:v libvpx -deadline realtime -c:a libvorbis"),
    ("VP9, Opus", "vp9.webm", "{v} {a} -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus"),
    (
        "VP9, transparent",
        "vp9-alpha.webm",
        "-f lavfi -i testsrc2=s=160x96:r=25:d=0.4,format=yuva420p,colorchannelmixer=aa=0.5 -c:v libvpx-vp9 -deadline realtime -cpu-used 8",
    ),
    ("AV1, Opus", "av1.mkv", "{v} {a} -c:v libaom-av1 -cpu-used 8 -usage realtime -c:a libopus"),
    ("AV1", "av1.mp4", "{v} -c:v libaom-av1 -cpu-used 8 -usage realtime"),
    ("Theora, Vorbis", "theora.ogv", "{v} {a} -c:v libtheora -c:a libvorbis"),
    ("MPEG-1, MP2", "mpeg1.mpg", "{v} {a} -c:v mpeg1video -c:a mp2"),
    ("MPEG-2, MP2", "mpeg2.mpg", "{v} {a} -c:v mpeg2video -c:a mp2 -f vob"),
    ("MPEG-2 4:2:2", "mpeg2-422.ts", "{v} -c:v mpeg2video -pix_fmt yuv422p"),
    ("MPEG-4 part 2, MP3", "mpeg4.avi", "{v} {a} -c:v mpeg4 -c:a libmp3lame"),
    ("Motion JPEG, PCM", "mjpeg.avi", "{v} {a} -c:v mjpeg -pix_fmt yuvj420p -c:a pcm_s16le"),
    ("WMV 2, WMA 2", "wmv2.wmv", "{v} {a} -c:v wmv2 -c:a wmav2"),
    ("Sorenson, MP3", "sorenson.flv", "{v} {a} -c:v flv -c:a libmp3lame -ar 44100"),
    ("ProRes 422, PCM", "prores.mov", "{v} {a} -c:v prores_ks -c:a pcm_s16le"),
    (
        "ProRes 4444, transparent",
        "prores-alpha.mov",
        "-f lavfi -i testsrc2=s=160x96:r=25:d=0.4,format=yuva444p10le,colorchannelmixer=aa=0.5 -c:v prores_ks -profile:v 4444",
    ),
    (
        "DNxHD, PCM",
        "dnxhd.mov",
        "-f lavfi -i testsrc2=s=1920x1080:r=25:d=0.2 {a} -c:v dnxhd -b:v 36M -pix_fmt yuv422p -c:a pcm_s16le",
    ),
    ("DNxHR", "dnxhr.mov", "-f lavfi -i testsrc2=s=256x144:r=25:d=0.4 -c:v dnxhd -profile:v dnxhr_sq -pix_fmt yuv422p"),
    ("DV, PCM", "dv.avi", "-f lavfi -i testsrc2=s=720x576:r=25:d=0.4 {a} -c:v dvvideo -pix_fmt yuv420p -c:a pcm_s16le"),
    ("FFV1, FLAC", "ffv1.mkv", "{v} {a} -c:v ffv1 -c:a flac"),
    ("HuffYUV", "huffyuv.avi", "{v} -c:v huffyuv -pix_fmt yuv422p"),
    ("not compressed", "raw.avi", "{v} -c:v rawvideo -pix_fmt yuv420p"),
    ("H.264, AAC", "h264-aac.m2ts", "{v} {a} {x} -c:a aac"),
    ("H.264, DTS", "h264-dts.ts", "{v} {a} {x} -c:a dca -strict -2"),
    ("H.264, ADPCM", "h264-adpcm.flv", "{v} {a} {x} -c:a adpcm_swf -ar 44100"),
    ("H.264, Speex", "h264-speex.mkv", "{v} {a} {x} -c:a libspeex -ar 16000"),
    ("H.264, PCM in floating point", "h264-float.mov", "{v} {a} {x} -c:a pcm_f32be"),
    ("MPEG-2, MP2", "mpeg2.wtv", "{v} {a} -c:v mpeg2video -c:a mp2"),
    ("MPEG-2, two sound tracks", "two-sounds.vob", "{v} {a} {a} -map 0 -map 1 -map 2 -c:v mpeg2video -c:a ac3 -f vob"),
    ("H.264, subtitles of web pages", "web.mkv", "{v} {a} -i words.vtt {x} -c:a aac -c:s webvtt -map 0 -map 1 -map 2"),
    ("FFV1, gray, 10 bits", "gray-10.mkv", "{v} -c:v ffv1 -strict -2 -pix_fmt gray10le"),
    ("Motion JPEG without a container", "raw.mjpeg", "{v} -c:v mjpeg -pix_fmt yuvj420p"),
    ("animated GIF", "moving.gif", "{v}"),
    ("animated PNG", "moving.apng", "{v} -plays 0 -f apng"),
];

/// From one kind of file into another: the name of the source, and the ending of OUT.
const CROSSINGS: [(&str, &str); 12] = [
    ("beside.mkv", "mp4"),
    ("beside.mp4", "mkv"),
    ("styled.mkv", "mp4"),
    ("h264-eac3.mkv", "mp4"),
    ("h264-flac.mkv", "mov"),
    ("h264-aac.mp4", "webm"),
    ("vp9.webm", "mp4"),
    ("vp9.webm", "mkv"),
    ("h264-ac3.m2ts", "mp4"),
    ("two-sounds.mkv", "mp4"),
    ("h264-aac.mp4", "gif"),
    ("h264-aac.mp4", "webp"),
];

/// Pictures: what they are, the name, and how ffmpeg makes them.
const PICTURES: [(&str, &str, &str); 10] = [
    ("PNG", "rgb.png", "-pix_fmt rgb24"),
    ("PNG, transparent", "alpha.png", "-vf format=rgba,colorchannelmixer=aa=0.5"),
    ("PNG, 16 bits", "deep.png", "-pix_fmt rgb48be"),
    ("PNG, gray", "gray.png", "-pix_fmt gray"),
    ("PNG, palette", "palette.png", "-pix_fmt pal8"),
    ("JPEG", "photo.jpg", "-pix_fmt yuvj420p -q:v 2"),
    ("JPEG, 4:4:4", "photo-444.jpeg", "-pix_fmt yuvj444p -q:v 2"),
    ("WebP, lossy", "lossy.webp", "-c:v libwebp -lossless 0"),
    ("BMP", "picture.bmp", ""),
    ("TIFF", "picture.tif", "-pix_fmt rgb24"),
];

/// What ffprobe tells of a file.
struct Probed {
    told: Value,
    frames: usize,
    /// When they are shown, of those that have a time.
    times: Vec<f64>,
}

impl Probed {
    fn of(file: &Path) -> Self {
        let entries = "stream=codec_type,codec_name:stream_tags=language:format_tags=title\
                       :frame=media_type,best_effort_timestamp_time";
        let mut command = Command::new("ffprobe");
        command.args(["-v", "error", "-show_entries", entries, "-show_chapters", "-of", "json"]).arg(file);
        let told: Value = serde_json::from_str(&finish(&mut command).stdout).expect("JSON");
        // ffmpeg reads no animated WebP.
        if file.extension().is_some_and(|end| end == "webp") {
            let times = webp_times(file);
            return Self { told, frames: times.len(), times };
        }
        let frames = told["frames"].as_array().cloned().unwrap_or_default();
        let frames: Vec<_> = frames.into_iter().filter(|frame| frame["media_type"] == "video").collect();
        let time = |frame: &Value| frame["best_effort_timestamp_time"].as_str().and_then(|time| time.parse().ok());
        Self { told, frames: frames.len(), times: frames.iter().filter_map(time).collect() }
    }

    fn codecs(&self, kind: &str) -> Vec<&str> {
        let streams = self.told["streams"].as_array().into_iter().flatten();
        streams
            .filter(|stream| stream["codec_type"] == kind)
            .filter_map(|stream| stream["codec_name"].as_str())
            .collect()
    }

    /// What lies beside pictures and sound, by its name.
    fn beside(&self) -> BTreeMap<&'static str, String> {
        let mut beside = BTreeMap::new();
        let mut note = |name, value: String| drop((!value.is_empty()).then(|| beside.insert(name, value)));
        note("title", self.told["format"]["tags"]["title"].as_str().unwrap_or_default().into());
        let chapters = self.told["chapters"].as_array().map_or(0, Vec::len);
        note("chapters", if chapters > 0 { chapters.to_string() } else { String::new() });
        note("subtitles", self.codecs("subtitle").join(", "));
        note("fonts", self.codecs("attachment").join(", "));
        let language = |stream: &Value| {
            stream["tags"]["language"].as_str().filter(|language| *language != "und").map(str::to_string)
        };
        let sounds =
            self.told["streams"].as_array().into_iter().flatten().filter(|stream| stream["codec_type"] == "audio");
        note("language", sounds.filter_map(language).collect::<Vec<_>>().join(", "));
        beside
    }
}

/// When each picture of an animated WebP begins, in seconds.
fn webp_times(file: &Path) -> Vec<f64> {
    let decoder = WebPDecoder::new(BufReader::new(File::open(file).expect("a file"))).expect("a WebP");
    let mut end = 0.0;
    let frames = decoder.into_frames().collect_frames().expect("whole");
    let begins = frames.iter().map(|frame| {
        let (numerator, denominator) = frame.delay().numer_denom_ms();
        let begin = end;
        end += f64::from(numerator) / f64::from(denominator) / 1e3;
        begin
    });
    begins.collect()
}

/// MD5 of every packet of sound, which is of the kind `codec`.
fn sound_packets(file: &Path, codec: &str) -> Vec<String> {
    let mut command = Command::new("ffmpeg");
    // Those that players skip at the ends of an MP4 too.
    let is_boxes = file.extension().is_some_and(|end| ["mp4", "mov", "m4v", "3gp"].iter().any(|boxes| end == *boxes));
    command.args(["-v", "error"]).args(if is_boxes { &["-ignore_editlist", "1"][..] } else { &[] }).arg("-i").arg(file);
    // AAC in streams has heads that files do not have.
    let is_stream = codec == "aac" && file.extension().is_some_and(|end| end == "ts" || end == "m2ts");
    command.args(["-map", "0:a?", "-c", "copy"]).args(if is_stream { &["-bsf:a", "aac_adtstoasc"][..] } else { &[] });
    let text = finish(command.args(["-f", "framemd5", "-"]).stdin(Stdio::null())).stdout;
    let packets = text.lines().filter(|line| !line.starts_with('#'));
    packets.filter_map(|line| Some(line.split(',').nth(5)?.trim().to_string())).collect()
}

/// The first picture as RGB.
fn pixels(file: &Path) -> Vec<u8> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(file).args(["-frames:v", "1", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]);
    command.stdin(Stdio::null()).output().expect("ffmpeg runs").stdout
}

/// A cell that tells how much is kept.
fn frames_and_times(input: &Probed, output: &Probed) -> String {
    let (wanted, found) = (input.frames, output.frames);
    let relative = |times: &[f64]| times.iter().map(|time| time - times[0]).collect::<Vec<_>>();
    if found != wanted {
        return format!("{found} of {wanted}");
    }
    let pairs = relative(&input.times).into_iter().zip(relative(&output.times));
    let off = pairs.map(|(one, other)| (one - other).abs()).fold(0.0, f64::max);
    // Matroska counts milliseconds, GIF ten of them.
    let times = match off {
        ..0.000_1 => "same times".into(),
        ..0.001_5 => "times within 1 ms".into(),
        _ => format!("times within {} ms", (off * 1e3).ceil()),
    };
    format!("{found} of {wanted}, {times}")
}

fn sound(input: &Path, output: &Path, probed: [&Probed; 2]) -> String {
    let [had, has] = probed.map(|probed| probed.codecs("audio"));
    if had.is_empty() {
        return "none".into();
    }
    if has.is_empty() {
        return format!("{}: left out", had.join(", "));
    }
    if had != has {
        return format!("{} → {}", had.join(", "), has.join(", "));
    }
    let [before, after] = [input, output].map(|file| sound_packets(file, had[0]));
    let kept = after.iter().filter(|packet| before.contains(packet)).count();
    match (kept == after.len(), before.len() - kept.min(before.len())) {
        (true, 0) => format!("{}, every packet", has.join(", ")),
        (true, missing) => format!("{}, all packets but {missing}", has.join(", ")),
        (false, _) => format!("{}, encoded anew", has.join(", ")),
    }
}

fn beside(input: &Probed, output: &Probed) -> String {
    let (had, has) = (input.beside(), output.beside());
    let told = had.iter().map(|(name, value)| match has.get(name) {
        Some(kept) if kept == value || *name == "title" => (*name).to_string(),
        Some(other) => format!("{name} ({value} → {other})"),
        None => format!("no {name}"),
    });
    told.collect::<Vec<_>>().join(", ")
}

/// A row about a film, with what was noted on it.
fn row(what: &str, [input, output]: [&Path; 2], notes: &[String]) -> String {
    let (before, after) = (Probed::of(input), Probed::of(output));
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    let ending = output.extension().expect("an ending").to_string_lossy();
    format!(
        "| {what}, `{}` | `.{ending}` | {} | {} | {} | {} |\n",
        name(input),
        frames_and_times(&before, &after),
        sound(input, output, [&before, &after]),
        beside(&before, &after),
        notes.join("; ")
    )
}

/// Runs `impasto file`; what was noted on each file, by its path as it was given.
fn convert(studio: &Studio, args: &[&str]) -> BTreeMap<String, Vec<String>> {
    let mut command = impasto();
    command.current_dir(studio.path("")).args(["--log", "error", "file", "--json", "--network", "identity.onnx"]);
    let finished = finish(command.args(args));
    assert!(finished.code == 0 || finished.code == 3, "{args:?}: {}", finished.stderr);
    let mut notes = BTreeMap::<String, Vec<String>>::new();
    for line in finished.stdout.lines() {
        let told: Value = serde_json::from_str(line).expect("JSON");
        if let Some(note) = told["text"].as_str() {
            notes.entry(told["file"].as_str().unwrap_or_default().into()).or_default().push(note.replace('|', "/"));
        } else if let (Some(file), Some(reason)) = (told["file"].as_str(), told["reason"].as_str()) {
            let short = reason.rsplit("; ").next().unwrap_or_default();
            notes.entry(file.into()).or_default().push(short.into());
        }
    }
    notes
}

fn films(studio: &Studio) -> String {
    std::fs::write(studio.path("words.srt"), "1\n00:00:00,100 --> 00:00:00,300\nwords\n").expect("written");
    let list = ";FFMETADATA1\ntitle=My Film\n[CHAPTER]\nTIMEBASE=1/10\nSTART=0\nEND=2\ntitle=one\n\
                [CHAPTER]\nTIMEBASE=1/10\nSTART=2\nEND=4\ntitle=two\n";
    std::fs::write(studio.path("words.vtt"), "WEBVTT\n\n00:00.100 --> 00:00.300\nwords\n").expect("written");
    std::fs::write(studio.path("list.txt"), list).expect("written");
    std::fs::write(studio.path("font.ttf"), b"\0\x01\0\0 some font").expect("written");
    std::fs::create_dir(studio.path("films")).expect("made");
    for (_, name, recipe) in FILMS {
        let recipe = recipe.replace("{v}", PICTURE).replace("{a}", SOUND).replace("{x}", FAST);
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-y"]).args(recipe.split_whitespace()).arg(format!("films/{name}"));
        let made = finish(command.current_dir(studio.path("")));
        assert_eq!(made.code, 0, "{name}: {}", made.stderr);
    }
    let mut notes = convert(studio, &["films", "painted", "--jobs", "2"]);
    let mut rows = String::new();
    let path = |name: &str| Path::new(&studio.path(name)).to_path_buf();
    for (what, name, _) in FILMS {
        let made =
            [format!("painted/{name}"), format!("painted/{name}.mkv")].into_iter().find(|made| path(made).exists());
        let notes = notes.remove(&format!("films/{name}")).unwrap_or_default();
        let Some(made) = made else {
            rows += &format!("| {what}, `{name}` | not read | | | | {} |\n", notes.join("; "));
            continue;
        };
        rows += &row(what, [&path(&format!("films/{name}")), &path(&made)], &notes);
    }
    for (name, ending) in CROSSINGS {
        let (input, output) = (format!("films/{name}"), format!("crossed-{name}.{ending}"));
        let notes = convert(studio, &[&input, &output]).remove("").unwrap_or_default();
        let what = FILMS.iter().find(|film| film.1 == name).expect("a film").0;
        rows += &row(what, [&path(&input), &path(&output)], &notes);
    }
    rows
}

fn pictures(studio: &Studio) -> String {
    std::fs::create_dir(studio.path("pictures")).expect("made");
    for (_, name, recipe) in PICTURES {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "testsrc2=s=160x96", "-frames:v", "1"]);
        let made = finish(command.args(recipe.split_whitespace()).arg(studio.path(&format!("pictures/{name}"))));
        assert_eq!(made.code, 0, "{name}: {}", made.stderr);
    }
    let mut notes = convert(studio, &["pictures", "painted-pictures"]);
    let mut rows = String::new();
    for (what, name, _) in PICTURES {
        let input = format!("pictures/{name}");
        let made = [format!("painted-pictures/{name}"), format!("painted-pictures/{name}.png")];
        let made = made.iter().find(|made| Path::new(&studio.path(made)).exists()).expect("painted");
        let (before, after) = (pixels(Path::new(&studio.path(&input))), pixels(Path::new(&studio.path(made))));
        assert_eq!(before.len(), after.len(), "{name}");
        let off = before.iter().zip(&after).map(|(one, other)| f64::from(one.abs_diff(*other))).sum::<f64>();
        let off = (off / before.len() as f64).ceil();
        let kept = if off == 0.0 { "every pixel".into() } else { format!("within {off} of 255 levels on average") };
        let ending = Path::new(made).extension().expect("an ending").to_string_lossy();
        let notes = notes.remove(&input).unwrap_or_default().join("; ");
        rows += &format!("| {what}, `{name}` | `.{ending}` | {kept} | {notes} |\n");
    }
    rows
}

#[test]
fn the_page_says_what_is_kept_of_each_format() {
    let studio = Studio::new();
    let page = format!(
        "# Formats\n\n\
         What `impasto file` keeps of {} films and pictures. A test makes them with ffmpeg, passes them through a network that\n\
         changes nothing, measures what comes out, and fails when this page says something else (`tests/formats.rs`).\n\n\
         ## Films\n\n\
         Sound is compared packet by packet. Of AAC out of MP4 into Matroska, which has no times before its beginning, the\n\
         packet that lies there is left out; players do not let you hear it. What is noted is told in the same words when you\n\
         convert such a file.\n\n\
         | source | OUT | frames | sound | beside them | notes |\n|---|---|---|---|---|---|\n{}\n\
         ## Pictures\n\n| source | OUT | kept | notes |\n|---|---|---|---|\n{}",
        FILMS.len() + CROSSINGS.len() + PICTURES.len(),
        films(&studio),
        pictures(&studio)
    );
    let file = project("docs/formats.md");
    if std::env::var_os("IMPASTO_WRITE_FORMATS").is_some() {
        return std::fs::write(&file, page).expect("written");
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    for (said, found) in committed.lines().zip(page.lines()) {
        assert_eq!(said, found, "docs/formats.md is not what is measured; its head says how to write it anew");
    }
    assert_eq!(committed.lines().count(), page.lines().count(), "docs/formats.md lacks lines, or has too many");
}
