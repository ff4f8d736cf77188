//! A file of encoded packets with their exact times. One that ends in the middle of a packet, or is damaged there, is good
//! up to that packet.

use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use gstreamer as gst;

use crate::error::{Error, Result};

/// The first bytes of a packet file, with the version of the format.
const MAGIC: &[u8; 8] = b"IMPASTO2";

/// Bytes before each packet: size, key frame, PTS, DTS, duration.
const HEADER: usize = 4 + 1 + 8 + 8 + 8;

/// Between header and packet: the CRC-32 of both.
const CHECKSUM: usize = 4;

/// Sizes above this are damage: no encoder makes such packets.
const MAX_SIZE: u32 = 1 << 30;

/// Stands for a time that is not known.
const NO_TIME: u64 = u64::MAX;

/// Times and kind of one packet; what the packet file says before its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    pub size: u32,
    pub key_frame: bool,
    /// Presentation time from the beginning of the source.
    pub pts: gst::ClockTime,
    pub dts: Option<gst::ClockTime>,
    pub duration: Option<gst::ClockTime>,
}

/// Writes one packet file.
#[derive(Debug)]
pub struct PacketWriter {
    file: BufWriter<File>,
    path: PathBuf,
    has_caps: bool,
}

impl PacketWriter {
    /// Begins a file.
    ///
    /// # Errors
    /// It is there already, or cannot be written.
    pub fn create(path: PathBuf) -> Result<Self> {
        let file = File::create_new(&path).map_err(|error| failure(&path, &error))?;
        Ok(Self { file: BufWriter::new(file), path, has_caps: false })
    }

    /// Appends one packet; the caps are written before the first.
    pub fn write(&mut self, caps: &gst::CapsRef, packet: &Packet, data: &[u8]) -> Result<()> {
        self.try_write(caps, packet, data).map_err(|error| failure(&self.path, &error))
    }

    fn try_write(&mut self, caps: &gst::CapsRef, packet: &Packet, data: &[u8]) -> std::io::Result<()> {
        if !self.has_caps {
            let text = caps.to_string();
            self.file.write_all(MAGIC)?;
            self.file.write_all(&(text.len() as u32).to_le_bytes())?;
            self.file.write_all(text.as_bytes())?;
            self.has_caps = true;
        }
        let header = packet.to_bytes();
        self.file.write_all(&header)?;
        self.file.write_all(&checksum(&header, data).to_le_bytes())?;
        self.file.write_all(data)
    }

    /// Hands everything to the file system.
    pub fn flush(&mut self) -> Result<()> {
        self.file.flush().map_err(|error| failure(&self.path, &error))
    }
}

/// Reads one packet file.
#[derive(Debug)]
pub struct PacketReader {
    file: BufReader<File>,
    path: PathBuf,
    length: u64,
    place: u64,
    pub caps: gst::Caps,
}

impl PacketReader {
    /// `None` if the file holds nothing yet.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        Self::try_open(path).map_err(|error| failure(path, &error))
    }

    fn try_open(path: &Path) -> std::io::Result<Option<Self>> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut file = BufReader::new(file);
        let mut start = [0; MAGIC.len() + 4];
        if length < start.len() as u64 {
            return Ok(None);
        }
        file.read_exact(&mut start)?;
        let caps_length = u64::from(u32::from_le_bytes(start[MAGIC.len()..].try_into().unwrap_or_default()));
        if &start[..MAGIC.len()] != MAGIC || start.len() as u64 + caps_length > length {
            return Ok(None);
        }
        let mut text = vec![0; caps_length as usize];
        file.read_exact(&mut text)?;
        let Ok(caps) = gst::Caps::from_str(&String::from_utf8_lossy(&text)) else {
            return Ok(None);
        };
        let place = start.len() as u64 + caps_length;
        Ok(Some(Self { file, path: path.to_path_buf(), length, place, caps }))
    }

    /// The next packet with its bytes; `None` at the end of what is whole.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn next(&mut self) -> Result<Option<(Packet, Vec<u8>)>> {
        self.try_next().map_err(|error| failure(&self.path, &error))
    }

    fn try_next(&mut self) -> std::io::Result<Option<(Packet, Vec<u8>)>> {
        let begin = self.place + (HEADER + CHECKSUM) as u64;
        if begin > self.length {
            return Ok(None);
        }
        let (mut header, mut sum) = ([0; HEADER], [0; CHECKSUM]);
        self.file.read_exact(&mut header)?;
        self.file.read_exact(&mut sum)?;
        let complete = |packet: &Packet| begin + u64::from(packet.size) <= self.length;
        let Some(packet) = Packet::from_bytes(&header).filter(complete) else { return Ok(None) };
        let mut data = vec![0; packet.size as usize];
        self.file.read_exact(&mut data)?;
        self.place = begin + u64::from(packet.size);
        Ok((checksum(&header, &data) == u32::from_le_bytes(sum)).then_some((packet, data)))
    }
}

fn checksum(header: &[u8; HEADER], data: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(header);
    sum.update(data);
    sum.finalize()
}

impl Packet {
    fn to_bytes(self) -> [u8; HEADER] {
        let time = |time: Option<gst::ClockTime>| time.map_or(NO_TIME, gst::ClockTime::nseconds).to_le_bytes();
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&self.size.to_le_bytes());
        bytes[4] = u8::from(self.key_frame);
        bytes[5..13].copy_from_slice(&time(Some(self.pts)));
        bytes[13..21].copy_from_slice(&time(self.dts));
        bytes[21..29].copy_from_slice(&time(self.duration));
        bytes
    }

    /// `None` for bytes that no writer wrote: zeros after a power cut.
    fn from_bytes(bytes: &[u8; HEADER]) -> Option<Self> {
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
        let time = |at: usize| (number(at) != NO_TIME).then(|| gst::ClockTime::from_nseconds(number(at)));
        let size = u32::from_le_bytes(bytes[..4].try_into().unwrap_or_default());
        let sane = (1..=MAX_SIZE).contains(&size) && bytes[4] <= 1;
        let packet = Self { size, key_frame: bytes[4] == 1, pts: time(5)?, dts: time(13), duration: time(21) };
        sane.then_some(packet)
    }
}

/// Why something in a folder of packets cannot be read or written.
pub(super) fn failure(path: &Path, error: &std::io::Error) -> Error {
    let advice = if error.kind() == ErrorKind::StorageFull { "; make room and go on with --resume" } else { "" };
    Error::output(format!("{}: {error}{advice}", path.display()))
}
