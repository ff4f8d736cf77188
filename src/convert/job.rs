//! What a conversion depends on, noted beside its packets: an interrupted one goes on only with the same.

use std::ffi::OsString;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::Conversion;
use super::cut::Cut;
use super::packets::failure;
use super::rate::Rate;
use crate::capture::Treatment;
use crate::error::{Error, Result};
use crate::gst::encoder::Bits;
use crate::style::{Look, PaintSize};

/// Its name in a folder of packets.
const FILE: &str = "job.json";

/// What a conversion depends on; one that was interrupted goes on only if all of it is the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Its full path, which may hold any bytes.
    pub input: OsString,
    pub input_bytes: u64,
    pub input_modified_ns: u128,
    pub network: String,
    pub look: Look,
    pub size: PaintSize,
    pub treatment: Treatment,
    pub cut: Cut,
    pub rate: Option<Rate>,
    pub encoder: String,
    pub bits: Bits,
}

impl Job {
    /// What `conversion` depends on now; `encoder` is its launch text, empty for pictures.
    ///
    /// # Errors
    /// The input cannot be read.
    pub fn of(conversion: &Conversion, encoder: &str) -> Result<Self> {
        let Conversion { input, options, paint, .. } = conversion;
        let unreadable = |error: std::io::Error| Error::input(format!("{}: {error}", input.display()));
        let metadata = std::fs::metadata(input).map_err(unreadable)?;
        let modified = metadata.modified().map_err(unreadable)?;
        Ok(Self {
            input: input.canonicalize().map_err(unreadable)?.into_os_string(),
            input_bytes: metadata.len(),
            input_modified_ns: modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos(),
            network: paint.choice.version(),
            look: Look { styles: paint.choice.mix.clone(), ..paint.look.clone() },
            size: paint.size,
            treatment: options.treatment,
            cut: options.cut,
            rate: options.rate,
            encoder: encoder.into(),
            bits: options.bits,
        })
    }

    /// Looks at the film again after it has been read.
    ///
    /// # Errors
    /// It has been emptied, cut or taken away meanwhile.
    pub fn check_input(&self, input: &Path) -> Result<()> {
        let name = input.display();
        match std::fs::metadata(input).map(|metadata| metadata.len()) {
            Ok(bytes) if bytes >= self.input_bytes => Ok(()),
            Ok(bytes) => Err(Error::input(format!(
                "{name}: it was cut from {} to {bytes} bytes while it was painted; paint it again when it is whole",
                self.input_bytes
            ))),
            Err(error) => Err(Error::input(format!("{name}: it was there when painting began: {error}"))),
        }
    }

    /// What the packets in `folder` were painted of.
    ///
    /// # Errors
    /// It does not say.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        let text = std::fs::read(folder.join(FILE)).map_err(|error| failure(folder, &error))?;
        serde_json::from_slice(&text)
            .map_err(|_| Error::input(format!("{}: it is of another version of impasto", folder.display())))
    }

    /// Whether `folder` says what its packets were painted of.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// Notes in `folder` what its packets are painted of.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn note_in(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(Error::output)?;
        std::fs::write(folder.join(FILE), text).map_err(|error| failure(folder, &error))
    }

    /// The first thing in which `other` differs, in words.
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        let pairs = [
            (self.input != other.input, "another input"),
            (self.input_bytes != other.input_bytes, "an input of another size"),
            (self.input_modified_ns != other.input_modified_ns, "an input that has been written to since"),
            (self.network != other.network, "another network"),
            (self.look != other.look, "another --style, --strength or other part of the look"),
            (self.size != other.size, "another --size"),
            (self.treatment != other.treatment, "another --deinterlace, --background, --scale or --max-side"),
            (self.cut != other.cut, "another --start or --end"),
            (self.rate != other.rate, "another --fps"),
            (self.encoder != other.encoder, "another encoder, --codec, --crf or --preset"),
            (self.bits != other.bits, "another --bits"),
        ];
        pairs.iter().find_map(|(differs, what)| differs.then_some(*what))
    }
}
