//! Painted packets on disk until a conversion is complete: `.OUT.parts` beside OUT, one file for each run.
//!
//! A conversion writes encoded packets with their exact times; an interrupted one leaves what it finished, and
//! the next run appends a file. A file that ends in the middle of a packet, or is damaged there, is good up to that packet.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use gstreamer as gst;
use serde::{Deserialize, Serialize};

use super::Conversion;
use super::cut::Cut;
use super::rate::Rate;
use super::timescale::Timescale;
use crate::capture::Treatment;
use crate::error::{Error, Result};
use crate::gst::encoder::Bits;
use crate::output::hidden_beside;
use crate::style::{Look, PaintSize};

/// The first bytes of a packet file, with the version of the format.
const MAGIC: &[u8; 8] = b"IMPASTO2";

/// Bytes before each packet: size, key frame, PTS, DTS, duration.
const HEADER: usize = 4 + 1 + 8 + 8 + 8;

/// Between header and packet: the CRC-32 of both.
const CHECKSUM: usize = 4;

/// Sizes above this are damage: no encoder makes such packets.
const MAX_SIZE: u32 = 1 << 30;

/// The file with the [`Job`].
const JOB: &str = "job.json";

/// The file in a folder of finished packets that says how many there are.
const FRAMES: &str = "frames";

/// Stands for a time that is not known.
const NO_TIME: u64 = u64::MAX;

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

/// The folder of one conversion.
#[derive(Debug)]
pub struct Parts {
    folder: PathBuf,
    /// Locked as long as this conversion runs; holds the number of its process.
    _lock: File,
}

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
        let network = &paint.choice.network;
        let version = network.sha256.clone().unwrap_or_else(|| network.model_path().display().to_string());
        Ok(Self {
            input: input.canonicalize().map_err(unreadable)?.into_os_string(),
            input_bytes: metadata.len(),
            input_modified_ns: modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos(),
            network: format!("{} {version}", network.name),
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
        let text = std::fs::read(folder.join(JOB)).map_err(|error| failure(folder, &error))?;
        serde_json::from_slice(&text)
            .map_err(|_| Error::input(format!("{}: it is of another version of impasto", folder.display())))
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

impl Parts {
    /// The parts of `output`: those of an interrupted conversion with `resume`, or an empty folder.
    ///
    /// # Errors
    /// Another conversion writes `output`, they belong to another job, or the folder cannot be written to.
    pub fn open(output: &Path, job: &Job, resume: bool) -> Result<Self> {
        let folder = folder_of(output);
        let this = Self { _lock: lock(&folder, output)?, folder };
        let job_file = this.folder.join(JOB);
        if resume && let Ok(text) = std::fs::read(&job_file) {
            let earlier: Option<Job> = serde_json::from_slice(&text).ok();
            let difference = earlier.map_or(Some("another version of impasto"), |earlier| job.difference(&earlier));
            return match difference {
                None => Ok(this),
                Some(what) => Err(Error::usage(format!(
                    "{} holds the work of {what}; leave --resume out to begin anew",
                    this.folder.display()
                ))),
            };
        }
        for file in this.files()? {
            std::fs::remove_file(&file).map_err(|error| failure(&file, &error))?;
        }
        let text = serde_json::to_vec_pretty(job).map_err(Error::output)?;
        std::fs::write(&job_file, text).map_err(|error| this.failure(&error))?;
        Ok(this)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        packet_files(&self.folder)
    }

    /// Gives the finished packets a folder of their own, which says how many they are.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep_as(&self, folder: &Path) -> Result<()> {
        let frames = self.index()?.frames.to_string();
        std::fs::write(self.folder.join(FRAMES), frames).map_err(|error| self.failure(&error))?;
        if folder.exists() {
            std::fs::remove_dir_all(folder).map_err(|error| failure(folder, &error))?;
        }
        std::fs::rename(&self.folder, folder).map_err(|error| failure(folder, &error))
    }

    /// Everything that is finished: an index of all packets, and the caps they share.
    ///
    /// # Errors
    /// A file cannot be read, or its caps differ from those of the others.
    pub fn index(&self) -> Result<Index> {
        let mut index = Index::default();
        index.add(&self.folder)?;
        Ok(index)
    }

    /// Begins the next packet file.
    pub fn append(&self) -> Result<PacketWriter> {
        let path = self.folder.join(format!("{:06}.packets", self.files()?.len()));
        let file = File::create_new(&path).map_err(|error| failure(&path, &error))?;
        Ok(PacketWriter { file: BufWriter::new(file), path, has_caps: false })
    }

    /// Removes the folder and all in it.
    pub fn remove(&self) -> Result<()> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.failure(&error)),
            _ => Ok(()),
        }
    }

    fn failure(&self, error: &std::io::Error) -> Error {
        failure(&self.folder, error)
    }
}

/// What [`Parts::index`] found.
#[derive(Debug, Default)]
pub struct Index {
    /// Caps of the encoded stream; `None` as long as there is no packet file.
    pub caps: Option<gst::Caps>,
    pub files: Vec<PathBuf>,
    pub frames: u64,
    /// What all packets hold, and of that the key frames.
    pub bytes: u64,
    pub key_frames: u64,
    pub key_bytes: u64,
    pub timescale: Timescale,
    pub last: Option<Packet>,
}

impl Index {
    /// The packets of folders that [`Parts::keep_as`] made, one after the other.
    ///
    /// # Errors
    /// Some are damaged or missing, or their caps differ.
    pub fn of_finished(folders: &[PathBuf]) -> Result<Self> {
        let mut index = Self::default();
        for folder in folders {
            let before = index.frames;
            index.add(folder)?;
            let found = index.frames - before;
            let promised = std::fs::read_to_string(folder.join(FRAMES)).ok();
            let fault = match promised.and_then(|frames| frames.parse::<u64>().ok()) {
                Some(frames) if frames == found => continue,
                Some(frames) => format!("only the first {found} of its {frames} frames are whole"),
                None => "it does not say how many frames it holds".into(),
            };
            return Err(Error::input(format!(
                "{}: {fault}; paint it again, with the same --segment",
                folder.display()
            )));
        }
        Ok(index)
    }

    /// Takes the packets of one more folder, which follow on those before.
    fn add(&mut self, folder: &Path) -> Result<()> {
        for path in packet_files(folder)? {
            let Some(mut reader) = PacketReader::open(&path)? else {
                continue;
            };
            match &self.caps {
                Some(caps) if *caps != reader.caps => {
                    return Err(Error::output(format!(
                        "{}: the encoder's settings changed in mid-conversion; begin anew, without --resume",
                        path.display()
                    )));
                }
                _ => self.caps = Some(reader.caps.clone()),
            }
            while let Some((packet, _)) = reader.next()? {
                self.frames += 1;
                self.timescale.note(packet.pts);
                self.bytes += u64::from(packet.size);
                if packet.key_frame {
                    self.key_frames += 1;
                    self.key_bytes += u64::from(packet.size);
                }
                self.last = Some(packet);
            }
            self.files.push(path);
        }
        Ok(())
    }

    /// When the last frame is over.
    pub fn end(&self) -> Duration {
        let end = self.last.as_ref().map(|last| last.pts + last.duration.unwrap_or_default());
        end.unwrap_or_default().into()
    }

    /// How long the last frame is shown: what the source says, unless that is a small part of the frame before,
    /// as for streams that claim a frame rate of thousands.
    pub fn last_duration(&self, said: Option<gst::ClockTime>) -> Option<gst::ClockTime> {
        let before = self.timescale.last_step();
        said.filter(|said| before.is_none_or(|before| *said * 10 >= before)).or(before)
    }
}

/// Writes one packet file.
#[derive(Debug)]
pub struct PacketWriter {
    file: BufWriter<File>,
    path: PathBuf,
    has_caps: bool,
}

impl PacketWriter {
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

/// The packet files of a folder in the order they were written.
fn packet_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|error| failure(folder, &error))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "packets")).collect();
    files.sort();
    Ok(files)
}

/// Makes `folder` and locks it against a second conversion into `output`. The lock ends with the process, however it ends.
fn lock(folder: &Path, output: &Path) -> Result<File> {
    let path = folder.join("lock");
    let opened = std::fs::create_dir_all(folder)
        .and_then(|()| File::options().read(true).write(true).create(true).truncate(false).open(&path));
    let mut file = opened.map_err(|error| failure(&path, &error))?;
    match file.try_lock() {
        // One that has just finished may have removed the folder in between.
        Ok(()) if !path.exists() => lock(folder, output),
        Ok(()) => {
            file.set_len(0)
                .and_then(|()| write!(file, "{}", std::process::id()))
                .map_err(|error| failure(&path, &error))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let process = std::fs::read_to_string(&path).unwrap_or_default();
            Err(Error::usage(format!(
                "{} is being written by process {process}; wait for it or choose another OUT",
                output.display()
            )))
        }
        Err(TryLockError::Error(error)) => Err(failure(&path, &error)),
    }
}

/// `holiday.mp4` keeps its parts in `.holiday.mp4.parts` beside it.
pub fn folder_of(output: &Path) -> PathBuf {
    hidden_beside(output, "parts")
}

fn failure(path: &Path, error: &std::io::Error) -> Error {
    let advice = if error.kind() == ErrorKind::StorageFull { "; make room and go on with --resume" } else { "" };
    Error::output(format!("{}: {error}{advice}", path.display()))
}
