//! The ledger in the folder of a batch: what was painted of which file, so that it is not painted again.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::job::Job;
use crate::error::{Error, Result};
use crate::hex::hex;
use crate::sync::Locked;

/// Its name in the folder; each line is the JSON of an [`Entry`].
pub const NAME: &str = ".impasto-done.jsonl";

/// The ledger of one folder, locked as long as a batch paints into it.
#[derive(Debug)]
pub struct Ledger {
    file: Mutex<File>,
    entries: Mutex<Entries>,
}

/// What a ledger says, by the name in the folder; the latest entry counts.
#[derive(Debug, Default)]
pub struct Entries(HashMap<String, Entry>);

/// A finished file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    output: String,
    output_bytes: u64,
    input: String,
    input_bytes: u64,
    input_modified_ns: u128,
    /// Stands for the network, the look and all other settings.
    settings: String,
}

/// What is there of a file that is to be painted.
#[derive(Debug, PartialEq, Eq)]
pub enum State {
    Missing,
    /// Painted from the file as it is, with the same settings.
    Whole,
    /// Painted with the same settings, but the file has changed since.
    Stale,
    /// Something else: what it is.
    Other(&'static str),
}

impl Ledger {
    /// # Errors
    /// The folder cannot be written to, or another batch paints into it.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let failed = |error: std::io::Error| Error::output(format!("{}: {error}", path.display()));
        let mut file = File::options().read(true).append(true).create(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let folder = folder.display();
                return Err(Error::usage(format!(
                    "another impasto paints into {folder}: wait for it or choose another folder"
                )));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        if bytes.last().is_some_and(|last| *last != b'\n') {
            // The line that was being written when the power went.
            file.write_all(b"\n").map_err(failed)?;
        }
        Ok(Self { file: Mutex::new(file), entries: Mutex::new(Entries::read(&bytes)) })
    }

    /// Looks something up.
    pub fn entries<T>(&self, look_up: impl FnOnce(&Entries) -> T) -> T {
        look_up(&self.entries.locked())
    }

    /// Notes that `output` is finished; `beside` is what decides on it beside its job.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn add(&self, name: &Path, output: &Path, job: &Job, beside: &impl Serialize) -> Result<()> {
        let failed = |error: std::io::Error| Error::output(format!("{}: {error}", output.display()));
        let entry = Entry::new(name, std::fs::symlink_metadata(output).map_err(failed)?.len(), job, beside);
        let line = serde_json::to_string(&entry).map_err(Error::output)?;
        let written = self.file.locked().write_all(format!("{line}\n").as_bytes());
        written.map_err(|error| Error::output(format!("{NAME}: {error}")))?;
        self.entries.locked().0.insert(entry.output.clone(), entry);
        Ok(())
    }
}

impl Entries {
    /// Those of a folder, which may not be there.
    pub fn of(folder: &Path) -> Self {
        std::fs::read(folder.join(NAME)).map(|bytes| Self::read(&bytes)).unwrap_or_default()
    }

    fn read(bytes: &[u8]) -> Self {
        let lines = bytes.split(|byte| *byte == b'\n');
        let entries = lines.filter_map(|line| serde_json::from_slice::<Entry>(line).ok());
        Self(entries.map(|entry| (entry.output.clone(), entry)).collect())
    }

    /// What `output`, called `name` in the folder, is to `job`.
    pub fn state(&self, name: &Path, output: &Path, job: &Job, beside: &impl Serialize) -> State {
        let Ok(metadata) = std::fs::symlink_metadata(output) else { return State::Missing };
        let now = Entry::new(name, metadata.len(), job, beside);
        match self.0.get(&now.output) {
            Some(entry) if *entry == now => State::Whole,
            Some(entry) if entry.output_bytes != now.output_bytes => State::Other("changed since it was painted"),
            Some(entry) if entry.input != now.input => State::Other("painted from another file"),
            Some(entry) if entry.settings != now.settings => State::Other("painted with other settings"),
            Some(_) => State::Stale,
            None => State::Other("not painted by a batch"),
        }
    }
}

impl Entry {
    fn new(name: &Path, output_bytes: u64, job: &Job, beside: &impl Serialize) -> Self {
        Self {
            output: exact_text(name),
            output_bytes,
            input: exact_text(job.input.as_ref()),
            input_bytes: job.input_bytes,
            input_modified_ns: job.input_modified_ns,
            settings: settings(job, beside),
        }
    }
}

/// A digest of all that decides on the result but the input.
fn settings(job: &Job, beside: &impl Serialize) -> String {
    let job = Job { input: Default::default(), input_bytes: 0, input_modified_ns: 0, ..job.clone() };
    let text = serde_json::to_string(&(job, beside)).unwrap_or_default();
    hex(&Sha256::digest(text))
}

/// A path as text that stands for no other; bytes that are no UTF-8 are written as `%FF`.
fn exact_text(path: &Path) -> String {
    let chunks = path.as_os_str().as_encoded_bytes().utf8_chunks();
    chunks.fold(String::new(), |text, chunk| {
        let invalid = chunk.invalid().iter().map(|byte| format!("%{byte:02X}"));
        text + &chunk.valid().replace('%', "%25") + &invalid.collect::<String>()
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use crate::capture::Treatment;
    use crate::convert::{Audio, Cut};
    use crate::gst::encoder::Bits;
    use crate::style::{Look, PaintSize};

    fn job(input: &str, network: &str) -> Job {
        Job {
            input: input.into(),
            input_bytes: 7,
            input_modified_ns: 1,
            network: network.into(),
            look: Look::default(),
            size: PaintSize::default(),
            treatment: Treatment::default(),
            cut: Cut::default(),
            rate: None,
            encoder: String::new(),
            bits: Bits::default(),
        }
    }

    #[test]
    fn what_is_whole_is_known_again_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("a.png");
        let name = Path::new("a.png");
        let ledger = Ledger::open(folder.path()).unwrap();
        let first = job("photo.png", "lite 1");
        assert_eq!(ledger.entries(|entries| entries.state(name, &output, &first, &Audio::Auto)), State::Missing);
        std::fs::write(&output, "painted").unwrap();
        assert_eq!(
            ledger.entries(|entries| entries.state(name, &output, &first, &Audio::Auto)),
            State::Other("not painted by a batch")
        );
        ledger.add(name, &output, &first, &Audio::Auto).unwrap();
        assert!(Ledger::open(folder.path()).unwrap_err().to_string().contains("another impasto paints into"));
        drop(ledger);

        // The power went in the middle of a line.
        File::options().append(true).open(folder.path().join(NAME)).unwrap().write_all(b"{\"output\":\"b.p").unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let state = |job: &Job, audio: &Audio| ledger.entries(|entries| entries.state(name, &output, job, audio));
        assert_eq!(state(&first, &Audio::Auto), State::Whole);
        assert_eq!(state(&Job { input_modified_ns: 2, ..first.clone() }, &Audio::Auto), State::Stale);
        assert_eq!(state(&job("photo.png", "lite 2"), &Audio::Auto), State::Other("painted with other settings"));
        assert_eq!(state(&first, &Audio::None), State::Other("painted with other settings"));
        assert_eq!(state(&job("other.png", "lite 1"), &Audio::Auto), State::Other("painted from another file"));
        std::fs::write(&output, "retouched").unwrap();
        assert_eq!(state(&first, &Audio::Auto), State::Other("changed since it was painted"));
        ledger.add(name, &output, &first, &Audio::Auto).unwrap();
        assert_eq!(state(&first, &Audio::Auto), State::Whole);
    }

    #[test]
    fn texts_of_paths_stand_for_one_path_only() {
        let texts = [&b"a\xff.png"[..], b"a\xfe.png", b"a%FF.png", "a\u{fffd}.png".as_bytes()]
            .map(|name| exact_text(OsStr::from_bytes(name).as_ref()));
        assert_eq!(texts, ["a%FF.png", "a%FE.png", "a%25FF.png", "a\u{fffd}.png"]);
    }
}
