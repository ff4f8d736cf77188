//! What a film is written as, by the ending of OUT: a container with tracks, or an animated picture.

use std::path::Path;

use super::Options;
use super::animation::Animation;
use super::container_args::ContainerArgs;
use super::fate::{Audio, Fate};
use super::survey::{Survey, Track};
use crate::error::{Error, Result};
use crate::gst::encoder::Encoder;
use crate::output::Container;
use crate::style::Size;

/// The kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Film(Container),
    Animation(Animation),
}

impl Target {
    /// # Errors
    /// An ending that stands for neither.
    pub fn of(output: &Path) -> Result<Self> {
        match Animation::of(output) {
            Some(animation) => Ok(Self::Animation(animation)),
            None => Container::of(output).map(Self::Film).map_err(|error| {
                Error::usage(format!("{error}; animations into .gif or .webp, pictures into .png, .jpg or .webp"))
            }),
        }
    }

    /// The encoder for the painted pictures.
    ///
    /// # Errors
    /// None is installed, or it makes what this kind of file does not hold.
    pub fn encoder(self, options: &Options) -> Result<Encoder> {
        match (self, options.codec) {
            (Self::Film(container), codec) => {
                let codec = codec.unwrap_or(container.codec());
                let encoder = Encoder::choose(codec, options.crf, options.preset, options.bits)?;
                container.check_codec(codec)?;
                Ok(encoder)
            }
            (Self::Animation(animation), None) => Ok(animation.encoder(options.crf)),
            (Self::Animation(animation), Some(codec)) => {
                Err(Error::usage(format!("{} does not hold {}; leave --codec out", animation.name(), codec.name())))
            }
        }
    }

    /// # Errors
    /// It does not take these options.
    pub fn check_args(self, args: &ContainerArgs) -> Result<()> {
        match self {
            Self::Film(container) => args.check(container),
            Self::Animation(_) if args.is_empty() => Ok(()),
            Self::Animation(animation) => {
                let name = animation.name();
                Err(Error::usage(format!("{name} is no container with options; leave --container-args out")))
            }
        }
    }

    /// # Errors
    /// It does not hold pictures of this size.
    pub fn check_size(self, picture: Size) -> Result<()> {
        match self {
            Self::Film(container) => container.check_size(picture),
            // They hold larger ones than can be painted.
            Self::Animation(_) => Ok(()),
        }
    }

    /// What becomes of a source's track, and what the user should know of it.
    ///
    /// # Errors
    /// Sound cannot get into this kind of file in the way that was asked for.
    pub fn fate(self, track: &Track, audio: Audio) -> Result<(Fate, Option<String>)> {
        match (self, audio) {
            (Self::Film(container), _) => Fate::of(track, container, audio),
            (Self::Animation(_), _) if track.is_picture() => Ok((Fate::Paint, None)),
            (Self::Animation(_), Audio::None) => Ok((Fate::LeaveOut, None)),
            (Self::Animation(animation), Audio::Auto) => {
                let note = format!("a track ({}) is left out: {} holds pictures only", track.kind(), animation.name());
                Ok((Fate::LeaveOut, Some(note)))
            }
            (Self::Animation(animation), _) => {
                Err(Error::usage(format!("{} holds no sound; leave --audio out", animation.name())))
            }
        }
    }

    /// What the user should know of what becomes of all tracks.
    ///
    /// # Errors
    /// That of a track.
    pub fn notes(self, survey: &Survey, audio: Audio) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        for track in &survey.tracks {
            notes.extend(self.fate(track, audio)?.1);
        }
        if survey.tracks.iter().filter(|track| track.is_picture()).count() > 1 {
            notes.push("only the first video track is painted".into());
        }
        Ok(notes)
    }
}
