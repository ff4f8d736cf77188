//! `impasto file` on pictures that are no plain ones: interlaced, of high dynamic range, with transparency.

mod common;

use std::path::Path;
use std::process::Command;

use common::studio::Studio;
use common::{Finished, ffmpeg, impasto, interrupted, output_of, packet_times, probe, run};

/// `ffmpeg ARGS NAME`
fn make(studio: &Studio, name: &str, args: &[&str]) -> String {
    let file = studio.path(name);
    ffmpeg(&[args, &[&file]].concat());
    file
}

/// `impasto COMMAND INPUT OUTPUT ARGS`, which must succeed: what was made, and what was said.
fn good(studio: &Studio, command: &str, input: &str, output: &str, args: &[&str]) -> (String, Finished) {
    let (file, network) = (studio.path(output), studio.path("identity.onnx"));
    let base = ["--log", "warn", command, input, &file, "--overwrite", "--network", &network];
    let finished = run(&[&base[..], args].concat());
    assert_eq!(finished.code, 0, "{input} -> {output}: {}", finished.stderr);
    (file, finished)
}

/// All pictures of a file, three bytes a pixel.
fn pixels(file: &str) -> Vec<u8> {
    let raw = ["-sws_flags", "accurate_rnd+full_chroma_int", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"];
    output_of(Command::new("ffmpeg").args(["-v", "error", "-nostdin", "-i", file]).args(raw)).stdout
}

/// How much a row of a picture differs from the next one: 0 where all edges stand upright, unless they are combed.
fn combs(picture: &[u8], width: usize) -> f64 {
    let pairs = picture.iter().zip(&picture[3 * width..]);
    pairs.map(|(above, below)| f64::from(above.abs_diff(*below))).sum::<f64>() / picture.len() as f64
}

/// Two seconds of a bar that moves by 8 pixels a field, 50 fields a second; `order` is top or bottom.
fn moving_bar(studio: &Studio, name: &str, order: &str, codec: &[&str]) -> String {
    let bar = "color=black:s=320x192:r=50:d=2[b];color=white:s=40x192:r=50:d=2[w];[b][w]overlay=x='mod(8*n,280)':y=0";
    let (first, top) = if order == "top" { ("tff", "1") } else { ("bff", "0") };
    let fields = format!("{bar},format=yuv420p,tinterlace=interleave_{order},setfield={first}");
    let interlaced = ["-flags", "+ilme+ildct", "-top", top];
    make(studio, name, &[&["-f", "lavfi", "-i", &fields], codec, &interlaced].concat())
}

const H264: [&str; 4] = ["-c:v", "libx264", "-crf", "10"];

#[test]
fn interlaced_frames_become_whole_ones_at_their_times() {
    let studio = Studio::new();
    let mpeg2 = ["-c:v", "mpeg2video", "-b:v", "4M"];
    for (name, order, codec) in [
        ("mbaff.mp4", "top", &H264[..]),
        ("bottom.ts", "bottom", &H264),
        ("mpeg2.ts", "top", &mpeg2),
        ("mpeg2_bottom.ts", "bottom", &mpeg2),
        // This one tells nobody which field comes first.
        ("ffv1.mkv", "top", &["-c:v", "ffv1"]),
    ] {
        let input = moving_bar(&studio, name, order, codec);
        let source_combs = combs(&pixels(&input)[20 * 3 * 320 * 192..21 * 3 * 320 * 192], 320);
        assert!(source_combs > 5.0, "{name}: {source_combs}");
        let (file, said) = good(&studio, "file", &input, "out.mkv", &["--crf", "8"]);
        let times = packet_times(&file, "v");
        assert_eq!(times.len(), 50, "{name}");
        let even = times.windows(2).all(|pair| (pair[1] - pair[0] - 0.04).abs() < 0.0015);
        assert!(even, "{name}: {times:?}");
        assert_eq!(probe(&file, "v", "stream=field_order"), "progressive", "{name}");
        assert!(said.stderr.contains("it is deinterlaced, a frame a frame"), "{name}: {}", said.stderr);
        let left = pixels(&file).chunks(3 * 320 * 192).map(|picture| combs(picture, 320)).fold(0.0, f64::max);
        assert!(left < 1.0, "{name}: combs {left}, {source_combs} in the source");
    }
}

#[test]
fn fields_become_frames_of_their_own_where_asked_for() {
    let studio = Studio::new();
    let input = moving_bar(&studio, "fields.mp4", "top", &H264);
    let (file, _) = good(&studio, "file", &input, "field.mkv", &["--deinterlace", "field"]);
    let times = packet_times(&file, "v");
    assert_eq!((times.len(), probe(&file, "v", "stream=avg_frame_rate").as_str()), (100, "50/1"));
    assert!(times.windows(2).all(|pair| (pair[1] - pair[0] - 0.02).abs() < 0.0015), "{times:?}");
    // Each shows the bar 8 pixels further: the first white column of each tells.
    let pixels = pixels(&file);
    let left = |number: usize| {
        let row = &pixels[(number * 192 + 96) * 3 * 320..][..3 * 320];
        row.chunks(3).position(|pixel| pixel[1] > 128).expect("a bar")
    };
    for number in [3, 10, 21] {
        assert!(left(number + 1).abs_diff(left(number) + 8) <= 1, "{} {}", left(number), left(number + 1));
    }
    let (file, said) = good(&studio, "file", &input, "off.mkv", &["--deinterlace", "off"]);
    assert_eq!((packet_times(&file, "v").len(), probe(&file, "v", "stream=field_order").as_str()), (50, "tt"));
    assert!(said.stderr.contains("is painted so"), "{}", said.stderr);
}

#[test]
fn an_interrupted_conversion_of_fields_goes_on_with_the_next_one() {
    let studio = Studio::new();
    let fields = "testsrc2=s=640x368:r=50:d=16,format=yuv420p,tinterlace=interleave_top,setfield=tff";
    let interlaced = ["-c:v", "libx264", "-preset", "ultrafast", "-flags", "+ilme+ildct", "-top", "1"];
    let input = make(&studio, "long.ts", &[&["-f", "lavfi", "-i", fields], &interlaced[..]].concat());
    let (file, network) = (studio.path("out.mkv"), studio.path("identity.onnx"));
    let slowly = ["--network", &network, "--workers", "1", "--threads", "1"];
    let args = [&["file", &input, &file][..], &slowly, &["--deinterlace", "field"]].concat();
    interrupted(impasto().args(&args), Path::new(&file), 20_000, "KILL");
    let other = run(&[&args[..9], &["--resume"]].concat());
    assert!(other.code == 2 && other.stderr.contains("another --deinterlace"), "{other:?}");
    let done = run(&[&args[..], &["--resume"]].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stderr.contains("frames that are painted already"), "{}", done.stderr);
    let times = packet_times(&file, "v");
    let even = times.windows(2).all(|pair| (pair[1] - pair[0] - 0.02).abs() < 0.0015);
    assert!(times.len() == 800 && even, "{times:?}");
}

#[test]
fn a_silent_dv_film_says_so_once() {
    let studio = Studio::new();
    let picture = ["-f", "lavfi", "-i", "testsrc2=s=720x576:r=25:d=1", "-pix_fmt", "yuv420p", "-c:v", "dvvideo"];
    let input = make(&studio, "silent.dv", &picture);
    let (file, said) = good(&studio, "file", &input, "out.mkv", &[]);
    assert_eq!(packet_times(&file, "v").len(), 25);
    let lines: Vec<_> = said.stderr.lines().filter(|line| line.contains("no audio")).collect();
    assert!(lines.len() == 1 && lines[0].contains("WARN") && lines[0].contains("# no audio"), "{}", said.stderr);
}

#[test]
fn one_picture_of_interlaced_material_is_whole() {
    let studio = Studio::new();
    let input = moving_bar(&studio, "one.mp4", "top", &H264);
    for (command, at) in [("file", "0"), ("file", "1.2"), ("preview", "1.2")] {
        let (file, said) = good(&studio, command, &input, "out.png", &["--at", at]);
        let picture = image::open(&file).expect("a picture").into_rgb8();
        let left = combs(picture.as_raw(), 320);
        assert!(left < 1.0, "{command} --at {at}: {left}");
        assert!(said.stderr.contains("it is deinterlaced"), "{}", said.stderr);
    }
    let checked = run(&["check", &input]);
    assert!(checked.stdout.contains("the source is interlaced"), "{}", checked.stdout);
}

/// Eight grey squares side by side, of these 10-bit video levels; ten pictures.
fn greys(studio: &Studio, name: &str, levels: [u32; 8], colours: &[&str]) -> String {
    let squares =
        levels.iter().enumerate().map(|(at, level)| format!("between(X,{},{})*{level}", 40 * at, 40 * at + 39));
    let picture = format!(
        "nullsrc=s=320x180:r=10:d=1,format=yuv420p10le,geq=lum='{}':cb=512:cr=512",
        squares.collect::<Vec<_>>().join("+")
    );
    make(studio, name, &[&["-f", "lavfi", "-i", &picture][..], colours].concat())
}

/// The grey in the middle of each square of the first picture, and whether it is grey.
fn grey_levels(picture: &[u8]) -> [u8; 8] {
    std::array::from_fn(|at| {
        let pixel = &picture[(90 * 320 + 40 * at + 20) * 3..][..3];
        assert!(pixel.iter().all(|colour| colour.abs_diff(pixel[1]) <= 4), "{pixel:?}");
        pixel[1]
    })
}

/// The 10-bit video level of light in PQ.
fn pq_level(nits: f64) -> u32 {
    let power = (nits / 10_000.0).powf(0.159_301_757_812_5);
    let signal = ((0.835_937_5 + 18.851_562_5 * power) / (1.0 + 18.687_5 * power)).powf(78.843_75);
    (64.0 + 876.0 * signal).round() as u32
}

fn x265(transfer: &str, more: &str) -> [String; 4] {
    let colours = format!("log-level=error:lossless=1:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc{more}");
    ["-c:v".into(), "libx265".into(), "-x265-params".into(), colours]
}

#[test]
fn a_high_dynamic_range_is_mapped_to_the_usual_one() {
    let studio = Studio::new();
    let nits = [0.0, 10.0, 50.0, 100.0, 203.0, 400.0, 600.0, 1000.0];
    for (name, more, expected) in [
        ("pq.mp4", "", [0, 73, 142, 189, 230, 250, 254, 255]),
        // Mastered brighter: what is bright leaves room for what is brighter yet.
        ("bright.mp4", ":max-cll=4000,400", [0, 73, 142, 178, 210, 233, 243, 250]),
    ] {
        let codec = x265("smpte2084", more);
        let input = greys(&studio, name, nits.map(pq_level), &codec.each_ref().map(String::as_str));
        let (file, said) = good(&studio, "file", &input, "out.mkv", &["--crf", "1"]);
        let found = grey_levels(&pixels(&file));
        let near = found.iter().zip(expected).all(|(found, expected)| found.abs_diff(expected) <= 2);
        assert!(near, "{name}: {found:?}, not {expected:?}");
        assert!(said.stderr.contains("high dynamic range: it is mapped"), "{}", said.stderr);
        let colours = probe(&file, "v", "stream=color_space,color_transfer,color_primaries");
        assert_eq!(colours, "bt709,bt709,bt709", "{name}");
        let (picture, _) = good(&studio, "file", &input, "out.png", &["--at", "0.5"]);
        let picture = image::open(picture).expect("a picture").into_rgb8();
        let found = grey_levels(picture.as_raw());
        let near = found.iter().zip(expected).all(|(found, expected)| found.abs_diff(expected) <= 1);
        assert!(near, "{name} --at: {found:?}, not {expected:?}");
    }
    let levels = [0.0, 0.1, 0.25, 0.4, 0.5, 0.75, 0.9, 1.0].map(|signal: f64| (64.0 + 876.0 * signal).round() as u32);
    let codec = x265("arib-std-b67", "");
    let input = greys(&studio, "hlg.mp4", levels, &codec.each_ref().map(String::as_str));
    let (file, said) = good(&studio, "file", &input, "out.mkv", &["--crf", "1"]);
    let found = grey_levels(&pixels(&file));
    assert!(found[0] == 0 && found[5].abs_diff(230) <= 2 && found[7] >= 253, "{found:?}");
    assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{found:?}");
    assert!(said.stderr.contains("high dynamic range: it is mapped"), "{}", said.stderr);
    let checked = run(&["check", &input]);
    assert!(checked.stdout.contains("high dynamic range"), "{}", checked.stdout);
}

#[test]
fn ten_bits_of_the_usual_range_are_kept_as_they_are_but_for_eight() {
    let studio = Studio::new();
    let levels = [64, 136, 228, 300, 448, 600, 800, 940];
    let input = greys(&studio, "sdr10.mkv", levels, &["-c:v", "ffv1", "-colorspace", "bt709"]);
    let (file, said) = good(&studio, "file", &input, "out.mkv", &["--crf", "1"]);
    let (found, expected) = (grey_levels(&pixels(&file)), levels.map(|level| (level - 64) * 255 / 876));
    assert!(found.iter().zip(expected).all(|(found, expected)| u32::from(*found).abs_diff(expected) <= 2), "{found:?}");
    assert!(said.stderr.contains("10 bits a colour: it is painted with 8"), "{}", said.stderr);
}

#[test]
fn levels_stay_what_they_are() {
    let studio = Studio::new();
    let levels = [16, 40, 80, 126, 160, 200, 220, 235];
    let squares =
        levels.iter().enumerate().map(|(at, level)| format!("between(X,{},{})*{level}", 40 * at, 40 * at + 39));
    let luma = squares.collect::<Vec<_>>().join("+");
    let raw = ["-pix_fmt", "yuyv422", "-c:v", "rawvideo"];
    for (name, codec) in [
        ("h264.mp4", &["-c:v", "libx264", "-crf", "0"][..]),
        ("h264_422.mkv", &["-pix_fmt", "yuv422p", "-c:v", "ffv1"]),
        ("h264_444.mkv", &["-pix_fmt", "yuv444p", "-c:v", "ffv1"]),
        ("yuyv.avi", &raw),
        ("bt709.mkv", &["-c:v", "ffv1", "-colorspace", "bt709"]),
    ] {
        let picture = format!("nullsrc=s=320x180:r=10:d=0.5,format=yuv420p,geq=lum='{luma}':cb=128:cr=128");
        let input = make(&studio, name, &[&["-f", "lavfi", "-i", &picture][..], codec].concat());
        let (file, _) = good(&studio, "file", &input, "out.mkv", &["--crf", "0"]);
        let gray = ["-vf", "extractplanes=y", "-f", "rawvideo", "-"];
        let rows = output_of(Command::new("ffmpeg").args(["-v", "error", "-nostdin", "-i", &file]).args(gray)).stdout;
        let found: [u8; 8] = std::array::from_fn(|at| rows[90 * 320 + 40 * at + 20]);
        assert!(found.iter().zip(levels).all(|(found, level)| found.abs_diff(level) <= 1), "{name}: {found:?}");
    }
}

#[test]
fn a_range_that_is_not_told_is_that_of_video() {
    let studio = Studio::new();
    let white = "color=black:s=64x64:r=5:d=0.4,format=yuv420p,geq=lum=235:cb=128:cr=128";
    let codec = ["-c:v", "libvpx-vp9", "-lossless", "1", "-colorspace", "bt709"];
    let input = make(&studio, "white.webm", &[&["-f", "lavfi", "-i", white][..], &codec].concat());
    let (file, _) = good(&studio, "file", &input, "out.png", &["--at", "0"]);
    let level = image::open(file).expect("a picture").into_rgb8().get_pixel(32, 32).0[1];
    assert!(level >= 254, "white became {level}");
}

/// A picture whose left third hides pure red, whose middle is half transparent green, and whose right is opaque blue.
const HIDDEN_RED: &str = "nullsrc=s=96x64:r=5:d=0.6,format=rgba,geq=r='255*lt(X,32)':g='255*between(X,32,63)':\
                          b='255*gte(X,64)':a='if(lt(X,32),0,if(lt(X,64),128,255))'";

/// The colours of the three parts of the first picture.
fn thirds(picture: &[u8]) -> [[u8; 3]; 3] {
    [16, 48, 80].map(|x| std::array::from_fn(|colour| picture[(32 * 96 + x) * 3 + colour]))
}

#[track_caller]
fn assert_thirds(found: [[u8; 3]; 3], expected: [[u8; 3]; 3], tolerance: u8) {
    let pairs = found.iter().flatten().zip(expected.iter().flatten());
    let near = pairs.into_iter().all(|(found, expected)| found.abs_diff(*expected) <= tolerance);
    assert!(near, "{found:?}, not {expected:?}");
}

const ON_BLACK: [[u8; 3]; 3] = [[0; 3], [0, 128, 0], [0, 0, 255]];
const ON_WHITE: [[u8; 3]; 3] = [[255; 3], [127, 255, 127], [0, 0, 255]];

#[test]
fn transparent_films_are_laid_on_a_colour() {
    let studio = Studio::new();
    let prores = ["-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le", "-alpha_bits", "16"];
    for (name, codec) in [
        ("png.mov", &["-c:v", "png"][..]),
        ("prores.mov", &prores),
        ("vp8.webm", &["-c:v", "libvpx", "-auto-alt-ref", "0", "-pix_fmt", "yuva420p", "-crf", "4", "-b:v", "2M"]),
        ("vp9.webm", &["-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-lossless", "1"]),
    ] {
        let input = make(&studio, name, &[&["-f", "lavfi", "-i", HIDDEN_RED], codec].concat());
        for (colour, expected) in [(None, ON_BLACK), (Some("white"), ON_WHITE)] {
            let args: Vec<_> = colour.into_iter().flat_map(|colour| ["--background", colour]).collect();
            let (file, said) = good(&studio, "file", &input, "out.mkv", &[&["--crf", "1"], &args[..]].concat());
            assert_thirds(thirds(&pixels(&file)), expected, 12);
            assert!(said.stderr.contains("it is laid on the colour"), "{name}: {}", said.stderr);
            let (picture, _) = good(&studio, "file", &input, "out.png", &[&["--at", "0.2"], &args[..]].concat());
            assert_thirds(thirds(image::open(picture).expect("a picture").into_rgb8().as_raw()), expected, 4);
        }
    }
}

#[test]
fn a_gif_is_laid_on_a_colour_where_nothing_is_drawn() {
    let studio = Studio::new();
    let palette = format!("{HIDDEN_RED},split[a][b];[a]palettegen=reserve_transparent=1[p];[b][p]paletteuse");
    let input = make(&studio, "hidden.gif", &["-f", "lavfi", "-i", &palette]);
    let (file, said) = good(&studio, "file", &input, "out.mkv", &["--crf", "1", "--background", "#ffffff"]);
    assert_thirds(thirds(&pixels(&file)), [[255; 3], [0, 255, 0], [0, 0, 255]], 12);
    assert!(said.stderr.contains("it is laid on the colour #ffffff"), "{}", said.stderr);
}

#[test]
fn films_that_only_could_be_transparent_are_painted_without_a_word() {
    let studio = Studio::new();
    // Browsers record so: the track claims what no picture has.
    let claims = ["-c:v", "libvpx-vp9", "-metadata:s:v", "alpha_mode=1"];
    let input =
        make(&studio, "claims.webm", &[&["-f", "lavfi", "-i", "testsrc2=s=96x64:r=5:d=1"][..], &claims].concat());
    let (file, said) = good(&studio, "file", &input, "out.mkv", &[]);
    assert_eq!(packet_times(&file, "v").len(), 5);
    assert!(!said.stderr.contains("transparent"), "{}", said.stderr);
    let input =
        make(&studio, "opaque.mov", &["-f", "lavfi", "-i", "testsrc2=s=96x64:d=0.4,format=rgba", "-c:v", "png"]);
    let (_, said) = good(&studio, "file", &input, "out.mkv", &[]);
    assert!(!said.stderr.contains("transparent"), "{}", said.stderr);
}

#[test]
fn transparent_pictures_never_show_what_they_hide() {
    let studio = Studio::new();
    let input = make(&studio, "hidden.png", &["-f", "lavfi", "-i", HIDDEN_RED, "-frames:v", "1"]);
    for (colour, expected) in [(None, ON_BLACK), (Some("#ffffff"), ON_WHITE)] {
        let args: Vec<_> = colour.into_iter().flat_map(|colour| ["--background", colour]).collect();
        let (file, said) = good(&studio, "file", &input, "out.jpg", &args);
        assert_thirds(thirds(image::open(file).expect("a picture").into_rgb8().as_raw()), expected, 12);
        assert!(said.stderr.contains("it is laid on the colour"), "{}", said.stderr);
    }
    // A file that can stay transparent does, with nothing left of the hidden colour; unless a background is named.
    let (file, said) = good(&studio, "file", &input, "out.png", &[]);
    let picture = image::open(&file).expect("a picture").into_rgba8();
    let parts = [16, 48, 80].map(|x| picture.get_pixel(x, 32).0);
    assert_eq!(parts, [[0; 4], [0, 255, 0, 128], [0, 0, 255, 255]], "{}", said.stderr);
    let (file, _) = good(&studio, "file", &input, "out.webp", &["--background", "white"]);
    let picture = image::open(Path::new(&file)).expect("a picture");
    assert!(picture.as_rgb8().is_some(), "{:?}", picture.color());
    assert_thirds(thirds(picture.into_rgb8().as_raw()), ON_WHITE, 2);
    let refused = run(&["file", &input, "new.png", "--background", "whit"]);
    assert!(refused.code == 2 && refused.stderr.contains("no opaque colour"), "{}", refused.stderr);
}
