//! Who reads a film: GStreamer its pictures and what lies beside them, and ffmpeg, where it is installed, what GStreamer does not
//! read of either.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use gstreamer as gst;
use tempfile::TempPath;

use super::fate::{Audio, Fate};
use super::survey::{Survey, Track};
use super::target::Target;
use super::timeline::Timeline;
use crate::capture::{Reader, Treatment, animation, probe};
use crate::error::{Error, Result};
use crate::ffmpeg::{self, Probed, Stream, as_file, ffmpeg, run};
use crate::gst::boxes::{is_fragmented, unreadable_from};
use crate::gst::template::Templates;
use crate::output::Contents;

/// How long counting the pictures of a film by GStreamer may take.
const COUNT_PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(300);

/// Sound that Matroska holds and GStreamer reads there: ffmpeg copies it. It decodes all other.
const COPIED: [&str; 9] = ["aac", "ac3", "eac3", "mp2", "mp3", "dts", "flac", "opus", "vorbis"];

/// The first bytes of files whose pictures GStreamer may not read to their end.
const JPEG: &[u8; 3] = b"\xff\xd8\xff";
const FLV: &[u8; 3] = b"FLV";

/// How a film is read.
pub struct Reading {
    pub pictures: Reader,
    /// What lies beside the pictures.
    pub survey: Survey,
    /// How many pictures there are, where they were counted.
    pub expected: Option<u64>,
    /// Where that is read; `None` for the film itself. Gone when this is.
    beside: Option<TempPath>,
    /// What the user should know of it.
    pub notes: Vec<String>,
}

impl Reading {
    /// Looks into the film `input`; a file that is needed on the way lies beside `output`.
    ///
    /// # Errors
    /// There are no pictures in it that can be read.
    pub fn of(input: &Path, output: &Path, target: Target, audio: Audio, templates: &Templates) -> Result<Self> {
        let counts = counts(input);
        let (pictures, survey) = (reader_by(counts, input, templates)?, Survey::of(input)?);
        let notes = unreadable_from(input).map(|(from, length)| {
            format!("the input is damaged: what comes after {from} of its {length} bytes cannot be read")
        });
        let notes = notes.into_iter().collect();
        let mut this = Self { pictures, survey, expected: counts.map(|(wanted, _)| wanted), beside: None, notes };
        if animation::is_animation(input) || !matches!(target, Target::Film(_)) {
            return Ok(this);
        }
        let is_read = |track: &&Track| {
            let fate = target.fate(track, audio);
            let is_mixed = matches!(fate, Ok((Fate::Encode(_), _))) && track.has_channels_anywhere();
            // Of one channel, GStreamer makes two.
            let is_mistaken = track.kind().ends_with("lpcm");
            track.is_sound() && track.is_read && fate.is_ok() && !is_mixed && !is_mistaken
        };
        let read = this.survey.tracks.iter().filter(is_read).count();
        let Ok(probed) = ffmpeg::probe(input) else {
            if read == 0 && audio != Audio::None && !ffmpeg::is_installed() {
                this.notes.push("no sound is found in it; ffmpeg finds more kinds: `apt install ffmpeg`".into());
            }
            this.notes.extend(this.survey.unread.iter().map(|kind| {
                format!("a track ({kind}) is left out: nothing installed reads it; ffmpeg may: `apt install ffmpeg`")
            }));
            return Ok(this);
        };
        let sounds: Vec<_> = probed.streams.iter().filter(|stream| stream.is_sound()).collect();
        if sounds.len() > read || pictures != Reader::GStreamer && !sounds.is_empty() {
            let taken = this.take_by_ffmpeg(input, output, &sounds, &probed, templates);
            this.notes.extend(taken.err().map(|reason| format!("some of its sound may be left out: {reason}")));
        }
        Ok(this)
    }

    /// The file that the tracks beside the pictures are read from.
    pub fn beside<'a>(&'a self, input: &'a Path) -> &'a Path {
        self.beside.as_deref().unwrap_or(input)
    }

    /// Lets ffmpeg copy the sound into a Matroska file, decoded where GStreamer would not read it there either.
    fn take_by_ffmpeg(
        &mut self,
        input: &Path,
        output: &Path,
        sounds: &[&Stream],
        probed: &Probed,
        templates: &Templates,
    ) -> Result<(), String> {
        let failed = |error: Error| error.to_string();
        let mut prefix = OsString::from(".");
        prefix.push(output.file_name().unwrap_or_default());
        let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::Builder::new().prefix(&prefix).suffix(".sound.mkv").tempfile_in(folder);
        let file = file.map_err(|error| format!("{}: {error}", folder.display()))?.into_temp_path();

        let mut command = ffmpeg();
        ffmpeg::read(&mut command, input);
        for (number, sound) in sounds.iter().enumerate() {
            let codec = if is_copied(sound) { "copy" } else { "flac" };
            command.args(["-map", &format!("0:{}", sound.index), &format!("-c:a:{number}"), codec]);
        }
        let mut shift = match self.pictures {
            Reader::GStreamer => shift(input, probed, templates).map_err(failed)?,
            Reader::Ffmpeg | Reader::FfmpegDecoder => 0.0,
        };
        if shift < 0.0 {
            // Sound has no times before the beginning, so ffmpeg has to tell those of the pictures too.
            (self.pictures, shift) = (Reader::Ffmpeg, 0.0);
        }
        command.args(["-output_ts_offset", &format!("{shift:.6}"), "-f", "matroska"]);
        run(command.arg(as_file(&file)))?;
        let mut taken = Survey::of(&file).map_err(failed)?;
        // Their names end with their numbers.
        taken.tracks.sort_by(|one, other| one.id.cmp(&other.id));
        for (track, sound) in taken.tracks.iter_mut().zip(sounds) {
            track.decoded_from = (!is_copied(sound)).then(|| sound.codec_name.clone());
        }
        // Without these, there would be no picture to tell that one alone is painted.
        taken.tracks.splice(..0, self.survey.tracks.iter().filter(|track| !track.is_sound()).cloned());
        (self.survey, self.beside) = (taken, Some(file));
        Ok(())
    }
}

/// Who reads the pictures of `input`.
///
/// # Errors
/// Nobody can.
pub fn reader_of(input: &Path, templates: &Templates) -> Result<Reader> {
    reader_by(counts(input), input, templates)
}

fn reader_by(counts: Option<(u64, u64)>, input: &Path, templates: &Templates) -> Result<Reader> {
    match counts {
        _ if animation::is_animation(input) => Ok(Reader::GStreamer),
        Some((wanted, found)) if wanted > found => Ok(Reader::Ffmpeg),
        _ => probe::reader_of(input, templates.clone()),
    }
}

fn is_copied(sound: &Stream) -> bool {
    COPIED.contains(&sound.codec_name.as_str())
}

/// By how much what GStreamer says of the times of pictures is later than what ffmpeg says, in seconds.
fn shift(input: &Path, probed: &Probed, templates: &Templates) -> Result<f64> {
    let pictures = probed.streams.iter().find(|stream| stream.is_film());
    let told = pictures.and_then(|pictures| pictures.start_time.parse::<f64>().ok());
    let Some(told) = told else { return Ok(0.0) };
    let (first, _) = probe::picture_at(input, Duration::ZERO, Treatment::default(), templates.clone())?;
    let seen = Timeline::of(input).place(&first).unwrap_or_default();
    Ok(seen.nseconds() as f64 / 1e9 - (told - probed.start()))
}

/// How many pictures a film of a kind that GStreamer may give up too early has, as ffmpeg and as GStreamer count them; `None` for
/// other kinds, and without ffmpeg.
fn counts(input: &Path) -> Option<(u64, u64)> {
    let mut start = [0; 3];
    File::open(input).and_then(|mut file| file.read_exact(&mut start)).ok()?;
    let demuxer = match &start {
        JPEG => None,
        FLV => Some("flvdemux"),
        _ if is_fragmented(input) => Some("qtdemux"),
        _ => return None,
    };
    let wanted = ffmpeg::count_pictures(input).ok()?;
    let found = demuxer.map(|demuxer| Contents::of(input, demuxer, COUNT_PATIENCE));
    // Of pictures one after the other, the first is taken for all.
    Some((wanted, found.map_or(1, |found| found.map_or(0, |found| found.pictures))))
}
