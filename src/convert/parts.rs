//! Painted packets on disk until a conversion is complete: `.OUT.parts` beside OUT, one file for each run.
//!
//! A conversion writes encoded packets with their exact times; an interrupted one leaves what it finished, and
//! the next run appends a file.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gstreamer as gst;

use super::job::Job;
use super::packets::{Packet, PacketReader, PacketWriter, failure};
use super::timescale::Timescale;
use crate::error::{Error, Result};
use crate::output::hidden_beside;

/// The file in a folder of finished packets that says how many there are.
const FRAMES: &str = "frames";

/// The folder of one conversion.
#[derive(Debug)]
pub struct Parts {
    folder: PathBuf,
    /// Locked as long as this conversion runs; holds the number of its process.
    _lock: File,
}

impl Parts {
    /// The parts of `output`: those of an interrupted conversion with `resume`, or an empty folder.
    ///
    /// # Errors
    /// Another conversion writes `output`, they belong to another job, or the folder cannot be written to.
    pub fn open(output: &Path, job: &Job, resume: bool) -> Result<Self> {
        let folder = folder_of(output);
        let this = Self { _lock: lock(&folder, output)?, folder };
        if resume && Job::is_in(&this.folder) {
            let earlier = Job::in_folder(&this.folder).ok();
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
        job.note_in(&this.folder)?;
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
        PacketWriter::create(path)
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
