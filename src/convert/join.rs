//! The last step of a video: painted packets and the source's own sound, subtitles and chapters into one file.
//!
//! Nothing that the container takes is decoded; a sound track that it does not take is encoded anew, with a note.

mod muxing;

use std::path::Path;
use std::sync::{Arc, Mutex};

use gstreamer as gst;

use super::chapters;
use super::container_args::ContainerArgs;
use super::cut::Window;
use super::fate::Audio;
use super::job::Job;
use super::link::{Sound, Tracks};
use super::parts::Index;
use super::remux::Remux;
use super::survey::Survey;
use crate::capture::animation;
use crate::error::{Error, Result};
use crate::gst::boxes::mend_opus_headers;
use crate::output::{Container, Contents, part_path};
use crate::shutdown::Shutdown;
use crate::sync::Locked;
use muxing::Outcome;

/// How long reading through the finished file may take; hours of film take seconds.
const READ_PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(600);

/// Containers round the times of packets, and some do not tell how long the last one is.
const LENGTH_ROUNDING: gst::ClockTime = gst::ClockTime::from_mseconds(250);

/// What to join.
pub struct Join<'a> {
    pub input: &'a Path,
    /// The file that sound and subtitles are read from: IN, or what ffmpeg took out of it.
    pub beside: &'a Path,
    /// What the packets were painted of.
    pub job: &'a Job,
    pub output: &'a Path,
    pub container: Container,
    pub index: &'a Index,
    pub audio: Audio,
    pub container_args: &'a ContainerArgs,
    pub survey: &'a Survey,
    /// The part of IN that OUT holds; `None` for all of it.
    pub window: Option<Window>,
}

impl Join<'_> {
    /// Writes OUT beside itself and renames it; returns notes on what could not be copied.
    ///
    /// # Errors
    /// The file cannot be written, or it was interrupted; OUT is not touched then.
    pub fn run(&self, shutdown: &Shutdown) -> Result<Vec<String>> {
        let part = part_path(self.output);
        let result = self.write(&part, shutdown);
        if result.is_err() {
            let _ = std::fs::remove_file(&part);
        }
        let notes = result?;
        self.job.check_input(self.input).inspect_err(|_| drop(std::fs::remove_file(&part)))?;
        std::fs::rename(&part, self.output).map_err(|error| self.failure(&error.to_string()))?;
        Ok(notes)
    }

    fn write(&self, part: &Path, shutdown: &Shutdown) -> Result<Vec<String>> {
        let tracks = Arc::new(Mutex::new(Tracks::default()));
        // An animation has nothing but pictures.
        let wanted = (!animation::is_animation(self.input)).then_some(&tracks);
        let mut outcome = self.attempt(part, wanted, shutdown)?;
        let mut notes = std::mem::take(&mut tracks.locked().notes);
        let left_out = matches!(outcome, Outcome::SourceBroken);
        if left_out {
            notes.push("sound and subtitles are left out: the source's streams could not be read".into());
            outcome = self.attempt(part, None, shutdown)?;
        }
        if matches!(outcome, Outcome::SourceBroken) {
            return Err(self.failure("it was not finished"));
        }
        if matches!(self.container, Container::Mp4 | Container::Mov) {
            mend_opus_headers(part).map_err(|error| self.failure(&error.to_string()))?;
        }
        if wanted.is_some() || !self.container_args.is_empty() {
            let encoded: Vec<_> = tracks.locked().sounds.iter().map(|sound| sound.is_encoded && !left_out).collect();
            self.add_tags(part, &encoded, &mut notes)?;
        }
        let sounds = if left_out { Vec::new() } else { std::mem::take(&mut tracks.locked().sounds) };
        notes.extend(
            sounds
                .iter()
                .filter(|sound| sound.span.length().is_zero())
                .map(|sound| format!("a track ({}) is left out: not one packet of it could be read", sound.name)),
        );
        self.verify(part, &sounds)?;
        let chapters = std::mem::take(&mut tracks.locked().chapters);
        if !chapters.is_empty() {
            match chapters::add_boxes(part, chapters) {
                Err(error) if matches!(error.kind, mp4ameta::ErrorKind::Io(_)) => {
                    return Err(self.failure(&error.to_string()));
                }
                Err(error) => notes.push(format!("chapters are left out: {error}")),
                Ok(()) => {}
            }
        }
        Ok(notes)
    }

    /// Adds what GStreamer's muxers do not write; without `ffmpeg`, or with a source that it does not read, there is a note.
    fn add_tags(&self, part: &Path, encoded: &[bool], notes: &mut Vec<String>) -> Result<()> {
        let tagged = part.with_extension("tagged");
        let &Self { container, window, container_args, .. } = self;
        // Not every animation is read by ffmpeg, and none has tags that a film takes.
        let source = if animation::is_animation(self.input) { part } else { self.input };
        let timescale = &self.index.timescale;
        match (Remux { source, container, timescale, window, container_args, encoded }).run(part, &tagged) {
            Ok(lost) => {
                notes.extend(lost);
                std::fs::rename(&tagged, part).map_err(|error| self.failure(&error.to_string()))
            }
            Err(reason) if !container_args.is_empty() => Err(self.failure(&format!("--container-args: {reason}"))),
            Err(reason) => {
                notes.push(format!(
                    "dates, places and some titles, languages and flags of tracks are not copied: {reason}"
                ));
                Ok(())
            }
        }
    }

    /// Compares the finished file with what was painted and what went into the muxer.
    fn verify(&self, part: &Path, sounds: &[Sound]) -> Result<()> {
        let (frames, tracks) =
            (self.index.frames, sounds.iter().filter(|sound| !sound.span.length().is_zero()).count());
        let length: gst::ClockTime = sounds.iter().map(|sound| sound.span.length()).sum();
        let found = Contents::of(part, self.container.demuxer(), READ_PATIENCE)
            .and_then(|found| if found.whole { Ok(found) } else { Err("it cannot be read to its end".into()) })
            .map_err(|reason| self.failure(&format!("the finished file cannot be opened: {reason}")))?;
        if (found.pictures, found.sounds) != (frames, tracks) {
            return Err(self.failure(&format!(
                "the finished file holds {} of {frames} frames and {} of {tracks} sound tracks; write another kind of \
                 file: .mkv takes most",
                found.pictures, found.sounds
            )));
        }
        if found.sound + LENGTH_ROUNDING * (tracks as u64) < length {
            return Err(self.failure(&format!(
                "the finished file holds {:.1} of {length:.1} of sound; write another kind of file, or choose --audio",
                found.sound
            )));
        }
        Ok(())
    }

    fn failure(&self, reason: &str) -> Error {
        Error::output(format!("{}: {reason}", self.output.display()))
    }
}
