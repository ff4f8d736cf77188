//! What is chosen of the encoded film: bits, preset, options of the container.

mod common;

use std::collections::BTreeSet;

use common::studio::Studio;
use common::{ffmpeg, finish, impasto, packet_times, probe, tool};

/// A film whose columns have the 256 levels of grey, without loss.
fn ramp(studio: &Studio) -> String {
    let film = studio.path("ramp.mkv");
    let levels = "nullsrc=s=256x64:r=25:d=0.4,format=gbrp,geq=r=X:g=X:b=X";
    ffmpeg(&["-f", "lavfi", "-i", levels, "-c:v", "ffv1", "-pix_fmt", "gbrp", &film]);
    film
}

/// The levels of grey in the last picture, as 16 bits.
fn levels(studio: &Studio, film: &str) -> BTreeSet<[u8; 2]> {
    let raw = studio.path("raw.gray16");
    ffmpeg(&["-i", film, "-vf", "format=gray16le", "-f", "rawvideo", &raw]);
    let bytes = std::fs::read(raw).expect("readable");
    bytes[bytes.len() - 256 * 64 * 2..][..256 * 2].chunks_exact(2).map(|level| [level[0], level[1]]).collect()
}

#[test]
fn ten_bits_keep_every_level_that_was_painted() {
    let studio = Studio::new();
    let film = ramp(&studio);
    for (codec, output, format) in [
        ("h264", "deep.mp4", "yuv420p10le"),
        ("h265", "deep.mp4", "yuv420p10le"),
        ("h265", "deep.mkv", "yuv420p10le"),
        ("vp9", "deep.webm", "yuv420p10le"),
    ] {
        let deep = studio.good(&film, output, &["--codec", codec, "--crf", "0", "--bits", "10", "--overwrite"]);
        assert_eq!(probe(&deep, "v", "stream=pix_fmt"), format, "{codec}");
        assert_eq!(packet_times(&deep, "v").len(), 10, "{codec}");
        let (ten, eight) =
            (levels(&studio, &deep).len(), studio.good(&film, "flat.mkv", &["--crf", "0", "--overwrite"]));
        assert!(ten > 250, "{codec}: {ten} of 256 levels");
        assert!(levels(&studio, &eight).len() < 225, "8 bits of video have 219 levels");
    }
    // Odd sizes too.
    let odd = studio.path("odd-film.mkv");
    ffmpeg(&["-f", "lavfi", "-i", "nullsrc=s=51x13:r=25:d=0.2,format=gbrp,geq=r=X:g=Y:b=N", "-c:v", "ffv1", &odd]);
    let odd = studio.good(&odd, "odd.mkv", &["--bits", "10"]);
    assert_eq!(probe(&odd, "v", "stream=width,height,pix_fmt"), "51,13,yuv444p10le");
    let foretold = studio.convert(&film, "gone.mp4", &["--bits", "10", "--codec", "h265", "--dry-run"]);
    assert!(foretold.code == 0 && foretold.stdout.contains("10 bits"), "{foretold:?}");
    let refused = studio.convert(&film, "gone.mp4", &["--bits", "12"]);
    assert!(refused.code == 2 && refused.stderr.contains("[possible values: 8, 10]"), "{refused:?}");
}

#[test]
fn presets_have_the_words_of_x264_and_spend_more_time_on_smaller_films() {
    let studio = Studio::new();
    let film = studio.path("moving.mkv");
    ffmpeg(&["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=2", "-c:v", "libx264", "-crf", "4", &film]);
    for codec in ["h264", "h265", "vp9"] {
        let bytes = ["ultrafast", "medium", "slower"].map(|preset| {
            let args = ["--codec", codec, "--preset", preset, "--overwrite"];
            std::fs::metadata(studio.good(&film, "small.mkv", &args)).expect("there").len()
        });
        assert!(bytes[0] > bytes[1] && bytes[1] > bytes[2], "{codec}: {bytes:?}");
    }
    let refused = studio.convert(&film, "gone.mp4", &["--preset", "quick"]);
    assert!(refused.code == 2 && refused.stderr.contains("ultrafast, superfast, veryfast"), "{refused:?}");
}

/// Where a box of an MP4 file begins.
fn place(file: &str, kind: &[u8; 4]) -> usize {
    let bytes = std::fs::read(file).expect("readable");
    bytes.windows(4).position(|window| window == kind).unwrap_or_else(|| panic!("no {kind:?} in {file}"))
}

#[test]
fn options_of_the_container_are_checked_before_painting_and_kept_to() {
    let studio = Studio::new();
    let film = studio.film("film.mp4", "-c:a aac -metadata title=Ours");
    let plain = studio.good(&film, "plain.mp4", &[]);
    assert!(place(&plain, b"moov") > place(&plain, b"mdat"));
    let first = studio.good(&film, "first.mp4", &["--container-args", "movflags=+faststart,brand=mp42"]);
    assert!(place(&first, b"moov") < place(&first, b"mdat"));
    assert_eq!(probe(&first, "v", "format_tags=major_brand,title"), "mp42,Ours");
    assert_eq!(packet_times(&first, "v"), packet_times(&plain, "v"));
    // A GIF is read by other means.
    let gif = studio.path("moving.gif");
    ffmpeg(&["-f", "lavfi", "-i", "testsrc2=s=64x64:r=10:d=1", &gif]);
    let gif = studio.good(&gif, "gif.mp4", &["--container-args", "movflags=+faststart"]);
    assert!(place(&gif, b"moov") < place(&gif, b"mdat"));
    let fragments = studio.good(&film, "fragments.mp4", &["--container-args", "movflags=frag_keyframe+empty_moov"]);
    assert!(place(&fragments, b"moof") > 0);
    assert_eq!(packet_times(&fragments, "v").len(), 250);
    let cues = studio.good(&film, "cues.mkv", &["--container-args", "cues_to_front=1"]);
    assert!(place(&cues, b"\x1c\x53\xbb\x6b") < place(&cues, b"\x1f\x43\xb6\x75"), "cues come before clusters");

    for (output, args, words) in [
        ("x.mp4", "faststart=true", "ffmpeg's muxer for MP4 has no option `faststart`; it has movflags"),
        ("x.mp4", "movflags=+faststrt", "movflags to value +faststrt"),
        ("x.mkv", "movflags=+faststart", "has no option `movflags`; it has reserve_index_space"),
        ("x.mp4", "movflags", "is no list such as movflags=+faststart"),
        ("x.mp4", "c=copy", "has no option `c`"),
        ("x.gif", "movflags=+faststart", "leave --container-args out"),
    ] {
        for dry in [&[][..], &["--dry-run"]] {
            let refused = studio.convert(&film, output, &[&["--container-args", args], dry].concat());
            assert!(refused.code == 2 && refused.stderr.contains(words), "{args}: {refused:?}");
            assert!(!std::fs::exists(studio.path(&format!(".{output}.parts"))).expect("told"), "{args}: painted");
        }
    }

    let (segments, network) = (studio.path("segments"), studio.path("identity.onnx"));
    let segment = ["file", &film, &segments, "--segment", "1/1", "--network", &network];
    let refused = finish(impasto().args(segment).args(["--container-args", "movflags=+faststart"]));
    assert!(refused.code == 2 && refused.stderr.contains("goes to impasto join"), "{refused:?}");
    assert_eq!(finish(impasto().args(segment)).code, 0);
    let joined = studio.path("joined.mp4");
    let join = ["join", &segments, &joined, "--container-args", "movflags=+faststart"];
    let done = finish(impasto().args(join));
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(place(&joined, b"moov") < place(&joined, b"mdat"));
    tool("ffmpeg", &["-v", "error", "-xerror", "-i", &joined, "-f", "null", "-"]);
}
