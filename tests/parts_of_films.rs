//! `impasto file --start --end`: a part of a film, exact to the frame, with the sound that belongs to it.

mod common;

use std::path::Path;

use common::studio::{Studio, levels};
use common::{ffmpeg, flash_and_beep, packet_times, probe, sound_delays};

#[test]
fn a_part_has_the_pictures_and_the_sound_of_its_time() {
    let studio = Studio::new();
    let variable = "-fps_mode passthrough -enc_time_base 1/90000 -video_track_timescale 90000 -bf 2 -c:a aac \
                    -filter:v setpts=PTS+if(gt(N\\,100)\\,0.013\\,0)/TB+mod(N\\,3)*0.004/TB";
    for (input, args) in [
        ("b-frames.mp4", "-bf 3 -g 50 -c:a aac"),
        ("open.mkv", "-bf 3 -g 40 -x264-params open-gop=1 -c:a libopus"),
        ("stream.ts", "-bf 2 -g 50 -c:a aac"),
        ("variable.mp4", variable),
    ] {
        let film = studio.film(input, args);
        for (start, end) in [(4.5, 6.03), (0.0, 1.0), (6.0, 99.0)] {
            let within = format!("select='gte(t,{start}-0.000002)*lt(t,{end}-0.000002)',");
            let expected = levels(&film, &within);
            for output in ["part.mp4", "part.mkv"] {
                let (from, to) = (start.to_string(), end.to_string());
                let part = studio.good(&film, output, &["--start", &from, "--end", &to, "--crf", "4", "--overwrite"]);
                let found = levels(&part, "");
                // Where the time 0 of a transport stream lies is a matter of view: one picture more or less.
                let is_near = |(one, other): (&u8, &u8)| one.abs_diff(*other) <= 5;
                if input == "stream.ts" {
                    let same = found.windows(expected.len()).any(|part| part.iter().zip(&expected).all(is_near));
                    assert!(same && found.len() <= expected.len() + 1, "{input} -> {output}, {start} to {end}");
                    continue;
                }
                assert_eq!(found.len(), expected.len(), "{input} -> {output}, {start} to {end}");
                assert!(expected.iter().zip(&found).all(is_near), "{input} -> {output}, {start} to {end}");
                assert_eq!(packet_times(&part, "v")[0], 0.0, "{input} -> {output}");
                let (sound, wanted) = (packet_times(&part, "a"), f64::min(end, 10.0) - start);
                let (first, last) = (sound[0], sound[sound.len() - 1]);
                assert!((-0.03..0.06).contains(&first), "{input} -> {output}: sound begins at {first} s");
                assert!((last - wanted).abs() < 0.07, "{input} -> {output}: sound to {last} s of {wanted} s");
            }
        }
    }
}

#[test]
fn sound_subtitles_and_chapters_stay_beside_their_pictures() {
    let studio = Studio::new();
    let clip = studio.path("clip.mkv");
    flash_and_beep(Path::new(&clip), 8);
    let subtitles = "1\n00:00:01,000 --> 00:00:04,000\nearly\n\n2\n00:00:05,000 --> 00:00:05,500\nlater\n\n\
                     3\n00:00:07,000 --> 00:00:07,500\nbehind\n";
    std::fs::write(studio.path("words.srt"), subtitles).expect("written");
    let chapters = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=5\ntitle=one\n\
                    [CHAPTER]\nTIMEBASE=1/1\nSTART=5\nEND=8\ntitle=two\n";
    std::fs::write(studio.path("chapters.txt"), chapters).expect("written");
    let film = studio.path("film.mkv");
    let (words, list) = (studio.path("words.srt"), studio.path("chapters.txt"));
    let inputs = ["-i", &clip, "-i", &words, "-i", &list, "-map", "0", "-map", "1", "-map_metadata", "2"];
    ffmpeg(&[&inputs[..], &["-c:v", "copy", "-c:a", "libmp3lame", "-c:s", "srt", &film]].concat());
    let styled = studio.path("styled.mkv");
    ffmpeg(&["-i", &film, "-map", "0", "-c", "copy", "-c:s", "ass", &styled]);
    for (film, output, begins) in [
        (&film, "part.mkv", &["0.000000", "2.500000"][..]),
        (&film, "part.mp4", &["0.000000", "2.500000"]),
        (&styled, "styled-part.mkv", &["0.000000", "2.500000"]),
    ] {
        let part = studio.good(film, output, &["--start", "2.5", "--end", "0:06.5"]);
        let delays = sound_delays(&part);
        assert_eq!(delays.len(), 4, "{output}: {delays:?}");
        assert!(delays.iter().all(|delay| delay.abs() < 0.06), "{output}: {delays:?}");
        let words = probe(&part, "s", "packet=pts_time,duration_time,size");
        let words: Vec<_> = words.lines().filter(|line| !line.ends_with(",2") && !line.ends_with(",1")).collect();
        let found: Vec<_> = words.iter().filter_map(|line| line.split(',').next()).collect();
        assert_eq!(found, begins, "{output}: {words:?}");
        let chapters = probe(&part, "v", "chapter=start_time:chapter_tags=title");
        // ffmpeg has moved the pictures behind the delay of the sound's encoder, 23 ms, and not the chapters.
        assert_eq!(chapters, "0.000000,one\n2.477000,two", "{output}");
    }
}

#[test]
fn a_part_that_was_interrupted_goes_on_with_the_same_times_only() {
    let studio = Studio::new();
    let film = studio.film("film.mp4", "-bf 2 -c:a aac");
    let whole = studio.good(&film, "whole.mp4", &["--start", "3", "--end", "8"]);
    let part = studio.path("part.mp4");
    // A disk that is full, as seen from here: the finished file cannot be put in its place.
    std::fs::create_dir(studio.path(".part.mp4.part")).expect("made");
    let times = ["--start", "3", "--end", "8", "--resume"];
    let failed = studio.convert(&film, "part.mp4", &times);
    assert!(failed.code == 5 && failed.stderr.contains("125 painted frames are kept"), "{}", failed.stderr);
    std::fs::remove_dir(studio.path(".part.mp4.part")).expect("removed");
    let other = studio.convert(&film, "part.mp4", &["--start", "3", "--end", "9", "--resume"]);
    assert_eq!(other.code, 2, "{}", other.stderr);
    assert!(other.stderr.contains("another --start or --end"), "{}", other.stderr);
    studio.good(&film, "part.mp4", &times);
    assert_eq!(levels(&part, ""), levels(&whole, ""));
    assert_eq!(packet_times(&part, "a"), packet_times(&whole, "a"));
}

#[test]
fn a_part_that_is_not_there_is_told_before_anything_is_painted() {
    let studio = Studio::new();
    let film = studio.film("film.mkv", "-t 3 -c:a libopus");
    for (args, code, words) in [
        (["--start", "2", "--end", "1"], 2, "--start 2 s lies not before --end 1 s"),
        (["--start", "1", "--end", "1"], 2, "lies not before"),
        (["--start", "30", "--end", "31"], 3, "there is no picture from 30 s to 31 s: it is 3.0"),
        (["--start", "-1", "--end", "1"], 2, "`-1` is no time like"),
        (["--start", "soon", "--end", "1"], 2, "`soon` is no time like"),
        (["--start", "1.001", "--end", "1.002"], 3, "there is no picture from 1.001 s to 1.002 s"),
    ] {
        let refused = studio.convert(&film, "no.mp4", &args);
        assert_eq!(refused.code, code, "{args:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(words), "{args:?}: {}", refused.stderr);
        assert!(!Path::new(&studio.path(".no.mp4.parts")).exists(), "{args:?}");
    }
    let refused = studio.convert(&film, "no.png", &["--start", "1"]);
    assert!(refused.code == 2 && refused.stderr.contains("--at names the time of one picture"), "{}", refused.stderr);
}

#[test]
fn the_timecode_of_a_part_is_that_of_its_first_picture() {
    let studio = Studio::new();
    let film = studio.film("film.mp4", "-timecode 10:00:00:00");
    for (args, expected) in [(&[][..], "10:00:00:00"), (&["--start", "2.4"], "10:00:02:10")] {
        for (output, stream) in [("out.mp4", "d"), ("out.mov", "d"), ("out.mkv", "v")] {
            let out = studio.good(&film, output, &[args, &["--overwrite"]].concat());
            let told = probe(&out, stream, "stream_tags=timecode");
            assert_eq!(told, expected, "{output} {args:?}");
        }
    }
}
