//! What GStreamer's muxers do not write, by way of `ffmpeg`: dates, places, languages, titles and flags of tracks, styled
//! subtitles, fonts.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use gstreamer as gst;
use serde::Deserialize;

use super::container_args::ContainerArgs;
use super::cut::Window;
use super::timecode;
use super::timescale::Timescale;
use super::tools::{as_file, run};
use crate::gst::edit_list::is_in_one_piece;
use crate::gst::matroska::is_matroska;
use crate::output::Container;

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

/// One stream as ffprobe tells it.
#[derive(Debug, Deserialize)]
struct Stream {
    #[serde(default)]
    codec_type: String,
    #[serde(default)]
    codec_name: String,
    #[serde(default)]
    disposition: std::collections::BTreeMap<String, u8>,
    #[serde(default)]
    tags: std::collections::BTreeMap<String, String>,
    /// "30000/1001"
    #[serde(default)]
    r_frame_rate: String,
}

impl Stream {
    /// The timecode of the picture at `time`, where the stream tells that of its first.
    fn timecode_at(&self, time: gst::ClockTime) -> Option<String> {
        let (_, timecode) = self.tags.iter().find(|(name, _)| name.eq_ignore_ascii_case("timecode"))?;
        let (frames, seconds) = self.r_frame_rate.split_once('/')?;
        let rate = frames.parse::<f64>().ok()? / seconds.parse::<f64>().ok()?;
        timecode::later(timecode, rate, (time.nseconds() as f64 * rate / 1e9).round() as u64)
    }
}

#[derive(Debug, Deserialize)]
struct Probed {
    streams: Vec<Stream>,
}

/// How to write a joined film anew with all that its source says.
pub struct Remux<'a> {
    pub source: &'a Path,
    pub container: Container,
    pub timescale: &'a Timescale,
    pub window: Option<Window>,
    pub container_args: &'a ContainerArgs,
    /// All sound is the source's.
    pub sound_is_copied: bool,
}

impl Remux<'_> {
    /// Writes `joined`, the painted file with its sound, into `output` with all that the source says of itself and its
    /// tracks; returns notes on what the container does not hold.
    ///
    /// # Errors
    /// Why not, in words; nothing of `joined` has changed then.
    pub fn run(&self, joined: &Path, output: &Path) -> Result<Vec<String>, String> {
        let &Self { source, container, timescale, window, container_args, sound_is_copied } = self;
        let (ours, theirs) = (probe(joined)?, probe(source)?);
        let kinds = |streams: &[Stream], kind: &str| streams.iter().filter(|stream| stream.codec_type == kind).count();
        let both_matroska = container == Container::Matroska && is_matroska(source);
        let codecs = |streams: &[Stream], kind: &str| -> Vec<String> {
            let streams = streams.iter().filter(|stream| stream.codec_type == kind);
            streams.map(|stream| stream.codec_name.clone()).collect()
        };
        let is_same = |kind: &str| codecs(&ours, kind) == codecs(&theirs, kind);
        // The subtitles of a part are cut already; those that came through with their styles stay so.
        let fetches_subtitles = both_matroska && (window.is_none() || !is_same("subtitle"));
        // Decoders need the packet before the beginning, which GStreamer's muxers have no time for.
        let both_in_boxes = matches!(container, Container::Mp4 | Container::Mov) && is_in_one_piece(source);
        let fetches_sound = both_in_boxes && sound_is_copied && window.is_none() && is_same("audio");
        let mut arguments: Vec<OsString> = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
        // Times are those of the joined file, to the tick; it begins with no negative ones.
        add(&["-copyts", "-avoid_negative_ts", "disabled", "-map", "0:v"]);
        add(&["-map", if fetches_sound { "1:a?" } else { "0:a?" }]);
        // Matroska to Matroska: subtitles as they are, with their styles and fonts.
        add(if fetches_subtitles { &["-map", "1:s?"] } else { &["-map", "0:s?"] });
        add(if both_matroska { &["-map", "1:t?"] } else { &[] });
        if let Some(window) = window.filter(|_| fetches_subtitles) {
            // Those that begin within the part.
            add(&["-ss", "0"]);
            if let Some(end) = window.end {
                add(&["-to", &seconds(end.saturating_sub(window.begin))]);
            }
        }
        add(&["-c", "copy", "-map_metadata", "1", "-map_chapters", "0"]);
        add(&["-video_track_timescale", &timescale.ticks_per_second().to_string()]);
        for (kind, letter) in [("video", "v"), ("audio", "a"), ("subtitle", "s"), ("attachment", "t")] {
            // Only the first picture track is painted; of the others, all or none can be told apart.
            let count = if kind == "video" { 1 } else { kinds(&theirs, kind) };
            let is_theirs = fetches_subtitles && kind == "subtitle" || both_matroska && kind == "attachment";
            if kind != "video" && !is_theirs && count != kinds(&ours, kind) {
                continue;
            }
            for (number, stream) in theirs.iter().filter(|stream| stream.codec_type == kind).take(count).enumerate() {
                let place = format!("s:{letter}:{number}");
                let flags: Vec<_> =
                    stream.disposition.iter().filter(|(_, set)| **set == 1).map(|(flag, _)| flag.as_str()).collect();
                let flags = if flags.is_empty() { "0".into() } else { flags.join("+") };
                add(&[&format!("-map_metadata:{place}"), &format!("1:{place}")]);
                add(&[&format!("-disposition:{}", &place[2..]), &flags]);
            }
        }
        let pictures = theirs.iter().find(|stream| stream.codec_type == "video");
        if let Some(timecode) = window.zip(pictures).and_then(|(window, pictures)| pictures.timecode_at(window.begin)) {
            add(&["-metadata:s:v:0", &format!("timecode={timecode}")]);
        }
        for tag in OF_THE_SOURCES_PICTURES {
            add(&["-metadata:s:v:0", &format!("{tag}=")]);
        }
        arguments.extend(container_args.words().into_iter().map(OsString::from));
        arguments.extend(["-f", container.ffmpeg_name()].map(OsString::from));

        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-y"]);
        if matches!(container, Container::Mp4 | Container::Mov) {
            // Otherwise the last packet of a track is left out where its end lies behind that of the edit list.
            command.args(["-advanced_editlist", "0"]);
        }
        for (file, begin) in [(joined, None), (source, window.map(|window| window.begin))] {
            if let Some(begin) = begin {
                command.args(["-itsoffset", &format!("-{}", seconds(begin))]);
            }
            command.args(["-protocol_whitelist", "file", "-i"]).arg(as_file(file));
        }
        run(command.args(arguments).arg(as_file(output))).inspect_err(|_| drop(std::fs::remove_file(output)))?;
        let is_styled = |stream: &Stream| matches!(stream.codec_name.as_str(), "ass" | "ssa");
        let lost = [
            (kinds(&theirs, "attachment") > 0, "fonts and other attachments are left out"),
            (theirs.iter().any(is_styled) && kinds(&ours, "subtitle") > 0, "subtitles lose their styles"),
        ];
        let lost = lost.iter().filter(|(is_lost, _)| *is_lost && !both_matroska);
        Ok(lost.map(|(_, what)| format!("{what}: {} does not hold them", container.name())).collect())
    }
}

/// "1.500000000", as ffmpeg reads it to the nanosecond.
fn seconds(time: gst::ClockTime) -> String {
    format!("{}.{:09}", time.seconds(), time.nseconds() % 1_000_000_000)
}

fn probe(file: &Path) -> Result<Vec<Stream>, String> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-protocol_whitelist", "file", "-show_streams", "-of", "json"]).arg(as_file(file));
    let text = run(&mut command)?;
    serde_json::from_slice::<Probed>(&text).map(|probed| probed.streams).map_err(|error| format!("ffprobe: {error}"))
}
