//! Records a live stream into a file: written beside it, renamed when it is complete.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::{Container, Output, Place, StreamFormat, is_full, part_path, retimed, retimed_sound, sound_caps};
use crate::error::{Error, Result};
use crate::gst::bus;
use crate::gst::encoder::{Encoder, Preset};
use crate::gst::template::Templates;

/// How long the file may take to be finished after the last frame.
const FINISH_PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// A recording in progress.
pub struct Record {
    path: PathBuf,
    part: PathBuf,
    pipeline: gst::Pipeline,
    picture: gst_app::AppSrc,
    sound: Option<gst_app::AppSrc>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Time of the first picture; the file begins there.
    begin: Option<gst::ClockTime>,
    dropped: u64,
    failed: bool,
    finished: bool,
}

impl Record {
    /// Starts the recording into `path`; its ending chooses the container (mp4, mov, mkv, webm).
    ///
    /// # Errors
    /// An unknown ending, a folder that cannot be written to, or a broken template.
    pub fn start(path: &Path, format: &StreamFormat, crf: u8, templates: &Templates) -> Result<Self> {
        let container = Container::of(path)?;
        let part = part_path(path);
        std::fs::File::create(&part).map_err(|error| {
            Error::output(format!("{}: cannot be written: {error}; choose another with --record", path.display()))
        })?;
        let pipeline = build(container, format, crf, templates).inspect_err(|_| drop(std::fs::remove_file(&part)))?;
        let named = |name: &str| pipeline.by_name(name);
        if let Some(file) = named("file") {
            file.set_property("location", part.to_string_lossy().as_ref());
        }
        let feed = |name: &str| named(name).and_then(|element| element.downcast::<gst_app::AppSrc>().ok());
        let picture = feed("picture").unwrap_or_else(|| unreachable!("checked by build"));
        picture.set_caps(Some(&format.caps));
        let sound = feed("sound");
        if let Some(sound) = &sound {
            sound.set_caps(Some(&sound_caps()));
        }
        let this = Self { path: path.to_path_buf(), part, pipeline, picture, sound, state: Mutex::default() };
        this.pipeline
            .set_state(gst::State::Playing)
            .map_err(|_| this.take_failure().unwrap_or_else(|| Error::output("the recording does not start")))?;
        Ok(this)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self, reason: &str) -> Error {
        Error::output(format!(
            "recording {} stopped: {reason}; what was written is kept in {}",
            self.path.display(),
            self.part.display()
        ))
    }
}

impl Output for Record {
    fn picture(&self, buffer: &gst::Buffer, time: gst::ClockTime) {
        let begin = {
            let mut state = self.state();
            state.dropped += u64::from(!state.failed && is_full(&self.picture));
            *state.begin.get_or_insert(time)
        };
        let _ = self.picture.push_buffer(retimed(buffer, time.saturating_sub(begin)));
    }

    fn sound(&self, buffer: &gst::BufferRef, time: gst::ClockTime) {
        let Some(sound) = &self.sound else { return };
        // Sound from before the first picture has no place in the file.
        if let Some(pts) = self.state().begin.and_then(|begin| time.checked_sub(begin)) {
            let _ = sound.push_buffer(retimed_sound(buffer, pts));
        }
    }

    fn place(&self) -> Place {
        Place { kind: "recording", name: self.path.display().to_string() }
    }

    fn dropped(&self) -> u64 {
        self.state().dropped
    }

    fn take_failure(&self) -> Option<Error> {
        let bus = self.pipeline.bus()?;
        let Some(Err(reason)) = bus::wait_for_end(&bus, gst::ClockTime::ZERO) else {
            return None;
        };
        let first = !std::mem::replace(&mut self.state().failed, true);
        first.then(|| self.failure(&reason))
    }

    fn finish(&self) -> Result<()> {
        if std::mem::replace(&mut self.state().finished, true) {
            return Ok(());
        }
        if self.state().failed {
            return Err(Error::output(format!("the recording {} is not complete", self.path.display())));
        }
        if self.state().begin.is_none() {
            let _ = self.pipeline.set_state(gst::State::Null);
            let _ = std::fs::remove_file(&self.part);
            return Err(Error::conflict(format!("{}: no frame came, nothing was recorded", self.path.display())));
        }
        for feed in std::iter::once(&self.picture).chain(&self.sound) {
            let _ = feed.end_of_stream();
        }
        let end = self.pipeline.bus().and_then(|bus| bus::wait_for_end(&bus, FINISH_PATIENCE));
        let _ = self.pipeline.set_state(gst::State::Null);
        match end {
            Some(Ok(())) => std::fs::rename(&self.part, &self.path)
                .map_err(|error| self.failure(&format!("it cannot be renamed: {error}"))),
            Some(Err(reason)) => Err(self.failure(&reason)),
            None => Err(self.failure("it did not finish in time")),
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
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
    let encoder = Encoder::choose(container.codec(), crf, Preset::Fast)?;
    tracing::info!("recording as {encoder}");
    let muxer = muxer(container);
    let values = [("encoder", encoder.launch.as_str()), ("muxer", &muxer)];
    let picture = templates.load("output/record", &values)?;
    // The sound ends in the picture's muxer, so it can only be built together with the picture.
    let (mut text, mut origin) = (picture.text().to_string(), picture.origin().to_string());
    picture.build(&[("picture", "appsrc"), ("file", "filesink")])?;
    if format.sound {
        let sound = templates.load("output/record-sound", &[("encoder", container.sound_encoder())])?;
        text = format!("{text} {}", sound.text());
        origin = sound.origin().to_string();
    }
    let broken = |what: &str| Error::usage(format!("{origin}: {what}"));
    let pipeline = gst::parse::launch_full(&text, None, gst::ParseFlags::FATAL_ERRORS)
        .map_err(|error| broken(error.message()))?
        .downcast::<gst::Pipeline>()
        .map_err(|_| broken("does not describe a chain of elements"))?;
    if format.sound && pipeline.by_name("sound").is_none_or(|element| !element.is::<gst_app::AppSrc>()) {
        return Err(broken("needs an element named `sound`: appsrc name=sound"));
    }
    Ok(pipeline)
}
