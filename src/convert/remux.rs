//! What GStreamer's muxers do not write, by way of `ffmpeg`: dates, places, languages, titles and flags of tracks, styled
//! subtitles, fonts.

use std::ffi::OsString;
use std::path::Path;

use gstreamer as gst;

use super::container_args::ContainerArgs;
use super::covers;
use super::cut::{Window, has_index};
use super::link::priming;
use super::subtitles::{self, is_styled};
use super::timecode;
use super::timescale::Timescale;
use crate::ffmpeg::{Stream, as_file, ffmpeg, probe, read, run};
use crate::gst::edit_list::is_in_one_piece;
use crate::gst::matroska::is_matroska;
use crate::output::Container;

/// Differences between times that mean nothing, in seconds.
const ROUNDING: f64 = 0.002;

/// Tags that describe the packets of the source's pictures, or how to turn them; the painted ones are others.
const OF_THE_SOURCES_PICTURES: [&str; 9] = [
    "encoder",
    "rotate",
    "BPS",
    "NUMBER_OF_BYTES",
    "NUMBER_OF_FRAMES",
    "_STATISTICS_WRITING_APP",
    "_STATISTICS_WRITING_DATE_UTC",
    "_STATISTICS_TAGS",
    "SOURCE_ID",
];

/// The timecode of the picture at `time`, where the stream tells that of its first.
fn timecode_at(stream: &Stream, time: gst::ClockTime) -> Option<String> {
    let (_, timecode) = stream.tags.iter().find(|(name, _)| name.eq_ignore_ascii_case("timecode"))?;
    let (frames, seconds) = stream.r_frame_rate.split_once('/')?;
    let rate = frames.parse::<f64>().ok()? / seconds.parse::<f64>().ok()?;
    timecode::later(timecode, rate, (time.nseconds() as f64 * rate / 1e9).round() as u64)
}

/// How to write a joined film anew with all that its source says.
pub struct Remux<'a> {
    pub source: &'a Path,
    pub container: Container,
    pub timescale: &'a Timescale,
    pub window: Option<Window>,
    pub container_args: &'a ContainerArgs,
    /// Which of the sound tracks are encoded anew.
    pub encoded: &'a [bool],
}

impl Remux<'_> {
    /// Writes `joined`, the painted file with its sound, into `output` with all that the source says of itself and its
    /// tracks; returns notes on what the container does not hold.
    ///
    /// # Errors
    /// Why not, in words; nothing of `joined` has changed then.
    pub fn run(&self, joined: &Path, output: &Path) -> Result<Vec<String>, String> {
        let &Self { source, container, timescale, window, container_args, encoded } = self;
        let (ours, theirs) = (probe(joined)?.streams, probe(source)?.streams);
        let kinds = |streams: &[Stream], kind: &str| streams.iter().filter(|stream| stream.codec_type == kind).count();
        let both_matroska = container == Container::Matroska && is_matroska(source);
        let codecs = |streams: &[Stream], kind: &str| -> Vec<String> {
            let streams = streams.iter().filter(|stream| stream.codec_type == kind);
            streams.map(|stream| stream.codec_name.clone()).collect()
        };
        let is_same = |kind: &str| codecs(&ours, kind) == codecs(&theirs, kind);
        let texts: Vec<_> = theirs.iter().filter(|stream| stream.codec_type == "subtitle").collect();
        let held: Vec<_> = texts.iter().filter_map(|text| Some((*text, subtitles::codec(text, container)?))).collect();
        // Streams count their times from anywhere, and GStreamer's muxers from the first packet of all.
        let offset = match window {
            None => offset(&ours, &theirs),
            Some(_) => has_index(source).then_some(0.0),
        };
        // The subtitles of a part are cut already; those that came through with their styles stay so.
        let is_wanted = both_matroska && window.is_none()
            || held.len() > kinds(&ours, "subtitle")
            || both_matroska && !is_same("subtitle");
        let fetches_subtitles = is_wanted && !held.is_empty() && offset.is_some();
        // Decoders need the packet before the beginning, which GStreamer's muxers have no time for.
        let both_in_boxes = matches!(container, Container::Mp4 | Container::Mov) && is_in_one_piece(source);
        let fetches_sound = both_in_boxes && !encoded.contains(&true) && window.is_none() && is_same("audio");
        let mut arguments: Vec<OsString> = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
        // Times are those of the joined file, to the tick; it begins with no negative ones.
        add(&["-copyts", "-avoid_negative_ts", "disabled", "-map", "0:v"]);
        let sounds: Vec<_> = ours.iter().filter(|stream| stream.codec_type == "audio").collect();
        let primed = |(number, sound): (usize, &&Stream)| {
            let samples = if encoded.get(number) == Some(&true) { priming(&sound.codec_name) } else { 0 };
            samples as f64 / sound.sample_rate.parse::<f64>().unwrap_or(1.0)
        };
        // MP4 holds what encoders put before the sound, and says that it is not heard; Matroska is given none.
        let in_boxes = matches!(container, Container::Mp4 | Container::Mov);
        let primings: Vec<_> =
            sounds.iter().enumerate().map(primed).map(|time| if in_boxes { time } else { 0.0 }).collect();
        match fetches_sound {
            true => add(&["-map", "1:a?"]),
            false => (0..sounds.len()).for_each(|number| {
                let file = primings[..number].iter().filter(|time| **time > 0.0).count() + 2;
                let file = if primings[number] > 0.0 { file } else { 0 };
                add(&["-map", &format!("{file}:a:{number}")]);
            }),
        }
        if fetches_subtitles {
            held.iter().for_each(|(text, _)| add(&["-map", &format!("1:{}", text.index)]));
        } else {
            add(&["-map", "0:s?"]);
        }
        // Fonts, for the styles.
        add(if both_matroska { &["-map", "1:t?"] } else { &[] });
        if let Some(window) = window.filter(|_| fetches_subtitles) {
            // Those that begin within the part.
            add(&["-ss", "0"]);
            if let Some(end) = window.end {
                add(&["-to", &seconds(end.saturating_sub(window.begin))]);
            }
        }
        add(&["-c", "copy", "-map_metadata", "1", "-map_chapters", "0"]);
        for (number, (_, codec)) in held.iter().enumerate().filter(|_| fetches_subtitles) {
            add(&[&format!("-c:s:{number}"), codec]);
        }
        add(&["-video_track_timescale", &timescale.ticks_per_second().to_string()]);
        for (kind, letter) in [("video", "v"), ("audio", "a"), ("subtitle", "s"), ("attachment", "t")] {
            // Only the first picture track is painted; of the others, all or none can be told apart.
            let is_theirs = fetches_subtitles && kind == "subtitle";
            let streams: Vec<_> = match kind {
                "video" => theirs.iter().filter(|stream| stream.is_film()).take(1).collect(),
                "subtitle" if is_theirs => held.iter().map(|(text, _)| *text).collect(),
                _ => theirs.iter().filter(|stream| stream.codec_type == kind).collect(),
            };
            let is_mapped = kind == "video" || is_theirs || both_matroska && kind == "attachment";
            if !is_mapped && streams.len() != kinds(&ours, kind) {
                continue;
            }
            for (number, stream) in streams.into_iter().enumerate() {
                let place = format!("s:{letter}:{number}");
                let flags: Vec<_> =
                    stream.disposition.iter().filter(|(_, set)| **set == 1).map(|(flag, _)| flag.as_str()).collect();
                let flags = if flags.is_empty() { "0".into() } else { flags.join("+") };
                add(&[&format!("-map_metadata:{place}"), &format!("1:s:{}", stream.index)]);
                add(&[&format!("-disposition:{}", &place[2..]), &flags]);
            }
        }
        let pictures = theirs.iter().find(|stream| stream.is_film());
        if let Some(timecode) = window.zip(pictures).and_then(|(window, pictures)| timecode_at(pictures, window.begin))
        {
            add(&["-metadata:s:v:0", &format!("timecode={timecode}")]);
        }
        for tag in OF_THE_SOURCES_PICTURES {
            add(&["-metadata:s:v:0", &format!("{tag}=")]);
        }
        let folder = tempfile::tempdir().map_err(|error| format!("temporary folder: {error}"))?;
        // GStreamer's muxer for MP4 has written them already.
        let has_covers = ours.iter().any(Stream::is_cover);
        let covers: Vec<_> = theirs.iter().filter(|stream| stream.is_cover() && !has_covers).collect();
        let attachments = if both_matroska { kinds(&theirs, "attachment") } else { 0 };
        let brought = covers::arguments(source, &covers, container, attachments, folder.path())?;
        let holds_covers = matches!(container, Container::Mp4 | Container::Matroska);
        let loses_covers = !holds_covers && theirs.iter().any(Stream::is_cover);
        arguments.extend(brought);
        arguments.extend(container_args.words().into_iter().map(OsString::from));
        arguments.extend(["-f", container.ffmpeg_name()].map(OsString::from));

        let mut command = ffmpeg();
        if matches!(container, Container::Mp4 | Container::Mov) {
            // Otherwise the last packet of a track is left out where its end lies behind that of the edit list.
            command.args(["-advanced_editlist", "0"]);
        }
        read(&mut command, joined);
        match (window, offset) {
            (Some(window), _) => command.args(["-itsoffset", &format!("-{}", seconds(window.begin))]),
            (None, offset) => command.args(["-itsoffset", &format!("{:.6}", offset.unwrap_or_default())]),
        };
        read(&mut command, source);
        for time in primings.iter().filter(|time| **time > 0.0) {
            read(command.args(["-itsoffset", &format!("-{time:.9}")]), joined);
        }
        run(command.args(arguments).arg(as_file(output))).inspect_err(|_| drop(std::fs::remove_file(output)))?;
        let lost = [
            (attachments < kinds(&theirs, "attachment"), "fonts and other attachments are left out"),
            (
                container != Container::Matroska && held.iter().any(|(text, _)| is_styled(text)),
                "subtitles lose their styles",
            ),
            (loses_covers, "cover pictures are left out"),
        ];
        let lost = lost.iter().filter(|(is_lost, _)| *is_lost).map(|(_, what)| what.to_string());
        let unheld = texts.iter().filter(|text| subtitles::codec(text, container).is_none());
        let unheld = unheld.map(|text| format!("subtitles ({}) are left out", text.codec_name));
        let mut notes: Vec<_> =
            lost.chain(unheld).map(|what| format!("{what}: {} does not hold them", container.name())).collect();
        let brought = if fetches_subtitles { held.len() } else { kinds(&ours, "subtitle") };
        if brought < held.len() {
            notes.push(format!(
                "{} of {} subtitles are left out: {}",
                held.len() - brought,
                texts.len(),
                "their times are not known"
            ));
        }
        Ok(notes)
    }
}

/// How much later a film's times are in OUT than in the film, by its first picture, in seconds.
fn offset(ours: &[Stream], theirs: &[Stream]) -> Option<f64> {
    let start = |streams: &[Stream]| streams.iter().find(|stream| stream.is_film())?.start_time.parse::<f64>().ok();
    let offset = start(ours)? - start(theirs)?;
    // Times are rounded, to milliseconds by Matroska.
    Some(if offset.abs() < ROUNDING { 0.0 } else { offset })
}

/// "1.500000000", as ffmpeg reads it to the nanosecond.
fn seconds(time: gst::ClockTime) -> String {
    format!("{}.{:09}", time.seconds(), time.nseconds() % 1_000_000_000)
}
