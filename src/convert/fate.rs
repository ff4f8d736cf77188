//! What becomes of each of the source's tracks in OUT, decided before anything is painted.

use gstreamer as gst;
use serde::Serialize;

use super::survey::{Track, kind};
use crate::error::{Error, Result};
use crate::ffmpeg;
use crate::output::Container;

/// What to do with sound: `--audio`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, clap::ValueEnum)]
pub enum Audio {
    /// Copied; encoded anew where OUT's container does not take it
    #[default]
    Auto,
    /// No sound
    None,
    /// Copied, or nothing is painted
    Copy,
    Aac,
    Opus,
    Flac,
    Mp3,
}

/// What becomes of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its packets are copied.
    Copy,
    /// Decoded, and encoded by this launch text.
    Encode(&'static str),
    /// Painted, if it is the first of its kind.
    Paint,
    LeaveOut,
}

impl Audio {
    /// Launch text, and what comes out of it.
    fn encoder(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Auto | Self::None | Self::Copy => None,
            Self::Aac => Some((Container::Mp4.sound_encoder(), "audio/mpeg,mpegversion=4,stream-format=raw")),
            Self::Opus => Some((Container::Matroska.sound_encoder(), "audio/x-opus")),
            Self::Flac => Some(("flacenc ! flacparse", "audio/x-flac")),
            Self::Mp3 => Some(("lamemp3enc ! mpegaudioparse", "audio/mpeg,mpegversion=1,layer=3")),
        }
    }
}

impl Fate {
    /// What becomes of a track, and what the user should know of it.
    ///
    /// # Errors
    /// The sound cannot get into this container in the way that was asked for.
    pub fn of(track: &Track, container: Container, audio: Audio) -> Result<(Self, Option<String>)> {
        let (caps, kind, container_name) = (&track.caps, track.name(), container.name());
        if track.is_picture() {
            return Ok((Self::Paint, None));
        }
        if !track.is_sound() {
            let left_out = || format!("a track ({kind}) is left out: {container_name} does not take this kind");
            // The muxer waits for ever for those that it takes and does not know.
            let is_known = track.kind() != "application/x-subtitle-unknown";
            return Ok(match is_known && takes(container, "subtitle_%u", caps) {
                true => (Self::Copy, None),
                // ffmpeg brings it later, or tells that it does not.
                false => (Self::LeaveOut, (!ffmpeg::is_installed()).then(left_out)),
            });
        }
        let is_taken = takes(container, "audio_%u", &in_files(caps)) && !is_spoilt_by_muxer(caps, container);
        let copied = is_taken && track.decoded_from.is_none();
        let other = if container == Container::Matroska { "another kind of file" } else { ".mkv, which takes most" };
        let refused = |why: &str| Error::usage(format!("sound ({kind}): {why}; write {other}, or choose --audio"));
        let as_it_is = format!("{container_name} does not take it as it is");
        match audio {
            Audio::None => Ok((Self::LeaveOut, None)),
            Audio::Auto | Audio::Copy if copied => Ok((Self::Copy, None)),
            Audio::Copy => Err(refused(&as_it_is)),
            _ if !is_decodable(caps) => {
                let advice = if ffmpeg::is_installed() { "" } else { " (ffmpeg may: `apt install ffmpeg`)" };
                Err(refused(&format!("{as_it_is}, and nothing installed decodes it{advice}")))
            }
            Audio::Auto => {
                let packed = container.lossless_sound_encoder();
                let without_loss = match track.is_float() {
                    true => container.float_sound_encoder().map(|encoder| ("PCM", encoder)),
                    false => packed.filter(|_| track.is_lossless()),
                };
                let (how, encoder) = match (without_loss, packed) {
                    (Some((codec, encoder)), _) => (format!(" as {codec}, without loss"), encoder),
                    (None, Some((codec, encoder))) if track.is_float() => {
                        (format!(" as {codec}, in whole numbers"), encoder)
                    }
                    _ if track.is_lossless() => (", with loss".into(), container.sound_encoder()),
                    _ => (String::new(), container.sound_encoder()),
                };
                let fewer = fewer_channels(track, encoder);
                let note = format!("sound ({kind}) is encoded anew{how}{fewer}: {as_it_is}");
                Ok((Self::Encode(encoder), Some(note)))
            }
            _ => {
                let (encoder, made) = audio.encoder().unwrap_or_else(|| unreachable!("the others were matched"));
                let made = made.parse::<gst::Caps>().map_err(Error::output)?;
                let fits = takes(container, "audio_%u", &made) && !is_spoilt_by_muxer(&made, container);
                let fewer = fewer_channels(track, encoder);
                let note = (!fewer.is_empty()).then(|| format!("sound ({kind}) is encoded anew{fewer}"));
                if fits {
                    Ok((Self::Encode(encoder), note))
                } else {
                    Err(refused(&format!("{container_name} holds no such sound")))
                }
            }
        }
    }
}

/// ", its 8 channels as 6", for an encoder that takes no more.
fn fewer_channels(track: &Track, encoder: &str) -> String {
    let factory = encoder.split_whitespace().next().and_then(gst::ElementFactory::find);
    let Some((channels, factory)) = track.channels().zip(factory) else { return String::new() };
    let takes = |count: &i32| {
        let caps = gst::Caps::builder("audio/x-raw").field("channels", *count).build();
        factory.can_sink_any_caps(&caps)
    };
    match (1..=channels).rev().find(takes) {
        Some(most) if most < channels => format!(", its {channels} channels as {most}"),
        _ => String::new(),
    }
}

/// ADTS becomes the raw form that files hold; the packets stay the same.
fn in_files(caps: &gst::Caps) -> gst::Caps {
    let mut caps = caps.clone();
    if is_aac(&caps) {
        caps.make_mut().set("stream-format", "raw");
    }
    caps
}

pub fn is_aac(caps: &gst::CapsRef) -> bool {
    caps.structure(0).is_some_and(|sound| {
        sound.name() == "audio/mpeg" && sound.get::<i32>("mpegversion").is_ok_and(|version| version >= 2)
    })
}

/// True for sound that the muxer says it takes, and then writes a track for that no player opens.
fn is_spoilt_by_muxer(caps: &gst::CapsRef, container: Container) -> bool {
    let Some(sound) = caps.structure(0) else { return false };
    let in_boxes = matches!(container, Container::Mp4 | Container::Mov);
    // AAC in LATM packets would have to be unpacked.
    sound.get::<&str>("stream-format").is_ok_and(|format| format == "loas")
        || in_boxes && sound.name() == "audio/x-eac3"
        || container == Container::Mov && sound.name() == "audio/x-opus"
        || !in_boxes && sound.name() == "audio/x-speex"
}

fn takes(container: Container, template: &str, caps: &gst::Caps) -> bool {
    let factory = gst::ElementFactory::find(container.muxer());
    let templates = factory.map(|factory| factory.static_pad_templates()).into_iter().flatten();
    let mut wanted = templates.filter(|known| known.name_template() == template);
    wanted.any(|template| template.caps().can_intersect(&plain_text(caps)))
}

fn is_decodable(caps: &gst::Caps) -> bool {
    let kinds = gst::ElementFactoryType::DECODER | gst::ElementFactoryType::MEDIA_AUDIO;
    let decoders = gst::ElementFactory::factories_with_type(kinds, gst::Rank::MARGINAL);
    kind(caps) == "audio/x-raw" || decoders.iter().any(|decoder| decoder.can_sink_any_caps(caps))
}

/// SubRip comes out of demuxers labelled as markup, which no muxer takes; it goes back in as the text it was.
pub fn plain_text(caps: &gst::CapsRef) -> gst::Caps {
    let mut caps = caps.to_owned();
    if caps.structure(0).is_some_and(|structure| structure.name() == "text/x-raw") {
        caps.make_mut().set("format", "utf8");
    }
    caps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sound_finds_a_way_into_every_container_or_is_refused() {
        crate::gst::init().unwrap();
        let fate = |caps: &str, container, audio| {
            let track = Track::of_form(caps.parse().unwrap());
            Fate::of(&track, container, audio).map(|(fate, note)| (fate, note.is_some()))
        };
        let (aac, opus) = (Container::Mp4.sound_encoder(), Container::WebM.sound_encoder());
        let adts = "audio/mpeg,mpegversion=4,stream-format=adts,rate=48000,channels=2";
        assert_eq!(fate(adts, Container::Mp4, Audio::Auto), Ok((Fate::Copy, false)));
        assert_eq!(fate(adts, Container::WebM, Audio::Auto), Ok((Fate::Encode(opus), true)));
        let latm = "audio/mpeg,mpegversion=4,stream-format=loas,rate=48000,channels=2";
        for container in [Container::Mp4, Container::Mov] {
            for caps in [latm, "audio/x-eac3,rate=48000,channels=2", "audio/x-vorbis,rate=48000,channels=2"] {
                assert_eq!(fate(caps, container, Audio::Auto), Ok((Fate::Encode(aac), true)), "{caps}");
            }
        }
        assert_eq!(fate(latm, Container::Matroska, Audio::Auto), Ok((Fate::Encode(opus), true)));
        assert_eq!(fate(adts, Container::Mp4, Audio::None), Ok((Fate::LeaveOut, false)));
        let refused = fate("audio/x-vorbis", Container::Mp4, Audio::Copy).unwrap_err().to_string();
        assert!(refused.contains("MP4 does not take it as it is; write .mkv"), "{refused}");
        let refused = fate("audio/x-never-heard-of", Container::Mp4, Audio::Auto).unwrap_err().to_string();
        assert!(refused.contains("nothing installed decodes it"), "{refused}");
        assert!(fate(adts, Container::WebM, Audio::Aac).is_err());
        assert_eq!(fate("text/x-raw,format=pango-markup", Container::Matroska, Audio::Auto), Ok((Fate::Copy, false)));
    }
}
