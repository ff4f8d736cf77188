//! Animated pictures out: painted pictures put together as GIF or WebP, each at its time as near as the format tells it.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::Duration;

use gstreamer as gst;
use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, DynamicImage, Frame, ImageFormat};

use super::packets::PacketReader;
use super::parts::Index;
use crate::capture::animation::delays;
use crate::error::{Error, Result};
use crate::gst::encoder::Encoder;
use crate::output::part_path;
use crate::picture::webp;
use crate::shutdown::Shutdown;

/// 1 to 30: how little time the search for the 256 colours of a GIF's picture takes.
const GIF_HASTE: i32 = 10;

/// The formats that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Animation {
    Gif,
    WebP,
}

/// The file that is being written.
enum Writer {
    Gif(GifEncoder<BufWriter<File>>),
    WebP(webp::Writer<BufWriter<File>>),
}

/// A painted picture, still as the encoder made it, with the unit of time that it begins in.
struct Shown {
    picture: Vec<u8>,
    begin: u64,
}

impl Animation {
    pub fn of(output: &Path) -> Option<Self> {
        match output.extension()?.to_string_lossy().to_lowercase().as_str() {
            "gif" => Some(Self::Gif),
            "webp" => Some(Self::WebP),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Gif => "GIF",
            Self::WebP => "animated WebP",
        }
    }

    /// The encoder for the pictures.
    pub fn encoder(self, crf: u8) -> Encoder {
        match self {
            Self::Gif => Encoder::png(),
            Self::WebP => Encoder::webp(crf),
        }
    }

    /// The unit in which it counts time, and how many of them a picture is shown at least: viewers take less for "as fast
    /// as it goes", and show it for 100 ms.
    fn time(self) -> (Duration, u64) {
        match self {
            Self::Gif => (Duration::from_millis(10), 2),
            Self::WebP => (Duration::from_millis(1), 11),
        }
    }

    /// Writes the painted pictures beside `output` and renames; returns notes on what could not be kept.
    ///
    /// # Errors
    /// The file cannot be written, or it was interrupted; OUT is not touched then.
    pub fn write(self, index: &Index, output: &Path, shutdown: &Shutdown) -> Result<Vec<String>> {
        let part = part_path(output);
        let failed = |reason: String| Error::output(format!("{}: {reason}", output.display()));
        let written = self.write_all(index, &part, shutdown).map_err(|error| match error {
            Error::Output(reason) => failed(reason),
            error => error,
        });
        let checked = written.and_then(|written| {
            let found = delays(&part)?.len() as u64;
            if found == written {
                return Ok(written);
            }
            Err(failed(format!("the finished file holds {found} of {written} pictures")))
        });
        let result = checked.and_then(|written| {
            std::fs::rename(&part, output).map_err(|error| failed(error.to_string()))?;
            Ok(written)
        });
        if result.is_err() {
            let _ = std::fs::remove_file(&part);
        }
        let left_out = index.frames - result?;
        let (unit, least) = self.time();
        let most = Duration::from_secs(1).as_millis() / (unit.as_millis() * u128::from(least));
        let note = format!(
            "{left_out} of {} pictures are left out: {} shows up to {most} a second",
            index.frames,
            self.name()
        );
        Ok(if left_out > 0 { vec![note] } else { Vec::new() })
    }

    /// Returns how many pictures were written.
    fn write_all(self, index: &Index, part: &Path, shutdown: &Shutdown) -> Result<u64> {
        let (unit, least) = self.time();
        let unit_of = |time: gst::ClockTime| (time.nseconds() + unit.as_nanos() as u64 / 2) / unit.as_nanos() as u64;
        let mut writer = None;
        let (mut first, mut held, mut count, mut end) = (None, None::<Shown>, 0, 0);
        for path in &index.files {
            let Some(mut reader) = PacketReader::open(path)? else { continue };
            while let Some((packet, picture)) = reader.next()? {
                if shutdown.is_given() {
                    return Err(Error::Interrupted("interrupted".into()));
                }
                let time = packet.pts.saturating_sub(*first.get_or_insert(packet.pts));
                let begin = unit_of(time);
                end = unit_of(time + index.last_duration(packet.duration).unwrap_or_default());
                // Each begins at its own time: what is rounded does not add up.
                if held.as_ref().is_some_and(|held| begin < held.begin + least) {
                    continue;
                }
                if let Some(before) = held.replace(Shown { picture, begin }) {
                    self.put(&mut writer, part, &before.picture, begin - before.begin)?;
                    count += 1;
                }
            }
        }
        let last = held.ok_or_else(|| Error::output("no frame was painted"))?;
        self.put(&mut writer, part, &last.picture, end.saturating_sub(last.begin).max(least))?;
        if let Some(Writer::WebP(writer)) = writer {
            writer.finish().map_err(Error::output)?;
        }
        Ok(count + 1)
    }

    /// Adds a picture that is shown for so many units; the file is begun with the first.
    fn put(self, writer: &mut Option<Writer>, part: &Path, picture: &[u8], units: u64) -> Result<()> {
        let writer = match writer {
            Some(writer) => writer,
            none => none.insert(self.begin(part, picture)?),
        };
        match writer {
            Writer::Gif(encoder) => {
                let picture = decode(picture)?.into_rgba8();
                let shown = Duration::from_millis(10 * units.min(u64::from(u16::MAX)));
                encoder
                    .encode_frame(Frame::from_parts(picture, 0, 0, Delay::from_saturating_duration(shown)))
                    .map_err(Error::output)
            }
            Writer::WebP(writer) => writer.put(picture, units).map_err(Error::output),
        }
    }

    fn begin(self, part: &Path, picture: &[u8]) -> Result<Writer> {
        let file = BufWriter::new(File::create(part).map_err(Error::output)?);
        match self {
            Self::Gif => {
                let mut encoder = GifEncoder::new_with_speed(file, GIF_HASTE);
                encoder.set_repeat(Repeat::Infinite).map_err(Error::output)?;
                Ok(Writer::Gif(encoder))
            }
            Self::WebP => {
                let format = image::ImageReader::with_format(std::io::Cursor::new(picture), ImageFormat::WebP);
                let size = format.into_dimensions().map_err(Error::output)?;
                webp::Writer::begin(file, size).map(Writer::WebP).map_err(Error::output)
            }
        }
    }
}

fn decode(picture: &[u8]) -> Result<DynamicImage> {
    image::load_from_memory_with_format(picture, ImageFormat::Png).map_err(Error::output)
}
