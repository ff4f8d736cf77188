//! The subtitles that ffmpeg brings from a film into OUT: as they are, or as the kind of text that OUT's container holds.

use crate::ffmpeg::Stream;
use crate::output::Container;

/// Kinds of text, as ffmpeg names them.
const TEXT: [&str; 7] = ["subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text"];

/// Kinds of pictures that Matroska holds.
const PICTURES: [&str; 3] = ["dvd_subtitle", "hdmv_pgs_subtitle", "dvb_subtitle"];

/// What ffmpeg is to make of subtitles; `None` where the container holds nothing of the kind.
pub fn codec(subtitles: &Stream, container: Container) -> Option<&'static str> {
    let own = subtitles.codec_name.as_str();
    let (is_text, is_picture) = (TEXT.contains(&own), PICTURES.contains(&own));
    match container {
        Container::Matroska if own == "mov_text" => Some("srt"),
        Container::Matroska if is_text || is_picture => Some("copy"),
        Container::Mp4 | Container::Mov if own == "mov_text" => Some("copy"),
        Container::Mp4 | Container::Mov if is_text => Some("mov_text"),
        Container::WebM if own == "webvtt" => Some("copy"),
        Container::WebM if is_text => Some("webvtt"),
        _ => None,
    }
}

/// True for subtitles whose styles only Matroska holds.
pub fn is_styled(subtitles: &Stream) -> bool {
    matches!(subtitles.codec_name.as_str(), "ass" | "ssa")
}
