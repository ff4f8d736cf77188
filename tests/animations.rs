//! `impasto file` on animated pictures: GIF and WebP out; GIF, APNG and WebP in.

mod common;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use common::studio::{Studio, levels};
use common::{ffmpeg, packet_times};
use image::AnimationDecoder;
use image::codecs::{gif::GifDecoder, webp::WebPDecoder};

/// When each picture begins in milliseconds, its grey level, and when the last one ends.
fn pictures(file: &str) -> (Vec<(u32, u8)>, u32) {
    let reader = BufReader::new(File::open(file).expect("a file"));
    let frames = match file.ends_with(".gif") {
        true => GifDecoder::new(reader).expect("a GIF").into_frames(),
        false => WebPDecoder::new(reader).expect("a WebP").into_frames(),
    };
    let mut time = 0;
    let mut shown = Vec::new();
    for frame in frames.collect_frames().expect("whole") {
        let (numerator, denominator) = frame.delay().numer_denom_ms();
        shown.push((time, frame.buffer().get_pixel(80, 45).0[1]));
        time += numerator / denominator;
    }
    (shown, time)
}

/// A film of grey levels at `rate`; its picture n has the level 20 + 13 n, up to 220.
fn film(studio: &Studio, rate: &str, frames: u32) -> String {
    let file = studio.path("film.mkv");
    let levels = format!("nullsrc=s=160x90:r={rate}:d=60,format=gray,geq=lum='20+mod(N*13,200)'");
    let frames = frames.to_string();
    let args =
        ["-f", "lavfi", "-i", &levels, "-frames:v", &frames, "-pix_fmt", "yuv420p", "-c:v", "libx264", "-crf", "4"];
    ffmpeg(&[&args[..], &[&file]].concat());
    file
}

fn assert_levels(found: &[(u32, u8)], numbers: impl Iterator<Item = u32>, what: &str) {
    for ((time, level), number) in found.iter().zip(numbers) {
        let expected = 20 + number * 13 % 200;
        assert!(u32::from(*level).abs_diff(expected) <= 6, "{what}: {level} at {time} ms, not {expected}");
    }
}

#[test]
fn films_become_animations_whose_times_are_as_near_as_the_format_allows() {
    let studio = Studio::new();
    for (rate, per_second, frames) in [("25", 25.0, 50), ("30000/1001", 30000.0 / 1001.0, 90), ("7", 7.0, 15)] {
        let film = film(&studio, rate, frames);
        for (output, unit) in [("out.gif", 10.0), ("out.webp", 1.0)] {
            let what = format!("{rate} a second into {output}");
            let out = studio.good(&film, output, &["--overwrite"]);
            let (found, end) = pictures(&out);
            assert_eq!(found.len(), frames as usize, "{what}");
            for (number, (time, _)) in found.iter().enumerate() {
                // Matroska counts milliseconds.
                let off = (f64::from(*time) - number as f64 * 1000.0 / per_second).abs();
                assert!(off <= unit / 2.0 + 0.6, "{what}: picture {number} at {time} ms");
            }
            assert!((f64::from(end) - f64::from(frames) * 1000.0 / per_second).abs() <= unit + 1.0, "{what}: {end}");
            assert_levels(&found, 0.., &what);
        }
    }
}

#[test]
fn a_gif_leaves_out_what_comes_faster_than_it_can_show() {
    let studio = Studio::new();
    let film = film(&studio, "100", 200);
    let done = studio.convert(&film, "fast.gif", &[]);
    assert!(done.code == 0 && done.stderr.contains("100 of 200 pictures are left out"), "{}", done.stderr);
    let (found, end) = pictures(&studio.path("fast.gif"));
    assert_eq!((found.len(), end), (100, 2000));
    assert!(found.iter().enumerate().all(|(number, (time, _))| *time == 20 * number as u32), "{found:?}");
    assert_levels(&found, (0..).step_by(2), "fast.gif");
    let even = studio.convert(&film, "even.gif", &["--fps", "12.5"]);
    assert!(even.code == 0 && !even.stderr.contains("left out"), "{}", even.stderr);
    assert_eq!(pictures(&studio.path("even.gif")).0.len(), 25);
}

#[test]
fn sound_has_no_place_in_an_animation_and_quality_decides_on_size() {
    let studio = Studio::new();
    let film = studio.film("sound.mp4", "-t 1 -c:a aac");
    let done = studio.convert(&film, "out.gif", &[]);
    assert!(done.code == 0 && done.stderr.contains("GIF holds pictures only"), "{}", done.stderr);
    let silent = studio.convert(&film, "silent.gif", &["--audio", "none"]);
    assert!(silent.code == 0 && !silent.stderr.contains("note"), "{}", silent.stderr);
    for (args, words) in [(["--audio", "aac"], "holds no sound"), (["--codec", "vp9"], "does not hold VP9")] {
        let refused = studio.convert(&film, "refused.webp", &args);
        assert!(refused.code == 2 && refused.stderr.contains(words), "{refused:?}");
        assert!(!Path::new(&studio.path("refused.webp")).exists());
    }
    let noise = studio.path("noise.mkv");
    ffmpeg(&["-f", "lavfi", "-i", "testsrc2=s=160x90:r=5:d=1,noise=c0s=20:c0f=t", "-c:v", "ffv1", &noise]);
    let sizes = ["8", "20", "40"].map(|crf| {
        let out = studio.good(&noise, &format!("noise-{crf}.webp"), &["--crf", crf]);
        std::fs::metadata(out).expect("written").len() as f64
    });
    assert!(sizes[0] > 1.2 * sizes[1] && sizes[1] > 1.2 * sizes[2], "{sizes:?}");
}

#[test]
fn animations_of_every_format_are_read_with_their_times() {
    let studio = Studio::new();
    // Steps of 40 and 80 ms.
    let source = "nullsrc=s=160x90:r=25:d=2,format=gray,geq=lum='20+mod(N*13,200)',select='mod(n,3)',format=rgb24";
    let [apng, webp, gif] = ["in.apng", "in.webp", "in.gif"].map(|name| studio.path(name));
    let make = |file: &str, args: &[&str]| {
        ffmpeg(&[&["-f", "lavfi", "-i", source, "-fps_mode", "passthrough"][..], args, &[file]].concat());
    };
    make(&apng, &["-plays", "0", "-f", "apng"]);
    make(&webp, &["-c:v", "libwebp_anim", "-lossless", "1"]);
    make(&gif, &[]);
    let renamed = studio.path("renamed.png");
    std::fs::copy(&apng, &renamed).expect("copied");
    // The second picture is the first that is shown.
    let expected = (0..50_u32).filter(|number| number % 3 > 0).collect::<Vec<_>>();
    for input in [&apng, &renamed, &webp, &gif] {
        let film = studio.good(input, "film.mp4", &["--crf", "4", "--overwrite"]);
        let times = packet_times(&film, "v");
        assert_eq!(times.len(), expected.len(), "{input}");
        for (time, number) in times.iter().zip(&expected) {
            let begin = f64::from(number - expected[0]) * 0.04;
            assert!((time - begin).abs() < 1e-3, "{input}: {time}, not {begin}");
        }
        let found: Vec<_> = levels(&film, "").into_iter().map(|level| (0, level)).collect();
        assert_levels(&found, expected.iter().copied(), input);
        let again = studio.good(input, "again.webp", &["--overwrite"]);
        assert_eq!(pictures(&again).0.len(), expected.len(), "{input}");
        // A still of one tells what it left out.
        let still = studio.convert(input, "still.png", &["--overwrite"]);
        assert!(still.code == 0 && still.stderr.contains("its first picture is painted"), "{input}: {}", still.stderr);
    }
    // A still stays a still.
    let photo = studio.path("photo.png");
    ffmpeg(&["-f", "lavfi", "-i", "color=gray:s=160x90", "-frames:v", "1", &photo]);
    let still = studio.good(&photo, "photo.webp", &[]);
    assert!(!WebPDecoder::new(BufReader::new(File::open(still).unwrap())).unwrap().has_animation());
    let one = studio.good(studio.film("one.mp4", "-t 1 -an"), "one.webp", &["--at", "0.4"]);
    assert!(!WebPDecoder::new(BufReader::new(File::open(one).unwrap())).unwrap().has_animation());
}
