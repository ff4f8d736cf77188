//! Records a live stream into a file: written beside it, looked at and renamed when it is complete.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::readback::Contents;
use super::sound_track::{SoundTrack, silence};
use super::{Claim, Container, Output, Place, StreamFormat, There, is_full, retimed, sound_caps};
use crate::error::{Conflict, Error, Result};
use crate::gst::bus;
use crate::gst::encoder::{Bits, Encoder, Preset};
use crate::gst::template::Templates;
use crate::sync::Locked;

/// How long the file may take to be finished after the last frame.
const FINISH_PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// A recording that takes longer to read is long enough to be known to play.
const READ_PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// A recording in progress.
pub struct Record {
    claim: Arc<Claim>,
    container: Container,
    pipeline: gst::Pipeline,
    picture: gst_app::AppSrc,
    sound: Option<gst_app::AppSrc>,
    /// Pictures that went to the encoder.
    encoded: Arc<AtomicU64>,
    /// It was told that there is sound without a place in the file.
    told_sound: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Time of the first picture; the file begins there.
    begin: Option<gst::ClockTime>,
    /// Time of the latest picture in the file.
    last: gst::ClockTime,
    track: SoundTrack,
    dropped: u64,
    failed: bool,
    /// It is being finished: its file gets another name.
    is_closing: bool,
    /// Why it failed, until it is told.
    failure: Option<Error>,
    /// Where the finished file lies.
    finished: Option<PathBuf>,
}

/// The name of a recording that nobody named: stream, date and local time.
pub fn dated_name(stream: &str) -> String {
    let now = gst::glib::DateTime::now_local().and_then(|now| now.format("%Y-%m-%d_%H-%M-%S"));
    format!("{stream}-{}.mkv", now.as_deref().unwrap_or("recording"))
}

/// Whether `name` was made by [`dated_name`]: nobody asks for such a name again.
pub(super) fn is_dated(name: &str) -> bool {
    let stem = name.strip_suffix(".mkv").unwrap_or_default();
    // What is like "2026-11-27_09-17-54", also before the number of a second one.
    let like = |text: &str| {
        text.len() == 19
            && text.chars().zip("0000-00-00_00-00-00".chars()).all(|(is, pattern)| match pattern {
                '0' => is.is_ascii_digit(),
                other => is == other,
            })
    };
    let numbered = stem.trim_end_matches(|c: char| c.is_ascii_digit()).strip_suffix('-').unwrap_or_default();
    [stem, numbered]
        .iter()
        .any(|stem| stem.len() > 19 && stem.is_char_boundary(stem.len() - 19) && like(&stem[stem.len() - 19..]))
}

impl Record {
    /// Starts the recording into the claimed file; its ending chooses the container (mp4, mov, mkv, webm).
    ///
    /// # Errors
    /// An unknown ending, or a broken template; nothing is left behind then.
    pub fn start(claim: Claim, format: &StreamFormat, crf: u8, templates: &Templates) -> Result<Self> {
        let claim = Arc::new(claim);
        Self::begin(&claim, format, crf, templates).inspect_err(|_| claim.discard())
    }

    fn begin(claim: &Arc<Claim>, format: &StreamFormat, crf: u8, templates: &Templates) -> Result<Self> {
        let container = Container::of(claim.path())?;
        let pipeline = build(container, format, crf, templates)?;
        let named = |name: &str| pipeline.by_name(name);
        if let Some(file) = named("file") {
            file.set_property("location", claim.part());
        }
        let feed = |name: &str| named(name).and_then(|element| element.downcast::<gst_app::AppSrc>().ok());
        let picture = feed("picture").unwrap_or_else(|| unreachable!("checked by build"));
        picture.set_caps(Some(&format.caps));
        let encoded = Arc::new(AtomicU64::new(0));
        if let Some(pad) = picture.static_pad("src") {
            let encoded = Arc::clone(&encoded);
            pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
                encoded.fetch_add(1, Ordering::Relaxed);
                gst::PadProbeReturn::Ok
            });
        }
        let sound = feed("sound");
        if let Some(sound) = &sound {
            sound.set_caps(Some(&sound_caps()));
        }
        let (told_sound, state) = Default::default();
        let claim = Arc::clone(claim);
        let this = Self { claim, container, pipeline, picture, sound, encoded, told_sound, state };
        this.pipeline
            .set_state(gst::State::Playing)
            .map_err(|_| this.take_failure().unwrap_or_else(|| Error::output("the recording does not start")))?;
        Ok(this)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.locked()
    }

    fn failure(&self, reason: &str) -> Error {
        let (path, part) = (self.claim.path().display(), self.claim.part().display());
        Error::output(match self.claim.what_is_there() {
            There::Part => format!("recording {path} stopped: {reason}; what was written is kept in {part}"),
            There::Nothing => {
                format!("recording {path} stopped: {reason}; its file is gone: somebody removed or moved it")
            }
            There::Stranger => {
                format!(
                    "recording {path} stopped: {reason}; its file is gone: {part} is another one, which is left alone"
                )
            }
        })
    }

    /// Looks for an error of the pipeline.
    fn note_failure(&self) {
        let end = self.pipeline.bus().and_then(|bus| bus::wait_for_end(&bus, gst::ClockTime::ZERO));
        let mut state = self.state();
        // What is written goes nowhere then.
        let is_gone = || !state.is_closing && self.claim.what_is_there() != There::Part;
        let end = end.or_else(|| is_gone().then(|| Err("nobody can find it any more".into())));
        if let Some(Err(reason)) = end
            && !std::mem::replace(&mut state.failed, true)
        {
            state.failure = Some(self.failure(&reason));
        }
    }

    /// No container takes another track once its file has begun.
    fn tell_of_sound(&self) {
        if !self.told_sound.swap(true, Ordering::Relaxed) {
            let path = self.claim.path().display();
            tracing::warn!(
                "{path}: sound has begun, but this recording began without: it is in the next one; stop and start anew \
                 to have it"
            );
        }
    }

    /// Lets everything flow into the file and closes it.
    fn close(&self) -> Result<(), String> {
        for feed in std::iter::once(&self.picture).chain(&self.sound) {
            let _ = feed.end_of_stream();
        }
        let end = self.pipeline.bus().and_then(|bus| bus::wait_for_end(&bus, FINISH_PATIENCE));
        crate::gst::stop(&self.pipeline);
        end.unwrap_or_else(|| Err("it did not finish in time".into()))
    }

    /// Reads the closed file and gives it its name.
    fn publish(&self) -> Result<PathBuf> {
        let expected = self.encoded.load(Ordering::Relaxed);
        if self.claim.what_is_there() != There::Part {
            return Err(self.failure("nobody can find it any more"));
        }
        let found = Contents::of(self.claim.part(), self.container.demuxer(), READ_PATIENCE)
            .and_then(|found| if found.pictures > 0 { Ok(found) } else { Err("there is no picture in it".into()) })
            .map_err(|reason| self.failure(&format!("it does not play: {reason}")))?;
        let path = self.claim.publish();
        let path = path.map_err(|error| self.failure(&format!("it cannot be renamed: {error}")))?;
        if found.whole && found.pictures != expected {
            return Err(Error::output(format!(
                "the recording {} is not complete: it holds {} of {expected} pictures",
                path.display(),
                found.pictures
            )));
        }
        Ok(path)
    }
}

fn write(sound: &gst_app::AppSrc, pieces: impl Iterator<Item = gst::Buffer>) {
    for piece in pieces {
        let _ = sound.push_buffer(piece);
    }
}

impl Output for Record {
    fn picture(&self, buffer: &gst::Buffer, time: gst::ClockTime) {
        let mut state = self.state();
        state.dropped += u64::from(!state.failed && is_full(&self.picture));
        let begin = *state.begin.get_or_insert(time);
        let pts = time.saturating_sub(begin);
        state.last = pts;
        let _ = self.picture.push_buffer(retimed(buffer, pts));
        if let Some(sound) = &self.sound {
            let missing = state.track.follow(pts);
            write(sound, missing.into_iter().flat_map(silence));
        }
    }

    fn sound(&self, buffer: &gst::BufferRef, time: gst::ClockTime) {
        let Some(sound) = &self.sound else { return self.tell_of_sound() };
        // Until it is pushed, so that silence does not come between.
        let mut state = self.state();
        // Sound from before the first picture has no place in the file.
        let Some(pts) = state.begin.and_then(|begin| time.checked_sub(begin)) else { return };
        write(sound, state.track.pieces_of(buffer, pts));
    }

    fn fills_holes(&self) -> bool {
        true
    }

    fn place(&self) -> Place {
        let state = self.state();
        let path = state.finished.as_deref().unwrap_or(self.claim.path());
        Place { kind: "recording", name: path.display().to_string() }
    }

    fn dropped(&self) -> u64 {
        self.state().dropped
    }

    fn has_failed(&self) -> bool {
        self.note_failure();
        self.state().failed
    }

    fn take_failure(&self) -> Option<Error> {
        self.note_failure();
        self.state().failure.take()
    }

    fn finish(&self) -> Result<()> {
        self.note_failure();
        let mut state = self.state();
        if state.finished.is_some() {
            return Ok(());
        }
        if state.failed {
            return Err(Error::output(format!("the recording {} is not complete", self.claim.path().display())));
        }
        if state.begin.is_none() {
            crate::gst::stop(&self.pipeline);
            self.claim.discard();
            let what = format!("{}: no frame came, nothing was recorded", self.claim.path().display());
            return Err(Error::conflict(Conflict::NothingRecorded, what));
        }
        if let Some(sound) = &self.sound {
            let last = state.last;
            let missing = state.track.finish(last);
            write(sound, missing.into_iter().flat_map(silence));
        }
        state.is_closing = true;
        // No picture may come to wait for it.
        drop(state);
        let finished = self.close().map_err(|reason| self.failure(&reason)).and_then(|()| self.publish());
        let mut state = self.state();
        match finished {
            Ok(path) => state.finished = Some(path),
            Err(error) => {
                state.failed = true;
                return Err(error);
            }
        }
        Ok(())
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        crate::gst::stop(&self.pipeline);
    }
}

/// A recording that is broken off must stay playable: MP4 is written in fragments, and made whole at its end.
fn muxer(container: Container) -> String {
    let settings = match container {
        Container::Mp4 | Container::Mov => " fragment-duration=1000 fragment-mode=first-moov-then-finalise",
        Container::Matroska | Container::WebM => "",
    };
    format!("{}{settings}", container.muxer())
}

fn build(container: Container, format: &StreamFormat, crf: u8, templates: &Templates) -> Result<gst::Pipeline> {
    let encoder = Encoder::choose(container.codec(), crf, Preset::default(), Bits::Eight)?;
    tracing::info!("recording as {encoder}");
    let muxer = muxer(container);
    let values = [("encoder", encoder.launch.as_str()), ("muxer", &muxer)];
    let picture = templates.load("output/record", &values)?;
    picture.build(&[("picture", "appsrc"), ("file", "filesink")])?;
    let sound = || templates.load("output/record-sound", &[("encoder", container.sound_encoder())]);
    let sound = format.sound.then(sound).transpose()?;
    Ok(picture.join(sound.as_ref(), format.sound)?.1)
}
